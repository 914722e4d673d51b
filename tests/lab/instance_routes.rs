//! Routes and rules that move with an instance, in a real kernel.

use std::thread;

use crate::bench::{Bench, Load};
use crate::harness::{Host, Vipd, eventually, now};
use crate::lone::{Lone, SECOND, config};

const LISTS: &str = "\tlist virtual_routes '198.51.100.0/24 via 10.0.0.254 src 10.0.0.100 dev eth0'\n\
                     \tlist virtual_routes 'default via 10.0.0.254 table 100 metric 7'\n\
                     \tlist virtual_routes 'branch'\n\
                     \tlist virtual_routes 'blackhole 203.0.113.0/24'\n\
                     \tlist virtual_routes '2001:db8:8::/48 via fe80::254 dev eth0'\n\
                     \tlist virtual_rules 'from 10.7.0.0/16 table 100 priority 77'\n\
                     \tlist virtual_rules 'guests'\n";

const SECTIONS: &str = "config route 'branch'\n\toption address '192.0.2.0/24'\n\toption gateway '10.0.0.253'\n\
                        config rule 'guests'\n\toption address 'fd07::/16'\n\toption device 'eth0'\n\
                        \toption table '100'\n\toption priority '78'\n";

/// What is there while it is master: the command, and what a line of its answer says.
const THERE: [(&str, &str); 7] = [
    ("route show", "198.51.100.0/24 via 10.0.0.254 dev eth0 proto 112 src 10.0.0.100"),
    ("route show table 100", "default via 10.0.0.254 dev eth0 proto 112 metric 7"),
    ("route show", "192.0.2.0/24 via 10.0.0.253 dev eth0 proto 112"),
    ("route show", "blackhole 203.0.113.0/24 proto 112"),
    ("-6 route show", "2001:db8:8::/48 via fe80::254 dev eth0 proto 112 metric 1024"),
    ("-details rule show", "77:\tfrom 10.7.0.0/16 lookup 100 proto 112"),
    ("-details -6 rule show", "78:\tfrom fd07::/16 iif eth0 lookup 100 proto 112"),
];

fn full(priority: u8) -> String {
    format!("{}{LISTS}{SECTIONS}", config(priority, &["10.0.0.100/24"]))
}

/// One that listens for so long that nothing happens meanwhile.
fn patient() -> String {
    full(1).replace("advert_int '0.1'", "advert_int '5'")
}

/// How often it is there.
fn count(host: &Host, (command, line): (&str, &str)) -> usize {
    host.ip(command).lines().filter(|it| squeezed(it).contains(line)).count()
}

/// `ip` puts more than one blank in some places.
fn squeezed(line: &str) -> String {
    line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn wait_for_all(host: &Host, times: usize) {
    for wanted in THERE {
        eventually(&format!("{wanted:?} is there {times} times"), SECOND * 3, || {
            (count(host, wanted) == times).then_some(())
        });
    }
}

#[test]
fn routes_and_rules_are_there_while_it_is_master_and_gone_afterwards() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&full(200));
    lone.wait_master("10.0.0.100");
    wait_for_all(&lone.host, 1);
    lone.vipd.process().terminate();
    assert_eq!(lone.vipd.process().wait(SECOND * 2).code(), Some(0));
    for wanted in THERE {
        assert_eq!(count(&lone.host, wanted), 0, "{wanted:?}");
    }
    assert!(!lone.vipd.log().contains("refused"), "{}", lone.vipd.log());
}

#[test]
fn a_crash_and_a_restart_leave_nothing_twice_and_a_backup_takes_back_what_a_crash_left() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&full(200));
    lone.wait_master("10.0.0.100");
    wait_for_all(&lone.host, 1);
    lone.vipd.process().kill();
    wait_for_all(&lone.host, 1);
    let mut again = Vipd::start(&lone.host, &full(200));
    lone.wait_master_since("10.0.0.100", now());
    wait_for_all(&lone.host, 1);
    again.process().kill();
    // Another gateway than before: it is taken back all the same.
    let _backup = Vipd::start(&lone.host, &patient().replace("10.0.0.254", "10.0.0.252"));
    wait_for_all(&lone.host, 0);
}

#[test]
fn what_somebody_removes_is_put_back_and_mastership_kept() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let lone = Lone::start(&full(200));
    let (since, _) = lone.wait_master("10.0.0.100");
    wait_for_all(&lone.host, 1);
    thread::sleep(SECOND * 3 / 2);
    lone.host.ip("route flush 198.51.100.0/24");
    eventually("at once", SECOND / 4, || (count(&lone.host, THERE[0]) == 1).then_some(()));
    for command in [
        "rule del priority 77",
        "-6 rule del priority 78",
        "-6 route del 2001:db8:8::/48",
        "route del 203.0.113.0/24",
    ] {
        lone.host.ip(command);
    }
    wait_for_all(&lone.host, 1);
    lone.host.ip("route flush table 100");
    wait_for_all(&lone.host, 1);
    lone.was_master_since(since);
}

#[test]
fn what_a_device_takes_with_it_is_back_when_the_device_is() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let text = full(200)
        .replace("192.0.2.0/24'", "192.0.2.0/24'\n\toption device 'wan0'")
        .replace("10.0.0.253", "10.9.0.253")
        .replace("\toption priority '200'\n", "\toption priority '200'\n\toption dont_track_primary '1'\n");
    let lone = Lone::start(&text);
    lone.wait_master("10.0.0.100");
    let branch = ("route show", "192.0.2.0/24 via 10.9.0.253 dev wan0 proto 112");
    for _ in 0..2 {
        assert_eq!(count(&lone.host, branch), 0, "there is no such device");
        lone.host.add_idle_device("wan0");
        lone.host.ip("link set wan0 up");
        lone.host.ip("address add 10.9.0.1/24 dev wan0");
        eventually("it is there", SECOND * 3, || (count(&lone.host, branch) == 1).then_some(()));
        lone.host.ip("link del wan0");
    }
    for _ in 0..2 {
        lone.host.ip("link set eth0 down");
        thread::sleep(SECOND / 5);
        assert_eq!(count(&lone.host, THERE[0]), 0);
        lone.host.ip("link set eth0 up");
        eventually("it is back", SECOND * 3, || (count(&lone.host, THERE[0]) == 1).then_some(()));
    }
}

#[test]
fn foreign_routes_and_rules_are_never_touched() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let foreign = [
        ("route show", "198.51.100.0/24 via 10.0.0.9 dev eth0"),
        ("route show table 100", "default via 10.0.0.9 dev eth0 metric 7"),
        ("-6 route show", "2001:db8:8::/48 via fe80::9 dev eth0 metric 512"),
        ("-details rule show", "77:\tfrom 10.7.0.0/16 lookup 101"),
    ];
    let mut lone = Lone::prepared(&full(200), |host| {
        host.ip("route add 198.51.100.0/24 via 10.0.0.9");
        host.ip("route add default via 10.0.0.9 table 100 metric 7");
        host.ip("-6 route add 2001:db8:8::/48 via fe80::9 dev eth0 metric 512");
        host.ip("rule add from 10.7.0.0/16 table 101 priority 77");
    });
    lone.wait_master("10.0.0.100");
    wait_for_all(&lone.host, 1);
    for wanted in foreign {
        assert_eq!(count(&lone.host, wanted), 1, "{wanted:?}");
    }
    let chosen = lone.host.ip("route get 198.51.100.7");
    assert!(chosen.contains("via 10.0.0.254"), "ours comes first: {chosen}");
    lone.vipd.process().terminate();
    lone.vipd.process().wait(SECOND * 2);
    for wanted in foreign {
        assert_eq!(count(&lone.host, wanted), 1, "{wanted:?}");
    }
    let chosen = lone.host.ip("route get 198.51.100.7");
    assert!(chosen.contains("via 10.0.0.9"), "{chosen}");
}

#[test]
fn a_reload_changes_what_has_changed_and_leaves_the_rest() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut lone = Lone::start(&full(200));
    let (since, _) = lone.wait_master("10.0.0.100");
    wait_for_all(&lone.host, 1);
    let text =
        full(200).replace("via 10.0.0.254 table 100", "via 10.0.0.252 table 100").replace("'branch'", "");
    lone.vipd.rewrite(&text);
    lone.vipd.process().signal(libc::SIGHUP);
    let other = ("route show table 100", "default via 10.0.0.252 dev eth0 proto 112 metric 7");
    eventually("the new one is there", SECOND * 2, || (count(&lone.host, other) == 1).then_some(()));
    assert_eq!(count(&lone.host, THERE[1]) + count(&lone.host, THERE[2]), 0);
    assert_eq!(count(&lone.host, THERE[0]), 1);
    lone.was_master_since(since);
}

#[test]
fn a_route_that_the_kernel_refuses_is_said_once_and_added_as_soon_as_it_can_be() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let text = config(200, &["10.0.0.100/24"]) + "\tlist virtual_routes '192.0.2.0/24 via 10.9.9.9'\n";
    let lone = Lone::start(&text);
    let (since, _) = lone.wait_master("10.0.0.100");
    thread::sleep(SECOND * 3);
    let said = lone.vipd.log();
    assert_eq!(said.matches("the route to 192.0.2.0/24 is refused: errno 101").count(), 1, "{said}");
    lone.host.add_idle_device("wan0");
    lone.host.ip("link set wan0 up");
    lone.host.ip("address add 10.9.9.1/24 dev wan0");
    let wanted = ("route show", "192.0.2.0/24 via 10.9.9.9 dev wan0 proto 112");
    eventually("it is there", SECOND * 2, || (count(&lone.host, wanted) == 1).then_some(()));
    lone.was_master_since(since);
}
