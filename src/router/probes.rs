//! The probes: when they are tried, and how they stand.

use core::time::Duration;

use super::{Effect, Router, TryTicket, Turn};
use crate::config::{self, Config, ProbeId};
use crate::limits::PROBES_MAX;
use crate::probe::{Probe, Rules, Standing};
use crate::say::info;
use crate::time::{Instant, earlier};

/// One entry for each of [`Config::probes`].
#[derive(Debug, Clone)]
pub(super) struct Probes {
    all: [Entry; PROBES_MAX],
    last_ticket: u16,
}

/// A probe, and its last try.
#[derive(Debug, Clone, Copy)]
struct Entry {
    probe: Probe,
    ticket: u16,
}

impl Entry {
    const NEW: Self = Self { probe: Probe::NEW, ticket: 0 };
}

impl Probes {
    pub(super) const fn new() -> Self {
        Self { all: [Entry::NEW; PROBES_MAX], last_ticket: 0 }
    }

    pub(super) fn standing(&self, probe: ProbeId) -> Standing {
        self.all.get(usize::from(probe.0)).map_or(Standing::Unknown, |entry| entry.probe.standing())
    }

    /// Puts the table into the order of another configuration: a probe stays the same by its name.
    #[inline(never)] // A copy of the table lies in the stack.
    pub(super) fn rename(&mut self, old: &Config, new: &Config) {
        let before = self.all;
        self.all = [Entry::NEW; PROBES_MAX];
        for (entry, probe) in self.all.iter_mut().zip(&new.probes) {
            let name = new.text(probe.name);
            let known = old.probes.iter().position(|other| old.text(other.name) == name);
            *entry = known.and_then(|position| before.get(position)).copied().unwrap_or(Entry::NEW);
        }
    }
}

impl config::Probe {
    const fn rules(&self) -> Rules {
        Rules {
            interval_secs: self.interval_secs,
            timeout_secs: self.timeout_secs,
            rise: self.rise,
            fall: self.fall,
            retry_secs: self.retry_secs,
        }
    }
}

impl Router {
    /// Whose try this is; `None` if a reload has taken the probe out meanwhile.
    #[must_use]
    pub fn probe_of(&self, ticket: TryTicket) -> Option<ProbeId> {
        let mut entries = self.probes.all.iter().take(self.config.probes.len());
        entries.position(|entry| entry.ticket == ticket.0).map(|position| ProbeId(position as u8))
    }

    /// How a probe stands.
    #[must_use]
    pub fn probe_standing(&self, probe: ProbeId) -> Standing {
        self.probes.standing(probe)
    }

    /// Lets those begin that have not.
    pub(super) fn begin_probes(&mut self, turn: &Turn<'_>) {
        let spread = self.config.probes.iter().filter(|probe| probe.spread_secs > 0).count() as u32;
        let mut place = 0;
        for (entry, config) in self.probes.all.iter_mut().zip(&self.config.probes) {
            let step_ms = (u32::from(config.spread_secs) * 1000).checked_div(spread).unwrap_or(0);
            entry.probe.begin(turn.now, config.start, Duration::from_millis(u64::from(place * step_ms)));
            place += u32::from(config.spread_secs > 0);
        }
    }

    pub(super) fn probes_poll_at(&self) -> Option<Instant> {
        if self.stopping {
            return None;
        }
        self.probes.all.iter().fold(None, |first, entry| earlier(first, entry.probe.poll_at()))
    }

    /// Starts what is due and gives up what takes too long. `true`: some probe has turned.
    pub(super) fn run_probes(&mut self, turn: &mut Turn<'_>) -> bool {
        let mut turned = false;
        if self.stopping || !cfg!(feature = "probe") {
            return false;
        }
        for (position, config) in self.config.probes.iter().enumerate() {
            let Some(entry) = self.probes.all.get_mut(position) else { continue };
            let outcome = entry.probe.timer(turn.now, &config.rules());
            if outcome.starts {
                self.probes.last_ticket = self.probes.last_ticket.wrapping_add(1);
                entry.ticket = self.probes.last_ticket;
                turn.push(Effect::Try(ProbeId(position as u8), TryTicket(entry.ticket)));
            }
            if outcome.turned {
                say(&self.config, config, entry.probe.standing());
                turned = true;
            }
        }
        turned
    }

    /// A try has ended.
    pub(super) fn tried(&mut self, turn: &mut Turn<'_>, ticket: TryTicket, is_success: bool) {
        if !cfg!(feature = "probe") {
            return;
        }
        let Some(ProbeId(position)) = self.probe_of(ticket) else { return };
        let place = usize::from(position);
        let (Some(entry), Some(config)) = (self.probes.all.get_mut(place), self.config.probes.get(place))
        else {
            return;
        };
        if entry.probe.ended(turn.now, is_success, &config.rules()) {
            say(&self.config, config, entry.probe.standing());
            self.settle(turn);
        }
    }
}

fn say(config: &Config, probe: &config::Probe, standing: Standing) {
    info!("probe {} is {}", config.text(probe.name), standing.name());
}
