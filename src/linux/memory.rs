//! Statics that are handed out once: the program's large, fixed state, without a heap and without moving it.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;
use crate::config::uci::Document;

/// A value in a `static`, which the first to ask receives for good.
///
/// What is all zeros at compile time lies in `.bss` and costs neither file nor, until it is touched, memory.
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
        // SAFETY: a question; the answer is the size of a page, or 0 from a kernel that does not know.
        let page = unsafe { libc::getauxval(libc::AT_PAGESZ) } as usize;
        let start = (&raw mut *self).cast::<u8>();
        let before = start.addr().wrapping_neg() & page.wrapping_sub(1);
        let len = size_of::<Self>().saturating_sub(before) & page.wrapping_neg();
        // SAFETY: whole pages of `self`, which nobody else refers to. The kernel makes zeros of them, or, in a
        // program's data, what it began with. Both are empty now: bytes, numbers and lengths that any mixture
        // of old and new leaves valid, and records that no length covers.
        unsafe { libc::madvise(start.wrapping_add(before).cast(), len, libc::MADV_DONTNEED) };
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Once, Scratch};

    #[test]
    fn it_is_given_once() {
        static NUMBERS: Once<[u8; 4]> = Once::new([0; 4]);
        let numbers = NUMBERS.take().unwrap();
        numbers[1] = 7;
        assert_eq!(numbers, &[0, 7, 0, 0]);
        assert!(NUMBERS.take().is_none());
    }
}
