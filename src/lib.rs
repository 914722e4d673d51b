//! vipd keeps a router's address alive.
//!
//! The house has floors, and arrows go down only:
//!
//! | floor | module | what it knows |
//! | --- | --- | --- |
//! | roof | `cli`, `main` | what a user types |
//! | fourth | `daemon` | the poll loop; owns every buffer |
//! | third | `linux` | descriptors and bytes; the only system calls, the only unsafe code |
//! | second | [`router`], [`perform`], `import` | all virtual routers together; effects to bytes; keepalived.conf |
//! | first | [`vrrp`], [`probe`], [`bfd`], [`ipvs`], [`config`], [`status`] | one virtual router; one thing that is tried; one session; one line of the kernel's table; what the user asked for; what may be seen |
//! | ground | [`wire`], [`time`], [`limits`], `say` | bytes and values; moments and spans; capacities; the log |
//!
//! Everything up to the second floor is `no_std`, allocates nothing, reads no clock and opens no socket:
//! events go into [`router::Router::handle`] with the time, effects come out, [`perform`] makes bytes of
//! them and hands them to an [`perform::Outlet`]. The kernel is one outlet, the simulator another. Building
//! the library without its `linux` feature proves this by the compiler.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(feature = "linux", test))]
extern crate std;

pub mod bfd;
pub mod config;
#[cfg(feature = "import")]
pub mod import;
pub mod ipvs;
pub mod limits;
pub mod perform;
pub mod probe;
pub mod router;
mod say;
pub mod status;
pub mod time;
pub mod vrrp;
pub mod wire;

#[cfg(feature = "linux")]
pub mod cli;
#[cfg(feature = "linux")]
pub mod daemon;
#[cfg(feature = "linux")]
pub mod linux;
