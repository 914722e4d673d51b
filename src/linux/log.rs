//! Where log lines go: standard error, or the system's log through `/dev/log`. Neither ever blocks; a line
//! that cannot leave is dropped and counted, and the next one that can says how many.

use core::fmt::{self, Write as _};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::os::fd::IntoRawFd;

use log::{Level, LevelFilter, Metadata, Record};
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};

use super::Errno;

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

static SYSLOG: Syslog = Syslog {
    socket: AtomicI32::new(NONE),
    dropped: AtomicU32::new(0),
};

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
        let line = stderr_line(record);
        let mut poll = libc::pollfd {
            fd: libc::STDERR_FILENO,
            events: libc::POLLOUT,
            revents: 0,
        };
        // SAFETY: one live pollfd, and a line with its length. A pipe that can be written takes 4096 bytes
        // without blocking (PIPE_BUF), which is more than a line.
        unsafe {
            if libc::poll(&raw mut poll, 1, 0) == 1 {
                libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len());
            }
        }
    }

    fn flush(&self) {}
}

fn stderr_line(record: &Record<'_>) -> Line {
    let mut line = Line::new();
    let word = match record.level() {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug | Level::Trace => "debug: ",
    };
    let _ = write!(Cut(&mut line), "vipd: {word}{}", record.args());
    // Room for it, whatever was cut.
    line.truncate(LINE_BYTES_MAX - 1);
    let _ = line.push(b'\n');
    line
}

struct Syslog {
    socket: AtomicI32,
    dropped: AtomicU32,
}

impl log::Log for Syslog {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped != 0 {
            let text = format_args!("{dropped} log lines were dropped");
            if self.send(&syslog_line(Level::Warn, text)) {
                self.dropped.fetch_sub(dropped, Ordering::Relaxed);
            }
        }
        if !self.send(&syslog_line(record.level(), *record.args())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
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
            // SAFETY: the descriptor is ours, and nobody else closes it.
            unsafe { libc::close(known) };
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
    let pid = nix::unistd::getpid().as_raw();
    let mut line = Line::new();
    let _ = write!(Cut(&mut line), "<{priority}>vipd[{pid}]: {text}");
    line
}

fn connect(path: &core::ffi::CStr) -> Result<i32, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket::socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    let address = UnixAddr::new(path)?;
    socket::connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &address)?;
    Ok(socket.into_raw_fd())
}

fn send(socket: i32, line: &[u8]) -> Result<(), Errno> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the pointer and the length are those of a live slice; the kernel only reads it.
    let count = unsafe { libc::send(socket, line.as_ptr().cast(), line.len(), flags) };
    if count < 0 {
        Err(Errno::last())
    } else {
        Ok(())
    }
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
        let record = |level| {
            Record::builder()
                .level(level)
                .args(format_args!("hm"))
                .build()
        };
        assert_eq!(text(&stderr_line(&record(Level::Info))), "vipd: hm\n");
        assert_eq!(
            text(&stderr_line(&record(Level::Error))),
            "vipd: error: hm\n"
        );
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
        let args = format_args!("{long}");
        let record = Record::builder().level(Level::Info).args(args).build();
        let line = stderr_line(&record);
        assert_eq!(line.last(), Some(&b'\n'));
        assert!(line.len() >= LINE_BYTES_MAX - 2);
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
