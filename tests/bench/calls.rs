//! What an advert costs in system calls, counted by strace.

use std::time::Duration;

use crate::daemon::Kind;
use crate::harness::Calls;
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::plot::Bars;
use crate::report::{Report, for_each};
use crate::state::adverts;
use crate::table::{Cell, Row, Target};

const SECOND: Duration = Duration::from_secs(1);
/// Virtual routers, and what is to be reached.
const NUMBERS: [(u8, f64); 3] = [(1, 2.05), (100, 0.2), (255, 0.1)];

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let mut bars = Bars::new("System calls for an advert");
    for (routers, most) in NUMBERS {
        if plan.quick && routers == 100 {
            continue;
        }
        let what = format!("system calls for an advert, {routers} × 100 ms");
        let intent = Intent { routers, again: false, ..Intent::one(SECOND / 10) };
        let counts = for_each(&what, &intent, |kind| count(plan, kind, intent));
        bars.group(&format!("{routers} × 100 ms"), counts);
        let cells = counts.map(|count| count.map(Cell::new));
        report.row(&intent, Row { what, cells, target: Some(Target::AtMost(most)) });
    }
    report.plot("calls", bars.svg());
}

/// System calls of a master that is left alone, for each of its adverts.
fn count(plan: &Plan, kind: Kind, intent: Intent) -> f64 {
    let mut lone = Pair::alone(kind, intent);
    let calls = Calls::count(&lone.master().ids(), plan.span(SECOND * 5)).expect("strace may look");
    lone.wait_recorded(calls.to);
    let frames = lone.capture.between(calls.from, calls.to);
    let adverts = adverts(&frames, lone.master().port.index()).len();
    assert!(adverts > 0, "it speaks");
    calls.count as f64 / adverts as f64
}
