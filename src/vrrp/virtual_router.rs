//! The machine of one virtual router (RFC 9568 §6.4; version 2: RFC 3768 §6.4).
//!
//! Call a verb when its event happens, with the time; perform the [`Action`]s in order; call
//! [`VirtualRouter::timer`] when [`VirtualRouter::poll_at`] has come. Calling it earlier is harmless.

use core::cmp::Ordering;
use core::net::IpAddr;
use core::time::Duration;

use heapless::Vec;
use log::info;

use super::announce::Timetable;
use super::counters::{Counters, count};
use super::election::{self, Candidate};
use super::state::{Cause, Fault, Phase, State};
use crate::config::{Announcements, Family};
use crate::time::{Instant, Interval};
use crate::wire::ip;
use crate::wire::vrrp::{Advert, ChecksumForm, PRIORITY_OWNER, PRIORITY_RESIGN, Password, Version, Vrid};

/// The shortest time between two answers to others' advertisements (law 11).
pub const ANSWER_PAUSE: Duration = Duration::from_millis(10);

/// The mean time between two returns of an address that somebody else removes again and again.
pub const PUT_BACK_PAUSE: Duration = Duration::from_millis(20);

/// How far returns may run ahead of that: ten in a row are no reason to wait.
const PUT_BACK_AHEAD: Duration = Duration::from_millis(200);

/// How often priority 0 is sent when we give up, so that the loss of one packet does not cost the others
/// three intervals of waiting.
pub const RESIGNATIONS: u8 = 2;

/// What the configuration, the tracked things and the kernel say about a virtual router at this moment.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The instance's name, for the log.
    pub name: &'a str,
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
    pub preempt_delay: Duration,
    /// Version 2: the password.
    pub password: Option<Password>,
    /// When addresses are announced.
    pub announcements: Announcements,
    /// Where our advertisements come from: our side of a tie. `None`: no such address at the moment.
    pub source: Option<IpAddr>,
    /// Whether a tie (equal priorities) is decided by this one's address. Among virtual routers that move
    /// together only the first decides, or IPv4 and IPv6 could name different winners for ever.
    pub decides_ties: bool,
}

impl Rules<'_> {
    /// Master_Down_Interval, given the master's interval.
    #[must_use]
    pub const fn down_interval(&self, master_interval: Interval) -> Duration {
        match self.version {
            Version::V2 => self.interval.down_v2(self.priority),
            Version::V3 => master_interval.down_v3(self.priority),
        }
    }

    /// Skew_Time, given the master's interval.
    #[must_use]
    pub const fn skew(&self, master_interval: Interval) -> Duration {
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
    /// Add the virtual addresses.
    Claim,
    /// Remove the virtual addresses that we have added.
    Release,
    /// Announce every virtual address this often.
    Announce(u8),
}

/// The most actions of one verb: leaving master is two resignations and a release.
pub const ACTIONS_MAX: usize = 4;

/// The actions of one verb.
pub type Actions = Vec<Action, ACTIONS_MAX>;

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
            State::Master { advert_at, timetable, .. } => {
                Some(timetable.poll_at().map_or(*advert_at, |at| at.min(*advert_at)))
            }
        }
    }

    /// Everything that is needed is there: become backup, or, as an owner whose companions are owners too,
    /// master at once (RFC 9568 §6.4.1; ST01, ST02). Only from initialize; otherwise nothing happens.
    pub fn begin(&mut self, rules: &Rules<'_>, as_owner: bool, now: Instant, actions: &mut Actions) {
        match self.state {
            State::Initialize { .. } if as_owner && rules.priority == PRIORITY_OWNER => {
                self.take_over(rules, Cause::Owner, now, actions);
            }
            State::Initialize { .. } => {
                self.master_interval = rules.interval;
                self.watch(rules, Cause::Ready, now, actions);
            }
            State::Backup { .. } | State::Master { .. } => {}
        }
    }

    /// Something that is needed is not there, or the daemon ends: a master resigns and releases
    /// (RFC 9568 §6.4.3; ST10), a backup just stops (§6.4.2; ST03).
    pub fn halt(&mut self, rules: &Rules<'_>, fault: Fault, now: Instant, actions: &mut Actions) {
        match self.state {
            State::Initialize { fault: before } if before == fault => {}
            State::Initialize { .. } | State::Backup { .. } | State::Master { .. } => {
                self.resign(actions);
                self.enter(rules, State::Initialize { fault }, Cause::Fault(fault), now, actions);
            }
        }
    }

    /// The down timer has run out here and in everything that moves together with us: become master
    /// (RFC 9568 §6.4.2; ST04). Only from backup.
    pub fn promote(&mut self, rules: &Rules<'_>, now: Instant, actions: &mut Actions) {
        match self.state {
            State::Backup { .. } => {
                let cause = match self.heard {
                    None => Cause::Silence(None),
                    Some(Heard { priority: PRIORITY_RESIGN, address, .. }) => Cause::Resigned(address),
                    Some(Heard { address, at, .. })
                        if now >= at + rules.down_interval(self.master_interval) =>
                    {
                        Cause::Silence(Some(address))
                    }
                    Some(Heard { address, priority, .. }) if priority < rules.priority => {
                        Cause::Preempts(address, priority)
                    }
                    Some(Heard { address, .. }) => Cause::Silence(Some(address)),
                };
                self.take_over(rules, cause, now, actions);
            }
            State::Initialize { .. } | State::Master { .. } => {}
        }
    }

    /// The master of a companion has resigned. Routers that move together resign together, so ours is probably gone
    /// as well: one more interval, in which it would be heard if it is not, and the skew. Only in backup.
    pub fn doubt(&mut self, rules: &Rules<'_>, now: Instant) {
        if let State::Backup { down_at, .. } = &mut self.state {
            let doubtful = now + self.master_interval.duration() + rules.skew(self.master_interval);
            *down_at = (*down_at).min(doubtful);
        }
    }

    /// A companion lost its mastership: resign and become backup. Only from master.
    pub fn demote(&mut self, rules: &Rules<'_>, now: Instant, actions: &mut Actions) {
        match self.state {
            State::Master { .. } => {
                self.resign(actions);
                self.watch(rules, Cause::Companion, now, actions);
            }
            State::Initialize { .. } | State::Backup { .. } => {}
        }
    }

    /// An advertisement that passed [`admission`](super::admission).
    pub fn receive(
        &mut self,
        rules: &Rules<'_>,
        advert: &Advert<'_>,
        from: IpAddr,
        now: Instant,
        actions: &mut Actions,
    ) {
        match self.state {
            // RFC 9568 §6.4.1 knows no such event (RX25); the router counts it and does not call.
            State::Initialize { .. } => {}
            State::Backup { .. } => self.receive_as_backup(rules, advert, from, now),
            State::Master { advert_at, .. } => {
                // While we were stopped for longer than the others wait, one of them took over by right: step
                // back and let it be, pre-empting later if that is configured. The owner's claim never ends.
                let away = rules.down_interval(rules.interval);
                let may_have_lost = advert.priority != PRIORITY_RESIGN && rules.priority != PRIORITY_OWNER;
                if may_have_lost && now > advert_at + away {
                    self.note(rules, advert, from, now);
                    self.watch(rules, Cause::Asleep(from), now, actions);
                } else {
                    self.receive_as_master(rules, advert, from, now, actions);
                }
            }
        }
    }

    /// The time of [`VirtualRouter::poll_at`] has come. A backup whose master is silent only notes it:
    /// [`VirtualRouter::promote`] follows when its companions agree.
    pub fn timer(&mut self, rules: &Rules<'_>, now: Instant, actions: &mut Actions) {
        match &mut self.state {
            State::Initialize { .. } => {}
            State::Backup { down_at, silent, .. } => *silent |= *down_at <= now,
            State::Master { advert_at, .. } => {
                if *advert_at <= now {
                    // The next one is due an interval after this one was due, so nothing drifts; what was
                    // missed by more than an interval is skipped (law 12; ST11).
                    let next = *advert_at + rules.interval.duration();
                    *advert_at = if next > now { next } else { now + rules.interval.duration() };
                    self.advertise(rules.priority, actions);
                }
                self.announce_if_due(rules, now, actions);
            }
        }
    }

    /// An address of ours was removed by somebody else. Put it back at once and announce it; mastership is kept.
    /// `false`: that was done too often lately (see [`PUT_BACK_PAUSE`]), and whoever removes it is let wait.
    pub fn put_back(&mut self, rules: &Rules<'_>, now: Instant, actions: &mut Actions) -> bool {
        match &mut self.state {
            State::Master { put_back_until, .. } if *put_back_until > now + PUT_BACK_AHEAD => return false,
            State::Master { put_back_until, .. } => {
                *put_back_until = (*put_back_until).max(now) + PUT_BACK_PAUSE;
                count(&mut self.counters.put_back);
                push(actions, Action::Claim);
                self.announce_again(rules, now, actions);
            }
            State::Initialize { .. } | State::Backup { .. } => {}
        }
        true
    }

    /// Hosts may have learned something else: announce again, at most once a second. Only as master.
    pub fn announce_again(&mut self, rules: &Rules<'_>, now: Instant, actions: &mut Actions) {
        if let State::Master { timetable, .. } = &mut self.state {
            timetable.provoke(now);
        }
        self.announce_if_due(rules, now, actions);
    }

    /// The configuration has changed. A master goes on with the new rules, and with a shorter interval at
    /// once; a backup's timer stays as it is.
    pub fn adopt(&mut self, rules: &Rules<'_>, now: Instant) {
        match &mut self.state {
            State::Master { advert_at, .. } => {
                *advert_at = (*advert_at).min(now + rules.interval.duration());
            }
            State::Initialize { .. } => self.master_interval = rules.interval,
            State::Backup { .. } => {}
        }
    }

    /// RFC 9568 §6.4.2, (420) and following.
    fn receive_as_backup(&mut self, rules: &Rules<'_>, advert: &Advert<'_>, from: IpAddr, now: Instant) {
        self.note(rules, advert, from, now);
        let master_interval = self.learned(rules, advert);
        let State::Backup { down_at, silent, preempt_at } = &mut self.state else { return };

        if advert.priority == PRIORITY_RESIGN {
            // Skew_Time, from now (ST06, TM08); never later than it was due, so that a stream of
            // resignations cannot put a takeover off for ever.
            *down_at = (*down_at).min(now + rules.skew(self.master_interval));
            *preempt_at = None;
            return;
        }
        let rightful = advert.priority >= rules.priority || !rules.preempt;
        let suffered = !rightful && rules.preempt_delay > Duration::ZERO && {
            // Armed once, by the first losing advertisement (ST21).
            let until = *preempt_at.get_or_insert(now + rules.preempt_delay);
            now < until
        };
        if rightful {
            *preempt_at = None;
        }
        let until = now + rules.down_interval(master_interval);
        // Otherwise it is discarded and the timer runs on (ST08). One that is only suffered does not shorten the
        // wait for a better one with a longer interval.
        if rightful || (suffered && until > *down_at) {
            self.master_interval = master_interval;
            *silent = false;
            *down_at = until;
        }
    }

    /// RFC 9568 §6.4.3, (700) and following.
    fn receive_as_master(
        &mut self,
        rules: &Rules<'_>,
        advert: &Advert<'_>,
        from: IpAddr,
        now: Instant,
        actions: &mut Actions,
    ) {
        self.note(rules, advert, from, now);
        if advert.priority == PRIORITY_RESIGN {
            self.answer(rules, true, now, actions);
            // It was master beside us, and hosts may have learned it (ST22).
            if let State::Master { timetable, .. } = &mut self.state {
                timetable.provoke(now);
            }
            return;
        }
        let loses = rules.source.is_some_and(|address| {
            let ours = Candidate { priority: rules.priority, address };
            let theirs = Candidate { priority: advert.priority, address: from };
            election::compare(ours, theirs) == Ordering::Less
        });
        if loses && !self.leaves_tie_to_companion(rules, advert, now) {
            // The better one may never have heard of us, as after a partition, and hosts may have learned us: say
            // once more that we were here, so that it announces itself again (ST22).
            self.advertise(rules.priority, actions);
            self.master_interval = self.learned(rules, advert);
            self.watch(rules, Cause::Better(from, advert.priority), now, actions);
            return;
        }
        count(&mut self.counters.contended);
        let total = self.counters.contended;
        if total.is_power_of_two() {
            let (name, vrid, priority) = (rules.name, rules.vrid, advert.priority);
            let from = ip::text(from);
            info!("{name}/{vrid}: {from} believes to be master, with priority {priority} ({total} so far)");
        }
        // Version 2 is silent (RFC 3768 §6.4.3; ST15), version 3 answers at once without touching its timer
        // (RFC 9568 §6.4.3; ST16), so that the other steps back before the next interval.
        match rules.version {
            Version::V2 => {}
            Version::V3 => self.answer(rules, false, now, actions),
        }
        // Hosts may have learned the other one: announce again when it has had time to go (ST22).
        if let State::Master { timetable, .. } = &mut self.state {
            timetable.provoke(now + rules.interval.duration());
        }
    }

    /// Whether a lost tie is left to the companion that decides ties, for one down interval at most: if the
    /// contender is still there then, it is no router that moves together as we do, and we give way.
    fn leaves_tie_to_companion(&mut self, rules: &Rules<'_>, advert: &Advert<'_>, now: Instant) -> bool {
        let State::Master { tie_until, .. } = &mut self.state else { return false };
        if rules.decides_ties || advert.priority != rules.priority {
            return false;
        }
        let grace = rules.down_interval(rules.interval);
        match *tie_until {
            Some(until) if now > until + grace => *tie_until = Some(now + grace), // another tie, later
            Some(until) => return now < until,
            None => *tie_until = Some(now + grace),
        }
        true
    }

    /// Advertises at once, at most once per [`ANSWER_PAUSE`]; `restarts` says whether the timer starts anew
    /// (RFC 9568 §6.4.3: for priority 0, ST12, but not for a losing advertisement, ST16).
    fn answer(&mut self, rules: &Rules<'_>, restarts: bool, now: Instant, actions: &mut Actions) {
        let State::Master { advert_at, answer_after, .. } = &mut self.state else { return };
        if now < *answer_after {
            return;
        }
        *answer_after = now + ANSWER_PAUSE;
        if restarts {
            *advert_at = now + rules.interval.duration();
        }
        self.advertise(rules.priority, actions);
    }

    /// Send, claim, announce, in this order (RFC 9568 §6.4.1, §6.4.2; ST01, ST04).
    fn take_over(&mut self, rules: &Rules<'_>, cause: Cause, now: Instant, actions: &mut Actions) {
        let (timetable, first) = Timetable::begin(&rules.announcements, now);
        self.advertise(rules.priority, actions);
        push(actions, Action::Claim);
        push(actions, Action::Announce(first));
        count(&mut self.counters.announced);
        let advert_at = now + rules.interval.duration();
        let state =
            State::Master { advert_at, answer_after: now, put_back_until: now, tie_until: None, timetable };
        self.enter(rules, state, cause, now, actions);
    }

    /// Become backup with the full down interval (RFC 9568 §6.4.1, §6.4.3).
    fn watch(&mut self, rules: &Rules<'_>, cause: Cause, now: Instant, actions: &mut Actions) {
        let down_at = now + rules.down_interval(self.master_interval);
        let state = State::Backup { down_at, silent: false, preempt_at: None };
        self.enter(rules, state, cause, now, actions);
    }

    /// The one place where a virtual router's state changes.
    fn enter(&mut self, rules: &Rules<'_>, state: State, cause: Cause, now: Instant, actions: &mut Actions) {
        let (before, after) = (self.phase(), state.phase());
        if before == Phase::Master {
            count(&mut self.counters.released_master);
            push(actions, Action::Release);
        }
        if after == Phase::Master {
            count(&mut self.counters.became_master);
        }
        if after == Phase::Initialize {
            self.heard = None;
        }
        self.state = state;
        self.since = now;
        self.cause = cause;
        let family = match rules.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        info!("{}/{} {family}: {before} -> {after} ({cause})", rules.name, rules.vrid);
    }

    /// What a master says before it goes.
    fn resign(&mut self, actions: &mut Actions) {
        match self.state {
            State::Master { .. } => {
                for _ in 0..RESIGNATIONS {
                    self.advertise(PRIORITY_RESIGN, actions);
                }
            }
            State::Initialize { .. } | State::Backup { .. } => {}
        }
    }

    fn advertise(&mut self, priority: u8, actions: &mut Actions) {
        count(&mut self.counters.sent);
        if priority == PRIORITY_RESIGN {
            count(&mut self.counters.sent_zero);
        }
        push(actions, Action::Advertise(priority));
    }

    fn announce_if_due(&mut self, rules: &Rules<'_>, now: Instant, actions: &mut Actions) {
        let State::Master { timetable, .. } = &mut self.state else { return };
        let due = timetable.due(&rules.announcements, now);
        if due > 0 {
            count(&mut self.counters.announced);
            push(actions, Action::Announce(due));
        }
    }

    /// Active_Adver_Interval after this advertisement (TM05, TM06).
    const fn learned(&self, rules: &Rules<'_>, advert: &Advert<'_>) -> Interval {
        match rules.version {
            Version::V2 => rules.interval,
            Version::V3 => advert.interval,
        }
    }

    fn note(&mut self, rules: &Rules<'_>, advert: &Advert<'_>, from: IpAddr, now: Instant) {
        count(&mut self.counters.received);
        if advert.priority == PRIORITY_RESIGN {
            count(&mut self.counters.received_zero);
        }
        if advert.interval != rules.interval {
            // Version 3 learns it; a mismatch is worth a line all the same (RFC 9568 §7.1; RX18).
            count(&mut self.counters.other_interval);
            let (theirs, total) = (advert.interval.centis(), self.counters.other_interval);
            if total.is_power_of_two() {
                let from = ip::text(from);
                info!("{}/{}: {from} advertises every {theirs} cs ({total} so far)", rules.name, rules.vrid);
            }
        }
        self.heard = Some(Heard {
            address: from,
            priority: advert.priority,
            interval: advert.interval,
            checksum: advert.checksum,
            at: now,
        });
    }
}

/// [`ACTIONS_MAX`] is the proved bound, so there is always room; the golden table tries every pair.
fn push(actions: &mut Actions, action: Action) {
    let pushed = actions.push(action);
    debug_assert!(pushed.is_ok(), "a verb has more actions than ACTIONS_MAX");
}
