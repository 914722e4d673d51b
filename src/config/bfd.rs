//! `config bfd_instance`, and `bfd` of an instance: whom there is a BFD session with.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::instance::Halves;
use super::reader::{Numeric, Reader, Value, first, words_of};
use super::track::WEIGHT;
use super::uci::Section;
use super::value;
use super::{Bfd, BfdId, Config, Family, InterfaceId, PeerBfd, Span, Tracked};
use crate::bfd::Rules;
use crate::limits;

/// keepalived's. `ttl` is another word for `hoplimit` there, for both families.
static NUMBERS: [Numeric; 6] = [
    Numeric::flag("enabled", true),
    Numeric::whole("multiplier", [1, 255], DEFAULT.multiplier as i32),
    Numeric::flag("passive", DEFAULT.is_passive),
    Numeric::whole("hoplimit", [1, 255], 0),
    Numeric::whole("ttl", [1, 255], HOP_LIMIT as i32),
    Numeric::whole("max_hops", [0, HOP_LIMIT as i32], 0),
];

static WATCHES_PEERS: [Numeric; 1] = [Numeric::flag("bfd", false)];

/// keepalived's, which are meant for a process that is never kept waiting.
const DEFAULT: Rules =
    Rules { min_tx_us: 10_000, min_rx_us: 10_000, idle_tx_us: 1_000_000, multiplier: 5, is_passive: false };

/// What RFC 5881 §5 has both ends send and demand, over IPv4 and IPv6. keepalived sends 64 over IPv6, and so its packets
/// are dropped by whoever keeps to the RFC.
const HOP_LIMIT: u8 = 255;

/// Milliseconds: of what is sent while a session is up, and while it is not (RFC 5880 §6.8.3). keepalived has the same.
const LEAST_MS: i32 = 1;
const LEAST_IDLE_MS: i32 = 1000;

/// keepalived takes 4294967, an hour and more.
const GREATEST_MS: i32 = 999_999;

impl<'d> Reader<'d, '_> {
    /// `config bfd_instance`: a session, whether something tracks it or not.
    #[inline(never)]
    pub(super) fn read_session(&mut self, section: Section<'d>) {
        self.manner_of(section, &WEIGHT);
        let [_enabled, multiplier, passive, hop_limit, ttl, max_hops] = self.numbers(section, &NUMBERS);
        let rules = Rules {
            min_tx_us: self.micros(section, "min_tx", LEAST_MS, DEFAULT.min_tx_us),
            min_rx_us: self.micros(section, "min_rx", LEAST_MS, DEFAULT.min_rx_us),
            idle_tx_us: self.micros(section, "idle_tx", LEAST_IDLE_MS, DEFAULT.idle_tx_us),
            multiplier: multiplier as u8,
            is_passive: passive != 0,
        };
        let hop_limit = if hop_limit == 0 { ttl } else { hop_limit } as u8;
        self.check_hop_limit(section, hop_limit);
        let interface = self.scalar(section, "interface");
        let interface = interface.map(|value| self.device(value, "interface"));
        let source = self.session_address(section, "source_ip");
        if first(section, "neighbor_ip").is_none() {
            self.missing(section, "neighbor_ip");
        }
        let Some((word, neighbor)) = self.session_address(section, "neighbor_ip") else { return };
        if let Some((source, address)) = source {
            self.check_session_source(source, address, word, neighbor);
        }
        let session = Bfd {
            name: self.section_name(section),
            neighbor,
            source: source.map(|(_, address)| address),
            interface: interface.flatten(),
            rules,
            hop_limit,
            least_hop_limit: HOP_LIMIT.saturating_sub(max_hops as u8),
        };
        self.check_neighbor(word, &session, interface.is_some());
        let Some(id) = self.enter_session(section.line(), session) else { return };
        // As many as sessions.
        let _ = self.bfd_sections.push(section.index());
        self.enter_hook(section, Tracked::Bfd(id));
    }

    fn enter_session(&mut self, line: u32, session: Bfd) -> Option<BfdId> {
        let position = self.config.bfd.len();
        if self.config.bfd.push(session).is_err() {
            self.full(line, "VIPD_BFD_SESSIONS", limits::BFD_SESSIONS_MAX);
            return None;
        }
        Some(BfdId(position as u8))
    }

    /// Milliseconds with up to three decimals, as microseconds.
    fn micros(&mut self, section: Section<'d>, name: &str, least_ms: i32, default_us: u32) -> u32 {
        let Some(value) = self.scalar(section, name) else { return default_us };
        let range = least_ms * 1000..=GREATEST_MS * 1000;
        let micros = value::decimal(value.text, 3).filter(|micros| range.contains(micros));
        if micros.is_none() {
            self.error_with(
                value.line,
                "%a %B is out of range: write milliseconds from %m to %n, with at most 3 decimals",
                &[name.as_bytes(), value.text],
                [least_ms, GREATEST_MS],
            );
        }
        micros.map_or(default_us, i32::cast_unsigned)
    }

    fn check_hop_limit(&mut self, section: Section<'d>, number: u8) {
        let (hop_limit, ttl) = (first(section, "hoplimit"), first(section, "ttl"));
        if let (Some(_), Some(ttl)) = (hop_limit, ttl) {
            self.wrong(&ttl, &"ttl %A is another word for hoplimit: remove one of the two");
        } else if let Some(value) = hop_limit.or(ttl).filter(|_| number != HOP_LIMIT) {
            self.idle(
                &value,
                &"hoplimit %A: a neighbour that keeps to RFC 5881 drops whatever has less than 255, and max_hops \
                 counts from 255 here: remove it",
            );
        }
    }

    /// The address of a router.
    fn session_address(&mut self, section: Section<'d>, name: &str) -> Option<(Value<'d>, IpAddr)> {
        let value = self.scalar(section, name)?;
        let address = value::address(value.text).filter(|address| value::is_host(*address));
        if address.is_none() {
            self.wrong_option(
                &value,
                name,
                &"%a %B is no address of a router: write one like 192.168.1.2 or fe80::2",
            );
        }
        Some((value, address?))
    }

    fn check_session_source(
        &mut self,
        source: Value<'d>,
        address: IpAddr,
        word: Value<'d>,
        neighbor: IpAddr,
    ) {
        let sentence = if Family::of(address) != Family::of(neighbor) {
            "source_ip %A and neighbor_ip %B are of different families: write two of the same"
        } else if address == neighbor {
            "source_ip %A is neighbor_ip too: write an address there that this router has"
        } else {
            return;
        };
        self.error(source.line, sentence, &[source.text, word.text]);
    }

    /// What comes is told apart by its sender, and the device that it comes by.
    fn check_neighbor(&mut self, word: Value<'d>, session: &Bfd, has_interface: bool) {
        let is_local = match session.neighbor {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        if is_local && !has_interface {
            self.wrong(&word, &"neighbor_ip %A is looked for on one network: write its interface");
        }
        let is_same = |other: &Bfd| {
            other.neighbor == session.neighbor
                && (other.interface.is_none()
                    || session.interface.is_none()
                    || other.interface == session.interface)
        };
        let Some(position) = self.config.bfd.iter().position(is_same) else { return };
        let other = self.bfd_sections.get(position).copied().unwrap_or(0);
        let other = self.document.sections().nth(usize::from(other));
        self.error_with(
            word.line,
            "the bfd_instance of line %m has neighbor_ip %A too: remove one, or give each an interface of its own",
            &[word.text],
            [other.map_or(0, Section::line) as i32, 0],
        );
    }

    /// The session of a section; `None` if it has not become one, which was reported.
    pub(super) fn session_of(&self, section: Section<'d>) -> Option<BfdId> {
        let position = self.bfd_sections.iter().position(|index| *index == section.index())?;
        Some(BfdId(position as u8))
    }

    /// `option bfd`: a session to each of an instance's peers.
    pub(super) fn watch_peers(
        &mut self,
        section: Section<'d>,
        interface: InterfaceId,
        sources: (Option<Ipv4Addr>, Option<Ipv6Addr>),
        halves: &Halves,
    ) {
        let [is_asked] = self.numbers(section, &WATCHES_PEERS);
        let Some(asked) = first(section, "bfd").filter(|_| is_asked != 0) else { return };
        if !cfg!(feature = "bfd") {
            self.error(asked.line, "bfd is not in this build of vipd: remove it", &[]);
            return;
        }
        if words_of(section, "unicast_peer").next().is_none() {
            let sentence =
                "bfd watches each unicast_peer, and there is none: write the other routers' addresses there";
            self.error(asked.line, sentence, &[]);
        }
        for word in words_of(section, "unicast_peer") {
            let Some((word, address)) = self.peer_address(word) else { continue };
            let (half, source) = match address {
                IpAddr::V4(_) => (&halves.v4, sources.0.map(IpAddr::V4)),
                IpAddr::V6(_) => (&halves.v6, sources.1.map(IpAddr::V6)),
            };
            let Some(session) = self.session_with(word, address, source, interface) else { return };
            let peers = self.config.peers.get_mut(half.peers.range()).unwrap_or(&mut []);
            if let Some(peer) = peers.iter_mut().find(|peer| peer.address == address) {
                peer.bfd = PeerBfd::of(session);
            }
        }
    }

    /// The address of a peer as the file has it; `None`: it has none, which was reported.
    fn peer_address(&self, word: Value<'d>) -> Option<(Value<'d>, IpAddr)> {
        if let Some(address) = value::address(word.text) {
            return Some((word, address));
        }
        let word = first(self.resolve("peer", word.text)?, "address")?;
        Some((word, value::address(word.text)?))
    }

    /// The session to a neighbour: that of a section or of another instance, if it goes through the device.
    fn session_with(
        &mut self,
        word: Value<'d>,
        neighbor: IpAddr,
        source: Option<IpAddr>,
        interface: InterfaceId,
    ) -> Option<BfdId> {
        let is_it = |other: &Bfd| {
            other.neighbor == neighbor && other.interface.is_none_or(|device| device == interface)
        };
        if let Some(position) = self.config.bfd.iter().position(is_it) {
            return Some(BfdId(position as u8));
        }
        // As the file writes it: nothing here can panic, and core's way to show an address could, for all that the compiler
        // sees.
        let name = self.keep(word.line, word.text);
        self.enter_session(
            word.line,
            Bfd {
                name,
                neighbor,
                source,
                interface: Some(interface),
                rules: DEFAULT,
                hop_limit: HOP_LIMIT,
                least_hop_limit: HOP_LIMIT,
            },
        )
    }

    /// keepalived's manual warns of it: where a router takes part only while the other one is there, nobody is left when
    /// that one dies.
    pub(super) fn warn_of_mutual_fault(
        &mut self,
        section: Section<'d>,
        tracks: Span,
        is_peer: &dyn Fn(&Config, IpAddr) -> bool,
    ) {
        if !cfg!(feature = "bfd") {
            return;
        }
        for word in words_of(section, "track_bfd") {
            let session =
                self.resolve("bfd_instance", word.text).and_then(|section| self.session_of(section));
            let Some(id) = session else { continue };
            let mut tracks = tracks.of(&self.config.tracks).iter();
            let is_fault =
                tracks.any(|track| track.what == Tracked::Bfd(id) && track.weight == 0 && !track.is_reversed);
            let session = self.config.bfd.get(usize::from(id.0));
            if is_fault && session.is_some_and(|session| is_peer(self.config, session.neighbor)) {
                self.idle(
                    &word,
                    &"track_bfd %A without a weight makes a fault of the death of a unicast_peer, and nobody is left \
                     to be master: write option bfd '1' in the instance instead, or a positive weight",
                );
            }
        }
    }
}
