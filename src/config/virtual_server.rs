//! `config virtual_server`: a service of the kernel's IPVS, and what its servers have in common.

use core::net::IpAddr;

use super::reader::{Numeric, Reader, Value, first, words_of};
use super::real_server::{self, Common};
use super::uci::Section;
use super::value;
use super::{SyncDaemon, Tracked, VirtualServer, VirtualServerId};
use crate::ipvs::QuorumRules;
use crate::limits;
use crate::probe::Standing;
use crate::wire::ipvs::{self, Destination, Forward, Identity, Name, Protocol, Service, Timeouts};

/// Defaults are keepalived's.
static NUMBERS: [Numeric; 15] = [
    Numeric::whole("port", [0, 65_535], 0),
    Numeric::whole("persistence_timeout", [1, PERSISTENCE_SECS_MAX], 0),
    Numeric::whole("quorum", [1, 999_999_999], 1),
    Numeric::whole("hysteresis", [0, 999_999_998], 0),
    Numeric::whole("sorry_server_port", [1, 65_535], 0),
    Numeric::flag("alpha", false),
    Numeric::flag("omega", false),
    Numeric::flag("inhibit_on_failure", false),
    Numeric::flag("ha_suspend", false),
    Numeric::flag("ops", false),
    Numeric::flag("keep", false),
    Numeric::flag("sh_port", false),
    Numeric::flag("sh_fallback", false),
    Numeric::flag("mh_port", false),
    Numeric::flag("mh_fallback", false),
];

/// 31 days, keepalived's and ipvsadm's limit.
const PERSISTENCE_SECS_MAX: i32 = 31 * 86_400;

static TIMEOUTS: [Numeric; 3] = [
    Numeric::whole("lvs_timeout_tcp", [1, PERSISTENCE_SECS_MAX], 0),
    Numeric::whole("lvs_timeout_tcpfin", [1, PERSISTENCE_SECS_MAX], 0),
    Numeric::whole("lvs_timeout_udp", [1, PERSISTENCE_SECS_MAX], 0),
];

const PROTOCOLS: &str = "tcp udp sctp TCP UDP SCTP";

/// keepalived's default.
const SCHEDULER: &[u8] = b"wlc";

impl<'d> Reader<'d, '_> {
    /// `config virtual_server` sections, each with its servers.
    pub(super) fn read_virtual_servers(&mut self) {
        for section in self.document.sections() {
            if section.is("virtual_server") && self.is_enabled(section) {
                self.read_virtual_server(section);
            }
        }
    }

    /// How long the kernel remembers connections.
    pub(super) fn read_ipvs_timeouts(&mut self, section: Section<'d>) {
        let [tcp, tcp_fin, udp] = self.numbers(section, &TIMEOUTS).map(i32::cast_unsigned);
        if cfg!(feature = "ipvs") {
            self.config.ipvs_timeouts = Timeouts { tcp_secs: tcp, tcp_fin_secs: tcp_fin, udp_secs: udp };
        } else if let Some(value) = ["lvs_timeout_tcp", "lvs_timeout_tcpfin", "lvs_timeout_udp"]
            .iter()
            .find_map(|it| first(section, it))
        {
            self.error(value.line, "IPVS is not in this build of vipd: remove this", &[]);
        }
    }

    /// `lvs_sync_daemon_interface` of the instance that is the next to be entered. The kernel has one such daemon.
    pub(super) fn read_sync_daemon(&mut self, section: Section<'d>) {
        let Some(value) = self.scalar(section, "lvs_sync_daemon_interface") else { return };
        if !cfg!(feature = "ipvs") {
            self.error(value.line, "IPVS is not in this build of vipd: remove this", &[]);
            return;
        }
        if self.config.sync_daemon.is_some() {
            self.wrong(
                &value,
                &"another instance has a lvs_sync_daemon_interface already, and the kernel has one daemon: remove %A",
            );
            return;
        }
        let Some(interface) = self.device(value, "lvs_sync_daemon_interface") else { return };
        let instance = self.config.instances.len() as u16;
        self.config.sync_daemon = Some(SyncDaemon { instance, interface });
    }

    #[inline(never)]
    fn read_virtual_server(&mut self, section: Section<'d>) {
        let [
            port,
            persistence_secs,
            quorum,
            hysteresis,
            sorry_port,
            alpha,
            omega,
            inhibits,
            suspends,
            is_ops,
            keeps,
            flags @ ..,
        ] = self.numbers(section, &NUMBERS);
        let common = self.common(section, alpha != 0, inhibits != 0);
        // Each of its servers reads it again, in silence.
        let _ = self.host(section);
        let Some(identity) = self.identity(section, port as u16) else { return };
        if hysteresis >= quorum {
            self.error_with(
                section.line(),
                "hysteresis %m is not less than quorum %n: the quorum would never be lost, so write less",
                &[],
                [hysteresis, quorum],
            );
        }
        let scheduler = self.scheduler(section);
        let mut service = Service {
            identity,
            scheduler,
            flags: scheduler_flags(flags.map(|flag| flag != 0), is_ops != 0),
            timeout_secs: persistence_secs.cast_unsigned(),
            prefix_len: if identity.is_v6() { 128 } else { 32 },
            is_sip: self.is_sip(section),
        };
        if is_ops != 0
            && !matches!(identity, Identity::Address { protocol: Protocol::Udp, .. } | Identity::Mark { .. })
        {
            self.error(section.line(), "ops is for UDP, where every packet is by itself: remove it", &[]);
        }
        self.persistence(section, &mut service);
        if let Identity::Address { port: 0, .. } = identity
            && service.timeout_secs == 0
            && let Some(port) = first(section, "port")
        {
            self.wrong(
                &port,
                &"port %A means all ports, which needs a persistence_timeout: write one, or a port",
            );
        }
        let id = VirtualServerId(self.config.virtual_servers.len() as u16);
        let name = self.section_name(section);
        let sorry = self.sorry_server(section, &identity, sorry_port as u16, &common);
        let start = self.config.real_servers.len();
        self.real_servers(section, id, &identity, &common);
        let servers = super::reader::span(start, self.config.real_servers.len());
        if servers.is_empty() && sorry.is_none() && self.is_usable {
            self.missing(section, "real_server");
        }
        let server = VirtualServer {
            name,
            service,
            servers,
            sorry,
            quorum: QuorumRules { weight: quorum.cast_unsigned(), hysteresis: hysteresis.cast_unsigned() },
            is_omega: omega != 0,
            suspends: suspends != 0,
            keeps: keeps != 0,
        };
        self.check_service(section, &identity);
        if self.config.virtual_servers.push(server).is_err() {
            self.full(section.line(), "VIPD_VIRTUAL_SERVERS", limits::VIRTUAL_SERVERS_MAX);
            return;
        }
        let what = Tracked::Service(id);
        self.enter_script(section, "notify", what, None, name);
        self.enter_script(section, "quorum_up", what, Some(Standing::Up), name);
        self.enter_script(section, "quorum_down", what, Some(Standing::Down), name);
    }

    /// What identifies a service: an address with protocol and port, or a mark of the packet filter.
    fn identity(&mut self, section: Section<'d>, port: u16) -> Option<Identity> {
        let address = self.scalar(section, "ipaddr");
        if let Some(value) = self.scalar(section, "fwmark") {
            let Some(mark) = value::mark(value.text) else {
                self.wrong(&value, &"fwmark %A is none: write a number from 1 on, like 7 or 0x42");
                return None;
            };
            if let Some(address) = address {
                self.wrong(&address, &"there is a fwmark, which needs no ipaddr: remove %A, or the fwmark");
            }
            for word in ["port", "ha_suspend"] {
                if address.is_none()
                    && let Some(value) = first(section, word).filter(|value| value::is_asking(value.text))
                {
                    self.warn(value.line, "%a has no effect with a fwmark: remove it", &[word.as_bytes()]);
                }
            }
            return Some(Identity::Mark { mark, is_v6: self.mark_is_v6(section) });
        }
        let Some(value) = address else {
            self.missing(section, "ipaddr");
            return None;
        };
        // keepalived's users write the length of a prefix that means nothing here.
        let text = value.text.split(|byte| *byte == b'/').next().unwrap_or(value.text);
        let Some(address) = value::address(text).filter(|address| value::is_destination(*address)) else {
            self.wrong(&value, &"ipaddr %A is no address: write the one that clients ask, like 192.0.2.1");
            return None;
        };
        if port == 0 && first(section, "port").is_none() {
            self.missing(section, "port");
        }
        if let Some(family) = first(section, "family") {
            self.idle(&family, &"family %A has no effect: ipaddr has its own");
        }
        Some(Identity::Address { protocol: self.protocol(section), address, port })
    }

    /// A mark has no family of its own: that of `family`, or of the first server.
    fn mark_is_v6(&mut self, section: Section<'d>) -> bool {
        if let Some(family) = self.scalar(section, "family") {
            let place = value::choice(family.text, "inet inet6 ipv4 ipv6");
            if place.is_none() {
                self.wrong(&family, &"family %A is none: write inet or inet6");
            }
            return matches!(place, Some(1 | 3));
        }
        let mut servers = words_of(section, "real_server");
        let address = servers.find_map(|word| {
            let server = self.resolve("real_server", word.text)?;
            value::address(first(server, "ipaddr")?.text)
        });
        address.is_some_and(|address| address.is_ipv6())
    }

    fn protocol(&mut self, section: Section<'d>) -> Protocol {
        let Some(value) = self.scalar(section, "protocol") else { return Protocol::Tcp };
        match value::choice(value.text, PROTOCOLS) {
            Some(0 | 3) => Protocol::Tcp,
            Some(1 | 4) => Protocol::Udp,
            Some(_) => Protocol::Sctp,
            None => {
                self.wrong(&value, &"protocol %A is unknown: write tcp, udp or sctp");
                Protocol::Tcp
            }
        }
    }

    fn scheduler(&mut self, section: Section<'d>) -> Name {
        let default = Name::new(SCHEDULER).unwrap_or_default();
        let Some(value) = self.scalar(section, "lb_algo") else { return default };
        let is_word = value.text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        match Name::new(value.text).filter(|_| is_word && !value.text.is_empty()) {
            Some(name) => name,
            None => {
                self.wrong(
                    &value,
                    &"lb_algo %A cannot be a scheduler: write one that the kernel has, like rr, wrr, lc, wlc, sh or mh",
                );
                default
            }
        }
    }

    fn is_sip(&mut self, section: Section<'d>) -> bool {
        let Some(value) = self.scalar(section, "persistence_engine") else { return false };
        if value.text != b"sip" {
            self.wrong(
                &value,
                &"persistence_engine %A is unknown: write sip, which is the one that Linux has",
            );
        }
        true
    }

    /// Whose connections go to the same server, and for how long.
    fn persistence(&mut self, section: Section<'d>, service: &mut Service) {
        if service.timeout_secs > 0 {
            service.flags |= ipvs::PERSISTENT;
        }
        let Some(value) = self.scalar(section, "persistence_granularity") else { return };
        let longest = service.prefix_len;
        let len = match value::address(value.text) {
            // A mask of ones and then zeros.
            Some(IpAddr::V4(mask)) if longest == 32 => {
                let bits = mask.to_bits();
                (bits.leading_ones() + bits.trailing_zeros() >= 32).then(|| bits.leading_ones() as i32)
            }
            Some(_) => None,
            None => value::integer(value.text),
        };
        match len.filter(|len| (1..=i32::from(longest)).contains(len)) {
            Some(len) => service.prefix_len = len as u8,
            None => self.error_with(
                value.line,
                "persistence_granularity %A is no mask: write one like 255.255.255.0, or a length from 1 to %m",
                &[value.text],
                [i32::from(longest), 0],
            ),
        }
        if service.timeout_secs == 0 {
            self.idle(&value, &"persistence_granularity %A has no effect without a persistence_timeout");
        }
    }

    /// Who serves while nobody else does.
    fn sorry_server(
        &mut self,
        section: Section<'d>,
        identity: &Identity,
        port: u16,
        common: &Common,
    ) -> Option<Destination> {
        let value = self.scalar(section, "sorry_server_ip")?;
        let forward = self.forward(section, "sorry_server_lb_kind").unwrap_or(common.forward);
        let address = self.server_address(value, "sorry_server_ip", identity, forward)?;
        Some(Destination {
            address,
            port: real_server::port(port, identity),
            forward,
            weight: 1,
            upper: 0,
            lower: 0,
        })
    }

    /// Two sections cannot be the same service.
    fn check_service(&mut self, section: Section<'d>, identity: &Identity) {
        let known = self.config.virtual_servers.iter().position(|other| other.service.identity == *identity);
        let Some(other) = known.and_then(|place| self.config.virtual_servers.get(place)) else { return };
        let name = other.name;
        let kept = self.config.bytes(name);
        let mut copy = [0; limits::NAME_BYTES_MAX];
        let len = kept.len().min(copy.len());
        copy.get_mut(..len).unwrap_or(&mut []).copy_from_slice(kept.get(..len).unwrap_or(&[]));
        self.error(
            section.line(),
            "virtual_server %A has the same address, port and protocol: make one section of the two",
            &[copy.get(..len).unwrap_or(&[])],
        );
    }

    /// How packets get to the servers; `None`: the file does not say, or says it wrong.
    pub(super) fn forward(&mut self, section: Section<'d>, option: &str) -> Option<Forward> {
        let value = self.scalar(section, option)?;
        match value::choice(value.text, "NAT DR TUN nat dr tun") {
            Some(0 | 3) => Some(Forward::Masquerade),
            Some(1 | 4) => Some(Forward::Direct),
            Some(_) => Some(Forward::Tunnel(self.tunnel(section))),
            None => {
                self.wrong_option(&value, option, &"%a %B is unknown: write NAT, DR or TUN");
                None
            }
        }
    }

    /// The address of a server, which is of the service's family unless a tunnel leads there.
    pub(super) fn server_address(
        &mut self,
        value: Value<'d>,
        option: &str,
        identity: &Identity,
        forward: Forward,
    ) -> Option<IpAddr> {
        let address = value::address(value.text).filter(|address| value::is_destination(*address));
        let Some(address) = address else {
            self.wrong_option(
                &value,
                option,
                &"%a %B is not the address of a host: write one like 192.0.2.1",
            );
            return None;
        };
        if address.is_ipv6() != identity.is_v6() && !matches!(forward, Forward::Tunnel(_)) {
            self.wrong_option(
                &value,
                option,
                &"%a %B is of another family than the virtual server: write one of its family, or lb_kind TUN",
            );
        }
        Some(address)
    }

    /// The script of an option, which is told of one standing alone, or of every one.
    pub(super) fn enter_script(
        &mut self,
        section: Section<'d>,
        option: &str,
        what: Tracked,
        only: Option<Standing>,
        name: super::Text,
    ) {
        let Some(path) = self.script_path(section, option) else { return };
        let notify = self.keep(path.line, path.text);
        let hook = super::TrackHook { name, notify, what, is_script: false, only };
        if self.config.track_hooks.push(hook).is_err() || self.hook_sections.push(section.index()).is_err() {
            self.full(path.line, "VIPD_TRACK_HOOKS", limits::TRACK_HOOKS_MAX);
        }
    }
}

/// Each scheduler has two flags of its own, and its own words for them.
const fn scheduler_flags([sh_port, sh_fallback, mh_port, mh_fallback]: [bool; 4], is_ops: bool) -> u32 {
    let mut flags = if is_ops { ipvs::ONE_PACKET } else { 0 };
    if sh_fallback || mh_fallback {
        flags |= ipvs::SCHED_1;
    }
    if sh_port || mh_port {
        flags |= ipvs::SCHED_2;
    }
    flags
}
