//! Answers of IPVS: what is read of them can be asked for, and is read back.

use vipd::wire::Full;
use vipd::wire::ipvs::{self, Counters, Destination, Identity, Message, Service, SyncDaemon, Verb};

/// A datagram.
pub fn ipvs(bytes: &[u8]) {
    if let Some(Err(errno)) = ipvs::family(bytes) {
        assert!(errno > 0);
    }
    let mut of = Identity::Mark { mark: 7, is_v6: false };
    for message in ipvs::messages(bytes) {
        match message {
            Message::Service(service, _) => {
                of = service.identity;
                service_again(&service);
            }
            Message::Destination { destination, .. } => destination_again(&of, &destination),
            Message::Daemon { is_master, interface, id } => {
                let daemon = SyncDaemon { is_master, interface: interface.text(), id: id as u8 };
                let again = told(9, |buffer| ipvs::start_daemon(&daemon, 1, buffer));
                assert_eq!(again, Message::Daemon { is_master, interface, id: id & 0xff });
            }
            Message::Refused { errno, .. } => assert!(errno > 0),
            Message::Accepted { .. } | Message::Done { .. } => {}
        }
    }
}

fn service_again(service: &Service) {
    for verb in [Verb::Add, Verb::Set] {
        let again = told(1, |buffer| ipvs::put_service(verb, service, 1, buffer));
        assert_eq!(again, Message::Service(*service, Counters::default()));
    }
    let gone = told(1, |buffer| ipvs::delete_service(&service.identity, 1, buffer));
    let Message::Service(gone, _) = gone else { panic!("{gone:?}") };
    assert_eq!(gone.identity, service.identity);
}

fn destination_again(of: &Identity, destination: &Destination) {
    let again = told(5, |buffer| ipvs::put_destination(Verb::Set, of, destination, 1, buffer));
    let Message::Destination { destination: again, active: 0, inactive: 0, .. } = again else {
        panic!("{again:?}")
    };
    assert_eq!(again, *destination);
    let Destination { address, port, .. } = *destination;
    let gone = told(5, |buffer| ipvs::delete_destination(of, address, port, 1, buffer));
    let Message::Destination { destination: gone, .. } = gone else { panic!("{gone:?}") };
    assert_eq!((gone.address, gone.port), (address, port));
}

/// What a request would be if the kernel told it, with this command.
fn told(command: u8, write: impl FnOnce(&mut [u8]) -> Result<usize, Full>) -> Message {
    let mut buffer = [0xa5; 2 * ipvs::REQUEST_BYTES_MAX];
    let len = write(&mut buffer).unwrap();
    assert!(len <= ipvs::REQUEST_BYTES_MAX && buffer[len..].iter().all(|byte| *byte == 0xa5));
    buffer[4..6].copy_from_slice(&0x1c_u16.to_ne_bytes());
    buffer[16] = command;
    let mut messages = ipvs::messages(&buffer[..len]);
    let message = messages.next().unwrap();
    assert_eq!(messages.next(), None);
    message
}
