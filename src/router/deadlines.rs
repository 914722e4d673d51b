//! When each virtual router wants its timer: the earliest at a glance, and those that are due in the order of their slots,
//! without a look at the others.

use super::Slot;
use crate::limits::VIRTUAL_ROUTERS_MAX;
use crate::time::Instant;

/// A leaf for each slot.
const LEAVES: usize = VIRTUAL_ROUTERS_MAX.next_power_of_two();

/// The root of the tree. Below the node `n` are `2 n` and `2 n + 1`, and the leaves are the last ones.
const ROOT: usize = 1;

/// A binary tree, each of whose nodes knows whose deadline is the earliest below it: a change costs as many steps as the tree
/// has levels.
#[derive(Debug, Clone)]
pub(super) struct Deadlines {
    all: [Option<Instant>; VIRTUAL_ROUTERS_MAX],
    /// Of each node above the leaves, counted from the first slot below it.
    earliest: [u16; LEAVES],
}

impl Deadlines {
    /// Nobody waits for anything. All zeros.
    pub(super) const fn new() -> Self {
        Self { all: [None; VIRTUAL_ROUTERS_MAX], earliest: [0; LEAVES] }
    }

    /// The earliest of all.
    pub(super) fn first(&self) -> Option<Instant> {
        self.of(self.winner(ROOT, Slot(0)))
    }

    /// That of one virtual router.
    pub(super) fn of(&self, slot: Slot) -> Option<Instant> {
        self.all.get(usize::from(slot.0)).copied().flatten()
    }

    /// A virtual router waits for another moment now.
    pub(super) fn set(&mut self, slot: Slot, at: Option<Instant>) {
        let Some(entry) = self.all.get_mut(usize::from(slot.0)) else { return };
        if core::mem::replace(entry, at) == at {
            return;
        }
        let (mut winner, mut first) = (slot, at);
        for height in 0..LEAVES.ilog2() {
            let node = leaf(slot) >> height;
            let other = self.winner(node ^ 1, Slot((slot.0 >> height ^ 1) << height));
            let its = self.of(other);
            if is_before(its, first) {
                (winner, first) = (other, its);
            }
            let offset = winner.0 - (slot.0 >> (height + 1) << (height + 1));
            let Some(entry) = self.earliest.get_mut(node / 2) else { return };
            if core::mem::replace(entry, offset) == offset && winner != slot {
                return; // What is above has nothing to do with it.
            }
        }
    }

    /// The first slot, from this one on, whose deadline has come.
    pub(super) fn due(&self, from: Slot, now: Instant) -> Option<Slot> {
        let is_due = |node| self.at(node).is_some_and(|at| at <= now);
        let mut node = leaf(from);
        if node >= 2 * LEAVES {
            return None;
        }
        loop {
            // Up to the largest part of the tree that begins here, and if nothing is due in it, on to its neighbour. Behind
            // the last one of a level the next level begins.
            node >>= node.trailing_zeros();
            if is_due(node) {
                break;
            }
            node += 1;
            if node.is_power_of_two() {
                return None;
            }
        }
        while node < LEAVES {
            node *= 2;
            node += usize::from(!is_due(node));
        }
        Some(Slot((node - LEAVES) as u16))
    }

    fn at(&self, node: usize) -> Option<Instant> {
        let levels = node.leading_zeros() - LEAVES.leading_zeros();
        self.of(self.winner(node, Slot(((node << levels) - LEAVES) as u16)))
    }

    /// Whose deadline is the earliest from this node down, where this slot is the first.
    fn winner(&self, node: usize, Slot(first): Slot) -> Slot {
        Slot(first + self.earliest.get(node).copied().unwrap_or(0))
    }
}

fn is_before(one: Option<Instant>, other: Option<Instant>) -> bool {
    one.is_some_and(|one| other.is_none_or(|other| one < other))
}

const fn leaf(slot: Slot) -> usize {
    LEAVES + slot.0 as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn at(secs: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(secs))
    }

    #[test]
    fn nobody_is_due_where_nobody_waits() {
        let deadlines = Deadlines::new();
        assert_eq!(deadlines.first(), None);
        assert_eq!(deadlines.due(Slot(0), Instant::END), None);
    }

    #[test]
    fn a_deadline_is_due_from_its_moment_on() {
        let mut deadlines = Deadlines::new();
        deadlines.set(Slot(3), Some(at(5)));
        assert_eq!(deadlines.first(), Some(at(5)));
        assert_eq!(deadlines.due(Slot(0), at(4)), None);
        assert_eq!(deadlines.due(Slot(0), at(5)), Some(Slot(3)));
        assert_eq!(deadlines.due(Slot(3), at(5)), Some(Slot(3)));
        assert_eq!(deadlines.due(Slot(4), at(5)), None, "only from this slot on");
    }

    #[test]
    fn the_last_slot_is_one_as_any() {
        let last = Slot(VIRTUAL_ROUTERS_MAX as u16 - 1);
        let mut deadlines = Deadlines::new();
        deadlines.set(last, Some(at(5)));
        assert_eq!(deadlines.due(Slot(0), at(5)), Some(last));
        assert_eq!(deadlines.due(last, at(5)), Some(last));
        assert_eq!(deadlines.due(Slot(last.0 + 1), at(5)), None, "as the loop over all of them asks");
    }

    /// Whatever is set in whatever order, it says what a look at each one says.
    #[test]
    fn it_agrees_with_a_plain_scan() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut deadlines = Deadlines::new();
        let mut plain = [None; VIRTUAL_ROUTERS_MAX];
        for _ in 0..20_000 {
            let slot = random.usize(..VIRTUAL_ROUTERS_MAX);
            plain[slot] = random.bool().then(|| at(random.u64(..50)));
            deadlines.set(Slot(slot as u16), plain[slot]);
            assert_eq!(deadlines.of(Slot(slot as u16)), plain[slot]);
            assert_eq!(deadlines.first(), plain.iter().flatten().min().copied());

            let (from, now) = (random.usize(..VIRTUAL_ROUTERS_MAX), at(random.u64(..50)));
            let due = (from..VIRTUAL_ROUTERS_MAX).find(|slot| plain[*slot].is_some_and(|at| at <= now));
            assert_eq!(deadlines.due(Slot(from as u16), now), due.map(|slot| Slot(slot as u16)));
        }
    }
}
