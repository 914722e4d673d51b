//! The kernel as an [`Outlet`]: what leaves is gathered, and goes in few system calls.

use core::net::IpAddr;

use heapless::{Deque, Vec};

use super::batch::{Outbox, Way};
use super::bfd::Lines;
use super::ipvs::IpvsSocket;
use super::netfilter::Netfilter;
use super::netlink::NetlinkSocket;
use super::packet::PacketSocket;
use super::raw::{V4, V6};
use super::solicitations::Solicitations;
use super::{Errno, Error};
use crate::config::Family;
use crate::limits;
use crate::perform::{Outlet, Unsent};
use crate::router::{Datagram, Failure, Parcel};
use crate::say::info;
use crate::wire::IfIndex;
use crate::wire::filter::Vrids;

/// What waits to leave, and what has failed to.
#[repr(C)] // What every router uses lies together, and then that of which most may never be used: few pages of memory.
pub struct Arena {
    requests: Vec<u8, { limits::REQUEST_BYTES_MAX }>,
    v4: Outbox,
    frames: Outbox,
    failures: Failures,
    /// The groups that we are a member of, each on a device that was there when it was joined.
    memberships: Vec<(IfIndex, IpAddr), { 2 * limits::INTERFACES_MAX + limits::RA_MAX }>,
    v6: Outbox,
    /// Advertisements from virtual MACs.
    adverts: [Outbox; limits::VMACS_MAX],
}

impl Arena {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            requests: Vec::new(),
            v4: Outbox::new(),
            frames: Outbox::new(),
            failures: Failures { queue: Deque::new(), has_lost: false },
            memberships: Vec::new(),
            v6: Outbox::new(),
            adverts: [const { Outbox::new() }; limits::VMACS_MAX],
        }
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

struct Failures {
    queue: Deque<Failure, { limits::FAILURES_MAX }>,
    /// There were more than it holds.
    has_lost: bool,
}

impl Failures {
    fn add(&mut self, interface: IfIndex, what: Parcel, errno: Errno) {
        let failure = Failure { interface, what, errno: errno.0 };
        if self.queue.push_back(failure).is_err() {
            self.has_lost = true;
        }
    }

    /// Those that were lost come last, as one. A request or a membership may have been among them, which somebody has to
    /// try again.
    fn take(&mut self) -> Option<Failure> {
        let lost = || Failure { interface: IfIndex(0), what: Parcel::Netlink, errno: Errno::ENOBUFS.0 };
        self.queue.pop_front().or_else(|| core::mem::take(&mut self.has_lost).then(lost))
    }
}

/// The kernel.
///
/// Nothing leaves before [`Self::flush`], unless an arena is full. What leaves together leaves in the order
/// messages, requests, frames: first the peers learn of a takeover, then the address is there, then the
/// segment is told.
pub struct Kernel<'a> {
    /// IP protocol 112 over IPv4.
    pub v4: V4,
    /// IP protocol 112 over IPv6, if the kernel has it.
    pub v6: Option<V6>,
    /// Questions for a router, in a build that answers them.
    pub solicitations: Option<Solicitations>,
    /// Whole frames.
    pub packet: PacketSocket,
    /// BFD's port.
    pub bfd: Lines,
    /// Links and addresses.
    pub netlink: NetlinkSocket,
    netfilter: Netfilter,
    /// Of these VRIDs few packets come in.
    muted: Vrids,
    /// The kernel takes no filter for the raw sockets, and we have said so.
    hears_all: bool,
    /// The virtual servers; `None`: the kernel speaks no generic netlink, or this build no IPVS.
    pub ipvs: Option<IpvsSocket>,
    arena: &'a mut Arena,
    /// The kernel tells when packets came.
    is_stamping: bool,
}

impl<'a> Kernel<'a> {
    /// Opens every socket.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW. A kernel without IPv6 is none.
    pub fn open(arena: &'a mut Arena) -> Result<Self, Error> {
        let v6 = match V6::open() {
            Ok(v6) => Some(v6),
            Err(error) if error.errno == Errno::EAFNOSUPPORT => None,
            Err(error) => return Err(error),
        };
        let solicitations =
            if cfg!(feature = "ra") && v6.is_some() { Some(Solicitations::open()?) } else { None };
        Ok(Self {
            v4: V4::open()?,
            v6,
            solicitations,
            bfd: Lines::open(),
            packet: PacketSocket::open()?,
            netlink: NetlinkSocket::open()?,
            netfilter: Netfilter::default(),
            muted: Vrids::NONE,
            hears_all: false,
            ipvs: if cfg!(feature = "ipvs") { IpvsSocket::open().ok() } else { None },
            arena,
            is_stamping: false,
        })
    }

    /// Has the kernel tell when packets came, or no longer.
    pub fn stamp(&mut self, is_wanted: bool) {
        if is_wanted != self.is_stamping {
            self.is_stamping = is_wanted;
            self.v4.stamp(is_wanted);
            if let Some(v6) = &self.v6 {
                v6.stamp(is_wanted);
            }
        }
    }

    /// Lets go what has been gathered.
    pub fn flush(&mut self) {
        self.flush_messages();
        self.flush_requests();
        let failures = &mut self.arena.failures;
        self.packet.send(&mut self.arena.frames, &mut |interface, errno| {
            failures.add(interface, Parcel::Frame, errno);
        });
    }

    /// Lets go what has been gathered, if there are announcements among it: what is gathered later would overtake
    /// them.
    pub fn flush_announcements(&mut self) {
        if !self.arena.frames.is_empty() {
            self.flush();
        }
    }

    /// The oldest failure that has not been taken yet. That of requests that could not be sent at all has
    /// interface 0, and so has the one that stands for all that were too many to be remembered; a request that is
    /// refused is answered through the netlink socket.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.arena.failures.take()
    }

    /// Whether there is a failure to take.
    #[must_use]
    pub fn has_failures(&self) -> bool {
        !self.arena.failures.queue.is_empty() || self.arena.failures.has_lost
    }

    /// Lets few packets of these VRIDs come in from now on, and all others. A kernel that does not do so changes nothing.
    pub fn mute(&mut self, muted: &Vrids) {
        if self.muted == *muted {
            return;
        }
        self.muted = *muted;
        let v6 = self.v6.as_ref().map_or(Ok(()), |v6| v6.mute(muted));
        if let Err(error) = self.v4.mute(muted).and(v6)
            && !core::mem::replace(&mut self.hears_all, true)
        {
            info!("packets of VRIDs that are nobody's here all come in: {error}");
        }
    }

    fn flush_messages(&mut self) {
        let failures = &mut self.arena.failures;
        self.v4.send(&mut self.arena.v4, &mut |interface, errno| {
            failures.add(interface, Parcel::Message(Family::V4), errno);
        });
        if let Some(socket) = &self.v6 {
            socket.send(&mut self.arena.v6, &mut |interface, errno| {
                failures.add(interface, Parcel::Message(Family::V6), errno);
            });
        }
        for adverts in &mut self.arena.adverts {
            self.packet.send(adverts, &mut |interface, errno| {
                failures.add(interface, Parcel::Frame, errno);
            });
        }
    }

    fn flush_requests(&mut self) {
        if self.arena.requests.is_empty() {
            return;
        }
        if let Err(error) = self.netlink.send(&self.arena.requests) {
            let failures = &mut self.arena.failures;
            failures.add(IfIndex(0), Parcel::Netlink, error.errno);
        }
        self.arena.requests.clear();
    }

    /// A membership on a deleted device still takes up room in its socket.
    fn leave_deleted(&mut self) {
        let mut next = 0;
        while let Some((interface, group)) = self.arena.memberships.get(next).copied() {
            if self.packet.has_interface(interface) {
                next += 1;
                continue;
            }
            match (group, &mut self.v6) {
                (IpAddr::V4(group), _) => self.v4.leave(interface, group),
                (IpAddr::V6(group), Some(v6)) => v6.leave(interface, group),
                (IpAddr::V6(_), None) => {}
            }
            self.arena.memberships.swap_remove(next);
        }
    }

    fn put_message(&mut self, interface: IfIndex, way: Way, payload: &[u8]) -> Result<(), Unsent> {
        let outbox = match way {
            Way::V4 { .. } => &mut self.arena.v4,
            Way::V6 { .. } => &mut self.arena.v6,
            Way::Frame => return Err(Unsent),
        };
        outbox.put(interface, way, payload).map_err(|_| Unsent)
    }
}

impl Outlet for Kernel<'_> {
    fn join(&mut self, interface: IfIndex, group: IpAddr) -> Result<(), Unsent> {
        if self.arena.memberships.contains(&(interface, group)) {
            return Ok(());
        }
        self.leave_deleted();
        let joined = match (group, &mut self.v6) {
            (IpAddr::V4(group), _) => self.v4.join(interface, group),
            (IpAddr::V6(group), Some(v6)) => v6.join(interface, group),
            (IpAddr::V6(_), None) => return Err(Unsent),
        };
        match joined {
            // If the list is full, the next time joins again, which is harmless.
            Ok(()) => drop(self.arena.memberships.push((interface, group))),
            Err(error) => {
                self.arena.failures.add(interface, Parcel::Join, error.errno);
                return Err(Unsent);
            }
        }
        Ok(())
    }

    fn message(
        &mut self,
        interface: IfIndex,
        from: IpAddr,
        to: IpAddr,
        payload: &[u8],
    ) -> Result<(), Unsent> {
        let way = match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Way::V4 { from, to },
            (IpAddr::V6(from), IpAddr::V6(to)) if self.v6.is_some() => Way::V6 { from, to },
            (IpAddr::V4(_) | IpAddr::V6(_), IpAddr::V4(_) | IpAddr::V6(_)) => return Err(Unsent),
        };
        if self.put_message(interface, way, payload).is_ok() {
            return Ok(());
        }
        self.flush_messages();
        self.put_message(interface, way, payload)
    }

    /// It leaves at once: a session is as old as its last packet. One that is refused is only counted; the next is due
    /// before anything could be done about it.
    fn datagram(&mut self, datagram: &Datagram<'_>) -> Result<(), Unsent> {
        self.bfd.send(datagram);
        Ok(())
    }

    fn frame(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        if self.arena.frames.put(interface, Way::Frame, frame).is_ok() {
            return Ok(());
        }
        self.flush();
        let put = self.arena.frames.put(interface, Way::Frame, frame);
        put.map_err(|_| Unsent)
    }

    fn advert(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        let Some(adverts) = self.arena.adverts.first_mut() else { return Err(Unsent) };
        if adverts.put(interface, Way::Frame, frame).is_ok() {
            return Ok(());
        }
        self.flush_messages();
        let put = self.arena.adverts.first_mut().map(|adverts| adverts.put(interface, Way::Frame, frame));
        put.and_then(Result::ok).ok_or(Unsent)
    }

    fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent> {
        if self.arena.requests.extend_from_slice(request).is_ok() {
            return Ok(());
        }
        self.flush_messages();
        self.flush_requests();
        let put = self.arena.requests.extend_from_slice(request);
        put.map_err(|_| Unsent)
    }

    /// It does not wait for others: addresses are claimed after it, and released before it.
    fn netfilter(&mut self, batch: &[u8]) -> Result<(), Unsent> {
        self.flush_messages();
        self.flush_requests();
        if let Err(error) = self.netfilter.send(batch) {
            self.arena.failures.add(IfIndex(0), Parcel::Netfilter, error.errno);
        }
        Ok(())
    }

    /// At once: whoever has the virtual address may have any of its servers' connections.
    fn ipvs(&mut self, request: &mut [u8]) -> Result<(), Unsent> {
        if !cfg!(feature = "ipvs") {
            return Ok(());
        }
        let sent = match &self.ipvs {
            Some(socket) => {
                socket.find_family().and_then(|()| socket.send(request)).map_err(|error| error.errno)
            }
            None => Err(Errno::EAFNOSUPPORT),
        };
        if let Err(errno) = sent {
            self.arena.failures.add(IfIndex(0), Parcel::Ipvs, errno);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Inbox;
    use super::super::namespace::{self, Cable, frames, listen};
    use super::*;
    use crate::router::Packet;
    use crate::wire::Mac;
    use crate::wire::frame;
    use crate::wire::rtnl;
    use core::net::Ipv4Addr;
    use std::vec::Vec as Heap;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 0x0a]);
    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
    const AWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));

    /// Lengths of the messages that wait.
    fn lengths(socket: &V4) -> Heap<usize> {
        namespace::await_readable(socket, true);
        let mut inbox = Inbox::new();
        let mut all = Heap::new();
        loop {
            let packets = socket.receive(&mut inbox).unwrap();
            let before = all.len();
            all.extend(packets.map(|packet| match packet {
                Packet::V4 { packet, .. } => packet.len() - 20,
                Packet::V6 { .. } => 0,
            }));
            if all.len() == before {
                return all;
            }
        }
    }

    fn arp(last: u8) -> Heap<u8> {
        let mut buffer = [0xa5; frame::FRAME_BYTES_MAX];
        let address = Ipv4Addr::new(10, 9, 1, last);
        let len = frame::gratuitous_arp(MAC, address, &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    fn claim(interface: IfIndex, last: u8) -> Heap<u8> {
        let mut buffer = [0xa5; rtnl::REQUEST_BYTES_MAX];
        let wanted = rtnl::NewAddress {
            interface,
            address: IpAddr::from([10, 9, 1, last]),
            prefix_len: 32,
            scope: 0,
            label: "",
            lifetime_secs: None,
            without_route: false,
        };
        let len = rtnl::add_address(&wanted, 1, &mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    #[test]
    fn a_takeover_leaves_in_its_order_and_only_on_flush() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let mut arena = Arena::new();
            let mut kernel = Kernel::open(&mut arena).unwrap();
            let v0 = namespace::index_of("v0");
            let all = cable.away(|| listen(libc::ETH_P_ALL as u16));
            kernel.frame(v0, &arp(1)).unwrap();
            kernel.netlink(&claim(v0, 1)).unwrap();
            let group = IpAddr::from([224, 0, 0, 18]);
            kernel.message(v0, HOME, group, &[0x21; 20]).unwrap();
            let from = "fe80::1".parse().unwrap();
            let group = "ff02::12".parse().unwrap();
            kernel.message(v0, from, group, &[0x31; 24]).unwrap();
            assert_eq!(frames(&all, false), Heap::<Heap<u8>>::new());
            kernel.flush();
            let seen = frames(&all, true);
            assert_eq!(kernel.take_failure(), None);
            let shown = namespace::ip("address show dev v0");
            assert!(shown.contains("10.9.1.1/32"), "{shown}");
            let position = |prefix: &[u8]| {
                let found = seen.iter().position(|frame| frame.starts_with(prefix));
                found.unwrap_or_else(|| panic!("{seen:?}"))
            };
            let advert = position(&[1, 0, 0x5e, 0, 0, 0x12]); // TX04
            let advert_v6 = position(&[0x33, 0x33, 0, 0, 0, 0x12]); // TX05
            let announcement = position(&arp(1));
            assert!(advert < advert_v6 && advert_v6 < announcement);
            let ipv6 = &seen[advert_v6][14..];
            // Traffic class 0xc0, next header 112, hop limit 255 (TX27, TX03, TX02); the payload untouched.
            assert_eq!((ipv6[0], ipv6[1] & 0xf0, ipv6[6], ipv6[7]), (0x6c, 0, 112, 255));
            assert_eq!(ipv6[40..], [0x31; 24]);
        });
    }

    /// A session waits for nobody, and what cannot leave is nobody's failure.
    #[cfg(feature = "bfd")]
    #[test]
    fn a_bfd_packet_leaves_at_once_and_one_that_cannot_is_no_failure() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let mut arena = Arena::new();
            let mut kernel = Kernel::open(&mut arena).unwrap();
            let all = cable.away(|| listen(libc::ETH_P_ALL as u16));
            for interface in [IfIndex(99), namespace::index_of("v0")] {
                let payload = &[0xa5; 32];
                let datagram =
                    Datagram { interface, source: HOME, destination: AWAY, hop_limit: 255, payload };
                assert_eq!(kernel.datagram(&datagram), Ok(()));
            }
            let is_ours = |frame: &&Heap<u8>| frame.ends_with(&[0xa5; 32]);
            assert_eq!(frames(&all, true).iter().filter(is_ours).count(), 1);
            assert!(!kernel.has_failures());
        });
    }

    #[test]
    fn what_is_refused_is_told_and_does_not_hold_up_the_rest() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let mut arena = Arena::new();
            let mut kernel = Kernel::open(&mut arena).unwrap();
            let v0 = namespace::index_of("v0");
            let gone = IfIndex(99);
            let all = cable.away(|| listen(libc::ETH_P_ALL as u16));
            for interface in [v0, gone, v0] {
                kernel.frame(interface, &arp(1)).unwrap();
                kernel.message(interface, HOME, AWAY, &[0x21; 20]).unwrap();
            }
            kernel.flush();
            let failure = |what, errno| Some(Failure { interface: gone, what, errno });
            let message = Parcel::Message(Family::V4);
            assert_eq!(kernel.take_failure(), failure(message, libc::ENODEV));
            assert_eq!(kernel.take_failure(), failure(Parcel::Frame, libc::ENXIO));
            assert_eq!(kernel.take_failure(), None);
            let seen = frames(&all, true);
            let arps = seen.iter().filter(|frame| **frame == arp(1)).count();
            assert_eq!(arps, 2);
            let is_advert = |frame: &&Heap<u8>| frame.len() > 33 && frame[23] == 112;
            assert_eq!(seen.iter().filter(is_advert).count(), 2);

            for _ in 0..limits::FAILURES_MAX + 3 {
                kernel.frame(gone, &arp(1)).unwrap();
            }
            kernel.flush();
            for _ in 0..limits::FAILURES_MAX {
                assert_eq!(kernel.take_failure(), failure(Parcel::Frame, libc::ENXIO));
            }
            // Any of those that were too many may have been a request, which somebody has to try again.
            assert!(kernel.has_failures());
            let (interface, what, errno) = (IfIndex(0), Parcel::Netlink, libc::ENOBUFS);
            assert_eq!(kernel.take_failure(), Some(Failure { interface, what, errno }));
            assert_eq!(kernel.take_failure(), None);
            kernel.netlink(&[0; 15]).unwrap(); // too short for a header: the kernel ignores it
            kernel.flush();
            assert_eq!(kernel.take_failure(), None);
        });
    }

    #[test]
    fn hundreds_at_once_all_leave_whatever_the_arenas_hold() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let mut arena = Arena::new();
            let mut kernel = Kernel::open(&mut arena).unwrap();
            let v0 = namespace::index_of("v0");
            let (arps, peer) = cable.away(|| (listen(0x0806), V4::open().unwrap()));
            kernel.message(v0, HOME, AWAY, &[1]).unwrap(); // lets the neighbour be resolved
            kernel.flush();
            frames(&arps, true);
            for last in 0..=254 {
                kernel.message(v0, HOME, AWAY, &[last; 20]).unwrap();
                kernel.netlink(&claim(v0, last)).unwrap();
                kernel.frame(v0, &arp(last)).unwrap();
            }
            kernel.flush();
            assert_eq!(kernel.take_failure(), None);
            let seen = frames(&arps, true);
            let announced = seen.iter().filter(|frame| frame[..6] == [0xff; 6]);
            let announced: Heap<_> = announced.map(|frame| frame[31]).collect();
            assert_eq!(announced, (0..=254).collect::<Heap<u8>>());
            let shown = namespace::ip("-o -4 address show dev v0");
            assert_eq!(shown.matches("10.9.1.").count(), 255);
            // 255 virtual routers that advertise at once fit the receive buffer of a peer that is not reading.
            let arrived = lengths(&peer);
            assert_eq!(arrived.len(), 256);
            assert_eq!(arrived[1..], [20; 255]);

            let long = [0x31; limits::MESSAGE_BYTES_MAX];
            for _ in 0..9 {
                kernel.message(v0, HOME, AWAY, &long).unwrap();
            }
            kernel.flush();
            assert_eq!(lengths(&peer), [limits::MESSAGE_BYTES_MAX; 9]);
            assert_eq!(kernel.take_failure(), None);
        });
    }
}
