//! `track_interface`, the option and the section.

use super::reader::{Numeric, Reader, Value, entries, span};
use super::uci::Section;
use super::value::{self, Words};
use super::{Span, Track};
use crate::limits;

/// What a tracked thing can add to or take from a priority; keepalived's limits.
const WEIGHTS: [i32; 2] = [-253, 253];

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
        if mine.iter().any(|other| other.interface == track.interface) {
            self.wrong(&word, &"track_interface %A is written twice: remove one");
        } else if self.config.tracks.push(track).is_err() {
            self.full(word.line, "VIPD_TRACKS", limits::TRACKS_MAX);
        }
    }

    /// A link to track, by the name of a `track_interface` section or a device, and perhaps `weight N`.
    fn track(&mut self, word: Value<'d>, words: &mut Words<'d>) -> Option<Track> {
        let (device, mut weight) = match self.resolve("track_interface", word.text) {
            Some(section) => self.silently(|reader| reader.defined_track(section)),
            None => (self.device_name(word, "track_interface"), 0),
        };
        loop {
            match words.peek().and_then(|word| value::choice(word, "weight reverse")) {
                Some(0) => {
                    words.next();
                    let text = words.next().unwrap_or(&[]);
                    let number = self.number_of(Value { text, ..word }, "weight", WEIGHTS);
                    weight = number.unwrap_or(0) as i16;
                }
                Some(_) => {
                    words.next();
                    self.error(word.line, "reverse is not in this release: remove it", &[]);
                }
                None => break,
            }
        }
        let interface = self.enter_device(device?)?;
        Some(Track { interface, weight })
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
