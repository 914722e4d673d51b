//! Hooks: one at a time for an owner, and the newest state always.

use std::time::Duration;

use vipd::router::{Effect, Event, HookOwner, Ticket};

use crate::bench::{Bench, ETH0, Spec};

const OWNER: HookOwner = HookOwner::Instance(0);

fn hooked() -> Spec {
    Spec { notify: "/etc/vipd/hook", ..Spec::default() }
}

fn notified(bench: &Bench) -> Vec<Ticket> {
    bench
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Notify(OWNER, ticket) => Some(*ticket),
            _ => None,
        })
        .collect()
}

fn told(bench: &Bench) -> (String, &'static str, String) {
    let hook = bench.router.hook(OWNER).unwrap();
    (hook.to_string(), hook.previous.name(), hook.cause.unwrap().to_string())
}

#[test]
fn the_first_state_and_every_transition_are_told() {
    let mut bench = Bench::new(&[hooked()]);
    let [first] = notified(&bench)[..] else { panic!("{:?}", bench.effects) };
    assert_eq!(told(&bench), ("INSTANCE lan BACKUP".into(), "", "ready".into()));
    bench.handle(Event::HookEnded(first));
    bench.run_for(Duration::from_secs(4));
    assert_eq!(told(&bench), ("INSTANCE lan MASTER".into(), "BACKUP", "no master heard".into()));
}

#[test]
fn no_hook_runs_while_another_of_its_owner_does_and_the_newest_state_follows() {
    let mut bench = Bench::new(&[hooked()]);
    let [first] = notified(&bench)[..] else { panic!() };
    // Three transitions while the first script runs.
    let during = bench.run_for(Duration::from_secs(4));
    assert!(!during.iter().any(|(_, effect)| matches!(effect, Effect::Notify(..))));
    bench.hear(7, 200, "10.0.0.9");
    assert!(notified(&bench).is_empty());
    bench.link(ETH0, "eth0", false);
    assert!(notified(&bench).is_empty());
    bench.handle(Event::HookEnded(first));
    let [second] = notified(&bench)[..] else { panic!("{:?}", bench.effects) };
    assert_ne!(first, second);
    assert_eq!(told(&bench).0, "INSTANCE lan FAULT");
    bench.handle(Event::HookEnded(second));
    assert!(notified(&bench).is_empty(), "said is said");
}

#[test]
fn an_instance_of_two_families_is_told_once() {
    let mut bench = Bench::new(&[Spec { addresses: vec!["10.0.0.1", "fe80::1"], ..hooked() }]);
    let [first] = notified(&bench)[..] else { panic!("{:?}", bench.effects) };
    bench.handle(Event::HookEnded(first));
    let effects = bench.run_for(Duration::from_secs(4));
    assert_eq!(effects.iter().filter(|(_, effect)| matches!(effect, Effect::Notify(..))).count(), 1);
}

#[test]
fn a_group_is_told_beside_its_instances() {
    let bench = Bench::new(&[Spec { group: Some(0), ..hooked() }]);
    let owners: Vec<_> = bench
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Notify(owner, _) => Some(*owner),
            _ => None,
        })
        .collect();
    assert_eq!(owners, [OWNER, HookOwner::Group(0)]);
    assert_eq!(bench.router.hook(HookOwner::Group(0)).unwrap().to_string(), "GROUP group BACKUP");
}

#[test]
fn the_daemon_ends_only_when_the_last_word_was_said() {
    let mut bench = Bench::new(&[hooked()]);
    let [first] = notified(&bench)[..] else { panic!() };
    bench.handle(Event::Stop);
    assert!(!bench.router.is_finished());
    bench.handle(Event::HookEnded(first));
    let [last] = notified(&bench)[..] else { panic!("{:?}", bench.effects) };
    assert_eq!(told(&bench).0, "INSTANCE lan STOP");
    assert!(!bench.router.is_finished());
    bench.handle(Event::HookEnded(last));
    assert!(bench.router.is_finished());
}

/// A ticket is good over a reload that moves every index.
#[test]
fn a_hook_that_ends_after_a_reload_is_still_known() {
    let other = Spec { name: "other", vrid: 9, addresses: vec!["10.0.0.2"], ..Spec::default() };
    let mut bench = Bench::new(&[hooked()]);
    let [first] = notified(&bench)[..] else { panic!() };
    bench.run_for(Duration::from_secs(4));
    let mut new = crate::bench::config(&[other, hooked()]);
    bench.handle(Event::Prepare(&new));
    bench.handle(Event::Adopt(&mut new));
    bench.handle(Event::HookEnded(first));
    assert!(
        bench.effects.iter().any(|effect| matches!(effect, Effect::Notify(HookOwner::Instance(1), _))),
        "{:?}",
        bench.effects
    );
    assert_eq!(bench.router.hook(HookOwner::Instance(1)).unwrap().to_string(), "INSTANCE lan MASTER");
}

#[test]
fn without_a_script_nothing_is_run() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Stop);
    assert!(notified(&bench).is_empty());
    assert!(bench.router.is_finished());
}

/// The half that a reload takes out stops; the instance does not.
#[test]
fn taking_out_one_family_is_no_news_of_the_instance() {
    let dual = Spec { addresses: vec!["10.0.0.1", "fe80::1"], ..hooked() };
    let mut bench = Bench::new(&[dual]);
    let [first] = notified(&bench)[..] else { panic!() };
    bench.handle(Event::HookEnded(first));
    let master = bench.run_for(Duration::from_secs(4));
    let ticket = master.iter().find_map(|(_, effect)| match effect {
        Effect::Notify(OWNER, ticket) => Some(*ticket),
        _ => None,
    });
    bench.handle(Event::HookEnded(ticket.unwrap()));
    let mut new = crate::bench::config(&[hooked()]);
    bench.handle(Event::Prepare(&new));
    assert!(notified(&bench).is_empty(), "{:?}", bench.effects);
    bench.handle(Event::Adopt(&mut new));
    assert!(notified(&bench).is_empty(), "{:?}", bench.effects);
}

#[test]
fn an_instance_that_is_taken_out_is_told_to_stop() {
    let mut bench = Bench::new(&[hooked()]);
    let [first] = notified(&bench)[..] else { panic!() };
    bench.handle(Event::HookEnded(first));
    bench.handle(Event::Prepare(&crate::bench::config(&[])));
    assert_eq!(notified(&bench).len(), 1);
    assert_eq!(told(&bench).0, "INSTANCE lan STOP");
}

/// The script that tells of its stop still runs when the instance comes back.
#[test]
fn an_instance_that_comes_back_waits_for_the_script_of_its_stop() {
    let mut bench = Bench::new(&[hooked()]);
    let [first] = notified(&bench)[..] else { panic!() };
    bench.handle(Event::HookEnded(first));
    let mut none = crate::bench::config(&[]);
    bench.handle(Event::Prepare(&none));
    let [stop] = notified(&bench)[..] else { panic!("{:?}", bench.effects) };
    bench.handle(Event::Adopt(&mut none));
    let mut again = crate::bench::config(&[hooked()]);
    bench.handle(Event::Prepare(&again));
    bench.handle(Event::Adopt(&mut again));
    let meanwhile = bench.run_for(Duration::from_secs(4));
    assert!(!meanwhile.iter().any(|(_, effect)| matches!(effect, Effect::Notify(..))));
    bench.answer_dumps(&[(ETH0, "eth0", true, &[crate::bench::OUR_V4])]);
    assert!(notified(&bench).is_empty(), "{:?}", bench.effects);
    bench.handle(Event::HookEnded(stop));
    assert_eq!(notified(&bench).len(), 1);
    assert_eq!(told(&bench).0, "INSTANCE lan BACKUP");
}
