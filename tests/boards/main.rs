//! Boards without a board: the binary for a router, under a router's kernel, on an emulated machine that shares
//! a segment with a keepalived.
//!
//! `tests/boards/run [KIND...]` makes the boards and runs this; a kind that has not been made is SKIPPED. The board
//! starts from the configuration that the OpenWrt package ships, and [`Board::run`] types into its console;
//! what it says on the wire is judged by the laboratory's capture. An emulated processor is slow and its clock is
//! not exact, so there are limits from the protocol, with room, and no others.
#![allow(
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_core,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)] // A test may allocate, and panicking is how it fails.

#[path = "../lab/bench.rs"]
#[allow(dead_code)] // The laboratory needs more of it, here and below.
mod bench;
mod board;
mod console;
#[path = "../lab/harness/mod.rs"]
#[allow(dead_code, unused_imports)]
mod harness;
mod scene;
mod trials;

macro_rules! kinds {
    ($($kind:ident)*) => { $(
        mod $kind {
            const KIND: &str = stringify!($kind);

            #[test]
            fn a_lower_board_waits_takes_over_and_yields() {
                crate::trials::waits_takes_over_and_yields(KIND);
            }

            #[test]
            fn a_higher_board_preempts_and_its_power_is_cut() {
                crate::trials::preempts_and_its_power_is_cut(KIND);
            }

            #[test]
            fn st10_a_board_that_is_stopped_resigns() {
                crate::trials::resigns(KIND);
            }

            #[test]
            fn check_status_and_reload_serve_whoever_is_logged_in() {
                crate::trials::check_status_and_reload(KIND);
            }

            #[test]
            fn what_it_costs_in_memory() {
                crate::trials::memory(KIND);
            }
        }
    )* };
}

kinds! { mipsel mips armhf arm64 }

/// Runs before `main`, while there is one thread: only then may a process enter a user namespace.
#[used]
#[unsafe(link_section = ".init_array")]
static OPEN: extern "C" fn() = open;

extern "C" fn open() {
    harness::become_root();
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        // SAFETY: there is one thread. An emulated board that boots fills a processor.
        unsafe { std::env::set_var("RUST_TEST_THREADS", "2") };
    }
}
