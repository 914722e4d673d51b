//! When a hook script is due, and with what words.
//!
//! Scripts of one owner never overlap. While one runs, only the fact that something newer is to be said is
//! kept; when it has ended, the newest state is said. So the last run always tells the last state.

use core::fmt;

use super::{Effect, Effects, HookOwner, Router, Ticket, push};
use crate::config::{Config, Text};
use crate::limits;
use crate::vrrp::{Cause, Fault, State, VirtualRouter};

/// What was last said for every owner.
#[derive(Debug, Clone)]
pub(super) struct Reports {
    instances: [Report; limits::INSTANCES_MAX],
    groups: [Report; limits::GROUPS_MAX],
    last_ticket: u16,
}

/// What was last said for one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Report {
    said: Standing,
    before: Standing,
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Idle,
    Running(Ticket),
    /// Running, and something newer is to be said afterwards.
    Outdated(Ticket),
}

/// Where an instance or group stands, as users of hooks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

impl Standing {
    /// `MASTER`, `BACKUP`, `FAULT`, `STOP`; empty if nothing was said.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unsaid => "",
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
        }
    }
}

impl Report {
    const NONE: Self = Self { said: Standing::Unsaid, before: Standing::Unsaid, run: Run::Idle };
}

impl Reports {
    pub(super) const fn new() -> Self {
        Self {
            instances: [Report::NONE; limits::INSTANCES_MAX],
            groups: [Report::NONE; limits::GROUPS_MAX],
            last_ticket: 0,
        }
    }

    /// Whether nothing is running and nothing is left to be said.
    pub(super) fn are_delivered(&self) -> bool {
        self.instances.iter().chain(&self.groups).all(|report| report.run == Run::Idle)
    }

    /// The table for another configuration: what was said stays said, by name.
    pub(super) fn renamed(&self, old: &Config, new: &Config) -> Self {
        let mut reports = Self { last_ticket: self.last_ticket, ..Self::new() };
        for (report, instance) in reports.instances.iter_mut().zip(&new.instances) {
            let name = new.text(instance.name);
            let known = old.instances.iter().position(|instance| old.text(instance.name) == name);
            *report = known.and_then(|index| self.instances.get(index)).copied().unwrap_or(Report::NONE);
        }
        for (report, group) in reports.groups.iter_mut().zip(&new.groups) {
            let name = new.text(group.name);
            let known = old.groups.iter().position(|group| old.text(group.name) == name);
            *report = known.and_then(|index| self.groups.get(index)).copied().unwrap_or(Report::NONE);
        }
        reports
    }

    fn of(&mut self, owner: HookOwner) -> Option<&mut Report> {
        match owner {
            HookOwner::Instance(index) => self.instances.get_mut(usize::from(index)),
            HookOwner::Group(index) => self.groups.get_mut(usize::from(index)),
        }
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
    /// TYPE: `INSTANCE` or `GROUP`.
    pub kind: &'static str,
    /// NAME.
    pub name: &'a str,
    /// STATE, and ACTION with `NOTIFY_` before it.
    pub standing: Standing,
    /// PREVIOUS: the standing that was said before.
    pub previous: Standing,
    /// REASON: why the state was entered.
    pub cause: Cause,
    /// PRIORITY at the moment, with tracked weights.
    pub priority: u8,
    /// INTERFACE; empty for a group.
    pub interface: &'a str,
}

impl fmt::Display for Hook<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.kind, self.name, self.standing.name())
    }
}

impl Router {
    /// Whose run this is; `None` if a reload has taken the owner out meanwhile.
    #[must_use]
    pub fn owner_of(&self, run: Ticket) -> Option<HookOwner> {
        let is_it = |report: &Report| matches!(report.run, Run::Running(it) | Run::Outdated(it) if it == run);
        let instance = self.reports.instances.iter().position(is_it);
        let group = || self.reports.groups.iter().position(is_it);
        let instance = instance.map(|index| HookOwner::Instance(index as u16));
        instance.or_else(|| group().map(|index| HookOwner::Group(index as u8)))
    }

    /// What the hook script of this owner is to be told now; `None` if it has none.
    #[must_use]
    pub fn hook(&self, owner: HookOwner) -> Option<Hook<'_>> {
        let script = self.script(owner);
        if script.is_empty() {
            return None;
        }
        let (kind, name, interface, report) = match owner {
            HookOwner::Instance(index) => {
                let instance = self.config.instances.get(usize::from(index))?;
                let interface = self.config.interface_name(instance.interface);
                let report = self.reports.instances.get(usize::from(index))?;
                ("INSTANCE", self.config.text(instance.name), interface, report)
            }
            HookOwner::Group(index) => {
                let group = self.config.groups.get(usize::from(index))?;
                ("GROUP", self.config.text(group.name), "", self.reports.groups.get(usize::from(index))?)
            }
        };
        // Who moves only because others do has nothing to tell.
        let is_first_mover = |slot: &super::Slot| {
            let cause = self.virtual_router(*slot).map(VirtualRouter::cause);
            !matches!(cause, Some(Cause::Companion | Cause::Fault(Fault::Companion)))
        };
        let mut slots = self.slots().filter(|slot| self.belongs_to(*slot, owner));
        let slot = slots.clone().find(is_first_mover).or_else(|| slots.next())?;
        let view = self.view(slot)?;
        Some(Hook {
            script: self.config.text(script),
            kind,
            name,
            standing: report.said,
            previous: report.before,
            cause: view.virtual_router().cause(),
            priority: view.rules.priority,
            interface,
        })
    }

    /// Looks whether something new is to be said, and says it where nothing is being said already.
    pub(super) fn report(&mut self, effects: &mut Effects) {
        if !core::mem::take(&mut self.moved) {
            return;
        }
        for index in 0..self.config.instances.len() {
            if let Ok(index) = u16::try_from(index) {
                self.report_owner(HookOwner::Instance(index), effects);
            }
        }
        for index in 0..self.config.groups.len() {
            if let Ok(index) = u8::try_from(index) {
                self.report_owner(HookOwner::Group(index), effects);
            }
        }
    }

    /// A script has ended: if something newer is to be said, say it.
    pub(super) fn hook_ended(&mut self, ticket: Ticket, effects: &mut Effects) {
        let instances = (0..self.config.instances.len() as u16).map(HookOwner::Instance);
        let groups = (0..self.config.groups.len() as u8).map(HookOwner::Group);
        let next = self.reports.next_ticket();
        for owner in instances.chain(groups) {
            let Some(report) = self.reports.of(owner) else { continue };
            match report.run {
                Run::Running(running) if running == ticket => report.run = Run::Idle,
                Run::Outdated(running) if running == ticket => {
                    report.run = Run::Running(next);
                    push(effects, Effect::Notify(owner, next));
                }
                Run::Idle | Run::Running(_) | Run::Outdated(_) => {}
            }
        }
    }

    fn report_owner(&mut self, owner: HookOwner, effects: &mut Effects) {
        let standing = match self.standing(owner) {
            // None of it goes on.
            Some(Standing::Unsaid) => Standing::Stop,
            Some(standing) => standing,
            None => return,
        };
        let has_script = !self.script(owner).is_empty();
        if self.reports.of(owner).is_none_or(|report| report.said == standing) {
            return;
        }
        let next = self.reports.next_ticket();
        let Some(report) = self.reports.of(owner) else { return };
        report.before = report.said;
        report.said = standing;
        match report.run {
            Run::Idle if has_script => {
                report.run = Run::Running(next);
                push(effects, Effect::Notify(owner, next));
            }
            Run::Running(ticket) => report.run = Run::Outdated(ticket),
            Run::Idle | Run::Outdated(_) => {}
        }
    }

    /// Where an owner stands; `None` while that cannot be said yet.
    fn standing(&self, owner: HookOwner) -> Option<Standing> {
        let mut standing = None;
        for slot in self.slots().filter(|slot| self.belongs_to(*slot, owner)) {
            let this = match self.virtual_router(slot)?.state() {
                State::Initialize { fault: Fault::Starting | Fault::StartupDelay } => return None,
                // Taken out by a reload, while others of this owner go on: they speak for it.
                State::Initialize { fault: Fault::Stopped } if !self.stopping => Standing::Unsaid,
                State::Initialize { fault: Fault::Stopped } => Standing::Stop,
                State::Initialize { .. } => Standing::Fault,
                State::Backup { .. } => Standing::Backup,
                State::Master { .. } => Standing::Master,
            };
            standing = match (standing, this) {
                (None | Some(Standing::Unsaid), this) => Some(this),
                (_, Standing::Unsaid) => standing,
                (Some(Standing::Stop), _) | (_, Standing::Stop) => Some(Standing::Stop),
                (Some(Standing::Fault), _) | (_, Standing::Fault) => Some(Standing::Fault),
                (Some(Standing::Backup), _) | (_, Standing::Backup) => Some(Standing::Backup),
                (Some(Standing::Master), Standing::Master) => Some(Standing::Master),
            };
        }
        standing
    }

    fn script(&self, owner: HookOwner) -> Text {
        let own = match owner {
            HookOwner::Instance(index) => {
                self.config.instances.get(usize::from(index)).map(|instance| instance.notify)
            }
            HookOwner::Group(index) => self.config.groups.get(usize::from(index)).map(|group| group.notify),
        };
        own.filter(|text| !text.is_empty()).unwrap_or(self.config.globals.notify)
    }

    fn belongs_to(&self, slot: super::Slot, owner: HookOwner) -> bool {
        let Some(member) = self.members.get(usize::from(slot.0)) else { return false };
        match owner {
            HookOwner::Instance(index) => member.instance == index,
            HookOwner::Group(index) => {
                let group = self.instance_of(member).and_then(|instance| instance.group);
                group.is_some_and(|group| group.0 == index)
            }
        }
    }
}
