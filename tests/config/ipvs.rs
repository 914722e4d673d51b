//! Virtual servers, real servers and their checks.

use vipd::config::{Config, Method, RealServer, Tracked, VirtualServer};
use vipd::probe::{Standing, Start};
use vipd::wire::ipvs::{Forward, Identity, Protocol, Tunnel};
use vipd::wire::ipvs::{ONE_PACKET, PERSISTENT, SCHED_1, SCHED_2, TUNNEL_CHECKSUM};

use super::{accept, read};

/// A virtual server with these lines in its section, and two real ones with these.
fn text(service: &[&str], server: &[&str]) -> String {
    let lines = |lines: &[&str]| lines.iter().map(|line| format!("\t{line}\n")).collect::<String>();
    format!(
        "config virtual_server 'web'\n\toption ipaddr '192.168.0.3'\n\toption port '81'\n\
         \tlist real_server 'one'\n\tlist real_server 'two'\n{}\
         config real_server 'one'\n\toption ipaddr '192.168.0.1'\n\toption port '80'\n{}\
         config real_server 'two'\n\toption ipaddr '192.168.0.2'\n\toption port '80'\n",
        lines(service),
        lines(server),
    )
}

fn only(config: &Config) -> (&VirtualServer, &[RealServer]) {
    assert_eq!(config.virtual_servers.len(), 1);
    (&config.virtual_servers[0], &config.real_servers)
}

/// The sentences that a text is answered with.
fn sentences(text: &str) -> Vec<String> {
    read(text, &[]).2.into_iter().map(|one| one.sentence).collect()
}

/// keepalived.conf(5): wlc, NAT, weight 1, a quorum of 1, no persistence.
#[test]
fn what_is_not_said_is_as_with_keepalived() {
    let config = accept(&text(&[], &[]));
    let (web, servers) = only(&config);
    assert_eq!(config.text(web.name), "web");
    let address = "192.168.0.3".parse().unwrap();
    assert_eq!(web.service.identity, Identity::Address { protocol: Protocol::Tcp, address, port: 81 });
    assert_eq!((web.service.scheduler.text(), web.service.flags, web.service.timeout_secs), ("wlc", 0, 0));
    assert_eq!((web.service.prefix_len, web.service.is_sip), (32, false));
    assert_eq!((web.quorum.weight, web.quorum.hysteresis, web.sorry), (1, 0, None));
    assert!(!web.is_omega && !web.suspends && !web.keeps);
    assert_eq!(servers.len(), 2);
    let one = servers[0];
    assert_eq!(one.destination.forward, Forward::Masquerade);
    assert_eq!((one.destination.weight, one.destination.upper, one.destination.lower), (1, 0, 0));
    assert_eq!((one.destination.port, one.inhibits, one.probe), (80, false, None));
}

#[test]
fn every_option_of_a_service_reaches_the_kernels_words() {
    let options = [
        "option protocol 'UDP'",
        "option lb_algo 'sh'",
        "option ops '1'",
        "option sh_port '1'",
        "option sh_fallback '1'",
        "option persistence_timeout '50'",
        "option persistence_granularity '255.255.255.0'",
        "option persistence_engine 'sip'",
        "option quorum '3'",
        "option hysteresis '2'",
        "option omega '1'",
        "option ha_suspend '1'",
        "option keep '1'",
        "option sorry_server_ip '192.168.0.9'",
        "option sorry_server_port '8080'",
    ];
    let config = accept(&text(&options, &[]));
    let (web, _) = only(&config);
    assert!(matches!(web.service.identity, Identity::Address { protocol: Protocol::Udp, .. }));
    assert_eq!(web.service.flags, PERSISTENT | ONE_PACKET | SCHED_1 | SCHED_2);
    assert_eq!((web.service.scheduler.text(), web.service.timeout_secs), ("sh", 50));
    assert_eq!((web.service.prefix_len, web.service.is_sip), (24, true));
    assert_eq!((web.quorum.weight, web.quorum.hysteresis), (3, 2));
    assert!(web.is_omega && web.suspends && web.keeps);
    let sorry = web.sorry.unwrap();
    assert_eq!((sorry.address.to_string().as_str(), sorry.port, sorry.weight), ("192.168.0.9", 8080, 1));
    let config = accept(&text(&["option lb_algo 'mh'", "option mh_port '1'", "option mh_fallback '1'"], &[]));
    assert_eq!(only(&config).0.service.flags, SCHED_1 | SCHED_2);
}

#[test]
fn packets_reach_a_server_by_nat_by_frames_or_by_a_tunnel() {
    let forward = |lines: &[&str]| {
        let config = read(&text(&[], lines), &[]).0;
        config.real_servers[0].destination.forward
    };
    assert_eq!(forward(&["option lb_kind 'NAT'"]), Forward::Masquerade);
    assert_eq!(forward(&["option lb_kind 'DR'"]), Forward::Direct);
    assert_eq!(forward(&["option lb_kind 'TUN'"]), Forward::Tunnel(Tunnel::Ipip));
    let gue = [
        "option lb_kind 'TUN'",
        "option tun_type 'gue'",
        "option tun_port '6080'",
        "option tun_checksum 'csum'",
    ];
    assert_eq!(forward(&gue), Forward::Tunnel(Tunnel::Gue { port: 6080, flags: TUNNEL_CHECKSUM }));
    let gre = ["option lb_kind 'TUN'", "option tun_type 'gre'"];
    assert_eq!(forward(&gre), Forward::Tunnel(Tunnel::Gre { flags: 0 }));
    // What all have in common, and what one says of itself.
    let config = read(&text(&["option lb_kind 'TUN'"], &["option tun_type 'gre'"]), &[]).0;
    let kinds: Vec<_> = config.real_servers.iter().map(|server| server.destination.forward).collect();
    assert_eq!(kinds, [Forward::Tunnel(Tunnel::Gre { flags: 0 }), Forward::Tunnel(Tunnel::Ipip)]);
    let config = read(&text(&["option lb_kind 'DR'"], &["option lb_kind 'NAT'"]), &[]).0;
    let kinds: Vec<_> = config.real_servers.iter().map(|server| server.destination.forward).collect();
    assert_eq!(kinds, [Forward::Masquerade, Forward::Direct]);
}

/// What the package's own sample has of it, and no `option enabled '0'`. Its mark is beside an address: a virtual server
/// has one of them here.
#[test]
fn a_virtual_server_of_openwrts_keepalived_package_is_read_but_for_its_mark() {
    let sample = include_str!("openwrt-keepalived.config");
    let servers =
        sample.split_once("config virtual_server\n").unwrap().1.replace("enabled '0'", "enabled '1'");
    let servers = format!("config virtual_server\n{servers}");
    let both = sentences(&servers);
    let [mark, script] = &both[..] else { panic!("{both:?}") };
    assert!(mark.starts_with("there is a fwmark, which needs no ipaddr"), "{mark}");
    assert_eq!(script, "misc_path has no effect with HTTP_GET: remove it");
    let (config, is_usable, _) = read(&servers.replace("\toption fwmark '0x42'\n", ""), &[]);
    assert!(is_usable);
    let (web, servers) = only(&config);
    let address = "192.0.2.80".parse().unwrap();
    assert_eq!(web.service.identity, Identity::Address { protocol: Protocol::Tcp, address, port: 80 });
    assert_eq!((web.service.scheduler.text(), web.service.flags), ("rr", PERSISTENT));
    assert_eq!((web.service.timeout_secs, web.service.prefix_len), (50, 24));
    let sorry = web.sorry.unwrap();
    assert_eq!((sorry.address.to_string().as_str(), sorry.port), ("192.0.2.81", 80));
    let [one] = servers else { panic!("one server") };
    assert_eq!((config.text(one.name), one.destination.weight), ("web1", 2));
    let id = usize::from(one.probe.unwrap().0);
    let (probe, target) = (config.probes[id], config.targets[id]);
    assert_eq!((probe.interval_secs, probe.timeout_secs, probe.fall, probe.retry_secs), (30, 3, 4, 2));
    assert_eq!((target.method, target.port), (Method::Http, 80));
    let [url] = target.urls.of(&config.urls) else { panic!("one page") };
    assert_eq!((config.text(url.path), config.text(url.host)), ("/index.html", "www.example.org"));
    assert_eq!(config.bytes(url.digest)[..2], [0x9b, 0x3a]);
}

/// A mark has the family that is said, or that of its servers.
#[test]
fn a_service_can_be_a_mark_of_the_packet_filter() {
    let mark = |more: &str, address: &str| {
        accept(&format!(
            "config virtual_server 'web'\n\toption fwmark '7'\n\tlist real_server 'one'\n{more}\
             config real_server 'one'\n\toption ipaddr '{address}'\n"
        ))
        .virtual_servers[0]
            .service
            .identity
    };
    assert_eq!(mark("", "192.0.2.1"), Identity::Mark { mark: 7, is_v6: false });
    assert_eq!(mark("", "2001:db8::1"), Identity::Mark { mark: 7, is_v6: true });
    assert_eq!(mark("\toption family 'inet6'\n", "2001:db8::1"), Identity::Mark { mark: 7, is_v6: true });
    let hexadecimal = "config virtual_server\n\toption fwmark '0x42'\n\tlist real_server 'one'\n\
                       config real_server 'one'\n\toption ipaddr '192.0.2.1'\n";
    let identity = accept(hexadecimal).virtual_servers[0].service.identity;
    assert_eq!(identity, Identity::Mark { mark: 0x42, is_v6: false });
}

/// keepalived.conf(5): `retry` more tries make a failure, `delay_before_retry` apart; a check starts as a success unless
/// `alpha` is said, and somewhere in the `delay_loop`.
#[test]
fn a_check_is_a_probe_with_keepalived_rhythm() {
    let probe = |service: &[&str], server: &[&str]| {
        let config = accept(&text(service, server));
        let id = config.real_servers[0].probe.unwrap();
        (config.probes[usize::from(id.0)], config.targets[usize::from(id.0)])
    };
    let (tcp, target) = probe(&[], &["option check 'TCP_CHECK'"]);
    assert_eq!((tcp.interval_secs, tcp.timeout_secs, tcp.rise, tcp.fall, tcp.retry_secs), (60, 5, 1, 2, 1));
    assert_eq!((tcp.spread_secs, tcp.start), (60, Start::Up));
    assert_eq!(
        (target.method, target.address.to_string().as_str(), target.port),
        (Method::Tcp, "192.168.0.1", 80)
    );
    let own = [
        "option check 'TCP_CHECK'",
        "option delay_loop '7'",
        "option connect_timeout '2'",
        "option retry '4'",
        "option delay_before_retry '3'",
        "option warmup '0'",
        "option connect_ip '192.168.0.11'",
        "option connect_port '8080'",
        "option alpha '1'",
    ];
    let general = ["option delay_loop '6'", "option retry '9'"];
    let (tcp, target) = probe(&general, &own);
    assert_eq!((tcp.interval_secs, tcp.timeout_secs, tcp.fall, tcp.retry_secs), (7, 2, 5, 3));
    assert_eq!((tcp.spread_secs, tcp.start), (0, Start::Down));
    assert_eq!((target.address.to_string().as_str(), target.port), ("192.168.0.11", 8080));
    let (tcp, _) = probe(&general, &own[..1]);
    assert_eq!((tcp.interval_secs, tcp.fall, tcp.spread_secs), (6, 10, 6));
    let (dns, target) = probe(&["option delay_loop '6'"], &["option check 'DNS_CHECK'"]);
    assert_eq!((dns.fall, dns.retry_secs, target.method), (4, 6, Method::Dns));
    let (http, _) = probe(&[], &["option check 'HTTP_GET'", "option nb_get_retry '2'"]);
    assert_eq!((http.fall, http.retry_secs), (3, 3));
    let misc =
        ["option check 'MISC_CHECK'", "option misc_path '/usr/bin/check one'", "option misc_dynamic '1'"];
    let (misc, target) = probe(&["option delay_loop '6'"], &misc);
    assert_eq!((misc.fall, misc.timeout_secs, misc.is_weighing, target.method), (1, 6, true, Method::Script));
}

#[test]
fn pages_are_asked_for_one_after_another_with_the_nearest_host() {
    let pages = "config url 'first'\n\toption path '/a'\n\toption status_code '200'\n\
                 config url 'second'\n\toption path '/b'\n\toption virtualhost 'b.example.org'\n\
                 \toption digest '9b3a0c85a887a256d6939da88aabd8cd'\n";
    let server = ["option check 'HTTP_GET'", "list url 'first'", "list url 'second'"];
    let config = accept(&(text(&["option virtualhost 'a.example.org'"], &server) + pages));
    let id = config.real_servers[0].probe.unwrap();
    let urls = config.targets[usize::from(id.0)].urls.of(&config.urls);
    let shown: Vec<_> = urls.iter().map(|url| (config.text(url.path), config.text(url.host))).collect();
    assert_eq!(shown, [("/a", "a.example.org"), ("/b", "b.example.org")]);
    assert_eq!((urls[0].status, config.bytes(urls[1].digest).len()), ([200, 200], 16));
    let config = accept(&text(&[], &["option check 'HTTP_GET'"]));
    let id = config.real_servers[0].probe.unwrap();
    assert_eq!(config.targets[usize::from(id.0)].urls.len, 1, "the first page, if none is named");
}

/// ipvsadm(8): port zero is all ports, for a service that is persistent.
#[test]
fn port_zero_is_all_ports_of_a_persistent_service() {
    let all = |more: &str| {
        format!(
            "config virtual_server 'web'\n\toption ipaddr '192.0.2.1'\n\toption port '0'\n\tlist real_server 'one'\n{more}\
             config real_server 'one'\n\toption ipaddr '10.0.0.1'\n"
        )
    };
    let config = accept(&all("\toption persistence_timeout '50'\n"));
    assert_eq!(config.real_servers[0].destination.port, 0);
    let told = sentences(&all(""));
    assert!(told.len() == 1 && told[0].contains("needs a persistence_timeout"), "{told:?}");
}

#[test]
fn a_real_server_of_two_virtual_servers_is_checked_for_each() {
    let config = accept(
        "config virtual_server 'a'\n\toption ipaddr '192.0.2.1'\n\toption port '80'\n\tlist real_server 'one'\n\
         config virtual_server 'b'\n\toption ipaddr '192.0.2.1'\n\toption port '81'\n\tlist real_server 'one'\n\
         \toption delay_loop '9'\n\
         config real_server 'one'\n\toption ipaddr '10.0.0.1'\n\toption check 'TCP_CHECK'\n",
    );
    let ports: Vec<_> = config.real_servers.iter().map(|server| server.destination.port).collect();
    assert_eq!(ports, [80, 81], "the virtual server's own where nothing else is said");
    let intervals: Vec<_> = config.probes.iter().map(|probe| probe.interval_secs).collect();
    assert_eq!(intervals, [60, 9]);
    let owners: Vec<_> = config.probes.iter().map(|probe| config.owner_of(probe)).collect();
    assert_eq!(owners, ["a", "b"]);
}

#[test]
fn scripts_are_told_of_a_server_or_of_a_quorum_and_of_one_end_alone_if_so_said() {
    let service =
        ["option quorum_up '/sbin/up'", "option quorum_down '/sbin/down'", "option notify '/sbin/both'"];
    let config = accept(&text(&service, &["option notify '/sbin/one'", "option notify_down '/sbin/gone'"]));
    let hooks: Vec<_> = config
        .track_hooks
        .iter()
        .map(|hook| (hook.kind(), config.text(hook.name), config.text(hook.notify), hook.only))
        .collect();
    assert_eq!(
        hooks,
        [
            ("REAL_SERVER", "one", "/sbin/one", None),
            ("REAL_SERVER", "one", "/sbin/gone", Some(Standing::Down)),
            ("VIRTUAL_SERVER", "web", "/sbin/both", None),
            ("VIRTUAL_SERVER", "web", "/sbin/up", Some(Standing::Up)),
            ("VIRTUAL_SERVER", "web", "/sbin/down", Some(Standing::Down)),
        ]
    );
    assert!(
        config.track_hooks.iter().all(|hook| matches!(hook.what, Tracked::Server(_) | Tracked::Service(_)))
    );
}

#[test]
fn the_kernels_daemon_goes_with_one_instance() {
    let instance = |name: &str, vrid: u8| {
        format!(
            "config vrrp_instance '{name}'\n\toption interface 'eth0'\n\toption virtual_router_id '{vrid}'\n\
             \tlist virtual_ipaddress '10.0.0.{vrid}/24'\n\toption lvs_sync_daemon_interface 'eth1'\n"
        )
    };
    let config = accept(&instance("lan", 7));
    let daemon = config.sync_daemon.unwrap();
    assert_eq!((daemon.instance, config.interface_name(daemon.interface)), (0, "eth1"));
    let two = sentences(&(instance("lan", 7) + &instance("wan", 8)));
    assert_eq!(
        two,
        [
            "another instance has a lvs_sync_daemon_interface already, and the kernel has one daemon: remove 'eth1'"
        ]
    );
    let config = accept(
        "config globals\n\toption lvs_timeout_tcp '900'\n\toption lvs_timeout_tcpfin '60'\n\toption lvs_timeout_udp '30'\n",
    );
    let timeouts = config.ipvs_timeouts;
    assert_eq!((timeouts.tcp_secs, timeouts.tcp_fin_secs, timeouts.udp_secs), (900, 60, 30));
}

/// What is wrong in a real server is said once, however many virtual servers have it.
#[test]
fn every_mistake_is_told_with_what_to_write_instead() {
    for (service, server, sentence) in [
        ("option quorum '2'\n\toption hysteresis '2'", "", "hysteresis 2 is not less than quorum 2"),
        ("option lb_algo 'round robin'", "", "lb_algo 'round robin' cannot be a scheduler"),
        ("option protocol 'icmp'", "", "protocol 'icmp' is unknown: write tcp, udp or sctp"),
        ("option ops '1'", "", "ops is for UDP"),
        ("option persistence_granularity '255.0.255.0'\n\toption persistence_timeout '5'", "", "is no mask"),
        ("option persistence_granularity '24'", "", "has no effect without a persistence_timeout"),
        ("option fwmark '0'", "", "fwmark '0' is none"),
        ("option fwmark '7'", "", "there is a fwmark, which needs no ipaddr"),
        ("list real_server 'three'", "", "real_server 'three' is not the name of a real_server section"),
        ("list real_server 'two'", "", "real_server 'two' has the address and port of another one"),
        ("option sorry_server_ip '2001:db8::1'", "", "is of another family than the virtual server"),
        ("option lb_kind 'FULL'", "", "lb_kind 'FULL' is unknown: write NAT, DR or TUN"),
        (
            "",
            "option check 'SSL_GET'",
            "TLS would weigh more than all of vipd: write MISC_CHECK and a script",
        ),
        ("", "option check 'HTTP'", "check 'HTTP' is unknown: write TCP_CHECK, HTTP_GET"),
        ("", "option check 'MISC_CHECK'", "real_server has no misc_path: write one"),
        ("", "option check 'HTTP_GET'\n\tlist url 'no'", "url 'no' is not the name of a url section"),
        ("", "option lb_kind 'DR'", "clients reach the server at the virtual server's own port"),
        ("", "option lb_kind 'TUN'\n\toption tun_type 'gue'", "real_server has no tun_port: write one"),
        ("", "option tun_port '5'", "'5' has no effect: there is no tunnel without lb_kind TUN"),
        ("", "option misc_path '/bin/true'", "misc_path has no effect with no check"),
        ("", "option check 'TCP_CHECK'\n\tlist url 'page'", "url has no effect with TCP_CHECK: remove it"),
        ("option family 'inet'", "", "family 'inet' has no effect: ipaddr has its own"),
        ("", "option lthreshold '5'", "lthreshold 5 is greater than uthreshold 0"),
    ] {
        let told = sentences(&text(&[service], &[server]));
        assert!(told.first().is_some_and(|told| told.contains(sentence)), "{service} {server}: {told:?}");
        let has_another_port = server.contains("gue");
        assert_eq!(told.len(), 1 + usize::from(has_another_port), "{service} {server}: {told:?}");
    }
    for (text, sentence) in [
        ("config real_server 'one'\n\toption ipaddr '10.0.0.1'\n", "no virtual_server has this real_server"),
        ("config url 'page'\n\toption digest 'abc'\n", "digest 'abc' is none"),
        (
            "config virtual_server\n\toption ipaddr '10.0.0.1'\n\toption port '80'\n",
            "has no real_server: write one",
        ),
        ("config virtual_server\n\toption port '80'\n", "virtual_server has no ipaddr: write one"),
    ] {
        let told = sentences(text);
        assert!(told.len() == 1 && told[0].contains(sentence), "{text}: {told:?}");
    }
    let twice = text(&[], &[])
        + "config virtual_server 'again'\n\toption ipaddr '192.168.0.3'\n\toption port '81'\n\
                                  \tlist real_server 'one'\n";
    let told = sentences(&twice);
    assert!(told.len() == 1 && told[0].starts_with("virtual_server 'web' has the same address"), "{told:?}");
    let shared = text(&[], &["option weight 'much'"])
        + "config virtual_server 'more'\n\toption ipaddr '192.168.0.4'\n\toption port '81'\n\tlist real_server 'one'\n";
    assert_eq!(sentences(&shared).len(), 1, "once for both");
    let other_family = text(&[], &[])
        + "config virtual_server 'six'\n\toption ipaddr '2001:db8::4'\n\toption port '81'\n\tlist real_server 'one'\n";
    let told = sentences(&other_family);
    assert!(
        told.len() == 1 && told[0].starts_with("real_server 'one' does not fit this virtual_server"),
        "{told:?}"
    );
}
