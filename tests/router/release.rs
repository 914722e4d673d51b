//! `vipd release` and `reclaim`: mastership given up by hand, without a moment in which nobody has the addresses.

use std::time::Duration;

use vipd::router::{Effect, Event, Slot};
use vipd::vrrp::{Cause, Fault, Phase};

use crate::bench::{Bench, ETH0, ETH1, Spec, lan_and_wan, sent};

const RELEASE: Effect = Effect::Release(Slot(0));
const CLAIM: Effect = Effect::Claim(Slot(0));
const SECOND: Duration = Duration::from_secs(1);

fn released(bench: &Bench, slot: u16) -> bool {
    let view = bench.router.view(Slot(slot)).unwrap();
    bench.phase(slot) == Phase::Initialize && view.virtual_router().cause() == Cause::Fault(Fault::Released)
}

#[test]
fn a_released_master_resigns_and_holds_the_addresses_until_its_successor_is_heard() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Release(0));
    assert_eq!(bench.priorities_sent(), [0, 0]);
    assert!(!bench.effects.contains(&RELEASE));
    // It says no more, neither to routers nor to hosts.
    let quiet = bench.run_for(SECOND);
    assert!(quiet.is_empty(), "{quiet:?}");
    bench.hear(7, 50, "10.0.0.9");
    assert_eq!(bench.effects, [RELEASE]);
    assert!(released(&bench, 0));
    // Whoever comes and goes, it keeps away.
    bench.hear(7, 0, "10.0.0.9");
    assert!(bench.run_for(SECOND * 100).is_empty());
}

/// The most patient backup has priority 1: it waits for three intervals and nearly a fourth.
#[test]
fn without_a_successor_a_released_master_goes_when_any_would_have_come() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Release(0));
    bench.hear(7, 0, "10.0.0.9"); // who resigns is no successor
    let effects = bench.run_for(SECOND * 5);
    assert_eq!(effects.len(), 1, "{effects:?}");
    assert_eq!(effects[0].1, RELEASE);
    assert!((SECOND * 39 / 10..SECOND * 4).contains(&effects[0].0), "{effects:?}");
    assert!(released(&bench, 0));
}

#[test]
fn a_released_backup_stops_and_a_reclaimed_one_watches_for_a_whole_down_interval() {
    let mut bench = Bench::new(&[Spec::default()]);
    bench.hear(7, 200, "10.0.0.9");
    bench.handle(Event::Release(0));
    assert!(bench.effects.is_empty());
    assert!(released(&bench, 0));
    assert!(bench.run_for(SECOND * 100).is_empty());
    bench.handle(Event::Reclaim(0));
    assert_eq!(bench.phase(0), Phase::Backup);
    let effects = bench.run_for(SECOND * 10);
    assert!(effects[0].0 > SECOND * 3, "{effects:?}");
    assert_eq!(bench.phase(0), Phase::Master);
}

#[test]
fn who_is_reclaimed_before_a_successor_was_heard_stays_master_and_says_so() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Release(0));
    bench.tick(300);
    bench.handle(Event::Reclaim(0));
    assert_eq!(bench.priorities_sent(), [100]);
    assert_eq!(bench.phase(0), Phase::Master);
    let effects = bench.run_for(SECOND * 10);
    assert_eq!(effects.iter().filter(|(_, it)| matches!(it, Effect::Advertise { .. })).count(), 10);
    assert!(effects.iter().all(|(_, it)| !matches!(it, Effect::Release(_))), "{effects:?}");
}

#[test]
fn asking_twice_changes_nothing() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Reclaim(0));
    assert!(bench.effects.is_empty());
    bench.handle(Event::Release(0));
    let due = bench.router.poll_at();
    bench.tick(100);
    bench.handle(Event::Release(0));
    assert!(bench.effects.is_empty());
    assert_eq!(bench.router.poll_at(), due);
}

/// What somebody deletes meanwhile is put back: hosts still use it. But they are to learn the successor's.
#[test]
fn an_address_that_is_deleted_while_leaving_is_put_back_in_silence() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.address(ETH0, "10.0.0.1", true);
    bench.handle(Event::Release(0));
    bench.address_gone(ETH0, "10.0.0.1");
    assert_eq!(bench.effects, [CLAIM]);
    assert!(bench.run_for(SECOND).is_empty());
}

/// Each segment has a successor of its own, and none of them is waited for where another is.
#[test]
fn what_moves_together_is_released_together_and_each_waits_for_its_own_successor() {
    let mut bench = Bench::master(&lan_and_wan());
    bench.handle(Event::Release(1));
    assert_eq!(sent(&bench.effects), [0, 0, 0, 0]);
    bench.hear(7, 50, "10.0.0.9");
    assert_eq!(bench.effects, [RELEASE]);
    assert!(released(&bench, 0));
    assert_eq!(bench.phase(1), Phase::Master);
    bench.hear_with(8, 50, "10.1.0.9", |outgoing| outgoing, ETH1);
    assert_eq!(bench.effects, [Effect::Release(Slot(1))]);
    assert!(released(&bench, 1));
    bench.handle(Event::Reclaim(0));
    assert_eq!([bench.phase(0), bench.phase(1)], [Phase::Backup; 2]);
}

/// A link that fails meanwhile, or the daemon's end, waits for nobody; and nothing is resigned a third time.
#[test]
fn who_is_leaving_and_has_to_stop_stops_at_once() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Release(0));
    bench.handle(Event::Stop);
    assert_eq!(bench.effects, [RELEASE]);
    assert_eq!(bench.phase(0), Phase::Initialize);
}

#[test]
fn a_reload_leaves_a_released_instance_away() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Release(0));
    bench.hear(7, 50, "10.0.0.9");
    let mut next = crate::bench::config(&[Spec { priority: 200, ..Spec::default() }]);
    bench.handle(Event::Prepare(&next));
    bench.handle(Event::Adopt(&mut next));
    bench.answer_dumps(&[(ETH0, "eth0", true, &["10.0.0.5"])]);
    assert!(bench.run_for(SECOND * 100).is_empty());
    assert!(released(&bench, 0));
}

#[test]
fn an_instance_that_is_not_there_is_nobodys() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Release(9));
    assert!(bench.effects.is_empty());
    assert_eq!(bench.phase(0), Phase::Master);
}
