//! An answer of IPVS, and requests about what was read.
#![no_std]
#![no_main]

use core::hint::black_box;

use vipd::wire::ipvs::{self, Identity, Message, SyncDaemon, Timeouts, Verb};

panic_free::prove!(|bytes| {
    let _ = black_box(ipvs::family(bytes));
    let mut buffer = [0; 512];
    let mut of = Identity::Mark { mark: black_box(1), is_v6: black_box(false) };
    for message in ipvs::messages(bytes) {
        let len = black_box(0_usize);
        let Some(buffer) = black_box(&mut buffer).get_mut(..len) else { continue };
        let written = match black_box(message) {
            Message::Service(service, counters) => {
                black_box((service.scheduler.text(), counters));
                of = service.identity;
                let _ = black_box(ipvs::delete_service(&of, black_box(0), buffer));
                let _ = black_box(ipvs::dump_destinations(&of, black_box(0), buffer));
                ipvs::put_service(black_box(Verb::Add), &service, black_box(0), buffer)
            }
            Message::Destination { destination, .. } => {
                let (address, port) = (destination.address, destination.port);
                let _ = black_box(ipvs::delete_destination(&of, address, port, black_box(0), buffer));
                ipvs::put_destination(black_box(Verb::Set), &of, &destination, black_box(0), buffer)
            }
            Message::Daemon { is_master, interface, id } => {
                let daemon = SyncDaemon { is_master, interface: interface.text(), id: id as u8 };
                let _ = black_box(ipvs::stop_daemon(&daemon, black_box(0), buffer));
                ipvs::start_daemon(&daemon, black_box(0), buffer)
            }
            Message::Accepted { sequence } => ipvs::find_family(sequence, buffer),
            Message::Done { sequence, .. } => ipvs::dump_services(sequence, buffer),
            Message::Refused { sequence, .. } => ipvs::set_timeouts(&Timeouts::default(), sequence, buffer),
        };
        let _ = black_box(written);
    }
});
