//! The laws of the design, where they belong to whole routers on a segment. Laws 3 and 5 are checked at
//! every turn (`node.rs`, `checkers`), law 7 by the shape of `node::Wires`.

use vipd::config::Family;
use vipd::vrrp::Phase;

use crate::clock::{MS, Nanos, SEC};
use crate::frame::{self, Content};
use crate::kernel::Trouble;
use crate::plan::Plan;
use crate::seed;
use crate::stranger::Forgery;
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
    [Plan::v2(), Plan::v2().password(b"secret"), Plan::v3(), Plan::v6()]
}

/// RFC 9568 §6.4.2: the others hear of it first, then the address is there, then hosts hear of it.
#[test]
fn law_02_effects_are_performed_in_order() {
    seed::each(|seed| {
        let mut world = pair(seed, &Plan::dual());
        world.add_stranger(0);
        world.power_off(0);
        world.settle();
        let mac = world.nodes[1].kernel.links[0].mac;
        let kinds: Vec<(bool, Family)> = world
            .heard
            .iter()
            .filter_map(|frame| {
                let opened = frame::open(frame).ok().filter(|opened| opened.from == mac)?;
                match opened.content {
                    Content::Vrrp { from, .. } => Some((true, Family::of(from))),
                    Content::Arp { reply: false, .. } => Some((false, Family::V4)),
                    Content::Advertisement(_) => Some((false, Family::V6)),
                    Content::Arp { .. }
                    | Content::Solicitation { .. }
                    | Content::Echo { .. }
                    | Content::Udp { .. } => None,
                }
            })
            .collect();
        for family in [Family::V4, Family::V6] {
            let mut mine = kinds.iter().filter(|it| it.1 == family);
            assert_eq!(mine.next(), Some(&(true, family)), "the advert is first");
            assert_eq!(mine.next(), Some(&(false, family)), "the announcement is second");
            let announced = world.checkers.announcements.iter().filter(|it| Family::of(it.address) == family);
            let announced: Vec<bool> = announced.map(|it| it.is_claimed).collect();
            assert!(!announced.is_empty(), "{family:?} was announced");
            assert!(announced.iter().all(|is_claimed| *is_claimed), "{family:?}: claimed before announced");
        }
    });
}

/// Beside the outcome: after each effect, the kernel's whole table of addresses is what it was after the first time
/// (`node.rs`).
#[test]
fn law_04_performing_an_effect_twice_equals_once() {
    seed::each(|seed| {
        for shape in [Plan::v2(), Plan::dual()] {
            let mut world = World::of(seed, [shape.clone().priority(150), shape.clone().priority(100)]);
            world.nodes.iter_mut().for_each(|node| node.performs_twice = true);
            world.settle();
            world.power_off(0);
            world.settle();
            assert_eq!(world.master(), 1);
            world.power_on(0);
            world.settle();
            assert_eq!(world.master(), 0);
            world.stop(0);
            world.settle();
            assert_eq!(world.master(), 1);
        }
    });
}

/// The backup does not run for longer than the master may be silent, and finds the adverts of that time.
#[test]
fn law_06_a_starved_backup_does_not_steal_the_address() {
    seed::each(|seed| {
        for shape in shapes().into_iter().chain([Plan::v3().centis(1), Plan::dual()]) {
            let mut world = pair(seed, &shape);
            world.stall(1);
            world.run((3 * shape.down()).max(10 * SEC));
            world.resume(1);
            world.settle();
            assert_eq!(world.changes(), 0, "law 6: nothing changes");
            let said = world.checkers.adverts.iter().filter(|it| it.node == 1).count();
            assert_eq!(said, 0, "law 6: it says nothing");
        }
    });
}

/// A master whose every packet fails tries at its own pace, and no more often.
#[test]
fn law_07_failures_cause_no_storm() {
    seed::each(|seed| {
        for shape in shapes() {
            let mut world = pair(seed, &shape);
            world.set_trouble(0, Trouble { messages: 1000, frames: 1000, ..Trouble::NONE });
            world.run(20 * SEC);
            let tries = world.checkers.adverts.iter().filter(|it| it.node == 0).count();
            // The other takes over; each of its adverts may be answered once.
            assert!(tries <= 2 * 21, "{tries} adverts in 20 s");
        }
    });
}

/// keepalived lets a stream of packets that it rejects silence its master (vipd does not): every advert of
/// its own leaves in time, and nobody takes over.
#[test]
fn law_10_what_is_rejected_touches_nothing() {
    seed::each(|seed| {
        for shape in shapes() {
            let family = shape.families().next().unwrap();
            let mut world = pair(seed, &shape);
            let port = world.add_stranger(0);
            for _ in 0..200 {
                let priority = *world.rng.choice(&[0, 1, 120, 200, 255]).unwrap();
                let forgery = Forgery::of(&shape, family, priority).spoilt(&shape, &mut world.rng);
                world.inject(0, port, &forgery.frame());
                let span = world.rng.u64(0..200 * MS);
                world.run(span);
            }
            assert_eq!(world.changes(), 0);
            let sent: Vec<Nanos> = world.checkers.adverts.iter().map(|it| it.at).collect();
            for pair in sent.windows(2) {
                let pause = pair[1] - pair[0];
                assert!(pause.abs_diff(shape.interval()) < 5 * MS, "an advert after {} ms", pause / MS);
            }
            assert!(world.checkers.adverts.iter().all(|it| it.node == 0));
        }
    });
}

/// The same for a backup: it neither waits longer nor takes over earlier.
#[test]
fn law_10_what_is_rejected_does_not_put_off_a_takeover() {
    seed::each(|seed| {
        for shape in shapes() {
            let family = shape.families().next().unwrap();
            let mut world = pair(seed, &shape);
            let port = world.add_stranger(0);
            world.power_off(0);
            let down = world.nodes[1].plans[0].down();
            let end = world.now + down + EPSILON;
            while world.now < end {
                let forgery = Forgery::of(&shape, family, 200).spoilt(&shape, &mut world.rng);
                world.inject(0, port, &forgery.frame());
                world.run(5 * MS);
            }
            assert_eq!(world.master(), 1);
            world.settle();
            assert!(world.outage() <= down + EPSILON, "{} ms", world.outage() / MS);
        }
    });
}

/// However many lower-priority adverts arrive, and in whatever mixture with resignations.
#[test]
fn law_11_answers_are_rate_limited() {
    seed::each(|seed| {
        for shape in shapes() {
            let family = shape.families().next().unwrap();
            let mut world = pair(seed, &shape);
            let port = world.add_stranger(0);
            world.run(6 * SEC);
            world.forget();
            const STORM_SECS: usize = 5;
            let end = world.now + STORM_SECS as Nanos * SEC;
            while world.now < end {
                let priority = *world.rng.choice(&[0, 1, 90, 149]).unwrap();
                world.inject(0, port, &Forgery::of(&shape, family, priority).frame());
                world.run(SEC / 3000);
            }
            assert_eq!(world.phase(0), Some(Phase::Master));
            let adverts = world.checkers.adverts.iter().filter(|it| it.node == 0).count();
            assert!(adverts <= STORM_SECS * 101 + 1, "{adverts} adverts");
            let first = shape.addresses(family)[0];
            let mine = world.checkers.announcements.iter().filter(|it| (it.node, it.address) == (0, first));
            let bursts = mine.count() / 5;
            assert!((STORM_SECS - 1..=STORM_SECS + 1).contains(&bursts), "{bursts} bursts");
            world.disturb();
            world.settle();
            assert_eq!(world.master(), 0);
            assert!(world.serves(0));
        }
    });
}

/// ST16: an answer is one advert more; the timetable goes on as if it had not been given.
#[test]
fn law_12_answers_do_not_move_the_timetable() {
    seed::each(|seed| {
        for shape in [Plan::v2(), Plan::v3(), Plan::v6()] {
            let family = shape.families().next().unwrap();
            let mut world = pair(seed, &shape);
            world.run(2 * SEC);
            let first = world.checkers.adverts[0].at;
            let port = world.add_stranger(0);
            for _ in 0..40 {
                world.inject(0, port, &Forgery::of(&shape, family, 50).frame());
                let span = world.rng.u64(SEC / 2..SEC * 9 / 10);
                world.run(span);
            }
            for number in 0..20 {
                let due = first + number * shape.interval();
                let met = world.checkers.adverts.iter().any(|it| it.at.abs_diff(due) < 5 * MS);
                assert!(met, "advert {number} is missing");
            }
        }
    });
}

/// Each advert is due one interval after the last was due: in a thousand of them not one is lost.
#[test]
fn law_12_adverts_do_not_drift() {
    seed::each(|seed| {
        for shape in [Plan::v2(), Plan::v3().centis(10), Plan::v3().centis(1)] {
            let mut world = World::new(seed, 1);
            world.add_node_with_clock(vec![shape.clone()], true, 0);
            world.start(0);
            world.run(1000 * shape.interval() + shape.down() + 10 * MS);
            let sent: Vec<Nanos> = world.checkers.adverts.iter().map(|it| it.at).collect();
            assert!(sent.len() >= 1000, "{}", sent.len());
            for (number, at) in (0..).zip(&sent) {
                // The first of them may be late itself.
                let late = (*at + 2 * MS).checked_sub(sent[0] + number * shape.interval());
                assert!(late.is_some_and(|late| late <= 4 * MS), "advert {number}: {late:?}");
            }
        }
    });
}

/// After a stall there is one advert, not one for each that was missed.
#[test]
fn law_12_missed_adverts_are_not_made_up() {
    seed::each(|seed| {
        for shape in [Plan::v2(), Plan::v3(), Plan::v3().centis(1)] {
            let mut world = World::new(seed, 1);
            world.add_node(vec![shape.clone()], true);
            world.start(0);
            world.settle();
            world.stall(0);
            world.run(20 * shape.interval());
            world.forget();
            world.resume(0);
            let span = 5 * shape.interval();
            world.run(span);
            let sent = world.checkers.adverts.len();
            assert!((4..=7).contains(&sent), "{sent} adverts in five intervals");
        }
    });
}
