//! The configuration, as a user writes it: libuci's grammar, every mistake with its sentence, and what a
//! good file means.

// Clippy knows a test by its attribute; the helpers of tests have none.
#![allow(clippy::panic, clippy::unwrap_used)]

#[cfg(feature = "bfd")]
mod bfd;
mod grammar;
#[cfg(feature = "ipvs")]
mod ipvs;
mod meaning;
#[cfg(feature = "no-accept")]
mod no_accept;
mod noise;
mod problems;
#[cfg(feature = "ra")]
mod router_advert;

use core::cell::RefCell;

use vipd::config::Config;
use vipd::config::problem::Severity;
use vipd::config::schema::{self, Alias};
use vipd::config::uci::{Document, Error};

/// A problem as `check` prints it, without the file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reported {
    line: u32,
    severity: Severity,
    sentence: String,
}

fn document(text: &[u8]) -> Result<Box<Document>, Error> {
    let mut document = Box::new(Document::new());
    let buffer = document.buffer();
    let len = text.len().min(buffer.len());
    buffer[..len].copy_from_slice(&text[..len]);
    document.parse(len).map(|()| document)
}

/// What a text means, whether it is usable, and every problem.
fn read(text: &str, aliases: &[Alias<'_>]) -> (Box<Config>, bool, Vec<Reported>) {
    let document =
        document(text.as_bytes()).unwrap_or_else(|error| panic!("line {}: {}", error.line, error.problem()));
    let mut config = Box::new(Config::new());
    let reported = RefCell::new(Vec::new());
    let usable = schema::read(&document, aliases, &mut config, &mut |problem| {
        reported.borrow_mut().push(Reported {
            line: problem.line,
            severity: problem.severity,
            sentence: problem.to_string(),
        });
    });
    let reported = reported.into_inner();
    let has_error = reported.iter().any(|one| one.severity == Severity::Error);
    assert_eq!(usable, !has_error, "{reported:?}");
    (config, usable, reported)
}

/// The configuration of a text without any problem.
fn accept(text: &str) -> Box<Config> {
    let (config, usable, reported) = read(text, &[]);
    assert!(usable && reported.is_empty(), "{reported:?}");
    config
}
