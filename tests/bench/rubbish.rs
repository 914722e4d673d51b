//! A stranger sends 3000 invalid packets a second: which of the master's adverts do not leave.

use std::time::Duration;

use crate::daemon::Kind;
use crate::harness::{Flooder, Forged, Host, Sum, now};
use crate::intent::Intent;
use crate::pair::Pair;
use crate::plan::Plan;
use crate::report::{Report, for_each};
use crate::state::{adverts, missing};
use crate::table::{Cell, Row, Target};

const SECOND: Duration = Duration::from_secs(1);
const RATE: u32 = 3000;

/// What every receiver must reject, and all three daemons do.
const SPOILS: [fn(&mut Forged); 7] = [
    |it| it.sum = Sum::Wrong,
    |it| it.ttl = 254,
    |it| it.version = 4,
    |it| it.kind = 2,
    |it| it.cut = Some(6),
    |it| it.trailer.push(0),
    |it| it.count = 255,
];

/// What was lost, of how many adverts, and how many the backup sent.
struct Harm {
    lost: u64,
    due: u64,
    wrong: usize,
}

pub(crate) fn measure(plan: &Plan, report: &mut Report) {
    let intent = Intent { priority: 150, ..Intent::one(SECOND / 10) };
    let harms = for_each("rubbish", &intent, |kind| harm(plan, kind, intent));
    let lost = harms.each_ref().map(|harm| {
        let harm = harm.as_ref()?;
        Some(Cell::noted(harm.lost as f64, format!("of {}", harm.due)))
    });
    let what = format!("adverts lost to {RATE} invalid packets a second, at 100 ms");
    report.row(&intent, Row { what, cells: lost, target: Some(Target::AtMost(0.0)) });
    let wrong = harms.map(|harm| harm.map(|harm| Cell::new(harm.wrong as f64)));
    let what = "with a backup under these packets: its adverts, while the master lives".to_owned();
    report.row(&intent, Row { what, cells: wrong, target: Some(Target::AtMost(0.0)) });
}

/// A master that is alone is flooded, and then a pair.
fn harm(plan: &Plan, kind: Kind, intent: Intent) -> Harm {
    let span = plan.span(SECOND * 6);
    let mut pair = Pair::alone(kind, intent);
    let stranger = Host::new("stranger");
    let port = pair.lan.attach_with(&stranger, "eth0", &["10.0.0.66/16"]);
    let flooder = Flooder::new(&stranger, "eth0");
    let (from, to) = flood(plan, &flooder, port.mac(), span);
    // It has recovered before the backup comes.
    let spoke = pair.wait_advert(to);
    let said = adverts(&pair.capture.between(from, to), pair.master().port.index());
    let lost = missing(&said, &intent, from, to);
    pair.wait_advert(spoke + intent.interval / 2);
    pair.complete(100);
    let (flood_from, flood_to) = flood(plan, &flooder, port.mac(), span);
    pair.wait_recorded(flood_to);
    let due = ((to - from).as_millis() / intent.interval.as_millis()) as u64;
    Harm { lost, due, wrong: pair.false_adverts(flood_from, flood_to) }
}

/// Floods the segment; between which moments.
fn flood(plan: &Plan, flooder: &Flooder, mac: [u8; 6], span: Duration) -> (Duration, Duration) {
    let flawless =
        Forged { vrid: 1, addresses: vec![Intent::address(1, 1).into()], ..Forged::version_3(200) };
    let frames = SPOILS.map(|spoil| {
        let mut forged = flawless.clone();
        spoil(&mut forged);
        forged.frame(mac)
    });
    let from = now();
    let sent = flooder.flood(&frames, RATE, span);
    let to = now();
    let rate = f64::from(sent) / (to - from).as_secs_f64();
    let least = if plan.quick { 0.3 } else { 0.9 };
    assert!(rate > f64::from(RATE) * least, "it was a flood: {rate:.0} a second");
    (from, to)
}
