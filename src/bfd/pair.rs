//! Two sessions with a link between them that delays and loses, on a clock that nobody waits for, by seed. What they are
//! held to is worked out from what they say to each other, not from what they know.

use core::time::Duration;
use std::vec::Vec;

use fastrand::Rng;

use super::{Random, Rules, Session, stories};
use crate::time::Instant;
use crate::wire::bfd::{Control, State};

/// Both together, so that what one says of the other has a name.
const BOTH: [usize; 2] = [0, 1];

struct End {
    session: Session,
    rules: Rules,
    random: Random,
    heard: Option<(Instant, Control)>,
    /// When its last packet left, apart from answers, and the interval that was agreed on then.
    sent: Option<(Instant, u32)>,
    /// From one packet to the next, with the interval agreed on before and after.
    gaps: Vec<(Duration, [u32; 2])>,
    /// Every state that it has entered, and why.
    moves: Vec<(Instant, State, u8)>,
}

impl End {
    fn new(rules: Rules, seed: u32) -> Self {
        let random = Random::from_seed(seed);
        Self {
            session: Session::NEW,
            rules,
            random,
            heard: None,
            sent: None,
            gaps: Vec::new(),
            moves: Vec::new(),
        }
    }

    fn begin(&mut self, now: Instant) {
        let discriminator = self.random.next();
        self.session.begin(now, discriminator, &self.rules, &mut self.random);
    }

    fn is_up(&self) -> bool {
        self.session.state() == State::Up
    }

    /// RFC 5880 §6.8.4, from what was said.
    fn gives_up_at(&self) -> Instant {
        let (at, said) = self.heard.unwrap();
        let micros = u64::from(self.rules.min_rx_us.max(said.min_tx_us)) * u64::from(said.multiplier);
        at + Duration::from_micros(micros)
    }
}

struct Link {
    now: Instant,
    ends: [End; 2],
    flights: Vec<(Instant, usize, Control)>,
    rng: Rng,
    delay_us: [u64; 2],
    /// In percent, towards each end.
    loss: [u8; 2],
}

impl Link {
    fn new(rules: [Rules; 2], seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let ends = rules.map(|rules| End::new(rules, rng.u32(..)));
        let now = Instant::from_origin(Duration::from_secs(1000));
        Self { now, ends, flights: Vec::new(), rng, delay_us: [0, 0], loss: [0, 0] }
    }

    /// With rules and delays by chance: what there is between two routers, and then some.
    fn by_chance(seed: u64) -> Self {
        let rng = &mut Rng::with_seed(seed);
        let rules = BOTH.map(|_| some_rules(rng));
        let mut link = Self::new(rules, seed);
        let least = rules.map(|rules| rules.min_tx_us.min(rules.min_rx_us)).into_iter().min().unwrap();
        let constant = rng.u64(..u64::from(least) / 5);
        // Where not one packet may be missed, an interval has a tenth to spare.
        link.delay_us = [constant, constant + rng.u64(..=u64::from(least) / 12)];
        link
    }

    fn transmit(&mut self, from: usize, is_final: bool) {
        let end = &mut self.ends[from];
        let packet = end.session.control(&end.rules, is_final).unwrap();
        let mut bytes = [0; 24];
        packet.emit(&mut bytes).unwrap();
        assert_eq!(Control::parse(&bytes), Ok(packet));
        if packet.state != State::Up {
            assert!(packet.min_tx_us >= 1_000_000);
        }
        if !is_final {
            let takes = end.heard.map_or(1, |(_, said)| said.min_rx_us);
            let agreed = packet.min_tx_us.max(takes);
            if let Some((at, before)) = end.sent.replace((self.now, agreed)) {
                end.gaps.push((self.now.since(at), [before, agreed]));
            }
        }
        if self.rng.u8(..100) >= self.loss[1 - from] {
            let delay = Duration::from_micros(self.rng.u64(self.delay_us[0]..=self.delay_us[1]));
            self.flights.push((self.now + delay, 1 - from, packet));
        }
    }

    /// Whatever happens up to this moment. Packets that are there go before timers.
    fn run_until(&mut self, until: Instant) {
        loop {
            let flight = (0..self.flights.len()).min_by_key(|index| self.flights[*index].0);
            let arrives = flight.map(|index| self.flights[index].0);
            let timer =
                BOTH.into_iter().filter_map(|end| Some((self.ends[end].session.poll_at()?, end))).min();
            let next = arrives.into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|at| *at <= until) else { break };
            self.now = self.now.max(next);
            let (end, packet) = if arrives == Some(next) {
                let (_, to, packet) = self.flights.remove(flight.unwrap());
                (to, Some(packet))
            } else {
                (timer.unwrap().1, None)
            };
            self.turn(end, packet);
        }
        self.now = self.now.max(until);
    }

    fn turn(&mut self, at: usize, packet: Option<Control>) {
        let has_expired = self.ends[at].heard.is_some() && self.ends[at].gives_up_at() <= self.now;
        let End { session, rules, random, heard, sent, moves, .. } = &mut self.ends[at];
        let outcome = match &packet {
            Some(packet) => {
                *heard = Some((self.now, *packet)).filter(|_| session.state() != State::AdminDown);
                session.receive(self.now, packet, rules, random)
            }
            None => {
                let outcome = session.timer(self.now, rules, random);
                if has_expired {
                    // Who is forgotten has no wishes.
                    *heard = None;
                    let alone = session.control(rules, false).unwrap().min_tx_us;
                    *sent = sent.map(|(at, agreed)| (at, agreed.min(alone)));
                }
                outcome
            }
        };
        if outcome.moved {
            moves.push((self.now, session.state(), session.diagnostic()));
        }
        if outcome.answers {
            self.transmit(at, true);
        }
        if outcome.sends {
            self.transmit(at, false);
        }
    }

    fn run_for(&mut self, micros: u64) {
        self.run_until(self.now + Duration::from_micros(micros));
    }

    /// Longer than it can take both to come up, once both have begun and nothing is lost.
    fn patience_us(&self) -> u64 {
        self.ends
            .iter()
            .map(|End { rules, .. }| {
                let idle = rules.idle_tx_us.max(rules.min_tx_us).max(1_000_000);
                u64::from(idle) + u64::from(rules.min_tx_us.max(rules.min_rx_us)) + 2 * self.delay_us[1]
            })
            .sum()
    }

    /// Both begin, one of them first, and come up.
    fn bring_up(&mut self) {
        let first = usize::from(self.rng.bool());
        let pause = self.rng.u64(..5_000_000);
        self.ends[first].begin(self.now);
        self.run_for(pause);
        self.ends[1 - first].begin(self.now);
        self.run_for(self.patience_us());
        for end in &self.ends {
            assert!(end.is_up(), "{:?}", end.moves);
        }
    }

    /// No packet came sooner than three quarters of what was agreed on when it left or when the one before did.
    fn check_pace(&self) {
        for end in &self.ends {
            for (gap, agreed) in &end.gaps {
                let agreed = Duration::from_micros(u64::from(agreed[0].min(agreed[1])));
                assert!(*gap * 4 >= agreed * 3, "{gap:?} of {agreed:?}");
            }
        }
    }
}

fn some_rules(rng: &mut Rng) -> Rules {
    let mut some_us = || [1_000, 10_000, 50_000, 300_000, 2_000_000][rng.usize(..5)] + rng.u32(..1_000);
    Rules {
        min_tx_us: some_us(),
        min_rx_us: some_us(),
        idle_tx_us: some_us(),
        multiplier: [1, 2, 3, 5, 255][rng.usize(..5)],
        is_passive: false,
    }
}

/// RFC 5880 §6.2: both start orders, one of them passive now and then.
#[test]
fn both_come_up_whoever_begins_and_stay_up_while_nothing_is_lost() {
    for seed in 0..stories(300) {
        let mut link = Link::by_chance(seed);
        link.ends[0].rules.is_passive = seed % 3 == 0;
        link.bring_up();
        link.run_for(20_000_000);
        for end in &link.ends {
            let states: Vec<_> = end.moves.iter().map(|(_, state, _)| *state).collect();
            let expected = [[State::Init, State::Up].as_slice(), &[State::Up]];
            assert!(expected.contains(&states.as_slice()), "seed {seed}: {states:?}");
            assert!(!end.session.control(&end.rules, false).unwrap().is_poll, "seed {seed}");
        }
        link.check_pace();
    }
}

/// RFC 5880 §6.8.7; BF06: over a thousand intervals, both ends, by the slower wish of the two.
#[test]
fn bf06_a_thousand_intervals_of_two_that_are_up_are_as_agreed() {
    for seed in 0..stories(40) {
        let mut link = Link::by_chance(seed);
        link.bring_up();
        for end in &mut link.ends {
            end.gaps.clear();
            end.sent = None;
        }
        while link.ends.iter().any(|end| end.gaps.len() < 1000) {
            link.run_for(10_000_000);
        }
        for end in BOTH {
            let (own, other) = (&link.ends[end].rules, &link.ends[1 - end].rules);
            let interval = Duration::from_micros(u64::from(own.min_tx_us.max(other.min_rx_us)));
            let most = if own.multiplier == 1 { interval * 9 / 10 } else { interval };
            for (gap, _) in &link.ends[end].gaps {
                assert!(*gap * 4 >= interval * 3 && *gap <= most, "seed {seed}: {gap:?} of {interval:?}");
            }
        }
    }
}

/// RFC 5880 §6.8.4; BF07: to the microsecond after the last packet, by what that said.
#[test]
fn bf07_a_cut_link_is_noticed_by_both_ends_after_their_detection_times() {
    for seed in 0..stories(300) {
        let mut link = Link::by_chance(seed);
        link.bring_up();
        let pause = link.rng.u64(..3_000_000);
        link.run_for(pause);
        link.loss = [100, 100];
        link.run_for(link.delay_us[1]);
        let expected = BOTH.map(|end| link.ends[end].gives_up_at());
        link.run_until(expected[0].max(expected[1]));
        for (end, at) in link.ends.iter().zip(expected) {
            assert_eq!(end.moves.last(), Some(&(at, State::Down, 1)), "seed {seed}");
        }
        // Nobody is there to hear a discriminator that is as good as any.
        link.run_for(10_000_000);
        link.loss = [0, 0];
        link.run_for(link.patience_us());
        assert!(link.ends.iter().all(End::is_up), "seed {seed}: and it comes up again");
        link.check_pace();
    }
}

/// RFC 5880 §6.8.6: who hears nothing says so, and whoever hears that knows that he is not heard.
#[test]
fn a_link_that_carries_one_way_alone_is_down_at_both_ends() {
    for seed in 0..stories(300) {
        let mut link = Link::by_chance(seed);
        link.bring_up();
        let deaf = usize::from(link.rng.bool());
        link.loss[deaf] = 100;
        link.run_for(link.delay_us[1]);
        let at = link.ends[deaf].gives_up_at();
        let other = &link.ends[1 - deaf].rules;
        let next_us = u64::from(link.ends[deaf].rules.min_tx_us.max(other.min_rx_us));
        link.run_until(at + Duration::from_micros(next_us + link.delay_us[1]));
        assert_eq!(link.ends[deaf].moves.last(), Some(&(at, State::Down, 1)), "seed {seed}");
        let (_, state, diagnostic) = link.ends[1 - deaf].moves.last().unwrap();
        // It may have begun anew: it hears that the other end is down.
        let knows = [(State::Down, 3), (State::Init, 3)];
        assert!(knows.contains(&(*state, *diagnostic)), "seed {seed}: {:?}", link.ends[1 - deaf].moves);
        link.run_for(20_000_000);
        assert!(!link.ends.iter().any(End::is_up), "seed {seed}");
        link.check_pace();
    }
}

/// Whatever is lost, nobody is sent more than was agreed; and when nothing is lost any more, both are up.
#[test]
fn a_lossy_link_costs_nothing_but_the_session() {
    let mut losses = 0;
    for seed in 0..stories(200) {
        let mut link = Link::by_chance(seed);
        link.delay_us[1] *= 20;
        let starts = BOTH.map(|_| link.rng.u64(..2_000_000));
        link.ends[0].begin(link.now);
        link.run_for(starts[0]);
        link.ends[1].begin(link.now);
        for _ in 0..10 {
            link.loss = BOTH.map(|_| link.rng.u8(..90));
            link.run_for(3_000_000);
        }
        losses += link.ends[0].moves.iter().filter(|(_, state, _)| *state == State::Down).count();
        link.check_pace();
        link.loss = [0, 0];
        link.delay_us[1] /= 20;
        // Whoever believes that he is up learns first that the other end is not.
        let forget = link.ends.iter().filter(|end| end.heard.is_some()).map(|end| end.gives_up_at());
        let settled = forget.max().map_or(link.now, |at| at.max(link.now));
        link.run_until(settled.min(link.now + Duration::from_secs(1200)));
        link.run_for(4 * link.patience_us());
        assert!(link.ends.iter().all(End::is_up), "seed {seed}");
    }
    assert!(losses as u64 > stories(200), "{losses}: the weather was bad");
}

/// RFC 5880 §6.8.3: the rules of both ends change all the time, also while a poll goes on, and nobody gives anybody up.
#[test]
fn new_rules_while_a_session_is_up_never_take_it_down() {
    for seed in 0..stories(200) {
        let mut link = Link::by_chance(seed);
        for end in &mut link.ends {
            end.rules.multiplier = end.rules.multiplier.max(2);
        }
        link.delay_us = [100, 300];
        link.bring_up();
        for _ in 0..60 {
            let (end, pause) = (usize::from(link.rng.bool()), link.rng.u64(..1_000_000));
            let rules = some_rules(&mut link.rng);
            let now = link.now;
            let End { session, rules: its, random, .. } = &mut link.ends[end];
            *its = Rules { multiplier: its.multiplier, ..rules };
            session.adopt(now, its, random);
            // Now and then at once again.
            link.run_for(if pause.is_multiple_of(3) { pause / 1000 } else { pause });
            assert!(link.ends.iter().all(|end| end.is_up() && end.moves.len() <= 2), "seed {seed}");
        }
        link.run_for(20_000_000);
        for end in BOTH {
            let (own, other) = (&link.ends[end].rules, &link.ends[1 - end].rules);
            let its = &link.ends[end].session;
            assert_eq!(its.interval_us(own), own.min_tx_us.max(other.min_rx_us), "seed {seed}");
            let detection_us = own.min_rx_us.max(other.min_tx_us).saturating_mul(other.multiplier.into());
            assert_eq!(its.detection_us(), detection_us, "seed {seed}");
        }
    }
}

/// RFC 5880 §6.8.16; BF10: the end that is held down by hand is left alone, and comes back as soon as it likes.
#[test]
fn bf10_an_end_that_is_held_down_by_hand_takes_the_other_one_down_once() {
    for seed in 0..stories(100) {
        let mut link = Link::by_chance(seed);
        link.bring_up();
        let was = link.ends[0].session.discriminator();
        for _ in 0..2 {
            let outcome = link.ends[0].session.end();
            if outcome.sends {
                link.transmit(0, false);
            }
        }
        let moves = link.ends[1].moves.len();
        link.run_for(10_000_000);
        let (_, state, diagnostic) = *link.ends[1].moves.last().unwrap();
        assert_eq!((state, diagnostic), (State::Down, 3), "seed {seed}");
        assert_eq!(link.ends[1].moves.len(), moves + 1, "seed {seed}");
        link.ends[0].sent = None;
        let now = link.now;
        link.ends[0].begin(now);
        assert_ne!(link.ends[0].session.discriminator(), was);
        link.run_for(link.patience_us());
        assert!(link.ends.iter().all(End::is_up), "seed {seed}");
    }
}
