//! What is tracked, and what it makes of a priority: the one place that asks how a tracked thing stands.

use super::Router;
use crate::config::{Instance, Track, Tracked};
use crate::vrrp::Fault;

impl Router {
    /// Everything that an instance listens to.
    pub(super) fn tracks_of(&self, instance: &Instance) -> impl Iterator<Item = &Track> {
        instance.tracks.of(&self.config.tracks).iter()
    }

    /// What a tracked thing adds to the priority of whoever tracks it, as it stands at this moment.
    ///
    /// # Errors
    /// It keeps whoever tracks it from taking part.
    #[inline(never)]
    pub(super) fn weigh(&self, track: &Track) -> Result<i32, Fault> {
        let (is_up, fault) = match track.what {
            Tracked::Link(interface) => (self.links.is_running(interface), Fault::Tracked),
        };
        let weight = i32::from(track.weight);
        if weight == 0 {
            return if is_up == track.is_reversed { Err(fault) } else { Ok(0) };
        }
        // What is good lifts while it is there, what is bad lowers while the thing is not.
        let counts = is_up == (weight > 0);
        Ok(match (counts, track.is_reversed) {
            (false, _) => 0,
            (true, false) => weight,
            (true, true) => -weight,
        })
    }
}
