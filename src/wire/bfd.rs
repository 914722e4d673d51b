//! BFD control packets (RFC 5880 §4.1) and the UDP header that they travel behind (RFC 5881 §4).

use core::net::IpAddr;

use super::Full;

/// UDP's port of single-hop BFD (RFC 5881 §4).
pub const PORT: u16 = 3784;

/// Where source ports begin, and how many there are (RFC 5881 §4).
pub const SOURCE_PORT_FIRST: u16 = 49_152;
/// See [`SOURCE_PORT_FIRST`].
pub const SOURCE_PORTS: u16 = 16_384;

/// Diagnostic 1: nothing was heard for a whole detection time (RFC 5880 §4.1).
pub const DETECTION_TIME_EXPIRED: u8 = 1;

/// Bytes of a control packet without authentication.
pub const CONTROL_BYTES: usize = 24;

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

impl Control {
    /// Reads a control packet from the payload of a datagram.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(payload: &[u8]) -> Result<Self, Discard> {
        let _ = payload;
        Err(Discard::Version)
    }

    /// Writes the packet into `buffer` and returns its length in bytes.
    ///
    /// # Errors
    /// [`Full`] if it does not fit.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Full> {
        let _ = buffer;
        Err(Full)
    }
}

impl Control {
    /// What a diagnostic says, as the end of a sentence about a session that has gone down.
    #[must_use]
    pub const fn reason(diagnostic: u8) -> &'static str {
        match diagnostic {
            DETECTION_TIME_EXPIRED => ": nothing is heard any more",
            3 => ": the other end says so",
            _ => "",
        }
    }
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
}

impl Discard {
    /// What is wrong, for the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        "stub"
    }
}

/// Bytes of a control packet behind its UDP header.
pub const DATAGRAM_BYTES: usize = 8 + CONTROL_BYTES;

/// stub
///
/// # Errors
/// stub
pub fn datagram(
    control: &Control,
    source_port: u16,
    source: IpAddr,
    destination: IpAddr,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let _ = (control, source_port, source, destination, buffer);
    Err(Full)
}
