//! A host that sends VRRP and BFD packets of its own making, right ones and wrong ones.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fastrand::Rng;
use smoltcp::wire::{IpProtocol, checksum};
use vipd::config::Family;
use vipd::wire::Mac;
use vipd::wire::vrrp::Version;

use crate::frame;
use crate::neighbour::{PORT, Said, UP};
use crate::plan::{Plan, sessions};
use crate::world::World;

/// Where its frames come from.
const MAC: Mac = Mac([2, 0, 0, 0, 2, 0x77]);

/// An advertisement to the group of one family.
#[derive(Debug, Clone)]
pub struct Forgery {
    pub from: IpAddr,
    pub to: IpAddr,
    pub ttl: u8,
    pub message: Vec<u8>,
}

impl Forgery {
    /// One that a router with this plan and priority would send, were it not for its address.
    pub fn of(plan: &Plan, family: Family, priority: u8) -> Self {
        let (from, to) = match family {
            Family::V4 => (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 77)), IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18))),
            Family::V6 => (
                IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x77)),
                IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
            ),
        };
        let version = plan.version_of(family);
        let addresses = plan.addresses(family);
        let [high, low] = match version {
            Version::V2 => [u8::from(plan.password.is_some()), (plan.centis / 100) as u8],
            Version::V3 => plan.centis.to_be_bytes(),
        };
        let mut message = vec![(version.number() << 4) | 1, plan.vrid, priority, addresses.len() as u8];
        message.extend_from_slice(&[high, low, 0, 0]);
        for address in addresses {
            match address {
                IpAddr::V4(address) => message.extend_from_slice(&address.octets()),
                IpAddr::V6(address) => message.extend_from_slice(&address.octets()),
            }
        }
        if version == Version::V2 {
            let mut trailer = [0; 8];
            let password = plan.password.unwrap_or(&[]);
            trailer[..password.len()].copy_from_slice(password);
            message.extend_from_slice(&trailer);
        }
        let mut forgery = Self { from, to, ttl: 255, message };
        forgery.seal();
        forgery
    }

    /// The same with one of the defects that a receiver must notice (RX01 to RX17), by chance.
    pub fn spoilt(mut self, plan: &Plan, rng: &mut Rng) -> Self {
        let is_v2 = self.message[0] >> 4 == 2;
        match rng.u8(0..if is_v2 { 13 } else { 10 }) {
            0 => self.ttl = 254,
            1 => self.ttl = 1,
            2 => self.message[6] ^= 0x55,
            3 => self.change(|message| message[0] = (message[0] & 0xf0) | 2),
            4 => self = self.of_other_version(plan),
            5 => self.change(|message| message.truncate(8)),
            6 => self.change(|message| message.extend_from_slice(&[0; 4])),
            7 => self.change(|message| message[3] = 0),
            8 => self.change(|message| message[1] = message[1].wrapping_add(1)),
            9 => self.change(|message| (message[4], message[5]) = (message[4] & !0x0f, 0)),
            10 => self.change(|message| message[5] += 1),
            11 => self.change(|message| message[4] = 2),
            _ if plan.password.is_some() => self.change(|message| *message.last_mut().unwrap() ^= 1),
            _ => self.change(|message| message[4] = 1),
        }
        self
    }

    /// A right message of the version that the plan does not speak (RX02).
    fn of_other_version(self, plan: &Plan) -> Self {
        let other = match plan.version {
            Version::V2 => Plan { version: Version::V3, password: None, ..plan.clone() },
            Version::V3 => Plan { version: Version::V2, ..plan.clone() },
        };
        match Family::of(self.from) {
            Family::V4 => Self::of(&other, Family::V4, self.message[2]),
            Family::V6 => {
                let mut it = self;
                it.change(|message| message[0] ^= 0x10);
                it
            }
        }
    }

    /// The frame around it.
    pub fn frame(&self) -> Vec<u8> {
        let to = frame::group_mac(self.to).unwrap();
        frame::vrrp(MAC, to, self.from, self.to, self.ttl, &self.message)
    }

    /// Spoils something that the checksum covers, and makes that right.
    fn change(&mut self, spoil: impl FnOnce(&mut Vec<u8>)) {
        spoil(&mut self.message);
        self.seal();
    }

    fn seal(&mut self) {
        let message = &mut self.message;
        (message[6], message[7]) = (0, 0);
        let alone = checksum::data(message);
        let protocol = IpProtocol::Unknown(112);
        let header =
            checksum::pseudo_header(&self.from.into(), &self.to.into(), protocol, message.len() as u32);
        let sum = match message[0] >> 4 {
            2 => alone,
            _ => checksum::combine(&[alone, header]),
        };
        [message[6], message[7]] = (!sum).to_be_bytes();
    }
}

/// A BFD packet in the name of one end of a session to the other, by somebody who knows all that was said.
#[derive(Debug, Clone)]
pub struct FalseWord {
    pub from: IpAddr,
    pub to: IpAddr,
    pub ttl: u8,
    pub payload: Vec<u8>,
    target: Mac,
    source_port: u16,
    port: u16,
    breaks_checksum: bool,
}

impl FalseWord {
    /// What the neighbour of a node's session said last, but with this state; none if nothing was said.
    pub fn to(world: &World, node: usize, session: usize, state: u8) -> Option<Self> {
        let it = *sessions(&world.nodes[node].plans).get(session)?;
        let is_its = |other: &usize| world.nodes[*other].kernel.links[it.link].has(it.neighbor);
        let other = (0..world.nodes.len()).find(is_its)?;
        let link = &world.nodes[node].kernel.links[it.link];
        let to = link.own.iter().map(|own| own.0).find(|own| own.is_ipv4() == it.neighbor.is_ipv4())?;
        let (source_port, said) = world.checkers.sessions.said(other, it.link, to)?;
        let said = Said { state, polls: false, answers: false, ..said };
        let (from, target, payload) = (it.neighbor, link.mac, said.bytes().to_vec());
        Some(Self { from, to, ttl: 255, payload, target, source_port, port: PORT, breaks_checksum: false })
    }

    /// The same with one of the defects that a receiver must notice (RFC 5880 §6.8.6, RFC 5881 §4, §5), by chance.
    pub fn spoilt(mut self, rng: &mut Rng) -> Self {
        match rng.u8(0..14) {
            0 => self.ttl = 254,
            1 => self.ttl = 1,
            2 => self.payload[0] ^= 0x60,
            3 => self.payload[3] = 23,
            4 => self.payload[3] = 25,
            5 => self.payload.truncate(23),
            6 => self.payload[2] = 0,
            7 => self.payload[1] |= 0x01,
            8 => self.payload[4..8].fill(0),
            9 => self.payload[11] ^= 0x55,
            10 => {
                self.payload[8..12].fill(0);
                self.payload[1] |= UP << 6;
            }
            11 => {
                self.payload[1] |= 0x04;
                self.payload[3] = 26;
                self.payload.extend_from_slice(&[1, 2]);
            }
            12 => self.breaks_checksum = true,
            _ => self.port = PORT + 1,
        }
        self
    }

    /// The frame around it.
    pub fn frame(&self) -> Vec<u8> {
        let ports = (self.source_port, self.port);
        let mut segment = frame::segment(self.from, self.to, ports, &self.payload);
        if self.breaks_checksum {
            segment[6] ^= 0x55;
        }
        frame::datagram(MAC, self.target, self.from, self.to, self.ttl, &segment)
    }
}
