//! BFD on real kernels: beside FRR's bfdd and keepalived's, as something that is tracked, and between two routers of ours.

mod failover;
mod interop;
mod pair;
mod peer;
mod session;
mod timers;
mod tracks;
mod unicast;
