//! BFD's port: asked for when the configuration has a session, and emptied before any deadline.

use super::hands::Hands;
use crate::config::Family;
use crate::limits::{PACKETS_PER_BATCH_MAX, PACKETS_PER_TURN_MAX};
use crate::linux::Errno;
use crate::linux::batch::Inbox;
use crate::linux::bfd::FAMILIES;
use crate::say::{error, info};
use crate::wire::bfd::PORT;

impl Hands<'_> {
    /// Takes the port, for the families that have a session. VRRP goes on without it, so that it cannot be had is only
    /// said, and that only if the configuration `is_new`.
    pub(super) fn ask_for_port(&mut self, is_new: bool) {
        if !cfg!(feature = "bfd") {
            return;
        }
        self.lacks_port = false;
        for &family in FAMILIES {
            let sessions = &self.router.config().bfd;
            if !sessions.iter().any(|session| Family::of(session.neighbor) == family) {
                continue;
            }
            let Err(errno) = self.kernel.bfd.bind(family) else { continue };
            self.lacks_port = true;
            if is_new {
                say_refused(family, errno);
            }
        }
        if !is_new && !self.lacks_port {
            info!("BFD has UDP port {PORT} now");
        }
    }

    /// The same as long as it has not been had: each turn, of which there is one for each advert.
    pub(super) fn ask_for_port_again(&mut self) {
        if cfg!(feature = "bfd") && self.lacks_port {
            self.ask_for_port(false);
        }
    }

    /// Hands in every datagram that was waiting, up to what the kernel can have kept for us.
    #[inline(never)]
    pub(super) fn take_datagrams(&mut self, inbox: &mut Inbox) {
        for &family in FAMILIES {
            for _ in 0..PACKETS_PER_TURN_MAX / PACKETS_PER_BATCH_MAX {
                let Some(datagrams) = self.kernel.bfd.receive(family, inbox) else { break };
                if !self.take(datagrams, true) {
                    break;
                }
            }
        }
    }
}

#[inline(never)]
fn say_refused(family: Family, errno: Errno) {
    let family = match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    };
    let reason = match errno {
        Errno::EADDRINUSE => "another program has it (FRR's bfdd?); stop that, or take the sessions out",
        other => other.words().unwrap_or("refused"),
    };
    error!(
        "BFD needs UDP port {PORT} of {family}: {reason}. VRRP goes on, and the port is tried again and again"
    );
}
