//! What has been written: sections that `check` takes, and one that is on trial.

use heapless::Vec;

use super::notice::{Place, Reporter};
use super::source::Name;
use crate::config::Config;
use crate::config::problem::{Problem, Severity};
use crate::config::schema;
use crate::config::uci::Document;
use crate::limits::{CONFIG_BYTES_MAX, NAME_BYTES_MAX, SECTIONS_MAX};

/// Lines that the sections of one trial can have.
const LINES_MAX: usize = 1024;

/// Parts of one trial.
const PARTS_MAX: usize = 2 * SECTIONS_MAX;

/// How often a section is tried: each time, what `check` refuses is left out.
const TRIALS_MAX: usize = SECTIONS_MAX;

/// What becomes of a section that is refused.
pub(super) const LEFT_OUT: &str = "is left out as a whole";

/// Whether a section is of use without an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It is.
    Wish,
    /// It would be another one: who speaks, to whom, and for which addresses.
    Must,
}

/// What of a trial stands and falls together: without it the rest is still of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part(u16);

impl Part {
    /// What is on trial, as a whole.
    pub(super) const WHOLE: Self = Self(0);
}

#[derive(Debug, Clone, Copy)]
struct Division {
    place: Place,
    /// What the file calls it.
    word: &'static str,
    /// What becomes of it when it is refused.
    fate: &'static str,
    /// What it falls with.
    parent: Part,
    is_refused: bool,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    place: Place,
    need: Need,
    is_refused: bool,
    /// It begins a section.
    is_head: bool,
    /// What it is a line of, and what it names.
    part: Part,
    named: Part,
}

/// The text, and where each line of what is on trial comes from.
#[derive(Debug)]
pub(super) struct Draft {
    text: Vec<u8, CONFIG_BYTES_MAX>,
    lines: Vec<Line, LINES_MAX>,
    parts: Vec<Division, PARTS_MAX>,
    /// What the next line is a line of.
    part: Part,
    /// Lines at which sections begin, and where each stands in the files.
    sections: Vec<(u32, u32), SECTIONS_MAX>,
    /// Where what is on trial begins.
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
            parts: Vec::new(),
            part: Part::WHOLE,
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

    /// Begins a trial of one section.
    pub(super) fn section(&mut self, place: Place, kind: &str) {
        self.trial();
        self.head(place, kind);
    }

    /// Begins a trial, of as many sections as there are heads.
    pub(super) fn trial(&mut self) {
        self.start = self.text.len();
        self.lines_before = self.text.iter().filter(|byte| **byte == b'\n').count() as u32;
        self.lines.clear();
        self.parts.clear();
        self.part = Part::WHOLE;
        self.is_spoilt = false;
    }

    /// Begins a section.
    pub(super) fn head(&mut self, place: Place, kind: &str) {
        if !self.text.is_empty() {
            self.put(b"\n");
            self.end_line(place, Need::Must);
        }
        self.put(b"config ");
        self.put(kind.as_bytes());
        self.put(b"\n");
        self.end_line(place, Need::Must);
        if let Some(line) = self.lines.last_mut() {
            line.is_head = true;
        }
    }

    /// A part of what is on trial, which the file calls by this word and which falls with its parent. `fate` is what
    /// becomes of it when it is refused.
    pub(super) fn part(
        &mut self,
        place: Place,
        word: &'static str,
        fate: &'static str,
        parent: Part,
    ) -> Part {
        let division = Division { place, word, fate, parent, is_refused: false };
        self.is_spoilt |= self.parts.push(division).is_err();
        Part(self.parts.len() as u16)
    }

    /// The lines that follow are of this part.
    pub(super) const fn go_on(&mut self, part: Part) {
        self.part = part;
    }

    /// The line that was written last names this part, and is of no use without.
    pub(super) fn names(&mut self, part: Part) {
        if let Some(line) = self.lines.last_mut() {
            line.named = part;
        }
    }

    /// Whether a section has this name.
    pub(super) fn has_name(&self, name: &[u8]) -> bool {
        let ends_so = |line: &[u8]| line.strip_prefix(b"\toption name '") == Some(name);
        self.text.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"'")).any(ends_so)
    }

    /// Where the next trial begins.
    pub(super) fn position(&self) -> usize {
        self.text.len()
    }

    /// Writes `list KIND NAME` for each section of a kind that begins between these positions.
    pub(super) fn list_again(&mut self, place: Place, kind: &str, from: usize, to: usize) {
        let mut at = from;
        while let Some(rest) = self.text.get(at..to).filter(|rest| !rest.is_empty()) {
            let len = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let (line, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            at += len + 1;
            if line.strip_prefix(b"config ") != Some(kind.as_bytes()) {
                continue;
            }
            let name = behind.strip_prefix(b"\n\toption name '").and_then(|name| {
                let len = name.iter().position(|byte| *byte == b'\'')?;
                Vec::<u8, NAME_BYTES_MAX>::from_slice(name.get(..len)?).ok()
            });
            if let Some(name) = name {
                self.list((place, Need::Wish), kind.as_bytes(), [name.as_slice()]);
            }
        }
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
                    let first = self.lines_before + 1;
                    for (number, line) in (first..).zip(&self.lines).filter(|(_, line)| line.is_head) {
                        // There are no more than the reader has taken.
                        let _ = self.sections.push((number, line.place.line));
                    }
                    return;
                }
                Verdict::Again => self.drop_refused(),
                Verdict::Refused => break,
            }
        }
        judge.reporter.remark(name, place.line, words, LEFT_OUT);
        self.forget();
    }

    /// Takes the section back that was begun.
    pub(super) fn forget(&mut self) {
        self.text.truncate(self.start);
        self.lines.clear();
        self.parts.clear();
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
        let line =
            Line { place, need, is_refused: false, is_head: false, part: self.part, named: Part::WHOLE };
        self.is_spoilt |= self.lines.push(line).is_err();
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
        let parts = &mut self.parts;
        let sections = &self.sections;
        let mut refuse = |problem: Problem<'_>| {
            let source = |line| sections.iter().find(|(at, _)| *at == line).map(|(_, line)| *line);
            let problem = &problem.of_lines(source);
            let index = problem.line.checked_sub(lines_before + 1);
            let line = index.and_then(|index| lines.get_mut(index as usize));
            match line {
                // One reason is enough to leave it out.
                Some(line) if line.is_refused => {}
                Some(line) if line.need == Need::Wish => {
                    line.is_refused = true;
                    // What nothing names any more is of no use.
                    let named = usize::from(line.named.0).checked_sub(1);
                    if let Some(part) = named.and_then(|named| parts.get_mut(named)) {
                        part.is_refused = true;
                    }
                    reporter.refusal(file_name(names, line.place), line.place.line, &[b"left out"], problem);
                    if !matches!(verdict, Verdict::Refused) {
                        verdict = Verdict::Again;
                    }
                }
                Some(line) if line.part != Part::WHOLE => {
                    let Some(part) = parts.get_mut(usize::from(line.part.0).saturating_sub(1)) else {
                        return;
                    };
                    let words = &[part.word.as_bytes()];
                    reporter.refusal(file_name(names, line.place), line.place.line, words, problem);
                    if !part.is_refused {
                        part.is_refused = true;
                        let name = file_name(names, part.place);
                        reporter.remark(name, part.place.line, words, part.fate);
                    }
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
                let is_usable = schema::read(document, &[], config, &mut |problem| match problem.severity {
                    Severity::Error => refuse(problem),
                    Severity::Warning => {}
                });
                if !is_usable && matches!(verdict, Verdict::Taken) {
                    // It was said of the same section before.
                    let reason = "it shares sections with another one, and they do not fit it";
                    reporter.loss(file_name(names, place), place.line, words, reason);
                    verdict = Verdict::Refused;
                }
            }
            Err(error) => refuse(error.problem()),
        }
        verdict
    }

    /// Whether a part or something that it falls with is refused.
    fn is_gone(&self, part: Part) -> bool {
        let mut part = part;
        // Parents come before their parts.
        while let Some(index) = usize::from(part.0).checked_sub(1) {
            let Some(division) = self.parts.get(index).filter(|division| division.parent.0 < part.0) else {
                return true;
            };
            if division.is_refused {
                return true;
            }
            part = division.parent;
        }
        false
    }

    /// Takes the refused lines out of what is on trial.
    fn drop_refused(&mut self) {
        for index in 0..self.lines.len() {
            let Some(Line { part, named, .. }) = self.lines.get(index).copied() else { break };
            let is_gone = self.is_gone(part) || self.is_gone(named);
            if let Some(line) = self.lines.get_mut(index) {
                line.is_refused |= is_gone;
            }
        }
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
