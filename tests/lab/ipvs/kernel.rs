//! Our requests and our socket on a kernel that has IPVS.

use std::net::{IpAddr, Ipv4Addr};

use vipd::linux::ipvs::DATAGRAM_BYTES_MAX;
use vipd::linux::netlink::Received;
use vipd::wire::ipvs::{
    self, Destination, Forward, Identity, Message, Name, Protocol, Service, SyncDaemon, Timeouts, Tunnel,
    Verb,
};

use crate::harness::Host;

use super::bench;
use super::table::{Kernel, ipvsadm, rules};

const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EBUSY: i32 = 16;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;

fn service(port: u16) -> Service {
    let address = Ipv4Addr::new(10, 0, 0, 100).into();
    Service {
        identity: Identity::Address { protocol: Protocol::Tcp, address, port },
        scheduler: Name::new(b"rr").unwrap(),
        flags: 0,
        timeout_secs: 0,
        prefix_len: 32,
        is_sip: false,
    }
}

fn destination(number: u8) -> Destination {
    let address = Ipv4Addr::new(10, 1, 0, number).into();
    Destination { address, port: 80, forward: Forward::Masquerade, weight: 1, upper: 0, lower: 0 }
}

impl Kernel {
    fn put(&self, verb: Verb, service: &Service) -> Result<(), i32> {
        self.ask(|sequence, buffer| ipvs::put_service(verb, service, sequence, buffer)).map(drop)
    }

    fn delete(&self, identity: &Identity) -> Result<(), i32> {
        self.ask(|sequence, buffer| ipvs::delete_service(identity, sequence, buffer)).map(drop)
    }

    fn put_server(&self, verb: Verb, of: &Identity, destination: &Destination) -> Result<(), i32> {
        self.ask(|sequence, buffer| ipvs::put_destination(verb, of, destination, sequence, buffer)).map(drop)
    }

    fn delete_server(&self, of: &Identity, address: IpAddr, port: u16) -> Result<(), i32> {
        self.ask(|sequence, buffer| ipvs::delete_destination(of, address, port, sequence, buffer)).map(drop)
    }
}

#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn a_service_and_its_servers_come_change_and_go_and_what_is_wrong_is_refused() {
    let Some(_bench) = bench() else { return };
    let host = Host::new("director");
    let kernel = Kernel::of(&host);
    assert_eq!(kernel.services(), []);
    let (web, one) = (service(80), destination(1));
    let of = &web.identity;
    assert_eq!(kernel.put(Verb::Set, &web), Err(ESRCH));
    assert_eq!(kernel.put_server(Verb::Add, of, &one), Err(ESRCH));
    assert_eq!(kernel.delete(of), Err(ESRCH));
    assert_eq!(kernel.destinations(of), []);

    assert_eq!(kernel.put(Verb::Add, &web), Ok(()));
    assert_eq!(kernel.put(Verb::Add, &web), Err(EEXIST));
    assert_eq!(kernel.services(), [web]);
    let nonsense = Service { scheduler: Name::new(b"nonsense").unwrap(), ..service(81) };
    assert_eq!(kernel.put(Verb::Add, &nonsense), Err(ENOENT));

    assert_eq!(kernel.put_server(Verb::Set, of, &one), Err(ENOENT));
    assert_eq!(kernel.delete_server(of, one.address, 80), Err(ENOENT));
    assert_eq!(kernel.put_server(Verb::Add, of, &one), Ok(()));
    assert_eq!(kernel.put_server(Verb::Add, of, &one), Err(EEXIST));
    assert_eq!(kernel.destinations(of), [one]);
    assert_eq!(rules(&host), ["-A -t 10.0.0.100:80 -s rr", "-a -t 10.0.0.100:80 -r 10.1.0.1:80 -m -w 1"]);

    // Every way to forward, and back to the first.
    let gue = Tunnel::Gue { port: 5555, flags: ipvs::TUNNEL_CHECKSUM };
    let gre = Tunnel::Gre { flags: 0 };
    let ways = [Tunnel::Ipip, gue, gre].map(Forward::Tunnel);
    for forward in ways.into_iter().chain([Forward::Direct, Forward::Masquerade]) {
        let changed = Destination { forward, weight: 0, upper: 9, lower: 5, ..one };
        assert_eq!(kernel.put_server(Verb::Set, of, &changed), Ok(()));
        assert_eq!(kernel.destinations(of), [changed]);
    }
    let sticky = Service { flags: ipvs::PERSISTENT, timeout_secs: 60, prefix_len: 24, ..web };
    assert_eq!(kernel.put(Verb::Set, &sticky), Ok(()));
    assert_eq!(kernel.services(), [sticky]);
    assert_eq!(kernel.destinations(of).len(), 1, "they stay when their service changes");

    assert_eq!(kernel.delete_server(of, one.address, 80), Ok(()));
    assert_eq!(kernel.destinations(of), []);
    assert_eq!(kernel.put_server(Verb::Add, of, &one), Ok(()), "one that is deleted can come again");
    assert_eq!(kernel.delete(of), Ok(()));
    assert_eq!(rules(&host), [""; 0]);
}

/// Linux finds out by itself that a server is this host, and tells what it was told.
#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn a_server_that_is_the_director_itself_is_told_of_as_it_was_asked_for() {
    let Some(_bench) = bench() else { return };
    let kernel = Kernel::of(&Host::new("director"));
    let web = service(80);
    kernel.put(Verb::Add, &web).unwrap();
    let mut expected = Vec::new();
    for (number, forward) in [(1, Forward::Direct), (2, Forward::Masquerade), (3, Forward::Local)] {
        let address = Ipv4Addr::new(127, 0, 0, number).into();
        let own = Destination { address, forward, ..destination(0) };
        kernel.put_server(Verb::Add, &web.identity, &own).unwrap();
        expected.push(own);
    }
    let mut told = kernel.destinations(&web.identity);
    told.sort_unstable_by_key(|destination| destination.address);
    assert_eq!(told, expected);
}

#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn a_list_of_any_length_comes_whole_and_one_at_a_time() {
    let Some(_bench) = bench() else { return };
    let kernel = Kernel::of(&Host::new("director"));
    let all: Vec<_> = (1..=100).map(service).collect();
    for one in &all {
        kernel.put(Verb::Add, one).unwrap();
    }
    let servers: Vec<_> = (1..=100).map(destination).collect();
    for one in &servers {
        kernel.put_server(Verb::Add, &all[0].identity, one).unwrap();
    }
    let mut told = kernel.services();
    told.sort_unstable_by_key(|service| match service.identity {
        Identity::Address { port, .. } => port,
        Identity::Mark { .. } => 0,
    });
    assert_eq!(told, all);
    let mut told = kernel.destinations(&all[0].identity);
    told.sort_unstable_by_key(|destination| destination.address);
    assert_eq!(told, servers);

    kernel.send(ipvs::dump_services);
    let second = kernel.send(ipvs::dump_services);
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    let mut answers = Vec::new();
    while let Received::Datagram(datagram) = kernel.socket.receive(&mut buffer).unwrap() {
        assert!(datagram.len() < DATAGRAM_BYTES_MAX);
        answers.extend(ipvs::messages(datagram).filter(|message| !matches!(message, Message::Service(..))));
    }
    assert!(answers.contains(&Message::Refused { sequence: second, errno: EBUSY }), "{answers:?}");
    assert!(answers.contains(&Message::Done { sequence: second - 1, is_torn: false }), "{answers:?}");
}

#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn answers_that_are_not_read_overrun_and_reading_goes_on_after() {
    let Some(_bench) = bench() else { return };
    let kernel = Kernel::of(&Host::new("director"));
    let identity = service(80).identity;
    for _ in 0..2000 {
        kernel.send(|sequence, buffer| ipvs::delete_service(&identity, sequence, buffer));
    }
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    let (mut overruns, mut answers) = (0, 0);
    loop {
        match kernel.socket.receive(&mut buffer).unwrap() {
            Received::Datagram(_) => answers += 1,
            Received::Overrun => overruns += 1,
            Received::Nothing => break,
        }
    }
    assert!(overruns > 0 && (1..2000).contains(&answers), "{overruns} {answers}");
    assert_eq!(kernel.delete(&identity), Err(ESRCH));
}

#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn timeouts_are_set_and_ends_of_the_exchange_are_started_and_stopped() {
    let Some(_bench) = bench() else { return };
    let host = Host::new("director");
    let kernel = Kernel::of(&host);
    let set = |tcp_secs, tcp_fin_secs, udp_secs| {
        let timeouts = Timeouts { tcp_secs, tcp_fin_secs, udp_secs };
        kernel.ask(|sequence, buffer| ipvs::set_timeouts(&timeouts, sequence, buffer)).map(drop)
    };
    assert_eq!(set(800, 100, 200), Ok(()));
    assert_eq!(set(0, 50, 0), Ok(()));
    assert_eq!(ipvsadm(&host, "-L --timeout").trim(), "Timeout (tcp tcpfin udp): 800 50 200");

    let start =
        |daemon| kernel.ask(|sequence, buffer| ipvs::start_daemon(&daemon, sequence, buffer)).map(drop);
    // One that has not run yet is stopped without a word.
    let stop = |daemon| {
        kernel.send(|sequence, buffer| ipvs::stop_daemon(&daemon, sequence, buffer));
    };
    let list = || kernel.ask(ipvs::dump_daemons).unwrap();
    let [master, backup] = [true, false].map(|is_master| SyncDaemon { is_master, interface: "lo", id: 7 });
    let told = |is_master| Message::Daemon { is_master, interface: Name::new(b"lo").unwrap(), id: 7 };
    let refused = kernel.ask(|sequence, buffer| ipvs::stop_daemon(&master, sequence, buffer));
    assert_eq!(refused, Err(ESRCH));
    assert_eq!(start(master), Ok(()));
    assert_eq!(start(master), Err(EEXIST));
    assert_eq!(list(), [told(true)]);
    assert_eq!(start(backup), Ok(()), "a host can be both");
    assert_eq!(list(), [told(true), told(false)]);
    stop(master);
    assert_eq!(list(), [told(false)]);

    // A server of the other family cannot be told of, so it is not taken while somebody listens.
    let web = service(80);
    kernel.put(Verb::Add, &web).unwrap();
    let tunnel = Forward::Tunnel(Tunnel::Ipip);
    let other = Destination { address: "fd00:1::1".parse().unwrap(), forward: tunnel, ..destination(0) };
    assert_eq!(kernel.put_server(Verb::Add, &web.identity, &other), Err(EINVAL));
    stop(backup);
    assert_eq!(list(), []);
    assert_eq!(kernel.put_server(Verb::Add, &web.identity, &other), Ok(()));
    assert_eq!(start(backup), Err(EINVAL), "nor the other way round");
}
