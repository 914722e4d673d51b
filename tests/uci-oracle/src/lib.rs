//! Our reader of UCI against libuci itself: the same documents are accepted, the others are refused for the same
//! reason in the same line, and what is accepted has the same sections, options and values.
//!
//! ```text
//! cargo test --manifest-path tests/uci-oracle/Cargo.toml
//! VIPD_ORACLE_SEED=7000000 cargo test ...      another 100 000 documents, from this one on
//! VIPD_ORACLE_RUNS=1000000 cargo test ...      more of them
//! ```
//!
//! Where the two differ on purpose or by a bug of the oracle's age, [`compare::Licence`] says so.

pub mod answer;
pub mod compare;
pub mod libuci;
pub mod minimise;
pub mod ours;

#[cfg(test)]
mod generator;
#[cfg(test)]
mod tests;
