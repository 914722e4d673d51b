//! One BFD session: asynchronous mode, one hop (RFC 5880, RFC 5881), without a clock or a socket.
//!
//! Call a verb when its event happens; send what it asks for; call [`Session::timer`] when [`Session::poll_at`] has
//! come. Calling it earlier is harmless.

use crate::time::Instant;
use crate::wire::bfd::{Control, State};

/// What the configuration says about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// `min_tx`: microseconds from one packet to the next, as we would like it.
    pub min_tx_us: u32,
    /// `min_rx`: microseconds from one packet to the next, as we can take it.
    pub min_rx_us: u32,
    /// `idle_tx`: microseconds from one packet to the next while the session is not up, at least a second on the wire
    /// (RFC 5880 §6.8.3).
    pub idle_tx_us: u32,
    /// `multiplier`: how many of ours may be missed, 1..=255.
    pub multiplier: u8,
    /// `passive`: says nothing before the other end has been heard (RFC 5880 §6.1).
    pub is_passive: bool,
}

/// Numbers for jitter and discriminators, from a seed (xorshift32): the simulator can fix them.
#[derive(Debug, Clone, Copy)]
pub struct Random(u32);

impl Random {
    /// Not seeded yet; all bits zero.
    pub const NEW: Self = Self(0);

    /// From this seed on.
    #[must_use]
    pub const fn from_seed(seed: u32) -> Self {
        Self(seed | 1)
    }

    /// The next number, never 0 once it is seeded.
    pub const fn next(&mut self) -> u32 {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = x;
        x
    }
}

/// What has become of a session, and what is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Send [`Session::control`] without the final bit.
    pub sends: bool,
    /// Send it with the final bit, before that.
    pub answers: bool,
    /// The state is another one.
    pub moved: bool,
}

/// One session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    state: State,
    // ...
}

impl Session {
    /// One that does not take part; all bits zero.
    pub const NEW: Self = Self { state: State::AdminDown };

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Why it stands there (RFC 5880 §4.1).
    #[must_use]
    pub const fn diagnostic(&self) -> u8 {
        0
    }

    /// Our discriminator; 0: it has not begun.
    #[must_use]
    pub const fn discriminator(&self) -> u32 {
        0
    }

    /// The other end's state, as it said last.
    #[must_use]
    pub const fn remote_state(&self) -> State {
        State::Down
    }

    /// Microseconds from one packet of ours to the next, before jitter; 0: none are sent.
    #[must_use]
    pub const fn interval_us(&self, rules: &Rules) -> u32 {
        let _ = rules;
        0
    }

    /// Microseconds of silence that end it; 0: nothing was heard.
    #[must_use]
    pub const fn detection_us(&self, rules: &Rules) -> u32 {
        let _ = rules;
        0
    }

    /// Takes part from now on, under this discriminator, which is not 0 and no other session's. One that does already
    /// goes on as it was.
    pub fn begin(&mut self, now: Instant, discriminator: u32, rules: &Rules, random: &mut Random) {
        let _ = (now, discriminator, rules, random);
    }

    /// Ends by hand (AdminDown, RFC 5880 §6.8.16): the other end is to be told, once more than it may lose.
    pub fn end(&mut self) -> Outcome {
        Outcome::default()
    }

    /// The rules are others now: a poll sequence tells the other end while the session is up (RFC 5880 §6.8.3).
    pub fn adopt(&mut self, now: Instant, rules: &Rules, random: &mut Random) {
        let _ = (now, rules, random);
    }

    /// When [`Session::timer`] is to be called at the latest.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        None
    }

    /// Whether [`Session::timer`] at this moment would end it: its detection time is over.
    #[must_use]
    pub fn is_overdue(&self, now: Instant) -> bool {
        let _ = now;
        false
    }

    /// Time has passed.
    pub fn timer(&mut self, now: Instant, rules: &Rules, random: &mut Random) -> Outcome {
        let _ = (now, rules, random);
        Outcome::default()
    }

    /// A packet of this session, which has passed [`Control::parse`] and belongs to it by discriminator or address.
    pub fn receive(
        &mut self,
        now: Instant,
        control: &Control,
        rules: &Rules,
        random: &mut Random,
    ) -> Outcome {
        let _ = (now, control, rules, random);
        Outcome::default()
    }

    /// What is to be sent at this moment; `None`: it has not begun.
    #[must_use]
    pub fn control(&self, rules: &Rules, is_final: bool) -> Option<Control> {
        let _ = (rules, is_final);
        None
    }
}
