//! The kernel's load balancer, with a kernel of its own that has it (`tests/run balance`): clients, directors and servers.
//!
//! [`farm`] is the network, [`web`] what runs on its servers and who fetches from them, [`table`] what is in a director's
//! table, as ipvsadm and as we read it.

mod beside;
mod config;
mod farm;
mod health;
mod kernel;
mod many;
mod pair;
mod rig;
mod table;
mod web;

use crate::bench::{Bench, Load};

/// A place in the laboratory, if the kernel has IPVS; alone, for the emulated machine has one processor.
fn bench() -> Option<Bench> {
    Bench::take(Load::Whole, &[table::missing()])
}
