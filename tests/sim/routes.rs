//! A route that moves with the address.

use crate::clock::{MS, SEC};
use crate::kernel::Trouble;
use crate::plan::{Plan, ROUTE};
use crate::seed;
use crate::world::World;

fn pair(seed: u64, shape: &Plan) -> World {
    let shape = shape.clone().with_route();
    let mut world = World::of(seed, [shape.clone().priority(150), shape.priority(100)]);
    world.settle();
    assert_eq!(world.master(), 0);
    world
}

fn shapes() -> [Plan; 4] {
    [Plan::v2(), Plan::v3().centis(10), Plan::v6(), Plan::dual()]
}

/// The route is where the addresses are, and nowhere else.
fn assert_moved(world: &World, master: usize) {
    for (number, node) in world.nodes.iter().enumerate() {
        assert_eq!(node.kernel.routes.contains(&ROUTE), number == master, "node {number}");
    }
}

#[test]
fn the_route_moves_with_the_address_when_its_router_is_asked_to_end_or_loses_its_cable_or_power() {
    seed::each(|seed| {
        for (shape, way) in shapes().iter().flat_map(|shape| [(shape, 0), (shape, 1), (shape, 2)]) {
            let mut world = pair(seed, shape);
            assert_moved(&world, 0);
            match way {
                0 => world.stop(0),
                1 => world.set_cable(0, 0, false),
                _ => world.power_off(0),
            }
            world.settle();
            assert_moved(&world, 1);
            match way {
                0 => world.start(0),
                1 => world.set_cable(0, 0, true),
                _ => world.power_on(0),
            }
            world.settle();
            assert_moved(&world, 0);
        }
    });
}

/// A crash leaves it, as it leaves the address, until the daemon is started again.
#[test]
fn what_a_crash_has_left_is_taken_back_at_the_next_start() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            world.kill(0);
            world.settle();
            assert!(world.nodes.iter().all(|node| node.kernel.routes.contains(&ROUTE)));
            world.start(0);
            world.run(5 * MS);
            assert_moved(&world, 1);
            world.settle();
            assert_moved(&world, 0);
        }
    });
}

/// Linux drops IPv4's routes and tells nobody.
#[test]
fn a_route_that_went_with_a_link_is_back_within_two_seconds_of_the_link() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            for _ in 0..3 {
                world.administer(0, |kernel, rng| kernel.set_up(0, false, rng));
                world.settle();
                assert_moved(&world, 1);
                world.administer(0, |kernel, rng| kernel.set_up(0, true, rng));
                world.settle();
                world.run(2 * SEC);
                assert_moved(&world, 0);
            }
        }
    });
}

#[test]
fn what_the_kernel_has_refused_is_there_in_the_end() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            let trouble = Trouble { requests: 300, refusals: 300, overruns: 100, ..Trouble::NONE };
            for node in [0, 1] {
                world.set_trouble(node, trouble);
            }
            world.stop(0);
            world.run(10 * SEC);
            world.start(0);
            world.run(10 * SEC);
            for node in [0, 1] {
                world.set_trouble(node, Trouble::NONE);
            }
            world.settle();
            world.run(3 * SEC);
            assert_moved(&world, 0);
        }
    });
}
