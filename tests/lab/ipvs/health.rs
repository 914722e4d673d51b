//! Servers that come and go, and what the director's table makes of it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Host, Vipd, eventually};
use crate::lone::SECOND;

use super::bench;
use super::config::{Service, director};
use super::farm::{Farm, VIP, VIP6};
use super::rig::each;
use super::table::{ipvsadm, rules};
use super::web::Download;

/// Until what should be in the table is.
pub(super) fn wait_rules(host: &Host, expected: &[&str]) {
    let mut seen = Vec::new();
    eventually("the table is as it should be", SECOND * 20, || {
        seen = rules(host);
        (seen == expected).then_some(())
    });
}

const BOTH: [&str; 3] = [
    "-A -t 10.0.0.100:80 -s rr",
    "-a -t 10.0.0.100:80 -r 10.1.0.11:80 -m -w 1",
    "-a -t 10.0.0.100:80 -r 10.1.0.12:80 -m -w 1",
];

/// The address is there, and the table is full.
fn start(farm: &Farm, config: &str) -> Vipd {
    let vipd = Vipd::start(&farm.directors[0], config);
    eventually("it is master", SECOND * 10, || {
        (vipd.try_status()?["instances"][0]["state"] == "master").then_some(())
    });
    vipd
}

fn server<'a>(status: &'a Value, name: &str) -> &'a Value {
    let servers = status["virtual_servers"][0]["real_servers"].as_array().expect("a list");
    servers.iter().find(|server| server["name"] == name).expect("it is in the list")
}

/// By translation, and in frames after a reload; in both families.
#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn requests_are_balanced_over_servers_that_answer() {
    let Some(_bench) = bench() else { return };
    let farm = Farm::new(1, 2);
    let services = |kind| {
        [Service::new("web", VIP, kind), Service { is_v6: true, ..Service::new("web6", VIP6, kind) }]
            .map(|service| service.text(&farm))
            .concat()
    };
    let mut vipd = start(&farm, &(director(200) + &services("NAT")));
    let host = &farm.directors[0];
    wait_rules(
        host,
        &[
            BOTH[0],
            "-A -t [fd00::100]:80 -s rr",
            BOTH[1],
            BOTH[2],
            "-a -t [fd00::100]:80 -r [fd00:1::11]:80 -m -w 1",
            "-a -t [fd00::100]:80 -r [fd00:1::12]:80 -m -w 1",
        ],
    );
    for vip in [VIP, VIP6] {
        assert_eq!(farm.fetch(vip, 6), each(3, ["server-1", "server-2"]), "{vip}");
    }
    vipd.rewrite(&(director(200) + &services("DR")));
    assert!(vipd.ask(&["reload"]).status.success());
    eventually("they are reached in frames", SECOND * 10, || {
        rules(host).iter().filter(|rule| rule.ends_with("-g -w 1")).count().eq(&4).then_some(())
    });
    for vip in [VIP, VIP6] {
        assert_eq!(farm.fetch(vip, 6), each(3, ["server-1", "server-2"]), "{vip}");
    }
    let status = vipd.status();
    assert_eq!(status["virtual_servers"][0]["state"], "up");
    assert_eq!(server(&status, "web_server_1")["kind"], "dr");
    eventually("the kernel's counters are told", SECOND * 15, || {
        let status = vipd.try_status()?;
        (status["virtual_servers"][0]["connections"].as_u64()? >= 12).then_some(())
    });
    let text = vipd.ask(&["status", "--prometheus"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let line = "vipd_real_server_up{virtual_server=\"web\",service=\"tcp 10.0.0.100:80\",real_server=\"web_server_1\",\
                server=\"10.1.0.11:80\",kind=\"dr\"} 1";
    assert!(text.contains(line), "{text}");
    vipd.process().terminate();
    vipd.process().wait(SECOND * 5);
    assert_eq!(rules(host), [""; 0], "what is ours goes with us");
}

/// keepalived.conf(5): one try each `delay_loop`, which takes `connect_timeout` at the most.
#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn a_server_that_dies_leaves_in_time_and_returns_when_it_answers_again() {
    let Some(_bench) = bench() else { return };
    let mut farm = Farm::new(1, 2);
    let mut vipd = start(&farm, &(director(200) + &Service::new("web", VIP, "NAT").text(&farm)));
    let host = farm.directors[0].clone();
    wait_rules(&host, &BOTH);
    // The port is closed; then the page is gone; then the cable is pulled, and nothing is refused.
    for turn in 0..3 {
        let began = Instant::now();
        match turn {
            0 => farm.servers[0].stop(),
            1 => farm.servers[0].web().answer_with(503),
            _ => farm.servers[0].port.unplug(),
        }
        wait_rules(&host, &[BOTH[0], BOTH[2]]);
        let took = began.elapsed();
        eprintln!("turn {turn}: it left after {took:?}");
        // A second each, and room for a machine that has other things to do.
        assert!(took < Duration::from_secs(2) + SECOND * 3, "{took:?}");
        assert_eq!(farm.fetch(VIP, 4), each(4, ["server-2"]));
        assert_eq!(server(&vipd.status(), "web_server_1")["state"], "down");
        match turn {
            0 => farm.servers[0].start(),
            1 => farm.servers[0].web().answer_with(200),
            _ => farm.servers[0].port.plug(),
        }
        wait_rules(&host, &BOTH);
        assert_eq!(farm.fetch(VIP, 4), each(2, ["server-1", "server-2"]));
    }
    assert!(vipd.process().runs());
    let log = vipd.log();
    assert_eq!(log.matches("real server web/web_server_1 is down").count(), 3, "{log}");
}

#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn another_server_says_sorry_while_there_is_no_quorum() {
    let Some(_bench) = bench() else { return };
    let mut farm = Farm::new(1, 3);
    let sorry = farm.servers[2].address.clone();
    let more = format!("\toption sorry_server_ip '{sorry}'\n\toption quorum '2'\n");
    let service = Service { more: &more, servers: 2, ..Service::new("web", VIP, "NAT") };
    let _vipd = start(&farm, &(director(200) + &service.text(&farm)));
    let host = farm.directors[0].clone();
    wait_rules(&host, &BOTH);
    farm.servers[1].stop();
    wait_rules(&host, &[BOTH[0], "-a -t 10.0.0.100:80 -r 10.1.0.13:80 -m -w 1"]);
    assert_eq!(farm.fetch(VIP, 3), each(3, ["server-3"]));
    farm.servers[1].start();
    wait_rules(&host, &BOTH);
    assert_eq!(farm.fetch(VIP, 4), each(2, ["server-1", "server-2"]));
}

#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn one_that_is_inhibited_keeps_its_downloads_and_gets_nobody_new_and_clients_stay_where_they_were() {
    let Some(_bench) = bench() else { return };
    let farm = Farm::new(1, 2);
    let more = "\toption inhibit_on_failure '1'\n";
    let plain = Service { more, ..Service::new("web", VIP, "NAT") };
    let mut vipd = start(&farm, &(director(200) + &plain.text(&farm)));
    let host = farm.directors[0].clone();
    wait_rules(&host, &BOTH);
    let download = Download::start(&farm.client, VIP).unwrap();
    let position = usize::from(download.server == "server-2");
    let other = if position == 0 { "server-2" } else { "server-1" };
    farm.servers[position].web().answer_with(503);
    let weighs_nothing = format!("-a -t 10.0.0.100:80 -r 10.1.0.1{}:80 -m -w 0", position + 1);
    eventually("its weight is 0", SECOND * 10, || rules(&host).contains(&weighs_nothing).then_some(()));
    assert_eq!(farm.fetch(VIP, 3), each(3, [other]));
    download.must_go_on();
    farm.servers[position].web().answer_with(200);
    wait_rules(&host, &BOTH);
    // Persistence: as ipvsadm -p.
    let sticky = Service { more: "\toption persistence_timeout '50'\n", ..plain };
    vipd.rewrite(&(director(200) + &sticky.text(&farm)));
    assert!(vipd.ask(&["reload"]).status.success());
    eventually("clients stay", SECOND * 10, || {
        rules(&host).contains(&"-A -t 10.0.0.100:80 -s rr -p 50".to_owned()).then_some(())
    });
    download.must_go_on();
    let tally = farm.fetch(VIP, 5);
    assert!(tally.len() == 1 && tally.values().all(|count| *count == 5), "{tally:?}");
    assert!(vipd.process().runs());
}

/// No connection is lost to a restart, a reload, or a death: the table is never flushed.
#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn a_download_outlives_restart_reload_and_sigkill() {
    let Some(_bench) = bench() else { return };
    let farm = Farm::new(1, 2);
    let service = Service::new("web", VIP, "NAT");
    let config = director(200) + &service.text(&farm);
    let mut vipd = start(&farm, &config);
    let host = farm.directors[0].clone();
    wait_rules(&host, &BOTH);
    let download = Download::start(&farm.client, VIP).unwrap();
    download.must_go_on();
    vipd.rewrite(&(director(200) + &Service { more: "\toption quorum '2'\n", ..service }.text(&farm)));
    assert!(vipd.ask(&["reload"]).status.success());
    assert_eq!(rules(&host), BOTH);
    download.must_go_on();
    vipd.process().signal(libc::SIGKILL);
    vipd.process().wait(SECOND * 5);
    assert_eq!(rules(&host), BOTH, "whoever dies leaves the table as it was");
    download.must_go_on();
    vipd.restart();
    eventually("it answers", SECOND * 10, || vipd.try_status());
    wait_rules(&host, &BOTH);
    download.must_go_on();
    // Its services go, and come again: the kernel remembers whose connections they were.
    vipd.process().terminate();
    vipd.process().wait(SECOND * 5);
    assert_eq!(rules(&host), [""; 0]);
    vipd.restart();
    wait_rules(&host, &BOTH);
    download.must_go_on();
}

/// Whoever changes the table by hand is put right.
#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn what_is_changed_from_outside_is_mended_and_what_is_not_ours_is_left_alone() {
    let Some(_bench) = bench() else { return };
    let farm = Farm::new(1, 2);
    let host = farm.directors[0].clone();
    ipvsadm(&host, "-A -t 10.0.0.100:81 -s rr");
    ipvsadm(&host, "-a -t 10.0.0.100:81 -r 10.1.0.11:80 -m -w 3");
    let theirs = ["-A -t 10.0.0.100:81 -s rr", "-a -t 10.0.0.100:81 -r 10.1.0.11:80 -m -w 3"];
    let all = [BOTH[0], theirs[0], BOTH[1], BOTH[2], theirs[1]];
    let keeps = Service { more: "\toption keep '1'\n", ..Service::new("web", VIP, "NAT") };
    let mut vipd = start(&farm, &(director(200) + &keeps.text(&farm)));
    wait_rules(&host, &all);
    for words in [
        "-D -t 10.0.0.100:80",
        "-d -t 10.0.0.100:80 -r 10.1.0.11:80",
        "-e -t 10.0.0.100:80 -r 10.1.0.11:80 -m -w 9",
        "-E -t 10.0.0.100:80 -s lc",
        "-a -t 10.0.0.100:80 -r 10.1.0.99:80 -m -w 1",
    ] {
        ipvsadm(&host, words);
        assert_ne!(rules(&host), all, "{words}");
        wait_rules(&host, &all);
    }
    vipd.process().terminate();
    vipd.process().wait(SECOND * 5);
    assert_eq!(rules(&host), all, "keep");
}

/// A scheduler that the kernel has not is said, and all else goes on.
#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn what_the_kernel_refuses_is_said_and_the_rest_goes_on() {
    let Some(_bench) = bench() else { return };
    let farm = Farm::new(1, 2);
    let host = farm.directors[0].clone();
    let wrong = Service { scheduler: "nonsense", port: 81, ..Service::new("wrong", VIP, "NAT") };
    let config = director(200) + &wrong.text(&farm) + &Service::new("web", VIP, "NAT").text(&farm);
    let vipd = start(&farm, &config);
    wait_rules(&host, &BOTH);
    eventually("it is said", SECOND * 10, || {
        vipd.log().contains("virtual server wrong: the kernel has no such scheduler").then_some(())
    });
    assert_eq!(vipd.status()["virtual_servers"][0]["in_kernel"], false);
}
