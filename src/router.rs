//! All virtual routers together: the one place where siblings meet.

use core::net::{IpAddr, Ipv6Addr};

use heapless::Vec;

use crate::config::{Config, Family};
use crate::limits;
use crate::wire::IfIndex;
use crate::wire::rtnl;

/// Which virtual router: an index into the router's table, valid until the next [`Event::Adopt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// A received IP protocol 112 message, as its socket delivered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// IPv4: the whole packet, header included.
    V4 {
        /// The device that it arrived on.
        interface: IfIndex,
        /// Header and message.
        packet: &'a [u8],
    },
    /// IPv6: the message, with what the kernel tells about its header.
    V6 {
        /// The device that it arrived on.
        interface: IfIndex,
        /// Sender.
        source: Ipv6Addr,
        /// Receiver or group.
        destination: Ipv6Addr,
        /// Hop limit on arrival.
        hop_limit: u8,
        /// The message.
        message: &'a [u8],
    },
}

/// Something has happened.
pub enum Event<'a> {
    /// The daemon has started; nothing is known of links and addresses yet.
    Start {
        /// The kernel keeps [`rtnl::ADDRESS_MARK`] (Linux 5.18 and later). Where it does not, an address that
        /// equals a virtual one at start is taken for left behind by a crash, as keepalived does.
        keeps_marks: bool,
    },
    /// The daemon is asked to end: resign, release, and say so.
    Stop,
    /// The time of [`Router::poll_at`] has come. At any other time it is harmless.
    Timer,
    /// A VRRP packet.
    Packet(Packet<'a>),
    /// A message from rtnetlink.
    Kernel(rtnl::Message<'a>),
    /// Messages from rtnetlink were lost (ENOBUFS): ask for everything again.
    Overrun,
    /// An effect could not be performed; handled on the turn after it failed.
    Failed(Failure),
    /// The hook script of this owner has ended.
    HookEnded(HookOwner),
    /// A new configuration will be adopted by the next event, which must be [`Event::Adopt`] with the same
    /// one: what it no longer contains is resigned and released.
    Prepare(&'a Config),
    /// Take this configuration; the old one is left in its place.
    Adopt(&'a mut Config),
}

/// An effect that could not be performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The device that it was for.
    pub interface: IfIndex,
    /// What was to be sent.
    pub what: Outgoing,
    /// Positive errno.
    pub errno: i32,
}

/// The kinds of bytes that leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// An advertisement.
    Message(Family),
    /// A gratuitous ARP or neighbour advertisement.
    Frame,
    /// A netlink request.
    Netlink,
}

/// Whose hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookOwner {
    /// An instance: an index into [`Config::instances`].
    Instance(u16),
    /// A sync group: an index into [`Config::groups`].
    Group(u8),
}

/// Something to be done, in order, before the next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Send an advertisement to the group, or to every unicast peer.
    Advertise {
        /// For this virtual router.
        slot: Slot,
        /// With this priority; 0 resigns.
        priority: u8,
    },
    /// Add every virtual address. Those that are there stay.
    Claim(Slot),
    /// Remove every virtual address that we have added.
    Release(Slot),
    /// Remove one virtual address: an index into [`Config::addresses`].
    Withdraw(u16),
    /// Gratuitous ARP or unsolicited neighbour advertisement for every virtual address.
    Announce {
        /// For this virtual router.
        slot: Slot,
        /// How often, back to back.
        repeat: u8,
    },
    /// Run the hook script with what [`Router::hook`] says.
    Notify(HookOwner),
    /// Ask the kernel for all links.
    DumpLinks,
    /// Ask the kernel for all addresses.
    DumpAddresses,
}

/// The effects of one event.
pub type Effects = Vec<Effect, { limits::EFFECTS_MAX }>;

/// Placeholder for the family of an address.
#[must_use]
pub const fn family_of(address: IpAddr) -> Family {
    Family::of(address)
}
