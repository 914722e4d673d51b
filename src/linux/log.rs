//! Where log lines go: standard error, or the system's log through `/dev/log`.
//!
//! Lines wait until they are flushed, which the loop does when everything else of a turn has left: act first, log
//! after. Neither target ever blocks; a line that finds no room is dropped and counted, and a later one says how
//! many were.

use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicI32, Ordering};
use core::time::Duration;
use std::sync::Mutex;

use log::{Level, LevelFilter, Metadata, Record};

use super::call::{self, Descriptor};
use super::{Errno, memory, poll};
use crate::limits::LOG_BYTES_MAX;

/// Bytes of one line, all included; what is longer is cut.
const LINE_BYTES_MAX: usize = 512;

/// The facility `daemon` in a syslog priority (RFC 5424 §6.2.1).
const FACILITY: u8 = 3 << 3;

const NONE: i32 = -1;

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Standard error, one line each.
    Stderr,
    /// The system's log.
    Syslog,
}

/// Sends what is logged from here on to `target`, down to `level`. Only the first call counts.
pub fn start(target: Target, level: LevelFilter) {
    let logger: &'static dyn log::Log = match target {
        Target::Stderr => &Stderr,
        Target::Syslog => &SYSLOG,
    };
    if log::set_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

static SYSLOG: Syslog = Syslog { socket: AtomicI32::new(NONE) };

static WAITING: Mutex<Waiting> = Mutex::new(Waiting { bytes: heapless::Vec::new(), dropped: 0 });

/// Lines that wait, each behind its length in two bytes.
struct Waiting {
    bytes: heapless::Vec<u8, LOG_BYTES_MAX>,
    dropped: u32,
}

impl Waiting {
    fn put(&mut self, line: &[u8]) {
        let len = (line.len() as u16).to_ne_bytes();
        if self.bytes.len() + len.len() + line.len() > LOG_BYTES_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        // There is room for both.
        let _ = self.bytes.extend_from_slice(&len);
        let _ = self.bytes.extend_from_slice(line);
    }

    /// Sends every line with `send`, which says whether it could.
    fn flush(&mut self, finish: fn(Level, fmt::Arguments<'_>) -> Line, send: impl Fn(&[u8]) -> bool) {
        let mut rest = self.bytes.as_slice();
        let mut dropped = self.dropped;
        while let Some((len, behind)) = rest.split_first_chunk() {
            let Some((line, behind)) = behind.split_at_checked(usize::from(u16::from_ne_bytes(*len))) else {
                break;
            };
            if !send(line) {
                dropped = dropped.saturating_add(1);
            }
            rest = behind;
        }
        memory::clear(&mut self.bytes);
        if dropped > 0 && send(&finish(Level::Warn, format_args!("{dropped} log lines were dropped"))) {
            dropped = 0;
        }
        self.dropped = dropped;
    }
}

fn put(line: &[u8]) {
    // There is one thread; if another one should ever log at the same moment, its line is the one to lose.
    if let Ok(mut waiting) = WAITING.try_lock() {
        waiting.put(line);
    }
}

type Line = heapless::Vec<u8, LINE_BYTES_MAX>;

/// Writes what fits, and takes the rest for written.
struct Cut<'a>(&'a mut Line);

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE_BYTES_MAX - self.0.len();
        let end = text.floor_char_boundary(room);
        let fitting = text.as_bytes().get(..end).unwrap_or(&[]);
        self.0.extend_from_slice(fitting).map_err(|_| fmt::Error)
    }
}

struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        put(&stderr_line(record.level(), *record.args()));
    }

    fn flush(&self) {
        if let Ok(mut waiting) = WAITING.try_lock() {
            waiting.flush(stderr_line, write_stderr);
        }
    }
}

fn write_stderr(line: &[u8]) -> bool {
    let mut room = [poll::Waiting::to_write(&libc::STDERR_FILENO)];
    // A pipe that can be written takes 4096 bytes without blocking (PIPE_BUF), which is more than a line.
    poll::wait(&mut room, Some(Duration::ZERO)).is_ok()
        && room.iter().all(|room| room.is_over())
        && call::write(libc::STDERR_FILENO, line).is_ok()
}

fn stderr_line(level: Level, text: fmt::Arguments<'_>) -> Line {
    let mut line = Line::new();
    let word = match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug | Level::Trace => "debug: ",
    };
    let _ = write!(Cut(&mut line), "vipd: {word}{text}");
    // Room for it, whatever was cut.
    line.truncate(LINE_BYTES_MAX - 1);
    let _ = line.push(b'\n');
    line
}

struct Syslog {
    socket: AtomicI32,
}

impl log::Log for Syslog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        put(&syslog_line(record.level(), *record.args()));
    }

    fn flush(&self) {
        if let Ok(mut waiting) = WAITING.try_lock() {
            waiting.flush(syslog_line, |line| self.send(line));
        }
    }
}

impl Syslog {
    /// Sends one line, connecting anew if the log was restarted.
    fn send(&self, line: &[u8]) -> bool {
        let known = self.socket.load(Ordering::Relaxed);
        match send(known, line) {
            Ok(()) => return true,
            Err(Errno::EAGAIN | Errno::ENOBUFS) => return false,
            Err(_) => {}
        }
        if known != NONE {
            // It is ours, and nobody else closes it.
            drop(Descriptor::new(known as usize));
        }
        let socket = connect(c"/dev/log").unwrap_or(NONE);
        self.socket.store(socket, Ordering::Relaxed);
        send(socket, line).is_ok()
    }
}

fn syslog_line(level: Level, text: fmt::Arguments<'_>) -> Line {
    let severity = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let priority = FACILITY | severity;
    let pid = std::process::id();
    let mut line = Line::new();
    let _ = write!(Cut(&mut line), "<{priority}>vipd[{pid}]: {text}");
    line
}

fn connect(path: &core::ffi::CStr) -> Result<i32, Errno> {
    super::control::datagrams_to(path)
}

fn send(socket: i32, line: &[u8]) -> Result<(), Errno> {
    super::socket::send(&socket, line).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::namespace;
    use super::*;
    use std::ffi::CString;
    use std::os::unix::net::UnixDatagram;

    fn text(line: &Line) -> &str {
        core::str::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_names_its_level_and_ends() {
        assert_eq!(text(&stderr_line(Level::Info, format_args!("hm"))), "vipd: hm\n");
        assert_eq!(text(&stderr_line(Level::Error, format_args!("hm"))), "vipd: error: hm\n");
        let pid = std::process::id();
        let line = syslog_line(Level::Info, format_args!("hm"));
        assert_eq!(text(&line), std::format!("<30>vipd[{pid}]: hm"));
        let line = syslog_line(Level::Error, format_args!("hm"));
        assert_eq!(text(&line), std::format!("<27>vipd[{pid}]: hm"));
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let long = "é".repeat(400);
        let line = syslog_line(Level::Info, format_args!("{long}{long}"));
        assert!(line.len() >= LINE_BYTES_MAX - 1);
        assert!(text(&line).ends_with('é'));
        let line = stderr_line(Level::Info, format_args!("{long}"));
        assert_eq!(line.last(), Some(&b'\n'));
        assert!(line.len() >= LINE_BYTES_MAX - 2);
    }

    #[test]
    fn lines_leave_in_order_and_what_finds_no_room_is_counted() {
        let mut waiting = Waiting { bytes: heapless::Vec::new(), dropped: 0 };
        for _ in 0..100 {
            waiting.put(&[b'x'; 100]);
        }
        let sent = core::cell::RefCell::new(std::vec::Vec::new());
        waiting.flush(stderr_line, |line| {
            sent.borrow_mut().push(line.to_vec());
            true
        });
        let sent = sent.into_inner();
        assert_eq!(sent.len(), LOG_BYTES_MAX / 102 + 1);
        assert!(sent.iter().take(LOG_BYTES_MAX / 102).all(|line| line == &[b'x'; 100]));
        let last = core::str::from_utf8(sent.last().unwrap()).unwrap();
        let dropped = 100 - LOG_BYTES_MAX / 102;
        assert_eq!(last, std::format!("vipd: warning: {dropped} log lines were dropped\n"));
        waiting.put(b"lost");
        waiting.flush(stderr_line, |_| false);
        assert_eq!(waiting.dropped, 1, "it is said when somebody listens again");
    }

    #[test]
    fn a_full_log_refuses_and_does_not_block() {
        namespace::alone(|| {
            let path = std::env::temp_dir().join(std::format!("vipd-log-{}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            let log = UnixDatagram::bind(&path).unwrap();
            let name = CString::new(path.to_str().unwrap()).unwrap();
            let socket = connect(&name).unwrap();
            send(socket, b"<30>first").unwrap();
            let mut buffer = [0; 64];
            let len = log.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], b"<30>first");
            let refused = (0..100_000).find_map(|_| send(socket, &[b'x'; 500]).err());
            assert_eq!(refused, Some(Errno::EAGAIN));
            drop(log);
            assert_eq!(send(socket, b"late"), Err(Errno::ECONNREFUSED));
            std::fs::remove_file(&path).unwrap();
            // SAFETY: `connect` has given it out here.
            unsafe { libc::close(socket) };
        });
    }
}
