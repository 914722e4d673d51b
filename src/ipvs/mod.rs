//! The kernel's table of virtual servers, sans-IO: what it is to hold, what it is known to hold, and the next step from
//! the one to the other.
//!
//! Three nouns, none of which knows the others: a [`Quorum`] says whether enough servers are left, an [`Entry`] is one
//! line of the kernel's table as it was last heard of, and a [`Round`] is a look at all of them. The table is never
//! flushed: what is there and right is left alone, so no connection is lost to a restart. Who changes it behind our back
//! is found out in the next round.

use core::time::Duration;

use crate::time::Instant;

/// How much weight must be left for a service to be up, 1 at least, and by how much more or less it takes to turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumRules {
    /// `quorum`.
    pub weight: u32,
    /// `hysteresis`, less than the weight.
    pub hysteresis: u32,
}

/// Whether enough servers are left. A new one is all zeros, and up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quorum {
    is_lost: bool,
}

impl Quorum {
    /// Nothing has failed yet.
    pub const NEW: Self = Self { is_lost: false };

    /// Whether enough are left.
    #[must_use]
    pub const fn is_up(self) -> bool {
        !self.is_lost
    }

    /// The servers that live have this weight together. `true`: that has turned it. As with keepalived, it is lost below
    /// `quorum` less `hysteresis`, and regained from `quorum` and `hysteresis` on.
    pub const fn weigh(&mut self, living: u32, rules: &QuorumRules) -> bool {
        let needed = if self.is_lost {
            rules.weight.saturating_add(rules.hysteresis)
        } else {
            rules.weight.saturating_sub(rules.hysteresis)
        };
        let was_lost = self.is_lost;
        self.is_lost = living < needed;
        was_lost != self.is_lost
    }
}

/// What the kernel is to have of a service or a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing.
    Absent,
    /// It, with this weight; of a service it means nothing.
    Present(u16),
}

/// What the kernel is known to have of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Known {
    /// It has not been asked. The first, so that a table of these is all zeros.
    Unheard,
    /// Nothing.
    Absent,
    /// Something of the same identity, and otherwise not what the configuration says.
    Different,
    /// What the configuration says, with this weight.
    Present(u16),
}

/// A request that brings the kernel nearer to what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make it.
    Add,
    /// Change it.
    Set,
    /// Remove it.
    Delete,
}

/// One line of the kernel's table. A new one is all zeros, and unheard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    known: Known,
    /// It was seen in this round.
    is_seen: bool,
}

impl Entry {
    /// The kernel has not been asked.
    pub const NEW: Self = Self { known: Known::Unheard, is_seen: false };

    /// Whether the kernel is known to have it, or something of its name.
    #[must_use]
    pub const fn is_there(self) -> bool {
        matches!(self.known, Known::Different | Known::Present(_))
    }

    /// Whether the kernel has said anything about it.
    #[must_use]
    pub const fn is_heard(self) -> bool {
        !matches!(self.known, Known::Unheard)
    }

    /// Whether the kernel may have it: it has not said that it does not.
    #[must_use]
    pub const fn may_be_there(self) -> bool {
        !matches!(self.known, Known::Absent)
    }

    /// The weight that the kernel has for it.
    #[must_use]
    pub const fn weight(self) -> Option<u16> {
        match self.known {
            Known::Present(weight) => Some(weight),
            Known::Unheard | Known::Absent | Known::Different => None,
        }
    }

    /// A list of such lines begins.
    pub const fn begin(&mut self) {
        self.is_seen = false;
    }

    /// It is in the list: as it should be, whatever its weight, or not.
    pub const fn saw(&mut self, is_right: bool, weight: u16) {
        self.is_seen = true;
        self.known = if is_right { Known::Present(weight) } else { Known::Different };
    }

    /// The list is complete.
    pub const fn end(&mut self) {
        if !self.is_seen {
            self.known = Known::Absent;
        }
    }

    /// The kernel has lost it with what it belonged to, or says so.
    pub const fn lose(&mut self) {
        self.known = Known::Absent;
    }

    /// What was thought of it is wrong, or the configuration is another one.
    pub const fn forget(&mut self) {
        self.known = Known::Unheard;
    }

    /// The request that is due, which counts as carried out from here on; of what the kernel has not said anything about,
    /// none is.
    pub fn step(&mut self, wanted: Wanted) -> Option<Step> {
        let step = match (self.known, wanted) {
            (Known::Unheard, _) | (Known::Absent, Wanted::Absent) => return None,
            (Known::Present(is), Wanted::Present(should_be)) if is == should_be => return None,
            (Known::Absent, Wanted::Present(_)) => Step::Add,
            (Known::Different | Known::Present(_), Wanted::Present(_)) => Step::Set,
            (Known::Different | Known::Present(_), Wanted::Absent) => Step::Delete,
        };
        self.known = match wanted {
            Wanted::Absent => Known::Absent,
            Wanted::Present(weight) => Known::Present(weight),
        };
        Some(step)
    }
}

/// From the end of one round to the beginning of the next. keepalived does not look again at all.
pub const PAUSE: Duration = Duration::from_secs(5);

/// The same, where something is not as it was thought to be.
pub const SOON: Duration = Duration::from_secs(1);

/// An answer that has not come by then does not come any more.
const PATIENCE: Duration = Duration::from_secs(3);

/// A look at the whole table: the services first, then the servers of each, one list at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    stage: Stage,
    /// Counts the lists, so that a late answer is told from the right one.
    list: u8,
    /// The next round begins [`SOON`].
    is_hurried: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is nothing to look at. The first, so that a new one is all zeros.
    Off,
    /// Between two rounds.
    Waiting { until: Instant },
    /// The list of services has been asked for.
    Services { until: Instant },
    /// The list of this service's servers has been asked for.
    Servers { service: u16, until: Instant },
}

/// What a [`Round`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// All services.
    Services,
    /// The servers of one.
    Servers(u16),
}

impl Round {
    /// Nothing to look at.
    pub const NEW: Self = Self { stage: Stage::Off, list: 0, is_hurried: false };

    /// When [`Round::is_due`], or a list has not come.
    #[must_use]
    pub const fn poll_at(&self) -> Option<Instant> {
        match self.stage {
            Stage::Off => None,
            Stage::Waiting { until } | Stage::Services { until } | Stage::Servers { until, .. } => {
                Some(until)
            }
        }
    }

    /// Whether the next round is to begin, or this one begins anew.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.poll_at().is_some_and(|at| at <= now)
    }

    /// Which list is being told; `None`: none that answers to this number.
    #[must_use]
    pub const fn list(&self, number: u8) -> Option<List> {
        match self.stage {
            Stage::Services { .. } if number == self.list => Some(List::Services),
            Stage::Servers { service, .. } if number == self.list => Some(List::Servers(service)),
            Stage::Off | Stage::Waiting { .. } | Stage::Services { .. } | Stage::Servers { .. } => None,
        }
    }

    /// The list that is being told, whatever its number.
    #[must_use]
    pub const fn open_list(&self) -> Option<List> {
        self.list(self.list)
    }

    /// Asks for a list; the number is what its end will bring.
    pub fn ask(&mut self, list: List, now: Instant) -> u8 {
        let until = now + PATIENCE;
        self.list = self.list.wrapping_add(1);
        self.stage = match list {
            List::Services => Stage::Services { until },
            List::Servers(service) => Stage::Servers { service, until },
        };
        self.list
    }

    /// Looks again after this time, or sooner if that was decided before.
    pub fn wait(&mut self, now: Instant, pause: Duration) {
        let until = now + pause;
        match self.stage {
            Stage::Waiting { until: before } if before <= until => {}
            Stage::Off | Stage::Waiting { .. } | Stage::Services { .. } | Stage::Servers { .. } => {
                self.stage = Stage::Waiting { until };
            }
        }
    }

    /// Looks again soon. What is being told is told to its end first: where one thing is refused in every round, the others
    /// must be heard of all the same.
    pub fn hurry(&mut self, now: Instant) {
        match self.stage {
            Stage::Off | Stage::Waiting { .. } => self.wait(now, SOON),
            Stage::Services { .. } | Stage::Servers { .. } => self.is_hurried = true,
        }
    }

    /// All lists have been told.
    pub fn rest(&mut self, now: Instant) {
        let pause = if core::mem::take(&mut self.is_hurried) { SOON } else { PAUSE };
        self.wait(now, pause);
    }

    /// There is nothing to look at any more.
    pub const fn stop(&mut self) {
        self.stage = Stage::Off;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: QuorumRules = QuorumRules { weight: 5, hysteresis: 2 };

    /// keepalived.conf(5), `quorum` and `hysteresis`.
    #[test]
    fn a_quorum_is_lost_below_its_band_and_regained_above_it() {
        let mut quorum = Quorum::NEW;
        for (living, is_up) in
            [(5, true), (3, true), (2, false), (5, false), (6, false), (7, true), (4, true)]
        {
            let before = quorum.is_up();
            assert_eq!(quorum.weigh(living, &RULES), before != is_up, "{living}");
            assert_eq!(quorum.is_up(), is_up, "{living}");
        }
        let plain = QuorumRules { weight: 1, hysteresis: 0 };
        for (living, turns) in [(0, true), (1, false)] {
            let mut quorum = Quorum::NEW;
            assert_eq!(quorum.weigh(living, &plain), turns);
        }
    }

    fn at(secs: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(secs))
    }

    const NOTHING: Wanted = Wanted::Absent;
    const ONE: Wanted = Wanted::Present(1);
    const TWO: Wanted = Wanted::Present(2);

    /// The kernel's word about it, and what is done about that for each thing wanted.
    #[test]
    fn every_step_is_the_shortest_way_to_what_is_wanted() {
        let unheard = Entry::NEW;
        let mut absent = Entry::NEW;
        absent.end();
        let (mut different, mut right) = (Entry::NEW, Entry::NEW);
        different.saw(false, 1);
        right.saw(true, 1);
        for (entry, wanted, step) in [
            (unheard, NOTHING, None),
            (unheard, ONE, None),
            (absent, NOTHING, None),
            (absent, ONE, Some(Step::Add)),
            (different, NOTHING, Some(Step::Delete)),
            (different, ONE, Some(Step::Set)),
            (right, NOTHING, Some(Step::Delete)),
            (right, ONE, None),
            (right, TWO, Some(Step::Set)),
        ] {
            let mut after = entry;
            assert_eq!(after.step(wanted), step, "{entry:?} {wanted:?}");
            assert_eq!(after.step(wanted), None, "it counts as done: {entry:?} {wanted:?}");
        }
    }

    #[test]
    fn what_a_list_leaves_out_is_not_there() {
        let mut entry = Entry::NEW;
        entry.saw(true, 1);
        entry.begin();
        assert!(entry.is_there(), "the list may still name it");
        entry.end();
        assert!(!entry.is_there() && !entry.may_be_there() && entry.is_heard());
        entry.forget();
        assert!(entry.may_be_there());
        assert_eq!(entry.step(NOTHING), None, "nothing is done about what nobody knows");
    }

    #[test]
    fn a_round_hears_of_one_list_at_a_time() {
        let mut round = Round::NEW;
        assert_eq!((round.poll_at(), round.open_list()), (None, None));
        round.wait(at(10), Duration::ZERO);
        assert!(round.is_due(at(10)));
        let first = round.ask(List::Services, at(10));
        assert_eq!(round.list(first), Some(List::Services));
        let second = round.ask(List::Servers(3), at(11));
        assert_eq!((round.list(first), round.list(second)), (None, Some(List::Servers(3))));
        assert!(!round.is_due(at(13)) && round.is_due(at(14)), "a list that does not come is given up");
        round.wait(at(12), PAUSE);
        assert_eq!((round.list(second), round.poll_at()), (None, Some(at(17))));
        round.wait(at(13), PAUSE);
        assert_eq!(round.poll_at(), Some(at(17)), "what is due sooner stays");
        round.hurry(at(13));
        assert_eq!(round.poll_at(), Some(at(14)));
        let third = round.ask(List::Services, at(14));
        round.hurry(at(14));
        assert_eq!(round.list(third), Some(List::Services), "it is told to its end");
        round.rest(at(15));
        assert_eq!(round.poll_at(), Some(at(16)));
        round.ask(List::Services, at(16));
        round.rest(at(16));
        assert_eq!(round.poll_at(), Some(at(21)));
    }
}
