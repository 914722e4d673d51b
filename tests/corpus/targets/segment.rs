//! A simulated segment, where the bytes decide who is there and what goes wrong. Kernels and switch tell the truth, so
//! every checker of the simulator watches: addresses installed iff master, one master, clients served, frames right.
//! A stranger sends what nobody may heed.

use super::advert::verdict;
use super::choices::Choices;
use crate::clock::{MS, SEC};
use crate::frame::{self, Content};
use crate::kernel::Trouble;
use crate::plan::Plan;
use crate::switch::{Path, Port};
use crate::world::World;

/// What happens in one run, before everything is mended.
const STEPS_MAX: usize = 24;

/// Decisions: who is there, then what happens.
pub fn segment(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut world = World::new(u64::from(choices.number()), 1);
    let shape = shape(&mut choices);
    for _ in 0..=choices.below(3) {
        let mut plan = shape.clone().priority(choices.byte().clamp(1, 254));
        let manner = choices.below(4);
        plan.preempt = manner != 1;
        plan.has_vmac = cfg!(feature = "vmac") && manner == 3;
        let node = world.add_node(vec![plan], choices.is_so());
        world.nodes[node].kernel.promotes_secondaries = true;
        world.nodes[node].performs_twice = choices.is_so();
    }
    let client = world.add_client(0);
    world.clients[client].asks_again_after = SEC;
    let stranger = world.add_stranger(0);
    for node in 0..world.nodes.len() {
        world.start(node);
    }
    for _ in 0..STEPS_MAX {
        if choices.is_over() {
            break;
        }
        step(&mut world, stranger, &mut choices);
    }
    mend(&mut world);
    world.settle();
    world.run(SEC);
    let plan = world.nodes[0].plans[0].clone();
    for family in plan.families() {
        assert!(world.master_of(&plan, family).is_some(), "there is no one master");
    }
}

fn shape(choices: &mut Choices<'_>) -> Plan {
    match choices.below(6) {
        0 => Plan::v2(),
        1 => Plan::v3().centis(50),
        2 => Plan::v6().centis(50),
        3 => Plan::dual().centis(100),
        4 => Plan::v2().password(b"1111"),
        _ => Plan { version: Plan::v2().version, ..Plan::dual() },
    }
}

fn step(world: &mut World, stranger: Port, choices: &mut Choices<'_>) {
    let node = choices.below(world.nodes.len());
    let has_daemon = world.nodes[node].has_daemon();
    match choices.below(20) {
        0 if has_daemon => world.kill(node),
        1 if world.nodes[node].takes_part() => world.stop(node),
        2 if has_daemon => world.stall(node),
        3 if has_daemon => world.resume(node),
        0..=4 if !has_daemon => world.power_on(node),
        5 => world.power_off(node),
        6 if world.nodes[node].takes_part() => {
            let mut plan = world.nodes[node].plans[0].clone();
            plan.priority = choices.byte().clamp(1, 254);
            plan.preempt = choices.is_so();
            world.reload(node, vec![plan]);
        }
        7 => {
            let up = choices.is_so();
            world.set_cable(node, 0, up);
        }
        8 => administer(world, node, choices.byte()),
        // What fails the first time may succeed the second, and then twice is not once.
        9 if !world.nodes[node].performs_twice => {
            let mut chance = || u32::from(choices.byte()) * 4;
            let (messages, frames, requests) = (chance(), chance(), chance());
            let trouble = Trouble { messages, frames, requests, refusals: chance(), overruns: chance() };
            world.set_trouble(node, trouble);
        }
        10 => {
            let path = Path {
                loss: u32::from(choices.byte()),
                duplicate: u32::from(choices.byte()),
                jitter: MS * u64::from(choices.byte() % 50),
                ..Path::GOOD
            };
            world.set_paths(0, path);
        }
        11 => world.partition(0, &[node], if choices.is_so() { &[0] } else { &[] }),
        12 => {
            let to = choices.below(world.nodes.len());
            if node != to {
                world.cut(0, node, to);
            }
        }
        13 => world.heal(0),
        14..=18 => intrude(world, stranger, choices),
        _ => {}
    }
    let unit = choices.one_of(&[MS, 20 * MS, 200 * MS]);
    world.run(unit * u64::from(choices.byte() % 32));
}

/// What an administrator does to links and addresses.
fn administer(world: &mut World, node: usize, how: u8) {
    world.administer(node, |kernel, rng| match how % 4 {
        0 if kernel.links[0].present => kernel.delete_link(0, rng),
        0 | 1 if !kernel.links[0].present => kernel.recreate_link(0, rng),
        2 => {
            let own = kernel.links[0].own.clone();
            kernel.remove_where(0, |it| !own.iter().any(|own| own.0 == it.address), rng);
        }
        3 => kernel.remove_where(0, |_| true, rng),
        _ => {
            let up = !kernel.links[0].up;
            kernel.set_up(0, up, rng);
        }
    });
}

/// The stranger changes an advert that it has heard, or sends bytes of its own; only what is no advert goes out.
fn intrude(world: &mut World, stranger: Port, choices: &mut Choices<'_>) {
    let adverts = || {
        let is_advert = |frame: &&[u8]| matches!(frame::open(frame), Ok(it) if matches!(it.content, Content::Vrrp { .. }));
        world.heard.iter().map(|frame| &**frame).filter(is_advert)
    };
    let mut bytes = match choices.below(4) {
        0 => choices.some().to_vec(),
        _ => adverts().next_back().unwrap_or(&[]).to_vec(),
    };
    for _ in 0..choices.below(4) {
        let (at, flip) = (usize::from(choices.byte()), choices.byte());
        // Not the sender's MAC: a switch believes whatever it says.
        if let Some(byte) = bytes.get_mut(at).filter(|_| at > 11) {
            *byte ^= flip;
        }
    }
    if bytes.len() < 14 {
        return;
    }
    bytes[6..12].copy_from_slice(&[2, 0, 0, 0xee, 0, 1]);
    let is_harmless = match frame::open(&bytes) {
        Err(_) => true,
        Ok(opened) => match opened.content {
            Content::Vrrp { from, to, ttl, message, .. } => ttl != 255 || verdict(message, from, to).is_err(),
            Content::Arp { .. }
            | Content::Solicitation { .. }
            | Content::Advertisement(_)
            | Content::Echo { .. }
            | Content::Udp { .. } => false,
        },
    };
    if is_harmless {
        world.inject(0, stranger, &bytes);
    }
}

/// Whatever was broken is whole, and everybody is there.
fn mend(world: &mut World) {
    world.heal(0);
    for node in 0..world.nodes.len() {
        world.set_trouble(node, Trouble::NONE);
        if world.nodes[node].has_daemon() {
            world.resume(node);
        }
        world.administer(node, |kernel, rng| {
            if !kernel.links[0].present {
                kernel.recreate_link(0, rng);
            }
            if !kernel.links[0].up {
                kernel.set_up(0, true, rng);
            }
            for (address, prefix_len) in kernel.links[0].own.clone() {
                if !kernel.links[0].has(address) {
                    kernel.add_address(0, address, prefix_len, rng);
                }
            }
        });
        if !world.nodes[node].kernel.links[0].carrier {
            world.set_cable(node, 0, true);
        }
    }
    // Who is about to end has done so then.
    world.run(2 * SEC);
    for node in 0..world.nodes.len() {
        if !world.nodes[node].has_daemon() {
            world.power_on(node);
        }
    }
}
