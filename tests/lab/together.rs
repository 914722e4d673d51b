//! What moves together: the two families of an instance, and the instances of a sync group.

use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Capture, Host, Port, Segment, Vipd, eventually, now, program};
use crate::lone::{SECOND, SETTLED, VRID, config};

const BOTH: [&str; 2] = ["10.0.0.100/24", "fe80::100/64"];

struct Pair {
    capture: Capture,
    lan: Segment,
    hosts: [Host; 2],
    ports: [Port; 2],
    daemons: [Vipd; 2],
}

impl Pair {
    /// Two dual-stack routers, the first of them master.
    fn start() -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("first"), Host::new("second")];
        let ports = [
            lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]),
            lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]),
        ];
        let daemons =
            [Vipd::start(&hosts[0], &config(200, &BOTH)), Vipd::start(&hosts[1], &config(100, &BOTH))];
        let pair = Self { capture, lan, hosts, ports, daemons };
        pair.wait_holder(0);
        pair
    }

    /// Waits until this one has both addresses and the other one has none.
    fn wait_holder(&self, index: usize) {
        eventually("both addresses are in one place", SECOND * 3, || {
            let has = |host: &Host, vip: &str| host.has("eth0", vip);
            let holder = BOTH.iter().all(|vip| has(&self.hosts[index], vip));
            let other = BOTH.iter().any(|vip| has(&self.hosts[1 - index], vip));
            (holder && !other).then_some(())
        });
    }

    /// Moments of the first IPv4 and the first IPv6 advert with a priority above zero.
    fn first_adverts(&self, index: usize, from: Duration) -> [Duration; 2] {
        [true, false].map(|v4| {
            self.capture.wait("an advert of each family", from, SECOND * 3, |frame| {
                let vrrp = frame.vrrp()?;
                let wanted = frame.port == self.ports[index].index()
                    && vrrp.source.is_ipv4() == v4
                    && vrrp.priority > 0;
                wanted.then_some(frame.at)
            })
        })
    }
}

#[test]
fn both_families_move_together() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut pair = Pair::start();
    let stopped = pair.daemons[0].process().terminate();
    let [v4, v6] = pair.first_adverts(1, stopped);
    let apart = v4.max(v6) - v4.min(v6);
    assert!(apart < SECOND / 20, "the families take over {apart:?} apart");
    pair.daemons[0].process().wait(SECOND * 2);
    pair.wait_holder(1);
    pair.daemons[0].restart();
    pair.wait_holder(0);
}

/// RFC 9568 §6.4.2, §6.4.3: who is backup says nothing for the addresses, who is master answers, and is a member
/// of the solicited-node group of each IPv6 one.
#[test]
fn ad01_ad02_ad11_ad12_st05_only_the_master_answers_for_the_addresses() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let pair = Pair::start();
    let client = Host::new("client");
    pair.lan.attach_with(&client, "eth0", &["10.0.0.9/24"]);
    let neighbour = |vip: &str, wanted: [u8; 6]| {
        let wanted = wanted.map(|byte| format!("{byte:02x}")).join(":");
        eventually("the master's reply", SECOND * 3, || {
            let device = if vip.contains(':') { "-I eth0 " } else { "" };
            let words = format!("-c 1 -W 1 {device}{vip}");
            let answered = client.command("ping").args(words.split(' ')).output().ok()?.status.success();
            let cache = client.ip("neigh show dev eth0");
            let line = cache.lines().find(|line| line.starts_with(&format!("{vip} ")))?;
            (answered && line.contains(&wanted)).then_some(())
        });
    };
    for vip in ["10.0.0.100", "fe80::100"] {
        neighbour(vip, pair.ports[0].mac());
    }
    let groups = |host: &Host| host.ip("maddr show dev eth0");
    assert!(groups(&pair.hosts[0]).contains("ff02::1:ff00:100"), "{}", groups(&pair.hosts[0]));
    assert!(!groups(&pair.hosts[1]).contains("ff02::1:ff00:100"), "{}", groups(&pair.hosts[1]));
    // Not one ARP reply or neighbour advertisement has come from the backup.
    let replies = |index: usize| {
        let from = pair.capture.frames().into_iter().filter(|frame| frame.port == pair.ports[index].index());
        from.filter(|frame| {
            let is_arp_reply = frame.bytes[12..14] == [8, 6] && frame.bytes[20..22] == [0, 2];
            let speaks_for = frame.bytes[28..32] == [10, 0, 0, 100];
            is_arp_reply && speaks_for
                || frame.neighbour_advertisement() == Some("fe80::100".parse().unwrap())
        })
        .count()
    };
    assert!(replies(0) > 0);
    assert_eq!(replies(1), 0, "a backup has spoken for the addresses");
    pair.ports[0].unplug();
    client.ip("neigh flush dev eth0");
    pair.first_adverts(1, now());
    for vip in ["10.0.0.100", "fe80::100"] {
        neighbour(vip, pair.ports[1].mac());
    }
}

/// A second master in one family alone would send replies where the other family's requests did not go.
#[test]
fn losing_one_family_of_the_master_moves_neither() {
    let missing = [program("nft").is_none().then(|| "nftables is not installed".to_owned())];
    let Some(_bench) = Bench::take(Load::Light, &missing) else { return };
    let pair = Pair::start();
    let from = now();
    let deaf = &pair.hosts[1];
    for words in [
        "add table inet deaf",
        "add chain inet deaf input { type filter hook input priority 0 ; }",
        "add rule inet deaf input ip6 nexthdr 112 drop",
    ] {
        let status = deaf.command("nft").arg(words).status().unwrap();
        assert!(status.success(), "nft {words}");
    }
    thread::sleep(SETTLED * 4);
    let adverts = pair.capture.adverts(&pair.ports[1], VRID, from);
    assert!(adverts.is_empty(), "while IPv4 hears the master it is alive: {adverts:?}");
    pair.wait_holder(0);
}

#[test]
fn a_family_that_cannot_take_part_takes_the_other_along() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let pair = Pair::start();
    pair.hosts[0].sysctl("ipv6/conf/eth0/disable_ipv6", "1");
    pair.wait_holder(1);
    pair.hosts[0].sysctl("ipv6/conf/eth0/disable_ipv6", "0");
    pair.wait_holder(0);
}

fn group_config(priority: u8) -> String {
    let instance = |device: &str, vrid: u8, vip: &str| {
        format!(
            "config vrrp_instance '{device}'\n\toption interface '{device}'\n\toption version '3'\n\
             \toption virtual_router_id '{vrid}'\n\toption priority '{priority}'\n\
             \toption advert_int '0.1'\n\tlist virtual_ipaddress '{vip}'\n"
        )
    };
    instance("lan", 7, "10.0.0.100/24")
        + &instance("wan", 8, "10.9.0.100/24")
        + "config vrrp_sync_group 'edge'\n\tlist group 'lan'\n\tlist group 'wan'\n"
}

#[test]
fn a_sync_group_moves_as_one() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let (lan, wan) = (Segment::new(), Segment::new());
    let hosts = [Host::new("first"), Host::new("second")];
    let wan_ports = [0, 1].map(|index: usize| {
        lan.attach_with(&hosts[index], "lan", &[&format!("10.0.0.{}/24", index + 1)]);
        wan.attach_with(&hosts[index], "wan", &[&format!("10.9.0.{}/24", index + 1)])
    });
    let _daemons = [Vipd::start(&hosts[0], &group_config(200)), Vipd::start(&hosts[1], &group_config(100))];
    let holder = |index: usize| {
        eventually("the group is in one place", SECOND * 3, || {
            let all = |host: &Host| [host.has("lan", "10.0.0.100"), host.has("wan", "10.9.0.100")];
            let here = all(&hosts[index]) == [true; 2];
            let there = all(&hosts[1 - index]) == [false; 2];
            (here && there).then_some(())
        });
    };
    holder(0);
    wan_ports[0].unplug();
    holder(1);
    wan_ports[0].plug();
    holder(0);
}

/// keepalived's words: weight 0 is a fault, another weight costs priority.
#[test]
fn a_tracked_link_moves_the_address() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lan = Segment::new();
    let hosts = [Host::new("first"), Host::new("second")];
    lan.attach_with(&hosts[0], "eth0", &["10.0.0.1/24"]);
    lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"]);
    hosts[0].add_idle_device("wan");
    let tracked = config(200, &["10.0.0.100/24"]) + "\tlist track_interface 'wan'\n";
    let _daemons =
        [Vipd::start(&hosts[0], &tracked), Vipd::start(&hosts[1], &config(100, &["10.0.0.100/24"]))];
    let holder = |index: usize| {
        eventually("the address is in one place", SECOND * 3, || {
            let here = hosts[index].has("eth0", "10.0.0.100");
            let there = hosts[1 - index].has("eth0", "10.0.0.100");
            (here && !there).then_some(())
        });
    };
    holder(0);
    hosts[0].ip("link set wan-end down");
    holder(1);
    hosts[0].ip("link set wan-end up");
    holder(0);
}
