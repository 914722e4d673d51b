//! For tests: a process of its own, and a network of its own.

use core::time::Duration;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::string::String;
use std::vec::Vec;
use std::{env, eprintln, format};

use socket2::{Domain, Protocol, Socket, Type};

use super::poll::{Waiting, wait};
use crate::wire::IfIndex;

const MARK: &str = "VIPD_TEST_ALONE";

/// Runs `body`, a closure in a test, in a process of its own: nobody else starts programs, which for a moment
/// hold every descriptor there is, or waits for them.
pub(super) fn alone<F: FnOnce()>(body: F) {
    if env::var_os(MARK).is_some() {
        return body();
    }
    let name = test_of::<F>();
    // `env` alone changes nothing: a command to put ours behind.
    run_again(Command::new("env"), name);
}

/// Runs `body`, a closure in a test, in a process with an empty network, as its root. Says SKIPPED where that
/// is not to be had.
pub(super) fn networked<F: FnOnce()>(body: F) {
    if env::var_os(MARK).is_some() {
        return body();
    }
    let name = test_of::<F>();
    let possible = Command::new("unshare")
        .args(["-rn", "ip", "link", "add", "type", "veth"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !possible {
        assert!(env::var_os("VIPD_NO_SKIPS").is_none(), "{name} needs unshare(1), ip(8) and user namespaces");
        eprintln!("SKIPPED {name}: needs unshare(1), ip(8) and user namespaces");
        return;
    }
    let mut command = Command::new("unshare");
    command.arg("-rn");
    run_again(command, name);
}

/// Runs ip(8), which must succeed, and returns what it says.
pub(super) fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Waits until something can be read, at most ten seconds, and then a moment for what follows it. What is
/// expected to stay away is given a moment only.
pub(super) fn await_readable(descriptor: &impl AsRawFd, expected: bool) {
    let (longest, moment) = if expected { (10_000, 150) } else { (30, 30) };
    wait(&mut [Waiting::to_read(descriptor)], Some(Duration::from_millis(longest))).unwrap();
    std::thread::sleep(Duration::from_millis(moment));
}

/// A socket that sees every frame of one kind in the network where it is opened.
pub(super) fn listen(ethertype: u16) -> Socket {
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    let kind = Type::RAW.nonblocking();
    let socket = Socket::new(Domain::PACKET, kind, Some(protocol)).unwrap();
    let _ = socket.set_recv_buffer_size(4_000_000);
    socket
}

/// What such a socket has seen when a moment is over.
pub(super) fn frames(socket: &Socket, expected: bool) -> Vec<Vec<u8>> {
    await_readable(socket, expected);
    let mut all = Vec::new();
    let mut buffer = [core::mem::MaybeUninit::new(0u8); 2000];
    while let Ok(len) = socket.recv(&mut buffer) {
        // SAFETY: all of it is initialised above.
        let bytes = buffer[..len].iter().map(|byte| unsafe { byte.assume_init() });
        all.push(bytes.collect::<Vec<u8>>());
    }
    // The kernels' own multicast reports (RFC 3810 §5.2.14) are none of ours.
    all.retain(|frame| !frame.starts_with(&[0x33, 0x33, 0, 0, 0, 0x16]));
    all
}

/// The number of a device.
pub(super) fn index_of(name: &str) -> IfIndex {
    let name = std::ffi::CString::new(name).unwrap();
    // SAFETY: the name ends with a zero byte.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    assert_ne!(index, 0);
    IfIndex(index)
}

/// Two networks with a cable between them: `v0` with 10.9.0.1/24 and fe80::1/64 at home, where we are, and
/// `v1` with 10.9.0.2/24 and fe80::2/64 away.
pub(super) struct Cable {
    home: File,
    away: File,
}

impl Cable {
    pub(super) fn lay() -> Self {
        let here = || File::open("/proc/thread-self/ns/net").unwrap();
        let home = here();
        // SAFETY: it concerns this thread alone.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0);
        let away = here();
        enter(&home);
        let cable = Self { home, away };
        cable.plug("");
        cable
    }

    /// Makes the two devices; `with` is more for the one at home.
    pub(super) fn plug(&self, with: &str) {
        let (pid, away) = (std::process::id(), self.away.as_raw_fd());
        ip(&format!("link add v0 {with} type veth peer name v1"));
        ip(&format!("link set v1 netns /proc/{pid}/fd/{away}"));
        set_up("v0", 1);
        self.away(|| set_up("v1", 2));
        self.away(|| await_ready("v1"));
        await_ready("v0");
    }

    /// Does something in the network at the other end.
    pub(super) fn away<T>(&self, body: impl FnOnce() -> T) -> T {
        enter(&self.away);
        let result = body();
        enter(&self.home);
        result
    }
}

fn enter(network: &File) {
    // SAFETY: it concerns this thread alone.
    let result = unsafe { libc::setns(network.as_raw_fd(), libc::CLONE_NEWNET) };
    assert_eq!(result, 0);
}

/// The kernel notices a carrier up to a second later, and IPv6 waits for that; and what is sent to an IPv6 address is taken
/// a moment after it was added.
pub(super) fn await_ready(device: &str) {
    for _ in 0..500 {
        let link = ip(&format!("-o link show {device}"));
        let routes = ip(&format!("-6 route show table all dev {device}"));
        let addresses = ip(&format!("-6 address show dev {device}"));
        let multicast = routes.contains("multicast ff00::/8");
        let taken = routes.lines().filter(|route| route.starts_with("local ")).count();
        let taken = taken == addresses.matches("inet6 ").count();
        if link.contains("state UP") && multicast && taken && !addresses.contains("tentative") {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{device} is not ready");
}

fn set_up(device: &str, number: u8) {
    // The kernel's own word on a new link, at a moment of its choice, is no part of any test.
    std::fs::write(std::format!("/proc/sys/net/ipv6/conf/{device}/router_solicitations"), "0").unwrap();
    ip(&format!("link set {device} addrgenmode none up"));
    ip(&format!("address add 10.9.0.{number}/24 dev {device}"));
    ip(&format!("address add fe80::{number}/64 dev {device} nodad"));
}

/// The test that a closure stands in, as the harness calls it.
fn test_of<F>() -> &'static str {
    let name = core::any::type_name::<F>();
    let name = name.strip_suffix("::{{closure}}").unwrap();
    name.split_once("::").unwrap().1
}

/// Runs one test of this binary behind `command`; a foreign machine's binary needs its emulator again.
fn run_again(mut command: Command, name: &str) {
    command.args(env::var_os("VIPD_TEST_EMULATOR")).arg(env::current_exe().unwrap());
    let output = command.args(["--exact", name, "--nocapture"]).env(MARK, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    assert!(said.contains("1 passed"), "there is no test {name}: {said}");
}
