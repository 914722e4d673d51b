//! A stranger who sends rubbish. What is rejected touches nothing (law 10): the master's adverts leave on
//! time, and the pair does not flap. keepalived 2.2.7 and 2.4.3 fall silent for most of these packets.

use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{
    Capture, Flooder, Forged, Host, KINDS, Noise, OURS, Port, SHAPES, Segment, Shape, Sum, Verdict, Vipd,
    eventually, forged, now,
};
use crate::kinds;
use crate::lone::{INTERVAL, SECOND, VRID, config};

/// One way to spoil an advertisement.
type Spoil = (&'static str, fn(&mut Forged));

/// What both versions must reject, from a stranger whose priority would win.
const SPOILED: [Spoil; 23] = [
    ("wrong checksum", |it| it.sum = Sum::Wrong),
    ("no checksum", |it| it.sum = Sum::Zero),
    ("TTL 254", |it| it.ttl = 254),
    ("TTL 1", |it| it.ttl = 1),
    ("version 1", |it| it.version = 1),
    ("version 4", |it| it.version = 4),
    ("type 0", |it| it.kind = 0),
    ("type 2", |it| it.kind = 2),
    ("fixed part only", |it| it.cut = Some(8)),
    ("cut to 6 bytes", |it| it.cut = Some(6)),
    ("no bytes at all", |it| it.cut = Some(0)),
    ("one byte too long", |it| it.trailer.push(0)),
    ("eight bytes too long", |it| it.trailer.extend([0; 8])),
    ("count 0", |it| it.count = 0),
    ("count 255", |it| it.count = 255),
    ("VRID 0", |it| it.vrid = 0),
    ("another VRID", |it| it.vrid = 8),
    ("interval 0", |it| it.bytes_4_5[1] = 0),
    ("our own source address", |it| it.source = [10, 0, 0, 1].into()),
    ("source 0.0.0.0", |it| it.source = [0; 4].into()),
    ("unicast", |it| it.destination = [10, 0, 0, 1].into()),
    ("wrong IP checksum", |it| it.ip_sum_is_wrong = true),
    ("longer than its frame", |it| it.ip_length_beyond = 9),
];

/// What only version 2 rejects: its password and its interval.
const SPOILED_V2: [Spoil; 5] = [
    ("another password", |it| it.trailer[0] = b'2'),
    ("a password with a tail", |it| it.trailer[7] = b'2'),
    ("no authentication", |it| it.bytes_4_5[0] = 0),
    ("authentication type 2", |it| it.bytes_4_5[0] = 2),
    ("another interval", |it| it.bytes_4_5[1] = 2),
];

struct Siege {
    capture: Capture,
    _lan: Segment,
    ports: [Port; 2],
    daemons: [Vipd; 2],
    hosts: [Host; 2],
    stranger: Flooder,
    stranger_port: Port,
    address: &'static str,
}

impl Siege {
    /// A healthy pair of priorities 100 and 50, and a stranger.
    fn lay(config: impl Fn(u8) -> String) -> Self {
        Self::lay_for("10.0.0.100", &[config(100), config(50)], |hosts| {
            hosts[0].ip("address add 10.0.0.1/24 dev eth0");
        })
    }

    /// A pair of this shape, the master under the addresses that the kinds are made for.
    fn of_shape(shape: Shape) -> Self {
        let text = kinds::config(shape);
        let peer = |address| format!("\tlist unicast_peer '{address}'\n");
        let stranger = peer("10.0.0.66");
        let others =
            if text.contains(&stranger) { [peer("10.0.0.2"), peer(OURS[0])] } else { Default::default() };
        let backup = text.replace("'100'", "'50'").replace(OURS[1], "fe80::2").replace(&stranger, "");
        let address = if shape == Shape::V3Ipv6 { "fe80::100" } else { "10.0.0.100" };
        Self::lay_for(address, &[text + &others[0], backup + &others[1]], |hosts| {
            kinds::take_our_place(&hosts[0]);
            hosts[1].ip("address add fe80::2/64 dev eth0 nodad");
        })
    }

    fn lay_for(address: &'static str, configs: &[String; 2], prepare: impl Fn(&[Host; 2])) -> Self {
        let lan = Segment::new();
        let capture = lan.capture();
        let hosts = [Host::new("master"), Host::new("backup")];
        let stranger = Host::new("stranger");
        let ports = [lan.attach(&hosts[0], "eth0"), lan.attach_with(&hosts[1], "eth0", &["10.0.0.2/24"])];
        prepare(&hosts);
        let stranger_port = lan.attach_with(&stranger, "eth0", &["10.0.0.66/24"]);
        let daemons = [Vipd::start(&hosts[0], &configs[0]), Vipd::start(&hosts[1], &configs[1])];
        let siege = Self {
            capture,
            _lan: lan,
            ports,
            daemons,
            hosts,
            stranger: Flooder::new(&stranger, "eth0"),
            stranger_port,
            address,
        };
        siege.capture.wait_advert(&siege.ports[0], VRID, Duration::ZERO, SECOND * 6);
        eventually("the master has the address", SECOND, || {
            siege.hosts[0].has("eth0", address).then_some(())
        });
        siege
    }

    fn frames(&self, flawless: &Forged, spoils: &[Spoil]) -> Vec<(&'static str, Vec<u8>)> {
        let forge = |(name, spoil): &Spoil| {
            let mut forged = flawless.clone();
            spoil(&mut forged);
            (*name, forged.frame(self.stranger_port.mac()))
        };
        spoils.iter().map(forge).collect()
    }

    /// The master was master all the time, on schedule, and nobody else spoke.
    fn unmoved(&self, since: Duration, interval: Duration, during: &str) {
        let until = now();
        let others = self.capture.adverts(&self.ports[1], VRID, since);
        let count = others.len();
        assert!(others.is_empty(), "{during}: the backup took over and sent {count} adverts");
        let mut adverts = self.capture.adverts(&self.ports[0], VRID, since);
        // A unicast router says the same to every peer.
        if let Some(to) = adverts.last().map(|(_, vrrp)| vrrp.destination) {
            adverts.retain(|(_, vrrp)| vrrp.destination == to);
        }
        let expected = (until - since).as_millis() / interval.as_millis();
        assert!(adverts.len() as u128 + 1 >= expected, "{during}: {} of {expected} adverts", adverts.len());
        assert!(adverts.len() as u128 <= expected + 1, "{during}: {} for {expected} adverts", adverts.len());
        assert!(adverts.iter().all(|(_, vrrp)| vrrp.priority == 100), "{during}");
        let Some((first, _)) = adverts.first() else { return };
        let late = adverts.iter().zip(0..).map(|((at, _), number)| {
            let due = *first + interval * number;
            at.max(&due).saturating_sub(*at.min(&due))
        });
        let worst = late.max().unwrap_or_default();
        let stall = Noise::observer().worst(since, until);
        let room = Duration::from_millis(20) + stall;
        assert!(worst <= room, "{during}: an advert left {worst:?} off its schedule (stall {stall:?})");
        assert!(self.hosts[0].has("eth0", self.address), "{during}: the address is there");
        assert_eq!(self.capture.dropped(), 0, "the capture is complete");
    }
}

/// Two invalid packets per interval mute a keepalived; here each kind comes fifty times per interval.
#[test]
fn no_kind_of_invalid_packet_moves_a_pair_of_version_3() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let siege = Siege::lay(|priority| config(priority, &["10.0.0.100/24"]));
    let frames = siege.frames(&Forged::version_3(200), &SPOILED);
    for (name, frame) in frames {
        let from = now();
        siege.stranger.flood(&[frame], 500, INTERVAL * 5);
        siege.unmoved(from, INTERVAL, name);
    }
    // The instrument is sharp: without a flaw the same packet wins.
    let frame = Forged::version_3(200).frame(siege.stranger_port.mac());
    siege.stranger.flood(&[frame], 20, INTERVAL * 3);
    eventually("the flawless packet moves the master", SECOND, || {
        (!siege.hosts[0].has("eth0", "10.0.0.100")).then_some(())
    });
    let status = siege.daemons[0].status();
    let dropped = &status["instances"][0]["dropped"];
    for reason in ["checksum", "ttl", "version", "type", "short", "long", "count", "interval_zero", "cast"] {
        assert!(dropped[reason].as_u64() > Some(50), "RX22: {reason} is counted: {status}");
    }
}

#[test]
fn no_kind_of_invalid_packet_moves_a_pair_of_version_2_with_a_password() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let siege = Siege::lay(|priority| {
        format!(
            "config vrrp_instance 'lan'\n\toption interface 'eth0'\n\toption virtual_router_id '{VRID}'\n\
             \toption priority '{priority}'\n\toption auth_type 'PASS'\n\toption auth_pass '1111'\n\
             \tlist virtual_ipaddress '10.0.0.100/24'\n"
        )
    });
    let flawless = Forged::version_2(200);
    let frames = siege.frames(&flawless, &SPOILED);
    let more = siege.frames(&flawless, &SPOILED_V2);
    let frames: Vec<_> = frames.into_iter().chain(more).map(|(_, frame)| frame).collect();
    let from = now();
    siege.stranger.flood(&frames, 500, SECOND * 6);
    siege.unmoved(from, SECOND, "all kinds in turn");
    siege.stranger.flood(&[flawless.frame(siege.stranger_port.mac())], 2, SECOND);
    eventually("the flawless packet moves the master", SECOND, || {
        (!siege.hosts[0].has("eth0", "10.0.0.100")).then_some(())
    });
}

/// keepalived sends no advert of its own under 3000 of these a second.
#[test]
fn a_flood_of_invalid_packets_does_not_delay_an_advert() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let siege = Siege::lay(|priority| config(priority, &["10.0.0.100/24"]));
    let frames = siege.frames(&Forged::version_3(200), &SPOILED);
    let frames: Vec<_> = frames.into_iter().map(|(_, frame)| frame).collect();
    let from = now();
    let sent = siege.stranger.flood(&frames, 3000, SECOND * 4);
    siege.unmoved(from, INTERVAL, "3000 invalid packets a second");
    assert!(sent > 9000, "it was a flood: {sent}");
}

/// keepalived answers each of these with an advert and five announcements: 15,000 a second.
#[test]
fn a_storm_of_lower_priorities_is_answered_within_limits() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    let siege = Siege::lay(|priority| config(priority, &["10.0.0.100/24"]));
    thread::sleep(SECOND * 6); // past the second burst
    let frame = Forged::version_3(1).frame(siege.stranger_port.mac());
    let from = now();
    let sent = siege.stranger.flood(&[frame], 3000, SECOND * 4);
    assert!(sent > 9000, "it was a storm: {sent}");
    let adverts = siege.capture.adverts(&siege.ports[0], VRID, from);
    let frames = siege.capture.between(from, from + SECOND * 4);
    let announcements = frames.iter().filter(|frame| frame.gratuitous_arp().is_some()).count();
    assert!(adverts.len() <= 4 * 100 + 4 * 10 + 2, "law 11: {} adverts in 4 s", adverts.len());
    assert!(adverts.len() >= 4 * 10 - 1, "its own adverts still leave: {}", adverts.len());
    assert!(announcements <= 5 * 5, "law 11: {announcements} announcements in 4 s");
    assert!(siege.hosts[0].has("eth0", "10.0.0.100"));
}

/// Packets a second, of all kinds in turn.
const DELUGE: u32 = 10_000;

/// All that leaves a keepalived silent and more, at a rate that leaves a processor of 580 MHz 58,000 cycles for each,
/// before the master and its backup.
#[test]
fn ten_thousand_bad_packets_a_second_of_every_kind_move_no_pair_of_any_shape() {
    let Some(_bench) = Bench::take(Load::Whole, &[]) else { return };
    for (column, shape) in SHAPES.into_iter().enumerate() {
        let siege = Siege::of_shape(shape);
        let is_bad =
            |verdict| matches!(verdict, Verdict::Dropped(_) | Verdict::Stray(_) | Verdict::Undelivered(_));
        let mac = siege.stranger_port.mac();
        let bad = KINDS.iter().filter(|(_, _, verdicts)| is_bad(verdicts[column]));
        let frames: Vec<_> = bad.map(|(_, spoil, _)| forged(shape, *spoil).frame(mac)).collect();
        assert!(frames.len() > 35, "{shape:?}: {} kinds", frames.len());
        let is_v2 = matches!(shape, Shape::V2 | Shape::V2Pass);
        let (interval, span) = if is_v2 { (SECOND, SECOND * 5) } else { (INTERVAL, SECOND * 3) };
        thread::sleep(INTERVAL * 5);
        let before = [0, 1].map(|router| siege.standing(router));
        let from = now();
        let sent = siege.stranger.flood(&frames, DELUGE, span);
        let rate = f64::from(sent) / (now() - from).as_secs_f64();
        siege.unmoved(from, interval, &format!("{shape:?}"));
        let after = [0, 1].map(|router| siege.standing(router));
        let mut most_lines = 0;
        for router in [0, 1] {
            let ((before, _, _), (after, strangers, lines)) = (&before[router], &after[router]);
            assert_eq!(before, after, "{shape:?}: the state and its changes of router {router}");
            let named =
                strangers.iter().any(|who| who["source"] == forged(shape, |_, _| {}).source.to_string());
            assert!(named, "{shape:?}: {strangers:?}");
            // A reason has a line for each power of two, and there are 17 of these, for us and for nobody.
            assert!(*lines < 400, "{shape:?}: {lines} lines of log for {sent} packets");
            most_lines = most_lines.max(*lines);
        }
        eprintln!(
            "{shape:?}: {} kinds, {sent} packets, {rate:.0}/s, {most_lines} lines of log",
            frames.len()
        );
        assert!(rate > f64::from(DELUGE) / 2.0, "{shape:?}: it was a deluge: {rate:.0} a second");
    }
}

/// Where a router stands: its state and how often that has changed; then who is refused, and the lines of its log.
type Standing = (String, Vec<serde_json::Value>, usize);

impl Siege {
    fn standing(&self, router: usize) -> Standing {
        let status = self.daemons[router].status();
        let record = &status["instances"][0];
        let counters = &record["counters"];
        let standing = [&record["state"], &counters["became_master"], &counters["released_master"]];
        let lines = self.daemons[router].log().lines().count();
        (format!("{standing:?}"), status["strangers"].as_array().expect("a list").clone(), lines)
    }
}
