//! Numbers that nobody foresees.

use super::call::{call3, pointer_mut};
use super::clock;

/// 32 random bits. Where the kernel has none, so early after boot or before Linux 3.17, they are the nanoseconds of the
/// clock and the process's number: hard to foresee, and another time others.
#[must_use]
pub fn seed() -> u32 {
    let mut seed = clock::now().since_origin().subsec_nanos() ^ std::process::id() << 16;
    let flags = libc::GRND_NONBLOCK as usize;
    // SAFETY: the kernel writes so many bytes to the live number given, or none.
    let _ = unsafe { call3(libc::SYS_getrandom, pointer_mut(&mut seed), size_of::<u32>(), flags) };
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seeds_are_two() {
        let seeds = [(); 4].map(|()| seed());
        // Four times the same by chance is one in 2⁹⁶.
        assert!(seeds.iter().any(|seed| *seed != seeds[0]), "{seeds:?}");
    }
}
