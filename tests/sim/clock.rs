//! Two kinds of time: the world's, in nanoseconds from the start of a run, and each node's own.

use core::time::Duration;

use vipd::time::Instant;

/// World time, or a span of it, in nanoseconds.
pub type Nanos = u64;

/// A microsecond of world time.
pub const US: Nanos = 1_000;
/// A millisecond of world time.
pub const MS: Nanos = 1_000 * US;
/// A second of world time.
pub const SEC: Nanos = 1_000 * MS;

/// Later than any run.
pub const NEVER: Nanos = Nanos::MAX;

/// A quartz of one millionth: the rate of a perfect clock.
const TRUE_RATE_PPM: u64 = 1_000_000;

/// What a node's monotonic clock makes of the world's time: it began at another moment, and it goes
/// too fast or too slow.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    offset: Nanos,
    rate_ppm: u64,
}

impl Clock {
    /// A clock that showed `offset` when the world began, and gains or loses `drift_ppm` millionths.
    pub fn new(offset: Nanos, drift_ppm: i64) -> Self {
        let rate_ppm = TRUE_RATE_PPM.checked_add_signed(drift_ppm).unwrap();
        Self { offset, rate_ppm }
    }

    /// What the clock shows at `world`.
    pub fn local(&self, world: Nanos) -> Instant {
        let elapsed = u128::from(world) * u128::from(self.rate_ppm) / u128::from(TRUE_RATE_PPM);
        Instant::from_origin(Duration::from_nanos(self.offset + elapsed as u64))
    }

    /// The first world time at which the clock shows at least `local`.
    pub fn world(&self, local: Instant) -> Nanos {
        let local = u64::try_from(local.since_origin().as_nanos()).unwrap_or(NEVER / 2);
        let elapsed = u128::from(local.saturating_sub(self.offset)) * u128::from(TRUE_RATE_PPM);
        u64::try_from(elapsed.div_ceil(u128::from(self.rate_ppm))).unwrap_or(NEVER)
    }
}

#[test]
fn a_deadline_is_never_reached_early_and_at_most_a_nanosecond_late() {
    for drift_ppm in [-50_000, -100, 0, 100, 50_000] {
        let clock = Clock::new(123_456_789, drift_ppm);
        for step in 0..1000 {
            let deadline = Instant::from_origin(Duration::from_nanos(123_456_789 + step * 7_777));
            let world = clock.world(deadline);
            assert!(clock.local(world) >= deadline);
            assert!(world == 0 || clock.local(world - 1) < deadline);
        }
    }
}
