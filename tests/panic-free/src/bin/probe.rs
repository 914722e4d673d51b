//! Whatever answers a probe: an echo reply, ARP, a neighbour advertisement, HTTP, DNS, SMTP.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vipd::probe::http::{self, Reader, Wanted};
use vipd::probe::{dns, smtp};
use vipd::wire::icmp::Echo;
use vipd::wire::{Mac, neighbour};

panic_free::prove!(|bytes| {
    let echo: Echo = black_box(Echo { is_v6: false, identifier: 1, sequence: 2, cookie: [0; 8] });
    black_box(echo.request());
    black_box(echo.is_answered_by(bytes));
    let (mac, v4, v6) = black_box((Mac([0; 6]), Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST));
    black_box((neighbour::arp_question(mac, v4), neighbour::is_arp_answer(bytes, mac, v4)));
    black_box((neighbour::solicitation(mac, v6), neighbour::solicited_node(v6)));
    black_box(neighbour::is_solicited_advertisement(bytes, black_box(255), v6));
    let mut reader = black_box(Reader::new());
    let (status, text) = black_box(([200, 299], bytes));
    while black_box(true) {
        let wanted = Wanted { status, text, digest: black_box(None) };
        black_box(reader.take(black_box(bytes), &wanted));
        black_box(reader.end(&wanted));
    }
    let mut greeting = black_box(smtp::Reader::new());
    while black_box(true) {
        black_box(greeting.take(black_box(bytes)));
    }
    black_box(dns::answer(black_box(1), bytes));
    let mut request = [0; 2048];
    let _ = black_box(dns::question(black_box(1), black_box(6), bytes, black_box(&mut request)));
    let words = core::str::from_utf8(bytes).unwrap_or("");
    let (address, port): (IpAddr, u16) = black_box((IpAddr::V6(v6), 80));
    let _ = black_box(http::request(words, black_box(words), address, port, black_box(&mut request)));
});
