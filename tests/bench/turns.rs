//! What is done again and again, the daemons in turn.

use crate::daemon::{KINDS, Kind};
use crate::figures::Figures;
use crate::intent::Intent;
use crate::report::{attempt, for_each};

/// What every daemon that can has been set up as. One that fails has no part in it from then on.
pub(crate) struct Turns<R> {
    what: String,
    rigs: [Option<R>; 3],
}

/// What each of them took, in the order of [`KINDS`].
#[derive(Default)]
pub(crate) struct Tally([Vec<f64>; 3]);

impl<R> Turns<R> {
    pub(crate) fn begin(what: &str, intent: &Intent, begin: impl FnMut(Kind) -> R) -> Self {
        let rigs = for_each(what, intent, begin);
        Self { what: what.to_owned(), rigs }
    }

    /// Does it for one after the other, beginning with another one every round.
    pub(crate) fn each(&mut self, round: usize, mut work: impl FnMut(Kind, &mut R)) {
        let mut kinds = KINDS;
        kinds.rotate_left(round % KINDS.len());
        for kind in kinds {
            let rig = &mut self.rigs[kind as usize];
            let Some(ready) = rig else { continue };
            if attempt(&format!("{}, {}", self.what, kind.name()), || work(kind, ready)).is_none() {
                *rig = None;
            }
        }
    }
}

/// Does something again and again on ground that is new each time; what each of them made of it, in the order of [`KINDS`].
pub(crate) fn anew<T>(
    what: &str,
    intent: &Intent,
    times: usize,
    mut work: impl FnMut(Kind) -> T,
) -> [Vec<T>; 3] {
    let mut turns = Turns::begin(what, intent, |_| ());
    let mut found = KINDS.map(|_| Vec::new());
    for round in 0..times {
        turns.each(round, |kind, ()| found[kind as usize].push(work(kind)));
    }
    found
}

impl Tally {
    pub(crate) fn add(&mut self, kind: Kind, value: f64) {
        self.0[kind as usize].push(value);
    }

    pub(crate) fn figures(self) -> [Figures; 3] {
        self.0.map(Figures::new)
    }
}
