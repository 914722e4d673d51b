//! Ears for VRRP on every device, whoever it is for.

use heapless::String;

use super::Error;
use super::batch::Inbox;
use super::poll::Waiting;
use super::raw::{V4, V6};
use crate::limits::INTERFACE_NAME_BYTES_MAX;
use crate::router::Packet;
use crate::wire::IfIndex;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Devices are numbered from 1, and a number is hardly ever used again: those beyond this are not listened on, unless a
/// daemon of this host does.
const INTERFACE_NUMBER_MAX: u32 = 1024;

/// Raw sockets of their own: the kernel hands every packet to everybody who listens.
pub struct Ears {
    v4: V4,
    v6: Option<V6>,
    inbox: Inbox,
}

impl Ears {
    /// Opens them.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { v4: V4::open()?, v6: V6::open().ok(), inbox: Inbox::new() })
    }

    /// Joins both groups on every device that there is. Doing it again is harmless.
    pub fn join(&mut self, v4: Ipv4Addr, v6: Ipv6Addr) {
        for interface in (1..=INTERFACE_NUMBER_MAX).map(IfIndex) {
            if self.v4.name_of(interface).is_empty() {
                continue;
            }
            // A device without one of the families, or one too many: the others are heard all the same.
            let _ = self.v4.join(interface, v4);
            if let Some(socket) = &mut self.v6 {
                let _ = socket.join(interface, v6);
            }
        }
    }

    /// What to wait for.
    #[must_use]
    pub fn interests(&self) -> [Waiting; 2] {
        [Waiting::to_read(&self.v4), self.v6.as_ref().map_or(Waiting::NEVER, Waiting::to_read)]
    }

    /// Hands everything that waits, with the name of its device, to `hear`.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn receive(
        &mut self,
        hear: &mut dyn FnMut(&String<INTERFACE_NAME_BYTES_MAX>, Packet<'_>),
    ) -> Result<(), Error> {
        let Self { v4, v6, inbox } = self;
        for packet in v4.receive(inbox)? {
            let (Packet::V4 { interface, .. } | Packet::V6 { interface, .. }) = packet;
            hear(&v4.name_of(interface), packet);
        }
        if let Some(v6) = v6 {
            for packet in v6.receive(inbox)? {
                let (Packet::V4 { interface, .. } | Packet::V6 { interface, .. }) = packet;
                hear(&v4.name_of(interface), packet);
            }
        }
        Ok(())
    }
}
