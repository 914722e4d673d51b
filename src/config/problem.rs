//! A sentence for every mistake.

use core::fmt::{self, Write as _};

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration can be carried out, but perhaps not as its author thinks.
    Warning,
}

impl Severity {
    /// What stands before the sentence: nothing for an error.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Error => "",
            Self::Warning => "warning: ",
        }
    }
}

/// Something wrong with a configuration. Its `Display` says what, and what to write instead; the caller
/// puts the file's name and [`Problem::line`] before it.
///
/// A sentence is a fixed text with places for words and numbers: `%a`, `%b`, `%c` for the words as they
/// are, `%A`, `%B`, `%C` for the same in quotes, `%m` and `%n` for the numbers.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// Line of the file, from 1.
    pub line: u32,
    /// How much it matters.
    pub severity: Severity,
    sentence: &'static str,
    words: &'a [&'a [u8]],
    numbers: [i32; 2],
}

/// Characters of a word that a sentence shows.
const SHOWN_CHARACTERS_MAX: usize = 48;

impl<'a> Problem<'a> {
    pub(super) const fn new(
        line: u32,
        severity: Severity,
        sentence: &'static str,
        words: &'a [&'a [u8]],
        numbers: [i32; 2],
    ) -> Self {
        Self { line, severity, sentence, words, numbers }
    }

    /// A running daemon is to read a file in which nothing is: a writer has emptied it and is not done, or the disk was
    /// full.
    pub const EMPTY_FILE: Problem<'static> = Problem::new(
        1,
        Severity::Error,
        "the file is empty: to take all instances out, write a section of globals alone",
        &[],
        [0, 0],
    );

    /// The same, where the sentence names a line of the file, with that line in another file.
    #[cfg(feature = "import")]
    pub(crate) fn of_lines(mut self, source: impl FnOnce(u32) -> Option<u32>) -> Self {
        let names_line = self.sentence.as_bytes().windows(7).any(|piece| piece == b"line %m");
        let [line, other] = self.numbers;
        if let Some(line) = u32::try_from(line).ok().filter(|_| names_line).and_then(source) {
            self.numbers = [line as i32, other];
        }
        self
    }

    fn word(&self, index: usize) -> &[u8] {
        self.words.get(index).copied().unwrap_or(&[])
    }
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut is_place = false;
        let [first, second] = self.numbers;
        for character in self.sentence.chars() {
            if !is_place {
                is_place = character == '%';
                if !is_place {
                    f.write_char(character)?;
                }
                continue;
            }
            is_place = false;
            match character {
                'a' => show(self.word(0), f)?,
                'b' => show(self.word(1), f)?,
                'c' => show(self.word(2), f)?,
                'A' => quote(self.word(0), f)?,
                'B' => quote(self.word(1), f)?,
                'C' => quote(self.word(2), f)?,
                'm' => first.fmt(f)?,
                _ => second.fmt(f)?,
            }
        }
        Ok(())
    }
}

fn quote(word: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('\'')?;
    show(word, f)?;
    f.write_char('\'')
}

/// Shows a word of the file on one line, whatever is in it: nothing in it may look like a line of ours or
/// speak to a terminal.
pub(crate) fn show(word: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Ok(text) = core::str::from_utf8(word) else {
        return f.write_str("(not UTF-8)");
    };
    for (shown, character) in text.chars().enumerate() {
        if shown == SHOWN_CHARACTERS_MAX {
            return f.write_str("...");
        }
        let is_control = matches!(character, '\0'..='\x1f' | '\x7f'..='\u{9f}');
        f.write_char(if is_control { '?' } else { character })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    fn said(word: &[u8]) -> String {
        Problem::new(1, Severity::Error, "%a %A: %m %n", &[word], [-1, 2]).to_string()
    }

    #[test]
    fn words_stand_plain_or_quoted_and_numbers_after_them() {
        assert_eq!(said("größe".as_bytes()), "größe 'größe': -1 2");
    }

    #[test]
    fn nothing_in_a_word_breaks_the_line_or_speaks_to_a_terminal() {
        assert_eq!(said("a\nb\x1b[c\u{9b}d".as_bytes()), "a?b?[c?d 'a?b?[c?d': -1 2");
        assert_eq!(said(b"\xff"), "(not UTF-8) '(not UTF-8)': -1 2");
    }

    #[test]
    fn a_long_word_is_cut() {
        let shown = said(&[b'x'; 49]);
        assert!(shown.starts_with(&("x".repeat(48) + "... '")));
        assert!(!said(&[b'x'; 48]).contains("..."));
    }
}
