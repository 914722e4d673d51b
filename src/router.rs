//! All virtual routers together: the one place where siblings meet.
//!
//! The contract, in order:
//!
//! 1. Hand in [`Event::Adopt`] with the first configuration, then [`Event::Start`].
//! 2. When something happens, call [`Router::handle`] with the time and an empty [`Effects`].
//! 3. Perform the effects in order (see [`crate::perform`]), then clear them. Only then call `handle` again.
//! 4. Call `handle(now, Event::Timer)` when [`Router::poll_at`] has come; earlier, it does nothing.
//! 5. Hand in the packets that are waiting before a timer, or a starved backup steals from a live master.
//! 6. An effect that fails comes back as an event on the next turn, never from inside an effect.
//!
//! One event has at most [`limits::EFFECTS_MAX`] effects.

use core::net::{IpAddr, Ipv6Addr};

use heapless::Vec;
use log::warn;

use crate::config::{Config, Family, Instance, InterfaceId, VirtualAddress};
use crate::limits;
use crate::time::Instant;
use crate::vrrp::{Action, Actions, Counters, Fault, Rules, State, VirtualRouter};
use crate::wire::vrrp::{PRIORITY_OWNER, Version};
use crate::wire::{IfIndex, Mac, rtnl};

mod addresses;
mod bundle;
mod hook;
mod kernel;
mod links;
mod receive;
mod reload;

use addresses::Presence;
pub use hook::Hook;
use hook::Reports;
use kernel::Sync;
use links::Links;

/// Which virtual router: an index into the router's table, valid until the next [`Event::Adopt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u16);

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

/// Something has happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// The daemon has started; nothing is known of links and addresses yet.
    Start {
        /// The kernel keeps [`rtnl::ADDRESS_MARK`] (Linux 5.18 and later). Where it does not, an address that
        /// equals a virtual one at start is taken for left behind by a crash, as keepalived does.
        keeps_marks: bool,
    },
    /// The daemon is asked to end: resign, release, and say so.
    Stop,
    /// The time of [`Router::poll_at`] has come. At any other time it is harmless.
    Timer,
    /// A VRRP packet.
    Packet(Packet<'a>),
    /// A message from rtnetlink.
    Kernel(rtnl::Message<'a>),
    /// Messages from rtnetlink were lost (ENOBUFS): ask for everything again.
    Overrun,
    /// An effect could not be performed; handled on the turn after it failed.
    Failed(Failure),
    /// The hook script that was started with this ticket has ended, or could not be started.
    HookEnded(Ticket),
    /// A new configuration will be adopted by the next event, which must be [`Event::Adopt`] with the same
    /// one: what it no longer contains is resigned and released.
    Prepare(&'a Config),
    /// Take this configuration, which is copied.
    Adopt(&'a Config),
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
    /// An advertisement.
    Message(Family),
    /// A gratuitous ARP or neighbour advertisement.
    Frame,
    /// A netlink request.
    Netlink,
    /// A multicast membership.
    Join,
}

/// Whose hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookOwner {
    /// An instance: an index into [`Config::instances`].
    Instance(u16),
    /// A sync group: an index into [`Config::groups`].
    Group(u8),
}

/// One run of a hook script. Unlike a [`HookOwner`] it stays valid over a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(pub u16);

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
    /// Add every virtual address. Those that are there stay.
    Claim(Slot),
    /// Remove every virtual address that we have added.
    Release(Slot),
    /// Remove one virtual address: an index into [`Config::addresses`], as it is installed.
    Withdraw {
        /// Which.
        address: u16,
        /// Its prefix length in the kernel: another one if the configuration has changed since a crash.
        prefix_len: u8,
    },
    /// Gratuitous ARP or unsolicited neighbour advertisement for every virtual address.
    Announce {
        /// For this virtual router.
        slot: Slot,
        /// How often, back to back.
        repeat: u8,
    },
    /// Run the hook script with what [`Router::hook`] says, and report its end under the ticket.
    Notify(HookOwner, Ticket),
    /// Ask the kernel for all links, with this sequence number.
    DumpLinks(u32),
    /// Ask the kernel for all addresses, with this sequence number.
    DumpAddresses(u32),
}

/// The effects of one event.
pub type Effects = Vec<Effect, { limits::EFFECTS_MAX }>;

/// A virtual router and what the router as a whole knows about it.
#[derive(Debug, Clone, Copy)]
struct Member {
    virtual_router: VirtualRouter,
    /// Index into [`Config::instances`].
    instance: u16,
    family: Family,
    /// The first member of those that move together: the same instance, or the same sync group.
    bundle: Slot,
    /// The next member with the same VRID.
    next: Option<Slot>,
    /// Where adverts come from.
    source: Option<IpAddr>,
    /// While addresses are being listed: the best source so far, and whether the present one was seen.
    candidate: Option<IpAddr>,
    source_seen: bool,
    /// Entered by a reload, and not looked at yet.
    fresh: bool,
}

/// Everything that vipd knows, and what it makes of what happens.
#[derive(Debug)]
pub struct Router {
    config: Config,
    members: Vec<Member, { limits::VIRTUAL_ROUTERS_MAX }>,
    /// The first member of each VRID: a packet finds its virtual router without a search.
    by_vrid: [Option<Slot>; 256],
    links: Links,
    presence: [Presence; limits::ADDRESSES_MAX],
    sync: Sync,
    reports: Reports,
    /// `None` before [`Event::Start`].
    started_at: Option<Instant>,
    /// The kernel forgets [`rtnl::ADDRESS_MARK`].
    loses_marks: bool,
    stopping: bool,
    /// Some virtual router has changed its state in this event.
    moved: bool,
    /// Packets that no virtual router would count.
    stray: Counters,
}

impl Router {
    /// A router with nothing configured. All its bits are zero, so in a static it costs no byte of the program's
    /// file.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            config: Config::new(),
            members: Vec::new(),
            by_vrid: [None; 256],
            links: Links::new(),
            presence: [Presence::Absent; limits::ADDRESSES_MAX],
            sync: Sync::new(),
            reports: Reports::new(),
            started_at: None,
            loses_marks: false,
            stopping: false,
            moved: false,
            stray: Counters::new(),
        }
    }

    /// Something has happened; `effects` is empty on entry and performed, in order, before the next call.
    pub fn handle(&mut self, now: Instant, event: Event<'_>, effects: &mut Effects) {
        match event {
            Event::Start { keeps_marks } => {
                self.started_at = Some(now);
                self.loses_marks = !keeps_marks;
                self.synchronise(now, effects);
            }
            Event::Stop => {
                self.stopping = true;
                self.settle(now, effects);
            }
            Event::Timer => self.timer(now, effects),
            Event::Packet(packet) => self.packet(now, packet, effects),
            Event::Kernel(message) => self.kernel(now, message, effects),
            Event::Overrun => {
                warn!("kernel messages were lost; asking for all links and addresses again");
                self.synchronise(now, effects);
            }
            Event::Failed(failure) => self.failed(now, failure),
            Event::HookEnded(ticket) => self.hook_ended(ticket, effects),
            Event::Prepare(new) => self.prepare(now, new, effects),
            Event::Adopt(new) => self.adopt(now, new, effects),
        }
        self.report(effects);
    }

    /// When to call `handle(now, Event::Timer)` at the latest.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        let deadlines = self.members.iter().filter_map(|member| member.virtual_router.poll_at());
        deadlines.chain(self.sync.retry_at()).chain(self.startup_ends_at()).min()
    }

    /// Whether a timer at this moment could make a backup master: then every packet that is waiting must have been
    /// handed in before (law 6).
    #[must_use]
    pub fn may_take_over(&self, now: Instant) -> bool {
        self.members.iter().any(|member| match member.virtual_router.state() {
            State::Backup { down_at, silent: false, .. } => *down_at <= now,
            State::Backup { silent: true, .. } | State::Initialize { .. } | State::Master { .. } => false,
        })
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
        let member = self.members.get(usize::from(slot.0))?;
        let instance = self.config.instances.get(usize::from(member.instance))?;
        Some(View {
            config: &self.config,
            instance,
            member,
            rules: self.rules(member, instance),
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

    /// Every virtual router has stopped and every hook has run: the daemon may end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.stopping && self.reports.are_delivered()
    }

    fn rules<'a>(&'a self, member: &Member, instance: &'a Instance) -> Rules<'a> {
        let first = self.members.get(usize::from(member.bundle.0));
        Rules {
            name: self.config.text(instance.name),
            vrid: instance.vrid,
            family: member.family,
            version: match member.family {
                Family::V4 => instance.version,
                Family::V6 => Version::V3,
            },
            priority: self.priority(instance),
            interval: instance.interval,
            preempt: instance.preempt || instance.priority == PRIORITY_OWNER,
            preempt_delay: instance.preempt_delay,
            password: match member.family {
                Family::V4 => instance.password,
                Family::V6 => None,
            },
            announcements: instance.announcements,
            source: member.source,
            decides_ties: first
                .is_some_and(|first| first.instance == member.instance && first.family == member.family),
        }
    }

    /// The configured priority with the weights of what is tracked (keepalived: within 1..=254, the owner's
    /// never changes).
    fn priority(&self, instance: &Instance) -> u8 {
        if instance.priority == PRIORITY_OWNER {
            return PRIORITY_OWNER;
        }
        let tracks = instance.tracks.of(&self.config.tracks);
        let priority = tracks.iter().fold(i32::from(instance.priority), |priority, track| {
            let counts = (track.weight > 0) == self.links.is_running(track.interface);
            priority + if counts { i32::from(track.weight) } else { 0 }
        });
        u8::try_from(priority.clamp(1, 254)).unwrap_or(1)
    }

    /// Lets one virtual router do something by its rules, and takes up the actions.
    fn with<R>(
        &mut self,
        slot: Slot,
        effects: &mut Effects,
        verb: impl FnOnce(&mut VirtualRouter, &Rules<'_>, &mut Actions) -> R,
    ) -> Option<R> {
        let member = *self.members.get(usize::from(slot.0))?;
        let instance = self.config.instances.get(usize::from(member.instance))?;
        let mut virtual_router = member.virtual_router;
        let mut actions = Actions::new();
        let result = verb(&mut virtual_router, &self.rules(&member, instance), &mut actions);
        self.moved |= member.virtual_router.phase() != virtual_router.phase()
            || member.virtual_router.cause() != virtual_router.cause();
        if let Some(member) = self.members.get_mut(usize::from(slot.0)) {
            member.virtual_router = virtual_router;
        }
        for action in actions {
            push(
                effects,
                match action {
                    Action::Advertise(priority) => Effect::Advertise { slot, priority },
                    Action::Claim => Effect::Claim(slot),
                    Action::Release => Effect::Release(slot),
                    Action::Announce(repeat) => Effect::Announce { slot, repeat },
                },
            );
        }
        Some(result)
    }

    fn timer(&mut self, now: Instant, effects: &mut Effects) {
        if self.sync.retry_at().is_some_and(|at| at <= now) {
            self.synchronise_again(now, effects);
        }
        if self.members.iter().any(|member| is_in(member, Fault::StartupDelay)) {
            self.settle(now, effects);
        }
        let mut silence = false;
        for slot in self.slots() {
            let due = self.virtual_router(slot).and_then(VirtualRouter::poll_at).is_some_and(|at| at <= now);
            if due {
                self.with(slot, effects, |vr, rules, actions| vr.timer(rules, now, actions));
                silence |= self.virtual_router(slot).is_some_and(VirtualRouter::is_silent);
            }
        }
        if silence {
            self.promote_silent_bundles(now, effects);
        }
    }

    /// Something could not be sent. Adverts and announcements are repeated by their own timers; for the rest,
    /// look again in a second what is there and what is not.
    fn failed(&mut self, now: Instant, failure: Failure) {
        match failure.what {
            // Which advert it was is not known any more; whoever speaks there is concerned.
            Parcel::Message(family) => {
                let index = Some(failure.interface);
                for slot in self.slots() {
                    let Some(view) = self.view(slot) else { continue };
                    if view.link != index || view.member.family != family {
                        continue;
                    }
                    let Some(member) = self.members.get_mut(usize::from(slot.0)) else { continue };
                    member.virtual_router.counters.failed =
                        member.virtual_router.counters.failed.wrapping_add(1);
                }
            }
            Parcel::Frame => {}
            Parcel::Netlink | Parcel::Join => self.sync.retry_after(now),
        }
        self.stray.failed = self.stray.failed.wrapping_add(1);
        if self.stray.failed.is_power_of_two() {
            warn!("sending failed with errno {} ({} times so far)", failure.errno, self.stray.failed);
        }
    }

    fn virtual_router(&self, slot: Slot) -> Option<&VirtualRouter> {
        self.members.get(usize::from(slot.0)).map(|member| &member.virtual_router)
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
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

    /// Its virtual addresses, each with its index in [`Config::addresses`].
    pub fn addresses(&self) -> impl Iterator<Item = (usize, &'a VirtualAddress)> + Clone + use<'a> {
        let span = self.instance.family(self.member.family).addresses;
        span.range().zip(span.of(&self.config.addresses))
    }

    /// Where its advertisements go: the multicast group, or every unicast peer.
    pub fn destinations(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let peers = self.instance.family(self.member.family).peers.of(&self.config.peers);
        let group = self.group().filter(|_| peers.is_empty());
        group.into_iter().chain(peers.iter().map(|peer| peer.address))
    }

    /// The multicast group that it listens to; `None` with unicast peers.
    #[must_use]
    pub fn group(&self) -> Option<IpAddr> {
        let group = match self.member.family {
            Family::V4 => IpAddr::V4(self.config.globals.multicast_v4),
            Family::V6 => IpAddr::V6(self.config.globals.multicast_v6),
        };
        self.instance.family(self.member.family).peers.is_empty().then_some(group)
    }
}

fn is_in(member: &Member, fault: Fault) -> bool {
    matches!(member.virtual_router.state(), State::Initialize { fault: current } if *current == fault)
}

/// The bound on effects is proved by `law_05`; there is always room.
fn push(effects: &mut Effects, effect: Effect) {
    let pushed = effects.push(effect);
    debug_assert!(pushed.is_ok(), "an event has more effects than EFFECTS_MAX");
}
