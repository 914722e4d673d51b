//! The master is asked to end: how long until it says so, and until the other one has the address.

use std::time::Duration;

use crate::daemon::{KINDS, in_turn};
use crate::figures::{Figures, ms_after};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::{Report, attempt};
use crate::table::{Cell, Row, Target, number};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let intent = Intent::one(SECOND / 10);
    let mut pairs = KINDS.map(|kind| {
        let start = || Pair::start(kind, intent, intent.priority);
        in_turn(&intent, 0).contains(&kind).then(|| attempt(kind.name(), start)).flatten()
    });
    let mut said: [Vec<f64>; 3] = Default::default();
    let mut moved: [Vec<f64>; 3] = Default::default();
    let runs = plan.runs(30);
    for round in 0..runs {
        for kind in in_turn(&intent, round) {
            let which = kind as usize;
            let Some(pair) = &mut pairs[which] else { continue };
            let again = round + 1 < runs;
            match attempt(kind.name(), || resign(pair, again)) {
                Some((goodbye, announced)) => {
                    said[which].push(goodbye);
                    moved[which].push(announced);
                }
                None => pairs[which] = None,
            }
        }
    }
    let cell = |figures: &Vec<f64>| {
        let figures = Figures::new(figures.clone());
        let ((least, most), median) = (figures.ends()?, figures.median()?);
        Some(Cell::noted(median, format!("{} to {}", number(least), number(most))))
    };
    let row = |what: &str, figures: &[Vec<f64>; 3], target| Row {
        what: what.to_owned(),
        cells: figures.each_ref().map(cell),
        target,
    };
    report.row(true, row("SIGTERM to the advert of priority 0: median", &said, Some(Target::Ratio(0.7))));
    report.row(true, row("that advert to the other's announcement, above the skew: median", &moved, None));
}

/// Milliseconds from the signal to the goodbye, and from that to the announcement, less what the protocol waits.
fn resign(pair: &mut Pair, again: bool) -> (f64, f64) {
    let signalled = pair.master().process().terminate();
    let port = pair.master().port.index();
    let goodbye = pair.capture.wait("an advert of priority 0", signalled, SECOND * 5, |frame| {
        let vrrp = frame.vrrp()?;
        (frame.port == port && vrrp.priority == 0).then_some(frame.at)
    });
    let (announced, _) = pair.wait_taken(signalled);
    pair.master().process().wait(SECOND * 5);
    if again {
        pair.exchange();
    }
    (ms_after(signalled, goodbye), ms_after(goodbye + pair.intent.skew(), announced))
}
