//! What an administrator wants: virtual servers and their servers, written as a configuration, and what the kernel is to
//! make of them, by a reckoning of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use crate::table::{self, AF_INET, AF_INET6, Destination, Key, Place, Table, Traits};

/// A whole configuration.
#[derive(Debug, Clone, Default)]
pub struct Site {
    pub services: Vec<Service>,
    /// There is a VRRP instance `lan` with this priority, for 10.0.0.100.
    pub priority: Option<u8>,
    /// Its `lvs_sync_daemon_interface`.
    pub sync_daemon: bool,
    /// `lvs_timeout_tcp`, `_tcpfin` and `_udp`.
    pub timeouts: [u32; 3],
}

/// A virtual server.
#[derive(Debug, Clone)]
pub struct Service {
    pub name: String,
    pub address: String,
    pub port: u16,
    /// Not 0: instead of address and port.
    pub mark: u32,
    pub protocol: &'static str,
    pub scheduler: String,
    pub kind: &'static str,
    pub persistence_secs: u32,
    pub quorum: u32,
    pub hysteresis: u32,
    pub sorry: Option<(String, u16)>,
    pub retries: u32,
    /// What the names of its servers begin with; those of the same name are one section.
    pub farm: String,
    /// Flags that are on, and what else stands in the section.
    pub options: Vec<String>,
    pub servers: Vec<Server>,
}

/// A real server.
#[derive(Debug, Clone)]
pub struct Server {
    pub address: String,
    pub port: u16,
    pub weight: u32,
    pub is_checked: bool,
    pub upper: u32,
    pub lower: u32,
    pub options: Vec<String>,
}

impl Site {
    pub fn of(services: impl IntoIterator<Item = Service>) -> Self {
        Self { services: services.into_iter().collect(), ..Self::default() }
    }

    /// As a file.
    pub fn text(&self) -> String {
        let mut text = String::from("config globals\n");
        let words = ["lvs_timeout_tcp", "lvs_timeout_tcpfin", "lvs_timeout_udp"];
        for (word, secs) in words.iter().zip(self.timeouts).filter(|(_, secs)| *secs > 0) {
            option(&mut text, word, secs);
        }
        if let Some(priority) = self.priority {
            text.push_str("config vrrp_instance 'lan'\n");
            option(&mut text, "interface", "eth0");
            option(&mut text, "virtual_router_id", 7);
            option(&mut text, "version", 3);
            option(&mut text, "priority", priority);
            text.push_str(" list virtual_ipaddress '10.0.0.100/24'\n");
            if self.sync_daemon {
                option(&mut text, "lvs_sync_daemon_interface", "eth1");
            }
        }
        for service in &self.services {
            service.write(&mut text);
        }
        text
    }

    pub fn keys(&self) -> BTreeSet<Key> {
        self.services.iter().map(Service::key).collect()
    }

    /// Its keys, and what the kernel is to have: `lives` says which server of which service does, and `is_up` which service
    /// has its quorum, if that does not follow from it alone.
    pub fn table(
        &self,
        lives: &dyn Fn(usize, usize) -> bool,
        is_up: &dyn Fn(usize) -> Option<bool>,
    ) -> Table {
        let mut table = BTreeMap::new();
        for (place, service) in self.services.iter().enumerate() {
            let lives = |server| lives(place, server);
            let is_up = is_up(place).unwrap_or_else(|| service.living(&lives) >= service.quorum);
            table.insert(service.key(), service.entry(&lives, is_up));
        }
        Table(table)
    }
}

impl Service {
    /// 10.0.0.100:80, with servers from 10.1.0.1 on; they are checked every five seconds.
    pub fn web(servers: u8) -> Self {
        Self {
            name: "web".into(),
            address: "10.0.0.100".into(),
            port: 80,
            mark: 0,
            protocol: "tcp",
            scheduler: "wlc".into(),
            kind: "NAT",
            persistence_secs: 0,
            quorum: 1,
            hysteresis: 0,
            sorry: None,
            retries: 1,
            farm: "web".into(),
            options: vec![],
            servers: (1..=servers).map(|last| Server::new(&format!("10.1.0.{last}"), 80)).collect(),
        }
    }

    /// Another one of its kind, at this port.
    pub fn at(port: u16, servers: u8) -> Self {
        let name = format!("web{port}");
        let mut service = Self { farm: name.clone(), name, port, ..Self::web(servers) };
        service.servers.iter_mut().for_each(|server| server.port = port);
        service
    }

    pub fn with(mut self, option: &str) -> Self {
        self.options.push(option.into());
        self
    }

    pub fn sorry(mut self, address: &str) -> Self {
        self.sorry = Some((address.into(), 80));
        self
    }

    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|it| it == option)
    }

    fn write(&self, text: &mut String) {
        for (place, server) in self.servers.iter().enumerate() {
            let name = self.server_name(place);
            if !text.contains(&format!("config real_server '{name}'\n")) {
                server.write(&name, text);
            }
        }
        _ = writeln!(text, "config virtual_server '{}'", self.name);
        if self.mark == 0 {
            option(text, "ipaddr", &self.address);
            option(text, "port", self.port);
            option(text, "protocol", self.protocol);
        } else {
            option(text, "fwmark", self.mark);
            option(text, "family", if self.is_v6() { "inet6" } else { "inet" });
        }
        option(text, "lb_algo", &self.scheduler);
        match self.kind {
            "GUE" => {
                for (name, value) in [("tun_type", "gue"), ("tun_port", "6080"), ("tun_checksum", "csum")] {
                    option(text, name, value);
                }
                option(text, "lb_kind", "TUN");
            }
            "GRE" => {
                option(text, "tun_type", "gre");
                option(text, "lb_kind", "TUN");
            }
            plain => option(text, "lb_kind", plain),
        }
        option(text, "quorum", self.quorum);
        option(text, "hysteresis", self.hysteresis);
        option(text, "delay_loop", 5);
        option(text, "connect_timeout", 2);
        option(text, "retry", self.retries);
        option(text, "delay_before_retry", 1);
        option(text, "warmup", 0);
        if self.persistence_secs > 0 {
            option(text, "persistence_timeout", self.persistence_secs);
        }
        if let Some((address, port)) = &self.sorry {
            option(text, "sorry_server_ip", address);
            option(text, "sorry_server_port", port);
        }
        self.options.iter().for_each(|line| write_line(text, line));
        for place in 0..self.servers.len() {
            _ = writeln!(text, " list real_server '{}'", self.server_name(place));
        }
    }

    /// By its address, so that it stays the same one when others come or go.
    pub fn server_name(&self, place: usize) -> String {
        let server = &self.servers[place];
        format!("{}_{}_{}", self.farm, server.address.replace(['.', ':'], "_"), server.port)
    }

    fn is_v6(&self) -> bool {
        self.address.contains(':')
    }

    pub fn key(&self) -> Key {
        let family = if self.is_v6() { AF_INET6 } else { AF_INET };
        if self.mark > 0 {
            return Key { family, protocol: 0, address: [0; 16], port: 0, mark: self.mark };
        }
        let protocol = match self.protocol {
            "tcp" => 6,
            "udp" => 17,
            _ => 132,
        };
        Key { family, protocol, address: octets(&self.address).1, port: self.port, mark: 0 }
    }

    pub fn traits(&self) -> Traits {
        let netmask = if self.is_v6() { 128_u32.to_ne_bytes() } else { [255; 4] };
        let mut flags = u32::from(self.persistence_secs > 0);
        if self.has("ops 1") {
            flags |= 4;
        }
        if self.has("sh_port 1") {
            flags |= 0x10;
        }
        let (scheduler, timeout_secs) = (self.scheduler.clone(), self.persistence_secs);
        Traits { scheduler, flags, timeout_secs, netmask, engine: String::new() }
    }

    /// The weight of what lives.
    fn living(&self, lives: &dyn Fn(usize) -> bool) -> u32 {
        let all = self.servers.iter().enumerate().filter(|(place, _)| lives(*place));
        all.map(|(_, server)| server.weight).sum()
    }

    fn entry(&self, lives: &dyn Fn(usize) -> bool, is_up: bool) -> table::Service {
        let mut destinations = BTreeMap::new();
        let serves = is_up || self.sorry.is_none();
        for (place, server) in self.servers.iter().enumerate() {
            let inhibits = self.has("inhibit_on_failure 1") || server.has("inhibit_on_failure 1");
            let its = self.destination(server.upper, server.lower);
            if serves && lives(place) {
                destinations.insert(server.place(), Destination { weight: server.weight, ..its });
            } else if inhibits {
                destinations.insert(server.place(), Destination { weight: 0, ..its });
            }
        }
        if let Some((address, port)) = self.sorry.as_ref().filter(|_| !is_up) {
            // If it is one of the servers, with that one's bounds.
            let place = place(address, *port);
            let bounds = self.servers.iter().find(|server| server.place() == place);
            let (upper, lower) = bounds.map_or((0, 0), |server| (server.upper, server.lower));
            destinations.insert(place, self.destination(upper, lower));
        }
        table::Service { traits: self.traits(), destinations }
    }

    /// With weight 1.
    pub fn destination(&self, upper: u32, lower: u32) -> Destination {
        // How it is forwarded; the kind of tunnel, its port and its flags.
        let (forward, tunnel, tunnel_port, tunnel_flags) = match self.kind {
            "NAT" => (0, 0, 0, 0),
            "TUN" => (2, 0, 0, 0),
            "GUE" => (2, 1, 6080, 1),
            "GRE" => (2, 2, 0, 0),
            _ => (3, 0, 0, 0),
        };
        Destination { forward, weight: 1, upper, lower, tunnel, tunnel_port, tunnel_flags }
    }
}

impl Server {
    pub fn new(address: &str, port: u16) -> Self {
        let (weight, upper, lower) = (1, 0, 0);
        Self { address: address.into(), port, weight, is_checked: true, upper, lower, options: vec![] }
    }

    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|it| it == option)
    }

    pub fn place(&self) -> Place {
        place(&self.address, self.port)
    }

    fn write(&self, name: &str, text: &mut String) {
        _ = writeln!(text, "config real_server '{name}'");
        option(text, "ipaddr", &self.address);
        if self.port > 0 {
            option(text, "port", self.port);
        }
        option(text, "weight", self.weight);
        if self.is_checked {
            option(text, "check", "TCP_CHECK");
        }
        if self.upper > 0 {
            option(text, "uthreshold", self.upper);
            option(text, "lthreshold", self.lower);
        }
        self.options.iter().for_each(|line| write_line(text, line));
    }
}

fn option(text: &mut String, name: &str, value: impl core::fmt::Display) {
    _ = writeln!(text, " option {name} '{value}'");
}

/// `NAME VALUE`.
fn write_line(text: &mut String, line: &str) {
    let (name, value) = line.split_once(' ').expect("a name and a value");
    option(text, name, value);
}

pub fn place(address: &str, port: u16) -> Place {
    let (family, address) = octets(address);
    Place { family, address, port }
}

fn octets(address: &str) -> (u16, [u8; 16]) {
    let mut octets = [0; 16];
    match address.parse().expect("an address") {
        IpAddr::V4(address) => {
            octets[..4].copy_from_slice(&address.octets());
            (AF_INET, octets)
        }
        IpAddr::V6(address) => (AF_INET6, address.octets()),
    }
}
