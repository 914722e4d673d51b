//! Virtual addresses and the devices they stand on, when things go as they go on a router.

use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Frame, Host, Segment, Vipd, eventually, now};
use crate::lone::{INTERVAL, Lone, SECOND, SETTLED, VRID, config};

#[test]
fn addresses_are_there_while_it_is_master_and_gone_afterwards() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let both = ["10.0.0.100/24", "10.0.0.101", "fe80::100/64", "2001:db8::100/64"];
    let mut lone = Lone::start(&config(200, &both));
    lone.wait_master("10.0.0.100");
    lone.wait_address("2001:db8::100", true);
    let addresses = lone.host.addresses("eth0");
    for wanted in ["10.0.0.100/24", "10.0.0.101/32", "fe80::100/64", "2001:db8::100/64"] {
        assert!(addresses.iter().any(|entry| entry == wanted), "{wanted} in {addresses:?}");
    }
    let listed = lone.host.ip("-6 -o addr show dev eth0");
    let ours = listed.lines().find(|line| line.contains("2001:db8::100/64")).unwrap();
    assert!(ours.contains("nodad"), "AD17: no duplicate address detection: {ours}");
    lone.vipd.process().terminate();
    assert_eq!(lone.vipd.process().wait(SECOND * 2).code(), Some(0));
    let left = lone.host.addresses("eth0");
    assert!(left.iter().all(|entry| !entry.contains(":100/") && !entry.contains("10.0.0.10")), "{left:?}");
    assert!(lone.host.has("eth0", "10.0.0.1"), "the router's own address stays");
}

/// keepalived gives mastership up here and holds an election.
#[test]
fn a_flushed_address_is_put_back_at_once_and_announced_and_mastership_kept() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/32", "fe80::100/64"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    // Past the first burst, so that what is announced next is announced because of what happens next.
    thread::sleep(SECOND * 3 / 2);
    for address in ["10.0.0.100", "fe80::100"] {
        let flushed = now();
        // It looks again until it finds nothing, and may give up: the address is back too soon.
        lone.host.try_ip(&format!("address flush dev eth0 to {address}"));
        eventually("the address is put back", SECOND / 4, || lone.host.has("eth0", address).then_some(()));
        lone.wait_announcement(address, flushed, SECOND * 3 / 2);
        thread::sleep(SECOND * 11 / 10);
    }
    lone.was_master_since(since);
}

/// A stranger who removes the address without end gets it put back without end, and hosts hear of it at
/// most once a second (law 11).
#[test]
fn an_address_that_is_deleted_again_and_again_does_not_flood_the_segment() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/32"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    thread::sleep(SECOND);
    let from = now();
    for _ in 0..100 {
        lone.host.try_ip("address del 10.0.0.100/32 dev eth0");
        thread::sleep(SECOND / 100);
    }
    lone.wait_address("10.0.0.100", true);
    let frames = lone.capture.between(from, from + SECOND);
    let announcements = frames.iter().filter(|frame| frame.gratuitous_arp().is_some()).count();
    assert!(announcements <= 3 * 5, "three bursts in a second at most, not {announcements} frames");
    lone.was_master_since(since);
}

#[test]
fn a_router_whose_own_address_goes_steps_aside_until_there_is_one() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/32"]));
    lone.wait_master("10.0.0.100");
    let removed = now();
    lone.host.ip("address del 10.0.0.1/24 dev eth0");
    lone.wait_address("10.0.0.100", false);
    thread::sleep(SETTLED * 2);
    let sources = lone.capture.adverts(&lone.port, VRID, removed + INTERVAL);
    assert!(sources.is_empty(), "TX06: a virtual address is no source: {sources:?}");
    let given = now();
    lone.host.ip("address add 10.0.0.5/24 dev eth0");
    let (_, vrrp) = lone.wait_master_since("10.0.0.100", given);
    assert_eq!(vrrp.source.to_string(), "10.0.0.5");
}

/// netifd does this to br-lan at every network restart.
#[test]
fn a_device_that_is_deleted_and_made_anew_is_taken_up_again() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&config(200, &["10.0.0.100/24", "fe80::100/64"]));
    lone.wait_master("10.0.0.100");
    for _ in 0..2 {
        lone.host.ip("link del eth0");
        lone.host.add_idle_device("other"); // so that the number cannot be the same
        thread::sleep(SECOND / 5);
        lone.host.ip("link del other");
        let made = now();
        lone.port = lone.lan.attach_with(&lone.host, "eth0", &["10.0.0.1/24"]);
        lone.wait_master_since("10.0.0.100", made);
        lone.wait_announcement("10.0.0.100", made, SECOND);
        lone.wait_announcement("fe80::100", made, SECOND);
    }
}

/// A router's WAN device comes with PPP and goes with it; the address that belongs there follows.
#[test]
fn an_address_on_another_device_is_installed_whenever_that_device_comes() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24", "10.9.0.100/24 dev wan0"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    thread::sleep(SECOND);
    for round in 0..3 {
        // So that the number is another one each time.
        lone.host.add_idle_device(&format!("other{round}"));
        lone.host.add_idle_device("wan0");
        eventually("the address is installed", SECOND * 2, || {
            lone.host.has("wan0", "10.9.0.100").then_some(())
        });
        thread::sleep(SECOND / 5);
        lone.host.ip("link del wan0");
        thread::sleep(SECOND / 5);
    }
    lone.was_master_since(since);
}

/// It can be installed before the device is up, and announced only when it is.
#[test]
fn an_address_on_another_device_is_announced_when_that_device_comes_up() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24", "10.9.0.100/24 dev wan0"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    // Past the second burst, which would do it by chance.
    thread::sleep(SECOND * 6);
    let wan = Segment::new();
    let capture = wan.capture();
    let is_announcement = |frame: &Frame| frame.gratuitous_arp() == Some([10, 9, 0, 100].into());
    for round in 0..3 {
        lone.host.add_idle_device(&format!("other{round}"));
        let made = now();
        let port = wan.attach(&lone.host, "wan0");
        capture.wait("its announcement, on its own segment", made, SECOND * 2, |frame| {
            (frame.port == port.index() && is_announcement(frame)).then_some(())
        });
        lone.host.ip("link del wan0");
        thread::sleep(SECOND / 5);
    }
    lone.was_master_since(since);
    let strays = lone.capture.frames().iter().filter(|frame| is_announcement(frame)).count();
    assert_eq!(strays, 0, "what stands on wan0 is not announced on eth0");
}

/// keepalived exits here.
#[test]
fn a_device_that_is_missing_at_start_is_waited_for() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let host = Host::new("router");
    let mut vipd = Vipd::start(&host, &config(200, &["10.0.0.100/24"]));
    let table = eventually("status says why it waits", SECOND * 2, || {
        let table = String::from_utf8_lossy(&vipd.ask(&["status"]).stdout).into_owned();
        table.contains("no such interface").then_some(table)
    });
    assert!(table.contains("eth0"), "{table}");
    let port = lan.attach_with(&host, "eth0", &["10.0.0.1/24"]);
    capture.wait_advert(&port, VRID, Duration::ZERO, SECOND * 5);
    assert!(vipd.process().runs());
}

#[test]
fn a_link_that_goes_down_and_up_costs_the_address_and_gives_it_back() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24", "fe80::100/64"]));
    lone.wait_master("10.0.0.100");
    lone.port.unplug();
    lone.wait_address("10.0.0.100", false);
    lone.wait_address("fe80::100", false);
    let plugged = now();
    lone.port.plug();
    lone.wait_master_since("10.0.0.100", plugged);
    lone.wait_announcement("fe80::100", plugged, SECOND * 3);

    // From inside, where the kernel throws the IPv6 addresses away by itself.
    lone.host.ip("link set eth0 down");
    lone.wait_address("10.0.0.100", false);
    let up = now();
    lone.host.ip("link set eth0 up");
    lone.wait_master_since("10.0.0.100", up);
    lone.wait_address("fe80::100", true);
}

/// A quick flap is over before anybody else could have noticed, but not before we have.
#[test]
fn a_flapping_link_ends_in_mastership() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    lone.wait_master("10.0.0.100");
    for _ in 0..20 {
        lone.port.unplug();
        lone.port.plug();
    }
    let plugged = now();
    lone.wait_master_since("10.0.0.100", plugged);
    thread::sleep(SETTLED);
    lone.was_master_since(now() - SETTLED);
}

#[test]
fn ad23_addresses_left_by_a_crash_are_taken_back_at_the_next_start() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&config(150, &["10.0.0.100/24", "fe80::100/64"]));
    lone.wait_master("10.0.0.100");
    lone.vipd.process().kill();
    assert!(lone.host.has("eth0", "10.0.0.100"), "the kernel keeps what a dead daemon has installed");
    let other = Host::new("other");
    let other_port = lone.lan.attach_with(&other, "eth0", &["10.0.0.2/24"]);
    let _other_vipd = Vipd::start(&other, &config(200, &["10.0.0.100/24", "fe80::100/64"]));
    lone.capture.wait_advert(&other_port, VRID, Duration::ZERO, SECOND * 5);
    let restarted = now();
    lone.vipd.restart();
    lone.wait_address("10.0.0.100", false);
    lone.wait_address("fe80::100", false);
    thread::sleep(SETTLED * 2);
    let adverts = lone.capture.adverts(&lone.port, VRID, restarted);
    assert!(adverts.is_empty(), "it is backup: {adverts:?}");
    assert!(other.has("eth0", "10.0.0.100"));
}

/// The kernel marks what we install (IFA_PROTO, Linux 5.18), so what an administrator installed is safe.
#[test]
fn an_address_that_the_administrator_has_set_is_never_removed() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::prepared(&config(200, &["10.0.0.100/24", "fe80::100/64"]), |host| {
        host.ip("address add 10.0.0.100/24 dev eth0");
        host.ip("address add fe80::100/64 dev eth0 nodad");
    });
    lone.wait_master("10.0.0.100");
    lone.port.unplug();
    thread::sleep(SECOND / 2);
    lone.port.plug();
    lone.wait_master_since("10.0.0.100", now());
    lone.vipd.process().terminate();
    lone.vipd.process().wait(SECOND * 2);
    assert!(lone.host.has("eth0", "10.0.0.100") && lone.host.has("eth0", "fe80::100"));
}

/// RFC 9568 §6.4.1, ST01.
#[test]
fn the_owner_is_master_at_once() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(255, &["10.0.0.100/24"]).replace("0.1'", "10'"));
    let started = now();
    let (at, _) = lone.wait_master("10.0.0.100");
    assert!(at < started + SECOND * 2, "it does not wait for 30 s");
}

/// A tentative address is no source yet; nobody has to restart anything when it is.
#[test]
fn ipv6_waits_for_duplicate_address_detection() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let host = Host::new("router");
    for when in ["all", "default"] {
        host.sysctl(&format!("ipv6/conf/{when}/accept_dad"), "1");
        host.sysctl(&format!("ipv6/conf/{when}/dad_transmits"), "1");
    }
    let port = lan.attach_with(&host, "eth0", &[]);
    let _vipd = Vipd::start(&host, &config(200, &["fe80::100/64"]));
    let (_, vrrp) = capture.wait_advert(&port, VRID, Duration::ZERO, SECOND * 8);
    assert!(host.addresses("eth0").iter().any(|entry| entry.starts_with(&vrrp.source.to_string())));
}
