//! Probes and files, and what they make of those who track them.

use std::time::Duration;

use vipd::config::{FileId, ProbeId};
#[cfg(feature = "ipvs")]
use vipd::config::{Method, Target};
use vipd::probe::{Standing, Start};
use vipd::router::{Effect, Event, Slot, TryTicket};
use vipd::vrrp::{Fault, Phase, State};

use crate::bench::{Bench, Spec, config, sent};

const SECOND: Duration = Duration::from_secs(1);

fn tracking(tracks: &[(&'static str, i16)]) -> Spec {
    Spec { tracks: tracks.to_vec(), ..Spec::default() }
}

/// Lets time pass until something is tried, and says how that ended.
fn try_once(bench: &mut Bench, is_success: bool) {
    for ticket in next_tries(bench) {
        bench.handle(Event::Tried(ticket, is_success));
    }
}

fn next_try(bench: &mut Bench) -> TryTicket {
    next_tries(bench)[0]
}

fn next_tries(bench: &mut Bench) -> Vec<TryTicket> {
    for _ in 0..100 {
        bench.now = bench.now.max(bench.router.poll_at().unwrap());
        bench.handle(Event::Timer);
        let tries = bench.effects.iter().filter_map(|effect| match effect {
            Effect::Try(_, ticket) => Some(*ticket),
            _ => None,
        });
        let tries: Vec<_> = tries.collect();
        if !tries.is_empty() {
            return tries;
        }
    }
    panic!("nothing is tried");
}

fn fault(bench: &Bench) -> Option<Fault> {
    match bench.state(0) {
        State::Initialize { fault } => Some(fault),
        State::Backup { .. } | State::Master { .. } => None,
    }
}

fn priority(bench: &Bench) -> u8 {
    bench.router.view(Slot(0)).unwrap().rules.priority
}

#[test]
fn who_tracks_a_probe_without_weight_waits_for_its_first_result_and_resigns_when_it_falls() {
    let mut bench = Bench::new(&[tracking(&[("probe isp", 0)])]);
    assert_eq!(fault(&bench), Some(Fault::Untried));
    try_once(&mut bench, true);
    assert_eq!(fault(&bench), None);
    bench.run_for(SECOND / 2);
    // It takes three failures in a row.
    for is_success in [false, false, true, false, false] {
        try_once(&mut bench, is_success);
        assert_eq!(fault(&bench), None);
    }
    assert_eq!(bench.phase(0), Phase::Master);
    try_once(&mut bench, false);
    assert_eq!(fault(&bench), Some(Fault::Probe));
    assert_eq!(sent(&bench.effects), [0, 0]);
    // And two successes in a row.
    for is_success in [true, false, true] {
        try_once(&mut bench, is_success);
        assert_eq!(fault(&bench), Some(Fault::Probe));
    }
    try_once(&mut bench, true);
    assert_eq!(fault(&bench), None);
}

#[test]
fn weights_move_the_priority_and_an_unknown_probe_does_not() {
    for (name, weight, up, down) in [
        ("probe isp", 20, 120, 100),
        ("probe isp", -20, 100, 80),
        ("probe isp reverse", 20, 80, 100),
        ("probe isp reverse", -20, 100, 120),
    ] {
        let mut bench = Bench::new(&[tracking(&[(name, weight)])]);
        assert_eq!((fault(&bench), priority(&bench)), (None, 100));
        try_once(&mut bench, true);
        assert_eq!(priority(&bench), up);
        for _ in 0..3 {
            try_once(&mut bench, false);
        }
        assert_eq!(priority(&bench), down);
    }
    let mut bench = Bench::new(&[tracking(&[("probe isp reverse", 0)])]);
    try_once(&mut bench, true);
    assert_eq!(fault(&bench), Some(Fault::Probe));
}

/// A try that does not end counts as failed at its timeout, and holds up only its own probe.
#[test]
fn a_try_that_hangs_counts_as_failed_and_is_not_started_beside_itself() {
    let mut bench = Bench::new(&[tracking(&[("probe isp", -20)])]);
    try_once(&mut bench, true);
    let hanging = next_try(&mut bench);
    let begun = bench.now;
    let effects = bench.run_for(SECOND * 10);
    assert!(!effects.iter().any(|(_, effect)| matches!(effect, Effect::Try(..))), "one at a time");
    assert_eq!(priority(&bench), 80, "the turns that it misses count");
    assert_eq!(bench.now.since(begun), SECOND * 10);
    // Its end comes late, and says nothing any more.
    bench.handle(Event::Tried(hanging, true));
    assert_eq!(priority(&bench), 80);
    assert_ne!(next_try(&mut bench), hanging);
}

/// Law 12: no drift, and no burst after a stall.
#[test]
fn tries_are_due_one_interval_after_the_last_was_due() {
    let mut bench = Bench::new(&[tracking(&[("probe isp", -20)])]);
    let begun = bench.now;
    for turn in 0..5 {
        let ticket = next_try(&mut bench);
        assert_eq!(bench.now.since(begun), SECOND * turn);
        bench.tick(700);
        bench.handle(Event::Tried(ticket, true));
    }
    bench.tick(60_000);
    let mut tries = 0;
    for _ in 0..10 {
        bench.handle(Event::Timer);
        tries += bench.effects.iter().filter(|effect| matches!(effect, Effect::Try(..))).count();
    }
    assert_eq!(tries, 1);
}

#[test]
fn a_reload_keeps_a_probe_by_its_name_and_forgets_one_that_is_gone() {
    let mut bench = Bench::new(&[tracking(&[("probe isp", -20), ("probe dns", -5)])]);
    try_once(&mut bench, false);
    assert_eq!(priority(&bench), 75);
    let running = next_try(&mut bench);
    let reload = |bench: &mut Bench, tracks: &[(&'static str, i16)]| {
        let specs = [tracking(tracks)];
        bench.handle(Event::Prepare(&config(&specs)));
        bench.handle(Event::Adopt(&mut config(&specs)));
    };
    reload(&mut bench, &[("probe dns", -5), ("eth1", 1), ("probe isp", -20)]);
    assert_eq!(priority(&bench), 75, "both are down as before, in another order");
    reload(&mut bench, &[("probe new", 10)]);
    assert_eq!(priority(&bench), 100);
    // What is told of one that is gone, or was never there, moves nothing.
    for ticket in [running, TryTicket(0), TryTicket(999)] {
        bench.handle(Event::Tried(ticket, true));
        assert_eq!(priority(&bench), 100);
    }
    try_once(&mut bench, true);
    assert_eq!(priority(&bench), 110);
    reload(&mut bench, &[]);
    let effects = bench.run_for(SECOND * 5);
    assert!(!effects.iter().any(|(_, effect)| matches!(effect, Effect::Try(..))));
}

/// A master does not resign because a reload has brought a probe that has not been tried yet.
#[test]
fn a_probe_that_a_reload_brings_holds_nobody_up_who_takes_part() {
    let mut bench = Bench::master(&[Spec::default()]);
    let specs = [tracking(&[("probe isp", 0)])];
    bench.handle(Event::Prepare(&config(&specs)));
    bench.handle(Event::Adopt(&mut config(&specs)));
    bench.answer_dumps(&[(crate::bench::ETH0, "eth0", true, &[crate::bench::OUR_V4])]);
    assert_eq!(bench.phase(0), Phase::Master);
    try_once(&mut bench, false);
    assert_eq!(fault(&bench), Some(Fault::Probe));
}

/// What a sync group tracks, each of its instances tracks.
#[test]
fn a_groups_probe_is_a_fault_of_all_its_instances() {
    let member =
        |name, vrid, tracks: &[(&'static str, i16)]| Spec { name, vrid, group: Some(0), ..tracking(tracks) };
    let specs = [member("a", 1, &[("probe isp", 0)]), member("b", 2, &[])];
    let mut new = config(&specs);
    new.groups[0].tracks = core::mem::take(&mut new.instances[0].tracks);
    let mut bench = Bench::new(&specs);
    bench.handle(Event::Adopt(&mut new));
    bench.answer_dumps(&[(crate::bench::ETH0, "eth0", true, &[crate::bench::OUR_V4])]);
    try_once(&mut bench, false);
    for slot in 0..2 {
        assert_eq!(bench.state(slot), State::Initialize { fault: Fault::Probe });
    }
}

/// A daemon that ends tries nothing any more.
#[test]
fn nothing_is_tried_after_the_stop() {
    let mut bench = Bench::new(&[tracking(&[("probe isp", 0)])]);
    bench.handle(Event::Stop);
    let effects = bench.run_for(SECOND * 5);
    assert!(!effects.iter().any(|(_, effect)| matches!(effect, Effect::Try(..))));
    assert!(bench.router.is_finished());
}

/// As with keepalived: the number times the weight, below -253 a fault; of weight 0, any number but 0 is one.
#[test]
fn a_files_number_is_multiplied_by_its_weight() {
    for (name, weight, number, expected) in [
        ("file load", 1, 0, Ok(100)),
        ("file load", 1, 30, Ok(130)),
        ("file load", 1, -30, Ok(70)),
        ("file load", -10, 3, Ok(70)),
        ("file load reverse", -10, 3, Ok(130)),
        ("file load", 1, 5000, Ok(254)),
        ("file load", 254, i32::MAX, Ok(254)),
        ("file load", 1, -253, Ok(1)),
        ("file load", 1, -254, Err(Fault::File)),
        ("file load", 254, i32::MIN, Err(Fault::File)),
        ("file load", 0, 0, Ok(100)),
        ("file load", 0, 1, Err(Fault::File)),
        ("file load", 0, -1, Err(Fault::File)),
        ("file load reverse", 0, 1, Ok(100)),
        ("file load reverse", 0, 0, Err(Fault::File)),
    ] {
        let mut bench = Bench::new(&[tracking(&[(name, weight)])]);
        bench.handle(Event::File(FileId(0), number));
        let standing = fault(&bench).map_or(Ok(priority(&bench)), Err);
        assert_eq!(standing, expected, "{name} {weight} {number}");
        // Another file is nobody's.
        bench.handle(Event::File(FileId(200), -1000));
        assert_eq!(fault(&bench).map_or(Ok(priority(&bench)), Err), expected);
    }
}

#[test]
fn a_reload_keeps_a_files_number_by_its_name() {
    let mut bench = Bench::new(&[tracking(&[("file load", 1), ("file other", 1)])]);
    bench.handle(Event::File(FileId(0), -5));
    bench.handle(Event::File(FileId(1), -20));
    let specs = [tracking(&[("file new", 1), ("file other", 1)])];
    bench.handle(Event::Prepare(&config(&specs)));
    bench.handle(Event::Adopt(&mut config(&specs)));
    assert_eq!(priority(&bench), 80);
}

/// The shell says at the timeout that nobody has refused; the router gives it a second more to do so.
#[cfg(feature = "ipvs")]
#[test]
fn a_try_whose_silence_is_a_success_is_not_given_up_at_its_timeout() {
    for (requires_reply, expected) in [(false, Standing::Up), (true, Standing::Down)] {
        let mut new = config(&[tracking(&[("probe isp", 0)])]);
        new.probes[0].fall = 1;
        new.targets.push(Target { method: Method::Udp, requires_reply, ..Target::SCRIPT }).unwrap();
        let mut bench = Bench::new(&[Spec::default()]);
        bench.handle(Event::Prepare(&new.clone()));
        bench.handle(Event::Adopt(&mut new));
        let ticket = next_try(&mut bench);
        bench.run_for(SECOND * 5 / 2);
        bench.handle(Event::Tried(ticket, true));
        assert_eq!(bench.router.probe_standing(ProbeId(0)), expected);
    }
}

/// Many first tries at one moment are a burst for everybody: those that may be spread have a place each.
#[test]
fn first_tries_are_spread_over_the_seconds_that_they_have_for_it() {
    let specs = [tracking(&[("probe a", -5), ("probe b", -5), ("probe c", -5), ("probe d", -5)])];
    let mut new = config(&specs);
    for probe in new.probes.iter_mut().skip(1) {
        probe.spread_secs = 3;
    }
    let mut bench = Bench::new(&[Spec::default()]);
    bench.handle(Event::Prepare(&new.clone()));
    bench.handle(Event::Adopt(&mut new));
    let mut firsts = [None; 4];
    for (at, effect) in bench.run_for(SECOND * 3) {
        if let Effect::Try(ProbeId(place), _) = effect {
            firsts[usize::from(place)].get_or_insert(at.as_secs());
        }
    }
    assert_eq!(firsts, [Some(0), Some(0), Some(1), Some(2)]);
}

/// keepalived's checkers: up at once, and down when the retries, which come sooner, have failed too.
#[test]
fn a_probe_with_retries_that_starts_up_leaves_after_the_last_of_them() {
    let specs = [tracking(&[("probe isp", 0)])];
    let mut new = config(&specs);
    new.probes[0].start = Start::Up;
    new.probes[0].interval_secs = 10;
    new.probes[0].retry_secs = 1;
    let mut bench = Bench::new(&[Spec::default()]);
    bench.handle(Event::Prepare(&new.clone()));
    bench.handle(Event::Adopt(&mut new));
    assert_eq!(bench.router.probe_standing(ProbeId(0)), Standing::Up);
    let begun = bench.now;
    for turn in 0..3 {
        assert_eq!(bench.router.probe_standing(ProbeId(0)), Standing::Up);
        try_once(&mut bench, false);
        assert_eq!(bench.now.since(begun), SECOND * turn);
    }
    assert_eq!(bench.router.probe_standing(ProbeId(0)), Standing::Down);
    assert_eq!(fault(&bench), Some(Fault::Probe));
}

/// For want of descriptors or memory: nothing is known of the server, which is asked a second later.
#[test]
fn a_try_that_could_not_be_made_counts_for_nothing() {
    let mut bench = Bench::new(&[tracking(&[("probe isp", 0)])]);
    try_once(&mut bench, true);
    for _ in 0..10 {
        let ticket = next_try(&mut bench);
        bench.handle(Event::Untried(ticket));
        assert_eq!(fault(&bench), None);
        let begun = bench.now;
        bench.handle(Event::Tried(ticket, false));
        assert_eq!(bench.router.probe_of(ticket), None);
        let again = next_try(&mut bench);
        assert_eq!(bench.now.since(begun), SECOND);
        bench.handle(Event::Tried(again, true));
    }
}

/// Tickets have 16 bits, and one that hangs may be older than all others together.
#[test]
fn no_two_tries_have_the_same_ticket() {
    let mut bench = Bench::new(&[tracking(&[("probe slow", -20), ("probe fast", -20)])]);
    let specs = [tracking(&[("probe slow", -20), ("probe fast", -20)])];
    let mut new = config(&specs);
    new.probes[0].timeout_secs = u16::MAX;
    bench.handle(Event::Prepare(&new.clone()));
    bench.handle(Event::Adopt(&mut new));
    let [slow, fast] = next_tries(&mut bench)[..] else { panic!() };
    bench.handle(Event::Tried(fast, true));
    // Many more than there are numbers, without waiting for each.
    for _ in 0..70_000u32 {
        bench.now = bench.now + SECOND;
        bench.handle(Event::Timer);
        for effect in bench.effects.clone() {
            if let Effect::Try(probe, ticket) = effect {
                assert_eq!(bench.router.probe_of(ticket), Some(probe));
                assert_ne!(ticket, TryTicket(0));
                if probe == ProbeId(1) {
                    assert_ne!(ticket, slow);
                    bench.handle(Event::Tried(ticket, true));
                }
            }
        }
    }
}

/// keepalived's `misc_dynamic`: 0 leaves the weight as it is, 1 is a failure, and anything else is the weight, and two more.
#[cfg(feature = "ipvs")]
#[test]
fn what_a_weighing_script_exits_with_is_kept_by_its_name() {
    let specs = [tracking(&[("probe web", 0), ("probe plain", -20)])];
    let mut new = config(&specs);
    new.probes[0].is_weighing = true;
    let mut bench = Bench::new(&[Spec::default()]);
    bench.handle(Event::Prepare(&new.clone()));
    bench.handle(Event::Adopt(&mut new.clone()));
    let exit = |bench: &mut Bench, code| {
        for ticket in next_tries(bench) {
            bench.handle(Event::Exited(ticket, code));
        }
    };
    let said = |bench: &Bench, place| bench.router.probe_said(ProbeId(place));
    assert_eq!(said(&bench, 0), None);
    exit(&mut bench, 42);
    assert_eq!((said(&bench, 0), fault(&bench)), (Some(42), None));
    assert_eq!((said(&bench, 1), priority(&bench)), (None, 80), "of any other, all but 0 is a failure");
    exit(&mut bench, 0);
    assert_eq!(said(&bench, 0), Some(42));
    for code in [1, 1, 1] {
        assert_eq!(fault(&bench), None);
        exit(&mut bench, code);
    }
    assert_eq!((said(&bench, 0), fault(&bench)), (Some(42), Some(Fault::Probe)));
    exit(&mut bench, 2);
    exit(&mut bench, 255);
    assert_eq!((said(&bench, 0), fault(&bench)), (Some(255), None));

    // Another place, and another manner.
    let specs = [tracking(&[("probe plain", -20), ("probe web", 0)])];
    let mut other = config(&specs);
    other.probes[1].is_weighing = true;
    bench.handle(Event::Prepare(&other.clone()));
    bench.handle(Event::Adopt(&mut other));
    assert_eq!((said(&bench, 0), said(&bench, 1)), (None, Some(255)));
    let mut without = config(&specs);
    bench.handle(Event::Prepare(&without.clone()));
    bench.handle(Event::Adopt(&mut without));
    assert_eq!(said(&bench, 1), None);
    assert_eq!(bench.router.probe_said(ProbeId(u16::MAX)), None);
}
