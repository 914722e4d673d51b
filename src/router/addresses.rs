//! The kernel's addresses: which virtual ones are installed, by whose hand, and where adverts come from.

use core::net::IpAddr;

use super::links::Links;
use super::{Effect, Member, Router, Slot, Turn, Verb};
use crate::config::{Config, Family, VirtualAddress};
use crate::vrrp::Phase;
use crate::wire::vrrp::PRIORITY_OWNER;
use crate::wire::{ip, rtnl};

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

/// Whether the address that adverts of a virtual router come from is still there, by the lists of addresses.
///
/// The first address of a list that would do is not kept beside the present one. What a list does not mention goes on
/// until the next one, which is asked for at once, and whose first address takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sighting {
    /// The present list has not mentioned it.
    Unseen,
    /// It has.
    Seen,
    /// The list before this one has not mentioned it.
    Missed,
}

impl Router {
    /// All addresses are going to be listed.
    pub(super) fn begin_addresses(&mut self) {
        for member in &mut self.members {
            if member.sighting == Sighting::Seen {
                member.sighting = Sighting::Unseen;
            }
        }
    }

    /// All addresses have been listed. `true`: a source was not among them, and another list is to find the next one.
    pub(super) fn end_addresses(&mut self) -> bool {
        let mut is_missed = false;
        for member in &mut self.members {
            match member.sighting {
                Sighting::Seen => {}
                Sighting::Unseen => {
                    member.sighting = Sighting::Missed;
                    is_missed |= member.source.is_some();
                }
                Sighting::Missed => member.source = None,
            }
        }
        is_missed
    }

    pub(super) fn address(&mut self, turn: &mut Turn<'_>, address: &rtnl::Address) {
        let mut is_virtual = false;
        for position in 0..self.config.addresses.len() {
            if let Some(known) = self.virtual_address(position, address) {
                is_virtual = true;
                let is_left_behind = address.marked && known.prefix_len != address.prefix_len;
                if is_left_behind {
                    // By a crash before the configuration had this prefix length: that one is nobody's.
                    push_withdrawal(turn, position, address.prefix_len);
                } else {
                    self.virtual_address_seen(turn, position, address);
                }
            }
        }
        if address.marked || !address.usable || is_nobodys(&address.address) {
            return;
        }
        // It may be what a route's gateway is reached from, or what its source is.
        self.settle_routes_soon(turn.now);
        let mut found = false;
        let Self { config, links, members, sync, .. } = self;
        for member in members {
            if !can_be_source(config, links, member, address, is_virtual) {
                continue;
            }
            let is_wanted = member.source.is_none() || member.sighting == Sighting::Missed;
            if is_wanted && !sync.lists_links() {
                member.source = Some(address.address);
                found |= !sync.is_running();
            }
            if member.has_source(&address.address) {
                member.sighting = Sighting::Seen;
            }
        }
        if found {
            self.settle(turn);
        }
    }

    fn virtual_address_seen(&mut self, turn: &mut Turn<'_>, position: usize, address: &rtnl::Address) {
        let is_master = self.holder(position).is_some_and(|member| phase(member) == Phase::Master);
        let presence = self.presence_of(position, address, is_master);
        let Some(entry) = self.presence.get_mut(position) else { return };
        let was_absent = core::mem::replace(entry, presence) == Presence::Absent;
        // Left behind by a crash, or a late echo of our own claim: take it back.
        if matches!(presence, Presence::Ours { .. }) && !is_master {
            push_withdrawal(turn, position, address.prefix_len);
        }
        if is_master && was_absent && self.sync.is_refused {
            // What the kernel refused for a while is there now, and the segment does not know it yet.
            if let Some(slot) = self.holder_slot(position) {
                self.with(turn, slot, Verb::AnnounceAgain);
            }
        }
    }

    pub(super) fn address_gone(&mut self, turn: &mut Turn<'_>, address: &rtnl::Address) {
        let mut lost = false;
        for position in 0..self.config.addresses.len() {
            let Some(known) = self.virtual_address(position, address) else { continue };
            let has_prefix = known.prefix_len == address.prefix_len;
            let Some(entry) = self.presence.get_mut(position) else { continue };
            if !has_prefix {
                // Somebody else's, of the same address: whether it still stands in our way is worth a question.
                lost |= matches!(entry, Presence::Foreign { .. });
                continue;
            }
            *entry = Presence::Absent;
            if let Some(slot) = self.holder_slot(position)
                && !self.with(turn, slot, Verb::PutBack)
            {
                self.sync.retry_after(turn.now);
            }
        }
        let Self { config, links, members, .. } = self;
        for member in members {
            if is_on_its_device(config, links, member, address) && member.has_source(&address.address) {
                member.source = None;
                lost = true;
            }
        }
        if lost {
            // There may be another one. Ask, and let things stand until the answer.
            self.synchronise(turn);
        }
    }

    /// The addresses of a virtual router are released, and one that was claimed may not have been told of yet. If it then
    /// appears, because the kernel has refused to remove it, a mark says that it is ours; where there are no marks, we
    /// have to remember.
    pub(super) fn expect_late_echoes(&mut self, slot: Slot) {
        if !self.loses_marks {
            return;
        }
        let Some(positions) = self.view(slot).map(|view| view.positions()) else { return };
        for position in positions {
            let is_owners = self.is_owners(position);
            match self.presence.get_mut(position) {
                // Until a list does not mention it.
                Some(entry @ Presence::Absent) if !is_owners => *entry = Presence::Ours { seen: true },
                Some(Presence::Absent | Presence::Ours { .. } | Presence::Foreign { .. }) | None => {}
            }
        }
    }

    /// The configured virtual address at `position`, if that is the one that the kernel speaks of.
    fn virtual_address(&self, position: usize, address: &rtnl::Address) -> Option<&VirtualAddress> {
        let known = self.config.addresses.get(position)?;
        let is_it =
            self.links.is(known.interface, address.interface) && ip::same(&known.address, &address.address);
        is_it.then_some(known)
    }

    fn presence_of(&self, position: usize, address: &rtnl::Address, is_master: bool) -> Presence {
        // The mark counts although it was somebody else's before: we have claimed it, and the kernel had not told us yet
        // that it was there.
        let is_ours = address.marked
            || match self.presence.get(position) {
                Some(Presence::Foreign { .. }) => false,
                Some(Presence::Ours { .. }) => self.loses_marks,
                // An old kernel: what appears while we are master is ours, and what is there at start was left by a
                // crash, unless its owner has configured it himself.
                Some(Presence::Absent) | None => {
                    let is_left_behind = || self.sync.is_running() && !self.is_owners(position);
                    self.loses_marks && (is_master || is_left_behind())
                }
            };
        if is_ours { Presence::Ours { seen: true } } else { Presence::Foreign { seen: true } }
    }

    fn is_owners(&self, position: usize) -> bool {
        let instance = self.holder(position).and_then(|member| self.instance_of(member));
        instance.is_some_and(|instance| instance.priority == PRIORITY_OWNER)
    }

    fn holder_slot(&self, position: usize) -> Option<Slot> {
        self.slots().find(|slot| {
            let Some(member) = self.member(*slot) else { return false };
            let instance = self.instance_of(member);
            instance
                .is_some_and(|instance| instance.family(member.family).addresses.range().contains(&position))
        })
    }

    fn holder(&self, position: usize) -> Option<&Member> {
        self.holder_slot(position).and_then(|slot| self.member(slot))
    }
}

/// Whether adverts of `member` may come from `address`: the configured source, or else the device's first
/// address (IPv6: link-local, unless its peers are not) that is no virtual one (TX06, TX07).
fn can_be_source(
    config: &Config,
    links: &Links,
    member: &Member,
    address: &rtnl::Address,
    is_virtual: bool,
) -> bool {
    let Some(instance) = member.instance_in(config) else { return false };
    if !is_on_its_device(config, links, member, address) {
        return false;
    }
    let fits = match (member.family, address.address) {
        (Family::V4, IpAddr::V4(address)) => match instance.source_v4 {
            Some(source) => return address == source,
            None => true,
        },
        (Family::V6, IpAddr::V6(address)) => match config.source_v6(instance) {
            Some(source) => return address == source,
            None => {
                let peers = instance.v6.peers.of(&config.peers);
                let wants_link_local = peers.first().is_none_or(|peer| is_link_local(&peer.address));
                address.is_unicast_link_local() == wants_link_local
            }
        },
        (Family::V4, IpAddr::V6(_)) | (Family::V6, IpAddr::V4(_)) => false,
    };
    fits && (!is_virtual || instance.priority == PRIORITY_OWNER)
}

fn is_on_its_device(config: &Config, links: &Links, member: &Member, address: &rtnl::Address) -> bool {
    let instance = member.instance_in(config);
    instance.is_some_and(|instance| links.is(instance.interface, address.interface))
}

pub(super) fn push_withdrawal(turn: &mut Turn<'_>, position: usize, prefix_len: u8) {
    // At most 65535 (`limits`).
    turn.push(Effect::Withdraw { address: position as u16, prefix_len });
}

const fn phase(member: &Member) -> Phase {
    member.virtual_router.phase()
}

/// Not to be sent from, whatever the kernel says (RFC 1122 §3.2.1.3; RFC 4291 §2.5.2, §2.7).
const fn is_nobodys(address: &IpAddr) -> bool {
    let is_broadcast = match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    address.is_unspecified() || address.is_multicast() || is_broadcast
}

/// fe80::/10 (RFC 4291 §2.5.6).
const fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
