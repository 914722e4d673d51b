//! Virtual MACs: what is asked of the kernel, and when.

use std::net::IpAddr;
use std::time::Duration;

use vipd::perform::{Outlet, Unsent, perform};
use vipd::router::{Datagram, Effect, Event, Failure, Parcel, Slot};
use vipd::vrrp::{Cause, Fault, Phase};
use vipd::wire::link::{Arp, Details};
use vipd::wire::rtnl::{self, Message};
use vipd::wire::{IfIndex, Mac};

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, OUR_V6, Spec};

const VMAC: IfIndex = IfIndex(9);
const MAC: Mac = Mac([0, 0, 0x5e, 0, 1, 7]);
const V4: Slot = Slot(0);

fn spec() -> Spec {
    Spec { has_vmac: true, ..Spec::default() }
}

fn link(index: IfIndex, name: &'static str, mac: Mac, details: Details) -> Event<'static> {
    Event::Kernel(Message::Link(rtnl::Link { index, name, mac: Some(mac), running: true, details }))
}

/// The kernel tells of the device, as it is made.
fn told(bench: &mut Bench, is_on: bool) {
    let details = Details { macvlan_on: Some(ETH0), is_on, ..Details::NONE };
    bench.handle(link(VMAC, "vrrp.7", MAC, details));
}

fn answer(bench: &mut Bench) {
    bench.answer_dumps(&[
        (ETH0, "eth0", true, &[OUR_V4, OUR_V6]),
        (ETH1, "eth1", true, &["10.1.0.5", "fe80::1:5"]),
    ]);
}

/// As [`answer`], with the device among the links, and its address on it if it is on.
fn answer_with(bench: &mut Bench, is_on: bool) {
    for _ in 0..8 {
        let Some(Effect::DumpLinks(sequence)) =
            bench.effects.iter().copied().find(|it| matches!(it, Effect::DumpLinks(_)))
        else {
            return;
        };
        bench.link(ETH0, "eth0", true);
        bench.link(ETH1, "eth1", true);
        told(bench, is_on);
        bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
        let sequence = bench.effects.iter().find_map(|it| match it {
            Effect::DumpAddresses(sequence) => Some(*sequence),
            _ => None,
        });
        bench.address(ETH0, OUR_V4, false);
        if is_on {
            bench.address(VMAC, "10.0.0.1", true);
        }
        bench.handle(Event::Kernel(Message::Done { sequence: sequence.unwrap(), torn: false }));
    }
}

fn cause(bench: &Bench) -> Cause {
    bench.router.view(V4).unwrap().virtual_router().cause()
}

/// A backup that has its device.
fn backup() -> Bench {
    let mut bench = Bench::unanswered(&[spec()]);
    answer(&mut bench);
    assert!(bench.effects.contains(&Effect::MakeVmac(V4)), "{:?}", bench.effects);
    assert_eq!(cause(&bench), Cause::Fault(Fault::NoVmac));
    told(&mut bench, false);
    answer_with(&mut bench, false);
    assert_eq!(bench.phase(0), Phase::Backup);
    bench
}

fn master() -> Bench {
    let mut bench = backup();
    bench.run_for(Duration::from_secs(4));
    assert_eq!(bench.phase(0), Phase::Master);
    told(&mut bench, true);
    bench
}

/// What leaves, by kind and in order: `advert`, `frame`, `message`, and the types of netlink requests.
#[derive(Default)]
struct Log(Vec<String>);

impl Outlet for Log {
    fn join(&mut self, _: IfIndex, _: IpAddr) -> Result<(), Unsent> {
        Ok(())
    }

    fn message(&mut self, _: IfIndex, _: IpAddr, _: IpAddr, _: &[u8]) -> Result<(), Unsent> {
        self.0.push("message".to_owned());
        Ok(())
    }

    fn datagram(&mut self, _: &Datagram<'_>) -> Result<(), Unsent> {
        panic!("a datagram")
    }

    fn frame(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        assert_eq!((interface, &frame[6..12]), (VMAC, &MAC.0[..]));
        self.0.push("frame".to_owned());
        Ok(())
    }

    fn advert(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        assert_eq!((interface, &frame[6..12]), (ETH0, &MAC.0[..]), "TX08");
        self.0.push("advert".to_owned());
        Ok(())
    }

    fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent> {
        let kind = u16::from_ne_bytes([request[4], request[5]]);
        let index = u32::from_ne_bytes(request[20..24].try_into().unwrap());
        let change = if kind == 16 && request.len() == 32 { request[24] } else { 9 };
        self.0.push(match (kind, change) {
            (16, 0) => format!("off {index}"),
            (16, 1) => format!("on {index}"),
            (16, _) => format!("set {index}"),
            (17, _) => format!("delete {index}"),
            (20, _) => "add".to_owned(),
            (21, _) => "remove".to_owned(),
            (28, _) => format!("know {index}"),
            (29, _) => format!("forget {index}"),
            _ => format!("{kind}"),
        });
        Ok(())
    }

    fn netfilter(&mut self, _: &[u8]) -> Result<(), Unsent> {
        panic!("a batch");
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

#[test]
fn ad01_ad03_the_device_is_made_before_it_takes_part_and_switched_on_by_the_claim_alone() {
    let mut bench = backup();
    let all = bench.run_for(Duration::from_secs(4));
    let effects: Vec<_> = all.into_iter().map(|(_, effect)| effect).collect();
    let claim = effects.iter().position(|it| *it == Effect::Claim(V4)).unwrap();
    assert!(matches!(effects[claim - 1], Effect::Advertise { .. }));
    assert!(matches!(effects[claim + 1], Effect::Announce { repeat: 5, .. }));
    let takeover = performed(&bench, &effects[claim - 1..claim + 2]);
    assert_eq!(takeover[..6], ["advert", "set 9", "set 9", "on 9", "add", "frame"]);
    assert_eq!(performed(&bench, &[Effect::Release(V4)]), ["remove", "off 9"]);
    assert_eq!(performed(&bench, &[Effect::Renew(V4)]), [] as [String; 0]);
}

/// A device below that speaks ARP for others does so no longer, and does again in the end; a bridge knows whose the
/// address is.
#[test]
fn ad04_the_device_below_is_told_and_told_again() {
    let mut bench = master();
    let loose_arp = Some(Arp { ignore: 0, announce: 0 });
    let mac = Mac([2, 0, 0, 0, 0, 2]);
    bench.handle(link(ETH0, "eth0", mac, Details { is_bridge: true, loose_arp, ..Details::NONE }));
    // As we have made it.
    bench.handle(link(ETH0, "eth0", mac, Details { is_bridge: true, ..Details::NONE }));
    assert_eq!(performed(&bench, &[Effect::Claim(V4)]), ["set 2", "set 9", "set 9", "on 9", "know 2", "add"]);
    assert_eq!(performed(&bench, &[Effect::Release(V4)]), ["remove", "off 9", "forget 2"]);
    assert_eq!(performed(&bench, &[Effect::MakeVmac(V4)])[1..], ["forget 2"]);
    bench.handle(Event::Stop);
    let removal = Effect::RemoveVmac(VMAC);
    let release = bench.effects.iter().position(|it| *it == Effect::Release(V4)).unwrap();
    let removed = bench.effects.iter().position(|it| *it == removal).unwrap();
    assert!(release < removed);
    assert!(bench.effects.contains(&Effect::LoosenArp(V4)));
    assert_eq!(performed(&bench, &[removal, Effect::LoosenArp(V4)]), ["delete 9", "set 2"]);
}

#[test]
fn a_master_whose_device_is_deleted_stays_master_and_gets_another() {
    let mut bench = master();
    bench.handle(Event::Kernel(Message::LinkGone(VMAC)));
    assert_eq!(bench.phase(0), Phase::Master);
    answer(&mut bench);
    assert!(bench.effects.contains(&Effect::MakeVmac(V4)));
    told(&mut bench, false);
    assert!(bench.effects.contains(&Effect::Claim(V4)), "{:?}", bench.effects);
    assert_eq!(bench.phase(0), Phase::Master);
}

#[test]
fn a_backups_device_that_is_on_is_switched_off_and_a_masters_that_is_off_is_switched_on() {
    let mut bench = backup();
    told(&mut bench, true);
    assert_eq!(bench.effects, [Effect::Release(V4)]);
    told(&mut bench, false);
    assert_eq!(bench.effects, []);
    let mut bench = master();
    told(&mut bench, false);
    assert!(bench.effects.contains(&Effect::Claim(V4)));
}

/// What is asked for while everything is being listed may be refused before the lists end.
#[test]
fn a_backups_device_that_cannot_be_switched_off_while_everything_is_listed_is_tried_again() {
    const ENOMEM: i32 = 12;
    let mut bench = backup();
    bench.handle(Event::Overrun);
    for _ in 0..3 {
        let [Effect::DumpLinks(links)] = bench.effects[..] else { panic!("{:?}", bench.effects) };
        bench.link(ETH0, "eth0", true);
        bench.link(ETH1, "eth1", true);
        told(&mut bench, true);
        assert_eq!(bench.effects, [Effect::Release(V4)]);
        bench.handle(Event::Kernel(Message::Done { sequence: links, torn: false }));
        let [Effect::DumpAddresses(addresses)] = bench.effects[..] else { panic!("{:?}", bench.effects) };
        bench.handle(Event::Kernel(Message::Refused { sequence: 0, errno: ENOMEM, address: None }));
        bench.address(ETH0, OUR_V4, false);
        bench.handle(Event::Kernel(Message::Done { sequence: addresses, torn: false }));
        bench.run_for(Duration::from_millis(999));
        bench.now = bench.router.poll_at().unwrap();
        bench.handle(Event::Timer);
    }
}

/// RFC 9568 §8.1.2: whether a setting has been made is not listed, so each is made again where one may have been lost.
#[test]
fn ad04_a_master_makes_its_settings_again_when_a_request_or_an_answer_is_lost() {
    let lost = Failure { interface: IfIndex(0), what: Parcel::Netlink, errno: 105 };
    for is_answer in [false, true] {
        let mut bench = master();
        bench.handle(if is_answer { Event::Overrun } else { Event::Failed(lost) });
        bench.run_for(Duration::from_secs(1));
        answer_with(&mut bench, true);
        assert!(bench.effects.contains(&Effect::Claim(V4)), "{is_answer} {:?}", bench.effects);
    }
}

/// Somebody else's: another kind, another address, or on another device.
#[test]
fn another_device_of_the_name_is_a_fault_and_never_touched() {
    let right = Details { macvlan_on: Some(ETH0), ..Details::NONE };
    let other = Mac([0, 0, 0x5e, 0, 1, 8]);
    for (mac, details) in [
        (MAC, Details::NONE),
        (other, right),
        (MAC, Details { macvlan_on: Some(ETH1), is_on: true, ..Details::NONE }),
    ] {
        let mut bench = Bench::unanswered(&[spec()]);
        let Effect::DumpLinks(sequence) = bench.effects[0] else { panic!() };
        bench.link(ETH0, "eth0", true);
        bench.handle(link(VMAC, "vrrp.7", mac, details));
        bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
        let Effect::DumpAddresses(sequence) = bench.effects[0] else { panic!() };
        bench.address(ETH0, OUR_V4, false);
        bench.handle(Event::Kernel(Message::Done { sequence, torn: false }));
        assert_eq!(cause(&bench), Cause::Fault(Fault::VmacTaken));
        assert!(!bench.effects.iter().any(|it| matches!(it, Effect::MakeVmac(_))));
        bench.handle(Event::Stop);
        assert!(!bench.effects.iter().any(|it| matches!(it, Effect::RemoveVmac(_) | Effect::Release(_))));
    }
}

/// A kernel without macvlan says EOPNOTSUPP: it is asked again each second, and the status says what is missing.
#[test]
fn a_kernel_that_makes_no_such_device_is_asked_again_each_second() {
    const EOPNOTSUPP: i32 = 95;
    let mut bench = Bench::unanswered(&[spec()]);
    answer(&mut bench);
    for _ in 0..3 {
        assert!(bench.effects.contains(&Effect::MakeVmac(V4)));
        bench.handle(Event::Kernel(Message::Refused { sequence: 0, errno: EOPNOTSUPP, address: None }));
        assert_eq!(bench.effects, []);
        let asked = bench.run_for(Duration::from_secs(1));
        assert!(
            matches!(asked[..], [(at, Effect::DumpLinks(_))] if at == Duration::from_secs(1)),
            "{asked:?}"
        );
        answer(&mut bench);
        assert_eq!(cause(&bench), Cause::Fault(Fault::NoVmac));
    }
    assert_eq!(Fault::NoVmac.name(), "no device for the virtual MAC");
}
