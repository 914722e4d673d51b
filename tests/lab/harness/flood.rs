//! A stranger's hand on the wire: whole frames, as they are, at any rate.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use super::host::Host;

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
                thread::sleep((began + span).saturating_duration_since(Instant::now()));
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
