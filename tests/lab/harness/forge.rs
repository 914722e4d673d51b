//! Advertisements that are wrong in one chosen way, as whole frames. Nothing here is the program's own.

use std::net::IpAddr;

/// Which checksum to write.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sum {
    Right,
    /// Right, without the pseudo-header (RFC 9568 over IPv4).
    MessageOnly,
    Wrong,
    Zero,
}

/// An advertisement, field by field. As made it is flawless; a test spoils what it wants.
#[derive(Clone)]
pub(crate) struct Forged {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    /// What the count field says, whatever is listed.
    pub(crate) count: u8,
    /// Version 2: authentication type and seconds; version 3: centiseconds.
    pub(crate) bytes_4_5: [u8; 2],
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) trailer: Vec<u8>,
    pub(crate) sum: Sum,
    /// Cut the message, after summing, to this many bytes.
    pub(crate) cut: Option<usize>,
    pub(crate) ttl: u8,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// The frame's destination, if it is not to follow from the packet's.
    pub(crate) to_mac: Option<[u8; 6]>,
    pub(crate) ip_sum_is_wrong: bool,
    /// IPv4 options, in words of four bytes.
    pub(crate) ip_options: Vec<u8>,
    /// Flags and offset of a fragment (IPv4).
    pub(crate) fragment: u16,
    /// Added to the total length without adding bytes, wrapping.
    pub(crate) ip_length_beyond: u16,
    /// Bytes behind the packet, as Ethernet adds them to a short frame.
    pub(crate) padding: usize,
}

impl Forged {
    /// Version 3 over IPv4, ten times a second, for VRID 7 and 10.0.0.100.
    pub(crate) fn version_3(priority: u8) -> Self {
        Self {
            version: 3,
            kind: 1,
            vrid: 7,
            priority,
            count: 1,
            bytes_4_5: [0, 10],
            addresses: vec![[10, 0, 0, 100].into()],
            trailer: Vec::new(),
            sum: Sum::Right,
            cut: None,
            ttl: 255,
            source: [10, 0, 0, 66].into(),
            destination: [224, 0, 0, 18].into(),
            to_mac: None,
            ip_sum_is_wrong: false,
            ip_options: Vec::new(),
            fragment: 0,
            ip_length_beyond: 0,
            padding: 0,
        }
    }

    /// The same over IPv6, for fe80::100.
    pub(crate) fn version_3_ipv6(priority: u8) -> Self {
        Self {
            addresses: vec!["fe80::100".parse().unwrap()],
            source: "fe80::66".parse().unwrap(),
            destination: "ff02::12".parse().unwrap(),
            ..Self::version_3(priority)
        }
    }

    /// Version 2, once a second, without a password.
    pub(crate) fn version_2_plain(priority: u8) -> Self {
        Self { version: 2, bytes_4_5: [0, 1], trailer: vec![0; 8], ..Self::version_3(priority) }
    }

    /// Version 2, once a second, with the password "1111".
    pub(crate) fn version_2(priority: u8) -> Self {
        Self { version: 2, bytes_4_5: [1, 1], trailer: b"1111\0\0\0\0".to_vec(), ..Self::version_3(priority) }
    }

    fn message(&self) -> Vec<u8> {
        let mut bytes = vec![(self.version << 4) | self.kind, self.vrid, self.priority, self.count];
        bytes.extend_from_slice(&self.bytes_4_5);
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend(self.addresses.iter().flat_map(|address| octets(*address)));
        bytes.extend_from_slice(&self.trailer);
        let mut summed = Vec::new();
        if self.version == 3 && self.sum != Sum::MessageOnly {
            // IPv6's pseudo-header has more zeros (RFC 8200 section 8.1), which add nothing.
            summed.extend(octets(self.source));
            summed.extend(octets(self.destination));
            summed.extend_from_slice(&[0, 112, 0, bytes.len() as u8]);
        }
        summed.extend_from_slice(&bytes);
        let right = checksum(&summed);
        let sum = match self.sum {
            Sum::Right | Sum::MessageOnly => right,
            Sum::Wrong => right ^ 0x0100,
            Sum::Zero => 0,
        };
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes.truncate(self.cut.unwrap_or(usize::MAX));
        bytes
    }

    /// The whole frame.
    pub(crate) fn frame(&self, source_mac: [u8; 6]) -> Vec<u8> {
        let mut frame = Vec::from(self.to_mac.unwrap_or_else(|| group_mac(self.destination)));
        frame.extend_from_slice(&source_mac);
        frame.extend(self.packet());
        frame.extend(vec![0; self.padding]);
        frame
    }

    /// The packet, behind its Ethernet type.
    fn packet(&self) -> Vec<u8> {
        let message = self.message();
        match self.source {
            IpAddr::V4(_) => {
                let words = 5 + self.ip_options.len() as u8 / 4;
                let len = u16::from(words) * 4 + message.len() as u16;
                let total = len.wrapping_add(self.ip_length_beyond);
                let mut ip = vec![0x40 | words, 0xc0];
                ip.extend_from_slice(&total.to_be_bytes());
                ip.extend_from_slice(&[0, 1]);
                ip.extend_from_slice(&self.fragment.to_be_bytes());
                ip.extend_from_slice(&[self.ttl, 112, 0, 0]);
                ip.extend(octets(self.source));
                ip.extend(octets(self.destination));
                ip.extend_from_slice(&self.ip_options);
                let sum = checksum(&ip) ^ u16::from(self.ip_sum_is_wrong);
                ip[10..12].copy_from_slice(&sum.to_be_bytes());
                [vec![0x08, 0x00], ip, message].concat()
            }
            IpAddr::V6(_) => {
                let len = (message.len() as u16).wrapping_add(self.ip_length_beyond);
                let mut ip = vec![0x60, 0, 0, 0];
                ip.extend_from_slice(&len.to_be_bytes());
                ip.extend_from_slice(&[112, self.ttl]);
                ip.extend(octets(self.source));
                ip.extend(octets(self.destination));
                [vec![0x86, 0xdd], ip, message].concat()
            }
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// RFC 1112 section 6.4, RFC 2464 section 7; what is no group goes to everybody.
fn group_mac(destination: IpAddr) -> [u8; 6] {
    match destination {
        IpAddr::V4(group) if group.is_multicast() => {
            let [_, a, b, c] = group.octets();
            [0x01, 0x00, 0x5e, a & 0x7f, b, c]
        }
        IpAddr::V6(group) if group.is_multicast() => match group.octets() {
            [.., a, b, c, d] => [0x33, 0x33, a, b, c, d],
        },
        IpAddr::V4(_) | IpAddr::V6(_) => [0xff; 6],
    }
}

/// RFC 1071.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}
