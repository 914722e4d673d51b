//! rtnetlink: routes and rules that move with a virtual router (linux/rtnetlink.h, linux/fib_rules.h).
//!
//! Each carries [`MARK`], and the kernel compares marks when it removes: what somebody else has made stays, whatever we
//! ask for. Rules have theirs since Linux 4.17; an older kernel overlooks it.

use core::net::IpAddr;

use super::netlink::{self, Request};
use super::{Full, IfIndex, ip};

/// `rtm_protocol` and `FRA_PROTOCOL` of what is ours: VRRP's own number, which neither the kernel nor iproute2 gives to
/// anybody. (18 is keepalived's, which may run beside us.)
pub const MARK: u8 = 112;

/// Bytes of the longest request written here: an IPv6 rule with everything.
pub const REQUEST_BYTES_MAX: usize = 128;

const NEW_ROUTE: u16 = 24;
/// `RTM_DELROUTE`, which also tells of a route that is gone.
pub const DELETE_ROUTE: u16 = 25;
const NEW_RULE: u16 = 32;
/// `RTM_DELRULE`, which also tells of a rule that is gone.
pub const DELETE_RULE: u16 = 33;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_PROTOCOL: u16 = 21;
/// `FR_ACT_TO_TBL`: look into a table.
const TO_TABLE: u8 = 1;

/// The main table (`RT_TABLE_MAIN`).
pub const MAIN_TABLE: u32 = 254;
/// Any scope, in a request that removes (`RT_SCOPE_NOWHERE`).
pub const ANY_SCOPE: u8 = 255;

/// What becomes of a packet that a route fits; `rtm_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// It goes to the gateway, or out of the device.
    Unicast = 1,
    /// It is dropped.
    Blackhole = 6,
    /// It is dropped, and the sender told that there is no way.
    Unreachable = 7,
    /// It is dropped, and the sender told that it may not.
    Prohibit = 8,
}

/// An address and how many bits of it count; 0: every address of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// With zeros behind the prefix.
    pub address: IpAddr,
    /// 0..=32, or 0..=128.
    pub prefix_len: u8,
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: Network,
    /// What becomes of what goes there.
    pub kind: Kind,
    /// The next router.
    pub gateway: Option<IpAddr>,
    /// The source of what starts here and goes there.
    pub source: Option<IpAddr>,
    /// The device.
    pub interface: Option<IfIndex>,
    /// `rt_scope`; ignored for IPv6.
    pub scope: u8,
    /// The table, from 1.
    pub table: u32,
    /// The lower comes first; 0: the kernel's default.
    pub metric: u32,
}

/// A rule: what fits it is looked up in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule<'a> {
    /// IPv6.
    pub is_v6: bool,
    /// Where from.
    pub from: Option<Network>,
    /// Where to.
    pub to: Option<Network>,
    /// Through which device; empty: any.
    pub interface: &'a str,
    /// The firewall's mark; 0: any.
    pub mark: u32,
    /// The table, from 1.
    pub table: u32,
    /// The lower comes first.
    pub priority: u32,
}

/// Writes a request that adds a route, and returns its length in bytes. One of somebody else's is left beside it; Linux
/// puts the new one first over IPv4, and over IPv6 shares between the two if they have the same metric.
///
/// # Errors
/// [`Full`] if `buffer` is shorter than [`REQUEST_BYTES_MAX`] and the request does not fit.
pub fn add_route(route: &Route, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    write_route(route, NEW_ROUTE, netlink::CREATE, sequence, buffer)
}

/// Writes a request that removes a route of ours, and returns its length in bytes. A gateway, source or device that is
/// not said, a metric of 0 and [`ANY_SCOPE`] fit any.
///
/// # Errors
/// As [`add_route`].
pub fn delete_route(route: &Route, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    write_route(route, DELETE_ROUTE, 0, sequence, buffer)
}

/// Writes a request that adds a rule, and returns its length in bytes. There are never two that are the same.
///
/// # Errors
/// As [`add_route`].
pub fn add_rule(rule: &Rule<'_>, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    write_rule(rule, NEW_RULE, netlink::CREATE | netlink::EXCLUSIVE, sequence, buffer)
}

/// Writes a request that removes a rule of ours, and returns its length in bytes.
///
/// # Errors
/// As [`add_route`].
pub fn delete_rule(rule: &Rule<'_>, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    write_rule(rule, DELETE_RULE, 0, sequence, buffer)
}

fn write_route(
    route: &Route,
    message: u16,
    flags: u16,
    sequence: u32,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let Network { address, prefix_len } = route.destination;
    let mut request = Request::new(buffer, message, flags, sequence)?;
    // struct rtmsg: family, lengths of destination and source, type of service, table, protocol, scope, type, flags.
    let family = family_of(address);
    let scope = if family == AF_INET { route.scope } else { 0 };
    request.put(&[family, prefix_len, 0, 0, 0, MARK, scope, route.kind as u8, 0, 0, 0, 0])?;
    if prefix_len > 0 {
        put_address(&mut request, RTA_DST, Some(address))?;
    }
    put_address(&mut request, RTA_GATEWAY, route.gateway)?;
    put_address(&mut request, RTA_PREFSRC, route.source)?;
    put_number(&mut request, RTA_OIF, route.interface.map_or(0, |interface| interface.0))?;
    put_number(&mut request, RTA_TABLE, route.table)?;
    put_number(&mut request, RTA_PRIORITY, route.metric)?;
    request.finish()
}

fn write_rule(
    rule: &Rule<'_>,
    message: u16,
    flags: u16,
    sequence: u32,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let mut request = Request::new(buffer, message, flags, sequence)?;
    let family = if rule.is_v6 { AF_INET6 } else { AF_INET };
    let len = |network: Option<Network>| network.map_or(0, |network| network.prefix_len);
    // struct fib_rule_hdr: family, lengths of destination and source, type of service, table, two that are not used,
    // action, flags.
    request.put(&[family, len(rule.to), len(rule.from), 0, 0, 0, 0, TO_TABLE, 0, 0, 0, 0])?;
    for (kind, network) in [(FRA_DST, rule.to), (FRA_SRC, rule.from)] {
        let said = network.filter(|network| network.prefix_len > 0);
        put_address(&mut request, kind, said.map(|network| network.address))?;
    }
    if !rule.interface.is_empty() {
        request.string(FRA_IIFNAME, rule.interface)?;
    }
    if rule.mark > 0 {
        put_number(&mut request, FRA_FWMARK, rule.mark)?;
        put_number(&mut request, FRA_FWMASK, u32::MAX)?;
    }
    put_number(&mut request, FRA_TABLE, rule.table)?;
    put_number(&mut request, FRA_PRIORITY, rule.priority)?;
    request.attribute(FRA_PROTOCOL, &[MARK])?;
    request.finish()
}

fn put_address(request: &mut Request<'_>, kind: u16, address: Option<IpAddr>) -> Result<(), Full> {
    let Some(address) = address else { return Ok(()) };
    let mut buffer = [0; 16];
    request.attribute(kind, ip::octets(&address, &mut buffer))
}

/// A number that is 0 is not said.
fn put_number(request: &mut Request<'_>, kind: u16, number: u32) -> Result<(), Full> {
    if number == 0 {
        return Ok(());
    }
    request.attribute(kind, &number.to_ne_bytes())
}

const fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    const GATEWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 254));

    fn network(address: [u8; 4], prefix_len: u8) -> Network {
        Network { address: IpAddr::from(address), prefix_len }
    }

    fn route() -> Route {
        Route {
            destination: network([192, 168, 8, 0], 24),
            kind: Kind::Unicast,
            gateway: Some(GATEWAY),
            source: None,
            interface: Some(IfIndex(3)),
            scope: 0,
            table: 300,
            metric: 7,
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_route_is_these_bytes_whatever_the_buffer_held() {
        let mut buffer = [0xa5; REQUEST_BYTES_MAX];
        let len = add_route(&route(), 9, &mut buffer).unwrap();
        #[rustfmt::skip]
        let mut expected = [
            68, 0, 0, 0, 24, 0, 1, 4, 9, 0, 0, 0, 0, 0, 0, 0, // REQUEST | CREATE: neither REPLACE nor EXCL
            2, 24, 0, 0, 0, 112, 0, 1, 0, 0, 0, 0,
            8, 0, 1, 0, 192, 168, 8, 0,
            8, 0, 5, 0, 10, 0, 0, 254,
            8, 0, 4, 0, 3, 0, 0, 0,
            8, 0, 15, 0, 44, 1, 0, 0,
            8, 0, 6, 0, 7, 0, 0, 0,
        ];
        assert_eq!(buffer[..len], expected);
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
        let len = delete_route(&route(), 9, &mut buffer).unwrap();
        (expected[4], expected[7]) = (25, 0);
        assert_eq!(buffer[..len], expected);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_default_route_and_a_blackhole_say_no_more_than_they_must() {
        let mut buffer = [0xa5; REQUEST_BYTES_MAX];
        let bare = Route {
            destination: network([0; 4], 0),
            kind: Kind::Blackhole,
            gateway: None,
            interface: None,
            scope: ANY_SCOPE,
            table: MAIN_TABLE,
            metric: 0,
            ..route()
        };
        let len = delete_route(&bare, 9, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            36, 0, 0, 0, 25, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0,
            2, 0, 0, 0, 0, 112, 255, 6, 0, 0, 0, 0,
            8, 0, 15, 0, 254, 0, 0, 0,
        ];
        assert_eq!(buffer[..len], expected);
    }

    fn rule() -> Rule<'static> {
        let address = |last| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
        Rule {
            is_v6: true,
            from: Some(Network { address: address(1), prefix_len: 128 }),
            to: Some(Network { address: address(0), prefix_len: 64 }),
            interface: "fifteen-letters",
            mark: 0x1234,
            table: 10,
            priority: 1000,
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_rule_with_everything_is_these_bytes_and_the_longest_request() {
        let mut buffer = [0xa5; REQUEST_BYTES_MAX];
        let len = add_rule(&rule(), 9, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            128, 0, 0, 0, 32, 0, 1, 6, 9, 0, 0, 0, 0, 0, 0, 0, // REQUEST | CREATE | EXCL
            10, 64, 128, 0, 0, 0, 0, 1, 0, 0, 0, 0,
            20, 0, 1, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            20, 0, 2, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            20, 0, 3, 0, b'f', b'i', b'f', b't', b'e', b'e', b'n', b'-', b'l', b'e', b't', b't', b'e', b'r', b's', 0,
            8, 0, 10, 0, 0x34, 0x12, 0, 0,
            8, 0, 16, 0, 255, 255, 255, 255,
            8, 0, 15, 0, 10, 0, 0, 0,
            8, 0, 6, 0, 0xe8, 3, 0, 0,
            5, 0, 21, 0, 112, 0, 0, 0,
        ];
        assert_eq!(len, REQUEST_BYTES_MAX);
        assert_eq!(buffer[..], expected);
        for room in 0..REQUEST_BYTES_MAX {
            assert_eq!(add_rule(&rule(), 9, &mut buffer[..room]), Err(Full));
        }
    }
}
