//! `no_accept`: when the packet filter is looked at beside [`Effect::Claim`] and [`Effect::Release`].

use super::{Effect, Router, Turn};
use crate::config::Instance;
use crate::say::warn;

/// errno of a kernel that has no packet filter of this kind, and will not have one in a second.
const EOPNOTSUPP: [i32; 3] = [95, 122, 223]; // everywhere but MIPS, MIPS, PA-RISC
const EPROTONOSUPPORT: [i32; 2] = [93, 120]; // everywhere but MIPS, MIPS

/// The last refusal, so that it is said once. All zeros at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said([i32; cfg!(feature = "no-accept") as usize]);

impl Said {
    pub(super) const NOTHING: Self = Self([0; cfg!(feature = "no-accept") as usize]);

    /// Whether it is another one than the last.
    fn is_new(&mut self, errno: i32) -> bool {
        self.0.first_mut().is_some_and(|last| core::mem::replace(last, errno) != errno)
    }
}

impl Router {
    /// Everything has been listed, at start, after a reload or because something was refused: what a crash has left is
    /// taken away, and what is not there is made.
    pub(super) fn filter_all(&self, turn: &mut Turn<'_>) {
        if !cfg!(feature = "no-accept") {
            return;
        }
        for slot in self.slots() {
            let instance = self.member(slot).and_then(|member| self.instance_of(member));
            if instance.is_some_and(|instance| instance.acceptance.is_refused()) {
                turn.push(Effect::Filter(slot));
            }
        }
    }

    /// The packet filter has not been changed: packets to the addresses are accepted.
    pub(super) fn filter_refused(&mut self, turn: &Turn<'_>, errno: i32) {
        if !cfg!(feature = "no-accept") {
            return;
        }
        if self.sync.filter.is_new(errno) {
            warn!(
                "no_accept: packets to the virtual addresses are accepted, since the kernel's packet filter (nf_tables) \
                 refuses with errno {errno}"
            );
        }
        if !EOPNOTSUPP.contains(&errno) && !EPROTONOSUPPORT.contains(&errno) {
            self.sync.retry_after(turn.now);
        }
    }
}

/// Whether a reload takes the filter away from a virtual router that stays.
pub(super) const fn is_unfiltered(before: &Instance, after: &Instance) -> bool {
    cfg!(feature = "no-accept") && before.acceptance.is_refused() && !after.acceptance.is_refused()
}
