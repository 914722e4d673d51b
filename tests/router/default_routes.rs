//! Tracked default routes: when the kernel is asked for all of them, and what is made of its answer.

use std::time::Duration;

use vipd::config::{Config, DefaultRoute, Family, Span, Track, Tracked};
use vipd::config::{InterfaceId, RouteId};
use vipd::router::{Effect, Event};
use vipd::vrrp::{Fault, Phase, State};
use vipd::wire::IfIndex;
use vipd::wire::rtnl::{self, Message};

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, Spec, config, kernel_address};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(50);

/// The instance tracks one route: of this family, over this device.
fn tracking(interface: Option<&str>, family: Option<Family>) -> Box<Config> {
    let mut config = config(&[Spec::default()]);
    let name = config.keep_text("uplink").unwrap();
    let interface = interface.map(|name| config.interface(name).unwrap());
    config.default_routes.push(DefaultRoute { name, interface, family }).unwrap();
    config.tracks.push(Track { what: Tracked::Route(RouteId(0)), weight: 0, is_reversed: false }).unwrap();
    config.instances[0].tracks = Span { start: 0, len: 1 };
    config
}

/// A message of rtnetlink about a default route: RTM_NEWROUTE is 24, RTM_DELROUTE 25, NLM_F_REPLACE 0x100.
fn route(kind: u16, flags: u16, family: u8, device: IfIndex) -> Vec<u8> {
    let mut bytes = 36u32.to_ne_bytes().to_vec();
    bytes.extend([kind.to_ne_bytes(), flags.to_ne_bytes()].concat());
    bytes.extend([0; 8]);
    bytes.extend([family, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
    bytes.extend([8u16.to_ne_bytes(), 4u16.to_ne_bytes()].concat());
    bytes.extend(device.0.to_ne_bytes());
    bytes
}

const V4: u8 = 2;
const V6: u8 = 10;

struct Tracker(Bench);

impl Tracker {
    /// Everything but the routes is known.
    fn new(config: Box<Config>) -> Self {
        let mut config = config;
        let mut bench = Bench::unanswered(&[]);
        let asked = bench.effects.clone();
        bench.handle(Event::Adopt(&mut config));
        bench.effects = asked;
        bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4]), (ETH1, "eth1", true, &[])]);
        Self(bench)
    }

    fn told(&mut self, kind: u16, flags: u16, family: u8, device: IfIndex) {
        let bytes = route(kind, flags, family, device);
        self.0.handle(Event::Kernel(rtnl::messages(&bytes).next().unwrap()));
    }

    /// Lets time pass until the routes are asked for, at most this long; `None`: they are not.
    fn next_look(&mut self, most: Duration) -> Option<(Duration, u32)> {
        let begun = self.0.now;
        while let Some(at) = self.0.router.poll_at().filter(|at| at.since(begun) <= most) {
            self.0.now = self.0.now.max(at);
            self.0.handle(Event::Timer);
            let asked = self.0.effects.iter().find_map(|effect| match effect {
                Effect::DumpRoutes(sequence) => Some(*sequence),
                _ => None,
            });
            if let Some(sequence) = asked {
                return Some((self.0.now.since(begun), sequence));
            }
        }
        self.0.now = begun + most;
        None
    }

    fn done(&mut self, sequence: u32, torn: bool) {
        self.0.handle(Event::Kernel(Message::Done { sequence, torn }));
    }

    fn fault(&self) -> Option<Fault> {
        match self.0.state(0) {
            State::Initialize { fault } => Some(fault),
            State::Backup { .. } | State::Master { .. } => None,
        }
    }

    /// Up, and master, with the first look behind it for a while.
    fn master() -> Self {
        let mut it = Self::new(tracking(None, None));
        let (_, sequence) = it.next_look(SECOND).unwrap();
        it.told(24, 2, V4, ETH1);
        it.done(sequence, false);
        it.0.run_for(SECOND * 20);
        assert_eq!(it.0.phase(0), Phase::Master);
        it
    }
}

#[test]
fn who_tracks_a_route_waits_for_the_first_list() {
    let mut it = Tracker::new(tracking(None, None));
    assert_eq!(it.fault(), Some(Fault::Untried));
    let (after, sequence) = it.next_look(SECOND).unwrap();
    assert_eq!(after, Duration::ZERO);
    it.done(sequence, false);
    assert_eq!(it.fault(), Some(Fault::Route));
    it.told(24, 0, V6, ETH1);
    assert_eq!(it.fault(), None, "news are believed at once");
}

#[test]
fn without_a_tracked_route_none_is_asked_for() {
    let mut it = Tracker::new(config(&[Spec::default()]));
    it.told(25, 0, V4, ETH1);
    it.0.link(ETH1, "eth1", false);
    assert_eq!(it.next_look(SECOND * 30), None);
}

#[test]
fn family_and_device_must_be_the_ones_that_are_tracked() {
    for (interface, family, told, is_it) in [
        (None, Some(Family::V4), (V4, ETH1), true),
        (None, Some(Family::V4), (V6, ETH1), false),
        (None, Some(Family::V6), (V6, ETH1), true),
        (Some("eth1"), None, (V4, ETH1), true),
        (Some("eth1"), None, (V4, ETH0), false),
        (Some("eth9"), None, (V4, ETH0), false),
    ] {
        let mut it = Tracker::new(tracking(interface, family));
        let (_, sequence) = it.next_look(SECOND).unwrap();
        it.told(24, 2, told.0, told.1);
        it.done(sequence, false);
        assert_eq!(it.fault().is_none(), is_it, "{interface:?} {family:?} {told:?}");
    }
}

/// That one has gone is no reason to give up: the list says whether there is another.
#[test]
fn a_route_that_goes_has_us_look_for_another() {
    for is_another_there in [true, false] {
        let mut it = Tracker::master();
        it.told(25, 0, V4, ETH1);
        let (after, sequence) = it.next_look(SECOND).unwrap();
        assert!((MOMENT - SECOND / 1000..=MOMENT).contains(&after), "{after:?}");
        assert_eq!(it.0.phase(0), Phase::Master);
        if is_another_there {
            it.told(24, 2, V4, ETH0);
        }
        it.done(sequence, false);
        assert_eq!(it.fault(), (!is_another_there).then_some(Fault::Route));
    }
}

/// Links and addresses that go take routes along without a word; one that replaces another may lead elsewhere.
#[test]
fn whatever_may_take_a_route_along_has_us_look() {
    let events: [fn(&mut Tracker); 4] = [
        |it| it.0.link(ETH1, "eth1", false),
        |it| it.0.handle(Event::Kernel(Message::LinkGone(IfIndex(99)))),
        |it| it.0.handle(Event::Kernel(Message::AddressGone(kernel_address(ETH1, "10.1.0.5", false)))),
        |it| it.told(24, 0x100, V4, ETH0),
    ];
    for event in events {
        let mut it = Tracker::master();
        event(&mut it);
        assert!(it.next_look(SECOND / 10).is_some());
    }
    let mut it = Tracker::master();
    it.told(24, 0, V4, ETH0);
    assert_eq!(it.next_look(SECOND * 5), None, "one more is not one less");
}

/// However often something happens.
#[test]
fn the_routes_are_asked_for_once_a_second_at_most() {
    let mut it = Tracker::master();
    let begun = it.0.now;
    let mut looks = 0;
    while it.0.now.since(begun) < SECOND * 10 {
        it.told(25, 0, V4, ETH1);
        it.0.link(ETH1, "eth1", looks % 2 == 0);
        if let Some((_, sequence)) = it.next_look(SECOND / 100) {
            looks += 1;
            it.told(24, 2, V4, ETH0);
            it.done(sequence, false);
        }
    }
    assert!((9..=11).contains(&looks), "{looks}");
    assert_eq!(it.0.phase(0), Phase::Master);
}

/// Its end is lost, or its middle: it is asked for again, and links and addresses need not wait for it.
#[test]
fn a_list_of_routes_that_does_not_end_is_given_up() {
    let mut it = Tracker::master();
    it.told(25, 0, V4, ETH1);
    let (_, first) = it.next_look(SECOND).unwrap();
    let (after, second) = it.next_look(SECOND * 20).unwrap();
    assert!(after <= SECOND * 10 && second != first, "{after:?}");
    it.0.handle(Event::Overrun);
    assert!(matches!(it.0.effects[..], [Effect::DumpLinks(_)]), "{:?}", it.0.effects);
    let asked = it.0.effects.clone();
    it.done(second, false);
    it.0.effects = asked;
    assert_eq!(it.0.phase(0), Phase::Master, "what has been given up says nothing");
    it.0.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4]), (ETH1, "eth1", true, &[])]);
    let (_, third) = it.next_look(SECOND * 2).unwrap();
    it.done(third, true);
    assert_eq!(it.fault(), Some(Fault::Route));
    // It was torn: routes were changing meanwhile.
    let (after, _) = it.next_look(SECOND * 20).unwrap();
    assert!(after > SECOND && after <= SECOND * 10, "{after:?}");
}

#[test]
fn a_reload_keeps_how_a_route_stands_by_its_name() {
    let mut it = Tracker::master();
    let mut new = tracking(Some("eth1"), None);
    it.0.handle(Event::Prepare(&new));
    it.0.handle(Event::Adopt(&mut new));
    assert_eq!(it.0.phase(0), Phase::Master);
    assert_eq!(it.0.router.config().default_routes[0].interface, Some(InterfaceId(1)));
    it.0.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4]), (ETH1, "eth1", true, &[])]);
    let (_, sequence) = it.next_look(SECOND * 2).unwrap();
    it.told(24, 2, V4, ETH0);
    it.done(sequence, false);
    assert_eq!(it.fault(), Some(Fault::Route), "it leads over another device than is wanted now");
}
