//! System calls, made directly.
//!
//! The C library's own functions for sockets, files and processes bring cancellation points and, on 32-bit machines,
//! conversions of 64-bit time along: eight kilobytes on MIPS that nothing here needs.

use core::ffi::{CStr, c_int, c_long};
use std::os::fd::{AsRawFd, RawFd};

/// Why a system call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

#[allow(missing_docs, reason = "errno(3) describes them")]
impl Errno {
    pub const ENFILE: Self = Self(libc::ENFILE);
    pub const EMFILE: Self = Self(libc::EMFILE);
    pub const ENOMEM: Self = Self(libc::ENOMEM);
    pub const EPERM: Self = Self(libc::EPERM);
    pub const ENOENT: Self = Self(libc::ENOENT);
    pub const E2BIG: Self = Self(libc::E2BIG);
    pub const EAGAIN: Self = Self(libc::EAGAIN);
    pub const EACCES: Self = Self(libc::EACCES);
    pub const EISDIR: Self = Self(libc::EISDIR);
    pub const ENODEV: Self = Self(libc::ENODEV);
    pub const ENXIO: Self = Self(libc::ENXIO);
    pub const EINVAL: Self = Self(libc::EINVAL);
    pub const EFBIG: Self = Self(libc::EFBIG);
    pub const EPIPE: Self = Self(libc::EPIPE);
    pub const ENAMETOOLONG: Self = Self(libc::ENAMETOOLONG);
    pub const EPROTO: Self = Self(libc::EPROTO);
    pub const EMSGSIZE: Self = Self(libc::EMSGSIZE);
    pub const EAFNOSUPPORT: Self = Self(libc::EAFNOSUPPORT);
    pub const EOPNOTSUPP: Self = Self(libc::EOPNOTSUPP);
    pub const EADDRINUSE: Self = Self(libc::EADDRINUSE);
    pub const ECONNABORTED: Self = Self(libc::ECONNABORTED);
    pub const ECONNRESET: Self = Self(libc::ECONNRESET);
    pub const ECANCELED: Self = Self(libc::ECANCELED);
    pub const EINPROGRESS: Self = Self(libc::EINPROGRESS);
    pub const ENOBUFS: Self = Self(libc::ENOBUFS);
    pub const ETIMEDOUT: Self = Self(libc::ETIMEDOUT);
    pub const ECONNREFUSED: Self = Self(libc::ECONNREFUSED);

    /// Whether it says that there is no room, or no descriptor, at this moment, and nothing of what was asked.
    #[must_use]
    pub const fn is_want_of_room(self) -> bool {
        matches!(self, Self::EMFILE | Self::ENFILE | Self::ENOMEM | Self::ENOBUFS | Self::EAGAIN)
    }

    /// The reason why the C library's last call failed.
    #[must_use]
    pub fn last() -> Self {
        // SAFETY: it points to this thread's errno.
        Self(unsafe { *libc::__errno_location() })
    }
}

/// Makes a system call with up to three arguments.
///
/// # Safety
/// As [`call`].
pub(super) unsafe fn call3(number: c_long, a: usize, b: usize, c: usize) -> Result<usize, Errno> {
    // SAFETY: the caller's.
    unsafe { call(number, &[a, b, c, 0, 0, 0]) }
}

/// Makes a system call; one that a signal interrupts is made again.
///
/// # Safety
/// The arguments are those that the call asks for; pointers among them are valid for what the kernel does to them.
#[inline(never)]
pub(super) unsafe fn call(number: c_long, arguments: &[usize; 6]) -> Result<usize, Errno> {
    let [a, b, c, d, e, f] = *arguments;
    loop {
        // SAFETY: the caller's.
        let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
        if result != -1 {
            return Ok(result as usize);
        }
        let errno = Errno::last();
        if errno.0 != libc::EINTR {
            return Err(errno);
        }
    }
}

/// An open descriptor, closed when it is dropped.
#[derive(Debug)]
pub(super) struct Descriptor(c_int);

impl Descriptor {
    /// Takes over what a system call has just given out.
    pub(super) const fn new(given: usize) -> Self {
        Self(given as c_int)
    }

    /// The number, as an argument of a system call.
    pub(super) const fn number(&self) -> usize {
        self.0 as usize
    }
}

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody uses it any more.
        let _ = unsafe { call3(libc::SYS_close, self.number(), 0, 0) };
    }
}

/// Opens a file for reading.
///
/// # Errors
/// That of the call.
pub(super) fn open(path: &CStr, flags: c_int) -> Result<Descriptor, Errno> {
    let flags = flags | libc::O_RDONLY | libc::O_CLOEXEC;
    // SAFETY: the path ends with a zero byte; the kernel only reads it.
    let given = unsafe { call3(libc::SYS_openat, libc::AT_FDCWD as usize, pointer(path), flags as usize) };
    given.map(Descriptor::new)
}

/// Reads up to `buffer.len()` bytes; 0 at the end.
pub(super) fn read(descriptor: &Descriptor, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the pointer and the length are those of a live buffer.
    unsafe { call3(libc::SYS_read, descriptor.number(), pointer_mut(buffer), buffer.len()) }
}

/// Writes up to all of `bytes`.
pub(super) fn write(descriptor: c_int, bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: the pointer and the length are those of a live slice; the kernel only reads it.
    unsafe { call3(libc::SYS_write, descriptor as usize, pointer(bytes), bytes.len()) }
}

/// What a live value's pointer is to the kernel.
pub(super) fn pointer<T: ?Sized>(value: &T) -> usize {
    core::ptr::from_ref(value).cast::<u8>().expose_provenance()
}

/// What a live value's pointer is to a kernel that writes to it.
pub(super) fn pointer_mut<T: ?Sized>(value: &mut T) -> usize {
    core::ptr::from_mut(value).cast::<u8>().expose_provenance()
}
