//! Frames and IPv4 headers: smoltcp reads what we write, and reads what we read.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smoltcp::wire::{Ipv4Packet as Theirs, NdiscNeighborFlags};
use vipd::wire::frame::{FRAME_BYTES_MAX, Ipv4Packet, gratuitous_arp, unsolicited_na};
use vipd::wire::ra::is_solicitation;
use vipd::wire::{Mac, ip};

use super::choices::Choices;
use crate::frame::{self, BROADCAST, Content};

/// A MAC, an address, room for the frame, and a packet.
pub fn frame(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let (mac, room) = (Mac(choices.array()), choices.below(128));
    let address = Ipv6Addr::from(choices.array::<16>());
    let [.., a, b, c, d] = address.octets();
    announce_v4(mac, Ipv4Addr::new(a, b, c, d), room);
    announce_v6(mac, address, room);
    for address in [IpAddr::V4(Ipv4Addr::new(a, b, c, d)), IpAddr::V6(address)] {
        assert_eq!(ip::text(address), *address.to_string());
    }
    let rest = choices.rest();
    header(rest);
    let hop_limit = room as u8 | 0x80;
    assert_eq!(is_solicitation(address, hop_limit, rest), solicits(address, hop_limit, rest), "{rest:02x?}");
}

fn announce_v4(mac: Mac, address: Ipv4Addr, room: usize) {
    let mut buffer = [0xa5; 128];
    let Ok(len) = gratuitous_arp(mac, address, &mut buffer[..room]) else {
        assert!(room < 42);
        return;
    };
    assert!(len == 42 && buffer[len..].iter().all(|byte| *byte == 0xa5));
    let opened = frame::open(&buffer[..len]).unwrap();
    assert_eq!((opened.from, opened.to), (mac, BROADCAST));
    let expected = Content::Arp {
        reply: false,
        sender_mac: mac,
        sender: address,
        target_mac: BROADCAST,
        target: address,
    };
    assert_eq!(opened.content, expected);
}

fn announce_v6(mac: Mac, address: Ipv6Addr, room: usize) {
    let mut buffer = [0xa5; 128];
    let Ok(len) = unsolicited_na(mac, address, &mut buffer[..room]) else {
        assert!(room < FRAME_BYTES_MAX);
        return;
    };
    assert!(len == FRAME_BYTES_MAX && buffer[len..].iter().all(|byte| *byte == 0xa5));
    // A host's address; smoltcp refuses a group as a sender, and as a target.
    if address.is_multicast() || address.is_unspecified() {
        return;
    }
    let opened = frame::open(&buffer[..len]).unwrap();
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    assert_eq!((opened.from, Some(opened.to)), (mac, frame::group_mac(all_nodes.into())));
    let Content::Advertisement(it) = opened.content else { panic!("{:?}", opened.content) };
    assert_eq!((it.from, it.to, it.target, it.hop_limit), (address, all_nodes, address, 255));
    assert_eq!((it.mac, it.flags), (Some(mac), NdiscNeighborFlags::ROUTER | NdiscNeighborFlags::OVERRIDE));
}

/// RFC 4861 §6.1.1, written down a second time.
fn solicits(source: Ipv6Addr, hop_limit: u8, message: &[u8]) -> bool {
    let mut at = 8;
    while at < message.len() {
        let Some(units) = message.get(at + 1) else { return false };
        if *units == 0 || (source.is_unspecified() && message[at] == 1) {
            return false;
        }
        at += usize::from(*units) * 8;
    }
    hop_limit == 255 && !source.is_multicast() && at == message.len() && message[..2] == [133, 0]
}

/// The header of a packet that we take is one that smoltcp takes, and says the same.
fn header(packet: &[u8]) {
    let Ok(ours) = Ipv4Packet::parse(packet) else { return };
    let theirs = Theirs::new_checked(packet).unwrap();
    assert_eq!((theirs.version(), theirs.more_frags(), theirs.frag_offset()), (4, false, 0));
    assert_eq!((theirs.src_addr(), theirs.dst_addr()), (ours.source, ours.destination));
    assert_eq!((theirs.hop_limit(), theirs.payload()), (ours.ttl, ours.payload));
    assert!(!ours.source.is_multicast() && !ours.source.is_broadcast() && !ours.source.is_unspecified());
}
