//! Links and addresses as the kernel tells them (checklist AD and ST19, TX06, TX07).

use std::time::Duration;

use vipd::router::{Effect, Event, Failure, Parcel, Slot};
use vipd::vrrp::{Fault, Phase, State};
use vipd::wire::IfIndex;
use vipd::wire::rtnl::Message;

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, Spec, kernel_address, sent};

fn fault(bench: &Bench) -> Fault {
    match bench.state(0) {
        State::Initialize { fault } => fault,
        other => panic!("{other:?}"),
    }
}

fn source(bench: &Bench) -> Option<std::net::IpAddr> {
    bench.router.view(Slot(0)).unwrap().rules.source.copied()
}

fn seen_again(bench: &mut Bench, addresses: &[&str]) {
    bench.answer_dumps(&[(ETH0, "eth0", true, addresses), (ETH1, "eth1", true, &[])]);
}

/// RFC 9568 has no event for it; keepalived exits. Here it is a reason in status, and it ends by itself.
#[test]
fn st19_an_interface_that_is_missing_at_start_is_waited_for() {
    let mut bench = Bench::unanswered(&[Spec::default()]);
    bench.answer_dumps(&[]);
    assert_eq!(fault(&bench), Fault::NoInterface);
    bench.link(ETH0, "eth0", false);
    bench.answer_dumps(&[(ETH0, "eth0", false, &[])]);
    assert_eq!(fault(&bench), Fault::LinkDown);
    bench.link(ETH0, "eth0", true);
    assert_eq!(fault(&bench), Fault::NoSource);
    bench.address(ETH0, OUR_V4, false);
    assert_eq!(bench.phase(0), Phase::Backup);
}

#[test]
fn st19_ad23_a_master_whose_link_goes_down_resigns_releases_and_comes_back_by_itself() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.link(ETH0, "eth0", false);
    assert_eq!(fault(&bench), Fault::LinkDown);
    assert_eq!(sent(&bench.effects), [0, 0]);
    assert_eq!(bench.effects.last(), Some(&Effect::Release(Slot(0))));
    bench.link(ETH0, "eth0", true);
    assert_eq!(bench.phase(0), Phase::Backup);
}

/// netifd does this to br-lan: deleted, and made anew under the same name with another number.
#[test]
fn an_interface_that_is_made_anew_is_taken_up_under_its_new_number() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Kernel(Message::LinkGone(ETH0)));
    assert_eq!(fault(&bench), Fault::NoInterface);
    let anew = IfIndex(77);
    bench.link(anew, "eth0", true);
    // What is on it is asked for, and decided on when it is known.
    bench.answer_dumps(&[(anew, "eth0", true, &[OUR_V4])]);
    assert_eq!(bench.phase(0), Phase::Backup);
    assert!(bench.effects.contains(&Effect::Join(Slot(0))), "the group is joined under the new number");
    assert_eq!(bench.router.view(Slot(0)).unwrap().link, Some(anew));
}

/// Without a deletion in between: the name simply means another device now.
#[test]
fn a_renamed_interface_is_no_longer_the_configured_one() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.link(ETH0, "old0", true);
    assert_eq!(fault(&bench), Fault::NoInterface);
}

/// TX06: never a virtual address, and the kernel's first one otherwise.
#[test]
fn tx06_adverts_come_from_the_first_address_that_is_not_virtual() {
    let mut bench = Bench::unanswered(&[Spec { addresses: vec!["10.0.0.1", "10.0.0.2"], ..Spec::default() }]);
    seen_again(&mut bench, &["10.0.0.2", "10.0.0.7", "10.0.0.8"]);
    assert_eq!(source(&bench), Some("10.0.0.7".parse().unwrap()));
}

/// TX06: "except when the owner's primary is the VIP".
#[test]
fn tx06_the_owners_source_may_be_the_virtual_address() {
    let mut bench = Bench::unanswered(&[Spec { priority: 255, ..Spec::default() }]);
    seen_again(&mut bench, &["10.0.0.1"]);
    assert_eq!(source(&bench), Some("10.0.0.1".parse().unwrap()));
    assert_eq!(bench.phase(0), Phase::Master);
}

/// TX07: link-local, and the shared one does not count.
#[test]
fn tx07_ipv6_adverts_come_from_a_link_local_address_of_our_own() {
    let spec = Spec { addresses: vec!["fe80::1", "2001:db8::1"], ..Spec::default() };
    let mut bench = Bench::unanswered(&[spec]);
    seen_again(&mut bench, &["2001:db8::5", "fe80::1", "fe80::5"]);
    assert_eq!(source(&bench), Some("fe80::5".parse().unwrap()));
}

/// A kernel that lies, or a broken one: the fuzzer's find.
#[test]
fn tx06_tx07_adverts_never_come_from_an_address_that_is_nobodys() {
    for (address, right) in
        [("0.0.0.0", "10.0.0.7"), ("224.0.0.18", "10.0.0.7"), ("255.255.255.255", "10.0.0.7")]
    {
        let mut bench = Bench::unanswered(&[Spec::default()]);
        bench.answer_dumps(&[(ETH0, "eth0", true, &[address, right])]);
        assert_eq!(source(&bench), Some(right.parse().unwrap()), "{address}");
    }
    for address in ["::", "ff02::12"] {
        let spec =
            Spec { addresses: vec!["2001:db8::1"], peers: vec![("2001:db8::9", 0, 255)], ..Spec::default() };
        let mut bench = Bench::unanswered(&[spec]);
        bench.answer_dumps(&[(ETH0, "eth0", true, &[address, "2001:db8::7"])]);
        assert_eq!(source(&bench), Some("2001:db8::7".parse().unwrap()), "{address}");
    }
}

/// An address that is still being tested for duplicates cannot be spoken from.
#[test]
fn a_tentative_address_is_no_source_until_it_is_usable() {
    let spec = Spec { addresses: vec!["fe80::1"], ..Spec::default() };
    let mut bench = Bench::unanswered(&[spec]);
    seen_again(&mut bench, &[]);
    let tentative = vipd::wire::rtnl::Address { usable: false, ..kernel_address(ETH0, "fe80::5", false) };
    bench.handle(Event::Kernel(Message::Address(tentative)));
    assert_eq!(fault(&bench), Fault::NoSource);
    bench.address(ETH0, "fe80::5", false);
    assert_eq!(bench.phase(0), Phase::Backup);
}

/// keepalived gives up mastership when its primary address is replaced by another.
#[test]
fn a_source_address_that_is_replaced_does_not_cost_mastership() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.address_gone(ETH0, OUR_V4);
    assert_eq!(bench.phase(0), Phase::Master);
    seen_again(&mut bench, &["10.0.0.6"]);
    assert_eq!(bench.phase(0), Phase::Master);
    assert_eq!(source(&bench), Some("10.0.0.6".parse().unwrap()));
}

/// Its removal is among messages that were lost: what takes its place is known when it is listed again.
#[test]
fn a_source_address_that_is_not_listed_any_more_goes_on_until_the_next_list_names_another() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Overrun);
    let interface = (ETH0, "eth0", true, ["10.0.0.6", "10.0.0.4"]);
    let (index, name, running, addresses) = interface;
    let mut lists = vec![];
    while let Some(sequence) = bench.effects.iter().find_map(|effect| match effect {
        Effect::DumpLinks(sequence) | Effect::DumpAddresses(sequence) => Some(*sequence),
        _ => None,
    }) {
        bench.link(index, name, running);
        addresses.iter().for_each(|text| bench.address(index, text, false));
        bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
        assert_eq!(bench.phase(0), Phase::Master);
        lists.push(source(&bench).unwrap().to_string());
    }
    // Links, addresses, and once more links, addresses.
    assert_eq!(lists, [OUR_V4, OUR_V4, OUR_V4, "10.0.0.6"]);
}

/// Without news of its removal, too.
#[test]
fn a_source_address_that_is_not_listed_any_more_and_has_no_successor_is_a_fault() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Overrun);
    seen_again(&mut bench, &[]);
    assert_eq!(fault(&bench), Fault::NoSource);
    assert_eq!(source(&bench), None);
}

#[test]
fn a_source_address_that_is_still_listed_stays_wherever_it_stands_in_the_list() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.handle(Event::Overrun);
    seen_again(&mut bench, &["10.0.0.6", OUR_V4]);
    assert_eq!(source(&bench), Some(OUR_V4.parse().unwrap()));
}

#[test]
fn a_source_address_that_is_gone_for_good_is_a_fault() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.address_gone(ETH0, OUR_V4);
    seen_again(&mut bench, &[]);
    assert_eq!(fault(&bench), Fault::NoSource);
}

/// AD23: before the first decision, what a crash has left is taken back.
#[test]
fn ad23_addresses_left_by_a_crash_are_taken_back_before_anything_is_decided() {
    let mut bench = Bench::unanswered(&[Spec::default()]);
    let dump = |bench: &Bench| match bench.effects[..] {
        [Effect::DumpLinks(sequence) | Effect::DumpAddresses(sequence)] => sequence,
        _ => panic!("{:?}", bench.effects),
    };
    let sequence = dump(&bench);
    bench.link(ETH0, "eth0", true);
    bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
    let sequence = dump(&bench);
    bench.address(ETH0, "10.0.0.1", true);
    assert_eq!(bench.effects, [Effect::Withdraw { address: 0, prefix_len: 24 }]);
    assert_eq!(fault(&bench), Fault::Starting);
    bench.address(ETH0, OUR_V4, false);
    bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
    assert_eq!(bench.phase(0), Phase::Backup);
}

/// On kernels that do not keep our mark, an address at start is taken for ours, as keepalived does.
#[test]
fn ad23_on_old_kernels_an_address_that_equals_a_virtual_one_is_taken_for_left_behind() {
    for (priority, taken) in [(100, true), (255, false)] {
        let mut bench = Bench::unanswered(&[Spec { priority, ..Spec::default() }]);
        bench.handle(Event::Start { keeps_marks: false, seed: 1 });
        // The dump that was asked for first is the one that runs.
        let sequence = 2;
        bench.handle(Event::Kernel(Message::Done { sequence: 1, torn: false }));
        bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
        let mut bench2 = Bench::unanswered(&[Spec { priority, ..Spec::default() }]);
        bench2.handle(Event::Start { keeps_marks: false, seed: 1 });
        bench2.link(ETH0, "eth0", true);
        bench2.address(ETH0, "10.0.0.1", false);
        assert_eq!(
            bench2.effects == [Effect::Withdraw { address: 0, prefix_len: 24 }],
            taken,
            "priority {priority}"
        );
    }
}

/// A claim that the kernel has taken and not told of yet, and a release that it has refused: without a mark, what it tells
/// of then is known by what we have asked for.
#[test]
fn ad23_on_old_kernels_a_late_echo_of_a_claim_is_not_taken_for_somebody_elses_address() {
    let mut bench = Bench::unanswered(&[Spec::default()]);
    bench.handle(Event::Start { keeps_marks: false, seed: 1 });
    bench.handle(Event::Kernel(Message::Done { sequence: 1, torn: false }));
    seen_again(&mut bench, &[OUR_V4]);
    bench.run_for(Duration::from_secs(4));
    assert_eq!(bench.phase(0), Phase::Master);
    bench.link(ETH0, "eth0", false);
    assert!(bench.effects.contains(&Effect::Release(Slot(0))));
    bench.address(ETH0, "10.0.0.1", false);
    assert_eq!(bench.effects, [Effect::Withdraw { address: 0, prefix_len: 24 }]);
    bench.address_gone(ETH0, "10.0.0.1");
    bench.address(ETH0, "10.0.0.1", false);
    assert!(bench.effects.is_empty(), "what appears when ours has gone is somebody else's");
}

/// Its owner is back on the device, our claim replaces it, and what the kernel tells comes in this order.
#[test]
fn an_address_that_our_claim_has_replaced_is_ours() {
    let mut bench = Bench::master(&[Spec { priority: 255, ..Spec::default() }]);
    bench.address(ETH0, "10.0.0.1", false);
    assert!(!bench.router.owns_address(0));
    bench.address(ETH0, "10.0.0.1", true);
    assert!(bench.router.has_address(0), "it has our mark and our lifetime, and wants to be renewed");
    assert_eq!(bench.phase(0), Phase::Master);
}

/// Else a router would not hear its peers for as long as it lives: two masters for ever.
#[test]
fn a_group_that_could_not_be_joined_is_joined_again_in_a_second() {
    let mut bench = Bench::master(&[Spec::default()]);
    for _ in 0..3 {
        let failure = Failure { interface: ETH0, what: Parcel::Join, errno: 105 };
        bench.handle(Event::Failed(failure));
        let effects = bench.run_for(Duration::from_secs(1));
        let asked = effects.iter().find(|(_, effect)| matches!(effect, Effect::DumpLinks(_)));
        assert_eq!(asked.map(|(at, _)| *at), Some(Duration::from_secs(1)));
        bench.effects = vec![asked.unwrap().1];
        seen_again(&mut bench, &[OUR_V4]);
        assert!(bench.effects.contains(&Effect::Join(Slot(0))), "{:?}", bench.effects);
    }
}

/// An address that somebody else has configured is neither added nor removed.
#[test]
fn a_static_address_that_equals_a_virtual_one_is_never_removed() {
    let mut bench = Bench::unanswered(&[Spec::default()]);
    seen_again(&mut bench, &["10.0.0.1", OUR_V4]);
    assert!(!bench.router.owns_address(0));
    bench.run_for(Duration::from_secs(4));
    assert_eq!(bench.phase(0), Phase::Master);
    assert!(!bench.router.owns_address(0));
    bench.address_gone(ETH0, "10.0.0.1");
    assert!(bench.router.owns_address(0), "when it goes, it is ours to hold");
    assert!(bench.effects.contains(&Effect::Claim(Slot(0))));
}

/// keepalived leaves master when somebody deletes its address, and is back after a new election.
#[test]
fn an_address_that_somebody_removes_is_put_back_at_once_and_mastership_is_kept() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.address(ETH0, "10.0.0.1", true);
    bench.run_for(Duration::from_secs(2));
    bench.address_gone(ETH0, "10.0.0.1");
    let slot = Slot(0);
    assert_eq!(bench.effects, [Effect::Claim(slot), Effect::Announce { slot, repeat: 5 }]);
    assert_eq!(bench.phase(0), Phase::Master);
    assert_eq!(bench.counters(0).put_back, 1);
    assert!(sent(&bench.effects).is_empty());
}

/// After lost messages everything is asked for; what is missing then is put back, what is new is known.
#[test]
fn after_an_overrun_the_whole_picture_is_asked_for_and_mended() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.address(ETH0, "10.0.0.1", true);
    bench.run_for(Duration::from_secs(2));
    bench.handle(Event::Overrun);
    assert!(matches!(bench.effects[..], [Effect::DumpLinks(_)]));
    seen_again(&mut bench, &[OUR_V4]);
    assert!(bench.effects.contains(&Effect::Claim(Slot(0))), "{:?}", bench.effects);
    bench.handle(Event::Overrun);
    bench.answer_dumps(&[]);
    assert_eq!(fault(&bench), Fault::NoInterface, "a link that is not listed is gone");
}

/// `NLM_F_DUMP_INTR`: a list that was torn by a change is asked for again, and decides nothing.
#[test]
fn a_torn_list_decides_nothing() {
    let mut bench = Bench::unanswered(&[Spec::default()]);
    let [Effect::DumpLinks(sequence)] = bench.effects[..] else { panic!() };
    bench.handle(Event::Kernel(Message::Done { sequence, torn: true }));
    let [Effect::DumpAddresses(sequence)] = bench.effects[..] else { panic!() };
    bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
    assert_eq!(fault(&bench), Fault::Starting);
    assert!(matches!(bench.effects[..], [Effect::DumpLinks(_)]));
    seen_again(&mut bench, &[OUR_V4]);
    assert_eq!(bench.phase(0), Phase::Backup);
}

/// A tracked link without weight is a fault; with a positive weight it lifts, with a negative one it lowers.
#[test]
fn tracked_links_are_faults_or_weights() {
    let spec = |weight| Spec { tracks: vec![("eth1", weight)], ..Spec::default() };
    let priority = |bench: &Bench| bench.router.view(Slot(0)).unwrap().rules.priority;
    let mut bench = Bench::new(&[spec(0)]);
    bench.link(ETH1, "eth1", false);
    assert_eq!(fault(&bench), Fault::Tracked);
    for (weight, up, down) in [(20, 120, 100), (-20, 100, 80), (253, 254, 100), (-253, 100, 1)] {
        let mut bench = Bench::new(&[spec(weight)]);
        assert_eq!(priority(&bench), up);
        bench.link(ETH1, "eth1", false);
        assert_eq!(priority(&bench), down);
    }
    // `reverse` turns the sign of what is added; without weight, up is the fault.
    let reversed = |weight| Spec { tracks: vec![("eth1 reverse", weight)], ..Spec::default() };
    for (weight, up, down) in [(20, 80, 100), (-20, 100, 120)] {
        let mut bench = Bench::new(&[reversed(weight)]);
        assert_eq!(priority(&bench), up);
        bench.link(ETH1, "eth1", false);
        assert_eq!(priority(&bench), down);
    }
    let mut bench = Bench::new(&[reversed(0)]);
    assert_eq!(fault(&bench), Fault::Tracked);
    bench.link(ETH1, "eth1", false);
    assert_eq!(bench.phase(0), Phase::Backup);
    let mut owner = Bench::new(&[Spec { priority: 255, ..spec(-20) }]);
    owner.link(ETH1, "eth1", false);
    assert_eq!(priority(&owner), 255);
}

/// A bridge takes the address of a port that joins it, and hosts still know the old one.
#[test]
fn a_device_that_changes_its_ethernet_address_is_announced_again() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.run_for(Duration::from_secs(2));
    let mac = Some(vipd::wire::Mac([2, 0, 0, 0, 0, 99]));
    let link = vipd::wire::rtnl::Link {
        index: ETH0,
        name: "eth0",
        mac,
        running: true,
        details: vipd::wire::link::Details::NONE,
    };
    bench.handle(Event::Kernel(Message::Link(link)));
    assert_eq!(bench.effects, [Effect::Announce { slot: Slot(0), repeat: 5 }]);
    bench.handle(Event::Kernel(Message::Link(link)));
    assert!(bench.effects.is_empty());
    assert_eq!(bench.phase(0), Phase::Master);
}

/// `dev wan`: the device of a virtual address need not be there when mastership comes.
#[test]
fn a_virtual_address_on_a_device_that_comes_late_is_claimed_then() {
    let specs = [Spec::default()];
    let mut new = crate::bench::config(&specs);
    let wan = new.interface("wan").unwrap();
    new.addresses[0].interface = wan;
    let mut bench = Bench::master(&specs);
    bench.handle(Event::Prepare(&new));
    bench.handle(Event::Adopt(&mut new));
    bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4])]);
    assert!(!bench.effects.contains(&Effect::Claim(Slot(0))), "there is nothing to claim it on");
    for index in [IfIndex(20), IfIndex(21)] {
        bench.run_for(Duration::from_secs(2));
        bench.link(index, "wan", true);
        bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4]), (index, "wan", true, &[])]);
        assert!(bench.effects.contains(&Effect::Claim(Slot(0))), "{:?}", bench.effects);
        bench.handle(Event::Kernel(Message::LinkGone(index)));
        assert_eq!(bench.phase(0), Phase::Master);
    }
}

/// What the kernel refuses for good is claimed again each second, and is not announced before it is there.
#[test]
fn a_refused_address_is_claimed_again_and_not_announced_until_it_is_there() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.run_for(Duration::from_secs(10));
    let refused = kernel_address(ETH0, "10.0.0.1", true);
    let mut claims = 0;
    for _ in 0..10 {
        bench.handle(Event::Kernel(Message::Refused { sequence: 0, errno: 22, address: Some(refused) }));
        let at = bench.router.poll_at().unwrap();
        while bench.now < at + Duration::from_secs(1) {
            bench.now = bench.router.poll_at().unwrap();
            bench.handle(Event::Timer);
            if bench.effects.iter().any(|effect| matches!(effect, Effect::DumpLinks(_))) {
                bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4])]);
                break;
            }
        }
        claims += bench.effects.iter().filter(|effect| matches!(effect, Effect::Claim(_))).count();
        assert!(!bench.effects.iter().any(|effect| matches!(effect, Effect::Announce { .. })));
    }
    assert_eq!((claims, bench.counters(0).put_back), (10, 0));
    bench.address(ETH0, "10.0.0.1", true);
    assert!(
        bench.effects.iter().any(|effect| matches!(effect, Effect::Announce { .. })),
        "{:?}",
        bench.effects
    );
}

/// Two virtual routers, and the kernel had no memory for either: the segments of both must hear of it.
#[test]
fn every_refused_address_is_announced_when_it_is_there() {
    let other = Spec { name: "other", vrid: 8, addresses: vec!["10.0.0.2"], ..Spec::default() };
    let mut bench = Bench::master(&[Spec::default(), other]);
    bench.run_for(Duration::from_secs(10));
    for address in ["10.0.0.1", "10.0.0.2"] {
        let address = Some(kernel_address(ETH0, address, true));
        bench.handle(Event::Kernel(Message::Refused { sequence: 0, errno: 12, address }));
    }
    let asks = |bench: &Bench| bench.effects.iter().any(|effect| matches!(effect, Effect::DumpLinks(_)));
    while !asks(&bench) {
        bench.now = bench.router.poll_at().unwrap();
        bench.handle(Event::Timer);
    }
    bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4])]);
    for (slot, address) in [(Slot(0), "10.0.0.1"), (Slot(1), "10.0.0.2")] {
        bench.address(ETH0, address, true);
        assert!(bench.effects.contains(&Effect::Announce { slot, repeat: 5 }), "{:?}", bench.effects);
    }
}

/// The configuration said /32 before the crash and says /24 now.
#[test]
fn ad23_an_address_left_with_another_prefix_length_is_taken_back_as_it_is() {
    let mut bench = Bench::unanswered(&[Spec::default()]);
    bench.link(ETH0, "eth0", true);
    let left = vipd::wire::rtnl::Address { prefix_len: 32, ..kernel_address(ETH0, "10.0.0.1", true) };
    bench.handle(Event::Kernel(Message::Address(left)));
    assert_eq!(bench.effects, [Effect::Withdraw { address: 0, prefix_len: 32 }]);
    assert!(bench.router.owns_address(0));
}

/// Somebody removes the address a thousand times a second: that is no reason to do nothing else.
#[test]
fn an_address_that_is_removed_again_and_again_is_put_back_about_fifty_times_a_second() {
    let mut bench = Bench::master(&[Spec::default()]);
    let mut claims = 0;
    for _ in 0..1000 {
        let timed = bench.run_for(Duration::from_millis(1));
        bench.address(ETH0, "10.0.0.1", true);
        bench.address_gone(ETH0, "10.0.0.1");
        let effects = timed.iter().map(|(_, effect)| effect).chain(&bench.effects);
        claims += effects.filter(|effect| matches!(effect, Effect::Claim(_))).count();
    }
    assert!((50..=62).contains(&claims), "{claims}");
    let at = bench.router.poll_at().unwrap();
    assert!(at <= bench.now + Duration::from_secs(1), "what is missing is looked for soon");
    assert_eq!(bench.phase(0), Phase::Master);
}
