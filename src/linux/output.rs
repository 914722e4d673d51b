//! Standard output and standard error, through a fixed buffer.

use core::fmt;

use super::{Errno, Error, call};

const BUFFER_BYTES: usize = 512;

/// Bytes of the longest number, with room for blanks before it.
const NUMBER_BYTES: usize = 12;

/// A descriptor to write text to. What is still in the buffer leaves with [`Self::finish`].
#[derive(Debug)]
pub struct Output {
    descriptor: libc::c_int,
    buffer: heapless::Vec<u8, BUFFER_BYTES>,
    error: Option<Errno>,
}

/// Those that fit 64 bits, the greatest first.
static POWERS_OF_TEN: [u64; 20] = {
    let mut powers = [1; 20];
    let mut next = powers.len() - 1;
    while next > 0 {
        powers[next - 1] = powers[next] * 10;
        next -= 1;
    }
    powers
};

impl Output {
    /// Standard output.
    #[must_use]
    pub const fn stdout() -> Self {
        Self::new(libc::STDOUT_FILENO)
    }

    /// Standard error.
    #[must_use]
    pub const fn stderr() -> Self {
        Self::new(libc::STDERR_FILENO)
    }

    /// Writes bytes that need not be text.
    pub fn put(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(BUFFER_BYTES) {
            if self.buffer.extend_from_slice(piece).is_err() {
                self.flush();
                // An empty buffer holds a piece.
                let _ = self.buffer.extend_from_slice(piece);
            }
        }
    }

    /// Writes text.
    #[inline(never)]
    pub fn text(&mut self, text: &str) {
        self.put(text.as_bytes());
    }

    /// Writes text and blanks, so many characters at least.
    #[inline(never)]
    pub fn cell(&mut self, text: &str, width: usize) {
        self.text(text);
        for _ in text.chars().count()..width {
            self.text(" ");
        }
    }

    /// Writes a number in decimal.
    pub fn number(&mut self, number: u32) {
        self.number_cell(number, 0);
    }

    /// Writes a long number in decimal.
    #[inline(never)]
    pub fn long_number(&mut self, number: u64) {
        let mut rest = number;
        let mut has_begun = false;
        // By subtraction: a division of 64 bits would bring a kilobyte of code onto boards of 32.
        for unit in POWERS_OF_TEN.iter().copied() {
            let mut digit = b'0';
            while rest >= unit {
                rest -= unit;
                digit += 1;
            }
            has_begun |= digit > b'0' || unit == 1;
            if has_begun {
                self.put(&[digit]);
            }
        }
    }

    /// Writes blanks and a number in decimal, so many characters at least.
    #[inline(never)]
    pub fn number_cell(&mut self, number: u32, width: usize) {
        let mut digits = [b' '; NUMBER_BYTES];
        let mut start = NUMBER_BYTES;
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            start -= 1;
            if rest == 0 {
                break;
            }
        }
        let start = start.min(NUMBER_BYTES.saturating_sub(width));
        self.put(digits.get(start..).unwrap_or(&[]));
    }

    /// Lets everything go.
    ///
    /// # Errors
    /// The first one since the beginning, EPIPE among them: then the rest has not been written.
    pub fn finish(mut self) -> Result<(), Error> {
        self.flush();
        self.error.map_or(Ok(()), |errno| Err(Error { call: "writing", errno }))
    }

    const fn new(descriptor: libc::c_int) -> Self {
        Self { descriptor, buffer: heapless::Vec::new(), error: None }
    }

    fn flush(&mut self) {
        let mut rest = self.buffer.as_slice();
        while self.error.is_none() && !rest.is_empty() {
            match call::write(self.descriptor, rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or(&[]),
                Err(errno) => self.error = Some(errno),
            }
        }
        self.buffer.clear();
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        match self.error {
            None => Ok(()),
            Some(_) => Err(fmt::Error),
        }
    }
}

/// What `write` puts out.
#[cfg(test)]
pub(crate) fn written(write: impl FnOnce(&mut Output)) -> std::string::String {
    use std::io::Read as _;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut output = Output::new(std::os::fd::AsRawFd::as_raw_fd(&writer));
    write(&mut output);
    output.finish().unwrap();
    drop(writer);
    let mut text = std::string::String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

#[cfg(test)]
mod tests {
    use super::super::namespace;
    use super::*;
    use core::fmt::Write as _;
    use std::io::Read as _;
    use std::os::fd::AsRawFd;

    #[test]
    fn everything_arrives_in_order_however_long() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut output = Output::new(writer.as_raw_fd());
        let mut expected = std::string::String::new();
        for number in 0..900 {
            write!(output, "{number},").unwrap();
            expected.push_str(&std::format!("{number},"));
        }
        let long = [b'x'; 3 * BUFFER_BYTES + 1];
        output.put(&long);
        output.finish().unwrap();
        drop(writer);
        let mut read = std::vec::Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(&read[..expected.len()], expected.as_bytes());
        assert_eq!(&read[expected.len()..], long);
    }

    #[test]
    fn cells_are_filled_up_and_never_cut() {
        let text = written(|out| {
            for (number, width) in [(0, 0), (7, 3), (u32::MAX, 4), (1234, 4)] {
                out.number_cell(number, width);
                out.text("|");
            }
            for (text, width) in [("é", 3), ("word", 2), ("", 1)] {
                out.cell(text, width);
                out.text("|");
            }
        });
        assert_eq!(text, "0|  7|4294967295|1234|é  |word| |");
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error_and_no_signal() {
        namespace::alone(|| {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut output = Output::new(writer.as_raw_fd());
            output.put(b"hello");
            assert_eq!(output.finish().unwrap_err().errno, Errno::EPIPE);
        });
    }
}
