//! `config probe`: what is tried again and again, with a script or without any.

use core::net::IpAddr;

use super::reader::{Numeric, Reader, Value, first};
use super::track::WEIGHT;
use super::uci::Section;
use super::value;
use super::{Method, Probe, ProbeId, Target, Text};
use crate::limits;
use crate::probe::{Start, http};

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

/// The types, and the options that each has beside those of all.
const TYPES: &str = "script ping arp tcp http";
const PARTICULARS: [&str; 5] = [
    "script user",
    "address interface",
    "address interface",
    "address interface port",
    "address interface port path virtualhost status_code text",
];
const ALL_PARTICULARS: &str = "script user address interface port path virtualhost status_code text";

/// keepalived's: any success.
const STATUS: [u16; 2] = [200, 299];

/// A probe as its section has it, with its words still in the file.
#[derive(Clone, Copy)]
pub(super) struct Defined<'d> {
    probe: Probe,
    script: Option<Value<'d>>,
    target: Target,
    interface: Option<Value<'d>>,
    path: Option<Value<'d>>,
    host: Option<Value<'d>>,
    text: Option<Value<'d>>,
}

impl<'d> Reader<'d, '_> {
    /// `config vrrp_script` or `config probe`, without its name.
    #[inline(never)]
    pub(super) fn defined_probe(&mut self, section: Section<'d>) -> Option<Defined<'d>> {
        self.manner_of(section, &WEIGHT);
        let [interval, timeout, rise, fall, fail, init_fail] = self.numbers(section, &NUMBERS);
        let mut defined = Defined {
            probe: Probe {
                name: Text::default(),
                script: Text::default(),
                interval_secs: interval as u16,
                timeout_secs: if timeout == 0 { interval } else { timeout } as u16,
                rise: rise as u8,
                fall: if fall == 0 { fail } else { fall } as u8,
                retry_secs: 0,
                spread_secs: 0,
                start: if init_fail == 0 { Start::Unknown } else { Start::Down },
            },
            script: None,
            target: Target::SCRIPT,
            interface: None,
            path: None,
            host: None,
            text: None,
        };
        let method = if section.is("probe") { self.method(section)? } else { Method::Script };
        let is_usable = match method {
            Method::Script => {
                defined.script = self.command(section);
                defined.script.is_some()
            }
            Method::Ping | Method::Arp | Method::Tcp | Method::Http if !cfg!(feature = "probe-network") => {
                false
            }
            Method::Ping | Method::Arp | Method::Tcp | Method::Http => {
                defined.target.method = method;
                self.target(section, &mut defined)
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
            self.wrong(&kind, &"type %A is unknown: write ping, arp, tcp, http or script");
            return None;
        };
        if method != Method::Script && !cfg!(feature = "probe-network") {
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

    /// `option script`: what can be run without a shell.
    fn command(&mut self, section: Section<'d>) -> Option<Value<'d>> {
        let Some(script) = self.scalar(section, "script") else {
            self.missing(section, "script");
            return None;
        };
        if !value::is_command(script.text) {
            self.error_with(
                script.line,
                "script %A cannot be run: write an absolute path and its arguments, at most %n words and %m \
                 characters, without quotes",
                &[script.text],
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
        match defined.target.method {
            Method::Tcp if first(section, "port").is_none() => {
                self.missing(section, "port");
                return false;
            }
            Method::Http => self.wanted(section, defined),
            Method::Script | Method::Ping | Method::Arp | Method::Tcp => {}
        }
        true
    }

    /// What an HTTP server is asked for, and what it must say.
    fn wanted(&mut self, section: Section<'d>, defined: &mut Defined<'d>) {
        if defined.target.port == 0 {
            defined.target.port = http::PORT;
        }
        defined.target.status = STATUS;
        if let Some(code) = self.scalar(section, "status_code") {
            match value::range(code.text).filter(|[least, greatest]| *least <= *greatest && *greatest <= 999)
            {
                Some([least, greatest]) => defined.target.status = [least as u16, greatest as u16],
                None => {
                    self.wrong(&code, &"status_code %A is none: write one like 200 or a range like 200-399");
                }
            }
        }
        let is_path: fn(&[u8]) -> bool = value::is_path;
        defined.path = self.words_of_http(section, "path", is_path);
        defined.host = self.words_of_http(section, "virtualhost", value::is_host_name);
        defined.text = self.words_of_http(section, "text", value::is_text);
    }

    fn words_of_http(
        &mut self,
        section: Section<'d>,
        option: &'static str,
        is_good: fn(&[u8]) -> bool,
    ) -> Option<Value<'d>> {
        let value = self.scalar(section, option)?;
        if !is_good(value.text) {
            self.error_with(
                value.line,
                "%a %B cannot be used: begin a path with /, write a host without blanks, and at most %m characters",
                &[option.as_bytes(), value.text],
                [limits::PATH_BYTES_MAX as i32, 0],
            );
            return None;
        }
        Some(value)
    }

    /// The probe of a section, entered into the configuration if it is new there.
    pub(super) fn enter_probe(&mut self, line: u32, section: Section<'d>) -> Option<ProbeId> {
        let known = self.probe_sections.iter().position(|index| *index == section.index());
        if let Some(position) = known {
            return Some(ProbeId(position as u16));
        }
        let Defined { mut probe, script, mut target, interface, path, host, text } =
            self.silently(|reader| reader.defined_probe(section))?;
        probe.name = self.section_name(section);
        let name = self.config.bytes(probe.name);
        if self.config.probes.iter().any(|other| self.config.bytes(other.name) == name) {
            self.error(
                line,
                "a probe and a vrrp_script have the same name: give one of them another name",
                &[],
            );
            return None;
        }
        probe.script = self.keep_value(script);
        if cfg!(feature = "probe-network") {
            target.path = self.keep_value(path);
            target.host = self.keep_value(host);
            target.text = self.keep_value(text);
            target.interface = match interface {
                Some(interface) => Some(self.enter_device(interface)?),
                None => None,
            };
        }
        let position = self.config.probes.len();
        // Those of real servers come later, and have their own room.
        if position + 1 > limits::TRACKED_PROBES_MAX
            || self.config.probes.push(probe).is_err()
            || self.probe_sections.push(section.index()).is_err()
        {
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
}
