//! Many addresses move at once: until the last one is announced.

use std::time::Duration;

use crate::daemon::{KINDS, Kind, in_turn};
use crate::figures::Figures;
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::{Report, attempt};
use crate::table::{Cell, Row, Target, number};

const SECOND: Duration = Duration::from_secs(1);

/// Virtual routers, addresses of each, and what is to be reached.
const CROWDS: [(u8, u8, Option<f64>); 3] = [(255, 1, Some(0.5)), (1, 20, None), (1, 100, None)];

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    for (routers, addresses, target) in CROWDS {
        if plan.quick && addresses == 20 {
            continue;
        }
        let intent = Intent { routers, addresses, ..Intent::one(SECOND / 10) };
        let found = KINDS.map(|kind| {
            let able = in_turn(&intent, 0).contains(&kind);
            able.then(|| attempt(kind.name(), || kill(kind, intent, plan.runs(9)))).flatten()
        });
        let cells = found.map(|figures| {
            let figures = figures?;
            let ((least, most), median) = (figures.ends()?, figures.median()?);
            Some(Cell::noted(median, format!("{} to {}", number(least), number(most))))
        });
        let what = format!(
            "killed, {routers} × {addresses} addresses at 100 ms: the latest announced, above the wait of its own virtual router"
        );
        report.row(false, Row { what, cells, target: target.map(Target::Ratio) });
    }
}

fn kill(kind: Kind, intent: Intent, runs: usize) -> Figures {
    let mut pair = Pair::start(kind, intent, intent.priority);
    let mut found = Vec::new();
    for round in 0..runs {
        let killed = pair.master().process().kill();
        found.push(pair.latest(killed));
        if round + 1 < runs {
            pair.exchange();
        }
    }
    Figures::new(found)
}
