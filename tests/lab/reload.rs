//! A new configuration, on a running router: whoever is master and may stay it, stays it.

use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::now;
use crate::lone::{Lone, SECOND, SETTLED, config};

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
        let mut command = lone.host.command(&crate::harness::Vipd::binary().to_string_lossy());
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
