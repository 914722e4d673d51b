//! From a packet to the virtual router that it is for, if it is for one.

use super::{Packet, Router, Slot, SlotAndOne, Stranger, Turn, Verb};
use crate::config::{Family, InterfaceId};
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
        let vrid = message::vrid_of(message);
        let slot = vrid.and_then(|vrid| self.find(vrid, interface, family));
        let result = match slot {
            Some(slot) => self.advert(turn, slot, &envelope, message),
            None => {
                if let Some(vrid) = vrid {
                    self.overhear(vrid);
                }
                Err(Discard::Vrid)
            }
        };
        if let Err(reason) = result {
            let vrid = vrid.map_or(0, Vrid::get);
            let (source, seen_at_secs) = (envelope.source, turn.now.since_origin().as_secs() as u32);
            self.refuse(slot, &Stranger { interface, vrid, source, reason, count: 1, seen_at_secs });
        }
    }

    /// A message for the virtual router in `slot`, if it is one: what is rejected touches nothing (law 10).
    fn advert(
        &mut self,
        turn: &mut Turn<'_>,
        slot: Slot,
        envelope: &Envelope,
        message: &[u8],
    ) -> Result<(), Discard> {
        let view = self.view(slot).ok_or(Discard::Vrid)?;
        let before = view.member.virtual_router.phase();
        let advert = admission::admit(&view.rules, view.group(), view.peers(), envelope, message)?;
        let priority = advert.priority;
        if before == Phase::Initialize {
            if cfg!(feature = "ra") {
                self.hear_successor(slot, priority);
            }
            return Err(Discard::Initialize);
        }
        self.with(turn, slot, Verb::Receive(&advert, &envelope.source));
        let after = self.virtual_router(slot).map(VirtualRouter::phase);
        if before == Phase::Master && after != Some(Phase::Master) {
            self.with_companions(turn, slot, Verb::Demote);
        } else if before == Phase::Backup && priority == PRIORITY_RESIGN {
            self.with_companions(turn, slot, Verb::Doubt);
        }
        Ok(())
    }

    /// Counts what was refused, notes whose it was, and says so when that is new or the count reaches a power of two: a
    /// flood makes some dozens of lines, not a million.
    #[inline(never)]
    fn refuse(&mut self, slot: Option<Slot>, packet: &Stranger) {
        let Stranger { interface, vrid, source, reason, .. } = packet;
        if self.device(*interface).is_none() {
            return self.stray_packet(*reason, *interface);
        }
        let counters = match slot.and_then(|slot| self.member_mut(slot)) {
            Some(member) => &mut member.virtual_router.counters,
            None => &mut self.stray,
        };
        let total = counters.discard(*reason);
        // Who is one of us and too early is no stranger.
        if *reason != Discard::Initialize && (self.strangers.note(packet) || total.is_power_of_two()) {
            let (device, source) = (self.device_name(*interface), ip::text(*source));
            info!("{device}: VRID {vrid} from {source} refused: {} ({total} so far)", reason.name());
        }
    }

    /// A packet that no virtual router would count, with the same thrift in words.
    #[inline(never)]
    fn stray_packet(&mut self, reason: Discard, interface: IfIndex) {
        let total = self.stray.discard(reason);
        if total.is_power_of_two() {
            info!("packets for nobody here, on device {}: {} ({total} so far)", interface.0, reason.name());
        }
    }

    /// The name of one of our devices; empty: it is none of them, or not any more.
    #[must_use]
    pub fn device_name(&self, interface: IfIndex) -> &str {
        self.device(interface).map_or("", |id| self.config.interface_name(id))
    }

    /// Which of our devices it is.
    fn device(&self, interface: IfIndex) -> Option<InterfaceId> {
        // At most 255 (`limits`).
        let mut all = (0..self.config.interfaces.len()).map(|position| InterfaceId(position as u8));
        all.find(|id| self.links.is(*id, interface))
    }

    /// The virtual router of this VRID and family on the device (RX08).
    fn find(&self, vrid: Vrid, interface: IfIndex, family: Family) -> Option<Slot> {
        let head = self.by_vrid.get(usize::from(vrid.get())).copied().flatten();
        let mut next = head.map(SlotAndOne::slot);
        while let Some(slot) = next {
            let member = self.member(slot)?;
            let instance = self.instance_of(member)?;
            if member.family == family && self.links.is(instance.interface, interface) {
                return Some(slot);
            }
            next = Some(member.next).filter(|next| *next != slot);
        }
        None
    }
}
