//! Many messages in one system call: recvmmsg(2) into an [`Inbox`], sendmmsg(2) out of an [`Outbox`].
//!
//! Beside its bytes a message has an address and control data: which device, which source, which hop limit.
//! The headers that tie them together hold pointers, so they live on the stack, for one call each.

use core::ffi::c_long;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use heapless::Vec;
use static_assertions::const_assert;

use super::call::{Descriptor, call, pointer_mut};
use super::raw::STAMPS;
use super::{Errno, Error, clock};
use crate::config::Family;
use crate::limits;
use crate::limits::{PACKET_BYTES_MAX, PACKETS_PER_BATCH_MAX, SENDS_PER_BATCH_MAX};
use crate::router::{Datagram, Packet};
use crate::time::Instant;
use crate::wire::{Full, IfIndex};

/// Room for the control data of one received message: the device, the hop limit and the time take so much.
const CONTROL_BYTES: usize = 96;

/// Aligned as its headers must be.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// What the kernel told about a message. An IPv4 address is mapped (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy)]
struct Envelope {
    len: usize,
    interface: u32,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    hop_limit: u8,
    /// When it came, as the kernel says, or when it was fetched.
    at: Option<Instant>,
}

impl Envelope {
    const EMPTY: Self = Self {
        len: 0,
        interface: 0,
        source: Ipv6Addr::UNSPECIFIED,
        destination: Ipv6Addr::UNSPECIFIED,
        hop_limit: 0,
        at: None,
    };
}

/// A moment on both clocks.
#[derive(Clone, Copy)]
struct Clocks {
    now: Instant,
    time_of_day: Stamp,
}

/// The time of day in seconds and nanoseconds; zeros: it is not known.
type Stamp = [c_long; 2];

impl Clocks {
    /// If we are stopped in between, a packet is not made older by it.
    fn read() -> Self {
        let time_of_day = clock::time_of_day_exactly();
        Self { now: clock::now(), time_of_day }
    }

    /// When a packet came that the kernel has stamped so.
    fn moment(&self, stamp: Stamp) -> Instant {
        Instant::from_origin(self.now.since_origin().saturating_sub(self.age(stamp)))
    }

    /// How long before this it came, if that can be believed: somebody may have set the clock meanwhile.
    fn age(&self, [stamp_secs, stamp_nanos]: Stamp) -> Duration {
        let [secs, nanos] = self.time_of_day;
        let later = match secs.wrapping_sub(stamp_secs) {
            0 => nanos,
            1 => nanos + NANOS_PER_SEC,
            _ => return Duration::ZERO,
        };
        // Less than two seconds, which 32 bits hold.
        let age = (later - stamp_nanos).max(0) as u32;
        if age <= AGE_NANOS_MAX { Duration::from_nanos(age.into()) } else { Duration::ZERO }
    }
}

const NANOS_PER_SEC: c_long = 1_000_000_000;

/// The longest that a packet can be believed to have waited for a process that waits for it.
const AGE_NANOS_MAX: u32 = 2_000_000;

/// Packets that there is room for: the kernel's lists of links and addresses lie there too, in datagrams of up to
/// 8 KiB whatever it is asked for (`NLMSG_GOODSIZE`).
const ROOMS: usize = 6;

const_assert!(ROOMS * PACKET_BYTES_MAX >= 8192);
const_assert!(ROOMS >= PACKETS_PER_BATCH_MAX);

/// Where received messages lie until they have been handled. What every message needs lies in front, since memory
/// behind it is there only once it was needed.
#[repr(C)]
pub struct Inbox {
    envelopes: [Envelope; PACKETS_PER_BATCH_MAX],
    packets: [[u8; PACKET_BYTES_MAX]; ROOMS],
}

impl Inbox {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { envelopes: [Envelope::EMPTY; PACKETS_PER_BATCH_MAX], packets: [[0; PACKET_BYTES_MAX]; ROOMS] }
    }

    /// All rooms as one, for a datagram of the netlink socket.
    pub const fn datagram(&mut self) -> &mut [u8] {
        self.packets.as_flattened_mut()
    }

    /// Receives what waits at a raw or UDP socket of one family, up to [`PACKETS_PER_BATCH_MAX`] packets. A packet that is
    /// longer than [`PACKET_BYTES_MAX`] is cut; its length field tells.
    pub(super) fn receive(&mut self, socket: &Descriptor, family: Family) -> Result<Packets<'_>, Error> {
        let left = self.receive_batch(socket, family)?;
        Ok(Packets { inbox: self, family, next: 0, left })
    }

    #[allow(trivial_numeric_casts, reason = "the C libraries differ in the types")]
    fn receive_batch(&mut self, socket: &Descriptor, family: Family) -> Result<usize, Error> {
        // SAFETY: both are aggregates of integers and pointers, so all zeros is one.
        let (mut headers, mut slips): (Headers<PACKETS_PER_BATCH_MAX>, [Slip; PACKETS_PER_BATCH_MAX]) =
            unsafe { core::mem::zeroed() };
        for ((header, slip), packet) in headers.iter_mut().zip(&mut slips).zip(&mut self.packets) {
            slip.buffer = libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() };
            header.msg_hdr.msg_name = (&raw mut slip.name).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            header.msg_hdr.msg_iov = &raw mut slip.buffer;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = (&raw mut slip.control).cast();
            header.msg_hdr.msg_controllen = CONTROL_BYTES as _;
        }
        let flags = libc::MSG_DONTWAIT as usize;
        let arguments = [socket.number(), pointer_mut(&mut headers), PACKETS_PER_BATCH_MAX, flags, 0, 0];
        // SAFETY: every header points to a name, a control buffer and one buffer, all with their true lengths
        // and all alive until the end of this function.
        let count = match unsafe { call(libc::SYS_recvmmsg, &arguments) } {
            Ok(count) => count,
            Err(Errno::EAGAIN) => return Ok(0),
            Err(errno) => return Err(Error { call: "receiving packets", errno }),
        };
        // Without a stamp they have come when they are here: if we were stopped, those that tell of it are not from before.
        let now = clock::now();
        let mut clocks = None;
        let filled = headers.iter().zip(&slips).take(count);
        for (envelope, (header, slip)) in self.envelopes.iter_mut().zip(filled) {
            let (len, source) = (header.msg_len as usize, slip.source(family));
            *envelope = Envelope { len, source, at: Some(now), ..Envelope::EMPTY };
            // SAFETY: the kernel has filled this header, and its control buffer is alive.
            let stamp = unsafe { read_control(&header.msg_hdr, envelope) };
            if stamp != [0; 2] {
                envelope.at = Some(clocks.get_or_insert_with(Clocks::read).moment(stamp));
            }
        }
        Ok(count)
    }
}

type Headers<const N: usize> = [libc::mmsghdr; N];

/// What a header of a received message points to.
#[repr(C)]
struct Slip {
    name: libc::sockaddr_in6,
    control: Control,
    buffer: libc::iovec,
}

impl Slip {
    /// Who has sent the message. A raw IPv4 socket's packets tell that themselves.
    fn source(&self, family: Family) -> Ipv6Addr {
        match family {
            // The address stands where an IPv6 one has its flow.
            Family::V4 if cfg!(feature = "bfd") => mapped(self.name.sin6_flowinfo),
            Family::V4 | Family::V6 => Ipv6Addr::from(self.name.sin6_addr.s6_addr),
        }
    }
}

/// What an envelope says of an address.
#[inline(never)]
const fn address(family: Family, address: &Ipv6Addr) -> IpAddr {
    match family {
        Family::V4 => {
            let [.., a, b, c, d] = address.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        Family::V6 => IpAddr::V6(*address),
    }
}

/// The IPv4 address of these bytes.
const fn mapped(address: u32) -> Ipv6Addr {
    let [a, b, c, d] = address.to_ne_bytes();
    Ipv4Addr::new(a, b, c, d).to_ipv6_mapped()
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

/// The packets of one batch.
pub struct Packets<'a> {
    inbox: &'a Inbox,
    family: Family,
    next: usize,
    left: usize,
}

impl<'a> Packets<'a> {
    /// Whether there may be more than these.
    #[must_use]
    pub const fn are_all_that_fit(&self) -> bool {
        self.left == PACKETS_PER_BATCH_MAX
    }

    /// When the next one came.
    #[must_use]
    pub fn came_at(&self) -> Instant {
        let envelope = self.inbox.envelopes.get(self.next);
        envelope.and_then(|envelope| envelope.at).unwrap_or(Instant::ORIGIN)
    }

    /// The next of those that have come to a UDP socket.
    #[inline(never)]
    pub fn next_datagram(&mut self) -> Option<Datagram<'a>> {
        let family = self.family;
        let (envelope, payload) = self.take()?;
        Some(Datagram {
            interface: IfIndex(envelope.interface),
            source: address(family, &envelope.source),
            destination: address(family, &envelope.destination),
            hop_limit: envelope.hop_limit,
            payload,
        })
    }

    fn take(&mut self) -> Option<(&'a Envelope, &'a [u8])> {
        self.left = self.left.checked_sub(1)?;
        let envelope = self.inbox.envelopes.get(self.next)?;
        let bytes = self.inbox.packets.get(self.next)?;
        self.next += 1;
        Some((envelope, bytes.get(..envelope.len).unwrap_or(bytes)))
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let (envelope, bytes) = self.take()?;
        let interface = IfIndex(envelope.interface);
        Some(match self.family {
            Family::V4 => Packet::V4 { interface, packet: bytes },
            Family::V6 => Packet::V6 {
                interface,
                source: envelope.source,
                destination: envelope.destination,
                hop_limit: envelope.hop_limit,
                message: bytes,
            },
        })
    }
}

/// Copies what is known from the control data of a received message, and answers when the kernel says that it came.
///
/// # Safety
/// The kernel has filled `header`, and its control buffer is alive.
unsafe fn read_control(header: &libc::msghdr, envelope: &mut Envelope) -> Stamp {
    let mut stamp = [0; 2];
    // SAFETY: the header is as the kernel left it; the macros stay within its control buffer, and the kernel
    // writes each of these kinds whole. Nothing is said of their alignment, hence unaligned reads.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while let Some(item) = control.as_ref() {
            let data = libc::CMSG_DATA(item);
            match (item.cmsg_level, item.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = data.cast::<libc::in_pktinfo>().read_unaligned();
                    envelope.interface = info.ipi_ifindex as u32;
                    if cfg!(feature = "bfd") {
                        envelope.destination = mapped(info.ipi_addr.s_addr);
                    }
                }
                (libc::IPPROTO_IP, libc::IP_TTL) if cfg!(feature = "bfd") => {
                    let ttl: libc::c_int = data.cast::<libc::c_int>().read_unaligned();
                    envelope.hop_limit = ttl as u8;
                }
                (libc::SOL_SOCKET, STAMPS) => {
                    stamp = data.cast::<Stamp>().read_unaligned();
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    envelope.interface = info.ipi6_ifindex;
                    envelope.destination = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                }
                (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    let hop_limit: libc::c_int = data.cast::<libc::c_int>().read_unaligned();
                    envelope.hop_limit = hop_limit as u8;
                }
                _ => {}
            }
            control = libc::CMSG_NXTHDR(header, item);
        }
    }
    stamp
}

/// How a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Through an IPv4 raw socket.
    V4 {
        /// Source address.
        from: Ipv4Addr,
        /// Peer or group.
        to: Ipv4Addr,
    },
    /// Through an IPv6 raw socket.
    V6 {
        /// Source address.
        from: Ipv6Addr,
        /// Peer or group.
        to: Ipv6Addr,
    },
    /// A frame through a packet socket.
    Frame,
}

impl Way {
    /// From one address to another of its family.
    #[must_use]
    pub const fn between(from: IpAddr, to: IpAddr) -> Option<Self> {
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Some(Self::V4 { from, to }),
            (IpAddr::V6(from), IpAddr::V6(to)) => Some(Self::V6 { from, to }),
            (IpAddr::V4(_) | IpAddr::V6(_), IpAddr::V4(_) | IpAddr::V6(_)) => None,
        }
    }
}

/// A message that waits.
#[derive(Debug, Clone, Copy)]
struct Post {
    interface: IfIndex,
    way: Way,
    start: u16,
    len: u16,
}

/// Where messages for one socket wait until they are let go together.
pub struct Outbox {
    posts: Vec<Post, SENDS_PER_BATCH_MAX>,
    bytes: Vec<u8, { limits::SEND_BYTES_MAX }>,
}

impl Outbox {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { posts: Vec::new(), bytes: Vec::new() }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }

    /// Adds a message; its bytes are copied.
    ///
    /// # Errors
    /// [`Full`] if it does not fit what waits already; into an empty one every message fits.
    pub fn put(&mut self, interface: IfIndex, way: Way, payload: &[u8]) -> Result<(), Full> {
        if self.posts.is_full() {
            return Err(Full);
        }
        let post = Post {
            interface,
            way,
            start: u16::try_from(self.bytes.len()).map_err(|_| Full)?,
            len: u16::try_from(payload.len()).map_err(|_| Full)?,
        };
        self.bytes.extend_from_slice(payload).map_err(|_| Full)?;
        self.posts.push(post).map_err(|_| Full)
    }

    /// Lets everything go. A message that is refused is told to `failed` and does not hold up the others.
    pub(super) fn send(&mut self, socket: &Descriptor, failed: &mut dyn FnMut(IfIndex, Errno)) {
        let mut rest = self.posts.as_slice();
        while let Some(first) = rest.first() {
            let sent = match send_batch(socket, rest, &self.bytes) {
                Ok(sent) => sent.max(1),
                Err(errno) => {
                    failed(first.interface, errno);
                    1
                }
            };
            rest = rest.get(sent..).unwrap_or(&[]);
        }
        self.posts.clear();
        self.bytes.clear();
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Sends one message at once.
pub(super) fn send(socket: &Descriptor, interface: IfIndex, way: Way, payload: &[u8]) -> Result<(), Errno> {
    let len = u16::try_from(payload.len()).map_err(|_| Errno::EMSGSIZE)?;
    send_batch(socket, &[Post { interface, way, start: 0, len }], payload).map(drop)
}

/// The address that a message goes to.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
    link: libc::sockaddr_ll,
}

/// Control data: a header and what follows it at once, since nothing in it is aligned to more than that.
#[derive(Clone, Copy)]
#[repr(C)]
struct Item<T> {
    header: libc::cmsghdr,
    value: T,
}

/// Device and source of a message.
#[derive(Clone, Copy)]
#[repr(C)]
union Info {
    v4: Item<libc::in_pktinfo>,
    v6: Item<libc::in6_pktinfo>,
}

/// What a header of a message to be sent points to.
#[repr(C)]
struct Letter {
    name: Name,
    info: Info,
    buffer: libc::iovec,
}

/// Sends as many of `posts` as the kernel takes in one call.
#[allow(trivial_numeric_casts, reason = "the C libraries differ in the types")]
fn send_batch(socket: &Descriptor, posts: &[Post], bytes: &[u8]) -> Result<usize, Errno> {
    // SAFETY: both are aggregates of integers and pointers, so all zeros is one; some of their padding is private
    // to the C library.
    let (mut headers, mut letters): (Headers<SENDS_PER_BATCH_MAX>, [Letter; SENDS_PER_BATCH_MAX]) =
        unsafe { core::mem::zeroed() };
    for ((post, header), letter) in posts.iter().zip(&mut headers).zip(&mut letters) {
        let start = usize::from(post.start);
        let payload = bytes.get(start..start + usize::from(post.len)).unwrap_or(&[]);
        letter.buffer = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
        let (name_len, info_len) = letter.address(post);
        header.msg_hdr.msg_name = (&raw mut letter.name).cast();
        header.msg_hdr.msg_namelen = name_len as libc::socklen_t;
        header.msg_hdr.msg_iov = &raw mut letter.buffer;
        header.msg_hdr.msg_iovlen = 1;
        if info_len > 0 {
            header.msg_hdr.msg_control = (&raw mut letter.info).cast();
            header.msg_hdr.msg_controllen = info_len as _;
        }
    }
    let count = posts.len().min(SENDS_PER_BATCH_MAX);
    let flags = libc::MSG_DONTWAIT as usize;
    let arguments = [socket.number(), pointer_mut(&mut headers), count, flags, 0, 0];
    // SAFETY: as many headers as are counted point to a name, to control data if there is any, and to one
    // buffer, with lengths that do not exceed them; all live until the end of this function, and the kernel
    // only reads them.
    unsafe { call(libc::SYS_sendmmsg, &arguments) }
}

impl Letter {
    /// Fills in address and control data of a message, all zeros before, and answers how many bytes of each count.
    #[allow(trivial_numeric_casts, reason = "the C libraries differ in the types")]
    fn address(&mut self, post: &Post) -> (usize, usize) {
        let index = post.interface.0 as libc::c_int;
        match &post.way {
            Way::V4 { from, to } => {
                // SAFETY: zeros are a name of each kind, and no other kind is used.
                let name = unsafe { &mut self.name.v4 };
                name.sin_family = libc::AF_INET as libc::sa_family_t;
                name.sin_addr = in_addr(*to);
                // SAFETY: the same for control data.
                let info = unsafe { &mut self.info.v4 };
                let value_len = size_of_val(&info.value);
                fill(&mut info.header, libc::IPPROTO_IP, libc::IP_PKTINFO, value_len);
                info.value.ipi_ifindex = index;
                info.value.ipi_spec_dst = in_addr(*from);
                (size_of::<libc::sockaddr_in>(), size_of::<Item<libc::in_pktinfo>>())
            }
            Way::V6 { from, to } => {
                // SAFETY: as above.
                let name = unsafe { &mut self.name.v6 };
                name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                name.sin6_addr = in6_addr(*to);
                name.sin6_scope_id = scope_of(*to, post.interface);
                // SAFETY: as above.
                let info = unsafe { &mut self.info.v6 };
                let value_len = size_of_val(&info.value);
                fill(&mut info.header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, value_len);
                info.value.ipi6_ifindex = post.interface.0 as _;
                info.value.ipi6_addr = in6_addr(*from);
                (size_of::<libc::sockaddr_in6>(), size_of::<Item<libc::in6_pktinfo>>())
            }
            Way::Frame => {
                // SAFETY: as above.
                let name = unsafe { &mut self.name.link };
                name.sll_family = libc::AF_PACKET as libc::c_ushort;
                name.sll_ifindex = index;
                name.sll_halen = 6;
                (size_of::<libc::sockaddr_ll>(), 0)
            }
        }
    }
}

#[allow(trivial_numeric_casts, reason = "the C libraries differ in the types")]
const fn fill(header: &mut libc::cmsghdr, level: libc::c_int, kind: libc::c_int, value_len: usize) {
    header.cmsg_level = level;
    header.cmsg_type = kind;
    // This is CMSG_LEN: the value begins right behind the header.
    header.cmsg_len = (size_of::<libc::cmsghdr>() + value_len) as _;
}

/// Link-local addresses mean something on one device only.
const fn scope_of(address: Ipv6Addr, interface: IfIndex) -> u32 {
    if address.is_unicast_link_local() || address.is_multicast() { interface.0 } else { 0 }
}

pub(super) const fn in_addr(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) }
}

pub(super) const fn in6_addr(address: Ipv6Addr) -> libc::in6_addr {
    libc::in6_addr { s6_addr: address.octets() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_data_lies_where_the_c_library_looks_for_it() {
        let header = size_of::<libc::cmsghdr>();
        // SAFETY: plain arithmetic.
        let (expected, info_len) = unsafe {
            let value_len = size_of::<libc::in6_pktinfo>() as u32;
            (libc::CMSG_LEN(0) as usize, libc::CMSG_LEN(value_len) as usize)
        };
        assert_eq!(header, expected);
        assert_eq!(core::mem::offset_of!(Item<libc::in_pktinfo>, value), header);
        assert_eq!(core::mem::offset_of!(Item<libc::in6_pktinfo>, value), header);
        assert_eq!(header + size_of::<libc::in6_pktinfo>(), info_len);
    }

    #[test]
    fn a_packet_is_as_old_as_its_stamp_says_if_the_clock_was_not_set() {
        let now = Instant::from_origin(Duration::from_secs(100));
        let age = |stamp, time_of_day| {
            let clocks = Clocks { now, time_of_day };
            now.since(clocks.moment(stamp)).as_nanos()
        };
        assert_eq!(age([7, 400], [7, 1_400]), 1_000);
        assert_eq!(age([7, 999_999_900], [8, 100]), 200);
        assert_eq!(age([7, 1_400], [7, 400]), 0, "it came after the clock was read");
        assert_eq!(age([7, 0], [7, 2_000_000]), 2_000_000);
        assert_eq!(age([7, 0], [7, 2_000_001]), 0, "nobody waited for it");
        assert_eq!(age([7, 0], [8, 1]), 0);
        for set in [[6, 0], [9, 0], [c_long::MAX, 0], [c_long::MIN, 999_999_999]] {
            assert_eq!(age([7, 0], set), 0);
            assert_eq!(age(set, [7, 0]), 0);
        }
    }

    #[test]
    fn an_outbox_is_full_by_messages_and_by_bytes() {
        let mut outbox = Outbox::new();
        for _ in 0..SENDS_PER_BATCH_MAX {
            outbox.put(IfIndex(1), Way::Frame, &[0; 86]).unwrap();
        }
        assert_eq!(outbox.put(IfIndex(1), Way::Frame, &[]), Err(Full));

        let mut outbox = Outbox::new();
        let message = [0; limits::MESSAGE_BYTES_MAX];
        let count = (0..).take_while(|_| outbox.put(IfIndex(1), Way::Frame, &message).is_ok());
        assert_eq!(count.count(), limits::SEND_BYTES_MAX / limits::MESSAGE_BYTES_MAX);
        assert!(!outbox.is_empty());
    }
}
