//! What the kernel says about links and addresses.
//!
//! At start, after a reload and after lost messages, everything is asked for (a *synchronisation*: first all
//! links, then all addresses); in between, notifications keep it current. What was not mentioned in a
//! synchronisation is gone.

use core::time::Duration;

use log::warn;

use super::addresses::Presence;
use super::{Effect, Effects, Router, push};
use crate::time::Instant;
use crate::vrrp::Phase;
use crate::wire::rtnl;

/// How long to wait before looking again after the kernel refused something, or has not finished its answer.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// errno of what is no failure: the address to be added is there, the one to be removed is not, or its
/// device went first.
const EEXIST: i32 = 17;
const EADDRNOTAVAIL: [i32; 3] = [99, 125, 226]; // everywhere but MIPS, MIPS, PA-RISC
const ENODEV: i32 = 19;

/// Where a synchronisation stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sync {
    step: Step,
    sequence: u32,
    /// Ask again when this one ends: something was lost in the middle.
    again: bool,
    retry_at: Option<Instant>,
    /// Requests that the kernel has refused.
    refusals: u32,
    /// An address was refused, and is not there yet.
    pub(super) is_refused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Idle,
    Links,
    Addresses,
}

impl Sync {
    pub(super) const fn new() -> Self {
        Self { step: Step::Idle, sequence: 0, again: false, retry_at: None, refusals: 0, is_refused: false }
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
                    self.sync.refusals = self.sync.refusals.wrapping_add(1);
                    self.sync.is_refused |= address.is_some();
                    let total = self.sync.refusals;
                    if total.is_power_of_two() {
                        warn!(
                            "the kernel refused a request with errno {errno}; trying again each second ({total} so far)"
                        );
                    }
                    self.sync.retry_after(now);
                }
            }
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
            let Some(view) = self.view(slot) else { continue };
            // A device may have been made anew behind our back, and memberships went with the old one.
            if view.virtual_router().phase() != Phase::Initialize {
                push(effects, Effect::Join(slot));
            }
            let misses = view.addresses().any(|(position, address)| {
                self.presence.get(position) == Some(&Presence::Absent)
                    && self.links.index(address.interface).is_some()
            });
            if misses && self.sync.is_refused {
                // It may be refused again: claim it, and announce it when it is there.
                if view.virtual_router().phase() == Phase::Master {
                    push(effects, Effect::Claim(slot));
                }
            } else if misses {
                self.with(slot, effects, |vr, rules, actions| vr.put_back(rules, now, actions));
            }
        }
        self.settle(now, effects);
    }
}
