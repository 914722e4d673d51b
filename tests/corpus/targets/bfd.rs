//! BFD: a packet, as RFC 5880 §6.8.6 reads it, written down a second time; and a session that is told anything at any time.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use smoltcp::wire::{IpAddress, UdpPacket};
use vipd::bfd::{Outcome, Random, Rules, Session};
use vipd::time::{Instant, earlier};
use vipd::wire::bfd::{Control, DATAGRAM_BYTES, Discard, PORT, State, datagram};

use super::choices::Choices;

/// Events of one run.
const EVENTS_MAX: usize = 400;

const STATES: [State; 4] = [State::AdminDown, State::Down, State::Init, State::Up];

/// A packet, or what happens to a session.
pub fn bfd(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    if choices.is_so() {
        let mut run = Run::new(&mut choices);
        for _ in 0..EVENTS_MAX {
            if choices.is_over() {
                break;
            }
            run.event(&mut choices);
            run.check();
        }
    } else {
        packet(choices.rest());
    }
}

fn packet(bytes: &[u8]) {
    let parsed = Control::parse(bytes);
    assert_eq!(parsed.err(), verdict(bytes).err(), "{bytes:02x?}");
    let Ok(control) = parsed else { return };
    say_again(&control, bytes);
}

/// The first rule that a packet breaks.
fn verdict(bytes: &[u8]) -> Result<(), Discard> {
    let require = |right: bool, otherwise: Discard| if right { Ok(()) } else { Err(otherwise) };
    require(!bytes.is_empty(), Discard::Length)?;
    require(bytes[0] & 0xe0 == 0x20, Discard::Version)?;
    require(bytes.len() >= 24, Discard::Length)?;
    let (flags, len) = (bytes[1], usize::from(bytes[3]));
    let has_section = flags & 4 == 4;
    require(len >= if has_section { 26 } else { 24 } && len <= bytes.len(), Discard::Length)?;
    require(bytes[2] != 0, Discard::Multiplier)?;
    require(flags & 1 == 0, Discard::Multipoint)?;
    require(bytes[4..8] != [0; 4], Discard::Mine)?;
    require(bytes[8..12] != [0; 4] || flags & 0x80 == 0, Discard::Yours)?;
    require(!has_section, Discard::Authentication)
}

/// Our own packet with the same content has the same bytes, but for what we never say; and it has a right UDP header.
fn say_again(control: &Control, bytes: &[u8]) {
    let mut expected = [0; 24];
    expected.copy_from_slice(&bytes[..24]);
    expected[1] &= 0xf0;
    expected[3] = 24;
    expected[20..].fill(0);
    let mut buffer = [0xa5; 25];
    assert_eq!(control.emit(&mut buffer), Ok(24));
    assert_eq!((&buffer[..24], buffer[24]), (&expected[..], 0xa5));
    assert!(control.emit(&mut buffer[..23]).is_err());
    let ends: [[IpAddr; 2]; 2] = [
        [Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into()],
        [Ipv6Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
    ];
    for [source, destination] in ends {
        let mut buffer = [0xa5; DATAGRAM_BYTES];
        assert_eq!(datagram(control, 50_000, source, destination, &mut buffer), Ok(DATAGRAM_BYTES));
        let udp = UdpPacket::new_checked(&buffer[..]).unwrap();
        assert!(udp.checksum() != 0);
        assert!(udp.verify_checksum(&IpAddress::from(source), &IpAddress::from(destination)));
        assert_eq!((udp.dst_port(), udp.payload()), (PORT, &expected[..]));
    }
}

/// RFC 5880 §6.8.6's table, by what the other end says.
const fn next_state(state: State, said: State) -> State {
    match (said, state) {
        (_, State::AdminDown) => State::AdminDown,
        (State::AdminDown, _) | (State::Down, State::Up) | (State::Up, State::Down) => State::Down,
        (State::Down, State::Down | State::Init) => State::Init,
        (State::Init, _) | (State::Up, _) => State::Up,
    }
}

struct Run {
    now: Instant,
    session: Session,
    random: Random,
    rules: Rules,
    discriminator: u32,
    /// What was accepted last, and when.
    heard: Option<(Instant, Control)>,
    /// The last packet that was no answer, and the least that was agreed on since.
    sent: Option<(Instant, u32)>,
    answered_at: Option<Instant>,
    /// The least and the greatest of all the rules so far.
    least: Rules,
    greatest: Rules,
}

impl Run {
    fn new(choices: &mut Choices<'_>) -> Self {
        let rules = some_rules(choices);
        Self {
            now: Instant::from_origin(Duration::from_secs(10)),
            session: Session::NEW,
            random: Random::from_seed(choices.number().into()),
            rules,
            discriminator: 0,
            heard: None,
            sent: None,
            answered_at: None,
            least: rules,
            greatest: rules,
        }
    }

    fn event(&mut self, choices: &mut Choices<'_>) {
        match choices.below(10) {
            0 => self.now = self.now + Duration::from_micros(choices.number().into()),
            1 => self.now = self.now + Duration::from_millis(choices.number().into()),
            2 => {
                let due = self.session.poll_at().unwrap_or(self.now);
                self.now = self.now.max(due);
                self.timer();
            }
            3 => self.timer(),
            4 => self.early(),
            5 => self.begin(),
            6 => self.end(),
            7 => self.adopt(choices),
            8 => {
                if let Ok(control) = Control::parse(choices.take(26)) {
                    self.receive(&control);
                }
            }
            _ => self.receive(&some_control(choices, self.discriminator)),
        }
    }

    /// What can be agreed on at the least, in microseconds, as it stands.
    fn agreed_us(&self) -> u32 {
        if self.session.state() == State::Up { self.least.min_tx_us } else { 1_000_000 }
    }

    /// What comes of a verb, apart from the state.
    fn follow(&mut self, outcome: Outcome) {
        let agreed = self.agreed_us();
        self.sent = self.sent.map(|(at, least)| (at, least.min(agreed)));
        if outcome.answers {
            let pause = Duration::from_micros(self.least.min_tx_us.min(5_000).into());
            assert!(self.answered_at.is_none_or(|at| self.now.since(at) >= pause));
            self.answered_at = Some(self.now);
        }
        if outcome.sends {
            if let Some((at, least)) = self.sent.replace((self.now, agreed)) {
                assert!(self.now.since(at) * 4 >= Duration::from_micros(least.into()) * 3, "{least} us");
            }
            assert!(!self.rules.is_passive || self.says().yours != 0);
        }
        if let Some(at) = self.session.poll_at() {
            assert!(!outcome.sends || at > self.now, "it says everything at once");
        }
    }

    fn timer(&mut self) {
        let was = self.session.state();
        let has_heard = self.heard.filter(|_| was != State::AdminDown);
        let outcome = self.session.timer(self.now, &self.rules, &mut self.random);
        let silence = |(at, said): (Instant, Control), rules: &Rules, floor: u32| {
            let every = rules.min_rx_us.max(said.min_tx_us).max(floor);
            self.now >= at + Duration::from_micros(u64::from(every) * u64::from(said.multiplier))
        };
        let may_end = has_heard.is_some_and(|heard| silence(heard, &self.least, 0));
        let must_end = has_heard.is_some_and(|heard| silence(heard, &self.greatest, 1_000_000));
        let has_ended = has_heard.is_some() && self.says().yours == 0;
        assert!(has_ended <= may_end && must_end <= has_ended);
        let falls = has_ended && matches!(was, State::Init | State::Up);
        assert_eq!((outcome.moved, outcome.answers), (falls, false));
        if falls {
            assert_eq!((self.session.state(), self.session.diagnostic()), (State::Down, 1));
        } else {
            assert_eq!(self.session.state(), was);
        }
        if has_ended {
            self.heard = None;
        }
        self.follow(outcome);
        assert!(self.session.poll_at().is_none_or(|at| at > self.now), "it never stands still");
    }

    /// Law 3.
    fn early(&self) {
        let Some(at) = self.session.poll_at() else { return };
        let mut session = self.session;
        let before = Instant::from_origin(at.since_origin() - Duration::from_nanos(1));
        let outcome = session.timer(before, &self.rules, &mut self.random.clone());
        assert_eq!((outcome, session), (Outcome::default(), self.session));
    }

    fn begin(&mut self) {
        let discriminator = self.random.next();
        let before = self.session;
        self.session.begin(self.now, discriminator, &self.rules, &mut self.random);
        if before.state() == State::AdminDown {
            self.discriminator = discriminator;
            (self.heard, self.sent, self.answered_at) = (None, None, None);
            assert_eq!((self.session.state(), self.says().yours), (State::Down, 0));
            assert_eq!(self.session.poll_at().is_none(), self.rules.is_passive);
        } else {
            assert_eq!(self.session, before);
        }
    }

    fn end(&mut self) {
        let (before, knew) = (self.session, self.heard.is_some());
        let outcome = self.session.end();
        if before.state() == State::AdminDown {
            assert_eq!((self.session, outcome), (before, Outcome::default()));
        } else {
            assert_eq!((outcome.moved, outcome.sends, self.session.diagnostic()), (true, knew, 7));
        }
    }

    fn adopt(&mut self, choices: &mut Choices<'_>) {
        let before = self.session.state();
        self.rules = some_rules(choices);
        let (least, greatest) = (&mut self.least, &mut self.greatest);
        least.min_tx_us = least.min_tx_us.min(self.rules.min_tx_us);
        least.min_rx_us = least.min_rx_us.min(self.rules.min_rx_us);
        greatest.min_rx_us = greatest.min_rx_us.max(self.rules.min_rx_us);
        self.session.adopt(self.now, &self.rules, &mut self.random);
        assert_eq!(self.session.state(), before);
        self.follow(Outcome::default());
    }

    /// The router hands in what is for this session.
    fn receive(&mut self, control: &Control) {
        if control.yours != 0 && control.yours != self.discriminator {
            return;
        }
        let before = self.session;
        let outcome = self.session.receive(self.now, control, &self.rules, &mut self.random);
        let next = next_state(before.state(), control.state);
        assert_eq!((self.session.state(), outcome.moved), (next, next != before.state()));
        if next == State::AdminDown {
            assert_eq!((self.session, outcome), (before, Outcome::default()));
            return;
        }
        let diagnostic = match next {
            State::Up if outcome.moved => 0,
            State::Down if outcome.moved => 3,
            State::AdminDown | State::Down | State::Init | State::Up => before.diagnostic(),
        };
        assert_eq!(self.session.diagnostic(), diagnostic);
        assert_eq!((self.session.remote_state(), self.says().yours), (control.state, control.mine));
        assert!(control.is_poll || !outcome.answers);
        assert!(!self.session.is_overdue(self.now));
        self.heard = Some((self.now, *control));
        self.follow(outcome);
    }

    fn says(&self) -> Control {
        self.session.control(&self.rules, false).unwrap()
    }

    /// Whatever has happened.
    fn check(&self) {
        let Some(says) = self.session.control(&self.rules, false) else {
            assert_eq!((self.session, self.discriminator), (Session::NEW, 0));
            return;
        };
        let mut bytes = [0xa5; 24];
        says.emit(&mut bytes).unwrap();
        assert_eq!(Control::parse(&bytes), Ok(says), "somebody else can read it");
        let answer = self.session.control(&self.rules, true).unwrap();
        assert_eq!(answer, Control { is_final: true, is_poll: false, ..says });
        assert_eq!((says.mine, says.state), (self.discriminator, self.session.state()));
        assert_eq!((says.multiplier, says.min_rx_us), (self.rules.multiplier, self.rules.min_rx_us));
        assert!(says.state == State::Up || says.min_tx_us >= 1_000_000 && !says.is_poll);
        assert!(says.min_tx_us >= self.rules.min_tx_us);

        let interval_us = self.session.interval_us(&self.rules);
        let at = self.session.poll_at();
        if says.state == State::AdminDown {
            assert_eq!((interval_us, at), (0, None));
        } else if interval_us > 0 {
            let latest = self.now + Duration::from_micros(interval_us.into());
            assert!(at.is_some_and(|at| at <= latest), "whoever is waited for comes");
            assert!(interval_us >= self.heard.map_or(1, |(_, said)| said.min_rx_us));
        } else {
            assert!(self.heard.is_some() || self.rules.is_passive);
        }
        let overdue_at = at.filter(|at| self.session.is_overdue(*at));
        assert_eq!(earlier(at, overdue_at), at);
        assert_eq!(at.is_none(), interval_us == 0 && self.session.detection_us() == 0);
    }
}

fn some_rules(choices: &mut Choices<'_>) -> Rules {
    let mut some_us = || choices.one_of(&[1_000, 3_000, 10_000, 50_000, 300_000, 1_000_000, 5_000_000]);
    Rules {
        min_tx_us: some_us(),
        min_rx_us: some_us(),
        idle_tx_us: some_us(),
        multiplier: choices.byte().max(1),
        is_passive: choices.is_so(),
    }
}

fn some_control(choices: &mut Choices<'_>, discriminator: u32) -> Control {
    let flags = choices.byte();
    let mut some_us = || choices.one_of(&[0, 1, 1_000, 10_000, 60_000, 1_000_000, 7_000_000, u32::MAX]);
    Control {
        diagnostic: flags & 3,
        state: STATES[usize::from(flags >> 6)],
        is_poll: flags & 0x20 != 0,
        is_final: flags & 0x10 != 0,
        is_demand: flags & 0x08 != 0,
        min_tx_us: some_us(),
        min_rx_us: some_us(),
        multiplier: choices.byte().max(1),
        mine: 1 + u32::from(choices.byte()),
        yours: if flags & 0x80 != 0 || flags & 0x04 != 0 { discriminator } else { 0 },
    }
}
