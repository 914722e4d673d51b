//! As many virtual routers as an interface can have: 255, with the build for large boards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Host, Noise, Segment, Vipd, eventually, now};
use crate::lone::SECOND;

const ROUTERS: u8 = 255;

#[test]
fn all_255_virtual_routers_stay_master_at_1_second() {
    hold(SECOND, SECOND * 5);
}

#[test]
fn all_255_virtual_routers_stay_master_at_100_milliseconds() {
    hold(SECOND / 10, SECOND * 4);
}

#[test]
fn all_255_virtual_routers_stay_master_at_10_milliseconds() {
    hold(SECOND / 100, SECOND * 3);
}

/// The build of `board/large.env`, made once.
pub(crate) fn large_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let profile = fs::read_to_string(root.join("board/large.env")).expect("board/large.env");
        let settings = profile.lines().filter_map(|line| line.split_once('='));
        let settings = settings.filter(|(name, _)| name.starts_with("VIPD_"));
        let target = root.join("target/large");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .current_dir(root)
            .args(["build", "--quiet", "--release", "--bin", "vipd", "--target-dir"])
            .arg(&target)
            .envs(settings.map(|(name, value)| (name, value.trim_matches('"'))))
            .output()
            .expect("cargo can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        target.join("release/vipd")
    })
}

pub(crate) fn config(routers: u8, priority: u8, interval: Duration) -> String {
    let seconds = interval.as_secs_f64();
    (1..=routers)
        .map(|vrid| {
            format!(
                "config vrrp_instance 'v{vrid}'\n\toption interface 'eth0'\n\toption version '3'\n\
                 \toption virtual_router_id '{vrid}'\n\toption priority '{priority}'\n\
                 \toption advert_int '{seconds}'\n\tlist virtual_ipaddress '10.1.{vrid}.1'\n"
            )
        })
        .collect()
}

/// No advert of the master is missed, and the backup, which listens to all of them, never speaks. At 10 ms the
/// whole of a backup's patience is 36 ms, which a busy machine can take away from any process: what it shows is
/// that the program is able to, so one clean span of five is enough, and five bad ones are the program's fault.
fn hold(interval: Duration, span: Duration) {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let binary = large_binary();
    for attempts_left in (0..5).rev() {
        let (began, pressure) = (now(), Noise::pressure());
        let Err(why) = attempt(binary, interval, span) else { return };
        let stall = Noise::observer().worst(began, now());
        let busy = (Noise::pressure() - pressure).as_millis() * 100 / (now() - began).as_millis();
        let why = format!("{why} (longest stall {stall:?}, processors wanted {busy}% of the time)");
        assert!(attempts_left > 0, "{why}");
        eprintln!("{why}: once more");
        thread::sleep(SECOND * 2);
    }
}

fn attempt(binary: &Path, interval: Duration, span: Duration) -> Result<(), String> {
    let lan = Segment::new();
    let capture = lan.capture();
    let (first, second) = (Host::new("first"), Host::new("second"));
    let first_port = lan.attach_with(&first, "eth0", &["10.0.0.1/16"]);
    let second_port = lan.attach_with(&second, "eth0", &["10.0.0.2/16"]);
    let run = |host: &Host, priority| {
        Vipd::start_binary(binary.to_owned(), host, &config(ROUTERS, priority, interval), &[])
    };
    let _master = run(&first, 254);
    eventually("all are master", interval * 4 + SECOND * 10, || {
        let addresses = first.addresses("eth0").len();
        (addresses > usize::from(ROUTERS)).then_some(())
    });
    let _backup = run(&second, 100);
    thread::sleep(SECOND);

    let from = now();
    thread::sleep(span);
    let frames = capture.between(from, from + span);
    if capture.dropped() > 0 {
        return Err(format!("the capture lost {} frames", capture.dropped()));
    }
    let mut last: BTreeMap<u8, (u32, Duration, Duration)> = BTreeMap::new();
    for frame in &frames {
        let Some(vrrp) = frame.vrrp() else { continue };
        if frame.port == second_port.index() {
            return Err(format!("the backup took VRID {} over", vrrp.vrid));
        }
        if frame.port == first_port.index() {
            let (count, before, gap) = last.entry(vrrp.vrid).or_insert((0, from, Duration::ZERO));
            *count += 1;
            *gap = (*gap).max(frame.at - *before);
            *before = frame.at;
        }
    }
    let expected = (span.as_millis() / interval.as_millis()) as u32;
    let least = last.values().map(|(count, _, _)| *count).min().unwrap_or(0);
    let worst = last.values().map(|(_, _, gap)| *gap).max().unwrap_or_default();
    eprintln!(
        "{interval:?}: {} virtual routers, {least} or more of {expected} adverts each, longest silence {worst:?}",
        last.len()
    );
    // An advert that is late by more than an interval is skipped, not made up (law 12).
    let stalls = Noise::observer().total(from, from + span);
    let excused = stalls.as_micros().div_ceil(interval.as_micros()) as u32;
    if last.len() < usize::from(ROUTERS) || least + 1 + excused < expected {
        return Err(format!("{} virtual routers, one with {least} of {expected} adverts", last.len()));
    }
    if worst >= interval * 2 + Noise::observer().worst(from, from + span) {
        return Err(format!("one was silent for {worst:?} at an interval of {interval:?}"));
    }
    Ok(())
}
