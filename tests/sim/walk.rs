//! Random walks: a segment of random routers, and things that happen to it at random. There is no story and
//! nothing is expected on the way but what the checkers demand; at the end everything is mended, and
//! then everything must be well.

use fastrand::Rng;
use vipd::config::Family;
use vipd::vrrp::Phase;

use crate::clock::{MS, SEC};
use crate::kernel::Trouble;
use crate::plan::Plan;
use crate::seed::{self, trace};
use crate::switch::Path;
use crate::world::{World, own_v4, own_v6};

/// How many walks, if the environment does not say (`VIPD_SIM_RUNS`).
const RUNS: u64 = 400;

#[test]
fn whatever_happens_one_master_is_left_and_clients_are_served() {
    fn walk_of(seed: u64) {
        let mut world = random_world(seed);
        for _ in 0..world.rng.u32(4..16) {
            step(&mut world);
        }
        mend(&mut world);
        world.settle();
        world.run(2 * SEC);
        world.settle();
        everything_is_well(&world);
    }
    let name = "walk::whatever_happens_one_master_is_left_and_clients_are_served";
    seed::some(name, seed::runs(RUNS), walk_of);
}

fn random_world(seed: u64) -> World {
    let mut rng = seed::generator(!seed);
    let grouped = rng.u8(0..4) == 0;
    let segments = if grouped { 2 } else { 1 };
    let mut world = World::new(seed, segments);
    let nodes = rng.usize(1..=5);
    let shape = random_shape(&mut rng, nodes);
    let skewed = rng.u8(0..3) == 0;
    let same_priority = rng.u8(0..4) == 0;
    for node in 0..nodes {
        let priority = if same_priority { 100 } else { rng.u8(1..=254) };
        let mut plan = shape.clone().priority(priority);
        plan.preempt = rng.u8(0..4) != 0;
        plan.peers.retain(|peer| !mine(*peer, node));
        let plans =
            if grouped { vec![plan.clone().grouped(), plan.grouped().on_link(1)] } else { vec![plan] };
        let drift_ppm = if skewed { rng.i64(-50_000..=50_000) } else { rng.i64(-100..=100) };
        let number = world.add_node_with_clock(plans, rng.bool(), drift_ppm);
        world.nodes[number].kernel.promotes_secondaries = true;
    }
    for segment in 0..segments {
        for _ in 0..2 {
            let client = world.add_client(segment);
            // A router that dies while nobody hears of it leaves nobody who would announce anything.
            world.clients[client].asks_again_after = SEC;
        }
    }
    for node in 0..nodes {
        let span = if rng.bool() { 0 } else { rng.u64(0..5 * SEC) };
        world.run(span);
        world.start(node);
    }
    world
}

fn random_shape(rng: &mut Rng, nodes: usize) -> Plan {
    let shape = match rng.u8(0..8) {
        0 | 1 => Plan::v2().centis(100 * rng.u16(1..=2)),
        2 | 3 => Plan::v3().centis(*rng.choice(&[1, 5, 10, 50, 100]).unwrap()),
        4 | 5 => Plan::v6().centis(*rng.choice(&[1, 5, 10, 50, 100]).unwrap()),
        6 => Plan::dual().centis(*rng.choice(&[5, 10, 100]).unwrap()),
        _ => Plan { version: Plan::v2().version, ..Plan::dual() },
    };
    // Unicast is told to one segment only.
    let unicast = rng.u8(0..5) == 0 && nodes > 1;
    let all = |family: Family| {
        (0..nodes).map(move |node| match family {
            Family::V4 => own_v4(0, node as u8).into(),
            Family::V6 => own_v6(node as u16).into(),
        })
    };
    if unicast { shape.clone().with_peers(shape.families().flat_map(all).collect()) } else { shape }
}

fn mine(address: core::net::IpAddr, node: usize) -> bool {
    address == core::net::IpAddr::V4(own_v4(0, node as u8))
        || address == core::net::IpAddr::V6(own_v6(node as u16))
}

/// Something happens, and then some time passes.
fn step(world: &mut World) {
    let node = world.rng.usize(0..world.nodes.len());
    let links = world.nodes[node].kernel.links.len();
    let link = world.rng.usize(0..links);
    match world.rng.u8(0..23) {
        0 => with_daemon(world, node, World::kill),
        1 => with_daemon(world, node, World::stop),
        2 => with_daemon(world, node, World::stall),
        3 => with_daemon(world, node, World::resume),
        4 | 5 => start(world, node),
        6 => world.power_off(node),
        7 => reload(world, node),
        8 => world.set_cable(node, link, false),
        9 => world.set_cable(node, link, true),
        10 => switch_link(world, node, link),
        11 => delete_link(world, node, link),
        12 => delete_virtual_addresses(world, node),
        13 => flush(world, node, link),
        14 | 15 => trouble(world, node),
        16 | 17 => weaken(world, link),
        18 | 19 => partition(world, link),
        20 => cut(world, link),
        21 => mend_network(world),
        _ => mend(world),
    }
    let longest = world.nodes.iter().flat_map(|it| &it.plans).map(Plan::down).max().unwrap_or(SEC);
    let span = match world.rng.u8(0..4) {
        0 => world.rng.u64(0..MS),
        1 => world.rng.u64(0..longest / 2),
        2 => world.rng.u64(0..2 * longest),
        _ => 3 * longest + world.rng.u64(0..3 * SEC),
    };
    world.run(span);
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

/// Another priority, another mind about preemption, or nothing new at all.
fn reload(world: &mut World, node: usize) {
    if !world.nodes[node].takes_part() {
        return;
    }
    let mut plans = world.nodes[node].plans.clone();
    let (priority, preempt) = (world.rng.u8(1..=254), world.rng.bool());
    match world.rng.u8(0..3) {
        0 => {}
        1 => plans.iter_mut().for_each(|plan| plan.priority = priority),
        _ => plans.iter_mut().for_each(|plan| plan.preempt = preempt),
    }
    world.reload(node, plans);
}

fn switch_link(world: &mut World, node: usize, link: usize) {
    world.administer(node, |kernel, rng| {
        if kernel.links[link].present {
            let up = !kernel.links[link].up;
            kernel.set_up(link, up, rng);
        }
    });
}

fn delete_link(world: &mut World, node: usize, link: usize) {
    let at_once = world.rng.bool();
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

fn flush(world: &mut World, node: usize, link: usize) {
    world.administer(node, |kernel, rng| kernel.remove_where(link, |_| true, rng));
}

fn trouble(world: &mut World, node: usize) {
    let rng = &mut world.rng;
    let mut chance = || if rng.bool() { 0 } else { rng.u32(0..=1000) };
    let trouble = Trouble {
        messages: chance(),
        frames: chance(),
        requests: chance(),
        refusals: chance(),
        overruns: chance(),
    };
    world.set_trouble(node, trouble);
}

fn weaken(world: &mut World, segment: usize) {
    let path = Path {
        loss: *world.rng.choice(&[0, 10, 100, 300, 1000]).unwrap(),
        duplicate: world.rng.u32(0..100),
        jitter: world.rng.u64(1..50 * MS),
        ..Path::GOOD
    };
    world.set_paths(segment, path);
}

fn partition(world: &mut World, segment: usize) {
    let rng = &mut world.rng;
    let nodes: Vec<usize> = (0..world.nodes.len()).filter(|_| rng.bool()).collect();
    let clients: Vec<usize> = (0..world.clients.len()).filter(|_| rng.bool()).collect();
    world.partition(segment, &nodes, &clients);
}

fn cut(world: &mut World, segment: usize) {
    let nodes = world.nodes.len();
    let (from, to) = (world.rng.usize(0..nodes), world.rng.usize(0..nodes));
    if from != to {
        world.cut(segment, from, to);
    }
}

fn mend_network(world: &mut World) {
    for segment in 0..world.segments() {
        world.heal(segment);
    }
}

/// Whatever was broken is whole, and everybody is there.
fn mend(world: &mut World) {
    trace!("-- mend everything");
    mend_network(world);
    for node in 0..world.nodes.len() {
        world.set_trouble(node, Trouble::NONE);
        with_daemon(world, node, World::resume);
        world.administer(node, |kernel, rng| {
            for link in 0..kernel.links.len() {
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
            if !world.nodes[node].kernel.links[link].carrier {
                world.set_cable(node, link, true);
            }
        }
    }
    // Who is about to end has done so then.
    world.run(2 * SEC);
    for node in 0..world.nodes.len() {
        start(world, node);
    }
}

fn everything_is_well(world: &World) {
    let first = world.nodes[0].plans.clone();
    for plan in &first {
        for family in plan.families() {
            let master = world.master_of(plan, family).expect("one master");
            for node in &world.nodes {
                let phase = node.phase(plan, family);
                assert!(matches!(phase, Some(Phase::Master | Phase::Backup)), "{}: {phase:?}", node.number);
            }
            highest_priority_wins(world, master, plan.link);
        }
    }
}

/// Where everybody preempts, nobody of higher priority than the master is left waiting.
fn highest_priority_wins(world: &World, master: usize, link: usize) {
    let plan = |node: usize| world.nodes[node].plans.iter().find(|plan| plan.link == link);
    if let (Some(ours), true) = (plan(master), world.nodes.iter().all(|node| node.plans[0].preempt)) {
        for node in 0..world.nodes.len() {
            let theirs = plan(node).map_or(0, |plan| plan.priority);
            assert!(theirs <= ours.priority, "node {node} waits with {theirs} behind {}", ours.priority);
        }
    }
}
