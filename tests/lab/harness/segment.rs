//! A switch with its ports.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::capture::Capture;
use super::host::Host;
use super::namespace::Namespace;

/// A switch: a bridge in its own namespace, without multicast snooping, spanning tree or addresses.
pub(crate) struct Segment {
    namespace: Arc<Namespace>,
    ports: AtomicU32,
}

/// Where a host is plugged into a switch.
pub(crate) struct Port {
    namespace: Arc<Namespace>,
    name: String,
    index: u32,
    mac: [u8; 6],
}

impl Segment {
    pub(crate) fn new() -> Self {
        let namespace = Arc::new(Namespace::new());
        for when in ["all", "default"] {
            namespace.sysctl(&format!("ipv6/conf/{when}/disable_ipv6"), "1");
        }
        namespace.ip("link add switch type bridge mcast_snooping 0 stp_state 0");
        namespace.ip("link set switch up");
        Self { namespace, ports: AtomicU32::new(0) }
    }

    /// Plugs `host` in: it gets a device of this name that is up and has carrier.
    pub(crate) fn attach(&self, host: &Host, device: &str) -> Port {
        let number = self.ports.fetch_add(1, Ordering::Relaxed);
        let name = format!("p{number}-{}", host.name());
        let host_path = host.namespace().path();
        self.namespace.ip(&format!("link add {name} type veth peer name {device} netns {host_path}"));
        self.namespace.ip(&format!("link set {name} master switch up"));
        host.ip(&format!("link set {device} up"));
        let index = self.index_of(&name);
        Port { namespace: Arc::clone(&self.namespace), name, index, mac: mac_of(host, device) }
    }

    /// Plugs `host` in and gives the device these addresses.
    pub(crate) fn attach_with(&self, host: &Host, device: &str, addresses: &[&str]) -> Port {
        let port = self.attach(host, device);
        for address in addresses {
            host.ip(&format!("address add {address} dev {device}"));
        }
        port
    }

    /// Plugs many hosts in at once: each gets a device of this name, which is not switched on yet, and whose Ethernet
    /// address is a number that no other has.
    #[allow(dead_code)] // For those that run under another kernel, where to start a program takes long.
    pub(crate) fn attach_all(&self, hosts: &[(&Host, &str)]) -> Vec<Port> {
        static NUMBERS: AtomicU32 = AtomicU32::new(1);
        let mut lines = Vec::new();
        let mut ports = Vec::new();
        for (host, device) in hosts {
            let name = format!("p{}-{}", self.ports.fetch_add(1, Ordering::Relaxed), host.name());
            let [_, a, b, c] = NUMBERS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            let (path, address) = (host.namespace().path(), format!("02:00:01:{a:02x}:{b:02x}:{c:02x}"));
            lines
                .push(format!("link add {name} type veth peer name {device} address {address} netns {path}"));
            lines.push(format!("link set {name} master switch up"));
            ports.push((name, [2, 0, 1, a, b, c]));
        }
        self.namespace.ip_batch(&lines);
        let links = self.namespace.ip("-o link show");
        let port = |(name, mac): (String, [u8; 6])| {
            let mark = format!(": {name}@");
            let line = links.lines().find(|line| line.contains(&mark)).expect("the port is there");
            let index = line.split(':').next().and_then(|text| text.parse().ok());
            let index = index.expect("ip prints the index first");
            Port { namespace: Arc::clone(&self.namespace), name, index, mac }
        };
        ports.into_iter().map(port).collect()
    }

    /// A socket for the cable of a machine that is no [`Host`]: a tap, which the machine opens by the port's
    /// name (see [`Self::command`]) and which has carrier as long as it does.
    #[allow(dead_code)] // The emulated boards' (tests/boards).
    pub(crate) fn attach_machine(&self, mac: [u8; 6]) -> Port {
        let name = format!("p{}", self.ports.fetch_add(1, Ordering::Relaxed));
        self.namespace.ip(&format!("tuntap add {name} mode tap"));
        self.namespace.ip(&format!("link set {name} master switch up"));
        let index = self.index_of(&name);
        Port { namespace: Arc::clone(&self.namespace), name, index, mac }
    }

    /// A command that runs where the switch is, and dies with the thread that starts it.
    #[allow(dead_code)] // The emulated boards'.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.namespace.command(program)
    }

    fn index_of(&self, name: &str) -> u32 {
        let line = self.namespace.ip(&format!("-o link show {name}"));
        let index = line.split(':').next().and_then(|text| text.parse().ok());
        index.expect("ip prints the index first")
    }

    /// Begins to record every frame that enters the switch.
    pub(crate) fn capture(&self) -> Capture {
        Capture::start(&self.namespace)
    }
}

impl Port {
    /// The port's number in the capture.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The name of the switch's device.
    #[allow(dead_code)] // The emulated boards'.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The Ethernet address of the host's device.
    pub(crate) fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Takes carrier away from the host, from the switch's side.
    pub(crate) fn unplug(&self) {
        self.namespace.ip(&format!("link set {} down", self.name));
    }

    /// Takes the port out of the switch: nothing comes or goes, and the host has carrier as before.
    #[allow(dead_code)] // BFD's.
    pub(crate) fn mislead(&self) {
        self.namespace.ip(&format!("link set {} nomaster", self.name));
    }

    /// Gives carrier back.
    pub(crate) fn plug(&self) {
        self.namespace.ip(&format!("link set {} up", self.name));
    }
}

fn mac_of(host: &Host, device: &str) -> [u8; 6] {
    let line = host.ip(&format!("-o link show {device}"));
    let mut words = line.split_whitespace();
    words.find(|word| *word == "link/ether");
    let text = words.next().expect("ip prints the Ethernet address");
    let mut mac = [0; 6];
    for (byte, digits) in mac.iter_mut().zip(text.split(':')) {
        *byte = u8::from_str_radix(digits, 16).expect("hexadecimal");
    }
    mac
}
