//! The kernel's side of rtnetlink: requests are read, notifications and answers written, as the headers
//! linux/netlink.h, linux/rtnetlink.h, linux/if_link.h and linux/if_addr.h lay them out. Host byte order.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vipd::wire::Mac;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTM_GETROUTE: u16 = 26;

const RTA_OIF: u16 = 4;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const RTN_UNICAST: u8 = 1;

const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_MULTI: u16 = 0x2;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const NDA_LLADDR: u16 = 2;
const RTA_DST: u16 = 1;
const FRA_PROTOCOL: u16 = 21;
/// `rtm_protocol` and `FRA_PROTOCOL` of what is ours.
const MARK: u8 = 112;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

pub const IFA_F_NODAD: u32 = 0x02;
const IFA_F_PERMANENT: u32 = 0x80;

const AF_BRIDGE: u8 = 7;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const HEADER_BYTES: usize = 16;

/// A link as the kernel tells of it.
#[derive(Debug, Clone, Copy)]
pub struct LinkView<'a> {
    pub index: u32,
    pub name: &'a str,
    pub mac: Mac,
    /// `IFF_UP`.
    pub up: bool,
    /// `IFF_RUNNING`.
    pub running: bool,
    /// It is a macvlan in bridge mode on this link.
    pub macvlan_on: Option<u32>,
    pub arp: Arp,
}

/// Two settings of a link: `arp_ignore` and `arp_announce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arp {
    pub ignore: u32,
    pub announce: u32,
}

/// An address on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub address: IpAddr,
    pub prefix_len: u8,
    pub scope: u8,
    pub flags: u32,
    /// `IFA_PROTO`; 0 if none was given, or the kernel is too old to keep it.
    pub mark: u8,
    /// Seconds that it stays valid unless it is asked for again; `None`: for ever.
    pub valid_secs: Option<u32>,
    /// When it was asked for last, in nanoseconds of the world.
    pub asked_at: u64,
}

impl Installed {
    /// When it is no longer valid, in nanoseconds of the world.
    pub fn valid_until(&self) -> Option<u64> {
        self.valid_secs.map(|secs| self.asked_at + u64::from(secs) * 1_000_000_000)
    }
}

/// What is asked of the kernel.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    AddAddress {
        index: u32,
        new: Installed,
        exclusive: bool,
        replace: bool,
    },
    DeleteAddress {
        index: u32,
        address: IpAddr,
        prefix_len: u8,
    },
    AddMacvlan {
        name: String,
        below: u32,
        mac: Mac,
    },
    DeleteLink(u32),
    Switch {
        index: u32,
        on: bool,
    },
    SetArp {
        index: u32,
        arp: Arp,
    },
    /// `addr_gen_mode` none.
    Silence(u32),
    /// A bridge takes an address for its own, or does not.
    Know {
        bridge: u32,
        mac: Mac,
        knows: bool,
    },
    /// `promote_secondaries` of the device with this number.
    Promote(u32),
    /// The destination and the length of its prefix.
    AddRoute(IpAddr, u8),
    DeleteRoute(IpAddr, u8),
    AddRule,
    DeleteRule,
    DumpLinks,
    /// Of this family; `None`: of every one.
    DumpAddresses,
    /// Of every family.
    DumpRoutes,
}

/// One request.
#[derive(Debug)]
pub struct Request<'a> {
    pub sequence: u32,
    pub acknowledge: bool,
    pub wish: Wish,
    /// The request itself, which a refusal sends back.
    pub bytes: &'a [u8],
}

/// Reads what was sent in one call; panics at what no kernel would understand, so that the test says so.
pub fn requests(mut bytes: &[u8]) -> Vec<Request<'_>> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        let len = u32_at(bytes, 0) as usize;
        assert!(len >= HEADER_BYTES && len <= bytes.len(), "a netlink length of {len}");
        requests.push(request(&bytes[..len]));
        bytes = &bytes[len.next_multiple_of(4).min(bytes.len())..];
    }
    requests
}

fn request(bytes: &[u8]) -> Request<'_> {
    let (kind, flags) = (u16_at(bytes, 4), u16_at(bytes, 6));
    assert!(flags & NLM_F_REQUEST != 0, "a request without NLM_F_REQUEST");
    let body = &bytes[HEADER_BYTES..];
    let wish = match kind {
        RTM_NEWADDR => {
            assert!(flags & NLM_F_CREATE != 0, "RTM_NEWADDR without NLM_F_CREATE");
            let (index, new) = address(body);
            Wish::AddAddress {
                index,
                new,
                exclusive: flags & NLM_F_EXCL != 0,
                replace: flags & NLM_F_REPLACE != 0,
            }
        }
        RTM_DELADDR => {
            let (index, old) = address(body);
            Wish::DeleteAddress { index, address: old.address, prefix_len: old.prefix_len }
        }
        RTM_SETLINK => {
            // IFLA_AF_SPEC, AF_INET, IFLA_INET_CONF, IPV4_DEVCONF_PROMOTE_SECONDARIES.
            let kinds = [18, 22, 26, 30].map(|at| u16_at(body, at) & 0x7fff);
            assert_eq!(kinds, [26, 2, 1, 20], "RTM_SETLINK of something else");
            Wish::Promote(u32_at(body, 4))
        }
        RTM_NEWROUTE => {
            assert!(flags & (NLM_F_CREATE | NLM_F_REPLACE) == NLM_F_CREATE, "a route that replaces another");
            let (destination, prefix_len) = route(body);
            Wish::AddRoute(destination, prefix_len)
        }
        RTM_DELROUTE => {
            let (destination, prefix_len) = route(body);
            Wish::DeleteRoute(destination, prefix_len)
        }
        RTM_NEWRULE | RTM_DELRULE => {
            let mark = attributes(&body[12..]).find(|(kind, _)| *kind == FRA_PROTOCOL);
            assert_eq!(mark.map(|(_, value)| value), Some(&[MARK][..]), "a rule without our mark");
            if kind == RTM_NEWRULE { Wish::AddRule } else { Wish::DeleteRule }
        }
        RTM_GETLINK => {
            assert!(flags & NLM_F_DUMP == NLM_F_DUMP, "RTM_GETLINK that is no dump");
            Wish::DumpLinks
        }
        RTM_GETADDR => {
            assert!(flags & NLM_F_DUMP == NLM_F_DUMP, "RTM_GETADDR that is no dump");
            assert!(body.first() == Some(&0), "a dump of one family's addresses");
            Wish::DumpAddresses
        }
        RTM_NEWLINK => new_link(body, flags),
        RTM_DELLINK => Wish::DeleteLink(u32_at(body, 4)),
        RTM_NEWNEIGH | RTM_DELNEIGH => {
            assert_eq!((body[0], body[8], body[10]), (AF_BRIDGE, 0x80, 2), "family, permanent, self");
            let mac = attributes(&body[12..]).find(|it| it.0 == NDA_LLADDR).unwrap().1;
            Wish::Know {
                bridge: u32_at(body, 4),
                mac: Mac(mac.try_into().unwrap()),
                knows: kind == RTM_NEWNEIGH,
            }
        }
        RTM_GETROUTE => {
            assert!(flags & NLM_F_DUMP == NLM_F_DUMP, "RTM_GETROUTE that is no dump");
            assert!(body.len() == 12 && body[0] == 0, "a dump of one family's routes");
            Wish::DumpRoutes
        }
        other => panic!("a netlink request of type {other}"),
    };
    Request { sequence: u32_at(bytes, 8), acknowledge: flags & NLM_F_ACK != 0, wish, bytes }
}

/// Reads `struct ifinfomsg` and its attributes: a new macvlan, or one change of a link.
fn new_link(body: &[u8], flags: u16) -> Wish {
    let (index, link_flags, change) = (u32_at(body, 4), u32_at(body, 8), u32_at(body, 12));
    let find = |bytes, kind| attributes(bytes).find(|it| it.0 == kind).map(|it| it.1);
    let rest = &body[16..];
    if flags & NLM_F_CREATE != 0 {
        assert!(flags & NLM_F_EXCL != 0 && index == 0, "an existing link is not changed in passing");
        let info = find(rest, IFLA_LINKINFO).expect("IFLA_LINKINFO");
        assert_eq!(find(info, 1), Some(&b"macvlan\0"[..]), "IFLA_INFO_KIND");
        let data = find(info, 2).expect("IFLA_INFO_DATA");
        assert_eq!(find(data, 1), Some(&4u32.to_ne_bytes()[..]), "AD24: bridge mode");
        let name = find(rest, IFLA_IFNAME).expect("IFLA_IFNAME").strip_suffix(&[0]).unwrap();
        return Wish::AddMacvlan {
            name: String::from_utf8(name.to_vec()).unwrap(),
            below: u32_at(find(rest, IFLA_LINK).expect("IFLA_LINK"), 0),
            mac: Mac(find(rest, IFLA_ADDRESS).expect("IFLA_ADDRESS").try_into().unwrap()),
        };
    }
    if change != 0 {
        assert!(change == 1 && rest.is_empty(), "IFF_UP alone");
        return Wish::Switch { index, on: link_flags & 1 != 0 };
    }
    let families = find(rest, IFLA_AF_SPEC).expect("IFLA_AF_SPEC");
    if let Some(inet6) = find(families, u16::from(AF_INET6)) {
        assert_eq!(find(inet6, 8), Some(&[1][..]), "addr_gen_mode none");
        return Wish::Silence(index);
    }
    let table = find(find(families, u16::from(AF_INET)).expect("AF_INET"), 1).expect("IFLA_INET_CONF");
    let value = |number| u32_at(find(table, number).expect("a setting"), 0);
    Wish::SetArp { index, arp: Arp { ignore: value(19), announce: value(18) } }
}

/// Attributes one after another: kind and value.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let len = usize::from(u16_at(rest, 0));
        assert!(len >= 4 && len <= rest.len(), "an attribute length of {len}");
        let attribute = (u16_at(rest, 2) & 0x3fff, &rest[4..len]);
        rest = &rest[len.next_multiple_of(4).min(rest.len())..];
        Some(attribute)
    })
}

/// Reads `struct ifaddrmsg` and its attributes.
fn address(body: &[u8]) -> (u32, Installed) {
    let (family, prefix_len, scope) = (body[0], body[1], body[3]);
    let (index, mut flags) = (u32_at(body, 4), u32::from(body[2]));
    let (mut local, mut address, mut mark, mut valid_secs) = (None, None, 0, None);
    let mut rest = &body[8..];
    while rest.len() >= 4 {
        let len = usize::from(u16_at(rest, 0));
        assert!(len >= 4 && len <= rest.len(), "an attribute length of {len}");
        let value = &rest[4..len];
        match u16_at(rest, 2) {
            IFA_ADDRESS => address = Some(ip(family, value)),
            IFA_LOCAL => local = Some(ip(family, value)),
            IFA_FLAGS => flags = u32_at(value, 0),
            IFA_PROTO => mark = value[0],
            IFA_CACHEINFO => {
                assert!(value.len() == 16, "struct ifa_cacheinfo");
                let (preferred, valid) = (u32_at(value, 0), u32_at(value, 4));
                assert!(valid > 0 && preferred <= valid, "lifetimes that Linux refuses");
                valid_secs = Some(valid).filter(|valid| *valid < u32::MAX);
            }
            IFA_LABEL => assert!(value.last() == Some(&0) && value.len() <= 16, "a label"),
            _ => {}
        }
        rest = &rest[len.next_multiple_of(4).min(rest.len())..];
    }
    // The kernel wants IFA_LOCAL over IPv4 and takes either over IPv6.
    let address = match family {
        AF_INET => local.expect("RTM_xxxADDR without IFA_LOCAL"),
        _ => local.or(address).expect("RTM_xxxADDR without an address"),
    };
    (index, Installed { address, prefix_len, scope, flags, mark, valid_secs, asked_at: 0 })
}

/// Reads `struct rtmsg` and the destination, which is left out where it is everywhere.
fn route(body: &[u8]) -> (IpAddr, u8) {
    let (family, prefix_len, protocol) = (body[0], body[1], body[5]);
    assert_eq!(protocol, MARK, "a route without our mark");
    let destination = attributes(&body[12..]).find(|(kind, _)| *kind == RTA_DST);
    let nowhere: &[u8] = if family == AF_INET { &[0; 4] } else { &[0; 16] };
    (ip(family, destination.map_or(nowhere, |(_, value)| value)), prefix_len)
}

fn ip(family: u8, value: &[u8]) -> IpAddr {
    match family {
        AF_INET => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(value).unwrap())),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(value).unwrap())),
        other => panic!("address family {other}"),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut datagram = Datagram::default();
    datagram.attribute(kind, value);
    datagram.bytes
}

/// A datagram in the making.
#[derive(Debug, Default)]
pub struct Datagram {
    bytes: Vec<u8>,
    start: usize,
}

impl Datagram {
    /// One message that says that a link exists.
    pub fn link(self, link: &LinkView<'_>, sequence: u32, multi: bool) -> Self {
        self.link_message(RTM_NEWLINK, link, sequence, multi)
    }

    /// One message that says that a link is gone.
    pub fn link_gone(self, link: &LinkView<'_>) -> Self {
        self.link_message(RTM_DELLINK, link, 0, false)
    }

    fn link_message(mut self, kind: u16, link: &LinkView<'_>, sequence: u32, multi: bool) -> Self {
        self.begin(kind, multi, sequence);
        // struct ifinfomsg: family, pad, type (ARPHRD_ETHER), index, flags, change.
        let flags = u32::from(link.up) | if link.running { 0x1_0040 } else { 0 };
        self.bytes.extend_from_slice(&[0, 0]);
        self.bytes.extend_from_slice(&1u16.to_ne_bytes());
        self.bytes.extend_from_slice(&link.index.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        let mut name = Vec::from(link.name.as_bytes());
        name.push(0);
        self.attribute(IFLA_IFNAME, &name);
        self.attribute(IFLA_ADDRESS, &link.mac.0);
        if let Some(below) = link.macvlan_on {
            self.attribute(IFLA_LINK, &below.to_ne_bytes());
            let mode = attribute(1, &4u32.to_ne_bytes());
            self.attribute(IFLA_LINKINFO, &[attribute(1, b"macvlan\0"), attribute(2, &mode)].concat());
        }
        let mut table = [0; 33 * 4];
        table[17 * 4..18 * 4].copy_from_slice(&link.arp.announce.to_ne_bytes());
        table[18 * 4..19 * 4].copy_from_slice(&link.arp.ignore.to_ne_bytes());
        let inet = attribute(1, &table);
        self.attribute(IFLA_AF_SPEC, &attribute(u16::from(AF_INET), &inet));
        self.end()
    }

    /// One message that says that an address exists.
    pub fn address(self, index: u32, it: &Installed, sequence: u32, multi: bool) -> Self {
        self.address_message(RTM_NEWADDR, index, it, sequence, multi)
    }

    /// One message that says that an address is gone.
    pub fn address_gone(self, index: u32, it: &Installed, sequence: u32) -> Self {
        self.address_message(RTM_DELADDR, index, it, sequence, false)
    }

    fn address_message(mut self, kind: u16, index: u32, it: &Installed, sequence: u32, multi: bool) -> Self {
        self.begin(kind, multi, sequence);
        let (family, octets) = match it.address {
            IpAddr::V4(address) => (AF_INET, Vec::from(address.octets())),
            IpAddr::V6(address) => (AF_INET6, Vec::from(address.octets())),
        };
        let flags = if it.valid_secs.is_none() { it.flags | IFA_F_PERMANENT } else { it.flags };
        self.bytes.extend_from_slice(&[family, it.prefix_len, flags as u8, it.scope]);
        self.bytes.extend_from_slice(&index.to_ne_bytes());
        self.attribute(IFA_ADDRESS, &octets);
        if family == AF_INET {
            self.attribute(IFA_LOCAL, &octets);
        }
        self.attribute(IFA_CACHEINFO, &[0xff; 16]);
        self.attribute(IFA_FLAGS, &flags.to_ne_bytes());
        if it.mark != 0 {
            self.attribute(IFA_PROTO, &[it.mark]);
        }
        self.end()
    }

    /// One message that says that a route of this family exists, or is gone: to everywhere, or to a part of it.
    pub fn route(self, is_there: bool, is_v6: bool, to_all: bool, index: u32, sequence: Option<u32>) -> Self {
        let kind = if is_there { RTM_NEWROUTE } else { RTM_DELROUTE };
        let mut datagram = self;
        datagram.begin(kind, sequence.is_some(), sequence.unwrap_or(0));
        let family = if is_v6 { AF_INET6 } else { AF_INET };
        let prefix_len = if to_all { 0 } else { 8 };
        // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags.
        let header = [family, prefix_len, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0, 0, 0, 0];
        datagram.bytes.extend_from_slice(&header);
        datagram.attribute(RTA_OIF, &index.to_ne_bytes());
        datagram.end()
    }

    /// The end of a dump.
    pub fn done(mut self, sequence: u32) -> Self {
        self.begin(NLMSG_DONE, true, sequence);
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        self.end()
    }

    /// The answer to a request: `errno` 0 acknowledges, anything else sends the request back.
    pub fn answer(mut self, request: &Request<'_>, errno: i32) -> Self {
        self.begin(NLMSG_ERROR, false, request.sequence);
        self.bytes.extend_from_slice(&(-errno).to_ne_bytes());
        let echoed = if errno == 0 { &request.bytes[..HEADER_BYTES] } else { request.bytes };
        self.bytes.extend_from_slice(echoed);
        self.end()
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn begin(&mut self, kind: u16, multi: bool, sequence: u32) {
        self.start = self.bytes.len();
        let flags = if multi { NLM_F_MULTI } else { 0 };
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&0u32.to_ne_bytes());
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let len = 4 + value.len() as u16;
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Self {
        let len = (self.bytes.len() - self.start) as u32;
        self.bytes[self.start..self.start + 4].copy_from_slice(&len.to_ne_bytes());
        self
    }
}
