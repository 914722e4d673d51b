//! A datagram of rtnetlink, or an answer of nfnetlink.
#![no_std]
#![no_main]

use core::hint::black_box;

panic_free::prove!(|bytes| {
    black_box(vipd::wire::nft::refusal(bytes));
    for message in vipd::wire::rtnl::messages(bytes) {
        if let vipd::wire::rtnl::Message::Route(route) = &message {
            black_box(route.leads_over(black_box(None)));
        }
        black_box(message);
    }
});
