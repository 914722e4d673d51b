//! Every kind of advertisement that keepalived 2.2.7 was measured with as a master of priority 100 (most of
//! them leave it silent), a few more, and what becomes of each here: accepted, dropped for this reason, or
//! never delivered by the kernel.

use std::net::IpAddr;

use super::forge::{Forged, Sum};

/// Kinds of virtual routers that the advertisements are sent to; each has VRID 7, priority 100 and address
/// `.100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    V2,
    V2Pass,
    V3,
    V3Ipv6,
    /// Version 3 over IPv4; 10.0.0.66 and 10.0.0.3 are its peers.
    V3Unicast,
}

pub(crate) const SHAPES: [Shape; 5] = [Shape::V2, Shape::V2Pass, Shape::V3, Shape::V3Ipv6, Shape::V3Unicast];

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Accepted, and the master steps back.
    Yields,
    /// Accepted, and the master stays.
    Accepted,
    /// Dropped and counted by the virtual router for this reason.
    Dropped(&'static str),
    /// Dropped before it was known for whom it is, and counted for this reason.
    Stray(&'static str),
    /// The kernel does not deliver it. If it did, this would be the reason; none: we could not tell.
    Undelivered(Option<&'static str>),
    /// There is no such thing in this version, family or manner of sending.
    None,
}

/// A kind: its name, what makes it, and what becomes of it, in the order of [`SHAPES`].
pub(crate) type Kind = (&'static str, fn(Shape, &mut Forged), [Verdict; 5]);

use Verdict::{Accepted, Dropped, None as No, Stray, Undelivered, Yields};

const fn all(verdict: Verdict) -> [Verdict; 5] {
    [verdict; 5]
}

/// Multicast routers drop it, unicast routers do not mind.
const fn group_only(verdict: Verdict) -> [Verdict; 5] {
    [verdict, verdict, verdict, verdict, Yields]
}

const fn v2_only(plain: Verdict, pass: Verdict) -> [Verdict; 5] {
    [plain, pass, No, No, No]
}

/// Version 2 has eight bytes of authentication, in which there is room for an address.
const fn v3_only(verdict: Verdict) -> [Verdict; 5] {
    [No, No, verdict, verdict, verdict]
}

pub(crate) const KINDS: &[Kind] = &[
    ("priority 200", |_, _| {}, all(Yields)),
    ("priority 255", |_, it| it.priority = 255, all(Yields)),
    ("equal priority, higher source", |_, it| it.priority = 100, all(Yields)),
    (
        "equal priority, lower source",
        |shape, it| {
            it.priority = 100;
            it.source = pick(shape, "10.0.0.3", "fe80::3");
        },
        all(Accepted),
    ),
    ("lower priority", |_, it| it.priority = 50, all(Accepted)),
    ("priority 0", |_, it| it.priority = 0, all(Accepted)),
    ("wrong checksum", |_, it| it.sum = Sum::Wrong, all(Dropped("checksum"))),
    ("no checksum", |_, it| it.sum = Sum::Zero, all(Dropped("checksum"))),
    ("TTL 254", |_, it| it.ttl = 254, group_only(Dropped("ttl"))),
    ("TTL 1", |_, it| it.ttl = 1, group_only(Dropped("ttl"))),
    ("version 1", |_, it| it.version = 1, all(Dropped("version"))),
    ("the other version", other_version, all(Dropped("version"))),
    ("type 0", |_, it| it.kind = 0, all(Dropped("type"))),
    ("type 2", |_, it| it.kind = 2, all(Dropped("type"))),
    ("version 0", |_, it| it.version = 0, all(Dropped("version"))),
    ("version 4", |_, it| it.version = 4, all(Dropped("version"))),
    ("version 15", |_, it| it.version = 15, all(Dropped("version"))),
    ("type 15", |_, it| it.kind = 15, all(Dropped("type"))),
    ("header only", |_, it| it.cut = Some(8), all(Dropped("short"))),
    ("one byte too long", |_, it| it.trailer.push(0), all(Dropped("long"))),
    ("eight bytes too long", |_, it| it.trailer.extend([0; 8]), all(Dropped("long"))),
    ("a full frame of rubbish behind it", |_, it| it.trailer.extend([0xa5; 1400]), all(Dropped("long"))),
    ("half of an address", half_an_address, all(Dropped("short"))),
    ("one address less than counted", |_, it| it.count = 2, v3_only(Dropped("short"))),
    ("one address more than counted", one_address_uncounted, all(Dropped("long"))),
    ("count 0", |_, it| it.count = 0, all(Dropped("count"))),
    ("count 0, and no address", nothing_counted, all(Dropped("count"))),
    ("count 255", |_, it| it.count = 255, all(Dropped("short"))),
    // RFC 9568 section 7.1 lets a router check the list or not. Who is master is not its address list's matter.
    ("another virtual address", another_address, all(Yields)),
    ("one virtual address more", one_address_more, all(Yields)),
    ("wrong password", wrong_password, v2_only(Dropped("auth_type"), Dropped("password"))),
    (
        "wrong authentication type",
        |_, it| it.bytes_4_5[0] = 2,
        v2_only(Dropped("auth_type"), Dropped("auth_type")),
    ),
    ("no authentication", no_authentication, v2_only(No, Dropped("auth_type"))),
    ("no authentication field", |_, it| it.trailer.clear(), v2_only(Dropped("short"), Dropped("short"))),
    (
        "twice the interval",
        |_, it| it.bytes_4_5[1] *= 2,
        [Dropped("interval_differs"), Dropped("interval_differs"), Yields, Yields, Yields],
    ),
    ("interval 0", |_, it| it.bytes_4_5[1] = 0, all(Dropped("interval_zero"))),
    (
        "checksum without pseudo-header",
        |_, it| it.sum = Sum::MessageOnly,
        [No, No, Yields, Dropped("checksum"), Yields],
    ),
    ("reserved bits set", |_, it| it.bytes_4_5[0] |= 0xf0, [No, No, Yields, Yields, Yields]),
    ("IP options", |_, it| it.ip_options = vec![0x94, 4, 0, 0], [Yields, Yields, Yields, No, Yields]),
    ("padding behind the packet", |_, it| it.padding = 6, all(Yields)),
    ("frame to the unicast MAC", |_, it| it.to_mac = Some(OUR_MAC), all(Yields)),
    (
        "no source address",
        |shape, it| it.source = pick(shape, "0.0.0.0", "::"),
        [
            Stray("ip_header"),
            Stray("ip_header"),
            Stray("ip_header"),
            Stray("ip_header"),
            Undelivered(Some("ip_header")),
        ],
    ),
    (
        "authentication type 0, garbage in its field",
        |_, it| it.trailer = b"whatever".into(),
        v2_only(Yields, No),
    ),
    ("cut to 6 bytes", |_, it| it.cut = Some(6), all(Dropped("short"))),
    ("cut to 2 bytes", |_, it| it.cut = Some(2), all(Dropped("short"))),
    ("cut to 1 byte", |_, it| it.cut = Some(1), all(Stray("vrid"))),
    ("no bytes at all", |_, it| it.cut = Some(0), all(Stray("vrid"))),
    ("cut short by the length of its packet", |_, it| it.ip_length_beyond = 0xfffc, all(Dropped("short"))),
    // What would shake a router that reads the priority before it has checked the rest.
    ("priority 0, wrong checksum", |_, it| (it.priority, it.sum) = (0, Sum::Wrong), all(Dropped("checksum"))),
    ("priority 0, count 0", |_, it| (it.priority, it.count) = (0, 0), all(Dropped("count"))),
    (
        "priority 0, TTL 254",
        |_, it| (it.priority, it.ttl) = (0, 254),
        [Dropped("ttl"), Dropped("ttl"), Dropped("ttl"), Dropped("ttl"), Accepted],
    ),
    ("priority 255, TTL 0", |_, it| (it.priority, it.ttl) = (255, 0), group_only(Dropped("ttl"))),
    (
        "priority 255, interval 0",
        |_, it| (it.priority, it.bytes_4_5[1]) = (255, 0),
        all(Dropped("interval_zero")),
    ),
    (
        "priority 0, wrong password",
        |shape, it| {
            wrong_password(shape, it);
            it.priority = 0;
        },
        v2_only(Dropped("auth_type"), Dropped("password")),
    ),
    ("a password with a tail", |_, it| it.trailer[7] = b'2', v2_only(No, Dropped("password"))),
    ("an empty password", |_, it| it.trailer.fill(0), v2_only(No, Dropped("password"))),
    (
        "the longest interval",
        |_, it| it.bytes_4_5[1] = 255,
        v2_only(Dropped("interval_differs"), Dropped("interval_differs")),
    ),
    ("frame to another's MAC", |_, it| it.to_mac = Some([2, 0, 0, 0, 0, 0x99]), all(Undelivered(None))),
    (
        "a group's source address",
        |shape, it| it.source = pick(shape, "224.0.0.18", "ff02::12"),
        all(Undelivered(Some("ip_header"))),
    ),
    ("another VRID", |_, it| it.vrid = 8, all(Stray("vrid"))),
    ("VRID 0", |_, it| it.vrid = 0, all(Stray("vrid"))),
    (
        "unicast IP destination",
        |shape, it| {
            it.destination = pick(shape, OURS[0], OURS[1]);
            it.to_mac = Some(OUR_MAC);
        },
        [Dropped("cast"), Dropped("cast"), Dropped("cast"), Dropped("cast"), No],
    ),
    (
        "all hosts' group",
        |shape, it| it.destination = pick(shape, "224.0.0.1", "ff02::1"),
        all(Dropped("cast")),
    ),
    (
        "a group that nobody here has joined",
        |shape, it| it.destination = pick(shape, "239.1.2.3", "ff02::123"),
        all(Undelivered(Some("cast"))),
    ),
    (
        "VRRP's group, to a unicast router",
        |_, it| it.destination = [224, 0, 0, 18].into(),
        [No, No, No, No, Undelivered(Some("cast"))],
    ),
    ("not from a peer", |_, it| it.source = [10, 0, 0, 67].into(), [No, No, No, No, Dropped("peer")]),
    (
        "wrong IP checksum",
        |_, it| it.ip_sum_is_wrong = true,
        [Undelivered(None), Undelivered(None), Undelivered(None), No, Undelivered(None)],
    ),
    (
        "the first fragment",
        |_, it| it.fragment = 0x2000,
        [
            Undelivered(Some("ip_header")),
            Undelivered(Some("ip_header")),
            Undelivered(Some("ip_header")),
            No,
            Undelivered(Some("ip_header")),
        ],
    ),
    (
        "a later fragment",
        |_, it| it.fragment = 0x0010,
        [
            Undelivered(Some("ip_header")),
            Undelivered(Some("ip_header")),
            Undelivered(Some("ip_header")),
            No,
            Undelivered(Some("ip_header")),
        ],
    ),
    (
        "length beyond the frame",
        |_, it| it.ip_length_beyond = 9,
        [
            Undelivered(Some("short")),
            Undelivered(Some("short")),
            Undelivered(Some("short")),
            Undelivered(None),
            Undelivered(Some("short")),
        ],
    ),
    (
        "our own source address",
        |shape, it| it.source = pick(shape, OURS[0], OURS[1]),
        [
            // A martian source, which IPv6 does not know.
            Undelivered(Some("own")),
            Undelivered(Some("own")),
            Undelivered(Some("own")),
            Dropped("own"),
            // It is no peer either.
            Undelivered(Some("peer")),
        ],
    ),
];

/// The addresses of the router on trial, IPv4 and IPv6.
pub(crate) const OURS: [&str; 2] = ["10.0.0.5", "fe80::5"];

/// Its Ethernet address.
pub(crate) const OUR_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x05];

/// An advertisement of this kind, from a stranger whose flawless one would win.
pub(crate) fn forged(shape: Shape, spoil: fn(Shape, &mut Forged)) -> Forged {
    let mut forged = match shape {
        Shape::V2 => Forged::version_2_plain(200),
        Shape::V2Pass => Forged::version_2(200),
        Shape::V3 => Forged::version_3(200),
        Shape::V3Ipv6 => Forged::version_3_ipv6(200),
        Shape::V3Unicast => {
            let destination = pick(shape, OURS[0], OURS[1]);
            Forged { destination, to_mac: Some(OUR_MAC), ..Forged::version_3(200) }
        }
    };
    spoil(shape, &mut forged);
    // What goes to a group goes to the group's Ethernet address, whoever it is spoiled for.
    if forged.destination.is_multicast() && shape == Shape::V3Unicast {
        forged.to_mac = None;
    }
    forged
}

fn pick(shape: Shape, v4: &str, v6: &str) -> IpAddr {
    let text = if shape == Shape::V3Ipv6 { v6 } else { v4 };
    text.parse().expect("an address")
}

fn other_version(shape: Shape, it: &mut Forged) {
    match shape {
        Shape::V2 | Shape::V2Pass => {
            it.version = 3;
            it.bytes_4_5 = [0, 100];
            it.trailer.clear();
        }
        Shape::V3 | Shape::V3Ipv6 | Shape::V3Unicast => {
            it.version = 2;
            it.bytes_4_5 = [0, 1];
            it.trailer = vec![0; 8];
        }
    }
}

fn another_address(shape: Shape, it: &mut Forged) {
    it.addresses = vec![pick(shape, "10.0.0.200", "fe80::200")];
}

fn one_address_more(shape: Shape, it: &mut Forged) {
    it.addresses.push(pick(shape, "10.0.0.200", "fe80::200"));
    it.count = 2;
}

fn one_address_uncounted(shape: Shape, it: &mut Forged) {
    one_address_more(shape, it);
    it.count = 1;
}

fn nothing_counted(_: Shape, it: &mut Forged) {
    it.addresses.clear();
    it.count = 0;
}

fn half_an_address(shape: Shape, it: &mut Forged) {
    it.cut = Some(8 + if shape == Shape::V3Ipv6 { 8 } else { 2 });
}

fn wrong_password(_: Shape, it: &mut Forged) {
    it.bytes_4_5[0] = 1;
    it.trailer = b"2222\0\0\0\0".to_vec();
}

fn no_authentication(_: Shape, it: &mut Forged) {
    it.bytes_4_5[0] = 0;
    it.trailer = vec![0; 8];
}
