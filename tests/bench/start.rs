//! A router that is alone: from its start to its first advert, less what the protocol waits.

use std::thread;
use std::time::Duration;

use crate::figures::ms_after;
use crate::harness::last_exec;
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::Report;
use crate::table::{Cell, Row, Target};
use crate::turns::{Tally, Turns};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let intent = Intent::one(SECOND / 10);
    let mut lone = Turns::begin("start", &intent, |kind| Pair::begin(kind, intent));
    let mut found = Tally::default();
    for round in 0..plan.runs(10) {
        lone.each(round, |kind, pair| found.add(kind, start(pair)));
    }
    let what = "exec to the first advert, above the protocol's wait: median".to_owned();
    let cells = found.figures().each_ref().map(Cell::spread);
    report.row(&intent, Row { what, cells, target: Some(Target::Ratio(0.15)) });
}

/// Milliseconds.
fn start(pair: &mut Pair) -> f64 {
    pair.master().process().kill();
    pair.master().clean();
    // The kernel is done with the old one.
    thread::sleep(SECOND / 5);
    pair.master().restart();
    let began = last_exec();
    let limit = SECOND * 5;
    let (advert, _) = pair.capture.wait_advert(&pair.routers[0].port, 1, began, limit);
    ms_after(began + pair.intent.wait(), advert)
}
