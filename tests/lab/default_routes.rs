//! A tracked default route moves the mastership between two routers.

use std::fmt::Write as _;
use std::fs;
use std::thread;

use crate::bench::{Bench, Load};
use crate::harness::{Port, Segment, now};
use crate::lone::{SECOND, VRID, config};
use crate::tracking::Pair;

/// A pair whose first router has a way out, which it tracks like this.
struct Uplink {
    pair: Pair,
    port: Port,
    _wan: Segment,
}

impl Uplink {
    fn start(options: &str) -> Self {
        let tracking = "\tlist track_interface 'uplink weight -60'\n\nconfig track_interface 'uplink'\n\
                        \toption type 'route'\n"
            .to_owned()
            + options;
        let pair = Pair::start(&tracking);
        let wan = Segment::new();
        let port = wan.attach_with(&pair.hosts[0], "wan", &["192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"]);
        pair.wait_master(1, 150);
        Self { pair, port, _wan: wan }
    }

    /// Changes the first router's routes.
    fn route(&self, words: &str) {
        self.pair.hosts[0].ip(words);
    }

    fn is_up(&self) {
        self.pair.wait_master(0, 200);
    }

    fn is_down(&self) {
        self.pair.wait_master(1, 150);
    }
}

#[test]
fn an_ipv4_default_route_moves_the_mastership_however_it_goes() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let it = Uplink::start("\toption family 'ipv4'\n");
    it.route("-6 route add default via fe80::2 dev wan");
    it.route("route add default via 192.0.2.2");
    it.is_up();
    let track = it.pair.first.status()["instances"][0]["tracks"][0].clone();
    assert_eq!(
        (&track["name"], &track["kind"], &track["state"]),
        (&"uplink".into(), &"route".into(), &"up".into())
    );
    it.route("route add default via 192.0.2.3 metric 50");
    it.route("route del default metric 0");
    thread::sleep(SECOND * 2);
    it.is_up();
    it.route("route del default metric 50");
    it.is_down();
    // A route without carrier leads nowhere, although the kernel keeps it.
    it.route("route add default via 192.0.2.2");
    it.is_up();
    it.port.unplug();
    it.is_down();
    it.port.plug();
    it.is_up();
    // Of what goes with a device that is switched off the kernel says nothing.
    it.route("link set wan down");
    it.is_down();
    it.route("link set wan up");
    it.route("route add default via 192.0.2.2");
    it.is_up();
    it.route("route replace blackhole default");
    it.is_down();
    it.route("route replace default via 192.0.2.2");
    it.is_up();
    it.route("link del wan");
    it.is_down();
    let log = it.pair.first.log();
    assert!(log.contains("route uplink is up") && log.contains("route uplink is down"), "{log}");
    assert!(!log.contains("refused") && !log.contains("more privileges"), "{log}");
}

/// Over this device and no other; OpenWrt's default routes have a source.
#[test]
fn an_ipv6_default_route_over_its_device_moves_the_mastership() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let it = Uplink::start("\toption family 'ipv6'\n\toption value 'wan'\n");
    it.route("route add default via 192.0.2.2");
    it.route("-6 route add default via fe80::77 dev eth0");
    thread::sleep(SECOND);
    it.is_down();
    it.route("-6 route add default from 2001:db8::/48 via fe80::2 dev wan");
    it.is_up();
    it.route("-6 route del default from 2001:db8::/48 via fe80::2 dev wan");
    it.is_down();
    it.route("-6 route add default metric 5 nexthop via fe80::2 dev wan nexthop via fe80::78 dev eth0");
    it.is_up();
    it.route("-6 route del default metric 5 via fe80::2 dev wan");
    it.is_down();
    it.route("-6 route add default via fe80::2 dev wan metric 9");
    it.is_up();
    it.port.unplug();
    it.is_down();
}

/// Groups of the daemon's rtnetlink socket.
fn groups(pair: &Pair) -> u32 {
    let table =
        pair.hosts[0].namespace().inside(|| fs::read_to_string("/proc/thread-self/net/netlink").unwrap());
    let id = pair.first.id().to_string();
    let mine = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|it| it[1] == "0" && it[2] == id);
    u32::from_str_radix(mine.unwrap_or_else(|| panic!("{id}: {table}"))[3], 16).unwrap()
}

/// Full tables of other routes wake nobody; who tracks none does not even listen.
#[test]
fn a_flood_of_routes_wakes_nobody() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    const ROUTES: u32 = 0x440;
    let it = Uplink::start("");
    it.route("route add default via 192.0.2.2");
    it.is_up();
    assert_eq!(groups(&it.pair) & ROUTES, ROUTES);
    let mut batch = String::new();
    for verb in ["add", "del"] {
        for number in 0..20_000 {
            let _ =
                writeln!(batch, "route {verb} 10.{}.{}.0/24 via 192.0.2.2", 100 + number / 250, number % 250);
        }
    }
    let batch = it.pair.first.workspace().write("routes", &batch);
    let status = format!("/proc/{}/status", it.pair.first.id());
    let wakes = || -> u32 {
        let text = fs::read_to_string(&status).unwrap();
        let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let (from, before) = (now(), wakes());
    it.route(&format!("-batch {}", batch.display()));
    let tenths = (now() - from).as_millis() / 100 + 2;
    let woken = wakes() - before;
    // An advert each tenth of a second, and what came of it.
    assert!(u128::from(woken) < 4 * tenths + 20, "{woken} times in {tenths} tenths of a second");
    let adverts = it.pair.capture.adverts(&it.pair.ports[0], VRID, from);
    assert!(adverts.iter().all(|(_, vrrp)| vrrp.priority == 200), "{adverts:?}");

    it.pair.first.rewrite(&config(200, &["10.0.0.100/24"]));
    assert!(it.pair.first.ask(&["reload"]).status.success());
    assert_eq!(groups(&it.pair) & ROUTES, 0);
}
