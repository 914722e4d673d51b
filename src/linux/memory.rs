//! Statics that are handed out once: the program's large, fixed state, without a heap and without moving it.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

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
