//! A router, the kernel's IPVS, the servers, and a segment with perhaps another router.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vipd::config::problem::Severity;
use vipd::config::uci::Document;
use vipd::config::{Config, ProbeId, RealServerId, VirtualServerId, schema};
use vipd::limits;
use vipd::perform::perform;
use vipd::probe::Standing;
use vipd::router::{
    Effect, Effects, Event, Failure, HookOwner, Packet, Parcel, Router, Slot, Ticket, TryTicket,
};
use vipd::time::{Instant, Interval};
use vipd::vrrp::Phase;
use vipd::wire::ipvs;
use vipd::wire::link::Details;
use vipd::wire::rtnl::{self, Message};
use vipd::wire::vrrp::{ChecksumForm, Outgoing, Version, Vrid};
use vipd::wire::{IfIndex, Mac};

use crate::journal;
use crate::kernel::{Heard, Kernel};
use crate::site::Site;
use crate::table::Table;

const ETH0: IfIndex = IfIndex(2);
const ETH1: IfIndex = IfIndex(3);
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
const RIVAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

/// More events than this at one moment, and something runs in circles.
const EVENTS_AT_ONCE_MAX: usize = 20_000;

/// What a server does when it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// It refuses.
    Ill,
    /// It says nothing.
    Mute,
}

/// One run of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub script: String,
    pub kind: &'static str,
    pub name: String,
    pub state: &'static str,
    ticket: Ticket,
    ends_at: Option<Instant>,
}

/// What rtnetlink has to say.
#[derive(Debug)]
enum Said {
    Link(IfIndex, &'static str),
    Address(IfIndex, IpAddr, bool),
    Gone(IpAddr),
    Done(u32),
}

#[derive(Debug)]
pub struct World {
    pub router: Box<Router>,
    pub began_at: Instant,
    pub now: Instant,
    pub kernel: Kernel,
    pub site: Site,
    /// Services that others have made, and that are none of ours.
    pub strangers: Table,
    health: BTreeMap<(IpAddr, u16), Health>,
    /// When a try ends, and how.
    tries: Vec<(Instant, TryTicket, bool)>,
    /// Where tries have gone since it was looked at last.
    pub tried: Vec<(IpAddr, u16)>,
    /// Every hook that has run.
    pub runs: Vec<Run>,
    /// For how long a hook runs.
    pub hook_takes: Duration,
    said: VecDeque<Said>,
    has_vip: bool,
    /// Priority of another router, which speaks every second.
    pub rival: Option<u8>,
    rival_speaks_at: Instant,
    /// The most effects of one event.
    pub effects_most: usize,
    /// The end of a run has been asked for.
    is_ending: bool,
}

impl World {
    /// The daemon has started, and has done what there was to be done.
    pub fn new(site: Site) -> Self {
        let mut world = Self::idle(site);
        world.start();
        world
    }

    /// Nothing runs yet.
    pub fn idle(site: Site) -> Self {
        journal::open();
        let now = Instant::from_origin(Duration::from_secs(1000));
        Self {
            router: Box::new(Router::new()),
            began_at: now,
            now,
            kernel: Kernel::new(),
            site,
            strangers: Table::default(),
            health: BTreeMap::new(),
            tries: vec![],
            tried: vec![],
            runs: vec![],
            hook_takes: Duration::from_millis(100),
            said: VecDeque::new(),
            has_vip: false,
            rival: None,
            rival_speaks_at: now,
            effects_most: 0,
            is_ending: false,
        }
    }

    // The daemon.

    /// A new process begins.
    pub fn start(&mut self) {
        self.begin();
        self.run_for(0);
    }

    /// The same, and nothing is read yet.
    pub fn begin(&mut self) {
        *self.router = Router::new();
        self.tries.clear();
        self.said.clear();
        self.runs.retain(|run| run.ends_at.is_none());
        self.kernel.close();
        self.is_ending = false;
        let mut config = config(&self.site);
        self.handle(Event::Adopt(&mut config));
        self.handle(Event::Start { keeps_marks: true, seed: 1 });
    }

    /// The daemon is asked to end, and does.
    pub fn stop(&mut self) {
        self.is_ending = true;
        self.handle(Event::Stop);
        self.settle();
        self.run_for(1);
        assert!(self.router.is_finished(), "a hook is still to run");
    }

    /// Another configuration.
    pub fn reload(&mut self, site: Site) {
        self.prepare(site);
        self.run_for(0);
    }

    /// The same, and nothing is read yet.
    pub fn prepare(&mut self, site: Site) {
        let mut config = config(&site);
        self.site = site;
        // What it does not have goes; of the rest nothing.
        let (ours, _) = self.kernel.table.split(&self.site.keys());
        self.kernel.right = ours;
        self.carry_out(|router, now, effects| router.handle(now, Event::Prepare(&config), effects), false);
        self.handle(Event::Adopt(&mut config));
    }

    fn handle(&mut self, event: Event<'_>) {
        self.carry_out(|router, now, effects| router.handle(now, event, effects), true);
    }

    fn carry_out(&mut self, handle: impl FnOnce(&mut Router, Instant, &mut Effects), is_known: bool) {
        let mut effects = Effects::new();
        handle(&mut self.router, self.now, &mut effects);
        self.effects_most = self.effects_most.max(effects.len());
        assert!(effects.len() <= limits::EFFECTS_MAX);
        if is_known && effects.iter().any(|effect| matches!(effect, Effect::Ipvs(_))) {
            self.kernel.right = if self.is_ending { Table::default() } else { self.thought_right() };
        }
        for effect in &effects {
            self.perform(*effect);
        }
    }

    /// What the kernel is to have, by how the router thinks that the servers stand.
    fn thought_right(&self) -> Table {
        let mut first = vec![0];
        for service in &self.site.services {
            first.push(first.last().unwrap() + service.servers.len());
        }
        let lives = |service: usize, server: usize| {
            self.router.server_standing(RealServerId((first[service] + server) as u16)) != Standing::Down
        };
        let is_up = |service: usize| {
            Some(self.router.service_standing(VirtualServerId(service as u16)) == Standing::Up)
        };
        self.site.table(&lives, &is_up)
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Ipvs(_) => perform(&self.router, effect, &mut self.kernel).expect("a request fits"),
            Effect::Try(probe, ticket) => self.try_probe(probe, ticket),
            Effect::Notify(owner, ticket) => self.run_hook(owner, ticket),
            Effect::DumpLinks(sequence) => {
                self.said.extend([Said::Link(ETH0, "eth0"), Said::Link(ETH1, "eth1"), Said::Done(sequence)]);
            }
            Effect::DumpAddresses(sequence) => {
                self.said.push_back(Said::Address(ETH0, Ipv4Addr::new(10, 0, 0, 5).into(), false));
                if self.has_vip {
                    self.said.push_back(Said::Address(ETH0, VIP, true));
                }
                self.said.push_back(Said::Done(sequence));
            }
            Effect::DumpRoutes(sequence) => self.said.push_back(Said::Done(sequence)),
            Effect::Claim(_) if !core::mem::replace(&mut self.has_vip, true) => {
                self.said.push_back(Said::Address(ETH0, VIP, true));
            }
            Effect::Release(_) | Effect::Withdraw { .. } if core::mem::take(&mut self.has_vip) => {
                self.said.push_back(Said::Gone(VIP));
            }
            _ => {}
        }
    }

    fn try_probe(&mut self, probe: ProbeId, ticket: TryTicket) {
        let config = self.router.config();
        let target = config.targets[usize::from(probe.0)];
        let timeout_secs = config.probes[usize::from(probe.0)].timeout_secs;
        let place = (target.address, target.port);
        self.tried.push(place);
        let (after, is_success) = match self.health.get(&place).unwrap_or(&Health::Well) {
            Health::Well => (Duration::from_millis(20), true),
            Health::Ill => (Duration::from_millis(30), false),
            Health::Mute => (Duration::from_secs(timeout_secs.into()), false),
        };
        self.tries.push((self.now + after, ticket, is_success));
    }

    fn run_hook(&mut self, owner: HookOwner, ticket: Ticket) {
        let hook = self.router.hook(owner).expect("a hook has a script");
        let run = Run {
            script: hook.script.into(),
            kind: hook.kind,
            name: hook.name.into(),
            state: hook.standing.name(),
            ticket,
            ends_at: Some(self.now + self.hook_takes),
        };
        let is_its = |run: &&Run| run.ends_at.is_some() && self.router.owner_of(run.ticket) == Some(owner);
        let before = self.runs.iter().find(|other| is_its(other) && other.ticket != ticket);
        assert_eq!(before, None, "two runs of one hook at a time");
        self.runs.push(run);
    }

    // What happens.

    /// How a server is from now on.
    pub fn set_health(&mut self, address: &str, port: u16, health: Health) {
        self.health.insert((address.parse().unwrap(), port), health);
    }

    pub fn health(&self, address: &str, port: u16) -> Health {
        self.health.get(&(address.parse().unwrap(), port)).copied().unwrap_or(Health::Well)
    }

    /// Everything is read that waits.
    pub fn settle(&mut self) {
        for _ in 0..EVENTS_AT_ONCE_MAX {
            if !self.listen() {
                return;
            }
        }
        panic!("answers without end");
    }

    /// Takes one thing that waits. `false`: there was none.
    pub fn listen(&mut self) -> bool {
        if let Some(errno) = self.kernel.failures.pop_front() {
            self.handle(Event::Failed(Failure { interface: IfIndex(0), what: Parcel::Ipvs, errno }));
            return true;
        }
        match self.said.pop_front() {
            Some(Said::Link(index, name)) => {
                let mac = Some(Mac([2, 0, 0, 0, 0, index.0 as u8]));
                let details = Details::NONE;
                self.handle(Event::Kernel(Message::Link(rtnl::Link {
                    index,
                    name,
                    mac,
                    running: true,
                    details,
                })));
                return true;
            }
            Some(Said::Address(interface, address, marked)) => {
                let address = rtnl::Address { interface, address, prefix_len: 24, usable: true, marked };
                self.handle(Event::Kernel(Message::Address(address)));
                return true;
            }
            Some(Said::Gone(address)) => {
                let (interface, prefix_len) = (ETH0, 24);
                let address = rtnl::Address { interface, address, prefix_len, usable: true, marked: true };
                self.handle(Event::Kernel(Message::AddressGone(address)));
                return true;
            }
            Some(Said::Done(sequence)) => {
                self.handle(Event::Kernel(Message::Done { sequence, torn: false }));
                return true;
            }
            None => {}
        }
        match self.kernel.read() {
            Some(Heard::Datagram(bytes)) => {
                for message in ipvs::messages(&bytes) {
                    self.handle(Event::Ipvs(message));
                }
            }
            Some(Heard::Overrun) => self.handle(Event::IpvsOverrun),
            None => return false,
        }
        true
    }

    /// When something is due, and does not wait already.
    pub fn next_at(&self) -> Option<Instant> {
        let tries = self.tries.iter().map(|(at, ..)| *at);
        let hooks = self.runs.iter().filter_map(|run| run.ends_at);
        let rival = self.rival.map(|_| self.rival_speaks_at);
        tries.chain(hooks).chain(rival).chain(self.router.poll_at()).min()
    }

    /// Does one thing that is due.
    pub fn step(&mut self) {
        let now = self.now;
        if let Some(priority) = self.rival.filter(|_| self.rival_speaks_at <= now) {
            self.rival_speaks_at = now + Duration::from_secs(1);
            self.hear(priority);
        } else if let Some(place) = self.tries.iter().position(|(at, ..)| *at <= now) {
            let (_, ticket, is_success) = self.tries.swap_remove(place);
            self.handle(Event::Tried(ticket, is_success));
        } else if let Some(run) = self.runs.iter_mut().find(|run| run.ends_at.is_some_and(|at| at <= now)) {
            let ticket = run.ticket;
            run.ends_at = None;
            self.handle(Event::HookEnded(ticket));
        } else {
            self.handle(Event::Timer);
        }
    }

    /// Time passes, and whatever comes is read at once.
    pub fn run_for(&mut self, secs: u64) {
        self.run_for_ms(secs * 1000);
    }

    pub fn run_for_ms(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        self.settle();
        let mut at_once = 0;
        while let Some(at) = self.next_at().filter(|at| *at <= end) {
            at_once = if at > self.now { 0 } else { at_once + 1 };
            assert!(at_once < EVENTS_AT_ONCE_MAX, "it runs in circles");
            self.now = self.now.max(at);
            self.step();
            self.settle();
        }
        self.now = end;
    }

    /// Another router has begun to speak, and does so once a second.
    pub fn meet_rival(&mut self, priority: u8) {
        self.rival = Some(priority);
        self.rival_speaks_at = self.now;
    }

    fn hear(&mut self, priority: u8) {
        let (source, destination) = (RIVAL, Ipv4Addr::new(224, 0, 0, 18));
        let outgoing = Outgoing {
            version: Version::V3,
            vrid: Vrid::new(7).unwrap(),
            priority,
            interval: Interval::SECOND,
            password: None,
            checksum: ChecksumForm::PseudoHeader,
            source: source.into(),
            destination: destination.into(),
        };
        let mut buffer = [0; 64];
        let len = outgoing.emit([VIP].into_iter(), &mut buffer).unwrap();
        let total = (20 + len) as u16;
        let mut packet = vec![0x45, 0xc0, (total >> 8) as u8, total as u8, 0, 0, 0, 0, 255, 112, 0, 0];
        packet.extend(source.octets());
        packet.extend(destination.octets());
        packet.extend(&buffer[..len]);
        self.handle(Event::Packet(Packet::V4 { interface: ETH0, packet: &packet }));
    }

    pub fn is_master(&self) -> bool {
        self.router.view(Slot(0)).is_some_and(|view| view.virtual_router().phase() == Phase::Master)
    }

    // What is to be.

    /// What the kernel is to have of ours, by how the servers are.
    pub fn expected(&self) -> Table {
        let lives = |service: usize, server: usize| {
            let server = &self.site.services[service].servers[server];
            !server.is_checked || self.health(&server.address, server.port) == Health::Well
        };
        self.site.table(&lives, &|_| None)
    }

    /// The kernel has what it should, nothing that was right was touched, and nothing of anybody else's.
    pub fn check(&self) {
        self.check_as(&self.expected());
    }

    /// The same, with what it should have.
    pub fn check_as(&self, expected: &Table) {
        let (ours, others) = self.kernel.table.split(&self.site.keys());
        let (ours, expected) = (self.as_told(&ours), self.as_told(expected));
        assert_eq!(ours, expected, "the kernel's table is not what it should be\n{}", journal::whole());
        self.check_care();
        let known: BTreeSet<_> = self.strangers.0.keys().chain(&self.kernel.leftovers).copied().collect();
        let (others, unknown) = others.split(&known);
        assert_eq!(unknown, Table::default(), "a service is left that nobody wants");
        for (key, service) in &self.strangers.0 {
            let is = others.0.get(key);
            assert!(is == Some(service) || self.kernel.leftovers.contains(key), "somebody else's: {is:?}");
        }
    }

    fn as_told(&self, table: &Table) -> Table {
        let mut table = table.clone();
        for (place, its) in table.0.values_mut().flat_map(|service| &mut service.destinations) {
            *its = self.kernel.told(place, its);
        }
        table
    }

    /// Nothing that was right was touched.
    pub fn check_care(&self) {
        let touched = &self.kernel.touched;
        assert!(touched.is_empty(), "what was right was touched: {touched:#?}\n{}", journal::whole());
    }

    /// What hooks were told of this, as `SCRIPT STATE`.
    pub fn told(&self, name: &str) -> Vec<String> {
        let its = self.runs.iter().filter(|run| run.name == name);
        its.map(|run| format!("{} {}", run.script, run.state)).collect()
    }
}

/// What a site means to the program.
fn config(site: &Site) -> Box<Config> {
    let text = site.text();
    let mut document = Box::new(Document::new());
    let buffer = document.buffer();
    assert!(text.len() <= buffer.len(), "a configuration of {} bytes", text.len());
    buffer[..text.len()].copy_from_slice(text.as_bytes());
    document
        .parse(text.len())
        .unwrap_or_else(|error| panic!("line {}: {}\n{text}", error.line, error.problem()));
    let mut config = Box::new(Config::new());
    let is_usable = schema::read(&document, &[], &mut config, &mut |problem| {
        // A walk suspends a mark as well, which is warned of.
        assert!(problem.severity == Severity::Warning, "line {}: {problem}\n{text}", problem.line);
    });
    assert!(is_usable);
    config
}
