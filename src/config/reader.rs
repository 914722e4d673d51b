//! What every section's reader needs: values by the name of their option, references, and the reporting of
//! problems.

use heapless::Vec;

use super::problem::{Problem, Severity};
use super::schema::Alias;
use super::uci::{ANONYMOUS_NAME_BYTES, Document, Entries, Section};
use super::value::{self, Words};
use super::{Config, InterfaceId, Span, Text};
use crate::limits;
use crate::wire::vrrp::Version;

/// A value of the file, without white space around it, and its line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'d> {
    pub(super) text: &'d [u8],
    pub(super) line: u32,
}

/// What is wrong. Behind a reference it is one word at each of the many calls, and not two.
pub(super) type Sentence = &'static str;

/// An option that is a number, or can be had as one.
pub(super) struct Numeric {
    name: &'static str,
    kind: Kind,
    default: i32,
}

enum Kind {
    /// 0 or 1, in many words.
    Flag,
    /// From the first to the second.
    Whole([i32; 2]),
    /// Seconds up to this in the file, milliseconds here.
    Millis(i32),
}

impl Numeric {
    pub(super) const fn flag(name: &'static str, default: bool) -> Self {
        Self { name, kind: Kind::Flag, default: default as i32 }
    }

    pub(super) const fn whole(name: &'static str, range: [i32; 2], default: i32) -> Self {
        Self { name, kind: Kind::Whole(range), default }
    }

    pub(super) const fn millis(name: &'static str, greatest_secs: i32) -> Self {
        Self { name, kind: Kind::Millis(greatest_secs), default: 0 }
    }
}

/// The version of this number, or another if it is none.
pub(super) const fn version(number: i32, default: Version) -> Version {
    match number {
        2 => Version::V2,
        3 => Version::V3,
        _ => default,
    }
}

pub(super) struct Reader<'d, 'r> {
    pub(super) document: &'d Document,
    pub(super) aliases: &'d [Alias<'d>],
    pub(super) config: &'r mut Config,
    pub(super) report: &'r mut dyn FnMut(Problem<'_>),
    pub(super) is_usable: bool,
    /// Set while something is read that has been read and reported before.
    pub(super) is_silent: bool,
    /// `vrrp_version`.
    pub(super) default_version: Version,
    pub(super) virtual_routers: usize,
    /// The section of each of the configuration's instances.
    pub(super) instance_sections: Vec<u16, { limits::INSTANCES_MAX }>,
    /// The line of each of the configuration's groups.
    pub(super) group_lines: Vec<u32, { limits::GROUPS_MAX }>,
    /// The section of each of the configuration's probes.
    pub(super) probe_sections: Vec<u16, { limits::PROBES_MAX }>,
    /// The section of each of the configuration's routes.
    pub(super) route_sections: Vec<u16, { limits::TRACKED_ROUTES_MAX }>,
    /// The section of each of the configuration's files.
    pub(super) file_sections: Vec<u16, { limits::FILES_MAX }>,
    /// The section of each of the hooks of what is tracked.
    pub(super) hook_sections: Vec<u16, { limits::TRACK_HOOKS_MAX }>,
    /// The section of each of the configuration's BFD sessions that have one, which are the first.
    pub(super) bfd_sections: Vec<u16, { limits::BFD_SESSIONS_MAX }>,
    /// The sections of real servers that were read, and whether there was nothing wrong with them.
    pub(super) server_sections: Vec<(u16, bool), { limits::REAL_SERVERS_MAX }>,
}

impl<'d> Reader<'d, '_> {
    /// Whether a section is not switched off. A wrong flag is reported where it is read.
    pub(super) fn is_enabled(&self, section: Section<'d>) -> bool {
        first(section, "enabled").is_none_or(|value| value::flag(value.text) != Some(false))
    }

    /// The section of a type that a name refers to: an enabled one with this `option name`, else one that
    /// is called so in any way.
    pub(super) fn resolve(&self, kind: &str, name: &[u8]) -> Option<Section<'d>> {
        let mut called = None;
        for section in self.document.sections() {
            if !section.is(kind) {
                continue;
            }
            let is_named = explicit_name(section).is_some_and(|other| other.text == name);
            if is_named && self.is_enabled(section) {
                return Some(section);
            }
            if called.is_none() && (is_named || section.name() == name) {
                called = Some(section);
            }
        }
        called
    }

    /// What a section is called: `option name`, else its UCI name, else the one that libuci gives it.
    pub(super) fn section_name(&mut self, section: Section<'d>) -> Text {
        let mut buffer = [0; ANONYMOUS_NAME_BYTES];
        let name =
            explicit_name(section).map_or_else(|| section.anonymous_name(&mut buffer), |name| name.text);
        if !value::is_name(name) {
            return Text::default(); // Reported by `check_name`.
        }
        self.keep(section.line(), name)
    }

    /// Does something that reports nothing, because it was reported before.
    pub(super) fn silently<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        self.is_silent = true;
        let outcome = act(self);
        self.is_silent = false;
        outcome
    }

    // Values, by the name of their option. A wrong one is reported and counts as not written.

    /// The one value of an option.
    pub(super) fn scalar(&mut self, section: Section<'d>, name: &str) -> Option<Value<'d>> {
        let mut values = entries(section, name);
        let first = values.next()?;
        if values.next().is_some() {
            self.error(first.line, "%a has several values: write one option line", &[name.as_bytes()]);
        }
        Some(first)
    }

    /// The values of options that are numbers, each its default where the file does not say, or says it wrong.
    pub(super) fn numbers<const N: usize>(
        &mut self,
        section: Section<'d>,
        options: &'static [Numeric; N],
    ) -> [i32; N] {
        let mut values = [0; N];
        self.read_numbers(section, options, &mut values);
        values
    }

    #[inline(never)]
    fn read_numbers(&mut self, section: Section<'d>, options: &'static [Numeric], values: &mut [i32]) {
        for (Numeric { name, kind, default }, slot) in options.iter().zip(values) {
            let value = self.scalar(section, name);
            let number = value.and_then(|value| match kind {
                Kind::Flag => self.flag_of(value, name),
                Kind::Whole(range) => self.number_of(value, name, *range),
                Kind::Millis(greatest_secs) => self.milliseconds_of(value, name, *greatest_secs),
            });
            *slot = number.unwrap_or(*default);
        }
    }

    fn flag_of(&mut self, value: Value<'d>, name: &str) -> Option<i32> {
        let flag = value::flag(value.text);
        if flag.is_none() {
            self.wrong_option(&value, name, &"%a %B is neither yes nor no: write 1 or 0");
        }
        flag.map(i32::from)
    }

    pub(super) fn number_of(&mut self, value: Value<'d>, name: &str, range: [i32; 2]) -> Option<i32> {
        let [least, greatest] = range;
        let number = value::integer(value.text);
        let sentence = match number {
            Some(number) if (least..=greatest).contains(&number) => return Some(number),
            Some(_) => "%a %B is out of range: write a number from %m to %n",
            None => "%a %B is no number: write one from %m to %n",
        };
        self.error_with(value.line, sentence, &[name.as_bytes(), value.text], range);
        None
    }

    /// Seconds with up to three decimals, from zero to a number of whole seconds, as milliseconds.
    fn milliseconds_of(&mut self, value: Value<'d>, name: &str, greatest_secs: i32) -> Option<i32> {
        let millis = value::decimal(value.text, 3).filter(|millis| *millis <= greatest_secs * 1000);
        if millis.is_none() {
            self.error_with(
                value.line,
                "%a %B is out of range: write seconds from 0 to %m, with at most 3 decimals",
                &[name.as_bytes(), value.text],
                [greatest_secs, 0],
            );
        }
        millis
    }

    /// The path of a hook script; empty if there is none.
    pub(super) fn path(&mut self, section: Section<'d>, name: &str) -> Text {
        match self.script_path(section, name) {
            Some(value) => self.keep(value.line, value.text),
            None => Text::default(),
        }
    }

    /// The same, without keeping it.
    pub(super) fn script_path(&mut self, section: Section<'d>, name: &str) -> Option<Value<'d>> {
        let value = self.scalar(section, name)?;
        if !value::is_path(value.text) {
            self.error_with(
                value.line,
                "%a %B is no path of a script: write an absolute one of at most %m characters, without \
                 blanks",
                &[name.as_bytes(), value.text],
                [limits::PATH_BYTES_MAX as i32, 0],
            );
            return None;
        }
        Some(value)
    }

    pub(super) fn name(&mut self, value: Value<'d>, option: &str) -> Text {
        if !value::is_name(value.text) {
            self.error_with(
                value.line,
                "%a %B cannot be used: write at most %m characters without blanks",
                &[option.as_bytes(), value.text],
                [limits::NAME_BYTES_MAX as i32, 0],
            );
            return Text::default();
        }
        self.keep(value.line, value.text)
    }

    /// A device, by its own name or by an alias, in the configuration's table.
    pub(super) fn device(&mut self, value: Value<'d>, option: &str) -> Option<InterfaceId> {
        let device = self.device_name(value, option)?;
        self.enter_device(device)
    }

    /// The device of a name that has been checked, in the configuration's table.
    pub(super) fn enter_device(&mut self, device: Value<'d>) -> Option<InterfaceId> {
        let text = core::str::from_utf8(device.text).unwrap_or("");
        let id = self.config.interface(text);
        if id.is_none() {
            if self.config.interfaces.is_full() {
                self.full(device.line, "VIPD_INTERFACES", limits::INTERFACES_MAX);
            } else {
                self.full(device.line, "VIPD_TEXT_BYTES", limits::TEXT_BYTES_MAX);
            }
        }
        id
    }

    /// The name of a device, with the aliases applied.
    pub(super) fn device_name(&mut self, value: Value<'d>, option: &str) -> Option<Value<'d>> {
        let alias = self.aliases.iter().find(|alias| alias.name.as_bytes() == value.text);
        let device = alias.map_or(value.text, |alias| alias.device.as_bytes());
        if !value::is_device(device) {
            self.error_with(
                value.line,
                "%a %B cannot be a network device: write a name of at most %m characters",
                &[option.as_bytes(), device],
                [limits::INTERFACE_NAME_BYTES_MAX as i32, 0],
            );
            return None;
        }
        Some(Value { text: device, line: value.line })
    }

    /// Keeps at most 255 bytes; if they are to be read as text, they have been checked to be UTF-8.
    pub(super) fn keep(&mut self, line: u32, bytes: &[u8]) -> Text {
        self.config.keep_bytes(bytes).unwrap_or_else(|| {
            self.full(line, "VIPD_TEXT_BYTES", limits::TEXT_BYTES_MAX);
            Text::default()
        })
    }

    // Problems.

    pub(super) fn missing(&mut self, section: Section<'d>, option: &str) {
        self.error(section.line(), "%a has no %b: write one", &[section.kind(), option.as_bytes()]);
    }

    /// A table of the configuration is full.
    pub(super) fn full(&mut self, line: u32, variable: &str, capacity: usize) {
        self.error_with(
            line,
            "there is no room for this: vipd was built with %a=%m, build it with more",
            &[variable.as_bytes()],
            [capacity as i32, 0],
        );
    }

    /// A value is wrong; `%A` of the sentence.
    #[inline(never)]
    pub(super) fn wrong(&mut self, value: &Value<'d>, sentence: &Sentence) {
        self.error(value.line, sentence, &[value.text]);
    }

    /// The value of an option is wrong; `%B` and `%a` of the sentence.
    #[inline(never)]
    pub(super) fn wrong_option(&mut self, value: &Value<'d>, option: &str, sentence: &Sentence) {
        self.error(value.line, sentence, &[option.as_bytes(), value.text]);
    }

    /// A value has no effect; `%A` of the sentence.
    #[inline(never)]
    pub(super) fn idle(&mut self, value: &Value<'d>, sentence: &Sentence) {
        self.warn(value.line, sentence, &[value.text]);
    }

    pub(super) fn error(&mut self, line: u32, sentence: &'static str, words: &[&[u8]]) {
        self.error_with(line, sentence, words, [0, 0]);
    }

    pub(super) fn error_with(
        &mut self,
        line: u32,
        sentence: &'static str,
        words: &[&[u8]],
        numbers: [i32; 2],
    ) {
        self.is_usable = false;
        self.say(Problem::new(line, Severity::Error, sentence, words, numbers));
    }

    pub(super) fn warn(&mut self, line: u32, sentence: &'static str, words: &[&[u8]]) {
        self.say(Problem::new(line, Severity::Warning, sentence, words, [0, 0]));
    }

    fn say(&mut self, problem: Problem<'_>) {
        if !self.is_silent {
            (self.report)(problem);
        }
    }
}

/// The values of an option or list, item by item.
pub(super) struct Values<'d, 'n> {
    entries: Entries<'d>,
    name: &'n [u8],
}

impl<'d> Iterator for Values<'d, '_> {
    type Item = Value<'d>;

    #[inline(never)]
    fn next(&mut self) -> Option<Value<'d>> {
        let entry = self.entries.next_named(self.name)?;
        Some(Value { text: entry.value.trim_ascii(), line: entry.line })
    }
}

pub(super) fn entries<'d, 'n>(section: Section<'d>, name: &'n str) -> Values<'d, 'n> {
    Values { entries: section.entries(), name: name.as_bytes() }
}

/// The first value of an option or list.
#[inline(never)]
pub(super) fn first<'d>(section: Section<'d>, name: &str) -> Option<Value<'d>> {
    entries(section, name).next()
}

/// The words of an option or list: one option with two words is a list of two.
pub(super) struct ValueWords<'d, 'n> {
    values: Values<'d, 'n>,
    words: Words<'d>,
    line: u32,
}

impl<'d> Iterator for ValueWords<'d, '_> {
    type Item = Value<'d>;

    #[inline(never)]
    fn next(&mut self) -> Option<Value<'d>> {
        loop {
            if let Some(text) = self.words.next() {
                let line = self.line;
                return Some(Value { text, line });
            }
            let value = self.values.next()?;
            self.words = Words::new(value.text);
            self.line = value.line;
        }
    }
}

pub(super) fn words_of<'d, 'n>(section: Section<'d>, name: &'n str) -> ValueWords<'d, 'n> {
    ValueWords { values: entries(section, name), words: Words::new(&[]), line: 0 }
}

/// The name that the file gives to a section: `option name`, else its UCI name.
pub(super) fn explicit_name(section: Section<'_>) -> Option<Value<'_>> {
    let name = first(section, "name");
    if name.is_some() {
        return name;
    }
    (!section.name().is_empty()).then(|| Value { text: section.name(), line: section.line() })
}

/// The run `start..end` of a table whose indices fit 16 bits.
pub(super) const fn span(start: usize, end: usize) -> Span {
    Span { start: start as u16, len: (end - start) as u16 }
}

/// Inserts `item` before the entry `at`; false if the table is full.
pub(super) fn insert<T: Copy, const N: usize>(table: &mut Vec<T, N>, at: usize, item: T) -> bool {
    if table.push(item).is_err() {
        return false;
    }
    let mut carried = item;
    for slot in table.get_mut(at..).unwrap_or(&mut []) {
        core::mem::swap(slot, &mut carried);
    }
    true
}
