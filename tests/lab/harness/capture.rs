//! The tap on the switch: every frame that enters it, with the kernel's timestamp.

use std::fmt;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::namespace::Namespace;
use super::segment::Port;
use super::{eventually, now};

pub(super) const FRAME_BYTES_MAX: usize = 2048;
const BUFFER_BYTES: i32 = 32 << 20;

/// Records from its making to its end. A failing test prints what it saw last.
pub(crate) struct Capture {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

struct Shared {
    frames: Mutex<Vec<Frame>>,
    dropped: AtomicU32,
    stop: AtomicBool,
}

/// A frame as it entered the switch.
#[derive(Clone)]
pub(crate) struct Frame {
    /// When, since 1970: the kernel's stamp.
    pub(crate) at: Duration,
    /// Through which port; see [`Port::index`].
    pub(crate) port: u32,
    /// The whole frame.
    pub(crate) bytes: Box<[u8]>,
}

/// What a router says to claim an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// A VRRP advertisement.
    Advert(Vrrp),
    /// A gratuitous ARP for this address.
    Arp(Ipv4Addr),
    /// An unsolicited neighbour advertisement for this address.
    Neighbour(Ipv6Addr),
}

/// What an advertisement says. Read without the program's own parser, which is on trial here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vrrp {
    pub(crate) version: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) interval: Duration,
    pub(crate) ttl: u8,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) addresses: Vec<IpAddr>,
}

/// An IP packet of either family.
pub(super) struct Packet<'a> {
    pub(super) ttl: u8,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) payload: &'a [u8],
}

impl Capture {
    pub(super) fn start(namespace: &Namespace) -> Self {
        let (socket, switch) = namespace
            .inside(|| open().map(|socket| (socket, switch_index())))
            .expect("a packet socket can be opened");
        let shared = Arc::new(Shared {
            frames: Mutex::new(Vec::new()),
            dropped: AtomicU32::new(0),
            stop: AtomicBool::new(false),
        });
        let sharer = Arc::clone(&shared);
        let worker = thread::spawn(move || sharer.record(&socket, switch));
        Self { shared, worker: Some(worker) }
    }

    /// Forgets everything up to now, where a long time is to be recorded.
    #[allow(dead_code)] // The lab's.
    pub(crate) fn forget(&self) {
        self.shared.lock().clear();
    }

    /// Everything up to now.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.shared.lock().clone()
    }

    /// The frames that came from a moment on. They are looked through from the end, which is faster late in a test.
    pub(super) fn frames_since(&self, from: Duration) -> Vec<Frame> {
        let frames = self.shared.lock();
        let count = frames.iter().rev().take_while(|frame| frame.at >= from).count();
        frames[frames.len() - count..].to_vec()
    }

    /// The frames that came between two moments.
    pub(crate) fn between(&self, from: Duration, to: Duration) -> Vec<Frame> {
        let frames = self.shared.lock();
        let inside = frames.iter().filter(|frame| from <= frame.at && frame.at <= to);
        inside.cloned().collect()
    }

    /// The adverts of this port and VRID, from a moment on.
    pub(crate) fn adverts(&self, port: &Port, vrid: u8, from: Duration) -> Vec<(Duration, Vrrp)> {
        let frames = self.shared.lock();
        frames
            .iter()
            .filter(|frame| frame.port == port.index() && frame.at >= from)
            .filter_map(|frame| Some((frame.at, frame.vrrp()?)))
            .filter(|(_, vrrp)| vrrp.vrid == vrid)
            .collect()
    }

    /// Waits for the first frame from `from` on that `wanted` makes something of.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        from: Duration,
        limit: Duration,
        mut wanted: impl FnMut(&Frame) -> Option<T>,
    ) -> T {
        let mut seen = 0;
        eventually(what, limit, || {
            let frames = self.shared.lock();
            let fresh = &frames[seen..];
            seen = frames.len();
            let mut fresh = fresh.iter().filter(|frame| frame.at >= from);
            fresh.find_map(&mut wanted)
        })
    }

    /// Waits for an advert of this port and VRID with a priority above zero; returns its moment.
    pub(crate) fn wait_advert(
        &self,
        port: &Port,
        vrid: u8,
        from: Duration,
        limit: Duration,
    ) -> (Duration, Vrrp) {
        let what = format!("an advert of VRID {vrid} through port {}", port.index());
        self.wait(&what, from, limit, |frame| {
            let vrrp = frame.vrrp()?;
            (frame.port == port.index() && vrrp.vrid == vrid && vrrp.priority > 0).then_some((frame.at, vrrp))
        })
    }

    /// How many frames the kernel could not hand over: the capture's own failing.
    pub(crate) fn dropped(&self) -> u32 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes what came through one port, or everything, as a pcap file with nanoseconds (link type Ethernet).
    pub(crate) fn save(&self, path: &Path, port: Option<&Port>) {
        let mut file = Vec::new();
        for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 65_535, 1u32] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        let frames = self.shared.lock();
        let wanted = |frame: &&Frame| port.is_none_or(|port| port.index() == frame.port);
        for frame in frames.iter().filter(wanted) {
            let len = frame.bytes.len() as u32;
            let seconds = frame.at.as_secs() as u32;
            for word in [seconds, frame.at.subsec_nanos(), len, len] {
                file.extend_from_slice(&word.to_le_bytes());
            }
            file.extend_from_slice(&frame.bytes);
        }
        std::fs::write(path, file).expect("the workspace can be written");
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
        if thread::panicking() {
            let frames = self.shared.lock();
            let is_told = |frame: &&Frame| frame.claim().is_some() || frame.is_news_of_bfd();
            let told: Vec<_> = frames.iter().filter(is_told).collect();
            let skipped = told.len().saturating_sub(60);
            eprintln!("--- the last claims and the last news of BFD on the switch ({skipped} before)");
            for frame in told.iter().skip(skipped) {
                eprintln!("{frame}");
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Frame>> {
        self.frames.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn record(&self, socket: &OwnedFd, switch: u32) {
        let mut buffer = [0; FRAME_BYTES_MAX];
        while !self.stop.load(Ordering::Relaxed) {
            if let Some(frame) = receive(socket, &mut buffer) {
                // The bridge hands up what it forwards: the port has shown it already.
                if frame.port != switch {
                    self.lock().push(frame);
                }
            } else {
                let dropped = statistics(socket);
                self.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
        }
    }
}

fn switch_index() -> u32 {
    // SAFETY: a constant C string.
    unsafe { libc::if_nametoindex(c"switch".as_ptr()) }
}

pub(super) fn open() -> io::Result<OwnedFd> {
    let protocol = i32::from((libc::ETH_P_ALL as u16).to_be());
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: the descriptor is fresh, and nobody else's.
    let socket = unsafe {
        let descriptor = libc::socket(libc::AF_PACKET, kind, protocol);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(descriptor)
    };
    let timeout = libc::timeval { tv_sec: 0, tv_usec: 50_000 };
    option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1i32)?;
    option(&socket, libc::SOL_SOCKET, libc::SO_RCVTIMEO, &timeout)?;
    // Outside root's own namespace the force is refused, and the system's limit has to do.
    if option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &BUFFER_BYTES).is_err() {
        option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &BUFFER_BYTES)?;
    }
    option(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1i32)?;
    Ok(socket)
}

pub(super) fn option<T>(socket: &OwnedFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads `len` bytes of a live value.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(value).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reading the statistics resets them.
fn statistics(socket: &OwnedFd) -> u32 {
    let mut counts = [0u32; 2];
    let mut len = size_of_val(&counts) as libc::socklen_t;
    let (level, name) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
    // SAFETY: struct tpacket_stats is two unsigned words: packets and drops.
    unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, name, counts.as_mut_ptr().cast(), &raw mut len);
    }
    counts[1]
}

pub(super) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Option<Frame> {
    let mut control = [0u64; 16];
    // SAFETY: all-zero is a valid value of these structs of integers and pointers.
    let (mut from, mut message): (libc::sockaddr_ll, libc::msghdr) =
        unsafe { (mem::zeroed(), mem::zeroed()) };
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    message.msg_name = (&raw mut from).cast();
    message.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    #[allow(trivial_numeric_casts)] // The field is narrower with musl.
    {
        message.msg_controllen = size_of_val(&control) as _;
    }
    // SAFETY: every pointer in `message` points to a live buffer of the length beside it.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
    let bytes = buffer.get(..usize::try_from(len).ok()?)?;
    Some(Frame {
        at: stamp(&message).unwrap_or_else(now),
        port: from.sll_ifindex as u32,
        bytes: bytes.into(),
    })
}

fn stamp(message: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the kernel filled the control buffer, and the macros stay inside it.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_TIMESTAMPNS {
                let time: libc::timespec = ptr::read_unaligned(libc::CMSG_DATA(header).cast());
                return Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32));
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    None
}

impl Frame {
    fn ether_type(&self) -> Option<u16> {
        Some(u16::from_be_bytes([*self.bytes.get(12)?, *self.bytes.get(13)?]))
    }

    /// What it claims, if it claims something.
    pub(crate) fn claim(&self) -> Option<Claim> {
        if let Some(vrrp) = self.vrrp() {
            return Some(Claim::Advert(vrrp));
        }
        self.gratuitous_arp().map(Claim::Arp).or_else(|| self.neighbour_advertisement().map(Claim::Neighbour))
    }

    /// The IP packet in it, if it is of this protocol.
    pub(super) fn packet(&self, protocol: u8) -> Option<Packet<'_>> {
        let ip = self.bytes.get(14..)?;
        match self.ether_type()? {
            0x0800 if *ip.get(9)? == protocol => {
                let header_len = usize::from(ip[0] & 15) * 4;
                let total_len = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
                let source: [u8; 4] = ip.get(12..16)?.try_into().ok()?;
                let destination: [u8; 4] = ip.get(16..20)?.try_into().ok()?;
                let payload = ip.get(header_len..total_len)?;
                Some(Packet { ttl: ip[8], source: source.into(), destination: destination.into(), payload })
            }
            0x86dd if *ip.get(6)? == protocol => {
                let payload_len = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
                let source: [u8; 16] = ip.get(8..24)?.try_into().ok()?;
                let destination: [u8; 16] = ip.get(24..40)?.try_into().ok()?;
                let payload = ip.get(40..40 + payload_len)?;
                Some(Packet { ttl: ip[7], source: source.into(), destination: destination.into(), payload })
            }
            _ => None,
        }
    }

    /// The VRRP message in it.
    pub(crate) fn vrrp(&self) -> Option<Vrrp> {
        let Packet { ttl, source, destination, payload: message } = self.packet(112)?;
        let fixed: [u8; 8] = message.get(..8)?.try_into().ok()?;
        let version = fixed[0] >> 4;
        let centis = match version {
            2 => u64::from(fixed[5]) * 100,
            _ => u64::from(u16::from_be_bytes([fixed[4] & 15, fixed[5]])),
        };
        let listed = &message[8..];
        let count = usize::from(fixed[3]);
        let addresses = match source {
            IpAddr::V4(_) => v4_list(listed, count),
            IpAddr::V6(_) => v6_list(listed, count),
        };
        Some(Vrrp {
            version,
            vrid: fixed[1],
            priority: fixed[2],
            interval: Duration::from_millis(centis * 10),
            ttl,
            source,
            destination,
            addresses,
        })
    }

    /// The address of a gratuitous ARP: sender and target are the same.
    pub(crate) fn gratuitous_arp(&self) -> Option<Ipv4Addr> {
        if self.ether_type()? != 0x0806 {
            return None;
        }
        let sender: [u8; 4] = self.bytes.get(28..32)?.try_into().ok()?;
        let target: [u8; 4] = self.bytes.get(38..42)?.try_into().ok()?;
        (sender == target).then(|| sender.into())
    }

    /// The target of a neighbour advertisement to all nodes.
    pub(crate) fn neighbour_advertisement(&self) -> Option<Ipv6Addr> {
        if self.ether_type()? != 0x86dd {
            return None;
        }
        let ip = self.bytes.get(14..)?;
        let to_all = ip.get(24..40)? == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).octets();
        if *ip.get(6)? != 58 || !to_all || *ip.get(40)? != 136 {
            return None;
        }
        let target: [u8; 16] = ip.get(48..64)?.try_into().ok()?;
        Some(target.into())
    }
}

fn v4_list(listed: &[u8], count: usize) -> Vec<IpAddr> {
    let (addresses, _) = listed.as_chunks::<4>();
    addresses.iter().take(count).map(|bytes| IpAddr::from(*bytes)).collect()
}

fn v6_list(listed: &[u8], count: usize) -> Vec<IpAddr> {
    let (addresses, _) = listed.as_chunks::<16>();
    addresses.iter().take(count).map(|bytes| IpAddr::from(*bytes)).collect()
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.at.subsec_micros();
        write!(f, "{}.{micros:06} port {}: ", self.at.as_secs() % 1000, self.port)?;
        match self.claim() {
            Some(Claim::Advert(vrrp)) => write!(
                f,
                "advert v{} vrid {} priority {} interval {:?} from {} ttl {}",
                vrrp.version, vrrp.vrid, vrrp.priority, vrrp.interval, vrrp.source, vrrp.ttl
            ),
            Some(Claim::Arp(address)) => write!(f, "gratuitous ARP {address}"),
            Some(Claim::Neighbour(address)) => write!(f, "neighbour advertisement {address}"),
            None if self.is_news_of_bfd() => {
                let Some(bfd) = self.bfd() else { return Ok(()) };
                write!(f, "BFD {bfd:?}")
            }
            None => {
                let ether_type = self.ether_type().unwrap_or_default();
                write!(f, "type {ether_type:04x}, {} bytes", self.bytes.len())
            }
        }
    }
}
