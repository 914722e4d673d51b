//! One seed makes a run: whatever is left to chance comes from one generator.
//!
//! A scenario runs over several seeds; `VIPD_SIM_SEED=7` runs that one alone and tells what happens in it.
//! `VIPD_SIM_RUNS` says how many seeds the random walk takes.

use core::cell::Cell;

use fastrand::Rng;

use crate::clock::{MS, Nanos};

/// How many seeds a scenario runs over, if the environment names none.
pub const SEEDS_PER_SCENARIO: u64 = 6;

thread_local! {
    static NOW: Cell<Nanos> = const { Cell::new(0) };
    static TRACING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `scenario` once for each of a few seeds.
pub fn each<F: Fn(u64)>(scenario: F) {
    some(name_of::<F>(), SEEDS_PER_SCENARIO, scenario);
}

/// Runs the test called `name` for the seeds 0..`count`, or for the one that the environment names.
pub fn some<F: Fn(u64)>(name: &'static str, count: u64, scenario: F) {
    match asked_for() {
        Some(seed) => run(name, seed, &scenario),
        None => (0..count).for_each(|seed| run(name, seed, &scenario)),
    }
}

/// The seed that the environment names, if it does: that run tells what happens in it.
pub fn asked_for() -> Option<u64> {
    let seed = number("VIPD_SIM_SEED")?;
    TRACING.set(true);
    listen_to_the_log();
    Some(seed)
}

/// The steps that a replay is to keep (`VIPD_SIM_KEEP=0,3,4`), if not all.
pub fn kept_steps() -> Option<Vec<usize>> {
    let text = std::env::var("VIPD_SIM_KEEP").ok()?;
    Some(text.split(',').map(|number| number.parse().expect("VIPD_SIM_KEEP is a list of numbers")).collect())
}

/// Whether a failure need not be made smaller (`VIPD_SIM_HASTE=1`).
pub fn wants_haste() -> bool {
    number("VIPD_SIM_HASTE").is_some_and(|wants| wants > 0)
}

/// Number of runs of the random walk: `default`, or what the environment says.
pub fn runs(default: u64) -> u64 {
    number("VIPD_SIM_RUNS").unwrap_or(default)
}

/// The generator of a run.
pub fn generator(seed: u64) -> Rng {
    Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x7669_7064)
}

/// Sets the time that traced lines begin with.
pub fn set_now(now: Nanos) {
    NOW.set(now);
}

/// Whether this run is to tell what happens.
pub fn tracing() -> bool {
    TRACING.get()
}

/// Says a line in a run that was asked for by its seed.
macro_rules! trace {
    ($($part:tt)*) => {
        if crate::seed::tracing() {
            crate::seed::say(&format!($($part)*));
        }
    };
}
pub(crate) use trace;

pub fn say(line: &str) {
    let now = NOW.get();
    println!("{:>10}.{:06} ms  {line}", now / MS, now % MS);
}

/// A number from the environment.
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

fn run<F: Fn(u64)>(name: &'static str, seed: u64, scenario: &F) {
    let replay = Replay { name, seed };
    scenario(seed);
    core::mem::forget(replay);
}

/// Says how to see a failure again, if it is dropped by one.
struct Replay {
    name: &'static str,
    seed: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        eprintln!("replay: VIPD_SIM_SEED={} cargo test --test sim {} -- --exact", self.seed, self.name);
    }
}

/// The path of the test function that the closure was written in, without the name of the crate.
pub fn name_of<F>() -> &'static str {
    let path = core::any::type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_, rest)| rest);
    path.split_once("::{{closure}}").map_or(path, |(test, _)| test)
}

struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        tracing()
    }

    fn log(&self, record: &log::Record<'_>) {
        trace!("    log {}: {}", record.level(), record.args());
    }

    fn flush(&self) {}
}

fn listen_to_the_log() {
    static LISTENER: Listener = Listener;
    // A second test of the same process finds it set.
    let _ = log::set_logger(&LISTENER);
    log::set_max_level(log::LevelFilter::Trace);
}
