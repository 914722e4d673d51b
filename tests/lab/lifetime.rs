//! `address_lifetime`: what a real kernel makes of the addresses of a daemon that is dead, frozen or alive.

use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{
    Capture, Client, Host, Noise, Port, Process, Segment, Vipd, Workspace, eventually, now,
};
use crate::lone::{Lone, SECOND, VRID, announced, config};

/// Each kind that the kernel treats in its own way: in the network of the device's own address and bare.
const ADDRESSES: [&str; 5] =
    ["10.0.0.100/24", "10.0.0.101", "fe80::100/64", "2001:db8::100/64", "2001:db8::101"];
/// Of the device itself, beside its link-local one.
const OWN: [&str; 2] = ["10.0.0.1/24", "2001:db8::1/64"];

/// The kernel looks once a second; half a second is the most that was measured (Linux 6.18, 144 addresses).
const KERNEL_LATENESS: Duration = SECOND;

fn with_lifetime(priority: u8, secs: u32) -> String {
    config(priority, &ADDRESSES) + &format!("\toption address_lifetime '{secs}'\n")
}

fn held(host: &Host) -> Vec<String> {
    let virtuals = ADDRESSES.map(|address| address.split('/').next().unwrap());
    let all = host.addresses("eth0").into_iter();
    all.filter(|entry| virtuals.contains(&entry.split('/').next().unwrap())).collect()
}

/// All but that of the bare address, which is its own and ends with it.
fn routes(host: &Host) -> Vec<String> {
    let routes = host.ip("-6 route show dev eth0") + &host.ip("-4 route show dev eth0");
    routes.lines().filter(|line| !line.starts_with("2001:db8::101 ")).map(str::to_owned).collect()
}

fn with_own_ipv6(host: &Host) {
    host.ip(&format!("address add {} dev eth0 nodad", OWN[1]));
}

/// What the kernel says of its addresses, from now on.
fn monitor(host: &Host, workspace: &Workspace, name: &str) -> Process {
    let mut command = host.command("ip");
    command.args(["-o", "monitor", "address"]);
    let monitor = Process::start(command, workspace.path(name));
    thread::sleep(SECOND / 5);
    monitor
}

/// A preferred router with a dead man's switch, and one that stands by.
struct Pair {
    capture: Capture,
    lan: Segment,
    hosts: [Host; 2],
    ports: [Port; 2],
    daemons: [Vipd; 2],
}

impl Pair {
    fn start(lifetime_secs: u32) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("first"), Host::new("second")];
        let ports = [
            lan.attach_with(&hosts[0], "eth0", &OWN),
            lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24", "2001:db8::2/64"]),
        ];
        let first = Vipd::start(&hosts[0], &(with_lifetime(200, lifetime_secs) + "\toption nopreempt '1'\n"));
        capture.wait_advert(&ports[0], VRID, Duration::ZERO, SECOND * 5);
        let second = Vipd::start(&hosts[1], &with_lifetime(100, lifetime_secs));
        eventually("the second hears the first", SECOND * 5, || {
            let status = second.try_status()?;
            let mut records = status["instances"].as_array()?.iter();
            let all = records.all(|record| record["master_priority"] == 200);
            all.then_some(())
        });
        // Past the first bursts, and several renewals.
        thread::sleep(SECOND * 6);
        assert_eq!(held(&hosts[0]).len(), ADDRESSES.len());
        Self { capture, lan, hosts, ports, daemons: [first, second] }
    }

    /// What the first host has let out for the addresses between two moments: adverts, announcements, and answers to
    /// whoever asks for one of them.
    fn spoken(&self, from: Duration, to: Duration) -> usize {
        let frames = self.capture.between(from, to);
        let mut spoken = 0;
        for frame in frames.iter().filter(|frame| frame.port == self.ports[0].index()) {
            let bytes = &frame.bytes;
            let is_arp = bytes[12..14] == [8, 6]
                && [[10, 0, 0, 100], [10, 0, 0, 101]].contains(&[bytes[28], bytes[29], bytes[30], bytes[31]]);
            let is_advertisement = bytes[12..14] == [0x86, 0xdd]
                && bytes[20] == 58
                && bytes[54] == 136
                && (bytes[62..78].ends_with(&[1, 0]) || bytes[62..78].ends_with(&[1, 1]));
            spoken += usize::from(is_arp || is_advertisement || frame.vrrp().is_some());
        }
        spoken
    }

    /// The first one is silent since `since`: the second takes over, and the kernel of the first drops the addresses.
    /// Returns when they were gone.
    fn wait_dropped(&self, since: Duration, lifetime: Duration, how: &str) -> Duration {
        self.capture.wait_advert(&self.ports[1], VRID, since, SECOND * 5);
        let gone = eventually("the kernel drops the addresses", lifetime * 2 + SECOND * 3, || {
            held(&self.hosts[0]).is_empty().then(now)
        });
        let after = gone - since;
        // Each question takes its time, and there may be other work.
        let room = SECOND / 4 + Noise::observer().worst(since, gone);
        eprintln!("{how}: dropped after {after:?} of {lifetime:?}");
        assert!(after <= lifetime + KERNEL_LATENESS + room, "{how}: dropped after {after:?}");
        assert!(after + room >= lifetime * 2 / 3, "{how}: renewed until the end: {after:?}");
        gone
    }
}

/// Nobody who asks anew hears the dead one, and who was there before has had the other one's answers long since.
#[test]
fn a_killed_or_frozen_masters_addresses_are_dropped_by_its_kernel() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lifetime = SECOND * 3;
    for how in ["SIGKILL", "SIGSTOP"] {
        let mut pair = Pair::start(3);
        let client = Host::new("client");
        pair.lan.attach_with(&client, "eth0", &["10.0.0.9/24", "2001:db8::9/64"]);
        let before =
            routes(&pair.hosts[0]).into_iter().filter(|line| !line.contains(":101")).collect::<Vec<_>>();
        let pings = ["10.0.0.100", "2001:db8::100"]
            .map(|vip| Client::start(&client, vip.parse().unwrap(), Duration::from_millis(20)));
        thread::sleep(SECOND / 2);
        let process = pair.daemons[0].process();
        let since = if how == "SIGKILL" {
            process.kill()
        } else {
            process.signal(libc::SIGSTOP);
            now()
        };
        let gone = pair.wait_dropped(since, lifetime, how);
        thread::sleep(SECOND);
        for ping in pings {
            let ping = ping.stop();
            assert_eq!(ping.lost(gone, now() - SECOND / 2), 0, "{how}: the second serves");
            let lost = ping.lost(since, gone);
            assert!(lost <= 25, "{how}: {lost} pings of 50 a second were lost by the takeover");
        }
        // Whoever asks now hears one.
        let asked = now();
        client.ip("neigh flush dev eth0");
        for vip in ["10.0.0.100", "10.0.0.101", "2001:db8::100", "2001:db8::101"] {
            let answered = client.command("ping").args(["-c", "1", "-W", "2", vip]).output().unwrap();
            assert!(answered.status.success(), "{how}: {vip} answers");
        }
        assert_eq!(pair.spoken(asked, now()), 0, "{how}: the dead one has spoken");
        assert_eq!(routes(&pair.hosts[0]), before, "{how}: the host's own routes are as they were");
        if how == "SIGSTOP" {
            pair.daemons[0].process().signal(libc::SIGCONT);
            let woken = now();
            thread::sleep(SECOND * 2);
            assert_eq!(pair.spoken(woken, now()), 0, "law 6: it has spoken for the addresses after it woke");
            assert!(held(&pair.hosts[0]).is_empty());
            assert_eq!(held(&pair.hosts[1]).len(), ADDRESSES.len());
            let log = pair.daemons[0].log();
            assert!(log.contains("took over while we were not running"), "{log}");
        }
    }
}

/// Not one address goes, not one is probed for again, and hosts hear no more than they did before.
#[test]
fn a_living_master_keeps_its_addresses_for_many_lifetimes_without_a_gap() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let lone = Lone::prepared(&with_lifetime(200, 2), with_own_ipv6);
    lone.wait_master("2001:db8::101");
    // The second burst is five seconds after the first.
    thread::sleep(SECOND * 6);
    let quiet = now();
    let mut monitor = monitor(&lone.host, &workspace, "monitor");
    let listed = lone.host.ip("-o addr show dev eth0");
    for address in ADDRESSES {
        let plain = address.split('/').next().unwrap();
        let line = listed.lines().find(|line| line.contains(&format!(" {plain}/"))).unwrap();
        assert!(!line.contains("forever") || address == "2001:db8::101", "it has a lifetime: {line}");
        assert!(!line.contains("tentative"), "{line}");
    }
    thread::sleep(SECOND * 12);
    monitor.kill();
    let log = monitor.log();
    assert!(!log.contains("Deleted") && !log.contains("tentative"), "{log}");
    let renewals = log.lines().filter(|line| line.contains("10.0.0.100/")).count();
    assert!((15..=20).contains(&renewals), "every two thirds of a second: {renewals}");
    let frames = lone.capture.between(quiet, now());
    let announcements = frames.iter().filter(|frame| announced(frame).is_some()).count();
    assert_eq!(announcements, 0, "a renewal is not announced");
    lone.was_master_since(quiet);
    assert_eq!(lone.vipd.status()["instances"][0]["counters"]["put_back"], 0);
}

/// Nobody has replaced it: it has what it had, and hosts hear of it.
#[test]
fn who_wakes_alone_puts_back_what_its_kernel_has_dropped() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::prepared(&with_lifetime(200, 2), with_own_ipv6);
    lone.wait_master("2001:db8::101");
    lone.vipd.process().signal(libc::SIGSTOP);
    eventually("the kernel drops the addresses", SECOND * 5, || held(&lone.host).is_empty().then_some(()));
    let woken = now();
    lone.vipd.process().signal(libc::SIGCONT);
    eventually("they are back", SECOND / 2, || (held(&lone.host).len() == ADDRESSES.len()).then_some(()));
    for address in ["10.0.0.101", "fe80::100"] {
        lone.wait_announcement(address, woken, SECOND * 3 / 2);
    }
    thread::sleep(SECOND * 5);
    assert_eq!(held(&lone.host).len(), ADDRESSES.len());
}

/// Linux gives the lifetime of an address that was permanent to the route of its prefix, which others need.
#[test]
fn a_reload_switches_it_on_and_off_without_a_gap_and_without_touching_a_route() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let mut lone = Lone::prepared(&with_lifetime(200, 0), with_own_ipv6);
    lone.wait_master("2001:db8::101");
    thread::sleep(SECOND * 6);
    let before = routes(&lone.host);
    let from = now();
    let mut monitor = monitor(&lone.host, &workspace, "monitor");
    for secs in [3, 60, 2, 0, 2] {
        lone.vipd.rewrite(&with_lifetime(200, secs));
        assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
        thread::sleep(SECOND * 4);
        let text = lone.host.ip("-o addr show dev eth0 to 2001:db8::100");
        assert_eq!(text.contains("forever"), secs == 0, "{secs}: {text}");
        assert_eq!(routes(&lone.host), before, "{secs}");
    }
    monitor.kill();
    assert!(!monitor.log().contains("Deleted"), "{}", monitor.log());
    let frames = lone.capture.between(from, now());
    assert_eq!(frames.iter().filter(|frame| announced(frame).is_some()).count(), 0);
    lone.was_master_since(from);
    let killed = lone.vipd.process().kill();
    eventually("the kernel drops the addresses", SECOND * 5, || held(&lone.host).is_empty().then_some(()));
    assert!(now() - killed < SECOND * 4, "the last lifetime counts");
    thread::sleep(SECOND * 2);
    assert_eq!(routes(&lone.host), before);
    let reachable = lone.host.command("ping").args(["-c", "1", "-W", "1", "2001:db8::1"]).output();
    assert!(reachable.unwrap().status.success());
}
