//! The network: clients on one side, servers on the other, directors between them.
//!
//! ```text
//!  client 10.0.0.7                            server-1 .. server-N
//!     |                                        |  |        10.1.0.11 .. on back, 10.0.0.11 .. on front
//!  ===+========== front 10.0.0.0/24 ===========|==+===
//!     |                                        |
//!  director-1 .. 10.0.0.1 .. 10.1.0.1 ..       |
//!     |                                        |
//!  ===+========== back 10.1.0.0/24 ============+======
//! ```
//!
//! The same in IPv6: `fd00::7`, `fd00:1::11` and so on. What a server sends from its address on `back` to `front` goes
//! through [`GATEWAY`], which a director has, so that it can undo its translation; what it sends from [`VIP`], which
//! every server has on its loopback device, goes to the client as it is. So every server can be reached in every way.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::harness::{Host, Port, Segment};

use super::web::{Web, fetch};

/// What clients ask for. The servers have it, and say so to nobody; a director gets it from the test, or from vipd.
pub(super) const VIP: &str = "10.0.0.100";
/// The same in IPv6.
pub(super) const VIP6: &str = "fd00::100";
/// The servers' way to the clients. A director gets it from the test, or from vipd.
pub(super) const GATEWAY: &str = "10.1.0.254";
/// The same in IPv6.
pub(super) const GATEWAY6: &str = "fd00:1::254";

pub(super) struct Farm {
    pub(super) client: Host,
    pub(super) directors: Vec<Host>,
    pub(super) servers: Vec<Server>,
    /// The switch with the clients.
    #[allow(dead_code)] // For those who capture there.
    pub(super) front: Segment,
    /// The switch with the servers alone.
    #[allow(dead_code)] // The same.
    pub(super) back: Segment,
}

/// A server and what runs on it.
pub(super) struct Server {
    pub(super) host: Host,
    /// Its address on the back, which a director is told.
    pub(super) address: String,
    /// The same in IPv6.
    pub(super) address6: String,
    /// Its place on the switch with the servers alone: without, a director does not reach it.
    #[allow(dead_code)] // For those who unplug it.
    pub(super) port: Port,
    web: Option<Web>,
}

impl Server {
    fn new(host: Host, port: Port, number: usize) -> Self {
        // The client's packets come from where the client is not; and nobody but a director answers for the address.
        for (name, value) in [("rp_filter", "0"), ("arp_ignore", "1"), ("arp_announce", "2")] {
            for device in ["all", "eth0", "eth1"] {
                host.sysctl(&format!("ipv4/conf/{device}/{name}"), value);
            }
        }
        let (address, address6) = (format!("10.1.0.{number}"), format!("fd00:1::{number}"));
        let mut lines = device("eth0", [&format!("{address}/24"), &format!("{address6}/64")]);
        lines.extend(device("eth1", [&format!("10.0.0.{number}/24"), &format!("fd00::{number}/64")]));
        lines.extend([
            format!("address add {VIP}/32 dev lo"),
            format!("address add {VIP6}/128 dev lo"),
            "rule add from 10.1.0.0/24 to 10.0.0.0/24 lookup 7".to_owned(),
            format!("route add 10.0.0.0/24 via {GATEWAY} table 7"),
            format!("route add fd00::/64 via {GATEWAY6} table 7"),
        ]);
        host.ip_batch(&lines);
        host.ip("-6 rule add from fd00:1::/64 to fd00::/64 lookup 7");
        let mut server = Self { host, address, address6, port, web: None };
        server.start();
        server
    }

    /// Listens on port 80 of every address from now on.
    pub(super) fn start(&mut self) {
        self.web = Some(Web::start(&self.host));
    }

    /// Closes the port, and all connections.
    pub(super) fn stop(&mut self) {
        self.web = None;
    }

    /// Takes packets out of tunnels of IP in IP from now on.
    pub(super) fn unwrap_packets(&self) {
        // With the module comes a device in every namespace.
        let loaded =
            Command::new("modprobe").arg("ipip").output().is_ok_and(|output| output.status.success());
        assert!(loaded, "the kernel has the module ipip");
        self.host.sysctl("ipv4/conf/tunl0/rp_filter", "0");
        self.host.ip("link set tunl0 up");
    }

    /// How many packets it has taken out of tunnels.
    pub(super) fn unwrapped(&self) -> u64 {
        let devices = self.host.namespace().inside(|| fs::read_to_string("/proc/thread-self/net/dev"));
        let devices = devices.expect("the kernel counts");
        let (_, counters) = devices.split_once("tunl0:").expect("there is a tunnel");
        counters.split_whitespace().nth(1).and_then(|packets| packets.parse().ok()).expect("a number")
    }

    /// What listens on port 80.
    pub(super) fn web(&self) -> &Web {
        self.web.as_ref().expect("the server is started")
    }
}

impl Farm {
    /// So many directors, which forward and have nothing else, and so many servers, which listen.
    pub(super) fn new(directors: usize, servers: usize) -> Self {
        let client = Host::new("client");
        let directors = hosts("director", directors);
        let servers = hosts("server", servers);
        let (front, back) = (Segment::new(), Segment::new());
        front.attach_all(
            &[&with(&directors, "eth0")[..], &with(&servers, "eth1"), &[(&client, "eth0")]].concat(),
        );
        let back_ports = back.attach_all(&[with(&directors, "eth1"), with(&servers, "eth0")].concat());
        client.ip_batch(&device("eth0", ["10.0.0.7/24", "fd00::7/64"]));
        for (number, director) in (1..).zip(&directors) {
            prepare_director(director, number);
        }
        let ports = back_ports.into_iter().skip(directors.len());
        let servers = servers.into_iter().zip(ports).zip(11..);
        let servers = servers.map(|((host, port), number)| Server::new(host, port, number)).collect();
        Self { client, directors, servers, front, back }
    }

    /// The first director gets [`VIP`] and [`GATEWAY`], in both families.
    pub(super) fn appoint(&self) -> &Host {
        let director = &self.directors[0];
        director.ip_batch(&[
            format!("address add {VIP}/32 dev eth0"),
            format!("address add {VIP6}/128 dev eth0"),
            format!("address add {GATEWAY}/24 dev eth1"),
            format!("address add {GATEWAY6}/64 dev eth1"),
        ]);
        director
    }

    /// How often each server answers when the client fetches so often from port 80 of an address; what is no answer is
    /// counted under its error.
    pub(super) fn fetch(&self, address: &str, times: usize) -> BTreeMap<String, usize> {
        let mut tally = BTreeMap::new();
        for _ in 0..times {
            let name = fetch(&self.client, address, "/").unwrap_or_else(|error| error.kind().to_string());
            *tally.entry(name).or_default() += 1;
        }
        tally
    }
}

fn hosts(name: &str, count: usize) -> Vec<Host> {
    (1..=count).map(|number| Host::new(&format!("{name}-{number}"))).collect()
}

fn with<'a>(hosts: &'a [Host], device: &'a str) -> Vec<(&'a Host, &'a str)> {
    hosts.iter().map(|host| (host, device)).collect()
}

/// A device that is switched on and has these addresses.
fn device(name: &str, addresses: [&str; 2]) -> Vec<String> {
    let mut lines = vec![format!("link set {name} up")];
    lines.extend(addresses.map(|address| format!("address add {address} dev {name}")));
    lines
}

fn prepare_director(host: &Host, number: usize) {
    host.sysctl("ipv4/ip_forward", "1");
    host.sysctl("ipv6/conf/all/forwarding", "1");
    for device in ["all", "eth0", "eth1"] {
        host.sysctl(&format!("ipv4/conf/{device}/send_redirects"), "0");
        host.sysctl(&format!("ipv4/conf/{device}/rp_filter"), "0");
    }
    let mut lines = device("eth0", [&format!("10.0.0.{number}/24"), &format!("fd00::{number}/64")]);
    lines.extend(device("eth1", [&format!("10.1.0.{number}/24"), &format!("fd00:1::{number}/64")]));
    host.ip_batch(&lines);
}
