//! Many virtual routers speak in waves, spread over their interval.

use std::collections::BTreeMap;
use std::time::Duration;

use vipd::limits::VIRTUAL_ROUTERS_MAX;
use vipd::router::{Effect, Slot};
use vipd::time::Interval;
use vipd::vrrp::Phase;

use crate::bench::{Bench, Spec};

const SECOND: Duration = Duration::from_secs(1);

/// Virtual routers 1 to `count`, each with an address of its own.
fn specs(count: usize) -> Vec<Spec> {
    let spec = |vrid: usize| {
        let address: &'static str = format!("10.0.0.{}", 100 + vrid).leak();
        Spec { vrid: vrid as u8, addresses: vec![address], ..Spec::default() }
    };
    (1..=count).map(spec).collect()
}

/// When each virtual router speaks in the time to come.
fn adverts(bench: &mut Bench, span: Duration) -> BTreeMap<u16, Vec<Duration>> {
    let mut all: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for (at, effect) in bench.run_for(span) {
        if let Effect::Advertise { slot: Slot(slot), .. } = effect {
            all.entry(slot).or_default().push(at);
        }
    }
    all
}

/// RFC 9568 §6.4.2 wants an advert at the latest an interval after the first, and §6.4.3 one each interval from then on.
#[test]
fn those_that_become_master_together_speak_in_waves_that_are_spread_over_the_interval() {
    let count = VIRTUAL_ROUTERS_MAX.min(32);
    let mut bench = Bench::new(&specs(count));
    let all = adverts(&mut bench, SECOND * 8);
    assert_eq!(all.len(), count);
    for (slot, times) in &all {
        let wave = slot / 16;
        assert_eq!(times[0], Duration::from_nanos(3_609_375_000), "all of them become master");
        let expected = if wave == 0 { SECOND } else { SECOND / 2 };
        assert_eq!(times[1] - times[0], expected, "{slot}");
        assert!(times[1..].windows(2).all(|pair| pair[1] - pair[0] == SECOND), "{slot}: {times:?}");
    }
}

#[test]
fn as_many_as_are_one_wave_keep_their_interval() {
    let mut bench = Bench::new(&specs(16));
    for (slot, times) in adverts(&mut bench, SECOND * 8) {
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == SECOND), "{slot}: {times:?}");
    }
}

/// The other router's waves have told when each wave is due here.
#[test]
fn waves_stay_what_they_are_over_a_takeover() {
    let mut bench = Bench::new(&specs(32));
    let hear = |bench: &mut Bench, vrids: std::ops::RangeInclusive<u8>| {
        vrids.for_each(|vrid| bench.hear(vrid, 200, "10.0.0.9"));
    };
    for _ in 0..3 {
        hear(&mut bench, 1..=16);
        bench.tick(500);
        hear(&mut bench, 17..=32);
        bench.tick(500);
    }
    let all = adverts(&mut bench, SECOND * 8);
    for (slot, times) in &all {
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == SECOND), "{slot}: {times:?}");
    }
    assert_eq!(all[&16][0] - all[&15][0], SECOND / 2);
}

#[test]
fn one_that_becomes_master_later_joins_its_wave_within_an_interval() {
    let mut bench = Bench::new(&specs(32));
    // All but one become master; its own goes on to be heard.
    for _ in 0..8 {
        bench.hear(20, 200, "10.0.0.9");
        bench.run_for(SECOND);
    }
    assert_eq!(bench.phase(19), Phase::Backup);
    let all = adverts(&mut bench, SECOND * 8);
    let (late, wave) = (&all[&19], &all[&18]);
    assert!(late[1] - late[0] <= SECOND);
    assert!(late[1..].iter().all(|at| wave.contains(at)), "{late:?} {wave:?}");
}

#[test]
fn another_interval_is_no_measure() {
    let mut specs = specs(32);
    specs[16].interval = Interval::from_centis(70).unwrap();
    let mut bench = Bench::new(&specs);
    let all = adverts(&mut bench, SECOND * 8);
    let own = Duration::from_millis(700);
    assert!(all[&16].windows(2).all(|pair| pair[1] - pair[0] == own), "{:?}", all[&16]);
    assert!(all[&17].windows(2).all(|pair| pair[1] - pair[0] == SECOND), "{:?}", all[&17]);
}
