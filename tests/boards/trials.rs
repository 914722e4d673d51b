//! What is tried on every kind of board.

use std::time::Duration;

use serde_json::Value;

use crate::board::Board;
use crate::harness::{eventually, now};
use crate::scene::{ADDRESSES, PEER_ADDRESS, SECOND, Scene, VRID, say};

/// What the daemon and its process that starts scripts may have of their own, together, in kB.
const RAM_KB_MAX: u32 = 96;
/// What the board may miss afterwards, in kB: a kernel's sockets and neighbours are in it, and whatever else it does.
const FREE_KB_MAX: u32 = 1024;

pub(crate) fn waits_takes_over_and_yields(kind: &str) {
    let Some(mut scene) = Scene::set_up(kind, 150) else { return };
    let started = now();
    scene.board.start_vipd(100);
    let heard =
        |vr: &Value| vr["state"] == "backup" && vr["counters"]["adverts_received"].as_u64() >= Some(3);
    let [v4, v6] = scene.board.wait_status("it hears keepalived", heard);
    assert_eq!((&v4["master"], &v4["master_priority"]), (&PEER_ADDRESS.into(), &150.into()));
    assert_eq!(v6["master_priority"], 150);
    scene.board_is_silent(started);
    has(&mut scene.board, false);

    let killed = scene.keepalived.process().kill();
    let taken = scene.board_takes_over(killed);
    scene.in_time("the board", scene.peer_port(), 100, taken);
    scene.board.wait_status("it says that it is master", |vr| vr["state"] == "master");
    has(&mut scene.board, true);
    hook_ran(&mut scene.board, "NOTIFY_MASTER");

    let returned = now();
    scene.keepalived.restart();
    scene.board.wait_status("it yields", |vr| vr["state"] == "backup");
    let yielded = scene.peer_takes_over(returned).into_iter().max().unwrap_or(returned);
    has(&mut scene.board, false);
    // One advert more, which tells a winner that has not heard of this master to announce again.
    scene.board_is_silent(yielded + SECOND);
}

pub(crate) fn preempts_and_its_power_is_cut(kind: &str) {
    let Some(mut scene) = Scene::set_up(kind, 150) else { return };
    let started = now();
    scene.board.start_vipd(200);
    scene.board_takes_over(started);
    scene.wait_peer_addresses(false);
    has(&mut scene.board, true);

    let cut = scene.board.cut_power();
    let taken = scene.peer_takes_over(cut);
    scene.in_time("keepalived", scene.board.port(), 150, taken);
}

pub(crate) fn resigns(kind: &str) {
    let Some(mut scene) = Scene::set_up(kind, 150) else { return };
    let started = now();
    scene.board.start_vipd(200);
    scene.board_takes_over(started);
    scene.wait_peer_addresses(false);

    let asked = now();
    scene.board.signal_vipd("TERM");
    let taken = scene.peer_takes_over(asked);
    assert_eq!(scene.board.wait_vipd(), 0, "the end was asked for");
    let adverts = scene.capture.adverts(scene.board.port(), VRID, asked);
    let resignations = adverts.iter().filter(|(_, vrrp)| vrrp.priority == 0);
    for (version, taken) in [2, 3].into_iter().zip(taken) {
        let mut resignations = resignations.clone().filter(|(_, vrrp)| vrrp.version == version);
        let (first, _) = resignations.next().expect("priority 0 in both families");
        scene.after_resignation("keepalived", *first, 150, taken);
    }
    has(&mut scene.board, false);
    hook_ran(&mut scene.board, "NOTIFY_STOP");
}

pub(crate) fn check_status_and_reload(kind: &str) {
    let Some(mut scene) = Scene::set_up(kind, 150) else { return };
    let board = &mut scene.board;
    board.start_vipd(100);
    board.wait_status("it is backup", |vr| vr["state"] == "backup");
    board.run("vipd check --alias lan=br-lan");
    let table = board.run("vipd status lan");
    assert!(table.contains("br-lan") && table.contains("backup"), "{table}");

    board.set(&[("priority", "256")]);
    let problems = board.ask("vipd check --alias lan=br-lan");
    assert_eq!(problems.status, 1, "{}", problems.text);
    assert!(problems.text.starts_with("/etc/config/vipd:"), "{}", problems.text);
    assert_eq!(board.ask("vipd reload").status, 1, "a bad file never replaces a good one");
    board.wait_status("the old configuration goes on", |vr| vr["base_priority"] == 100);

    board.set(&[("priority", "200")]);
    let asked = now();
    board.signal_vipd("HUP");
    scene.board_takes_over(asked);
    let [v4, _] = scene.board.wait_status("it is master", |vr| vr["state"] == "master");
    assert_eq!(v4["base_priority"], 200);
    let starts = scene.board.log().lines().filter(|line| line.contains(" starts as ")).count();
    assert_eq!(starts, 1, "the same process goes on");
}

/// Its own memory is what is not the program's file, which lies in RAM here but in flash on a real board.
pub(crate) fn memory(kind: &str) {
    let Some(mut scene) = Scene::set_up(kind, 150) else { return };
    let board = &mut scene.board;
    let before = board.run("free");
    board.start_vipd(200);
    board.wait_status("it is master", |vr| vr["state"] == "master");
    let after = board.run("free");
    let rollup = board.run("cat /proc/$(cat /var/run/vipd.pid)/smaps_rollup");
    let launcher = board.run(
        "for p in $(pidof vipd); do [ $p = $(cat /var/run/vipd.pid) ] || cat /proc/$p/smaps_rollup; done",
    );
    let resident = board.run("grep -E '^(VmRSS|RssAnon)' /proc/$(cat /var/run/vipd.pid)/status");
    say(&format!("before vipd\n{before}with vipd as master\n{after}{resident}{rollup}"));
    let used = |free: &str| kilobytes(free, "Mem:", 1);
    let more = used(&after).saturating_sub(used(&before));
    let own = [rollup, launcher].map(|rollup| kilobytes(&rollup, "Anonymous:", 0));
    say(&format!("{more} kB of RAM more are used; {own:?} kB are the daemon's and the launcher's own"));
    assert!(own[0] > 0 && own[0] + own[1] < RAM_KB_MAX, "{own:?} kB, {RAM_KB_MAX} kB are granted");
    assert!(more < FREE_KB_MAX, "{more} kB");
}

/// A number of the line that begins with `name`.
fn kilobytes(text: &str, name: &str, position: usize) -> u32 {
    let mut lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(name));
    let words = lines.next().map(str::split_whitespace);
    words.and_then(|mut words| words.nth(position)?.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
}

/// The board has both addresses, or none of them.
fn has(board: &mut Board, present: bool) {
    for address in ADDRESSES {
        let what = format!("{address} on the board: {present}");
        eventually(&what, Duration::from_secs(30), || (board.has(address) == present).then_some(()));
    }
}

/// The shipped configuration hands every transition to hotplug-call, whose stand-in writes it to the log.
fn hook_ran(board: &mut Board, action: &str) {
    let line = format!("vipd {action} INSTANCE lan");
    eventually(&line, Duration::from_secs(30), || board.log().contains(&line).then_some(()));
}
