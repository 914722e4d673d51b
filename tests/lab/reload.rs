//! A new configuration, on a running router: whoever is master and may stay it, stays it.

use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Host, Noise, Vipd, Workspace, eventually, now};
use crate::hooks;
use crate::lone::{INTERVAL, Lone, SECOND, SETTLED, VRID, config};

fn second_instance(vrid: u8) -> String {
    format!(
        "config vrrp_instance 'second'\n\toption interface 'eth0'\n\toption version '3'\n\
         \toption virtual_router_id '{vrid}'\n\toption advert_int '0.1'\n\
         \tlist virtual_ipaddress '10.0.0.200/24'\n"
    )
}

#[test]
fn sighup_adds_an_instance_and_the_old_one_stays_master() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    // Before the old one, so that every index of the old configuration moves.
    let both = second_instance(8) + &config(200, &["10.0.0.100/24"]);
    lone.vipd.rewrite(&both);
    let asked = now();
    lone.vipd.process().signal(libc::SIGHUP);
    lone.capture.wait_advert(&lone.port, 8, asked, SECOND * 3);
    lone.wait_address("10.0.0.200", true);
    lone.was_master_since(since);
}

#[test]
fn reload_adds_and_removes_addresses_and_the_router_stays_master() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    lone.vipd.rewrite(&config(200, &["10.0.0.100/24", "10.0.0.101/24"]));
    let asked = now();
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    lone.wait_address("10.0.0.101", true);
    lone.wait_announcement("10.0.0.101", asked, SECOND * 2);
    thread::sleep(SETTLED);
    let adverts = lone.capture.adverts(&lone.port, 7, asked);
    assert_eq!(adverts.last().unwrap().1.addresses.len(), 2, "the advert lists both");

    lone.vipd.rewrite(&config(200, &["10.0.0.101/24"]));
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    lone.wait_address("10.0.0.100", false);
    lone.wait_address("10.0.0.101", true);
    thread::sleep(SETTLED);
    lone.was_master_since(since);
}

#[test]
fn reload_changes_the_priority_in_the_next_advert_and_nothing_else() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    lone.vipd.rewrite(&config(120, &["10.0.0.100/24"]));
    let asked = now();
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    thread::sleep(SETTLED);
    let adverts = lone.capture.adverts(&lone.port, 7, asked + SETTLED / 2);
    assert!(adverts.iter().all(|(_, vrrp)| vrrp.priority == 120), "ST18");
    lone.was_master_since(since);
}

#[test]
fn the_same_configuration_again_changes_nothing() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&config(200, &["10.0.0.100/24", "fe80::100/64"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    thread::sleep(SECOND);
    let from = now();
    for _ in 0..20 {
        lone.vipd.process().signal(libc::SIGHUP);
        thread::sleep(SECOND / 50);
    }
    thread::sleep(SETTLED);
    let frames = lone.capture.between(from, now());
    assert!(frames.iter().all(|frame| frame.gratuitous_arp().is_none()), "nothing new is announced");
    lone.was_master_since(since);
}

#[test]
fn an_instance_that_is_taken_out_resigns_and_the_other_goes_on() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let both = second_instance(8) + &config(200, &["10.0.0.100/24"]);
    let lone = Lone::start(&both);
    let (since, _) = lone.wait_master("10.0.0.100");
    lone.capture.wait_advert(&lone.port, 8, Duration::ZERO, SECOND * 3);
    lone.wait_address("10.0.0.200", true);
    lone.vipd.rewrite(&config(200, &["10.0.0.100/24"]));
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    lone.wait_address("10.0.0.200", false);
    let last = lone.capture.adverts(&lone.port, 8, since);
    assert_eq!(last.last().unwrap().1.priority, 0, "it says goodbye");
    thread::sleep(SETTLED);
    lone.was_master_since(since);
}

#[test]
fn a_bad_configuration_is_refused_by_line_and_the_old_one_goes_on() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    let file = lone.vipd.workspace().path("config");
    for (bad, line) in [
        (config(200, &["10.0.0.100/24"]).replace("'7'", "'700'"), 4),
        (config(200, &["10.0.0.300/24"]), 7),
        ("config vrrp_instance 'lan".to_owned(), 1),
        (config(200, &["10.0.0.100/24"]) + "\toption priorty '3'\n", 8),
    ] {
        lone.vipd.rewrite(&bad);
        let answer = lone.vipd.ask(&["reload"]);
        let said = String::from_utf8_lossy(&answer.stdout);
        assert_eq!(answer.status.code(), Some(1), "{said}");
        let mut command = lone.host.command(&Vipd::binary().to_string_lossy());
        let checked = command.arg("check").arg("-c").arg(&file).output().unwrap();
        assert_eq!(said, String::from_utf8_lossy(&checked.stdout), "the words of vipd check");
        assert!(said.starts_with(&format!("{}:{line}: ", file.display())), "FILE:{line}: in {said}");
        lone.vipd.process().signal(libc::SIGHUP);
    }
    thread::sleep(SETTLED);
    lone.was_master_since(since);
    assert!(lone.vipd.log().contains(":8:"), "the log names the line too");
}

/// What is warned of is said, and the configuration is taken; a file that is gone is refused with the reason.
#[test]
fn reload_says_warnings_and_why_a_file_cannot_be_read() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    let (since, _) = lone.wait_master("10.0.0.100");
    let file = lone.vipd.workspace().path("config");
    let said = || {
        let answer = lone.vipd.ask(&["reload"]);
        (answer.status.code(), String::from_utf8_lossy(&answer.stdout).into_owned())
    };
    lone.vipd.rewrite(&(config(200, &["10.0.0.100/24"]) + "\toption state 'MASTER'\n"));
    let (code, words) = said();
    assert_eq!(code, Some(0), "{words}");
    assert!(words.starts_with(&format!("{}:8: warning: state 'MASTER'", file.display())), "{words}");

    std::fs::remove_file(&file).unwrap();
    let (code, words) = said();
    assert_eq!(code, Some(1), "{words}");
    assert_eq!(words.lines().count(), 1, "{words}");
    assert!(words.starts_with(&format!("{}: ", file.display())), "{words}");
    assert!(words.contains("no such file"), "{words}");
    std::fs::create_dir(&file).unwrap();
    let (code, words) = said();
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("directory"), "{words}");
    thread::sleep(SETTLED);
    lone.was_master_since(since);
}

/// Everything that a hook has said, and that it said it.
struct Diary {
    _workspace: Workspace,
    notify: String,
    record: std::path::PathBuf,
}

impl Diary {
    fn new() -> Self {
        let workspace = Workspace::new();
        let (path, record) = hooks::script(&workspace, "0");
        Self { _workspace: workspace, notify: hooks::notify(&path), record }
    }

    fn said(&self) -> Vec<String> {
        hooks::begins(&self.record)
    }

    fn wait_master(&self) -> usize {
        eventually("the hook says MASTER", SECOND * 3, || {
            let said = self.said();
            said.last()?.contains("NOTIFY_MASTER").then_some(said.len())
        })
    }
}

/// The IPv4 half neither resigned nor left an advert out since `from`.
fn kept_ipv4(lone: &Lone, from: Duration) {
    let adverts = lone.capture.adverts(&lone.port, VRID, from);
    let adverts: Vec<_> = adverts.iter().filter(|(_, vrrp)| vrrp.source.is_ipv4()).collect();
    assert!(adverts.iter().all(|(_, vrrp)| vrrp.priority == 200), "IPv4 never resigned");
    let moments: Vec<_> = adverts.iter().map(|(at, _)| *at).chain([now()]).collect();
    let worst = moments.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max();
    let room = INTERVAL * 5 / 2 + Noise::observer().worst(from, now());
    assert!(worst < Some(room), "its longest silence was {worst:?}");
}

#[test]
fn ipv6_can_be_added_to_an_ipv4_master_and_taken_out_again() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let diary = Diary::new();
    let alone = config(200, &["10.0.0.100/24"]) + &diary.notify;
    let both = config(200, &["10.0.0.100/24", "fe80::100/64"]) + &diary.notify;
    let lone = Lone::start(&alone);
    let (since, _) = lone.wait_master("10.0.0.100");
    let count = diary.wait_master();

    lone.vipd.rewrite(&both);
    let asked = now();
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    let first = lone.capture.wait("an IPv6 advert", asked, SECOND * 2, |frame| {
        frame.vrrp().filter(|vrrp| vrrp.source.is_ipv6() && vrrp.priority == 200).map(|_| frame.at)
    });
    let waited = first - asked;
    let stall = Noise::observer().worst(asked, first);
    // RFC 9568 section 6.1, with priority 200; starting the client that asks takes its time too.
    let down = INTERVAL * 3 + INTERVAL * 56 / 256;
    assert!(waited <= down + Duration::from_millis(100) + stall * 2, "IPv6 is master after {waited:?}");
    lone.wait_address("fe80::100", true);
    let status = lone.vipd.status();
    let states: Vec<_> = status["instances"].as_array().unwrap().iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["master", "master"], "{status}");
    thread::sleep(SETTLED);
    kept_ipv4(&lone, since);

    let taken_out = now();
    lone.vipd.rewrite(&alone);
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    lone.wait_address("fe80::100", false);
    thread::sleep(SETTLED * 2);
    kept_ipv4(&lone, since);
    assert!(lone.host.has("eth0", "10.0.0.100"));
    let adverts = lone.capture.adverts(&lone.port, VRID, taken_out);
    let last = adverts.iter().rfind(|(_, vrrp)| vrrp.source.is_ipv6());
    assert_eq!(last.map(|(_, vrrp)| vrrp.priority), Some(0), "the IPv6 half says goodbye");
    // The new half listens first, and an instance is what the lesser of its halves is.
    let said = diary.said();
    assert!(said.last().unwrap().contains("NOTIFY_MASTER"), "{said:?}");
    for word in ["NOTIFY_STOP", "NOTIFY_FAULT"] {
        assert!(said[count..].iter().all(|line| !line.contains(word)), "{word} in {:?}", &said[count..]);
    }
}

/// Two instances that have been on their own join a group: nothing happens, and from then on they move as one.
#[test]
fn masters_that_join_a_sync_group_stay_masters_and_then_move_as_one() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let separate = config(200, &["10.0.0.100/24"])
        + &second_instance(8).replace("'eth0'", "'wan'").replace("10.0.0.200", "10.9.0.200");
    let lone = Lone::prepared(&separate, |host| {
        host.add_idle_device("wan");
        host.ip("address add 10.9.0.1/24 dev wan");
    });
    let (since, _) = lone.wait_master("10.0.0.100");
    let wan_has = |present: bool| {
        eventually("wan's address", SECOND * 3, || {
            (lone.host.has("wan", "10.9.0.200") == present).then_some(())
        });
    };
    wan_has(true);
    let group = "config vrrp_sync_group 'edge'\n\tlist group 'lan'\n\tlist group 'second'\n";
    lone.vipd.rewrite(&(separate + group));
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    thread::sleep(SETTLED * 2);
    lone.was_master_since(since);
    wan_has(true);

    lone.host.ip("link set wan-end down");
    lone.wait_address("10.0.0.100", false);
    wan_has(false);
    let up = now();
    lone.host.ip("link set wan-end up");
    lone.wait_master_since("10.0.0.100", up);
    wan_has(true);
}

/// Waits until both of its virtual routers hear a master of priority 200.
fn wait_heard(lone: &Lone) {
    eventually("both masters are elsewhere", SECOND * 5, || {
        let status = lone.vipd.try_status()?;
        let records = status["instances"].as_array()?;
        let heard =
            |record: &serde_json::Value| record["state"] == "backup" && record["master_priority"] == 200;
        (records.len() == 2 && records.iter().all(heard)).then_some(())
    });
}

/// A group waits until all of its segments are silent. When the one that is not leaves the group, the rest must
/// not wait for ever.
#[test]
fn a_backup_whose_companion_is_taken_out_takes_over_what_is_left() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lan = config(100, &["10.0.0.100/24"]);
    let group = "config vrrp_sync_group 'edge'\n\tlist group 'lan'\n\tlist group 'second'\n";
    let lone = Lone::prepared(&(lan.clone() + &second_instance(8) + group), |_| {});
    let others = [Host::new("a"), Host::new("b")];
    let ports =
        [2, 3].map(|n: usize| lone.lan.attach_with(&others[n - 2], "eth0", &[&format!("10.0.0.{n}/24")]));
    let mut lans = Vipd::start(&others[0], &config(200, &["10.0.0.100/24"]));
    let above = second_instance(8).replace("'8'", "'8'\n\toption priority '200'");
    let _seconds = Vipd::start(&others[1], &above);
    wait_heard(&lone);
    let killed = lans.process().kill();
    ports[0].unplug();
    thread::sleep(SETTLED * 2);
    let adverts = lone.capture.adverts(&lone.port, VRID, killed);
    assert!(adverts.is_empty(), "the group waits while one of its masters lives: {adverts:?}");

    lone.vipd.rewrite(&lan);
    let asked = now();
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    lone.wait_master_since("10.0.0.100", asked);
}

/// The same when it happens in the other order.
#[test]
fn a_backup_that_has_lost_a_companion_takes_over_when_its_master_dies() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let both = ["10.0.0.100/24", "fe80::100/64"];
    let lone = Lone::start(&config(100, &both));
    let other = Host::new("other");
    let port = lone.lan.attach_with(&other, "eth0", &["10.0.0.2/24"]);
    let mut master = Vipd::start(&other, &config(200, &both));
    wait_heard(&lone);
    lone.vipd.rewrite(&config(100, &["10.0.0.100/24"]));
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    thread::sleep(SETTLED * 2);
    let killed = master.process().kill();
    port.unplug();
    let (at, _) = lone.wait_master_since("10.0.0.100", killed);
    assert!(at - killed < SETTLED + SECOND / 5, "after {:?}", at - killed);
}
