//! `promote_secondaries`: asked of each device before its first address.

use vipd::router::{Effect, Slot};

use crate::bench::{Bench, Spec, performed};

const SET_LINK: u16 = 19;
const NEW_ADDRESS: u16 = 20;

fn claimed(addresses: &[&'static str], promotes_secondaries: bool) -> Vec<u16> {
    let spec = Spec { addresses: addresses.to_vec(), promotes_secondaries, ..Spec::default() };
    let bench = Bench::master(&[spec]);
    let bytes = performed(&bench, Effect::Claim(Slot(0)));
    bytes.requests.iter().map(|it| u16::from_ne_bytes([it[4], it[5]])).collect()
}

#[test]
fn a_device_is_asked_once_before_its_ipv4_addresses() {
    assert_eq!(claimed(&["10.0.0.1", "10.0.0.2"], true), [SET_LINK, NEW_ADDRESS, NEW_ADDRESS]);
    assert_eq!(claimed(&["10.0.0.1", "10.0.0.2"], false), [NEW_ADDRESS, NEW_ADDRESS]);
    assert_eq!(claimed(&["fe80::1"], true), [NEW_ADDRESS]);
}
