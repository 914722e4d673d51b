//! What happens on a segment, one story at a time. The checkers watch all of it.

use core::net::IpAddr;
use core::time::Duration;

use vipd::config::Family;
use vipd::vrrp::Phase;
use vipd::wire::vrrp::Discard;

use crate::clock::{MS, Nanos, SEC};
use crate::kernel::Trouble;
use crate::plan::{Plan, vip_v4};
use crate::seed;
use crate::stranger::Forgery;
use crate::switch::Path;
use crate::world::{World, own_v4};

/// What processes and wires add to the protocol's own times, and two pings.
pub const EPSILON: Nanos = 50 * MS;

/// The shapes of a virtual router that most stories are told about: both versions, both families, both
/// at once, and the shortest interval.
pub fn shapes() -> [Plan; 6] {
    let mixed = Plan { version: Plan::v2().version, ..Plan::dual() };
    [Plan::v2(), Plan::v3(), Plan::v6(), Plan::dual(), mixed.centis(200), Plan::v3().centis(1)]
}

/// Tells a story of two routers, of priority 150 and 100, once for each shape and each seed. It begins
/// when the first is master and everything is quiet.
fn of_pairs<F: Fn(&mut World)>(story: F) {
    seed::some(seed::name_of::<F>(), seed::SEEDS_PER_SCENARIO, |seed| {
        for shape in shapes() {
            story(&mut pair(seed, &shape));
        }
    });
}

fn pair(seed: u64, shape: &Plan) -> World {
    settled(World::of(seed, [shape.clone().priority(150), shape.clone().priority(100)]))
}

/// A world whose node 0 has become master, and that has forgotten how.
pub fn settled(mut world: World) -> World {
    world.settle();
    anywhere_in_an_interval(&mut world);
    assert_eq!(world.master(), 0);
    assert!(world.serves(0));
    world.forget();
    world
}

/// Lets time pass, so that what follows begins anywhere between two adverts.
fn anywhere_in_an_interval(world: &mut World) {
    let span = world.rng.u64(0..interval_of(world));
    world.run(span);
}

/// Number of virtual routers in the plan: each has a state of its own.
fn families(world: &World) -> usize {
    world.nodes[0].plans[0].families().count()
}

fn down_of(world: &World, node: usize) -> Nanos {
    world.nodes[node].plans[0].down()
}

pub fn skew_of(world: &World, node: usize) -> Nanos {
    world.nodes[node].plans[0].skew()
}

fn interval_of(world: &World) -> Nanos {
    world.nodes[0].plans[0].interval()
}

pub fn assert_outage(world: &World, most: Nanos) {
    let outage = world.outage();
    assert!(outage <= most, "clients wait {} ms, at most {} allowed", outage / MS, most / MS);
}

/// ST02, ST04: nobody owns the address, so all wait; the one with the shortest wait is master.
#[test]
fn of_routers_that_start_together_the_one_with_the_highest_priority_is_master() {
    seed::each(|seed| {
        for shape in shapes() {
            let priorities = [100, 254, 200, 1, 150];
            let mut world = World::of(seed, priorities.map(|it| shape.clone().priority(it)));
            world.settle();
            assert_eq!(world.master(), 1);
            assert_eq!(world.checkers.takeovers(1), families(&world));
            for other in [0, 2, 3, 4] {
                assert_eq!(world.checkers.takeovers(other), 0, "node {other}");
            }
        }
    });
}

/// ST04, TM09. The kernel of the dead daemon goes on answering until the hosts hear of the new master.
#[test]
fn the_backup_takes_over_when_the_masters_daemon_is_killed() {
    of_pairs(|world| {
        world.kill(0);
        let down = down_of(world, 1);
        world.run_until_served_by(1, down + EPSILON);
        world.settle();
        assert_eq!(world.master(), 1);
        assert_eq!(world.checkers.takeovers(1), families(world));
    });
}

/// ST04, AD11, AD12.
#[test]
fn hosts_reach_the_backup_when_the_master_loses_power() {
    of_pairs(|world| {
        world.power_off(0);
        world.settle();
        assert_eq!(world.master(), 1);
        assert_outage(world, down_of(world, 1) + EPSILON);
    });
}

/// ST10, ST06, TM08: who ends in order says so, and the backup waits for its skew time only.
#[test]
fn the_backup_takes_over_at_once_when_the_master_resigns() {
    of_pairs(|world| {
        world.stop(0);
        world.settle();
        assert_eq!(world.master(), 1);
        assert!(!world.nodes[0].has_daemon(), "the daemon has ended");
        assert_outage(world, skew_of(world, 1) + EPSILON);
        for address in world.nodes[0].plans[0].v4.clone() {
            assert!(!world.nodes[0].kernel.links[0].has(IpAddr::V4(address)), "AD23");
        }
    });
}

/// ST10: two advertisements say it, so that one may be lost.
#[test]
fn a_resignation_survives_the_loss_of_one_packet() {
    of_pairs(|world| {
        world.stop(0);
        world.run(10 * MS);
        let resignations = world.checkers.adverts.iter().filter(|it| it.priority == 0).count();
        assert_eq!(resignations, 2 * families(world));
    });
}

/// ST03: nobody notices.
#[test]
fn a_backup_that_ends_says_nothing() {
    of_pairs(|world| {
        world.stop(1);
        world.settle();
        assert_eq!(world.checkers.adverts.iter().filter(|it| it.node == 1).count(), 0);
        assert_eq!(world.checkers.takeovers(0), 0);
        assert_outage(world, EPSILON);
    });
}

/// ST08, ST13: the lower one is heard and outwaited, and yields to the first advertisement.
#[test]
fn a_router_with_higher_priority_takes_its_place_again() {
    of_pairs(|world| {
        world.power_off(0);
        world.settle();
        world.forget();
        world.power_on(0);
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
        assert_outage(world, EPSILON);
    });
}

/// ST07.
#[test]
fn with_nopreempt_a_router_with_higher_priority_waits() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape.nopreempt());
            world.power_off(0);
            world.settle();
            world.forget();
            world.power_on(0);
            world.settle();
            world.settle();
            assert_eq!(world.master(), 1);
            assert_eq!(world.checkers.takeovers(0), 0);
            assert_outage(&world, EPSILON);
        }
    });
}

/// ST21: the lower one is suffered for the delay, silence is not.
#[test]
fn preempt_delay_puts_off_a_preemption_and_no_takeover() {
    seed::each(|seed| {
        let delay = Duration::from_secs(9);
        let shape = Plan::v3().preempt_delay(delay);
        let mut world = pair(seed, &shape);
        world.power_off(0);
        world.settle();
        assert_outage(&world, down_of(&world, 1) + EPSILON);
        world.forget();
        world.power_on(0);
        world.run(delay.as_nanos() as Nanos);
        assert_eq!(world.phase(0), Some(Phase::Backup));
        world.settle();
        assert_eq!(world.master(), 0);
        world.power_off(1);
        world.settle();
        world.power_on(1);
        world.settle();
        world.forget();
        world.power_off(0);
        world.settle();
        assert_outage(&world, down_of(&world, 1) + EPSILON);
    });
}

/// ST09, ST14: among equals the greater address wins where two are master, and where one is, it stays.
#[test]
fn among_equals_one_is_master_and_stays() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = World::of(seed, [shape.clone(), shape.clone(), shape.clone()]);
            world.settle();
            let first = world.master();
            world.power_off(first);
            world.settle();
            let second = world.master();
            world.power_on(first);
            world.settle();
            world.forget();
            world.settle();
            assert_eq!(world.master(), second);
            assert_eq!(world.changes(), 0);
            assert_outage(&world, EPSILON);
        }
    });
}

/// The IPv4 addresses name one winner of the tie and the IPv6 addresses the other: the pair must not be
/// torn, nor go to and fro.
#[test]
fn both_families_of_equals_settle_on_one_router_for_good() {
    seed::each(|seed| {
        for drift_ppm in [0, 100] {
            let mut world = World::new(seed, 1);
            for _ in 0..2 {
                world.add_node_with_clock(vec![Plan::dual()], true, drift_ppm);
            }
            world.add_client(0);
            world.start(0);
            world.start(1);
            world.settle();
            let master = world.master();
            assert_eq!(world.master_of(&Plan::dual(), Family::V6), Some(master));
            world.forget();
            world.run(60 * SEC);
            assert_eq!(world.changes(), 0);
        }
    });
}

/// The same after a partition, when both have been master for long.
#[test]
fn both_families_of_equals_settle_after_a_partition() {
    seed::each(|seed| {
        let mut world = World::of(seed, [Plan::dual(), Plan::dual()]);
        world.add_client(0);
        world.settle();
        world.partition(0, &[1], &[1]);
        world.run(20 * SEC);
        anywhere_in_an_interval(&mut world);
        world.heal(0);
        world.settle();
        let master = world.master();
        assert_eq!(world.master_of(&Plan::dual(), Family::V6), Some(master));
        assert!(world.serves(master));
        world.forget();
        world.run(60 * SEC);
        assert_eq!(world.changes(), 0);
    });
}

/// ST22: the hosts of the loser's side learn of the winner, since it announces once more.
#[test]
fn after_a_partition_the_winner_serves_the_hosts_of_both_sides() {
    of_pairs(|world| {
        world.add_client(0);
        world.settle();
        world.partition(0, &[1], &[1]);
        world.settle();
        assert_eq!(world.phase(0), Some(Phase::Master));
        assert_eq!(world.phase(1), Some(Phase::Master));
        anywhere_in_an_interval(world);
        world.heal(0);
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
    });
}

/// The lower one hears nothing and takes over; the higher one hears it and stays. When the way is whole
/// again, one is left, and hosts find it.
#[test]
fn a_one_way_cut_makes_two_masters_until_it_is_mended() {
    of_pairs(|world| {
        world.cut(0, 0, 1);
        world.settle();
        assert_eq!(world.phase(0), Some(Phase::Master));
        assert_eq!(world.phase(1), Some(Phase::Master));
        anywhere_in_an_interval(world);
        world.heal(0);
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
        assert_eq!(world.checkers.takeovers(0), 0);
    });
}

#[test]
fn a_cut_from_the_backup_to_the_master_changes_nothing() {
    of_pairs(|world| {
        world.cut(0, 1, 0);
        world.settle();
        assert_eq!(world.changes(), 0);
        assert_eq!(world.master(), 0);
    });
}

/// A hung master: its kernel still answers, but the backup has announced itself. When it goes on, it hears
/// of the other before it speaks (law 6), steps back, and takes its place later, in order.
#[test]
fn a_master_that_slept_too_long_steps_back_before_it_speaks() {
    of_pairs(|world| {
        world.stall(0);
        let down = down_of(world, 1);
        world.run_until_served_by(1, down + EPSILON);
        world.run(4 * interval_of(world) + 100 * MS);
        assert_eq!(world.master(), 1);
        world.forget();
        world.resume(0);
        let resumed_at = world.now;
        world.run(5 * MS);
        assert_eq!(world.phase(0), Some(Phase::Backup));
        world.settle();
        assert_eq!(world.master(), 0, "later it takes its place again");
        let first = world.checkers.first_advert(0, resumed_at);
        assert!(
            first >= resumed_at + 3 * interval_of(world) * 99 / 100,
            "it speaks only as a rightful master"
        );
        assert_eq!(world.checkers.takeovers(1), 0);
        assert_outage(world, EPSILON);
    });
}

/// The same where nobody preempts: the old master stays backup.
#[test]
fn with_nopreempt_a_master_that_slept_too_long_stays_backup() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape.nopreempt());
            world.stall(0);
            world.settle();
            world.forget();
            world.resume(0);
            world.settle();
            assert_eq!(world.master(), 1);
            assert_eq!(world.checkers.takeovers(0), 0);
            assert_eq!(world.checkers.takeovers(1), 0);
            assert_outage(&world, EPSILON);
        }
    });
}

/// A nap shorter than the others' patience is nothing.
#[test]
fn a_master_that_slept_shortly_goes_on() {
    of_pairs(|world| {
        world.stall(0);
        world.run(2 * interval_of(world) * 9 / 10);
        world.resume(0);
        world.settle();
        assert_eq!(world.changes(), 0);
        assert_outage(world, EPSILON);
    });
}

/// Nor does it matter what a router of lower priority says meanwhile.
#[test]
fn a_master_that_slept_shortly_does_not_yield_to_a_lower_priority() {
    of_pairs(|world| {
        let plan = world.nodes[0].plans[0].clone();
        let port = world.add_stranger(0);
        world.stall(0);
        world.run(2 * interval_of(world) * 9 / 10);
        for family in plan.families() {
            world.inject(0, port, &Forgery::of(&plan, family, 50).frame());
        }
        world.run(MS);
        world.resume(0);
        world.settle();
        assert_eq!(world.changes(), 0);
    });
}

#[test]
fn clocks_that_go_wrong_by_a_twentieth_cause_no_takeover() {
    seed::each(|seed| {
        for shape in shapes() {
            for (first_ppm, second_ppm) in [(-50_000, 50_000), (50_000, -50_000)] {
                let mut world = World::new(seed, 1);
                world.add_node_with_clock(vec![shape.clone().priority(150)], true, first_ppm);
                world.add_node_with_clock(vec![shape.clone().priority(100)], true, second_ppm);
                world.add_client(0);
                world.start(0);
                world.start(1);
                let mut world = settled(world);
                world.run(30 * SEC);
                assert_eq!(world.changes(), 0);
                world.power_off(0);
                world.settle();
                assert_eq!(world.master(), 1);
                assert_outage(&world, down_of(&world, 1) * 106 / 100 + EPSILON);
            }
        }
    });
}

/// With every third frame lost, masters come and go; when the network is whole again, all is well. Announcements
/// and what provokes them may have been lost too, so hosts ask again some time.
#[test]
fn a_lossy_network_leaves_one_master_behind() {
    of_pairs(|world| {
        world.add_client(0);
        world.clients.iter_mut().for_each(|client| client.asks_again_after = SEC);
        world.set_paths(0, Path { loss: 300, ..Path::GOOD });
        world.run(30 * interval_of(world).max(100 * MS));
        anywhere_in_an_interval(world);
        world.heal(0);
        world.settle();
        world.run(SEC);
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
    });
}

#[test]
fn frames_that_overtake_each_other_or_arrive_twice_cause_no_takeover() {
    of_pairs(|world| {
        let jitter = interval_of(world) / 2;
        world.set_paths(0, Path { jitter, duplicate: 200, ..Path::GOOD });
        world.run(50 * interval_of(world));
        assert_eq!(world.changes(), 0);
        anywhere_in_an_interval(world);
        world.heal(0);
        world.settle();
        assert_eq!(world.changes(), 0);
    });
}

/// AD23, AD16: what a crash left behind is removed by the next start, before it can disturb the new master.
#[test]
fn a_daemon_that_crashed_as_master_cleans_up_when_it_is_started_again() {
    seed::each(|seed| {
        for shape in shapes() {
            for keeps_marks in [true, false] {
                let mut world = World::new(seed, 1);
                world.add_node(vec![shape.clone().priority(150)], keeps_marks);
                world.add_node(vec![shape.clone().priority(100)], keeps_marks);
                world.add_client(0);
                world.start(0);
                world.start(1);
                let mut world = settled(world);
                world.kill(0);
                world.settle();
                assert_eq!(world.master(), 1);
                world.forget();
                let addresses = Family::V4;
                let left = world.nodes[0].plans[0].addresses(addresses);
                assert!(left.iter().all(|address| world.nodes[0].kernel.links[0].has(*address)));
                world.start(0);
                world.run(10 * MS);
                assert!(left.iter().all(|address| !world.nodes[0].kernel.links[0].has(*address)));
                assert_eq!(world.phase(0), Some(Phase::Backup));
                world.settle();
                assert_eq!(world.master(), 0);
                assert_outage(&world, EPSILON);
            }
        }
    });
}

/// The daemon is started again before anybody missed it: the address stays away for no longer than it must.
#[test]
fn a_daemon_that_is_killed_and_started_at_once_is_master_again() {
    of_pairs(|world| {
        world.kill(0);
        world.run(10 * MS);
        world.start(0);
        world.settle();
        assert_eq!(world.master(), 0);
        assert_outage(world, down_of(world, 1) + EPSILON);
    });
}

/// Somebody else deletes the address: it is put back at once, and mastership is kept.
#[test]
fn an_address_that_somebody_deletes_is_put_back_at_once() {
    of_pairs(|world| {
        let vips: Vec<IpAddr> =
            [Family::V4, Family::V6].iter().flat_map(|it| world.nodes[0].plans[0].addresses(*it)).collect();
        for _ in 0..5 {
            world.administer(0, |kernel, rng| {
                kernel.remove_where(0, |it| vips.contains(&it.address), rng);
            });
            world.run(300 * MS);
        }
        world.settle();
        assert_eq!(world.changes(), 0);
        assert_outage(world, EPSILON);
    });
}

/// Whoever yields in the same turn in which an address was put back announces nothing any more: hosts would
/// believe it.
#[test]
fn who_yields_announces_nothing_any_more() {
    of_pairs(|world| {
        let plan = world.nodes[0].plans[0].clone();
        let port = world.add_stranger(0);
        world.run(2 * SEC);
        for gathers in [false, true] {
            world.nodes[0].gathers = gathers;
            world.stall(0);
            world.administer(0, |kernel, rng| {
                let own = kernel.links[0].own.clone();
                kernel.remove_where(0, |it| !own.iter().any(|own| own.0 == it.address), rng);
            });
            for family in plan.families() {
                world.inject(0, port, &Forgery::of(&plan, family, 200).frame());
            }
            world.run(MS);
            world.resume(0);
            world.settle();
            world.settle();
            assert_eq!(world.master(), 0);
        }
    });
}

/// ST19: without an address of its own a router cannot advertise; the other takes over, and back again.
#[test]
fn a_master_without_an_address_of_its_own_gives_up() {
    of_pairs(|world| {
        world.administer(0, |kernel, rng| kernel.remove_where(0, |_| true, rng));
        world.settle();
        assert_eq!(world.master(), 1);
        assert_eq!(world.phase(0), Some(Phase::Initialize));
        assert_outage(world, down_of(world, 1) + EPSILON);
        world.administer(0, |kernel, rng| {
            for (address, prefix_len) in kernel.links[0].own.clone() {
                kernel.add_address(0, address, prefix_len, rng);
            }
        });
        world.settle();
        assert_eq!(world.master(), 0);
    });
}

/// ST19: the device is made anew under the same name, with another number.
#[test]
fn a_device_that_is_deleted_and_made_anew_is_taken_up_again() {
    of_pairs(|world| {
        world.administer(0, |kernel, rng| kernel.delete_link(0, rng));
        world.settle();
        assert_eq!(world.master(), 1);
        assert_outage(world, down_of(world, 1) + EPSILON);
        world.forget();
        world.administer(0, |kernel, rng| kernel.recreate_link(0, rng));
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
        assert_outage(world, EPSILON);
    });
}

/// The same so quickly that the daemon hears of both at once.
#[test]
fn a_device_that_is_made_anew_at_once_is_taken_up_again() {
    of_pairs(|world| {
        world.administer(0, |kernel, rng| {
            kernel.delete_link(0, rng);
            kernel.recreate_link(0, rng);
        });
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
    });
}

/// The same while notifications are lost: the next list shows another number under the name, and nothing else.
/// Memberships went with the old device, so a backup that does not join again takes over from a live master.
#[test]
fn a_device_that_is_made_anew_unnoticed_is_joined_again() {
    of_pairs(|world| {
        for node in [1, 0] {
            world.set_trouble(node, Trouble { overruns: 1000, ..Trouble::NONE });
            world.administer(node, |kernel, rng| {
                kernel.delete_link(0, rng);
                kernel.recreate_link(0, rng);
            });
            world.set_trouble(node, Trouble::NONE);
            world.settle();
        }
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
        assert_eq!(world.checkers.takeovers(1), 0);
    });
}

/// ST19.
#[test]
fn a_router_whose_cable_is_pulled_gives_up_and_comes_back() {
    of_pairs(|world| {
        world.set_cable(0, 0, false);
        world.settle();
        assert_eq!(world.phase(0), Some(Phase::Initialize));
        assert_eq!(world.master(), 1);
        assert_outage(world, down_of(world, 1) + EPSILON);
        world.forget();
        world.set_cable(0, 0, true);
        world.settle();
        assert_eq!(world.master(), 0);
        assert_outage(world, EPSILON);
    });
}

/// ST19: `ip link set down` takes the IPv6 addresses with it, also the link-local one.
#[test]
fn a_router_whose_link_is_switched_off_and_on_comes_back() {
    of_pairs(|world| {
        world.administer(0, |kernel, rng| kernel.set_up(0, false, rng));
        world.settle();
        assert_eq!(world.master(), 1);
        assert_outage(world, down_of(world, 1) + EPSILON);
        world.forget();
        world.administer(0, |kernel, rng| kernel.set_up(0, true, rng));
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
        assert_outage(world, EPSILON);
    });
}

/// A cable that flickers more quickly than the daemon reads.
#[test]
fn a_flickering_cable_leaves_one_master_behind() {
    of_pairs(|world| {
        for _ in 0..40 {
            world.set_cable(0, 0, false);
            let span = world.rng.u64(0..3 * MS);
            world.run(span);
            world.set_cable(0, 0, true);
            let span = world.rng.u64(0..30 * MS);
            world.run(span);
        }
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
    });
}

/// A world of two segments; the plans of the nodes speak on the first.
fn with_uplink(seed: u64, plans: [Plan; 2]) -> World {
    let mut world = World::new(seed, 2);
    for plan in plans {
        world.add_node(vec![plan], true);
    }
    world.add_client(0);
    world.start(0);
    world.start(1);
    settled(world)
}

#[test]
fn a_master_whose_tracked_uplink_fails_resigns() {
    seed::each(|seed| {
        for shape in shapes() {
            let plan = shape.clone().priority(150).tracks(1, 0);
            let mut world = with_uplink(seed, [plan, shape.priority(100)]);
            world.set_cable(0, 1, false);
            world.settle();
            assert_eq!(world.master(), 1);
            assert_outage(&world, skew_of(&world, 1) + EPSILON);
            world.set_cable(0, 1, true);
            world.settle();
            assert_eq!(world.master(), 0);
        }
    });
}

/// ST18: a lower priority shows in the next advertisement; the other takes over from it, not from silence.
#[test]
fn a_master_that_loses_priority_hands_over_without_an_outage() {
    seed::each(|seed| {
        for shape in shapes() {
            let plan = shape.clone().priority(150).tracks(1, -100);
            let mut world = with_uplink(seed, [plan, shape.priority(100)]);
            world.set_cable(0, 1, false);
            world.settle();
            assert_eq!(world.master(), 1);
            assert_outage(&world, EPSILON);
            world.forget();
            world.set_cable(0, 1, true);
            world.settle();
            assert_eq!(world.master(), 0);
            assert_outage(&world, EPSILON);
        }
    });
}

/// Two segments, one virtual router on each, that move together.
fn group(seed: u64, shape: &Plan) -> World {
    let mut world = World::new(seed, 2);
    for priority in [150, 100] {
        let plan = shape.clone().priority(priority).grouped();
        world.add_node(vec![plan.clone().on_link(0), plan.on_link(1)], true);
    }
    world.add_client(0);
    world.add_client(1);
    world.start(0);
    world.start(1);
    settled(world)
}

#[test]
fn a_sync_group_moves_together_when_one_segment_fails() {
    seed::each(|seed| {
        for shape in shapes() {
            for link in [0, 1] {
                let mut world = group(seed, &shape);
                world.set_cable(0, link, false);
                world.settle();
                assert!(world.serves(1));
                for plan in world.nodes[1].plans.clone() {
                    let family = plan.families().next().unwrap();
                    assert_eq!(world.master_of(&plan, family), Some(1), "segment {}", plan.link);
                }
                assert_outage(&world, down_of(&world, 1) + EPSILON);
                world.forget();
                world.set_cable(0, link, true);
                world.settle();
                assert!(world.serves(0));
                assert_outage(&world, EPSILON);
            }
        }
    });
}

#[test]
fn a_sync_group_moves_together_when_its_router_dies_or_resigns() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = group(seed, &shape);
            world.power_off(0);
            world.settle();
            assert!(world.serves(1));
            assert_outage(&world, down_of(&world, 1) + EPSILON);
            world.power_on(0);
            world.settle();
            assert!(world.serves(0));
            world.forget();
            world.stop(0);
            world.settle();
            assert!(world.serves(1));
            assert_outage(&world, skew_of(&world, 1) + EPSILON);
        }
    });
}

/// SIGHUP with the same file: nothing happens.
#[test]
fn a_reload_of_the_same_configuration_changes_nothing() {
    of_pairs(|world| {
        for node in [0, 1] {
            let plans = world.nodes[node].plans.clone();
            world.reload(node, plans);
            world.run(10 * MS);
        }
        world.settle();
        assert_eq!(world.changes(), 0);
        assert_outage(world, EPSILON);
    });
}

/// ST20: addresses come and go with the configuration, and nothing else moves.
#[test]
fn a_reload_adds_and_removes_addresses_of_a_master_in_office() {
    seed::each(|seed| {
        let mut world = pair(seed, &Plan::v3());
        let more = core::net::Ipv4Addr::new(10, 0, 0, 2);
        let both = |plan: &Plan| Plan { v4: vec![vip_v4(0), more], ..plan.clone() };
        for node in [1, 0] {
            let plans = vec![both(&world.nodes[node].plans[0])];
            world.reload(node, plans);
            world.run(10 * MS);
        }
        world.run(100 * MS);
        assert!(world.nodes[0].kernel.links[0].has(IpAddr::V4(more)));
        world.add_client(0);
        world.settle();
        assert!(world.serves(0));
        assert_eq!(world.changes(), 0);
        world.clients[1].targets.clear();
        for node in [1, 0] {
            let plans = vec![Plan { v4: vec![vip_v4(0)], ..world.nodes[node].plans[0].clone() }];
            world.reload(node, plans);
            world.run(10 * MS);
        }
        world.settle();
        assert!(!world.nodes[0].kernel.links[0].has(IpAddr::V4(more)));
        assert_eq!(world.changes(), 0);
        assert_outage(&world, EPSILON);
    });
}

/// ST18: the next advertisement carries the new priority.
#[test]
fn a_reload_with_a_lower_priority_hands_over_without_an_outage() {
    of_pairs(|world| {
        let plans = vec![world.nodes[0].plans[0].clone().priority(50)];
        world.reload(0, plans);
        world.settle();
        assert_eq!(world.master(), 1);
        assert_outage(world, EPSILON);
    });
}

/// What the new configuration no longer has is resigned and released.
#[test]
fn a_reload_that_removes_the_instance_resigns() {
    of_pairs(|world| {
        world.reload(0, vec![]);
        world.settle();
        assert_eq!(world.phase(1), Some(Phase::Master));
        assert_outage(world, skew_of(world, 1) + EPSILON);
        let vip = world.nodes[1].plans[0].families().next().unwrap();
        for address in world.nodes[1].plans[0].addresses(vip) {
            assert!(!world.nodes[0].kernel.links[0].has(address));
        }
    });
}

/// Several routers die one after another, and the next in rank takes over each time.
#[test]
fn of_five_routers_the_next_in_rank_takes_over_each_time() {
    seed::each(|seed| {
        for shape in shapes() {
            let priorities = [200, 160, 120, 80, 40];
            let mut world = settled(World::of(seed, priorities.map(|it| shape.clone().priority(it))));
            for dead in 0..4 {
                world.power_off(dead);
                world.settle();
                assert_eq!(world.nodes[dead + 1].phase(&shape, first_family(&shape)), Some(Phase::Master));
                assert_outage(&world, down_of(&world, dead + 1) + EPSILON);
                world.forget();
            }
            for back in 0..4 {
                world.power_on(back);
            }
            world.settle();
            assert_eq!(world.master(), 0);
            assert_outage(&world, EPSILON);
        }
    });
}

fn first_family(plan: &Plan) -> Family {
    plan.families().next().unwrap()
}

/// ST01, ST17: the owner is master from its first moment, whoever was before.
#[test]
fn the_owner_of_the_address_is_master_at_once() {
    seed::each(|seed| {
        for shape in [Plan::v2(), Plan::v3(), Plan::v3().centis(1)] {
            let mut world = World::new(seed, 1);
            world.add_node(vec![shape.clone().priority(255)], seed % 2 == 0);
            world.add_node(vec![shape.clone().priority(254).nopreempt()], true);
            world.configure_address(0, 0, IpAddr::V4(vip_v4(0)));
            world.add_client(0);
            world.start(1);
            world.settle();
            assert_eq!(world.master_of(&shape, Family::V4), Some(1));
            world.forget();
            world.start(0);
            let started_at = world.now;
            world.run(10 * MS);
            assert!(world.checkers.first_advert(0, started_at) <= started_at + 10 * MS);
            assert_eq!(world.phase(1), Some(Phase::Backup));
            world.settle();
            assert!(world.serves(0));
            assert_outage(&world, EPSILON);
            world.stop(0);
            world.settle();
            assert!(world.nodes[0].kernel.links[0].has(IpAddr::V4(vip_v4(0))), "it is not ours to remove");
        }
    });
}

/// Erratum 8298: two that both claim to own the address are told apart by their own addresses.
#[test]
fn of_two_owners_the_one_with_the_greater_address_stays() {
    seed::each(|seed| {
        let mut world = World::of(seed, [Plan::v3().priority(255), Plan::v3().priority(255)]);
        world.settle();
        assert_eq!(world.master(), 1);
    });
}

/// Unicast over both families, and with a password: the backup of a classic pair.
#[test]
fn a_unicast_pair_takes_over_and_back() {
    seed::each(|seed| {
        let v6 = |node: u16| IpAddr::V6(crate::world::own_v6(node));
        let v4 = |node: u8| IpAddr::V4(own_v4(0, node));
        let shapes: [(Plan, [Vec<IpAddr>; 2]); 3] = [
            (Plan::v2().password(b"1111"), [vec![v4(1)], vec![v4(0)]]),
            (Plan::v6(), [vec![v6(1)], vec![v6(0)]]),
            (Plan::dual(), [vec![v4(1), v6(1)], vec![v4(0), v6(0)]]),
        ];
        for (shape, [first, second]) in shapes {
            let plans = [
                shape.clone().priority(150).with_peers(first),
                shape.clone().priority(100).with_peers(second),
            ];
            let mut world = settled(World::of(seed, plans));
            world.power_off(0);
            world.settle();
            assert_eq!(world.master(), 1);
            assert_outage(&world, down_of(&world, 1) + EPSILON);
            world.forget();
            world.power_on(0);
            world.settle();
            assert_eq!(world.master(), 0);
            assert_outage(&world, EPSILON);
        }
    });
}

/// ST23: virtual routers of one segment do not know each other.
#[test]
fn two_virtual_routers_share_the_load_and_stand_in_for_each_other() {
    seed::each(|seed| {
        let second = |priority: u8| Plan {
            name: "second",
            vrid: 20,
            v4: vec![core::net::Ipv4Addr::new(10, 0, 0, 2)],
            ..Plan::v3().priority(priority)
        };
        let mut world = World::new(seed, 1);
        world.add_node(vec![Plan::v3().priority(150), second(100)], true);
        world.add_node(vec![Plan::v3().priority(100), second(150)], true);
        world.add_client(0);
        world.start(0);
        world.start(1);
        world.settle();
        assert_eq!(world.master_of(&Plan::v3(), Family::V4), Some(0));
        assert_eq!(world.master_of(&second(1), Family::V4), Some(1));
        world.forget();
        world.power_off(1);
        world.settle();
        assert_eq!(world.master_of(&second(1), Family::V4), Some(0));
        assert_outage(&world, second(100).down() + EPSILON);
    });
}

/// TM07, ST07: in version 3 the backup waits by the master's interval, whatever its own is.
#[test]
fn a_backup_of_version_3_learns_the_masters_interval() {
    seed::each(|seed| {
        let plans = [Plan::v3().priority(150).centis(300), Plan::v3().priority(100).centis(10)];
        let mut world = World::of(seed, plans);
        world.settle();
        world.settle();
        assert_eq!(world.master(), 0);
        world.forget();
        world.run(60 * SEC);
        assert_eq!(world.changes(), 0);
        world.power_off(0);
        world.settle();
        world.forget();
        world.run(10 * SEC);
        assert!(world.checkers.adverts.len().abs_diff(100) < 3, "as master it keeps to its own interval");
    });
}

/// What a node cannot send, others do not hear: they take over; when it can again, all is well.
#[test]
fn a_master_that_cannot_send_is_replaced_and_comes_back() {
    of_pairs(|world| {
        world.set_trouble(0, Trouble { messages: 1000, ..Trouble::NONE });
        world.settle();
        assert_eq!(world.phase(1), Some(Phase::Master));
        world.set_trouble(0, Trouble::NONE);
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
    });
}

/// Refused requests are made again until they are granted.
#[test]
fn a_kernel_that_refuses_requests_gets_them_again() {
    of_pairs(|world| {
        world.set_trouble(1, Trouble { refusals: 700, requests: 200, ..Trouble::NONE });
        world.power_off(0);
        world.settle();
        world.set_trouble(1, Trouble::NONE);
        world.settle();
        assert_eq!(world.master(), 1);
        assert!(world.serves(1));
        world.set_trouble(1, Trouble { refusals: 700, requests: 200, ..Trouble::NONE });
        world.power_on(0);
        world.settle();
        world.set_trouble(1, Trouble::NONE);
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
    });
}

/// Lost notifications are asked for again.
#[test]
fn lost_kernel_messages_are_asked_for_again() {
    of_pairs(|world| {
        world.set_trouble(0, Trouble { overruns: 500, ..Trouble::NONE });
        let vips: Vec<IpAddr> =
            [Family::V4, Family::V6].iter().flat_map(|it| world.nodes[0].plans[0].addresses(*it)).collect();
        for _ in 0..10 {
            world.administer(0, |kernel, rng| {
                kernel.remove_where(0, |it| vips.contains(&it.address), rng);
            });
            world.run(200 * MS);
        }
        world.set_trouble(0, Trouble::NONE);
        world.settle();
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
    });
}

/// ST21. A contender that both outrank, but that speaks more often than the master, is heard while the master naps
/// between two of its own advertisements.
#[test]
fn a_master_that_is_only_suffered_does_not_shorten_the_wait_for_a_better_one() {
    seed::each(|seed| {
        let waits = Plan::v3().priority(100).preempt_delay(Duration::from_secs(10));
        let mut world = settled(World::of(seed, [Plan::v3().priority(200).centis(500), waits.clone()]));
        let port = world.add_stranger(0);
        for _ in 0..5 {
            world.forget();
            world.run_until(6 * SEC, "an advert", |world| !world.checkers.adverts.is_empty());
            world.stall(0);
            world.inject(0, port, &Forgery::of(&waits, Family::V4, 50).frame());
            world.run(4 * SEC);
            world.resume(0);
            world.run(2 * SEC);
        }
        assert_eq!(world.checkers.takeovers(1), 0);
        assert_eq!(world.master(), 0);
    });
}

/// Two scripts of one instance at once, if the table of hooks forgets who has gone: the checker would see it.
#[test]
fn an_instance_that_comes_back_waits_for_the_script_of_its_stop() {
    of_pairs(|world| {
        for node in [0, 1] {
            world.nodes[node].hook_max = 20 * SEC;
            let plans = world.nodes[node].plans.clone();
            world.reload(node, vec![]);
            world.run(10 * MS);
            world.reload(node, plans);
        }
        world.settle();
        world.run(40 * SEC);
        assert_eq!(world.master(), 0);
    });
}

/// A foreign pair is let in by the filter only now and then; once its VRID is ours, its master is heard in every advert.
#[test]
fn a_muted_vrid_is_heard_as_soon_as_a_reload_makes_it_ours() {
    seed::each(|seed| {
        for shape in [Plan::v2(), Plan::v3(), Plan::v6()] {
            let mut world = pair(seed, &shape);
            let family = shape.families().next().unwrap();
            let (v4, v6) = match family {
                Family::V4 => (vec![[10, 0, 0, 99].into()], Vec::new()),
                Family::V6 => (Vec::new(), vec![[0xfe80, 0, 0, 0, 0, 0, 0, 0x999].into()]),
            };
            let theirs = Plan { name: "theirs", vrid: 99, v4, v6, ..shape.clone() };
            let (port, frame) = (world.add_stranger(0), Forgery::of(&theirs, family, 200).frame());
            for _ in 0..1000 {
                world.inject(0, port, &frame);
                world.run(2 * MS);
            }
            for node in [0, 1] {
                let heard = world.nodes[node].router().unwrap().stray().discarded(Discard::Vrid);
                // 255, and one in 64 of the rest.
                assert!((256..350).contains(&heard), "node {node} hears {heard} of 1000");
            }
            assert_eq!(world.changes(), 0);
            world.reload(0, vec![shape.clone().priority(150), theirs]);
            for _ in 0..20 * SEC / shape.interval() {
                world.inject(0, port, &frame);
                world.disturb();
                world.run(shape.interval());
            }
            let adverts = world.checkers.adverts.iter().filter(|it| it.vrid == 99).count();
            assert_eq!(adverts, 0, "the master was not heard");
            assert_eq!(world.phase(0), Some(Phase::Master));
        }
    });
}

/// One socket hears all devices: what is a stranger's on the one is ours on the other.
#[test]
fn a_vrid_that_is_ours_on_another_device_is_not_muted() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = World::new(seed, 2);
            for priority in [150, 100] {
                let plan = shape.clone().priority(priority);
                world.add_node(vec![plan.clone(), Plan { vrid: 20, ..plan.on_link(1) }], true);
            }
            world.add_client(0);
            world.add_client(1);
            world.start(0);
            world.start(1);
            let mut world = settled(world);
            let theirs = Plan { vrid: 20, ..shape.clone() };
            let family = shape.families().next().unwrap();
            let (port, frame) = (world.add_stranger(0), Forgery::of(&theirs, family, 200).frame());
            for _ in 0..600 {
                world.inject(0, port, &frame);
                world.run(2 * MS);
            }
            for node in [0, 1] {
                let heard = world.nodes[node].router().unwrap().stray().discarded(Discard::Vrid);
                assert_eq!(heard, 600, "node {node}");
            }
            world.run(20 * SEC);
            assert_eq!(world.changes(), 0);
        }
    });
}
