//! The meaning of the words: a [`Document`] in, a [`Config`] and every problem out.
//!
//! Four passes: `Reader::check_words` sees that every word is known and built, the definitions
//! (`ipaddress`, `peer`, `track_interface`, `vrrp_script`, `track_file`, `probe`, `route`, `rule`, `bfd_instance`) are
//! checked whether anything refers to them or not, then come
//! the instances, then the groups, since they refer to instances, and the virtual servers. An error does not end a pass: its
//! place is taken by a default, and the configuration is unusable.

use core::net::IpAddr;

use heapless::Vec;

use super::problem::Problem;
use super::reader::{self, Numeric, Reader, explicit_name};
use super::routes::Thing;
use super::uci::{Document, Section};
use super::value;
use super::words::{self, Standing};
use super::{Config, InterfaceId};
use crate::limits;
use crate::time;
use crate::wire::vrrp::Version;

/// A logical name and the device that it stands for (`--alias lan=br-lan`): the configuration may say
/// either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias<'a> {
    /// What the configuration says.
    pub name: &'a str,
    /// The network device.
    pub device: &'a str,
}

/// Reads `document` into `config`, which is cleared before, and reports every problem, of errors and
/// warnings alike. True: there was no error, and `config` can be carried out. False: it cannot, and its
/// content means nothing.
pub fn read(
    document: &Document,
    aliases: &[Alias<'_>],
    config: &mut Config,
    report: &mut dyn FnMut(Problem<'_>),
) -> bool {
    config.clear();
    let mut reader = Reader {
        document,
        aliases,
        config,
        report,
        is_usable: true,
        is_silent: false,
        default_version: Version::V2,
        virtual_routers: 0,
        instance_sections: Vec::new(),
        group_lines: Vec::new(),
        probe_sections: Vec::new(),
        route_sections: Vec::new(),
        file_sections: Vec::new(),
        hook_sections: Vec::new(),
        bfd_sections: Vec::new(),
        server_sections: Vec::new(),
    };
    if let Some(line) = document.dropped_line() {
        reader.warn(
            line,
            "what follows the ; is ignored, as in every UCI file: put a blank before the ;",
            &[],
        );
    }
    reader.check_words();
    reader.read_globals();
    reader.check_definitions();
    reader.read_instances();
    reader.read_groups();
    if cfg!(feature = "ipvs") {
        reader.read_virtual_servers();
    }
    reader.read_delays();
    if reader.is_usable {
        reader.warn_of_untracked();
    }
    reader.is_usable
}

static GLOBAL_NUMBERS: [Numeric; 4] = [
    Numeric::flag("enabled", true),
    Numeric::flag("realtime", false),
    Numeric::whole("vrrp_version", [2, 3], 2),
    Numeric::millis("vrrp_startup_delay", 3600),
];

/// Section types that others refer to by name.
const NAMED_KINDS: &str = "ipaddress peer track_interface vrrp_script track_script track_file probe vrrp_instance \
                           vrrp_sync_group route rule bfd_instance virtual_server real_server url";

impl<'d> Reader<'d, '_> {
    /// Every section type and every option must be known; what is not in this release must not be asked
    /// for by a section that is enabled.
    fn check_words(&mut self) {
        for section in self.document.sections() {
            let kind = section.kind();
            let Some(words) = words::section(kind) else {
                self.unknown_section(section);
                continue;
            };
            let is_enabled = self.is_enabled(section);
            self.check_standing(section.line(), kind, words.standing, is_enabled);
            if let Standing::Idle(_) = words.standing {
                // Nor has anything in it.
                continue;
            }
            for entry in section.entries() {
                let is_asking = is_enabled && value::is_asking(entry.value);
                match words.option(entry.name) {
                    Some(standing) => {
                        self.check_standing(entry.line, entry.name, standing, is_asking);
                    }
                    None => {
                        let nearest = words.nearest_option(entry.name);
                        self.unknown_option(entry.line, entry.name, kind, nearest);
                    }
                }
            }
        }
    }

    /// Whether a word can be had that the file asks for.
    fn check_standing(&mut self, line: u32, word: &[u8], standing: Standing, is_asking: bool) {
        match standing {
            Standing::Later if is_asking => {
                self.error(line, "%a is not in this release: remove it", &[word]);
            }
            Standing::Idle(reason) if is_asking => {
                self.warn(line, "%a has no effect: %b", &[word, reason.as_bytes()]);
            }
            Standing::Built | Standing::Later | Standing::Idle(_) => {}
        }
    }

    fn unknown_section(&mut self, section: Section<'d>) {
        match words::nearest_section(section.kind()) {
            Some(nearest) => self.error(
                section.line(),
                "section type %A is unknown: did you mean %B?",
                &[section.kind(), nearest],
            ),
            None => self.error(section.line(), "section type %A is unknown: remove it", &[section.kind()]),
        }
    }

    fn unknown_option(&mut self, line: u32, name: &[u8], kind: &[u8], nearest: Option<&[u8]>) {
        match nearest {
            Some(nearest) => {
                self.error(line, "option %A is unknown in %b: did you mean %C?", &[name, kind, nearest]);
            }
            None => self.error(line, "option %A is unknown in %b: remove it", &[name, kind]),
        }
    }

    fn read_globals(&mut self) {
        let mut sections = self.document.sections();
        let Some(section) = sections.find(|section| section.is("globals")) else { return };
        for other in sections.filter(|section| section.is("globals")) {
            self.error_with(
                other.line(),
                "there are globals on line %m already: write all options there",
                &[],
                [section.line() as i32, 0],
            );
        }
        let [enabled, realtime, version, startup_delay] = self.numbers(section, &GLOBAL_NUMBERS);
        self.config.globals.enabled = enabled != 0;
        self.config.globals.realtime = realtime != 0;
        self.config.globals.startup_delay = time::Span::from_millis(startup_delay.cast_unsigned());
        self.default_version = reader::version(version, Version::V2);
        if let Some(id) = self.scalar(section, "router_id") {
            self.config.globals.router_id = self.name(id, "router_id");
        }
        if let Some(IpAddr::V4(group)) = self.multicast_group(section, true) {
            self.config.globals.multicast_v4 = group;
        }
        if let Some(IpAddr::V6(group)) = self.multicast_group(section, false) {
            self.config.globals.multicast_v6 = group;
        }
        if let Some(value) = self.scalar(section, "alt_config_file") {
            self.wrong(&value, &"alt_config_file %A is not read: write its content as sections of this file");
        }
        self.config.globals.notify = self.path(section, "notify");
        self.read_ipvs_timeouts(section);
    }

    /// Where multicast adverts of one family go.
    fn multicast_group(&mut self, section: Section<'d>, is_v4: bool) -> Option<IpAddr> {
        let (name, sentence) = if is_v4 {
            ("vrrp_mcast_group4", "%a %B is no IPv4 multicast address: write one like 224.0.0.18")
        } else {
            ("vrrp_mcast_group6", "%a %B is no IPv6 multicast address: write one like ff02::12")
        };
        let value = self.scalar(section, name)?;
        let group = value::address(value.text);
        let group = group.filter(|group| group.is_multicast() && group.is_ipv4() == is_v4);
        if group.is_none() {
            self.wrong_option(&value, name, &sentence);
        }
        group
    }

    /// Definitions are checked once, here; a reference to one reads it again in silence.
    fn check_definitions(&mut self) {
        for section in self.document.sections() {
            let kind = value::choice(section.kind(), NAMED_KINDS);
            if kind.is_none() || !self.is_enabled(section) {
                continue;
            }
            self.check_name(section);
            if cfg!(feature = "track-hooks") && matches!(kind, Some(2 | 3 | 5 | 6 | 11)) {
                self.defined_hook(section);
            }
            match kind {
                Some(0) => drop(self.defined_address(section)),
                Some(1) => drop(self.defined_peer(section)),
                Some(2) => self.defined_track(section),
                Some(3 | 6) if cfg!(feature = "probe") => drop(self.defined_probe(section)),
                Some(4) if cfg!(feature = "probe") => drop(self.defined_track_script(section)),
                Some(5) if cfg!(feature = "files") => drop(self.defined_file(section)),
                Some(9) if cfg!(feature = "routes") => drop(self.defined(Thing::Route, section)),
                Some(10) if cfg!(feature = "routes") => drop(self.defined(Thing::Rule, section)),
                Some(11) if cfg!(feature = "bfd") => self.read_session(section),
                Some(14) if cfg!(feature = "ipvs") => drop(self.defined_url(section)),
                Some(_) | None => {}
            }
        }
    }

    /// `config interface_up_down_delays`, the package's own section, of a device that something names.
    fn read_delays(&mut self) {
        for section in self.document.sections() {
            if !section.is("interface_up_down_delays") || !self.is_enabled(section) {
                continue;
            }
            let delays = self.delays(section);
            let Some(value) = self.scalar(section, "device") else {
                self.missing(section, "device");
                continue;
            };
            let Some(device) = self.device_name(value, "device") else { continue };
            let mut names = self.config.interfaces.iter();
            let known = names.position(|name| self.config.text(*name).as_bytes() == device.text);
            if let Some(position) = known {
                self.set_delays(value.line, InterfaceId(position as u8), delays);
            }
        }
    }

    /// Two sections of a type must not have the same name: a reference could mean either.
    fn check_name(&mut self, section: Section<'d>) {
        let Some(name) = explicit_name(section) else { return };
        if !value::is_name(name.text) {
            self.error_with(
                name.line,
                "name %A cannot be used: write at most %m characters without blanks",
                &[name.text],
                [limits::NAME_BYTES_MAX as i32, 0],
            );
        }
        for other in self.document.sections() {
            if other.index() >= section.index() {
                break;
            }
            let is_same = other.kind() == section.kind()
                && self.is_enabled(other)
                && explicit_name(other).is_some_and(|other| other.text == name.text);
            if is_same {
                self.error_with(
                    name.line,
                    "the %a of line %m is named %B too: give one of them another name",
                    &[section.kind(), name.text],
                    [other.line() as i32, 0],
                );
                break;
            }
        }
    }
}
