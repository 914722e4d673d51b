//! Two routers, one address, and a client that does not let go: `cargo run --release --example failover`.
//!
//! Everything happens in network namespaces that vanish with this program. Both routers run the release
//! build of vipd with the configuration that the OpenWrt package ships; a client pings the virtual
//! address through a switch. Then the master is killed, and the switch's own timestamps tell what came when.
//!
//! A daemon that is killed leaves its kernel alive, which keeps the address and goes on answering until the
//! other router's announcement moves the client. With `-- --power-cut` the cable goes dark too, as when the
//! whole router dies: then nobody answers until the takeover.
#![allow(
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_core,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)] // It demonstrates on a workstation, where memory and panics are cheap.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

#[allow(dead_code, unused_imports)] // The tests use the rest of the laboratory.
#[path = "../tests/lab/harness/mod.rs"]
mod harness;

use harness::{Capture, Claim, Client, Frame, Host, Pings, Port, Segment, Vipd, Vrrp, now};

const CONFIG: &str = include_str!("../board/openwrt/files/vipd.config");
const VIRTUAL: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 1));
const VRID: u8 = 10;
const PING_PERIOD: Duration = Duration::from_millis(1);

fn main() -> ExitCode {
    harness::become_root();
    let ready = harness::rootless().and_then(|_| {
        harness::program("ip").ok_or("iproute2 is missing: apt-get install iproute2")?;
        release_binary()
    });
    match ready {
        Ok(binary) => {
            Vipd::set_binary(binary);
            demonstrate(std::env::args().any(|word| word == "--power-cut"));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("The demonstration cannot run here: {why}");
            eprintln!("It needs Linux, and either root or permission to make user namespaces.");
            ExitCode::FAILURE
        }
    }
}

/// The release build of vipd, which an example has to ask for itself.
fn release_binary() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // target/release/examples/failover
    let release = own.parent().and_then(|path| path.parent());
    let release = release.ok_or("this program does not lie in target/release/examples")?;
    let binary = release.join("vipd");
    if let (Some(cargo), Some(target)) = (std::env::var_os("CARGO"), release.parent()) {
        say(
            "Building vipd as a board gets it, small and whole-program optimised: a minute or two the first time.",
        );
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--release", "--bin", "vipd", "--manifest-path"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .arg("--target-dir")
            .arg(target)
            .stdin(Stdio::null())
            .status()
            .map_err(|error| error.to_string())?;
        if !status.success() {
            return Err("vipd does not build".to_owned());
        }
        return Ok(target.join("release").join("vipd"));
    }
    if binary.is_file() { Ok(binary) } else { Err("vipd is not built: cargo build --release".to_owned()) }
}

struct Router {
    name: &'static str,
    address: &'static str,
    port: Port,
    vipd: Vipd,
}

impl Router {
    fn start(lan: &Segment, name: &'static str, address: &'static str) -> Self {
        let host = Host::new(name);
        let port = lan.attach_with(&host, "br-lan", &[&format!("{address}/24")]);
        let config = CONFIG.replace("enabled '0'", "enabled '1'");
        let vipd = Vipd::start_with(&host, &config, &["--alias", "lan=br-lan"]);
        Self { name, address, port, vipd }
    }
}

fn demonstrate(power_cut: bool) {
    say("Two routers and a client on one switch, in namespaces of their own.");
    say("Both routers run vipd with board/openwrt/files/vipd.config.");
    say("");
    let lan = Segment::new();
    let capture = lan.capture();
    let mut first = Router::start(&lan, "A", "192.168.1.2");
    let from = Duration::ZERO;
    let patience = Duration::from_secs(6);
    capture.wait_advert(&first.port, VRID, from, patience);
    let mut second = Router::start(&lan, "B", "192.168.1.3");
    let user = Host::new("client");
    lan.attach_with(&user, "eth0", &["192.168.1.100/24"]);
    let client = Client::start(&user, VIRTUAL, PING_PERIOD);
    say(&format!("  router A  {}  master of {VIRTUAL} and fe80::1", first.address));
    say(&format!("  router B  {}  backup", second.address));
    say(&format!("  client    192.168.1.100  pings {VIRTUAL} every {PING_PERIOD:?}"));
    say("");
    // An interval and a half: B has heard A, and A's next advert is not under way.
    let second_back = now();
    let (heard, _) = capture.wait_advert(&first.port, VRID, second_back, patience);
    thread::sleep((heard + Duration::from_millis(1600)).saturating_sub(now()));
    assert!(client.answered() > 0, "the client reaches {VIRTUAL}");

    if power_cut {
        first.port.unplug();
    }
    let killed = first.vipd.process().kill();
    let (taken, advert) = capture.wait_advert(&second.port, VRID, killed, patience);
    thread::sleep(Duration::from_secs(1));
    let pings = client.stop();
    let death = if power_cut {
        "is without power: SIGKILL, and its cable goes dark"
    } else {
        "is killed with SIGKILL; its kernel keeps the addresses and goes on answering"
    };
    report(&capture, [&first, &second], (killed, death), (taken, &advert), &pings);
    second.vipd.process().terminate();
    second.vipd.process().wait(Duration::from_secs(2));
}

/// What happened, on a clock that starts when the master died.
fn report(
    capture: &Capture,
    [first, second]: [&Router; 2],
    (killed, death): (Duration, &str),
    (taken, advert): (Duration, &Vrrp),
    pings: &Pings,
) {
    let adverts = capture.adverts(&first.port, VRID, Duration::ZERO);
    let v4 = |entry: &&(Duration, Vrrp)| entry.1.source.is_ipv4();
    let last = adverts.iter().rfind(v4).expect("A was master").0;
    let wait = down_time(advert);
    let (a, b) = (first.name, second.name);
    let row = |at: Duration, text: &str| {
        let micros = at.as_micros() as i64 - killed.as_micros() as i64;
        let milliseconds = micros as f64 / 1000.0;
        say(&format!("  {milliseconds:>11.3} ms  {text}"));
    };
    say("    time         what");
    row(last, &format!("{a} sends its last advert"));
    row(killed, &format!("{a} {death}"));
    row(last + wait, &format!("the protocol lets {b} take over ({wait:?} after the advert)"));
    row(taken, &format!("{b} advertises: it is master now"));
    let mut announced: Vec<IpAddr> = Vec::new();
    for frame in capture.between(killed, now()) {
        let address = match frame.claim() {
            Some(Claim::Arp(address)) => IpAddr::V4(address),
            Some(Claim::Neighbour(address)) => IpAddr::V6(address),
            Some(Claim::Advert(_)) | None => continue,
        };
        if frame.port == second.port.index() && !announced.contains(&address) {
            announced.push(address);
            row(frame.at, &format!("{b} announces {address}"));
        }
    }
    let answers = |router: &Router| {
        let frames = capture.between(killed, now()).into_iter();
        let frames = frames.filter(|frame| frame.port == router.port.index() && is_answer(frame));
        frames.map(|frame| frame.at).collect::<Vec<_>>()
    };
    let (by_first, by_second) = (answers(first), answers(second));
    let moved = *by_second.first().expect("the client reaches the address again");
    row(moved, &format!("{b} answers the client"));
    if let Some(late) = by_first.last().filter(|at| **at > moved) {
        row(*late, &format!("{a} answers the client for the last time"));
    }
    let lost = pings.lost(killed - Duration::from_millis(5), now());
    say("");
    say(&format!(
        "  Of {} pings, {lost} were lost. After the kill, {} were answered by {a} and {} by {b}.",
        pings.list.len(),
        by_first.len(),
        by_second.len()
    ));
    let over = taken.saturating_sub(last + wait);
    say(&format!("  {b} needed {over:?} beyond the protocol's wait."));
}

/// An ICMP echo reply (RFC 792), as it comes out of a router.
fn is_answer(frame: &Frame) -> bool {
    let is_ipv4 = frame.bytes.get(12..14) == Some(&[0x08, 0x00]);
    is_ipv4 && frame.bytes.get(23) == Some(&1) && frame.bytes.get(34) == Some(&0)
}

/// Master_Down_Interval of the router that sends such adverts (RFC 3768 §6.1, RFC 9568 §6.1).
fn down_time(advert: &Vrrp) -> Duration {
    let unit = match advert.version {
        2 => Duration::from_secs(1),
        _ => advert.interval,
    };
    advert.interval * 3 + unit * (256 - u32::from(advert.priority)) / 256
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
