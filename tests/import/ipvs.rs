//! Virtual servers, their real servers, and the checks of those: what becomes of each word, and what goes with it when
//! it cannot stay.

use core::net::IpAddr;

use vipd::wire::ipvs::{self, Forward, Identity, Protocol, Tunnel};

use super::{Imported, import};

/// A virtual server with these lines beside its servers, which have these lines each.
fn one(lines: &str, server: &str) -> Imported {
    import(&format!(
        "virtual_server 192.168.0.3 80 {{\nprotocol TCP\n{lines}\nreal_server 192.168.0.1 80 {{\n{server}\n}}\n}}\n"
    ))
}

/// What is said of a virtual server with these lines, without the places.
fn said(lines: &str, server: &str) -> Vec<String> {
    let said = one(lines, server).said;
    said.lines().map(|line| line.splitn(3, ':').nth(2).unwrap().trim().to_owned()).collect()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const CLASSIC: &str = "\
virtual_server 192.168.0.3 81 {
    delay_loop 6
    lb_algo rr
    lb_kind DR
    nat_mask 255.255.255.0
    persistence_timeout 50
    protocol TCP
    real_server 192.168.0.1 80 {
        weight 1
    }
    real_server 192.168.0.2 80 {
        weight 2
    }
}
";

#[test]
fn the_classic_is_carried_over_and_loses_nothing() {
    let imported = import(CLASSIC);
    assert_eq!(imported.left, Some(0), "{}", imported.said);
    assert!(imported.said.contains("k.conf:5: note: nat_mask: "), "{}", imported.said);
    let [server] = imported.config.virtual_servers.as_slice() else { panic!("{}", imported.text) };
    let identity = Identity::Address { protocol: Protocol::Tcp, address: address("192.168.0.3"), port: 81 };
    assert_eq!(server.service.identity, identity);
    assert_eq!(server.service.scheduler.text(), "rr");
    assert_eq!((server.service.timeout_secs, server.service.flags), (50, ipvs::PERSISTENT));
    let real: Vec<_> = imported.config.real_servers.iter().map(|server| server.destination).collect();
    assert_eq!(real.iter().map(|real| real.weight).collect::<Vec<_>>(), [1, 2]);
    for (real, its) in real.iter().zip(["192.168.0.1", "192.168.0.2"]) {
        // keepalived puts the virtual server's port there too.
        assert_eq!((real.address, real.port, real.forward), (address(its), 81, Forward::Direct));
    }
    for name in ["tcp_192_168_0_3_81", "rs_192_168_0_1_80", "rs_192_168_0_2_80"] {
        assert!(imported.text.contains(&format!("option name '{name}'\n")), "{}", imported.text);
    }
}

#[test]
fn semicolons_are_what_keepalived_thinks_of_them() {
    let line = CLASSIC.replace("}\n", "};\n").replace("{\n", "{ ").replace('\n', "; ");
    let imported = import(&format!("{line}\n"));
    assert_eq!(imported.text, "");
    assert!(imported.said.contains("note: delay_loop 6;: keepalived knows no ;"), "{}", imported.said);
    assert!(imported.said.contains("keepalived ignores one without a real_server"), "{}", imported.said);
    let imported = one("lb_algo wrr;\nquorum 2;\nalpha;", "weight 7;\nvirtualhost a;");
    assert_eq!(imported.said.matches("keepalived knows no ;").count(), 4, "{}", imported.said);
    let server = &imported.config.virtual_servers[0];
    assert_eq!((server.service.scheduler.text(), server.quorum.weight), ("wlc", 1));
    assert_eq!(imported.config.real_servers[0].destination.weight, 1);
    assert!(imported.text.contains("option virtualhost 'a;'"));
}

#[test]
fn without_a_protocol_it_is_udp_and_without_a_real_server_it_is_nothing() {
    let imported = import("virtual_server 192.0.2.1 53 {\nreal_server 192.0.2.2 53 {\n}\n}\n");
    let identity = imported.config.virtual_servers[0].service.identity;
    assert!(matches!(identity, Identity::Address { protocol: Protocol::Udp, .. }));
    assert_eq!(imported.left, Some(0));
    let imported = import("virtual_server 192.0.2.1 53 {\nsorry_server 192.0.2.2 53\n}\n");
    assert_eq!((imported.left, imported.text.as_str()), (Some(0), ""));
    assert!(imported.said.starts_with("k.conf:1: note: virtual_server 192.0.2.1 53: "), "{}", imported.said);
}

#[test]
fn a_group_is_as_many_virtual_servers_as_it_has_addresses_and_marks() {
    let imported = import(
        "virtual_server_group G {\n10.0.0.1 80\n10.0.0.2-9 80\nfd00::1 80\nfwmark 7\n10.0.1.0/24 80\n10.0.0.3 81\n}\n\
         virtual_server group G {\nprotocol TCP\nfrobnicate\nreal_server 10.9.0.1 80 {\nTCP_CHECK {\nconnect_port 80\n}\n}\n}\n",
    );
    let identities: Vec<_> =
        imported.config.virtual_servers.iter().map(|server| server.service.identity).collect();
    let tcp = |text, port| Identity::Address { protocol: Protocol::Tcp, address: address(text), port };
    assert_eq!(
        identities,
        [tcp("10.0.0.1", 80), Identity::Mark { mark: 7, is_v6: false }, tcp("10.0.0.3", 81)]
    );
    // They have one section of a real server, and what is said of the rest is said once.
    assert_eq!(imported.text.matches("config real_server").count(), 1, "{}", imported.text);
    let lines: Vec<_> = imported.said.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(lines, ["k.conf:11", "k.conf:3", "k.conf:4", "k.conf:6"], "{}", imported.said);
}

#[test]
fn seconds_are_rounded_up_and_this_is_said() {
    let imported = one(
        "delay_loop 2.5\nwarmup 0\nretry 0",
        "TCP_CHECK {\nconnect_timeout 0.1\ndelay_before_retry 3.0\n}",
    );
    for option in ["delay_loop '3'", "warmup '0'", "connect_timeout '1'", "delay_before_retry '3'"] {
        assert!(imported.text.contains(option), "{option}: {}", imported.text);
    }
    assert_eq!(imported.said.matches("it is rounded up").count(), 2, "{}", imported.said);
    assert!(imported.said.contains("note: retry 0: keepalived ignores it here"), "{}", imported.said);
}

#[test]
fn persistence_has_keepaliveds_default() {
    for (lines, secs) in [
        ("", 0),
        ("persistence_timeout", 360),
        ("persistence_timeout 5", 5),
        ("persistence_granularity 255.255.0.0", 360),
    ] {
        let imported = one(lines, "");
        assert_eq!(imported.config.virtual_servers[0].service.timeout_secs, secs, "{lines}");
        assert_eq!(imported.left, Some(0), "{}", imported.said);
    }
}

#[test]
fn a_quorum_that_nobody_reaches_is_lowered_as_keepalived_does() {
    let imported = one("quorum 9\nhysteresis 9", "weight 4");
    let rules = imported.config.virtual_servers[0].quorum;
    assert_eq!((rules.weight, rules.hysteresis), (4, 3));
    assert_eq!(imported.left, Some(0), "{}", imported.said);
}

#[test]
fn a_flag_belongs_to_its_scheduler() {
    let flags = |lines: &str| one(lines, "").config.virtual_servers[0].service.flags;
    assert_eq!(flags("lb_algo sh\nsh-port"), ipvs::SCHED_2);
    assert_eq!(flags("lb_algo mh\nmh-fallback\nflag-2"), ipvs::SCHED_1 | ipvs::SCHED_2);
    assert_eq!(flags("lb_algo rr\nsh-port\nflag-1"), 0);
    assert!(said("lb_algo rr\nsh-port", "").contains(&String::from(
        "note: sh-port: it is a flag of another scheduler, and does nothing: it is left out"
    )));
    assert!(said("ops", "")[0].starts_with("note: ops: keepalived ignores it unless it is UDP"));
}

#[test]
fn a_tunnel_has_its_words() {
    let imported = one(
        "lb_kind TUN type gue port 6080 remcsum\nsorry_server 192.168.0.9 80\nsorry_server_lvs_method DR",
        "lvs_method TUN type gre csum",
    );
    assert_eq!(imported.left, Some(0), "{}", imported.said);
    let Forward::Tunnel(Tunnel::Gre { flags }) = imported.config.real_servers[0].destination.forward else {
        panic!("{}", imported.text)
    };
    assert_eq!(flags, ipvs::TUNNEL_CHECKSUM);
    assert_eq!(imported.config.virtual_servers[0].sorry.unwrap().forward, Forward::Direct);
    assert!(imported.text.contains("option tun_port '6080'\n\toption tun_checksum 'remcsum'\n"));
}

#[test]
fn only_nat_changes_ports_and_the_check_still_asks_the_written_one() {
    let text = |kind: &str, server: &str| {
        import(&format!(
            "virtual_server 192.168.0.3 81 {{\nprotocol TCP\nlb_kind {kind}\nreal_server 192.168.0.1 80 {{\n{server}\n}}\n}}\n"
        ))
    };
    assert_eq!(text("NAT", "").config.real_servers[0].destination.port, 80);
    assert_eq!(text("DR", "").config.real_servers[0].destination.port, 81);
    assert_eq!(text("DR", "lvs_method NAT").config.real_servers[0].destination.port, 80);
    assert!(text("DR", "TCP_CHECK {\n}").text.contains("option connect_port '80'\n"));
    assert!(!text("DR", "PING_CHECK {\n}").text.contains("connect_port"));
    assert!(text("TUN", "TCP_CHECK {\nconnect_port 8\n}").text.contains("option connect_port '8'\n"));
}

#[test]
fn a_server_has_one_check_and_what_is_left_of_the_others_is_said() {
    let imported = one(
        "",
        "PING_CHECK {\nretry 2\n}\nTCP_CHECK {\n}\nSSL_GET {\nurl {\npath /\n}\n}\nBFD_CHECK {\nname a\n}",
    );
    assert!(imported.text.contains("option check 'PING_CHECK'\n\toption retry '2'\n"), "{}", imported.text);
    assert_eq!(imported.left, Some(3), "{}", imported.said);
    let imported = one("", "SSL_GET {\nurl {\npath /\n}\nconnect_port 443\nenable_sni\n}");
    assert!(imported.text.contains("option check 'TCP_CHECK'\n\toption connect_port '443'\n"));
    assert!(imported.said.starts_with("k.conf:5: SSL_GET: vipd has no TLS"), "{}", imported.said);
    assert_eq!(imported.left, Some(1), "{}", imported.said);
}

#[test]
fn what_a_check_says_counts_before_what_the_server_says() {
    let imported = one(
        "retry 9",
        "retry 5\ndelay_loop 7\nvirtualhost a\nHTTP_GET {\nnb_get_retry 2\nvirtualhost b\nurl {\npath /\n}\n}",
    );
    assert!(imported.text.contains("option delay_loop '7'"), "{}", imported.text);
    assert!(imported.text.contains("option retry '2'") && !imported.text.contains("option retry '5'"));
    assert!(imported.text.contains("option virtualhost 'b'") && !imported.text.contains("'a'"));
}

#[test]
fn a_page_is_asked_for_by_path_and_known_by_digest_code_or_words() {
    let url = |lines: &str| one("", &format!("HTTP_GET {{\nurl {{\npath /a\n{lines}\n}}\n}}"));
    let imported = url(
        "digest 640205b7b0fc66c1ea91c463fac6334d\nstatus_code 200-299\nregex \"hello you\"\nvirtualhost b",
    );
    let wanted = "config url\n\toption name 'url_1'\n\toption path '/a'\n\
                  \toption digest '640205b7b0fc66c1ea91c463fac6334d'\n\toption status_code '200-299'\n\
                  \toption text 'hello you'\n\toption virtualhost 'b'\n";
    assert!(imported.text.contains(wanted), "{}", imported.text);
    assert!(imported.text.contains("list url 'url_1'"));
    assert_eq!(imported.left, Some(0), "{}", imported.said);
    for (lines, losses) in
        [("regex a.*b", 1), ("regex a\nregex_no_match", 2), ("status_code 200 404 500-599", 2)]
    {
        let imported = url(lines);
        assert_eq!(imported.left, Some(losses), "{}", imported.said);
        assert!(!imported.text.contains("option text"), "{}", imported.text);
    }
    let imported = one("", "HTTP_GET {\nurl {\nstatus_code 200\n}\n}");
    assert!(!imported.text.contains("HTTP_GET") && imported.left == Some(0), "{}", imported.said);
}

#[test]
fn the_other_checks_have_their_words() {
    let udp = one("", "UDP_CHECK {\npayload \"Ab12f 3 456\" c\nrequire_reply 00 XX\nmin_reply_length 3\n}");
    assert!(
        udp.text.contains("option payload 'Ab120f0345060c'\n\toption require_reply '1'\n"),
        "{}",
        udp.text
    );
    assert_eq!(udp.left, Some(2), "{}", udp.said);
    let dns = one("", "DNS_CHECK {\ntype AAAA\nname www.example.org\n}");
    assert!(
        dns.text.contains("option dns_type 'AAAA'\n\toption dns_name 'www.example.org'\n"),
        "{}",
        dns.text
    );
    let misc =
        one("", "MISC_CHECK {\nmisc_path \"/bin/check -a 1\"\nmisc_timeout 3\nmisc_dynamic\nuser root\n}");
    let wanted = "option misc_path '/bin/check -a 1'\n\toption misc_timeout '3'\n\toption misc_dynamic '1'\n";
    assert!(misc.text.contains(wanted), "{}", misc.text);
    let smtp = one("", "SMTP_CHECK {\nretry 2\nhost {\nconnect_ip 10.0.0.1\nconnect_port 587\n}\n}");
    assert!(
        smtp.text.contains("option retry '2'\n\toption connect_ip '10.0.0.1'\n\toption connect_port '587'\n")
    );
    for imported in [dns, misc, smtp] {
        assert_eq!(imported.left, Some(0), "{}", imported.said);
    }
    let bound =
        one("", "TCP_CHECK {\nbind_if eth0\nbindto 10.0.0.1\nbind_port 9\nfwmark 1\nlog_all_failures\n}");
    assert!(bound.text.contains("option interface 'eth0'"));
    assert_eq!(bound.left, Some(4), "{}", bound.said);
}

#[test]
fn what_cannot_stay_takes_no_more_with_it_than_it_must() {
    // A server whose address is none goes alone.
    let imported = import(
        "virtual_server 10.0.0.1 80 {\nprotocol TCP\nreal_server fd00::1 80 {\n}\nreal_server 10.0.0.2 80 {\n}\n}\n",
    );
    assert_eq!(imported.config.real_servers.len(), 1, "{}", imported.said);
    assert_eq!(imported.left, Some(1), "{}", imported.said);
    assert!(
        imported.said.contains("k.conf:3: note: real_server: is left out as a whole"),
        "{}",
        imported.said
    );
    assert!(!imported.text.contains("fd00::1"));
    // A check that cannot be goes, and its server stays.
    let imported = one("", "weight 3\nMISC_CHECK {\nmisc_path \"/bin/sh -c 'a'\"\nretry 3\n}");
    assert!(!imported.text.contains("MISC_CHECK") && !imported.text.contains("retry"), "{}", imported.text);
    assert_eq!((imported.config.real_servers[0].destination.weight, imported.left), (3, Some(1)));
    // A number that cannot be goes alone.
    let imported = one("delay_loop soon", "TCP_CHECK {\nretry 3000\n}");
    assert!(imported.text.contains("option check 'TCP_CHECK'"), "{}", imported.text);
    assert_eq!(imported.left, Some(2), "{}", imported.said);
    // An address of several is none.
    let imported = import("virtual_server 10.0.0.1-9 80 {\nprotocol TCP\nreal_server 10.0.1.1 80 {\n}\n}\n");
    assert_eq!(imported.text, "");
    assert!(imported.said.contains("ipaddr '10.0.0.1-9' is no address"), "{}", imported.said);
}

#[test]
fn two_servers_of_one_address_are_one_and_two_names_are_never_the_same() {
    let imported = one("", "}\nreal_server 192.168.0.1 80 {\nweight 3");
    assert_eq!((imported.config.real_servers.len(), imported.left), (1, Some(0)), "{}", imported.said);
    let long = "fd00:1111:2222:3333:4444:5555:6666";
    let text: String = (1..=3)
        .map(|n| {
            format!(
                "virtual_server {long}:{n} 80 {{\nprotocol TCP\nreal_server {long}:8 80 {{\n}}\nreal_server fd00::8 80 {{\n}}\n}}\n"
            )
        })
        .collect();
    let imported = import(&text);
    assert_eq!(imported.left, Some(0), "{}", imported.said);
    for name in ["virtual_server_1", "virtual_server_3", "real_server_3", "rs_fd00__8_80", "rs_fd00__8_80_3"]
    {
        assert_eq!(imported.text.matches(&format!("option name '{name}'\n")).count(), 1, "{}", imported.text);
    }
}

#[test]
fn a_daemon_goes_with_its_instance() {
    let text = |words: &str| {
        import(&format!(
            "global_defs {{\nlvs_sync_daemon eth1 {words}\nlvs_timeouts tcp 10 udp 30\n}}\nvrrp_instance A {{\n\
             interface eth0\nvirtual_router_id 7\nvirtual_ipaddress {{\n10.0.0.1\n}}\n}}\n"
        ))
    };
    for words in ["A", "inst A", "A id 7"] {
        let imported = text(words);
        let daemon = imported.config.sync_daemon.unwrap();
        assert_eq!((daemon.instance, imported.left), (0, Some(0)), "{}", imported.said);
        let timeouts = imported.config.ipvs_timeouts;
        assert_eq!((timeouts.tcp_secs, timeouts.tcp_fin_secs, timeouts.udp_secs), (10, 0, 30));
    }
    assert_eq!(text("A id 8 port 9 ttl 3").left, Some(3));
    for words in ["", "B", "id 7"] {
        let imported = text(words);
        assert!(imported.config.sync_daemon.is_none());
        assert_eq!(imported.left, Some(1), "{}", imported.said);
    }
}

#[test]
fn more_than_fits_is_named_and_the_rest_stays() {
    let most = vipd::limits::VIRTUAL_SERVERS_MAX;
    let text: String = (0..most + 2)
        .map(|n| {
            format!("virtual_server 10.0.0.{n} 80 {{\nprotocol TCP\nreal_server 10.1.0.{n} 80 {{\n}}\n}}\n")
        })
        .collect();
    let imported = import(&text);
    assert_eq!(imported.config.virtual_servers.len(), most, "{}", imported.said);
    assert_eq!(imported.said.matches("VIPD_VIRTUAL_SERVERS").count(), 2, "{}", imported.said);
    let most = vipd::limits::REAL_SERVERS_MAX;
    let servers: String =
        (0..most + 20).map(|n| format!("real_server 10.1.0.{n} 80 {{\nweight 2\n}}\n")).collect();
    let imported = import(&format!("virtual_server 10.0.0.1 80 {{\nprotocol TCP\n{servers}}}\n"));
    assert_eq!(imported.config.real_servers.len(), most, "{}", imported.said);
    assert_eq!(imported.text.matches("config real_server").count(), most, "{}", imported.text);
    assert_eq!(imported.said.matches("VIPD_REAL_SERVERS").count(), 20, "{}", imported.said);
}
