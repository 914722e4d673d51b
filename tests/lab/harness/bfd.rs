//! BFD on the tap: control packets, read without the program's own parser, which is on trial here.

use std::net::IpAddr;
use std::time::Duration;

use super::capture::{Capture, Frame, Packet};
use super::eventually;
use super::segment::Port;

/// Where the packets of a session with one hop go (RFC 5881 §4).
const PORT: u16 = 3784;
const UDP: u8 = 17;

/// The state field (RFC 5880 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    AdminDown,
    Down,
    Init,
    Up,
}

/// What a control packet says (RFC 5880 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bfd {
    pub(crate) at: Duration,
    pub(crate) standing: Standing,
    pub(crate) diagnostic: u8,
    pub(crate) poll: bool,
    pub(crate) is_final: bool,
    pub(crate) multiplier: u8,
    pub(crate) mine: u32,
    pub(crate) yours: u32,
    /// Desired min TX interval.
    pub(crate) tx: Duration,
    /// Required min RX interval.
    pub(crate) rx: Duration,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) source_port: u16,
    /// TTL or hop limit.
    pub(crate) ttl: u8,
}

impl Frame {
    /// The BFD control packet in it.
    pub(crate) fn bfd(&self) -> Option<Bfd> {
        let Packet { ttl, source, destination, payload } = self.packet(UDP)?;
        let short = |at: usize| Some(u16::from_be_bytes([*payload.get(at)?, *payload.get(at + 1)?]));
        let control = payload.get(8..usize::from(short(4)?))?;
        let word = |at: usize| Some(u32::from_be_bytes(control.get(at * 4..at * 4 + 4)?.try_into().ok()?));
        let interval = |at| word(at).map(|micros| Duration::from_micros(micros.into()));
        let first = word(0)?.to_be_bytes();
        let standing = match first[1] >> 6 {
            0 => Standing::AdminDown,
            1 => Standing::Down,
            2 => Standing::Init,
            _ => Standing::Up,
        };
        (short(2)? == PORT).then_some(())?;
        Some(Bfd {
            at: self.at,
            standing,
            diagnostic: first[0] & 31,
            poll: first[1] & 0x20 != 0,
            is_final: first[1] & 0x10 != 0,
            multiplier: first[2],
            mine: word(1)?,
            yours: word(2)?,
            tx: interval(3)?,
            rx: interval(4)?,
            source,
            destination,
            source_port: short(0)?,
            ttl,
        })
    }

    /// Whether it is a BFD packet that is not one of thousands: it polls, answers, or is not up.
    pub(super) fn is_news_of_bfd(&self) -> bool {
        self.bfd().is_some_and(|bfd| bfd.standing != Standing::Up || bfd.poll || bfd.is_final)
    }
}

impl Capture {
    /// The BFD packets that came through this port, from a moment on.
    pub(crate) fn bfd(&self, port: &Port, from: Duration) -> Vec<Bfd> {
        let frames = self.frames_since(from);
        frames.iter().filter(|frame| frame.port == port.index()).filter_map(Frame::bfd).collect()
    }

    /// Waits for the first BFD packet through this port from a moment on that is as `wanted`.
    pub(crate) fn wait_bfd(
        &self,
        what: &str,
        port: &Port,
        from: Duration,
        limit: Duration,
        wanted: impl Fn(&Bfd) -> bool,
    ) -> Bfd {
        self.wait(&format!("BFD through port {}: {what}", port.index()), from, limit, |frame| {
            let bfd = (frame.port == port.index()).then(|| frame.bfd())?;
            bfd.filter(|bfd| wanted(bfd))
        })
    }

    /// Waits until the last word of these ports' sessions is up, without a poll sequence.
    pub(crate) fn wait_bfd_up(&self, ports: [&Port; 2], from: Duration, limit: Duration) {
        eventually("the session is up at both ends", limit, || {
            ports.into_iter().all(|port| self.bfd_is_up(port, from)).then_some(())
        });
    }

    /// Whether the last word of this port's session since then is up, without a poll sequence.
    pub(crate) fn bfd_is_up(&self, port: &Port, from: Duration) -> bool {
        let last = self.bfd(port, from).pop();
        last.is_some_and(|last| last.standing == Standing::Up && !last.poll && !last.is_final)
    }
}
