//! What becomes of packets to the virtual addresses of a master that does not accept them: the kernel drops them, by a
//! table that stands from before the addresses are there until after they are not (RFC 9568 §6.4.3; AD08, AD09).

use core::net::IpAddr;

use super::{Outlet, Unsent};
use crate::config::Family;
use crate::router::{Router, Slot, View};
use crate::wire::Full;
use crate::wire::nft::{self, BATCH_BYTES_MAX, Table};

/// Drops packets to all of its addresses, if it is to.
pub(super) fn refuse(router: &Router, slot: Slot, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    batch(router, slot, true, outlet)
}

/// Drops none of them any more.
pub(super) fn accept(router: &Router, slot: Slot, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    batch(router, slot, false, outlet)
}

/// What stands after a reload, or was left by a crash, is made to agree with what is held.
pub(super) fn refuse_what_is_held(
    router: &Router,
    slot: Slot,
    outlet: &mut impl Outlet,
) -> Result<(), Unsent> {
    if !cfg!(feature = "no-accept") {
        return Ok(());
    }
    let holds = router.view(slot).is_some_and(|view| view.virtual_router().has_claimed());
    batch(router, slot, holds, outlet)
}

/// The buffer is large, and whoever has no use for it is not to have it in its stack.
fn batch(router: &Router, slot: Slot, refuses: bool, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    if !cfg!(feature = "no-accept") {
        return Ok(());
    }
    let view = router.view(slot).ok_or(Unsent)?;
    if view.instance.acceptance.is_refused() {
        write_and_send(router, &view, refuses, outlet)
    } else {
        Ok(())
    }
}

#[inline(never)]
fn write_and_send(
    router: &Router,
    view: &View<'_>,
    refuses: bool,
    outlet: &mut impl Outlet,
) -> Result<(), Unsent> {
    let mut buffer = [0; BATCH_BYTES_MAX];
    let len = write(router, view, refuses, &mut buffer)?;
    outlet.netfilter(buffer.get(..len).ok_or(Unsent)?)
}

fn write(router: &Router, view: &View<'_>, refuses: bool, buffer: &mut [u8]) -> Result<usize, Full> {
    let device = router.config().interface_name(view.instance.interface);
    let addresses = view.addresses().map(|(_, address)| address);
    let table = Table { device, vrid: view.instance.vrid, is_ipv6: view.rules.family == Family::V6 };
    if !refuses {
        return nft::remove(table, buffer);
    }
    // All of them are on one device, or nearly always.
    let link_local = addresses.clone().find(|address| match address.address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    });
    let link = link_local.and_then(|address| router.interface(address.interface)).map(|(index, _)| index);
    nft::replace(table, addresses.map(|address| address.address), link, buffer)
}
