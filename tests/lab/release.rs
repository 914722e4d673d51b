//! `vipd release`: a switch-over by hand, as a client sees it that pings a thousand times a second.
//!
//! A round in which the machine stood still says nothing of vipd, and is tried again.

use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Capture, Client, Host, Noise, Port, Segment, Vipd, eventually, now};
use crate::lone::{Lone, SECOND, VRID, announced, config};

const V4: &str = "10.0.0.100";
const V6: &str = "2001:db8::100";

/// About the takeover, in which a stall of a few milliseconds costs as many pings.
const MOMENT: Duration = Duration::from_millis(30);

/// How often a round is tried for the ones that count.
const TRIES_MAX: usize = 16;

/// The exit code, and what was printed.
fn ask(daemon: &Vipd, words: &[&str]) -> (Option<i32>, String) {
    let output = daemon.ask(words);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

/// A switch-over that is tried.
struct Trial {
    /// Of the router of this priority.
    text: fn(u8) -> String,
    /// What is pinged, and the device it stands on.
    vip: &'static str,
    device: &'static str,
    /// A down interval of the one that was released, rounded up.
    settled: Duration,
    /// The advert that turns the switch is out before the kernel has switched the device on: that long nobody answers.
    waits_for_device: bool,
}

/// Two routers, and somebody who pings.
struct Scene {
    hosts: [Host; 2],
    ports: [Port; 2],
    daemons: [Vipd; 2],
    user: Host,
    capture: Capture,
    // They end with their cables.
    _lans: [Segment; 2],
}

impl Scene {
    fn start(trial: &Trial) -> Self {
        let (lan, wan) = (Segment::new(), Segment::new());
        let capture = lan.capture();
        let hosts = [Host::new("first"), Host::new("second")];
        let ports = [0, 1].map(|index| {
            let (host, number) = (&hosts[index], index + 1);
            wan.attach_with(host, "eth1", &[&format!("10.9.0.{number}/24")]);
            attach(&lan, host, number)
        });
        let user = Host::new("user");
        attach(&lan, &user, 9);
        let daemons =
            [Vipd::start(&hosts[0], &(trial.text)(200)), Vipd::start(&hosts[1], &(trial.text)(100))];
        Self { hosts, ports, daemons, user, capture, _lans: [lan, wan] }
    }

    fn wait_holder(&self, which: usize, trial: &Trial) {
        eventually(&format!("router {which} alone has the address"), trial.settled + SECOND * 2, || {
            let has = |host: &Host| {
                host.try_ip(&format!("link show dev {}", trial.device)) && host.has(trial.device, trial.vip)
            };
            (has(&self.hosts[which]) && !has(&self.hosts[1 - which])).then_some(())
        });
    }

    /// There and back. Returns how many pings were lost on the way there, and how many may be; `None`: the machine was in
    /// the way.
    fn round(&self, trial: &Trial) -> Option<(usize, usize)> {
        let client = Client::start(&self.user, trial.vip.parse().unwrap(), SECOND / 1000);
        eventually("pings are answered", SECOND * 2, || (client.answered() > 100).then_some(()));
        let released = now();
        assert_eq!(ask(&self.daemons[0], &["release", "lan"]), (Some(0), String::new()));
        let (taken, _) = self.capture.wait_advert(&self.ports[1], VRID, released, SECOND * 2);
        let vip = Some(trial.vip.parse().unwrap());
        let claimed = self.capture.wait("an announcement", taken, SECOND, |frame| {
            (frame.port == self.ports[1].index() && announced(frame) == vip).then_some(frame.at)
        });
        thread::sleep(SECOND / 2);
        self.wait_holder(1, trial);
        let (code, status) = ask(&self.daemons[0], &["status"]);
        assert_eq!(code, Some(0));
        assert!(status.contains("released by hand"), "{status}");
        let to = now();
        let pings = client.stop();
        let stall = Noise::observer().worst(released, to);
        let (after, claim) = (taken - released, claimed - taken);
        assert!(pings.list.iter().filter(|(sent, _)| (released..to).contains(sent)).count() > 300);
        let lost = pings.lost(released, to);
        eprintln!(
            "taken over after {after:?}, claimed after {claim:?}, {lost} lost (the machine stalled for {stall:?})"
        );

        let reclaimed = now();
        assert_eq!(ask(&self.daemons[0], &["reclaim", "lan"]), (Some(0), String::new()));
        self.capture.wait_advert(&self.ports[0], VRID, reclaimed, trial.settled + SECOND);
        self.wait_holder(0, trial);
        thread::sleep(SECOND / 5);
        let may_be = if trial.waits_for_device { 2 + claim.as_millis() as usize } else { 1 };
        let is_quiet = Noise::observer().is_quiet(taken - MOMENT, taken + MOMENT);
        (stall.is_zero() && is_quiet).then_some((lost, may_be))
    }
}

fn attach(lan: &Segment, host: &Host, number: usize) -> Port {
    let port = lan.attach_with(host, "eth0", &[&format!("10.0.0.{number}/24")]);
    host.ip(&format!("address add 2001:db8::{number}/64 dev eth0 nodad"));
    port
}

/// As many rounds as that without a stall, and none of them loses more than it may.
fn loses_hardly_any(trial: &Trial, rounds: usize) {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let scene = Scene::start(trial);
    scene.capture.wait_advert(&scene.ports[0], VRID, Duration::ZERO, trial.settled + SECOND * 5);
    scene.wait_holder(0, trial);
    thread::sleep(trial.settled);
    let mut clean = 0;
    for _ in 0..TRIES_MAX {
        if let Some((lost, may_be)) = scene.round(trial) {
            assert!(lost <= may_be, "{lost} pings of a thousand a second were lost");
            clean += 1;
        }
        if clean == rounds {
            return;
        }
    }
    panic!("the machine was in the way in all but {clean} of {TRIES_MAX} rounds");
}

#[test]
fn a_switch_over_by_hand_loses_at_most_one_ping_of_a_thousand_a_second() {
    let settled = SECOND / 2;
    let text = |priority| config(priority, &["10.0.0.100/24"]);
    loses_hardly_any(&Trial { text, vip: V4, device: "eth0", settled, waits_for_device: false }, 3);
}

/// RFC 3768: seconds, where the other ones wait for tenths.
#[test]
fn a_switch_over_by_hand_of_version_2_loses_at_most_one_ping() {
    let settled = SECOND * 4;
    let text = |priority| {
        let version_3 = config(priority, &["10.0.0.100/24"]);
        version_3.replace("version '3'", "version '2'").replace("advert_int '0.1'", "advert_int '1'")
    };
    loses_hardly_any(&Trial { text, vip: V4, device: "eth0", settled, waits_for_device: false }, 1);
}

#[test]
fn a_switch_over_by_hand_over_ipv6_loses_at_most_one_ping() {
    let settled = SECOND / 2;
    let text = |priority| config(priority, &["fe80::100/64", "2001:db8::100/64"]);
    loses_hardly_any(&Trial { text, vip: V6, device: "eth0", settled, waits_for_device: false }, 1);
}

/// The lan's and the wan's instance go together; the request names one of them.
#[test]
fn a_switch_over_by_hand_of_a_sync_group_loses_at_most_one_ping() {
    let settled = SECOND / 2;
    let text = |priority| {
        let wan = config(priority, &["10.9.0.100/24"]);
        let wan = wan.replace("'lan'", "'wan'").replace("'eth0'", "'eth1'");
        let groups = "config vrrp_sync_group 'edge'\n\tlist group 'lan'\n\tlist group 'wan'\n";
        config(priority, &["10.0.0.100/24"]) + &wan + groups
    };
    loses_hardly_any(&Trial { text, vip: V4, device: "eth0", settled, waits_for_device: false }, 1);
}

/// RFC 9568 §7.3: not the host's table but the switch's is what changes.
#[cfg(feature = "vmac")]
#[test]
fn a_switch_over_by_hand_with_virtual_macs_loses_what_is_sent_while_the_device_is_switched_on() {
    let settled = SECOND / 2;
    let text = |priority| config(priority, &["10.0.0.100/24"]) + "\toption use_vmac '1'\n";
    loses_hardly_any(&Trial { text, vip: V4, device: "vrrp.7", settled, waits_for_device: true }, 1);
}

#[test]
fn the_release_of_an_instance_that_is_not_there_is_refused() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let host = Host::new("router");
    let daemon = Vipd::start(&host, &config(200, &["10.0.0.100/24"]));
    eventually("it answers", SECOND * 3, || daemon.try_status());
    let (code, text) = ask(&daemon, &["release", "nobody"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("there is no instance or group 'nobody'"), "{text}");
}

/// The name of its group does, too; and with nobody to follow, the addresses go after four intervals.
#[test]
fn a_released_group_without_a_successor_says_when_it_goes_and_comes_back_when_it_is_reclaimed() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let text = config(200, &["10.0.0.100/24"]).replace("'0.1'", "'1'");
    let lone = Lone::start(&(text + "\nconfig vrrp_sync_group 'house'\n\tlist group 'lan'\n"));
    lone.wait_master(V4);
    assert_eq!(ask(&lone.vipd, &["release", "house"]), (Some(0), String::new()));
    let (_, table) = ask(&lone.vipd, &["status"]);
    assert!(table.contains("; released by hand; goes in "), "{table}");
    let record = || lone.vipd.status()["instances"][0].take();
    let leaving = record();
    assert_eq!((&leaving["state"], &leaving["released"]), (&"master".into(), &true.into()), "{leaving}");
    let (_, metrics) = ask(&lone.vipd, &["status", "--prometheus"]);
    assert!(metrics.contains("\nvipd_released{instance=\"lan\","), "{metrics}");
    eventually("it has gone", SECOND * 6, || (!lone.host.has("eth0", V4)).then_some(()));
    let gone = record();
    assert_eq!((&gone["state"], &gone["released"]), (&"initialize".into(), &true.into()), "{gone}");
    assert_eq!(ask(&lone.vipd, &["reclaim", "house"]), (Some(0), String::new()));
    eventually("it is back", SECOND * 6, || lone.host.has("eth0", V4).then_some(()));
    assert_eq!(record()["released"], false);
}
