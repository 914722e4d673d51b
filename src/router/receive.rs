//! From a packet to the virtual router that it is for, if it is for one.

use core::net::IpAddr;

use log::info;

use super::{Effects, Packet, Router, Slot};
use crate::config::Family;
use crate::time::Instant;
use crate::vrrp::admission::{self, Envelope};
use crate::vrrp::{Phase, VirtualRouter};
use crate::wire::frame::Ipv4Packet;
use crate::wire::vrrp::{self as message, Discard, PRIORITY_RESIGN, Vrid};
use crate::wire::{IfIndex, ip};

impl Router {
    pub(super) fn packet(&mut self, now: Instant, packet: Packet<'_>, effects: &mut Effects) {
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
        self.advert(now, slot, &envelope, message, effects);
    }

    /// A message for the virtual router in `slot`, if it is one: what is rejected is counted, and touches
    /// nothing else (law 10).
    fn advert(
        &mut self,
        now: Instant,
        slot: Slot,
        envelope: &Envelope,
        message: &[u8],
        effects: &mut Effects,
    ) {
        let Some(view) = self.view(slot) else { return };
        let peers = view.instance.family(view.member.family).peers.of(&self.config.peers);
        let admitted = admission::admit(&view.rules, view.group(), peers, envelope, message).and_then(
            |advert| match view.member.virtual_router.phase() {
                Phase::Initialize => Err(Discard::Initialize),
                Phase::Backup | Phase::Master => Ok(advert),
            },
        );
        let before = view.member.virtual_router.phase();
        match admitted {
            Err(reason) => self.discard(slot, reason, envelope.source),
            Ok(advert) => {
                self.with(slot, effects, |vr, rules, actions| {
                    vr.receive(rules, &advert, envelope.source, now, actions);
                });
                let after = self.virtual_router(slot).map(VirtualRouter::phase);
                if before == Phase::Master && after != Some(Phase::Master) {
                    self.demote_companions(slot, now, effects);
                } else if before == Phase::Backup && advert.priority == PRIORITY_RESIGN {
                    self.doubt_companions(slot, now, effects);
                }
            }
        }
    }

    /// Counts, and says so when the count reaches a power of two: a flood makes 32 lines, not a million.
    fn discard(&mut self, slot: Slot, reason: Discard, source: IpAddr) {
        let Some(member) = self.members.get_mut(usize::from(slot.0)) else { return };
        member.virtual_router.counters.discard(reason);
        let total = member.virtual_router.counters.discarded(reason);
        let Some(instance) = self.config.instances.get(usize::from(member.instance)) else { return };
        if total.is_power_of_two() && reason != Discard::Initialize {
            let name = self.config.text(instance.name);
            let source = ip::text(source);
            info!("{name}/{}: dropped from {source}: {} ({total} so far)", instance.vrid, reason.name());
        }
    }

    /// A packet that no virtual router would count, with the same thrift in words.
    fn stray_packet(&mut self, reason: Discard, interface: IfIndex) {
        self.stray.discard(reason);
        let total = self.stray.discarded(reason);
        if total.is_power_of_two() {
            info!("packets for nobody here, on device {}: {} ({total} so far)", interface.0, reason.name());
        }
    }

    /// The virtual router of this VRID and family on the device (RX08).
    fn find(&self, vrid: Vrid, interface: IfIndex, family: Family) -> Option<Slot> {
        let mut next = self.by_vrid.get(usize::from(vrid.get())).copied().flatten();
        while let Some(slot) = next {
            let member = self.members.get(usize::from(slot.0))?;
            let instance = self.config.instances.get(usize::from(member.instance))?;
            if member.family == family && self.links.index(instance.interface) == Some(interface) {
                return Some(slot);
            }
            next = member.next;
        }
        None
    }
}
