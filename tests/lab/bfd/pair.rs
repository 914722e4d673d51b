//! Two or three routers of ours with `option bfd`: unicast, one advertisement a second.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use super::peer::Timers;
use crate::harness::{Bfd, Capture, Host, Noise, Port, Segment, Standing, Vipd, eventually, now};
use crate::lone::{SECOND, VRID, announced};

pub(super) const VIP: &str = "10.0.0.100";
pub(super) const VIP_V6: &str = "fe80::100";

/// What all of them have in common.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    /// Of the routers; the first one is to be the master, and has the first address.
    pub(super) priorities: &'a [u8],
    /// Of the sessions to each other; `None`: without `option bfd`.
    pub(super) timers: Option<Timers>,
    /// IPv6 too.
    pub(super) is_dual: bool,
    /// More options of the instance.
    pub(super) more: &'a str,
    /// A section before it.
    pub(super) globals: &'a str,
}

/// Timers that bear what a busy machine does to a router: the kernel's lock for addresses is one for all namespaces, and whoever
/// claims one waits while other tests make and remove theirs.
pub(super) const PLAN: Plan<'_> =
    Plan { priorities: &[200, 100], timers: Some(Timers::new(80, 5)), is_dual: false, more: "", globals: "" };

impl Plan<'_> {
    fn families(self) -> &'static [&'static str] {
        if self.is_dual { &["10.0.0.", "fe80::"] } else { &["10.0.0."] }
    }

    /// The configuration of one of the routers.
    pub(super) fn config(self, which: usize) -> String {
        let Self { priorities, timers, more, globals, .. } = self;
        let priority = priorities[which];
        let mut text = format!(
            "{globals}config vrrp_instance 'lan'\n\toption interface 'eth0'\n\toption version '3'\n\
             \toption virtual_router_id '{VRID}'\n\toption priority '{priority}'\n\toption advert_int '1'\n\
             \tlist virtual_ipaddress '{VIP}/24'\n{more}"
        );
        if self.is_dual {
            let _ = writeln!(text, "\tlist virtual_ipaddress '{VIP_V6}/64'");
        }
        if timers.is_some() {
            text.push_str("\toption bfd '1'\n");
        }
        let others = || {
            let numbers = (1..=priorities.len()).filter(move |number| *number != which + 1);
            numbers.flat_map(|number| self.families().iter().map(move |net| format!("{net}{number}")))
        };
        for other in others() {
            let _ = writeln!(text, "\tlist unicast_peer '{other}'");
        }
        if let Some(Timers { tx_ms, rx_ms, multiplier }) = timers {
            for other in others() {
                let name: String = other.chars().filter(char::is_ascii_alphanumeric).collect();
                let _ = writeln!(
                    text,
                    "config bfd_instance 'to{name}'\n\toption interface 'eth0'\n\toption neighbor_ip '{other}'\n\
                     \toption min_tx '{tx_ms}'\n\toption min_rx '{rx_ms}'\n\toption multiplier '{multiplier}'"
                );
            }
        }
        text
    }
}

pub(super) struct Routers {
    pub(super) capture: Capture,
    pub(super) ports: Vec<Port>,
    pub(super) hosts: Vec<Host>,
    pub(super) vipds: Vec<Vipd>,
    _lan: Segment,
}

impl Routers {
    /// The first one is master, all sessions are up, and nothing has been said about it for a while.
    pub(super) fn start(plan: Plan<'_>) -> Self {
        let routers = Self::begin(|which| plan.config(which), plan.priorities.len());
        routers.wait_holder(0);
        if plan.timers.is_some() {
            let peers = plan.priorities.len() - 1;
            routers.wait_sessions(peers * plan.families().len());
            eventually("there is quiet", SECOND * 10, || {
                let from = now();
                thread::sleep(SECOND / 2);
                let is_up = (0..=peers).all(|which| routers.was_up(which, from));
                let is_alone = (1..=peers).all(|which| routers.spoke(which, from) == 0);
                (is_up && is_alone).then_some(())
            });
            routers.wait_holder(0);
        }
        routers
    }

    /// Each with its configuration.
    pub(super) fn begin(config: impl Fn(usize) -> String, count: usize) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let names = ["first", "second", "third"];
        let hosts: Vec<_> = names[..count].iter().map(|name| Host::new(name)).collect();
        let address = |number: usize| [format!("10.0.0.{number}/24"), format!("fe80::{number}/64 nodad")];
        let ports = hosts.iter().zip(1..).map(|(host, number)| {
            let [v4, v6] = address(number);
            lan.attach_with(host, "eth0", &[&v4, &v6])
        });
        let ports = ports.collect();
        let vipds = hosts.iter().enumerate().map(|(which, host)| Vipd::start(host, &config(which)));
        let vipds = vipds.collect();
        Self { capture, ports, hosts, vipds, _lan: lan }
    }

    /// Waits until every router says that it has this many sessions, all of them up.
    pub(super) fn wait_sessions(&self, count: usize) {
        for vipd in &self.vipds {
            eventually("every session is up", SECOND * 10, || {
                let status = vipd.try_status()?;
                let sessions = status["bfd"].as_array()?;
                let up = sessions.iter().filter(|bfd| bfd["state"] == "up" && bfd["remote_state"] == "up");
                (up.count() == count && sessions.len() == count).then_some(())
            });
        }
    }

    /// Waits until this one alone has the address.
    pub(super) fn wait_holder(&self, which: usize) {
        eventually(&format!("router {which} alone has the address"), SECOND * 10, || {
            let has: Vec<_> = self.hosts.iter().map(|host| host.has("eth0", VIP)).collect();
            has.iter().enumerate().all(|(router, has)| *has == (router == which)).then_some(())
        });
    }

    /// Waits until this router announces the address; returns when.
    pub(super) fn wait_announced(&self, which: usize, vip: &str, from: Duration) -> Duration {
        let vip = vip.parse().unwrap();
        let port = self.ports[which].index();
        self.capture.wait(&format!("router {which} announces {vip}"), from, SECOND * 8, |frame| {
            (frame.port == port && announced(frame) == Some(vip)).then_some(frame.at)
        })
    }

    /// How often this router has spoken as master since then.
    pub(super) fn spoke(&self, which: usize, from: Duration) -> usize {
        let adverts = self.capture.adverts(&self.ports[which], VRID, from);
        adverts.iter().filter(|(_, vrrp)| vrrp.priority > 0).count()
    }

    /// How often it has become master since it started.
    pub(super) fn became_master(&self, which: usize) -> u64 {
        self.vipds[which].status()["instances"][0]["counters"]["became_master"].as_u64().unwrap()
    }

    /// What its sessions have said since then.
    pub(super) fn bfd(&self, which: usize, from: Duration) -> Vec<Bfd> {
        self.capture.bfd(&self.ports[which], from)
    }

    /// Whether every session has been up since then, at this router.
    pub(super) fn was_up(&self, which: usize, from: Duration) -> bool {
        self.bfd(which, from).iter().all(|bfd| bfd.standing == Standing::Up)
    }
}

/// The longest stall of the machine since then.
pub(super) fn stall(from: Duration) -> Duration {
    Noise::observer().worst(from, now())
}
