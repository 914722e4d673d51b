//! One router of the segment: a host, and on it the daemon's turn without its system calls.
//!
//! A turn takes up what has come in the daemon's order: the kernel's messages, packets, what failed on
//! the turn before, hooks that have ended, and last of all the timer. The effects of each event are
//! performed before the next event is handed in.

use core::net::IpAddr;
use std::collections::VecDeque;

use fastrand::Rng;
use vipd::config::{BfdId, Config, Family, FileId};
use vipd::limits;
use vipd::perform::{self, Outlet, Unsent};
use vipd::probe::Standing;
use vipd::router::{Datagram, Effect, Effects, Event, Failure, Packet, Parcel, Router, Ticket, TryTicket};
use vipd::time::Instant;
use vipd::vrrp::Phase;
use vipd::wire::IfIndex;
use vipd::wire::rtnl;

use crate::checkers::Checkers;
use crate::clock::{Clock, MS, NEVER, Nanos, US};
use crate::frame::{self, Content};
use crate::kernel::{Kernel, Outbox};
use crate::plan::{Plan, configuration};
use crate::seed::trace;
use crate::things::{self, Thing, Things};

/// Turns without anything to do, one after another, before we say that the daemon spins.
const IDLE_TURNS_MAX: u32 = 50;

/// What the world lends a node for a turn.
pub struct Surroundings<'a> {
    pub now: Nanos,
    pub rng: &'a mut Rng,
    pub out: &'a mut Outbox,
    pub checkers: &'a mut Checkers,
}

/// A router.
#[derive(Clone)]
pub struct Node {
    /// Its number in the world.
    pub number: usize,
    pub kernel: Kernel,
    pub clock: Clock,
    pub plans: Vec<Plan>,
    /// What it was told before any reload.
    pub first_plans: Vec<Plan>,
    /// What it tracks, as it is.
    pub things: Things,
    /// Stopped by SIGSTOP: the kernel goes on, the daemon does not.
    pub stalled: bool,
    /// Since when.
    pub stalled_at: Option<Nanos>,
    /// Every effect but adverts, BFD's packets and hooks is performed twice (law 4).
    pub performs_twice: bool,
    /// What leaves is gathered until the end of the turn, as the daemon does; otherwise it leaves effect by effect.
    pub gathers: bool,
    /// When its next turn is.
    pub wake_at: Nanos,
    /// When its kernel next looks for addresses that are no longer valid.
    pub looks_at: Nanos,
    /// A hook script runs for up to so long.
    pub hook_max: Nanos,
    /// How often its daemon was started.
    starts: u32,
    /// Where every virtual router stood at the end of the last turn: link, VRID and family.
    phases: Vec<(usize, u8, Family, Phase)>,
    daemon: Option<Daemon>,
}

#[derive(Clone)]
struct Daemon {
    router: Box<Router>,
    effects: Box<Effects>,
    gathered: Gathered,
    failures: VecDeque<Failure>,
    hooks: Vec<Hook>,
    tries: Vec<Try>,
    requests: VecDeque<Request>,
    is_stopping: bool,
    idle_turns: u32,
}

/// What somebody asked of the daemon by a signal.
#[derive(Clone)]
enum Request {
    Start,
    Reload(Vec<Plan>),
    /// Not by a signal: the kernel tells of a file that was written.
    ReadFiles,
    Stop,
}

/// A hook script that runs.
#[derive(Clone)]
struct Hook {
    ticket: Ticket,
    ends_at: Nanos,
}

/// A try of a probe.
#[derive(Clone)]
struct Try {
    ticket: TryTicket,
    ends_at: Nanos,
    is_success: bool,
}

impl Node {
    /// A router that is switched on, without a daemon.
    pub fn new(number: usize, kernel: Kernel, clock: Clock, plans: Vec<Plan>) -> Self {
        Self {
            number,
            kernel,
            clock,
            first_plans: plans.clone(),
            plans,
            things: Things::GOOD,
            stalled: false,
            stalled_at: None,
            performs_twice: false,
            gathers: false,
            wake_at: NEVER,
            looks_at: NEVER,
            hook_max: 500 * MS,
            starts: 0,
            phases: Vec::new(),
            daemon: None,
        }
    }

    /// Starts the daemon; its first turn is to come.
    pub fn start(&mut self) {
        assert!(self.daemon.is_none(), "the daemon of node {} runs", self.number);
        self.kernel.open_sockets();
        self.starts += 1;
        (self.stalled, self.stalled_at) = (false, None);
        self.daemon = Some(Daemon {
            router: Box::new(Router::new()),
            effects: Box::new(Effects::new()),
            gathered: Gathered::default(),
            failures: VecDeque::new(),
            hooks: Vec::new(),
            tries: Vec::new(),
            requests: VecDeque::from([Request::Start]),
            is_stopping: false,
            idle_turns: 0,
        });
    }

    /// SIGKILL: the daemon is gone, its addresses stay.
    pub fn kill(&mut self) {
        self.daemon = None;
        self.phases.clear();
        self.kernel.close_sockets();
        self.wake_at = NEVER;
    }

    /// SIGTERM.
    pub fn stop(&mut self) {
        let daemon = self.daemon.as_mut().unwrap();
        daemon.requests.push_back(Request::Stop);
        daemon.is_stopping = true;
    }

    /// SIGHUP, with another configuration in the file.
    pub fn reload(&mut self, plans: Vec<Plan>) {
        self.daemon.as_mut().unwrap().requests.push_back(Request::Reload(plans));
    }

    /// A tracked file has been written.
    pub fn read_files(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            daemon.requests.push_back(Request::ReadFiles);
        }
    }

    /// Whether any of its plans tracks more than links.
    pub fn tracks_things(&self) -> bool {
        self.plans.iter().chain(&self.first_plans).any(|plan| !plan.things.is_empty())
    }

    /// Whether any of its plans tracks this.
    pub fn tracks(&self, thing: Thing) -> bool {
        self.plans.iter().chain(&self.first_plans).any(|plan| plan.things.iter().any(|it| it.0 == thing))
    }

    /// Whether a daemon runs and is not held.
    pub fn is_running(&self) -> bool {
        self.daemon.is_some() && !self.stalled
    }

    /// Whether a daemon runs, is not held, and has not been asked to end.
    pub fn takes_part(&self) -> bool {
        self.is_running() && self.daemon.as_ref().is_some_and(|daemon| !daemon.is_stopping)
    }

    /// Whether there is a daemon, held or not.
    pub fn has_daemon(&self) -> bool {
        self.daemon.is_some()
    }

    /// The daemon's router.
    pub fn router(&self) -> Option<&Router> {
        self.daemon.as_ref().map(|daemon| &*daemon.router)
    }

    /// Whether something waits for the daemon.
    pub fn has_input(&self) -> bool {
        self.is_running()
            && (self.kernel.has_input()
                || self.daemon.as_ref().is_some_and(|it| !it.requests.is_empty() || !it.failures.is_empty()))
    }

    /// Everything has been taken up: what is installed is what the state asks for.
    pub fn is_quiescent(&self, now: Nanos) -> bool {
        self.is_running() && !self.has_input() && !self.kernel.is_troubled(now)
    }

    /// Where the virtual router of one of our plans stands; `None` while no daemon runs or it has not
    /// taken up the plan.
    pub fn phase(&self, plan: &Plan, family: Family) -> Option<Phase> {
        let mine = |it: &&(usize, u8, Family, Phase)| (it.0, it.1, it.2) == (plan.link, plan.vrid, family);
        self.phases.iter().find(mine).map(|it| it.3)
    }

    /// Whether its first plan is master.
    pub fn is_master(&self) -> bool {
        let plan = &self.plans[0];
        plan.families().next().is_some_and(|family| self.phase(plan, family) == Some(Phase::Master))
    }

    fn note_phases(&mut self) {
        let Some(router) = self.daemon.as_ref().map(|daemon| &*daemon.router) else { return };
        let links = &self.kernel.links;
        self.phases.clear();
        self.phases.extend(router.slots().filter_map(|slot| router.view(slot)).filter_map(|view| {
            let device = router.config().interface_name(view.instance.interface);
            let link = links.iter().position(|link| link.name == device)?;
            Some((link, view.rules.vrid.get(), view.rules.family, view.virtual_router().phase()))
        }));
    }

    /// One turn of the daemon. Returns when the next one is due if nothing comes in before.
    pub fn turn(&mut self, around: &mut Surroundings<'_>) -> Nanos {
        self.kernel.now = around.now;
        let Some(daemon) = self.daemon.as_mut() else { return NEVER };
        let instant = self.clock.local(around.now);
        let mut turn = Turn {
            node: self.number,
            starts: self.starts,
            daemon,
            kernel: &mut self.kernel,
            plans: &mut self.plans,
            things: &self.things,
            instant,
            performs_twice: self.performs_twice,
            gathers: self.gathers,
            hook_max: self.hook_max,
            events: 0,
        };
        turn.requests(around);
        turn.kernel_messages(around);
        let has_other_events = turn.events > 0;
        turn.packets(around);
        turn.datagrams(around);
        turn.failures(around);
        turn.hooks(around);
        turn.tries(around);
        turn.timer(around);
        turn.flush(around);
        turn.kernel.muted = *turn.daemon.router.muted();
        let idle = turn.events == 0;
        around.checkers.bounded(self.number, &self.plans, has_other_events);
        daemon.idle_turns = if idle { daemon.idle_turns + 1 } else { 0 };
        assert!(daemon.idle_turns < IDLE_TURNS_MAX, "node {} spins", self.number);
        if daemon.router.is_finished() {
            trace!("node {} ends", self.number);
            self.kill();
            return NEVER;
        }
        self.note_phases();
        self.next_turn(around)
    }

    fn next_turn(&self, around: &mut Surroundings<'_>) -> Nanos {
        let Some(daemon) = &self.daemon else { return NEVER };
        if self.has_input() {
            return around.now + US;
        }
        let timer = daemon.router.poll_at().map_or(NEVER, |at| self.clock.world(at));
        let hook = daemon.hooks.iter().map(|hook| hook.ends_at).min().unwrap_or(NEVER);
        let its_try = daemon.tries.iter().map(|it| it.ends_at).min().unwrap_or(NEVER);
        let due = timer.min(hook).min(its_try);
        if due == NEVER { NEVER } else { due.max(around.now) + lateness(around.rng) }
    }
}

/// How late a process wakes up: mostly a tenth of a millisecond, sometimes two.
pub fn lateness(rng: &mut Rng) -> Nanos {
    if rng.u32(0..64) == 0 { rng.u64(0..2 * MS) } else { rng.u64(10 * US..150 * US) }
}

/// A turn in progress.
struct Turn<'a> {
    node: usize,
    starts: u32,
    daemon: &'a mut Daemon,
    kernel: &'a mut Kernel,
    plans: &'a mut Vec<Plan>,
    things: &'a Things,
    instant: Instant,
    performs_twice: bool,
    gathers: bool,
    hook_max: Nanos,
    events: u32,
}

impl Turn<'_> {
    fn requests(&mut self, around: &mut Surroundings<'_>) {
        while let Some(request) = self.daemon.requests.pop_front() {
            match request {
                Request::Start => {
                    let keeps_marks = self.kernel.keeps_marks;
                    let mut config = configuration(self.plans);
                    self.adopt(around, &mut config);
                    self.feed(around, Event::Start { keeps_marks, seed: self.seed() });
                }
                Request::Reload(plans) => {
                    let mut config = configuration(&plans);
                    self.feed(around, Event::Prepare(&config));
                    // What is said from here on is said in the new words.
                    *self.plans = plans;
                    around.checkers.sessions.adopt(self.node, self.plans);
                    self.adopt(around, &mut config);
                }
                Request::ReadFiles => self.read_files(around),
                Request::Stop => {
                    around.checkers.sessions.stop(self.node);
                    self.feed(around, Event::Stop);
                }
            }
        }
    }

    /// Another one for each start of each node; the world's chance is not asked, whose houses would be others then.
    fn seed(&self) -> u32 {
        (self.starts << 8 | self.node as u32).wrapping_mul(0x9e37_79b9)
    }

    /// As the daemon: then it binds BFD's port if it has sessions, asks for news of routes if it needs them, and reads its files.
    fn adopt(&mut self, around: &mut Surroundings<'_>, config: &mut Config) {
        self.feed(around, Event::Adopt(config));
        let config = self.daemon.router.config();
        self.kernel.hears_of_routes = !config.default_routes.is_empty();
        self.kernel.hears_sessions = !config.bfd.is_empty();
        self.read_files(around);
    }

    fn read_files(&mut self, around: &mut Surroundings<'_>) {
        if !self.daemon.router.config().files.is_empty() {
            let number = self.things.number(self.plans);
            self.feed(around, Event::File(FileId(0), number));
        }
    }

    fn kernel_messages(&mut self, around: &mut Surroundings<'_>) {
        if self.kernel.take_overrun() {
            self.feed(around, Event::Overrun);
        }
        // What our own requests bring is for the next turn.
        for _ in 0..self.kernel.datagrams.len() {
            let Some(datagram) = self.kernel.datagrams.pop_front() else { break };
            for message in rtnl::messages(&datagram) {
                self.feed(around, Event::Kernel(message));
            }
        }
    }

    fn packets(&mut self, around: &mut Surroundings<'_>) {
        for _ in 0..limits::PACKETS_PER_TURN_MAX {
            let Some(received) = self.kernel.packets.pop_front() else { break };
            let interface = IfIndex(received.index);
            let Ok(opened) = frame::open(&received.frame) else { continue };
            let Content::Vrrp { from, to, ttl, packet, message } = opened.content else { continue };
            let packet = match (from, to) {
                (IpAddr::V4(_), _) => Packet::V4 { interface, packet },
                (IpAddr::V6(source), IpAddr::V6(destination)) => {
                    Packet::V6 { interface, source, destination, hop_limit: ttl, message }
                }
                (IpAddr::V6(_), IpAddr::V4(_)) => continue,
            };
            // Whether a device is still there the daemon may not have heard.
            let is_gone = self.kernel.by_index(received.index).is_none();
            let may_be_deaf = is_gone || self.kernel.is_troubled(around.now);
            let timers = &mut around.checkers.timers;
            let link = received.link;
            timers.heard(self.node, self.plans, link, self.instant, from, to, ttl, message, may_be_deaf);
            self.feed(around, Event::Packet(packet));
        }
    }

    fn datagrams(&mut self, around: &mut Surroundings<'_>) {
        for _ in 0..limits::PACKETS_PER_TURN_MAX {
            let Some(received) = self.kernel.sessions.pop_front() else { break };
            let interface = IfIndex(received.index);
            let Ok(opened) = frame::open(&received.frame) else { continue };
            let Content::Udp { from, to, ttl, payload, .. } = opened.content else { continue };
            let is_gone = self.kernel.by_index(received.index).is_none();
            let may_be_deaf = is_gone || self.kernel.is_troubled(around.now);
            let sessions = &mut around.checkers.sessions;
            sessions.heard(
                self.node,
                self.plans,
                received.link,
                self.instant,
                from,
                ttl,
                payload,
                may_be_deaf,
            );
            let (source, destination, hop_limit) = (from, to, ttl);
            let datagram = Datagram { interface, source, destination, hop_limit, payload };
            self.feed(around, Event::Bfd(datagram));
        }
    }

    fn failures(&mut self, around: &mut Surroundings<'_>) {
        // What fails while these are taken up is for the next turn.
        for _ in 0..self.daemon.failures.len() {
            let Some(failure) = self.daemon.failures.pop_front() else { break };
            self.feed(around, Event::Failed(failure));
        }
    }

    fn hooks(&mut self, around: &mut Surroundings<'_>) {
        while let Some(at) = self.daemon.hooks.iter().position(|hook| hook.ends_at <= around.now) {
            let hook = self.daemon.hooks.swap_remove(at);
            around.checkers.hooks.ended(self.node, hook.ticket);
            self.feed(around, Event::HookEnded(hook.ticket));
        }
    }

    fn tries(&mut self, around: &mut Surroundings<'_>) {
        while let Some(at) = self.daemon.tries.iter().position(|it| it.ends_at <= around.now) {
            let Try { ticket, is_success, .. } = self.daemon.tries.swap_remove(at);
            self.feed(around, Event::Tried(ticket, is_success));
        }
    }

    fn timer(&mut self, around: &mut Surroundings<'_>) {
        let due = self.daemon.router.poll_at().is_some_and(|at| at <= self.instant);
        if due {
            let (before, is_foretold) =
                (self.sessions_up(), self.daemon.router.may_lose_session(self.instant));
            self.feed(around, Event::Timer);
            assert!(
                is_foretold || self.sessions_up() >= before,
                "law 6: a session ends, and nobody looked for packets"
            );
        } else if around.rng.u32(0..16) == 0 {
            // Law 3: at any other time it is harmless.
            let before = self.daemon.router.poll_at();
            self.daemon.effects.clear();
            self.daemon.router.handle(self.instant, Event::Timer, &mut self.daemon.effects);
            assert!(self.daemon.effects.is_empty(), "law 3: a spurious timer has effects");
            assert_eq!(self.daemon.router.poll_at(), before, "law 3: a spurious timer moves a deadline");
        }
    }

    fn sessions_up(&self) -> usize {
        let router = &self.daemon.router;
        let ids = (0..router.config().bfd.len() as u8).map(BfdId);
        ids.filter(|session| router.bfd_standing(*session) == Standing::Up).count()
    }

    /// Hands in one event, and performs its effects in order (law 2).
    fn feed(&mut self, around: &mut Surroundings<'_>, event: Event<'_>) {
        self.events += 1;
        // The daemon lets no announcement wait for another event.
        if !self.daemon.gathered.frames.is_empty() {
            self.flush(around);
        }
        self.daemon.effects.clear();
        self.daemon.router.handle(self.instant, event, &mut self.daemon.effects);
        around.checkers.effects(self.node, &self.daemon.router, &self.daemon.effects);
        for at in 0..self.daemon.effects.len() {
            let effect = self.daemon.effects[at];
            trace!("  node {}: {effect:?}", self.node);
            if let Effect::Notify(owner, ticket) = effect {
                let ends_at = around.now + around.rng.u64(0..self.hook_max);
                self.daemon.hooks.push(Hook { ticket, ends_at });
                let hook = self.daemon.router.hook(owner);
                around.checkers.hooks.started(self.node, ticket, hook.as_ref());
                continue;
            }
            if let Effect::Try(_, ticket) = effect {
                let (ends_at, is_success) = things::try_ends(self.things.probe, around.now, around.rng);
                self.daemon.tries.push(Try { ticket, ends_at, is_success });
                continue;
            }
            let is_told = matches!(effect, Effect::Advertise { .. } | Effect::Bfd { .. });
            let twice = self.performs_twice && !is_told;
            self.perform(around, effect);
            if twice {
                self.perform_again(around, effect);
            }
        }
    }

    fn perform(&mut self, around: &mut Surroundings<'_>, effect: Effect) {
        let (mut wires, router) = self.wires(around);
        // What fails is told as an event; there is nothing to be done about it here.
        let _ = perform::perform(router, effect, &mut wires);
        if !self.gathers {
            self.flush(around);
        }
    }

    /// Law 4: performing an effect twice equals once, in every address of every device and all that belongs to it.
    fn perform_again(&mut self, around: &mut Surroundings<'_>, effect: Effect) {
        self.flush(around);
        let once = self.kernel.address_table();
        self.perform(around, effect);
        self.flush(around);
        let twice = self.kernel.address_table();
        assert_eq!(once, twice, "law 4: node {} performs {effect:?} twice", self.node);
    }

    fn flush(&mut self, around: &mut Surroundings<'_>) {
        self.wires(around).0.flush();
    }

    fn wires<'a>(&'a mut self, around: &'a mut Surroundings<'_>) -> (Wires<'a>, &'a Router) {
        let wires = Wires {
            now: around.now,
            instant: self.instant,
            node: self.node,
            kernel: self.kernel,
            plans: self.plans,
            gathered: &mut self.daemon.gathered,
            failures: &mut self.daemon.failures,
            rng: around.rng,
            out: around.out,
            checkers: around.checkers,
        };
        (wires, &self.daemon.router)
    }
}

/// What an event's effects want to leave, by its kind.
#[derive(Debug, Default, Clone)]
struct Gathered {
    messages: Vec<(IfIndex, IpAddr, IpAddr, Vec<u8>)>,
    adverts: Vec<(IfIndex, Vec<u8>)>,
    requests: Vec<u8>,
    frames: Vec<(IfIndex, Vec<u8>)>,
}

/// The way out: the simulated kernel.
struct Wires<'a> {
    now: Nanos,
    instant: Instant,
    node: usize,
    kernel: &'a mut Kernel,
    plans: &'a [Plan],
    gathered: &'a mut Gathered,
    failures: &'a mut VecDeque<Failure>,
    rng: &'a mut Rng,
    out: &'a mut Outbox,
    checkers: &'a mut Checkers,
}

impl Wires<'_> {
    /// Lets everything go: messages, then requests, then frames. What fails is told on the next turn (law 7).
    fn flush(&mut self) {
        for (interface, from, to, payload) in core::mem::take(&mut self.gathered.messages) {
            let sent = self.kernel.send_message(interface.0, from, to, &payload, self.out, self.rng);
            self.note(interface, Parcel::Message(Family::of(from)), sent);
        }
        for (interface, frame) in core::mem::take(&mut self.gathered.adverts) {
            let sent = self.kernel.send_frame(interface.0, &frame, self.out, self.rng);
            self.note(interface, Parcel::Frame, sent);
        }
        let requests = core::mem::take(&mut self.gathered.requests);
        if !requests.is_empty() {
            let sent = self.kernel.request(&requests, self.rng);
            self.note(IfIndex(0), Parcel::Netlink, sent);
        }
        for (interface, frame) in core::mem::take(&mut self.gathered.frames) {
            self.checkers.frame(self.now, self.node, self.plans, self.kernel, interface, &frame);
            let sent = self.kernel.send_frame(interface.0, &frame, self.out, self.rng);
            self.note(interface, Parcel::Frame, sent);
        }
    }

    fn note(&mut self, interface: IfIndex, what: Parcel, sent: Result<(), i32>) {
        if let Err(errno) = sent {
            trace!("    {what:?} fails with {errno}");
            self.failures.push_back(Failure { interface, what, errno });
        }
    }
}

impl Outlet for Wires<'_> {
    fn join(&mut self, interface: IfIndex, group: IpAddr) -> Result<(), Unsent> {
        let joined = self.kernel.join(interface.0, group);
        self.note(interface, Parcel::Join, joined);
        joined.map_err(|_| Unsent)
    }

    fn message(
        &mut self,
        interface: IfIndex,
        from: IpAddr,
        to: IpAddr,
        payload: &[u8],
    ) -> Result<(), Unsent> {
        self.checkers.message(self.now, self.node, self.plans, self.kernel, interface, from, to, payload);
        self.gathered.messages.push((interface, from, to, payload.to_vec()));
        Ok(())
    }

    fn advert(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        self.checkers.advert_frame(self.now, self.node, self.plans, self.kernel, interface, frame);
        self.gathered.adverts.push((interface, frame.to_vec()));
        Ok(())
    }

    /// It leaves at once, and what fails is told nobody.
    fn datagram(&mut self, datagram: &Datagram<'_>) -> Result<(), Unsent> {
        self.checkers.sessions.sent(self.node, self.plans, self.kernel, self.instant, datagram);
        if let Err(errno) = self.kernel.send_datagram(datagram, self.out, self.rng) {
            trace!("    BFD to {} fails with {errno}", datagram.destination);
        }
        Ok(())
    }

    fn frame(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        self.gathered.frames.push((interface, frame.to_vec()));
        Ok(())
    }

    fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent> {
        self.gathered.requests.extend_from_slice(request);
        Ok(())
    }

    fn netfilter(&mut self, batch: &[u8]) -> Result<(), Unsent> {
        // The simulator's packets to virtual addresses are pings, which no plan refuses.
        panic!("nobody has asked for a packet filter: {batch:02x?}");
    }

    fn ipvs(&mut self, request: &mut [u8]) -> Result<(), Unsent> {
        // It has a world of its own: `tests/balance`.
        panic!("nobody has asked for virtual servers: {request:02x?}");
    }
}
