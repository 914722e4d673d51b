//! The kernel's addresses: which virtual ones are installed, by whose hand, and where adverts come from.

use core::net::IpAddr;

use super::{Effect, Effects, Member, Router, Slot, push};
use crate::config::{Family, Instance};
use crate::time::Instant;
use crate::vrrp::Phase;
use crate::wire::rtnl;
use crate::wire::vrrp::PRIORITY_OWNER;

/// Whether a virtual address is on its device, and by whose hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is not there.
    Absent,
    /// We have installed it, or a former run of ours has.
    Ours {
        /// Mentioned in the present synchronisation.
        seen: bool,
    },
    /// Somebody else has installed it: it is never removed by us.
    Foreign {
        /// Mentioned in the present synchronisation.
        seen: bool,
    },
}

impl Router {
    pub(super) fn address(&mut self, now: Instant, address: &rtnl::Address, effects: &mut Effects) {
        for position in 0..self.config.addresses.len() {
            if !self.is_virtual(position, address) {
                continue;
            }
            let is_master = self.holder(position).is_some_and(|member| phase(member) == Phase::Master);
            // Left behind by a crash before the configuration had this prefix length: that one is nobody's.
            if address.marked && !self.has_prefix(position, address) {
                push_withdrawal(effects, position, address.prefix_len);
                continue;
            }
            let before = self.presence.get(position).copied();
            let presence = self.presence_of(position, address, is_master);
            if let Some(entry) = self.presence.get_mut(position) {
                *entry = presence;
            }
            // Left behind by a crash, or a late echo of our own claim: take it back.
            if matches!(presence, Presence::Ours { .. }) && !is_master {
                push_withdrawal(effects, position, address.prefix_len);
            }
            if is_master && before == Some(Presence::Absent) && core::mem::take(&mut self.sync.is_refused) {
                // What the kernel refused for a while is there now, and the segment does not know it yet.
                if let Some(slot) = self.holder_slot(position) {
                    self.with(slot, effects, |vr, rules, actions| vr.announce_again(rules, now, actions));
                }
            }
        }
        if address.marked || !address.usable {
            return;
        }
        let is_virtual = (0..self.config.addresses.len()).any(|position| self.is_virtual(position, address));
        let mut found = false;
        for position in 0..self.members.len() {
            let Some(member) = self.members.get(position) else { continue };
            let Some(instance) = self.instance_of(member) else { continue };
            if !self.can_be_source(member, instance, address, is_virtual) {
                continue;
            }
            let Some(member) = self.members.get_mut(position) else { continue };
            member.source_seen |= member.source == Some(address.address);
            member.candidate.get_or_insert(address.address);
            if member.source.is_none() && !self.sync.is_running() {
                member.source = Some(address.address);
                found = true;
            }
        }
        if found {
            self.settle(now, effects);
        }
    }

    pub(super) fn address_gone(&mut self, now: Instant, address: &rtnl::Address, effects: &mut Effects) {
        let mut lost = false;
        for position in 0..self.config.addresses.len() {
            if !self.is_virtual(position, address) {
                continue;
            }
            if !self.has_prefix(position, address) {
                // Somebody else's, of the same address: whether it still stands in our way is worth a question.
                lost |= matches!(self.presence.get(position), Some(Presence::Foreign { .. }));
                continue;
            }
            if let Some(entry) = self.presence.get_mut(position) {
                *entry = Presence::Absent;
            }
            if let Some(slot) = self.holder_slot(position) {
                self.with(slot, effects, |vr, rules, actions| vr.put_back(rules, now, actions));
            }
        }
        for position in 0..self.members.len() {
            let Some(member) = self.members.get(position) else { continue };
            let Some(instance) = self.instance_of(member) else { continue };
            let here = self.links.index(instance.interface) == Some(address.interface);
            if here && member.source == Some(address.address) {
                let Some(member) = self.members.get_mut(position) else { continue };
                member.source = None;
                lost = true;
            }
        }
        if lost {
            // There may be another one. Ask, and let things stand until the answer.
            self.synchronise(now, effects);
        }
    }

    fn has_prefix(&self, position: usize, address: &rtnl::Address) -> bool {
        self.config.addresses.get(position).is_some_and(|known| known.prefix_len == address.prefix_len)
    }

    fn is_virtual(&self, position: usize, address: &rtnl::Address) -> bool {
        self.config.addresses.get(position).is_some_and(|known| {
            known.address == address.address && self.links.index(known.interface) == Some(address.interface)
        })
    }

    fn presence_of(&self, position: usize, address: &rtnl::Address, is_master: bool) -> Presence {
        let before = self.presence.get(position).copied().unwrap_or(Presence::Absent);
        let is_owner = self
            .holder(position)
            .and_then(|member| self.instance_of(member))
            .is_some_and(|instance| instance.priority == PRIORITY_OWNER);
        match before {
            Presence::Foreign { .. } => Presence::Foreign { seen: true },
            Presence::Absent | Presence::Ours { .. } if address.marked => Presence::Ours { seen: true },
            Presence::Ours { .. } if self.loses_marks => Presence::Ours { seen: true },
            // An old kernel: what appears while we are master is ours, and what is there at start was left by a
            // crash, unless its owner has configured it himself.
            Presence::Absent if self.loses_marks && (is_master || (self.sync.is_running() && !is_owner)) => {
                Presence::Ours { seen: true }
            }
            Presence::Absent | Presence::Ours { .. } => Presence::Foreign { seen: true },
        }
    }

    fn holder_slot(&self, position: usize) -> Option<Slot> {
        self.slots().find(|slot| {
            self.members.get(usize::from(slot.0)).is_some_and(|member| {
                let instance = self.instance_of(member);
                instance.is_some_and(|instance| {
                    instance.family(member.family).addresses.range().contains(&position)
                })
            })
        })
    }

    fn holder(&self, position: usize) -> Option<&Member> {
        self.holder_slot(position).and_then(|slot| self.members.get(usize::from(slot.0)))
    }

    /// Whether adverts of `member` may come from `address`: the configured source, or else the device's first
    /// address (IPv6: link-local, unless its peers are not) that is no virtual one (TX06, TX07).
    fn can_be_source(
        &self,
        member: &Member,
        instance: &Instance,
        address: &rtnl::Address,
        is_virtual: bool,
    ) -> bool {
        if self.links.index(instance.interface) != Some(address.interface)
            || Family::of(address.address) != member.family
        {
            return false;
        }
        let configured = match member.family {
            Family::V4 => instance.source_v4.map(IpAddr::V4),
            Family::V6 => instance.source_v6.map(IpAddr::V6),
        };
        if let Some(configured) = configured {
            return address.address == configured;
        }
        let fits = match address.address {
            IpAddr::V4(_) => true,
            IpAddr::V6(address) => {
                let peers = instance.v6.peers.of(&self.config.peers);
                let wants_link_local = peers.first().is_none_or(|peer| is_link_local(peer.address));
                is_link_local(IpAddr::V6(address)) == wants_link_local
            }
        };
        fits && (!is_virtual || instance.priority == PRIORITY_OWNER)
    }
}

pub(super) fn push_withdrawal(effects: &mut Effects, position: usize, prefix_len: u8) {
    if let Ok(address) = u16::try_from(position) {
        push(effects, Effect::Withdraw { address, prefix_len });
    }
}

const fn phase(member: &Member) -> Phase {
    member.virtual_router.phase()
}

/// fe80::/10 (RFC 4291 §2.5.6).
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
