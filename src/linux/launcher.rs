//! Who starts the scripts: a small process of its own, split off before the daemon gives up its privileges, since a
//! script may need more than the daemon does (init scripts, firewalls, other daemons).
//!
//! The daemon asks over a socket, one packet a script, and hears when each has ended; it never waits. The process ends
//! with the daemon: the socket says so. A script that outlasts its time is killed with its whole process group, so that
//! the next one has its turn.

use core::ffi::{CStr, c_char, c_int};
use core::ptr;
use core::time::Duration;
use std::os::fd::{AsRawFd, RawFd};

use heapless::Vec;

use super::call::{self, Descriptor, call, call3, pointer_mut};
use super::hook::{self, ARGUMENTS_MAX, ENVIRONMENT_BYTES_MAX, Environment, Pid, VARIABLES_MAX};
use super::memory::Once;
use super::poll::{self, Waiting};
use super::signals::Signals;
use super::{Errno, Error, clock, socket};
use crate::limits::{GROUPS_MAX, INSTANCES_MAX, PATH_BYTES_MAX, PROBES_MAX, TRACK_HOOKS_MAX};
use crate::time::Instant;

/// Bytes before the strings of a request: the job, how many seconds it may take, how many arguments there are.
const HEAD_BYTES: usize = 7;

const REQUEST_BYTES_MAX: usize = HEAD_BYTES + ENVIRONMENT_BYTES_MAX + PATH_BYTES_MAX + 32;

/// What the process that starts scripts has started. Pages of it that nothing was ever written to are not there.
static SCRIPTS: Once<Scripts> = Once::new(Scripts::new());

/// A script that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Which, in the words of who asked for it.
    pub job: u32,
    /// Why it could not be started; ECANCELED: it was killed because it ran for too long.
    pub trouble: Option<Errno>,
    /// What it has exited with; `None`: it was not started, or a signal has ended it.
    pub code: Option<u8>,
}

/// The daemon's end.
#[derive(Debug)]
pub struct Launcher {
    socket: Descriptor,
}

impl Launcher {
    /// Splits the process off. To be called before anything is opened that a script should not see.
    ///
    /// # Errors
    /// EMFILE, ENOMEM or EAGAIN if there is no room for another process.
    pub fn start() -> Result<Self, Error> {
        Self::split_off().map_err(fail)
    }

    fn split_off() -> Result<Self, Errno> {
        let kind = (libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as usize;
        let mut ends: [c_int; 2] = [0; 2];
        let arguments = [libc::AF_UNIX as usize, kind, 0, pointer_mut(&mut ends), 0, 0];
        // SAFETY: the kernel writes two numbers to the live ones given.
        unsafe { call(libc::SYS_socketpair, &arguments) }?;
        let [ours, its] = ends.map(|end| Descriptor::new(end as usize));
        // SAFETY: a fork(2); of all threads, of which there is one, the child has this one.
        if unsafe { call3(libc::SYS_clone, libc::SIGCHLD as usize, 0, 0) }? == 0 {
            serve(ours, &its);
        }
        Ok(Self { socket: ours })
    }

    /// Asks for the program `argv[0]`, a path, with these arguments (at most [`ARGUMENTS_MAX`] with it) and this
    /// environment. After `secs` seconds it is killed. What becomes of it is told under `job`.
    ///
    /// # Errors
    /// E2BIG if it is too much for one packet; EAGAIN if the other process is far behind, EPIPE if it is gone.
    pub fn launch(
        &self,
        job: u32,
        secs: u16,
        argv: &[&CStr],
        environment: &Environment,
    ) -> Result<(), Error> {
        let mut request = Vec::new();
        if fill(&mut request, job, secs, argv, environment).is_err() {
            return Err(fail(Errno::E2BIG));
        }
        socket::send(&self.socket, &request).map(drop).map_err(fail)
    }

    /// A script that has ended since the last call.
    ///
    /// # Errors
    /// ECONNRESET if the other process is gone: no script can be started any more.
    pub fn take(&self) -> Result<Option<Ended>, Error> {
        let mut answer = [0; ANSWER_BYTES];
        match call::read(&self.socket, &mut answer) {
            Ok(0) => Err(fail(Errno::ECONNRESET)),
            Ok(_) => {
                let [a, b, c, d, e, f, g, h, has_code, code] = answer;
                let errno = i32::from_ne_bytes([e, f, g, h]);
                let trouble = (errno != 0).then_some(Errno(errno));
                let code = (has_code == 1).then_some(code);
                Ok(Some(Ended { job: u32::from_ne_bytes([a, b, c, d]), trouble, code }))
            }
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(fail(errno)),
        }
    }
}

impl AsRawFd for Launcher {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

const fn fail(errno: Errno) -> Error {
    Error { call: "the process that starts scripts", errno }
}

fn fill(
    request: &mut Vec<u8, REQUEST_BYTES_MAX>,
    job: u32,
    secs: u16,
    argv: &[&CStr],
    environment: &Environment,
) -> Result<(), heapless::CapacityError> {
    request.extend_from_slice(&job.to_ne_bytes())?;
    request.extend_from_slice(&secs.to_ne_bytes())?;
    request.extend_from_slice(&[argv.len() as u8])?;
    for argument in argv {
        request.extend_from_slice(argument.to_bytes_with_nul())?;
    }
    request.extend_from_slice(environment.bytes())
}

/// Bytes of an answer: the job, what was wrong, whether it has exited, and with what.
const ANSWER_BYTES: usize = 10;

/// A script that runs.
struct Script {
    job: u32,
    pid: Pid,
    ends_at: Instant,
    is_late: bool,
}

/// Those of probes that a reload has taken out may go on for a while beside those of the new ones.
type Scripts = Vec<Script, { INSTANCES_MAX + GROUPS_MAX + TRACK_HOOKS_MAX + 2 * PROBES_MAX }>;

/// How long who was killed may take to end, before it is killed again.
const KILL_PAUSE: Duration = Duration::from_secs(1);

/// The other process, which ends here.
fn serve(the_daemons: Descriptor, socket: &Descriptor) -> ! {
    drop(the_daemons);
    // The daemon decides when to end: a signal to all processes of this name passes by.
    if let Ok(signals) = Signals::install() {
        serve_until_gone(signals, socket);
    }
    // SAFETY: it ends the process, and runs nothing that the daemon has asked for at its end.
    unsafe { libc::_exit(0) }
}

/// Starts what it is asked for, and says what has ended, until the daemon is gone. What it needs of the stack is not the
/// daemon's.
#[inline(never)]
fn serve_until_gone(mut signals: Signals, socket: &Descriptor) {
    // The only ones in this process. On the stack they would be touched from end to end, to see that it is deep enough.
    let Some(scripts) = SCRIPTS.take() else { return };
    let mut request = [0; REQUEST_BYTES_MAX];
    loop {
        let mut waiting = [Waiting::to_read(socket), Waiting::to_read(&signals)];
        let deadline = scripts.iter().map(|script| script.ends_at).min();
        if poll::wait(&mut waiting, deadline.map(|at| at.since(clock::now()))).is_err() {
            return;
        }
        while signals.take().is_some() {}
        while let Some((pid, code)) = hook::reap() {
            if let Some(index) = scripts.iter().position(|script| script.pid == pid) {
                let script = scripts.swap_remove(index);
                let trouble = if script.is_late { Errno::ECANCELED } else { Errno(0) };
                tell(socket, script.job, trouble, code.filter(|_| !script.is_late));
            }
        }
        kill_late(scripts);
        match call::read(socket, &mut request) {
            Ok(0) | Err(Errno::ECONNRESET) => return,
            Ok(len) => take(request.get(..len).unwrap_or(&[]), scripts, socket),
            Err(_) => {}
        }
    }
}

/// Who is killed is reaped like any other; who cannot be killed yet is tried again after a while.
fn kill_late(scripts: &mut Scripts) {
    let now = clock::now();
    for script in scripts.iter_mut().filter(|script| script.ends_at <= now) {
        hook::kill(script.pid);
        script.is_late = true;
        script.ends_at = now + KILL_PAUSE;
    }
}

/// Starts what a request asks for.
fn take(request: &[u8], scripts: &mut Scripts, socket: &Descriptor) {
    let Some(([a, b, c, d, e, f, count], mut strings)) = request.split_first_chunk::<HEAD_BYTES>() else {
        return;
    };
    let job = u32::from_ne_bytes([*a, *b, *c, *d]);
    let ends_at = clock::now() + Duration::from_secs(u64::from(u16::from_ne_bytes([*e, *f])));
    let mut arguments = [ptr::null_mut::<c_char>(); ARGUMENTS_MAX + 1];
    let mut variables = [ptr::null_mut::<c_char>(); VARIABLES_MAX + 1];
    let places = arguments.iter_mut().take(ARGUMENTS_MAX.min(usize::from(*count)));
    for place in places.chain(variables.iter_mut().take(VARIABLES_MAX)) {
        let Ok(string) = CStr::from_bytes_until_nul(strings) else { break };
        *place = string.as_ptr().cast_mut();
        strings = strings.get(string.to_bytes_with_nul().len()..).unwrap_or(&[]);
    }
    if scripts.is_full() {
        return tell(socket, job, Errno::EAGAIN, None);
    }
    // SAFETY: the last pointer of each array was left null, and all others are those of C strings.
    match unsafe { hook::start(&arguments, &variables) } {
        Ok(pid) => {
            // There is room.
            let _ = scripts.push(Script { job, pid, ends_at, is_late: false });
        }
        Err(errno) => tell(socket, job, errno, None),
    }
}

/// The daemon reads its end in every turn: there is room, or nobody to tell.
fn tell(socket: &Descriptor, job: u32, trouble: Errno, code: Option<u8>) {
    let [a, b, c, d] = job.to_ne_bytes();
    let [e, f, g, h] = trouble.0.to_ne_bytes();
    let _ = socket::send(socket, &[a, b, c, d, e, f, g, h, u8::from(code.is_some()), code.unwrap_or(0)]);
}

#[cfg(test)]
mod tests {
    use super::super::namespace;
    use super::*;
    use std::format;
    use std::vec::Vec as List;

    /// A fork takes the locks of other threads along, hence a process of its own.
    #[test]
    fn a_script_has_the_environment_and_the_arguments_and_its_end_is_told() {
        namespace::alone(|| {
            let launcher = Launcher::start().unwrap();
            let path = std::env::temp_dir().join(format!("vipd-hook-{}", std::process::id()));
            let mut environment = Environment::new();
            environment.set("ACTION", format_args!("NOTIFY_{}", "MASTER")).unwrap();
            environment.set("OUT", format_args!("{}", path.display())).unwrap();
            let script = c"{ env; echo \"$0\"; ps -o pgid= -p $$; echo $$; } > \"$OUT\"; exit 7";
            launcher.launch(3, 60, &[c"/bin/sh", c"-c", script, c"vipd"], &environment).unwrap();
            assert_eq!(next(&launcher), Ended { job: 3, trouble: None, code: Some(7) });
            assert_eq!(launcher.take(), Ok(None));
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            assert!(text.contains("ACTION=NOTIFY_MASTER\n"), "{text}");
            assert!(text.contains("PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"), "{text}");
            assert!(!text.contains("CARGO"), "{text}");
            let lines: List<_> = text.lines().collect();
            let [.., name, group, own] = lines[..] else {
                panic!("{text}");
            };
            assert_eq!(name, "vipd");
            assert_eq!(group.trim(), own);
        });
    }

    #[test]
    fn what_cannot_be_started_is_told_with_its_reason() {
        namespace::alone(|| {
            let launcher = Launcher::start().unwrap();
            let environment = Environment::new();
            for (job, path, errno) in [(1, c"/nonexistent/script", Errno::ENOENT), (2, c"/", Errno::EACCES)] {
                launcher.launch(job, 60, &[path], &environment).unwrap();
                assert_eq!(next(&launcher), Ended { job, trouble: Some(errno), code: None });
            }
            let long = std::ffi::CString::new("x".repeat(REQUEST_BYTES_MAX)).unwrap();
            assert_eq!(launcher.launch(4, 60, &[&long], &environment).unwrap_err().errno, Errno::E2BIG);
        });
    }

    #[test]
    fn scripts_run_beside_each_other_and_the_launcher_ends_with_its_daemon() {
        namespace::alone(|| {
            let launcher = Launcher::start().unwrap();
            let gate = std::env::temp_dir().join(format!("vipd-gate-{}", std::process::id()));
            let mut environment = Environment::new();
            environment.set("GATE", format_args!("{}", gate.display())).unwrap();
            let waits = c"until [ -e $GATE ]; do sleep 0.01; done";
            launcher.launch(1, 60, &[c"/bin/sh", c"-c", waits], &environment).unwrap();
            launcher.launch(2, 60, &[c"/bin/sh", c"-c", c"exit 1"], &environment).unwrap();
            assert_eq!(next(&launcher).job, 2);
            std::fs::write(&gate, "").unwrap();
            assert_eq!(next(&launcher).job, 1);
            std::fs::remove_file(&gate).unwrap();
            drop(launcher);
            let begun = std::time::Instant::now();
            // The launcher is our only child.
            // SAFETY: nothing is asked but to wait.
            while unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } == 0 {
                assert!(begun.elapsed() < Duration::from_secs(20), "it goes on without its daemon");
                std::thread::sleep(Duration::from_millis(5));
            }
        });
    }

    /// It ignores what can be ignored, and has started others.
    #[test]
    fn a_script_that_never_ends_is_killed_with_its_group_and_the_next_one_runs() {
        namespace::alone(|| {
            let launcher = Launcher::start().unwrap();
            let path = std::env::temp_dir().join(format!("vipd-endless-{}", std::process::id()));
            let mut environment = Environment::new();
            environment.set("OUT", format_args!("{}", path.display())).unwrap();
            // Whoever survives is not to hold this test's output open.
            let script = c"exec >/dev/null 2>&1; trap '' TERM HUP INT; sleep 1000 & echo $$ $! > $OUT.new; mv $OUT.new $OUT; wait; sleep 1000";
            let begun = std::time::Instant::now();
            launcher.launch(1, 3, &[c"/bin/sh", c"-c", script], &environment).unwrap();
            launcher.launch(2, 60, &[c"/bin/sh", c"-c", c"exit 0"], &environment).unwrap();
            // It holds up nobody else.
            assert_eq!(next(&launcher), Ended { job: 2, trouble: None, code: Some(0) });
            assert_eq!(next(&launcher), Ended { job: 1, trouble: Some(Errno::ECANCELED), code: None });
            assert!(begun.elapsed() >= Duration::from_secs(3), "it had its time: {:?}", begun.elapsed());
            let pids = std::fs::read_to_string(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            assert_eq!(pids.split_whitespace().count(), 2, "{pids}");
            for pid in pids.split_whitespace() {
                // Whoever has nobody to wait for it may stay a zombie.
                let is_gone = || {
                    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
                    stat.map_or(true, |stat| stat.rsplit(')').next().unwrap().starts_with(" Z"))
                };
                while !is_gone() {
                    assert!(begun.elapsed() < Duration::from_secs(20), "{pid} of {pids} goes on");
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            launcher.launch(3, 60, &[c"/bin/sh", c"-c", c"exit 0"], &environment).unwrap();
            assert_eq!(next(&launcher), Ended { job: 3, trouble: None, code: Some(0) });
        });
    }

    fn next(launcher: &Launcher) -> Ended {
        let begun = std::time::Instant::now();
        loop {
            if let Some(ended) = launcher.take().unwrap() {
                return ended;
            }
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
