//! One target a file.

mod advert;
mod bfd;
mod check;
mod choices;
mod config;
mod control;
mod frame;
mod import;
mod ipvs;
mod netlink;
mod probe;
mod router;
mod segment;
mod uci;

pub use advert::advert;
pub use bfd::bfd;
pub use check::check;
pub use config::config;
pub use control::control;
pub use frame::frame;
pub use import::import;
pub use ipvs::ipvs;
pub use netlink::netlink;
pub use probe::probe;
pub use router::router;
pub use segment::segment;
pub use uci::uci;

/// Takes any bytes, and panics at what must not be.
pub type Target = fn(&[u8]);
