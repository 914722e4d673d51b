//! A keepalived.conf as UCI: what becomes of each word, what is said about those without a counterpart, and that
//! whatever is written, `check` accepts it.

// Clippy knows a test by its attribute; the helpers of tests have none.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod ipvs;
mod language;
mod samples;
mod shipped;

use core::fmt::Write as _;
use std::collections::BTreeMap;

use vipd::config::Config;
use vipd::config::problem::Severity;
use vipd::config::schema;
use vipd::config::uci::Document;
use vipd::import::{Importer, Library, Missing, Name, pattern, source};

/// What an import came to.
struct Imported {
    /// UCI.
    text: String,
    /// What was said, a line each, as `FILE:LINE: ...`.
    said: String,
    /// How much has no counterpart; none: the file cannot be read.
    left: Option<u32>,
    config: Box<Config>,
}

/// Files by their names.
type Files<'a> = BTreeMap<&'a str, &'a [u8]>;

struct Shelf<'a>(&'a Files<'a>);

impl Library for Shelf<'_> {
    fn open(
        &mut self,
        base: &[u8],
        pattern: &[u8],
        after: &[u8],
        name: &mut Name,
        buffer: &mut [u8],
    ) -> Result<usize, Missing> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let wanted = match source::folder(base) {
            b"." => text(pattern),
            folder => format!("{}/{}", text(folder), text(pattern)),
        };
        let is_it = |name: &&&str| match (name.rsplit_once('/'), wanted.rsplit_once('/')) {
            (Some((folder, name)), Some((wanted, pattern))) => {
                folder == wanted && pattern::matches(pattern.as_bytes(), name.as_bytes())
            }
            (None, None) => pattern::matches(wanted.as_bytes(), name.as_bytes()),
            _ => false,
        };
        let found = self.0.keys().filter(|name| name.as_bytes() > after).find(is_it).ok_or(Missing::End)?;
        let bytes = self.0[*found];
        name.clear();
        name.extend_from_slice(found.as_bytes()).unwrap();
        buffer.get_mut(..bytes.len()).ok_or(Missing::TooLong)?.copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

/// Imports the file `k.conf` of these.
fn import_files(files: &Files<'_>, id: &str) -> Imported {
    let mut importer = Box::new(Importer::new());
    let mut document = Box::new(Document::new());
    let mut config = Box::new(Config::new());
    let (mut said, mut losses) = (String::new(), 0);
    let left = importer.import(
        b"k.conf",
        id.as_bytes(),
        &mut Shelf(files),
        (&mut document, &mut config),
        &mut |notice| {
            let file = core::str::from_utf8(notice.file).unwrap();
            let note = if notice.is_loss { "" } else { "note: " };
            losses += u32::from(notice.is_loss);
            writeln!(said, "{file}:{}: {note}{notice}", notice.line).unwrap();
        },
    );
    assert!(left.is_none_or(|left| left == losses), "{said}");
    let text = String::from_utf8(importer.text().to_vec()).unwrap();
    config = accepted(&text);
    Imported { text, said, left, config }
}

/// Imports a text.
fn import(text: &str) -> Imported {
    import_files(&Files::from([("k.conf", text.as_bytes())]), "main")
}

/// What `check` makes of UCI in which it finds no error.
fn accepted(text: &str) -> Box<Config> {
    let mut document = Box::new(Document::new());
    document.buffer()[..text.len()].copy_from_slice(text.as_bytes());
    document.parse(text.len()).unwrap();
    let mut config = Box::new(Config::new());
    let is_usable = schema::read(&document, &[], &mut config, &mut |problem| {
        assert_ne!(problem.severity, Severity::Error, "line {}: {problem}\n{text}", problem.line);
    });
    assert!(is_usable);
    config
}
