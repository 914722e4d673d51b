//! Many days: random houses, and what may happen to them in years.
//!
//! `VIPD_SIM_DAYS=100 cargo test --test sim days -- --nocapture` lives through so many days, on as many threads as
//! the machine has processors, and says how they were spent; `VIPD_SIM_FIRST=1000000` begins with another seed. A plain
//! `cargo test` takes one day.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use crate::clock::{Nanos, SEC};
use crate::minimise;
use crate::script::{Ledger, Script};
use crate::seed;

const NAME: &str = "days::whatever_happens_in_many_days_nobody_waits_for_long";

const DAY: Nanos = 86_400 * SEC;

/// The intervals of a run's virtual routers, in centiseconds: mostly a second or two, some ten milliseconds.
const INTERVALS: [u16; 14] = [1, 5, 10, 50, 100, 100, 100, 100, 200, 200, 200, 500, 500, 1000];

/// Storms, single faults and quiet times of one run.
const CHAPTERS: u32 = 3;

#[test]
fn whatever_happens_in_many_days_nobody_waits_for_long() {
    let script_of = |seed| Script::long(seed, &INTERVALS, CHAPTERS);
    if let Some(seed) = seed::asked_for() {
        minimise::check(NAME, seed, &script_of(seed));
        return;
    }
    let target = seed::number("VIPD_SIM_DAYS").unwrap_or(1) * DAY;
    let first = seed::number("VIPD_SIM_FIRST").unwrap_or(0);
    let (next, lived) = (AtomicU64::new(first), AtomicU64::new(0));
    let sum = Mutex::new(Ledger::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while lived.load(Ordering::Relaxed) < target {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let ledger = minimise::check(NAME, seed, &script_of(seed));
                    lived.fetch_add(ledger.total(), Ordering::Relaxed);
                    sum.lock().unwrap().add(&ledger);
                }
            });
        }
    });
    let sum = *sum.lock().unwrap();
    report(&sum);
    assert!(sum.total() >= target, "{} days are too few", sum.total() / DAY);
}

fn report(sum: &Ledger) {
    let days = |span: Nanos| span as f64 / DAY as f64;
    let churn = sum.suffered + sum.single;
    println!(
        "{:.1} simulated days in {} runs: {:.1} of storms, {:.1} of single faults, {:.1} of rest",
        days(sum.total()),
        sum.runs,
        days(sum.suffered),
        days(sum.single),
        days(sum.rested)
    );
    println!(
        "{} faults and mendings, one every {:.1} s of the churn; {} changes of state; {} adverts; {} BFD packets",
        sum.faults,
        churn as f64 / SEC as f64 / sum.faults as f64,
        sum.transitions,
        sum.adverts,
        sum.packets
    );
}
