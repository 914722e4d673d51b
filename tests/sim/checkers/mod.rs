//! What must hold whatever a scenario does. Checkers know the plans and what goes over the wire; of the
//! code under test they ask only in which state a virtual router says it is.

use core::net::IpAddr;

use vipd::config::Family;
use vipd::limits;
use vipd::router::{Effects, Router};
use vipd::vrrp::Phase;
use vipd::wire::IfIndex;

use crate::clock::{MS, NEVER, Nanos};
use crate::frame::{self, Content};
use crate::kernel::{Kernel, Link};
use crate::netlink::Arp;
use crate::node::Node;
use crate::plan::Plan;
use crate::seed::trace;

mod frames;
mod hooks;
mod lifetimes;
mod segments;
mod sessions;
mod sleepers;
mod timers;
mod tracked;

pub use segments::{Segments, settled_after};
pub use timers::Timers;

/// An advertisement that left a daemon.
#[derive(Debug, Clone, Copy)]
pub struct Advert {
    pub at: Nanos,
    pub node: usize,
    pub link: usize,
    pub vrid: u8,
    pub to: IpAddr,
    pub priority: u8,
}

/// A gratuitous ARP or neighbour advertisement that left a daemon.
#[derive(Debug, Clone, Copy)]
pub struct Announcement {
    pub node: usize,
    pub address: IpAddr,
    /// The kernel has the address already.
    pub is_claimed: bool,
}

/// A change of state, as seen at the end of a turn.
#[derive(Debug, Clone, Copy)]
pub struct Transition {
    pub node: usize,
    pub to: Option<Phase>,
}

/// What a node has let out in its present turn.
#[derive(Debug, Default, Clone)]
struct Load {
    messages: usize,
    frames: usize,
}

/// Everything that checks and remembers.
#[derive(Debug, Default, Clone)]
pub struct Checkers {
    pub adverts: Vec<Advert>,
    pub announcements: Vec<Announcement>,
    pub transitions: Vec<Transition>,
    pub hooks: hooks::Hooks,
    pub segments: Segments,
    pub timers: Timers,
    pub lifetimes: lifetimes::Lifetimes,
    pub sessions: sessions::Sessions,
    pub sleepers: sleepers::Sleepers,
    load: Load,
    /// Who became master and must have announced every address since when.
    owing: Vec<(usize, usize, Family, Nanos)>,
    announced: Vec<(usize, IpAddr, Nanos)>,
    phases: Vec<(usize, usize, Family, Option<Phase>)>,
    /// What had happened when each node was last looked at.
    looked: Vec<Option<(u64, u64)>>,
}

impl Checkers {
    /// Forgets what was remembered, not what is checked.
    pub fn forget(&mut self) {
        self.adverts.clear();
        self.announcements.clear();
        self.transitions.clear();
    }

    /// Law 5: one event has at most a constant number of effects.
    pub fn effects(&self, node: usize, router: &Router, effects: &Effects) {
        let addresses = router.config().addresses.len();
        let sessions = 2 * router.config().bfd.len();
        let bound =
            router.slots().count() * limits::EFFECTS_PER_VIRTUAL_ROUTER_MAX + addresses + sessions + 8;
        assert!(effects.len() <= bound, "law 5: node {node} has {} effects", effects.len());
        let ours = router.config().instances.iter().find(|its| router.muted().contains(its.vrid));
        assert!(ours.is_none(), "node {node} mutes a VRID of its own");
    }

    /// A message of IP protocol 112 is about to leave.
    #[allow(clippy::too_many_arguments, reason = "this is all that a message has")]
    pub fn message(
        &mut self,
        now: Nanos,
        node: usize,
        plans: &[Plan],
        kernel: &Kernel,
        interface: IfIndex,
        from: IpAddr,
        to: IpAddr,
        message: &[u8],
    ) {
        // A device that is gone cannot be checked against; the kernel will refuse.
        let Some(link) = kernel.by_index(interface.0) else { return };
        let advert = frames::advert(plans, kernel, link, from, to, message)
            .unwrap_or_else(|what| panic!("node {node} sends an advert with a wrong {what}: {message:02x?}"));
        self.sleepers.advert(node, link, advert.vrid, Family::of(from));
        self.load.messages += 1;
        let advert = Advert { at: now, node, link, ..advert };
        self.adverts.push(advert);
        self.advert_rate(&advert, plans);
    }

    /// An advertisement is about to leave as a whole frame, from a virtual MAC (RFC 9568 §7.2; TX08).
    pub fn advert_frame(
        &mut self,
        now: Nanos,
        node: usize,
        plans: &[Plan],
        kernel: &Kernel,
        interface: IfIndex,
        frame: &[u8],
    ) {
        let opened =
            frame::open(frame).unwrap_or_else(|what| panic!("node {node}: wrong {what}: {frame:02x?}"));
        let Content::Vrrp { from, to, ttl, message, .. } = opened.content else { panic!("an advert") };
        let family = Family::of(from);
        let is_its = |plan: &Plan| plan.vmac_of(family).is_some_and(|(mac, _)| mac == opened.from);
        assert!(plans.iter().any(|plan| plan.vrid == message[1] && is_its(plan)), "{}", opened.from);
        assert_eq!((Some(opened.to), ttl), (frame::group_mac(to), 255));
        self.message(now, node, plans, kernel, interface, from, to, message);
    }

    /// A whole frame is about to leave.
    pub fn frame(
        &mut self,
        now: Nanos,
        node: usize,
        plans: &[Plan],
        kernel: &Kernel,
        interface: IfIndex,
        frame: &[u8],
    ) {
        let Some(link) = kernel.by_index(interface.0) else { return };
        let address = frames::announcement(now, plans, kernel, link, frame)
            .unwrap_or_else(|what| panic!("node {node} announces with a wrong {what}: {frame:02x?}"));
        self.sleepers.announcement(node, kernel.base(link), address);
        self.load.frames += 1;
        let is_claimed = kernel.links[link].has(address);
        match self.announced.iter_mut().find(|it| (it.0, it.1) == (node, address)) {
            Some((_, _, at)) => *at = now,
            None => self.announced.push((node, address, now)),
        }
        self.announcements.push(Announcement { node, address, is_claimed });
    }

    /// Law 11, continuously: a takeover, one advert by the timetable, one answer and one parting word may fall
    /// together, and a fifth advert within 10 ms would be one answer too many. Resignations are sent twice.
    fn advert_rate(&self, new: &Advert, plans: &[Plan]) {
        let same = |it: &&Advert| {
            (it.node, it.link, it.vrid, it.to) == (new.node, new.link, new.vrid, new.to) && it.priority > 0
        };
        let slow = plans.iter().all(|plan| plan.interval() > 20 * MS);
        if let (true, Some(fifth)) = (slow, self.adverts.iter().rev().filter(same).nth(4)) {
            let span = new.at - fifth.at;
            assert!(span >= 9 * MS, "law 11: node {} sends five adverts within {span} ns", new.node);
        }
    }

    /// A frame leaves a node.
    pub fn wire(&self, node: &Node, link: usize, frame: &[u8]) {
        frames::on_the_wire(node, link, frame).unwrap_or_else(|what| {
            panic!("node {} sends a frame with a wrong {what}: {frame:02x?}", node.number)
        });
    }

    /// A turn has brought nothing but packets and a timer, however many: what goes out is bounded all the same
    /// (laws 5 and 11).
    pub fn bounded(&mut self, node: usize, plans: &[Plan], has_other_events: bool) {
        let load = core::mem::take(&mut self.load);
        let messages: usize = plans.iter().map(|plan| plan.families().count() + plan.peers.len()).sum();
        let addresses: usize = plans.iter().map(|plan| plan.v4.len() + plan.v6.len()).sum();
        let repeat = plans.iter().map(|plan| usize::from(plan.announcements.repeat)).max().unwrap_or(0);
        assert!(
            has_other_events
                || (load.messages <= 6 * messages && load.frames <= 3 * repeat.max(1) * addresses),
            "law 5: node {node} lets {load:?} out in one turn"
        );
    }

    /// A node's turn has ended.
    pub fn turn_ended(&mut self, now: Nanos, node: &Node) {
        self.sleepers.turn_ended(node.number);
        tracked::turn_ended(now, node);
        self.hooks.things_are_told(now, node);
        let instant = node.clock.local(now);
        for silence in self.sessions.turn_ended(now, node, instant) {
            self.timers.lose(node, instant, silence);
        }
        let has_moved = self.note_phases(now, node);
        if has_moved {
            self.timers.turn_ended(node, instant);
        }
        self.lifetimes.turn_ended(now, node);
        self.looked.resize(self.looked.len().max(node.number + 1), None);
        let epochs = Some((node.kernel.epoch, self.hooks.epoch));
        // Most turns only read an advert that is like the one before.
        if !node.is_quiescent(now) || (!has_moved && self.looked[node.number] == epochs) {
            if has_moved {
                self.looked[node.number] = None;
            }
            return;
        }
        self.looked[node.number] = epochs;
        for plan in &node.plans {
            for family in plan.families() {
                addresses_follow_the_state(now, node, plan, family);
            }
        }
        self.masters_have_announced(node);
        companions_move_together(node);
        self.hooks.newest_is_delivered(node);
    }

    /// ST01, ST04, AD11, AD12: hosts hear of a new master at once.
    fn masters_have_announced(&mut self, node: &Node) {
        let mine = |it: &&(usize, usize, Family, Nanos)| it.0 == node.number;
        for &(_, index, family, since) in self.owing.iter().filter(mine) {
            let Some(plan) = node.plans.get(index) else { continue };
            if node.phase(plan, family) != Some(Phase::Master) || !node.kernel.links[plan.link].running() {
                continue;
            }
            for address in plan.addresses(family) {
                let said = self.announced.iter().find(|it| (it.0, it.1) == (node.number, address));
                assert!(
                    said.is_some_and(|it| it.2 >= since),
                    "node {} is master and has not announced {address}",
                    node.number
                );
            }
        }
        self.owing.retain(|it| it.0 != node.number);
    }

    fn note_phases(&mut self, now: Nanos, node: &Node) -> bool {
        let mut has_moved = false;
        for (index, plan) in node.plans.iter().enumerate() {
            for family in plan.families() {
                let to = node.phase(plan, family);
                let known =
                    self.phases.iter_mut().find(|it| (it.0, it.1, it.2) == (node.number, index, family));
                match known {
                    Some((_, _, _, phase)) if *phase == to => continue,
                    Some((_, _, _, phase)) => *phase = to,
                    None => self.phases.push((node.number, index, family, to)),
                }
                trace!("node {} {} {family:?} -> {to:?}", node.number, plan.name);
                self.segments.changed();
                if to == Some(Phase::Master) {
                    self.owing.push((node.number, index, family, now));
                }
                self.transitions.push(Transition { node: node.number, to });
                has_moved = true;
            }
        }
        has_moved
    }

    /// When this node became master of anything, since the last [`Checkers::forget`].
    pub fn takeovers(&self, node: usize) -> usize {
        let mine = self.transitions.iter().filter(|it| it.node == node);
        mine.filter(|it| it.to == Some(Phase::Master)).count()
    }

    /// The first advert of a node at or after `since` that does not resign.
    pub fn first_advert(&self, node: usize, since: Nanos) -> Nanos {
        let fits = |it: &&Advert| it.node == node && it.at >= since && it.priority > 0;
        self.adverts.iter().find(fits).map_or(NEVER, |it| it.at)
    }
}

/// AD01, AD23: the addresses are installed if, and only if, the virtual router is master.
fn addresses_follow_the_state(now: Nanos, node: &Node, plan: &Plan, family: Family) {
    let Some(phase) = node.phase(plan, family) else { return };
    if !node.kernel.links[plan.link].present {
        return;
    }
    let home = node.kernel.home(plan, family);
    assert!(home.is_some() || phase != Phase::Master, "{now}: node {} has no virtual MAC", node.number);
    let Some(link) = home.map(|at| &node.kernel.links[at]) else { return };
    if link.below.is_some() {
        // AD01 to AD03: a backup's is switched off.
        assert_eq!(link.up, phase == Phase::Master, "{now}: node {} {phase:?} {}", node.number, link.name);
        let is_tight = |link: &Link| link.arp == Arp { ignore: 1, announce: 2 };
        let is_quiet = is_tight(link) && link.is_silent && is_tight(&node.kernel.links[plan.link]);
        assert!(!link.up || is_quiet, "AD04, AD22: node {} {}", node.number, link.name);
    }
    for address in plan.addresses(family) {
        let own = link.own.iter().any(|&(own, _)| own == address);
        let installed = link.has(address);
        let number = node.number;
        match phase {
            Phase::Master => {
                // Without a link there is no IPv6; the link's state is on its way to us.
                assert!(installed, "{now}: node {number} is master and lacks {address}");
            }
            Phase::Backup | Phase::Initialize => {
                assert!(own || !installed, "{now}: node {number} is {phase:?} and keeps {address}");
            }
        }
    }
}

/// The families of an instance, and the instances of a group, are in the same state.
fn companions_move_together(node: &Node) {
    let mut group = None;
    for plan in &node.plans {
        let mut instance = None;
        for family in plan.families() {
            let phase = node.phase(plan, family);
            if plan.group.is_some() {
                assert_eq!(phase, *group.get_or_insert(phase), "node {}: a torn group", node.number);
            }
            assert_eq!(phase, *instance.get_or_insert(phase), "node {}: torn families", node.number);
        }
    }
}
