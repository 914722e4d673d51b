//! A router's priority is what the things and links that it tracks make of it, and one of weight 0 that is down keeps it
//! from taking part, as soon as it can know.

use vipd::vrrp::Phase;

use crate::clock::Nanos;
use crate::node::Node;

/// A node's turn has ended.
pub fn turn_ended(now: Nanos, node: &Node) {
    let tracks = node.plans.iter().any(|plan| !plan.things.is_empty());
    if !tracks || !node.takes_part() || !node.is_quiescent(now) || now < node.things.known_at {
        return;
    }
    let Some(router) = node.router() else { return };
    for view in router.slots().filter_map(|slot| router.view(slot)) {
        let device = router.config().interface_name(view.instance.interface);
        let mine = |plan: &&crate::plan::Plan| {
            node.kernel.links[plan.link].name == device && plan.vrid == view.rules.vrid.get()
        };
        let Some(plan) = node.plans.iter().find(mine) else { continue };
        let expected = node.things.priority(&node.kernel, &node.plans, plan);
        let phase = view.virtual_router().phase();
        let number = node.number;
        match expected {
            None => assert_eq!(
                phase,
                Phase::Initialize,
                "{now}: node {number} takes part in {} with {:?}",
                plan.name,
                node.things
            ),
            Some(priority) => {
                assert_eq!(
                    view.rules.priority, priority,
                    "{now}: node {number} has another priority in {} with {:?}",
                    plan.name, node.things
                );
            }
        }
    }
}
