//! One host's kernel, as far as VRRP sees it: links and addresses, ARP and neighbour discovery, ping,
//! the raw sockets and the netlink socket of one daemon.

use core::net::IpAddr;
use std::collections::VecDeque;
use std::rc::Rc;

use fastrand::Rng;
use smoltcp::wire::NdiscNeighborFlags;
use vipd::limits;
use vipd::router;
use vipd::wire::Mac;
use vipd::wire::filter::{SAMPLE, Vrids};
use vipd::wire::vrrp::vrid_of;

use crate::clock::{MS, NEVER, Nanos, SEC};
use crate::frame::{self, BROADCAST, Content, Opened};
use crate::neighbour::{self, Reflector};
use crate::netlink::{Arp, Datagram, IFA_F_NODAD, Installed, LinkView, Request, Wish, requests};
use crate::seed::trace;
use crate::switch::{Frame, Port};

pub const EEXIST: i32 = 17;
pub const ENODEV: i32 = 19;
const ESRCH: i32 = 3;
const ENETUNREACH: i32 = 101;
pub const EADDRNOTAVAIL: i32 = 99;
pub const ENETDOWN: i32 = 100;
pub const ENOBUFS: i32 = 105;
pub const ENOMEM: i32 = 12;

/// Packets that a raw socket's buffer holds: Linux charges at least 512 bytes for each, and doubles what
/// it is asked for.
const PACKETS_WAITING_MAX: usize = 2 * limits::SOCKET_BUFFER_BYTES / 512;

/// Datagrams that the netlink socket's buffer holds before the next one is an overrun.
const DATAGRAMS_WAITING_MAX: usize = 256;

/// IP protocols.
const VRRP: u8 = 112;
const UDP: u8 = 17;

/// The number of a device that leads away from here.
const PPP: u32 = 90;

/// What was refused is asked for again within this, by the slowest clock.
const RETRY_MAX: Nanos = 1100 * MS;

/// `IFA_F_TENTATIVE`.
const IFA_F_TENTATIVE: u32 = 0x40;
/// `IFA_F_SECONDARY`.
const IFA_F_SECONDARY: u32 = 0x01;

/// A network device.
#[derive(Debug, Clone)]
pub struct Link {
    pub index: u32,
    pub name: &'static str,
    pub mac: Mac,
    /// Which segment it is plugged into, and where.
    pub segment: usize,
    pub port: Port,
    /// It exists; a deleted device is kept here so that it can be made anew.
    pub present: bool,
    pub up: bool,
    pub carrier: bool,
    pub addresses: Vec<Installed>,
    /// What the host's administrator configured on it.
    pub own: Vec<(IpAddr, u8)>,
    /// The groups that the daemon's raw sockets are members of.
    pub joined: Vec<IpAddr>,
    /// It is a macvlan on this link, and takes the same way.
    pub below: Option<usize>,
    pub arp: Arp,
    /// Gives itself no address (`addr_gen_mode`).
    pub is_silent: bool,
}

impl Link {
    pub fn running(&self) -> bool {
        self.present && self.up && self.carrier
    }

    pub fn has(&self, address: IpAddr) -> bool {
        self.present && self.addresses.iter().any(|it| it.address == address)
    }

    pub fn view(&self) -> LinkView<'_> {
        LinkView {
            macvlan_on: None,
            arp: self.arp,
            index: self.index,
            name: self.name,
            mac: self.mac,
            up: self.up,
            running: self.up && self.carrier,
        }
    }
}

/// What of the daemon's doings fails, each time with this chance in a thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Trouble {
    /// Sending a message: ENOBUFS.
    pub messages: u32,
    /// Sending a frame: ENOBUFS.
    pub frames: u32,
    /// Sending a request: ENOBUFS.
    pub requests: u32,
    /// A request is refused: ENOMEM.
    pub refusals: u32,
    /// A notification is lost, and the socket says so: ENOBUFS.
    pub overruns: u32,
}

impl Trouble {
    pub const NONE: Self = Self { messages: 0, frames: 0, requests: 0, refusals: 0, overruns: 0 };

    pub fn any(&self) -> bool {
        self.messages + self.frames + self.requests + self.refusals + self.overruns > 0
    }
}

/// An answer to a ping.
#[derive(Debug, Clone)]
pub struct EchoReply {
    pub from: IpAddr,
    pub sequence: u16,
    pub mac: Mac,
}

/// What a packet filter of the host's administrator lets nobody in by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Nothing,
    /// IP protocol 112.
    Adverts,
    /// BFD's port.
    Datagrams,
}

/// A packet in a socket's buffer.
#[derive(Debug, Clone)]
pub struct Received {
    /// The device that it arrived on, by the number that it had then.
    pub index: u32,
    pub link: usize,
    /// The whole frame around it.
    pub frame: Frame,
}

/// Frames on their way out: by which link, and what.
pub type Outbox = Vec<(usize, Frame)>;

/// A host without a process.
#[derive(Debug, Clone)]
pub struct Kernel {
    pub links: Vec<Link>,
    /// Those of the daemon: destination and length of its prefix.
    pub routes: Vec<(IpAddr, u8)>,
    /// The world's time.
    pub now: Nanos,
    trouble: Trouble,
    troubled_until: Nanos,
    /// Keeps `IFA_PROTO` (Linux 5.18 and later).
    pub keeps_marks: bool,
    /// `promote_secondaries`: an IPv4 primary that is removed leaves its place to a secondary. Where it does not,
    /// releasing a virtual address can take the administrator's own with it.
    pub promotes_secondaries: bool,
    /// There is a default route, over a device that nothing else is about.
    pub has_default_route: bool,
    /// The daemon has asked for news of routes.
    pub hears_of_routes: bool,
    /// Grows with whatever it has to tell.
    pub epoch: u64,
    /// Answers to this host's pings.
    pub replies: Vec<EchoReply>,
    /// What the daemon has not read yet.
    pub datagrams: VecDeque<Vec<u8>>,
    pub packets: VecDeque<Received>,
    /// And on BFD's port.
    pub sessions: VecDeque<Received>,
    /// The daemon has bound BFD's port.
    pub hears_sessions: bool,
    /// What does not come in.
    pub refused: Refused,
    /// Of these VRIDs, only a sample comes in.
    pub muted: Vrids,
    /// Draws it.
    dice: Rng,
    /// Somebody else has bound it.
    pub reflector: Option<Reflector>,
    overrun: bool,
    listening: bool,
    neighbours: Vec<(usize, IpAddr, Mac)>,
    /// The last frame of each protocol for each address that nobody is known to have yet.
    unresolved: Vec<(usize, IpAddr, u8, Vec<u8>)>,
    /// What it knows of its neighbours never changes.
    pub is_frozen: bool,
    next_index: u32,
}

impl Kernel {
    pub fn new(keeps_marks: bool) -> Self {
        Self {
            links: Vec::new(),
            routes: Vec::new(),
            now: 0,
            trouble: Trouble::NONE,
            troubled_until: 0,
            keeps_marks,
            promotes_secondaries: false,
            has_default_route: true,
            hears_of_routes: false,
            epoch: 0,
            replies: Vec::new(),
            datagrams: VecDeque::new(),
            packets: VecDeque::new(),
            sessions: VecDeque::new(),
            hears_sessions: false,
            refused: Refused::Nothing,
            muted: Vrids::NONE,
            dice: Rng::with_seed(112),
            reflector: None,
            overrun: false,
            listening: false,
            neighbours: Vec::new(),
            unresolved: Vec::new(),
            is_frozen: false,
            next_index: 2,
        }
    }

    /// A new device with its administrator's addresses.
    pub fn add_link(
        &mut self,
        name: &'static str,
        mac: Mac,
        (segment, port): (usize, Port),
        own: Vec<(IpAddr, u8)>,
    ) {
        let index = self.take_index();
        let addresses = own.iter().map(|&(address, prefix_len)| plain(address, prefix_len)).collect();
        self.links.push(Link {
            index,
            name,
            mac,
            segment,
            port,
            present: true,
            up: true,
            carrier: true,
            addresses,
            own,
            joined: Vec::new(),
            below: None,
            arp: Arp::default(),
            is_silent: false,
        });
    }

    /// Every address of every device, with all that belongs to it, in the kernel's order.
    pub fn address_table(&self) -> Vec<(u32, Vec<Installed>)> {
        self.links.iter().map(|link| (link.index, link.addresses.clone())).collect()
    }

    /// The daemon opens its sockets: notifications and packets are kept for it from now on.
    pub fn open_sockets(&mut self) {
        self.listening = true;
    }

    /// The daemon is gone, and its sockets with it. Addresses stay.
    pub fn close_sockets(&mut self) {
        self.listening = false;
        self.hears_of_routes = false;
        self.hears_sessions = false;
        self.muted = Vrids::NONE;
        self.overrun = false;
        self.datagrams.clear();
        self.packets.clear();
        self.sessions.clear();
        for link in &mut self.links {
            link.joined.clear();
        }
    }

    /// The host loses power: nothing is left but what its administrator configured.
    pub fn reset(&mut self) {
        self.close_sockets();
        self.routes.clear();
        self.neighbours.clear();
        self.unresolved.clear();
        self.links.retain(|link| link.below.is_none());
        for link in &mut self.links {
            link.present = true;
            link.up = true;
            link.addresses.clear();
            for &(address, prefix_len) in &link.own {
                link.addresses.push(plain(address, prefix_len));
            }
        }
    }

    /// Makes the daemon's system calls fail, or stop failing.
    pub fn set_trouble(&mut self, trouble: Trouble, now: Nanos) {
        self.trouble = trouble;
        self.troubled_until = if trouble.any() { NEVER } else { now + RETRY_MAX };
    }

    /// Whether something fails, or has failed and may not have been repaired.
    pub fn is_troubled(&self, now: Nanos) -> bool {
        now < self.troubled_until
    }

    /// The daemon has not run since then. If something failed at that time or later, it repairs it from now on.
    pub fn still_troubled(&mut self, since: Nanos, now: Nanos) -> bool {
        let is_troubled = self.overrun || self.troubled_until > since;
        if is_troubled {
            self.troubled_until = self.troubled_until.max(now + RETRY_MAX);
        }
        is_troubled
    }

    /// Whether notifications have been lost since this was last asked.
    pub fn take_overrun(&mut self) -> bool {
        core::mem::take(&mut self.overrun)
    }

    /// Whether there is something for the daemon to read.
    pub fn has_input(&self) -> bool {
        self.overrun || !self.datagrams.is_empty() || !self.packets.is_empty() || !self.sessions.is_empty()
    }

    /// The daemon's raw socket becomes a member of a group.
    pub fn join(&mut self, index: u32, group: IpAddr) -> Result<(), i32> {
        let at = self.by_index(index).ok_or(ENODEV)?;
        let joined = &mut self.links[at].joined;
        if !joined.contains(&group) {
            joined.push(group);
        }
        Ok(())
    }

    pub fn by_index(&self, index: u32) -> Option<usize> {
        self.links.iter().position(|link| link.present && link.index == index)
    }

    // What the administrator and the wire do.

    /// The cable is pulled or put back.
    pub fn set_carrier(&mut self, at: usize, carrier: bool, rng: &mut Rng) {
        self.links[at].carrier = carrier;
        self.tell_link(at, rng);
        self.follow(at, rng);
    }

    /// `ip link set up` or `down`. Down takes IPv6 addresses with it, as Linux does; up brings those of
    /// the administrator back.
    pub fn set_up(&mut self, at: usize, up: bool, rng: &mut Rng) {
        self.links[at].up = up;
        if !up {
            // Of IPv4's it tells nobody.
            self.routes.clear();
        }
        self.tell_link(at, rng);
        self.follow(at, rng);
        if up {
            for (address, prefix_len) in self.links[at].own.clone() {
                if address.is_ipv6() && !self.links[at].has(address) {
                    self.install(at, plain(address, prefix_len), 0, rng);
                }
            }
        } else {
            self.remove_where(at, |it| it.address.is_ipv6(), rng);
        }
    }

    /// `ip link delete`.
    pub fn delete_link(&mut self, at: usize, rng: &mut Rng) {
        self.remove_where(at, |_| true, rng);
        self.routes.clear();
        self.links[at].present = false;
        self.follow(at, rng);
        self.links[at].joined.clear();
        self.tell(Datagram::default().link_gone(&self.view(at)), rng);
    }

    /// `ip link add`, and whatever configures addresses: the name is the same, the number is not.
    pub fn recreate_link(&mut self, at: usize, rng: &mut Rng) {
        let index = self.take_index();
        let link = &mut self.links[at];
        (link.index, link.present, link.up) = (index, true, true);
        self.tell_link(at, rng);
        for (address, prefix_len) in self.links[at].own.clone() {
            self.install(at, plain(address, prefix_len), 0, rng);
        }
    }

    /// `ip route add default`, or `del`; and some other route comes and goes.
    pub fn set_default_route(&mut self, is_there: bool, rng: &mut Rng) {
        self.tell_route(true, false, rng);
        if is_there != self.has_default_route {
            self.has_default_route = is_there;
            self.tell_route(is_there, true, rng);
        }
        self.tell_route(false, false, rng);
    }

    fn tell_route(&mut self, is_there: bool, to_all: bool, rng: &mut Rng) {
        if self.hears_of_routes {
            self.tell(Datagram::default().route(is_there, false, to_all, PPP, None), rng);
        }
    }

    /// `ip address add`.
    pub fn add_address(&mut self, at: usize, address: IpAddr, prefix_len: u8, rng: &mut Rng) {
        self.install(at, plain(address, prefix_len), 0, rng);
    }

    /// When the kernel next looks for addresses that are no longer valid: it does so once a second at most.
    pub fn looks_at(&self) -> Option<Nanos> {
        let present = self.links.iter().filter(|link| link.present);
        let first = present.flat_map(|link| &link.addresses).filter_map(Installed::valid_until).min();
        first.map(|until| until.next_multiple_of(SEC))
    }

    /// Drops the addresses that are no longer valid, and says which.
    pub fn drop_expired(&mut self, rng: &mut Rng) -> Vec<(usize, IpAddr)> {
        let now = self.now;
        let is_over = |it: &Installed| it.valid_until().is_some_and(|until| until <= now);
        let mut dropped = Vec::new();
        for at in 0..self.links.len() {
            let over = self.links[at].addresses.iter().filter(|it| is_over(it));
            dropped.extend(over.map(|it| (at, it.address)));
            self.remove_where(at, is_over, rng);
        }
        dropped
    }

    /// `ip address del`, or `flush` for what the predicate is true of.
    pub fn remove_where(&mut self, at: usize, gone: impl Fn(&Installed) -> bool, rng: &mut Rng) {
        while let Some(found) = self.links[at].addresses.iter().position(&gone) {
            self.remove(at, found, 0, rng);
        }
    }

    // What the daemon does.

    /// Takes a message of IP protocol 112 from the raw socket.
    pub fn send_message(
        &mut self,
        index: u32,
        from: IpAddr,
        to: IpAddr,
        message: &[u8],
        out: &mut Outbox,
        rng: &mut Rng,
    ) -> Result<(), i32> {
        let at = self.by_index(index).ok_or(ENODEV)?;
        if !self.links[at].up {
            return Err(ENETDOWN);
        }
        if chance(rng, self.trouble.messages) {
            return Err(ENOBUFS);
        }
        if !self.links.iter().any(|link| link.has(from)) {
            return Err(EADDRNOTAVAIL);
        }
        let frame = frame::vrrp(self.links[at].mac, BROADCAST, from, to, 255, message);
        self.route(at, VRRP, (from, to), frame, out);
        Ok(())
    }

    /// Takes a UDP header and what is behind it from the raw socket.
    pub fn send_datagram(
        &mut self,
        datagram: &router::Datagram<'_>,
        out: &mut Outbox,
        rng: &mut Rng,
    ) -> Result<(), i32> {
        let to = datagram.destination;
        let at = match datagram.interface.0 {
            0 => self.link_towards(to).ok_or(ENETUNREACH)?,
            index => self.by_index(index).ok_or(ENODEV)?,
        };
        if !self.links[at].up {
            return Err(ENETDOWN);
        }
        if chance(rng, self.trouble.messages) {
            return Err(ENOBUFS);
        }
        let is_chosen = datagram.source.is_unspecified();
        let from = if is_chosen { self.source_towards(at, to) } else { Some(datagram.source) };
        let from = from.filter(|from| self.links.iter().any(|link| link.has(*from))).ok_or(EADDRNOTAVAIL)?;
        let mut segment = datagram.payload.to_vec();
        if is_chosen && from.is_ipv6() {
            let ports = |at: usize| u16::from_be_bytes([segment[at], segment[at + 1]]);
            segment = frame::segment(from, to, (ports(0), ports(2)), &segment[8..]);
        }
        let frame = frame::datagram(self.links[at].mac, BROADCAST, from, to, datagram.hop_limit, &segment);
        self.route(at, UDP, (from, to), frame, out);
        Ok(())
    }

    /// Gives a frame its destination, or lets it wait until that is known.
    fn route(
        &mut self,
        at: usize,
        protocol: u8,
        (from, to): (IpAddr, IpAddr),
        frame: Vec<u8>,
        out: &mut Outbox,
    ) {
        match frame::group_mac(to).or_else(|| self.neighbour(at, to)) {
            Some(mac) => out.push((at, addressed(frame, mac))),
            None => {
                self.unresolved.retain(|it| (it.1, it.2) != (to, protocol));
                self.unresolved.push((at, to, protocol, frame));
                self.resolve(at, from, to, out);
            }
        }
    }

    /// The link on whose subnet an address is.
    fn link_towards(&self, to: IpAddr) -> Option<usize> {
        (0..self.links.len()).find(|at| self.links[*at].present && self.source_towards(*at, to).is_some())
    }

    /// What packets to this address come from.
    pub fn source_towards(&self, at: usize, to: IpAddr) -> Option<IpAddr> {
        let is_near = |it: &&Installed| match (it.address, to) {
            (IpAddr::V4(own), IpAddr::V4(to)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(it.prefix_len)).unwrap_or(0);
                own.to_bits() & mask == to.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(to)) => own.segments()[..4] == to.segments()[..4],
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        };
        self.links[at].addresses.iter().find(is_near).map(|it| it.address)
    }

    /// Takes a whole frame from the packet socket.
    pub fn send_frame(
        &mut self,
        index: u32,
        frame: &[u8],
        out: &mut Outbox,
        rng: &mut Rng,
    ) -> Result<(), i32> {
        let at = self.by_index(index).ok_or(ENODEV)?;
        if !self.links[at].up {
            return Err(ENETDOWN);
        }
        if chance(rng, self.trouble.frames) {
            return Err(ENOBUFS);
        }
        let mut frame = Vec::from(frame);
        frame.resize(frame.len().max(60), 0);
        out.push((at, Rc::from(frame)));
        Ok(())
    }

    /// Takes a netlink request; its answer waits in the socket.
    pub fn request(&mut self, bytes: &[u8], rng: &mut Rng) -> Result<(), i32> {
        if chance(rng, self.trouble.requests) {
            return Err(ENOBUFS);
        }
        for request in requests(bytes) {
            match request.wish {
                Wish::DumpLinks => self.dump_links(request.sequence, rng),
                Wish::DumpAddresses => self.dump_addresses(request.sequence, rng),
                Wish::DumpRoutes => self.dump_routes(request.sequence, rng),
                Wish::AddAddress { .. }
                | Wish::DeleteAddress { .. }
                | Wish::AddMacvlan { .. }
                | Wish::DeleteLink(_)
                | Wish::Switch { .. }
                | Wish::SetArp { .. }
                | Wish::Silence(_)
                | Wish::Know { .. }
                | Wish::Promote(_)
                | Wish::AddRoute(..)
                | Wish::DeleteRoute(..)
                | Wish::AddRule
                | Wish::DeleteRule => self.change(&request, rng),
            }
        }
        Ok(())
    }

    // What the wire brings.

    /// Takes a frame from the wire: answers what a kernel answers, and keeps what is for the daemon.
    pub fn receive(&mut self, at: usize, frame: &Frame, out: &mut Outbox) {
        if !self.links[at].running() {
            return;
        }
        let Ok(opened) = frame::open(frame) else { return };
        let is_group = opened.to.0[0] & 1 == 1;
        for to in self.above(at).into_iter().chain([at]) {
            if is_group || opened.to == self.links[to].mac {
                self.take(to, &opened, frame, out);
            }
        }
    }

    /// A frame is for this device, which may be on another one.
    fn take(&mut self, at: usize, opened: &Opened<'_>, frame: &Frame, out: &mut Outbox) {
        // Routes lead through the device below, so answers to pings carry its address.
        let mac = self.links[self.base(at)].mac;
        match opened.content {
            Content::Arp { reply, sender_mac, sender, target, .. } => {
                let (sender, target) = (IpAddr::V4(sender), IpAddr::V4(target));
                let for_us = self.links[at].has(target) || self.speaks_for(at, target);
                self.heard(at, sender, sender_mac, reply && for_us, out);
                if !reply && for_us && sender != target {
                    self.answer(at, target, sender, sender_mac, out);
                }
            }
            Content::Solicitation { from, target, mac: Some(asker) } => {
                if self.links[at].has(IpAddr::V6(target)) {
                    self.answer(at, IpAddr::V6(target), IpAddr::V6(from), asker, out);
                }
            }
            Content::Solicitation { mac: None, .. } => {}
            Content::Advertisement(ref it) => {
                let solicited = it.flags.contains(NdiscNeighborFlags::SOLICITED);
                let overrides = it.flags.contains(NdiscNeighborFlags::OVERRIDE);
                if let (true, Some(mac)) = (overrides && it.hop_limit == 255, it.mac) {
                    self.heard(at, IpAddr::V6(it.target), mac, solicited, out);
                }
            }
            Content::Echo { reply: false, from, to, sequence } => {
                if self.links.iter().any(|link| link.has(to)) {
                    let answer = frame::echo(true, mac, opened.from, to, from, sequence);
                    out.push((self.base(at), Rc::from(answer)));
                }
            }
            Content::Echo { reply: true, from, to, sequence } => {
                if self.links[at].has(to) {
                    self.replies.push(EchoReply { from, sequence, mac: opened.from });
                }
            }
            Content::Vrrp { to, message, .. } => {
                let is_muted = vrid_of(message).is_some_and(|vrid| self.muted.contains(vrid));
                let is_drawn = !is_muted || self.dice.u32(0..SAMPLE) == 0;
                let link = &self.links[at];
                let wanted = is_drawn && (link.has(to) || link.joined.contains(&to));
                let is_open = self.listening && self.refused != Refused::Adverts;
                if is_open && wanted && self.packets.len() < PACKETS_WAITING_MAX {
                    let index = link.index;
                    self.packets.push_back(Received { index, link: at, frame: Rc::clone(frame) });
                }
            }
            Content::Udp { from, to, port: neighbour::PORT, payload, .. } if self.links[at].has(to) => {
                if let Some(answer) = self.reflector.as_ref().and_then(|it| it.answer(opened.from, payload)) {
                    let ports = (Reflector::SOURCE_PORT, neighbour::PORT);
                    let segment = frame::segment(to, from, ports, &answer.bytes());
                    let frame = frame::datagram(mac, opened.from, to, from, 255, &segment);
                    out.push((self.base(at), Rc::from(frame)));
                }
                let is_open = self.hears_sessions && self.refused != Refused::Datagrams;
                if is_open && self.sessions.len() < PACKETS_WAITING_MAX {
                    let index = self.links[at].index;
                    self.sessions.push_back(Received { index, link: at, frame: Rc::clone(frame) });
                }
            }
            Content::Udp { .. } => {}
        }
    }

    /// Who has this address, as far as the cache knows.
    pub fn neighbour(&self, at: usize, address: IpAddr) -> Option<Mac> {
        let known = self.neighbours.iter().find(|(link, it, _)| *link == at && *it == address);
        known.map(|&(_, _, mac)| mac)
    }

    /// `ip neighbour replace ADDRESS lladdr MAC nud permanent`, for ever.
    pub fn freeze(&mut self, at: usize, address: IpAddr, mac: Mac) {
        self.neighbours.push((at, address, mac));
        self.is_frozen = true;
    }

    /// Asks the segment who has this address.
    pub fn resolve(&self, at: usize, from: IpAddr, address: IpAddr, out: &mut Outbox) {
        let mac = self.links[at].mac;
        let question = match (from, address) {
            (IpAddr::V4(from), IpAddr::V4(target)) => frame::arp(false, mac, from, BROADCAST, target),
            (IpAddr::V6(from), IpAddr::V6(target)) => frame::solicitation(mac, from, target),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return,
        };
        out.push((at, Rc::from(question)));
    }

    /// The device answers ARP for an address of another one.
    fn speaks_for(&self, at: usize, address: IpAddr) -> bool {
        self.links[at].arp.ignore == 0 && self.links.iter().any(|link| link.has(address))
    }

    fn answer(&self, at: usize, asked: IpAddr, asker: IpAddr, to: Mac, out: &mut Outbox) {
        let mac = self.links[at].mac;
        let answer = match (asked, asker) {
            (IpAddr::V4(asked), IpAddr::V4(asker)) => frame::arp(true, mac, asked, to, asker),
            (IpAddr::V6(asked), IpAddr::V6(asker)) => frame::advertisement(mac, asked, to, asker),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return,
        };
        out.push((at, Rc::from(answer)));
    }

    /// Somebody said where an address is. An entry that exists follows; a new one is made only for an
    /// answer to a question of ours (arp_accept and accept_untracked_na are off by default).
    fn heard(&mut self, at: usize, address: IpAddr, mac: Mac, asked_for: bool, out: &mut Outbox) {
        let known = self.neighbours.iter_mut().find(|(link, it, _)| *link == at && *it == address);
        match known {
            _ if self.is_frozen => return,
            Some((_, _, old)) => *old = mac,
            None if asked_for => self.neighbours.push((at, address, mac)),
            None => return,
        }
        while let Some(ready) = self.unresolved.iter().position(|it| it.0 == at && it.1 == address) {
            let (.., frame) = self.unresolved.swap_remove(ready);
            out.push((at, addressed(frame, mac)));
        }
    }

    pub fn take_index(&mut self) -> u32 {
        self.next_index += 1;
        self.next_index
    }

    fn change(&mut self, request: &Request<'_>, rng: &mut Rng) {
        let errno = if chance(rng, self.trouble.refusals) {
            ENOMEM
        } else {
            match &request.wish {
                Wish::AddAddress { index, new, exclusive, replace } => {
                    let may_exist = *replace && !*exclusive;
                    self.wish_added(*index, new.clone(), may_exist, request.sequence, rng)
                }
                Wish::DeleteAddress { index, address, prefix_len } => {
                    self.wish_removed(*index, *address, *prefix_len, request.sequence, rng)
                }
                Wish::AddMacvlan { name, below, mac } => self.add_macvlan(name, *below, *mac, rng),
                Wish::DeleteLink(index) => self.remove_link(*index, rng),
                Wish::Switch { index, on } => self.switch(*index, *on, rng),
                Wish::SetArp { index, arp } => self.set_arp(*index, *arp),
                Wish::Silence(index) => self.silence(*index),
                Wish::Know { .. } => panic!("there is no bridge"),
                Wish::Promote(index) => match self.by_index(*index) {
                    Some(_) => {
                        self.promotes_secondaries = true;
                        0
                    }
                    None => ENODEV,
                },
                Wish::AddRoute(destination, prefix_len) => self.route_added((*destination, *prefix_len)),
                Wish::DeleteRoute(destination, prefix_len) => self.route_removed((*destination, *prefix_len)),
                Wish::AddRule
                | Wish::DeleteRule
                | Wish::DumpLinks
                | Wish::DumpAddresses
                | Wish::DumpRoutes => 0,
            }
        };
        trace!("    kernel: {:?} -> {errno}", request.wish);
        if errno != 0 || request.acknowledge {
            self.tell(Datagram::default().answer(request, errno), rng);
        }
    }

    /// Linux adds no second one with the same mark and way.
    fn route_added(&mut self, route: (IpAddr, u8)) -> i32 {
        if self.routes.contains(&route) {
            return EEXIST;
        }
        // Its gateway would not be reached.
        if !self.links.iter().any(Link::running) {
            return ENETUNREACH;
        }
        self.routes.push(route);
        0
    }

    fn route_removed(&mut self, route: (IpAddr, u8)) -> i32 {
        let Some(found) = self.routes.iter().position(|it| *it == route) else { return ESRCH };
        self.routes.swap_remove(found);
        0
    }

    fn wish_added(
        &mut self,
        index: u32,
        mut new: Installed,
        may_exist: bool,
        sequence: u32,
        rng: &mut Rng,
    ) -> i32 {
        let Some(at) = self.by_index(index) else { return ENODEV };
        // AD17: another router may still answer, and detection would find it.
        assert!(new.address.is_ipv4() || new.flags & IFA_F_NODAD != 0, "{} without nodad", new.address);
        if !self.keeps_marks {
            new.mark = 0;
        }
        new.asked_at = self.now;
        let same = |it: &Installed| {
            // Over IPv4 another prefix makes another address; over IPv6 it does not.
            it.address == new.address && (it.prefix_len == new.prefix_len || new.address.is_ipv6())
        };
        match self.links[at].addresses.iter().position(same) {
            Some(_) if !may_exist => EEXIST,
            Some(found) => {
                // Linux changes lifetimes, metric and mark, and keeps the rest.
                let known = &mut self.links[at].addresses[found];
                (known.mark, known.valid_secs, known.asked_at) = (new.mark, new.valid_secs, new.asked_at);
                let it = known.clone();
                self.tell(Datagram::default().address(index, &it, sequence, false), rng);
                0
            }
            None => {
                self.install(at, new, sequence, rng);
                0
            }
        }
    }

    fn wish_removed(
        &mut self,
        index: u32,
        address: IpAddr,
        prefix_len: u8,
        sequence: u32,
        rng: &mut Rng,
    ) -> i32 {
        let Some(at) = self.by_index(index) else { return ENODEV };
        let same = |it: &Installed| it.address == address && it.prefix_len == prefix_len;
        match self.links[at].addresses.iter().position(same) {
            None => EADDRNOTAVAIL,
            Some(found) => {
                self.remove(at, found, sequence, rng);
                0
            }
        }
    }

    fn install(&mut self, at: usize, mut new: Installed, sequence: u32, rng: &mut Rng) {
        new.flags &= !(IFA_F_SECONDARY | IFA_F_TENTATIVE);
        if self.links[at].addresses.iter().any(|it| is_primary_of(it, &new)) {
            new.flags |= IFA_F_SECONDARY;
        }
        let index = self.links[at].index;
        let notice = Datagram::default().address(index, &new, sequence, false);
        self.links[at].addresses.push(new);
        self.tell(notice, rng);
    }

    /// Removes an address. With an IPv4 primary go its secondaries, unless one is promoted.
    fn remove(&mut self, at: usize, found: usize, sequence: u32, rng: &mut Rng) {
        let index = self.links[at].index;
        let gone = self.links[at].addresses.remove(found);
        let is_secondary = |it: &Installed| it.flags & IFA_F_SECONDARY != 0 && is_primary_of(&gone, it);
        while let Some(next) = self.links[at].addresses.iter().position(is_secondary) {
            if self.promotes_secondaries {
                self.links[at].addresses[next].flags &= !IFA_F_SECONDARY;
                break;
            }
            let secondary = self.links[at].addresses.remove(next);
            self.tell(Datagram::default().address_gone(index, &secondary, sequence), rng);
        }
        self.tell(Datagram::default().address_gone(index, &gone, sequence), rng);
    }

    fn dump_links(&mut self, sequence: u32, rng: &mut Rng) {
        let mut datagram = Datagram::default();
        for link in self.links.iter().filter(|link| link.present) {
            let below = link.below.map(|below| self.links[below].index);
            datagram = datagram.link(&LinkView { macvlan_on: below, ..link.view() }, sequence, true);
        }
        self.tell_list(datagram, sequence, rng);
    }

    /// A link as the kernel tells of it.
    pub fn view(&self, at: usize) -> LinkView<'_> {
        let macvlan_on = self.links[at].below.map(|below| self.links[below].index);
        LinkView { macvlan_on, ..self.links[at].view() }
    }

    fn dump_addresses(&mut self, sequence: u32, rng: &mut Rng) {
        let mut datagram = Datagram::default();
        for link in self.links.iter().filter(|link| link.present) {
            for it in &link.addresses {
                datagram = datagram.address(link.index, it, sequence, true);
            }
        }
        self.tell_list(datagram, sequence, rng);
    }

    fn dump_routes(&mut self, sequence: u32, rng: &mut Rng) {
        assert!(self.hears_of_routes, "the daemon lists routes, and hears no news of them");
        let mut datagram = Datagram::default();
        for to_all in [false, true] {
            if !to_all || self.has_default_route {
                datagram = datagram.route(true, false, to_all, PPP, Some(sequence));
            }
        }
        self.tell_list(datagram, sequence, rng);
    }

    /// A list is complete, or its end never comes: Linux waits for room before it goes on with one.
    fn tell_list(&mut self, list: Datagram, sequence: u32, rng: &mut Rng) {
        if chance(rng, self.trouble.overruns) {
            self.overrun = self.listening;
            return;
        }
        if self.listening {
            self.datagrams.push_back(list.into_bytes());
            self.datagrams.push_back(Datagram::default().done(sequence).into_bytes());
        }
    }

    pub fn tell_link(&mut self, at: usize, rng: &mut Rng) {
        if self.links[at].present {
            self.tell(Datagram::default().link(&self.view(at), 0, false), rng);
        }
    }

    pub fn tell(&mut self, datagram: Datagram, rng: &mut Rng) {
        self.epoch += 1;
        if !self.listening {
            return;
        }
        let full = self.datagrams.len() >= DATAGRAMS_WAITING_MAX;
        if full || chance(rng, self.trouble.overruns) {
            self.overrun = true;
        } else {
            self.datagrams.push_back(datagram.into_bytes());
        }
    }
}

fn addressed(mut frame: Vec<u8>, to: Mac) -> Frame {
    frame[..6].copy_from_slice(&to.0);
    Rc::from(frame)
}

fn plain(address: IpAddr, prefix_len: u8) -> Installed {
    Installed { address, prefix_len, scope: 0, flags: 0, mark: 0, valid_secs: None, asked_at: 0 }
}

/// Whether `secondary` was added to the subnet of `primary`, with the same prefix length.
fn is_primary_of(primary: &Installed, secondary: &Installed) -> bool {
    let (IpAddr::V4(a), IpAddr::V4(b)) = (primary.address, secondary.address) else { return false };
    let mask = u32::MAX.checked_shl(32 - u32::from(primary.prefix_len)).unwrap_or(0);
    primary.flags & IFA_F_SECONDARY == 0
        && primary.prefix_len == secondary.prefix_len
        && a.to_bits() & mask == b.to_bits() & mask
}

fn chance(rng: &mut Rng, per_thousand: u32) -> bool {
    per_thousand > 0 && rng.u32(0..1000) < per_thousand
}
