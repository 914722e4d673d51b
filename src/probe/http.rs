//! The HTTP of a probe: one request, and a reader of the reply that keeps nothing of it.
//!
//! HTTP/1.0 (RFC 1945), so that the reply comes in one piece and ends with the connection; whatever a server says to it,
//! the reader takes a byte at a time and has an opinion as soon as it can.

use core::net::IpAddr;

use super::md5::Md5;
use crate::wire::{Full, Writer, ip};

/// Bytes of the longest request: path and host of [`PATH_BYTES_MAX`](crate::limits::PATH_BYTES_MAX), and what is around
/// them.
pub const REQUEST_BYTES_MAX: usize = 2 * crate::limits::PATH_BYTES_MAX + 96;

/// Bytes of a reply that are looked at. A text that has not come by then is not there.
pub const REPLY_BYTES_MAX: u32 = 65_536;

/// Bytes of a reply that are looked at where its digest counts.
pub const DIGESTED_BYTES_MAX: u32 = 1 << 24;

/// The port that needs no mention.
pub const PORT: u16 = 80;

/// Writes the request for `path` (which begins with a slash), and returns its length. Without a `host` (empty), the server
/// is called by its address.
///
/// # Errors
/// [`Full`] if the buffer is too short.
pub fn request(path: &str, host: &str, address: IpAddr, port: u16, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut writer = Writer::new(buffer);
    writer.put(b"GET ")?;
    writer.put(path.as_bytes())?;
    writer.put(b" HTTP/1.0\r\nHost: ")?;
    if host.is_empty() {
        let text = ip::text(address);
        match address {
            IpAddr::V4(_) => writer.put(text.as_bytes())?,
            IpAddr::V6(_) => {
                writer.put(b"[")?;
                writer.put(text.as_bytes())?;
                writer.put(b"]")?;
            }
        }
        if port != PORT {
            put_port(&mut writer, port)?;
        }
    } else {
        writer.put(host.as_bytes())?;
    }
    writer.put(b"\r\nUser-Agent: vipd\r\nConnection: close\r\n\r\n")?;
    Ok(writer.len())
}

fn put_port(writer: &mut Writer<'_>, port: u16) -> Result<(), Full> {
    writer.put(b":")?;
    let mut has_begun = false;
    for unit in [10_000, 1000, 100, 10, 1] {
        let digit = (port / unit % 10) as u8;
        has_begun |= digit > 0;
        if has_begun {
            writer.put(&[b'0' + digit])?;
        }
    }
    Ok(())
}

/// What a reply must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The least and the greatest status.
    pub status: [u16; 2],
    /// What must stand in its body; empty: nothing in particular.
    pub text: &'a [u8],
    /// The MD5 of its whole body; `None`: any will do. In a build without the feature `ipvs` it is not asked for.
    pub digest: Option<[u8; 16]>,
}

impl Wanted<'_> {
    const fn has_digest(&self) -> bool {
        cfg!(feature = "ipvs") && self.digest.is_some()
    }
}

/// What is known of a reply so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// More of it is needed.
    Undecided,
    /// It is what is wanted.
    Good,
    /// It is no HTTP.
    Garbage,
    /// It has another status: this one.
    Status(u16),
    /// The text is not in as much of it as is looked at, or its end is not, of which the digest is.
    TooLong,
    /// It has ended, and its digest is another one.
    Digest,
}

/// A reply that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    place: Place,
    /// Bytes taken so far.
    taken: u32,
    status: u16,
    /// Bytes of the text that the last bytes of the body are.
    matched: u8,
    /// The text was found; the digest is waited for.
    has_text: bool,
    /// That of the body so far. In a build without the feature `ipvs` it takes no room.
    digest: [Md5; cfg!(feature = "ipvs") as usize],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// So many bytes into the first line.
    Status(u8),
    /// Within a line of the header.
    Line,
    /// Where a line of the header would begin.
    LineStart,
    Body,
}

/// How a reply begins: `#` is a digit, and the last three are the status (RFC 1945 §6.1).
const STATUS_LINE: &[u8; 12] = b"HTTP/#.# ###";
const STATUS_AT: u8 = 9;

impl Reader {
    /// Nothing has come yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            place: Place::Status(0),
            taken: 0,
            status: 0,
            matched: 0,
            has_text: false,
            digest: [Md5::new(); cfg!(feature = "ipvs") as usize],
        }
    }

    /// Some bytes more. After any verdict but [`Verdict::Undecided`] there is nothing to be taken.
    pub fn take(&mut self, bytes: &[u8], wanted: &Wanted<'_>) -> Verdict {
        for byte in bytes {
            let verdict = self.take_byte(*byte, wanted);
            if verdict != Verdict::Undecided {
                return verdict;
            }
            self.taken += 1;
            if self.taken >= if wanted.has_digest() { DIGESTED_BYTES_MAX } else { REPLY_BYTES_MAX } {
                return Verdict::TooLong;
            }
        }
        Verdict::Undecided
    }

    /// The server has closed the connection. [`Verdict::Undecided`]: too early.
    #[must_use]
    pub fn end(&self, wanted: &Wanted<'_>) -> Verdict {
        let Some(digest) = wanted.digest.filter(|_| wanted.has_digest() && self.place == Place::Body) else {
            return Verdict::Undecided;
        };
        match self.digest.first() {
            Some(md5) if md5.digest() != digest => Verdict::Digest,
            Some(_) if self.has_text || wanted.text.is_empty() => Verdict::Good,
            Some(_) | None => Verdict::Undecided,
        }
    }

    fn take_byte(&mut self, byte: u8, wanted: &Wanted<'_>) -> Verdict {
        match self.place {
            Place::Status(at) => return self.status_line(at, byte, wanted),
            Place::Line | Place::LineStart if byte != b'\n' => {
                let is_empty_so_far = self.place == Place::LineStart && byte == b'\r';
                self.place = if is_empty_so_far { Place::LineStart } else { Place::Line };
            }
            Place::Line => self.place = Place::LineStart,
            Place::LineStart => self.place = Place::Body,
            Place::Body => {
                if wanted.has_digest()
                    && let Some(digest) = self.digest.first_mut()
                {
                    digest.take(byte);
                    if self.has_text || wanted.text.is_empty() {
                        return Verdict::Undecided;
                    }
                }
                self.matched = advance(wanted.text, self.matched, byte);
                if usize::from(self.matched) == wanted.text.len() {
                    if wanted.has_digest() {
                        self.has_text = true;
                        return Verdict::Undecided;
                    }
                    return Verdict::Good;
                }
            }
        }
        Verdict::Undecided
    }

    fn status_line(&mut self, at: u8, byte: u8, wanted: &Wanted<'_>) -> Verdict {
        let Some(expected) = STATUS_LINE.get(usize::from(at)) else {
            // What follows the three digits: a blank and a phrase, or nothing.
            let [least, greatest] = wanted.status;
            self.place = if byte == b'\n' { Place::LineStart } else { Place::Line };
            return match byte {
                b' ' | b'\r' | b'\n' if !(least..=greatest).contains(&self.status) => {
                    Verdict::Status(self.status)
                }
                b' ' | b'\r' | b'\n' if wanted.text.is_empty() && !wanted.has_digest() => Verdict::Good,
                b' ' | b'\r' | b'\n' => Verdict::Undecided,
                _ => Verdict::Garbage,
            };
        };
        let is_right = if *expected == b'#' { byte.is_ascii_digit() } else { byte == *expected };
        if !is_right {
            return Verdict::Garbage;
        }
        if at >= STATUS_AT {
            self.status = self.status.wrapping_mul(10).wrapping_add(u16::from(byte.wrapping_sub(b'0')));
        }
        self.place = Place::Status(at + 1);
        Verdict::Undecided
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

/// How much of `text` the bytes before and this one are the beginning of. What has come before need not be kept: the part
/// of it that matters is the beginning of `text` itself.
fn advance(text: &[u8], matched: u8, byte: u8) -> u8 {
    let mut matched = usize::from(matched);
    loop {
        if text.get(matched) == Some(&byte) {
            return (matched + 1) as u8;
        }
        let Some(before) = text.get(..matched).filter(|before| !before.is_empty()) else { return 0 };
        let shorter = (1..matched).rev().find(|len| {
            let end = before.get(matched - len..).unwrap_or(&[]);
            before.starts_with(end)
        });
        matched = shorter.unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    const ANY: Wanted<'_> = Wanted { status: [200, 299], text: b"", digest: None };

    fn asked(path: &str, host: &str, address: &str, port: u16) -> String {
        let mut buffer = [0xa5; REQUEST_BYTES_MAX];
        let len = request(path, host, address.parse().unwrap(), port, &mut buffer).unwrap();
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }

    /// The verdict on a whole reply, which is the same however it is cut.
    fn verdict(reply: &[u8], wanted: &Wanted<'_>) -> Verdict {
        let whole = Reader::new().take(reply, wanted);
        for len in [1, 2, 3, 7] {
            let mut reader = Reader::new();
            let verdicts = reply.chunks(len).map(|piece| reader.take(piece, wanted));
            let decided: Vec<_> = verdicts.filter(|verdict| *verdict != Verdict::Undecided).collect();
            assert_eq!(decided.first().copied().unwrap_or(Verdict::Undecided), whole, "in pieces of {len}");
        }
        whole
    }

    /// RFC 1945 §5, and the Host of RFC 9110 §7.2.
    #[test]
    fn the_request_names_the_path_and_the_host() {
        assert_eq!(
            asked("/", "", "192.0.2.1", 80),
            "GET / HTTP/1.0\r\nHost: 192.0.2.1\r\nUser-Agent: vipd\r\nConnection: close\r\n\r\n"
        );
        assert!(asked("/health?x", "www.example.org", "192.0.2.1", 8080).contains(" /health?x HTTP/1.0\r\n"));
        assert!(asked("/", "www.example.org", "192.0.2.1", 8080).contains("\r\nHost: www.example.org\r\n"));
        assert!(asked("/", "", "2001:db8::1", 8080).contains("\r\nHost: [2001:db8::1]:8080\r\n"));
        assert!(asked("/", "", "192.0.2.1", 65_535).contains("\r\nHost: 192.0.2.1:65535\r\n"));
        assert!(asked("/", "", "192.0.2.1", 7).contains("\r\nHost: 192.0.2.1:7\r\n"));
        let long = "/".repeat(crate::limits::PATH_BYTES_MAX);
        assert!(asked(&long, &long, "192.0.2.1", 80).ends_with("\r\n\r\n"));
        let mut short = [0; 20];
        assert_eq!(request("/", "", "192.0.2.1".parse().unwrap(), 80, &mut short), Err(Full));
    }

    #[test]
    fn a_reply_is_judged_by_its_status() {
        for (reply, expected) in [
            ("HTTP/1.1 200 OK\r\n", Verdict::Good),
            ("HTTP/1.0 204\r\n", Verdict::Good),
            ("HTTP/1.1 299\n", Verdict::Good),
            ("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", Verdict::Status(302)),
            ("HTTP/1.1 503 \r\n", Verdict::Status(503)),
            ("HTTP/1.1 000 \r\n", Verdict::Status(0)),
            ("HTTP/1.1 2000 OK\r\n", Verdict::Garbage),
            ("HTTP/1.1 20", Verdict::Undecided),
            ("HTTP/1.1 200", Verdict::Undecided),
            ("HTTP/1.1  200 OK", Verdict::Garbage),
            ("SSH-2.0-dropbear\r\n", Verdict::Garbage),
            ("\r\nHTTP/1.1 200 OK\r\n", Verdict::Garbage),
            ("", Verdict::Undecided),
        ] {
            assert_eq!(verdict(reply.as_bytes(), &ANY), expected, "{reply:?}");
        }
        let moved = Wanted { status: [301, 302], ..ANY };
        assert_eq!(verdict(b"HTTP/1.1 302 Found\r\n", &moved), Verdict::Good);
    }

    #[test]
    fn the_text_is_looked_for_in_the_body_alone() {
        let wanted = Wanted { text: b"all is well", ..ANY };
        for (reply, expected) in [
            ("HTTP/1.1 200 OK\r\nX: y\r\n\r\nsay: all is well.", Verdict::Good),
            ("HTTP/1.1 200 OK\n\nall is well", Verdict::Good),
            ("HTTP/1.1 200 all is well\r\nX: all is well\r\n\r\nall is wel", Verdict::Undecided),
            ("HTTP/1.1 200 OK\r\n\r\nall is all is well", Verdict::Good),
            ("HTTP/1.1 500 OK\r\n\r\nall is well", Verdict::Status(500)),
        ] {
            assert_eq!(verdict(reply.as_bytes(), &wanted), expected, "{reply:?}");
        }
    }

    /// Every text and every body of up to so many letters of two: where the standard library finds it, we do.
    #[test]
    fn a_text_is_found_wherever_it_stands() {
        let words = |longest: u32| {
            (1..=longest).flat_map(|len| {
                (0..1u32 << len).map(move |bits| -> Vec<u8> {
                    (0..len).map(|at| if bits >> at & 1 == 1 { b'a' } else { b'b' }).collect()
                })
            })
        };
        for text in words(5) {
            for body in words(9) {
                let reply = [b"HTTP/1.0 200 OK\r\n\r\n".as_slice(), &body].concat();
                let wanted = Wanted { text: &text, ..ANY };
                let is_there = body.windows(text.len()).any(|window| window == text);
                let expected = if is_there { Verdict::Good } else { Verdict::Undecided };
                assert_eq!(Reader::new().take(&reply, &wanted), expected, "{text:?} in {body:?}");
            }
        }
    }

    #[test]
    fn a_reply_without_an_end_is_given_up() {
        let wanted = Wanted { text: b"well", ..ANY };
        let mut reader = Reader::new();
        assert_eq!(reader.take(b"HTTP/1.0 200 OK\r\n", &wanted), Verdict::Undecided);
        let mut bytes = 17;
        loop {
            bytes += 1000;
            match reader.take(&[b'x'; 1000], &wanted) {
                Verdict::Undecided => assert!(bytes < REPLY_BYTES_MAX),
                Verdict::TooLong => break,
                Verdict::Good | Verdict::Garbage | Verdict::Status(_) | Verdict::Digest => panic!(),
            }
        }
        assert!(bytes < REPLY_BYTES_MAX + 1000);
    }

    /// That of the whole body, as keepalived's genhash has it, and the text beside it where both are asked for.
    #[cfg(feature = "ipvs")]
    #[test]
    fn the_digest_is_that_of_the_body_when_the_server_has_closed() {
        let digest = super::super::md5::from_hex(b"f96b697d7cb7938d525a2f31aaf161d0");
        let wanted = Wanted { digest, ..ANY };
        let and_text = Wanted { text: b"age", ..wanted };
        let other_text = Wanted { text: b"agent", ..wanted };
        let page = "HTTP/1.0 200 OK\r\nX: y\r\n\r\nmessage digest";
        for (reply, wanted, expected) in [
            (page, wanted, Verdict::Good),
            (page, and_text, Verdict::Good),
            (page, other_text, Verdict::Undecided),
            ("HTTP/1.0 200 OK\r\n\r\nmessage diges", wanted, Verdict::Digest),
            ("HTTP/1.0 200 OK\r\n\r\n", wanted, Verdict::Digest),
            ("HTTP/1.0 200 OK\r\n", wanted, Verdict::Undecided),
            ("", wanted, Verdict::Undecided),
        ] {
            for len in [1, 7, 1000] {
                let mut reader = Reader::new();
                for piece in reply.as_bytes().chunks(len) {
                    assert_eq!(reader.take(piece, &wanted), Verdict::Undecided);
                }
                assert_eq!(reader.end(&wanted), expected, "{reply:?}");
            }
        }
        let failed = b"HTTP/1.0 500 No\r\n\r\nmessage digest";
        assert_eq!(Reader::new().take(failed, &wanted), Verdict::Status(500));
        assert_eq!(Reader::new().end(&ANY), Verdict::Undecided);
    }
}
