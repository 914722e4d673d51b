//! The dead man's switch: where a daemon that gives its addresses a lifetime is dead or held, nothing answers for them
//! once it has passed; and nothing is lost while it lives.

use core::net::IpAddr;

use vipd::config::Family;

use crate::clock::{MS, Nanos, SEC};
use crate::node::Node;
use crate::plan::Plan;

/// Linux looks once a second.
const KERNEL_LATENESS: Nanos = SEC;

/// When a daemon has installed what its configuration says, after something was done to it: it looks again in a second
/// at what was refused.
const SETTLED_AFTER: Nanos = 2500 * MS;

/// One node's daemon.
#[derive(Debug, Default, Clone, Copy)]
struct Watch {
    /// Since when nothing but the daemon has had its hand in it; `None`: what is installed is what the plans say.
    unsettled_at: Option<Nanos>,
    /// When it was killed or held, until that was looked at.
    silent_at: Option<Nanos>,
}

/// All of them.
#[derive(Debug, Default, Clone)]
pub struct Lifetimes {
    watches: Vec<Watch>,
    /// How often a dead router was seen without its addresses.
    pub seen: u64,
}

impl Lifetimes {
    /// Something happens to a node after which the kernel may not have what the plans say.
    pub fn unsettle(&mut self, node: usize, now: Nanos) {
        *self.watch(node) = Watch { unsettled_at: Some(now), silent_at: None };
    }

    /// Its daemon is killed or held.
    pub fn fell_silent(&mut self, node: usize, now: Nanos) {
        self.watch(node).silent_at.get_or_insert(now);
    }

    /// A daemon has had its turn.
    pub fn turn_ended(&mut self, now: Nanos, node: &Node) {
        let watch = self.watch(node.number);
        if !node.is_quiescent(now) {
            watch.unsettled_at =
                watch.unsettled_at.map(|at| if node.kernel.is_troubled(now) { now } else { at });
        } else if watch.unsettled_at.is_some_and(|at| now > at + SETTLED_AFTER) {
            watch.unsettled_at = None;
        }
    }

    /// A kernel has dropped addresses: a daemon that lives and can renew them has renewed them. An owner's are nobody
    /// else's, where the kernel keeps no marks: what a former run has put back for him is taken for his. And what a reload
    /// has taken out while the kernel refused to remove it is gone at last.
    pub fn dropped(&mut self, node: &Node, addresses: &[(usize, IpAddr)]) {
        let is_well = self.watch(node.number).unsettled_at.is_none() && node.is_running();
        for &(link, address) in addresses {
            let is_kept = |plan: &Plan| {
                let plays = plan.link == link && plan.addresses(Family::of(address)).contains(&address);
                plays && (node.kernel.keeps_marks || plan.priority < 255)
            };
            let is_to_stay = node.plans.iter().any(is_kept);
            assert!(!is_well || !is_to_stay, "node {} lives, and its kernel drops {address}", node.number);
        }
    }

    /// Looks at the hosts of those that are dead or held for longer than the lifetime of any address.
    pub fn look(&mut self, now: Nanos, nodes: &[Node]) {
        for (watch, node) in self.watches.iter_mut().zip(nodes) {
            let Some(silent_at) = watch.silent_at else { continue };
            let longest = node.plans.iter().map(|plan| plan.lifetime_secs).max().unwrap_or(0);
            if now <= silent_at + Nanos::from(longest) * SEC + KERNEL_LATENESS {
                continue;
            }
            watch.silent_at = None;
            if watch.unsettled_at.is_some() {
                continue;
            }
            for plan in node.plans.iter().filter(|plan| plan.lifetime_secs > 0) {
                has_nothing(node, plan);
                self.seen += 1;
            }
        }
    }

    fn watch(&mut self, node: usize) -> &mut Watch {
        if self.watches.len() <= node {
            self.watches.resize(node + 1, Watch::default());
        }
        &mut self.watches[node]
    }
}

fn has_nothing(node: &Node, plan: &Plan) {
    let link = &node.kernel.links[plan.link];
    for address in [Family::V4, Family::V6].into_iter().flat_map(|family| plan.addresses(family)) {
        let own = link.own.iter().any(|&(own, _)| own == address);
        let is_there = node.kernel.links.iter().any(|link| link.has(address));
        assert!(own || !is_there, "node {} is dead or held, and keeps {address}", node.number);
    }
}
