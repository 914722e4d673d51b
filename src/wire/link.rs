//! The device of a virtual router's own Ethernet address: a macvlan on the device that it speaks on, by rtnetlink
//! (linux/if_link.h, linux/neighbour.h).
//!
//! The macvlan is in bridge mode: in private mode the kernel keeps frames that come *from* the virtual address, which
//! are another router's advertisements, away from the device below (AD24).

use super::netlink::{self, Request};
use super::vrrp::Vrid;
use super::{Full, IfIndex, Mac};

/// Bytes of the longest request written here: a new macvlan with the longest name.
pub const REQUEST_BYTES_MAX: usize = 100;

pub(super) const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_NEIGHBOUR: u16 = 28;
const DELETE_NEIGHBOUR: u16 = 29;

const AF_BRIDGE: u8 = 7;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

const IFF_UP: u32 = 0x01;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_LINKINFO: u16 = 18;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_BRIDGE: u32 = 4;
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;

/// Numbers of `/proc/sys/net/ipv4/conf` (linux/ip.h), counted from 1.
const RP_FILTER: u16 = 8;
const ARP_ANNOUNCE: u16 = 18;
const ARP_IGNORE: u16 = 19;

/// How a link behaves that speaks ARP for its own addresses only: it does not answer for those of other links
/// (`arp_ignore`), and does not ask in their names either (`arp_announce`), which would teach whoever is asked.
const OWN_ONLY: Arp = Arp { ignore: 1, announce: 2 };

/// Two settings of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// `arp_ignore`.
    pub ignore: u8,
    /// `arp_announce`.
    pub announce: u8,
}

const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;
const NTF_SELF: u8 = 0x02;

/// The virtual router's Ethernet address (RFC 9568 §7.3; AD14).
#[must_use]
pub const fn virtual_mac(vrid: Vrid, is_ipv6: bool) -> Mac {
    Mac([0, 0, 0x5e, 0, if is_ipv6 { 2 } else { 1 }, vrid.get()])
}

/// What matters of a link that may be a virtual router's, or below one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Details {
    /// It is a macvlan in bridge mode on this link.
    pub macvlan_on: Option<IfIndex>,
    /// Switched on (`IFF_UP`), with or without carrier.
    pub is_on: bool,
    /// It is a bridge.
    pub is_bridge: bool,
    /// How it behaves, if it speaks ARP for addresses of other links too.
    pub loose_arp: Option<Arp>,
}

impl Details {
    /// Nothing of it; all zeros.
    pub const NONE: Self = Self { macvlan_on: None, is_on: false, is_bridge: false, loose_arp: None };
}

/// Reads them from a link's flags and attributes.
pub(super) fn details(flags: u32, attributes: &[u8]) -> Details {
    let mut details = Details { is_on: flags & IFF_UP != 0, ..Details::NONE };
    let mut below = None;
    let mut is_macvlan = false;
    for attribute in netlink::attributes(attributes) {
        match attribute.kind {
            IFLA_LINK => below = attribute.as_u32().map(IfIndex),
            IFLA_LINKINFO => (is_macvlan, details.is_bridge) = kind(attribute.value),
            IFLA_AF_SPEC => details.loose_arp = arp(attribute.value).filter(|arp| arp.is_loose()),
            _ => {}
        }
    }
    details.macvlan_on = below.filter(|_| is_macvlan);
    details
}

/// Whether it is a macvlan in bridge mode, and whether it is a bridge.
fn kind(info: &[u8]) -> (bool, bool) {
    let mut kind: &[u8] = &[];
    let mut mode = None;
    for attribute in netlink::attributes(info) {
        match attribute.kind {
            // Some kernels write a zero behind it, some do not.
            IFLA_INFO_KIND => kind = attribute.value.strip_suffix(&[0]).unwrap_or(attribute.value),
            IFLA_INFO_DATA => {
                let mut data = netlink::attributes(attribute.value);
                mode = data.find(|data| data.kind == IFLA_MACVLAN_MODE).and_then(|data| data.as_u32());
            }
            _ => {}
        }
    }
    (kind == b"macvlan" && mode == Some(MACVLAN_MODE_BRIDGE), kind == b"bridge")
}

impl Arp {
    const fn is_loose(self) -> bool {
        self.ignore < OWN_ONLY.ignore || self.announce < OWN_ONLY.announce
    }
}

/// The two of the table of IPv4 settings.
fn arp(families: &[u8]) -> Option<Arp> {
    let inet = netlink::attributes(families).find(|family| family.kind == AF_INET)?;
    let table = netlink::attributes(inet.value).find(|part| part.kind == IFLA_INET_CONF)?;
    let value = |number: u16| {
        let value = table.value.get(usize::from(number - 1) * 4..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*value) as u8) // At most 8.
    };
    Some(Arp { ignore: value(ARP_IGNORE)?, announce: value(ARP_ANNOUNCE)? })
}

/// Writes a request for a new macvlan on `below`, which is switched off, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is shorter than [`REQUEST_BYTES_MAX`] and the request does not fit.
pub fn add(name: &str, below: IfIndex, mac: Mac, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, NEW_LINK, netlink::CREATE | netlink::EXCLUSIVE, 0)?;
    request.put(&[0; 16])?;
    request.string(IFLA_IFNAME, name)?;
    request.attribute(IFLA_ADDRESS, &mac.0)?;
    request.attribute(IFLA_LINK, &below.0.to_ne_bytes())?;
    let info = request.begin(IFLA_LINKINFO)?;
    request.string(IFLA_INFO_KIND, "macvlan")?;
    let data = request.begin(IFLA_INFO_DATA)?;
    request.attribute(IFLA_MACVLAN_MODE, &MACVLAN_MODE_BRIDGE.to_ne_bytes())?;
    request.end(data)?;
    request.end(info)?;
    request.finish()
}

/// Writes a request that deletes a link, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn delete(link: IfIndex, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, DELETE_LINK, 0, 0)?;
    put_header(&mut request, link, 0, 0)?;
    request.finish()
}

/// Writes a request that switches a link on or off, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn switch(link: IfIndex, on: bool, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, NEW_LINK, 0, 0)?;
    put_header(&mut request, link, if on { IFF_UP } else { 0 }, IFF_UP)?;
    request.finish()
}

/// Writes a request that gives a link these settings, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn set_arp(link: IfIndex, arp: Arp, buffer: &mut [u8]) -> Result<usize, Full> {
    settings(link, &[(ARP_IGNORE, arp.ignore), (ARP_ANNOUNCE, arp.announce)], buffer)
}

/// Writes a request that lets a link with these settings speak ARP for its own addresses only, and returns its length in
/// bytes. What is stricter than that stays.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn tighten_arp(link: IfIndex, loose: Arp, buffer: &mut [u8]) -> Result<usize, Full> {
    let ignore = if loose.ignore > OWN_ONLY.ignore { loose.ignore } else { OWN_ONLY.ignore };
    set_arp(link, Arp { ignore, ..OWN_ONLY }, buffer)
}

/// Writes a request for the settings of a macvlan, and returns its length in bytes: it speaks ARP for its own addresses
/// only, and takes packets whose answers leave by the link below (`rp_filter` 2, which is more than a 1 for all links).
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn set_up_v4(link: IfIndex, buffer: &mut [u8]) -> Result<usize, Full> {
    let arp = OWN_ONLY;
    settings(link, &[(ARP_IGNORE, arp.ignore), (ARP_ANNOUNCE, arp.announce), (RP_FILTER, 2)], buffer)
}

/// Writes a request that keeps a link from giving itself an IPv6 address (AD22), and returns its length in bytes. A
/// kernel without IPv6 refuses it.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn set_up_v6(link: IfIndex, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, NEW_LINK, 0, 0)?;
    put_header(&mut request, link, 0, 0)?;
    let families = request.begin(IFLA_AF_SPEC)?;
    let inet6 = request.begin(AF_INET6)?;
    request.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE])?;
    request.end(inet6)?;
    request.end(families)?;
    request.finish()
}

/// Writes a request that lets a bridge know an Ethernet address as its own, or forget it, and returns its length in
/// bytes. What is for an address that it does not know it sends to every port.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn know(bridge: IfIndex, mac: Mac, knows: bool, buffer: &mut [u8]) -> Result<usize, Full> {
    let (kind, flags) =
        if knows { (NEW_NEIGHBOUR, netlink::CREATE | netlink::REPLACE) } else { (DELETE_NEIGHBOUR, 0) };
    let mut request = Request::new(buffer, kind, flags, 0)?;
    let [i0, i1, i2, i3] = bridge.0.to_ne_bytes();
    let [s0, s1] = NUD_PERMANENT.to_ne_bytes();
    // struct ndmsg.
    request.put(&[AF_BRIDGE, 0, 0, 0, i0, i1, i2, i3, s0, s1, NTF_SELF, 0])?;
    request.attribute(NDA_LLADDR, &mac.0)?;
    request.finish()
}

/// IPv4 settings of a link: number and value.
fn settings(link: IfIndex, values: &[(u16, u8)], buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, NEW_LINK, 0, 0)?;
    put_header(&mut request, link, 0, 0)?;
    let families = request.begin(IFLA_AF_SPEC)?;
    let inet = request.begin(AF_INET)?;
    let table = request.begin(IFLA_INET_CONF)?;
    for (number, value) in values {
        request.attribute(*number, &u32::from(*value).to_ne_bytes())?;
    }
    request.end(table)?;
    request.end(inet)?;
    request.end(families)?;
    request.finish()
}

/// struct ifinfomsg.
fn put_header(request: &mut Request<'_>, link: IfIndex, flags: u32, change: u32) -> Result<(), Full> {
    request.put(&[0; 4])?;
    request.put(&link.0.to_ne_bytes())?;
    request.put(&flags.to_ne_bytes())?;
    request.put(&change.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const MAC: Mac = Mac([0, 0, 0x5e, 0, 1, 10]);

    fn written(write: impl Fn(&mut [u8]) -> Result<usize, Full>) -> Vec<u8> {
        let mut buffer = [0xa5; REQUEST_BYTES_MAX];
        let len = write(&mut buffer).unwrap();
        for room in 0..len {
            assert_eq!(write(&mut [0; REQUEST_BYTES_MAX][..room]), Err(Full), "{room}");
        }
        buffer[..len].to_vec()
    }

    /// RFC 9568 §7.3.
    #[test]
    fn ad14_the_virtual_mac_is_one_of_iana_s_for_each_family() {
        let vrid = Vrid::new(10).unwrap();
        assert_eq!(virtual_mac(vrid, false), MAC);
        assert_eq!(virtual_mac(vrid, true), Mac([0, 0, 0x5e, 0, 2, 10]));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn ad24_a_new_macvlan_in_bridge_mode_is_these_bytes() {
        #[rustfmt::skip]
        let expected = [
            92, 0, 0, 0, 16, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0, // REQUEST | EXCL | CREATE
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            12, 0, 3, 0, b'v', b'r', b'r', b'p', b'.', b'1', b'0', 0, // IFLA_IFNAME
            10, 0, 1, 0, 0, 0, 0x5e, 0, 1, 10, 0, 0, // IFLA_ADDRESS
            8, 0, 5, 0, 3, 0, 0, 0, // IFLA_LINK
            28, 0, 18, 0x80, // IFLA_LINKINFO
            12, 0, 1, 0, b'm', b'a', b'c', b'v', b'l', b'a', b'n', 0,
            12, 0, 2, 0x80, 8, 0, 1, 0, 4, 0, 0, 0, // IFLA_INFO_DATA: bridge mode
        ];
        assert_eq!(written(|buffer| add("vrrp.10", IfIndex(3), MAC, buffer)), expected);
        let longest = written(|buffer| add("fifteen-letters", IfIndex(3), MAC, buffer));
        assert_eq!(longest.len(), REQUEST_BYTES_MAX);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn switching_deleting_and_a_bridge_s_knowledge_are_these_bytes() {
        #[rustfmt::skip]
        assert_eq!(written(|buffer| switch(IfIndex(7), true, buffer)), [
            32, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
        ]);
        #[rustfmt::skip]
        assert_eq!(written(|buffer| switch(IfIndex(7), false, buffer)), [
            32, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
        ]);
        #[rustfmt::skip]
        assert_eq!(written(|buffer| delete(IfIndex(7), buffer)), [
            32, 0, 0, 0, 17, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        for (knows, kind, flags) in [(true, 28, 5), (false, 29, 0)] {
            #[rustfmt::skip]
            assert_eq!(written(|buffer| know(IfIndex(3), MAC, knows, buffer)), [
                40, 0, 0, 0, kind, 0, 1, flags, 0, 0, 0, 0, 0, 0, 0, 0,
                7, 0, 0, 0, 3, 0, 0, 0, 0x80, 0, 2, 0, // AF_BRIDGE, permanent, self
                10, 0, 2, 0, 0, 0, 0x5e, 0, 1, 10, 0, 0, // NDA_LLADDR
            ]);
        }
    }

    /// RFC 9568 §8.1.2, §7.4.
    #[test]
    #[cfg(target_endian = "little")]
    fn ad04_ad22_the_settings_of_links_are_these_bytes() {
        #[rustfmt::skip]
        assert_eq!(written(|buffer| set_up_v4(IfIndex(7), buffer)), [
            68, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            36, 0, 26, 0x80, 32, 0, 2, 0x80, 28, 0, 1, 0x80,
            8, 0, 19, 0, 1, 0, 0, 0, // arp_ignore
            8, 0, 18, 0, 2, 0, 0, 0, // arp_announce
            8, 0, 8, 0, 2, 0, 0, 0, // rp_filter
        ]);
        #[rustfmt::skip]
        assert_eq!(written(|buffer| set_up_v6(IfIndex(7), buffer)), [
            48, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            16, 0, 26, 0x80, 12, 0, 10, 0x80, 5, 0, 8, 0, 1, 0, 0, 0, // addr_gen_mode none
        ]);
        for (before, ignore) in [(0, 1), (1, 1), (8, 8)] {
            let loose = Arp { ignore: before, announce: 0 };
            let tight = written(|buffer| tighten_arp(IfIndex(3), loose, buffer));
            assert_eq!(tight[44..], [8, 0, 19, 0, ignore, 0, 0, 0, 8, 0, 18, 0, 2, 0, 0, 0]);
            let loose = written(|buffer| set_arp(IfIndex(3), loose, buffer));
            assert_eq!(loose[44..], [8, 0, 19, 0, before, 0, 0, 0, 8, 0, 18, 0, 0, 0, 0, 0]);
        }
    }

    /// The attributes behind the header of what we ask for have the layout of what the kernel tells.
    #[test]
    fn what_is_asked_for_is_recognised_when_it_is_told() {
        let request = written(|buffer| add("vrrp.10", IfIndex(3), MAC, buffer));
        let told = details(IFF_UP, &request[32..]);
        assert_eq!(told, Details { macvlan_on: Some(IfIndex(3)), is_on: true, ..Details::NONE });
        let mut private = request.clone();
        let mode = private.len() - 4;
        private[mode..].copy_from_slice(&1u32.to_ne_bytes());
        assert_eq!(details(0, &private[32..]), Details::NONE);
        let other = written(|buffer| {
            let mut request = Request::new(buffer, NEW_LINK, 0, 0)?;
            request.attribute(IFLA_LINK, &[3, 0, 0, 0])?;
            let info = request.begin(IFLA_LINKINFO)?;
            request.attribute(IFLA_INFO_KIND, b"bridge")?;
            request.end(info)?;
            request.finish()
        });
        assert_eq!(details(0, &other[16..]), Details { is_bridge: true, ..Details::NONE });
    }

    #[test]
    fn who_speaks_for_others_is_told_by_the_table_of_settings() {
        for (ignore, announce, is_loose) in
            [(0, 2, true), (1, 0, true), (1, 1, true), (1, 2, false), (8, 2, false)]
        {
            let expected = is_loose.then_some(Arp { ignore, announce });
            let mut table = [7; 33 * 4];
            table[17 * 4..18 * 4].copy_from_slice(&u32::from(announce).to_ne_bytes());
            table[18 * 4..19 * 4].copy_from_slice(&u32::from(ignore).to_ne_bytes());
            let mut buffer = [0xa5; 300];
            let mut request = Request::new(&mut buffer, NEW_LINK, 0, 0).unwrap();
            let families = request.begin(IFLA_AF_SPEC).unwrap();
            let inet = request.begin(AF_INET).unwrap();
            request.attribute(IFLA_INET_CONF, &table).unwrap();
            request.end(inet).unwrap();
            request.end(families).unwrap();
            let len = request.finish().unwrap();
            assert_eq!(details(0, &buffer[16..len]).loose_arp, expected);
            // Cut anywhere, it is not known and nothing happens.
            for end in 16..len {
                assert_eq!(details(0, &buffer[16..end]).loose_arp, None, "{end}");
            }
        }
    }
}
