//! keepalived.conf in, UCI out, and a word for everything that has no counterpart.
//!
//! Three steps. [`source`] takes files apart as keepalived does: comments, included files, lines that belong to one
//! host (`@id`), definitions, sequences and lists; what is left are [`statements`], words and braces with the line
//! that they stand on. `translate` and the files beside it make sections of them. Each section goes into the
//! `draft` and stays only if `vipd check` would take the file with it, so whatever comes in, what comes out is
//! accepted. None of this does I/O: files come through a [`Library`], what is to be said goes to a [`Report`].

use crate::config::Config;
use crate::config::uci::Document;

pub mod notice;
pub mod pattern;
pub mod source;
pub mod statements;

mod bfd;
mod block;
mod checker;
mod draft;
mod globals;
mod hooks;
mod instance;
mod macros;
mod real_server;
mod routes;
mod sections;
mod tracks;
mod translate;
mod virtual_server;
mod words;

use draft::Draft;
use notice::Reporter;
pub use notice::{Notice, Report};
use source::Source;
pub use source::{Library, Missing, Name};
use statements::Statements;
use translate::Translation;

/// Everything that an import needs, in one piece for a static: all bits are zero at first.
#[derive(Debug)]
pub struct Importer {
    source: Source,
    statements: Statements,
    draft: Draft,
}

impl Importer {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { source: Source::new(), statements: Statements::new(), draft: Draft::new() }
    }

    /// Reads `file` and what it includes, and translates it for the host that keepalived knows by `id` (its option
    /// `-i`). `document` and `config` are for trials. Returns how many lines have no counterpart; `None` if the file
    /// itself cannot be read, which has been reported.
    pub fn import(
        &mut self,
        file: &[u8],
        id: &[u8],
        library: &mut dyn Library,
        trial: (&mut Document, &mut Config),
        report: &mut Report<'_>,
    ) -> Option<u32> {
        let mut reporter = Reporter::new(report);
        self.statements.clear();
        self.draft.clear();
        if !self.source.read(file, id, library, &mut self.statements, &mut reporter) {
            return None;
        }
        let (document, config) = trial;
        let mut translation = Translation {
            all: &self.statements,
            draft: &mut self.draft,
            reporter: &mut reporter,
            names: self.source.names(),
            document,
            config,
            peers: 0,
            urls: 0,
            is_silent: false,
        };
        translation.run();
        Some(reporter.left())
    }

    /// What [`Self::import`] has written: UCI.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.draft.text()
    }
}

impl Default for Importer {
    fn default() -> Self {
        Self::new()
    }
}
