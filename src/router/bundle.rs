//! Virtual routers that move together: the two families of an instance, and the instances of a sync group.
//!
//! - One that cannot take part keeps all from it.
//! - They become master together, when the down timer of *every* one has run out: where one still hears the
//!   master, the master is alive, and a second one in the other family would split the house.
//! - They become backup together: the first one that loses takes the others along, and those resign.
//! - When the master of one resigns, the others doubt theirs: the same hand has probably let go of both.
//! - A tie is decided by the first one alone (see [`Rules::decides_ties`](crate::vrrp::Rules::decides_ties)).

use core::ops::Range;

use super::{Effect, Member, Router, Slot, Turn, Verb};
use crate::limits;
use crate::time::Instant;
use crate::vrrp::{Fault, Phase, State, VirtualRouter};
use crate::wire::vrrp::PRIORITY_OWNER;

impl Router {
    /// Looks at what every virtual router needs, and lets it begin or halt accordingly.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        // Whatever turns comes by here.
        self.moved |= cfg!(feature = "track-hooks");
        let mut faulty = [false; limits::VIRTUAL_ROUTERS_MAX];
        let mut all_owners = [true; limits::VIRTUAL_ROUTERS_MAX];
        for member in &self.members {
            let bundle = usize::from(member.bundle.0);
            // A member that a reload has just brought is not looked at yet, and holds nobody up.
            if let Some(flag) = faulty.get_mut(bundle) {
                *flag |= !member.fresh && self.fault_of(member, turn.now).is_some();
            }
            if let Some(flag) = all_owners.get_mut(bundle) {
                *flag &= self.instance_of(member).is_some_and(|instance| instance.priority == PRIORITY_OWNER);
            }
        }
        for slot in self.slots() {
            let Some(member) = self.member(slot) else { continue };
            let bundle = usize::from(member.bundle.0);
            let companion = faulty.get(bundle).is_some_and(|faulty| *faulty).then_some(Fault::Companion);
            match self.fault_of(member, turn.now).or(companion) {
                Some(fault) => {
                    self.with(turn, slot, Verb::Halt(fault));
                }
                None if member.virtual_router.phase() == Phase::Initialize
                    || member.virtual_router.is_leaving() =>
                {
                    let as_owner = all_owners.get(bundle).is_some_and(|owners| *owners);
                    turn.push(Effect::Join(slot));
                    self.with(turn, slot, Verb::Begin { as_owner });
                }
                None => {}
            }
        }
        self.waits_for_startup = self.has_to_wait_for_startup();
        // Those that were waited for may be gone.
        self.promote_silent_bundles(turn, 0..self.members.len() as u16);
    }

    /// A down timer has run out among these slots: where it has for all of a bundle that are not master already, they
    /// become master.
    pub(super) fn promote_silent_bundles(&mut self, turn: &mut Turn<'_>, slots: Range<u16>) {
        let mut looked_at = None;
        for slot in slots.map(Slot) {
            let Some(member) = self.member(slot).filter(|member| member.virtual_router.is_silent()) else {
                continue;
            };
            let bundle = member.bundle;
            if looked_at.replace(bundle) == Some(bundle) || self.hears_a_master(bundle) {
                continue;
            }
            self.with(turn, bundle, Verb::Promote);
            self.with_companions(turn, bundle, Verb::Promote);
        }
    }

    /// Whether one of a bundle still hears a master, or does not take part.
    fn hears_a_master(&self, bundle: Slot) -> bool {
        let mut next = Some(bundle);
        while let Some(slot) = next {
            let Some(member) = self.member(slot) else { break };
            match member.virtual_router.phase() {
                Phase::Initialize => return true,
                Phase::Backup if !member.virtual_router.is_silent() => return true,
                Phase::Backup | Phase::Master => {}
            }
            next = self.companion(slot);
        }
        false
    }

    /// Lets those that move together with the virtual router in `slot` do something.
    ///
    /// It has stepped back: so do they. Or the master that it watched has resigned, and they doubt theirs: a cable
    /// was pulled, perhaps where another member of the sync group is, whose own master could not say so.
    pub(super) fn with_companions(&mut self, turn: &mut Turn<'_>, slot: Slot, verb: Verb<'_>) {
        let mut next = self.member(slot).map(|member| member.bundle);
        while let Some(other) = next {
            if other != slot {
                self.with(turn, other, verb);
            }
            next = self.companion(other);
        }
    }

    /// The next one of its bundle.
    fn companion(&self, slot: Slot) -> Option<Slot> {
        self.member(slot).map(|member| member.companion).filter(|next| *next != slot)
    }

    /// An instance is released or reclaimed by hand, with all that moves with it.
    pub(super) fn set_released(&mut self, turn: &mut Turn<'_>, instance: u16, released: bool) {
        let first = self.members.iter().find(|member| member.instance == instance);
        let bundle = first.map(|first| first.bundle);
        for member in &mut self.members {
            if Some(member.bundle) == bundle {
                member.released = released;
            }
        }
        self.settle(turn);
    }

    pub(super) fn has_to_wait_for_startup(&self) -> bool {
        self.members.iter().any(|member| {
            matches!(member.virtual_router.state(), State::Initialize { fault: Fault::StartupDelay })
        })
    }

    /// When the startup delay ends, while it lasts.
    pub(super) fn startup_ends_at(&self) -> Option<Instant> {
        if self.waits_for_startup { self.takes_part_at() } else { None }
    }

    fn takes_part_at(&self) -> Option<Instant> {
        self.started_at.map(|at| at + self.config.globals.startup_delay)
    }

    /// What keeps this one, by itself, from taking part.
    fn fault_of(&self, member: &Member, now: Instant) -> Option<Fault> {
        let instance = self.instance_of(member)?;
        if self.stopping {
            Some(Fault::Stopped)
        } else if member.fresh {
            Some(Fault::Starting)
        } else if member.released {
            Some(Fault::Released)
        } else if self.takes_part_at().is_none_or(|at| now < at) {
            Some(Fault::StartupDelay)
        } else if self.links.index(instance.interface).is_none() {
            Some(Fault::NoInterface)
        } else if !instance.ignores_link && !self.links.is_running(instance.interface) {
            Some(Fault::LinkDown)
        } else if member.source.is_none() && !self.keeps_without_source(member) {
            Some(Fault::NoSource)
        } else if let Some(fault) = self.vmac_fault(member) {
            Some(fault)
        } else {
            // A reload has brought the probe, and who takes part already goes on until it has failed.
            let takes_part = member.virtual_router.phase() != Phase::Initialize;
            let mut faults = self.tracks_of(instance).filter_map(|track| self.weigh(track).err());
            faults.find(|fault| !(takes_part && *fault == Fault::Untried))
        }
    }

    /// A source address has just gone and the kernel is being asked for another one: who takes part stays.
    fn keeps_without_source(&self, member: &Member) -> bool {
        self.sync.is_running() && VirtualRouter::phase(&member.virtual_router) != Phase::Initialize
    }
}
