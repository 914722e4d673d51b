//! What is to be done before a new master claims its addresses.

use std::time::Duration;

use vipd::config::Config;
use vipd::router::{Effect, Event, HookOwner, Slot, Ticket};
use vipd::vrrp::Phase;
use vipd::wire::rtnl::Message;

use crate::bench::{Bench, ETH0, OUR_V4, Spec, config, kernel_address, sent};

const SECOND: Duration = Duration::from_secs(1);
const NEVER_SOONER: Duration = Duration::from_millis(10);

fn waiting(secs: u8) -> Spec {
    Spec { claim_secs: secs, ..Spec::default() }
}

/// A router that has just become master and has started the script.
fn taking_over(spec: Spec) -> (Bench, Ticket) {
    let mut bench = Bench::new(&[spec]);
    let effects: Vec<_> = bench.run_for(SECOND * 4).into_iter().map(|(_, effect)| effect).collect();
    assert_eq!(bench.phase(0), Phase::Master);
    let started: Vec<_> = effects.iter().filter_map(prepared).collect();
    let [ticket] = started[..] else { panic!("{effects:?}") };
    // It is said that it is master, and nothing else is done.
    assert!(!sent(&effects).is_empty());
    assert!(!effects.iter().any(claims), "{effects:?}");
    (bench, ticket)
}

fn prepared(effect: &Effect) -> Option<Ticket> {
    match effect {
        Effect::Prepare(0, ticket) => Some(*ticket),
        _ => None,
    }
}

fn claims(effect: &Effect) -> bool {
    matches!(effect, Effect::Claim(_) | Effect::Announce { .. } | Effect::Renew(_))
}

fn claimed(effects: &[Effect]) -> bool {
    let order: Vec<_> = effects.iter().filter(|effect| claims(effect)).collect();
    matches!(order[..], [Effect::Claim(Slot(0)), Effect::Announce { slot: Slot(0), repeat: 5 }])
}

#[test]
fn the_addresses_are_claimed_and_announced_when_the_script_has_ended() {
    let (mut bench, ticket) = taking_over(waiting(10));
    let hook = bench.router.claim_hook(0).unwrap();
    assert_eq!((hook.to_string(), hook.previous.name()), ("INSTANCE lan CLAIM".into(), "BACKUP"));
    assert_eq!(hook.script, "/etc/vipd/claim");
    bench.handle(Event::HookEnded(ticket));
    assert!(claimed(&bench.effects), "{:?}", bench.effects);
    // The second burst comes five seconds after the first, as ever.
    let later = bench.run_for(SECOND * 8);
    let bursts: Vec<_> = later.iter().filter(|(_, effect)| claims(effect)).collect();
    let [(at, Effect::Announce { repeat: 5, .. })] = bursts[..] else { panic!("{bursts:?}") };
    assert!(at.abs_diff(SECOND * 5) < NEVER_SOONER, "{at:?}");
    bench.handle(Event::HookEnded(ticket));
    assert!(!bench.effects.iter().any(claims), "once");
}

#[test]
fn a_script_that_does_not_end_is_waited_for_no_longer_than_asked() {
    let (mut bench, ticket) = taking_over(waiting(2));
    let before: Vec<_> = bench.run_for(SECOND).into_iter().map(|(_, effect)| effect).collect();
    assert!(!before.iter().any(claims), "{before:?}");
    let after: Vec<_> = bench.run_for(SECOND * 2).into_iter().map(|(_, effect)| effect).collect();
    assert!(claimed(&after), "{after:?}");
    bench.handle(Event::HookEnded(ticket));
    assert!(!bench.effects.iter().any(claims), "it ends too late to matter");
}

#[test]
fn who_loses_the_mastership_meanwhile_claims_nothing() {
    let (mut bench, ticket) = taking_over(waiting(10));
    bench.hear(7, 200, "10.0.0.9");
    assert_eq!(bench.phase(0), Phase::Backup);
    bench.handle(Event::HookEnded(ticket));
    assert!(!bench.effects.iter().any(claims), "{:?}", bench.effects);
    // The next time it is run again.
    let effects = bench.run_for(SECOND * 5);
    assert_eq!(effects.iter().filter_map(|(_, effect)| prepared(effect)).count(), 1);
}

/// What hosts were told by others, and what the kernel says of addresses, is no reason to announce what is not there.
#[test]
fn nothing_is_put_back_or_announced_before_it_was_claimed() {
    let (mut bench, _) = taking_over(waiting(10));
    bench.address_gone(ETH0, "10.0.0.1");
    assert!(!bench.effects.iter().any(claims), "{:?}", bench.effects);
    bench.hear(7, 50, "10.0.0.9");
    bench.hear(7, 0, "10.0.0.9");
    let effects = bench.run_for(SECOND * 3);
    assert!(!effects.iter().any(|(_, effect)| claims(effect)), "{effects:?}");
}

/// That the kernel has refused the address, for whatever reason, is none to claim it before its time.
#[test]
fn an_address_that_is_refused_meanwhile_is_not_claimed_by_the_next_look() {
    let (mut bench, ticket) = taking_over(waiting(10));
    let address = Some(kernel_address(ETH0, "10.0.0.1", true));
    bench.handle(Event::Kernel(Message::Refused { sequence: 0, errno: 12, address }));
    while !bench.effects.iter().any(|effect| matches!(effect, Effect::DumpLinks(_))) {
        bench.now = bench.router.poll_at().unwrap();
        bench.handle(Event::Timer);
        assert!(!bench.effects.iter().any(claims), "{:?}", bench.effects);
    }
    bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4])]);
    assert!(!bench.effects.iter().any(claims), "{:?}", bench.effects);
    bench.handle(Event::HookEnded(ticket));
    assert!(claimed(&bench.effects), "{:?}", bench.effects);
}

#[test]
fn both_families_wait_for_one_script() {
    let spec = Spec { addresses: vec!["10.0.0.1", "fe80::1"], ..waiting(10) };
    let (mut bench, ticket) = taking_over(spec);
    bench.handle(Event::HookEnded(ticket));
    let claims = bench.effects.iter().filter(|effect| matches!(effect, Effect::Claim(_))).count();
    assert_eq!(claims, 2, "{:?}", bench.effects);
}

/// Scripts of one instance do not overlap: that for the new state follows.
#[test]
fn the_notification_of_the_new_state_waits_for_the_script() {
    let mut bench = Bench::new(&[Spec { notify: "/etc/vipd/hook", ..waiting(10) }]);
    let notified = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Notify(HookOwner::Instance(0), ticket) => Some(*ticket),
            _ => None,
        })
    };
    let first = notified(&bench.effects).unwrap();
    bench.handle(Event::HookEnded(first));
    let effects: Vec<_> = bench.run_for(SECOND * 4).into_iter().map(|(_, effect)| effect).collect();
    assert_eq!(notified(&effects), None, "{effects:?}");
    let ticket = effects.iter().find_map(prepared).unwrap();
    bench.handle(Event::HookEnded(ticket));
    assert!(claimed(&bench.effects));
    assert!(notified(&bench.effects).is_some());
}

/// Its addresses are not there, so there is nothing to hold for a successor; who is reclaimed claims.
#[test]
fn who_is_released_meanwhile_claims_when_it_is_reclaimed() {
    let (mut bench, ticket) = taking_over(waiting(10));
    bench.handle(Event::Release(0));
    bench.handle(Event::HookEnded(ticket));
    assert!(!bench.effects.iter().any(claims), "{:?}", bench.effects);
    bench.handle(Event::Reclaim(0));
    assert!(claimed(&bench.effects), "{:?}", bench.effects);
}

/// A reload forgets which script it was, and not the bound.
#[test]
fn a_reload_meanwhile_leaves_the_bound_alone() {
    let (mut bench, ticket) = taking_over(waiting(3));
    let mut again: Box<Config> = config(&[waiting(3)]);
    bench.handle(Event::Prepare(&again));
    bench.handle(Event::Adopt(&mut again));
    assert!(!bench.effects.iter().any(claims), "{:?}", bench.effects);
    bench.handle(Event::HookEnded(ticket));
    let effects: Vec<_> = bench.run_for(SECOND * 3).into_iter().map(|(_, effect)| effect).collect();
    assert!(claimed(&effects), "{effects:?}");
}
