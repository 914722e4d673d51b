//! vipd's sessions beside those of FRR's bfdd and of keepalived.

use std::thread;
use std::time::Duration;

use super::peer::{EARLY, First, Kind, ROOM, Scene, Timers, Wire};
use crate::bench::{Bench, Load};
use crate::harness::{Bfd, Noise, Standing, now};
use crate::lone::SECOND;

/// A tenth of a second and three of them; theirs differ from ours in all.
const OURS: Timers = Timers::new(100, 3);
const THEIRS: Timers = Timers::new(150, 4);

macro_rules! both_orders_and_every_end {
    ($($module:ident: $kind:expr, $wire:expr;)*) => { $(
        mod $module {
            use super::*;

            #[test]
            fn bf04_bf05_vipd_finds_a_peer_that_is_there() {
                meets($kind, $wire, First::Peer);
            }

            #[test]
            fn bf04_bf05_a_peer_finds_vipd() {
                meets($kind, $wire, First::Vipd);
            }

            #[test]
            fn bf07_bf09_a_peer_is_killed_and_comes_back() {
                loses_the_peer($kind, $wire);
            }

            #[test]
            fn bf09_vipd_is_killed_and_comes_back() {
                loses_vipd($kind, $wire);
            }

            #[test]
            fn vipd_that_ends_says_so() {
                says_goodbye($kind, $wire);
            }
        }
    )* };
}

both_orders_and_every_end! {
    frr_ipv4: Kind::Frr, Wire::V4;
    frr_ipv6: Kind::Frr, Wire::V6;
    keepalived_ipv4: Kind::Keepalived, Wire::V4;
    keepalived_ipv6: Kind::Keepalived, Wire::V6;
}

/// RFC 5880 §6.2: nobody is up before the other end has said that it hears. §6.8.3: whoever comes up tells its faster
/// interval in a poll sequence; §6.5: which ends with the answer, and every poll is answered at once.
fn meets(kind: Kind, wire: Wire, first: First) {
    let Some(_bench) = Bench::take(Load::Light, &[kind.missing()]) else { return };
    let scene = Scene::start(kind, wire, [OURS, THEIRS], first);
    thread::sleep(SECOND);
    let (ours, theirs) = (scene.ours(Duration::ZERO), scene.theirs(Duration::ZERO));
    scene.judge_ours(1);
    three_ways(&ours, &theirs);
    polls_until_answered(&ours, &theirs);
    let polls = answers(&ours, &theirs);
    // keepalived does not tell an interval that it has told as down.
    assert!(polls > 0 || kind == Kind::Keepalived, "{kind:?} polls");
    let last = ours.last().unwrap();
    assert_eq!((last.tx, last.rx), (SECOND / 10, SECOND / 10), "{last:?}");
    assert_eq!(last.yours, theirs.last().unwrap().mine);
    let status = scene.status();
    for (field, value) in
        [("name", "up"), ("neighbor", wire.ends()[1]), ("state", "up"), ("remote_state", "up")]
    {
        assert_eq!(status[field], value, "{status}");
    }
    for (field, time) in [("interval_us", OURS.interval(THEIRS)), ("detection_us", THEIRS.detection(OURS))] {
        assert_eq!(u128::from(status[field].as_u64().unwrap()), time.as_micros(), "BF07: {field}: {status}");
    }
    scene.wait_priority(200, now());
}

/// Down, perhaps Init, Up, and nothing else; and what each says of the other was said by the other.
fn three_ways(ours: &[Bfd], theirs: &[Bfd]) {
    let states: Vec<_> = ours.iter().map(|bfd| bfd.standing).collect();
    let rank = |standing: &Standing| match standing {
        Standing::AdminDown => panic!("nobody has asked for it: {states:?}"),
        Standing::Down => 0,
        Standing::Init => 1,
        Standing::Up => 2,
    };
    assert!(states.is_sorted_by_key(rank), "{states:?}");
    let up = ours.iter().find(|bfd| bfd.standing == Standing::Up).expect("it is up");
    let heard = theirs.iter().any(|bfd| bfd.at < up.at && bfd.yours == up.mine);
    assert!(heard, "RFC 5880 §6.2: up before the peer hears us: {up:?}");
    for bfd in ours.iter().filter(|bfd| bfd.standing != Standing::Down) {
        assert!(theirs.iter().any(|other| other.mine == bfd.yours), "{bfd:?}");
    }
}

/// From the first word as up to the answer, every packet polls (RFC 5880 §6.8.3), and none after it.
fn polls_until_answered(ours: &[Bfd], theirs: &[Bfd]) {
    let first = ours.iter().find(|bfd| bfd.standing == Standing::Up && !bfd.is_final).expect("it is up");
    assert!(first.poll, "BF05: {first:?}");
    let answer = theirs.iter().find(|bfd| bfd.is_final && bfd.at > first.at).expect("the peer answers");
    for bfd in ours.iter().filter(|bfd| bfd.at >= first.at && !bfd.is_final) {
        // What crosses the answer on its way may still poll.
        if bfd.at < answer.at {
            assert!(bfd.poll, "BF05: a poll sequence lasts until it is answered: {bfd:?}");
        } else if bfd.at > answer.at + ROOM + Noise::observer().worst(answer.at, bfd.at) {
            assert!(!bfd.poll, "BF05: it has been answered: {bfd:?}");
        }
    }
}

/// RFC 5880 §6.8.7: every poll is answered as soon as possible, and only polls are. Returns how many there were.
pub(super) fn answers(ours: &[Bfd], theirs: &[Bfd]) -> usize {
    let mut answered = 0;
    for poll in theirs.iter().filter(|bfd| bfd.poll && bfd.yours == ours.last().unwrap().mine) {
        let answer = ours.iter().find(|bfd| bfd.is_final && bfd.at >= poll.at);
        let answer = answer.unwrap_or_else(|| panic!("no answer to {poll:?}"));
        let room = ROOM + Noise::observer().worst(poll.at, answer.at);
        assert!(answer.at - poll.at < room, "BF05: answered after {:?}", answer.at - poll.at);
        answered += 1;
    }
    let finals = ours.iter().filter(|bfd| bfd.is_final).count();
    assert!(finals <= answered, "{finals} answers to {answered} polls");
    answered
}

/// RFC 5880 §6.8.4, §6.8.1.
fn loses_the_peer(kind: Kind, wire: Wire) {
    let Some(_bench) = Bench::take(Load::Light, &[kind.missing()]) else { return };
    let mut scene = Scene::start(kind, wire, [OURS, THEIRS], First::Peer);
    let before = scene.theirs(Duration::ZERO).pop().unwrap();
    let killed = scene.peer.process().kill();
    let down = scene.wait_ours(Standing::Down, killed);
    let last = scene.theirs(Duration::ZERO).pop().unwrap();
    in_time(&last, &down, THEIRS.detection(OURS), OURS.interval(THEIRS));
    assert_eq!(down.diagnostic, 1, "control detection time expired: {down:?}");
    scene.wait_priority(180, down.at);
    // RFC 5880 §6.8.1: a detection time later the other end's name is forgotten, and nothing more is said than once a second.
    thread::sleep(THEIRS.detection(OURS) + SECOND * 2);
    let silent = scene.ours(down.at + THEIRS.detection(OURS) + ROOM);
    assert!(silent.iter().all(|bfd| bfd.yours == 0 && bfd.standing == Standing::Down), "{silent:?}");
    assert!((1..=4).contains(&silent.len()), "BF05: once a second: {silent:?}");

    let restarted = now();
    scene.peer.restart();
    scene.wait_up(restarted);
    let after = scene.theirs(restarted).pop().unwrap();
    assert_ne!(before.mine, after.mine, "another session of the peer's");
    assert_eq!(scene.ours(restarted).pop().unwrap().yours, after.mine);
    scene.wait_priority(200, restarted);
    scene.judge_ours(1);
    assert_eq!(moves(&scene.ours(Duration::ZERO)), 2, "up, down, up");
}

/// Not before the time, and not long after it: what has ended is told when its next packet would have been.
pub(super) fn in_time(last: &Bfd, down: &Bfd, formula: Duration, next: Duration) {
    let took = down.at - last.at;
    let stall = Noise::observer().worst(last.at, down.at);
    eprintln!("down {took:?} after the last packet; the protocol says {formula:?} (stall {stall:?})");
    assert!(took + EARLY >= formula, "BF07: down after {took:?}, before its time {formula:?}");
    assert!(took <= formula + next + ROOM + stall, "BF07: down after {took:?}, long after {formula:?}");
}

/// How often the state goes from up to something else, or back.
pub(super) fn moves(packets: &[Bfd]) -> usize {
    let is_up: Vec<_> = packets.iter().map(|bfd| bfd.standing == Standing::Up).collect();
    is_up.chunk_by(|before, after| before == after).count() - 1 - usize::from(is_up.first() == Some(&false))
}

fn loses_vipd(kind: Kind, wire: Wire) {
    let Some(_bench) = Bench::take(Load::Light, &[kind.missing()]) else { return };
    let mut scene = Scene::start(kind, wire, [OURS, THEIRS], First::Vipd);
    let before = scene.ours(Duration::ZERO).pop().unwrap();
    let killed = scene.vipd.process().kill();
    let down = scene.wait_theirs(Standing::Down, killed);
    assert_eq!(down.diagnostic, 1, "what {kind:?} says: {down:?}");
    let restarted = now();
    scene.vipd.restart();
    scene.wait_up(restarted);
    let after = scene.ours(restarted).pop().unwrap();
    assert_ne!(before.mine, after.mine, "BF09: a session of its own");
    scene.judge_ours(2);
}

/// RFC 5880 §6.8.16: the peer need not wait for its detection time.
fn says_goodbye(kind: Kind, wire: Wire) {
    let Some(_bench) = Bench::take(Load::Light, &[kind.missing()]) else { return };
    let mut scene = Scene::start(kind, wire, [OURS, Timers { rx_ms: 1000, ..THEIRS }], First::Vipd);
    let asked = scene.vipd.process().terminate();
    let goodbye = scene.wait_ours(Standing::AdminDown, asked);
    assert_eq!(goodbye.diagnostic, 7, "administratively down: {goodbye:?}");
    let down = scene.wait_theirs(Standing::Down, asked);
    assert_eq!(down.diagnostic, 3, "what {kind:?} says: {down:?}");
    scene.vipd.process().wait(SECOND * 3);
    let last = scene.ours(Duration::ZERO).pop().unwrap();
    assert_eq!(last.standing, Standing::AdminDown, "its last word");
    scene.judge_ours(1);
}

/// RFC 5880 §6.8.6: down with diagnostic 3, once, and up again as soon as the operator allows it.
#[test]
fn bf10_a_peer_whose_operator_shuts_it_down_is_down_without_flapping() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Frr.missing()]) else { return };
    let scene = Scene::start(Kind::Frr, Wire::V4, [OURS, THEIRS], First::Peer);
    let asked = now();
    scene.peer.operate("shutdown");
    let down = scene.wait_ours(Standing::Down, asked);
    assert_eq!(down.diagnostic, 3, "{down:?}");
    scene.wait_priority(180, down.at);
    thread::sleep(SECOND * 3);
    let ours = scene.ours(down.at);
    assert!(ours.iter().all(|bfd| bfd.standing == Standing::Down), "BF10: {ours:?}");
    let status = scene.status();
    assert_eq!(status["state"], "down", "{status}");
    let allowed = now();
    scene.peer.operate("no shutdown");
    scene.wait_up(allowed);
    scene.wait_priority(200, allowed);
    scene.judge_ours(1);
    assert_eq!(moves(&scene.ours(Duration::ZERO)), 2, "up, down, up");
}

/// RFC 5881 §4 names no kind of address.
#[test]
fn bf04_two_link_local_addresses_have_a_session() {
    let Some(_bench) = Bench::take(Load::Light, &[Kind::Frr.missing()]) else { return };
    let scene = Scene::start(Kind::Frr, Wire::Local, [OURS, THEIRS], First::Peer);
    thread::sleep(SECOND);
    scene.judge_ours(1);
    assert!(answers(&scene.ours(Duration::ZERO), &scene.theirs(Duration::ZERO)) > 0);
}
