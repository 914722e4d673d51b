//! Files that others write and we read: the kernel says when one of their folders has changed.
//!
//! The folder is watched and not the file, so that a file which is replaced by another, deleted or made anew is seen.

use core::ffi::CStr;
use std::os::fd::{AsRawFd, RawFd};

use super::call::{self, Descriptor, call3, pointer};
use super::{Errno, Error};

/// Something in a folder was written and closed, put in its place, made or taken away; or the folder itself was.
const CHANGES: u32 = libc::IN_CLOSE_WRITE
    | libc::IN_MOVED_TO
    | libc::IN_MOVED_FROM
    | libc::IN_CREATE
    | libc::IN_DELETE
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF
    | libc::IN_ONLYDIR;

/// The kernel's news of folders.
#[derive(Debug)]
pub struct Watch {
    inotify: Descriptor,
}

impl Watch {
    /// Opens it, with no folder yet.
    ///
    /// # Errors
    /// EMFILE; ENOSYS where the kernel was built without.
    pub fn open() -> Result<Self, Error> {
        let flags = (libc::IN_NONBLOCK | libc::IN_CLOEXEC) as usize;
        // SAFETY: there is no pointer.
        let given = unsafe { call3(libc::SYS_inotify_init1, flags, 0, 0) };
        given
            .map(|given| Self { inotify: Descriptor::new(given) })
            .map_err(|errno| Error { call: "watching files", errno })
    }

    /// Watches a folder, which may be watched already.
    ///
    /// # Errors
    /// ENOENT or ENOTDIR if there is no such folder, ENOSPC if the system watches too many.
    pub fn folder(&self, path: &CStr) -> Result<(), Errno> {
        // SAFETY: the path ends with a zero byte; the kernel only reads it.
        let added = unsafe {
            call3(libc::SYS_inotify_add_watch, self.inotify.number(), pointer(path), CHANGES as usize)
        };
        added.map(drop)
    }

    /// Forgets the news that have come: what they are about is read again as it is. `true`: there were some.
    pub fn drain(&self) -> bool {
        let mut news = [0; 1024];
        let mut any = false;
        // At most as many as can have been waiting: whoever writes without end does not hold us up.
        for _ in 0..16 {
            match call::read(&self.inotify, &mut news) {
                Ok(1..) => any = true,
                Ok(0) | Err(_) => break,
            }
        }
        any
    }
}

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.inotify.as_raw_fd()
    }
}
