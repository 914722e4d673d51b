//! The session: what it knows of the other end, and when it speaks.

use core::mem::size_of;

use static_assertions::const_assert;

use super::{Outcome, Random, Rules};
use crate::time::{Instant, earlier};
use crate::wire::bfd::{
    ADMINISTRATIVELY_DOWN, Control, DETECTION_TIME_EXPIRED, NEIGHBOR_SIGNALED_DOWN, State,
};

/// The least Desired Min TX Interval of a session that is not up, in microseconds (RFC 5880 §6.8.3). Whoever says less (FRR
/// does, when it comes back) is not believed: he may be as slow in deeds.
const IDLE_US_MIN: u32 = 1_000_000;

/// Microseconds from one answer to a poll to the next, at least: more polls than these are somebody's who wants us busy.
const ANSWER_PAUSE_US: u32 = 5_000;

/// The poll sequence (RFC 5880 §6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Poll {
    /// The other end knows our timers. The first, so that a new session is all zeros.
    Idle,
    /// A packet without the final bit is to come first: what answers an earlier poll may still be on its way, and must not
    /// be taken for the answer to this one (RFC 5880 §6.8.3).
    Waiting,
    /// Every packet asks.
    Asked,
    /// So it does, but it says something else than at first: nobody can tell what a final answers.
    Overtaken,
}

/// One session. A new one is all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    state: State,
    remote_state: State,
    diagnostic: u8,
    remote_multiplier: u8,
    discriminator: u32,
    /// 0: nobody has been heard, or not for a detection time.
    remote_discriminator: u32,
    /// Desired Min TX Interval by which we send: what we say, or less, until a poll has told the other end.
    tx_us: u32,
    /// Required Min RX Interval by which we detect: what we say, or more, until a poll has told the other end.
    rx_us: u32,
    remote_tx_us: u32,
    /// 0: it wants no periodic packets.
    remote_rx_us: u32,
    heard_at: Option<Instant>,
    /// When the last packet was sent, apart from answers.
    sent_at: Option<Instant>,
    send_at: Option<Instant>,
    answered_at: Option<Instant>,
    /// The state that the last packet said.
    told: State,
    poll: Poll,
    /// What the last packet said is not true any more, or has not been heard.
    is_news: bool,
    remote_is_demand: bool,
}

const_assert!(size_of::<Session>() <= 64);

impl Session {
    /// One that does not take part; all bits zero.
    pub const NEW: Self = Self {
        state: State::AdminDown,
        remote_state: State::AdminDown,
        diagnostic: 0,
        remote_multiplier: 0,
        discriminator: 0,
        remote_discriminator: 0,
        tx_us: 0,
        rx_us: 0,
        remote_tx_us: 0,
        remote_rx_us: 0,
        heard_at: None,
        sent_at: None,
        send_at: None,
        answered_at: None,
        told: State::AdminDown,
        poll: Poll::Idle,
        is_news: false,
        remote_is_demand: false,
    };

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Why it stands there (RFC 5880 §4.1): what ended it last, until it is up again.
    #[must_use]
    pub const fn diagnostic(&self) -> u8 {
        self.diagnostic
    }

    /// Our discriminator; 0: it has not begun.
    #[must_use]
    pub const fn discriminator(&self) -> u32 {
        self.discriminator
    }

    /// The other end's state, as it said last.
    #[must_use]
    pub const fn remote_state(&self) -> State {
        self.remote_state
    }

    /// Microseconds from one packet of ours to the next, before jitter; 0: none are sent.
    #[must_use]
    pub fn interval_us(&self, rules: &Rules) -> u32 {
        // RFC 5880 §6.8.7: "A system MUST NOT transmit BFD Control packets if bfd.RemoteDiscr is zero and the system is
        // taking the Passive role."
        let is_mute = rules.is_passive && self.remote_discriminator == 0;
        if self.state == State::AdminDown || is_mute || !(self.is_news || self.is_periodic()) {
            return 0;
        }
        self.tx_us.max(self.remote_rx_us)
    }

    /// Microseconds of silence that end it, 71 minutes at the most; 0: nothing was heard. Longer ones are kept as exactly,
    /// but not told.
    #[must_use]
    pub fn detection_us(&self) -> u32 {
        match self.heard_at {
            Some(_) => self.heard_every_us().saturating_mul(self.remote_multiplier as u32),
            None => 0,
        }
    }

    /// Takes part from now on, under this discriminator, which is not 0 and no other session's. One that does already
    /// goes on as it was.
    pub fn begin(&mut self, now: Instant, discriminator: u32, rules: &Rules, random: &mut Random) {
        if self.state != State::AdminDown {
            return;
        }
        *self = Self {
            state: State::Down,
            remote_state: State::Down,
            discriminator,
            tx_us: idle_us(rules),
            rx_us: rules.min_rx_us,
            remote_rx_us: 1, // RFC 5880 §6.8.1
            is_news: true,
            ..Self::NEW
        };
        self.plan(now, rules, random, (self.state, 0));
    }

    /// Ends by hand: AdminDown with the diagnostic for it, which is no failure (RFC 5880 §6.8.16, RFC 5882 §3.2). If anybody
    /// has been heard, he is to be told; the caller may say it twice, since one may be lost. It takes part again with
    /// [`Session::begin`].
    pub fn end(&mut self) -> Outcome {
        if self.state == State::AdminDown {
            return Outcome::default();
        }
        self.state = State::AdminDown;
        self.diagnostic = ADMINISTRATIVELY_DOWN;
        self.poll = Poll::Idle;
        (self.heard_at, self.send_at) = (None, None);
        Outcome { sends: self.remote_discriminator != 0, answers: false, moved: true }
    }

    /// The rules are others now, or may be: a poll sequence tells the other end while the session is up (RFC 5880 §6.8.3).
    /// Until that has ended, packets go no more seldom than before, and are expected no earlier.
    pub fn adopt(&mut self, now: Instant, rules: &Rules, random: &mut Random) {
        if self.state == State::AdminDown {
            return;
        }
        let before = self.pace(rules);
        let is_up = self.state == State::Up;
        let tx_us = if is_up { rules.min_tx_us } else { idle_us(rules) };
        if self.poll != Poll::Idle || (self.tx_us, self.rx_us) != (tx_us, rules.min_rx_us) {
            self.is_news = true;
            self.tx_us = if is_up { tx_us.min(self.tx_us) } else { tx_us };
            self.rx_us = if is_up { rules.min_rx_us.max(self.rx_us) } else { rules.min_rx_us };
            self.poll = match self.poll {
                Poll::Idle | Poll::Waiting if is_up => Poll::Waiting,
                Poll::Asked | Poll::Overtaken if is_up => Poll::Overtaken,
                Poll::Idle | Poll::Waiting | Poll::Asked | Poll::Overtaken => Poll::Idle,
            };
        }
        self.plan(now, rules, random, before);
    }

    /// When [`Session::timer`] is to be called at the latest.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        earlier(self.send_at, self.detect_at())
    }

    /// Whether [`Session::timer`] at this moment would find that the other end has been silent for too long: then every
    /// packet that is waiting must have been handed in before.
    #[must_use]
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.detect_at().is_some_and(|at| at <= now)
    }

    /// Time has passed. Before [`Session::poll_at`] nothing happens.
    pub fn timer(&mut self, now: Instant, rules: &Rules, random: &mut Random) -> Outcome {
        let mut moved = false;
        if self.is_overdue(now) {
            let before = self.pace(rules);
            moved = self.forget(rules);
            self.plan(now, rules, random, before);
        }
        Outcome { sends: self.speak(now, rules, random), answers: false, moved }
    }

    /// A packet of this session, which has passed [`Control::parse`] and belongs to it by discriminator or address. It counts
    /// as heard now, also if the detection time is over (RFC 5880 §6.8.6).
    pub fn receive(
        &mut self,
        now: Instant,
        control: &Control,
        rules: &Rules,
        random: &mut Random,
    ) -> Outcome {
        if self.state == State::AdminDown {
            return Outcome::default();
        }
        let before = self.pace(rules);
        self.heard_at = Some(now);
        self.remote_discriminator = control.mine;
        self.remote_state = control.state;
        self.remote_is_demand = control.is_demand;
        self.remote_multiplier = control.multiplier;
        self.remote_tx_us = control.min_tx_us;
        self.remote_rx_us = control.min_rx_us;
        self.go_on_polling(control.is_final, rules);
        let moved = self.follow(control.state, rules);
        self.is_news |= !self.is_understood();
        self.plan(now, rules, random, before);
        let answers = control.is_poll && self.may_answer(now);
        Outcome { sends: self.speak(now, rules, random), answers, moved }
    }

    /// What is to be sent at this moment; `None`: it has not begun.
    #[must_use]
    pub fn control(&self, rules: &Rules, is_final: bool) -> Option<Control> {
        if self.discriminator == 0 {
            return None;
        }
        let is_poll = match self.poll {
            Poll::Asked | Poll::Overtaken => !is_final,
            Poll::Idle | Poll::Waiting => false,
        };
        Some(Control {
            diagnostic: self.diagnostic,
            state: self.state,
            is_poll,
            is_final,
            is_demand: false,
            multiplier: rules.multiplier,
            mine: self.discriminator,
            yours: self.remote_discriminator,
            min_tx_us: if self.state == State::Up { rules.min_tx_us } else { idle_us(rules) },
            min_rx_us: rules.min_rx_us,
        })
    }

    /// When the other end has been silent for too long: its multiplier times what it was to send by (RFC 5880 §6.8.4).
    fn detect_at(&self) -> Option<Instant> {
        self.heard_at.map(|at| at.after_micros(self.heard_every_us(), self.remote_multiplier))
    }

    /// By what the other end is to send.
    fn heard_every_us(&self) -> u32 {
        let least = if self.remote_state == State::Up { 0 } else { IDLE_US_MIN };
        self.rx_us.max(self.remote_tx_us).max(least)
    }

    /// Whether the other end wants to hear us again and again (RFC 5880 §6.8.7): it may want nothing, or nothing but polls
    /// as long as both ends are up (§6.6).
    fn is_periodic(&self) -> bool {
        let is_relieved = self.remote_is_demand && (self.state, self.remote_state) == (State::Up, State::Up);
        let asks = matches!(self.poll, Poll::Asked | Poll::Overtaken);
        self.remote_rx_us != 0 && (asks || !is_relieved)
    }

    /// Whether the other end may know our state, by its own. One that wants to hear nothing again and again is told again if
    /// it cannot, or a lost packet would leave it there for ever.
    fn is_understood(&self) -> bool {
        !matches!(
            (self.state, self.remote_state),
            (State::Down, State::Up) | (State::Init, State::Down) | (State::Up, State::Init)
        )
    }

    /// A packet has come: the poll sequence ends, or may begin.
    fn go_on_polling(&mut self, is_final: bool, rules: &Rules) {
        self.poll = match (self.poll, is_final) {
            (Poll::Asked, true) => {
                (self.tx_us, self.rx_us) = (rules.min_tx_us, rules.min_rx_us);
                Poll::Idle
            }
            (Poll::Overtaken, true) => Poll::Waiting,
            (Poll::Waiting, false) => Poll::Asked,
            (Poll::Idle, _) | (Poll::Waiting, true) | (Poll::Asked | Poll::Overtaken, false) => return,
        };
    }

    /// The state table (RFC 5880 §6.8.6). `true`: the state is another one.
    fn follow(&mut self, remote: State, rules: &Rules) -> bool {
        match (self.state, remote) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                self.enter(State::Down, NEIGHBOR_SIGNALED_DOWN, rules)
            }
            (State::Down, State::Down) => self.enter(State::Init, self.diagnostic, rules),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.enter(State::Up, 0, rules)
            }
            (State::AdminDown, _)
            | (State::Down, State::AdminDown | State::Up)
            | (State::Init, State::Down)
            | (State::Up, State::Init | State::Up) => false,
        }
    }

    /// The other end has been silent for a detection time (RFC 5880 §6.8.4), and with its discriminator goes what it asked
    /// for: whoever comes next may have begun anew (§6.8.1). `true`: the state is another one.
    fn forget(&mut self, rules: &Rules) -> bool {
        self.heard_at = None;
        self.remote_discriminator = 0;
        self.remote_rx_us = 1;
        match self.state {
            State::AdminDown | State::Down => false,
            State::Init | State::Up => self.enter(State::Down, DETECTION_TIME_EXPIRED, rules),
        }
    }

    /// The one place where the state of a session that takes part changes, and its timers with it. Always `true`.
    fn enter(&mut self, state: State, diagnostic: u8, rules: &Rules) -> bool {
        (self.state, self.diagnostic, self.is_news) = (state, diagnostic, true);
        self.rx_us = rules.min_rx_us;
        (self.tx_us, self.poll) =
            if state == State::Up { (rules.min_tx_us, Poll::Asked) } else { (idle_us(rules), Poll::Idle) };
        true
    }

    /// What decides when the next packet is due.
    fn pace(&self, rules: &Rules) -> (State, u32) {
        (self.state, self.interval_us(rules))
    }

    /// When the next packet is due, if the state and the interval were these and are others now. An interval counts from the
    /// last packet on (RFC 5880 §6.8.3). The end of a state that has been told of is told when its next packet would have
    /// been: a session that goes down falls silent one packet later.
    fn plan(&mut self, now: Instant, rules: &Rules, random: &mut Random, before: (State, u32)) {
        let (left, _) = before;
        let interval_us = self.interval_us(rules);
        if interval_us == 0 {
            self.send_at = None;
        } else if self.pace(rules) != before || self.send_at.is_none() {
            let wait_us = random.shortened(interval_us, rules.multiplier);
            let at = self.sent_at.map_or(now, |at| at.after_micros(wait_us, 1));
            self.send_at = Some(match self.send_at {
                Some(planned) if left != self.state && left == self.told => planned.min(at),
                Some(_) | None => at,
            });
        }
    }

    /// Whether a packet is due. The next one is due an interval after this one *was*, so that we are not late twice if we are
    /// late once; but three quarters of it after this one *is*, since nobody may be sent more (RFC 5880 §6.8.7).
    fn speak(&mut self, now: Instant, rules: &Rules, random: &mut Random) -> bool {
        let Some(due) = self.send_at.filter(|at| *at <= now) else { return false };
        (self.sent_at, self.send_at) = (Some(now), None);
        (self.told, self.is_news) = (self.state, false);
        let interval_us = self.interval_us(rules);
        if interval_us > 0 {
            let next = due.after_micros(random.shortened(interval_us, rules.multiplier), 1);
            self.send_at = Some(next.max(now.after_micros(interval_us - interval_us / 4, 1)));
        }
        true
    }

    /// Whether a poll is answered: at once, whatever the timers say, but not a flood of them. The pause is no longer than
    /// our own interval, as RFC 5880 §6.8.7 wants it.
    fn may_answer(&mut self, now: Instant) -> bool {
        let pause_us = ANSWER_PAUSE_US.min(self.tx_us);
        let is_soon = self.answered_at.is_some_and(|at| at.after_micros(pause_us, 1) > now);
        if !is_soon {
            self.answered_at = Some(now);
        }
        !is_soon
    }
}

/// Desired Min TX Interval of a session that is not up.
fn idle_us(rules: &Rules) -> u32 {
    rules.idle_tx_us.max(rules.min_tx_us).max(IDLE_US_MIN)
}
