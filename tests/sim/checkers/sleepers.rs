//! Law 6 for a master: who was stopped for longer than the others wait, and finds another one's adverts when it goes on,
//! says nothing more: no advert, no resignation, no announcement; nor does what moves together with it.

use core::net::IpAddr;

use vipd::config::Family;

use super::frames;
use crate::clock::Nanos;
use crate::frame::{self, Content};
use crate::node::Node;
use crate::plan::Plan;

/// Clocks may go wrong by a twentieth.
const CLOCK_PER_CENT: Nanos = 106;

/// Virtual routers of nodes that have gone on and not ended their first turn: node, link, VRID, family and addresses.
#[derive(Debug, Default, Clone)]
pub struct Sleepers {
    muted: Vec<(usize, usize, u8, Family, Vec<IpAddr>)>,
    /// How often one was watched.
    pub seen: u64,
}

impl Sleepers {
    /// A node goes on that was stopped for so long. What it reads is in its kernel's buffers.
    pub fn wakes(&mut self, node: &Node, slept: Nanos) {
        let all = || node.plans.iter().flat_map(|plan| plan.families().map(move |family| (plan, family)));
        let has_slept = |plan: &Plan| slept > (plan.down() + plan.interval()) * CLOCK_PER_CENT / 100;
        let was_master = |&(plan, family): &(&Plan, Family)| {
            node.phase(plan, family) == Some(vipd::vrrp::Phase::Master)
                && plan.priority < 255
                && has_slept(plan)
        };
        for (plan, family) in all().filter(was_master) {
            let together = |other: &Plan| {
                other.name == plan.name || (other.group.is_some() && other.group == plan.group)
            };
            let mut companions = all().filter(|(other, _)| together(other)).filter(was_master);
            if companions.any(|(other, family)| hears_another(node, other, family)) {
                let addresses = plan.addresses(family);
                self.muted.push((node.number, plan.link, plan.vrid, family, addresses));
                self.seen += 1;
            }
        }
    }

    pub fn turn_ended(&mut self, node: usize) {
        self.muted.retain(|it| it.0 != node);
    }

    pub fn advert(&self, node: usize, link: usize, vrid: u8, family: Family) {
        let is_muted = self.muted.iter().any(|it| (it.0, it.1, it.2, it.3) == (node, link, vrid, family));
        assert!(
            !is_muted,
            "law 6: node {node} wakes, and speaks for VRID {vrid} {family:?}, which another has"
        );
    }

    pub fn announcement(&self, node: usize, link: usize, address: IpAddr) {
        let is_muted = self.muted.iter().any(|it| (it.0, it.1) == (node, link) && it.4.contains(&address));
        assert!(!is_muted, "law 6: node {node} wakes, and announces {address}, which another has");
    }
}

/// Whether an advertisement waits that a receiver must accept, and that does not resign.
fn hears_another(node: &Node, plan: &Plan, family: Family) -> bool {
    node.kernel.packets.iter().any(|received| {
        let Some(link) = node.kernel.by_index(received.index) else { return false };
        let Ok(opened) = frame::open(&received.frame) else { return false };
        let Content::Vrrp { from, to, ttl, message, .. } = opened.content else { return false };
        let admitted = frames::admissible(&node.plans, link, from, to, ttl, message);
        admitted.is_some_and(|(its, _)| (its.link, its.vrid) == (plan.link, plan.vrid))
            && Family::of(from) == family
            && message[2] > 0
    })
}
