//! The one place to wait.

use core::ffi::{c_long, c_short};
use core::time::Duration;
use std::os::fd::AsRawFd;

use super::call::{call, pointer_mut};
use super::{Error, clock};
use crate::time::Instant;

/// The longest wait in seconds. Waking early is harmless.
const WAIT_SECS_MAX: u64 = 86_400;

/// How long before its moment a punctual wait stops sleeping: longer than most kernels take to wake a process.
const AWAKE: Duration = Duration::from_micros(500);

/// A descriptor that is waited for.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct Waiting(libc::pollfd);

impl Waiting {
    /// For nothing at all.
    pub const NEVER: Self = Self(libc::pollfd { fd: -1, events: 0, revents: 0 });

    /// Until there is something to read.
    #[must_use]
    pub fn to_read(descriptor: &impl AsRawFd) -> Self {
        Self::on(descriptor, libc::POLLIN)
    }

    /// Until there is room to write.
    #[must_use]
    pub fn to_write(descriptor: &impl AsRawFd) -> Self {
        Self::on(descriptor, libc::POLLOUT)
    }

    /// Whether it, or an error, is there; known after [`wait`].
    #[must_use]
    pub const fn is_over(self) -> bool {
        self.0.revents != 0
    }

    fn on(descriptor: &impl AsRawFd, events: c_short) -> Self {
        Self(libc::pollfd { fd: descriptor.as_raw_fd(), events, revents: 0 })
    }
}

/// Waits until one of `descriptors` is ready, or `timeout` (nanoseconds count; `None`: for ever) has passed. `true`: one is
/// ready.
///
/// # Errors
/// None that is known to happen.
pub fn wait(descriptors: &mut [Waiting], timeout: Option<Duration>) -> Result<bool, Error> {
    // The kernel's `timespec`: old calls for words of the machine's size, which a day fits.
    let mut time = timeout.map(|timeout| -> [c_long; 2] {
        [timeout.as_secs().min(WAIT_SECS_MAX) as c_long, timeout.subsec_nanos() as c_long]
    });
    let limit = time.as_mut().map_or(0, pointer_mut);
    let arguments = [pointer_mut(descriptors), descriptors.len(), limit, 0, 0, 0];
    // SAFETY: the descriptors are alive, and so many; the time is alive, and the kernel may change it.
    let ready = unsafe { call(libc::SYS_ppoll, &arguments) };
    ready.map(|count| count > 0).map_err(|errno| Error { call: "waiting", errno })
}

/// For how long to ask [`wait`], so that what the kernel may add does not go beyond `left`. It adds up to a thousandth part, so
/// that more wakeups fall together (`select_estimate_accuracy`), but not for a process with real-time priority. A wait that
/// the kernel lets end early is to be repeated.
#[must_use]
pub fn without_slack(left: Duration) -> Duration {
    left.saturating_sub(part(left, 10))
}

/// Waits as [`wait`] does, and ends at the moment itself: it sleeps until shortly before, and looks again and again from then
/// on. Otherwise the kernel lets a wait last up to a thousandth part longer, a two-hundredth for a process that is nice,
/// and takes its time to wake who slept: milliseconds of a takeover at one second.
///
/// Answers when nothing was there to be read, which is not before `moment`; `None`: a descriptor is ready.
///
/// # Errors
/// None that is known to happen.
pub fn wait_punctually(descriptors: &mut [Waiting], moment: Instant) -> Result<Option<Instant>, Error> {
    loop {
        let now = clock::now();
        let left = moment.since(now);
        if wait(descriptors, Some(asleep(left)))? {
            return Ok(None);
        }
        if left.is_zero() {
            return Ok(Some(now));
        }
    }
}

/// How much of a punctual wait is slept through: all but a hundredth part, roughly, and what it is awake for.
fn asleep(left: Duration) -> Duration {
    left.saturating_sub(AWAKE + part(left, 7))
}

/// Roughly this part of a span, in powers of two, and no more of it than of 100 seconds, since the kernel adds a tenth of
/// one at most. Shifts, since boards have no division of 64 bits.
fn part(span: Duration, power: u32) -> Duration {
    let of_seconds = span.as_secs().min(100) as u32 * (1_000_000_000 >> power);
    Duration::from_nanos((of_seconds + (span.subsec_nanos() >> power)).into())
}

/// Lets waits end when their time is over, and not up to 50 microseconds later, by which the kernel would spare itself
/// some wakeups (PR_SET_TIMERSLACK). Who cannot goes on as he was.
pub fn be_punctual() {
    // SAFETY: this option takes a number, the nanoseconds that a wait may last too long.
    let _ = unsafe { call(libc::SYS_prctl, &[libc::PR_SET_TIMERSLACK as usize, 1, 0, 0, 0, 0]) };
}

#[cfg(test)]
mod tests {
    use super::super::signals::{Signal, Signals};
    use super::*;
    use std::io::Write;
    use std::time::Instant;

    #[test]
    fn a_punctual_wait_is_awake_before_its_moment_and_not_for_long() {
        for millis in [1, 36, 361, 3609, 100_000] {
            let whole = Duration::from_millis(millis);
            let mut left = whole;
            let mut rounds = 0;
            while !asleep(left).is_zero() {
                // The longest that a kernel may let a nice process sleep.
                let slept = asleep(left) + (asleep(left) / 200).min(Duration::from_millis(100));
                assert!(slept < left, "{whole:?}: {left:?}");
                left -= slept;
                rounds += 1;
            }
            assert!(rounds <= 8 && left < AWAKE * 11 / 10, "{whole:?}: {left:?} after {rounds}");
        }
        assert_eq!(asleep(AWAKE), Duration::ZERO);
    }

    #[test]
    fn a_wait_that_lasts_a_thousandth_longer_ends_at_its_moment() {
        for millis in [1, 100, 1000, 3609, 100_000] {
            let whole = Duration::from_millis(millis);
            let asked = without_slack(whole);
            let lasts = asked + asked / 1000;
            assert!(lasts >= whole && lasts < whole + whole / 20_000, "{whole:?}: {lasts:?}");
        }
        let days = Duration::from_secs(1_000_000);
        assert!(without_slack(days) + Duration::from_millis(100) >= days);
        assert_eq!(without_slack(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_punctual_wait_ends_by_time_and_by_descriptor() {
        let moment = clock::now() + Duration::from_millis(2);
        let looked_at = wait_punctually(&mut [], moment).unwrap();
        assert!(looked_at.is_some_and(|at| at >= moment && at <= clock::now()));

        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"x").unwrap();
        let mut descriptors = [Waiting::to_read(&reader)];
        assert_eq!(wait_punctually(&mut descriptors, moment).unwrap(), None);
        assert!(descriptors[0].is_over());
    }

    /// Signals belong to the process, so this is one test, and the only one that blocks them.
    #[test]
    fn a_wait_ends_by_time_by_descriptor_and_by_signal() {
        let mut signals = Signals::install().unwrap();
        // Children of tests beside this one may end at any moment.
        let take = |signals: &mut Signals| {
            core::iter::from_fn(|| signals.take()).find(|signal| *signal != Signal::Child)
        };
        let begun = Instant::now();
        wait(&mut [], Some(Duration::from_micros(1500))).unwrap();
        assert!(begun.elapsed() >= Duration::from_micros(1500));
        assert!(begun.elapsed() < Duration::from_secs(5));

        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut descriptors = [Waiting::to_read(&reader)];
        wait(&mut descriptors, Some(Duration::ZERO)).unwrap();
        assert!(!descriptors[0].is_over());
        writer.write_all(b"x").unwrap();
        wait(&mut descriptors, None).unwrap();
        assert!(descriptors[0].is_over());

        assert_eq!(take(&mut signals), None);
        // SAFETY: the thread is this one, and the signal is blocked.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGHUP) };
        let begun = Instant::now();
        wait(&mut [Waiting::to_read(&signals)], Some(Duration::from_secs(20))).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(take(&mut signals), Some(Signal::Reload));
        assert_eq!(take(&mut signals), None);
    }
}
