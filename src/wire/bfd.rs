//! BFD control packets (RFC 5880 §4.1) and the UDP header that they travel behind (RFC 5881 §4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
//! |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |                 Desired Min TX Interval (us)                  |
//! |                 Required Min RX Interval (us)                 |
//! |              Required Min Echo RX Interval (us)               |
//! +---------------------------------------------------------------+
//! ```

use core::net::IpAddr;

use super::sum::{complement, pseudo_header, sum_of};
use super::{Full, Writer};

/// UDP's port of single-hop BFD (RFC 5881 §4).
pub const PORT: u16 = 3784;

/// Where source ports begin, and how many there are (RFC 5881 §4).
pub const SOURCE_PORT_FIRST: u16 = 49_152;
/// See [`SOURCE_PORT_FIRST`].
pub const SOURCE_PORTS: u16 = 16_384;

/// Bytes of a control packet without authentication.
pub const CONTROL_BYTES: usize = 24;

/// Bytes of a control packet behind its UDP header.
pub const DATAGRAM_BYTES: usize = 8 + CONTROL_BYTES;

/// Diagnostic: nothing was heard for a whole detection time (RFC 5880 §4.1).
pub const DETECTION_TIME_EXPIRED: u8 = 1;
/// Diagnostic: the other end has said that the session is down (RFC 5880 §4.1).
pub const NEIGHBOR_SIGNALED_DOWN: u8 = 3;
/// Diagnostic: held down by hand (RFC 5880 §4.1).
pub const ADMINISTRATIVELY_DOWN: u8 = 7;

const VERSION: u8 = 1;
const UDP_PROTOCOL: u8 = 17;

/// Bytes of a control packet with the shortest authentication (RFC 5880 §6.8.6).
const AUTHENTICATED_BYTES_MIN: u8 = 26;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// A session's state, as packets have it (RFC 5880 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// Held down by hand: it says nothing about the path. The first, so that a table of these is all zeros.
    AdminDown,
    /// Nothing has been heard, or the other end says that it hears nothing.
    Down,
    /// The other end is heard.
    Init,
    /// And it hears us.
    Up,
}

impl State {
    /// The word for it in logs and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdminDown => "admin down",
            Self::Down => "down",
            Self::Init => "init",
            Self::Up => "up",
        }
    }

    /// From the upper two bits of the second byte.
    const fn from_flags(flags: u8) -> Self {
        match flags >> 6 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

/// A control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// Why its state is what it is (RFC 5880 §4.1), 0..=31.
    pub diagnostic: u8,
    /// Its sender's state.
    pub state: State,
    /// It asks for one with the final bit.
    pub is_poll: bool,
    /// It answers one with the poll bit.
    pub is_final: bool,
    /// Its sender wants no periodic packets (RFC 5880 §6.6). We never do.
    pub is_demand: bool,
    /// How many of them may be missed, 1..=255.
    pub multiplier: u8,
    /// Its sender's discriminator; not 0.
    pub mine: u32,
    /// Ours, as its sender knows it; 0: it does not.
    pub yours: u32,
    /// Desired Min TX Interval, microseconds.
    pub min_tx_us: u32,
    /// Required Min RX Interval, microseconds; 0: none are to be sent.
    pub min_rx_us: u32,
}

/// Why a packet is discarded (RFC 5880 §6.8.6), in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// It comes from no neighbour of ours.
    Stranger,
    /// It has come through a router (RFC 5881 §5).
    HopLimit,
    /// Another version.
    Version,
    /// Its length is too small, or greater than what has come.
    Length,
    /// Detect Mult is 0.
    Multiplier,
    /// The multipoint bit.
    Multipoint,
    /// My Discriminator is 0.
    Mine,
    /// It knows no discriminator of ours, although its state says that it has heard us; or nobody has the one it knows.
    Yours,
    /// It has an authentication section, and we have no key.
    Authentication,
}

impl Discard {
    /// Every reason, in the order in which it is looked at.
    pub const ALL: [Self; 9] = [
        Self::Stranger,
        Self::HopLimit,
        Self::Version,
        Self::Length,
        Self::Multiplier,
        Self::Multipoint,
        Self::Mine,
        Self::Yours,
        Self::Authentication,
    ];

    /// What is wrong, for the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stranger => "its sender is no neighbour",
            Self::HopLimit => "it has come through a router",
            Self::Version => "its version is not 1",
            Self::Length => "its length is wrong",
            Self::Multiplier => "its multiplier is 0",
            Self::Multipoint => "it is for many",
            Self::Mine => "it has no discriminator",
            Self::Yours => "it is for no session of ours",
            Self::Authentication => "it is authenticated, and there is no key",
        }
    }
}

impl Control {
    /// Reads a control packet from the payload of a datagram. Where it comes from, and with which TTL, has been looked at.
    ///
    /// # Errors
    /// The first rule of RFC 5880 §6.8.6 that it breaks.
    pub fn parse(payload: &[u8]) -> Result<Self, Discard> {
        let first = payload.first().ok_or(Discard::Length)?;
        if first >> 5 != VERSION {
            return Err(Discard::Version);
        }
        let packet = payload.first_chunk::<CONTROL_BYTES>().ok_or(Discard::Length)?;
        let &[diagnostic, flags, multiplier, len, m0, m1, m2, m3, y0, y1, y2, y3, ..] = packet;
        let &[.., t0, t1, t2, t3, r0, r1, r2, r3, _, _, _, _] = packet;
        let is_authenticated = flags & AUTHENTICATION != 0;
        let least = if is_authenticated { AUTHENTICATED_BYTES_MIN } else { CONTROL_BYTES as u8 };
        if len < least || usize::from(len) > payload.len() {
            return Err(Discard::Length);
        }
        let control = Self {
            diagnostic: diagnostic & 0x1f,
            state: State::from_flags(flags),
            is_poll: flags & POLL != 0,
            is_final: flags & FINAL != 0,
            is_demand: flags & DEMAND != 0,
            multiplier,
            mine: u32::from_be_bytes([m0, m1, m2, m3]),
            yours: u32::from_be_bytes([y0, y1, y2, y3]),
            min_tx_us: u32::from_be_bytes([t0, t1, t2, t3]),
            min_rx_us: u32::from_be_bytes([r0, r1, r2, r3]),
        };
        if multiplier == 0 {
            return Err(Discard::Multiplier);
        }
        if flags & MULTIPOINT != 0 {
            return Err(Discard::Multipoint);
        }
        if control.mine == 0 {
            return Err(Discard::Mine);
        }
        if control.yours == 0 && control.state > State::Down {
            return Err(Discard::Yours);
        }
        if is_authenticated {
            return Err(Discard::Authentication);
        }
        Ok(control)
    }

    /// Writes the packet into `buffer` and returns its length in bytes. It never has the demand bit, and says that it
    /// takes no echoes.
    ///
    /// # Errors
    /// [`Full`] if it does not fit.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Full> {
        let mut writer = Writer::new(buffer);
        self.put(&mut writer)?;
        Ok(writer.len())
    }

    fn put(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        let poll = if self.is_poll { POLL } else { 0 };
        let is_final = if self.is_final { FINAL } else { 0 };
        let flags = (self.state as u8) << 6 | poll | is_final;
        let first = VERSION << 5 | self.diagnostic & 0x1f;
        writer.put(&[first, flags, self.multiplier, CONTROL_BYTES as u8])?;
        for word in [self.mine, self.yours, self.min_tx_us, self.min_rx_us, 0] {
            writer.put(&word.to_be_bytes())?;
        }
        Ok(())
    }
}

/// Writes a control packet behind its UDP header into `buffer`, from `source_port` to [`PORT`], and returns the length of
/// both in bytes: [`DATAGRAM_BYTES`]. An unspecified source is chosen by the kernel, and then the checksum is 0: over
/// IPv4 there is none (RFC 768), over IPv6 it is the kernel's to fill in.
///
/// # Errors
/// [`Full`] if it does not fit.
pub fn datagram(
    control: &Control,
    source_port: u16,
    source: IpAddr,
    destination: IpAddr,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let mut writer = Writer::new(buffer);
    for half in [source_port, PORT, DATAGRAM_BYTES as u16, 0] {
        writer.put(&half.to_be_bytes())?;
    }
    control.put(&mut writer)?;
    if !source.is_unspecified() {
        let pseudo = pseudo_header(UDP_PROTOCOL, &source, &destination, DATAGRAM_BYTES);
        // Zero would say that there is none (RFC 768).
        let checksum = match complement(sum_of(writer.written()) + pseudo) {
            0 => u16::MAX,
            checksum => checksum,
        };
        writer.set(6, &checksum.to_be_bytes())?;
    }
    Ok(writer.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use smoltcp::wire::{IpAddress, UdpPacket};
    use std::vec::Vec;

    const V4: [IpAddr; 2] =
        [IpAddr::V4(Ipv4Addr::new(10, 9, 0, 10)), IpAddr::V4(Ipv4Addr::new(10, 9, 0, 11))];
    const V6: [IpAddr; 2] = [
        IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10)),
        IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11)),
    ];

    // What was captured between FRR 8.4.4's bfdd and keepalived 2.2.7, under other discriminators.

    /// FRR has heard nobody.
    const FRR_DOWN: [u8; 24] = [
        0x20, 0x40, 3, 24, 0x5a, 0x1b, 0xc7, 0x0e, 0, 0, 0, 0, 0x00, 0x0f, 0x42, 0x40, 0x00, 0x0f, 0x42,
        0x40, 0, 0, 0, 0,
    ];
    /// It has been heard, and asks for 150 ms.
    const FRR_UP_POLL: [u8; 24] = [
        0x20, 0xe0, 3, 24, 0x5a, 0x1b, 0xc7, 0x0e, 0x00, 0x00, 0xbe, 0xef, 0x00, 0x02, 0x49, 0xf0, 0x00,
        0x02, 0x49, 0xf0, 0, 0, 0, 0,
    ];
    /// Its operator has shut it down: AdminDown, without a diagnostic.
    const FRR_ADMIN_DOWN: [u8; 24] = [
        0x20, 0x00, 3, 24, 0x5a, 0x1b, 0xc7, 0x0e, 0x00, 0x00, 0xbe, 0xef, 0x00, 0x02, 0x49, 0xf0, 0x00,
        0x02, 0x49, 0xf0, 0, 0, 0, 0,
    ];
    /// keepalived's answer to a poll.
    const KEEPALIVED_FINAL: [u8; 24] = [
        0x20, 0xd0, 5, 24, 0x00, 0x00, 0xbe, 0xef, 0x5a, 0x1b, 0xc7, 0x0e, 0x00, 0x01, 0x86, 0xa0, 0x00,
        0x01, 0x86, 0xa0, 0, 0, 0, 0,
    ];
    /// And when it has heard nothing for too long.
    const KEEPALIVED_EXPIRED: [u8; 24] = [
        0x21, 0x40, 5, 24, 0x00, 0x00, 0xbe, 0xef, 0, 0, 0, 0, 0x00, 0x0f, 0x42, 0x40, 0x00, 0x01, 0x86,
        0xa0, 0, 0, 0, 0,
    ];

    const FRR: Control = Control {
        diagnostic: 0,
        state: State::Up,
        is_poll: true,
        is_final: false,
        is_demand: false,
        multiplier: 3,
        mine: 0x5a1b_c70e,
        yours: 0xbeef,
        min_tx_us: 150_000,
        min_rx_us: 150_000,
    };
    const KEEPALIVED: Control = Control {
        is_poll: false,
        is_final: true,
        multiplier: 5,
        mine: 0xbeef,
        yours: 0x5a1b_c70e,
        min_tx_us: 100_000,
        min_rx_us: 100_000,
        ..FRR
    };

    const ALL_BYTES: [(&[u8; 24], Control); 5] = [
        (
            &FRR_DOWN,
            Control {
                state: State::Down,
                is_poll: false,
                yours: 0,
                min_tx_us: 1_000_000,
                min_rx_us: 1_000_000,
                ..FRR
            },
        ),
        (&FRR_UP_POLL, FRR),
        (&FRR_ADMIN_DOWN, Control { state: State::AdminDown, is_poll: false, ..FRR }),
        (&KEEPALIVED_FINAL, KEEPALIVED),
        (
            &KEEPALIVED_EXPIRED,
            Control {
                diagnostic: DETECTION_TIME_EXPIRED,
                state: State::Down,
                is_final: false,
                yours: 0,
                min_tx_us: 1_000_000,
                ..KEEPALIVED
            },
        ),
    ];

    /// RFC 5880 §4.1; BF01: what others send is read, and written to the byte, also over what was there before.
    #[test]
    fn bf01_the_packets_of_frr_and_keepalived_are_read_and_written() {
        for (bytes, control) in ALL_BYTES {
            assert_eq!(Control::parse(bytes), Ok(control));
            let mut buffer = [0xa5; 26];
            assert_eq!(control.emit(&mut buffer), Ok(24));
            assert_eq!(buffer[..24], *bytes);
            assert_eq!(buffer[24..], [0xa5; 2]);
            assert_eq!(control.emit(&mut buffer[..23]), Err(Full));
        }
    }

    /// Every field is where it was put, whatever it is.
    #[test]
    fn bf01_what_is_written_is_read_again() {
        for seed in 0..2000u32 {
            let mut rng = fastrand::Rng::with_seed(seed.into());
            let states = [State::AdminDown, State::Down, State::Init, State::Up];
            let control = Control {
                diagnostic: rng.u8(..32),
                state: states[rng.usize(..4)],
                is_poll: rng.bool(),
                is_final: rng.bool(),
                is_demand: false,
                multiplier: rng.u8(1..),
                mine: rng.u32(1..),
                yours: rng.u32(1..),
                min_tx_us: rng.u32(..),
                min_rx_us: rng.u32(..),
            };
            let mut buffer = [0xa5; 24];
            assert_eq!(control.emit(&mut buffer), Ok(24));
            assert_eq!(Control::parse(&buffer), Ok(control));
            // We do not ask for silence, and a peer that does is understood (RFC 5880 §6.6).
            let mut asked = [0xa5; 24];
            assert_eq!(Control { is_demand: true, ..control }.emit(&mut asked), Ok(24));
            assert_eq!(asked, buffer);
            buffer[1] |= DEMAND;
            assert_eq!(Control::parse(&buffer), Ok(Control { is_demand: true, ..control }));
        }
    }

    /// RFC 5880 §6.8.6; BF02: a packet that breaks all rules breaks them in this order, as one after the other is mended.
    #[test]
    fn bf02_a_packet_is_discarded_for_the_first_rule_that_it_breaks() {
        let mut bytes = [0; 26];
        bytes[1] = 0x80 | AUTHENTICATION | MULTIPOINT;
        type Mend = fn(&mut [u8; 26]);
        let mends: [(Discard, Mend); 8] = [
            (Discard::Version, |bytes| bytes[0] = VERSION << 5),
            (Discard::Length, |bytes| bytes[3] = 25),
            (Discard::Length, |bytes| bytes[3] = 26),
            (Discard::Multiplier, |bytes| bytes[2] = 1),
            (Discard::Multipoint, |bytes| bytes[1] &= !MULTIPOINT),
            (Discard::Mine, |bytes| bytes[7] = 1),
            (Discard::Yours, |bytes| bytes[11] = 1),
            (Discard::Authentication, |bytes| bytes[1] &= !AUTHENTICATION),
        ];
        for (reason, mend) in mends {
            assert_eq!(Control::parse(&bytes), Err(reason));
            mend(&mut bytes);
        }
        assert_eq!(Control::parse(&bytes).map(|control| control.state), Ok(State::Init));
    }

    /// RFC 5880 §6.8.6; BF02: every length of every packet; only what it says of itself counts, and what follows is not its.
    #[test]
    fn bf02_a_packet_is_as_long_as_it_says_and_no_longer_than_what_came() {
        let mut bytes = FRR_UP_POLL.to_vec();
        bytes.resize(300, 0xee);
        for said in 0..=255u8 {
            bytes[3] = said;
            for len in 0..bytes.len() {
                let is_right = said >= 24 && usize::from(said) <= len;
                assert_eq!(Control::parse(&bytes[..len]).is_ok(), is_right, "{said} of {len}");
            }
        }
        for version in (0..8u8).filter(|version| *version != 1) {
            assert_eq!(Control::parse(&[version << 5 | 3]), Err(Discard::Version));
        }
        assert_eq!(Control::parse(&[]), Err(Discard::Length));
    }

    /// RFC 5880 §6.8.6; BF02: who has not heard us can only be down.
    #[test]
    fn bf02_nobody_comes_up_without_our_discriminator() {
        for (state, is_possible) in [(0x00, true), (0x40, true), (0x80, false), (0xc0, false)] {
            let mut bytes = FRR_DOWN;
            bytes[1] = state;
            let expected = (!is_possible).then_some(Discard::Yours);
            assert_eq!(Control::parse(&bytes).err(), expected, "{state:02x}");
        }
    }

    #[test]
    fn every_reason_says_something_else() {
        let mut names: Vec<_> = Discard::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Discard::ALL.len());
    }

    fn written(control: &Control, [source, destination]: [IpAddr; 2]) -> [u8; DATAGRAM_BYTES] {
        let mut buffer = [0xa5; DATAGRAM_BYTES + 1];
        let len = datagram(control, 49_999, source, destination, &mut buffer);
        assert_eq!((len, buffer[DATAGRAM_BYTES]), (Ok(DATAGRAM_BYTES), 0xa5));
        *buffer.first_chunk().unwrap()
    }

    /// RFC 768, RFC 8200 §8.1, RFC 5881 §4; BF01: another reader finds the header right, and so the sum over it.
    #[test]
    fn bf01_another_reader_finds_the_udp_header_right() {
        for ends in [V4, V6] {
            // Every sum that there can be is among them.
            for yours in 1..70_000 {
                let control = Control { yours, ..FRR };
                let bytes = written(&control, ends);
                let packet = UdpPacket::new_checked(&bytes[..]).unwrap();
                assert_eq!((packet.src_port(), packet.dst_port(), packet.len()), (49_999, PORT, 32));
                assert!(packet.checksum() != 0, "nothing says that there is none");
                let [source, destination] = ends.map(IpAddress::from);
                assert!(packet.verify_checksum(&source, &destination), "{bytes:02x?}");
                assert_eq!(Control::parse(packet.payload()), Ok(control));
            }
        }
        let [source, destination] = V4;
        assert_eq!(datagram(&FRR, 49_152, source, destination, &mut [0; 31]), Err(Full));
    }

    /// The kernel knows it, and the sum.
    #[test]
    fn without_a_source_there_is_no_checksum() {
        for ends in [[Ipv4Addr::UNSPECIFIED.into(), V4[1]], [Ipv6Addr::UNSPECIFIED.into(), V6[1]]] {
            let bytes = written(&KEEPALIVED, ends);
            assert_eq!(bytes[..8], [0xc3, 0x4f, 0x0e, 0xc8, 0, 32, 0, 0]);
            assert_eq!(bytes[8..], KEEPALIVED_FINAL);
        }
    }
}
