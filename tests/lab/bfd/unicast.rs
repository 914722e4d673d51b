//! `option bfd`: a backup knows that its master is gone before three adverts are missed, and nothing else makes it master.

use std::thread;
use std::time::Duration;

use super::pair::{PLAN, Plan, Routers, VIP, VIP_V6, stall};
use super::peer::{EARLY, ROOM, Timers};
use crate::bench::{Bench, Load};
use crate::harness::{Standing, now, program};
use crate::lone::{SECOND, VRID, announced};

/// The detection time of [`PLAN`].
const DETECTION: Duration = Duration::from_millis(400);
/// With timers for a machine that is not busy.
const SWIFT: Plan<'_> = Plan { timers: Some(Timers::new(50, 3)), ..PLAN };
const SWIFT_DETECTION: Duration = Duration::from_millis(150);
/// What a busy machine may cost beside the protocol's time, and is far from a missed advert.
const MUCH_ROOM: Duration = Duration::from_millis(500);
/// What three adverts that are missed take at least: the last one may just have left (RFC 9568 §6.1).
const THREE_ADVERTS: Duration = SECOND.saturating_mul(3);

/// Skew_Time (RFC 9568 §6.1) of a second's interval.
fn skew(priority: u32) -> Duration {
    SECOND * (256 - priority) / 256
}

/// How the master leaves.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Killed,
    /// Its cable is cut.
    Cut,
    /// Its cable leads nowhere any more, and it does not notice.
    Lost,
    /// It does not run for a while.
    Frozen,
}

impl Loss {
    fn strike(self, routers: &mut Routers) -> Duration {
        let moment = now();
        match self {
            Self::Killed => return routers.vipds[0].process().kill(),
            Self::Cut => routers.ports[0].unplug(),
            Self::Lost => routers.ports[0].mislead(),
            Self::Frozen => routers.vipds[0].process().signal(libc::SIGSTOP),
        }
        moment
    }
}

/// How long it takes from the loss to the first word of the other one, which then announces every address.
fn outage(plan: Plan<'_>, loss: Loss) -> Duration {
    let mut routers = Routers::start(plan);
    // In the middle of an interval.
    let advert = routers.capture.wait_advert(&routers.ports[0], VRID, now(), SECOND * 3).0;
    thread::sleep((advert + SECOND / 2).saturating_sub(now()));
    let from = loss.strike(&mut routers);
    let vips: &[&str] = if plan.is_dual { &[VIP, VIP_V6] } else { &[VIP] };
    let spoke = vips.iter().map(|vip| {
        let is_v6 = vip.contains(':');
        routers.capture.wait("the other one's word", from, SECOND * 8, |frame| {
            let vrrp = frame.vrrp()?;
            let is_it = frame.port == routers.ports[1].index() && vrrp.source.is_ipv6() == is_v6;
            (is_it && vrrp.priority > 0).then_some(frame.at)
        })
    });
    let last = spoke.max().unwrap();
    for vip in vips {
        routers.wait_announced(1, vip, from);
        assert!(routers.hosts[1].has("eth0", vip), "what is announced is there");
    }
    if let Loss::Frozen = loss {
        routers.vipds[0].process().signal(libc::SIGCONT);
    }
    last - from
}

/// Two routers have nobody to wait for: at once, without a skew, and in a fraction of the time that adverts need. What it shows
/// is that they are able to: a busy machine has it tried three times.
fn much_sooner_than_without(loss: Loss, is_dual: bool) {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let plan = Plan { is_dual, ..SWIFT };
    for attempts_left in (0..3).rev() {
        let (with, without) = thread::scope(|scope| {
            let without = scope.spawn(|| outage(Plan { timers: None, ..plan }, loss));
            (outage(plan, loss), without.join().unwrap())
        });
        eprintln!("{loss:?}: after {with:?} with BFD, after {without:?} without");
        assert!(without + EARLY >= THREE_ADVERTS - SECOND / 2, "the comparison is good: {without:?}");
        // One of three packets may have been due at once, and each interval is shorter by up to a quarter.
        assert!(with >= SWIFT_DETECTION / 2, "not before two have been missed: {with:?}");
        if with < SWIFT_DETECTION + ROOM * 2 && with * 3 < without {
            return;
        }
        assert!(attempts_left > 0, "after {with:?} with BFD, after {without:?} without");
    }
}

#[test]
fn a_killed_master_is_replaced_long_before_three_adverts() {
    much_sooner_than_without(Loss::Killed, false);
}

#[test]
fn a_master_of_both_families_is_replaced_in_both_long_before_three_adverts() {
    much_sooner_than_without(Loss::Killed, true);
}

#[test]
fn a_master_whose_link_is_cut_is_replaced_long_before_three_adverts() {
    much_sooner_than_without(Loss::Cut, false);
}

#[test]
fn a_master_whose_link_leads_nowhere_is_replaced_long_before_three_adverts() {
    much_sooner_than_without(Loss::Lost, false);
}

#[test]
fn a_frozen_master_is_replaced_long_before_three_adverts() {
    much_sooner_than_without(Loss::Frozen, false);
}

/// RFC 9568 §6.4.2: priority 0 lets the best backup go first, in its skew; AdminDown (RFC 5880 §6.8.16) is no failure.
#[test]
fn a_master_that_resigns_is_replaced_in_the_skew_and_says_that_its_session_ends() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut routers = Routers::start(PLAN);
    let asked = routers.vipds[0].process().terminate();
    let resigned = routers.capture.wait("priority 0", asked, SECOND * 2, |frame| {
        let vrrp = frame.vrrp()?;
        (frame.port == routers.ports[0].index() && vrrp.priority == 0).then_some(frame.at)
    });
    let goodbye = routers.capture.wait_bfd("AdminDown", &routers.ports[0], asked, SECOND * 2, |bfd| {
        bfd.standing == Standing::AdminDown
    });
    assert_eq!(goodbye.diagnostic, 7, "{goodbye:?}");
    let (taken, _) = routers.capture.wait_advert(&routers.ports[1], VRID, asked, SECOND * 3);
    let took = taken - resigned;
    eprintln!("taken over {took:?} after the resignation; the protocol says {:?}", skew(100));
    assert!(took + EARLY >= skew(100), "the skew is for better ones, {took:?}");
    assert!(took <= skew(100) + MUCH_ROOM + stall(resigned), "{took:?}");
    routers.wait_holder(1);
    routers.vipds[0].process().wait(SECOND * 3);
    // And back, with sessions of their own.
    let restarted = now();
    routers.vipds[0].restart();
    routers.wait_holder(0);
    routers.wait_sessions(1);
    assert!(routers.spoke(0, restarted) > 0);
}

/// A master that finds the adverts of somebody better, when it goes on, says once that it was here, so that the better one
/// announces itself again (ST22), and announces nothing. A `nopreempt` lets the worse one be master at first.
#[test]
fn a_master_that_was_frozen_yields_to_the_better_one_that_took_over() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let plan = Plan { priorities: &[100, 200], ..PLAN };
    let more = |which: usize| if which == 1 { "\toption nopreempt '1'\n" } else { "" };
    let mut routers = Routers::begin(
        |which| {
            let config = Plan { more: more(which), ..plan }.config(which);
            // The second waits until the first is master.
            if which == 1 {
                format!("config globals\n\toption vrrp_startup_delay '6'\n{config}")
            } else {
                config
            }
        },
        2,
    );
    routers.wait_holder(0);
    routers.wait_sessions(1);
    thread::sleep(SECOND * 4);
    routers.wait_holder(0);
    let frozen = Loss::Frozen.strike(&mut routers);
    routers.wait_announced(1, VIP, frozen);
    thread::sleep(SECOND * 3 / 2);
    let woken = now();
    routers.vipds[0].process().signal(libc::SIGCONT);
    routers.wait_holder(1);
    thread::sleep(SECOND * 2);
    assert!(routers.spoke(0, woken) <= 1, "it has no business any more");
    let port = routers.ports[0].index();
    let frames = routers.capture.between(woken, now());
    assert!(
        frames.iter().all(|frame| frame.port != port || announced(frame).is_none()),
        "the hosts are left alone"
    );
    routers.wait_holder(1);
    routers.wait_sessions(1);
    assert_eq!(routers.became_master(1), 1, "once is enough");
}

/// The better one is master again when it goes on, as it would be without BFD, and once.
#[test]
fn a_better_master_that_was_frozen_is_master_again_without_flapping() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut routers = Routers::start(PLAN);
    let frozen = Loss::Frozen.strike(&mut routers);
    routers.wait_announced(1, VIP, frozen);
    thread::sleep(SECOND * 3 / 2);
    let woken = now();
    routers.vipds[0].process().signal(libc::SIGCONT);
    routers.wait_holder(0);
    routers.wait_sessions(1);
    let settled = now();
    thread::sleep(SECOND * 2);
    assert_eq!(routers.spoke(1, settled), 0, "the other one is silent");
    assert!(settled - woken < SECOND * 4 + stall(woken), "{:?}", settled - woken);
    assert_eq!(routers.became_master(1), 1, "once is enough");
}

/// A master that was frozen for longer than adverts are waited for has been replaced by right, and says nothing when it goes
/// on. With `nopreempt` the other one stays.
#[test]
fn a_master_that_was_frozen_for_long_steps_back_without_a_word() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut routers = Routers::start(Plan { more: "\toption nopreempt '1'\n", ..PLAN });
    let frozen = Loss::Frozen.strike(&mut routers);
    routers.wait_announced(1, VIP, frozen);
    thread::sleep(THREE_ADVERTS + SECOND * 3 / 2);
    let woken = now();
    routers.vipds[0].process().signal(libc::SIGCONT);
    routers.wait_holder(1);
    routers.wait_sessions(1);
    thread::sleep(SECOND);
    assert_eq!(routers.spoke(0, woken), 0, "it steals nothing");
    routers.wait_holder(1);
    assert_eq!(routers.became_master(1), 1, "once is enough");
}

/// Law 6: it has heard nothing for more than two detection times, and everything waits for it.
#[test]
fn law_06_a_starved_backup_does_not_take_over_because_of_bfd() {
    for is_dual in [false, true] {
        let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
        let mut routers = Routers::start(Plan { is_dual, ..PLAN });
        let from = now();
        for round in 0..5 {
            routers.vipds[1].process().signal(libc::SIGSTOP);
            thread::sleep(DETECTION * 2 + DETECTION * round / 7);
            if round % 2 == 1 {
                routers.vipds[1].process().signal(libc::SIGHUP);
            }
            routers.vipds[1].process().signal(libc::SIGCONT);
            thread::sleep(DETECTION);
            assert_eq!(routers.spoke(1, from), 0, "law 6: it stole the address in round {round}");
            // Up again, so that there is something to lose.
            routers.wait_sessions(if is_dual { 2 } else { 1 });
        }
        assert_eq!(routers.became_master(1), 0);
        assert!(!routers.was_up(0, from), "the master has missed it");
        routers.wait_holder(0);
    }
}

/// RFC 5882 §4.2 and common sense: what was never there cannot fail.
#[test]
fn a_session_that_was_never_up_changes_nothing() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let without = Plan { timers: None, ..PLAN };
    let plan = |which| if which == 0 { without } else { PLAN };
    let mut routers = Routers::begin(|which| plan(which).config(which), 2);
    routers.wait_holder(0);
    let from = now();
    thread::sleep(SECOND * 3);
    assert_eq!(routers.spoke(1, from), 0, "the master is well");
    let (advert, _) = routers.capture.wait_advert(&routers.ports[0], VRID, now(), SECOND * 3);
    let killed = routers.vipds[0].process().kill();
    let (taken, _) = routers.capture.wait_advert(&routers.ports[1], VRID, killed, SECOND * 8);
    let formula = THREE_ADVERTS + skew(100);
    let took = taken - advert;
    assert!(
        took + EARLY >= formula && took <= formula + MUCH_ROOM + stall(killed),
        "{took:?} of {formula:?}"
    );
}

/// RFC 5882 §4.3: a session that is held down by hand says nothing about the path.
#[test]
fn bf10_a_session_that_the_master_ends_by_hand_is_no_failure() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let routers = Routers::start(PLAN);
    let from = now();
    routers.vipds[0].rewrite(&Plan { timers: None, ..PLAN }.config(0));
    assert_eq!(routers.vipds[0].ask(&["reload"]).status.code(), Some(0));
    routers.capture.wait_bfd("AdminDown", &routers.ports[0], from, SECOND * 2, |bfd| {
        bfd.standing == Standing::AdminDown
    });
    thread::sleep(SECOND * 2);
    assert_eq!(routers.spoke(1, from), 0, "the master is well");
    assert_eq!(routers.became_master(1), 0);
    // And it comes back, and counts again.
    routers.vipds[0].rewrite(&PLAN.config(0));
    assert_eq!(routers.vipds[0].ask(&["reload"]).status.code(), Some(0));
    routers.wait_sessions(1);
    routers.wait_holder(0);
    let mut routers = routers;
    let killed = routers.vipds[0].process().kill();
    let (taken, _) = routers.capture.wait_advert(&routers.ports[1], VRID, killed, SECOND * 8);
    assert!(taken - killed < DETECTION + MUCH_ROOM + stall(killed), "{:?}", taken - killed);
}

/// The master is none the wiser.
#[test]
fn a_backup_that_dies_changes_nothing() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let mut routers = Routers::start(PLAN);
    let killed = routers.vipds[1].process().kill();
    thread::sleep(SECOND * 2);
    let adverts = routers.capture.adverts(&routers.ports[0], VRID, killed);
    assert!(adverts.len() >= 2 && adverts.iter().all(|(_, vrrp)| vrrp.priority == 200), "{adverts:?}");
    assert_eq!(routers.became_master(0), 1);
    routers.vipds[1].restart();
    routers.wait_sessions(1);
    routers.wait_holder(0);
}

/// Drops the BFD packets that come in at this router from now on.
fn make_deaf(routers: &Routers, which: usize) {
    for words in [
        "add table inet deaf",
        "add chain inet deaf input { type filter hook input priority 0 ; }",
        "add rule inet deaf input udp dport 3784 drop",
    ] {
        let status = routers.hosts[which].command("nft").arg(words).status().unwrap();
        assert!(status.success(), "nft {words}");
    }
}

/// The master says that it hears nothing (diagnostic 1), and is alive, or it could not say it.
#[test]
fn a_master_that_does_not_hear_its_backup_stays_master() {
    let missing = [program("nft").is_none().then(|| "nftables is not installed".to_owned())];
    let Some(_bench) = Bench::take(Load::Light, &missing) else { return };
    let routers = Routers::start(PLAN);
    let from = now();
    make_deaf(&routers, 0);
    routers.capture.wait_bfd("down", &routers.ports[0], from, SECOND * 2, |bfd| {
        bfd.standing == Standing::Down && bfd.diagnostic == 1
    });
    thread::sleep(SECOND * 2);
    assert_eq!(routers.spoke(1, from), 0, "the master is well");
    assert_eq!(routers.became_master(1), 0);
}

/// A backup that hears adverts and no BFD takes over once, is told that the master lives, and has learnt it.
#[test]
fn a_backup_that_hears_adverts_and_no_bfd_yields_at_once_and_for_good() {
    let missing = [program("nft").is_none().then(|| "nftables is not installed".to_owned())];
    let Some(_bench) = Bench::take(Load::Light, &missing) else { return };
    let routers = Routers::start(PLAN);
    let from = now();
    make_deaf(&routers, 1);
    routers.capture.wait_bfd("down", &routers.ports[1], from, SECOND * 2, |bfd| {
        bfd.standing == Standing::Down && bfd.diagnostic == 1
    });
    thread::sleep(SECOND);
    routers.wait_holder(0);
    let settled = now();
    thread::sleep(SECOND * 3);
    assert_eq!(routers.spoke(1, settled), 0, "it has yielded");
    assert!(routers.became_master(1) <= 1, "once is enough");
    routers.wait_holder(0);
}

/// Of two backups that lose the master at the same time the better one has the shorter skew (RFC 9568 §6.1).
#[test]
fn of_three_routers_the_better_backup_wins_after_its_skew() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let plan = Plan { priorities: &[200, 150, 100], ..PLAN };
    let mut routers = Routers::start(plan);
    let killed = Loss::Killed.strike(&mut routers);
    let (taken, _) = routers.capture.wait_advert(&routers.ports[1], VRID, killed, SECOND * 8);
    let took = taken - killed;
    let stalled = stall(killed);
    routers.wait_announced(1, VIP, killed);
    eprintln!("taken over {took:?} after the kill; detection and skew are {:?}", DETECTION + skew(150));
    assert!(took + EARLY >= skew(150), "after its skew, {took:?}");
    assert!(took <= DETECTION + skew(150) + MUCH_ROOM + stalled, "{took:?}");
    thread::sleep(SECOND * 3);
    assert_eq!(routers.spoke(2, killed), 0, "the lesser one never spoke");
    routers.hosts.remove(0);
    let holders: Vec<_> = routers.hosts.iter().map(|host| host.has("eth0", VIP)).collect();
    assert_eq!(holders, [true, false]);
}

/// Without a section for the peer the session has keepalived's timers, 10 ms and five of them.
#[test]
fn a_session_without_a_section_has_the_timers_of_keepalived() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let plain = |which| {
        let config = Plan { timers: None, ..PLAN }.config(which);
        config.replace("\toption advert_int", "\toption bfd '1'\n\toption advert_int")
    };
    let routers = Routers::begin(plain, 2);
    let up = routers.capture.wait_bfd("up", &routers.ports[0], Duration::ZERO, SECOND * 10, |bfd| {
        bfd.standing == Standing::Up && bfd.tx == SECOND / 100
    });
    assert_eq!((up.rx, up.multiplier, up.ttl), (SECOND / 100, 5, 255), "{up:?}");
    let status = routers.vipds[0].status();
    assert_eq!(status["bfd"][0]["neighbor"], "10.0.0.2", "{status}");
}
