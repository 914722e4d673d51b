//! The router as a whole, fed with events by hand: the laws that hold for every event, admission of packets,
//! virtual routers that move together, links and addresses, reload, hooks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::alloc_instead_of_core,
    clippy::wildcard_enum_match_arm,
    reason = "a test has std, and fails loudly"
)]

mod bench;
#[allow(dead_code)] // The lab uses the rest.
#[path = "../lab/harness/forge.rs"]
mod forge;
#[allow(dead_code, unreachable_pub)] // The simulator uses the rest.
#[path = "../sim/neighbour.rs"]
mod neighbour;
#[allow(dead_code)]
#[path = "../lab/harness/kinds.rs"]
mod table;

mod admission;
#[cfg(feature = "bfd")]
mod bfd;
mod bundles;
mod claims;
mod default_routes;
mod delays;
mod excluded;
mod hooks;
mod instance_routes;
mod kernel;
mod kinds;
mod laws;
mod lifetime;
mod log;
#[cfg(feature = "no-accept")]
mod no_accept;
mod probes;
#[cfg(feature = "ra")]
mod ra;
mod release;
mod reload;
mod secondaries;
mod strangers;
mod timers;
#[cfg(feature = "track-hooks")]
mod track_hooks;
#[cfg(feature = "vmac")]
mod vmac;
mod waves;
