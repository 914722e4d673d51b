//! The BFD sessions: when they speak, how they stand, and what that means for who is master.

use super::{Datagram, Router, Turn};
use crate::config::BfdId;
use crate::probe::Standing;
use crate::time::Instant;

impl Router {
    /// How a session stands.
    #[must_use]
    pub fn bfd_standing(&self, session: BfdId) -> Standing {
        let _ = session;
        Standing::Down
    }

    /// Whether a timer at this moment could end a session: then every datagram that is waiting must have been handed in
    /// before (law 6).
    #[must_use]
    pub fn may_lose_session(&self, now: Instant) -> bool {
        let _ = now;
        false
    }

    pub(super) fn seed_bfd(&mut self, seed: u32) {
        let _ = seed;
    }

    /// A datagram has come.
    pub(super) fn bfd_datagram(&mut self, turn: &mut Turn<'_>, datagram: &Datagram<'_>) {
        let _ = (turn, datagram);
    }
}
