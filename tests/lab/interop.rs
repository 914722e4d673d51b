//! vipd beside keepalived and beside FRR's vrrpd: both roles, four ways of change.
//!
//! A takeover is measured on the wire, between the last advert of the old master and the first one of the
//! new, by the kernel's timestamps: not before the protocol's time, and at most 50 ms after it (checklist
//! TM09). A late one is tried once more only if the machine itself was proved to be late meanwhile.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{
    Capture, Claim, Frr, FrrFamily, Host, Keepalived, Noise, Port, Process, Segment, Vipd, eventually, now,
};

const SECOND: Duration = Duration::from_secs(1);
/// What a takeover may cost beside the protocol's time.
const ROOM: Duration = Duration::from_millis(50);
/// From a process that is started to a virtual router that listens: the loader, the file, the kernel's lists.
const START_UP: Duration = Duration::from_millis(50);
/// A timer starts when a packet arrives, which is after the capture's stamp; clocks differ by this at most.
const EARLY: Duration = Duration::from_millis(3);
const VRID: u8 = 51;
const PEER_PRIORITY: u8 = 100;

/// Which daemon stands opposite, and how the two talk.
#[derive(Clone, Copy)]
struct Pairing {
    peer: Peer,
    version: u8,
    interval: Duration,
    unicast: bool,
    addresses: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Peer {
    Keepalived,
    Frr,
}

/// Who is master at first.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    Vipd,
    Peer,
}

/// What happens to the first master.
#[derive(Clone, Copy)]
enum Change {
    /// Killed with SIGKILL; nothing more is heard of it.
    Killed,
    /// Asked to end; it resigns with priority 0.
    Stopped,
    /// Its cable is pulled at the switch.
    Unplugged,
    /// Killed, and started again when the other one has taken over.
    Returned,
}

const CLASSIC: Pairing = Pairing {
    peer: Peer::Keepalived,
    version: 2,
    interval: SECOND,
    unicast: true,
    addresses: &["192.168.0.3"],
};

const V2_MULTICAST: Pairing =
    Pairing { unicast: false, addresses: &["192.168.0.3/24", "192.168.0.4/24"], ..CLASSIC };

const V3_V4: Pairing = Pairing { version: 3, interval: Duration::from_millis(200), ..V2_MULTICAST };

const V3_V6: Pairing = Pairing { addresses: &["fe80::3/64", "2001:db8::3/64"], ..V3_V4 };

const FRR_V4: Pairing = Pairing { peer: Peer::Frr, interval: Duration::from_millis(300), ..V3_V4 };

const FRR_V6: Pairing = Pairing { peer: Peer::Frr, interval: Duration::from_millis(300), ..V3_V6 };

macro_rules! both_roles_four_changes {
    ($($module:ident: $pairing:expr;)*) => { $(
        mod $module {
            use super::*;

            #[test]
            fn tm09_vipd_takes_over_from_a_killed_peer() {
                trial($pairing, Role::Peer, Change::Killed);
            }

            #[test]
            fn tm08_vipd_takes_over_from_a_peer_that_resigns() {
                trial($pairing, Role::Peer, Change::Stopped);
            }

            #[test]
            fn vipd_takes_over_from_an_unplugged_peer() {
                trial($pairing, Role::Peer, Change::Unplugged);
            }

            #[test]
            fn vipd_yields_to_a_peer_that_returns() {
                trial($pairing, Role::Peer, Change::Returned);
            }

            #[test]
            fn tm09_the_peer_takes_over_from_a_killed_vipd() {
                trial($pairing, Role::Vipd, Change::Killed);
            }

            #[test]
            fn the_peer_takes_over_from_a_vipd_that_resigns() {
                trial($pairing, Role::Vipd, Change::Stopped);
            }

            #[test]
            fn the_peer_takes_over_from_an_unplugged_vipd() {
                trial($pairing, Role::Vipd, Change::Unplugged);
            }

            #[test]
            fn a_vipd_that_returns_preempts_the_peer() {
                trial($pairing, Role::Vipd, Change::Returned);
            }
        }
    )* };
}

both_roles_four_changes! {
    keepalived_v2_unicast_with_password: CLASSIC;
    keepalived_v2_multicast: V2_MULTICAST;
    keepalived_v3_ipv4: V3_V4;
    keepalived_v3_ipv6: V3_V6;
    frr_v3_ipv4: FRR_V4;
    frr_v3_ipv6: FRR_V6;
}

/// Two routers on a segment, one of them ours.
struct Scene {
    pairing: Pairing,
    capture: Capture,
    _lan: Segment,
    ours: Station,
    peer: Station,
}

struct Station {
    host: Host,
    port: Port,
    priority: u8,
    daemon: Daemon,
}

enum Daemon {
    Vipd(Vipd),
    Keepalived(Keepalived),
    Frr(Frr),
}

/// One trial, and a second one if the first was late while the machine was.
fn trial(pairing: Pairing, master: Role, change: Change) {
    let missing = match pairing.peer {
        Peer::Keepalived => Keepalived::missing(),
        Peer::Frr => Frr::missing(),
    };
    let Some(_bench) = Bench::take(Load::Light, &[missing]) else {
        return;
    };
    let began = now();
    if let Err(late) = attempt(pairing, master, change) {
        let stall = Noise::observer().worst(began, now());
        assert!(stall > ROOM / 3, "{late}, and the machine stalled for no more than {stall:?}");
        eprintln!("{late}; the machine stalled for {stall:?}: once more");
        attempt(pairing, master, change).unwrap_or_else(|late| panic!("{late}"));
    }
}

fn attempt(pairing: Pairing, role: Role, change: Change) -> Result<(), String> {
    let mut scene = Scene::set_up(pairing, role);
    scene.settle(role);
    match change {
        Change::Killed => scene.kill(role).map(|_| ()),
        Change::Stopped => scene.stop(role),
        Change::Unplugged => scene.unplug(role),
        Change::Returned => {
            let taken = scene.kill(role)?;
            scene.bring_back(role, taken)
        }
    }
}

impl Scene {
    fn set_up(pairing: Pairing, role: Role) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let (ours, peer) = (Host::new("vipd"), Host::new("peer"));
        let peer_port = lan.attach_with(&peer, "eth0", &["192.168.0.1/24"]);
        let our_port = lan.attach_with(&ours, "eth0", &["192.168.0.2/24"]);
        ours.add_idle_device("wan");
        // In the classic pair the numbers are those of countless how-tos.
        let our_priority = if role == Role::Vipd { 150 } else { 50 };
        let peer_daemon = match pairing.peer {
            Peer::Keepalived => Daemon::Keepalived(Keepalived::start(&peer, &keepalived_config(pairing))),
            Peer::Frr => Daemon::Frr(start_frr(&peer, pairing)),
        };
        let our_daemon = Daemon::Vipd(Vipd::start(&ours, &vipd_config(pairing, our_priority)));
        Self {
            pairing,
            capture,
            _lan: lan,
            ours: Station { host: ours, port: our_port, priority: our_priority, daemon: our_daemon },
            peer: Station { host: peer, port: peer_port, priority: PEER_PRIORITY, daemon: peer_daemon },
        }
    }

    fn master(&mut self, role: Role) -> &mut Station {
        match role {
            Role::Vipd => &mut self.ours,
            Role::Peer => &mut self.peer,
        }
    }

    fn backup(&self, role: Role) -> &Station {
        match role {
            Role::Vipd => &self.peer,
            Role::Peer => &self.ours,
        }
    }

    /// Waits until the master has been alone for some intervals.
    fn settle(&mut self, role: Role) {
        let interval = self.pairing.interval;
        let port = self.master(role).port.index();
        let backup_port = self.backup(role).port.index();
        let quiet_since = |frames: &[crate::harness::Frame]| {
            let adverts = frames.iter().filter(|frame| frame.vrrp().is_some());
            let mut run = adverts.rev().take_while(|frame| frame.port != backup_port);
            run.nth(2).map(|frame| (frame.port, frame.at))
        };
        eventually("one master", interval * 20 + SECOND * 5, || {
            let (sender, _) = quiet_since(&self.capture.frames())?;
            (sender == port).then_some(())
        });
        // In the middle of an interval nothing else is under way.
        let last = self.last_advert(port);
        thread::sleep((last + interval / 2).saturating_sub(now()));
        self.holds(role);
    }

    /// The master has the addresses.
    fn holds(&mut self, role: Role) {
        let addresses = self.pairing.addresses;
        let peer = self.pairing.peer;
        let station = self.master(role);
        // FRR's addresses stand on its own device all the time.
        if matches!((role, peer), (Role::Peer, Peer::Frr)) {
            return;
        }
        eventually("the master has the addresses", SECOND, || {
            let all = addresses.iter().all(|vip| station.host.has("eth0", vip));
            all.then_some(())
        });
    }

    fn last_advert(&self, port: u32) -> Duration {
        let frames = self.capture.frames();
        let mut adverts = frames.iter().filter(|frame| frame.port == port);
        let last = adverts.rfind(|frame| frame.vrrp().is_some());
        last.expect("it has advertised").at
    }

    fn kill(&mut self, role: Role) -> Result<Duration, String> {
        let killed = self.master(role).daemon.process().kill();
        let taken = self.taken_over(role, killed);
        let port = self.master(role).port.index();
        self.verdict(role, self.last_advert(port), taken, self.down_time(role))?;
        self.announced(role, taken);
        Ok(taken)
    }

    fn stop(&mut self, role: Role) -> Result<(), String> {
        let asked = self.master(role).daemon.process().terminate();
        let taken = self.taken_over(role, asked);
        let port = self.master(role).port.index();
        let last = self.last_advert(port);
        let resignation = self.capture.between(last, last);
        let resignation = resignation.iter().find_map(crate::harness::Frame::vrrp);
        let priority = resignation.map(|vrrp| vrrp.priority);
        assert_eq!(priority, Some(0), "the last word of a master is priority 0");
        self.verdict(role, last, taken, self.skew(role))?;
        self.announced(role, taken);
        if role == Role::Vipd {
            let status = self.ours.daemon.process().wait(SECOND * 2);
            assert_eq!(status.code(), Some(0), "the end was asked for");
            self.released(Role::Vipd);
        }
        Ok(())
    }

    fn unplug(&mut self, role: Role) -> Result<(), String> {
        let moment = now();
        self.master(role).port.unplug();
        let taken = self.taken_over(role, moment);
        let port = self.master(role).port.index();
        self.verdict(role, self.last_advert(port), taken, self.down_time(role))?;
        self.announced(role, taken);
        if role == Role::Vipd {
            self.released(Role::Vipd);
        }
        Ok(())
    }

    /// The old master starts again, takes its address back, and the other one falls silent.
    fn bring_back(&mut self, role: Role, taken: Duration) -> Result<(), String> {
        self.holds(other(role));
        let started = now();
        self.master(role).daemon.restart();
        assert!(taken < started, "the other one had taken over");
        let limit = self.pairing.interval * 4 + SECOND * 5;
        // The advert is what the other one yields to; FRR announces an interval earlier over IPv6.
        let port = &if role == Role::Vipd { &self.ours } else { &self.peer }.port;
        let (back, _) = self.capture.wait_advert(port, VRID, started, limit);
        let verdict = match role {
            Role::Vipd => self.preempts(started, back),
            Role::Peer => self.yields(back),
        };
        thread::sleep((back + self.pairing.interval * 3).saturating_sub(now()));
        let late = self.capture.between(back + ROOM, now());
        let backup_port = self.backup(role).port.index();
        let mut late = late.iter().filter(|frame| frame.port == backup_port);
        assert!(late.all(|frame| frame.vrrp().is_none()), "the lower one is silent");
        self.released(other(role));
        self.holds(role);
        verdict
    }

    /// A vipd that returns listens for one down interval from its start, whatever the lower one says, and takes over.
    fn preempts(&self, started: Duration, back: Duration) -> Result<(), String> {
        let formula = self.down_time_of(self.ours.priority);
        let waited = back - started;
        eprintln!("vipd took back {waited:?} after its start; the protocol says {formula:?}");
        assert!(waited + EARLY >= formula, "it listens first, {waited:?}");
        if waited <= formula + ROOM + START_UP {
            Ok(())
        } else {
            Err(format!("vipd took back after {waited:?}, more than {formula:?} + {ROOM:?} + {START_UP:?}"))
        }
    }

    /// vipd steps back at the first advert of a peer that returns, and within an interval has no address left.
    fn yields(&self, back: Duration) -> Result<(), String> {
        let addresses = self.pairing.addresses;
        eventually("the addresses are taken away", SECOND * 2, || {
            let any = addresses.iter().any(|vip| self.ours.host.has("eth0", vip));
            (!any).then_some(())
        });
        let took = now() - back;
        eprintln!("vipd had no address left {took:?} after the first advert of the peer that returned");
        if took <= self.pairing.interval {
            Ok(())
        } else {
            Err(format!("vipd released after {took:?}, more than an interval of {:?}", self.pairing.interval))
        }
    }

    /// When the backup spoke first after `from`.
    fn taken_over(&self, role: Role, from: Duration) -> Duration {
        let limit = self.down_time(role) + SECOND * 2;
        self.first_claim(self.backup(role).port.index(), from, limit)
    }

    fn first_claim(&self, port: u32, from: Duration, limit: Duration) -> Duration {
        let wanted = format!("port {port} claims the address");
        self.capture.wait(&wanted, from, limit, |frame| {
            let claims = match frame.claim()? {
                Claim::Advert(vrrp) => vrrp.priority > 0,
                Claim::Arp(address) => self.is_virtual(address.into()),
                Claim::Neighbour(address) => self.is_virtual(address.into()),
            };
            (frame.port == port && claims).then_some(frame.at)
        })
    }

    fn is_virtual(&self, address: IpAddr) -> bool {
        virtual_addresses(self.pairing).contains(&address)
    }

    /// Every address has been announced once the backup has taken over.
    fn announced(&self, role: Role, taken: Duration) {
        let port = self.backup(role).port.index();
        for address in virtual_addresses(self.pairing) {
            let what = format!("an announcement of {address}");
            self.capture.wait(&what, taken, SECOND, |frame| {
                let announces = match frame.claim()? {
                    Claim::Advert(_) => false,
                    Claim::Arp(vip) => address == IpAddr::from(vip),
                    Claim::Neighbour(vip) => address == IpAddr::from(vip),
                };
                (frame.port == port && announces).then_some(())
            });
        }
    }

    /// The daemon of this role has taken its addresses away.
    fn released(&mut self, role: Role) {
        if matches!((role, self.pairing.peer), (Role::Peer, Peer::Frr)) {
            return;
        }
        let addresses = self.pairing.addresses;
        let station = self.master(role);
        eventually("the addresses are taken away", SECOND, || {
            let any = addresses.iter().any(|vip| station.host.has("eth0", vip));
            (!any).then_some(())
        });
    }

    /// How long the backup waits after the last word of a master that fell silent (RFC 3768 §6.1, RFC 9568
    /// §6.1).
    fn down_time(&self, role: Role) -> Duration {
        self.down_time_of(self.backup(role).priority)
    }

    fn down_time_of(&self, priority: u8) -> Duration {
        self.pairing.interval * 3 + self.skew_of(priority)
    }

    fn skew(&self, role: Role) -> Duration {
        self.skew_of(self.backup(role).priority)
    }

    fn skew_of(&self, priority: u8) -> Duration {
        let unit = match self.pairing.version {
            2 => SECOND,
            _ => self.pairing.interval,
        };
        unit * (256 - u32::from(priority)) / 256
    }

    fn verdict(&self, role: Role, last: Duration, taken: Duration, formula: Duration) -> Result<(), String> {
        let took = taken.saturating_sub(last);
        let who = match role {
            Role::Vipd => "the peer",
            Role::Peer => "vipd",
        };
        eprintln!("{who} took over {took:?} after the last advert; the protocol says {formula:?}");
        assert!(took + EARLY >= formula, "{who} took over after {took:?}, before its time {formula:?}");
        if took <= formula + ROOM {
            Ok(())
        } else {
            Err(format!("{who} took over after {took:?}, which is more than {formula:?} + {ROOM:?}"))
        }
    }
}

impl Daemon {
    fn process(&mut self) -> &mut Process {
        match self {
            Self::Vipd(daemon) => daemon.process(),
            Self::Keepalived(daemon) => daemon.process(),
            Self::Frr(daemon) => daemon.process(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Vipd(daemon) => daemon.restart(),
            Self::Keepalived(daemon) => daemon.restart(),
            Self::Frr(daemon) => daemon.restart(),
        }
    }
}

fn other(role: Role) -> Role {
    match role {
        Role::Vipd => Role::Peer,
        Role::Peer => Role::Vipd,
    }
}

fn bare(address: &str) -> &str {
    address.split('/').next().unwrap_or(address)
}

fn virtual_addresses(pairing: Pairing) -> Vec<IpAddr> {
    let addresses = pairing.addresses.iter();
    addresses.map(|text| bare(text).parse().unwrap()).collect()
}

/// The classic pair of the how-tos where unicast, else a plain instance.
fn keepalived_config(pairing: Pairing) -> String {
    if pairing.unicast {
        return String::from(
            "vrrp_instance VI_1 {
    state MASTER
    interface eth0
    unicast_src_ip 192.168.0.1
    unicast_peer {
        192.168.0.2
    }
    virtual_router_id 51
    priority 100
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    virtual_ipaddress {
        192.168.0.3
    }
}
",
        );
    }
    let Pairing { version, interval, .. } = pairing;
    let seconds = interval.as_secs_f64();
    let mut text = format!(
        "vrrp_instance VI_1 {{\n interface eth0\n version {version}\n virtual_router_id {VRID}\n \
         priority {PEER_PRIORITY}\n advert_int {seconds}\n virtual_ipaddress {{\n"
    );
    for address in pairing.addresses {
        let _ = writeln!(text, "  {address}");
    }
    text.push_str(" }\n}\n");
    text
}

/// The backup of the classic pair where unicast, with nothing changed but the priority.
fn vipd_config(pairing: Pairing, priority: u8) -> String {
    if pairing.unicast {
        return format!(
            "config vrrp_instance 'VI_1'
	option interface 'eth0'
	option state 'BACKUP'
	option virtual_router_id '51'
	option priority '{priority}'
	option advert_int '1'
	option auth_type 'PASS'
	option auth_pass '1111'
	option unicast_src_ip '192.168.0.2'
	list unicast_peer '192.168.0.1'
	list virtual_ipaddress '192.168.0.3'
	list track_interface 'wan'
"
        );
    }
    let Pairing { version, interval, .. } = pairing;
    let seconds = interval.as_secs_f64();
    let mut text = format!(
        "config vrrp_instance 'VI_1'\n\toption interface 'eth0'\n\toption version '{version}'\n\
         \toption virtual_router_id '{VRID}'\n\toption priority '{priority}'\n\
         \toption advert_int '{seconds}'\n"
    );
    for address in pairing.addresses {
        let _ = writeln!(text, "\tlist virtual_ipaddress '{address}'");
    }
    text
}

fn start_frr(host: &Host, pairing: Pairing) -> Frr {
    let addresses: Vec<_> = pairing.addresses.iter().map(|text| bare(text)).collect();
    let family = FrrFamily {
        device: "eth0",
        vrid: VRID,
        priority: PEER_PRIORITY,
        interval_ms: pairing.interval.as_millis() as u32,
        addresses: &addresses,
    };
    Frr::start(host, &family)
}
