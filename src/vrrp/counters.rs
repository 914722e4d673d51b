//! What a virtual router counts. Counters start at zero with the daemon and wrap.

use crate::wire::vrrp::Discard;

/// Counts since the daemon started; a reload keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Advertisements sent (one per interval or answer, however many unicast peers it went to).
    pub sent: u32,
    /// Of these, with priority 0.
    pub sent_zero: u32,
    /// Advertisements accepted.
    pub received: u32,
    /// Of these, with priority 0.
    pub received_zero: u32,
    /// Of these, with another interval than ours, which version 3 learns (RFC 9568 §7.1; RX18).
    pub other_interval: u32,
    /// Accepted while we were master and were to stay it: somebody else believed to be master.
    pub contended: u32,
    /// Transitions into master.
    pub became_master: u32,
    /// Transitions out of master.
    pub released_master: u32,
    /// Bursts of gratuitous ARP or neighbour advertisements.
    pub announced: u32,
    /// Virtual addresses that somebody else removed and we put back.
    pub put_back: u32,
    /// Adverts that could not be sent on its device, in its family.
    pub failed: u32,
    discards: [u32; Discard::ALL.len()],
}

impl Counters {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sent: 0,
            sent_zero: 0,
            received: 0,
            received_zero: 0,
            other_interval: 0,
            contended: 0,
            became_master: 0,
            released_master: 0,
            announced: 0,
            put_back: 0,
            failed: 0,
            discards: [0; Discard::ALL.len()],
        }
    }

    /// Hands every count to `visit`, always in the same order.
    pub(crate) fn each(&mut self, visit: &mut dyn FnMut(&mut u32)) {
        let Self {
            sent,
            sent_zero,
            received,
            received_zero,
            other_interval,
            contended,
            became_master,
            released_master,
            announced,
            put_back,
            failed,
            discards,
        } = self;
        for count in [
            sent,
            sent_zero,
            received,
            received_zero,
            other_interval,
            contended,
            became_master,
            released_master,
            announced,
            put_back,
            failed,
        ] {
            visit(count);
        }
        discards.iter_mut().for_each(visit);
    }

    /// Counts a packet that was dropped, and returns how many were for this reason.
    pub fn discard(&mut self, reason: Discard) -> u32 {
        let Some(counter) = self.discards.get_mut(reason as usize) else { return 0 };
        count(counter);
        *counter
    }

    /// How many packets were dropped for `reason`.
    #[must_use]
    pub fn discarded(&self, reason: Discard) -> u32 {
        self.discards.get(reason as usize).copied().unwrap_or(0)
    }

    /// Counts of all reasons, in the order of [`Discard::ALL`].
    #[must_use]
    pub const fn discards(&self) -> &[u32; Discard::ALL.len()] {
        &self.discards
    }
}

/// Adds one, wrapping: no count is worth a panic.
pub(crate) const fn count(counter: &mut u32) {
    *counter = counter.wrapping_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RX22: every reason has a counter of its own, in the order in which they are listed.
    #[test]
    fn rx22_every_reason_for_a_discard_is_counted_apart() {
        for (position, reason) in Discard::ALL.into_iter().enumerate() {
            let mut counters = Counters::default();
            counters.discard(reason);
            assert_eq!(counters.discarded(reason), 1);
            assert_eq!(counters.discards()[position], 1);
            assert_eq!(counters.discards().iter().sum::<u32>(), 1);
        }
    }
}
