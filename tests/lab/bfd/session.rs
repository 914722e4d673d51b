//! The daemon around its sessions: a new configuration, hooks, and a port that somebody else has.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use super::interop::{answers, moves};
use super::peer::{EARLY, FOUND, First, Kind, Peer, ROOM, Scene, Timers, Wire, bfd_instance, tracking};
use crate::bench::{Bench, Load};
use crate::harness::{Host, Noise, Standing, Workspace, eventually, now};
use crate::hooks;
use crate::lone::{Lone, SECOND, config};

/// A busy machine does not end it.
const TIMERS: Timers = Timers::new(100, 10);

fn reload(scene: &Scene, config: &str) -> Duration {
    let asked = now();
    scene.vipd.rewrite(config);
    let answer = scene.vipd.ask(&["reload"]);
    assert_eq!(answer.status.code(), Some(0), "{}", String::from_utf8_lossy(&answer.stdout));
    asked
}

/// RFC 5880 §6.8.3: a changed interval is told in a poll sequence, and one that grows counts from its end on.
#[test]
fn bf05_reload_with_other_timers_polls_and_the_session_stays_up() {
    for kind in [Kind::Frr, Kind::Keepalived] {
        let Some(_bench) = Bench::take(Load::Light, &[kind.missing()]) else { return };
        let scene = Scene::start(kind, Wire::V4, [TIMERS; 2], First::Peer);
        thread::sleep(SECOND);
        for (tx_ms, rx_ms) in [(250, 100), (250, 300), (60, 80)] {
            let timers = Timers { tx_ms, rx_ms, ..TIMERS };
            let asked = reload(&scene, &tracking(Wire::V4, timers));
            let poll = scene.capture.wait_bfd("a poll", &scene.ports[0], asked, SECOND * 2, |bfd| bfd.poll);
            let interval = |ms| Duration::from_millis(ms);
            assert_eq!((poll.tx, poll.rx), (interval(tx_ms), interval(rx_ms)), "{poll:?}");
            let answer = scene
                .capture
                .wait_bfd("the answer", &scene.ports[1], poll.at, SECOND * 2, |bfd| bfd.is_final);
            thread::sleep(SECOND);
            let room = ROOM + Noise::observer().worst(asked, now());
            let ours = scene.ours(asked);
            for bfd in ours.iter().filter(|bfd| !bfd.is_final && bfd.at > poll.at) {
                let polls = bfd.poll || bfd.at > answer.at;
                assert!(polls && !(bfd.poll && bfd.at > answer.at + room), "{bfd:?}, answer {:?}", answer.at);
            }
            let settled: Vec<_> =
                ours.iter().filter(|bfd| bfd.at > answer.at + room && !bfd.is_final).collect();
            let wanted = timers.interval(TIMERS);
            for pair in settled.windows(2) {
                let gap = pair[1].at - pair[0].at;
                assert!(gap + EARLY + room > wanted * 3 / 4 && gap < wanted + room, "{gap:?} of {wanted:?}");
            }
        }
        assert_eq!(moves(&scene.ours(Duration::ZERO)), 0, "it never left");
        scene.judge_ours(1);
        let polls = answers(&scene.ours(Duration::ZERO), &scene.theirs(Duration::ZERO));
        assert!(polls > 0 || kind == Kind::Keepalived, "{kind:?} polls");
        assert_eq!(scene.theirs(Duration::ZERO).iter().filter(|bfd| bfd.diagnostic != 0).count(), 0);
    }
}

#[test]
fn reload_of_the_same_configuration_says_nothing_to_the_peer() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Keepalived.missing()]) else { return };
    let scene = Scene::start(Kind::Keepalived, Wire::V6, [TIMERS; 2], First::Peer);
    thread::sleep(SECOND);
    let from = now();
    for _ in 0..5 {
        reload(&scene, &tracking(Wire::V6, TIMERS));
        thread::sleep(SECOND / 10);
    }
    thread::sleep(SECOND);
    let ours = scene.ours(from);
    assert!(ours.iter().all(|bfd| !bfd.poll && bfd.standing == Standing::Up), "{ours:?}");
    scene.judge_ours(1);
}

/// RFC 5880 §6.8.16: a session that is taken out says AdminDown. One that is put in begins; the other goes on meanwhile.
#[test]
fn reload_adds_and_removes_sessions_and_the_other_goes_on() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Keepalived.missing()]) else { return };
    let scene = Scene::start(Kind::Keepalived, Wire::V4, [TIMERS; 2], First::Peer);
    thread::sleep(SECOND);
    let from = now();
    let second = bfd_instance("second", Wire::V6, TIMERS);
    // Before the old one, so that every place of the old configuration is another one.
    let both = config(200, &["10.0.0.100/24"])
        + "\tlist track_bfd 'second weight -10'\n\tlist track_bfd 'up weight -20'\n"
        + &second
        + &bfd_instance("up", Wire::V4, TIMERS);
    reload(&scene, &both);
    let of = |is_v6: bool, since| {
        scene.ours(since).into_iter().filter(move |bfd| bfd.source.is_ipv6() == is_v6).collect::<Vec<_>>()
    };
    eventually("the second session speaks", FOUND, || {
        of(true, from).iter().any(|bfd| bfd.standing == Standing::Down).then_some(())
    });
    scene.wait_priority(190, from);
    let removed = reload(&scene, &tracking(Wire::V4, TIMERS));
    scene.wait_priority(200, removed);
    let gone = reload(&scene, &config(200, &["10.0.0.100/24"]));
    let goodbye = scene.wait_ours(Standing::AdminDown, gone);
    assert_eq!((goodbye.diagnostic, goodbye.source.is_ipv4()), (7, true), "{goodbye:?}");
    let down = scene.wait_theirs(Standing::Down, gone);
    assert_eq!(down.diagnostic, 3, "{down:?}");
    let kept = of(false, from).into_iter().filter(|bfd| bfd.at < goodbye.at);
    assert!(kept.into_iter().all(|bfd| bfd.standing == Standing::Up && !bfd.poll), "the first one went on");
    thread::sleep(SECOND * 2);
    let after = scene.ours(goodbye.at);
    assert!(after.iter().all(|bfd| bfd.standing == Standing::AdminDown), "{after:?}");
    let last = after.last().unwrap();
    assert!(last.at < goodbye.at + SECOND * 2, "it falls silent: {last:?}");
    assert!(scene.vipd.status()["bfd"].as_array().unwrap().is_empty());
    let back = reload(&scene, &tracking(Wire::V4, TIMERS));
    scene.wait_up(back);
    scene.wait_priority(200, back);
}

#[test]
fn a_session_has_a_hook_of_its_own() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Keepalived.missing()]) else { return };
    let workspace = Workspace::new();
    let (path, record) = hooks::script(&workspace, "0");
    let scene = Scene::start(Kind::Keepalived, Wire::V4, [TIMERS; 2], First::Vipd);
    reload(&scene, &(tracking(Wire::V4, TIMERS) + &hooks::notify(&path)));
    let last = |what: &str| {
        eventually(what, SECOND * 8, || {
            let begins = hooks::begins(&record);
            begins.last()?.starts_with(&format!("begin {what}")).then_some(())
        });
    };
    for _ in 0..2 {
        scene.ports[1].unplug();
        last("NOTIFY_DOWN BFD up DOWN was=UP prio= on=");
        let plugged = now();
        scene.ports[1].plug();
        last("NOTIFY_UP BFD up UP was=DOWN prio= on=");
        // Until the peer has said that it is up, its silence is one of slow packets.
        scene.wait_up(plugged);
    }
}

/// Takes the port on a machine, as a program that has never heard of sharing.
fn squat(host: &Host) -> Vec<UdpSocket> {
    let bind = |address| host.namespace().inside(|| UdpSocket::bind(address));
    ["0.0.0.0:3784", "[::]:3784"].into_iter().filter_map(|address| bind(address).ok()).collect()
}

/// Nobody's addresses depend on it; and as soon as the port is free it is taken, without another start.
#[test]
fn a_port_that_somebody_else_has_is_said_and_the_router_goes_on() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Keepalived.missing()]) else { return };
    let mut squatters = vec![];
    let lone = Lone::prepared(&tracking(Wire::V4, TIMERS), |host| squatters = squat(host));
    assert!(!squatters.is_empty());
    let far = Host::new("far");
    let port = lone.lan.attach_with(&far, "eth0", &["10.0.0.2/24"]);
    let _peer = Peer::start(Kind::Keepalived, &far, Wire::V4, TIMERS);
    lone.wait_master("10.0.0.100");
    let log = eventually("the log names the port", SECOND * 3, || {
        let log = lone.vipd.log();
        log.contains("3784").then_some(log)
    });
    let from = now();
    thread::sleep(SECOND * 3);
    lone.was_master_since(from);
    let tries = lone.vipd.log().lines().filter(|line| line.contains("3784")).count();
    assert!(tries < 3, "a line for each try: {log}");
    let status = lone.vipd.status();
    assert_eq!(status["instances"][0]["priority"], 180, "{status}");
    assert_eq!(status["bfd"][0]["state"], "down", "{status}");
    let freed = now();
    squatters.clear();
    lone.capture.wait_bfd_up([&lone.port, &port], freed, FOUND);
}
