//! `bfd_instance`, `track_bfd` and `bfd`.

use core::net::IpAddr;

use vipd::bfd::Rules;
use vipd::config::schema::Alias;
use vipd::config::{Bfd, Config, Tracked};
use vipd::limits;

use super::{accept, read};

/// An instance on eth0, with these lines in it.
fn instance(vrid: u8, lines: &str) -> String {
    format!(
        "config vrrp_instance 'v{vrid}'\n\toption interface 'eth0'\n\toption virtual_router_id '{vrid}'\n\
         \tlist virtual_ipaddress '192.0.2.{vrid}'\n{lines}"
    )
}

fn session(lines: &str) -> Bfd {
    let config = accept(&format!("config bfd_instance 's'\n{lines}"));
    let [session] = &config.bfd[..] else { panic!("{:?}", config.bfd) };
    *session
}

/// Each session as `name neighbour [from source] [on device]`.
fn sessions(config: &Config) -> Vec<String> {
    let show = |session: &Bfd| {
        let source = session.source.map_or(String::new(), |source| format!(" from {source}"));
        let device = session.interface.map(|device| config.interface_name(device));
        let device = device.map_or(String::new(), |device| format!(" on {device}"));
        format!("{} {}{source}{device}", config.text(session.name), session.neighbor)
    };
    config.bfd.iter().map(show).collect()
}

/// Which session each peer has, in the order of the peers.
fn watched(config: &Config) -> Vec<Option<&str>> {
    let name =
        |id: vipd::config::BfdId| config.bfd.get(usize::from(id.0)).map(|session| config.text(session.name));
    config.peers.iter().map(|peer| peer.bfd.session().and_then(name)).collect()
}

/// Name, weight, and whether it is reversed.
fn tracks(config: &Config) -> Vec<(&str, i16, bool)> {
    let show = |track: &vipd::config::Track| {
        let Tracked::Bfd(id) = track.what else { panic!("{track:?}") };
        (config.text(config.bfd[usize::from(id.0)].name), track.weight, track.is_reversed)
    };
    config.tracks.iter().map(show).collect()
}

/// keepalived's defaults, but the hop limit of RFC 5881 §5 over IPv6 too, where keepalived has 64.
#[test]
fn a_session_needs_a_neighbour_and_nothing_else() {
    let rules = Rules {
        min_tx_us: 10_000,
        min_rx_us: 10_000,
        idle_tx_us: 1_000_000,
        multiplier: 5,
        is_passive: false,
    };
    for neighbor in ["192.0.2.9", "2001:db8::9"] {
        let session = session(&format!("\toption neighbor_ip '{neighbor}'\n"));
        assert_eq!(session.neighbor, neighbor.parse::<IpAddr>().unwrap());
        assert_eq!((session.source, session.interface, session.rules), (None, None, rules));
        assert_eq!((session.hop_limit, session.least_hop_limit), (255, 255));
    }
}

#[test]
fn every_option_of_a_session_is_read() {
    let aliases = [Alias { name: "wan", device: "eth1" }];
    let (config, usable, reported) = read(
        "config bfd_instance 'x'\n\toption name 'upstream'\n\toption enabled 'on'\n\
         \toption neighbor_ip 'fe80::9'\n\toption source_ip 'fe80::1'\n\toption interface 'wan'\n\
         \toption min_tx '50'\n\toption min_rx '3.312'\n\toption idle_tx '2000.5'\n\toption multiplier '3'\n\
         \toption passive '1'\n\toption max_hops '2'\n\toption hoplimit '255'\n",
        &aliases,
    );
    assert!(usable && reported.is_empty(), "{reported:?}");
    assert_eq!(sessions(&config), ["upstream fe80::9 from fe80::1 on eth1"]);
    let session = config.bfd[0];
    assert_eq!(
        session.rules,
        Rules { min_tx_us: 50_000, min_rx_us: 3_312, idle_tx_us: 2_000_500, multiplier: 3, is_passive: true }
    );
    assert_eq!((session.hop_limit, session.least_hop_limit), (255, 253));
}

/// keepalived's limits: from a millisecond, idle from a second, up to 255 packets.
#[test]
fn the_bounds_of_every_number_are_accepted() {
    let session = |lines: &str| session(&format!("\toption neighbor_ip '192.0.2.9'\n{lines}"));
    let least = session(
        "\toption min_tx '1'\n\toption min_rx '1.000'\n\toption idle_tx '1000'\n\toption multiplier '1'\n\
         \toption max_hops '0'\n",
    );
    assert_eq!(
        (least.rules.min_tx_us, least.rules.min_rx_us, least.rules.idle_tx_us),
        (1000, 1000, 1_000_000)
    );
    assert_eq!((least.rules.multiplier, least.least_hop_limit), (1, 255));
    let most = session(
        "\toption min_tx '999999'\n\toption min_rx '999999'\n\toption idle_tx '999999'\n\
         \toption multiplier '255'\n\toption max_hops '255'\n",
    );
    assert_eq!(
        (most.rules.min_tx_us, most.rules.min_rx_us, most.rules.idle_tx_us),
        (999_999_000, 999_999_000, 999_999_000)
    );
    assert_eq!((most.rules.multiplier, most.least_hop_limit), (255, 0));
}

/// `ttl` is keepalived's other word for it, whatever the family.
#[test]
fn a_hop_limit_is_sent_and_warned_of_as_ttl_too() {
    for (word, neighbor) in [("hoplimit", "192.0.2.9"), ("ttl", "2001:db8::9")] {
        let (config, usable, reported) = read(
            &format!(
                "config bfd_instance 's'\n\toption neighbor_ip '{neighbor}'\n\toption {word} '64'\n\toption max_hops '191'\n"
            ),
            &[],
        );
        assert!(usable);
        assert_eq!((config.bfd[0].hop_limit, config.bfd[0].least_hop_limit), (64, 64));
        let [warning] = &reported[..] else { panic!("{reported:?}") };
        assert!(warning.sentence.contains("RFC 5881"), "{}", warning.sentence);
    }
}

/// keepalived runs all that it reads.
#[test]
fn a_session_runs_whether_something_tracks_it_or_not_unless_it_is_not_enabled() {
    let config = accept(
        "config bfd_instance 'a'\n\toption neighbor_ip '192.0.2.9'\n\
         config bfd_instance 'b'\n\toption neighbor_ip '192.0.2.9'\n\toption enabled '0'\n\
         config bfd_instance\n\toption neighbor_ip '192.0.2.8'\n",
    );
    let shown = sessions(&config);
    assert_eq!(shown[0], "a 192.0.2.9");
    assert!(shown[1].starts_with("cfg") && shown[1].ends_with(" 192.0.2.8"), "{shown:?}");
    assert_eq!(shown.len(), 2);
}

#[test]
fn one_neighbour_may_be_reached_through_two_devices() {
    let config = accept(
        "config bfd_instance 'a'\n\toption neighbor_ip 'fe80::9'\n\toption interface 'eth0'\n\
         config bfd_instance 'b'\n\toption neighbor_ip 'fe80::9'\n\toption interface 'eth1'\n",
    );
    assert_eq!(sessions(&config), ["a fe80::9 on eth0", "b fe80::9 on eth1"]);
}

/// The tracker's word counts more than the section's, as with a `vrrp_script`.
#[test]
fn a_session_is_tracked_by_name_and_counts_as_its_section_or_its_tracker_says() {
    let config = accept(
        &("config bfd_instance 'x'\n\toption name 'up'\n\toption neighbor_ip '198.51.100.1'\n\
           \toption weight '-30'\n\toption direction 'reverse'\n\
           config bfd_instance 'plain'\n\toption neighbor_ip '198.51.100.2'\n"
            .to_owned()
            + &instance(1, "\tlist track_bfd 'up'\n\tlist track_bfd 'plain'\n")
            + &instance(2, "\tlist track_bfd 'up noreverse plain weight 253'\n")
            + &instance(3, "\tlist track_bfd 'x weight -253 reverse'\n")
            + "config vrrp_sync_group 'g'\n\tlist group 'v1'\n\tlist track_bfd 'plain reverse'\n"),
    );
    assert_eq!(
        tracks(&config),
        [
            ("up", -30, true),
            ("plain", 0, false),
            ("up", -30, false),
            ("plain", 253, false),
            ("up", -253, true),
            ("plain", 0, true),
        ]
    );
    assert_eq!(config.groups[0].tracks.range(), 5..6);
}

#[cfg(feature = "track-hooks")]
#[test]
fn a_session_has_the_script_of_its_section_once_tracked_or_not() {
    let config = accept(
        &("config bfd_instance 'a'\n\toption neighbor_ip '198.51.100.1'\n\toption notify '/sbin/a'\n\
           config bfd_instance 'b'\n\toption neighbor_ip '198.51.100.2'\n\
           config bfd_instance 'c'\n\toption neighbor_ip '198.51.100.3'\n\toption notify '/sbin/c'\n"
            .to_owned()
            + &instance(1, "\tlist track_bfd 'a'\n\tlist track_bfd 'b'\n")),
    );
    let hooks: Vec<_> = config
        .track_hooks
        .iter()
        .map(|hook| (hook.kind(), config.text(hook.name), config.text(hook.notify), hook.what))
        .collect();
    let what = |id| Tracked::Bfd(vipd::config::BfdId(id));
    assert_eq!(hooks, [("BFD", "a", "/sbin/a", what(0)), ("BFD", "c", "/sbin/c", what(2))]);
}

#[test]
fn bfd_begins_a_session_to_each_unicast_peer_from_the_address_of_the_adverts() {
    let config = accept(
        &("config peer 'p'\n\toption address '192.0.2.8'\n".to_owned()
            + &instance(
                1,
                "\tlist virtual_ipaddress 'fe80::1'\n\tlist unicast_peer 'fe80::9'\n\
                 \tlist unicast_peer '192.0.2.9 p'\n\toption unicast_src_ip '192.0.2.2'\n\toption bfd '1'\n",
            )),
    );
    assert_eq!(
        sessions(&config),
        [
            "fe80::9 fe80::9 on eth0",
            "192.0.2.9 192.0.2.9 from 192.0.2.2 on eth0",
            "192.0.2.8 192.0.2.8 from 192.0.2.2 on eth0"
        ]
    );
    assert_eq!(watched(&config), [Some("192.0.2.9"), Some("192.0.2.8"), Some("fe80::9")]);
    let session = config.bfd[0];
    assert_eq!((session.rules.min_tx_us, session.rules.multiplier), (10_000, 5));
    assert_eq!((session.hop_limit, session.least_hop_limit), (255, 255));
}

#[test]
fn a_peer_has_no_session_unless_it_is_asked_for() {
    let peer = "\tlist unicast_peer '192.0.2.9'\n";
    for lines in [peer.to_owned(), format!("{peer}\toption bfd '0'\n")] {
        let config = accept(&instance(1, &lines));
        assert!(config.bfd.is_empty());
        assert_eq!(watched(&config), [None]);
    }
    let config = accept(
        &("config bfd_instance 's'\n\toption neighbor_ip '192.0.2.9'\n".to_owned() + &instance(1, peer)),
    );
    assert_eq!(watched(&config), [None], "the session is there for others");
}

#[test]
fn instances_with_the_same_peer_share_a_session_and_other_devices_have_their_own() {
    let lines = "\tlist unicast_peer '192.0.2.9'\n\toption bfd '1'\n";
    let config =
        accept(&(instance(1, lines) + &instance(2, lines) + &instance(3, lines).replace("'eth0'", "'eth1'")));
    assert_eq!(sessions(&config), ["192.0.2.9 192.0.2.9 on eth0", "192.0.2.9 192.0.2.9 on eth1"]);
    let of_peers: Vec<_> = config.peers.iter().map(|peer| peer.bfd.session().unwrap().0).collect();
    assert_eq!(of_peers, [0, 0, 1]);
}

/// It is how the timers of a peer are set.
#[test]
fn a_section_for_the_peer_is_its_session_if_the_devices_agree() {
    let peers = instance(1, "\tlist unicast_peer '192.0.2.7 192.0.2.8 192.0.2.9'\n\toption bfd '1'\n");
    let config = accept(
        &("config bfd_instance 'any'\n\toption neighbor_ip '192.0.2.7'\n\toption min_tx '50'\n\
           config bfd_instance 'same'\n\toption neighbor_ip '192.0.2.8'\n\toption interface 'eth0'\n\
           config bfd_instance 'else'\n\toption neighbor_ip '192.0.2.9'\n\toption interface 'eth1'\n\
           config bfd_instance 'off'\n\toption neighbor_ip '192.0.2.9'\n\toption enabled '0'\n"
            .to_owned()
            + &peers),
    );
    assert_eq!(watched(&config), [Some("any"), Some("same"), Some("192.0.2.9")]);
    assert_eq!(
        sessions(&config),
        ["any 192.0.2.7", "same 192.0.2.8 on eth0", "else 192.0.2.9 on eth1", "192.0.2.9 192.0.2.9 on eth0"]
    );
}

/// keepalived's manual: such a pair has a master only while both live. With a weight, reversed, or without a peer, it has.
#[test]
fn a_fault_by_the_death_of_a_peer_is_warned_of_and_nothing_else_is() {
    let warnings = |lines: &str, group: &str| {
        let text = "config bfd_instance 's'\n\toption neighbor_ip '192.0.2.9'\n".to_owned()
            + &instance(1, lines)
            + group;
        let (_, usable, reported) = read(&text, &[]);
        assert!(usable, "{reported:?}");
        reported.iter().filter(|one| one.sentence.contains("nobody is left to be master")).count()
    };
    let peer = "\tlist unicast_peer '192.0.2.9'\n";
    let track = "\tlist track_bfd 's'\n";
    let group = "config vrrp_sync_group 'g'\n\tlist group 'v1'\n";
    assert_eq!(warnings(&format!("{peer}{track}"), ""), 1);
    assert_eq!(warnings(peer, &format!("{group}{track}")), 1);
    assert_eq!(warnings(track, ""), 0);
    assert_eq!(warnings("", &format!("{group}{track}")), 0);
    assert_eq!(warnings(&format!("{peer}\toption bfd '1'\n"), group), 0);
    for manner in ["weight 5", "weight -5", "reverse"] {
        assert_eq!(warnings(&format!("{peer}\tlist track_bfd 's {manner}'\n"), ""), 0, "{manner}");
    }
}

/// BF12: memory is fixed, so what is too much is refused when it is configured.
#[test]
fn bf12_more_sessions_than_there_is_room_for_are_refused_by_name() {
    let section = |number: usize| format!("config bfd_instance\n\toption neighbor_ip '10.0.0.{number}'\n");
    let sections = |count: usize| -> String { (1..=count).map(section).collect() };
    let no_room = |line: usize| {
        let most = limits::BFD_SESSIONS_MAX;
        format!(
            "{line}: there is no room for this: vipd was built with VIPD_BFD_SESSIONS={most}, build it with more"
        )
    };
    let said = |text: &str| -> Vec<String> {
        let (_, _, reported) = read(text, &[]);
        reported.iter().map(|one| format!("{}: {}", one.line, one.sentence)).collect()
    };
    let most = limits::BFD_SESSIONS_MAX;
    assert_eq!(accept(&sections(most)).bfd.len(), most);
    assert_eq!(said(&sections(most + 1)), [no_room(2 * most + 1)]);

    let full = sections(most) + &instance(1, "\tlist unicast_peer '10.0.0.1'\n\toption bfd '1'\n");
    assert_eq!(watched(&accept(&full)).len(), 1, "a session that is there already");
    assert_eq!(said(&full.replace("peer '10.0.0.1'", "peer '10.0.1.1'")), [no_room(2 * most + 5)]);
}
