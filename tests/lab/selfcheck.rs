//! The laboratory's own instruments, tried on daemons that are known to work.

use std::net::IpAddr;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Bfdd, Claim, Client, Frr, FrrFamily, Host, Keepalived, Pings, Segment, Standing, now};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_keepalived_move_the_address_and_the_client_follows() {
    let missing = [Keepalived::missing()];
    let Some(_bench) = Bench::take(Load::Light, &missing) else {
        return;
    };
    let lan = Segment::new();
    let (left, right, user) = (Host::new("left"), Host::new("right"), Host::new("user"));
    let capture = lan.capture();
    let left_port = lan.attach_with(&left, "eth0", &["10.0.0.1/24"]);
    let right_port = lan.attach_with(&right, "eth0", &["10.0.0.2/24"]);
    lan.attach_with(&user, "eth0", &["10.0.0.9/24"]);
    let config = |priority: u8| {
        format!(
            "global_defs {{\n vrrp_version 3\n}}\nvrrp_instance VI_1 {{\n interface eth0\n \
             virtual_router_id 7\n priority {priority}\n advert_int 0.2\n \
             virtual_ipaddress {{\n 10.0.0.100/24\n }}\n}}\n"
        )
    };
    let mut first = Keepalived::start(&left, &config(150));
    let mut second = Keepalived::start(&right, &config(100));
    capture.wait_advert(&left_port, 7, Duration::ZERO, SECOND * 5);
    let client = Client::start(&user, IpAddr::from([10, 0, 0, 100]), SECOND / 1000);
    std::thread::sleep(SECOND / 2);
    left_port.unplug();
    let killed = first.process().kill();
    let (taken, _) = capture.wait_advert(&right_port, 7, killed, SECOND * 3);
    capture.wait("a gratuitous ARP", taken, SECOND, |frame| {
        (frame.port == right_port.index())
            .then(|| frame.claim())?
            .and_then(|claim| matches!(claim, Claim::Arp(_)).then_some(()))
    });
    std::thread::sleep(SECOND / 2);
    assert!(client.answered() > 100, "the client was served before");
    let pings: Pings = client.stop();
    let (_, back) = pings.outage(killed).expect("the address was away");
    let last = capture.adverts(&left_port, 7, Duration::ZERO).last().unwrap().0;
    eprintln!(
        "taken over {:?} after the last advert, client back {:?} after that; lost {} of {}",
        taken - last,
        back - taken,
        pings.lost(killed, now()),
        pings.list.len()
    );
    assert!(back < taken + SECOND / 4, "the client follows");
    assert_eq!(capture.dropped(), 0);
    assert!(second.process().runs());
    left_port.plug();
    first.restart();
    capture.wait_advert(&left_port, 7, taken, SECOND * 5);
}

#[test]
fn two_frr_move_an_address() {
    let missing = [Frr::missing()];
    let Some(_bench) = Bench::take(Load::Light, &missing) else {
        return;
    };
    let lan = Segment::new();
    let (left, right) = (Host::new("left"), Host::new("right"));
    let capture = lan.capture();
    let left_port = lan.attach_with(&left, "eth0", &["10.0.0.1/24"]);
    let right_port = lan.attach_with(&right, "eth0", &["10.0.0.2/24"]);
    let family = |priority| FrrFamily {
        device: "eth0",
        vrid: 7,
        priority,
        interval_ms: 200,
        addresses: &["10.0.0.100"],
    };
    let mut first = Frr::start(&left, &family(150));
    let _second = Frr::start(&right, &family(100));
    capture.wait_advert(&left_port, 7, Duration::ZERO, SECOND * 5);
    let killed = first.process().kill();
    let (taken, _) = capture.wait_advert(&right_port, 7, killed, SECOND * 3);
    let last = capture.adverts(&left_port, 7, Duration::ZERO).last().unwrap().0;
    eprintln!("taken over {:?} after the last advert", taken - last);
    first.restart();
    capture.wait_advert(&left_port, 7, taken, SECOND * 5);
}

/// FRR's bfdd and keepalived's find each other; the tap reads what they say, and the operator can end it.
#[test]
fn frr_and_keepalived_have_a_bfd_session() {
    let missing = [Keepalived::missing(), Bfdd::missing()];
    let Some(_bench) = Bench::take(Load::Light, &missing) else { return };
    let lan = Segment::new();
    let (left, right) = (Host::new("left"), Host::new("right"));
    let capture = lan.capture();
    let left_port = lan.attach_with(&left, "eth0", &["10.0.0.1/24"]);
    let right_port = lan.attach_with(&right, "eth0", &["10.0.0.2/24"]);
    let peer = "peer 10.0.0.1 local-address 10.0.0.2 interface eth0";
    let mut bfdd =
        Bfdd::start(&right, &format!(" {peer}\n  receive-interval 150\n  transmit-interval 150\n"));
    let _keepalived = Keepalived::start(
        &left,
        "bfd_instance one {\n neighbor_ip 10.0.0.2\n source_ip 10.0.0.1\n min_rx 100\n min_tx 100\n}\n",
    );
    capture.wait_bfd_up([&left_port, &right_port], Duration::ZERO, SECOND * 10);
    let last = capture.bfd(&left_port, Duration::ZERO).pop().unwrap();
    assert_eq!((last.source, last.destination), ([10, 0, 0, 1].into(), [10, 0, 0, 2].into()));
    assert_eq!((last.ttl, last.multiplier, last.tx, last.rx), (255, 5, SECOND / 10, SECOND / 10));
    assert!(last.source_port >= 49_152 && last.mine != 0 && last.yours != 0 && !last.is_final, "{last:?}");
    let asked = now();
    bfdd.operate(&["configure terminal", "bfd", peer, "shutdown"]);
    let is_down = |bfd: &crate::harness::Bfd| bfd.standing == Standing::AdminDown;
    capture.wait_bfd("AdminDown", &right_port, asked, SECOND * 2, is_down);
    let down = capture.wait_bfd("down", &left_port, asked, SECOND * 2, |bfd| bfd.standing == Standing::Down);
    assert_eq!(down.diagnostic, 3);
    let allowed = now();
    bfdd.operate(&["configure terminal", "bfd", peer, "no shutdown"]);
    capture.wait_bfd_up([&left_port, &right_port], allowed, SECOND * 10);
    let killed = bfdd.process().kill();
    let down = capture.wait_bfd("down", &left_port, killed, SECOND * 2, |bfd| bfd.standing == Standing::Down);
    assert_eq!(down.diagnostic, 1);
    bfdd.restart();
    capture.wait_bfd_up([&left_port, &right_port], down.at, SECOND * 10);
}
