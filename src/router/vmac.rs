//! The devices of virtual Ethernet addresses (RFC 9568 §7.3): who has one, and whether it is as it should be.
//!
//! - Such a device is a macvlan on the instance's own. It is made where everything has been listed and it is not there,
//!   taken over where a former run has left it, and removed when the daemon ends or the configuration has it no more.
//! - It is switched on by [`Effect::Claim`] and off by [`Effect::Release`], so a backup's neither speaks nor hears
//!   (RFC 9568 §6.4.2; AD01 to AD03).
//! - Whether an instance takes part is asked of the device below alone.
//! - A device of its name that is something else is left alone, and is a fault.

use super::{Effect, Member, Router, Slot, Turn, Verb};
use crate::config::{Config, Family, InterfaceId};
use crate::limits::VMACS_MAX;
use crate::vrrp::{Fault, Phase};
use crate::wire::link::{self, Arp, Details};
use crate::wire::{IfIndex, Mac};

/// What is kept of the details of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known([Details; VMACS_MAX]);

impl Known {
    /// All zeros.
    pub(super) const NONE: Self = Self([Details::NONE; VMACS_MAX]);

    /// A link as it is told now, after what was told of it before: how it spoke ARP is remembered, since we change it.
    pub(super) fn and(self, mut now: Details) -> Self {
        now.loose_arp = now.loose_arp.or(self.details().loose_arp);
        Self([now; VMACS_MAX])
    }

    pub(super) fn details(self) -> Details {
        self.0.first().copied().unwrap_or(Details::NONE)
    }
}

/// A virtual router's own Ethernet address, and the device that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vmac {
    /// The device's name: an index into [`Config::interfaces`].
    pub device: InterfaceId,
    /// The device, if it is there and what it should be.
    pub link: Option<IfIndex>,
    /// The instance's device below it, if it is there.
    pub below: Option<IfIndex>,
    /// The address.
    pub mac: Mac,
    /// The device below is a bridge.
    pub is_on_bridge: bool,
    /// Without us, the device below would speak ARP for addresses that are not on it.
    pub loose_arp: Option<Arp>,
}

impl Router {
    /// The virtual router's own Ethernet address; `None`: it does without.
    #[must_use]
    pub fn vmac(&self, slot: Slot) -> Option<Vmac> {
        if cfg!(feature = "vmac") { self.vmac_of(self.member(slot)?) } else { None }
    }

    fn vmac_of(&self, member: &Member) -> Option<Vmac> {
        if !cfg!(feature = "vmac") {
            return None;
        }
        let instance = self.instance_of(member)?;
        let device = instance.family(member.family).vmac.device()?;
        let below = self.links.index(instance.interface);
        let mac = link::virtual_mac(instance.vrid, member.family == Family::V6);
        let details = self.links.details(device);
        let is_ours = self.links.mac(device) == Some(mac)
            && details.macvlan_on.is_some()
            && details.macvlan_on == below;
        let below_details = self.links.details(instance.interface);
        Some(Vmac {
            device,
            link: self.links.index(device).filter(|_| is_ours),
            below,
            mac,
            is_on_bridge: below_details.is_bridge,
            loose_arp: below_details.loose_arp,
        })
    }

    /// What keeps a virtual router with a virtual MAC from taking part. One that takes part already gets its device back.
    pub(super) fn vmac_fault(&self, member: &Member) -> Option<Fault> {
        let vmac = self.vmac_of(member)?;
        match (self.links.index(vmac.device), vmac.link) {
            (Some(_), None) => Some(Fault::VmacTaken),
            (None, _) if member.virtual_router.phase() == Phase::Initialize => Some(Fault::NoVmac),
            (Some(_), Some(_)) | (None, _) => None,
        }
    }

    /// Everything has been listed: devices that are not there are made.
    pub(super) fn make_vmacs(&self, turn: &mut Turn<'_>) {
        for slot in self.slots() {
            let Some(vmac) = self.vmac(slot) else { continue };
            if !self.stopping && vmac.below.is_some() && self.links.index(vmac.device).is_none() {
                turn.push(Effect::MakeVmac(slot));
            }
        }
    }

    /// The daemon ends.
    pub(super) fn remove_vmacs(&self, turn: &mut Turn<'_>) {
        for slot in self.slots() {
            self.remove_vmac(turn, slot, true);
        }
    }

    /// A device below has lost its name: what stands on it would be in the way of one on another device.
    pub(super) fn remove_vmacs_on(&self, turn: &mut Turn<'_>, interface: InterfaceId) {
        if !cfg!(feature = "vmac") {
            return;
        }
        for slot in self.slots() {
            let instance = self.member(slot).and_then(|member| self.instance_of(member));
            if instance.is_some_and(|instance| instance.interface == interface) {
                self.remove_vmac(turn, slot, false);
            }
        }
    }

    /// A configuration is about to come: the devices that it does not have on the same device below are removed.
    pub(super) fn remove_vmacs_but(&self, turn: &mut Turn<'_>, new: &Config) {
        if !cfg!(feature = "vmac") {
            return;
        }
        for slot in self.slots() {
            let Some(instance) = self.member(slot).and_then(|member| self.instance_of(member)) else {
                continue;
            };
            let Some(vmac) = self.vmac(slot) else { continue };
            let name = self.config.interface_name(vmac.device);
            let below = self.config.interface_name(instance.interface);
            let mut is_kept = false;
            let mut is_last = true;
            for other in new.instances.iter().filter(|other| new.interface_name(other.interface) == below) {
                for family in [Family::V4, Family::V6] {
                    let Some(device) = other.family(family).vmac.device() else { continue };
                    let is_same = other.vrid == instance.vrid && Some(family) == self.family_of(slot);
                    is_kept |= is_same && new.interface_name(device) == name;
                    is_last = false;
                }
            }
            if !is_kept {
                self.remove_vmac(turn, slot, is_last);
            }
        }
    }

    fn family_of(&self, slot: Slot) -> Option<Family> {
        self.member(slot).map(|member| member.family)
    }

    fn remove_vmac(&self, turn: &mut Turn<'_>, slot: Slot, is_last: bool) {
        let vmac = self.vmac(slot);
        if let Some(device) = vmac.and_then(|vmac| vmac.link) {
            turn.push(Effect::RemoveVmac(device));
            if is_last {
                turn.push(Effect::LoosenArp(slot));
            }
        }
    }

    /// Whether any virtual router has one. The lists do not show every setting of its device.
    pub(super) fn has_vmacs(&self) -> bool {
        cfg!(feature = "vmac") && self.slots().any(|slot| self.vmac(slot).is_some())
    }

    /// Whether the device is that of a virtual MAC.
    pub(super) fn is_vmac(&self, interface: InterfaceId) -> bool {
        cfg!(feature = "vmac")
            && self.slots().any(|slot| self.vmac(slot).is_some_and(|vmac| vmac.device == interface))
    }

    /// The same by the kernel's number.
    pub(super) fn is_vmac_link(&self, link: IfIndex) -> bool {
        cfg!(feature = "vmac")
            && self.slots().any(|slot| {
                let device = self.vmac(slot).and_then(|vmac| self.links.index(vmac.device));
                device == Some(link)
            })
    }

    /// The device of a virtual MAC is switched on or off by somebody else, or was by a former run.
    pub(super) fn vmac_told(&mut self, turn: &mut Turn<'_>, interface: InterfaceId) {
        let is_on = self.links.details(interface).is_on;
        for slot in self.slots() {
            let is_its = self.vmac(slot).is_some_and(|vmac| vmac.device == interface && vmac.link.is_some());
            let phase = self.member(slot).map(|member| member.virtual_router.phase());
            if !is_its || (phase == Some(Phase::Master)) == is_on {
                continue;
            }
            if is_on {
                turn.push(Effect::Release(slot));
            } else if !self.with(turn, slot, Verb::PutBack) {
                self.sync.retry_after(turn.now);
            }
        }
    }
}
