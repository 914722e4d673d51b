//! What an advert costs in system calls, counted by strace.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::daemon::Kind;
use crate::harness::{Process, Workspace, eventually, now, program};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::plot::Bars;
use crate::report::{Report, for_each};
use crate::steady::periods;
use crate::table::{Cell, Row, Target};

const SECOND: Duration = Duration::from_secs(1);
/// Virtual routers, and what is to be reached.
const NUMBERS: [(u8, f64); 3] = [(1, 2.05), (100, 0.2), (255, 0.1)];

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let mut bars = Bars::new("System calls for an advert");
    for (routers, most) in NUMBERS {
        if plan.quick && routers == 100 {
            continue;
        }
        let what = format!("system calls for an advert, {routers} × 100 ms");
        let counts = for_each(&what, routers == 1, |kind| count(plan, kind, routers));
        bars.group(&format!("{routers} × 100 ms"), counts);
        let cells = counts.map(|count| count.map(Cell::new));
        report.row(routers == 1, Row { what, cells, target: Some(Target::AtMost(most)) });
    }
    report.plot("calls", bars.svg());
}

/// System calls of a master that is left alone, for each of its adverts.
fn count(plan: &Plan, kind: Kind, routers: u8) -> f64 {
    let intent = Intent { routers, again: false, ..Intent::one(SECOND / 10) };
    let mut lone = Pair::begin(kind, intent);
    lone.capture.wait_advert(&lone.routers[0].port, routers, Duration::ZERO, SECOND * 10);
    lone.routers[0].wait_addresses(&intent, SECOND * 10);
    // What mastership brings about is over.
    thread::sleep(SECOND);

    let workspace = Workspace::new();
    let summary = workspace.path("summary");
    let mut command = Command::new(program("strace").expect("asked for before"));
    command.args(["-f", "-c", "-o"]).arg(&summary);
    let ids = lone.master().ids();
    for id in &ids {
        command.args(["-p", &id.to_string()]);
    }
    let mut strace = Process::start(command, workspace.path("strace.log"));
    eventually("strace has looked", SECOND * 5, || {
        (strace.log().matches("attached").count() >= ids.len()).then_some(())
    });
    let from = now();
    thread::sleep(plan.span(SECOND * 5));
    strace.signal(libc::SIGINT);
    let to = now();
    strace.wait(SECOND * 5);
    let frames = lone.capture.between(from, to);
    let (_, _, adverts) = periods(&frames, lone.master().port.index(), intent.interval);
    let text = fs::read_to_string(&summary).expect("strace has written");
    let calls = total(&text).unwrap_or_else(|| panic!("a total in strace's summary:\n{text}"));
    calls as f64 / adverts as f64
}

/// `100.00    0.000123           1       123         4 total`: the fourth word counts the calls.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().rfind(|line| line.trim_end().ends_with("total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
