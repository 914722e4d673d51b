//! One probe, sans-IO: something that is tried again and again, and is up or down.
//!
//! No clock, no process, no socket: whoever owns it starts a try when [`Probe::timer`] says so, and hands in its
//! [`Probe::ended`]. Tries are due at absolute moments, one interval apart, and never overlap: one that has not ended
//! by its timeout counts as failed, and so does every turn that it goes on to block.

use core::time::Duration;

use crate::time::Instant;

pub mod dns;
pub mod http;
pub mod md5;
pub mod smtp;

/// What a probe is asked to do, in force at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Seconds from one try to the next, at least 1.
    pub interval_secs: u16,
    /// Seconds after which a try counts as failed, at least 1.
    pub timeout_secs: u16,
    /// Successes in a row that make it up, at least 1.
    pub rise: u8,
    /// Failures in a row that make it down, at least 1.
    pub fall: u8,
    /// Seconds from a failure that does not make it down to the next try; 0: as after any other try.
    pub retry_secs: u16,
}

/// How a probe stands before its first result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Start {
    /// Nothing is known. The first, so that a table of these is all zeros.
    #[default]
    Unknown,
    /// It is down until it has risen.
    Down,
    /// It is up until it has fallen.
    Up,
}

/// How a probe stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Standing {
    /// No try has ended yet. The first, so that a table of these is all zeros.
    Unknown,
    /// What is tried works.
    Up,
    /// It does not.
    Down,
}

impl Standing {
    /// The word for it in logs and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Where the tries stand, each state with its deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not begun.
    Idle,
    /// Begun, and not tried for now.
    Suspended,
    /// Between two tries.
    Waiting { due_at: Instant },
    /// A try goes on; the next one is due at `due_at`.
    Trying { ends_at: Instant, due_at: Instant },
    /// A try has been given up, and counted, and its end has not been told.
    Overdue { due_at: Instant },
}

/// One probe. A new one is all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    state: State,
    standing: Standing,
    /// Results in a row that speak against the standing.
    streak: u8,
}

/// What a timer has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// A try is to be started, and given up after the timeout.
    pub starts: bool,
    /// The standing is another one.
    pub turned: bool,
}

impl Probe {
    /// A probe of which nothing is known and nothing is tried.
    pub const NEW: Self = Self { state: State::Idle, standing: Standing::Unknown, streak: 0 };

    /// How it stands.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Tries for the first time `after` a while, if it has not begun.
    pub fn begin(&mut self, now: Instant, start: Start, after: Duration) {
        if let State::Idle = self.state {
            self.state = State::Waiting { due_at: now + after };
            self.standing = match start {
                Start::Unknown => Standing::Unknown,
                Start::Down => Standing::Down,
                Start::Up => Standing::Up,
            };
        }
    }

    /// Tries no more for now, and stands as it stood. What a try that goes on brings is not heard.
    pub const fn suspend(&mut self) {
        if !matches!(self.state, State::Idle) {
            self.state = State::Suspended;
        }
    }

    /// Tries again at once, if it was suspended.
    pub const fn resume(&mut self, now: Instant) {
        if let State::Suspended = self.state {
            self.state = State::Waiting { due_at: now };
        }
    }

    /// When to call [`Probe::timer`] at the latest.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        match self.state {
            State::Idle | State::Suspended => None,
            State::Waiting { due_at } | State::Overdue { due_at } => Some(due_at),
            State::Trying { ends_at, .. } => Some(ends_at),
        }
    }

    /// Time has passed. Before [`Probe::poll_at`] nothing happens.
    pub fn timer(&mut self, now: Instant, rules: &Rules) -> Outcome {
        let mut outcome = Outcome { starts: false, turned: false };
        match self.state {
            State::Waiting { due_at } if due_at <= now => {
                let ends_at = now + secs(rules.timeout_secs);
                self.state = State::Trying { ends_at, due_at: next(due_at, now, rules) };
                outcome.starts = true;
            }
            State::Trying { ends_at, due_at } if ends_at <= now => {
                outcome.turned = self.count(false, rules);
                let due_at = self.retry_at(now, rules).unwrap_or(next_from(due_at, now, rules));
                self.state = State::Overdue { due_at };
            }
            State::Overdue { due_at } if due_at <= now => {
                outcome.turned = self.count(false, rules);
                let due_at = self.retry_at(now, rules).unwrap_or(next(due_at, now, rules));
                self.state = State::Overdue { due_at };
            }
            State::Idle
            | State::Suspended
            | State::Waiting { .. }
            | State::Trying { .. }
            | State::Overdue { .. } => {}
        }
        outcome
    }

    /// The try that goes on has ended. `true`: the standing is another one.
    pub fn ended(&mut self, now: Instant, is_success: bool, rules: &Rules) -> bool {
        match self.state {
            State::Idle | State::Suspended | State::Waiting { .. } => false,
            State::Trying { due_at, .. } => {
                let turned = self.count(is_success, rules);
                let due_at = if is_success { due_at } else { self.retry_at(now, rules).unwrap_or(due_at) };
                self.state = State::Waiting { due_at };
                turned
            }
            State::Overdue { due_at } => {
                self.state = State::Waiting { due_at };
                false
            }
        }
    }

    /// The try that was to be started could not be made, which says nothing of what is tried: it is due again soon.
    pub fn postponed(&mut self, now: Instant) {
        match self.state {
            State::Idle | State::Suspended | State::Waiting { .. } => {}
            State::Trying { due_at, .. } | State::Overdue { due_at } => {
                self.state = State::Waiting { due_at: due_at.min(now + POSTPONED) };
            }
        }
    }

    /// When to try again after a failure that has just been counted, if that is another moment than after any other try.
    fn retry_at(&self, now: Instant, rules: &Rules) -> Option<Instant> {
        let has_fallen = self.standing == Standing::Down;
        (rules.retry_secs > 0 && !has_fallen).then(|| now + secs(rules.retry_secs))
    }

    /// The first result decides, unless it is a failure after which there are retries; from then on it takes `rise` or
    /// `fall` in a row to turn.
    fn count(&mut self, is_success: bool, rules: &Rules) -> bool {
        let result = if is_success { Standing::Up } else { Standing::Down };
        if self.standing == result {
            self.streak = 0;
            return false;
        }
        self.streak = self.streak.saturating_add(1);
        let needed = match self.standing {
            Standing::Unknown if is_success || rules.retry_secs == 0 => 1,
            Standing::Unknown | Standing::Up => rules.fall,
            Standing::Down => rules.rise,
        };
        if self.streak < needed {
            return false;
        }
        self.standing = result;
        self.streak = 0;
        true
    }
}

/// After how long a try is due again that could not be made.
const POSTPONED: Duration = Duration::from_secs(1);

fn secs(secs: u16) -> Duration {
    Duration::from_secs(u64::from(secs))
}

/// One interval after the last was due; what was missed is skipped, not made up for.
fn next(due_at: Instant, now: Instant, rules: &Rules) -> Instant {
    next_from(due_at + secs(rules.interval_secs), now, rules)
}

/// `due_at`, or, where that has passed by more than an interval, an interval from now.
fn next_from(due_at: Instant, now: Instant, rules: &Rules) -> Instant {
    if due_at + secs(rules.interval_secs) <= now { now + secs(rules.interval_secs) } else { due_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { interval_secs: 5, timeout_secs: 2, rise: 2, fall: 3, retry_secs: 0 };

    fn at(secs: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(secs))
    }

    fn begun() -> Probe {
        let mut probe = Probe::NEW;
        probe.begin(at(10), Start::Unknown, Duration::ZERO);
        probe
    }

    #[test]
    fn a_new_probe_waits_to_be_begun() {
        let mut probe = Probe::NEW;
        assert_eq!(probe.poll_at(), None);
        assert_eq!(probe.timer(at(10), &RULES), Outcome { starts: false, turned: false });
        assert!(!probe.ended(at(10), true, &RULES));
        assert_eq!(probe.standing(), Standing::Unknown);
    }

    #[test]
    fn the_first_result_decides_and_later_ones_need_company() {
        for first in [true, false] {
            let mut probe = begun();
            assert!(probe.timer(at(10), &RULES).starts);
            assert!(probe.ended(at(10), first, &RULES));
            let mut results = 0;
            for turn in 3.. {
                probe.timer(at(turn * 5), &RULES);
                results += 1;
                if probe.ended(at(turn * 5), !first, &RULES) {
                    break;
                }
            }
            assert_eq!(results, if first { RULES.fall } else { RULES.rise });
        }
    }

    #[test]
    fn one_that_is_suspended_stands_as_it_stood_until_it_is_resumed() {
        let mut probe = begun();
        probe.suspend();
        assert_eq!(probe.poll_at(), None);
        probe.resume(at(11));
        assert!(probe.timer(at(11), &RULES).starts);
        probe.suspend();
        assert!(!probe.ended(at(12), false, &RULES), "a try that was under way is not heard");
        probe.begin(at(13), Start::Down, Duration::ZERO);
        assert_eq!((probe.standing(), probe.poll_at()), (Standing::Unknown, None), "it has begun before");
        probe.resume(at(14));
        probe.resume(at(15));
        assert_eq!(probe.poll_at(), Some(at(14)));
        let mut new = Probe::NEW;
        new.suspend();
        new.resume(at(10));
        assert_eq!(new.poll_at(), None, "it has not begun");
    }

    #[test]
    fn one_that_starts_down_must_rise() {
        let mut probe = Probe::NEW;
        probe.begin(at(10), Start::Down, Duration::ZERO);
        assert_eq!(probe.standing(), Standing::Down);
        probe.timer(at(10), &RULES);
        assert!(!probe.ended(at(10), true, &RULES));
        probe.timer(at(15), &RULES);
        assert!(probe.ended(at(15), true, &RULES));
        probe.begin(at(20), Start::Down, Duration::ZERO);
        assert_eq!(probe.standing(), Standing::Up, "it has begun already");
    }

    #[test]
    fn a_timer_before_its_time_changes_nothing() {
        let mut probe = begun();
        for now in [10, 12, 15, 20] {
            let due = probe.poll_at().unwrap();
            let before = probe;
            assert_eq!(probe.timer(at(now - 1), &RULES), Outcome { starts: false, turned: false });
            assert_eq!((probe, due), (before, at(now)));
            probe.timer(at(now), &RULES);
        }
    }

    /// One that is longer than its interval may take its time, and the next begins when it has ended.
    #[test]
    fn a_timeout_may_be_longer_than_the_interval() {
        let rules = Rules { timeout_secs: 12, ..RULES };
        let mut probe = begun();
        assert!(probe.timer(at(10), &rules).starts);
        assert_eq!(probe.poll_at(), Some(at(22)));
        assert!(probe.ended(at(22), true, &rules));
        assert_eq!(probe.poll_at(), Some(at(15)));
        assert!(probe.timer(at(21), &rules).starts);
    }

    /// keepalived's checkers: up from the beginning, and down when all retries have failed.
    #[test]
    fn one_that_starts_up_leaves_after_its_retries() {
        let rules = Rules { retry_secs: 1, ..RULES };
        let mut probe = Probe::NEW;
        probe.begin(at(10), Start::Up, Duration::ZERO);
        assert_eq!(probe.standing(), Standing::Up);
        for now in [10, 12] {
            assert!(probe.timer(at(now), &rules).starts);
            assert!(!probe.ended(at(now + 1), false, &rules));
            assert_eq!(probe.poll_at(), Some(at(now + 2)), "one second after the failure");
        }
        assert!(probe.timer(at(14), &rules).starts);
        assert!(probe.ended(at(15), false, &rules));
        assert_eq!(probe.standing(), Standing::Down);
        assert_eq!(probe.poll_at(), Some(at(19)), "one interval after the last was due");
        probe.timer(at(19), &rules);
        assert!(!probe.ended(at(20), false, &rules));
        assert_eq!(probe.poll_at(), Some(at(24)), "what is down has no retries");
    }

    #[test]
    fn a_success_ends_the_retries_and_a_timeout_begins_one() {
        let rules = Rules { retry_secs: 1, ..RULES };
        let mut probe = begun();
        probe.timer(at(10), &rules);
        assert!(!probe.ended(at(10), false, &rules), "it has retries left");
        assert_eq!((probe.standing(), probe.poll_at()), (Standing::Unknown, Some(at(11))));
        probe.timer(at(11), &rules);
        assert!(probe.ended(at(11), true, &rules));
        assert_eq!((probe.standing(), probe.poll_at()), (Standing::Up, Some(at(16))));
        probe.timer(at(16), &rules);
        assert!(!probe.timer(at(18), &rules).turned);
        assert_eq!(probe.poll_at(), Some(at(19)));
        assert!(!probe.ended(at(18), false, &rules), "it was counted at its timeout");
        assert_eq!(probe.poll_at(), Some(at(19)));
        probe.timer(at(19), &rules);
        assert!(!probe.ended(at(19), false, &rules));
        probe.timer(at(20), &rules);
        assert!(probe.ended(at(20), false, &rules));
    }

    #[test]
    fn what_could_not_be_tried_is_no_failure_and_is_tried_again_a_second_later() {
        let mut probe = begun();
        probe.timer(at(10), &RULES);
        probe.postponed(at(10));
        assert_eq!((probe.standing(), probe.poll_at()), (Standing::Unknown, Some(at(11))));
        assert!(!probe.ended(at(10), false, &RULES));
        probe.postponed(at(10));
        assert_eq!(probe.poll_at(), Some(at(11)));
        assert!(probe.timer(at(11), &RULES).starts);
        assert!(probe.ended(at(11), true, &RULES));
    }

    #[test]
    fn the_first_try_may_come_later() {
        let mut probe = Probe::NEW;
        probe.begin(at(10), Start::Unknown, Duration::from_secs(3));
        assert_eq!(probe.poll_at(), Some(at(13)));
    }
}
