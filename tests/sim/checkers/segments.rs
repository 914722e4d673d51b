//! What the segment sees: one master for each virtual router, and clients that are served.

use vipd::config::Family;
use vipd::vrrp::Phase;

use crate::client::{Client, ROUND_TRIP_MAX};
use crate::clock::{MS, NEVER, Nanos, SEC};
use crate::node::Node;
use crate::plan::Plan;
use crate::things::KNOWN_AFTER;

/// Our clocks go wrong by a twentieth at most.
const CLOCK_PER_CENT: Nanos = 106;

/// What processes and wires add to every time that the protocol knows.
const SLACK: Nanos = 20 * MS;

/// One virtual router, whoever plays it.
#[derive(Debug, Clone)]
struct Watch {
    segment: usize,
    vrid: u8,
    family: Family,
    two_since: Option<Nanos>,
    none_since: Option<Nanos>,
    /// The bounds of the slowest plans that were ever in force: what was learned from them lasts.
    bounds: Bounds,
}

/// How long a virtual router may take to settle.
#[derive(Debug, Clone, Copy, Default)]
struct Bounds {
    two: Nanos,
    none: Nanos,
    service: Nanos,
}

/// The virtual routers of all segments.
#[derive(Debug, Default, Clone)]
pub struct Segments {
    watches: Vec<Watch>,
    /// When something was last wrong anywhere.
    disturbed_at: Nanos,
    /// A state may have changed since we looked.
    is_stale: bool,
    /// The longest time that two masters stood beside each other while nothing was wrong.
    pub longest_two: Nanos,
    /// When a bound runs out if nothing changes.
    look_at: Nanos,
}

/// The longest time that any of these plans may take to agree on one master: silence, two that end it at
/// once, and one advert that tells them.
fn none_max(plans: &[&Plan]) -> Nanos {
    let down = plans.iter().map(|plan| plan.down()).max().unwrap_or(0);
    down * CLOCK_PER_CENT / 100 + two_max(plans)
}

/// The longest time that two masters may stand beside each other.
fn two_max(plans: &[&Plan]) -> Nanos {
    let interval = plans.iter().map(|plan| plan.interval()).max().unwrap_or(0);
    // What moves together settles one after the other.
    let together = plans.iter().any(|plan| plan.families().count() > 1 || plan.group.is_some());
    interval * if together { 2 } else { 1 } * CLOCK_PER_CENT / 100 + SLACK
}

/// The longest time after a disturbance until every client is served for good: a winner announces again
/// an interval after its contender has gone, and at most once a second.
pub fn service_max(plans: &[&Plan]) -> Nanos {
    let interval = plans.iter().map(|plan| plan.interval()).max().unwrap_or(0);
    none_max(plans) + interval * CLOCK_PER_CENT / 100 + 1100 * MS
}

impl Segments {
    /// Something was done to the world, or is still wrong with it: what settles, settles from now.
    pub fn disturb(&mut self, now: Nanos) {
        self.disturbed_at = now;
        self.is_stale = true;
    }

    /// What was disturbed is still wrong.
    pub fn still_disturbed(&mut self, now: Nanos) {
        self.disturbed_at = now;
    }

    /// A state has changed.
    pub fn changed(&mut self) {
        self.is_stale = true;
    }

    /// For how long nothing has been wrong.
    pub fn calm_for(&self, now: Nanos) -> Nanos {
        now - self.disturbed_at
    }

    /// The longest time that any virtual router may take to serve everybody.
    pub fn service_bound(&self) -> Nanos {
        self.watches.iter().map(|watch| watch.bounds.service).max().unwrap_or(0)
    }

    /// Looks at the masters of every virtual router; to be called whenever one may have changed, and often.
    pub fn observe(&mut self, now: Nanos, nodes: &[Node]) {
        if !self.is_stale && now < self.look_at {
            return;
        }
        self.learn(nodes);
        self.is_stale = false;
        self.look_at = NEVER;
        for watch in &mut self.watches {
            let masters = masters_of(nodes, watch);
            // What ends at this moment has lasted until now.
            let (two, none) = (watch.two_since, watch.none_since);
            note(&mut watch.two_since, masters.len() > 1, now);
            note(&mut watch.none_since, masters.is_empty(), now);
            let calm = |since: Nanos| now - since.max(self.disturbed_at);
            if let Some(since) = two {
                self.longest_two = self.longest_two.max(calm(since));
                assert!(
                    calm(since) <= watch.bounds.two,
                    "{now}: {watch:?} has two masters for {} ms, now {masters:?}",
                    (now - since) / MS
                );
            }
            if let Some(since) = none.filter(|_| nodes.iter().any(|it| is_eligible(it, watch))) {
                assert!(
                    calm(since) <= watch.bounds.none,
                    "{now}: {watch:?} has no master for {} ms",
                    (now - since) / MS
                );
            }
            let due = |since: Option<Nanos>, bound: Nanos| {
                since.map_or(NEVER, |since| since.max(self.disturbed_at) + bound + 1)
            };
            let next = due(watch.two_since, watch.bounds.two).min(due(watch.none_since, watch.bounds.none));
            self.look_at = self.look_at.min(next);
        }
    }

    /// Looks at a client of a segment just before it pings again.
    pub fn serves(&self, now: Nanos, nodes: &[Node], segment: usize, client: &Client) {
        let here = self.watches.iter().filter(|watch| watch.segment == segment);
        let bound = here.map(|watch| watch.bounds.service).max().unwrap_or(0);
        let patience =
            if client.asks_again_after == NEVER { 0 } else { client.asks_again_after + 2 * client.period };
        // The ping before this one must have been answered.
        let settled_at = self.disturbed_at + bound + patience;
        if client.pinged_at < settled_at || now < client.pinged_at + ROUND_TRIP_MAX {
            return;
        }
        for target in &client.targets {
            let played = || {
                nodes.iter().any(|node| {
                    let plays =
                        |plan: &&Plan| plan.addresses(Family::of(target.address)).contains(&target.address);
                    node.takes_part()
                        && node.plans.iter().any(|plan| plays(&plan))
                        && self
                            .watches
                            .iter()
                            .any(|watch| watch.segment == segment && is_eligible(node, watch))
                })
            };
            assert!(
                target.served_at >= client.pinged_at || !played(),
                "{now}: a client is not served by {} since {} ms",
                target.address,
                (now - target.served_at) / MS
            );
        }
    }

    /// Watches every virtual router that somebody plays.
    fn learn(&mut self, nodes: &[Node]) {
        for plan in nodes.iter().flat_map(|node| &node.plans) {
            for family in plan.families() {
                let key = (plan.link, plan.vrid, family);
                if !self.watches.iter().any(|it| (it.segment, it.vrid, it.family) == key) {
                    let (segment, vrid, family) = key;
                    let (two_since, none_since) = (None, None);
                    let bounds = Bounds::default();
                    self.watches.push(Watch { segment, vrid, family, two_since, none_since, bounds });
                }
            }
        }
        for watch in &mut self.watches {
            let plans = plans_of(nodes, watch);
            let bounds = &mut watch.bounds;
            bounds.two = bounds.two.max(two_max(&plans));
            bounds.none = bounds.none.max(none_max(&plans));
            bounds.service = bounds.service.max(service_max(&plans));
        }
    }
}

/// The bound of the longest settling time of these nodes, for scenarios that wait.
pub fn settled_after(nodes: &[Node]) -> Nanos {
    // What was taken out may just be on its way back.
    let plans: Vec<&Plan> =
        nodes.iter().flat_map(|node| node.plans.iter().chain(&node.first_plans)).collect();
    let delay = plans.iter().map(|plan| plan.preempt_delay.as_nanos() as Nanos).max().unwrap_or(0);
    let known = if nodes.iter().any(Node::tracks_things) { KNOWN_AFTER } else { 0 };
    service_max(&plans) + delay * CLOCK_PER_CENT / 100 + known + SEC / 10
}

fn note(since: &mut Option<Nanos>, is: bool, now: Nanos) {
    match (is, *since) {
        (true, None) => *since = Some(now),
        (true, Some(_)) => {}
        (false, _) => *since = None,
    }
}

fn plan_of<'a>(node: &'a Node, watch: &Watch) -> Option<&'a Plan> {
    node.plans.iter().find(|plan| {
        plan.link == watch.segment
            && plan.vrid == watch.vrid
            && plan.families().any(|family| family == watch.family)
    })
}

fn plans_of<'a>(nodes: &'a [Node], watch: &Watch) -> Vec<&'a Plan> {
    nodes.iter().filter_map(|node| plan_of(node, watch)).collect()
}

/// The nodes that act as master where others can hear it.
fn masters_of(nodes: &[Node], watch: &Watch) -> Vec<usize> {
    let is_master = |node: &&Node| {
        node.is_running()
            && node.kernel.links[watch.segment].running()
            && plan_of(node, watch).and_then(|plan| node.phase(plan, watch.family)) == Some(Phase::Master)
    };
    nodes.iter().filter(is_master).map(|node| node.number).collect()
}

/// Whether a node has all that it takes to be master: a daemon that runs, links, and its own addresses.
fn is_eligible(node: &Node, watch: &Watch) -> bool {
    node.takes_part()
        && plan_of(node, watch).is_some()
        // What moves together with it may track something else.
        && node.plans.iter().all(|plan| node.things.priority(&node.kernel, &node.plans, plan).is_some())
        && node
            .kernel
            .links
            .iter()
            .all(|link| link.running() && link.own.iter().all(|&(address, _)| link.has(address)))
}
