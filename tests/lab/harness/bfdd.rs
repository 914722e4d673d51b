//! FRR's bfdd.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::eventually;
use super::host::Host;
use super::peers::{frr_is_missing, launch_frr, wait_for_socket};
use super::process::{Process, Workspace};

/// FRR's zebra and bfdd with their own sockets, and a line to its operator.
pub(crate) struct Bfdd {
    host: Host,
    zebra: Process,
    bfdd: Process,
    workspace: Workspace,
    starts: u32,
}

impl Bfdd {
    /// Why it cannot run here.
    pub(crate) fn missing() -> Option<String> {
        frr_is_missing(&["zebra", "bfdd"])
    }

    /// Starts it with this configuration: what stands below `bfd`.
    pub(crate) fn start(host: &Host, config: &str) -> Self {
        let workspace = Workspace::new();
        workspace.open_to_all();
        workspace.write("bfdd.conf", &format!("log stdout\nbfd\n{config}"));
        workspace.write("zebra.conf", "");
        let zebra = launch_frr(host, &workspace, "zebra", 0);
        wait_for_socket(&workspace, "zebra.socket");
        let bfdd = launch_frr(host, &workspace, "bfdd", 0);
        wait_for_socket(&workspace, "bfdd.vty");
        Self { host: host.clone(), zebra, bfdd, workspace, starts: 1 }
    }

    /// bfdd; zebra goes on beside it.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.bfdd
    }

    /// Starts bfdd again after its end.
    pub(crate) fn restart(&mut self) {
        assert!(!self.bfdd.runs(), "bfdd has ended");
        assert!(self.zebra.runs(), "zebra goes on");
        self.bfdd = launch_frr(&self.host, &self.workspace, "bfdd", self.starts);
        self.starts += 1;
    }

    /// Types these commands, as an operator would; returns what the last one prints.
    pub(crate) fn operate(&self, commands: &[&str]) -> String {
        let path = self.workspace.path("bfdd.vty");
        let mut line =
            eventually("bfdd listens", Duration::from_secs(10), || UnixStream::connect(&path).ok());
        let mut printed = String::new();
        for command in [&["enable"], commands].concat() {
            line.write_all(format!("{command}\0").as_bytes()).expect("bfdd listens");
            printed = answer(&mut line).unwrap_or_else(|status| panic!("{command}: status {status}"));
        }
        printed
    }
}

/// An answer is text, three zeros, and a status, which is 0 where the command was taken.
fn answer(line: &mut UnixStream) -> Result<String, u8> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while bytes.len() < 4 || bytes[bytes.len() - 4..bytes.len() - 1] != [0; 3] {
        line.read_exact(&mut byte).expect("bfdd answers");
        bytes.push(byte[0]);
    }
    match bytes.pop() {
        Some(0) => Ok(String::from_utf8_lossy(&bytes[..bytes.len() - 3]).into_owned()),
        status => Err(status.unwrap_or_default()),
    }
}
