//! Ethernet frames as everybody but vipd sees them: smoltcp reads and writes them, so nothing here
//! shares a line with the code under test.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr,
    Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr,
    Ipv6Packet, Ipv6Repr, NdiscNeighborFlags, NdiscRepr, RawHardwareAddress, UDP_HEADER_LEN, UdpPacket,
    UdpRepr,
};
use vipd::wire::Mac;

/// IP protocol of VRRP.
const VRRP: IpProtocol = IpProtocol::Unknown(112);

const ETHERNET_HEADER_BYTES: usize = 14;

/// The broadcast address.
pub const BROADCAST: Mac = Mac([0xff; 6]);

/// What is in a frame.
#[derive(Debug, PartialEq)]
pub enum Content<'a> {
    Arp {
        reply: bool,
        sender_mac: Mac,
        sender: Ipv4Addr,
        target_mac: Mac,
        target: Ipv4Addr,
    },
    Solicitation {
        from: Ipv6Addr,
        target: Ipv6Addr,
        mac: Option<Mac>,
    },
    Advertisement(Advertisement),
    Echo {
        reply: bool,
        from: IpAddr,
        to: IpAddr,
        sequence: u16,
    },
    /// `packet` is the IPv4 packet with its header, or empty over IPv6.
    Vrrp {
        from: IpAddr,
        to: IpAddr,
        ttl: u8,
        packet: &'a [u8],
        message: &'a [u8],
    },
    Udp {
        from: IpAddr,
        to: IpAddr,
        ttl: u8,
        source_port: u16,
        port: u16,
        payload: &'a [u8],
    },
}

/// A neighbour advertisement.
#[derive(Debug, PartialEq)]
pub struct Advertisement {
    pub from: Ipv6Addr,
    pub to: Ipv6Addr,
    pub hop_limit: u8,
    pub target: Ipv6Addr,
    pub mac: Option<Mac>,
    pub flags: NdiscNeighborFlags,
}

/// A frame, read.
#[derive(Debug)]
pub struct Opened<'a> {
    pub from: Mac,
    pub to: Mac,
    pub content: Content<'a>,
}

/// Reads a frame; lengths, checksums and versions are checked.
pub fn open(frame: &[u8]) -> Result<Opened<'_>, &'static str> {
    let ethernet = EthernetFrame::new_checked(frame).map_err(|_| "Ethernet header")?;
    let content = match ethernet.ethertype() {
        EthernetProtocol::Arp => open_arp(ethernet.payload())?,
        EthernetProtocol::Ipv4 => open_ipv4(ethernet.payload())?,
        EthernetProtocol::Ipv6 => open_ipv6(ethernet.payload())?,
        EthernetProtocol::Unknown(_) => return Err("EtherType"),
    };
    Ok(Opened { from: Mac(ethernet.src_addr().0), to: Mac(ethernet.dst_addr().0), content })
}

fn open_arp(payload: &[u8]) -> Result<Content<'_>, &'static str> {
    let packet = ArpPacket::new_checked(payload).map_err(|_| "ARP length")?;
    let ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr,
        source_protocol_addr,
        target_hardware_addr,
        target_protocol_addr,
    } = ArpRepr::parse(&packet).map_err(|_| "ARP")?
    else {
        return Err("ARP kind");
    };
    let reply = match operation {
        ArpOperation::Request => false,
        ArpOperation::Reply => true,
        ArpOperation::Unknown(_) => return Err("ARP operation"),
    };
    Ok(Content::Arp {
        reply,
        sender_mac: Mac(source_hardware_addr.0),
        sender: source_protocol_addr,
        target_mac: Mac(target_hardware_addr.0),
        target: target_protocol_addr,
    })
}

fn open_ipv4(payload: &[u8]) -> Result<Content<'_>, &'static str> {
    let packet = Ipv4Packet::new_checked(payload).map_err(|_| "IPv4 length")?;
    let header = Ipv4Repr::parse(&packet, &ChecksumCapabilities::default()).map_err(|_| "IPv4")?;
    let (from, to) = (IpAddr::V4(header.src_addr), IpAddr::V4(header.dst_addr));
    let message = packet.payload();
    if header.next_header == VRRP {
        let packet = &payload[..usize::from(packet.total_len())];
        return Ok(Content::Vrrp { from, to, ttl: header.hop_limit, packet, message });
    }
    if header.next_header == IpProtocol::Udp {
        return open_udp(from, to, header.hop_limit, message);
    }
    if header.next_header != IpProtocol::Icmp {
        return Err("IPv4 protocol");
    }
    let icmp = Icmpv4Packet::new_checked(message).map_err(|_| "ICMP length")?;
    match Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default()) {
        Ok(Icmpv4Repr::EchoRequest { seq_no, .. }) => {
            Ok(Content::Echo { reply: false, from, to, sequence: seq_no })
        }
        Ok(Icmpv4Repr::EchoReply { seq_no, .. }) => {
            Ok(Content::Echo { reply: true, from, to, sequence: seq_no })
        }
        _ => Err("ICMP"),
    }
}

fn open_ipv6(payload: &[u8]) -> Result<Content<'_>, &'static str> {
    let packet = Ipv6Packet::new_checked(payload).map_err(|_| "IPv6 length")?;
    let header = Ipv6Repr::parse(&packet).map_err(|_| "IPv6")?;
    if header.next_header == VRRP {
        let (from, to) = (IpAddr::V6(header.src_addr), IpAddr::V6(header.dst_addr));
        return Ok(Content::Vrrp { from, to, ttl: header.hop_limit, packet: &[], message: packet.payload() });
    }
    if header.next_header == IpProtocol::Udp {
        let (from, to) = (IpAddr::V6(header.src_addr), IpAddr::V6(header.dst_addr));
        return open_udp(from, to, header.hop_limit, packet.payload());
    }
    if header.next_header != IpProtocol::Icmpv6 {
        return Err("IPv6 next header");
    }
    open_icmpv6(&header, packet.payload())
}

/// As a kernel does before it looks for a socket. Over IPv4 a checksum of 0 says that there is none (RFC 768).
fn open_udp(from: IpAddr, to: IpAddr, ttl: u8, segment: &[u8]) -> Result<Content<'_>, &'static str> {
    let packet = UdpPacket::new_checked(segment).map_err(|_| "UDP length")?;
    if from.is_ipv6() && packet.checksum() == 0 {
        return Err("UDP checksum that is none"); // RFC 8200 §8.1
    }
    let (source, target): (IpAddress, IpAddress) = (from.into(), to.into());
    let header = UdpRepr::parse(&packet, &source, &target, &ChecksumCapabilities::default())
        .map_err(|_| "UDP checksum or port")?;
    let (source_port, port) = (header.src_port, header.dst_port);
    let payload = &segment[UDP_HEADER_LEN..usize::from(packet.len())];
    Ok(Content::Udp { from, to, ttl, source_port, port, payload })
}

fn open_icmpv6<'a>(header: &Ipv6Repr, message: &'a [u8]) -> Result<Content<'a>, &'static str> {
    let (source, destination) = (header.src_addr, header.dst_addr);
    let (from, to) = (IpAddr::V6(source), IpAddr::V6(destination));
    let icmp = Icmpv6Packet::new_checked(message).map_err(|_| "ICMPv6 length")?;
    match Icmpv6Repr::parse(&source, &destination, &icmp, &ChecksumCapabilities::default()) {
        Ok(Icmpv6Repr::EchoRequest { seq_no, .. }) => {
            Ok(Content::Echo { reply: false, from, to, sequence: seq_no })
        }
        Ok(Icmpv6Repr::EchoReply { seq_no, .. }) => {
            Ok(Content::Echo { reply: true, from, to, sequence: seq_no })
        }
        Ok(Icmpv6Repr::Ndisc(NdiscRepr::NeighborSolicit { target_addr, lladdr })) => {
            Ok(Content::Solicitation { from: source, target: target_addr, mac: lladdr.and_then(mac_of) })
        }
        Ok(Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert { flags, target_addr, lladdr })) => {
            Ok(Content::Advertisement(Advertisement {
                from: source,
                to: destination,
                hop_limit: header.hop_limit,
                target: target_addr,
                mac: lladdr.and_then(mac_of),
                flags,
            }))
        }
        _ => Err("ICMPv6"),
    }
}

fn mac_of(address: RawHardwareAddress) -> Option<Mac> {
    address.as_bytes().try_into().ok().map(Mac)
}

/// Whether the checksum of a VRRP message is right, in either reading of version 3.
pub fn vrrp_checksum_is_right(from: IpAddr, to: IpAddr, message: &[u8]) -> bool {
    use smoltcp::wire::checksum::{combine, data, pseudo_header};
    let alone = data(message);
    let header = pseudo_header(&from.into(), &to.into(), VRRP, message.len() as u32);
    let whole = combine(&[alone, header]);
    match (message.first().map(|byte| byte >> 4), from) {
        (Some(2), IpAddr::V4(_)) => alone == 0xffff,
        (Some(3), IpAddr::V4(_)) => alone == 0xffff || whole == 0xffff,
        (Some(3), IpAddr::V6(_)) => whole == 0xffff,
        _ => false,
    }
}

/// Where a group's frames go (RFC 1112 §6.4, RFC 2464 §7); `None` for an address that is no group.
pub fn group_mac(group: IpAddr) -> Option<Mac> {
    match group {
        IpAddr::V4(group) if group.is_multicast() => {
            let [_, b, c, d] = group.octets();
            Some(Mac([0x01, 0x00, 0x5e, b & 0x7f, c, d]))
        }
        IpAddr::V6(group) if group.is_multicast() => {
            let octets = group.octets();
            Some(Mac([0x33, 0x33, octets[12], octets[13], octets[14], octets[15]]))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

/// A VRRP message in its packet and frame.
pub fn vrrp(from: Mac, to: Mac, source: IpAddr, target: IpAddr, ttl: u8, message: &[u8]) -> Vec<u8> {
    packet(from, to, source, target, VRRP, ttl, message.len(), |room| room.copy_from_slice(message))
}

/// A UDP header and what is behind it, in their packet and frame, as they are.
pub fn datagram(from: Mac, to: Mac, source: IpAddr, target: IpAddr, ttl: u8, segment: &[u8]) -> Vec<u8> {
    packet(from, to, source, target, IpProtocol::Udp, ttl, segment.len(), |room| {
        room.copy_from_slice(segment);
    })
}

/// A UDP header with its checksum, and a payload behind it.
pub fn segment(source: IpAddr, target: IpAddr, (source_port, port): (u16, u16), payload: &[u8]) -> Vec<u8> {
    let header = UdpRepr { src_port: source_port, dst_port: port };
    let mut segment = vec![0; UDP_HEADER_LEN + payload.len()];
    let (source, target): (IpAddress, IpAddress) = (source.into(), target.into());
    let fill = |room: &mut [u8]| room.copy_from_slice(payload);
    let caps = ChecksumCapabilities::default();
    header.emit(&mut UdpPacket::new_unchecked(&mut segment), &source, &target, payload.len(), fill, &caps);
    segment
}

/// An ARP request or reply.
pub fn arp(reply: bool, from: Mac, sender: Ipv4Addr, to: Mac, target: Ipv4Addr) -> Vec<u8> {
    let operation = if reply { ArpOperation::Reply } else { ArpOperation::Request };
    let content = ArpRepr::EthernetIpv4 {
        operation,
        source_hardware_addr: EthernetAddress(from.0),
        source_protocol_addr: sender,
        target_hardware_addr: EthernetAddress(if reply { to.0 } else { [0; 6] }),
        target_protocol_addr: target,
    };
    let mut frame = ethernet(from, to, EthernetProtocol::Arp, content.buffer_len());
    content.emit(&mut ArpPacket::new_unchecked(&mut frame[ETHERNET_HEADER_BYTES..]));
    frame
}

/// A neighbour solicitation to the target's solicited-node group (RFC 4861 §4.3).
pub fn solicitation(from: Mac, sender: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let [.., x, y, z] = target.octets();
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(x), u16::from_be_bytes([y, z]));
    let content = NdiscRepr::NeighborSolicit { target_addr: target, lladdr: Some(raw(from)) };
    let to = group_mac(IpAddr::V6(group)).unwrap();
    icmpv6(from, to, sender, group, 255, &Icmpv6Repr::Ndisc(content))
}

/// A solicited neighbour advertisement (RFC 4861 §4.4).
pub fn advertisement(from: Mac, target: Ipv6Addr, to: Mac, asker: Ipv6Addr) -> Vec<u8> {
    let content = NdiscRepr::NeighborAdvert {
        flags: NdiscNeighborFlags::SOLICITED | NdiscNeighborFlags::OVERRIDE | NdiscNeighborFlags::ROUTER,
        target_addr: target,
        lladdr: Some(raw(from)),
    };
    icmpv6(from, to, target, asker, 255, &Icmpv6Repr::Ndisc(content))
}

/// A ping, or its answer.
pub fn echo(reply: bool, from: Mac, to: Mac, source: IpAddr, target: IpAddr, seq: u16) -> Vec<u8> {
    match (source, target) {
        (IpAddr::V4(_), IpAddr::V4(_)) => {
            let content = if reply {
                Icmpv4Repr::EchoReply { ident: 1, seq_no: seq, data: &[] }
            } else {
                Icmpv4Repr::EchoRequest { ident: 1, seq_no: seq, data: &[] }
            };
            let len = content.buffer_len();
            packet(from, to, source, target, IpProtocol::Icmp, 64, len, |room| {
                let caps = ChecksumCapabilities::default();
                content.emit(&mut Icmpv4Packet::new_unchecked(room), &caps);
            })
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            let content = if reply {
                Icmpv6Repr::EchoReply { ident: 1, seq_no: seq, data: &[] }
            } else {
                Icmpv6Repr::EchoRequest { ident: 1, seq_no: seq, data: &[] }
            };
            icmpv6(from, to, source, target, 64, &content)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            panic!("a ping from {source} to {target}")
        }
    }
}

fn raw(mac: Mac) -> RawHardwareAddress {
    RawHardwareAddress::from_bytes(&mac.0)
}

fn icmpv6(
    from: Mac,
    to: Mac,
    source: Ipv6Addr,
    target: Ipv6Addr,
    hop_limit: u8,
    content: &Icmpv6Repr<'_>,
) -> Vec<u8> {
    let (ip_source, ip_target) = (IpAddr::V6(source), IpAddr::V6(target));
    let len = content.buffer_len();
    packet(from, to, ip_source, ip_target, IpProtocol::Icmpv6, hop_limit, len, |room| {
        let caps = ChecksumCapabilities::default();
        content.emit(&source, &target, &mut Icmpv6Packet::new_unchecked(room), &caps);
    })
}

#[allow(clippy::too_many_arguments, reason = "these are the fields of two headers")]
fn packet(
    from: Mac,
    to: Mac,
    source: IpAddr,
    target: IpAddr,
    protocol: IpProtocol,
    ttl: u8,
    payload_len: usize,
    fill: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    match (source, target) {
        (IpAddr::V4(src_addr), IpAddr::V4(dst_addr)) => {
            let header = Ipv4Repr { src_addr, dst_addr, next_header: protocol, payload_len, hop_limit: ttl };
            let len = header.buffer_len() + payload_len;
            let mut frame = ethernet(from, to, EthernetProtocol::Ipv4, len);
            let mut packet = Ipv4Packet::new_unchecked(&mut frame[ETHERNET_HEADER_BYTES..]);
            header.emit(&mut packet, &ChecksumCapabilities::default());
            fill(&mut packet.payload_mut()[..payload_len]);
            frame
        }
        (IpAddr::V6(src_addr), IpAddr::V6(dst_addr)) => {
            let header = Ipv6Repr { src_addr, dst_addr, next_header: protocol, payload_len, hop_limit: ttl };
            let len = header.buffer_len() + payload_len;
            let mut frame = ethernet(from, to, EthernetProtocol::Ipv6, len);
            let mut packet = Ipv6Packet::new_unchecked(&mut frame[ETHERNET_HEADER_BYTES..]);
            header.emit(&mut packet);
            fill(&mut packet.payload_mut()[..payload_len]);
            frame
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            panic!("a packet from {source} to {target}")
        }
    }
}

/// A frame with room for this many bytes, filled up to the shortest that Ethernet carries.
fn ethernet(from: Mac, to: Mac, ethertype: EthernetProtocol, payload_len: usize) -> Vec<u8> {
    let mut frame = vec![0; (ETHERNET_HEADER_BYTES + payload_len).max(60)];
    let header =
        EthernetRepr { src_addr: EthernetAddress(from.0), dst_addr: EthernetAddress(to.0), ethertype };
    header.emit(&mut EthernetFrame::new_unchecked(&mut frame));
    frame
}
