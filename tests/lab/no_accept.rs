//! Packets to the addresses of a master that does not accept them, on a real kernel: what it answers, what it forwards,
//! and what stands in its packet filter.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Client, Host, Segment, Vipd, eventually, now, program};
use crate::lone::{Lone, SECOND, config};

const V4: &str = "10.0.0.100";
const GLOBAL: &str = "2001:db8::100";
const LOCAL: &str = "fe80::100";
const ADDRESSES: [&str; 3] = ["10.0.0.100/24", "fe80::100/64", "2001:db8::100/64"];
const TABLES: [&str; 2] = ["table inet vipd.eth0.7", "table inet vipd6.eth0.7"];
const PORT: u16 = 7777;
/// How long nothing has to come back to count as dropped.
const SILENCE: Duration = Duration::from_millis(300);

fn refusing(priority: u8) -> String {
    config(priority, &ADDRESSES) + "\toption no_accept '1'\n"
}

fn missing() -> [Option<String>; 1] {
    [program("nft").is_none().then(|| "nft is not installed".to_owned())]
}

/// Runs `nft` with these words, which must succeed; returns what it prints.
fn nft(host: &Host, words: &str) -> String {
    let output = host.command("nft").arg(words).output().unwrap();
    assert!(output.status.success(), "nft {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn rules(host: &Host) -> String {
    nft(host, "list ruleset")
}

/// How often each of our tables stands there.
fn tables(host: &Host) -> [usize; 2] {
    let rules = rules(host);
    TABLES.map(|table| rules.lines().filter(|line| line.starts_with(table)).count())
}

fn wait_tables(host: &Host, each: usize) {
    eventually(&format!("{each} of each table"), SECOND * 3, || (tables(host) == [each; 2]).then_some(()));
}

fn client(lan: &Segment) -> (Host, crate::harness::Port) {
    let client = Host::new("client");
    let port = lan.attach_with(&client, "eth0", &["10.0.0.9/24"]);
    client.ip("address add 2001:db8::9/64 dev eth0 nodad");
    (client, port)
}

/// Whoever can be reached at all answers on this port.
fn listen(host: &Host) -> TcpListener {
    host.namespace().inside(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).unwrap())
}

fn index(host: &Host, device: &str) -> u32 {
    host.ip(&format!("-o link show dev {device}")).split(':').next().unwrap().parse().unwrap()
}

/// Whether a connection is made; one that is neither made nor refused is dropped.
fn connects(from: &Host, device: &str, to: &str, port: u16) -> bool {
    let address: SocketAddr = match to.parse().unwrap() {
        IpAddr::V6(local) if local.is_unicast_link_local() => {
            SocketAddrV6::new(local, port, 0, index(from, device)).into()
        }
        other @ (IpAddr::V4(_) | IpAddr::V6(_)) => (other, port).into(),
    };
    match from.namespace().inside(|| TcpStream::connect_timeout(&address, SILENCE)) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{to}: {error}");
            false
        }
    }
}

/// Whether a ping is answered.
fn answers(from: &Host, to: &str) -> bool {
    let pings = Client::start(from, to.parse().unwrap(), Duration::from_millis(20));
    let until = now() + SILENCE;
    while now() < until && pings.answered() == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    pings.stop().list.iter().any(|(_, answer)| answer.is_some())
}

/// Waits until the neighbour has answered to a question that was sent to its address alone.
fn wait_confirmed(client: &Host, address: &str) {
    let entry = || client.ip(&format!("neighbour show {address} dev eth0"));
    let known = eventually(&format!("{address} is resolved"), SECOND * 3, || {
        let entry = entry();
        entry.split_once("lladdr ").map(|(_, rest)| rest.split(' ').next().unwrap().to_owned())
    });
    client.ip(&format!("neighbour replace {address} lladdr {known} nud probe dev eth0"));
    eventually(&format!("{address} is confirmed"), SECOND * 5, || {
        let entry = entry();
        assert!(!entry.contains("FAILED"), "{entry}");
        entry.contains("REACHABLE").then_some(())
    });
}

/// RFC 9568 §6.1, §6.4.3; RFC 3768 §6.4.3.
#[test]
fn ad08_ad09_nobody_reaches_a_master_at_its_virtual_addresses() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    for version in [2, 3] {
        let text = refusing(100).replace("version '3'", &format!("version '{version}'"));
        let text = if version == 2 { text.replace("advert_int '0.1'", "advert_int '1'") } else { text };
        let mut lone = Lone::start(&text);
        let (client, _port) = client(&lone.lan);
        let _listener = listen(&lone.host);
        lone.wait_master(V4);
        lone.wait_address(GLOBAL, true);
        for address in [V4, GLOBAL] {
            assert!(!answers(&client, address), "version {version}: {address} answers");
        }
        for address in [V4, GLOBAL, LOCAL] {
            assert!(!connects(&client, "eth0", address, PORT), "version {version}: {address} is reached");
        }
        assert!(connects(&client, "eth0", "10.0.0.1", PORT), "its own address is reached");
        // AD10: it is found all the same, and found to be there, by a question that is sent to the address itself.
        for address in [V4, GLOBAL, LOCAL] {
            wait_confirmed(&client, address);
        }
        lone.vipd.process().terminate();
        lone.vipd.process().wait(SECOND * 5);
        assert_eq!(rules(&lone.host), "", "nothing is left");
    }
}

/// RFC 9568 §6.4.3: neighbour discovery, and the owner.
#[test]
fn ad08_ad09_ad10_the_owner_and_whoever_has_not_asked_for_it_are_reached_and_load_no_filter() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    for text in [refusing(255), config(100, &ADDRESSES)] {
        let lone = Lone::start(&text);
        let (client, _port) = client(&lone.lan);
        let _listener = listen(&lone.host);
        lone.wait_master(V4);
        lone.wait_address(GLOBAL, true);
        for address in [V4, GLOBAL, LOCAL] {
            eventually(&format!("{address} is reached"), SECOND * 2, || {
                connects(&client, "eth0", address, PORT).then_some(())
            });
            wait_confirmed(&client, address);
        }
        assert_eq!(rules(&lone.host), "");
        let sockets = format!("/proc/{}/net/netlink", lone.vipd.id());
        let sockets = std::fs::read_to_string(sockets).unwrap();
        let of_the_filter = sockets.lines().filter(|line| line.split_whitespace().nth(1) == Some("12"));
        // The kernel's own has port 0.
        let of_others = of_the_filter.filter(|line| line.split_whitespace().nth(2) != Some("0"));
        assert_eq!(of_others.count(), 0, "no socket is opened: {sockets}");
    }
}

/// What is for others is no matter of the filter: what goes through the router, what its own filter forwards, and an
/// address of the same name on another link.
#[test]
fn ad09_packets_through_the_router_go_on_and_foreign_rules_stay() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    let far_lan = Segment::new();
    let mut far_ports = vec![];
    let mut lone = Lone::prepared(&refusing(100), |host| {
        far_ports.push(far_lan.attach_with(host, "eth1", &["10.1.0.1/24"]));
        host.ip("address add fe80::100/64 dev eth1 nodad");
        host.sysctl("ipv4/ip_forward", "1");
        nft(
            host,
            "table ip nat { chain forward_ports { type nat hook prerouting priority dstnat; \
             ip daddr 10.0.0.100 tcp dport 8080 dnat to 10.1.0.9:7777; }; }",
        );
        // As a zone that rejects: its refusal would come from the address.
        nft(
            host,
            "table inet zone { chain input { type filter hook input priority filter; tcp dport 9 reject; }; }",
        );
    });
    let foreign = rules(&lone.host);
    assert!(foreign.contains("dnat to 10.1.0.9:7777"), "{foreign}");
    let (client, _port) = client(&lone.lan);
    client.ip("route add default via 10.0.0.100");
    let far = Host::new("far");
    let _far_port = far_lan.attach_with(&far, "eth0", &["10.1.0.9/24"]);
    far.ip("route add default via 10.1.0.1");
    let _listeners = [listen(&far), listen(&lone.host)];
    lone.wait_master(V4);
    wait_tables(&lone.host, 1);
    assert!(!connects(&client, "eth0", V4, PORT));
    assert!(!connects(&client, "eth0", V4, 9), "nothing answers in the name of the address");
    assert!(connects(&client, "eth0", "10.1.0.9", PORT), "forwarded by way of the address");
    assert!(connects(&client, "eth0", V4, 8080), "a forwarded port");
    assert!(answers(&client, "10.1.0.9"));
    assert!(connects(&far, "eth0", LOCAL, PORT), "the other link's own address");
    assert!(!connects(&client, "eth0", LOCAL, PORT));
    lone.vipd.process().terminate();
    lone.vipd.process().wait(SECOND * 5);
    assert_eq!(rules(&lone.host), foreign, "foreign rules are as they were");
}

#[test]
fn what_drops_goes_with_the_address_to_a_better_router_and_comes_back() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    let lone = Lone::start(&refusing(100));
    lone.wait_master(V4);
    wait_tables(&lone.host, 1);
    let other = Host::new("other");
    let _port = lone.lan.attach_with(&other, "eth0", &["10.0.0.2/24"]);
    let mut better = Vipd::start(&other, &refusing(200));
    wait_tables(&other, 1);
    lone.wait_address(V4, false);
    lone.wait_address(GLOBAL, false);
    wait_tables(&lone.host, 0);
    better.process().terminate();
    lone.wait_address(V4, true);
    wait_tables(&lone.host, 1);
    wait_tables(&other, 0);
}

/// What a crash leaves drops until the next start, which leaves nothing twice.
#[test]
fn a_killed_daemon_leaves_its_table_to_the_next_one() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    let mut lone = Lone::start(&refusing(100));
    let (client, _port) = client(&lone.lan);
    let _listener = listen(&lone.host);
    lone.wait_master(V4);
    wait_tables(&lone.host, 1);
    let before = rules(&lone.host);
    lone.vipd.process().kill();
    assert_eq!(rules(&lone.host), before);
    assert!(!connects(&client, "eth0", V4, PORT));
    // As a backup it does not hold the address, and drops nothing.
    let other = Host::new("other");
    let _port = lone.lan.attach_with(&other, "eth0", &["10.0.0.2/24"]);
    let mut better = Vipd::start(&other, &refusing(200));
    eventually("the better one is master", SECOND * 3, || other.has("eth0", V4).then_some(()));
    lone.vipd.restart();
    lone.wait_address(V4, false);
    wait_tables(&lone.host, 0);
    better.process().terminate();
    lone.wait_address(GLOBAL, true);
    wait_tables(&lone.host, 1);
    lone.vipd.process().kill();
    lone.vipd.restart();
    lone.wait_address(V4, true);
    eventually("it is master again", SECOND * 3, || {
        let log = lone.vipd.log();
        (log.matches("backup -> master").count() >= 3).then_some(())
    });
    wait_tables(&lone.host, 1);
    lone.vipd.process().terminate();
    lone.vipd.process().wait(SECOND * 5);
    assert_eq!(rules(&lone.host), "");
}

/// The socket is opened by the first reload that needs it, when the daemon has given up all other privileges.
#[test]
fn a_reload_switches_it_on_and_off_and_changes_its_addresses() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    let lone = Lone::start(&config(100, &ADDRESSES));
    let (client, _port) = client(&lone.lan);
    let _listener = listen(&lone.host);
    lone.wait_master(V4);
    lone.wait_address(GLOBAL, true);
    let from = now();
    assert!(connects(&client, "eth0", V4, PORT));
    let reload = |text: &str| {
        lone.vipd.rewrite(text);
        assert!(lone.vipd.ask(&["reload"]).status.success());
    };
    reload(&refusing(100));
    wait_tables(&lone.host, 1);
    assert!(!connects(&client, "eth0", V4, PORT) && !connects(&client, "eth0", GLOBAL, PORT));
    reload(&refusing(100).replace("10.0.0.100/24", "10.0.0.101/24"));
    lone.wait_address("10.0.0.101", true);
    eventually("the new address alone is dropped", SECOND * 2, || {
        let rules = rules(&lone.host);
        (rules.contains("10.0.0.101") && !rules.contains("10.0.0.100")).then_some(())
    });
    assert!(!connects(&client, "eth0", "10.0.0.101", PORT));
    reload(&config(100, &ADDRESSES));
    wait_tables(&lone.host, 0);
    lone.wait_address(V4, true);
    assert!(connects(&client, "eth0", V4, PORT) && connects(&client, "eth0", GLOBAL, PORT));
    lone.was_master_since(from);
    assert!(!lone.vipd.log().contains("no_accept:"), "{}", lone.vipd.log());
}

/// Somebody else holds a table of the name, and lets it go.
#[test]
fn a_refusal_of_the_kernel_is_said_once_and_tried_again_while_packets_are_accepted() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    let mut lone = Lone::start(&config(100, &ADDRESSES));
    let (client, _port) = client(&lone.lan);
    let _listener = listen(&lone.host);
    lone.wait_master(V4);
    lone.wait_address(GLOBAL, true);
    // A table with an owner can be changed by nobody else.
    let mut owner = lone.host.command("nft");
    let mut owner = owner.arg("-i").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = owner.stdin.take().unwrap();
    for name in TABLES {
        writeln!(stdin, "add {name} {{ flags owner; }}").unwrap();
    }
    stdin.flush().unwrap();
    wait_tables(&lone.host, 1);
    lone.vipd.rewrite(&refusing(100));
    let asked = now();
    assert!(lone.vipd.ask(&["reload"]).status.success());
    let said = || lone.vipd.log().matches("no_accept: packets to the virtual addresses are accepted").count();
    eventually("it is said", SECOND * 2, || (said() > 0).then_some(()));
    std::thread::sleep(SECOND * 3);
    assert_eq!(said(), 1, "{}", lone.vipd.log());
    lone.was_master_since(asked);
    assert!(connects(&client, "eth0", V4, PORT), "it goes on, and accepts");
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually("it has its own table now", SECOND * 3, || {
        rules(&lone.host).contains("ip daddr @v4 drop").then_some(())
    });
    wait_tables(&lone.host, 1);
    assert!(!connects(&client, "eth0", V4, PORT));
    lone.vipd.process().terminate();
    lone.vipd.process().wait(SECOND * 5);
    assert_eq!(rules(&lone.host), "");
}

/// As a dump of the whole table by `nft`, which reads it back.
#[test]
fn ad10_the_tables_are_what_nft_would_make() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    let excluded = "\tlist virtual_ipaddress_excluded '2001:db8::200/64'\n";
    let text = config(100, &["10.0.0.100/24", "10.0.0.101"]) + "\toption no_accept '1'\n" + excluded;
    let lone = Lone::start(&text);
    lone.wait_master(V4);
    lone.wait_address("2001:db8::200", true);
    let shown = rules(&lone.host);
    let expected = "table inet vipd.eth0.7 {
\tset v4 {
\t\ttype ipv4_addr
\t\telements = { 10.0.0.100, 10.0.0.101 }
\t}

\tset v6 {
\t\ttype ipv6_addr
\t\telements = { 2001:db8::200 }
\t}

\tchain input {
\t\ttype filter hook input priority raw; policy accept;
\t\tip daddr @v4 drop
\t\ticmpv6 type 135-136 accept
\t\tip6 daddr @v6 drop
\t}
}
";
    assert_eq!(shown, expected);
    let path = lone.vipd.workspace().write("rules", &shown);
    nft(&lone.host, "flush ruleset");
    let status = lone.host.command("nft").arg("-f").arg(path).status().unwrap();
    assert!(status.success());
    assert_eq!(rules(&lone.host), expected);
}

/// Each virtual router has a table of its own, whoever runs it.
#[test]
fn two_daemons_do_not_touch_each_others_tables() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    let lone = Lone::start(&refusing(100));
    let text = config(100, &["10.0.0.200/24"]).replace("'7'", "'8'") + "\toption no_accept '1'\n";
    let mut second = Vipd::start(&lone.host, &text);
    let has_second = || rules(&lone.host).contains("table inet vipd.eth0.8");
    wait_tables(&lone.host, 1);
    eventually("the second one's is there", SECOND * 3, || has_second().then_some(()));
    assert_eq!(tables(&lone.host), [1, 1]);
    second.process().terminate();
    eventually("the second one's is gone", SECOND * 3, || (!has_second()).then_some(()));
    assert_eq!(tables(&lone.host), [1, 1]);
}

/// With a virtual MAC, packets to the addresses come in by its device.
#[cfg(feature = "vmac")]
#[test]
fn ad03_ad09_nobody_reaches_a_master_with_a_virtual_mac_either() {
    let Some(_bench) = Bench::take(Load::Light, &missing()) else { return };
    let lone = Lone::start(&(refusing(100) + "\toption use_vmac '1'\n"));
    let (client, _port) = client(&lone.lan);
    let _listener = listen(&lone.host);
    wait_tables(&lone.host, 1);
    for address in [V4, GLOBAL, LOCAL] {
        assert!(!connects(&client, "eth0", address, PORT), "{address} is reached");
        wait_confirmed(&client, address);
    }
    lone.vipd.rewrite(&(config(100, &ADDRESSES) + "\toption use_vmac '1'\n"));
    assert!(lone.vipd.ask(&["reload"]).status.success());
    wait_tables(&lone.host, 0);
    for address in [V4, GLOBAL, LOCAL] {
        assert!(connects(&client, "eth0", address, PORT), "{address} is not reached");
    }
}
