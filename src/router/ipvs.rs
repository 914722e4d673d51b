//! The virtual servers: what the kernel's table of them is to hold, and how it gets there.
//!
//! What is wanted follows from the configuration and from how the servers stand. What is there the kernel tells, in rounds;
//! nothing is asked of it before it has told the first time, so a start takes over what it finds. Between two rounds
//! every request counts as carried out, and one that is refused makes the next round begin early. So whatever goes wrong,
//! with us or behind our back, ends the same way: somebody looks, and mends it.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use super::{Effect, Router, Turn};
use crate::config::{Config, RealServerId, VirtualServer, VirtualServerId};
use crate::ipvs::{Entry, List, PAUSE, Quorum, Round, SOON, Step, Wanted};
use crate::limits::{IPVS_CHANGES_MAX, REAL_SERVERS_MAX, VIRTUAL_SERVERS_MAX};
use crate::probe::Standing;
use crate::say::{info, warn};
use crate::time::{Instant, earlier};
use crate::vrrp::{Phase, VirtualRouter};
use crate::wire::ip;
use crate::wire::ipvs::{Counters, Destination, Forward, Message, Timeouts};

/// How long to leave a kernel alone that has no IPVS.
const LATER: Duration = Duration::from_secs(10);

/// One entry for each of [`Config::virtual_servers`], and one for each of [`Config::real_servers`].
#[derive(Debug, Clone)]
pub(super) struct Ipvs {
    round: Round,
    /// Something may be wanted that was not before.
    is_dirty: bool,
    /// Not everything that is wanted had room among the effects: at once.
    again_at: Option<Instant>,
    /// The kernel has none, and that was said.
    is_missing: bool,
    /// The timeouts have been set, or there are none to be set.
    has_timeouts: bool,
    /// With what error each [`Subject`] was refused last that is neither a service's nor a server's; 0: it was not.
    refusals: [u8; Subject::ALL.len()],
    /// What the kernel's daemon was told last.
    told: Told,
    /// Address and port of the server that the kernel has told of last and that is none of ours.
    stranger: (IpAddr, u16),
    services: [Service; VIRTUAL_SERVERS_MAX],
    servers: [Server; REAL_SERVERS_MAX],
}

#[derive(Debug, Clone, Copy)]
struct Service {
    entry: Entry,
    sorry: Entry,
    quorum: Quorum,
    /// With what error it was refused last; 0: it is in order.
    refusal: u8,
    /// The same for the server that says sorry, and for those that are not ours.
    sorry_refusal: u8,
    counters: Counters,
}

#[derive(Debug, Clone, Copy)]
struct Server {
    entry: Entry,
    /// As a service's.
    refusal: u8,
    traffic: Traffic,
}

/// What the kernel says about a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Its connections that are established.
    pub active: u32,
    /// Its other connections.
    pub inactive: u32,
    /// All that it had since it was added.
    pub counters: Counters,
}

/// Whether the kernel is to tell its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Told {
    /// Nothing, and whoever was here before may have told it anything. The first, so that a new one is zero.
    Nothing,
    Tell,
    Listen,
    /// One of the two, and somebody may have told it otherwise since.
    Perhaps,
}

impl Told {
    const fn and_perhaps_forgotten(self) -> Self {
        match self {
            Self::Nothing => Self::Nothing,
            Self::Tell | Self::Listen | Self::Perhaps => Self::Perhaps,
        }
    }
}

impl Service {
    const NEW: Self = Self {
        entry: Entry::NEW,
        sorry: Entry::NEW,
        quorum: Quorum::NEW,
        refusal: 0,
        sorry_refusal: 0,
        counters: NO_COUNTERS,
    };
}

impl Server {
    const NEW: Self = Self {
        entry: Entry::NEW,
        refusal: 0,
        traffic: Traffic { active: 0, inactive: 0, counters: NO_COUNTERS },
    };
}

const NO_COUNTERS: Counters =
    Counters { connections: 0, packets_in: 0, packets_out: 0, bytes_in: 0, bytes_out: 0 };

/// A request to the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Tell all services.
    ListServices,
    /// Tell the servers of this one.
    ListServers(VirtualServerId),
    /// Of a service.
    Service(VirtualServerId, Step),
    /// Of a server, with this weight.
    Server(RealServerId, Step, u16),
    /// Of the server that serves while no other does.
    Sorry(VirtualServerId, Step),
    /// Remove from this service a server that the configuration does not have: [`Router::ipvs_stranger`].
    Stranger(VirtualServerId),
    /// For how long connections are remembered.
    Timeouts,
    /// Connections are told to others (`true`), or listened to, or neither any more.
    Daemon {
        /// The end of the exchange that is meant: the one that tells.
        is_master: bool,
        /// It begins.
        starts: bool,
    },
}

/// A request, and a number by which its answer is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpvsRequest {
    /// What is asked.
    pub change: Change,
    /// The netlink sequence number.
    pub sequence: u32,
}

/// What a sequence number says of its request, beside the number of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Subject {
    List,
    Service,
    Server,
    /// Who says sorry; by the service.
    Sorry,
    /// A server that the configuration does not have; by the service.
    Stranger,
    /// By whether it is to begin.
    Daemon,
    Timeouts,
    /// Whether it is carried out does not matter.
    Farewell,
}

impl Subject {
    const ALL: [Self; 8] = [
        Self::List,
        Self::Service,
        Self::Server,
        Self::Sorry,
        Self::Stranger,
        Self::Daemon,
        Self::Timeouts,
        Self::Farewell,
    ];

    /// Eight bits of subject, eight of a list's number, sixteen of an index.
    const fn sequence(self, list: u8, index: u16) -> u32 {
        (self as u32) << 24 | (list as u32) << 16 | index as u32
    }

    /// The parts of a sequence number.
    fn of(sequence: u32) -> Option<(Self, u8, u16)> {
        let [subject, list, ..] = sequence.to_be_bytes();
        Some((*Self::ALL.get(usize::from(subject))?, list, sequence as u16))
    }
}

impl Ipvs {
    pub(super) const fn new() -> Self {
        Self {
            round: Round::NEW,
            is_dirty: false,
            again_at: None,
            is_missing: false,
            has_timeouts: false,
            refusals: [0; Subject::ALL.len()],
            told: Told::Nothing,
            stranger: (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            services: [Service::NEW; VIRTUAL_SERVERS_MAX],
            servers: [Server::NEW; REAL_SERVERS_MAX],
        }
    }

    pub(super) const fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// Something that it depends on has turned.
    pub(super) const fn stir(&mut self) {
        self.is_dirty = true;
    }

    /// What is refused next is news.
    fn carried_out(&mut self, subject: Subject) {
        if let Some(refusal) = self.refusals.get_mut(subject as usize) {
            *refusal = 0;
        }
    }

    /// Takes another configuration: a service keeps its quorum by its identity, and what the kernel has it will tell.
    #[inline(never)] // A copy of the table lies in the stack.
    pub(super) fn rename(&mut self, old: &Config, new: &Config) {
        let before = self.services;
        self.services = [Service::NEW; VIRTUAL_SERVERS_MAX];
        self.servers = [Server::NEW; REAL_SERVERS_MAX];
        for (service, config) in self.services.iter_mut().zip(&new.virtual_servers) {
            let known = place_of(old, config);
            if let Some(known) = known.and_then(|place| before.get(place)) {
                service.quorum = known.quorum;
                service.counters = known.counters;
            }
        }
        self.told = self.told.and_perhaps_forgotten();
    }
}

/// Where a configuration has the same service.
fn place_of(config: &Config, service: &VirtualServer) -> Option<usize> {
    config.virtual_servers.iter().position(|other| other.service.identity == service.service.identity)
}

impl Router {
    // How things stand.

    /// How a real server stands: up if nothing finds out.
    #[must_use]
    pub fn server_standing(&self, id: RealServerId) -> Standing {
        let probe = self.config.real_server(id).and_then(|server| server.probe);
        probe.map_or(Standing::Up, |probe| self.probe_standing(probe))
    }

    /// How a virtual server stands: up while it has its quorum; unknown before anybody has counted.
    #[must_use]
    pub fn service_standing(&self, id: VirtualServerId) -> Standing {
        if self.started_at.is_none() {
            return Standing::Unknown;
        }
        match self.ipvs.services.get(usize::from(id.0)) {
            Some(service) if service.quorum.is_up() => Standing::Up,
            Some(_) | None => Standing::Down,
        }
    }

    /// The weight that a real server has while it lives: what its script says, or what the configuration does.
    #[must_use]
    pub fn server_weight(&self, id: RealServerId) -> u16 {
        let Some(server) = self.config.real_server(id) else { return 0 };
        match server.probe.and_then(|probe| self.probe_said(probe)) {
            // keepalived's: a script asks for the weight by a number that is two more.
            Some(said) => said.saturating_sub(2).into(),
            // The cast loses nothing: the configuration bounds it.
            None => server.destination.weight as u16,
        }
    }

    /// What passes through a virtual server, as the kernel has said last.
    #[must_use]
    pub fn service_counters(&self, id: VirtualServerId) -> Option<Counters> {
        Some(self.ipvs.services.get(usize::from(id.0))?.counters)
    }

    /// What passes through a real server, as the kernel has said last, and its weight there; `None`: it is not in the table.
    #[must_use]
    pub fn server_traffic(&self, id: RealServerId) -> Option<(Traffic, Option<u16>)> {
        let server = self.ipvs.servers.get(usize::from(id.0))?;
        Some((server.traffic, server.entry.weight()))
    }

    /// Whether the kernel has a virtual server, as far as it has said.
    #[must_use]
    pub fn is_in_kernel(&self, id: VirtualServerId) -> bool {
        self.ipvs.services.get(usize::from(id.0)).is_some_and(|service| service.entry.is_there())
    }

    /// The server that [`Change::Stranger`] is about.
    #[must_use]
    pub const fn ipvs_stranger(&self) -> (IpAddr, u16) {
        self.ipvs.stranger
    }

    /// Whether the kernel has no IPVS.
    #[must_use]
    pub const fn lacks_ipvs(&self) -> bool {
        self.ipvs.is_missing
    }

    /// Whether a server is not tried for now: `ha_suspend`, and the service's address is with another router.
    pub(super) fn is_suspended(&self, service: VirtualServerId) -> bool {
        let Some(service) = self.config.virtual_server(service).filter(|service| service.suspends) else {
            return false;
        };
        let crate::wire::ipvs::Identity::Address { address, .. } = service.service.identity else {
            return false;
        };
        let mut is_virtual = false;
        for slot in self.slots() {
            let Some(view) = self.view(slot) else { continue };
            if view.addresses().any(|(_, its)| ip::same(&its.address, &address)) {
                if view.virtual_router().phase() == Phase::Master {
                    return false;
                }
                is_virtual = true;
            }
        }
        is_virtual
    }

    // What happens.

    /// The first configuration, or another one: looks what there is.
    pub(super) fn begin_ipvs(&mut self, turn: &mut Turn<'_>) {
        if !cfg!(feature = "ipvs") {
            return;
        }
        if self.has_balance() {
            self.ipvs.round.wait(turn.now, Duration::ZERO);
        } else if self.ipvs.round != Round::NEW {
            self.ipvs.round.stop();
        }
        if !self.has_ipvs() {
            // Not even a zero is written: a page that nobody writes to is not there.
            return;
        }
        self.ipvs.has_timeouts = false;
        self.ipvs.stir();
        // Who is up is known from here on.
        self.moved = true;
    }

    /// Whether the configuration asks for anything of it.
    pub(super) fn has_ipvs(&self) -> bool {
        self.has_balance() || self.config.ipvs_timeouts != Timeouts::KEEP
    }

    /// Whether there is something that others may undo.
    fn has_balance(&self) -> bool {
        !self.config.virtual_servers.is_empty() || self.config.sync_daemon.is_some()
    }

    pub(super) fn ipvs_poll_at(&self) -> Option<Instant> {
        if !cfg!(feature = "ipvs") || self.stopping {
            return None;
        }
        earlier(self.ipvs.again_at, self.ipvs.round.poll_at())
    }

    /// Time has passed: begins a round if one is due.
    pub(super) fn run_ipvs(&mut self, turn: &mut Turn<'_>) {
        if !cfg!(feature = "ipvs") || self.stopping {
            return;
        }
        if self.ipvs.again_at.take_if(|at| *at <= turn.now).is_some() {
            self.ipvs.stir();
        }
        if self.ipvs.round.is_due(turn.now) {
            for service in &mut self.ipvs.services {
                service.entry.begin();
            }
            let number = self.ipvs.round.ask(List::Services, turn.now);
            ask(turn, Change::ListServices, Subject::List.sequence(number, 0));
        }
    }

    /// The kernel has said something.
    pub(super) fn ipvs_message(&mut self, turn: &mut Turn<'_>, message: &Message) {
        if !cfg!(feature = "ipvs") || self.stopping {
            return;
        }
        match *message {
            Message::Service(service, counters) => {
                let Some(List::Services) = self.ipvs.round.open_list() else { return };
                let mut all = self.config.virtual_servers.iter();
                let place = all.position(|its| its.service.identity == service.identity);
                let Some(place) = place else { return };
                let is_right =
                    self.config.virtual_servers.get(place).is_some_and(|its| its.service == service);
                if let Some(its) = self.ipvs.services.get_mut(place) {
                    its.entry.saw(is_right, 0);
                    its.counters = counters;
                    if is_right {
                        its.refusal = 0;
                    }
                }
            }
            Message::Destination { destination, active, inactive, counters } => {
                if let Some(List::Servers(service)) = self.ipvs.round.open_list() {
                    self.saw_server(
                        turn,
                        VirtualServerId(service),
                        &destination,
                        Traffic { active, inactive, counters },
                    );
                }
            }
            Message::Done { sequence, is_torn } => self.list_ended(turn, sequence, is_torn),
            Message::Refused { sequence, errno } => self.ipvs_refused(turn, sequence, errno),
            Message::Accepted { sequence } => {
                let subject = Subject::of(sequence);
                if let Some(
                    (subject @ Subject::Daemon, _, Self::BEGINS) | (subject @ Subject::Timeouts, ..),
                ) = subject
                {
                    self.ipvs.carried_out(subject);
                }
            }
            Message::Daemon { .. } => {}
        }
    }

    /// Answers were lost: what they were about is asked again.
    pub(super) fn ipvs_overrun(&mut self, turn: &Turn<'_>) {
        self.ipvs.round.wait(turn.now, SOON);
        // No list tells of them.
        self.ipvs.has_timeouts = false;
        self.ipvs.stir();
    }

    /// A request could not even be made.
    pub(super) fn ipvs_failed(&mut self, turn: &Turn<'_>, errno: i32) {
        self.forget_table();
        self.ipvs.round.wait(turn.now, LATER);
        if !core::mem::replace(&mut self.ipvs.is_missing, true) {
            warn!(
                "IPVS: {}: the virtual servers wait for it, and VRRP goes on",
                match errno {
                    ENOENT => "this kernel has none: load its module ip_vs (kmod-nf-ipvs on OpenWrt)",
                    EPERM => NOT_PERMITTED,
                    _ => "the kernel cannot be asked, and will be again",
                }
            );
        }
    }

    fn forget_table(&mut self) {
        for service in &mut self.ipvs.services {
            service.entry.forget();
            service.sorry.forget();
        }
        for server in &mut self.ipvs.servers {
            server.entry.forget();
        }
        self.ipvs.told = Told::Nothing;
        self.ipvs.has_timeouts = false;
    }

    /// A line of the list of a service's servers.
    fn saw_server(&mut self, turn: &mut Turn<'_>, id: VirtualServerId, seen: &Destination, traffic: Traffic) {
        let Some(service) = self.config.virtual_server(id) else { return };
        let mut is_ours = false;
        for place in service.servers.range() {
            let (Some(its), Some(server)) =
                (self.config.real_servers.get(place), self.ipvs.servers.get_mut(place))
            else {
                continue;
            };
            if is_same_server(&its.destination, seen) {
                is_ours = true;
                let is_right = is_as_wanted(&its.destination, seen);
                server.entry.saw(is_right, seen.weight as u16);
                server.traffic = traffic;
                if is_right {
                    server.refusal = 0;
                }
            }
        }
        if let (Some(sorry), Some(entry)) = (&service.sorry, self.ipvs.services.get_mut(usize::from(id.0)))
            && is_same_server(sorry, seen)
            && !is_ours
        {
            is_ours = true;
            let is_right = is_as_wanted(sorry, seen);
            entry.sorry.saw(is_right, seen.weight as u16);
            if is_right {
                entry.sorry_refusal = 0;
            }
        }
        if !is_ours {
            self.ipvs.stranger = (seen.address, seen.port);
            ask(turn, Change::Stranger(id), Subject::Stranger.sequence(0, id.0));
        }
    }

    /// A list is complete, or cannot be had: goes on to the next.
    fn list_ended(&mut self, turn: &mut Turn<'_>, sequence: u32, is_torn: bool) {
        let Some((Subject::List, number, _)) = Subject::of(sequence) else { return };
        let Some(list) = self.ipvs.round.list(number) else { return };
        if core::mem::take(&mut self.ipvs.is_missing) {
            info!("IPVS: the kernel has it now");
        }
        if is_torn {
            self.ipvs.round.hurry(turn.now);
        }
        let mut has_lost = false;
        let next = match list {
            List::Services => {
                if !is_torn {
                    for service in &mut self.ipvs.services {
                        let was_there = service.entry.is_there();
                        service.entry.end();
                        // It may have gone with all of IPVS, of whose timeouts no list tells.
                        has_lost |= was_there && !service.entry.is_there();
                    }
                }
                self.ipvs.carried_out(Subject::List);
                0
            }
            List::Servers(place) => {
                if !is_torn {
                    self.servers_listed(VirtualServerId(place));
                }
                place.saturating_add(1)
            }
        };
        if has_lost {
            self.ipvs.has_timeouts = false;
        }
        self.ipvs.stir();
        self.list_servers(turn, next);
    }

    /// All servers of a service have been told.
    fn servers_listed(&mut self, id: VirtualServerId) {
        let Some(service) = self.config.virtual_server(id) else { return };
        for server in self.ipvs.servers.get_mut(service.servers.range()).unwrap_or(&mut []) {
            server.entry.end();
            if !server.entry.is_there() {
                (server.traffic.active, server.traffic.inactive) = (0, 0);
            }
        }
        if let Some(its) = self.ipvs.services.get_mut(usize::from(id.0)) {
            its.sorry.end();
        }
    }

    /// Asks for the servers of the next service that is there; after the last one, rests.
    fn list_servers(&mut self, turn: &mut Turn<'_>, from: u16) {
        for place in from..self.config.virtual_servers.len() as u16 {
            let id = VirtualServerId(place);
            let Some(its) = self.ipvs.services.get_mut(usize::from(place)) else { break };
            if !its.entry.is_there() {
                continue;
            }
            its.sorry.begin();
            let range = self.config.virtual_server(id).map_or(0..0, |service| service.servers.range());
            for server in self.ipvs.servers.get_mut(range).unwrap_or(&mut []) {
                server.entry.begin();
            }
            let number = self.ipvs.round.ask(List::Servers(place), turn.now);
            ask(turn, Change::ListServers(id), Subject::List.sequence(number, place));
            return;
        }
        if self.has_balance() || !self.ipvs.has_timeouts {
            self.ipvs.round.rest(turn.now);
        } else {
            self.ipvs.round.stop();
        }
        // The kernel's daemon may have been stopped behind our back; one that runs says so.
        self.ipvs.told = self.ipvs.told.and_perhaps_forgotten();
    }

    fn ipvs_refused(&mut self, turn: &mut Turn<'_>, sequence: u32, errno: i32) {
        let Some((subject, number, index)) = Subject::of(sequence) else { return };
        let place = usize::from(index);
        match (subject, errno) {
            (Subject::Farewell, _) | (Subject::Daemon, EEXIST | ESRCH) => return,
            (Subject::List, _) => match self.ipvs.round.list(number) {
                Some(List::Services) => {}
                Some(List::Servers(place)) => {
                    if let Some(its) = self.ipvs.services.get_mut(usize::from(place)) {
                        its.entry.forget();
                    }
                }
                None => return,
            },
            (Subject::Timeouts, _) => self.ipvs.has_timeouts = false,
            (Subject::Service, _) => {
                if let Some(its) = self.ipvs.services.get_mut(place) {
                    its.entry.forget();
                }
            }
            // It counted as carried out. What is there the next list tells.
            (Subject::Server, _) => {
                if let Some(its) = self.ipvs.servers.get_mut(place) {
                    its.entry.forget();
                }
            }
            (Subject::Sorry, _) => {
                if let Some(its) = self.ipvs.services.get_mut(place) {
                    its.sorry.forget();
                }
            }
            (Subject::Stranger | Subject::Daemon, _) => {}
        }
        let before = match subject {
            Subject::Service => self.ipvs.services.get_mut(place).map(|its| &mut its.refusal),
            Subject::Sorry | Subject::Stranger => {
                self.ipvs.services.get_mut(place).map(|its| &mut its.sorry_refusal)
            }
            Subject::Server => self.ipvs.servers.get_mut(place).map(|its| &mut its.refusal),
            Subject::List | Subject::Daemon | Subject::Timeouts | Subject::Farewell => {
                self.ipvs.refusals.get_mut(subject as usize)
            }
        };
        let Some(before) = before else { return };
        let is_news = core::mem::replace(before, errno as u8) != errno as u8;
        if subject == Subject::List {
            let is_soon = is_news || heals_by_itself(subject, errno);
            self.ipvs.round.wait(turn.now, if is_soon { SOON } else { PAUSE });
            if errno == ENOENT {
                // IPVS has gone, and perhaps come again, under another number.
                self.ipvs.has_timeouts = false;
            }
            self.ipvs.stir();
        } else if is_news {
            self.ipvs.round.hurry(turn.now);
        }
        if is_news && !heals_by_itself(subject, errno) {
            self.say_refusal(subject, index, errno);
        }
    }

    fn say_refusal(&self, subject: Subject, index: u16, errno: i32) {
        let name = match subject {
            Subject::Service | Subject::Sorry | Subject::Stranger => {
                let service = self.config.virtual_server(VirtualServerId(index));
                service.map_or("", |service| self.config.text(service.name))
            }
            Subject::Server => {
                let server = self.config.real_server(RealServerId(index));
                server.map_or("", |server| self.config.text(server.name))
            }
            Subject::List | Subject::Daemon | Subject::Timeouts | Subject::Farewell => "",
        };
        let (what, colon) = match subject {
            Subject::Service | Subject::Sorry | Subject::Stranger => ("virtual server ", ": "),
            Subject::Server => ("real server ", ": "),
            Subject::Daemon => ("lvs_sync_daemon_interface", ": "),
            Subject::Timeouts => ("lvs_timeout", ": "),
            Subject::List | Subject::Farewell => ("", ""),
        };
        warn!("IPVS: {what}{name}{colon}{}", sentence(subject, errno));
    }

    // What is wanted.

    /// Sees that the kernel has what it should, as far as is known what it has.
    pub(super) fn settle_ipvs(&mut self, turn: &mut Turn<'_>) {
        self.ipvs.is_dirty = false;
        if self.stopping || self.started_at.is_none() {
            return;
        }
        let mut room = IPVS_CHANGES_MAX;
        for place in 0..self.config.virtual_servers.len() as u16 {
            let id = VirtualServerId(place);
            self.pause_or_go_on(turn.now, id);
            self.weigh_quorum(id);
            if !self.settle_service(turn, id, &mut room) {
                self.ipvs.again_at = Some(turn.now);
                break;
            }
        }
        self.settle_timeouts(turn);
        self.settle_daemon(turn);
    }

    fn settle_timeouts(&mut self, turn: &mut Turn<'_>) {
        if !self.ipvs.has_timeouts && !self.ipvs.is_missing {
            self.ipvs.has_timeouts = true;
            if self.config.ipvs_timeouts != Timeouts::KEEP {
                ask(turn, Change::Timeouts, Subject::Timeouts.sequence(0, 0));
            }
        }
    }

    /// Whether what lives is enough.
    fn weigh_quorum(&mut self, id: VirtualServerId) {
        let Some(service) = self.config.virtual_server(id) else { return };
        let mut living: u32 = 0;
        for place in service.servers.range() {
            let server = RealServerId(place as u16);
            if self.server_standing(server) == Standing::Up {
                living = living.saturating_add(self.server_weight(server).into());
            }
        }
        let (rules, name) = (service.quorum, service.name);
        let Some(its) = self.ipvs.services.get_mut(usize::from(id.0)) else { return };
        if its.quorum.weigh(living, &rules) {
            let verb = if its.quorum.is_up() { "has its quorum again" } else { "has lost its quorum" };
            info!("virtual server {} {verb}: weight {living} of {}", self.config.text(name), rules.weight);
            self.moved = true;
        }
    }

    /// One service and its servers. Those who serve come before others go. What is being told is left alone until it has
    /// been: the list may be of before. `false`: there was not room for all.
    fn settle_service(&mut self, turn: &mut Turn<'_>, id: VirtualServerId, room: &mut usize) -> bool {
        let Some(service) = self.config.virtual_server(id) else { return true };
        let (range, sorry) = (service.servers.range(), service.sorry);
        let Some(its) = self.ipvs.services.get_mut(usize::from(id.0)) else { return true };
        let list = self.ipvs.round.open_list();
        if !its.entry.is_heard() || list == Some(List::Services) && !its.entry.is_there() {
            return true;
        }
        if *room == 0 {
            return false;
        }
        if list != Some(List::Services)
            && let Some(step) = its.entry.step(Wanted::Present(0))
        {
            *room -= 1;
            ask(turn, Change::Service(id, step), Subject::Service.sequence(0, id.0));
            if step == Step::Add {
                its.sorry.lose();
                for server in self.ipvs.servers.get_mut(range.clone()).unwrap_or(&mut []) {
                    server.entry.lose();
                }
            }
        }
        if list == Some(List::Servers(id.0)) {
            return true;
        }
        let is_up = its.quorum.is_up();
        // One of the servers may say sorry: then it is that one alone.
        let mut servers = service.servers.of(&self.config.real_servers).iter();
        let is_another =
            |sorry: &Destination| !servers.any(|server| is_same_server(sorry, &server.destination));
        let wants_sorry = if !is_up && sorry.as_ref().is_some_and(is_another) {
            Wanted::Present(1)
        } else {
            Wanted::Absent
        };
        for is_departure in [false, true] {
            for place in range.clone() {
                let server = RealServerId(place as u16);
                let wanted = self.wanted(server, is_up || sorry.is_none(), sorry.as_ref());
                if matches!(wanted, Wanted::Absent | Wanted::Present(0)) != is_departure {
                    continue;
                }
                if *room == 0 {
                    return false;
                }
                let Some(entry) = self.ipvs.servers.get_mut(place) else { continue };
                if let Some(step) = entry.entry.step(wanted) {
                    *room -= 1;
                    let weight = entry.entry.weight().unwrap_or(0);
                    ask(turn, Change::Server(server, step, weight), Subject::Server.sequence(0, server.0));
                }
            }
            if (wants_sorry == Wanted::Absent) == is_departure
                && let Some(its) = self.ipvs.services.get_mut(usize::from(id.0))
            {
                if *room == 0 {
                    return false;
                }
                if let Some(step) = its.sorry.step(wants_sorry) {
                    *room -= 1;
                    ask(turn, Change::Sorry(id, step), Subject::Sorry.sequence(0, id.0));
                }
            }
        }
        true
    }

    /// What the kernel is to have of a server. While somebody says sorry, nobody else serves.
    fn wanted(&self, id: RealServerId, serves: bool, sorry: Option<&Destination>) -> Wanted {
        let Some(server) = self.config.real_server(id) else { return Wanted::Absent };
        if !serves && sorry.is_some_and(|sorry| is_same_server(sorry, &server.destination)) {
            Wanted::Present(1)
        } else if serves && self.server_standing(id) != Standing::Down {
            Wanted::Present(self.server_weight(id))
        } else if server.inhibits {
            Wanted::Present(0)
        } else {
            Wanted::Absent
        }
    }

    /// What the sequence number of a request says that lets the exchange begin.
    const BEGINS: u16 = 1;

    /// The kernel tells its connections while the instance is master, and listens while it is not.
    fn settle_daemon(&mut self, turn: &mut Turn<'_>) {
        let Some(daemon) = self.config.sync_daemon else { return };
        let is_master = self.members.iter().any(|member| {
            member.instance == daemon.instance
                && VirtualRouter::phase(&member.virtual_router) == Phase::Master
        });
        let told = if is_master { Told::Tell } else { Told::Listen };
        if self.ipvs.told == told || self.ipvs.is_missing {
            return;
        }
        let was_told = core::mem::replace(&mut self.ipvs.told, told);
        let sequence = |is_begin| Subject::Daemon.sequence(0, is_begin);
        if was_told == Told::Nothing {
            // Of a daemon that was killed, and whose device or number was another.
            ask(turn, Change::Daemon { is_master, starts: false }, sequence(0));
        }
        ask(turn, Change::Daemon { is_master: !is_master, starts: false }, sequence(0));
        ask(turn, Change::Daemon { is_master, starts: true }, sequence(Self::BEGINS));
    }

    // The end.

    /// Takes out what is ours: all of it, or what a new configuration does not have.
    pub(super) fn end_ipvs(&mut self, turn: &mut Turn<'_>, new: Option<&Config>) {
        if !cfg!(feature = "ipvs") {
            return;
        }
        let sequence = Subject::Farewell.sequence(0, 0);
        for (place, service) in self.config.virtual_servers.iter().enumerate() {
            let stays = match new {
                Some(new) => place_of(new, service).is_some(),
                None => service.keeps,
            };
            let may_be_there = self.ipvs.services.get(place).is_some_and(|its| its.entry.may_be_there());
            if may_be_there && !stays && !self.ipvs.is_missing {
                ask(turn, Change::Service(VirtualServerId(place as u16), Step::Delete), sequence);
            }
        }
        let Some(daemon) = self.config.sync_daemon else { return };
        let stays = new
            .is_some_and(|new| new.sync_daemon.is_some_and(|other| self.is_same_daemon(daemon, other, new)));
        if !stays && !self.ipvs.is_missing {
            for is_master in [true, false] {
                ask(turn, Change::Daemon { is_master, starts: false }, sequence);
            }
        }
    }

    fn is_same_daemon(
        &self,
        ours: crate::config::SyncDaemon,
        other: crate::config::SyncDaemon,
        new: &Config,
    ) -> bool {
        let vrid = |config: &Config, instance: u16| {
            config.instances.get(usize::from(instance)).map(|instance| instance.vrid)
        };
        self.config.interface_name(ours.interface) == new.interface_name(other.interface)
            && vrid(&self.config, ours.instance) == vrid(new, other.instance)
    }

    /// Servers of a service whose address is with another router are not tried. Without `ha_suspend` they are, also if they
    /// were not by a former configuration.
    fn pause_or_go_on(&mut self, now: Instant, id: VirtualServerId) {
        let Some(service) = self.config.virtual_server(id) else { return };
        let (range, is_suspended) = (service.servers.range(), self.is_suspended(id));
        for place in range {
            let Some(probe) = self.config.real_servers.get(place).and_then(|server| server.probe) else {
                continue;
            };
            if is_suspended {
                self.suspend_probe(probe);
            } else {
                self.resume_probe(now, probe);
            }
        }
    }
}

fn ask(turn: &mut Turn<'_>, change: Change, sequence: u32) {
    turn.push(Effect::Ipvs(IpvsRequest { change, sequence }));
}

/// What makes a server of one service another one.
fn is_same_server(one: &Destination, other: &Destination) -> bool {
    one.port == other.port && ip::same(&one.address, &other.address)
}

/// All but the weight, which follows from how it stands. A server that is this host the kernel may call so.
fn is_as_wanted(wanted: &Destination, seen: &Destination) -> bool {
    (seen.forward == wanted.forward || seen.forward == Forward::Local)
        && seen.weight <= u16::MAX.into()
        && (seen.upper, seen.lower) == (wanted.upper, wanted.lower)
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EBUSY: i32 = 16;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const EPROTONOSUPPORT: i32 = 93;
const EAFNOSUPPORT: i32 = 97;

/// Whether the next look mends it, so that it is worth no word.
const fn heals_by_itself(subject: Subject, errno: i32) -> bool {
    match subject {
        Subject::Server | Subject::Sorry | Subject::Stranger => matches!(errno, EEXIST | ESRCH | ENOENT),
        Subject::Service => matches!(errno, EEXIST | ESRCH),
        Subject::List => matches!(errno, EBUSY | ENOENT),
        Subject::Daemon | Subject::Timeouts | Subject::Farewell => false,
    }
}

const NOT_PERMITTED: &str =
    "not permitted: start vipd as root of the machine itself, or with its CAP_NET_ADMIN";

/// What the kernel has against it, and what to do.
const fn sentence(subject: Subject, errno: i32) -> &'static str {
    match (subject, errno) {
        (_, EPERM) => NOT_PERMITTED,
        (Subject::Service, ENOENT) => {
            "the kernel has no such scheduler or persistence engine: load its module, ip_vs_ and its name or ip_vs_pe_sip, or \
             write another lb_algo"
        }
        (Subject::Daemon, ENODEV) => "there is no such device yet",
        (Subject::Service, EINVAL) => {
            "the kernel refuses these options: one of them is newer than it, or not for this scheduler"
        }
        (Subject::Daemon, EINVAL) => {
            "a server of another family than its service is in the table: take one of the two out"
        }
        (Subject::Timeouts, EINVAL) => "the kernel takes none that is so long: write less",
        (_, EINVAL) => {
            "the kernel refuses these options: one of them is newer than it, perhaps tun_type or an address of another family"
        }
        (_, EAFNOSUPPORT | EPROTONOSUPPORT) => "this kernel's IPVS has no such family or protocol",
        (
            Subject::List
            | Subject::Service
            | Subject::Server
            | Subject::Sorry
            | Subject::Stranger
            | Subject::Daemon
            | Subject::Timeouts
            | Subject::Farewell,
            _,
        ) => "the kernel refuses it, and will be asked again",
    }
}
