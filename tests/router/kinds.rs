//! Law 10 row by row: the list of kinds of advertisements against a master of every shape. Some kinds come to
//! nothing in the kernel already; the lab sends the same list through a real one.

use std::net::Ipv6Addr;
use std::time::Duration;

use vipd::router::{Event, Packet, Slot};
use vipd::time::Interval;
use vipd::vrrp::Phase;
use vipd::wire::vrrp::{Discard, Version};

use crate::bench::{Bench, ETH0, OUR_V4, OUR_V6, Spec};
use crate::table::{KINDS, OURS, SHAPES, Shape, Verdict, forged};

fn spec(shape: Shape) -> Spec {
    let v3 = Spec {
        interval: Interval::from_centis(10).unwrap(),
        addresses: vec!["10.0.0.100"],
        ..Spec::default()
    };
    let v2 = Spec { version: Version::V2, interval: Interval::SECOND, ..v3.clone() };
    match shape {
        Shape::V2 => v2,
        Shape::V2Pass => Spec { password: Some("1111"), ..v2 },
        Shape::V3 => v3,
        Shape::V3Ipv6 => Spec { addresses: vec!["fe80::100"], ..v3 },
        Shape::V3Unicast => Spec { peers: vec![("10.0.0.66", 0, 255), ("10.0.0.3", 0, 255)], ..v3 },
    }
}

/// What the kernel would hand over of a frame.
fn deliver(bench: &mut Bench, frame: &[u8]) {
    let packet = &frame[14..];
    if frame[12..14] == [0x08, 0x00] {
        bench.handle(Event::Packet(Packet::V4 { interface: ETH0, packet }));
        return;
    }
    let address = |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&packet[at..at + 16]).unwrap());
    let len = usize::from(u16::from_be_bytes([packet[4], packet[5]]));
    bench.handle(Event::Packet(Packet::V6 {
        interface: ETH0,
        source: address(8),
        destination: address(24),
        hop_limit: packet[7],
        message: &packet[40..40 + len],
    }));
}

/// Everything that a packet could move, but the counters.
fn standing(bench: &Bench) -> String {
    let view = bench.router.view(Slot(0)).unwrap();
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

/// Reasons with their counts.
type Counts = Vec<(&'static str, u32)>;

/// Every reason with a count, of the virtual router and of nobody.
fn dropped(bench: &Bench) -> (Counts, Counts) {
    let (own, stray) = (bench.counters(0), bench.router.stray());
    let list = |count: &dyn Fn(Discard) -> u32| -> Vec<_> {
        let counts = Discard::ALL.into_iter().map(|reason| (reason.name(), count(reason)));
        counts.filter(|(_, count)| *count > 0).collect()
    };
    (list(&|reason| own.discarded(reason)), list(&|reason| stray.discarded(reason)))
}

#[test]
fn law_10_rx21_every_kind_of_advert_has_its_outcome_in_every_shape_of_router() {
    assert_eq!(OURS, [OUR_V4, OUR_V6]);
    for (column, shape) in SHAPES.into_iter().enumerate() {
        let spec = spec(shape);
        for (name, spoil, verdicts) in KINDS {
            if matches!(verdicts[column], Verdict::Undelivered(None) | Verdict::None) {
                continue;
            }
            let mut bench = Bench::master(std::slice::from_ref(&spec));
            let frame = forged(shape, *spoil).frame([2; 6]);
            let before = standing(&bench);
            for _ in 0..3 {
                deliver(&mut bench, &frame);
                if matches!(verdicts[column], Verdict::Dropped(_) | Verdict::Stray(_)) {
                    assert!(bench.effects.is_empty(), "{shape:?}, {name}: {:?}", bench.effects);
                }
            }
            let (own, stray) = dropped(&bench);
            let is_master = bench.phase(0) == Phase::Master;
            let received = bench.counters(0).received;
            let what = format!("{shape:?}, {name}: {own:?} {stray:?}");
            match verdicts[column] {
                Verdict::Yields => assert!(!is_master && received == 3, "{what}"),
                Verdict::Accepted => assert!(is_master && received == 3, "{what}"),
                Verdict::Dropped(reason) => assert_eq!((own, stray), (vec![(reason, 3)], vec![]), "{what}"),
                Verdict::Stray(reason) => assert_eq!((own, stray), (vec![], vec![(reason, 3)]), "{what}"),
                Verdict::Undelivered(Some(reason)) => {
                    assert_eq!([own, stray].concat(), [(reason, 3)], "{what}");
                }
                Verdict::Undelivered(None) | Verdict::None => {}
            }
            let is_refused = !matches!(verdicts[column], Verdict::Yields | Verdict::Accepted);
            if is_refused {
                assert_eq!(standing(&bench), before, "{what}");
                assert!(is_master && received == 0, "{what}");
            }
        }
    }
}

/// The same list, all of it that is dropped, at a thousand a second: the adverts leave at the very moments at
/// which they leave without it.
#[test]
fn law_10_no_kind_delays_an_advert_in_any_shape_of_router() {
    for (column, shape) in SHAPES.into_iter().enumerate() {
        let spec = spec(shape);
        let refused = KINDS.iter().filter(|(_, _, verdicts)| {
            matches!(
                verdicts[column],
                Verdict::Dropped(_) | Verdict::Stray(_) | Verdict::Undelivered(Some(_))
            )
        });
        let frames: Vec<_> = refused.map(|(_, spoil, _)| forged(shape, *spoil).frame([2; 6])).collect();
        assert!(frames.len() > 20, "{shape:?}");
        let mut quiet = Bench::master(std::slice::from_ref(&spec));
        let mut bothered = Bench::master(std::slice::from_ref(&spec));
        let expected = quiet.run_for(Duration::from_secs(5));
        let mut seen = vec![];
        for millisecond in 0..5000 {
            deliver(&mut bothered, &frames[millisecond % frames.len()]);
            assert!(bothered.effects.is_empty(), "{shape:?}");
            let offset = Duration::from_millis(millisecond as u64);
            let effects = bothered.run_for(Duration::from_millis(1));
            seen.extend(effects.into_iter().map(|(at, effect)| (offset + at, effect)));
        }
        assert_eq!(seen, expected, "{shape:?}");
    }
}
