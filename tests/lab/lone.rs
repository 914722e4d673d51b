//! One router on a segment, where most things that can happen to a router can happen.

use std::net::IpAddr;
use std::time::Duration;

use crate::harness::{Capture, Claim, Frame, Host, Noise, Port, Segment, Vipd, Vrrp, eventually, now};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const VRID: u8 = 7;
/// The interval of [`config`].
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// How long a router of [`config`] listens before it becomes master, rounded up.
pub(crate) const SETTLED: Duration = Duration::from_millis(400);

/// A router that is alone, or nearly.
pub(crate) struct Lone {
    pub(crate) lan: Segment,
    pub(crate) capture: Capture,
    pub(crate) host: Host,
    pub(crate) port: Port,
    pub(crate) vipd: Vipd,
}

/// An instance of version 3 with VRID 7 on `eth0`, ten adverts a second, and these virtual addresses.
pub(crate) fn config(priority: u8, addresses: &[&str]) -> String {
    let mut text = format!(
        "config vrrp_instance 'lan'\n\toption interface 'eth0'\n\toption version '3'\n\
         \toption virtual_router_id '{VRID}'\n\toption priority '{priority}'\n\toption advert_int '0.1'\n"
    );
    for address in addresses {
        text.push_str(&format!("\tlist virtual_ipaddress '{address}'\n"));
    }
    text
}

impl Lone {
    /// A host `router` with `eth0` 10.0.0.1/24 that runs vipd.
    pub(crate) fn start(config: &str) -> Self {
        Self::prepared(config, |_| {})
    }

    /// The same; `prepare` is done to the host before vipd starts.
    pub(crate) fn prepared(config: &str, prepare: impl FnOnce(&Host)) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let host = Host::new("router");
        let port = lan.attach_with(&host, "eth0", &["10.0.0.1/24"]);
        prepare(&host);
        let vipd = Vipd::start(&host, config);
        Self { lan, capture, host, port, vipd }
    }

    /// Waits until it advertises and has this address.
    pub(crate) fn wait_master(&self, address: &str) -> (Duration, Vrrp) {
        self.wait_master_since(address, Duration::ZERO)
    }

    pub(crate) fn wait_master_since(&self, address: &str, from: Duration) -> (Duration, Vrrp) {
        let first = self.capture.wait_advert(&self.port, VRID, from, SECOND * 5);
        self.wait_address(address, true);
        first
    }

    pub(crate) fn wait_address(&self, address: &str, present: bool) {
        let what = format!("{address} is there: {present}");
        eventually(&what, SECOND * 2, || (self.host.has("eth0", address) == present).then_some(()));
    }

    /// Asserts that it was master all the time since `from`: no resignation and no advert left out.
    pub(crate) fn was_master_since(&self, from: Duration) {
        let adverts = self.capture.adverts(&self.port, VRID, from);
        assert!(adverts.len() > 1, "it advertises");
        assert!(adverts.iter().all(|(_, vrrp)| vrrp.priority > 0), "it never resigned");
        let moments: Vec<_> = adverts.iter().map(|(at, _)| *at).chain([now()]).collect();
        let worst = moments.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max();
        let stall = Noise::observer().worst(from, now());
        let room = INTERVAL * 5 / 2 + stall;
        assert!(worst < Some(room), "its longest silence was {worst:?} (the machine's: {stall:?})");
    }

    /// Waits for an announcement of this address from `from` on; returns its moment.
    pub(crate) fn wait_announcement(&self, address: &str, from: Duration, limit: Duration) -> Duration {
        let address: IpAddr = address.parse().unwrap();
        let what = format!("an announcement of {address}");
        self.capture.wait(&what, from, limit, |frame| {
            (frame.port == self.port.index() && announced(frame) == Some(address)).then_some(frame.at)
        })
    }
}

/// The address that a frame announces.
pub(crate) fn announced(frame: &Frame) -> Option<IpAddr> {
    match frame.claim()? {
        Claim::Advert(_) => None,
        Claim::Arp(address) => Some(address.into()),
        Claim::Neighbour(address) => Some(address.into()),
    }
}
