//! Raw sockets for IP protocol 112: one for each family, whatever the number of devices.
//!
//! Which device a packet came from and goes to is told with each packet, so a device that is deleted and made
//! anew costs nothing but joining the group once more.

use core::ffi::c_int;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, RawFd};

use heapless::Vec;

use super::batch::{Inbox, Outbox, Packets, in_addr, in6_addr};
use super::call::Descriptor;
use super::socket::{self, Setting};
use super::{Errno, Error};
use crate::config::Family;
use crate::limits;
use crate::wire::IfIndex;
use crate::wire::filter::{self, Start, Vrids};

const IP_PROTOCOL: c_int = 112;
pub(super) const TTL: u8 = 255;
/// Internetwork control (RFC 791 §3.1), as every router sends (TX27), and its queue.
const PRECEDENCE: c_int = 0xc0;
const QUEUE_PRIORITY: c_int = 6;

/// An option without which there is no VRRP, or no BFD.
pub(super) const fn needed(level: c_int, name: c_int, value: c_int, call: &'static str) -> Setting {
    Setting { level, name, value, is_optional: false, call }
}

const fn optional(level: c_int, name: c_int, value: c_int, call: &'static str) -> Setting {
    Setting { level, name, value, is_optional: true, call }
}

const BUFFER: Setting =
    optional(libc::SOL_SOCKET, libc::SO_RCVBUF, limits::SOCKET_BUFFER_BYTES as c_int, "SO_RCVBUF");
/// It comes after the precedence, which sets another one.
const PRIORITY: Setting = optional(libc::SOL_SOCKET, libc::SO_PRIORITY, QUEUE_PRIORITY, "SO_PRIORITY");

pub(super) static SETTINGS_V4: [Setting; 7] = [
    needed(libc::IPPROTO_IP, libc::IP_PKTINFO, 1, "IP_PKTINFO"),
    needed(libc::IPPROTO_IP, libc::IP_TTL, TTL as c_int, "IP_TTL"),
    needed(libc::IPPROTO_IP, libc::IP_MULTICAST_TTL, TTL as c_int, "IP_MULTICAST_TTL"),
    optional(libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, 0, "IP_MULTICAST_LOOP"),
    optional(libc::IPPROTO_IP, libc::IP_TOS, PRECEDENCE, "IP_TOS"),
    BUFFER,
    PRIORITY,
];

/// The first is for raw sockets only.
pub(super) static SETTINGS_V6: [Setting; 9] = [
    // The checksum is ours, in both directions.
    optional(libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM, -1, "IPV6_CHECKSUM"),
    needed(libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"),
    needed(libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT"),
    needed(libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, TTL as c_int, "IPV6_UNICAST_HOPS"),
    needed(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS, TTL as c_int, "IPV6_MULTICAST_HOPS"),
    optional(libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, 0, "IPV6_MULTICAST_LOOP"),
    optional(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, PRECEDENCE, "IPV6_TCLASS"),
    BUFFER,
    PRIORITY,
];

/// SO_TIMESTAMPNS as it always was, with seconds of the machine's word.
pub(super) const STAMPS: c_int = 35;

/// Memberships that the kernel allows a socket (igmp_max_memberships).
const MEMBERSHIPS_MAX: usize = 20;

/// Sockets beside the first, opened while that may be done (see [`privilege`](super::privilege)).
const HOLDERS: usize = limits::INTERFACES_MAX.div_ceil(MEMBERSHIPS_MAX);

/// The IPv4 socket.
pub struct V4 {
    socket: Descriptor,
    /// These hold further memberships, and are never read: a socket receives what is for any group that the host has
    /// joined (IP_MULTICAST_ALL).
    holders: Vec<Descriptor, HOLDERS>,
}

impl V4 {
    /// Opens the socket.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW.
    pub fn open() -> Result<Self, Error> {
        const CALL: &str = "IPv4 raw socket";
        let socket = open(libc::AF_INET, &SETTINGS_V4, CALL)?;
        let mut holders = Vec::new();
        for _ in 0..HOLDERS {
            let holder = socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0);
            // There is room for so many.
            let _ = holders.push(holder.map_err(|errno| Error { call: CALL, errno })?);
        }
        Ok(Self { socket, holders })
    }

    /// Joins `group` on a device. Joining again is harmless.
    ///
    /// # Errors
    /// ENODEV if the device is gone, ENOBUFS if there are too many memberships.
    pub fn join(&mut self, interface: IfIndex, group: Ipv4Addr) -> Result<(), Error> {
        let fail = |errno| Error { call: "IP_ADD_MEMBERSHIP", errno };
        let membership = Membership::v4(interface, group);
        for socket in core::iter::once(&self.socket).chain(&self.holders) {
            match membership.join(socket) {
                Err(Errno::ENOBUFS) => {}
                result => return result.map_err(fail),
            }
        }
        Err(fail(Errno::ENOBUFS))
    }

    /// Leaves `group` on a device, which may be gone already; a device that is gone still holds a membership
    /// until it is left.
    pub fn leave(&mut self, interface: IfIndex, group: Ipv4Addr) {
        let membership = Membership::v4(interface, group);
        for socket in core::iter::once(&self.socket).chain(&self.holders) {
            // It is on one of them, or nowhere.
            let _ = membership.leave(socket);
        }
    }

    pub(super) fn mute(&self, muted: &Vrids) -> Result<(), Error> {
        mute(&self.socket, Start::Ipv4Header, muted)
    }

    /// Receives what waits, up to a batch; nothing if nothing waits.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn receive<'a>(&self, inbox: &'a mut Inbox) -> Result<Packets<'a>, Error> {
        inbox.receive(&self.socket, Family::V4)
    }

    /// Has the kernel tell when packets came, or no longer.
    pub fn stamp(&self, is_wanted: bool) {
        stamp(&self.socket, is_wanted);
    }

    pub(super) fn send(&self, outbox: &mut Outbox, failed: &mut dyn FnMut(IfIndex, Errno)) {
        outbox.send(&self.socket, failed);
    }

    /// The name of a device; empty: there is none of this number.
    #[cfg(feature = "watch")]
    pub(super) fn name_of(
        &self,
        interface: IfIndex,
    ) -> heapless::String<{ limits::INTERFACE_NAME_BYTES_MAX }> {
        super::file::interface_name(&self.socket, interface)
    }
}

impl AsRawFd for V4 {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The IPv6 socket.
pub struct V6 {
    socket: Descriptor,
}

impl V6 {
    /// Opens the socket.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW; EAFNOSUPPORT on a kernel without IPv6.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: open(libc::AF_INET6, &SETTINGS_V6, "IPv6 raw socket")? })
    }

    /// Joins `group` on a device. Joining again is harmless.
    ///
    /// # Errors
    /// ENODEV if the device is gone or has no IPv6.
    pub fn join(&mut self, interface: IfIndex, group: Ipv6Addr) -> Result<(), Error> {
        let joined = Membership::v6(interface, group).join(&self.socket);
        joined.map_err(|errno| Error { call: "IPV6_ADD_MEMBERSHIP", errno })
    }

    /// Leaves `group` on a device, which may be gone already.
    pub fn leave(&mut self, interface: IfIndex, group: Ipv6Addr) {
        let _ = Membership::v6(interface, group).leave(&self.socket);
    }

    pub(super) fn mute(&self, muted: &Vrids) -> Result<(), Error> {
        mute(&self.socket, Start::Message, muted)
    }

    /// Receives what waits, up to a batch; nothing if nothing waits.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn receive<'a>(&self, inbox: &'a mut Inbox) -> Result<Packets<'a>, Error> {
        inbox.receive(&self.socket, Family::V6)
    }

    /// Has the kernel tell when packets came, or no longer.
    pub fn stamp(&self, is_wanted: bool) {
        stamp(&self.socket, is_wanted);
    }

    pub(super) fn send(&self, outbox: &mut Outbox, failed: &mut dyn FnMut(IfIndex, Errno)) {
        outbox.send(&self.socket, failed);
    }
}

impl AsRawFd for V6 {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn stamp(socket: &Descriptor, is_wanted: bool) {
    // Without it they have come when they are fetched.
    let _ = socket::set(socket, libc::SOL_SOCKET, STAMPS, &c_int::from(is_wanted));
}

fn open(domain: c_int, settings: &[Setting], call: &'static str) -> Result<Descriptor, Error> {
    let socket = socket::open(domain, libc::SOCK_RAW, IP_PROTOCOL).map_err(|errno| Error { call, errno })?;
    socket::set_all(&socket, settings)?;
    Ok(socket)
}

/// Lets the kernel keep away most packets of these VRIDs, and none where there are none. Where the new filter is refused
/// there is none either: what the old one muted may be ours by now.
fn mute(socket: &Descriptor, start: Start, muted: &Vrids) -> Result<(), Error> {
    let done = if muted.is_empty() {
        let everything =
            libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: u32::MAX };
        socket::filter(socket, &[everything])
    } else {
        let steps = filter::program(start, muted);
        let steps = steps.map(|filter::Step { code, jt, jf, k }| libc::sock_filter { code, jt, jf, k });
        socket::filter(socket, &steps)
    };
    if done.is_err() {
        let nothing: c_int = 0;
        // There may have been none.
        let _ = socket::set(socket, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &nothing);
    }
    done.map_err(|errno| Error { call: "SO_ATTACH_FILTER", errno })
}

/// What a socket is to join.
enum Membership {
    V4(libc::ip_mreqn),
    V6(libc::ipv6_mreq),
}

impl Membership {
    const fn v4(interface: IfIndex, group: Ipv4Addr) -> Self {
        Self::V4(libc::ip_mreqn {
            imr_multiaddr: in_addr(group),
            imr_address: in_addr(Ipv4Addr::UNSPECIFIED),
            imr_ifindex: interface.0 as c_int,
        })
    }

    #[allow(trivial_numeric_casts, reason = "the C libraries differ in the types")]
    const fn v6(interface: IfIndex, group: Ipv6Addr) -> Self {
        Self::V6(libc::ipv6_mreq { ipv6mr_multiaddr: in6_addr(group), ipv6mr_interface: interface.0 as _ })
    }

    /// Joins; a membership that is there already may be that of a deleted device of the same number, so it is left
    /// and joined again.
    fn join(&self, socket: &Descriptor) -> Result<(), Errno> {
        match self.add(socket) {
            Err(Errno::EADDRINUSE) => {
                self.leave(socket)?;
                self.add(socket)
            }
            result => result,
        }
    }

    fn add(&self, socket: &Descriptor) -> Result<(), Errno> {
        match self {
            Self::V4(group) => socket::set(socket, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, group),
            Self::V6(group) => socket::set(socket, libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP, group),
        }
    }

    fn leave(&self, socket: &Descriptor) -> Result<(), Errno> {
        match self {
            Self::V4(group) => socket::set(socket, libc::IPPROTO_IP, libc::IP_DROP_MEMBERSHIP, group),
            Self::V6(group) => socket::set(socket, libc::IPPROTO_IPV6, libc::IPV6_DROP_MEMBERSHIP, group),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Way;
    use super::super::clock;
    use super::super::namespace::{self, Cable};
    use super::*;
    use crate::router::Packet;
    use core::time::Duration;
    use std::format;
    use std::vec::Vec as Heap;

    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
    const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
    const MESSAGE: [u8; 12] = [0x31, 1, 100, 1, 0, 100, 0xab, 0xcd, 10, 9, 0, 99];

    fn local(last: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
    }

    fn v4(to: Ipv4Addr) -> Way {
        let from = Ipv4Addr::new(10, 9, 0, 2);
        Way::V4 { from, to }
    }

    fn send_v4(socket: &V4, interface: IfIndex, to: Ipv4Addr) {
        let mut outbox = Outbox::new();
        outbox.put(interface, v4(to), &MESSAGE).unwrap();
        socket.send(&mut outbox, &mut |_, errno| panic!("{errno:?}"));
        assert!(outbox.is_empty());
    }

    /// What arrives within a moment, as (device, bytes).
    fn received_v4(socket: &V4, expected: bool) -> Heap<(IfIndex, Heap<u8>)> {
        namespace::await_readable(socket, expected);
        let mut inbox = Inbox::new();
        let mut all = Heap::new();
        loop {
            let packets = socket.receive(&mut inbox).unwrap();
            let before = all.len();
            all.extend(packets.map(|packet| match packet {
                Packet::V4 { interface, packet } => (interface, packet.to_vec()),
                Packet::V6 { .. } => panic!("IPv6 from an IPv4 socket"),
            }));
            if all.len() == before {
                return all;
            }
        }
    }

    #[test]
    fn ipv4_messages_arrive_with_header_and_device() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let mut home = V4::open().unwrap();
            let v0 = namespace::index_of("v0");
            home.join(v0, GROUP).unwrap();
            home.join(v0, GROUP).unwrap();
            let (mut away, v1) = cable.away(|| (V4::open().unwrap(), namespace::index_of("v1")));
            cable.away(|| away.join(v1, GROUP).unwrap());

            send_v4(&away, v1, GROUP);
            send_v4(&away, v1, Ipv4Addr::new(10, 9, 0, 1));
            let packets = received_v4(&home, true);
            assert_eq!(packets.len(), 2);
            for ((interface, packet), to) in packets.iter().zip([GROUP.octets(), [10, 9, 0, 1]]) {
                assert_eq!(*interface, v0);
                assert_eq!(packet[..2], [0x45, 0xc0]);
                assert_eq!(packet[8..10], [255, 112]); // TX01, TX03
                assert_eq!(packet[12..16], [10, 9, 0, 2]);
                assert_eq!(packet[16..20], to);
                assert_eq!(packet[20..], MESSAGE);
            }
            assert_eq!(received_v4(&away, false), [], "what we send does not come back");

            home.leave(v0, GROUP);
            send_v4(&away, v1, GROUP);
            assert_eq!(received_v4(&home, false), []);
        });
    }

    #[test]
    fn ipv6_messages_arrive_with_addresses_hop_limit_and_device() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let mut home = V6::open().unwrap();
            let v0 = namespace::index_of("v0");
            home.join(v0, GROUP_V6).unwrap();
            home.join(v0, GROUP_V6).unwrap();
            let (away, v1) = cable.away(|| (V6::open().unwrap(), namespace::index_of("v1")));
            let mut outbox = Outbox::new();
            for to in [GROUP_V6, local(1)] {
                let way = Way::V6 { from: local(2), to };
                outbox.put(v1, way, &MESSAGE).unwrap();
            }
            away.send(&mut outbox, &mut |_, errno| panic!("{errno:?}"));
            namespace::await_readable(&home, true);
            let mut inbox = Inbox::new();
            let packets: Heap<_> = home.receive(&mut inbox).unwrap().collect();
            let expected = [GROUP_V6, local(1)].map(|destination| Packet::V6 {
                interface: v0,
                source: local(2),
                destination,
                hop_limit: 255,
                message: &MESSAGE, // the checksum is untouched
            });
            assert_eq!(packets, expected);
            assert_eq!(home.receive(&mut inbox).unwrap().count(), 0);
            let mut inbox = Inbox::new();
            assert_eq!(away.receive(&mut inbox).unwrap().count(), 0);
        });
    }

    /// Over a cable in one machine it has come before its sender goes on.
    #[test]
    fn a_stamped_packet_came_when_it_came_and_not_when_it_is_fetched() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let home = V4::open().unwrap();
            let (away, v1) = cable.away(|| (V4::open().unwrap(), namespace::index_of("v1")));
            // Between which moments a packet was sent, and when it came.
            let send = || {
                let mut outbox = Outbox::new();
                outbox.put(v1, v4(Ipv4Addr::new(10, 9, 0, 1)), &[0x31, 9]).unwrap();
                let before = clock::now();
                away.send(&mut outbox, &mut |_, errno| panic!("{errno:?}"));
                let behind = clock::now();
                std::thread::sleep(Duration::from_micros(300));
                let mut inbox = Inbox::new();
                let mut packets = home.receive(&mut inbox).unwrap();
                let came_at = packets.came_at();
                packets.next().map(|_| (before, behind, came_at))
            };
            home.stamp(true);
            // Who was put aside for longer than is believed tries again, and so does who was too early.
            assert!((0..1000).filter_map(|_| send()).any(|(before, behind, came_at)| {
                assert!(came_at >= before, "no packet comes before it is sent");
                came_at <= behind
            }));
            home.stamp(false);
            let (_, behind, came_at) = (0..1000).find_map(|_| send()).unwrap();
            assert!(came_at > behind, "without a stamp it comes when it is fetched");
        });
    }

    /// The kernel's own word on the filter: where a packet begins for it, and that it draws by chance.
    #[test]
    fn of_muted_vrids_few_packets_come_in_and_of_others_all() {
        // All of them wait at once.
        const TIMES: usize = 100;
        namespace::networked(|| {
            let cable = Cable::lay();
            let (v4_home, v6_home) = (V4::open().unwrap(), V6::open().unwrap());
            let (v4_away, v6_away, v1) =
                cable.away(|| (V4::open().unwrap(), V6::open().unwrap(), namespace::index_of("v1")));
            // How many come in of a VRID that is muted, of one that is not, and of a packet that is too short for any.
            let hear = || {
                let mut outbox = Outbox::new();
                for message in
                    [&[0x31, 200][..], &[0x31, 9, 100, 1, 0, 10, 0xab, 0xcd], &[0x31]].repeat(TIMES)
                {
                    let v6 = Way::V6 { from: local(2), to: local(1) };
                    outbox.put(v1, v4(Ipv4Addr::new(10, 9, 0, 1)), message).unwrap();
                    v4_away.send(&mut outbox, &mut |_, errno| panic!("{errno:?}"));
                    outbox.put(v1, v6, message).unwrap();
                    v6_away.send(&mut outbox, &mut |_, errno| panic!("{errno:?}"));
                }
                let mut counts = [[0; 3]; 2];
                let mut inbox = Inbox::new();
                let mut note = |packets: Packets<'_>| {
                    let before: usize = counts.iter().flatten().sum();
                    for packet in packets {
                        let (family, message) = match packet {
                            Packet::V4 { packet, .. } => (0, &packet[20..]),
                            Packet::V6 { message, .. } => (1, message),
                        };
                        counts[family][match message.get(1) {
                            Some(200) => 0,
                            Some(_) => 1,
                            None => 2,
                        }] += 1;
                    }
                    counts.iter().flatten().sum::<usize>() > before
                };
                namespace::await_readable(&v4_home, true);
                while note(v4_home.receive(&mut inbox).unwrap()) || note(v6_home.receive(&mut inbox).unwrap())
                {
                }
                counts
            };
            assert_eq!(hear(), [[TIMES; 3]; 2]);
            let mut muted = Vrids::NONE;
            muted.insert(crate::wire::vrrp::Vrid::new(200).unwrap());
            v4_home.mute(&muted).unwrap();
            v6_home.mute(&muted).unwrap();
            for [few, all, short] in hear() {
                // One or two are to be expected; twenty of a hundred are not.
                assert!(few < 20 && (all, short) == (TIMES, TIMES), "{few}, {all}, {short}");
            }
            for nobody in [Vrids::NONE; 2] {
                v4_home.mute(&nobody).unwrap();
                v6_home.mute(&nobody).unwrap();
                assert_eq!(hear(), [[TIMES; 3]; 2]);
            }
        });
    }

    /// igmp_max_memberships is 20.
    #[test]
    fn more_devices_than_one_socket_can_join_on_are_heard() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let mut home = V4::open().unwrap();
            for number in 0..MEMBERSHIPS_MAX * HOLDERS + 5 {
                namespace::ip(&format!("link add d{number} up type veth peer name e{number}"));
                let index = namespace::index_of(&format!("d{number}"));
                home.join(index, GROUP).unwrap();
            }
            let v0 = namespace::index_of("v0");
            home.join(v0, GROUP).unwrap();
            let (away, v1) = cable.away(|| (V4::open().unwrap(), namespace::index_of("v1")));
            send_v4(&away, v1, GROUP);
            let packets = received_v4(&home, true);
            assert_eq!(packets.len(), 1);
            assert_eq!(packets[0].0, v0);
            home.leave(v0, GROUP);
            send_v4(&away, v1, GROUP);
            assert_eq!(received_v4(&home, false), []);
        });
    }

    #[test]
    fn a_device_that_is_deleted_and_made_anew_is_joined_again() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let mut home = V4::open().unwrap();
            let mut home_v6 = V6::open().unwrap();
            let old = namespace::index_of("v0");
            home.join(old, GROUP).unwrap();
            home_v6.join(old, GROUP_V6).unwrap();
            namespace::ip("link delete v0");
            assert_eq!(home.join(old, GROUP).unwrap_err().errno, Errno::ENODEV);
            // Under its old number, and nobody has left.
            cable.plug(&format!("index {}", old.0));
            home.join(old, GROUP).unwrap();
            home_v6.join(old, GROUP_V6).unwrap();
            let (away, v1) = cable.away(|| (V4::open().unwrap(), namespace::index_of("v1")));
            send_v4(&away, v1, GROUP);
            assert_eq!(received_v4(&home, true).len(), 1);
            let joined = namespace::ip("maddress show dev v0");
            assert!(joined.contains("224.0.0.18"), "{joined}");
            assert!(joined.contains("ff02::12"), "{joined}");
            // Under another number.
            namespace::ip("link delete v0");
            home.leave(old, GROUP);
            home_v6.leave(old, GROUP_V6);
            cable.plug("index 77");
            home.join(IfIndex(77), GROUP).unwrap();
            home_v6.join(IfIndex(77), GROUP_V6).unwrap();
            let v1 = cable.away(|| namespace::index_of("v1"));
            send_v4(&away, v1, GROUP);
            assert_eq!(received_v4(&home, true)[0].0, IfIndex(77));
        });
    }

    #[test]
    fn a_packet_too_long_for_the_buffer_is_handed_on_cut() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let home = V4::open().unwrap();
            let (away, v1) = cable.away(|| (V4::open().unwrap(), namespace::index_of("v1")));
            let mut outbox = Outbox::new();
            let to = Ipv4Addr::new(10, 9, 0, 1);
            outbox.put(v1, v4(to), &[0x21; 1520]).unwrap(); // fragmented, and put together again
            away.send(&mut outbox, &mut |_, errno| panic!("{errno:?}"));
            send_v4(&away, v1, to);
            let packets = received_v4(&home, true);
            let lengths: Heap<_> = packets.iter().map(|(_, packet)| packet.len()).collect();
            assert_eq!(lengths, [limits::PACKET_BYTES_MAX, 32]);
        });
    }
}
