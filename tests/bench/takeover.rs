//! The master is killed with its link up: how long after the protocol's own wait the other one announces the address.

use std::time::Duration;

use crate::daemon::{KINDS, in_turn};
use crate::figures::{Figures, ms_after};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::plot::Strips;
use crate::report::{Report, attempt};
use crate::table::{Cell, Row, Target, number};

const INTERVALS: [(u64, &str); 3] = [(1000, "1 s"), (100, "100 ms"), (10, "10 ms")];

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let mut strips = Strips::new("Killed: announced after the protocol's own wait, ms");
    for (interval, name) in INTERVALS {
        let all = kill_in_turn(Intent::one(Duration::from_millis(interval)), plan.runs(30));
        let cell = |figures: &Figures| {
            let ((least, most), median) = (figures.ends()?, figures.median()?);
            let note = format!("{} to {}", number(least), number(most));
            Some(Cell::noted(median, note))
        };
        let row = |what: &str, cells, target| Row {
            what: format!("killed at {name}: {what} above the protocol's wait"),
            cells,
            target: Some(target),
        };
        report.row(true, row("median", all.each_ref().map(cell), Target::Ratio(0.6)));
        let p99 = all.each_ref().map(|figures| figures.p99().map(Cell::new));
        report.row(true, row("p99", p99, Target::Ratio(1.0)));
        strips.group(name, &all);
    }
    report.plot("takeover", strips.svg());
}

/// Milliseconds above the protocol's wait, of every daemon. The pairs stand beside each other, and one after the other is
/// killed; where the wait is long the next one is killed meanwhile.
fn kill_in_turn(intent: Intent, runs: usize) -> [Figures; 3] {
    let able = in_turn(&intent, 0);
    let mut pairs = KINDS.map(|kind| {
        let begin = || Pair::begin(kind, intent);
        able.contains(&kind).then(|| attempt(kind.name(), begin)).flatten()
    });
    for pair in &mut pairs {
        let Some(ready) = pair else { continue };
        if attempt("a pair", || ready.complete(intent.priority)).is_none() {
            *pair = None;
        }
    }
    let mut found: [Vec<f64>; 3] = Default::default();
    for round in 0..runs {
        let order = in_turn(&intent, round);
        let order: Vec<_> = order.iter().map(|kind| *kind as usize).collect();
        let mut killed = [Duration::ZERO; 3];
        for &which in &order {
            let Some(pair) = &mut pairs[which] else { continue };
            killed[which] = pair.master().process().kill();
            // Not all at the same time, and where the wait is short not until this one is over.
            std::thread::sleep(Duration::from_millis(400));
        }
        for &which in &order {
            let Some(pair) = &pairs[which] else { continue };
            let took = attempt(KINDS[which].name(), || {
                let (announced, _) = pair.wait_taken(killed[which]);
                ms_after(pair.last_advert(announced) + intent.wait(), announced)
            });
            match took {
                Some(took) => found[which].push(took),
                None => pairs[which] = None,
            }
        }
        if round + 1 < runs {
            exchange(&mut pairs);
        }
    }
    found.map(Figures::new)
}

/// All pairs at once, so that their waits are one.
fn exchange(pairs: &mut [Option<Pair>; 3]) {
    for pair in pairs.iter_mut().flatten() {
        pair.exchange_at_once();
    }
    if let Some(pair) = pairs.iter().flatten().next() {
        pair.settle();
    }
}
