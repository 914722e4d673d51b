//! Packets to the addresses of a master that does not accept them: what is asked of the packet filter, and when.

use std::net::IpAddr;
use std::time::Duration;

use vipd::perform::{Outlet, Unsent, perform};
use vipd::router::{Datagram, Effect, Event, Failure, Parcel, Slot};
use vipd::vrrp::Phase;
use vipd::wire::IfIndex;
use vipd::wire::rtnl::Message;
use vipd::wire::vrrp::Version;

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, OUR_V6, Spec, config};

const FIRST: Slot = Slot(0);

fn spec() -> Spec {
    Spec { no_accept: true, ..Spec::default() }
}

/// What leaves, in order: `add` and `remove` of addresses, `drop` with the number of addresses, and `pass`.
#[derive(Default)]
struct Log(Vec<String>);

impl Outlet for Log {
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
        Ok(())
    }

    fn advert(&mut self, _: IfIndex, _: &[u8]) -> Result<(), Unsent> {
        panic!("a virtual MAC");
    }

    fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent> {
        match u16::from_ne_bytes([request[4], request[5]]) {
            20 => self.0.push("add".to_owned()),
            21 => self.0.push("remove".to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn netfilter(&mut self, batch: &[u8]) -> Result<(), Unsent> {
        let has = |text: &[u8]| batch.windows(text.len()).any(|window| window == text);
        assert!(
            [&b"vipd.eth0.7\0"[..], b"vipd6.eth0.7\0", b"vipd.eth0.9\0"].iter().any(|it| has(it)),
            "of a virtual router"
        );
        let addresses: Vec<Vec<u8>> = (1..=9).map(|last| vec![10, 0, 0, last]).filter(|it| has(it)).collect();
        let six = (1..=9).filter(|last| {
            let mut address = vec![0xfe, 0x80];
            address.resize(15, 0);
            address.push(*last);
            has(&address)
        });
        let count = addresses.len() + six.count();
        self.0.push(if has(b"lookup\0") { format!("drop {count}") } else { "pass".to_owned() });
        Ok(())
    }

    fn ipvs(&mut self, _: &mut [u8]) -> Result<(), Unsent> {
        panic!("nobody has asked for virtual servers");
    }
}

fn performed(bench: &Bench, effects: &[Effect]) -> Vec<String> {
    let mut log = Log::default();
    for effect in effects {
        perform(&bench.router, *effect, &mut log).unwrap();
    }
    log.0
}

/// The effects until the address is there, as they leave.
fn takeover(bench: &mut Bench) -> Vec<String> {
    for _ in 0..100 {
        bench.now = bench.router.poll_at().unwrap();
        bench.handle(Event::Timer);
        if bench.effects.contains(&Effect::Claim(FIRST)) {
            return performed(bench, &bench.effects);
        }
    }
    panic!("it never claims");
}

/// RFC 9568 §6.4.3, RFC 3768 §6.4.3: dropped from before the address is there until after it is not.
#[test]
fn ad08_ad09_packets_are_dropped_from_before_the_claim_until_after_the_release() {
    for version in [Version::V2, Version::V3] {
        let addresses = vec!["10.0.0.1", "10.0.0.2", "fe80::1"];
        let mut bench = Bench::new(&[Spec { version, addresses, ..spec() }]);
        let mut left = takeover(&mut bench);
        while bench.phase(1) != Phase::Master {
            left.extend(takeover(&mut bench));
        }
        assert_eq!(left, ["drop 2", "add", "add", "drop 1", "add"], "{version:?}");
        for (position, address) in ["10.0.0.1", "10.0.0.2", "fe80::1"].into_iter().enumerate() {
            bench.address(ETH0, address, true);
            assert!(bench.router.has_address(position));
        }
        bench.handle(Event::Stop);
        assert_eq!(performed(&bench, &bench.effects), ["remove", "remove", "pass", "remove", "pass"]);
    }
}

#[test]
fn ad09_who_accepts_asks_nothing_of_the_packet_filter() {
    let mut bench = Bench::new(&[Spec::default()]);
    assert!(!bench.effects.iter().any(|effect| matches!(effect, Effect::Filter(_))));
    assert_eq!(takeover(&mut bench), ["add"]);
    bench.address(ETH0, "10.0.0.1", true);
    bench.handle(Event::Stop);
    assert_eq!(performed(&bench, &bench.effects), ["remove"]);
}

/// A crash may have left a table.
#[test]
fn a_backup_takes_away_what_drops_once_all_addresses_are_known() {
    let bench = Bench::new(&[spec()]);
    assert!(bench.effects.contains(&Effect::Filter(FIRST)), "{:?}", bench.effects);
    assert_eq!(performed(&bench, &[Effect::Filter(FIRST)]), ["pass"]);
}

/// Both halves of a reload, and what leaves with each.
fn reload(bench: &mut Bench, specs: &[Spec], ours: &[&str]) -> [Vec<String>; 2] {
    let mut new = config(specs);
    bench.handle(Event::Prepare(&new));
    let prepared = performed(bench, &bench.effects);
    bench.handle(Event::Adopt(&mut new));
    let [Effect::DumpLinks(sequence)] = bench.effects[..] else { panic!("{:?}", bench.effects) };
    bench.link(ETH0, "eth0", true);
    bench.link(ETH1, "eth1", true);
    bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
    let [Effect::DumpAddresses(sequence)] = bench.effects[..] else { panic!("{:?}", bench.effects) };
    [OUR_V4, OUR_V6].iter().for_each(|text| bench.address(ETH0, text, false));
    ours.iter().for_each(|text| bench.address(ETH0, text, true));
    bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
    [prepared, performed(bench, &bench.effects)]
}

#[test]
fn a_reload_switches_it_on_and_off_while_the_master_stays_master() {
    let mut bench = Bench::master(&[Spec::default()]);
    bench.address(ETH0, "10.0.0.1", true);
    let nothing: [&str; 0] = [];
    let [prepared, adopted] = reload(&mut bench, &[spec()], &["10.0.0.1"]);
    assert_eq!(prepared, nothing);
    assert_eq!(adopted, ["drop 1"]);
    // Another address: all of them are dropped before it is there.
    let two = Spec { addresses: vec!["10.0.0.1", "10.0.0.2"], ..spec() };
    let [prepared, adopted] = reload(&mut bench, &[two], &["10.0.0.1"]);
    assert_eq!(prepared, nothing);
    let added = adopted.iter().position(|it| it == "add");
    assert!(adopted[0] == "drop 2" && added > Some(0), "{adopted:?}");
    bench.address(ETH0, "10.0.0.2", true);
    let [prepared, adopted] = reload(&mut bench, &[Spec::default()], &["10.0.0.1"]);
    assert_eq!(prepared, ["pass", "remove"]);
    assert_eq!(adopted, nothing);
    assert_eq!(bench.phase(0), Phase::Master);
    // Taken out as a whole.
    reload(&mut bench, &[spec()], &["10.0.0.1"]);
    let [prepared, _] = reload(&mut bench, &[Spec { vrid: 9, addresses: vec!["10.0.0.9"], ..spec() }], &[]);
    assert_eq!(prepared, ["remove", "pass"]);
}

/// While it is away by hand, until another router has taken the address, it is dropped too: it is still there.
#[test]
fn a_master_that_is_released_by_hand_drops_as_long_as_it_holds() {
    let mut bench = Bench::master(&[spec()]);
    bench.address(ETH0, "10.0.0.1", true);
    bench.handle(Event::Release(0));
    let released = bench.effects.contains(&Effect::Release(FIRST));
    let expected = if released { "pass" } else { "drop 1" };
    assert_eq!(performed(&bench, &[Effect::Filter(FIRST)]), [expected]);
    assert!(!released, "another router has to be heard first");
}

fn refused(bench: &mut Bench, errno: i32) {
    bench.handle(Event::Failed(Failure { interface: IfIndex(0), what: Parcel::Netfilter, errno }));
}

#[test]
fn what_the_packet_filter_refuses_is_tried_again_in_a_second() {
    let mut bench = Bench::master(&[spec()]);
    bench.address(ETH0, "10.0.0.1", true);
    refused(&mut bench, 16);
    assert_eq!(bench.phase(0), Phase::Master, "it goes on");
    let asked = bench.run_for(Duration::from_secs(1));
    assert!(asked.iter().any(|(_, effect)| matches!(effect, Effect::DumpLinks(_))), "{asked:?}");
    let sequence = asked.iter().find_map(|(_, effect)| match effect {
        Effect::DumpLinks(sequence) => Some(*sequence),
        _ => None,
    });
    bench.link(ETH0, "eth0", true);
    bench.handle(Event::Kernel(Message::Done { sequence: sequence.unwrap(), torn: false }));
    let [Effect::DumpAddresses(sequence)] = bench.effects[..] else { panic!("{:?}", bench.effects) };
    bench.address(ETH0, OUR_V4, false);
    bench.address(ETH0, "10.0.0.1", true);
    bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
    assert_eq!(performed(&bench, &bench.effects), ["drop 1"]);
}

/// It would be asked in vain each second.
#[test]
fn a_kernel_without_a_packet_filter_is_asked_again_at_the_next_change_only() {
    for errno in [95, 93] {
        let mut bench = Bench::master(&[spec()]);
        bench.address(ETH0, "10.0.0.1", true);
        refused(&mut bench, errno);
        assert_eq!(bench.phase(0), Phase::Master);
        let asked = bench.run_for(Duration::from_secs(10));
        assert!(!asked.iter().any(|(_, effect)| matches!(effect, Effect::DumpLinks(_))), "{asked:?}");
    }
}
