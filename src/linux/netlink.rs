//! The rtnetlink socket: requests out, answers and news in.

use std::os::fd::{AsRawFd, RawFd};

use super::call::{Descriptor, call, pointer_mut};
use super::socket::{self, Setting};
use super::{Errno, Error};
use crate::wire::rtnl;

/// Bytes that may wait in the socket: a board that renames all its ports at boot makes a few hundred.
const QUEUE_BYTES: libc::c_int = 262_144;

/// What was waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<'a> {
    /// One datagram from the kernel, for [`rtnl::messages`].
    Datagram(&'a [u8]),
    /// Some were lost for want of room (ENOBUFS): ask for everything again.
    Overrun,
    /// Nothing.
    Nothing,
}

/// A NETLINK_ROUTE socket that hears of links and of addresses of both families.
///
/// The kernel answers a request that fails with the error and the request itself. It performs one dump at a
/// time: a second one that is asked for before the first is done may be refused with EBUSY.
pub struct NetlinkSocket {
    socket: Descriptor,
}

impl NetlinkSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// That of the calls; reading needs no privilege.
    pub fn open() -> Result<Self, Error> {
        let fail = |errno| Error { call: "netlink socket", errno };
        let socket = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).map_err(fail)?;
        // The second needs privilege, and gives what the first may not.
        socket::set_all(&socket, &[queue(libc::SO_RCVBUF), queue(libc::SO_RCVBUFFORCE)])?;
        // SAFETY: sockaddr_nl is an aggregate of integers, so all zeros is one; its padding is private.
        let mut address: libc::sockaddr_nl = unsafe { core::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
        socket::bind(&socket, &address, size_of::<libc::sockaddr_nl>()).map_err(fail)?;
        Ok(Self { socket })
    }

    /// Opens one for the packet filter, which hears nothing but the answers to its own requests.
    ///
    /// # Errors
    /// EPROTONOSUPPORT where the kernel has none.
    pub fn open_netfilter() -> Result<Self, Error> {
        let fail = |errno| Error { call: "netfilter socket", errno };
        let socket = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER);
        Ok(Self { socket: socket.map_err(fail)? })
    }

    /// Opens one for the families that have no number of their own, which hears nothing but the answers to its own
    /// requests.
    ///
    /// # Errors
    /// That of the call; it needs no privilege.
    pub fn open_generic() -> Result<Self, Error> {
        let fail = |errno| Error { call: "generic netlink socket", errno };
        let socket = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_GENERIC);
        Ok(Self { socket: socket.map_err(fail)? })
    }

    /// From now on it hears of default routes as well, or no longer. Of other routes, of which there may be very many, it
    /// never does.
    ///
    /// # Errors
    /// That of the calls.
    pub fn hear_of_routes(&self, is_wanted: bool) -> Result<(), Error> {
        let fail = |errno| Error { call: "news of routes", errno };
        let name = if is_wanted { libc::NETLINK_ADD_MEMBERSHIP } else { libc::NETLINK_DROP_MEMBERSHIP };
        if is_wanted {
            // Where the kernel takes no filter, we skip what is not for us.
            let _ = socket::filter(&self.socket, &DEFAULT_ROUTES);
        }
        for group in [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE] {
            socket::set(&self.socket, libc::SOL_NETLINK, name, &group).map_err(fail)?;
        }
        Ok(())
    }

    /// Sends requests, one after another in one datagram. The kernel performs them all before this returns;
    /// its answers wait in the socket.
    ///
    /// # Errors
    /// That of the call: then none of them was performed.
    pub fn send(&self, requests: &[u8]) -> Result<(), Error> {
        let sent = socket::send(&self.socket, requests);
        sent.map(drop).map_err(|errno| Error { call: "netlink request", errno })
    }

    /// Receives one datagram into `buffer`, as much of it as there is room for. What does not come from the kernel is
    /// dropped.
    ///
    /// # Errors
    /// None that is known to happen.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Received<'a>, Error> {
        self.receive_flagged(buffer, 0)
    }

    /// Receives one whole datagram into `buffer`. What does not come from the kernel is dropped.
    ///
    /// # Errors
    /// EMSGSIZE if there is no room for all of it: then it is gone.
    pub fn receive_whole<'a>(&self, buffer: &'a mut [u8]) -> Result<Received<'a>, Error> {
        self.receive_flagged(buffer, libc::MSG_TRUNC)
    }

    fn receive_flagged<'a>(&self, buffer: &'a mut [u8], flags: libc::c_int) -> Result<Received<'a>, Error> {
        let fail = |errno| Error { call: "reading netlink", errno };
        loop {
            // SAFETY: sockaddr_nl is an aggregate of integers, so all zeros is one.
            let mut sender: libc::sockaddr_nl = unsafe { core::mem::zeroed() };
            let mut sender_len = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
            let arguments = [
                self.socket.number(),
                pointer_mut(buffer),
                buffer.len(),
                (libc::MSG_DONTWAIT | flags) as usize,
                pointer_mut(&mut sender),
                pointer_mut(&mut sender_len),
            ];
            // SAFETY: buffer and sender are alive, and their lengths are true.
            match unsafe { call(libc::SYS_recvfrom, &arguments) } {
                Ok(len) if sender.nl_pid == 0 => {
                    return buffer.get(..len).map(Received::Datagram).ok_or(fail(Errno::EMSGSIZE));
                }
                Ok(_) => {}
                Err(Errno::EAGAIN) => return Ok(Received::Nothing),
                Err(Errno::ENOBUFS) => return Ok(Received::Overrun),
                Err(errno) => return Err(fail(errno)),
            }
        }
    }
}

const RTNLGRP_IPV4_ROUTE: libc::c_int = 7;
const RTNLGRP_IPV6_ROUTE: libc::c_int = 11;

/// Where the type, the flags and the length of a route's prefix stand in the first message of a datagram.
const TYPE_AT: u32 = 4;
const FLAGS_AT: u32 = 6;
const PREFIX_LEN_AT: u32 = 17;

/// Keeps away the news of a route that is no default route. In a list (NLM_F_MULTI) there are many in one datagram, and
/// the first says nothing about the others.
static DEFAULT_ROUTES: [libc::sock_filter; 9] = [
    step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, TYPE_AT, 0, 0),
    // What is loaded is taken for big-endian.
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, rtnl::NEW_ROUTE.to_be() as u32, 1, 0),
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, rtnl::DELETE_ROUTE.to_be() as u32, 0, 4),
    step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, FLAGS_AT, 0, 0),
    step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, NLM_F_MULTI.to_be() as u32, 2, 0),
    step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, PREFIX_LEN_AT, 0, 0),
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 0, 1),
    step(libc::BPF_RET | libc::BPF_K, u32::MAX, 0, 0),
    step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
];

const NLM_F_MULTI: u16 = 2;

const fn step(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

const fn queue(name: libc::c_int) -> Setting {
    let level = libc::SOL_SOCKET;
    Setting { level, name, value: QUEUE_BYTES, is_optional: true, call: "SO_RCVBUF" }
}

impl AsRawFd for NetlinkSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Inbox;
    use super::super::namespace;
    use super::*;
    use crate::wire::IfIndex;
    use crate::wire::rtnl::{self, Message, NewAddress};
    use core::net::IpAddr;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    const LO: IfIndex = IfIndex(1);

    fn new(address: &str, prefix_len: u8) -> NewAddress<'static> {
        NewAddress {
            interface: LO,
            address: address.parse().unwrap(),
            prefix_len,
            scope: 0,
            label: "",
            lifetime_secs: None,
            without_route: false,
        }
    }

    fn add(socket: &NetlinkSocket, new: &NewAddress<'_>) {
        let mut buffer = [0; rtnl::REQUEST_BYTES_MAX];
        let len = rtnl::add_address(new, 7, &mut buffer).unwrap();
        socket.send(&buffer[..len]).unwrap();
    }

    fn delete(socket: &NetlinkSocket, address: IpAddr, prefix_len: u8) {
        let mut buffer = [0; rtnl::REQUEST_BYTES_MAX];
        let len = rtnl::delete_address(LO, address, prefix_len, 8, &mut buffer).unwrap();
        socket.send(&buffer[..len]).unwrap();
    }

    /// All that waits, in short. News of an IPv6 address come a moment after it.
    fn said(socket: &NetlinkSocket) -> Vec<String> {
        heard(socket, true)
    }

    fn heard(socket: &NetlinkSocket, expected: bool) -> Vec<String> {
        namespace::await_readable(socket, expected);
        let mut inbox = Inbox::new();
        let mut all = Vec::new();
        loop {
            match socket.receive(inbox.datagram()).unwrap() {
                Received::Nothing => return all,
                Received::Overrun => all.push("overrun".to_string()),
                Received::Datagram(datagram) => {
                    all.extend(rtnl::messages(datagram).map(|message| short(&message)));
                }
            }
        }
    }

    fn short(message: &Message<'_>) -> String {
        match message {
            Message::Link(link) => {
                let state = if link.running { "up" } else { "down" };
                format!("link {} {} {state} {:?}", link.index.0, link.name, link.mac)
            }
            Message::LinkGone(index) => format!("link {} gone", index.0),
            Message::Address(address) => {
                let (ip, len) = (address.address, address.prefix_len);
                let mark = if address.marked { " marked" } else { "" };
                let usable = if address.usable { "" } else { " unusable" };
                format!("{ip}/{len} on {}{mark}{usable}", address.interface.0)
            }
            Message::AddressGone(address) => format!("{} gone", address.address),
            Message::Route(route) => {
                let (family, verb) =
                    (if route.is_v6 { 6 } else { 4 }, if route.is_there { "is" } else { "gone" });
                let alive = if route.leads_over(None) { "" } else { " dead" };
                format!("route {family} {verb}{alive}")
            }
            Message::Done { sequence, torn } => format!("done {sequence} {torn}"),
            Message::Refused { sequence, errno, address } => {
                format!("refused {sequence} {errno} {:?}", address.map(|a| a.address))
            }
        }
    }

    /// Of other routes not even a datagram comes, and none at all unless they are asked for.
    #[test]
    fn default_routes_are_told_of_and_others_are_kept_away() {
        namespace::networked(|| {
            let socket = NetlinkSocket::open().unwrap();
            namespace::ip("link add wan type veth peer name far");
            namespace::ip("link set far up");
            namespace::ip("link set wan up");
            namespace::ip("address add 10.9.0.1/24 dev wan");
            namespace::ip("route add default via 10.9.0.2");
            let before = said(&socket);
            assert!(!before.iter().any(|line| line.starts_with("route")), "{before:?}");
            socket.hear_of_routes(true).unwrap();
            let mut request = [0; rtnl::REQUEST_BYTES_MAX];
            let len = rtnl::dump_routes(3, &mut request).unwrap();
            socket.send(&request[..len]).unwrap();
            assert_eq!(said(&socket), ["route 4 is", "done 3 false"]);

            namespace::ip("route add 10.8.0.0/16 via 10.9.0.2");
            namespace::ip("-6 route add 2001:db8::/32 dev wan");
            namespace::ip("route del 10.8.0.0/16");
            namespace::await_readable(&socket, false);
            let mut inbox = Inbox::new();
            assert_eq!(socket.receive(inbox.datagram()).unwrap(), Received::Nothing);

            namespace::ip("route del default");
            assert_eq!(said(&socket), ["route 4 gone"]);
            namespace::ip("-6 route add default dev wan");
            assert_eq!(said(&socket), ["route 6 is"]);
            namespace::ip("route add default dev wan table 7");
            assert_eq!(heard(&socket, false), [""; 0]);
            socket.hear_of_routes(false).unwrap();
            namespace::ip("route add default via 10.9.0.2");
            assert_eq!(heard(&socket, false), [""; 0]);
        });
    }

    #[test]
    fn addresses_come_and_go_with_their_mark() {
        namespace::networked(|| {
            namespace::ip("link set lo up");
            let socket = NetlinkSocket::open().unwrap();
            for (address, len) in [("10.9.1.1", 32), ("2001:db8::1", 128), ("fe80::1", 64)] {
                let wanted = new(address, len);
                add(&socket, &wanted);
                assert_eq!(said(&socket), [format!("{address}/{len} on 1 marked")]);
                // Once more changes nothing, and is no error.
                add(&socket, &wanted);
                let again = heard(&socket, false);
                assert!(!again.iter().any(|line| line.starts_with("refused")), "{again:?}");
                let shown = namespace::ip("-o address show dev lo");
                assert!(shown.contains(&format!("{address}/{len}")), "{shown}");
                delete(&socket, wanted.address, len);
                assert_eq!(said(&socket), [format!("{address} gone")]);
            }
        });
    }

    /// So that the address is not the source of new connections, as keepalived does it.
    #[test]
    fn a_bare_ipv6_address_is_deprecated_from_the_start_and_stays() {
        namespace::networked(|| {
            namespace::ip("link set lo up");
            let socket = NetlinkSocket::open().unwrap();
            add(&socket, &new("2001:db8::1", 128));
            add(&socket, &new("2001:db8::2", 64));
            let mut labelled = new("10.9.1.1", 24);
            labelled.label = "lo:vip";
            labelled.lifetime_secs = Some(600);
            labelled.scope = 253;
            add(&socket, &labelled);
            let shown = namespace::ip("address show dev lo");
            let of = |address: &str| {
                let (_, line) = shown.split_once(address).unwrap();
                let mut lines = line.lines();
                format!("{}{}", lines.next().unwrap(), lines.next().unwrap())
            };
            let bare = of("2001:db8::1/128");
            assert!(bare.contains("deprecated"), "{bare}");
            assert!(bare.contains("nodad"), "{bare}");
            assert!(bare.contains("valid_lft forever preferred_lft 0sec"), "{bare}");
            let subnet = of("2001:db8::2/64");
            assert!(!subnet.contains("deprecated"), "{subnet}");
            assert!(subnet.contains("preferred_lft forever"), "{subnet}");
            let v4 = of("10.9.1.1/24");
            assert!(v4.contains("scope link dynamic") && v4.contains("lo:vip"), "{v4}");
            assert!(v4.contains("valid_lft 600sec preferred_lft 600sec"), "{v4}");
        });
    }

    #[test]
    fn a_refused_request_comes_back_and_those_behind_it_are_performed() {
        namespace::networked(|| {
            let socket = NetlinkSocket::open().unwrap();
            let mut elsewhere = new("10.9.1.1", 24);
            elsewhere.interface = IfIndex(99);
            let mut buffer = [0; 2 * rtnl::REQUEST_BYTES_MAX];
            let first = rtnl::add_address(&elsewhere, 5, &mut buffer).unwrap();
            let rest = &mut buffer[first..];
            let second = rtnl::add_address(&new("10.9.1.2", 24), 6, rest).unwrap();
            socket.send(&buffer[..first + second]).unwrap();
            delete(&socket, "10.9.1.3".parse().unwrap(), 24);
            let mut said = said(&socket);
            said.sort();
            assert_eq!(
                said,
                ["10.9.1.2/24 on 1 marked", "refused 5 19 Some(10.9.1.1)", "refused 8 99 Some(10.9.1.3)"]
            );
        });
    }

    #[test]
    fn dumps_tell_all_links_and_addresses_and_news_follow() {
        namespace::networked(|| {
            namespace::ip("link add v0 address 02:00:00:00:00:0a type veth peer name v1");
            let socket = NetlinkSocket::open().unwrap();
            let mut buffer = [0; 64];
            let len = rtnl::dump_links(1, &mut buffer).unwrap();
            socket.send(&buffer[..len]).unwrap();
            let links = said(&socket);
            assert_eq!(links[0], "link 1 lo down None");
            let index = namespace::index_of("v0").0;
            let v0 = format!("link {index} v0 down Some(Mac([2, 0, 0, 0, 0, 10]))");
            assert!(links.contains(&v0), "{links:?}");
            assert_eq!(links.last().unwrap(), "done 1 false");

            namespace::ip("link set v1 up");
            namespace::ip("link set v0 up");
            let news = said(&socket);
            assert!(news.contains(&v0.replace("down", "up")), "{news:?}");
            namespace::ip("address add 10.9.0.1/24 dev v0");
            let news = said(&socket);
            assert!(news.contains(&format!("10.9.0.1/24 on {index}")), "{news:?}");
            let len = rtnl::dump_addresses(2, &mut buffer).unwrap();
            socket.send(&buffer[..len]).unwrap();
            let addresses = said(&socket);
            assert!(addresses.contains(&format!("10.9.0.1/24 on {index}")));
            assert!(addresses.iter().any(|line| line.starts_with("fe80::")));
            assert_eq!(addresses.last().unwrap(), "done 2 false");

            // A port joins a bridge and leaves it: the link was never gone.
            namespace::ip("link add b0 type bridge");
            namespace::ip("link set v0 master b0");
            heard(&socket, true);
            namespace::ip("link set v0 nomaster");
            let news = said(&socket);
            assert!(!news.iter().any(|line| line.ends_with("gone")), "{news:?}");
            namespace::ip("link delete v0");
            let news = said(&socket);
            assert!(news.contains(&format!("link {index} gone")), "{news:?}");
        });
    }

    #[test]
    fn news_that_are_not_read_overrun_and_reading_goes_on_after() {
        namespace::networked(|| {
            let socket = NetlinkSocket::open().unwrap();
            let other = NetlinkSocket::open().unwrap();
            let address = "10.9.1.1".parse().unwrap();
            for _ in 0..2000 {
                add(&other, &new("10.9.1.1", 32));
                delete(&other, address, 32);
            }
            let all = said(&socket);
            assert!(all.contains(&"overrun".to_string()));
            assert!(all.len() < 4001);
            add(&socket, &new("10.9.1.1", 32));
            assert_eq!(said(&socket), ["10.9.1.1/32 on 1 marked"]);
        });
    }
}
