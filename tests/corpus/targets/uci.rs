//! A UCI document: what is accepted can be written down as `uci export` writes it, and means the same again.

use core::fmt::Write;

use vipd::config::uci::{Document, Error, Section};

/// A file.
pub fn uci(bytes: &[u8]) {
    let mut document = Box::new(Document::new());
    match parse(&mut document, bytes) {
        Err(error) => {
            let newlines = bytes.iter().filter(|byte| **byte == b'\n').count();
            assert!((1..=newlines as u32 + 1).contains(&error.line), "{error:?}");
            let mut sentence = String::new();
            write!(sentence, "{}", error.problem()).unwrap();
            assert!(!sentence.contains(['%', '\n']), "{sentence}");
            assert!(document.sections().next().is_none());
        }
        Ok(()) => {
            for section in document.sections() {
                check(section);
            }
            let written = export(&document);
            let content = content(&document);
            let room = document.buffer().len();
            if written.len() < room {
                parse(&mut document, &written).expect("what is written is read");
                assert_eq!(self::content(&document), content);
            }
        }
    }
}

fn parse(document: &mut Document, bytes: &[u8]) -> Result<(), Error> {
    let buffer = document.buffer();
    let len = bytes.len().min(buffer.len());
    buffer[..len].copy_from_slice(&bytes[..len]);
    document.parse(len)
}

fn check(section: Section<'_>) {
    let is_name = |name: &[u8]| name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    assert!(!section.kind().is_empty() && section.kind().iter().all(u8::is_ascii_graphic));
    assert!(is_name(section.name()) && section.line() > 0);
    for entry in section.entries() {
        assert!(!entry.name.is_empty() && is_name(entry.name));
        assert!(entry.is_list || !entry.value.is_empty());
        assert!(!entry.value.contains(&0));
        assert!(entry.line > 0);
    }
}

type Content = Vec<(Vec<u8>, Vec<u8>, Vec<(Vec<u8>, Vec<u8>, bool)>)>;

fn content(document: &Document) -> Content {
    let entries = |section: Section<'_>| {
        section.entries().map(|it| (it.name.to_vec(), it.value.to_vec(), it.is_list)).collect()
    };
    let sections = document.sections();
    sections.map(|it| (it.kind().to_vec(), it.name().to_vec(), entries(it))).collect()
}

fn export(document: &Document) -> Vec<u8> {
    let mut text = Vec::new();
    for section in document.sections() {
        text.extend_from_slice(b"config ");
        quote(&mut text, section.kind());
        text.push(b' ');
        quote(&mut text, section.name());
        for entry in section.entries() {
            text.extend_from_slice(if entry.is_list { b"\n\tlist " } else { b"\n\toption " });
            text.extend_from_slice(entry.name);
            text.push(b' ');
            quote(&mut text, entry.value);
        }
        text.push(b'\n');
    }
    text
}

fn quote(text: &mut Vec<u8>, word: &[u8]) {
    text.push(b'\'');
    for byte in word {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            other => text.push(*other),
        }
    }
    text.push(b'\'');
}
