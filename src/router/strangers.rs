//! Who speaks VRRP here and is refused: another pair that was given the same VRID, or a peer of ours with another
//! password, version or interval. Counters say how much was dropped; this says whose it was.
//!
//! Nothing else comes of it (law 10). Whoever floods us from ever other addresses pushes the others out of the table,
//! until they speak again.

use core::net::{IpAddr, Ipv4Addr};

use super::Router;
use crate::limits::STRANGERS_MAX;
use crate::wire::vrrp::Discard;
use crate::wire::{IfIndex, ip};

/// A speaker, by device, VRID and address, and what was refused of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stranger {
    /// Where it was heard.
    pub interface: IfIndex,
    /// What the message says; 0: nothing that is a VRID.
    pub vrid: u8,
    /// The sender.
    pub source: IpAddr,
    /// Why the last packet was refused.
    pub reason: Discard,
    /// Packets refused since it is remembered.
    pub count: u32,
    /// When the last one came, in whole seconds after the clock's origin; a free place has 0, and is the oldest.
    pub seen_at_secs: u32,
}

impl Stranger {
    /// A free place, all zeros.
    const NONE: Self = Self {
        interface: IfIndex(0),
        vrid: 0,
        source: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        reason: Discard::IpHeader,
        count: 0,
        seen_at_secs: 0,
    };
}

/// The table; the free places are the last.
#[derive(Debug, Clone)]
pub(super) struct Strangers {
    known: [Stranger; STRANGERS_MAX],
    /// How often somebody has entered.
    entered: u32,
}

impl Strangers {
    pub(super) const fn new() -> Self {
        Self { known: [Stranger::NONE; STRANGERS_MAX], entered: 0 }
    }

    /// Notes a packet. `true`: its sender was not known, and is worth a line in the log; not every one in a flood of
    /// ever other senders is.
    pub(super) fn note(&mut self, packet: &Stranger) -> bool {
        let mut oldest: Option<&mut Stranger> = None;
        for known in &mut self.known {
            if known.vrid == packet.vrid
                && known.interface == packet.interface
                && ip::same(&known.source, &packet.source)
            {
                known.count = known.count.saturating_add(1);
                known.reason = packet.reason;
                known.seen_at_secs = packet.seen_at_secs;
                return false;
            }
            if oldest.as_ref().is_none_or(|oldest| known.seen_at_secs < oldest.seen_at_secs) {
                oldest = Some(known);
            }
        }
        if let Some(oldest) = oldest {
            *oldest = *packet;
        }
        self.entered = self.entered.wrapping_add(1);
        self.entered <= STRANGERS_MAX as u32 || self.entered.is_power_of_two()
    }
}

impl Router {
    /// The stranger in this place of the table, counted from 0; `None`: there are no more.
    #[must_use]
    pub fn stranger(&self, place: u8) -> Option<&Stranger> {
        self.strangers.known.get(usize::from(place)).filter(|stranger| stranger.count > 0)
    }
}
