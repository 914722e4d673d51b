//! Ethernet frames that announce an address, and the IPv4 header that a raw socket delivers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::sum::{complement, sum_of};
use super::vrrp::Discard;
use super::{Full, Mac, Writer};

/// Bytes of the longest frame written here: an unsolicited neighbour advertisement.
pub const FRAME_BYTES_MAX: usize = ETHERNET_BYTES + IPV6_BYTES + NA_BYTES;

const ETHERNET_BYTES: usize = 14;
/// An IPv4 header without options.
const IPV4_BYTES: usize = 20;
const IPV6_BYTES: usize = 40;
/// A neighbour advertisement and its option.
const NA_BYTES: usize = 24 + 8;
const ICMPV6: u8 = 58;

/// A frame in which our Ethernet address and the address that is announced are still to be filled in, twice each.
struct Template<'a> {
    bytes: &'a [u8],
    macs_at: [u8; 2],
    addresses_at: [u8; 2],
}

#[rustfmt::skip]
const ARP: Template<'_> = Template {
    bytes: &[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0x08, 0x06,
        0, 1, 0x08, 0, 6, 4, 0, 1, // Ethernet, IPv4, the lengths of their addresses, "request" (RFC 826)
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
    ],
    macs_at: [6, 22],
    addresses_at: [28, 38],
};

#[rustfmt::skip]
const NA: Template<'_> = Template {
    bytes: &[
        0x33, 0x33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x86, 0xdd,
        0x60, 0, 0, 0, 0, NA_BYTES as u8, ICMPV6, 255, // no class, no flow, length, hop limit (RFC 8200 §3)
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        136, 0, 0, 0, 0xa0, 0, 0, 0, // type, code, checksum, Router and Override (RFC 4861 §4.4)
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        2, 1, 0, 0, 0, 0, 0, 0, // target link-layer address, one unit of eight bytes (RFC 4861 §4.6.1)
    ],
    macs_at: [6, 80],
    addresses_at: [22, 62],
};

/// Bytes of the longest header of an advertisement that leaves as a whole frame.
pub const ADVERT_HEADER_BYTES_MAX: usize = ETHERNET_BYTES + IPV6_BYTES;

/// What a raw socket of ours puts before an advertisement (TX01 to TX05, TX27): internetwork control, do not fragment,
/// TTL 255, protocol 112.
const IPV4_HEADER: [u8; IPV4_BYTES] =
    [0x45, 0xc0, 0, 0, 0, 0, 0x40, 0, 255, VRRP, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const VRRP: u8 = 112;

/// More Fragments and the fragment offset: all zero in a packet that is whole.
const FRAGMENT_MASK: u16 = 0x3fff;

/// What matters of an IPv4 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Packet<'a> {
    /// Sender.
    pub source: Ipv4Addr,
    /// Receiver or group.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
    /// What follows the header and its options, up to the header's own total length (RX05, RX06).
    pub payload: &'a [u8],
}

impl<'a> Ipv4Packet<'a> {
    /// Reads a packet as a raw socket delivers it.
    ///
    /// # Errors
    /// [`Discard::IpHeader`] if version, header length or total length are impossible (RFC 791 §3.1), or the
    /// packet is a fragment, or the source is unspecified, multicast or broadcast; [`Discard::Short`] if it is
    /// cut before its total length.
    pub fn parse(packet: &'a [u8]) -> Result<Self, Discard> {
        let (fixed, _) = packet.split_first_chunk::<IPV4_BYTES>().ok_or(Discard::IpHeader)?;
        let &[version_ihl, _, t0, t1, _, _, f0, f1, ttl, _, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = fixed;
        let header_len = usize::from(version_ihl & 0x0f) * 4;
        let total_len = usize::from(u16::from_be_bytes([t0, t1]));
        let fragment = u16::from_be_bytes([f0, f1]) & FRAGMENT_MASK;
        let source = Ipv4Addr::new(s0, s1, s2, s3);
        if version_ihl >> 4 != 4
            || header_len < IPV4_BYTES
            || total_len < header_len
            || fragment != 0
            || source.is_unspecified()
            || source.is_multicast()
            || source.is_broadcast()
        {
            return Err(Discard::IpHeader);
        }
        let payload = packet.get(header_len..total_len).ok_or(Discard::Short)?;
        Ok(Self { source, destination: Ipv4Addr::new(d0, d1, d2, d3), ttl, payload })
    }
}

/// Writes a gratuitous ARP request for `address` and returns its length: broadcast, sender and target IP
/// are the address, target MAC is all ones as keepalived and FRR send it (RFC 9568 §6.4.1; AD11).
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn gratuitous_arp(mac: Mac, address: Ipv4Addr, buffer: &mut [u8]) -> Result<usize, Full> {
    fill(&ARP, mac, &address.octets(), &mut Writer::new(buffer))
}

/// Writes an unsolicited neighbour advertisement for `address` and returns its length: from the address to
/// ff02::1, hop limit 255, Router and Override set, with the target link-layer option (RFC 9568 §6.4.1,
/// RFC 4861 §4.4; AD12).
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn unsolicited_na(mac: Mac, address: Ipv6Addr, buffer: &mut [u8]) -> Result<usize, Full> {
    const ADDRESSES_AT: usize = ETHERNET_BYTES + 8;
    const CHECKSUM_AT: usize = ETHERNET_BYTES + IPV6_BYTES + 2;
    let mut writer = Writer::new(buffer);
    let len = fill(&NA, mac, &address.octets(), &mut writer)?;
    // The pseudo-header (RFC 8200 §8.1) is the addresses, which stand right before the message, and two numbers.
    let sum = sum_of(writer.written().get(ADDRESSES_AT..).unwrap_or(&[]));
    let checksum = complement(sum + NA_BYTES as u32 + u32::from(ICMPV6));
    writer.set(CHECKSUM_AT, &checksum.to_be_bytes())?;
    Ok(len)
}

/// Writes what stands before an advertisement of `len` bytes from `source` to a multicast group, from `mac`, and returns
/// its length in bytes (RFC 9568 §7.2; TX08).
///
/// # Errors
/// [`Full`] if `buffer` is shorter than [`ADVERT_HEADER_BYTES_MAX`] and the header does not fit, or the families differ.
pub fn advert_header(
    mac: Mac,
    source: IpAddr,
    group: IpAddr,
    len: usize,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let len = u16::try_from(len).map_err(|_| Full)?;
    let mut writer = Writer::new(buffer);
    match (source, group) {
        (IpAddr::V4(source), IpAddr::V4(group)) => {
            let total = len.checked_add(IPV4_BYTES as u16).ok_or(Full)?;
            let [_, g1, g2, g3] = group.octets();
            writer.put(&[1, 0, 0x5e, g1 & 0x7f, g2, g3])?; // RFC 1112 §6.4
            writer.put(&mac.0)?;
            writer.put(&[0x08, 0x00])?;
            writer.put(&IPV4_HEADER)?;
            writer.set(ETHERNET_BYTES + 2, &total.to_be_bytes())?;
            writer.set(ETHERNET_BYTES + 12, &source.octets())?;
            writer.set(ETHERNET_BYTES + 16, &group.octets())?;
            let checksum = complement(sum_of(writer.written().get(ETHERNET_BYTES..).unwrap_or(&[])));
            writer.set(ETHERNET_BYTES + 10, &checksum.to_be_bytes())?;
        }
        (IpAddr::V6(source), IpAddr::V6(group)) => {
            let [.., g0, g1, g2, g3] = group.octets();
            writer.put(&[0x33, 0x33, g0, g1, g2, g3])?; // RFC 2464 §7
            writer.put(&mac.0)?;
            writer.put(&[0x86, 0xdd])?;
            let [l0, l1] = len.to_be_bytes();
            writer.put(&[0x6c, 0, 0, 0, l0, l1, VRRP, 255])?;
            writer.put(&source.octets())?;
            writer.put(&group.octets())?;
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Err(Full),
    }
    Ok(writer.len())
}

fn fill(template: &Template<'_>, mac: Mac, address: &[u8], writer: &mut Writer<'_>) -> Result<usize, Full> {
    writer.put(template.bytes)?;
    for at in template.macs_at {
        writer.set(usize::from(at), &mac.0)?;
    }
    for at in template.addresses_at {
        writer.set(usize::from(at), address)?;
    }
    Ok(writer.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{
        Icmpv6Packet, Icmpv6Repr, Ipv6Packet, NdiscNeighborFlags, NdiscRepr, RawHardwareAddress,
    };

    const MAC: Mac = Mac([0x02, 0, 0, 0, 0, 0x0a]);
    const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 10);
    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

    /// An advertisement of keepalived 2.2.7 as captured, from the IPv4 header on.
    const PACKET: [u8; 40] = [
        0x45, 0xc0, 0x00, 0x28, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x7f, 10, 9, 0, 10, 224, 0, 0,
        18, // header
        0x21, 0x01, 0x64, 0x01, 0x00, 0x01, 0x6f, 0xf2, 10, 9, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn a_captured_packet_is_read() {
        assert_eq!(
            Ipv4Packet::parse(&PACKET),
            Ok(Ipv4Packet { source: SOURCE, destination: GROUP, ttl: 255, payload: &PACKET[20..] })
        );
    }

    /// The length is that of the header, not that of the frame, which Ethernet fills to 60 bytes.
    #[test]
    fn rx05_padding_behind_the_total_length_is_not_payload() {
        let mut padded = [0x55; 46];
        padded[..40].copy_from_slice(&PACKET);
        assert_eq!(Ipv4Packet::parse(&padded).unwrap().payload, &PACKET[20..]);
    }

    /// RFC 791 §3.1.
    #[test]
    fn rx06_options_are_stripped_and_a_header_below_20_bytes_is_discarded() {
        let mut with_options = [1; 44];
        with_options[..20].copy_from_slice(&PACKET[..20]);
        with_options[24..].copy_from_slice(&PACKET[20..]);
        with_options[0] = 0x46;
        with_options[3] = 44;
        assert_eq!(Ipv4Packet::parse(&with_options).unwrap().payload, &PACKET[20..]);
        for ihl in 0..5 {
            let mut packet = PACKET;
            packet[0] = 0x40 | ihl;
            assert_eq!(Ipv4Packet::parse(&packet), Err(Discard::IpHeader), "{ihl}");
        }
        // The longest header leaves nothing of a packet of 40 bytes.
        let mut packet = PACKET;
        packet[0] = 0x4f;
        assert_eq!(Ipv4Packet::parse(&packet), Err(Discard::IpHeader));
    }

    #[test]
    fn rx04_a_packet_cut_anywhere_is_discarded() {
        for len in 0..20 {
            assert_eq!(Ipv4Packet::parse(&PACKET[..len]), Err(Discard::IpHeader));
        }
        for len in 20..40 {
            assert_eq!(Ipv4Packet::parse(&PACKET[..len]), Err(Discard::Short));
        }
    }

    #[test]
    fn a_source_that_is_no_host_a_fragment_and_another_version_are_discarded() {
        let broken: [(usize, &[u8]); 7] = [
            (12, &[0, 0, 0, 0]),
            (12, &[224, 0, 0, 18]),
            (12, &[255, 255, 255, 255]),
            (6, &[0x20, 0]), // more fragments
            (6, &[0, 1]),    // an offset
            (0, &[0x65]),    // version 6
            (2, &[0, 19]),   // total length within the header
        ];
        for (at, bytes) in broken {
            let mut packet = PACKET;
            packet[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(Ipv4Packet::parse(&packet), Err(Discard::IpHeader), "{at}");
        }
        // Don't Fragment is no fragment.
        let mut packet = PACKET;
        packet[6] = 0x40;
        assert!(Ipv4Packet::parse(&packet).is_ok());
    }

    /// RFC 9568 §6.4.1; the bytes that keepalived 2.2.7 sends.
    #[test]
    fn ad11_gratuitous_arp_is_what_keepalived_sends() {
        let mut buffer = [0xa5; 64];
        let len = gratuitous_arp(MAC, Ipv4Addr::new(10, 9, 1, 1), &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x0a, 0x08, 0x06,
            0, 1, 0x08, 0, 6, 4, 0, 1,
            0x02, 0, 0, 0, 0, 0x0a, 10, 9, 1, 1,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 9, 1, 1,
        ];
        assert_eq!(buffer[..len], expected);
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
    }

    /// RFC 4861 §4.4. keepalived's bytes for the same address, but for the Router flag, which it leaves out
    /// on a host that does not forward (AD13), and hence the checksum.
    #[test]
    fn ad12_unsolicited_na_is_what_keepalived_sends_with_the_router_flag() {
        let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        let mut buffer = [0xa5; 90];
        let len = unsolicited_na(MAC, address, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            0x33, 0x33, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 0x0a, 0x86, 0xdd,
            0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff,
            0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            0x88, 0, 0xd7, 0x91, 0xa0, 0, 0, 0,
            0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            2, 1, 0x02, 0, 0, 0, 0, 0x0a,
        ];
        assert_eq!(len, FRAME_BYTES_MAX);
        assert_eq!(buffer[..len], expected);
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
    }

    #[test]
    fn ad12_another_parser_reads_the_na_and_finds_its_checksum_right() {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0xfffe, 0, 0, 0, 0x1234);
        let mut buffer = [0xa5; FRAME_BYTES_MAX];
        unsolicited_na(MAC, address, &mut buffer).unwrap();
        let packet = Ipv6Packet::new_checked(&buffer[14..]).unwrap();
        let icmp = Icmpv6Packet::new_checked(packet.payload()).unwrap();
        let repr = Icmpv6Repr::parse(&address, &ALL_NODES, &icmp, &ChecksumCapabilities::default());
        assert_eq!(
            repr,
            Ok(Icmpv6Repr::Ndisc(NdiscRepr::NeighborAdvert {
                flags: NdiscNeighborFlags::ROUTER | NdiscNeighborFlags::OVERRIDE,
                target_addr: address,
                lladdr: Some(RawHardwareAddress::from_bytes(&MAC.0)),
            }))
        );
    }

    /// keepalived's bytes of the header, but for identification and Don't Fragment.
    #[test]
    fn tx08_an_advert_as_a_whole_frame_has_the_header_that_a_raw_socket_writes() {
        let mac = Mac([0, 0, 0x5e, 0, 1, 1]);
        let mut buffer = [0xa5; 64];
        let len = advert_header(mac, SOURCE.into(), GROUP.into(), 20, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            0x01, 0, 0x5e, 0, 0, 0x12, 0, 0, 0x5e, 0, 1, 1, 0x08, 0,
            0x45, 0xc0, 0x00, 0x28, 0, 0, 0x40, 0, 0xff, 0x70, 0x90, 0x80, 10, 9, 0, 10, 224, 0, 0, 18,
        ];
        assert_eq!(buffer[..len], expected);
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
        let mut packet = buffer[14..54].to_vec();
        packet[20..].copy_from_slice(&PACKET[20..]);
        let read = Ipv4Packet::parse(&packet).unwrap();
        assert_eq!((read.source, read.destination, read.ttl, read.payload.len()), (SOURCE, GROUP, 255, 20));
        assert_eq!(complement(sum_of(&packet[..20])), 0);
        for room in 0..len {
            assert_eq!(advert_header(mac, SOURCE.into(), GROUP.into(), 20, &mut [0; 64][..room]), Err(Full));
        }
    }

    #[test]
    fn tx08_the_same_over_ipv6_as_another_parser_reads_it() {
        let mac = Mac([0, 0, 0x5e, 0, 2, 1]);
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 5);
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
        let mut buffer = [0xa5; ADVERT_HEADER_BYTES_MAX + 24];
        let len = advert_header(mac, source.into(), group.into(), 24, &mut buffer).unwrap();
        assert_eq!(len, ADVERT_HEADER_BYTES_MAX);
        assert_eq!(buffer[..14], [0x33, 0x33, 0, 0, 0, 0x12, 0, 0, 0x5e, 0, 2, 1, 0x86, 0xdd]);
        assert_eq!(buffer[14..18], [0x6c, 0, 0, 0]);
        let packet = Ipv6Packet::new_checked(&buffer[14..]).unwrap();
        assert_eq!((packet.src_addr(), packet.dst_addr()), (source, group));
        assert_eq!(
            (packet.hop_limit(), u8::from(packet.next_header()), packet.payload_len()),
            (255, 112, 24)
        );
        for room in 0..len {
            assert_eq!(advert_header(mac, source.into(), group.into(), 24, &mut [0; 99][..room]), Err(Full));
        }
        assert_eq!(advert_header(mac, SOURCE.into(), group.into(), 24, &mut buffer), Err(Full));
    }

    #[test]
    fn a_buffer_that_is_too_short_is_full() {
        let (v4, v6) = (SOURCE, ALL_NODES);
        for room in 0..42 {
            assert_eq!(gratuitous_arp(MAC, v4, &mut [0; 64][..room]), Err(Full));
        }
        for room in 0..FRAME_BYTES_MAX {
            assert_eq!(unsolicited_na(MAC, v6, &mut [0; 99][..room]), Err(Full));
        }
    }
}
