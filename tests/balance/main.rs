//! The virtual servers in a simulated world: the router and the real bytes that it asks the kernel's IPVS with, a kernel
//! that answers in real bytes, servers that live and die, and others who change the kernel's table.
//!
//! After all of it the table is what an independent reckoning says, and nothing that was right has been touched on the
//! way there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::alloc_instead_of_core,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test has std, and fails loudly"
)]

mod answer;
mod journal;
mod kernel;
mod request;
mod site;
mod table;
mod world;

mod absence;
mod adoption;
mod crowd;
mod hooks;
mod mending;
mod quorum;
mod reload;
mod segment;
mod servers;
mod walk;
