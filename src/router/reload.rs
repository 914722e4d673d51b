//! From one configuration to the next without giving up what can be kept.
//!
//! A virtual router is the same one if device, VRID and family are the same. It keeps its state, its timers
//! and its counters, whatever else has changed. This takes two events, because what goes is named in the words
//! of the old configuration and what stays in those of the new one.

use heapless::Vec;

use super::addresses::push_withdrawal;
use super::{Effects, Member, Router, Slot};
use crate::config::{Config, Family, Instance};
use crate::limits;
use crate::time::Instant;
use crate::vrrp::{Fault, VirtualRouter};

/// What makes a virtual router the same one in two configurations.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Identity<'a> {
    device: &'a str,
    vrid: u8,
    family: Family,
}

fn identity<'a>(config: &'a Config, instance: &Instance, family: Family) -> Identity<'a> {
    Identity { device: config.interface_name(instance.interface), vrid: instance.vrid.get(), family }
}

/// The virtual routers of a configuration, in its order.
fn virtual_routers(config: &Config) -> impl Iterator<Item = (u16, &Instance, Family)> {
    config.instances.iter().enumerate().flat_map(|(index, instance)| {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        [Family::V4, Family::V6]
            .into_iter()
            .filter(|family| !instance.family(*family).addresses.is_empty())
            .map(move |family| (index, instance, family))
    })
}

impl Router {
    /// What the new configuration no longer contains is resigned and released, in the old one's words.
    pub(super) fn prepare(&mut self, now: Instant, new: &Config, effects: &mut Effects) {
        for slot in self.slots() {
            let Some(member) = self.members.get(usize::from(slot.0)).copied() else { continue };
            let Some(instance) = self.instance_of(&member).copied() else { continue };
            let ours = identity(&self.config, &instance, member.family);
            let stays = virtual_routers(new).find(|(_, other, family)| identity(new, other, *family) == ours);
            match stays {
                None => {
                    self.with(slot, effects, |vr, rules, actions| {
                        vr.halt(rules, Fault::Stopped, now, actions);
                    });
                }
                Some((_, other, family)) => {
                    let kept = other.family(family).addresses.of(&new.addresses);
                    let span = instance.family(family).addresses;
                    for (position, address) in span.range().zip(span.of(&self.config.addresses)) {
                        let device = self.config.interface_name(address.interface);
                        let stays = kept.iter().any(|other| {
                            (other.address, other.prefix_len) == (address.address, address.prefix_len)
                                && new.interface_name(other.interface) == device
                        });
                        if !stays && self.owns_address(position) {
                            push_withdrawal(effects, position, address.prefix_len);
                        }
                    }
                }
            }
        }
    }

    /// Takes the new configuration.
    pub(super) fn adopt(&mut self, now: Instant, new: &Config, effects: &mut Effects) {
        self.links = self.links.renamed(&self.config, new);
        self.reports = self.reports.renamed(&self.config, new);
        self.take_over_presence(new);
        self.take_over_members(now, new);
        self.config.copy_from(new);

        self.index_members();
        for slot in self.slots() {
            self.with(slot, effects, |vr, rules, _| vr.adopt(rules, now));
        }
        self.moved = true;
        // Devices and addresses may be new to us; and a new member waits for the answer.
        if self.started_at.is_some() {
            self.synchronise(now, effects);
        }
    }

    fn take_over_presence(&mut self, new: &Config) {
        let before = self.presence;
        for (address, presence) in new.addresses.iter().zip(&mut self.presence) {
            let device = new.interface_name(address.interface);
            let known = self.config.addresses.iter().position(|old| {
                old.address == address.address && self.config.interface_name(old.interface) == device
            });
            *presence = known.and_then(|known| before.get(known)).copied().unwrap_or(super::Presence::Absent);
        }
    }

    /// Brings the members into the new configuration's order, in place: the table is too large for a second one.
    fn take_over_members(&mut self, now: Instant, new: &Config) {
        let old = &self.config;
        self.members.retain(|member| {
            let Some(instance) = old.instances.get(usize::from(member.instance)) else { return false };
            let ours = identity(old, instance, member.family);
            virtual_routers(new).any(|(_, other, family)| identity(new, other, family) == ours)
        });
        // From here on every member stays, so there is room for the rest; those behind `position` still speak
        // the old configuration's words.
        for (position, (index, instance, family)) in virtual_routers(new).enumerate() {
            let wanted = identity(new, instance, family);
            let behind = self.members.get(position..).unwrap_or(&[]);
            let found = behind.iter().position(|member| {
                let instance = old.instances.get(usize::from(member.instance));
                instance.is_some_and(|instance| identity(old, instance, member.family) == wanted)
            });
            let at = match found {
                Some(offset) => position + offset,
                None => {
                    let virtual_router = VirtualRouter::new(now, instance.interval);
                    if self.members.push(Member::new(virtual_router, family)).is_err() {
                        return; // The schema has counted: it cannot happen.
                    }
                    self.members.len() - 1
                }
            };
            if at < self.members.len() && position < self.members.len() {
                self.members.swap(position, at);
            }
            if let Some(member) = self.members.get_mut(position) {
                member.instance = index;
            }
        }
    }

    /// Who moves together, and who is found under which VRID.
    fn index_members(&mut self) {
        let mut firsts: Vec<Slot, { limits::VIRTUAL_ROUTERS_MAX }> = Vec::new();
        for slot in self.slots() {
            let first = firsts.iter().copied().find(|first| self.moves_with(*first, slot)).unwrap_or(slot);
            if first == slot && firsts.push(slot).is_err() {
                return;
            }
            if let Some(member) = self.members.get_mut(usize::from(slot.0)) {
                member.bundle = first;
            }
        }
        self.by_vrid = [None; 256];
        for slot in self.slots() {
            let Some(view) = self.view(slot) else { continue };
            let vrid = usize::from(view.instance.vrid.get());
            let Some(head) = self.by_vrid.get_mut(vrid) else { continue };
            let next = head.replace(slot);
            if let Some(member) = self.members.get_mut(usize::from(slot.0)) {
                member.next = next;
            }
        }
    }

    fn moves_with(&self, first: Slot, slot: Slot) -> bool {
        let of = |slot: Slot| {
            let member = self.members.get(usize::from(slot.0))?;
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
            next: None,
            source: None,
            candidate: None,
            source_seen: false,
            fresh: true,
        }
    }
}
