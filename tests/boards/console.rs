//! The serial line of a board, with a shell at its other end.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::harness::{eventually, now};

/// A shell without echo or prompt (see `init`); what it prints is kept for the case that a test fails.
pub(crate) struct Console {
    line: UnixStream,
    transcript: String,
    questions: u32,
}

/// What a command printed, on both its outputs, and its exit status.
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) status: u8,
}

impl Console {
    /// Takes the line up as soon as the emulator listens at `path`, and waits for the shell.
    pub(crate) fn open(path: &Path, limit: Duration) -> Self {
        let line = eventually("the emulator listens", limit, || UnixStream::connect(path).ok());
        line.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout is set");
        let mut console = Self { line, transcript: String::new(), questions: 0 };
        console.read_until("the board boots", 0, "@@up@@\n", limit);
        console
    }

    /// Gives the shell a command, which may have several lines, and waits for its end.
    pub(crate) fn ask(&mut self, command: &str, limit: Duration) -> Answer {
        self.questions += 1;
        let end = format!("@@{} ", self.questions);
        let from = self.transcript.len();
        // A group reads no input, or it would swallow the next question.
        let line = format!("{{ {command}\n}} </dev/null 2>&1; echo \"{end}$?@@\"\n");
        self.line.write_all(line.as_bytes()).expect("the emulator runs");
        self.read_until(command, from, &end, limit);
        self.read_until(command, from, "@@\n", limit);
        let said = &self.transcript[from..];
        let (text, status) = said.split_once(&end).expect("it has been waited for");
        let status = status.split('@').next().and_then(|digits| digits.parse().ok());
        Answer { text: text.to_owned(), status: status.expect("a shell's status is a number") }
    }

    /// Reads on until `mark` has come, behind the first `from` bytes of what has been read.
    fn read_until(&mut self, what: &str, from: usize, mark: &str, limit: Duration) {
        let until = now() + limit;
        let mut buffer = [0; 4096];
        while !self.transcript[from..].contains(mark) {
            assert!(now() < until, "on the board, within {limit:?}: {what}");
            match self.line.read(&mut buffer) {
                Ok(0) => panic!("the board has gone: {what}"),
                Ok(length) => {
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    self.transcript.extend(text.chars().filter(|&letter| letter != '\r'));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("the board's console: {error}"),
            }
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let skipped = self.transcript.lines().count().saturating_sub(40);
            eprintln!("--- the end of the board's console");
            for line in self.transcript.lines().skip(skipped) {
                eprintln!("{}", line.chars().take(400).collect::<String>());
            }
        }
    }
}
