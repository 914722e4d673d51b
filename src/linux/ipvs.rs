//! The way to the kernel's load balancer: requests out, answers in.

use core::cell::Cell;
use std::os::fd::{AsRawFd, RawFd};

use super::netlink::{NetlinkSocket, Received};
use super::{Errno, Error};
use crate::wire::ipvs;

/// Bytes of a buffer that every datagram of a kernel with pages of 4096 bytes fits, and of other kernels as well. A list of
/// any length comes in as many as it takes.
pub const DATAGRAM_BYTES_MAX: usize = 8192;

/// Bytes of the answer to who the family is, of which what matters stands in front.
const FAMILY_BYTES: usize = 1024;

/// Where the type of a message stands.
const KIND: core::ops::Range<usize> = 4..6;

/// A socket for IPVS. It can be opened before it is known whether the kernel has that.
///
/// The kernel carries out a request, or refuses it, before [`Self::send`] returns; its answers wait in the socket. A list
/// it makes as it is read. It makes one at a time: a second one that is asked for before the end of the first is refused
/// with EBUSY.
pub struct IpvsSocket {
    socket: NetlinkSocket,
    /// It is another number whenever the module is loaded.
    family: Cell<Option<u16>>,
}

impl IpvsSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// That of the call; what is sent later needs CAP_NET_ADMIN, in the user namespace where the system was started.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: NetlinkSocket::open_generic()?, family: Cell::new(None) })
    }

    /// Asks for the family's number, unless it is known. The kernel loads its module for this, if it can.
    ///
    /// # Errors
    /// ENOENT: the kernel has no IPVS, or its module is not loaded.
    pub fn find_family(&self) -> Result<(), Error> {
        if self.family.get().is_some() {
            return Ok(());
        }
        let mut buffer = [0; FAMILY_BYTES];
        let len = ipvs::find_family(0, &mut buffer).map_err(|_| fail(Errno::EMSGSIZE))?;
        self.socket.send(buffer.get(..len).unwrap_or(&[]))?;
        let mut result = Err(fail(Errno::ENOENT));
        // Where the module was loaded anew, answers of before may wait in front: whoever asked asks again.
        loop {
            let answer = match self.socket.receive(&mut buffer)? {
                Received::Datagram(answer) => answer,
                Received::Overrun => return Err(fail(Errno::ENOBUFS)),
                Received::Nothing => return result,
            };
            match ipvs::family(answer) {
                Some(Ok(family)) => {
                    self.family.set(Some(family));
                    result = Ok(());
                }
                Some(Err(errno)) if result.is_err() => result = Err(fail(Errno(errno))),
                Some(Err(_)) | None => {}
            }
        }
    }

    /// Sends a request, in which the number of the family is put.
    ///
    /// # Errors
    /// ENOENT: [`Self::find_family`] has not found it yet; or that of the call: then it was not performed.
    pub fn send(&self, request: &mut [u8]) -> Result<(), Error> {
        let family = self.family.get().ok_or(fail(Errno::ENOENT))?;
        request.get_mut(KIND).ok_or(fail(Errno::EINVAL))?.copy_from_slice(&family.to_ne_bytes());
        self.socket.send(request)
    }

    /// Receives one datagram into `buffer`, for [`ipvs::messages`].
    ///
    /// # Errors
    /// EMSGSIZE if it is shorter than [`DATAGRAM_BYTES_MAX`] and there is no room: then the datagram is gone.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Received<'a>, Error> {
        let received = self.socket.receive_whole(buffer)?;
        if let Received::Datagram(bytes) = received
            && ipvs::is_unknown(bytes)
        {
            // The module was taken out, and may come again under another number: it is asked for again.
            self.family.set(None);
        }
        Ok(received)
    }
}

const fn fail(errno: Errno) -> Error {
    Error { call: "IPVS (kernel module ip_vs)", errno }
}

impl AsRawFd for IpvsSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ipvs::{Identity, Message};
    use std::env;

    fn open() -> Option<IpvsSocket> {
        let socket = IpvsSocket::open();
        if socket.is_err() {
            assert!(
                env::var_os("VIPD_TEST_EMULATOR").is_some(),
                "the emulator of one program has no such sockets"
            );
        }
        socket.ok()
    }

    /// What is done in a kernel that has it is in `tests/lab/ipvs`.
    #[test]
    fn a_kernel_has_ipvs_or_says_that_it_has_not() {
        let Some(socket) = open() else { return };
        let mut request = [0; ipvs::REQUEST_BYTES_MAX];
        let len = ipvs::dump_services(3, &mut request).unwrap();
        let request = &mut request[..len];
        assert_eq!(socket.send(request).unwrap_err().errno, Errno::ENOENT, "it is not known yet");
        match socket.find_family() {
            Err(error) => {
                assert_eq!(error.errno, Errno::ENOENT);
                assert_eq!(socket.send(request).unwrap_err().errno, Errno::ENOENT);
                assert_eq!(socket.receive(&mut [0; 64]).unwrap(), Received::Nothing);
            }
            Ok(()) => {
                socket.find_family().unwrap();
                assert_eq!(socket.send(&mut []).unwrap_err().errno, Errno::EINVAL);
                socket.send(request).unwrap();
                let mut buffer = [0; DATAGRAM_BYTES_MAX];
                let Received::Datagram(answer) = socket.receive(&mut buffer).unwrap() else { panic!() };
                // Whoever is no root is refused.
                assert!(ipvs::messages(answer).next().is_some());
            }
        }
    }

    /// The controller of the families is in every kernel, and refuses a request of a family that is not there.
    #[test]
    fn an_answer_is_read_whole_or_is_an_error() {
        let Some(socket) = open() else { return };
        socket.family.set(Some(0x7fff));
        let mut request = [0; ipvs::REQUEST_BYTES_MAX];
        let len = ipvs::delete_service(&Identity::Mark { mark: 1, is_v6: false }, 5, &mut request).unwrap();
        for room in [0, 8, DATAGRAM_BYTES_MAX] {
            socket.send(&mut request[..len]).unwrap();
            let mut buffer = [0; DATAGRAM_BYTES_MAX];
            match socket.receive(&mut buffer[..room]) {
                Err(error) => assert!(error.errno == Errno::EMSGSIZE && room <= 8, "{error}"),
                Ok(Received::Datagram(answer)) => {
                    let refused = Message::Refused { sequence: 5, errno: libc::ENOENT };
                    assert_eq!(ipvs::messages(answer).next(), Some(refused));
                }
                Ok(other) => panic!("{other:?}"),
            }
            assert_eq!(socket.receive(&mut buffer).unwrap(), Received::Nothing);
        }
    }
}
