//! What `router_advert` and the options beside it mean.

use vipd::config::RouterAdvert;
use vipd::wire::ra::{AUTONOMOUS, MANAGED, ON_LINK, OTHER, PREFERENCE_HIGH, PREFERENCE_LOW, Prefix};

use super::accept;

const HEAD: &str = "config vrrp_instance 'v4'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
    \tlist virtual_ipaddress '192.0.2.1/24'\n\
    config vrrp_instance 'lan'\n\toption interface 'eth0'\n\toption virtual_router_id '2'\n\
    \tlist virtual_ipaddress '192.0.2.2/24'\n\tlist virtual_ipaddress 'fe80::1/64'\n\
    \toption router_advert '1'\n";

fn advert(text: &str) -> (RouterAdvert, Vec<Prefix>, Vec<String>) {
    let config = accept(&format!("{HEAD}{text}"));
    assert_eq!(config.router_adverts.len(), 1);
    let advert = config.router_adverts[0];
    let name_servers = advert.name_servers.of(&config.name_servers).iter().map(ToString::to_string);
    (advert, advert.prefixes.of(&config.prefixes).to_vec(), name_servers.collect())
}

/// RFC 4861 §6.2.1, and odhcpd's defaults where it has others.
#[test]
fn what_is_not_written_has_its_default() {
    let (advert, prefixes, name_servers) = advert("\tlist ra_prefix '2001:db8:1::/64'\n");
    assert_eq!((advert.instance, advert.lifetime_secs), (1, 1800));
    assert_eq!((advert.min_interval_secs, advert.max_interval_secs), (200, 600));
    assert_eq!((advert.mtu, advert.flags), (0, 0));
    assert_eq!(
        prefixes,
        [Prefix {
            network: "2001:db8:1::".parse().unwrap(),
            len: 64,
            flags: ON_LINK | AUTONOMOUS,
            valid_secs: 2_592_000,
            preferred_secs: 604_800,
        }]
    );
    assert_eq!(name_servers, [""; 0]);
}

#[test]
fn every_option_is_taken_as_it_is_written() {
    let (advert, prefixes, name_servers) = advert(
        "\toption ra_lifetime '0'\n\toption ra_maxinterval '30'\n\toption ra_mininterval '4'\n\
         \toption ra_mtu '1492'\n\tlist ra_flags 'managed-config'\n\tlist ra_flags 'other-config'\n\
         \toption ra_preference 'low'\n\tlist dns 'fe80::1 2001:db8::53'\n\
         \tlist ra_prefix '2001:db8:1::/64 valid 7200 preferred 3600'\n\
         \tlist ra_prefix 'fd00:1::/48 no_autonomous fd00:2::/64 no_onlink valid 60'\n",
    );
    assert_eq!((advert.lifetime_secs, advert.mtu), (0, 1492));
    assert_eq!((advert.min_interval_secs, advert.max_interval_secs), (4, 30));
    assert_eq!(advert.flags, MANAGED | OTHER | PREFERENCE_LOW);
    let told: Vec<_> = prefixes
        .iter()
        .map(|prefix| {
            (prefix.network.to_string(), prefix.len, prefix.flags, prefix.valid_secs, prefix.preferred_secs)
        })
        .collect();
    let expected = [
        ("2001:db8:1::", 64, ON_LINK | AUTONOMOUS, 7200, 3600),
        ("fd00:1::", 48, ON_LINK, 2_592_000, 604_800),
        ("fd00:2::", 64, AUTONOMOUS, 60, 60),
    ];
    assert_eq!(
        told,
        expected.map(|(network, len, flags, valid, preferred)| (
            network.to_string(),
            len,
            flags,
            valid,
            preferred
        ))
    );
    assert_eq!(name_servers, ["fe80::1", "2001:db8::53"]);
}

#[test]
fn a_short_interval_has_a_shortest_one_that_fits() {
    for (longest, shortest) in [(4, 3), (9, 3), (12, 4), (1800, 600)] {
        let (advert, ..) =
            advert(&format!("\toption ra_maxinterval '{longest}'\n\toption ra_preference 'high'\n"));
        assert_eq!((advert.min_interval_secs, advert.max_interval_secs), (shortest, longest));
        assert_eq!(advert.flags, PREFERENCE_HIGH);
    }
}

#[test]
fn without_it_there_is_none() {
    let config = accept(&HEAD.replace("router_advert '1'", "router_advert '0'"));
    assert!(config.router_adverts.is_empty());
}
