//! The probes: when they are tried, and how they stand.

use core::time::Duration;

use super::{Effect, Router, TryTicket, Turn};
use crate::config::{self, Config, ProbeId, Target};
use crate::limits::PROBES_MAX;
use crate::probe::{Probe, Rules, Standing};
use crate::say::info;
use crate::time::{Instant, earlier};

/// One entry for each of [`Config::probes`].
#[derive(Debug, Clone)]
pub(super) struct Probes {
    all: [Entry; PROBES_MAX],
    last_ticket: TryTicket,
}

/// A probe, and its try.
#[derive(Debug, Clone, Copy)]
struct Entry {
    probe: Probe,
    /// That of the try that goes on, or [`NOBODYS`].
    ticket: TryTicket,
    /// The last number from 2 on that the script of a weighing one has exited with; 0: none.
    said: u8,
}

/// The ticket of no try.
const NOBODYS: TryTicket = TryTicket(0);

impl Entry {
    const NEW: Self = Self { probe: Probe::NEW, ticket: NOBODYS, said: 0 };
}

impl Probes {
    pub(super) const fn new() -> Self {
        Self { all: [Entry::NEW; PROBES_MAX], last_ticket: NOBODYS }
    }

    /// A ticket that no try has.
    fn new_ticket(&mut self) -> TryTicket {
        loop {
            self.last_ticket = TryTicket(self.last_ticket.0.wrapping_add(1));
            let ticket = self.last_ticket;
            if ticket != NOBODYS && self.all.iter().all(|entry| entry.ticket != ticket) {
                return ticket;
            }
        }
    }

    pub(super) fn standing(&self, probe: ProbeId) -> Standing {
        self.all.get(usize::from(probe.0)).map_or(Standing::Unknown, |entry| entry.probe.standing())
    }

    /// Puts the table into the order of another configuration: a probe stays the same by its name, and that of its
    /// virtual server.
    #[inline(never)] // A copy of the table lies in the stack.
    pub(super) fn rename(&mut self, old: &Config, new: &Config) {
        let before = self.all;
        self.all = [Entry::NEW; PROBES_MAX];
        for (place, (entry, probe)) in self.all.iter_mut().zip(&new.probes).enumerate() {
            let name = (new.bytes(probe.name), new.owner_of(probe));
            let is_it = |other: &config::Probe| (old.bytes(other.name), old.owner_of(other)) == name;
            // Most have the place that they had.
            let stays = old.probes.get(place).is_some_and(is_it);
            let known = if stays { Some(place) } else { old.probes.iter().position(is_it) };
            *entry = known.and_then(|position| before.get(position)).copied().unwrap_or(Entry::NEW);
        }
    }
}

/// The rules of the probe at a place of the configuration.
fn rules(config: &Config, place: usize, probe: &config::Probe) -> Rules {
    // Whose silence is a success says so at the timeout, and must not be given up before.
    let target = config.targets.get(place);
    let grace_secs = u16::from(target.is_some_and(Target::is_content_with_silence));
    Rules {
        interval_secs: probe.interval_secs,
        timeout_secs: probe.timeout_secs.saturating_add(grace_secs),
        rise: probe.rise,
        fall: probe.fall,
        retry_secs: probe.retry_secs,
    }
}

impl Router {
    /// Whose try this is; `None` if a reload has taken the probe out meanwhile.
    #[must_use]
    pub fn probe_of(&self, ticket: TryTicket) -> Option<ProbeId> {
        if ticket == NOBODYS {
            return None;
        }
        let mut entries = self.probes.all.iter().take(self.config.probes.len());
        entries.position(|entry| entry.ticket == ticket).map(|position| ProbeId(position as u16))
    }

    /// How a probe stands.
    #[must_use]
    pub fn probe_standing(&self, probe: ProbeId) -> Standing {
        self.probes.standing(probe)
    }

    /// The last number from 2 on that its script has exited with, if it [is weighing](config::Probe::is_weighing):
    /// keepalived's `misc_dynamic`, where a server of weight w is asked for by w + 2.
    #[must_use]
    pub fn probe_said(&self, probe: ProbeId) -> Option<u8> {
        let place = usize::from(probe.0);
        let said = self.probes.all.get(place).map_or(0, |entry| entry.said);
        let is_weighing = self.config.probes.get(place).is_some_and(|probe| probe.is_weighing);
        (is_weighing && said > 0).then_some(said)
    }

    /// Tries it no more for now; it stands as it stood.
    pub(super) fn suspend_probe(&mut self, probe: ProbeId) {
        if let Some(entry) = self.probes.all.get_mut(usize::from(probe.0)) {
            entry.probe.suspend();
        }
    }

    /// Tries it again, if it was suspended.
    pub(super) fn resume_probe(&mut self, now: Instant, probe: ProbeId) {
        if let Some(entry) = self.probes.all.get_mut(usize::from(probe.0)) {
            entry.probe.resume(now);
        }
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
        let entries = self.probes.all.iter().take(self.config.probes.len());
        entries.fold(None, |first, entry| earlier(first, entry.probe.poll_at()))
    }

    /// Starts what is due and gives up what takes too long. `true`: some probe has turned.
    pub(super) fn run_probes(&mut self, turn: &mut Turn<'_>) -> bool {
        let mut turned = false;
        if self.stopping || !cfg!(feature = "probe") {
            return false;
        }
        for (position, config) in self.config.probes.iter().enumerate() {
            let Some(entry) = self.probes.all.get_mut(position) else { continue };
            let outcome = entry.probe.timer(turn.now, &rules(&self.config, position, config));
            if outcome.turned {
                say(&self.config, config, entry.probe.standing());
                turned = true;
            }
            if outcome.starts {
                let ticket = self.probes.new_ticket();
                turn.push(Effect::Try(ProbeId(position as u16), ticket));
                if let Some(entry) = self.probes.all.get_mut(position) {
                    entry.ticket = ticket;
                }
            }
        }
        turned
    }

    /// The script of a try has exited.
    pub(super) fn exited(&mut self, turn: &mut Turn<'_>, ticket: TryTicket, code: u8) {
        if !cfg!(feature = "probe") {
            return;
        }
        let place = self.probe_of(ticket).map(|probe| usize::from(probe.0));
        let is_weighing = |place: usize| self.config.probes.get(place).is_some_and(|probe| probe.is_weighing);
        let Some(place) = place.filter(|place| cfg!(feature = "ipvs") && is_weighing(*place)) else {
            return self.end_try(turn, ticket, Some(code == 0), false);
        };
        let mut says_another = false;
        if let Some(entry) = self.probes.all.get_mut(place)
            && code >= 2
        {
            says_another = entry.said != code;
            entry.said = code;
        }
        self.end_try(turn, ticket, Some(code != 1), says_another);
    }

    /// A try has ended; `None`: it could not be made for want of room.
    pub(super) fn tried(&mut self, turn: &mut Turn<'_>, ticket: TryTicket, is_success: Option<bool>) {
        self.end_try(turn, ticket, is_success, false);
    }

    /// The same; `says_another`: what is kept of what scripts have said is another number.
    fn end_try(
        &mut self,
        turn: &mut Turn<'_>,
        ticket: TryTicket,
        is_success: Option<bool>,
        says_another: bool,
    ) {
        if !cfg!(feature = "probe") {
            return;
        }
        let Some(ProbeId(position)) = self.probe_of(ticket) else { return };
        let place = usize::from(position);
        let (Some(entry), Some(config)) = (self.probes.all.get_mut(place), self.config.probes.get(place))
        else {
            return;
        };
        entry.ticket = NOBODYS;
        let Some(is_success) = is_success else { return entry.probe.postponed(turn.now) };
        let turned = entry.probe.ended(turn.now, is_success, &rules(&self.config, place, config));
        if turned {
            say(&self.config, config, entry.probe.standing());
        }
        if turned || says_another {
            self.settle(turn);
        }
    }
}

fn say(config: &Config, probe: &config::Probe, standing: Standing) {
    let ((kind, owner, slash), name) = (config.kind_of(probe), config.text(probe.name));
    info!("{kind}{owner}{slash}{name} is {}", standing.name());
}
