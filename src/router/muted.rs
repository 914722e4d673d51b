//! VRIDs that are nobody's here, and heard again and again: each packet would wake the daemon, for nothing.
//!
//! The first packets of each are seen, so whoever has mistyped a VRID is named at once (`strangers.rs`). Then the VRID is
//! muted: of its packets the kernel lets in one of [`SAMPLE`](crate::wire::filter::SAMPLE), by which it is seen that it
//! is still there, until the next reload. One that we have is never muted, on whatever device, so nothing that could
//! move a virtual router is lost. It is no effect of a packet that is refused (law 10): the shell looks, once a turn.

use super::Router;
use crate::wire::filter::Vrids;
use crate::wire::vrrp::Vrid;

/// Packets of one VRID that are seen before it is muted. The filter changes after so many at the soonest, and 255 times
/// at the most, so no choice of VRIDs makes that expensive.
const SEEN_MAX: u8 = u8::MAX;

/// All zeros as long as nobody was heard.
#[derive(Debug, Clone)]
pub(super) struct Muted {
    vrids: Vrids,
    /// How often each VRID was nobody's since the last reload, up to [`SEEN_MAX`].
    seen: [u8; 256],
}

impl Muted {
    pub(super) const fn new() -> Self {
        Self { vrids: Vrids::NONE, seen: [0; 256] }
    }
}

impl Router {
    /// A packet of this VRID was for nobody on its device.
    pub(super) fn overhear(&mut self, vrid: Vrid) {
        let Some(seen) = self.muted.seen.get_mut(usize::from(vrid.get())) else { return };
        if *seen < SEEN_MAX {
            *seen += 1;
            if *seen == SEEN_MAX && !self.has_vrid(vrid) {
                self.muted.vrids.insert(vrid);
            }
        }
    }

    /// Hears everybody: a new configuration may have any VRID.
    pub(super) fn unmute(&mut self) {
        self.muted = Muted::new();
    }

    /// The VRIDs of which few packets need to come in, as a filter on the sockets lets them
    /// ([`wire::filter`](crate::wire::filter)). Where there is none, all may come.
    #[must_use]
    pub const fn muted(&self) -> &Vrids {
        &self.muted.vrids
    }

    /// Whether it is a virtual router's of ours, on any device, in any family.
    fn has_vrid(&self, vrid: Vrid) -> bool {
        self.by_vrid.get(usize::from(vrid.get())).is_some_and(Option::is_some)
    }
}
