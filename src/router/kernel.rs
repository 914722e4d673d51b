//! What the kernel says about links and addresses.
//!
//! At start, after a reload and after lost messages, everything is asked for (a *synchronisation*: first all
//! links, then all addresses); in between, notifications keep it current. What was not mentioned in a
//! synchronisation is gone.

use super::addresses::Presence;
use super::no_accept::Said;
use super::{Effect, Router, Turn, Verb};
use crate::say::warn;
use crate::time::{Instant, Span};
use crate::vrrp::Phase;
use crate::wire::rtnl;

/// How long to wait before looking again after the kernel refused something, or has not finished its answer.
const RETRY_PAUSE: Span = Span::from_secs(1);

/// errno of what is no failure: the address to be added is there, the one to be removed is not, or its
/// device went first.
const EEXIST: i32 = 17;
const EADDRNOTAVAIL: [i32; 3] = [99, 125, 226]; // everywhere but MIPS, MIPS, PA-RISC
const ENODEV: i32 = 19;
/// A bridge is to forget an Ethernet address that it does not know.
const ENOENT: i32 = 2;
/// A kernel without IPv6 is told how to deal with it.
const EAFNOSUPPORT: [i32; 3] = [97, 124, 229]; // everywhere but MIPS, MIPS, PA-RISC

/// Where a synchronisation stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sync {
    step: Step,
    sequence: u32,
    /// Ask again when this one ends: something was lost in the middle.
    again: bool,
    retry_at: Option<Instant>,
    /// Something was refused since it began, perhaps behind the place that it had come to.
    is_overtaken: bool,
    /// Requests that the kernel has refused.
    refusals: u32,
    /// An address was refused, and is not there yet; or, with virtual MACs, anything else.
    pub(super) is_refused: bool,
    /// What was said of the packet filter.
    pub(super) filter: Said,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Idle,
    Links,
    Addresses,
    /// Not part of a synchronisation, but no other list can be asked for meanwhile.
    Routes,
}

impl Sync {
    pub(super) const fn new() -> Self {
        Self {
            step: Step::Idle,
            sequence: 0,
            again: false,
            retry_at: None,
            is_overtaken: false,
            refusals: 0,
            is_refused: false,
            filter: Said::NOTHING,
        }
    }

    /// Links or addresses are being listed.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.step, Step::Links | Step::Addresses)
    }

    /// Links are being listed, and addresses will be.
    pub(super) fn lists_links(&self) -> bool {
        self.step == Step::Links
    }

    /// Nothing is being listed.
    pub(super) fn is_idle(&self) -> bool {
        self.step == Step::Idle
    }

    /// Routes are being listed.
    pub(super) fn lists_routes(&self) -> bool {
        self.step == Step::Routes
    }

    /// The sequence number of a request for all routes.
    pub(super) const fn begin_routes(&mut self) -> u32 {
        self.begin(Step::Routes)
    }

    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// The sequence number of the request that begins this step.
    const fn begin(&mut self, step: Step) -> u32 {
        self.step = step;
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    /// The end of the list of routes is not waited for any more: it may be among messages that are lost.
    pub(super) fn give_up_routes(&mut self) {
        if self.step == Step::Routes {
            self.step = Step::Idle;
        }
    }

    /// Something was refused: look in a second at what is there and what is not. A synchronisation that is under
    /// way goes on, and another one comes after it.
    pub(super) fn retry_after(&mut self, now: Instant) {
        self.is_overtaken |= self.is_running();
        self.retry_at.get_or_insert(now + RETRY_PAUSE);
    }
}

impl Router {
    /// The time of [`Sync::retry_at`] has come: whatever was under way is given up.
    pub(super) fn synchronise_again(&mut self, turn: &mut Turn<'_>) {
        self.sync.step = Step::Idle;
        self.sync.again = false;
        self.synchronise(turn);
    }

    /// Asks the kernel for everything. The end of its answer may be among messages that are lost, so the wait
    /// for it is not endless.
    pub(super) fn synchronise(&mut self, turn: &mut Turn<'_>) {
        match self.sync.step {
            Step::Idle => {
                self.sync.retry_at = Some(turn.now + RETRY_PAUSE);
                self.links.all.iter_mut().for_each(|link| link.seen = false);
                let sequence = self.sync.begin(Step::Links);
                turn.push(Effect::DumpLinks(sequence));
            }
            Step::Links | Step::Addresses | Step::Routes => self.sync.again = true,
        }
    }

    pub(super) fn kernel(&mut self, turn: &mut Turn<'_>, message: rtnl::Message<'_>) {
        match message {
            rtnl::Message::Link(link) => {
                self.doubt_routes(turn.now);
                self.link(turn, &link);
                // Any device may be the one that a gateway is reached through.
                if link.running && !self.sync.is_running() {
                    self.settle_routes_soon(turn.now);
                }
            }
            rtnl::Message::LinkGone(index) => {
                self.doubt_routes(turn.now);
                if self.is_vmac_link(index) {
                    self.synchronise(turn);
                }
                self.forget_links(&|link| link.index == Some(index));
                self.settle(turn);
            }
            rtnl::Message::Address(address) => self.address(turn, &address),
            rtnl::Message::AddressGone(address) => {
                self.doubt_routes(turn.now);
                self.address_gone(turn, &address);
            }
            rtnl::Message::Route(route) => self.route(turn, &route),
            rtnl::Message::Done { sequence, torn } if sequence == self.sync.sequence => {
                self.step_done(turn, torn);
            }
            rtnl::Message::Done { .. } => {}
            rtnl::Message::Refused { sequence, errno, .. }
                if self.route_refused(turn.now, sequence, errno) => {}
            rtnl::Message::Refused { errno, address, .. } => {
                let harmless = errno == EEXIST || errno == ENODEV || EADDRNOTAVAIL.contains(&errno);
                let harmless = harmless && (address.is_some() || cfg!(feature = "vmac"))
                    || cfg!(feature = "vmac") && (errno == ENOENT || EAFNOSUPPORT.contains(&errno));
                if !harmless {
                    self.sync.refusals = self.sync.refusals.wrapping_add(1);
                    self.sync.is_refused |= address.is_some() || cfg!(feature = "vmac");
                    let total = self.sync.refusals;
                    if total.is_power_of_two() {
                        warn!(
                            "the kernel refused a request with errno {errno}; trying again each second ({total} so far)"
                        );
                    }
                    self.sync.retry_after(turn.now);
                }
            }
        }
    }

    /// A list is complete.
    fn step_done(&mut self, turn: &mut Turn<'_>, torn: bool) {
        if self.sync.step == Step::Routes {
            self.sync.step = Step::Idle;
            self.routes_done(turn, torn);
            if core::mem::take(&mut self.sync.again) {
                self.synchronise(turn);
            }
            return;
        }
        self.sync.again |= torn;
        match self.sync.step {
            Step::Idle | Step::Routes => {}
            Step::Links => {
                self.forget_links(&|link| !link.seen);
                for presence in &mut self.presence {
                    match presence {
                        Presence::Absent => {}
                        Presence::Ours { seen } | Presence::Foreign { seen } => *seen = false,
                    }
                }
                self.begin_addresses();
                let sequence = self.sync.begin(Step::Addresses);
                turn.push(Effect::DumpAddresses(sequence));
            }
            Step::Addresses => {
                self.sync.step = Step::Idle;
                let is_overtaken = core::mem::take(&mut self.sync.is_overtaken);
                self.sync.retry_at = is_overtaken.then(|| turn.now + RETRY_PAUSE);
                if core::mem::take(&mut self.sync.again) || self.end_addresses() {
                    self.synchronise(turn);
                    return;
                }
                self.want_routes(turn.now);
                self.whole_picture(turn);
            }
        }
    }

    /// Everything has been listed: what was not mentioned is gone, and decisions can be made.
    fn whole_picture(&mut self, turn: &mut Turn<'_>) {
        for presence in &mut self.presence {
            match presence {
                Presence::Ours { seen: false } | Presence::Foreign { seen: false } => {
                    *presence = Presence::Absent;
                }
                Presence::Absent | Presence::Ours { seen: true } | Presence::Foreign { seen: true } => {}
            }
        }
        self.links.all_known();
        for member in &mut self.members {
            member.fresh = false;
        }
        self.filter_all(turn);
        // It stays so until a list finds nothing missing: any number of addresses may have been refused.
        let was_refused = core::mem::take(&mut self.sync.is_refused);
        for slot in self.slots() {
            let Some(view) = self.view(slot) else { continue };
            // A device may have been made anew behind our back, and memberships went with the old one.
            if view.virtual_router().phase() != Phase::Initialize {
                turn.push(Effect::Join(slot));
            }
            let misses = view.addresses().any(|(position, address)| {
                self.presence.get(position) == Some(&Presence::Absent)
                    && self.links.index(address.interface).is_some()
            });
            if misses && was_refused {
                // It may be refused again: claim it, and announce it when it is there.
                if view.virtual_router().has_claimed() {
                    turn.push(Effect::Claim(slot));
                    self.sync.is_refused = true;
                }
            } else if misses || (was_refused && self.vmac(slot).is_some_and(|vmac| vmac.link.is_some())) {
                // Of a virtual MAC's device, it may have been a setting. One that is not there is made, and told of.
                self.with(turn, slot, Verb::PutBack);
            }
            self.with(turn, slot, Verb::SettleLifetime);
        }
        self.make_vmacs(turn);
        self.begin_bfd(turn);
        self.settle(turn);
        self.settle_routes_soon(turn.now);
    }
}
