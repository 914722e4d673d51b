//! `config vrrp_instance`.

use core::net::IpAddr;

use super::reader::{self, Numeric, Reader, first, words_of};
use super::uci::Section;
use super::value;
use super::{
    Announcements, Config, Delays, Family, FamilyConfig, Instance, InterfaceId, Span, Text, Tracked,
};
use crate::limits;
use crate::time::{self, Interval};
use crate::wire::vrrp::{ChecksumForm, PRIORITY_OWNER, Password, Version, Vrid};

static ENABLED: [Numeric; 1] = [Numeric::flag("enabled", true)];

/// Defaults and limits are keepalived's.
static NUMBERS: [Numeric; 16] = [
    Numeric::whole("virtual_router_id", [1, 255], 0),
    Numeric::whole("version", [2, 3], 0),
    Numeric::whole("priority", [1, 255], 100),
    Numeric::flag("nopreempt", false),
    Numeric::millis("preempt_delay", 1000),
    Numeric::flag("accept", true),
    Numeric::flag("native_ipv6", false),
    Numeric::whole("garp_master_repeat", [1, 255], ANNOUNCEMENTS.repeat as i32),
    Numeric::whole("garp_master_delay", [0, 65_535], ANNOUNCEMENTS.delay_secs as i32),
    Numeric::whole("garp_master_refresh", [0, 65_535], ANNOUNCEMENTS.refresh_secs as i32),
    Numeric::whole("garp_master_refresh_repeat", [1, 255], ANNOUNCEMENTS.refresh_repeat as i32),
    Numeric::millis("garp_interval", 60),
    Numeric::flag("dont_track_primary", false),
    Numeric::whole("address_lifetime", [0, LIFETIME_SECS_MAX], 0),
    Numeric::flag("vmac_xmit_base", false),
    Numeric::flag("promote_secondaries", true),
];

const LIFETIME_SECS_MAX: i32 = 3600;

/// Seconds.
static CLAIM_WAIT: [Numeric; 1] = [Numeric::whole("claim_wait", [1, 10], 1)];

const ANNOUNCEMENTS: Announcements = Announcements::DEFAULT;

/// What an instance has of each family.
#[derive(Clone, Copy)]
pub(super) struct Halves {
    pub(super) v4: FamilyConfig,
    pub(super) v6: FamilyConfig,
}

impl Halves {
    pub(super) const fn has_unicast(&self) -> bool {
        !self.v4.peers.is_empty() || !self.v6.peers.is_empty()
    }

    pub(super) const fn has_addresses(&self) -> bool {
        !self.v4.addresses.is_empty() || !self.v6.addresses.is_empty()
    }

    /// Whether nothing is said in the configured version.
    const fn is_only_v6(&self) -> bool {
        self.v4.addresses.is_empty() && !self.v6.addresses.is_empty()
    }
}

/// Whether an address is that of a unicast peer of either half.
pub(super) fn has_peer(config: &Config, halves: [&FamilyConfig; 2], address: IpAddr) -> bool {
    halves.iter().any(|half| half.peers.of(&config.peers).iter().any(|peer| peer.address == address))
}

impl<'d> Reader<'d, '_> {
    pub(super) fn read_instances(&mut self) {
        for section in self.document.sections() {
            if section.is("vrrp_instance") && self.numbers(section, &ENABLED) == [1] {
                self.read_instance(section);
            }
        }
    }

    fn read_instance(&mut self, section: Section<'d>) {
        let name = self.section_name(section);
        let interface = self.instance_device(section);
        if first(section, "virtual_router_id").is_none() {
            self.missing(section, "virtual_router_id");
        }
        let [
            vrid,
            version,
            priority,
            nopreempt,
            preempt_delay,
            accept,
            _native_ipv6,
            repeat,
            delay_secs,
            refresh_secs,
            refresh_repeat,
            interval_ms,
            ignores_link,
            lifetime_secs,
            from_base,
            promotes_secondaries,
        ] = self.numbers(section, &NUMBERS);
        let vrid = Vrid::new(vrid as u8);
        let version = reader::version(version, self.default_version);
        let priority = priority as u8;
        let wants_master = self.wants_master(section, priority);
        self.check_preemption(section, priority, nopreempt == 0);
        let acceptance = self.acceptance(section, accept != 0, priority == PRIORITY_OWNER);

        let mut halves = Halves { v4: FamilyConfig::default(), v6: FamilyConfig::default() };
        let addresses = self.addresses(section, interface.unwrap_or_default());
        (halves.v4.addresses, halves.v6.addresses) = addresses;
        self.check_addresses(section, &halves);
        self.check_filtered(section, acceptance, &halves);
        (halves.v4.peers, halves.v6.peers) = self.peers(section);
        self.check_peers(section, &halves);
        let sources = self.sources(section, &halves);
        let interval = self.interval(section, version, &halves);
        self.check_lifetime(section, lifetime_secs, interval);
        let source_v6 = sources.1.map_or(Text::EMPTY, |source| self.keep(section.line(), &source.octets()));
        let password = self.password(section, version, &halves);
        let checksum = self.checksum(section, version, &halves);
        self.routes(section, &halves);
        let tracks = self.tracks(section);
        self.delay_links(section, interface, tracks);
        self.warn_of_mutual_fault(section, tracks, &|config, address| {
            has_peer(config, [&halves.v4, &halves.v6], address)
        });
        let notify = self.path(section, "notify");
        let (claim_script, claim_wait_secs) = self.claim_hook(section);
        self.check_version(section, &halves);
        #[cfg(feature = "ra")]
        self.router_advert(section, &halves);

        let (Some(interface), Some(vrid)) = (interface, vrid) else { return };
        self.watch_peers(section, interface, sources, &halves);
        self.vmacs(section, interface, vrid, (from_base != 0, priority == PRIORITY_OWNER), &mut halves);
        let instance = Instance {
            name,
            interface,
            vrid,
            version,
            priority,
            interval,
            preempt: nopreempt == 0,
            preempt_delay: time::Span::from_millis(preempt_delay.cast_unsigned()),
            wants_master,
            password,
            checksum,
            source_v4: sources.0,
            source_v6,
            v4: halves.v4,
            v6: halves.v6,
            announcements: Announcements {
                repeat: repeat as u8,
                delay_secs: delay_secs as u16,
                refresh_secs: refresh_secs as u16,
                refresh_repeat: refresh_repeat as u8,
                interval_ms: interval_ms as u16,
            },
            lifetime_secs: lifetime_secs as u16,
            promotes_secondaries: promotes_secondaries != 0,
            claim_script,
            claim_wait_secs,
            tracks,
            ignores_link: ignores_link != 0,
            acceptance,
            group: None,
            notify,
        };
        self.check_unique(section, &instance);
        self.read_sync_daemon(section);
        self.enter(section, instance);
    }

    /// Takes an instance into the configuration.
    fn enter(&mut self, section: Section<'d>, instance: Instance) {
        let has = |family| !instance.family(family).addresses.is_empty();
        let virtual_routers = usize::from(has(Family::V4)) + usize::from(has(Family::V6));
        let is_entered = self.virtual_routers + virtual_routers <= limits::VIRTUAL_ROUTERS_MAX
            && self.config.instances.push(instance).is_ok()
            && self.instance_sections.push(section.index()).is_ok();
        if is_entered {
            self.virtual_routers += virtual_routers;
        } else {
            self.full(section.line(), "VIPD_VIRTUAL_ROUTERS", limits::VIRTUAL_ROUTERS_MAX);
        }
    }

    /// The script that the claim waits for, and for how long.
    fn claim_hook(&mut self, section: Section<'d>) -> (Text, u8) {
        let script = self.path(section, "claim_script");
        let [wait_secs] = self.numbers(section, &CLAIM_WAIT);
        if let Some(value) = first(section, "claim_script").filter(|_| !cfg!(feature = "claim-hook")) {
            let sentence =
                "claim_script is not in this build: build with the feature claim-hook, or remove it";
            self.error(value.line, sentence, &[]);
        }
        if script.is_empty() {
            if let Some(value) = first(section, "claim_wait") {
                self.idle(
                    &value,
                    &"claim_wait has no effect without claim_script: name a script, or remove it",
                );
            }
            return (script, 0);
        }
        (script, wait_secs as u8)
    }

    fn instance_device(&mut self, section: Section<'d>) -> Option<InterfaceId> {
        let Some(value) = self.scalar(section, "interface") else {
            self.missing(section, "interface");
            return None;
        };
        self.device(value, "interface")
    }

    /// The instance's delays are those of its device, and of the links that it tracks and that have none.
    fn delay_links(&mut self, section: Section<'d>, interface: Option<InterfaceId>, tracks: Span) {
        let delays = self.delays(section);
        if let Some(interface) = interface {
            self.set_delays(section.line(), interface, delays);
        }
        for track in tracks.of(&self.config.tracks) {
            let Tracked::Link(interface) = track.what else { continue };
            let entry = self.config.delays.get_mut(usize::from(interface.0));
            if let Some(entry) = entry.filter(|entry| **entry == Delays::NONE) {
                *entry = delays;
            }
        }
    }

    fn wants_master(&mut self, section: Section<'d>, priority: u8) -> bool {
        let Some(state) = self.scalar(section, "state") else { return false };
        match value::choice(state.text, "BACKUP MASTER") {
            Some(0) => false,
            Some(_) => {
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
            None => {
                self.wrong(&state, &"state %A is unknown: write MASTER or BACKUP");
                false
            }
        }
    }

    /// The owner always pre-empts (RFC 9568 §6.1), and a delay of pre-emption needs pre-emption.
    fn check_preemption(&mut self, section: Section<'d>, priority: u8, preempt: bool) {
        if preempt {
            return;
        }
        if let Some(flag) = first(section, "nopreempt").filter(|_| priority == PRIORITY_OWNER) {
            self.idle(&flag, &"nopreempt has no effect with priority 255: the owner always pre-empts");
        }
        let delay = first(section, "preempt_delay");
        if let Some(delay) = delay.filter(|delay| value::is_asking(delay.text)) {
            self.idle(&delay, &"preempt_delay has no effect with nopreempt: remove one of the two");
        }
    }

    fn check_addresses(&mut self, section: Section<'d>, halves: &Halves) {
        let Some(list) = words_of(section, "virtual_ipaddress").next() else {
            self.missing(section, "virtual_ipaddress");
            return;
        };
        let limits = [
            (halves.v4, limits::IPV4_ADDRESSES_PER_ADVERT_MAX, "IPv4"),
            (halves.v6, limits::IPV6_ADDRESSES_PER_ADVERT_MAX, "IPv6"),
        ];
        for (half, most, family) in limits {
            let all = half.addresses.of(&self.config.addresses);
            if all.iter().filter(|address| !address.is_excluded).count() > most {
                self.error_with(
                    list.line,
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
                list.line,
                "the first IPv6 address is not link-local: strict peers drop such advertisements, so write \
                 one of fe80::/10 first",
                &[],
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

    /// The kernel counts in seconds and looks once a second; and a router that need not be heard for a while is not to
    /// lose its address in that time.
    fn check_lifetime(&mut self, section: Section<'d>, lifetime_secs: i32, interval: Interval) {
        let least = (i32::from(interval.centis()) / 100 + 1).max(2);
        if lifetime_secs == 0 || lifetime_secs >= least {
            return;
        }
        if let Some(value) = first(section, "address_lifetime") {
            self.error_with(
                value.line,
                "address_lifetime %A is too short for advert_int: write seconds from %m to %n, or 0",
                &[value.text],
                [least, LIFETIME_SECS_MAX],
            );
        }
    }

    /// PASS is all there is, in version 2 alone: RFC 3768 and its successors dropped authentication.
    fn password(&mut self, section: Section<'d>, version: Version, halves: &Halves) -> Text {
        let kind = self.scalar(section, "auth_type");
        let pass = self.scalar(section, "auth_pass");
        if let Some(kind) = kind {
            let sentence = match value::choice(kind.text, "PASS AH") {
                Some(0) => "",
                Some(_) => "auth_type 'AH' is refused, as RFC 3768 removed it: write PASS, or remove it",
                None => "auth_type %A is unknown: write PASS",
            };
            if !sentence.is_empty() {
                self.wrong(&kind, &sentence);
            }
        }
        let (kind, pass) = match (kind, pass) {
            (Some(kind), Some(pass)) => (kind, pass),
            (Some(kind), None) => {
                self.warn(
                    kind.line,
                    "auth_type has no effect without auth_pass: write both, or remove it",
                    &[],
                );
                return Text::EMPTY;
            }
            (None, Some(pass)) => {
                self.warn(
                    pass.line,
                    "auth_pass has no effect without auth_type: write option auth_type 'PASS'",
                    &[],
                );
                return Text::EMPTY;
            }
            (None, None) => return Text::EMPTY,
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
        if Password::new(pass.text).is_none() {
            // Never the password itself: this goes to logs.
            self.error(
                pass.line,
                "auth_pass must have 1 to 8 characters: keepalived cuts a longer one, so write its first 8",
                &[],
            );
            return Text::EMPTY;
        }
        self.keep(pass.line, pass.text)
    }

    fn checksum(&mut self, section: Section<'d>, version: Version, halves: &Halves) -> ChecksumForm {
        let Some(value) = self.scalar(section, "checksum") else {
            return ChecksumForm::PseudoHeader;
        };
        let form = match value::choice(value.text, "rfc5798 rfc9568") {
            Some(0) => ChecksumForm::PseudoHeader,
            Some(_) => ChecksumForm::MessageOnly,
            None => {
                self.wrong(&value, &"checksum %A is unknown: write rfc5798 or rfc9568");
                return ChecksumForm::PseudoHeader;
            }
        };
        let has_choice = version == Version::V3 && !halves.is_only_v6();
        if !has_choice {
            self.warn(value.line, "checksum has no effect: only version 3 over IPv4 has a choice", &[]);
        }
        form
    }

    fn check_version(&mut self, section: Section<'d>, halves: &Halves) {
        let Some(value) = first(section, "version") else { return };
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
        let Some((_, other)) = others.find(|(other, _)| is_taken(other)) else { return };
        let other = self.document.sections().nth(usize::from(*other));
        let line = first(section, "virtual_router_id");
        self.error_with(
            line.map_or(0, |value| value.line),
            "the instance of line %m has virtual_router_id %n on this interface already: write another \
             number",
            &[],
            [other.map_or(0, Section::line) as i32, i32::from(instance.vrid.get())],
        );
    }
}
