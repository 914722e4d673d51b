//! A router with one BFD session, and the foreign daemon at its other end.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use crate::harness::{
    Bfd, Bfdd, Capture, Host, Keepalived, Noise, Port, Process, Segment, Standing, Vipd, now,
};
use crate::lone::{SECOND, config};

/// What a timer of the machine, or the way to the tap, may cost beside the protocol's time.
pub(super) const ROOM: Duration = Duration::from_millis(100);
/// A timer starts when a packet arrives, which is after the capture's stamp; clocks differ by this at most.
pub(super) const EARLY: Duration = Duration::from_millis(3);
/// Two idle daemons find each other within a slow interval and a handshake (RFC 5880 §6.8.3), and FRR takes a while to start.
pub(super) const FOUND: Duration = Duration::from_secs(12);

/// Whose daemon it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Frr,
    Keepalived,
}

/// What the two ends are called.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire {
    V4,
    V6,
    /// IPv6 with link-local addresses.
    Local,
}

/// What an end wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timers {
    pub(super) tx_ms: u64,
    pub(super) rx_ms: u64,
    pub(super) multiplier: u8,
}

/// Who starts, and who comes when the first one has been heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum First {
    Vipd,
    Peer,
}

impl Timers {
    /// The same for both directions.
    pub(super) const fn new(ms: u64, multiplier: u8) -> Self {
        Self { tx_ms: ms, rx_ms: ms, multiplier }
    }

    /// How far apart these may send, at most, to that end (RFC 5880 §6.8.7).
    pub(super) fn interval(self, to: Self) -> Duration {
        Duration::from_millis(self.tx_ms.max(to.rx_ms))
    }

    /// How long after their last packet that end has noticed (RFC 5880 §6.8.4).
    pub(super) fn detection(self, by: Self) -> Duration {
        self.interval(by) * self.multiplier.into()
    }
}

impl Kind {
    /// Why it cannot run here.
    pub(super) fn missing(self) -> Option<String> {
        match self {
            Self::Frr => Bfdd::missing(),
            Self::Keepalived => Keepalived::missing(),
        }
    }
}

impl Wire {
    /// The addresses of our end and of the peer's.
    pub(super) const fn ends(self) -> [&'static str; 2] {
        match self {
            Self::V4 => ["10.0.0.1", "10.0.0.2"],
            Self::V6 => ["fd00::1", "fd00::2"],
            Self::Local => ["fe80::1:1", "fe80::1:2"],
        }
    }
}

/// A running daemon of another project.
pub(super) enum Peer {
    Frr(Bfdd, String),
    Keepalived(Keepalived),
}

impl Peer {
    /// A session from the second end of this wire to the first.
    pub(super) fn start(kind: Kind, host: &Host, wire: Wire, timers: Timers) -> Self {
        let [ours, theirs] = wire.ends();
        let Timers { tx_ms, rx_ms, multiplier } = timers;
        match kind {
            Kind::Frr => {
                let peer = format!("peer {ours} local-address {theirs} interface eth0");
                let config = format!(
                    " {peer}\n  receive-interval {rx_ms}\n  transmit-interval {tx_ms}\n  \
                     detect-multiplier {multiplier}\n"
                );
                Self::Frr(Bfdd::start(host, &config), peer)
            }
            Kind::Keepalived => Self::Keepalived(Keepalived::start(
                host,
                &format!(
                    "bfd_instance up {{\n neighbor_ip {ours}\n source_ip {theirs}\n min_rx {rx_ms}\n \
                     min_tx {tx_ms}\n multiplier {multiplier}\n hoplimit 255\n}}\n"
                ),
            )),
        }
    }

    pub(super) fn process(&mut self) -> &mut Process {
        match self {
            Self::Frr(daemon, _) => daemon.process(),
            Self::Keepalived(daemon) => daemon.process(),
        }
    }

    pub(super) fn restart(&mut self) {
        match self {
            Self::Frr(daemon, _) => daemon.restart(),
            Self::Keepalived(daemon) => daemon.restart(),
        }
    }

    /// The operator says this to the session: FRR's alone has one.
    pub(super) fn operate(&self, command: &str) {
        match self {
            Self::Frr(daemon, peer) => {
                daemon.operate(&["configure terminal", "bfd", peer, command]);
            }
            Self::Keepalived(_) => panic!("keepalived has no operator"),
        }
    }
}

/// The two, on a wire of their own. Ours is a master of priority 200, and of 180 while its session is down.
pub(super) struct Scene {
    pub(super) capture: Capture,
    /// Ours first, here and below.
    pub(super) ports: [Port; 2],
    _hosts: [Host; 2],
    pub(super) vipd: Vipd,
    pub(super) peer: Peer,
    pub(super) wire: Wire,
    pub(super) timers: [Timers; 2],
    _lan: Segment,
}

/// A `bfd_instance` of ours to the second end of this wire.
pub(super) fn bfd_instance(name: &str, wire: Wire, timers: Timers) -> String {
    let [ours, theirs] = wire.ends();
    let Timers { tx_ms, rx_ms, multiplier } = timers;
    let mut text = format!(
        "config bfd_instance '{name}'\n\toption neighbor_ip '{theirs}'\n\toption source_ip '{ours}'\n\
         \toption min_rx '{rx_ms}'\n\toption min_tx '{tx_ms}'\n\toption multiplier '{multiplier}'\n"
    );
    if matches!(wire, Wire::Local) {
        let _ = writeln!(text, "\toption interface 'eth0'");
    }
    text
}

/// The router's whole configuration.
pub(super) fn tracking(wire: Wire, timers: Timers) -> String {
    config(200, &["10.0.0.100/24"]) + "\tlist track_bfd 'up weight -20'\n" + &bfd_instance("up", wire, timers)
}

impl Scene {
    pub(super) fn start(kind: Kind, wire: Wire, timers: [Timers; 2], first: First) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("vipd"), Host::new("peer")];
        let ports = [
            lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24", "fd00::1/64 nodad", "fe80::1:1/64 nodad"]),
            lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24", "fd00::2/64 nodad", "fe80::1:2/64 nodad"]),
        ];
        let begin_ours = || Vipd::start(&hosts[0], &tracking(wire, timers[0]));
        let begin_theirs = || Peer::start(kind, &hosts[1], wire, timers[1]);
        let speaks = |port| capture.wait_bfd("its first word", port, Duration::ZERO, FOUND, |_| true);
        let (vipd, peer) = match first {
            First::Vipd => {
                let vipd = begin_ours();
                speaks(&ports[0]);
                (vipd, begin_theirs())
            }
            First::Peer => {
                let peer = begin_theirs();
                speaks(&ports[1]);
                (begin_ours(), peer)
            }
        };
        let scene = Self { capture, ports, _hosts: hosts, vipd, peer, wire, timers, _lan: lan };
        scene.wait_up(Duration::ZERO);
        scene
    }

    /// Waits until both ends have said that they are up since this moment.
    pub(super) fn wait_up(&self, from: Duration) {
        self.capture.wait_bfd_up([&self.ports[0], &self.ports[1]], from, FOUND);
    }

    /// What we have said since then.
    pub(super) fn ours(&self, from: Duration) -> Vec<Bfd> {
        self.capture.bfd(&self.ports[0], from)
    }

    /// What the peer has said since then.
    pub(super) fn theirs(&self, from: Duration) -> Vec<Bfd> {
        self.capture.bfd(&self.ports[1], from)
    }

    /// Waits for our word about the state, and returns it.
    pub(super) fn wait_ours(&self, standing: Standing, from: Duration) -> Bfd {
        self.capture
            .wait_bfd(&format!("{standing:?}"), &self.ports[0], from, FOUND, |bfd| bfd.standing == standing)
    }

    /// The same of the peer.
    pub(super) fn wait_theirs(&self, standing: Standing, from: Duration) -> Bfd {
        self.capture
            .wait_bfd(&format!("{standing:?}"), &self.ports[1], from, FOUND, |bfd| bfd.standing == standing)
    }

    /// Waits until the router advertises with this priority.
    pub(super) fn wait_priority(&self, priority: u8, from: Duration) {
        self.capture.wait("an advert with the other priority", from, SECOND * 3, |frame| {
            let vrrp = frame.vrrp()?;
            (frame.port == self.ports[0].index() && vrrp.priority == priority).then_some(())
        });
    }

    /// What `vipd status` says about the one session.
    pub(super) fn status(&self) -> serde_json::Value {
        self.vipd.status()["bfd"][0].clone()
    }

    /// Our packets are what RFC 5881 and 5880 allow, whatever happens: this many sessions of ours have been on the wire.
    pub(super) fn judge_ours(&self, sessions: usize) {
        let [us, them] = self.wire.ends().map(|text| text.parse::<IpAddr>().unwrap());
        let ours = self.ours(Duration::ZERO);
        let mut names = vec![];
        for bfd in &ours {
            assert_eq!((bfd.source, bfd.destination), (us, them), "{bfd:?}");
            assert_eq!(bfd.ttl, 255, "RFC 5881 §5: {bfd:?}");
            assert!(bfd.source_port >= 49_152, "RFC 5881 §4: {bfd:?}");
            assert!(bfd.mine != 0 && bfd.multiplier == self.timers[0].multiplier, "{bfd:?}");
            assert!(!(bfd.poll && bfd.is_final), "RFC 5880 §6.5: {bfd:?}");
            // RFC 5880 §6.8.3: a second at least while not up.
            assert!(bfd.standing == Standing::Up || bfd.tx >= SECOND, "BF05: {bfd:?}");
            if !names.contains(&(bfd.mine, bfd.source_port)) {
                names.push((bfd.mine, bfd.source_port));
            }
        }
        assert_eq!(names.len(), sessions, "BF09: discriminators and ports of {sessions} sessions: {names:?}");
    }
}

/// Waits for a while that the machine is asked about: how late it was meanwhile.
pub(super) fn watch(span: Duration) -> Duration {
    let from = now();
    thread::sleep(span);
    Noise::observer().worst(from, now())
}
