//! `virtual_routes` and `virtual_rules`, and the `config route` and `config rule` sections that they may name.

use core::net::IpAddr;

use super::instance::Halves;
use super::reader::{Numeric, Reader, Value, entries, explicit_name};
use super::uci::Section;
use super::value::{self, Words};
use super::{Family, VirtualRoute, VirtualRule};
use crate::limits;
use crate::wire::route::{Kind, MAIN_TABLE, Network, Route, Rule};

/// Which of the two is read.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Thing {
    Route,
    Rule,
}

/// What a route or a rule says, as the file has it.
#[derive(Clone, Copy)]
pub(super) struct Written<'d> {
    /// Of a route where to, of a rule where from.
    network: Option<Place>,
    /// Of a rule where to.
    to: Option<Place>,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
    device: Option<Value<'d>>,
    scope: Option<u8>,
    kind: Kind,
    table: u32,
    /// Metric or priority.
    order: u32,
    mark: u32,
}

/// A network, or all addresses of a family that is not said.
#[derive(Clone, Copy)]
enum Place {
    Default,
    Network(Network),
}

/// What one of its words is about.
#[derive(Clone, Copy)]
enum Attribute {
    Network,
    To,
    Gateway,
    Source,
    Device,
    Scope,
    Table,
    Order,
    Mark,
}

/// As `ip rule` numbers the first one.
const PRIORITY: u32 = 32_765;

/// `RT_SCOPE_LINK`: where nobody stands between.
const LINK_SCOPE: u8 = 253;

const NUMBER_MAX: i32 = 999_999_999;

/// Those of the kinds of a route that are said, and the options that say them.
const KINDS: &str = "blackhole unreachable prohibit";
static KIND_FLAGS: [Numeric; 3] = [
    Numeric::flag("blackhole", false),
    Numeric::flag("unreachable", false),
    Numeric::flag("prohibit", false),
];

impl Thing {
    const fn list(self) -> &'static str {
        match self {
            Self::Route => "virtual_routes",
            Self::Rule => "virtual_rules",
        }
    }

    const fn section(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Rule => "rule",
        }
    }

    /// The options of a section.
    const fn options(self) -> &'static [(&'static str, Attribute)] {
        match self {
            Self::Route => &[
                ("address", Attribute::Network),
                ("gateway", Attribute::Gateway),
                ("src_addr", Attribute::Source),
                ("device", Attribute::Device),
                ("scope", Attribute::Scope),
                ("table", Attribute::Table),
                ("metric", Attribute::Order),
            ],
            Self::Rule => &[
                ("address", Attribute::Network),
                ("to", Attribute::To),
                ("device", Attribute::Device),
                ("table", Attribute::Table),
                ("priority", Attribute::Order),
                ("fwmark", Attribute::Mark),
            ],
        }
    }

    /// The words of iproute2 and of keepalived.conf.
    const fn words(self) -> &'static [(&'static str, Attribute)] {
        match self {
            Self::Route => &[
                ("to", Attribute::Network),
                ("via", Attribute::Gateway),
                ("gw", Attribute::Gateway),
                ("src", Attribute::Source),
                ("dev", Attribute::Device),
                ("scope", Attribute::Scope),
                ("table", Attribute::Table),
                ("metric", Attribute::Order),
            ],
            Self::Rule => &[
                ("from", Attribute::Network),
                ("to", Attribute::To),
                ("iif", Attribute::Device),
                ("dev", Attribute::Device),
                ("table", Attribute::Table),
                ("lookup", Attribute::Table),
                ("priority", Attribute::Order),
                ("preference", Attribute::Order),
                ("fwmark", Attribute::Mark),
            ],
        }
    }

    fn attribute(self, word: &[u8]) -> Option<Attribute> {
        let found = self.words().iter().find(|(known, _)| known.as_bytes() == word);
        found.map(|(_, attribute)| *attribute)
    }
}

impl<'d> Reader<'d, '_> {
    /// The routes and rules of the instance that is read, which is the next one of the table.
    pub(super) fn routes(&mut self, section: Section<'d>, halves: &Halves) {
        for thing in [Thing::Route, Thing::Rule] {
            for value in entries(section, thing.list()) {
                if limits::INSTANCE_ROUTES_MAX == 0 {
                    let sentence = "%a is not in this build of vipd: remove it";
                    self.error(value.line, sentence, &[thing.list().as_bytes()]);
                    continue;
                }
                let mut words = Words::new(value.text);
                while let Some(text) = words.next() {
                    let word = Value { text, ..value };
                    if let Some(written) = self.written(thing, word, &mut words) {
                        self.enter_written(thing, word, &written, halves);
                    }
                }
            }
        }
    }

    /// A route or a rule in words of its own, or the section of this name.
    fn written(&mut self, thing: Thing, word: Value<'d>, words: &mut Words<'d>) -> Option<Written<'d>> {
        let kind = if thing == Thing::Route { value::choice(word.text, KINDS) } else { None };
        let is_network = thing == Thing::Route && network(word.text).is_some();
        let attribute = thing.attribute(word.text);
        if kind.is_none() && !is_network && attribute.is_none() {
            let Some(section) = self.resolve(thing.section(), word.text) else {
                let sentence = match thing {
                    Thing::Route => &"%a %B is neither a network nor the name of a route section: write one",
                    Thing::Rule => &"%a %B is neither 'from' nor the name of a rule section: write one",
                };
                self.wrong_option(&word, thing.list(), sentence);
                return None;
            };
            return self.silently(|reader| reader.defined(thing, section));
        }
        let mut written = Written::nothing(thing);
        let mut is_good = true;
        match kind {
            Some(place) => {
                written.kind = kind_at(place);
                let text = words.next().unwrap_or(&[]);
                is_good = self.take(thing.list(), Attribute::Network, Value { text, ..word }, &mut written);
            }
            None if is_network => {
                is_good = self.take(thing.list(), Attribute::Network, word, &mut written);
            }
            None => {}
        }
        let mut next = attribute.map(|attribute| (word.text, attribute));
        while let Some((name, attribute)) = next.take().or_else(|| {
            let name = words.peek()?;
            thing.attribute(name).map(|attribute| {
                words.next();
                (name, attribute)
            })
        }) {
            let name = core::str::from_utf8(name).unwrap_or("");
            let text = words.next().unwrap_or(&[]);
            is_good &= self.take(name, attribute, Value { text, ..word }, &mut written);
        }
        if is_good && self.check_written(thing, word, &written) { Some(written) } else { None }
    }

    /// `config route` or `config rule`.
    pub(super) fn defined(&mut self, thing: Thing, section: Section<'d>) -> Option<Written<'d>> {
        let mut written = Written::nothing(thing);
        let mut is_good = true;
        for (name, attribute) in thing.options() {
            if let Some(value) = self.scalar(section, name) {
                is_good &= self.take(name, *attribute, value, &mut written);
            }
        }
        let name = explicit_name(section).map_or(&b""[..], |name| name.text);
        let name = Value { text: name, line: section.line() };
        if thing == Thing::Route {
            let flags = self.numbers(section, &KIND_FLAGS);
            if let Some(place) = flags.iter().position(|flag| *flag != 0) {
                written.kind = kind_at(place);
            }
            if written.network.is_none() && is_good {
                self.missing(section, "address");
                return None;
            }
        }
        if is_good && self.check_written(thing, name, &written) { Some(written) } else { None }
    }

    /// One thing that is said; `false`: it is wrong, which is reported.
    fn take(
        &mut self,
        name: &str,
        attribute: Attribute,
        value: Value<'d>,
        written: &mut Written<'d>,
    ) -> bool {
        match attribute {
            Attribute::Network => {
                written.network = self.network_of(name, value);
                written.network.is_some()
            }
            Attribute::To => {
                written.to = self.network_of(name, value);
                written.to.is_some()
            }
            Attribute::Gateway => {
                written.gateway = self.host_of(name, value);
                written.gateway.is_some()
            }
            Attribute::Source => {
                written.source = self.host_of(name, value);
                written.source.is_some()
            }
            Attribute::Device => {
                written.device = self.device_name(value, name);
                written.device.is_some()
            }
            Attribute::Scope => {
                written.scope = value::scope(value.text);
                let is_good = written.scope.is_some();
                if !is_good {
                    let sentence = &"%a %B is unknown: write global, site, link, host, nowhere or a number from 0 to 255";
                    self.wrong_option(&value, name, sentence);
                }
                is_good
            }
            Attribute::Table => self.table_of(name, value, &mut written.table),
            Attribute::Order => self.take_number(name, value, &mut written.order),
            Attribute::Mark => self.take_number(name, value, &mut written.mark),
        }
    }

    fn network_of(&mut self, name: &str, value: Value<'d>) -> Option<Place> {
        let place = network(value.text);
        let sentence = match place {
            Some(Place::Network(network)) if !is_whole(network) => {
                &"%a %B has bits behind its prefix length: write zeros there"
            }
            Some(_) => return place,
            None => &"%a %B is no network: write default, or one like 192.168.8.0/24 or fd00::/8",
        };
        self.wrong_option(&value, name, sentence);
        None
    }

    fn host_of(&mut self, name: &str, value: Value<'d>) -> Option<IpAddr> {
        let address = value::address(value.text).filter(|address| value::is_host(*address));
        if address.is_none() {
            self.wrong_option(&value, name, &"%a %B is no address of a host: write one like 192.168.1.254");
        }
        address
    }

    /// Names of iproute2's files are not known: a router may be without them.
    fn table_of(&mut self, name: &str, value: Value<'d>, table: &mut u32) -> bool {
        if let Some(place) = value::choice(value.text, "default main local") {
            *table = MAIN_TABLE - 1 + place as u32;
            return true;
        }
        let number = value::integer(value.text).filter(|number| *number > 0);
        if let Some(number) = number {
            *table = number.cast_unsigned();
        } else {
            self.error_with(
                value.line,
                "%a %B is no table: write main, local, default or a number from 1 to %m",
                &[name.as_bytes(), value.text],
                [NUMBER_MAX, 0],
            );
        }
        number.is_some()
    }

    fn take_number(&mut self, name: &str, value: Value<'d>, number: &mut u32) -> bool {
        let given = hexadecimal(value.text)
            .or_else(|| self.number_of(value, name, [0, NUMBER_MAX]).map(i32::cast_unsigned));
        *number = given.unwrap_or(0);
        given.is_some()
    }

    /// Whether the parts fit each other.
    fn check_written(&mut self, thing: Thing, word: Value<'d>, written: &Written<'d>) -> bool {
        let leads = written.gateway.is_some() || written.device.is_some();
        let sentence = if written.families().is_none() {
            &"%a %B has addresses of two families: write one route or rule for each"
        } else if thing == Thing::Rule {
            return true;
        } else if written.kind == Kind::Unicast && !leads {
            &"%a %B leads nowhere: write its gateway or its device"
        } else if written.kind != Kind::Unicast && leads {
            &"%a %B drops what goes there: remove its gateway and its device"
        } else if written.device.is_none() && written.has_link_local_gateway() {
            &"%a %B has a gateway of fe80::/10, which is on every device: write which"
        } else {
            return true;
        };
        self.wrong_option(&word, thing.section(), sentence);
        false
    }

    /// Takes a route or a rule into the configuration.
    fn enter_written(&mut self, thing: Thing, word: Value<'d>, written: &Written<'d>, halves: &Halves) {
        let instance = self.config.instances.len() as u16;
        let interface = written.device.and_then(|device| self.enter_device(device));
        let other = if halves.v4.addresses.is_empty() { Family::V6 } else { Family::V4 };
        let family = written.families().flatten().unwrap_or(other);
        let (is_entered, is_new) = match thing {
            Thing::Route => {
                let new = VirtualRoute { instance, interface, route: written.route(family) };
                let table = &mut self.config.virtual_routes;
                let is_new = !table.iter().any(|other| is_same_route(&other.route, &new.route));
                (table.push(new).is_ok(), is_new)
            }
            Thing::Rule => {
                let new = VirtualRule { instance, interface, rule: written.rule(family) };
                let table = &mut self.config.virtual_rules;
                let is_new =
                    !table.iter().any(|other| other.rule == new.rule && other.interface == interface);
                (table.push(new).is_ok(), is_new)
            }
        };
        if !is_entered {
            self.full(word.line, "VIPD_INSTANCE_ROUTES", limits::INSTANCE_ROUTES_MAX);
        } else if !is_new {
            let sentence = match thing {
                Thing::Route => &"there is another route like %a %B: remove one, or give it another metric",
                Thing::Rule => &"there is another rule like %a %B: remove one",
            };
            self.wrong_option(&word, thing.list(), sentence);
        }
    }
}

impl Written<'_> {
    const fn nothing(thing: Thing) -> Self {
        Self {
            network: None,
            to: None,
            gateway: None,
            source: None,
            device: None,
            scope: None,
            kind: Kind::Unicast,
            table: MAIN_TABLE,
            order: match thing {
                Thing::Route => 0,
                Thing::Rule => PRIORITY,
            },
            mark: 0,
        }
    }

    /// The one family of its addresses, if there are any; `None`: there are two.
    fn families(&self) -> Option<Option<Family>> {
        let address = |place: Option<Place>| match place {
            Some(Place::Network(network)) => Some(network.address),
            Some(Place::Default) | None => None,
        };
        let mut only = None;
        for address in [address(self.network), address(self.to), self.gateway, self.source] {
            let Some(address) = address else { continue };
            let family = Family::of(address);
            if *only.get_or_insert(family) != family {
                return None;
            }
        }
        Some(only)
    }

    fn has_link_local_gateway(&self) -> bool {
        match self.gateway {
            Some(IpAddr::V6(gateway)) => gateway.is_unicast_link_local(),
            Some(IpAddr::V4(_)) | None => false,
        }
    }

    fn route(&self, family: Family) -> Route {
        let is_next = self.kind == Kind::Unicast && self.gateway.is_none();
        Route {
            destination: self.network.unwrap_or(Place::Default).of(family),
            kind: self.kind,
            gateway: self.gateway,
            source: self.source,
            interface: None,
            scope: self.scope.unwrap_or(if is_next { LINK_SCOPE } else { 0 }),
            table: self.table,
            metric: self.order,
        }
    }

    fn rule(&self, family: Family) -> Rule<'static> {
        Rule {
            is_v6: family == Family::V6,
            from: self.network.map(|place| place.of(family)),
            to: self.to.map(|place| place.of(family)),
            interface: "",
            mark: self.mark,
            table: self.table,
            priority: self.order,
        }
    }
}

impl Place {
    const fn of(self, family: Family) -> Network {
        match (self, family) {
            (Self::Network(network), _) => network,
            (Self::Default, Family::V4) => Network { address: value::NO_IPV4, prefix_len: 0 },
            (Self::Default, Family::V6) => Network { address: value::NO_IPV6, prefix_len: 0 },
        }
    }
}

const fn kind_at(place: usize) -> Kind {
    match place {
        0 => Kind::Blackhole,
        1 => Kind::Unreachable,
        _ => Kind::Prohibit,
    }
}

/// Whether the kernel could take the one for the other.
fn is_same_route(one: &Route, other: &Route) -> bool {
    one.destination == other.destination && one.table == other.table && one.metric == other.metric
}

/// `default`, or an address with or without a prefix length, which may be 0.
fn network(text: &[u8]) -> Option<Place> {
    if text == b"default" {
        return Some(Place::Default);
    }
    let (address, prefix_len) = value::network(text)?;
    Some(Place::Network(Network { address, prefix_len }))
}

/// Whether the bits behind the prefix are zeros.
fn is_whole(network: Network) -> bool {
    let Network { address, prefix_len } = network;
    match address {
        IpAddr::V4(address) => {
            address.to_bits() & u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0) == 0
        }
        IpAddr::V6(address) => {
            let octets = address.octets();
            let (whole, bits) = (usize::from(prefix_len / 8), prefix_len % 8);
            let mut rest = octets.iter().skip(whole);
            let first = rest.next().copied().unwrap_or(0);
            first & (u8::MAX >> bits) == 0 && rest.all(|octet| *octet == 0)
        }
    }
}

/// `0x` and up to eight digits, as firewalls write their marks.
fn hexadecimal(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"0x")?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let mut number = 0;
    for byte in digits {
        number = number << 4 | char::from(*byte).to_digit(16)?;
    }
    Some(number)
}
