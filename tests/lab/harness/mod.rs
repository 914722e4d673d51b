//! A laboratory on one machine: routers, switches and clients in network namespaces of their own.
//!
//! [`Segment`] is a switch, [`Host`] a machine that is plugged into it, [`Capture`] the tap on the switch
//! whose kernel timestamps decide, [`Client`] the user whose packets must arrive. [`Vipd`],
//! [`Keepalived`] and [`Frr`] are what runs on the hosts. A namespace lives as long as a descriptor of
//! this process holds it, and every child dies with the thread that started it, so that nothing is left
//! behind even when the test is killed.

#[allow(dead_code)] // The bench's.
mod asker;
mod bfd;
mod bfdd;
mod burners;
mod capture;
mod client;
mod flood;
mod footprint;
mod forge;
mod host;
mod kinds;
mod namespace;
mod noise;
mod peers;
mod process;
mod segment;
mod strace;
mod vipd;

#[allow(unused_imports)] // Whether an announced address answers at once is of no interest to the lab.
pub(crate) use asker::Asker;
pub(crate) use bfd::{Bfd, Standing};
pub(crate) use bfdd::Bfdd;
pub(crate) use burners::Burners;
pub(crate) use capture::{Capture, Claim, Frame, Vrrp};
pub(crate) use client::{Client, Pings};
pub(crate) use flood::Flooder;
pub(crate) use footprint::{Footprint, kb};
pub(crate) use forge::{Forged, Sum};
pub(crate) use host::Host;
pub(crate) use kinds::{KINDS, OUR_MAC, OURS, SHAPES, Shape, Verdict, forged};
#[allow(unused_imports)] // When a program began is of no interest to the lab.
pub(crate) use namespace::last_exec;
pub(crate) use namespace::{become_root, rootless};
pub(crate) use noise::Noise;
pub(crate) use peers::{Frr, FrrFamily, Keepalived};
#[allow(unused_imports)] // Who a daemon's children are is of no interest to the lab.
pub(crate) use process::children_of;
pub(crate) use process::{Process, Workspace, program};
pub(crate) use segment::{Port, Segment};
pub(crate) use strace::Calls;
pub(crate) use vipd::Vipd;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, on the clock of the capture's timestamps: time since 1970.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970")
}

/// Asks again and again until there is an answer; panics with `what` after `limit`.
pub(crate) fn eventually<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(now() < until, "within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
