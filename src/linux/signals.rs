//! Signals: noted by a handler, delivered only while [`poll::wait`](super::poll::wait) waits, taken in turn.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{self, SaFlags, SigAction, SigHandler, SigSet, SigmaskHow};

use super::Error;

/// What we are asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: end in good order.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGCHLD: a script has ended.
    Child,
}

/// The signals that are handled.
const HANDLED: [signal::Signal; 4] = [signal::SIGTERM, signal::SIGINT, signal::SIGHUP, signal::SIGCHLD];

static STOP: AtomicBool = AtomicBool::new(false);
static RELOAD: AtomicBool = AtomicBool::new(false);
static CHILD: AtomicBool = AtomicBool::new(false);

/// The handlers are installed and the signals are blocked.
#[derive(Debug)]
pub struct Signals {
    /// What is blocked while waiting: what was blocked before, without the signals that are handled.
    waiting: SigSet,
}

impl Signals {
    /// Installs the handlers, blocks the signals outside of waiting, and ignores SIGPIPE.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn install() -> Result<Self, Error> {
        const CALL: &str = "signal handlers";
        ignore_pipe();
        let mut handled = SigSet::empty();
        for number in HANDLED {
            handled.add(number);
        }
        let mut waiting = SigSet::empty();
        let how = SigmaskHow::SIG_BLOCK;
        signal::sigprocmask(how, Some(&handled), Some(&mut waiting)).map_err(Error::of(CALL))?;
        let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), handled);
        for number in HANDLED {
            waiting.remove(number);
            // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
            unsafe { signal::sigaction(number, &action) }.map_err(Error::of(CALL))?;
        }
        Ok(Self { waiting })
    }

    /// One signal that has arrived and has not been taken; a child's last.
    pub fn take(&mut self) -> Option<Signal> {
        let noted = [(&STOP, Signal::Stop), (&RELOAD, Signal::Reload), (&CHILD, Signal::Child)];
        let mut noted = noted.into_iter();
        noted.find_map(|(flag, signal)| flag.swap(false, Ordering::Relaxed).then_some(signal))
    }

    pub(super) const fn waiting(&self) -> SigSet {
        self.waiting
    }
}

/// Makes writing to a reader that is gone an error instead of the end of the process.
pub fn ignore_pipe() {
    // SAFETY: ignoring a signal runs nothing. It cannot fail for SIGPIPE.
    let _ = unsafe { signal::signal(signal::SIGPIPE, SigHandler::SigIgn) };
}

extern "C" fn note(number: c_int) {
    let flag = match number {
        libc::SIGTERM | libc::SIGINT => &STOP,
        libc::SIGHUP => &RELOAD,
        _ => &CHILD,
    };
    flag.store(true, Ordering::Relaxed);
}
