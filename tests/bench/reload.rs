//! The configuration is read again, with 255 virtual routers: how late an advert leaves meanwhile.

use std::thread;
use std::time::Duration;

use crate::daemon::{Daemon, Kind, Router};
use crate::figures::{Figures, ms};
use crate::harness::now;
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::Report;
use crate::state::{adverts, periods};
use crate::table::{Cell, Row, Target};
use crate::turns::anew;

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let intent = Intent { routers: 255, again: false, ..Intent::one(SECOND / 10) };
    let batches = plan.batches();
    let runs = plan.runs(9).div_ceil(batches);
    let late = anew("reload", &intent, batches, |kind| reload(kind, intent, runs));
    let cells = late.map(|late| Cell::spread(&Figures::new(late.concat())));
    let what = "reload of 255 × 100 ms: the latest advert is late by, median".to_owned();
    report.row(&intent, Row { what, cells, target: Some(Target::Ratio(1.0)) });
}

/// How much longer than the interval the longest silence of a virtual router was, around each reload.
fn reload(kind: Kind, intent: Intent, runs: usize) -> Vec<f64> {
    let mut lone = Pair::alone(kind, intent);
    let mut late = Vec::new();
    for round in 0..runs {
        // One priority changes, and all others stay.
        let changed = 101 + (round % 100) as u8;
        rewrite(lone.master(), &intent, changed);
        let from = now();
        lone.master().process().signal(libc::SIGHUP);
        let port = lone.master().port.index();
        lone.capture.wait("the new priority", from, SECOND * 10, |frame| {
            let vrrp = frame.vrrp().filter(|_| frame.port == port)?;
            (vrrp.priority == changed).then_some(())
        });
        thread::sleep(SECOND / 2);
        let frames = lone.capture.between(from.saturating_sub(SECOND / 5), now());
        let periods = periods(&adverts(&frames, port));
        late.push(periods.ends().expect("it speaks").1 - ms(intent.interval));
    }
    late
}

/// Gives the first virtual router another priority in the file.
fn rewrite(router: &mut Router, intent: &Intent, priority: u8) {
    match &mut router.daemon {
        Daemon::Vipd(vipd) => {
            let old = format!("priority '{}'", intent.priority);
            vipd.rewrite(&intent.uci(1).replacen(&old, &format!("priority '{priority}'"), 1));
        }
        Daemon::Keepalived(keepalived) => {
            let old = format!("priority {}", intent.priority);
            let text = intent.keepalived(1).replacen(&old, &format!("priority {priority}"), 1);
            keepalived.rewrite(&text);
        }
        Daemon::Frr(_) => {}
    }
}
