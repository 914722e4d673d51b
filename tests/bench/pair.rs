//! Two routers of one kind on a segment, the second of which waits for the first one's end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use crate::daemon::{Kind, Router};
use crate::figures::ms_after;
use crate::harness::{Capture, Frame, Segment, now};
use crate::intent::Intent;

const SECOND: Duration = Duration::from_secs(1);

/// How a master is lost.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    /// SIGKILL, with its link up: its kernel goes on answering for the address.
    Killed,
    /// SIGTERM.
    Asked,
    /// Its link.
    Cut,
}

/// A pair whose parts are exchanged with every takeover, since both have the same priority.
pub(crate) struct Pair {
    pub(crate) capture: Capture,
    pub(crate) lan: Segment,
    pub(crate) routers: Vec<Router>,
    pub(crate) intent: Intent,
    master: usize,
    kind: Kind,
}

impl Pair {
    /// The first router alone: it is going to be master.
    pub(crate) fn begin(kind: Kind, intent: Intent) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let routers = vec![Router::start(&lan, kind, &intent, 1)];
        Self { capture, lan, routers, intent, master: 0, kind }
    }

    /// Waits for that, and starts the second router with this priority.
    pub(crate) fn complete(&mut self, priority: u8) {
        if self.intent.bfd {
            // An advert to the second alone finds nobody to go to before; but the first is to be first.
            thread::sleep(SECOND / 2);
        } else {
            self.wait_master();
        }
        let intent = Intent { priority, ..self.intent };
        let second = Router::start(&self.lan, self.kind, &intent, 2);
        self.routers.push(second);
        self.wait_master();
        self.intent.settle();
    }

    /// The first router alone: it is master, and what that brings about is over.
    pub(crate) fn alone(kind: Kind, intent: Intent) -> Self {
        let pair = Self::begin(kind, intent);
        pair.wait_master();
        thread::sleep(SECOND);
        pair
    }

    fn wait_master(&self) {
        let limit = self.intent.wait() + SECOND * 10;
        for vrid in [1, self.intent.routers] {
            self.capture.wait_advert(&self.routers[0].port, vrid, Duration::ZERO, limit);
        }
        self.routers[0].wait_addresses(&self.intent, limit);
    }

    /// Both at once.
    pub(crate) fn start(kind: Kind, intent: Intent, backup_priority: u8) -> Self {
        let mut pair = Self::begin(kind, intent);
        pair.complete(backup_priority);
        pair
    }

    pub(crate) fn master(&mut self) -> &mut Router {
        &mut self.routers[self.master]
    }

    /// When the master, which was lost about `lost`, last said that it is there, before the other one's announcement.
    pub(crate) fn last_advert(&self, lost: Duration, announced: Duration) -> Duration {
        self.last(lost, announced, |frame| frame.vrrp().is_some())
    }

    /// When the master last said something of this kind.
    pub(crate) fn last(
        &self,
        lost: Duration,
        announced: Duration,
        is_wanted: impl Fn(&Frame) -> bool,
    ) -> Duration {
        let port = self.routers[self.master].port.index();
        let frames = self.capture.between(lost.saturating_sub(self.intent.wait() * 2), announced);
        let mut said = frames.iter().rev().filter(|frame| frame.port == port && is_wanted(frame));
        said.next().expect("the master has spoken").at
    }

    /// Waits until the other one has announced every address since `from`: when it announced the first and the last one.
    pub(crate) fn wait_taken(&self, from: Duration) -> (Duration, Duration) {
        let port = self.routers[1 - self.master].port.index();
        let mut left: BTreeSet<Ipv4Addr> = self.intent.all().into_iter().collect();
        let mut first = None;
        let limit = self.intent.wait() + SECOND * 8;
        self.capture.wait("the other one announces every address", from, limit, |frame| {
            let address = frame.gratuitous_arp().filter(|_| frame.port == port)?;
            if left.remove(&address) {
                first.get_or_insert(frame.at);
            }
            left.is_empty().then(|| (first.unwrap_or(frame.at), frame.at))
        })
    }

    /// How long after its own virtual router's wait the last address was announced, or whatever else is `told` of it by the
    /// other router, in milliseconds: a daemon that spreads its adverts over the interval is counted like one that sends
    /// them together. And how long after the kill, to which it is no matter when within an interval that was.
    pub(crate) fn latest(&self, killed: Duration, told: impl Fn(&Frame) -> Option<IpAddr>) -> [f64; 2] {
        let [old, new] = [self.master, 1 - self.master].map(|which| self.routers[which].port.index());
        let mut left: BTreeSet<IpAddr> = self.intent.all().into_iter().map(IpAddr::from).collect();
        let mut moments = Vec::new();
        let limit = self.intent.wait() + SECOND * 8;
        self.capture.wait("every address is there", killed, limit, |frame| {
            let address = told(frame).filter(|_| frame.port == new)?;
            if left.remove(&address) {
                moments.push((address, frame.at));
            }
            left.is_empty().then_some(())
        });
        let mut last = BTreeMap::new();
        for frame in self.capture.between(killed.saturating_sub(self.intent.wait() * 2), now()) {
            if let Some(vrrp) = frame.vrrp().filter(|_| frame.port == old) {
                last.extend(vrrp.addresses.iter().map(|address| (*address, frame.at)));
            }
        }
        let late = moments.iter().map(|(address, at)| {
            let advert = *last.get(address).expect("the master has spoken of every address");
            ms_after(advert + self.intent.wait(), *at)
        });
        let late = late.max_by(f64::total_cmp).expect("there are addresses");
        let (_, end) = moments.last().expect("there are addresses");
        [late, ms_after(killed, *end)]
    }

    /// Loses the master.
    pub(crate) fn lose(&mut self, loss: Loss) -> Duration {
        let moment = now();
        let master = self.master();
        match loss {
            Loss::Killed => master.process().kill(),
            Loss::Asked => master.process().terminate(),
            Loss::Cut => {
                master.port.unplug();
                moment
            }
        }
    }

    /// After that: what was the master is there again, as backup.
    pub(crate) fn recover(&mut self, loss: Loss) {
        match loss {
            Loss::Killed => self.exchange(),
            Loss::Asked => {
                self.master().process().wait(SECOND * 5);
                self.exchange();
            }
            Loss::Cut => {
                self.master().port.plug();
                self.swap();
                self.intent.settle();
            }
        }
    }

    /// After a takeover: what was the master begins again, as backup.
    pub(crate) fn exchange(&mut self) {
        self.exchange_at_once();
        self.intent.settle();
    }

    /// The same without waiting for it to have begun.
    pub(crate) fn exchange_at_once(&mut self) {
        let old = &mut self.routers[self.master];
        old.clean();
        old.restart();
        self.swap();
    }

    /// What was the backup is the master.
    pub(crate) fn swap(&mut self) {
        self.master = 1 - self.master;
        self.capture.forget();
    }

    /// The moment of the master's next advert.
    pub(crate) fn wait_advert(&self, from: Duration) -> Duration {
        let limit = self.intent.interval * 3 + SECOND;
        self.capture.wait_advert(&self.routers[self.master].port, 1, from, limit).0
    }

    /// Waits until the capture has everything up to this moment.
    pub(crate) fn wait_recorded(&self, to: Duration) {
        self.capture.wait("something is said", to, self.intent.interval + SECOND * 5, |_| Some(()));
        assert_eq!(self.capture.dropped(), 0, "the capture is complete");
    }

    /// Adverts of the second router since a moment: each is one too many.
    pub(crate) fn false_adverts(&self, from: Duration, to: Duration) -> usize {
        let Some(backup) = self.routers.get(1 - self.master) else { return 0 };
        let port = backup.port.index();
        let frames = self.capture.between(from, to);
        frames.iter().filter(|frame| frame.port == port && frame.vrrp().is_some()).count()
    }
}
