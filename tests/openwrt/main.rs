//! The OpenWrt package without an OpenWrt: installed by its own Makefile, its scripts run under busybox ash.
//!
//! What stands in for procd, netifd, uci and the firewall is in `stand-ins/`; it writes down what it is told, and
//! complains of what the real one would stumble over. The daemon is the real one.

#![allow(missing_docs)]

mod init;
mod live;
mod package;
mod root;
mod scripts;
