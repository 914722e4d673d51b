//! What goes wrong on a real router, and what must not come of it: a stale address, a second master, silence.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Capture, Host, Noise, Port, Segment, Vipd, Workspace, eventually, now};
use crate::lone::{Lone, SECOND, SETTLED, VRID, config};

const VIP: &str = "10.0.0.100/24";

/// Two routers; the first is preferred, unless `more` for it says otherwise.
struct Pair {
    capture: Capture,
    _lan: Segment,
    hosts: [Host; 2],
    ports: [Port; 2],
    daemons: [Vipd; 2],
}

impl Pair {
    fn start(more: &str) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("first"), Host::new("second")];
        let ports = [
            lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]),
            lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]),
        ];
        let first = Vipd::start(&hosts[0], &(config(200, &[VIP]) + more));
        capture.wait_advert(&ports[0], VRID, Duration::ZERO, SECOND * 5);
        let second = Vipd::start(&hosts[1], &config(100, &[VIP]));
        let pair = Self { capture, _lan: lan, hosts, ports, daemons: [first, second] };
        eventually("the second hears the first", SECOND * 5, || {
            let status = pair.daemons[1].try_status()?;
            (status["instances"][0]["master_priority"] == 200).then_some(())
        });
        pair
    }

    /// Waits until one holds the address, the other has none and has fallen silent, and that stays so.
    fn wait_only(&self, holder: usize, why: &str) {
        let other = 1 - holder;
        // A dead daemon's kernel has its address too: who is master is what both say for a while.
        eventually(&format!("{why}: one has the address and advertises"), SECOND * 10, || {
            let from = now();
            thread::sleep(SETTLED);
            let adverts = |index: usize| self.capture.adverts(&self.ports[index], VRID, from).len();
            let has = [0, 1].map(|index| self.hosts[index].has("eth0", VIP));
            (has[holder] && !has[other] && adverts(holder) > 0 && adverts(other) == 0).then_some(())
        });
    }
}

#[test]
fn a_daemon_killed_and_restarted_in_any_state_leaves_one_master_and_no_stale_address() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut pair = Pair::start("");
    for round in 0..3 {
        // The backup, then the master, at once.
        for index in [1, 0] {
            pair.daemons[index].process().kill();
            pair.daemons[index].restart();
            pair.wait_only(0, &format!("round {round}, router {index} restarted at once"));
        }
        // The master, when the other one has taken over: the kernel still has the dead one's address.
        pair.daemons[0].process().kill();
        pair.capture.wait_advert(&pair.ports[1], VRID, now(), SECOND * 5);
        assert!(pair.hosts[0].has("eth0", VIP), "a dead daemon's address stays");
        pair.daemons[0].restart();
        pair.wait_only(0, "restarted after the takeover");
        // In initialize: without its own address it has nothing to speak from.
        pair.hosts[0].ip("addr flush dev eth0");
        pair.wait_only(1, "the first has no address of its own");
        pair.daemons[0].process().kill();
        pair.daemons[0].restart();
        pair.wait_only(1, "restarted in initialize");
        pair.hosts[0].ip("addr add 10.0.0.1/24 dev eth0");
        pair.wait_only(0, "it has an address again");
    }
}

/// A master that did not run for longer than the others wait may not go on as if nothing had been.
#[test]
fn a_frozen_master_that_wakes_does_not_steal_the_address_back() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut pair = Pair::start("\toption nopreempt '1'\n");
    for _ in 0..5 {
        pair.daemons[0].process().signal(libc::SIGSTOP);
        let frozen = now();
        pair.capture.wait_advert(&pair.ports[1], VRID, frozen, SECOND * 5);
        thread::sleep(SETTLED);
        let woken = now();
        pair.daemons[0].process().signal(libc::SIGCONT);
        pair.wait_only(1, "the frozen one woke");
        let spoke = pair.capture.between(woken, now());
        let mut spoke = spoke.iter().filter(|frame| frame.port == pair.ports[0].index());
        assert!(spoke.all(|frame| frame.claim().is_none()), "it has spoken for the address after it woke");
        // Back, for the next round.
        pair.daemons[1].process().terminate();
        pair.daemons[1].process().wait(SECOND * 5);
        eventually("the first is master again", SECOND * 5, || pair.hosts[0].has("eth0", VIP).then_some(()));
        pair.daemons[1].restart();
        pair.wait_only(0, "the second came back as backup");
    }
}

/// The kernel drops what does not fit into the socket's queue, and says ENOBUFS once: everything is asked for again.
#[test]
fn lost_kernel_messages_are_made_up_for_by_a_dump() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let mut lone = Lone::start(&config(200, &[VIP]).replace("'0.1'", "'2'"));
    lone.capture.wait_advert(&lone.port, VRID, Duration::ZERO, SECOND * 20);
    lone.wait_address(VIP, true);
    lone.vipd.process().signal(libc::SIGSTOP);
    let workspace = Workspace::new();
    // Far more than the queue of any size that the daemon may ask for, then the loss that nobody tells of.
    let noise: String = (0..20_000)
        .map(|number| {
            let address = format!("10.77.{}.{}/32", number / 2 / 250, number / 2 % 250);
            format!("addr {} {address} dev eth0\n", if number % 2 == 0 { "add" } else { "del" })
        })
        .collect();
    let batch = workspace.write("batch", &(noise + "addr del 10.0.0.100/24 dev eth0\n"));
    lone.host.ip(&format!("-batch {}", batch.display()));
    assert!(!lone.host.has("eth0", VIP));
    lone.vipd.process().signal(libc::SIGCONT);
    lone.wait_address(VIP, true);
    let log = lone.vipd.log();
    assert!(
        log.contains("overrun") || log.contains("lost"),
        "the queue was full, and the log says so: {log}"
    );
}

/// A log that nobody reads must not hold up an advert, and what was lost is counted when it goes on.
#[test]
fn a_full_log_does_not_hold_up_an_advert() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let socket = workspace.path("log");
    let reader = UnixDatagram::bind(&socket).unwrap();
    // A /dev of its own, in which /dev/log is ours.
    let script = format!(
        "mount -t tmpfs none /dev && ln -s {} /dev/log && exec {} \"$@\"",
        socket.display(),
        Vipd::binary().display()
    );
    let wrapper =
        workspace.write("wrapper", &format!("#!/bin/sh\nexec unshare -m sh -c '{script}' vipd \"$@\"\n"));
    make_executable(&wrapper);
    let lan = Segment::new();
    let capture = lan.capture();
    let host = Host::new("router");
    let port = lan.attach_with(&host, "eth0", &["10.0.0.1/24"]);
    let vipd = Vipd::start_binary(wrapper, &host, &config(200, &[VIP]), &["-v", "--log", "syslog"]);
    capture.wait_advert(&port, VRID, Duration::ZERO, SECOND * 5);
    let lone = Lone { lan, capture, host, port, vipd };
    lone.wait_address(VIP, true);
    let from = now();
    // Each reload says something.
    let mut process = lone.vipd;
    for _ in 0..100 {
        process.process().signal(libc::SIGHUP);
        thread::sleep(Duration::from_millis(10));
    }
    let lone = Lone { vipd: process, ..lone };
    lone.was_master_since(from);
    // Somebody reads again.
    reader.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut lines = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(len) = reader.recv(&mut buffer) {
        lines.push(String::from_utf8_lossy(&buffer[..len]).into_owned());
    }
    assert!(lines.len() < 100, "the log was full: {} lines", lines.len());
    lone.vipd.request(&["reload"]).output().unwrap();
    while let Ok(len) = reader.recv(&mut buffer) {
        lines.push(String::from_utf8_lossy(&buffer[..len]).into_owned());
    }
    let told = lines.iter().any(|line| line.ends_with(" log lines were dropped"));
    assert!(told && lines.last().is_some_and(|line| line.contains("configuration taken")), "{lines:#?}");
    lone.was_master_since(from);
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Output that cannot be written is an error of its own, and a log that cannot be written is none.
#[test]
fn a_full_disk_is_said_by_the_commands_and_does_not_end_the_daemon() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &[VIP]));
    lone.wait_master(VIP);
    for words in [&["status"][..], &["status", "--json"], &["status", "--prometheus"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let status = lone.vipd.request(words).stdout(full).status().unwrap();
        assert_eq!(status.code(), Some(4), "{words:?} into a full disk");
    }
    let workspace = Workspace::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let host = Host::new("other");
    let port = lone.lan.attach_with(&host, "eth0", &["10.0.0.2/24"]);
    let mut command = host.command(&Vipd::binary().to_string_lossy());
    let path = workspace.write("config", &config(250, &[VIP]));
    command.arg("run").arg("-c").arg(path).arg("--socket").arg(workspace.path("socket")).stderr(full);
    let mut child = command.spawn().unwrap();
    lone.capture.wait_advert(&port, VRID, now(), SECOND * 5);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A file that was cut short by a full disk or a slow writer is refused, and the old configuration goes on.
#[test]
fn a_configuration_that_is_cut_short_is_refused() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let whole = config(200, &[VIP]);
    let mut lone = Lone::start(&whole);
    lone.wait_master(VIP);
    let from = now();
    // In place, as an editor and a shell's redirection write it; none of these has all that it needs.
    let needed = whole.find("'7'").unwrap() + 1;
    for len in (0..needed).step_by(7) {
        fs::write(lone.vipd.workspace().path("config"), &whole[..len]).unwrap();
        lone.vipd.process().signal(libc::SIGHUP);
        let output = lone.vipd.ask(&["reload"]);
        assert_eq!(output.status.code(), Some(1), "{len} bytes of the file were taken");
    }
    thread::sleep(SETTLED);
    lone.was_master_since(from);
    fs::write(lone.vipd.workspace().path("config"), &whole).unwrap();
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
}

/// Without a descriptor to spare, whoever asks waits, and the router goes on.
#[test]
fn a_low_limit_of_descriptors_stops_no_advert_and_no_processor() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let binary = Vipd::binary();
    for limit in [6, 9, 12, 15, 18, 24] {
        let script = format!("#!/bin/sh\nulimit -n {limit}\nexec {} \"$@\"\n", binary.display());
        let wrapper = workspace.write(&format!("few{limit}"), &script);
        make_executable(&wrapper);
        let lan = Segment::new();
        let capture = lan.capture();
        let host = Host::new("router");
        let port = lan.attach_with(&host, "eth0", &["10.0.0.1/24"]);
        let mut vipd = Vipd::start_binary(wrapper, &host, &config(200, &[VIP]), &[]);
        thread::sleep(SETTLED * 2);
        if !vipd.process().runs() {
            let log = vipd.log();
            assert!(log.contains("too many open files"), "with {limit} it says what is missing: {log}");
            assert!(limit < 24, "two dozen are enough: {log}");
            continue;
        }
        let lone = Lone { lan, capture, host, port, vipd };
        lone.wait_master(VIP);
        let from = now();
        let clients: Vec<_> = (0..20)
            .filter_map(|_| lone.vipd.request(&["status"]).stdout(std::process::Stdio::null()).spawn().ok())
            .collect();
        let before = lone.processor_time();
        thread::sleep(SECOND);
        let used = lone.processor_time() - before;
        lone.was_master_since(from);
        assert!(used < SECOND / 2, "it spins with {limit} descriptors: {used:?} of a second");
        for mut client in clients {
            let _ = client.wait();
        }
    }
}

impl Lone {
    /// What the daemon has used of the processor.
    fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.vipd.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

/// Fifty times in a second: less than a router needs to become master in between.
#[test]
fn fifty_flaps_in_a_second_end_in_one_master() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let pair = Pair::start("");
    let began = now();
    for _ in 0..50 {
        pair.ports[0].unplug();
        thread::sleep(Duration::from_millis(8));
        pair.ports[0].plug();
        thread::sleep(Duration::from_millis(8));
    }
    eprintln!("fifty flaps in {:?}", now() - began);
    pair.wait_only(0, "after the flaps");
}

/// What the daemon keeps, what its scripts have, and that nothing it does is among what it may not do.
#[test]
fn the_daemon_keeps_two_capabilities_and_its_scripts_keep_all() {
    let missing = [crate::harness::program("strace").is_none().then(|| "strace is not installed".to_owned())];
    let Some(_bench) = Bench::take(Load::Light, &missing) else { return };
    let workspace = Workspace::new();
    let trace = workspace.path("trace");
    let told = workspace.path("told");
    let hook = workspace.write("hook", &format!("#!/bin/sh\ncp /proc/self/status {}\n", told.display()));
    make_executable(&hook);
    let script =
        format!("#!/bin/sh\nexec strace -f -o {} {} \"$@\"\n", trace.display(), Vipd::binary().display());
    let wrapper = workspace.write("wrapper", &script);
    make_executable(&wrapper);
    let lan = Segment::new();
    let capture = lan.capture();
    let host = Host::new("router");
    let port = lan.attach_with(&host, "eth0", &["10.0.0.1/24"]);
    let config = config(200, &[VIP, "fe80::100/64"]) + &format!("\toption notify '{}'\n", hook.display());
    let vipd = Vipd::start_binary(wrapper, &host, &config, &[]);
    let mut lone = Lone { lan, capture, host, port, vipd };
    lone.wait_master(VIP);
    let scripts = eventually("the script has run", SECOND * 5, || {
        fs::read_to_string(&told).ok().filter(|status| status.contains("Seccomp:"))
    });
    let field = |status: &str, name: &str| -> String {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let own = fs::read_to_string("/proc/self/status").unwrap();
    assert_eq!(field(&scripts, "CapEff:"), field(&own, "CapEff:"), "a script may do what we may");
    assert_eq!(field(&scripts, "NoNewPrivs:"), field(&own, "NoNewPrivs:"));
    assert_eq!(field(&scripts, "Seccomp:"), field(&own, "Seccomp:"));

    // Everything that a daemon does in its life.
    lone.host.ip("addr del 10.0.0.100/24 dev eth0");
    lone.wait_address(VIP, true);
    lone.port.unplug();
    lone.wait_address(VIP, false);
    lone.port.plug();
    lone.wait_address(VIP, true);
    assert_eq!(lone.vipd.ask(&["reload"]).status.code(), Some(0));
    assert_eq!(lone.vipd.ask(&["status"]).status.code(), Some(0));
    // strace's one child.
    let id = lone.vipd.id();
    let daemon = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap().trim().to_owned();
    let status = fs::read_to_string(format!("/proc/{daemon}/status")).unwrap();
    assert_eq!(field(&status, "CapEff:"), "0000000000003000", "CAP_NET_ADMIN and CAP_NET_RAW");
    assert_eq!(field(&status, "CapPrm:"), "0000000000003000");
    assert_eq!(field(&status, "NoNewPrivs:"), "1");
    assert_eq!(field(&status, "Seccomp:"), "2");
    lone.vipd.process().terminate();
    // strace passes the signal on to nobody: it is the daemon's own that ends.
    // SAFETY: the process is the one that strace has started for this test.
    unsafe { libc::kill(daemon.parse().unwrap(), libc::SIGTERM) };
    lone.vipd.process().wait(SECOND * 10);
    let text = fs::read_to_string(&trace).unwrap();
    let refused: Vec<&str> = text.lines().filter(|line| line.contains("EPERM")).collect();
    assert!(refused.is_empty(), "the filter refuses what the daemon needs: {refused:#?}");
}

/// Every processor is wanted by others: the address stays where it is, and with `option realtime` so does every advert
/// of a fast instance.
#[test]
fn processors_that_are_all_busy_move_nothing() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    for (realtime, seconds) in [(false, "1"), (true, "0.01")] {
        let text = |priority| {
            let globals = if realtime { "config globals\n\toption realtime '1'\n" } else { "" };
            globals.to_owned() + &config(priority, &[VIP]).replace("'0.1'", &format!("'{seconds}'"))
        };
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("first"), Host::new("second")];
        let ports = [
            lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]),
            lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]),
        ];
        let first = Vipd::start(&hosts[0], &text(200));
        capture.wait_advert(&ports[0], VRID, Duration::ZERO, SECOND * 10);
        let _second = Vipd::start(&hosts[1], &text(100));
        thread::sleep(SECOND);
        assert_eq!(policy(first.id()), if realtime { "1" } else { "0" }, "SCHED_FIFO");
        assert_eq!(is_locked(first.id()), realtime);
        let hogs = Hogs::start();
        let from = now();
        thread::sleep(SECOND * 6);
        let until = now();
        let adverts = capture.adverts(&ports[0], VRID, from);
        let stolen = capture.adverts(&ports[1], VRID, from);
        drop(hogs);
        assert!(stolen.is_empty(), "realtime {realtime}: the backup took over: {stolen:?}");
        let expected = if realtime { 600 } else { 6 };
        assert!(adverts.len() + expected / 20 + 1 >= expected, "{} of {expected} adverts", adverts.len());
        let gap = adverts.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap();
        eprintln!("realtime {realtime}: the longest gap {gap:?}");
        // No backup would have missed three. What stops the machine itself stops the observers too, which the hogs do not
        // let run on time either.
        let interval = SECOND * 6 / expected as u32;
        assert!(gap < interval * 3 + Noise::observer().worst(from, until), "realtime {realtime}: {gap:?}");
    }
}

/// The number of a process's scheduling policy (proc(5), stat, field 41).
fn policy(process: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let (_, behind) = stat.rsplit_once(')').unwrap();
    behind.split_whitespace().nth(41 - 3).unwrap().to_owned()
}

fn is_locked(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status.lines().any(|line| line.starts_with("VmLck:") && !line.ends_with(" 0 kB"))
}

/// Two processes for each processor that do nothing but run.
struct Hogs(Vec<std::process::Child>);

impl Hogs {
    fn start() -> Self {
        let count = thread::available_parallelism().unwrap().get() * 2;
        let hog = || std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        Self((0..count).map(|_| hog()).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            let _ = hog.kill();
            let _ = hog.wait();
        }
    }
}
