//! From a file to a checked configuration, with every problem reported.

use crate::say::{error, say};

use crate::cli::Command;
use crate::config::problem::{Problem, Severity};
use crate::config::schema;
use crate::linux::memory::Scratch;
use crate::linux::{self, file};

/// Who hears of problems.
pub type Report<'a> = dyn FnMut(Problem<'_>) + 'a;

/// Why there is no configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The file cannot be read.
    Unreadable(linux::Error),
    /// It says something that cannot be carried out; every problem was reported.
    Wrong,
}

impl Trouble {
    /// Says what was not reported yet.
    pub fn log(&self, command: &Command<'_>) {
        match self {
            Self::Unreadable(reason) => error!("{}: {reason}", command.config_name()),
            Self::Wrong => {}
        }
    }
}

/// Reads the file that the command names into the configuration of `scratch`.
///
/// # Errors
/// [`Trouble`]; then that configuration means nothing.
pub fn load(scratch: &mut Scratch, command: &Command<'_>, report: &mut Report<'_>) -> Result<(), Trouble> {
    let Scratch { document, config } = scratch;
    let len = match file::read(command.config, document.buffer()) {
        Ok(len) => len,
        // Longer than the buffer: the grammar says so, with the limit's name.
        Err(error) if error.errno == linux::Errno::EFBIG => usize::MAX,
        Err(error) => return Err(Trouble::Unreadable(error)),
    };
    if let Err(error) = document.parse(len) {
        report(error.problem());
        return Err(Trouble::Wrong);
    }
    if schema::read(document, &command.aliases, config, report) { Ok(()) } else { Err(Trouble::Wrong) }
}

/// A report into the log, as `FILE:LINE: sentence`.
pub(super) fn to_log<'a>(command: &'a Command<'a>) -> impl FnMut(Problem<'_>) + use<'a> {
    move |problem| {
        let level = match problem.severity {
            Severity::Error => log::Level::Error,
            Severity::Warning => log::Level::Warn,
        };
        say(level, format_args!("{}:{}: {problem}", command.config_name(), problem.line));
    }
}
