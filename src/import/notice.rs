//! What is said about a line: that it has no counterpart, or that keepalived does not heed it either.

use core::fmt::{self, Write as _};

use crate::config::problem::{self, Problem};

/// Who hears of notices.
pub type Report<'a> = dyn FnMut(&Notice<'_>) + 'a;

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Which file: a place in the list of names.
    pub file: u8,
    /// Its line, from 1.
    pub line: u32,
}

/// Something that is to be said about a line. Its `Display` is one line of text, without the place.
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// The file, as it was opened.
    pub file: &'a [u8],
    /// Its line, from 1; 0: the file as a whole.
    pub line: u32,
    /// Whether something is missing from the result that keepalived does.
    pub is_loss: bool,
    words: &'a [&'a [u8]],
    reason: Reason<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Reason<'a> {
    Plain(&'a str),
    Problem(&'a Problem<'a>),
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            if index > 0 {
                f.write_char(' ')?;
            }
            problem::show(word, f)?;
        }
        if !self.words.is_empty() {
            f.write_str(": ")?;
        }
        match self.reason {
            Reason::Plain(text) => f.write_str(text),
            Reason::Problem(problem) => problem.fmt(f),
        }
    }
}

/// Passes notices on, and counts the losses.
pub(super) struct Reporter<'r, 'f> {
    report: &'r mut Report<'f>,
    left: u32,
}

impl<'r, 'f> Reporter<'r, 'f> {
    pub(super) const fn new(report: &'r mut Report<'f>) -> Self {
        Self { report, left: 0 }
    }

    /// How many losses there were.
    pub(super) const fn left(&self) -> u32 {
        self.left
    }

    /// Something that keepalived does has no counterpart.
    pub(super) fn loss(&mut self, file: &[u8], line: u32, words: &[&[u8]], reason: &str) {
        self.left = self.left.saturating_add(1);
        (self.report)(&Notice { file, line, is_loss: true, words, reason: Reason::Plain(reason) });
    }

    /// Something cannot be carried over, since `check` would say this.
    pub(super) fn refusal(&mut self, file: &[u8], line: u32, words: &[&[u8]], problem: &Problem<'_>) {
        self.left = self.left.saturating_add(1);
        (self.report)(&Notice { file, line, is_loss: true, words, reason: Reason::Problem(problem) });
    }

    /// The result says something else than the line does, since keepalived takes it so.
    pub(super) fn remark(&mut self, file: &[u8], line: u32, words: &[&[u8]], reason: &str) {
        (self.report)(&Notice { file, line, is_loss: false, words, reason: Reason::Plain(reason) });
    }
}
