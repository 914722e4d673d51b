//! Effects to bytes: still pure, with one way out, the [`Outlet`].

use core::net::IpAddr;

use static_assertions::const_assert;

use crate::config::VirtualAddress;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::router::{Datagram, Effect, Router, Slot, View};
use crate::vrrp::Rules;
use crate::wire::frame::{self, FRAME_BYTES_MAX};
use crate::wire::link;
use crate::wire::rtnl::{self, NewAddress};
use crate::wire::vrrp::Outgoing;
use crate::wire::{Full, IfIndex, Mac, route};

mod bfd;
mod ipvs;
mod no_accept;
mod ra;
mod routes;
mod vmac;

/// Bytes could not be handed over. What is known about it later comes back as
/// [`Event::Failed`](crate::router::Event::Failed) on the next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsent;

impl From<Full> for Unsent {
    fn from(_: Full) -> Self {
        Self
    }
}

/// Where bytes leave. Two implementations: the kernel, and the simulator.
///
/// An outlet may gather what it is given and let it go at once; it keeps the order *messages, then
/// requests, then frames* among what it lets go together, which is the order of a takeover.
pub trait Outlet {
    /// Become a member of a multicast group on `interface`; harmless if it is one already.
    ///
    /// # Errors
    /// [`Unsent`] if it cannot.
    fn join(&mut self, interface: IfIndex, group: IpAddr) -> Result<(), Unsent>;

    /// An IP protocol 112 message through a raw socket, with TTL 255, to a group or a peer on `interface`.
    ///
    /// # Errors
    /// [`Unsent`] if it cannot leave.
    fn message(&mut self, interface: IfIndex, from: IpAddr, to: IpAddr, payload: &[u8])
    -> Result<(), Unsent>;

    /// A UDP message, whose payload begins with the UDP header. Interface 0 and the unspecified source leave the choice to
    /// the routes.
    ///
    /// # Errors
    /// [`Unsent`] if it cannot leave.
    fn datagram(&mut self, datagram: &Datagram<'_>) -> Result<(), Unsent>;

    /// A whole Ethernet frame: gratuitous ARP, neighbour advertisement, router advertisement.
    ///
    /// # Errors
    /// [`Unsent`] if it cannot leave.
    fn frame(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent>;

    /// An advertisement as a whole Ethernet frame, which leaves as a [`message`](Self::message) does.
    ///
    /// # Errors
    /// [`Unsent`] if it cannot leave.
    fn advert(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent>;

    /// A netlink request. A refusal comes back as [`Message::Refused`](crate::wire::rtnl::Message::Refused).
    ///
    /// # Errors
    /// [`Unsent`] if it cannot leave.
    fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent>;

    /// A batch for the packet filter, which is carried out behind what was given before. A refusal comes back as
    /// [`Parcel::Netfilter`](crate::router::Parcel::Netfilter).
    ///
    /// # Errors
    /// [`Unsent`] if it cannot leave.
    fn netfilter(&mut self, batch: &[u8]) -> Result<(), Unsent>;

    /// A request to IPVS, whose family the outlet numbers. A refusal comes back as
    /// [`Message::Refused`](crate::wire::ipvs::Message::Refused), a kernel without it as
    /// [`Parcel::Ipvs`](crate::router::Parcel::Ipvs).
    ///
    /// # Errors
    /// [`Unsent`] if it cannot leave.
    fn ipvs(&mut self, request: &mut [u8]) -> Result<(), Unsent>;
}

/// Bytes of the longest netlink request or frame that is written here.
const REQUEST_BYTES_MAX: usize = 128;

const_assert!(rtnl::REQUEST_BYTES_MAX <= REQUEST_BYTES_MAX && FRAME_BYTES_MAX <= REQUEST_BYTES_MAX);
const_assert!(link::REQUEST_BYTES_MAX <= REQUEST_BYTES_MAX && route::REQUEST_BYTES_MAX <= REQUEST_BYTES_MAX);

/// Room for the header of an advertisement that leaves as a whole frame.
const HEADROOM: usize = if cfg!(feature = "vmac") { frame::ADVERT_HEADER_BYTES_MAX } else { 0 };

/// Addresses of a virtual router that has few, and bytes of its longest message.
const FEW: usize = 4;
const MESSAGE_OF_FEW_BYTES_MAX: usize = 8 + 16 * FEW;

const_assert!(MESSAGE_OF_FEW_BYTES_MAX >= 8 + 4 * FEW + 8);

/// Sequence number of requests that are not asked about: only lists are recognised by theirs.
const NO_SEQUENCE: u32 = 0;

/// Carries out one effect. [`Effect::Notify`], [`Effect::Prepare`] and [`Effect::Try`] are the daemon's: they make a process
/// or a socket, not bytes.
///
/// Performing an effect twice is as good as once (law 4): messages and announcements repeat themselves anyway,
/// and requests for addresses replace what is there.
///
/// # Errors
/// [`Unsent`] if not all of it could be handed over. The rest is handed over all the same.
pub fn perform(router: &Router, effect: Effect, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    match effect {
        Effect::Join(slot) => join(router, slot, outlet),
        Effect::Advertise { slot, priority } => advertise(router, slot, priority, outlet),
        // A route may need one of the addresses as its source.
        Effect::Claim(slot) => {
            let filtered = no_accept::refuse(router, slot, outlet);
            let switched = vmac::switch(router, slot, true, outlet);
            let installed = filtered.and(switched).and(install(router, slot, false, outlet));
            installed.and(routes::add(router, slot, outlet))
        }
        Effect::Renew(slot) => install(router, slot, true, outlet),
        Effect::Release(slot) => {
            let removed = routes::remove(router, slot, outlet);
            let released = removed.and(each_address(router, slot, Task::Release, outlet));
            let switched = vmac::switch(router, slot, false, outlet);
            released.and(switched).and(no_accept::accept(router, slot, outlet))
        }
        Effect::Filter(slot) => no_accept::refuse_what_is_held(router, slot, outlet),
        Effect::Unfilter(slot) => no_accept::accept(router, slot, outlet),
        Effect::MakeVmac(slot) => vmac::make(router, slot, outlet),
        Effect::RemoveVmac(device) => vmac::remove(device, outlet),
        Effect::LoosenArp(slot) => vmac::loosen_arp(router, slot, outlet),
        Effect::Routes(routing) => routes::perform(router, routing, outlet),
        Effect::Withdraw { address, prefix_len } => {
            one_address(router, usize::from(address), Task::Withdraw { prefix_len }, outlet)
        }
        Effect::Announce { slot, repeat } => {
            let mut result = Ok(());
            for _ in 0..repeat {
                result = result.and(each_address(router, slot, Task::Announce, outlet));
            }
            result
        }
        Effect::Bfd { session, is_final } => {
            if cfg!(feature = "bfd") {
                bfd::send(router, session, is_final, outlet)
            } else {
                Ok(())
            }
        }
        Effect::Ipvs(request) => {
            if cfg!(feature = "ipvs") {
                ipvs::send(router, &request, outlet)
            } else {
                Ok(())
            }
        }
        Effect::RouterAdvert { position, is_last } => {
            if cfg!(feature = "ra") {
                ra::send(router, position, is_last, outlet)
            } else {
                Ok(())
            }
        }
        Effect::Notify(..) | Effect::Prepare(..) | Effect::Try(..) => Ok(()),
        Effect::DumpLinks(sequence) => dump(rtnl::dump_links, sequence, outlet),
        Effect::DumpAddresses(sequence) => dump(rtnl::dump_addresses, sequence, outlet),
        Effect::DumpRoutes(sequence) => dump(rtnl::dump_routes, sequence, outlet),
    }
}

fn join(router: &Router, slot: Slot, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let view = router.view(slot).ok_or(Unsent)?;
    match (view.link, view.group()) {
        (Some(link), Some(group)) => outlet.join(link, group),
        (None, _) | (_, None) => Ok(()),
    }
}

fn advertise(router: &Router, slot: Slot, priority: u8, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let view = router.view(slot).ok_or(Unsent)?;
    if let Some(group) = view.group() {
        return advertise_to(&view, priority, group, vmac::sender(router, slot, &view, priority), outlet);
    }
    let mut result = Ok(());
    for peer in view.peers() {
        result = result.and(advertise_to(&view, priority, peer.address, None, outlet));
    }
    result
}

fn advertise_to(
    view: &View<'_>,
    priority: u8,
    destination: IpAddr,
    mac: Option<Mac>,
    outlet: &mut impl Outlet,
) -> Result<(), Unsent> {
    let rules = &view.rules;
    // Between the loss of the one and the answer whether there is another, there is nothing to send from.
    let (Some(link), Some(source)) = (view.link, rules.source) else { return Ok(()) };
    // Most have few addresses, and what is not needed is not filled with zeros.
    let buffer: &mut [u8] = if view.positions().len() <= FEW {
        &mut [0; HEADROOM + MESSAGE_OF_FEW_BYTES_MAX]
    } else {
        &mut [0; HEADROOM + MESSAGE_BYTES_MAX]
    };
    let (headroom, payload) = buffer.split_at_mut_checked(HEADROOM).ok_or(Unsent)?;
    let outgoing = Outgoing {
        version: rules.version,
        vrid: rules.vrid,
        priority,
        interval: rules.interval,
        password: rules.password,
        checksum: view.instance.checksum,
        source: *source,
        destination,
    };
    let len = outgoing.emit(view.advertised().map(|address| address.address), payload)?;
    let Some(mac) = mac else {
        return outlet.message(link, *source, destination, payload.get(..len).ok_or(Unsent)?);
    };
    let header_len = frame::advert_header(mac, *source, destination, len, headroom)?;
    // The header is to end where the message begins.
    let start = HEADROOM.checked_sub(header_len).ok_or(Unsent)?;
    buffer.copy_within(..header_len, start);
    outlet.advert(link, buffer.get(start..HEADROOM + len).ok_or(Unsent)?)
}

fn dump(
    request: fn(u32, &mut [u8]) -> Result<usize, Full>,
    sequence: u32,
    outlet: &mut impl Outlet,
) -> Result<(), Unsent> {
    let mut buffer = [0; REQUEST_BYTES_MAX];
    let len = request(sequence, &mut buffer)?;
    outlet.netlink(buffer.get(..len).ok_or(Unsent)?)
}

/// What is to be done with a virtual address.
#[derive(Clone, Copy)]
enum Task {
    Install {
        /// 0: for ever.
        lifetime_secs: u16,
        /// Only if it is there.
        is_renewal: bool,
        without_route: bool,
    },
    Release,
    /// As it is installed, by whose hand ever.
    Withdraw {
        prefix_len: u8,
    },
    Announce,
}

/// Adds every address, or renews those that are there: one that is missing is the router's to put back and announce.
///
/// Where a permanent IPv6 address is given a lifetime, Linux gives it to the route of its prefix too, and the route goes
/// with it, although the device's own address needs it (seen with 6.18). It leaves the route alone if the address has
/// lost it before.
fn install(router: &Router, slot: Slot, is_renewal: bool, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let view = router.view(slot).ok_or(Unsent)?;
    if view.instance.promotes_secondaries && !is_renewal {
        promote_secondaries(router, &view, outlet)?;
    }
    let Rules { lifetime_secs, .. } = view.rules;
    let task = |without_route| Task::Install { lifetime_secs, is_renewal, without_route };
    let mut result = Ok(());
    if lifetime_secs > 0 && !is_renewal {
        result = each_address(router, slot, task(true), outlet);
    }
    result.and(each_address(router, slot, task(false), outlet))
}

/// One of ours may become the first of its subnet on its device, before the device's own: then it takes them all with it
/// when it is released, and before that goes with whichever was the first.
fn promote_secondaries(router: &Router, view: &View<'_>, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let mut last = None;
    for (_, VirtualAddress { address, prefix_len, interface, .. }) in view.addresses() {
        if *prefix_len >= 32 || address.is_ipv6() || last.replace(*interface) == Some(*interface) {
            continue;
        }
        if let Some((index, _)) = router.interface(*interface) {
            let mut buffer = [0; REQUEST_BYTES_MAX];
            let len = rtnl::promote_secondaries(index, NO_SEQUENCE, &mut buffer)?;
            outlet.netlink(buffer.get(..len).ok_or(Unsent)?)?;
        }
    }
    Ok(())
}

fn each_address(router: &Router, slot: Slot, task: Task, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let view = router.view(slot).ok_or(Unsent)?;
    let mut result = Ok(());
    for position in view.positions() {
        // Not `?`: one address that cannot be handled is no reason to leave out the others.
        result = result.and(one_address(router, position, task, outlet));
    }
    result
}

fn one_address(router: &Router, position: usize, task: Task, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let config = router.config();
    let VirtualAddress { interface, address, prefix_len, scope, label, is_excluded: _ } =
        config.addresses.get(position).ok_or(Unsent)?;
    // A device that is not there gets its addresses when it comes, and one that is gone has taken them with it.
    let Some((interface, mac)) = router.interface(*interface) else { return Ok(()) };
    let mut buffer = [0; REQUEST_BYTES_MAX];
    let len = match task {
        // An address that stands there by somebody else's hand is left alone.
        Task::Install { .. } | Task::Release if !router.owns_address(position) => return Ok(()),
        Task::Install { is_renewal: true, .. } if !router.has_address(position) => return Ok(()),
        Task::Install { without_route: true, .. } if address.is_ipv4() => return Ok(()),
        Task::Install { lifetime_secs, without_route, .. } => {
            let new = NewAddress {
                interface,
                address: *address,
                prefix_len: *prefix_len,
                scope: *scope,
                label: config.text(*label),
                lifetime_secs: (lifetime_secs > 0).then_some(u32::from(lifetime_secs)),
                without_route,
            };
            rtnl::add_address(&new, NO_SEQUENCE, &mut buffer)?
        }
        Task::Release => rtnl::delete_address(interface, *address, *prefix_len, NO_SEQUENCE, &mut buffer)?,
        Task::Withdraw { prefix_len } => {
            rtnl::delete_address(interface, *address, prefix_len, NO_SEQUENCE, &mut buffer)?
        }
        Task::Announce => {
            // A device that is not Ethernet has nobody to tell.
            let Some(mac) = mac else { return Ok(()) };
            let len = match address {
                IpAddr::V4(address) => frame::gratuitous_arp(mac, *address, &mut buffer)?,
                IpAddr::V6(address) => frame::unsolicited_na(mac, *address, &mut buffer)?,
            };
            return outlet.frame(interface, buffer.get(..len).ok_or(Unsent)?);
        }
    };
    outlet.netlink(buffer.get(..len).ok_or(Unsent)?)
}
