//! Virtual MACs on real kernels: what a host, a switch and the other routers see of them, and what becomes of the
//! devices they live on.

use std::net::IpAddr;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{
    Capture, Client, Frame, Frr, FrrFamily, Host, Keepalived, Port, Process, Segment, Vipd, eventually, now,
};
use crate::lone::{INTERVAL, Lone, SECOND, SETTLED, VRID, config};

const V4: &str = "10.0.0.100";
const V6: &str = "fe80::100";
const GLOBAL: &str = "2001:db8::100";
const ADDRESSES: [&str; 3] = ["10.0.0.100/24", "fe80::100/64", "2001:db8::100/64"];
const MAC_V4: [u8; 6] = [0, 0, 0x5e, 0, 1, VRID];
const MAC_V6: [u8; 6] = [0, 0, 0x5e, 0, 2, VRID];
const DEVICE_V4: &str = "vrrp.7";
const DEVICE_V6: &str = "vrrp6.7";

fn with_vmac(priority: u8, addresses: &[&str]) -> String {
    config(priority, addresses) + "\toption use_vmac '1'\n"
}

fn exists(host: &Host, device: &str) -> bool {
    host.try_ip(&format!("link show dev {device}"))
}

fn is_up(host: &Host, device: &str) -> bool {
    exists(host, device) && host.ip(&format!("-o link show dev {device}")).contains(",UP")
}

fn has(host: &Host, device: &str, address: &str) -> bool {
    exists(host, device) && host.has(device, address)
}

fn index(host: &Host, device: &str) -> String {
    host.ip(&format!("-o link show dev {device}")).split(':').next().unwrap().to_owned()
}

fn setting(host: &Host, name: &str) -> String {
    let output = host.command("cat").arg(format!("/proc/sys/net/{name}")).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn wait_claimed(host: &Host, claimed: bool) {
    eventually(&format!("{} has claimed: {claimed}", host.name()), SECOND * 5, || {
        let there = has(host, DEVICE_V4, V4) && is_up(host, DEVICE_V4);
        (there == claimed).then_some(())
    });
}

fn source(frame: &Frame) -> &[u8] {
    &frame.bytes[6..12]
}

/// Who a frame says has an address: the address, and the Ethernet address.
fn spoken_for(frame: &Frame) -> Option<(IpAddr, [u8; 6])> {
    let bytes = &frame.bytes;
    let mac = |at: usize| -> Option<[u8; 6]> { bytes.get(at..at + 6)?.try_into().ok() };
    match bytes.get(12..14)? {
        [0x08, 0x06] => {
            let sender: [u8; 4] = bytes.get(28..32)?.try_into().ok()?;
            Some((IpAddr::from(sender), mac(22)?))
        }
        // A neighbour advertisement with its option.
        [0x86, 0xdd] if bytes.get(20) == Some(&58) && bytes.get(54) == Some(&136) => {
            let target: [u8; 16] = bytes.get(62..78)?.try_into().ok()?;
            Some((IpAddr::from(target), mac(80)?))
        }
        _ => None,
    }
}

/// AD04, AD16: no host is ever told of another Ethernet address.
fn only_virtual_macs_were_told(capture: &Capture) {
    let (v4, v6): (IpAddr, [IpAddr; 2]) =
        (V4.parse().unwrap(), [V6.parse().unwrap(), GLOBAL.parse().unwrap()]);
    let mut told = 0;
    for frame in capture.frames() {
        match spoken_for(&frame) {
            Some((address, mac)) if address == v4 => assert_eq!(mac, MAC_V4, "{:02x?}", frame.bytes),
            Some((address, mac)) if v6.contains(&address) => assert_eq!(mac, MAC_V6, "{:02x?}", frame.bytes),
            Some(_) | None => continue,
        }
        told += 1;
    }
    assert!(told > 0, "somebody was told");
}

/// A client that will never learn anything.
fn frozen_client(lan: &Segment) -> (Host, Port) {
    let host = Host::new("client");
    let port = lan.attach_with(&host, "eth0", &["10.0.0.9/24"]);
    host.ip("address add 2001:db8::9/64 dev eth0 nodad");
    host.ip("address add fe80::9/64 dev eth0 nodad");
    for (address, kind) in [(V4, 1), (GLOBAL, 2)] {
        host.ip(&format!(
            "neighbour replace {address} lladdr 00:00:5e:00:0{kind}:{VRID:02x} nud permanent dev eth0"
        ));
    }
    (host, port)
}

fn prepare(lan: &Segment, name: &str, number: u8) -> (Host, Port) {
    let host = Host::new(name);
    let port = lan.attach_with(&host, "eth0", &[&format!("10.0.0.{number}/24")]);
    host.ip(&format!("address add 2001:db8::{number}/64 dev eth0 nodad"));
    (host, port)
}

/// The port through which the answers to pings enter the switch, from a moment on.
fn wait_answers(capture: &Capture, port: &Port, from: Duration) {
    for (at, len, v4) in [(26, 4, true), (22, 16, false)] {
        let wanted: IpAddr = if v4 { V4 } else { GLOBAL }.parse().unwrap();
        let octets = match wanted {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let kind = if v4 { (23, 1, 34, 0) } else { (20, 58, 54, 129) };
        capture.wait(&format!("an answer from {wanted}"), from, SECOND * 3, |frame| {
            let bytes = &frame.bytes;
            let is_answer = bytes.get(kind.0) == Some(&kind.1) && bytes.get(kind.2) == Some(&kind.3);
            let is_its = bytes.get(at..at + len) == Some(&octets[..]);
            (frame.port == port.index() && is_answer && is_its).then_some(())
        });
    }
}

/// RFC 9568 §7.3, §8.1.2: a host need not notice that the master is another one. It is the switch that learns, from the
/// adverts' Ethernet source (§7.2).
#[test]
fn ad14_a_client_whose_neighbour_entries_never_change_is_served_over_a_failover() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let (client, _client_port) = frozen_client(&lan);
    let (first, first_port) = prepare(&lan, "first", 1);
    let (second, second_port) = prepare(&lan, "second", 2);
    let mut master = Vipd::start(&first, &with_vmac(200, &ADDRESSES));
    wait_claimed(&first, true);
    let _backup = Vipd::start(&second, &with_vmac(100, &ADDRESSES));
    eventually("the backup is quiet", SECOND * 5, || exists(&second, DEVICE_V4).then_some(()));
    let pings =
        [V4, GLOBAL].map(|vip| Client::start(&client, vip.parse().unwrap(), Duration::from_millis(5)));
    eventually("both are answered", SECOND * 3, || {
        pings.iter().all(|ping| ping.answered() > 20).then_some(())
    });
    wait_answers(&capture, &first_port, now());

    first_port.unplug();
    let pulled = now();
    wait_claimed(&second, true);
    wait_answers(&capture, &second_port, pulled);
    wait_claimed(&first, false);
    std::thread::sleep(SECOND);
    first_port.plug();
    wait_claimed(&first, true);
    let back = now();
    wait_answers(&capture, &first_port, back);
    std::thread::sleep(SECOND);
    // Asked to go, it resigns: only the skew is without a master, some 60 ms.
    let asked = master.process().terminate();
    wait_claimed(&second, true);
    std::thread::sleep(SECOND);
    wait_answers(&capture, &second_port, now());
    for ping in pings {
        let ping = ping.stop();
        let outage = ping.outage(pulled).map(|(lost, answered)| answered - lost);
        assert!(outage.is_some_and(|outage| outage < SETTLED + SECOND / 4), "an outage of {outage:?}");
        assert!(ping.lost(asked, now()) < 40, "{} lost", ping.lost(asked, now()));
        assert_eq!(ping.lost(asked + SECOND / 2, now() - SECOND / 10), 0);
    }
    only_virtual_macs_were_told(&capture);
    for (port, frames) in [(&first_port, 20), (&second_port, 4)] {
        let adverts: Vec<_> = capture.frames().into_iter().filter(|it| it.port == port.index()).collect();
        let adverts: Vec<_> = adverts.iter().filter(|it| it.vrrp().is_some()).collect();
        assert!(adverts.len() > frames);
        let mut last_words = 0;
        for frame in adverts {
            // What a master says last that has found a better one is not to lead the switch back to it.
            if source(frame) == port.mac() {
                last_words += 1;
                continue;
            }
            let expected = if frame.bytes[12] == 8 { MAC_V4 } else { MAC_V6 };
            assert_eq!(source(frame), expected, "TX08");
        }
        assert!(last_words <= 2, "{last_words} adverts from the interface's own MAC");
    }
}

/// RFC 9568 §6.4.2: no report, no solicitation and no answer of a backup carries the virtual MAC, and nothing that is
/// sent to it is taken. keepalived's issue 882: switches learn the backup's port.
#[test]
fn ad01_ad02_ad03_a_backup_is_quiet_under_the_virtual_mac() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let (first, _first_port) = prepare(&lan, "first", 1);
    let (second, second_port) = prepare(&lan, "second", 2);
    let _master = Vipd::start(&first, &with_vmac(200, &ADDRESSES));
    wait_claimed(&first, true);
    let began = now();
    let backup = Vipd::start(&second, &with_vmac(100, &ADDRESSES));
    eventually("it has its devices", SECOND * 5, || {
        (exists(&second, DEVICE_V4) && exists(&second, DEVICE_V6)).then_some(())
    });
    std::thread::sleep(SECOND * 3);
    assert_eq!(backup.status()["instances"][0]["state"], "backup");
    for device in [DEVICE_V4, DEVICE_V6] {
        assert!(!is_up(&second, device), "{device} is switched off");
        assert!(second.addresses(device).is_empty());
    }
    let frames = capture.between(began, now());
    let mut own = frames.iter().filter(|frame| frame.port == second_port.index());
    assert!(own.all(|frame| source(frame) != MAC_V4 && source(frame) != MAC_V6));
}

/// AD04, AD22: what the devices are, and what the router's own address is answered with.
#[test]
fn ad04_ad22_the_routers_own_address_keeps_its_own_mac_and_settings_are_given_back() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&with_vmac(200, &ADDRESSES));
    wait_claimed(&lone.host, true);
    let client = Host::new("client");
    let _port = lone.lan.attach_with(&client, "eth0", &["10.0.0.9/24"]);
    for target in ["10.0.0.1", V4, "10.0.0.1"] {
        let ping = client.command("ping").args(["-c", "1", "-W", "2", target]).output().unwrap();
        assert!(ping.status.success(), "{target} answers");
    }
    let known = client.ip("neighbour show dev eth0");
    let of = |address: &str| known.lines().find(|line| line.starts_with(&format!("{address} "))).unwrap();
    assert!(of(V4).contains("00:00:5e:00:01:07"), "{known}");
    assert!(!of("10.0.0.1").contains("00:00:5e"), "{known}");
    for device in [DEVICE_V4, DEVICE_V6] {
        let shown = lone.host.ip(&format!("-d link show dev {device}"));
        assert!(shown.contains("macvlan mode bridge") && shown.contains("@eth0"), "AD24: {shown}");
        assert_eq!(setting(&lone.host, &format!("ipv6/conf/{device}/addr_gen_mode")), "1");
        assert_eq!(setting(&lone.host, &format!("ipv4/conf/{device}/rp_filter")), "2");
    }
    assert!(lone.host.addresses(DEVICE_V6).iter().all(|it| it == "fe80::100/64" || it == "2001:db8::100/64"));
    let arp = |host: &Host| {
        ["arp_ignore", "arp_announce"].map(|name| setting(host, &format!("ipv4/conf/eth0/{name}")))
    };
    assert_eq!(arp(&lone.host), ["1", "2"]);
    only_virtual_macs_were_told(&lone.capture);
    lone.vipd.process().terminate();
    assert_eq!(lone.vipd.process().wait(SECOND * 2).code(), Some(0));
    assert!(!exists(&lone.host, DEVICE_V4) && !exists(&lone.host, DEVICE_V6), "AD23");
    assert_eq!(arp(&lone.host), ["0", "0"]);
}

/// RFC 9568 §8.1.2: nor does a restart tell anybody of the device's own Ethernet address.
#[test]
fn ad16_what_a_killed_daemon_leaves_is_taken_over_or_switched_off_by_the_next_one() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&with_vmac(150, &ADDRESSES));
    wait_claimed(&lone.host, true);
    let before = index(&lone.host, DEVICE_V4);
    lone.vipd.process().kill();
    assert!(is_up(&lone.host, DEVICE_V4) && has(&lone.host, DEVICE_V4, V4), "it is left behind");
    lone.vipd.restart();
    let restarted = now();
    lone.capture.wait_advert(&lone.port, VRID, restarted, SECOND * 5);
    wait_claimed(&lone.host, true);
    assert_eq!(index(&lone.host, DEVICE_V4), before, "the same device");

    lone.vipd.process().kill();
    let (other, other_port) = prepare(&lone.lan, "other", 2);
    let _master = Vipd::start(&other, &with_vmac(200, &ADDRESSES));
    lone.capture.wait_advert(&other_port, VRID, now(), SECOND * 5);
    lone.vipd.restart();
    wait_claimed(&lone.host, false);
    eventually("it is backup", SECOND * 5, || {
        let status = lone.vipd.try_status()?;
        (status["instances"][0]["master_priority"] == 200).then_some(())
    });
    assert_eq!(index(&lone.host, DEVICE_V4), before);
    assert!(!is_up(&lone.host, DEVICE_V4) && lone.host.addresses(DEVICE_V4).is_empty());
    only_virtual_macs_were_told(&lone.capture);
}

/// RFC 9568 §6.4.3. The way back to the client is by the device below, which a strict `rp_filter` would take amiss.
#[test]
fn ad05_ad07_a_master_forwards_what_is_sent_to_the_virtual_mac_and_answers_solicitations_with_it() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone =
        Lone::prepared(&with_vmac(200, &["10.0.0.100/32", "fe80::100/64", "2001:db8::100/128"]), |host| {
            host.ip("address add 2001:db8::1/64 dev eth0 nodad");
            host.sysctl("ipv4/ip_forward", "1");
            host.sysctl("ipv6/conf/all/forwarding", "1");
            host.sysctl("ipv4/conf/all/rp_filter", "1");
        });
    wait_claimed(&lone.host, true);
    let far = Segment::new();
    let (client, server) = (Host::new("client"), Host::new("server"));
    let _port = lone.lan.attach_with(&client, "eth0", &["10.0.0.9/24"]);
    client.ip("address add 2001:db8::9/64 dev eth0 nodad");
    client.ip("route add default via 10.0.0.100");
    let _inner = far.attach_with(&lone.host, "eth1", &["10.8.0.1/24"]);
    let _outer = far.attach_with(&server, "eth0", &["10.8.0.2/24"]);
    server.ip("route add default via 10.8.0.1");
    for target in ["10.8.0.2", V4, GLOBAL] {
        let ping = client.command("ping").args(["-c", "2", "-W", "2", target]).output().unwrap();
        assert!(ping.status.success(), "{target}: {}", String::from_utf8_lossy(&ping.stdout));
    }
    let known = client.ip("neighbour show dev eth0");
    let of = |address: &str| known.lines().find(|line| line.starts_with(&format!("{address} "))).unwrap();
    assert!(of(V4).contains("00:00:5e:00:01:07"), "{known}");
    assert!(of(GLOBAL).contains("00:00:5e:00:02:07 router"), "the Router flag: {known}");
    only_virtual_macs_were_told(&lone.capture);
}

#[test]
fn a_device_that_is_deleted_or_switched_off_is_put_back_and_mastership_kept() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&with_vmac(200, &ADDRESSES));
    wait_claimed(&lone.host, true);
    let since = now();
    for blow in [
        "link delete dev vrrp.7",
        "link set dev vrrp.7 down",
        "link delete dev vrrp.7",
        "link set dev vrrp6.7 down",
        "link delete dev vrrp6.7",
    ] {
        std::thread::sleep(SECOND * 11 / 10);
        let at = now();
        lone.host.ip(blow);
        wait_claimed(&lone.host, true);
        let address = if blow.contains("vrrp6") { V6 } else { V4 };
        lone.wait_announcement(address, at, SECOND * 3 / 2);
        eventually(blow, SECOND * 2, || has(&lone.host, DEVICE_V6, GLOBAL).then_some(()));
    }
    lone.was_master_since(since);
    only_virtual_macs_were_told(&lone.capture);
}

#[test]
fn a_reload_turns_it_on_and_off_and_mastership_is_kept() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&config(200, &ADDRESSES));
    lone.wait_master(V4);
    let since = now();
    for on in [true, false, true] {
        let text = if on { with_vmac(200, &ADDRESSES) } else { config(200, &ADDRESSES) };
        lone.vipd.rewrite(&text);
        let reloaded = now();
        assert!(lone.vipd.ask(&["reload"]).status.success());
        eventually("the addresses have moved", SECOND * 3, || {
            let there = ["eth0", DEVICE_V4].map(|device| has(&lone.host, device, V4));
            (there == [!on, on] && exists(&lone.host, DEVICE_V4) == on).then_some(())
        });
        lone.wait_announcement(V4, reloaded, SECOND * 2);
        std::thread::sleep(SECOND);
        let own = if on { MAC_V4 } else { lone.port.mac() };
        let frames = lone.capture.between(now() - INTERVAL * 4, now());
        let adverts = frames.iter().filter(|frame| frame.vrrp().is_some() && frame.bytes[12] == 8);
        let macs: Vec<_> = adverts.map(source).collect();
        assert!(macs.len() >= 2 && macs.iter().all(|mac| **mac == own), "{macs:02x?}");
    }
    lone.was_master_since(since);
}

/// Only the device below is looked at. What it loses, the other one does not keep.
#[test]
fn the_device_below_is_pulled_renamed_and_deleted() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&with_vmac(200, &ADDRESSES));
    wait_claimed(&lone.host, true);
    lone.port.unplug();
    wait_claimed(&lone.host, false);
    lone.port.plug();
    wait_claimed(&lone.host, true);

    lone.host.ip("link set eth0 down");
    wait_claimed(&lone.host, false);
    lone.host.ip("link set eth0 name lan0");
    eventually("its devices are gone", SECOND * 3, || {
        (!exists(&lone.host, DEVICE_V4) && !exists(&lone.host, DEVICE_V6)).then_some(())
    });
    lone.host.ip("link set lan0 name eth0");
    lone.host.ip("link set eth0 up");
    wait_claimed(&lone.host, true);

    lone.host.ip("link delete eth0");
    eventually("it waits", SECOND * 3, || {
        let status = lone.vipd.try_status()?;
        (status["instances"][0]["state"] == "initialize").then_some(())
    });
    let port = lone.lan.attach_with(&lone.host, "eth0", &["10.0.0.1/24"]);
    wait_claimed(&lone.host, true);
    lone.capture.wait_advert(&port, VRID, now(), SECOND * 2);
    only_virtual_macs_were_told(&lone.capture);
}

#[test]
fn another_device_of_its_name_is_left_alone_and_said() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::prepared(&with_vmac(200, &["10.0.0.100/24"]), |host| host.add_idle_device(DEVICE_V4));
    eventually("it says so", SECOND * 5, || {
        let status = lone.vipd.try_status()?;
        let why = status["instances"][0].to_string();
        why.contains("belongs to another device").then_some(())
    });
    lone.host.ip("link delete vrrp.7");
    wait_claimed(&lone.host, true);
}

/// What is for the router would go to every port of a bridge that does not know the address: every download of a
/// house to its wireless.
#[test]
fn on_a_bridge_the_virtual_mac_is_known_while_it_is_master() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let router = Host::new("router");
    let port = lan.attach(&router, "lan1");
    for words in [
        "link add br-lan type bridge mcast_snooping 0 stp_state 0",
        "link set lan1 master br-lan",
        "link add lan2 type veth peer name spy",
        "link set lan2 master br-lan",
        "link set lan2 up",
        "link set spy up",
        "link set br-lan up",
        "address add 10.0.0.1/24 dev br-lan",
    ] {
        router.ip(words);
    }
    let text = with_vmac(150, &["10.0.0.100/24"]).replace("'eth0'", "'br-lan'");
    let mut vipd = Vipd::start(&router, &text);
    wait_claimed(&router, true);
    let (client, _port) = frozen_client(&lan);
    let spied = || {
        let shown = router.ip("-s -o link show dev spy");
        let words =
            shown.split("RX:").nth(1).unwrap().split_whitespace().skip_while(|it| it.parse::<u64>().is_err());
        words.map(|it| it.parse::<u64>().unwrap_or(0)).nth(1).unwrap()
    };
    let pings = Client::start(&client, V4.parse().unwrap(), Duration::from_millis(5));
    eventually("it answers", SECOND * 3, || (pings.answered() > 10).then_some(()));
    let (before, answered) = (spied(), pings.answered());
    eventually("two hundred more", SECOND * 5, || (pings.answered() > answered + 200).then_some(()));
    assert!(spied() < before + 60, "{} frames of others were flooded", spied() - before);
    drop(pings.stop());

    let (other, other_port) = prepare(&lan, "other", 2);
    let _master = Vipd::start(&other, &with_vmac(200, &["10.0.0.100/24"]));
    capture.wait_advert(&other_port, VRID, now(), SECOND * 5);
    wait_claimed(&router, false);
    let forgotten = router.command("bridge").args(["fdb", "show", "br", "br-lan"]).output().unwrap();
    let forgotten = String::from_utf8(forgotten.stdout).unwrap();
    let own: Vec<_> = forgotten.lines().filter(|line| line.contains("00:00:5e:00:01:07")).collect();
    assert!(own.iter().all(|line| !line.contains("permanent")), "{own:?}");
    let pings = Client::start(&client, V4.parse().unwrap(), Duration::from_millis(5));
    eventually("the other one answers", SECOND * 3, || (pings.answered() > 10).then_some(()));
    drop(pings.stop());
    vipd.process().terminate();
    assert_eq!(vipd.process().wait(SECOND * 2).code(), Some(0));
    drop(port);
}

/// The other router, whose master has the same virtual MAC.
enum Peer {
    Keepalived(Keepalived),
    Frr(Frr),
}

impl Peer {
    fn process(&mut self) -> &mut Process {
        match self {
            Self::Keepalived(it) => it.process(),
            Self::Frr(it) => it.process(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Keepalived(it) => it.restart(),
            Self::Frr(it) => it.restart(),
        }
    }
}

const PEER_PRIORITY: u8 = 150;

fn keepalived(host: &Host, addresses: &[&str]) -> Peer {
    let list = addresses.join("\n  ");
    Peer::Keepalived(Keepalived::start(
        host,
        &format!(
            "vrrp_instance VI_1 {{\n interface eth0\n version 3\n virtual_router_id {VRID}\n \
             priority {PEER_PRIORITY}\n advert_int 0.1\n use_vmac\n virtual_ipaddress {{\n  {list}\n }}\n}}\n"
        ),
    ))
}

fn frr(host: &Host, addresses: &[&str]) -> Peer {
    let bare: Vec<_> = addresses.iter().map(|it| it.split('/').next().unwrap()).collect();
    let family =
        FrrFamily { device: "eth0", vrid: VRID, priority: PEER_PRIORITY, interval_ms: 100, addresses: &bare };
    Peer::Frr(Frr::start(host, &family))
}

/// The peer is master; it dies, and its host with it; it returns; and vipd goes. A frozen client is served all the
/// while, but for the waits of the protocol.
fn trial(start: fn(&Host, &[&str]) -> Peer, addresses: &[&str], vip: &str) {
    let lan = Segment::new();
    let capture = lan.capture();
    let (client, _client_port) = frozen_client(&lan);
    let (peer_host, peer_port) = prepare(&lan, "peer", 2);
    let (ours, our_port) = prepare(&lan, "vipd", 1);
    let mut peer = start(&peer_host, addresses);
    capture.wait_advert(&peer_port, VRID, Duration::ZERO, SECOND * 15);
    let mut vipd = Vipd::start(&ours, &with_vmac(100, addresses));
    eventually("it hears the peer", SECOND * 5, || {
        let status = vipd.try_status()?;
        (status["instances"][0]["master_priority"] == PEER_PRIORITY).then_some(())
    });
    let ping = Client::start(&client, vip.parse().unwrap(), Duration::from_millis(10));
    eventually("the peer answers", SECOND * 5, || (ping.answered() > 20).then_some(()));

    let answers_again = |since: u64| {
        eventually("somebody answers", SECOND * 10, || (ping.answered() > since + 50).then_some(()));
    };
    peer_port.unplug();
    let (taken, _) = capture.wait_advert(&our_port, VRID, now(), SECOND * 5);
    answers_again(ping.answered());
    peer.process().kill();
    // Its kernel is to keep nothing: FRR's device has the addresses all the time, and answers for them.
    peer_host.ip("link set eth0 down");
    peer_port.plug();
    peer_host.ip("link set eth0 up");
    std::thread::sleep(SECOND / 2);
    peer.restart();
    let (back, _) = capture.wait_advert(&peer_port, VRID, now(), SECOND * 15);
    eventually("vipd yields", SECOND * 5, || {
        let status = vipd.try_status()?;
        (status["instances"][0]["state"] == "backup").then_some(())
    });
    let device = if vip.contains(':') { DEVICE_V6 } else { DEVICE_V4 };
    assert!(!is_up(&ours, device), "quiet while backup");
    std::thread::sleep(SECOND);
    let late = capture.between(back + SECOND / 2, now());
    assert!(!late.iter().any(|frame| frame.port == our_port.index() && frame.vrrp().is_some()));
    answers_again(ping.answered());
    // AD24: as master it hears whoever has the same Ethernet address.
    let refused = &vipd.status()["instances"][0]["dropped"];
    assert!(refused.as_object().unwrap().values().all(|count| count == 0), "{refused}");
    assert!(taken < back);
    vipd.process().terminate();
    drop(ping.stop());
}

#[test]
fn ad24_keepalived_with_use_vmac_and_vipd_take_over_from_each_other_over_ipv4() {
    let Some(_bench) = Bench::take(Load::Whole, &[Keepalived::missing()]) else { return };
    trial(keepalived, &["10.0.0.100/24"], V4);
}

#[test]
fn ad24_keepalived_with_use_vmac_and_vipd_take_over_from_each_other_over_ipv6() {
    let Some(_bench) = Bench::take(Load::Whole, &[Keepalived::missing()]) else { return };
    trial(keepalived, &["fe80::100/64", "2001:db8::100/64"], GLOBAL);
}

#[test]
fn ad24_frr_and_vipd_take_over_from_each_other_over_ipv4() {
    let Some(_bench) = Bench::take(Load::Whole, &[Frr::missing()]) else { return };
    trial(frr, &["10.0.0.100/24"], V4);
}

#[test]
fn ad24_frr_and_vipd_take_over_from_each_other_over_ipv6() {
    let Some(_bench) = Bench::take(Load::Whole, &[Frr::missing()]) else { return };
    trial(frr, &["fe80::100/64", "2001:db8::100/64"], GLOBAL);
}
