//! The log's one door.
//!
//! The crate `log` builds a whole record, with module and level, at every line: 80 bytes on MIPS, and nobody reads
//! the module. Here a line is its format and its arguments.

use core::fmt;

use log::{Level, Record};

/// Hands one line to the logger, if it wants lines of this level.
#[inline(never)]
pub(crate) fn say(level: Level, line: fmt::Arguments<'_>) {
    if level <= log::max_level() {
        log::logger().log(&Record::builder().level(level).args(line).build());
    }
}

/// Something went wrong that a person must see to.
#[cfg(feature = "linux")]
macro_rules! error {
    ($($line:tt)+) => { $crate::say::say(::log::Level::Error, format_args!($($line)+)) };
}

/// Something went wrong that mends itself, or may.
macro_rules! warning {
    ($($line:tt)+) => { $crate::say::say(::log::Level::Warn, format_args!($($line)+)) };
}

/// Something happened.
macro_rules! info {
    ($($line:tt)+) => { $crate::say::say(::log::Level::Info, format_args!($($line)+)) };
}

#[cfg(feature = "linux")]
pub(crate) use error;
pub(crate) use info;
pub(crate) use warning as warn; // `warn` itself is an attribute.
