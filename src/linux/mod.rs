//! The only system calls, and the only unsafe code: descriptors and bytes, nothing of VRRP.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `call`, `socket` | system calls, made directly; sockets |
//! | [`clock`], [`entropy`] | the only clock; numbers that nobody foresees |
//! | [`raw`], [`batch`] | IP protocol 112, and how many messages pass in one system call |
//! | [`bfd`] | UDP port 3784 |
//! | [`ipvs`] | the kernel's load balancer |
//! | [`packet`], [`netlink`] | whole Ethernet frames; rtnetlink |
//! | [`outlet`] | all these together, as [`perform::Outlet`](crate::perform::Outlet) |
//! | [`signals`], [`poll`] | what interrupts the loop, and its one place to wait |
//! | [`hook`], [`control`], [`log`] | scripts; the control socket, both ends; where log lines go |
//! | [`losses`] | routes of ours that are gone |
//! | [`query`] | the sockets that probes ask with |
//! | [`watch`] | folders whose files are tracked |
//! | [`privilege`], [`launcher`] | what the process may do; who starts the scripts that may do more |
//! | [`entry`], [`output`], [`file`](mod@file), [`memory`] | the process itself: arguments, output, files, its one large block |
//!
//! Every descriptor is close-on-exec and, the client's end of the control socket aside, non-blocking.
#![allow(unsafe_code)]

use core::fmt;

pub use call::Errno;

pub mod batch;
pub mod bfd;
mod call;
pub mod clock;
pub mod control;
#[cfg(feature = "watch")]
pub mod ears;
pub mod entropy;
pub mod entry;
pub mod file;
#[cfg(feature = "import")]
pub mod folder;
#[cfg(vipd_heap_is_a_link_error)]
mod heap;
pub mod hook;
pub mod ipvs;
pub mod launcher;
pub mod log;
pub mod losses;
pub mod memory;
mod netfilter;
pub mod netlink;
pub mod outlet;
pub mod output;
pub mod packet;
pub mod poll;
pub mod privilege;
pub mod query;
pub mod raw;
pub mod signals;
mod socket;
pub mod solicitations;
pub mod watch;

#[cfg(test)]
mod namespace;

/// A system call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// Which call, and on what.
    pub call: &'static str,
    /// Why.
    pub errno: Errno,
}

impl Error {
    /// Whether it failed for want of privilege.
    #[must_use]
    pub fn is_privilege(&self) -> bool {
        matches!(self.errno, Errno::EPERM | Errno::EACCES)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.errno)
    }
}

impl core::error::Error for Error {}

/// Errors in words, and what to do about them where that is known.
const REASONS: [(i32, &str); 27] = [
    (libc::EPERM, "not permitted: needs root, or CAP_NET_ADMIN and CAP_NET_RAW"),
    (libc::EACCES, "permission denied: run as root"),
    (libc::ENOENT, "no such file"),
    (libc::ENODEV, NO_DEVICE),
    (libc::ENXIO, NO_DEVICE),
    (libc::ENETDOWN, "the network device is down"),
    (libc::EMFILE, "too many open files: raise the limit (ulimit -n)"),
    (libc::ECANCELED, "it ran for more than a minute and was killed"),
    (libc::ECONNRESET, "it has gone"),
    (libc::EPIPE, "it has gone"),
    (libc::EADDRINUSE, "the address is in use: is another vipd running there?"),
    (libc::EADDRNOTAVAIL, "the address is not there"),
    (libc::EEXIST, "it is there already"),
    (libc::ECONNREFUSED, "nobody listens: is vipd running?"),
    (libc::ENOBUFS, NO_MEMORY),
    (libc::ENOMEM, NO_MEMORY),
    (libc::EAGAIN, "the queue is full"),
    (libc::EMSGSIZE, TOO_LONG),
    (libc::EFBIG, TOO_LONG),
    (libc::ENAMETOOLONG, TOO_LONG),
    (libc::ENETUNREACH, "no route"),
    (libc::EHOSTUNREACH, "no route, or nobody there"),
    (libc::EINVAL, "the kernel does not take it"),
    (libc::EISDIR, "it is a directory"),
    (libc::EAFNOSUPPORT, NOT_BUILT),
    (libc::EPROTONOSUPPORT, NOT_BUILT),
    (libc::EOPNOTSUPP, NOT_BUILT),
];

const NO_DEVICE: &str = "no such network device";
const NO_MEMORY: &str = "no memory";
const TOO_LONG: &str = "too long";
const NOT_BUILT: &str = "the kernel was built without it";

/// Our own words for what happens: the C library's table of all errors weighs two kilobytes.
impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words() {
            Some(words) => f.write_str(words),
            None => write!(f, "error {}", self.0),
        }
    }
}

impl Errno {
    /// What it means, if it is known here.
    #[must_use]
    pub fn words(self) -> Option<&'static str> {
        REASONS.iter().find(|(number, _)| *number == self.0).map(|(_, words)| *words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do() {
        let error = Error { call: "IPv4 raw socket", errno: Errno::EPERM };
        assert!(error.is_privilege());
        assert_eq!(
            std::format!("{error}"),
            "IPv4 raw socket: not permitted: needs root, or CAP_NET_ADMIN and CAP_NET_RAW"
        );
        assert_eq!(std::format!("{}", Errno(123)), "error 123");
    }
}
