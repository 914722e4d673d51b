//! A whole router that is told anything: packets, kernel messages that contradict each other, reloads, time that
//! stands still and time that leaps. There is no world behind it that could be right, so what must hold is what holds
//! in spite of lies; where the world is true, [`super::segment`] asks for more.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use std::sync::OnceLock;

use smoltcp::wire::{EthernetFrame, Icmpv6Message, Icmpv6Packet, IpAddress, Ipv6Packet, UdpPacket};
use vipd::config::schema;
use vipd::config::uci::Document;
use vipd::config::{BfdId, Config, Family, FileId};
use vipd::limits;
use vipd::perform::{self, Outlet, Unsent};
use vipd::probe::Standing;
use vipd::router::{
    self, Effect, Effects, Event, Failure, HookOwner, Packet, Parcel, Router, Slot, Ticket, TryTicket,
};
use vipd::status::{PACKET_BYTES_MAX, Reply};
use vipd::time::{Instant, Interval};
use vipd::vrrp::{Cause, Fault, Phase};
use vipd::wire::frame::Ipv4Packet;
use vipd::wire::ipvs;
use vipd::wire::link::{Arp, Details};
use vipd::wire::nft;
use vipd::wire::route::Network;
use vipd::wire::rtnl::{self, Message};
use vipd::wire::vrrp::{ChecksumForm, Outgoing, Password, Version, Vrid};
use vipd::wire::{IfIndex, Mac};

use super::advert::verdict;
use super::choices::Choices;
use crate::frame::{self, Content};
use crate::neighbour::{self, Said};
use crate::netlink::{Datagram, Wish, requests};

/// Events of one run.
const EVENTS_MAX: usize = 300;

const CONFIGS: [&str; 8] = [
    "config vrrp_instance a\noption interface eth0\noption virtual_router_id 7\n\
     list virtual_ipaddress 10.0.0.1/24\n",
    "config vrrp_instance a\noption interface eth0\noption virtual_router_id 7\noption version 3\n\
     option advert_int 0.1\noption priority 150\noption notify /bin/true\n\
     option claim_script /bin/true\noption claim_wait 2\nlist virtual_ipaddress 10.0.0.1/24\n\
     list virtual_ipaddress fe80::1/64\nlist virtual_ipaddress 2001:db8::1/64\noption router_advert 1\n\
     list ra_prefix 2001:db8::/64\noption ra_maxinterval 30\nlist track_interface 'eth1 weight -60'\n\
     list track_script 'isp dns weight 9'\n\
     list track_file 'load'\nconfig track_file load\noption file /run/load\noption notify /bin/true\n\
     config vrrp_script isp\noption script /bin/true\noption fall 2\noption notify /bin/true\n\
     config vrrp_script dns\noption script /bin/false\noption interval 3\noption timeout 9\n",
    "config vrrp_instance a\noption interface eth0\noption virtual_router_id 7\noption nopreempt 1\n\
     option auth_type PASS\noption auth_pass 1111\noption notify /bin/true\n\
     list virtual_ipaddress 10.0.0.1/32\nlist virtual_ipaddress '10.0.1.1/24 dev eth1'\n\
     list virtual_ipaddress_excluded '2001:db8::9/64 10.0.0.9/24'\n\
     list virtual_routes '10.9.0.0/16 via 10.0.0.254 default dev eth1 fd00::/8 via fe80::9 dev eth0'\n\
     list virtual_rules 'from 10.9.0.0/16 iif eth1 table 9 priority 9'\n\
     list track_interface 'uplink six weight -30'\nlist track_probe 'far weight 20 web'\n\
     config track_interface uplink\noption type route\noption notify /bin/true\n\
     config track_interface six\noption type route\n\
     option family ipv6\noption value eth1\nconfig probe far\noption type ping\noption address fe80::9\n\
     option interface eth0\nconfig probe web\noption type http\noption address 10.0.0.9\noption init_fail 1\noption notify /bin/true\n\
     config vrrp_instance b\noption interface eth1\noption virtual_router_id 7\noption preempt_delay 3\n\
     list virtual_ipaddress 10.0.2.1/24\nlist track_interface 'near isp'\n\
     config track_interface near\noption value eth0\noption notify /bin/true\n\
     config track_interface isp\noption value eth1\noption notify /bin/false\n\
     config vrrp_sync_group g\nlist group a\nlist group b\noption notify /bin/false\n",
    "config vrrp_instance b\noption interface eth1\noption virtual_router_id 8\noption priority 255\n\
     option garp_master_refresh 2\noption garp_interval 0.2\nlist virtual_ipaddress 10.0.0.11/24\n\
     list virtual_routes '10.9.0.0/16 via 10.0.0.253 blackhole 10.8.0.0/16'\n",
    "config globals g\noption vrrp_startup_delay 2\noption vrrp_version 3\n\
     config vrrp_instance u\noption interface eth0\noption virtual_router_id 9\noption unicast_src_ip 10.0.0.11\n\
     list unicast_peer 10.0.0.12\nlist unicast_peer 10.0.0.13\nlist virtual_ipaddress 10.0.0.1/24\n\
     option checksum rfc9568\noption dont_track_primary 1\noption advert_int 0.01\n",
    "",
    "config vrrp_instance a\noption interface eth0\noption virtual_router_id 7\noption version 3\noption use_vmac 1\noption no_accept 1\n\
     list virtual_ipaddress 10.0.0.1/24\nlist virtual_ipaddress fe80::1/64\noption address_lifetime 3\n\
     config vrrp_instance b\noption interface eth1\noption virtual_router_id 7\noption use_vmac v7\n\
     option vmac_xmit_base 1\nlist virtual_ipaddress 10.0.2.1/24\nlist virtual_ipaddress '10.0.0.1/24 dev eth0'\n",
    "config vrrp_instance w\noption interface eth0\noption virtual_router_id 7\noption version 3\noption bfd 1\n\
     list unicast_peer 10.0.0.12\nlist unicast_peer fe80::12\nlist unicast_peer fe80::13\n\
     list virtual_ipaddress 10.0.0.1/24\nlist virtual_ipaddress fe80::1/64\n\
     list track_bfd 'up weight -30 reverse'\n\
     config bfd_instance up\noption neighbor_ip 10.0.2.9\noption interface eth1\noption min_tx 100\n\
     option max_hops 1\noption notify /bin/true\n\
     config bfd_instance late\noption neighbor_ip 10.0.0.13\noption source_ip 10.0.0.11\noption passive 1\n",
];

const DEVICES: [&str; 3] = ["eth0", "eth1", "other"];
const VMAC_DEVICES: [&str; 4] = ["vrrp.7", "vrrp6.7", "v7", "vrrp.7"];
const MAC: Mac = Mac([2, 0, 0, 0, 0, 0x11]);

fn configs() -> &'static [Config] {
    static READ: OnceLock<Vec<Config>> = OnceLock::new();
    READ.get_or_init(|| {
        let mut document = Box::new(Document::new());
        let read = |text: &&str| {
            document.buffer()[..text.len()].copy_from_slice(text.as_bytes());
            document.parse(text.len()).unwrap();
            let mut config = Config::new();
            assert!(schema::read(&document, &[], &mut config, &mut |_| {}), "{text}");
            config
        };
        CONFIGS.iter().map(read).collect()
    })
}

/// A link that may be a virtual MAC's.
fn vmac_link(how: u8) -> rtnl::Link<'static> {
    let family = how & 1;
    let mac = if how & 2 == 0 { Mac([0, 0, 0x5e, 0, 1 + family, 7]) } else { MAC };
    let details = Details {
        macvlan_on: Some(IfIndex(u32::from(how >> 2 & 3))),
        is_on: how & 0x20 != 0,
        ..Details::NONE
    };
    rtnl::Link {
        index: IfIndex(u32::from(how >> 4 & 1) + 4),
        name: VMAC_DEVICES[usize::from(how >> 6 & 2 | family)],
        mac: Some(mac),
        running: how & 0x40 != 0,
        details,
    }
}

/// Decisions: which configuration, then event after event.
pub fn router(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let config = &configs()[choices.below(CONFIGS.len())];
    let mut bench = Bench::new();
    bench.handle(Event::Adopt(&mut config.clone()));
    bench.handle(Event::Start { keeps_marks: choices.is_so(), seed: 1 });
    for _ in 0..EVENTS_MAX {
        if choices.is_over() {
            break;
        }
        bench.step(&mut choices);
    }
    bench.end();
}

/// What identifies a virtual router over reloads.
type Identity = (String, u8, Family);

struct Bench {
    router: Box<Router>,
    effects: Box<Effects>,
    now: Instant,
    /// Claimed and not released since.
    claimed: Vec<Identity>,
    /// Scripts that run, and whose they are.
    hooks: Vec<(Ticket, String)>,
    /// Tries that have not ended.
    tries: Vec<TryTicket>,
    /// The last list that was asked for.
    sequence: u32,
    /// It is asked for, and not told to the end: what a reload brought has not been looked at.
    is_asking: bool,
    is_stopping: bool,
}

impl Bench {
    fn new() -> Self {
        Self {
            router: Box::new(Router::new()),
            effects: Box::new(Effects::new()),
            now: Instant::from_origin(Duration::from_secs(1000)),
            claimed: Vec::new(),
            hooks: Vec::new(),
            tries: Vec::new(),
            sequence: 0,
            is_asking: false,
            is_stopping: false,
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(24) {
            0 | 1 => self.pass(choices),
            2 | 3 => self.timer(),
            4 => self.spurious_timer(),
            5..=8 => self.forged(choices),
            9 => self.raw_packet(choices),
            10 | 11 => self.link(choices),
            12 | 13 => self.address(choices),
            14 | 15 => {
                let torn = choices.below(8) == 1;
                self.handle(Event::Kernel(Message::Done { sequence: self.sequence, torn }));
            }
            16 => self.datagram(choices.some()),
            17 => self.rare(choices),
            18 => {
                let ticket = match self.hooks.first() {
                    Some((ticket, _)) => *ticket,
                    None => Ticket(choices.number()),
                };
                self.handle(Event::HookEnded(ticket));
            }
            20..=22 => self.session(choices),
            23 => {
                let payload = choices.some();
                self.said(choices.byte(), "10.0.0.12".parse().unwrap(), 255, payload);
            }
            _ => {
                let config = &configs()[choices.below(CONFIGS.len())];
                self.handle(Event::Prepare(config));
                self.handle(Event::Adopt(&mut config.clone()));
            }
        }
    }

    fn pass(&mut self, choices: &mut Choices<'_>) {
        let unit = choices.one_of(&[1, 10, 100, 1000, 60_000]);
        self.now = self.now + Duration::from_millis(unit * u64::from(choices.byte()));
    }

    /// Goes to the next deadline. What was due is done then: nothing stays due.
    fn timer(&mut self) {
        let Some(due) = self.router.poll_at() else { return };
        self.now = self.now.max(due);
        for _ in 0..8 {
            self.handle(Event::Timer);
            if self.router.poll_at().is_none_or(|at| at > self.now) {
                return;
            }
        }
        panic!("a deadline stays due");
    }

    /// Law 3.
    fn spurious_timer(&mut self) {
        let due = self.router.poll_at();
        if due.is_none_or(|at| at > self.now) {
            let before = self.phases();
            self.handle(Event::Timer);
            assert!(self.effects.is_empty(), "law 3: a spurious timer has effects");
            assert_eq!((self.router.poll_at(), self.phases()), (due, before), "law 3");
        }
    }

    /// An advertisement that is right but for what the bytes make wrong.
    fn forged(&mut self, choices: &mut Choices<'_>) {
        let slots: Vec<_> = self.router.slots().filter_map(|slot| self.router.view(slot)).collect();
        let Some(view) = slots.get(choices.below(slots.len().max(1))) else { return };
        let (family, group) = (view.rules.family, view.group());
        let (source, own): (IpAddr, IpAddr) = match family {
            Family::V4 => {
                let host = choices.one_of(&[12, 9, 13, 11, 200]);
                (Ipv4Addr::new(10, 0, 0, host).into(), Ipv4Addr::new(10, 0, 0, 11).into())
            }
            Family::V6 => {
                let host = choices.one_of(&[0x12, 9, 0x13, 0x11, 0x200]);
                let address = |host| IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, host));
                (address(host), address(0x11))
            }
        };
        let outgoing = Outgoing {
            version: if choices.below(8) == 1 { Version::V3 } else { view.rules.version },
            vrid: view.rules.vrid,
            priority: choices.byte(),
            interval: match choices.below(4) {
                1 => Interval::from_centis(choices.number() % 4096).unwrap_or(Interval::SECOND),
                _ => view.rules.interval,
            },
            password: view
                .rules
                .password
                .filter(|_| choices.below(8) != 1)
                .or(Password::new(b"x"))
                .filter(|_| view.rules.password.is_some() || choices.below(8) == 1),
            checksum: choices.one_of(&[ChecksumForm::PseudoHeader, ChecksumForm::MessageOnly]),
            source,
            destination: if choices.below(8) == 1 { own } else { group.unwrap_or(own) },
        };
        let interface = view.link.unwrap_or(IfIndex(1));
        let mut message = [0; 512];
        let addresses = view.advertised().map(|it| it.address);
        let len = outgoing.emit(addresses, &mut message).unwrap();
        if choices.below(8) == 1 {
            message[usize::from(choices.byte()) % len] ^= choices.byte();
        }
        let ttl = if choices.below(8) == 1 { choices.byte() } else { 255 };
        self.deliver(interface, source, outgoing.destination, ttl, &message[..len]);
    }

    fn deliver(&mut self, interface: IfIndex, source: IpAddr, destination: IpAddr, ttl: u8, message: &[u8]) {
        let is_right = verdict(message, source, destination).is_ok();
        match (source, destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let packet = Packet::V6 { interface, source, destination, hop_limit: ttl, message };
                self.packet(packet, is_right);
            }
            (IpAddr::V4(_), _) | (_, IpAddr::V4(_)) => {
                let whole = frame::vrrp(MAC, MAC, source, destination, ttl, message);
                let packet = Packet::V4 { interface, packet: &whole[14..] };
                self.packet(packet, is_right);
            }
        }
    }

    fn raw_packet(&mut self, choices: &mut Choices<'_>) {
        let interface = IfIndex(choices.byte().into());
        if choices.is_so() {
            let packet = choices.some();
            let is_right = Ipv4Packet::parse(packet)
                .is_ok_and(|it| verdict(it.payload, it.source.into(), it.destination.into()).is_ok());
            self.packet(Packet::V4 { interface, packet }, is_right);
        } else {
            let (source, destination) = (choices.array::<16>().into(), choices.array::<16>().into());
            let (hop_limit, message) = (choices.byte(), choices.some());
            let is_right = verdict(message, IpAddr::V6(source), IpAddr::V6(destination)).is_ok();
            self.packet(Packet::V6 { interface, source, destination, hop_limit, message }, is_right);
        }
    }

    /// Law 10: what is wrong in itself touches nothing.
    fn packet(&mut self, packet: Packet<'_>, is_right: bool) {
        let before = (self.phases(), self.router.poll_at());
        self.handle(Event::Packet(packet));
        if !is_right {
            assert!(self.effects.is_empty(), "law 10: a defective packet has effects");
            assert_eq!((self.phases(), self.router.poll_at()), before, "law 10");
        }
    }

    /// A BFD packet that is right but for what the bytes make wrong.
    fn session(&mut self, choices: &mut Choices<'_>) {
        let all = &self.router.config().bfd;
        let Some((bfd, id)) = all.get(choices.below(all.len().max(1))).map(|it| (it, it.name)) else {
            return;
        };
        let position = all.iter().position(|it| it.name == id).unwrap_or(0);
        let (from, hop_limit) = (bfd.neighbor, bfd.least_hop_limit);
        let ours = self.router.bfd_control(BfdId(position as u8), false).map_or(0, |it| it.control.mine);
        let how = choices.byte();
        let said = Said {
            diagnostic: 0,
            state: how & 3,
            polls: how & 4 != 0,
            answers: how & 8 != 0,
            multiplier: if how & 0x40 == 0 { 3 } else { choices.byte() },
            mine: 7 + (u32::from(how) >> 4 & 1),
            yours: if how & 0x20 == 0 { ours } else { u32::from(choices.byte() & 1) * ours },
            min_tx_us: 100_000,
            min_rx_us: if how & 0x40 == 0 { 100_000 } else { u32::from(choices.number()) },
            min_echo_us: 0,
        };
        let ttl = if how & 0x80 == 0 { 255 } else { hop_limit.saturating_sub(choices.byte() & 1) };
        self.said(choices.byte(), from, ttl, &said.bytes());
    }

    /// Law 10: so it is with a datagram that a receiver must discard (RFC 5880 §6.8.6).
    fn said(&mut self, interface: u8, source: IpAddr, hop_limit: u8, payload: &[u8]) {
        let (interface, destination) = (IfIndex(u32::from(interface & 3)), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let config = self.router.config();
        let from_there = config.bfd.iter().filter(|it| it.neighbor == source);
        let least = from_there.map(|it| it.least_hop_limit).min();
        let is_right = Said::read(payload).is_ok() && least.is_some_and(|least| least <= hop_limit);
        let before = (self.phases(), self.router.poll_at(), self.standings());
        self.handle(Event::Bfd(router::Datagram { interface, source, destination, hop_limit, payload }));
        if !is_right {
            assert!(self.effects.is_empty(), "law 10: a defective datagram has effects");
            assert_eq!((self.phases(), self.router.poll_at(), self.standings()), before, "law 10");
        }
    }

    fn standings(&self) -> Vec<Standing> {
        let ids = (0..self.router.config().bfd.len() as u8).map(BfdId);
        ids.map(|session| self.router.bfd_standing(session)).collect()
    }

    fn link(&mut self, choices: &mut Choices<'_>) {
        let name = choices.one_of(&DEVICES);
        let index = IfIndex(u32::from(choices.byte() % 4));
        let message = match choices.below(8) {
            0 => Message::LinkGone(index),
            1 => Message::Link(rtnl::Link { index, name, mac: None, running: true, details: Details::NONE }),
            7 => Message::Link(vmac_link(choices.byte())),
            how => {
                let loose_arp = (how > 4).then_some(Arp { ignore: 0, announce: 1 });
                let details = Details { is_bridge: how == 6, loose_arp, ..Details::NONE };
                Message::Link(rtnl::Link { index, name, mac: Some(MAC), running: how > 2, details })
            }
        };
        self.handle(Event::Kernel(message));
    }

    fn address(&mut self, choices: &mut Choices<'_>) {
        let config = self.router.config();
        let address: IpAddr = match choices.below(8) {
            0 | 1 => Ipv4Addr::new(10, 0, 0, 11).into(),
            2 | 3 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11).into(),
            4 => Ipv4Addr::from(choices.array::<4>()).into(),
            _ => match config.addresses.get(choices.below(config.addresses.len().max(1))) {
                Some(it) => it.address,
                None => Ipv4Addr::LOCALHOST.into(),
            },
        };
        let how = choices.byte();
        let interface = IfIndex(u32::from(how & 3));
        let (usable, marked) = (how & 4 == 0, how & 8 != 0);
        let prefix_len = if how & 16 == 0 { 24 } else { choices.byte() };
        let address = rtnl::Address { interface, address, prefix_len, usable, marked };
        let gone = how & 32 != 0;
        self.handle(Event::Kernel(if gone {
            Message::AddressGone(address)
        } else {
            Message::Address(address)
        }));
    }

    fn datagram(&mut self, bytes: &[u8]) {
        for message in rtnl::messages(bytes) {
            self.handle(Event::Kernel(message));
        }
    }

    fn rare(&mut self, choices: &mut Choices<'_>) {
        let interface = IfIndex(choices.byte().into());
        let errno = i32::from(choices.number());
        let what = [
            Parcel::Message(Family::V4),
            Parcel::Message(Family::V6),
            Parcel::Frame,
            Parcel::Netlink,
            Parcel::Join,
            Parcel::Bfd,
        ];
        let event = match choices.below(13) {
            12 => Event::RouteGone,
            0 => Event::Overrun,
            1 => {
                self.is_stopping = true;
                Event::Stop
            }
            2 => Event::Kernel(Message::Refused { sequence: self.sequence, errno, address: None }),
            3 => {
                let address = self
                    .router
                    .config()
                    .addresses
                    .first()
                    .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |it| it.address);
                let address =
                    rtnl::Address { interface, address, prefix_len: 24, usable: true, marked: true };
                Event::Kernel(Message::Refused { sequence: 0, errno, address: Some(address) })
            }
            4 => Event::HookEnded(Ticket(choices.number())),
            5 => Event::Release(choices.byte().into()),
            6 => Event::Reclaim(choices.byte().into()),
            7 => Event::File(FileId(choices.byte()), i32::from(choices.number()) - 1000),
            8 => {
                let ticket = self.tries.pop().unwrap_or(TryTicket(choices.number()));
                match choices.below(6) {
                    4 => Event::Exited(ticket, choices.byte()),
                    5 => Event::Untried(ticket),
                    verdict => Event::Tried(ticket, verdict != 1),
                }
            }
            9 => Event::Solicitation(Packet::V6 {
                interface: IfIndex(interface.0 % 4),
                source: Ipv6Addr::LOCALHOST,
                destination: Ipv6Addr::LOCALHOST,
                hop_limit: 255,
                message: if choices.is_so() { choices.some() } else { &[133, 0, 0, 0, 0, 0, 0, 0] },
            }),
            10 => {
                let (is_there, is_v6) = (choices.is_so(), choices.is_so());
                let datagram = Datagram::default().route(is_there, is_v6, true, interface.0, None);
                return self.datagram(&datagram.into_bytes());
            }
            _ => Event::Failed(Failure { interface, what: choices.one_of(&what), errno }),
        };
        if let Event::HookEnded(ticket) = event {
            self.hooks.retain(|(other, _)| *other != ticket);
        }
        self.handle(event);
    }

    fn handle(&mut self, event: Event<'_>) {
        if let Event::HookEnded(ticket) = event {
            self.hooks.retain(|(other, _)| *other != ticket);
        }
        if let Event::Adopt(new) = &event {
            self.forget_taken_out(new);
        }
        if matches!(event, Event::Kernel(Message::Done { sequence, .. }) if sequence == self.sequence) {
            self.is_asking = false;
        }
        self.effects.clear();
        let mut effects = core::mem::take(&mut self.effects);
        let is_prepared = matches!(event, Event::Prepare(_));
        let may_speak = !self.is_stopping || matches!(event, Event::Stop);
        self.router.handle(self.now, event, &mut effects);
        let bound = self.router.slots().count() * limits::EFFECTS_PER_VIRTUAL_ROUTER_MAX
            + self.router.config().addresses.len()
            + self.router.config().probes.len()
            + self.router.config().track_hooks.len()
            + 2 * self.router.config().router_adverts.len()
            + self.router.config().virtual_routes.len()
            + self.router.config().virtual_rules.len()
            + 2 * self.router.config().bfd.len()
            + self.router.config().virtual_servers.len()
            + 2 * limits::IPVS_CHANGES_MAX
            + 8;
        assert!(effects.len() <= bound, "law 5: {} effects", effects.len());
        let speaks = effects.iter().any(|effect| matches!(effect, Effect::Bfd { .. }));
        assert!(may_speak || !speaks, "a session goes on after the end");
        for effect in &*effects {
            self.note(*effect);
            let _ = perform::perform(&self.router, *effect, &mut Reader { config: self.router.config() });
        }
        self.effects = effects;
        let muted = self.router.muted();
        assert!(self.router.config().instances.iter().all(|it| !muted.contains(it.vrid)));
        if !is_prepared {
            self.look();
            self.sessions_differ();
        }
    }

    fn note(&mut self, effect: Effect) {
        match effect {
            Effect::Claim(slot) => {
                let identity = self.identity(slot);
                if !self.claimed.contains(&identity) {
                    self.claimed.push(identity);
                }
            }
            Effect::Release(slot) => {
                let identity = self.identity(slot);
                self.claimed.retain(|other| *other != identity);
            }
            Effect::Notify(owner, ticket) => {
                // Its script may have gone with a reload: then there is nothing to start, and it has ended at once.
                let hook = self.router.hook(owner);
                let whose = match (hook, owner) {
                    (None, _) => format!("nobody {}", ticket.0),
                    (Some(hook), HookOwner::Instance(_)) => format!("instance {}", hook.name),
                    (Some(hook), HookOwner::Group(_)) => format!("group {}", hook.name),
                    (Some(hook), HookOwner::Thing(_)) => format!("{} {}", hook.kind, hook.name),
                };
                assert!(self.hooks.iter().all(|(_, other)| *other != whose), "hooks of {whose} overlap");
                self.hooks.push((ticket, whose));
            }
            Effect::Prepare(instance, ticket) => {
                let whose = self.router.claim_hook(instance).map_or("nobody", |hook| hook.name);
                self.hooks.push((ticket, format!("claim {whose}")));
            }
            Effect::Try(_, ticket) => self.tries.push(ticket),
            Effect::DumpLinks(sequence) | Effect::DumpAddresses(sequence) | Effect::DumpRoutes(sequence) => {
                self.sequence = sequence;
                self.is_asking = true;
            }
            Effect::Announce { slot, repeat } => {
                assert!(repeat > 0);
                assert!(self.claimed.contains(&self.identity(slot)), "announced, and not claimed");
            }
            Effect::Renew(slot) => {
                assert!(self.claimed.contains(&self.identity(slot)), "renewed, and not claimed");
            }
            Effect::Join(_)
            | Effect::Advertise { .. }
            | Effect::Withdraw { .. }
            | Effect::MakeVmac(_)
            | Effect::RemoveVmac(_)
            | Effect::LoosenArp(_)
            | Effect::Routes(_) => {}
            Effect::Filter(slot) | Effect::Unfilter(slot) => {
                assert!(self.router.view(slot).unwrap().instance.acceptance.is_refused());
            }
            Effect::Ipvs(request) => {
                let config = self.router.config();
                assert!(!config.virtual_servers.is_empty() || config.sync_daemon.is_some(), "{request:?}");
            }
            Effect::Bfd { session, .. } => {
                assert!(self.router.config().bfd.get(usize::from(session.0)).is_some());
            }
            Effect::RouterAdvert { position, is_last } => {
                let instance = self.router.config().router_adverts[usize::from(position)].instance;
                let mut slots = self.router.slots();
                let speaker = slots.find(|slot| {
                    let view = self.router.view(*slot).unwrap();
                    let its = &self.router.config().instances[usize::from(instance)];
                    view.rules.family == Family::V6 && view.rules.vrid == its.vrid
                });
                let is_master = self.claimed.contains(&self.identity(speaker.unwrap()));
                assert!(is_master || is_last, "a router is advertised by no master");
            }
        }
    }

    /// Whom a reload takes out is forgotten while its script runs.
    fn forget_taken_out(&mut self, new: &Config) {
        let instances = new.instances.iter().map(|it| format!("instance {}", new.text(it.name)));
        let groups = new.groups.iter().map(|it| format!("group {}", new.text(it.name)));
        let things = new.track_hooks.iter().map(|it| format!("{} {}", it.kind(), new.text(it.name)));
        let names: Vec<_> = instances.chain(groups).chain(things).collect();
        self.hooks.retain(|(_, whose)| names.contains(whose) || whose.starts_with("nobody"));
    }

    fn identity(&self, slot: Slot) -> Identity {
        let view = self.router.view(slot).expect("an effect's slot");
        let device = self.router.config().interface_name(view.instance.interface);
        (device.into(), view.rules.vrid.get(), view.rules.family)
    }

    fn phases(&self) -> Vec<Phase> {
        let views = self.router.slots().filter_map(|slot| self.router.view(slot));
        views.map(|view| view.virtual_router().phase()).collect()
    }

    /// Every session has a name and a port of its own (RFC 5880 §6.8.1, RFC 5881 §4).
    fn sessions_differ(&self) {
        let ids = (0..self.router.config().bfd.len() as u8).map(BfdId);
        let all: Vec<_> = ids.filter_map(|session| self.router.bfd_control(session, false)).collect();
        for (position, one) in all.iter().enumerate() {
            assert!(one.control.mine != 0 && one.port >= 49_152, "{one:?}");
            for other in &all[..position] {
                assert!(
                    one.control.mine != other.control.mine && one.port != other.port,
                    "{one:?} {other:?}"
                );
            }
        }
    }

    /// Claimed by none but a master, and not before its script has ended; and what moves together stands together, once
    /// the kernel has said what there is.
    fn look(&self) {
        let mut groups = [None; limits::GROUPS_MAX];
        for slot in self.router.slots() {
            let view = self.router.view(slot).unwrap();
            let (phase, identity) = (view.virtual_router().phase(), self.identity(slot));
            let has_claimed = view.virtual_router().has_claimed();
            assert_eq!(has_claimed, self.claimed.contains(&identity), "{identity:?} is {phase:?}");
            assert!(phase == Phase::Master || !has_claimed);
            assert!(!self.is_stopping || phase == Phase::Initialize, "{identity:?} goes on after the end");
            if self.is_asking {
                continue;
            }
            // Who is released by hand waits for a successor of its own.
            if self.is_released(slot) {
                continue;
            }
            for other in self.router.slots().filter(|other| !self.is_released(*other)) {
                let other = self.router.view(other).unwrap();
                if other.rules.name == view.rules.name {
                    assert_eq!(other.virtual_router().phase(), phase, "torn families of {identity:?}");
                }
            }
            if let Some(group) = view.instance.group {
                assert_eq!(*groups[usize::from(group.0)].get_or_insert(phase), phase, "a torn group");
            }
        }
        assert!(self.claimed.len() <= self.router.slots().count());
    }

    fn is_released(&self, slot: Slot) -> bool {
        let view = self.router.view(slot).unwrap();
        let its = view.virtual_router();
        its.is_leaving() || its.cause() == Cause::Fault(Fault::Released)
    }

    fn end(&mut self) {
        for slot in self.router.slots() {
            let mut reply = Reply::Record(self.router.status(self.now, slot).unwrap());
            let mut packet = [0; PACKET_BYTES_MAX];
            let len = reply.emit(&mut packet).unwrap();
            assert_eq!(Reply::parse(&packet[..len]), Some(reply));
        }
        self.is_stopping = true;
        self.handle(Event::Stop);
        while let Some((ticket, _)) = self.hooks.first().cloned() {
            self.handle(Event::HookEnded(ticket));
        }
        assert!(self.claimed.is_empty());
    }
}

/// RFC 9568 §7.3.
fn is_virtual_mac(mac: Mac) -> bool {
    matches!(mac.0, [0, 0, 0x5e, 0, 1 | 2, vrid] if vrid > 0)
}

/// Reads everything that leaves.
struct Reader<'a> {
    config: &'a Config,
}

impl Reader<'_> {
    /// RFC 4861 §6.1.2: what a host checks.
    fn router_advert(&self, frame: &[u8]) -> Result<(), Unsent> {
        let ethernet = EthernetFrame::new_checked(frame).unwrap();
        let packet = Ipv6Packet::new_checked(ethernet.payload()).unwrap();
        let icmp = Icmpv6Packet::new_checked(packet.payload()).unwrap();
        assert!(icmp.verify_checksum(&packet.src_addr(), &packet.dst_addr()));
        assert_eq!(
            (icmp.msg_type(), icmp.msg_code(), packet.hop_limit()),
            (Icmpv6Message::RouterAdvert, 0, 255)
        );
        assert!(self.is_virtual(packet.src_addr().into()) && packet.src_addr().is_unicast_link_local());
        assert_eq!(ethernet.src_addr().0, MAC.0);
        Ok(())
    }

    fn is_virtual(&self, address: IpAddr) -> bool {
        self.config.addresses.iter().any(|it| it.address == address)
    }
}

impl Outlet for Reader<'_> {
    fn join(&mut self, _: IfIndex, group: IpAddr) -> Result<(), Unsent> {
        assert!(group.is_multicast());
        Ok(())
    }

    fn message(&mut self, _: IfIndex, from: IpAddr, to: IpAddr, payload: &[u8]) -> Result<(), Unsent> {
        assert_eq!(verdict(payload, from, to), Ok(()), "from {from} to {to}: {payload:02x?}");
        assert!(payload.len() <= limits::MESSAGE_BYTES_MAX);
        assert!(!from.is_multicast() && !from.is_unspecified());
        assert!(
            Vrid::new(payload[1]).is_some_and(|vrid| self.config.instances.iter().any(|it| it.vrid == vrid))
        );
        Ok(())
    }

    fn advert(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        let opened = frame::open(frame).unwrap();
        assert!(is_virtual_mac(opened.from));
        let Content::Vrrp { from, to, ttl, message, .. } = opened.content else { panic!("an advert") };
        assert_eq!((Some(opened.to), ttl), (frame::group_mac(to), 255));
        assert_eq!(opened.from.0[5], message[1], "the VRID");
        self.message(interface, from, to, message)
    }

    fn datagram(&mut self, datagram: &router::Datagram<'_>) -> Result<(), Unsent> {
        let router::Datagram { source, destination, hop_limit, payload, .. } = *datagram;
        assert!(self.config.bfd.iter().any(|it| (it.neighbor, it.hop_limit) == (destination, hop_limit)));
        let packet = UdpPacket::new_checked(payload).unwrap();
        assert_eq!((packet.dst_port(), usize::from(packet.len())), (neighbour::PORT, payload.len()));
        assert!(packet.src_port() >= 49_152);
        let ends: (IpAddress, IpAddress) = (source.into(), destination.into());
        // Where the kernel chooses the source, the checksum is its own.
        assert_eq!(packet.checksum() == 0, source.is_unspecified());
        assert!(source.is_unspecified() || packet.verify_checksum(&ends.0, &ends.1));
        let said = Said::read(packet.payload()).unwrap();
        assert!(!(said.polls && said.answers) && said.min_echo_us == 0);
        assert!(said.min_tx_us >= 1_000_000 || said.state == neighbour::UP);
        Ok(())
    }

    fn frame(&mut self, _: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        let Ok(opened) = frame::open(frame) else { return self.router_advert(frame) };
        assert!(opened.from == MAC || is_virtual_mac(opened.from));
        let address = match opened.content {
            Content::Arp { reply: false, sender, .. } => sender.into(),
            Content::Advertisement(it) => it.target.into(),
            other @ (Content::Arp { .. }
            | Content::Solicitation { .. }
            | Content::Echo { .. }
            | Content::Vrrp { .. }
            | Content::Udp { .. }) => {
                panic!("{other:?}")
            }
        };
        assert!(self.is_virtual(address), "{address} is announced");
        Ok(())
    }

    fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent> {
        for request in requests(request) {
            match request.wish {
                Wish::AddAddress { new, .. } => {
                    assert!(self.is_virtual(new.address) && new.mark == rtnl::ADDRESS_MARK);
                }
                Wish::DeleteAddress { address, .. } => assert!(self.is_virtual(address)),
                Wish::AddMacvlan { name, mac, .. } => {
                    assert!(VMAC_DEVICES.contains(&&*name) && is_virtual_mac(mac));
                }
                Wish::Know { mac, .. } => assert!(is_virtual_mac(mac)),
                Wish::SetArp { .. } | Wish::Silence(_) | Wish::Switch { .. } | Wish::DeleteLink(_) => {}
                Wish::AddRoute(destination, prefix_len) | Wish::DeleteRoute(destination, prefix_len) => {
                    let network = Network { address: destination, prefix_len };
                    let mut routes = self.config.virtual_routes.iter();
                    assert!(routes.any(|it| it.route.destination == network), "{network:?}");
                }
                Wish::Promote(_) => {}
                Wish::AddRule | Wish::DeleteRule => assert!(!self.config.virtual_rules.is_empty()),
                Wish::DumpLinks | Wish::DumpAddresses | Wish::DumpRoutes => {}
            }
        }
        Ok(())
    }

    /// Of whoever does not accept, and of the virtual router's own device and number.
    fn netfilter(&mut self, batch: &[u8]) -> Result<(), Unsent> {
        assert!(batch.len() <= nft::BATCH_BYTES_MAX && batch.len().is_multiple_of(4));
        let mut refusing = self.config.instances.iter().filter(|it| it.acceptance.is_refused());
        assert!(refusing.any(|it| {
            ["vipd", "vipd6"].iter().any(|vipd| {
                let name = format!("{vipd}.{}.{}\0", self.config.interface_name(it.interface), it.vrid);
                batch.windows(name.len()).any(|window| window == name.as_bytes())
            })
        }));
        Ok(())
    }

    /// Of a configuration that has virtual servers; that it is one of its own the outlet cannot know.
    fn ipvs(&mut self, request: &mut [u8]) -> Result<(), Unsent> {
        assert!(request.len() <= ipvs::REQUEST_BYTES_MAX && request.len().is_multiple_of(4));
        assert!(!self.config.virtual_servers.is_empty() || self.config.sync_daemon.is_some());
        Ok(())
    }
}
