//! Bad weather on the segment, and a clock that jumps: with a kernel of its own, which has netem (`tests/uml/run`).

use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Capture, Host, Port, Segment, Vipd, eventually, now};
use crate::lone::{SECOND, VRID, config};

const VIP: &str = "10.0.0.100/24";
/// Slow enough that two adverts are farther apart than the weather throws them.
const INTERVAL: Duration = Duration::from_millis(300);

struct Pair {
    capture: Capture,
    _lan: Segment,
    hosts: [Host; 2],
    ports: [Port; 2],
    daemons: [Vipd; 2],
}

impl Pair {
    fn start() -> Self {
        let config = |priority| config(priority, &[VIP]).replace("'0.1'", "'0.3'");
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("first"), Host::new("second")];
        let ports = [
            lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]),
            lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]),
        ];
        let first = Vipd::start(&hosts[0], &config(200));
        capture.wait_advert(&ports[0], VRID, Duration::ZERO, SECOND * 10);
        let second = Vipd::start(&hosts[1], &config(100));
        let pair = Self { capture, _lan: lan, hosts, ports, daemons: [first, second] };
        eventually("the second hears the first", SECOND * 10, || {
            let status = pair.daemons[1].try_status()?;
            (status["instances"][0]["master_priority"] == 200).then_some(())
        });
        pair
    }

    /// What both routers send goes through this.
    fn weather(&self, netem: &str) {
        for host in &self.hosts {
            tc(host, &format!("qdisc replace dev eth0 root netem {netem}"));
        }
    }

    fn fair(&self) {
        for host in &self.hosts {
            tc(host, "qdisc del dev eth0 root");
        }
    }

    fn spoke(&self, index: usize, from: Duration) -> usize {
        self.capture.adverts(&self.ports[index], VRID, from).len()
    }
}

fn tc(host: &Host, words: &str) {
    let output = host.command("tc").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "tc {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Late, early, twice, out of order, and one in fifty not at all: a master that is heard stays master.
#[test]
#[ignore = "needs a kernel with netem: tests/run weather"]
fn delay_jitter_reordering_duplicates_and_some_loss_move_nothing() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let mut pair = Pair::start();
    pair.weather("delay 60ms 40ms loss 2% duplicate 10% reorder 25%");
    let from = now();
    thread::sleep(SECOND * 20);
    assert_eq!(pair.spoke(1, from), 0, "the backup has spoken");
    assert!(pair.spoke(0, from) > 50, "the master was there");
    // The instrument is sharp, and a takeover is as late as the weather and no later.
    let killed = pair.daemons[0].process().kill();
    let (at, _) = pair.capture.wait_advert(&pair.ports[1], VRID, killed, SECOND * 10);
    let down = INTERVAL * 3 + INTERVAL * 156 / 256;
    let room = SECOND / 2;
    assert!(at - killed < down + room, "it took over after {:?}", at - killed);
    assert!(at - killed > down - INTERVAL - room, "it took over after {:?}", at - killed);
}

/// When four of ten adverts are lost a backup will err; it must see it, and end as backup.
#[test]
#[ignore = "needs a kernel with netem: tests/run weather"]
fn heavy_loss_makes_no_second_master_that_stays() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let pair = Pair::start();
    pair.weather("loss 40%");
    thread::sleep(SECOND * 30);
    pair.fair();
    let from = now();
    thread::sleep(INTERVAL * 4);
    let settled = now();
    thread::sleep(INTERVAL * 10);
    assert_eq!(pair.spoke(1, settled), 0, "the backup still speaks {:?} after the storm", settled - from);
    assert!(pair.spoke(0, settled) > 5);
    assert!(pair.hosts[0].has("eth0", VIP) && !pair.hosts[1].has("eth0", VIP));
}

/// Nothing is timed by the time of day.
#[test]
#[ignore = "needs a clock that may be set: tests/run weather"]
fn a_clock_set_by_an_hour_in_both_directions_moves_nothing() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let pair = Pair::start();
    for seconds in [3600, -7200, 3600] {
        // The capture has the time of day: what it saw is counted, not dated.
        let before = pair.spoke(0, Duration::ZERO);
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let time = time.checked_add_signed(seconds).unwrap();
        let status = Command::new("date").arg("-s").arg(format!("@{time}")).output().unwrap().status;
        assert!(status.success(), "the clock can be set");
        thread::sleep(INTERVAL * 8);
        let adverts = pair.spoke(0, Duration::ZERO) - before;
        assert!((6..=20).contains(&adverts), "by {seconds} s: {adverts} adverts in 8 intervals");
        assert_eq!(pair.spoke(1, Duration::ZERO), 0, "by {seconds} s: the backup has spoken");
    }
}
