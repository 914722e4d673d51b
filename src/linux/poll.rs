//! The one place to wait.

use core::time::Duration;

pub use nix::poll::{PollFd, PollFlags};
use nix::sys::time::TimeSpec;

use super::signals::Signals;
use super::{Errno, Error};

/// The longest wait that every C library's time can express. Waking early is harmless.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

/// What has ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The descriptors tell which of them are ready; none: the time has passed.
    ByDescriptorOrTime,
    /// The descriptors tell nothing: any of them may be ready.
    BySignal,
}

/// Waits until one of `descriptors` is ready, a signal arrives, or `timeout` (nanoseconds count; `None`: for
/// ever) has passed. Signals are delivered here and nowhere else.
///
/// # Errors
/// None that is known to happen.
pub fn wait(
    descriptors: &mut [PollFd<'_>],
    timeout: Option<Duration>,
    signals: &Signals,
) -> Result<Woken, Error> {
    let timeout = timeout.map(|timeout| TimeSpec::from_duration(timeout.min(WAIT_MAX)));
    match nix::poll::ppoll(descriptors, timeout, Some(signals.waiting())) {
        Ok(_) => Ok(Woken::ByDescriptorOrTime),
        Err(Errno::EINTR) => Ok(Woken::BySignal),
        Err(errno) => Err(Error::of("waiting")(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::signals::Signal;
    use super::*;
    use std::os::fd::AsFd;
    use std::time::Instant;

    /// Signals belong to the process, so this is one test, and the only one that installs handlers.
    #[test]
    fn a_wait_ends_by_time_by_descriptor_and_by_signal() {
        let mut signals = Signals::install().unwrap();
        // Children of tests beside this one may end at any moment.
        let take = |signals: &mut Signals| {
            core::iter::from_fn(|| signals.take()).find(|signal| *signal != Signal::Child)
        };
        let begun = Instant::now();
        let nothing = wait(&mut [], Some(Duration::from_micros(1500)), &signals);
        assert_eq!(nothing, Ok(Woken::ByDescriptorOrTime));
        assert!(begun.elapsed() >= Duration::from_micros(1500));
        assert!(begun.elapsed() < Duration::from_secs(5));

        let (reader, writer) = std::io::pipe().unwrap();
        nix::unistd::write(&writer, b"x").unwrap();
        let mut descriptors = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        assert_eq!(wait(&mut descriptors, None, &signals), Ok(Woken::ByDescriptorOrTime));
        assert_eq!(descriptors[0].any(), Some(true));

        // Sent to this thread while blocked: nothing happens until it waits, and then it does not wait.
        // SAFETY: the thread is this one, and a handler is installed.
        unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGHUP) };
        assert_eq!(take(&mut signals), None);
        let begun = Instant::now();
        assert_eq!(wait(&mut [], Some(Duration::from_secs(20)), &signals), Ok(Woken::BySignal));
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(take(&mut signals), Some(Signal::Reload));
        assert_eq!(take(&mut signals), None);
    }
}
