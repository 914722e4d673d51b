//! The machine of one virtual router (RFC 9568 §6.4; version 2: RFC 3768 §6.4).
//!
//! Call a verb when its event happens, with a [`Turn`]; perform its [`Action`]s in order; call
//! [`VirtualRouter::timer`] when [`VirtualRouter::poll_at`] has come. Calling it earlier is harmless.

use core::cmp::Ordering;
use core::net::IpAddr;

use heapless::Vec;

use super::announce::Timetable;
use super::counters::{Counters, count};
use super::election::{self, Candidate};
use super::state::{Cause, Fault, Phase, State};
use crate::config::{Announcements, Family, Name};
use crate::say::info;
use crate::time::{Instant, Interval, Span, earlier, next_due};
use crate::wire::ip;
use crate::wire::vrrp::{Advert, ChecksumForm, PRIORITY_OWNER, PRIORITY_RESIGN, Password, Version, Vrid};

/// The shortest time between two answers to others' advertisements (law 11).
pub const ANSWER_PAUSE: Span = Span::from_millis(10);

/// The mean time between two returns of an address that somebody else removes again and again.
pub const PUT_BACK_PAUSE: Span = Span::from_millis(20);

/// How far returns may run ahead of that: ten in a row are no reason to wait.
const PUT_BACK_AHEAD: Span = Span::from_millis(200);

/// How often priority 0 is sent when we give up, so that the loss of one packet does not cost the others
/// three intervals of waiting.
pub const RESIGNATIONS: u8 = 2;

/// What the configuration, the tracked things and the kernel say about a virtual router at this moment.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The instance's name, for the log.
    pub name: Name<'a>,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Address family.
    pub family: Family,
    /// Protocol version; always 3 for IPv6.
    pub version: Version,
    /// Priority with every tracked weight added, 1..=254, or 255 for the owner.
    pub priority: u8,
    /// Our own advertisement interval.
    pub interval: Interval,
    /// Whether a lower-priority master is pre-empted.
    pub preempt: bool,
    /// How long it is suffered before that.
    pub preempt_delay: Span,
    /// Version 2: the password.
    pub password: Option<Password>,
    /// When addresses are announced.
    pub announcements: Announcements,
    /// Seconds after which the kernel drops an address that we do not renew; 0: never.
    pub lifetime_secs: u16,
    /// How long the addresses wait, on mastership, for something that is to be done before; zero: it is nothing.
    pub claim_wait: Span,
    /// Where our advertisements come from: our side of a tie. `None`: no such address at the moment.
    pub source: Option<&'a IpAddr>,
    /// Whether a tie (equal priorities) is decided by this one's address. Among virtual routers that move
    /// together only the first decides, or IPv4 and IPv6 could name different winners for ever.
    pub decides_ties: bool,
}

impl Rules<'_> {
    /// Master_Down_Interval, given the master's interval.
    #[must_use]
    #[inline(never)]
    pub const fn down_interval(&self, master_interval: Interval) -> Span {
        match self.version {
            Version::V2 => self.interval.down_v2(self.priority),
            Version::V3 => master_interval.down_v3(self.priority),
        }
    }

    /// From one renewal of the addresses to the next: a third of their lifetime.
    fn renewal_period(&self) -> Option<Span> {
        (self.lifetime_secs > 0).then(|| Span::from_secs(self.lifetime_secs).part(3))
    }

    /// Skew_Time, given the master's interval.
    #[must_use]
    pub const fn skew(&self, master_interval: Interval) -> Span {
        match self.version {
            Version::V2 => Interval::skew_v2(self.priority),
            Version::V3 => master_interval.skew_v3(self.priority),
        }
    }
}

/// Something to be done, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send an advertisement with this priority.
    Advertise(u8),
    /// Do what is to be done before the virtual addresses are added, and call [`VirtualRouter::prepared`] then.
    Prepare,
    /// Add the virtual addresses.
    Claim,
    /// Give the virtual addresses that are there their lifetime anew.
    Renew,
    /// Remove the virtual addresses that we have added.
    Release,
    /// Announce every virtual address this often.
    Announce(u8),
}

/// The most actions of one verb: leaving master is two resignations and a release.
pub const ACTIONS_MAX: usize = 4;

/// The actions of one verb.
pub type Actions = Vec<Action, ACTIONS_MAX>;

/// One call of a verb: when, by which rules, and what is to be done then.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The time.
    pub now: Instant,
    /// The rules.
    pub rules: Rules<'a>,
    /// What the verb asks for.
    pub actions: Actions,
    /// Another state was entered, or the same for another reason.
    pub moved: bool,
}

/// The master that was heard last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Where its advertisement came from.
    pub address: IpAddr,
    /// Its priority.
    pub priority: u8,
    /// Its interval.
    pub interval: Interval,
    /// Which reading of the checksum it sends.
    pub checksum: ChecksumForm,
    /// When.
    pub at: Instant,
}

/// One virtual router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualRouter {
    state: State,
    since: Instant,
    cause: Cause,
    /// Active_Adver_Interval (RFC 9568 §6.1): ours, until a master's is learned (TM05). Version 2 never
    /// learns (TM06).
    master_interval: Interval,
    heard: Option<Heard>,
    /// Counts since the daemon started.
    pub counters: Counters,
}

impl VirtualRouter {
    /// A virtual router that does not take part yet.
    #[must_use]
    pub fn new(now: Instant, interval: Interval) -> Self {
        let fault = Fault::Starting;
        Self {
            state: State::Initialize { fault },
            since: now,
            cause: Cause::Fault(fault),
            master_interval: interval,
            heard: None,
            counters: Counters::default(),
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Its state's name.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// When it entered its state.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// Why it entered its state.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// The advertisement that was accepted last.
    #[must_use]
    pub const fn heard(&self) -> Option<&Heard> {
        self.heard.as_ref()
    }

    /// Whether it has resigned by hand, and holds the addresses for a successor.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        matches!(self.state, State::Master { leaving: true, .. })
    }

    /// Whether it holds the addresses.
    #[must_use]
    pub const fn has_claimed(&self) -> bool {
        matches!(self.state, State::Master { unclaimed: false, .. })
    }

    /// Whether its down timer has run out and it waits for those that move together with it.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        matches!(self.state, State::Backup { silent: true, .. })
    }

    /// When [`VirtualRouter::timer`] is to be called at the latest.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        match &self.state {
            State::Initialize { .. } | State::Backup { silent: true, .. } => None,
            State::Backup { down_at, silent: false, .. } => Some(*down_at),
            State::Master { advert_at, renew_at, put_back_at, timetable, .. } => {
                let installed_at = earlier(*renew_at, *put_back_at);
                earlier(Some(*advert_at), earlier(installed_at, timetable.poll_at()))
            }
        }
    }

    /// Everything that is needed is there: become backup, or, as an owner whose companions are owners too,
    /// master at once (RFC 9568 §6.4.1; ST01, ST02). Only from initialize; who was leaving stays master, and otherwise
    /// nothing happens.
    pub fn begin(&mut self, turn: &mut Turn<'_>, as_owner: bool) {
        match self.state {
            State::Initialize { .. } if as_owner && turn.rules.priority == PRIORITY_OWNER => {
                self.take_over(turn, Cause::Owner);
            }
            State::Initialize { .. } => {
                self.master_interval = turn.rules.interval;
                self.watch(turn, Cause::Ready);
            }
            State::Master { leaving: true, .. } => self.stay(turn),
            State::Backup { .. } | State::Master { .. } => {}
        }
    }

    /// Something that is needed is not there, or the daemon ends: a master resigns and releases
    /// (RFC 9568 §6.4.3; ST10), a backup just stops (§6.4.2; ST03). A master that is released by hand resigns too, and
    /// releases when its successor is there.
    pub fn halt(&mut self, turn: &mut Turn<'_>, fault: Fault) {
        match self.state {
            State::Initialize { fault: before } if before == fault => {}
            State::Master { leaving, .. } if fault == Fault::Released => {
                if !leaving {
                    self.leave(turn);
                }
            }
            State::Initialize { .. } | State::Backup { .. } | State::Master { .. } => {
                self.resign(turn);
                self.enter(turn, State::Initialize { fault }, Cause::Fault(fault));
            }
        }
    }

    /// The down timer has run out here and in everything that moves together with us: become master
    /// (RFC 9568 §6.4.2; ST04). Only from backup.
    pub fn promote(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            State::Backup { unreachable, .. } => {
                let cause = match &self.heard {
                    None => Cause::Silence(None),
                    Some(heard) if heard.priority == PRIORITY_RESIGN => Cause::Resigned(heard.address),
                    Some(heard) if unreachable => Cause::Unreachable(heard.address),
                    Some(heard) if heard.priority < turn.rules.priority && self.is_recent(turn, heard) => {
                        Cause::Preempts(heard.address, heard.priority)
                    }
                    Some(heard) => Cause::Silence(Some(heard.address)),
                };
                self.take_over(turn, cause);
            }
            State::Initialize { .. } | State::Master { .. } => {}
        }
    }

    /// The master of a companion has resigned. Routers that move together resign together, so ours is probably gone
    /// as well: one more interval, in which it would be heard if it is not, and the skew. Only in backup.
    pub fn doubt(&mut self, turn: &mut Turn<'_>) {
        if let State::Backup { down_at, .. } = &mut self.state {
            let doubtful = turn.now + self.master_interval.span() + turn.rules.skew(self.master_interval);
            *down_at = (*down_at).min(doubtful);
        }
    }

    /// The BFD session to a neighbour has fallen silent: if that is the master, it is gone. The skew decides who follows it,
    /// as after a resignation, unless nobody else can. Only in backup; `true`: it is the master.
    pub fn lose(&mut self, turn: &Turn<'_>, neighbor: &IpAddr, is_alone: bool) -> bool {
        let master = self.heard.as_ref().filter(|heard| heard.priority != PRIORITY_RESIGN);
        if !master.is_some_and(|heard| ip::same(&heard.address, neighbor)) {
            return false;
        }
        let State::Backup { down_at, unreachable, .. } = &mut self.state else { return false };
        let wait = if is_alone { Span::ZERO } else { turn.rules.skew(self.master_interval) };
        if turn.now + wait < *down_at {
            *down_at = turn.now + wait;
            *unreachable = true;
        }
        true
    }

    /// A companion lost its mastership: resign and become backup. Only from master, and not while leaving: each waits
    /// for its own successor.
    pub fn demote(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            State::Master { leaving: false, .. } => {
                self.resign(turn);
                self.watch(turn, Cause::Companion);
            }
            State::Initialize { .. } | State::Backup { .. } | State::Master { leaving: true, .. } => {}
        }
    }

    /// An advertisement that passed [`admission`](super::admission).
    pub fn receive(&mut self, turn: &mut Turn<'_>, advert: &Advert<'_>, from: &IpAddr) {
        match self.state {
            // RFC 9568 §6.4.1 knows no such event (RX25); the router counts it and does not call.
            State::Initialize { .. } => {}
            State::Backup { .. } => self.receive_as_backup(turn, advert, from),
            State::Master { leaving: true, .. } => {
                self.note(turn, advert, from);
                if advert.priority != PRIORITY_RESIGN {
                    self.go(turn);
                }
            }
            // While we were stopped for longer than the others wait, one of them took over by right: step back and let
            // it be, pre-empting later if that is configured. The owner's claim never ends.
            State::Master { .. } if turn.rules.priority != PRIORITY_OWNER && self.has_slept(turn) => {
                self.note(turn, advert, from);
                if advert.priority == PRIORITY_RESIGN {
                    // Whether another one follows it, the packets behind this one tell. If not, the timer goes on where
                    // we stopped; and hosts may have learned the one that is gone (ST22).
                    self.announce_later(turn.now);
                } else {
                    self.watch(turn, Cause::Asleep(*from));
                }
            }
            State::Master { .. } => self.receive_as_master(turn, advert, from),
        }
    }

    /// The time of [`VirtualRouter::poll_at`] has come. A backup whose master is silent only notes it:
    /// [`VirtualRouter::promote`] follows when its companions agree.
    pub fn timer(&mut self, turn: &mut Turn<'_>) {
        match &mut self.state {
            State::Initialize { .. } => {}
            State::Backup { down_at, silent, .. } => *silent |= *down_at <= turn.now,
            State::Master { advert_at, leaving: true, .. } if *advert_at <= turn.now => self.go(turn),
            State::Master { advert_at, put_back_at, unclaimed, .. } => {
                let misses = put_back_at.take_if(|at| *at <= turn.now).is_some();
                let is_first = *unclaimed;
                if *advert_at <= turn.now {
                    *advert_at = next_due(*advert_at, turn.rules.interval.span(), turn.now); // ST11
                    self.advertise(turn, turn.rules.priority);
                }
                if misses && is_first {
                    self.claim(turn);
                } else if misses {
                    self.claim_again(turn);
                }
                self.renew_if_due(turn);
                self.announce_if_due(turn);
            }
        }
    }

    /// The next advert is due at this moment, or sooner. Only as master, and not while leaving.
    pub fn fall_in(&mut self, at: Instant) {
        if let State::Master { advert_at, leaving: false, .. } = &mut self.state {
            *advert_at = at.min(*advert_at);
        }
    }

    /// What was to be done before the addresses are claimed has been done. As with [`VirtualRouter::put_back`], the
    /// packets that were waiting come first if we were not running.
    pub fn prepared(&mut self, turn: &mut Turn<'_>) {
        match &mut self.state {
            State::Master { unclaimed: true, leaving: false, advert_at, put_back_at, .. } => {
                if *advert_at <= turn.now {
                    *put_back_at = Some(turn.now);
                } else {
                    self.claim(turn);
                }
            }
            State::Initialize { .. } | State::Backup { .. } | State::Master { .. } => {}
        }
    }

    /// An address of ours was removed by somebody else, or by the kernel at the end of its lifetime. Put it back at once
    /// and announce it; mastership is kept. `false`: that was done too often lately (see [`PUT_BACK_PAUSE`]), and
    /// whoever removes it is let wait.
    ///
    /// If our advertisement is overdue we were not running: another may have taken over, and its advertisements come
    /// before the timer, which puts the address back if they leave us master (law 6).
    pub fn put_back(&mut self, turn: &mut Turn<'_>) -> bool {
        match &mut self.state {
            // It was never there.
            State::Master { unclaimed: true, .. } => {}
            State::Master { advert_at, put_back_at, .. } if *advert_at <= turn.now => {
                *put_back_at = Some(turn.now);
            }
            State::Master { put_back_until, .. } if *put_back_until > turn.now + PUT_BACK_AHEAD => {
                return false;
            }
            State::Master { put_back_until, .. } => {
                *put_back_until = (*put_back_until).max(turn.now) + PUT_BACK_PAUSE;
                self.claim_again(turn);
            }
            State::Initialize { .. } | State::Backup { .. } => {}
        }
        true
    }

    /// Every address is known to be there or not: those of a master get the lifetime that the configuration says now.
    /// It may be another one than before, and a renewal may be among what the kernel has refused.
    pub fn settle_lifetime(&mut self, turn: &mut Turn<'_>) {
        let State::Master { renew_at, unclaimed: false, .. } = &mut self.state else { return };
        let next = turn.next_renewal();
        let action = if renew_at.is_some() == next.is_some() { Action::Renew } else { Action::Claim };
        if core::mem::replace(renew_at, next).is_some() || next.is_some() {
            turn.act(action);
        }
    }

    /// Hosts may have learned something else: announce again, at most once a second. Only as master; and only by the
    /// timer if our advertisement is overdue, as with [`VirtualRouter::put_back`].
    pub fn announce_again(&mut self, turn: &mut Turn<'_>) {
        self.announce_later(turn.now);
        match self.state {
            State::Master { advert_at, .. } if advert_at > turn.now => self.announce_if_due(turn),
            State::Initialize { .. } | State::Backup { .. } | State::Master { .. } => {}
        }
    }

    /// The configuration has changed. A master goes on with the new rules, and with a shorter interval at
    /// once; a backup's timer stays as it is.
    pub fn adopt(&mut self, turn: &mut Turn<'_>) {
        match &mut self.state {
            State::Master { advert_at, leaving: false, .. } => {
                *advert_at = (*advert_at).min(turn.next_advert());
            }
            State::Initialize { .. } => self.master_interval = turn.rules.interval,
            State::Backup { .. } | State::Master { leaving: true, .. } => {}
        }
    }

    /// Whether whoever was heard may still be there.
    fn is_recent(&self, turn: &Turn<'_>, heard: &Heard) -> bool {
        turn.now < heard.at + turn.rules.down_interval(self.master_interval)
    }

    /// RFC 9568 §6.4.2, (420) and following.
    fn receive_as_backup(&mut self, turn: &mut Turn<'_>, advert: &Advert<'_>, from: &IpAddr) {
        self.note(turn, advert, from);
        let master_interval = self.learned(turn, advert);
        let State::Backup { down_at, silent, unreachable, preempt_at } = &mut self.state else { return };

        if advert.priority == PRIORITY_RESIGN {
            // Skew_Time, from now (ST06, TM08); never later than it was due, so that a stream of
            // resignations cannot put a takeover off for ever.
            *down_at = (*down_at).min(turn.now + turn.rules.skew(self.master_interval));
            *preempt_at = None;
            return;
        }
        let rightful = advert.priority >= turn.rules.priority || !turn.rules.preempt;
        let suffered = !rightful && turn.rules.preempt_delay > Span::ZERO && {
            // Armed once, by the first losing advertisement (ST21).
            let until = *preempt_at.get_or_insert(turn.now + turn.rules.preempt_delay);
            turn.now < until
        };
        if rightful {
            *preempt_at = None;
        }
        let until = turn.now + turn.rules.down_interval(master_interval);
        // Otherwise it is discarded and the timer runs on (ST08). One that is only suffered does not shorten the
        // wait for a better one with a longer interval.
        if rightful || (suffered && until > *down_at) {
            self.master_interval = master_interval;
            (*silent, *unreachable) = (false, false);
            *down_at = until;
        }
    }

    /// RFC 9568 §6.4.3, (700) and following.
    fn receive_as_master(&mut self, turn: &mut Turn<'_>, advert: &Advert<'_>, from: &IpAddr) {
        self.note(turn, advert, from);
        if advert.priority == PRIORITY_RESIGN {
            self.answer(turn, true);
            // It was master beside us, and hosts may have learned it (ST22).
            self.announce_later(turn.now);
            return;
        }
        let loses = turn.rules.source.is_some_and(|address| {
            let ours = Candidate { priority: turn.rules.priority, address };
            let theirs = Candidate { priority: advert.priority, address: from };
            election::compare(ours, theirs) == Ordering::Less
        });
        if loses && !self.leaves_tie_to_companion(turn, advert) {
            // The better one may never have heard of us, as after a partition, and hosts may have learned us: say
            // once more that we were here, so that it announces itself again (ST22).
            self.advertise(turn, turn.rules.priority);
            self.master_interval = self.learned(turn, advert);
            self.watch(turn, Cause::Better(*from, advert.priority));
            return;
        }
        count(&mut self.counters.contended);
        let total = self.counters.contended;
        if total.is_power_of_two() {
            let (name, vrid, priority) = (turn.rules.name, turn.rules.vrid, advert.priority);
            let from = ip::text(*from);
            info!("{name}/{vrid}: {from} believes to be master, with priority {priority} ({total} so far)");
        }
        // Version 2 is silent (RFC 3768 §6.4.3; ST15), version 3 answers at once without touching its timer
        // (RFC 9568 §6.4.3; ST16), so that the other steps back before the next interval.
        match turn.rules.version {
            Version::V2 => {}
            Version::V3 => self.answer(turn, false),
        }
        // Hosts may have learned the other one: announce again when it has had time to go (ST22).
        self.announce_later(turn.next_advert());
    }

    /// Whether a lost tie is left to the companion that decides ties, for one down interval at most: if the
    /// contender is still there then, it is no router that moves together as we do, and we give way.
    fn leaves_tie_to_companion(&mut self, turn: &Turn<'_>, advert: &Advert<'_>) -> bool {
        let State::Master { tie_until, .. } = &mut self.state else { return false };
        if turn.rules.decides_ties || advert.priority != turn.rules.priority {
            return false;
        }
        let grace = turn.rules.down_interval(turn.rules.interval);
        match *tie_until {
            Some(until) if turn.now > until + grace => *tie_until = Some(turn.now + grace), // another tie, later
            Some(until) => return turn.now < until,
            None => *tie_until = Some(turn.now + grace),
        }
        true
    }

    /// Advertises at once, at most once per [`ANSWER_PAUSE`]; `restarts` says whether the timer starts anew
    /// (RFC 9568 §6.4.3: for priority 0, ST12, but not for a losing advertisement, ST16).
    fn answer(&mut self, turn: &mut Turn<'_>, restarts: bool) {
        let State::Master { advert_at, answer_after, .. } = &mut self.state else { return };
        if turn.now < *answer_after {
            return;
        }
        *answer_after = turn.now + ANSWER_PAUSE;
        if restarts {
            *advert_at = turn.next_advert();
        }
        self.advertise(turn, turn.rules.priority);
    }

    /// Send, claim, announce, in this order (RFC 9568 §6.4.1, §6.4.2; ST01, ST04). The claim may have to wait.
    fn take_over(&mut self, turn: &mut Turn<'_>, cause: Cause) {
        let waits = turn.rules.claim_wait > Span::ZERO;
        self.advertise(turn, turn.rules.priority);
        let state = State::Master {
            advert_at: turn.next_advert(),
            leaving: false,
            unclaimed: true,
            answer_after: turn.now,
            put_back_until: turn.now,
            renew_at: None,
            put_back_at: waits.then(|| turn.now + turn.rules.claim_wait),
            tie_until: None,
            timetable: Timetable::idle(turn.now),
        };
        self.enter(turn, state, cause);
        if waits {
            turn.act(Action::Prepare);
        } else {
            self.claim(turn);
        }
    }

    /// The addresses, for the first time as this master.
    fn claim(&mut self, turn: &mut Turn<'_>) {
        let (begun, first) = Timetable::begin(&turn.rules.announcements, turn.now);
        if let State::Master { unclaimed, put_back_at, renew_at, timetable, .. } = &mut self.state {
            (*unclaimed, *put_back_at, *renew_at) = (false, None, turn.next_renewal());
            *timetable = begun;
        }
        turn.act(Action::Claim);
        turn.act(Action::Announce(first));
        count(&mut self.counters.announced);
    }

    /// The addresses again, and with them their lifetime; and hosts are to hear of them.
    fn claim_again(&mut self, turn: &mut Turn<'_>) {
        count(&mut self.counters.put_back);
        if let State::Master { renew_at, .. } = &mut self.state {
            *renew_at = turn.next_renewal();
        }
        turn.act(Action::Claim);
        self.announce_again(turn);
    }

    /// The kernel drops what is not renewed, whatever becomes of us: three chances for each lifetime.
    fn renew_if_due(&mut self, turn: &mut Turn<'_>) {
        let State::Master { renew_at, .. } = &mut self.state else { return };
        if let Some(due) = renew_at.filter(|due| *due <= turn.now) {
            let period = turn.rules.renewal_period();
            *renew_at = period.map(|period| next_due(due, period, turn.now));
            turn.act(Action::Renew);
        }
    }

    /// Become backup with the full down interval (RFC 9568 §6.4.1, §6.4.3).
    fn watch(&mut self, turn: &mut Turn<'_>, cause: Cause) {
        let down_at = turn.now + turn.rules.down_interval(self.master_interval);
        let state = State::Backup { down_at, silent: false, unreachable: false, preempt_at: None };
        self.enter(turn, state, cause);
    }

    /// Resigns, and holds the addresses: for as long as the most patient of the others may wait, if both resignations
    /// are lost.
    fn leave(&mut self, turn: &mut Turn<'_>) {
        self.resign(turn);
        let patience = Rules { priority: 1, ..turn.rules }.down_interval(turn.rules.interval);
        if let State::Master { advert_at, leaving, unclaimed, put_back_at, timetable, .. } = &mut self.state {
            *advert_at = turn.now + patience;
            *leaving = true;
            put_back_at.take_if(|_| *unclaimed);
            timetable.end();
        }
        info!("{}/{} is released by hand and waits for a successor", turn.rules.name, turn.rules.vrid);
    }

    /// The successor is there, or there is none.
    fn go(&mut self, turn: &mut Turn<'_>) {
        let fault = Fault::Released;
        self.enter(turn, State::Initialize { fault }, Cause::Fault(fault));
    }

    /// Reclaimed before a successor was heard. One that is about to take over hears us first, or we hear it.
    fn stay(&mut self, turn: &mut Turn<'_>) {
        self.advertise(turn, turn.rules.priority);
        let mut is_first = false;
        if let State::Master { advert_at, leaving, unclaimed, .. } = &mut self.state {
            *advert_at = turn.next_advert();
            *leaving = false;
            is_first = *unclaimed;
        }
        if is_first {
            self.claim(turn);
        }
        self.announce_later(turn.now);
    }

    /// The one place where a virtual router's state changes.
    fn enter(&mut self, turn: &mut Turn<'_>, state: State, cause: Cause) {
        let (before, after) = (self.phase(), state.phase());
        if before == Phase::Master {
            count(&mut self.counters.released_master);
            turn.act(Action::Release);
        }
        if after == Phase::Master {
            count(&mut self.counters.became_master);
        }
        if after == Phase::Initialize {
            self.heard = None;
        }
        self.state = state;
        self.since = turn.now;
        self.cause = cause;
        turn.moved = true;
        let family = match turn.rules.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        info!("{}/{} {family}: {before} -> {after} ({cause})", turn.rules.name, turn.rules.vrid);
    }

    /// What a master says before it goes. One that has slept has been replaced, or there is nobody: its resignation would
    /// only shorten the others' patience with its successor.
    fn resign(&mut self, turn: &mut Turn<'_>) {
        match self.state {
            State::Master { leaving: false, .. } if !self.has_slept(turn) => {
                for _ in 0..RESIGNATIONS {
                    self.advertise(turn, PRIORITY_RESIGN);
                }
            }
            State::Initialize { .. } | State::Backup { .. } | State::Master { .. } => {}
        }
    }

    /// Master, and stopped for longer than the others wait: by right, one of them has taken over.
    fn has_slept(&self, turn: &Turn<'_>) -> bool {
        match self.state {
            State::Master { advert_at, .. } => {
                turn.now > advert_at + turn.rules.down_interval(turn.rules.interval)
            }
            State::Initialize { .. } | State::Backup { .. } => false,
        }
    }

    /// Hosts are to hear of us again, at `at` or when that is allowed again. Only as master with the addresses, and not
    /// while leaving.
    fn announce_later(&mut self, at: Instant) {
        if let State::Master { timetable, leaving: false, unclaimed: false, .. } = &mut self.state {
            timetable.provoke(at);
        }
    }

    fn advertise(&mut self, turn: &mut Turn<'_>, priority: u8) {
        count(&mut self.counters.sent);
        if priority == PRIORITY_RESIGN {
            count(&mut self.counters.sent_zero);
        }
        turn.act(Action::Advertise(priority));
    }

    fn announce_if_due(&mut self, turn: &mut Turn<'_>) {
        let State::Master { timetable, .. } = &mut self.state else { return };
        let due = timetable.due(&turn.rules.announcements, turn.now);
        if due > 0 {
            count(&mut self.counters.announced);
            turn.act(Action::Announce(due));
        }
    }

    /// Active_Adver_Interval after this advertisement (TM05, TM06).
    const fn learned(&self, turn: &Turn<'_>, advert: &Advert<'_>) -> Interval {
        match turn.rules.version {
            Version::V2 => turn.rules.interval,
            Version::V3 => advert.interval,
        }
    }

    fn note(&mut self, turn: &mut Turn<'_>, advert: &Advert<'_>, from: &IpAddr) {
        count(&mut self.counters.received);
        if advert.priority == PRIORITY_RESIGN {
            count(&mut self.counters.received_zero);
        }
        if advert.interval != turn.rules.interval {
            // Version 3 learns it; a mismatch is worth a line all the same (RFC 9568 §7.1; RX18).
            count(&mut self.counters.other_interval);
            let (theirs, total) = (advert.interval.centis(), self.counters.other_interval);
            if total.is_power_of_two() {
                let from = ip::text(*from);
                info!(
                    "{}/{}: {from} advertises every {theirs} cs ({total} so far)",
                    turn.rules.name, turn.rules.vrid
                );
            }
        }
        self.heard = Some(Heard {
            address: *from,
            priority: advert.priority,
            interval: advert.interval,
            checksum: advert.checksum,
            at: turn.now,
        });
    }
}

impl<'a> Turn<'a> {
    /// A turn in which nothing is to be done so far.
    #[must_use]
    pub const fn new(now: Instant, rules: Rules<'a>) -> Self {
        Self { now, rules, actions: Actions::new(), moved: false }
    }

    /// An interval from now.
    fn next_advert(&self) -> Instant {
        self.now + self.rules.interval.span()
    }

    /// A third of the lifetime from now.
    fn next_renewal(&self) -> Option<Instant> {
        self.rules.renewal_period().map(|period| self.now + period)
    }

    /// [`ACTIONS_MAX`] is the proved bound, so there is always room; the golden table tries every pair.
    #[inline(never)]
    fn act(&mut self, action: Action) {
        let pushed = self.actions.push(action);
        debug_assert!(pushed.is_ok(), "a verb has more actions than ACTIONS_MAX");
    }
}
