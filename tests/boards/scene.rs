//! A board and a keepalived on one segment, both families, one second between adverts.

use std::io::Write;
use std::net::IpAddr;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::board::{self, Board};
use crate::harness::{Capture, Claim, Frame, Host, Keepalived, Noise, Port, Segment, eventually, now};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// What a takeover may cost beside the protocol's time: an interval, and what the machine stood still.
const ROOM: Duration = SECOND;
/// A board's kernel finds out how fast its processor counts when it boots, and an emulated one is a bit off.
const DRIFT_PERCENT: u32 = 5;
/// For what has no time in the protocol, on a machine that may be busy.
const LIMIT: Duration = Duration::from_secs(60);
/// Those of `board/openwrt/files/vipd.config`.
pub(crate) const VRID: u8 = 10;
pub(crate) const ADDRESSES: [&str; 2] = ["192.168.1.1", "fe80::1"];
pub(crate) const PEER_ADDRESS: &str = "192.168.1.2";

pub(crate) struct Scene {
    pub(crate) board: Board,
    pub(crate) keepalived: Keepalived,
    pub(crate) capture: Capture,
    peer: Host,
    peer_port: Port,
    _lan: Segment,
    _bench: Bench,
}

impl Scene {
    /// A keepalived that has been master since before the board was switched on. vipd does not run yet.
    pub(crate) fn set_up(kind: &str, peer_priority: u8) -> Option<Self> {
        let bench = Bench::take(Load::Light, &[Keepalived::missing(), board::missing(kind)])?;
        let lan = Segment::new();
        let capture = lan.capture();
        let peer = Host::new("peer");
        let peer_port = lan.attach_with(&peer, "eth0", &["192.168.1.2/24"]);
        let keepalived = Keepalived::start(&peer, &keepalived_config(peer_priority));
        let board = Board::boot(kind, &lan);
        let scene = Self { board, keepalived, capture, peer, peer_port, _lan: lan, _bench: bench };
        scene.peer_takes_over(Duration::ZERO);
        Some(scene)
    }

    /// Waits until the board claims both addresses; returns when it first did, for each.
    pub(crate) fn board_takes_over(&self, from: Duration) -> [Duration; 2] {
        self.takes_over(self.board.port(), from)
    }

    /// Waits until keepalived claims both addresses, and has them; returns when it first did, for each.
    pub(crate) fn peer_takes_over(&self, from: Duration) -> [Duration; 2] {
        let first = self.takes_over(&self.peer_port, from);
        self.wait_peer_addresses(true);
        first
    }

    /// Who takes over advertises and announces.
    fn takes_over(&self, port: &Port, from: Duration) -> [Duration; 2] {
        ADDRESSES.map(|address| {
            let wait = |what: &str, claims: fn(&Frame, &str) -> bool| {
                let what = format!("port {} {what} {address}", port.name());
                self.capture.wait(&what, from, LIMIT, |frame| {
                    (frame.port == port.index() && claims(frame, address)).then_some(frame.at)
                })
            };
            wait("advertises", advertises).min(wait("announces", announces))
        })
    }

    /// Waits until keepalived has, or has not, both addresses.
    pub(crate) fn wait_peer_addresses(&self, present: bool) {
        let what = format!("keepalived has the addresses: {present}");
        eventually(&what, LIMIT, || {
            let all = ADDRESSES.iter().all(|address| self.peer.has("eth0", address) == present);
            all.then_some(())
        });
    }

    /// Asserts that a backup of this priority took over in the time that the protocol gives it after the last
    /// advert of a master that fell silent (RFC 3768 §6.1, RFC 9568 §6.1; the same at one advert a second). The
    /// board's two families move together, and so when the later one's time has come.
    pub(crate) fn in_time(&self, who: &str, silent: &Port, priority: u8, taken: [Duration; 2]) {
        let last = [2, 3].map(|version| self.last_advert(silent, version));
        let [latest, formula] = [last[0].max(last[1]), SECOND * 3 + skew(priority)];
        for (last, taken) in last.into_iter().zip(taken) {
            let (took, stall) = (taken.saturating_sub(last), Noise::observer().worst(last, taken));
            say(&format!("{who} took over {took:?} after the last advert; the protocol says {formula:?}"));
            assert!(took >= formula * (100 - DRIFT_PERCENT) / 100, "{who} took over before its time");
            let limit = latest + formula + ROOM + stall;
            assert!(taken <= limit, "{who} took over late; the machine stalled for {stall:?}");
        }
    }

    /// Asserts that a backup took over at once after a resignation: no three intervals were lost.
    pub(crate) fn after_resignation(&self, who: &str, resigned: Duration, priority: u8, taken: Duration) {
        let (took, stall) = (taken.saturating_sub(resigned), Noise::observer().worst(resigned, taken));
        say(&format!("{who} took over {took:?} after priority 0; the skew is {:?}", skew(priority)));
        assert!(took <= skew(priority) + ROOM + stall, "the machine stalled for {stall:?}");
    }

    /// The last advert with a priority, of this version: 2 is IPv4's here, 3 is IPv6's.
    fn last_advert(&self, port: &Port, version: u8) -> Duration {
        let adverts = self.capture.adverts(port, VRID, Duration::ZERO);
        let mut claims = adverts.iter().filter(|(_, vrrp)| vrrp.version == version && vrrp.priority > 0);
        claims.next_back().expect("it was master").0
    }

    /// Asserts that a backup says nothing for some intervals.
    pub(crate) fn board_is_silent(&self, from: Duration) {
        std::thread::sleep((from + SECOND * 3).saturating_sub(now()));
        let adverts = self.capture.adverts(self.board.port(), VRID, from);
        assert!(adverts.is_empty(), "a backup does not advertise: {adverts:?}");
    }

    pub(crate) fn peer_port(&self) -> &Port {
        &self.peer_port
    }
}

/// A figure for whoever watches, past libtest's capture.
pub(crate) fn say(text: &str) {
    let thread = std::thread::current();
    let kind = thread.name().and_then(|name| name.split(':').next()).unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "{kind}: {text}");
}

fn skew(priority: u8) -> Duration {
    SECOND * (256 - u32::from(priority)) / 256
}

fn advertises(frame: &Frame, address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    frame.vrrp().is_some_and(|vrrp| vrrp.priority > 0 && vrrp.addresses.contains(&address))
}

fn announces(frame: &Frame, address: &str) -> bool {
    let address: IpAddr = address.parse().unwrap();
    match frame.claim() {
        Some(Claim::Arp(claimed)) => address == claimed,
        Some(Claim::Neighbour(claimed)) => address == claimed,
        Some(Claim::Advert(_)) | None => false,
    }
}

fn keepalived_config(priority: u8) -> String {
    let mut text = String::new();
    for (version, address) in [(2, "192.168.1.1/24"), (3, "fe80::1/64")] {
        text.push_str(&format!(
            "vrrp_instance lan{version} {{\n interface eth0\n version {version}\n virtual_router_id {VRID}\n \
             priority {priority}\n advert_int 1\n virtual_ipaddress {{\n  {address}\n }}\n}}\n"
        ));
    }
    text
}
