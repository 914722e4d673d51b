//! Raw sockets for IP protocol 112: one for each family, whatever the number of devices.
//!
//! Which device a packet came from and goes to is told with each packet, so a device that is deleted and made
//! anew costs nothing but joining the group once more.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use heapless::Vec;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use super::batch::{Inbox, Outbox};
use super::{Errno, Error, optional, set_option};
use crate::limits;
use crate::router::Packet;
use crate::wire::IfIndex;

const IP_PROTOCOL: i32 = 112;
const TTL: u32 = 255;
/// Internetwork control (RFC 791 §3.1), as every router sends (TX27), and its queue.
const PRECEDENCE: u32 = 0xc0;
const QUEUE_PRIORITY: u32 = 6;

/// The IPv4 socket.
pub struct V4 {
    socket: Socket,
    /// The kernel allows 20 memberships a socket (igmp_max_memberships). These hold further ones, and are
    /// never read: a socket receives what is for any group that the host has joined (IP_MULTICAST_ALL).
    holders: Vec<Socket, { limits::INTERFACES_MAX }>,
}

impl V4 {
    /// Opens the socket.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW.
    pub fn open() -> Result<Self, Error> {
        const CALL: &str = "IPv4 raw socket";
        let protocol = Protocol::from(IP_PROTOCOL);
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::IPV4, kind, Some(protocol)).map_err(Error::io(CALL))?;
        set_option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &1, "IP_PKTINFO")?;
        let io = |result: std::io::Result<()>, call| result.map_err(Error::io(call));
        io(socket.set_ttl_v4(TTL), "IP_TTL")?;
        io(socket.set_multicast_ttl_v4(TTL), "IP_MULTICAST_TTL")?;
        optional(io(socket.set_multicast_loop_v4(false), "IP_MULTICAST_LOOP"));
        optional(io(socket.set_tos_v4(PRECEDENCE), "IP_TOS"));
        set_common(&socket);
        Ok(Self { socket, holders: Vec::new() })
    }

    /// Joins `group` on a device. Joining again is harmless.
    ///
    /// # Errors
    /// ENODEV if the device is gone, ENOBUFS if there are too many memberships.
    pub fn join(&mut self, interface: IfIndex, group: Ipv4Addr) -> Result<(), Error> {
        const CALL: &str = "IP_ADD_MEMBERSHIP";
        let index = InterfaceIndexOrAddress::Index(interface.0);
        for socket in core::iter::once(&self.socket).chain(&self.holders) {
            let result = join_anew(
                || socket.join_multicast_v4_n(&group, &index),
                || socket.leave_multicast_v4_n(&group, &index),
            );
            match result.map_err(Error::io(CALL)) {
                Err(error) if error.errno == Errno::ENOBUFS => {}
                result => return result,
            }
        }
        let kind = Type::DGRAM.cloexec();
        let socket = Socket::new(Domain::IPV4, kind, None).map_err(Error::io(CALL))?;
        let joined = socket.join_multicast_v4_n(&group, &index);
        joined.map_err(Error::io(CALL))?;
        let kept = self.holders.push(socket);
        kept.map_err(|_| Error::of(CALL)(Errno::ENOBUFS))
    }

    /// Leaves `group` on a device, which may be gone already; a device that is gone still holds a membership
    /// until it is left.
    pub fn leave(&mut self, interface: IfIndex, group: Ipv4Addr) {
        let index = InterfaceIndexOrAddress::Index(interface.0);
        for socket in core::iter::once(&self.socket).chain(&self.holders) {
            // It is on one of them, or nowhere.
            let _ = socket.leave_multicast_v4_n(&group, &index);
        }
    }

    /// Receives what waits, up to a batch; nothing if nothing waits.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn receive<'a>(
        &self,
        inbox: &'a mut Inbox,
    ) -> Result<impl ExactSizeIterator<Item = Packet<'a>> + use<'a>, Error> {
        inbox.receive_v4(self.socket.as_raw_fd())
    }

    pub(super) fn send(&self, outbox: &mut Outbox, failed: &mut dyn FnMut(IfIndex, Errno)) {
        outbox.send(self.socket.as_raw_fd(), failed);
    }
}

impl AsFd for V4 {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The IPv6 socket.
pub struct V6 {
    socket: Socket,
}

impl V6 {
    /// Opens the socket.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW; EAFNOSUPPORT on a kernel without IPv6.
    pub fn open() -> Result<Self, Error> {
        const CALL: &str = "IPv6 raw socket";
        let protocol = Protocol::from(IP_PROTOCOL);
        let kind = Type::RAW.nonblocking().cloexec();
        let socket = Socket::new(Domain::IPV6, kind, Some(protocol)).map_err(Error::io(CALL))?;
        let ipv6 = libc::IPPROTO_IPV6;
        set_option(&socket, ipv6, libc::IPV6_RECVPKTINFO, &1, "IPV6_RECVPKTINFO")?;
        let io = |result: std::io::Result<()>, call| result.map_err(Error::io(call));
        io(socket.set_recv_hoplimit_v6(true), "IPV6_RECVHOPLIMIT")?;
        io(socket.set_unicast_hops_v6(TTL), "IPV6_UNICAST_HOPS")?;
        io(socket.set_multicast_hops_v6(TTL), "IPV6_MULTICAST_HOPS")?;
        optional(io(socket.set_multicast_loop_v6(false), "IPV6_MULTICAST_LOOP"));
        optional(io(socket.set_tclass_v6(PRECEDENCE), "IPV6_TCLASS"));
        // The checksum is ours, in both directions.
        let none = -1;
        optional(set_option(&socket, ipv6, libc::IPV6_CHECKSUM, &none, "IPV6_CHECKSUM"));
        set_common(&socket);
        Ok(Self { socket })
    }

    /// Joins `group` on a device. Joining again is harmless.
    ///
    /// # Errors
    /// ENODEV if the device is gone or has no IPv6.
    pub fn join(&mut self, interface: IfIndex, group: Ipv6Addr) -> Result<(), Error> {
        let result = join_anew(
            || self.socket.join_multicast_v6(&group, interface.0),
            || self.socket.leave_multicast_v6(&group, interface.0),
        );
        result.map_err(Error::io("IPV6_ADD_MEMBERSHIP"))
    }

    /// Leaves `group` on a device, which may be gone already.
    pub fn leave(&mut self, interface: IfIndex, group: Ipv6Addr) {
        let _ = self.socket.leave_multicast_v6(&group, interface.0);
    }

    /// Receives what waits, up to a batch; nothing if nothing waits.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn receive<'a>(
        &self,
        inbox: &'a mut Inbox,
    ) -> Result<impl ExactSizeIterator<Item = Packet<'a>> + use<'a>, Error> {
        inbox.receive_v6(self.socket.as_raw_fd())
    }

    pub(super) fn send(&self, outbox: &mut Outbox, failed: &mut dyn FnMut(IfIndex, Errno)) {
        outbox.send(self.socket.as_raw_fd(), failed);
    }
}

impl AsFd for V6 {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What both sockets want. The priority comes after the precedence, which sets another one.
fn set_common(socket: &Socket) {
    let bytes = limits::SOCKET_BUFFER_BYTES;
    let result = socket.set_recv_buffer_size(bytes);
    optional(result.map_err(Error::io("SO_RCVBUF")));
    let result = socket.set_priority(QUEUE_PRIORITY);
    optional(result.map_err(Error::io("SO_PRIORITY")));
}

/// Joins; a membership that is there already may be that of a deleted device of the same number, so it is left
/// and joined again.
fn join_anew(
    join: impl Fn() -> std::io::Result<()>,
    leave: impl Fn() -> std::io::Result<()>,
) -> std::io::Result<()> {
    match join() {
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
            leave()?;
            join()
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Way;
    use super::super::namespace::{self, Cable};
    use super::*;
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
        socket.send(&mut outbox, &mut |_, errno| panic!("{errno}"));
        assert!(outbox.is_empty());
    }

    /// What arrives within a moment, as (device, bytes).
    fn received_v4(socket: &V4, expected: bool) -> Heap<(IfIndex, Heap<u8>)> {
        namespace::await_readable(socket, expected);
        let mut inbox = Inbox::new();
        let mut all = Heap::new();
        loop {
            let packets = socket.receive(&mut inbox).unwrap();
            if packets.len() == 0 {
                return all;
            }
            all.extend(packets.map(|packet| match packet {
                Packet::V4 { interface, packet } => (interface, packet.to_vec()),
                Packet::V6 { .. } => panic!("IPv6 from an IPv4 socket"),
            }));
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
            away.send(&mut outbox, &mut |_, errno| panic!("{errno}"));
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
            assert_eq!(home.receive(&mut inbox).unwrap().len(), 0);
            let mut inbox = Inbox::new();
            assert_eq!(away.receive(&mut inbox).unwrap().len(), 0);
        });
    }

    /// igmp_max_memberships is 20.
    #[test]
    fn more_devices_than_one_socket_can_join_on_are_heard() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let mut home = V4::open().unwrap();
            for number in 0..45 {
                namespace::ip(&format!("link add d{number} up type veth peer name e{number}"));
                let index = namespace::index_of(&format!("d{number}"));
                home.join(index, GROUP).unwrap();
            }
            let v0 = namespace::index_of("v0");
            home.join(v0, GROUP).unwrap();
            assert_eq!(home.holders.len(), 2);
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
            away.send(&mut outbox, &mut |_, errno| panic!("{errno}"));
            send_v4(&away, v1, to);
            let packets = received_v4(&home, true);
            let lengths: Heap<_> = packets.iter().map(|(_, packet)| packet.len()).collect();
            assert_eq!(lengths, [limits::PACKET_BYTES_MAX, 32]);
        });
    }
}
