//! Who is refused is remembered, as many as there is room for, and nothing else comes of it.

use vipd::limits::STRANGERS_MAX;
use vipd::router::{Event, Stranger};
use vipd::vrrp::Phase;
use vipd::wire::IfIndex;
use vipd::wire::vrrp::{Discard, Outgoing, Password, Version, Vrid};

use crate::bench::{Bench, ETH0, ETH1, Spec, config};

fn strangers(bench: &Bench) -> Vec<Stranger> {
    (0..=u8::MAX).map_while(|place| bench.router.stranger(place).copied()).collect()
}

fn sources(bench: &Bench) -> Vec<String> {
    strangers(bench).iter().map(|stranger| stranger.source.to_string()).collect()
}

fn guarded() -> Spec {
    Spec { version: Version::V2, password: Some("1111"), ..Spec::default() }
}

/// An advert of version 2 with this password.
fn hear(bench: &mut Bench, vrid: u8, from: &str, password: &str) {
    let password = Password::new(password.as_bytes());
    let change = |outgoing| Outgoing { version: Version::V2, password, ..outgoing };
    bench.hear_with(vrid, 200, from, change, ETH0);
}

#[test]
fn two_foreign_pairs_with_other_passwords_are_both_named_and_move_nothing() {
    let mut bench = Bench::master(&[guarded()]);
    for _ in 0..3 {
        hear(&mut bench, 7, "10.0.0.20", "2222");
        bench.tick(500);
        hear(&mut bench, 7, "10.0.0.30", "3333");
        bench.tick(500);
    }
    assert_eq!(bench.phase(0), Phase::Master);
    let (now, known) = (bench.now.since_origin().as_secs() as u32, strangers(&bench));
    assert_eq!(sources(&bench), ["10.0.0.20", "10.0.0.30"]);
    for stranger in known {
        let Stranger { interface, vrid, reason, count, seen_at_secs, .. } = stranger;
        assert_eq!((interface, vrid, reason, count), (ETH0, 7, Discard::Password, 3));
        assert!((1..=2).contains(&(now - seen_at_secs)), "{stranger:?}");
    }
    let shown = bench.router.status_of_stranger(bench.now, 1).unwrap();
    assert_eq!((shown.interface.as_str(), shown.source.as_str()), ("eth0", "10.0.0.30"));
    assert_eq!(Discard::ALL[usize::from(shown.reason)], Discard::Password);
    assert!(bench.router.status_of_stranger(bench.now, 2).is_none());
}

#[test]
fn the_last_reason_counts_and_who_differs_in_anything_is_another() {
    let mut bench = Bench::master(&[guarded()]);
    hear(&mut bench, 7, "10.0.0.20", "2222");
    bench.hear(7, 200, "10.0.0.20");
    let [one] = strangers(&bench)[..] else { panic!("{:?}", strangers(&bench)) };
    assert_eq!((one.reason, one.count), (Discard::Version, 2));
    hear(&mut bench, 8, "10.0.0.20", "2222");
    bench.hear_with(7, 200, "10.0.0.20", |outgoing| outgoing, ETH0);
    bench.hear(7, 200, "fe80::20");
    let known = strangers(&bench);
    let known: Vec<_> = known.iter().map(|it| (it.vrid, it.source.is_ipv6(), it.reason)).collect();
    let version = (7, false, Discard::Version);
    assert_eq!(known, [version, (8, false, Discard::Vrid), (7, true, Discard::Vrid)]);
}

#[test]
fn whoever_was_silent_for_the_longest_time_makes_room() {
    let mut bench = Bench::master(&[guarded()]);
    let address = |number: usize| format!("10.0.1.{number}");
    for number in 0..STRANGERS_MAX {
        hear(&mut bench, 7, &address(number), "2222");
        bench.tick(1000);
    }
    // The first speaks again: now the second is the one.
    hear(&mut bench, 7, &address(0), "2222");
    bench.tick(1000);
    hear(&mut bench, 7, &address(99), "2222");
    let known = sources(&bench);
    assert_eq!(known.len(), STRANGERS_MAX);
    assert!(known.contains(&address(0)) && known.contains(&address(99)), "{known:?}");
    assert!(!known.contains(&address(1)), "{known:?}");
    // A flood of ever other senders does not fill more than the table.
    for number in 0..1000 {
        hear(&mut bench, 7, &format!("10.1.{}.{}", number / 250, number % 250), "2222");
    }
    assert_eq!(strangers(&bench).len(), STRANGERS_MAX);
    assert_eq!(bench.phase(0), Phase::Master);
}

/// RX25: a rightful peer that is too early is no stranger, and neither is who is heard on a device of others.
#[test]
fn who_is_one_of_us_or_elsewhere_is_no_stranger() {
    let mut bench = Bench::new(&[guarded()]);
    bench.link(ETH0, "eth0", false);
    hear(&mut bench, 7, "10.0.0.20", "1111");
    assert_eq!(bench.counters(0).discarded(Discard::Initialize), 1);
    let change = |outgoing| Outgoing { version: Version::V2, ..outgoing };
    bench.hear_with(7, 200, "10.1.0.20", change, ETH1);
    assert_eq!(bench.router.stray().discarded(Discard::Vrid), 1);
    assert_eq!(strangers(&bench), []);
}

#[test]
fn a_reload_keeps_the_strangers_and_their_devices_have_their_names() {
    let mut bench = Bench::master(&[guarded()]);
    hear(&mut bench, 7, "10.0.0.20", "2222");
    let before = strangers(&bench);
    let other = Spec { name: "other", device: "eth1", vrid: 9, ..Spec::default() };
    let new = &mut config(&[other, guarded()]);
    bench.handle(Event::Prepare(new));
    bench.handle(Event::Adopt(new));
    assert_eq!(strangers(&bench), before);
    assert_eq!(bench.router.status_of_stranger(bench.now, 0).unwrap().interface, "eth0");
    // The device goes: what was heard there has no name any more.
    bench.link(ETH0, "renamed", true);
    assert_eq!(bench.router.status_of_stranger(bench.now, 0).unwrap().interface, "");
}

/// The VRIDs that are muted.
fn muted(bench: &Bench) -> Vec<u8> {
    let muted = bench.router.muted();
    (1..=255).filter(|vrid| muted.contains(Vrid::new(*vrid).unwrap())).collect()
}

/// So many adverts of a VRID; that they are refused has no effect, whether they are muted or not.
fn crowd(bench: &mut Bench, times: usize, vrid: u8, from: &str, device: IfIndex) {
    for _ in 0..times {
        bench.hear_with(vrid, 200, from, |outgoing| outgoing, device);
        assert!(bench.effects.is_empty());
    }
}

#[test]
fn a_vrid_that_is_nobodys_is_muted_when_it_was_heard_often() {
    let mut bench = Bench::master(&[Spec::default()]);
    crowd(&mut bench, 254, 9, "10.0.0.20", ETH0);
    assert_eq!(muted(&bench), []);
    crowd(&mut bench, 1, 9, "fe80::20", ETH0);
    assert_eq!(muted(&bench), [9]);
    crowd(&mut bench, 1000, 9, "10.0.0.20", ETH0);
    assert_eq!(muted(&bench), [9]);
    assert_eq!(bench.router.stray().discarded(Discard::Vrid), 1255, "what still comes in is counted");
    assert_eq!(strangers(&bench).iter().map(|it| it.count).sum::<u32>(), 1255);
    // On a device of others as well.
    let others: Vec<u8> = (1..=255).filter(|vrid| *vrid != 7).collect();
    others.iter().for_each(|vrid| crowd(&mut bench, 255, *vrid, "10.0.0.20", ETH1));
    assert_eq!(muted(&bench), others);
    assert_eq!(bench.phase(0), Phase::Master);
}

/// There is one socket for all devices, and one set for both families.
#[test]
fn a_vrid_of_ours_is_never_muted_on_whatever_device_and_in_whatever_family() {
    let wan = Spec { name: "wan", device: "eth1", vrid: 8, addresses: vec!["fe80::1"], ..Spec::default() };
    let mut bench = Bench::master(&[guarded(), wan]);
    crowd(&mut bench, 500, 8, "10.0.0.20", ETH0);
    crowd(&mut bench, 500, 8, "10.1.0.20", ETH1);
    crowd(&mut bench, 500, 7, "10.1.0.20", ETH1);
    // Refused, but for another reason.
    (0..500).for_each(|_| hear(&mut bench, 7, "10.0.0.20", "2222"));
    assert_eq!(muted(&bench), []);
}

#[test]
fn a_reload_hears_everybody_again_and_counts_anew() {
    let mut bench = Bench::master(&[Spec::default()]);
    let reload = |bench: &mut Bench, specs: &[Spec]| {
        let new = &mut config(specs);
        bench.handle(Event::Prepare(new));
        bench.handle(Event::Adopt(new));
        assert_eq!(muted(bench), []);
    };
    crowd(&mut bench, 255, 9, "10.0.0.20", ETH0);
    crowd(&mut bench, 200, 10, "10.0.0.20", ETH0);
    assert_eq!(muted(&bench), [9]);
    reload(&mut bench, &[Spec::default(), Spec { name: "other", vrid: 9, ..Spec::default() }]);
    reload(&mut bench, &[Spec::default()]);
    crowd(&mut bench, 254, 10, "10.0.0.20", ETH0);
    crowd(&mut bench, 255, 9, "10.0.0.20", ETH0);
    assert_eq!(muted(&bench), [9]);
}
