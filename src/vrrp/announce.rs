//! The timetable of gratuitous ARP and unsolicited neighbour advertisements while master.
//!
//! keepalived's words: a burst of `garp_master_repeat` at once on mastership, a second one after
//! `garp_master_delay`, then one of `garp_master_refresh_repeat` every `garp_master_refresh`. Besides, a
//! contender for mastership that went away, or an address that had to be put back, asks for one more burst,
//! at most one a second however often it happens.

use crate::config::Announcements;
use crate::time::{Instant, Span, earlier, next_due};

/// The shortest time between two bursts that others can provoke (law 11).
const PROVOKED_MIN: Span = Span::from_secs(1);

/// What is still to be announced, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timetable {
    /// The rest of a burst whose announcements have a pause between them.
    rest: u8,
    rest_at: Instant,
    /// The second burst after mastership.
    second_at: Option<Instant>,
    refresh_at: Option<Instant>,
    /// Others have provoked a burst: it goes at `quiet_until`.
    is_provoked: bool,
    /// Before this, nobody provokes another burst.
    quiet_until: Instant,
}

impl Timetable {
    /// Nothing is to be announced yet.
    #[must_use]
    pub const fn idle(now: Instant) -> Self {
        Self {
            rest: 0,
            rest_at: now,
            second_at: None,
            refresh_at: None,
            is_provoked: false,
            quiet_until: now,
        }
    }

    /// The timetable of a router that has just become master, and how many announcements go out at once.
    #[must_use]
    pub fn begin(plan: &Announcements, now: Instant) -> (Self, u8) {
        let after = |secs: u16| (secs > 0).then(|| now + Span::from_secs(secs));
        let mut timetable = Self {
            rest: 0,
            rest_at: now,
            second_at: after(plan.delay_secs),
            refresh_at: after(plan.refresh_secs),
            is_provoked: false,
            quiet_until: now,
        };
        let first = timetable.burst(plan, plan.repeat, now);
        (timetable, first)
    }

    /// When [`Timetable::due`] has something to say.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        let rest_at = (self.rest > 0).then_some(self.rest_at);
        let provoked_at = self.is_provoked.then_some(self.quiet_until);
        let burst_at = earlier(self.second_at, provoked_at);
        earlier(burst_at, earlier(rest_at, self.refresh_at))
    }

    /// How many announcements are to go out now; 0 before [`Timetable::poll_at`].
    pub fn due(&mut self, plan: &Announcements, now: Instant) -> u8 {
        let mut burst = 0;
        if self.second_at.is_some_and(|at| at <= now) {
            self.second_at = None;
            burst = plan.repeat;
        }
        if let Some(at) = self.refresh_at.filter(|at| *at <= now) {
            let period = Span::from_secs(plan.refresh_secs.max(1));
            self.refresh_at = (plan.refresh_secs > 0).then(|| next_due(at, period, now));
            burst = burst.max(plan.refresh_repeat);
        }
        if self.is_provoked && self.quiet_until <= now {
            self.is_provoked = false;
            self.quiet_until = now + PROVOKED_MIN;
            burst = burst.max(plan.repeat);
        }
        if burst > 0 {
            return self.burst(plan, burst, now);
        }
        if self.rest > 0 && self.rest_at <= now {
            return self.burst(plan, self.rest, now);
        }
        0
    }

    /// Nothing more is to be announced.
    pub fn end(&mut self) {
        self.rest = 0;
        self.second_at = None;
        self.refresh_at = None;
        self.is_provoked = false;
    }

    /// Others gave hosts a reason to believe something else: announce again at `at`, or a second after the last time
    /// that this was done if that is later. So those who took over together are corrected as soon as one of them has
    /// won. A burst that is already asked for is not put off.
    pub fn provoke(&mut self, at: Instant) {
        if !self.is_provoked {
            self.is_provoked = true;
            self.quiet_until = self.quiet_until.max(at);
        }
    }

    /// Begins or continues a burst of `count` and returns how many of it go out now.
    fn burst(&mut self, plan: &Announcements, count: u8, now: Instant) -> u8 {
        if plan.interval_ms == 0 {
            self.rest = 0;
            return count;
        }
        self.rest = count.saturating_sub(1);
        self.rest_at = now + Span::from_millis(u32::from(plan.interval_ms));
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn at_ms(ms: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(ms))
    }

    /// Runs the timetable to `end` and lists (milliseconds, announcements).
    fn run(mut timetable: Timetable, plan: &Announcements, end_ms: u64) -> std::vec::Vec<(u64, u8)> {
        let mut log = std::vec::Vec::new();
        while let Some(at) = timetable.poll_at().filter(|at| *at <= at_ms(end_ms)) {
            let before = Instant::from_origin(at.since_origin() - Duration::from_nanos(1));
            let mut early = timetable;
            assert_eq!(early.due(plan, before), 0, "nothing is due before its time");
            assert_eq!(early, timetable, "and asking early changes nothing");
            log.push((u64::try_from(at.since_origin().as_millis()).unwrap(), timetable.due(plan, at)));
        }
        log
    }

    /// RFC 9568 §6.4.2, keepalived's garp_master_repeat and garp_master_delay.
    #[test]
    fn ad11_a_burst_goes_out_at_once_and_another_after_the_delay() {
        let plan = Announcements::default();
        let (timetable, first) = Timetable::begin(&plan, at_ms(0));
        assert_eq!(first, 5);
        assert_eq!(run(timetable, &plan, 3_600_000), [(5000, 5)]);
    }

    #[test]
    fn delay_zero_means_no_second_burst() {
        let plan = Announcements { delay_secs: 0, ..Announcements::default() };
        let (timetable, _) = Timetable::begin(&plan, at_ms(0));
        assert_eq!(timetable.poll_at(), None);
    }

    #[test]
    fn refreshes_keep_their_period() {
        let plan =
            Announcements { delay_secs: 0, refresh_secs: 60, refresh_repeat: 2, ..Announcements::default() };
        let (timetable, _) = Timetable::begin(&plan, at_ms(0));
        assert_eq!(run(timetable, &plan, 180_000), [(60_000, 2), (120_000, 2), (180_000, 2)]);
    }

    /// After a stall of ten minutes there is one refresh, not ten.
    #[test]
    fn missed_refreshes_are_not_made_up() {
        let plan = Announcements { delay_secs: 0, refresh_secs: 60, ..Announcements::default() };
        let (mut timetable, _) = Timetable::begin(&plan, at_ms(0));
        assert_eq!(timetable.due(&plan, at_ms(600_500)), 1);
        assert_eq!(timetable.poll_at(), Some(at_ms(660_500)));
    }

    #[test]
    fn garp_interval_spreads_a_burst() {
        let plan = Announcements { repeat: 3, delay_secs: 1, interval_ms: 20, ..Announcements::default() };
        let (timetable, first) = Timetable::begin(&plan, at_ms(0));
        assert_eq!(first, 1);
        assert_eq!(run(timetable, &plan, 5000), [(20, 1), (40, 1), (1000, 1), (1020, 1), (1040, 1)]);
    }

    /// Law 11: however often it is provoked, at most one burst a second; and none is put off for ever.
    #[test]
    fn law_11_provoked_announcements_are_rate_limited() {
        let plan = Announcements { delay_secs: 0, ..Announcements::default() };
        let (mut timetable, _) = Timetable::begin(&plan, at_ms(0));
        let mut bursts = 0;
        for ms in 0..10_000 {
            timetable.provoke(at_ms(ms));
            bursts += u32::from(timetable.due(&plan, at_ms(ms)) > 0);
        }
        assert!((8..=10).contains(&bursts), "{bursts}");
    }

    /// Two that take over in the same moment both announce, and the last word has to be the winner's.
    #[test]
    fn the_first_that_is_provoked_goes_at_once_though_the_router_has_just_taken_over() {
        let plan = Announcements { delay_secs: 0, ..Announcements::default() };
        let (mut timetable, _) = Timetable::begin(&plan, at_ms(0));
        timetable.provoke(at_ms(10));
        timetable.provoke(at_ms(5));
        assert_eq!(run(timetable, &plan, 10_000), [(10, 5)]);
        timetable.due(&plan, at_ms(10));
        timetable.provoke(at_ms(20));
        assert_eq!(run(timetable, &plan, 10_000), [(1010, 5)]);
    }
}
