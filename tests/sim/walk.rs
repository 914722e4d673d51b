//! Random walks: a random house, a storm, a rest and one fault more. There is no story and nothing is expected on the
//! way but what the checkers demand; at the end everything is mended, and then everything must be well.
//!
//! [`days`](crate::days) has the same at length.

use crate::minimise;
use crate::script::Script;
use crate::seed;

/// How many walks, if the environment does not say (`VIPD_SIM_RUNS`).
const RUNS: u64 = 400;

/// The intervals of a walk's virtual routers, in centiseconds.
const INTERVALS: [u16; 6] = [1, 5, 10, 50, 100, 200];

/// Houses where everybody watches everybody.
#[cfg(feature = "bfd")]
const WATCHFUL: usize = 16;

/// The shortest way: where all have BFD sessions to all, a master that is suddenly no more is followed after the detection
/// time and the skew, in every such house.
#[cfg(feature = "bfd")]
#[test]
fn where_all_have_sessions_whoever_is_no_more_is_followed_after_the_detection_time() {
    let name = "walk::where_all_have_sessions_whoever_is_no_more_is_followed_after_the_detection_time";
    if let Some(seed) = seed::asked_for() {
        Script::sudden(seed, &INTERVALS).iter().for_each(|script| _ = minimise::check(name, seed, script));
        return;
    }
    let scripts = (0..).filter_map(|seed| Some((seed, Script::sudden(seed, &INTERVALS)?))).take(WATCHFUL);
    let swift: u64 = scripts.map(|(seed, script)| minimise::check(name, seed, &script).swift).sum();
    assert!(swift >= WATCHFUL as u64, "every house had a master: {swift}");
}

#[test]
fn whatever_happens_one_master_is_left_and_clients_are_served() {
    let name = "walk::whatever_happens_one_master_is_left_and_clients_are_served";
    let walk = |seed| _ = minimise::check(name, seed, &Script::short(seed, &INTERVALS));
    match seed::asked_for() {
        Some(seed) => walk(seed),
        None => (0..seed::runs(RUNS)).for_each(walk),
    }
}
