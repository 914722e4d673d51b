//! What is tracked beside links moves the mastership, both ways, and what flaps does not move it more often than it must.

use core::time::Duration;

use crate::clock::{MS, SEC};
use crate::plan::Plan;
use crate::scenarios::{EPSILON, assert_outage, settled, shapes, skew_of};
use crate::seed;
use crate::things::{KNOWN_AFTER, Mood, Thing};
use crate::world::World;

const BAD: [Mood; 2] = [Mood::Bad, Mood::Hangs];

fn pair(seed: u64, first: Plan, second: Plan) -> World {
    let mut world = World::of(seed, [first, second]);
    world.settle();
    settled(world)
}

/// Weight 0: what is bad is a fault, which is resigned for.
#[test]
fn a_master_resigns_when_what_it_tracks_is_bad_and_comes_back_when_it_is_good() {
    seed::each(|seed| {
        for shape in shapes() {
            for thing in Thing::ALL {
                let plan = shape.clone().priority(150).tracks_thing(thing, 0);
                let mut world = pair(seed, plan, shape.clone().priority(100));
                assert_eq!(world.master(), 0);
                for mood in BAD {
                    world.forget();
                    world.set_thing(0, thing, mood);
                    let took = world.run_until(KNOWN_AFTER, "resigned", |world| world.nodes[1].is_master());
                    assert!(thing != Thing::File || took < skew_of(&world, 1) + EPSILON, "{took}");
                    world.settle();
                    assert_eq!(world.master(), 1);
                    assert_outage(&world, skew_of(&world, 1) + EPSILON);
                    world.set_thing(0, thing, Mood::Good);
                    world.settle();
                    assert_eq!(world.master(), 0);
                }
            }
        }
    });
}

/// ST18: with a weight nobody is without a master for a moment.
#[test]
fn a_master_hands_over_when_what_it_tracks_costs_it_its_priority() {
    seed::each(|seed| {
        for shape in shapes() {
            for (thing, weight) in [(Thing::Probe, -100), (Thing::File, -10), (Thing::Route, -100)] {
                let plan = shape.clone().priority(150).tracks_thing(thing, weight);
                let mut world = pair(seed, plan, shape.clone().priority(100));
                for mood in BAD {
                    world.forget();
                    world.set_thing(0, thing, mood);
                    world.settle();
                    assert_eq!(world.master(), 1, "{thing:?}");
                    assert_outage(&world, EPSILON);
                    world.forget();
                    world.set_thing(0, thing, Mood::Good);
                    world.settle();
                    assert_eq!(world.master(), 0);
                    assert_outage(&world, EPSILON);
                }
            }
        }
    });
}

/// A positive weight lifts who has it: the lesser router is master while its things are good.
#[test]
fn a_backup_is_lifted_by_what_is_good() {
    seed::each(|seed| {
        for (thing, weight) in [(Thing::Probe, 100), (Thing::File, 10), (Thing::Route, 100)] {
            let plan = Plan::v3().priority(100).tracks_thing(thing, weight);
            let mut world = World::of(seed, [Plan::v3().priority(150), plan]);
            world.settle();
            assert_eq!(world.master(), 1);
            world.set_thing(1, thing, Mood::Bad);
            world.settle();
            assert_eq!(world.master(), 0);
            world.set_thing(1, thing, Mood::Good);
            world.settle();
            assert_eq!(world.master(), 1);
        }
    });
}

/// A probe that fails now and then, and never twice in a row, moves nothing.
#[test]
fn a_probe_that_flaps_faster_than_it_falls_moves_nothing() {
    seed::each(|seed| {
        let plan = Plan::v3().priority(150).tracks_thing(Thing::Probe, 0);
        let mut world = pair(seed, plan, Plan::v3().priority(100));
        world.forget();
        for _ in 0..10 {
            world.set_thing(0, Thing::Probe, Mood::Bad);
            world.run(SEC - 50 * MS);
            world.set_thing(0, Thing::Probe, Mood::Good);
            world.run(2 * SEC);
        }
        assert_eq!(world.changes(), 0);
    });
}

/// Of two that have lost theirs nobody is master, and the first to have it back is.
#[test]
fn nobody_is_master_while_all_are_forbidden() {
    seed::each(|seed| {
        for thing in Thing::ALL {
            let plan = |priority: u8| Plan::dual().priority(priority).tracks_thing(thing, 0);
            let mut world = pair(seed, plan(150), plan(100));
            world.set_thing(0, thing, Mood::Bad);
            world.set_thing(1, thing, Mood::Bad);
            world.settle();
            assert!(world.nodes.iter().all(|node| !node.is_master()));
            world.set_thing(1, thing, Mood::Good);
            world.settle();
            assert_eq!(world.master(), 1);
            world.set_thing(0, thing, Mood::Good);
            world.settle();
            assert_eq!(world.master(), 0);
        }
    });
}

/// The news that a route has gone is lost, or the list of routes is.
#[test]
fn lost_news_of_routes_are_asked_for_again() {
    seed::each(|seed| {
        let plan = Plan::v3().priority(150).tracks_thing(Thing::Route, 0);
        let mut world = pair(seed, plan, Plan::v3().priority(100));
        for overruns in [1000, 500] {
            let trouble = crate::kernel::Trouble { overruns, ..crate::kernel::Trouble::NONE };
            world.set_trouble(0, trouble);
            world.set_thing(0, Thing::Route, Mood::Bad);
            world.run(3 * SEC);
            world.set_trouble(0, crate::kernel::Trouble::NONE);
            world.run(2 * SEC);
            world.settle();
            assert_eq!(world.master(), 1);
            world.set_thing(0, Thing::Route, Mood::Good);
            world.settle();
            assert_eq!(world.master(), 0);
        }
    });
}

/// A reload keeps what is known, and who takes part goes on.
#[test]
fn a_reload_in_the_middle_of_a_try_changes_nothing() {
    seed::each(|seed| {
        let plan =
            Thing::ALL.iter().fold(Plan::v3().priority(150), |plan, thing| plan.tracks_thing(*thing, 0));
        let mut world = pair(seed, plan.clone(), Plan::v3().priority(100));
        world.forget();
        for _ in 0..20 {
            let pause = world.rng.u64(0..700 * MS);
            world.run(pause);
            world.reload(0, vec![plan.clone()]);
        }
        world.settle();
        assert_eq!(world.changes(), 0);
        let later = Plan { preempt_delay: Duration::ZERO, things: Vec::new(), ..plan };
        world.reload(0, vec![later]);
        world.set_thing(0, Thing::Probe, Mood::Bad);
        world.settle();
        assert_eq!((world.changes(), world.master()), (0, 0), "what is not tracked any more counts no more");
    });
}

/// Both wait for a better moment, the address that the kernel refuses and the list of routes; neither forgets the other.
#[test]
fn an_address_that_is_refused_while_routes_are_listed_is_put_back() {
    seed::each(|seed| {
        let plan = Plan::v3().priority(150).tracks_thing(Thing::Route, 20);
        let mut world = pair(seed, plan, Plan::v3().priority(100));
        let trouble = crate::kernel::Trouble { refusals: 1000, ..crate::kernel::Trouble::NONE };
        world.set_trouble(0, trouble);
        world.administer(0, |kernel, rng| {
            let own = kernel.links[0].own.clone();
            kernel.remove_where(0, |it| !own.iter().any(|own| own.0 == it.address), rng);
        });
        for mood in [Mood::Bad, Mood::Good, Mood::Bad, Mood::Good] {
            world.set_thing(0, Thing::Route, mood);
            world.run(400 * MS);
        }
        world.set_trouble(0, crate::kernel::Trouble::NONE);
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
    });
}
