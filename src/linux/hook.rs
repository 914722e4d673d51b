//! Scripts: started with a fixed environment, never waited for, reaped when they end.

use core::ffi::{CStr, c_char, c_int};
use core::fmt::{self, Write as _};
use core::ptr;
use std::os::fd::AsRawFd;

use heapless::Vec;

use super::call::{self, Descriptor, call, call3, pointer, pointer_mut};
use super::{Errno, Error, signals};
use crate::wire::Full;

const VARIABLES_MAX: usize = 12;
const ENVIRONMENT_BYTES_MAX: usize = 768;
const ARGUMENTS_MAX: usize = 4;

/// The environment of a script: nothing of ours passes to it but what is set here.
#[derive(Debug, Default)]
pub struct Environment {
    /// `NAME=value` and a zero byte, one after another.
    text: Vec<u8, ENVIRONMENT_BYTES_MAX>,
    starts: Vec<u16, VARIABLES_MAX>,
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
        if written.is_err() || variable.contains(&0) || self.starts.is_full() {
            self.text.truncate(start);
            return Err(Full);
        }
        if self.text.push(0).is_err() {
            self.text.truncate(start);
            return Err(Full);
        }
        let start = u16::try_from(start).map_err(|_| Full)?;
        self.starts.push(start).map_err(|_| Full)
    }

    fn write(&mut self, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
        self.text.write_str(name)?;
        self.text.write_str("=")?;
        self.text.write_fmt(value)
    }

    /// Pointers to the variables, and a null pointer.
    fn pointers(&self) -> [*mut c_char; VARIABLES_MAX + 1] {
        let mut pointers = [ptr::null_mut(); VARIABLES_MAX + 1];
        for (pointer, start) in pointers.iter_mut().zip(&self.starts) {
            if let Some(variable) = self.text.get(usize::from(*start)..) {
                *pointer = variable.as_ptr().cast_mut().cast();
            }
        }
        pointers
    }
}

/// A process that was started here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pid(pub i32);

/// Starts the program `argv[0]`, a path, with these arguments (at most four) and environment: in a process
/// group of its own, with no signal blocked, ignored or handled, with our standard descriptors and no other.
///
/// # Errors
/// ENOENT, EACCES and so on if there is no such program; E2BIG if there are more arguments.
pub fn start(argv: &[&CStr], environment: &Environment) -> Result<Pid, Error> {
    try_start(argv, environment).map_err(|errno| Error { call: "starting the script", errno })
}

fn try_start(argv: &[&CStr], environment: &Environment) -> Result<Pid, Errno> {
    if argv.is_empty() || argv.len() > ARGUMENTS_MAX {
        return Err(Errno::E2BIG);
    }
    let mut arguments = [ptr::null_mut::<c_char>(); ARGUMENTS_MAX + 1];
    for (pointer, argument) in arguments.iter_mut().zip(argv) {
        *pointer = argument.as_ptr().cast_mut();
    }
    let variables = environment.pointers();
    let mut ends: [c_int; 2] = [0; 2];
    // SAFETY: the kernel writes two numbers to the live ones given.
    unsafe { call3(libc::SYS_pipe2, pointer_mut(&mut ends), libc::O_CLOEXEC as usize, 0) }?;
    let [reader, writer] = ends.map(|end| Descriptor::new(end as usize));
    // SAFETY: a fork(2); of all threads, of which there is one, the child has this one.
    let pid = unsafe { call3(libc::SYS_clone, libc::SIGCHLD as usize, 0, 0) }?;
    if pid == 0 {
        // SAFETY: this is the child; both arrays end with a null pointer, all strings end with a zero byte.
        unsafe { become_script(&arguments, &variables, &writer) };
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
    let path = arguments.first().map_or(0, |path| path.expose_provenance());
    // SAFETY: as the caller promises.
    unsafe {
        let _ = call3(libc::SYS_setpgid, 0, 0, 0);
        if let Err(Errno(errno)) = call3(libc::SYS_execve, path, pointer(arguments), pointer(variables)) {
            let _ = call::write(writer.as_raw_fd(), &errno.to_ne_bytes());
        }
        // It does not return.
        let _ = call3(libc::SYS_exit_group, 127, 0, 0);
    }
}

/// A process that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub pid: Pid,
    /// How.
    pub how: How,
}

/// How a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// With this exit code.
    Code(u8),
    /// By this signal.
    Signal(u8),
}

/// The processes that have ended since the last call.
pub fn reap() -> impl Iterator<Item = Ended> {
    core::iter::from_fn(|| {
        let mut status: c_int = 0;
        let arguments = [usize::MAX, pointer_mut(&mut status), libc::WNOHANG as usize, 0, 0, 0];
        // SAFETY: the kernel writes one number to the live one given.
        let pid = unsafe { call(libc::SYS_wait4, &arguments) }.ok().filter(|pid| *pid != 0)?;
        let how = if libc::WIFEXITED(status) {
            How::Code(libc::WEXITSTATUS(status) as u8)
        } else {
            How::Signal(libc::WTERMSIG(status) as u8)
        };
        let pid = Pid(pid as i32);
        Some(Ended { pid, how })
    })
}

#[cfg(test)]
mod tests {
    use super::super::namespace;
    use super::*;
    use core::time::Duration;
    use std::string::String;
    use std::time::Instant;

    /// Reaping takes any child of the process, hence a process of its own.
    #[test]
    fn a_script_has_the_environment_and_the_arguments_and_is_reaped() {
        namespace::alone(|| {
            let path = std::env::temp_dir().join(std::format!("vipd-hook-{}", std::process::id()));
            let mut environment = Environment::new();
            environment.set("ACTION", format_args!("NOTIFY_{}", "MASTER")).unwrap();
            environment.set("OUT", format_args!("{}", path.display())).unwrap();
            let script = c"{ env; echo \"$0\"; ps -o pgid= -p $$; echo $$; } > \"$OUT\"; exit 7";
            let pid = start(&[c"/bin/sh", c"-c", script, c"vipd"], &environment).unwrap();
            let ended = wait_for_one();
            assert_eq!(ended, Ended { pid, how: How::Code(7) });
            assert_eq!(reap().next(), None);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            assert!(text.contains("ACTION=NOTIFY_MASTER\n"), "{text}");
            assert!(text.contains("PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"), "{text}");
            assert!(!text.contains("CARGO"), "{text}");
            let lines: std::vec::Vec<_> = text.lines().collect();
            let [.., name, group, own] = lines[..] else {
                panic!("{text}");
            };
            assert_eq!(name, "vipd");
            assert_eq!(group.trim(), own);
            assert_eq!(own, std::format!("{}", pid.0));

            let pid = start(&[c"/bin/sh", c"-c", c"kill -9 $$"], &environment).unwrap();
            assert_eq!(wait_for_one(), Ended { pid, how: How::Signal(9) });
        });
    }

    fn wait_for_one() -> Ended {
        let begun = Instant::now();
        loop {
            if let Some(ended) = reap().next() {
                return ended;
            }
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_script_that_is_not_there_is_an_error() {
        let environment = Environment::new();
        let error = start(&[c"/nonexistent/script"], &environment).unwrap_err();
        assert_eq!(error.errno, Errno::ENOENT);
        let error = start(&[c"/"], &environment).unwrap_err();
        assert_eq!(error.errno, Errno::EACCES);
        let error = start(&[], &environment).unwrap_err();
        assert_eq!(error.errno, Errno::E2BIG);
    }

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
        assert!(environment.pointers()[VARIABLES_MAX].is_null());
        let text = String::from_utf8(environment.text.to_vec()).unwrap();
        assert_eq!(text.matches("N=1\0").count(), count);
    }
}
