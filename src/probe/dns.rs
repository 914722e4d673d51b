//! The DNS of a probe (RFC 1035): one question over UDP, and whether a datagram answers it.

use crate::wire::{Full, Writer};

/// Bytes of the longest question: its header, a name of [`PATH_BYTES_MAX`](crate::limits::PATH_BYTES_MAX) with a length
/// before it and a zero behind it, its type and its class.
pub const QUESTION_BYTES_MAX: usize = HEADER_BYTES + crate::limits::PATH_BYTES_MAX + 2 + 4;

/// The port of name servers.
pub const PORT: u16 = 53;

/// The types that have a name here, and it (RFC 1035 §3.2.2, RFC 3596, RFC 4034).
pub const TYPES: [(u16, &str); 9] = [
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (15, "MX"),
    (16, "TXT"),
    (28, "AAAA"),
    (46, "RRSIG"),
    (48, "DNSKEY"),
];

/// The type that is asked for where nothing is said.
pub const SOA: u16 = 6;

const HEADER_BYTES: usize = 12;
const LABEL_BYTES_MAX: usize = 63;
const IS_ANSWER: u8 = 0x80;
const RECURSION_DESIRED: u8 = 0x01;
const CLASS_IN: u16 = 1;

/// Whether there can be a question for this name: labels of 1 to 63 bytes with dots between them, or the root, `.`.
#[must_use]
pub fn is_name(name: &[u8]) -> bool {
    let labels = name.strip_suffix(b".").unwrap_or(name);
    let is_label =
        |label: &[u8]| (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.iter().all(u8::is_ascii_graphic);
    name == b"."
        || name.len() <= crate::limits::PATH_BYTES_MAX && labels.split(|byte| *byte == b'.').all(is_label)
}

/// Writes the question for a name (that [`is_name`]; empty: the root), and returns its length.
///
/// # Errors
/// [`Full`] if the buffer is too short.
pub fn question(id: u16, kind: u16, name: &[u8], buffer: &mut [u8]) -> Result<usize, Full> {
    let mut writer = Writer::new(buffer);
    writer.put(&id.to_be_bytes())?;
    writer.put(&[RECURSION_DESIRED, 0])?;
    // One question, and no records.
    writer.put(&[0, 1, 0, 0, 0, 0, 0, 0])?;
    for label in name.split(|byte| *byte == b'.').filter(|label| !label.is_empty()) {
        writer.put(&[label.len() as u8])?;
        writer.put(label)?;
    }
    writer.put(&[0])?;
    writer.put(&kind.to_be_bytes())?;
    writer.put(&CLASS_IN.to_be_bytes())?;
    Ok(writer.len())
}

/// The RCODE of the answer to the question of this number: 0 is none; `None`: the datagram is no answer to it.
#[must_use]
pub const fn answer(id: u16, datagram: &[u8]) -> Option<u8> {
    let [a, b, flags, more_flags, ..] = datagram else { return None };
    let is_ours = u16::from_be_bytes([*a, *b]) == id;
    if datagram.len() < HEADER_BYTES || !is_ours || *flags & IS_ANSWER == 0 {
        return None;
    }
    Some(*more_flags & 0x0f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn asked(kind: u16, name: &str) -> Vec<u8> {
        let mut buffer = [0xa5; QUESTION_BYTES_MAX];
        let len = question(0x1234, kind, name.as_bytes(), &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    /// RFC 1035 §4.1.
    #[test]
    fn the_question_has_a_header_a_name_a_type_and_a_class() {
        let header = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for root in ["", "."] {
            assert_eq!(asked(SOA, root), [&header[..], &[0, 0, 6, 0, 1]].concat());
        }
        let name = b"\x03www\x07example\x03org\x00";
        for text in ["www.example.org", "www.example.org."] {
            assert_eq!(asked(28, text), [&header[..], name, &[0, 28, 0, 1]].concat());
        }
        let long = std::format!("{}.{}", "a".repeat(63), "b".repeat(63));
        assert!(is_name(long.as_bytes()));
        assert_eq!(asked(1, &long).len(), QUESTION_BYTES_MAX);
        assert_eq!(question(1, 1, long.as_bytes(), &mut [0; QUESTION_BYTES_MAX - 1]), Err(Full));
    }

    #[test]
    fn a_name_is_labels_with_dots_between_them() {
        for good in [".", "org", "org.", "a.b.c", "_dns.resolver.arpa"] {
            assert!(is_name(good.as_bytes()), "{good}");
        }
        for bad in ["", "..", ".org", "a..b", "a b", "a\n", "é"] {
            assert!(!is_name(bad.as_bytes()), "{bad}");
        }
        assert!(!is_name("a".repeat(64).as_bytes()));
        assert!(!is_name("a.".repeat(64).as_bytes()));
    }

    #[test]
    fn an_answer_has_our_number_and_says_that_it_is_one() {
        let mut reply = asked(SOA, ".");
        assert_eq!(answer(0x1234, &reply), None, "it is a question");
        reply[2] |= IS_ANSWER;
        assert_eq!(answer(0x1234, &reply), Some(0));
        assert_eq!(answer(0x1235, &reply), None);
        reply[3] = 0x85;
        assert_eq!(answer(0x1234, &reply), Some(5), "refused");
        for len in 0..12 {
            assert_eq!(answer(0x1234, &reply[..len]), None);
        }
        assert_eq!(answer(0x1234, &reply[..12]), Some(5));
    }
}
