//! Bytes to sections and options.
//!
//! libuci reads a physical line at a time, and only an open quote or a backslash at the end of a line
//! brings in the next one. The parser keeps that shape, because the corners of the grammar follow from it.

use super::{Document, EntryRecord, Error, ErrorKind, Piece, SectionRecord};

/// Parses the first `file_end` bytes of the document.
pub(super) fn parse(document: &mut Document, file_end: usize) -> Result<(), Error> {
    let mut parser =
        Parser { document, position: 0, line_end: 0, file_end, line: 0, section: None, entries_from: 0 };
    parser.file()
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
    /// No entry in front of this one belongs to the section.
    entries_from: usize,
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
        let keyword = rest.get(..len.unwrap_or(rest.len())).unwrap_or(rest);
        let command = match keyword {
            b"package" | b"p" => Command::Package,
            b"config" | b"c" => Command::Config,
            b"option" | b"o" => Command::Option,
            b"list" | b"l" => Command::List,
            _ => return Err(self.error(ErrorKind::Command)),
        };
        self.position = self.line_end.min(self.position + keyword.len() + 1);
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
        let prior = self.document.sections().find(|section| !named.is_empty() && section.is_called(named));
        if let Some(prior) = prior {
            if prior.kind() != self.document.piece(kind) {
                let first = prior.line();
                return Err(self.error(ErrorKind::TypeDiffers { first }));
            }
            self.section = Some(prior.index());
            self.entries_from = 0;
            return Ok(());
        }
        let sections = &mut self.document.sections;
        self.section = Some(sections.len() as u16);
        self.entries_from = self.document.entries.len();
        sections
            .push(SectionRecord { kind, name, line, first: 0 })
            .map_err(|_| self.error(ErrorKind::TooManySections))
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
        let from = self.entries_from;
        let fits = if is_list {
            self.document.add(entry, from)
        } else {
            value.len == 0 || self.document.set(entry, from)
        };
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
