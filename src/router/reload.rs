//! From one configuration to the next without giving up what can be kept.
//!
//! A virtual router is the same one if device, VRID and family are the same. It keeps its state, its timers
//! and its counters, whatever else has changed. This takes two events, because what goes is named in the words
//! of the old configuration and what stays in those of the new one.

use super::addresses::{Presence, Sighting, push_withdrawal};
use super::no_accept::is_unfiltered;
use super::{Effect, Member, Router, Slot, SlotAndOne, Turn, Verb};
use crate::config::{Config, Family, Instance, Span, VirtualAddress};
use crate::time::Instant;
use crate::vrrp::{Fault, VirtualRouter};
use crate::wire::ip;
use crate::wire::vrrp::Vrid;

/// The virtual routers of a configuration, in its order: instance by instance, IPv4 before IPv6.
struct VirtualRouters<'a> {
    config: &'a Config,
    /// Counts two for each instance.
    next: u16,
}

impl<'a> Iterator for VirtualRouters<'a> {
    type Item = (u16, &'a Instance, Family);

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let index = self.next / 2;
            let family = if self.next.is_multiple_of(2) { Family::V4 } else { Family::V6 };
            let instance = self.config.instances.get(usize::from(index))?;
            self.next += 1;
            if !instance.family(family).addresses.is_empty() {
                return Some((index, instance, family));
            }
        }
    }
}

/// What makes a virtual router the same one in two configurations: its device, its VRID and its family.
#[derive(Clone, Copy)]
struct Identity<'a> {
    device: &'a str,
    vrid: Vrid,
    family: Family,
}

impl<'a> Identity<'a> {
    fn of(config: &'a Config, instance: &Instance, family: Family) -> Self {
        Self { device: config.interface_name(instance.interface), vrid: instance.vrid, family }
    }

    fn is_of(self, config: &Config, instance: &Instance, family: Family) -> bool {
        self.family == family
            && self.vrid == instance.vrid
            && self.device == config.interface_name(instance.interface)
    }

    /// The same virtual router in another configuration.
    #[inline(never)]
    fn find(self, config: &Config) -> Option<&Instance> {
        for (_, instance, family) in (VirtualRouters { config, next: 0 }) {
            if self.is_of(config, instance, family) {
                return Some(instance);
            }
        }
        None
    }
}

impl Router {
    /// What the new configuration no longer contains is resigned and released, in the old one's words.
    pub(super) fn prepare(&mut self, turn: &mut Turn<'_>, new: &Config) {
        for slot in self.slots() {
            let Some(member) = self.member(slot) else { continue };
            let Some(instance) = self.instance_of(member) else { continue };
            match Identity::of(&self.config, instance, member.family).find(new) {
                None => {
                    self.with(turn, slot, Verb::Halt(Fault::Stopped));
                }
                Some(other) => {
                    if is_unfiltered(instance, other) {
                        turn.push(Effect::Unfilter(slot));
                    }
                    let kept = other.family(member.family).addresses.of(&new.addresses);
                    self.withdraw_all_but(turn, instance.family(member.family).addresses, kept, new);
                }
            }
        }
        self.remove_vmacs_but(turn, new);
        self.end_bfd(turn, Some(new));
        self.end_ipvs(turn, Some(new));
        if cfg!(feature = "ra") {
            self.end_router_adverts(turn, new);
        }
        self.withdraw_old_routes(turn, new, &|instance| self.index_in(new, instance));
    }

    /// The place in the new configuration of the instance that is the same as one of ours.
    fn index_in(&self, new: &Config, ours: &Instance) -> Option<u16> {
        let index = new.instances.iter().position(|other| {
            other.vrid == ours.vrid
                && self.config.interface_name(ours.interface) == new.interface_name(other.interface)
        });
        index.map(|index| index as u16)
    }

    /// Withdraws the addresses in `span` that are not among those of the new configuration's in `kept`.
    fn withdraw_all_but(&self, turn: &mut Turn<'_>, span: Span, kept: &[VirtualAddress], new: &Config) {
        for position in span.range() {
            let Some(address) = self.config.addresses.get(position) else { continue };
            let stays = kept.iter().any(|other| {
                other.prefix_len == address.prefix_len && self.is_same_address(address, other, new)
            });
            if !stays && self.owns_address(position) {
                push_withdrawal(turn, position, address.prefix_len);
            }
        }
    }

    /// Whether an address of ours and one of the new configuration are the same on the same device.
    fn is_same_address(&self, ours: &VirtualAddress, other: &VirtualAddress, new: &Config) -> bool {
        ip::same(&ours.address, &other.address)
            && self.config.interface_name(ours.interface) == new.interface_name(other.interface)
    }

    /// Takes the new configuration and leaves the old one in its place.
    pub(super) fn adopt(&mut self, turn: &mut Turn<'_>, new: &mut Config) {
        self.unmute();
        self.links.rename(&self.config, new);
        // A table that is empty is not copied onto the stack, whose pages would stay.
        if !(self.config.probes.is_empty() && new.probes.is_empty()) {
            self.probes.rename(&self.config, new);
        }
        if cfg!(feature = "bfd") {
            self.bfd.rename(&self.config, new);
        }
        let balances = |config: &Config| !config.virtual_servers.is_empty() || config.sync_daemon.is_some();
        if cfg!(feature = "ipvs") && (balances(&self.config) || balances(new)) {
            self.ipvs.rename(&self.config, new);
        }
        self.default_routes.rename(&self.config, new);
        self.rename_files(new);
        self.reports.rename(new);
        if cfg!(feature = "ra") {
            self.router_adverts.rename(&self.config, new);
        }
        self.preparations.forget();
        self.take_over_presence(new);
        for slot in self.slots() {
            self.deadlines.set(slot, None);
        }
        self.take_over_members(turn.now, new);
        core::mem::swap(&mut self.config, new);

        self.index_members();
        for slot in self.slots() {
            self.with(turn, slot, Verb::Adopt);
            if let Some(member) = self.member_mut(slot) {
                member.moved = true;
            }
        }
        if cfg!(feature = "ra") {
            self.index_router_adverts(turn);
        }
        self.moved = true;
        // Devices and addresses may be new to us; and a new member waits for the answer.
        if self.started_at.is_some() {
            self.begin_probes(turn);
            self.adopt_bfd(turn);
            self.begin_ipvs(turn);
            self.synchronise(turn);
        }
    }

    #[inline(never)] // A copy of the table lies in the stack.
    fn take_over_presence(&mut self, new: &Config) {
        let before = self.presence;
        for (position, address) in new.addresses.iter().enumerate() {
            let known = self.config.addresses.iter().position(|old| self.is_same_address(old, address, new));
            let presence = known.and_then(|known| before.get(known)).copied();
            if let Some(entry) = self.presence.get_mut(position) {
                *entry = presence.unwrap_or(Presence::Absent);
            }
        }
    }

    /// Brings the members into the new configuration's order, in place: the table is too large for a second one.
    fn take_over_members(&mut self, now: Instant, new: &Config) {
        let Self { config: old, members, .. } = self;
        let mut position = 0;
        while let Some(member) = members.get(position) {
            let instance = member.instance_in(old);
            if instance.is_some_and(|ours| Identity::of(old, ours, member.family).find(new).is_some()) {
                position += 1;
            } else if position < members.len() {
                members.swap_remove(position);
            }
        }
        // From here on every member stays, so there is room for the rest; those behind `position` still speak
        // the old configuration's words.
        for (position, (index, instance, family)) in (VirtualRouters { config: new, next: 0 }).enumerate() {
            let wanted = Identity::of(new, instance, family);
            let found = members.iter().skip(position).position(|member| {
                let instance = member.instance_in(old);
                instance.is_some_and(|instance| wanted.is_of(old, instance, member.family))
            });
            let at = match found {
                Some(offset) => position + offset,
                None => {
                    let virtual_router = VirtualRouter::new(now, instance.interval);
                    if members.push(Member::new(virtual_router, family)).is_err() {
                        return; // The schema has counted: it cannot happen.
                    }
                    members.len() - 1
                }
            };
            if at < members.len() && position < members.len() {
                members.swap(position, at);
            }
            if let Some(member) = members.get_mut(position) {
                member.instance = index;
            }
        }
    }

    /// Who moves together, and who is found under which VRID.
    fn index_members(&mut self) {
        for slot in self.slots() {
            let before = (0..slot.0).rev().map(Slot).find(|other| self.moves_with(*other, slot));
            let mut bundle = slot;
            if let Some(member) = before.and_then(|before| self.member_mut(before)) {
                member.companion = slot;
                bundle = member.bundle;
            }
            if let Some(member) = self.member_mut(slot) {
                (member.bundle, member.companion) = (bundle, slot);
            }
        }
        self.by_vrid = [None; 256];
        for slot in self.slots() {
            let Some(view) = self.view(slot) else { continue };
            let vrid = usize::from(view.instance.vrid.get());
            let Some(head) = self.by_vrid.get_mut(vrid) else { continue };
            let next = head.replace(SlotAndOne::of(slot)).map_or(slot, SlotAndOne::slot);
            if let Some(member) = self.member_mut(slot) {
                member.next = next;
            }
        }
    }

    fn moves_with(&self, first: Slot, slot: Slot) -> bool {
        let of = |slot: Slot| {
            let member = self.member(slot)?;
            Some((member.instance, self.instance_of(member)?.group))
        };
        match (of(first), of(slot)) {
            (Some((first, first_group)), Some((other, other_group))) => {
                first == other || (first_group.is_some() && first_group == other_group)
            }
            (None, _) | (_, None) => false,
        }
    }
}

impl Member {
    const fn new(virtual_router: VirtualRouter, family: Family) -> Self {
        Self {
            virtual_router,
            instance: 0,
            family,
            bundle: Slot(0),
            companion: Slot(0),
            next: Slot(0),
            source: None,
            sighting: Sighting::Unseen,
            fresh: true,
            released: false,
            moved: false,
        }
    }
}
