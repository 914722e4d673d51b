//! What is to be done before a new master claims its addresses: a script of the instance (conntrackd's commit, for one),
//! for which the claim waits, but not for long.

use super::{Effect, Hook, HookOwner, Router, Slot, Ticket, Turn, Verb};
use crate::limits::INSTANCES_MAX;
use crate::router::hook::Standing;

/// Instances that can have such a script; none in a build without the feature `claim-hook`.
const PREPARATIONS_MAX: usize = if cfg!(feature = "claim-hook") { INSTANCES_MAX } else { 0 };

/// The script that runs for each of [`Config::instances`](crate::config::Config::instances).
#[derive(Debug, Clone)]
pub(super) struct Preparations([Option<Ticket>; PREPARATIONS_MAX]);

impl Preparations {
    pub(super) const fn new() -> Self {
        Self([None; PREPARATIONS_MAX])
    }

    /// The instances have other places: whoever waits does so until its time is over.
    pub(super) fn forget(&mut self) {
        self.0.fill(None);
    }
}

impl Router {
    /// What the script of an instance is told before its addresses are claimed; `None` if it has none.
    #[must_use]
    pub fn claim_hook(&self, instance: u16) -> Option<Hook<'_>> {
        let owner = HookOwner::Instance(instance);
        let script = self.config.instances.get(usize::from(instance))?.claim_script;
        if script.is_empty() {
            return None;
        }
        let hook = self.hook_of(owner, self.config.text(script))?;
        // The new state may have been said already.
        let previous = if hook.standing == Standing::Master { hook.previous } else { hook.standing };
        Some(Hook { standing: Standing::Claim, previous, ..hook })
    }

    /// Starts the script, unless the other family of the instance has started it.
    pub(super) fn prepare_claim(&mut self, slot: Slot) -> Option<Effect> {
        let instance = self.member(slot)?.instance;
        let running = self.preparations.0.get_mut(usize::from(instance))?;
        if running.is_some() {
            return None;
        }
        let ticket = self.reports.begin(HookOwner::Instance(instance));
        *running = Some(ticket);
        Some(Effect::Prepare(instance, ticket))
    }

    /// A script has ended: if it was this one, the addresses are claimed.
    pub(super) fn prepared(&mut self, turn: &mut Turn<'_>, ticket: Ticket) {
        let mut running = self.preparations.0.iter_mut();
        let Some(instance) = running.position(|running| running.take_if(|it| *it == ticket).is_some()) else {
            return;
        };
        for slot in self.slots() {
            if self.member(slot).is_some_and(|member| usize::from(member.instance) == instance) {
                self.with(turn, slot, Verb::Prepared);
            }
        }
    }
}
