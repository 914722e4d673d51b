//! Many virtual routers speak in waves, spread over their interval.
//!
//! Those that become master at once would speak at once from then on: hundreds of frames that a switch and the other
//! router have to take in, and when they fall silent, as many takeovers at one moment, each of which waits for all
//! before it. In waves, a takeover waits for its own wave.

use super::{Router, Slot};
use crate::limits::{SENDS_PER_BATCH_MAX, VIRTUAL_ROUTERS_MAX};
use crate::time::Instant;
use crate::vrrp::State;

/// Virtual routers that speak together: as many as one system call carries, and where there are hundreds, two.
const WAVE: u16 = SENDS_PER_BATCH_MAX as u16 * if VIRTUAL_ROUTERS_MAX > 64 { 2 } else { 1 };

impl Router {
    /// The virtual router in `slot` has become master: its first advert comes sooner than after an interval, if that is when
    /// its wave speaks.
    #[inline(never)]
    pub(super) fn fall_in(&mut self, now: Instant, slot: Slot) {
        // At most 1024 (`limits`).
        let count = self.members.len() as u16;
        if VIRTUAL_ROUTERS_MAX > WAVE as usize
            && count > WAVE
            && let Some(at) = self.wave_of(slot, count.div_ceil(WAVE), now)
            && let Some(member) = self.members.get_mut(usize::from(slot.0))
        {
            member.virtual_router.fall_in(at);
            self.deadlines.set(slot, member.virtual_router.poll_at());
        }
    }

    /// When the wave of this one speaks next: when its first does, who speaks a part of the interval after the first of the
    /// wave before. `None`: whoever would say so is not master, or has another interval.
    fn wave_of(&self, slot: Slot, waves: u16, now: Instant) -> Option<Instant> {
        let first = slot.0 - slot.0 % WAVE;
        let (leader, is_first) =
            if slot.0 == first { (first.checked_sub(WAVE)?, true) } else { (first, false) };
        let [member, leader] = [slot, Slot(leader)].map(|slot| self.member(slot));
        let interval = self.instance_of(member?)?.interval;
        if self.instance_of(leader?)?.interval != interval {
            return None;
        }
        let State::Master { advert_at, leaving: false, .. } = leader?.virtual_router.state() else {
            return None;
        };
        let mut at = *advert_at;
        if is_first {
            at = at + interval.span().part(waves);
            if at > now + interval.span() {
                at = Instant::from_origin(at.since_origin().saturating_sub(interval.span().duration()));
            }
        }
        (at > now).then_some(at)
    }
}
