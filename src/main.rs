//! vipd: what a user types.
#![no_main]

vipd::entry!(vipd::cli::main);
