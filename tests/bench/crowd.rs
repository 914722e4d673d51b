//! Many addresses move at once: until the last one is announced, and until it answers.

use std::time::Duration;

use crate::daemon::Kind;
use crate::figures::Figures;
use crate::harness::{Asker, Frame, Host};
use crate::intent::{Intent, own};
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::Report;
use crate::table::{Cell, Row, Target};
use crate::turns::anew;

const SECOND: Duration = Duration::from_secs(1);

/// Virtual routers, addresses of each, and what is to be reached.
const CROWDS: [(u8, u8, Option<f64>); 4] = [(255, 1, Some(0.5)), (1, 1, None), (1, 20, None), (1, 100, None)];

/// Milliseconds.
#[derive(Default)]
struct Crowd {
    announced: Vec<f64>,
    answers: Vec<f64>,
    /// From the kill on.
    after_kill: Vec<f64>,
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    for (routers, addresses, target) in CROWDS {
        if plan.quick && addresses == 20 {
            continue;
        }
        let intent = Intent { routers, addresses, ..Intent::one(SECOND / 10) };
        let name = format!("killed, {routers} × {addresses} addresses at 100 ms");
        let runs = plan.runs(9);
        let batches = plan.batches();
        let found = anew(&name, &intent, batches, |kind| kill(kind, intent, runs.div_ceil(batches)));
        let mut row = |what: &str, values: fn(&Crowd) -> &Vec<f64>, target: Option<f64>| {
            let all = |crowds: &Vec<Crowd>| crowds.iter().flat_map(values).copied().collect();
            let cells = found.each_ref().map(|crowds| Cell::spread(&Figures::new(all(crowds))));
            let what = format!("{name}: {what}");
            report.row(&intent, Row { what, cells, target: target.map(Target::Ratio) });
        };
        row(
            "the latest announced, above the wait of its own virtual router",
            |crowd| &crowd.announced,
            target,
        );
        row(
            "the latest answers a client that asks each as it is announced, above the same",
            |crowd| &crowd.answers,
            target,
        );
        row("the last announced, from the kill on", |crowd| &crowd.after_kill, None);
    }
}

/// Each pair is alone: what hundreds of virtual routers say is paid for by all who are there. To ask costs the machine as
/// much as to announce, so nobody does where announcements count.
fn kill(kind: Kind, intent: Intent, runs: usize) -> Crowd {
    let mut pair = Pair::start(kind, intent, intent.priority);
    let mut crowd = Crowd::default();
    for _ in 0..runs {
        let killed = pair.master().process().kill();
        let [late, after_kill] = pair.latest(killed, |frame| frame.gratuitous_arp().map(Into::into));
        crowd.announced.push(late);
        crowd.after_kill.push(after_kill);
        pair.exchange();
    }
    let user = Host::new("user");
    let port = pair.lan.attach_with(&user, "eth0", &[&format!("{}/8", own(77))]);
    let _asker = Asker::start(&user, "eth0", port.mac(), own(77));
    for round in 0..runs {
        if round > 0 {
            pair.exchange();
        }
        let killed = pair.master().process().kill();
        let [late, _] = pair.latest(killed, Frame::echo_answer);
        crowd.answers.push(late);
    }
    crowd
}
