//! Sockets: opened non-blocking and close-on-exec, named, and set.

use core::ffi::c_int;
use std::os::fd::AsRawFd;

use super::call::{Descriptor, call, call3, pointer, pointer_mut};
use super::{Errno, Error};

/// Opens a socket.
///
/// # Errors
/// That of the call.
pub(super) fn open(domain: c_int, kind: c_int, protocol: c_int) -> Result<Descriptor, Errno> {
    let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: there is no pointer.
    let given = unsafe { call3(libc::SYS_socket, domain as usize, kind as usize, protocol as usize) };
    given.map(Descriptor::new)
}

/// Binds to an address, the first `len` bytes of it.
pub(super) fn bind<T>(socket: &Descriptor, address: &T, len: usize) -> Result<(), Errno> {
    debug_assert!(len <= size_of::<T>());
    // SAFETY: so many bytes are alive; the kernel only reads them.
    unsafe { call3(libc::SYS_bind, socket.number(), pointer(address), len) }.map(drop)
}

/// Connects to an address, the first `len` bytes of it.
pub(super) fn connect<T>(socket: &Descriptor, address: &T, len: usize) -> Result<(), Errno> {
    debug_assert!(len <= size_of::<T>());
    // SAFETY: so many bytes are alive; the kernel only reads them.
    unsafe { call3(libc::SYS_connect, socket.number(), pointer(address), len) }.map(drop)
}

/// Sets an option to a value without padding.
pub(super) fn set<T>(socket: &Descriptor, level: c_int, name: c_int, value: &T) -> Result<(), Errno> {
    let (value, len) = (pointer(value), size_of::<T>());
    // SAFETY: so many bytes are alive; the kernel only reads them.
    let result = unsafe {
        call(libc::SYS_setsockopt, &[socket.number(), level as usize, name as usize, value, len, 0])
    };
    result.map(drop)
}

/// Sets an option to a string.
pub(super) fn set_bytes(socket: &Descriptor, level: c_int, name: c_int, value: &[u8]) -> Result<(), Errno> {
    let (pointer, len) = (pointer(value), value.len());
    // SAFETY: so many bytes are alive; the kernel only reads them.
    let result = unsafe {
        call(libc::SYS_setsockopt, &[socket.number(), level as usize, name as usize, pointer, len, 0])
    };
    result.map(drop)
}

/// Lets the kernel keep away what a classic BPF program returns 0 for.
pub(super) fn filter(socket: &Descriptor, steps: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_ptr().cast_mut() };
    let (level, name) = (libc::SOL_SOCKET as usize, libc::SO_ATTACH_FILTER as usize);
    let arguments = [socket.number(), level, name, pointer(&program), size_of::<libc::sock_fprog>(), 0];
    // SAFETY: the kernel reads the program and its steps, which are alive and so many, and checks them.
    unsafe { call(libc::SYS_setsockopt, &arguments) }.map(drop)
}

/// An option that is a number.
pub(super) struct Setting {
    pub(super) level: c_int,
    pub(super) name: c_int,
    pub(super) value: c_int,
    /// Not every kernel or emulator has it: where it is missing, the rest still works.
    pub(super) is_optional: bool,
    pub(super) call: &'static str,
}

/// Sets all of them.
///
/// # Errors
/// The first that is refused, unless it is optional.
pub(super) fn set_all(socket: &Descriptor, settings: &[Setting]) -> Result<(), Error> {
    for Setting { level, name, value, is_optional, call } in settings {
        match set(socket, *level, *name, value) {
            Ok(()) => {}
            Err(errno) if *is_optional => {
                crate::say::say(
                    ::log::Level::Debug,
                    format_args!("goes on without {}", Error { call, errno }),
                );
            }
            Err(errno) => return Err(Error { call, errno }),
        }
    }
    Ok(())
}

/// The error that the socket has had since it was last asked for; `Ok` if there was none.
pub(super) fn error(socket: &Descriptor) -> Result<(), Errno> {
    let (mut error, mut len): (c_int, c_int) = (0, size_of::<c_int>() as c_int);
    let (level, name) = (libc::SOL_SOCKET as usize, libc::SO_ERROR as usize);
    let arguments = [socket.number(), level, name, pointer_mut(&mut error), pointer_mut(&mut len), 0];
    // SAFETY: the kernel writes one number and its length to the live ones given.
    unsafe { call(libc::SYS_getsockopt, &arguments) }?;
    if error == 0 { Ok(()) } else { Err(Errno(error)) }
}

/// Sends a datagram, or what a stream takes of it, without SIGPIPE.
pub(super) fn send(socket: &impl AsRawFd, bytes: &[u8]) -> Result<usize, Errno> {
    let flags = (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as usize;
    let socket = socket.as_raw_fd() as usize;
    // SAFETY: the pointer and the length are those of a live slice; the kernel only reads it.
    unsafe { call(libc::SYS_sendto, &[socket, pointer(bytes), bytes.len(), flags, 0, 0]) }
}
