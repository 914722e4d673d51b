//! The way in: a C `main`, because Rust's own keeps its arguments on the heap.

use core::ffi::{CStr, c_char, c_int};

/// Makes `$main`, a `fn(Args) -> i32`, the program's entry. The crate must be `#![no_main]`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// The C library calls this; the result is the exit code.
        ///
        /// # Safety
        /// `argc` and `argv` are those of the C library.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn main(
            argc: ::core::ffi::c_int,
            argv: *const *const ::core::ffi::c_char,
        ) -> ::core::ffi::c_int {
            let main: fn($crate::linux::entry::Args) -> i32 = $main;
            // SAFETY: the C library hands over what it has received from the kernel.
            main(unsafe { $crate::linux::entry::Args::new(argc, argv) })
        }
    };
}

/// The program's arguments, its own name first.
#[derive(Debug, Clone)]
pub struct Args {
    next: *const *const c_char,
    left: usize,
}

impl Args {
    /// The arguments of a C `main`.
    ///
    /// # Safety
    /// `argv` points to `argc` pointers to strings that end with a zero byte, and all of it lives and stays
    /// as it is until the process ends.
    #[must_use]
    pub unsafe fn new(argc: c_int, argv: *const *const c_char) -> Self {
        Self { next: argv, left: usize::try_from(argc).unwrap_or(0) }
    }
}

impl Iterator for Args {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: `new` was promised this many pointers, each to a string that lives for ever; stepping
        // behind the last one is allowed.
        unsafe {
            let argument = CStr::from_ptr(*self.next);
            self.next = self.next.add(1);
            Some(argument)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_in_order_and_end() {
        let argv = [c"vipd".as_ptr(), c"check".as_ptr(), core::ptr::null()];
        // SAFETY: two pointers to literals.
        let mut args = unsafe { Args::new(2, argv.as_ptr()) };
        assert_eq!(args.next(), Some(c"vipd"));
        assert_eq!(args.next(), Some(c"check"));
        assert_eq!(args.next(), None);
        assert_eq!(args.next(), None);
    }
}
