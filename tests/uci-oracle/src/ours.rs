//! Our own answer.

use vipd::config::uci::{ANONYMOUS_NAME_BYTES, Document, Error, ErrorKind};

use crate::answer::{Answer, Option, Section, Value};

/// One document's room, used again and again.
#[derive(Default)]
pub struct Reader(Box<Document>);

/// Our answer, and what it says beyond libuci's.
pub struct Ours {
    pub answer: Answer,
    /// Why it was refused, in our own terms.
    pub error: core::option::Option<Error>,
}

impl Reader {
    /// Reads a document.
    pub fn ask(&mut self, text: &[u8]) -> Ours {
        let buffer = self.0.buffer();
        let len = text.len().min(buffer.len());
        buffer[..len].copy_from_slice(&text[..len]);
        match self.0.parse(len) {
            Err(error) => Ours { answer: refused(error), error: Some(error) },
            Ok(()) => {
                Ours { answer: Answer::Accepted(self.0.sections().map(section).collect()), error: None }
            }
        }
    }

    /// Whether some statement sets an option that was there already.
    pub fn sets_again(&mut self, text: &[u8]) -> bool {
        let mut before = Vec::new();
        let ends = text.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\n' | b';'));
        for end in ends.map(|(at, _)| at + 1).chain([text.len()]) {
            if self.ask(&text[..end]).error.is_some() {
                continue;
            }
            let now: Vec<Place> = self.0.sections().flat_map(places).collect();
            if before.iter().any(|place| !now.contains(place)) {
                return true;
            }
            before = now;
        }
        false
    }
}

fn section(it: vipd::config::uci::Section<'_>) -> Section {
    let mut buffer = [0; ANONYMOUS_NAME_BYTES];
    let is_anonymous = it.name().is_empty();
    let name = if is_anonymous { it.anonymous_name(&mut buffer) } else { it.name() };
    let mut options: Vec<Option> = Vec::new();
    for entry in it.entries() {
        let value = entry.value.to_vec();
        let known = options.iter_mut().find(|option| option.name == entry.name);
        match (known.map(|option| &mut option.value), entry.is_list) {
            (Some(Value::List(items)), true) => items.push(value),
            (None, true) => {
                options.push(Option { name: entry.name.to_vec(), value: Value::List(vec![value]) });
            }
            (None, false) => options.push(Option { name: entry.name.to_vec(), value: Value::One(value) }),
            (Some(_), _) => panic!("the option {} stands there twice", String::from_utf8_lossy(entry.name)),
        }
    }
    Section { name: name.to_vec(), kind: it.kind().to_vec(), is_anonymous, options }
}

/// Section, name, value, line, and whether it is a list's.
type Place = (u16, Vec<u8>, Vec<u8>, u32, bool);

fn places(it: vipd::config::uci::Section<'_>) -> impl Iterator<Item = Place> {
    it.entries()
        .map(move |entry| (it.index(), entry.name.to_vec(), entry.value.to_vec(), entry.line, entry.is_list))
}

fn refused(error: Error) -> Answer {
    let reason = match error.kind {
        ErrorKind::Command => "invalid command",
        ErrorKind::TooFewWords => "insufficient arguments",
        ErrorKind::TooManyWords => "too many arguments",
        ErrorKind::NameCharacter => "invalid character in name field",
        ErrorKind::TypeCharacter => "invalid character in type field",
        ErrorKind::OpenQuote { quote: b'"', .. } => "EOF with unterminated \"",
        ErrorKind::OpenQuote { .. } => "EOF with unterminated '",
        ErrorKind::BeforeSection => "option/list command found before the first section",
        ErrorKind::TypeDiffers { .. } => "section of different type overwrites prior section with same name",
        ErrorKind::ZeroByte => "zero byte",
        ErrorKind::TooLong => "too long",
        ErrorKind::TooManySections => "too many sections",
        ErrorKind::TooManyOptions => "too many options",
    };
    Answer::Refused { line: error.line, reason: reason.into() }
}
