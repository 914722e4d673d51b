//! `virtual_ipaddress_excluded`: addresses that move with the others, and that no advertisement lists.

use std::net::IpAddr;

use vipd::router::{Effect, Slot};
use vipd::wire::vrrp::Version;

use crate::bench::{Bench, ETH0, Spec, performed};

fn holds(bytes: &[Vec<u8>], address: &str) -> bool {
    let octets = match address.parse().unwrap() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    bytes.iter().any(|bytes| bytes.windows(octets.len()).any(|window| window == octets))
}

fn mixed(version: Version) -> Spec {
    let addresses = vec!["10.0.0.1", "10.0.0.2 excluded", "2001:db8::2 excluded"];
    Spec { version, addresses, ..Spec::default() }
}

/// RFC 9568 §5.2.5 and §5.2.9: the count is that of the addresses listed, all of one family.
#[test]
fn tx12_tx24_no_advertisement_lists_an_excluded_address() {
    for version in [Version::V2, Version::V3] {
        let bench = Bench::master(&[mixed(version)]);
        let bytes = performed(&bench, Effect::Advertise { slot: Slot(0), priority: 100 });
        let [advert] = &bytes.messages[..] else { panic!() };
        assert_eq!(advert[3], 1, "{version:?}");
        assert!(holds(&bytes.messages, "10.0.0.1"));
        assert!(!holds(&bytes.messages, "10.0.0.2") && !holds(&bytes.messages, "2001:db8::2"));
    }
}

#[test]
fn excluded_addresses_of_both_families_are_claimed_announced_and_released_with_the_only_virtual_router() {
    let mut bench = Bench::master(&[mixed(Version::V3)]);
    assert_eq!(bench.router.slots().count(), 1);
    let all = ["10.0.0.1", "10.0.0.2", "2001:db8::2"];
    for text in all {
        bench.address(ETH0, text, true);
    }
    for (effect, is_announced) in [
        (Effect::Claim(Slot(0)), false),
        (Effect::Announce { slot: Slot(0), repeat: 1 }, true),
        (Effect::Release(Slot(0)), false),
    ] {
        let bytes = performed(&bench, effect);
        let where_it_is = if is_announced { &bytes.frames } else { &bytes.requests };
        assert_eq!(where_it_is.len(), 3, "{effect:?}");
        assert!(all.iter().all(|text| holds(where_it_is, text)), "{effect:?}");
    }
    // One that somebody deletes is put back.
    bench.address_gone(ETH0, "2001:db8::2");
    assert!(bench.effects.contains(&Effect::Claim(Slot(0))), "{:?}", bench.effects);
}

#[test]
fn an_excluded_address_belongs_to_the_virtual_router_of_its_family_where_there_is_one() {
    let addresses = vec!["10.0.0.1", "10.0.0.2 excluded", "fe80::1", "2001:db8::2 excluded"];
    let bench = Bench::master(&[Spec { addresses, ..Spec::default() }]);
    let requests = |slot| performed(&bench, Effect::Claim(Slot(slot))).requests;
    let (v4, v6) = (requests(0), requests(1));
    assert!(v4.len() == 2 && holds(&v4, "10.0.0.2") && v6.len() == 2 && holds(&v6, "2001:db8::2"));
}

#[test]
fn status_counts_the_addresses_that_are_advertised() {
    let bench = Bench::master(&[mixed(Version::V3)]);
    let record = bench.router.status(bench.now, Slot(0)).unwrap();
    assert_eq!((record.addresses, record.address), (1, Some(IpAddr::from([10, 0, 0, 1]))));
}

/// Where Linux would take the route of an IPv6 prefix away with the lifetime (`perform`), also if the virtual router is
/// one of IPv4.
#[test]
fn an_excluded_ipv6_address_with_a_lifetime_loses_its_route_before() {
    let bench = Bench::master(&[Spec { lifetime_secs: 3, ..mixed(Version::V3) }]);
    let requests = performed(&bench, Effect::Claim(Slot(0))).requests;
    let of = |address| requests.iter().filter(|it| holds(&[it.to_vec()], address)).count();
    assert_eq!([of("10.0.0.1"), of("10.0.0.2"), of("2001:db8::2")], [1, 1, 2]);
}
