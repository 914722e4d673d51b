//! `address_lifetime`: what is renewed in time, when nothing is, and what comes of addresses that the kernel has dropped.

use std::net::IpAddr;
use std::time::Duration;

use vipd::perform::{Outlet, Unsent, perform};
use vipd::router::{Datagram, Effect, Event, Slot};
use vipd::vrrp::Phase;
use vipd::wire::IfIndex;
use vipd::wire::rtnl::Message;

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, OUR_V6, Spec, config, kernel_address};

const V4: &str = "10.0.0.1";
const V6: &str = "fe80::1";
const CLAIM: Effect = Effect::Claim(Slot(0));
const RENEW: Effect = Effect::Renew(Slot(0));

fn spec(lifetime_secs: u16) -> Spec {
    Spec { lifetime_secs, ..Spec::default() }
}

/// A master whose addresses are there, past its first announcements.
fn master(spec: Spec) -> Bench {
    let addresses = spec.addresses.clone();
    let mut bench = Bench::master(&[spec]);
    addresses.iter().for_each(|text| bench.address(ETH0, text, true));
    bench.run_for(Duration::from_secs(10));
    bench
}

fn times(effects: &[(Duration, Effect)], wanted: Effect) -> Vec<Duration> {
    effects.iter().filter(|(_, effect)| *effect == wanted).map(|(at, _)| *at).collect()
}

/// A netlink request: its type, the address's flags, and the preferred and the valid lifetime if it says them.
type Request = (u16, u32, Option<(u32, u32)>);

fn requests(bench: &Bench, effect: Effect) -> Vec<Request> {
    struct Requests(Vec<Vec<u8>>);
    impl Outlet for Requests {
        fn join(&mut self, _: IfIndex, _: IpAddr) -> Result<(), Unsent> {
            Ok(())
        }
        fn message(&mut self, _: IfIndex, _: IpAddr, _: IpAddr, _: &[u8]) -> Result<(), Unsent> {
            Ok(())
        }
        fn datagram(&mut self, _: &Datagram<'_>) -> Result<(), Unsent> {
            panic!("a datagram")
        }

        fn frame(&mut self, _: IfIndex, _: &[u8]) -> Result<(), Unsent> {
            panic!("a frame");
        }
        fn advert(&mut self, _: IfIndex, _: &[u8]) -> Result<(), Unsent> {
            Ok(())
        }

        fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent> {
            self.0.push(request.to_vec());
            Ok(())
        }

        fn netfilter(&mut self, _: &[u8]) -> Result<(), Unsent> {
            panic!("a batch");
        }

        fn ipvs(&mut self, _: &mut [u8]) -> Result<(), Unsent> {
            panic!("nobody has asked for virtual servers");
        }
    }
    let mut requests = Requests(vec![]);
    perform(&bench.router, effect, &mut requests).unwrap();
    let word = |bytes: &[u8], at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    requests
        .0
        .iter()
        .map(|bytes| {
            let (mut flags, mut lifetimes) = (0, None);
            let mut rest = &bytes[24..];
            while rest.len() >= 4 {
                let len = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
                match u16::from_ne_bytes([rest[2], rest[3]]) {
                    6 => lifetimes = Some((word(rest, 4), word(rest, 8))), // IFA_CACHEINFO: preferred, valid
                    8 => flags = word(rest, 4),                            // IFA_FLAGS
                    _ => {}
                }
                rest = &rest[len.next_multiple_of(4).min(rest.len())..];
            }
            (u16::from_ne_bytes([bytes[4], bytes[5]]), flags, lifetimes)
        })
        .collect()
}

const NEW_ADDRESS: u16 = 20;
const NODAD: u32 = 0x02;
const NOPREFIXROUTE: u32 = 0x200;

#[test]
fn a_master_renews_its_addresses_every_third_of_their_lifetime_and_announces_nothing() {
    let mut bench = master(spec(3));
    let effects = bench.run_for(Duration::from_secs(60));
    let renewals = times(&effects, RENEW);
    assert_eq!(renewals.len(), 60);
    for pair in renewals.windows(2) {
        assert_eq!(pair[1] - pair[0], Duration::from_secs(1));
    }
    let others = effects.iter().filter(|(_, it)| !matches!(it, Effect::Renew(_) | Effect::Advertise { .. }));
    assert_eq!(others.count(), 0, "{effects:?}");
    // The kernel tells us of what we have done, which changes nothing.
    bench.address(ETH0, V4, true);
    assert!(bench.effects.is_empty(), "{:?}", bench.effects);
}

/// Renewed together with the adverts where that is a third: no more turns than without.
#[test]
fn a_renewal_does_not_drift_and_what_was_missed_is_not_made_up() {
    let mut bench = master(spec(3));
    for _ in 0..50 {
        // Late, as a process is.
        bench.now = bench.router.poll_at().unwrap() + Duration::from_millis(2);
        bench.handle(Event::Timer);
        assert_eq!(bench.effects.len(), 2, "one advert and one renewal: {:?}", bench.effects);
    }
    bench.now = bench.router.poll_at().unwrap() + Duration::from_millis(2500);
    bench.handle(Event::Timer);
    assert_eq!(bench.effects.iter().filter(|effect| **effect == RENEW).count(), 1);
    let effects = bench.run_for(Duration::from_secs(2));
    assert!((1..=2).contains(&times(&effects, RENEW).len()), "{effects:?}");
}

#[test]
fn without_a_lifetime_nothing_is_renewed_and_the_addresses_are_for_ever() {
    let mut bench = master(spec(0));
    assert!(times(&bench.run_for(Duration::from_secs(4000)), RENEW).is_empty());
    assert_eq!(requests(&bench, CLAIM), [(NEW_ADDRESS, 0, None)]);
}

#[test]
fn who_is_not_master_renews_nothing() {
    let mut bench = master(spec(3));
    bench.hear(7, 200, "10.0.0.9");
    assert_eq!(bench.phase(0), Phase::Backup);
    for _ in 0..20 {
        let effects = bench.run_for(Duration::from_secs(1));
        assert!(times(&effects, RENEW).is_empty(), "{effects:?}");
        bench.hear(7, 200, "10.0.0.9");
    }
    bench.link(ETH0, "eth0", false);
    assert!(times(&bench.run_for(Duration::from_secs(20)), RENEW).is_empty());
}

/// In either family, and in one message for each address. IPv6 keeps its `nodad`, so that nothing is probed anew.
#[test]
fn a_renewal_is_one_message_for_each_address_with_both_lifetimes() {
    let bench = master(Spec { addresses: vec![V4, "10.0.0.2", V6, "2001:db8::1"], ..spec(3) });
    let lives = Some((3, 3));
    assert_eq!(requests(&bench, RENEW), [(NEW_ADDRESS, 0, lives), (NEW_ADDRESS, 0, lives)]);
    let v6 = (NEW_ADDRESS, NODAD, lives);
    assert_eq!(requests(&bench, Effect::Renew(Slot(1))), [v6, v6]);
}

/// Linux would let the route of the prefix expire with an address that was permanent.
#[test]
fn an_ipv6_address_loses_its_route_before_it_is_given_a_lifetime() {
    let bench = master(Spec { addresses: vec![V6], ..spec(3) });
    let lives = Some((3, 3));
    let expected = [(NEW_ADDRESS, NODAD | NOPREFIXROUTE, lives), (NEW_ADDRESS, NODAD, lives)];
    assert_eq!(requests(&bench, CLAIM), expected);
}

/// A renewal must not put back in silence what hosts are to hear of.
#[test]
fn what_is_not_there_or_not_ours_is_not_renewed() {
    let mut bench = Bench::master(&[Spec { addresses: vec![V4, "10.0.0.2"], ..spec(3) }]);
    assert!(requests(&bench, RENEW).is_empty(), "the kernel has not told of them yet");
    bench.address(ETH0, V4, true);
    bench.address(ETH0, "10.0.0.2", false);
    assert_eq!(requests(&bench, RENEW).len(), 1, "one of them is somebody else's");
}

#[test]
fn a_longer_or_shorter_lifetime_is_taken_over_by_a_reload() {
    for (before, after) in [(3600, 3), (3, 3600)] {
        let mut bench = master(spec(before));
        let mut new = config(&[spec(after)]);
        bench.handle(Event::Prepare(&new));
        bench.handle(Event::Adopt(&mut new));
        list(&mut bench, &[V4]);
        assert_eq!(bench.effects, [Effect::Join(Slot(0)), RENEW], "{before} -> {after}");
        let expected = if after == 3 { 3 } else { 0 };
        assert_eq!(times(&bench.run_for(Duration::from_secs(3)), RENEW).len(), expected);
        let after = u32::from(after);
        assert_eq!(requests(&bench, RENEW), [(NEW_ADDRESS, 0, Some((after, after)))]);
    }
}

/// Not before it is known which of them are there: a new one is to be announced.
#[test]
fn a_reload_that_switches_it_on_or_off_changes_what_is_there_and_announces_nothing() {
    for (before, after) in [(0, 3), (3, 0)] {
        let dual = |lifetime| Spec { addresses: vec![V4, V6], ..spec(lifetime) };
        let mut bench = master(dual(before));
        let mut new = config(&[dual(after)]);
        bench.handle(Event::Prepare(&new));
        assert!(bench.effects.is_empty());
        bench.handle(Event::Adopt(&mut new));
        list(&mut bench, &[V4, V6]);
        let claims: Vec<_> = bench.effects.iter().filter(|it| !matches!(it, Effect::Join(_))).collect();
        assert_eq!(claims, [&CLAIM, &Effect::Claim(Slot(1))], "{before} -> {after}");
        let lives = (after > 0).then_some((3, 3));
        assert_eq!(requests(&bench, CLAIM), [(NEW_ADDRESS, 0, lives)]);
        assert_eq!(requests(&bench, Effect::Claim(Slot(1))).last(), Some(&(NEW_ADDRESS, NODAD, lives)));
        let effects = bench.run_for(Duration::from_secs(30));
        assert_eq!(times(&effects, RENEW).len(), if after > 0 { 30 } else { 0 });
        assert!(!effects.iter().any(|(_, it)| matches!(it, Effect::Announce { .. } | Effect::Claim(_))));
    }
}

/// The kernel had no memory for it: a third of the lifetime later may be too late.
#[test]
fn a_renewal_that_was_refused_is_made_up_for_within_a_second() {
    let mut bench = master(spec(60));
    let refused = kernel_address(ETH0, V4, true);
    bench.handle(Event::Kernel(Message::Refused { sequence: 0, errno: 12, address: Some(refused) }));
    let effects = bench.run_for(Duration::from_secs(1));
    assert!(effects.iter().any(|(_, effect)| matches!(effect, Effect::DumpLinks(_))), "{effects:?}");
    list(&mut bench, &[V4]);
    assert_eq!(bench.effects, [Effect::Join(Slot(0)), RENEW]);
}

#[test]
fn an_address_that_a_reload_adds_is_announced_although_the_lifetime_changes_too() {
    let mut bench = master(spec(0));
    let mut new = config(&[Spec { addresses: vec![V4, "10.0.0.2"], ..spec(3) }]);
    bench.handle(Event::Prepare(&new));
    bench.handle(Event::Adopt(&mut new));
    list(&mut bench, &[V4]);
    assert!(bench.effects.contains(&CLAIM), "{:?}", bench.effects);
    assert!(bench.effects.contains(&Effect::Announce { slot: Slot(0), repeat: 5 }), "{:?}", bench.effects);
}

/// Answers a synchronisation that has just begun; `ours` are listed with our mark.
fn list(bench: &mut Bench, ours: &[&str]) {
    let [Effect::DumpLinks(sequence), ..] = bench.effects[..] else { panic!("{:?}", bench.effects) };
    bench.link(ETH0, "eth0", true);
    bench.link(ETH1, "eth1", true);
    bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
    let [Effect::DumpAddresses(sequence)] = bench.effects[..] else { panic!("{:?}", bench.effects) };
    [OUR_V4, OUR_V6].iter().for_each(|text| bench.address(ETH0, text, false));
    ours.iter().for_each(|text| bench.address(ETH0, text, true));
    bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
}

fn dropped(bench: &mut Bench, text: &str) {
    bench.handle(Event::Kernel(Message::AddressGone(kernel_address(ETH0, text, true))));
}

/// Law 6. We were stopped, the kernel has dropped the address, and another has taken over: its adverts come first.
#[test]
fn law_06_a_sleeper_whose_address_was_dropped_does_not_put_it_back_before_it_has_read_the_packets() {
    let mut bench = master(spec(3));
    bench.tick(10_000);
    dropped(&mut bench, V4);
    assert!(bench.effects.is_empty(), "{:?}", bench.effects);
    assert!(bench.router.may_take_over(bench.now), "whoever wakes looks for packets before the timer");
    bench.hear(7, 90, "10.0.0.9");
    assert_eq!(bench.phase(0), Phase::Backup);
    assert_eq!(bench.effects, [Effect::Release(Slot(0))]);
    assert!(times(&bench.run_for(Duration::from_secs(3)), CLAIM).is_empty());
}

/// Nobody else is there: it is put back in the same turn, and announced.
#[test]
fn a_sleeper_that_nobody_has_replaced_puts_its_address_back_when_it_has_read_the_packets() {
    let mut bench = master(spec(3));
    bench.tick(10_000);
    dropped(&mut bench, V4);
    assert!(bench.effects.is_empty(), "{:?}", bench.effects);
    bench.handle(Event::Timer);
    let slot = Slot(0);
    let expected = [Effect::Advertise { slot, priority: 100 }, CLAIM, Effect::Announce { slot, repeat: 5 }];
    assert_eq!(bench.effects, expected);
    assert_eq!(bench.counters(0).put_back, 1);
}

/// A master whose peer resigns has another timetable than before, and still lacks its address.
#[test]
fn a_sleeper_that_hears_a_resignation_puts_its_address_back_at_once() {
    let mut bench = master(spec(3));
    bench.tick(10_000);
    dropped(&mut bench, V4);
    bench.hear(7, 0, "10.0.0.9");
    assert_eq!(bench.phase(0), Phase::Master);
    assert!(bench.router.poll_at() <= Some(bench.now));
    bench.handle(Event::Timer);
    assert!(bench.effects.contains(&CLAIM), "{:?}", bench.effects);
}

/// It was not asleep, only slower than the kernel: it is a flushed address.
#[test]
fn an_address_that_the_kernel_drops_under_a_living_master_is_put_back_and_announced() {
    let mut bench = master(spec(3));
    bench.run_for(Duration::from_millis(300));
    dropped(&mut bench, V4);
    assert_eq!(bench.effects, [CLAIM, Effect::Announce { slot: Slot(0), repeat: 5 }]);
    bench.address(ETH0, V4, true);
    assert_eq!(times(&bench.run_for(Duration::from_secs(1)), RENEW).len(), 1);
}

fn dual() -> Spec {
    Spec { addresses: vec![V4, V6], ..spec(3) }
}

/// Law 6. The other family's master has been there as long as this one's: a resignation would shorten the others'
/// patience with it.
#[test]
fn law_06_what_moves_together_with_a_sleeper_does_not_resign() {
    let mut bench = master(dual());
    bench.tick(10_000);
    bench.hear(7, 90, "10.0.0.9");
    assert_eq!((bench.phase(0), bench.phase(1)), (Phase::Backup, Phase::Backup));
    assert_eq!(bench.effects, [Effect::Release(Slot(0)), Effect::Release(Slot(1))]);
}

/// A short stop is none: the companion is still master by right.
#[test]
fn a_companion_that_has_not_slept_resigns() {
    let mut bench = master(dual());
    bench.tick(2_500);
    bench.hear(7, 200, "10.0.0.9");
    assert_eq!(bench.phase(1), Phase::Backup);
    let resigned = Effect::Advertise { slot: Slot(1), priority: 0 };
    assert_eq!(bench.effects.iter().filter(|effect| **effect == resigned).count(), 2, "{:?}", bench.effects);
}

/// Whatever makes it stop: SIGTERM, or a link that is gone.
#[test]
fn law_06_a_sleeper_that_stops_before_it_has_read_the_packets_does_not_resign() {
    for is_asked in [true, false] {
        let mut bench = master(spec(0));
        bench.tick(10_000);
        if is_asked {
            bench.handle(Event::Stop);
        } else {
            bench.link(ETH0, "eth0", false);
        }
        assert_eq!(bench.phase(0), Phase::Initialize);
        assert_eq!(bench.effects, [Effect::Release(Slot(0))]);
    }
}

/// What made it announce came while we were stopped; so did, perhaps, another master.
#[test]
fn law_06_a_sleeper_announces_nothing_before_it_has_read_the_packets() {
    let mut bench = master(spec(0));
    bench.handle(Event::Kernel(Message::Link(link(9))));
    assert!(matches!(bench.effects[..], [Effect::Announce { .. }]), "{:?}", bench.effects);
    bench.run_for(Duration::from_secs(10));
    bench.tick(10_000);
    bench.handle(Event::Kernel(Message::Link(link(10))));
    assert!(bench.effects.is_empty(), "{:?}", bench.effects);
    let mut alone = Bench { router: bench.router.clone(), now: bench.now, effects: vec![] };
    bench.hear(7, 90, "10.0.0.9");
    assert_eq!(bench.effects, [Effect::Release(Slot(0))]);
    alone.handle(Event::Timer);
    let slot = Slot(0);
    assert_eq!(
        alone.effects,
        [Effect::Advertise { slot, priority: 100 }, Effect::Announce { slot, repeat: 5 }]
    );
}

/// Who has resigned may have a successor already, whose adverts are behind it.
#[test]
fn law_06_a_sleeper_does_not_answer_a_resignation_before_it_has_read_the_rest() {
    let mut bench = master(spec(0));
    bench.tick(10_000);
    bench.hear(7, 0, "10.0.0.9");
    assert!(bench.effects.is_empty(), "{:?}", bench.effects);
    bench.hear(7, 90, "10.0.0.8");
    assert_eq!(bench.phase(0), Phase::Backup);
    assert_eq!(bench.effects, [Effect::Release(Slot(0))]);
}

/// The device, with another Ethernet address.
fn link(last: u8) -> vipd::wire::rtnl::Link<'static> {
    let mac = Some(vipd::wire::Mac([2, 0, 0, 0, 0, last]));
    vipd::wire::rtnl::Link {
        index: ETH0,
        name: "eth0",
        mac,
        running: true,
        details: vipd::wire::link::Details::NONE,
    }
}
