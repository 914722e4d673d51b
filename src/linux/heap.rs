//! The heap as a link error: what is shipped cannot allocate, and the linker is the witness.
//!
//! If anything that can be reached allocates, the program refers to a function that does not exist, and
//! the link fails with its name. Where nothing can, the function is dropped with everything else.

use core::alloc::{GlobalAlloc, Layout};

unsafe extern "C" {
    /// Nobody defines this. It returns a pointer because a function that never returned would make the
    /// optimiser drop the call, as an allocation without use, and all that comes behind it.
    fn vipd_does_not_allocate(bytes: usize, align: usize) -> *mut u8;
}

struct NoHeap;

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;

// SAFETY: a program in which `alloc` can be reached is never linked, so there is no block to answer for.
unsafe impl GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: never called; see above.
        unsafe { vipd_does_not_allocate(layout.size(), layout.align()) }
    }

    /// Empty: dropping an `io::Error` keeps this reachable although no block can exist.
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
