//! Router advertisements: when they are due, who sends them, and what a master that goes leaves to say.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use vipd::config::{Config, RouterAdvert};
use vipd::limits::{RA_MAX, RA_PREFIXES_MAX};
use vipd::perform::{Outlet, Unsent, perform};
use vipd::router::{Datagram, Effect, Event, Packet, Slot};
use vipd::vrrp::Phase;
use vipd::wire::IfIndex;
#[cfg(feature = "vmac")]
use vipd::wire::Mac;
#[cfg(feature = "vmac")]
use vipd::wire::link::Details;
use vipd::wire::ra::{AUTONOMOUS, ON_LINK, Prefix};
#[cfg(feature = "vmac")]
use vipd::wire::rtnl::{Link, Message};

use crate::bench::{Bench, ETH0, ETH1, Spec, config};

const SECOND: Duration = Duration::from_secs(1);
const SAID: Effect = Effect::RouterAdvert { position: 0, is_last: false };
const LAST: Effect = Effect::RouterAdvert { position: 0, is_last: true };

fn spec() -> Spec {
    Spec { addresses: vec!["fe80::1", "2001:db8:1::1"], ..Spec::default() }
}

fn advert(instance: u16) -> RouterAdvert {
    RouterAdvert {
        instance,
        lifetime_secs: 1800,
        min_interval_secs: 200,
        max_interval_secs: 600,
        mtu: 0,
        flags: 0,
        prefixes: Default::default(),
        name_servers: Default::default(),
    }
}

/// The first instance speaks.
fn with_advert(specs: &[Spec]) -> Box<Config> {
    let mut config = config(specs);
    config.router_adverts.push(advert(0)).unwrap();
    config
}

fn reload(bench: &mut Bench, mut config: Box<Config>) -> Vec<Effect> {
    bench.handle(Event::Prepare(&config));
    let mut effects = bench.effects.clone();
    bench.handle(Event::Adopt(&mut config));
    effects.extend(bench.effects.clone());
    let ours: &[&str] = &[crate::bench::OUR_V4, crate::bench::OUR_V6, "fe80::1", "2001:db8:1::1"];
    bench.answer_dumps(&[(ETH0, "eth0", true, ours), (ETH1, "eth1", true, &["10.1.0.5", "fe80::1:5"])]);
    effects.retain(|effect| matches!(effect, Effect::RouterAdvert { .. }));
    effects
}

/// A backup that would advertise.
fn backup() -> Bench {
    let mut bench = Bench::new(&[]);
    reload(&mut bench, with_advert(&[spec()]));
    assert_eq!(bench.phase(0), Phase::Backup);
    bench
}

/// A master, in the moment of its takeover.
fn fresh_master() -> Bench {
    let mut bench = backup();
    while bench.phase(0) != Phase::Master {
        bench.now = bench.router.poll_at().unwrap();
        bench.handle(Event::Timer);
    }
    bench
}

/// The moments of the advertisements from now on.
fn said(bench: &mut Bench, span: Duration) -> Vec<Duration> {
    let effects = bench.run_for(span);
    assert!(effects.iter().all(|(_, effect)| *effect != LAST));
    effects.into_iter().filter(|(_, effect)| *effect == SAID).map(|(at, _)| at).collect()
}

fn last_words(bench: &mut Bench, span: Duration) -> Vec<Duration> {
    let effects = bench.run_for(span);
    assert!(effects.iter().all(|(_, effect)| *effect != SAID));
    effects.into_iter().filter(|(_, effect)| *effect == LAST).map(|(at, _)| at).collect()
}

fn ask(bench: &mut Bench, interface: IfIndex) {
    bench.handle(Event::Solicitation(Packet::V6 {
        interface,
        source: "fe80::9".parse().unwrap(),
        destination: "ff02::2".parse().unwrap(),
        hop_limit: 255,
        message: &[133, 0, 0, 0, 0, 0, 0, 0],
    }));
    assert_eq!(bench.effects, [], "an answer waits for its moment");
}

/// RFC 9568 §6.4.2 (AD02): not while it starts, and not as backup, whoever asks.
#[test]
fn ad02_a_backup_says_nothing_to_hosts() {
    let mut bench = backup();
    for _ in 0..1000 {
        bench.hear(7, 200, "fe80::9");
        ask(&mut bench, ETH0);
        assert_eq!(said(&mut bench, SECOND), []);
    }
}

/// RFC 9568 §6.4.3 (AD06), RFC 4861 §6.2.4: the hosts' neighbour caches first, then their routes.
#[test]
fn ad06_a_takeover_is_told_to_hosts_at_once_and_twice_more_soon() {
    let mut bench = fresh_master();
    let position = |wanted: fn(&Effect) -> bool| bench.effects.iter().position(wanted).unwrap();
    let announced = position(|effect| matches!(effect, Effect::Announce { .. }));
    let claimed = position(|effect| matches!(effect, Effect::Claim(_)));
    let told = position(|effect| *effect == SAID);
    assert!(claimed < announced && announced < told);
    assert_eq!(said(&mut bench, SECOND * 100), [SECOND * 16, SECOND * 32]);
}

/// RFC 4861 §6.2.4: uniformly distributed, so that routers do not fall into step.
#[test]
fn advertisements_keep_between_their_intervals_and_vary() {
    let mut bench = fresh_master();
    let all = said(&mut bench, SECOND * 86_400);
    let gaps: Vec<_> = all.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).skip(1).collect();
    assert!(gaps.iter().all(|gap| (200..=600).contains(gap)), "{gaps:?}");
    let mean = gaps.iter().sum::<u64>() / gaps.len() as u64;
    assert!((350..=450).contains(&mean), "{mean}");
    let quarters: Vec<_> =
        (0..4).map(|quarter| gaps.iter().filter(|gap| (**gap - 200) / 101 == quarter).count()).collect();
    assert!(quarters.iter().all(|count| *count > gaps.len() / 8), "{quarters:?}");
}

/// RFC 4861 §6.2.6: within half a second, and not two in three seconds.
#[test]
fn who_asks_is_answered_soon_and_a_crowd_not_more_often() {
    let mut bench = fresh_master();
    let _ = said(&mut bench, SECOND * 100);
    ask(&mut bench, ETH0);
    let answers = said(&mut bench, SECOND * 100);
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0] < SECOND / 2, "{answers:?}");

    let begin = bench.now;
    let mut moments = vec![];
    for _ in 0..30_000 {
        ask(&mut bench, ETH0);
        let now = bench.now.since(begin);
        moments.extend(said(&mut bench, Duration::from_millis(1)).into_iter().map(|at| now + at));
    }
    assert!((8..=11).contains(&moments.len()), "{moments:?}");
    assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= SECOND * 3), "{moments:?}");
}

#[test]
fn a_question_on_another_device_or_that_is_none_is_not_answered() {
    let mut bench = fresh_master();
    let _ = said(&mut bench, SECOND * 100);
    let due = bench.router.poll_at();
    ask(&mut bench, ETH1);
    for (hop_limit, message) in [(254, [133u8, 0, 0, 0, 0, 0, 0, 0]), (255, [134, 0, 0, 0, 0, 0, 0, 0])] {
        bench.handle(Event::Solicitation(Packet::V6 {
            interface: ETH0,
            source: Ipv6Addr::UNSPECIFIED,
            destination: "ff02::2".parse().unwrap(),
            hop_limit,
            message: &message,
        }));
    }
    assert_eq!(bench.router.poll_at(), due);
    assert_eq!(said(&mut bench, SECOND * 3), []);
}

/// The successor has the same address: nothing that hosts have is taken from them.
#[test]
fn a_master_that_yields_is_silent() {
    let mut bench = fresh_master();
    bench.hear(7, 200, "fe80::9");
    assert_eq!(bench.phase(0), Phase::Backup);
    assert!(!bench.effects.contains(&LAST));
    for _ in 0..100 {
        bench.hear(7, 200, "fe80::9");
        let effects = bench.run_for(SECOND);
        assert_eq!(effects, []);
    }
}

/// An interval and the skew of the most patient, after which a successor has spoken that has heard us go.
#[test]
fn who_stops_and_has_a_successor_leaves_the_hosts_to_it() {
    let mut bench = fresh_master();
    let _ = said(&mut bench, SECOND * 100);
    bench.handle(Event::Stop);
    assert!(!bench.effects.contains(&LAST) && !bench.router.is_finished(), "it waits");
    bench.hear(7, 0, "fe80::9");
    assert!(!bench.router.is_finished(), "that one goes as well");
    bench.tick(600);
    bench.hear(7, 90, "fe80::9");
    assert!(bench.router.is_finished());
    assert_eq!(bench.run_for(SECOND * 10), []);
}

/// RFC 4861 §6.2.5.
#[test]
fn who_stops_and_has_no_successor_takes_the_route_away() {
    let mut bench = fresh_master();
    let _ = said(&mut bench, SECOND * 100);
    bench.handle(Event::Stop);
    assert!(!bench.router.is_finished());
    let words = last_words(&mut bench, SECOND * 10);
    assert_eq!(words, [SECOND * 2; 2]);
    assert!(bench.router.is_finished());
}

#[test]
fn who_has_a_fault_and_no_successor_takes_the_route_away_and_gives_it_back() {
    let mut bench = fresh_master();
    let _ = said(&mut bench, SECOND * 100);
    bench.handle(Event::Release(0));
    // It holds the addresses for a successor, and leaves the hosts to that one.
    ask(&mut bench, ETH0);
    let words = last_words(&mut bench, SECOND * 10);
    assert_eq!(words.len(), 2, "{words:?}");
    bench.handle(Event::Reclaim(0));
    let all = said(&mut bench, SECOND * 100);
    assert_eq!(all.len(), 3, "as after any takeover: {all:?}");
}

/// Nobody hears it behind a link without carrier.
#[test]
fn a_link_that_goes_down_takes_the_last_words_with_it() {
    let mut bench = fresh_master();
    bench.link(ETH0, "eth0", false);
    assert_eq!(bench.phase(0), Phase::Initialize);
    assert_eq!(last_words(&mut bench, SECOND * 10), []);
}

#[test]
fn who_is_no_default_router_does_not_cease_to_be_one() {
    let mut bench = Bench::new(&[]);
    let mut config = config(&[spec()]);
    config.router_adverts.push(RouterAdvert { lifetime_secs: 0, ..advert(0) }).unwrap();
    reload(&mut bench, config);
    assert_eq!(said(&mut bench, SECOND * 10).len(), 1);
    bench.handle(Event::Stop);
    assert_eq!(last_words(&mut bench, SECOND * 10), []);
}

#[test]
fn a_reload_switches_it_on_and_off_and_brings_what_is_new_soon() {
    let mut bench = Bench::master(&[spec()]);
    assert_eq!(said(&mut bench, SECOND * 1000), []);
    assert_eq!(reload(&mut bench, with_advert(&[spec()])), [SAID]);
    assert_eq!(said(&mut bench, SECOND * 100).len(), 2);
    // Another instance before it, so that it has another slot.
    let wan = Spec { device: "eth1", vrid: 9, addresses: vec!["10.1.0.1"], ..Spec::default() };
    let mut both = config(&[wan, spec()]);
    both.router_adverts.push(advert(1)).unwrap();
    assert_eq!(reload(&mut bench, both), []);
    assert_eq!(said(&mut bench, SECOND).len(), 1, "the prefixes may be others");
    assert_eq!(reload(&mut bench, config(&[spec()])), [LAST, LAST]);
    assert_eq!(said(&mut bench, SECOND * 1000), []);
}

/// Who is taken out resigns, and the others have it.
#[test]
fn an_instance_that_is_taken_out_leaves_the_hosts_to_its_successor() {
    let mut bench = fresh_master();
    assert_eq!(reload(&mut bench, config(&[])), []);
    assert_eq!(bench.run_for(SECOND * 100), []);
}

/// Law 6: who has slept hears first who has taken over.
#[test]
fn who_wakes_after_another_has_taken_over_says_nothing() {
    let mut bench = fresh_master();
    bench.tick(1_000_000);
    assert!(bench.router.may_take_over(bench.now), "packets first");
    bench.hear(7, 90, "fe80::9");
    assert_eq!(bench.phase(0), Phase::Backup);
    bench.handle(Event::Timer);
    assert!(!bench.effects.contains(&SAID));
}

/// Law 3, and law 5 in the fullest table.
#[test]
fn law_03_and_law_05_hold_for_all_of_them_together() {
    let addresses = ["fe80::1", "fe80::2", "fe80::3", "fe80::4"];
    let specs: Vec<_> = (0..RA_MAX.min(4))
        .map(|number| Spec { vrid: number as u8 + 1, addresses: vec![addresses[number]], ..Spec::default() })
        .collect();
    let mut config = config(&specs);
    for instance in 0..specs.len() {
        config.router_adverts.push(advert(instance as u16)).unwrap();
    }
    let mut bench = Bench::new(&[]);
    reload(&mut bench, config);
    let _ = bench.run_for(SECOND * 100);
    assert!(bench.router.slots().all(|slot| bench.phase(slot.0) == Phase::Master));
    let due = bench.router.poll_at();
    bench.handle(Event::Timer);
    assert_eq!((bench.effects.len(), bench.router.poll_at()), (0, due));
    let sent = bench.run_for(SECOND * 1000);
    for position in 0..specs.len() as u8 {
        let wanted = Effect::RouterAdvert { position, is_last: false };
        assert!(sent.iter().any(|(_, effect)| *effect == wanted), "{position}");
    }
}

/// What leaves.
#[derive(Default)]
struct Tap {
    joined: Vec<(IfIndex, IpAddr)>,
    frames: Vec<(IfIndex, Vec<u8>)>,
}

impl Outlet for Tap {
    fn join(&mut self, interface: IfIndex, group: IpAddr) -> Result<(), Unsent> {
        self.joined.push((interface, group));
        Ok(())
    }

    fn message(&mut self, _: IfIndex, _: IpAddr, _: IpAddr, _: &[u8]) -> Result<(), Unsent> {
        panic!("a message");
    }

    fn advert(&mut self, _: IfIndex, _: &[u8]) -> Result<(), Unsent> {
        panic!("an advert");
    }

    fn datagram(&mut self, _: &Datagram<'_>) -> Result<(), Unsent> {
        panic!("a datagram")
    }

    fn frame(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        self.frames.push((interface, frame.to_vec()));
        Ok(())
    }

    fn netlink(&mut self, _: &[u8]) -> Result<(), Unsent> {
        panic!("a request");
    }

    fn netfilter(&mut self, _: &[u8]) -> Result<(), Unsent> {
        panic!("a batch");
    }

    fn ipvs(&mut self, _: &mut [u8]) -> Result<(), Unsent> {
        panic!("nobody has asked for virtual servers");
    }
}

/// RFC 9568 §8.2.3: from the virtual router's link-local address, as full as can be configured; and then whoever asks
/// is heard.
#[test]
fn ad06_the_frame_is_the_configured_one_and_the_last_one_ends_the_route() {
    let mut config = with_advert(&[spec()]);
    for number in 0..RA_PREFIXES_MAX as u16 {
        let network = Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 0);
        let prefix =
            Prefix { network, len: 64, flags: ON_LINK | AUTONOMOUS, valid_secs: 7200, preferred_secs: 3600 };
        config.prefixes.push(prefix).unwrap();
        config.name_servers.push(network).unwrap();
    }
    let all = vipd::config::Span { start: 0, len: RA_PREFIXES_MAX as u16 };
    config.router_adverts[0].prefixes = all;
    config.router_adverts[0].name_servers = all;
    let mut bench = Bench::new(&[]);
    reload(&mut bench, config);
    let _ = bench.run_for(SECOND * 10);
    let source = bench.router.view(Slot(0)).unwrap().addresses().next().unwrap().1.address;
    for (effect, lifetime) in [(SAID, [7, 8]), (LAST, [0, 0])] {
        let mut tap = Tap::default();
        perform(&bench.router, effect, &mut tap).unwrap();
        let (interface, frame) = &tap.frames[0];
        assert_eq!((tap.frames.len(), *interface), (1, ETH0));
        assert_eq!(frame.len(), 14 + 40 + 16 + 8 + RA_PREFIXES_MAX * 32 + 8 + RA_PREFIXES_MAX * 16);
        assert_eq!(IpAddr::from(<[u8; 16]>::try_from(&frame[22..38]).unwrap()), source);
        assert_eq!(frame[60..62], lifetime);
        assert_eq!(frame[6..12], [2, 0, 0, 0, 0, 2]);
        let joined: &[_] = if effect == SAID { &[(ETH0, "ff02::2".parse().unwrap())] } else { &[] };
        assert_eq!(tap.joined, joined);
    }
}

/// Hosts are told of a router when it is one.
#[test]
fn while_the_claim_waits_for_its_script_hosts_are_told_nothing() {
    let mut bench = Bench::new(&[]);
    reload(&mut bench, with_advert(&[Spec { claim_secs: 2, ..spec() }]));
    let effects = bench.run_for(SECOND * 10);
    let moment = |wanted: fn(&Effect) -> bool| effects.iter().position(|(_, effect)| wanted(effect)).unwrap();
    let claimed = moment(|effect| matches!(effect, Effect::Claim(_)));
    let told = moment(|effect| *effect == SAID);
    assert!(moment(|effect| matches!(effect, Effect::Advertise { .. })) < claimed);
    assert!(claimed < told && effects[claimed].0 == effects[told].0);
}

#[cfg(feature = "vmac")]
const VMAC: IfIndex = IfIndex(9);
#[cfg(feature = "vmac")]
const MAC: Mac = Mac([0, 0, 0x5e, 0, 2, 7]);

/// The kernel tells of the virtual MAC's device, and lists it if it is asked.
#[cfg(feature = "vmac")]
fn told_of_device(bench: &mut Bench, is_on: bool) {
    let details = Details { macvlan_on: Some(ETH0), is_on, ..Details::NONE };
    let link = Link { index: VMAC, name: "vrrp6.7", mac: Some(MAC), running: true, details };
    bench.handle(Event::Kernel(Message::Link(link)));
    while let Some(Effect::DumpLinks(sequence)) =
        bench.effects.iter().copied().find(|it| matches!(it, Effect::DumpLinks(_)))
    {
        bench.link(ETH0, "eth0", true);
        bench.handle(Event::Kernel(Message::Link(link)));
        bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
        let Effect::DumpAddresses(sequence) = bench.effects[0] else { panic!("{:?}", bench.effects) };
        bench.address(ETH0, crate::bench::OUR_V6, false);
        bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
    }
}

/// RFC 9568 §8.2.3: from the device of the virtual MAC, which is named in the option too; and whoever asks there is heard.
#[cfg(feature = "vmac")]
#[test]
fn ad06_with_a_virtual_mac_it_leaves_from_there_and_names_it() {
    let mut bench = Bench::new(&[]);
    reload(&mut bench, with_advert(&[Spec { has_vmac: true, ..spec() }]));
    told_of_device(&mut bench, false);
    assert_eq!(bench.phase(0), Phase::Backup);
    let _ = bench.run_for(SECOND * 4);
    assert_eq!(bench.phase(0), Phase::Master);
    told_of_device(&mut bench, true);
    let mut tap = Tap::default();
    perform(&bench.router, SAID, &mut tap).unwrap();
    let [(VMAC, frame)] = &tap.frames[..] else { panic!("{:?}", tap.frames) };
    assert_eq!(frame[6..12], MAC.0);
    let named = [[1, 1].as_slice(), &MAC.0].concat();
    assert!(frame[70..].chunks_exact(8).any(|option| option == named), "{frame:02x?}");
    assert_eq!(tap.joined, [(VMAC, "ff02::2".parse().unwrap())]);
    ask(&mut bench, VMAC);
    assert_eq!(said(&mut bench, SECOND * 4).len(), 1);
}
