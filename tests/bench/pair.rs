//! Two routers of one kind on a segment, the second of which waits for the first one's end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use crate::daemon::{Kind, Router};
use crate::figures::ms_after;
use crate::harness::{Capture, Segment, now};
use crate::intent::Intent;

const SECOND: Duration = Duration::from_secs(1);

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
        let limit = self.intent.wait() + SECOND * 10;
        for vrid in [1, self.intent.routers] {
            self.capture.wait_advert(&self.routers[0].port, vrid, Duration::ZERO, limit);
        }
        self.routers[0].wait_addresses(&self.intent, limit);
        let intent = Intent { priority, ..self.intent };
        let second = Router::start(&self.lan, self.kind, &intent, 2);
        self.routers.push(second);
        self.settle();
    }

    /// Both at once.
    pub(crate) fn start(kind: Kind, intent: Intent, backup_priority: u8) -> Self {
        let mut pair = Self::begin(kind, intent);
        pair.complete(backup_priority);
        pair
    }

    /// Longer than any of the daemons takes to start, and then two adverts.
    pub(crate) fn settle(&self) {
        thread::sleep(SECOND * 3 / 4 + self.intent.interval * 2);
    }

    pub(crate) fn master(&mut self) -> &mut Router {
        &mut self.routers[self.master]
    }

    pub(crate) fn backup(&mut self) -> &mut Router {
        &mut self.routers[1 - self.master]
    }

    /// When the master last said that it is there, before this moment.
    pub(crate) fn last_advert(&self, before: Duration) -> Duration {
        let port = self.routers[self.master].port.index();
        let frames = self.capture.between(before.saturating_sub(self.intent.wait() * 2), before);
        let mut adverts = frames.iter().rev().filter(|frame| frame.port == port && frame.vrrp().is_some());
        adverts.next().expect("the master has spoken").at
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

    /// How long after its own virtual router's wait the last address was announced, in milliseconds: a daemon that spreads
    /// its adverts over the interval is counted like one that sends them together.
    pub(crate) fn latest(&self, killed: Duration) -> f64 {
        let (_, end) = self.wait_taken(killed);
        let [old, new] = [self.master, 1 - self.master].map(|which| self.routers[which].port.index());
        let mut last = BTreeMap::new();
        let mut announced = BTreeMap::new();
        for frame in self.capture.between(killed.saturating_sub(self.intent.wait() * 2), end) {
            if let Some(vrrp) = frame.vrrp().filter(|_| frame.port == old) {
                last.insert(vrrp.vrid, frame.at);
            }
            let claimed = frame.gratuitous_arp().filter(|_| frame.port == new && frame.at >= killed);
            if let Some(address) = claimed {
                announced.entry(address).or_insert(frame.at);
            }
        }
        let late = announced.iter().filter_map(|(address, at)| {
            let advert = *last.get(&address.octets()[2])?;
            Some(ms_after(advert + self.intent.wait(), *at))
        });
        late.max_by(f64::total_cmp).expect("the master has spoken")
    }

    /// After a takeover: what was the master begins again, as backup.
    pub(crate) fn exchange(&mut self) {
        self.exchange_at_once();
        self.settle();
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

    /// Adverts of the second router since a moment: each is one too many.
    pub(crate) fn false_adverts(&self, from: Duration, to: Duration) -> usize {
        let port = self.routers[1 - self.master].port.index();
        let frames = self.capture.between(from, to);
        frames.iter().filter(|frame| frame.port == port && frame.vrrp().is_some()).count()
    }

    /// Lets time pass; between which moments.
    pub(crate) fn watch(&self, span: Duration) -> (Duration, Duration) {
        let from = now();
        thread::sleep(span);
        (from, now())
    }
}
