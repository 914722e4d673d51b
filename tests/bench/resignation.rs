//! The master is asked to end: how long until it says so, and until the other one has the address.

use std::time::Duration;

use crate::figures::ms_after;
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::Report;
use crate::table::{Cell, Row, Target};
use crate::turns::{Tally, Turns};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let intent = Intent::one(SECOND / 10);
    let mut pairs = Turns::begin("resignation", &intent, |kind| Pair::start(kind, intent, intent.priority));
    let (mut said, mut moved) = (Tally::default(), Tally::default());
    let runs = plan.runs(30);
    for round in 0..runs {
        pairs.each(round, |kind, pair| {
            let (goodbye, announced) = resign(pair);
            said.add(kind, goodbye);
            moved.add(kind, announced);
            if round + 1 < runs {
                pair.exchange();
            }
        });
    }
    let row = |what: &str, figures: Tally, target| Row {
        what: what.to_owned(),
        cells: figures.figures().each_ref().map(Cell::spread),
        target,
    };
    let what = "SIGTERM to the advert of priority 0: median";
    report.row(&intent, row(what, said, Some(Target::Ratio(0.7))));
    let what = "that advert to the other's announcement, above the skew: median";
    report.row(&intent, row(what, moved, None));
}

/// Milliseconds from the signal to the goodbye, and from that to the announcement, less what the protocol waits.
fn resign(pair: &mut Pair) -> (f64, f64) {
    let signalled = pair.master().process().terminate();
    let port = pair.master().port.index();
    let goodbye = pair.capture.wait("an advert of priority 0", signalled, SECOND * 5, |frame| {
        let vrrp = frame.vrrp()?;
        (frame.port == port && vrrp.priority == 0).then_some(frame.at)
    });
    let (announced, _) = pair.wait_taken(signalled);
    pair.master().process().wait(SECOND * 5);
    (ms_after(signalled, goodbye), ms_after(goodbye + pair.intent.skew(), announced))
}
