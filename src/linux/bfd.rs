//! BFD's way to the kernel: for each family a UDP socket that hears and a raw one that speaks.
//!
//! A UDP socket speaks from one port, and each session has its own, so what is sent brings its UDP header along. All are
//! opened at the start, as long as that may be done (see [`privilege`](super::privilege)). The port itself is taken when
//! somebody wants to hear for the first time, and kept from then on: a router without BFD leaves it to others.

use core::ffi::c_int;
use core::mem::offset_of;

use super::batch::{self, Inbox, Packets, Way};
use super::call::Descriptor;
use super::poll::Waiting;
use super::raw::{SETTINGS_V4, SETTINGS_V6, TTL, needed};
use super::socket::{self, Setting};
use super::{Errno, Error};
use crate::config::Family;
use crate::router::Datagram;
use crate::say::warn;
use crate::wire::bfd::PORT;
use crate::wire::{IfIndex, ip};

/// A slice: an array that is walked by value costs its iterator.
pub const FAMILIES: &[Family] = &[Family::V4, Family::V6];

/// One line for each family; none in a build without the feature `bfd`.
pub const LINES_MAX: usize = if cfg!(feature = "bfd") { 2 } else { 0 };

// What a socket needs beside what all sockets of its family do.

static EAR_V4: [Setting; 1] = [needed(libc::IPPROTO_IP, libc::IP_RECVTTL, 1, "IP_RECVTTL")];

static EAR_V6: [Setting; 1] = [needed(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1, "IPV6_V6ONLY")];

/// Where the kernel writes it: only it knows the source if the routes choose that.
static MOUTH_V6: [Setting; 1] =
    [needed(libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM, CHECKSUM_AT, "IPV6_CHECKSUM")];

/// RFC 768.
const CHECKSUM_AT: c_int = 6;

/// Without it a raw socket keeps a copy of every datagram that comes to this host.
static NOTHING: [libc::sock_filter; 1] =
    [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }];

/// Refusals before the first is worth a word: a device that comes up, or a new address, is not.
const REFUSALS_MIN: u32 = 8;

/// The lines of both families; that of IPv6 is missing on a kernel without it. In a build without the feature `bfd` they
/// take no room.
#[derive(Default)]
pub struct Lines {
    lines: [Option<Line>; LINES_MAX],
    /// Datagrams that the kernel has not taken.
    refusals: [u32; cfg!(feature = "bfd") as usize],
}

impl Lines {
    /// Opens the sockets, which hear nothing yet. One that cannot be had is missing: VRRP goes on without.
    #[must_use]
    pub fn open() -> Self {
        let mut all = Self::default();
        for (line, family) in all.lines.iter_mut().zip(FAMILIES) {
            *line = Line::open(*family);
        }
        all
    }

    /// Takes the port for a family, and hears from then on. Doing it again is harmless.
    ///
    /// # Errors
    /// EADDRINUSE if somebody else has it; EAFNOSUPPORT if there is no line, as on a kernel without the family.
    pub fn bind(&mut self, family: Family) -> Result<(), Errno> {
        self.line(family).map_or(Err(Errno::EAFNOSUPPORT), Line::bind)
    }

    /// What to wait for, [`LINES_MAX`] of it.
    pub fn interests(&self) -> impl Iterator<Item = Waiting> {
        let wait = |line: &Line| Waiting::to_read(&line.ear);
        self.lines.iter().map(move |line| line.as_ref().map_or(Waiting::NEVER, wait))
    }

    /// Receives what waits of one family, up to a batch; `None`: there is no line.
    pub fn receive<'a>(&self, family: Family, inbox: &'a mut Inbox) -> Option<Result<Packets<'a>, Error>> {
        let line = self.lines.iter().flatten().find(|line| line.family == family)?;
        Some(inbox.receive(&line.ear, family))
    }

    /// Sends a datagram, whose payload begins with the UDP header. Its checksum may be missing: IPv4 does without (RFC 768),
    /// and for IPv6 it is the kernel's anyway.
    pub fn send(&mut self, datagram: &Datagram<'_>) {
        let line = self.line(Family::of(datagram.destination));
        let Err(errno) = line.map_or(Err(Errno::EAFNOSUPPORT), |line| line.send(datagram)) else { return };
        let Some(refusals) = self.refusals.first_mut() else { return };
        *refusals = refusals.saturating_add(1);
        if *refusals >= REFUSALS_MIN && refusals.is_power_of_two() {
            let to = ip::text(datagram.destination);
            warn!("BFD packets cannot be sent, the last one to {to}: {errno} ({refusals} so far)");
        }
    }

    fn line(&mut self, family: Family) -> Option<&mut Line> {
        self.lines.iter_mut().flatten().find(|line| line.family == family)
    }
}

/// That of one family.
struct Line {
    ear: Descriptor,
    mouth: Descriptor,
    family: Family,
    is_bound: bool,
    /// TTL or hop limit of what is sent.
    hop_limit: u8,
    /// The device that it goes through; 0: that of the routes.
    device: IfIndex,
}

impl Line {
    fn open(family: Family) -> Option<Self> {
        let [_, all_v6 @ ..] = &SETTINGS_V6;
        let (domain, all, of_ear, of_mouth): (_, &[_], &[_], &[_]) = match family {
            Family::V4 => (libc::AF_INET, &SETTINGS_V4, &EAR_V4, &[]),
            Family::V6 => (libc::AF_INET6, all_v6, &EAR_V6, &MOUTH_V6),
        };
        let ear = open(domain, libc::SOCK_DGRAM, [all, of_ear])?;
        let mouth = open(domain, libc::SOCK_RAW, [all, of_mouth])?;
        socket::filter(&mouth, &NOTHING).ok()?;
        Some(Self { ear, mouth, family, is_bound: false, hop_limit: TTL, device: IfIndex(0) })
    }

    fn bind(&mut self) -> Result<(), Errno> {
        if self.is_bound {
            return Ok(());
        }
        // SAFETY: sockaddr_in6 is an aggregate of integers, so all zeros is one.
        let mut name: libc::sockaddr_in6 = unsafe { core::mem::zeroed() };
        // An IPv4 one begins in the same way.
        const { assert!(offset_of!(libc::sockaddr_in, sin_port) == offset_of!(libc::sockaddr_in6, sin6_port)) };
        let (family, len) = match self.family {
            Family::V4 => (libc::AF_INET, size_of::<libc::sockaddr_in>()),
            Family::V6 => (libc::AF_INET6, size_of::<libc::sockaddr_in6>()),
        };
        name.sin6_family = family as libc::sa_family_t;
        name.sin6_port = PORT.to_be();
        socket::bind(&self.ear, &name, len)?;
        self.is_bound = true;
        Ok(())
    }

    fn send(&mut self, datagram: &Datagram<'_>) -> Result<(), Errno> {
        let Datagram { interface, source, destination, hop_limit, payload } = *datagram;
        if self.hop_limit != hop_limit {
            let (level, name) = match self.family {
                Family::V4 => (libc::IPPROTO_IP, libc::IP_TTL),
                Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS),
            };
            socket::set(&self.mouth, level, name, &c_int::from(hop_limit))?;
            self.hop_limit = hop_limit;
        }
        // The device that is told with a message IPv6 only prefers, among routes that are otherwise the same.
        if self.device != interface {
            // Before Linux 5.1 there is no such option.
            let _ = socket::set(&self.mouth, libc::SOL_SOCKET, libc::SO_BINDTOIFINDEX, &interface.0);
            self.device = interface;
        }
        let way = Way::between(source, destination).ok_or(Errno::EAFNOSUPPORT)?;
        batch::send(&self.mouth, interface, way, payload)
    }
}

fn open(domain: c_int, kind: c_int, settings: [&[Setting]; 2]) -> Option<Descriptor> {
    let socket = socket::open(domain, kind, libc::IPPROTO_UDP).ok()?;
    for settings in &settings {
        socket::set_all(&socket, settings).ok()?;
    }
    Some(socket)
}

#[cfg(test)]
#[cfg(feature = "bfd")]
mod tests {
    use super::super::call;
    use super::super::namespace::{self, Cable};
    use super::super::poll::wait;
    use super::*;
    use crate::limits::{PACKET_BYTES_MAX, PACKETS_PER_BATCH_MAX};
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    use core::time::Duration;
    use socket2::{Domain, Socket, Type};
    use std::format;
    use std::io::ErrorKind;
    use std::net::UdpSocket;
    use std::string::String;
    use std::vec;
    use std::vec::Vec;

    const HOME_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
    const AWAY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
    const HOME_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
    const AWAY_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2));
    const HOME_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    const AWAY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2));
    const ANY_V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    const ANY_V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    const NOWHERE: IfIndex = IfIndex(0);
    const BOTH: [Family; 2] = [Family::V4, Family::V6];
    const SOURCE_PORT: u16 = 49_152;

    /// A cable whose ends have global IPv6 addresses as well.
    fn lay() -> Cable {
        let cable = Cable::lay();
        namespace::ip("address add 2001:db8::1/64 dev v0 nodad");
        cable.away(|| {
            namespace::ip("address add 2001:db8::2/64 dev v1 nodad");
            namespace::await_ready("v1");
        });
        namespace::await_ready("v0");
        cable
    }

    fn bound() -> Lines {
        let mut lines = Lines::open();
        for family in BOTH {
            lines.bind(family).unwrap();
        }
        lines
    }

    /// A UDP socket at the other end, which sends with this hop limit.
    fn peer(cable: &Cable, from: IpAddr, hop_limit: u8) -> UdpSocket {
        cable.away(|| {
            let domain = if from.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
            let socket = Socket::new(domain, Type::DGRAM, None).unwrap();
            socket.bind_device(Some(b"v1")).unwrap();
            socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
            match from {
                IpAddr::V4(_) => socket.set_ttl_v4(hop_limit.into()).unwrap(),
                IpAddr::V6(_) => socket.set_unicast_hops_v6(hop_limit.into()).unwrap(),
            }
            socket.into()
        })
    }

    fn in_words(datagram: &Datagram<'_>) -> String {
        let Datagram { interface, source, destination, hop_limit, payload } = datagram;
        let start = payload.get(..4).unwrap_or(payload);
        format!("{source} to {destination}, {interface:?}, {hop_limit} hops, {} {start:?}", payload.len())
    }

    /// What comes until a moment passes without anything, in words: first all of IPv4. It may take its time to begin if it
    /// is `expected`.
    fn received(lines: &Lines, expected: bool) -> Vec<String> {
        let mut all = [Vec::new(), Vec::new()];
        let mut longest = Duration::from_millis(if expected { 2000 } else { 100 });
        loop {
            wait(&mut lines.interests().collect::<Vec<_>>(), Some(longest)).unwrap();
            longest = Duration::from_millis(100);
            let before = all.concat().len();
            for (family, all) in BOTH.into_iter().zip(&mut all) {
                let mut inbox = Inbox::new();
                let mut datagrams = lines.receive(family, &mut inbox).unwrap().unwrap();
                let are_all_that_fit = datagrams.are_all_that_fit();
                let count = all.len();
                all.extend(core::iter::from_fn(|| datagrams.next_datagram()).map(|one| in_words(&one)));
                assert_eq!(are_all_that_fit, all.len() - count == PACKETS_PER_BATCH_MAX);
            }
            if all.concat().len() == before {
                return all.concat();
            }
        }
    }

    /// BF02: what the hop limit is decides before anything else does (RFC 5881 §5), so it is told as it was.
    #[test]
    fn datagrams_arrive_with_device_addresses_and_hop_limit() {
        namespace::networked(|| {
            let cable = lay();
            let lines = bound();
            let interface = namespace::index_of("v0");
            // More than a batch; one of them is empty, and one is too long to be kept whole.
            let payloads: [&[u8]; 8] =
                [b"1", b"2", b"3", b"4", b"5", b"6", b"", &[b'x'; PACKET_BYTES_MAX + 9]];
            let mut expected = Vec::new();
            for (destination, source) in [(HOME_V4, AWAY_V4), (HOME_LOCAL, AWAY_LOCAL), (HOME_V6, AWAY_V6)] {
                for hop_limit in [255, 254, 1] {
                    let socket = peer(&cable, source, hop_limit);
                    for payload in payloads {
                        socket.send_to(payload, (destination, PORT)).unwrap();
                        let payload = payload.get(..PACKET_BYTES_MAX).unwrap_or(payload);
                        expected.push(in_words(&Datagram {
                            interface,
                            source,
                            destination,
                            hop_limit,
                            payload,
                        }));
                    }
                }
            }
            assert_eq!(received(&lines, true), expected);
        });
    }

    /// A router without BFD leaves the port to others, which may have it when it is wanted after all.
    #[test]
    fn the_port_is_free_until_it_is_wanted_and_taken_from_then_on() {
        namespace::networked(|| {
            let cable = lay();
            let mut lines = Lines::open();
            let others = [ANY_V4, ANY_V6].map(|any| other(any, false).unwrap());
            peer(&cable, AWAY_V4, 255).send_to(b"not for us", (HOME_V4, PORT)).unwrap();
            assert_eq!(received(&lines, false), Vec::<String>::new());
            for family in BOTH {
                assert_eq!(lines.bind(family), Err(Errno::EADDRINUSE));
            }
            drop(others);
            for family in BOTH {
                assert_eq!(lines.bind(family), Ok(()));
                assert_eq!(lines.bind(family), Ok(()), "again is harmless");
            }
            for any in [ANY_V4, ANY_V6] {
                // Whoever would share it would have all the packets, or none (socket(7), SO_REUSEADDR).
                for shares in [false, true] {
                    assert_eq!(other(any, shares).unwrap_err().kind(), ErrorKind::AddrInUse);
                }
            }
        });
    }

    /// Another program, which has the port of one family.
    fn other(any: IpAddr, shares: bool) -> std::io::Result<Socket> {
        let domain = if any.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let socket = Socket::new(domain, Type::DGRAM, None)?;
        if any.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(shares)?;
        socket.bind(&SocketAddr::new(any, PORT).into())?;
        Ok(socket)
    }

    #[test]
    fn a_family_of_which_the_kernel_knows_nothing_is_refused_and_the_other_is_not() {
        namespace::networked(|| {
            let mut lines = Lines::open();
            lines.lines[1] = None;
            assert_eq!(lines.bind(Family::V6), Err(Errno::EAFNOSUPPORT));
            assert_eq!(lines.bind(Family::V4), Ok(()));
            assert!(lines.receive(Family::V6, &mut Inbox::new()).is_none());
            send(&mut lines, NOWHERE, (HOME_V6, AWAY_V6), 255, 0);
            assert_eq!(lines.refusals, [1]);
        });
    }

    /// Ports, length and checksum (RFC 768), and so many bytes as a control packet has.
    fn outgoing(checksum: u16) -> Vec<u8> {
        let header = [SOURCE_PORT, PORT, 8 + 24, checksum];
        let mut payload: Vec<u8> = header.into_iter().flat_map(u16::to_be_bytes).collect();
        payload.extend([0xa5; 24]);
        payload
    }

    fn send(lines: &mut Lines, interface: IfIndex, ends: (IpAddr, IpAddr), hop_limit: u8, checksum: u16) {
        let (source, destination) = ends;
        let payload = &outgoing(checksum)[..];
        lines.send(&Datagram { interface, source, destination, hop_limit, payload });
    }

    /// The checksum over what is sent, with the pseudo-header of RFC 768: of it, the length and the protocol.
    fn checksum_v4(source: IpAddr, destination: IpAddr) -> u16 {
        let mut bytes = outgoing(0);
        for address in [source, destination] {
            let IpAddr::V4(address) = address else { return 0 };
            bytes.extend(address.octets());
        }
        bytes.extend([0, 17, 0, 32]);
        let words = bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
        let sum = words.sum::<u32>();
        !((sum & 0xffff) + (sum >> 16)) as u16
    }

    /// BF09, and RFC 5881 §4, §5: the port that the caller has written, 255 hops or as many as are asked for, internetwork
    /// control, and a checksum that the receiver finds right, wherever source and device come from.
    #[test]
    fn datagrams_leave_as_they_are_asked_for() {
        namespace::networked(|| {
            let cable = lay();
            let mut lines = Lines::open();
            let v0 = namespace::index_of("v0");
            let (away, v1, all) = cable
                .away(|| (bound(), namespace::index_of("v1"), namespace::listen(libc::ETH_P_ALL as u16)));
            let right = checksum_v4(HOME_V4, AWAY_V4);
            let mut expected = Vec::new();
            // Given and expected source, destination, device, given checksum.
            for (source, from, to, interface, checksum) in [
                (HOME_V4, HOME_V4, AWAY_V4, v0, right),
                (HOME_V4, HOME_V4, AWAY_V4, NOWHERE, right),
                (ANY_V4, HOME_V4, AWAY_V4, v0, 0),
                (ANY_V4, HOME_V4, AWAY_V4, NOWHERE, 0),
                (HOME_LOCAL, HOME_LOCAL, AWAY_LOCAL, v0, 0),
                (ANY_V6, HOME_LOCAL, AWAY_LOCAL, v0, 0xbad),
                (HOME_V6, HOME_V6, AWAY_V6, v0, 0),
                (HOME_V6, HOME_V6, AWAY_V6, NOWHERE, 0xbad),
                (ANY_V6, HOME_V6, AWAY_V6, NOWHERE, 0xbad),
            ] {
                for hop_limit in [255, 64, 255] {
                    send(&mut lines, interface, (source, to), hop_limit, checksum);
                    let (interface, payload) = (v1, &[0xa5; 24]);
                    let arrives = Datagram { interface, source: from, destination: to, hop_limit, payload };
                    expected.push(in_words(&arrives));
                }
            }
            assert_eq!(received(&away, true), expected);
            assert_eq!(lines.refusals, [0]);
            let mut ports = Vec::new();
            for frame in namespace::frames(&all, true) {
                // Precedence and protocol.
                match (&frame[12..14], &frame[14..]) {
                    ([8, 0], [0x45, 0xc0, _, _, _, _, _, _, _, 17, ..]) => ports.push(frame[34..38].to_vec()),
                    ([0x86, 0xdd], [0x6c, 0x00..=0x0f, _, _, _, _, 17, ..]) => {
                        ports.push(frame[54..58].to_vec());
                    }
                    _ => {}
                }
            }
            assert_eq!(ports, vec![outgoing(0)[..4].to_vec(); expected.len()]);
        });
    }

    /// Of two ways to the neighbour, the configuration may mean the one that the routes do not.
    #[test]
    fn a_device_that_is_asked_for_is_taken_and_without_one_the_routes_decide() {
        namespace::networked(|| {
            let cable = lay();
            let mut lines = Lines::open();
            namespace::ip("link add d0 type veth peer name d1");
            namespace::ip("link set d1 up");
            namespace::ip("link set d0 up");
            namespace::ip("route add 10.9.0.2/32 dev d0");
            namespace::ip("route add 2001:db8::2/128 dev d0");
            let away = cable.away(bound);
            for (home, remote) in [(HOME_V4, AWAY_V4), (HOME_V6, AWAY_V6)] {
                send(&mut lines, NOWHERE, (home, remote), 255, 0);
                assert_eq!(received(&away, false), Vec::<String>::new(), "{remote}");
                send(&mut lines, namespace::index_of("v0"), (home, remote), 255, 0);
                assert_eq!(received(&away, true).len(), 1, "{remote}");
                send(&mut lines, NOWHERE, (home, remote), 255, 0);
                assert_eq!(received(&away, false), Vec::<String>::new(), "{remote}, again");
            }
            assert_eq!(lines.refusals, [0]);
        });
    }

    /// A raw socket has a copy of all that comes: nobody reads it, so none is kept.
    #[test]
    fn nothing_that_comes_reaches_the_sockets_that_speak() {
        namespace::networked(|| {
            let cable = lay();
            let lines = bound();
            for (home, away) in [(HOME_V4, AWAY_V4), (HOME_V6, AWAY_V6)] {
                let socket = peer(&cable, away, 255);
                for port in [PORT, SOURCE_PORT, 53] {
                    socket.send_to(b"noise", (home, port)).unwrap();
                }
            }
            assert_eq!(received(&lines, true).len(), 2);
            for line in lines.lines.iter().flatten() {
                let mut byte = [0];
                assert_eq!(call::read(&line.mouth, &mut byte), Err(Errno::EAGAIN));
            }
        });
    }

    #[test]
    fn what_is_refused_is_counted_and_does_not_hold_up_the_rest() {
        namespace::networked(|| {
            let cable = lay();
            let mut lines = Lines::open();
            let away = cable.away(bound);
            let v0 = namespace::index_of("v0");
            // A device that is not there, a neighbour that nothing leads to, a source that is not ours, and two families.
            let foreign = "192.0.2.1".parse().unwrap();
            send(&mut lines, IfIndex(99), (HOME_V4, AWAY_V4), 255, 0);
            send(&mut lines, NOWHERE, (HOME_V4, foreign), 255, 0);
            send(&mut lines, v0, (foreign, AWAY_V4), 255, 0);
            send(&mut lines, v0, (HOME_V6, AWAY_V4), 255, 0);
            assert_eq!(lines.refusals, [4]);
            send(&mut lines, v0, (HOME_V4, AWAY_V4), 255, 0);
            assert_eq!(lines.refusals, [4]);
            assert_eq!(received(&away, true).len(), 1);
        });
    }
}
