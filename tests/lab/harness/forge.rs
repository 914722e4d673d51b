//! A stranger on the segment: advertisements that are wrong in one chosen way, as whole frames.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use super::host::Host;

/// Which checksum to write.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sum {
    Right,
    Wrong,
    Zero,
}

/// An IPv4 advertisement, field by field. As made it is flawless; a test spoils what it wants.
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
    pub(crate) addresses: Vec<[u8; 4]>,
    pub(crate) trailer: Vec<u8>,
    pub(crate) sum: Sum,
    /// Cut the message, after summing, to this many bytes.
    pub(crate) cut: Option<usize>,
    pub(crate) ttl: u8,
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
    pub(crate) ip_sum_is_wrong: bool,
    /// Flags and offset of a fragment.
    pub(crate) fragment: u16,
    /// Added to the total length without adding bytes.
    pub(crate) ip_length_beyond: u16,
}

impl Forged {
    /// Version 3, ten times a second, for VRID 7 and 10.0.0.100.
    pub(crate) fn version_3(priority: u8) -> Self {
        Self {
            version: 3,
            kind: 1,
            vrid: 7,
            priority,
            count: 1,
            bytes_4_5: [0, 10],
            addresses: vec![[10, 0, 0, 100]],
            trailer: Vec::new(),
            sum: Sum::Right,
            cut: None,
            ttl: 255,
            source: [10, 0, 0, 66],
            destination: [224, 0, 0, 18],
            ip_sum_is_wrong: false,
            fragment: 0,
            ip_length_beyond: 0,
        }
    }

    /// Version 2, once a second, with the password "1111".
    pub(crate) fn version_2(priority: u8) -> Self {
        Self { version: 2, bytes_4_5: [1, 1], trailer: b"1111\0\0\0\0".to_vec(), ..Self::version_3(priority) }
    }

    fn message(&self) -> Vec<u8> {
        let mut bytes = vec![(self.version << 4) | self.kind, self.vrid, self.priority, self.count];
        bytes.extend_from_slice(&self.bytes_4_5);
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend(self.addresses.iter().flatten());
        bytes.extend_from_slice(&self.trailer);
        let mut pseudo = Vec::new();
        if self.version == 3 {
            pseudo.extend_from_slice(&self.source);
            pseudo.extend_from_slice(&self.destination);
            pseudo.extend_from_slice(&[0, 112, 0, bytes.len() as u8]);
        }
        pseudo.extend_from_slice(&bytes);
        let right = checksum(&pseudo);
        let sum = match self.sum {
            Sum::Right => right,
            Sum::Wrong => right ^ 0x0100,
            Sum::Zero => 0,
        };
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes.truncate(self.cut.unwrap_or(usize::MAX));
        bytes
    }

    /// The whole frame.
    pub(crate) fn frame(&self, source_mac: [u8; 6]) -> Vec<u8> {
        let message = self.message();
        let total = (20 + message.len()) as u16 + self.ip_length_beyond;
        let mut ip = vec![0x45, 0xc0];
        ip.extend_from_slice(&total.to_be_bytes());
        ip.extend_from_slice(&[0, 1]);
        ip.extend_from_slice(&self.fragment.to_be_bytes());
        ip.extend_from_slice(&[self.ttl, 112, 0, 0]);
        ip.extend_from_slice(&self.source);
        ip.extend_from_slice(&self.destination);
        let sum = checksum(&ip) ^ u16::from(self.ip_sum_is_wrong);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut frame = match self.destination {
            [224, a, b, c] => vec![0x01, 0x00, 0x5e, a, b, c],
            _ => vec![0xff; 6],
        };
        frame.extend_from_slice(&source_mac);
        frame.extend_from_slice(&[0x08, 0x00]);
        frame.extend_from_slice(&ip);
        frame.extend_from_slice(&message);
        frame
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

/// Sends frames through a device of a host.
pub(crate) struct Flooder {
    socket: OwnedFd,
    index: i32,
}

impl Flooder {
    pub(crate) fn new(host: &Host, device: &str) -> Self {
        let name = std::ffi::CString::new(device).expect("a device's name has no zero");
        let opened = host.namespace().inside(|| {
            let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
            // SAFETY: a live C string, and a descriptor that is fresh and nobody else's.
            unsafe {
                let index = libc::if_nametoindex(name.as_ptr()) as i32;
                let descriptor = libc::socket(libc::AF_PACKET, kind, 0);
                if descriptor < 0 {
                    return Err(io::Error::last_os_error());
                }
                Ok((OwnedFd::from_raw_fd(descriptor), index))
            }
        });
        let (socket, index) = opened.expect("a packet socket can be opened");
        Self { socket, index }
    }

    pub(crate) fn send(&self, frame: &[u8]) {
        // SAFETY: all-zero is a valid sockaddr_ll.
        let mut to: libc::sockaddr_ll = unsafe { mem::zeroed() };
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_ifindex = self.index;
        // SAFETY: both pointers point to live values of the lengths beside them.
        unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const to).cast(),
                size_of_val(&to) as libc::socklen_t,
            );
        }
    }

    /// Sends the frames in turn, `per_second` of them, for `span`; returns how many it sent.
    pub(crate) fn flood(&self, frames: &[Vec<u8>], per_second: u32, span: Duration) -> u32 {
        let began = Instant::now();
        let mut sent = 0;
        for frame in frames.iter().cycle() {
            let due = began + Duration::from_secs(1) * sent / per_second;
            if due >= began + span {
                break;
            }
            // Late by less than a millisecond is on time: a sleep costs more.
            if let Some(early) = due.checked_duration_since(Instant::now()) {
                thread::sleep(early);
            }
            self.send(frame);
            sent += 1;
        }
        sent
    }
}
