//! What a good file means.

use core::fmt::Write as _;
use core::net::{IpAddr, Ipv4Addr};

use vipd::config::problem::Severity;
use vipd::config::schema::Alias;
use vipd::config::{
    Announcements, Config, Family, GroupId, Instance, InterfaceId, Method, ProbeId, Span, Text, Track,
    Tracked, VirtualRoute, VirtualRule,
};
use vipd::limits;
use vipd::probe::Start;
use vipd::time::{self, Interval};
use vipd::wire::route::{Network, Route};
use vipd::wire::vrrp::{ChecksumForm, Version, Vrid};

use super::{accept, read};

/// An instance that needs nothing but what a test is about.
fn instance(options: &str) -> String {
    format!(
        "config vrrp_instance 'x'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
         \tlist virtual_ipaddress '192.0.2.1'\n{options}\n"
    )
}

/// The addresses of a run, as `address/length@device`, then scope and label where there are any.
fn addresses(config: &Config, span: Span) -> Vec<String> {
    let mut shown = Vec::new();
    for address in span.of(&config.addresses) {
        let device = config.interface_name(address.interface);
        let mut line = format!("{}/{}@{device}", address.address, address.prefix_len);
        if address.scope != 0 {
            write!(line, " scope {}", address.scope).unwrap();
        }
        if !address.label.is_empty() {
            write!(line, " label {}", config.text(address.label)).unwrap();
        }
        if address.is_excluded {
            line.push_str(" excluded");
        }
        shown.push(line);
    }
    shown
}

fn only(config: &Config) -> &Instance {
    assert_eq!(config.instances.len(), 1);
    &config.instances[0]
}

fn sentences(text: &str) -> Vec<String> {
    let (_, _, reported) = read(text, &[]);
    reported.iter().map(|one| format!("{}: {}", one.line, one.sentence)).collect()
}

/// The first example of the design: the least that works.
#[test]
fn the_least_that_works_is_ipv4_and_ipv6_by_multicast() {
    let config = accept(
        "config vrrp_instance 'lan'\n\
         \toption interface 'br-lan'\n\
         \toption virtual_router_id '10'\n\
         \tlist virtual_ipaddress '192.168.1.1/24'\n\
         \tlist virtual_ipaddress 'fe80::1/64'\n",
    );
    let lan = only(&config);
    assert_eq!(config.text(lan.name), "lan");
    assert_eq!(config.interface_name(lan.interface), "br-lan");
    assert_eq!(config.interfaces.len(), 1);
    assert_eq!(lan.vrid, Vrid::new(10).unwrap());
    assert_eq!((lan.version, lan.priority), (Version::V2, 100));
    assert_eq!(lan.interval, Interval::SECOND);
    assert!(lan.preempt && !lan.wants_master && !lan.ignores_link);
    assert_eq!(lan.preempt_delay, time::Span::ZERO);
    assert_eq!((lan.password, lan.group), (Text::EMPTY, None));
    assert_eq!(lan.checksum, ChecksumForm::PseudoHeader);
    assert_eq!((lan.source_v4, config.source_v6(lan)), (None, None));
    assert_eq!(lan.announcements, Announcements::default());
    assert_eq!(lan.lifetime_secs, 0);
    assert!(lan.promotes_secondaries);
    assert_eq!(addresses(&config, lan.v4.addresses), ["192.168.1.1/24@br-lan"]);
    assert_eq!(addresses(&config, lan.v6.addresses), ["fe80::1/64@br-lan"]);
    assert!(lan.v4.peers.is_empty() && lan.v6.peers.is_empty() && lan.tracks.is_empty());
    assert!(lan.notify.is_empty());
    let mut defaults = Box::new(Config::new());
    defaults.clear();
    assert_eq!(config.globals, defaults.globals);
}

#[test]
fn excluded_addresses_stand_behind_the_advertised_ones_of_the_half_that_exists() {
    let of = |lists: &str| {
        let config = accept(&format!(
            "config vrrp_instance 'x'\n\toption interface eth0\n\toption virtual_router_id 1\n{lists}"
        ));
        let one = *only(&config);
        (addresses(&config, one.v4.addresses), addresses(&config, one.v6.addresses))
    };
    let excluded = "\tlist virtual_ipaddress_excluded '192.0.2.3/24 fe80::3/64 dev eth1'\n\
                    \tlist virtual_ipaddress_excluded '192.0.2.2'\n";
    let none: Vec<String> = vec![];
    let (v4, v6) = of(&format!("{excluded}\tlist virtual_ipaddress '192.0.2.1/24'\n"));
    let expected = [
        "192.0.2.1/24@eth0",
        "192.0.2.3/24@eth0 excluded",
        "fe80::3/64@eth1 excluded",
        "192.0.2.2/32@eth0 excluded",
    ];
    assert_eq!((v4, v6), (expected.map(String::from).to_vec(), none.clone()));
    let (v4, v6) = of(&format!("\tlist virtual_ipaddress 'fe80::1/64'\n{excluded}"));
    let expected = [
        "fe80::1/64@eth0",
        "192.0.2.3/24@eth0 excluded",
        "fe80::3/64@eth1 excluded",
        "192.0.2.2/32@eth0 excluded",
    ];
    assert_eq!((v4, v6), (none, expected.map(String::from).to_vec()));
    let (v4, v6) = of(&format!("{excluded}\tlist virtual_ipaddress 'fe80::1/64 192.0.2.1/24'\n"));
    assert_eq!(v4, ["192.0.2.1/24@eth0", "192.0.2.3/24@eth0 excluded", "192.0.2.2/32@eth0 excluded"]);
    assert_eq!(v6, ["fe80::1/64@eth0", "fe80::3/64@eth1 excluded"]);
}

/// What moves with the instances, as iproute2 would show it.
fn routes(config: &Config) -> Vec<String> {
    let place = |network: Network| format!("{}/{}", network.address, network.prefix_len);
    let device = |id: Option<InterfaceId>| id.map_or("", |id| config.interface_name(id)).to_owned();
    let mut shown = Vec::new();
    for VirtualRoute { instance, interface, route } in &config.virtual_routes {
        let Route { kind, gateway, source, scope, table, metric, .. } = route;
        shown.push(format!(
            "{instance}: {kind:?} {} via {gateway:?} dev {} src {source:?} scope {scope} table {table} metric {metric}",
            place(route.destination),
            device(*interface),
        ));
    }
    for VirtualRule { instance, interface, rule } in &config.virtual_rules {
        shown.push(format!(
            "{instance}: from {:?} to {:?} iif {} fwmark {:#x} table {} priority {} v6 {}",
            rule.from.map(place),
            rule.to.map(place),
            device(*interface),
            rule.mark,
            rule.table,
            rule.priority,
            rule.is_v6,
        ));
    }
    shown
}

#[test]
fn routes_and_rules_are_named_or_in_words_of_their_own() {
    let config = accept(&format!(
        "config route 'branch'\n\toption address '198.51.100.0/24'\n\toption gateway '192.0.2.254'\n\
         \toption src_addr '192.0.2.1'\n\toption device 'eth1'\n\toption table '100'\n\toption metric '20'\n\
         config route\n\toption name 'pit'\n\toption address '203.0.113.0/24'\n\toption prohibit 'on'\n\
         config rule 'guests'\n\toption address '10.7.0.0/16'\n\toption to '203.0.113.0/24'\n\
         \toption device 'eth2'\n\toption table '7'\n\toption priority '50'\n\toption fwmark '0x10'\n\
         config vrrp_instance 'off'\n\toption enabled '0'\n{}{}",
        instance("").trim_end(),
        "\n\tlist virtual_routes 'branch pit'\n\tlist virtual_routes 'default via 192.0.2.254 10.0.0.0/8 dev eth1'\n\
         \tlist virtual_routes 'blackhole fd00::/8 table main'\n\
         \toption virtual_rules 'guests from default fwmark 7 lookup local'\n\
         \tlist virtual_rules 'to 2001:db8::/32 table 9'\n",
    ));
    let expected = [
        "0: Unicast 198.51.100.0/24 via Some(192.0.2.254) dev eth1 src Some(192.0.2.1) scope 0 table 100 metric 20",
        "0: Prohibit 203.0.113.0/24 via None dev  src None scope 0 table 254 metric 0",
        "0: Unicast 0.0.0.0/0 via Some(192.0.2.254) dev  src None scope 0 table 254 metric 0",
        "0: Unicast 10.0.0.0/8 via None dev eth1 src None scope 253 table 254 metric 0",
        "0: Blackhole fd00::/8 via None dev  src None scope 0 table 254 metric 0",
        "0: from Some(\"10.7.0.0/16\") to Some(\"203.0.113.0/24\") iif eth2 fwmark 0x10 table 7 priority 50 v6 false",
        "0: from Some(\"0.0.0.0/0\") to None iif  fwmark 0x7 table 255 priority 32765 v6 false",
        "0: from None to Some(\"2001:db8::/32\") iif  fwmark 0x0 table 9 priority 32765 v6 true",
    ];
    assert_eq!(routes(&config), expected);
}

/// `default` alone is that of the family that the instance has.
#[test]
fn a_default_route_without_a_gateway_is_of_the_family_that_the_instance_advertises() {
    for (address, expected) in [("192.0.2.1", "0.0.0.0/0"), ("fe80::1/64", "::/0")] {
        let config = accept(&format!(
            "config vrrp_instance 'x'\n\toption interface eth0\n\toption virtual_router_id 1\n\
             \tlist virtual_ipaddress '{address}'\n\tlist virtual_routes 'default dev ppp0'\n"
        ));
        assert!(routes(&config)[0].contains(expected));
    }
}

/// An advertisement has room for 90 IPv6 addresses (TX25); what is not in it is not counted.
#[test]
fn excluded_addresses_are_not_counted_among_those_that_an_advert_has_room_for() {
    let mut text = instance("\tlist virtual_ipaddress 'fe80::1/64'\n");
    for last in 0..limits::IPV6_ADDRESSES_PER_ADVERT_MAX {
        writeln!(text, "\tlist virtual_ipaddress_excluded '2001:db8::{last:x}'").unwrap();
    }
    accept(&text);
}

/// The second example of the design: the backup of a classic keepalived pair.
#[test]
fn the_backup_of_a_classic_pair_is_unicast_with_a_password() {
    let config = accept(
        "config vrrp_instance 'VI_1'\n\
         \toption interface 'eth0'\n\
         \toption state 'BACKUP'\n\
         \toption virtual_router_id '51'\n\
         \toption priority '50'\n\
         \toption advert_int '1'\n\
         \toption auth_type 'PASS'\n\
         \toption auth_pass '1111'\n\
         \toption unicast_src_ip '192.168.0.2'\n\
         \tlist unicast_peer '192.168.0.1'\n\
         \tlist virtual_ipaddress '192.168.0.3'\n\
         \tlist track_interface 'wan'\n",
    );
    let one = only(&config);
    assert_eq!((one.priority, one.vrid), (50, Vrid::new(51).unwrap()));
    assert_eq!(config.bytes(one.password), b"1111");
    assert_eq!(one.source_v4, Some(Ipv4Addr::new(192, 168, 0, 2)));
    assert_eq!(addresses(&config, one.v4.addresses), ["192.168.0.3/32@eth0"]);
    let [peer] = one.v4.peers.of(&config.peers) else { panic!() };
    assert_eq!(peer.address, IpAddr::from([192, 168, 0, 1]));
    assert_eq!((peer.min_ttl, peer.max_ttl), (0, 255));
    let [track] = one.tracks.of(&config.tracks) else { panic!() };
    assert_eq!(tracked(&config, track), ("wan", 0, false));
}

/// A tracked thing's name, its weight, and whether it is reversed.
fn tracked<'a>(config: &'a Config, track: &Track) -> (&'a str, i16, bool) {
    let name = match track.what {
        Tracked::Link(interface) => config.interface_name(interface),
        Tracked::Probe(probe) => config.text(config.probes[usize::from(probe.0)].name),
        Tracked::Route(route) => config.text(config.default_routes[usize::from(route.0)].name),
        Tracked::Bfd(session) => config.text(config.bfd[usize::from(session.0)].name),
        Tracked::File(file) => config.text(config.files[usize::from(file.0)].name),
        Tracked::Server(_) | Tracked::Service(_) => panic!("nothing tracks a server"),
    };
    (name, track.weight, track.is_reversed)
}

/// Defaults are keepalived's: each second, at most as long, at once up and down. Only what is tracked is tried.
#[test]
fn a_script_is_tracked_by_name_and_counts_as_its_section_or_its_tracker_says() {
    let (config, usable, reported) = read(
        "config vrrp_script 'plain'\n\toption script '/bin/true'\n\
         config vrrp_script 'full'\n\toption name 'isp'\n\toption script '/usr/bin/ping -c 1  192.0.2.9'\n\
         \toption interval '60'\n\toption timeout '5'\n\toption rise '2'\n\toption fall '3'\n\
         \toption weight '-20'\n\toption direction 'reverse'\n\
         config vrrp_script 'luci'\n\toption script '/bin/true'\n\toption fail '4'\n\
         config vrrp_script 'idle'\n\toption script '/bin/true'\n\
         config track_script 'old'\n\toption name 'older'\n\toption value 'isp'\n\toption weight '7'\n\
         config vrrp_instance 'a'\n\toption interface eth0\n\toption virtual_router_id 1\n\
         \tlist virtual_ipaddress 192.0.2.1/24\n\toption track_script 'isp plain weight 5 luci reverse'\n\
         config vrrp_instance 'b'\n\toption interface eth0\n\toption virtual_router_id 2\n\
         \tlist virtual_ipaddress 192.0.2.2/24\n\tlist track_script 'isp weight 9 noreverse'\n\
         config vrrp_instance 'c'\n\toption interface eth0\n\toption virtual_router_id 3\n\
         \tlist virtual_ipaddress 192.0.2.3/24\n\tlist track_script 'older'\n\
         config vrrp_sync_group 'g'\n\tlist group 'a b'\n\tlist track_script 'plain'\n\
         \tlist track_interface 'eth5'\n",
        &[],
    );
    assert!(usable && reported.len() == 1, "nothing tracks idle: {reported:?}");
    let tracks = |span: Span| -> Vec<_> {
        span.of(&config.tracks).iter().map(|track| tracked(&config, track)).collect()
    };
    let [a, b, c] = &config.instances[..] else { panic!() };
    assert_eq!(tracks(a.tracks), [("isp", -20, true), ("plain", 5, false), ("luci", 0, true)]);
    assert_eq!(tracks(b.tracks), [("isp", 9, false)]);
    assert_eq!(tracks(c.tracks), [("isp", 7, false)]);
    assert_eq!(tracks(config.groups[0].tracks), [("eth5", 0, false), ("plain", 0, false)]);
    let probes: Vec<_> = config
        .probes
        .iter()
        .map(|it| (config.text(it.script), it.interval_secs, it.timeout_secs, it.rise, it.fall))
        .collect();
    let ping = "/usr/bin/ping -c 1  192.0.2.9";
    assert_eq!(probes, [(ping, 60, 5, 2, 3), ("/bin/true", 1, 1, 1, 1), ("/bin/true", 1, 1, 1, 4)]);
}

/// A file's number is multiplied by 1 where nothing else is said, as with keepalived.
#[test]
fn a_file_is_tracked_by_name() {
    let config = accept(
        "config track_file 'load'\n\toption file '/tmp/load'\n\
         config track_file 'x'\n\toption name 'battery'\n\toption file '/run/b'\n\toption weight '-2'\n\
         \toption direction 'reverse'\n\
         config vrrp_instance 'a'\n\toption interface eth0\n\toption virtual_router_id 1\n\
         \tlist virtual_ipaddress 192.0.2.1/24\n\toption track_file 'load battery weight 254'\n\
         config vrrp_instance 'b'\n\toption interface eth0\n\toption virtual_router_id 2\n\
         \tlist virtual_ipaddress 192.0.2.2/24\n\tlist track_file 'battery'\n",
    );
    let tracks: Vec<_> = config.tracks.iter().map(|track| tracked(&config, track)).collect();
    assert_eq!(tracks, [("load", 1, false), ("battery", 254, true), ("battery", -2, true)]);
    let paths: Vec<_> = config.files.iter().map(|file| config.text(file.path)).collect();
    assert_eq!(paths, ["/tmp/load", "/run/b"]);
}

/// Each section's own, once however many listen; a link that is tracked by its own name has no section.
#[cfg(feature = "track-hooks")]
#[test]
fn what_is_tracked_has_the_script_of_its_section() {
    let config = accept(
        "config globals\n\toption notify '/sbin/all'\n\
         config track_interface 'wan'\n\toption value 'eth1'\n\toption notify '/sbin/wan'\n\
         config track_interface 'same'\n\toption value 'eth1'\n\toption notify '/sbin/same'\n\
         config track_interface 'silent'\n\toption value 'eth2'\n\
         config track_interface 'uplink'\n\toption type 'route'\n\toption notify '/sbin/route'\n\
         config vrrp_script 'isp'\n\toption script '/bin/true'\n\toption notify '/sbin/isp'\n\
         config track_script 'old'\n\toption value 'isp'\n\
         config probe 'far'\n\toption type 'ping'\n\toption address '192.0.2.9'\n\toption notify '/sbin/far'\n\
         config track_file 'x'\n\toption name 'load'\n\toption file '/run/load'\n\toption notify '/sbin/load'\n\
         config vrrp_instance 'a'\n\toption interface eth0\n\toption virtual_router_id 1\n\
         \tlist virtual_ipaddress 192.0.2.1/24\n\toption track_interface 'wan silent uplink eth3'\n\
         \tlist track_script 'old'\n\tlist track_probe 'far'\n\
         config vrrp_instance 'b'\n\toption interface eth0\n\toption virtual_router_id 2\n\
         \tlist virtual_ipaddress 192.0.2.2/24\n\toption track_interface 'same'\n\
         \toption track_script 'isp'\n\tlist track_file 'load'\n",
    );
    let hooks: Vec<_> = config
        .track_hooks
        .iter()
        .map(|hook| (hook.kind(), config.text(hook.name), config.text(hook.notify)))
        .collect();
    assert_eq!(
        hooks,
        [
            ("INTERFACE", "wan", "/sbin/wan"),
            ("ROUTE", "uplink", "/sbin/route"),
            ("SCRIPT", "isp", "/sbin/isp"),
            ("PROBE", "far", "/sbin/far"),
            ("INTERFACE", "same", "/sbin/same"),
            ("FILE", "load", "/sbin/load"),
        ]
    );
    assert_eq!(config.track_hooks[0].what, config.track_hooks[4].what, "one link, and two who tell of it");
}

/// The delays are the device's, for all who look at it: the package's own section says so, and the options of an
/// instance and of a tracked link are other ways to say it.
#[test]
fn a_device_counts_as_up_or_down_after_its_delays() {
    let config = accept(
        "config track_interface 'wan'\n\toption value 'eth1'\n\toption up_delay '0.5'\n\
         config interface_up_down_delays\n\toption device 'eth3'\n\toption down_delay '7'\n\
         config interface_up_down_delays\n\toption device 'unused'\n\toption down_delay '7'\n\
         config vrrp_instance 'a'\n\toption interface eth0\n\toption virtual_router_id 1\n\
         \tlist virtual_ipaddress 192.0.2.1/24\n\toption track_interface 'wan eth2'\n\
         \toption up_delay '30'\n\toption down_delay '2'\n\
         config vrrp_instance 'b'\n\toption interface eth3\n\toption virtual_router_id 2\n\
         \tlist virtual_ipaddress 192.0.2.2/24\n\tlist track_interface 'eth0'\n",
    );
    let delays: Vec<_> = (0u8..)
        .zip(&config.delays)
        .take(config.interfaces.len())
        .map(|(id, it)| (config.interface_name(InterfaceId(id)), it.up_ms, it.down_ms))
        .collect();
    assert_eq!(delays, [("eth0", 30_000, 2000), ("eth1", 500, 0), ("eth2", 30_000, 2000), ("eth3", 0, 7000)]);
}

#[test]
fn a_file_begins_with_its_number() {
    for (text, number) in [
        ("3", 3),
        ("-7\n", -7),
        ("  12 of 20\n", 12),
        ("", 0),
        ("no", 0),
        ("1.5", 0),
        ("99999999999", 0),
        ("\u{0}", 0),
    ] {
        assert_eq!(vipd::config::number_in(text.as_bytes()), number, "{text:?}");
    }
}

#[test]
fn a_file_of_openwrts_keepalived_package_is_read_unchanged() {
    let (config, usable, reported) = read(include_str!("openwrt-keepalived.config"), &[]);
    assert!(usable, "{reported:?}");
    assert!(reported.iter().all(|one| one.severity == Severity::Warning));
    assert_eq!(config.text(config.globals.router_id), "lan-router");
    assert_eq!(config.globals.startup_delay, time::Span::from_secs(5));
    let [lan, guest] = &config.instances[..] else { panic!() };
    assert_eq!((config.text(lan.name), config.text(guest.name)), ("lan", "guest"));
    assert!(lan.preempt, "a flag that is 0 is off");
    assert!(!guest.preempt);
    assert!(lan.ignores_link);
    assert_eq!(lan.preempt_delay, time::Span::from_secs(300));
    assert_eq!(
        lan.announcements,
        Announcements { repeat: 2, delay_secs: 1, refresh_secs: 60, refresh_repeat: 3, interval_ms: 0 }
    );
    assert_eq!(addresses(&config, lan.v4.addresses), ["192.168.1.1/24@br-lan", "192.168.3.1/32@br-lan",]);
    assert_eq!(
        addresses(&config, guest.v4.addresses),
        ["192.168.2.1/24@br-guest scope 253 label br-guest:vip",]
    );
    let peers: Vec<_> = lan.v4.peers.of(&config.peers).iter().map(|peer| peer.min_ttl).collect();
    assert_eq!(peers, [250, 0]);
    assert!(guest.v4.peers.is_empty());
    assert_eq!(guest.source_v4, Some(Ipv4Addr::new(192, 168, 2, 2)));
    assert_eq!((lan.group, guest.group), (Some(GroupId(0)), Some(GroupId(0))));
    let [group] = &config.groups[..] else { panic!() };
    assert_eq!(config.text(group.name), "both");
    let [track, partner] = &config.tracks[..] else { panic!() };
    assert_eq!(tracked(&config, track), ("eth1", -20, false));
    assert_eq!(tracked(&config, partner), ("partner", 5, false));
    let [session] = &config.bfd[..] else { panic!() };
    assert_eq!(session.neighbor, IpAddr::from([192, 168, 1, 3]));
    assert_eq!(session.source, Some(IpAddr::from([192, 168, 1, 2])));
    assert_eq!((session.rules.min_tx_us, session.rules.min_rx_us), (100_000, 100_000));
    assert_eq!((session.hop_limit, session.least_hop_limit), (64, 254));
}

#[test]
fn an_address_lifetime_is_seconds() {
    let config = accept(
        "config vrrp_instance 'lan'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
         \toption address_lifetime '3600'\n\tlist virtual_ipaddress '192.0.2.1'\n",
    );
    assert_eq!(only(&config).lifetime_secs, 3600);
}

/// libuci's shape of the package's own default: nothing but `enabled 0`.
#[test]
fn a_file_that_configures_nothing_is_fine() {
    assert!(accept("").globals.enabled);
    assert!(!accept("config globals 'globals'\n\toption enabled '0'\n").globals.enabled);
}

#[test]
fn globals_are_read() {
    let config = accept(
        "config globals\n\toption router_id 'r1'\n\toption vrrp_version '3'\n\toption vrrp_startup_delay '0.5'\n\
         \toption vrrp_mcast_group4 '224.0.0.99'\n\toption vrrp_mcast_group6 'ff02::99'\n\
         \toption notify '/etc/hook'\n\nconfig vrrp_instance x\n\toption interface eth0\n\
         \toption virtual_router_id 1\n\toption advert_int 0.01\n\tlist virtual_ipaddress 192.0.2.1\n",
    );
    assert_eq!(config.text(config.globals.router_id), "r1");
    assert_eq!(config.text(config.globals.notify), "/etc/hook");
    assert_eq!(config.globals.startup_delay, time::Span::from_millis(500));
    assert_eq!(config.globals.multicast_v4, Ipv4Addr::new(224, 0, 0, 99));
    assert_eq!(config.globals.multicast_v6.to_string(), "ff02::99");
    assert_eq!(only(&config).version, Version::V3);
    assert_eq!(only(&config).interval.centis(), 1);
}

#[test]
fn every_spelling_of_a_flag_counts() {
    for on in ["1", "on", "true", "yes", "enabled"] {
        assert!(!only(&accept(&instance(&format!("option nopreempt {on}")))).preempt, "{on}");
    }
    for off in ["0", "off", "false", "no", "disabled"] {
        assert!(only(&accept(&instance(&format!("option nopreempt {off}")))).preempt, "{off}");
        let disabled = instance(&format!("option enabled {off}"));
        assert!(accept(&disabled).instances.is_empty(), "{off}");
    }
}

#[test]
fn every_option_of_an_instance_is_read() {
    let config = accept(&instance(
        "option name 'other'\noption version '3'\noption priority '200'\noption advert_int '0.25'\n\
             option preempt_delay '1.5'\noption state 'BACKUP'\noption checksum 'rfc9568'\n\
             option mcast_src_ip '192.0.2.9'\noption garp_master_delay '0'\noption garp_master_repeat '1'\n\
             option garp_master_refresh '65535'\noption garp_master_refresh_repeat '255'\n\
             option garp_interval '0.001'\noption dont_track_primary 'yes'\noption native_ipv6 '1'\n\
             option accept '1'\noption notify '/etc/hook.sh'",
    ));
    let one = only(&config);
    assert_eq!(config.text(one.name), "other");
    assert_eq!((one.version, one.priority, one.interval.centis()), (Version::V3, 200, 25));
    assert_eq!(one.preempt_delay, time::Span::from_millis(1500));
    assert_eq!(one.checksum, ChecksumForm::MessageOnly);
    assert_eq!(one.source_v4, Some(Ipv4Addr::new(192, 0, 2, 9)));
    assert_eq!(
        one.announcements,
        Announcements { repeat: 1, delay_secs: 0, refresh_secs: 65_535, refresh_repeat: 255, interval_ms: 1 }
    );
    assert!(one.ignores_link);
    assert_eq!(config.text(one.notify), "/etc/hook.sh");
}

/// The owner is the one that starts as master (DESIGN: `state MASTER`), so nothing is to be said.
#[test]
fn the_owner_may_say_master() {
    let config = accept(&instance("option priority 255\noption state MASTER"));
    assert!(only(&config).wants_master);
}

#[test]
fn an_instance_without_any_name_has_the_one_of_libuci() {
    let config = accept(
        "config globals\nconfig vrrp_instance\n\toption interface eth0\n\toption virtual_router_id 1\n\
         \toption virtual_ipaddress 192.0.2.1\n",
    );
    assert_eq!(config.text(only(&config).name), "cfg024863");
}

#[test]
fn one_option_with_blanks_is_a_list() {
    let config = accept(
        "config vrrp_instance x\n\toption interface ' eth0 '\n\toption virtual_router_id '1 '\n\
         \toption virtual_ipaddress 'fe80::1/64 192.0.2.1/24 dev eth1 label eth1:a 192.0.2.2/24 scope link \
         2001:db8::1'\n\
         \toption unicast_peer '192.0.2.8 192.0.2.9 fe80::9'\n\
         \toption unicast_src_ip 'fe80::7 192.0.2.7'\n\
         \toption track_interface 'eth1 weight -253 eth2 reverse eth3 reverse weight 5 eth4 reverse noreverse'\n",
    );
    let one = only(&config);
    assert_eq!(config.interface_name(one.interface), "eth0");
    assert_eq!(
        addresses(&config, one.v4.addresses),
        ["192.0.2.1/24@eth1 label eth1:a", "192.0.2.2/24@eth0 scope 253",]
    );
    assert_eq!(addresses(&config, one.v6.addresses), ["fe80::1/64@eth0", "2001:db8::1/128@eth0"]);
    assert_eq!(one.v4.peers, Span { start: 0, len: 2 });
    assert_eq!(one.v6.peers, Span { start: 2, len: 1 });
    assert_eq!(one.source_v4, Some(Ipv4Addr::new(192, 0, 2, 7)));
    assert_eq!(config.source_v6(one).unwrap().to_string(), "fe80::7");
    let tracks: Vec<_> = one.tracks.of(&config.tracks).iter().map(|track| tracked(&config, track)).collect();
    assert_eq!(tracks, [("eth1", -253, false), ("eth2", 0, true), ("eth3", 5, true), ("eth4", 0, false)]);
}

/// RFC 9568 §5.2.9, TX22: the addresses are listed in configured order, and the families never mix.
#[test]
fn tx22_addresses_keep_their_order_within_a_family() {
    let config = accept(
        "config vrrp_instance a\n\toption interface eth0\n\toption virtual_router_id 1\n\
         \tlist virtual_ipaddress fe80::1\n\tlist virtual_ipaddress 192.0.2.9\n\
         \tlist virtual_ipaddress fe80::3\n\tlist virtual_ipaddress 192.0.2.1\n\
         \tlist virtual_ipaddress fe80::2\n\tlist virtual_ipaddress 192.0.2.5\n\
         config vrrp_instance b\n\toption interface eth0\n\toption virtual_router_id 2\n\
         \tlist virtual_ipaddress fe80::9\n\tlist virtual_ipaddress 192.0.2.2\n",
    );
    let [a, b] = &config.instances[..] else { panic!() };
    assert_eq!(
        addresses(&config, a.v4.addresses),
        ["192.0.2.9/32@eth0", "192.0.2.1/32@eth0", "192.0.2.5/32@eth0",]
    );
    assert_eq!(
        addresses(&config, a.v6.addresses),
        ["fe80::1/128@eth0", "fe80::3/128@eth0", "fe80::2/128@eth0",]
    );
    assert_eq!(addresses(&config, b.v4.addresses), ["192.0.2.2/32@eth0"]);
    assert_eq!(addresses(&config, b.v6.addresses), ["fe80::9/128@eth0"]);
}

/// keepalived's words, and its defaults: port 80, any status from 200 to 299.
#[test]
fn a_probe_is_tracked_by_name_and_goes_where_its_section_says() {
    let config = accept(
        "config probe 'gateway'\n\toption type 'ping'\n\toption address 'fe80::9'\n\toption interface 'wan'\n\
         \toption interval '5'\n\toption timeout '2'\n\toption init_fail '1'\n\toption rise '2'\n\toption fall '3'\n\toption weight '-20'\n\
         config probe\n\toption name 'web'\n\toption type 'http'\n\toption address '127.0.0.1'\n\
         \toption path '/x?y'\n\toption virtualhost 'www.example.org'\n\toption text 'all is well'\n\
         config probe 'plain'\n\toption type 'http'\n\toption address '192.0.2.7'\n\toption status_code '301-302'\n\
         \toption port '8080'\n\
         config probe 'isp'\n\toption type 'script'\n\toption script '/bin/ping -c 1 192.0.2.9'\n\
         config probe 'who'\n\toption type 'arp'\n\toption address '192.0.2.8'\n\toption interface 'eth0'\n\
         config probe 'ssh'\n\toption type 'tcp'\n\toption address '2001:db8::1'\n\toption port '22'\n\
         config vrrp_instance 'a'\n\toption interface eth0\n\toption virtual_router_id 1\n\
         \tlist virtual_ipaddress 192.0.2.1/24\n\toption track_probe 'gateway web weight 5 reverse plain isp who ssh'\n\
         config vrrp_instance 'b'\n\toption interface eth0\n\toption virtual_router_id 2\n\
         \tlist virtual_ipaddress 192.0.2.2/24\n\
         config vrrp_sync_group 'g'\n\tlist group 'b'\n\tlist track_probe 'gateway weight 1'\n",
    );
    let tracks: Vec<_> = config.tracks.iter().map(|track| tracked(&config, track)).collect();
    assert_eq!(tracks[..3], [("gateway", -20, false), ("web", 5, true), ("plain", 0, false)]);
    assert_eq!(tracks[6], ("gateway", 1, false), "the same one");
    assert_eq!(config.probes.len(), 6);
    let probe = config.probes[0];
    assert_eq!((probe.interval_secs, probe.timeout_secs, probe.rise, probe.fall), (5, 2, 2, 3));
    assert_eq!((probe.start, config.probes[1].start), (Start::Down, Start::Unknown));
    assert_eq!((probe.retry_secs, probe.spread_secs), (0, 0));
    let target = |place: u16| config.target(ProbeId(place)).copied();
    let gateway = target(0).unwrap();
    assert_eq!((gateway.method, gateway.address), (Method::Ping, "fe80::9".parse().unwrap()));
    assert_eq!(gateway.interface.map(|id| config.interface_name(id)), Some("wan"));
    let web = target(1).unwrap();
    assert_eq!((web.method, web.port, web.interface), (Method::Http, 80, None));
    let [url] = web.urls.of(&config.urls) else { panic!() };
    assert_eq!(url.status, [200, 299]);
    assert_eq!(
        [url.path, url.host, url.text].map(|it| config.text(it)),
        ["/x?y", "www.example.org", "all is well"]
    );
    let plain = target(2).unwrap();
    let [url] = plain.urls.of(&config.urls) else { panic!() };
    assert_eq!((plain.port, url.status), (8080, [301, 302]));
    assert!([url.path, url.host, url.text, url.digest].iter().all(|text| text.is_empty()));
    assert_eq!(target(3), None);
    assert_eq!(config.text(config.probes[3].script), "/bin/ping -c 1 192.0.2.9");
    assert_eq!(target(4).map(|it| (it.method, it.port)), Some((Method::Arp, 0)));
    assert_eq!(target(5).map(|it| (it.method, it.port)), Some((Method::Tcp, 22)));
    assert_eq!(target(6), None);
}

/// keepalived's checkers, as far as they need no script.
#[cfg(feature = "ipvs")]
#[test]
fn a_probe_asks_by_udp_by_dns_by_smtp_or_for_a_page_of_a_digest() {
    let config = accept(
        "config probe 'bare'\n\toption type 'udp'\n\toption address '192.0.2.1'\n\toption port '514'\n\
         config probe 'udp'\n\toption type 'udp'\n\toption address '192.0.2.1'\n\toption port '123'\n\
         \toption payload '1b 00ff'\n\toption require_reply '1'\n\
         config probe 'root'\n\toption type 'dns'\n\toption address '192.0.2.53'\n\
         config probe 'dns'\n\toption type 'dns'\n\toption address '2001:db8::53'\n\toption port '5353'\n\
         \toption dns_type 'AAAA'\n\toption dns_name 'www.example.org'\n\
         config probe 'mail'\n\toption type 'smtp'\n\toption address '192.0.2.25'\n\
         config probe 'page'\n\toption type 'http'\n\toption address '192.0.2.80'\n\
         \toption digest 'f96b697d7cb7938d525a2f31aaf161D0'\n\
         config probe 'same'\n\toption type 'http'\n\toption address '192.0.2.81'\n\
         \toption digest 'f96b697d7cb7938d525a2f31aaf161d0'\n\
         config vrrp_instance 'a'\n\toption interface eth0\n\toption virtual_router_id 1\n\
         \tlist virtual_ipaddress 192.0.2.9/24\n\toption track_probe 'bare udp root dns mail page same'\n",
    );
    let target = |place: u16| config.target(ProbeId(place)).copied().unwrap();
    let [bare, udp, root, dns, mail, page, same] = core::array::from_fn(|place| target(place as u16));
    assert_eq!((bare.method, bare.port, bare.requires_reply), (Method::Udp, 514, false));
    assert!(bare.is_content_with_silence() && !udp.is_content_with_silence());
    assert!(config.bytes(bare.question).is_empty());
    assert_eq!(config.bytes(udp.question), [0x1b, 0, 0xff]);
    assert_eq!((root.method, root.port, root.dns_type), (Method::Dns, 53, 6));
    assert!(root.question.is_empty() && !root.is_content_with_silence());
    assert_eq!((dns.port, dns.dns_type, config.text(dns.question)), (5353, 28, "www.example.org"));
    assert_eq!((mail.method, mail.port), (Method::Smtp, 25));
    let [url] = page.urls.of(&config.urls) else { panic!() };
    assert_eq!(config.bytes(url.digest)[..3], [0xf9, 0x6b, 0x69]);
    assert_eq!((page.urls, config.urls.len()), (same.urls, 1), "what is the same is kept once");
}

#[test]
fn a_default_route_is_tracked_by_the_name_of_its_section() {
    let config = accept(
        "config track_interface 'uplink'\n\toption type 'route'\n\toption weight '-30'\n\
         config track_interface 'six'\n\toption type 'route'\n\toption family 'ipv6'\n\toption value 'wan'\n\
         config track_interface 'link'\n\toption type 'interface'\n\toption value 'eth5'\n\
         config vrrp_instance 'a'\n\toption interface eth0\n\toption virtual_router_id 1\n\
         \tlist virtual_ipaddress 192.0.2.1/24\n\toption track_interface 'uplink six weight 9 link'\n\
         config vrrp_instance 'b'\n\toption interface eth0\n\toption virtual_router_id 2\n\
         \tlist virtual_ipaddress 192.0.2.2/24\n\toption track_interface 'uplink weight 0 reverse'\n",
    );
    let tracks: Vec<_> = config.tracks.iter().map(|track| tracked(&config, track)).collect();
    assert_eq!(tracks, [("uplink", -30, false), ("six", 9, false), ("eth5", 0, false), ("uplink", 0, true)]);
    let routes: Vec<_> = config
        .default_routes
        .iter()
        .map(|it| (config.text(it.name), it.interface.map(|id| config.interface_name(id)), it.family))
        .collect();
    assert_eq!(routes, [("uplink", None, None), ("six", Some("wan"), Some(Family::V6))]);
}

#[test]
fn a_reference_is_an_option_name_or_a_uci_name() {
    let config = accept(
        "config ipaddress 'by_uci'\n\toption address '192.0.2.1/24'\n\
         config ipaddress 'something'\n\toption name 'by_option'\n\toption address '192.0.2.2/24'\n\
         config ipaddress 'else'\n\toption name 'something'\n\toption address '192.0.2.3/24'\n\
         config peer 'p'\n\toption name 'q'\n\toption address '192.0.2.9'\n\
         config track_interface 't'\n\toption name 'u'\n\toption value 'eth7'\n\
         config vrrp_instance 'x'\n\toption name 'y'\n\toption interface eth0\n\
         \toption virtual_router_id 1\n\tlist virtual_ipaddress by_uci\n\tlist virtual_ipaddress by_option\n\
         \tlist virtual_ipaddress something\n\tlist unicast_peer p\n\tlist track_interface t\n\
         config vrrp_instance 'z'\n\toption interface eth0\n\toption virtual_router_id 2\n\
         \tlist virtual_ipaddress 'by_uci dev eth1 scope 5'\n\tlist unicast_peer q\n\tlist track_interface 'u weight 3'\n\
         config vrrp_sync_group 'g'\n\tlist group x\n\tlist group z\n",
    );
    let [x, z] = &config.instances[..] else { panic!() };
    assert_eq!(
        addresses(&config, x.v4.addresses),
        ["192.0.2.1/24@eth0", "192.0.2.2/24@eth0", "192.0.2.3/24@eth0",]
    );
    assert_eq!(addresses(&config, z.v4.addresses), ["192.0.2.1/24@eth1 scope 5"]);
    assert_eq!(config.peers.len(), 2);
    assert_eq!(config.tracks[0].what, config.tracks[1].what);
    assert_eq!((config.tracks[0].weight, config.tracks[1].weight), (0, 3));
    assert_eq!((x.group, z.group), (Some(GroupId(0)), Some(GroupId(0))));
}

#[test]
fn a_disabled_instance_does_not_get_in_the_way_of_its_namesake() {
    let config = accept(
        &(instance("option name 'two words'\noption enabled 0").replace(" 'x'", " 'off'")
            + &instance("option name 'lan'\noption enabled 0").replace(" 'x'", " 'old'")
            + &instance("option name 'lan'")
            + "config vrrp_sync_group 'g'\n\tlist group 'lan'\n"),
    );
    assert_eq!(only(&config).group, Some(GroupId(0)));
}

#[test]
fn an_alias_stands_for_its_device_wherever_a_device_is_named() {
    let aliases = [
        Alias { name: "lan", device: "br-lan" },
        Alias { name: "wan", device: "eth1" },
        Alias { name: "bad", device: "a-device-with-a-long-name" },
    ];
    let text = "config ipaddress 'a'\n\toption address '192.0.2.1'\n\toption device 'wan'\n\
                config track_interface 't'\n\toption value 'wan'\n\
                config vrrp_instance x\n\toption interface 'lan'\n\toption virtual_router_id 1\n\
                \tlist virtual_ipaddress a\n\tlist virtual_ipaddress '192.0.2.2 dev wan'\n\
                \tlist track_interface lan\n\tlist track_interface t\n";
    let (config, usable, reported) = read(text, &aliases);
    assert!(usable && reported.is_empty(), "{reported:?}");
    let names: Vec<_> = config.interfaces.iter().map(|name| config.text(*name)).collect();
    assert_eq!(names, ["br-lan", "eth1"]);
    assert_eq!(addresses(&config, only(&config).v4.addresses), ["192.0.2.1/32@eth1", "192.0.2.2/32@eth1",]);
    let (_, usable, reported) = read(&text.replace("'lan'", "'bad'"), &aliases);
    assert!(!usable);
    assert_eq!(
        reported[0].sentence,
        "interface 'a-device-with-a-long-name' cannot be a network device: write a name of at most 15 characters"
    );
}

#[test]
fn what_is_defined_and_not_used_takes_no_room() {
    let config = accept(
        "config ipaddress 'a'\n\toption address '192.0.2.1'\n\toption device 'eth9'\n\
         config track_interface 't'\n\toption value 'eth9'\nconfig peer 'p'\n\toption address 'fe80::1'\n",
    );
    assert!(config.interfaces.is_empty() && config.peers.is_empty() && config.tracks.is_empty());
}

#[test]
fn a_config_is_cleared_before_it_is_read_again() {
    let text = instance("list track_interface eth1\noption notify /x");
    let once = accept(&text);
    let document = super::document(text.as_bytes()).unwrap();
    let mut config = once.clone();
    assert!(vipd::config::schema::read(&document, &[], &mut config, &mut |_| panic!()));
    assert_eq!(config, once);
}

/// RFC 3768 §5.3.7, RFC 9568 §5.2.7 (TX15): the bounds of each version.
#[test]
fn tx15_intervals_up_to_the_bounds_of_the_version_are_accepted() {
    let centis = |options: &str| only(&accept(&instance(options))).interval.centis();
    assert_eq!(centis("option advert_int 1"), 100);
    assert_eq!(centis("option advert_int 255"), 25_500);
    assert_eq!(centis("option advert_int 2.0"), 200);
    assert_eq!(centis("option version 3\noption advert_int 0.01"), 1);
    assert_eq!(centis("option version 3\noption advert_int 40.95"), 4095);
    assert_eq!(centis("option advert_int 40\nlist virtual_ipaddress fe80::1"), 4000);
    let six = "config vrrp_instance x\n\toption interface eth0\n\toption virtual_router_id 1\n\
               \tlist virtual_ipaddress fe80::1\n\toption advert_int 0.5\n";
    assert_eq!(only(&accept(six)).interval.centis(), 50);
}

#[test]
fn a_group_without_an_enabled_instance_is_left_out() {
    let config = accept(&(instance("option enabled 0") + "config vrrp_sync_group g\n\tlist group x\n"));
    assert!(config.groups.is_empty());
    let config = accept(&(instance("") + "config vrrp_sync_group g\n\tlist group x\n\toption notify /g\n"));
    assert_eq!(config.text(config.groups[0].notify), "/g");
}

/// RFC 9568 §5.2.5, TX25: 90 IPv6 addresses fit an Ethernet frame.
#[test]
fn tx25_ninety_ipv6_addresses_fit_an_advertisement() {
    let list = |count: usize| {
        let mut text =
            String::from("config vrrp_instance x\n\toption interface eth0\n\toption virtual_router_id 1\n");
        for number in 1..=count {
            writeln!(text, "\tlist virtual_ipaddress fe80::{number:x}").unwrap();
        }
        text
    };
    assert_eq!(accept(&list(90)).addresses.len(), 90);
    assert_eq!(
        sentences(&list(91)),
        ["4: there are more than 90 IPv6 addresses: an advertisement has no room for more",]
    );
}

#[test]
fn a_full_table_names_the_variable_that_sizes_it() {
    let no_room = |line: usize, variable: &str, capacity: usize| {
        format!(
            "{line}: there is no room for this: vipd was built with {variable}={capacity}, build it with more"
        )
    };
    let many = |count: usize, each: &dyn Fn(usize) -> String| -> String { (0..count).map(each).collect() };
    let addresses = |count: usize| {
        instance(&many(count, &|number| {
            format!("\tlist virtual_ipaddress 10.0.{}.{}\n", 1 + number / 200, 1 + number % 200)
        }))
    };
    accept(&addresses(limits::ADDRESSES_MAX - 1));
    assert_eq!(
        sentences(&addresses(limits::ADDRESSES_MAX)),
        [no_room(4 + limits::ADDRESSES_MAX, "VIPD_ADDRESSES", limits::ADDRESSES_MAX),]
    );

    let peers =
        |count| instance(&many(count, &|number| format!("\tlist unicast_peer 10.0.1.{}\n", 1 + number)));
    accept(&peers(limits::PEERS_MAX));
    assert_eq!(
        sentences(&peers(limits::PEERS_MAX + 1)),
        [no_room(5 + limits::PEERS_MAX, "VIPD_PEERS", limits::PEERS_MAX),]
    );

    let devices =
        |count| instance(&many(count, &|number| format!("\tlist track_interface 'eth{}'\n", 1 + number)));
    accept(&devices(limits::INTERFACES_MAX - 1));
    assert_eq!(
        sentences(&devices(limits::INTERFACES_MAX)),
        [no_room(4 + limits::INTERFACES_MAX, "VIPD_INTERFACES", limits::INTERFACES_MAX),]
    );

    let instances = |count: usize, extra: &str| {
        many(count, &|number| {
            let number = number + 1;
            format!(
                "config vrrp_instance i{number}\n\toption interface eth0\n\toption virtual_router_id {number}\n\
                 \tlist virtual_ipaddress 10.0.0.{number}\n{}",
                extra.replace("NUMBER", &number.to_string())
            )
        })
    };
    accept(&instances(limits::VIRTUAL_ROUTERS_MAX, ""));
    assert_eq!(sentences(&instances(limits::VIRTUAL_ROUTERS_MAX + 1, "")).len(), 1);
    let six = "\tlist virtual_ipaddress fe80::NUMBER\n";
    let half = limits::VIRTUAL_ROUTERS_MAX / 2;
    accept(&instances(half, six));
    assert_eq!(
        sentences(&instances(half + 1, six)),
        [no_room(1 + 5 * half, "VIPD_VIRTUAL_ROUTERS", limits::VIRTUAL_ROUTERS_MAX),]
    );

    let tracks = |count: usize| {
        let three = "\tlist track_interface a\n\tlist track_interface b\n\tlist track_interface c\n";
        instances(count, three)
    };
    let most = limits::TRACKS_MAX / 3;
    accept(&tracks(most));
    assert_eq!(
        sentences(&tracks(most + 1)).last().unwrap(),
        &no_room(7 * (most + 1), "VIPD_TRACKS", limits::TRACKS_MAX)
    );

    let groups = |count: usize| {
        instances(count, "")
            + &many(count, &|number| {
                format!("config vrrp_sync_group g{number}\n\tlist group i{}\n", number + 1)
            })
    };
    accept(&groups(limits::GROUPS_MAX));
    assert_eq!(
        sentences(&groups(limits::GROUPS_MAX + 1)),
        [no_room(
            1 + 4 * (limits::GROUPS_MAX + 1) + 2 * limits::GROUPS_MAX,
            "VIPD_GROUPS",
            limits::GROUPS_MAX
        ),]
    );

    let path = "x".repeat(120);
    let text = instances(limits::VIRTUAL_ROUTERS_MAX, &format!("\toption notify /{path}\n"))
        + &format!("config globals\n\toption notify /{path}\n")
        + "config vrrp_sync_group g\n\tlist group i1\n\toption notify /"
        + &path
        + "\n";
    let said = sentences(&text);
    assert!(said.iter().all(|one| one.contains("VIPD_TEXT_BYTES=4096")), "{said:?}");
    assert!(!said.is_empty());
}

/// RFC 9568 §9: version 3 has no authentication; and of RFC 2338 only PASS is left.
#[test]
fn mv03_mv05_a_password_in_version_3_and_ah_are_refused() {
    let password = "\toption auth_type 'PASS'\n\toption auth_pass 'x'\n";
    let refused = |options: &str| sentences(&instance(options)).iter().any(|line| line.contains("auth"));
    assert!(!refused(password));
    assert!(refused(&format!("\toption version '3'\n{password}")));
    assert!(refused(&format!("\tlist virtual_ipaddress 'fe80::1'\n{password}")));
    assert!(refused("\toption auth_type 'AH'\n\toption auth_pass 'x'\n"));
}

/// keepalived's choice: IPv4 is version 2 unless it is said otherwise, IPv6 is always version 3.
#[test]
fn mv04_ipv4_is_version_2_unless_said_otherwise() {
    let version = |text: &str| only(&accept(text)).version;
    assert_eq!(version(&instance("")), Version::V2);
    assert_eq!(version(&instance("\toption version '3'\n")), Version::V3);
    let globals = "config globals 'globals'\n\toption vrrp_version '3'\n";
    assert_eq!(version(&format!("{globals}{}", instance(""))), Version::V3);
}

/// RFC 9568 §5.2.9: keepalived sends such a list, strict routers drop it; `check` says so.
#[test]
fn tx23_an_ipv6_list_without_a_link_local_first_is_warned_of() {
    let warned = |first: &str, second: &str| {
        let options = format!("\tlist virtual_ipaddress '{first}'\n\tlist virtual_ipaddress '{second}'\n");
        sentences(&instance(&options)).iter().any(|line| line.contains("link-local"))
    };
    assert!(warned("2001:db8::1/64", "fe80::1/64"));
    assert!(!warned("fe80::1/64", "2001:db8::1/64"));
}
