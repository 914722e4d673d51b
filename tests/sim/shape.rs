//! A random house: how many routers, which virtual routers on which segments, in which versions and at which
//! intervals, with whose clocks. All of it follows from a seed.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use fastrand::Rng;
use vipd::config::Family;
use vipd::limits;
use vipd::wire::vrrp::{ChecksumForm, Version};

use crate::clock::{MS, Nanos, SEC};
use crate::plan::{Plan, Timing, sessions};
use crate::things::Thing;
use crate::world::{World, own_v4, own_v6};

/// Clients on each segment.
const CLIENTS: usize = 2;

/// What BFD sessions send and expect by, in milliseconds.
const TIMERS_MS: [u32; 5] = [10, 20, 50, 100, 300];

/// Those that are not shorter than this.
fn timers_from(least_ms: u32) -> Vec<u32> {
    TIMERS_MS.into_iter().filter(|ms| *ms >= least_ms).collect()
}

/// What an administrator would call the virtual routers.
const NAMES: [&str; 3] = ["lan", "guests", "voice"];

/// A house that is not built yet.
#[derive(Debug, Clone)]
pub struct Shape {
    pub segments: usize,
    pub nodes: Vec<NodeShape>,
    /// The shortest interval of any virtual router.
    pub centis: u16,
}

/// One router of it.
#[derive(Debug, Clone)]
pub struct NodeShape {
    pub plans: Vec<Plan>,
    pub keeps_marks: bool,
    /// Its kernel drops its addresses when it dies.
    pub lives: bool,
    pub drift_ppm: i64,
    /// It starts so much later than the one before.
    pub starts_after: Nanos,
    pub hook_max: Nanos,
}

impl Shape {
    /// Three to seven routers; `centis` is one of these intervals.
    pub fn random(rng: &mut Rng, intervals: &[u16]) -> Self {
        let count = rng.usize(3..=7);
        let segments = rng.usize(1..=2);
        let roles = rng.usize(1..=NAMES.len());
        let grouped = segments == 2 && rng.u8(0..3) == 0;
        let centis = *rng.choice(intervals).unwrap();
        let skewed = rng.u8(0..3) == 0;
        let mut nodes: Vec<NodeShape> = (0..count).map(|_| NodeShape::random(rng, skewed)).collect();
        if grouped {
            let role = random_role(rng, 0, centis, count);
            let all_equal = rng.u8(0..4) == 0;
            for (number, node) in nodes.iter_mut().enumerate() {
                let plan = assigned(rng, &role, number, all_equal);
                for link in 0..2 {
                    let plan = Plan { peers: peers(&role, link, number), ..plan.clone().grouped() };
                    node.plans.push(on_link(plan, link, link));
                }
            }
        } else {
            for number in 0..roles {
                let role = random_role(rng, number, centis, count);
                let link = rng.usize(0..segments);
                play(rng, &mut nodes, &role, number, link);
            }
        }
        if segments == 2 && !grouped && rng.u8(0..3) == 0 {
            for plan in nodes.iter_mut().flat_map(|node| &mut node.plans) {
                let weight = *rng.choice(&[-60, -20, 40]).unwrap();
                if plan.link == 0 && plan.priority < 255 && rng.bool() {
                    plan.tracks.push((1, weight));
                }
            }
        }
        // A device of that name is one virtual router's, and an owner's address is on the interface itself.
        // Chance of its own: houses without are as they would be if there were none.
        let mut chance = Rng::with_seed(rng.clone().u64(..));
        if cfg!(feature = "vmac") && !grouped && chance.u8(0..3) == 0 {
            let of_all = chance.bool();
            let all_from_base = chance.u8(0..4) == 0;
            for plan in nodes.iter_mut().flat_map(|node| &mut node.plans) {
                plan.has_vmac = plan.priority < 255 && (of_all || chance.bool());
                plan.sends_from_base = plan.has_vmac && all_from_base;
            }
        }
        if rng.u8(0..3) == 0 {
            nodes.iter_mut().for_each(|node| track_things(rng, node));
        }
        for node in nodes.iter_mut().filter(|node| node.lives) {
            for plan in &mut node.plans {
                plan.lifetime_secs = random_lifetime(rng, plan.centis);
            }
        }
        Self { segments, nodes, centis }
    }

    /// Lets the routers of a few houses have BFD sessions that send no more often than this: to their unicast peers, or to
    /// an upstream router of each segment, or both. Chance of its own, as above.
    pub fn with_sessions(mut self, rng: &Rng, least_ms: u32) -> Self {
        let mut chance = Rng::with_seed(!rng.clone().u64(..));
        let (to_peers, to_upstream) = (chance.u8(0..3) == 0, chance.u8(0..12) == 0);
        let timers_ms = timers_from(least_ms);
        if !cfg!(feature = "bfd") || timers_ms.is_empty() {
            return self;
        }
        let before = self.clone();
        for plans in self.nodes.iter_mut().map(|node| &mut node.plans) {
            let timing = Timing::every(*chance.choice(&timers_ms).unwrap(), chance.u8(3..=5));
            // Of one among many somebody has not thought.
            let is_forgotten = chance.u8(0..8) == 0;
            let weight = *chance.choice(&[0, 0, -60, -20, 40]).unwrap();
            for plan in plans.iter_mut() {
                plan.bfd = (to_peers && !is_forgotten && !plan.peers.is_empty()).then_some(timing);
                if to_upstream && !is_forgotten {
                    plan.things.push((Thing::Session, weight));
                    plan.upstream = timing;
                }
            }
        }
        let most = self.nodes.iter().map(|node| sessions(&node.plans).len()).max();
        if most > Some(limits::BFD_SESSIONS_MAX) { before } else { self }
    }

    /// The same with a session from each router to each other, if that can be.
    pub fn with_all_sessions(mut self, rng: &mut Rng) -> Option<Self> {
        let least_ms = u32::from(self.centis) / 2;
        let timers_ms = timers_from(least_ms);
        for plans in self.nodes.iter_mut().map(|node| &mut node.plans) {
            let timing = Timing::every(*rng.choice(&timers_ms).unwrap(), rng.u8(3..=5));
            plans.iter_mut().for_each(|plan| plan.bfd = Some(timing));
        }
        let all = self.nodes.iter().all(|node| {
            let is_unicast = node.plans.iter().all(|plan| !plan.peers.is_empty());
            is_unicast && sessions(&node.plans).len() <= limits::BFD_SESSIONS_MAX
        });
        all.then_some(self)
    }

    /// Whether anybody has BFD sessions.
    pub fn has_sessions(&self) -> bool {
        self.nodes.iter().any(|node| !sessions(&node.plans).is_empty())
    }

    /// Whether virtual routers of several segments move together.
    pub fn is_grouped(&self) -> bool {
        self.nodes.iter().flat_map(|node| &node.plans).any(|plan| plan.group.is_some())
    }

    /// Whether anybody tracks more than links.
    pub fn tracks_things(&self) -> bool {
        self.nodes.iter().flat_map(|node| &node.plans).any(|plan| !plan.things.is_empty())
    }

    /// Clients in all.
    pub fn clients(&self) -> usize {
        CLIENTS * self.segments
    }

    /// The longest down interval.
    pub fn longest_wait(&self) -> Nanos {
        self.nodes.iter().flat_map(|it| &it.plans).map(Plan::down).max().unwrap_or(SEC)
    }

    /// Builds it, and starts every daemon.
    pub fn build(&self, seed: u64) -> World {
        let mut world = World::new(seed, self.segments);
        for shape in &self.nodes {
            let number = world.add_node_with_clock(shape.plans.clone(), shape.keeps_marks, shape.drift_ppm);
            world.nodes[number].kernel.promotes_secondaries = true;
            world.nodes[number].hook_max = shape.hook_max;
            for plan in shape.plans.iter().filter(|plan| plan.priority == 255) {
                for address in plan.families().flat_map(|family| plan.addresses(family)) {
                    world.configure_address(number, plan.link, address);
                }
            }
        }
        let tracks_sessions = |node: &NodeShape| {
            node.plans.iter().any(|plan| plan.things.iter().any(|it| it.0 == Thing::Session))
        };
        if self.nodes.iter().any(tracks_sessions) {
            (0..self.segments).for_each(|segment| _ = world.add_upstream(segment));
        }
        // Short intervals want clients that notice; long ones would only make them repeat themselves.
        let period = (Nanos::from(self.centis) * 10 * MS / 4).clamp(20 * MS, SEC);
        for segment in 0..self.segments {
            for _ in 0..CLIENTS {
                let client = world.add_client(segment);
                // A router that dies while nobody hears of it leaves nobody who would announce anything.
                world.clients[client].asks_again_after = SEC;
                world.clients[client].period = period;
            }
        }
        world.calm_factor = 16;
        for (number, shape) in self.nodes.iter().enumerate() {
            world.run(shape.starts_after);
            world.start(number);
        }
        world
    }
}

impl NodeShape {
    fn random(rng: &mut Rng, skewed: bool) -> Self {
        Self {
            plans: Vec::new(),
            keeps_marks: rng.bool(),
            lives: rng.u8(0..3) == 0,
            drift_ppm: if skewed { rng.i64(-50_000..=50_000) } else { rng.i64(-100..=100) },
            starts_after: if rng.bool() { 0 } else { rng.u64(0..5 * SEC) },
            hook_max: *rng.choice(&[MS, 500 * MS, 1500 * MS]).unwrap(),
        }
    }
}

/// As short as may be, or not.
pub fn random_lifetime(rng: &mut Rng, centis: u16) -> u16 {
    (centis / 100 + 1).max(2) * rng.u16(1..=3)
}

/// What all players of a virtual router have in common.
fn random_role(rng: &mut Rng, number: usize, centis: u16, count: usize) -> Plan {
    let whole = centis.div_ceil(100) * 100;
    let v4 = vec![Ipv4Addr::new(10, 0, 0, 1 + number as u8)];
    let v6 = vec![
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1 + number as u16),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1 + number as u16),
    ];
    let base = Plan { name: NAMES[number], vrid: 10 + 10 * number as u8, v4, v6, ..Plan::v3() };
    let shape = match rng.u8(0..8) {
        0 | 1 => Plan { version: Version::V2, v6: Vec::new(), ..base }.centis(whole),
        2 | 3 => Plan { v6: Vec::new(), ..base }.centis(centis),
        4 | 5 => Plan { v4: Vec::new(), ..base }.centis(centis),
        6 => base.centis(centis),
        _ => Plan { version: Version::V2, ..base }.centis(whole),
    };
    let is_v2_only = shape.version == Version::V2 && shape.v6.is_empty();
    let shape = if is_v2_only && rng.bool() { shape.password(b"secret") } else { shape };
    let checksum =
        if shape.version == Version::V3 && rng.bool() { ChecksumForm::MessageOnly } else { shape.checksum };
    let unicast = rng.u8(0..5) == 0;
    let all = |family: Family| {
        (0..count).map(move |node| match family {
            Family::V4 => IpAddr::V4(own_v4(0, node as u8)),
            Family::V6 => IpAddr::V6(own_v6(node as u16)),
        })
    };
    let peers = if unicast { shape.families().flat_map(all).collect() } else { Vec::new() };
    Plan { peers, checksum, ..shape }
}

/// Lets most nodes track something, each in all its virtual routers.
fn track_things(rng: &mut Rng, node: &mut NodeShape) {
    for thing in Thing::ALL {
        let weights: &[i16] = if thing == Thing::File { &[0, -6, 4] } else { &[0, 0, -60, -20, 40] };
        let weight = *rng.choice(weights).unwrap();
        if rng.bool() {
            node.plans.iter_mut().for_each(|plan| plan.things.push((thing, weight)));
        }
    }
}

/// Gives a role to most of the nodes.
fn play(rng: &mut Rng, nodes: &mut [NodeShape], role: &Plan, number: usize, link: usize) {
    let all_equal = rng.u8(0..4) == 0;
    // An owner that has lost its other addresses speaks from the virtual one, which unicast peers do not know.
    let may_own = number == 0 && role.v6.is_empty() && role.peers.is_empty();
    let owner = (may_own && rng.u8(0..4) == 0).then(|| rng.usize(0..nodes.len()));
    let everybody = rng.bool();
    for (node, shape) in nodes.iter_mut().enumerate() {
        let plays = everybody || node < 2 || owner == Some(node) || rng.u8(0..4) != 0;
        if !plays {
            continue;
        }
        let mut plan = assigned(rng, role, node, all_equal);
        if owner == Some(node) {
            (plan.priority, plan.preempt) = (255, true);
        }
        plan.peers = peers(role, link, node);
        shape.plans.push(on_link(plan, link, number));
    }
}

/// What one node makes of a role.
fn assigned(rng: &mut Rng, role: &Plan, node: usize, all_equal: bool) -> Plan {
    let mut plan = role.clone().priority(if all_equal { 100 } else { rng.u8(1..=254) });
    plan.preempt = rng.u8(0..4) != 0;
    if rng.u8(0..24) == 0 {
        plan.preempt_delay = Duration::from_secs(rng.u64(1..20));
    }
    plan.announcements.delay_secs = rng.u16(0..=5);
    if rng.u8(0..8) == 0 {
        plan = plan.lifetime(3);
    }
    // Version 3 learns the master's interval, so each may have its own.
    let is_v3 = role.version == Version::V3;
    if is_v3 && node % 3 == 1 && rng.u8(0..3) == 0 && plan.centis <= 1000 {
        plan.centis *= rng.u16(2..=4);
    }
    plan
}

/// The unicast peers of a node, by their addresses on a segment.
fn peers(role: &Plan, link: usize, node: usize) -> Vec<IpAddr> {
    let is_mine = |peer: &IpAddr| {
        *peer == IpAddr::V4(own_v4(0, node as u8)) || *peer == IpAddr::V6(own_v6(node as u16))
    };
    let here = |peer: IpAddr| match peer {
        IpAddr::V4(peer) => {
            let [a, b, _, d] = peer.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, link as u8, d))
        }
        IpAddr::V6(_) => peer,
    };
    role.peers.iter().copied().filter(|peer| !is_mine(peer)).map(here).collect()
}

/// The same virtual router on another segment, by another name.
fn on_link(mut plan: Plan, link: usize, name: usize) -> Plan {
    for address in &mut plan.v4 {
        let [a, b, _, d] = address.octets();
        *address = Ipv4Addr::new(a, b, link as u8, d);
    }
    for address in plan.v6.iter_mut().filter(|address| !address.is_unicast_link_local()) {
        let [a, b, _, rest @ ..] = address.segments();
        *address = Ipv6Addr::new(a, b, link as u16, rest[0], rest[1], rest[2], rest[3], rest[4]);
    }
    Plan { link, name: NAMES[name], ..plan }
}
