//! One keepalived.conf for two routers: keepalived runs it as it is, and vipd what it is imported as.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load, skip};
use crate::harness::{
    Capture, Frame, Host, Keepalived, Port, Process, Segment, Vipd, Workspace, eventually, now,
};

const SECOND: Duration = Duration::from_secs(1);

/// What both have to read in the same way, and much of which is not as it seems.
const FILE: &str = r#"
! One file for all routers of the site.
global_defs {
    router_id ${_INSTANCE}              # the one of the -i
    vrrp_garp_master_delay 1
}
$PASSWORD="longer than eight"
$LAN= \
virtual_ipaddress { \
    10.7.0.100/24 label eth0:lan \
    ~SEQ(LAST, 101, 2, 105) 10.7.0.${LAST} \
}

vrrp_script yes { script "/bin/true"
    interval 1
    weight 7
}

vrrp_sync_group SITE {
    group {
        LAN
        FAST
    }
}

vrrp_instance LAN {
    state BACKUP
    interface eth0
    virtual_router_id 51
    @first priority 150
    @^first priority 100
    advert_int 0.7                      ! which is 1 in version 2
    authentication {
        auth_type PASS
        auth_pass $PASSWORD
    }
    track_script { yes }                # keepalived ignores a weight in a group
    track_interface { wan weight -30    # the same, but while it is up 2.2.7 adds a positive one
    }
    $LAN
}

vrrp_instance FAST
{
    interface eth0
    virtual_router_id 52
    version 3
    @first priority 150
    @second priority 100
    advert_int 0.2
    virtual_ipaddress { 10.7.0.110/24 dev eth0
    }
}

vrrp_instance SIX {
    interface eth0
    virtual_router_id 53
    @first priority 150
    advert_int 0.25
    authentication { auth_type PASS
        auth_pass none }
    virtual_ipaddress {
        fe80::7/64
        2001:db8::7/64
        10.7.0.77
    }
    track_script { yes }
    track_interface {
        wan weight 20
    }
}
"#;

/// Alone, for what only a router that has nobody beside it would do.
const ALONE: &str = r#"
vrrp_instance OWNER {
    state MASTER
    interface eth0
    virtual_router_id 54
    nopreempt
    virtual_ipaddress { 10.7.0.54/24 }
}
"#;

/// All virtual addresses.
const ADDRESSES: [&str; 7] = [
    "10.7.0.100/24",
    "10.7.0.101/32",
    "10.7.0.103/32",
    "10.7.0.105/32",
    "10.7.0.110/24",
    "fe80::7/64",
    "2001:db8::7/64",
];

/// Whether the program under test imports, by what it tells of its build.
fn imports(host: &Host) -> bool {
    let mut command = host.command(&Vipd::binary().to_string_lossy());
    let output = command.args(["--version", "--verbose"]).output().expect("the binary can be run");
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let built = said.lines().find_map(|line| line.strip_prefix("built in:")).expect("it names its features");
    built.split(' ').any(|feature| feature == "import")
}

/// What `vipd import` makes of a file, if this build imports. The file of these tests has lines that are not carried
/// over, and says so by its exit code.
fn imported(host: &Host, text: &str, id: &str) -> Option<String> {
    if !imports(host) {
        skip("this build does not import");
        return None;
    }
    let workspace = Workspace::new();
    let path = workspace.write("keepalived.conf", text);
    let mut command = host.command(&Vipd::binary().to_string_lossy());
    let output = command.args(["import", "-i", id]).arg(path).output().expect("the binary can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The VRRP message in a frame, whole.
fn message(frame: &Frame) -> Option<(bool, u8, Vec<u8>)> {
    let vrrp = frame.vrrp()?;
    let ip = frame.bytes.get(14..)?;
    let message = if vrrp.source.is_ipv4() {
        let len = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        ip.get(usize::from(ip[0] & 15) * 4..len)?
    } else {
        let len = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
        ip.get(40..40 + len)?
    };
    Some((vrrp.source.is_ipv4(), vrrp.vrid, message.to_vec()))
}

/// The last message of each virtual router since a moment.
fn last_messages(capture: &Capture, from: Duration) -> BTreeMap<(bool, u8), Vec<u8>> {
    let frames = capture.between(from, now());
    frames.iter().filter_map(message).map(|(is_v4, vrid, message)| ((is_v4, vrid), message)).collect()
}

fn router(lan: &Segment, name: &str, address: &str) -> (Host, Port) {
    let host = Host::new(name);
    let port = lan.attach_with(&host, "eth0", &[address]);
    host.add_idle_device("wan");
    (host, port)
}

/// Byte for byte, priority, interval, password and checksum among them.
#[test]
fn what_is_imported_advertises_what_keepalived_does_with_the_same_file() {
    let Some(_bench) = Bench::take(Load::Light, &[Keepalived::missing()]) else { return };
    let text = [FILE, ALONE].concat();
    let lan = Segment::new();
    let capture = lan.capture();
    let (host, _port) = router(&lan, "router", "10.7.0.2/24");
    let Some(uci) = imported(&host, &text, "first") else { return };
    let settled = |what: &str| {
        eventually(what, SECOND * 8, || ADDRESSES.iter().all(|vip| host.has("eth0", vip)).then_some(()));
        // The script has had its say.
        thread::sleep(SECOND * 2);
        let from = now();
        thread::sleep(SECOND * 3);
        let mut addresses = host.addresses("eth0");
        addresses.sort();
        (last_messages(&capture, from), addresses)
    };
    let mut keepalived = Keepalived::start_with(&host, &text, &["-i", "first"]);
    let (theirs, their_addresses) = settled("keepalived has the addresses");
    keepalived.process().terminate();
    keepalived.process().wait(SECOND * 5);
    eventually("the addresses are gone", SECOND * 3, || (!host.has("eth0", ADDRESSES[0])).then_some(()));
    let mut vipd = Vipd::start(&host, &uci);
    let (ours, our_addresses) = settled("vipd has the addresses");
    assert_eq!(theirs.len(), 4, "{theirs:?}");
    assert_eq!(ours, theirs);
    assert_eq!(our_addresses, their_addresses);
    vipd.process().terminate();
}

/// One of the two daemons, as a router of the site.
enum Daemon {
    Keepalived(Keepalived),
    Vipd(Vipd),
}

impl Daemon {
    fn process(&mut self) -> &mut Process {
        match self {
            Self::Keepalived(daemon) => daemon.process(),
            Self::Vipd(daemon) => daemon.process(),
        }
    }

    fn restart(&mut self) {
        match self {
            Self::Keepalived(daemon) => daemon.restart(),
            Self::Vipd(daemon) => daemon.restart(),
        }
    }
}

/// Waits until one host has all addresses, and the other one none.
fn wait_holder(holder: &Host, other: &Host) {
    eventually("all addresses are in one place", SECOND * 10, || {
        let has_all = ADDRESSES.iter().all(|vip| holder.has("eth0", vip));
        let has_none = !ADDRESSES.iter().any(|vip| other.has("eth0", vip));
        (has_all && has_none).then_some(())
    });
}

/// The addresses are with the first router; go to the second one when it ends, and come back when it returns.
fn move_both_ways(is_vipd_first: bool) {
    let Some(_bench) = Bench::take(Load::Light, &[Keepalived::missing()]) else { return };
    let text = FILE;
    let lan = Segment::new();
    let capture = lan.capture();
    let (first, first_port) = router(&lan, "first", "10.7.0.2/24");
    let (second, second_port) = router(&lan, "second", "10.7.0.3/24");
    let start = |host: &Host, id: &str, is_vipd: bool| {
        if is_vipd {
            Some(Daemon::Vipd(Vipd::start(host, &imported(host, text, id)?)))
        } else {
            Some(Daemon::Keepalived(Keepalived::start_with(host, text, &["-i", id])))
        }
    };
    let Some(mut daemon) = start(&first, "first", is_vipd_first) else { return };
    let Some(_other) = start(&second, "second", !is_vipd_first) else { return };
    wait_holder(&first, &second);
    daemon.process().terminate();
    daemon.process().wait(SECOND * 5);
    wait_holder(&second, &first);
    daemon.restart();
    wait_holder(&first, &second);
    // Nobody talks any more who has nothing.
    let from = now() + SECOND * 2;
    thread::sleep(SECOND * 5);
    assert!(
        capture
            .between(from, now())
            .iter()
            .all(|frame| frame.vrrp().is_none() || frame.port != second_port.index())
    );
    for vrid in [51, 52, 53] {
        assert!(!capture.adverts(&first_port, vrid, from).is_empty(), "{vrid}");
    }
}

#[test]
fn the_addresses_go_from_keepalived_to_what_was_imported_and_back() {
    move_both_ways(false);
}

#[test]
fn the_addresses_go_from_what_was_imported_to_keepalived_and_back() {
    move_both_ways(true);
}
