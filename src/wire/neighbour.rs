//! Who has this address on this segment: the question and the answer, ARP (RFC 826) and neighbour discovery (RFC 4861).
//!
//! The ARP question comes from no address (RFC 5227 §1.1), so that it changes nobody's cache. That of neighbour discovery
//! leaves through a socket whose kernel writes the header and the checksum.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::Mac;

/// Bytes of an ARP packet with its Ethernet header.
pub const ARP_BYTES: usize = 42;

/// Where the operation of an ARP frame stands, and where the sender's IPv4 address: for a filter.
pub const ARP_OPERATION_AT: usize = 20;
/// See [`ARP_OPERATION_AT`].
pub const ARP_SENDER_AT: usize = 28;
/// "Reply".
pub const ARP_REPLY: u16 = 2;

/// Bytes of a neighbour solicitation with its option.
pub const SOLICITATION_BYTES: usize = 32;

const SOLICITATION: u8 = 135;
/// ICMPv6's neighbour advertisement.
pub const ADVERTISEMENT: u8 = 136;
const SOLICITED: u8 = 0x40;
/// Nobody beyond the segment can send it (RFC 4861 §7.1.2).
const HOP_LIMIT: u8 = 255;

/// The frame that asks everybody on the segment for the Ethernet address of `target`.
#[must_use]
pub const fn arp_question(mac: Mac, target: Ipv4Addr) -> [u8; ARP_BYTES] {
    let [a, b, c, d, e, f] = mac.0;
    let [t0, t1, t2, t3] = target.octets();
    #[rustfmt::skip]
    let frame = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, a, b, c, d, e, f, 0x08, 0x06,
        0, 1, 0x08, 0, 6, 4, 0, 1, // Ethernet, IPv4, the lengths of their addresses, "request"
        a, b, c, d, e, f, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, t0, t1, t2, t3,
    ];
    frame
}

/// Whether a frame tells us, who have `mac`, the Ethernet address of `target`.
#[must_use]
pub fn is_arp_answer(frame: &[u8], mac: Mac, target: Ipv4Addr) -> bool {
    const KIND: [u8; 10] = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, ARP_REPLY as u8];
    let Some(frame) = frame.first_chunk::<ARP_BYTES>() else { return false };
    let (_, rest) = frame.split_at(12);
    let Some(rest) = rest.strip_prefix(&KIND) else { return false };
    let Some((&[s0, s1, s2, s3, s4, s5, ip0, ip1, ip2, ip3], rest)) = rest.split_first_chunk::<10>() else {
        return false;
    };
    let sender = [s0, s1, s2, s3, s4, s5];
    let is_group = s0 & 1 != 0;
    [ip0, ip1, ip2, ip3] == target.octets() && !is_group && sender != [0; 6] && rest.starts_with(&mac.0)
}

/// The message that asks for the Ethernet address of `target`, without its checksum, for [`solicited_node`].
#[must_use]
pub const fn solicitation(mac: Mac, target: Ipv6Addr) -> [u8; SOLICITATION_BYTES] {
    let [a, b, c, d, e, f] = mac.0;
    let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf] = target.octets();
    #[rustfmt::skip]
    let message = [
        SOLICITATION, 0, 0, 0, 0, 0, 0, 0, // type, code, checksum, reserved (RFC 4861 §4.3)
        t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf,
        1, 1, a, b, c, d, e, f, // source link-layer address, one unit of eight bytes (RFC 4861 §4.6.1)
    ];
    message
}

/// The group that whoever has this address listens to (RFC 4291 §2.7.1).
#[must_use]
pub const fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., x, y, z] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | x as u16, (y as u16) << 8 | z as u16)
}

/// Whether an ICMPv6 message that came with this hop limit is an answer about `target` (RFC 4861 §4.4, §7.1.2).
#[must_use]
pub fn is_solicited_advertisement(message: &[u8], hop_limit: u8, target: Ipv6Addr) -> bool {
    let Some((&[kind, code, _, _, flags, _, _, _], rest)) = message.split_first_chunk::<8>() else {
        return false;
    };
    hop_limit == HOP_LIMIT
        && (kind, code) == (ADVERTISEMENT, 0)
        && flags & SOLICITED != 0
        && rest.starts_with(&target.octets())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, Icmpv6Packet,
        Icmpv6Repr, NdiscRepr, RawHardwareAddress,
    };

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 0x0a]);
    const THEIRS: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x0b]);
    const TARGET: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
    const TARGET_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0xabcd, 0x12, 0x3456);

    /// RFC 826, RFC 5227 §1.1.
    #[test]
    fn another_reader_reads_the_arp_question_and_its_answer_is_ours() {
        let question = arp_question(MAC, TARGET);
        let frame = EthernetFrame::new_checked(&question).unwrap();
        assert_eq!(
            (frame.ethertype(), frame.dst_addr()),
            (EthernetProtocol::Arp, EthernetAddress::BROADCAST)
        );
        let read = ArpRepr::parse(&ArpPacket::new_checked(frame.payload()).unwrap()).unwrap();
        let ArpRepr::EthernetIpv4 { operation, source_hardware_addr, source_protocol_addr, .. } = read else {
            panic!("{read:?}")
        };
        assert_eq!(operation, ArpOperation::Request);
        assert_eq!((source_hardware_addr.0, source_protocol_addr), (MAC.0, Ipv4Addr::UNSPECIFIED));

        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: THEIRS,
            source_protocol_addr: TARGET,
            target_hardware_addr: EthernetAddress(MAC.0),
            target_protocol_addr: Ipv4Addr::UNSPECIFIED,
        };
        let mut answer = [0x55; 60];
        let mut frame = EthernetFrame::new_unchecked(&mut answer);
        frame.set_dst_addr(EthernetAddress(MAC.0));
        frame.set_src_addr(THEIRS);
        frame.set_ethertype(EthernetProtocol::Arp);
        reply.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
        assert!(is_arp_answer(&answer, MAC, TARGET));
        assert_eq!(answer[ARP_OPERATION_AT..][..2], ARP_REPLY.to_be_bytes());
        assert_eq!(answer[ARP_SENDER_AT..][..4], TARGET.octets());
        // From the type on, up to the sender's MAC; its IP address, and ours.
        for at in (12..22).chain(28..38) {
            let mut other = answer;
            other[at] ^= 0x10;
            assert!(!is_arp_answer(&other, MAC, TARGET), "{at}");
        }
        for len in 0..ARP_BYTES {
            assert!(!is_arp_answer(&answer[..len], MAC, TARGET), "{len}");
        }
        for nobody in [[0; 6], [0xff; 6], [1, 0, 0, 0, 0, 1]] {
            answer[22..28].copy_from_slice(&nobody);
            assert!(!is_arp_answer(&answer, MAC, TARGET), "{nobody:?}");
        }
        assert!(!is_arp_answer(&question, MAC, TARGET));
    }

    /// RFC 4861 §4.3, RFC 4291 §2.7.1.
    #[test]
    fn another_reader_reads_the_solicitation() {
        let message = solicitation(MAC, TARGET_V6);
        let group = solicited_node(TARGET_V6);
        assert_eq!(group, "ff02::1:ff12:3456".parse::<Ipv6Addr>().unwrap());
        let packet = Icmpv6Packet::new_checked(&message).unwrap();
        let from = "fe80::1".parse().unwrap();
        let read = Icmpv6Repr::parse(&from, &group, &packet, &ChecksumCapabilities::ignored());
        assert_eq!(
            read,
            Ok(Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit {
                target_addr: TARGET_V6,
                lladdr: Some(RawHardwareAddress::from_bytes(&MAC.0)),
            }))
        );
    }

    /// RFC 4861 §7.1.2.
    #[test]
    fn only_a_solicited_advertisement_from_this_segment_is_an_answer() {
        let mut message = [0; 24];
        (message[0], message[4]) = (136, 0x60);
        message[8..].copy_from_slice(&TARGET_V6.octets());
        assert!(is_solicited_advertisement(&message, 255, TARGET_V6));
        assert!(!is_solicited_advertisement(&message, 254, TARGET_V6));
        for at in [0, 1, 8, 15, 23] {
            let mut other = message;
            other[at] ^= 1;
            assert!(!is_solicited_advertisement(&other, 255, TARGET_V6), "{at}");
        }
        for len in 0..24 {
            assert!(!is_solicited_advertisement(&message[..len], 255, TARGET_V6), "{len}");
        }
        message[4] = 0x20;
        assert!(!is_solicited_advertisement(&message, 255, TARGET_V6), "unsolicited");
    }
}
