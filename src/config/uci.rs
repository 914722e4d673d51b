//! libuci's grammar, strict: the first mistake rejects the file.
//!
//! A [`Document`] owns the bytes of the file. Words are unescaped where they stand, since no word is
//! longer than its source, and sections and options point into the bytes; nothing is copied.
//!
//! libuci reads a physical line at a time, and only an open quote or a backslash at the end of a line
//! brings in the next one. The [`Parser`] keeps that shape, because the corners of the grammar follow
//! from it. It differs in two places, where libuci reads past its own line: a keyword that ends the file
//! without a newline is no command, and a zero byte is a mistake of its own.

use heapless::Vec;
use static_assertions::const_assert;

use super::problem::{Problem, Severity};
use crate::limits::{CONFIG_BYTES_MAX, OPTIONS_MAX, SECTIONS_MAX};

const_assert!(SECTIONS_MAX <= u16::MAX as usize); // Options name their section in 16 bits.

/// Bytes that [`Section::uci_name`] may need for the name of an anonymous section.
pub const ANONYMOUS_NAME_BYTES: usize = 11;

/// A run of bytes of the document.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    start: u32,
    len: u32,
}

#[derive(Debug, Clone, Copy)]
struct SectionRecord {
    kind: Piece,
    name: Piece,
    line: u32,
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
    /// "insufficient arguments".
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
        let mut parser = Parser {
            document: self,
            position: 0,
            line_end: 0,
            file_end: len.min(CONFIG_BYTES_MAX),
            line: 0,
            section: None,
        };
        let mut outcome = parser.file();
        if len > CONFIG_BYTES_MAX {
            let kind = ErrorKind::TooLong;
            outcome = Err(Error { line: 1, kind });
        }
        if outcome.is_err() {
            self.sections.clear();
            self.entries.clear();
        }
        outcome
    }

    /// The sections, in the file's order.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        let indices = 0..self.sections.len() as u16;
        indices.zip(&self.sections).map(|(index, record)| Section { document: self, record, index })
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

    /// Sets an option: the last one wins, at the place of the first.
    fn set(&mut self, entry: EntryRecord) -> bool {
        let bytes = &self.bytes;
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
        is_set || self.entries.push(entry).is_ok()
    }

    /// Adds an item to a list; an option of the same name becomes its first item.
    fn add(&mut self, entry: EntryRecord) -> bool {
        let bytes = &self.bytes;
        for other in &mut self.entries {
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
        self.section == other.section && self.name.of(bytes) == other.name.of(bytes)
    }
}

/// A section of a document.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    document: &'a Document,
    record: &'a SectionRecord,
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

    /// Its type.
    #[must_use]
    pub fn kind(self) -> &'a [u8] {
        self.document.piece(self.record.kind)
    }

    /// Its name; empty if it is anonymous.
    #[must_use]
    pub fn name(self) -> &'a [u8] {
        self.document.piece(self.record.name)
    }

    /// The line, from 1, of its first `config` statement.
    #[must_use]
    pub const fn line(self) -> u32 {
        self.record.line
    }

    /// Its options and list items, in the file's order.
    pub fn entries(self) -> impl Iterator<Item = Entry<'a>> {
        let document = self.document;
        document.entries.iter().filter(move |record| record.section == self.index).map(move |record| Entry {
            name: document.piece(record.name),
            value: document.piece(record.value),
            line: record.line,
            is_list: record.is_list,
        })
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

/// The hexadecimal digit of the lowest four bits.
const fn hexadecimal(number: u32) -> u8 {
    let digit = (number & 0xf) as u8;
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

struct Parser<'d> {
    document: &'d mut Document,
    /// The next byte.
    position: usize,
    /// The end of what has been read: behind a newline, or the end of the file.
    line_end: usize,
    file_end: usize,
    /// Number of lines read.
    line: u32,
    section: Option<u16>,
}

#[derive(Clone, Copy)]
enum Command {
    Package,
    Config,
    Option,
    List,
}

impl Parser<'_> {
    fn file(&mut self) -> Result<(), Error> {
        while self.read_line()? {
            self.skip_space();
            while let Some(command) = self.command()? {
                match command {
                    Command::Package => self.package()?,
                    Command::Config => self.config()?,
                    Command::Option => self.option(false)?,
                    Command::List => self.option(true)?,
                }
            }
        }
        Ok(())
    }

    /// Reads a further physical line and goes to its start; false at the end of the file.
    fn read_line(&mut self) -> Result<bool, Error> {
        self.position = self.line_end;
        let bytes = &self.document.bytes;
        let rest = bytes.get(self.line_end..self.file_end).unwrap_or(&[]);
        if rest.is_empty() {
            return Ok(false);
        }
        let newline = rest.iter().position(|byte| *byte == b'\n');
        let line = rest.get(..newline.map_or(rest.len(), |at| at + 1)).unwrap_or(rest);
        let has_zero = line.contains(&0);
        self.line_end += line.len();
        self.line += 1;
        if has_zero {
            return Err(self.error(ErrorKind::ZeroByte));
        }
        Ok(true)
    }

    /// The keyword of the next statement on this line; none at its end or at a comment.
    fn command(&mut self) -> Result<Option<Command>, Error> {
        while matches!(self.byte(), Some(b' ' | b'\t')) {
            self.position += 1;
        }
        if matches!(self.byte(), None | Some(b'#')) {
            return Ok(None);
        }
        let rest = self.document.bytes.get(self.position..self.line_end);
        let rest = rest.unwrap_or(&[]);
        let len = rest.iter().position(|byte| matches!(byte, b' ' | b'\t'));
        // A keyword that ends the line has its newline in it, and that makes it unknown.
        let keyword = rest.get(..len.unwrap_or(0)).unwrap_or(&[]);
        let command = match keyword {
            b"package" | b"p" => Command::Package,
            b"config" | b"c" => Command::Config,
            b"option" | b"o" => Command::Option,
            b"list" | b"l" => Command::List,
            _ => return Err(self.error(ErrorKind::Command)),
        };
        self.position += keyword.len() + 1;
        Ok(Some(command))
    }

    /// `package NAME`: checked, and otherwise without meaning, as where libuci loads a file by its name.
    fn package(&mut self) -> Result<(), Error> {
        let name = self.required_word()?;
        let is_allowed = |byte: &u8| is_name_byte(*byte) || *byte == b'-';
        if !self.document.piece(name).iter().all(is_allowed) {
            return Err(self.error(ErrorKind::NameCharacter));
        }
        self.end_of_statement()
    }

    /// `config TYPE [NAME]`: opens a section, or opens it again.
    fn config(&mut self) -> Result<(), Error> {
        let line = self.line;
        let kind = self.required_word()?;
        let is_graphic = |byte: &u8| byte.is_ascii_graphic();
        if !self.document.piece(kind).iter().all(is_graphic) {
            return Err(self.error(ErrorKind::TypeCharacter));
        }
        let name = self.word()?;
        self.check_name(name)?;
        self.end_of_statement()?;

        let named = self.document.piece(name);
        let prior = self.document.sections().find(|section| !named.is_empty() && section.name() == named);
        if let Some(prior) = prior {
            if prior.kind() != self.document.piece(kind) {
                let first = prior.line();
                return Err(self.error(ErrorKind::TypeDiffers { first }));
            }
            self.section = Some(prior.index());
            return Ok(());
        }
        let sections = &mut self.document.sections;
        self.section = Some(sections.len() as u16);
        sections.push(SectionRecord { kind, name, line }).map_err(|_| self.error(ErrorKind::TooManySections))
    }

    /// `option NAME [VALUE]` or `list NAME [VALUE]`. An option without value changes nothing.
    fn option(&mut self, is_list: bool) -> Result<(), Error> {
        let Some(section) = self.section else {
            return Err(self.error(ErrorKind::BeforeSection));
        };
        let line = self.line;
        let name = self.required_word()?;
        self.check_name(name)?;
        let value = self.word()?;
        self.end_of_statement()?;

        let entry = EntryRecord { name, value, line, section, is_list };
        let fits =
            if is_list { self.document.add(entry) } else { value.len == 0 || self.document.set(entry) };
        if fits { Ok(()) } else { Err(self.error(ErrorKind::TooManyOptions)) }
    }

    fn check_name(&self, name: Piece) -> Result<(), Error> {
        let is_allowed = |byte: &u8| is_name_byte(*byte);
        if self.document.piece(name).iter().all(is_allowed) {
            Ok(())
        } else {
            Err(self.error(ErrorKind::NameCharacter))
        }
    }

    fn end_of_statement(&mut self) -> Result<(), Error> {
        if self.word()?.len == 0 { Ok(()) } else { Err(self.error(ErrorKind::TooManyWords)) }
    }

    fn required_word(&mut self) -> Result<Piece, Error> {
        let word = self.word()?;
        if word.len == 0 {
            return Err(self.error(ErrorKind::TooFewWords));
        }
        Ok(word)
    }

    /// The next word, unescaped; empty where the statement ends. A `;` is an end that is used up.
    fn word(&mut self) -> Result<Piece, Error> {
        self.skip_space();
        let start = self.position;
        let mut end = start;
        if self.byte() == Some(b';') {
            self.position += 1;
            return Ok(Piece::default());
        }
        while let Some(byte) = self.byte() {
            match byte {
                b'\'' => self.single_quoted(&mut end)?,
                b'"' => self.double_quoted(&mut end)?,
                b'\\' => {
                    if self.escaped()? {
                        self.take(&mut end);
                    }
                }
                b'#' => self.position = self.line_end,
                b';' => {
                    // libuci ends the word by a zero where it stopped writing. Without quotes and
                    // backslashes that is here, and the rest of the line is lost.
                    if end == self.position {
                        self.drop_line();
                    }
                    break;
                }
                _ => self.take(&mut end),
            }
            // Also where the white space begins a line that a backslash has joined.
            if self.byte().is_some_and(is_space) {
                self.position += 1;
                break;
            }
        }
        Ok(Piece { start: start as u32, len: (end - start) as u32 })
    }

    fn single_quoted(&mut self, end: &mut usize) -> Result<(), Error> {
        let opened = self.line;
        self.position += 1;
        loop {
            match self.byte() {
                Some(b'\'') => break,
                Some(_) => self.take(end),
                None => self.read_quoted_line(b'\'', opened)?,
            }
        }
        self.position += 1;
        Ok(())
    }

    fn double_quoted(&mut self, end: &mut usize) -> Result<(), Error> {
        let opened = self.line;
        self.position += 1;
        loop {
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    if self.escaped()? {
                        self.take(end);
                    }
                }
                Some(_) => self.take(end),
                None => self.read_quoted_line(b'"', opened)?,
            }
        }
        self.position += 1;
        Ok(())
    }

    fn read_quoted_line(&mut self, quote: u8, opened: u32) -> Result<(), Error> {
        if self.read_line()? {
            return Ok(());
        }
        Err(self.error(ErrorKind::OpenQuote { quote, opened }))
    }

    /// Goes behind a backslash: true if the byte there is to be taken as it is, false if the backslash
    /// ended the line, and the next line has been joined.
    fn escaped(&mut self) -> Result<bool, Error> {
        self.position += 1;
        let rest = self.document.bytes.get(self.position..self.line_end);
        if matches!(rest.unwrap_or(&[]), b"" | b"\n" | b"\r\n") {
            self.read_line()?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Moves the byte at the position to the end of the word.
    fn take(&mut self, end: &mut usize) {
        let byte = self.byte().unwrap_or(0);
        if let Some(slot) = self.document.bytes.get_mut(*end) {
            *slot = byte;
        }
        *end += 1;
        self.position += 1;
    }

    /// Goes to the end of the line, and remembers it if a word is lost by that.
    fn drop_line(&mut self) {
        self.position += 1;
        self.skip_space();
        if self.byte().is_some_and(|byte| byte != b'#') && self.document.dropped_line == 0 {
            self.document.dropped_line = self.line;
        }
        self.position = self.line_end;
    }

    fn skip_space(&mut self) {
        while self.byte().is_some_and(is_space) {
            self.position += 1;
        }
    }

    /// The byte at the position, if the line is not at its end.
    fn byte(&self) -> Option<u8> {
        if self.position < self.line_end { self.document.bytes.get(self.position).copied() } else { None }
    }

    const fn error(&self, kind: ErrorKind) -> Error {
        Error { line: self.line, kind }
    }
}

/// White space as C's `isspace` has it.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
