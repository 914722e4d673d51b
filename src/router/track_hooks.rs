//! Hooks of what is tracked: where it stands, and what its script is told. When one is due is decided as for an instance,
//! see [`super::hook`].

use super::hook::{Hook, Report, Standing};
use super::{HookOwner, Router, Turn};
use crate::config::{Config, FileId, TrackHook, Tracked};
use crate::probe;

/// The hook at this place; `None` always in a build without the feature `track-hooks`.
pub(super) fn track_hook(config: &Config, index: u8) -> Option<&TrackHook> {
    if !cfg!(feature = "track-hooks") {
        return None;
    }
    config.track_hooks.get(usize::from(index))
}

impl Router {
    /// Where it stands. `None` while that is not known, and from when the daemon ends: nothing happens to the thing then,
    /// and who depends on it is told of that. Of a file every number is news: see [`Router::tell_of_file`].
    pub(super) fn standing_of_thing(&self, thing: u8) -> Option<Standing> {
        if self.stopping {
            return self.is_farewell(thing).then_some(Standing::Down);
        }
        let standing = match track_hook(&self.config, thing)?.what {
            Tracked::Link(interface) => self.links.standing(interface),
            Tracked::Probe(probe) => self.probes.standing(probe),
            Tracked::Route(route) => self.default_routes.standing(route),
            Tracked::Bfd(session) => self.bfd_standing(session),
            Tracked::Server(server) => self.server_standing(server),
            Tracked::Service(service) => self.service_standing(service),
            Tracked::File(_) => return None,
        };
        match standing {
            probe::Standing::Unknown => None,
            probe::Standing::Up => Some(Standing::Up),
            probe::Standing::Down => Some(Standing::Down),
        }
    }

    /// Whether its script is told that it is down when the daemon ends: `omega`.
    fn is_farewell(&self, thing: u8) -> bool {
        let service = match track_hook(&self.config, thing).map(|hook| hook.what) {
            Some(Tracked::Service(service)) => service,
            Some(Tracked::Server(server)) => match self.config.real_servers.get(usize::from(server.0)) {
                Some(server) => server.service,
                None => return false,
            },
            Some(
                Tracked::Link(_) | Tracked::Probe(_) | Tracked::Route(_) | Tracked::Bfd(_) | Tracked::File(_),
            )
            | None => return false,
        };
        self.config.virtual_servers.get(usize::from(service.0)).is_some_and(|service| service.is_omega)
    }

    /// A file has been read, and its number has `changed`. The first one is told, whatever it is.
    pub(super) fn tell_of_file(&mut self, turn: &mut Turn<'_>, file: FileId, changed: bool) {
        if self.stopping || !cfg!(feature = "track-hooks") {
            return;
        }
        // The cast loses nothing: `limits` bounds the count.
        for thing in 0..self.config.track_hooks.len() as u8 {
            if track_hook(&self.config, thing).is_some_and(|hook| hook.what == Tracked::File(file)) {
                self.tell(turn, HookOwner::Thing(thing), Standing::Number, changed);
            }
        }
    }

    /// What its script is told.
    pub(super) fn hook_of_thing<'a>(
        &'a self,
        thing: u8,
        script: &'a str,
        report: &Report,
    ) -> Option<Hook<'a>> {
        let hook = track_hook(&self.config, thing)?;
        let (number, interface) = match hook.what {
            Tracked::Link(interface) => (None, self.config.interface_name(interface)),
            Tracked::Probe(_)
            | Tracked::Route(_)
            | Tracked::Bfd(_)
            | Tracked::Server(_)
            | Tracked::Service(_) => (None, ""),
            Tracked::File(file) => (Some(self.number_in(file)), ""),
        };
        Some(Hook {
            script,
            kind: hook.kind(),
            name: self.config.text(hook.name),
            standing: report.said,
            number,
            previous: report.before,
            cause: None,
            priority: 0,
            interface,
        })
    }
}
