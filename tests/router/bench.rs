//! A router on the test bench: configuration by builder, events by verbs, effects as a list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vipd::bfd::Rules;
use vipd::config::{
    Acceptance, Announcements, Bfd, BfdId, Config, Family, FamilyConfig, File, FileId, Group, GroupId,
    Instance, InterfaceId, Peer, PeerBfd, Probe, ProbeId, Span, Text, Track, Tracked, VirtualAddress, Vmac,
};
use vipd::perform::{Outlet, Unsent, perform};
use vipd::probe::Start;
use vipd::router::{Datagram, Effect, Effects, Event, Packet, Router, Slot};
use vipd::time::{self, Instant, Interval};
use vipd::vrrp::{Phase, State};
use vipd::wire::link::Details;
use vipd::wire::rtnl::{self, Message};
use vipd::wire::vrrp::{ChecksumForm, Outgoing, Version, Vrid};
use vipd::wire::{IfIndex, Mac};

pub(crate) const ETH0: IfIndex = IfIndex(2);
pub(crate) const ETH1: IfIndex = IfIndex(3);
pub(crate) const OUR_V4: &str = "10.0.0.5";
pub(crate) const OUR_V6: &str = "fe80::5";

/// One instance of a configuration under construction.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) device: &'static str,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) version: Version,
    pub(crate) interval: Interval,
    pub(crate) preempt: bool,
    pub(crate) preempt_delay: Duration,
    pub(crate) password: Option<&'static str>,
    pub(crate) lifetime_secs: u16,
    pub(crate) promotes_secondaries: bool,
    /// Those of the lists; one with ` excluded` behind it is of the other.
    pub(crate) addresses: Vec<&'static str>,
    pub(crate) peers: Vec<(&'static str, u8, u8)>,
    /// `option bfd`.
    pub(crate) bfd: bool,
    pub(crate) tracks: Vec<(&'static str, i16)>,
    pub(crate) group: Option<u8>,
    pub(crate) notify: &'static str,
    pub(crate) has_vmac: bool,
    pub(crate) no_accept: bool,
    /// Of a script that the claim waits for; 0: there is none.
    pub(crate) claim_secs: u8,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            name: "lan",
            device: "eth0",
            vrid: 7,
            priority: 100,
            version: Version::V3,
            interval: Interval::SECOND,
            preempt: true,
            preempt_delay: Duration::ZERO,
            password: None,
            lifetime_secs: 0,
            promotes_secondaries: false,
            addresses: vec!["10.0.0.1"],
            peers: vec![],
            bfd: false,
            tracks: vec![],
            group: None,
            notify: "",
            has_vmac: false,
            no_accept: false,
            claim_secs: 0,
        }
    }
}

impl Spec {
    /// The addresses of one half, and whether they are excluded, in the order of a configuration.
    fn addresses_of(&self, family: Family) -> Vec<(IpAddr, bool)> {
        let all = self.addresses.iter().map(|text| match text.strip_suffix(" excluded") {
            Some(text) => (text.parse::<IpAddr>().unwrap(), true),
            None => (text.parse().unwrap(), false),
        });
        let all: Vec<_> = all.collect();
        let has = |family| all.iter().any(|(it, is_excluded)| !is_excluded && Family::of(*it) == family);
        let home = |(it, is_excluded): &(IpAddr, bool)| match Family::of(*it) {
            Family::V4 if *is_excluded && !has(Family::V4) => Family::V6,
            Family::V6 if *is_excluded && !has(Family::V6) => Family::V4,
            own => own,
        };
        let mut mine: Vec<_> = all.iter().filter(|it| home(it) == family).copied().collect();
        mine.sort_by_key(|(_, is_excluded)| *is_excluded);
        mine
    }
}

/// A LAN and a WAN in a sync group: VRID 7 on `eth0`, VRID 8 on `eth1`.
pub(crate) fn lan_and_wan() -> [Spec; 2] {
    let lan = Spec { group: Some(0), ..Spec::default() };
    let wan = Spec {
        name: "wan",
        device: "eth1",
        vrid: 8,
        addresses: vec!["10.1.0.1"],
        group: Some(0),
        ..Spec::default()
    };
    [lan, wan]
}

fn span(start: usize, len: usize) -> Span {
    Span { start: start as u16, len: len as u16 }
}

/// The probe of this name, tried each second for at most two; it rises after 2 successes and falls after 3 failures.
fn probe(config: &mut Config, name: &str) -> ProbeId {
    let known = config.probes.iter().position(|probe| config.text(probe.name) == name);
    let position = known.unwrap_or_else(|| {
        let name = config.keep_text(name).unwrap();
        let script = config.keep_text("/bin/true").unwrap();
        config
            .probes
            .push(Probe {
                name,
                script,
                interval_secs: 1,
                timeout_secs: 2,
                rise: 2,
                fall: 3,
                retry_secs: 0,
                spread_secs: 0,
                start: Start::Unknown,
                is_weighing: false,
                service: None,
            })
            .unwrap();
        config.probes.len() - 1
    });
    ProbeId(position as u16)
}

/// The timers of every session: 100 ms in both directions, three times.
pub(crate) const RULES: Rules =
    Rules { min_tx_us: 100_000, min_rx_us: 100_000, idle_tx_us: 1_000_000, multiplier: 3, is_passive: false };

/// The session to this address on this device.
fn session(config: &mut Config, neighbor: IpAddr, interface: InterfaceId) -> BfdId {
    let is_it = |bfd: &Bfd| (bfd.neighbor, bfd.interface) == (neighbor, Some(interface));
    let position = config.bfd.iter().position(is_it).unwrap_or_else(|| {
        let name = config.keep_text(&neighbor.to_string()).unwrap();
        let (interface, rules) = (Some(interface), RULES);
        let (source, hop_limit, least_hop_limit) = (None, 255, 255);
        config
            .bfd
            .push(Bfd { name, neighbor, source, interface, rules, hop_limit, least_hop_limit })
            .unwrap();
        config.bfd.len() - 1
    });
    BfdId(position as u8)
}

fn file(config: &mut Config, name: &str) -> FileId {
    let known = config.files.iter().position(|file| config.text(file.name) == name);
    let position = known.unwrap_or_else(|| {
        let name = config.keep_text(name).unwrap();
        config.files.push(File { name, path: name }).unwrap();
        config.files.len() - 1
    });
    FileId(position as u8)
}

pub(crate) fn config(specs: &[Spec]) -> Box<Config> {
    let mut config = Box::new(Config::new());
    config.clear();
    for spec in specs {
        let name = config.keep_text(spec.name).unwrap();
        let notify = config.keep_text(spec.notify).unwrap();
        let claim_script = if spec.claim_secs > 0 { "/etc/vipd/claim" } else { "" };
        let claim_script = config.keep_text(claim_script).unwrap();
        let interface = config.interface(spec.device).unwrap();
        let home = interface;
        let mut family = |family: Family| {
            let start = config.addresses.len();
            let peers_start = config.peers.len();
            let vmac = match family {
                Family::V4 => format!("vrrp.{}", spec.vrid),
                Family::V6 => format!("vrrp6.{}", spec.vrid),
            };
            let has_vmac =
                spec.has_vmac && spec.addresses.iter().any(|it| it.contains(':') == (family == Family::V6));
            let vmac = has_vmac.then(|| config.interface(&vmac).unwrap());
            let interface = vmac.unwrap_or(interface);
            for (address, is_excluded) in spec.addresses_of(family) {
                let prefix_len = if address.is_ipv4() { 24 } else { 64 };
                let label = Default::default();
                config
                    .addresses
                    .push(VirtualAddress { address, prefix_len, interface, scope: 0, label, is_excluded })
                    .unwrap();
            }
            for (address, min_ttl, max_ttl) in &spec.peers {
                let address: IpAddr = address.parse().unwrap();
                if Family::of(address) == family {
                    let session = spec.bfd.then(|| session(&mut config, address, home));
                    let bfd = session.map_or_else(PeerBfd::default, PeerBfd::of);
                    config.peers.push(Peer { address, min_ttl: *min_ttl, max_ttl: *max_ttl, bfd }).unwrap();
                }
            }
            FamilyConfig {
                addresses: span(start, config.addresses.len() - start),
                peers: span(peers_start, config.peers.len() - peers_start),
                vmac: vmac.map_or_else(Default::default, |device| Vmac::on(device, false)),
            }
        };
        let (v4, v6) = (family(Family::V4), family(Family::V6));
        let tracks_start = config.tracks.len();
        for (name, weight) in &spec.tracks {
            let (name, is_reversed) =
                name.strip_suffix(" reverse").map_or((*name, false), |name| (name, true));
            let what = match name.strip_prefix("probe ") {
                Some(name) => Tracked::Probe(probe(&mut config, name)),
                None => match (name.strip_prefix("file "), name.strip_prefix("bfd ")) {
                    (Some(name), _) => Tracked::File(file(&mut config, name)),
                    (_, Some(name)) => Tracked::Bfd(session(&mut config, name.parse().unwrap(), interface)),
                    (None, None) => Tracked::Link(config.interface(name).unwrap()),
                },
            };
            config.tracks.push(Track { what, weight: *weight, is_reversed }).unwrap();
        }
        if let Some(group) = spec.group
            && config.groups.len() <= usize::from(group)
        {
            let name = config.keep_text("group").unwrap();
            config.groups.push(Group { name, notify, tracks: Span::default() }).unwrap();
        }
        let tracks = span(tracks_start, config.tracks.len() - tracks_start);
        let password = spec.password.map_or(Text::EMPTY, |text| config.keep_text(text).unwrap());
        config
            .instances
            .push(Instance {
                name,
                interface,
                vrid: Vrid::new(spec.vrid).unwrap(),
                version: spec.version,
                priority: spec.priority,
                interval: spec.interval,
                preempt: spec.preempt,
                preempt_delay: time::Span::from_millis(spec.preempt_delay.as_millis() as u32),
                wants_master: false,
                password,
                checksum: ChecksumForm::PseudoHeader,
                source_v4: None,
                source_v6: Text::EMPTY,
                v4,
                v6,
                announcements: Announcements::default(),
                lifetime_secs: spec.lifetime_secs,
                promotes_secondaries: spec.promotes_secondaries,
                claim_script,
                claim_wait_secs: spec.claim_secs,
                tracks,
                ignores_link: false,
                acceptance: if spec.no_accept { Acceptance::refused() } else { Acceptance::default() },
                group: spec.group.map(GroupId),
                notify,
            })
            .unwrap();
    }
    config
}

pub(crate) struct Bench {
    pub(crate) router: Box<Router>,
    pub(crate) now: Instant,
    /// The effects of the last event.
    pub(crate) effects: Vec<Effect>,
}

impl Bench {
    /// A router that has adopted the configuration and asked for links; nothing is answered yet.
    pub(crate) fn unanswered(specs: &[Spec]) -> Self {
        Self::seeded(specs, 1)
    }

    /// The same with this seed.
    pub(crate) fn seeded(specs: &[Spec], seed: u32) -> Self {
        let now = Instant::from_origin(Duration::from_secs(1000));
        let mut bench = Self { router: Box::new(Router::new()), now, effects: vec![] };
        bench.handle(Event::Adopt(&mut config(specs)));
        bench.handle(Event::Start { keeps_marks: true, seed });
        bench
    }

    /// A router whose interfaces are up, with an address of each family, and that has seen everything.
    pub(crate) fn new(specs: &[Spec]) -> Self {
        let mut bench = Self::unanswered(specs);
        bench.answer_dumps(&[
            (ETH0, "eth0", true, &[OUR_V4, OUR_V6]),
            (ETH1, "eth1", true, &["10.1.0.5", "fe80::1:5"]),
        ]);
        bench
    }

    /// As `new`, and then silence until every virtual router is master.
    pub(crate) fn master(specs: &[Spec]) -> Self {
        let mut bench = Self::new(specs);
        bench.run_for(Duration::from_secs(20));
        for slot in bench.router.slots() {
            assert_eq!(bench.phase(slot.0), Phase::Master);
        }
        bench
    }

    pub(crate) fn handle(&mut self, event: Event<'_>) {
        let mut effects = Effects::new();
        self.router.handle(self.now, event, &mut effects);
        self.effects = effects.to_vec();
    }

    /// Lets the timers run, and gathers what they do.
    pub(crate) fn run_for(&mut self, span: Duration) -> Vec<(Duration, Effect)> {
        let (begin, end) = (self.now, self.now + span);
        let mut all = vec![];
        while let Some(at) = self.router.poll_at().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.handle(Event::Timer);
            all.extend(self.effects.iter().map(|effect| (self.now.since(begin), *effect)));
        }
        self.now = end;
        all
    }

    pub(crate) fn answer_dumps(&mut self, links: &[(IfIndex, &str, bool, &[&str])]) {
        let mut dumps = 0;
        loop {
            let dump = self.effects.iter().find_map(|effect| match effect {
                Effect::DumpLinks(sequence) => Some((true, *sequence)),
                Effect::DumpAddresses(sequence) => Some((false, *sequence)),
                _ => None,
            });
            let Some((is_links, sequence)) = dump else { break };
            dumps += 1;
            assert!(dumps < 10, "dumps without end");
            for (index, name, running, addresses) in links {
                if is_links {
                    self.link(*index, name, *running);
                } else {
                    addresses.iter().for_each(|text| self.address(*index, text, false));
                }
            }
            self.handle(Event::Kernel(Message::Done { sequence, torn: false }));
        }
    }

    pub(crate) fn link(&mut self, index: IfIndex, name: &str, running: bool) {
        let mac = Some(Mac([2, 0, 0, 0, 0, index.0 as u8]));
        self.handle(Event::Kernel(Message::Link(rtnl::Link {
            index,
            name,
            mac,
            running,
            details: Details::NONE,
        })));
    }

    pub(crate) fn address(&mut self, interface: IfIndex, text: &str, marked: bool) {
        self.handle(Event::Kernel(Message::Address(kernel_address(interface, text, marked))));
    }

    pub(crate) fn address_gone(&mut self, interface: IfIndex, text: &str) {
        self.handle(Event::Kernel(Message::AddressGone(kernel_address(interface, text, false))));
    }

    /// An advertisement from `from`, as a peer of the first spec's kind would send it.
    pub(crate) fn hear(&mut self, vrid: u8, priority: u8, from: &str) {
        self.hear_with(vrid, priority, from, |outgoing| outgoing, ETH0);
    }

    pub(crate) fn hear_with(
        &mut self,
        vrid: u8,
        priority: u8,
        from: &str,
        change: impl FnOnce(Outgoing) -> Outgoing,
        interface: IfIndex,
    ) {
        let source: IpAddr = from.parse().unwrap();
        let outgoing = change(outgoing(vrid, priority, source));
        let message = message(&outgoing);
        self.deliver(interface, source, outgoing.destination, 255, &message);
    }

    pub(crate) fn deliver(
        &mut self,
        interface: IfIndex,
        source: IpAddr,
        destination: IpAddr,
        ttl: u8,
        message: &[u8],
    ) {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let packet = ipv4(source, destination, ttl, message);
                self.handle(Event::Packet(Packet::V4 { interface, packet: &packet }));
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let hop_limit = ttl;
                self.handle(Event::Packet(Packet::V6 { interface, source, destination, hop_limit, message }));
            }
            _ => panic!("families differ"),
        }
    }

    pub(crate) fn phase(&self, slot: u16) -> Phase {
        self.router.view(Slot(slot)).unwrap().virtual_router().phase()
    }

    pub(crate) fn state(&self, slot: u16) -> State {
        *self.router.view(Slot(slot)).unwrap().virtual_router().state()
    }

    pub(crate) fn counters(&self, slot: u16) -> vipd::vrrp::Counters {
        self.router.view(Slot(slot)).unwrap().virtual_router().counters
    }

    pub(crate) fn priorities_sent(&self) -> Vec<u8> {
        sent(&self.effects)
    }

    pub(crate) fn tick(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
    }
}

pub(crate) fn sent(effects: &[Effect]) -> Vec<u8> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Advertise { priority, .. } => Some(*priority),
            _ => None,
        })
        .collect()
}

pub(crate) fn kernel_address(interface: IfIndex, text: &str, marked: bool) -> rtnl::Address {
    let address: IpAddr = text.parse().unwrap();
    let prefix_len = if address.is_ipv4() { 24 } else { 64 };
    rtnl::Address { interface, address, prefix_len, usable: true, marked }
}

pub(crate) fn outgoing(vrid: u8, priority: u8, source: IpAddr) -> Outgoing {
    Outgoing {
        version: Version::V3,
        vrid: Vrid::new(vrid).unwrap(),
        priority,
        interval: Interval::SECOND,
        password: None,
        checksum: ChecksumForm::PseudoHeader,
        source,
        destination: match source {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
        },
    }
}

pub(crate) fn message(outgoing: &Outgoing) -> Vec<u8> {
    let address: IpAddr = match outgoing.source {
        IpAddr::V4(_) => "10.0.0.1".parse().unwrap(),
        IpAddr::V6(_) => "fe80::1".parse().unwrap(),
    };
    let mut buffer = [0xa5; 64];
    let len = outgoing.emit([address].into_iter(), &mut buffer).unwrap();
    buffer[..len].to_vec()
}

/// An IPv4 packet as a raw socket delivers it; the kernel has checked the header's checksum.
pub(crate) fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let mut packet = vec![0x45, 0xc0, (total >> 8) as u8, total as u8, 0, 0, 0, 0, ttl, 112, 0, 0];
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(payload);
    packet
}

/// What leaves: messages, requests and frames.
#[derive(Default)]
pub(crate) struct Bytes {
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) requests: Vec<Vec<u8>>,
    pub(crate) frames: Vec<Vec<u8>>,
    /// Each with its hop limit.
    pub(crate) datagrams: Vec<(u8, Vec<u8>)>,
}

impl Outlet for Bytes {
    fn join(&mut self, _: IfIndex, _: IpAddr) -> Result<(), Unsent> {
        Ok(())
    }
    fn message(&mut self, _: IfIndex, _: IpAddr, _: IpAddr, payload: &[u8]) -> Result<(), Unsent> {
        self.messages.push(payload.to_vec());
        Ok(())
    }
    fn advert(&mut self, _: IfIndex, _: &[u8]) -> Result<(), Unsent> {
        panic!("an advertisement with a virtual MAC");
    }
    fn datagram(&mut self, datagram: &Datagram<'_>) -> Result<(), Unsent> {
        self.datagrams.push((datagram.hop_limit, datagram.payload.to_vec()));
        Ok(())
    }

    fn frame(&mut self, _: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        self.frames.push(frame.to_vec());
        Ok(())
    }
    fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent> {
        self.requests.push(request.to_vec());
        Ok(())
    }
    fn netfilter(&mut self, _: &[u8]) -> Result<(), Unsent> {
        panic!("a batch");
    }

    fn ipvs(&mut self, _: &mut [u8]) -> Result<(), Unsent> {
        panic!("nobody has asked for virtual servers");
    }
}

/// The bytes that an effect becomes.
pub(crate) fn performed(bench: &Bench, effect: Effect) -> Bytes {
    let mut bytes = Bytes::default();
    perform(&bench.router, effect, &mut bytes).unwrap();
    bytes
}
