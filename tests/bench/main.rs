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

mod bfd;
mod busy;
mod calls;
mod client;
mod crowd;
mod daemon;
mod disk;
mod figures;
mod foreign;
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
mod state;
mod steady;
mod table;
mod takeover;
mod turns;

use std::process::ExitCode;

use harness::{Calls, Keepalived, Noise, Vipd, rootless};
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

const MEASURES: [Measure; 14] = [
    ("takeover", takeover::measure),
    ("resignation", resignation::measure),
    ("start", start::measure),
    ("steady", steady::measure),
    ("busy", busy::measure),
    ("foreign", foreign::measure),
    ("calls", calls::measure),
    ("memory", memory::measure),
    ("disk", disk::measure),
    ("crowd", crowd::measure),
    ("rubbish", rubbish::measure),
    ("reload", reload::measure),
    ("client", client::measure),
    ("bfd", bfd::measure),
];

/// Takes back what `nice` has given: the kernel wakes a nice program's poll later, by a two-hundredth of the time that it
/// waits and not by a thousandth. Whoever began this may not, as a rule, where the user is not root.
fn is_ordinary() -> bool {
    // SAFETY: both calls concern this thread alone, and take numbers.
    unsafe {
        libc::getpriority(libc::PRIO_PROCESS, 0) <= 0 || libc::setpriority(libc::PRIO_PROCESS, 0, 0) == 0
    }
}

fn main() -> ExitCode {
    let names = MEASURES.map(|(name, _)| name);
    let plan = match Plan::read(std::env::args().skip(1), &names) {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    if let Some(why) = rootless().err().or(Keepalived::missing()).or(Calls::missing()) {
        eprintln!("nothing can be measured: {why}");
        return ExitCode::FAILURE;
    }
    if let Some(binary) = std::env::var_os("VIPD_BINARY") {
        Vipd::set_binary(binary.into());
    } else {
        Vipd::set_binary(env!("CARGO_BIN_EXE_vipd").into());
    }
    if !is_ordinary() {
        eprintln!("this runs with less than the ordinary priority (nice): what waits in poll will look late");
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
