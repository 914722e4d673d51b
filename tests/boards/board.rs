//! A board on the segment: an emulated machine that a test types commands into.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::console::{Answer, Console};
use crate::harness::{Port, Process, Segment, Workspace, eventually};

/// Its Ethernet address, as `tests/boards/board` gives it.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x76, 0x69, 0x70];
/// Seconds are normal; on a machine that is busy with other things, boots take their time.
const BOOT: Duration = Duration::from_secs(180);
/// The same for a command.
const PATIENCE: Duration = Duration::from_secs(60);

/// As the package's init script starts it, in the background of the console's shell.
const START: &str = "vipd run -c /etc/config/vipd --socket /var/run/vipd.sock --log syslog --alias lan=br-lan & \
    echo $! >/var/run/vipd.pid";

pub(crate) struct Board {
    console: Console,
    emulator: Process,
    port: Port,
    _workspace: Workspace,
}

/// Why no such board can be booted here.
pub(crate) fn missing(kind: &str) -> Option<String> {
    let image = home(kind).join("initramfs");
    (!image.exists()).then(|| format!("no board has been made, see tests/boards/run {kind}"))
}

fn home(kind: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/boards").join(kind)
}

impl Board {
    /// Boots a board of this kind with its `eth0`, a port of its `br-lan`, plugged into the segment.
    pub(crate) fn boot(kind: &str, lan: &Segment) -> Self {
        let port = lan.attach_machine(MAC);
        let workspace = Workspace::new();
        let socket = workspace.path("console");
        let mut command = lan.command(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boards/board"));
        command
            .arg(kind)
            .args(["-netdev", &format!("tap,id=lan,ifname={},script=no,downscript=no", port.name())])
            .args(["-chardev", &format!("socket,id=console,path={},server=on,wait=on", socket.display())])
            .args(["-serial", "chardev:console"]);
        let emulator = Process::start(command, workspace.path("emulator.log"));
        let console = Console::open(&socket, BOOT);
        Self { console, emulator, port, _workspace: workspace }
    }

    pub(crate) fn port(&self) -> &Port {
        &self.port
    }

    /// Runs a command, and gives back how it went.
    pub(crate) fn ask(&mut self, command: &str) -> Answer {
        self.console.ask(command, PATIENCE)
    }

    /// Runs a command that must succeed, and gives back what it printed.
    pub(crate) fn run(&mut self, command: &str) -> String {
        let answer = self.ask(command);
        assert_eq!(answer.status, 0, "on the board: {command}\n{}", answer.text);
        answer.text
    }

    /// Changes options of `/etc/config/vipd`, the file that the package ships, as `uci set` would.
    pub(crate) fn set(&mut self, options: &[(&str, &str)]) {
        for (option, value) in options {
            self.run(&format!("sed -i \"s/option {option} .*/option {option} '{value}'/\" /etc/config/vipd"));
        }
    }

    /// Enables vipd with this priority and starts it.
    pub(crate) fn start_vipd(&mut self, priority: u8) {
        self.set(&[("enabled", "1"), ("priority", &priority.to_string())]);
        self.run(START);
    }

    /// Sends vipd a signal, by name.
    pub(crate) fn signal_vipd(&mut self, signal: &str) {
        self.run(&format!("kill -{signal} $(cat /var/run/vipd.pid)"));
    }

    /// The exit status of a vipd that has been asked to end.
    pub(crate) fn wait_vipd(&mut self) -> u8 {
        self.ask("wait $(cat /var/run/vipd.pid)").status
    }

    /// The two virtual routers of the instance as `vipd status --json` has them; none until vipd answers.
    pub(crate) fn status(&mut self) -> Option<[Value; 2]> {
        // A board that is asked without end has no time for anything else.
        let answer = self.ask("sleep 0.2; vipd status --json");
        if answer.status == 3 {
            return None;
        }
        assert_eq!(answer.status, 0, "{}", answer.text);
        let mut json: Value = serde_json::from_str(&answer.text).expect("--json prints JSON");
        let [v4, v6] = ["ipv4", "ipv6"].map(|family| {
            let list = json["instances"].as_array_mut().expect("a list");
            let index = list.iter().position(|vr| vr["family"] == family).expect("both families");
            list.swap_remove(index)
        });
        Some([v4, v6])
    }

    /// Waits until both virtual routers are what `wanted` says, and returns them.
    pub(crate) fn wait_status(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> [Value; 2] {
        eventually(what, PATIENCE, || self.status().filter(|both| both.iter().all(&wanted)))
    }

    /// Whether `br-lan` has an address.
    pub(crate) fn has(&mut self, address: &str) -> bool {
        let text = self.run("ip -o address show dev br-lan");
        text.split_whitespace().any(|word| word.split('/').next() == Some(address))
    }

    /// What the system's log has said so far.
    pub(crate) fn log(&mut self) -> String {
        self.run("logread")
    }

    /// Cuts its power. Returns the moment.
    pub(crate) fn cut_power(&mut self) -> Duration {
        self.emulator.kill()
    }
}
