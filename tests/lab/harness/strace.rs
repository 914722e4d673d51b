//! System calls, counted by strace.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::process::{Process, Workspace, program};
use super::{eventually, now};

const LIMIT: Duration = Duration::from_secs(5);

/// How many system calls there were, and between which moments.
pub(crate) struct Calls {
    pub(crate) count: u64,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// What strace says, call by call.
    pub(crate) summary: String,
}

impl Calls {
    /// Why strace cannot run here.
    pub(crate) fn missing() -> Option<String> {
        program("strace").is_none().then(|| "strace is not installed".to_owned())
    }

    /// Counts those of these processes for a while.
    ///
    /// # Errors
    /// What strace says where it may not look at a process.
    pub(crate) fn count(ids: &[u32], span: Duration) -> Result<Self, String> {
        let workspace = Workspace::new();
        let summary = workspace.path("summary");
        let mut command = Command::new(program("strace").expect("asked for before"));
        command.args(["-f", "-c", "-o"]).arg(&summary);
        for id in ids {
            command.args(["-p", &id.to_string()]);
        }
        let mut strace = Process::start(command, workspace.path("strace.log"));
        let is_attached = eventually("strace has looked", LIMIT, || {
            if !strace.runs() {
                return Some(false);
            }
            (strace.log().matches("attached").count() >= ids.len()).then_some(true)
        });
        if !is_attached {
            return Err(strace.log().trim().to_owned());
        }
        let from = now();
        thread::sleep(span);
        strace.signal(libc::SIGINT);
        let to = now();
        strace.wait(LIMIT);
        let summary = fs::read_to_string(&summary).expect("strace has written");
        let count = total(&summary).unwrap_or_else(|| panic!("a total in strace's summary:\n{summary}"));
        Ok(Self { count, from, to, summary })
    }
}

/// `100.00    0.000123           1       123         4 total`: the fourth word counts the calls.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().rfind(|line| line.trim_end().ends_with("total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
