//! Nothing happens: what the adverts cost, how exactly they leave, and how that grows with the virtual routers.

use std::thread;
use std::time::Duration;

use crate::daemon::{Kind, Router};
use crate::figures::ms;
use crate::harness::{Flooder, Forged, Host, Segment, now};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::plot::{Bars, Lines};
use crate::report::{Report, attempt};
use crate::state::{State, states};
use crate::table::{Cell, Row, Target, number};

/// Virtual routers, milliseconds, and what is to be reached in processor time.
const STATES: [(u8, u64, Option<f64>); 11] = [
    (1, 1000, None),
    (1, 100, Some(0.5)),
    (1, 10, None),
    (10, 100, None),
    (50, 100, None),
    (100, 1000, None),
    (100, 100, Some(0.2)),
    (100, 10, Some(0.2)),
    (255, 1000, None),
    (255, 100, None),
    (255, 10, None),
];

/// Those that are enough to see that all can be measured.
const QUICK: [(u8, u64); 4] = [(1, 100), (1, 10), (100, 10), (255, 100)];
/// Milliseconds: where it is seen how the cost grows.
const GROWING: u64 = 100;

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let mut bars = Bars::new("Processor time for an advert that is sent, µs");
    let mut lines = Lines::new("Processor time at 100 ms, ms a minute, by virtual routers");
    for (routers, interval, target) in STATES {
        if plan.quick && !QUICK.contains(&(routers, interval)) {
            continue;
        }
        let intent =
            Intent { routers, priority: 200, again: false, ..Intent::one(Duration::from_millis(interval)) };
        let name = format!("{routers} × {interval} ms");
        let span = plan.span(Duration::from_secs(5)).max(intent.interval * 4);
        let states = states(plan, &name, &intent, |kind| {
            State::watch(&mut Pair::start(kind, intent, 100), || thread::sleep(span))
        });
        let mut row = |what: &str, cell: &dyn Fn(&State) -> Cell, target| {
            let cells = states.each_ref().map(|state| state.as_ref().map(cell));
            report.row(&intent, Row { what: format!("{name}: {what}"), cells, target });
        };
        let cost = target.map(Target::Ratio);
        row("processor time a minute, master", &|state| state.cost(0), cost);
        row("processor time a minute, backup", &|state| state.cost(1), cost);
        let exact = (interval == 100).then_some(Target::AtMost(0.01));
        row("mean period off its nominal, %", &State::drift, exact);
        row("period, standard deviation", &State::jitter, Some(Target::Ratio(1.0)));
        row("missed adverts", &State::missed, Some(Target::AtMost(0.0)));
        if interval == GROWING {
            lines.point(routers.into(), states.each_ref().map(|state| state.as_ref().map(|it| it.cpu(0))));
        }
        bars.group(&name, states.map(|state| state.map(|state| state.each(0))));
    }
    report.plot("cpu", bars.svg());
    report.plot("growth", lines.svg());
    if let Some(bare) = attempt("a bare sender", || bare_sender(plan)) {
        report.note(format!(
            "A loop that does nothing but sleep and send the same frame to the same segment, once in 100 ms, takes {} ms of \
             processor time a minute: what the kernel wants for a sleep and for the way over the switch, and the least that \
             is possible with one frame a call.",
            number(bare)
        ));
    }
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
