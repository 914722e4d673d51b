//! One BFD session: asynchronous mode, one hop (RFC 5880, RFC 5881), without a clock or a socket.
//!
//! ```text
//!                    +--------+
//!       +----------> |  down  | <-------------+
//!       |            +--------+               |
//!       |             |      |                |
//!       | silence,    | down | init           | silence,
//!       | admin down  v      |                | down, admin down
//!    +--------+              |            +--------+
//!    |  init  | -------------|----------> |   up   |
//!    +--------+  init, up    +----------> +--------+
//! ```
//!
//! Call a verb when its event happens; send what it asks for; call [`Session::timer`] when [`Session::poll_at`] has
//! come. Calling it earlier is harmless.
//!
//! Hand in the packets that are waiting before the timer. A process that was stopped finds its deadlines over and the other
//! end's packets in its socket: [`Session::receive`] asks for no deadline, so whoever was there all the time is not given
//! up, and a session ends by its own clock only when nothing at all was waiting.
//!
//! How often a session speaks is agreed on, and nothing that comes in makes it speak more often: a changed state is told
//! by the packet that is due next. Only what answers a poll leaves beside that, and it has a pace of its own.

mod random;
mod session;

pub use random::Random;
pub use session::Session;

#[cfg(test)]
mod pair;
#[cfg(test)]
mod tests;

/// How many of so many stories the tests play: all of them, but a few on a machine that is emulated.
#[cfg(test)]
const fn stories(all: u64) -> u64 {
    if cfg!(target_arch = "x86_64") { all } else { all.div_ceil(20) }
}

/// What the configuration says about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// `min_tx`: microseconds from one packet to the next, as we would like it; not 0.
    pub min_tx_us: u32,
    /// `min_rx`: microseconds from one packet to the next, as we can take it; not 0.
    pub min_rx_us: u32,
    /// `idle_tx`: microseconds from one packet to the next while the session is not up, at least a second on the wire
    /// (RFC 5880 §6.8.3), and never less than `min_tx`.
    pub idle_tx_us: u32,
    /// `multiplier`: how many of ours may be missed, 1..=255.
    pub multiplier: u8,
    /// `passive`: says nothing before the other end has been heard (RFC 5880 §6.1).
    pub is_passive: bool,
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
