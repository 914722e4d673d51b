//! Tries of probes that need no script: a socket each, in the one loop, from the question to its answer or the timeout.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use heapless::Vec;

use super::hands::Hands;
use crate::config::{Family, Method, Probe, ProbeId, Target, Url};
use crate::limits::TARGETS_MAX;
use crate::linux::batch::Inbox;
use crate::linux::poll::Waiting;
use crate::linux::query::{Device, Query};
use crate::linux::{Errno, clock};
use crate::probe::http::{self, Reader, Verdict, Wanted};
use crate::probe::{dns, smtp};
use crate::router::{Event, Packet, Router, TryTicket};
use crate::time::Instant;
use crate::wire::frame::Ipv4Packet;
use crate::wire::icmp::Echo;
use crate::wire::{Mac, neighbour};

/// Bytes of a reply, or frames of ARP, that are looked at in one go.
const PIECE_BYTES: usize = 512;

/// Pieces that one turn takes of one reply: a server that sends without end holds nobody up.
const PIECES_PER_TURN_MAX: usize = 8;

/// Those that go on: at most one for each probe.
pub(super) struct Tries {
    all: Vec<Running, TARGETS_MAX>,
    /// How many descriptors they may have, so that some are left for others; 0: there is no want of them.
    descriptors_max: usize,
}

struct Running {
    ticket: TryTicket,
    ends_at: Instant,
    query: Query,
    step: Step,
    /// How many of its URLs have said what they must.
    done: u16,
    is_ready: bool,
}

/// What is sent by UDP where nothing is said: nobody's protocol, and not nothing, which some take for a scan.
const PAYLOAD: &[u8] = &[0; 4];

/// What is waited for.
#[derive(Clone, Copy)]
enum Step {
    /// The reply.
    Echo(Echo),
    /// The answer to who has this address: ours is this MAC.
    Arp(Mac),
    Advertisement,
    Connection,
    Reply(Reader),
    /// The greeting of a mail server.
    Greeting(smtp::Reader),
    /// Any datagram.
    Datagram,
    /// The answer to the question of this number.
    Answer(u16),
}

/// Why a try has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Timeout,
    Refused,
    System(Errno),
    /// What the server says is not what is wanted.
    Reply(Verdict),
    /// What a mail server says is not.
    Greeting(smtp::Verdict),
    /// A name server has this error.
    Answer(u8),
    /// It has closed the connection before that.
    Cut,
    /// A reload has made something else of it.
    Changed,
}

impl From<Errno> for Reason {
    fn from(errno: Errno) -> Self {
        if errno == Errno::ECONNREFUSED { Self::Refused } else { Self::System(errno) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System(errno) => return errno.fmt(f),
            Self::Reply(Verdict::Status(status)) | Self::Greeting(smtp::Verdict::Status(status)) => {
                return write!(f, "status {status}");
            }
            Self::Answer(code) => return write!(f, "the name server says error {code}"),
            Self::Timeout => "no answer in time",
            Self::Refused => "refused",
            Self::Reply(Verdict::TooLong) => "the text is not in the reply's first 64 KiB",
            Self::Reply(Verdict::Digest) => "the page has another digest",
            Self::Reply(_) => "the reply is no HTTP",
            Self::Greeting(_) => "the greeting is no SMTP",
            Self::Cut => "the reply ends too early",
            Self::Changed => "given up by a reload",
        })
    }
}

impl Tries {
    pub(super) const fn new() -> Self {
        Self { all: Vec::new(), descriptors_max: 0 }
    }

    /// Lets them have at most so many descriptors, and at least one.
    pub(super) fn limit(&mut self, descriptors: usize) {
        self.descriptors_max = descriptors.max(1);
    }

    /// What to wait for on behalf of each.
    pub(super) fn interests(&self) -> impl Iterator<Item = Waiting> {
        self.all.iter().map(|running| match running.step {
            Step::Connection => Waiting::to_write(&running.query),
            Step::Echo(_)
            | Step::Arp(_)
            | Step::Advertisement
            | Step::Reply(_)
            | Step::Greeting(_)
            | Step::Datagram
            | Step::Answer(_) => Waiting::to_read(&running.query),
        })
    }

    /// What has become of them, in the order of [`Self::interests`]. `true`: there is something to do.
    pub(super) fn note_ready(&mut self, over: &mut dyn Iterator<Item = bool>) -> bool {
        let mut any = false;
        for running in &mut self.all {
            running.is_ready = over.next() == Some(true);
            any |= running.is_ready;
        }
        any
    }

    /// When the first of them has taken too long.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        self.all.iter().map(|running| running.ends_at).min()
    }

    /// Whether one has taken too long.
    pub(super) fn are_late(&self) -> bool {
        cfg!(feature = "probe-network") && self.ends_at().is_some_and(|at| at <= clock::now())
    }

    /// Begins one.
    ///
    /// # Errors
    /// It could not even be asked.
    #[inline(never)]
    pub(super) fn start(&mut self, router: &Router, probe: ProbeId, ticket: TryTicket) -> Result<(), Reason> {
        let config = router.config();
        let known = (config.probes.get(usize::from(probe.0)), config.target(probe));
        let (Some(Probe { timeout_secs, .. }), Some(target)) = known else { return Err(Reason::Changed) };
        if self.all.is_full() {
            // What a reload has taken out waits for nothing any more.
            self.all.retain(|running| router.probe_of(running.ticket).is_some());
        }
        if cfg!(feature = "ipvs") && self.descriptors_max > 0 && self.all.len() >= self.descriptors_max {
            return Err(Reason::System(Errno::EMFILE));
        }
        let ends_at = clock::now() + Duration::from_secs(u64::from(*timeout_secs));
        let (query, step) = ask(router, target, ticket)?;
        let running = Running { ticket, ends_at, query, step, done: 0, is_ready: false };
        // There is room: a probe has one at a time, and those of others were just taken out.
        self.all.push(running).map_err(|_| Reason::System(Errno::ENOBUFS))
    }
}

impl Hands<'_> {
    /// Takes up the answers that have come, and gives up what takes too long.
    pub(super) fn take_tries(&mut self, inbox: &mut Inbox) {
        if !cfg!(feature = "probe-network") {
            return;
        }
        let now = clock::now();
        // From the end: one that has ended leaves its place to one that has been looked at, or was just begun.
        for place in (0..self.tries.all.len()).rev() {
            let Some(running) = self.tries.all.get_mut(place) else { continue };
            let is_late = running.ends_at <= now;
            if !running.is_ready && !is_late {
                continue;
            }
            let outcome = match running.go_on(self.router, inbox) {
                None if is_late => Some(running.silence(self.router)),
                outcome => outcome,
            };
            if let Some(outcome) = outcome
                && place < self.tries.all.len()
            {
                let Running { ticket, .. } = self.tries.all.swap_remove(place);
                if let Err(Reason::System(errno)) = outcome
                    && errno.is_want_of_room()
                {
                    self.act(Event::Untried(ticket));
                    continue;
                }
                if let Err(reason) = outcome {
                    super::hands::say_trouble_of_try(self.router, ticket, &reason);
                }
                self.act(Event::Tried(ticket, outcome.is_ok()));
            }
        }
    }
}

/// The device that a probe goes through, and its Ethernet address, if it has them.
fn device_of<'r>(router: &'r Router, target: &Target) -> Result<(Option<Device<'r>>, Option<Mac>), Reason> {
    let found = target.interface.map(|id| (router.interface(id), router.config().interface_name(id)));
    match found {
        None => Ok((None, None)),
        Some((None, _)) => Err(Reason::System(Errno::ENODEV)),
        Some((Some((index, mac)), name)) => Ok((Some(Device { name, index }), mac)),
    }
}

/// Opens the socket, and asks.
fn ask(router: &Router, target: &Target, ticket: TryTicket) -> Result<(Query, Step), Reason> {
    let (device, mac) = device_of(router, target)?;
    match target.method {
        Method::Ping => {
            let query = Query::echo(target.address, device)?;
            let cookie = cookie();
            let [_, _, c, d, ..] = cookie;
            let identifier = u16::from_be_bytes([c, d]);
            let is_v6 = target.address.is_ipv6();
            let echo = Echo { is_v6, identifier, sequence: ticket.0, cookie };
            query.send(&echo.request())?;
            Ok((query, Step::Echo(echo)))
        }
        Method::Arp => {
            let (Some(device), Some(mac)) = (device, mac) else {
                return Err(Reason::System(Errno::ENODEV));
            };
            match target.address {
                IpAddr::V4(address) => {
                    let query = Query::arp(address, device)?;
                    query.send_frame(device, &neighbour::arp_question(mac, address))?;
                    Ok((query, Step::Arp(mac)))
                }
                IpAddr::V6(address) => {
                    let query = Query::solicitation(device)?;
                    let message = neighbour::solicitation(mac, address);
                    query.send_to_group(neighbour::solicited_node(address), device, &message)?;
                    Ok((query, Step::Advertisement))
                }
            }
        }
        Method::Udp | Method::Dns | Method::Smtp if !target.method.is_built() => Err(Reason::Changed),
        Method::Tcp | Method::Http | Method::Smtp => {
            Ok((Query::tcp(target.address, target.port, device)?, Step::Connection))
        }
        Method::Udp => {
            let query = Query::udp(target.address, target.port, device)?;
            let payload = router.config().bytes(target.question);
            query.send(if payload.is_empty() { PAYLOAD } else { payload })?;
            Ok((query, Step::Datagram))
        }
        Method::Dns => {
            let query = Query::udp(target.address, target.port, device)?;
            let [a, b, c, d, ..] = cookie();
            let id = u16::from_be_bytes([a ^ c, b ^ d]).wrapping_add(ticket.0);
            let mut buffer = [0; dns::QUESTION_BYTES_MAX];
            let name = router.config().bytes(target.question);
            let len = dns::question(id, target.dns_type, name, &mut buffer).ok();
            query.send(len.and_then(|len| buffer.get(..len)).unwrap_or(&[]))?;
            Ok((query, Step::Answer(id)))
        }
        Method::Script => Err(Reason::Changed),
    }
}

/// When this was asked, to the nanosecond: nobody who does not see the question knows it.
fn cookie() -> [u8; 8] {
    let since = clock::now().since_origin();
    let [a, b, c, d] = since.subsec_nanos().to_be_bytes();
    let [e, f, g, h] = (since.as_secs() as u32).to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

impl Running {
    /// `None`: it goes on.
    fn go_on(&mut self, router: &Router, inbox: &mut Inbox) -> Option<Result<(), Reason>> {
        let config = router.config();
        // One that a reload has taken out, or made a script of, has nobody left to be told.
        let target = router.probe_of(self.ticket).and_then(|probe| config.target(probe));
        let Some(target) = target else { return Some(Err(Reason::Changed)) };
        match self.step {
            Step::Echo(echo) => self.hear(inbox, echo.is_v6, |packet| match packet {
                Packet::V4 { packet, .. } => {
                    Ipv4Packet::parse(packet).is_ok_and(|packet| echo.is_answered_by(packet.payload))
                }
                Packet::V6 { message, .. } => echo.is_answered_by(message),
            }),
            Step::Advertisement => self.hear(inbox, true, |packet| match (packet, target.address) {
                (Packet::V6 { hop_limit, message, .. }, IpAddr::V6(address)) => {
                    neighbour::is_solicited_advertisement(message, hop_limit, address)
                }
                (Packet::V4 { .. } | Packet::V6 { .. }, IpAddr::V4(_) | IpAddr::V6(_)) => false,
            }),
            Step::Arp(mac) => self.hear_arp(mac, target.address),
            Step::Connection if !self.is_ready => None,
            Step::Connection => match self.query.is_connected() {
                Err(errno) => Some(Err(errno.into())),
                Ok(()) if target.method == Method::Http => self.ask_server(router, target),
                Ok(()) if target.method == Method::Smtp && Method::Smtp.is_built() => {
                    self.step = Step::Greeting(smtp::Reader::new());
                    None
                }
                Ok(()) => Some(Ok(())),
            },
            Step::Reply(reader) => self.read_reply(reader, router, target),
            Step::Greeting(_) | Step::Datagram | Step::Answer(_) if !cfg!(feature = "ipvs") => None,
            Step::Greeting(reader) => self.read_greeting(reader),
            Step::Datagram => match self.query.read(&mut [0; PIECE_BYTES]) {
                Ok(datagram) => datagram.map(|_| Ok(())),
                Err(errno) => Some(Err(errno.into())),
            },
            Step::Answer(id) => self.read_answer(id),
        }
    }

    /// The end of one that has had no answer in time.
    fn silence(&self, router: &Router) -> Result<(), Reason> {
        let target = router.probe_of(self.ticket).and_then(|probe| router.config().target(probe));
        if target.is_some_and(Target::is_content_with_silence) { Ok(()) } else { Err(Reason::Timeout) }
    }

    /// The answer of a name server; what is none is passed over.
    fn read_answer(&self, id: u16) -> Option<Result<(), Reason>> {
        let mut buffer = [0; PIECE_BYTES];
        for _ in 0..PIECES_PER_TURN_MAX {
            match self.query.read(&mut buffer) {
                Ok(Some(datagram)) => match dns::answer(id, datagram) {
                    None => {}
                    Some(0) => return Some(Ok(())),
                    Some(code) => return Some(Err(Reason::Answer(code))),
                },
                Ok(None) => break,
                Err(errno) => return Some(Err(errno.into())),
            }
        }
        None
    }

    /// The greeting of a mail server, who is left with a word.
    fn read_greeting(&mut self, mut reader: smtp::Reader) -> Option<Result<(), Reason>> {
        let mut buffer = [0; PIECE_BYTES];
        for _ in 0..PIECES_PER_TURN_MAX {
            match self.query.read(&mut buffer) {
                Ok(None) => break,
                Ok(Some([])) => return Some(Err(Reason::Cut)),
                Ok(Some(piece)) => match reader.take(piece) {
                    smtp::Verdict::Undecided => {}
                    smtp::Verdict::Good => {
                        // It is ready, whatever becomes of that.
                        let _ = self.query.send(smtp::QUIT);
                        return Some(Ok(()));
                    }
                    verdict @ (smtp::Verdict::Status(_) | smtp::Verdict::Garbage) => {
                        return Some(Err(Reason::Greeting(verdict)));
                    }
                },
                Err(errno) => return Some(Err(errno.into())),
            }
        }
        self.step = Step::Greeting(reader);
        None
    }

    /// What the server is asked for now.
    fn url<'r>(&self, router: &'r Router, target: &Target) -> Option<&'r Url> {
        target.urls.of(&router.config().urls).get(usize::from(self.done))
    }

    /// The server has said what it must: it is asked for the next thing, over another connection, or there is none.
    fn ask_for_next(&mut self, router: &Router, target: &Target) -> Option<Result<(), Reason>> {
        self.done += 1;
        if self.url(router, target).is_none() {
            return Some(Ok(()));
        }
        let asked = device_of(router, target)
            .and_then(|(device, _)| Query::tcp(target.address, target.port, device).map_err(Reason::from));
        match asked {
            Ok(query) => {
                self.query = query;
                self.step = Step::Connection;
                None
            }
            Err(reason) => Some(Err(reason)),
        }
    }

    fn hear(
        &self,
        inbox: &mut Inbox,
        is_v6: bool,
        is_answer: impl Fn(Packet<'_>) -> bool,
    ) -> Option<Result<(), Reason>> {
        let family = if is_v6 { Family::V6 } else { Family::V4 };
        match self.query.receive(inbox, family) {
            Ok(mut packets) => packets.any(is_answer).then_some(Ok(())),
            Err(error) => Some(Err(error.errno.into())),
        }
    }

    fn hear_arp(&self, mac: Mac, address: IpAddr) -> Option<Result<(), Reason>> {
        let IpAddr::V4(address) = address else { return Some(Err(Reason::Changed)) };
        let mut buffer = [0; PIECE_BYTES];
        for _ in 0..PIECES_PER_TURN_MAX {
            match self.query.read(&mut buffer) {
                Ok(Some(frame)) if neighbour::is_arp_answer(frame, mac, address) => return Some(Ok(())),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(errno) => return Some(Err(errno.into())),
            }
        }
        None
    }

    /// The connection is there.
    fn ask_server(&mut self, router: &Router, target: &Target) -> Option<Result<(), Reason>> {
        let config = router.config();
        let Some(url) = self.url(router, target) else { return Some(Ok(())) };
        let path = config.text(url.path);
        let path = if path.is_empty() { "/" } else { path };
        let mut buffer = [0; http::REQUEST_BYTES_MAX];
        let host = config.text(url.host);
        let len = http::request(path, host, target.address, target.port, &mut buffer).ok();
        let request = len.and_then(|len| buffer.get(..len)).unwrap_or(&[]);
        if let Err(errno) = self.query.send(request) {
            return Some(Err(errno.into()));
        }
        self.step = Step::Reply(Reader::new());
        None
    }

    fn read_reply(
        &mut self,
        mut reader: Reader,
        router: &Router,
        target: &Target,
    ) -> Option<Result<(), Reason>> {
        let config = router.config();
        // A reload may have taken it out.
        let Some(url) = self.url(router, target) else { return Some(Err(Reason::Changed)) };
        let text = config.text(url.text).as_bytes();
        let digest = config.bytes(url.digest).try_into().ok();
        let wanted = Wanted { status: url.status, text, digest };
        let mut buffer = [0; PIECE_BYTES];
        for _ in 0..PIECES_PER_TURN_MAX {
            match self.query.read(&mut buffer) {
                Ok(None) => break,
                Ok(Some(piece)) => {
                    let is_end = piece.is_empty();
                    match if is_end { reader.end(&wanted) } else { reader.take(piece, &wanted) } {
                        Verdict::Undecided if is_end => return Some(Err(Reason::Cut)),
                        Verdict::Undecided => {}
                        Verdict::Good => return self.ask_for_next(router, target),
                        verdict @ (Verdict::Garbage
                        | Verdict::Status(_)
                        | Verdict::TooLong
                        | Verdict::Digest) => return Some(Err(Reason::Reply(verdict))),
                    }
                }
                Err(errno) => return Some(Err(errno.into())),
            }
        }
        self.step = Step::Reply(reader);
        None
    }
}

#[cfg(feature = "ipvs")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Span, Text, Url};
    use crate::linux::poll;
    use crate::probe::Start;
    use crate::router::{Effect, Effects};
    use std::boxed::Box;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::string::{String, ToString};
    use std::vec::Vec as List;

    /// What a try says of a server that has these pages and no others, and what it has asked for.
    fn outcome(
        pages: &'static [(&str, &str)],
        wanted: &[(&str, &str)],
    ) -> (Result<(), Reason>, List<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = Box::new(Config::new());
        config.clear();
        for (path, text) in wanted {
            let [path, text] = [path, text].map(|text| config.keep_text(text).unwrap());
            let url = Url { path, host: Text::EMPTY, text, digest: Text::EMPTY, status: [200, 299] };
            config.urls.push(url).unwrap();
        }
        let urls = Span { start: 0, len: wanted.len() as u16 };
        let target = Target {
            method: Method::Http,
            address: address.ip(),
            port: address.port(),
            urls,
            ..Target::SCRIPT
        };
        config.targets.push(target).unwrap();
        let probe = Probe {
            name: Text::EMPTY,
            script: Text::EMPTY,
            interval_secs: 1,
            timeout_secs: 10,
            rise: 1,
            fall: 1,
            retry_secs: 0,
            spread_secs: 0,
            start: Start::Up,
            is_weighing: false,
            service: None,
        };
        config.probes.push(probe).unwrap();
        let mut router = Box::new(Router::new());
        let mut effects = Effects::new();
        for event in [Event::Adopt(&mut config), Event::Start { keeps_marks: true, seed: 0 }, Event::Timer] {
            effects.clear();
            router.handle(clock::now(), event, &mut effects);
        }
        let Some(Effect::Try(probe, ticket)) = effects.last().copied() else { panic!() };

        let server = std::thread::spawn(move || {
            let mut asked = List::new();
            loop {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = List::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|len| len > 0) {
                    request.push(byte[0]);
                }
                let Ok(request) = String::from_utf8(request) else { return asked };
                // The test has ended: it connects and says nothing.
                let Some(path) = request.split(' ').nth(1) else { return asked };
                let page = pages.iter().find(|(known, _)| *known == path);
                let (status, page) = page.map_or((404, ""), |(_, page)| (200, *page));
                let _ = write!(stream, "HTTP/1.0 {status} X\r\n\r\n{page}");
                asked.push(path.to_string());
            }
        });
        let mut tries = Box::new(Tries::new());
        let mut inbox = Box::new(Inbox::new());
        tries.start(&router, probe, ticket).unwrap();
        let outcome = loop {
            let mut waiting: List<_> = tries.interests().collect();
            poll::wait(&mut waiting, Some(Duration::from_secs(20))).unwrap();
            assert!(tries.note_ready(&mut waiting.iter().map(|waiting| waiting.is_over())));
            if let Some(outcome) = tries.all[0].go_on(&router, &mut inbox) {
                break outcome;
            }
        };
        drop(std::net::TcpStream::connect(address).unwrap());
        (outcome, server.join().unwrap())
    }

    #[test]
    fn several_things_are_asked_for_one_after_another_until_one_is_not_as_wanted() {
        const PAGES: &[(&str, &str)] = &[("/", "welcome"), ("/health", "all is well"), ("/load", "0.7")];
        let (outcome_of_all, asked) = outcome(PAGES, &[("", "welcome"), ("/health", "well"), ("/load", "")]);
        assert_eq!((outcome_of_all, asked), (Ok(()), ["/", "/health", "/load"].map(String::from).to_vec()));
        let (result, asked) = outcome(PAGES, &[("/health", ""), ("/health", "ill"), ("/load", "")]);
        assert_eq!((result, asked.len()), (Err(Reason::Cut), 2));
        let (result, asked) = outcome(PAGES, &[("/load", "0.7"), ("/none", "")]);
        assert_eq!((result, asked.len()), (Err(Reason::Reply(Verdict::Status(404))), 2));
    }
}
