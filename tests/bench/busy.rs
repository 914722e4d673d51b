//! Every processor is wanted twice over by others: do the adverts leave in time, with and without priority ahead of them?

use std::thread;
use std::time::Duration;

use crate::harness::Burners;
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::Report;
use crate::state::{State, states};
use crate::table::{Cell, Row};

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    for (realtime, name) in [(false, "without priority"), (true, "with real-time priority")] {
        let intent =
            Intent { priority: 200, again: false, realtime, ..Intent::one(Duration::from_millis(100)) };
        let name = format!("1 × 100 ms, all processors busy, {name}");
        let span = plan.span(Duration::from_secs(10));
        let states = states(plan, &name, &intent, |kind| {
            let mut pair = Pair::start(kind, intent, 100);
            let _burners = Burners::start();
            State::watch(&mut pair, || thread::sleep(span))
        });
        let mut row = |what: &str, cell: fn(&State) -> Cell| {
            let cells = states.each_ref().map(|state| state.as_ref().map(cell));
            report.row(&intent, Row { what: format!("{name}: {what}"), cells, target: None });
        };
        row("period, standard deviation", State::jitter);
        row("missed adverts", State::missed);
    }
}
