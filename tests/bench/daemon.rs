//! The daemons, and a router that runs one of them.

use std::time::Duration;

use crate::harness::{
    Frr, FrrFamily, Host, Keepalived, Port, Process, Segment, Vipd, children_of, eventually,
};
use crate::intent::{Intent, own};

/// Whose daemon.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Vipd,
    Keepalived,
    Frr,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Vipd, Kind::Keepalived, Kind::Frr];

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Vipd => "vipd",
            Self::Keepalived => "keepalived",
            Self::Frr => "FRR",
        }
    }

    /// Whether this daemon can do what is intended, and is there.
    pub(crate) fn is_able(self, intent: &Intent) -> bool {
        match self {
            Self::Vipd | Self::Keepalived => true,
            // Every virtual router of it wants a device of its own: one is what the laboratory makes, and it has its address
            // on both machines all the time. It has BFD for its other daemons only, and no priority ahead of other programs.
            Self::Frr => {
                let is_plain = !intent.realtime && !intent.bfd && !intent.is_asked;
                intent.routers == 1 && intent.addresses == 1 && is_plain && Frr::missing().is_none()
            }
        }
    }
}

/// A machine with `eth0` on the segment, and a daemon.
pub(crate) struct Router {
    pub(crate) host: Host,
    pub(crate) port: Port,
    pub(crate) daemon: Daemon,
}

pub(crate) enum Daemon {
    Vipd(Vipd),
    Keepalived(Keepalived),
    Frr(Frr),
}

impl Router {
    /// The router 10.0.0.`number` of the segment.
    pub(crate) fn start(lan: &Segment, kind: Kind, intent: &Intent, number: u8) -> Self {
        let host = Host::new(&format!("r{number}"));
        let port = lan.attach_with(&host, "eth0", &[&format!("{}/16", own(number))]);
        let daemon = match kind {
            Kind::Vipd => Daemon::Vipd(Vipd::start(&host, &intent.uci(number))),
            Kind::Keepalived => Daemon::Keepalived(Keepalived::start(&host, &intent.keepalived(number))),
            Kind::Frr => {
                let address = Intent::address(1, 1).to_string();
                let family = FrrFamily {
                    device: "eth0",
                    vrid: 1,
                    priority: intent.priority,
                    interval_ms: intent.interval.as_millis() as u32,
                    addresses: &[&address],
                };
                Daemon::Frr(Frr::start(&host, &family))
            }
        };
        Self { host, port, daemon }
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        match &mut self.daemon {
            Daemon::Vipd(vipd) => vipd.process(),
            Daemon::Keepalived(keepalived) => keepalived.process(),
            Daemon::Frr(frr) => frr.process(),
        }
    }

    /// The numbers of all its processes.
    pub(crate) fn ids(&mut self) -> Vec<u32> {
        let first = match &self.daemon {
            Daemon::Frr(frr) => frr.ids().to_vec(),
            Daemon::Vipd(_) | Daemon::Keepalived(_) => vec![self.process().id()],
        };
        let children: Vec<_> = first.iter().flat_map(|id| children_of(*id)).collect();
        first.into_iter().chain(children).collect()
    }

    /// Makes the host as it was before a daemon that has been killed.
    pub(crate) fn clean(&self) {
        if !matches!(self.daemon, Daemon::Frr(_)) {
            self.host.try_ip("address flush dev eth0 to 10.1.0.0/16");
        }
    }

    /// Starts the daemon again after its end.
    pub(crate) fn restart(&mut self) {
        match &mut self.daemon {
            Daemon::Vipd(vipd) => vipd.restart(),
            Daemon::Keepalived(keepalived) => keepalived.restart(),
            Daemon::Frr(frr) => frr.restart(),
        }
    }

    /// Waits until all addresses are there.
    pub(crate) fn wait_addresses(&self, intent: &Intent, limit: Duration) {
        if matches!(self.daemon, Daemon::Frr(_)) {
            return;
        }
        let wanted = usize::from(intent.routers) * usize::from(intent.addresses);
        eventually("all addresses are there", limit, || {
            (self.host.addresses("eth0").len() > wanted).then_some(())
        });
    }
}
