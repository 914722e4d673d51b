//! The packet socket: whole Ethernet frames, outwards only.

use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

use super::batch::Outbox;
use super::{Errno, Error};
use crate::wire::IfIndex;

/// A packet socket of protocol 0, which receives nothing.
pub struct PacketSocket {
    socket: Socket,
}

impl PacketSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW; EAFNOSUPPORT on a kernel without packet sockets.
    pub fn open() -> Result<Self, Error> {
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::PACKET, kind, None);
        let socket = socket.map_err(Error::io("packet socket"))?;
        Ok(Self { socket })
    }

    pub(super) fn send(&self, outbox: &mut Outbox, failed: &mut dyn FnMut(IfIndex, Errno)) {
        outbox.send(self.socket.as_raw_fd(), failed);
    }
}
