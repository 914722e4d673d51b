//! A host of the segment that needs the virtual addresses: it pings them, and its neighbour cache says
//! where the pings go. An address has moved when the next ping is answered.

use core::net::IpAddr;
use std::rc::Rc;

use vipd::wire::Mac;

use crate::clock::{MS, NEVER, Nanos};
use crate::frame;
use crate::kernel::{Kernel, Outbox};
use crate::seed::trace;

/// Between two pings to one address.
pub const PING_PERIOD: Nanos = 20 * MS;

/// Within this a ping is answered, if it is at all: a healthy segment needs a tenth of a millisecond.
pub const ROUND_TRIP_MAX: Nanos = 2 * MS;

/// How many pings may be under way: those of the last 2.5 s.
const PINGS_UNDER_WAY: usize = 128;

/// One virtual address, as a client sees it.
#[derive(Debug)]
pub struct Target {
    pub address: IpAddr,
    source: IpAddr,
    next_sequence: u16,
    sent_at: [Nanos; PINGS_UNDER_WAY],
    /// When the latest ping that was answered had been sent.
    pub served_at: Nanos,
    /// Who answered it.
    pub served_by: Option<Mac>,
    /// When the first ping was sent that nobody has answered, if one is waiting.
    unserved_since: Option<Nanos>,
    /// The longest time from the first ping without an answer to the next with one, since
    /// [`Target::forget_outages`].
    outage_max: Nanos,
    /// How often another host answered than before.
    pub moves: u32,
}

impl Target {
    fn new(address: IpAddr, source: IpAddr, now: Nanos) -> Self {
        Self {
            address,
            source,
            next_sequence: 0,
            sent_at: [0; PINGS_UNDER_WAY],
            // It takes two pings to find out who has it.
            served_at: now + 2 * PING_PERIOD,
            served_by: None,
            unserved_since: None,
            outage_max: 0,
            moves: 0,
        }
    }

    /// The longest time without service since it was last forgotten, up to now.
    pub fn outage(&self, now: Nanos) -> Nanos {
        let waiting = self.unserved_since.map_or(0, |since| now.saturating_sub(since + ROUND_TRIP_MAX));
        self.outage_max.max(waiting)
    }

    /// Begins to measure anew.
    pub fn forget_outages(&mut self) {
        self.outage_max = 0;
        self.moves = 0;
    }

    fn answered(&mut self, sequence: u16, mac: Mac) {
        let sent_at = self.sent_at[usize::from(sequence) % PINGS_UNDER_WAY];
        if sent_at <= self.served_at && self.served_by.is_some() {
            return;
        }
        let since = self.unserved_since.take().unwrap_or(sent_at);
        self.outage_max = self.outage_max.max(sent_at.saturating_sub(since));
        self.served_at = sent_at;
        if self.served_by != Some(mac) {
            trace!("    {} is now served by {mac}", self.address);
            self.moves += 1;
            self.served_by = Some(mac);
        }
    }
}

/// A host that pings.
#[derive(Debug)]
pub struct Client {
    pub kernel: Kernel,
    /// After so long without an answer it asks anew who has the address, as neighbour unreachability detection
    /// does. Never, where announcements alone are to keep it right.
    pub asks_again_after: Nanos,
    /// Between two pings to one address, and when the next ones are due.
    pub period: Nanos,
    pub next_ping_at: Nanos,
    /// When it last pinged.
    pub pinged_at: Nanos,
    pub targets: Vec<Target>,
}

impl Client {
    /// A client whose only link has addresses of every family that it is to ping.
    pub fn new(kernel: Kernel, targets: &[IpAddr], now: Nanos) -> Self {
        let source = |target: &IpAddr| {
            let own = kernel.links[0].own.iter().map(|&(address, _)| address);
            let fits = |address: &IpAddr| match (address, target) {
                (IpAddr::V4(_), IpAddr::V4(_)) => true,
                (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[0] == b.segments()[0],
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
            };
            own.into_iter().find(fits).unwrap()
        };
        let targets = targets.iter().map(|target| Target::new(*target, source(target), now)).collect();
        Self {
            kernel,
            asks_again_after: NEVER,
            period: PING_PERIOD,
            next_ping_at: NEVER,
            pinged_at: now,
            targets,
        }
    }

    /// Pings every address, or asks who has it.
    pub fn ping(&mut self, now: Nanos, out: &mut Outbox) {
        self.pinged_at = now;
        for target in &mut self.targets {
            target.unserved_since.get_or_insert(now);
            if now.saturating_sub(target.served_at) > self.asks_again_after {
                self.kernel.resolve(0, target.source, target.address, out);
            }
            let Some(to) = self.kernel.neighbour(0, target.address) else {
                self.kernel.resolve(0, target.source, target.address, out);
                continue;
            };
            let sequence = target.next_sequence;
            target.next_sequence = sequence.wrapping_add(1);
            target.sent_at[usize::from(sequence) % PINGS_UNDER_WAY] = now;
            let from = self.kernel.links[0].mac;
            let ping = frame::echo(false, from, to, target.source, target.address, sequence);
            out.push((0, Rc::from(ping)));
        }
    }

    /// Reads the answers that have come.
    pub fn read(&mut self) {
        for reply in self.kernel.replies.drain(..) {
            if let Some(target) = self.targets.iter_mut().find(|it| it.address == reply.from) {
                target.answered(reply.sequence, reply.mac);
            }
        }
    }
}
