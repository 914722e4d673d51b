//! What a pair does while nothing happens to it: what it costs, and how exactly the adverts leave.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use crate::daemon::{Kind, Router};
use crate::figures::{Figures, ms, ms_after};
use crate::harness::{Frame, now};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::table::{Cell, number};
use crate::turns::anew;

/// What one daemon did.
pub(crate) struct State {
    /// Processor time of the master and of the backup.
    time: [Duration; 2],
    span: Duration,
    sent: usize,
    /// Milliseconds.
    periods: Figures,
    missed: u64,
    /// Adverts of the backup.
    wrong: usize,
    /// Milliseconds from advert to advert, as intended.
    nominal: f64,
}

/// Watches every daemon that can, in turn; `work` begins anew each time.
pub(crate) fn states(
    plan: &Plan,
    what: &str,
    intent: &Intent,
    work: impl FnMut(Kind) -> State,
) -> [Option<State>; 3] {
    let found = anew(what, intent, plan.batches(), work);
    found.map(|states| states.into_iter().reduce(State::and))
}

impl State {
    /// Watches the pair while this is done.
    pub(crate) fn watch(pair: &mut Pair, pass: impl FnOnce()) -> Self {
        let ids: Vec<_> = pair.routers.iter_mut().map(Router::ids).collect();
        let time = || ids.iter().map(|ids| cpu_time(ids)).collect::<Vec<_>>();
        let (before, from) = (time(), now());
        pass();
        let (after, to) = (time(), now());
        pair.wait_recorded(to);
        let adverts = adverts(&pair.capture.between(from, to), pair.master().port.index());
        assert!(adverts.len() > 1, "the master speaks");
        // Nobody's where the master is alone.
        let time = [0, 1].map(|which| {
            let ends = before.get(which).zip(after.get(which));
            ends.map(|(before, after)| after.saturating_sub(*before)).unwrap_or_default()
        });
        Self {
            time,
            span: to - from,
            sent: adverts.len(),
            periods: periods(&adverts),
            missed: missing(&adverts, &pair.intent, from, to),
            wrong: pair.false_adverts(from, to),
            nominal: ms(pair.intent.interval),
        }
    }

    /// This and another time together.
    fn and(self, other: Self) -> Self {
        Self {
            time: [0, 1].map(|which| self.time[which] + other.time[which]),
            span: self.span + other.span,
            sent: self.sent + other.sent,
            periods: Figures::new([self.periods.all(), other.periods.all()].concat()),
            missed: self.missed + other.missed,
            wrong: self.wrong + other.wrong,
            nominal: self.nominal,
        }
    }

    /// Milliseconds of processor time in a minute, of the master (0) or of the backup (1).
    pub(crate) fn cpu(&self, which: usize) -> f64 {
        ms(self.time[which]) / (self.span.as_secs_f64() / 60.0)
    }

    /// Microseconds for each advert.
    pub(crate) fn each(&self, which: usize) -> f64 {
        ms(self.time[which]) * 1000.0 / self.sent as f64
    }

    pub(crate) fn cost(&self, which: usize) -> Cell {
        Cell::noted(self.cpu(which), format!("{} µs an advert", number(self.each(which))))
    }

    /// How far the mean period is off its nominal, in percent.
    pub(crate) fn drift(&self) -> Cell {
        let mean = self.periods.mean().expect("there are periods");
        Cell::new((mean / self.nominal - 1.0).abs() * 100.0)
    }

    /// The standard deviation of the period.
    pub(crate) fn jitter(&self) -> Cell {
        let off = self.periods.all().iter().map(|period| (period - self.nominal).abs()).collect();
        let p99 = Figures::new(off).p99().expect("there are periods");
        let deviation = self.periods.deviation().expect("there are periods");
        Cell::noted(deviation, format!("p99 off {}", number(p99)))
    }

    pub(crate) fn missed(&self) -> Cell {
        let note = match self.wrong {
            0 => String::new(),
            wrong => format!("and {wrong} of the backup"),
        };
        Cell::noted(self.missed as f64, note)
    }
}

/// The adverts of a port: of which virtual router, and when.
pub(crate) fn adverts(frames: &[Frame], port: u32) -> Vec<(u8, Duration)> {
    let ours = frames.iter().filter(|frame| frame.port == port);
    ours.filter_map(|frame| Some((frame.vrrp()?.vrid, frame.at))).collect()
}

/// The time between an advert and the next one of the same virtual router, in milliseconds.
pub(crate) fn periods(adverts: &[(u8, Duration)]) -> Figures {
    let mut last = BTreeMap::new();
    let period = |(vrid, at): &(u8, Duration)| Some(ms_after(last.insert(*vrid, *at)?, *at));
    Figures::new(adverts.iter().filter_map(period).collect())
}

/// How many adverts of these virtual routers have no place between two moments: those of every silence that is longer than
/// an interval and a half.
pub(crate) fn missing(adverts: &[(u8, Duration)], intent: &Intent, from: Duration, to: Duration) -> u64 {
    let mut last: BTreeMap<_, _> = (1..=intent.routers).map(|vrid| (vrid, from)).collect();
    let ends: Vec<_> = last.keys().map(|vrid| (*vrid, to)).collect();
    let silences = adverts
        .iter()
        .chain(&ends)
        .filter_map(|(vrid, at)| Some(at.saturating_sub(last.insert(*vrid, *at)?)));
    silences.map(|silence| (ms(silence) / ms(intent.interval) - 0.5).floor().max(0.0) as u64).sum()
}

/// The processor time of these processes, all their threads in it, to the nanosecond.
fn cpu_time(ids: &[u32]) -> Duration {
    let of = |id: &u32| {
        // SAFETY: both calls write into live values of their types.
        unsafe {
            let (mut clock, mut time): (libc::clockid_t, libc::timespec) = (0, mem::zeroed());
            let found = libc::clock_getcpuclockid(*id as libc::pid_t, &raw mut clock) == 0;
            assert!(found && libc::clock_gettime(clock, &raw mut time) == 0, "process {id} runs");
            Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
        }
    };
    ids.iter().map(of).sum()
}
