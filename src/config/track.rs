//! What is tracked: `track_interface`, `track_script`, `track_probe`, `track_file` and `track_bfd`, the options and the
//! sections.

use super::reader::{Numeric, Reader, Value, entries, first, span};
use super::uci::Section;
use super::value::{self, Words};
use super::{DefaultRoute, Delays, Family, File, FileId, InterfaceId, RouteId, Span, Track, Tracked};
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

pub(super) static WEIGHT: [Numeric; 1] = [Numeric::whole("weight", WEIGHTS, 0)];
static FILE_WEIGHT: [Numeric; 1] = [Numeric::whole("weight", FILE_WEIGHTS, 1)];

/// Sections that are in vain if nothing listens to them.
const LISTENED_TO: &str = if cfg!(feature = "track-hooks") {
    "vrrp_script probe track_file track_interface real_server"
} else {
    "vrrp_script probe track_file"
};

/// An option that lists things to track.
#[derive(Clone, Copy)]
enum Kind {
    Interface,
    Script,
    Probe,
    File,
    Bfd,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Interface, Self::Script, Self::Probe, Self::File, Self::Bfd];

    const fn option(self) -> &'static str {
        match self {
            Self::Interface => "track_interface",
            Self::Script => "track_script",
            Self::Probe => "track_probe",
            Self::File => "track_file",
            Self::Bfd => "track_bfd",
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
                match section {
                    Some(section) if self.silently(|reader| reader.is_route(section)) => {
                        let track = self.track_route(word.line, section, words);
                        if let Some(track) = track.filter(|_| cfg!(feature = "track-hooks")) {
                            self.enter_hook(section, track.what);
                        }
                        track
                    }
                    Some(_) | None => self.track_link(word, section, words),
                }
            }
            Kind::Script | Kind::Probe if !cfg!(feature = "probe") => self.not_built(word.line, kind, words),
            Kind::File if !cfg!(feature = "files") => self.not_built(word.line, kind, words),
            Kind::Bfd if !cfg!(feature = "bfd") => self.not_built(word.line, kind, words),
            Kind::Script => {
                let found = self.tracked_script(word);
                let manner = found.map_or(Manner::PLAIN, |(_, manner)| manner);
                let manner = self.manner(word.line, words, WEIGHTS, manner);
                let (section, _) = found?;
                let probe = self.enter_probe(word.line, section)?;
                self.enter_hook(section, Tracked::Probe(probe));
                Some(manner.of(Tracked::Probe(probe)))
            }
            Kind::Probe => {
                let section = self.resolve("probe", word.text);
                if section.is_none() {
                    self.wrong(&word, &"track_probe %A is no probe section: write the name of one");
                }
                let manner = section.map_or(Manner::PLAIN, |section| {
                    self.silently(|reader| reader.manner_of(section, &WEIGHT))
                });
                let manner = self.manner(word.line, words, WEIGHTS, manner);
                let section = section?;
                let probe = self.enter_probe(word.line, section)?;
                self.enter_hook(section, Tracked::Probe(probe));
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
                let section = section?;
                let file = self.enter_file(word.line, section)?;
                self.enter_hook(section, Tracked::File(file));
                Some(manner.of(Tracked::File(file)))
            }
            Kind::Bfd => {
                let section = self.resolve("bfd_instance", word.text);
                if section.is_none() {
                    self.wrong(&word, &"track_bfd %A is no bfd_instance: write the name of one");
                }
                let manner = section.map_or(Manner::PLAIN, |section| {
                    self.silently(|reader| reader.manner_of(section, &WEIGHT))
                });
                let manner = self.manner(word.line, words, WEIGHTS, manner);
                let section = section?;
                if !self.is_enabled(section) {
                    self.idle(&word, &"track_bfd %A has no effect: its bfd_instance is not enabled");
                }
                Some(manner.of(Tracked::Bfd(self.session_of(section)?)))
            }
        }
    }

    /// A link, by its own name or that of a section.
    fn track_link(
        &mut self,
        word: Value<'d>,
        section: Option<Section<'d>>,
        words: &mut Words<'d>,
    ) -> Option<Track> {
        let (device, manner) = match section {
            Some(section) => self.silently(|reader| reader.defined_link(section)),
            None => (self.device_name(word, "track_interface"), Manner::PLAIN),
        };
        let manner = self.manner(word.line, words, WEIGHTS, manner);
        let interface = self.enter_device(device?)?;
        if let Some(section) = section {
            let delays = self.silently(|reader| reader.delays(section));
            self.set_delays(section.line(), interface, delays);
            self.enter_hook(section, Tracked::Link(interface));
        }
        Some(manner.of(Tracked::Link(interface)))
    }

    /// A default route, by the name of its section.
    fn track_route(&mut self, line: u32, section: Section<'d>, words: &mut Words<'d>) -> Option<Track> {
        let found = self.silently(|reader| reader.defined_route(section));
        let [weight] = self.silently(|reader| reader.numbers(section, &WEIGHT));
        let manner = Manner { weight: weight as i16, is_reversed: false };
        let manner = self.manner(line, words, WEIGHTS, manner);
        let known = self.route_sections.iter().position(|index| *index == section.index());
        if let Some(position) = known {
            return Some(manner.of(Tracked::Route(RouteId(position as u8))));
        }
        let (device, family) = found?;
        let interface = match device {
            Some(device) => Some(self.enter_device(device)?),
            None => None,
        };
        let route = DefaultRoute { name: self.section_name(section), interface, family };
        let position = self.config.default_routes.len();
        if self.config.default_routes.push(route).is_err()
            || self.route_sections.push(section.index()).is_err()
        {
            self.full(line, "VIPD_TRACKED_ROUTES", limits::TRACKED_ROUTES_MAX);
            return None;
        }
        Some(manner.of(Tracked::Route(RouteId(position as u8))))
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

    /// `config track_interface`: a link or a default route.
    pub(super) fn defined_track(&mut self, section: Section<'d>) {
        if self.is_route(section) {
            self.numbers(section, &WEIGHT);
            self.defined_route(section);
            return;
        }
        if let Some(family) = first(section, "family") {
            self.error(family.line, "family is for a track_interface of type route: remove it", &[]);
        }
        self.defined_link(section);
    }

    /// `option type`.
    fn is_route(&mut self, section: Section<'d>) -> bool {
        let Some(kind) = self.scalar(section, "type") else { return false };
        let place = value::choice(kind.text, "interface route");
        if place.is_none() {
            self.wrong(&kind, &"type %A is unknown: write interface or route");
        }
        place == Some(1)
    }

    /// Its device, and how it counts.
    fn defined_link(&mut self, section: Section<'d>) -> (Option<Value<'d>>, Manner) {
        let [weight] = self.numbers(section, &WEIGHT).map(|weight| weight as i16);
        self.delays(section);
        let manner = Manner { weight, is_reversed: false };
        let Some(value) = self.scalar(section, "value") else {
            self.missing(section, "value");
            return (None, manner);
        };
        (self.device_name(value, "value"), manner)
    }

    /// The device that a default route must lead over, if it must, and its family, if it must have one.
    fn defined_route(&mut self, section: Section<'d>) -> Option<(Option<Value<'d>>, Option<Family>)> {
        if !cfg!(feature = "track-route") {
            self.error(
                section.line(),
                "a track_interface of type route is not in this build of vipd: remove it",
                &[],
            );
            return None;
        }
        for name in ["up_delay", "down_delay"] {
            if let Some(delay) = first(section, name) {
                self.error(delay.line, "%a is for links, and this is a route: remove it", &[name.as_bytes()]);
            }
        }
        let family = self.scalar(section, "family");
        let place = family.map_or(Some(2), |family| value::choice(family.text, "ipv4 ipv6 any"));
        if let (Some(family), None) = (family, place) {
            self.wrong(&family, &"family %A is unknown: write ipv4, ipv6 or any");
        }
        let family = match place {
            Some(0) => Some(Family::V4),
            Some(1) => Some(Family::V6),
            Some(_) | None => None,
        };
        let device = match self.scalar(section, "value") {
            Some(value) => Some(self.device_name(value, "value")?),
            None => None,
        };
        Some((device, family))
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
    pub(super) fn manner_of(&mut self, section: Section<'d>, weight: &'static [Numeric; 1]) -> Manner {
        let [weight] = self.numbers(section, weight).map(|weight| weight as i16);
        let direction = self.scalar(section, "direction");
        let place = direction.map_or(Some(0), |value| value::choice(value.text, "noreverse reverse"));
        if let (Some(value), None) = (direction, place) {
            self.wrong(&value, &"direction %A is unknown: write reverse or noreverse");
        }
        Manner { weight, is_reversed: place == Some(1) }
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

    /// A section that is not switched off, and that nothing listens to.
    pub(super) fn warn_of_untracked(&mut self) {
        for section in self.document.sections() {
            let known: &[u16] = match value::choice(section.kind(), LISTENED_TO) {
                Some(0 | 1) if cfg!(feature = "probe") => &self.probe_sections,
                Some(2) if cfg!(feature = "files") => &self.file_sections,
                // A link or a route may be there for others to name it, but not to tell of it.
                Some(3) if cfg!(feature = "track-hooks") && first(section, "notify").is_some() => {
                    &self.hook_sections
                }
                Some(4) if cfg!(feature = "ipvs") => {
                    if self.is_enabled(section)
                        && !self.server_sections.iter().any(|(index, _)| *index == section.index())
                    {
                        self.warn(section.line(), "no virtual_server has this real_server", &[]);
                    }
                    continue;
                }
                Some(_) | None => continue,
            };
            if self.is_enabled(section) && !known.contains(&section.index()) {
                self.warn(section.line(), "nothing tracks this %a", &[section.kind()]);
            }
        }
    }

    /// Nothing to track, because this build is without it: once for all words.
    fn not_built(&mut self, line: u32, kind: Kind, words: &mut Words<'d>) -> Option<Track> {
        *words = Words::new(&[]);
        self.error(line, "%a is not in this build of vipd: remove it", &[kind.option().as_bytes()]);
        None
    }
}

impl Manner {
    const fn of(self, what: Tracked) -> Track {
        Track { what, weight: self.weight, is_reversed: self.is_reversed }
    }
}
