//! A failure, made smaller: steps are left out as long as it still fails.

use core::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::Once;
use std::time::{Duration, Instant};

use crate::script::{Ledger, Script};
use crate::seed;

/// Wall time that may be spent on it.
const PATIENCE: Duration = Duration::from_secs(60);

thread_local! {
    static IS_TRYING: Cell<bool> = const { Cell::new(false) };
}

/// Plays the script of `seed` for the test called `name`. A failure says how it is seen again, in its smallest
/// form that was found.
pub fn check(name: &'static str, seed: u64, script: &Script) -> Ledger {
    if let Some(kept) = seed::kept_steps() {
        return script.play(|number| kept.contains(&number));
    }
    match catch_unwind(AssertUnwindSafe(|| script.play(|_| true))) {
        Ok(ledger) => ledger,
        Err(failure) => {
            let command = format!("VIPD_SIM_SEED={seed} cargo test --test sim {name} -- --exact");
            eprintln!("replay: {command}");
            if !seed::tracing() && !seed::wants_haste() {
                let kept = smallest(script);
                let list: Vec<String> = kept.iter().map(usize::to_string).collect();
                eprintln!("{} of {} steps suffice:", kept.len(), script.steps.len());
                kept.iter().for_each(|number| eprintln!("    {number}: {:?}", script.steps[*number]));
                eprintln!("replay: VIPD_SIM_KEEP={} {command}", list.join(","));
            }
            resume_unwind(failure)
        }
    }
}

/// Leaves out halves, then quarters, and so on down to single steps, while it fails without them.
fn smallest(script: &Script) -> Vec<usize> {
    let began = Instant::now();
    let mut kept: Vec<usize> = (0..script.steps.len()).collect();
    let mut size = kept.len() / 2;
    while size > 0 {
        let mut start = 0;
        while start < kept.len() {
            if began.elapsed() > PATIENCE {
                return kept;
            }
            let mut fewer = kept.clone();
            fewer.drain(start..(start + size).min(kept.len()));
            if fails(script, &fewer) { kept = fewer } else { start += size }
        }
        size /= 2;
    }
    kept
}

fn fails(script: &Script, kept: &[usize]) -> bool {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |info| {
            if !IS_TRYING.get() {
                loud(info);
            }
        }));
    });
    IS_TRYING.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| script.play(|number| kept.contains(&number))));
    IS_TRYING.set(false);
    result.is_err()
}
