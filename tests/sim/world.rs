//! The world: segments, routers, clients and one queue of what happens next.

use core::cmp::Reverse;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::BinaryHeap;
use std::rc::Rc;

use fastrand::Rng;
use vipd::config::Family;
use vipd::vrrp::Phase;
use vipd::wire::Mac;

use crate::checkers::{self, Checkers};
use crate::client::{Client, PING_PERIOD};
use crate::clock::{Clock, MS, NEVER, Nanos, SEC};
use crate::kernel::{Kernel, Outbox, Refused, Trouble};
use crate::neighbour::Reflector;
use crate::node::{Node, Surroundings, lateness};
use crate::plan::{self, LINK_NAMES, Plan, prefix_len};
use crate::seed::{self, trace};
use crate::switch::{Frame, Path, Port, Switch};
use crate::things::{self, Mood, Thing};

/// Who is plugged in.
#[derive(Debug, Clone, Copy)]
enum Station {
    Node {
        number: usize,
        link: usize,
    },
    Client(usize),
    Upstream(usize),
    Stranger,
    /// A stranger that only speaks.
    Forger,
}

struct Segment {
    switch: Switch,
    stations: Vec<Station>,
}

#[derive(Debug)]
enum What {
    Arrives {
        segment: usize,
        port: Port,
        frame: Frame,
    },
    Turn(usize),
    /// A kernel looks for addresses that are no longer valid.
    Look(usize),
    Ping(usize),
}

/// Something that will happen. Of two at the same time the one that was decided on first is first.
#[derive(Debug)]
struct Coming {
    at: Nanos,
    order: u64,
    what: What,
}

impl PartialEq for Coming {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Coming {}

impl PartialOrd for Coming {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Coming {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Everything.
pub struct World {
    pub now: Nanos,
    pub rng: Rng,
    pub nodes: Vec<Node>,
    pub clients: Vec<Client>,
    /// Routers that answer BFD, and do nothing else.
    pub upstreams: Vec<Kernel>,
    pub checkers: Checkers,
    segments: Vec<Segment>,
    queue: BinaryHeap<Reverse<Coming>>,
    order: u64,
    outbox: Outbox,
    /// What strangers have heard.
    pub heard: Vec<Frame>,
    client_segments: Vec<usize>,
    /// How many times longer clients wait between pings while nothing has happened for long.
    pub calm_factor: u64,
}

impl World {
    /// A world with so many segments and nothing on them.
    pub fn new(seed: u64, segments: usize) -> Self {
        let segment = || Segment { switch: Switch::default(), stations: Vec::new() };
        Self {
            now: 0,
            rng: seed::generator(seed),
            nodes: Vec::new(),
            clients: Vec::new(),
            upstreams: Vec::new(),
            checkers: Checkers::default(),
            segments: (0..segments).map(|_| segment()).collect(),
            queue: BinaryHeap::new(),
            order: 0,
            outbox: Outbox::new(),
            heard: Vec::new(),
            client_segments: Vec::new(),
            calm_factor: 1,
        }
    }

    /// Routers with one plan each on one segment, a client that needs the virtual addresses, all started.
    pub fn of(seed: u64, plans: impl IntoIterator<Item = Plan>) -> Self {
        let mut world = Self::new(seed, 1);
        for plan in plans {
            world.add_node(vec![plan], true);
        }
        world.add_client(0);
        for node in 0..world.nodes.len() {
            world.start(node);
        }
        world
    }

    /// A router that is plugged into every segment. Higher numbers have higher IPv4 addresses and lower
    /// IPv6 addresses.
    pub fn add_node(&mut self, plans: Vec<Plan>, keeps_marks: bool) -> usize {
        let drift_ppm = self.rng.i64(-100..=100);
        self.add_node_with_clock(plans, keeps_marks, drift_ppm)
    }

    /// A router whose clock gains so many millionths.
    pub fn add_node_with_clock(&mut self, plans: Vec<Plan>, keeps_marks: bool, drift_ppm: i64) -> usize {
        let number = self.nodes.len();
        let mut kernel = Kernel::new(keeps_marks);
        for (segment, name) in LINK_NAMES.into_iter().enumerate().take(self.segments.len()) {
            let mac = Mac([2, 0, 0, segment as u8, 0, 0x11 + number as u8]);
            let v4 = own_v4(segment as u8, number as u8);
            let v6 = own_v6(number as u16);
            let own = vec![(IpAddr::V4(v4), 24), (IpAddr::V6(v6), 64)];
            let port = self.plug_in(segment, Station::Node { number, link: segment });
            kernel.add_link(name, mac, (segment, port), own);
        }
        let clock = Clock::new(self.rng.u64(SEC..1000 * SEC), drift_ppm);
        let mut node = Node::new(number, kernel, clock, plans);
        node.gathers = self.rng.bool();
        self.nodes.push(node);
        number
    }

    /// A node's administrator configures one more address of its own.
    pub fn configure_address(&mut self, node: usize, link: usize, address: IpAddr) {
        let prefix_len = prefix_len(address);
        self.nodes[node].kernel.links[link].own.push((address, prefix_len));
        self.nodes[node].kernel.add_address(link, address, prefix_len, &mut self.rng);
    }

    /// A client of a segment that pings every virtual address that somebody there plays.
    pub fn add_client(&mut self, segment: usize) -> usize {
        let number = self.clients.len();
        let host = 200 + number as u8;
        let mut kernel = Kernel::new(true);
        let port = self.plug_in(segment, Station::Client(number));
        let own = vec![
            (IpAddr::V4(Ipv4Addr::new(10, 0, segment as u8, host)), 24),
            (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(host))), 64),
            (IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, segment as u16, 0, 0, 0, 0, u16::from(host))), 64),
        ];
        kernel.add_link("eth0", Mac([2, 0, 0, segment as u8, 1, host]), (segment, port), own);
        let mut targets: Vec<IpAddr> = Vec::new();
        for plan in self.nodes.iter().flat_map(|node| &node.plans).filter(|it| it.link == segment) {
            for address in plan.families().flat_map(|family| plan.addresses(family)) {
                if !targets.contains(&address) {
                    targets.push(address);
                }
            }
        }
        self.clients.push(Client::new(kernel, &targets, self.now));
        self.client_segments.push(segment);
        let first = self.now + self.rng.u64(0..PING_PERIOD);
        self.ping_at(number, first);
        number
    }

    /// A router of a segment that answers BFD at [`plan::upstream`].
    pub fn add_upstream(&mut self, segment: usize) -> usize {
        let number = self.upstreams.len();
        let mut kernel = Kernel::new(true);
        let port = self.plug_in(segment, Station::Upstream(number));
        let own = vec![(plan::upstream(segment), 24)];
        kernel.add_link("eth0", Mac([2, 0, 0, segment as u8, 3, 1]), (segment, port), own);
        kernel.reflector = Some(Reflector::default());
        self.upstreams.push(kernel);
        number
    }

    /// A port for frames that no part of this world makes.
    pub fn add_stranger(&mut self, segment: usize) -> Port {
        self.plug_in(segment, Station::Stranger)
    }

    /// A segment's port for forged frames, where nobody listens.
    pub fn forger(&mut self, segment: usize) -> Port {
        let stations = &self.segments[segment].stations;
        let known = stations.iter().position(|station| matches!(station, Station::Forger));
        known.unwrap_or_else(|| self.plug_in(segment, Station::Forger))
    }

    fn plug_in(&mut self, segment: usize, station: Station) -> Port {
        self.segments[segment].stations.push(station);
        self.segments[segment].switch.plug_in()
    }

    // What is done to it.

    /// Starts a node's daemon.
    pub fn start(&mut self, node: usize) {
        trace!("-- start node {node}");
        self.nodes[node].start();
        self.checkers.sessions.forget(node);
        self.checkers.lifetimes.unsettle(node, self.now);
        self.disturb();
        self.wake_soon(node);
    }

    /// SIGKILL.
    pub fn kill(&mut self, node: usize) {
        trace!("-- kill node {node}");
        self.nodes[node].kill();
        self.checkers.lifetimes.fell_silent(node, self.now);
        self.checkers.hooks.forget(node);
        self.checkers.sessions.forget(node);
        self.note(node);
        self.disturb();
    }

    /// SIGTERM.
    pub fn stop(&mut self, node: usize) {
        trace!("-- stop node {node}");
        self.nodes[node].stop();
        self.disturb();
        self.wake_soon(node);
    }

    /// The host loses power: its links go down, its addresses are lost.
    pub fn power_off(&mut self, node: usize) {
        trace!("-- power off node {node}");
        self.kill(node);
        self.nodes[node].kernel.reset();
        for link in 0..self.nodes[node].kernel.links.len() {
            self.set_cable(node, link, false);
        }
    }

    /// The host boots and starts the daemon.
    pub fn power_on(&mut self, node: usize) {
        trace!("-- power on node {node}");
        for link in 0..self.nodes[node].kernel.links.len() {
            self.set_cable(node, link, true);
        }
        self.start(node);
    }

    /// SIGSTOP.
    pub fn stall(&mut self, node: usize) {
        trace!("-- stall node {node}");
        self.nodes[node].stalled = true;
        self.nodes[node].stalled_at.get_or_insert(self.now);
        self.checkers.lifetimes.fell_silent(node, self.now);
        self.blur(node);
        self.disturb();
    }

    /// SIGCONT.
    pub fn resume(&mut self, node: usize) {
        trace!("-- resume node {node}");
        self.nodes[node].stalled = false;
        if let Some(since) = self.nodes[node].stalled_at.take() {
            let was_troubled = self.nodes[node].kernel.still_troubled(since, self.now);
            if !was_troubled {
                // Otherwise it may not know of its links.
                self.checkers.sleepers.wakes(&self.nodes[node], self.now - since);
            }
        }
        self.checkers.lifetimes.unsettle(node, self.now);
        self.blur(node);
        self.disturb();
        self.wake_soon(node);
    }

    /// SIGHUP with these plans.
    pub fn reload(&mut self, node: usize, plans: Vec<Plan>) {
        trace!("-- reload node {node}");
        self.nodes[node].reload(plans);
        self.checkers.lifetimes.unsettle(node, self.now);
        self.blur(node);
        self.disturb();
        self.wake_soon(node);
    }

    /// Pulls a node's cable, or puts it back.
    pub fn set_cable(&mut self, node: usize, link: usize, up: bool) {
        trace!("-- cable of node {node} link {link}: {up}");
        let it = &self.nodes[node].kernel.links[link];
        let (segment, port) = (it.segment, it.port);
        self.segments[segment].switch.set_up(port, up);
        self.nodes[node].kernel.set_carrier(link, up, &mut self.rng);
        self.blur(node);
        self.disturb();
        self.wake_soon(node);
    }

    /// Something happens in a node's kernel by another hand: links, addresses.
    pub fn administer(&mut self, node: usize, what: impl FnOnce(&mut Kernel, &mut Rng)) {
        trace!("-- administer node {node}");
        what(&mut self.nodes[node].kernel, &mut self.rng);
        self.checkers.lifetimes.unsettle(node, self.now);
        self.blur(node);
        self.disturb();
        self.wake_soon(node);
    }

    /// Makes a node's system calls fail, or stop failing.
    pub fn set_trouble(&mut self, node: usize, trouble: Trouble) {
        trace!("-- node {node}: {trouble:?}");
        self.nodes[node].kernel.set_trouble(trouble, self.now);
        self.checkers.lifetimes.unsettle(node, self.now);
        self.blur(node);
        self.disturb();
        self.wake_soon(node);
    }

    /// A thing that a node tracks gets better or worse.
    pub fn set_thing(&mut self, node: usize, thing: Thing, mood: Mood) {
        trace!("-- the {thing:?} of node {node}: {mood:?}");
        match thing {
            Thing::Probe => self.nodes[node].things.probe = mood,
            Thing::File => {
                self.nodes[node].things.file = mood;
                self.nodes[node].read_files();
            }
            Thing::Route => {
                self.nodes[node].kernel.set_default_route(mood == Mood::Good, &mut self.rng);
            }
            Thing::Session => {
                self.nodes[node].things.session = mood;
                let its: Vec<Mac> = self.nodes[node].kernel.links.iter().map(|link| link.mac).collect();
                for reflector in self.upstreams.iter_mut().filter_map(|it| it.reflector.as_mut()) {
                    reflector.deaf_to.retain(|mac| !its.contains(mac));
                    if mood != Mood::Good {
                        reflector.deaf_to.extend_from_slice(&its);
                    }
                }
            }
        }
        self.blur(node);
        self.disturb();
        self.wake_soon(node);
    }

    /// A packet filter on a node lets something in no more, or again.
    pub fn refuse(&mut self, node: usize, refused: Refused) {
        trace!("-- node {node} refuses {refused:?}");
        self.nodes[node].kernel.refused = refused;
        self.blur(node);
        self.disturb();
    }

    /// Makes every path of a segment like this.
    pub fn set_paths(&mut self, segment: usize, path: Path) {
        trace!("-- segment {segment}: {path:?}");
        self.segments[segment].switch.set_paths(path);
        self.disturb();
    }

    /// Puts nodes and clients of a segment on side 1 of a partition; everybody else is on side 0.
    pub fn partition(&mut self, segment: usize, nodes: &[usize], clients: &[usize]) {
        trace!("-- partition of segment {segment}: nodes {nodes:?}, clients {clients:?}");
        let segment = &mut self.segments[segment];
        for (port, station) in segment.stations.iter().enumerate() {
            let other_side = match station {
                Station::Node { number, .. } => nodes.contains(number),
                Station::Client(number) => clients.contains(number),
                Station::Upstream(_) | Station::Stranger | Station::Forger => false,
            };
            segment.switch.set_side(port, u8::from(other_side));
        }
        self.disturb();
    }

    /// Frames of one node do not reach the other any more; the other way they do.
    pub fn cut(&mut self, segment: usize, from: usize, to: usize) {
        trace!("-- cut on segment {segment} from node {from} to node {to}");
        let port = |node: usize| self.nodes[node].kernel.links[segment].port;
        let (from, to) = (port(from), port(to));
        self.segments[segment].switch.cut(from, to);
        self.disturb();
    }

    /// Ends every partition, cut and weakness of a segment.
    pub fn heal(&mut self, segment: usize) {
        trace!("-- heal segment {segment}");
        self.segments[segment].switch.heal();
        self.disturb();
    }

    /// A frame comes in by a port.
    pub fn inject(&mut self, segment: usize, port: Port, frame: &[u8]) {
        self.send(segment, port, &Rc::from(frame));
    }

    fn blur(&mut self, node: usize) {
        let node = &self.nodes[node];
        self.checkers.timers.blur(node, node.clock.local(self.now));
    }

    /// A fault that no verb above knows has begun or ended.
    pub fn disturb(&mut self) {
        self.checkers.segments.disturb(self.now);
        // Over a network that loses packets nobody can say how a session stands.
        let is_whole = self.segments.iter().all(|segment| segment.switch.is_healthy());
        for node in self.nodes.iter_mut().filter(|node| node.tracks_things()) {
            let is_vague = !is_whole && node.tracks(Thing::Session);
            node.things.known_at = if is_vague { NEVER } else { self.now + things::KNOWN_AFTER };
        }
        for client in 0..self.clients.len() {
            let soon = self.now + self.clients[client].period;
            if self.clients[client].next_ping_at > soon {
                self.ping_at(client, soon);
            }
        }
    }

    // Time.

    /// Lets this much time pass.
    pub fn run(&mut self, span: Nanos) {
        let end = self.now + span;
        while let Some(Reverse(next)) = self.queue.peek() {
            if next.at > end {
                break;
            }
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.set_now(next.at);
            self.happen(next.what);
        }
        self.set_now(end);
        self.observe();
    }

    /// Lets time pass until `is_so`, and says how much that was; at most `limit`.
    pub fn run_until(&mut self, limit: Nanos, what: &str, is_so: impl Fn(&Self) -> bool) -> Nanos {
        let start = self.now;
        while !is_so(self) {
            assert!(self.now - start <= limit, "after {} ms: not {what}", limit / MS);
            self.run(MS);
        }
        self.now - start
    }

    /// Lets time pass until everything has settled and been checked: every bound has run out.
    pub fn settle(&mut self) {
        let span = checkers::settled_after(&self.nodes);
        self.run(span);
    }

    // What can be seen.

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// The only node that is master of this virtual router.
    pub fn master_of(&self, plan: &Plan, family: Family) -> Option<usize> {
        let mut masters = self
            .nodes
            .iter()
            .filter(|node| node.is_running() && node.phase(plan, family) == Some(Phase::Master));
        let master = masters.next()?.number;
        masters.next().is_none().then_some(master)
    }

    /// The only master of the first plan of node 0, in its first family.
    pub fn master(&self) -> usize {
        let plan = &self.nodes[0].plans[0];
        let family = plan.families().next().unwrap();
        self.master_of(plan, family).expect("one master")
    }

    /// The state of the first plan of a node, in its first family.
    pub fn phase(&self, node: usize) -> Option<Phase> {
        let plan = &self.nodes[node].plans[0];
        self.nodes[node].phase(plan, plan.families().next().unwrap())
    }

    /// The longest time that any client was without any of its addresses.
    pub fn outage(&self) -> Nanos {
        let targets = self.clients.iter().flat_map(|client| &client.targets);
        targets.map(|target| target.outage(self.now)).max().unwrap_or(0)
    }

    /// Whether this node answered the latest ping of every client to every address.
    pub fn serves(&self, node: usize) -> bool {
        let links = &self.nodes[node].kernel.links;
        self.clients.iter().zip(&self.client_segments).all(|(client, segment)| {
            client.targets.iter().all(|target| target.served_by == Some(links[*segment].mac))
        })
    }

    /// Lets time pass until this node serves every client; at most `limit`.
    pub fn run_until_served_by(&mut self, node: usize, limit: Nanos) -> Nanos {
        self.run_until(limit, "served by the other", |world| world.serves(node))
    }

    /// How often any state has changed since the last [`World::forget`].
    pub fn changes(&self) -> usize {
        self.checkers.transitions.len()
    }

    /// Begins to measure and remember anew.
    pub fn forget(&mut self) {
        self.checkers.forget();
        for target in self.clients.iter_mut().flat_map(|client| &mut client.targets) {
            target.forget_outages();
        }
    }

    // How it goes on.

    fn happen(&mut self, what: What) {
        match what {
            What::Arrives { segment, port, frame } => self.arrive(segment, port, &frame),
            What::Turn(node) => self.turn(node),
            What::Look(node) => self.look(node),
            What::Ping(client) => self.ping(client),
        }
    }

    fn arrive(&mut self, segment: usize, port: Port, frame: &Frame) {
        match self.segments[segment].stations[port] {
            Station::Node { number, link } => {
                self.nodes[number].kernel.receive(link, frame, &mut self.outbox);
                self.flush(number);
                if self.nodes[number].has_input() {
                    self.wake_soon(number);
                }
            }
            Station::Client(number) => {
                let client = &mut self.clients[number];
                client.kernel.receive(0, frame, &mut self.outbox);
                client.read();
                self.flush_client(number);
            }
            Station::Upstream(number) => {
                let kernel = &mut self.upstreams[number];
                kernel.receive(0, frame, &mut self.outbox);
                let mut outbox = core::mem::take(&mut self.outbox);
                for (_, frame) in outbox.drain(..) {
                    self.send(segment, port, &frame);
                }
                self.outbox = outbox;
            }
            Station::Stranger => self.heard.push(Rc::clone(frame)),
            Station::Forger => {}
        }
    }

    fn turn(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if node.wake_at != self.now {
            return;
        }
        node.wake_at = NEVER;
        if !node.is_running() {
            return;
        }
        let mut around = Surroundings {
            now: self.now,
            rng: &mut self.rng,
            out: &mut self.outbox,
            checkers: &mut self.checkers,
        };
        let next = node.turn(&mut around);
        self.flush(number);
        self.note(number);
        self.observe();
        self.wake(number, next);
        self.look_later(number);
    }

    fn look(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        if node.looks_at != self.now {
            return;
        }
        node.looks_at = NEVER;
        node.kernel.now = self.now;
        let dropped = node.kernel.drop_expired(&mut self.rng);
        trace!("-- the kernel of node {number} drops {dropped:?}");
        self.checkers.lifetimes.dropped(node, &dropped);
        if !dropped.is_empty() {
            // The kernel of a frozen daemon answers until then, and clients may have asked it last.
            self.disturb();
        }
        let node = &self.nodes[number];
        if node.has_input() {
            self.wake_soon(number);
        }
        self.look_later(number);
    }

    fn look_later(&mut self, number: usize) {
        let Some(at) = self.nodes[number].kernel.looks_at() else { return };
        let at = at.max(self.now);
        if at < self.nodes[number].looks_at {
            self.nodes[number].looks_at = at;
            self.later(at, What::Look(number));
        }
    }

    fn ping_at(&mut self, client: usize, at: Nanos) {
        self.clients[client].next_ping_at = at;
        self.later(at, What::Ping(client));
    }

    fn ping(&mut self, number: usize) {
        if self.clients[number].next_ping_at != self.now {
            return;
        }
        let segment = self.client_segments[number];
        self.observe();
        self.checkers.lifetimes.look(self.now, &self.nodes);
        self.checkers.segments.serves(self.now, &self.nodes, segment, &self.clients[number]);
        self.clients[number].ping(self.now, &mut self.outbox);
        self.flush_client(number);
        let period = self.clients[number].period;
        let calm = self.checkers.segments.calm_for(self.now) > 2 * self.checkers.segments.service_bound();
        let pause = if calm { period * self.calm_factor } else { period };
        self.ping_at(number, self.now + pause);
    }

    fn note(&mut self, number: usize) {
        self.checkers.turn_ended(self.now, &self.nodes[number]);
    }

    fn observe(&mut self) {
        let healthy = self.segments.iter().all(|segment| segment.switch.is_healthy())
            && self
                .nodes
                .iter()
                .all(|node| !node.kernel.is_troubled(self.now) && node.things.known_at <= self.now)
            && self.nodes.iter().all(|node| node.kernel.refused != Refused::Adverts);
        if !healthy {
            self.checkers.segments.still_disturbed(self.now);
        }
        self.checkers.segments.observe(self.now, &self.nodes);
    }

    fn flush(&mut self, node: usize) {
        let mut outbox = core::mem::take(&mut self.outbox);
        for (link, frame) in outbox.drain(..) {
            self.checkers.wire(&self.nodes[node], link, &frame);
            let it = &self.nodes[node].kernel.links[link];
            let (segment, port) = (it.segment, it.port);
            self.send(segment, port, &frame);
        }
        self.outbox = outbox;
    }

    fn flush_client(&mut self, client: usize) {
        let mut outbox = core::mem::take(&mut self.outbox);
        for (link, frame) in outbox.drain(..) {
            let it = &self.clients[client].kernel.links[link];
            let (segment, port) = (it.segment, it.port);
            self.send(segment, port, &frame);
        }
        self.outbox = outbox;
    }

    fn send(&mut self, segment: usize, from: Port, frame: &Frame) {
        let (now, queue, order) = (self.now, &mut self.queue, &mut self.order);
        let Segment { switch, stations } = &mut self.segments[segment];
        switch.forward(&mut self.rng, from, frame, |port, delay| {
            if matches!(stations[port], Station::Forger) {
                return;
            }
            *order += 1;
            let what = What::Arrives { segment, port, frame: Rc::clone(frame) };
            queue.push(Reverse(Coming { at: now + delay, order: *order, what }));
        });
    }

    fn wake_soon(&mut self, node: usize) {
        if self.nodes[node].is_running() {
            let at = self.now + lateness(&mut self.rng);
            self.wake(node, at);
        }
    }

    fn wake(&mut self, node: usize, at: Nanos) {
        if at < self.nodes[node].wake_at {
            self.nodes[node].wake_at = at;
            self.later(at, What::Turn(node));
        }
    }

    fn later(&mut self, at: Nanos, what: What) {
        self.order += 1;
        self.queue.push(Reverse(Coming { at, order: self.order, what }));
    }

    fn set_now(&mut self, now: Nanos) {
        self.now = now;
        seed::set_now(now);
    }
}

/// The IPv4 address of a node on a segment.
pub const fn own_v4(segment: u8, node: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, segment, 11 + node)
}

/// The link-local address of a node on every segment.
pub const fn own_v6(node: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99 - node)
}
