//! The only system calls, and the only unsafe code: descriptors and bytes, nothing of VRRP.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`clock`] | the only clock |
//! | [`raw`], [`batch`] | IP protocol 112, and how many messages pass in one system call |
//! | [`packet`], [`netlink`] | whole Ethernet frames; rtnetlink |
//! | [`outlet`] | the three together, as [`perform::Outlet`](crate::perform::Outlet) |
//! | [`signals`], [`poll`] | what interrupts the loop, and its one place to wait |
//! | [`hook`], [`control`], [`log`] | scripts; the control socket, both ends; where log lines go |
//! | [`privilege`], [`launcher`] | what the process may do; who starts the scripts that may do more |
//! | [`entry`], [`output`], [`file`](mod@file), [`memory`] | the process itself: arguments, output, files, its one large block |
//!
//! Every descriptor is close-on-exec and, the client's end of the control socket aside, non-blocking.
#![allow(unsafe_code)]

use core::fmt;

pub use nix::errno::Errno;

pub mod batch;
pub mod clock;
pub mod control;
pub mod entry;
pub mod file;
#[cfg(vipd_heap_is_a_link_error)]
mod heap;
pub mod hook;

pub mod log;
pub mod memory;
pub mod netlink;
pub mod outlet;
pub mod output;
pub mod packet;
pub mod poll;
pub mod privilege;
pub mod raw;
pub mod signals;

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
    /// The reason why `call` has just failed.
    pub(crate) fn last(call: &'static str) -> Self {
        Self { call, errno: Errno::last() }
    }

    /// Gives `errno` the name of its call.
    pub(crate) const fn of(call: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self { call, errno }
    }

    /// The same for what the standard library and socket2 return.
    pub(crate) const fn io(call: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self { call, errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)) }
    }

    /// Whether it failed for want of privilege.
    #[must_use]
    pub fn is_privilege(&self) -> bool {
        matches!(self.errno, Errno::EPERM | Errno::EACCES)
    }
}

/// Our own words for what happens: the C library's table of all errors weighs two kilobytes.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, Reason(self.errno as i32))
    }
}

impl core::error::Error for Error {}

/// An errno in words, and what to do about it where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub i32);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            libc::EPERM => "not permitted: needs root, or CAP_NET_ADMIN and CAP_NET_RAW",
            libc::EACCES => "permission denied: run as root",
            libc::ENOENT => "no such file",
            libc::ENODEV | libc::ENXIO => "no such network device",
            libc::ENETDOWN => "the network device is down",
            libc::EADDRINUSE => "the address is in use: is another vipd running there?",
            libc::EADDRNOTAVAIL => "the address is not there",
            libc::EEXIST => "it is there already",
            libc::ECONNREFUSED => "nobody listens: is vipd running?",
            libc::ENOBUFS | libc::ENOMEM => "no memory",
            libc::EAGAIN => "the queue is full",
            libc::EMSGSIZE | libc::EFBIG | libc::ENAMETOOLONG => "too long",
            libc::ENETUNREACH | libc::EHOSTUNREACH => "no route",
            libc::EINVAL => "the kernel does not take it",
            libc::EISDIR => "it is a directory",
            libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::EOPNOTSUPP => {
                "the kernel was built without it"
            }
            number => return write!(f, "error {number}"),
        };
        f.write_str(text)
    }
}

/// A socket option that not every kernel or emulator has: where it is missing, the rest still works.
fn optional(result: Result<(), Error>) {
    if let Err(error) = result {
        ::log::debug!("goes on without {error}");
    }
}

/// Sets a socket option to a plain value.
fn set_option<T: Copy>(
    socket: &impl std::os::fd::AsRawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
    call: &'static str,
) -> Result<(), Error> {
    let descriptor = socket.as_raw_fd();
    let value: *const T = value;
    // SAFETY: the pointer and the length are those of a live value; the kernel only reads it.
    let result =
        unsafe { libc::setsockopt(descriptor, level, name, value.cast(), size_of::<T>() as libc::socklen_t) };
    if result < 0 { Err(Error::last(call)) } else { Ok(()) }
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
        assert_eq!(std::format!("{}", Reason(123)), "error 123");
    }
}
