//! VRRP messages: version 2 (RFC 3768 §5.1, with the PASS trailer of RFC 2338 §5.3.6.2) and version 3
//! (RFC 5798 §5.1, RFC 9568 §5.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+---------------+---------------+
//! |Version| Type  |  Virtual Rtr  |   Priority    |     Count     |
//! +-------+-------+---------------+---------------+---------------+
//! | v2: Auth Type | Adver Int (s) |            Checksum           |
//! | v3: rsvd | Max Advert Int (cs)|                               |
//! +---------------+---------------+-------------------------------+
//! |                        IP addresses …                         |
//! +---------------------------------------------------------------+
//! |            v2 only: 8 bytes of authentication data            |
//! +---------------------------------------------------------------+
//! ```

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;

use super::{Full, Writer};
use crate::time::Interval;

/// IP protocol and IPv6 next header of VRRP (RFC 9568 §5.1.1.4, §5.1.2.4).
pub const IP_PROTOCOL: u8 = 112;

/// TTL and hop limit of every advertisement (RFC 9568 §5.1.1.3, §5.1.2.3): what arrives with it came
/// over no router.
pub const TTL: u8 = 255;

/// The priority of the address owner (RFC 9568 §5.2.4).
pub const PRIORITY_OWNER: u8 = 255;

/// The priority that gives mastership up (RFC 9568 §5.2.4).
pub const PRIORITY_RESIGN: u8 = 0;

const FIXED_BYTES: usize = 8;
const TRAILER_BYTES: usize = 8;
const TYPE_ADVERTISEMENT: u8 = 1;
const AUTH_NONE: u8 = 0;
const AUTH_PASS: u8 = 1;

/// A protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768: IPv4, whole seconds.
    V2,
    /// RFC 5798 and RFC 9568: IPv4 and IPv6, centiseconds.
    V3,
}

impl Version {
    /// The number on the wire: 2 or 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// A virtual router identifier, 1..=255 (RFC 9568 §5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// The identifier `number`; `None` for zero.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        match NonZeroU8::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// 1..=255.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A PASS password: up to eight bytes, filled with zeros (RFC 2338 §5.3.6.2, §5.3.10). It travels in the
/// clear and keeps out mistakes, not attackers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password([u8; TRAILER_BYTES]);

impl Password {
    /// The password `text`; `None` if it is empty or longer than eight bytes.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; TRAILER_BYTES];
        if text.is_empty() {
            return None;
        }
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self(bytes))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// The two readings of version 3's checksum over IPv4. Over IPv6 there is one: with pseudo-header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChecksumForm {
    /// With the pseudo-header: RFC 5798 §5.2.8 as keepalived and FRR read it.
    #[default]
    PseudoHeader,
    /// The message alone: RFC 9568 §5.2.8, Cisco, Arista.
    MessageOnly,
}

/// Why a received packet is not an advertisement for us. Every packet that is dropped is counted under
/// one of these and touches nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    /// The IPv4 header is broken or cut (RFC 791), or the source is no host's address.
    IpHeader,
    /// TTL or hop limit is not 255, or outside the peer's min_ttl..max_ttl (RFC 9568 §7.1; RX01).
    Ttl,
    /// Shorter than its own count of addresses asks for (RFC 9568 §7.1; RX04).
    Short,
    /// Longer than its own count of addresses asks for (RX05).
    Long,
    /// Neither version 2 nor 3, version 2 over IPv6, or not the configured one (RX02).
    Version,
    /// Type is not 1 (RX03).
    Type,
    /// The checksum is wrong in every reading that the version knows (RX07).
    Checksum,
    /// No virtual router of this VRID is configured where the packet arrived (RX08); zero is one of these.
    Vrid,
    /// No address is listed (erratum 8299; RX10).
    Count,
    /// The interval is zero (erratum 8301; RX12).
    IntervalZero,
    /// Version 2: the interval differs from ours (RFC 3768 §7.1; RX17).
    IntervalDiffers,
    /// Version 2: the authentication type is unknown or not the configured one (RX14).
    AuthType,
    /// Version 2: the password differs (RX15).
    Password,
    /// Unicast to an instance that speaks multicast, or the reverse (RX23).
    Cast,
    /// The source is not a configured peer (RX23).
    Peer,
    /// It carries our own source address: looped back, or somebody uses our address (RX24).
    Own,
    /// We do not take part at the moment (RFC 9568 §6.4.1; RX25).
    Initialize,
}

impl Discard {
    /// Every reason, in the order of its counter.
    pub const ALL: [Self; 17] = [
        Self::IpHeader,
        Self::Ttl,
        Self::Short,
        Self::Long,
        Self::Version,
        Self::Type,
        Self::Checksum,
        Self::Vrid,
        Self::Count,
        Self::IntervalZero,
        Self::IntervalDiffers,
        Self::AuthType,
        Self::Password,
        Self::Cast,
        Self::Peer,
        Self::Own,
        Self::Initialize,
    ];

    /// The reason's name in `status`: lower case, underscores.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::IpHeader => "ip_header",
            Self::Ttl => "ttl",
            Self::Short => "short",
            Self::Long => "long",
            Self::Version => "version",
            Self::Type => "type",
            Self::Checksum => "checksum",
            Self::Vrid => "vrid",
            Self::Count => "count",
            Self::IntervalZero => "interval_zero",
            Self::IntervalDiffers => "interval_differs",
            Self::AuthType => "auth_type",
            Self::Password => "password",
            Self::Cast => "cast",
            Self::Peer => "peer",
            Self::Own => "own",
            Self::Initialize => "initialize",
        }
    }
}

/// The authentication of a version 2 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Type 0; the trailer's content means nothing (RFC 3768 §5.3.10; RX16).
    None,
    /// Type 1.
    Pass(Password),
}

/// A message that is well-formed in itself. Whether it is for us is the virtual router's question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advert<'a> {
    /// Version of the message.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// 0..=255; 0 resigns.
    pub priority: u8,
    /// Adver Int or Max Advertise Interval.
    pub interval: Interval,
    /// Version 2's authentication; `None` in version 3.
    pub authentication: Authentication,
    /// Which reading of the checksum was found to be right.
    pub checksum: ChecksumForm,
    /// The listed addresses: 4 bytes each over IPv4, 16 over IPv6.
    pub addresses: &'a [u8],
}

/// The VRID of a message, before anything else of it is believed. It says who is to count the discard.
#[must_use]
pub fn vrid_of(message: &[u8]) -> Option<Vrid> {
    message.get(1).copied().and_then(Vrid::new)
}

impl<'a> Advert<'a> {
    /// Reads a message that came from `source` to `destination` (both of one family).
    ///
    /// # Errors
    /// The first rule of RFC 9568 §7.1 (version 2: RFC 3768 §7.1) that it breaks.
    pub fn parse(message: &'a [u8], source: IpAddr, destination: IpAddr) -> Result<Self, Discard> {
        let (fixed, rest) = message.split_first_chunk::<FIXED_BYTES>().ok_or(Discard::Short)?;
        let &[version_type, vrid, priority, count, byte4, byte5, _, _] = fixed;

        let (version, address_bytes) = match (version_type >> 4, source) {
            (2, IpAddr::V4(_)) => (Version::V2, 4),
            (3, IpAddr::V4(_)) => (Version::V3, 4),
            (3, IpAddr::V6(_)) => (Version::V3, 16),
            (_, IpAddr::V4(_) | IpAddr::V6(_)) => return Err(Discard::Version),
        };
        if version_type & 0x0f != TYPE_ADVERTISEMENT {
            return Err(Discard::Type);
        }
        let vrid = Vrid::new(vrid).ok_or(Discard::Vrid)?;
        if count == 0 {
            return Err(Discard::Count);
        }

        let addresses_len = usize::from(count) * address_bytes;
        let (addresses, trailer) = rest.split_at_checked(addresses_len).ok_or(Discard::Short)?;
        let checksum = match version {
            Version::V2 if trailer.len() < TRAILER_BYTES => return Err(Discard::Short),
            Version::V2 if trailer.len() > TRAILER_BYTES => return Err(Discard::Long),
            Version::V3 if !trailer.is_empty() => return Err(Discard::Long),
            Version::V2 => verify_message_only(message),
            Version::V3 => verify_v3(message, source, destination),
        }
        .ok_or(Discard::Checksum)?;

        let (interval, authentication) = match version {
            Version::V2 => {
                let authentication = match byte4 {
                    AUTH_NONE => Authentication::None,
                    AUTH_PASS => {
                        let bytes = trailer.first_chunk::<TRAILER_BYTES>().ok_or(Discard::Short)?;
                        Authentication::Pass(Password(*bytes))
                    }
                    _ => return Err(Discard::AuthType),
                };
                (Interval::from_secs(byte5), authentication)
            }
            // The four reserved bits are ignored (RFC 9568 §5.2.6; RX13).
            Version::V3 => {
                (Interval::from_centis(u16::from_be_bytes([byte4 & 0x0f, byte5])), Authentication::None)
            }
        };
        let interval = interval.ok_or(Discard::IntervalZero)?;
        Ok(Self { version, vrid, priority, interval, authentication, checksum, addresses })
    }
}

/// What to say in an advertisement.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// Version; must be [`Version::V3`] over IPv6.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// 0..=255.
    pub priority: u8,
    /// Our own interval. Version 2 sends whole seconds and version 3 at most 40.95 s: the configuration
    /// lets nothing else through.
    pub interval: Interval,
    /// Version 2: the password, if any.
    pub password: Option<Password>,
    /// Version 3 over IPv4: which reading of the checksum to send.
    pub checksum: ChecksumForm,
    /// Where it is sent from; part of version 3's checksum.
    pub source: IpAddr,
    /// Where it is sent to; part of version 3's checksum.
    pub destination: IpAddr,
}

impl Outgoing {
    /// Writes the message with these addresses into `buffer` and returns its length in bytes. Addresses
    /// of the other family are left out: the two are never mixed (RFC 9568 §5.2.9).
    ///
    /// # Errors
    /// [`Full`] if `buffer` is too short or there are more than 255 addresses.
    pub fn emit(&self, addresses: impl Iterator<Item = IpAddr>, buffer: &mut [u8]) -> Result<usize, Full> {
        let mut writer = Writer::new(buffer);
        let [interval_high, interval_low] = self.interval.centis().to_be_bytes();
        let (byte4, byte5) = match (self.version, self.password) {
            (Version::V2, None) => (AUTH_NONE, self.interval.whole_secs().unwrap_or(1)),
            (Version::V2, Some(_)) => (AUTH_PASS, self.interval.whole_secs().unwrap_or(1)),
            (Version::V3, _) => (interval_high & 0x0f, interval_low),
        };
        let version_type = (self.version.number() << 4) | TYPE_ADVERTISEMENT;
        writer.put(&[version_type, self.vrid.get(), self.priority, 0, byte4, byte5, 0, 0])?;

        let mut count = 0u8;
        for address in addresses {
            match (address, self.source) {
                (IpAddr::V4(address), IpAddr::V4(_)) => writer.put(&address.octets())?,
                (IpAddr::V6(address), IpAddr::V6(_)) => writer.put(&address.octets())?,
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => continue,
            }
            count = count.checked_add(1).ok_or(Full)?;
        }
        writer.set(3, &[count])?;

        let sum = match self.version {
            Version::V2 => {
                writer.put(&self.password.map_or([0; TRAILER_BYTES], |password| password.0))?;
                sum_of(writer.written())
            }
            Version::V3 => match (self.source, self.checksum) {
                (IpAddr::V4(_), ChecksumForm::MessageOnly) => sum_of(writer.written()),
                (IpAddr::V4(_), ChecksumForm::PseudoHeader) | (IpAddr::V6(_), _) => {
                    sum_of(writer.written()) + pseudo_header(self.source, self.destination, writer.len())
                }
            },
        };
        writer.set(6, &(!fold(sum)).to_be_bytes())?;
        Ok(writer.len())
    }
}

fn verify_message_only(message: &[u8]) -> Option<ChecksumForm> {
    (fold(sum_of(message)) == 0xffff).then_some(ChecksumForm::MessageOnly)
}

/// Version 3: over IPv6 with pseudo-header; over IPv4 either reading (RFC 5798 §5.2.8, RFC 9568 §5.2.8).
fn verify_v3(message: &[u8], source: IpAddr, destination: IpAddr) -> Option<ChecksumForm> {
    let sum = sum_of(message);
    if fold(sum + pseudo_header(source, destination, message.len())) == 0xffff {
        return Some(ChecksumForm::PseudoHeader);
    }
    match source {
        IpAddr::V4(_) => (fold(sum) == 0xffff).then_some(ChecksumForm::MessageOnly),
        IpAddr::V6(_) => None,
    }
}

/// Sum of the big-endian 16-bit words of `bytes`, the last one filled with zero (RFC 1071). A message is
/// shorter than 64 KiB, so 32 bits hold the sum.
fn sum_of(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(2);
    let odd = words.remainder().first().map_or(0, |byte| u32::from(*byte) << 8);
    words.fold(odd, |sum, word| match word {
        [high, low] => sum.wrapping_add(u32::from(u16::from_be_bytes([*high, *low]))),
        _ => sum,
    })
}

/// Sum of the pseudo-header: source, destination, length, protocol (RFC 793 §3.1, RFC 8200 §8.1).
fn pseudo_header(source: IpAddr, destination: IpAddr, message_len: usize) -> u32 {
    let addresses = [source, destination].iter().fold(0u32, |sum, address| {
        sum.wrapping_add(match address {
            IpAddr::V4(address) => sum_of(&Ipv4Addr::octets(address)),
            IpAddr::V6(address) => sum_of(&Ipv6Addr::octets(address)),
        })
    });
    addresses.wrapping_add(u32::from(IP_PROTOCOL)).wrapping_add(message_len as u32)
}

/// Folds the carries of a ones-complement sum into 16 bits.
const fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}
