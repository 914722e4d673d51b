//! A configuration file, from its bytes to the first adverts of a router that adopts it.

use core::fmt::Write;
use core::net::IpAddr;
use core::time::Duration;

use vipd::config::problem::{Problem, Severity};
use vipd::config::schema::{self, Alias};
use vipd::config::uci::Document;
use vipd::config::{Bfd, Config, Family, Span, Tracked};
use vipd::limits;
use vipd::router::{Effects, Event, Router};
use vipd::time::Instant;
use vipd::wire::vrrp::{Password, Version};

const ALIASES: [Alias<'_>; 2] =
    [Alias { name: "lan", device: "br-lan" }, Alias { name: "wan", device: "eth1" }];

/// A file.
pub fn config(bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
    let mut document = Box::new(Document::new());
    let buffer = document.buffer();
    let len = bytes.len().min(buffer.len());
    buffer[..len].copy_from_slice(&bytes[..len]);
    if document.parse(len).is_err() {
        return;
    }
    let mut config = Box::new(Config::new());
    let mut errors = 0;
    let is_usable = schema::read(&document, &ALIASES, &mut config, &mut |problem| {
        check_problem(&problem, lines);
        errors += u32::from(problem.severity == Severity::Error);
    });
    assert_eq!(is_usable, errors == 0);
    if is_usable {
        check(&config);
        adopt(&config);
    }
}

/// One line, that names a line of the file and leaves nothing to fill in.
fn check_problem(problem: &Problem<'_>, lines: u32) {
    let mut sentence = String::new();
    write!(sentence, "{problem}").unwrap();
    assert!((1..=lines).contains(&problem.line), "{}: {sentence}", problem.line);
    assert!(!sentence.contains(|character: char| character.is_control()), "{sentence:?}");
    assert!(sentence.len() > 10);
}

/// What [`Config`]'s documentation promises.
fn check(config: &Config) {
    let (addresses, peers) = (config.addresses.len(), config.peers.len());
    let fits = |span: Span, len: usize| assert!(span.range().end <= len);
    let mut seen = Vec::new();
    for instance in &config.instances {
        let name = config.text(instance.name);
        assert!(!name.is_empty() && name.len() <= limits::NAME_BYTES_MAX);
        assert!(instance.priority > 0);
        fits(instance.tracks, config.tracks.len());
        let mut families = 0;
        for family in [Family::V4, Family::V6] {
            let half = instance.family(family);
            fits(half.addresses, addresses);
            fits(half.peers, peers);
            if half.addresses.is_empty() {
                continue;
            }
            families += 1;
            let identity = (config.interface_name(instance.interface), instance.vrid, family);
            assert!(!seen.contains(&identity), "{identity:?} stands there twice");
            seen.push(identity);
            for it in half.addresses.of(&config.addresses) {
                assert_eq!(Family::of(it.address), family);
                assert!(it.prefix_len <= if family == Family::V4 { 32 } else { 128 });
                assert!(family == Family::V4 || (it.scope == 0 && it.label.is_empty()));
                assert!(config.text(it.label).len() <= limits::INTERFACE_NAME_BYTES_MAX);
                assert!(!it.address.is_multicast() && !it.address.is_unspecified());
            }
            for peer in half.peers.of(&config.peers) {
                assert_eq!(Family::of(peer.address), family);
                assert!(peer.min_ttl <= peer.max_ttl);
                if let Some(session) = peer.bfd.session() {
                    let session = &config.bfd[usize::from(session.0)];
                    assert_eq!(session.neighbor, peer.address);
                    assert!(session.interface.is_none_or(|device| device == instance.interface));
                }
            }
        }
        assert!(families > 0);
        if instance.version == Version::V2 && !instance.v4.addresses.is_empty() {
            assert!(instance.interval.whole_secs().is_some());
        }
        let password = Password::new(config.bytes(instance.password));
        assert_eq!(password.is_none(), instance.password.is_empty());
        assert!(password.is_none() || (instance.version == Version::V2 && families == 1));
        assert!(instance.group.is_none_or(|group| usize::from(group.0) < config.groups.len()));
        assert!(instance.announcements.repeat > 0);
    }
    assert!(seen.len() <= limits::VIRTUAL_ROUTERS_MAX);
    for (position, it) in config.addresses.iter().enumerate() {
        let others = config.addresses.iter().skip(position + 1);
        let mut same = others.filter(|other| (other.interface, other.address) == (it.interface, it.address));
        assert!(same.next().is_none(), "{} is on one device twice", it.address);
    }
    for track in &config.tracks {
        assert!((-253..=253).contains(&track.weight));
        if let Tracked::Bfd(session) = track.what {
            assert!(usize::from(session.0) < config.bfd.len());
        }
    }
    check_sessions(config);
    for interface in &config.interfaces {
        let name = config.text(*interface);
        assert!(!name.is_empty() && name.len() <= limits::INTERFACE_NAME_BYTES_MAX, "{name}");
    }
    assert!(config.globals.multicast_v4.is_multicast() && config.globals.multicast_v6.is_multicast());
}

/// The BFD sessions can be told apart by who speaks, and where.
fn check_sessions(config: &Config) {
    for (position, session) in config.bfd.iter().enumerate() {
        assert!(!config.text(session.name).is_empty());
        assert!(session.source.is_none_or(|source| Family::of(source) == Family::of(session.neighbor)));
        assert!(session.interface.is_none_or(|device| usize::from(device.0) < config.interfaces.len()));
        assert!(session.source != Some(session.neighbor) && session.hop_limit > 0);
        let rules = session.rules;
        assert!(rules.min_tx_us >= 1000 && rules.min_rx_us >= 1000 && rules.idle_tx_us >= 1_000_000);
        assert!(rules.multiplier > 0);
        let mut others =
            config.bfd.iter().skip(position + 1).filter(|other| other.neighbor == session.neighbor);
        let is_elsewhere = |other: &Bfd| {
            other.interface.is_some() && session.interface.is_some() && session.interface != other.interface
        };
        assert!(others.all(is_elsewhere));
        if let IpAddr::V6(neighbor) = session.neighbor {
            assert!(!neighbor.is_unicast_link_local() || session.interface.is_some());
        }
    }
}

/// A router can take it, and take it again.
fn adopt(config: &Config) {
    let mut router = Box::new(Router::new());
    let mut effects = Box::new(Effects::new());
    let now = Instant::from_origin(Duration::from_secs(100));
    let (mut first, mut again) = (Box::new(config.clone()), Box::new(config.clone()));
    let events = [
        Event::Adopt(&mut first),
        Event::Start { keeps_marks: true, seed: 1 },
        Event::Prepare(config),
        Event::Adopt(&mut again),
    ];
    for event in events {
        effects.clear();
        router.handle(now, event, &mut effects);
    }
    let halves = |family| {
        config.instances.iter().filter(move |instance| !instance.family(family).addresses.is_empty()).count()
    };
    assert_eq!(router.slots().count(), halves(Family::V4) + halves(Family::V6));
}
