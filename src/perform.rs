//! Effects to bytes: still pure, with one way out, the [`Outlet`].

use core::net::IpAddr;

use crate::limits::MESSAGE_BYTES_MAX;
use crate::router::{Effect, Router, Slot};
use crate::wire::frame::{self, FRAME_BYTES_MAX};
use crate::wire::rtnl::{self, NewAddress};
use crate::wire::vrrp::Outgoing;
use crate::wire::{Full, IfIndex};

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

    /// A whole Ethernet frame: gratuitous ARP, neighbour advertisement.
    ///
    /// # Errors
    /// [`Unsent`] if it cannot leave.
    fn frame(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent>;

    /// A netlink request. A refusal comes back as [`Message::Refused`](crate::wire::rtnl::Message::Refused).
    ///
    /// # Errors
    /// [`Unsent`] if it cannot leave.
    fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent>;
}

/// Bytes of the longest netlink request that is written here.
const REQUEST_BYTES_MAX: usize = 128;

/// Sequence number of requests that are not asked about: only lists are recognised by theirs.
const NO_SEQUENCE: u32 = 0;

/// Carries out one effect. [`Effect::Notify`] is the daemon's: it makes a process, not bytes.
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
        Effect::Claim(slot) => each_address(router, slot, |address| claim(router, address, outlet)),
        Effect::Release(slot) => each_address(router, slot, |address| release(router, address, outlet)),
        Effect::Withdraw { address, prefix_len } => {
            withdraw(router, usize::from(address), prefix_len, outlet)
        }
        Effect::Announce { slot, repeat } => {
            let mut result = Ok(());
            for _ in 0..repeat {
                result = result.and(each_address(router, slot, |address| announce(router, address, outlet)));
            }
            result
        }
        Effect::Notify(..) => Ok(()),
        Effect::DumpLinks(sequence) => {
            let mut request = [0; REQUEST_BYTES_MAX];
            let len = rtnl::dump_links(sequence, &mut request)?;
            outlet.netlink(request.get(..len).ok_or(Unsent)?)
        }
        Effect::DumpAddresses(sequence) => {
            let mut request = [0; REQUEST_BYTES_MAX];
            let len = rtnl::dump_addresses(sequence, &mut request)?;
            outlet.netlink(request.get(..len).ok_or(Unsent)?)
        }
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
    // Between the loss of the one and the answer whether there is another, there is nothing to send from.
    let (Some(link), Some(source)) = (view.link, view.rules.source) else { return Ok(()) };
    let mut payload = [0; MESSAGE_BYTES_MAX];
    let mut result = Ok(());
    for destination in view.destinations() {
        let outgoing = Outgoing {
            version: view.rules.version,
            vrid: view.rules.vrid,
            priority,
            interval: view.rules.interval,
            password: view.rules.password,
            checksum: view.instance.checksum,
            source,
            destination,
        };
        let addresses = view.addresses().map(|(_, address)| address.address);
        let len = outgoing.emit(addresses, &mut payload)?;
        result = result.and(outlet.message(link, source, destination, payload.get(..len).ok_or(Unsent)?));
    }
    result
}

fn each_address(
    router: &Router,
    slot: Slot,
    mut perform: impl FnMut(usize) -> Result<(), Unsent>,
) -> Result<(), Unsent> {
    let view = router.view(slot).ok_or(Unsent)?;
    let mut result = Ok(());
    for (position, _) in view.addresses() {
        // Not `?`: one address that cannot be handled is no reason to leave out the others.
        result = result.and(perform(position));
    }
    result
}

/// An address that stands there by somebody else's hand is left alone.
fn claim(router: &Router, position: usize, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    if !router.owns_address(position) {
        return Ok(());
    }
    let config = router.config();
    let address = config.addresses.get(position).ok_or(Unsent)?;
    // A device that is not there yet gets its addresses when it comes.
    let Some((interface, _)) = router.interface(address.interface) else { return Ok(()) };
    let new = NewAddress {
        interface,
        address: address.address,
        prefix_len: address.prefix_len,
        scope: address.scope,
        label: config.text(address.label),
        lifetime_secs: None,
    };
    let mut request = [0; REQUEST_BYTES_MAX];
    let len = rtnl::add_address(&new, NO_SEQUENCE, &mut request)?;
    outlet.netlink(request.get(..len).ok_or(Unsent)?)
}

fn release(router: &Router, position: usize, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    if !router.owns_address(position) {
        return Ok(());
    }
    let address = router.config().addresses.get(position).ok_or(Unsent)?;
    withdraw(router, position, address.prefix_len, outlet)
}

fn withdraw(
    router: &Router,
    position: usize,
    prefix_len: u8,
    outlet: &mut impl Outlet,
) -> Result<(), Unsent> {
    let address = router.config().addresses.get(position).ok_or(Unsent)?;
    // A device that is gone has taken its addresses with it.
    let Some((interface, _)) = router.interface(address.interface) else { return Ok(()) };
    let mut request = [0; REQUEST_BYTES_MAX];
    let len = rtnl::delete_address(interface, address.address, prefix_len, NO_SEQUENCE, &mut request)?;
    outlet.netlink(request.get(..len).ok_or(Unsent)?)
}

fn announce(router: &Router, position: usize, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let address = router.config().addresses.get(position).ok_or(Unsent)?;
    // A device that is not there, or not Ethernet, has nobody to tell.
    let Some((interface, Some(mac))) = router.interface(address.interface) else { return Ok(()) };
    let mut buffer = [0; FRAME_BYTES_MAX];
    let len = match address.address {
        IpAddr::V4(address) => frame::gratuitous_arp(mac, address, &mut buffer)?,
        IpAddr::V6(address) => frame::unsolicited_na(mac, address, &mut buffer)?,
    };
    outlet.frame(interface, buffer.get(..len).ok_or(Unsent)?)
}
