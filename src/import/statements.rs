//! What is left of the files when they have been taken apart: words, and braces around some of them.

use heapless::Vec;

use super::notice::Place;
use crate::limits::IMPORT_BYTES_MAX;

/// Bytes before the words of a statement: its length, its place, what it does, and the number of its words.
const HEAD_BYTES: usize = 2 + 1 + 3 + 1 + 1;

/// Words that one statement can have.
const WORDS_MAX: usize = 250;

/// Where in a record it says what the statement does.
const ACT_AT: usize = 6;

/// What a statement does to blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Plain,
    /// `{` stands behind it.
    Open,
    /// It is a `}`.
    Close,
}

/// All statements, in the order of the files.
#[derive(Debug)]
pub struct Statements {
    bytes: Vec<u8, IMPORT_BYTES_MAX>,
    /// Where the one begins that is being written.
    start: usize,
    /// Where the last plain one is, which a brace on a line of its own belongs to.
    last_plain: Option<u32>,
    words: u8,
}

/// There is no room for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// One statement.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'s> {
    /// Where it stands.
    pub place: Place,
    /// What it does to blocks.
    pub act: Act,
    words: &'s [u8],
    count: u8,
    /// Where the next one begins.
    pub(super) end: usize,
}

impl Statements {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, last_plain: None, words: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.last_plain = None;
    }

    /// Begins a statement; what was begun before and not ended is forgotten.
    pub(super) fn begin(&mut self, place: Place) -> Result<(), Full> {
        self.start = self.bytes.len();
        self.words = 0;
        let [a, b, c, _] = place.line.to_le_bytes();
        self.put(&[0, 0, place.file, a, b, c, 0, 0])
    }

    /// Begins a word.
    pub(super) fn word(&mut self) -> Result<(), Full> {
        if usize::from(self.words) >= WORDS_MAX {
            return Err(Full);
        }
        self.words += 1;
        self.put(&[0, 0])
    }

    /// Another byte of the word that was begun at `at`.
    pub(super) fn byte(&mut self, byte: u8) -> Result<(), Full> {
        self.put(&[byte])
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the word that began at this position.
    pub(super) fn end_word(&mut self, at: usize) -> Result<(), Full> {
        let len = self.bytes.len().saturating_sub(at).saturating_sub(2);
        self.write_length(at, len)
    }

    /// Whether the statement that was begun has words.
    pub(super) const fn has_words(&self) -> bool {
        self.words > 0
    }

    /// Ends the statement that was begun.
    pub(super) fn end(&mut self, act: Act) -> Result<(), Full> {
        let len = self.bytes.len().saturating_sub(self.start);
        self.write_length(self.start, len)?;
        self.set_byte(self.start + ACT_AT, act as u8);
        self.set_byte(self.start + ACT_AT + 1, self.words);
        self.last_plain = if act == Act::Plain { u32::try_from(self.start).ok() } else { None };
        Ok(())
    }

    /// Forgets the statement that was begun.
    pub(super) fn forget(&mut self) {
        self.bytes.truncate(self.start);
    }

    /// Makes the last statement open a block, if it is a plain one.
    pub(super) fn open_last(&mut self) -> bool {
        let Some(start) = self.last_plain.take() else { return false };
        self.set_byte(start as usize + ACT_AT, Act::Open as u8);
        true
    }

    /// The statement that begins at this place, if there is one.
    pub(super) fn at(&self, start: usize) -> Option<Statement<'_>> {
        let bytes = self.bytes.get(start..)?;
        let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let [low, high, file, a, b, c, act, count] = *head;
        let len = usize::from(u16::from_le_bytes([low, high]));
        let words = bytes.get(HEAD_BYTES..len)?;
        let place = Place { file, line: u32::from_le_bytes([a, b, c, 0]) };
        let act = match act {
            0 => Act::Plain,
            1 => Act::Open,
            _ => Act::Close,
        };
        Some(Statement { place, act, words, count, end: start.checked_add(len)? })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.bytes.extend_from_slice(bytes).map_err(|_| Full)
    }

    fn write_length(&mut self, at: usize, len: usize) -> Result<(), Full> {
        let [low, high] = u16::try_from(len).map_err(|_| Full)?.to_le_bytes();
        self.set_byte(at, low);
        self.set_byte(at + 1, high);
        Ok(())
    }

    fn set_byte(&mut self, at: usize, value: u8) {
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte = value;
        }
    }
}

impl Default for Statements {
    fn default() -> Self {
        Self::new()
    }
}

impl<'s> Statement<'s> {
    /// Its words.
    #[must_use]
    pub const fn words(&self) -> Words<'s> {
        Words { rest: self.words, left: self.count }
    }

    /// Its word at this index; empty if it has fewer.
    #[must_use]
    pub fn word(&self, index: usize) -> &'s [u8] {
        self.words().nth(index).unwrap_or(&[])
    }

    /// How many words it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether it has no words.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The words of a statement.
#[derive(Debug, Clone, Copy)]
pub struct Words<'s> {
    rest: &'s [u8],
    left: u8,
}

impl<'s> Iterator for Words<'s> {
    type Item = &'s [u8];

    fn next(&mut self) -> Option<&'s [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (len, rest) = self.rest.split_first_chunk()?;
        let (word, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        self.rest = rest;
        Some(word)
    }
}
