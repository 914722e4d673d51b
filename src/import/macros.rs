//! `$NAME=value`, and the text that waits until it is its turn.

use heapless::Vec;

use crate::limits::IMPORT_BYTES_MAX;

/// Bytes of all names and values of definitions.
const TEXT_BYTES: usize = IMPORT_BYTES_MAX / 4;

/// Definitions that one configuration can have.
const DEFINITIONS_MAX: usize = 128;

/// Bytes that wait.
const PENDING_BYTES: usize = IMPORT_BYTES_MAX / 4;

/// Room that a value gets at least, since sequences set theirs again and again.
const VALUE_BYTES_MIN: usize = 16;

/// There is no room for a definition, or for what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

#[derive(Debug, Clone, Copy)]
struct Definition {
    name: usize,
    name_len: usize,
    value: usize,
    value_len: usize,
    room: usize,
}

/// What has been defined.
#[derive(Debug)]
pub(super) struct Definitions {
    text: Vec<u8, TEXT_BYTES>,
    all: Vec<Definition, DEFINITIONS_MAX>,
}

impl Definitions {
    pub(super) const fn new() -> Self {
        Self { text: Vec::new(), all: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.all.clear();
    }

    /// What a name stands for.
    pub(super) fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let definition = self.all.get(self.find(name)?)?;
        self.text.get(definition.value..)?.get(..definition.value_len)
    }

    /// Gives a name a value, a new one if it has one already.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), Full> {
        let known = self.find(name);
        let index = match known {
            Some(index) => index,
            None => {
                let start = self.text.len();
                self.text.extend_from_slice(name).map_err(|_| Full)?;
                let definition =
                    Definition { name: start, name_len: name.len(), value: 0, value_len: 0, room: 0 };
                self.all.push(definition).map_err(|_| Full)?;
                self.all.len() - 1
            }
        };
        let definition = self.all.get_mut(index).ok_or(Full)?;
        if value.len() > definition.room {
            definition.value = self.text.len();
            definition.room = value.len().max(VALUE_BYTES_MIN);
            definition.value_len = 0;
            let end = self.text.len() + definition.room;
            self.text.resize(end, 0).map_err(|_| Full)?;
        }
        definition.value_len = value.len();
        let room = self.text.get_mut(definition.value..).ok_or(Full)?;
        for (place, byte) in room.iter_mut().zip(value) {
            *place = *byte;
        }
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.all.iter().position(|definition| {
            let text = self.text.get(definition.name..).and_then(|text| text.get(..definition.name_len));
            text == Some(name)
        })
    }
}

/// Lines that are to be read before the file goes on; what is put there last is read first.
#[derive(Debug)]
pub(super) struct Pending {
    bytes: [u8; PENDING_BYTES],
    /// Bytes in use, which stand at the end.
    len: usize,
}

impl Pending {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; PENDING_BYTES], len: 0 }
    }

    pub(super) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Puts text before all other. Lines end with a newline.
    pub(super) fn push(&mut self, text: &[u8]) -> Result<(), Full> {
        let end = PENDING_BYTES.checked_sub(self.len).ok_or(Full)?;
        let start = end.checked_sub(text.len()).ok_or(Full)?;
        let room = self.bytes.get_mut(start..end).ok_or(Full)?;
        for (place, byte) in room.iter_mut().zip(text) {
            *place = *byte;
        }
        self.len += text.len();
        Ok(())
    }

    /// Takes the first line out and copies it; false if there is none.
    pub(super) fn pop<const N: usize>(&mut self, line: &mut Vec<u8, N>) -> Result<bool, Full> {
        line.clear();
        let start = PENDING_BYTES.saturating_sub(self.len);
        let text = self.bytes.get(start..).unwrap_or(&[]);
        if text.is_empty() {
            return Ok(false);
        }
        let len = text.iter().position(|byte| *byte == b'\n');
        let taken = text.get(..len.unwrap_or(text.len())).unwrap_or(&[]);
        self.len = self.len.saturating_sub(taken.len() + usize::from(len.is_some()));
        line.extend_from_slice(taken).map_err(|_| Full)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_the_last_that_was_made_and_a_sequence_fills_nothing_up() {
        let mut definitions = std::boxed::Box::new(Definitions::new());
        for number in 0..100_000u32 {
            definitions.set(b"SUB", std::format!("{number}").as_bytes()).unwrap();
        }
        definitions.set(b"SUBNET", b"a value that is longer than a number").unwrap();
        assert_eq!(definitions.value(b"SUB"), Some(&b"99999"[..]));
        definitions.set(b"SUB", b"this one too, and longer than sixteen").unwrap();
        assert_eq!(definitions.value(b"SUB"), Some(&b"this one too, and longer than sixteen"[..]));
        assert_eq!(definitions.value(b"SUBNET"), Some(&b"a value that is longer than a number"[..]));
        assert_eq!(definitions.value(b"SU"), None);
        assert_eq!(definitions.set(b"BIG", &[b'x'; TEXT_BYTES]), Err(Full));
    }

    #[test]
    fn what_is_pushed_last_is_popped_first_line_by_line() {
        let mut pending = std::boxed::Box::new(Pending::new());
        let mut line = Vec::<u8, 8>::new();
        assert_eq!(pending.pop(&mut line), Ok(false));
        pending.push(b"c\n").unwrap();
        pending.push(b"a\nb\n").unwrap();
        for expected in [b"a", b"b", b"c"] {
            assert_eq!((pending.pop(&mut line), line.as_slice()), (Ok(true), &expected[..]));
        }
        assert_eq!(pending.pop(&mut line), Ok(false));
        pending.push(b"too long for it\nd\n").unwrap();
        assert_eq!(pending.pop(&mut line), Err(Full));
        assert_eq!((pending.pop(&mut line), line.as_slice()), (Ok(true), &b"d"[..]));
        assert_eq!(pending.push(&[b'x'; PENDING_BYTES + 1]), Err(Full));
    }
}
