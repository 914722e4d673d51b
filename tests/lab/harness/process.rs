//! Daemons and their files.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::{eventually, now};

/// A directory of its own for a test's files, short enough for a socket's path; gone at the end.
pub(crate) struct Workspace {
    path: PathBuf,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vipd-lab-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("the temporary directory can be written");
        Self { path }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Lets every user of the machine write into the directory.
    pub(crate) fn open_to_all(&self) {
        let permissions = fs::Permissions::from_mode(0o777);
        fs::set_permissions(&self.path, permissions).expect("the directory is ours");
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("the workspace can be written");
        path
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Whether a program is installed, and where.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/bin", "/usr/lib/frr"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// A running daemon, whose output goes to a file. It is killed when this value goes.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it; the log is appended to, so that a second start adds to the first one's.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Self {
        let file = File::options().create(true).append(true).open(&log);
        let output = OwnedFd::from(file.expect("the workspace can be written"));
        let errors = output.try_clone().expect("descriptors are left");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log, ended: None }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The number of the daemon's first process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the daemon's first process.
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: kill with the id of a child that has not been waited for.
        let result = unsafe { libc::kill(self.child.id() as i32, signal) };
        assert_eq!(result, 0, "the daemon runs");
    }

    /// Kills it and its children at once, as a power cut would. Returns the moment.
    ///
    /// The parent is frozen first: keepalived's child would otherwise see its parent die, and say goodbye.
    pub(crate) fn kill(&mut self) -> Duration {
        let moment = now();
        if self.ended.is_none() {
            self.signal(libc::SIGSTOP);
            for child in children_of(self.child.id()) {
                // SAFETY: the frozen parent cannot have waited for its child, so the id is still its.
                unsafe { libc::kill(child as i32, libc::SIGKILL) };
            }
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
        moment
    }

    /// Asks it to end (SIGTERM). Returns the moment; [`Self::wait`] says how it went.
    pub(crate) fn terminate(&self) -> Duration {
        let moment = now();
        self.signal(libc::SIGTERM);
        moment
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        let status = eventually("the daemon ends", limit, || self.child.try_wait().ok().flatten());
        self.ended = Some(status);
        status
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended.is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let name = self.log.file_name().map(Path::new).map(Path::display);
            let log = self.log();
            let skipped = log.lines().count().saturating_sub(40);
            eprintln!("--- the end of {}", name.expect("a log has a name"));
            for line in log.lines().skip(skipped) {
                eprintln!("{line}");
            }
        }
    }
}

pub(crate) fn children_of(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    fs::read_to_string(path)
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}
