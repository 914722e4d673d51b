//! Router discovery (RFC 4861 §4.1, §4.2): a router advertisement as a whole Ethernet frame, and whether a message is
//! a router solicitation.

use core::net::Ipv6Addr;

use super::sum::{complement, sum_of};
use super::{Full, Mac, Writer};

/// All routers of a link: where router solicitations go (RFC 4291 §2.7.1).
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// The type of a router solicitation (RFC 4861 §4.1).
pub const SOLICITATION: u8 = 133;

/// "Managed address configuration": there are addresses to be had by DHCPv6 (RFC 4861 §4.2).
pub const MANAGED: u8 = 0x80;
/// "Other configuration": there is more to be had by DHCPv6 (RFC 4861 §4.2).
pub const OTHER: u8 = 0x40;
/// Preferred to routers that say nothing (RFC 4191 §2.1).
pub const PREFERENCE_HIGH: u8 = 0x08;
/// The last resort (RFC 4191 §2.1).
pub const PREFERENCE_LOW: u8 = 0x18;

/// In a [`Prefix`]: its addresses are reached without a router (RFC 4861 §4.6.2).
pub const ON_LINK: u8 = 0x80;
/// In a [`Prefix`]: hosts may make addresses of it (RFC 4862 §5.5.3).
pub const AUTONOMOUS: u8 = 0x40;

const ETHERNET_BYTES: usize = 14;
const IPV6_BYTES: usize = 40;
const ICMPV6: u8 = 58;
/// Of an option's length field, in bytes (RFC 4861 §4.6).
const UNIT_BYTES: usize = 8;
/// The option with which a sender tells its Ethernet address (RFC 4861 §4.6.1).
const SOURCE_LINK_ADDRESS: u8 = 1;

/// Bytes of the longest frame with so many prefixes and name servers.
#[must_use]
pub const fn frame_bytes(prefixes: usize, name_servers: usize) -> usize {
    let (link_address, mtu, name_server_header) = (8, 8, 8);
    let fixed = ETHERNET_BYTES + IPV6_BYTES + 16 + link_address + mtu + name_server_header;
    fixed + 32 * prefixes + 16 * name_servers
}

/// A network of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// The network; its last 128 − `len` bits are zero.
    pub network: Ipv6Addr,
    /// Its length, 1..=128.
    pub len: u8,
    /// [`ON_LINK`] and [`AUTONOMOUS`].
    pub flags: u8,
    /// Seconds for which hosts keep addresses of it; all ones is for ever.
    pub valid_secs: u32,
    /// Seconds for which they begin conversations from them, at most `valid_secs`.
    pub preferred_secs: u32,
}

impl Prefix {
    /// RFC 4861 §4.6.2.
    fn put(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        let [a, b, c, d] = self.valid_secs.to_be_bytes();
        let [e, f, g, h] = self.preferred_secs.to_be_bytes();
        writer.put(&[3, 4, self.len, self.flags, a, b, c, d, e, f, g, h, 0, 0, 0, 0])?;
        writer.put(&self.network.octets())
    }
}

/// A router advertisement, to all nodes of the link (RFC 4861 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterAdvert<'a> {
    /// Where it comes from, and where packets for the router go.
    pub mac: Mac,
    /// The router's link-local address, by which hosts know it.
    pub source: Ipv6Addr,
    /// Seconds for which the router is a default router, 0..=9000; 0: it is none.
    pub lifetime_secs: u16,
    /// [`MANAGED`], [`OTHER`], and a preference.
    pub flags: u8,
    /// What every host's packets must fit, in bytes; 0 says nothing.
    pub mtu: u16,
    /// The networks of the link.
    pub prefixes: &'a [Prefix],
    /// Name servers (RFC 8106 §5.1).
    pub name_servers: &'a [Ipv6Addr],
    /// Seconds for which they may be asked.
    pub name_servers_secs: u32,
}

/// Ethernet, IPv6 and ICMPv6 up to what follows from the content: both addresses of the sender, the length, the checksum,
/// the flags and the lifetime.
#[rustfmt::skip]
const HEAD: &[u8] = &[
    0x33, 0x33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x86, 0xdd,
    0x60, 0, 0, 0, 0, 0, ICMPV6, 255, // no class, no flow, length, hop limit (RFC 8200 §3, RFC 4861 §4.2)
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    134, 0, 0, 0, 0, 0, 0, 0, // type, code, checksum, no say in hosts' hop limit, flags, lifetime
    0, 0, 0, 0, 0, 0, 0, 0, // nor in how they find their neighbours
    SOURCE_LINK_ADDRESS, 1, 0, 0, 0, 0, 0, 0,
];

impl RouterAdvert<'_> {
    /// Writes the whole frame and returns its length.
    ///
    /// # Errors
    /// [`Full`] if `buffer` is too short; [`frame_bytes`] is enough.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Full> {
        const ADDRESSES_AT: usize = ETHERNET_BYTES + 8;
        const MESSAGE_AT: usize = ETHERNET_BYTES + IPV6_BYTES;
        let mut writer = Writer::new(buffer);
        writer.put(HEAD)?;
        writer.set(6, &self.mac.0)?;
        writer.set(ADDRESSES_AT, &self.source.octets())?;
        let [high, low] = self.lifetime_secs.to_be_bytes();
        writer.set(MESSAGE_AT + 5, &[self.flags, high, low])?;
        writer.set(HEAD.len() - 6, &self.mac.0)?;
        self.put_options(&mut writer)?;
        let len = (writer.len() - MESSAGE_AT) as u16;
        writer.set(ETHERNET_BYTES + 4, &len.to_be_bytes())?;
        // The pseudo-header (RFC 8200 §8.1) is the addresses, which stand right before the message, and two numbers.
        let sum = sum_of(writer.written().get(ADDRESSES_AT..).unwrap_or(&[]));
        let checksum = complement(sum + u32::from(len) + u32::from(ICMPV6));
        writer.set(MESSAGE_AT + 2, &checksum.to_be_bytes())?;
        Ok(writer.len())
    }

    fn put_options(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        if self.mtu > 0 {
            let [high, low] = self.mtu.to_be_bytes();
            writer.put(&[5, 1, 0, 0, 0, 0, high, low])?; // RFC 4861 §4.6.4
        }
        for prefix in self.prefixes {
            prefix.put(writer)?;
        }
        if !self.name_servers.is_empty() {
            let units = u8::try_from(1 + 2 * self.name_servers.len()).map_err(|_| Full)?;
            writer.put(&[25, units, 0, 0])?; // RFC 8106 §5.1
            writer.put(&self.name_servers_secs.to_be_bytes())?;
        }
        for name_server in self.name_servers {
            writer.put(&name_server.octets())?;
        }
        Ok(())
    }
}

/// Whether an ICMPv6 message is a router solicitation that is to be answered (RFC 4861 §6.1.1). The kernel has seen that
/// its checksum is right.
#[must_use]
pub fn is_solicitation(source: Ipv6Addr, hop_limit: u8, message: &[u8]) -> bool {
    let Some(([kind, code, _, _, _, _, _, _], options)) = message.split_first_chunk::<8>() else {
        return false;
    };
    let is_sender_known = !source.is_unspecified();
    let mut rest = options;
    while let [kind, units, ..] = rest {
        let len = usize::from(*units) * UNIT_BYTES;
        // Who has no address yet has no link-layer address to tell either.
        if len == 0 || (*kind == SOURCE_LINK_ADDRESS && !is_sender_known) {
            return false;
        }
        let Some(behind) = rest.get(len..) else { return false };
        rest = behind;
    }
    // No router is more than a hop away from those who ask.
    *kind == SOLICITATION && *code == 0 && hop_limit == 255 && rest.is_empty() && !source.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Packet, Icmpv6Repr, Ipv6Packet, NdiscRepr,
        NdiscRouterFlags, RawHardwareAddress,
    };
    use std::vec::Vec;

    const MAC: Mac = Mac([0x02, 0, 0, 0, 0, 0x0a]);
    const LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    const SERVERS: [Ipv6Addr; 2] = [LOCAL, Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0xfffe, 0, 0, 0, 0x53)];
    const PREFIXES: [Prefix; 2] = [
        Prefix {
            network: Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0),
            len: 64,
            flags: ON_LINK | AUTONOMOUS,
            valid_secs: 86_400,
            preferred_secs: 14_400,
        },
        Prefix {
            network: Ipv6Addr::new(0xfd00, 0, 0, 0xff00, 0, 0, 0, 0),
            len: 56,
            flags: ON_LINK,
            valid_secs: u32::MAX,
            preferred_secs: u32::MAX - 1,
        },
    ];

    fn full() -> RouterAdvert<'static> {
        RouterAdvert {
            mac: MAC,
            source: LOCAL,
            lifetime_secs: 1800,
            flags: MANAGED | PREFERENCE_LOW,
            mtu: 1492,
            prefixes: &PREFIXES,
            name_servers: &SERVERS,
            name_servers_secs: 600,
        }
    }

    fn bare() -> RouterAdvert<'static> {
        RouterAdvert {
            lifetime_secs: 0,
            flags: 0,
            mtu: 0,
            prefixes: &[],
            name_servers: &[],
            name_servers_secs: 0,
            ..full()
        }
    }

    fn emit(advert: &RouterAdvert<'_>) -> Vec<u8> {
        let mut buffer = [0xa5; 512];
        let len = advert.emit(&mut buffer).unwrap();
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
        buffer[..len].to_vec()
    }

    /// RFC 4861 §4.2, by hand.
    #[test]
    fn ad06_the_shortest_advertisement_is_these_bytes() {
        #[rustfmt::skip]
        let expected = [
            0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x0a, 0x86, 0xdd,
            0x60, 0, 0, 0, 0, 24, 58, 255,
            0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            134, 0, 0x79, 0x1c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            1, 1, 2, 0, 0, 0, 0, 0x0a,
        ];
        assert_eq!(emit(&bare()), expected);
    }

    /// RFC 4861 §4.2, §4.6.1, §4.6.4: smoltcp finds the checksum right, and knows of one prefix.
    #[test]
    fn ad06_another_parser_reads_the_advertisement_and_finds_its_checksum_right() {
        let one = RouterAdvert { prefixes: &PREFIXES[..1], name_servers: &[], ..full() };
        let bytes = emit(&one);
        let frame = EthernetFrame::new_checked(&bytes[..]).unwrap();
        assert_eq!(frame.src_addr(), EthernetAddress(MAC.0));
        assert_eq!(frame.dst_addr(), EthernetAddress([0x33, 0x33, 0, 0, 0, 1]));
        assert_eq!(frame.ethertype(), EthernetProtocol::Ipv6);
        let packet = Ipv6Packet::new_checked(frame.payload()).unwrap();
        assert_eq!((packet.src_addr(), packet.dst_addr(), packet.hop_limit()), (LOCAL, ALL_NODES, 255));
        let icmp = Icmpv6Packet::new_checked(packet.payload()).unwrap();
        let repr = Icmpv6Repr::parse(&LOCAL, &ALL_NODES, &icmp, &ChecksumCapabilities::default()).unwrap();
        let Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
            hop_limit,
            flags,
            router_lifetime,
            lladdr,
            mtu,
            prefix_info,
            ..
        }) = repr
        else {
            panic!("{repr:?}");
        };
        assert_eq!(hop_limit, 0);
        assert_eq!(flags & NdiscRouterFlags::MANAGED, NdiscRouterFlags::MANAGED);
        assert_eq!(router_lifetime.secs(), 1800);
        assert_eq!(lladdr, Some(RawHardwareAddress::from_bytes(&MAC.0)));
        assert_eq!(mtu, Some(1492));
        let prefix = prefix_info.unwrap();
        assert_eq!((prefix.prefix, prefix.prefix_len), (PREFIXES[0].network, 64));
        assert_eq!(prefix.flags.bits(), ON_LINK | AUTONOMOUS);
        assert_eq!((prefix.valid_lifetime.secs(), prefix.preferred_lifetime.secs()), (86_400, 14_400));
    }

    /// RFC 4861 §4.6.2, RFC 8106 §5.1, RFC 4191 §2.1: what smoltcp does not know, by offset.
    #[test]
    fn every_prefix_and_every_name_server_is_listed() {
        let bytes = emit(&full());
        assert_eq!(bytes.len(), frame_bytes(2, 2));
        assert_eq!(bytes[14 + 40 + 5], 0x80 | 0x18);
        let second = &bytes[14 + 40 + 16 + 8 + 8 + 32..];
        assert_eq!(second[..4], [3, 4, 56, 0x80]);
        assert_eq!(second[4..12], [255, 255, 255, 255, 255, 255, 255, 254]);
        assert_eq!(second[16..32], PREFIXES[1].network.octets());
        let servers = &second[32..];
        assert_eq!(servers[..8], [25, 5, 0, 0, 0, 0, 2, 0x58]);
        assert_eq!(servers[8..24], SERVERS[0].octets());
        assert_eq!(servers[24..], SERVERS[1].octets());
        let icmp = Icmpv6Packet::new_checked(&bytes[54..]).unwrap();
        assert!(icmp.verify_checksum(&LOCAL, &ALL_NODES));
    }

    #[test]
    fn a_buffer_that_is_too_short_is_full() {
        for room in 0..frame_bytes(2, 2) {
            assert_eq!(full().emit(&mut [0; 512][..room]), Err(Full));
        }
    }

    const BARE_SOLICITATION: [u8; 8] = [133, 0, 0x7c, 0x34, 0, 0, 0, 0];
    /// With the sender's Ethernet address, as Linux sends it.
    const SOLICITATION_OF_LINUX: [u8; 16] = [133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 9];

    #[test]
    fn a_solicitation_is_one_with_or_without_its_senders_address() {
        assert!(is_solicitation(LOCAL, 255, &BARE_SOLICITATION));
        assert!(is_solicitation(Ipv6Addr::UNSPECIFIED, 255, &BARE_SOLICITATION));
        assert!(is_solicitation(LOCAL, 255, &SOLICITATION_OF_LINUX));
        // An option that nobody knows, of two units.
        let unknown = [&BARE_SOLICITATION[..], &[200, 2], &[7; 14], &SOLICITATION_OF_LINUX[8..]].concat();
        assert!(is_solicitation(LOCAL, 255, &unknown));
    }

    /// RFC 4861 §6.1.1: every condition.
    #[test]
    fn what_breaks_a_rule_is_no_solicitation() {
        assert!(!is_solicitation(LOCAL, 254, &BARE_SOLICITATION), "it has come through a router");
        assert!(!is_solicitation(ALL_NODES, 255, &BARE_SOLICITATION));
        assert!(!is_solicitation(Ipv6Addr::UNSPECIFIED, 255, &SOLICITATION_OF_LINUX));
        for (at, byte) in [(0, 134), (0, 135), (1, 1), (9, 0), (9, 2)] {
            let mut message = SOLICITATION_OF_LINUX;
            message[at] = byte;
            assert!(!is_solicitation(LOCAL, 255, &message), "{at}");
        }
        for len in (0..16).filter(|len| *len != 8) {
            assert!(!is_solicitation(LOCAL, 255, &SOLICITATION_OF_LINUX[..len]), "{len}");
        }
    }
}
