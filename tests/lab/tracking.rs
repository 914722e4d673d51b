//! What is tracked moves the mastership between two routers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Capture, Host, Port, Segment, Vipd, Workspace, eventually, now};
use crate::lone::{SECOND, VRID, config};

pub(crate) const VIP: &str = "10.0.0.100";

/// Two routers: the first, of priority 200, tracks something, and the second, of 150, does not.
pub(crate) struct Pair {
    pub(crate) first: Vipd,
    _second: Vipd,
    pub(crate) hosts: [Host; 2],
    pub(crate) ports: [Port; 2],
    pub(crate) capture: Capture,
    pub(crate) lan: Segment,
}

impl Pair {
    pub(crate) fn start(tracking: &str) -> Self {
        Self::prepared(200, tracking, |_| {})
    }

    /// The same with another priority of the first; `prepare` is done to its host before anything starts.
    fn prepared(priority: u8, tracking: &str, prepare: impl FnOnce(&Host)) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("first"), Host::new("second")];
        let ports = [
            lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24", "fd00::1/64", "fe80::11/64"]),
            lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]),
        ];
        prepare(&hosts[0]);
        let first = Vipd::start(&hosts[0], &(config(priority, &["10.0.0.100/24"]) + tracking));
        let second = Vipd::start(&hosts[1], &config(150, &["10.0.0.100/24"]));
        Self { first, _second: second, hosts, ports, capture, lan }
    }

    /// Waits until this one alone has the address, and advertises with this priority.
    pub(crate) fn wait_master(&self, which: usize, priority: u8) {
        let from = now();
        eventually(&format!("router {which} is master"), SECOND * 8, || {
            let has = [0, 1].map(|host| self.hosts[host].has("eth0", VIP));
            let adverts = self.capture.adverts(&self.ports[which], VRID, from);
            (has[which] && !has[1 - which] && adverts.last()?.1.priority == priority).then_some(())
        });
    }
}

/// A script that does this, in a folder of its own.
fn script(workspace: &Workspace, body: &str) -> PathBuf {
    let path = workspace.write("check", &format!("#!/bin/sh\n{body}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn vrrp_script(path: &str, options: &str) -> String {
    format!("\nconfig vrrp_script 'check'\n\toption script '{path}'\n{options}")
}

#[test]
fn a_script_moves_the_mastership_by_its_weight_and_by_a_fault() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    for (track, lowered) in [("check weight -60", Some(140)), ("check", None)] {
        let workspace = Workspace::new();
        let flag = workspace.write("flag", "");
        let path = script(&workspace, "test -e \"$1\" && test $# = 2");
        let command = format!("{} {} second", path.display(), flag.display());
        let pair = Pair::start(&(format!("\tlist track_script '{track}'\n") + &vrrp_script(&command, "")));
        pair.wait_master(0, 200);
        fs::remove_file(&flag).unwrap();
        pair.wait_master(1, 150);
        let status = pair.first.status();
        let first = &status["instances"][0];
        let track = &first["tracks"][0];
        assert_eq!(
            (&track["name"], &track["kind"], &track["state"]),
            (&"check".into(), &"script".into(), &"down".into())
        );
        assert_eq!(
            (track["adds"].as_i64(), track["fault"].as_bool()),
            (Some(if lowered.is_some() { -60 } else { 0 }), Some(lowered.is_none()))
        );
        match lowered {
            Some(priority) => assert_eq!(first["priority"], priority, "{first}"),
            None => assert_eq!(first["reason"], "tracked probe failed", "{first}"),
        }
        workspace.write("flag", "");
        pair.wait_master(0, 200);
    }
}

/// It ignores what can be ignored, prints megabytes and has started others: it counts as down, all of it is killed,
/// and it holds up nobody.
#[test]
fn a_script_that_hangs_is_killed_and_counts_as_down() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let record = workspace.path("record");
    workspace.write("flag", "");
    let path = script(
        &workspace,
        "cd \"$(dirname \"$0\")\"\ntest -e flag && exit 0\ntrap '' TERM HUP INT\nsleep 1000 &\n\
         echo $$ $! >> record\nwhile :; do echo a line of what nobody reads; done",
    );
    let options = "\toption timeout '1'\n\toption interval '2'\n";
    let pair = Pair::start(
        &("\tlist track_script 'check weight -60'\n".to_owned()
            + &vrrp_script(&path.display().to_string(), options)),
    );
    pair.wait_master(0, 200);
    fs::remove_file(workspace.path("flag")).unwrap();
    pair.wait_master(1, 150);
    let pids = fs::read_to_string(&record).unwrap();
    for pid in pids.lines().next().unwrap().split_whitespace() {
        eventually(&format!("{pid} is gone"), SECOND * 3, || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.map_or(true, |stat| stat.rsplit(')').next().unwrap().starts_with(" Z")).then_some(())
        });
    }
    let log = pair.first.log();
    assert!(log.contains("probe check is down"), "{log}");
    assert_eq!(log.matches("what nobody reads").count(), 0, "its output goes nowhere");
    workspace.write("flag", "");
    pair.wait_master(0, 200);
}

#[test]
fn a_script_that_dies_or_is_missing_counts_as_down() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let suicide = script(&workspace, "kill -SEGV $$");
    for path in [suicide.display().to_string(), "/nonexistent/check".to_owned()] {
        let pair =
            Pair::start(&("\tlist track_script 'check weight -60'\n".to_owned() + &vrrp_script(&path, "")));
        pair.wait_master(1, 150);
        std::thread::sleep(Duration::from_secs(2));
        let log = pair.first.log();
        assert_eq!(log.matches("probe check is down").count(), 1, "{log}");
        assert!(log.lines().count() < 30, "a line for each try: {log}");
    }
}

/// Written in place, replaced by another, deleted, made anew, with its whole folder gone in between.
#[test]
fn a_file_moves_the_mastership_however_it_is_changed() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let folder = workspace.path("folder");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("load");
    let pair = Pair::start(&format!(
        "\tlist track_file 'load weight -2'\nconfig track_file 'load'\n\toption file '{}'\n",
        file.display()
    ));
    pair.wait_master(0, 200);
    fs::write(&file, "10\n").unwrap();
    pair.wait_master(0, 180);
    let status = pair.first.status();
    assert_eq!(status["instances"][0]["priority"], 180);
    assert_eq!(status["instances"][0]["tracks"][0]["number"], 10);
    let table = pair.first.ask(&["status"]).stdout;
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("\n  tracks: load 10 (-20); base priority 200\n"), "{table}");
    // Replaced by rename.
    fs::write(folder.join("fresh"), "30\n").unwrap();
    fs::rename(folder.join("fresh"), &file).unwrap();
    pair.wait_master(1, 150);
    fs::remove_file(&file).unwrap();
    pair.wait_master(0, 200);
    fs::write(&file, "200").unwrap();
    pair.wait_master(1, 150);
    assert_eq!(pair.first.status()["instances"][0]["reason"], "tracked file forbids it");
    fs::remove_dir_all(&folder).unwrap();
    pair.wait_master(0, 200);
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "40").unwrap();
    pair.wait_master(1, 150);
    fs::write(&file, "0").unwrap();
    pair.wait_master(0, 200);
    let log = pair.first.log();
    assert!(log.contains("file load: 10") && !log.contains("more privileges"), "{log}");
}

/// Five times without carrier for half a second, and the other router never hears of it; then for good.
#[test]
fn a_flapping_link_with_delays_does_not_flap_the_mastership() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lan = Segment::new();
    let wan = Segment::new();
    let capture = lan.capture();
    let hosts = [Host::new("first"), Host::new("second")];
    let ports = [
        lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]),
        lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]),
    ];
    let uplink = wan.attach(&hosts[0], "wan");
    let tracking = "\tlist track_interface 'uplink'\nconfig track_interface 'uplink'\n\toption value 'wan'\n\
                    \toption down_delay '1.5'\n\toption up_delay '1'\n";
    let first = Vipd::start(&hosts[0], &(config(200, &["10.0.0.100/24"]) + tracking));
    let second = Vipd::start(&hosts[1], &config(150, &["10.0.0.100/24"]));
    let pair = Pair { first, _second: second, hosts, ports, capture, lan };
    pair.wait_master(0, 200);
    let from = now();
    for _ in 0..5 {
        uplink.unplug();
        std::thread::sleep(SECOND / 2);
        uplink.plug();
        std::thread::sleep(SECOND / 5);
    }
    assert!(pair.capture.adverts(&pair.ports[0], VRID, from).iter().all(|(_, vrrp)| vrrp.priority == 200));
    assert!(pair.capture.adverts(&pair.ports[1], VRID, from).is_empty());
    uplink.unplug();
    pair.wait_master(1, 150);
    uplink.plug();
    pair.wait_master(0, 200);
}

/// What becomes of a thing that is tracked, and is undone again.
#[derive(Clone, Copy)]
enum Blow {
    /// The other end of the link `wan` is switched off, so that it has no carrier.
    Cable,
    /// The link `wan` itself is switched off.
    Switch,
    /// There is 80 in the file, and not 0. The script that looks into it wants 0.
    File,
}

impl Blow {
    fn strike(self, pair: &Pair, file: &Path, is_back: bool) {
        let state = if is_back { "up" } else { "down" };
        match self {
            Self::Cable => drop(pair.hosts[0].ip(&format!("link set wan-end {state}"))),
            Self::Switch => drop(pair.hosts[0].ip(&format!("link set wan {state}"))),
            Self::File => fs::write(file, if is_back { "0" } else { "80" }).unwrap(),
        }
    }
}

/// What the first router tracks: an option, and whether its group has it and not its instance.
struct Way(&'static str, bool, Blow);

const SECTIONS: &str = "config vrrp_script 'check'\n\toption script 'SCRIPT FILE'\n\
    config probe 'look'\n\toption type 'script'\n\toption script 'SCRIPT FILE'\n\
    config track_file 'load'\n\toption file 'FILE'\n";

impl Way {
    fn start(&self, priority: u8, script: &Path, file: &Path) -> Pair {
        let Self(track, is_by_group, _) = self;
        let (option, value) = track.split_once(' ').unwrap();
        let track = format!("\tlist {option} '{value}'\n");
        let group = "config vrrp_sync_group 'all'\n\tlist group 'lan'\n";
        let tracking = if *is_by_group { format!("{group}{track}") } else { track };
        let sections = SECTIONS.replace("SCRIPT", script.to_str().unwrap());
        let tracking = tracking + &sections.replace("FILE", file.to_str().unwrap());
        Pair::prepared(priority, &tracking, |host| {
            host.add_idle_device("wan");
            fs::write(file, "0").unwrap();
        })
    }
}

/// The master is who it is to be when the first router has this priority; `None`: when it is in fault.
fn wait_winner(pair: &Pair, priority: Option<u8>) {
    match priority {
        Some(priority) if priority > 150 => pair.wait_master(0, priority),
        Some(_) | None => pair.wait_master(1, 150),
    }
    let status = pair.first.status();
    let first = &status["instances"][0];
    match priority {
        Some(priority) => assert_eq!(first["priority"], priority, "{first}"),
        None => assert_eq!(first["state"], "initialize", "{first}"),
    }
}

/// By weights of either sign, in reverse, by a fault; by what the instance tracks and what its group does.
#[test]
fn every_way_to_track_moves_the_mastership_and_back() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let script = script(&workspace, "test \"$(cat \"$1\")\" = 0");
    let ways: [(u8, Way, [Option<u8>; 2]); 15] = [
        (200, Way("track_interface wan weight -60", false, Blow::Cable), [Some(200), Some(140)]),
        (120, Way("track_interface wan weight 60", false, Blow::Cable), [Some(180), Some(120)]),
        (120, Way("track_interface wan weight -60 reverse", false, Blow::Cable), [Some(120), Some(180)]),
        (200, Way("track_interface wan weight 60 reverse", false, Blow::Cable), [Some(140), Some(200)]),
        (200, Way("track_interface wan reverse", false, Blow::Cable), [None, Some(200)]),
        (200, Way("track_interface wan", false, Blow::Switch), [Some(200), None]),
        (200, Way("track_interface wan weight -60", false, Blow::Switch), [Some(200), Some(140)]),
        (200, Way("track_interface wan", true, Blow::Cable), [Some(200), None]),
        (200, Way("track_interface wan weight -60", true, Blow::Cable), [Some(200), Some(140)]),
        (200, Way("track_script check weight -60", true, Blow::File), [Some(200), Some(140)]),
        (200, Way("track_probe look weight -60", true, Blow::File), [Some(200), Some(140)]),
        (200, Way("track_file load weight -1", true, Blow::File), [Some(200), Some(120)]),
        (200, Way("track_probe look weight -60", false, Blow::File), [Some(200), Some(140)]),
        (200, Way("track_probe look", false, Blow::File), [Some(200), None]),
        (120, Way("track_script check weight 60", false, Blow::File), [Some(180), Some(120)]),
    ];
    for (number, (priority, way, [before, after])) in ways.iter().enumerate() {
        let file = workspace.path(&format!("file{number}"));
        eprintln!("{}, by the group: {}", way.0, way.1);
        let pair = way.start(*priority, &script, &file);
        wait_winner(&pair, *before);
        way.2.strike(&pair, &file, false);
        wait_winner(&pair, *after);
        way.2.strike(&pair, &file, true);
        wait_winner(&pair, *before);
    }
}
