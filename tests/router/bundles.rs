//! Virtual routers that move together.

use std::time::Duration;

use vipd::router::Effect;
use vipd::vrrp::{Cause, Fault, Phase, State};

use crate::bench::{Bench, ETH0, ETH1, Spec, lan_and_wan, sent};

fn dual() -> Spec {
    Spec { addresses: vec!["10.0.0.1", "fe80::1"], ..Spec::default() }
}

fn phases(bench: &Bench) -> Vec<Phase> {
    bench.router.slots().map(|slot| bench.phase(slot.0)).collect()
}

/// Both down timers must have run out: while one family hears the master, the master is alive.
#[test]
fn both_families_become_master_together_or_not_at_all() {
    let mut bench = Bench::new(&[dual()]);
    for _ in 0..10 {
        bench.run_for(Duration::from_secs(1));
        bench.hear(7, 200, "fe80::9");
        assert_eq!(phases(&bench), [Phase::Backup, Phase::Backup]);
    }
    let effects = bench.run_for(Duration::from_millis(3_700));
    assert_eq!(phases(&bench), [Phase::Master, Phase::Master]);
    let first = effects[0].0;
    assert!(effects.iter().take(6).all(|(at, _)| *at == first), "in one and the same event");
}

#[test]
fn the_family_that_loses_takes_the_other_along_and_that_one_resigns() {
    let mut bench = Bench::master(&[dual()]);
    bench.hear(7, 200, "fe80::9");
    assert_eq!(phases(&bench), [Phase::Backup, Phase::Backup]);
    assert_eq!(sent(&bench.effects), [100, 0, 0], "IPv6 has a last word; IPv4 was not beaten: it resigns");
    let releases = bench.effects.iter().filter(|e| matches!(e, Effect::Release(_))).count();
    assert_eq!(releases, 2);
}

/// Two routers with the default priority, whose addresses are in opposite order in the two families: IPv4 says
/// that we win, IPv6 that we lose. IPv4 decides.
#[test]
fn a_tie_is_decided_by_ipv4_alone() {
    let mut bench = Bench::master(&[dual()]);
    bench.hear(7, 100, "10.0.0.4");
    bench.hear(7, 100, "fe80::9");
    assert_eq!(phases(&bench), [Phase::Master, Phase::Master]);
    bench.hear(7, 100, "10.0.0.6");
    assert_eq!(phases(&bench), [Phase::Backup, Phase::Backup]);
}

/// Against a router whose families do not move together this would be two masters for ever; so it ends after one
/// down interval.
#[test]
fn a_lost_tie_that_nobody_decides_is_given_up_after_a_down_interval() {
    let mut bench = Bench::master(&[dual()]);
    for second in 0..6 {
        bench.run_for(Duration::from_secs(1));
        bench.hear(7, 100, "fe80::9");
        let expected = if second < 4 { Phase::Master } else { Phase::Backup };
        assert_eq!(phases(&bench), [expected, expected], "after {second} s");
        if expected == Phase::Backup {
            return;
        }
    }
}

#[test]
fn one_family_without_a_source_address_keeps_the_other_from_taking_part() {
    let mut bench = Bench::unanswered(&[dual()]);
    bench.answer_dumps(&[(ETH0, "eth0", true, &["10.0.0.5"])]);
    let fault = |slot| match bench.state(slot) {
        State::Initialize { fault } => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!((fault(0), fault(1)), (Fault::Companion, Fault::NoSource));
    bench.address(ETH0, "fe80::5", false);
    assert_eq!(phases(&bench), [Phase::Backup, Phase::Backup]);
}

/// A LAN and a WAN: when the LAN's link fails, both go, and both are said to go.
#[test]
fn a_sync_group_moves_together_over_interfaces() {
    let mut bench = Bench::master(&lan_and_wan());
    bench.link(ETH0, "eth0", false);
    assert_eq!(phases(&bench), [Phase::Initialize, Phase::Initialize]);
    assert_eq!(sent(&bench.effects), [0, 0, 0, 0]);
    bench.link(ETH0, "eth0", true);
    assert_eq!(phases(&bench), [Phase::Backup, Phase::Backup]);
    bench.run_for(Duration::from_secs(4));
    assert_eq!(phases(&bench), [Phase::Master, Phase::Master]);
    bench.hear_with(8, 200, "10.1.0.9", |outgoing| outgoing, ETH1);
    assert_eq!(phases(&bench), [Phase::Backup, Phase::Backup]);
    let view = bench.router.view(vipd::router::Slot(0)).unwrap();
    assert_eq!(view.virtual_router().cause(), Cause::Companion);
}

/// The cable of the master's WAN is pulled: it says so on the LAN, and cannot on the WAN. The backup need not wait
/// three intervals there.
#[test]
fn a_resignation_on_one_segment_shortens_the_wait_on_the_other() {
    let mut bench = Bench::new(&lan_and_wan());
    bench.hear(7, 200, "10.0.0.9");
    bench.hear_with(8, 200, "10.1.0.9", |outgoing| outgoing, ETH1);
    bench.hear(7, 0, "10.0.0.9");
    bench.run_for(Duration::from_millis(1609));
    assert_eq!(phases(&bench), [Phase::Backup, Phase::Backup]);
    bench.run_for(Duration::from_millis(1));
    assert_eq!(phases(&bench), [Phase::Master, Phase::Master]);
}

/// And where the other master lives on, it is heard within that interval, and nothing moves.
#[test]
fn a_resignation_on_one_segment_moves_nothing_while_the_other_master_is_heard() {
    let mut bench = Bench::new(&lan_and_wan());
    bench.hear_with(8, 200, "10.1.0.9", |outgoing| outgoing, ETH1);
    bench.hear(7, 0, "10.0.0.9");
    for _ in 0..20 {
        bench.run_for(Duration::from_secs(1));
        bench.hear_with(8, 200, "10.1.0.9", |outgoing| outgoing, ETH1);
    }
    assert_eq!(phases(&bench), [Phase::Backup, Phase::Backup]);
}

/// RFC 9568 §6.4.1 for both families of the owner.
#[test]
fn st01_a_dual_stack_owner_is_master_at_once_in_both_families() {
    let bench = Bench::new(&[Spec { priority: 255, ..dual() }]);
    assert_eq!(phases(&bench), [Phase::Master, Phase::Master]);
}

/// ST23, TX24: without an instance in common, the same VRID in the two families is two virtual routers.
#[test]
fn st23_tx24_families_of_different_instances_are_independent() {
    let four = Spec { name: "four", ..Spec::default() };
    let six = Spec { name: "six", addresses: vec!["fe80::1"], ..Spec::default() };
    let mut bench = Bench::master(&[four, six]);
    bench.hear(7, 200, "10.0.0.9");
    assert_eq!(phases(&bench), [Phase::Backup, Phase::Master]);
}
