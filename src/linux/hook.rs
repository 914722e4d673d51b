//! Scripts: started with a fixed environment, in a process group of their own, and reaped when they end.

use core::ffi::{c_char, c_int};
use core::fmt::{self, Write as _};
use std::os::fd::AsRawFd;

use heapless::Vec;

use super::call::{self, Descriptor, call, call3, pointer, pointer_mut};
use super::{Errno, signals};
use crate::wire::Full;

/// Environment variables that a script has at most.
pub(super) const VARIABLES_MAX: usize = 12;
/// Arguments that a script has at most, its own path among them.
pub const ARGUMENTS_MAX: usize = crate::limits::SCRIPT_WORDS_MAX;
/// Bytes of an environment.
pub(super) const ENVIRONMENT_BYTES_MAX: usize = 768;

/// The environment of a script: nothing of ours passes to it but what is set here.
#[derive(Debug, Default)]
pub struct Environment {
    /// `NAME=value` and a zero byte, one after another.
    text: Vec<u8, ENVIRONMENT_BYTES_MAX>,
    count: u8,
}

impl Environment {
    /// An environment with `PATH` alone, as init gives it.
    #[must_use]
    pub fn new() -> Self {
        let mut environment = Self::default();
        // It fits an empty one.
        let _ = environment.set("PATH", format_args!("/usr/sbin:/usr/bin:/sbin:/bin"));
        environment
    }

    /// Sets a variable that is not set yet.
    ///
    /// # Errors
    /// [`Full`] if there is no room, or the value holds a zero byte; then nothing is set.
    pub fn set(&mut self, name: &str, value: fmt::Arguments<'_>) -> Result<(), Full> {
        let start = self.text.len();
        let written = self.write(name, value);
        let variable = self.text.get(start..).unwrap_or(&[]);
        let is_full = usize::from(self.count) >= VARIABLES_MAX;
        if written.is_err() || variable.contains(&0) || is_full || self.text.push(0).is_err() {
            self.text.truncate(start);
            return Err(Full);
        }
        self.count += 1;
        Ok(())
    }

    fn write(&mut self, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
        self.text.write_str(name)?;
        self.text.write_str("=")?;
        self.text.write_fmt(value)
    }

    /// `NAME=value` and a zero byte, one after another.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.text
    }
}

/// A process that was started here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pid(pub(super) i32);

/// Starts the program that the first argument names, a path: in a process group of its own, with no signal blocked,
/// ignored or handled. What it says goes nowhere, as with keepalived, and it has no descriptor of ours.
///
/// # Safety
/// Both arrays end with a null pointer; what is before it points to strings that end with a zero byte.
pub(super) unsafe fn start(arguments: &[*mut c_char], variables: &[*mut c_char]) -> Result<Pid, Errno> {
    let mut ends: [c_int; 2] = [0; 2];
    // SAFETY: the kernel writes two numbers to the live ones given.
    unsafe { call3(libc::SYS_pipe2, pointer_mut(&mut ends), libc::O_CLOEXEC as usize, 0) }?;
    let [reader, writer] = ends.map(|end| Descriptor::new(end as usize));
    // SAFETY: a fork(2); of all threads, of which there is one, the child has this one.
    let pid = unsafe { call3(libc::SYS_clone, libc::SIGCHLD as usize, 0, 0) }?;
    if pid == 0 {
        // SAFETY: this is the child; the arrays are as the caller promises.
        unsafe { become_script(arguments, variables, &writer) };
    }
    // From here on only the child can write, until its program begins.
    drop(writer);
    let mut errno = [0; 4];
    match call::read(&reader, &mut errno) {
        Ok(4) => {
            // SAFETY: nothing is asked but to wait.
            let _ = unsafe { call(libc::SYS_wait4, &[pid, 0, 0, 0, 0, 0]) };
            Err(Errno(i32::from_ne_bytes(errno)))
        }
        Ok(_) | Err(_) => Ok(Pid(pid as i32)),
    }
}

/// Makes the child the program, or writes down why that cannot be. System calls are all that it makes.
///
/// # Safety
/// This is a child of its own; both arrays end with a null pointer, and what they point to with a zero byte.
unsafe fn become_script(arguments: &[*mut c_char], variables: &[*mut c_char], writer: &Descriptor) {
    for signal in 1..=signals::SIGNAL_MAX {
        signals::default_action(signal);
    }
    let _ = signals::Mask::EMPTY.apply(libc::SIG_SETMASK);
    let null =
        [libc::AT_FDCWD as usize, pointer(c"/dev/null"), libc::O_RDWR as usize | libc::O_CLOEXEC as usize];
    let path = arguments.first().map_or(0, |path| path.expose_provenance());
    // SAFETY: as the caller promises.
    unsafe {
        let _ = call3(libc::SYS_setpgid, 0, 0, 0);
        if let Ok(null) = call3(libc::SYS_openat, null[0], null[1], null[2]) {
            for descriptor in 0..3 {
                let _ = call3(libc::SYS_dup3, null, descriptor, 0);
            }
        }
        if let Err(Errno(errno)) = call3(libc::SYS_execve, path, pointer(arguments), pointer(variables)) {
            let _ = call::write(writer.as_raw_fd(), &errno.to_ne_bytes());
        }
        // It does not return.
        let _ = call3(libc::SYS_exit_group, 127, 0, 0);
    }
}

/// A process that has ended since the last call, and what it exited with, if it was not a signal that ended it.
pub(super) fn reap() -> Option<(Pid, Option<u8>)> {
    let mut status: c_int = 0;
    let arguments = [usize::MAX, pointer_mut(&mut status), libc::WNOHANG as usize, 0, 0, 0];
    // SAFETY: the kernel writes a number to the live one given.
    let pid = unsafe { call(libc::SYS_wait4, &arguments) }.ok()?;
    let code = (status & 0x7f == 0).then_some((status >> 8) as u8);
    (pid != 0).then_some((Pid(pid as i32), code))
}

/// Kills the process group that a script leads.
pub(super) fn kill(script: Pid) {
    // SAFETY: no memory is concerned. It fails if there is none left, which is as well.
    let _ = unsafe { call3(libc::SYS_kill, script.0.wrapping_neg() as usize, libc::SIGKILL as usize, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn a_variable_that_does_not_fit_is_not_set_at_all() {
        let mut environment = Environment::new();
        let before = environment.text.len();
        let long = "x".repeat(ENVIRONMENT_BYTES_MAX);
        assert_eq!(environment.set("LONG", format_args!("{long}")), Err(Full));
        assert_eq!(environment.set("ZERO", format_args!("a\0b")), Err(Full));
        assert_eq!(environment.text.len(), before);
        let mut count = 0;
        while environment.set("N", format_args!("1")).is_ok() {
            count += 1;
        }
        assert_eq!(count, VARIABLES_MAX - 1);
        let text = String::from_utf8(environment.bytes().to_vec()).unwrap();
        assert_eq!(text.matches("N=1\0").count(), count);
    }
}
