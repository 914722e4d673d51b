//! Several IPv4 addresses of one subnet on one device: Linux removes the later ones with the first, unless
//! `promote_secondaries` is set on the device.

use std::thread;

use crate::bench::{Bench, Load};
use crate::lone::{Lone, SECOND, config};

const OWN: &str = "10.0.0.1";
const VIRTUAL: &str = "10.0.0.100";

/// A master with a second address of its own, as what a network manager does has made it: the virtual address is the
/// first of its subnet, and the router's own came later.
fn behind_a_virtual_address(option: &str) -> Lone {
    let text = config(200, &["10.0.0.100/24"]).replace("\tlist", &format!("{option}\tlist"));
    let lone = Lone::prepared(&text, |host| {
        host.sysctl("ipv4/conf/all/promote_secondaries", "0");
        host.sysctl("ipv4/conf/eth0/promote_secondaries", "0");
        // So that it goes on when the other one is taken away.
        host.ip("address add 10.5.0.1/24 dev eth0");
    });
    lone.wait_master(VIRTUAL);
    lone.host.ip("address del 10.0.0.1/24 dev eth0");
    lone.wait_address(VIRTUAL, true);
    thread::sleep(SECOND / 2);
    lone.wait_address(VIRTUAL, true);
    lone.host.ip("address add 10.0.0.1/24 dev eth0");
    let shown = lone.host.ip("-4 -o address show dev eth0");
    let own = shown.lines().find(|line| line.contains("10.0.0.1/24")).unwrap();
    assert!(own.contains("secondary"), "{shown}");
    lone
}

fn stop(lone: &mut Lone) {
    lone.vipd.process().terminate();
    assert_eq!(lone.vipd.process().wait(SECOND * 2).code(), Some(0));
    assert!(!lone.host.has("eth0", VIRTUAL));
}

#[test]
fn releasing_a_virtual_address_leaves_the_routers_own_that_was_added_after_it() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = behind_a_virtual_address("");
    stop(&mut lone);
    assert!(lone.host.has("eth0", OWN), "its own address stays: {:?}", lone.host.addresses("eth0"));
}

/// What the option is there for; it shows that the test above tests something.
#[test]
fn without_promote_secondaries_linux_takes_the_routers_own_address_too() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = behind_a_virtual_address("\toption promote_secondaries '0'\n");
    stop(&mut lone);
    assert!(!lone.host.has("eth0", OWN), "{:?}", lone.host.addresses("eth0"));
}

/// A virtual address that was there second becomes the first, where otherwise it would be gone and put back.
#[test]
fn a_virtual_address_stays_when_the_routers_own_is_taken_away() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::prepared(&config(200, &["10.0.0.100/24"]), |host| {
        host.sysctl("ipv4/conf/all/promote_secondaries", "0");
        host.sysctl("ipv4/conf/eth0/promote_secondaries", "0");
        host.ip("address add 10.5.0.1/24 dev eth0");
    });
    lone.wait_master(VIRTUAL);
    let (since, _) = lone.wait_master(VIRTUAL);
    thread::sleep(SECOND);
    let from = crate::harness::now();
    lone.host.ip("address del 10.0.0.1/24 dev eth0");
    thread::sleep(SECOND / 2);
    assert!(lone.host.has("eth0", VIRTUAL));
    let frames = lone.capture.between(from, crate::harness::now());
    assert!(frames.iter().all(|frame| frame.gratuitous_arp().is_none()), "it was never put back");
    lone.was_master_since(since);
}
