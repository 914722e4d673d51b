//! `address_lifetime`: what the segment has of a dead man's switch. What must hold in every run is checked in `checkers`.

use crate::clock::{MS, SEC};
use crate::plan::Plan;
use crate::seed;
use crate::world::World;

/// Two routers whose addresses live for so many seconds unless they are renewed, the first of them master.
fn pair(seed: u64, shape: &Plan, lifetime_secs: u16) -> World {
    let shape = shape.clone().lifetime(lifetime_secs);
    let mut world = World::of(seed, [shape.clone().priority(150), shape.priority(100)]);
    world.settle();
    world.run(6 * SEC);
    assert_eq!(world.master(), 0);
    world.forget();
    world
}

fn shapes() -> [Plan; 4] {
    [Plan::v2(), Plan::v3().centis(10), Plan::v6(), Plan::dual()]
}

fn has_any(world: &World, node: usize) -> bool {
    let node = &world.nodes[node];
    let plan = &node.plans[0];
    plan.families().flat_map(|family| plan.addresses(family)).any(|it| node.kernel.links[0].has(it))
}

#[test]
fn a_living_master_keeps_its_addresses_and_announces_nothing_for_them() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape, 2);
            world.run(60 * SEC);
            assert_eq!(world.changes(), 0);
            assert!(world.checkers.announcements.is_empty());
            assert!(world.outage() <= world.clients[0].period, "{} ms", world.outage() / MS);
        }
    });
}

/// Killed or frozen, by the kernel's hand, within the lifetime and the second in which the kernel looks.
#[test]
fn a_dead_or_frozen_master_has_no_address_after_its_lifetime() {
    seed::each(|seed| {
        for (shape, is_killed) in shapes().iter().flat_map(|shape| [(shape, true), (shape, false)]) {
            let mut world = pair(seed, shape, 3);
            if is_killed {
                world.kill(0);
            } else {
                world.stall(0);
            }
            let gone = world.run_until(4 * SEC, "without an address", |world| !has_any(world, 0));
            assert!(
                gone >= 2 * SEC,
                "it was renewed a second ago at most, and was gone after {} ms",
                gone / MS
            );
            world.settle();
            assert_eq!(world.master(), 1);
            assert!(world.serves(1));
            assert!(world.checkers.lifetimes.seen > 0, "the checker has looked");
        }
    });
}

/// Law 6. What wakes finds its addresses dropped and another master: not one client hears of it.
#[test]
fn law_06_who_wakes_without_its_addresses_does_not_take_them_from_its_successor() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape.nopreempt(), 3);
            world.stall(0);
            world.run(20 * SEC);
            assert_eq!(world.master(), 1);
            world.forget();
            world.resume(0);
            world.settle();
            world.run(10 * SEC);
            assert_eq!(world.master(), 1);
            assert!(world.checkers.announcements.iter().all(|it| it.node == 1));
            assert!(world.checkers.adverts.iter().all(|it| it.node == 1), "nor does it resign");
            assert!(world.checkers.sleepers.seen > 0, "the checker has looked");
            assert!(world.outage() <= world.clients[0].period, "{} ms", world.outage() / MS);
        }
    });
}

/// Nobody has replaced it.
#[test]
fn who_wakes_alone_has_its_addresses_again_at_once() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = World::of(seed, [shape.lifetime(3)]);
            world.settle();
            world.stall(0);
            world.run(20 * SEC);
            assert!(!has_any(&world, 0));
            world.forget();
            world.resume(0);
            let waited = world.run_until(SEC, "served", |world| world.serves(0) && has_any(world, 0));
            assert!(waited <= 50 * MS + world.clients[0].period, "{} ms", waited / MS);
            assert!(!world.checkers.announcements.is_empty(), "hosts hear of it");
        }
    });
}

/// On and off while it is master: no gap, and nothing is left behind.
#[test]
fn a_reload_switches_it_on_and_off_without_a_gap() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape, 0);
            for lifetime_secs in [3, 60, 2, 0] {
                let plan = Plan { lifetime_secs, ..world.nodes[0].plans[0].clone() };
                world.reload(0, vec![plan]);
                world.run(10 * SEC);
            }
            assert_eq!(world.changes(), 0);
            assert!(world.checkers.announcements.is_empty());
            assert!(world.outage() <= world.clients[0].period, "{} ms", world.outage() / MS);
            world.kill(0);
            world.run(100 * SEC);
            assert!(has_any(&world, 0), "switched off, they are there for ever");
        }
    });
}
