//! The functions that compilers call for copies and comparisons, as musl has them on the boards.
//!
//! glibc has several of each and chooses by the processor, so a copy would have another number of instructions on another
//! machine. With these, every instruction that is counted is in this program; `run` sees that it is so.
#![cfg(target_arch = "x86_64")]

use std::arch::asm;
use std::ffi::{c_int, c_void};

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut c_void, from: *const c_void, len: usize) -> *mut c_void {
    // SAFETY: the caller promises `len` bytes at both, which do not overlap.
    unsafe {
        asm!("rep movsq", "mov rcx, {rest}", "rep movsb", rest = in(reg) len % 8,
            inout("rcx") len / 8 => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
    }
    to
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut c_void, from: *const c_void, len: usize) -> *mut c_void {
    // What is read next has not been written yet.
    if (to as usize).wrapping_sub(from as usize) >= len {
        // SAFETY: the caller promises `len` bytes at both.
        return unsafe { memcpy(to, from, len) };
    }
    // SAFETY: the caller promises `len` bytes at both; it is not 0, or we would not be here.
    unsafe {
        let (last_to, last_from) = (to.byte_add(len - 1), from.byte_add(len - 1));
        asm!("std", "rep movsb", "cld", inout("rcx") len => _, inout("rdi") last_to => _, inout("rsi") last_from => _,
            options(nostack));
    }
    to
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut c_void, byte: c_int, len: usize) -> *mut c_void {
    let pattern = u64::from(byte as u8) * 0x0101_0101_0101_0101;
    // SAFETY: the caller promises `len` bytes.
    unsafe {
        asm!("rep stosq", "mov rcx, {rest}", "rep stosb", rest = in(reg) len % 8,
            inout("rcx") len / 8 => _, inout("rdi") to => _, in("rax") pattern, options(nostack, preserves_flags));
    }
    to
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const c_void, other: *const c_void, len: usize) -> c_int {
    for position in 0..len {
        // SAFETY: the caller promises `len` bytes at both.
        let (left, right) =
            unsafe { (one.cast::<u8>().add(position).read(), other.cast::<u8>().add(position).read()) };
        if left != right {
            return c_int::from(left) - c_int::from(right);
        }
    }
    0
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const c_void, other: *const c_void, len: usize) -> c_int {
    // SAFETY: the caller promises the same.
    unsafe { memcmp(one, other, len) }
}
