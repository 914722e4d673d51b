//! Law 10 row by row, through a real kernel: every kind of advertisement against a master of every shape, and
//! what becomes of it. keepalived 2.2.7 falls silent for most of what is dropped here.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{
    Capture, Flooder, Host, KINDS, OUR_MAC, OURS, Port, SHAPES, Segment, Shape, Verdict, Vipd, eventually,
    forged, now,
};
use crate::lone::{SECOND, VRID};

/// How often each kind is sent.
const TIMES: u64 = 5;
/// When a packet that is delivered has been counted.
const DELIVERED: Duration = Duration::from_millis(30);

#[test]
fn law_10_every_kind_has_its_outcome_at_a_router_of_version_2() {
    row_by_row(Shape::V2);
}

#[test]
fn law_10_every_kind_has_its_outcome_at_a_router_of_version_2_with_a_password() {
    row_by_row(Shape::V2Pass);
}

#[test]
fn law_10_every_kind_has_its_outcome_at_a_router_of_version_3_over_ipv4() {
    row_by_row(Shape::V3);
}

#[test]
fn law_10_every_kind_has_its_outcome_at_a_router_of_version_3_over_ipv6() {
    row_by_row(Shape::V3Ipv6);
}

#[test]
fn law_10_every_kind_has_its_outcome_at_a_unicast_router() {
    row_by_row(Shape::V3Unicast);
}

pub(crate) fn config(shape: Shape) -> String {
    let base = format!(
        "config vrrp_instance 'lan'\n\toption interface 'eth0'\n\toption virtual_router_id '{VRID}'\n\
         \toption priority '100'\n"
    );
    let v4 = "\tlist virtual_ipaddress '10.0.0.100/24'\n";
    let v3 = "\toption version '3'\n\toption advert_int '0.1'\n";
    base + &match shape {
        Shape::V2 => v4.to_owned(),
        Shape::V2Pass => format!("{v4}\toption auth_type 'PASS'\n\toption auth_pass '1111'\n"),
        Shape::V3 => format!("{v3}{v4}"),
        Shape::V3Ipv6 => {
            format!("{v3}\tlist virtual_ipaddress 'fe80::100/64'\n\toption mcast_src_ip '{}'\n", OURS[1])
        }
        Shape::V3Unicast => {
            format!("{v3}{v4}\tlist unicast_peer '10.0.0.66'\n\tlist unicast_peer '10.0.0.3'\n")
        }
    }
}

/// Gives a host's `eth0` the addresses that the kinds are made for.
pub(crate) fn take_our_place(host: &Host) {
    let mac = OUR_MAC.map(|byte| format!("{byte:02x}")).join(":");
    host.ip("link set eth0 down addrgenmode none");
    host.ip(&format!("link set eth0 address {mac} up"));
    host.ip("address flush dev eth0");
    host.ip(&format!("address add {}/24 dev eth0", OURS[0]));
    host.ip(&format!("address add {}/64 dev eth0 nodad", OURS[1]));
}

/// A master alone, and a stranger.
struct Scene {
    capture: Capture,
    _lan: Segment,
    _hosts: [Host; 2],
    port: Port,
    vipd: Vipd,
    flooder: Flooder,
    stranger_mac: [u8; 6],
}

impl Scene {
    fn set_up(shape: Shape) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let (host, stranger) = (Host::new("router"), Host::new("stranger"));
        let port = lan.attach(&host, "eth0");
        take_our_place(&host);
        let stranger_port = lan.attach_with(&stranger, "eth0", &["10.0.0.66/24"]);
        let vipd = Vipd::start(&host, &config(shape));
        capture.wait_advert(&port, VRID, Duration::ZERO, SECOND * 6);
        let flooder = Flooder::new(&stranger, "eth0");
        let stranger_mac = stranger_port.mac();
        Self { capture, _lan: lan, _hosts: [host, stranger], port, vipd, flooder, stranger_mac }
    }

    /// What was counted: the state, adverts accepted, and every reason, of the virtual router and of nobody.
    fn counts(&self) -> (bool, u64, BTreeMap<String, u64>) {
        let status = self.vipd.status();
        let record = &status["instances"][0];
        let mut dropped = BTreeMap::new();
        for (prefix, counts) in [("", &record["dropped"]), ("stray ", &status["stray"])] {
            for (reason, count) in counts.as_object().expect("an object of counts") {
                dropped.insert(format!("{prefix}{reason}"), count.as_u64().unwrap());
            }
        }
        let received = record["counters"]["adverts_received"].as_u64().unwrap();
        (record["state"] == "master", received, dropped)
    }

    fn wait_master(&self) {
        eventually("it is master again", SECOND * 6, || self.counts().0.then_some(()));
    }
}

fn row_by_row(shape: Shape) {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let scene = Scene::set_up(shape);
    let column = SHAPES.iter().position(|other| *other == shape).unwrap();
    let mut rows = 0;
    for (name, spoil, verdicts) in KINDS {
        let mut expected = verdicts[column];
        if expected == Verdict::None {
            continue;
        }
        let mut packet = forged(shape, *spoil);
        // That the flawless one wins need not be shown for every oddity: as a loser it is counted all the same.
        let is_contest = packet.priority != 200 || *name == "priority 200";
        if expected == Verdict::Yields && !is_contest {
            packet.priority = 50;
            expected = Verdict::Accepted;
        }
        let frame = packet.frame(scene.stranger_mac);
        scene.wait_master();
        let (_, received_before, dropped_before) = scene.counts();
        let from = now();
        for _ in 0..TIMES {
            scene.flooder.send(&frame);
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(DELIVERED);
        let (is_master, received, dropped) = scene.counts();
        let fresh = dropped.iter().filter_map(|(reason, count)| {
            let more = count - dropped_before.get(reason).copied().unwrap_or(0);
            (more > 0).then(|| (reason.clone(), more))
        });
        let fresh: Vec<(String, u64)> = fresh.collect();
        let received = received - received_before;
        let what = format!("{shape:?}, {name}: master {is_master}, {received} accepted, dropped {fresh:?}");
        let none: Vec<(String, u64)> = Vec::new();
        match expected {
            Verdict::Yields => assert!(!is_master && received == TIMES && fresh.is_empty(), "{what}"),
            Verdict::Accepted => assert!(is_master && received == TIMES && fresh.is_empty(), "{what}"),
            Verdict::Dropped(reason) => assert_eq!(fresh, [(reason.to_owned(), TIMES)], "{what}"),
            Verdict::Stray(reason) => assert_eq!(fresh, [(format!("stray {reason}"), TIMES)], "{what}"),
            Verdict::Undelivered(_) => assert_eq!(fresh, none, "{what}"),
            Verdict::None => {}
        }
        if expected != Verdict::Yields {
            assert!(is_master, "{what}");
            let adverts = scene.capture.adverts(&scene.port, VRID, from);
            assert!(adverts.iter().all(|(_, vrrp)| vrrp.priority == 100), "{what}: it resigned");
        }
        if !matches!(expected, Verdict::Yields | Verdict::Accepted) {
            assert_eq!(received, 0, "{what}");
        }
        rows += 1;
    }
    assert!(rows > 25, "{rows} rows");
}
