//! BFD sessions in a router: whose packet it is, what a session says of itself over a reload and at the end, and what it
//! moves. A session alone stands beside `src/bfd`; routers with sessions to each other are the simulator's (`sim/bfd.rs`).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use vipd::config::{BfdId, Config};
use vipd::limits::BFD_SESSIONS_MAX;
use vipd::probe::Standing;
use vipd::router::{Datagram, Effect, Event};
use vipd::vrrp::{Fault, Phase, State};
use vipd::wire::IfIndex;

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, OUR_V6, RULES, Spec, config, performed};
use crate::neighbour::{ADMIN_DOWN, DOWN, INIT, Said, UP};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

const PEERS: [&str; 3] = ["10.0.0.9", "10.0.0.8", "10.0.0.7"];
const PEER: &str = PEERS[0];
const FIRST: BfdId = BfdId(0);

/// The other end's discriminator.
const THEIRS: u32 = 0x00c0_ffee;

/// What the other end says that has heard nobody.
const HELLO: Said = Said {
    diagnostic: 0,
    state: DOWN,
    polls: false,
    answers: false,
    multiplier: 3,
    mine: THEIRS,
    yours: 0,
    min_tx_us: 1_000_000,
    min_rx_us: 100_000,
    min_echo_us: 0,
};

/// A virtual router with a session to each of so many peers.
fn watching(count: usize) -> Spec {
    let peers = PEERS.iter().take(count).map(|peer| (*peer, 0, 255)).collect();
    Spec { peers, bfd: true, ..Spec::default() }
}

impl Bench {
    fn bfd(&mut self, from: &str, payload: &[u8]) {
        let from: IpAddr = from.parse().unwrap();
        let to = if from.is_ipv4() { OUR_V4 } else { OUR_V6 };
        self.bfd_with(ETH0, from, to.parse().unwrap(), 255, payload);
    }

    fn bfd_with(
        &mut self,
        interface: IfIndex,
        source: IpAddr,
        destination: IpAddr,
        hop_limit: u8,
        payload: &[u8],
    ) {
        self.handle(Event::Bfd(Datagram { interface, source, destination, hop_limit, payload }));
    }

    fn ours(&self, session: BfdId) -> u32 {
        self.router.bfd_control(session, false).unwrap().control.mine
    }

    /// Says this as the other end that is up.
    fn says(&mut self, session: BfdId, said: Said) {
        let neighbor = self.router.config().bfd[usize::from(session.0)].neighbor.to_string();
        let yours = self.ours(session);
        self.bfd(&neighbor, &Said { yours, ..said }.bytes());
    }

    /// Both directions of the handshake (RFC 5880 §6.2), and the final that ends the poll.
    fn bring_up(&mut self, session: BfdId) {
        assert_eq!(self.router.bfd_standing(session), Standing::Down);
        let neighbor = self.router.config().bfd[usize::from(session.0)].neighbor.to_string();
        self.bfd(&neighbor, &HELLO.bytes());
        assert_eq!(self.router.bfd_standing(session), Standing::Down, "it is heard, and does not know it");
        self.says(session, Said { state: INIT, ..HELLO });
        assert_eq!(self.router.bfd_standing(session), Standing::Up);
    }

    /// The other end speaks in time, for so long.
    fn keep_up(&mut self, session: BfdId, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.run_for(100 * MS);
            self.says(session, Said { state: UP, min_tx_us: 100_000, ..HELLO });
        }
    }

    /// What every session says in the last event's effects.
    fn words(&self) -> Vec<(BfdId, Said)> {
        let its = self.effects.iter().filter_map(|effect| match effect {
            Effect::Bfd { session, .. } => Some((*session, *effect)),
            _ => None,
        });
        its.flat_map(|(session, effect)| {
            let sent = performed(self, effect).datagrams;
            sent.into_iter().map(move |(_, bytes)| (session, Said::read(&bytes[8..]).unwrap()))
        })
        .collect()
    }

    /// Everything but what is counted and forgotten.
    fn inside(&self) -> String {
        let text = format!("{:?}", self.router);
        let (before, counted) = text.split_once("discarded: ").unwrap();
        let after = counted.trim_start_matches(|letter: char| letter.is_ascii_digit());
        format!("{before}{after}")
    }

    /// Law 10.
    fn touches_nothing(&mut self, what: &str, deliver: impl FnOnce(&mut Self)) {
        let before = self.inside();
        deliver(self);
        assert!(self.effects.is_empty(), "{what}: {:?}", self.effects);
        assert!(self.inside() == before, "law 10: {what} touches something");
    }
}

/// A router with a session that is up.
fn up() -> Bench {
    let mut bench = Bench::new(&[watching(1)]);
    bench.bring_up(FIRST);
    bench.keep_up(FIRST, SECOND);
    bench
}

fn reload(bench: &mut Bench, mut new: Box<Config>) -> Vec<(BfdId, Said)> {
    bench.handle(Event::Prepare(&new));
    let words = bench.words();
    bench.handle(Event::Adopt(&mut new));
    bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4, OUR_V6]), (ETH1, "eth1", true, &["10.1.0.5"])]);
    words
}

// Whose packet it is.

/// RFC 5881 §5: first of all, and whatever else it is. The same with 255 is heard, so it is the TTL.
#[test]
fn bf02_a_packet_with_a_ttl_of_254_touches_nothing() {
    let mut bench = up();
    let (from, to) = (PEER.parse().unwrap(), OUR_V4.parse().unwrap());
    let yours = bench.ours(FIRST);
    for state in [ADMIN_DOWN, DOWN, INIT, UP] {
        for polls in [false, true] {
            let word = Said { state, polls, yours, ..HELLO }.bytes();
            for ttl in [254, 64, 1, 0] {
                bench.touches_nothing("a TTL", |bench| bench.bfd_with(ETH0, from, to, ttl, &word));
            }
        }
    }
    bench.touches_nothing("and bytes that are no packet", |bench| {
        bench.bfd_with(ETH0, from, to, 254, &[0; 3]);
    });
    bench.bfd(PEER, &Said { state: ADMIN_DOWN, yours, ..HELLO }.bytes());
    assert_eq!(bench.router.bfd_standing(FIRST), Standing::Down);
}

/// `max_hops` of the section.
#[test]
fn bf02_a_session_that_allows_for_a_hop_takes_a_ttl_that_is_one_less() {
    let mut new = config(&[watching(1)]);
    new.bfd[0].least_hop_limit = 254;
    let mut bench = Bench::new(&[]);
    reload(&mut bench, new);
    let (from, to) = (PEER.parse().unwrap(), OUR_V4.parse().unwrap());
    bench.touches_nothing("a TTL", |bench| bench.bfd_with(ETH0, from, to, 253, &HELLO.bytes()));
    bench.bfd_with(ETH0, from, to, 254, &HELLO.bytes());
    assert_eq!(bench.router.bfd_control(FIRST, false).unwrap().control.yours, THEIRS);
}

/// RFC 5880 §6.8.6, and the law: what is rejected is counted, and forgotten.
#[test]
fn law_10_and_bf02_what_a_receiver_must_discard_touches_nothing() {
    let mut bench = up();
    let yours = bench.ours(FIRST);
    let right = Said { state: DOWN, yours, ..HELLO };
    let spoilt = |spoil: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = right.bytes().to_vec();
        spoil(&mut bytes);
        bytes
    };
    let wrong: [(&str, Vec<u8>); 12] = [
        ("nothing", vec![]),
        ("version 0", spoilt(&|bytes| bytes[0] &= 0x1f)),
        ("version 2", spoilt(&|bytes| bytes[0] ^= 0x60)),
        ("a short packet", spoilt(&|bytes| bytes.truncate(23))),
        ("a short length", spoilt(&|bytes| bytes[3] = 23)),
        ("a long length", spoilt(&|bytes| bytes[3] = 25)),
        ("a multiplier of 0", spoilt(&|bytes| bytes[2] = 0)),
        ("the multipoint bit", spoilt(&|bytes| bytes[1] |= 1)),
        ("no discriminator", spoilt(&|bytes| bytes[4..8].fill(0))),
        ("somebody else's discriminator", spoilt(&|bytes| bytes[11] ^= 1)),
        ("up, and knows nobody", Said { state: UP, ..HELLO }.bytes().to_vec()),
        (
            "authentication",
            spoilt(&|bytes| {
                bytes[1] |= 4;
                bytes[3] = 26;
                bytes.extend([1, 2]);
            }),
        ),
    ];
    for (what, bytes) in wrong {
        bench.touches_nothing(what, |bench| bench.bfd(PEER, &bytes));
    }
    bench.bfd(PEER, &right.bytes());
    assert_eq!(bench.router.bfd_standing(FIRST), Standing::Down, "the one that they were made of");
}

/// RFC 5880 §6.8.6: a session is found by the interface and the sender, also where the packet names it.
#[test]
fn a_packet_of_a_stranger_or_through_another_device_touches_nothing() {
    let mut bench = up();
    let yours = bench.ours(FIRST);
    let to = OUR_V4.parse().unwrap();
    for word in [HELLO, Said { state: ADMIN_DOWN, yours, ..HELLO }] {
        for stranger in ["10.0.0.77", "10.0.0.90", "fe80::9"] {
            bench.touches_nothing(stranger, |bench| bench.bfd(stranger, &word.bytes()));
        }
        let from = PEER.parse().unwrap();
        bench.touches_nothing("eth1", |bench| bench.bfd_with(ETH1, from, to, 255, &word.bytes()));
    }
}

/// RFC 5880 §6.8.6: each its own, by the discriminator, and before that is known by the sender.
#[test]
fn every_session_takes_its_own_packets_and_no_other() {
    let mut bench = Bench::new(&[watching(3)]);
    for session in [2, 0, 1].map(BfdId) {
        bench.bring_up(session);
    }
    let second = bench.ours(BfdId(1));
    bench.touches_nothing("another session's name", |bench| {
        bench.bfd(PEERS[0], &Said { state: DOWN, yours: second, ..HELLO }.bytes());
    });
    bench.says(BfdId(1), Said { state: DOWN, ..HELLO });
    let standings = [0, 1, 2].map(|session| bench.router.bfd_standing(BfdId(session)));
    assert_eq!(standings, [Standing::Up, Standing::Down, Standing::Up]);
}

/// A router that has not begun, and one that ends.
#[test]
fn before_the_start_and_after_the_end_there_is_no_session() {
    let mut bench = Bench::unanswered(&[watching(1)]);
    bench.touches_nothing("before the links are known", |bench| bench.bfd(PEER, &HELLO.bytes()));
    let mut bench = up();
    bench.handle(Event::Stop);
    bench.touches_nothing("after the end", |bench| bench.bfd(PEER, &HELLO.bytes()));
    let later = bench.run_for(30 * SECOND);
    assert!(!later.iter().any(|(_, effect)| matches!(effect, Effect::Bfd { .. })), "{later:?}");
}

// What a session is called.

/// RFC 5880 §6.8.1, RFC 5881 §4: over many starts of a full table.
#[test]
fn bf09_discriminators_and_ports_are_each_sessions_own_and_change_with_a_restart() {
    let addresses: Vec<String> = (0..BFD_SESSIONS_MAX).map(|host| format!("10.0.0.{}", 100 + host)).collect();
    let tracks = addresses.iter().map(|address| (&*format!("bfd {address}").leak(), 1)).collect();
    let specs = [Spec { tracks, ..Spec::default() }];
    let mut before: Vec<u32> = vec![];
    for seed in 0..200 {
        let mut bench = Bench::seeded(&specs, seed * 2);
        bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4, OUR_V6]), (ETH1, "eth1", true, &[])]);
        let all: Vec<_> = (0..BFD_SESSIONS_MAX as u8).map(BfdId).collect();
        let names: Vec<u32> = all.iter().map(|session| bench.ours(*session)).collect();
        let ports: Vec<u16> =
            all.iter().map(|session| bench.router.bfd_control(*session, false).unwrap().port).collect();
        assert!(names.iter().all(|name| *name != 0));
        assert!(ports.iter().all(|port| *port >= 49_152));
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), BFD_SESSIONS_MAX);
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), BFD_SESSIONS_MAX);
        assert!(names.iter().zip(&before).all(|(name, before)| name != before), "seed {seed}");
        before = names;
    }
}

/// RFC 5881 §4: "The source port MUST be the same for all packets of a session", whatever the other end does.
#[test]
fn bf09_the_source_port_stays_over_a_restart_of_the_peer() {
    let mut bench = up();
    let before = bench.router.bfd_control(FIRST, false).unwrap();
    let sent = |bench: &mut Bench| -> Vec<Vec<u8>> {
        let effects = bench.run_for(3 * SECOND);
        let its = effects.iter().filter(|(_, effect)| matches!(effect, Effect::Bfd { .. }));
        its.flat_map(|(_, effect)| performed(bench, *effect).datagrams)
            .map(|(ttl, bytes)| {
                assert_eq!(ttl, 255);
                bytes
            })
            .collect()
    };
    let mut all = sent(&mut bench);
    assert_eq!(bench.router.bfd_standing(FIRST), Standing::Down, "it was silent");
    let again = Said { mine: THEIRS + 1, ..HELLO };
    bench.bfd(PEER, &again.bytes());
    bench.says(FIRST, Said { state: INIT, ..again });
    assert_eq!(bench.router.bfd_standing(FIRST), Standing::Up);
    all.extend(sent(&mut bench));
    assert!(all.len() > 4);
    for bytes in all {
        assert_eq!(u16::from_be_bytes([bytes[0], bytes[1]]), before.port);
        assert_eq!(Said::read(&bytes[8..]).unwrap().mine, before.control.mine);
    }
}

// Reloads, and the end.

/// The same ends through the same device: it goes on, under other timers and in another place of the table.
#[test]
fn a_session_whose_ends_stay_goes_on_over_a_reload() {
    let mut bench = up();
    let before = bench.router.bfd_control(FIRST, false).unwrap();
    let mut new = config(&[
        Spec { name: "other", vrid: 9, tracks: vec![("bfd 10.0.0.99", 1)], ..Spec::default() },
        watching(1),
    ]);
    new.bfd[1].rules.min_tx_us = 40_000;
    assert!(reload(&mut bench, new).is_empty());
    let moved = BfdId(1);
    let after = bench.router.bfd_control(moved, false).unwrap();
    assert_eq!(
        (after.control.mine, after.port, after.control.yours),
        (before.control.mine, before.port, THEIRS)
    );
    assert_eq!(bench.router.bfd_standing(moved), Standing::Up);
    assert_eq!(after.control.min_tx_us, 40_000);
    bench.keep_up(moved, 5 * SECOND);
    assert_eq!(bench.router.bfd_standing(moved), Standing::Up);
    assert_ne!(bench.ours(FIRST), before.control.mine, "who is new has a name of its own");
}

/// RFC 5880 §6.8.16: the other end is told, once more than may be lost, so that it takes it for no failure. Another
/// session to it is another one.
#[test]
fn a_session_that_a_reload_takes_out_says_that_it_is_ended_by_hand() {
    let mut bench = up();
    let name = bench.ours(FIRST);
    let words = reload(&mut bench, config(&[Spec { bfd: false, ..watching(1) }]));
    let expected = (FIRST, Said { state: ADMIN_DOWN, diagnostic: 7, ..words[0].1 });
    assert_eq!(words, [expected, expected]);
    assert_eq!((expected.1.mine, expected.1.yours), (name, THEIRS));
    assert!(bench.run_for(5 * SECOND).iter().all(|(_, effect)| !matches!(effect, Effect::Bfd { .. })));
    assert!(reload(&mut bench, config(&[watching(1)])).is_empty());
    assert_eq!(bench.router.bfd_standing(FIRST), Standing::Down);
    assert_ne!(bench.ours(FIRST), name);
    bench.touches_nothing("a packet for the old one", |bench| {
        bench.bfd(PEER, &Said { state: UP, yours: name, ..HELLO }.bytes());
    });
}

/// One that goes through another device from now on is another one; and so is one from another address.
#[test]
fn a_session_with_another_end_is_another_session() {
    let other_device = Spec { device: "eth1", addresses: vec!["10.1.0.1"], ..watching(1) };
    let mut other_source = config(&[watching(1)]);
    other_source.bfd[0].source = Some("10.0.0.6".parse().unwrap());
    for new in [config(&[other_device]), other_source] {
        let mut bench = up();
        let name = bench.ours(FIRST);
        let words = reload(&mut bench, new);
        assert_eq!(words.len(), 2);
        assert!(words.iter().all(|(_, said)| (said.state, said.mine) == (ADMIN_DOWN, name)));
        assert_ne!(bench.ours(FIRST), name);
        assert_eq!(bench.router.bfd_standing(FIRST), Standing::Down);
    }
}

/// Who has heard a session is told, after the resignation; who has not is nobody.
#[test]
fn a_router_that_ends_says_so_in_every_session() {
    let mut bench = Bench::new(&[watching(3)]);
    bench.bring_up(BfdId(0));
    bench.bfd(PEERS[2], &HELLO.bytes());
    bench.run_for(200 * MS);
    bench.handle(Event::Stop);
    let said: Vec<(BfdId, u8)> = bench.words().iter().map(|(session, said)| (*session, said.state)).collect();
    let [first, third] = [0, 2].map(|session| (BfdId(session), ADMIN_DOWN));
    assert_eq!(said, [first, first, third, third]);
    assert!(bench.router.is_finished());
}

#[test]
fn a_master_that_ends_resigns_before_its_sessions_end() {
    let mut bench = Bench::new(&[watching(1)]);
    bench.bring_up(FIRST);
    bench.keep_up(FIRST, 5 * SECOND);
    assert_eq!(bench.phase(0), Phase::Master);
    bench.handle(Event::Stop);
    assert_eq!(bench.priorities_sent(), [0, 0]);
    let place = |is_it: &dyn Fn(&Effect) -> bool| bench.effects.iter().position(is_it).unwrap();
    let resigned = place(&|effect| matches!(effect, Effect::Advertise { .. }));
    assert!(resigned < place(&|effect| matches!(effect, Effect::Bfd { .. })), "{:?}", bench.effects);
}

/// A session cannot leave by a device that is not there, and begins to speak when there is one.
#[test]
fn a_session_without_a_device_says_nothing() {
    let mut bench = Bench::unanswered(&[watching(1)]);
    bench.answer_dumps(&[(ETH1, "eth1", true, &[])]);
    bench.run_for(5 * SECOND);
    bench.handle(Event::Timer);
    assert!(bench.router.bfd_control(FIRST, false).is_none());
    bench.link(ETH0, "eth0", true);
    let later = bench.run_for(1001 * MS);
    assert!(later.iter().any(|(_, effect)| matches!(effect, Effect::Bfd { .. })));
    assert!(bench.router.bfd_control(FIRST, false).is_some());
}

// What it moves.

/// A backup of the peer that is master, with a session to each of so many peers.
fn backup(count: usize) -> Bench {
    let mut bench = Bench::new(&[watching(count)]);
    for session in 0..count as u8 {
        bench.bring_up(BfdId(session));
    }
    advertises(&mut bench, PEER, 200);
    bench
}

fn advertises(bench: &mut Bench, from: &str, priority: u8) {
    let to = OUR_V4.parse().unwrap();
    bench.hear_with(
        7,
        priority,
        from,
        |outgoing| vipd::wire::vrrp::Outgoing { destination: to, ..outgoing },
        ETH0,
    );
    assert_eq!(bench.phase(0), Phase::Backup);
}

/// When the virtual router takes over, from now, within three seconds, while these sessions are kept up.
fn takes_over_after(bench: &mut Bench, kept: &[u8]) -> Option<Duration> {
    let begin = bench.now;
    while bench.now.since(begin) < 3 * SECOND {
        if bench.phase(0) == Phase::Master {
            return Some(bench.now.since(begin));
        }
        let at = bench.router.poll_at().unwrap();
        if at.since(bench.now) > 50 * MS {
            bench.tick(50);
            for session in kept {
                bench.says(BfdId(*session), Said { state: UP, min_tx_us: 100_000, ..HELLO });
            }
        } else {
            bench.now = bench.now.max(at);
            bench.handle(Event::Timer);
        }
    }
    None
}

/// RFC 9568 §6.1 with a priority of 100 and a second.
const SKEW: Duration = Duration::from_nanos(609_375_000);

/// The last packet said that they come every second, three may be missed: 300 ms is what counts once a faster one has come.
fn detection(bench: &mut Bench, sessions: &[u8]) -> Duration {
    for session in sessions {
        bench.says(BfdId(*session), Said { state: UP, min_tx_us: 100_000, ..HELLO });
    }
    3 * Duration::from_micros(RULES.min_rx_us.into())
}

/// draft-ietf-rtgwg-vrrp-bfd-p2p: nobody else can follow. At that moment packets that wait are asked for (law 6).
#[test]
fn an_only_peer_that_falls_silent_is_followed_at_once() {
    let mut bench = backup(1);
    let silence = detection(&mut bench, &[0]);
    bench.tick(299);
    assert!(!bench.router.may_lose_session(bench.now) && !bench.router.may_take_over(bench.now));
    bench.tick(1);
    assert!(bench.router.may_lose_session(bench.now) && bench.router.may_take_over(bench.now), "law 6");
    bench.handle(Event::Timer);
    assert_eq!((bench.phase(0), silence), (Phase::Master, 300 * MS));
    assert_eq!(bench.priorities_sent(), [100]);
}

#[test]
fn one_of_several_peers_is_followed_after_the_skew() {
    let mut bench = backup(3);
    let silence = detection(&mut bench, &[0, 1, 2]);
    let took = takes_over_after(&mut bench, &[1, 2]).unwrap();
    assert_eq!(took, silence + SKEW);
}

/// The session to it fails, and it goes on advertising.
#[test]
fn an_advert_that_comes_meanwhile_says_that_the_master_is_there() {
    let mut bench = backup(3);
    let silence = detection(&mut bench, &[0, 1, 2]);
    bench.run_for(silence + SKEW / 2);
    assert_eq!(bench.router.bfd_standing(FIRST), Standing::Down);
    advertises(&mut bench, PEER, 200);
    assert_eq!(takes_over_after(&mut bench, &[1, 2]), None);
}

#[test]
fn a_peer_that_is_not_master_is_missed_by_nobody() {
    for kept in [[0, 1], [0, 2]] {
        let mut bench = backup(3);
        detection(&mut bench, &[0, 1, 2]);
        let took = takes_over_after(&mut bench, &kept);
        assert_eq!(took, None, "within three seconds, and three adverts take longer");
    }
}

/// RFC 5882 §3.2, and what a restart looks like: it was heard from.
#[test]
fn bf10_a_session_that_the_other_end_ends_is_no_failure() {
    for word in [Said { state: ADMIN_DOWN, diagnostic: 7, ..HELLO }, Said { state: DOWN, ..HELLO }] {
        let mut bench = backup(1);
        detection(&mut bench, &[0]);
        bench.says(FIRST, word);
        assert_eq!(bench.router.bfd_standing(FIRST), Standing::Down);
        assert_eq!(takes_over_after(&mut bench, &[]), None, "{word:?}");
    }
}

/// It has a session to the new master, which is not the one that is silent.
#[test]
fn the_master_is_who_advertised_last() {
    let mut bench = backup(2);
    detection(&mut bench, &[0, 1]);
    advertises(&mut bench, PEERS[1], 210);
    assert_eq!(takes_over_after(&mut bench, &[1]), None);
    let mut bench = backup(2);
    let silence = detection(&mut bench, &[0, 1]);
    advertises(&mut bench, PEERS[1], 210);
    assert_eq!(takes_over_after(&mut bench, &[0]), Some(silence + SKEW));
}

/// Who is master loses nothing, and says nothing of it.
#[test]
fn a_master_whose_session_falls_silent_goes_on() {
    let mut bench = up();
    bench.keep_up(FIRST, 5 * SECOND);
    assert_eq!(bench.phase(0), Phase::Master);
    bench.run_for(5 * SECOND);
    assert_eq!((bench.phase(0), bench.router.bfd_standing(FIRST)), (Phase::Master, Standing::Down));
}

/// A family that still hears its master keeps both: one session says nothing about the other family.
#[test]
fn both_families_are_waited_for() {
    let both = Spec {
        addresses: vec!["10.0.0.1", "fe80::1"],
        peers: vec![(PEER, 0, 255), ("fe80::9", 0, 255)],
        ..watching(1)
    };
    let mut bench = Bench::new(&[both]);
    bench.bring_up(BfdId(0));
    bench.bring_up(BfdId(1));
    advertises(&mut bench, PEER, 200);
    let to = OUR_V6.parse().unwrap();
    bench.hear_with(7, 200, "fe80::9", |it| vipd::wire::vrrp::Outgoing { destination: to, ..it }, ETH0);
    let silence = detection(&mut bench, &[0, 1]);
    // The other family doubts, for an interval and the skew.
    assert_eq!(takes_over_after(&mut bench, &[1]), Some(silence + SECOND + SKEW));
}

// Tracking.

const UPSTREAM: &str = "bfd 10.0.0.240";
const UPSTREAM_REVERSED: &str = "bfd 10.0.0.240 reverse";

fn tracking(tracks: &[(&'static str, i16)], priority: u8) -> Bench {
    Bench::new(&[Spec { tracks: tracks.to_vec(), priority, ..Spec::default() }])
}

/// The priority, or the fault that keeps it from taking part.
fn verdict(bench: &Bench) -> Result<u8, Fault> {
    let view = bench.router.view(vipd::router::Slot(0)).unwrap();
    match view.virtual_router().state() {
        State::Initialize { fault } => Err(*fault),
        State::Backup { .. } | State::Master { .. } => Ok(view.rules.priority),
    }
}

/// keepalived's table of `track_bfd`: what a session that is up, and one that is down, makes of a priority of 100.
#[test]
fn a_tracked_session_weighs_what_keepalived_says() {
    const DOWN_IS_FAULT: Result<u8, Fault> = Err(Fault::Bfd);
    let table = [
        (UPSTREAM, 0, Ok(100), DOWN_IS_FAULT),
        (UPSTREAM, 20, Ok(120), Ok(100)),
        (UPSTREAM, -20, Ok(100), Ok(80)),
        (UPSTREAM_REVERSED, 0, DOWN_IS_FAULT, Ok(100)),
        (UPSTREAM_REVERSED, 20, Ok(80), Ok(100)),
        (UPSTREAM_REVERSED, -20, Ok(100), Ok(120)),
    ];
    for (track, weight, is_up, is_down) in table {
        let mut bench = tracking(&[(track, weight)], 100);
        assert_eq!(verdict(&bench), is_down, "{track} {weight}: never up is down");
        for _ in 0..2 {
            bench.bring_up(FIRST);
            assert_eq!(verdict(&bench), is_up, "{track} {weight}: up");
            bench.says(FIRST, Said { state: DOWN, ..HELLO });
            assert_eq!(verdict(&bench), is_down, "{track} {weight}: down");
            bench.run_for(4 * SECOND);
        }
    }
}

/// Every sum of two weights, and the owner's priority.
#[test]
fn bf11_a_priority_with_the_weights_of_sessions_stays_within_1_to_254() {
    let (first, second) = ("bfd 10.0.0.240", "bfd 10.0.0.241");
    for priority in [1, 5, 100, 250, 254, 255] {
        for weights in [[10, 0], [253, 253], [-10, -10], [-253, -253], [253, -253], [1, -1]] {
            let tracks: Vec<_> =
                [first, second].into_iter().zip(weights).filter(|(_, weight)| *weight != 0).collect();
            let mut bench = tracking(&tracks, priority);
            let mut standings = [false; 2];
            for turned in [None, Some(0), Some(1)] {
                if let Some(turned) = turned.filter(|turned| *turned < tracks.len()) {
                    bench.bring_up(BfdId(turned as u8));
                    standings[turned] = true;
                }
                let sum: i32 = weights
                    .iter()
                    .zip(standings)
                    .map(|(weight, is_up)| if is_up == (*weight > 0) { i32::from(*weight) } else { 0 })
                    .sum();
                let expected =
                    if priority == 255 { 255 } else { (i32::from(priority) + sum).clamp(1, 254) as u8 };
                assert_eq!(verdict(&bench), Ok(expected), "{priority} {weights:?} {standings:?}");
            }
        }
    }
}

// Hooks.

#[cfg(feature = "track-hooks")]
#[test]
fn a_session_has_a_script_that_is_told_how_it_stands() {
    use vipd::config::{TrackHook, Tracked};
    use vipd::router::HookOwner;

    let mut hooked = config(&[Spec { tracks: vec![(UPSTREAM, -10)], ..Spec::default() }]);
    let [name, notify] = ["upstream", "/etc/vipd/hook"].map(|text| hooked.keep_text(text).unwrap());
    let what = Tracked::Bfd(FIRST);
    hooked.track_hooks.push(TrackHook { name, notify, what, is_script: false, only: None }).unwrap();
    let mut bench = Bench::new(&[]);
    bench.handle(Event::Adopt(&mut hooked));
    let told = |bench: &Bench| {
        let started = bench.effects.iter().filter_map(|effect| match effect {
            Effect::Notify(owner @ HookOwner::Thing(_), ticket) => Some((*owner, *ticket)),
            _ => None,
        });
        let all: Vec<_> = started.collect();
        let [(owner, ticket)] = all[..] else { panic!("{:?}", bench.effects) };
        (bench.router.hook(owner).unwrap().to_string(), ticket)
    };
    // As with keepalived, one that has not come up yet is down.
    let (said, ticket) = told(&bench);
    assert_eq!(said, "BFD upstream DOWN");
    bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4])]);
    bench.handle(Event::HookEnded(ticket));
    bench.bring_up(FIRST);
    let (said, ticket) = told(&bench);
    assert_eq!(said, "BFD upstream UP");
    bench.handle(Event::HookEnded(ticket));
    bench.says(FIRST, Said { state: ADMIN_DOWN, ..HELLO });
    assert_eq!(told(&bench).0, "BFD upstream DOWN");
}

// Laws.

/// Every session at once, in each of its states, with polls, beside virtual routers that move.
#[test]
fn law_05_sessions_have_two_effects_each_at_the_most() {
    let addresses: Vec<String> = (0..BFD_SESSIONS_MAX).map(|host| format!("10.0.0.{}", 100 + host)).collect();
    let peers = addresses.iter().map(|address| (&*address.clone().leak(), 0, 255)).collect();
    let spec = Spec { peers, bfd: true, ..Spec::default() };
    let mut bench = Bench::new(&[spec]);
    let sessions = |bench: &Bench| bench.effects.iter().filter(|it| matches!(it, Effect::Bfd { .. })).count();
    let all: Vec<BfdId> = (0..BFD_SESSIONS_MAX as u8).map(BfdId).collect();
    bench.handle(Event::Timer);
    assert_eq!(sessions(&bench), BFD_SESSIONS_MAX, "all begin at once");
    for session in &all {
        bench.bring_up(*session);
        bench.tick(20);
        bench.says(*session, Said { state: UP, polls: true, ..HELLO });
        assert!((1..=2).contains(&sessions(&bench)), "an answer, and what is due");
    }
    // All fall silent, and speak, and the master was one of them.
    bench.tick(100_000);
    bench.handle(Event::Timer);
    assert_eq!(sessions(&bench), BFD_SESSIONS_MAX);
    assert!(bench.effects.len() <= BFD_SESSIONS_MAX + 8 + 8);
    assert!(all.iter().all(|session| bench.router.bfd_standing(*session) == Standing::Down));
    all.iter().for_each(|session| bench.bring_up(*session));
    let nothing = config(&[]);
    let mut other = bench.router.clone();
    let mut effects = vipd::router::Effects::new();
    other.handle(bench.now, Event::Prepare(&nothing), &mut effects);
    assert_eq!(effects.iter().filter(|it| matches!(it, Effect::Bfd { .. })).count(), 2 * BFD_SESSIONS_MAX);
    bench.handle(Event::Stop);
    assert_eq!(sessions(&bench), 2 * BFD_SESSIONS_MAX);
}

/// Before [`vipd::router::Router::poll_at`] a timer is harmless, whatever the sessions are doing.
#[test]
fn law_03_a_spurious_timer_moves_no_session() {
    let mut bench = Bench::new(&[watching(3)]);
    bench.bring_up(BfdId(1));
    for step in 0..200 {
        if step % 7 == 0 && bench.router.bfd_standing(BfdId(1)) == Standing::Up {
            bench.says(BfdId(1), Said { state: UP, polls: step % 2 == 0, ..HELLO });
        }
        let at = bench.router.poll_at().unwrap();
        if at > bench.now {
            let just_before = at.since(bench.now) - Duration::from_nanos(1);
            bench.now = bench.now + just_before;
            bench.touches_nothing("a spurious timer", |bench| bench.handle(Event::Timer));
        }
        bench.now = bench.now.max(at);
        bench.handle(Event::Timer);
    }
}

/// Two routers with the same seed and the same events are the same router.
#[test]
fn sessions_are_deterministic() {
    let run = || {
        let mut bench = up();
        bench.run_for(5 * SECOND);
        format!("{:?}", bench.router)
    };
    assert_eq!(run(), run());
}

/// A session that is lost is told of by its packet, as soon as one is due: the other end must not believe that it is up.
#[test]
fn a_session_that_falls_silent_says_so_within_an_interval() {
    let mut bench = up();
    let silence = detection(&mut bench, &[0]);
    bench.run_for(silence);
    let later = bench.run_for(101 * MS);
    let sent = later.iter().find(|(_, effect)| matches!(effect, Effect::Bfd { .. })).unwrap().1;
    let said = Said::read(&performed(&bench, sent).datagrams[0].1[8..]).unwrap();
    assert_eq!((said.state, said.diagnostic, said.yours), (DOWN, 1, 0));
    assert_eq!(said.min_tx_us, 1_000_000);
}
