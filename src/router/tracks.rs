//! What is tracked, and what it makes of a priority: the one place that asks how a tracked thing stands.

use super::{Router, Turn};
use crate::config::{Config, FileId, Instance, Span, Track, Tracked};
use crate::probe::Standing;
use crate::say::info;
use crate::vrrp::Fault;

impl Router {
    /// Everything that an instance listens to: its own, then its group's.
    pub(crate) fn tracks_of(&self, instance: &Instance) -> impl Iterator<Item = &Track> {
        let [own, group] = self.spans_of(instance);
        own.of(&self.config.tracks).iter().chain(group.of(&self.config.tracks))
    }

    /// Where in the configuration's table its own tracks are, and where its group's.
    pub(crate) fn spans_of(&self, instance: &Instance) -> [Span; 2] {
        let group = instance.group.and_then(|group| self.config.groups.get(usize::from(group.0)));
        [instance.tracks, group.map_or(Span::default(), |group| group.tracks)]
    }

    /// The number in a tracked file.
    #[must_use]
    pub fn number_in(&self, file: FileId) -> i32 {
        self.files.get(usize::from(file.0)).copied().unwrap_or(0)
    }

    /// How a tracked thing stands.
    pub(crate) fn standing_of(&self, what: Tracked) -> Standing {
        let is_up = match what {
            Tracked::Link(interface) => self.links.is_running(interface),
            Tracked::Probe(probe) => return self.probes.standing(probe),
            Tracked::Route(route) => return self.default_routes.standing(route),
            Tracked::Bfd(session) => return self.bfd_standing(session),
            Tracked::Server(server) => return self.server_standing(server),
            Tracked::Service(service) => return self.service_standing(service),
            Tracked::File(file) => self.number_in(file) == 0,
        };
        if is_up { Standing::Up } else { Standing::Down }
    }

    /// What a tracked thing adds to the priority of whoever tracks it, as it stands at this moment.
    ///
    /// # Errors
    /// It keeps whoever tracks it from taking part.
    #[inline(never)]
    pub(crate) fn weigh(&self, track: &Track) -> Result<i32, Fault> {
        let weight = i32::from(track.weight);
        let direction = if track.is_reversed { -1 } else { 1 };
        if let Tracked::File(file) = track.what
            && weight != 0
        {
            let product = self.number_in(file).saturating_mul(weight * direction);
            return if product < -PULL_MAX { Err(Fault::File) } else { Ok(product.min(PULL_MAX)) };
        }
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
        Ok(if is_up == (weight > 0) { weight * direction } else { 0 })
    }

    /// A file has been read.
    pub(super) fn file(&mut self, turn: &mut Turn<'_>, file: FileId, number: i32) {
        let place = usize::from(file.0);
        if !cfg!(feature = "files") {
            return;
        }
        let (Some(entry), Some(config)) = (self.files.get_mut(place), self.config.files.get(place)) else {
            return;
        };
        let changed = core::mem::replace(entry, number) != number;
        if changed {
            info!("file {}: {number}", self.config.text(config.name));
            self.settle(turn);
        }
        self.tell_of_file(turn, file, changed);
    }

    /// Puts the numbers into the order of another configuration: a file stays the same by its name.
    #[inline(never)] // A copy of the table lies in the stack.
    pub(super) fn rename_files(&mut self, new: &Config) {
        let before = self.files;
        for (number, file) in self.files.iter_mut().zip(&new.files) {
            let name = new.text(file.name);
            let known = self.config.files.iter().position(|old| self.config.text(old.name) == name);
            *number = known.and_then(|position| before.get(position)).copied().unwrap_or(0);
        }
    }
}

/// What a single thing can add to a priority or take from it without a fault.
const PULL_MAX: i32 = 253;

const fn fault_of(what: Tracked) -> Fault {
    match what {
        Tracked::Link(_) => Fault::Tracked,
        Tracked::Probe(_) | Tracked::Server(_) | Tracked::Service(_) => Fault::Probe,
        Tracked::Route(_) => Fault::Route,
        Tracked::Bfd(_) => Fault::Bfd,
        Tracked::File(_) => Fault::File,
    }
}
