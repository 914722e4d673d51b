//! What a router is to do, in the words of every daemon.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

/// Virtual routers 1 to `routers` of version 3 on `eth0`, all alike.
#[derive(Clone, Copy)]
pub(crate) struct Intent {
    pub(crate) routers: u8,
    /// Addresses of each.
    pub(crate) addresses: u8,
    pub(crate) interval: Duration,
    pub(crate) priority: u8,
    /// Whether a new master announces its addresses a second time, five seconds later.
    pub(crate) again: bool,
    /// Ahead of all other programs.
    pub(crate) realtime: bool,
    /// A session of BFD with the other router, 10 ms × 5 (the default of both daemons), and adverts to it alone.
    pub(crate) bfd: bool,
    /// Whether somebody asks the address all the time, which is to be on one machine only.
    pub(crate) is_asked: bool,
}

impl Intent {
    /// One virtual router with one address.
    pub(crate) const fn one(interval: Duration) -> Self {
        Self {
            routers: 1,
            addresses: 1,
            interval,
            priority: 100,
            again: true,
            realtime: false,
            bfd: false,
            is_asked: false,
        }
    }

    /// The protocol's own wait for a silent master: three intervals and the skew (RFC 9568 section 6.1).
    pub(crate) fn wait(&self) -> Duration {
        self.interval * 3 + self.skew()
    }

    /// The wait after a master has said that it goes.
    pub(crate) fn skew(&self) -> Duration {
        self.interval * (256 - u32::from(self.priority)) / 256
    }

    /// Waits longer than any of the daemons takes to start, and then two adverts.
    pub(crate) fn settle(&self) {
        thread::sleep(Duration::from_millis(750) + self.interval * 2);
    }

    pub(crate) fn address(vrid: u8, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 1, vrid, number)
    }

    /// Every address of it.
    pub(crate) fn all(&self) -> Vec<Ipv4Addr> {
        let of = |vrid| (1..=self.addresses).map(move |number| Self::address(vrid, number));
        (1..=self.routers).flat_map(of).collect()
    }

    /// For vipd, on this router of a pair.
    pub(crate) fn uci(&self, number: u8) -> String {
        let Self { routers, addresses, interval, priority, again, realtime, bfd, .. } = *self;
        let seconds = interval.as_secs_f64();
        let mut text = String::new();
        if realtime {
            text.push_str("config globals\n\toption realtime '1'\n");
        }
        for vrid in 1..=routers {
            let _ = write!(
                text,
                "config vrrp_instance 'v{vrid}'\n\toption interface 'eth0'\n\toption version '3'\n\
                 \toption virtual_router_id '{vrid}'\n\toption priority '{priority}'\n\
                 \toption advert_int '{seconds}'\n"
            );
            if !again {
                text.push_str("\toption garp_master_delay '0'\n");
            }
            if bfd {
                let _ = writeln!(text, "\toption bfd '1'\n\tlist unicast_peer '{}'", other(number));
            }
            for number in 1..=addresses {
                let _ = writeln!(text, "\tlist virtual_ipaddress '{}/32'", Self::address(vrid, number));
            }
        }
        text
    }

    /// For keepalived, on this router of a pair.
    pub(crate) fn keepalived(&self, number: u8) -> String {
        let Self { routers, addresses, interval, priority, again, realtime, bfd, .. } = *self;
        let seconds = interval.as_secs_f64();
        let mut text = String::new();
        if realtime {
            text.push_str(
                "global_defs {\n vrrp_rt_priority 50\n vrrp_no_swap\n bfd_rt_priority 50\n bfd_no_swap\n}\n",
            );
        }
        if bfd {
            let (own, other) = (own(number), other(number));
            let _ = writeln!(
                text,
                "bfd_instance other {{\n neighbor_ip {other}\n source_ip {own}\n min_tx 10\n min_rx 10\n \
                 multiplier 5\n}}"
            );
        }
        for vrid in 1..=routers {
            let _ = write!(
                text,
                "vrrp_instance v{vrid} {{\n interface eth0\n version 3\n virtual_router_id {vrid}\n \
                 priority {priority}\n advert_int {seconds}\n"
            );
            if !again {
                text.push_str(" garp_master_delay 0\n");
            }
            if bfd {
                let other = other(number);
                // Its word for it: a priority that is higher while the session is down.
                let _ = writeln!(
                    text,
                    " unicast_peer {{\n  {other}\n }}\n track_bfd {{\n  other weight 20 reverse\n }}"
                );
            }
            text.push_str(" virtual_ipaddress {\n");
            for number in 1..=addresses {
                let _ = writeln!(text, "  {}/32", Self::address(vrid, number));
            }
            text.push_str(" }\n}\n");
        }
        text
    }
}

/// The address of a router of the pair.
pub(crate) fn own(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

fn other(number: u8) -> Ipv4Addr {
    own(3 - number)
}
