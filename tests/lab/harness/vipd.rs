//! The daemon on trial.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use super::eventually;
use super::host::Host;
use super::process::{Process, Workspace};

static BINARY: OnceLock<PathBuf> = OnceLock::new();

/// One `vipd run` with its own configuration, socket and log.
pub(crate) struct Vipd {
    host: Host,
    // Before its workspace: what goes first can still show its log.
    process: Process,
    workspace: Workspace,
    extra: Vec<String>,
    binary: PathBuf,
}

impl Vipd {
    /// Names the binary on trial; the first call decides.
    pub(crate) fn set_binary(path: PathBuf) {
        let _ = BINARY.set(path);
    }

    /// The binary on trial.
    pub(crate) fn binary() -> PathBuf {
        BINARY.get().cloned().unwrap_or_else(|| "vipd".into())
    }

    /// Starts the daemon on `host` with this configuration (UCI).
    pub(crate) fn start(host: &Host, config: &str) -> Self {
        Self::start_with(host, config, &[])
    }

    /// The same with further options of `vipd run`.
    pub(crate) fn start_with(host: &Host, config: &str, extra: &[&str]) -> Self {
        Self::start_binary(Self::binary(), host, config, extra)
    }

    /// The same with another binary.
    pub(crate) fn start_binary(binary: PathBuf, host: &Host, config: &str, extra: &[&str]) -> Self {
        let workspace = Workspace::new();
        workspace.write("config", config);
        let extra: Vec<String> = extra.iter().map(|&word| word.to_owned()).collect();
        let process = launch(&binary, host, &workspace, &extra);
        Self { host: host.clone(), workspace, extra, process, binary }
    }

    /// Starts it again after its end, with the same configuration; the log goes on.
    pub(crate) fn restart(&mut self) {
        assert!(!self.process.runs(), "the daemon has ended");
        self.process = launch(&self.binary, &self.host, &self.workspace, &self.extra);
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The number of the daemon's first process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Replaces the configuration file as `uci commit` does, at once, without telling the daemon.
    pub(crate) fn rewrite(&self, config: &str) {
        let fresh = self.workspace.write("config.new", config);
        fs::rename(fresh, self.workspace.path("config")).expect("the workspace can be written");
    }

    /// A request of the command line to this daemon, not yet run.
    pub(crate) fn request(&self, words: &[&str]) -> Command {
        let mut command = self.host.command(&self.binary.to_string_lossy());
        command.args(words);
        command.arg("--socket").arg(self.workspace.path("socket"));
        command
    }

    /// Runs a request of the command line.
    pub(crate) fn ask(&self, words: &[&str]) -> Output {
        self.request(words).output().expect("the binary can be run")
    }

    /// `vipd status --json`, parsed; `None` while the daemon does not answer.
    pub(crate) fn try_status(&self) -> Option<serde_json::Value> {
        let output = self.ask(&["status", "--json"]);
        if !output.status.success() {
            return None;
        }
        match serde_json::from_slice(&output.stdout) {
            Ok(value) => Some(value),
            Err(error) => {
                let text = String::from_utf8_lossy(&output.stdout);
                panic!("status --json is not JSON: {error}\n{text}")
            }
        }
    }

    /// `vipd status --json`, parsed, as soon as the daemon answers.
    pub(crate) fn status(&self) -> serde_json::Value {
        eventually("the daemon answers", Duration::from_secs(5), || self.try_status())
    }
}

fn launch(binary: &std::path::Path, host: &Host, workspace: &Workspace, extra: &[String]) -> Process {
    let mut command = host.command(&binary.to_string_lossy());
    // As init starts it.
    command.env_clear().arg("run").arg("-c").arg(workspace.path("config"));
    command.arg("--socket").arg(workspace.path("socket"));
    command.args(["--log", "stderr"]).args(extra);
    let log = workspace.path(&format!("vipd-{}.log", host.name()));
    Process::start(command, log)
}
