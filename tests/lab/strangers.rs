//! Other people's routers on the same segment: what they do moves nothing of ours, and `status` says who they are.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::bench::{Bench, Load};
use crate::harness::{Capture, Host, Keepalived, Noise, Port, Segment, Vipd, eventually, now};
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
