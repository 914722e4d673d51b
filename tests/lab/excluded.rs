//! `virtual_ipaddress_excluded`: on a real segment, and with keepalived as peer.

use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Host, Keepalived, Segment, Vipd, eventually, now};
use crate::lone::{INTERVAL, Lone, SECOND, SETTLED, VRID, config};

const EXCLUDED: [&str; 2] = ["10.0.0.101/24", "2001:db8::101/64"];

fn with_excluded(priority: u8) -> String {
    let mut text = config(priority, &["10.0.0.100/24"]);
    for address in EXCLUDED {
        text.push_str(&format!("\tlist virtual_ipaddress_excluded '{address}'\n"));
    }
    text
}

fn has_all(host: &Host) -> bool {
    ["10.0.0.100", "10.0.0.101", "2001:db8::101"].iter().all(|address| host.has("eth0", address))
}

fn has_any(host: &Host) -> bool {
    ["10.0.0.100", "10.0.0.101", "2001:db8::101"].iter().any(|address| host.has("eth0", address))
}

#[test]
fn excluded_addresses_of_both_families_come_are_announced_and_put_back_and_go_with_the_others() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&with_excluded(200));
    let (since, advert) = lone.wait_master("10.0.0.100");
    lone.wait_address("2001:db8::101", true);
    assert!(has_all(&lone.host));
    assert_eq!(advert.addresses.len(), 1, "TX12: {advert:?}");
    for address in ["10.0.0.101", "2001:db8::101"] {
        lone.wait_announcement(address, Duration::ZERO, SECOND);
    }
    for address in EXCLUDED {
        let deleted = now();
        lone.host.ip(&format!("address del {address} dev eth0"));
        let bare = address.split('/').next().unwrap();
        eventually("it is put back", SECOND, || lone.host.has("eth0", bare).then_some(()));
        lone.wait_announcement(bare, deleted, SECOND * 2);
    }
    lone.was_master_since(since);
    lone.vipd.process().terminate();
    assert_eq!(lone.vipd.process().wait(SECOND * 2).code(), Some(0));
    assert!(!has_any(&lone.host));
    assert!(lone.host.has("eth0", "10.0.0.1"), "the router's own address stays");
}

/// What a crash leaves is taken back at the next start.
#[test]
fn excluded_addresses_that_a_crash_leaves_are_taken_back() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&with_excluded(200));
    lone.wait_master("10.0.0.100");
    lone.wait_address("2001:db8::101", true);
    lone.vipd.process().kill();
    assert!(has_all(&lone.host));
    // One that listens for a long time before it takes over.
    let slow = with_excluded(1).replace("advert_int '0.1'", "advert_int '5'");
    let _again = Vipd::start(&lone.host, &slow);
    eventually("they are gone", SECOND * 2, || (!has_any(&lone.host)).then_some(()));
}

fn keepalived() -> String {
    let mut text = format!(
        "vrrp_instance VI_1 {{\n interface eth0\n version 3\n virtual_router_id {VRID}\n priority 100\n \
         advert_int 0.1\n virtual_ipaddress {{\n  10.0.0.100/24\n }}\n virtual_ipaddress_excluded {{\n"
    );
    for address in EXCLUDED {
        text.push_str(&format!("  {address}\n"));
    }
    text.push_str(" }\n}\n");
    text
}

/// keepalived 2.2 drops an advert whose list is another than its own.
#[test]
fn keepalived_with_the_same_excluded_addresses_says_and_hears_the_same_adverts() {
    let Some(_bench) = Bench::take(Load::Light, &[Keepalived::missing()]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let (ours, peer) = (Host::new("vipd"), Host::new("peer"));
    let peer_port = lan.attach_with(&peer, "eth0", &["10.0.0.2/24"]);
    let our_port = lan.attach_with(&ours, "eth0", &["10.0.0.1/24"]);
    let _keepalived = Keepalived::start(&peer, &keepalived());
    let (_, theirs) = capture.wait_advert(&peer_port, VRID, Duration::ZERO, SECOND * 5);
    eventually("keepalived has them", SECOND * 2, || has_all(&peer).then_some(()));
    let started = now();
    let mut vipd = Vipd::start(&ours, &with_excluded(200));
    let (taken, our) = capture.wait_advert(&our_port, VRID, started, SECOND * 5);
    eventually("we have them", SECOND, || has_all(&ours).then_some(()));
    assert_eq!(our.addresses, theirs.addresses);
    // It hears ours and is silent.
    eventually("keepalived lets go", SECOND * 2, || (!has_any(&peer)).then_some(()));
    thread::sleep(SETTLED);
    assert!(capture.adverts(&peer_port, VRID, taken + INTERVAL * 2).is_empty());
    vipd.process().terminate();
    eventually("keepalived takes them back", SECOND * 2, || has_all(&peer).then_some(()));
    assert!(!has_any(&ours));
}
