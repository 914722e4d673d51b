//! What the kernel says about links and addresses.
//!
//! At start, after a reload and after lost messages, everything is asked for (a *synchronisation*: first all
//! links, then all addresses); in between, notifications keep it current. What was not mentioned in a
//! synchronisation is gone.

use core::net::IpAddr;
use core::time::Duration;

use log::warn;

use super::{Effect, Effects, Member, Router, push};
use crate::config::{Config, Family, Instance, InterfaceId};
use crate::limits;
use crate::time::Instant;
use crate::vrrp::Phase;
use crate::wire::vrrp::PRIORITY_OWNER;
use crate::wire::{IfIndex, Mac, rtnl};

/// How long to wait before looking again after the kernel refused something, or has not finished its answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// errno of what is no failure: the address to be added is there, the one to be removed is not, or its
/// device went first.
const EEXIST: i32 = 17;
const EADDRNOTAVAIL: [i32; 3] = [99, 125, 226]; // everywhere but MIPS, MIPS, PA-RISC
const ENODEV: i32 = 19;

/// The configured devices, as the kernel has them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links([Link; limits::INTERFACES_MAX]);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Link {
    index: Option<IfIndex>,
    mac: Mac,
    running: bool,
    seen: bool,
}

impl Link {
    const ABSENT: Self = Self { index: None, mac: Mac([0; 6]), running: false, seen: false };
}

impl Links {
    pub(super) const fn new() -> Self {
        Self([Link::ABSENT; limits::INTERFACES_MAX])
    }

    pub(super) fn index(&self, interface: InterfaceId) -> Option<IfIndex> {
        self.0.get(usize::from(interface.0))?.index
    }

    pub(super) fn mac(&self, interface: InterfaceId) -> Mac {
        self.0.get(usize::from(interface.0)).map_or(Mac::default(), |link| link.mac)
    }

    pub(super) fn is_running(&self, interface: InterfaceId) -> bool {
        self.0.get(usize::from(interface.0)).is_some_and(|link| link.index.is_some() && link.running)
    }

    /// The table for another configuration: what is known stays known, by name.
    pub(super) fn renamed(&self, old: &Config, new: &Config) -> Self {
        let mut links = Self::new();
        for (link, name) in links.0.iter_mut().zip(&new.interfaces) {
            let known = old.interfaces.iter().position(|text| old.text(*text) == new.text(*name));
            *link = known.and_then(|position| self.0.get(position)).copied().unwrap_or(Link::ABSENT);
        }
        links
    }
}

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

/// Where a synchronisation stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sync {
    step: Step,
    sequence: u32,
    /// Ask again when this one ends: something was lost in the middle.
    again: bool,
    retry_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Idle,
    Links,
    Addresses,
}

impl Sync {
    pub(super) const fn new() -> Self {
        Self { step: Step::Idle, sequence: 0, again: false, retry_at: None }
    }

    pub(super) fn is_running(&self) -> bool {
        self.step != Step::Idle
    }

    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Something was refused: look in a second at what is there and what is not.
    pub(super) fn retry_after(&mut self, now: Instant) {
        self.retry_at.get_or_insert(now + RETRY_PAUSE);
        // A request for a list may be what was lost: the next attempt starts from the beginning.
        self.step = Step::Idle;
        self.again = false;
    }
}

impl Router {
    /// The time of [`Sync::retry_at`] has come: whatever was under way is given up.
    pub(super) fn synchronise_again(&mut self, now: Instant, effects: &mut Effects) {
        self.sync.step = Step::Idle;
        self.sync.again = false;
        self.synchronise(now, effects);
    }

    /// Asks the kernel for everything. The end of its answer may be among messages that are lost, so the wait
    /// for it is not endless.
    pub(super) fn synchronise(&mut self, now: Instant, effects: &mut Effects) {
        match self.sync.step {
            Step::Idle => {
                self.sync.retry_at = Some(now + RETRY_PAUSE);
                self.links.0.iter_mut().for_each(|link| link.seen = false);
                self.sync.step = Step::Links;
                self.sync.sequence = self.sync.sequence.wrapping_add(1);
                push(effects, Effect::DumpLinks(self.sync.sequence));
            }
            Step::Links | Step::Addresses => self.sync.again = true,
        }
    }

    pub(super) fn kernel(&mut self, now: Instant, message: rtnl::Message<'_>, effects: &mut Effects) {
        match message {
            rtnl::Message::Link(link) => self.link(now, &link, effects),
            rtnl::Message::LinkGone(index) => {
                self.forget_links(|link| link.index == Some(index));
                self.settle(now, effects);
            }
            rtnl::Message::Address(address) => self.address(now, &address, effects),
            rtnl::Message::AddressGone(address) => self.address_gone(now, &address, effects),
            rtnl::Message::Done { sequence, torn } if sequence == self.sync.sequence => {
                self.sync.again |= torn;
                self.step_done(now, effects);
            }
            rtnl::Message::Done { .. } => {}
            rtnl::Message::Refused { errno, address, .. } => {
                let harmless = errno == EEXIST || errno == ENODEV || EADDRNOTAVAIL.contains(&errno);
                if !(address.is_some() && harmless) {
                    warn!("the kernel refused a request with errno {errno}; trying again in a second");
                    self.sync.retry_after(now);
                }
            }
        }
    }

    fn link(&mut self, now: Instant, link: &rtnl::Link<'_>, effects: &mut Effects) {
        let known = Link {
            index: Some(link.index),
            mac: link.mac.unwrap_or_default(),
            running: link.running,
            seen: true,
        };
        // The number may have belonged to another name: then that one is gone.
        let name_of = |position: usize| {
            u8::try_from(position).map_or("", |id| self.config.interface_name(InterfaceId(id)))
        };
        let named = (0..self.config.interfaces.len()).find(|position| name_of(*position) == link.name);
        let mut changed = false;
        for position in 0..self.config.interfaces.len() {
            let Some(entry) = self.links.0.get(position).copied() else {
                continue;
            };
            if Some(position) == named {
                if entry.index != known.index {
                    self.forget_link(position);
                }
                changed |= Link { seen: true, ..entry } != known;
                if let Some(entry) = self.links.0.get_mut(position) {
                    *entry = known;
                }
            } else if entry.index == known.index {
                self.forget_link(position);
                changed = true;
            }
        }
        // While everything is being listed, only bad news does not wait for the whole picture.
        if changed && (!self.sync.is_running() || !link.running) {
            self.settle(now, effects);
        }
    }

    /// A device is gone, and with it everything that was on it.
    fn forget_link(&mut self, position: usize) {
        let Some(link) = self.links.0.get_mut(position) else {
            return;
        };
        *link = Link::ABSENT;
        for (address, presence) in self.config.addresses.iter().zip(&mut self.presence) {
            if usize::from(address.interface.0) == position {
                *presence = Presence::Absent;
            }
        }
        for member in &mut self.members {
            let instance = self.config.instances.get(usize::from(member.instance));
            if instance.is_some_and(|instance| usize::from(instance.interface.0) == position) {
                member.source = None;
            }
        }
    }

    fn forget_links(&mut self, is_gone: impl Fn(&Link) -> bool) {
        for position in 0..limits::INTERFACES_MAX {
            if self.links.0.get(position).is_some_and(|link| link.index.is_some() && is_gone(link)) {
                self.forget_link(position);
            }
        }
    }

    fn address(&mut self, now: Instant, address: &rtnl::Address, effects: &mut Effects) {
        for position in 0..self.config.addresses.len() {
            if !self.is_virtual(position, address) {
                continue;
            }
            let is_master = self.holder(position).is_some_and(|member| phase(member) == Phase::Master);
            let presence = self.presence_of(position, address, is_master);
            if let Some(entry) = self.presence.get_mut(position) {
                *entry = presence;
            }
            // Left behind by a crash, or a late echo of our own claim: take it back.
            if matches!(presence, Presence::Ours { .. }) && !is_master {
                push_withdrawal(effects, position);
            }
        }
        if address.marked || !address.usable {
            return;
        }
        let is_virtual = (0..self.config.addresses.len()).any(|position| self.is_virtual(position, address));
        let mut found = false;
        for position in 0..self.members.len() {
            let Some(member) = self.members.get(position) else {
                continue;
            };
            let Some(instance) = self.instance_of(member) else {
                continue;
            };
            if !self.can_be_source(member, instance, address, is_virtual) {
                continue;
            }
            let Some(member) = self.members.get_mut(position) else {
                continue;
            };
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

    fn address_gone(&mut self, now: Instant, address: &rtnl::Address, effects: &mut Effects) {
        for position in 0..self.config.addresses.len() {
            let same_prefix = self
                .config
                .addresses
                .get(position)
                .is_some_and(|known| known.prefix_len == address.prefix_len);
            if !same_prefix || !self.is_virtual(position, address) {
                continue;
            }
            if let Some(entry) = self.presence.get_mut(position) {
                *entry = Presence::Absent;
            }
            if let Some(slot) = self.holder_slot(position) {
                self.with(slot, effects, |vr, rules, actions| {
                    vr.put_back(rules, now, actions);
                });
            }
        }
        let mut lost = false;
        for position in 0..self.members.len() {
            let Some(member) = self.members.get(position) else {
                continue;
            };
            let Some(instance) = self.instance_of(member) else {
                continue;
            };
            let here = self.links.index(instance.interface) == Some(address.interface);
            if here && member.source == Some(address.address) {
                let Some(member) = self.members.get_mut(position) else {
                    continue;
                };
                member.source = None;
                lost = true;
            }
        }
        if lost {
            // There may be another one. Ask, and let things stand until the answer.
            self.synchronise(now, effects);
        }
    }

    /// A list is complete.
    fn step_done(&mut self, now: Instant, effects: &mut Effects) {
        match self.sync.step {
            Step::Idle => {}
            Step::Links => {
                self.forget_links(|link| !link.seen);
                for presence in &mut self.presence {
                    *presence = match *presence {
                        Presence::Absent => Presence::Absent,
                        Presence::Ours { .. } => Presence::Ours { seen: false },
                        Presence::Foreign { .. } => Presence::Foreign { seen: false },
                    };
                }
                for member in &mut self.members {
                    member.candidate = None;
                    member.source_seen = false;
                }
                self.sync.step = Step::Addresses;
                self.sync.sequence = self.sync.sequence.wrapping_add(1);
                push(effects, Effect::DumpAddresses(self.sync.sequence));
            }
            Step::Addresses => {
                self.sync.step = Step::Idle;
                self.sync.retry_at = None;
                if core::mem::take(&mut self.sync.again) {
                    self.synchronise(now, effects);
                    return;
                }
                self.whole_picture(now, effects);
            }
        }
    }

    /// Everything has been listed: what was not mentioned is gone, and decisions can be made.
    fn whole_picture(&mut self, now: Instant, effects: &mut Effects) {
        for presence in &mut self.presence {
            match *presence {
                Presence::Ours { seen: false } | Presence::Foreign { seen: false } => {
                    *presence = Presence::Absent;
                }
                Presence::Absent | Presence::Ours { seen: true } | Presence::Foreign { seen: true } => {}
            }
        }
        for member in &mut self.members {
            if !member.source_seen {
                member.source = member.candidate;
            }
            member.fresh = false;
        }
        for slot in self.slots() {
            let Some(view) = self.view(slot) else {
                continue;
            };
            // A device may have been made anew behind our back, and memberships went with the old one.
            if view.virtual_router().phase() != Phase::Initialize {
                push(effects, Effect::Join(slot));
            }
            let misses =
                view.addresses().any(|(position, _)| self.presence.get(position) == Some(&Presence::Absent));
            if misses {
                self.with(slot, effects, |vr, rules, actions| {
                    vr.put_back(rules, now, actions);
                });
            }
        }
        self.settle(now, effects);
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

    fn holder_slot(&self, position: usize) -> Option<super::Slot> {
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

fn push_withdrawal(effects: &mut Effects, position: usize) {
    if let Ok(position) = u16::try_from(position) {
        push(effects, Effect::Withdraw(position));
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
