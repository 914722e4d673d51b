//! A datagram of rtnetlink.
#![no_std]
#![no_main]

use core::hint::black_box;

panic_free::prove!(|bytes| {
    for message in vipd::wire::rtnl::messages(bytes) {
        black_box(message);
    }
});
