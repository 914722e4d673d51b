//! Effects to bytes: still pure, with one way out, the [`Outlet`].

use core::net::IpAddr;

use crate::wire::IfIndex;

/// Bytes could not be handed over. What is known about it later comes back as
/// [`Event::Failed`](crate::router::Event::Failed) on the next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault;

/// Where bytes leave. Two implementations: the kernel, and the simulator.
///
/// An outlet may gather what it is given and let it go at once; it keeps the order *messages, then
/// requests, then frames* among what it lets go together, which is the order of a takeover.
pub trait Outlet {
    /// An IP protocol 112 message through a raw socket, with TTL 255, to a group or a peer on `interface`.
    ///
    /// # Errors
    /// [`Fault`] if it cannot leave.
    fn message(
        &mut self,
        interface: IfIndex,
        from: IpAddr,
        to: IpAddr,
        payload: &[u8],
    ) -> Result<(), Fault>;

    /// A whole Ethernet frame: gratuitous ARP, neighbour advertisement.
    ///
    /// # Errors
    /// [`Fault`] if it cannot leave.
    fn frame(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Fault>;

    /// A netlink request. A refusal comes back as [`Message::Refused`](crate::wire::rtnl::Message::Refused).
    ///
    /// # Errors
    /// [`Fault`] if it cannot leave.
    fn netlink(&mut self, request: &[u8]) -> Result<(), Fault>;
}
