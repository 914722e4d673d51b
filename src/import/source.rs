//! Files to statements: comments, included files, lines for one host, definitions, sequences and lists.
//!
//! keepalived's parser works line by line, and so does this one: what a line stands for is put before the rest of the
//! text and read in its place, until words and braces are left.

use heapless::Vec;

use super::macros::{self, Definitions, Pending};
use super::notice::{Place, Reporter};
use super::statements::{self, Act, Statements};
use crate::limits::IMPORT_BYTES_MAX;

/// Bytes of a file's name.
pub const NAME_BYTES_MAX: usize = 255;

/// A file's name, as it is opened.
pub type Name = Vec<u8, NAME_BYTES_MAX>;

/// Files that can be read, the first one and all that are included.
pub const FILES_MAX: usize = 32;

/// How deep files can include one another.
const LEVELS_MAX: usize = 8;

/// Bytes of a line without its comment.
const LINE_BYTES_MAX: usize = 4096;

/// Lines that definitions can make of a file: beyond, they stand for themselves.
const STEPS_MAX: u32 = 100_000;

/// How deep blocks can stand in one another.
const DEPTH_MAX: u16 = 100;

/// Why there is no file to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There is none, or none any more.
    End,
    /// It cannot be read, for this reason.
    Unreadable(&'static str),
    /// It does not fit the buffer.
    TooLong,
}

/// Where files come from.
pub trait Library {
    /// Reads the first file that `pattern` stands for, of those whose names come behind `after` in order (empty: of
    /// all), into `buffer`. Says its name, by which it is found again, and how many bytes it has. `base` is the name
    /// of the file that includes it, in whose folder a relative pattern begins; empty: nobody does, and `pattern` is a
    /// name.
    ///
    /// # Errors
    /// [`Missing`].
    fn open(
        &mut self,
        base: &[u8],
        pattern: &[u8],
        after: &[u8],
        name: &mut Name,
        buffer: &mut [u8],
    ) -> Result<usize, Missing>;
}

/// A file that is being read.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// Where its text is.
    start: usize,
    end: usize,
    /// Where its next line is.
    at: usize,
    line: u32,
    file: u8,
    /// What stood behind `include`, and in which file.
    pattern: (usize, usize),
    base: Option<u8>,
}

/// A definition of several lines that is not at its end yet.
#[derive(Debug, Clone, Copy)]
struct Collected {
    /// Where its name and its value begin in `collection`.
    name_len: usize,
}

/// What is being read.
#[derive(Debug)]
pub struct Source {
    bytes: [u8; IMPORT_BYTES_MAX],
    levels: Vec<Level, LEVELS_MAX>,
    names: Vec<Name, FILES_MAX>,
    definitions: Definitions,
    pending: Pending,
    collection: Vec<u8, LINE_BYTES_MAX>,
    collected: Option<Collected>,
    place: Place,
    depth: u16,
    steps: u32,
}

/// Why reading ends before the end.
enum Stop {
    Full,
    Endless,
}

impl From<macros::Full> for Stop {
    fn from(_: macros::Full) -> Self {
        Self::Full
    }
}

impl From<statements::Full> for Stop {
    fn from(_: statements::Full) -> Self {
        Self::Full
    }
}

/// What all steps of reading need.
struct Reading<'a, 'r, 'f> {
    id: &'a [u8],
    out: &'a mut Statements,
    reporter: &'a mut Reporter<'r, 'f>,
}

impl Source {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; IMPORT_BYTES_MAX],
            levels: Vec::new(),
            names: Vec::new(),
            definitions: Definitions::new(),
            pending: Pending::new(),
            collection: Vec::new(),
            collected: None,
            place: Place { file: 0, line: 0 },
            depth: 0,
            steps: 0,
        }
    }

    /// The files that were read.
    pub(super) fn names(&self) -> &[Name] {
        &self.names
    }

    /// Reads a file and what it includes; false if it cannot be read to its end, which has been reported.
    pub(super) fn read(
        &mut self,
        file: &[u8],
        id: &[u8],
        library: &mut dyn Library,
        out: &mut Statements,
        reporter: &mut Reporter<'_, '_>,
    ) -> bool {
        self.clear();
        let mut reading = Reading { id, out, reporter };
        let room = self.bytes.get_mut(..file.len());
        let Some(room) = room.filter(|_| file.len() <= NAME_BYTES_MAX) else {
            reading.reporter.loss(file, 0, &[], "the name is too long");
            return false;
        };
        room.copy_from_slice(file);
        if let Err(missing) = self.enter((0, file.len()), None, None, file.len(), library) {
            reading.reporter.loss(file, 0, &[], why(missing));
            return false;
        }
        match self.read_all(library, &mut reading) {
            Ok(()) => true,
            Err(stop) => {
                let reason = match stop {
                    Stop::Full => "there is no room for this: build vipd with a larger VIPD_IMPORT_BYTES",
                    Stop::Endless => "the definitions stand for themselves, or for too much",
                };
                reading.reporter.loss(self.name(self.place.file), self.place.line, &[], reason);
                false
            }
        }
    }

    fn clear(&mut self) {
        self.levels.clear();
        self.names.clear();
        self.definitions.clear();
        self.pending.clear();
        self.collected = None;
        self.place = Place::default();
        self.depth = 0;
        self.steps = 0;
    }

    fn read_all(&mut self, library: &mut dyn Library, reading: &mut Reading<'_, '_, '_>) -> Result<(), Stop> {
        let mut line = Vec::<u8, LINE_BYTES_MAX>::new();
        loop {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(Stop::Endless);
            }
            if self.pending.pop(&mut line)? {
                self.line(line.trim_ascii(), reading)?;
                continue;
            }
            match self.next_line(&mut line) {
                Ok(true) => self.file_line(&line, library, reading)?,
                Ok(false) => return Err(Stop::Full),
                Err(None) => break,
                Err(Some(ended)) => self.leave(ended, library),
            }
        }
        if self.collected.is_some() {
            self.define_collected()?;
        }
        if self.depth > 0 {
            self.loss(reading, &[], "the file ends inside a block: write the } that is missing");
        }
        for _ in 0..self.depth {
            reading.out.begin(self.place)?;
            reading.out.end(Act::Close)?;
        }
        Ok(())
    }

    // Files.

    /// Copies the next line of the innermost file, without its comment; false if it is too long. No line any more: the
    /// file that has ended, or none if there is none.
    fn next_line(&mut self, line: &mut Vec<u8, LINE_BYTES_MAX>) -> Result<bool, Option<Level>> {
        line.clear();
        let Some(level) = self.levels.last_mut() else { return Err(None) };
        let text = self.bytes.get(level.at..level.end).unwrap_or(&[]);
        if text.is_empty() {
            return Err(Some(*level));
        }
        let len = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
        let taken = text.get(..len).unwrap_or(&[]);
        level.at += len + 1;
        level.line = level.line.saturating_add(1);
        self.place = Place { file: level.file, line: level.line };
        Ok(line.extend_from_slice(without_comment(taken).trim_ascii()).is_ok())
    }

    /// Reads the first file that a pattern stands for, behind another one.
    fn enter(
        &mut self,
        pattern: (usize, usize),
        base: Option<u8>,
        after: Option<u8>,
        used: usize,
        library: &mut dyn Library,
    ) -> Result<(), Missing> {
        let (before, room) = self.bytes.split_at_mut_checked(used).ok_or(Missing::TooLong)?;
        let pattern_text = before.get(pattern.0..pattern.1).unwrap_or(&[]);
        let name_of = |file: Option<u8>| {
            file.and_then(|file| self.names.get(usize::from(file))).map_or(&[][..], |name| name.as_slice())
        };
        let mut name = Name::new();
        let len = library.open(name_of(base), pattern_text, name_of(after), &mut name, room)?;
        let end = used.checked_add(len).filter(|end| *end <= IMPORT_BYTES_MAX).ok_or(Missing::TooLong)?;
        let file = self.names.len() as u8;
        let full = Missing::Unreadable("too many files include one another");
        let level = Level { start: used, end, at: used, line: 0, file, pattern, base };
        if self.levels.is_full() || self.names.push(name).is_err() {
            return Err(full);
        }
        self.levels.push(level).map_err(|_| full)
    }

    /// After a file comes the next one of the same pattern.
    fn leave(&mut self, ended: Level, library: &mut dyn Library) {
        self.levels.pop();
        if ended.base.is_some() {
            // What cannot be read among several is no reason to stop.
            let _ = self.enter(ended.pattern, ended.base, Some(ended.file), ended.start, library);
        }
    }

    /// A line of a file, without its comment.
    fn file_line(
        &mut self,
        line: &[u8],
        library: &mut dyn Library,
        reading: &mut Reading<'_, '_, '_>,
    ) -> Result<(), Stop> {
        if line.is_empty() {
            return Ok(());
        }
        if self.collected.is_some() {
            return self.collect(line);
        }
        let (word, pattern) = split_word(line);
        let is_include =
            matches!(word, b"include" | b"includer" | b"includem" | b"includew" | b"includeb" | b"includea");
        if is_include {
            self.include(pattern, library, reading);
            return Ok(());
        }
        self.line(line, reading)
    }

    fn include(&mut self, pattern: &[u8], library: &mut dyn Library, reading: &mut Reading<'_, '_, '_>) {
        let Some(level) = self.levels.last().copied() else { return };
        // The line is the file's last that was read, so what stands in it is still there.
        let text = self.bytes.get(..level.at.min(level.end)).unwrap_or(&[]);
        let bare = unquoted(pattern);
        let found = text.windows(bare.len().max(1)).rposition(|window| window == bare);
        let Some(start) = found.filter(|start| *start >= level.start) else {
            self.loss(reading, &[b"include"], "write which file");
            return;
        };
        let span = (start, start + bare.len());
        match self.enter(span, Some(level.file), None, level.end, library) {
            Ok(()) => {}
            Err(Missing::End) if super::pattern::has_wildcard(bare) => {}
            Err(missing) => self.loss(reading, &[b"include", bare], why(missing)),
        }
    }

    fn name(&self, file: u8) -> &[u8] {
        self.names.get(usize::from(file)).map_or(&[], |name| name.as_slice())
    }

    fn loss(&self, reading: &mut Reading<'_, '_, '_>, words: &[&[u8]], reason: &str) {
        reading.reporter.loss(self.name(self.place.file), self.place.line, words, reason);
    }

    // Lines.

    /// A line, of a file or of a definition.
    fn line(&mut self, line: &[u8], reading: &mut Reading<'_, '_, '_>) -> Result<(), Stop> {
        let Some((first, rest)) = line.split_first() else { return Ok(()) };
        match first {
            b'@' => {
                let (is_negated, rest) = match rest.split_first() {
                    Some((b'^', behind)) => (true, behind),
                    Some(_) | None => (false, rest),
                };
                let (id, rest) = split_word(rest);
                return if (id == reading.id) == is_negated { Ok(()) } else { self.again(&[rest]) };
            }
            b'$' => {
                let (name, behind) = split_name(rest);
                if let Some(value) = behind.strip_prefix(b"=").filter(|_| !name.is_empty()) {
                    return self.define(name, value.trim_ascii());
                }
            }
            b'~' => {
                if let Some(done) = self.repeat(rest, reading) {
                    return done;
                }
                self.loss(reading, &[split_word(line).0], "this is neither ~SEQ(...) nor ~LST(...)");
                return Ok(());
            }
            _ => {}
        }
        if self.substitute(line, reading)? { Ok(()) } else { self.split(line, reading) }
    }

    /// Puts parts of a line before everything else, to be read again.
    fn again(&mut self, parts: &[&[u8]]) -> Result<(), Stop> {
        self.pending.push(b"\n")?;
        for part in parts.iter().rev() {
            self.pending.push(part)?;
        }
        Ok(())
    }

    fn define(&mut self, name: &[u8], value: &[u8]) -> Result<(), Stop> {
        let Some(first) = value.strip_suffix(b"\\") else {
            return Ok(self.definitions.set(name, value)?);
        };
        self.collection.clear();
        self.collection.extend_from_slice(name).map_err(|_| Stop::Full)?;
        self.collected = Some(Collected { name_len: name.len() });
        let first = first.trim_ascii();
        if first.is_empty() { Ok(()) } else { self.keep_collecting(first) }
    }

    /// Another line of a definition.
    fn collect(&mut self, line: &[u8]) -> Result<(), Stop> {
        match line.strip_suffix(b"\\") {
            Some(line) => self.keep_collecting(line.trim_ascii()),
            None => {
                self.keep_collecting(line)?;
                self.define_collected()
            }
        }
    }

    fn keep_collecting(&mut self, line: &[u8]) -> Result<(), Stop> {
        self.collection.extend_from_slice(line).map_err(|_| Stop::Full)?;
        self.collection.push(b'\n').map_err(|_| Stop::Full)
    }

    fn define_collected(&mut self) -> Result<(), Stop> {
        let Some(Collected { name_len }) = self.collected.take() else { return Ok(()) };
        let (name, value) = self.collection.split_at_checked(name_len).unwrap_or((&[], &[]));
        // What stands behind the definition where it is used goes on in the last line.
        Ok(self.definitions.set(name, value.strip_suffix(b"\n").unwrap_or(value))?)
    }

    /// Replaces the first word that is defined; false if there is none.
    fn substitute(&mut self, line: &[u8], reading: &mut Reading<'_, '_, '_>) -> Result<bool, Stop> {
        let mut at = 0;
        while let Some(offset) = line.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'$')) {
            let (before, rest) = line.split_at_checked(at + offset).unwrap_or((line, &[]));
            at += offset + 1;
            let rest = rest.get(1..).unwrap_or(&[]);
            let (name, behind) = match rest.strip_prefix(b"{") {
                Some(inner) => {
                    let (name, behind) = split_name(inner);
                    let Some(behind) = behind.strip_prefix(b"}") else { continue };
                    (name, behind)
                }
                None => split_name(rest),
            };
            let is_whole = rest.starts_with(b"{") || behind.first().is_none_or(u8::is_ascii_whitespace);
            if name.is_empty() || !is_whole {
                continue;
            }
            let base = self.names.get(usize::from(self.place.file)).map_or(&[][..], |name| name.as_slice());
            let value = match name {
                b"_PWD" => folder(base),
                b"_INSTANCE" => reading.id,
                b"_HASH" => b"#",
                b"_BANG" => b"!",
                _ => match self.definitions.value(name) {
                    Some(value) => value,
                    None => continue,
                },
            };
            self.pending.push(b"\n")?;
            for part in [behind, value, before] {
                self.pending.push(part)?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// `~SEQ(NAME, FIRST, STEP, LAST)` and `~LST(NAME, VALUE, ...)` before a line, as a definition, the line, and the
    /// same again with what is left. None: it is neither.
    fn repeat(&mut self, text: &[u8], reading: &mut Reading<'_, '_, '_>) -> Option<Result<(), Stop>> {
        let (is_list, is_hexadecimal, inner) = match text {
            [b'S', b'E', b'Q', b'(', rest @ ..] => (false, false, rest),
            [b'S', b'E', b'Q', b'x', b'(', rest @ ..] => (false, true, rest),
            [b'L', b'S', b'T', b'(', rest @ ..] => (true, false, rest),
            _ => return None,
        };
        let end = inner.iter().position(|byte| *byte == b')')?;
        let (arguments, line) = inner.split_at_checked(end)?;
        let line = line.strip_prefix(b")")?.trim_ascii_start();
        if is_list {
            let (names, values) = split_argument(arguments);
            if values.is_empty() {
                return Some(Ok(()));
            }
            let (value, others) = split_argument(values);
            return Some(self.repeat_list(names, value, others, line));
        }
        let Some(sequence) = Sequence::parse(arguments) else {
            self.loss(reading, &[b"~SEQ"], "write ~SEQ(NAME, FIRST, STEP, LAST), with numbers");
            return Some(Ok(()));
        };
        Some(self.repeat_sequence(&sequence, is_hexadecimal, line))
    }

    fn repeat_list(&mut self, names: &[u8], values: &[u8], others: &[u8], line: &[u8]) -> Result<(), Stop> {
        if !others.is_empty() {
            self.again(&[b"~LST(", names, b",", others, b")", line])?;
        }
        self.again(&[line])?;
        let (mut names, mut values) = (bare_braces(names), bare_braces(values));
        while !names.is_empty() {
            let (name, value);
            (name, names) = split_argument(names);
            (value, values) = split_argument(values);
            self.again(&[b"$", name, b"=", value])?;
        }
        Ok(())
    }

    fn repeat_sequence(
        &mut self,
        sequence: &Sequence<'_>,
        is_hexadecimal: bool,
        line: &[u8],
    ) -> Result<(), Stop> {
        let Sequence { name, first, step, last } = *sequence;
        let is_past = if step < 0 { first < last } else { first > last };
        if is_past {
            return Ok(());
        }
        if let Some(next) = first.checked_add(step) {
            let [next, step, last] = [next, step, last].map(|number| Digits::new(number, false));
            let word: &[u8] = if is_hexadecimal { b"~SEQx(" } else { b"~SEQ(" };
            self.again(&[word, name, b",", next.text(), b",", step.text(), b",", last.text(), b")", line])?;
        }
        self.again(&[line])?;
        self.again(&[b"$", name, b"=", Digits::new(first, is_hexadecimal).text()])
    }

    // Words.

    /// Takes a line apart into words and braces.
    fn split(&mut self, line: &[u8], reading: &mut Reading<'_, '_, '_>) -> Result<(), Stop> {
        reading.out.begin(self.place)?;
        let mut rest = line.trim_ascii_start();
        while let Some((first, behind)) = rest.split_first() {
            match first {
                b'{' => {
                    self.open(reading)?;
                    rest = behind;
                }
                b'}' => {
                    self.close(reading)?;
                    rest = behind;
                }
                _ => rest = self.word(rest, reading)?,
            }
            rest = rest.trim_ascii_start();
        }
        if reading.out.has_words() {
            reading.out.end(Act::Plain)?;
        } else {
            reading.out.forget();
        }
        Ok(())
    }

    fn open(&mut self, reading: &mut Reading<'_, '_, '_>) -> Result<(), Stop> {
        if self.depth >= DEPTH_MAX {
            return Err(Stop::Full);
        }
        self.depth += 1;
        if reading.out.has_words() {
            reading.out.end(Act::Open)?;
        } else {
            reading.out.forget();
            if !reading.out.open_last() {
                self.loss(reading, &[b"{"], "no word stands before this brace");
                reading.out.begin(self.place)?;
                reading.out.end(Act::Open)?;
            }
        }
        Ok(reading.out.begin(self.place)?)
    }

    fn close(&mut self, reading: &mut Reading<'_, '_, '_>) -> Result<(), Stop> {
        if reading.out.has_words() {
            reading.out.end(Act::Plain)?;
        } else {
            reading.out.forget();
        }
        if self.depth == 0 {
            self.loss(reading, &[b"}"], "no block is open here");
        } else {
            self.depth -= 1;
            reading.out.begin(self.place)?;
            reading.out.end(Act::Close)?;
        }
        Ok(reading.out.begin(self.place)?)
    }

    /// One word; quotes hold it together and are not part of it.
    fn word<'l>(&mut self, text: &'l [u8], reading: &mut Reading<'_, '_, '_>) -> Result<&'l [u8], Stop> {
        let at = reading.out.position();
        reading.out.word()?;
        let mut rest = text;
        let mut quote = None;
        while let Some((first, behind)) = rest.split_first() {
            match (*first, quote) {
                (b'"' | b'\'', None) => quote = Some(*first),
                (byte, Some(open)) if byte == open => quote = None,
                (b'\\', Some(b'"')) if matches!(behind.first(), Some(b'"' | b'\\')) => {
                    let (escaped, behind) = behind.split_first().unwrap_or((first, behind));
                    reading.out.byte(*escaped)?;
                    rest = behind;
                    continue;
                }
                (b'$', None) if behind.first() == Some(&b'{') => {
                    rest = self.undefined(rest, reading)?;
                    continue;
                }
                (b'{' | b'}', None) => break,
                (byte, None) if byte.is_ascii_whitespace() => break,
                (byte, _) => reading.out.byte(byte)?,
            }
            rest = behind;
        }
        if quote.is_some() {
            self.loss(reading, &[], "a quote is not closed on this line");
        }
        reading.out.end_word(at)?;
        Ok(rest)
    }

    /// `${NAME}` that nobody has defined stays as it is; its braces are no block.
    fn undefined<'l>(&mut self, text: &'l [u8], reading: &mut Reading<'_, '_, '_>) -> Result<&'l [u8], Stop> {
        let end = text.iter().position(|byte| *byte == b'}').map_or(text.len(), |end| end + 1);
        let (name, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
        self.loss(reading, &[name], "this is not defined");
        for byte in name {
            reading.out.byte(*byte)?;
        }
        Ok(rest)
    }
}

/// `NAME, FIRST, STEP, LAST`; the step may be left out, and the first too.
struct Sequence<'a> {
    name: &'a [u8],
    first: i32,
    step: i32,
    last: i32,
}

impl<'a> Sequence<'a> {
    fn parse(arguments: &'a [u8]) -> Option<Self> {
        let (name, mut rest) = split_argument(arguments);
        let mut numbers = Vec::<i32, 3>::new();
        while !rest.is_empty() {
            let (text, behind) = split_argument(rest);
            numbers.push(number(text)?).ok()?;
            rest = behind;
        }
        let (first, step, last) = match *numbers.as_slice() {
            [last] => (if last > 0 { 1 } else { -1 }, None, last),
            [first, last] => (first, None, last),
            [first, step, last] => (first, Some(step), last),
            _ => return None,
        };
        let step = step.unwrap_or(if last < first { -1 } else { 1 });
        (!name.is_empty() && step != 0).then_some(Self { name, first, step, last })
    }
}

/// A number in decimal or, behind `0x`, in hexadecimal digits.
fn number(text: &[u8]) -> Option<i32> {
    let (is_negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (radix, digits) = match text {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        digits => (10, digits),
    };
    let mut number = 0i32;
    for byte in digits {
        let digit = char::from(*byte).to_digit(radix)? as i32;
        number = number.checked_mul(radix as i32)?.checked_add(digit)?;
    }
    (!digits.is_empty()).then_some(if is_negative { -number } else { number })
}

/// A number as text.
pub(super) struct Digits {
    text: [u8; 12],
    start: usize,
}

impl Digits {
    pub(super) fn new(number: i32, is_hexadecimal: bool) -> Self {
        let mut digits = Self { text: [b'-'; 12], start: 12 };
        let radix = if is_hexadecimal { 16 } else { 10 };
        let mut rest = number.unsigned_abs();
        for place in digits.text.iter_mut().rev() {
            let digit = (rest % radix) as u8;
            *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            digits.start -= 1;
            rest /= radix;
            if rest == 0 {
                break;
            }
        }
        // The byte before the digits is a minus sign from the beginning.
        digits.start -= usize::from(number < 0);
        digits
    }

    pub(super) fn text(&self) -> &[u8] {
        self.text.get(self.start..).unwrap_or(&[])
    }
}

const fn why(missing: Missing) -> &'static str {
    match missing {
        Missing::End => "there is no such file",
        Missing::Unreadable(reason) => reason,
        Missing::TooLong => "there is no room for this file: build vipd with a larger VIPD_IMPORT_BYTES",
    }
}

/// What stands before `#` or `!`, which begin a comment wherever they are not quoted.
fn without_comment(line: &[u8]) -> &[u8] {
    let mut quote = None;
    let mut is_escaped = false;
    let end = line.iter().position(|byte| {
        match (*byte, quote) {
            _ if is_escaped => is_escaped = false,
            (b'\\', Some(_)) => is_escaped = true,
            (b'#' | b'!', None) => return true,
            (b'"' | b'\'', None) => quote = Some(*byte),
            (byte, Some(open)) if byte == open => quote = None,
            (_, _) => {}
        }
        false
    });
    line.get(..end.unwrap_or(line.len())).unwrap_or(line)
}

/// A line's first word, and what stands behind it.
fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_start();
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (word, rest.trim_ascii())
}

/// The name that a text begins with, of letters, digits and `_`, and what stands behind it.
fn split_name(text: &[u8]) -> (&[u8], &[u8]) {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let end = text.iter().position(|byte| !is_name(byte)).unwrap_or(text.len());
    let is_number = text.first().is_some_and(u8::is_ascii_digit);
    text.split_at_checked(if is_number { 0 } else { end }).unwrap_or((text, &[]))
}

/// What stands before the first comma outside braces, and behind it.
fn split_argument(text: &[u8]) -> (&[u8], &[u8]) {
    let mut depth = 0u32;
    let end = text.iter().position(|byte| {
        match byte {
            b'{' => depth = depth.saturating_add(1),
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        *byte == b',' && depth == 0
    });
    let (argument, rest) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, &[]));
    (argument.trim_ascii(), rest.strip_prefix(b",").unwrap_or(rest).trim_ascii())
}

/// A text without the braces around it.
fn bare_braces(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"{").and_then(|text| text.strip_suffix(b"}")).unwrap_or(text)
}

/// A text without the quotes around it.
fn unquoted(text: &[u8]) -> &[u8] {
    let strip = |quote: &[u8]| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    strip(b"\"").or_else(|| strip(b"'")).unwrap_or(text)
}

/// The folder of a file.
#[must_use]
pub fn folder(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|byte| *byte == b'/') {
        Some(0) => b"/",
        Some(end) => name.get(..end).unwrap_or(&[]),
        None => b".",
    }
}
