//! A router that is alone: from its start to its first advert, less what the protocol waits.

use std::thread;
use std::time::Duration;

use crate::daemon::{KINDS, in_turn};
use crate::figures::{Figures, ms_after};
use crate::harness::last_exec;
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::{Report, attempt};
use crate::table::{Cell, Row, Target, number};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let intent = Intent::one(SECOND / 10);
    let mut lone = KINDS.map(|kind| {
        let begin = || Pair::begin(kind, intent);
        in_turn(&intent, 0).contains(&kind).then(|| attempt(kind.name(), begin)).flatten()
    });
    let mut found: [Vec<f64>; 3] = Default::default();
    for round in 0..plan.runs(10) {
        for kind in in_turn(&intent, round) {
            let Some(pair) = &mut lone[kind as usize] else { continue };
            match attempt(kind.name(), || start(pair)) {
                Some(took) => found[kind as usize].push(took),
                None => lone[kind as usize] = None,
            }
        }
    }
    let cells = found.map(|figures| {
        let figures = Figures::new(figures);
        let ((least, most), median) = (figures.ends()?, figures.median()?);
        Some(Cell::noted(median, format!("{} to {}", number(least), number(most))))
    });
    let what = "exec to the first advert, above the protocol's wait: median".to_owned();
    report.row(true, Row { what, cells, target: Some(Target::Ratio(0.15)) });
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
