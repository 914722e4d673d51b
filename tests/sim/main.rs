#![allow(missing_docs, reason = "nobody outside sees it")]
#![allow(unreachable_pub, reason = "`pub` says what a part offers to the others")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is a test")]
#![allow(dead_code)]

mod checkers;
mod client;
mod clock;
mod frame;
mod kernel;
mod laws;
mod netlink;
mod node;
mod plan;
mod scenarios;
mod seed;
mod stranger;
mod switch;
mod walk;
mod world;
