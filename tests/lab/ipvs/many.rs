//! As many as the board `balancer` has room for: a hundred virtual servers with ten real ones each.

use std::fmt::Write as _;
use std::net::{Ipv6Addr, Shutdown, TcpListener};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::bench::skip;
use crate::harness::{Footprint, Host, Vipd, eventually};
use crate::lone::SECOND;

use super::bench;
use super::farm::{Farm, VIP};
use super::table::Kernel;

const SERVICES: usize = 100;
const SERVERS: usize = 10;

/// Half of the servers are on each of two hosts, which are asked on another port.
fn config(farm: &Farm) -> String {
    let mut text = String::new();
    for port in 1..=SERVICES {
        let _ = write!(
            text,
            "config virtual_server 's{port}'\n\toption ipaddr '{VIP}'\n\toption port '{port}'\n\
             \toption lb_algo 'rr'\n\toption delay_loop '15'\n\toption connect_timeout '5'\n\toption retry '1'\n\toption delay_before_retry '1'\n"
        );
        for server in 0..SERVERS {
            let _ = writeln!(text, "\tlist real_server 'r{server}'");
        }
    }
    for server in 0..SERVERS {
        let address = &farm.servers[server % 2].address;
        let _ = write!(
            text,
            "config real_server 'r{server}'\n\toption ipaddr '{address}'\n\toption port '{}'\n\
             \toption check 'TCP_CHECK'\n\toption connect_port '80'\n",
            8000 + server
        );
    }
    text
}

/// Port 80 of a host: whoever connects is sent away at once. A hundred connections a second are much for an emulated
/// machine, and nobody wants more of them.
struct Port {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Port {
    fn open(host: &Host) -> Self {
        let bind = || TcpListener::bind((Ipv6Addr::UNSPECIFIED, 80));
        let listener = host.namespace().inside(bind).expect("the port is free");
        let ours = listener.try_clone().expect("descriptors are left");
        let thread = thread::spawn(move || while ours.accept().is_ok() {});
        Self { listener, thread: Some(thread) }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // This wakes who waits in it.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// It is built before, by whoever runs this: nothing can be built on an emulated machine.
fn binary() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("VIPD_STATIC")?).join("balancer/vipd");
    path.exists().then_some(path)
}

#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn a_hundred_services_with_ten_servers_each_are_looked_after() {
    let Some(_bench) = bench() else { return };
    let Some(binary) = binary() else { return skip("VIPD_STATIC names no build of the board balancer") };
    let mut farm = Farm::new(1, 2);
    let mut ports: Vec<_> = farm
        .servers
        .iter_mut()
        .map(|server| {
            server.stop();
            Port::open(&server.host)
        })
        .collect();
    let host = farm.directors[0].clone();
    let kernel = Kernel::of(&host);
    let mut vipd = Vipd::start_binary(binary, &host, &config(&farm), &[]);
    let count = || {
        let services = kernel.services();
        let servers = services.iter().map(|service| kernel.destinations(&service.identity).len());
        (services.len(), servers.sum::<usize>())
    };
    let wait = |what: &str, servers: usize| {
        let began = Instant::now();
        eventually(what, SECOND * 90, || (count() == (SERVICES, servers)).then_some(()));
        began.elapsed()
    };
    let began = wait("all are there", SERVICES * SERVERS);
    eprintln!("{SERVICES} services with {SERVERS} servers each are there after {began:?}");
    thread::sleep(SECOND * 17);
    assert_eq!(count(), (SERVICES, SERVICES * SERVERS), "a round of checks takes none of them out");
    ports.remove(0);
    let took = wait("half of them are gone", SERVICES * SERVERS / 2);
    eprintln!("half of the servers are gone after {took:?}");
    // `delay_loop`, and twice `connect_timeout` with a second between them; and room for a machine that has other things to
    // do.
    assert!(took < Duration::from_secs(15 + 5 + 1 + 5) + SECOND * 10, "{took:?}");
    ports.push(Port::open(&farm.servers[0].host));
    wait("they are back", SERVICES * SERVERS);
    let footprint = Footprint::of(vipd.id());
    eprintln!("{footprint:?}");
    let status = vipd.status();
    assert_eq!(status["virtual_servers"].as_array().map(Vec::len), Some(SERVICES));
    assert!(vipd.process().runs());
}
