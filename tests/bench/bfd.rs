//! The routers watch each other with BFD: how long after its last word a lost master's address is announced.

use std::time::Duration;

use crate::figures::ms_after;
use crate::harness::{Frame, eventually, now};
use crate::intent::Intent;
use crate::pair::{Loss, Pair};
use crate::plan::Plan;
use crate::report::Report;
use crate::table::{Cell, Row};
use crate::turns::{Tally, Turns};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let intent = Intent { realtime: true, bfd: true, ..Intent::one(SECOND) };
    let mut pairs = Turns::begin("with BFD", &intent, |kind| Pair::start(kind, intent, intent.priority));
    let runs = plan.runs(9);
    for (loss, name) in [(Loss::Killed, "killed"), (Loss::Cut, "link cut")] {
        let mut found = Tally::default();
        for round in 0..runs {
            pairs.each(round, |kind, pair| {
                found.add(kind, lose(pair, loss));
                pair.recover(loss);
            });
        }
        let what =
            format!("{name} at 1 s with BFD of 10 ms × 5: from the last word to the announcement, median");
        report.row(&intent, Row { what, cells: found.figures().each_ref().map(Cell::spread), target: None });
    }
    report.note(
        "keepalived's `track_bfd` changes a priority, or keeps a virtual router from taking part; its backup waits for \
         three adverts all the same. vipd's `option bfd` takes over from a master whose session ends."
            .to_owned(),
    );
}

/// Milliseconds.
fn lose(pair: &mut Pair, loss: Loss) -> f64 {
    eventually("the session is up, and one is master", SECOND * 15, || {
        let (from, to) = (now() - SECOND / 2, now());
        let ports = [&pair.routers[0].port, &pair.routers[1].port];
        let is_up = ports.into_iter().all(|port| pair.capture.bfd_is_up(port, from));
        (is_up && pair.false_adverts(from, to) == 0).then_some(())
    });
    let lost = pair.lose(loss);
    let (announced, _) = pair.wait_taken(lost);
    let is_word = |frame: &Frame| frame.vrrp().is_some() || frame.bfd().is_some();
    ms_after(pair.last(lost, announced, is_word), announced)
}
