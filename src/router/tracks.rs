//! What is tracked, and what it makes of a priority: the one place that asks how a tracked thing stands.

use super::Router;
use crate::config::{Instance, Span, Track, Tracked};
use crate::probe::Standing;
use crate::vrrp::Fault;

impl Router {
    /// Everything that an instance listens to: its own, then its group's.
    pub(super) fn tracks_of(&self, instance: &Instance) -> impl Iterator<Item = &Track> {
        let group = instance.group.and_then(|group| self.config.groups.get(usize::from(group.0)));
        let spans = [instance.tracks, group.map_or(Span::default(), |group| group.tracks)];
        spans.into_iter().flat_map(|span| span.of(&self.config.tracks))
    }

    /// How a tracked thing stands.
    fn standing_of(&self, what: Tracked) -> Standing {
        match what {
            Tracked::Link(interface) if self.links.is_running(interface) => Standing::Up,
            Tracked::Link(_) => Standing::Down,
            Tracked::Probe(probe) => self.probes.standing(probe),
        }
    }

    /// What a tracked thing adds to the priority of whoever tracks it, as it stands at this moment.
    ///
    /// # Errors
    /// It keeps whoever tracks it from taking part.
    #[inline(never)]
    pub(super) fn weigh(&self, track: &Track) -> Result<i32, Fault> {
        let weight = i32::from(track.weight);
        let is_up = match self.standing_of(track.what) {
            Standing::Up => true,
            Standing::Down => false,
            Standing::Unknown if weight == 0 => return Err(Fault::Untried),
            Standing::Unknown => return Ok(0),
        };
        if weight == 0 {
            return if is_up == track.is_reversed { Err(fault_of(track.what)) } else { Ok(0) };
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

const fn fault_of(what: Tracked) -> Fault {
    match what {
        Tracked::Link(_) => Fault::Tracked,
        Tracked::Probe(_) => Fault::Probe,
    }
}
