//! What must hold whatever bytes come in: one function for each door that bytes come in by.
//!
//! The fuzzer (`fuzz/`) calls them with bytes that it makes up, looking for code that it has not reached yet; as a
//! test, this crate calls them with everything in `fuzz/corpus`. What the fuzzer finds goes there under a name that
//! says what it was.
//!
//! Whatever reads here for comparison shares no line with the code under test: smoltcp reads frames, and the
//! simulator's kernel (`tests/sim`) reads requests.
#![allow(missing_docs, reason = "nobody outside sees it")]
#![allow(unreachable_pub, reason = "`pub` says what a part offers to the others")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is a test")]

pub mod targets;

#[cfg(test)]
mod replay;

/// The simulator, as its own crate has it; its scenarios stay there.
macro_rules! simulator {
    ($($path:literal $name:ident),* $(,)?) => {
        $(
            #[path = $path]
            #[allow(dead_code, reason = "its own scenarios use the rest")]
            mod $name;
        )*
    };
}

simulator! {
    "../sim/checkers/mod.rs" checkers,
    "../sim/client.rs" client,
    "../sim/clock.rs" clock,
    "../sim/frame.rs" frame,
    "../sim/kernel.rs" kernel,
    "../sim/macvlan.rs" macvlan,
    "../sim/neighbour.rs" neighbour,
    "../sim/netlink.rs" netlink,
    "../sim/node.rs" node,
    "../sim/plan.rs" plan,
    "../sim/seed.rs" seed,
    "../sim/switch.rs" switch,
    "../sim/things.rs" things,
    "../sim/world.rs" world,
}
