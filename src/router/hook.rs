//! When a hook script is due, and with what words.
//!
//! Scripts of one owner never overlap. While one runs, only the fact that something newer is to be said is
//! kept; when it has ended, the newest state is said. So the last run always tells the last state.

use core::fmt;
use core::ops::Range;

use super::track_hooks::track_hook;
use super::{Effect, HookOwner, Router, Slot, Ticket, Turn};
use crate::config::{Config, Text, TrackHook, Tracked};
use crate::limits;
use crate::probe;
use crate::vrrp::{Cause, Fault, State, VirtualRouter};

/// What was last said for every owner.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    /// The instances, then the groups, then what is tracked; see [`HookOwner::place`].
    all: [Report; OWNERS_MAX],
    last_ticket: u16,
}

const OWNERS_MAX: usize = limits::INSTANCES_MAX + limits::GROUPS_MAX + limits::TRACK_HOOKS_MAX;

impl HookOwner {
    /// Where it stands in a table of all owners.
    const fn place(self) -> usize {
        match self {
            Self::Instance(index) => index as usize,
            Self::Group(index) => limits::INSTANCES_MAX + index as usize,
            Self::Thing(index) if cfg!(feature = "track-hooks") => {
                limits::INSTANCES_MAX + limits::GROUPS_MAX + index as usize
            }
            Self::Thing(_) => OWNERS_MAX,
        }
    }

    /// Who stands there; `None`: nobody in this configuration.
    fn at(place: usize, config: &Config) -> Option<Self> {
        // The casts lose nothing: `limits` bounds the counts.
        let Some(group) = place.checked_sub(limits::INSTANCES_MAX) else {
            return (place < config.instances.len()).then_some(Self::Instance(place as u16));
        };
        if cfg!(feature = "track-hooks")
            && let Some(thing) = group.checked_sub(limits::GROUPS_MAX)
        {
            return (thing < config.track_hooks.len()).then_some(Self::Thing(thing as u8));
        }
        (group < config.groups.len()).then_some(Self::Group(group as u8))
    }

    /// Its name and its script; empty: it has no script of its own.
    fn texts(self, config: &Config) -> Option<(Text, Text)> {
        match self {
            Self::Instance(index) => {
                let instance = config.instances.get(usize::from(index))?;
                Some((instance.name, instance.notify))
            }
            Self::Group(index) => {
                let group = config.groups.get(usize::from(index))?;
                Some((group.name, group.notify))
            }
            Self::Thing(index) => {
                let hook = track_hook(config, index)?;
                Some((hook.name, hook.notify))
            }
        }
    }

    fn name(self, config: &Config) -> &str {
        self.texts(config).map_or("", |(name, _)| config.text(name))
    }

    /// FNV-1a of kind and name, hardly ever 0: two owners that agree in it would share their script's runs.
    fn hash(self, config: &Config) -> u32 {
        let mut hash: u32 = 0x811c_9dc5;
        let [only, service] = self.distinctions(config);
        for text in [self.kind(config), self.name(config), only, service] {
            for byte in text.bytes() {
                hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            }
        }
        hash
    }

    /// What two owners of one name differ in: a script for one standing alone from that for the other, and a real server
    /// by its virtual server.
    fn distinctions(self, config: &Config) -> [&str; 2] {
        let Self::Thing(index) = self else { return ["", ""] };
        let Some(hook) = track_hook(config, index).filter(|_| cfg!(feature = "ipvs")) else {
            return ["", ""];
        };
        let service = match hook.what {
            Tracked::Server(server) => config.service_name(server),
            Tracked::Link(_)
            | Tracked::Route(_)
            | Tracked::Probe(_)
            | Tracked::Bfd(_)
            | Tracked::Service(_)
            | Tracked::File(_) => "",
        };
        [hook.only.map_or("", probe::Standing::name), service]
    }

    /// TYPE of its script; no kind begins with another one.
    fn kind(self, config: &Config) -> &'static str {
        match self {
            Self::Instance(_) => "INSTANCE",
            Self::Group(_) => "GROUP",
            Self::Thing(index) => track_hook(config, index).map_or("", TrackHook::kind),
        }
    }
}

/// What was last said for one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    /// Hash of the owner's name; 0: the entry is free.
    owner: u32,
    pub(super) said: Standing,
    pub(super) before: Standing,
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Idle,
    Running(Ticket),
    /// Running, and something newer is to be said afterwards.
    Outdated(Ticket),
}

/// Where an instance or group stands, as users of hooks see it; the worse, the greater. Or where what is tracked does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing was said yet. The first, so that a table of these is all zeros.
    Unsaid,
    /// Every virtual router of it is master.
    Master,
    /// All take part, and not all are master.
    Backup,
    /// Not all take part.
    Fault,
    /// The daemon is ending, or the section was taken out.
    Stop,
    /// No state: master, and about to claim the addresses.
    Claim,
    /// Of what is tracked.
    Up,
    /// Of what is tracked.
    Down,
    /// Of a tracked file: it has a number, which [`Hook::number`] tells.
    Number,
}

impl Standing {
    /// `MASTER`, `BACKUP`, `FAULT`, `STOP`, `CLAIM`, `UP`, `DOWN`; empty if nothing was said, or a number.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unsaid => "",
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Claim => "CLAIM",
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Number => "",
        }
    }
}

impl Report {
    const NONE: Self = Self { owner: 0, said: Standing::Unsaid, before: Standing::Unsaid, run: Run::Idle };
}

impl Reports {
    pub(super) const fn new() -> Self {
        Self { all: [Report::NONE; OWNERS_MAX], last_ticket: 0 }
    }

    /// Whether nothing is running and nothing is left to be said.
    pub(super) fn are_delivered(&self) -> bool {
        self.all.iter().all(|report| report.run == Run::Idle)
    }

    /// Puts the table into the order of another configuration: what was said stays said, by name.
    #[inline(never)] // A copy of the table lies in the stack.
    pub(super) fn rename(&mut self, new: &Config) {
        let before = self.all;
        self.all = [Report::NONE; OWNERS_MAX];
        for (place, report) in self.all.iter_mut().enumerate() {
            let Some(owner) = HookOwner::at(place, new) else { continue };
            let owner = owner.hash(new);
            let known = before.iter().find(|report| report.owner == owner);
            *report = known.copied().unwrap_or(Report { owner, ..Report::NONE });
        }
        // In free places stay those that are gone and whose script still runs: if they come back, it must end first.
        for gone in &before {
            let (Run::Running(ticket) | Run::Outdated(ticket)) = gone.run else { continue };
            if self.all.iter().all(|report| report.owner != gone.owner)
                && let Some(free) = self.all.iter_mut().find(|report| report.owner == 0)
            {
                *free = Report { run: Run::Running(ticket), ..*gone };
            }
        }
    }

    /// A script of this owner is started, which others of it have to wait for.
    pub(super) fn begin(&mut self, owner: HookOwner) -> Ticket {
        let ticket = self.next_ticket();
        if let Some(report) = self.all.get_mut(owner.place())
            && report.run == Run::Idle
        {
            report.run = Run::Running(ticket);
        }
        ticket
    }

    fn next_ticket(&mut self) -> Ticket {
        self.last_ticket = self.last_ticket.wrapping_add(1);
        Ticket(self.last_ticket)
    }
}

/// One run of a hook script: what stands in its environment.
#[derive(Debug, Clone, Copy)]
pub struct Hook<'a> {
    /// Path of the script.
    pub script: &'a str,
    /// TYPE: `INSTANCE` or `GROUP`, or what [`TrackHook::kind`] says.
    pub kind: &'static str,
    /// NAME.
    pub name: &'a str,
    /// STATE, and ACTION with `NOTIFY_` before it.
    pub standing: Standing,
    /// STATE of a tracked file, whose ACTION is `NOTIFY`.
    pub number: Option<i32>,
    /// PREVIOUS: the standing that was said before.
    pub previous: Standing,
    /// REASON: why the state was entered. `None`: it is that of something tracked, which has no priority either.
    pub cause: Option<Cause>,
    /// PRIORITY at the moment, with tracked weights.
    pub priority: u8,
    /// INTERFACE; empty for a group, and for what is tracked and no link.
    pub interface: &'a str,
}

impl fmt::Display for Hook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kind, self.name, self.standing.name())?;
        match self.number {
            Some(number) if cfg!(feature = "track-hooks") => write!(f, "{number}"),
            Some(_) | None => Ok(()),
        }
    }
}

impl Router {
    /// Whose run this is; `None` if a reload has taken the owner out meanwhile.
    #[must_use]
    pub fn owner_of(&self, run: Ticket) -> Option<HookOwner> {
        let is_it = |report: &Report| matches!(report.run, Run::Running(it) | Run::Outdated(it) if it == run);
        HookOwner::at(self.reports.all.iter().position(is_it)?, &self.config)
    }

    /// What the hook script of this owner is to be told now; `None` if it has none.
    #[must_use]
    pub fn hook(&self, owner: HookOwner) -> Option<Hook<'_>> {
        self.hook_of(owner, self.script(owner)?)
    }

    /// A hook of this owner, as it stands.
    pub(super) fn hook_of<'a>(&'a self, owner: HookOwner, script: &'a str) -> Option<Hook<'a>> {
        let report = self.reports.all.get(owner.place())?;
        if cfg!(feature = "track-hooks")
            && let HookOwner::Thing(thing) = owner
        {
            return self.hook_of_thing(thing, script, report);
        }
        // Who moves only because others do has nothing to tell.
        let is_first_mover = |slot| {
            let cause = self.virtual_router(slot).map(VirtualRouter::cause);
            !matches!(cause, Some(Cause::Companion | Cause::Fault(Fault::Companion)))
        };
        let mut slot = None;
        for candidate in self.slots().filter(|slot| self.belongs_to(*slot, owner)) {
            if is_first_mover(candidate) {
                slot = Some(candidate);
                break;
            }
            slot = slot.or(Some(candidate));
        }
        let slot = slot?;
        let view = self.view(slot)?;
        Some(Hook {
            script,
            kind: owner.kind(&self.config),
            name: owner.name(&self.config),
            standing: report.said,
            number: None,
            previous: report.before,
            cause: Some(view.virtual_router().cause()),
            priority: view.rules.priority,
            interface: match owner {
                HookOwner::Instance(_) => self.config.interface_name(view.instance.interface),
                HookOwner::Group(_) | HookOwner::Thing(_) => "",
            },
        })
    }

    /// Looks whether something new is to be said, and says it where nothing is being said already.
    pub(super) fn report(&mut self, turn: &mut Turn<'_>) {
        if !core::mem::take(&mut self.moved) {
            return;
        }
        let count = self.members.len();
        for place in 0..count + OWNERS_MAX - limits::INSTANCES_MAX {
            // First the instances of which a virtual router has moved; the other one is beside it. Then all others.
            let (owner, slots) = match self.members.get_mut(place) {
                Some(member) => {
                    let moved = core::mem::take(&mut member.moved);
                    let owner = HookOwner::Instance(member.instance);
                    (moved.then_some(owner), place.saturating_sub(1)..place + 2)
                }
                None => (HookOwner::at(place - count + limits::INSTANCES_MAX, &self.config), 0..count),
            };
            if let Some(owner) = owner {
                self.report_owner(turn, owner, slots);
            }
        }
    }

    /// A script has ended: if something newer is to be said, say it.
    pub(super) fn hook_ended(&mut self, turn: &mut Turn<'_>, ticket: Ticket) {
        let next = self.reports.next_ticket();
        for (place, report) in self.reports.all.iter_mut().enumerate() {
            match report.run {
                Run::Running(running) if running == ticket => report.run = Run::Idle,
                Run::Outdated(running) if running == ticket => {
                    let Some(owner) = HookOwner::at(place, &self.config) else { continue };
                    report.run = Run::Running(next);
                    turn.push(Effect::Notify(owner, next));
                }
                Run::Idle | Run::Running(_) | Run::Outdated(_) => {}
            }
        }
    }

    fn report_owner(&mut self, turn: &mut Turn<'_>, owner: HookOwner, slots: Range<usize>) {
        let standing = match self.standing(owner, slots) {
            // None of it goes on.
            Some(Standing::Unsaid) => Standing::Stop,
            Some(standing) => standing,
            None => return,
        };
        self.tell(turn, owner, standing, false);
    }

    /// Says where an owner stands, if that is news or the same `again`.
    pub(super) fn tell(&mut self, turn: &mut Turn<'_>, owner: HookOwner, standing: Standing, again: bool) {
        let has_script = self.script(owner).is_some() && self.concerns(owner, standing);
        let Reports { all, last_ticket } = &mut self.reports;
        let Some(report) = all.get_mut(owner.place()) else { return };
        if report.said == standing && !again {
            return;
        }
        *last_ticket = last_ticket.wrapping_add(1);
        let next = Ticket(*last_ticket);
        report.before = report.said;
        report.said = standing;
        match report.run {
            Run::Idle if has_script => {
                report.run = Run::Running(next);
                turn.push(Effect::Notify(owner, next));
            }
            Run::Running(ticket) | Run::Outdated(ticket) => {
                report.run = if has_script { Run::Outdated(ticket) } else { Run::Running(ticket) };
            }
            Run::Idle => {}
        }
    }

    /// Where an owner stands, whose virtual routers are among these slots; `None` while that cannot be said yet.
    fn standing(&self, owner: HookOwner, slots: Range<usize>) -> Option<Standing> {
        if cfg!(feature = "track-hooks")
            && let HookOwner::Thing(thing) = owner
        {
            return self.standing_of_thing(thing);
        }
        let mut standing = None;
        for slot in slots.map(|slot| Slot(slot as u16)).filter(|slot| self.belongs_to(*slot, owner)) {
            let this = match self.virtual_router(slot)?.state() {
                State::Initialize { fault: Fault::Starting | Fault::StartupDelay } => return None,
                // Taken out by a reload, while others of this owner go on: they speak for it.
                State::Initialize { fault: Fault::Stopped } if !self.stopping => Standing::Unsaid,
                State::Initialize { fault: Fault::Stopped } => Standing::Stop,
                State::Initialize { .. } => Standing::Fault,
                State::Backup { .. } => Standing::Backup,
                State::Master { .. } => Standing::Master,
            };
            // The worst of all; what was taken out counts only where nothing else is.
            standing = standing.max(Some(this));
        }
        standing
    }

    fn script(&self, owner: HookOwner) -> Option<&str> {
        let (_, own) = owner.texts(&self.config)?;
        let script = match owner {
            HookOwner::Thing(_) if cfg!(feature = "track-hooks") => own,
            HookOwner::Instance(_) | HookOwner::Group(_) | HookOwner::Thing(_) if own.is_empty() => {
                self.config.globals.notify
            }
            HookOwner::Instance(_) | HookOwner::Group(_) | HookOwner::Thing(_) => own,
        };
        (!script.is_empty()).then(|| self.config.text(script))
    }

    /// Whether its script is to be told of this standing.
    fn concerns(&self, owner: HookOwner, standing: Standing) -> bool {
        let HookOwner::Thing(index) = owner else { return true };
        if !cfg!(feature = "ipvs") {
            return true;
        }
        let only = track_hook(&self.config, index).and_then(|hook| hook.only);
        only.is_none_or(|only| (only == probe::Standing::Up) == (standing == Standing::Up))
    }

    fn belongs_to(&self, slot: Slot, owner: HookOwner) -> bool {
        let Some(member) = self.member(slot) else { return false };
        match owner {
            HookOwner::Instance(index) => member.instance == index,
            HookOwner::Group(index) => {
                let group = self.instance_of(member).and_then(|instance| instance.group);
                group.is_some_and(|group| group.0 == index)
            }
            HookOwner::Thing(_) => false,
        }
    }
}
