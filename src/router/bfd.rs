//! The BFD sessions: when they speak, how they stand, and what that means for who is master.
//!
//! A session is tracked as anything else is: one that is not up is down, as with keepalived. And where it leads to a
//! unicast peer of an instance with `option bfd`, its silence is that peer's silence: a backup whose master it was need
//! not wait for three advertisements that will not come (draft-ietf-rtgwg-vrrp-bfd-p2p). Only silence counts. A peer
//! that says itself that the session is down, or held down by hand, is alive.

use core::net::IpAddr;

use super::{Datagram, Effect, Router, Slot, Turn, Verb};
use crate::bfd::{Outcome, Random, Session};
use crate::config::{Bfd, BfdId, Config, Peer};
use crate::limits::BFD_SESSIONS_MAX;
use crate::probe::Standing;
use crate::say::info;
use crate::time::{Instant, earlier};
use crate::vrrp::counters::count;
use crate::wire::bfd::{
    Control, DETECTION_TIME_EXPIRED, Discard, NEIGHBOR_SIGNALED_DOWN, SOURCE_PORT_FIRST, SOURCE_PORTS, State,
};
use crate::wire::{IfIndex, ip};

/// One entry for each of [`Config::bfd`].
#[derive(Debug, Clone)]
pub(super) struct BfdSessions {
    all: [Entry; BFD_SESSIONS_MAX],
    random: Random,
    /// Packets that were discarded.
    discarded: u32,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    session: Session,
    /// When it entered its state; `None`: it has not begun. A moment is never all zeros, and this table is to be.
    since: Option<Instant>,
    /// How often it was up and is not any more.
    losses: u32,
}

impl Entry {
    const NEW: Self = Self { session: Session::NEW, since: None, losses: 0 };
}

impl BfdSessions {
    pub(super) const fn new() -> Self {
        Self { all: [Entry::NEW; BFD_SESSIONS_MAX], random: Random::NEW, discarded: 0 }
    }

    /// A discriminator that no other session has; nor has one its source port.
    fn discriminator(&mut self) -> u32 {
        let mut chosen = self.random.next();
        // There are fewer sessions than ports.
        while self.all.iter().any(|entry| {
            let other = entry.session.discriminator();
            other != 0 && source_port(other) == source_port(chosen)
        }) {
            chosen = self.random.next();
        }
        chosen
    }

    /// Puts the table into the order of another configuration.
    #[inline(never)] // A copy of the table lies in the stack.
    pub(super) fn rename(&mut self, old: &Config, new: &Config) {
        let before = self.all;
        self.all = [Entry::NEW; BFD_SESSIONS_MAX];
        for (entry, bfd) in self.all.iter_mut().zip(&new.bfd) {
            let known = old.bfd.iter().position(|other| is_same((old, other), (new, bfd)));
            *entry = known.and_then(|position| before.get(position)).copied().unwrap_or(Entry::NEW);
        }
    }
}

/// The same for as long as the session lasts (RFC 5881 §4; BF09).
const fn source_port(discriminator: u32) -> u16 {
    SOURCE_PORT_FIRST + (discriminator % SOURCE_PORTS as u32) as u16
}

/// What makes a session the same one in two configurations: its ends, and the device between them.
fn is_same((config, bfd): (&Config, &Bfd), (other_config, other): (&Config, &Bfd)) -> bool {
    ip::same(&bfd.neighbor, &other.neighbor)
        && bfd.source == other.source
        && device(config, bfd) == device(other_config, other)
}

/// The name of the device that a session goes through; empty: as the routes say.
fn device<'a>(config: &'a Config, bfd: &Bfd) -> &'a str {
    bfd.interface.map_or("", |interface| config.interface_name(interface))
}

/// Everything that a control packet needs to leave.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// The device; 0: as the routes say.
    pub interface: IfIndex,
    /// Where it comes from; unspecified: as the routes say.
    pub source: IpAddr,
    /// The neighbour.
    pub destination: IpAddr,
    /// The source port.
    pub port: u16,
    /// TTL or hop limit.
    pub hop_limit: u8,
    /// What it says.
    pub control: Control,
}

impl Router {
    /// A control packet of a session, as it stands; `None`: there is nothing to say, or no way.
    #[must_use]
    pub fn bfd_control(&self, id: BfdId, is_final: bool) -> Option<Outgoing> {
        let bfd = self.config.bfd.get(usize::from(id.0))?;
        let session = &self.bfd.all.get(usize::from(id.0))?.session;
        let interface = match bfd.interface {
            Some(interface) => self.links.index(interface)?,
            None => IfIndex(0),
        };
        let source = bfd.source.or_else(|| ip::copied(self.source_towards(id)));
        Some(Outgoing {
            interface,
            source: source.unwrap_or_else(|| ip::unspecified(&bfd.neighbor)),
            destination: bfd.neighbor,
            port: source_port(session.discriminator()),
            hop_limit: bfd.hop_limit,
            control: session.control(&bfd.rules, is_final)?,
        })
    }

    /// A session, since when it is in its state, and how often it went down.
    pub(crate) fn bfd_session(&self, id: BfdId) -> Option<(&Session, Option<Instant>, u32)> {
        let Entry { session, since, losses } = self.bfd.all.get(usize::from(id.0))?;
        Some((session, *since, *losses))
    }

    /// How a session stands, for who tracks it: down until it is up (as with keepalived).
    #[must_use]
    pub fn bfd_standing(&self, id: BfdId) -> Standing {
        match self.bfd.all.get(usize::from(id.0)).map(|entry| entry.session.state()) {
            Some(State::Up) => Standing::Up,
            Some(State::AdminDown | State::Down | State::Init) | None => Standing::Down,
        }
    }

    /// Where the virtual router speaks from whose peer is at the other end.
    fn source_towards(&self, id: BfdId) -> Option<&IpAddr> {
        self.slots().find_map(|slot| {
            let member = self.member(slot)?;
            self.peer_of(slot, id).and(member.source.as_ref())
        })
    }

    /// The peer of a virtual router that a session leads to.
    fn peer_of(&self, slot: Slot, id: BfdId) -> Option<&Peer> {
        self.view(slot)?.peers().iter().find(|peer| peer.bfd.session() == Some(id))
    }

    pub(super) fn seed_bfd(&mut self, seed: u32) {
        self.bfd.random = Random::from_seed(seed);
    }

    /// The configuration is another one: tells the sessions that go on of their rules.
    pub(super) fn adopt_bfd(&mut self, turn: &Turn<'_>) {
        if !cfg!(feature = "bfd") {
            return;
        }
        let Self { config, bfd: BfdSessions { all, random, .. }, .. } = self;
        for (its, Entry { session, .. }) in config.bfd.iter().zip(all) {
            session.adopt(turn.now, &its.rules, random);
        }
    }

    /// Lets sessions begin that have not, as soon as it is known what devices there are: a first packet that cannot leave
    /// is missed for a second, and whoever was started again would not be told from one that is gone.
    pub(super) fn begin_bfd(&mut self, turn: &Turn<'_>) {
        if !cfg!(feature = "bfd") || self.stopping {
            return;
        }
        let Self { config, bfd, .. } = self;
        for (position, its) in config.bfd.iter().enumerate() {
            if bfd.all.get(position).is_none_or(|entry| entry.session.discriminator() != 0) {
                continue;
            }
            let discriminator = bfd.discriminator();
            let BfdSessions { all, random, .. } = bfd;
            if let Some(Entry { session, since, .. }) = all.get_mut(position) {
                *since = Some(turn.now);
                session.begin(turn.now, discriminator, &its.rules, random);
            }
        }
    }

    /// Ends sessions that the new configuration does not have, in the old one's words; all of them without a new one.
    pub(super) fn end_bfd(&mut self, turn: &mut Turn<'_>, new: Option<&Config>) {
        if !cfg!(feature = "bfd") {
            return;
        }
        for id in self.bfd_ids() {
            let place = usize::from(id.0);
            let Some(ours) = self.config.bfd.get(place) else { continue };
            let stays =
                |new: &Config| new.bfd.iter().any(|other| is_same((&self.config, ours), (new, other)));
            if new.is_some_and(stays) {
                continue;
            }
            if let Some(entry) = self.bfd.all.get_mut(place) {
                let outcome = entry.session.end();
                // Twice, as a resignation goes: one that is lost would make a failure of it.
                speak(turn, id, outcome);
                speak(turn, id, outcome);
            }
        }
    }

    /// When [`Router::run_bfd`] has something to do.
    pub(super) fn bfd_poll_at(&self) -> Option<Instant> {
        let sessions = self.sessions();
        sessions.fold(None, |first, session| earlier(first, session.poll_at()))
    }

    /// Those that are configured: most tables are empty, and each turn asks.
    fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.bfd.all.iter().take(self.config.bfd.len()).map(|entry| &entry.session)
    }

    /// Whether a timer at this moment would end a session, for want of a packet that may be waiting.
    #[must_use]
    pub fn may_lose_session(&self, now: Instant) -> bool {
        self.sessions().any(|session| session.is_overdue(now))
    }

    /// Lets those speak whose time it is, and notes those that nobody answers. `true`: one of them stands otherwise.
    pub(super) fn run_bfd(&mut self, turn: &mut Turn<'_>) -> bool {
        let mut turned = false;
        if !cfg!(feature = "bfd") {
            return false;
        }
        for id in self.bfd_ids() {
            turned |= self.with_session(turn, id, None);
        }
        turned
    }

    /// A datagram has come to BFD's port.
    pub(super) fn bfd_datagram(&mut self, turn: &mut Turn<'_>, datagram: &Datagram<'_>) {
        if !cfg!(feature = "bfd") {
            return;
        }
        match self.admit(datagram) {
            Ok((id, control)) => {
                if self.with_session(turn, id, Some(&control)) {
                    self.settle(turn);
                }
            }
            Err(reason) => {
                count(&mut self.bfd.discarded);
                let total = self.bfd.discarded;
                if total.is_power_of_two() {
                    let from = ip::text(datagram.source);
                    info!("BFD packet from {from} discarded: {} ({total} so far)", reason.name());
                }
            }
        }
    }

    /// Whose packet it is. It is validated whole before anything is touched (law 10; RFC 5880 §6.8.6, BF02).
    fn admit(&self, datagram: &Datagram<'_>) -> Result<(BfdId, Control), Discard> {
        let from_neighbor = |bfd: &&Bfd| {
            ip::same(&bfd.neighbor, &datagram.source)
                && bfd.interface.is_none_or(|id| self.links.is(id, datagram.interface))
        };
        // Nobody's packet is not worth a look.
        let mut its = self.config.bfd.iter().filter(from_neighbor);
        let Some(bfd) = its.next() else { return Err(Discard::Stranger) };
        if datagram.hop_limit < bfd.least_hop_limit {
            return Err(Discard::HopLimit); // RFC 5881 §5
        }
        let control = Control::parse(datagram.payload)?;
        for id in self.bfd_ids() {
            let place = usize::from(id.0);
            let (Some(bfd), Some(entry)) = (self.config.bfd.get(place), self.bfd.all.get(place)) else {
                continue;
            };
            let ours = entry.session.discriminator();
            if ours != 0 && (control.yours == ours || control.yours == 0) && from_neighbor(&bfd) {
                return Ok((id, control));
            }
        }
        Err(Discard::Yours)
    }

    /// Hands a session its packet, or else the time, and takes up what comes of it. `true`: it stands otherwise for who
    /// tracks it.
    #[inline(never)]
    fn with_session(&mut self, turn: &mut Turn<'_>, id: BfdId, packet: Option<&Control>) -> bool {
        let place = usize::from(id.0);
        let Self { config, bfd: BfdSessions { all, random, .. }, .. } = self;
        let (Some(bfd), Some(entry)) = (config.bfd.get(place), all.get_mut(place)) else { return false };
        let was_up = entry.session.state() == State::Up;
        let outcome = match packet {
            Some(control) => entry.session.receive(turn.now, control, &bfd.rules, random),
            None => entry.session.timer(turn.now, &bfd.rules, random),
        };
        speak(turn, id, outcome);
        if !outcome.moved {
            return false;
        }
        let (state, diagnostic) = (entry.session.state(), entry.session.diagnostic());
        let is_up = state == State::Up;
        entry.since = Some(turn.now);
        if was_up && !is_up {
            count(&mut entry.losses);
        }
        if was_up != is_up {
            let (name, why) = (config.text(bfd.name), reason(diagnostic));
            info!("BFD session {name} is {}{why}", state.name());
        }
        if was_up && diagnostic == DETECTION_TIME_EXPIRED {
            let neighbor = bfd.neighbor;
            self.lose_peer(turn, id, &neighbor);
        }
        was_up != is_up
    }

    /// Nothing is heard of a neighbour any more: it is no master any more. Where it is the only peer, nobody else wants to
    /// follow it, and there is nothing to be gained by waiting.
    fn lose_peer(&mut self, turn: &mut Turn<'_>, id: BfdId, neighbor: &IpAddr) {
        for slot in self.slots() {
            if self.peer_of(slot, id).is_none() {
                continue;
            }
            let is_alone = self.view(slot).is_some_and(|view| view.peers().len() == 1);
            if self.with(turn, slot, Verb::Lose { neighbor, is_alone }) {
                self.with_companions(turn, slot, Verb::Doubt);
            }
        }
    }

    /// The cast loses nothing: `limits` bounds the count.
    fn bfd_ids(&self) -> impl Iterator<Item = BfdId> + use<> {
        (0..self.config.bfd.len() as u8).map(BfdId)
    }
}

/// Why a session is down, as the end of a sentence that says so.
const fn reason(diagnostic: u8) -> &'static str {
    match diagnostic {
        DETECTION_TIME_EXPIRED => ": nothing is heard any more",
        NEIGHBOR_SIGNALED_DOWN => ": the other end says so",
        _ => "",
    }
}

/// Hands on what a session wants to say.
fn speak(turn: &mut Turn<'_>, session: BfdId, outcome: Outcome) {
    for (wants, is_final) in [(outcome.answers, true), (outcome.sends, false)] {
        if wants {
            turn.push(Effect::Bfd { session, is_final });
        }
    }
}
