//! The OpenWrt package without an OpenWrt: installed by its own Makefile, its scripts run under busybox ash.
//!
//! What stands in for procd, netifd, uci and the firewall is in `stand-ins/`; it writes down what it is told, and
//! complains of what the real one would stumble over. The daemon is the real one.

#![allow(clippy::alloc_instead_of_core, clippy::std_instead_of_core, clippy::panic, clippy::unwrap_used)] // A test may allocate, and panicking is how it fails.

mod init;
mod live;
mod package;
mod recipes;
mod root;
mod scripts;
