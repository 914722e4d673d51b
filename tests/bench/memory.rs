//! What the daemons take of the machine's memory, all their processes together.

use std::fs;
use std::time::Duration;

use crate::daemon::Kind;
use crate::harness::kb;
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::plot::Bars;
use crate::report::{Report, for_each};
use crate::table::{Cell, Row, Target};

const SECOND: Duration = Duration::from_secs(1);

/// Virtual routers, and the parts of keepalived's private dirty and PSS that are to be reached.
const NUMBERS: [(u8, Option<f64>, Option<f64>); 3] =
    [(1, Some(0.25), Some(0.05)), (100, None, None), (255, Some(0.35), None)];

/// kB.
struct Memory {
    rss: f64,
    pss: f64,
    dirty: f64,
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let mut bars = Bars::new("Memory that nobody else has (private dirty), kB");
    for (routers, dirty, pss) in NUMBERS {
        if plan.quick && routers == 100 {
            continue;
        }
        let intent = Intent { routers, again: false, ..Intent::one(SECOND / 10) };
        let what = format!("memory, {routers} × 100 ms");
        let memory = for_each(&what, &intent, |kind| weigh(kind, intent));
        let mut row = |what: &str, field: fn(&Memory) -> f64, target: Option<f64>| {
            let cells = memory.each_ref().map(|memory| memory.as_ref().map(|it| Cell::new(field(it))));
            let what = format!("{what}, {routers} virtual routers, kB");
            report.row(&intent, Row { what, cells, target: target.map(Target::Ratio) });
        };
        row("private dirty", |memory| memory.dirty, dirty);
        row("PSS", |memory| memory.pss, pss);
        row("RSS", |memory| memory.rss, None);
        bars.group(&format!("{routers} virtual routers"), memory.map(|it| it.map(|it| it.dirty)));
    }
    report.plot("memory", bars.svg());
}

fn weigh(kind: Kind, intent: Intent) -> Memory {
    let mut lone = Pair::alone(kind, intent);
    let mut memory = Memory { rss: 0.0, pss: 0.0, dirty: 0.0 };
    for id in lone.master().ids() {
        let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).expect("it runs");
        memory.rss += f64::from(kb(&text, "Rss:"));
        memory.pss += f64::from(kb(&text, "Pss:"));
        memory.dirty += f64::from(kb(&text, "Private_Dirty:"));
    }
    memory
}
