//! The master is killed with its link up: how long after the protocol's own wait the other one announces the address.

use std::thread;
use std::time::Duration;

use crate::figures::{Figures, ms_after};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::plot::Strips;
use crate::report::Report;
use crate::table::{Cell, Row, Target};
use crate::turns::{Tally, Turns};

const INTERVALS: [(u64, &str); 3] = [(1000, "1 s"), (100, "100 ms"), (10, "10 ms")];

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let mut strips = Strips::new("Killed: announced after the protocol's own wait, ms");
    for (interval, name) in INTERVALS {
        let what = format!("killed at {name}");
        let intent = Intent::one(Duration::from_millis(interval));
        let all = kill_in_turn(&what, intent, plan.runs(30));
        let row = |which: &str, cells, target| Row {
            what: format!("{what}: {which} above the protocol's wait"),
            cells,
            target: Some(target),
        };
        report.row(&intent, row("median", all.each_ref().map(Cell::spread), Target::Ratio(0.6)));
        let p99 = |figures: &Figures| figures.p99().map(Cell::new);
        report.row(&intent, row("p99", all.each_ref().map(p99), Target::Ratio(1.0)));
        strips.group(name, &all);
    }
    report.plot("takeover", strips.svg());
}

/// Milliseconds above the protocol's wait, of every daemon. The pairs stand beside each other, and one after the other is
/// killed; where the wait is long the next one is killed meanwhile.
fn kill_in_turn(what: &str, intent: Intent, runs: usize) -> [Figures; 3] {
    let mut pairs = Turns::begin(what, &intent, |kind| Pair::begin(kind, intent));
    pairs.each(0, |_, pair| pair.complete(intent.priority));
    let mut found = Tally::default();
    for round in 0..runs {
        let mut killed = [Duration::ZERO; 3];
        pairs.each(round, |kind, pair| {
            killed[kind as usize] = pair.master().process().kill();
            // Not all at the same time, and where the wait is short not until this one is over.
            thread::sleep(Duration::from_millis(400));
        });
        pairs.each(round, |kind, pair| {
            let killed = killed[kind as usize];
            let (announced, _) = pair.wait_taken(killed);
            found.add(kind, ms_after(pair.last_advert(killed, announced) + intent.wait(), announced));
        });
        if round + 1 < runs {
            // All pairs at once, so that their waits are one.
            pairs.each(round, |_, pair| pair.exchange_at_once());
            intent.settle();
        }
    }
    found.figures()
}
