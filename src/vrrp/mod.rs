//! One virtual router, sans-IO: no clock, no socket, no configuration file.
//!
//! ```text
//!                      ready, owner
//!        +-------------------------------------------+
//!        |                                           v
//!  +------------+   ready    +--------+  silence  +--------+
//!  | initialize | ---------> | backup | --------> | master |
//!  +------------+            +--------+           +--------+
//!        ^                    |      ^              |   |
//!        |    fault or stop   |      | a better one |   |
//!        +--------------------+      +--------------+   |
//!        +----------------------------------------------+
//!                         fault or stop
//! ```
//!
//! [`VirtualRouter`] is the machine of RFC 9568 §6.4 (RFC 3768 §6.4 for version 2), [`State`] its states
//! with their deadlines, [`election`] the question who wins, [`announce`] the timetable of gratuitous ARP.
//! What a virtual router wants done it says in [`Action`]s; what it may be asked, and by which rules, stands
//! in [`Rules`]. Several virtual routers that move together are [`crate::router`]'s business.

pub mod admission;
pub mod announce;
pub mod counters;
pub mod election;
pub mod state;
pub mod virtual_router;

pub use counters::Counters;
pub use state::{Cause, Fault, Phase, State};
pub use virtual_router::{Action, Actions, Rules, Turn, VirtualRouter};
