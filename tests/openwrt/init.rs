//! The init script: what procd is told.

use std::fs;

use crate::root::Root;

const LAN: &str = "\
config globals 'globals'
	option notify '/sbin/hotplug-call'

config vrrp_instance 'lan'
	option interface 'lan'
	option virtual_router_id '10'
	list virtual_ipaddress '192.168.1.1/24'
";

/// The lines that begin with `what`, without it.
fn those<'a>(told: &'a [String], what: &str) -> Vec<&'a str> {
    told.iter().filter_map(|line| line.strip_prefix(what)?.strip_prefix(' ')).collect()
}

fn has(told: &[String], line: &str) -> bool {
    told.iter().any(|told| told == line)
}

/// The command that procd would run.
fn command(told: &[String]) -> String {
    [those(told, "set command"), those(told, "append command")].concat().join(" ")
}

/// The rules of the firewall, each as `type=rule proto=112 ...`.
fn rules(told: &[String]) -> Vec<String> {
    let is_bound = |line: &&String| *line == "open_data" || *line == "close_data";
    let mut bounds = told.iter().filter(is_bound);
    assert_eq!((bounds.next().map(String::as_str), bounds.count()), (Some("open_data"), 1));
    let data = told.iter().skip_while(|line| *line != "open_data").take_while(|line| *line != "close_data");
    let mut rules = Vec::new();
    let mut depth = Vec::new();
    for line in data.skip(1) {
        match line.as_str() {
            "array [ firewall" => depth.push("array"),
            "object [ " => {
                depth.push("object");
                rules.push(String::new());
            }
            "array ]" => assert_eq!(depth.pop(), Some("array")),
            "object ]" => assert_eq!(depth.pop(), Some("object")),
            member => {
                assert_eq!(depth, ["array", "object"], "{member}");
                let (key, value) = member.strip_prefix("string ").unwrap().split_once(' ').unwrap();
                let rule = rules.last_mut().unwrap();
                *rule += &format!("{}{key}={value}", if rule.is_empty() { "" } else { " " });
            }
        }
    }
    assert!(depth.is_empty());
    rules
}

const RULE_LAN: &str = "type=rule name=VRRP (lan) src=lan proto=112 target=ACCEPT";

#[test]
fn start_says_the_command_the_device_the_triggers_and_the_rule() {
    let Some(root) = Root::configured(LAN) else { return };
    let told = root.init("start");
    assert_eq!(
        command(&told),
        "/usr/sbin/vipd run -c /etc/config/vipd --socket /var/run/vipd/vipd.sock --log syslog --alias lan=br-lan"
    );
    for line in [
        "extra_command check",
        "set netdev br-lan",
        "set file /etc/config/vipd",
        "set reload_signal HUP",
        "set respawn",
        "set stderr 1",
        "reload_trigger vipd",
        "reload_interface_trigger lan",
        "config_changed firewall",
    ] {
        assert!(has(&told, line), "{line}: {told:#?}");
    }
    assert_eq!(rules(&told), [RULE_LAN]);
    let link = fs::read_link(root.path("var/run/vipd.sock")).unwrap();
    assert_eq!(link.to_str(), Some("/var/run/vipd/vipd.sock"));
    assert_eq!(root.take("tmp/ubus"), "call hotplug.vipd call {\"env\":[\"ACTION=startup\"]}\n");
}

#[test]
fn the_shipped_configuration_starts_nothing_until_it_is_enabled() {
    let Some(root) = Root::install() else { return };
    root.write("etc/config/network", "config interface 'lan'\n\toption device 'br-lan'\n");
    let told = root.init("start");
    assert!(!has(&told, "open_instance"), "{told:#?}");
    assert!(!has(&told, "config_changed firewall"), "{told:#?}");
    assert!(has(&told, "reload_trigger vipd"), "what enables it must be heard: {told:#?}");
    assert_eq!(root.take("tmp/ubus"), "");
    let enabled = root.read("etc/config/vipd").replace("enabled '0'", "enabled '1'");
    root.write("etc/config/vipd", &enabled);
    let told = root.init("reload");
    assert!(command(&told).ends_with("--alias lan=br-lan"), "{told:#?}");
}

#[test]
fn every_word_that_names_a_logical_network_becomes_an_alias_once() {
    let config = "\
config vrrp_instance 'a'
	option interface 'lan'
	option virtual_router_id '1'
	list virtual_ipaddress '192.168.1.1/24 dev guest'
	list virtual_ipaddress 'far'
	list track_interface 'wan weight -20'
	list track_interface 'uplink'

config vrrp_instance 'b'
	option interface 'lan'
	option virtual_router_id '2'
	list virtual_ipaddress '192.168.1.9/24'
	list track_interface 'eth0.10'

config vrrp_instance 'off'
	option enabled '0'
	option interface 'unused'
	option virtual_router_id '3'

config ipaddress
	option name 'far'
	option address '192.168.7.1'
	option device 'dmz'

config track_interface
	option name 'uplink'
	option value 'wwan'
	option weight '5'
";
    let Some(root) = Root::configured(config) else { return };
    let mut network = String::new();
    for (name, device) in [
        ("lan", "br-lan"),
        ("guest", "br-guest"),
        ("wan", "pppoe-wan"),
        ("dmz", "eth0.7"),
        ("wwan", "wwan0"),
        ("unused", "eth9"),
    ] {
        network += &format!("config interface '{name}'\n\toption device 'port'\n");
        root.write(&format!("tmp/networks/{name}"), &format!("{device}\n"));
    }
    // A section of another type is no network.
    network += "config device 'eth0'\n";
    root.write("etc/config/network", &network);
    let told = root.init("start");
    assert_eq!(
        those(&told, "append command"),
        [
            "--alias lan=br-lan",
            "--alias wan=pppoe-wan",
            "--alias guest=br-guest",
            "--alias wwan=wwan0",
            "--alias dmz=eth0.7"
        ]
    );
    assert_eq!(those(&told, "set netdev"), ["br-lan pppoe-wan br-guest wwan0 eth0.7"]);
    assert_eq!(those(&told, "reload_interface_trigger"), ["lan", "wan", "guest", "wwan", "dmz"]);
    root.succeed("/etc/init.d/vipd check");
}

/// The reader knows aliases wherever it takes a device; each such place has a network of its own
/// here.
#[test]
fn routes_rules_groups_probes_sessions_servers_and_delays_may_name_logical_networks_too() {
    let config = format!(
        "{LAN}\
\tlist virtual_routes '10.0.0.0/8 via 192.168.1.254 dev network_on_route metric 5'
\tlist virtual_routes 'far'
\tlist virtual_rules 'from 192.168.1.0/24 iif network_on_rule table 100'
\tlist virtual_rules 'near'
\tlist track_probe 'gateway'
\tlist track_interface 'up'
\toption lvs_sync_daemon_interface 'network_on_lvs'

config vrrp_sync_group
\tlist group 'lan'
\tlist track_interface 'network_on_group weight -5'

config route 'far'
\toption address '10.1.0.0/16'
\toption device 'network_on_route_section'

config rule 'near'
\toption device 'network_on_rule_section'
\toption table '100'

config probe 'gateway'
\toption type 'arp'
\toption address '192.168.1.254'
\toption interface 'network_on_probe'

config track_interface 'up'
\toption type 'route'
\toption value 'network_on_track'

config bfd_instance 'upstream'
\toption neighbor_ip 'fe80::9'
\toption interface 'network_on_session'

config virtual_server 'web'
\toption ipaddr '192.168.1.1'
\toption port '80'
\tlist real_server 'web1'

config real_server 'web1'
\toption ipaddr 'fe80::80'
\toption lb_kind 'TUN'
\toption interface 'network_on_server'
\toption check 'TCP_CHECK'

config interface_up_down_delays
\toption device 'network_on_delays'
\toption up_delay '5'
"
    );
    let Some(root) = Root::configured(&config) else { return };
    let mut network = root.read("etc/config/network");
    let names = [
        "network_on_delays",
        "network_on_group",
        "network_on_lvs",
        "network_on_probe",
        "network_on_route",
        "network_on_route_section",
        "network_on_rule",
        "network_on_rule_section",
        "network_on_server",
        "network_on_session",
        "network_on_track",
    ];
    let mut expected = vec!["--alias lan=br-lan".to_owned()];
    for (number, name) in names.iter().enumerate() {
        network += &format!("config interface '{name}'\n\toption device 'br{number}'\n");
        expected.push(format!("--alias {name}=br{number}"));
    }
    root.write("etc/config/network", &network);
    let told = root.init("start");
    let mut aliases = those(&told, "append command");
    aliases.sort_unstable();
    assert_eq!(aliases, expected);
    assert_eq!(those(&told, "reload_interface_trigger").len(), expected.len());
    // No device has names that are so long.
    root.succeed("/etc/init.d/vipd check");
}

/// An alias is part of the command, and another command is a restart: mastership would go for nothing.
#[test]
fn a_network_that_goes_down_keeps_its_alias() {
    let Some(root) = Root::configured(&format!("{LAN}\tlist track_interface 'wan'\n")) else { return };
    let network = root.read("etc/config/network");
    root.write(
        "etc/config/network",
        &format!("{network}config interface 'wan'\n\toption proto 'pppoe'\n\toption device 'wan'\n"),
    );
    let never_up = root.init("start");
    assert_eq!(those(&never_up, "append command"), ["--alias lan=br-lan", "--alias wan=pppoe-wan"]);
    root.write("tmp/networks/wan", "ppp7\n");
    let up = root.init("reload");
    assert!(command(&up).ends_with("--alias wan=ppp7"), "{up:#?}");
    fs::remove_file(root.path("tmp/networks/wan")).unwrap();
    fs::remove_file(root.path("tmp/networks/lan")).unwrap();
    assert_eq!(command(&root.init("reload")), command(&up));
}

#[test]
fn a_network_that_is_called_as_its_device_needs_no_alias_and_one_without_a_device_waits() {
    let config = LAN.replace("interface 'lan'", "interface 'wan'") + "\tlist track_interface 'lte'\n";
    let Some(root) = Root::configured(&config) else { return };
    root.write(
        "etc/config/network",
        "config interface 'wan'\n\toption device 'wan'\nconfig interface 'lte'\n\toption device '@wan'\n",
    );
    let told = root.init("start");
    assert!(command(&told).ends_with("--log syslog"), "{told:#?}");
    assert_eq!(those(&told, "set netdev"), ["wan"]);
    assert_eq!(those(&told, "reload_interface_trigger"), ["wan", "lte"]);
}

#[test]
fn a_device_has_the_rule_of_its_zone_and_a_device_without_a_zone_has_none() {
    let config = LAN.replace("interface 'lan'", "interface 'eth1.20'")
        + "\nconfig vrrp_instance 'c'\n\toption interface 'br-lan'\n\nconfig vrrp_instance 'd'\n\toption interface \
           'lan'\n";
    let Some(root) = Root::configured(&config) else { return };
    assert_eq!(rules(&root.init("start")), [RULE_LAN]);
    root.write("tmp/zones/device/eth1.20", "guest\n");
    let told = root.init("reload");
    assert_eq!(rules(&told), [RULE_LAN.replace("lan", "guest").as_str(), RULE_LAN]);
    assert_eq!(those(&told, "set netdev"), ["eth1.20 br-lan"]);
    fs::remove_file(root.path("sbin/fw4")).unwrap();
    assert!(rules(&root.init("reload")).is_empty());
}

#[test]
fn the_port_of_bfd_is_open_to_its_neighbours_where_there_are_any() {
    let config = format!(
        "{LAN}\nconfig bfd_instance 'up'\n\toption neighbor_ip '192.168.1.3'\n\nconfig bfd_instance 'off'\n\toption \
         enabled '0'\n\toption neighbor_ip '192.168.1.4'\n"
    );
    let Some(root) = Root::configured(&config) else { return };
    assert_eq!(
        rules(&root.init("start")),
        [
            RULE_LAN,
            "type=rule name=BFD (192.168.1.3) src=* src_ip=192.168.1.3 proto=udp dest_port=3784 target=ACCEPT"
        ]
    );
}

/// By their addresses, by the names of their sections, one option with two words, and several lines.
#[test]
fn the_port_of_bfd_is_open_to_the_peers_that_have_a_session_and_to_no_others() {
    let config = format!(
        "{LAN}\
\tlist unicast_peer '192.168.1.3 partner'
\tlist unicast_peer 'fe80::3'
\tlist unicast_peer 'by_uci'
\tlist unicast_peer 'nobody'
\tlist unicast_peer '192.168.1.6'
\toption bfd 'yes'

config vrrp_instance 'same'
\toption interface 'lan'
\tlist unicast_peer '192.168.1.3'
\toption bfd '1'

config vrrp_instance 'unwatched'
\toption interface 'lan'
\tlist unicast_peer '192.168.1.7'
\toption bfd '0'

config vrrp_instance 'unasked'
\toption interface 'lan'
\tlist unicast_peer '192.168.1.8'

config vrrp_instance 'off'
\toption enabled '0'
\toption interface 'lan'
\tlist unicast_peer '192.168.1.9'
\toption bfd '1'

config peer
\toption name 'partner'
\toption address '192.168.1.4'

config peer 'by_uci'
\toption address '192.168.1.5'

config peer 'other'
\toption address '192.168.1.10'

config bfd_instance 'slower'
\toption neighbor_ip '192.168.1.6'
\toption min_tx '50'
"
    );
    let Some(root) = Root::configured(&config) else { return };
    let rules = rules(&root.init("start"));
    let neighbours: Vec<_> = rules.iter().filter_map(|rule| rule.split("src_ip=").nth(1)).collect();
    let expected = ["192.168.1.6", "192.168.1.3", "192.168.1.4", "fe80::3", "192.168.1.5"];
    assert_eq!(
        neighbours,
        expected.map(|address| format!("{address} proto=udp dest_port=3784 target=ACCEPT"))
    );
    assert_eq!(rules.len(), 1 + expected.len());
}

#[test]
fn the_firewall_hears_of_a_peer_that_gets_a_session() {
    let Some(root) = Root::configured(&format!("{LAN}\tlist unicast_peer '192.168.1.3'\n")) else { return };
    assert_eq!(rules(&root.init("start")), [RULE_LAN]);
    let config = root.read("etc/config/vipd");
    root.write("etc/config/vipd", &format!("{config}\toption bfd '1'\n"));
    root.write("tmp/running", "");
    assert!(has(&root.init("reload"), "config_changed firewall"));
}

#[test]
fn a_reload_is_the_same_command_and_the_firewall_hears_of_changes_alone() {
    let Some(root) = Root::configured(LAN) else { return };
    let before = root.init("start");
    root.write("etc/config/vipd", &LAN.replace("'10'", "'11'"));
    root.write("tmp/running", "");
    root.take("tmp/ubus");
    let after = root.init("reload");
    // Same command, and a file that has changed: procd sends the signal.
    assert_eq!(command(&after), command(&before));
    assert!(has(&after, "set file /etc/config/vipd") && has(&after, "set reload_signal HUP"));
    assert!(!has(&after, "config_changed firewall"), "{after:#?}");
    assert_eq!(root.take("tmp/ubus"), "");
    root.write("tmp/zones/network/lan", "office\n");
    assert!(has(&root.init("reload"), "config_changed firewall"));
    let stopped = root.init("stop");
    assert!(has(&stopped, "config_changed firewall"), "{stopped:#?}");
    assert_eq!(root.take("tmp/ubus"), "call hotplug.vipd call {\"env\":[\"ACTION=shutdown\"]}\n");
    assert!(!has(&root.init("stop"), "config_changed firewall"), "it has heard");
}

#[test]
fn a_bad_configuration_does_not_touch_what_runs() {
    let Some(root) = Root::configured(LAN) else { return };
    root.init("start");
    root.write("tmp/running", "");
    // Another network too, which would be another command.
    root.write("tmp/networks/lan", "br-other\n");
    root.write("etc/config/vipd", &LAN.replace("'10'", "'256'"));
    let ran = root.run("/etc/init.d/vipd reload");
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert_eq!(root.take("tmp/procd"), "extra_command check\n");
    let log = root.read("tmp/syslog");
    assert!(log.starts_with("-t vipd -p daemon.err /etc/config/vipd:6: virtual_router_id '256'"), "{log}");
    assert!(log.ends_with("not reloaded, the old configuration goes on\n"), "{log}");
    // Where nothing runs, there is nothing to keep: the daemon says what is wrong.
    fs::remove_file(root.path("tmp/running")).unwrap();
    assert!(has(&root.init("reload"), "open_instance"));
}

#[test]
fn disabling_it_takes_the_instance_and_the_rules_away() {
    let Some(root) = Root::configured(LAN) else { return };
    root.init("start");
    root.write("tmp/running", "");
    root.take("tmp/ubus");
    root.write("etc/config/vipd", &LAN.replacen("notify", "enabled '0'\n\toption notify", 1));
    let told = root.init("reload");
    assert!(!has(&told, "open_instance") && has(&told, "config_changed firewall"), "{told:#?}");
    assert_eq!(root.take("tmp/ubus"), "call hotplug.vipd call {\"env\":[\"ACTION=shutdown\"]}\n");
}

#[test]
fn there_is_a_jail_where_there_are_jails_and_no_scripts() {
    let Some(root) = Root::configured(LAN) else { return };
    let jail = |told: &[String]| !those(told, "jail").is_empty();
    root.write_program("sbin/ujail", "#!/bin/sh\n");
    assert!(!jail(&root.init("start")), "a hook would run in it");
    let quiet = LAN.replace("\toption notify '/sbin/hotplug-call'\n", "");
    root.write("etc/config/vipd", &quiet);
    let told = root.init("start");
    for line in [
        "jail vipd log",
        "mount /etc/config",
        "mount_rw /var/run/vipd",
        "set capabilities /etc/capabilities/vipd.json",
        "set no_new_privs 1",
    ] {
        assert!(has(&told, line), "{line}: {told:#?}");
    }
    for script in [
        "\toption notify '/x'\n",
        "\toption claim_script '/x'\n",
        "config vrrp_sync_group\n\toption notify '/x'\n",
        "config vrrp_script\n\toption script '/x'\n",
        "config track_file\n\toption file '/x'\n",
        "config probe\n\toption script '/x'\n",
        "config probe\n\toption type 'ping'\n\toption notify '/x'\n",
        "config vrrp_script\n\toption notify '/x'\n",
        "config track_file\n\toption notify '/x'\n",
        "config track_interface\n\toption notify '/x'\n",
        "config bfd_instance\n\toption notify '/x'\n",
        "config real_server\n\toption misc_path '/x'\n",
        "config real_server\n\toption notify '/x'\n",
        "config real_server\n\toption notify_up '/x'\n",
        "config real_server\n\toption notify_down '/x'\n",
        "config virtual_server\n\toption notify '/x'\n",
        "config virtual_server\n\toption quorum_up '/x'\n",
        "config virtual_server\n\toption quorum_down '/x'\n",
    ] {
        root.write("etc/config/vipd", &format!("{quiet}{script}"));
        assert!(!jail(&root.init("start")), "{script}");
    }
    for (flag, is_jailed) in [("1", false), ("0", true)] {
        let globals = format!("config globals\n\toption realtime '{flag}'\n\toption enabled '1'\n");
        let text = quiet.replacen("config globals 'globals'\n", &globals, 1);
        assert!(text.contains("realtime"));
        root.write("etc/config/vipd", &text);
        assert_eq!(jail(&root.init("start")), is_jailed, "realtime {flag}");
    }
    root.write("etc/config/vipd", &quiet);
    fs::remove_file(root.path("sbin/ujail")).unwrap();
    assert!(!jail(&root.init("start")));
}

/// Not every kernel loads IPVS by itself, and the daemon cannot.
#[test]
fn the_modules_of_the_virtual_servers_schedulers_are_loaded_before_the_start() {
    let server = |name: &str, more: &str| format!("\nconfig virtual_server '{name}'\n{more}");
    let Some(root) = Root::configured(LAN) else { return };
    assert_eq!(those(&root.init("start"), "modprobe"), [""; 0]);
    let servers = server("a", "\toption lb_algo 'rr'\n")
        + &server("b", "")
        + &server("c", "\toption lb_algo 'rr'\n")
        + &server("off", "\toption enabled '0'\n\toption lb_algo 'sh'\n");
    root.write("etc/config/vipd", &format!("{LAN}{servers}"));
    let told = root.init("start");
    assert_eq!(those(&told, "modprobe"), ["ip_vs_rr", "ip_vs_wlc"]);
    let place = |what: &str| told.iter().position(|line| line.starts_with(what)).unwrap();
    assert!(place("modprobe ip_vs_wlc") < place("open_instance"));
}

#[test]
fn status_and_check_are_the_programs_own() {
    let Some(root) = Root::configured(LAN) else { return };
    let ran = root.run("/etc/init.d/vipd status");
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("/var/run/vipd.sock"), "{}", ran.err);
    // Only with its alias is this a device's name.
    root.write("etc/config/network", "config interface 'a_rather_long_name'\n\toption device 'br-lan'\n");
    root.write("etc/config/vipd", &LAN.replace("interface 'lan'", "interface 'a_rather_long_name'"));
    root.succeed("/etc/init.d/vipd check");
    root.write("etc/config/vipd", &LAN.replace("'10'", "'0'"));
    let ran = root.run("/etc/init.d/vipd check");
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with("/etc/config/vipd:6: virtual_router_id '0'"), "{}", ran.out);
}
