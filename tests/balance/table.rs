//! A table of virtual servers, in the kernel's terms and not in those of the program.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;

/// What identifies a service. One by a mark has neither protocol nor address nor port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub family: u16,
    pub protocol: u16,
    pub address: [u8; 16],
    pub port: u16,
    pub mark: u32,
}

/// What a service is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traits {
    pub scheduler: String,
    pub flags: u32,
    pub timeout_secs: u32,
    /// As it stands in messages.
    pub netmask: [u8; 4],
    /// The persistence engine; empty: none.
    pub engine: String,
}

/// What identifies a destination of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub family: u16,
    pub address: [u8; 16],
    pub port: u16,
}

/// What a destination is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    pub forward: u32,
    pub weight: u32,
    pub upper: u32,
    pub lower: u32,
    pub tunnel: u8,
    pub tunnel_port: u16,
    pub tunnel_flags: u16,
}

/// A service and its destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub traits: Traits,
    pub destinations: BTreeMap<Place, Destination>,
}

/// All services.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Table(pub BTreeMap<Key, Service>);

impl Table {
    /// How many destinations all services have together.
    pub fn destinations(&self) -> usize {
        self.0.values().map(|service| service.destinations.len()).sum()
    }

    /// The weights of a service's destinations, by the last byte of their addresses.
    pub fn weights(&self, key: &Key) -> Vec<(u8, u32)> {
        let Some(service) = self.0.get(key) else { return vec![] };
        let last = |place: &Place| if place.family == AF_INET { place.address[3] } else { place.address[15] };
        service.destinations.iter().map(|(place, its)| (last(place), its.weight)).collect()
    }

    /// Those of these services, and those of others.
    pub fn split(&self, keys: &BTreeSet<Key>) -> (Self, Self) {
        let (ours, others) = self.0.clone().into_iter().partition(|(key, _)| keys.contains(key));
        (Self(ours), Self(others))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, service) in &self.0 {
            let host = host(key.family, &key.address);
            write!(f, "\n{host}:{} protocol {} mark {}", key.port, key.protocol, key.mark)?;
            write!(f, " {:?}", service.traits)?;
            for (place, its) in &service.destinations {
                write!(f, "\n    {}:{} {its:?}", self::host(place.family, &place.address), place.port)?;
            }
        }
        Ok(())
    }
}

fn host(family: u16, address: &[u8; 16]) -> IpAddr {
    match address {
        [a, b, c, d, ..] if family == AF_INET => Ipv4Addr::new(*a, *b, *c, *d).into(),
        octets => Ipv6Addr::from(*octets).into(),
    }
}
