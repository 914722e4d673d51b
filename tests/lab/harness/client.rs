//! A user of the virtual address: pings it without pause, through the kernel's own neighbour cache.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::capture::option;
use super::forge::checksum;
use super::host::Host;
use super::now;

const ECHO_HEADER_BYTES: usize = 8;

/// Pings one address at a steady pace until it is stopped.
pub(crate) struct Client {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    sender: JoinHandle<Vec<Duration>>,
    receiver: JoinHandle<BTreeMap<u64, Duration>>,
}

/// What became of the pings.
pub(crate) struct Pings {
    /// Moment of sending, and of the answer if there was one, in order of sending.
    pub(crate) list: Vec<(Duration, Option<Duration>)>,
}

impl Client {
    /// Begins to ping `target` from `host`, once every `period`.
    pub(crate) fn start(host: &Host, target: IpAddr, period: Duration) -> Self {
        let socket =
            Arc::new(host.namespace().inside(|| open(target)).expect("a raw ICMP socket can be opened"));
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let receiver = {
            let (socket, stop, answered) = (socket.clone(), stop.clone(), answered.clone());
            thread::spawn(move || listen(&socket, target, &stop, &answered))
        };
        let sender = {
            let stop = stop.clone();
            thread::spawn(move || send(&socket, target, period, &stop))
        };
        Self { stop, answered, sender, receiver }
    }

    /// How many answers have come.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Stops, and waits a moment for the last answers.
    pub(crate) fn stop(self) -> Pings {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.sender.join().expect("the sender does not panic");
        let mut answers = self.receiver.join().expect("the receiver does not panic");
        let list = sent.into_iter().enumerate();
        Pings { list: list.map(|(number, at)| (at, answers.remove(&(number as u64)))).collect() }
    }
}

impl Pings {
    /// Pings without an answer that were sent between two moments.
    pub(crate) fn lost(&self, from: Duration, to: Duration) -> usize {
        let inside = |at: Duration| from <= at && at <= to;
        let pings = self.list.iter().filter(|(sent, _)| inside(*sent));
        pings.filter(|(_, answer)| answer.is_none()).count()
    }

    /// When the first ping that was lost at or after `from` was sent, and when the first one after it was
    /// answered.
    pub(crate) fn outage(&self, from: Duration) -> Option<(Duration, Duration)> {
        let mut pings = self.list.iter().skip_while(|(sent, _)| *sent < from);
        let (first_lost, _) = pings.find(|(_, answer)| answer.is_none())?;
        let answer = pings.find_map(|(_, answer)| *answer)?;
        Some((*first_lost, answer))
    }
}

fn open(target: IpAddr) -> io::Result<OwnedFd> {
    let (family, protocol) = match target {
        IpAddr::V4(_) => (libc::AF_INET, libc::IPPROTO_ICMP),
        IpAddr::V6(_) => (libc::AF_INET6, libc::IPPROTO_ICMPV6),
    };
    // SAFETY: the descriptor is fresh, and nobody else's.
    let socket = unsafe {
        let descriptor = libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(descriptor)
    };
    let timeout = libc::timeval { tv_sec: 0, tv_usec: 100_000 };
    option(&socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &timeout)?;
    // Nothing waits behind an unresolved neighbour: a ping that cannot go at once is a lost one.
    option(&socket, libc::SOL_SOCKET, libc::SO_SNDBUF, &(1i32 << 20))?;
    Ok(socket)
}

fn send(socket: &OwnedFd, target: IpAddr, period: Duration, stop: &AtomicBool) -> Vec<Duration> {
    let address = socket2::SockAddr::from(SocketAddr::new(target, 0));
    let began = Instant::now();
    let mut sent = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let number = sent.len() as u64;
        let message = echo_request(target, number);
        sent.push(now());
        // SAFETY: both pointers point to live values of the lengths beside them. A failure is a lost ping.
        unsafe {
            libc::sendto(
                socket.as_raw_fd(),
                message.as_ptr().cast(),
                message.len(),
                libc::MSG_DONTWAIT,
                address.as_ptr().cast(),
                address.len(),
            );
        }
        let due = began + period * (sent.len() as u32);
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    sent
}

fn listen(socket: &OwnedFd, target: IpAddr, stop: &AtomicBool, count: &AtomicU64) -> BTreeMap<u64, Duration> {
    let mut answers = BTreeMap::new();
    let mut buffer = [0u8; 256];
    loop {
        // SAFETY: the kernel writes at most the buffer's length.
        let len = unsafe {
            let buffer_len = buffer.len();
            libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer_len, 0)
        };
        let at = now();
        match usize::try_from(len) {
            Ok(len) => {
                if let Some(number) = echo_answer(target, &buffer[..len]) {
                    answers.insert(number, at);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(_) if stop.load(Ordering::Relaxed) => return answers,
            Err(_) => {}
        }
    }
}

/// An echo request whose payload is its number. The kernel sums ICMPv6 itself.
pub(super) fn echo_request(target: IpAddr, number: u64) -> [u8; ECHO_HEADER_BYTES + 8] {
    let mut message = [0; ECHO_HEADER_BYTES + 8];
    message[0] = match target {
        IpAddr::V4(_) => 8,
        IpAddr::V6(_) => 128,
    };
    message[4..6].copy_from_slice(&0x7670u16.to_be_bytes());
    message[6..8].copy_from_slice(&(number as u16).to_be_bytes());
    message[8..].copy_from_slice(&number.to_be_bytes());
    if target.is_ipv4() {
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

/// The number in an echo answer; a raw IPv4 socket delivers the IP header too.
fn echo_answer(target: IpAddr, packet: &[u8]) -> Option<u64> {
    let (message, kind) = match target {
        IpAddr::V4(_) => (packet.get(usize::from(packet.first()? & 15) * 4..)?, 0),
        IpAddr::V6(_) => (packet, 129),
    };
    if *message.first()? != kind || message.get(4..6)? != 0x7670u16.to_be_bytes() {
        return None;
    }
    let number: [u8; 8] = message.get(8..16)?.try_into().ok()?;
    Some(u64::from_be_bytes(number))
}
