//! The same for one BFD session: `tests/golden/bfd.txt`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use vipd::bfd::{Outcome, Random, Rules, Session};
use vipd::time::Instant;
use vipd::wire::bfd::{Control, State};

use super::{NOW_MS, at_ms, compare};

const OURS: u32 = 0xbeef;

const RULES: Rules =
    Rules { min_tx_us: 50_000, min_rx_us: 40_000, idle_tx_us: 1_000_000, multiplier: 3, is_passive: false };

const PEER: Control = Control {
    diagnostic: 0,
    state: State::Up,
    is_poll: false,
    is_final: false,
    is_demand: false,
    multiplier: 4,
    mine: 0x5a1b_c70e,
    yours: OURS,
    min_tx_us: 60_000,
    min_rx_us: 30_000,
};

const SLOWER: (u32, u32) = (400_000, 20_000);
const FASTER: (u32, u32) = (20_000, 500_000);

const FLAGS: [(&str, Rules); 2] = [("active", RULES), ("passive", Rules { is_passive: true, ..RULES })];

/// A session and the rules in force. Its dice are not seeded: every interval is as long as it may be.
#[derive(Clone, Copy)]
struct Bench {
    session: Session,
    rules: Rules,
}

impl Bench {
    fn begin(&mut self, at: Instant) {
        self.session.begin(at, OURS, &self.rules, &mut { Random::NEW });
    }

    fn timer(&mut self, at: Instant) -> Outcome {
        self.session.timer(at, &self.rules, &mut { Random::NEW })
    }

    fn hear(&mut self, at: Instant, control: &Control) -> Outcome {
        self.session.receive(at, control, &self.rules, &mut { Random::NEW })
    }

    fn adopt(&mut self, at: Instant, (min_tx_us, min_rx_us): (u32, u32)) {
        self.rules = Rules { min_tx_us, min_rx_us, ..self.rules };
        self.session.adopt(at, &self.rules, &mut { Random::NEW });
    }

    /// Begun so long ago, and told so; the other end has said that in the moments after.
    fn has_heard(mut self, ms_before: &[u64], said: &[State]) -> Self {
        for (moment, ms) in ms_before.iter().enumerate() {
            let at = at_ms(NOW_MS - ms);
            match moment.checked_sub(1).and_then(|position| said.get(position)) {
                Some(state) => drop(self.hear(at, &Control { state: *state, ..PEER })),
                None => self.begin(at),
            }
            self.timer(at);
        }
        self
    }

    /// Up, and all that was asked is answered.
    fn up(self) -> Self {
        let mut bench = self.has_heard(&[300, 200, 80], &[State::Down, State::Up]);
        bench.timer(at_ms(NOW_MS - 42));
        bench.hear(at_ms(NOW_MS - 35), &Control { is_final: true, ..PEER });
        bench
    }
}

const STATES: [&str; 18] = [
    "not begun",
    "ended by hand",
    "down, nobody heard",
    "down, the other end held down by hand",
    "init",
    "up, nobody told",
    "up, polling",
    "up",
    "up, new rules",
    "up, new rules, polling",
    "up, new rules twice, polling",
    "up, the other end wants none",
    "up, the other end wants polls alone",
    "up, a packet is late by 100 ms",
    "up, silence",
    "init, silence",
    "down, silence",
    "down, the other end still up",
];

/// A session in the named state, by public verbs alone.
fn in_state(name: &str, rules: Rules) -> Bench {
    use State::{AdminDown, Down, Up};
    let mut bench = Bench { session: Session::NEW, rules };
    let at = |ms_before: u64| at_ms(NOW_MS - ms_before);
    match name {
        "not begun" => {}
        "ended by hand" => {
            bench = bench.up();
            bench.session.end();
        }
        "down, nobody heard" => bench = bench.has_heard(&[300], &[]),
        "down, the other end held down by hand" => bench = bench.has_heard(&[300, 100], &[AdminDown]),
        "init" => bench = bench.has_heard(&[300, 100], &[Down]),
        "up, nobody told" => bench = bench.has_heard(&[20, 15, 10], &[Down, Up]),
        "up, polling" => bench = bench.has_heard(&[300, 200, 20], &[Down, Up]),
        "up" => bench = bench.up(),
        "up, new rules" => {
            bench = bench.up();
            bench.adopt(at(20), SLOWER);
        }
        "up, new rules, polling" | "up, new rules twice, polling" => {
            bench = bench.up();
            bench.adopt(at(20), SLOWER);
            bench.hear(at(15), &PEER);
            if name.contains("twice") {
                bench.adopt(at(10), (300_000, 10_000));
            }
        }
        "up, the other end wants none" => {
            bench = bench.up();
            bench.hear(at(5), &Control { min_rx_us: 0, ..PEER });
        }
        "up, the other end wants polls alone" => {
            bench = bench.up();
            bench.hear(at(5), &Control { is_demand: true, ..PEER });
        }
        "up, a packet is late by 100 ms" => {
            bench = bench.has_heard(&[500, 400, 150], &[Down, Up]);
            bench.hear(at(30), &Control { is_final: true, ..PEER });
        }
        "up, silence" => {
            bench = bench.has_heard(&[900, 800, 300], &[Down, Up]);
            bench.timer(at(70));
        }
        "init, silence" | "down, silence" => {
            let said = if name.starts_with("init") { Down } else { AdminDown };
            bench = bench.has_heard(&[6000, 4100], &[said]);
            bench.timer(at(700));
        }
        "down, the other end still up" => {
            bench = bench.up();
            bench.hear(at(20), &Control { state: AdminDown, ..PEER });
            bench.hear(at(15), &PEER);
        }
        _ => unreachable!("a state of STATES"),
    }
    bench
}

const EVENTS: [&str; 21] = [
    "timer",
    "begin",
    "end",
    "adopt the same",
    "adopt slower, detect sooner",
    "adopt faster, detect later",
    "hears admin down",
    "hears admin down, poll",
    "hears admin down, final",
    "hears down",
    "hears down, poll",
    "hears down, final",
    "hears init",
    "hears init, poll",
    "hears init, final",
    "hears up",
    "hears up, poll",
    "hears up, final",
    "hears up, wants none",
    "hears up, wants polls alone",
    "hears up, slower",
];

fn happen(name: &str, bench: &mut Bench) -> Outcome {
    let now = at_ms(NOW_MS);
    match name {
        "timer" => return bench.timer(now),
        "begin" => bench.begin(now),
        "end" => return bench.session.end(),
        "adopt the same" => bench.adopt(now, (bench.rules.min_tx_us, bench.rules.min_rx_us)),
        "adopt slower, detect sooner" => bench.adopt(now, SLOWER),
        "adopt faster, detect later" => bench.adopt(now, FASTER),
        _ => {
            let words: Vec<&str> = name.trim_start_matches("hears ").split(", ").collect();
            let mut control = PEER;
            control.state = match words[0] {
                "admin down" => State::AdminDown,
                "down" => State::Down,
                "init" => State::Init,
                "up" => State::Up,
                _ => unreachable!("a state"),
            };
            match words.get(1).copied() {
                Some("poll") => control.is_poll = true,
                Some("final") => control.is_final = true,
                Some("wants none") => control.min_rx_us = 0,
                Some("wants polls alone") => control.is_demand = true,
                Some("slower") => (control.min_tx_us, control.min_rx_us) = (500_000, 700_000),
                None => {}
                Some(_) => unreachable!("an event of EVENTS"),
            }
            return bench.hear(now, &control);
        }
    }
    Outcome::default()
}

fn millis(micros: u32) -> String {
    format!("{} ms", f64::from(micros) / 1000.0)
}

fn describe(before: &Bench, bench: &Bench, outcome: Outcome) -> String {
    let (session, now) = (&bench.session, at_ms(NOW_MS));
    let mut text = session.state().name().to_string();
    // Whoever lets a session begin knows that it does.
    let was = before.session.state();
    assert_eq!(outcome.moved, was != session.state() && was != State::AdminDown);
    if session.diagnostic() != 0 {
        write!(text, " ({})", session.diagnostic()).unwrap();
    }
    let Some(says) = session.control(&bench.rules, false) else { return text };
    let polls = if says.is_poll { " polls" } else { "" };
    match session.interval_us(&bench.rules) {
        0 => text.push_str(", no packets"),
        interval_us => write!(text, ", every {}{polls}", millis(interval_us)).unwrap(),
    }
    if says.yours == 0 {
        text.push_str(", knows nobody");
    } else if session.detection_us() > 0 {
        write!(text, ", detects in {}", millis(session.detection_us())).unwrap();
    }
    if let Some(at) = session.poll_at() {
        let what = if session.is_overdue(at) { "gives up" } else { "packet" };
        let micros = at.since_origin().as_micros() as i128 - now.since_origin().as_micros() as i128;
        write!(text, ", {what} {}", if micros > 0 { "in " } else { "due" }).unwrap();
        if micros > 0 {
            text.push_str(&millis(micros as u32));
        }
    }
    for (wants, action) in [(outcome.answers, "; answer"), (outcome.sends, "; send")] {
        if wants {
            text.push_str(action);
        }
    }
    text
}

fn table() -> String {
    let mut text = String::from(
        "# Every state x event x flags of one BFD session: what it becomes, and what it sends, in order.\n\
         #\n\
         # Ours: 50 ms, receives every 40 ms, multiplier 3, idle 1 s. The other end: 60 ms, receives every 30 ms,\n\
         # multiplier 4. In parentheses the diagnostic. Intervals are not shortened. Then the first\n\
         # deadline. Without a line of flags, all behave alike.\n",
    );
    for state in STATES {
        for event in EVENTS {
            let mut outcomes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for (flag, rules) in FLAGS {
                let before = in_state(state, rules);
                let mut bench = before;
                let outcome = happen(event, &mut bench);
                outcomes.entry(describe(&before, &bench, outcome)).or_default().push(flag);
            }
            writeln!(text, "\n{state} | {event}").unwrap();
            let is_single = outcomes.len() == 1;
            for (outcome, flags) in outcomes {
                writeln!(text, "    {outcome}").unwrap();
                if !is_single {
                    writeln!(text, "        {}", flags.join(", ")).unwrap();
                }
            }
        }
    }
    text
}

/// RFC 5880 §6.8.6; BF03.
#[test]
fn bf03_every_state_and_event_of_a_session_does_what_the_reviewed_file_says() {
    compare("bfd.txt", &table());
}

/// Law 3. A timer before its time changes nothing, in any state, with any flags.
#[test]
fn law_03_spurious_is_harmless_for_a_session() {
    for state in STATES {
        for (flag, rules) in FLAGS {
            let bench = in_state(state, rules);
            let Some(at) = bench.session.poll_at() else { continue };
            for before in [Duration::from_nanos(1), Duration::from_millis(3), Duration::from_secs(50)] {
                let mut early = bench;
                let outcome = early.timer(Instant::from_origin(at.since_origin() - before));
                assert_eq!(outcome, Outcome::default(), "{state} {flag}");
                assert_eq!(early.session, bench.session, "{state} {flag}");
            }
        }
    }
}
