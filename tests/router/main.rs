//! The router as a whole, fed with events by hand: the laws that hold for every event, admission of packets,
//! virtual routers that move together, links and addresses, reload, hooks.

mod bench;

mod admission;
mod bundles;
mod hooks;
mod kernel;
mod laws;
mod reload;
mod timers;
