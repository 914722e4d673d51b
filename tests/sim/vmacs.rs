//! Virtual MACs (RFC 9568 §7.3): what a switch and a host see of them.

use core::net::IpAddr;

use vipd::config::Family;
use vipd::vrrp::Phase;
use vipd::wire::Mac;

use crate::clock::{MS, Nanos, SEC};
use crate::frame::{self, Content};
use crate::plan::Plan;
use crate::seed;
use crate::world::World;

const EPSILON: Nanos = 50 * MS;

fn pair(seed: u64, shape: &Plan) -> World {
    let mut world = World::of(seed, [shape.clone().priority(150), shape.clone().priority(100)]);
    world.settle();
    assert_eq!(world.master(), 0);
    world.forget();
    world
}

fn shapes() -> [Plan; 4] {
    [Plan::v2().vmac(), Plan::v3().vmac(), Plan::v6().vmac(), Plan::dual().vmac()]
}

/// The client's neighbour cache is written once and never again: no host need ever learn that the master is another
/// one. The switch learns it from the adverts (RFC 9568 §7.2, §8.1.2; TX08, AD07).
#[test]
fn ad14_a_client_whose_cache_never_changes_is_served_over_a_failover() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            for family in shape.families() {
                let (mac, _) = shape.vmac_of(family).unwrap();
                for address in shape.addresses(family) {
                    world.clients[0].kernel.freeze(0, address, mac);
                }
            }
            world.run(SEC);
            world.power_off(0);
            world.settle();
            assert_eq!(world.master(), 1);
            assert!(world.serves(1));
            assert!(world.outage() <= shape.down() + EPSILON, "{} ms", world.outage() / MS);
            // It pre-empts, and what the other one says last is not to lead the switch back there.
            world.run(SEC);
            world.forget();
            world.power_on(0);
            world.settle();
            assert_eq!(world.master(), 0);
            assert!(world.serves(0));
            assert!(world.outage() <= EPSILON, "{} ms", world.outage() / MS);
            // A resignation takes no longer than the skew.
            world.forget();
            world.stop(0);
            world.settle();
            assert!(world.serves(1));
            assert!(world.outage() <= shape.skew() + EPSILON, "{} ms", world.outage() / MS);
        }
    });
}

/// Adverts and announcements have the virtual MAC as Ethernet source, and announcements as the sender's; nothing else
/// that is said of a virtual address names another one (RFC 9568 §8.1.2; AD04, AD11, AD12); each is there before it is
/// announced (AD15: `checkers/frames.rs`).
#[test]
fn ad04_ad15_tx08_whatever_is_said_of_a_virtual_address_names_the_virtual_mac() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            world.add_stranger(0);
            world.power_off(0);
            world.settle();
            let mine = |address: IpAddr| shape.addresses(Family::of(address)).contains(&address);
            let (mut adverts, mut announcements) = (0, 0);
            for frame in &world.heard {
                let opened = frame::open(frame).unwrap();
                let (about, said, family) = match opened.content {
                    Content::Vrrp { from, .. } => {
                        adverts += 1;
                        (true, opened.from, Family::of(from))
                    }
                    Content::Arp { sender, sender_mac, .. } => {
                        announcements += 1;
                        (mine(sender.into()), sender_mac, Family::V4)
                    }
                    Content::Advertisement(it) => {
                        announcements += 1;
                        (mine(it.target.into()), it.mac.unwrap(), Family::V6)
                    }
                    Content::Solicitation { .. } | Content::Echo { .. } | Content::Udp { .. } => continue,
                };
                if about {
                    let (mac, _) = shape.vmac_of(family).unwrap();
                    assert_eq!((opened.from, said), (mac, mac), "not the virtual MAC");
                }
            }
            assert!(adverts > 0 && announcements > 0);
        }
    });
}

/// With `vmac_xmit_base`, adverts carry the device's own address, and announcements the virtual one all the same.
#[test]
fn with_vmac_xmit_base_adverts_leave_from_the_interface_itself() {
    seed::each(|seed| {
        let shape = Plan { sends_from_base: true, ..Plan::dual().vmac() };
        let mut world = pair(seed, &shape);
        world.add_stranger(0);
        world.power_off(0);
        world.settle();
        let base = world.nodes[1].kernel.links[0].mac;
        for frame in &world.heard {
            let opened = frame::open(frame).unwrap();
            match opened.content {
                Content::Vrrp { .. } => assert_eq!(opened.from, base),
                Content::Arp { .. } | Content::Advertisement(_) => {}
                Content::Solicitation { .. } | Content::Echo { .. } | Content::Udp { .. } => {}
            }
        }
        assert!(world.serves(1));
    });
}

/// RFC 9568 §6.4.2: frames to the virtual MAC are not a backup's, and nothing that a backup sends names it.
#[test]
fn ad03_a_backup_neither_speaks_nor_hears_under_the_virtual_mac() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            for family in shape.families() {
                let (_, name) = shape.vmac_of(family).unwrap();
                for (node, up) in [(0, true), (1, false)] {
                    let kernel = &world.nodes[node].kernel;
                    let link = &kernel.links[kernel.by_name(&name).expect("it is there")];
                    assert_eq!(link.up, up);
                }
            }
            world.run(10 * SEC);
            assert!(world.checkers.adverts.iter().all(|advert| advert.node == 0));
        }
    });
}

/// What SIGKILL leaves is taken over, and switched off as long as another is master.
#[test]
fn a_device_that_a_killed_daemon_has_left_is_quiet_again_as_soon_as_the_next_one_starts() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            world.kill(0);
            world.settle();
            let family = shape.families().next().unwrap();
            let (_, name) = shape.vmac_of(family).unwrap();
            let before = world.nodes[0].kernel.by_name(&name).expect("left behind");
            let index = world.nodes[0].kernel.links[before].index;
            assert!(world.nodes[0].kernel.links[before].up);
            world.nodes[0].plans[0].priority = 50;
            world.start(0);
            world.settle();
            let kernel = &world.nodes[0].kernel;
            let link = &kernel.links[kernel.by_name(&name).unwrap()];
            assert_eq!((link.index, link.up), (index, false), "the same, switched off");
            assert!(link.addresses.is_empty());
            assert_eq!(world.master(), 1);
        }
    });
}

/// As addresses are put back, so is the device; mastership is kept.
#[test]
fn a_device_that_somebody_deletes_or_switches_off_is_put_back_at_once() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            for deletes in [true, false, true] {
                world.run(2 * SEC);
                world.forget();
                for node in 0..2 {
                    for family in shape.families() {
                        let (_, name) = shape.vmac_of(family).unwrap();
                        world.administer(node, |kernel, rng| {
                            let at = kernel.by_name(&name).unwrap();
                            if deletes {
                                kernel.delete_link(at, rng);
                            } else {
                                kernel.set_up(at, node == 1, rng);
                            }
                        });
                    }
                }
                world.settle();
                assert_eq!((world.master(), world.changes()), (0, 0));
                assert!(world.serves(0));
                assert!(world.outage() <= 100 * MS, "{} ms", world.outage() / MS);
            }
        }
    });
}

/// The device below is what counts: its carrier, its name, its life.
#[test]
fn a_virtual_router_follows_the_device_below() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            world.set_cable(0, 0, false);
            world.settle();
            assert_eq!(world.master(), 1);
            world.set_cable(0, 0, true);
            world.settle();
            assert_eq!(world.master(), 0);
            world.administer(0, |kernel, rng| kernel.delete_link(0, rng));
            world.settle();
            assert_eq!(world.master(), 1);
            world.administer(0, |kernel, rng| kernel.recreate_link(0, rng));
            world.settle();
            assert_eq!(world.master(), 0);
            assert!(world.serves(0));
        }
    });
}

/// A reload that turns it on or off keeps the master, and hosts learn the other Ethernet address.
#[test]
fn a_reload_gives_a_master_a_virtual_mac_and_takes_it_away() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            let (_, name) = shape.vmac_of(shape.families().next().unwrap()).unwrap();
            for has_vmac in [false, true, false] {
                world.run(2 * SEC);
                world.forget();
                for (node, priority) in [(0, 150), (1, 100)] {
                    world.reload(node, vec![Plan { has_vmac, ..shape.clone().priority(priority) }]);
                }
                world.settle();
                assert_eq!((world.master(), world.changes()), (0, 0));
                assert_eq!(world.nodes[0].kernel.by_name(&name).is_some(), has_vmac);
                assert!(world.serves(0));
                assert!(world.outage() <= 1200 * MS, "{} ms", world.outage() / MS);
            }
        }
    });
}

/// Nothing of it is left where the daemon ends, and the device below speaks ARP as before.
#[test]
fn ad23_a_daemon_that_ends_removes_its_devices() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            let arp = |world: &World, node: usize| world.nodes[node].kernel.links[0].arp;
            let before = arp(&world, 1);
            assert_ne!(arp(&world, 0), before, "a master's device speaks for itself only");
            for node in 0..2 {
                world.stop(node);
            }
            world.run(SEC);
            for node in 0..2 {
                assert!(
                    world.nodes[node].kernel.links.iter().all(|link| link.below.is_none() || !link.present)
                );
                assert_eq!(arp(&world, node), before);
            }
        }
    });
}

/// Another device of that name is nobody's to touch, and no reason to stay silent about.
#[test]
fn a_device_of_that_name_that_is_another_is_left_alone_and_is_a_fault() {
    seed::each(|seed| {
        let shape = Plan::v3().vmac();
        let mut world = World::new(seed, 1);
        world.add_node(vec![shape.clone()], true);
        let (_, name) = shape.vmac_of(Family::V4).unwrap();
        let foreign = Mac([2, 0, 0, 9, 9, 9]);
        world.administer(0, |kernel, rng| {
            let below = kernel.links[0].index;
            assert_eq!(kernel.add_macvlan(&name, below, foreign, rng), 0);
        });
        world.start(0);
        world.run(20 * SEC);
        assert_eq!(world.phase(0), Some(Phase::Initialize));
        world.stop(0);
        world.run(SEC);
        let kernel = &mut world.nodes[0].kernel;
        assert_eq!(kernel.links[kernel.by_name(&name).expect("still there")].mac, foreign);
        world.administer(0, |kernel, rng| kernel.delete_link(kernel.by_name(&name).unwrap(), rng));
        world.start(0);
        world.run(20 * SEC);
        assert_eq!(world.phase(0), Some(Phase::Master));
    });
}
