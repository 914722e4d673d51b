//! What a client sees of a takeover: pings of the virtual address, one every millisecond.

use std::thread;
use std::time::Duration;

use crate::daemon::Kind;
use crate::figures::Figures;
use crate::harness::{Client, Host, eventually, now};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::{Report, for_each};
use crate::table::{Cell, Row, Target, number};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let lost = for_each("client", false, |kind| cut(kind, plan.runs(9)));
    let cells = lost.map(|lost| {
        let lost = lost?;
        Some(Cell::noted(lost.median()?, format!("{} to {}", number(lost.ends()?.0), number(lost.ends()?.1))))
    });
    let what = "link cut at 100 ms: pings lost of a client that sends one each ms, the wait in it, median"
        .to_owned();
    report.row(false, Row { what, cells, target: Some(Target::Ratio(1.0)) });
}

/// A killed router's kernel goes on answering for its address, so the link is cut.
fn cut(kind: Kind, runs: usize) -> Figures {
    let intent = Intent::one(SECOND / 10);
    let mut pair = Pair::start(kind, intent, intent.priority);
    let user = Host::new("user");
    pair.lan.attach_with(&user, "eth0", &["10.0.0.77/8"]);
    let mut lost = Vec::new();
    for round in 0..runs {
        let client = Client::start(&user, Intent::address(1, 1).into(), SECOND / 1000);
        eventually("the address answers", SECOND * 3, || (client.answered() > 20).then_some(()));
        // Right behind an advert, so that every run has the whole wait.
        let from = now();
        let advert = pair.wait_advert(from);
        pair.master().port.unplug();
        pair.wait_taken(advert);
        thread::sleep(SECOND / 5);
        lost.push(client.stop().lost(advert, now()) as f64);
        if round + 1 < runs {
            pair.master().port.plug();
            pair.swap();
            pair.settle();
        }
    }
    Figures::new(lost)
}
