//! What answers a probe: echo replies, ARP, neighbour advertisements and HTTP, each beside another reader of the same.

use core::net::{Ipv4Addr, Ipv6Addr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv4Repr,
    Icmpv6Packet, Icmpv6Repr, NdiscNeighborFlags, NdiscRepr,
};
use vipd::probe::http::{REPLY_BYTES_MAX, Reader, Verdict, Wanted};
use vipd::wire::icmp::Echo;
use vipd::wire::{Mac, neighbour};

use super::choices::Choices;

/// A kind, what was asked, and what comes back.
pub fn probe(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    match choices.below(5) {
        0 => echo(&mut choices, false),
        1 => echo(&mut choices, true),
        2 => arp(&mut choices),
        3 => advertisement(&mut choices),
        _ => http(&mut choices),
    }
}

fn echo(choices: &mut Choices<'_>, is_v6: bool) {
    let echo =
        Echo { is_v6, identifier: choices.number(), sequence: choices.number(), cookie: choices.array() };
    let question = echo.request();
    let mut reply = question;
    reply[0] = if is_v6 { 129 } else { 0 };
    if !is_v6 {
        // The type is the upper half of the first word, from 8 to 0.
        let sum = u32::from(u16::from_be_bytes([reply[2], reply[3]])) + 0x0800;
        reply[2..4].copy_from_slice(&((sum & 0xffff) as u16 + (sum >> 16) as u16).to_be_bytes());
    }
    assert!(echo.is_answered_by(&reply), "{reply:02x?}");
    assert!(!echo.is_answered_by(&question));
    let bytes = choices.some();
    if !echo.is_answered_by(bytes) {
        return;
    }
    let (identifier, sequence, data) = if is_v6 {
        let packet = Icmpv6Packet::new_checked(bytes).unwrap();
        let anybody = Ipv6Addr::UNSPECIFIED;
        match Icmpv6Repr::parse(&anybody, &anybody, &packet, &ChecksumCapabilities::ignored()) {
            Ok(Icmpv6Repr::EchoReply { ident, seq_no, data }) => (ident, seq_no, data),
            other => panic!("{other:?}"),
        }
    } else {
        let packet = Icmpv4Packet::new_checked(bytes).unwrap();
        match Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()) {
            Ok(Icmpv4Repr::EchoReply { ident, seq_no, data }) => (ident, seq_no, data),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((identifier, sequence, data), (echo.identifier, echo.sequence, &echo.cookie[..]));
}

fn arp(choices: &mut Choices<'_>) {
    let (mac, target) = (Mac(choices.array()), Ipv4Addr::from(choices.array::<4>()));
    let frame = choices.some();
    let theirs = || {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        if frame.ethertype() != EthernetProtocol::Arp {
            return None;
        }
        let packet = ArpPacket::new_checked(frame.payload()).ok()?;
        if let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr,
            source_protocol_addr,
            target_hardware_addr,
            ..
        } = ArpRepr::parse(&packet).ok()?
        {
            Some((source_hardware_addr, source_protocol_addr, target_hardware_addr.0))
        } else {
            None
        }
    };
    let expected = theirs().is_some_and(|(sender, address, to)| {
        sender.is_unicast() && sender.0 != [0; 6] && address == target && to == mac.0
    });
    assert_eq!(neighbour::is_arp_answer(frame, mac, target), expected, "{frame:02x?}");
    assert!(!neighbour::is_arp_answer(&neighbour::arp_question(mac, target), mac, target));
}

fn advertisement(choices: &mut Choices<'_>) {
    let (target, hop_limit) = (Ipv6Addr::from(choices.array::<16>()), choices.byte());
    let message = choices.some();
    let is_answer = neighbour::is_solicited_advertisement(message, hop_limit, target);
    assert!(!is_answer || hop_limit == 255);
    let Ok(packet) = Icmpv6Packet::new_checked(message) else { return };
    let anybody = Ipv6Addr::UNSPECIFIED;
    let theirs = Icmpv6Repr::parse(&anybody, &anybody, &packet, &ChecksumCapabilities::ignored());
    if let Ok(Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { flags, target_addr, .. })) = theirs {
        let expected = flags.contains(NdiscNeighborFlags::SOLICITED)
            && target_addr == target
            && hop_limit == 255
            && message[1] == 0;
        assert_eq!(is_answer, expected, "{message:02x?}");
    }
}

fn http(choices: &mut Choices<'_>) {
    let least = choices.number() % 1000;
    let status = [least, least.max(choices.number() % 1000)];
    let text = choices.some();
    let text = &text[..text.len().min(127)];
    let wanted = Wanted { status, text, digest: None };
    // A byte that says in which pieces, and how often the rest comes.
    let (piece, times) = (1 + choices.below(64), 1 + choices.below(4));
    let reply = choices.take(usize::MAX).repeat(times);
    assert!(reply.len() < REPLY_BYTES_MAX as usize);
    let mut reader = Reader::new();
    let verdict = reply
        .chunks(piece)
        .map(|piece| reader.take(piece, &wanted))
        .find(|verdict| *verdict != Verdict::Undecided)
        .unwrap_or(Verdict::Undecided);
    assert_eq!(verdict, expected(&reply, &wanted), "{:?}", String::from_utf8_lossy(&reply));
}

/// The verdict on the whole reply, found another way.
fn expected(reply: &[u8], wanted: &Wanted<'_>) -> Verdict {
    const SHAPE: &[u8] = b"HTTP/0.0 000";
    let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    if !reply.iter().zip(SHAPE).all(fits) {
        return Verdict::Garbage;
    }
    let Some(behind) = reply.get(12) else { return Verdict::Undecided };
    if !b" \r\n".contains(behind) {
        return Verdict::Garbage;
    }
    let status: u16 = String::from_utf8(reply[9..12].to_vec()).unwrap().parse().unwrap();
    if status < wanted.status[0] || status > wanted.status[1] {
        return Verdict::Status(status);
    }
    if wanted.text.is_empty() {
        return Verdict::Good;
    }
    // A line that is empty, but for any number of carriage returns, ends the header.
    let mut rest = reply;
    let body = loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Verdict::Undecided };
        let line = &rest[..end];
        rest = &rest[end + 1..];
        if line.iter().all(|byte| *byte == b'\r') {
            break rest;
        }
    };
    let is_there = body.windows(wanted.text.len()).any(|window| window == wanted.text);
    if is_there { Verdict::Good } else { Verdict::Undecided }
}
