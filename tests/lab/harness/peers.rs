//! The other daemons: keepalived, and FRR's vrrpd.

use std::fmt::Write as _;
use std::time::Duration;

use super::host::Host;
use super::process::{Process, Workspace, program};
use super::{eventually, rootless};

/// keepalived with its own files, without syslog, VRRP only unless said.
pub(crate) struct Keepalived {
    host: Host,
    process: Process,
    workspace: Workspace,
    extra: Vec<String>,
    starts: u32,
}

impl Keepalived {
    /// Why it cannot run here.
    pub(crate) fn missing() -> Option<String> {
        program("keepalived").is_none().then(|| "keepalived is not installed".to_owned())
    }

    /// Starts it with this `keepalived.conf`.
    pub(crate) fn start(host: &Host, config: &str) -> Self {
        Self::start_with(host, config, &[])
    }

    /// The same with further options.
    pub(crate) fn start_with(host: &Host, config: &str, extra: &[&str]) -> Self {
        let workspace = Workspace::new();
        workspace.write("keepalived.conf", config);
        let extra: Vec<String> = extra.iter().map(|&word| word.to_owned()).collect();
        let process = launch_keepalived(host, &workspace, 0, &extra);
        Self { host: host.clone(), workspace, process, extra, starts: 1 }
    }

    /// Starts it with this `keepalived.conf`, for virtual servers only.
    pub(crate) fn start_checkers(host: &Host, config: &str) -> Self {
        Self::start_with(host, config, &["-C"])
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Replaces its configuration, without telling it.
    #[allow(dead_code)] // The lab has nothing to change.
    pub(crate) fn rewrite(&self, config: &str) {
        self.workspace.write("keepalived.conf", config);
    }

    /// Starts it again after its end. Its pid files are new: it takes a stale one for a running daemon.
    pub(crate) fn restart(&mut self) {
        assert!(!self.process.runs(), "keepalived has ended");
        self.process = launch_keepalived(&self.host, &self.workspace, self.starts, &self.extra);
        self.starts += 1;
    }
}

fn launch_keepalived(host: &Host, workspace: &Workspace, start: u32, extra: &[String]) -> Process {
    let binary = program("keepalived").expect("checked before");
    let mut command = host.command(&binary.to_string_lossy());
    command.args(["-n", "-l", "-G", "--dont-fork", "--dont-respawn"]);
    if !extra.iter().any(|word| word == "-C") {
        command.arg("-P");
    }
    command.arg("-f").arg(workspace.path("keepalived.conf")).args(extra);
    for (option, name) in [("-p", "parent"), ("-r", "vrrp"), ("-c", "check"), ("-b", "bfd")] {
        command.arg(option).arg(workspace.path(&format!("{name}.{start}.pid")));
    }
    let log = workspace.path(&format!("keepalived-{}.log", host.name()));
    Process::start(command, log)
}

/// FRR's zebra and vrrpd with their own sockets, and the macvlan that vrrpd wants to find.
pub(crate) struct Frr {
    host: Host,
    zebra: Process,
    vrrpd: Process,
    workspace: Workspace,
    starts: u32,
}

/// A virtual router of FRR: one family, version 3.
pub(crate) struct FrrFamily<'a> {
    pub(crate) device: &'a str,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) interval_ms: u32,
    pub(crate) addresses: &'a [&'a str],
}

impl Frr {
    /// Why it cannot run here.
    pub(crate) fn missing() -> Option<String> {
        frr_is_missing(&["zebra", "vrrpd"])
    }

    /// Starts it as one virtual router.
    pub(crate) fn start(host: &Host, family: &FrrFamily<'_>) -> Self {
        make_virtual_device(host, family);
        let workspace = Workspace::new();
        // FRR becomes its own user before it makes its sockets.
        workspace.open_to_all();
        workspace.write("vrrpd.conf", &frr_config(family));
        workspace.write("zebra.conf", "");
        let zebra = launch_frr(host, &workspace, "zebra", 0);
        wait_for_socket(&workspace, "zebra.socket");
        let vrrpd = launch_frr(host, &workspace, "vrrpd", 0);
        Self { host: host.clone(), workspace, zebra, vrrpd, starts: 1 }
    }

    /// vrrpd; zebra goes on beside it.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.vrrpd
    }

    /// The numbers of its processes, zebra's among them.
    #[allow(dead_code)] // What they cost is of no interest to the lab.
    pub(crate) fn ids(&self) -> [u32; 2] {
        [self.vrrpd.id(), self.zebra.id()]
    }

    /// Starts vrrpd again after its end.
    pub(crate) fn restart(&mut self) {
        assert!(!self.vrrpd.runs(), "vrrpd has ended");
        assert!(self.zebra.runs(), "zebra goes on");
        self.vrrpd = launch_frr(&self.host, &self.workspace, "vrrpd", self.starts);
        self.starts += 1;
    }
}

/// Why these daemons of FRR cannot run here.
pub(super) fn frr_is_missing(daemons: &[&str]) -> Option<String> {
    if let Some(name) = daemons.iter().find(|name| program(name).is_none()) {
        return Some(format!("FRR's {name} is not installed"));
    }
    match rootless() {
        Ok(true) => Some("FRR needs root: it changes to its own user".to_owned()),
        Ok(false) => None,
        Err(why) => Some(why),
    }
}

/// vrrpd finds its virtual routers by macvlan devices with the virtual MAC and the addresses.
fn make_virtual_device(host: &Host, family: &FrrFamily<'_>) {
    let FrrFamily { device, vrid, .. } = family;
    let v6 = family.addresses.iter().any(|address| address.contains(':'));
    let (name, kind) = if v6 { ("vrrp6", 2) } else { ("vrrp4", 1) };
    host.ip(&format!("link add {name} link {device} type macvlan mode bridge"));
    // Routers of one virtual MAC must not derive the same link-local address from it (RFC 9568 §7.4).
    host.ip(&format!("link set {name} addrgenmode random"));
    host.ip(&format!("link set {name} address 00:00:5e:00:0{kind}:{vrid:02x}"));
    for address in family.addresses {
        let (bits, flags) = if v6 { (64, "nodad") } else { (24, "") };
        host.ip(&format!("address add {address}/{bits} dev {name} {flags}"));
    }
    host.ip(&format!("link set {name} up"));
}

fn frr_config(family: &FrrFamily<'_>) -> String {
    let FrrFamily { device, vrid, .. } = family;
    let mut text = format!("log stdout\ninterface {device}\n vrrp {vrid} version 3\n");
    let _ = writeln!(text, " vrrp {vrid} priority {}", family.priority);
    let _ = writeln!(text, " vrrp {vrid} advertisement-interval {}", family.interval_ms);
    for address in family.addresses {
        let word = if address.contains(':') { "ipv6" } else { "ip" };
        let _ = writeln!(text, " vrrp {vrid} {word} {address}");
    }
    text
}

/// Its own files, sockets and pid file, beside whatever else of FRR runs on the machine.
pub(super) fn launch_frr(host: &Host, workspace: &Workspace, name: &str, start: u32) -> Process {
    let binary = program(name).expect("checked before");
    let mut command = host.command(&binary.to_string_lossy());
    command
        .arg("-f")
        .arg(workspace.path(&format!("{name}.conf")))
        .arg("-i")
        .arg(workspace.path(&format!("{name}.{start}.pid")))
        .arg("-z")
        .arg(workspace.path("zebra.socket"))
        .arg("--vty_socket")
        .arg(workspace.path(""))
        .args(["-P", "0"]);
    if name == "bfdd" {
        command.arg("--bfdctl").arg(workspace.path("bfdd.socket"));
    }
    Process::start(command, workspace.path(&format!("{name}-{}.log", host.name())))
}

pub(super) fn wait_for_socket(workspace: &Workspace, name: &str) {
    let socket = workspace.path(name);
    eventually(&format!("{name} is there"), Duration::from_secs(10), || socket.exists().then_some(()));
}
