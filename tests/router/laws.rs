//! The laws of the design, each by its name. Laws 2, 6 and 7 are the loop's and stand in the simulator;
//! law 13 stands beside `time.rs`.

use std::time::Duration;

use vipd::limits;
use vipd::router::{Effect, Effects, Event, Failure, Parcel, Router};
use vipd::time::{Instant, Interval};
use vipd::vrrp::{Phase, State};
use vipd::wire::rtnl::Message;
use vipd::wire::vrrp::Version;

use crate::bench::{Bench, ETH0, Spec, config, sent};

/// The lines of every source file below `folder`, with their place.
fn source_lines(folder: &str, lines: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap().to_string();
        if path.is_dir() {
            source_lines(&name, lines);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let shipped = text.split("#[cfg(test)]").next().unwrap();
            lines.extend(
                shipped
                    .lines()
                    .enumerate()
                    .map(|(number, line)| (format!("{name}:{}", number + 1), line.to_string())),
            );
        }
    }
}

fn shipped_lines() -> Vec<(String, String)> {
    let mut lines = vec![];
    source_lines(concat!(env!("CARGO_MANIFEST_DIR"), "/src"), &mut lines);
    assert!(lines.len() > 1000, "the sources were found");
    lines
}

#[test]
fn law_01_time_enters_by_argument() {
    for (place, line) in shipped_lines() {
        let reads = ["Instant::now", "SystemTime", "clock_gettime", "gettimeofday", "libc::time("];
        // Whether a call is granted is not a reading.
        if reads.iter().any(|word| line.contains(word)) && !place.contains("/src/linux/privilege.rs:") {
            assert!(place.contains("/src/linux/clock.rs:"), "{place} reads a clock: {line}");
        }
    }
}

/// A timer event before `poll_at` changes nothing, whatever the router is doing.
#[test]
fn law_03_spurious_is_harmless() {
    let mut bench = Bench::new(&[Spec::default(), Spec { name: "b", vrid: 8, ..Spec::default() }]);
    for _ in 0..200 {
        let at = bench.router.poll_at().unwrap();
        bench.now = Instant::from_origin(at.since_origin() - Duration::from_nanos(1));
        let before = format!("{:?}", bench.router);
        bench.handle(Event::Timer);
        assert!(bench.effects.is_empty());
        assert_eq!(before, format!("{:?}", bench.router));
        bench.now = at;
        bench.handle(Event::Timer);
    }
}

/// Start, stop, link down and a timer for everything at once, on a full table: the bound holds, and per
/// virtual router there is a handful.
#[test]
fn law_05_one_event_has_a_bounded_number_of_effects() {
    let specs: Vec<Spec> = (0..limits::VIRTUAL_ROUTERS_MAX)
        .map(|index| Spec {
            name: "x",
            vrid: (index + 1) as u8,
            notify: "/bin/true",
            group: (index % 4 == 0).then_some(0),
            no_accept: true,
            ..Spec::default()
        })
        .collect();
    let most = limits::VIRTUAL_ROUTERS_MAX * limits::EFFECTS_PER_VIRTUAL_ROUTER_MAX + 8;
    let mut worst = 0;
    let mut note = |bench: &Bench| worst = worst.max(bench.effects.len());
    let mut bench = Bench::new(&specs);
    note(&bench);
    for step in 0..400 {
        let at = bench.router.poll_at().unwrap();
        bench.now = at;
        bench.handle(Event::Timer);
        note(&bench);
        if step == 300 {
            // Everything we have is taken away at once, and asked for again.
            bench.handle(Event::Overrun);
            bench.answer_dumps(&[(ETH0, "eth0", true, &["10.0.0.5"])]);
            note(&bench);
        }
    }
    bench.link(ETH0, "eth0", false);
    note(&bench);
    bench.link(ETH0, "eth0", true);
    note(&bench);
    bench.run_for(Duration::from_secs(10));
    let mut nothing = config(&[]);
    bench.handle(Event::Prepare(&nothing));
    note(&bench);
    bench.handle(Event::Adopt(&mut nothing));
    let mut bench = Bench::master(&specs);
    bench.handle(Event::Stop);
    note(&bench);
    assert!(worst >= limits::VIRTUAL_ROUTERS_MAX * 3, "the test reaches the crowd: {worst}");
    assert!(worst <= most, "{worst} > {most}");
}

/// No timer of a state outlives the state: after a step back there is no advert, at any time.
#[test]
fn law_08_deadlines_live_in_the_state() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.hear(7, 200, "10.0.0.9");
    let State::Backup { down_at, .. } = bench.state(0) else { panic!("{:?}", bench.state(0)) };
    assert_eq!(bench.router.poll_at(), Some(down_at));
    let just_before = down_at.since(bench.now) - Duration::from_nanos(1);
    assert!(bench.run_for(just_before).is_empty());
}

/// One assignment in the whole machine, and one log sentence beside it.
#[test]
fn law_09_one_function_changes_state() {
    let assignments: Vec<_> = shipped_lines()
        .into_iter()
        .filter(|(place, line)| place.contains("/vrrp/") && line.contains("self.state = "))
        .collect();
    assert_eq!(assignments.len(), 1, "{assignments:?}");
}

/// Master, and backup: ten thousand answers are asked for in a second.
#[test]
fn law_11_answers_are_rate_limited() {
    let mut bench = Bench::master(&[Spec::default()]);
    let (mut answers, mut announcements) = (0, 0);
    for _ in 0..10_000 {
        bench.now = bench.now + Duration::from_micros(100);
        if bench.router.poll_at().unwrap() <= bench.now {
            bench.handle(Event::Timer);
            announcements += bench.effects.iter().filter(|e| matches!(e, Effect::Announce { .. })).count();
        }
        bench.hear(7, 50, "10.0.0.4");
        answers += sent(&bench.effects).len();
        announcements += bench.effects.iter().filter(|e| matches!(e, Effect::Announce { .. })).count();
    }
    assert!((90..=101).contains(&answers), "{answers} answers in a second");
    assert!(announcements <= 2, "{announcements} bursts in a second");
    assert_eq!(bench.phase(0), Phase::Master);
}

/// A loop that wakes late, by up to half an interval, sends exactly one advert per interval all the same.
#[test]
fn law_12_deadlines_are_absolute() {
    let centi = Interval::from_centis(1).unwrap();
    let mut bench = Bench::master(&[Spec { interval: centi, ..Spec::default() }]);
    let first_due = bench.router.poll_at().unwrap();
    let mut adverts = 0;
    let mut lateness = 0;
    while bench.router.poll_at().unwrap() < first_due + Duration::from_secs(10) {
        lateness = (lateness + 1_234_567) % 5_000_000;
        bench.now = bench.router.poll_at().unwrap() + Duration::from_nanos(lateness);
        bench.handle(Event::Timer);
        adverts += bench.priorities_sent().len();
    }
    assert_eq!(adverts, 1000, "no drift");
}

/// A stall of a hundred intervals is followed by one advert, not by a hundred.
#[test]
fn law_12_missed_deadlines_are_not_made_up() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.now = bench.router.poll_at().unwrap() + Duration::from_secs(100);
    bench.handle(Event::Timer);
    assert_eq!(bench.priorities_sent(), [100]);
    assert_eq!(bench.router.poll_at().unwrap().since(bench.now), Duration::from_secs(1));
}

/// A failed effect is an event like any other: counted, and for addresses looked at again in a second.
#[test]
fn law_07_a_failed_effect_comes_back_as_an_event_and_is_mended() {
    let mut bench = Bench::master(&[Spec::default()]);
    let failure = |what| Failure { interface: ETH0, what, errno: 105 };
    bench.handle(Event::Failed(failure(Parcel::Message(vipd::config::Family::V4))));
    assert_eq!(bench.counters(0).failed, 1);
    assert!(bench.effects.is_empty());
    bench.handle(Event::Failed(failure(Parcel::Netlink)));
    let after = bench.run_for(Duration::from_millis(1100));
    assert!(
        after
            .iter()
            .any(|(at, effect)| { matches!(effect, Effect::DumpLinks(_)) && *at == Duration::from_secs(1) })
    );
    // The kernel has none of our addresses: they are claimed again.
    bench.handle(Event::Kernel(Message::Done { sequence: 0, torn: false }));
    assert!(bench.effects.is_empty(), "an answer to somebody else's question");
}

/// Nothing that moves is kept outside the router: two routers with the same events are the same router.
#[test]
fn the_router_is_deterministic() {
    let run = || {
        let mut bench = Bench::new(&[Spec { version: Version::V2, ..Spec::default() }]);
        bench.run_for(Duration::from_secs(30));
        format!("{:?}", bench.router)
    };
    assert_eq!(run(), run());
}

/// A router holds all its state in itself, without a heap.
#[test]
fn the_router_is_one_block_of_memory() {
    fn is_plain<T: Send + Sync + Unpin + 'static>() -> usize {
        size_of::<T>()
    }
    assert!(is_plain::<Router>() < 200 * 1024);
    assert!(size_of::<Effects>() < 64 * 1024);
}
