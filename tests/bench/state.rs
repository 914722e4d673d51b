//! What a pair does while nothing happens to it: what it costs, and how exactly the adverts leave.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use crate::daemon::Router;
use crate::figures::{Figures, ms, ms_after};
use crate::harness::{Frame, now};
use crate::pair::Pair;
use crate::table::{Cell, number};

/// What one daemon did.
pub(crate) struct State {
    /// Milliseconds of processor time in a minute: the master's and the backup's.
    pub(crate) cpu: [f64; 2],
    /// Microseconds for each advert.
    pub(crate) each: [f64; 2],
    pub(crate) periods: Figures,
    missed: u64,
    /// Adverts of the backup.
    wrong: usize,
    /// Milliseconds from advert to advert, as intended.
    nominal: f64,
}

impl State {
    /// Watches the pair while this is done.
    pub(crate) fn watch(pair: &mut Pair, pass: impl FnOnce()) -> Self {
        let interval = pair.intent.interval;
        let ids: Vec<_> = pair.routers.iter_mut().map(Router::ids).collect();
        let time = || ids.iter().map(|ids| cpu_time(ids)).collect::<Vec<_>>();
        let (before, from) = (time(), now());
        pass();
        let (after, to) = (time(), now());
        assert_eq!(pair.capture.dropped(), 0, "the capture is complete");
        let frames = pair.capture.between(from, to);
        let (periods, missed, sent) = periods(&frames, pair.master().port.index(), interval);
        assert!(sent > 1, "the master speaks");
        let minutes = (to - from).as_secs_f64() / 60.0;
        let cpu = [0, 1].map(|which| match (before.get(which), after.get(which)) {
            (Some(before), Some(after)) => ms(after.saturating_sub(*before)),
            _ => 0.0,
        });
        Self {
            cpu: cpu.map(|time| time / minutes),
            each: cpu.map(|time| time * 1000.0 / sent as f64),
            periods,
            missed,
            wrong: pair.false_adverts(from, to),
            nominal: ms(interval),
        }
    }

    /// Processor time in a minute, of the master (0) or of the backup (1).
    pub(crate) fn cost(&self, which: usize) -> Cell {
        Cell::noted(self.cpu[which], format!("{} µs an advert", number(self.each[which])))
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

/// The time between an advert and the next one of the same virtual router, in milliseconds; how many are missing, and how
/// many there are.
pub(crate) fn periods(frames: &[Frame], port: u32, interval: Duration) -> (Figures, u64, u64) {
    let mut last: BTreeMap<u8, Duration> = BTreeMap::new();
    let (mut periods, mut missed, mut sent) = (Vec::new(), 0, 0);
    for frame in frames.iter().filter(|frame| frame.port == port) {
        let Some(vrrp) = frame.vrrp() else { continue };
        sent += 1;
        if let Some(before) = last.insert(vrrp.vrid, frame.at) {
            let period = ms_after(before, frame.at);
            periods.push(period);
            missed += (period / ms(interval)).round().max(1.0) as u64 - 1;
        }
    }
    (Figures::new(periods), missed, sent)
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
