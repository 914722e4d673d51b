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
use core::net::IpAddr;
use core::num::NonZeroU8;

use super::sum::{complement, pseudo_header, sum_of};
use super::{Full, Writer, ip};
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
    /// Unicast to an instance that speaks multicast, or the reverse, or another multicast group (RX23).
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
            Version::V3 => verify_v3(message, &source, &destination),
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
            if address.is_ipv4() == self.source.is_ipv4() {
                writer.put(ip::octets(&address, &mut [0; 16]))?;
                count = count.checked_add(1).ok_or(Full)?;
            }
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
                    sum_of(writer.written())
                        + pseudo_header(IP_PROTOCOL, &self.source, &self.destination, writer.len())
                }
            },
        };
        writer.set(6, &complement(sum).to_be_bytes())?;
        Ok(writer.len())
    }
}

fn verify_message_only(message: &[u8]) -> Option<ChecksumForm> {
    (complement(sum_of(message)) == 0).then_some(ChecksumForm::MessageOnly)
}

/// Version 3: over IPv6 with pseudo-header; over IPv4 either reading (RFC 5798 §5.2.8, RFC 9568 §5.2.8).
fn verify_v3(message: &[u8], source: &IpAddr, destination: &IpAddr) -> Option<ChecksumForm> {
    let sum = sum_of(message);
    if complement(sum + pseudo_header(IP_PROTOCOL, source, destination, message.len())) == 0 {
        return Some(ChecksumForm::PseudoHeader);
    }
    match source {
        IpAddr::V4(_) => (complement(sum) == 0).then_some(ChecksumForm::MessageOnly),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use smoltcp::wire::{IpAddress, IpProtocol, checksum};
    use std::vec::Vec;

    const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 10));
    const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
    const SOURCE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10));
    const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));

    // Captured from keepalived 2.2.7 in a network namespace.
    const V2: [u8; 20] =
        [0x21, 0x01, 0x64, 0x01, 0x00, 0x01, 0x6f, 0xf2, 10, 9, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    const V2_RESIGN: [u8; 20] =
        [0x21, 0x01, 0x00, 0x01, 0x00, 0x01, 0xd3, 0xf2, 10, 9, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    const V2_PASS: [u8; 24] = [
        0x21, 0x33, 0x32, 0x02, 0x01, 0x02, 0xc8, 0x0d, 192, 168, 0, 3, 192, 168, 0, 4, b'1', b'1', b'1',
        b'1', 0, 0, 0, 0,
    ];
    const V3: [u8; 16] = [0x31, 0x07, 0xc8, 0x02, 0x00, 0x0a, 0x04, 0x31, 10, 9, 2, 1, 10, 9, 2, 2];
    const V3_V6: [u8; 40] = [
        0x31, 0x09, 0x78, 0x02, 0x00, 0x32, 0x2c, 0x48, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    ];

    // A vector that keepalived publishes, with the checksum of the message alone (RFC 9568 §5.2.8).
    const V3_MESSAGE_ONLY: [u8; 12] =
        [0x31, 0x33, 0xc8, 0x01, 0x00, 0x64, 0x44, 0x02, 0xc0, 0x00, 0x02, 0x64];
    /// Everything valid above, with where it came from and went to.
    fn valid() -> [(&'static [u8], IpAddr, IpAddr); 6] {
        [
            (&V2, SOURCE, GROUP),
            (&V2_RESIGN, SOURCE, GROUP),
            (&V2_PASS, SOURCE, GROUP),
            (&V3, SOURCE, GROUP),
            (&V3_MESSAGE_ONLY, SOURCE, GROUP),
            (&V3_V6, SOURCE_V6, GROUP_V6),
        ]
    }

    fn parse(message: &[u8]) -> Result<Advert<'_>, Discard> {
        Advert::parse(message, SOURCE, GROUP)
    }

    fn parse_v6(message: &[u8]) -> Result<Advert<'_>, Discard> {
        Advert::parse(message, SOURCE_V6, GROUP_V6)
    }

    /// The oracle: smoltcp's sum over the message, and over the pseudo-header if one is given.
    fn oracle(message: &[u8], pseudo: Option<(IpAddr, IpAddr)>) -> u16 {
        let pseudo = pseudo.map_or(0, |(source, destination)| {
            checksum::pseudo_header(
                &IpAddress::from(source),
                &IpAddress::from(destination),
                IpProtocol::from(IP_PROTOCOL),
                message.len() as u32,
            )
        });
        checksum::combine(&[pseudo, checksum::data(message)])
    }

    /// `message` with bytes replaced and its version 2 or message-only checksum put right by the oracle.
    fn altered(message: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut message = message.to_vec();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message[6..8].fill(0);
        let sum = !oracle(&message, None);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        message
    }

    fn outgoing(version: Version, vrid: u8, priority: u8, interval: Interval) -> Outgoing {
        Outgoing {
            version,
            vrid: Vrid::new(vrid).unwrap(),
            priority,
            interval,
            password: None,
            checksum: ChecksumForm::PseudoHeader,
            source: SOURCE,
            destination: GROUP,
        }
    }

    fn emit(outgoing: &Outgoing, addresses: &[IpAddr]) -> Vec<u8> {
        let mut buffer = [0xa5; 2048];
        let len = outgoing.emit(addresses.iter().copied(), &mut buffer).unwrap();
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
        buffer[..len].to_vec()
    }

    fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
        IpAddr::from([a, b, c, d])
    }

    #[test]
    fn tx09_tx12_tx13_tx15_tx18_v2_is_byte_for_byte_what_keepalived_sends() {
        let mut advert = outgoing(Version::V2, 1, 100, Interval::SECOND);
        assert_eq!(emit(&advert, &[v4(10, 9, 1, 1)]), V2);
        advert.priority = PRIORITY_RESIGN;
        assert_eq!(emit(&advert, &[v4(10, 9, 1, 1)]), V2_RESIGN);
    }

    /// RFC 2338 §5.3.6.2, §5.3.10.
    #[test]
    fn tx21_a_password_is_filled_with_zeros_and_its_absence_is_eight_zeros() {
        let mut advert = outgoing(Version::V2, 51, 50, Interval::from_secs(2).unwrap());
        advert.password = Password::new(b"1111");
        let addresses = [v4(192, 168, 0, 3), v4(192, 168, 0, 4)];
        assert_eq!(emit(&advert, &addresses), V2_PASS);
        advert.password = None;
        assert_eq!(emit(&advert, &addresses)[16..], [0; 8]);
    }

    #[test]
    fn tx14_tx16_tx20_v3_over_ipv4_is_byte_for_byte_what_keepalived_sends() {
        let advert = outgoing(Version::V3, 7, 200, Interval::from_centis(10).unwrap());
        assert_eq!(emit(&advert, &[v4(10, 9, 2, 1), v4(10, 9, 2, 2)]), V3);
    }

    /// RFC 9568 §5.2.8.
    #[test]
    fn tx20_v3_over_ipv4_can_be_sent_with_the_checksum_of_the_message_alone() {
        let mut advert = outgoing(Version::V3, 51, 200, Interval::SECOND);
        advert.checksum = ChecksumForm::MessageOnly;
        advert.source = v4(198, 51, 100, 10);
        assert_eq!(emit(&advert, &[v4(192, 0, 2, 100)]), V3_MESSAGE_ONLY);
    }

    #[test]
    fn tx14_tx19_v3_over_ipv6_is_byte_for_byte_what_keepalived_sends() {
        let addresses = ["fe80::1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let mut advert = outgoing(Version::V3, 9, 120, Interval::from_centis(50).unwrap());
        advert.source = SOURCE_V6;
        advert.destination = GROUP_V6;
        assert_eq!(emit(&advert, &addresses), V3_V6);
        // Over IPv6 there is one form only.
        advert.checksum = ChecksumForm::MessageOnly;
        assert_eq!(emit(&advert, &addresses), V3_V6);
    }

    /// RFC 9568 §5.2.3.
    #[test]
    fn tx10_a_vrid_is_not_zero() {
        assert_eq!(Vrid::new(0), None);
        assert_eq!(Vrid::new(255).map(Vrid::get), Some(255));
    }

    /// RFC 9568 §5.2.4.
    #[test]
    fn tx11_priority_travels_unchanged() {
        for priority in [PRIORITY_RESIGN, 1, 100, 254, PRIORITY_OWNER] {
            for version in [Version::V2, Version::V3] {
                let advert = outgoing(version, 1, priority, Interval::SECOND);
                let bytes = emit(&advert, &[v4(10, 9, 1, 1)]);
                assert_eq!(parse(&bytes).unwrap().priority, priority);
            }
        }
    }

    /// RFC 9568 §5.2.6, §5.2.7.
    #[test]
    fn tx16_tx17_the_longest_interval_fills_12_bits_and_no_more() {
        let advert = outgoing(Version::V3, 1, 100, Interval::V3_MAX);
        let bytes = emit(&advert, &[v4(10, 9, 1, 1)]);
        assert_eq!(bytes[4..6], [0x0f, 0xff]);
        // The configuration refuses it; the wire would still not touch the reserved bits.
        let advert = outgoing(Version::V3, 1, 100, Interval::V2_MAX);
        assert_eq!(emit(&advert, &[v4(10, 9, 1, 1)])[4] & 0xf0, 0);
    }

    /// RFC 9568 §5.2.5: all 255 of them, and the checksum holds.
    #[test]
    fn tx12_the_count_is_that_of_the_addresses_listed() {
        let addresses: Vec<_> = (0..=255).map(|last| v4(10, 0, 0, last)).collect();
        for version in [Version::V2, Version::V3] {
            let advert = outgoing(version, 1, 100, Interval::SECOND);
            for count in [1, 20, 255] {
                let bytes = emit(&advert, &addresses[..count]);
                assert_eq!(usize::from(bytes[3]), count);
                assert_eq!(parse(&bytes).unwrap().addresses.len(), 4 * count);
            }
            let mut buffer = [0; 2048];
            let full = advert.emit(addresses.iter().copied(), &mut buffer);
            assert_eq!(full, Err(Full));
        }
    }

    /// RFC 9568 §5.2.9.
    #[test]
    fn tx22_addresses_keep_their_order_and_those_of_the_other_family_are_left_out() {
        let mixed = [v4(10, 0, 0, 2), "fe80::1".parse().unwrap(), v4(10, 0, 0, 1)];
        let advert = outgoing(Version::V3, 1, 100, Interval::SECOND);
        let bytes = emit(&advert, &mixed);
        assert_eq!(bytes[3], 2);
        assert_eq!(bytes[8..], [10, 0, 0, 2, 10, 0, 0, 1]);
    }

    #[test]
    fn every_buffer_that_is_too_short_is_full() {
        let mut advert = outgoing(Version::V2, 1, 100, Interval::SECOND);
        advert.password = Password::new(b"12345678");
        for room in 0..20 {
            let mut buffer = [0; 20];
            let full = advert.emit([v4(10, 9, 1, 1)].into_iter(), &mut buffer[..room]);
            assert_eq!(full, Err(Full), "{room}");
        }
        let fits = advert.emit([v4(10, 9, 1, 1)].into_iter(), &mut [0; 20]);
        assert_eq!(fits, Ok(20));
    }

    #[test]
    fn tx18_tx19_tx20_another_sum_agrees_whatever_is_sent() {
        for count in 1..40u8 {
            let v4s: Vec<_> = (0..count).map(|n| v4(172, 31, 255 - n, n)).collect();
            let v6s: Vec<_> = (0..count)
                .map(|n| IpAddr::from([0x2001, 0xdb8, 0xffff, 0, 0, 0xfffe, 0, u16::from(n)]))
                .collect();
            let mut advert = outgoing(Version::V2, count, 255 - count, Interval::SECOND);
            advert.password = Password::new(b"\xff\xfe\xfd");
            assert_eq!(oracle(&emit(&advert, &v4s), None), 0xffff);
            advert.version = Version::V3;
            let pseudo = Some((SOURCE, GROUP));
            assert_eq!(oracle(&emit(&advert, &v4s), pseudo), 0xffff);
            advert.checksum = ChecksumForm::MessageOnly;
            assert_eq!(oracle(&emit(&advert, &v4s), None), 0xffff);
            advert.source = SOURCE_V6;
            advert.destination = GROUP_V6;
            let pseudo = Some((SOURCE_V6, GROUP_V6));
            assert_eq!(oracle(&emit(&advert, &v6s), pseudo), 0xffff);
        }
    }

    #[test]
    fn captured_adverts_are_read() {
        let advert = parse(&V2_PASS).unwrap();
        assert_eq!(advert.version, Version::V2);
        assert_eq!(advert.vrid.get(), 51);
        assert_eq!(advert.priority, 50);
        assert_eq!(advert.interval, Interval::from_secs(2).unwrap());
        assert_eq!(advert.addresses, &V2_PASS[8..16]);
        let password = Password::new(b"1111").unwrap();
        assert_eq!(advert.authentication, Authentication::Pass(password));

        let advert = parse_v6(&V3_V6).unwrap();
        assert_eq!(advert.version, Version::V3);
        assert_eq!(advert.vrid.get(), 9);
        assert_eq!(advert.priority, 120);
        assert_eq!(advert.interval, Interval::from_centis(50).unwrap());
        assert_eq!(advert.addresses, &V3_V6[8..]);
        assert_eq!(advert.authentication, Authentication::None);
        assert_eq!(advert.checksum, ChecksumForm::PseudoHeader);
    }

    #[test]
    fn rx02_an_unknown_version_and_version_2_over_ipv6_are_discarded() {
        for version in [0, 1, 4, 15u8] {
            let message = altered(&V2, 0, &[(version << 4) | 1]);
            assert_eq!(parse(&message), Err(Discard::Version), "{version}");
            assert_eq!(parse_v6(&message), Err(Discard::Version), "{version}");
        }
        assert_eq!(parse_v6(&V2), Err(Discard::Version));
    }

    #[test]
    fn rx03_another_type_is_discarded() {
        for kind in (0..16u8).filter(|kind| *kind != 1) {
            assert_eq!(parse(&altered(&V2, 0, &[0x20 | kind])), Err(Discard::Type));
            assert_eq!(parse(&altered(&V3, 0, &[0x30 | kind])), Err(Discard::Type));
        }
    }

    #[test]
    fn rx04_a_message_cut_anywhere_is_short() {
        for (message, source, destination) in valid() {
            assert!(Advert::parse(message, source, destination).is_ok());
            for len in 0..message.len() {
                let cut = Advert::parse(&message[..len], source, destination);
                assert_eq!(cut, Err(Discard::Short), "{len}");
            }
        }
    }

    #[test]
    fn rx04_a_count_beyond_the_message_is_short_even_with_the_right_checksum() {
        for count in 2..=255 {
            assert_eq!(parse(&altered(&V2, 3, &[count])), Err(Discard::Short));
            assert_eq!(parse(&altered(&V3_MESSAGE_ONLY, 3, &[count])), Err(Discard::Short));
        }
    }

    #[test]
    fn rx05_a_message_one_byte_too_long_is_discarded() {
        for (message, source, destination) in valid() {
            // A zero byte behind does not change the sum: only the length tells.
            let mut long = message.to_vec();
            long.push(0);
            let parsed = Advert::parse(&long, source, destination);
            assert_eq!(parsed, Err(Discard::Long));
        }
        // A trailer as version 2 has it does not belong into version 3.
        let mut long = V3.to_vec();
        long.extend([0; 8]);
        assert_eq!(parse(&long), Err(Discard::Long));
    }

    #[test]
    fn rx07_one_wrong_bit_anywhere_is_discarded() {
        for (message, source, destination) in valid() {
            for bit in 0..message.len() * 8 {
                let mut wrong = message.to_vec();
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(Advert::parse(&wrong, source, destination).is_err(), "{bit}");
            }
            let mut wrong = message.to_vec();
            wrong[7] ^= 1;
            assert_eq!(Advert::parse(&wrong, source, destination), Err(Discard::Checksum));
            wrong[6..8].fill(0);
            assert_eq!(Advert::parse(&wrong, source, destination), Err(Discard::Checksum));
        }
    }

    #[test]
    fn rx07_v3_over_ipv4_is_taken_with_either_checksum_and_says_which() {
        assert_eq!(parse(&V3).unwrap().checksum, ChecksumForm::PseudoHeader);
        let alone = altered(&V3, 0, &[0x31]);
        assert_eq!(parse(&alone).unwrap().checksum, ChecksumForm::MessageOnly);
        // The pseudo-header is that of the packet.
        let elsewhere = Advert::parse(&V3, v4(10, 9, 0, 11), GROUP);
        assert_eq!(elsewhere, Err(Discard::Checksum));
    }

    #[test]
    fn rx07_v2_and_v3_over_ipv6_have_one_checksum_each() {
        assert_eq!(parse_v6(&altered(&V3_V6, 0, &[0x31])), Err(Discard::Checksum));
        let mut with_pseudo = V2;
        with_pseudo[6..8].fill(0);
        let sum = !oracle(&with_pseudo, Some((SOURCE, GROUP)));
        with_pseudo[6..8].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(parse(&with_pseudo), Err(Discard::Checksum));
    }

    #[test]
    fn rx08_vrid_zero_is_discarded_and_the_vrid_is_known_before_the_rest_is() {
        assert_eq!(parse(&altered(&V2, 1, &[0])), Err(Discard::Vrid));
        assert_eq!(vrid_of(&V2_PASS).map(Vrid::get), Some(51));
        assert_eq!(vrid_of(&V2_PASS[..2]).map(Vrid::get), Some(51));
        assert_eq!(vrid_of(&V2_PASS[..1]), None);
        assert_eq!(vrid_of(&[0x21, 0]), None);
    }

    /// Erratum 8299.
    #[test]
    fn rx10_a_count_of_zero_is_discarded() {
        assert_eq!(parse(&altered(&V3, 3, &[0])), Err(Discard::Count));
        assert_eq!(parse(&altered(&V2, 3, &[0])), Err(Discard::Count));
        // Also when the length would be that of no addresses.
        assert_eq!(parse(&altered(&V3[..8], 3, &[0])), Err(Discard::Count));
    }

    /// Erratum 8301. keepalived 2.2.7 learns it and flaps.
    #[test]
    fn rx12_an_interval_of_zero_is_discarded() {
        let zero = altered(&V3, 4, &[0, 0]);
        assert_eq!(parse(&zero), Err(Discard::IntervalZero));
        let reserved_only = altered(&V3, 4, &[0xf0, 0]);
        assert_eq!(parse(&reserved_only), Err(Discard::IntervalZero));
        assert_eq!(parse(&altered(&V2, 5, &[0])), Err(Discard::IntervalZero));
    }

    /// RFC 9568 §5.2.6.
    #[test]
    fn rx13_reserved_bits_are_ignored() {
        let message = altered(&V3, 4, &[0xf1, 0x02]);
        let interval = parse(&message).unwrap().interval;
        assert_eq!(interval, Interval::from_centis(0x102).unwrap());
    }

    /// RFC 3768 §5.3.6; 2 is RFC 2338's AH.
    #[test]
    fn rx14_an_unknown_authentication_type_is_discarded() {
        for kind in 2..=255 {
            assert_eq!(parse(&altered(&V2, 4, &[kind])), Err(Discard::AuthType));
        }
    }

    /// RFC 2338 §5.3.10: all eight bytes count.
    #[test]
    fn rx15_a_password_is_all_eight_bytes() {
        let read = |trailer: &[u8]| match parse(&altered(&V2_PASS, 16, trailer)) {
            Ok(advert) => advert.authentication,
            Err(discard) => panic!("{}", discard.name()),
        };
        let known = Authentication::Pass(Password::new(b"1111").unwrap());
        assert_eq!(read(b"1111\0\0\0\0"), known);
        assert_ne!(read(b"1111\0\0\0x"), known);
        assert_ne!(read(b"1112\0\0\0\0"), known);
        assert_eq!(Password::new(b""), None);
        assert_eq!(Password::new(b"123456789"), None);
        assert!(Password::new(b"12345678").is_some());
        assert_eq!(std::format!("{:?}", Password::new(b"1111").unwrap()), "Password(..)");
    }

    /// RFC 3768 §5.3.10.
    #[test]
    fn rx16_without_authentication_the_trailer_means_nothing() {
        let message = altered(&V2, 12, b"whatever");
        let advert = parse(&message).unwrap();
        assert_eq!(advert.authentication, Authentication::None);
    }

    #[test]
    fn every_reason_has_a_name_of_its_own_in_the_order_of_its_counter() {
        for (index, reason) in Discard::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            let others = &Discard::ALL[index + 1..];
            assert!(others.iter().all(|other| other.name() != reason.name()));
        }
    }

    #[test]
    fn random_bytes_are_read_without_a_panic() {
        let mut state = 0x9e37_79b9u32;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        for _ in 0..300_000 {
            let (message, source, destination) = valid()[random() as usize % 6];
            let mut mutant = message.to_vec();
            for _ in 0..random() % 4 {
                let at = random() as usize % mutant.len();
                mutant[at] = random() as u8;
            }
            mutant.resize(random() as usize % 64, random() as u8);
            if let Ok(advert) = Advert::parse(&mutant, source, destination) {
                assert!(!advert.addresses.is_empty());
            }
            let _ = vrid_of(&mutant);
        }
    }
}
