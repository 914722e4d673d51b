//! The only clocks.

use core::ffi::c_long;
use core::time::Duration;

use crate::time::Instant;

/// Now, on CLOCK_MONOTONIC, counted from boot: setting the time of day does not move it.
#[must_use]
pub fn now() -> Instant {
    let (secs, nanos) = read(libc::CLOCK_MONOTONIC);
    Instant::from_origin(Duration::new(secs as u64, nanos as u32))
}

/// The time of day in seconds since 1970, until 2106, and milliseconds.
#[must_use]
pub fn time_of_day() -> (u32, u32) {
    let (secs, nanos) = read(libc::CLOCK_REALTIME);
    (secs as u32, nanos as u32 / 1_000_000)
}

/// The time of day in seconds and nanoseconds, as the kernel stamps packets.
#[allow(trivial_numeric_casts, reason = "the machines differ in the types")]
pub(super) fn time_of_day_exactly() -> [c_long; 2] {
    let (secs, nanos) = read(libc::CLOCK_REALTIME);
    [secs as c_long, nanos as c_long]
}

/// 64-bit machines have the C library's way, which needs no system call.
#[cfg(target_pointer_width = "64")]
fn read(clock: libc::clockid_t) -> (i64, i64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec to the live one given.
    // The call cannot fail: these clocks exist since Linux 2.6.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    (time.tv_sec, time.tv_nsec)
}

/// On 32-bit ones that way weighs 1.6 kilobytes. The seconds since boot fit 32 bits, and so do those since 1970 if
/// they are not taken for negative.
#[cfg(not(target_pointer_width = "64"))]
fn read(clock: libc::clockid_t) -> (i32, i32) {
    let mut time = [0i32; 2];
    // SAFETY: the kernel writes two words to the live ones given.
    // The call cannot fail: these clocks exist since Linux 2.6.
    let _ = unsafe {
        super::call::call3(libc::SYS_clock_gettime, clock as usize, super::call::pointer_mut(&mut time), 0)
    };
    let [secs, nanos] = time;
    (secs, nanos)
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
