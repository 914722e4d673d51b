//! Statics that are handed out once: the program's large, fixed state, without a heap and without moving it.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use heapless::Vec;

use super::call;
use crate::config::Config;
use crate::config::uci::Document;
use crate::router::Router;

/// A value in a `static`, which the first to ask receives for good.
///
/// What is all zeros at compile time lies in `.bss` and costs neither file nor, until it is touched, memory.
#[repr(C)] // The flag lies in a page that the log or the C library touches anyway: what the linker puts behind large values.
pub struct Once<T> {
    value: UnsafeCell<T>,
    taken: AtomicBool,
}

// SAFETY: the value is reachable only through the one reference that `take` gives out; which thread holds
// it is a matter of `T: Send`.
unsafe impl<T: Send> Sync for Once<T> {}

impl<T> Once<T> {
    /// Keeps `value` until it is taken.
    pub const fn new(value: T) -> Self {
        Self { value: UnsafeCell::new(value), taken: AtomicBool::new(false) }
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

    /// Empties it. The pages that it fills by itself go back to the system until it is used again, and those of the
    /// stack that reading has used: nothing goes deeper.
    pub fn give_back(&mut self) {
        let _ = self.document.buffer();
        self.config.clear();
        let pages = Pages::of(self);
        // SAFETY: `self` is empty now: bytes, numbers and lengths that any mixture with those of a new one leaves
        // valid, and records that no length covers.
        unsafe { free(pages.first, pages.count * pages.size) };
        give_stack_back();
    }
}

/// Empties a table that is mostly short. What a crowd has filled beyond a page goes back to the system.
pub fn clear<T, const N: usize>(table: &mut Vec<T, N>) {
    let len = table.len();
    table.clear();
    if N * size_of::<T>() > 2 * CROWD_BYTES && len * size_of::<T>() > CROWD_BYTES {
        let pages = Pages::of(table);
        // SAFETY: the table is empty: its length is zero, and its entries are not read until they are written.
        unsafe { free(pages.first, pages.count * pages.size) };
    }
}

/// What a table may fill for good.
const CROWD_BYTES: usize = 4096;

/// Gives those pages of a router that hold nothing but zeros back to the system, which changes nothing in it: such
/// a page reads as zeros until it is written again.
pub fn give_blank_pages_back(router: &mut Router) {
    // SAFETY: a new router is all zeros.
    unsafe { free_blank(&Pages::of(router)) };
}

/// How far below the loop the stack has been, at the most.
const DEPTH_BYTES: usize = 65_536;

/// Gives back what calls of before have used of the stack, and nobody uses now.
#[inline(never)]
fn give_stack_back() {
    let here = 0_u8;
    let size = getpagesize() as usize;
    // A page is left for the calls from here.
    let end = (&raw const here).addr().saturating_sub(size) & size.wrapping_neg();
    let first = core::ptr::with_exposed_provenance_mut(end.saturating_sub(DEPTH_BYTES));
    // SAFETY: below the frame of the innermost call lies nothing that is in use, and no signal has a handler that would
    // run there. What is not mapped is left out by the kernel.
    unsafe { free(first, DEPTH_BYTES) };
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

/// Lets go those pages that hold nothing but zeros.
///
/// # Safety
/// They belong to a value that was all zeros at first.
unsafe fn free_blank(pages: &Pages) {
    for page in (0..pages.count).map(|page| pages.first.wrapping_add(page * pages.size)) {
        let words = page.cast::<usize>();
        // SAFETY: the page lies in the value. What is padding there, or not in use, has been written by the loader,
        // and the compiler is not to ask: hence volatile.
        if (0..pages.size / size_of::<usize>()).all(|word| unsafe { words.add(word).read_volatile() } == 0) {
            // SAFETY: zeros take the place of zeros, by contract.
            unsafe { free(page, pages.size) };
        }
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
    let _ = unsafe {
        call::call3(libc::SYS_madvise, first.expose_provenance(), len, libc::MADV_DONTNEED as usize)
    };
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CONFIG_BYTES_MAX;
    use std::os::unix::fs::FileExt;

    #[test]
    fn it_is_given_once() {
        static NUMBERS: Once<[u8; 4]> = Once::new([0; 4]);
        let numbers = NUMBERS.take().unwrap();
        numbers[1] = 7;
        assert_eq!(numbers, &[0, 7, 0, 0]);
        assert!(NUMBERS.take().is_none());
    }

    /// Pages of `value` that are in memory for its sake (proc_pid_pagemap(5); zeros that are only read count as well).
    fn resident<T>(value: &mut T) -> usize {
        let pages = Pages::of(value);
        let map = std::fs::File::open("/proc/self/pagemap").unwrap();
        let is_present = |page: &usize| {
            let mut entry = [0; 8];
            let number = pages.first.addr() / pages.size + page;
            map.read_exact_at(&mut entry, number as u64 * 8).unwrap();
            u64::from_ne_bytes(entry) >> 63 == 1
        };
        (0..pages.count).filter(is_present).count()
    }

    #[test]
    fn a_scratch_that_was_used_is_given_back_empty() {
        static SCRATCH: Once<Scratch> = Once::new(Scratch::new());
        let scratch = SCRATCH.take().unwrap();
        assert_eq!(resident(scratch), 0);
        for _ in 0..2 {
            let buffer = scratch.document.buffer();
            buffer.fill(b'\n');
            let len = buffer.len() - 1;
            buffer[..21].copy_from_slice(b"config globals lan\n\n\n");
            scratch.document.parse(len).unwrap();
            scratch.config.keep_text("lan").unwrap();
            assert!(resident(scratch) >= CONFIG_BYTES_MAX / 4096 - 1);
            scratch.give_back();
            assert_eq!(resident(scratch), 0);
            assert_eq!(scratch.document.sections().count(), 0);
            assert_eq!(scratch.config.keep_text("wan"), Config::new().keep_text("wan"));
        }
    }

    #[test]
    fn a_table_that_was_crowded_is_cleared_down_to_its_ends_and_one_that_was_not_stays() {
        #[repr(align(4096))] // It begins with a page, which holds its length and stays.
        struct Aligned(Vec<u32, 8192>);
        static TABLE: Once<Aligned> = Once::new(Aligned(Vec::new()));
        let Aligned(table) = TABLE.take().unwrap();
        for len in [1000, 8000, 1] {
            table.extend(0..len);
            clear(table);
            assert!(table.is_empty());
            assert_eq!(resident(table), 1, "{len}");
            table.extend(7..9);
            assert_eq!(table.as_slice(), [7, 8]);
            clear(table);
        }
    }

    #[test]
    fn pages_that_hold_nothing_go_and_the_others_stay() {
        static BYTES: Once<[u8; 40_960]> = Once::new([0; 40_960]);
        let bytes = BYTES.take().unwrap();
        bytes.fill(1);
        let before = resident(bytes);
        bytes.fill(0);
        bytes[20_000] = 7;
        assert_eq!(resident(bytes), before);
        // SAFETY: it was all zeros at first.
        unsafe { free_blank(&Pages::of(bytes)) };
        assert_eq!(resident(bytes), 1);
        assert_eq!(bytes.iter().position(|byte| *byte != 0), Some(20_000));
    }
}
