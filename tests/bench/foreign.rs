//! Others speak on the same segment, as virtual routers that are not ours: what it costs to hear them.

use std::time::Duration;

use crate::daemon::Kind;
use crate::harness::{Flooder, Forged, Host};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::plot::Lines;
use crate::report::Report;
use crate::state::{State, states};
use crate::table::Row;

/// Adverts a second.
const RATES: [u32; 4] = [1, 10, 100, 1000];
/// Whose.
const STRANGERS: std::ops::RangeInclusive<u8> = 101..=110;
/// How many have been heard before anything is measured: the segment has been like this for long.
const HEARD: (u32, Duration) = (5000, Duration::from_millis(800));

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let intent = Intent { again: false, ..Intent::one(Duration::from_millis(100)) };
    let mut lines = Lines::new("Processor time, ms a minute, by foreign adverts a second");
    for rate in RATES {
        if plan.quick && rate == 10 {
            continue;
        }
        let what = format!("1 × 100 ms, {rate} foreign adverts a second: processor time a minute");
        let states = states(plan, &what, &intent, |kind| hear(plan, kind, intent, rate));
        lines.point(rate.into(), states.each_ref().map(|state| state.as_ref().map(|it| it.cpu(0))));
        let cells = states.map(|state| state.map(|it| it.cost(0)));
        report.row(&intent, Row { what, cells, target: None });
    }
    report.plot("foreign", lines.svg());
}

/// A master that is alone with strangers.
fn hear(plan: &Plan, kind: Kind, intent: Intent, rate: u32) -> State {
    let mut lone = Pair::alone(kind, intent);
    let stranger = Host::new("stranger");
    let port = lone.lan.attach_with(&stranger, "eth0", &["10.0.0.66/16"]);
    let flooder = Flooder::new(&stranger, "eth0");
    let frames: Vec<_> = STRANGERS
        .map(|vrid| {
            let addresses = vec![Intent::address(vrid, 1).into()];
            Forged { vrid, addresses, ..Forged::version_3(100) }.frame(port.mac())
        })
        .collect();
    flooder.flood(&frames, HEARD.0, HEARD.1);
    let span = plan.span(Duration::from_secs(5));
    State::watch(&mut lone, || {
        let sent = flooder.flood(&frames, rate, span);
        let least = if plan.quick { 0.3 } else { 0.9 };
        assert!(f64::from(sent) > f64::from(rate) * span.as_secs_f64() * least, "they spoke: {sent}");
    })
}
