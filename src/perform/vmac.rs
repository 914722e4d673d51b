//! Virtual MACs: the device, what it needs to be quiet, and who is told of it.

use super::{Outlet, REQUEST_BYTES_MAX, Unsent};
use crate::router::{Router, Slot, View};
use crate::vrrp::Phase;
use crate::wire::vrrp::PRIORITY_RESIGN;
use crate::wire::{Full, IfIndex, Mac, link};

/// The virtual MAC that adverts come from; `None`: the device's own.
///
/// That is also where the last word of a master comes from that has found a better one: switches would look for the
/// virtual MAC here again, until the better one's next advert.
pub(super) fn sender(router: &Router, slot: Slot, view: &View<'_>, priority: u8) -> Option<Mac> {
    if !cfg!(feature = "vmac") {
        return None;
    }
    if priority != PRIORITY_RESIGN && view.virtual_router().phase() != Phase::Master {
        return None;
    }
    let sends_from_base = view.instance.family(view.rules.family).vmac.sends_from_base();
    router.vmac(slot).filter(|_| !sends_from_base).map(|vmac| vmac.mac)
}

/// Makes the device, switched off. A bridge that still takes the address for its own would keep from the segment what
/// is for the master.
pub(super) fn make(router: &Router, slot: Slot, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let Some(vmac) = router.vmac(slot) else { return Ok(()) };
    let Some(below) = vmac.below else { return Ok(()) };
    let name = router.config().interface_name(vmac.device);
    let made = request(outlet, &|buffer| link::add(name, below, vmac.mac, buffer));
    if vmac.is_on_bridge {
        return made.and(request(outlet, &|buffer| link::know(below, vmac.mac, false, buffer)));
    }
    made
}

/// Switches the device on, with what is needed for that, or off.
///
/// The router's other addresses are not spoken for from here, nor those here from the device below (RFC 9568 §8.1.2;
/// AD04).
pub(super) fn switch(router: &Router, slot: Slot, on: bool, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let Some(vmac) = router.vmac(slot) else { return Ok(()) };
    let (Some(device), Some(below)) = (vmac.link, vmac.below) else { return Ok(()) };
    let mut result = Ok(());
    if on {
        if let Some(loose) = vmac.loose_arp {
            result = request(outlet, &|buffer| link::tighten_arp(below, loose, buffer));
        }
        result = result.and(request(outlet, &|buffer| link::set_up_v4(device, buffer)));
        result = result.and(request(outlet, &|buffer| link::set_up_v6(device, buffer)));
    }
    result = result.and(request(outlet, &|buffer| link::switch(device, on, buffer)));
    if vmac.is_on_bridge {
        result = result.and(request(outlet, &|buffer| link::know(below, vmac.mac, on, buffer)));
    }
    result
}

/// Deletes the device.
pub(super) fn remove(device: IfIndex, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    request(outlet, &|buffer| link::delete(device, buffer))
}

/// Lets the device below speak ARP as it did before.
pub(super) fn loosen_arp(router: &Router, slot: Slot, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    match router.vmac(slot).and_then(|vmac| Some((vmac.below?, vmac.loose_arp?))) {
        Some((below, loose)) => request(outlet, &|buffer| link::set_arp(below, loose, buffer)),
        None => Ok(()),
    }
}

#[inline(never)]
fn request(outlet: &mut impl Outlet, write: &dyn Fn(&mut [u8]) -> Result<usize, Full>) -> Result<(), Unsent> {
    let mut buffer = [0; REQUEST_BYTES_MAX];
    let len = write(&mut buffer)?;
    outlet.netlink(buffer.get(..len).ok_or(Unsent)?)
}
