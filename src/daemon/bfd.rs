//! BFD's port: asked for when the configuration has a session, and emptied before any deadline.

use core::time::Duration;

use super::hands::Hands;
use crate::config::Family;
use crate::limits::{PACKETS_PER_BATCH_MAX, PACKETS_PER_TURN_MAX};
use crate::linux::batch::Inbox;
use crate::linux::{Errno, clock};
use crate::router::Event;
use crate::say::{error, info};
use crate::time::Instant;
use crate::wire::bfd::PORT;

/// How long until a port that somebody else has is asked for again.
const AGAIN: Duration = Duration::from_secs(1);

impl Hands<'_> {
    /// Takes the port, for the families that have a session. VRRP goes on without it, so that it cannot be had is only
    /// said, once if this `is_news`.
    pub(super) fn ask_for_port(&mut self, is_news: bool) {
        if !cfg!(feature = "bfd") {
            return;
        }
        self.port_again_at = None;
        for (family, name) in [(Family::V4, "IPv4"), (Family::V6, "IPv6")] {
            let sessions = &self.router.config().bfd;
            if !sessions.iter().any(|session| Family::of(session.neighbor) == family) {
                continue;
            }
            let Err(errno) = self.kernel.bfd.bind(family) else { continue };
            self.port_again_at = Some(clock::now() + AGAIN);
            if is_news {
                say_refused(name, errno);
            }
        }
        if !is_news && self.port_again_at.is_none() {
            info!("BFD has its UDP port {PORT} now");
        }
    }

    /// The same when it is time to.
    pub(super) fn ask_for_port_again(&mut self) {
        if self.port_again_at().is_some_and(|at| at <= clock::now()) {
            self.ask_for_port(false);
        }
    }

    /// When that is.
    pub(super) const fn port_again_at(&self) -> Option<Instant> {
        if cfg!(feature = "bfd") { self.port_again_at } else { None }
    }

    /// Hands in every datagram that was waiting, up to what the kernel can have kept for us.
    pub(super) fn take_datagrams(&mut self, inbox: &mut Inbox) {
        for family in [Family::V4, Family::V6] {
            for _ in 0..PACKETS_PER_TURN_MAX / PACKETS_PER_BATCH_MAX {
                let Some(received) = self.kernel.bfd.receive(family, inbox) else { break };
                let mut datagrams = match received {
                    Ok(datagrams) => datagrams,
                    Err(error) => {
                        self.note(error);
                        break;
                    }
                };
                let are_all = !datagrams.are_all_that_fit();
                while let Some(datagram) = datagrams.next_datagram() {
                    self.act(Event::Bfd(datagram));
                }
                if are_all {
                    break;
                }
            }
        }
    }
}

#[inline(never)]
fn say_refused(family: &str, errno: Errno) {
    let reason = match errno {
        Errno::EADDRINUSE => {
            "another program has it, FRR's bfdd perhaps: stop that, or take the sessions out"
        }
        other => other.words().unwrap_or("refused"),
    };
    error!(
        "BFD needs UDP port {PORT} of {family}: {reason}. VRRP goes on, and the port is tried each second"
    );
}
