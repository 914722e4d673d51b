//! A director's table, as ipvsadm reads it and as we do.

use std::cell::Cell;
use std::process::Command;

use vipd::linux::ipvs::{DATAGRAM_BYTES_MAX, IpvsSocket};
use vipd::linux::netlink::Received;
use vipd::wire::Full;
use vipd::wire::ipvs::{self, Destination, Identity, Message, Service};

use crate::harness::{Host, program};

/// Why these tests cannot be run, if they cannot.
pub(super) fn missing() -> Option<String> {
    let found = IpvsSocket::open().and_then(|socket| socket.find_family());
    match found {
        Err(error) => Some(format!("{error}: tests/run balance has a kernel with IPVS")),
        Ok(()) => program("ipvsadm").is_none().then(|| "ipvsadm is not installed".to_owned()),
    }
}

/// Runs ipvsadm with these words, which must succeed, and returns what it prints.
pub(super) fn ipvsadm(host: &Host, words: &str) -> String {
    let output = command(host).args(words.split_whitespace()).output().expect("ipvsadm is installed");
    assert!(output.status.success(), "ipvsadm {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn command(host: &Host) -> Command {
    host.command(program("ipvsadm").expect("ipvsadm is installed").to_str().expect("its path is text"))
}

/// The table as the commands that make it (`ipvsadm -Sn`), sorted: `-A -t 10.0.0.100:80 -s rr`,
/// `-a -t 10.0.0.100:80 -r 10.1.0.11:80 -m -w 1`.
pub(super) fn rules(host: &Host) -> Vec<String> {
    let mut rules: Vec<_> = ipvsadm(host, "-Sn").lines().map(squeezed).collect();
    rules.sort_unstable();
    rules
}

/// The lines of `ipvsadm -Ln` without its head, with one space where it has many: `TCP 10.0.0.100:80 rr`,
/// `-> 10.1.0.11:80 Masq 1 0 2`, the last two being active and inactive connections.
pub(super) fn lines(host: &Host) -> Vec<String> {
    ipvsadm(host, "-Ln").lines().skip(3).map(squeezed).collect()
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Our own way to a director's table. It needs no program: a look at the table takes a millisecond.
pub(super) struct Kernel {
    pub(super) socket: IpvsSocket,
    sequence: Cell<u32>,
}

impl Kernel {
    pub(super) fn of(host: &Host) -> Self {
        let socket = host.namespace().inside(IpvsSocket::open).expect("such a socket can be opened");
        socket.find_family().expect("the kernel has IPVS");
        Self { socket, sequence: Cell::new(0) }
    }

    /// Sends a request and reads all that the kernel answers, its last word aside: that it was done, or why not.
    pub(super) fn ask(
        &self,
        write: impl FnOnce(u32, &mut [u8]) -> Result<usize, Full>,
    ) -> Result<Vec<Message>, i32> {
        let ours = self.send(write);
        let mut told = Vec::new();
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        loop {
            let received = self.socket.receive(&mut buffer).expect("it can be read");
            let Received::Datagram(datagram) = received else {
                panic!("{received:?} before the end of the answer");
            };
            for message in ipvs::messages(datagram) {
                match message {
                    Message::Accepted { sequence } if sequence == ours => return Ok(told),
                    Message::Done { sequence, is_torn } if sequence == ours => {
                        assert!(!is_torn);
                        return Ok(told);
                    }
                    Message::Refused { sequence, errno } if sequence == ours => return Err(errno),
                    // The answer to something before, whose sender did not wait for it.
                    Message::Accepted { .. } | Message::Done { .. } | Message::Refused { .. } => {}
                    Message::Service(..) | Message::Destination { .. } | Message::Daemon { .. } => {
                        told.push(message);
                    }
                }
            }
        }
    }

    /// Sends a request, and leaves its answer in the socket.
    pub(super) fn send(&self, write: impl FnOnce(u32, &mut [u8]) -> Result<usize, Full>) -> u32 {
        self.sequence.set(self.sequence.get() + 1);
        let mut buffer = [0xa5; ipvs::REQUEST_BYTES_MAX];
        let len = write(self.sequence.get(), &mut buffer).expect("there is room");
        self.socket.send(&mut buffer[..len]).expect("the kernel takes it");
        self.sequence.get()
    }

    pub(super) fn services(&self) -> Vec<Service> {
        let told = self.ask(ipvs::dump_services).expect("it lists them");
        let service = |message| {
            let Message::Service(service, _) = message else { panic!("{message:?}") };
            service
        };
        told.into_iter().map(service).collect()
    }

    pub(super) fn destinations(&self, of: &Identity) -> Vec<Destination> {
        let told = self.ask(|sequence, buffer| ipvs::dump_destinations(of, sequence, buffer));
        let destination = |message| {
            let Message::Destination { destination, .. } = message else { panic!("{message:?}") };
            destination
        };
        told.expect("it lists them").into_iter().map(destination).collect()
    }
}
