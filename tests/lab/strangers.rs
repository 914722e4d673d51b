//! Other people's routers on the same segment: what they do moves nothing of ours, and `status` says who they are.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::bench::{Bench, Load};
use crate::harness::{
    Capture, Flooder, Forged, Host, Keepalived, Noise, Port, Segment, Vipd, eventually, now,
};
use crate::lone::{SECOND, VRID};

/// Version 2 with a password, once a second.
fn config(priority: u8, password: &str, address: &str) -> String {
    format!(
        "config vrrp_instance 'lan'\n\toption interface 'eth0'\n\toption virtual_router_id '{VRID}'\n\
         \toption priority '{priority}'\n\toption auth_type 'PASS'\n\toption auth_pass '{password}'\n\
         \tlist virtual_ipaddress '{address}'\n"
    )
}

fn keepalived_config(priority: u8, password: &str, address: &str) -> String {
    format!(
        "vrrp_instance foreign {{\n interface eth0\n virtual_router_id {VRID}\n priority {priority}\n advert_int 1\n \
         authentication {{\n  auth_type PASS\n  auth_pass {password}\n }}\n virtual_ipaddress {{\n  {address}\n }}\n}}\n"
    )
}

struct Router {
    host: Host,
    port: Port,
    vipd: Vipd,
}

/// A pair of vipds: `10.0.0.N` with priority 150, `10.0.0.N+1` with 100.
fn pair(lan: &Segment, number: u8, password: &str, address: &str) -> [Router; 2] {
    [(number, 150), (number + 1, 100)].map(|(number, priority)| {
        let host = Host::new(&format!("r{number}"));
        let port = lan.attach_with(&host, "eth0", &[&format!("10.0.0.{number}/24")]);
        let vipd = Vipd::start(&host, &config(priority, password, address));
        Router { host, port, vipd }
    })
}

fn state(status: &Value) -> (Value, Value) {
    let record = &status["instances"][0];
    (record["state"].clone(), record["counters"]["became_master"].clone())
}

/// The reasons for which packets of this sender are refused.
fn refused(status: &Value, source: &str) -> Option<(String, u64)> {
    let strangers = status["strangers"].as_array().expect("a list");
    let stranger = strangers.iter().find(|stranger| stranger["source"] == source)?;
    assert_eq!((&stranger["interface"], &stranger["vrid"]), (&"eth0".into(), &VRID.into()), "{stranger}");
    assert!(stranger["seen_s"].as_u64() <= Some(5), "{stranger}");
    Some((stranger["reason"].as_str()?.to_owned(), stranger["count"].as_u64()?))
}

/// The adverts of a master came once a second, and nobody of its pair spoke beside it.
fn is_undisturbed(capture: &Capture, [master, backup]: &[Router; 2], from: Duration) {
    let until = now();
    let adverts = capture.adverts(&master.port, VRID, from);
    let expected = (until - from).as_secs();
    assert!(adverts.len() as u64 + 1 >= expected, "{} of {expected} adverts", adverts.len());
    let pairs = adverts.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let stall = Noise::observer().worst(from, until);
    let worst = pairs.max().unwrap_or_default();
    assert!(worst < SECOND + Duration::from_millis(40) + stall, "{worst:?} between two (stall {stall:?})");
    assert_eq!(capture.adverts(&backup.port, VRID, from), [], "the backup spoke");
}

/// Three pairs were given the same VRID by people who do not know each other: ours, one of vipds, one of keepalives.
#[test]
fn two_foreign_pairs_of_the_same_vrid_change_nothing_and_are_both_named() {
    let Some(_bench) = Bench::take(Load::Light, &[Keepalived::missing()]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let ours = pair(&lan, 1, "1111", "10.0.0.100/24");
    capture.wait_advert(&ours[0].port, VRID, Duration::ZERO, SECOND * 8);
    thread::sleep(SECOND);
    let states = [0, 1].map(|router| state(&ours[router].vipd.status()));
    assert_eq!(states.each_ref().map(|(state, _)| state.as_str()), [Some("master"), Some("backup")]);
    let from = now();
    let mut theirs = pair(&lan, 11, "2222", "10.0.0.110/24");
    let others = [(21, 250), (22, 240)].map(|(number, priority)| {
        let host = Host::new(&format!("r{number}"));
        let port = lan.attach_with(&host, "eth0", &[&format!("10.0.0.{number}/24")]);
        (Keepalived::start(&host, &keepalived_config(priority, "3333", "10.0.0.120/24")), port, host)
    });
    for (what, source) in [("the pair of vipds", "10.0.0.11"), ("the pair of keepalives", "10.0.0.21")] {
        for router in &ours {
            eventually(&format!("{what} is named"), SECOND * 10, || {
                let (reason, count) = refused(&router.vipd.status(), source)?;
                assert_eq!(reason, "password");
                (count >= 3).then_some(())
            });
        }
    }
    // To the vipds among them, we are the strangers.
    let (reason, _) = refused(&theirs[0].vipd.status(), "10.0.0.1").expect("we are named");
    assert_eq!(reason, "password");
    let second = now();
    thread::sleep(SECOND * 4);
    is_undisturbed(&capture, &theirs, second);
    // Their backup takes over: one more name.
    theirs[0].vipd.process().kill();
    eventually("the new master is named", SECOND * 8, || refused(&ours[0].vipd.status(), "10.0.0.12"));
    is_undisturbed(&capture, &ours, from);
    let after = [0, 1].map(|router| state(&ours[router].vipd.status()));
    assert_eq!(after, states, "no transition");
    assert!(ours[0].host.has("eth0", "10.0.0.100") && !ours[1].host.has("eth0", "10.0.0.100"));
    let table = ours[0].vipd.ask(&["status"]).stdout;
    let table = String::from_utf8(table).unwrap();
    for source in ["10.0.0.11", "10.0.0.12", "10.0.0.21"] {
        let line = table.lines().find(|line| line.contains(&format!(" {source} "))).expect("a line for each");
        assert!(line.contains("refused on eth0") && line.contains("password, VRID 7, "), "{line}");
    }
    let log = ours[0].vipd.log();
    let lines = log.lines().filter(|line| line.contains("from 10.0.0.11 refused: password")).count();
    // Once as it enters, and some of the powers of two of all that were dropped.
    assert!((1..8).contains(&lines), "{lines} lines: {log}");
    drop(others);
}

/// Adverts of a VRID that nobody has here, a thousand a second: whose they are is known after the first, and then they are
/// not worth a turn each. Once the VRID is ours, every one counts.
#[test]
fn a_crowd_of_a_vrid_that_is_nobodys_is_named_and_then_hardly_heard() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    const THEIRS: u8 = 99;
    let lan = Segment::new();
    let capture = lan.capture();
    let ours = pair(&lan, 1, "1111", "10.0.0.100/24");
    let host = Host::new("stranger");
    let port = lan.attach_with(&host, "eth0", &["10.0.0.66/24"]);
    let stranger = Flooder::new(&host, "eth0");
    capture.wait_advert(&ours[0].port, VRID, Duration::ZERO, SECOND * 8);
    thread::sleep(SECOND);
    let states = [0, 1].map(|router| state(&ours[router].vipd.status()));
    assert_eq!(states.each_ref().map(|(state, _)| state.as_str()), [Some("master"), Some("backup")]);
    let from = now();
    let advert = Forged { vrid: THEIRS, bytes_4_5: [0, 100], ..Forged::version_3(200) }.frame(port.mac());
    let advert = core::slice::from_ref(&advert);
    let sent = stranger.flood(advert, 1000, SECOND * 5);
    assert!(sent > 3000, "it was a crowd: {sent}");
    for router in &ours {
        let status = router.vipd.status();
        let strangers = status["strangers"].as_array().expect("a list");
        let named = strangers.iter().find(|stranger| stranger["source"] == "10.0.0.66").expect("it is named");
        assert_eq!((&named["vrid"], &named["reason"]), (&THEIRS.into(), &"vrid".into()), "{named}");
        assert!(named["seen_s"].as_u64() <= Some(3), "it is seen that it is still there: {named}");
        // 255, and about one in 64 of the rest; those that were waiting when it was enough come as well.
        let heard = status["stray"]["vrid"].as_u64().expect("a count");
        assert!((256..u64::from(sent) / 5).contains(&heard), "{heard} heard of {sent}");
        assert!(!router.vipd.log().contains("all come in"), "the kernel takes the filter");
        eprintln!("{heard} of {sent} were heard");
    }
    is_undisturbed(&capture, &ours, from);
    let after = [0, 1].map(|router| state(&ours[router].vipd.status()));
    assert_eq!(after, states, "no transition");

    // Their VRID is ours from now on, and their master is heard, once a second.
    let router = &ours[0].vipd;
    let theirs = format!(
        "config vrrp_instance 'theirs'\n\toption interface 'eth0'\n\toption version '3'\n\
         \toption virtual_router_id '{THEIRS}'\n\tlist virtual_ipaddress '10.0.0.100/24'\n"
    );
    router.rewrite(&(config(150, "1111", "10.0.0.101/24") + &theirs));
    assert_eq!(router.ask(&["reload"]).status.code(), Some(0));
    let reloaded = now();
    stranger.flood(advert, 1, SECOND * 8);
    assert_eq!(capture.adverts(&ours[0].port, THEIRS, reloaded), [], "their master was heard");
    let record = &router.status()["instances"][1];
    assert_eq!((&record["state"], &record["master"]), (&"backup".into(), &"10.0.0.66".into()), "{record}");
    assert!(record["counters"]["adverts_received"].as_u64() >= Some(7), "{record}");
    assert_eq!(state(&router.status()), states[0]);
}
