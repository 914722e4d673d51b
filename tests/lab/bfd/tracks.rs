//! A tracked session moves the mastership.

use std::fmt::Write as _;

use super::peer::{Kind, Peer, Timers, Wire, bfd_instance};
use crate::bench::{Bench, Load};
use crate::harness::{Capture, Host, Port, Segment, Vipd, eventually, now};
use crate::lone::SECOND;

const TIMERS: Timers = Timers::new(100, 3);
const OTHERS_PRIORITY: u8 = 150;

/// What an instance of the first router has, and whether its group tracks and not itself; then the priority that it advertises
/// while the session is up, and while it is down; `None`: it is in fault.
struct Row {
    priority: u8,
    track: &'static str,
    by_group: bool,
    up: Option<u8>,
    down: Option<u8>,
}

/// keepalived's table, and a session that a group tracks.
const ROWS: [Row; 8] = [
    Row { priority: 200, track: "up weight -60", by_group: false, up: Some(200), down: Some(140) },
    Row { priority: 120, track: "up weight 60", by_group: false, up: Some(180), down: Some(120) },
    Row { priority: 120, track: "up weight -60 reverse", by_group: false, up: Some(120), down: Some(180) },
    Row { priority: 200, track: "up weight 60 reverse", by_group: false, up: Some(140), down: Some(200) },
    Row { priority: 200, track: "up", by_group: false, up: Some(200), down: None },
    Row { priority: 200, track: "up reverse", by_group: false, up: None, down: Some(200) },
    Row { priority: 200, track: "up weight -60", by_group: true, up: Some(200), down: Some(140) },
    Row { priority: 200, track: "up", by_group: true, up: Some(200), down: None },
];

impl Row {
    fn instance(&self, vrid: usize, priority: u8) -> String {
        format!(
            "config vrrp_instance 'v{vrid}'\n\toption interface 'eth0'\n\toption version '3'\n\
             \toption virtual_router_id '{vrid}'\n\toption priority '{priority}'\n\
             \toption advert_int '0.1'\n\tlist virtual_ipaddress '{}/24'\n",
            address(vrid)
        )
    }

    fn tracking(&self, vrid: usize) -> String {
        let mut text = self.instance(vrid, self.priority);
        if self.by_group {
            let _ = writeln!(text, "config vrrp_sync_group 'g{vrid}'\n\tlist group 'v{vrid}'");
        }
        let _ = writeln!(text, "\tlist track_bfd '{}'", self.track);
        text
    }
}

fn address(vrid: usize) -> String {
    format!("10.0.0.{}", 100 + vrid)
}

fn vrids() -> impl Iterator<Item = (usize, &'static Row)> {
    ROWS.iter().enumerate().map(|(number, row)| (number + 1, row))
}

struct Scene {
    capture: Capture,
    hosts: [Host; 2],
    ports: [Port; 2],
    first: Vipd,
    _second: Vipd,
}

impl Scene {
    /// Every instance of the first router advertises what it is to, and is master if that is more than the second has.
    fn wait(&self, is_up: bool) {
        for (vrid, row) in vrids() {
            let priority = if is_up { row.up } else { row.down };
            let what = format!("{}, session up: {is_up}: {priority:?}", row.track);
            let winner = usize::from(priority.is_none_or(|priority| priority < OTHERS_PRIORITY));
            let spoken = if winner == 0 { priority.unwrap() } else { OTHERS_PRIORITY };
            let from = now();
            eventually(&what, SECOND * 10, || {
                let has = [0, 1].map(|host: usize| self.hosts[host].has("eth0", &address(vrid)));
                let adverts = self.capture.adverts(&self.ports[winner], vrid as u8, from);
                (has[winner] && !has[1 - winner] && adverts.last()?.1.priority == spoken).then_some(())
            });
            let status = self.first.status();
            let mut instances = status["instances"].as_array().unwrap().iter();
            let instance = instances.find(|it| it["vrid"] == vrid).unwrap();
            match priority {
                Some(priority) => assert_eq!(instance["priority"], priority, "{what}: {instance}"),
                None => assert_eq!(instance["state"], "initialize", "{what}: {instance}"),
            }
        }
    }
}

/// keepalived's words: a session that has never been up is down.
#[test]
fn every_way_to_track_a_session_moves_the_mastership_and_back() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Keepalived.missing()]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let hosts = [Host::new("first"), Host::new("second")];
    let far = Host::new("far");
    let ports = [
        lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]),
        lan.attach_with(&hosts[1], "eth0", &["10.0.0.3/24"]),
    ];
    let far_port = lan.attach_with(&far, "eth0", &["10.0.0.2/24"]);
    let first: String = vrids().map(|(vrid, row)| row.tracking(vrid)).collect();
    let second: String = vrids().map(|(vrid, row)| row.instance(vrid, OTHERS_PRIORITY)).collect();
    let first = Vipd::start(&hosts[0], &(first + &bfd_instance("up", Wire::V4, TIMERS)));
    let second = Vipd::start(&hosts[1], &second);
    let scene = Scene { capture, hosts, ports, first, _second: second };
    scene.wait(false);
    let _peer = Peer::start(Kind::Keepalived, &far, Wire::V4, TIMERS);
    scene.wait(true);
    far_port.unplug();
    scene.wait(false);
    far_port.plug();
    scene.wait(true);
    let log = scene.first.log();
    assert!(log.lines().count() < 120, "a line for each packet: {log}");
}

#[test]
fn what_is_tracked_shows_in_the_status() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Keepalived.missing()]) else { return };
    let timers = [TIMERS; 2];
    let scene = super::peer::Scene::start(Kind::Keepalived, Wire::V4, timers, super::peer::First::Peer);
    let wait_track = |state: &str| {
        eventually("the state in the status", SECOND * 3, || {
            let track = scene.vipd.status()["instances"][0]["tracks"][0].clone();
            (track["state"] == state).then_some(track)
        })
    };
    let track = wait_track("up");
    assert_eq!((&track["name"], &track["kind"]), (&"up".into(), &"bfd".into()), "{track}");
    scene.ports[1].unplug();
    let track = wait_track("down");
    assert_eq!((track["adds"].as_i64(), track["fault"].as_bool()), (Some(-20), Some(false)), "{track}");
    let bfd = scene.status();
    assert_eq!(bfd["state"], "down", "{bfd}");
}
