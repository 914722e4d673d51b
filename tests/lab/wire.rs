//! Every kind of packet that vipd sends, read by Wireshark's dissectors: nothing malformed, no warning,
//! every checksum right.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Host, Segment, Vipd, Workspace, program};

const SECOND: Duration = Duration::from_secs(1);

/// What tshark is asked about every packet, in its own names.
const FIELDS: [&str; 25] = [
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
    "eth.src",
    "eth.dst",
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ip.proto",
    "ip.dsfield",
    "ipv6.nxt",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "vrrp.version",
    "vrrp.virt_rtr_id",
    "vrrp.prio",
    "vrrp.checksum.status",
    "vrrp.auth_string",
    "vrrp.ip_addr",
    "vrrp.ipv6_addr",
    "icmpv6.checksum.status",
    "icmpv6.nd.na.target_address",
    "icmpv6.nd.na.flag.o",
    "arp.isgratuitous",
];

/// Wireshark's severities: comment, chat, note, and from here on warning and error.
const WARNING: u32 = 0x0060_0000;

type Row = BTreeMap<&'static str, String>;

#[test]
fn tx01_tx03_tx04_tx06_tx22_tx27_version_2_without_a_password() {
    let config = "config vrrp_instance 'x'\n\toption interface 'eth0'\n\toption virtual_router_id '7'\n\
        \toption priority '254'\n\tlist virtual_ipaddress '10.0.0.100/24'\n\tlist virtual_ipaddress '10.0.0.101'\n";
    let Some(rows) = record(config, SECOND * 5, "vrrp.v3_checksum_as_in_v2:FALSE") else { return };
    let adverts = adverts(&rows, "2", 7);
    for row in &adverts {
        assert_eq!(row["ip.dst"], "224.0.0.18", "TX04");
        assert_eq!(row["eth.dst"], "01:00:5e:00:00:12", "TX04");
        assert_eq!(row["ip.src"], "10.0.0.1", "TX06");
        assert_eq!(row["ip.proto"], "112", "TX03");
        assert_eq!(row["ip.dsfield"], "0xc0", "TX27");
        assert_eq!(row["vrrp.ip_addr"], "10.0.0.100,10.0.0.101", "TX22");
    }
    resigns(&adverts);
    announces(&rows, "arp.isgratuitous", "1");
}

/// To a peer that answers with "protocol unreachable", as a router without a VRRP daemon does.
#[test]
fn tx21_version_2_unicast_with_a_password() {
    let config = "config vrrp_instance 'x'\n\toption interface 'eth0'\n\toption virtual_router_id '7'\n\
        \toption priority '254'\n\toption auth_type 'PASS'\n\toption auth_pass '1111'\n\
        \toption unicast_src_ip '10.0.0.1'\n\tlist unicast_peer '10.0.0.2'\n\
        \tlist virtual_ipaddress '10.0.0.100'\n";
    let Some(rows) = record(config, SECOND * 5, "vrrp.v3_checksum_as_in_v2:FALSE") else { return };
    let adverts = adverts(&rows, "2", 7);
    for row in &adverts {
        assert_eq!(row["ip.dst"], "10.0.0.2");
        assert_eq!(row["vrrp.auth_string"], "1111", "TX21");
    }
    resigns(&adverts);
    announces(&rows, "arp.isgratuitous", "1");
}

#[test]
fn tx20_version_3_over_ipv4_with_the_pseudo_header() {
    let Some(rows) = record(&v3_config(""), SECOND * 2, "vrrp.v3_checksum_as_in_v2:FALSE") else {
        return;
    };
    resigns(&adverts(&rows, "3", 7));
    announces(&rows, "arp.isgratuitous", "1");
}

#[test]
fn tx20_version_3_over_ipv4_with_the_checksum_of_rfc_9568() {
    let config = v3_config("\toption checksum 'rfc9568'\n");
    let Some(rows) = record(&config, SECOND * 2, "vrrp.v3_checksum_as_in_v2:TRUE") else { return };
    resigns(&adverts(&rows, "3", 7));
}

#[test]
fn tx02_tx03_tx05_tx07_ad12_version_3_over_ipv6() {
    let config = "config vrrp_instance 'x'\n\toption interface 'eth0'\n\toption virtual_router_id '7'\n\
        \toption version '3'\n\toption priority '254'\n\toption advert_int '0.2'\n\
        \tlist virtual_ipaddress 'fe80::100/64'\n\tlist virtual_ipaddress '2001:db8::100/64'\n";
    let Some(rows) = record(config, SECOND * 2, "vrrp.v3_checksum_as_in_v2:FALSE") else { return };
    let adverts = adverts(&rows, "3", 7);
    for row in &adverts {
        assert_eq!(row["ipv6.dst"], "ff02::12", "TX05");
        assert_eq!(row["ipv6.nxt"], "112", "TX03");
        assert_eq!(row["eth.dst"], "33:33:00:00:00:12", "TX05");
        assert!(row["ipv6.src"].starts_with("fe80::"), "TX07");
        assert_ne!(row["ipv6.src"], "fe80::100", "TX07");
        assert_eq!(row["vrrp.ipv6_addr"], "fe80::100,2001:db8::100", "TX22");
    }
    resigns(&adverts);
    announces(&rows, "icmpv6.nd.na.target_address", "fe80::100");
    announces(&rows, "icmpv6.nd.na.target_address", "2001:db8::100");
    for row in rows.iter().filter(|row| !row["icmpv6.nd.na.target_address"].is_empty()) {
        assert_eq!(row["icmpv6.nd.na.flag.o"], "1", "it overrides what neighbours know");
        assert_eq!(row["ipv6.hlim"], "255", "RFC 4861 §7.1.2");
    }
}

fn v3_config(more: &str) -> String {
    format!(
        "config vrrp_instance 'x'\n\toption interface 'eth0'\n\toption virtual_router_id '7'\n\
         \toption version '3'\n\toption priority '254'\n\toption advert_int '0.2'\n\
         \tlist virtual_ipaddress '10.0.0.100/24'\n{more}"
    )
}

/// Runs a master for a while, lets it end, and has Wireshark read what it sent. `None`: skipped.
fn record(config: &str, span: Duration, preference: &str) -> Option<Vec<Row>> {
    let missing = program("tshark").is_none().then(|| "tshark is not installed".to_owned());
    let _bench = Bench::take(Load::Light, &[missing])?;
    let lan = Segment::new();
    let capture = lan.capture();
    let (router, idle) = (Host::new("router"), Host::new("idle"));
    let port = lan.attach_with(&router, "eth0", &["10.0.0.1/24"]);
    lan.attach_with(&idle, "eth0", &["10.0.0.2/24"]);
    let mut vipd = Vipd::start(&router, config);
    capture.wait_advert(&port, 7, Duration::ZERO, SECOND * 6);
    thread::sleep(span.saturating_sub(SECOND));
    vipd.process().terminate();
    vipd.process().wait(SECOND * 2);
    thread::sleep(SECOND / 10);

    let workspace = Workspace::new();
    let file = workspace.path("sent.pcap");
    capture.save(&file, Some(&port));
    let mut command = Command::new(program("tshark")?);
    // Nobody's preferences: neither ours nor those of root, for whom a user namespace makes us pass.
    let home = workspace.path("");
    command.env("HOME", &home).env("XDG_CONFIG_HOME", &home);
    command.args(["-n", "-o", preference, "-o", "ip.check_checksum:TRUE", "-r"]).arg(&file);
    command.args(["-Y", "vrrp || arp.isgratuitous || icmpv6.type == 136"]);
    command.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Row> = text.lines().map(row).collect();
    assert!(!rows.is_empty(), "something was sent");
    let mac = port.mac().map(|byte| format!("{byte:02x}")).join(":");
    for row in &rows {
        assert_eq!(row["eth.src"], mac, "frames leave with the interface's own address");
        is_clean(row);
    }
    Some(rows)
}

fn row(line: &str) -> Row {
    let values = line.split('|').map(str::to_owned);
    FIELDS.into_iter().zip(values).collect()
}

/// No dissector complains.
fn is_clean(row: &Row) {
    assert_eq!(row["_ws.malformed"], "", "{row:?}");
    let severities = row["_ws.expert.severity"].split(',').filter(|text| !text.is_empty());
    let worst = severities.filter_map(|text| text.parse::<u32>().ok()).max();
    assert!(worst.unwrap_or(0) < WARNING, "{row:?}");
    for field in ["vrrp.checksum.status", "icmpv6.checksum.status"] {
        assert!(row[field].is_empty() || row[field] == "1", "{field}: {row:?}");
    }
}

/// The advertisements; every one of this version and VRID, with TTL 255 (TX01, TX02), and verified.
fn adverts<'a>(rows: &'a [Row], version: &str, vrid: u8) -> Vec<&'a Row> {
    let adverts: Vec<_> = rows.iter().filter(|row| !row["vrrp.version"].is_empty()).collect();
    assert!(adverts.len() >= 3, "a few adverts and a resignation: {}", adverts.len());
    for row in &adverts {
        assert_eq!(row["vrrp.version"], version);
        assert_eq!(row["vrrp.virt_rtr_id"], vrid.to_string());
        assert_eq!(row["vrrp.checksum.status"], "1", "Wireshark has verified the checksum");
        let limits = [row["ip.ttl"].as_str(), row["ipv6.hlim"].as_str()];
        assert!(limits.contains(&"255"), "{row:?}");
    }
    adverts
}

/// The last advertisement has priority 0, and only the last ones have (ST10).
fn resigns(adverts: &[&Row]) {
    let priorities: Vec<_> = adverts.iter().map(|row| row["vrrp.prio"].as_str()).collect();
    let working = priorities.iter().take_while(|priority| **priority == "254").count();
    assert!(working > 0 && working < priorities.len(), "{priorities:?}");
    assert!(priorities[working..].iter().all(|priority| *priority == "0"), "{priorities:?}");
}

fn announces(rows: &[Row], field: &str, value: &str) {
    let count = rows.iter().filter(|row| row[field] == value).count();
    assert!(count >= 1, "an announcement with {field} = {value}");
}
