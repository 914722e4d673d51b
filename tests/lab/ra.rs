//! `router_advert`: a Linux host that takes its address and its route from what the master says, and keeps both whoever
//! the master is.

use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{
    Capture, Client, Frame, Host, Noise, Port, Process, Segment, Vipd, Workspace, eventually, now, program,
};
use crate::lone::{Lone, SECOND, VRID, config};

/// Behind both routers.
const AWAY: &str = "2001:db8:99::1";

fn with_advert(priority: u8) -> String {
    config(priority, &["fe80::1/64", "2001:db8:1::1/64"])
        + "\toption router_advert '1'\n\tlist ra_prefix '2001:db8:1::/64 valid 7200 preferred 3600'\n\
           \toption ra_mtu '1400'\n\toption ra_preference 'high'\n"
}

/// What a router says of itself: the Router Lifetime of an advertisement.
fn lifetime(frame: &Frame) -> Option<u16> {
    let is_advert = frame.bytes.len() > 61
        && frame.bytes[12..14] == [0x86, 0xdd]
        && frame.bytes[20] == 58
        && frame.bytes[54] == 134;
    is_advert.then(|| u16::from_be_bytes([frame.bytes[60], frame.bytes[61]]))
}

fn is_question(frame: &Frame) -> bool {
    frame.bytes.len() > 54
        && frame.bytes[12..14] == [0x86, 0xdd]
        && frame.bytes[20] == 58
        && frame.bytes[54] == 133
}

fn router(lan: &Segment, name: &str, own: &str) -> (Host, Port) {
    let host = Host::new(name);
    host.sysctl("ipv6/conf/all/forwarding", "1");
    host.ip(&format!("address add {AWAY}/128 dev lo"));
    let port = lan.attach_with(&host, "eth0", &[own]);
    (host, port)
}

/// A host that is told nothing.
fn user(lan: &Segment) -> (Host, Port) {
    let host = Host::new("user");
    for when in ["all", "default"] {
        host.sysctl(&format!("ipv6/conf/{when}/accept_ra"), "1");
        host.sysctl(&format!("ipv6/conf/{when}/autoconf"), "1");
    }
    let port = lan.attach(&host, "eth0");
    (host, port)
}

fn default_route(host: &Host) -> String {
    host.ip("-6 route show default")
}

fn wait_configured(host: &Host) {
    eventually("the host has an address and a route", SECOND * 8, || {
        let has_address = host.addresses("eth0").iter().any(|entry| entry.starts_with("2001:db8:1:0:"));
        (has_address && default_route(host).contains("via fe80::1 ")).then_some(())
    });
}

/// Two routers, and a host that has heard of them.
struct House {
    lan: Segment,
    capture: Capture,
    ports: [Port; 2],
    daemons: [Vipd; 2],
    user: Host,
    monitor: Process,
    // Behind the process that writes there.
    _workspace: Workspace,
}

impl House {
    fn new() -> Self {
        Self::of(with_advert)
    }

    /// What the router of this priority is told.
    fn of(text: fn(u8) -> String) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let (first, first_port) = router(&lan, "first", "2001:db8:1::2/64");
        let (second, second_port) = router(&lan, "second", "2001:db8:1::3/64");
        let daemons = [Vipd::start(&first, &text(200)), Vipd::start(&second, &text(100))];
        capture.wait_advert(&first_port, VRID, Duration::ZERO, SECOND * 5);
        let (user, _) = user(&lan);
        wait_configured(&user);
        let workspace = Workspace::new();
        let mut command = user.command("ip");
        command.args(["-6", "-o", "monitor", "route"]);
        let monitor = Process::start(command, workspace.path("routes"));
        thread::sleep(SECOND / 5);
        let ports = [first_port, second_port];
        Self { lan, capture, ports, daemons, user, monitor, _workspace: workspace }
    }

    fn ping(&self) -> Client {
        let client = Client::start(&self.user, AWAY.parse().unwrap(), SECOND / 50);
        eventually("pings are answered", SECOND * 2, || (client.answered() > 5).then_some(()));
        client
    }

    fn wait_second(&self, since: Duration) -> Duration {
        let (at, _) = self.capture.wait_advert(&self.ports[1], VRID, since, SECOND * 5);
        self.capture.wait("the second says that it is the router", since, SECOND, |frame| {
            (frame.port == self.ports[1].index()).then(|| lifetime(frame)).flatten()
        });
        at
    }

    /// The host has its default route, and had it all the time.
    fn kept_its_route(&mut self) {
        assert!(default_route(&self.user).contains("via fe80::1 "), "{}", default_route(&self.user));
        thread::sleep(SECOND / 5);
        let log = self.monitor.log();
        assert!(!log.contains("Deleted default"), "{log}");
        let adverts = self.capture.frames();
        assert!(adverts.iter().filter_map(lifetime).all(|secs| secs == 1800), "nobody takes the route away");
    }
}

/// RFC 4861 §6.2.6, RFC 4862: it asks when it is plugged in, and long before the next advertisement it has all.
#[test]
fn a_host_that_is_plugged_in_asks_and_has_its_address_and_route_at_once() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lan = Segment::new();
    let capture = lan.capture();
    let (router, port) = router(&lan, "router", "2001:db8:1::2/64");
    let vipd = Vipd::start(&router, &with_advert(200));
    let (first, _) = capture.wait_advert(&port, VRID, Duration::ZERO, SECOND * 5);
    thread::sleep(SECOND * 4);
    let plugged = now();
    let (user, _) = user(&lan);
    wait_configured(&user);
    assert!(now() < first + SECOND * 15, "the second one unasked comes after 16 s");
    let asked =
        capture.wait("the host's question", plugged, SECOND, |frame| is_question(frame).then_some(frame.at));
    let answered = capture.wait("the answer", asked, SECOND, |frame| lifetime(frame).map(|_| frame.at));
    let room = Noise::observer().worst(plugged, now());
    assert!(answered - asked < SECOND / 2 + room, "answered after {:?}", answered - asked);
    let route = default_route(&user);
    assert!(route.contains("proto ra") && route.contains("pref high"), "{route}");
    let mtu = user.command("cat").arg("/proc/sys/net/ipv6/conf/eth0/mtu").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&mtu.stdout).trim(), "1400");
    let address = user.ip("-6 -o address show dev eth0 scope global");
    assert!(address.contains("valid_lft 7") && address.contains("preferred_lft 3"), "{address}");
    let client = Client::start(&user, AWAY.parse().unwrap(), SECOND / 50);
    eventually("pings are answered", SECOND * 2, || (client.answered() > 20).then_some(()));
    client.stop();
    assert!(!vipd.log().contains("failed"), "{}", vipd.log());
}

/// The whole point. The dead one's cable is dark, as after a power cut.
#[test]
fn a_host_keeps_its_address_and_route_when_the_master_dies() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut house = House::new();
    let client = house.ping();
    let killed = house.daemons[0].process().kill();
    house.ports[0].unplug();
    let taken = house.wait_second(killed);
    thread::sleep(SECOND);
    let pings = client.stop();
    assert_eq!(pings.lost(taken + SECOND / 2, now() - SECOND / 5), 0, "the second one forwards");
    let (from, to) = pings.outage(killed).expect("some are lost in the dark");
    eprintln!("dead for {:?}, the takeover took {:?}", to - from, taken - killed);
    house.kept_its_route();
}

#[test]
fn a_host_loses_hardly_a_ping_when_mastership_is_given_away_by_hand() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut house = House::new();
    let client = house.ping();
    let released = now();
    assert_eq!(house.daemons[0].ask(&["release", "lan"]).status.code(), Some(0));
    house.wait_second(released);
    thread::sleep(SECOND);
    let pings = client.stop();
    let lost = pings.lost(released, now() - SECOND / 5);
    assert!(lost <= 1, "{lost} of 50 a second were lost");
    house.kept_its_route();
    thread::sleep(SECOND);
    house.kept_its_route();
}

/// RFC 4861 §6.2.5: the last one to go says so, and only the last one.
#[test]
fn the_route_outlives_a_master_that_stops_and_ends_with_the_last_router() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut house = House::new();
    let client = house.ping();
    let stopped = house.daemons[0].process().terminate();
    house.wait_second(stopped);
    let status = house.daemons[0].process().wait(SECOND * 2);
    eprintln!("it ended within {:?}", now() - stopped);
    assert_eq!(status.code(), Some(0));
    thread::sleep(SECOND);
    let pings = client.stop();
    // It goes on forwarding what is sent to it: the route is worth keeping.
    let lost = pings.lost(stopped, now() - SECOND / 5);
    assert!(lost <= 2, "{lost} of 50 a second were lost");
    house.kept_its_route();

    let last = house.daemons[1].process().terminate();
    assert_eq!(house.daemons[1].process().wait(SECOND * 2).code(), Some(0));
    let ended = now() - last;
    assert!(ended < SECOND, "two intervals of a tenth of a second, not {ended:?}");
    eventually("the host has no route", SECOND, || default_route(&house.user).is_empty().then_some(()));
    let frames = house.capture.between(last, now());
    let last_words: Vec<_> = frames.iter().filter_map(lifetime).collect();
    assert_eq!(last_words, [0, 0]);
    let has_address = house.user.addresses("eth0").iter().any(|entry| entry.starts_with("2001:db8:1:0:"));
    assert!(has_address, "its address is good for talking to its neighbours");

    house.daemons[1].restart();
    house.wait_second(now());
    eventually("the host has its route again", SECOND, || {
        default_route(&house.user).contains("via fe80::1 ").then_some(())
    });
}

/// The host is plugged in late, and a bystander's router is none.
#[test]
fn a_backup_neither_speaks_nor_answers_and_a_reload_switches_it_off_and_on() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut house = House::new();
    thread::sleep(SECOND * 3);
    let asked = now();
    let (other, _) = user(&house.lan);
    wait_configured(&other);
    let frames = house.capture.between(asked, now());
    let answers: Vec<_> =
        frames.iter().filter(|frame| lifetime(frame).is_some()).map(|frame| frame.port).collect();
    assert!(!answers.is_empty() && answers.iter().all(|port| *port == house.ports[0].index()), "{answers:?}");

    let without = with_advert(200).replace("router_advert '1'", "router_advert '0'");
    house.daemons[0].rewrite(&without);
    assert_eq!(house.daemons[0].ask(&["reload"]).status.code(), Some(0));
    eventually("the hosts have no route", SECOND, || default_route(&other).is_empty().then_some(()));
    let quiet = now();
    other.ip("link set eth0 down");
    other.ip("link set eth0 up");
    house.capture.wait("the host's question", quiet, SECOND * 4, |frame| is_question(frame).then_some(()));
    thread::sleep(SECOND);
    assert_eq!(house.capture.between(quiet, now()).iter().filter_map(lifetime).count(), 0);

    house.daemons[0].rewrite(&with_advert(200));
    assert_eq!(house.daemons[0].ask(&["reload"]).status.code(), Some(0));
    wait_configured(&other);
    house.monitor.kill();
}

/// What tshark is asked, and what it is to say.
const JUDGED: [(&str, &str); 19] = [
    ("_ws.malformed", ""),
    ("_ws.expert.message", ""),
    ("ipv6.src", "fe80::1"),
    ("ipv6.dst", "ff02::1"),
    ("ipv6.hlim", "255"),
    ("eth.dst", "33:33:00:00:00:01"),
    ("icmpv6.checksum.status", "1"),
    ("icmpv6.nd.ra.router_lifetime", "1800"),
    ("icmpv6.nd.ra.flag.m", "0"),
    ("icmpv6.nd.ra.flag.o", "1"),
    ("icmpv6.nd.ra.flag.prf", "1"),
    ("icmpv6.opt.mtu", "1400"),
    ("icmpv6.opt.prefix", "2001:db8:1::,fd00:1::"),
    ("icmpv6.opt.prefix.length", "64,48"),
    ("icmpv6.opt.prefix.flag.a", "1,0"),
    ("icmpv6.opt.prefix.valid_lifetime", "7200,2592000"),
    ("icmpv6.opt.prefix.preferred_lifetime", "3600,604800"),
    ("icmpv6.opt.rdnss", "fe80::1,2001:db8:1::53"),
    ("icmpv6.opt.rdnss.lifetime", "1800"),
];

#[test]
fn ad06_wireshark_reads_every_option() {
    let missing = program("tshark").is_none().then(|| "tshark is not installed".to_owned());
    let Some(_bench) = Bench::take(Load::Light, &[missing]) else { return };
    let more = "\tlist ra_flags 'other-config'\n\tlist ra_prefix 'fd00:1::/48 no_autonomous'\n\
        \tlist dns 'fe80::1'\n\tlist dns '2001:db8:1::53'\n";
    let lone = Lone::start(&(with_advert(200) + more));
    lone.wait_master("fe80::1");
    lone.capture.wait("an advertisement", Duration::ZERO, SECOND, lifetime);
    let workspace = Workspace::new();
    let file = workspace.path("sent.pcap");
    lone.capture.save(&file, Some(&lone.port));
    let mut command = Command::new(program("tshark").unwrap());
    let home = workspace.path("");
    command.env("HOME", &home).env("XDG_CONFIG_HOME", &home);
    command.args(["-n", "-r"]).arg(&file).args(["-Y", "icmpv6.type == 134"]);
    command.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    command.args(["-e", "eth.src", "-e", "icmpv6.opt.linkaddr"]);
    for (field, _) in JUDGED {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().expect("an advertisement was saved");
    let mut values = line.split('|');
    let mac = lone.port.mac().map(|byte| format!("{byte:02x}")).join(":");
    assert_eq!([values.next(), values.next()], [Some(mac.as_str()); 2]);
    for ((field, expected), value) in JUDGED.into_iter().zip(values) {
        let is_true = value.replace("True", "1").replace("False", "0");
        assert_eq!(is_true, expected, "{field}");
    }
}

/// The link-layer address in an advertisement's option of that name.
#[cfg(feature = "vmac")]
fn told_mac(frame: &Frame) -> Option<&[u8]> {
    let mut options = frame.bytes.get(70..)?;
    while let [kind, eights, ..] = *options {
        let (option, rest) = options.split_at_checked(usize::from(eights) * 8)?;
        if kind == 1 {
            return option.get(2..8);
        }
        options = rest;
    }
    None
}

/// RFC 9568 §8.2.3: hosts are told of the virtual MAC alone, so their neighbour cache and their route outlive the master.
#[cfg(feature = "vmac")]
#[test]
fn ad06_with_a_virtual_mac_a_host_is_told_of_no_other_one_and_keeps_its_route_over_a_failover() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mac = [0, 0, 0x5e, 0, 2, VRID];
    let mut house = House::of(|priority| with_advert(priority) + "\toption use_vmac '1'\n");
    let from_virtual_mac = |frame: &Frame| frame.bytes[6..12] == mac && told_mac(frame) == Some(&mac[..]);
    let neighbour = |house: &House| house.user.ip("-6 neighbour show fe80::1 dev eth0");
    thread::sleep(SECOND * 3);
    let plugged = now();
    let (other, other_port) = user(&house.lan);
    let asked = house.capture.wait("a question", plugged, SECOND * 4, |frame| {
        (is_question(frame) && frame.port == other_port.index()).then_some(frame.at)
    });
    let answered =
        house.capture.wait("the answer", asked, SECOND * 4, |frame| lifetime(frame).map(|_| frame.at));
    let room = Noise::observer().worst(asked, answered);
    assert!(answered - asked < SECOND / 2 + room, "answered after {:?}", answered - asked);
    wait_configured(&other);

    let client = house.ping();
    assert!(neighbour(&house).contains("00:00:5e:00:02:07 router"), "{}", neighbour(&house));
    let killed = house.daemons[0].process().kill();
    house.ports[0].unplug();
    let taken = house.wait_second(killed);
    thread::sleep(SECOND);
    let pings = client.stop();
    assert_eq!(pings.lost(taken + SECOND / 2, now() - SECOND / 5), 0, "the second one forwards");
    assert!(neighbour(&house).contains("00:00:5e:00:02:07 router"), "{}", neighbour(&house));
    house.kept_its_route();
    let told: Vec<_> = house.capture.frames().into_iter().filter(|frame| lifetime(frame).is_some()).collect();
    for (port, from) in [(&house.ports[0], Duration::ZERO), (&house.ports[1], taken)] {
        let its = told.iter().filter(|frame| frame.port == port.index() && frame.at >= from);
        assert!(its.clone().count() > 0);
        its.for_each(|frame| assert!(from_virtual_mac(frame), "{:02x?}", frame.bytes));
    }
}
