//! What is tracked: `track_interface`, `track_script` and `track_file`, the options and the sections, with
//! `vrrp_script`.

use super::reader::{Numeric, Reader, Value, entries, span};
use super::uci::Section;
use super::value::{self, Words};
use super::{Delays, File, FileId, InterfaceId, Probe, ProbeId, Span, Text, Track, Tracked};
use crate::limits;

/// What a tracked thing can add to or take from a priority; keepalived's limits.
const WEIGHTS: [i32; 2] = [-253, 253];

/// A file's number is multiplied by it: one of −1 makes a fault with either end.
const FILE_WEIGHTS: [i32; 2] = [-254, 254];

/// How a tracked thing counts.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    weight: i16,
    is_reversed: bool,
}

impl Manner {
    const PLAIN: Self = Self { weight: 0, is_reversed: false };
}

/// What may stand behind its name.
const MANNERS: &str = "weight reverse noreverse";

/// keepalived's limit, in seconds.
const DELAY_SECS_MAX: i32 = 255;

static DELAYS: [Numeric; 2] =
    [Numeric::millis("up_delay", DELAY_SECS_MAX), Numeric::millis("down_delay", DELAY_SECS_MAX)];

static WEIGHT: [Numeric; 1] = [Numeric::whole("weight", WEIGHTS, 0)];
static FILE_WEIGHT: [Numeric; 1] = [Numeric::whole("weight", FILE_WEIGHTS, 1)];

/// Defaults are keepalived's; `fail` is what LuCI writes for `fall`.
static SCRIPT_NUMBERS: [Numeric; 5] = [
    Numeric::whole("interval", [1, 65_535], 1),
    Numeric::whole("timeout", [1, 65_535], 0),
    Numeric::whole("rise", [1, 255], 1),
    Numeric::whole("fall", [1, 255], 0),
    Numeric::whole("fail", [1, 255], 1),
];

/// An option that lists things to track.
#[derive(Clone, Copy)]
enum Kind {
    Interface,
    Script,
    File,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Interface, Self::Script, Self::File];

    const fn option(self) -> &'static str {
        match self {
            Self::Interface => "track_interface",
            Self::Script => "track_script",
            Self::File => "track_file",
        }
    }
}

impl<'d> Reader<'d, '_> {
    /// What an instance or a group tracks.
    pub(super) fn tracks(&mut self, section: Section<'d>) -> Span {
        let start = self.config.tracks.len();
        for kind in Kind::ALL {
            for value in entries(section, kind.option()) {
                let mut words = Words::new(value.text);
                while let Some(text) = words.next() {
                    let word = Value { text, ..value };
                    let track = self.track(kind, word, &mut words);
                    self.enter_track(kind, word, track, start);
                }
            }
        }
        span(start, self.config.tracks.len())
    }

    fn enter_track(&mut self, kind: Kind, word: Value<'d>, track: Option<Track>, start: usize) {
        let Some(track) = track else { return };
        let mine = self.config.tracks.get(start..).unwrap_or(&[]);
        if mine.iter().any(|other| other.what == track.what) {
            self.wrong_option(&word, kind.option(), &"%a %B is written twice: remove one");
        } else if self.config.tracks.push(track).is_err() {
            self.full(word.line, "VIPD_TRACKS", limits::TRACKS_MAX);
        }
    }

    /// One thing to track, by its name, and perhaps `weight N` and `reverse`.
    fn track(&mut self, kind: Kind, word: Value<'d>, words: &mut Words<'d>) -> Option<Track> {
        match kind {
            Kind::Interface => {
                let section = self.resolve("track_interface", word.text);
                let (device, manner) = match section {
                    Some(section) => self.silently(|reader| reader.defined_track(section)),
                    None => (self.device_name(word, "track_interface"), Manner::PLAIN),
                };
                let manner = self.manner(word.line, words, WEIGHTS, manner);
                let interface = self.enter_device(device?)?;
                if let Some(section) = section {
                    let delays = self.silently(|reader| reader.delays(section));
                    self.set_delays(section.line(), interface, delays);
                }
                Some(manner.of(Tracked::Link(interface)))
            }
            Kind::Script if limits::PROBES_MAX == 0 => self.not_built(word.line, kind),
            Kind::File if limits::FILES_MAX == 0 => self.not_built(word.line, kind),
            Kind::Script => {
                let found = self.tracked_script(word);
                let manner = found.map_or(Manner::PLAIN, |(_, manner)| manner);
                let manner = self.manner(word.line, words, WEIGHTS, manner);
                let probe = self.enter_probe(word.line, found?.0)?;
                Some(manner.of(Tracked::Probe(probe)))
            }
            Kind::File => {
                let section = self.resolve("track_file", word.text);
                if section.is_none() {
                    self.wrong(&word, &"track_file %A is no track_file section: write the name of one");
                }
                let manner = section.map_or(Manner::PLAIN, |section| {
                    self.silently(|reader| reader.manner_of(section, &FILE_WEIGHT))
                });
                let manner = self.manner(word.line, words, FILE_WEIGHTS, manner);
                let file = self.enter_file(word.line, section?)?;
                Some(manner.of(Tracked::File(file)))
            }
        }
    }

    /// What stands behind the name of a tracked thing, and changes how it counts.
    fn manner(&mut self, line: u32, words: &mut Words<'d>, weights: [i32; 2], mut manner: Manner) -> Manner {
        while let Some(place) = words.peek().and_then(|word| value::choice(word, MANNERS)) {
            words.next();
            if place == 0 {
                let text = words.next().unwrap_or(&[]);
                let number = self.number_of(Value { text, line }, "weight", weights);
                manner.weight = number.unwrap_or(0) as i16;
            } else {
                manner.is_reversed = place == 1;
            }
        }
        manner
    }

    /// `config track_interface`: its device, and how it counts.
    pub(super) fn defined_track(&mut self, section: Section<'d>) -> (Option<Value<'d>>, Manner) {
        let [weight] = self.numbers(section, &WEIGHT).map(|weight| weight as i16);
        self.delays(section);
        let manner = Manner { weight, is_reversed: false };
        let Some(value) = self.scalar(section, "value") else {
            self.missing(section, "value");
            return (None, manner);
        };
        (self.device_name(value, "value"), manner)
    }

    /// `up_delay` and `down_delay`.
    pub(super) fn delays(&mut self, section: Section<'d>) -> Delays {
        let [up_ms, down_ms] = self.numbers(section, &DELAYS).map(i32::cast_unsigned);
        Delays { up_ms, down_ms }
    }

    /// A device has its delays for all who look at it.
    pub(super) fn set_delays(&mut self, line: u32, interface: InterfaceId, delays: Delays) {
        let Some(entry) = self.config.delays.get_mut(usize::from(interface.0)) else { return };
        if delays == Delays::NONE || delays == *entry {
            return;
        }
        if *entry == Delays::NONE {
            *entry = delays;
        } else {
            self.error(
                line,
                "this device has another up_delay or down_delay already: write the same, or remove one",
                &[],
            );
        }
    }

    /// The `vrrp_script` that a `track_script` names, itself or by a section of the older package.
    fn tracked_script(&mut self, word: Value<'d>) -> Option<(Section<'d>, Manner)> {
        if let Some(section) = self.resolve("vrrp_script", word.text) {
            return Some((section, self.silently(|reader| reader.manner_of(section, &WEIGHT))));
        }
        let section = self.resolve("track_script", word.text);
        let found = section.and_then(|section| self.silently(|reader| reader.defined_track_script(section)));
        if found.is_none() {
            self.wrong(&word, &"track_script %A is no vrrp_script: write the name of one");
        }
        found
    }

    /// `config track_script`, as older packages and LuCI have it: a script, and how it counts.
    pub(super) fn defined_track_script(&mut self, section: Section<'d>) -> Option<(Section<'d>, Manner)> {
        let manner = self.manner_of(section, &WEIGHT);
        let Some(value) = self.scalar(section, "value") else {
            self.missing(section, "value");
            return None;
        };
        let script = self.resolve("vrrp_script", value.text);
        if script.is_none() {
            self.idle(&value, &"value %A is no vrrp_script: write the name of one");
        }
        script.map(|script| (script, manner))
    }

    /// How a script or a file counts where the tracker does not say.
    fn manner_of(&mut self, section: Section<'d>, weight: &'static [Numeric; 1]) -> Manner {
        let [weight] = self.numbers(section, weight).map(|weight| weight as i16);
        let direction = self.scalar(section, "direction");
        let place = direction.map_or(Some(0), |value| value::choice(value.text, "noreverse reverse"));
        if let (Some(value), None) = (direction, place) {
            self.wrong(&value, &"direction %A is unknown: write reverse or noreverse");
        }
        Manner { weight, is_reversed: place == Some(1) }
    }

    /// `config vrrp_script`, without its name.
    pub(super) fn defined_script(&mut self, section: Section<'d>) -> Option<(Value<'d>, Probe)> {
        self.manner_of(section, &WEIGHT);
        let [interval, timeout, rise, fall, fail] = self.numbers(section, &SCRIPT_NUMBERS);
        let Some(script) = self.scalar(section, "script") else {
            self.missing(section, "script");
            return None;
        };
        if !is_command(script.text) {
            self.error_with(
                script.line,
                "script %A cannot be run: write an absolute path and its arguments, at most %n words and %m \
                 characters, without quotes",
                &[script.text],
                [limits::PATH_BYTES_MAX as i32, limits::SCRIPT_WORDS_MAX as i32],
            );
            return None;
        }
        let probe = Probe {
            name: Text::default(),
            script: Text::default(),
            interval_secs: interval as u16,
            timeout_secs: if timeout == 0 { interval } else { timeout } as u16,
            rise: rise as u8,
            fall: if fall == 0 { fail } else { fall } as u8,
        };
        Some((script, probe))
    }

    /// The probe of a `vrrp_script`, entered into the configuration if it is new there.
    fn enter_probe(&mut self, line: u32, section: Section<'d>) -> Option<ProbeId> {
        let known = self.probe_sections.iter().position(|index| *index == section.index());
        if let Some(position) = known {
            return Some(ProbeId(position as u8));
        }
        let (script, mut probe) = self.silently(|reader| reader.defined_script(section))?;
        probe.name = self.section_name(section);
        probe.script = self.keep(script.line, script.text);
        let position = self.config.probes.len();
        if self.config.probes.push(probe).is_err() || self.probe_sections.push(section.index()).is_err() {
            self.full(line, "VIPD_PROBES", limits::PROBES_MAX);
            return None;
        }
        Some(ProbeId(position as u8))
    }

    /// `config track_file`, without its name.
    pub(super) fn defined_file(&mut self, section: Section<'d>) -> Option<Value<'d>> {
        self.manner_of(section, &FILE_WEIGHT);
        let Some(path) = self.scalar(section, "file") else {
            self.missing(section, "file");
            return None;
        };
        if !value::is_path(path.text) {
            self.error_with(
                path.line,
                "file %A is no path: write an absolute one of at most %m characters, without blanks",
                &[path.text],
                [limits::PATH_BYTES_MAX as i32, 0],
            );
            return None;
        }
        Some(path)
    }

    /// The file of a `track_file`, entered into the configuration if it is new there.
    fn enter_file(&mut self, line: u32, section: Section<'d>) -> Option<FileId> {
        let known = self.file_sections.iter().position(|index| *index == section.index());
        if let Some(position) = known {
            return Some(FileId(position as u8));
        }
        let path = self.silently(|reader| reader.defined_file(section))?;
        let file = File { name: self.section_name(section), path: self.keep(path.line, path.text) };
        let position = self.config.files.len();
        if self.config.files.push(file).is_err() || self.file_sections.push(section.index()).is_err() {
            self.full(line, "VIPD_FILES", limits::FILES_MAX);
            return None;
        }
        Some(FileId(position as u8))
    }

    /// Nothing to track, because this build is without it.
    fn not_built(&mut self, line: u32, kind: Kind) -> Option<Track> {
        self.error(line, "%a is not in this build of vipd: remove it", &[kind.option().as_bytes()]);
        None
    }
}

impl Manner {
    const fn of(self, what: Tracked) -> Track {
        Track { what, weight: self.weight, is_reversed: self.is_reversed }
    }
}

/// Whether it is a path with arguments that no shell is needed for.
fn is_command(text: &[u8]) -> bool {
    text.starts_with(b"/")
        && text.len() <= limits::PATH_BYTES_MAX
        && Words::new(text).count() <= limits::SCRIPT_WORDS_MAX
        && !text.iter().any(|byte| matches!(byte, ..b' ' | 0x7f | b'"' | b'\'' | b'\\'))
        && core::str::from_utf8(text).is_ok()
}
