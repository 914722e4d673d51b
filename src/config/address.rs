//! `virtual_ipaddress` and `virtual_ipaddress_excluded`, and the `config ipaddress` sections that they may name.

use core::net::{IpAddr, Ipv4Addr};

use heapless::Vec;

use super::reader::{Reader, Value, entries, insert, span};
use super::uci::Section;
use super::value::{self, PrefixFault, Words};
use super::{Family, InterfaceId, Span, Text, VirtualAddress};
use crate::limits;

/// A virtual address as the file has it.
#[derive(Clone, Copy)]
pub(super) struct Written<'d> {
    address: IpAddr,
    prefix_len: u8,
    device: Option<Value<'d>>,
    scope: u8,
    label: Label<'d>,
}

#[derive(Clone, Copy)]
enum Label<'d> {
    None,
    /// As it is.
    Whole(&'d [u8]),
    /// Behind the device and a colon.
    Suffix(&'d [u8]),
}

/// Words that keepalived knows behind an address and this release does not.
const LATER: &str =
    "peer preferred_lft home -nodad nodad mngtmpaddr noprefixroute autojoin no_track use_vmac";

/// How many of these take a word with them.
const LATER_WITH_WORD: usize = 2;

/// What is left of a label behind the shortest device's name and a colon.
const LABEL_SUFFIX_BYTES_MAX: usize = limits::INTERFACE_NAME_BYTES_MAX - 2;

/// Words that are read.
const ATTRIBUTES: &str = "dev label scope brd broadcast";

/// The addresses of one instance in the configuration's table: where they begin, and where those of the IPv4 half end.
#[derive(Clone, Copy)]
struct Table {
    start: usize,
    v4_end: usize,
}

impl<'d> Reader<'d, '_> {
    /// The addresses of an instance, of its IPv4 half and of its IPv6 half.
    pub(super) fn addresses(&mut self, section: Section<'d>, interface: InterfaceId) -> (Span, Span) {
        let start = self.config.addresses.len();
        let mut table = Table { start, v4_end: start };
        // A half that advertises nothing does not exist, so those that are excluded come second.
        let _ = self.read_addresses(section, interface, &mut table, false)
            && self.read_addresses(section, interface, &mut table, true);
        (span(start, table.v4_end), span(table.v4_end, self.config.addresses.len()))
    }

    /// The addresses of one of the two lists; `false`: there is no room.
    fn read_addresses(
        &mut self,
        section: Section<'d>,
        interface: InterfaceId,
        table: &mut Table,
        is_excluded: bool,
    ) -> bool {
        let has_v4 = table.v4_end > table.start;
        let has_v6 = self.config.addresses.len() > table.v4_end;
        let option = if is_excluded { "virtual_ipaddress_excluded" } else { "virtual_ipaddress" };
        for value in entries(section, option) {
            let mut words = Words::new(value.text);
            while let Some(text) = words.next() {
                let word = Value { text, ..value };
                let Some(written) = self.written_address(word, &mut words, option) else { continue };
                let address =
                    VirtualAddress { is_excluded, ..self.virtual_address(word, &written, interface) };
                self.check_new(word, &address, table.start, option);
                let is_v4 = match Family::of(written.address) {
                    Family::V4 => !is_excluded || has_v4 || !has_v6,
                    Family::V6 => is_excluded && has_v4 && !has_v6,
                };
                let at = if is_v4 { table.v4_end } else { self.config.addresses.len() };
                if !insert(&mut self.config.addresses, at, address) {
                    self.full(word.line, "VIPD_ADDRESSES", limits::ADDRESSES_MAX);
                    return false;
                }
                table.v4_end += usize::from(is_v4);
            }
        }
        true
    }

    /// An address stands in one place: of two instances that have it on the same device, each would take away
    /// what the other needs.
    fn check_new(&mut self, word: Value<'d>, address: &VirtualAddress, start: usize, option: &str) {
        let mut all = self.config.addresses.iter().enumerate();
        let same = all.find(|(position, other)| {
            other.address == address.address && (*position >= start || other.interface == address.interface)
        });
        match same {
            None => {}
            Some((position, _)) if position >= start => {
                self.wrong_option(&word, option, &"%a %B is written twice: remove one");
            }
            Some((position, _)) => {
                // An instance that was not taken has been reported; its addresses have no owner.
                let Some(line) = self.line_of_owner(position) else { return };
                self.error_with(
                    word.line,
                    "the instance of line %m has %a %B on this device already: write it in one of the two",
                    &[option.as_bytes(), word.text],
                    [line as i32, 0],
                );
            }
        }
    }

    /// The line of the instance that has the virtual address at this place of the table.
    fn line_of_owner(&self, position: usize) -> Option<u32> {
        let mut owners = self.config.instances.iter().zip(&self.instance_sections);
        let (_, section) = owners.find(|(owner, _)| {
            [owner.v4, owner.v6].iter().any(|half| half.addresses.range().contains(&position))
        })?;
        self.document.sections().nth(usize::from(*section)).map(Section::line)
    }

    /// An address with the words behind it, or the section of this name.
    fn written_address(
        &mut self,
        word: Value<'d>,
        words: &mut Words<'d>,
        option: &str,
    ) -> Option<Written<'d>> {
        let is_address = match value::address_with_prefix(word.text) {
            Ok(_) | Err(PrefixFault::Length(_)) => true,
            Err(PrefixFault::Address) => word.text.contains(&b'/'),
        };
        let mut written = if is_address {
            self.address(word, option)
        } else if let Some(section) = self.resolve("ipaddress", word.text) {
            self.silently(|reader| reader.defined_address(section))
        } else {
            self.wrong_option(
                &word,
                option,
                &"%a %B is neither an address nor the name of an ipaddress section: write one of them",
            );
            None
        };
        while let Some(attribute) = words.peek() {
            if !self.attribute(attribute, word, words, written.as_mut()) {
                break;
            }
        }
        written
    }

    /// One of the words that may follow an address; false if it is none of them.
    fn attribute(
        &mut self,
        attribute: &'d [u8],
        word: Value<'d>,
        words: &mut Words<'d>,
        written: Option<&mut Written<'d>>,
    ) -> bool {
        let later = value::choice(attribute, LATER);
        let known = value::choice(attribute, ATTRIBUTES);
        if later.is_none() && known.is_none() {
            return false;
        }
        words.next();
        if let Some(place) = later {
            self.error(
                word.line,
                "%A behind the address %B is not in this release: remove it",
                &[attribute, word.text],
            );
            if place < LATER_WITH_WORD {
                words.next();
            }
            return true;
        }
        let Some(text) = words.next() else {
            self.error(
                word.line,
                "nothing follows %A behind the address %B: write what it is to be, or remove it",
                &[attribute, word.text],
            );
            return true;
        };
        let value = Value { text, ..word };
        // Where the address itself is wrong, the words behind it are checked all the same.
        let mut nowhere = Written::NOWHERE;
        let written = written.unwrap_or(&mut nowhere);
        match known {
            Some(0) => written.device = self.device_name(value, "dev"),
            Some(1) => written.label = Label::Whole(text),
            Some(2) => written.scope = self.scope(value, written.address),
            Some(_) | None => self.warn(
                word.line,
                "%a %B has no effect: a virtual address has no broadcast address",
                &[attribute, text],
            ),
        }
        true
    }

    /// `config ipaddress`.
    pub(super) fn defined_address(&mut self, section: Section<'d>) -> Option<Written<'d>> {
        let device = self.scalar(section, "device");
        let device = device.and_then(|value| self.device_name(value, "device"));
        let label = self.label_suffix(section);
        let address = self.scalar(section, "address");
        if address.is_none() {
            self.missing(section, "address");
        }
        let written = address.and_then(|value| self.address(value, "address"));
        let scope = self
            .scalar(section, "scope")
            .map_or(0, |value| self.scope(value, written.unwrap_or(Written::NOWHERE).address));
        Some(Written {
            device,
            scope,
            label: label.map_or(Label::None, |label| Label::Suffix(label.text)),
            ..written?
        })
    }

    /// Whether it fits behind the device is known where an instance refers to it.
    fn label_suffix(&mut self, section: Section<'d>) -> Option<Value<'d>> {
        let value = self.scalar(section, "label_suffix")?;
        if value.text.len() > LABEL_SUFFIX_BYTES_MAX || !value::is_device(value.text) {
            self.error_with(
                value.line,
                "label_suffix %A cannot be used: write at most %m characters, without blanks",
                &[value.text],
                [LABEL_SUFFIX_BYTES_MAX as i32, 0],
            );
            return None;
        }
        Some(value)
    }

    /// An address that a virtual router can have, alone.
    fn address(&mut self, value: Value<'d>, option: &str) -> Option<Written<'d>> {
        let words = &[option.as_bytes(), value.text];
        let (address, prefix_len) = match value::address_with_prefix(value.text) {
            Ok(address) => address,
            Err(PrefixFault::Address) => {
                self.error(
                    value.line,
                    "%a %B is no address: write one like 192.168.1.1/24 or fe80::1/64",
                    words,
                );
                return None;
            }
            Err(PrefixFault::Length(whole)) => {
                self.error_with(
                    value.line,
                    "the prefix length of %a %B is out of range: write one from 1 to %m",
                    words,
                    [i32::from(whole), 0],
                );
                return None;
            }
        };
        if !value::is_host(address) {
            self.error(
                value.line,
                "%a %B is loopback, multicast, broadcast or unspecified: write an address that a router can have",
                words,
            );
            return None;
        }
        if value::is_network_or_broadcast(address, prefix_len) {
            self.error(value.line, "%a %B stands for its whole network: write an address inside it", words);
            return None;
        }
        Some(Written { address, prefix_len, ..Written::NOWHERE })
    }

    /// IPv6 addresses have the scope that their first bits say, whatever the file says.
    fn scope(&mut self, value: Value<'d>, address: IpAddr) -> u8 {
        let Some(scope) = value::scope(value.text) else {
            self.wrong(
                &value,
                &"scope %A is unknown: write global, site, link, host, nowhere or a number from 0 to 255",
            );
            return 0;
        };
        match address {
            IpAddr::V4(_) => scope,
            IpAddr::V6(_) => {
                if scope != 0 {
                    self.idle(
                        &value,
                        &"scope %A has no effect: an IPv6 address has the scope that it begins with",
                    );
                }
                0
            }
        }
    }

    /// What is written, for an instance that speaks on `interface`.
    fn virtual_address(
        &mut self,
        word: Value<'d>,
        written: &Written<'d>,
        interface: InterfaceId,
    ) -> VirtualAddress {
        let device = written.device.and_then(|device| self.enter_device(device));
        let interface = device.unwrap_or(interface);
        let label = self.label(word, written, interface);
        VirtualAddress {
            address: written.address,
            prefix_len: written.prefix_len,
            interface,
            scope: written.scope,
            label,
            is_excluded: false,
        }
    }

    /// Labels exist for IPv4 only, and are as long as a device's name.
    fn label(&mut self, word: Value<'d>, written: &Written<'d>, interface: InterfaceId) -> Text {
        let mut label = Vec::<u8, { limits::INTERFACE_NAME_BYTES_MAX }>::new();
        let device = self.config.interface_name(interface).as_bytes();
        let fits = match written.label {
            Label::None => return Text::default(),
            Label::Whole(text) => label.extend_from_slice(text).is_ok(),
            Label::Suffix(text) => {
                [device, b":", text].iter().all(|part| label.extend_from_slice(part).is_ok())
            }
        };
        if Family::of(written.address) == Family::V6 {
            self.idle(&word, &"the label of %A has no effect: an IPv6 address has none");
            return Text::default();
        }
        if !fits || !value::is_device(&label) {
            self.error_with(
                word.line,
                "the label of %A cannot be used: write one of at most %m characters, with its device",
                &[word.text],
                [limits::INTERFACE_NAME_BYTES_MAX as i32, 0],
            );
            return Text::default();
        }
        self.keep(word.line, &label)
    }
}

impl Written<'_> {
    const NOWHERE: Self = Self {
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        prefix_len: 0,
        device: None,
        scope: 0,
        label: Label::None,
    };
}
