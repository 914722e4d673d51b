//! When packets leave, and when their absence counts.

use std::time::Duration;

use super::interop::in_time;
use super::peer::{EARLY, First, Kind, Scene, Timers, Wire, watch};
use crate::bench::{Bench, Load};
use crate::harness::{Bfd, Standing};
use crate::lone::SECOND;

/// What lies between packets while the session is up, without those that answer a poll.
fn gaps(packets: &[Bfd]) -> Vec<Duration> {
    let up: Vec<_> = packets
        .iter()
        .filter(|bfd| bfd.standing == Standing::Up && !bfd.is_final && !bfd.poll)
        .map(|bfd| bfd.at)
        .collect();
    up.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// RFC 5880 §6.8.7: every interval is shortened by 0 to 25 %, and no two need be the same.
#[test]
fn bf06_the_jitter_stays_within_a_quarter() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Keepalived.missing()]) else { return };
    let timers = Timers::new(40, 20);
    let scene = Scene::start(Kind::Keepalived, Wire::V4, [timers; 2], First::Peer);
    let from = crate::harness::now();
    let stall = watch(SECOND * 8);
    let interval = Duration::from_millis(40);
    let gaps = gaps(&scene.ours(from));
    assert!(gaps.len() > 100, "{} packets", gaps.len());
    let is_short = |gap: &&Duration| **gap + EARLY < interval * 3 / 4;
    // A late packet is followed by an early one.
    let early = gaps.iter().filter(is_short).count();
    assert!(
        stall > Duration::ZERO || early == 0,
        "{early} of {} intervals are too short: {gaps:?}",
        gaps.len()
    );
    let late = gaps.iter().filter(|gap| **gap > interval + EARLY * 2).count();
    assert!(late * 10 < gaps.len(), "{late} of {} intervals are too long: {gaps:?}", gaps.len());
    let share =
        |is_there: fn(&Duration) -> bool| gaps.iter().filter(|gap| is_there(gap)).count() * 100 / gaps.len();
    let low = share(|gap| *gap < Duration::from_micros(33_300));
    let high = share(|gap| *gap > Duration::from_micros(36_700));
    eprintln!("{} intervals, {low} % in the lower third, {high} % in the upper, {late} late", gaps.len());
    assert!(low > 10 && high > 10, "it is spread over the quarter");
}

/// RFC 5880 §6.8.7: with a multiplier of 1 an interval is shortened by a tenth at least.
#[test]
fn bf06_a_multiplier_of_one_leaves_a_tenth_to_spare() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Keepalived.missing()]) else { return };
    let (ours, theirs) = (Timers::new(400, 1), Timers::new(400, 5));
    let scene = Scene::start(Kind::Keepalived, Wire::V4, [ours, theirs], First::Peer);
    let from = crate::harness::now();
    let stall = watch(SECOND * 10);
    let gaps = gaps(&scene.ours(from));
    assert!(gaps.len() >= 20 || stall > Duration::ZERO, "{gaps:?}");
    let room = EARLY * 2 + stall;
    let (least, most) = (Duration::from_millis(300), Duration::from_millis(360));
    assert!(gaps.iter().all(|gap| *gap + room >= least && *gap <= most + room), "{gaps:?} (stall {stall:?})");
    scene.judge_ours(1);
}

/// RFC 5880 §6.8.4, §6.8.7: each end sends as the slower of the two wants, and the detection time is the sender's multiplier
/// times that. Ours: 300 ms apart in, 200 ms apart out.
#[test]
fn bf07_what_each_wants_and_allows_decides_in_both_directions() {
    let ours = Timers { tx_ms: 50, rx_ms: 300, multiplier: 3 };
    let theirs = Timers { tx_ms: 100, rx_ms: 200, multiplier: 5 };
    for kind in [Kind::Frr, Kind::Keepalived] {
        let Some(_bench) = Bench::take(Load::Light, &[kind.missing()]) else { return };
        let mut scene = Scene::start(kind, Wire::V4, [ours, theirs], First::Peer);
        // What the poll sequence announced counts from its end on.
        std::thread::sleep(SECOND);
        let from = crate::harness::now();
        let stall = watch(SECOND * 3);
        for (packets, interval) in
            [(scene.ours(from), ours.interval(theirs)), (scene.theirs(from), theirs.interval(ours))]
        {
            let gaps = gaps(&packets);
            let mean = gaps.iter().sum::<Duration>() / gaps.len() as u32;
            eprintln!("{kind:?}: {} packets, {mean:?} apart on average, of {interval:?}", packets.len());
            assert!(mean > interval * 3 / 4 - EARLY && mean <= interval + EARLY + stall, "{gaps:?}");
        }
        let killed = scene.peer.process().kill();
        let down = scene.wait_ours(Standing::Down, killed);
        let last = scene.theirs(Duration::ZERO).pop().unwrap();
        in_time(&last, &down, theirs.detection(ours), ours.interval(theirs));
    }
}
