//! Nothing happens: what the adverts cost, and how exactly they leave.

use std::collections::BTreeMap;
use std::mem;
use std::time::Duration;

use crate::daemon::{Kind, Router};
use crate::figures::{Figures, ms, ms_after};
use crate::harness::{Flooder, Forged, Frame, Host, Segment, now};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::plot::Bars;
use crate::report::{Report, attempt, for_each};
use crate::table::{Cell, Row, Target, number};

/// Virtual routers, milliseconds, and what is to be reached in processor time.
const STATES: [(u8, u64, Option<f64>); 9] = [
    (1, 1000, None),
    (1, 100, Some(0.5)),
    (1, 10, None),
    (100, 1000, None),
    (100, 100, Some(0.2)),
    (100, 10, Some(0.2)),
    (255, 1000, None),
    (255, 100, None),
    (255, 10, None),
];

/// Those that are enough to see that all can be measured.
const QUICK: [(u8, u64); 4] = [(1, 100), (1, 10), (100, 10), (255, 100)];

/// What one daemon did.
struct State {
    /// Milliseconds of processor time in a minute: the master's and the backup's.
    cpu: [f64; 2],
    /// Microseconds for each advert.
    each: [f64; 2],
    periods: Figures,
    missed: u64,
    /// Adverts of the backup.
    wrong: usize,
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let mut bars = Bars::new("Processor time for an advert that is sent, µs");
    for (routers, interval, target) in STATES {
        if plan.quick && !QUICK.contains(&(routers, interval)) {
            continue;
        }
        let intent =
            Intent { routers, priority: 200, again: false, ..Intent::one(Duration::from_millis(interval)) };
        let name = format!("{routers} × {interval} ms");
        let frr = routers == 1;
        let states = for_each(&name, frr, |kind| watch(plan, kind, intent));
        let cells = |cell: &dyn Fn(&State) -> Cell| states.each_ref().map(|state| state.as_ref().map(cell));
        let mut row = |what: &str, cells, target| {
            report.row(frr, Row { what: format!("{name}: {what}"), cells, target });
        };
        let cpu = |which: usize| {
            move |state: &State| {
                let note = format!("{} µs an advert", number(state.each[which]));
                Cell::noted(state.cpu[which], note)
            }
        };
        row("processor time a minute, master", cells(&cpu(0)), target.map(Target::Ratio));
        row("processor time a minute, backup", cells(&cpu(1)), target.map(Target::Ratio));
        let nominal = interval as f64;
        let off = |state: &State| {
            let mean = state.periods.mean().expect("there are periods");
            Cell::new((mean / nominal - 1.0).abs() * 100.0)
        };
        let exact = (interval == 100).then_some(Target::AtMost(0.01));
        row("mean period off its nominal, %", cells(&off), exact);
        let deviation = |state: &State| {
            let jitter = state.periods.all().iter().map(|period| (period - nominal).abs()).collect();
            let p99 = Figures::new(jitter).p99().expect("there are periods");
            let deviation = state.periods.deviation().expect("there are periods");
            Cell::noted(deviation, format!("p99 off {}", number(p99)))
        };
        row("period, standard deviation", cells(&deviation), Some(Target::Ratio(1.0)));
        let missed = |state: &State| {
            let note = match state.wrong {
                0 => String::new(),
                wrong => format!("and {wrong} of the backup"),
            };
            Cell::noted(state.missed as f64, note)
        };
        row("missed adverts", cells(&missed), Some(Target::AtMost(0.0)));
        bars.group(&name, states.map(|state| state.map(|state| state.each[0])));
    }
    report.plot("cpu", bars.svg());
    if let Some(bare) = attempt("a bare sender", || bare_sender(plan)) {
        report.note(format!(
            "A loop that does nothing but sleep and send the same frame to the same segment, once in 100 ms, takes {} ms of \
             processor time a minute: what the kernel wants for a sleep and for the way over the switch, and the least that \
             is possible with one frame a call.",
            number(bare)
        ));
    }
}

fn watch(plan: &Plan, kind: Kind, intent: Intent) -> State {
    let mut pair = Pair::start(kind, intent, 100);
    let ids = [pair.master().ids(), pair.backup().ids()];
    let before = ids.each_ref().map(|ids| cpu_time(ids));
    let (from, to) = pair.watch(plan.span(Duration::from_secs(15)).max(intent.interval * 4));
    let after = ids.each_ref().map(|ids| cpu_time(ids));
    assert_eq!(pair.capture.dropped(), 0, "the capture is complete");
    let frames = pair.capture.between(from, to);
    let port = pair.master().port.index();
    let (periods, missed, sent) = periods(&frames, port, intent.interval);
    assert!(sent > 1, "the master speaks");
    let cpu = [0, 1].map(|which| after[which].saturating_sub(before[which]));
    let minutes = (to - from).as_secs_f64() / 60.0;
    State {
        cpu: cpu.map(|time| ms(time) / minutes),
        each: cpu.map(|time| ms(time) * 1000.0 / sent as f64),
        periods,
        missed,
        wrong: pair.false_adverts(from, to),
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

/// Milliseconds of processor time in a minute of what sends an advert in 100 ms, with a backup that hears it.
fn bare_sender(plan: &Plan) -> f64 {
    let intent = Intent::one(Duration::from_millis(100));
    let lan = Segment::new();
    let capture = lan.capture();
    let sender = Host::new("sender");
    let port = lan.attach_with(&sender, "eth0", &["10.0.0.66/16"]);
    let flooder = Flooder::new(&sender, "eth0");
    let _backup = Router::start(&lan, Kind::Vipd, &intent, 2);
    let advert = Forged { vrid: 1, addresses: vec![Intent::address(1, 1).into()], ..Forged::version_3(200) };
    let frames = [advert.frame(port.mac())];
    flooder.flood(&frames, 10, Duration::from_secs(1));
    let (from, before) = (now(), own_time());
    flooder.flood(&frames, 10, plan.span(Duration::from_secs(15)));
    let (to, after) = (now(), own_time());
    assert_eq!(capture.dropped(), 0, "the capture is complete");
    ms(after - before) / ((to - from).as_secs_f64() / 60.0)
}

/// The processor time of the thread that asks.
fn own_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes into a live value.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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
