//! What the proofs share: bytes that the optimiser knows nothing about, and a panic handler that does not link.
//!
//! A program that contains a reachable panic contains the handler, the handler calls a function that nobody
//! defines, and the linker says so. If it links, no input whatever can make what `prove` calls panic.
#![no_std]

use core::hint::black_box;
use core::panic::PanicInfo;

unsafe extern "C" {
    /// Nobody defines this.
    fn vipd_can_panic() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: a program in which this can be reached is never linked.
    unsafe { vipd_can_panic() }
}

/// Bytes from outside: any number of any bytes.
pub fn anything(buffer: &mut [u8; 2048]) -> &[u8] {
    let len = black_box(0_usize);
    black_box(&mut *buffer).get(..len).unwrap_or(&[])
}

/// The program's entry: of the C library it has only what copies and compares memory.
#[macro_export]
macro_rules! prove {
    ($what:expr) => {
        #[unsafe(no_mangle)]
        pub extern "C" fn main() -> i32 {
            let mut buffer = [0; 2048];
            let prove: fn(&[u8]) = $what;
            prove($crate::anything(&mut buffer));
            0
        }
    };
}
