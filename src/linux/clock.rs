//! The only clock.

use core::time::Duration;

use crate::time::Instant;

/// Now, on CLOCK_MONOTONIC, counted from boot: setting the time of day does not move it.
#[must_use]
pub fn now() -> Instant {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to the live one given.
    // The call cannot fail: the clock exists since Linux 2.6.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Instant::from_origin(Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes() {
        let before = now();
        std::thread::sleep(Duration::from_millis(2));
        let passed = now().since(before);
        assert!(passed >= Duration::from_millis(2), "{passed:?}");
        assert!(passed < Duration::from_secs(60), "{passed:?}");
    }
}
