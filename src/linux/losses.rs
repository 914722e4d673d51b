//! News of routes and rules of ours that are gone, whoever removed them, on a socket of its own: of all the others, of
//! which there may be very many, nothing comes here.

use core::ffi::c_int;
use std::os::fd::{AsRawFd, RawFd};

use super::call::{self, Descriptor};
use super::{Errno, Error, socket};
use crate::wire::route::{DELETE_ROUTE, DELETE_RULE, MARK};

/// RTNLGRP_IPV4_ROUTE, _IPV4_RULE, _IPV6_ROUTE and _IPV6_RULE.
static GROUPS: [c_int; 4] = [7, 8, 11, 19];

/// A NETLINK_ROUTE socket that is only listened to.
pub struct Losses {
    socket: Descriptor,
}

impl Losses {
    /// Opens the socket, which hears of nothing yet.
    ///
    /// # Errors
    /// That of the calls; it needs no privilege.
    pub fn open() -> Result<Self, Error> {
        let fail = |errno| Error { call: "socket for lost routes", errno };
        let socket = socket::open(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE).map_err(fail)?;
        let program = libc::sock_fprog { len: OURS.len() as u16, filter: OURS.as_ptr().cast_mut() };
        socket::set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program).map_err(fail)?;
        // SAFETY: sockaddr_nl is an aggregate of integers, so all zeros is one; its padding is private.
        let mut address: libc::sockaddr_nl = unsafe { core::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        // Without a number of its own it would be taken for the kernel, which is not told what it says itself.
        socket::bind(&socket, &address, size_of::<libc::sockaddr_nl>()).map_err(fail)?;
        Ok(Self { socket })
    }

    /// Listens from now on, or no longer.
    pub fn listen(&self, is_wanted: bool) {
        let name = if is_wanted { libc::NETLINK_ADD_MEMBERSHIP } else { libc::NETLINK_DROP_MEMBERSHIP };
        for group in &GROUPS {
            // A kernel without IPv6 or without rules has nothing to tell.
            let _ = socket::set(&self.socket, libc::SOL_NETLINK, name, group);
        }
    }

    /// Forgets the news that have come. `true`: there were some.
    pub fn drain(&self) -> bool {
        let mut news = [0; 4];
        let mut any = false;
        // Whoever removes without end does not hold us up.
        for _ in 0..64 {
            match call::read(&self.socket, &mut news) {
                Ok(_) | Err(Errno::ENOBUFS) => any = true,
                Err(_) => break,
            }
        }
        any
    }
}

/// Where the type of the message stands, and the protocol of a route.
const TYPE_AT: u32 = 4;
const PROTOCOL_AT: u32 = 16 + 5;

/// Routes of ours, and rules, whose mark is not at one place, that are gone. What is loaded is taken for big-endian.
static OURS: [libc::sock_filter; 7] = [
    step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, TYPE_AT, 0, 0),
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, DELETE_RULE.to_be() as u32, 3, 0),
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, DELETE_ROUTE.to_be() as u32, 0, 3),
    step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, PROTOCOL_AT, 0, 0),
    step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, MARK as u32, 0, 1),
    step(libc::BPF_RET | libc::BPF_K, u32::MAX, 0, 0),
    step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
];

const fn step(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

impl AsRawFd for Losses {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::namespace;
    use super::*;
    use std::format;

    #[test]
    fn only_routes_of_ours_and_rules_that_are_gone_are_heard_of() {
        namespace::networked(|| {
            namespace::ip("link set lo up");
            let losses = Losses::open().unwrap();
            namespace::ip("route add 10.1.0.0/24 dev lo proto 112");
            namespace::ip("route del 10.1.0.0/24 dev lo proto 112");
            assert!(!losses.drain(), "before it listens");
            losses.listen(true);
            for (family, network) in [("-4", "10.1.0.0/24"), ("-6", "2001:db8:1::/64")] {
                for (protocol, is_ours) in [("112", true), ("static", false)] {
                    namespace::ip(&format!("{family} route add {network} dev lo proto {protocol}"));
                    assert!(!losses.drain(), "{family} {protocol}: it is there");
                    namespace::ip(&format!("{family} route del {network} dev lo proto {protocol}"));
                    assert_eq!(losses.drain(), is_ours, "{family} {protocol}");
                }
                namespace::ip(&format!("{family} rule add to {network} table 9 priority 9 protocol 112"));
                assert!(!losses.drain(), "{family}: it is there");
                namespace::ip(&format!("{family} rule del priority 9"));
                assert!(losses.drain(), "{family}");
            }
            losses.listen(false);
            namespace::ip("rule add to 10.1.0.0/24 table 9 priority 9 protocol 112");
            namespace::ip("rule del priority 9");
            assert!(!losses.drain());
        });
    }
}
