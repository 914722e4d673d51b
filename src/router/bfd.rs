//! The BFD sessions: when they speak, how they stand, and what that means for who is master.

use super::{Datagram, Router, Turn};
use crate::config::BfdId;
use crate::probe::Standing;

impl Router {
    /// How a session stands.
    #[must_use]
    pub fn bfd_standing(&self, session: BfdId) -> Standing {
        let _ = session;
        Standing::Down
    }

    pub(super) fn seed_bfd(&mut self, seed: u32) {
        let _ = seed;
    }

    /// A datagram has come.
    pub(super) fn bfd_datagram(&mut self, turn: &mut Turn<'_>, datagram: &Datagram<'_>) {
        let _ = (turn, datagram);
    }
}
