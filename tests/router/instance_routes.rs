//! Routes and rules that move with a virtual router: what is asked of the kernel, in which order, and when again.

use std::time::Duration;

use vipd::config::{Config, VirtualRoute, VirtualRule};
use vipd::router::{Effect, Effects, Event, RouteOrRule, Router, Routing, Slot};
use vipd::vrrp::Phase;
use vipd::wire::IfIndex;
use vipd::wire::route::{Kind, Network, Route, Rule};
use vipd::wire::rtnl::Message;

use crate::bench::{Bench, ETH0, Spec, config, performed};

const SECOND: Duration = Duration::from_secs(1);
const SETTLE: Effect = Effect::Routes(Routing::Settle);

/// The types of netlink requests.
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const NEW_RULE: u16 = 32;
const DELETE_RULE: u16 = 33;

fn network(text: &str, prefix_len: u8) -> Network {
    Network { address: text.parse().unwrap(), prefix_len }
}

/// An IPv4 route, an IPv6 route and an IPv4 rule of the first instance.
fn with_routes(config: &mut Config, gateway: &str) {
    let route = Route {
        destination: network("192.0.2.0", 24),
        kind: Kind::Unicast,
        gateway: Some(gateway.parse().unwrap()),
        source: None,
        interface: None,
        scope: 0,
        table: 254,
        metric: 0,
    };
    let eth0 = config.interface("eth0");
    let v6 = Route { destination: network("2001:db8::", 32), gateway: None, ..route };
    config.virtual_routes.push(VirtualRoute { instance: 0, interface: None, route }).unwrap();
    config.virtual_routes.push(VirtualRoute { instance: 0, interface: eth0, route: v6 }).unwrap();
    let rule = Rule { is_v6: false, from: None, to: None, interface: "", mark: 5, table: 9, priority: 7 };
    config.virtual_rules.push(VirtualRule { instance: 0, interface: eth0, rule }).unwrap();
}

/// Gives a router a configuration, as a reload does; what it does then.
fn reload(bench: &mut Bench, mut config: Box<Config>) -> Vec<Effect> {
    bench.handle(Event::Prepare(&config));
    let effects = bench.effects.clone();
    let mut adopted = Effects::new();
    bench.router.handle(bench.now, Event::Adopt(&mut config), &mut adopted);
    bench.effects = adopted.to_vec();
    effects
}

fn bench(addresses: &[&'static str]) -> Bench {
    let spec = Spec { addresses: addresses.to_vec(), ..Spec::default() };
    let mut bench = Bench::new(std::slice::from_ref(&spec));
    let mut config = config(&[spec]);
    with_routes(&mut config, "10.0.0.254");
    reload(&mut bench, config);
    bench.answer_dumps(&[
        (ETH0, "eth0", true, &["10.0.0.5", "fe80::5"]),
        (IfIndex(3), "eth1", true, &["10.1.0.5"]),
    ]);
    bench
}

fn master(addresses: &[&'static str]) -> Bench {
    let mut bench = bench(addresses);
    bench.run_for(SECOND * 20);
    assert!(bench.router.slots().all(|slot| bench.phase(slot.0) == Phase::Master));
    bench
}

/// Type and family of each request.
fn asked(bench: &Bench, effect: Effect) -> Vec<(u16, u8)> {
    performed(bench, effect).requests.iter().map(|it| (u16::from_ne_bytes([it[4], it[5]]), it[16])).collect()
}

#[test]
fn routes_come_after_the_addresses_and_go_before_them() {
    let bench = master(&["10.0.0.1"]);
    let claimed = asked(&bench, Effect::Claim(Slot(0)));
    assert_eq!(claimed, [(NEW_ADDRESS, 2), (NEW_ROUTE, 2), (NEW_ROUTE, 10), (NEW_RULE, 2)]);
    let released = asked(&bench, Effect::Release(Slot(0)));
    assert_eq!(released, [(DELETE_RULE, 2), (DELETE_ROUTE, 10), (DELETE_ROUTE, 2), (DELETE_ADDRESS, 2)]);
}

#[test]
fn each_moves_with_the_virtual_router_of_its_family_where_there_is_one() {
    let bench = master(&["10.0.0.1", "fe80::1"]);
    assert_eq!(asked(&bench, Effect::Claim(Slot(0))), [(NEW_ADDRESS, 2), (NEW_ROUTE, 2), (NEW_RULE, 2)]);
    assert_eq!(asked(&bench, Effect::Claim(Slot(1))), [(NEW_ADDRESS, 10), (NEW_ROUTE, 10)]);
}

#[test]
fn settling_adds_those_of_a_master_and_removes_those_of_a_backup() {
    let backup = bench(&["10.0.0.1"]);
    assert_eq!(asked(&backup, SETTLE), [(DELETE_RULE, 2), (DELETE_ROUTE, 10), (DELETE_ROUTE, 2)]);
    let master = master(&["10.0.0.1"]);
    assert_eq!(asked(&master, SETTLE), [(NEW_ROUTE, 2), (NEW_ROUTE, 10), (NEW_RULE, 2)]);
}

/// The kernel keeps them over a crash.
#[test]
fn what_a_crash_has_left_is_removed_at_the_start_and_after_that_none_is_asked_about_in_vain() {
    let mut bench = Bench::unanswered(&[]);
    let mut first = config(&[Spec::default()]);
    with_routes(&mut first, "10.0.0.254");
    *bench.router = Router::new();
    bench.handle(Event::Adopt(&mut first));
    bench.handle(Event::Start { keeps_marks: true, seed: 1 });
    let forget = Effect::Routes(Routing::Forget);
    assert_eq!(bench.effects.first(), Some(&forget), "{:?}", bench.effects);
    assert_eq!(asked(&bench, forget), [(DELETE_RULE, 2), (DELETE_ROUTE, 10), (DELETE_ROUTE, 2)]);
    let none = Bench::unanswered(&[Spec::default()]);
    assert!(!none.effects.iter().any(|effect| matches!(effect, Effect::Routes(_))));
}

fn settles(effects: &[(Duration, Effect)]) -> Vec<Duration> {
    effects.iter().filter(|(_, effect)| *effect == SETTLE).map(|(at, _)| *at).collect()
}

#[test]
fn what_is_gone_is_put_back_at_once_and_then_at_most_once_a_second() {
    let mut bench = master(&["10.0.0.1"]);
    bench.run_for(SECOND * 5);
    let mut all = vec![];
    let begin = bench.now;
    for _ in 0..300 {
        bench.handle(Event::RouteGone);
        assert!(bench.effects.is_empty(), "a timer does it");
        let from = bench.now.since(begin);
        all.extend(bench.run_for(SECOND / 100).iter().map(|(at, effect)| (from + *at, *effect)));
    }
    assert_eq!(settles(&all), [Duration::ZERO, SECOND, SECOND * 2, SECOND * 3]);
    assert_eq!(settles(&bench.run_for(SECOND * 60)), []);
}

#[test]
fn a_link_that_comes_up_and_an_address_that_appears_have_them_looked_after() {
    let mut bench = master(&["10.0.0.1"]);
    bench.run_for(SECOND * 5);
    bench.link(IfIndex(3), "eth1", false);
    bench.link(IfIndex(3), "eth1", true);
    // It is the device of no route and of no instance: any may be reached through it.
    assert_eq!(settles(&bench.run_for(SECOND * 5)).len(), 1);
    bench.address(ETH0, "10.0.0.77", false);
    assert_eq!(settles(&bench.run_for(SECOND * 5)).len(), 1);
}

#[test]
fn a_refused_route_is_tried_again_each_second_and_what_needs_no_repeating_is_not() {
    let mut bench = master(&["10.0.0.1"]);
    bench.run_for(SECOND * 5);
    let refuse = |bench: &mut Bench, errno: i32, is_removal: bool| {
        let sequence = RouteOrRule::Route(0).sequence(is_removal);
        bench.handle(Event::Kernel(Message::Refused { sequence, errno, address: None }));
        settles(&bench.run_for(SECOND * 5)).len()
    };
    assert_eq!(refuse(&mut bench, 17, false), 0, "EEXIST: it is there");
    assert_eq!(refuse(&mut bench, 3, true), 0, "ESRCH: it is not there");
    assert_eq!(refuse(&mut bench, 2, true), 0, "ENOENT: the same, of a rule");
    assert_eq!(refuse(&mut bench, 101, false), 1, "ENETUNREACH");
    assert_eq!(refuse(&mut bench, 12, true), 1, "ENOMEM");
    let asks = bench.run_for(SECOND * 5);
    assert!(!asks.iter().any(|(_, effect)| matches!(effect, Effect::DumpLinks(_))), "{asks:?}");
}

#[test]
fn a_reload_withdraws_what_it_changes_and_nothing_else() {
    let mut bench = master(&["10.0.0.1"]);
    let mut same = config(&[Spec::default()]);
    with_routes(&mut same, "10.0.0.254");
    assert_eq!(reload(&mut bench, same), []);
    let mut other = config(&[Spec::default()]);
    with_routes(&mut other, "10.0.0.253");
    let withdrawn = Effect::Routes(Routing::Withdraw(RouteOrRule::Route(0)));
    assert_eq!(reload(&mut bench, other), [withdrawn]);
    let without = config(&[Spec::default()]);
    assert_eq!(reload(&mut bench, without).len(), 3);
}

/// The addresses are not there yet.
#[test]
fn a_master_that_waits_for_its_claim_script_has_no_routes() {
    let spec = Spec { claim_secs: 10, ..Spec::default() };
    let mut bench = Bench::new(std::slice::from_ref(&spec));
    let mut config = config(&[spec]);
    with_routes(&mut config, "10.0.0.254");
    reload(&mut bench, config);
    bench.answer_dumps(&[(ETH0, "eth0", true, &["10.0.0.5"])]);
    bench.run_for(SECOND * 5);
    assert_eq!(bench.phase(0), Phase::Master);
    assert_eq!(asked(&bench, SETTLE), [(DELETE_RULE, 2), (DELETE_ROUTE, 10), (DELETE_ROUTE, 2)]);
}
