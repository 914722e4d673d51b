//! Walking through blocks.

use super::statements::{Act, Statement, Statements};

/// The statements that stand directly in a block, or in none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'s> {
    all: &'s Statements,
    at: usize,
}

impl<'s> Block<'s> {
    /// What stands in no block.
    pub(super) const fn outermost(all: &'s Statements) -> Self {
        Self { all, at: 0 }
    }

    /// What stands in the block of this statement; nothing if it opens none.
    pub(super) fn of(all: &'s Statements, statement: &Statement<'_>) -> Self {
        let at = match statement.act {
            Act::Open => statement.end,
            Act::Plain | Act::Close => usize::MAX,
        };
        Self { all, at }
    }

    /// The last statement of this block that begins with this word: keepalived takes the last.
    pub(super) fn last(self, word: &[u8]) -> Option<Statement<'s>> {
        self.filter(|statement| statement.word(0) == word).last()
    }

    /// Whether a statement of this block begins with this word.
    pub(super) fn has(mut self, word: &[u8]) -> bool {
        self.any(|statement| statement.word(0) == word)
    }

    /// Behind the end of the block that has just been opened.
    fn skip(&mut self) {
        let mut depth = 1u32;
        while let Some(statement) = self.all.at(self.at) {
            self.at = statement.end;
            match statement.act {
                Act::Plain => {}
                Act::Open => depth = depth.saturating_add(1),
                Act::Close => depth = depth.saturating_sub(1),
            }
            if depth == 0 {
                break;
            }
        }
    }
}

impl<'s> Iterator for Block<'s> {
    type Item = Statement<'s>;

    fn next(&mut self) -> Option<Statement<'s>> {
        let statement = self.all.at(self.at)?;
        self.at = statement.end;
        match statement.act {
            Act::Plain => {}
            Act::Open => self.skip(),
            Act::Close => {
                self.at = usize::MAX;
                return None;
            }
        }
        Some(statement)
    }
}
