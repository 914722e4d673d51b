//! `track_interface`, the option and the section.

use super::reader::{Numeric, Reader, Value, entries, span};
use super::uci::Section;
use super::value::{self, Words};
use super::{Span, Track, Tracked};
use crate::limits;

/// What a tracked thing can add to or take from a priority; keepalived's limits.
const WEIGHTS: [i32; 2] = [-253, 253];

/// How a tracked thing counts.
struct Manner {
    weight: i16,
    is_reversed: bool,
}

/// What may stand behind its name.
const MANNERS: &str = "weight reverse noreverse";

static WEIGHT: [Numeric; 1] = [Numeric::whole("weight", WEIGHTS, 0)];

impl<'d> Reader<'d, '_> {
    /// What an instance tracks.
    pub(super) fn tracks(&mut self, section: Section<'d>) -> Span {
        let start = self.config.tracks.len();
        for value in entries(section, "track_interface") {
            let mut words = Words::new(value.text);
            while let Some(text) = words.next() {
                let word = Value { text, ..value };
                let track = self.track(word, &mut words);
                self.enter_track(word, track, start);
            }
        }
        span(start, self.config.tracks.len())
    }

    fn enter_track(&mut self, word: Value<'d>, track: Option<Track>, start: usize) {
        let Some(track) = track else { return };
        let mine = self.config.tracks.get(start..).unwrap_or(&[]);
        if mine.iter().any(|other| other.what == track.what) {
            self.wrong(&word, &"track_interface %A is written twice: remove one");
        } else if self.config.tracks.push(track).is_err() {
            self.full(word.line, "VIPD_TRACKS", limits::TRACKS_MAX);
        }
    }

    /// A link to track, by the name of a `track_interface` section or a device, and perhaps `weight N` and `reverse`.
    fn track(&mut self, word: Value<'d>, words: &mut Words<'d>) -> Option<Track> {
        let (device, weight) = match self.resolve("track_interface", word.text) {
            Some(section) => self.silently(|reader| reader.defined_track(section)),
            None => (self.device_name(word, "track_interface"), 0),
        };
        let mut manner = Manner { weight, is_reversed: false };
        self.manner(word.line, words, &mut manner);
        let interface = self.enter_device(device?)?;
        let Manner { weight, is_reversed } = manner;
        Some(Track { what: Tracked::Link(interface), weight, is_reversed })
    }

    /// What stands behind the name of a tracked thing, and changes how it counts.
    fn manner(&mut self, line: u32, words: &mut Words<'d>, manner: &mut Manner) {
        while let Some(place) = words.peek().and_then(|word| value::choice(word, MANNERS)) {
            words.next();
            if place == 0 {
                let text = words.next().unwrap_or(&[]);
                let number = self.number_of(Value { text, line }, "weight", WEIGHTS);
                manner.weight = number.unwrap_or(0) as i16;
            } else {
                manner.is_reversed = place == 1;
            }
        }
    }

    /// `config track_interface`: its device and its weight.
    pub(super) fn defined_track(&mut self, section: Section<'d>) -> (Option<Value<'d>>, i16) {
        let [weight] = self.numbers(section, &WEIGHT).map(|weight| weight as i16);
        let Some(value) = self.scalar(section, "value") else {
            self.missing(section, "value");
            return (None, weight);
        };
        (self.device_name(value, "value"), weight)
    }
}
