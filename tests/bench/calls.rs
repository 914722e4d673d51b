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
    let mut bars = Bars::new("System calls for an advert that is sent");
    for (routers, most) in NUMBERS {
        if plan.quick && routers == 100 {
            continue;
        }
        let name = format!("{routers} × 100 ms");
        let intent = Intent { routers, priority: 200, again: false, ..Intent::one(SECOND / 10) };
        let counts = for_each(&format!("system calls, {name}"), &intent, |kind| count(plan, kind, intent));
        let mut row = |what: &str, which: usize, target| {
            let cells = counts.map(|counts| counts.map(|counts| Cell::new(counts[which])));
            report.row(&intent, Row { what: format!("{name}: {what}"), cells, target });
        };
        row("system calls for an advert that is sent", 0, Some(Target::AtMost(most)));
        row("system calls for an advert that a backup hears", 1, None);
        bars.group(&name, counts.map(|counts| counts.map(|counts| counts[0])));
    }
    report.plot("calls", bars.svg());
}

/// Of a master that is left alone, and then of its backup.
fn count(plan: &Plan, kind: Kind, intent: Intent) -> [f64; 2] {
    let mut pair = Pair::alone(kind, intent);
    let ids = pair.routers[0].ids();
    let sent = count_of(plan, &pair, &ids);
    pair.complete(100);
    let ids = pair.routers[1].ids();
    [sent, count_of(plan, &pair, &ids)]
}

/// The system calls of these processes for each advert of the master.
fn count_of(plan: &Plan, pair: &Pair, ids: &[u32]) -> f64 {
    let calls = Calls::count(ids, plan.span(SECOND * 5)).expect("strace may look");
    pair.wait_recorded(calls.to);
    let frames = pair.capture.between(calls.from, calls.to);
    let adverts = adverts(&frames, pair.routers[0].port.index()).len();
    assert!(adverts > 0, "it speaks");
    calls.count as f64 / adverts as f64
}
