//! A daemon that does not run for a while, and finds everything at once when it does: adverts, signals, and
//! a deadline that has passed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Capture, Host, Port, Process, Segment, Vipd, Workspace, eventually, now};
use crate::lone::{INTERVAL, SECOND, SETTLED, VRID, config};

const PRIORITY: u8 = 100;
/// Often enough for a race to be lost once.
const TIMES: u32 = 10;

/// A master that is never touched, and a backup that is.
struct Pair {
    capture: Capture,
    _lan: Segment,
    _hosts: [Host; 2],
    ports: [Port; 2],
    _master: Vipd,
    backup: Vipd,
}

impl Pair {
    /// `more` is added to the backup's configuration.
    fn start(seconds: &str, addresses: &[&str], more: &str) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("master"), Host::new("backup")];
        let ports = [
            lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]),
            lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]),
        ];
        let config = |priority| config(priority, addresses).replace("'0.1'", &format!("'{seconds}'"));
        let master = Vipd::start(&hosts[0], &config(200));
        capture.wait_advert(&ports[0], VRID, Duration::ZERO, SECOND * 5);
        let backup = Vipd::start(&hosts[1], &(config(PRIORITY) + more));
        let pair = Self { capture, _lan: lan, _hosts: hosts, ports, _master: master, backup };
        pair.wait_heard();
        pair
    }

    fn wait_heard(&self) {
        eventually("the backup hears the master in every family", SECOND * 3, || {
            let status = self.backup.try_status()?;
            let mut records = status["instances"].as_array()?.iter();
            records.all(|record| record["master_priority"] == 200).then_some(())
        });
    }

    /// It never spoke, and still listens.
    fn never_stole(&self, from: Duration, how: &str) {
        let stolen = self.capture.adverts(&self.ports[1], VRID, from);
        assert!(stolen.is_empty(), "law 6: {how}: the backup stole the address: {stolen:?}");
        let announced = self.capture.between(from, now());
        let mut announced = announced.iter().filter(|frame| frame.port == self.ports[1].index());
        assert!(announced.all(|frame| frame.claim().is_none()), "law 6: {how}: the backup announced it");
        let status = self.backup.status();
        let records = status["instances"].as_array().unwrap();
        for record in records {
            assert_eq!(record["state"], "backup", "{how}: {status}");
            assert_eq!(record["counters"]["became_master"], 0, "law 6: {how}: {status}");
        }
    }
}

/// Master_Down_Interval of version 3 (RFC 9568 §6.1).
fn down(interval: Duration) -> Duration {
    interval * 3 + interval * (256 - u32::from(PRIORITY)) / 256
}

/// Stops the backup for three down intervals again and again; `wake` is what it finds when it goes on.
fn stalls(pair: &mut Pair, interval: Duration, how: &str, mut wake: impl FnMut(&mut Process)) {
    let from = now();
    for round in 0..TIMES {
        pair.backup.process().signal(libc::SIGSTOP);
        // Not in step with the adverts.
        thread::sleep(down(interval) * 3 + interval * round / TIMES);
        wake(pair.backup.process());
        thread::sleep(interval * 3);
        pair.never_stole(from, how);
    }
    let frames = pair.capture.adverts(&pair.ports[0], VRID, from).len();
    assert!(frames > 100, "the master was there all the time: {frames} adverts");
    // The instrument is sharp: when the master falls silent it does take over.
    pair.ports[0].unplug();
    pair.capture.wait_advert(&pair.ports[1], VRID, now(), SETTLED * 5);
}

#[test]
fn law_06_a_starved_backup_does_not_steal_the_address() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut pair = Pair::start("0.1", &["10.0.0.100/24"], "");
    stalls(&mut pair, INTERVAL, "SIGCONT alone", |backup| backup.signal(libc::SIGCONT));
}

/// A signal that waits makes the wait end before it has looked at a descriptor.
#[test]
fn law_06_a_starved_backup_that_is_to_reload_does_not_steal_the_address() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut pair = Pair::start("0.1", &["10.0.0.100/24"], "");
    stalls(&mut pair, INTERVAL, "SIGHUP and SIGCONT", |backup| {
        backup.signal(libc::SIGHUP);
        backup.signal(libc::SIGCONT);
    });
}

/// At twice the interval, and with both families, which are read one after the other.
#[test]
fn law_06_a_starved_backup_of_both_families_does_not_steal_the_addresses() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut pair = Pair::start("0.2", &["10.0.0.100/24", "fe80::100/64"], "");
    stalls(&mut pair, INTERVAL * 2, "SIGHUP and SIGCONT, both families", |backup| {
        backup.signal(libc::SIGHUP);
        backup.signal(libc::SIGCONT);
    });
}

/// A script that ends when a file is there.
fn waiting_hook(workspace: &Workspace) -> (PathBuf, PathBuf) {
    let gate = workspace.path("gate");
    let text = format!("#!/bin/sh\nwhile [ ! -e {} ]; do sleep 0.05; done\n", gate.display());
    let path = workspace.write("hook", &text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (path, gate)
}

/// SIGCHLD waits when the daemon goes on: its hook has ended meanwhile.
#[test]
fn law_06_a_starved_backup_whose_hook_has_ended_does_not_steal_the_address() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    for round in 0..TIMES {
        let workspace = Workspace::new();
        let (hook, gate) = waiting_hook(&workspace);
        let more = format!("\toption notify '{}'\n", hook.display());
        let mut pair = Pair::start("0.1", &["10.0.0.100/24"], &more);
        let from = now();
        pair.backup.process().signal(libc::SIGSTOP);
        fs::write(&gate, "").unwrap();
        thread::sleep(down(INTERVAL) * 3 + INTERVAL * round / TIMES);
        pair.backup.process().signal(libc::SIGCONT);
        thread::sleep(SETTLED);
        pair.never_stole(from, "SIGCHLD and SIGCONT");
    }
}
