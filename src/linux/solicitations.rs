//! The socket that hears router solicitations, and nothing else.
//!
//! It is opened at the start, as long as that may be done (see [`privilege`](super::privilege)), and lets nothing through
//! until somebody wants to hear. Which groups the machine has joined is another socket's business.

use core::ffi::c_int;
use std::os::fd::{AsRawFd, RawFd};

use super::Error;
use super::batch::{Inbox, Packets};
use super::call::Descriptor;
use super::socket::{self, Setting};
use crate::config::Family;
use crate::wire::ra::SOLICITATION;

const CALL: &str = "ICMPv6 raw socket";

static SETTINGS: [Setting; 3] = [
    needed(libc::IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO"),
    needed(libc::IPV6_RECVHOPLIMIT, "IPV6_RECVHOPLIMIT"),
    Setting {
        level: libc::SOL_SOCKET,
        name: libc::SO_RCVBUF,
        // A crowd that asks gets one answer.
        value: 16_384,
        is_optional: true,
        call: "SO_RCVBUF",
    },
];

const fn needed(name: c_int, call: &'static str) -> Setting {
    Setting { level: libc::IPPROTO_IPV6, name, value: 1, is_optional: false, call }
}

/// `ICMP6_FILTER`: the option, and a bit for each type that is not wanted (RFC 3542 §3.2).
const FILTER: c_int = 1;
type Unwanted = [u32; 8];

/// The ICMPv6 socket.
pub struct Solicitations {
    socket: Descriptor,
}

impl Solicitations {
    /// Opens the socket, which hears nothing.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW; EAFNOSUPPORT on a kernel without IPv6.
    pub fn open() -> Result<Self, Error> {
        let opened = socket::open(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6);
        let solicitations = Self { socket: opened.map_err(|errno| Error { call: CALL, errno })? };
        solicitations.listen(false)?;
        socket::set_all(&solicitations.socket, &SETTINGS)?;
        Ok(solicitations)
    }

    /// Hears solicitations from now on, or nothing.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn listen(&self, is_wanted: bool) -> Result<(), Error> {
        let mut unwanted: Unwanted = [u32::MAX; 8];
        let [_, _, _, _, word, ..] = &mut unwanted;
        if is_wanted {
            *word &= !(1 << (SOLICITATION % 32));
        }
        let set = socket::set(&self.socket, libc::IPPROTO_ICMPV6, FILTER, &unwanted);
        set.map_err(|errno| Error { call: "ICMP6_FILTER", errno })
    }

    /// Receives what waits, up to a batch; nothing if nothing waits.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn receive<'a>(&self, inbox: &'a mut Inbox) -> Result<Packets<'a>, Error> {
        inbox.receive(&self.socket, Family::V6)
    }
}

impl AsRawFd for Solicitations {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

static_assertions::const_assert!(SOLICITATION / 32 == 4);

#[cfg(test)]
mod tests {
    use super::super::namespace::{self, Cable};
    use super::super::raw::V6;
    use super::*;
    use crate::router::Packet;
    use crate::wire::ra::{ALL_ROUTERS, is_solicitation};
    use core::net::{Ipv6Addr, SocketAddrV6};
    use socket2::{Domain, Protocol, SockAddr, Socket, Type};
    use std::format;

    const LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

    /// The other end asks for a router, and sends an echo request.
    fn ask(cable: &Cable, to: Ipv6Addr) {
        cable.away(|| {
            let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
            socket.set_multicast_hops_v6(255).unwrap();
            let to = SockAddr::from(SocketAddrV6::new(to, 0, 0, namespace::index_of("v1").0));
            for kind in [128, SOLICITATION] {
                socket.send_to(&[kind, 0, 0, 0, 0, 0, 0, 0], &to).unwrap();
            }
        });
    }

    #[test]
    fn it_hears_solicitations_alone_and_only_if_it_is_to() {
        namespace::networked(|| {
            let cable = Cable::lay();
            let solicitations = Solicitations::open().unwrap();
            let v0 = namespace::index_of("v0");
            // Somebody else joins.
            let mut vrrp = V6::open().unwrap();
            vrrp.join(v0, ALL_ROUTERS).unwrap();
            let mut inbox = Inbox::new();
            for is_wanted in [false, true, false] {
                solicitations.listen(is_wanted).unwrap();
                ask(&cable, ALL_ROUTERS);
                namespace::await_readable(&solicitations, is_wanted);
                let packets: std::vec::Vec<_> = solicitations.receive(&mut inbox).unwrap().collect();
                assert_eq!(packets.len(), usize::from(is_wanted));
                for packet in packets {
                    let Packet::V6 { interface, source, destination, hop_limit, message } = packet else {
                        panic!("{packet:?}");
                    };
                    assert_eq!((interface, destination), (v0, ALL_ROUTERS));
                    assert!(is_solicitation(source, hop_limit, message), "{}", format!("{packet:?}"));
                    assert_ne!(source, LOCAL);
                }
            }
        });
    }
}
