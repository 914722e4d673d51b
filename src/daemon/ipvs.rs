//! What the kernel's IPVS says.

use super::hands::Hands;
use crate::linux::batch::Inbox;
use crate::linux::netlink::Received;
use crate::linux::poll::Waiting;
use crate::router::Event;
use crate::wire::ipvs;

/// Datagrams of it that one turn takes.
const DATAGRAMS_PER_TURN_MAX: usize = 64;

impl Hands<'_> {
    /// Where it answers.
    pub(super) fn answers_of_ipvs(&self) -> Waiting {
        if !cfg!(feature = "ipvs") {
            return Waiting::NEVER;
        }
        self.kernel.ipvs.as_ref().map_or(Waiting::NEVER, Waiting::to_read)
    }

    /// Hands in what it has said.
    #[inline(never)]
    pub(super) fn take_ipvs(&mut self, inbox: &mut Inbox) {
        if !cfg!(feature = "ipvs") {
            return;
        }
        for _ in 0..DATAGRAMS_PER_TURN_MAX {
            let Some(socket) = &self.kernel.ipvs else { return };
            match socket.receive(inbox.datagram()) {
                Ok(Received::Datagram(bytes)) => {
                    for message in ipvs::messages(bytes) {
                        self.act(Event::Ipvs(message));
                    }
                }
                Ok(Received::Overrun) => self.act(Event::IpvsOverrun),
                Ok(Received::Nothing) => return,
                // What it was is gone.
                Err(error) => {
                    self.note(error);
                    self.act(Event::IpvsOverrun);
                    return;
                }
            }
        }
    }
}
