//! BFD sessions between routers, and to an upstream router: how soon they tell of a master's end, and how little they do
//! when they are wrong.
//!
//! The checkers hold every packet and every loss of a session against a second opinion of RFC 5880, and every takeover
//! against the waits that are allowed (`checkers/sessions.rs`, `checkers/timers.rs`); what is told here are the stories.

use core::net::IpAddr;

use vipd::config::Family;
use vipd::vrrp::Phase;
use vipd::wire::vrrp::Version;

use crate::clock::{MS, Nanos, SEC};
use crate::kernel::Refused;
use crate::neighbour::{ADMIN_DOWN, DOWN};
use crate::plan::{Plan, Timing, sessions};
use crate::scenarios::{EPSILON, assert_outage, skew_of};
use crate::seed;
use crate::stranger::FalseWord;
use crate::switch::Path;
use crate::things::{Mood, Thing};
use crate::world::{World, own_v4, own_v6};

/// From what is fast for a process to what is common in the field.
const TIMINGS: [Timing; 3] = [Timing::every(10, 3), Timing::every(50, 4), Timing::every(300, 3)];
const QUICK: Timing = TIMINGS[0];
const COMMON: Timing = TIMINGS[1];

/// Whoever is down speaks once a second, and is up when it has heard twice.
const HANDSHAKE: Nanos = 3 * SEC;

fn shapes() -> [Plan; 4] {
    [Plan::v2(), Plan::v3(), Plan::v6(), Plan::dual()]
}

/// Routers with these priorities, each of which has all others for its peers.
fn plans(shape: &Plan, priorities: &[u8], timing: Option<Timing>) -> Vec<Plan> {
    let count = priorities.len();
    let plan_of = |(node, priority): (usize, &u8)| {
        let others = (0..count).filter(|other| *other != node);
        let peers = others.flat_map(|other| {
            shape.families().map(move |family| match family {
                Family::V4 => IpAddr::V4(own_v4(shape.link as u8, other as u8)),
                Family::V6 => IpAddr::V6(own_v6(other as u16)),
            })
        });
        Plan { bfd: timing, ..shape.clone().with_peers(peers.collect()).priority(*priority) }
    };
    priorities.iter().enumerate().map(plan_of).collect()
}

/// A world of them that has come to rest, anywhere in an interval, with every session up.
fn world(seed: u64, shape: &Plan, priorities: &[u8], timing: Timing) -> World {
    let world = rested(World::of(seed, plans(shape, priorities, Some(timing))));
    all_are_up(&world);
    world
}

fn rested(mut world: World) -> World {
    world.settle();
    let span = HANDSHAKE + world.rng.u64(0..SEC);
    world.run(span);
    assert_eq!(world.master(), 0);
    assert!(world.serves(0));
    world.forget();
    world.checkers.sessions.silences = 0;
    world
}

fn is_up(world: &World, node: usize) -> bool {
    let its = sessions(&world.nodes[node].plans);
    its.iter().all(|it| world.checkers.sessions.is_up(node, it.link, it.neighbor))
}

fn all_are_up(world: &World) {
    for node in world.nodes.iter().filter(|node| node.takes_part()) {
        assert!(is_up(world, node.number), "node {} has a session that is not up", node.number);
    }
}

/// What the longest of a node's sessions takes to notice.
fn detection(world: &World, node: usize) -> Nanos {
    let its = sessions(&world.nodes[node].plans);
    let spans = its.iter().filter_map(|it| world.checkers.sessions.detection(node, it.link, it.neighbor));
    spans.max().unwrap_or(0)
}

fn interval_of(world: &World) -> Nanos {
    world.nodes[0].plans[0].interval()
}

fn of_pairs<F: Fn(&mut World, Timing)>(story: F) {
    seed::some(seed::name_of::<F>(), seed::SEEDS_PER_SCENARIO, |seed| {
        for (number, shape) in shapes().iter().enumerate() {
            // The seeds take turns, so that every shape has every timing.
            let timing = TIMINGS[(seed as usize + number) % TIMINGS.len()];
            story(&mut world(seed, shape, &[150, 100], timing), timing);
        }
    });
}

fn both_are_master(world: &World) -> bool {
    [0, 1].iter().all(|node| world.phase(*node) == Some(Phase::Master))
}

// The master's end.

/// draft-ietf-rtgwg-vrrp-bfd-p2p: nobody else can follow, so there is nothing to wait for.
#[test]
fn the_only_backup_takes_over_in_a_detection_time_when_the_master_is_killed() {
    of_pairs(|world, _| {
        world.kill(0);
        let bound = detection(world, 1) + EPSILON;
        assert!(bound < world.nodes[1].plans[0].down() / 2, "it is faster than three adverts");
        world.run_until_served_by(1, bound);
        world.settle();
        assert_eq!(world.master(), 1);
    });
}

/// Hosts and the power of a whole router; nothing answers for it any more.
#[test]
fn hosts_reach_the_backup_in_a_detection_time_when_the_master_loses_power() {
    of_pairs(|world, _| {
        world.power_off(0);
        let bound = detection(world, 1) + EPSILON;
        world.settle();
        assert_eq!(world.master(), 1);
        assert_outage(world, bound);
        world.forget();
        world.power_on(0);
        world.settle();
        world.run(HANDSHAKE);
        assert_eq!(world.master(), 0, "and back again");
        all_are_up(world);
        assert_outage(world, EPSILON);
    });
}

/// Each waits for its skew, and the best has the shortest: the others hear it in time.
#[test]
fn of_several_backups_the_best_takes_over_after_its_skew() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = world(seed, &shape, &[200, 60, 150, 1], COMMON);
            world.power_off(0);
            let bound = detection(&world, 2) + skew_of(&world, 2) + EPSILON;
            world.settle();
            assert_eq!(world.master(), 2);
            assert_outage(&world, bound);
            for other in [1, 3] {
                assert_eq!(world.checkers.takeovers(other), 0, "node {other}");
            }
        }
    });
}

/// The only session that matters is the one to the master.
#[test]
fn a_backup_that_dies_is_missed_by_nobody() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = world(seed, &shape, &[200, 150, 100], COMMON);
            world.power_off(2);
            world.settle();
            assert_eq!(world.master(), 0);
            assert_eq!((world.checkers.takeovers(0), world.checkers.takeovers(1)), (0, 0));
            assert!(world.checkers.sessions.silences > 0, "it is noticed");
            assert_outage(&world, EPSILON);
        }
    });
}

/// What moves together is lost together, and found together.
#[test]
fn a_group_on_two_segments_follows_at_once_when_its_master_dies() {
    seed::each(|seed| {
        let mut world = group(seed);
        world.power_off(0);
        let bound = detection(&world, 1) + EPSILON;
        world.settle();
        assert_eq!(world.master(), 1);
        assert_outage(&world, bound);
        world.power_on(0);
        world.settle();
        world.run(HANDSHAKE);
        assert_eq!(world.master(), 0);
        all_are_up(&world);
    });
}

fn group(seed: u64) -> World {
    let mut world = World::new(seed, 2);
    let sides = [0, 1].map(|link| plans(&Plan::v3().on_link(link).grouped(), &[150, 100], Some(QUICK)));
    for node in 0..2 {
        world.add_node(sides.iter().map(|side| side[node].clone()).collect(), true);
        world.nodes[node].kernel.promotes_secondaries = true;
    }
    world.add_client(0);
    world.add_client(1);
    world.start(0);
    world.start(1);
    let world = rested(world);
    all_are_up(&world);
    world
}

/// The adverts of its other segment say that the master lives, and they come in time.
#[test]
fn a_group_whose_session_is_lost_on_one_segment_only_stays_where_it_is() {
    seed::each(|seed| {
        let mut world = group(seed);
        // The way back stays, so the master does not know.
        world.cut(1, 0, 1);
        world.run(interval_of(&world) / 2);
        world.heal(1);
        world.settle();
        assert_eq!(world.checkers.takeovers(1), 0);
        assert!(world.checkers.sessions.silences > 0);
        world.run(HANDSHAKE);
        all_are_up(&world);
    });
}

// Where BFD is wrong.

/// Its packets alone do not come through; adverts do. The backup is master for a moment, until it is answered (RFC 9568)
/// or hears the next advert; and then nothing happens any more, for as long as BFD stays away.
#[test]
fn a_session_that_fails_beside_healthy_adverts_makes_two_masters_for_a_moment() {
    of_pairs(|world, timing| {
        world.refuse(1, Refused::Datagrams);
        world.checkers.segments.longest_two = 0;
        world.run(detection(world, 1) + EPSILON);
        assert!(world.checkers.takeovers(1) > 0, "it is master by mistake");
        world.settle();
        let both = world.checkers.segments.longest_two;
        let answers = world.nodes[0].plans[0].version == Version::V3;
        let bound = if answers { EPSILON } else { interval_of(world) + EPSILON };
        assert!(both <= bound, "two masters for {} ms", both / MS);
        assert_eq!(world.master(), 0);
        assert_eq!(world.checkers.takeovers(0), 0);
        assert_outage(world, interval_of(world) + EPSILON);
        world.forget();
        let silences = world.checkers.sessions.silences;
        world.run(60 * SEC);
        assert_eq!(world.changes(), 0, "nothing flaps at {timing:?}");
        assert_eq!(world.checkers.sessions.silences, silences);
        world.refuse(1, Refused::Nothing);
        world.run(HANDSHAKE);
        assert_eq!(world.changes(), 0);
        all_are_up(world);
    });
}

/// The master loses its session and says so; who is told is not who has heard nothing.
#[test]
fn a_session_that_fails_on_its_way_to_the_master_changes_nothing() {
    of_pairs(|world, _| {
        world.refuse(0, Refused::Datagrams);
        world.run(20 * SEC);
        assert_eq!(world.changes(), 0);
        assert!(!is_up(world, 1), "it was told");
        world.refuse(0, Refused::Nothing);
        world.run(HANDSHAKE);
        assert_eq!(world.changes(), 0);
        all_are_up(world);
    });
}

/// Three lose their session to the master at once, and it goes on saying that it is there.
#[test]
fn sessions_of_several_backups_that_fail_leave_the_master_where_it_was() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = world(seed, &shape, &[200, 150, 100], COMMON);
            for node in 0..3 {
                world.refuse(node, Refused::Datagrams);
            }
            world.settle();
            assert_eq!(world.master(), 0);
            assert_eq!(world.checkers.takeovers(0), 0);
            world.forget();
            world.run(60 * SEC);
            assert_eq!(world.changes(), 0);
        }
    });
}

/// A healthy session says nothing of VRRP: three adverts and the skew, as ever.
#[test]
fn adverts_that_fail_beside_a_healthy_session_are_waited_for_as_ever() {
    of_pairs(|world, _| {
        let last = world.checkers.adverts.len();
        world.run_until(2 * interval_of(world), "heard", |world| world.checkers.adverts.len() > last);
        world.run(5 * MS);
        world.refuse(1, Refused::Adverts);
        world.run(3 * interval_of(world) * 99 / 100 - 10 * MS);
        assert_eq!(world.phase(1), Some(Phase::Backup));
        world.run(skew_of(world, 1) + 10 * MS + EPSILON);
        assert_eq!(world.phase(1), Some(Phase::Master));
        all_are_up(world);
        world.refuse(1, Refused::Nothing);
        world.settle();
        assert_eq!(world.master(), 0);
    });
}

/// RFC 5882 §3.2: it tells nothing about the path. The master's sessions are switched off, and on again.
#[test]
fn a_session_that_is_ended_by_hand_is_no_failure() {
    of_pairs(|world, timing| {
        let with = world.nodes[0].plans.clone();
        let without = with.iter().cloned().map(|plan| Plan { bfd: None, ..plan }).collect();
        world.reload(0, without);
        world.run(10 * SEC);
        assert_eq!(world.changes(), 0, "{timing:?}");
        assert_eq!(world.checkers.sessions.silences, 0, "it was told");
        assert!(!is_up(world, 1));
        world.reload(0, with);
        world.run(HANDSHAKE);
        assert_eq!(world.changes(), 0);
        all_are_up(world);
    });
}

/// Who resigns ends its sessions, too; its successor has waited for the skew, as ever.
#[test]
fn a_master_that_resigns_hands_over_as_without_a_session() {
    of_pairs(|world, _| {
        world.stop(0);
        world.settle();
        assert_eq!(world.master(), 1);
        assert_eq!(world.checkers.sessions.silences, 0);
        assert_outage(world, skew_of(world, 1) + EPSILON);
    });
}

/// It says that it is down, in its second life; the backup hears from it, and so goes on waiting for adverts.
#[test]
fn a_master_that_is_started_again_before_it_is_missed_is_no_failure_of_the_session() {
    of_pairs(|world, timing| {
        world.kill(0);
        let span = 10 * MS.min(Nanos::from(timing.rx_ms) * MS);
        world.run(span);
        world.start(0);
        world.run(interval_of(world));
        assert_eq!(world.phase(1), Some(Phase::Backup));
        assert_eq!(world.checkers.sessions.silences, 0);
        world.settle();
        world.run(HANDSHAKE);
        assert_eq!(world.master(), 0);
        all_are_up(world);
    });
}

/// The other end has no BFD, or both wait for the other to begin.
#[test]
fn a_session_that_was_never_up_changes_nothing() {
    seed::each(|seed| {
        for shape in shapes() {
            let passive = Timing { is_passive: true, ..QUICK };
            for [first, second] in [[None, Some(QUICK)], [Some(QUICK), None], [Some(passive), Some(passive)]]
            {
                let mut both = plans(&shape, &[150, 100], None);
                (both[0].bfd, both[1].bfd) = (first, second);
                let mut world = rested(World::of(seed, both));
                world.run(10 * SEC);
                assert_eq!(world.changes(), 0);
                world.power_off(0);
                let (down, interval) = (world.nodes[1].plans[0].down(), interval_of(&world));
                world.run(2 * interval - EPSILON);
                assert_eq!(world.phase(1), Some(Phase::Backup), "three adverts, as ever");
                world.settle();
                assert_eq!(world.master(), 1);
                assert_outage(&world, down + EPSILON);
                assert_eq!(world.checkers.sessions.silences, 0);
            }
        }
    });
}

/// RFC 5880 §6.1: one of the two begins.
#[test]
fn a_passive_end_comes_up_when_the_other_begins() {
    seed::each(|seed| {
        for passive in [0, 1] {
            let mut both = plans(&Plan::dual(), &[150, 100], Some(COMMON));
            both[passive].bfd = Some(Timing { is_passive: true, ..COMMON });
            let mut world = rested(World::of(seed, both));
            all_are_up(&world);
            for node in [0, 1] {
                world.kill(node);
                world.run(10 * SEC);
                world.start(node);
                world.settle();
                world.run(HANDSHAKE);
                all_are_up(&world);
            }
        }
    });
}

/// Three pairs of timers that nobody would choose: each end detects by what the other says.
#[test]
fn the_ends_of_a_session_may_differ_in_every_timer() {
    seed::each(|seed| {
        let slow = Timing { tx_ms: 300, rx_ms: 50, multiplier: 5, is_passive: false };
        let fast = Timing { tx_ms: 10, rx_ms: 200, multiplier: 3, is_passive: false };
        let alone = Timing { tx_ms: 20, rx_ms: 20, multiplier: 1, is_passive: false };
        for [first, second] in [[slow, fast], [fast, slow], [alone, fast], [slow, alone]] {
            let mut both = plans(&Plan::v3(), &[150, 100], None);
            (both[0].bfd, both[1].bfd) = (Some(first), Some(second));
            let mut world = rested(World::of(seed, both));
            all_are_up(&world);
            world.run(30 * SEC);
            assert_eq!((world.changes(), world.checkers.sessions.silences), (0, 0));
            // RFC 5880 §6.8.4
            let expected = u64::from(first.multiplier) * u64::from(first.tx_ms.max(second.rx_ms)) * MS;
            assert_eq!(detection(&world, 1), expected);
            world.power_off(0);
            world.settle();
            assert_outage(&world, expected + EPSILON);
        }
    });
}

// Bad networks.

/// A long way is no silence.
#[test]
fn a_slow_network_loses_no_session() {
    seed::each(|seed| {
        for delay in [40 * MS, 300 * MS] {
            let mut world = world(seed, &Plan::v3(), &[150, 100], QUICK);
            world.set_paths(0, Path { delay, jitter: MS, ..Path::GOOD });
            // The first packet that takes the long way is the only one that is late.
            world.run(10 * SEC);
            world.checkers.sessions.silences = 0;
            world.forget();
            world.run(20 * SEC);
            assert_eq!((world.changes(), world.checkers.sessions.silences), (0, 0));
            all_are_up(&world);
            world.heal(0);
            world.settle();
            world.run(HANDSHAKE);
            assert_eq!(world.master(), 0);
            all_are_up(&world);
        }
    });
}

/// Sessions come and go with every third packet lost, and the backup is master now and then; nothing is left of it.
#[test]
fn a_lossy_network_leaves_one_master_and_every_session_behind() {
    of_pairs(|world, _| {
        world.clients.iter_mut().for_each(|client| client.asks_again_after = SEC);
        world.set_paths(0, Path { loss: 300, jitter: 3 * MS, duplicate: 50, ..Path::GOOD });
        world.run(60 * SEC);
        assert!(world.checkers.sessions.silences > 0, "the network is bad enough");
        world.heal(0);
        world.settle();
        world.run(HANDSHAKE);
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
        all_are_up(world);
    });
}

/// Neither adverts nor BFD come from the master; without a session it would be the same, and later.
#[test]
fn a_one_way_cut_from_the_master_makes_two_masters_until_it_is_mended() {
    of_pairs(|world, _| {
        world.cut(0, 0, 1);
        world.run_until(detection(world, 1) + EPSILON, "master", |world| world.nodes[1].is_master());
        world.settle();
        assert!(both_are_master(world));
        world.forget();
        world.heal(0);
        world.run_until(interval_of(world) + EPSILON, "one again", |world| !both_are_master(world));
        world.settle();
        world.run(HANDSHAKE);
        assert_eq!(world.master(), 0);
        assert!(world.serves(0));
        assert_eq!(world.checkers.takeovers(0), 0);
        all_are_up(world);
    });
}

#[test]
fn a_one_way_cut_to_the_master_changes_nothing() {
    of_pairs(|world, _| {
        world.cut(0, 1, 0);
        world.run(20 * SEC);
        assert_eq!(world.changes(), 0);
        assert!(!is_up(world, 0));
        world.heal(0);
        world.run(HANDSHAKE);
        assert_eq!(world.changes(), 0);
        all_are_up(world);
    });
}

/// The same troubles with sessions and without: where adverts pass, two masters stand beside each other for no longer.
#[test]
fn two_masters_stand_beside_each_other_no_longer_than_without_sessions() {
    seed::each(|seed| {
        for shape in [Plan::v2(), Plan::dual()] {
            for priorities in [&[150, 100][..], &[100, 100, 100]] {
                let [with, without] = [Some(COMMON), None].map(|timing| {
                    let mut world = World::of(seed, plans(&shape, priorities, timing));
                    trouble(&mut world, seed);
                    world.checkers.segments.longest_two
                });
                let bound = shape.interval() + EPSILON;
                assert!(with <= without.max(bound), "{} ms, {} ms without", with / MS, without / MS);
            }
        }
    });
}

/// What makes second masters: silence in both directions and in one, and daemons that do not run.
fn trouble(world: &mut World, seed: u64) {
    let mut chance = seed::generator(!seed);
    // Announcements may be lost.
    world.clients.iter_mut().for_each(|client| client.asks_again_after = SEC);
    world.settle();
    for _ in 0..15 {
        let (node, other) = (chance.usize(0..world.nodes.len()), chance.usize(0..world.nodes.len()));
        match chance.u8(0..6) {
            0 => world.partition(0, &[node], &[]),
            1 if node != other => world.cut(0, node, other),
            2 => world.refuse(node, Refused::Datagrams),
            3 => world.set_paths(0, Path { loss: 300, ..Path::GOOD }),
            _ => world.stall(node),
        }
        let span = chance.u64(0..4 * SEC);
        world.run(span);
        world.heal(0);
        for node in 0..world.nodes.len() {
            world.refuse(node, Refused::Nothing);
            if world.nodes[node].stalled {
                world.resume(node);
            }
        }
        let span = chance.u64(0..6 * SEC);
        world.run(span);
    }
    world.settle();
}

// Processes.

/// Law 6: what is waiting is handed in first, and a whole pause was none of the other end's.
#[test]
fn law_06_a_starved_backup_gives_up_no_session() {
    of_pairs(|world, timing| {
        for span in [2 * detection(world, 1), 5 * SEC] {
            world.stall(1);
            world.run(span);
            world.checkers.sessions.silences = 0;
            world.resume(1);
            world.run(20 * MS);
            assert_eq!(world.checkers.sessions.silences, 0, "law 6: {timing:?}");
            world.settle();
            world.run(HANDSHAKE);
            assert_eq!(world.changes(), 0, "law 6: nothing changes");
            all_are_up(world);
        }
    });
}

/// A master that sleeps longer than BFD suffers is followed at once; it takes its place again when it wakes.
#[test]
fn a_master_that_sleeps_is_followed_at_once_and_takes_its_place_again() {
    of_pairs(|world, _| {
        for span in [detection(world, 1) + EPSILON, 10 * SEC] {
            world.stall(0);
            world.run(span);
            assert_eq!(world.master(), 1);
            world.resume(0);
            world.settle();
            world.run(HANDSHAKE);
            assert_eq!(world.master(), 0);
            assert!(world.serves(0));
            all_are_up(world);
        }
    });
}

/// A nap shorter than the detection time is nothing.
#[test]
fn a_master_that_naps_loses_no_session() {
    of_pairs(|world, _| {
        for _ in 0..5 {
            world.stall(0);
            let span = detection(world, 1) / 2;
            world.run(span);
            world.resume(0);
            world.run(SEC);
        }
        assert_eq!((world.changes(), world.checkers.sessions.silences), (0, 0));
    });
}

#[test]
fn clocks_that_go_wrong_by_a_twentieth_lose_no_session() {
    seed::each(|seed| {
        for timing in TIMINGS {
            for [first_ppm, second_ppm] in [[-50_000, 50_000], [50_000, -50_000]] {
                let mut world = World::new(seed, 1);
                let both = plans(&Plan::dual(), &[150, 100], Some(timing));
                for (plan, ppm) in both.into_iter().zip([first_ppm, second_ppm]) {
                    world.add_node_with_clock(vec![plan], true, ppm);
                }
                world.add_client(0);
                world.start(0);
                world.start(1);
                let mut world = rested(world);
                all_are_up(&world);
                world.run(20 * SEC);
                assert_eq!((world.changes(), world.checkers.sessions.silences), (0, 0));
                let bound = detection(&world, 1) * 106 / 100 + EPSILON;
                world.power_off(0);
                world.settle();
                assert_eq!(world.master(), 1);
                assert_outage(&world, bound);
            }
        }
    });
}

// Reloads.

/// A session with the same ends goes on, and what is new of its timers is told by a poll (RFC 5880 §6.8.3).
#[test]
fn a_reload_keeps_every_session_and_tells_of_new_timers() {
    of_pairs(|world, timing| {
        let originals: Vec<Vec<Plan>> = world.nodes.iter().map(|node| node.plans.clone()).collect();
        let changes = [
            timing,
            Timing { tx_ms: 3 * timing.tx_ms, ..timing },
            Timing { rx_ms: 4 * timing.rx_ms, multiplier: 5, ..timing },
            Timing { tx_ms: timing.tx_ms / 2, rx_ms: timing.rx_ms / 2, ..timing },
            timing,
        ];
        for timing in changes {
            let node = world.rng.usize(0..2);
            let new: Vec<Plan> = originals[node].iter().cloned().map(|it| it.with_bfd(timing)).collect();
            world.reload(node, new.clone());
            let span = world.rng.u64(0..SEC);
            world.run(span);
            world.reload(node, new);
            world.run(3 * SEC);
            all_are_up(world);
            assert_eq!((world.changes(), world.checkers.sessions.silences), (0, 0), "{timing:?}");
        }
        let bound = detection(world, 1) + EPSILON;
        world.power_off(0);
        world.settle();
        assert_outage(world, bound);
    });
}

/// The backup is told anew what it knows already while it waits for its skew.
#[test]
fn a_reload_between_the_loss_and_the_takeover_puts_off_nothing() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = world(seed, &shape, &[200, 50, 40], COMMON);
            let bound = detection(&world, 1) + skew_of(&world, 1) + EPSILON;
            world.power_off(0);
            world.run_until(detection(&world, 1) + EPSILON, "lost", |world| !is_up(world, 1));
            let same = world.nodes[1].plans.clone();
            world.reload(1, same);
            world.settle();
            assert_eq!(world.master(), 1);
            assert_outage(&world, bound);
        }
    });
}

// Tracking.

/// A world of routers on a segment with an upstream router.
fn tracking(seed: u64, all: Vec<Plan>) -> World {
    let mut world = World::new(seed, 1);
    world.add_upstream(0);
    for plan in all {
        world.add_node(vec![plan], true);
    }
    world.add_client(0);
    for node in 0..world.nodes.len() {
        world.start(node);
    }
    world.settle();
    rested(world)
}

/// Weight 0, as with keepalived: whose upstream router does not answer cannot be master.
#[test]
fn a_master_whose_upstream_router_falls_silent_resigns() {
    seed::each(|seed| {
        for shape in shapes() {
            for upstream in TIMINGS {
                let plan = Plan { upstream, ..shape.clone().priority(150).tracks_thing(Thing::Session, 0) };
                let mut world = tracking(seed, vec![plan, shape.clone().priority(100)]);
                world.set_thing(0, Thing::Session, Mood::Bad);
                let notice = detection(&world, 0);
                world.run_until(notice + skew_of(&world, 1) + EPSILON, "resigned", |world| {
                    world.nodes[1].is_master()
                });
                world.settle();
                assert_eq!(world.phase(0), Some(Phase::Initialize));
                assert_outage(&world, skew_of(&world, 1) + EPSILON);
                world.set_thing(0, Thing::Session, Mood::Good);
                world.settle();
                assert_eq!(world.master(), 0);
            }
        }
    });
}

/// ST18: with a weight nobody is without a master for a moment.
#[test]
fn a_session_moves_the_mastership_by_its_weight() {
    seed::each(|seed| {
        for (priorities, weight) in [([150, 100], -100), ([100, 120], 50)] {
            let plan = Plan::dual().priority(priorities[0]).tracks_thing(Thing::Session, weight);
            let mut world = tracking(seed, vec![plan, Plan::dual().priority(priorities[1])]);
            for _ in 0..2 {
                world.set_thing(0, Thing::Session, Mood::Bad);
                world.settle();
                assert_eq!(world.master(), 1);
                world.set_thing(0, Thing::Session, Mood::Good);
                world.settle();
                assert_eq!(world.master(), 0);
            }
            assert_outage(&world, EPSILON);
        }
    });
}

/// keepalived's warning, and why it does not hold for `option bfd`: a tracked session between two routers is down for both,
/// so weight 0 leaves nobody; one that belongs to the peer tells of the peer.
#[test]
fn all_that_lose_the_upstream_router_together_are_out_together() {
    seed::each(|seed| {
        let plan = |priority| Plan::v3().priority(priority).tracks_thing(Thing::Session, 0);
        let mut world = tracking(seed, vec![plan(150), plan(100)]);
        for node in [0, 1] {
            world.set_thing(node, Thing::Session, Mood::Bad);
        }
        world.settle();
        assert!(world.nodes.iter().all(|node| !node.is_master()));
        world.set_thing(1, Thing::Session, Mood::Good);
        world.settle();
        assert_eq!(world.master(), 1);
    });
}

// Strangers.

/// BF02, RFC 5881 §5: what has come through a router is nobody's, whatever it knows. So is what is wrong in itself.
#[test]
fn bf02_packets_that_a_receiver_must_discard_end_no_session() {
    of_pairs(|world, _| {
        let port = world.forger(0);
        for state in [ADMIN_DOWN, DOWN] {
            for round in 0..100 {
                let count = sessions(&world.nodes[1].plans).len();
                let mut word = FalseWord::to(world, 1, round % count, state).unwrap();
                word.ttl = 254;
                if round % 4 > 0 {
                    word = FalseWord::to(world, 1, round % count, state).unwrap().spoilt(&mut world.rng);
                }
                world.inject(0, port, &word.frame());
                let span = world.rng.u64(0..100 * MS);
                world.run(span);
                all_are_up(world);
            }
        }
        assert_eq!((world.changes(), world.checkers.sessions.silences), (0, 0));
    });
}

/// And that nothing of it is right by accident: as the other end would say it, it is believed.
#[test]
fn packets_that_the_other_end_might_have_sent_end_a_session() {
    of_pairs(|world, _| {
        let port = world.forger(0);
        let word = FalseWord::to(world, 1, 0, DOWN).unwrap();
        world.inject(0, port, &word.frame());
        world.run(5 * MS);
        assert!(!is_up(world, 1));
        world.run(HANDSHAKE);
        all_are_up(world);
        assert_eq!((world.changes(), world.checkers.sessions.silences), (0, 0));
    });
}
