//! One probe, sans-IO: something that is tried again and again, and is up or down.
//!
//! No clock, no process, no socket: whoever owns it starts a try when [`Probe::timer`] says so, and hands in its
//! [`Probe::ended`]. Tries are due at absolute moments, one interval apart, and never overlap: one that has not ended
//! by its timeout counts as failed, and so does every turn that it goes on to block.

use core::time::Duration;

use crate::time::Instant;

pub mod http;

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

    /// Tries at once, if it has not begun; until it has risen, it counts as down if it `starts_down`.
    pub const fn begin(&mut self, now: Instant, starts_down: bool) {
        if let State::Idle = self.state {
            self.state = State::Waiting { due_at: now };
            if starts_down {
                self.standing = Standing::Down;
            }
        }
    }

    /// When to call [`Probe::timer`] at the latest.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
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
                self.state = State::Overdue { due_at: next_from(due_at, now, rules) };
                outcome.turned = self.count(false, rules);
            }
            State::Overdue { due_at } if due_at <= now => {
                self.state = State::Overdue { due_at: next(due_at, now, rules) };
                outcome.turned = self.count(false, rules);
            }
            State::Idle | State::Waiting { .. } | State::Trying { .. } | State::Overdue { .. } => {}
        }
        outcome
    }

    /// The try that goes on has ended. `true`: the standing is another one.
    pub fn ended(&mut self, is_success: bool, rules: &Rules) -> bool {
        match self.state {
            State::Idle | State::Waiting { .. } => false,
            State::Trying { due_at, .. } => {
                self.state = State::Waiting { due_at };
                self.count(is_success, rules)
            }
            State::Overdue { due_at } => {
                self.state = State::Waiting { due_at };
                false
            }
        }
    }

    /// The first result decides; from then on it takes `rise` or `fall` in a row to turn.
    fn count(&mut self, is_success: bool, rules: &Rules) -> bool {
        let result = if is_success { Standing::Up } else { Standing::Down };
        if self.standing == result {
            self.streak = 0;
            return false;
        }
        self.streak = self.streak.saturating_add(1);
        let needed = match self.standing {
            Standing::Unknown => 1,
            Standing::Up => rules.fall,
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

    const RULES: Rules = Rules { interval_secs: 5, timeout_secs: 2, rise: 2, fall: 3 };

    fn at(secs: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(secs))
    }

    fn begun() -> Probe {
        let mut probe = Probe::NEW;
        probe.begin(at(10), false);
        probe
    }

    #[test]
    fn a_new_probe_waits_to_be_begun() {
        let mut probe = Probe::NEW;
        assert_eq!(probe.poll_at(), None);
        assert_eq!(probe.timer(at(10), &RULES), Outcome { starts: false, turned: false });
        assert!(!probe.ended(true, &RULES));
        assert_eq!(probe.standing(), Standing::Unknown);
    }

    #[test]
    fn the_first_result_decides_and_later_ones_need_company() {
        for first in [true, false] {
            let mut probe = begun();
            assert!(probe.timer(at(10), &RULES).starts);
            assert!(probe.ended(first, &RULES));
            let mut results = 0;
            for turn in 3.. {
                probe.timer(at(turn * 5), &RULES);
                results += 1;
                if probe.ended(!first, &RULES) {
                    break;
                }
            }
            assert_eq!(results, if first { RULES.fall } else { RULES.rise });
        }
    }

    #[test]
    fn one_that_starts_down_must_rise() {
        let mut probe = Probe::NEW;
        probe.begin(at(10), true);
        assert_eq!(probe.standing(), Standing::Down);
        probe.timer(at(10), &RULES);
        assert!(!probe.ended(true, &RULES));
        probe.timer(at(15), &RULES);
        assert!(probe.ended(true, &RULES));
        probe.begin(at(20), true);
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
        assert!(probe.ended(true, &rules));
        assert_eq!(probe.poll_at(), Some(at(15)));
        assert!(probe.timer(at(21), &rules).starts);
    }
}
