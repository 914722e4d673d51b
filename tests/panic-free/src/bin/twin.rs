//! A program that can panic. It must not link, or the others' linking would prove nothing.
#![no_std]
#![no_main]

use core::hint::black_box;

panic_free::prove!(|bytes| {
    black_box(bytes[black_box(3)]);
});
