//! What the log says of those who should not be there: each kind counted, and said when its count reaches a power of two,
//! so that a flood makes a few lines.

use std::cell::RefCell;

use vipd::router::Slot;
use vipd::time::Interval;
use vipd::vrrp::Phase;
use vipd::wire::vrrp::{Discard, Outgoing};

use crate::bench::{Bench, ETH0, OUR_V4, Spec};

thread_local! {
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Keeps the lines of the threads that listen.
struct Listener;

impl ::log::Log for Listener {
    fn enabled(&self, _: &::log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &::log::Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|lines| lines.push(record.args().to_string())));
    }

    fn flush(&self) {}
}

/// What is said meanwhile.
fn said(what: impl FnOnce()) -> Vec<String> {
    static LISTENER: Listener = Listener;
    // Another test may have set it.
    let _ = ::log::set_logger(&LISTENER);
    ::log::set_max_level(::log::LevelFilter::Info);
    LINES.set(Some(vec![]));
    what();
    LINES.take().unwrap()
}

#[test]
fn rx18_another_interval_is_counted_and_logged() {
    let mut bench = Bench::new(&[Spec::default()]);
    let slow = |it| Outgoing { interval: Interval::from_centis(300).unwrap(), ..it };
    let lines = said(|| (0..9).for_each(|_| bench.hear_with(7, 200, "10.0.0.9", slow, ETH0)));
    let line = |total: u32| format!("lan/7: 10.0.0.9 advertises every 300 cs ({total} so far)");
    assert_eq!(lines, [1, 2, 4, 8].map(line));
    assert_eq!(bench.counters(0).other_interval, 9);
    assert!(said(|| bench.hear(7, 200, "10.0.0.9")).is_empty(), "ours is worth no word");
}

/// RX26, RFC 9568 §8.3.2: a lower priority, the same one, and a second owner.
#[test]
fn rx26_a_contender_is_counted_and_logged_with_its_priority() {
    for (ours, theirs) in [(100, 90), (100, 100), (255, 255), (255, 100)] {
        let mut bench = Bench::new(&[Spec { priority: ours, ..Spec::default() }]);
        bench.run_for(core::time::Duration::from_secs(20));
        let lines = said(|| (0..1000).for_each(|_| bench.hear(7, theirs, "10.0.0.4")));
        assert_eq!(lines.len(), 10, "{lines:?}");
        let first = format!("lan/7: 10.0.0.4 believes to be master, with priority {theirs} (1 so far)");
        assert_eq!(lines[0], first);
        assert_eq!(bench.counters(0).contended, 1000);
        assert_eq!(bench.phase(0), Phase::Master);
    }
}

/// Whoever wins by a forged priority, or by the same and a greater address, is named with it.
#[test]
fn rx26_who_takes_the_address_away_is_logged_with_its_priority() {
    for (ours, theirs) in [(100, 101), (100, 100), (255, 255)] {
        let mut bench = Bench::new(&[Spec { priority: ours, ..Spec::default() }]);
        bench.run_for(core::time::Duration::from_secs(20));
        let lines = said(|| bench.hear(7, theirs, "10.0.0.9"));
        let line = format!("lan/7 IPv4: master -> backup (10.0.0.9 has priority {theirs})");
        assert_eq!(lines, [line]);
        let heard = *bench.router.view(Slot(0)).unwrap().virtual_router().heard().unwrap();
        assert_eq!((heard.address.to_string(), heard.priority), ("10.0.0.9".into(), theirs));
    }
}

/// RX24: a loop, or somebody who has taken our own address.
#[test]
fn rx24_our_own_address_as_a_sender_is_counted_and_logged() {
    let mut bench = Bench::master(&[Spec::default()]);
    let lines = said(|| (0..5).for_each(|_| bench.hear(7, 200, OUR_V4)));
    let line =
        |total: u32| format!("eth0: VRID 7 from {OUR_V4} refused: {} ({total} so far)", Discard::Own.name());
    assert_eq!(lines, [1, 2, 4].map(line));
    assert_eq!(bench.counters(0).discarded(Discard::Own), 5);
    assert_eq!(bench.phase(0), Phase::Master);
}
