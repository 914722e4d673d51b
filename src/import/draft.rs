//! What has been written: sections that `check` takes, and one that is on trial.

use heapless::Vec;

use super::notice::{Place, Reporter};
use super::source::Name;
use crate::config::Config;
use crate::config::problem::{Problem, Severity};
use crate::config::schema;
use crate::config::uci::Document;
use crate::limits::{CONFIG_BYTES_MAX, SECTIONS_MAX};

/// Lines that one section can have.
const LINES_MAX: usize = 600;

/// How often a section is tried: each time, what `check` refuses is left out.
const TRIALS_MAX: usize = 16;

/// Whether a section is of use without an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It is.
    Wish,
    /// It would be another one: who speaks, to whom, and for which addresses.
    Must,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    place: Place,
    need: Need,
    is_refused: bool,
}

/// The text, and where each line of the last section comes from.
#[derive(Debug)]
pub(super) struct Draft {
    text: Vec<u8, CONFIG_BYTES_MAX>,
    lines: Vec<Line, LINES_MAX>,
    /// Lines at which sections begin, and where each stands in the files.
    sections: Vec<(u32, u32), SECTIONS_MAX>,
    /// Where the section on trial begins.
    start: usize,
    /// Lines before it.
    lines_before: u32,
    /// There was no room for it, or it has what no text can have.
    is_spoilt: bool,
}

/// What a trial needs beside the text.
pub(super) struct Judge<'a, 'r, 'f> {
    pub(super) document: &'a mut Document,
    pub(super) config: &'a mut Config,
    pub(super) names: &'a [Name],
    pub(super) reporter: &'a mut Reporter<'r, 'f>,
}

/// How a trial ends.
enum Verdict {
    Taken,
    Again,
    Refused,
}

impl Draft {
    pub(super) const fn new() -> Self {
        Self {
            text: Vec::new(),
            lines: Vec::new(),
            sections: Vec::new(),
            start: 0,
            lines_before: 0,
            is_spoilt: false,
        }
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.sections.clear();
        self.start = 0;
        self.lines_before = 0;
    }

    /// All that was taken.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Begins a section.
    pub(super) fn section(&mut self, place: Place, kind: &str) {
        self.start = self.text.len();
        self.lines_before = self.text.iter().filter(|byte| **byte == b'\n').count() as u32;
        self.lines.clear();
        self.is_spoilt = false;
        if self.start > 0 {
            self.put(b"\n");
            self.end_line(place, Need::Must);
        }
        self.put(b"config ");
        self.put(kind.as_bytes());
        self.put(b"\n");
        self.end_line(place, Need::Must);
    }

    /// Writes `option KEY 'WORDS'`, with blanks between the words.
    pub(super) fn option<'w>(
        &mut self,
        (place, need): (Place, Need),
        key: &[u8],
        words: impl IntoIterator<Item = &'w [u8]>,
    ) {
        self.entry((place, need), b"\toption ", key, words);
    }

    /// Writes `list KEY 'WORDS'`.
    pub(super) fn list<'w>(
        &mut self,
        (place, need): (Place, Need),
        key: &[u8],
        words: impl IntoIterator<Item = &'w [u8]>,
    ) {
        self.entry((place, need), b"\tlist ", key, words);
    }

    /// Writes a comment.
    pub(super) fn comment(&mut self, place: Place, parts: &[&[u8]]) {
        self.put(b"\t# ");
        for byte in parts.iter().flat_map(|part| part.iter()) {
            self.put(&[if byte.is_ascii_control() { b' ' } else { *byte }]);
        }
        self.put(b"\n");
        self.end_line(place, Need::Wish);
    }

    /// Keeps the section, without the options that `check` refuses, or drops it; says what is left out. `words` are
    /// what the file calls it.
    pub(super) fn finish(&mut self, place: Place, words: &[&[u8]], judge: &mut Judge<'_, '_, '_>) {
        let name = file_name(judge.names, place);
        if self.is_spoilt {
            let reason = "left out: there is no room for it, or it has control characters";
            judge.reporter.loss(name, place.line, words, reason);
            self.forget();
            return;
        }
        for _ in 0..TRIALS_MAX {
            match self.judge(place, words, judge) {
                Verdict::Taken => {
                    self.start = self.text.len();
                    let line = self.lines_before + if self.lines_before > 0 { 2 } else { 1 };
                    // There are no more than the reader has taken.
                    let _ = self.sections.push((line, place.line));
                    return;
                }
                Verdict::Again => self.drop_refused(),
                Verdict::Refused => break,
            }
        }
        judge.reporter.remark(name, place.line, words, "is left out as a whole");
        self.forget();
    }

    /// Takes the section back that was begun.
    pub(super) fn forget(&mut self) {
        self.text.truncate(self.start);
        self.lines.clear();
    }

    fn entry<'w>(
        &mut self,
        (place, need): (Place, Need),
        verb: &[u8],
        key: &[u8],
        words: impl IntoIterator<Item = &'w [u8]>,
    ) {
        self.put(verb);
        self.put(key);
        self.put(b" '");
        for (index, word) in words.into_iter().enumerate() {
            if index > 0 {
                self.put(b" ");
            }
            for byte in word {
                match byte {
                    b'\'' => self.put(b"'\\''"),
                    _ if byte.is_ascii_control() => self.is_spoilt = true,
                    _ => self.put(&[*byte]),
                }
            }
        }
        self.put(b"'\n");
        self.end_line(place, need);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.is_spoilt |= self.text.extend_from_slice(bytes).is_err();
    }

    fn end_line(&mut self, place: Place, need: Need) {
        self.is_spoilt |= self.lines.push(Line { place, need, is_refused: false }).is_err();
    }

    /// What `check` says of everything so far.
    fn judge(&mut self, place: Place, words: &[&[u8]], judge: &mut Judge<'_, '_, '_>) -> Verdict {
        let Judge { document, config, names, reporter } = judge;
        let buffer = document.buffer();
        let Some(room) = buffer.get_mut(..self.text.len()) else { return Verdict::Refused };
        room.copy_from_slice(&self.text);
        let mut verdict = Verdict::Taken;
        let parsed = document.parse(self.text.len());
        let lines_before = self.lines_before;
        let lines = &mut self.lines;
        let sections = &self.sections;
        let mut refuse = |problem: Problem<'_>| {
            let source = |line| sections.iter().find(|(at, _)| *at == line).map(|(_, line)| *line);
            let problem = &problem.of_lines(source);
            let index = problem.line.checked_sub(lines_before + 1);
            let line = index.and_then(|index| lines.get_mut(index as usize));
            match line {
                Some(line) if line.need == Need::Wish => {
                    line.is_refused = true;
                    reporter.refusal(file_name(names, line.place), line.place.line, &[b"left out"], problem);
                    if !matches!(verdict, Verdict::Refused) {
                        verdict = Verdict::Again;
                    }
                }
                found => {
                    let place = found.map_or(place, |line| line.place);
                    reporter.refusal(file_name(names, place), place.line, words, problem);
                    verdict = Verdict::Refused;
                }
            }
        };
        match parsed {
            Ok(()) => {
                schema::read(document, &[], config, &mut |problem| match problem.severity {
                    Severity::Error => refuse(problem),
                    Severity::Warning => {}
                });
            }
            Err(error) => refuse(error.problem()),
        }
        verdict
    }

    /// Takes the refused lines out of the section.
    fn drop_refused(&mut self) {
        let mut from = self.start;
        let mut to = self.start;
        let mut line = 0;
        while let Some(byte) = self.text.get(from).copied() {
            let is_refused = self.lines.get(line).is_some_and(|line| line.is_refused);
            if let Some(place) = self.text.get_mut(to).filter(|_| !is_refused) {
                *place = byte;
                to += 1;
            }
            line += usize::from(byte == b'\n');
            from += 1;
        }
        self.text.truncate(to);
        self.lines.retain(|line| !line.is_refused);
    }
}

/// A number as an option has it, of three digits at the most.
pub(super) struct Decimal {
    digits: [u8; 3],
}

impl Decimal {
    pub(super) fn new(number: u16) -> Self {
        Self { digits: [100, 10, 1].map(|divisor| b'0' + (number / divisor % 10) as u8) }
    }

    pub(super) fn text(&self) -> &[u8] {
        let [.., last] = &self.digits;
        let zeros = self.digits.iter().take_while(|digit| **digit == b'0').count();
        self.digits.get(zeros..).filter(|digits| !digits.is_empty()).unwrap_or(core::slice::from_ref(last))
    }
}

/// What the file of a place is called.
pub(super) fn file_name(names: &[Name], place: Place) -> &[u8] {
    names.get(usize::from(place.file)).map_or(&[], |name| name.as_slice())
}
