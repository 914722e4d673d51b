//! `config probe`: what is tried again and again, with a script or without any.

use core::net::IpAddr;

use super::reader::{Numeric, Reader, Sentence, Value, first, span};
use super::track::WEIGHT;
use super::uci::Section;
use super::value;
use super::{Method, Probe, ProbeId, Span, Target, Text, Url};
use crate::limits;
use crate::probe::{Start, dns, http, md5, smtp};

/// Defaults are keepalived's; `fail` is what LuCI writes for `fall`.
static NUMBERS: [Numeric; 6] = [
    Numeric::whole("interval", [1, 65_535], 1),
    Numeric::whole("timeout", [1, 65_535], 0),
    Numeric::whole("rise", [1, 255], 1),
    Numeric::whole("fall", [1, 255], 0),
    Numeric::whole("fail", [1, 255], 1),
    Numeric::flag("init_fail", false),
];

static PORT: [Numeric; 1] = [Numeric::whole("port", [1, 65_535], 0)];
static REQUIRE_REPLY: [Numeric; 1] = [Numeric::flag("require_reply", false)];

/// The types, and the options that each has beside those of all.
const TYPES: &str = "script ping arp tcp http udp dns smtp";
const PARTICULARS: [&str; 8] = [
    "script user",
    "address interface",
    "address interface",
    "address interface port",
    "address interface port path virtualhost status_code text digest",
    "address interface port payload require_reply",
    "address interface port dns_type dns_name",
    "address interface port",
];
const ALL_PARTICULARS: &str = "script user address interface port path virtualhost status_code text digest payload \
                               require_reply dns_type dns_name";

pub(super) const WORDS_OF_HTTP: Sentence =
    "%a %B cannot be used: begin a path with /, write a host without blanks, and at most %m characters";

/// keepalived's: any success.
const STATUS: [u16; 2] = [200, 299];

/// A probe as its section has it, with its words still in the file.
#[derive(Clone, Copy)]
pub(super) struct Defined<'d> {
    pub(super) probe: Probe,
    /// Of one that is a script.
    pub(super) script: Option<Value<'d>>,
    /// Of one that is none. What the file has words for is not in it yet.
    pub(super) target: Target,
    /// Its device, whose name has been checked.
    pub(super) interface: Option<Value<'d>>,
    /// `payload` or `dns_name`, which has been checked.
    pub(super) question: Option<Value<'d>>,
}

impl Defined<'_> {
    /// One without a script, and with nowhere to go yet.
    pub(super) const fn new(probe: Probe) -> Self {
        Self { probe, script: None, target: Target::SCRIPT, interface: None, question: None }
    }
}

/// What an HTTP server is asked for, with its words still in the file.
#[derive(Clone, Copy)]
pub(super) struct DefinedUrl<'d> {
    pub(super) path: Option<Value<'d>>,
    pub(super) host: Option<Value<'d>>,
    pub(super) text: Option<Value<'d>>,
    pub(super) digest: Option<[u8; 16]>,
    pub(super) status: [u16; 2],
}

impl DefinedUrl<'_> {
    /// The first page, with any success.
    pub(super) const PLAIN: Self = Self { path: None, host: None, text: None, digest: None, status: STATUS };

    /// The words that are kept of it: path, host, text and digest.
    fn words(&self) -> [&[u8]; 4] {
        let [path, host, text] = [self.path, self.host, self.text]
            .map(|value| value.map_or_else(Default::default, |value| value.text));
        [path, host, text, self.digest.as_ref().map_or(&[], |digest| digest)]
    }
}

impl<'d> Reader<'d, '_> {
    /// `config vrrp_script` or `config probe`, without its name.
    #[inline(never)]
    pub(super) fn defined_probe(&mut self, section: Section<'d>) -> Option<Defined<'d>> {
        self.manner_of(section, &WEIGHT);
        let [interval, timeout, rise, fall, fail, init_fail] = self.numbers(section, &NUMBERS);
        let mut defined = Defined::new(Probe {
            name: Text::default(),
            script: Text::default(),
            interval_secs: interval as u16,
            timeout_secs: if timeout == 0 { interval } else { timeout } as u16,
            rise: rise as u8,
            fall: if fall == 0 { fail } else { fall } as u8,
            retry_secs: 0,
            spread_secs: 0,
            start: if init_fail == 0 { Start::Unknown } else { Start::Down },
            is_weighing: false,
            service: None,
        });
        let method = if section.is("probe") { self.method(section)? } else { Method::Script };
        let is_usable = match method {
            Method::Script => {
                defined.script = self.command(section, "script");
                defined.script.is_some()
            }
            Method::Ping
            | Method::Arp
            | Method::Tcp
            | Method::Http
            | Method::Udp
            | Method::Dns
            | Method::Smtp => {
                defined.target.method = method;
                cfg!(feature = "probe-network") && self.target(section, &mut defined)
            }
        };
        is_usable.then_some(defined)
    }

    /// `option type`, and whether the section has no option of another one.
    fn method(&mut self, section: Section<'d>) -> Option<Method> {
        let Some(kind) = self.scalar(section, "type") else {
            self.missing(section, "type");
            return None;
        };
        let place = value::choice(kind.text, TYPES);
        let Some((place, method)) = place.and_then(|place| Some((place, *Method::ALL.get(place)?))) else {
            self.wrong(&kind, &"type %A is unknown: write ping, arp, tcp, http, udp, dns, smtp or script");
            return None;
        };
        if !method.is_built() {
            self.wrong(&kind, &"a probe of type %A is not in this build of vipd: use a script");
            return None;
        }
        let its = PARTICULARS.get(place).copied().unwrap_or("");
        for entry in section.entries() {
            let is_particular = value::choice(entry.name, ALL_PARTICULARS).is_some();
            if is_particular && value::choice(entry.name, its).is_none() {
                self.error(
                    entry.line,
                    "%a is not for a probe of type %b: remove it",
                    &[entry.name, kind.text],
                );
            }
        }
        Some(method)
    }

    /// `option script`, or another one that is what can be run without a shell.
    pub(super) fn command(&mut self, section: Section<'d>, option: &'static str) -> Option<Value<'d>> {
        let Some(script) = self.scalar(section, option) else {
            self.missing(section, option);
            return None;
        };
        if !value::is_command(script.text) {
            self.error_with(
                script.line,
                "%a %B cannot be run: write an absolute path and its arguments, at most %n words and %m \
                 characters, without quotes",
                &[option.as_bytes(), script.text],
                [limits::PATH_BYTES_MAX as i32, limits::SCRIPT_WORDS_MAX as i32],
            );
            return None;
        }
        Some(script)
    }

    /// Where a probe without a script goes, and what it wants there. `false`: an error was told.
    fn target(&mut self, section: Section<'d>, defined: &mut Defined<'d>) -> bool {
        let Some(address) = self.scalar(section, "address") else {
            self.missing(section, "address");
            return false;
        };
        let Some(known) = value::address(address.text).filter(|known| value::is_destination(*known)) else {
            self.wrong(
                &address,
                &"address %A is not that of a host: write one like 192.0.2.1 or 2001:db8::1",
            );
            return false;
        };
        defined.target.address = known;
        defined.interface = self.scalar(section, "interface");
        let is_local = match known {
            IpAddr::V4(_) => false,
            IpAddr::V6(known) => known.is_unicast_link_local(),
        };
        if defined.interface.is_none() && (is_local || defined.target.method == Method::Arp) {
            self.wrong(&address, &"address %A is looked for on one network: write its interface");
            return false;
        }
        if let Some(interface) = defined.interface {
            defined.interface = self.device_name(interface, "interface");
        }
        let [port] = self.numbers(section, &PORT);
        defined.target.port = port as u16;
        if matches!(defined.target.method, Method::Tcp | Method::Udp) && first(section, "port").is_none() {
            self.missing(section, "port");
            return false;
        }
        self.particulars(section, defined);
        if defined.target.method == Method::Http {
            self.defined_url(section);
        }
        true
    }

    /// Port, payload and question of a method that is asked over one, each the method's own where nothing is said.
    pub(super) fn particulars(&mut self, section: Section<'d>, defined: &mut Defined<'d>) {
        let port = match defined.target.method {
            Method::Http => http::PORT,
            Method::Dns => dns::PORT,
            Method::Smtp => smtp::PORT,
            Method::Script | Method::Ping | Method::Arp | Method::Tcp | Method::Udp => 0,
        };
        if defined.target.port == 0 {
            defined.target.port = port;
        }
        if !cfg!(feature = "ipvs") {
            return;
        }
        if defined.target.method == Method::Udp {
            let [requires_reply] = self.numbers(section, &REQUIRE_REPLY);
            defined.target.requires_reply = requires_reply != 0;
            defined.question = self.words_of(
                section,
                "payload",
                value::is_payload,
                &"%a %B is no payload: write two hexadecimal digits for each byte, at most %m bytes",
            );
        } else if defined.target.method == Method::Dns {
            defined.target.dns_type = self.dns_type(section).unwrap_or(dns::SOA);
            defined.question = self.words_of(
                section,
                "dns_name",
                dns::is_name,
                &"%a %B is no name: write one like www.example.org, of at most %m characters, or a dot",
            );
        }
    }

    fn dns_type(&mut self, section: Section<'d>) -> Option<u16> {
        let value = self.scalar(section, "dns_type")?;
        let known = dns::TYPES.iter().find(|(_, name)| name.as_bytes() == value.text);
        if known.is_none() {
            self.wrong(
                &value,
                &"dns_type %A is unknown: write A, NS, CNAME, SOA, MX, TXT, AAAA, RRSIG or DNSKEY",
            );
        }
        known.map(|(number, _)| *number)
    }

    /// What an HTTP server is asked for, and what it must say: of a `probe` or a `url`.
    pub(super) fn defined_url(&mut self, section: Section<'d>) -> DefinedUrl<'d> {
        let mut status = STATUS;
        if let Some(code) = self.scalar(section, "status_code") {
            match value::range(code.text).filter(|[least, greatest]| *least <= *greatest && *greatest <= 999)
            {
                Some([least, greatest]) => status = [least as u16, greatest as u16],
                None => {
                    self.wrong(&code, &"status_code %A is none: write one like 200 or a range like 200-399");
                }
            }
        }
        let is_path: fn(&[u8]) -> bool = value::is_path;
        DefinedUrl {
            path: self.words_of(section, "path", is_path, &WORDS_OF_HTTP),
            host: self.words_of(section, "virtualhost", value::is_host_name, &WORDS_OF_HTTP),
            text: self.words_of(section, "text", value::is_text, &WORDS_OF_HTTP),
            digest: if cfg!(feature = "ipvs") { self.digest(section) } else { None },
            status,
        }
    }

    /// `digest`: the MD5 of a page.
    fn digest(&mut self, section: Section<'d>) -> Option<[u8; 16]> {
        let value = self.scalar(section, "digest")?;
        let digest = md5::from_hex(value.text);
        if digest.is_none() {
            self.wrong(&value, &"digest %A is none: write the 32 hexadecimal digits of the page's MD5");
        }
        digest
    }

    pub(super) fn words_of(
        &mut self,
        section: Section<'d>,
        option: &'static str,
        is_good: fn(&[u8]) -> bool,
        sentence: &Sentence,
    ) -> Option<Value<'d>> {
        let value = self.scalar(section, option)?;
        if !is_good(value.text) {
            let words = [option.as_bytes(), value.text];
            self.error_with(value.line, sentence, &words, [limits::PATH_BYTES_MAX as i32, 0]);
            return None;
        }
        Some(value)
    }

    /// Keeps what an HTTP server is asked for, one after another. Who asks for the same as another one shares it.
    #[inline(never)]
    pub(super) fn enter_urls(&mut self, line: u32, urls: &[DefinedUrl<'d>]) -> Option<Span> {
        let config = &self.config;
        let is_same = |(url, defined): (&Url, &DefinedUrl<'d>)| {
            url.status == defined.status
                && [url.path, url.host, url.text, url.digest].map(|text| config.bytes(text))
                    == defined.words()
        };
        let len = urls.len().max(1);
        let known = config.urls.windows(len).position(|window| window.iter().zip(urls).all(is_same));
        let start = known.unwrap_or(config.urls.len());
        if known.is_none() {
            for defined in urls {
                let [path, host, text, digest] = defined.words().map(|word| self.keep_word(line, word));
                let url = Url { path, host, text, digest, status: defined.status };
                if self.config.urls.push(url).is_err() {
                    let variable = if cfg!(feature = "ipvs") { "VIPD_REAL_SERVERS" } else { "VIPD_PROBES" };
                    let capacity =
                        if cfg!(feature = "ipvs") { limits::REAL_SERVERS_MAX } else { limits::PROBES_MAX };
                    self.full(line, variable, capacity);
                    return None;
                }
            }
        }
        Some(span(start, start + urls.len()))
    }

    /// The probe of a section, entered into the configuration if it is new there.
    pub(super) fn enter_probe(&mut self, line: u32, section: Section<'d>) -> Option<ProbeId> {
        let known = self.probe_sections.iter().position(|index| *index == section.index());
        if let Some(position) = known {
            return Some(ProbeId(position as u16));
        }
        let defined = self.silently(|reader| reader.defined_probe(section))?;
        let name = self.section_name(section);
        let bytes = self.config.bytes(name);
        if self.config.probes.iter().any(|other| self.config.bytes(other.name) == bytes) {
            self.error(
                line,
                "a probe and a vrrp_script have the same name: give one of them another name",
                &[],
            );
            return None;
        }
        let mut urls = Span::default();
        if cfg!(feature = "probe-network") && defined.target.method == Method::Http {
            let url = self.silently(|reader| reader.defined_url(section));
            urls = self.enter_urls(line, &[url])?;
        }
        // Those of real servers come later, and have their own room.
        if self.config.probes.len() + 1 > limits::TRACKED_PROBES_MAX {
            self.full(line, "VIPD_PROBES", limits::TRACKED_PROBES_MAX);
            return None;
        }
        self.enter_defined(line, section, name, &defined, urls)
    }

    /// A probe with these URLs, entered into the configuration under a name that no other has: a reload knows it by that.
    /// `section` is what it was read from, which may be the same for several, but for `probe` and `vrrp_script`.
    #[inline(never)]
    pub(super) fn enter_defined(
        &mut self,
        line: u32,
        section: Section<'d>,
        name: Text,
        defined: &Defined<'d>,
        urls: Span,
    ) -> Option<ProbeId> {
        let Defined { mut probe, script, mut target, interface, question } = *defined;
        probe.name = name;
        probe.script = self.keep_value(script);
        if cfg!(feature = "probe-network") {
            target.urls = urls;
            target.question = match question {
                Some(question) if target.method == Method::Udp => {
                    let mut bytes = [0; limits::PATH_BYTES_MAX];
                    let len = value::payload(question.text, &mut bytes).unwrap_or(0);
                    self.keep_word(question.line, bytes.get(..len).unwrap_or(&[]))
                }
                Some(_) | None => self.keep_value(question),
            };
            target.interface = match interface {
                Some(interface) => Some(self.enter_device(interface)?),
                None => None,
            };
        }
        let position = self.config.probes.len();
        if self.config.probes.push(probe).is_err() || self.probe_sections.push(section.index()).is_err() {
            self.full(line, "VIPD_PROBES", limits::TRACKED_PROBES_MAX);
            return None;
        }
        // As many as probes, or none at all.
        let _ = self.config.targets.push(target);
        Some(ProbeId(position as u16))
    }

    fn keep_value(&mut self, value: Option<Value<'d>>) -> Text {
        value.map_or_else(Text::default, |value| self.keep(value.line, value.text))
    }

    fn keep_word(&mut self, line: u32, word: &[u8]) -> Text {
        if word.is_empty() { Text::default() } else { self.keep(line, word) }
    }
}
