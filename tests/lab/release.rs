//! `vipd release`: a switch-over by hand, as a client sees it that pings a thousand times a second.

use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Client, Host, Noise, Segment, Vipd, eventually, now};
use crate::lone::{Lone, SECOND, VRID, config};

const VIP: &str = "10.0.0.100";

/// The exit code, and what was printed.
fn ask(daemon: &Vipd, words: &[&str]) -> (Option<i32>, String) {
    let output = daemon.ask(words);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_switch_over_by_hand_loses_at_most_one_ping_of_a_thousand_a_second() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let hosts = [Host::new("first"), Host::new("second")];
    let ports = [
        lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]),
        lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]),
    ];
    let user = Host::new("user");
    lan.attach_with(&user, "eth0", &["10.0.0.9/24"]);
    let daemons = [
        Vipd::start(&hosts[0], &config(200, &["10.0.0.100/24"])),
        Vipd::start(&hosts[1], &config(100, &["10.0.0.100/24"])),
    ];
    capture.wait_advert(&ports[0], VRID, Duration::ZERO, SECOND * 5);
    thread::sleep(SECOND);
    let client = Client::start(&user, VIP.parse().unwrap(), SECOND / 1000);
    thread::sleep(SECOND);
    let mut lost = Vec::new();
    for round in 0..5 {
        let released = now();
        assert_eq!(ask(&daemons[0], &["release", "lan"]), (Some(0), String::new()));
        let (taken, _) = capture.wait_advert(&ports[1], VRID, released, SECOND);
        thread::sleep(SECOND / 2);
        assert!(!hosts[0].has("eth0", VIP), "round {round}: the first let go");
        let (code, status) = ask(&daemons[0], &["status"]);
        assert_eq!(code, Some(0));
        assert!(status.contains("released by hand"), "{status}");
        eprintln!("round {round}: taken over {:?} after the request", taken - released);
        let reclaimed = now();
        assert_eq!(ask(&daemons[0], &["reclaim", "lan"]), (Some(0), String::new()));
        // By its priority, after a down interval.
        capture.wait_advert(&ports[0], VRID, reclaimed, SECOND * 2);
        thread::sleep(SECOND / 2);
        lost.push((released, reclaimed));
    }
    let pings = client.stop();
    for (round, (from, to)) in lost.into_iter().enumerate() {
        let lost = pings.lost(from, to);
        let stall = Noise::observer().worst(from, to);
        eprintln!("round {round}: {lost} lost (the machine stalled for {stall:?})");
        assert!(lost <= 1 + stall.as_millis() as usize, "{lost} pings were lost; stall {stall:?}");
    }
    let (code, text) = ask(&daemons[0], &["release", "nobody"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("there is no instance or group 'nobody'"), "{text}");
}

/// The name of its group does, too; and with nobody to follow, the addresses go after four intervals.
#[test]
fn a_released_group_without_a_successor_says_when_it_goes_and_comes_back_when_it_is_reclaimed() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let text = config(200, &["10.0.0.100/24"]).replace("'0.1'", "'1'");
    let lone = Lone::start(&(text + "\nconfig vrrp_sync_group 'house'\n\tlist group 'lan'\n"));
    lone.wait_master(VIP);
    assert_eq!(ask(&lone.vipd, &["release", "house"]), (Some(0), String::new()));
    let (_, table) = ask(&lone.vipd, &["status"]);
    assert!(table.contains("; released by hand; goes in "), "{table}");
    let record = || lone.vipd.status()["instances"][0].take();
    let leaving = record();
    assert_eq!((&leaving["state"], &leaving["released"]), (&"master".into(), &true.into()), "{leaving}");
    let (_, metrics) = ask(&lone.vipd, &["status", "--prometheus"]);
    assert!(metrics.contains("\nvipd_released{instance=\"lan\","), "{metrics}");
    eventually("it has gone", SECOND * 6, || (!lone.host.has("eth0", VIP)).then_some(()));
    let gone = record();
    assert_eq!((&gone["state"], &gone["released"]), (&"initialize".into(), &true.into()), "{gone}");
    assert_eq!(ask(&lone.vipd, &["reclaim", "house"]), (Some(0), String::new()));
    eventually("it is back", SECOND * 6, || lone.host.has("eth0", VIP).then_some(()));
    assert_eq!(record()["released"], false);
}
