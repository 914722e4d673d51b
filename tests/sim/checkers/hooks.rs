//! Hooks never overlap for one owner, and the newest state is always delivered.

use vipd::config::Tracked;
use vipd::router::{Hook, Ticket};
use vipd::vrrp::Phase;

use crate::clock::Nanos;
use crate::node::Node;
use crate::plan::sessions;
use crate::things::Mood;

/// One hook script that runs, or ran last, for an owner.
#[derive(Debug, Clone)]
struct Run {
    node: usize,
    kind: &'static str,
    name: String,
    ticket: Ticket,
    runs: bool,
    /// STATE, as the script was told.
    told: String,
}

/// What every owner was told.
#[derive(Debug, Default, Clone)]
pub struct Hooks {
    runs: Vec<Run>,
    /// Grows with every script that starts or ends.
    pub epoch: u64,
}

impl Hooks {
    /// A script is started.
    pub fn started(&mut self, node: usize, ticket: Ticket, hook: Option<&Hook<'_>>) {
        let hook = hook.unwrap_or_else(|| panic!("node {node} runs a hook that says nothing"));
        let told = hook.number.map_or_else(|| hook.standing.name().into(), |number| number.to_string());
        self.epoch += 1;
        let same = |run: &&mut Run| (run.node, run.kind, &*run.name) == (node, hook.kind, hook.name);
        if let Some(run) = self.runs.iter_mut().find(same) {
            assert!(!run.runs, "two hooks at once: {run:?} and {told}");
            (run.ticket, run.runs, run.told) = (ticket, true, told);
            return;
        }
        let name = String::from(hook.name);
        self.runs.push(Run { node, kind: hook.kind, name, ticket, runs: true, told });
    }

    /// A script has ended.
    pub fn ended(&mut self, node: usize, ticket: Ticket) {
        let same = |run: &&mut Run| run.node == node && run.ticket == ticket && run.runs;
        if let Some(run) = self.runs.iter_mut().find(same) {
            run.runs = false;
            self.epoch += 1;
        }
    }

    /// A daemon was killed: what it said is forgotten, and so is who listened.
    pub fn forget(&mut self, node: usize) {
        self.runs.retain(|run| run.node != node);
    }

    /// Where no script runs, the last one was told what is so now.
    pub fn newest_is_delivered(&self, node: &Node) {
        for plan in &node.plans {
            let phases = || plan.families().filter_map(|family| node.phase(plan, family));
            let run = self.last(node.number, "INSTANCE", plan.name);
            delivered(node.number, plan.name, run, phases());
        }
        if node.plans.iter().any(|plan| plan.group.is_some()) {
            let members = node.plans.iter().filter(|plan| plan.group.is_some());
            let phases =
                members.flat_map(|plan| plan.families().filter_map(|family| node.phase(plan, family)));
            delivered(node.number, "group", self.last(node.number, "GROUP", "group"), phases);
        }
    }

    /// And so was that of everything tracked, as soon as the router can know how it is.
    pub fn things_are_told(&self, now: Nanos, node: &Node) {
        let Some(router) = node.router() else { return };
        if !node.takes_part() || !node.is_quiescent(now) || now < node.things.known_at {
            return;
        }
        let config = router.config();
        for hook in &config.track_hooks {
            let is_up = match hook.what {
                Tracked::Link(device) => {
                    let name = config.interface_name(device);
                    Some(node.kernel.links.iter().any(|link| link.name == name && link.running()))
                }
                Tracked::Probe(_) => Some(node.things.probe == Mood::Good),
                Tracked::Route(_) => Some(node.kernel.has_default_route),
                Tracked::Bfd(session) => {
                    let its = sessions(&node.plans)[usize::from(session.0)];
                    Some(node.things.has_session(&node.kernel, its.link))
                }
                Tracked::File(_) => None,
                Tracked::Server(_) | Tracked::Service(_) => panic!("no plan has any: {hook:?}"),
            };
            let expected = match is_up {
                Some(true) => "UP".into(),
                Some(false) => "DOWN".into(),
                None => node.things.number(&node.plans).to_string(),
            };
            let name = config.text(hook.name);
            let run = self.last(node.number, hook.kind(), name);
            assert!(
                run.is_some_and(|run| run.runs || run.told == expected),
                "{now}: node {}: {name} is {expected} and was told last by {run:?}",
                node.number
            );
        }
    }

    fn last(&self, node: usize, kind: &str, name: &str) -> Option<&Run> {
        self.runs.iter().find(|run| (run.node, run.kind, &*run.name) == (node, kind, name))
    }
}

fn delivered(node: usize, name: &str, run: Option<&Run>, phases: impl Iterator<Item = Phase> + Clone) {
    let expected: &[&str] = if phases.clone().next().is_none() {
        return;
    } else if phases.clone().all(|phase| phase == Phase::Master) {
        &["MASTER"]
    } else if phases.clone().any(|phase| phase == Phase::Initialize) {
        &["FAULT", "STOP"]
    } else {
        &["BACKUP"]
    };
    match run {
        // While the daemon knows of no link yet there is nothing to say.
        None => assert!(expected != ["MASTER"], "node {node} is master and {name} was never told"),
        Some(run) => assert!(
            run.runs || expected.contains(&&*run.told),
            "node {node}: {name} was last told {} and is {expected:?}",
            run.told
        ),
    }
}
