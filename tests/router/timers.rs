//! Timers and the state machine as the router drives them (checklist TM and ST).

use std::time::Duration;

use vipd::router::{Effect, Event};
use vipd::time::Interval;
use vipd::vrrp::{Phase, State};
use vipd::wire::vrrp::Version;

use crate::bench::{Bench, ETH0, ETH1, Spec};

fn down_in(bench: &Bench) -> Duration {
    let State::Backup { down_at, .. } = bench.state(0) else { panic!("{:?}", bench.state(0)) };
    down_at.since(bench.now)
}

fn v2() -> Spec {
    Spec { version: Version::V2, ..Spec::default() }
}

fn hear_with_interval(bench: &mut Bench, priority: u8, from: &str, centis: u16) {
    let interval = Interval::from_centis(centis).unwrap();
    bench.hear_with(7, priority, from, |outgoing| vipd::wire::vrrp::Outgoing { interval, ..outgoing }, ETH0);
}

/// RFC 9568 §6.4.1.
#[test]
fn st01_the_owner_starts_as_master_and_sends_claims_and_announces() {
    let bench = Bench::new(&[Spec { priority: 255, ..Spec::default() }]);
    assert_eq!(bench.phase(0), Phase::Master);
    let slot = vipd::router::Slot(0);
    assert_eq!(
        bench.effects,
        [
            Effect::Join(slot),
            Effect::Advertise { slot, priority: 255 },
            Effect::Claim(slot),
            Effect::Announce { slot, repeat: 5 },
        ]
    );
}

/// RFC 9568 §6.4.1.
#[test]
fn st02_everybody_else_starts_as_backup_with_the_full_down_interval() {
    let bench = Bench::new(&[Spec::default()]);
    assert_eq!(down_in(&bench), Duration::from_nanos(3_609_375_000));
    assert!(bench.priorities_sent().is_empty());
}

/// RFC 9568 §6.4.2.
#[test]
fn st03_a_backup_that_stops_says_nothing() {
    let mut bench = Bench::new(&[Spec::default()]);
    bench.handle(Event::Stop);
    assert_eq!(bench.phase(0), Phase::Initialize);
    assert!(bench.effects.is_empty());
    assert_eq!(bench.router.poll_at(), None);
}

/// RFC 9568 §6.4.2: advertise, then claim, then announce.
#[test]
fn st04_tm02_tm04_silence_for_a_down_interval_makes_a_master() {
    for (spec, down_ns) in [(v2(), 3_609_375_000), (Spec::default(), 3_609_375_000)] {
        let mut bench = Bench::new(&[spec]);
        assert!(bench.run_for(Duration::from_nanos(down_ns - 1)).is_empty());
        bench.tick(0);
        let effects = bench.run_for(Duration::from_nanos(1));
        let slot = vipd::router::Slot(0);
        let effects: Vec<_> = effects.into_iter().map(|(_, effect)| effect).collect();
        assert_eq!(
            effects,
            [
                Effect::Advertise { slot, priority: 100 },
                Effect::Claim(slot),
                Effect::Announce { slot, repeat: 5 },
            ]
        );
    }
}

/// RFC 9568 §6.4.2; keepalived's 0.611 s against 0.609 s.
#[test]
fn st06_tm08_priority_zero_leaves_a_backup_only_the_skew_time() {
    let mut bench = Bench::new(&[Spec::default()]);
    bench.hear(7, 200, "10.0.0.9");
    bench.tick(300);
    bench.hear(7, 0, "10.0.0.9");
    assert_eq!(down_in(&bench), Duration::from_micros(609_375));
    assert_eq!(bench.phase(0), Phase::Backup);
}

/// Version 3: the skew is a fraction of the interval that was learned.
#[test]
fn tm03_tm08_the_skew_after_priority_zero_scales_with_the_masters_interval() {
    let mut bench = Bench::new(&[Spec::default()]);
    hear_with_interval(&mut bench, 200, "10.0.0.9", 10);
    bench.hear(7, 0, "10.0.0.9");
    assert_eq!(down_in(&bench), Duration::from_nanos(60_937_500));
}

/// A stream of resignations does not put the takeover off for ever.
#[test]
fn a_repeated_priority_zero_does_not_restart_the_skew_time() {
    let mut bench = Bench::new(&[Spec::default()]);
    bench.hear(7, 0, "10.0.0.9");
    for _ in 0..100 {
        bench.tick(6);
        bench.hear(7, 0, "10.0.0.9");
    }
    assert_eq!(down_in(&bench), Duration::from_micros(9_375));
}

/// RFC 9568 §6.1, §6.4.2: learned by a backup, not used for sending.
#[test]
fn tm05_tm07_rx18_the_masters_interval_is_learned_and_our_own_is_sent() {
    let mut bench = Bench::new(&[Spec::default()]);
    hear_with_interval(&mut bench, 200, "10.0.0.9", 300);
    assert_eq!(down_in(&bench), Duration::from_nanos(3 * 3_000_000_000 + 1_828_125_000));
    assert_eq!(bench.counters(0).other_interval, 1);
    bench.run_for(Duration::from_secs(11));
    assert_eq!(bench.phase(0), Phase::Master);
    let State::Master { advert_at, .. } = bench.state(0) else { panic!() };
    assert!(advert_at.since(bench.now) <= Duration::from_secs(1));
}

/// RFC 9568 §6.4.1: after a restart the interval is our own again.
#[test]
fn tm05_a_learned_interval_does_not_survive_initialize() {
    let mut bench = Bench::new(&[Spec::default()]);
    hear_with_interval(&mut bench, 200, "10.0.0.9", 1000);
    bench.link(ETH0, "eth0", false);
    bench.link(ETH0, "eth0", true);
    assert_eq!(down_in(&bench), Duration::from_nanos(3_609_375_000));
}

/// RFC 3768 §7.1.
#[test]
fn tm06_rx17_version_2_never_learns_an_interval_and_drops_another_one() {
    let mut bench = Bench::new(&[v2()]);
    let two = Interval::from_secs(2).unwrap();
    let change = |outgoing| vipd::wire::vrrp::Outgoing { version: Version::V2, interval: two, ..outgoing };
    bench.hear_with(7, 200, "10.0.0.9", change, ETH0);
    assert_eq!(bench.counters(0).received, 0);
    assert_eq!(bench.counters(0).discarded(vipd::wire::vrrp::Discard::IntervalDiffers), 1);
    assert_eq!(down_in(&bench), Duration::from_nanos(3_609_375_000));
}

/// RFC 3768 §6.1: in version 2 the skew does not grow with the interval.
#[test]
fn tm01_version_2_skews_by_a_fraction_of_a_second() {
    let mut bench = Bench::new(&[Spec { interval: Interval::from_secs(10).unwrap(), ..v2() }]);
    assert_eq!(down_in(&bench), Duration::from_nanos(30_609_375_000));
    let ten = Interval::from_secs(10).unwrap();
    let change = |outgoing| vipd::wire::vrrp::Outgoing { version: Version::V2, interval: ten, ..outgoing };
    bench.hear_with(7, 0, "10.0.0.9", change, ETH0);
    assert_eq!(down_in(&bench), Duration::from_micros(609_375));
}

/// RFC 9568 §6.4.2.
#[test]
fn st07_st08_st09_a_backup_follows_the_rightful_and_lets_its_timer_run_on_for_the_lower() {
    let mut bench = Bench::new(&[Spec::default()]);
    bench.tick(1000);
    bench.hear(7, 99, "10.0.0.9");
    assert_eq!(down_in(&bench), Duration::from_nanos(2_609_375_000), "lower: timer untouched");
    bench.hear(7, 100, "10.0.0.1");
    assert_eq!(down_in(&bench), Duration::from_nanos(3_609_375_000), "equal, smaller address: followed");
    bench.tick(1000);
    bench.hear(7, 101, "10.0.0.1");
    assert_eq!(down_in(&bench), Duration::from_nanos(3_609_375_000), "higher: followed");
}

/// RFC 9568 §6.4.2, Preempt_Mode false.
#[test]
fn st07_without_preemption_a_lower_master_is_followed() {
    let mut bench = Bench::new(&[Spec { preempt: false, ..Spec::default() }]);
    bench.tick(1000);
    bench.hear(7, 1, "10.0.0.9");
    assert_eq!(down_in(&bench), Duration::from_nanos(3_609_375_000));
}

/// RFC 9568 §6.4.3. Priority 0 goes twice, since one may be lost.
#[test]
fn st10_a_master_that_stops_resigns_and_releases() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Stop);
    let slot = vipd::router::Slot(0);
    let resign = Effect::Advertise { slot, priority: 0 };
    assert_eq!(bench.effects, [resign, resign, Effect::Release(slot)]);
    assert_eq!(bench.router.poll_at(), None);
}

/// RFC 9568 §6.4.3.
#[test]
fn st11_a_master_advertises_every_interval() {
    let mut bench = Bench::master(&[Spec::default()]);
    let begin = bench.router.poll_at().unwrap().since(bench.now);
    let effects = bench.run_for(Duration::from_secs(10));
    let times: Vec<_> =
        effects.iter().filter(|(_, e)| matches!(e, Effect::Advertise { .. })).map(|(at, _)| *at).collect();
    assert_eq!(times, (0..10).map(|n| begin + Duration::from_secs(n)).collect::<Vec<_>>());
}

/// RFC 9568 §6.4.3.
#[test]
fn st12_a_master_answers_priority_zero_at_once_and_restarts_its_timer() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.hear(7, 0, "10.0.0.9");
    assert_eq!(bench.priorities_sent(), [100]);
    let State::Master { advert_at, .. } = bench.state(0) else { panic!() };
    assert_eq!(advert_at.since(bench.now), Duration::from_secs(1));
}

/// RFC 9568 §6.4.3. Its last word lets a winner that never heard of it announce itself again (ST22).
#[test]
fn st13_ad23_a_master_yields_to_a_higher_priority_and_releases_its_addresses() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.hear(7, 101, "10.0.0.1");
    assert_eq!(bench.phase(0), Phase::Backup);
    let slot = vipd::router::Slot(0);
    assert_eq!(bench.effects, [Effect::Advertise { slot, priority: 100 }, Effect::Release(slot)]);
    assert_eq!(down_in(&bench), Duration::from_nanos(3_609_375_000));
}

/// RFC 9568 §6.4.3: and the interval of the winner is learned.
#[test]
fn st14_a_master_yields_to_an_equal_priority_from_a_greater_address_only() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.hear(7, 100, "10.0.0.4");
    assert_eq!(bench.phase(0), Phase::Master);
    hear_with_interval(&mut bench, 100, "10.0.0.6", 200);
    assert_eq!(bench.phase(0), Phase::Backup);
    assert_eq!(down_in(&bench), Duration::from_nanos(7_218_750_000));
}

/// RFC 3768 §6.4.3.
#[test]
fn st15_version_2_ignores_a_losing_advert_silently() {
    let mut bench = Bench::master(&[v2()]);
    let before = bench.state(0);
    let change = |outgoing| vipd::wire::vrrp::Outgoing { version: Version::V2, ..outgoing };
    bench.hear_with(7, 50, "10.0.0.9", change, ETH0);
    assert!(bench.effects.is_empty());
    let (State::Master { advert_at: was, .. }, State::Master { advert_at: is, .. }) =
        (before, bench.state(0))
    else {
        panic!()
    };
    assert_eq!(was, is);
}

/// RFC 9568 §6.4.3.
#[test]
fn st16_version_3_answers_a_losing_advert_at_once_and_keeps_its_timer() {
    let mut bench = Bench::master(&[Spec::default()]);
    let due = bench.router.poll_at();
    bench.hear(7, 50, "10.0.0.9");
    assert_eq!(bench.priorities_sent(), [100]);
    assert_eq!(bench.router.poll_at(), due);
}

/// RFC 9568 §6.1, §6.4.3.
#[test]
fn st17_a_master_yields_even_if_it_does_not_preempt_and_the_owner_always_preempts() {
    let mut bench = Bench::master(&[Spec { preempt: false, ..Spec::default() }]);
    bench.hear(7, 101, "10.0.0.1");
    assert_eq!(bench.phase(0), Phase::Backup);
    let mut owner = Bench::new(&[Spec { priority: 255, preempt: false, ..Spec::default() }]);
    owner.hear(7, 254, "10.0.0.200");
    assert_eq!(owner.phase(0), Phase::Master);
}

/// The priority of the next advert is the new one; nobody steps down for it.
#[test]
fn st18_a_tracked_weight_counts_from_the_next_advert_on() {
    let spec = Spec { tracks: vec![("eth1", -30)], ..Spec::default() };
    let mut bench = Bench::master(&[spec]);
    bench.link(ETH1, "eth1", false);
    assert!(bench.effects.is_empty());
    assert_eq!(bench.phase(0), Phase::Master);
    let effects = bench.run_for(Duration::from_secs(1));
    let priorities: Vec<u8> = effects
        .iter()
        .filter_map(|(_, effect)| match effect {
            Effect::Advertise { priority, .. } => Some(*priority),
            _ => None,
        })
        .collect();
    assert_eq!(priorities, [70]);
}

/// keepalived issue 80 and its kin.
#[test]
fn st21_preempt_delay_runs_from_the_first_losing_advert_and_never_delays_a_takeover_from_silence() {
    let spec = Spec { preempt_delay: Duration::from_secs(10), ..Spec::default() };
    let mut bench = Bench::new(std::slice::from_ref(&spec));
    for _ in 0..9 {
        bench.run_for(Duration::from_secs(1));
        bench.hear(7, 50, "10.0.0.9");
        assert_eq!(bench.phase(0), Phase::Backup);
    }
    for _ in 0..6 {
        bench.run_for(Duration::from_secs(1));
        bench.hear(7, 50, "10.0.0.9");
    }
    assert_eq!(bench.phase(0), Phase::Master, "pre-empted after the delay");

    let mut bench = Bench::new(std::slice::from_ref(&spec));
    bench.hear(7, 50, "10.0.0.9");
    bench.run_for(Duration::from_millis(3_610));
    assert_eq!(bench.phase(0), Phase::Master, "silence is not delayed");

    let mut bench = Bench::new(&[spec]);
    bench.hear(7, 50, "10.0.0.9");
    bench.hear(7, 0, "10.0.0.9");
    assert_eq!(down_in(&bench), Duration::from_micros(609_375), "nor is a resignation");
}

/// A contender's adverts come more often than the rightful master's, which lives: nobody may take over from it.
#[test]
fn st21_a_master_that_is_only_suffered_does_not_shorten_the_wait_for_a_better_one() {
    let spec = Spec { preempt_delay: Duration::from_secs(10), ..Spec::default() };
    let mut bench = Bench::new(&[spec]);
    let slow =
        |outgoing| vipd::wire::vrrp::Outgoing { interval: Interval::from_secs(3).unwrap(), ..outgoing };
    bench.hear_with(7, 200, "10.0.0.9", slow, ETH0);
    let patience = down_in(&bench);
    assert!(patience > Duration::from_secs(9));
    bench.hear(7, 50, "10.0.0.8");
    assert_eq!(down_in(&bench), patience);
    bench.run_for(Duration::from_secs(8));
    bench.hear(7, 50, "10.0.0.8");
    assert_eq!(down_in(&bench), Duration::from_micros(3_609_375), "now it is the only one");
}

/// Vrrpd issue 17: hosts that learned the loser return only when the winner announces again.
#[test]
fn st22_a_master_announces_again_when_a_contender_was_heard() {
    for spec in [v2(), Spec::default()] {
        let version = spec.version;
        let mut bench = Bench::master(&[spec]);
        let change = |outgoing| vipd::wire::vrrp::Outgoing { version, ..outgoing };
        bench.hear_with(7, 50, "10.0.0.4", change, ETH0);
        assert_eq!(bench.counters(0).contended, 1);
        let effects = bench.run_for(Duration::from_millis(1500));
        let bursts: Vec<_> = effects.iter().filter(|(_, e)| matches!(e, Effect::Announce { .. })).collect();
        assert_eq!(bursts.len(), 1);
        assert_eq!(bursts[0].0, Duration::from_secs(1));
    }
}

/// Real time has no say: an hour on the wall clock is not an event at all.
#[test]
fn tm11_only_the_time_that_is_handed_in_counts() {
    let mut bench = Bench::new(&[Spec::default()]);
    let down_at = bench.router.poll_at().unwrap();
    for _ in 0..1000 {
        bench.handle(Event::Timer);
    }
    assert_eq!(bench.router.poll_at(), Some(down_at));
}

/// RFC 9568 §2.5: intervals of a centisecond.
#[test]
fn tm10_a_centisecond_is_an_interval_like_any_other() {
    let mut bench = Bench::new(&[Spec { interval: Interval::from_centis(1).unwrap(), ..Spec::default() }]);
    assert_eq!(down_in(&bench), Duration::from_nanos(36_093_750));
    bench.run_for(Duration::from_millis(37));
    assert_eq!(bench.phase(0), Phase::Master);
}

/// Stopped for longer than the others wait, then continued: another is master by right, even a lower one.
#[test]
fn a_master_that_slept_steps_back_when_it_hears_who_took_over() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.tick(8000);
    bench.hear(7, 50, "10.0.0.4");
    assert_eq!(bench.phase(0), Phase::Backup);
    assert!(bench.priorities_sent().is_empty());
    // It is no peer's fault that we slept if nobody took over: then we simply go on.
    let mut alone = Bench::master(&[Spec::default()]);
    alone.tick(8000);
    alone.handle(Event::Timer);
    assert_eq!(alone.phase(0), Phase::Master);
}
