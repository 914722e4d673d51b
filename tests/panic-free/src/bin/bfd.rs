//! A BFD packet, and a session that is told anything, in any state, by any rules.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::net::IpAddr;
use core::time::Duration;

use vipd::bfd::{Random, Rules, Session};
use vipd::time::Instant;
use vipd::wire::bfd::{Control, datagram};

panic_free::prove!(|bytes| {
    let session = &mut black_box(Session::NEW);
    let random = &mut black_box(Random::NEW);
    let us = || black_box(0_u32);
    while black_box(true) {
        let now = black_box(Instant::from_origin(Duration::ZERO));
        let rules = Rules {
            min_tx_us: us(),
            min_rx_us: us(),
            idle_tx_us: us(),
            multiplier: black_box(0),
            is_passive: black_box(false),
        };
        match black_box(0) {
            0 => session.begin(now, us(), &rules, random),
            1 => session.adopt(now, &rules, random),
            2 => drop(black_box(session.end())),
            3 => drop(black_box(session.timer(now, &rules, random))),
            _ => match black_box(Control::parse(black_box(bytes))) {
                Ok(control) => drop(black_box(session.receive(now, &control, &rules, random))),
                Err(reason) => drop(black_box(reason.name())),
            },
        }
        let session = black_box(&mut *session);
        black_box((session.poll_at(), session.is_overdue(now)));
        black_box((session.interval_us(&rules), session.detection_us(), session.remote_state().name()));
        let mut buffer = [0; 64];
        if let Some(control) = session.control(&rules, black_box(true)) {
            let [source, destination]: [IpAddr; 2] = black_box([IpAddr::from([0; 4]), IpAddr::from([0; 16])]);
            let _ = black_box(control.emit(black_box(&mut buffer)));
            let len = black_box(0_usize);
            if let Some(buffer) = black_box(&mut buffer).get_mut(..len) {
                let _ = black_box(datagram(&control, black_box(0), source, destination, buffer));
            }
        }
    }
});
