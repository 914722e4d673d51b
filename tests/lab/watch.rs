//! `vipd watch`: what happens on a segment, told as it happens.

use serde_json::Value;

use crate::bench::{Bench, Load};
use crate::harness::{Capture, Host, Keepalived, Port, Process, Segment, Vipd, Workspace, eventually, now};
use crate::lone::{INTERVAL, Lone, SECOND, VRID, config};

/// A running `vipd watch`, and what it has said.
struct Watch {
    process: Process,
    _workspace: Workspace,
}

impl Watch {
    /// Beside a daemon.
    fn beside(vipd: &Vipd) -> Self {
        let workspace = Workspace::new();
        let process = Process::start(vipd.request(&["watch", "--json"]), workspace.path("watch"));
        Self { process, _workspace: workspace }
    }

    fn lines(&self) -> Vec<Value> {
        let log = self.process.log();
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let json = whole.lines().filter(|line| line.starts_with('{'));
        json.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    fn wait(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        eventually(what, SECOND * 10, || self.lines().into_iter().find(|line| is_it(line)))
    }
}

fn keepalived_config(vrid: u8) -> String {
    format!(
        "vrrp_instance foreign {{\n interface eth0\n virtual_router_id {vrid}\n priority 90\n advert_int 1\n \
         virtual_ipaddress {{\n  10.0.0.200\n }}\n}}\n"
    )
}

struct World {
    _capture: Capture,
    _lan: Segment,
    hosts: [Host; 3],
    _ports: [Port; 3],
}

impl World {
    fn new() -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("master"), Host::new("backup"), Host::new("foreign")];
        let ports =
            [0, 1, 2].map(|n: usize| lan.attach_with(&hosts[n], "eth0", &[&format!("10.0.0.{}/24", n + 1)]));
        Self { _capture: capture, _lan: lan, hosts, _ports: ports }
    }
}

#[test]
fn a_takeover_its_reason_and_everybody_who_speaks_are_told() {
    let Some(_bench) = Bench::take(Load::Light, &[Keepalived::missing()]) else { return };
    let World { hosts: [master, backup, foreign], .. } = &World::new();
    let mut first = Vipd::start(master, &config(200, &["10.0.0.100/24"]));
    let second = Vipd::start(backup, &config(100, &["10.0.0.100/24"]));
    // Else its own beginning would be the first that is told.
    eventually("the second is backup", SECOND * 10, || {
        (second.try_status()?["instances"][0]["state"] == "backup").then_some(())
    });
    let watch = Watch::beside(&second);
    let _keepalived = Keepalived::start(foreign, &keepalived_config(99));

    let advert =
        watch.wait("the master is heard", |line| line["priority"] == 200 && line["event"] == "advert");
    assert_eq!((&advert["interface"], &advert["source"]), (&"eth0".into(), &"10.0.0.1".into()));
    assert_eq!(
        (&advert["instance"], &advert["vrid"], &advert["ttl"]),
        (&"lan".into(), &VRID.into(), &255.into())
    );
    assert_eq!(advert["addresses"], serde_json::json!(["10.0.0.100"]));
    assert_eq!((&advert["version"], &advert["interval_cs"]), (&3.into(), &10.into()));
    let stranger =
        watch.wait("the stranger is heard", |line| line["vrid"] == 99 && line["event"] == "advert");
    assert_eq!((&stranger["instance"], &stranger["source"]), (&Value::Null, &"10.0.0.3".into()));

    first.process().kill();
    let moved = watch.wait("the takeover", |line| line["to"] == "master");
    assert_eq!((&moved["event"], &moved["from"]), (&"transition".into(), &"backup".into()));
    assert_eq!(moved["reason"], "silence from 10.0.0.1");
    first.restart();
    let moved = watch.wait("it yields", |line| line["from"] == "master");
    assert_eq!((&moved["to"], &moved["reason"]), (&"backup".into(), &"10.0.0.1 has priority 200".into()));

    // In the order in which it happened, each once.
    let lines = watch.lines();
    let moves = lines.iter().filter(|line| line["event"] == "transition" && line["from"] != Value::Null);
    let moves: Vec<_> = moves.map(|line| line["to"].as_str().unwrap()).collect();
    assert_eq!(moves, ["master", "backup"]);
    let times: Vec<f64> = lines.iter().map(|line| line["time"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn without_a_daemon_the_adverts_are_told_and_one_that_comes_later_is_found() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let World { hosts: [master, backup, _], .. } = &World::new();
    let _first = Vipd::start(master, &config(200, &["10.0.0.100/24"]));
    let mut second = Vipd::start(backup, &config(100, &["10.0.0.100/24"]));
    second.process().kill();
    let watch = Watch::beside(&second);
    let advert = watch.wait("the master is heard", |line| line["event"] == "advert");
    assert_eq!(advert["instance"], Value::Null);
    assert!(watch.process.log().contains("/socket: "), "it says that there is no daemon");

    for _ in 0..2 {
        let before = watch.lines().len();
        second.restart();
        let told = eventually("the daemon is found", SECOND * 10, || {
            watch.lines().into_iter().skip(before).find(|line| line["to"] == "backup")
        });
        assert_eq!((&told["instance"], &told["family"]), (&"lan".into(), &"ipv4".into()));
        second.process().kill();
    }
}

#[test]
fn in_words_it_is_a_line_for_each() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let World { hosts: [master, backup, _], .. } = &World::new();
    let _first = Vipd::start(master, &config(200, &["10.0.0.100/24"]));
    let second = Vipd::start(backup, &config(100, &["10.0.0.100/24"]));
    let workspace = Workspace::new();
    let watch = Process::start(second.request(&["watch"]), workspace.path("watch"));
    let has = |text: &str| {
        eventually(text, SECOND * 5, || watch.log().lines().any(|line| line.ends_with(text)).then_some(()));
    };
    has("  eth0       10.0.0.1: VRID 7, version 3, priority 200, every 0.10 s, for 10.0.0.100; lan");
    has("  eth0       lan IPv4, VRID 7: backup (ready)");
}

/// Those who watch and do not read cost the router nothing.
#[test]
fn a_watcher_that_does_not_read_holds_nobody_up() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(100, &["10.0.0.100/24"]));
    lone.wait_master("10.0.0.100");
    let watches: Vec<Watch> = (0..3).map(|_| Watch::beside(&lone.vipd)).collect();
    for watch in &watches {
        watch.wait("it is told", |line| line["event"] == "transition");
        watch.process.signal(libc::SIGSTOP);
    }
    let from = now();
    for _ in 0..20 {
        // Both move it, and it is told.
        assert!(lone.vipd.ask(&["release", "lan"]).status.success());
        assert!(lone.vipd.ask(&["reclaim", "lan"]).status.success());
    }
    lone.wait_master_since("10.0.0.100", from);
    let begun = now();
    std::thread::sleep(INTERVAL * 20);
    let adverts = lone.capture.adverts(&lone.port, VRID, begun).len();
    assert!(adverts >= 15, "{adverts}");
    for watch in &watches {
        watch.process.signal(libc::SIGCONT);
        // It hears of the last state in the end.
        eventually("the last state", SECOND * 5, || {
            let last = watch.lines().into_iter().rfind(|line| line["event"] == "transition")?;
            (last["to"] == "master").then_some(())
        });
    }
    assert!(lone.vipd.status()["instances"].is_array());
}
