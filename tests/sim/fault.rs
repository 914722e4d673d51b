//! What can go wrong with a world, as data: chosen once from a seed, done to the world, printed, and left out
//! again when a failure is made smaller.

use core::net::Ipv4Addr;

use fastrand::Rng;

use crate::clock::{MS, Nanos, SEC};
use crate::kernel::{Refused, Trouble};
use crate::neighbour::{ADMIN_DOWN, DOWN, UP};
use crate::plan::{Plan, Timing, sessions};
use crate::seed::trace;
use crate::shape::{Shape, random_lifetime};
use crate::stranger::{FalseWord, Forgery};
use crate::switch::Path;
use crate::things::{Mood, Thing};
use crate::world::World;

/// One thing that happens to a world.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// SIGKILL.
    Kill(usize),
    /// SIGTERM.
    Stop(usize),
    /// SIGSTOP.
    Stall(usize),
    /// SIGCONT.
    Resume(usize),
    /// SIGSTOP, and SIGCONT so much later.
    Nap(usize, Nanos),
    PowerOff(usize),
    /// The host boots, or the daemon is started.
    Start(usize),
    /// SIGKILL, and a start so much later.
    Restart(usize, Nanos),
    Reload(usize, Change),
    /// The cable of a node's link is pulled, or put back.
    Cable(usize, usize, bool),
    /// `ip link set down`, or up if it is down.
    Switch(usize, usize),
    /// `ip link delete`; made anew at once, or later.
    Delete(usize, usize, bool),
    /// Somebody deletes every virtual address.
    Unclaim(usize),
    /// `ip address flush`.
    Flush(usize, usize),
    /// System calls fail.
    Trouble(usize, Trouble),
    /// A thing that a node tracks gets better or worse.
    Thing(usize, Thing, Mood),
    /// A segment loses, doubles and delays frames.
    Weaken(usize, Path),
    /// Nodes and clients of a segment, by bit, are parted from the others.
    Partition(usize, u32, u32),
    /// Frames of one node do not reach another.
    Cut(usize, usize, usize),
    /// Advertisements for the first virtual router of a segment by somebody else; defective ones, or right ones.
    Forge {
        segment: usize,
        priority: u8,
        defective: bool,
    },
    /// A node's packet filter lets something in no more, or again.
    Refuse(usize, Refused),
    /// A defective BFD packet to a node in the name of one of its neighbours, with this state.
    Whisper(usize, usize, u8),
    /// The network is whole again.
    MendNetwork,
}

/// What a reload changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// The same file.
    Nothing,
    Priority(u8),
    Preempt(bool),
    /// The announcements' repetition and delay.
    Announcements(u8, u16),
    /// The addresses' lifetime, from this seed, or without any.
    Lifetime(Option<u64>),
    /// One virtual IPv4 address more, or without it again.
    Address,
    /// Without the last of several virtual routers.
    Fewer,
    /// Other timers of its BFD sessions to peers, or none of those.
    Sessions(Option<Timing>),
    /// Every virtual router that the node was first told of.
    Original,
}

impl Fault {
    /// Whatever may happen to this house.
    pub fn random(shape: &Shape, rng: &mut Rng) -> Self {
        let node = rng.usize(0..shape.nodes.len());
        let link = rng.usize(0..shape.segments);
        let bits = |rng: &mut Rng, count: usize| rng.u32(0..1 << count);
        if shape.has_sessions() && rng.u8(0..6) == 0 {
            return Self::of_sessions(node, rng);
        }
        match rng.u8(0..if shape.tracks_things() { 36 } else { 32 }) {
            0 | 1 => Self::Kill(node),
            2 | 3 => Self::Stop(node),
            4 => Self::Stall(node),
            5 => Self::Resume(node),
            6 => Self::Nap(node, pause(rng)),
            7..=10 => Self::Start(node),
            11 => Self::PowerOff(node),
            12 => Self::Restart(node, pause(rng)),
            13 | 14 => Self::Reload(node, Change::random(rng)),
            15 => Self::Cable(node, link, false),
            16 => Self::Cable(node, link, true),
            17 => Self::Switch(node, link),
            18 => Self::Delete(node, link, rng.bool()),
            19 => Self::Unclaim(node),
            20 => Self::Flush(node, link),
            21 | 22 => Self::Trouble(node, random_trouble(rng)),
            23 | 24 => Self::Weaken(link, random_path(rng)),
            25 | 26 => {
                let (nodes, clients) = (bits(rng, shape.nodes.len()), bits(rng, shape.clients()));
                Self::Partition(link, nodes, clients)
            }
            27 => Self::Cut(link, node, rng.usize(0..shape.nodes.len())),
            28 => {
                let priority = *rng.choice(&[0, 1, 60, 120, 200, 255]).unwrap();
                Self::Forge { segment: link, priority, defective: rng.bool() }
            }
            32.. => {
                let mood = *rng.choice(&[Mood::Good, Mood::Bad, Mood::Hangs]).unwrap();
                Self::Thing(node, *rng.choice(&Thing::ALL).unwrap(), mood)
            }
            _ => Self::MendNetwork,
        }
    }

    /// What may happen to the sessions of this node.
    fn of_sessions(node: usize, rng: &mut Rng) -> Self {
        match rng.u8(0..8) {
            0..=2 => Self::Refuse(node, Refused::Datagrams),
            3 => Self::Refuse(node, Refused::Adverts),
            4 => Self::Refuse(node, Refused::Nothing),
            5 => Self::Whisper(node, rng.usize(0..16), *rng.choice(&[ADMIN_DOWN, DOWN, UP]).unwrap()),
            6 => Self::Thing(node, Thing::Session, *rng.choice(&[Mood::Good, Mood::Bad]).unwrap()),
            _ => {
                let timing = Timing::every(*rng.choice(&[20, 100, 200]).unwrap(), rng.u8(3..=5));
                Self::Reload(node, Change::Sessions((rng.u8(0..3) > 0).then_some(timing)))
            }
        }
    }

    /// One that leaves a client's way to a router whole, so that it can be said when it is served again.
    pub fn random_single(shape: &Shape, rng: &mut Rng) -> Self {
        loop {
            let fault = Self::random(shape, rng);
            match fault {
                Self::Weaken(link, path) => {
                    return Self::Weaken(link, Path { loss: 0, jitter: path.jitter.min(2 * MS), ..path });
                }
                // Nothing is wrong yet that they could end, and two faults are not one.
                Self::Start(_) | Self::Resume(_) | Self::MendNetwork | Self::Cable(_, _, true) => {}
                Self::Refuse(_, Refused::Nothing) => {}
                Self::Thing(_, _, Mood::Good) => {}
                // A sync group whose other segment is whole stays where it is.
                Self::Partition(..) if shape.is_grouped() => {}
                // The first node plays every part, and stays with the clients.
                Self::Partition(link, nodes, _) => return Self::Partition(link, nodes & !1, 0),
                Self::Forge { segment, priority, .. } => {
                    return Self::Forge { segment, priority, defective: true };
                }
                Self::Kill(_)
                | Self::Stop(_)
                | Self::Stall(_)
                | Self::Nap(..)
                | Self::PowerOff(_)
                | Self::Restart(..)
                | Self::Reload(..)
                | Self::Cable(_, _, false)
                | Self::Switch(..)
                | Self::Delete(..)
                | Self::Unclaim(_)
                | Self::Flush(..)
                | Self::Trouble(..)
                | Self::Thing(..)
                | Self::Refuse(..)
                | Self::Whisper(..)
                | Self::Cut(..) => return fault,
            }
        }
    }

    /// Does it. What makes no sense at the moment is left.
    pub fn apply(&self, world: &mut World) {
        match *self {
            Self::Kill(node) => with_daemon(world, node, World::kill),
            Self::Stop(node) => with_daemon(world, node, World::stop),
            Self::Stall(node) => with_daemon(world, node, World::stall),
            Self::Resume(node) => with_daemon(world, node, World::resume),
            Self::Nap(node, span) => {
                with_daemon(world, node, World::stall);
                world.run(span);
                with_daemon(world, node, World::resume);
            }
            Self::PowerOff(node) => world.power_off(node),
            Self::Start(node) => start(world, node),
            Self::Restart(node, span) => {
                with_daemon(world, node, World::kill);
                world.run(span);
                start(world, node);
            }
            Self::Reload(node, change) => change.apply(world, node),
            Self::Cable(node, link, up) => world.set_cable(node, link, up),
            Self::Switch(node, link) => switch_link(world, node, link),
            Self::Delete(node, link, at_once) => delete_link(world, node, link, at_once),
            Self::Unclaim(node) => delete_virtual_addresses(world, node),
            Self::Flush(node, link) => {
                world.administer(node, |kernel, rng| kernel.remove_where(link, |_| true, rng));
            }
            Self::Trouble(node, trouble) => world.set_trouble(node, trouble),
            Self::Thing(node, thing, mood) => world.set_thing(node, thing, mood),
            Self::Weaken(segment, path) => world.set_paths(segment, path),
            Self::Partition(segment, nodes, clients) => {
                let of = |bits: u32, count: usize| (0..count).filter(|it| bits & 1 << it != 0).collect();
                let nodes: Vec<usize> = of(nodes, world.nodes.len());
                let clients: Vec<usize> = of(clients, world.clients.len());
                world.partition(segment, &nodes, &clients);
            }
            Self::Cut(segment, from, to) if from != to => world.cut(segment, from, to),
            Self::Cut(..) => {}
            Self::Forge { segment, priority, defective } => forge(world, segment, priority, defective),
            Self::Refuse(node, refused) => world.refuse(node, refused),
            Self::Whisper(node, session, state) => whisper(world, node, session, state),
            Self::MendNetwork => mend_network(world),
        }
    }
}

impl Change {
    fn random(rng: &mut Rng) -> Self {
        match rng.u8(0..9) {
            0 => Self::Nothing,
            1 | 2 => Self::Priority(rng.u8(1..=254)),
            3 => Self::Preempt(rng.bool()),
            4 => Self::Announcements(rng.u8(1..=5), rng.u16(0..=5)),
            5 => Self::Address,
            6 => Self::Fewer,
            7 => Self::Lifetime(rng.bool().then(|| rng.u64(..))),
            _ => Self::Original,
        }
    }

    fn apply(self, world: &mut World, node: usize) {
        if !world.nodes[node].takes_part() {
            return;
        }
        let mut plans = world.nodes[node].plans.clone();
        let more = |plan: &Plan| Ipv4Addr::new(10, 0, plan.link as u8, 100 + plan.vrid);
        match self {
            Self::Nothing => {}
            Self::Priority(priority) => {
                // The owner of an address does not stop being it.
                plans.iter_mut().filter(|plan| plan.priority < 255).for_each(|plan| plan.priority = priority);
            }
            Self::Preempt(preempt) => plans.iter_mut().for_each(|plan| plan.preempt = preempt),
            Self::Announcements(repeat, delay_secs) => {
                for plan in &mut plans {
                    plan.announcements.repeat = repeat;
                    plan.announcements.delay_secs = delay_secs;
                }
            }
            Self::Lifetime(seed) => {
                for plan in &mut plans {
                    let secs = seed.map(|seed| random_lifetime(&mut Rng::with_seed(seed), plan.centis));
                    plan.lifetime_secs = secs.unwrap_or(0);
                }
            }
            Self::Address => {
                for plan in plans.iter_mut().filter(|plan| !plan.v4.is_empty()) {
                    let more = more(plan);
                    match plan.v4.iter().position(|address| *address == more) {
                        Some(at) => drop(plan.v4.remove(at)),
                        None => plan.v4.push(more),
                    }
                }
            }
            Self::Sessions(timing) => {
                let first_plans = &world.nodes[node].first_plans;
                let has_room = first_plans.iter().any(|plan| plan.bfd.is_some());
                for plan in plans.iter_mut().filter(|plan| has_room && !plan.peers.is_empty()) {
                    plan.bfd = timing;
                }
            }
            Self::Fewer if plans.len() > 1 && plans.iter().all(|plan| plan.group.is_none()) => {
                plans.pop();
            }
            Self::Fewer => {}
            Self::Original => plans.clone_from(&world.nodes[node].first_plans),
        }
        world.reload(node, plans);
    }
}

fn with_daemon(world: &mut World, node: usize, what: impl FnOnce(&mut World, usize)) {
    if world.nodes[node].has_daemon() {
        what(world, node);
    }
}

fn start(world: &mut World, node: usize) {
    if !world.nodes[node].has_daemon() {
        world.power_on(node);
    }
}

fn switch_link(world: &mut World, node: usize, link: usize) {
    world.administer(node, |kernel, rng| {
        if kernel.links[link].present {
            let up = !kernel.links[link].up;
            kernel.set_up(link, up, rng);
        }
    });
}

fn delete_link(world: &mut World, node: usize, link: usize, at_once: bool) {
    world.administer(node, |kernel, rng| {
        if kernel.links[link].present {
            kernel.delete_link(link, rng);
        }
        if at_once {
            kernel.recreate_link(link, rng);
        }
    });
}

fn delete_virtual_addresses(world: &mut World, node: usize) {
    world.administer(node, |kernel, rng| {
        for link in 0..kernel.links.len() {
            let own = kernel.links[link].own.clone();
            kernel.remove_where(link, |it| !own.iter().any(|own| own.0 == it.address), rng);
        }
    });
}

fn forge(world: &mut World, segment: usize, priority: u8, defective: bool) {
    let here = |plan: &&Plan| plan.link == segment;
    let Some(plan) = world.nodes.iter().flat_map(|node| &node.plans).find(here).cloned() else { return };
    let port = world.forger(segment);
    for family in plan.families() {
        let forgery = Forgery::of(&plan, family, priority);
        let forgery = if defective { forgery.spoilt(&plan, &mut world.rng) } else { forgery };
        trace!("-- forged for VRID {} {family:?}, defective: {defective}", plan.vrid);
        world.inject(segment, port, &forgery.frame());
    }
    if !defective {
        world.disturb();
    }
}

fn whisper(world: &mut World, node: usize, session: usize, state: u8) {
    let all = sessions(&world.nodes[node].plans);
    let Some(its) = (!all.is_empty()).then(|| session % all.len()) else { return };
    let Some(word) = FalseWord::to(world, node, its, state) else { return };
    let word = word.spoilt(&mut world.rng);
    trace!("-- whispered to node {node}: {word:?}");
    let port = world.forger(all[its].link);
    world.inject(all[its].link, port, &word.frame());
}

/// From less than a timer's grain to longer than most wait.
fn pause(rng: &mut Rng) -> Nanos {
    match rng.u8(0..3) {
        0 => rng.u64(0..10 * MS),
        1 => rng.u64(0..SEC),
        _ => rng.u64(0..10 * SEC),
    }
}

fn random_trouble(rng: &mut Rng) -> Trouble {
    let mut chance = || if rng.bool() { 0 } else { rng.u32(0..=1000) };
    Trouble {
        messages: chance(),
        frames: chance(),
        requests: chance(),
        refusals: chance(),
        overruns: chance(),
    }
}

fn random_path(rng: &mut Rng) -> Path {
    Path {
        loss: *rng.choice(&[0, 10, 100, 300, 1000]).unwrap(),
        duplicate: rng.u32(0..100),
        jitter: rng.u64(1..50 * MS),
        ..Path::GOOD
    }
}

fn mend_network(world: &mut World) {
    for segment in 0..world.segments() {
        world.heal(segment);
    }
}

/// Whatever was broken is whole, everybody is there, and has the virtual routers of its first plans.
pub fn mend(world: &mut World) {
    trace!("-- mend everything");
    mend_network(world);
    for node in 0..world.nodes.len() {
        world.set_trouble(node, Trouble::NONE);
        if world.nodes[node].kernel.refused != Refused::Nothing {
            world.refuse(node, Refused::Nothing);
        }
        if world.nodes[node].tracks(Thing::Session) {
            world.set_thing(node, Thing::Session, Mood::Good);
        }
        if world.nodes[node].tracks_things() {
            Thing::ALL.iter().for_each(|thing| world.set_thing(node, *thing, Mood::Good));
        }
        with_daemon(world, node, World::resume);
        world.administer(node, |kernel, rng| {
            let ports = kernel.links.iter().filter(|link| link.below.is_none()).count();
            for link in 0..ports {
                if !kernel.links[link].present {
                    kernel.recreate_link(link, rng);
                }
                if !kernel.links[link].up {
                    kernel.set_up(link, true, rng);
                }
                for (address, prefix_len) in kernel.links[link].own.clone() {
                    if !kernel.links[link].has(address) {
                        kernel.add_address(link, address, prefix_len, rng);
                    }
                }
            }
        });
        for link in 0..world.nodes[node].kernel.links.len() {
            let it = &world.nodes[node].kernel.links[link];
            if !it.carrier && it.below.is_none() {
                world.set_cable(node, link, true);
            }
        }
    }
    // Who is about to end does so before it is started again.
    for _ in 0..600 {
        if world.nodes.iter().any(|node| node.has_daemon() && !node.takes_part()) {
            world.run(100 * MS);
        }
    }
    for node in 0..world.nodes.len() {
        start(world, node);
        if world.nodes[node].plans.len() < world.nodes[node].first_plans.len() {
            Change::Original.apply(world, node);
        }
    }
}
