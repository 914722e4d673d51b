//! Statics that are handed out once: the program's large, fixed state, without a heap and without moving it.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;
use crate::config::uci::Document;
use crate::router::Router;

/// A value in a `static`, which the first to ask receives for good.
///
/// What is all zeros at compile time lies in `.bss` and costs neither file nor, until it is touched, memory.
#[repr(C)] // The flag lies in a page that is touched anyway, not behind all others.
pub struct Once<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reachable only through the one reference that `take` gives out; which thread holds
// it is a matter of `T: Send`.
unsafe impl<T: Send> Sync for Once<T> {}

impl<T> Once<T> {
    /// Keeps `value` until it is taken.
    pub const fn new(value: T) -> Self {
        Self { taken: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    /// The value, the first time; `None` ever after.
    #[allow(clippy::mut_from_ref, reason = "the flag makes it the only one")]
    pub fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        // SAFETY: the flag lets exactly one caller come here, so the reference is the only one.
        Some(unsafe { &mut *self.value.get() })
    }
}

/// What reading a configuration needs, and nothing else does.
#[derive(Debug)]
pub struct Scratch {
    /// The file.
    pub document: Document,
    /// What it means.
    pub config: Config,
}

impl Scratch {
    /// An empty one, all bits zero.
    #[must_use]
    pub const fn new() -> Self {
        Self { document: Document::new(), config: Config::new() }
    }

    /// Empties it. The pages that it fills by itself go back to the system until it is used again.
    pub fn give_back(&mut self) {
        let _ = self.document.buffer();
        self.config.clear();
        let pages = Pages::of(self);
        // SAFETY: `self` is empty now: bytes, numbers and lengths that any mixture with those of a new one leaves
        // valid, and records that no length covers.
        unsafe { free(pages.first, pages.count * pages.size) };
    }
}

/// Gives those pages of a router that hold nothing but zeros back to the system, which changes nothing in it: such
/// a page reads as zeros until it is written again.
pub fn give_blank_pages_back(router: &mut Router) {
    let pages = Pages::of(router);
    for page in (0..pages.count).map(|page| pages.first.wrapping_add(page * pages.size)) {
        let words = page.cast::<usize>();
        // SAFETY: the page lies in `router`. What is padding there, or not in use, has been written by the loader,
        // and the compiler is not to ask: hence volatile.
        if (0..pages.size / size_of::<usize>()).all(|word| unsafe { words.add(word).read_volatile() } == 0) {
            // SAFETY: zeros take the place of zeros, since a new router is all zeros.
            unsafe { free(page, pages.size) };
        }
    }
}

/// The pages that a value fills by itself.
struct Pages {
    first: *mut u8,
    count: usize,
    size: usize,
}

impl Pages {
    fn of<T>(value: &mut T) -> Self {
        let size = getpagesize() as usize;
        let start = (&raw mut *value).cast::<u8>();
        let before = start.addr().wrapping_neg() & size.wrapping_sub(1);
        let count = size_of::<T>().saturating_sub(before).checked_div(size).unwrap_or(0);
        Self { first: start.wrapping_add(before), count, size }
    }
}

unsafe extern "C" {
    safe fn getpagesize() -> libc::c_int;
}

/// Lets pages go. The kernel makes zeros of them, or, in the part of a program's data that is in its file, what
/// they were at first.
///
/// # Safety
/// The value that fills them is one with these contents as well.
unsafe fn free(first: *mut u8, len: usize) {
    // SAFETY: by contract. Where the kernel refuses, nothing is lost.
    unsafe { libc::madvise(first.cast(), len, libc::MADV_DONTNEED) };
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Once;

    #[test]
    fn it_is_given_once() {
        static NUMBERS: Once<[u8; 4]> = Once::new([0; 4]);
        let numbers = NUMBERS.take().unwrap();
        numbers[1] = 7;
        assert_eq!(numbers, &[0, 7, 0, 0]);
        assert!(NUMBERS.take().is_none());
    }
}
