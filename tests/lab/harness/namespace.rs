//! Network namespaces without a name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A network namespace, for as long as this value lives or a process runs in it.
pub(crate) struct Namespace {
    file: File,
}

impl Namespace {
    /// A new namespace, with its loopback device up and without waiting for duplicate addresses.
    pub(crate) fn new() -> Self {
        let made = thread::scope(|scope| {
            let maker = scope.spawn(|| {
                // SAFETY: only this short-lived thread changes its namespace.
                if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
                    return Err(io::Error::last_os_error());
                }
                File::open("/proc/thread-self/ns/net")
            });
            maker.join().expect("the thread does not panic")
        });
        let namespace = Self { file: made.expect("a network namespace can be made") };
        for when in ["all", "default"] {
            namespace.sysctl(&format!("ipv6/conf/{when}/accept_dad"), "0");
            namespace.sysctl(&format!("ipv6/conf/{when}/dad_transmits"), "0");
        }
        namespace.ip("link set lo up");
        namespace
    }

    /// A path under which `ip link … netns PATH` finds the namespace.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Does `work` on a thread inside the namespace: sockets opened there stay there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                enter(self.file.as_raw_fd()).expect("the namespace can be entered");
                work()
            });
            match worker.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// A command that will run inside the namespace and die with the thread that starts it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let descriptor = self.file.as_raw_fd();
        let page = shared_moment();
        // SAFETY: between fork and exec only system calls are made, and nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                enter(descriptor)?;
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time);
                page.store(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64, Ordering::Relaxed);
                Ok(())
            });
        }
        command
    }

    /// Runs `ip` with these words, which must succeed; returns what it prints.
    pub(crate) fn ip(&self, words: &str) -> String {
        let output =
            self.command("ip").args(words.split_whitespace()).output().expect("iproute2 is installed");
        assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same where it may fail; says whether it succeeded.
    pub(crate) fn try_ip(&self, words: &str) -> bool {
        let output = self.command("ip").args(words.split_whitespace()).output();
        output.is_ok_and(|output| output.status.success())
    }

    /// Runs `ip` once with many lines of words, which must all succeed: where to start a program takes long, that is
    /// faster than one by one.
    #[allow(dead_code)] // For those that run under another kernel.
    pub(crate) fn ip_batch(&self, lines: &[String]) {
        let mut command = self.command("ip");
        command.args(["-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("iproute2 is installed");
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all((lines.join("\n") + "\n").as_bytes()).expect("ip reads");
        drop(input);
        let output = child.wait_with_output().expect("it can be waited for");
        assert!(output.status.success(), "ip {lines:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Sets a value under `/proc/sys/net`.
    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        self.inside(|| fs::write(format!("/proc/sys/net/{name}"), value))
            .unwrap_or_else(|error| panic!("net/{name} = {value}: {error}"));
    }
}

/// When a command in a namespace was last about to become its program, since 1970.
#[allow(dead_code)] // For who measures a start: what was before is the laboratory's own.
pub(crate) fn last_exec() -> Duration {
    Duration::from_nanos(shared_moment().load(Ordering::Relaxed))
}

/// A number that the children write: in memory that they share.
fn shared_moment() -> &'static AtomicU64 {
    static MOMENT: OnceLock<&'static AtomicU64> = OnceLock::new();
    MOMENT.get_or_init(|| {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh mapping of zeros, aligned to a page, that is never taken back.
        unsafe {
            let page = libc::mmap(ptr::null_mut(), size_of::<AtomicU64>(), access, kind, -1, 0);
            assert!(page != libc::MAP_FAILED, "a page can be mapped");
            &*page.cast()
        }
    })
}

fn enter(descriptor: i32) -> io::Result<()> {
    // SAFETY: setns with the descriptor of a namespace that is open.
    if unsafe { libc::setns(descriptor, libc::CLONE_NEWNET) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

static ROOTLESS: OnceLock<Result<bool, String>> = OnceLock::new();

/// Makes an ordinary user root of a user namespace. To be called while the process has one thread only,
/// that is, before `main` of a test binary.
pub(crate) fn become_root() {
    // SAFETY: geteuid and getegid cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let result = if user == 0 {
        Ok(false)
    } else {
        map_to_root(user, group)
            .map(|()| true)
            .map_err(|error| format!("not root, and no user namespace is allowed: {error}"))
    };
    let _ = ROOTLESS.set(result.and_then(|rootless| try_namespace().map(|()| rootless)));
}

/// Whether root is only that of a user namespace.
///
/// # Errors
/// Why no namespace can be made at all.
pub(crate) fn rootless() -> Result<bool, String> {
    ROOTLESS.get().cloned().unwrap_or_else(|| Err("the laboratory was not opened before main".to_owned()))
}

fn map_to_root(user: u32, group: u32) -> io::Result<()> {
    let spaces = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET;
    // SAFETY: unshare changes only this process, which has one thread.
    if unsafe { libc::unshare(spaces) } != 0 {
        return Err(io::Error::last_os_error());
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

/// Containers often have a root that may make no namespace.
fn try_namespace() -> Result<(), String> {
    // SAFETY: the child makes two system calls and ends.
    let child = unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(libc::unshare(libc::CLONE_NEWNET));
        }
        child
    };
    let mut status = 0;
    // SAFETY: waits for the child just made.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    if child > 0 && waited == child && status == 0 {
        Ok(())
    } else {
        Err("no network namespace may be made here".to_owned())
    }
}
