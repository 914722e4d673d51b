//! One session, and what its other end may say to it.

use core::time::Duration;
use std::vec::Vec;

use super::{Outcome, Random, Rules, Session, stories};
use crate::time::Instant;
use crate::wire::bfd::{Control, State};

const RULES: Rules =
    Rules { min_tx_us: 50_000, min_rx_us: 40_000, idle_tx_us: 1_000_000, multiplier: 3, is_passive: false };

const OURS: u32 = 0xbeef;
const THEIRS: u32 = 0x5a1b_c70e;

const STATES: [State; 4] = [State::AdminDown, State::Down, State::Init, State::Up];

/// What the other end says, if nothing else is said.
const PEER: Control = Control {
    diagnostic: 0,
    state: State::Down,
    is_poll: false,
    is_final: false,
    is_demand: false,
    multiplier: 4,
    mine: THEIRS,
    yours: OURS,
    min_tx_us: 60_000,
    min_rx_us: 30_000,
};

/// A session, its clock and its dice.
#[derive(Clone)]
struct Bench {
    session: Session,
    rules: Rules,
    random: Random,
    now: Instant,
}

impl Bench {
    /// Begun, and not heard of.
    fn new(rules: Rules) -> Self {
        let now = Instant::from_origin(Duration::from_secs(100));
        let mut bench = Self { session: Session::NEW, rules, random: Random::from_seed(1), now };
        bench.session.begin(now, OURS, &rules, &mut bench.random);
        bench
    }

    /// In this state: down with the other end heard; its packets as `peer` has them.
    fn in_state(state: State, rules: Rules, peer: Control) -> Self {
        let mut bench = Self::new(rules);
        let said: &[State] = match state {
            State::AdminDown => &[State::Down],
            State::Down => &[State::AdminDown],
            State::Init => &[State::Down],
            State::Up => &[State::Down, State::Up],
        };
        bench.timer();
        for said in said {
            bench.receive(Control { state: *said, ..peer });
        }
        if state == State::AdminDown {
            bench.session.end();
        }
        assert_eq!(bench.session.state(), state);
        bench
    }

    /// Up, and the poll sequence of that is over.
    fn up(rules: Rules, peer: Control) -> Self {
        let mut bench = Self::in_state(State::Up, rules, peer);
        bench.receive(Control { state: State::Up, is_final: true, ..peer });
        assert!(!bench.says().is_poll);
        bench
    }

    fn receive(&mut self, control: Control) -> Outcome {
        self.session.receive(self.now, &control, &self.rules, &mut self.random)
    }

    fn timer(&mut self) -> Outcome {
        self.session.timer(self.now, &self.rules, &mut self.random)
    }

    fn adopt(&mut self, rules: Rules) {
        self.rules = rules;
        self.session.adopt(self.now, &rules, &mut self.random);
    }

    fn says(&self) -> Control {
        self.session.control(&self.rules, false).unwrap()
    }

    fn sleep(&mut self, micros: u64) {
        self.now = self.now + Duration::from_micros(micros);
    }

    fn sends_at(&self) -> Option<Instant> {
        // The other end is never the first to be given up here.
        self.session.poll_at().filter(|_| self.session.interval_us(&self.rules) > 0)
    }

    /// Sleeps until something is due, again and again; the other end, if there is one, is heard just before. The time from
    /// each packet of ours to the next, in microseconds.
    fn gaps(&mut self, count: usize, peer: Option<Control>) -> Vec<u128> {
        let mut gaps = Vec::new();
        let mut last = None;
        while gaps.len() < count {
            self.now = self.now.max(self.session.poll_at().unwrap());
            let heard = peer.map_or_else(Outcome::default, |peer| self.receive(peer));
            if heard.sends | self.timer().sends {
                gaps.extend(last.map(|last: Instant| self.now.since(last).as_micros()));
                last = Some(self.now);
            }
        }
        gaps
    }
}

/// RFC 5880 §6.8.6; BF03.
#[test]
fn bf03_every_state_answers_every_state_as_the_table_says() {
    use State::{AdminDown, Down, Init, Up};
    let table = [
        (AdminDown, [(AdminDown, 7), (AdminDown, 7), (AdminDown, 7), (AdminDown, 7)]),
        (Down, [(Down, 0), (Init, 0), (Up, 0), (Down, 0)]),
        (Init, [(Down, 3), (Init, 0), (Up, 0), (Up, 0)]),
        (Up, [(Down, 3), (Down, 3), (Up, 0), (Up, 0)]),
    ];
    for (state, row) in table {
        for (said, (next, diagnostic)) in STATES.into_iter().zip(row) {
            let mut bench = Bench::in_state(state, RULES, PEER);
            let outcome = bench.receive(Control { state: said, ..PEER });
            let is = (bench.session.state(), bench.session.diagnostic(), outcome.moved);
            assert_eq!(is, (next, diagnostic, next != state), "{state:?} hears {said:?}");
        }
    }
}

/// RFC 5880 §6.8.4; BF03: silence ends what has heard somebody, and takes his discriminator away in any state.
#[test]
fn bf03_after_a_detection_time_of_silence_the_other_end_is_forgotten() {
    for (state, diagnostic, micros) in
        [(State::Down, 0, 4 * 1_000_000), (State::Init, 1, 4 * 1_000_000), (State::Up, 1, 4 * 60_000)]
    {
        let mut bench = Bench::in_state(state, RULES, PEER);
        assert_eq!(bench.says().yours, THEIRS);
        let heard = bench.now;
        while !bench.timer().moved && bench.says().yours != 0 {
            bench.now = bench.session.poll_at().unwrap();
        }
        assert_eq!(bench.now.since(heard), Duration::from_micros(micros));
        assert_eq!((bench.session.state(), bench.session.diagnostic()), (State::Down, diagnostic));
        assert_eq!((bench.says().yours, bench.session.detection_us()), (0, 0));
        // Whoever comes next is the first again.
        bench.receive(PEER);
        assert_eq!((bench.session.state(), bench.says().yours), (State::Init, THEIRS));
    }
}

/// Law 10: what is not to be heard is not heard, before the beginning and after the end (RFC 5880 §6.8.6).
#[test]
fn who_does_not_take_part_hears_nothing_and_says_nothing() {
    for state in STATES {
        for mut bench in [
            Bench { session: Session::NEW, ..Bench::new(RULES) },
            Bench::in_state(State::AdminDown, RULES, PEER),
        ] {
            let before = bench.session;
            assert_eq!(bench.receive(Control { state, is_poll: true, ..PEER }), Outcome::default());
            bench.adopt(Rules { min_tx_us: 1, min_rx_us: 1, ..RULES });
            assert_eq!((bench.timer(), bench.session), (Outcome::default(), before));
            assert_eq!((bench.session.poll_at(), bench.session.interval_us(&RULES)), (None, 0));
        }
    }
    assert_eq!(Session::NEW.control(&RULES, true), None);
}

/// RFC 5880 §6.8.1.
#[test]
fn one_that_begins_says_at_once_what_it_begins_with() {
    let mut bench = Bench::new(RULES);
    assert_eq!(bench.session.poll_at(), Some(bench.now));
    assert_eq!(bench.timer(), Outcome { sends: true, answers: false, moved: false });
    let first =
        Control { multiplier: 3, mine: OURS, yours: 0, min_tx_us: 1_000_000, min_rx_us: 40_000, ..PEER };
    assert_eq!(bench.says(), first);
    let before = bench.session;
    bench.session.begin(bench.now, 7, &RULES, &mut bench.random);
    assert_eq!(bench.session, before, "it has begun already");
}

/// RFC 5880 §6.8.16: whoever knows us is told, and told that it is no failure.
#[test]
fn one_that_ends_says_that_it_is_by_hand_and_may_begin_anew() {
    let mut bench = Bench::new(RULES);
    bench.timer();
    assert_eq!(bench.session.end(), Outcome { sends: false, answers: false, moved: true });
    let mut bench = Bench::up(RULES, PEER);
    assert_eq!(bench.session.end(), Outcome { sends: true, answers: false, moved: true });
    let last = bench.says();
    assert_eq!((last.state, last.diagnostic, last.mine, last.yours), (State::AdminDown, 7, OURS, THEIRS));
    assert!(last.min_tx_us >= 1_000_000 && !last.is_poll);
    assert_eq!(bench.session.end(), Outcome::default());
    bench.session.begin(bench.now, OURS + 1, &RULES, &mut bench.random);
    assert_eq!((bench.says().mine, bench.says().yours, bench.says().diagnostic), (OURS + 1, 0, 0));
    assert!(bench.timer().sends);
}

/// RFC 5880 §6.8.3; BF05: whatever is configured, and whatever the other end would like; and it may say less itself.
#[test]
fn bf05_one_that_is_not_up_is_slow() {
    for (idle_tx_us, min_tx_us, expected) in [
        (0, 10_000, 1_000_000),
        (1_000_000, 10_000, 1_000_000),
        (3_000_000, 1, 3_000_000),
        (0, 5_000_000, 5_000_000),
    ] {
        let rules = Rules { idle_tx_us, min_tx_us, ..RULES };
        for (state, said) in [(State::Down, State::Up), (State::Init, State::Down)] {
            let peer = Control { state: said, min_tx_us: 10_000, min_rx_us: 1, ..PEER };
            let mut bench = Bench::in_state(state, rules, peer);
            assert_eq!(bench.says().min_tx_us, expected);
            for gap in bench.gaps(20, Some(peer)) {
                assert!(u128::from(expected) * 3 / 4 <= gap && gap <= u128::from(expected), "{gap}");
            }
        }
        // With nobody there at all.
        for gap in Bench::new(rules).gaps(20, None) {
            assert!(u128::from(expected) * 3 / 4 <= gap && gap <= u128::from(expected), "{gap}");
        }
    }
}

/// RFC 5880 §6.5, §6.8.3; BF05: the first packet that says so asks, and each until the answer is there.
#[test]
fn bf05_one_that_comes_up_is_fast_at_once_and_polls_until_it_is_answered() {
    let mut bench = Bench::in_state(State::Init, RULES, PEER);
    bench.sleep(200_000);
    let outcome = bench.receive(Control { state: State::Init, ..PEER });
    assert_eq!(outcome, Outcome { sends: true, answers: false, moved: true });
    let up = Control { state: State::Up, ..PEER };
    for _ in 0..3 {
        let says = bench.says();
        assert_eq!((says.is_poll, says.is_final, says.state), (true, false, State::Up));
        assert_eq!((says.min_tx_us, says.min_rx_us), (50_000, 40_000));
        let gap = bench.gaps(1, Some(up))[0];
        assert!((37_500..=50_000).contains(&gap));
    }
    bench.receive(Control { is_final: true, ..up });
    assert!(!bench.says().is_poll);
}

/// RFC 5880 §6.8.7; BF05: without respect to the timers or the state, and with nothing asked in return.
#[test]
fn bf05_a_poll_is_answered_at_once() {
    for state in [State::Down, State::Init, State::Up] {
        for said in STATES {
            let mut bench = Bench::in_state(state, RULES, PEER);
            bench.sleep(10_000);
            assert!(bench.receive(Control { state: said, is_poll: true, ..PEER }).answers);
            let answer = bench.session.control(&RULES, true).unwrap();
            assert!(answer.is_final && !answer.is_poll);
            assert_eq!(answer.state, bench.session.state());
            assert_eq!(Control { is_final: false, is_poll: bench.says().is_poll, ..answer }, bench.says());
        }
    }
}

/// RFC 5880 §6.8.7: the pause between two answers is shorter than anything that we say we want to send by.
#[test]
fn a_flood_of_polls_is_answered_now_and_then() {
    for (min_tx_us, pause_us) in [(1_000, 1_000), (10_000, 5_000), (300_000, 5_000)] {
        let mut bench = Bench::up(Rules { min_tx_us, ..RULES }, PEER);
        let mut answered = Vec::new();
        for _ in 0..10_000 {
            if bench.receive(Control { state: State::Up, is_poll: true, ..PEER }).answers {
                answered.push(bench.now);
            }
            bench.sleep(10);
        }
        assert_eq!(answered.len() as u64, 100_000 / pause_us);
        for pair in answered.windows(2) {
            assert_eq!(pair[1].since(pair[0]), Duration::from_micros(pause_us));
        }
    }
}

/// RFC 5880 §6.8.7; BF06: a thousand intervals by the slower of the two wishes.
#[test]
fn bf06_a_thousand_intervals_are_between_three_quarters_and_the_whole() {
    for (multiplier, min_rx_us, interval_us, most_us) in
        [(3, 30_000, 50_000, 50_000), (1, 30_000, 50_000, 45_000), (1, 80_000, 80_000, 72_000)]
    {
        let peer = Control { state: State::Up, min_rx_us, ..PEER };
        let mut bench = Bench::up(Rules { multiplier, ..RULES }, peer);
        bench.gaps(1, Some(peer));
        assert_eq!(bench.session.interval_us(&bench.rules), interval_us);
        let gaps = bench.gaps(1000, Some(peer));
        let (least, most) = (*gaps.iter().min().unwrap(), *gaps.iter().max().unwrap());
        let quarters = u128::from(interval_us) * 3 / 4;
        assert!(quarters <= least && most <= most_us, "{least}..={most}");
        assert!(least < quarters + 500 && most + 500 > most_us, "{least}..={most}: the whole range is used");
    }
}

/// RFC 5880 §6.8.4; BF07: the other end's multiplier, times the greater of what we can take and what it sends by; to the
/// microsecond, and beyond what 32 bits of them hold.
#[test]
fn bf07_the_detection_time_is_the_formula() {
    for (min_rx_us, min_tx_us, multiplier) in [
        (40_000, 60_000, 4),
        (60_000, 40_000, 4),
        (40_000, 60_000, 1),
        (1, 1, 1),
        (10_000, 1_000_000, 255),
        (u32::MAX, 7, 255),
        (7, u32::MAX, 2),
    ] {
        let rules = Rules { min_rx_us, multiplier: 9, ..RULES };
        let peer = Control { state: State::Up, min_tx_us, multiplier, is_demand: true, ..PEER };
        // It is relieved of our packets, so that nothing else is due.
        let mut bench = Bench::up(rules, peer);
        while bench.session.interval_us(&rules) > 0 {
            bench.sleep(1_000);
            bench.receive(peer);
            bench.timer();
        }
        bench.sleep(123);
        bench.receive(peer);
        let micros = u64::from(min_rx_us.max(min_tx_us)) * u64::from(multiplier);
        let end = bench.now + Duration::from_micros(micros);
        assert_eq!(bench.session.poll_at(), Some(end));
        assert_eq!(u64::from(bench.session.detection_us()), micros.min(u32::MAX.into()));
        let before = bench.session;
        bench.now = Instant::from_origin(end.since_origin() - Duration::from_nanos(1));
        assert!(!bench.session.is_overdue(bench.now) && bench.session.is_overdue(end));
        assert_eq!(bench.timer(), Outcome::default());
        assert_eq!(bench.session, before);
        bench.now = end;
        assert!(bench.timer().moved);
        assert_eq!((bench.session.state(), bench.session.diagnostic()), (State::Down, 1));
    }
}

/// RFC 5880 §6.8.3: who is not up sends no oftener than once in a second, also if he says so (FRR 8.4.4 does).
#[test]
fn one_that_is_not_up_is_given_time_whatever_it_says() {
    let mut bench = Bench::new(RULES);
    for state in [State::Down, State::Down, State::Down] {
        bench.receive(Control { state, min_tx_us: 150_000, multiplier: 3, ..PEER });
        bench.sleep(999_000);
        bench.timer();
        assert_eq!(bench.session.state(), State::Init);
    }
    bench.receive(Control { state: State::Up, min_tx_us: 150_000, multiplier: 3, ..PEER });
    assert_eq!(bench.session.detection_us(), 450_000);
}

/// BF07: what the other end says counts from the packet on that says it.
#[test]
fn bf07_the_other_end_changes_its_pace_and_is_believed_at_once() {
    let mut bench = Bench::up(RULES, PEER);
    for (min_tx_us, multiplier, detection_us) in
        [(60_000, 4, 240_000), (500_000, 4, 2_000_000), (10_000, 3, 120_000), (500_000, 1, 500_000)]
    {
        bench.receive(Control { state: State::Up, min_tx_us, multiplier, ..PEER });
        assert_eq!(bench.session.detection_us(), detection_us);
    }
}

/// RFC 5880 §6.8.3: the other end is to know before it has to wait; one packet that answers nothing is waited for first.
#[test]
fn packets_become_more_seldom_only_when_the_poll_has_ended() {
    let up = Control { state: State::Up, ..PEER };
    let mut bench = Bench::up(RULES, PEER);
    bench.adopt(Rules { min_tx_us: 400_000, ..RULES });
    assert_eq!((bench.says().min_tx_us, bench.says().is_poll), (400_000, false));
    bench.receive(Control { is_final: true, ..up });
    assert_eq!(bench.session.interval_us(&bench.rules), 50_000, "that answers an earlier poll");
    bench.receive(up);
    assert!(bench.says().is_poll);
    for gap in bench.gaps(20, Some(up)) {
        assert!((37_500..=50_000).contains(&gap));
    }
    bench.receive(Control { is_final: true, ..up });
    assert!(!bench.says().is_poll);
    for gap in bench.gaps(20, Some(up)).into_iter().skip(1) {
        assert!((300_000..=400_000).contains(&gap));
    }
}

/// RFC 5880 §6.8.3: the other end is to be faster before it has to be.
#[test]
fn packets_are_expected_earlier_only_when_the_poll_has_ended() {
    let up = Control { state: State::Up, min_tx_us: 1_000, ..PEER };
    let mut bench = Bench::up(RULES, up);
    bench.adopt(Rules { min_rx_us: 10_000, ..RULES });
    assert_eq!(bench.says().min_rx_us, 10_000);
    bench.receive(up);
    assert_eq!(bench.session.detection_us(), 4 * 40_000);
    bench.receive(Control { is_final: true, ..up });
    assert_eq!(bench.session.detection_us(), 4 * 10_000);
}

/// RFC 5880 §6.8.3: "In any case other than those explicitly called out above, timing parameter changes MUST be effected
/// immediately". The other end is slower from the packet on that it hears, so it is given more time before that.
#[test]
fn packets_become_more_frequent_and_are_expected_later_at_once() {
    let mut bench = Bench::up(RULES, PEER);
    bench.gaps(1, Some(Control { state: State::Up, ..PEER }));
    bench.sleep(31_000);
    bench.adopt(Rules { min_tx_us: 10_000, min_rx_us: 700_000, ..RULES });
    assert_eq!(bench.session.detection_us(), 4 * 700_000);
    // The other end's wish goes before ours, and is over already.
    assert!(bench.session.poll_at().unwrap() < bench.now);
    assert!(bench.timer().sends);
    for gap in bench.gaps(20, Some(Control { state: State::Up, ..PEER })) {
        assert!((22_500..=30_000).contains(&gap));
    }
}

/// RFC 5880 §6.8.3: nobody can tell which of the two the first final answers.
#[test]
fn a_change_while_a_poll_goes_on_is_polled_for_once_more() {
    let up = Control { state: State::Up, ..PEER };
    let mut bench = Bench::up(RULES, PEER);
    bench.adopt(Rules { min_tx_us: 100_000, ..RULES });
    bench.receive(up);
    assert!(bench.says().is_poll);
    bench.adopt(Rules { min_tx_us: 900_000, min_rx_us: 1_000, ..RULES });
    let in_force = |bench: &Bench| (bench.session.interval_us(&bench.rules), bench.session.detection_us());
    for (is_final, asks_then) in [(false, true), (true, false), (true, false), (false, true), (false, true)] {
        bench.receive(Control { is_final, ..up });
        assert_eq!((bench.says().is_poll, in_force(&bench)), (asks_then, (50_000, 240_000)));
    }
    bench.receive(Control { is_final: true, ..up });
    assert_eq!((bench.says().is_poll, in_force(&bench)), (false, (900_000, 240_000)));
}

/// The rules are handed in at every reload.
#[test]
fn the_same_rules_again_change_nothing() {
    for state in STATES {
        let mut bench = Bench::in_state(state, RULES, PEER);
        if state == State::Up {
            bench = Bench::up(RULES, PEER);
        }
        let before = bench.session;
        bench.adopt(RULES);
        assert_eq!(bench.session, before);
    }
}

/// While it is not up there is nobody whom a poll would help: the packets say it.
#[test]
fn new_rules_count_at_once_while_it_is_not_up() {
    for state in [State::Down, State::Init] {
        let mut bench = Bench::in_state(state, RULES, PEER);
        bench.adopt(Rules { idle_tx_us: 5_000_000, min_rx_us: 10, ..RULES });
        assert_eq!(bench.session.interval_us(&bench.rules), 5_000_000);
        assert_eq!((bench.says().min_tx_us, bench.says().is_poll), (5_000_000, false));
        assert_eq!(bench.session.detection_us(), 4 * 1_000_000);
        bench.adopt(Rules { min_rx_us: 3_000_000, ..RULES });
        assert_eq!(bench.session.detection_us(), 4 * 3_000_000);
    }
}

/// RFC 5880 §6.8.3: "the local system MUST honor the new interval immediately", counted from the last packet on.
#[test]
fn the_other_end_takes_more_or_less_and_is_obeyed_at_once() {
    let up = Control { state: State::Up, ..PEER };
    let slow = Control { min_rx_us: 2_000_000, ..up };
    let mut bench = Bench::up(RULES, slow);
    bench.gaps(3, Some(slow));
    bench.sleep(30_000);
    assert!(!bench.receive(up).sends);
    bench.sleep(20_000);
    assert!(bench.timer().sends, "50 ms after the last one");
    bench.receive(slow);
    bench.sleep(1_499_000);
    bench.receive(slow);
    assert!(!bench.timer().sends);
    bench.sleep(700_000);
    assert!(bench.receive(up).sends, "the time is over already");
}

/// RFC 5880 §6.8.7; BF08: what changes is said once, and polls are answered; and whoever cannot have heard that is told again,
/// as often as he says so himself.
#[test]
fn bf08_who_wants_no_packets_gets_none() {
    let up = Control { state: State::Up, min_rx_us: 0, ..PEER };
    let mut bench = Bench::up(RULES, up);
    let mut sends = 0;
    for _ in 0..10_000 {
        sends += u32::from(bench.timer().sends) + u32::from(bench.receive(up).sends);
        bench.sleep(1_000);
    }
    assert_eq!(sends, 1, "that it is up");
    assert_eq!(bench.session.interval_us(&RULES), 0);
    assert!(bench.receive(Control { is_poll: true, ..up }).answers);
    // It has lost us, and hears that we still hear it, no oftener than once in a second.
    bench.receive(Control { state: State::Down, ..up });
    assert!(bench.gaps(3, Some(Control { state: State::Down, ..up }))[1..].iter().all(|gap| *gap >= 750_000));
    // It wants packets again.
    bench.receive(Control { state: State::Init, min_rx_us: 1, ..up });
    assert_eq!(bench.session.interval_us(&RULES), 50_000);
    // What it wanted goes with it.
    let mut bench = Bench::up(RULES, up);
    bench.sleep(240_000);
    assert!(bench.timer().moved);
    assert!(bench.gaps(5, None).iter().all(|gap| (750_000..=1_000_000).contains(gap)));
}

/// RFC 5880 §6.6, §6.8.7: nothing periodic, but our polls.
#[test]
fn who_demands_silence_hears_our_polls_alone() {
    let up = Control { state: State::Up, is_demand: true, ..PEER };
    let mut bench = Bench::in_state(State::Up, RULES, up);
    for gap in bench.gaps(10, Some(up)) {
        assert!(gap <= 50_000 && bench.says().is_poll);
    }
    bench.receive(Control { is_final: true, ..up });
    assert_eq!(bench.session.interval_us(&RULES), 0);
    bench.adopt(Rules { min_tx_us: 90_000, ..RULES });
    bench.receive(up);
    assert!(bench.says().is_poll);
    bench.gaps(10, Some(up));
    bench.receive(Control { is_final: true, ..up });
    assert_eq!((bench.session.interval_us(&bench.rules), bench.says().is_demand), (0, false));
    bench.receive(Control { is_demand: false, ..up });
    assert_eq!(bench.session.interval_us(&bench.rules), 90_000);
}

/// RFC 5880 §6.8.6, RFC 5882 §3.2; BF10: it is told once, whatever comes behind it, and stays a thing of the other end's hand.
#[test]
fn bf10_who_is_shut_down_by_hand_takes_the_session_down_once() {
    let mut bench = Bench::up(RULES, PEER);
    let admin_down = Control { state: State::AdminDown, ..PEER };
    let (mut moves, mut sends) = (0, 0);
    for step in 0..10_000 {
        // What was on its way when it was shut down comes late.
        let said = if step % 3 == 1 { State::Up } else { State::AdminDown };
        let outcome = bench.receive(Control { state: said, ..admin_down });
        moves += u32::from(outcome.moved);
        sends += u32::from(outcome.sends) + u32::from(bench.timer().sends);
        bench.sleep(1_000);
    }
    assert_eq!((bench.session.state(), bench.session.diagnostic(), moves), (State::Down, 3, 1));
    assert!((10..=15).contains(&sends), "{sends} in ten seconds");
    // And when it falls silent, nothing happens that was not known.
    bench.receive(admin_down);
    for _ in 0..10 {
        bench.now = bench.session.poll_at().unwrap();
        assert!(!bench.timer().moved);
    }
    assert_eq!((bench.session.diagnostic(), bench.session.remote_state()), (3, State::AdminDown));
    // FRR comes back with what it has, and is slow only in deeds.
    bench.receive(Control { yours: 0, ..PEER });
    bench.receive(Control { state: State::Up, is_poll: true, ..PEER });
    assert_eq!((bench.session.state(), bench.session.diagnostic()), (State::Up, 0));
}

/// RFC 5880 §6.1, §6.8.7.
#[test]
fn one_that_is_passive_waits_to_be_spoken_to() {
    let mut bench = Bench::new(Rules { is_passive: true, ..RULES });
    assert_eq!((bench.session.poll_at(), bench.timer()), (None, Outcome::default()));
    let outcome = bench.receive(Control { yours: 0, ..PEER });
    assert_eq!(outcome, Outcome { sends: true, answers: false, moved: true });
    bench.receive(Control { state: State::Up, ..PEER });
    assert_eq!(bench.session.state(), State::Up);
    // Nobody is there any more: it is silent again, although it has something to say.
    bench.sleep(240_000);
    assert_eq!(bench.timer(), Outcome { sends: false, answers: false, moved: true });
    assert_eq!(bench.session.poll_at(), None);
    // It may become active, and passive.
    bench.adopt(RULES);
    assert!(bench.session.poll_at().is_some());
    bench.adopt(Rules { is_passive: true, ..RULES });
    assert_eq!(bench.session.poll_at(), None);
}

/// A process that was stopped: its deadline is over, and the other end's packets are in its socket.
#[test]
fn a_packet_that_was_waiting_renews_a_session_whose_time_is_over() {
    let up = Control { state: State::Up, ..PEER };
    let mut bench = Bench::up(RULES, PEER);
    bench.sleep(30_000_000);
    assert!(bench.session.is_overdue(bench.now));
    for _ in 0..100 {
        assert!(!bench.receive(up).moved);
    }
    assert!(!bench.session.is_overdue(bench.now));
    let outcome = bench.timer();
    assert!(!outcome.moved && bench.session.state() == State::Up);
    // Nothing was waiting.
    bench.sleep(30_000_000);
    assert!(bench.timer().moved);
}

/// Law 12: after a stall there is no burst, and who is late once is not late twice; but nobody is sent more than was agreed.
#[test]
fn one_that_is_late_makes_up_for_it_within_what_is_agreed() {
    let up = Control { state: State::Up, multiplier: 255, ..PEER };
    let mut bench = Bench::up(RULES, up);
    bench.gaps(3, Some(up));
    bench.sleep(1_000_000);
    assert!(bench.timer().sends);
    assert!(!bench.timer().sends);
    // Always a tenth of an interval late: on the whole as many as if it were not.
    let begin = bench.now;
    let mut last = bench.now;
    for _ in 0..1000 {
        bench.receive(up);
        bench.now = bench.session.poll_at().unwrap();
        bench.sleep(5_000);
        assert!(bench.timer().sends);
        let gap = bench.now.since(last).as_micros();
        assert!((37_500..=55_000).contains(&gap), "{gap}");
        last = bench.now;
    }
    let mean = bench.now.since(begin).as_micros() / 1000;
    assert!(mean < 46_000, "{mean}: 43.75 ms if nobody is late");
}

/// Law 3. A timer before its time changes nothing; at any time, it fires once.
#[test]
fn law_03_spurious_is_harmless() {
    for seed in 0..stories(200) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::new(Rules { is_passive: rng.bool(), ..RULES });
        for _ in 0..200 {
            if let Some(at) = bench.session.poll_at().filter(|at| *at > bench.now) {
                let before = (bench.session, bench.random.next());
                bench.random = Random::from_seed(before.1);
                let early = Instant::from_origin(at.since_origin() - Duration::from_nanos(1));
                let outcome = bench.session.timer(early, &bench.rules, &mut bench.random);
                assert_eq!((outcome, bench.session), (Outcome::default(), before.0));
            }
            bench.sleep(rng.u64(..400_000));
            if rng.bool() {
                let peer = Control { state: STATES[rng.usize(..4)], is_final: rng.bool(), ..PEER };
                bench.receive(peer);
            }
            bench.timer();
            assert_eq!(bench.timer(), Outcome::default());
            assert!(bench.sends_at().is_none_or(|at| at > bench.now));
        }
    }
}

/// It was up for a moment, and nobody was told: there is nothing that could not wait.
#[test]
fn what_nobody_was_told_of_is_not_taken_back_in_a_hurry() {
    let mut bench = Bench::in_state(State::Down, RULES, PEER);
    bench.sleep(20_000);
    assert!(!bench.receive(Control { state: State::Init, ..PEER }).sends);
    assert_eq!(bench.session.state(), State::Up);
    bench.receive(Control { state: State::AdminDown, ..PEER });
    bench.sleep(700_000);
    bench.receive(Control { state: State::AdminDown, ..PEER });
    assert!(!bench.timer().sends);
    // But whoever was told that it is up hears soon that it is not.
    let mut bench = Bench::up(RULES, PEER);
    bench.gaps(1, Some(Control { state: State::Up, ..PEER }));
    bench.receive(Control { state: State::AdminDown, ..PEER });
    assert!(bench.gaps(2, Some(Control { state: State::AdminDown, ..PEER }))[0] > 700_000);
    let mut bench = Bench::up(RULES, PEER);
    bench.gaps(1, Some(Control { state: State::Up, ..PEER }));
    bench.receive(Control { state: State::AdminDown, ..PEER });
    bench.sleep(50_000);
    assert!(bench.timer().sends);
}

/// Somebody who has our discriminator makes it go up and down, and asks all the time for more.
#[test]
fn nothing_that_comes_in_makes_it_speak_more_often_than_was_agreed() {
    for seed in 0..stories(50) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let rules = Rules { multiplier: 1 + (seed % 3) as u8, ..RULES };
        let mut bench = Bench::in_state(State::Down, rules, PEER);
        let (mut last, mut was_up) = (bench.now, false);
        bench.gaps(1, None);
        let mut least_agreed = u32::MAX;
        for _ in 0..20_000 {
            bench.sleep(rng.u64(..2_000));
            let min_rx_us = [0, 1, 60_000, u32::MAX][rng.usize(..4)];
            let control = Control { state: STATES[rng.usize(..4)], is_demand: rng.bool(), min_rx_us, ..PEER };
            let outcome = bench.receive(control);
            let sends = outcome.sends | bench.timer().sends;
            was_up |= bench.session.state() == State::Up;
            least_agreed = least_agreed.min(if was_up { RULES.min_tx_us } else { 1_000_000 });
            if sends {
                let gap = bench.now.since(last).as_micros() * 4;
                assert!(gap >= 3 * u128::from(least_agreed) || last == bench.now, "{gap}");
                (last, was_up, least_agreed) = (bench.now, bench.session.state() == State::Up, u32::MAX);
            }
        }
    }
}
