//! What a client sends to the daemon, and the daemon to a client.
#![no_std]
#![no_main]

use core::hint::black_box;

use vipd::status::{Reply, Request};

panic_free::prove!(|bytes| {
    let _ = black_box(Request::parse(bytes));
    let _ = black_box(Reply::parse(bytes));
});
