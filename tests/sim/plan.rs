//! What a node is told to do: the part of a configuration that scenarios vary, and the times that follow
//! from it. Everything a checker expects comes from here, never from the code under test.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;
use core::time::Duration;

use vipd::bfd::Rules;
use vipd::config::{
    Acceptance, Announcements, Bfd, BfdId, Config, Family, FamilyConfig, Group, GroupId, Instance, Peer,
    PeerBfd, Span, Text, Track, Tracked, VirtualAddress, VirtualRoute, Vmac,
};
use vipd::time::{self, Interval};
use vipd::wire::Mac;
use vipd::wire::route::{Kind, MAIN_TABLE, Network, Route};
use vipd::wire::vrrp::{ChecksumForm, Version, Vrid};

use crate::clock::{MS, Nanos, SEC};
use crate::things::{self, Thing};

/// The names of a node's devices, by the number of the link.
pub const LINK_NAMES: [&str; 3] = ["br-lan", "eth1", "wan"];

/// One `vrrp_instance` of one node.
#[derive(Debug, Clone)]
pub struct Plan {
    pub name: &'static str,
    /// Which of the node's links it speaks on; also the number of the segment.
    pub link: usize,
    pub vrid: u8,
    pub version: Version,
    pub priority: u8,
    pub centis: u16,
    pub preempt: bool,
    pub preempt_delay: Duration,
    pub v4: Vec<Ipv4Addr>,
    pub v6: Vec<Ipv6Addr>,
    pub peers: Vec<IpAddr>,
    pub announcements: Announcements,
    pub group: Option<u8>,
    /// Links that it tracks, with their weights.
    pub tracks: Vec<(usize, i16)>,
    /// Other things that it tracks.
    pub things: Vec<(Thing, i16)>,
    pub password: Option<&'static [u8]>,
    pub checksum: ChecksumForm,
    /// `address_lifetime`, seconds; 0: none.
    pub lifetime_secs: u16,
    /// `use_vmac`.
    pub has_vmac: bool,
    /// `vmac_xmit_base`.
    pub sends_from_base: bool,
    /// `promote_secondaries`; the kernels of most scenarios do so by themselves.
    pub promotes_secondaries: bool,
    /// It has the route of [`ROUTE`].
    pub has_route: bool,
    /// `option bfd`: the timers of a session to each of its peers.
    pub bfd: Option<Timing>,
    /// Those of the session to the upstream router, where it tracks [`Thing::Session`].
    pub upstream: Timing,
}

/// The timers of a BFD session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    pub tx_ms: u32,
    pub rx_ms: u32,
    pub multiplier: u8,
    pub is_passive: bool,
}

impl Timing {
    /// The same in both directions.
    pub const fn every(ms: u32, multiplier: u8) -> Self {
        Self { tx_ms: ms, rx_ms: ms, multiplier, is_passive: false }
    }

    fn rules(self) -> Rules {
        let Self { tx_ms, rx_ms, multiplier, is_passive } = self;
        let us = |ms: u32| 1000 * ms;
        Rules { min_tx_us: us(tx_ms), min_rx_us: us(rx_ms), idle_tx_us: us(1000), multiplier, is_passive }
    }
}

/// A session of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    pub link: usize,
    pub neighbor: IpAddr,
    pub timing: Timing,
}

/// The sessions of these plans, in the order of the configuration: one for each address on each link.
pub fn sessions(plans: &[Plan]) -> Vec<Session> {
    let mut all: Vec<Session> = Vec::new();
    let peers = plans.iter().filter_map(|plan| plan.bfd.map(|timing| (plan, timing)));
    let peers = peers.flat_map(|(plan, timing)| {
        let link = plan.link;
        plan.peers.iter().map(move |&neighbor| Session { link, neighbor, timing })
    });
    let tracking = plans.iter().filter(|plan| plan.things.iter().any(|(thing, _)| *thing == Thing::Session));
    let upstream = tracking.map(|plan| {
        let link = plan.link;
        Session { link, neighbor: upstream(link), timing: plan.upstream }
    });
    for session in peers.chain(upstream) {
        if !all.iter().any(|it| (it.link, it.neighbor) == (session.link, session.neighbor)) {
            all.push(session);
        }
    }
    all
}

/// The timers of the session to this address, if there is one.
pub fn timing_of(plans: &[Plan], link: usize, neighbor: IpAddr) -> Option<Timing> {
    let here = || plans.iter().filter(|plan| plan.link == link);
    let tracks = |plan: &Plan| plan.things.iter().any(|(thing, _)| *thing == Thing::Session);
    let peer = here().filter(|plan| plan.peers.contains(&neighbor)).find_map(|plan| plan.bfd);
    let tracked = || here().find(|plan| tracks(plan) && neighbor == upstream(link));
    peer.or_else(|| tracked().map(|plan| plan.upstream))
}

/// The upstream router of a segment.
pub fn upstream(segment: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, segment as u8, 240))
}

/// The route that moves with an instance that has one.
pub const ROUTE: (IpAddr, u8) = (IpAddr::V4(Ipv4Addr::new(198, 51, 100, 0)), 24);

/// The virtual IPv4 address of a segment.
pub fn vip_v4(segment: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, segment as u8, 1)
}

/// The virtual link-local address of every segment.
pub const VIP_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// The virtual global address of a segment.
pub fn vip_v6(segment: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, segment as u16, 0, 0, 0, 0, 1)
}

impl Plan {
    /// An IPv4 virtual router in version 2, one second.
    pub fn v2() -> Self {
        Self { version: Version::V2, ..Self::v3() }
    }

    /// An IPv4 virtual router in version 3, one second.
    pub fn v3() -> Self {
        Self {
            name: "lan",
            link: 0,
            vrid: 10,
            version: Version::V3,
            priority: 100,
            centis: 100,
            preempt: true,
            preempt_delay: Duration::ZERO,
            v4: vec![vip_v4(0)],
            v6: Vec::new(),
            peers: Vec::new(),
            announcements: Announcements::default(),
            group: None,
            tracks: Vec::new(),
            things: Vec::new(),
            password: None,
            checksum: ChecksumForm::default(),
            lifetime_secs: 0,
            has_vmac: false,
            sends_from_base: false,
            promotes_secondaries: false,
            has_route: false,
            bfd: None,
            upstream: Timing::every(100, 3),
        }
    }

    /// An IPv6 virtual router, one second.
    pub fn v6() -> Self {
        Self { v4: Vec::new(), v6: vec![VIP_LINK_LOCAL, vip_v6(0)], ..Self::v3() }
    }

    /// Both families, moving together.
    pub fn dual() -> Self {
        Self { v6: vec![VIP_LINK_LOCAL, vip_v6(0)], ..Self::v3() }
    }

    /// The same on another link.
    pub fn on_link(self, link: usize) -> Self {
        let v4 = self.v4.iter().map(|_| vip_v4(link)).collect();
        let v6 = if self.v6.is_empty() { vec![] } else { vec![VIP_LINK_LOCAL, vip_v6(link)] };
        Self { link, v4, v6, name: if link == 0 { "lan" } else { "lan2" }, ..self }
    }

    pub fn priority(self, priority: u8) -> Self {
        Self { priority, ..self }
    }

    pub fn centis(self, centis: u16) -> Self {
        Self { centis, ..self }
    }

    pub fn nopreempt(self) -> Self {
        Self { preempt: false, ..self }
    }

    pub fn preempt_delay(self, delay: Duration) -> Self {
        Self { preempt_delay: delay, ..self }
    }

    /// It tracks another link: 0 for a fault while that is down, else with this weight.
    pub fn tracks(mut self, link: usize, weight: i16) -> Self {
        self.tracks.push((link, weight));
        self
    }

    /// It tracks something else.
    pub fn tracks_thing(mut self, thing: Thing, weight: i16) -> Self {
        self.things.push((thing, weight));
        self
    }

    /// It speaks to these peers only.
    pub fn with_peers(self, peers: Vec<IpAddr>) -> Self {
        Self { peers, ..self }
    }

    /// With a session to each of them.
    pub fn with_bfd(self, timing: Timing) -> Self {
        Self { bfd: Some(timing), ..self }
    }

    pub fn password(self, password: &'static [u8]) -> Self {
        Self { password: Some(password), ..self }
    }

    /// The kernel drops its addresses after so many seconds unless they are renewed.
    pub fn lifetime(self, lifetime_secs: u16) -> Self {
        Self { lifetime_secs, ..self }
    }

    /// It has an Ethernet address of its own.
    pub fn vmac(self) -> Self {
        Self { has_vmac: true, ..self }
    }

    /// That address, of one family (RFC 9568 §7.3; AD14), and the name of its device.
    pub fn vmac_of(&self, family: Family) -> Option<(Mac, String)> {
        let (number, name) = match family {
            Family::V4 => (1, "vrrp"),
            Family::V6 => (2, "vrrp6"),
        };
        let mac = Mac([0, 0, 0x5e, 0, number, self.vrid]);
        self.has_vmac.then(|| (mac, format!("{name}.{}", self.vrid)))
    }

    /// A route moves with it.
    pub fn with_route(self) -> Self {
        Self { has_route: true, ..self }
    }

    pub fn grouped(self) -> Self {
        Self { group: Some(0), ..self }
    }

    /// Every virtual address of one family.
    pub fn addresses(&self, family: Family) -> Vec<IpAddr> {
        match family {
            Family::V4 => self.v4.iter().copied().map(IpAddr::V4).collect(),
            Family::V6 => self.v6.iter().copied().map(IpAddr::V6).collect(),
        }
    }

    /// The families that it has addresses of.
    pub fn families(&self) -> impl Iterator<Item = Family> + Clone + use<> {
        let v4 = (!self.v4.is_empty()).then_some(Family::V4);
        let v6 = (!self.v6.is_empty()).then_some(Family::V6);
        v4.into_iter().chain(v6)
    }

    /// Version of one family.
    pub fn version_of(&self, family: Family) -> Version {
        match family {
            Family::V4 => self.version,
            Family::V6 => Version::V3,
        }
    }

    /// The interval, in world time of a perfect clock.
    pub fn interval(&self) -> Nanos {
        Nanos::from(self.centis) * 10 * MS
    }

    /// The priorities that tracked links and things can make of the configured one.
    pub fn priorities(&self) -> RangeInclusive<u8> {
        if self.priority == 255 {
            return 255..=255;
        }
        let links =
            self.tracks.iter().map(|&(_, weight)| (i32::from(weight.min(0)), i32::from(weight.max(0))));
        let things = self.things.iter().map(|&(thing, weight)| things::range(thing, weight));
        let (least, most) = links.chain(things).fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let with = |sum: i32| (i32::from(self.priority) + sum).clamp(1, 254) as u8;
        with(least)..=with(most)
    }

    /// The longest Skew_Time that the family's version makes of any priority that it can have.
    pub fn skew(&self) -> Nanos {
        let distance = 256 - Nanos::from(*self.priorities().start());
        let v3 = self.interval() * distance / 256;
        match self.version {
            Version::V2 => v3.max(SEC * distance / 256),
            Version::V3 => v3,
        }
    }

    /// Master_Down_Interval: how long silence must last.
    pub fn down(&self) -> Nanos {
        3 * self.interval() + self.skew()
    }
}

/// Where a node's unicast peers of one family stand in its plan.
fn peers_of(plan: &Plan, family: Family) -> impl Iterator<Item = &IpAddr> {
    plan.peers.iter().filter(move |peer| Family::of(**peer) == family)
}

/// The configuration that the config reader would make of these plans.
pub fn configuration(plans: &[Plan]) -> Box<Config> {
    let mut config = Box::new(Config::new());
    config.clear();
    let sessions = sessions(plans);
    for session in &sessions {
        let name = config.keep_text(&session.neighbor.to_string()).unwrap();
        let interface = config.interface(LINK_NAMES[session.link]).unwrap();
        let new = Bfd {
            name,
            neighbor: session.neighbor,
            source: None,
            interface: Some(interface),
            rules: session.timing.rules(),
            hop_limit: 255,
            least_hop_limit: 255,
        };
        config.bfd.push(new).unwrap();
    }
    for plan in plans {
        let instance = instance(&mut config, plan, &sessions);
        if plan.has_route {
            let route = route(config.instances.len() as u16);
            config.virtual_routes.push(route).unwrap();
        }
        config.instances.push(instance).unwrap();
    }
    if plans.iter().any(|plan| plan.group.is_some()) {
        let name = config.keep_text("group").unwrap();
        config.groups.push(Group { name, notify: Text::default(), tracks: Span::default() }).unwrap();
    }
    config.globals.notify = config.keep_text("/etc/vipd.hook").unwrap();
    config
}

fn instance(config: &mut Config, plan: &Plan, sessions: &[Session]) -> Instance {
    let interface = config.interface(LINK_NAMES[plan.link]).unwrap();
    let tracks_start = config.tracks.len();
    for &(link, weight) in &plan.tracks {
        let interface = config.interface(LINK_NAMES[link]).unwrap();
        let what = Tracked::Link(interface);
        config.tracks.push(Track { what, weight, is_reversed: false }).unwrap();
        things::hook(config, what);
    }
    for &(thing, weight) in &plan.things {
        let track = match (thing, session_to(sessions, plan.link, upstream(plan.link))) {
            (Thing::Session, Some(session)) => things::track_session(config, session, weight),
            (Thing::Session | Thing::Probe | Thing::File | Thing::Route, _) => {
                things::track(config, thing, weight)
            }
        };
        config.tracks.push(track).unwrap();
    }
    Instance {
        name: config.keep_text(plan.name).unwrap(),
        interface,
        vrid: Vrid::new(plan.vrid).unwrap(),
        version: plan.version,
        priority: plan.priority,
        interval: Interval::from_centis(plan.centis).unwrap(),
        preempt: plan.preempt,
        preempt_delay: time::Span::from_millis(plan.preempt_delay.as_millis() as u32),
        wants_master: false,
        password: plan.password.map_or(Text::EMPTY, |text| config.keep_bytes(text).unwrap()),
        checksum: plan.checksum,
        source_v4: None,
        source_v6: Text::EMPTY,
        v4: family(config, plan, Family::V4, sessions),
        v6: family(config, plan, Family::V6, sessions),
        announcements: plan.announcements,
        lifetime_secs: plan.lifetime_secs,
        promotes_secondaries: plan.promotes_secondaries,
        claim_script: Text::default(),
        claim_wait_secs: 0,
        tracks: span(tracks_start, config.tracks.len()),
        ignores_link: false,
        acceptance: Acceptance::default(),
        group: plan.group.map(GroupId),
        notify: Text::default(),
    }
}

fn route(instance: u16) -> VirtualRoute {
    let (address, prefix_len) = ROUTE;
    let route = Route {
        destination: Network { address, prefix_len },
        kind: Kind::Unicast,
        gateway: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 254))),
        source: None,
        interface: None,
        scope: 0,
        table: MAIN_TABLE,
        metric: 0,
    };
    VirtualRoute { instance, interface: None, route }
}

fn session_to(sessions: &[Session], link: usize, neighbor: IpAddr) -> Option<BfdId> {
    let found = sessions.iter().position(|it| (it.link, it.neighbor) == (link, neighbor));
    found.map(|position| BfdId(position as u8))
}

fn family(config: &mut Config, plan: &Plan, family: Family, sessions: &[Session]) -> FamilyConfig {
    let mut interface = config.interface(LINK_NAMES[plan.link]).unwrap();
    let mut vmac = Vmac::default();
    if let Some((_, name)) = plan.vmac_of(family).filter(|_| !plan.addresses(family).is_empty()) {
        interface = config.interface(&name).unwrap();
        vmac = Vmac::on(interface, plan.sends_from_base);
    }
    let (addresses_start, peers_start) = (config.addresses.len(), config.peers.len());
    for address in plan.addresses(family) {
        let prefix_len = prefix_len(address);
        let label = Text::default();
        let new = VirtualAddress { address, prefix_len, interface, scope: 0, label, is_excluded: false };
        config.addresses.push(new).unwrap();
    }
    for &address in peers_of(plan, family) {
        let session = plan.bfd.and_then(|_| session_to(sessions, plan.link, address));
        let bfd = session.map_or_else(PeerBfd::default, PeerBfd::of);
        config.peers.push(Peer { address, min_ttl: 0, max_ttl: 255, bfd }).unwrap();
    }
    FamilyConfig {
        addresses: span(addresses_start, config.addresses.len()),
        peers: span(peers_start, config.peers.len()),
        vmac,
    }
}

fn span(start: usize, end: usize) -> Span {
    Span { start: start as u16, len: (end - start) as u16 }
}

/// Prefix length of a virtual address.
pub fn prefix_len(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 64,
    }
}
