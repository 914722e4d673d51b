//! The numbers of `vipd status` that move, beside a running pair.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::bench::{Bench, Load};
use crate::harness::{
    Capture, Flooder, Forged, Host, Noise, Port, Segment, Sum, Vipd, Workspace, eventually, now,
};
use crate::lone::{INTERVAL, SECOND, VRID, config};

struct Pair {
    _capture: Capture,
    lan: Segment,
    _hosts: [Host; 2],
    _ports: [Port; 2],
    master: Vipd,
    backup: Vipd,
}

impl Pair {
    fn start() -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("master"), Host::new("backup")];
        let ports = [
            lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]),
            lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]),
        ];
        let master = Vipd::start(&hosts[0], &config(200, &["10.0.0.100/24"]));
        capture.wait_advert(&ports[0], VRID, Duration::ZERO, SECOND * 5);
        let backup = Vipd::start(&hosts[1], &config(100, &["10.0.0.100/24"]));
        let pair = Self { _capture: capture, lan, _hosts: hosts, _ports: ports, master, backup };
        eventually("the backup hears the master", SECOND * 3, || {
            (record(&pair.backup)["master_priority"] == 200).then_some(())
        });
        pair
    }
}

fn record(vipd: &Vipd) -> Value {
    vipd.status()["instances"][0].take()
}

fn millis(value: &Value) -> Duration {
    Duration::from_millis(value.as_u64().unwrap_or_else(|| panic!("a number, not {value}")))
}

/// ST21: the deadlines are those of the state, and count down.
#[test]
fn deadlines_and_ages_are_those_of_a_running_pair() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let pair = Pair::start();
    // RFC 9568 section 6.1, with priority 100.
    let down = INTERVAL * 3 + INTERVAL * 156 / 256;
    let began = now();
    let first = [record(&pair.master), record(&pair.backup)];
    let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
    for _ in 0..30 {
        let master = record(&pair.master);
        assert_eq!(master["state"], "master");
        assert!(millis(&master["deadline_ms"]) <= INTERVAL, "its next advert: {master}");
        assert_eq!(master["heard_ms"], Value::Null, "it has never heard anybody: {master}");
        assert_eq!(master["master"], "10.0.0.1");

        let backup = record(&pair.backup);
        assert_eq!((&backup["state"], &backup["master"]), (&"backup".into(), &"10.0.0.1".into()));
        let (deadline, heard) = (millis(&backup["deadline_ms"]), millis(&backup["heard_ms"]));
        let stall = Noise::observer().worst(began, now());
        assert!(deadline <= down, "within a down interval: {backup}");
        assert!(heard <= INTERVAL + Duration::from_millis(20) + stall, "heard an interval ago: {backup}");
        // Both count from the same advert, up and down.
        let sum = deadline + heard;
        assert!(sum.abs_diff(down) <= Duration::from_millis(3), "{heard:?} + {deadline:?}: {backup}");
        least = least.min(heard);
        most = most.max(heard);
        thread::sleep(Duration::from_millis(67));
    }
    assert!(most - least > INTERVAL / 4, "heard_ms moves: {least:?} to {most:?}");
    let passed = now() - began;
    let last = [record(&pair.master), record(&pair.backup)];
    for (first, last) in first.iter().zip(&last) {
        let grown = last["since_s"].as_u64().unwrap() - first["since_s"].as_u64().unwrap();
        let grown = Duration::from_secs(grown);
        assert!(grown.abs_diff(passed) <= SECOND * 5 / 4, "since_s has grown by {grown:?} in {passed:?}");
        assert!(grown >= SECOND, "{last}");
    }
}

/// RX22: what a stranger's rubbish was, and how much of it, can be seen at a backup too; and nothing else has moved.
#[test]
fn rx22_a_backup_counts_every_bad_packet_by_its_reason() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let pair = Pair::start();
    let stranger = Host::new("stranger");
    let port = pair.lan.attach_with(&stranger, "eth0", &["10.0.0.66/24"]);
    let flooder = Flooder::new(&stranger, "eth0");
    let wrong = Forged { sum: Sum::Wrong, ..Forged::version_3(250) }.frame(port.mac());
    let far = Forged { ttl: 254, ..Forged::version_3(250) }.frame(port.mac());
    let nobody = Forged { vrid: 9, ..Forged::version_3(250) }.frame(port.mac());
    let before = record(&pair.backup);
    let sent = flooder.flood(&[wrong.clone(), far, wrong, nobody], 400, SECOND * 2);
    eventually("every packet is counted", SECOND, || {
        let status = pair.backup.status();
        let dropped = &status["instances"][0]["dropped"];
        let counts = [&dropped["checksum"], &dropped["ttl"], &status["stray"]["vrid"]];
        let counts = counts.map(|count| count.as_u64().unwrap_or(0));
        (counts.iter().sum::<u64>() == u64::from(sent)).then_some(counts)
    });
    let after = record(&pair.backup);
    assert_eq!(after["dropped"]["checksum"].as_u64(), Some(u64::from(sent.div_ceil(2))));
    let others = after["dropped"].as_object().unwrap().iter();
    let others = others.filter(|(reason, _)| !["checksum", "ttl"].contains(&reason.as_str()));
    assert_eq!(others.filter_map(|(_, count)| count.as_u64()).sum::<u64>(), 0, "{after}");
    assert_eq!(after["counters"]["became_master"], before["counters"]["became_master"]);
    assert_eq!(after["state"], "backup");
    assert!(after["since_s"].as_u64() > before["since_s"].as_u64(), "it has stayed what it was");
}

/// One thing for each of the numbers: eight files for a group of twelve instances.
#[test]
fn every_instance_of_a_group_shows_everything_that_the_group_tracks() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let mut text = String::from("config vrrp_sync_group 'all'\n");
    for thing in 1..=8 {
        let path = workspace.write(&format!("file{thing}"), &format!("{thing}\n"));
        text.push_str(&format!("\tlist track_file 'f{thing} weight 2'\n"));
        text.insert_str(0, &format!("config track_file 'f{thing}'\n\toption file '{}'\n\n", path.display()));
    }
    for vrid in 1..=12 {
        text.push_str(&format!("\tlist group 'v{vrid}'\n"));
    }
    for vrid in 1..=12 {
        text.push_str(&format!(
            "\nconfig vrrp_instance 'v{vrid}'\n\toption interface 'eth0'\n\toption virtual_router_id '{vrid}'\n\
             \toption priority '200'\n\tlist virtual_ipaddress '10.0.0.{}/24'\n",
            100 + vrid
        ));
    }
    let lan = Segment::new();
    let host = Host::new("router");
    lan.attach_with(&host, "eth0", &["10.0.0.1/24"]);
    let vipd = Vipd::start(&host, &text);
    // 200 and 2 * (1 + .. + 8), but 254 at the most.
    eventually("every file is read", SECOND * 5, || (record(&vipd)["priority"] == 254).then_some(()));
    let status = vipd.status();
    let instances = status["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 12);
    for instance in instances {
        let numbers = instance["tracks"].as_array().unwrap().iter().map(|track| track["number"].as_i64());
        assert!(numbers.eq((1..=8).map(Some)), "{instance}");
        assert_eq!(instance["base_priority"], 200);
    }
    let shown = |words: &[&str]| String::from_utf8(vipd.ask(words).stdout).unwrap();
    let line = (1..=8).map(|thing| format!("f{thing} {thing} (+{})", 2 * thing)).collect::<Vec<_>>();
    let line = format!("\n  tracks: {}; base priority 200, kept at 254\n", line.join(", "));
    for (words, count) in [(&["status"][..], 12), (&["status", "v12"], 1)] {
        let table = shown(words);
        assert_eq!(table.matches(&line).count(), count, "{table}");
    }
    assert_eq!(shown(&["status", "--prometheus"]).matches("\nvipd_tracked_value{").count(), 12 * 8);
}
