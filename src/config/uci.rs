//! libuci's grammar, strict: the first mistake rejects the file.
//!
//! A [`Document`] owns the bytes of the file. Words are unescaped where they stand, since no word is
//! longer than its source, and sections and options point into the bytes; nothing is copied.
//!
//! The grammar is libuci's own, but for two places: a zero byte, which cuts libuci's line short, is a mistake
//! of its own, and a last line without a newline is counted.

use heapless::Vec;
use static_assertions::const_assert;

use super::problem::{Problem, Severity};
use crate::limits::{CONFIG_BYTES_MAX, OPTIONS_MAX, SECTIONS_MAX};

const_assert!(SECTIONS_MAX <= u16::MAX as usize); // Options name their section in 16 bits.

mod parser;

/// Bytes that [`Section::anonymous_name`] may need for the name of an anonymous section.
pub const ANONYMOUS_NAME_BYTES: usize = 11;

/// A run of bytes of the document.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    start: u32,
    len: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct SectionRecord {
    kind: Piece,
    name: Piece,
    line: u32,
    /// The place of its first entry, once they are in order.
    first: u32,
}

#[derive(Debug, Clone, Copy)]
struct EntryRecord {
    name: Piece,
    value: Piece,
    line: u32,
    section: u16,
    is_list: bool,
}

/// A UCI file. One is enough for a daemon, in static memory: read the file into [`Document::buffer`], then
/// call [`Document::parse`].
#[derive(Debug)]
pub struct Document {
    /// One byte more than a file may have, so that a longer file shows.
    bytes: [u8; CONFIG_BYTES_MAX + 1],
    sections: Vec<SectionRecord, SECTIONS_MAX>,
    entries: Vec<EntryRecord, OPTIONS_MAX>,
    dropped_line: u32,
}

/// A mistake of grammar, and the line where it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// Line of the file, from 1: the last line that was read when the mistake showed, as with libuci.
    pub line: u32,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What is wrong with the grammar. Those of libuci bear its own words in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// "invalid command": the first word is none of `package`, `config`, `option`, `list`, in full or as
    /// one letter, followed by a blank.
    Command,
    /// "insufficient arguments", and "option without name" where that ends the file.
    TooFewWords,
    /// "too many arguments".
    TooManyWords,
    /// "invalid character in name field".
    NameCharacter,
    /// "invalid character in type field".
    TypeCharacter,
    /// "EOF with unterminated".
    OpenQuote {
        /// The quote, `'` or `"`.
        quote: u8,
        /// The line where it was opened.
        opened: u32,
    },
    /// "option/list command found before the first section".
    BeforeSection,
    /// "section of different type overwrites prior section with same name".
    TypeDiffers {
        /// The line of the section that has the name already.
        first: u32,
    },
    /// A zero byte.
    ZeroByte,
    /// More than [`CONFIG_BYTES_MAX`] bytes.
    TooLong,
    /// More than [`SECTIONS_MAX`] sections.
    TooManySections,
    /// More than [`OPTIONS_MAX`] options and list items.
    TooManyOptions,
}

impl Error {
    /// The sentence for it.
    #[must_use]
    pub const fn problem(self) -> Problem<'static> {
        let (sentence, words, first): (_, &[&[u8]], u32) = match self.kind {
            ErrorKind::Command => (
                "this is no command: begin the line with config, option or list and a blank, or with #",
                &[],
                0,
            ),
            ErrorKind::TooFewWords => {
                ("a word is missing: write config TYPE NAME, option NAME VALUE or list NAME VALUE", &[], 0)
            }
            ErrorKind::TooManyWords => ("too many words: put a value that has blanks in quotes", &[], 0),
            ErrorKind::NameCharacter => {
                ("a name has a character that UCI does not allow: use letters, digits and _", &[], 0)
            }
            ErrorKind::TypeCharacter => (
                "a section type has a character that UCI does not allow: use printable ASCII without blanks",
                &[],
                0,
            ),
            ErrorKind::OpenQuote { quote, opened } => (
                "the file ends inside the quote %a that line %m opens: close it",
                if quote == b'"' { &[b"\""] } else { &[b"'"] },
                opened,
            ),
            ErrorKind::BeforeSection => {
                ("an option stands before the first section: write a config line above it", &[], 0)
            }
            ErrorKind::TypeDiffers { first } => (
                "the section of line %m has this name and another type: give one of them another name",
                &[],
                first,
            ),
            ErrorKind::ZeroByte => ("there is a zero byte: write plain text", &[], 0),
            ErrorKind::TooLong => (
                "the file has more than %m bytes: shorten it, or build with a larger VIPD_CONFIG_BYTES",
                &[],
                CONFIG_BYTES_MAX as u32,
            ),
            ErrorKind::TooManySections => (
                "there are more than %m sections: remove some, or build with a larger VIPD_SECTIONS",
                &[],
                SECTIONS_MAX as u32,
            ),
            ErrorKind::TooManyOptions => (
                "there are more than %m options: remove some, or build with a larger VIPD_OPTIONS",
                &[],
                OPTIONS_MAX as u32,
            ),
        };
        Problem::new(self.line, Severity::Error, sentence, words, [first as i32, 0])
    }
}

impl Document {
    /// An empty document.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; CONFIG_BYTES_MAX + 1], sections: Vec::new(), entries: Vec::new(), dropped_line: 0 }
    }

    /// Where the bytes of a file go. The buffer has room for one byte more than a file may have: fill it
    /// until the file or the buffer ends, and [`Document::parse`] sees which it was.
    #[must_use]
    pub fn buffer(&mut self) -> &mut [u8] {
        self.sections.clear();
        self.entries.clear();
        &mut self.bytes
    }

    /// Parses the first `len` bytes of the buffer, once: it unescapes them in place.
    ///
    /// # Errors
    /// The first mistake of the file; then the document is empty.
    pub fn parse(&mut self, len: usize) -> Result<(), Error> {
        self.sections.clear();
        self.entries.clear();
        self.dropped_line = 0;
        let mut outcome = parser::parse(self, len.min(CONFIG_BYTES_MAX));
        if len > CONFIG_BYTES_MAX {
            let kind = ErrorKind::TooLong;
            outcome = Err(Error { line: 1, kind });
        }
        if outcome.is_err() {
            self.sections.clear();
            self.entries.clear();
        }
        self.sort();
        outcome
    }

    /// Puts the entries into the order of their sections, each with its own in the file's order, and notes where each section's
    /// begin. Only those of a section that the file comes back to are elsewhere.
    fn sort(&mut self) {
        for len in 2..=self.entries.len() {
            let mut part = self.entries.get_mut(..len).unwrap_or(&mut []);
            while let [.., left, right] = part
                && left.section > right.section
            {
                core::mem::swap(left, right);
                let Some((_, before)) = part.split_last_mut() else { break };
                part = before;
            }
        }
        for (place, entry) in self.entries.iter().enumerate().rev() {
            if let Some(section) = self.sections.get_mut(usize::from(entry.section)) {
                section.first = place as u32;
            }
        }
    }

    /// The sections, in the file's order.
    #[must_use]
    pub const fn sections(&self) -> Sections<'_> {
        Sections { document: self, next: 0 }
    }

    /// Whether there is no section.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// The first line, from 1, on which libuci's grammar drops words without a complaint: what follows a
    /// `;` that stands directly after an unquoted word.
    #[must_use]
    pub const fn dropped_line(&self) -> Option<u32> {
        match self.dropped_line {
            0 => None,
            line => Some(line),
        }
    }

    fn piece(&self, piece: Piece) -> &[u8] {
        piece.of(&self.bytes)
    }

    fn entry(&self, record: &EntryRecord) -> Entry<'_> {
        Entry {
            name: self.piece(record.name),
            value: self.piece(record.value),
            line: record.line,
            is_list: record.is_list,
        }
    }

    /// Sets an option: the last one wins, at the place of the first. Nothing of its section is in front of `from`.
    fn set(&mut self, entry: EntryRecord, from: usize) -> bool {
        let bytes = &self.bytes;
        let own = self.entries.get(from..).unwrap_or(&[]);
        if !own.iter().any(|other| other.is_same_option(&entry, bytes)) {
            return self.entries.push(entry).is_ok();
        }
        let mut is_set = false;
        self.entries.retain_mut(|other| {
            if !other.is_same_option(&entry, bytes) {
                return true;
            }
            if !is_set {
                *other = entry;
                is_set = true;
                return true;
            }
            false
        });
        is_set
    }

    /// Adds an item to a list; an option of the same name becomes its first item. Nothing of its section is in front of
    /// `from`.
    fn add(&mut self, entry: EntryRecord, from: usize) -> bool {
        let bytes = &self.bytes;
        for other in self.entries.get_mut(from..).unwrap_or(&mut []) {
            if other.is_same_option(&entry, bytes) {
                other.is_list = true;
            }
        }
        self.entries.push(entry).is_ok()
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::new()
    }
}

impl Piece {
    fn of(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        bytes.get(start..start + self.len as usize).unwrap_or(&[])
    }
}

impl EntryRecord {
    fn is_same_option(&self, other: &Self, bytes: &[u8]) -> bool {
        self.section == other.section && self.has_name(other.name.of(bytes), bytes)
    }

    fn has_name(&self, name: &[u8], bytes: &[u8]) -> bool {
        self.name.len as usize == name.len() && self.name.of(bytes) == name
    }
}

/// A section of a document.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    document: &'a Document,
    index: u16,
}

/// An option, or an item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value; only an item of a list can be empty.
    pub value: &'a [u8],
    /// The line, from 1, on which its statement begins.
    pub line: u32,
    /// Whether it belongs to a list.
    pub is_list: bool,
}

impl<'a> Section<'a> {
    /// Its place among the sections, from 0.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.index
    }

    /// Whether it is of this type.
    #[inline(never)]
    pub(super) fn is(self, kind: &str) -> bool {
        self.kind() == kind.as_bytes()
    }

    /// Its type.
    #[must_use]
    #[inline(never)]
    pub fn kind(self) -> &'a [u8] {
        self.document.piece(self.record().kind)
    }

    /// Its name; empty if it is anonymous.
    #[must_use]
    #[inline(never)]
    pub fn name(self) -> &'a [u8] {
        self.document.piece(self.record().name)
    }

    /// The line, from 1, of its first `config` statement.
    #[must_use]
    #[inline(never)]
    pub fn line(self) -> u32 {
        self.record().line
    }

    fn record(self) -> SectionRecord {
        let record = self.document.sections.get(usize::from(self.index));
        record.copied().unwrap_or_default()
    }

    /// Its options and list items, in the file's order.
    #[must_use]
    pub fn entries(self) -> Entries<'a> {
        Entries { section: self, next: self.record().first as usize }
    }

    /// Whether this is its name, be it its own or the one that libuci gives it.
    fn is_called(self, name: &[u8]) -> bool {
        match self.name() {
            [] => self.anonymous_name(&mut [0; ANONYMOUS_NAME_BYTES]) == name,
            own => own == name,
        }
    }

    /// The name that libuci gives to an anonymous section: `cfg`, the running number of the section in at
    /// least two hexadecimal digits, and four digits of a hash of its type.
    pub fn anonymous_name(self, buffer: &mut [u8; ANONYMOUS_NAME_BYTES]) -> &[u8] {
        let hash = self
            .kind()
            .iter()
            .fold(5381u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(u32::from(*byte)));
        let number = u32::from(self.index) + 1;
        let mut digits: u32 = 2;
        while number >> (4 * digits) != 0 {
            digits += 1;
        }
        let shifts = (0..digits).rev().map(|digit| number >> (4 * digit));
        let hashed = (0..4).rev().map(|digit| hash >> (4 * digit));
        let mut len = 0;
        let letters = b"cfg".iter().copied();
        let all = letters.chain(shifts.chain(hashed).map(hexadecimal));
        for (slot, byte) in buffer.iter_mut().zip(all) {
            *slot = byte;
            len += 1;
        }
        buffer.get(..len).unwrap_or(&[])
    }
}

/// The sections of a document. A type of its own, with one `next` for all its users: their loops are many.
#[derive(Debug, Clone)]
pub struct Sections<'a> {
    document: &'a Document,
    next: u16,
}

impl<'a> Iterator for Sections<'a> {
    type Item = Section<'a>;

    #[inline(never)]
    fn next(&mut self) -> Option<Section<'a>> {
        let index = self.next;
        self.document.sections.get(usize::from(index))?;
        self.next += 1;
        Some(Section { document: self.document, index })
    }
}

/// The options and list items of a section.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    section: Section<'a>,
    /// The place of the next one.
    next: usize,
}

impl<'a> Entries<'a> {
    /// The next one of this name: every option that can be written is looked for in every section.
    #[inline(never)]
    pub(super) fn next_named(&mut self, name: &[u8]) -> Option<Entry<'a>> {
        let document = self.section.document;
        let rest = self.rest();
        let place = rest.iter().position(|record| record.has_name(name, &document.bytes))?;
        self.next += place + 1;
        rest.get(place).map(|record| document.entry(record))
    }

    /// Those that are left.
    fn rest(&self) -> &'a [EntryRecord] {
        let entries = &self.section.document.entries;
        let index = self.section.index;
        let rest = entries.get(self.next..).unwrap_or(&[]);
        let len = rest.iter().take_while(|record| record.section == index).count();
        rest.get(..len).unwrap_or(&[])
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    #[inline(never)]
    fn next(&mut self) -> Option<Entry<'a>> {
        let record = self.rest().first()?;
        self.next += 1;
        Some(self.section.document.entry(record))
    }
}

/// The hexadecimal digit of the lowest four bits.
const fn hexadecimal(number: u32) -> u8 {
    let digit = (number & 0xf) as u8;
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}
