//! All virtual routers together: the one place where siblings meet.
//!
//! The contract, in order:
//!
//! 1. Hand in [`Event::Adopt`] with the first configuration, then [`Event::Start`].
//! 2. When something happens, call [`Router::handle`] with the time and an empty [`Effects`].
//! 3. Perform the effects in order (see [`crate::perform`]), then clear them. Only then call `handle` again.
//! 4. Call `handle(now, Event::Timer)` when [`Router::poll_at`] has come; earlier, it does nothing.
//! 5. Hand in the packets that are waiting before a timer, or a starved backup steals from a live master. The timer's time
//!    may be that of the look, before theirs.
//! 6. An effect that fails comes back as an event on the next turn, never from inside an effect.
//!
//! One event has at most [`limits::EFFECTS_MAX`] effects.

use core::net::{IpAddr, Ipv6Addr};
use core::num::NonZeroU16;
use core::ops::Range;

use heapless::Vec;

use crate::config::{
    BfdId, Config, Family, FamilyConfig, FileId, Instance, InterfaceId, Peer, ProbeId, VirtualAddress,
};
use crate::limits;
use crate::say::warn;
use crate::time::{Instant, Span, earlier};
use crate::vrrp::counters::count;
use crate::vrrp::{self, Action, Counters, Fault, Phase, Rules, State, VirtualRouter};
use crate::wire::vrrp::{Advert, PRIORITY_OWNER, Password, Version};
use crate::wire::{self, IfIndex, Mac, ip, rtnl};

mod addresses;
mod bfd;
mod bundle;
mod deadlines;
mod default_routes;
mod hook;
mod instance_routes;
mod ipvs;
mod kernel;
mod links;
mod muted;
mod no_accept;
mod preparations;
mod probes;
mod ra;
mod receive;
mod reload;
mod strangers;
mod track_hooks;
mod tracks;
mod vmac;
mod waves;

use addresses::{Presence, Sighting};
pub use bfd::Outgoing as BfdOutgoing;
use deadlines::Deadlines;
use default_routes::DefaultRoutes;
pub use hook::Hook;
use hook::Reports;
use instance_routes::Routes;
pub use instance_routes::{RouteOrRule, Routing};
use ipvs::Ipvs;
pub use ipvs::{Change as IpvsChange, IpvsRequest, Traffic};
use kernel::Sync;
use links::Links;
use muted::Muted;
use preparations::Preparations;
use probes::Probes;
use ra::RouterAdverts;
pub use strangers::Stranger;
use strangers::Strangers;
pub use vmac::Vmac;

/// Which virtual router: an index into the router's table, valid until the next [`Event::Adopt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u16);

impl Slot {
    /// The one behind it, which nobody need have.
    const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A slot in the least room, together with whether there is one.
#[derive(Debug, Clone, Copy)]
struct SlotAndOne(NonZeroU16);

impl SlotAndOne {
    const fn of(Slot(slot): Slot) -> Self {
        Self(NonZeroU16::MIN.saturating_add(slot))
    }

    const fn slot(self) -> Slot {
        Slot(self.0.get() - 1)
    }
}

/// A received IP protocol 112 message, as its socket delivered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// IPv4: the whole packet, header included.
    V4 {
        /// The device that it arrived on.
        interface: IfIndex,
        /// Header and message.
        packet: &'a [u8],
    },
    /// IPv6: the message, with what the kernel tells about its header.
    V6 {
        /// The device that it arrived on.
        interface: IfIndex,
        /// Sender.
        source: Ipv6Addr,
        /// Receiver or group.
        destination: Ipv6Addr,
        /// Hop limit on arrival.
        hop_limit: u8,
        /// The message.
        message: &'a [u8],
    },
}

/// A UDP datagram, as its socket delivered it, or as it is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The device that it arrived on, or that it is to leave by.
    pub interface: IfIndex,
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// What has come behind the UDP header; if it is to leave, from that on.
    pub payload: &'a [u8],
}

/// Something has happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The daemon has started; nothing is known of links and addresses yet.
    Start {
        /// The kernel keeps [`rtnl::ADDRESS_MARK`] (Linux 5.18 and later). Where it does not, an address that
        /// equals a virtual one at start is taken for left behind by a crash, as keepalived does.
        keeps_marks: bool,
        /// Something that nobody can foresee, for jitter and discriminators.
        seed: u32,
    },
    /// The daemon is asked to end: resign, release, and say so.
    Stop,
    /// The time of [`Router::poll_at`] has come. At any other time it is harmless.
    Timer,
    /// A VRRP packet.
    Packet(Packet<'a>),
    /// An ICMPv6 message that may be a router solicitation.
    Solicitation(Packet<'a>),
    /// A datagram on BFD's port.
    Bfd(Datagram<'a>),
    /// A message from rtnetlink.
    Kernel(rtnl::Message<'a>),
    /// Messages from rtnetlink were lost (ENOBUFS): ask for everything again.
    Overrun,
    /// A message from the kernel's IPVS.
    Ipvs(wire::ipvs::Message),
    /// Messages from it were lost.
    IpvsOverrun,
    /// A route or rule of ours is gone from the kernel, by whose hand ever.
    RouteGone,
    /// An effect could not be performed; handled on the turn after it failed.
    Failed(Failure),
    /// The hook script that was started with this ticket has ended, or could not be started.
    HookEnded(Ticket),
    /// The try that was started with this ticket has ended, in success or not, or could not be started.
    Tried(TryTicket, bool),
    /// The script that was started as the try with this ticket has exited with this number.
    Exited(TryTicket, u8),
    /// There was no room, or no descriptor, for the try that was to be started with this ticket, which says nothing of what
    /// is tried.
    Untried(TryTicket),
    /// A tracked file has this number in it; 0 where there is none, or no file.
    File(FileId, i32),
    /// Somebody at the console wants another router to be master: this instance (an index into
    /// [`Config::instances`]) and what moves with it resign, and keep away until they are reclaimed.
    Release(u16),
    /// The instance, and what moves with it, takes part again.
    Reclaim(u16),
    /// A new configuration will be adopted by the next event, which must be [`Event::Adopt`] with the same
    /// one: what it no longer contains is resigned and released.
    Prepare(&'a Config),
    /// Take this configuration; the old one is left in its place.
    Adopt(&'a mut Config),
}

/// An effect that could not be performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The device that it was for.
    pub interface: IfIndex,
    /// What was to be sent.
    pub what: Parcel,
    /// Positive errno.
    pub errno: i32,
}

/// The kinds of bytes that leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parcel {
    /// A BFD control packet.
    Bfd,
    /// An advertisement.
    Message(Family),
    /// A gratuitous ARP or neighbour advertisement.
    Frame,
    /// A netlink request.
    Netlink,
    /// A multicast membership.
    Join,
    /// A batch for the packet filter.
    Netfilter,
    /// A request to IPVS.
    Ipvs,
}

/// Whose hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookOwner {
    /// An instance: an index into [`Config::instances`].
    Instance(u16),
    /// A sync group: an index into [`Config::groups`].
    Group(u8),
    /// What is tracked: an index into [`Config::track_hooks`].
    Thing(u8),
}

/// One run of a hook script. Unlike a [`HookOwner`] it stays valid over a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub u16);

/// One try of a probe. It stays valid over a reload; it has nothing to do with a [`Ticket`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TryTicket(pub u16);

/// Something to be done, in order, before the next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Become a member of the multicast group on the interface. Harmless if it is one already.
    Join(Slot),
    /// Send an advertisement to the group, or to every unicast peer.
    Advertise {
        /// For this virtual router.
        slot: Slot,
        /// With this priority; 0 resigns.
        priority: u8,
    },
    /// Switch on the device of its virtual MAC, and add every virtual address, and then the routes and rules that move with
    /// them. Those that are there stay.
    Claim(Slot),
    /// Give every virtual address of ours that is there its lifetime anew.
    Renew(Slot),
    /// Remove the routes and rules, and then every virtual address that we have added, and switch off the device of its
    /// virtual MAC.
    Release(Slot),
    /// Drop packets to the virtual addresses if they are held, and not otherwise; for one with `no_accept`, as all
    /// through [`Effect::Claim`] and [`Effect::Release`].
    Filter(Slot),
    /// Drop them no longer, although they are held.
    Unfilter(Slot),
    /// Remove one virtual address: an index into [`Config::addresses`], as it is installed.
    Withdraw {
        /// Which.
        address: u16,
        /// Its prefix length in the kernel: another one if the configuration has changed since a crash.
        prefix_len: u8,
    },
    /// Put routes and rules where they belong.
    Routes(Routing),
    /// Gratuitous ARP or unsolicited neighbour advertisement for every virtual address.
    Announce {
        /// For this virtual router.
        slot: Slot,
        /// How often, back to back.
        repeat: u8,
    },
    /// Make the device of its virtual MAC, switched off.
    MakeVmac(Slot),
    /// Delete the device of a virtual MAC.
    RemoveVmac(IfIndex),
    /// No virtual MAC will be on the virtual router's device any more, which may speak ARP as it did before.
    LoosenArp(Slot),
    /// Send a control packet of this BFD session.
    Bfd {
        /// Which.
        session: BfdId,
        /// With the final bit.
        is_final: bool,
    },
    /// Tell hosts of their router: an index into [`Config::router_adverts`].
    RouterAdvert {
        /// Which.
        position: u8,
        /// There is none any more.
        is_last: bool,
    },
    /// Run the hook script with what [`Router::hook`] says, and report its end under the ticket.
    Notify(HookOwner, Ticket),
    /// Run the script of this instance that is to end before its addresses are claimed, with what
    /// [`Router::claim_hook`] says, and report its end under the ticket.
    Prepare(u16, Ticket),
    /// Try the probe, end the try after its timeout, and report its end under the ticket.
    Try(ProbeId, TryTicket),
    /// Ask something of the kernel's IPVS.
    Ipvs(IpvsRequest),
    /// Ask the kernel for all links, with this sequence number.
    DumpLinks(u32),
    /// Ask the kernel for all addresses, with this sequence number.
    DumpAddresses(u32),
    /// Ask the kernel for all routes, with this sequence number.
    DumpRoutes(u32),
}

/// The effects of one event.
pub type Effects = Vec<Effect, { limits::EFFECTS_MAX }>;

/// How late an advertisement is if we were not running.
const LATE: Span = Span::from_millis(10);

/// A virtual router and what the router as a whole knows about it.
#[derive(Debug, Clone, Copy)]
struct Member {
    virtual_router: VirtualRouter,
    /// Index into [`Config::instances`].
    instance: u16,
    family: Family,
    /// The first member of those that move together: the same instance, or the same sync group.
    bundle: Slot,
    /// The next of those, in the order of slots; the last one is its own.
    companion: Slot,
    /// The next member with the same VRID; the last one is its own.
    next: Slot,
    /// Where adverts come from.
    source: Option<IpAddr>,
    sighting: Sighting,
    /// Entered by a reload, and not looked at yet.
    fresh: bool,
    /// Keeps away by hand, over reloads.
    released: bool,
    /// It has changed its state in this event, and its owners may have something to tell.
    moved: bool,
}

impl Member {
    #[inline(never)]
    fn instance_in<'a>(&self, config: &'a Config) -> Option<&'a Instance> {
        config.instances.get(usize::from(self.instance))
    }

    fn has_source(&self, address: &IpAddr) -> bool {
        self.source.as_ref().is_some_and(|source| ip::same(source, address))
    }
}

/// Everything that vipd knows, and what it makes of what happens.
#[derive(Debug, Clone)]
#[repr(C)] // What is always in use lies together, before the tables of which most may be empty: few pages of memory.
pub struct Router {
    /// `None` before [`Event::Start`].
    started_at: Option<Instant>,
    /// The kernel forgets [`rtnl::ADDRESS_MARK`].
    loses_marks: bool,
    stopping: bool,
    /// Some virtual router has changed its state in this event, or something that is tracked may have.
    moved: bool,
    /// Some virtual router is backup.
    watches: bool,
    /// Some virtual router takes part when the startup delay ends.
    waits_for_startup: bool,
    sync: Sync,
    /// Packets that no virtual router would count.
    stray: Counters,
    strangers: Strangers,
    muted: Muted,
    /// The first member of each VRID: a packet finds its virtual router without a search.
    by_vrid: [Option<SlotAndOne>; 256],
    /// What [`VirtualRouter::poll_at`] says of each member.
    deadlines: Deadlines,
    links: Links,
    probes: Probes,
    bfd: bfd::BfdSessions,
    ipvs: Ipvs,
    router_adverts: RouterAdverts,
    default_routes: DefaultRoutes,
    /// The number in each of [`Config::files`].
    files: [i32; limits::FILES_MAX],
    reports: Reports,
    preparations: Preparations,
    routes: Routes,
    presence: [Presence; limits::ADDRESSES_MAX],
    members: Vec<Member, { limits::VIRTUAL_ROUTERS_MAX }>,
    config: Config,
}

impl Router {
    /// A router with nothing configured. All its bits are zero, so in a static it costs no byte of the program's
    /// file.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            started_at: None,
            loses_marks: false,
            stopping: false,
            moved: false,
            watches: false,
            waits_for_startup: false,
            sync: Sync::new(),
            stray: Counters::new(),
            strangers: Strangers::new(),
            muted: Muted::new(),
            by_vrid: [None; 256],
            deadlines: Deadlines::new(),
            links: Links::new(),
            probes: Probes::new(),
            bfd: bfd::BfdSessions::new(),
            ipvs: Ipvs::new(),
            router_adverts: RouterAdverts::new(),
            default_routes: DefaultRoutes::new(),
            files: [0; limits::FILES_MAX],
            reports: Reports::new(),
            preparations: Preparations::new(),
            routes: Routes::new(),
            presence: [Presence::Absent; limits::ADDRESSES_MAX],
            members: Vec::new(),
            config: Config::new(),
        }
    }

    /// Something has happened; `effects` is empty on entry and performed, in order, before the next call.
    pub fn handle(&mut self, now: Instant, event: Event<'_>, effects: &mut Effects) {
        let turn = &mut Turn { now, effects };
        match event {
            Event::Start { keeps_marks, seed } => {
                self.seed_bfd(seed);
                self.started_at = Some(now);
                self.loses_marks = !keeps_marks;
                self.begin_probes(turn);
                self.forget_routes(turn);
                self.synchronise(turn);
                self.begin_ipvs(turn);
            }
            Event::Stop => {
                self.stopping = true;
                self.settle(turn);
                self.remove_vmacs(turn);
                self.end_bfd(turn, None);
                self.end_ipvs(turn, None);
            }
            Event::Timer => self.timer(turn),
            Event::Packet(packet) => self.packet(turn, packet),
            Event::Solicitation(packet) => self.solicited(now, packet),
            Event::Bfd(datagram) => self.bfd_datagram(turn, &datagram),
            Event::Kernel(message) => self.kernel(turn, message),
            Event::Overrun => {
                warn!("kernel messages were lost; asking for all links and addresses again");
                self.sync.give_up_routes();
                // Whether something was refused is among what is lost.
                self.sync.is_refused |= self.has_vmacs();
                self.synchronise(turn);
            }
            Event::Ipvs(message) => self.ipvs_message(turn, &message),
            Event::IpvsOverrun => self.ipvs_overrun(turn),
            Event::RouteGone => self.settle_routes_soon(now),
            Event::Failed(failure) => self.failed(turn, failure),
            Event::HookEnded(ticket) => {
                self.prepared(turn, ticket);
                self.hook_ended(turn, ticket);
            }
            Event::Tried(ticket, is_success) => self.tried(turn, ticket, Some(is_success)),
            Event::Exited(ticket, code) => self.exited(turn, ticket, code),
            Event::Untried(ticket) => self.tried(turn, ticket, None),
            Event::File(file, number) => self.file(turn, file, number),
            Event::Release(instance) => self.set_released(turn, instance, true),
            Event::Reclaim(instance) => self.set_released(turn, instance, false),
            Event::Prepare(new) => self.prepare(turn, new),
            Event::Adopt(new) => self.adopt(turn, new),
        }
        if cfg!(feature = "ipvs") && self.has_ipvs() && (self.moved || self.ipvs.is_dirty()) {
            self.settle_ipvs(turn);
        }
        if self.moved {
            self.watches = self.members.iter().any(|member| member.virtual_router.phase() == Phase::Backup);
        }
        self.report(turn);
        debug_assert!(self.knows_its_deadlines(), "a deadline has changed and is not kept in order");
    }

    /// Whether some virtual router is backup: then it counts when exactly packets came.
    #[must_use]
    pub const fn is_watching(&self) -> bool {
        self.watches
    }

    /// When to call `handle(now, Event::Timer)` at the latest.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        let mut first = earlier(self.sync.retry_at(), self.startup_ends_at());
        first = earlier(first, self.probes_poll_at());
        first = earlier(first, self.bfd_poll_at());
        first = earlier(first, self.ipvs_poll_at());
        first = earlier(first, self.links.poll_at());
        first = earlier(first, self.router_adverts.poll_at(self.config.router_adverts.len()));
        first = earlier(first, self.default_routes_poll_at());
        first = earlier(first, self.instance_routes_poll_at());
        earlier(first, self.deadlines.first())
    }

    /// Whether a timer at this moment could make a backup master, or let a master that was not running go on as if
    /// nobody else had taken over, or end a BFD session whose packets are waiting: then every packet that is waiting must have been handed in before (law 6).
    #[must_use]
    pub fn may_take_over(&self, now: Instant) -> bool {
        if self.may_lose_session(now) {
            return true;
        }
        let mut from = Slot(0);
        while let Some(slot) = self.deadlines.due(from, now) {
            match self.virtual_router(slot).map(VirtualRouter::state) {
                Some(State::Backup { .. }) => return true,
                Some(State::Master { advert_at, .. }) if *advert_at + LATE <= now => return true,
                Some(State::Master { .. } | State::Initialize { .. }) | None => {}
            }
            from = slot.next();
        }
        false
    }

    /// Whether what is kept about all virtual routers is what a look at each one says.
    fn knows_its_deadlines(&self) -> bool {
        let all = self.members.iter().map(|member| member.virtual_router.poll_at());
        self.slots().zip(all.clone()).all(|(slot, at)| self.deadlines.of(slot) == at)
            && self.deadlines.first() == all.fold(None, earlier)
            && (self.waits_for_startup || !self.has_to_wait_for_startup())
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Packets that belong to no virtual router of ours, by reason.
    #[must_use]
    pub const fn stray(&self) -> &Counters {
        &self.stray
    }

    /// The virtual routers.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + Clone + use<> {
        // At most 1024 (`limits`), so 16 bits hold them.
        (0..self.members.len() as u16).map(Slot)
    }

    /// What a slot stands for.
    #[must_use]
    pub fn view(&self, slot: Slot) -> Option<View<'_>> {
        let member = self.member(slot)?;
        let instance = self.instance_of(member)?;
        Some(View {
            config: &self.config,
            instance,
            member,
            rules: self.rules(slot)?,
            link: self.links.index(instance.interface),
        })
    }

    /// The device that a virtual address is installed on, if it is there, and its Ethernet address, if it has one.
    #[must_use]
    pub fn interface(&self, interface: InterfaceId) -> Option<(IfIndex, Option<Mac>)> {
        self.links.index(interface).map(|index| (index, self.links.mac(interface)))
    }

    /// Whether we may install and remove this virtual address (an index into [`Config::addresses`]): not if it
    /// stands there by somebody else's hand.
    #[must_use]
    pub fn owns_address(&self, address: usize) -> bool {
        match self.presence.get(address) {
            Some(Presence::Absent | Presence::Ours { .. }) => true,
            Some(Presence::Foreign { .. }) | None => false,
        }
    }

    /// Whether this virtual address (an index into [`Config::addresses`]) stands there by our hand, as far as the
    /// kernel has said.
    #[must_use]
    pub fn has_address(&self, address: usize) -> bool {
        matches!(self.presence.get(address), Some(Presence::Ours { .. }))
    }

    /// Every virtual router has stopped and every hook has run: the daemon may end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stopping && self.reports.are_delivered() && !self.router_adverts.are_waiting()
    }

    /// The rules of the virtual router in `slot` at this moment.
    fn rules(&self, slot: Slot) -> Option<Rules<'_>> {
        let member = self.member(slot)?;
        let instance = self.instance_of(member)?;
        let (family, source) = (member.family, member.source.as_ref());
        Some(rules_of(&self.config, instance, self.priority(instance), family, source, member.bundle == slot))
    }

    /// The configured priority with the weights of what is tracked (keepalived: within 1..=254, the owner's
    /// never changes).
    fn priority(&self, instance: &Instance) -> u8 {
        if instance.priority == PRIORITY_OWNER {
            return PRIORITY_OWNER;
        }
        let mut priority = i32::from(instance.priority);
        for track in self.tracks_of(instance) {
            priority += self.weigh(track).unwrap_or(0);
        }
        priority.clamp(1, 254) as u8
    }

    /// Lets one virtual router do something by its rules, and takes up the actions. `false`: it would not.
    fn with(&mut self, turn: &mut Turn<'_>, slot: Slot, verb: Verb<'_>) -> bool {
        let Some(instance) = self.member(slot).and_then(|member| self.instance_of(member)) else {
            return false;
        };
        let priority = self.priority(instance);
        let Self { config, members, deadlines, .. } = self;
        let Some(member) = members.get_mut(usize::from(slot.0)) else { return false };
        let Some(instance) = member.instance_in(config) else { return false };
        let Member { virtual_router, family, source, bundle, .. } = member;
        let rules = rules_of(config, instance, priority, *family, source.as_ref(), *bundle == slot);
        let mut its = vrrp::Turn::new(turn.now, rules);
        let done = verb.perform(virtual_router, &mut its);
        let vrrp::Turn { actions, moved, .. } = its;
        deadlines.set(slot, virtual_router.poll_at());
        member.moved |= moved;
        self.moved |= moved;
        for action in &actions {
            turn.push(match *action {
                Action::Advertise(priority) => Effect::Advertise { slot, priority },
                Action::Prepare => match self.prepare_claim(slot) {
                    Some(effect) => effect,
                    None => continue,
                },
                Action::Claim => Effect::Claim(slot),
                Action::Renew => Effect::Renew(slot),
                Action::Release => {
                    self.expect_late_echoes(slot);
                    Effect::Release(slot)
                }
                Action::Announce(repeat) => Effect::Announce { slot, repeat },
            });
        }
        if moved {
            self.fall_in(turn.now, slot);
        }
        if cfg!(feature = "ra") && (moved || !actions.is_empty()) {
            self.follow_with_router_advert(turn, slot);
        }
        done
    }

    fn timer(&mut self, turn: &mut Turn<'_>) {
        if self.sync.retry_at().is_some_and(|at| at <= turn.now) {
            self.synchronise_again(turn);
        }
        self.settle_routes(turn);
        self.look_at_routes(turn);
        let mut turned = self.links.settle(turn.now);
        turned |= self.run_probes(turn);
        turned |= self.run_bfd(turn);
        self.run_ipvs(turn);
        if turned || self.waits_for_startup {
            self.settle(turn);
        }
        let mut from = Slot(0);
        let mut first_silent = None;
        while let Some(slot) = self.deadlines.due(from, turn.now) {
            self.with(turn, slot, Verb::Timer);
            from = slot.next();
            if self.virtual_router(slot).is_some_and(VirtualRouter::is_silent) {
                first_silent.get_or_insert(slot);
            }
        }
        if let Some(first) = first_silent {
            self.promote_silent_bundles(turn, first.0..from.0);
        }
        if cfg!(feature = "ra") {
            self.run_router_adverts(turn);
        }
    }

    /// Something could not be sent. Adverts and announcements are repeated by their own timers; for the rest,
    /// look again in a second what is there and what is not.
    fn failed(&mut self, turn: &Turn<'_>, failure: Failure) {
        match failure.what {
            // Which advert it was is not known any more; whoever speaks there is concerned.
            Parcel::Message(family) => {
                let Self { config, links, members, .. } = self;
                for member in members {
                    let instance = member.instance_in(config);
                    let speaks = instance.is_some_and(|its| links.is(its.interface, failure.interface));
                    if speaks && member.family == family {
                        count(&mut member.virtual_router.counters.failed);
                    }
                }
            }
            // A cut link refuses them ten times a second and more, and the session says so itself.
            Parcel::Bfd => return,
            Parcel::Frame => {}
            Parcel::Ipvs => return self.ipvs_failed(turn, failure.errno),
            Parcel::Netfilter => return self.filter_refused(turn, failure.errno),
            Parcel::Netlink => {
                self.sync.is_refused |= self.has_vmacs();
                self.sync.retry_after(turn.now);
            }
            Parcel::Join => self.sync.retry_after(turn.now),
        }
        count(&mut self.stray.failed);
        if self.stray.failed.is_power_of_two() {
            warn!("sending failed with errno {} ({} times so far)", failure.errno, self.stray.failed);
        }
    }

    #[inline(never)]
    fn member(&self, slot: Slot) -> Option<&Member> {
        self.members.get(usize::from(slot.0))
    }

    #[inline(never)]
    fn member_mut(&mut self, slot: Slot) -> Option<&mut Member> {
        self.members.get_mut(usize::from(slot.0))
    }

    fn instance_of(&self, member: &Member) -> Option<&Instance> {
        member.instance_in(&self.config)
    }

    pub(crate) fn virtual_router(&self, slot: Slot) -> Option<&VirtualRouter> {
        self.member(slot).map(|member| &member.virtual_router)
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

/// The rules of a virtual router of this priority; of those that move together, the first decides ties.
fn rules_of<'a>(
    config: &'a Config,
    instance: &'a Instance,
    priority: u8,
    family: Family,
    source: Option<&'a IpAddr>,
    decides_ties: bool,
) -> Rules<'a> {
    let (version, password) = match family {
        Family::V4 => (instance.version, Password::new(config.bytes(instance.password))),
        Family::V6 => (Version::V3, None),
    };
    Rules {
        name: config.name(instance.name),
        vrid: instance.vrid,
        family,
        version,
        priority,
        interval: instance.interval,
        preempt: instance.preempt || instance.priority == PRIORITY_OWNER,
        preempt_delay: instance.preempt_delay,
        claim_wait: Span::from_secs(instance.claim_wait_secs.into()),
        password,
        announcements: instance.announcements,
        lifetime_secs: instance.lifetime_secs,
        source,
        decides_ties,
    }
}

/// A virtual router as others may look at it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    config: &'a Config,
    /// The section that it comes from.
    pub instance: &'a Instance,
    member: &'a Member,
    /// The rules in force.
    pub rules: Rules<'a>,
    /// Its device's number, if the device is there.
    pub link: Option<IfIndex>,
}

impl<'a> View<'a> {
    /// The machine.
    #[must_use]
    pub const fn virtual_router(&self) -> &'a VirtualRouter {
        &self.member.virtual_router
    }

    /// Whether it keeps away by hand, or will when its successor is there.
    #[must_use]
    pub const fn is_released(&self) -> bool {
        self.member.released
    }

    /// Its virtual addresses, also those that it does not advertise, each with its index in [`Config::addresses`].
    pub fn addresses(&self) -> impl Iterator<Item = (usize, &'a VirtualAddress)> + Clone + use<'a> {
        self.positions().zip(self.family().addresses.of(&self.config.addresses))
    }

    /// The virtual addresses that its advertisements list: of its own family, and at least one.
    pub fn advertised(&self) -> impl Iterator<Item = &'a VirtualAddress> + Clone + use<'a> {
        let all = self.family().addresses.of(&self.config.addresses);
        all.iter().filter(|address| !address.is_excluded)
    }

    /// The indices of its virtual addresses in [`Config::addresses`].
    #[must_use]
    pub fn positions(&self) -> Range<usize> {
        self.family().addresses.range()
    }

    /// The unicast peers that it speaks to and listens to; with none, it has a [`View::group`].
    #[must_use]
    pub fn peers(&self) -> &'a [Peer] {
        self.family().peers.of(&self.config.peers)
    }

    /// The multicast group that it speaks to and listens to; `None` with unicast peers.
    #[must_use]
    pub fn group(&self) -> Option<IpAddr> {
        if !self.family().peers.is_empty() {
            return None;
        }
        Some(match self.member.family {
            Family::V4 => IpAddr::V4(self.config.globals.multicast_v4),
            Family::V6 => IpAddr::V6(self.config.globals.multicast_v6),
        })
    }

    const fn family(&self) -> &'a FamilyConfig {
        self.instance.family(self.member.family)
    }
}

/// The event that is being handled: when, and what is to be done.
struct Turn<'a> {
    now: Instant,
    effects: &'a mut Effects,
}

impl Turn<'_> {
    /// The bound on effects is proved by `law_05`; there is always room.
    #[inline(never)]
    fn push(&mut self, effect: Effect) {
        let pushed = self.effects.push(effect);
        debug_assert!(pushed.is_ok(), "an event has more effects than EFFECTS_MAX");
    }
}

/// What may happen to one virtual router. A closure at each place would be another copy of [`Router::with`].
#[derive(Clone, Copy)]
enum Verb<'a> {
    Begin { as_owner: bool },
    Halt(Fault),
    Promote,
    Demote,
    Doubt,
    Lose { neighbor: &'a IpAddr, is_alone: bool },
    Receive(&'a Advert<'a>, &'a IpAddr),
    Timer,
    Prepared,
    PutBack,
    SettleLifetime,
    AnnounceAgain,
    Adopt,
}

impl Verb<'_> {
    /// `false`: not now.
    fn perform(self, virtual_router: &mut VirtualRouter, turn: &mut vrrp::Turn<'_>) -> bool {
        match self {
            Self::Begin { as_owner } => virtual_router.begin(turn, as_owner),
            Self::Halt(fault) => virtual_router.halt(turn, fault),
            Self::Promote => virtual_router.promote(turn),
            Self::Demote => virtual_router.demote(turn),
            Self::Doubt => virtual_router.doubt(turn),
            Self::Lose { neighbor, is_alone } => return virtual_router.lose(turn, neighbor, is_alone),
            Self::Receive(advert, from) => virtual_router.receive(turn, advert, from),
            Self::Timer => virtual_router.timer(turn),
            Self::Prepared => virtual_router.prepared(turn),
            Self::PutBack => return virtual_router.put_back(turn),
            Self::SettleLifetime => virtual_router.settle_lifetime(turn),
            Self::AnnounceAgain => virtual_router.announce_again(turn),
            Self::Adopt => virtual_router.adopt(turn),
        }
        true
    }
}
