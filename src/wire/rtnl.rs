//! rtnetlink: links, addresses and default routes (rtnetlink(7), linux/rtnetlink.h, linux/if_addr.h).

use core::net::IpAddr;

use super::netlink::{self, Request};
use super::{Full, IfIndex, Mac, ip, link};

/// The mark (`IFA_PROTO`) on every address that we install, so that a restart knows its own: 112, as VRRP.
pub const ADDRESS_MARK: u8 = 112;

/// Bytes of the longest request written here: an IPv6 address with all its attributes.
pub const REQUEST_BYTES_MAX: usize = 100;

const NEW_LINK: u16 = link::NEW_LINK;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
const GET_ADDRESS: u16 = 22;

/// `RTM_NEWROUTE` and `RTM_DELROUTE`, for a filter.
pub const NEW_ROUTE: u16 = 24;
/// See [`NEW_ROUTE`].
pub const DELETE_ROUTE: u16 = 25;
const GET_ROUTE: u16 = 26;

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const ARPHRD_ETHER: u16 = 1;
const IFF_UP: u32 = 0x01;
const IFF_RUNNING: u32 = 0x40;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET_CONF: u16 = 1;
const IPV4_DEVCONF_PROMOTE_SECONDARIES: u16 = 20;
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;

const RT_TABLE_MAIN: u8 = 254;
const RTN_UNICAST: u8 = 1;
const RTM_F_CLONED: u32 = 0x200;
const RTA_OIF: u16 = 4;
const RTA_MULTIPATH: u16 = 9;
const RTNH_F_DEAD: u8 = 1;
const RTNH_F_LINKDOWN: u8 = 16;
const FOREVER: u32 = u32::MAX;

/// One message from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A link exists, or has changed.
    Link(Link<'a>),
    /// A link is gone.
    LinkGone(IfIndex),
    /// An address exists, or has changed.
    Address(Address),
    /// An address is gone.
    AddressGone(Address),
    /// A default route of the main table exists, or is gone.
    Route(DefaultRoute<'a>),
    /// The answer to the dump request with this sequence number is complete.
    Done {
        /// Sequence number of the request.
        sequence: u32,
        /// Something changed in the middle (`NLM_F_DUMP_INTR`): the answer may be torn.
        torn: bool,
    },
    /// A request was refused.
    Refused {
        /// Sequence number of the request.
        sequence: u32,
        /// Positive errno.
        errno: i32,
        /// The address that it was about, if it was about one.
        address: Option<Address>,
    },
}

/// What we want to know of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// The kernel's number.
    pub index: IfIndex,
    /// Its name.
    pub name: &'a str,
    /// Its Ethernet address, if it has one.
    pub mac: Option<Mac>,
    /// `IFF_UP` and `IFF_RUNNING`: switched on, and with carrier.
    pub running: bool,
    /// What matters for virtual MACs; nothing in a build without them.
    pub details: link::Details,
}

/// What we want to know of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The link that it is on.
    pub interface: IfIndex,
    /// The address (`IFA_LOCAL`, else `IFA_ADDRESS`).
    pub address: IpAddr,
    /// Prefix length.
    pub prefix_len: u8,
    /// Usable as a source: neither tentative nor failed in duplicate address detection.
    pub usable: bool,
    /// Carries [`ADDRESS_MARK`].
    pub marked: bool,
}

/// What we want to know of a default route: 0.0.0.0/0, or ::/0 from wherever (OpenWrt's have a source).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRoute<'a> {
    /// It exists; otherwise it is gone.
    pub is_there: bool,
    /// It has taken another one's place (`NLM_F_REPLACE`).
    pub replaces: bool,
    /// ::/0.
    pub is_v6: bool,
    flags: u8,
    attributes: &'a [u8],
}

impl DefaultRoute<'_> {
    /// Whether it leads over this device, or anywhere: over a device that is gone, switched off or without carrier it
    /// does not.
    #[must_use]
    pub fn leads_over(&self, device: Option<IfIndex>) -> bool {
        let is_it = |index: u32| device.is_none_or(|device| device.0 == index);
        let mut is_named = false;
        for attribute in netlink::attributes(self.attributes) {
            match attribute.kind {
                RTA_OIF => {
                    is_named = true;
                    if is_alive(self.flags) && attribute.as_u32().is_some_and(is_it) {
                        return true;
                    }
                }
                RTA_MULTIPATH => {
                    is_named = true;
                    if next_hops(attribute.value).any(|(flags, index)| is_alive(flags) && is_it(index)) {
                        return true;
                    }
                }
                _ => {}
            }
        }
        // One that names its next hops by a number alone (`RTA_NH_ID`) leads somewhere.
        !is_named && device.is_none() && is_alive(self.flags)
    }
}

const fn is_alive(flags: u8) -> bool {
    flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN) == 0
}

/// The flags and devices in a list of `struct rtnexthop`, up to the first whose length cannot be.
fn next_hops(mut list: &[u8]) -> impl Iterator<Item = (u8, u32)> + '_ {
    core::iter::from_fn(move || {
        let (&[l0, l1, flags, _, i0, i1, i2, i3], _) = list.split_first_chunk::<8>()?;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        if len < 8 || len > list.len() {
            return None;
        }
        list = list.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        Some((flags, u32::from_ne_bytes([i0, i1, i2, i3])))
    })
}

/// An address to install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAddress<'a> {
    /// The link.
    pub interface: IfIndex,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix_len: u8,
    /// `rt_scope`; ignored for IPv6.
    pub scope: u8,
    /// IPv4 label; empty: none.
    pub label: &'a str,
    /// Seconds that it stays valid unless renewed; `None`: for ever.
    pub lifetime_secs: Option<u32>,
    /// Without a route to its prefix (`IFA_F_NOPREFIXROUTE`); ignored for IPv4.
    pub without_route: bool,
}

/// The messages in one datagram from the kernel; what we do not know is skipped, what is broken ends it.
///
/// A dump takes several datagrams, and the mark of a torn one can stand in any of them. [`Messages::torn`]
/// carries it from one to the next.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    inner: netlink::Messages<'a>,
    torn: bool,
}

/// The messages in one datagram from the kernel, taken by itself.
#[must_use]
pub const fn messages(datagram: &[u8]) -> Messages<'_> {
    messages_after(datagram, false)
}

/// The messages in one datagram from the kernel, with what [`Messages::torn`] said at the end of the one
/// before it.
#[must_use]
pub const fn messages_after(datagram: &[u8], torn: bool) -> Messages<'_> {
    Messages { inner: netlink::messages(datagram), torn }
}

impl Messages<'_> {
    /// Whether the dump that is being read has been marked as torn so far.
    #[must_use]
    pub const fn torn(&self) -> bool {
        self.torn
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        loop {
            let message = self.inner.next()?;
            self.torn |= message.flags & netlink::DUMP_INTERRUPTED != 0;
            let parsed = match message.kind {
                NEW_LINK => parse_link(message.payload).map(Message::Link),
                DELETE_LINK => parse_gone_link(message.payload).map(Message::LinkGone),
                NEW_ADDRESS => parse_address(message.payload).map(Message::Address),
                DELETE_ADDRESS => parse_address(message.payload).map(Message::AddressGone),
                NEW_ROUTE | DELETE_ROUTE if cfg!(feature = "track-route") => {
                    parse_route(&message).map(Message::Route)
                }
                netlink::DONE => Some(parse_done(&message, core::mem::take(&mut self.torn))),
                netlink::ERROR => parse_refused(&message),
                _ => None,
            };
            if parsed.is_some() {
                return parsed;
            }
        }
    }
}

/// Writes a request that installs or renews an address, and returns its length in bytes. IPv6 addresses
/// skip duplicate address detection (`IFA_F_NODAD`; RFC 9568 §8.2.2, AD17).
///
/// An IPv6 address of prefix length 128 that is not link-local is installed with a preferred lifetime of
/// zero, as keepalived does: it serves, and is never chosen as the source of new connections.
///
/// # Errors
/// [`Full`] if `buffer` is shorter than [`REQUEST_BYTES_MAX`] and the request does not fit.
pub fn add_address(new: &NewAddress<'_>, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let flags = netlink::CREATE | netlink::REPLACE;
    let mut request = Request::new(buffer, NEW_ADDRESS, flags, sequence)?;
    let scope = match new.address {
        IpAddr::V4(_) => new.scope,
        // The kernel works it out.
        IpAddr::V6(_) => 0,
    };
    put_address(&mut request, new.interface, new.address, new.prefix_len, scope)?;

    let mut preferred = new.lifetime_secs.unwrap_or(FOREVER);
    match new.address {
        IpAddr::V4(_) => {
            if !new.label.is_empty() {
                request.string(IFA_LABEL, new.label)?;
            }
        }
        IpAddr::V6(address) => {
            let routing = if new.without_route { IFA_F_NOPREFIXROUTE } else { 0 };
            request.attribute(IFA_FLAGS, &(IFA_F_NODAD | routing).to_ne_bytes())?;
            if new.prefix_len == 128 && !address.is_unicast_link_local() {
                preferred = 0;
            }
        }
    }
    request.attribute(IFA_PROTO, &[ADDRESS_MARK])?;

    let valid = new.lifetime_secs.unwrap_or(FOREVER);
    if (preferred, valid) != (FOREVER, FOREVER) {
        // struct ifa_cacheinfo; the two time stamps are the kernel's to say.
        let mut cache = [0; 16];
        let (lifetimes, _) = cache.split_at_mut(8);
        lifetimes.copy_from_slice(&pair(preferred, valid));
        request.attribute(IFA_CACHEINFO, &cache)?;
    }
    request.finish()
}

/// Writes a request that removes an address, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn delete_address(
    interface: IfIndex,
    address: IpAddr,
    prefix_len: u8,
    sequence: u32,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let mut request = Request::new(buffer, DELETE_ADDRESS, 0, sequence)?;
    put_address(&mut request, interface, address, prefix_len, 0)?;
    request.finish()
}

/// Writes a request that sets `promote_secondaries` on a link, and returns its length in bytes: an IPv4 address that is
/// removed leaves its place to the next one of its subnet. Without it, Linux removes every address that was added to the
/// subnet later.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn promote_secondaries(interface: IfIndex, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, SET_LINK, 0, sequence)?;
    // struct ifinfomsg: family, type, number, flags and which of them change.
    let [i0, i1, i2, i3] = interface.0.to_ne_bytes();
    request.put(&[AF_UNSPEC, 0, 0, 0, i0, i1, i2, i3, 0, 0, 0, 0, 0, 0, 0, 0])?;
    let families = request.begin(IFLA_AF_SPEC)?;
    let ipv4 = request.begin(AF_INET as u16)?;
    let settings = request.begin(IFLA_INET_CONF)?;
    request.attribute(IPV4_DEVCONF_PROMOTE_SECONDARIES, &1u32.to_ne_bytes())?;
    request.end(settings)?;
    request.end(ipv4)?;
    request.end(families)?;
    request.finish()
}

/// Writes a request for all links, without their statistics, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn dump_links(sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, GET_LINK, netlink::DUMP, sequence)?;
    request.put(&[0; 16])?;
    request.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes())?;
    request.finish()
}

/// Writes a request for all addresses of both families, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn dump_addresses(sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, GET_ADDRESS, netlink::DUMP, sequence)?;
    request.put(&[0; 8])?;
    request.finish()
}

/// Writes a request for all routes of both families, and returns its length in bytes. There is no way to ask for the
/// default routes alone.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn dump_routes(sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, GET_ROUTE, netlink::DUMP, sequence)?;
    request.put(&[0; 12])?;
    request.finish()
}

/// struct ifaddrmsg, `IFA_LOCAL` and `IFA_ADDRESS`: the same address twice, for it has no far end.
fn put_address(
    request: &mut Request<'_>,
    interface: IfIndex,
    address: IpAddr,
    prefix_len: u8,
    scope: u8,
) -> Result<(), Full> {
    let family = family_of(address);
    let [i0, i1, i2, i3] = interface.0.to_ne_bytes();
    request.put(&[family, prefix_len, 0, scope, i0, i1, i2, i3])?;
    let mut buffer = [0; 16];
    let octets = ip::octets(&address, &mut buffer);
    request.attribute(IFA_LOCAL, octets)?;
    request.attribute(IFA_ADDRESS, octets)
}

const fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => AF_INET,
        IpAddr::V6(_) => AF_INET6,
    }
}

/// Two numbers in host byte order.
const fn pair(first: u32, second: u32) -> [u8; 8] {
    let [a, b, c, d] = first.to_ne_bytes();
    let [e, f, g, h] = second.to_ne_bytes();
    [a, b, c, d, e, f, g, h]
}

/// struct ifinfomsg: family, type, number, flags, and what follows. Messages of other families than
/// `AF_UNSPEC` tell of a link's part in that family: a port that leaves a bridge is not a deleted link.
fn split_link(payload: &[u8]) -> Option<(u16, IfIndex, u32, &[u8])> {
    let (fixed, attributes) = payload.split_first_chunk::<16>()?;
    let &[family, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, ..] = fixed;
    if family != AF_UNSPEC {
        return None;
    }
    Some((
        u16::from_ne_bytes([t0, t1]),
        IfIndex(u32::from_ne_bytes([i0, i1, i2, i3])),
        u32::from_ne_bytes([f0, f1, f2, f3]),
        attributes,
    ))
}

/// A link; `None` without a name, for wireless drivers send such messages about other things.
fn parse_link(payload: &[u8]) -> Option<Link<'_>> {
    let (hardware, index, flags, attributes) = split_link(payload)?;
    let mut name = None;
    let mut mac = None;
    for attribute in netlink::attributes(attributes) {
        match attribute.kind {
            IFLA_IFNAME => name = text(attribute.value),
            IFLA_ADDRESS if hardware == ARPHRD_ETHER => {
                mac = attribute.value.try_into().ok().map(Mac);
            }
            _ => {}
        }
    }
    let running = flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING;
    let details = if cfg!(feature = "vmac") { link::details(flags, attributes) } else { link::Details::NONE };
    Some(Link { index, name: name?, mac, running, details })
}

fn parse_gone_link(payload: &[u8]) -> Option<IfIndex> {
    split_link(payload).map(|(_, index, _, _)| index)
}

/// The characters before the zero byte.
fn text(value: &[u8]) -> Option<&str> {
    let characters = value.split(|byte| *byte == 0).next()?;
    core::str::from_utf8(characters).ok()
}

fn parse_address(payload: &[u8]) -> Option<Address> {
    let (fixed, attributes) = payload.split_first_chunk::<8>()?;
    let &[family, prefix_len, flags, _, i0, i1, i2, i3] = fixed;
    let mut flags = u32::from(flags);
    let mut far: &[u8] = &[];
    let mut local: &[u8] = &[];
    let mut marked = false;
    for attribute in netlink::attributes(attributes) {
        match attribute.kind {
            IFA_LOCAL => local = attribute.value,
            IFA_ADDRESS => far = attribute.value,
            IFA_FLAGS => flags = attribute.as_u32().unwrap_or(flags),
            IFA_PROTO => marked = attribute.value.first() == Some(&ADDRESS_MARK),
            _ => {}
        }
    }
    // `IFA_ADDRESS` is the far end of a point-to-point link, else the same.
    let octets = if local.is_empty() { far } else { local };
    Some(Address {
        interface: IfIndex(u32::from_ne_bytes([i0, i1, i2, i3])),
        address: ip::from_octets(octets).filter(|address| family_of(*address) == family)?,
        prefix_len,
        usable: flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) == 0,
        marked,
    })
}

/// struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags.
fn parse_route<'a>(message: &netlink::Message<'a>) -> Option<DefaultRoute<'a>> {
    let (fixed, attributes) = message.payload.split_first_chunk::<12>()?;
    let &[family, destination_len, _, _, table, _, _, kind, f0, f1, f2, f3] = fixed;
    let flags = u32::from_ne_bytes([f0, f1, f2, f3]);
    let is_default = destination_len == 0
        && table == RT_TABLE_MAIN
        && kind == RTN_UNICAST
        && flags & RTM_F_CLONED == 0
        && matches!(family, AF_INET | AF_INET6);
    is_default.then_some(DefaultRoute {
        is_there: message.kind == NEW_ROUTE,
        replaces: message.flags & netlink::REPLACE != 0,
        is_v6: family == AF_INET6,
        flags: flags as u8,
        attributes,
    })
}

/// The end of a dump. Its payload is an error number; a dump that ends with one is not whole.
fn parse_done<'a>(message: &netlink::Message<'_>, torn: bool) -> Message<'a> {
    let failed = error_number(message.payload).is_some_and(|(error, _)| error != 0);
    Message::Done { sequence: message.sequence, torn: torn || failed }
}

/// A request that failed: the error number, then the request as we sent it. `None` if it did not fail.
fn parse_refused<'a>(message: &netlink::Message<'_>) -> Option<Message<'a>> {
    let (error, request) = error_number(message.payload)?;
    if error == 0 {
        return None;
    }
    let address = netlink::messages(request)
        .next()
        .filter(|request| matches!(request.kind, NEW_ADDRESS | DELETE_ADDRESS))
        .and_then(|request| parse_address(request.payload));
    Some(Message::Refused {
        sequence: message.sequence,
        errno: i32::try_from(error.unsigned_abs()).unwrap_or(i32::MAX),
        address,
    })
}

fn error_number(payload: &[u8]) -> Option<(i32, &[u8])> {
    let (error, rest) = payload.split_first_chunk::<4>()?;
    Some((i32::from_ne_bytes(*error), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::vec::Vec;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 1));
    const GLOBAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
    const LINK_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));

    fn new(address: IpAddr, prefix_len: u8) -> NewAddress<'static> {
        NewAddress {
            interface: IfIndex(3),
            address,
            prefix_len,
            scope: 0,
            label: "",
            lifetime_secs: None,
            without_route: false,
        }
    }

    /// A message of the kernel's with a family header and attributes.
    fn message(kind: u16, flags: u16, header: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut buffer = std::vec![0xa5; 4096];
        let mut request = Request::new(&mut buffer, kind, flags, 9).unwrap();
        request.put(header).unwrap();
        for (kind, value) in attributes {
            request.attribute(*kind, value).unwrap();
        }
        let len = request.finish().unwrap();
        buffer.truncate(len);
        buffer
    }

    /// struct ifinfomsg.
    fn link_header(family: u8, hardware: u16, index: u32, flags: u32) -> Vec<u8> {
        let mut header = std::vec![family, 0];
        header.extend(hardware.to_ne_bytes());
        header.extend(index.to_ne_bytes());
        header.extend(flags.to_ne_bytes());
        header.extend([0; 4]);
        header
    }

    fn address_header(family: u8, prefix_len: u8, flags: u8, index: u32) -> Vec<u8> {
        let mut header = std::vec![family, prefix_len, flags, 0];
        header.extend(index.to_ne_bytes());
        header
    }

    fn only(datagram: &[u8]) -> Option<Message<'_>> {
        let mut messages = messages(datagram);
        let first = messages.next();
        assert_eq!(messages.next(), None);
        first
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn adding_an_ipv4_address_with_a_label_is_these_bytes() {
        let mut buffer = [0xa5; REQUEST_BYTES_MAX];
        let asked = NewAddress { scope: 253, label: "lan:v", lifetime_secs: Some(600), ..new(V4, 24) };
        let len = add_address(&asked, 7, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            80, 0, 0, 0, 20, 0, 1, 5, 7, 0, 0, 0, 0, 0, 0, 0, // REQUEST | REPLACE | CREATE, no ACK
            2, 24, 0, 253, 3, 0, 0, 0,
            8, 0, 2, 0, 192, 168, 1, 1, // IFA_LOCAL
            8, 0, 1, 0, 192, 168, 1, 1, // IFA_ADDRESS
            10, 0, 3, 0, b'l', b'a', b'n', b':', b'v', 0, 0, 0, // IFA_LABEL
            5, 0, 11, 0, 112, 0, 0, 0, // IFA_PROTO
            20, 0, 6, 0, 0x58, 2, 0, 0, 0x58, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // IFA_CACHEINFO
        ];
        assert_eq!(buffer[..len], expected);
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
    }

    /// RFC 9568 §8.2.2. The bare /128 is deprecated from the start, so that it is not chosen as a source.
    #[test]
    #[cfg(target_endian = "little")]
    fn ad17_adding_a_bare_ipv6_address_skips_dad_and_prefers_it_for_nothing() {
        let mut buffer = [0xa5; REQUEST_BYTES_MAX];
        let len = add_address(&new(GLOBAL, 128), 7, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            100, 0, 0, 0, 20, 0, 1, 5, 7, 0, 0, 0, 0, 0, 0, 0,
            10, 128, 0, 0, 3, 0, 0, 0,
            20, 0, 2, 0, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            20, 0, 1, 0, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            8, 0, 8, 0, 2, 0, 0, 0, // IFA_FLAGS: IFA_F_NODAD
            5, 0, 11, 0, 112, 0, 0, 0,
            20, 0, 6, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(len, REQUEST_BYTES_MAX);
        assert_eq!(buffer[..len], expected);
    }

    #[test]
    fn only_a_bare_global_ipv6_address_or_one_with_a_lifetime_says_how_long_it_lives() {
        let says = |new: &NewAddress<'_>| {
            let mut buffer = [0xa5; REQUEST_BYTES_MAX];
            let len = add_address(new, 7, &mut buffer).unwrap();
            let request = netlink::messages(&buffer[..len]).next().unwrap();
            netlink::attributes(&request.payload[8..])
                .find(|attribute| attribute.kind == IFA_CACHEINFO)
                .map(|attribute| attribute.value[..8].to_vec())
        };
        assert_eq!(says(&new(V4, 32)), None);
        assert_eq!(says(&new(GLOBAL, 64)), None);
        assert_eq!(says(&new(LINK_LOCAL, 128)), None);
        assert_eq!(says(&new(LINK_LOCAL, 64)), None);
        assert_eq!(says(&new(GLOBAL, 128)), Some(pair(0, FOREVER).to_vec()));
        let mut lives = new(GLOBAL, 128);
        lives.lifetime_secs = Some(60);
        assert_eq!(says(&lives), Some(pair(0, 60).to_vec()));
        lives.prefix_len = 64;
        assert_eq!(says(&lives), Some(pair(60, 60).to_vec()));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn removing_an_address_and_the_dumps_are_these_bytes() {
        let mut buffer = [0xa5; REQUEST_BYTES_MAX];
        let len = delete_address(IfIndex(3), V4, 24, 8, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            40, 0, 0, 0, 21, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0,
            2, 24, 0, 0, 3, 0, 0, 0,
            8, 0, 2, 0, 192, 168, 1, 1,
            8, 0, 1, 0, 192, 168, 1, 1,
        ];
        assert_eq!(buffer[..len], expected);

        let len = promote_secondaries(IfIndex(3), 1, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            52, 0, 0, 0, 19, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            20, 0, 26, 0x80, 16, 0, 2, 0x80, 12, 0, 1, 0x80, 8, 0, 20, 0, 1, 0, 0, 0,
        ];
        assert_eq!(buffer[..len], expected);

        let len = dump_links(1, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            40, 0, 0, 0, 18, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            8, 0, 29, 0, 8, 0, 0, 0,
        ];
        assert_eq!(buffer[..len], expected);

        let len = dump_addresses(2, &mut buffer).unwrap();
        #[rustfmt::skip]
        let expected = [
            24, 0, 0, 0, 22, 0, 1, 3, 2, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(buffer[..len], expected);
    }

    #[test]
    fn a_buffer_that_is_too_short_is_full() {
        for room in 0..REQUEST_BYTES_MAX {
            let mut buffer = [0; REQUEST_BYTES_MAX];
            let full = add_address(&new(GLOBAL, 128), 7, &mut buffer[..room]);
            assert_eq!(full, Err(Full), "{room}");
        }
        let longest_label = NewAddress { label: "fifteen-letters", lifetime_secs: Some(1), ..new(V4, 24) };
        assert!(add_address(&longest_label, 7, &mut [0; REQUEST_BYTES_MAX]).is_ok());
    }

    /// The kernel's answer to our request has the layout of the request.
    #[test]
    fn what_is_written_is_read_back() {
        for (address, prefix_len) in [(V4, 24), (GLOBAL, 128), (LINK_LOCAL, 64)] {
            let mut buffer = [0xa5; REQUEST_BYTES_MAX];
            let len = add_address(&new(address, prefix_len), 7, &mut buffer).unwrap();
            let expected = Address { interface: IfIndex(3), address, prefix_len, usable: true, marked: true };
            assert_eq!(only(&buffer[..len]), Some(Message::Address(expected)));
            let len = delete_address(IfIndex(3), address, prefix_len, 7, &mut buffer).unwrap();
            assert_eq!(
                only(&buffer[..len]),
                Some(Message::AddressGone(Address { marked: false, ..expected }))
            );
        }
    }

    #[test]
    fn a_link_has_a_name_a_mac_and_runs_with_both_flags() {
        let mac = [2, 0, 0, 0, 0, 0x0a];
        for (flags, running) in [(0x41, true), (0x01, false), (0x40, false), (0x1003, false)] {
            let header = link_header(AF_UNSPEC, ARPHRD_ETHER, 5, flags);
            let bytes = message(NEW_LINK, 0, &header, &[(3, b"br-lan\0"), (1, &mac)]);
            let is_on = cfg!(feature = "vmac") && flags & IFF_UP != 0;
            let details = link::Details { is_on, ..link::Details::NONE };
            assert_eq!(
                only(&bytes),
                Some(Message::Link(Link {
                    index: IfIndex(5),
                    name: "br-lan",
                    mac: Some(Mac(mac)),
                    running,
                    details
                })),
                "{flags:#x}"
            );
        }
    }

    #[test]
    fn a_link_that_is_not_ethernet_has_no_mac() {
        for (hardware, address) in [(772, &[0u8; 6][..]), (ARPHRD_ETHER, &[1, 2, 3, 4])] {
            let header = link_header(AF_UNSPEC, hardware, 1, 0x41);
            let bytes = message(NEW_LINK, 0, &header, &[(1, address), (3, b"lo\0")]);
            let Some(Message::Link(link)) = only(&bytes) else {
                panic!("no link");
            };
            assert_eq!((link.mac, link.name), (None, "lo"));
        }
    }

    /// A port that leaves a bridge is told as RTM_DELLINK of family AF_BRIDGE; the link is still there.
    #[test]
    fn a_bridge_port_that_leaves_is_not_a_deleted_link() {
        const AF_BRIDGE: u8 = 7;
        let header = link_header(AF_BRIDGE, ARPHRD_ETHER, 5, 0x41);
        let name: &[(u16, &[u8])] = &[(3, b"lan1\0")];
        assert_eq!(only(&message(DELETE_LINK, 0, &header, name)), None);
        assert_eq!(only(&message(NEW_LINK, 0, &header, name)), None);
        let header = link_header(AF_UNSPEC, ARPHRD_ETHER, 5, 0x41);
        assert_eq!(only(&message(DELETE_LINK, 0, &header, name)), Some(Message::LinkGone(IfIndex(5))));
    }

    #[test]
    fn a_link_message_without_a_name_is_skipped() {
        let header = link_header(AF_UNSPEC, ARPHRD_ETHER, 5, 0x41);
        assert_eq!(only(&message(NEW_LINK, 0, &header, &[(11, &[1, 2])])), None);
        let broken: &[(u16, &[u8])] = &[(3, &[0xff, 0xfe, 0])];
        assert_eq!(only(&message(NEW_LINK, 0, &header, broken)), None);
    }

    #[test]
    fn the_near_end_of_a_point_to_point_link_is_the_address() {
        let header = address_header(AF_INET, 32, 0x80, 4);
        let bytes =
            message(NEW_ADDRESS, 0, &header, &[(IFA_ADDRESS, &[10, 0, 0, 2]), (IFA_LOCAL, &[10, 0, 0, 1])]);
        let Some(Message::Address(address)) = only(&bytes) else {
            panic!("no address");
        };
        assert_eq!(address.address, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        assert!(address.usable);
        assert!(!address.marked);
    }

    #[test]
    fn a_tentative_or_duplicate_address_is_not_usable_and_the_long_flags_win() {
        let octets = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let usable = |short: u8, long: Option<u32>, mark: u8| {
            let header = address_header(AF_INET6, 64, short, 4);
            let long = long.map(u32::to_ne_bytes);
            let mut attributes: Vec<(u16, &[u8])> = std::vec![(IFA_ADDRESS, &octets[..])];
            if let Some(long) = &long {
                attributes.push((IFA_FLAGS, long));
            }
            let mark = [mark];
            attributes.push((IFA_PROTO, &mark));
            match only(&message(NEW_ADDRESS, 0, &header, &attributes)) {
                Some(Message::Address(address)) => (address.usable, address.marked),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(usable(0x80, None, 112), (true, true));
        assert_eq!(usable(0xc0, None, 3), (false, false));
        assert_eq!(usable(0x88, None, 0), (false, false));
        assert_eq!(usable(0xc0, Some(0x80), 112), (true, true));
        assert_eq!(usable(0x80, Some(0xc0), 112), (false, true));
    }

    #[test]
    fn a_refusal_carries_the_address_that_it_is_about() {
        let mut request = [0; REQUEST_BYTES_MAX];
        let len = add_address(&new(V4, 24), 9, &mut request).unwrap();
        let mut payload = (-17i32).to_ne_bytes().to_vec();
        payload.extend(&request[..len]);
        let refused = message(netlink::ERROR, 0, &payload, &[]);
        let Some(Message::Refused { sequence: 9, errno: 17, address: Some(address) }) = only(&refused) else {
            panic!("no refusal");
        };
        assert_eq!((address.address, address.interface), (V4, IfIndex(3)));

        let len = dump_links(9, &mut request).unwrap();
        let mut payload = (-1i32).to_ne_bytes().to_vec();
        payload.extend(&request[..len]);
        assert_eq!(
            only(&message(netlink::ERROR, 0, &payload, &[])),
            Some(Message::Refused { sequence: 9, errno: 1, address: None })
        );
    }

    /// struct rtmsg.
    fn route_header(family: u8, destination_len: u8, table: u8, kind: u8, flags: u32) -> Vec<u8> {
        let mut header = std::vec![family, destination_len, 0, 0, table, 3, 0, kind];
        header.extend(flags.to_ne_bytes());
        header
    }

    fn route(bytes: &[u8]) -> Option<DefaultRoute<'_>> {
        match only(bytes) {
            Some(Message::Route(route)) => Some(route),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_default_routes_of_the_main_table_that_lead_somewhere_are_told() {
        let device: &[(u16, &[u8])] = &[(RTA_OIF, &7u32.to_ne_bytes())];
        let told = |header: &[u8]| route(&message(NEW_ROUTE, 0, header, device)).is_some();
        assert!(told(&route_header(AF_INET, 0, 254, 1, 0)));
        assert!(told(&route_header(AF_INET6, 0, 254, 1, 0)));
        // A longer prefix, another table, a blackhole, a cache's entry, another family.
        assert!(!told(&route_header(AF_INET, 1, 254, 1, 0)));
        assert!(!told(&route_header(AF_INET, 0, 255, 1, 0)));
        assert!(!told(&route_header(AF_INET, 0, 254, 6, 0)));
        assert!(!told(&route_header(AF_INET6, 0, 254, 1, RTM_F_CLONED)));
        assert!(!told(&route_header(7, 0, 254, 1, 0)));
        let gone = message(DELETE_ROUTE, 0, &route_header(AF_INET6, 0, 254, 1, 0), device);
        assert!(route(&gone).is_some_and(|route| !route.is_there && route.is_v6));
        let new = message(NEW_ROUTE, netlink::REPLACE, &route_header(AF_INET, 0, 254, 1, 0), device);
        assert!(route(&new).is_some_and(|route| route.is_there && route.replaces && !route.is_v6));
    }

    #[test]
    fn a_route_leads_over_its_live_devices() {
        let over = |header: &[u8], attributes: &[(u16, &[u8])]| {
            let bytes = message(NEW_ROUTE, 0, header, attributes);
            let route = route(&bytes).unwrap();
            [None, Some(7), Some(8)].map(|device| route.leads_over(device.map(IfIndex)))
        };
        let header = |flags: u32| route_header(AF_INET, 0, 254, 1, flags);
        let device: &[(u16, &[u8])] = &[(RTA_OIF, &7u32.to_ne_bytes())];
        assert_eq!(over(&header(0), device), [true, true, false]);
        assert_eq!(over(&header(1), device), [false; 3], "dead");
        assert_eq!(over(&header(16), device), [false; 3], "without carrier");
        assert_eq!(
            over(&header(0), &[]),
            [true, false, false],
            "a next hop of which only the number is told"
        );
        // Two next hops, the first with an attribute of its own (a gateway).
        let mut hops = std::vec![16, 0, 0, 0, 7, 0, 0, 0, 8, 0, 5, 0, 10, 0, 0, 1, 8, 0, 0, 0, 8, 0, 0, 0];
        if cfg!(target_endian = "big") {
            for pair in [0, 8, 10, 16] {
                hops.swap(pair, pair + 1);
            }
            for word in [4, 20] {
                hops[word..word + 4].reverse();
            }
        }
        assert_eq!(over(&header(0), &[(RTA_MULTIPATH, &hops)]), [true; 3]);
        hops[2] = RTNH_F_LINKDOWN;
        assert_eq!(over(&header(0), &[(RTA_MULTIPATH, &hops)]), [true, false, true]);
        hops[18] = RTNH_F_DEAD;
        assert_eq!(over(&header(0), &[(RTA_MULTIPATH, &hops)]), [false; 3]);
        for len in 0..hops.len() {
            over(&header(0), &[(RTA_MULTIPATH, &hops[..len])]);
        }
    }

    #[test]
    fn an_acknowledgement_is_skipped() {
        assert_eq!(only(&message(netlink::ERROR, 0, &[0; 20], &[])), None);
    }

    #[test]
    fn a_torn_dump_says_so_at_its_end_even_datagrams_later() {
        let done = message(netlink::DONE, 0, &[0; 4], &[]);
        let whole = Message::Done { sequence: 9, torn: false };
        let torn = Message::Done { sequence: 9, torn: true };
        assert_eq!(only(&done), Some(whole));

        let header = link_header(AF_UNSPEC, ARPHRD_ETHER, 5, 0x41);
        let name: &[(u16, &[u8])] = &[(3, b"lan1\0")];
        let marked = message(NEW_LINK, netlink::DUMP_INTERRUPTED, &header, name);
        let mut first = messages(&marked);
        assert!(matches!(first.next(), Some(Message::Link(_))));
        assert_eq!(first.next(), None);

        let mut second = messages_after(&done, first.torn());
        assert_eq!(second.next(), Some(torn));
        assert!(!second.torn(), "the next dump begins whole");

        let itself = message(netlink::DONE, netlink::DUMP_INTERRUPTED, &[0; 4], &[]);
        assert_eq!(only(&itself), Some(torn));
        let failed = message(netlink::DONE, 0, &(-12i32).to_ne_bytes(), &[]);
        assert_eq!(only(&failed), Some(torn));
    }

    #[test]
    fn whatever_is_cut_or_random_is_read_without_a_panic() {
        let mut datagram = message(
            NEW_LINK,
            0,
            &link_header(AF_UNSPEC, ARPHRD_ETHER, 5, 0x41),
            &[(3, b"br-lan\0"), (1, &[2, 0, 0, 0, 0, 1])],
        );
        let mut request = [0; REQUEST_BYTES_MAX];
        let len = add_address(&new(GLOBAL, 128), 9, &mut request).unwrap();
        let mut payload = (-17i32).to_ne_bytes().to_vec();
        payload.extend(&request[..len]);
        datagram.extend(message(netlink::ERROR, 0, &payload, &[]));
        datagram.extend(&request[..len]);
        let all = messages(&datagram).count();
        assert_eq!(all, 3);
        for len in 0..datagram.len() {
            assert!(messages(&datagram[..len]).count() < all, "{len}");
        }
        let mut state = 0x2545_f491u32;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        for _ in 0..200_000 {
            let mut mutant = datagram.clone();
            for _ in 0..=random() % 4 {
                let at = random() as usize % mutant.len();
                mutant[at] = random() as u8;
            }
            mutant.truncate(random() as usize % (mutant.len() + 1));
            assert!(messages(&mutant).count() <= mutant.len() / 16);
        }
    }
}
