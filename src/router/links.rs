//! The configured devices, as the kernel has them: found by name, known by number, and gone with what was on them.

use core::time::Duration;

use super::addresses::Presence;
use super::vmac::Known;
use super::{Router, Turn, Verb};
use crate::config::{Config, Delays, InterfaceId};
use crate::limits;
use crate::probe::Standing;
use crate::time::{Instant, earlier};
use crate::wire::link::Details;
use crate::wire::{IfIndex, Mac, rtnl};

/// One entry for each of [`Config::interfaces`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Links {
    pub(super) all: [Link; limits::INTERFACES_MAX],
    /// Some may not count as what they are yet.
    are_turning: bool,
}

/// One device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// The kernel's number; `None`: there is no device of this name.
    pub(super) index: Option<IfIndex>,
    /// `None`: it is no Ethernet device.
    pub(super) mac: Option<Mac>,
    pub(super) running: bool,
    /// What it counts as, which is what it is unless there are delays. Unknown until the first look.
    standing: Standing,
    /// When it will count as what it is.
    turns_at: Option<Instant>,
    /// Mentioned in the present synchronisation.
    pub(super) seen: bool,
    pub(super) known: Known,
}

impl Link {
    pub(super) const ABSENT: Self = Self {
        index: None,
        mac: None,
        running: false,
        standing: Standing::Unknown,
        turns_at: None,
        seen: false,
        known: Known::NONE,
    };

    const fn is_up(&self) -> bool {
        self.index.is_some() && self.running
    }

    /// The device may be another than before: what it counts as follows, at once or after its delay. The first look
    /// is believed at once, and that a device is gone is, too.
    fn look(&mut self, now: Instant, delays: Delays) {
        let is = if self.is_up() { Standing::Up } else { Standing::Down };
        let delay_ms = match self.standing {
            Standing::Up if self.index.is_some() => delays.down_ms,
            Standing::Down => delays.up_ms,
            Standing::Up | Standing::Unknown => 0,
        };
        if self.standing == is {
            self.turns_at = None;
        } else if delay_ms == 0 {
            self.standing = is;
            self.turns_at = None;
        } else {
            let delay = Duration::new(u64::from(delay_ms / 1000), delay_ms % 1000 * 1_000_000);
            self.turns_at.get_or_insert(now + delay);
        }
    }
}

impl Links {
    pub(super) const fn new() -> Self {
        Self { all: [Link::ABSENT; limits::INTERFACES_MAX], are_turning: false }
    }

    pub(super) fn index(&self, interface: InterfaceId) -> Option<IfIndex> {
        self.all.get(usize::from(interface.0))?.index
    }

    /// Whether the device is there under this number.
    #[inline(never)]
    pub(super) fn is(&self, interface: InterfaceId, index: IfIndex) -> bool {
        self.index(interface) == Some(index)
    }

    pub(super) fn mac(&self, interface: InterfaceId) -> Option<Mac> {
        self.all.get(usize::from(interface.0))?.mac
    }

    pub(super) fn details(&self, interface: InterfaceId) -> Details {
        self.all.get(usize::from(interface.0)).map_or(Details::NONE, |link| link.known.details())
    }

    pub(super) fn is_running(&self, interface: InterfaceId) -> bool {
        self.standing(interface) == Standing::Up
    }

    pub(super) fn standing(&self, interface: InterfaceId) -> Standing {
        self.all.get(usize::from(interface.0)).map_or(Standing::Unknown, |link| link.standing)
    }

    pub(super) fn poll_at(&self) -> Option<Instant> {
        if !self.are_turning {
            return None;
        }
        self.all.iter().fold(None, |first, link| earlier(first, link.turns_at))
    }

    /// What has been so for long enough counts. `true`: there was something.
    pub(super) fn settle(&mut self, now: Instant) -> bool {
        let mut turned = false;
        if !core::mem::take(&mut self.are_turning) {
            return false;
        }
        for link in &mut self.all {
            if link.turns_at.is_some_and(|at| at <= now) {
                link.turns_at = None;
                link.standing = if link.is_up() { Standing::Up } else { Standing::Down };
                turned = true;
            }
            self.are_turning |= link.turns_at.is_some();
        }
        turned
    }

    /// Everything has been listed: what is not there is not there.
    pub(super) fn all_known(&mut self) {
        for link in &mut self.all {
            if link.standing == Standing::Unknown {
                link.standing = Standing::Down;
            }
        }
    }

    /// Puts the table into the order of another configuration: what is known stays known, by name.
    #[inline(never)] // A copy of the table lies in the stack.
    pub(super) fn rename(&mut self, old: &Config, new: &Config) {
        let before = self.all;
        self.all = [Link::ABSENT; limits::INTERFACES_MAX];
        for (link, name) in self.all.iter_mut().zip(&new.interfaces) {
            let known = old.interfaces.iter().position(|text| old.text(*text) == new.text(*name));
            *link = known.and_then(|position| before.get(position)).copied().unwrap_or(Link::ABSENT);
        }
    }
}

impl Router {
    pub(super) fn link(&mut self, turn: &mut Turn<'_>, link: &rtnl::Link<'_>) {
        let known = Link {
            index: Some(link.index),
            mac: link.mac,
            running: link.running,
            seen: true,
            ..Link::ABSENT
        };
        let mut changed = false;
        let mut is_new = false;
        for position in 0..self.config.interfaces.len() {
            let id = InterfaceId(position as u8);
            let is_named = self.config.interface_name(id) == link.name;
            let Some(entry) = self.links.all.get(position) else { continue };
            let has_number = entry.index == known.index;
            if !is_named {
                // The number belonged to another name: that one is gone.
                if has_number {
                    self.remove_vmacs_on(turn, id);
                    is_new |= self.is_vmac(id); // To be made anew.
                    self.forget_link(position);
                    changed = true;
                }
                continue;
            }
            // A virtual MAC's device that is switched on is announced by the claim.
            let was_off = cfg!(feature = "vmac") && self.is_vmac(id) && !entry.known.details().is_on;
            let comes_up = known.running && !entry.running && !was_off;
            let has_mac = entry.mac == known.mac;
            changed |= !has_number || !has_mac || entry.running != known.running;
            if !has_number {
                self.forget_link(position);
                is_new = true;
            } else if comes_up || !has_mac {
                self.announce_again(turn, id);
            }
            if let Some(entry) = self.links.all.get_mut(position) {
                let details = entry.known.and(link.details);
                *entry = Link { standing: entry.standing, turns_at: entry.turns_at, known: details, ..known };
                let delays = self.config.delays.get(position).copied().unwrap_or(Delays::NONE);
                entry.look(turn.now, delays);
                self.links.are_turning |= entry.turns_at.is_some();
            }
            if cfg!(feature = "vmac") {
                self.vmac_told(turn, id);
            }
        }
        // What is on a device that has just come is asked for; a master claims what it misses there.
        if is_new && !self.sync.is_running() {
            self.synchronise(turn);
        }
        // While everything is being listed, only bad news does not wait for the whole picture.
        if changed && (!self.sync.is_running() || !link.running) {
            self.settle(turn);
        }
    }

    /// A device is gone, and with it everything that was on it.
    fn forget_link(&mut self, position: usize) {
        let Some(link) = self.links.all.get_mut(position) else { return };
        let standing = match link.standing {
            Standing::Unknown => Standing::Unknown,
            Standing::Up | Standing::Down => Standing::Down,
        };
        *link = Link { standing, ..Link::ABSENT };
        for (address, presence) in self.config.addresses.iter().zip(&mut self.presence) {
            if usize::from(address.interface.0) == position {
                *presence = Presence::Absent;
            }
        }
        for member in &mut self.members {
            let instance = member.instance_in(&self.config);
            if instance.is_some_and(|instance| usize::from(instance.interface.0) == position) {
                member.source = None;
            }
        }
    }

    pub(super) fn forget_links(&mut self, is_gone: &dyn Fn(&Link) -> bool) {
        for position in 0..limits::INTERFACES_MAX {
            if self.links.all.get(position).is_some_and(|link| link.index.is_some() && is_gone(link)) {
                self.forget_link(position);
            }
        }
    }

    /// A device has come up, or has another Ethernet address now (a bridge takes that of a new port): tell its
    /// segment, which has not heard us so far.
    fn announce_again(&mut self, turn: &mut Turn<'_>, interface: InterfaceId) {
        for slot in self.slots() {
            let Some(view) = self.view(slot) else { continue };
            if view.addresses().any(|(_, address)| address.interface == interface) {
                self.with(turn, slot, Verb::AnnounceAgain);
            }
        }
    }
}
