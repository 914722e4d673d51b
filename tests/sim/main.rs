//! A simulated segment: routers with vipd's core on them, a switch, hosts that need the virtual addresses,
//! and whatever can go wrong between them.
//!
//! | part | what it is |
//! | --- | --- |
//! | [`clock`] | world time, and each node's wrong clock |
//! | [`switch`], [`frame`] | a switch that learns, loses, delays and cuts; frames as smoltcp reads and writes them |
//! | [`kernel`], [`netlink`] | one host's kernel: links, addresses, neighbours, sockets; rtnetlink in real bytes |
//! | [`neighbour`] | a BFD neighbour that is no vipd |
//! | [`node`], [`plan`] | a router: the daemon's turn on a kernel; what it was told to do |
//! | [`things`] | what a router tracks beside links: a probe, a file, a default route |
//! | [`client`], [`stranger`] | a host that pings by its neighbour cache; a host that forges |
//! | [`world`] | all of it, and one queue of what happens next |
//! | [`checkers`] | what must hold whatever happens; they know plans and frames, not the code |
//! | [`scenarios`], [`laws`], [`walk`] | stories with an end, the laws of the design, and random walks |
//!
//! Everything follows from a seed ([`seed`]): no wall clock, no thread. A failure says how to see it again, and
//! a run that is asked for by its seed tells what happens in it:
//!
//! ```text
//! VIPD_SIM_SEED=7 cargo test --test sim walk
//! VIPD_SIM_RUNS=10000 cargo test --test sim walk
//! ```
#![allow(missing_docs, reason = "nobody outside sees it")]
#![allow(unreachable_pub, reason = "`pub` says what a part offers to the others")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::std_instead_of_core,
    reason = "it is a test"
)]

#[cfg(feature = "bfd")]
mod bfd;
mod checkers;
mod client;
mod clock;
mod days;
mod fault;
mod frame;
mod kernel;

mod laws;
mod lifetimes;
mod macvlan;
mod minimise;
mod neighbour;
mod netlink;
mod node;
mod pairs;
mod plan;
mod routes;
mod scenarios;
mod script;
mod seed;
mod shape;
mod stranger;
mod switch;
mod things;
mod tracking;
#[cfg(feature = "vmac")]
mod vmacs;
mod walk;
mod world;
