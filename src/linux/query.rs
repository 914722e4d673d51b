//! The sockets that probes ask with: one for each question, closed with its answer.
//!
//! Whatever is not the answer the kernel keeps away as well as it can, by a connected socket or a filter, so that no
//! traffic of others wakes the loop.

use core::ffi::c_int;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, RawFd};

use super::batch::{Inbox, Packets};
use super::call::{self, Descriptor, call, pointer};
use super::socket::{self, Setting};
use super::{Errno, Error};
use crate::config::Family;
use crate::wire::neighbour::{ADVERTISEMENT, ARP_OPERATION_AT, ARP_REPLY, ARP_SENDER_AT};
use crate::wire::{IfIndex, icmp};

/// The device that a question goes through.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its number.
    pub index: IfIndex,
}

/// A question that waits for its answer.
#[derive(Debug)]
pub struct Query {
    socket: Descriptor,
}

const ICMP_FILTER: c_int = 1;
const SOL_RAW: c_int = 255;
const ETH_P_ARP: u16 = 0x0806;

static ADVERTISEMENT_SETTINGS: [Setting; 2] = [
    needed(libc::IPV6_RECVHOPLIMIT, 1, "IPV6_RECVHOPLIMIT"),
    needed(libc::IPV6_MULTICAST_HOPS, 255, "IPV6_MULTICAST_HOPS"),
];

const fn needed(name: c_int, value: c_int, call: &'static str) -> Setting {
    Setting { level: libc::IPPROTO_IPV6, name, value, is_optional: false, call }
}

impl Query {
    /// A raw ICMP socket that hears echo replies from `to`, and its errors.
    ///
    /// # Errors
    /// ENETUNREACH and the like where nothing leads there; EPERM without CAP_NET_RAW.
    pub fn echo(to: IpAddr, device: Option<Device<'_>>) -> Result<Self, Errno> {
        let query = match to {
            IpAddr::V4(_) => {
                let query = Self::open(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)?;
                // A bit that is set keeps a type away; the reply's is 0.
                socket::set(&query.socket, SOL_RAW, ICMP_FILTER, &!1u32)?;
                query
            }
            IpAddr::V6(_) => Self::icmpv6(icmp::REPLY_V6)?,
        };
        query.connect(to, 0, device)?;
        Ok(query)
    }

    /// A raw ICMPv6 socket that hears neighbour advertisements on a device.
    ///
    /// # Errors
    /// ENODEV if the device is gone; EPERM without CAP_NET_RAW.
    pub fn solicitation(device: Device<'_>) -> Result<Self, Errno> {
        let query = Self::icmpv6(ADVERTISEMENT)?;
        query.bind_to(device)?;
        socket::set_all(&query.socket, &ADVERTISEMENT_SETTINGS).map_err(|error| error.errno)?;
        Ok(query)
    }

    /// A packet socket that hears ARP replies about `target` on a device.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW; EAFNOSUPPORT on a kernel without packet sockets.
    pub fn arp(target: Ipv4Addr, device: Device<'_>) -> Result<Self, Errno> {
        let query = Self::open(libc::AF_PACKET, libc::SOCK_RAW, c_int::from(ETH_P_ARP.to_be()))?;
        let word = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
        let or_no = |k: u32, jf: u8| {
            let code = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
            libc::sock_filter { code: code as u16, jt: 0, jf, k }
        };
        let load = libc::BPF_LD | libc::BPF_ABS;
        let device_at = (libc::SKF_AD_OFF + libc::SKF_AD_IFINDEX).cast_unsigned();
        let steps = [
            word(load | libc::BPF_W, device_at),
            or_no(device.index.0, 5),
            word(load | libc::BPF_H, ARP_OPERATION_AT as u32),
            or_no(u32::from(ARP_REPLY), 3),
            word(load | libc::BPF_W, ARP_SENDER_AT as u32),
            or_no(target.to_bits(), 1),
            word(libc::BPF_RET | libc::BPF_K, u32::MAX),
            word(libc::BPF_RET | libc::BPF_K, 0),
        ];
        socket::filter(&query.socket, &steps)?;
        Ok(query)
    }

    /// A TCP connection that begins; it is ready to be written to when it is there or refused.
    ///
    /// # Errors
    /// ENETUNREACH and the like where nothing leads there.
    pub fn tcp(to: IpAddr, port: u16, device: Option<Device<'_>>) -> Result<Self, Errno> {
        let domain = if to.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let query = Self::open(domain, libc::SOCK_STREAM, libc::IPPROTO_TCP)?;
        match query.connect(to, port, device) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(query),
            Err(errno) => Err(errno),
        }
    }

    /// A UDP socket that hears from one port of a host, and what ICMP says of it.
    ///
    /// # Errors
    /// ENETUNREACH and the like where nothing leads there.
    pub fn udp(to: IpAddr, port: u16, device: Option<Device<'_>>) -> Result<Self, Errno> {
        let (domain, level, name) = match to {
            IpAddr::V4(_) => (libc::AF_INET, libc::IPPROTO_IP, libc::IP_RECVERR),
            IpAddr::V6(_) => (libc::AF_INET6, libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        };
        let query = Self::open(domain, libc::SOCK_DGRAM, libc::IPPROTO_UDP)?;
        // Without it a host that is not there is no error, but a port is that is not.
        let _ = socket::set(&query.socket, level, name, &1u32);
        query.connect(to, port, device)?;
        Ok(query)
    }

    /// Whether a connection that has become ready is there.
    ///
    /// # Errors
    /// Why it is not.
    pub fn is_connected(&self) -> Result<(), Errno> {
        socket::error(&self.socket)
    }

    /// Sends to whom the socket is connected.
    ///
    /// # Errors
    /// That of the call; EMSGSIZE if not all of it was taken.
    pub fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        let sent = socket::send(&self.socket, bytes)?;
        if sent == bytes.len() { Ok(()) } else { Err(Errno::EMSGSIZE) }
    }

    /// Sends an ICMPv6 message to a group of the device's segment.
    ///
    /// # Errors
    /// That of the call.
    pub fn send_to_group(&self, group: Ipv6Addr, device: Device<'_>, bytes: &[u8]) -> Result<(), Errno> {
        self.send_to(&name_v6(group, 0, device.index.0), bytes)
    }

    /// Sends a whole frame.
    ///
    /// # Errors
    /// That of the call.
    pub fn send_frame(&self, device: Device<'_>, frame: &[u8]) -> Result<(), Errno> {
        // SAFETY: sockaddr_ll is an aggregate of integers, so all zeros is one.
        let mut name: libc::sockaddr_ll = unsafe { core::mem::zeroed() };
        name.sll_family = libc::AF_PACKET as libc::sa_family_t;
        name.sll_protocol = ETH_P_ARP.to_be();
        name.sll_ifindex = device.index.0 as c_int;
        self.send_to(&name, frame)
    }

    fn send_to<T>(&self, name: &T, bytes: &[u8]) -> Result<(), Errno> {
        let flags = (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as usize;
        let (socket, name, name_len) = (self.socket.number(), pointer(name), size_of::<T>());
        // SAFETY: bytes and name are alive, and their lengths are true; the kernel only reads them.
        let sent =
            unsafe { call(libc::SYS_sendto, &[socket, pointer(bytes), bytes.len(), flags, name, name_len]) };
        sent.map(drop)
    }

    /// What has come to a raw socket, up to a batch.
    ///
    /// # Errors
    /// What ICMP has told of whom it is connected to.
    pub fn receive<'a>(&self, inbox: &'a mut Inbox, family: Family) -> Result<Packets<'a>, Error> {
        inbox.receive(&self.socket, family)
    }

    /// What has come; `None`: nothing yet; empty: the other end has closed.
    ///
    /// # Errors
    /// That of the connection.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>, Errno> {
        match call::read(&self.socket, buffer) {
            Ok(len) => Ok(Some(buffer.get(..len).unwrap_or(&[]))),
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn open(domain: c_int, kind: c_int, protocol: c_int) -> Result<Self, Errno> {
        socket::open(domain, kind, protocol).map(|socket| Self { socket })
    }

    /// A raw ICMPv6 socket that hears messages of one type.
    fn icmpv6(kind: u8) -> Result<Self, Errno> {
        let query = Self::open(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6)?;
        let mut blocked = [u32::MAX; 8];
        if let Some(word) = blocked.get_mut(usize::from(kind >> 5)) {
            *word = !(1 << (kind & 31));
        }
        socket::set(&query.socket, libc::IPPROTO_ICMPV6, ICMP_FILTER, &blocked)?;
        Ok(query)
    }

    fn bind_to(&self, device: Device<'_>) -> Result<(), Errno> {
        // The kernel takes a name with or without a zero behind it.
        let name = device.name.as_bytes();
        socket::set_bytes(&self.socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name)
    }

    fn connect(&self, to: IpAddr, port: u16, device: Option<Device<'_>>) -> Result<(), Errno> {
        if let Some(device) = device {
            self.bind_to(device)?;
        }
        match to {
            IpAddr::V4(to) => {
                // SAFETY: sockaddr_in is an aggregate of integers, so all zeros is one.
                let mut name: libc::sockaddr_in = unsafe { core::mem::zeroed() };
                name.sin_family = libc::AF_INET as libc::sa_family_t;
                name.sin_port = port.to_be();
                name.sin_addr.s_addr = to.to_bits().to_be();
                socket::connect(&self.socket, &name, size_of::<libc::sockaddr_in>())
            }
            IpAddr::V6(to) => {
                let scope = device.filter(|_| to.is_unicast_link_local()).map_or(0, |device| device.index.0);
                let name = name_v6(to, port, scope);
                socket::connect(&self.socket, &name, size_of::<libc::sockaddr_in6>())
            }
        }
    }
}

fn name_v6(to: Ipv6Addr, port: u16, scope: u32) -> libc::sockaddr_in6 {
    // SAFETY: sockaddr_in6 is an aggregate of integers, so all zeros is one.
    let mut name: libc::sockaddr_in6 = unsafe { core::mem::zeroed() };
    name.sin6_family = libc::AF_INET6 as libc::sa_family_t;
    name.sin6_port = port.to_be();
    name.sin6_addr.s6_addr = to.octets();
    name.sin6_scope_id = scope;
    name
}

impl AsRawFd for Query {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
