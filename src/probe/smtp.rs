//! The SMTP of a probe (RFC 5321): a greeting, which is read a byte at a time, and the word of farewell.

/// What is said to a server that has greeted us.
pub const QUIT: &[u8] = b"QUIT\r\n";

/// The port of mail servers.
pub const PORT: u16 = 25;

/// Bytes of a greeting that are looked at.
pub const GREETING_BYTES_MAX: u16 = 4096;

/// The status of a server that is ready (RFC 5321 §4.2.3).
const READY: u16 = 220;

/// What is known of a greeting so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// More of it is needed.
    Undecided,
    /// The server is ready.
    Good,
    /// It has another status: this one.
    Status(u16),
    /// It is no SMTP.
    Garbage,
}

/// A greeting that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// Bytes taken so far.
    taken: u16,
    /// Digits of this line's status so far.
    digits: u8,
    status: u16,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the three digits of a line, or right behind them.
    Status,
    /// In the text of a line; another one follows.
    Text,
    /// In the text of the last line.
    LastText,
}

impl Reader {
    /// Nothing has come yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { taken: 0, digits: 0, status: 0, place: Place::Status }
    }

    /// Some bytes more. After any verdict but [`Verdict::Undecided`] there is nothing to be taken.
    pub fn take(&mut self, bytes: &[u8]) -> Verdict {
        for byte in bytes {
            let verdict = self.take_byte(*byte);
            if verdict != Verdict::Undecided {
                return verdict;
            }
            self.taken += 1;
            if self.taken >= GREETING_BYTES_MAX {
                return Verdict::Garbage;
            }
        }
        Verdict::Undecided
    }

    /// Lines begin with the same status, with a hyphen behind it in all but the last (RFC 5321 §4.2.1).
    const fn take_byte(&mut self, byte: u8) -> Verdict {
        match (self.place, byte) {
            (Place::Status, b'0'..=b'9') if self.digits < 3 => {
                self.status = self.status.wrapping_mul(10).wrapping_add((byte - b'0') as u16);
                self.digits += 1;
            }
            (Place::Status, b' ' | b'-' | b'\r' | b'\n') if self.digits == 3 => {
                if self.status != READY {
                    return Verdict::Status(self.status);
                }
                match byte {
                    b'\n' => return Verdict::Good,
                    b'-' => self.place = Place::Text,
                    _ => self.place = Place::LastText,
                }
            }
            (Place::Status, _) => return Verdict::Garbage,
            (Place::Text, b'\n') => {
                self.place = Place::Status;
                self.digits = 0;
                self.status = 0;
            }
            (Place::LastText, b'\n') => return Verdict::Good,
            (Place::Text | Place::LastText, _) => {}
        }
        Verdict::Undecided
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict on a whole greeting, which is the same however it is cut.
    fn verdict(greeting: &[u8]) -> Verdict {
        let whole = Reader::new().take(greeting);
        for len in [1, 2, 5] {
            let mut reader = Reader::new();
            let verdicts = greeting.chunks(len).map(|piece| reader.take(piece));
            let decided = verdicts.into_iter().find(|verdict| *verdict != Verdict::Undecided);
            assert_eq!(decided.unwrap_or(Verdict::Undecided), whole, "in pieces of {len}");
        }
        whole
    }

    #[test]
    fn a_server_is_ready_when_the_last_line_of_its_greeting_says_so() {
        for (greeting, expected) in [
            ("220 mail.example.org ESMTP\r\n", Verdict::Good),
            ("220\r\n", Verdict::Good),
            ("220\n", Verdict::Good),
            ("220-mail.example.org\r\n220-no spam\r\n220 \r\n", Verdict::Good),
            ("220 mail.example.org", Verdict::Undecided),
            ("220-mail.example.org\r\n", Verdict::Undecided),
            ("220-mail.example.org\r\n22", Verdict::Undecided),
            ("", Verdict::Undecided),
            ("554 no service\r\n", Verdict::Status(554)),
            ("421-busy\r\n", Verdict::Status(421)),
            ("220-well\r\n421 no\r\n", Verdict::Status(421)),
            ("220-well\r\nHELO\r\n", Verdict::Garbage),
            ("2200 x\r\n", Verdict::Garbage),
            ("SSH-2.0-dropbear\r\n", Verdict::Garbage),
            ("\r\n220 x\r\n", Verdict::Garbage),
        ] {
            assert_eq!(verdict(greeting.as_bytes()), expected, "{greeting:?}");
        }
    }

    #[test]
    fn a_greeting_without_an_end_is_none() {
        let mut reader = Reader::new();
        let mut bytes = 0;
        while reader.take(b"220-still\r\n") == Verdict::Undecided {
            bytes += 11;
            assert!(bytes < GREETING_BYTES_MAX);
        }
        assert!(bytes + 11 >= GREETING_BYTES_MAX);
    }
}
