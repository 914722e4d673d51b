//! What a running daemon costs in memory, and that a week changes nothing about it: there is no heap.
//!
//! Measured is what goes onto a board, the static binary of `cross/build.sh`. `VIPD_STATIC` names the directory
//! of another build's `BOARD/vipd`.
//!
//! A week is counted as the adverts of a peer that speaks once a second, all of them received, in rounds. In every
//! round the peer wins, resigns, contends and speaks rubbish, the address is stolen, the link flaps, the
//! configuration is changed and refused, and somebody asks for the status.

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load, skip};
use crate::harness::{Flooder, Forged, Host, Port, Segment, Vipd, eventually, kb};
use crate::lone::SECOND;
use crate::many::config;

/// Adverts of a week, at one a second.
const WEEK: u64 = 7 * 24 * 3600;
const ROUNDS: u64 = 14;
const FRAMES_PER_SECOND: u32 = 20_000;
const INTERVAL: Duration = Duration::from_millis(100);
/// Longer than a backup waits.
const SILENCE: Duration = Duration::from_millis(600);

/// kB of what may come and go: a page that is first used late.
const GROWTH_KB: u32 = 4;

#[test]
#[ignore = "builds static binaries, and takes minutes: tests/run ram"]
fn one_virtual_router_takes_less_than_64_kib_and_no_more_after_a_week() {
    live_a_week("tiny", 1, &Limits { dirty_kb: 64, launcher_kb: 16, pss_kb: 230 });
}

#[test]
#[ignore = "builds static binaries, and takes minutes: tests/run ram"]
fn all_255_virtual_routers_take_less_than_200_kib_and_no_more_after_a_week() {
    live_a_week("large", 255, &Limits { dirty_kb: 200, launcher_kb: 16, pss_kb: 452 });
}

struct Limits {
    dirty_kb: u32,
    /// Of the process that starts scripts, without its stack.
    launcher_kb: u32,
    pss_kb: u32,
}

/// kB of the stack of the process that starts scripts: one page more or less of it is in use, as the kernel happens to
/// place what it puts there.
const LAUNCHER_STACK_KB: u32 = 20;

/// kB, as proc_pid_smaps(5) and proc_pid_status(5) have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Memory {
    /// Pages that were written, by the daemon or before it was split from the process that starts scripts: of the
    /// mappings that can be written. Those of a program that a file system has not written out count as dirty too.
    daemon: u32,
    /// Pages that the other process alone has, without its stack.
    launcher: u32,
    launcher_stack: u32,
    /// All that is there for both, the program's code included, and not that stack.
    pss: u32,
    /// The daemon's address space: what a heap would enlarge.
    data_space: u32,
    stack_space: u32,
}

impl Memory {
    fn of(daemon: u32) -> Self {
        let children = fs::read_to_string(format!("/proc/{daemon}/task/{daemon}/children")).expect("it runs");
        let launcher = children.split_whitespace().next().expect("a process that starts scripts");
        let status = fs::read_to_string(format!("/proc/{daemon}/status")).expect("it runs");
        let own = pages(&daemon.to_string());
        let other = pages(launcher);
        Self {
            daemon: own.all.private + own.all.shared,
            launcher: other.all.private - other.stack.private,
            launcher_stack: other.stack.private,
            pss: own.all.pss + other.all.pss - other.stack.pss,
            data_space: kb(&status, "VmData:"),
            stack_space: kb(&status, "VmStk:"),
        }
    }
}

/// kB: what was written and is nobody else's, what was written and is, and all that is there, divided by whose it is.
#[derive(Debug, Default)]
struct Pages {
    private: u32,
    shared: u32,
    pss: u32,
}

/// Those of a process, and of its stack alone.
#[derive(Debug, Default)]
struct Mappings {
    all: Pages,
    stack: Pages,
}

fn pages(process: &str) -> Mappings {
    let maps = fs::read_to_string(format!("/proc/{process}/smaps")).expect("it runs");
    let mut mappings = Mappings::default();
    let (mut is_writable, mut is_stack) = (false, false);
    for line in maps.lines() {
        let (first, rest) = line.split_once(char::is_whitespace).expect("a name and a value");
        if first.contains('-') {
            // `START-END RIGHTS ...` begins a mapping.
            is_writable = rest.starts_with("rw");
            is_stack = rest.ends_with("[stack]");
            continue;
        }
        let value = || kb(line, first);
        let mut count = |field: fn(&mut Pages) -> &mut u32| {
            *field(&mut mappings.all) += value();
            if is_stack {
                *field(&mut mappings.stack) += value();
            }
        };
        match first {
            "Private_Dirty:" if is_writable => count(|pages| &mut pages.private),
            "Shared_Dirty:" if is_writable => count(|pages| &mut pages.shared),
            "Pss:" => count(|pages| &mut pages.pss),
            _ => {}
        }
    }
    mappings
}

struct World {
    _lan: Segment,
    host: Host,
    port: Port,
    vipd: Vipd,
    stranger: Flooder,
    stranger_mac: [u8; 6],
    routers: u8,
    /// Adverts that the daemon has received.
    received: u64,
}

fn live_a_week(board: &str, routers: u8, limits: &Limits) {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let binary = match static_binary(board) {
        Ok(binary) => binary,
        Err(why) => return skip(&why),
    };
    let mut world = World::new(binary, routers);
    world.wait_all();
    let start = world.measure("at the start");
    world.round();
    let first = world.measure("after a first round of everything");
    while world.received < WEEK {
        world.round();
    }
    let last = world.measure("after a week");
    for memory in [start, first, last] {
        assert!(memory.daemon < limits.dirty_kb, "{memory:?}");
        assert!(memory.launcher < limits.launcher_kb, "{memory:?}");
        assert!(memory.launcher_stack <= LAUNCHER_STACK_KB, "{memory:?}");
        assert!(memory.pss < limits.pss_kb, "{memory:?}");
        assert_eq!(memory.data_space, start.data_space, "there is no heap");
        assert_eq!(memory.stack_space, start.stack_space);
    }
    assert!(
        last.daemon + last.launcher <= first.daemon + first.launcher + GROWTH_KB,
        "it grows: {first:?}, {last:?}"
    );
    let takeovers = world.vipd.log().matches("backup -> master").count() as u64;
    assert!(takeovers >= 2 * ROUNDS, "{takeovers} takeovers");
}

impl World {
    fn new(binary: PathBuf, routers: u8) -> Self {
        let lan = Segment::new();
        let (host, stranger) = (Host::new("router"), Host::new("stranger"));
        let port = lan.attach_with(&host, "eth0", &["10.0.0.1/8"]);
        let stranger_mac = lan.attach_with(&stranger, "eth0", &["10.0.0.66/8"]).mac();
        let stranger = Flooder::new(&stranger, "eth0");
        let vipd = Vipd::start_binary(binary, &host, &config(routers, 100, INTERVAL), &[]);
        Self { _lan: lan, host, port, vipd, stranger, stranger_mac, routers, received: 0 }
    }

    fn measure(&mut self, when: &str) -> Memory {
        let memory = Memory::of(self.vipd.process().id());
        let Memory { daemon, launcher, launcher_stack, pss, data_space, stack_space } = memory;
        eprintln!(
            "{} virtual router(s) {when}, {} adverts: private dirty {daemon} kB, and {launcher} kB and \
             {launcher_stack} kB of stack of the process that starts scripts; PSS {pss} kB; address space: data {data_space} kB, stack {stack_space} kB",
            self.routers, self.received
        );
        memory
    }

    /// Waits until every virtual router is master.
    fn wait_all(&self) {
        let ours = |address: &String| address.starts_with("10.1.");
        eventually("all are master", SECOND * 20, || {
            let count = self.host.addresses("eth0").into_iter().filter(ours).count();
            (count == usize::from(self.routers)).then_some(())
        });
    }

    /// A share of the week, and of everything that happens in it.
    fn round(&mut self) {
        // A peer that wins and falls silent; one that wins and resigns; one that contends; and what is none.
        self.speak(200, WEEK / ROUNDS / 2);
        thread::sleep(SILENCE);
        self.wait_all();
        self.speak(200, 5);
        self.speak(0, 1);
        self.wait_all();
        self.speak(50, WEEK / ROUNDS / 2);
        self.shout(&self.frames(|it| it.count = 255), 1000);
        self.shout(&self.frames(|it| it.trailer.extend([0; 1400])), 1000);
        // What the machine's own people do.
        self.host.try_ip("address del 10.1.1.1/32 dev eth0");
        self.port.unplug();
        thread::sleep(SECOND / 5);
        self.port.plug();
        self.wait_all();
        let half = config(self.routers / 2, 101, INTERVAL);
        for text in [half, "rubbish".into(), config(self.routers, 100, INTERVAL)] {
            self.vipd.rewrite(&text);
            self.vipd.process().signal(libc::SIGHUP);
            thread::sleep(SECOND / 5);
        }
        assert!(self.vipd.ask(&["reload"]).status.success());
        self.wait_all();
    }

    /// Sends good adverts to all virtual routers in turn until `count` more of them were received.
    fn speak(&mut self, priority: u8, count: u64) {
        let frames = self.frames(|it| it.priority = priority);
        let before = self.count_received();
        let mut received = 0;
        // Some are lost where the machine is busy.
        self.received += eventually("the adverts have arrived", SECOND * 60, || {
            self.shout(&frames, count.saturating_sub(received).max(frames.len() as u64));
            received = self.count_received() - before;
            (received >= count).then_some(received)
        });
    }

    /// An advert for every virtual router, spoilt as told.
    fn frames(&self, spoil: impl Fn(&mut Forged)) -> Vec<Vec<u8>> {
        let frame = |vrid| {
            let addresses = vec![IpAddr::from([10, 1, vrid, 1])];
            let mut forged = Forged { vrid, addresses, ..Forged::version_3(50) };
            spoil(&mut forged);
            forged.frame(self.stranger_mac)
        };
        (1..=self.routers).map(frame).collect()
    }

    fn shout(&self, frames: &[Vec<u8>], count: u64) {
        let micros = 1_000_000 / u64::from(FRAMES_PER_SECOND) * count;
        self.stranger.flood(frames, FRAMES_PER_SECOND, Duration::from_micros(micros));
    }

    fn count_received(&self) -> u64 {
        let status = self.vipd.status();
        let instances = status["instances"].as_array().expect("a list");
        instances.iter().filter_map(|instance| instance["counters"]["adverts_received"].as_u64()).sum()
    }
}

/// The binary for a board, made as for this machine, and on the disk: what is not there yet counts as written.
fn static_binary(board: &str) -> Result<PathBuf, String> {
    let path = match std::env::var_os("VIPD_STATIC") {
        Some(directory) => Path::new(&directory).join(board).join("vipd"),
        None => build(board)?,
    };
    File::open(&path)
        .and_then(|file| file.sync_all())
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn build(board: &str) -> Result<PathBuf, String> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let output = Command::new("cross/build.sh")
        .args([board, &target])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| format!("cross/build.sh: {error}"))?;
    let path = String::from_utf8_lossy(&output.stdout).lines().last().map(PathBuf::from);
    match path {
        Some(path) if output.status.success() => Ok(path),
        Some(_) | None => Err(format!("cross/build.sh {board}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}
