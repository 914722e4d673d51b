//! Which tests run beside each other, and which do not run at all.

use std::io::Write;
use std::sync::{Condvar, Mutex};

use crate::harness::{Noise, Vipd, rootless};

/// How much of the machine a test wants.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// A few packets a second: many of these run at the same time.
    Light,
    /// Thousands of packets a second, or a verdict on milliseconds: alone.
    Whole,
}

const SEATS: usize = 8;
static FREE: Mutex<usize> = Mutex::new(SEATS);
static CHANGED: Condvar = Condvar::new();

/// A test's place in the laboratory, given back when it is dropped.
pub(crate) struct Bench {
    seats: usize,
}

impl Bench {
    /// Waits for a place. `None`, and a line that says why, if something is `missing`.
    pub(crate) fn take(load: Load, missing: &[Option<String>]) -> Option<Self> {
        let refused = rootless().err();
        if let Some(why) = refused.iter().chain(missing.iter().flatten()).next() {
            skip(why);
            return None;
        }
        Vipd::set_binary(
            std::env::var_os("VIPD_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_vipd").into()).into(),
        );
        Noise::observer();
        let seats = match load {
            Load::Light => 1,
            Load::Whole => SEATS,
        };
        let mut free = FREE.lock().unwrap_or_else(|poison| poison.into_inner());
        while *free < seats {
            free = CHANGED.wait(free).unwrap_or_else(|poison| poison.into_inner());
        }
        *free -= seats;
        Some(Self { seats })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(|poison| poison.into_inner());
        *free += self.seats;
        CHANGED.notify_all();
    }
}

/// Says that a test does not run, past libtest's capture; where skips are forbidden, fails.
pub(crate) fn skip(why: &str) {
    let forbidden = std::env::var_os("VIPD_NO_SKIPS").is_some_and(|value| value == "1");
    assert!(!forbidden, "SKIPPED: {why} (and VIPD_NO_SKIPS=1)");
    let name = std::thread::current();
    let name = name.name().unwrap_or("?");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {name}: {why}");
}
