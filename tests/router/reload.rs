//! Reload keeps every state that can be kept.

use std::time::Duration;

use vipd::router::{Effect, Event, Slot};
use vipd::time::Interval;
use vipd::vrrp::Phase;

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, OUR_V6, Spec, config, sent};

/// Both halves of a reload, with the effects of each, and the kernel's answers.
fn reload(bench: &mut Bench, specs: &[Spec], ours: &[&str]) -> (Vec<Effect>, Vec<Effect>) {
    let mut new = config(specs);
    bench.handle(Event::Prepare(&new));
    let prepared = bench.effects.clone();
    bench.handle(Event::Adopt(&mut new));
    let mut adopted = bench.effects.clone();
    let addresses: Vec<&str> = [OUR_V4, OUR_V6].into_iter().collect();
    // Our own addresses are listed with our mark by the kernel.
    let [Effect::DumpLinks(sequence)] = adopted[..] else { panic!("{adopted:?}") };
    bench.link(ETH0, "eth0", true);
    bench.link(ETH1, "eth1", true);
    bench.handle(Event::Kernel(vipd::wire::rtnl::Message::Done { sequence, torn: false }));
    let [Effect::DumpAddresses(sequence)] = bench.effects[..] else { panic!("{:?}", bench.effects) };
    addresses.iter().for_each(|text| bench.address(ETH0, text, false));
    ours.iter().for_each(|text| bench.address(ETH0, text, true));
    bench.address(ETH1, "10.1.0.5", false);
    bench.handle(Event::Kernel(vipd::wire::rtnl::Message::Done { sequence, torn: false }));
    adopted.extend(bench.effects.iter());
    (prepared, adopted)
}

fn second() -> Spec {
    Spec { name: "second", vrid: 9, addresses: vec!["10.0.0.2"], ..Spec::default() }
}

#[test]
fn adding_an_instance_never_makes_a_master_resign() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.address(ETH0, "10.0.0.1", true);
    let due = bench.router.poll_at();
    // In front of the old one, so that every index moves.
    let (prepared, adopted) = reload(&mut bench, &[second(), Spec::default()], &["10.0.0.1"]);
    assert!(prepared.is_empty());
    assert!(sent(&adopted).is_empty());
    assert_eq!((bench.phase(0), bench.phase(1)), (Phase::Backup, Phase::Master));
    assert!(bench.counters(1).became_master == 1 && bench.counters(1).released_master == 0);
    assert_eq!(bench.router.poll_at(), due, "the next advert is due when it was");
}

/// ST20: addresses and announcement follow, and what goes, goes at once.
#[test]
fn st20_changing_addresses_claims_the_new_and_withdraws_the_old_without_resigning() {
    let mut bench = Bench::master(&[Spec { addresses: vec!["10.0.0.1", "10.0.0.3"], ..Spec::default() }]);
    bench.address(ETH0, "10.0.0.1", true);
    bench.address(ETH0, "10.0.0.3", true);
    bench.run_for(Duration::from_secs(2));
    let new = Spec { addresses: vec!["10.0.0.2", "10.0.0.1"], ..Spec::default() };
    let (prepared, adopted) = reload(&mut bench, &[new], &["10.0.0.1"]);
    assert_eq!(prepared, [Effect::Withdraw { address: 1, prefix_len: 24 }]);
    assert!(adopted.contains(&Effect::Claim(Slot(0))), "{adopted:?}");
    assert!(adopted.iter().any(|effect| matches!(effect, Effect::Announce { .. })));
    assert!(sent(&adopted).is_empty());
    assert_eq!(bench.phase(0), Phase::Master);
}

#[test]
fn st20_a_backup_installs_nothing_when_its_addresses_change() {
    let mut bench = Bench::new(&[Spec::default()]);
    let new = Spec { addresses: vec!["10.0.0.1", "10.0.0.2"], ..Spec::default() };
    let (_, adopted) = reload(&mut bench, &[new], &[]);
    assert!(!adopted.iter().any(|effect| matches!(effect, Effect::Claim(_))));
    assert_eq!(bench.phase(0), Phase::Backup);
}

#[test]
fn st18_a_changed_priority_is_in_the_next_advert_and_nobody_resigns() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.address(ETH0, "10.0.0.1", true);
    let (prepared, adopted) = reload(&mut bench, &[Spec { priority: 42, ..Spec::default() }], &["10.0.0.1"]);
    assert!(prepared.is_empty() && sent(&adopted).is_empty());
    let effects: Vec<_> = bench.run_for(Duration::from_secs(1)).into_iter().map(|(_, e)| e).collect();
    assert_eq!(sent(&effects), [42]);
}

#[test]
fn a_shorter_interval_counts_at_once() {
    let mut bench = Bench::master(&[Spec::default()]);
    let fast = Spec { interval: Interval::from_centis(10).unwrap(), ..Spec::default() };
    let mut new = config(&[fast]);
    bench.handle(Event::Prepare(&new));
    bench.handle(Event::Adopt(&mut new));
    assert!(bench.router.poll_at().unwrap().since(bench.now) <= Duration::from_millis(100));
}

#[test]
fn an_instance_that_is_taken_out_resigns_and_releases_and_the_others_stay() {
    let mut bench = Bench::master(&[Spec::default(), second()]);
    bench.address(ETH0, "10.0.0.1", true);
    bench.address(ETH0, "10.0.0.2", true);
    let (prepared, _) = reload(&mut bench, &[second()], &["10.0.0.2"]);
    assert_eq!(sent(&prepared), [0, 0]);
    assert!(prepared.contains(&Effect::Release(Slot(0))));
    assert_eq!(bench.router.slots().count(), 1);
    assert_eq!(bench.phase(0), Phase::Master);
}

/// A virtual router that moves to another device or VRID is another virtual router.
#[test]
fn another_vrid_or_device_is_another_virtual_router() {
    for other in [Spec { vrid: 8, ..Spec::default() }, Spec { device: "eth1", ..Spec::default() }] {
        let mut bench = Bench::master(&[Spec::default()]);
        let (prepared, _) = reload(&mut bench, &[other], &[]);
        assert_eq!(sent(&prepared), [0, 0]);
        assert_eq!(bench.phase(0), Phase::Backup);
    }
}

/// A backup that reloads once a second for a minute keeps following its master's timer.
#[test]
fn reloading_does_not_feed_a_backups_timer() {
    let mut bench = Bench::new(&[Spec::default()]);
    let due = bench.router.poll_at();
    for _ in 0..3 {
        bench.tick(1000);
        reload(&mut bench, &[Spec::default()], &[]);
    }
    assert_eq!(bench.router.poll_at(), due);
}

#[test]
fn an_empty_configuration_is_a_configuration() {
    let mut bench = Bench::master(&[Spec::default()]);
    let (prepared, _) = reload(&mut bench, &[], &[]);
    assert_eq!(sent(&prepared), [0, 0]);
    assert_eq!(bench.router.poll_at(), None);
}

/// An IPv4 master gets an IPv6 address: the new half joins in when nobody else is master there, and the old half
/// never resigns.
#[test]
fn a_family_that_is_added_follows_a_master_and_costs_it_nothing() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.address(ETH0, "10.0.0.1", true);
    let dual =
        Spec { addresses: vec!["10.0.0.1", "fe80::1"], tracks: vec![("eth9", -10)], ..Spec::default() };
    let (prepared, adopted) = reload(&mut bench, &[dual], &["10.0.0.1"]);
    assert!(prepared.is_empty() && sent(&adopted).is_empty(), "{prepared:?} {adopted:?}");
    assert_eq!((bench.phase(0), bench.phase(1)), (Phase::Master, Phase::Backup));
    let effects: Vec<_> =
        bench.run_for(Duration::from_secs(5)).into_iter().map(|(_, effect)| effect).collect();
    assert_eq!((bench.phase(0), bench.phase(1)), (Phase::Master, Phase::Master));
    assert!(!sent(&effects).contains(&0));
}

/// A backup whose IPv4 master is silent waits for IPv6; when IPv6 is taken out, there is nothing to wait for.
#[test]
fn who_waited_for_a_companion_that_is_taken_out_waits_no_longer() {
    let dual = Spec { addresses: vec!["10.0.0.1", "fe80::1"], ..Spec::default() };
    let mut bench = Bench::new(&[dual]);
    for _ in 0..6 {
        bench.run_for(Duration::from_secs(1));
        bench.hear(7, 200, "fe80::9");
    }
    assert_eq!(bench.phase(0), Phase::Backup);
    reload(&mut bench, &[Spec::default()], &[]);
    assert_eq!(bench.phase(0), Phase::Master);
}
