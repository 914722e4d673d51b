//! `router_advert` and the options beside it. Their words are those of OpenWrt's odhcpd where it has them.

use core::net::{IpAddr, Ipv6Addr};

use super::instance::Halves;
use super::reader::{Numeric, Reader, Value, entries, first, span, words_of};
use super::uci::Section;
use super::value::{self, Words};
use super::{RouterAdvert, Span};
use crate::limits::{RA_MAX, RA_PREFIXES_MAX};
use crate::wire::ra::{AUTONOMOUS, MANAGED, ON_LINK, OTHER, PREFERENCE_HIGH, PREFERENCE_LOW, Prefix};

/// Limits are those of RFC 4861 §6.2.1 and, for the MTU, of RFC 8200 §5; defaults are odhcpd's.
static NUMBERS: [Numeric; 5] = [
    Numeric::flag("router_advert", false),
    Numeric::whole("ra_lifetime", [0, 9000], 1800),
    Numeric::whole("ra_maxinterval", [4, 1800], 600),
    Numeric::whole("ra_mininterval", [3, 1350], 0),
    Numeric::whole("ra_mtu", [1280, 65_535], 0),
];

/// Options that say nothing without `router_advert`.
const DETAILS: &str = "ra_prefix ra_lifetime ra_maxinterval ra_mininterval ra_flags ra_preference ra_mtu dns";

/// What may stand behind a prefix; the first two take a number with them.
const ATTRIBUTES: &str = "valid preferred no_autonomous no_onlink";

/// AdvValidLifetime and AdvPreferredLifetime (RFC 4861 §6.2.1): thirty days and seven.
const VALID_SECS: i32 = 2_592_000;
const PREFERRED_SECS: i32 = 604_800;
const LIFETIMES_SECS: [i32; 2] = [0, 999_999_999];

impl<'d> Reader<'d, '_> {
    /// The router advertisements of the instance that is entered next.
    pub(super) fn router_advert(&mut self, section: Section<'d>, halves: &Halves) {
        let [is_wanted, lifetime_secs, max_interval_secs, min_interval_secs, mtu] =
            self.numbers(section, &NUMBERS);
        if is_wanted == 0 {
            if first(section, "router_advert").is_none() {
                self.details_without_advert(section);
            }
            return;
        }
        let line = first(section, "router_advert").map_or(0, |value| value.line);
        self.check_link_local(line, halves);
        self.check_lifetime_of_route(section, lifetime_secs, max_interval_secs);
        let min_interval_secs = self.min_interval(section, min_interval_secs, max_interval_secs);
        let flags = self.dhcp_flags(section) | self.preference(section);
        let advert = RouterAdvert {
            // At most 1024 (`limits`).
            instance: self.config.instances.len() as u16,
            lifetime_secs: lifetime_secs as u16,
            min_interval_secs: min_interval_secs as u16,
            max_interval_secs: max_interval_secs as u16,
            mtu: mtu as u16,
            flags,
            prefixes: self.prefixes(section),
            name_servers: self.name_servers(section),
        };
        if self.config.router_adverts.push(advert).is_err() {
            self.full(line, "VIPD_RA", RA_MAX);
        }
    }

    fn details_without_advert(&mut self, section: Section<'d>) {
        for entry in section.entries() {
            let name = core::str::from_utf8(entry.name).unwrap_or("");
            if Words::new(DETAILS.as_bytes()).any(|word| word == name.as_bytes()) {
                self.warn(
                    entry.line,
                    "%a has no effect without router_advert: write option router_advert '1'",
                    &[entry.name],
                );
            }
        }
    }

    /// Hosts know a router by its link-local address alone (RFC 4861 §4.2), and the first address is the one that the
    /// virtual router is known by (RFC 9568 §5.2.9).
    fn check_link_local(&mut self, line: u32, halves: &Halves) {
        let first = halves.v6.addresses.of(&self.config.addresses).first();
        let is_local = first.is_some_and(|first| match first.address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => address.is_unicast_link_local(),
        });
        if !is_local {
            self.error(
                line,
                "router_advert needs a link-local address as the first IPv6 one: write list \
                 virtual_ipaddress 'fe80::1/64' before the others",
                &[],
            );
        }
    }

    fn check_lifetime_of_route(&mut self, section: Section<'d>, lifetime_secs: i32, max_interval_secs: i32) {
        let value = first(section, "ra_lifetime");
        if let Some(value) = value.filter(|_| lifetime_secs != 0 && lifetime_secs < max_interval_secs) {
            self.error_with(
                value.line,
                "ra_lifetime %A would end before the next advertisement: write at least ra_maxinterval, %m, \
                 or 0",
                &[value.text],
                [max_interval_secs, 0],
            );
        }
    }

    fn min_interval(&mut self, section: Section<'d>, min_secs: i32, max_secs: i32) -> i32 {
        let greatest_secs = max_secs * 3 / 4;
        let value = first(section, "ra_mininterval");
        if let Some(value) = value.filter(|_| min_secs > greatest_secs) {
            self.error_with(
                value.line,
                "ra_mininterval %A is too near to ra_maxinterval: write at most three quarters of it, %m",
                &[value.text],
                [greatest_secs, 0],
            );
        }
        if min_secs == 0 { (max_secs / 3).max(3) } else { min_secs }
    }

    fn dhcp_flags(&mut self, section: Section<'d>) -> u8 {
        let mut flags = 0;
        for word in words_of(section, "ra_flags") {
            flags |= match value::choice(word.text, "none managed-config other-config") {
                Some(0) => 0,
                Some(1) => MANAGED,
                Some(_) => OTHER,
                None => {
                    self.wrong(&word, &"ra_flags %A is unknown: write managed-config, other-config or none");
                    0
                }
            };
        }
        flags
    }

    fn preference(&mut self, section: Section<'d>) -> u8 {
        let Some(word) = self.scalar(section, "ra_preference") else { return 0 };
        match value::choice(word.text, "medium high low") {
            Some(0) => 0,
            Some(1) => PREFERENCE_HIGH,
            Some(_) => PREFERENCE_LOW,
            None => {
                self.wrong(&word, &"ra_preference %A is unknown: write high, medium or low");
                0
            }
        }
    }

    fn prefixes(&mut self, section: Section<'d>) -> Span {
        let start = self.config.prefixes.len();
        for value in entries(section, "ra_prefix") {
            let mut words = Words::new(value.text);
            while let Some(text) = words.next() {
                let word = Value { text, ..value };
                let prefix = self.prefix(word, &mut words);
                let mine = self.config.prefixes.get(start..).unwrap_or(&[]);
                let is_known = mine.iter().any(|other| {
                    other.network == prefix.network && other.len == prefix.len && prefix.len > 0
                });
                if is_known {
                    self.wrong_option(&word, "ra_prefix", &"%a %B is written twice: remove one");
                } else if self.config.prefixes.push(prefix).is_err() {
                    self.full(word.line, "VIPD_RA", RA_MAX);
                }
            }
        }
        span(start, self.config.prefixes.len())
    }

    /// A prefix with the words behind it; of length 0 if it was none, which has been said.
    fn prefix(&mut self, word: Value<'d>, words: &mut Words<'d>) -> Prefix {
        let (network, len) = network(word.text).unwrap_or((Ipv6Addr::UNSPECIFIED, 0));
        if len == 0 {
            self.wrong(&word, &"ra_prefix %A is no IPv6 network: write one like 2001:db8:1::/64");
        }
        let mut flags = ON_LINK | AUTONOMOUS;
        let mut lifetimes = [None; 2];
        while let Some(place) = words.peek().and_then(|word| value::choice(word, ATTRIBUTES)) {
            let name = words.next().unwrap_or(&[]);
            if let Some(slot) = lifetimes.get_mut(place) {
                let number = Value { text: words.next().unwrap_or(&[]), ..word };
                *slot = self.number_of(number, core::str::from_utf8(name).unwrap_or(""), LIFETIMES_SECS);
            } else {
                flags &= if place == 2 { !AUTONOMOUS } else { !ON_LINK };
            }
        }
        let [valid_secs, preferred_secs] = lifetimes;
        let valid_secs = valid_secs.unwrap_or(VALID_SECS);
        let preferred_secs = preferred_secs.unwrap_or(PREFERRED_SECS.min(valid_secs));
        if preferred_secs > valid_secs {
            self.wrong(
                &word,
                &"ra_prefix %A is preferred for longer than it is valid: write a smaller number",
            );
        }
        if flags & AUTONOMOUS != 0 && len != 64 && len != 0 {
            self.idle(
                &word,
                &"hosts make no addresses of ra_prefix %A: write a /64, or no_autonomous behind it",
            );
        }
        let (valid_secs, preferred_secs) = (valid_secs.cast_unsigned(), preferred_secs.cast_unsigned());
        Prefix { network, len, flags, valid_secs, preferred_secs }
    }

    fn name_servers(&mut self, section: Section<'d>) -> Span {
        let start = self.config.name_servers.len();
        for word in words_of(section, "dns") {
            let address = match value::address(word.text) {
                Some(address) if !value::is_host(address) => None,
                Some(IpAddr::V6(address)) => Some(address),
                Some(IpAddr::V4(_)) | None => None,
            };
            match address {
                None => self.wrong(&word, &"dns %A is no IPv6 address of a host: write one like fe80::1"),
                Some(address) if self.config.name_servers.push(address).is_err() => {
                    self.full(word.line, "VIPD_RA", RA_MAX);
                }
                Some(_) => {}
            }
        }
        span(start, self.config.name_servers.len())
    }
}

#[inline(never)]
fn is_zero_behind(octets: &[u8], len: u8) -> bool {
    let mut bits_left = len;
    let mut is_zero = true;
    for octet in octets {
        is_zero &= u32::from(*octet) << bits_left.min(8) & 0xff == 0;
        bits_left = bits_left.saturating_sub(8);
    }
    is_zero
}

/// A network that can be advertised, and its length: neither link-local nor multicast, and nothing behind its length.
fn network(text: &[u8]) -> Option<(Ipv6Addr, u8)> {
    let (address, len) = value::address_with_prefix(text).ok()?;
    let IpAddr::V6(network) = address else { return None };
    let is_fit = value::is_host(address) && !network.is_unicast_link_local() && text.contains(&b'/');
    (is_fit && is_zero_behind(&network.octets(), len)).then_some((network, len))
}

static_assertions::const_assert!(RA_PREFIXES_MAX <= u8::MAX as usize / 2);
