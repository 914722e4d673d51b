//! Requests to IPVS, read once more: a second opinion on `src/wire/ipvs.rs`, by linux/ip_vs.h and the kernel's policies.

use std::collections::BTreeMap;

use vipd::wire::netlink;

use crate::table::{AF_INET, AF_INET6, Destination, Key, Place, Traits};

const EINVAL: i32 = 22;
const EOPNOTSUPP: i32 = 95;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    ListServices,
    ListDestinations(Key),
    PutService {
        is_new: bool,
        key: Key,
        traits: Traits,
    },
    DeleteService(Key),
    PutDestination {
        is_new: bool,
        of: Key,
        place: Place,
        destination: Destination,
    },
    DeleteDestination {
        of: Key,
        place: Place,
    },
    /// TCP, TCP after a FIN, UDP; `None`: as before.
    SetTimeouts([Option<u32>; 3]),
    StartDaemon {
        is_master: bool,
        interface: String,
        id: u32,
    },
    StopDaemon {
        is_master: bool,
    },
}

/// The sequence number, and what is asked, or the error that the kernel has for it.
pub fn read(bytes: &[u8]) -> (u32, Result<Request, i32>) {
    let mut messages = netlink::messages(bytes);
    let message = messages.next().expect("a request is a message");
    assert!(messages.next().is_none(), "one request at a time");
    assert_eq!(message.kind, 0, "whoever sends it puts the family's number in");
    assert_eq!(message.flags & 0x005, 0x005, "REQUEST | ACK");
    let is_dump = message.flags & 0x300 == 0x300;
    (message.sequence, read_body(message.payload, is_dump))
}

fn read_body(payload: &[u8], is_dump: bool) -> Result<Request, i32> {
    let [command, version, _, _, attributes @ ..] = payload else { return Err(EINVAL) };
    assert_eq!(*version, 1, "IPVS_GENL_VERSION");
    let top = Nest::of(attributes);
    let service = || top.nest(1).ok_or(EINVAL);
    let place = || place_of(&top.nest(2).ok_or(EINVAL)?);
    Ok(match (command, is_dump) {
        (4, true) => Request::ListServices,
        (8, true) => Request::ListDestinations(key(&service()?)?),
        (1 | 2, false) => Request::PutService {
            is_new: *command == 1,
            key: key(&service()?)?,
            traits: traits(&service()?)?,
        },
        (3, false) => Request::DeleteService(key(&service()?)?),
        (5 | 6, false) => Request::PutDestination {
            is_new: *command == 5,
            of: key(&service()?)?,
            place: place()?,
            destination: destination(&top.nest(2).ok_or(EINVAL)?)?,
        },
        (7, false) => Request::DeleteDestination { of: key(&service()?)?, place: place()? },
        (9 | 10, false) => daemon(*command == 9, &top.nest(3).ok_or(EINVAL)?)?,
        (12, false) => Request::SetTimeouts([4, 5, 6].map(|kind| top.u32(kind))),
        _ => return Err(EOPNOTSUPP),
    })
}

/// Attributes, each with its number.
struct Nest<'a>(BTreeMap<u16, &'a [u8]>);

impl<'a> Nest<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self(netlink::attributes(bytes).map(|attribute| (attribute.kind, attribute.value)).collect())
    }

    fn nest(&self, kind: u16) -> Option<Self> {
        self.0.get(&kind).copied().map(Self::of)
    }

    fn u32(&self, kind: u16) -> Option<u32> {
        Some(u32::from_ne_bytes((*self.0.get(&kind)?).try_into().ok()?))
    }

    fn u16(&self, kind: u16) -> Option<u16> {
        Some(u16::from_ne_bytes((*self.0.get(&kind)?).try_into().ok()?))
    }

    fn port(&self, kind: u16) -> Option<u16> {
        Some(u16::from_be_bytes((*self.0.get(&kind)?).try_into().ok()?))
    }

    fn octets(&self, kind: u16) -> Option<[u8; 16]> {
        (*self.0.get(&kind)?).try_into().ok()
    }

    /// Characters and a zero.
    fn text(&self, kind: u16) -> Option<String> {
        let (zero, text) = self.0.get(&kind)?.split_last()?;
        (*zero == 0 && text.len() <= 15).then(|| String::from_utf8(text.to_vec()).ok())?
    }
}

fn key(nest: &Nest<'_>) -> Result<Key, i32> {
    let family = nest.u16(1).filter(|family| [AF_INET, AF_INET6].contains(family)).ok_or(EINVAL)?;
    if let Some(mark) = nest.u32(5) {
        return Ok(Key { family, protocol: 0, address: [0; 16], port: 0, mark });
    }
    let (protocol, address, port) = (nest.u16(2), nest.octets(3), nest.port(4));
    let (Some(protocol), Some(address), Some(port)) = (protocol, address, port) else { return Err(EINVAL) };
    Ok(Key { family, protocol, address, port, mark: 0 })
}

fn traits(nest: &Nest<'_>) -> Result<Traits, i32> {
    let (scheduler, flags) = (nest.text(6), nest.0.get(&7));
    let (timeout_secs, netmask) = (nest.u32(8), nest.0.get(&9));
    let (Some(scheduler), Some(flags), Some(timeout_secs), Some(netmask)) =
        (scheduler, flags, timeout_secs, netmask)
    else {
        return Err(EINVAL);
    };
    let netmask = (*netmask).try_into().map_err(|_| EINVAL)?;
    let (flags, meant) = flags.split_first_chunk::<4>().ok_or(EINVAL)?;
    assert_eq!(meant, [0xff; 4], "all flags are meant");
    let engine = nest.text(11).unwrap_or_default();
    Ok(Traits { scheduler, flags: u32::from_ne_bytes(*flags), timeout_secs, netmask, engine })
}

fn place_of(nest: &Nest<'_>) -> Result<Place, i32> {
    let (family, address, port) = (nest.u16(11), nest.octets(1), nest.port(2));
    let (Some(family), Some(address), Some(port)) = (family, address, port) else { return Err(EINVAL) };
    Ok(Place { family, address, port })
}

fn destination(nest: &Nest<'_>) -> Result<Destination, i32> {
    let (forward, weight, upper, lower) = (nest.u32(3), nest.u32(4), nest.u32(5), nest.u32(6));
    let (Some(forward), Some(weight), Some(upper), Some(lower)) = (forward, weight, upper, lower) else {
        return Err(EINVAL);
    };
    let tunnel = nest.0.get(&13).and_then(|value| value.first()).copied().unwrap_or(0);
    let (tunnel_port, tunnel_flags) = (nest.port(14).unwrap_or(0), nest.u16(15).unwrap_or(0));
    Ok(Destination { forward, weight, upper, lower, tunnel, tunnel_port, tunnel_flags })
}

fn daemon(starts: bool, nest: &Nest<'_>) -> Result<Request, i32> {
    let is_master = match nest.u32(1) {
        Some(1) => true,
        Some(2) => false,
        Some(_) | None => return Err(EINVAL),
    };
    if !starts {
        return Ok(Request::StopDaemon { is_master });
    }
    let (Some(interface), Some(id)) = (nest.text(2), nest.u32(3)) else { return Err(EINVAL) };
    Ok(Request::StartDaemon { is_master, interface, id })
}
