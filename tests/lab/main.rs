//! The lab: real network namespaces, real peers, real kernels.
//!
//! Every test builds its own network (see [`harness`]) and leaves nothing behind. It runs as root, and as
//! an ordinary user where user namespaces are allowed. A test that cannot run says `SKIPPED: why`; with
//! `VIPD_NO_SKIPS=1` that is a failure.
#![allow(
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_core,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)] // A test may allocate, and panicking is how it fails.

mod addresses;
mod bench;
#[cfg(feature = "bfd")]
mod bfd;
mod calls;
mod command;
mod default_routes;
mod excluded;
mod faults;
mod floods;
mod harness;
mod hooks;
mod import;
mod instance_routes;
mod interop;
#[cfg(feature = "ipvs")]
mod ipvs;
mod kinds;
mod lifetime;
mod lone;
mod many;
#[cfg(feature = "no-accept")]
mod no_accept;
#[cfg(feature = "ipvs")]
mod no_ipvs;
mod probes;
#[cfg(feature = "ra")]
mod ra;
mod ram;
mod release;
mod reload;
mod secondaries;
mod selfcheck;
mod soak;
mod stalls;
mod status;
mod strangers;
mod together;
mod tracking;
#[cfg(feature = "vmac")]
mod vmac;
mod watch;
mod weather;
mod wire;

/// Runs before `main`, while there is one thread: only then may a process enter a user namespace.
#[used]
#[unsafe(link_section = ".init_array")]
static OPEN: extern "C" fn() = open;

extern "C" fn open() {
    harness::become_root();
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        // SAFETY: there is one thread. Most tests sleep most of the time; `bench` limits those that do not.
        unsafe { std::env::set_var("RUST_TEST_THREADS", "8") };
    }
}
