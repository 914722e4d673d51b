//! The packet socket: whole Ethernet frames, outwards only.

use super::batch::Outbox;
use super::call::Descriptor;
use super::{Errno, Error, socket};
use crate::wire::IfIndex;

/// A packet socket of protocol 0, which receives nothing.
pub struct PacketSocket {
    socket: Descriptor,
}

impl PacketSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW; EAFNOSUPPORT on a kernel without packet sockets.
    pub fn open() -> Result<Self, Error> {
        let socket = socket::open(libc::AF_PACKET, libc::SOCK_RAW, 0);
        socket.map(|socket| Self { socket }).map_err(|errno| Error { call: "packet socket", errno })
    }

    pub(super) fn send(&self, outbox: &mut Outbox, failed: &mut dyn FnMut(IfIndex, Errno)) {
        outbox.send(&self.socket, failed);
    }

    /// Whether there is a network device of this number.
    pub(super) fn has_interface(&self, interface: IfIndex) -> bool {
        super::file::has_interface(&self.socket, interface)
    }
}
