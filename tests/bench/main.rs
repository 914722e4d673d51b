//! vipd beside keepalived and FRR's vrrpd: the same intent for each, in one run, on one machine, in turn.
//!
//! `tests/bench/run` builds what is measured and runs this. Every figure is taken from the capture on the switch, from
//! `/proc`, from the processes' own clocks or from strace, in this run. keepalived has its best case: in the foreground,
//! VRRP only, its log in a file and not in syslog, no details in it, and pid files of its own.
#![allow(
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_core,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)] // A measurement may allocate, and panicking is how it fails.

mod calls;
mod client;
mod crowd;
mod daemon;
mod figures;
#[path = "../lab/harness/mod.rs"]
#[allow(dead_code, unused_imports)] // The laboratory needs more of it.
mod harness;
mod intent;
mod memory;
mod pair;
mod plan;
mod plot;
mod reload;
mod report;
mod resignation;
mod rubbish;
mod start;
mod steady;
mod table;
mod takeover;

use std::process::ExitCode;

use harness::{Keepalived, Noise, Vipd, program, rootless};
use plan::Plan;
use report::Report;

/// Runs before `main`, while there is one thread: only then may a process enter a user namespace.
#[used]
#[unsafe(link_section = ".init_array")]
static OPEN: extern "C" fn() = open;

extern "C" fn open() {
    harness::become_root();
}

/// A measure: what it is called, and what takes it.
type Measure = (&'static str, fn(&Plan, &mut Report));

const MEASURES: [Measure; 10] = [
    ("takeover", takeover::measure),
    ("resignation", resignation::measure),
    ("start", start::measure),
    ("steady", steady::measure),
    ("calls", calls::measure),
    ("memory", memory::measure),
    ("crowd", crowd::measure),
    ("rubbish", rubbish::measure),
    ("reload", reload::measure),
    ("client", client::measure),
];

fn main() -> ExitCode {
    let names = MEASURES.map(|(name, _)| name);
    let plan = match Plan::read(std::env::args().skip(1), &names) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let strace = program("strace").is_none().then(|| "strace is not installed".to_owned());
    if let Some(why) = rootless().err().or(Keepalived::missing()).or(strace) {
        eprintln!("nothing can be measured: {why}");
        return ExitCode::FAILURE;
    }
    if let Some(binary) = std::env::var_os("VIPD_BINARY") {
        Vipd::set_binary(binary.into());
    } else {
        Vipd::set_binary(env!("CARGO_BIN_EXE_vipd").into());
    }
    Noise::observer();
    let mut report = Report::new();
    for (name, measure) in MEASURES {
        if plan.wants(name) {
            eprintln!("--- {name}");
            measure(&plan, &mut report);
        }
    }
    report.finish(&plan)
}
