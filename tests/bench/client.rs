//! What a client sees of a takeover: pings of the virtual address, one every millisecond.

use std::thread;
use std::time::Duration;

use crate::figures::ms_after;
use crate::harness::{Client, Host, eventually, now};
use crate::intent::{Intent, own};
use crate::pair::{Loss, Pair};
use crate::plan::Plan;
use crate::report::Report;
use crate::table::{Cell, Row};
use crate::turns::{Tally, Turns};

const SECOND: Duration = Duration::from_secs(1);

const LOSSES: [(Loss, &str); 3] =
    [(Loss::Killed, "killed"), (Loss::Asked, "SIGTERM"), (Loss::Cut, "link cut")];

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let intent = Intent { is_asked: true, ..Intent::one(SECOND / 10) };
    let mut rigs = Turns::begin("client", &intent, |kind| {
        let pair = Pair::start(kind, intent, intent.priority);
        let user = Host::new("user");
        pair.lan.attach_with(&user, "eth0", &[&format!("{}/8", own(77))]);
        (pair, user)
    });
    let runs = plan.runs(9);
    for (loss, name) in LOSSES {
        let (mut lost, mut late) = (Tally::default(), Tally::default());
        for round in 0..runs {
            rigs.each(round, |kind, (pair, user)| {
                let (pings, took) = lose(pair, user, loss);
                lost.add(kind, pings);
                late.add(kind, took);
                pair.recover(loss);
            });
        }
        let mut row = |what: &str, found: Tally| {
            let cells = found.figures().each_ref().map(Cell::spread);
            let what = format!("{name} at 100 ms: {what}, median");
            report.row(&intent, Row { what, cells, target: None });
        };
        if matches!(loss, Loss::Cut) {
            row("announced above the protocol's wait", late);
        }
        row("pings lost of a client that sends one each ms, the wait in it", lost);
    }
}

/// How many pings are lost, and the milliseconds from the end of the protocol's wait to the announcement.
fn lose(pair: &mut Pair, user: &Host, loss: Loss) -> (f64, f64) {
    let client = Client::start(user, Intent::address(1, 1).into(), SECOND / 1000);
    eventually("the address answers", SECOND * 3, || (client.answered() > 20).then_some(()));
    // Right behind an advert, so that every run has the whole wait.
    let advert = pair.wait_advert(now());
    let lost = pair.lose(loss);
    let (announced, _) = pair.wait_taken(advert);
    thread::sleep(SECOND / 5);
    let pings = client.stop().lost(advert, now());
    (pings as f64, ms_after(pair.last_advert(lost, announced) + pair.intent.wait(), announced))
}
