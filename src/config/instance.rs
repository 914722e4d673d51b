//! `config vrrp_instance`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::schema::{Reader, Value, entries, words_of};
use super::uci::Section;
use super::value::{self, Words};
use super::{Announcements, Family, FamilyConfig, Instance, InterfaceId, Peer, Span, Track};
use crate::limits;
use crate::time::Interval;
use crate::wire::vrrp::{ChecksumForm, PRIORITY_OWNER, Password, Version, Vrid};

/// keepalived's default priority.
const PRIORITY_DEFAULT: u8 = 100;

/// Seconds; keepalived's limit of `preempt_delay`.
const PREEMPT_DELAY_SECS_MAX: i32 = 1000;

/// What an instance has of each family.
#[derive(Clone, Copy)]
struct Halves {
    v4: FamilyConfig,
    v6: FamilyConfig,
}

impl Halves {
    const fn has_unicast(&self) -> bool {
        !self.v4.peers.is_empty() || !self.v6.peers.is_empty()
    }

    const fn has_addresses(&self) -> bool {
        !self.v4.addresses.is_empty() || !self.v6.addresses.is_empty()
    }

    /// Whether nothing is said in the configured version.
    const fn is_only_v6(&self) -> bool {
        self.v4.addresses.is_empty() && !self.v6.addresses.is_empty()
    }
}

impl<'d> Reader<'d, '_> {
    pub(super) fn read_instances(&mut self) {
        for section in self.document.sections() {
            if section.kind() == b"vrrp_instance" && self.flag(section, "enabled", true) {
                self.read_instance(section);
            }
        }
        if self.virtual_routers > limits::VIRTUAL_ROUTERS_MAX {
            let last = self.instance_sections.last().copied().unwrap_or(0);
            let section = self.document.sections().nth(usize::from(last));
            self.full(section.map_or(1, Section::line), "VIPD_VIRTUAL_ROUTERS", limits::VIRTUAL_ROUTERS_MAX);
        }
    }

    fn read_instance(&mut self, section: Section<'d>) {
        let name = self.section_name(section);
        let interface = self.instance_device(section);
        let vrid = self.vrid(section);
        let version = self.version(section, "version", self.default_version);
        let priority = self.byte(section, "priority", [1, 255], PRIORITY_DEFAULT);
        let preempt = !self.flag(section, "nopreempt", false);
        let preempt_delay = self.duration(section, "preempt_delay", PREEMPT_DELAY_SECS_MAX);
        let wants_master = self.wants_master(section, priority);
        self.check_preemption(section, priority, preempt);
        self.check_accept(section);
        self.flag(section, "native_ipv6", false);

        let mut halves = Halves { v4: FamilyConfig::default(), v6: FamilyConfig::default() };
        let addresses = self.addresses(section, interface.unwrap_or_default());
        (halves.v4.addresses, halves.v6.addresses) = addresses;
        self.check_addresses(section, &halves);
        (halves.v4.peers, halves.v6.peers) = self.peers(section);
        self.check_peers(section, &halves);
        let sources = self.sources(section, &halves);
        let interval = self.interval(section, version, &halves);
        let password = self.password(section, version, &halves);
        let checksum = self.checksum(section, version, &halves);
        let announcements = self.announcements(section);
        let tracks = self.tracks(section);
        let ignores_link = self.flag(section, "dont_track_primary", false);
        let notify = self.path(section, "notify");
        self.check_version(section, &halves);

        let (Some(interface), Some(vrid)) = (interface, vrid) else {
            return;
        };
        let instance = Instance {
            name,
            interface,
            vrid,
            version,
            priority,
            interval,
            preempt,
            preempt_delay,
            wants_master,
            password,
            checksum,
            source_v4: sources.0,
            source_v6: sources.1,
            v4: halves.v4,
            v6: halves.v6,
            announcements,
            tracks,
            ignores_link,
            group: None,
            notify,
        };
        self.check_unique(section, &instance);
        self.enter(section, instance);
    }

    /// Takes an instance into the configuration.
    fn enter(&mut self, section: Section<'d>, instance: Instance) {
        for family in [Family::V4, Family::V6] {
            if !instance.family(family).addresses.is_empty() {
                self.virtual_routers += 1;
            }
        }
        let is_entered = self.config.instances.push(instance).is_ok()
            && self.instance_sections.push(section.index()).is_ok();
        if !is_entered {
            self.full(section.line(), "VIPD_VIRTUAL_ROUTERS", limits::VIRTUAL_ROUTERS_MAX);
        }
    }

    fn instance_device(&mut self, section: Section<'d>) -> Option<InterfaceId> {
        let Some(value) = self.scalar(section, "interface") else {
            self.missing(section, "interface");
            return None;
        };
        self.device(value, "interface")
    }

    fn vrid(&mut self, section: Section<'d>) -> Option<Vrid> {
        if entries(section, "virtual_router_id").next().is_none() {
            self.missing(section, "virtual_router_id");
        }
        Vrid::new(self.byte(section, "virtual_router_id", [1, 255], 0))
    }

    fn wants_master(&mut self, section: Section<'d>, priority: u8) -> bool {
        let Some(state) = self.scalar(section, "state") else {
            return false;
        };
        match state.text {
            b"BACKUP" => false,
            b"MASTER" => {
                if priority != PRIORITY_OWNER {
                    self.warn(
                        state.line,
                        "state 'MASTER' has no effect: only priority 255 starts as master, the others are \
                         elected",
                        &[],
                    );
                }
                true
            }
            _ => {
                self.error(state.line, "state %A is unknown: write MASTER or BACKUP", &[state.text]);
                false
            }
        }
    }

    /// The owner always pre-empts (RFC 9568 §6.1), and a delay of pre-emption needs pre-emption.
    fn check_preemption(&mut self, section: Section<'d>, priority: u8, preempt: bool) {
        if preempt {
            return;
        }
        let line = |name| entries(section, name).next().map_or(0, |value| value.line);
        if priority == PRIORITY_OWNER {
            self.warn(
                line("nopreempt"),
                "nopreempt has no effect with priority 255: the owner always pre-empts",
                &[],
            );
        }
        if entries(section, "preempt_delay").any(|delay| value::is_asking(delay.text)) {
            self.warn(
                line("preempt_delay"),
                "preempt_delay has no effect with nopreempt: remove one of the two",
                &[],
            );
        }
    }

    /// Packets to the addresses are accepted, as keepalived does; the other way is not in this release.
    fn check_accept(&mut self, section: Section<'d>) {
        if self.flag(section, "accept", true) {
            return;
        }
        if let Some(value) = entries(section, "accept").next() {
            self.error(value.line, "accept %A is not in this release: write 1, or remove it", &[value.text]);
        }
    }

    fn check_addresses(&mut self, section: Section<'d>, halves: &Halves) {
        let Some(first) = entries(section, "virtual_ipaddress").next() else {
            self.missing(section, "virtual_ipaddress");
            return;
        };
        if words_of(section, "virtual_ipaddress").next().is_none() {
            self.missing(section, "virtual_ipaddress");
        }
        let limits = [
            (halves.v4, limits::IPV4_ADDRESSES_PER_ADVERT_MAX, "IPv4"),
            (halves.v6, limits::IPV6_ADDRESSES_PER_ADVERT_MAX, "IPv6"),
        ];
        for (half, most, family) in limits {
            if usize::from(half.addresses.len) > most {
                self.error_with(
                    first.line,
                    "there are more than %m %a addresses: an advertisement has no room for more",
                    &[family.as_bytes()],
                    [most as i32, 0],
                );
            }
        }
        let first_v6 = halves.v6.addresses.of(&self.config.addresses).first();
        let is_global = first_v6.is_some_and(|first| match first.address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        });
        if is_global {
            self.warn(
                first.line,
                "the first IPv6 address is not link-local: strict peers drop such advertisements, so write \
                 one of fe80::/10 first",
                &[],
            );
        }
    }

    fn peers(&mut self, section: Section<'d>) -> (Span, Span) {
        let start = self.config.peers.len();
        let mut v4_end = start;
        for word in words_of(section, "unicast_peer") {
            let Some(peer) = self.peer(word) else {
                continue;
            };
            let mine = self.config.peers.get(start..).unwrap_or(&[]);
            if mine.iter().any(|other| other.address == peer.address) {
                self.error(word.line, "unicast_peer %A is written twice: remove one", &[word.text]);
            }
            let at = match Family::of(peer.address) {
                Family::V4 => v4_end,
                Family::V6 => self.config.peers.len(),
            };
            if !insert(&mut self.config.peers, at, peer) {
                self.full(word.line, "VIPD_PEERS", limits::PEERS_MAX);
                break;
            }
            if Family::of(peer.address) == Family::V4 {
                v4_end += 1;
            }
        }
        (span(start, v4_end), span(v4_end, self.config.peers.len()))
    }

    /// A peer by its address, or by the name of its section.
    fn peer(&mut self, word: Value<'d>) -> Option<Peer> {
        if let Some(address) = value::address(word.text) {
            if !value::is_host(address) {
                self.error(
                    word.line,
                    "unicast_peer %A is no address of a router: write one that a single router has",
                    &[word.text],
                );
                return None;
            }
            return Some(Peer { address, min_ttl: 0, max_ttl: 255 });
        }
        let Some(section) = self.resolve("peer", word.text) else {
            self.error(
                word.line,
                "unicast_peer %A is neither an address nor the name of a peer section: write one of them",
                &[word.text],
            );
            return None;
        };
        self.silently(|reader| reader.defined_peer(section))
    }

    /// `config peer`.
    pub(super) fn defined_peer(&mut self, section: Section<'d>) -> Option<Peer> {
        let min_ttl = self.byte(section, "min_ttl", [0, 255], 0);
        let max_ttl = self.byte(section, "max_ttl", [0, 255], 255);
        if min_ttl > max_ttl {
            self.error_with(
                section.line(),
                "min_ttl %m is greater than max_ttl %n: nothing would be accepted, so swap them",
                &[],
                [i32::from(min_ttl), i32::from(max_ttl)],
            );
        }
        let Some(value) = self.scalar(section, "address") else {
            self.missing(section, "address");
            return None;
        };
        let address = value::address(value.text).filter(|address| value::is_host(*address));
        if address.is_none() {
            self.error(
                value.line,
                "address %A is no address of a router: write one like 192.168.1.2 or fe80::2",
                &[value.text],
            );
        }
        Some(Peer { address: address?, min_ttl, max_ttl })
    }

    /// With unicast, every family that has addresses needs peers, and no other has any.
    fn check_peers(&mut self, section: Section<'d>, halves: &Halves) {
        if !halves.has_unicast() || !halves.has_addresses() {
            return;
        }
        let line = entries(section, "unicast_peer").next().map_or(0, |value| value.line);
        let families = [(&halves.v4, "IPv4"), (&halves.v6, "IPv6")];
        for (half, family) in families {
            let sentence = match (half.addresses.is_empty(), half.peers.is_empty()) {
                (false, true) => "there are %a addresses, but no %a peer: write one, or split the instance",
                (true, false) => "there are %a peers, but no %a address: write one, or remove the peers",
                (true, true) | (false, false) => continue,
            };
            self.error(line, sentence, &[family.as_bytes()]);
        }
    }

    /// The source address of each family: with peers `unicast_src_ip` first, without `mcast_src_ip` first.
    fn sources(&mut self, section: Section<'d>, halves: &Halves) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let unicast = self.source(section, "unicast_src_ip", halves);
        let multicast = self.source(section, "mcast_src_ip", halves);
        let (first, second) = if halves.has_unicast() {
            (unicast, multicast)
        } else {
            if let Some(value) = entries(section, "unicast_src_ip").next() {
                self.warn(value.line, "there is no unicast_peer: multicast is used, from this address", &[]);
            }
            (multicast, unicast)
        };
        (first.0.or(second.0), first.1.or(second.1))
    }

    /// The addresses of one option: at most one per family.
    fn source(
        &mut self,
        section: Section<'d>,
        name: &str,
        halves: &Halves,
    ) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let mut sources = (None, None);
        for word in words_of(section, name) {
            let address = value::address(word.text).filter(|address| value::is_host(*address));
            let is_second = match address {
                Some(IpAddr::V4(address)) => sources.0.replace(address).is_some(),
                Some(IpAddr::V6(address)) => sources.1.replace(address).is_some(),
                None => {
                    self.error(
                        word.line,
                        "%a %B is no address of a router: write one that this router has",
                        &[name.as_bytes(), word.text],
                    );
                    continue;
                }
            };
            if is_second {
                self.error(
                    word.line,
                    "%a %B is the second of its family: write one for IPv4 and one for IPv6 at most",
                    &[name.as_bytes(), word.text],
                );
            }
            self.check_source(word, name, address, halves);
        }
        sources
    }

    fn check_source(&mut self, word: Value<'d>, name: &str, address: Option<IpAddr>, halves: &Halves) {
        let Some(address) = address else {
            return;
        };
        let half = match Family::of(address) {
            Family::V4 => &halves.v4,
            Family::V6 => &halves.v6,
        };
        let peers = half.peers.of(&self.config.peers);
        if peers.iter().any(|peer| peer.address == address) {
            self.error(
                word.line,
                "%a %B is a unicast_peer too: peers are the other routers, so remove it there",
                &[name.as_bytes(), word.text],
            );
        }
        if half.addresses.is_empty() && halves.has_addresses() {
            self.warn(
                word.line,
                "%a %B has no effect: there is no virtual address of its family",
                &[name.as_bytes(), word.text],
            );
        }
    }

    /// Version 2 says whole seconds in 8 bits (RFC 3768 §5.3.7; TX15), version 3 centiseconds in 12
    /// (RFC 9568 §5.2.7). An instance with both versions needs what both can say.
    fn interval(&mut self, section: Section<'d>, version: Version, halves: &Halves) -> Interval {
        let Some(value) = self.scalar(section, "advert_int") else {
            return Interval::SECOND;
        };
        let speaks_v2 = version == Version::V2 && !halves.is_only_v6();
        let speaks_v3 = version == Version::V3 || !halves.v6.addresses.is_empty();
        let interval = value::decimal(value.text, 2)
            .and_then(|centis| u16::try_from(centis).ok())
            .and_then(Interval::from_centis);
        let is_whole = interval.is_some_and(|interval| interval.whole_secs().is_some());
        let fitting = interval
            .filter(|interval| (is_whole || !speaks_v2) && (*interval <= Interval::V3_MAX || !speaks_v3));
        if let Some(interval) = fitting {
            return interval;
        }
        let sentence = if !speaks_v2 {
            "advert_int %A is out of range: write seconds from 0.01 to 40.95"
        } else if speaks_v3 {
            "advert_int %A does not fit both IPv4 in version 2 and IPv6: write whole seconds from 1 to 40"
        } else if interval.is_some() && !is_whole {
            "advert_int %A is not whole, which version 2 needs: write whole seconds from 1 to 255, or set \
             option version '3'"
        } else {
            "advert_int %A is out of range: write whole seconds from 1 to 255"
        };
        self.error(value.line, sentence, &[value.text]);
        Interval::SECOND
    }

    /// PASS is all there is, in version 2 alone: RFC 3768 and its successors dropped authentication.
    fn password(&mut self, section: Section<'d>, version: Version, halves: &Halves) -> Option<Password> {
        let kind = self.scalar(section, "auth_type");
        let pass = self.scalar(section, "auth_pass");
        if let Some(kind) = kind.filter(|kind| kind.text != b"PASS") {
            let sentence = if kind.text == b"AH" {
                "auth_type 'AH' is refused, as RFC 3768 removed it: write PASS, or remove it"
            } else {
                "auth_type %A is unknown: write PASS"
            };
            self.error(kind.line, sentence, &[kind.text]);
        }
        let (kind, pass) = match (kind, pass) {
            (Some(kind), Some(pass)) => (kind, pass),
            (Some(kind), None) => {
                self.warn(
                    kind.line,
                    "auth_type has no effect without auth_pass: write both, or remove it",
                    &[],
                );
                return None;
            }
            (None, Some(pass)) => {
                self.warn(
                    pass.line,
                    "auth_pass has no effect without auth_type: write option auth_type 'PASS'",
                    &[],
                );
                return None;
            }
            (None, None) => return None,
        };
        if version == Version::V3 {
            self.error(
                kind.line,
                "version 3 has no password: remove auth_type and auth_pass, or set option version '2'",
                &[],
            );
        } else if !halves.v6.addresses.is_empty() {
            self.error(
                kind.line,
                "IPv6 is version 3, which has no password: remove auth_type and auth_pass, or give IPv6 an \
                 instance of its own",
                &[],
            );
        }
        let password = Password::new(pass.text);
        if password.is_none() {
            // Never the password itself: this goes to logs.
            self.error(
                pass.line,
                "auth_pass must have 1 to 8 characters: keepalived cuts a longer one, so write its first 8",
                &[],
            );
        }
        password
    }

    fn checksum(&mut self, section: Section<'d>, version: Version, halves: &Halves) -> ChecksumForm {
        let Some(value) = self.scalar(section, "checksum") else {
            return ChecksumForm::PseudoHeader;
        };
        let form = match value.text {
            b"rfc5798" => ChecksumForm::PseudoHeader,
            b"rfc9568" => ChecksumForm::MessageOnly,
            _ => {
                self.error(value.line, "checksum %A is unknown: write rfc5798 or rfc9568", &[value.text]);
                return ChecksumForm::PseudoHeader;
            }
        };
        let has_choice = version == Version::V3 && !halves.is_only_v6();
        if !has_choice {
            self.warn(value.line, "checksum has no effect: only version 3 over IPv4 has a choice", &[]);
        }
        form
    }

    fn announcements(&mut self, section: Section<'d>) -> Announcements {
        let default = Announcements::default();
        Announcements {
            repeat: self.byte(section, "garp_master_repeat", [1, 255], default.repeat),
            delay_secs: self.seconds(section, "garp_master_delay", default.delay_secs),
            refresh_secs: self.seconds(section, "garp_master_refresh", default.refresh_secs),
            refresh_repeat: self.byte(
                section,
                "garp_master_refresh_repeat",
                [1, 255],
                default.refresh_repeat,
            ),
            interval_ms: self
                .milliseconds(section, "garp_interval", 60)
                .and_then(|millis| u16::try_from(millis).ok())
                .unwrap_or(default.interval_ms),
        }
    }

    /// Whole seconds, 0..=65535.
    fn seconds(&mut self, section: Section<'d>, name: &str, default: u16) -> u16 {
        let number = self.number(section, name, [0, 65_535]);
        number.and_then(|number| u16::try_from(number).ok()).unwrap_or(default)
    }

    fn tracks(&mut self, section: Section<'d>) -> Span {
        let start = self.config.tracks.len();
        for value in entries(section, "track_interface") {
            let mut words = Words::new(value.text);
            while let Some(text) = words.next() {
                let word = Value { text, ..value };
                let track = self.track(word, &mut words);
                self.enter_track(word, track, start);
            }
        }
        span(start, self.config.tracks.len())
    }

    fn enter_track(&mut self, word: Value<'d>, track: Option<Track>, start: usize) {
        let Some(track) = track else {
            return;
        };
        let mine = self.config.tracks.get(start..).unwrap_or(&[]);
        if mine.iter().any(|other| other.interface == track.interface) {
            self.error(word.line, "track_interface %A is written twice: remove one", &[word.text]);
        } else if self.config.tracks.push(track).is_err() {
            self.full(word.line, "VIPD_TRACKS", limits::TRACKS_MAX);
        }
    }

    /// A link to track, by the name of a `track_interface` section or a device, and perhaps `weight N`.
    fn track(&mut self, word: Value<'d>, words: &mut Words<'d>) -> Option<Track> {
        let mut track = match self.resolve("track_interface", word.text) {
            Some(section) => self.silently(|reader| reader.defined_track(section)),
            None => self.device(word, "track_interface").map(|interface| Track { interface, weight: 0 }),
        };
        loop {
            match words.peek() {
                Some(b"weight") => {
                    words.next();
                    let text = words.next().unwrap_or(&[]);
                    let weight = self.number_of(Value { text, ..word }, "weight", [-253, 253]);
                    if let (Some(track), Some(weight)) = (&mut track, weight) {
                        track.weight = weight as i16;
                    }
                }
                Some(b"reverse") => {
                    words.next();
                    self.error(
                        word.line,
                        "reverse is not in this release: write a weight of the other sign",
                        &[],
                    );
                }
                Some(_) | None => return track,
            }
        }
    }

    /// `config track_interface`.
    pub(super) fn defined_track(&mut self, section: Section<'d>) -> Option<Track> {
        let weight = self.number(section, "weight", [-253, 253]).unwrap_or(0) as i16;
        let Some(value) = self.scalar(section, "value") else {
            self.missing(section, "value");
            return None;
        };
        let interface = self.device(value, "value")?;
        Some(Track { interface, weight })
    }

    fn check_version(&mut self, section: Section<'d>, halves: &Halves) {
        let Some(value) = entries(section, "version").next() else {
            return;
        };
        if value.text == b"2" && halves.is_only_v6() {
            self.warn(value.line, "version 2 has no effect: IPv6 is always version 3", &[]);
        }
    }

    /// A VRID is one virtual router on a device and family (RFC 9568 §1.7).
    fn check_unique(&mut self, section: Section<'d>, instance: &Instance) {
        let is_taken = |other: &Instance| {
            other.interface == instance.interface
                && other.vrid == instance.vrid
                && [Family::V4, Family::V6].iter().any(|family| {
                    !other.family(*family).addresses.is_empty()
                        && !instance.family(*family).addresses.is_empty()
                })
        };
        let mut others = self.config.instances.iter().zip(&self.instance_sections);
        let Some((_, other)) = others.find(|(other, _)| is_taken(other)) else {
            return;
        };
        let other = self.document.sections().nth(usize::from(*other));
        let line = entries(section, "virtual_router_id").next();
        self.error_with(
            line.map_or(0, |value| value.line),
            "the instance of line %m has virtual_router_id %n on this interface already: write another \
             number",
            &[],
            [other.map_or(0, Section::line) as i32, i32::from(instance.vrid.get())],
        );
    }
}

/// The run `start..end` of a table whose indices fit 16 bits.
pub(super) const fn span(start: usize, end: usize) -> Span {
    Span { start: start as u16, len: (end - start) as u16 }
}

/// Inserts `item` before the entry `at`; false if the table is full.
pub(super) fn insert<T: Copy, const N: usize>(table: &mut heapless::Vec<T, N>, at: usize, item: T) -> bool {
    if table.push(item).is_err() {
        return false;
    }
    let mut carried = item;
    for slot in table.get_mut(at..).unwrap_or(&mut []) {
        core::mem::swap(slot, &mut carried);
    }
    true
}
