//! Signals: never delivered, but read from a descriptor like everything else.

use core::ffi::{c_int, c_ulong};
use std::os::fd::{AsRawFd, RawFd};

use super::call::{self, Descriptor, call, pointer};
use super::{Errno, Error};

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
const HANDLED: Mask = Mask::of(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD]);

/// Bytes that the kernel writes for a signal (signalfd(2)).
const INFO_BYTES: usize = 128;

/// The highest signal: MIPS has twice as many as all others.
pub(super) const SIGNAL_MAX: usize =
    if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 128 } else { 64 };

/// A set of signals as the kernel has it.
#[repr(C)]
pub(super) struct Mask([c_ulong; SIGNAL_MAX / c_ulong::BITS as usize]);

impl Mask {
    pub(super) const EMPTY: Self = Self::of(&[]);

    /// All that are named here have low numbers.
    const fn of(signals: &[c_int]) -> Self {
        let mut words = [0; SIGNAL_MAX / c_ulong::BITS as usize];
        let mut next = 0;
        while next < signals.len() {
            words[0] |= 1 << (signals[next] - 1);
            next += 1;
        }
        Self(words)
    }

    /// Blocks these signals beside others, or these and no others.
    pub(super) fn apply(&self, how: c_int) -> Result<(), Errno> {
        let arguments = [how as usize, pointer(self), 0, size_of::<Self>(), 0, 0];
        // SAFETY: the mask is alive; the kernel only reads it.
        unsafe { call(libc::SYS_rt_sigprocmask, &arguments) }.map(drop)
    }
}

/// The signals are blocked and wait to be read.
#[derive(Debug)]
pub struct Signals {
    descriptor: Descriptor,
}

impl Signals {
    /// Blocks the signals that are handled, and SIGPIPE.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn install() -> Result<Self, Error> {
        let fail = |errno| Error { call: "signals", errno };
        block_pipe();
        // Who ignores it has no children to reap.
        default_action(libc::SIGCHLD as usize);
        HANDLED.apply(libc::SIG_BLOCK).map_err(fail)?;
        let flags = (libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) as usize;
        let arguments = [usize::MAX, pointer(&HANDLED), size_of::<Mask>(), flags, 0, 0];
        // SAFETY: the mask is alive; the kernel only reads it.
        let given = unsafe { call(libc::SYS_signalfd4, &arguments) }.map_err(fail)?;
        Ok(Self { descriptor: Descriptor::new(given) })
    }

    /// One signal that has arrived and has not been taken.
    pub fn take(&mut self) -> Option<Signal> {
        let mut info = [0; INFO_BYTES];
        call::read(&self.descriptor, &mut info).ok()?;
        let (number, _) = info.split_first_chunk()?;
        Some(match i32::from_ne_bytes(*number) {
            libc::SIGTERM | libc::SIGINT => Signal::Stop,
            libc::SIGHUP => Signal::Reload,
            _ => Signal::Child,
        })
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

/// Makes writing to a reader that is gone an error instead of the end of the process.
pub fn block_pipe() {
    // It cannot fail.
    let _ = Mask::of(&[libc::SIGPIPE]).apply(libc::SIG_BLOCK);
}

/// Gives a signal its default action; some have no other.
pub(super) fn default_action(signal: usize) {
    // Longer than the kernel's structure on any machine, in which all zeros is SIG_DFL.
    let action = [0usize; 8];
    let arguments = [signal, pointer(&action), 0, size_of::<Mask>(), 0, 0];
    // SAFETY: the structure is alive; the kernel only reads it, and no handler is installed.
    let _ = unsafe { call(libc::SYS_rt_sigaction, &arguments) };
}
