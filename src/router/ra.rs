//! Router advertisements: when a master sends them (RFC 4861 §6.2.4, §6.2.6; RFC 9568 §6.4.3, §8.2.3).
//!
//! At once on mastership, twice more soon, then now and then, and to whoever asks. A backup sends none.
//!
//! What a master that goes leaves to say is the question. Its successor has the same address, so the route that hosts
//! have stays as good as it was; to take it away (Router Lifetime 0, RFC 4861 §6.2.5) before the successor has spoken
//! would leave hosts without one for as long as that takes, and for longer if its advertisement is lost. So the master
//! that goes waits for its successor, and says that there is no router any more only if nobody comes.

use super::{Effect, Packet, Router, Slot, Turn};
use crate::config::{Config, Family, RouterAdvert};
use crate::limits::RA_MAX;
use crate::time::{Instant, Span, earlier};
use crate::vrrp::{State, VirtualRouter};
use crate::wire::IfIndex;
use crate::wire::ra::is_solicitation;
use crate::wire::vrrp::PRIORITY_RESIGN;

/// MAX_INITIAL_RTR_ADVERTISEMENTS, and the longest time between them (RFC 4861 §10).
const INITIAL: u8 = 3;
const INITIAL_SECS_MAX: u16 = 16;

/// MIN_DELAY_BETWEEN_RAS (RFC 4861 §10).
const PAUSE: Span = Span::from_secs(3);

/// MAX_RA_DELAY_TIME (RFC 4861 §10), in milliseconds.
const ANSWER_MILLIS_MAX: u32 = 500;

/// How often the last one is sent: at most MAX_FINAL_RTR_ADVERTISEMENTS (RFC 4861 §10).
const FINAL: u8 = 2;

/// One entry for each of [`Config::router_adverts`].
#[derive(Debug, Clone)]
pub(super) struct RouterAdverts([Entry; RA_MAX]);

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The virtual router that it speaks for.
    slot: Slot,
    /// Sent since the daemon started: no two delays are the same.
    count: u16,
    standing: Standing,
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    /// Somebody else is the router.
    Silent,
    /// We are.
    Speaking {
        /// When the next one is due.
        due: Instant,
        /// When the last one was sent.
        last: Instant,
        /// How many more come soon.
        initial: u8,
    },
    /// We were, and when nobody is by then, hosts are told so.
    Waiting(Instant),
}

impl Entry {
    const NEW: Self = Self { slot: Slot(0), count: 0, standing: Standing::Silent };

    const fn poll_at(&self) -> Option<Instant> {
        match self.standing {
            Standing::Silent => None,
            Standing::Speaking { due: at, .. } | Standing::Waiting(at) => Some(at),
        }
    }

    /// A number below `end`, which is at most 65536: another one each time, and each seldom.
    const fn chance(&self, end: u32) -> u32 {
        let seed = (self.slot.0 as u32) << 16 | self.count as u32;
        (seed.wrapping_add(1).wrapping_mul(0x9e37_79b1) >> 16) % end
    }

    /// One is sent now: when the next one is (RFC 4861 §6.2.4).
    fn sent(&mut self, now: Instant, advert: &RouterAdvert, initial: u8) {
        self.count = self.count.wrapping_add(1);
        let range = advert.max_interval_secs.saturating_sub(advert.min_interval_secs);
        let mut secs = advert.min_interval_secs + self.chance(u32::from(range) + 1) as u16;
        if initial > 0 {
            secs = secs.min(INITIAL_SECS_MAX);
        }
        let due = now + Span::from_secs(secs);
        self.standing = Standing::Speaking { due, last: now, initial: initial.saturating_sub(1) };
    }

    /// Somebody asks: the next one is due within half a second, or as soon as it may (RFC 4861 §6.2.6).
    fn asked(&mut self, now: Instant) {
        let delay = Span::from_millis(self.chance(ANSWER_MILLIS_MAX));
        if let Standing::Speaking { due, last, .. } = &mut self.standing {
            *due = (*due).min((now + delay).max(*last + PAUSE));
        }
    }
}

impl RouterAdverts {
    pub(super) const fn new() -> Self {
        Self([Entry::NEW; RA_MAX])
    }

    /// Whether somebody is still to be told that there is no router, or that there is one after all.
    pub(super) fn are_waiting(&self) -> bool {
        self.0.iter().any(|entry| matches!(entry.standing, Standing::Waiting(_)))
    }

    /// Of the first `count`, which are those that are configured.
    pub(super) fn poll_at(&self, count: usize) -> Option<Instant> {
        self.0.iter().take(count).fold(None, |first, entry| earlier(first, entry.poll_at()))
    }

    /// Puts the table into the order of another configuration: what speaks for the same virtual router stays.
    #[inline(never)] // A copy of the table lies in the stack.
    pub(super) fn rename(&mut self, old: &Config, new: &Config) {
        let before = self.0;
        for (position, entry) in self.0.iter_mut().enumerate() {
            let mut entries = old.router_adverts.iter().zip(&before);
            let found = new
                .router_adverts
                .get(position)
                .and_then(|advert| entries.find(|(other, _)| identity(old, other) == identity(new, advert)));
            *entry = found.map_or(Entry::NEW, |(_, entry)| *entry);
        }
    }
}

/// What makes a virtual router the same one in two configurations.
fn identity<'a>(config: &'a Config, advert: &RouterAdvert) -> Option<(&'a str, u8)> {
    let instance = config.instances.get(usize::from(advert.instance))?;
    Some((config.interface_name(instance.interface), instance.vrid.get()))
}

impl Router {
    /// Something may have become of the virtual router in `slot`: a master that has its addresses begins to speak, and
    /// who is none is silent.
    pub(super) fn follow_with_router_advert(&mut self, turn: &mut Turn<'_>, slot: Slot) {
        let Some(position) = self.router_advert_of(slot) else { return };
        let Some(state) = self.virtual_router(slot).map(VirtualRouter::state) else { return };
        let Some(entry) = self.router_adverts.0.get(position) else { return };
        let next = match (entry.standing, state) {
            (Standing::Silent | Standing::Waiting(_), State::Master { unclaimed: false, .. }) => {
                return self.send_router_advert(turn, position, INITIAL - 1);
            }
            (Standing::Speaking { .. }, State::Initialize { .. }) => self.successor_awaited(turn, slot),
            (as_before @ Standing::Waiting(_), State::Initialize { .. })
            | (as_before @ Standing::Speaking { .. }, State::Master { .. }) => as_before,
            (Standing::Silent, State::Initialize { .. })
            | (
                Standing::Silent | Standing::Speaking { .. } | Standing::Waiting(_),
                State::Backup { .. } | State::Master { unclaimed: true, .. },
            ) => Standing::Silent,
        };
        if let Some(entry) = self.router_adverts.0.get_mut(position) {
            entry.standing = next;
        }
    }

    /// One that is told that we go becomes master within its skew, and says so at once; if the telling was lost, its
    /// first advertisement gives back what we take.
    fn successor_awaited(&self, turn: &Turn<'_>, slot: Slot) -> Standing {
        match self.rules(slot) {
            Some(rules) => {
                let interval = rules.interval;
                Standing::Waiting(turn.now + (interval.span() + interval.skew_v3(PRIORITY_RESIGN)))
            }
            None => Standing::Silent,
        }
    }

    /// A virtual router that does not take part hears the master.
    pub(super) fn hear_successor(&mut self, slot: Slot, priority: u8) {
        let Some(position) = self.router_advert_of(slot) else { return };
        if let Some(entry) = self.router_adverts.0.get_mut(position)
            && priority != PRIORITY_RESIGN
        {
            entry.standing = Standing::Silent;
        }
    }

    /// An ICMPv6 message, which is a question if it is anything.
    pub(super) fn solicited(&mut self, now: Instant, packet: Packet<'_>) {
        let Packet::V6 { interface, source, hop_limit, message, .. } = packet else { return };
        if !cfg!(feature = "ra") || !is_solicitation(source, hop_limit, message) {
            return;
        }
        for position in 0..self.config.router_adverts.len() {
            let is_asked = self.device_of_router_advert(position) == Some(interface);
            if let Some(entry) = self.router_adverts.0.get_mut(position).filter(|_| is_asked) {
                entry.asked(now);
            }
        }
    }

    /// Sends what is due.
    pub(super) fn run_router_adverts(&mut self, turn: &mut Turn<'_>) {
        for position in 0..self.config.router_adverts.len() {
            let Some(entry) = self.router_adverts.0.get(position).copied() else { continue };
            let is_due = entry.poll_at().is_some_and(|at| at <= turn.now);
            match entry.standing {
                // Who has resigned by hand and waits for a successor leaves it to that one.
                Standing::Speaking { last, .. }
                    if is_due && self.virtual_router(entry.slot).is_some_and(VirtualRouter::is_leaving) =>
                {
                    self.stand(position, Standing::Speaking { due: turn.now + PAUSE, last, initial: 0 });
                }
                Standing::Speaking { initial, .. } if is_due => {
                    self.send_router_advert(turn, position, initial);
                }
                Standing::Waiting(_) if is_due => {
                    self.send_last_router_advert(turn, position);
                    self.stand(position, Standing::Silent);
                }
                Standing::Silent | Standing::Speaking { .. } | Standing::Waiting(_) => {}
            }
        }
    }

    /// The new configuration has the virtual router and wants no advertisements from it any more: hosts are told, in
    /// the words of the old one.
    pub(super) fn end_router_adverts(&self, turn: &mut Turn<'_>, new: &Config) {
        for (position, advert) in self.config.router_adverts.iter().enumerate() {
            let Some(entry) = self.router_adverts.0.get(position) else { continue };
            let identity = identity(&self.config, advert);
            let stays = new.router_adverts.iter().any(|other| self::identity(new, other) == identity);
            if !stays && matches!(entry.standing, Standing::Speaking { .. }) {
                self.send_last_router_advert(turn, position);
            }
        }
    }

    /// The members have their places: who speaks for whom. A master that is to speak from now on begins.
    pub(super) fn index_router_adverts(&mut self, turn: &mut Turn<'_>) {
        for position in 0..self.config.router_adverts.len() {
            let Some(instance) = self.config.router_adverts.get(position).map(|advert| advert.instance)
            else {
                continue;
            };
            let mut members = self.members.iter();
            let found = members.position(|member| member.instance == instance && member.family == Family::V6);
            let Some(slot) = found.map(|found| Slot(found as u16)) else { continue };
            if let Some(entry) = self.router_adverts.0.get_mut(position) {
                entry.slot = slot;
                // What it says may be new.
                entry.asked(turn.now);
            }
            self.follow_with_router_advert(turn, slot);
        }
    }

    fn send_router_advert(&mut self, turn: &mut Turn<'_>, position: usize, initial: u8) {
        let Some(advert) = self.config.router_adverts.get(position) else { return };
        let Some(entry) = self.router_adverts.0.get_mut(position) else { return };
        entry.sent(turn.now, advert, initial);
        turn.push(Effect::RouterAdvert { position: position as u8, is_last: false });
    }

    /// Nobody listens behind a link that is down, and who never was a default router need not cease to be one.
    fn send_last_router_advert(&self, turn: &mut Turn<'_>, position: usize) {
        let Some(advert) = self.config.router_adverts.get(position) else { return };
        let instance = self.config.instances.get(usize::from(advert.instance));
        let is_running = instance.is_some_and(|instance| self.links.is_running(instance.interface));
        if is_running && advert.lifetime_secs > 0 {
            for _ in 0..FINAL {
                turn.push(Effect::RouterAdvert { position: position as u8, is_last: true });
            }
        }
    }

    fn stand(&mut self, position: usize, standing: Standing) {
        if let Some(entry) = self.router_adverts.0.get_mut(position) {
            entry.standing = standing;
        }
    }

    /// The place of the advertisements that speak for the virtual router in `slot`.
    fn router_advert_of(&self, slot: Slot) -> Option<usize> {
        let mut entries = self.router_adverts.0.iter().take(self.config.router_adverts.len());
        entries.position(|entry| entry.slot == slot)
    }

    /// The device on which the advertised address stands.
    fn device_of_router_advert(&self, position: usize) -> Option<IfIndex> {
        let advert = self.config.router_adverts.get(position)?;
        let instance = self.config.instances.get(usize::from(advert.instance))?;
        let first = instance.v6.addresses.of(&self.config.addresses).first()?;
        self.links.index(first.interface)
    }
}
