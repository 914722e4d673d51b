//! What a user types: requests to a running daemon, and exit codes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Load};
use crate::harness::{Footprint, Host, Vipd, Workspace, eventually, now, program};
use crate::lone::{Lone, SECOND, SETTLED, config};

/// Runs the binary without a daemon, somewhere quiet.
fn vipd(words: &[&str]) -> (i32, String) {
    let host = Host::new("quiet");
    answer(host.command(&Vipd::binary().to_string_lossy()).args(words))
}

fn answer(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("the binary can be run");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn exit_codes_tell_done_wrong_usage_unreachable_and_refused() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let good = workspace.write("good", &config(100, &["10.0.0.100/24"]));
    let bad = workspace.write("bad", &config(100, &["10.0.0.300/24"]));
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let nowhere = workspace.path("nowhere");
    let nowhere = nowhere.to_str().unwrap();

    assert_eq!(vipd(&["--help"]).0, 0);
    let (code, text) = vipd(&["--version"]);
    assert_eq!(code, 0);
    assert!(text.contains(env!("CARGO_PKG_VERSION")), "{text}");
    assert_eq!(vipd(&["check", "-c", good]).0, 0);

    let (code, text) = vipd(&["check", "-c", bad]);
    assert_eq!(code, 1);
    assert!(text.contains(&format!("{bad}:7: ")), "FILE:LINE: text: {text}");
    let (code, again) = vipd(&["run", "-c", bad, "--socket", nowhere]);
    assert_eq!(code, 1, "a bad configuration never starts");
    assert!(again.contains(text.lines().next().unwrap()), "run says what check says: {again}");

    assert_eq!(vipd(&["frobnicate"]).0, 2);
    assert_eq!(vipd(&["run", "--no-such-option"]).0, 2);
    assert_eq!(vipd(&["status", "--socket", nowhere]).0, 3);
    assert_eq!(vipd(&["reload", "--socket", nowhere]).0, 3);
}

#[test]
fn a_daemon_without_privilege_says_so_with_exit_code_4() {
    let missing = [program("setpriv").is_none().then(|| "setpriv is not installed".to_owned())];
    let Some(_bench) = Bench::take(Load::Light, &missing) else { return };
    let workspace = Workspace::new();
    let good = workspace.write("good", &config(100, &["10.0.0.100/24"]));
    let host = Host::new("quiet");
    let mut command = host.command("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
    command.arg(Vipd::binary()).arg("run").arg("-c").arg(good);
    command.arg("--socket").arg(workspace.path("socket"));
    let (code, text) = answer(&mut command);
    assert_eq!(code, 4, "{text}");
    assert!(!text.trim().is_empty(), "it says what was refused");
}

#[test]
fn status_is_a_table_for_people() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    lone.wait_master("10.0.0.100");
    let (code, table) = answer(&mut lone.vipd.request(&["status"]));
    assert_eq!(code, 0, "{table}");
    let row = table.lines().find(|line| line.contains("lan")).expect("a row for the instance");
    for word in ["eth0", "7", "master", "200", "10.0.0.1"] {
        assert!(row.to_lowercase().contains(word), "{word} in {row:?}");
    }
    assert_eq!(answer(&mut lone.vipd.request(&["status", "lan"])).0, 0);
    let (code, text) = answer(&mut lone.vipd.request(&["status", "wan"]));
    assert_eq!(code, 1, "there is no such instance: {text}");
}

#[test]
fn status_is_json_for_programs() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24", "fe80::100/64"]));
    lone.wait_master("10.0.0.100");
    let status = lone.vipd.status();
    let instances = status["instances"].as_array().expect("a list of virtual routers");
    assert_eq!(instances.len(), 2, "one for each family: {status}");
    for (record, family, address) in
        [(&instances[0], "ipv4", "10.0.0.100"), (&instances[1], "ipv6", "fe80::100")]
    {
        for (key, value) in [
            ("name", "lan"),
            ("interface", "eth0"),
            ("family", family),
            ("state", "master"),
            ("address", address),
        ] {
            assert_eq!(record[key], value, "{key} in {record}");
        }
        for (key, value) in
            [("vrid", 7), ("version", 3), ("priority", 200), ("interval_cs", 10), ("addresses", 1)]
        {
            assert_eq!(record[key], value, "{key} in {record}");
        }
        assert_eq!(record["source"], record["master"], "it is master itself");
        assert!(!record["reason"].as_str().unwrap_or("").is_empty(), "it says why: {record}");
        assert_eq!(record["counters"]["became_master"], 1);
        let sent = record["counters"]["adverts_sent"].as_u64();
        assert!(sent > Some(0), "{record}");
    }
    assert_eq!(instances[0]["source"], "10.0.0.1");
}

/// The exposition format: comments, and NAME{LABELS} VALUE; every name has one TYPE, before its values.
#[test]
fn status_is_metrics_for_prometheus() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24", "fe80::100/64"]));
    lone.wait_master("10.0.0.100");
    let (code, text) = answer(&mut lone.vipd.request(&["status", "--prometheus"]));
    assert_eq!(code, 0, "{text}");
    let mut typed: Vec<&str> = Vec::new();
    let mut values = 0;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(!typed.contains(&name), "one TYPE for {name}");
            typed.push(name);
        } else if !line.starts_with('#') && !line.is_empty() {
            let (series, value) = line.rsplit_once(' ').expect("a series and its value");
            let name = series.split('{').next().unwrap();
            assert_eq!(typed.last(), Some(&name), "{line}: under its own TYPE");
            assert!(name.starts_with("vipd_"), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert_eq!(series.contains('{'), series.ends_with('}'), "{line}");
            values += 1;
        }
    }
    assert!(values > 5 && text.ends_with('\n'), "{text}");
    assert!(text.contains("lan") && text.contains("eth0"), "{text}");
}

#[test]
fn the_socket_is_the_owners_alone_and_a_dead_daemons_is_replaced() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    lone.wait_master("10.0.0.100");
    let socket = lone.vipd.workspace().path("socket");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    lone.vipd.process().kill();
    assert_eq!(lone.vipd.ask(&["status"]).status.code(), Some(3));
    lone.vipd.restart();
    lone.vipd.status();
    lone.vipd.process().terminate();
    lone.vipd.process().wait(SECOND * 2);
    assert!(!socket.exists(), "a daemon that ends takes its socket along");
}

/// Several daemons can run on one machine.
#[test]
fn two_daemons_on_one_machine_do_not_disturb_each_other() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    let other = config(200, &["10.0.0.101/24"]).replace("'7'", "'9'").replace("'lan'", "'other'");
    let mut second = Vipd::start(&lone.host, &other);
    let (since, _) = lone.wait_master("10.0.0.100");
    lone.wait_address("10.0.0.101", true);
    assert!(second.status().to_string().contains("other"));
    second.process().terminate();
    lone.wait_address("10.0.0.101", false);
    thread::sleep(SETTLED);
    lone.was_master_since(since);
    assert!(lone.host.has("eth0", "10.0.0.100"));
}

#[test]
fn a_second_daemon_on_the_same_socket_is_refused() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &["10.0.0.100/24"]));
    lone.wait_master("10.0.0.100");
    let mut command = lone.vipd.request(&["run"]);
    command.arg("-c").arg(lone.vipd.workspace().path("config"));
    let (code, text) = answer(&mut command);
    assert_eq!(code, 4, "{text}");
    eventually("the first one goes on", SECOND, || lone.vipd.try_status().map(|_| ()));
}

/// Four clients are served at a time: ten that say nothing must not keep the eleventh out.
#[test]
fn silent_clients_keep_nobody_out() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(100, &["10.0.0.100/24"]));
    lone.wait_address("10.0.0.100/24", true);
    let path = lone.vipd.workspace().path("socket");
    let silent: Vec<_> = (0..10).map(|_| silent_client(&path)).collect();
    let status = lone.vipd.status();
    assert_eq!(status["instances"][0]["state"], "master");
    drop(silent);
}

/// Waits until it is let in, and says nothing.
fn silent_client(path: &Path) -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
    socket.connect(&socket2::SockAddr::unix(path).unwrap()).unwrap();
    socket
}

/// How long `vipd status` waits for each packet.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn a_thousand_silent_clients_delay_no_advert_and_no_answer_and_cost_no_memory() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    allow_descriptors(1500);
    let lone = Lone::start(&config(100, &["10.0.0.100/24"]));
    lone.wait_master("10.0.0.100");
    let path = lone.vipd.workspace().path("socket");
    let quiet = || {
        thread::sleep(SECOND);
        Footprint::of(lone.vipd.id())
    };
    // Every page that it takes to serve is there after the first few.
    lone.vipd.status();
    drop((0..20).map(|_| silent_client(&path)).collect::<Vec<_>>());
    let before = quiet();
    let from = now();
    let begun = Instant::now();
    let silent: Vec<_> = (0..1000).map(|_| silent_client(&path)).collect();
    let let_in = begun.elapsed();
    let status_takes = || {
        let begun = Instant::now();
        let output = lone.vipd.ask(&["status"]);
        (output.status.code(), begun.elapsed())
    };
    let (code, span) = status_takes();
    assert_eq!(code, Some(0), "one that asks is served beside a thousand that do not");
    assert!(span < PATIENCE, "{span:?}");
    eprintln!("1000 silent clients are let in within {let_in:?}; the next one has its answer after {span:?}");
    thread::sleep(SECOND);
    lone.was_master_since(from);
    drop(silent);
    let after = quiet();
    assert_eq!(after, before, "memory and descriptors");
    eprintln!("{after:?}");
    lone.was_master_since(from);
}

/// Worse: whoever is put out comes again at once, from several sides, for seconds.
#[test]
fn clients_that_come_again_and_again_delay_no_advert() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let lone = Lone::start(&config(100, &["10.0.0.100/24"]));
    lone.wait_master("10.0.0.100");
    let path = lone.vipd.workspace().path("socket");
    let from = now();
    let (ends, count) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    let client = silent_client(&path);
                    count.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(1));
                    drop(client);
                }
            });
        }
        thread::sleep(SECOND * 2);
        let served = (0..10).filter(|_| lone.vipd.ask(&["status"]).status.success()).count();
        ends.store(true, Ordering::Relaxed);
        assert!(served > 0, "nobody was served");
        eprintln!(
            "{} silent clients in a row; {served} of 10 that asked were served",
            count.load(Ordering::Relaxed)
        );
    });
    lone.was_master_since(from);
    lone.vipd.status();
}

/// For this process, as far as it may.
fn allow_descriptors(count: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both pointers are to a live value.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_cur.max(count.min(limit.rlim_max));
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}
