//! Who is let in (checklist RX), and above all law 10: what is rejected touches nothing.

use std::net::IpAddr;
use std::time::Duration;

use vipd::router::{Event, Packet};
use vipd::time::Interval;
use vipd::vrrp::Phase;
use vipd::wire::vrrp::{Discard, Outgoing, Password, Version};

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, Spec, ipv4, message, outgoing};

const THEIRS: &str = "10.0.0.9";

fn theirs() -> IpAddr {
    THEIRS.parse().unwrap()
}

fn v4(text: &str) -> std::net::Ipv4Addr {
    text.parse().unwrap()
}

/// The advert of a rightful master, which would make any of our routers yield or follow.
fn rightful(version: Version, password: Option<&str>) -> Outgoing {
    let password = password.map(|text| Password::new(text.as_bytes()).unwrap());
    Outgoing { version, password, ..outgoing(7, 200, theirs()) }
}

/// A message with its checksum made right again after it was bent.
fn mend_v2(mut message: Vec<u8>) -> Vec<u8> {
    message[6..8].fill(0);
    let sum = message.chunks(2).fold(0u32, |sum, word| {
        sum + u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]))
    });
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = !(((folded & 0xffff) + (folded >> 16)) as u16);
    message[6..8].copy_from_slice(&folded.to_be_bytes());
    message
}

struct Defect {
    name: &'static str,
    reason: Discard,
    packet: Vec<u8>,
}

/// Every kind of packet that must be dropped by a virtual router of this version and password. In version 3
/// the message-only checksum is accepted too, so `mend_v2` serves both.
fn defects(version: Version, password: Option<&str>) -> Vec<Defect> {
    let good = message(&rightful(version, password));
    let group = v4("224.0.0.18");
    let wrap = |message: &[u8]| ipv4(v4(THEIRS), group, 255, message);
    let bend = |change: fn(&mut Vec<u8>)| {
        let mut bent = good.clone();
        change(&mut bent);
        wrap(&mend_v2(bent))
    };
    let mut bad_checksum = good.clone();
    bad_checksum[7] ^= 1;
    let mut no_checksum = good.clone();
    no_checksum[6..8].fill(0);
    let header = |change: fn(&mut Vec<u8>)| {
        let mut packet = wrap(&good);
        change(&mut packet);
        packet
    };
    let other_version = match version {
        Version::V2 => message(&rightful(Version::V3, None)),
        Version::V3 => message(&rightful(Version::V2, None)),
    };
    let defect = |name, reason, packet| Defect { name, reason, packet };
    let mut all = vec![
        defect("bad checksum", Discard::Checksum, wrap(&bad_checksum)),
        defect("zero checksum", Discard::Checksum, wrap(&no_checksum)),
        defect("TTL 254", Discard::Ttl, ipv4(v4(THEIRS), group, 254, &good)),
        defect("TTL 1", Discard::Ttl, ipv4(v4(THEIRS), group, 1, &good)),
        defect("TTL 0", Discard::Ttl, ipv4(v4(THEIRS), group, 0, &good)),
        defect("version 1", Discard::Version, bend(|m| m[0] = 0x11)),
        defect("version 4", Discard::Version, bend(|m| m[0] = 0x41)),
        defect("the other version", Discard::Version, wrap(&other_version)),
        defect("type 0", Discard::Type, bend(|m| m[0] &= 0xf0)),
        defect("type 2", Discard::Type, bend(|m| m[0] = m[0] & 0xf0 | 2)),
        defect("header only", Discard::Short, bend(|m| m.truncate(8))),
        defect("seven bytes", Discard::Short, wrap(&good[..7])),
        defect("two bytes", Discard::Short, wrap(&good[..2])),
        defect("a byte too long", Discard::Long, bend(|m| m.push(0))),
        defect("eight bytes too long", Discard::Long, bend(|m| m.extend([0; 8]))),
        defect("count 0", Discard::Count, bend(|m| m[3] = 0)),
        defect("count 255", Discard::Short, bend(|m| m[3] = 255)),
        defect("one address more than there is", Discard::Short, bend(|m| m[3] = 4)),
        defect(
            "interval 0",
            Discard::IntervalZero,
            bend(|m| {
                m[4] &= if m[0] == 0x31 { 0xf0 } else { 0xff };
                m[5] = 0;
            }),
        ),
        defect("unicast to a multicast router", Discard::Cast, ipv4(v4(THEIRS), v4(OUR_V4), 255, &good)),
        defect("another group", Discard::Cast, ipv4(v4(THEIRS), v4("224.0.0.1"), 255, &good)),
        defect("a group of the site's", Discard::Cast, ipv4(v4(THEIRS), v4("239.1.2.3"), 255, &good)),
        defect("our own address", Discard::Own, ipv4(v4(OUR_V4), group, 255, &good)),
        defect("source 0.0.0.0", Discard::IpHeader, ipv4(v4("0.0.0.0"), group, 255, &good)),
        defect("source multicast", Discard::IpHeader, ipv4(v4("224.0.0.18"), group, 255, &good)),
        defect("source broadcast", Discard::IpHeader, ipv4(v4("255.255.255.255"), group, 255, &good)),
        defect("IP version 6 in the header", Discard::IpHeader, header(|p| p[0] = 0x65)),
        defect("IP header of 16 bytes", Discard::IpHeader, header(|p| p[0] = 0x44)),
        defect("a fragment", Discard::IpHeader, header(|p| p[6] = 0x20)),
        defect("a later fragment", Discard::IpHeader, header(|p| p[7] = 0x10)),
        defect(
            "cut by a byte",
            Discard::Short,
            header(|p| {
                p.pop();
            }),
        ),
        defect("cut in the IP header", Discard::IpHeader, wrap(&good)[..19].to_vec()),
        defect("nothing", Discard::IpHeader, vec![]),
        defect("VRID 8, not ours", Discard::Vrid, bend(|m| m[1] = 8)),
        defect("VRID 0", Discard::Vrid, bend(|m| m[1] = 0)),
    ];
    if version == Version::V2 {
        all.push(defect("interval 2 s", Discard::IntervalDiffers, bend(|m| m[5] = 2)));
        all.push(defect("auth type 2", Discard::AuthType, bend(|m| m[4] = 2)));
        all.push(defect("auth type 3", Discard::AuthType, bend(|m| m[4] = 3)));
        all.push(defect("no trailer", Discard::Short, bend(|m| m.truncate(12))));
        let (other, reason) = match password {
            Some(_) => (message(&rightful(Version::V2, Some("wrong"))), Discard::Password),
            None => (message(&rightful(Version::V2, Some("secret"))), Discard::AuthType),
        };
        all.push(defect("another password", reason, wrap(&other)));
        if password.is_some() {
            let plain = message(&rightful(Version::V2, None));
            all.push(defect("no password", Discard::AuthType, wrap(&plain)));
            let longer = message(&rightful(Version::V2, Some("secretx")));
            all.push(defect("the password and one letter", Discard::Password, wrap(&longer)));
        }
    }
    all
}

fn specs() -> Vec<Spec> {
    let v2 = Spec { version: Version::V2, ..Spec::default() };
    vec![Spec::default(), Spec { password: Some("secret"), ..v2.clone() }, v2]
}

/// Everything of a router but what it counts, and the last log lines.
fn everything_but_counters(bench: &Bench) -> String {
    let view = bench.router.view(vipd::router::Slot(0)).unwrap();
    let vr = view.virtual_router();
    format!(
        "{:?} {:?} {:?} {:?} {:?}",
        vr.state(),
        vr.since(),
        vr.cause(),
        vr.heard(),
        bench.router.poll_at()
    )
}

/// Law 10, RX21. keepalived loses mastership to a stream of packets that it rejects (all but the last ones of
/// this list); here none changes a state, a timer, a learned value or an advert's time, in any state.
#[test]
fn law_10_rx21_rx24_nothing_rejected_touches_anything() {
    for spec in specs() {
        let stages: [fn(&[Spec]) -> Bench; 3] = [Bench::new, Bench::master, |specs| {
            let mut bench = Bench::new(specs);
            bench.link(ETH0, "eth0", false);
            bench
        }];
        for stage in stages {
            for defect in defects(spec.version, spec.password) {
                let mut bench = stage(std::slice::from_ref(&spec));
                let in_initialize = bench.phase(0) == Phase::Initialize;
                let before = everything_but_counters(&bench);
                for _ in 0..5 {
                    bench.handle(Event::Packet(Packet::V4 { interface: ETH0, packet: &defect.packet }));
                    assert!(bench.effects.is_empty(), "{}: {:?}", defect.name, bench.effects);
                }
                assert_eq!(everything_but_counters(&bench), before, "{}", defect.name);
                let counted = bench.counters(0).discarded(defect.reason)
                    + bench.router.stray().discarded(defect.reason);
                assert_eq!(counted, 5, "{} ({:?}, initialize {in_initialize})", defect.name, defect.reason);
                assert_eq!(bench.counters(0).received, 0, "{}", defect.name);
            }
        }
    }
}

/// Law 10 in time: defective packets between all adverts, at a thousand a second, and the adverts leave at the
/// very moments at which they leave without them.
#[test]
fn law_10_no_advert_is_a_nanosecond_late_for_a_stream_of_rejected_packets() {
    for spec in specs() {
        let defects = defects(spec.version, spec.password);
        let mut quiet = Bench::master(std::slice::from_ref(&spec));
        let mut bothered = Bench::master(std::slice::from_ref(&spec));
        let expected = quiet.run_for(Duration::from_secs(10));
        let mut seen = vec![];
        for millisecond in 0..10_000 {
            let packet = &defects[millisecond % defects.len()].packet;
            bothered.handle(Event::Packet(Packet::V4 { interface: ETH0, packet }));
            assert!(bothered.effects.is_empty());
            let offset = Duration::from_millis(millisecond as u64);
            let effects = bothered.run_for(Duration::from_millis(1));
            seen.extend(effects.into_iter().map(|(at, effect)| (offset + at, effect)));
        }
        assert_eq!(seen, expected);
    }
}

/// RX13, RX16, RX05, RX06: what looks odd and is allowed.
#[test]
fn rx06_rx13_rx16_options_reserved_bits_and_a_foreign_trailer_are_no_defects() {
    let accepted = |spec: &Spec, packet: &[u8]| {
        let mut bench = Bench::master(std::slice::from_ref(spec));
        bench.handle(Event::Packet(Packet::V4 { interface: ETH0, packet }));
        bench.phase(0) == Phase::Backup
    };
    let group = v4("224.0.0.18");
    let mut reserved = message(&rightful(Version::V3, None));
    reserved[4] |= 0xf0;
    assert!(accepted(&specs()[0], &ipv4(v4(THEIRS), group, 255, &mend_v2(reserved))));
    let mut garbage = message(&rightful(Version::V2, None));
    garbage[12..20].copy_from_slice(b"whatever");
    assert!(accepted(&specs()[2], &ipv4(v4(THEIRS), group, 255, &mend_v2(garbage))));
    let good = message(&rightful(Version::V3, None));
    let plain = ipv4(v4(THEIRS), group, 255, &good);
    let mut options = plain[..20].to_vec();
    options[0] = 0x46;
    options[3] += 4;
    options.extend([0x94, 4, 0, 0]);
    options.extend(&plain[20..]);
    assert!(accepted(&specs()[0], &options));
}

/// RX01, RX23: a unicast router takes packets from its peers alone, with the TTL that the peer's section asks for.
#[test]
fn rx01_rx23_unicast_takes_only_configured_peers_and_checks_their_ttl_if_asked() {
    let spec = Spec { peers: vec![(THEIRS, 0, 255), ("10.0.0.8", 254, 255)], ..Spec::default() };
    let accepted = |source: &str, destination: &str, ttl: u8| {
        let mut bench = Bench::master(std::slice::from_ref(&spec));
        let (source, destination): (IpAddr, IpAddr) = (source.parse().unwrap(), destination.parse().unwrap());
        let advert = message(&Outgoing { destination, ..outgoing(7, 200, source) });
        bench.deliver(ETH0, source, destination, ttl, &advert);
        let counters = bench.counters(0);
        Discard::ALL.into_iter().find(|reason| counters.discarded(*reason) > 0)
    };
    assert_eq!(accepted(THEIRS, OUR_V4, 255), None);
    assert_eq!(accepted(THEIRS, OUR_V4, 64), None, "keepalived's IPv6 unicast has hop limit 64");
    assert_eq!(accepted("10.0.0.8", OUR_V4, 254), None);
    assert_eq!(accepted("10.0.0.8", OUR_V4, 253), Some(Discard::Ttl));
    assert_eq!(accepted("10.0.0.7", OUR_V4, 255), Some(Discard::Peer));
    assert_eq!(accepted(THEIRS, "224.0.0.18", 255), Some(Discard::Cast));
}

/// RX07, TX20: both readings of the checksum are understood, and status can tell which one the peer sends.
#[test]
fn rx07_tx20_version_3_over_ipv4_takes_either_checksum_and_remembers_which() {
    use vipd::wire::vrrp::ChecksumForm::{MessageOnly, PseudoHeader};
    for checksum in [MessageOnly, PseudoHeader] {
        let mut bench = Bench::new(&[Spec::default()]);
        bench.hear_with(7, 200, THEIRS, |outgoing| Outgoing { checksum, ..outgoing }, ETH0);
        assert_eq!(bench.counters(0).received, 1);
        let record = bench.router.status(bench.now, vipd::router::Slot(0)).unwrap();
        assert_eq!(record.peer_checksum_is_rfc9568, checksum == MessageOnly);
        assert_eq!(record.master, Some(theirs()));
    }
}

/// RX08, ST23: the VRID counts only on its own interface and in its own family.
#[test]
fn rx08_st23_a_vrid_is_known_only_on_its_interface_and_in_its_family() {
    let four = Spec { name: "four", ..Spec::default() };
    let six = Spec { name: "six", addresses: vec!["fe80::1"], ..Spec::default() };
    let mut bench = Bench::master(&[four, six]);
    bench.hear_with(7, 200, THEIRS, |outgoing| outgoing, ETH1);
    assert_eq!(bench.router.stray().discarded(Discard::Vrid), 1);
    bench.hear(7, 200, "fe80::9");
    assert_eq!((bench.phase(0), bench.phase(1)), (Phase::Master, Phase::Backup));
    bench.hear(7, 200, THEIRS);
    assert_eq!((bench.phase(0), bench.phase(1)), (Phase::Backup, Phase::Backup));
}

/// RX02 over IPv6, and RX07: over IPv6 there is no message-only checksum.
#[test]
fn rx02_rx07_ipv6_knows_version_3_with_pseudo_header_alone() {
    let six = Spec { addresses: vec!["fe80::1"], ..Spec::default() };
    let mut bench = Bench::master(&[six]);
    let good = message(&outgoing(7, 200, "fe80::9".parse().unwrap()));
    let deliver = |bench: &mut Bench, message: &[u8], hop_limit| {
        let destination = "ff02::12".parse().unwrap();
        bench.deliver(ETH0, "fe80::9".parse().unwrap(), destination, hop_limit, message);
    };
    let mut version_2 = good.clone();
    version_2[0] = 0x21;
    deliver(&mut bench, &version_2, 255);
    assert_eq!(bench.counters(0).discarded(Discard::Version), 1);
    deliver(&mut bench, &mend_v2(good.clone()), 255);
    assert_eq!(bench.counters(0).discarded(Discard::Checksum), 1);
    deliver(&mut bench, &good, 254);
    assert_eq!(bench.counters(0).discarded(Discard::Ttl), 1);
    assert_eq!(bench.phase(0), Phase::Master);
    deliver(&mut bench, &good, 255);
    assert_eq!(bench.phase(0), Phase::Backup);
}

/// RX11. Deviation: keepalived sends lists without a link-local first, so they are accepted (README).
#[test]
fn rx11_an_ipv6_list_without_a_link_local_first_is_accepted_as_keepalived_sends_it() {
    let six = Spec { addresses: vec!["fe80::1"], ..Spec::default() };
    let mut bench = Bench::master(&[six]);
    let outgoing = outgoing(7, 200, "fe80::9".parse().unwrap());
    let mut buffer = [0; 64];
    let global: IpAddr = "2001:db8::1".parse().unwrap();
    let len = outgoing.emit([global].into_iter(), &mut buffer).unwrap();
    bench.deliver(ETH0, outgoing.source, outgoing.destination, 255, &buffer[..len]);
    assert_eq!(bench.phase(0), Phase::Backup);
}

/// RX09, erratum 8298: two owners elect by address, and one of them yields.
#[test]
fn rx09_rx26_an_owner_hears_another_owner_and_the_greater_address_stays() {
    let owner = Spec { priority: 255, ..Spec::default() };
    let mut bench = Bench::new(std::slice::from_ref(&owner));
    bench.hear(7, 255, "10.0.0.4");
    assert_eq!(bench.phase(0), Phase::Master);
    assert_eq!(bench.counters(0).contended, 1);
    bench.hear(7, 255, "10.0.0.6");
    assert_eq!(bench.phase(0), Phase::Backup);
}

/// RX25, RFC 9568 §6.4.1.
#[test]
fn rx25_in_initialize_an_advert_is_counted_and_nothing_else() {
    let mut bench = Bench::new(&[Spec::default()]);
    bench.link(ETH0, "eth0", false);
    bench.hear(7, 200, THEIRS);
    assert!(bench.effects.is_empty());
    assert_eq!(bench.counters(0).discarded(Discard::Initialize), 1);
    assert_eq!(bench.counters(0).received, 0);
}

/// RX12 once more, since keepalived learns it and goes wild: interval 0 is never learned.
#[test]
fn rx12_interval_zero_is_not_learned() {
    let mut bench = Bench::new(&[Spec::default()]);
    let due = bench.router.poll_at();
    let mut advert = message(&outgoing(7, 200, theirs()));
    advert[4..6].fill(0);
    bench.deliver(ETH0, theirs(), "224.0.0.18".parse().unwrap(), 255, &mend_v2(advert));
    assert_eq!(bench.counters(0).discarded(Discard::IntervalZero), 1);
    assert_eq!(bench.router.poll_at(), due);
    assert_eq!(Interval::from_centis(0), None);
}
