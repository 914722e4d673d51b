//! What ipvsadm sends to the kernel, and what that answers: `tests/golden/ipvs.txt`, which `tests/golden/ipvs.sh` writes.
//!
//! For each command of ipvsadm there is one of ours, whose request is the same to the byte. It differs in what the file
//! has zeros for, and in nothing else.
#![cfg(target_endian = "little")]

use std::net::{IpAddr, SocketAddr};

use vipd::wire::Full;
use vipd::wire::ipvs::{
    self, Counters, Destination, Forward, Identity, Message, Name, Protocol, Service, SyncDaemon, Timeouts,
    Tunnel, Verb,
};

/// A command and what followed.
#[derive(Default)]
struct Entry {
    words: Vec<String>,
    requests: Vec<Vec<u8>>,
    answers: Vec<Vec<u8>>,
    printed: Vec<String>,
}

fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut is_answer = false;
    for line in include_str!("ipvs.txt").lines() {
        if let Some(command) = line.strip_prefix("$ ipvsadm ") {
            let words = command.split(' ').map(str::to_string).collect();
            entries.push(Entry { words, ..Entry::default() });
        }
        let (Some(entry), Some((mark, rest))) = (entries.last_mut(), line.split_at_checked(2)) else {
            continue;
        };
        match mark {
            "= " => entry.printed.push(rest.to_string()),
            "> " => entry.requests.push(bytes(rest)),
            "< " => entry.answers.push(bytes(rest)),
            "  " if is_answer => entry.answers.last_mut().unwrap().extend(bytes(rest)),
            "  " => entry.requests.last_mut().unwrap().extend(bytes(rest)),
            _ => {}
        }
        match mark {
            "> " => is_answer = false,
            "< " => is_answer = true,
            _ => {}
        }
    }
    assert!(entries.len() > 60, "{}", entries.len());
    entries
}

fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|digit| *digit != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// What a command asks for, as we say it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ask {
    PutService(Verb, Service),
    DeleteService(Identity),
    PutDestination(Verb, Identity, Destination),
    DeleteDestination(Identity, IpAddr, u16),
    SetTimeouts(Timeouts),
    StartDaemon(SyncDaemon<'static>),
    StopDaemon(SyncDaemon<'static>),
    List,
    ListDaemons,
    /// We never do.
    Clear,
    ListTimeouts,
}

impl Ask {
    fn write(&self, buffer: &mut [u8]) -> Option<Result<usize, Full>> {
        Some(match self {
            Self::PutService(verb, service) => ipvs::put_service(*verb, service, 0, buffer),
            Self::DeleteService(identity) => ipvs::delete_service(identity, 0, buffer),
            Self::PutDestination(verb, of, destination) => {
                ipvs::put_destination(*verb, of, destination, 0, buffer)
            }
            Self::DeleteDestination(of, address, port) => {
                ipvs::delete_destination(of, *address, *port, 0, buffer)
            }
            Self::SetTimeouts(timeouts) => ipvs::set_timeouts(timeouts, 0, buffer),
            Self::StartDaemon(daemon) => ipvs::start_daemon(daemon, 0, buffer),
            Self::StopDaemon(daemon) => ipvs::stop_daemon(daemon, 0, buffer),
            Self::List => ipvs::dump_services(0, buffer),
            Self::ListDaemons => ipvs::dump_daemons(0, buffer),
            Self::Clear | Self::ListTimeouts => return None,
        })
    }

    fn request(&self) -> Option<Vec<u8>> {
        written(|buffer| self.write(buffer))
    }
}

fn written(write: impl FnOnce(&mut [u8]) -> Option<Result<usize, Full>>) -> Option<Vec<u8>> {
    let mut buffer = [0xa5; ipvs::REQUEST_BYTES_MAX];
    let len = write(&mut buffer)?.unwrap();
    Some(buffer[..len].to_vec())
}

/// The words of a command, by name.
struct Words<'a>(&'a [String]);

impl<'a> Words<'a> {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word == name)
    }

    fn after(&self, name: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|word| word == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.after(name).map(|word| word.parse().ok().unwrap())
    }

    fn ask(&self) -> Ask {
        let of = || self.identity();
        match self.0[0].as_str() {
            "-A" => Ask::PutService(Verb::Add, self.service()),
            "-E" => Ask::PutService(Verb::Set, self.service()),
            "-D" => Ask::DeleteService(of()),
            "-a" => Ask::PutDestination(Verb::Add, of(), self.destination()),
            "-e" => Ask::PutDestination(Verb::Set, of(), self.destination()),
            "-d" => {
                let Destination { address, port, .. } = self.destination();
                Ask::DeleteDestination(of(), address, port)
            }
            "-C" => Ask::Clear,
            "--set" => {
                let secs = |position: usize| self.0[position].parse().unwrap();
                Ask::SetTimeouts(Timeouts { tcp_secs: secs(1), tcp_fin_secs: secs(2), udp_secs: secs(3) })
            }
            "--start-daemon" => Ask::StartDaemon(self.daemon()),
            "--stop-daemon" => Ask::StopDaemon(self.daemon()),
            "-Ln" => Ask::List,
            "-L" if self.has("--daemon") => Ask::ListDaemons,
            "-L" if self.has("--timeout") => Ask::ListTimeouts,
            other => unreachable!("{other}"),
        }
    }

    fn identity(&self) -> Identity {
        if let Some(mark) = self.number("-f") {
            return Identity::Mark { mark, is_v6: self.has("-6") };
        }
        let kinds = [("-t", Protocol::Tcp), ("-u", Protocol::Udp), ("--sctp-service", Protocol::Sctp)];
        let of_kind = |(name, protocol)| self.number::<SocketAddr>(name).map(|socket| (socket, protocol));
        let (socket, protocol) = kinds.into_iter().find_map(of_kind).unwrap();
        Identity::Address { protocol, address: socket.ip(), port: socket.port() }
    }

    fn service(&self) -> Service {
        let identity = self.identity();
        let mut flags = 0;
        for word in self.after("-b").unwrap_or("").split(',') {
            flags |= match word {
                "sh-fallback" | "mh-fallback" => ipvs::SCHED_1,
                "sh-port" | "mh-port" => ipvs::SCHED_2,
                _ => 0,
            };
        }
        if self.has("-o") {
            flags |= ipvs::ONE_PACKET;
        }
        let timeout_secs = self.number("-p");
        if timeout_secs.is_some() {
            flags |= ipvs::PERSISTENT;
        }
        let prefix_len = match self.after("-M").map(|mask| (mask.parse(), mask.parse::<IpAddr>())) {
            Some((Ok(bits), _)) => bits,
            Some((_, Ok(IpAddr::V4(mask)))) => mask.to_bits().count_ones() as u8,
            Some(_) => unreachable!("neither a number nor a mask"),
            None if identity.is_v6() => 128,
            None => 32,
        };
        Service {
            identity,
            scheduler: Name::new(self.after("-s").unwrap().as_bytes()).unwrap(),
            flags,
            timeout_secs: timeout_secs.unwrap_or(0),
            prefix_len,
            is_sip: self.after("--pe") == Some("sip"),
        }
    }

    fn destination(&self) -> Destination {
        let server = self.after("-r").unwrap();
        let port_of_service = match self.identity() {
            Identity::Address { port, .. } => port,
            Identity::Mark { .. } => 0,
        };
        let (address, port) = match server.parse::<SocketAddr>() {
            Ok(socket) => (socket.ip(), socket.port()),
            Err(_) => (server.parse().unwrap(), port_of_service),
        };
        let flags = match (self.has("--tun-csum"), self.has("--tun-remcsum")) {
            (true, _) => ipvs::TUNNEL_CHECKSUM,
            (_, true) => ipvs::TUNNEL_REMOTE_CHECKSUM,
            _ => 0,
        };
        let forward = if self.has("-m") {
            Forward::Masquerade
        } else if self.has("-i") {
            Forward::Tunnel(match self.after("--tun-type") {
                Some("gue") => Tunnel::Gue { port: self.number("--tun-port").unwrap(), flags },
                Some("gre") => Tunnel::Gre { flags },
                _ => Tunnel::Ipip,
            })
        } else {
            Forward::Direct
        };
        Destination {
            address,
            port,
            forward,
            weight: self.number("-w").unwrap_or(1),
            upper: self.number("-x").unwrap_or(0),
            lower: self.number("-y").unwrap_or(0),
        }
    }

    fn daemon(&self) -> SyncDaemon<'static> {
        let interface = if self.after("--mcast-interface") == Some("lo") { "lo" } else { "" };
        let is_master = self.0[1] == "master";
        SyncDaemon { is_master, interface, id: self.number("--syncid").unwrap_or(0) }
    }
}

#[test]
fn every_request_is_the_one_that_ipvsadm_sends() {
    for entry in entries() {
        let ask = Words(&entry.words).ask();
        let Some(ours) = ask.request() else { continue };
        assert_eq!(ours, entry.requests[0], "{:?}", entry.words);
        assert!(ask == Ask::List || entry.requests.len() == 1, "{:?}", entry.words);
    }
}

/// What is in the kernel's table after the commands that it has carried out.
#[derive(Default)]
struct Table {
    services: Vec<(Service, Vec<Destination>)>,
    daemons: Vec<SyncDaemon<'static>>,
}

impl Table {
    fn of(&mut self, of: &Identity) -> &mut (Service, Vec<Destination>) {
        self.services.iter_mut().find(|(service, _)| service.identity == *of).unwrap()
    }

    fn apply(&mut self, ask: &Ask) {
        match ask {
            Ask::PutService(Verb::Add, service) => self.services.push((*service, Vec::new())),
            Ask::PutService(Verb::Set, service) => self.of(&service.identity).0 = *service,
            Ask::DeleteService(identity) => {
                self.services.retain(|(service, _)| service.identity != *identity);
            }
            Ask::PutDestination(Verb::Add, of, destination) => self.of(of).1.push(*destination),
            Ask::PutDestination(Verb::Set, of, new) => {
                let destinations = &mut self.of(of).1;
                destinations.retain(|old| (old.address, old.port) != (new.address, new.port));
                destinations.push(*new);
            }
            Ask::DeleteDestination(of, address, port) => {
                self.of(of).1.retain(|old| (old.address, old.port) != (*address, *port));
            }
            Ask::StartDaemon(daemon) => self.daemons.push(*daemon),
            Ask::StopDaemon(daemon) => self.daemons.retain(|old| old.is_master != daemon.is_master),
            Ask::Clear => self.services.clear(),
            Ask::SetTimeouts(_) | Ask::List | Ask::ListDaemons | Ask::ListTimeouts => {}
        }
    }
}

/// The error that ipvsadm has these words for.
fn errno_of(printed: &str) -> i32 {
    match printed {
        "Scheduler or persistence engine not found" | "No such destination" => 2,
        "No such service" | "Service not defined" | "No daemon is running" => 3,
        "Service already exists" | "Destination already exists" => 17,
        "Invalid operation.  Possibly wrong module version, address not unicast, ..." => 22,
        other => panic!("{other}"),
    }
}

/// What each list of an answer tells.
fn lists(entry: &Entry) -> Vec<Vec<Message>> {
    let mut lists = Vec::from([Vec::new()]);
    for message in entry.answers.iter().flat_map(|answer| ipvs::messages(answer)) {
        match message {
            Message::Done { is_torn, .. } => {
                assert!(!is_torn);
                lists.push(Vec::new());
            }
            _ => lists.last_mut().unwrap().push(message),
        }
    }
    assert!(lists.pop().unwrap().is_empty(), "the last one is whole");
    lists
}

/// The same ones, in any order.
fn same<T: PartialEq + std::fmt::Debug>(told: &[T], expected: &[T]) {
    assert_eq!(told.len(), expected.len(), "{told:?} {expected:?}");
    for one in expected {
        assert!(told.contains(one), "{one:?} is not among {told:?}");
    }
}

/// Lines of a list before its first service.
const HEAD_LINES: usize = 3;

fn forward_word(forward: Forward) -> &'static str {
    match forward {
        Forward::Masquerade => "Masq",
        Forward::Local => "Local",
        Forward::Tunnel(_) => "Tunnel",
        Forward::Direct => "Route",
    }
}

fn numbers(counters: &Counters) -> [u64; 5] {
    let Counters { connections, packets_in, packets_out, bytes_in, bytes_out } = *counters;
    [connections, packets_in, packets_out, bytes_in, bytes_out]
}

/// A line of ipvsadm's list, with one space where that has many.
fn line_of(message: &Message, with_counters: bool) -> String {
    let numbers = |counters| numbers(counters).map(|number| number.to_string()).join(" ");
    match message {
        Message::Service(service, counters) => {
            let name = match service.identity {
                Identity::Address { protocol, address, port } => {
                    let protocol = format!("{protocol:?}").to_uppercase();
                    format!("{protocol} {}", SocketAddr::new(address, port))
                }
                Identity::Mark { mark, is_v6 } => format!("FWM {mark}{}", if is_v6 { " IPv6" } else { "" }),
            };
            if with_counters {
                return format!("{name} {}", numbers(counters));
            }
            let mut line = format!("{name} {}", service.scheduler.text());
            let has = |flag| service.flags & flag != 0;
            let scheduling = [(ipvs::SCHED_1, "fallback"), (ipvs::SCHED_2, "port")];
            let scheduling: Vec<_> = scheduling
                .into_iter()
                .filter(|(flag, _)| has(*flag))
                .map(|(_, word)| format!("{}-{word}", service.scheduler.text()))
                .collect();
            if !scheduling.is_empty() {
                line += &format!(" ({})", scheduling.join(","));
            }
            if has(ipvs::PERSISTENT) {
                line += &format!(" persistent {}", service.timeout_secs);
            }
            match (service.identity.is_v6(), service.prefix_len) {
                (true, 128) | (false, 32) => {}
                (true, bits) => line += &format!(" mask {bits}"),
                (false, 24) => line += " mask 255.255.255.0",
                (false, other) => panic!("{other}"),
            }
            if service.is_sip {
                line += " pe sip";
            }
            if has(ipvs::ONE_PACKET) {
                line += " ops";
            }
            line
        }
        Message::Destination { destination, active, inactive, counters } => {
            let Destination { address, port, forward, weight, .. } = destination;
            let name = format!("-> {}", SocketAddr::new(*address, *port));
            if with_counters {
                return format!("{name} {}", numbers(counters));
            }
            format!("{name} {} {weight} {active} {inactive}", forward_word(*forward))
        }
        other => panic!("{other:?}"),
    }
}

/// The kernel's answers, read by us, against what ipvsadm makes of them, and lists against what was asked for.
#[test]
fn every_answer_is_read_as_ipvsadm_reads_it_and_a_list_tells_what_was_asked_for() {
    let mut table = Table::default();
    let mut lists_of_services = 0;
    for entry in entries() {
        let words = &entry.words;
        let ask = Words(words).ask();
        match ask {
            Ask::ListTimeouts => assert_eq!(entry.printed, ["Timeout (tcp tcpfin udp): 900 60 300"]),
            Ask::ListDaemons => {
                let expected: Vec<_> = table
                    .daemons
                    .iter()
                    .map(|daemon| Message::Daemon {
                        is_master: daemon.is_master,
                        interface: Name::new(daemon.interface.as_bytes()).unwrap(),
                        id: u32::from(daemon.id),
                    })
                    .collect();
                same(&lists(&entry)[0], &expected);
                assert_eq!(entry.printed.len(), expected.len());
            }
            Ask::List => {
                lists_of_services += 1;
                check_list(&entry, &table);
            }
            _ => {
                assert_eq!(entry.answers.len(), 1);
                let answer = ipvs::messages(&entry.answers[0]).collect::<Vec<_>>();
                match &entry.printed[..] {
                    [] => {
                        assert_eq!(answer, [Message::Accepted { sequence: 0 }], "{words:?}");
                        table.apply(&ask);
                    }
                    [reason, status] => {
                        let errno = errno_of(reason);
                        assert_eq!(answer, [Message::Refused { sequence: 0, errno }], "{words:?}");
                        assert_eq!(status, "exit status 255");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert_eq!(lists_of_services, 3);
}

/// One of all services, then one of the destinations of each, as they are asked for.
fn check_list(entry: &Entry, table: &Table) {
    let lists = lists(entry);
    let services: Vec<_> = table.services.iter().map(|(service, _)| *service).collect();
    let told: Vec<_> = lists[0]
        .iter()
        .map(|message| match message {
            Message::Service(service, _) => *service,
            other => panic!("{other:?}"),
        })
        .collect();
    same(&told, &services);
    assert_eq!(lists.len(), 1 + services.len());
    assert_eq!(entry.requests.len(), lists.len());

    let with_counters = entry.words.iter().any(|word| word == "--stats");
    let mut lines = Vec::new();
    for (request, list) in entry.requests.iter().zip(&lists).skip(1) {
        let is_of = |of: &Identity| {
            written(|buffer| Some(ipvs::dump_destinations(of, 0, buffer))).as_ref() == Some(request)
        };
        let (service, expected) =
            table.services.iter().find(|(service, _)| is_of(&service.identity)).expect("one asks as we do");
        let told: Vec<_> = list
            .iter()
            .map(|message| match message {
                Message::Destination { destination, .. } => *destination,
                other => panic!("{other:?}"),
            })
            .collect();
        same(&told, expected);
        let is_it = |message: &&Message| matches!(message, Message::Service(told, _) if told == service);
        lines.push(line_of(lists[0].iter().find(is_it).unwrap(), with_counters));
        lines.extend(list.iter().map(|message| line_of(message, with_counters)));
    }
    let squeezed = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed: Vec<_> = entry.printed[HEAD_LINES..].iter().map(squeezed).collect();
    assert_eq!(lines.len(), printed.len());
    same(&lines, &printed);
    let moved =
        |message: &Message| matches!(message, Message::Service(_, counters) if counters.bytes_out > 0);
    assert!(!with_counters || lists[0].iter().all(moved), "nothing is compared");
}
