//! From a packet to the virtual router that it is for, if it is for one.

use core::net::IpAddr;

use super::{Packet, Router, Slot, Turn, Verb};
use crate::config::Family;
use crate::say::info;
use crate::vrrp::admission::{self, Envelope};
use crate::vrrp::{Phase, VirtualRouter};
use crate::wire::frame::Ipv4Packet;
use crate::wire::vrrp::{self as message, Discard, PRIORITY_RESIGN, Vrid};
use crate::wire::{IfIndex, ip};

impl Router {
    pub(super) fn packet(&mut self, turn: &mut Turn<'_>, packet: Packet<'_>) {
        let (interface, family, envelope, message) = match packet {
            Packet::V4 { interface, packet } => match Ipv4Packet::parse(packet) {
                Ok(ip) => {
                    let envelope = Envelope {
                        source: ip.source.into(),
                        destination: ip.destination.into(),
                        ttl: ip.ttl,
                    };
                    (interface, Family::V4, envelope, ip.payload)
                }
                Err(reason) => return self.stray_packet(reason, interface),
            },
            // RFC 4291 §2.5.2, §2.7: these are nobody's addresses to send from.
            Packet::V6 { interface, source, .. } if source.is_unspecified() || source.is_multicast() => {
                return self.stray_packet(Discard::IpHeader, interface);
            }
            Packet::V6 { interface, source, destination, hop_limit, message } => {
                let envelope =
                    Envelope { source: source.into(), destination: destination.into(), ttl: hop_limit };
                (interface, Family::V6, envelope, message)
            }
        };
        let Some(slot) = message::vrid_of(message).and_then(|vrid| self.find(vrid, interface, family)) else {
            return self.stray_packet(Discard::Vrid, interface);
        };
        self.advert(turn, slot, &envelope, message);
    }

    /// A message for the virtual router in `slot`, if it is one: what is rejected is counted, and touches
    /// nothing else (law 10).
    fn advert(&mut self, turn: &mut Turn<'_>, slot: Slot, envelope: &Envelope, message: &[u8]) {
        let Some(view) = self.view(slot) else { return };
        let before = view.member.virtual_router.phase();
        let admitted = admission::admit(&view.rules, view.group(), view.peers(), envelope, message);
        let advert = match admitted {
            Ok(advert) if before != Phase::Initialize => advert,
            Ok(_) => return self.discard(slot, Discard::Initialize, &envelope.source),
            Err(reason) => return self.discard(slot, reason, &envelope.source),
        };
        self.with(turn, slot, Verb::Receive(&advert, &envelope.source));
        let after = self.virtual_router(slot).map(VirtualRouter::phase);
        if before == Phase::Master && after != Some(Phase::Master) {
            self.with_companions(turn, slot, Verb::Demote);
        } else if before == Phase::Backup && advert.priority == PRIORITY_RESIGN {
            self.with_companions(turn, slot, Verb::Doubt);
        }
    }

    /// Counts, and says so when the count reaches a power of two: a flood makes 32 lines, not a million.
    fn discard(&mut self, slot: Slot, reason: Discard, source: &IpAddr) {
        let Some(member) = self.member_mut(slot) else { return };
        let total = member.virtual_router.counters.discard(reason);
        let Some(view) = self.view(slot) else { return };
        if total.is_power_of_two() && reason != Discard::Initialize {
            let (name, vrid, source) = (view.rules.name, view.rules.vrid, ip::text(*source));
            info!("{name}/{vrid}: dropped from {source}: {} ({total} so far)", reason.name());
        }
    }

    /// A packet that no virtual router would count, with the same thrift in words.
    fn stray_packet(&mut self, reason: Discard, interface: IfIndex) {
        let total = self.stray.discard(reason);
        if total.is_power_of_two() {
            info!("packets for nobody here, on device {}: {} ({total} so far)", interface.0, reason.name());
        }
    }

    /// The virtual router of this VRID and family on the device (RX08).
    fn find(&self, vrid: Vrid, interface: IfIndex, family: Family) -> Option<Slot> {
        let mut next = self.by_vrid.get(usize::from(vrid.get())).copied().flatten();
        while let Some(slot) = next {
            let member = self.member(slot)?;
            let instance = self.instance_of(member)?;
            if member.family == family && self.links.is(instance.interface, interface) {
                return Some(slot);
            }
            next = member.next;
        }
        None
    }
}
