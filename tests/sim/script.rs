//! What happens to a house, step by step, chosen from a seed before anything happens: so a failure can be played
//! again with fewer steps.

use core::net::IpAddr;

use fastrand::Rng;
use vipd::config::Family;
use vipd::vrrp::Phase;
use vipd::wire::vrrp::Version;

use crate::clock::{MS, Nanos, SEC};
use crate::fault::{self, Fault};
use crate::node::Node;
use crate::plan::{Plan, Session, sessions};
use crate::seed::{self, trace};
use crate::shape::Shape;
use crate::world::World;

/// What processes add to the times of the protocol.
const EPSILON: Nanos = 50 * MS;

/// Clocks may go wrong by a twentieth.
const CLOCK_PER_CENT: Nanos = 106;

/// Announcements are repeated at most once a second (law 11), so hosts that a second master has misled may have
/// to wait for so long.
const ANNOUNCEMENT_PAUSE: Nanos = 1100 * MS;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Something goes wrong, and some time passes: faults may come on top of each other.
    Suffer(Fault, Nanos),
    /// Everything is mended and settles, and then everything must be well.
    Recover,
    /// One thing goes wrong in a house that is well: clients must be served again in time. Then it is mended,
    /// and they must be served in time again.
    Single(Fault),
    /// Nothing happens, and nothing may change. Now and then a defective packet comes by.
    Rest(Nanos),
}

/// Time that was simulated, by what happened in it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ledger {
    pub runs: u64,
    pub faults: u64,
    pub transitions: u64,
    pub adverts: u64,
    /// BFD packets.
    pub packets: u64,
    /// Single faults after which BFD has kept its promise.
    pub swift: u64,
    pub suffered: Nanos,
    pub single: Nanos,
    pub rested: Nanos,
}

impl Ledger {
    pub fn total(&self) -> Nanos {
        self.suffered + self.single + self.rested
    }

    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.faults += other.faults;
        self.transitions += other.transitions;
        self.adverts += other.adverts;
        self.packets += other.packets;
        self.swift += other.swift;
        self.suffered += other.suffered;
        self.single += other.single;
        self.rested += other.rested;
    }
}

/// A house and what happens to it.
#[derive(Debug, Clone)]
pub struct Script {
    seed: u64,
    shape: Shape,
    pub steps: Vec<Step>,
}

impl Script {
    /// One storm, a rest, and a fault more.
    pub fn short(seed: u64, intervals: &[u16]) -> Self {
        let mut rng = seed::generator(!seed);
        let shape = Shape::random(&mut rng, intervals);
        let least_ms = u32::from(shape.centis) / 2;
        let shape = shape.with_sessions(&rng, least_ms);
        let mut steps = Vec::new();
        storm(&mut rng, &shape, 14, &mut steps);
        steps.push(Step::Rest(2 * shape.longest_wait()));
        steps.push(Step::Single(Fault::random_single(&shape, &mut rng)));
        Self { seed, shape, steps }
    }

    /// Every router of a house in turn is suddenly no more, in one of three ways; none, if not everybody there can have a
    /// BFD session to everybody.
    pub fn sudden(seed: u64, intervals: &[u16]) -> Option<Self> {
        let mut rng = seed::generator(!seed);
        let shape = Shape::random(&mut rng, intervals).with_all_sessions(&mut rng)?;
        let mut steps = vec![Step::Recover];
        for node in 0..shape.nodes.len() {
            let ways = [Fault::PowerOff(node), Fault::Stall(node), Fault::Kill(node)];
            steps.push(Step::Single(rng.choice(&ways).unwrap().clone()));
        }
        Some(Self { seed, shape, steps })
    }

    /// Storms, single faults and quiet times in turn.
    pub fn long(seed: u64, intervals: &[u16], chapters: u32) -> Self {
        let mut rng = seed::generator(!seed);
        let shape = Shape::random(&mut rng, intervals);
        // They speak a hundred times as often as VRRP does, so they are slow where times are long, or not there at all.
        let least_ms = 2 * u32::from(shape.centis);
        let shape = shape.with_sessions(&rng, least_ms);
        let longest = shape.longest_wait();
        let mut steps = vec![Step::Recover];
        for _ in 0..chapters {
            storm(&mut rng, &shape, 45, &mut steps);
            for _ in 0..rng.u32(2..6) {
                steps.push(Step::Single(Fault::random_single(&shape, &mut rng)));
            }
            steps.push(Step::Rest(rng.u64(2 * longest..24 * longest)));
        }
        Self { seed, shape, steps }
    }

    /// Plays those steps that are `kept`, and panics where a checker does.
    pub fn play(&self, kept: impl Fn(usize) -> bool) -> Ledger {
        let mut world = self.shape.build(self.seed);
        let mut ledger = Ledger { runs: 1, ..Ledger::default() };
        let mut is_hurt = true;
        for (number, step) in self.steps.iter().enumerate().filter(|(number, _)| kept(*number)) {
            trace!("-- step {number}: {step:?}");
            step.play(&mut world, &mut ledger, &mut is_hurt);
            ledger.transitions += world.changes() as u64;
            ledger.adverts += world.checkers.adverts.len() as u64;
            world.forget();
        }
        ledger.packets = world.checkers.sessions.packets;
        ledger
    }
}

impl Step {
    fn play(&self, world: &mut World, ledger: &mut Ledger, is_hurt: &mut bool) {
        let began = world.now;
        let wants_health = matches!(self, Self::Single(_) | Self::Rest(_));
        if core::mem::replace(is_hurt, matches!(self, Self::Suffer(..))) && wants_health {
            // The step that would have mended it was left out.
            recover(world);
        }
        match self {
            Self::Suffer(fault, span) => {
                fault.apply(world);
                world.run(*span);
                ledger.faults += 1;
                ledger.suffered += world.now - began;
            }
            Self::Recover => {
                recover(world);
                ledger.suffered += world.now - began;
            }
            Self::Single(fault) => {
                ledger.swift += u64::from(suffer_alone(fault, world));
                ledger.faults += 2;
                ledger.single += world.now - began;
            }
            Self::Rest(span) => {
                rest(world, *span);
                ledger.rested += world.now - began;
            }
        }
    }
}

/// Faults on top of each other, at the most so many, and what is left when everything is mended.
fn storm(rng: &mut Rng, shape: &Shape, most: u32, steps: &mut Vec<Step>) {
    let longest = shape.longest_wait();
    for _ in 0..rng.u32(most / 4..most) {
        let span = match rng.u8(0..4) {
            0 => rng.u64(0..MS),
            1 => rng.u64(0..longest / 2),
            2 => rng.u64(0..2 * longest),
            _ => longest + rng.u64(0..3 * SEC),
        };
        steps.push(Step::Suffer(Fault::random(shape, rng), span));
    }
    steps.push(Step::Recover);
}

fn recover(world: &mut World) {
    fault::mend(world);
    settle(world);
    everything_is_well(world);
}

/// Lets every bound run out, that of a client that asks again included.
fn settle(world: &mut World) {
    world.settle();
    world.run(2 * SEC);
    if world.nodes.iter().any(|node| !sessions(&node.plans).is_empty()) {
        // Whoever is down speaks once a second, and is up when it has been answered twice.
        world.run(SEC);
    }
}

/// Whether BFD had anything to do with it.
fn suffer_alone(fault: &Fault, world: &mut World) -> bool {
    world.forget();
    let swift = swift_bound(fault, world);
    fault.apply(world);
    if let Some((bound, lost)) = &swift {
        let ms = bound / MS;
        world.run(*bound);
        for (plan, family) in lost {
            let master = world.master_of(plan, *family);
            assert!(
                master.is_some(),
                "{ms} ms after {fault:?}, and with BFD, nobody has {} {family:?}",
                plan.name
            );
        }
        settle(world);
        let outage = world.outage();
        assert!(
            outage <= *bound,
            "after {fault:?}, and with BFD, a client waits {} ms, not {ms}",
            outage / MS
        );
    } else {
        settle(world);
    }
    if let Fault::Thing(..) = fault {
        nobody_better_waits(world);
    }
    let is_promised = !denies_renewals(fault, world);
    if is_promised {
        // What the kernel has refused is tried again after a second.
        let more = if matches!(fault, Fault::Trouble(..)) { SEC } else { 0 };
        served_in_time(world, &format!("{fault:?}"), more);
    }
    world.forget();
    fault::mend(world);
    settle(world);
    if is_promised {
        served_in_time(world, &format!("the end of {fault:?}"), ANNOUNCEMENT_PAUSE);
    }
    everything_is_well(world);
    swift.is_some()
}

/// Where everybody has a session to a master that is up, its silence is over after the detection time and the skew of
/// whoever follows it: when that is, and what it was master of.
fn swift_bound(fault: &Fault, world: &World) -> Option<(Nanos, Vec<(Plan, Family)>)> {
    let (Fault::Kill(node) | Fault::Stall(node) | Fault::PowerOff(node)) = *fault else { return None };
    let node = &world.nodes[node];
    let (mut longest, mut lost) = (0, Vec::new());
    for plan in
        node.plans.iter().filter(|plan| plan.families().any(|it| node.phase(plan, it) == Some(Phase::Master)))
    {
        for other in world.nodes.iter().filter(|other| other.number != node.number) {
            let its = other.plans.iter().find(|its| (its.link, its.vrid) == (plan.link, plan.vrid));
            let Some(its) = its else { continue };
            its.bfd?;
            lost.extend(plan.families().map(|family| (plan.clone(), family)));
            let own = node.kernel.links[plan.link].own.iter().map(|own| own.0);
            for address in own.filter(|address| its.peers.contains(address)) {
                if !world.checkers.sessions.is_up(other.number, its.link, address) {
                    return None;
                }
                longest = longest.max(world.checkers.sessions.detection(other.number, its.link, address)?);
            }
        }
    }
    let (_, skew) = longest_waits(world);
    let bound = (longest + skew) * CLOCK_PER_CENT / 100 + EPSILON + 2 * ping_period(world);
    (longest > 0).then_some((bound, lost))
}

/// A kernel that takes no renewal drops the address under its living master, for as long as that lasts: the price of a
/// lifetime. What is served when it has been mended, the checkers see.
fn denies_renewals(fault: &Fault, world: &World) -> bool {
    let Fault::Trouble(node, trouble) = fault else { return false };
    let lives = world.nodes[*node].plans.iter().any(|plan| plan.lifetime_secs > 0);
    lives && trouble.requests + trouble.refusals > 0
}

/// The longest interval and the longest skew. A reload may have made any priority, and with it any skew: up to a second in
/// version 2, up to an interval in 3.
fn longest_waits(world: &World) -> (Nanos, Nanos) {
    let plans = || world.nodes.iter().flat_map(|node| &node.first_plans);
    let interval = plans().map(Plan::interval).max().unwrap_or(0);
    let has_v2 = plans().any(|plan| plan.version == Version::V2);
    (interval, if has_v2 { interval.max(SEC) } else { interval })
}

fn ping_period(world: &World) -> Nanos {
    world.clients.iter().map(|client| client.period).max().unwrap_or(0)
}

/// The promise: 3 × interval + skew + ε after any single fault.
fn served_in_time(world: &World, after: &str, more: Nanos) {
    let (interval, skew) = longest_waits(world);
    let bound = (3 * interval + skew) * CLOCK_PER_CENT / 100 + EPSILON + 2 * ping_period(world) + more;
    let outage = world.outage();
    assert!(
        outage <= bound,
        "after {after} a client was not served for {} ms, at most {} are allowed",
        outage / MS,
        bound / MS
    );
}

fn rest(world: &mut World, span: Nanos) {
    // The settling of the step before has let everything come to an end, late announcements too.
    settle(world);
    world.forget();
    let silences = world.checkers.sessions.silences;
    let end = world.now + span;
    while world.now < end {
        let pause = world.rng.u64(1..span.max(8) / 4).min(end - world.now);
        world.run(pause);
        let segment = world.rng.usize(0..world.segments());
        let priority = world.rng.u8(..);
        Fault::Forge { segment, priority, defective: true }.apply(world);
        if !sessions(&world.nodes[0].plans).is_empty() {
            let node = world.rng.usize(0..world.nodes.len());
            Fault::Whisper(node, world.rng.usize(0..16), world.rng.u8(0..=3)).apply(world);
        }
        assert_eq!(world.changes(), 0, "a state changed while nothing happened");
        assert_eq!(world.checkers.sessions.silences, silences, "a session was lost while nothing happened");
        world.checkers.adverts.clear();
    }
}

/// What somebody tracks is bad: where everybody preempts, the best of those that can be master is.
fn nobody_better_waits(world: &World) {
    if !world.nodes.iter().flat_map(|node| &node.plans).all(|it| it.preempt) {
        return;
    }
    let priority = |node: &Node, plan: &Plan| {
        let its = node.plans.iter().find(|it| (it.link, it.vrid) == (plan.link, plan.vrid))?;
        let can_all =
            node.plans.iter().all(|it| node.things.priority(&node.kernel, &node.plans, it).is_some());
        node.things.priority(&node.kernel, &node.plans, its).filter(|_| can_all && node.takes_part())
    };
    for plan in world.nodes.iter().flat_map(|node| &node.plans) {
        let best = world.nodes.iter().filter_map(|node| priority(node, plan)).max();
        for family in plan.families() {
            let master = world.master_of(plan, family).and_then(|node| priority(&world.nodes[node], plan));
            assert_eq!(master, best, "the priority of the master of {} {family:?}, and the best", plan.name);
        }
    }
}

/// One master for every virtual router, and all others wait; where everybody preempts, nobody of higher priority is
/// left waiting.
fn everything_is_well(world: &World) {
    every_session_is_up(world);
    for node in &world.nodes {
        for plan in &node.plans {
            for family in plan.families() {
                let phase = node.phase(plan, family);
                let number = node.number;
                assert!(
                    matches!(phase, Some(Phase::Master | Phase::Backup)),
                    "node {number} is {phase:?} for {} {family:?} when all is mended",
                    plan.name
                );
                let master = world.master_of(plan, family);
                assert!(master.is_some(), "{} {family:?} has not one master when all is mended", plan.name);
                highest_priority_wins(world, master.unwrap_or(0), plan);
            }
        }
    }
}

/// That has another end.
fn every_session_is_up(world: &World) {
    let has = |node: &Node, link: usize, address: IpAddr| {
        node.kernel.links[link].own.iter().any(|own| own.0 == address)
    };
    for node in &world.nodes {
        for it in sessions(&node.plans) {
            let is_same = |back: &Session| {
                back.link == it.link
                    && back.neighbor.is_ipv4() == it.neighbor.is_ipv4()
                    && has(node, it.link, back.neighbor)
            };
            let other = world.nodes.iter().find(|other| has(other, it.link, it.neighbor));
            assert!(
                other.is_some_and(|other| !sessions(&other.plans).iter().any(is_same))
                    || world.checkers.sessions.is_up(node.number, it.link, it.neighbor),
                "node {}'s session to {} is down when all is mended",
                node.number,
                it.neighbor
            );
        }
    }
}

fn highest_priority_wins(world: &World, master: usize, plan: &Plan) {
    let plan_of = |node: usize| {
        let mut plans = world.nodes[node].plans.iter();
        plans.find(|it| (it.link, it.vrid) == (plan.link, plan.vrid))
    };
    let all_preempt = world.nodes.iter().flat_map(|node| &node.plans).all(|it| it.preempt);
    if let (Some(ours), true) = (plan_of(master), all_preempt) {
        // Links are up, so what they can give is given.
        let ours = *ours.priorities().end();
        for node in 0..world.nodes.len() {
            let theirs = plan_of(node).map_or(0, |plan| *plan.priorities().end());
            assert!(theirs <= ours, "node {node} waits with {theirs} behind {ours}");
        }
    }
}
