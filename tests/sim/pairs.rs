//! Two routers, and every order in which things can happen to them, to a fixed depth: packets that arrive, are lost
//! or come twice, timers that fire in any order, deaths and returns of daemons and links.
//!
//! The checkers watch every step. After every step, too, the story is told to its end as a good network would have it:
//! within one down interval and skew there is one master among those that are there, the better one, and it stays.
//! States that cannot be told apart are looked at once.
//!
//! `VIPD_SIM_DEPTH=8 cargo test --test sim pairs` looks further.

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use std::collections::{HashMap, VecDeque, hash_map::DefaultHasher};

use fastrand::Rng;
use vipd::config::Announcements;
use vipd::time::Instant;
use vipd::vrrp::{Phase, State};
use vipd::wire::Mac;

use crate::checkers::Checkers;
use crate::clock::{Clock, MS, NEVER, Nanos, SEC};
use crate::frame::{self, Content};
use crate::kernel::{Kernel, Outbox};
use crate::node::{Node, Surroundings};
use crate::plan::{LINK_NAMES, Plan};
use crate::seed;
use crate::switch::Frame;
use crate::world::{own_v4, own_v6};

/// Steps, if the environment does not say (`VIPD_SIM_DEPTH`).
const DEPTH: u64 = 7;

/// Turns of one process that follow from one thing that happened.
const TURNS_MAX: usize = 20;

/// Something that can happen next; the number is that of the node.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// The packet that waits longest arrives.
    Deliver(usize),
    Lose(usize),
    /// It arrives, and comes once more.
    Double(usize),
    /// The node's next deadline is met, whatever else is overdue.
    Timer(usize),
    Kill(usize),
    Restart(usize),
    Unplug(usize),
    Plug(usize),
}

#[derive(Clone)]
struct Pair {
    now: Nanos,
    nodes: [Node; 2],
    /// What is under way to each.
    flights: [VecDeque<Frame>; 2],
    checkers: Checkers,
    rng: Rng,
}

impl Pair {
    /// Both have started, and everything has settled.
    fn settled(plans: [Plan; 2]) -> Self {
        let mut number = 0;
        let nodes = plans.map(|plan| {
            let mut kernel = Kernel::new(true);
            let own = vec![(IpAddr::V4(own_v4(0, number)), 24), (IpAddr::V6(own_v6(u16::from(number))), 64)];
            kernel.add_link(LINK_NAMES[0], Mac([2, 0, 0, 0, 0, 0x11 + number]), (0, 0), own);
            let mut node = Node::new(usize::from(number), kernel, Clock::new(SEC, 0), vec![plan]);
            node.hook_max = 1;
            node.start();
            number += 1;
            node
        });
        let flights = [VecDeque::new(), VecDeque::new()];
        let mut pair =
            Self { now: 0, nodes, flights, checkers: Checkers::default(), rng: seed::generator(1) };
        pair.wake(0);
        pair.wake(1);
        pair.come_to_rest();
        pair
    }

    fn plan(&self, node: usize) -> &Plan {
        &self.nodes[node].plans[0]
    }

    fn phase(&self, node: usize) -> Option<Phase> {
        let plan = self.plan(node);
        self.nodes[node].phase(plan, plan.families().next().unwrap())
    }

    /// Whether the node can be heard.
    fn is_there(&self, node: usize) -> bool {
        self.nodes[node].takes_part() && self.nodes[node].kernel.links[0].running()
    }

    fn due(&self, node: usize) -> Nanos {
        let poll_at = self.nodes[node].router().and_then(|router| router.poll_at());
        poll_at.map_or(NEVER, |at| self.nodes[node].clock.world(at))
    }

    /// What can happen now.
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for node in [0, 1] {
            if !self.flights[node].is_empty() {
                steps.extend([Step::Deliver(node), Step::Lose(node), Step::Double(node)]);
            }
            if self.due(node) != NEVER {
                steps.push(Step::Timer(node));
            }
            steps.push(if self.nodes[node].has_daemon() { Step::Kill(node) } else { Step::Restart(node) });
            let is_plugged = self.nodes[node].kernel.links[0].carrier;
            steps.push(if is_plugged { Step::Unplug(node) } else { Step::Plug(node) });
        }
        steps
    }

    fn happen(&mut self, step: Step) {
        match step {
            Step::Deliver(node) => self.deliver(node),
            Step::Lose(node) => drop(self.flights[node].pop_front()),
            Step::Double(node) => {
                if let Some(frame) = self.flights[node].front().cloned() {
                    self.flights[node].push_front(frame);
                    self.deliver(node);
                }
            }
            Step::Timer(node) => {
                self.now = self.now.max(self.due(node));
                self.wake(node);
            }
            Step::Kill(node) => {
                self.nodes[node].kill();
                self.checkers.hooks.forget(node);
                self.checkers.turn_ended(self.now, &self.nodes[node]);
            }
            Step::Restart(node) => {
                self.nodes[node].start();
                self.wake(node);
            }
            Step::Unplug(node) => self.set_carrier(node, false),
            Step::Plug(node) => self.set_carrier(node, true),
        }
    }

    fn set_carrier(&mut self, node: usize, carrier: bool) {
        if !carrier {
            // What is under way to it is lost; what it has sent has left it.
            self.flights[node].clear();
        }
        self.nodes[node].kernel.set_carrier(0, carrier, &mut self.rng);
        self.wake(node);
    }

    fn deliver(&mut self, node: usize) {
        let Some(frame) = self.flights[node].pop_front() else { return };
        self.nodes[node].kernel.receive(0, &frame, &mut Outbox::new());
        self.wake(node);
    }

    /// Lets a node take up whatever there is for it.
    fn wake(&mut self, number: usize) {
        let mut out = Outbox::new();
        for turns in 0.. {
            assert!(turns < TURNS_MAX, "node {number} does not come to rest");
            let node = &mut self.nodes[number];
            if !node.is_running() {
                break;
            }
            // How late it is is for the story to say.
            self.checkers.timers.blur(node, node.clock.local(self.now));
            let mut around = Surroundings {
                now: self.now,
                rng: &mut self.rng,
                out: &mut out,
                checkers: &mut self.checkers,
            };
            let next = node.turn(&mut around);
            self.checkers.turn_ended(self.now, &self.nodes[number]);
            // A hook that has ended is taken up in the next turn.
            if !self.nodes[number].has_input() && next > self.now + 10 * MS {
                break;
            }
        }
        self.checkers.forget();
        let other = 1 - number;
        for (link, frame) in out {
            self.checkers.wire(&self.nodes[number], link, &frame);
            let is_vrrp = matches!(frame::open(&frame).unwrap().content, Content::Vrrp { .. });
            let passes = [0, 1].iter().all(|node| self.nodes[*node].kernel.links[0].running());
            if is_vrrp && passes {
                self.flights[other].push_back(frame);
            }
        }
    }

    /// From here on nothing is lost, and everything is in time.
    fn come_to_rest(&mut self) {
        let bound = [0, 1].map(|node| self.plan(node).down() + self.plan(node).skew()).into_iter().max();
        let end = self.now + bound.unwrap_or(0);
        let interval = self.plan(0).interval().max(self.plan(1).interval());
        let mut two_since = None;
        while self.now < end {
            if let Some(node) = [0, 1].into_iter().find(|node| !self.flights[*node].is_empty()) {
                self.deliver(node);
                continue;
            }
            let next = if self.due(0) <= self.due(1) { 0 } else { 1 };
            let due = self.due(next);
            if due >= end {
                break;
            }
            self.now = self.now.max(due);
            self.wake(next);
            let two =
                [0, 1].iter().all(|node| self.phase(*node) == Some(Phase::Master) && self.is_there(*node));
            two_since = if two { two_since.or(Some(self.now)) } else { None };
            let together = two_since.map_or(0, |since| self.now - since);
            assert!(together <= interval, "two masters for {} ms", together / MS);
        }
        self.now = end;
    }

    /// One master among those that are there; the better one, where it may preempt.
    fn is_well(&self) {
        let there: Vec<usize> = [0, 1].into_iter().filter(|node| self.is_there(*node)).collect();
        let masters: Vec<usize> =
            there.iter().copied().filter(|node| self.phase(*node) == Some(Phase::Master)).collect();
        assert_eq!(
            masters.len(),
            usize::from(!there.is_empty()),
            "of {there:?} these are masters: {masters:?}"
        );
        if let (&[_, _], &[master]) = (&*there, &*masters) {
            let (ours, theirs) = (self.plan(master), self.plan(1 - master));
            assert!(ours.priority >= theirs.priority || !theirs.preempt, "the worse one is master: {master}");
        }
    }

    /// What the future depends on, relative to now. Left out is what cannot differ here: both have the same interval, no
    /// lifetime, unmolested addresses and nobody who releases them by hand; and what only logs and `status` tell.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for node in &self.nodes {
            let now = node.clock.local(self.now);
            let until = |at: Instant| {
                if at > now { at.since_origin() - now.since_origin() } else { Default::default() }
            };
            let overdue = |at: Instant| (until(at), now.since_origin().saturating_sub(at.since_origin()));
            node.kernel.links[0].carrier.hash(&mut hasher);
            for it in &node.kernel.links[0].addresses {
                it.address.hash(&mut hasher);
            }
            let Some(router) = node.router() else { continue };
            for view in router.slots().filter_map(|slot| router.view(slot)) {
                match view.virtual_router().state() {
                    State::Initialize { fault } => (0, fault.name()).hash(&mut hasher),
                    State::Backup { down_at, silent, unreachable, preempt_at } => {
                        (1, overdue(*down_at), silent, unreachable, preempt_at.map(until)).hash(&mut hasher);
                    }
                    State::Master { advert_at, answer_after, tie_until, timetable, .. } => {
                        (2, overdue(*advert_at), until(*answer_after)).hash(&mut hasher);
                        (tie_until.map(overdue), timetable.poll_at().map(overdue)).hash(&mut hasher);
                    }
                }
            }
        }
        self.flights.hash(&mut hasher);
        hasher.finish()
    }
}

/// Everything that was looked at, with the number of steps that were left then.
#[derive(Default)]
struct Search {
    seen: HashMap<u64, u64>,
    steps: u64,
    story: Vec<Step>,
}

impl Search {
    fn look(&mut self, pair: &Pair, left: u64) {
        let known = self.seen.insert(pair.fingerprint(), left);
        if let Some(before) = known {
            if before >= left {
                self.seen.insert(pair.fingerprint(), before);
                return;
            }
        } else {
            let mut end = pair.clone();
            end.come_to_rest();
            end.is_well();
        }
        if left == 0 {
            return;
        }
        for step in pair.steps() {
            self.story.push(step);
            self.steps += 1;
            let mut next = pair.clone();
            next.happen(step);
            self.look(&next, left - 1);
            self.story.pop();
        }
    }
}

/// Says the story that failed, if it is dropped by a failure.
impl Drop for Search {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the story: {:?}", self.story);
        }
    }
}

fn explore(first: Plan, second: Plan) {
    // Announcements have timers of their own, which are looked at elsewhere.
    let announcements = Announcements { repeat: 1, delay_secs: 0, ..Announcements::default() };
    let pair = Pair::settled([first, second].map(|plan| Plan { announcements, ..plan }));
    pair.is_well();
    let mut search = Search::default();
    search.look(&pair, seed::number("VIPD_SIM_DEPTH").unwrap_or(DEPTH));
    println!("{} states, {} steps", search.seen.len(), search.steps);
}

#[test]
fn every_story_of_a_pair_in_version_3_ends_well() {
    explore(Plan::v3().priority(150), Plan::v3().priority(100));
}

#[test]
fn every_story_of_a_pair_in_version_2_ends_well() {
    explore(Plan::v2().priority(150), Plan::v2().priority(100));
}

#[test]
fn every_story_of_equals_ends_well() {
    explore(Plan::v3(), Plan::v3());
}

#[test]
fn every_story_of_a_pair_without_preemption_ends_well() {
    explore(Plan::v3().priority(150).nopreempt(), Plan::v3().priority(100).nopreempt());
}

#[test]
fn every_story_of_a_pair_of_both_families_ends_well() {
    explore(Plan::dual().priority(150), Plan::dual().priority(100));
}
