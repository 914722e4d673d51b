//! Every state × every event × every flag of one virtual router, in one file that a person can review:
//! `tests/golden/transitions.txt`. A changed transition is a changed line in review.
//!
//! `VIPD_BLESS=1 cargo test --test golden` writes the file anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::alloc_instead_of_core,
    clippy::wildcard_enum_match_arm,
    reason = "a test has std, and fails loudly"
)]

mod bfd;
mod ipvs;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vipd::config::{Announcements, Family};
use vipd::time::{Instant, Interval, Span};
use vipd::vrrp::{Action, Actions, Fault, Rules, State, Turn, VirtualRouter};
use vipd::wire::vrrp::{Advert, Authentication, ChecksumForm, Version, Vrid};

/// The moment at which every event of the table happens.
const NOW_MS: u64 = 100_000;

/// Where our advertisements come from.
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));

/// Where those that were heard before come from.
const HEARD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Flags {
    version: u8,
    preempt: &'static str,
    owner: bool,
    decides_ties: bool,
}

impl Flags {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for version in [2, 3] {
            for owner in [false, true] {
                for preempt in ["preempt", "nopreempt", "delay"] {
                    for decides_ties in [true, false] {
                        // The owner always pre-empts (RFC 9568 §6.1), so the router never asks otherwise.
                        if !(owner && preempt == "nopreempt") {
                            all.push(Self { version, preempt, owner, decides_ties });
                        }
                    }
                }
            }
        }
        all
    }

    fn name(self) -> String {
        let owner = if self.owner { " owner" } else { "" };
        let ties = if self.decides_ties { "" } else { " follower" };
        format!("v{} {}{owner}{ties}", self.version, self.preempt)
    }

    fn rules(self) -> Rules<'static> {
        Rules {
            name: "golden".into(),
            vrid: Vrid::new(7).unwrap(),
            family: Family::V4,
            version: if self.version == 2 { Version::V2 } else { Version::V3 },
            priority: if self.owner { 255 } else { 100 },
            interval: Interval::SECOND,
            preempt: self.preempt != "nopreempt",
            preempt_delay: Span::from_secs(if self.preempt == "delay" { 10 } else { 0 }),
            password: None,
            announcements: Announcements { refresh_secs: 60, ..Announcements::default() },
            lifetime_secs: 2,
            claim_wait: Span::ZERO,
            source: Some(&SOURCE),
            decides_ties: self.decides_ties,
        }
    }
}

fn at_ms(ms: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(ms))
}

fn advert(rules: &Rules<'_>, priority: u8, interval: Interval) -> Advert<'static> {
    Advert {
        version: rules.version,
        vrid: rules.vrid,
        priority,
        interval: if rules.version == Version::V2 { rules.interval } else { interval },
        authentication: Authentication::None,
        checksum: ChecksumForm::PseudoHeader,
        addresses: &[10, 0, 0, 1],
    }
}

const STATES: [&str; 18] = [
    "initialize",
    "backup",
    "backup, master silent",
    "backup, master heard",
    "backup, master unreachable",
    "backup, master resigned",
    "backup, preempt delay runs",
    "backup, preempt delay over",
    "master",
    "master, tie left to companion",
    "master, overdue by 5 s",
    "master, overdue and an address is gone",
    "master, renewal due",
    "master, lifetime new",
    "master, leaving",
    "master, leaving and nobody came",
    "master, claim waits",
    "master, claim waited too long",
];

/// A virtual router in the named state, by public verbs alone.
fn in_state(name: &str, rules: &Rules<'_>) -> VirtualRouter {
    let verb_at = |ms_before: u64| at_ms(NOW_MS - ms_before);
    let turn_at = |ms_before: u64| Turn::new(verb_at(ms_before), *rules);
    let lower = advert(rules, rules.priority.min(100) - 50, Interval::SECOND);
    let higher = advert(rules, rules.priority.saturating_add(50), Interval::SECOND);
    let mut vr = VirtualRouter::new(verb_at(60_000), rules.interval);
    let from = HEARD;
    match name {
        "initialize" => {}
        "backup" => vr.begin(&mut turn_at(1_000), false),
        "backup, master silent" => {
            vr.begin(&mut turn_at(10_000), false);
            vr.timer(&mut turn_at(1_000));
        }
        "backup, master heard" => {
            vr.begin(&mut turn_at(1_000), false);
            vr.receive(&mut turn_at(500), &higher, &from);
        }
        "backup, master unreachable" => {
            vr.begin(&mut turn_at(1_000), false);
            vr.receive(&mut turn_at(500), &higher, &from);
            vr.lose(&turn_at(100), &from, false);
        }
        "backup, master resigned" => {
            vr.begin(&mut turn_at(1_000), false);
            vr.receive(&mut turn_at(500), &higher, &from);
            vr.receive(&mut turn_at(100), &advert(rules, 0, Interval::SECOND), &from);
        }
        "backup, preempt delay runs" => {
            vr.begin(&mut turn_at(2_000), false);
            vr.receive(&mut turn_at(500), &lower, &from);
        }
        "backup, preempt delay over" => {
            vr.begin(&mut turn_at(15_000), false);
            for ms in (1..=11).rev().map(|s| s * 1_000) {
                vr.receive(&mut turn_at(ms), &lower, &from);
            }
        }
        "master" => {
            vr.begin(&mut turn_at(10_000), false);
            vr.promote(&mut turn_at(500));
        }
        "master, tie left to companion" => {
            vr.begin(&mut turn_at(10_000), false);
            vr.promote(&mut turn_at(500));
            let tie = advert(rules, rules.priority, Interval::SECOND);
            let follower = Rules { decides_ties: false, ..*rules };
            vr.receive(&mut Turn::new(verb_at(400), follower), &tie, &from);
        }
        "master, overdue by 5 s" => {
            vr.begin(&mut turn_at(20_000), false);
            vr.promote(&mut turn_at(6_000));
        }
        "master, overdue and an address is gone" => {
            vr.begin(&mut turn_at(20_000), false);
            vr.promote(&mut turn_at(6_000));
            vr.put_back(&mut turn_at(0));
        }
        "master, renewal due" => {
            vr.begin(&mut turn_at(10_000), false);
            vr.promote(&mut turn_at(700));
        }
        "master, lifetime new" => {
            vr.begin(&mut turn_at(10_000), false);
            let without = Rules { lifetime_secs: 0, ..*rules };
            vr.promote(&mut Turn::new(verb_at(500), without));
        }
        "master, leaving" => {
            vr.begin(&mut turn_at(10_000), false);
            vr.promote(&mut turn_at(1_500));
            vr.halt(&mut turn_at(500), Fault::Released);
        }
        "master, leaving and nobody came" => {
            vr.begin(&mut turn_at(20_000), false);
            vr.promote(&mut turn_at(7_000));
            vr.halt(&mut turn_at(6_000), Fault::Released);
        }
        "master, claim waits" => {
            vr.begin(&mut turn_at(10_000), false);
            let waits = Rules { claim_wait: Span::from_secs(2), ..*rules };
            vr.promote(&mut Turn::new(verb_at(500), waits));
        }
        "master, claim waited too long" => {
            vr.begin(&mut turn_at(10_000), false);
            let waits = Rules { claim_wait: Span::from_millis(300), ..*rules };
            vr.promote(&mut Turn::new(verb_at(500), waits));
        }
        _ => unreachable!("a state of STATES"),
    }
    vr
}

const EVENTS: [&str; 25] = [
    "begin",
    "begin as owner",
    "halt: link down",
    "halt: stopped",
    "halt: released by hand",
    "promote",
    "demote",
    "doubt",
    "session lost to the master, the only peer",
    "session lost to the master",
    "session lost to another one",
    "timer",
    "prepared",
    "put back",
    "settle lifetime",
    "announce again",
    "advert priority 0",
    "advert lower",
    "advert lower, interval 2 s",
    "advert equal, smaller address",
    "advert equal, greater address",
    "advert higher",
    "advert higher, interval 2 s",
    "advert 255",
    "adopt",
];

fn happen(name: &str, vr: &mut VirtualRouter, rules: &Rules<'_>) -> Actions {
    let turn = &mut Turn::new(at_ms(NOW_MS), *rules);
    let smaller: IpAddr = "10.0.0.4".parse().unwrap();
    let greater: IpAddr = "10.0.0.6".parse().unwrap();
    let two_secs = Interval::from_secs(2).unwrap();
    let lower = rules.priority.min(100) - 50;
    let higher = rules.priority.saturating_add(50);
    let mut receive = |priority, interval, from| {
        vr.receive(turn, &advert(rules, priority, interval), &from);
    };
    match name {
        "begin" => vr.begin(turn, false),
        "begin as owner" => vr.begin(turn, true),
        "halt: link down" => vr.halt(turn, Fault::LinkDown),
        "halt: stopped" => vr.halt(turn, Fault::Stopped),
        "halt: released by hand" => vr.halt(turn, Fault::Released),
        "promote" => vr.promote(turn),
        "demote" => vr.demote(turn),
        "doubt" => vr.doubt(turn),
        "session lost to the master, the only peer" => _ = vr.lose(turn, &HEARD, true),
        "session lost to the master" => _ = vr.lose(turn, &HEARD, false),
        "session lost to another one" => _ = vr.lose(turn, &smaller, true),
        "timer" => vr.timer(turn),
        "prepared" => vr.prepared(turn),
        "put back" => drop(vr.put_back(turn)),
        "settle lifetime" => vr.settle_lifetime(turn),
        "announce again" => vr.announce_again(turn),
        "advert priority 0" => receive(0, Interval::SECOND, greater),
        "advert lower" => receive(lower, Interval::SECOND, greater),
        "advert lower, interval 2 s" => receive(lower, two_secs, greater),
        "advert equal, smaller address" => receive(rules.priority, Interval::SECOND, smaller),
        "advert equal, greater address" => receive(rules.priority, Interval::SECOND, greater),
        "advert higher" => receive(higher, Interval::SECOND, smaller),
        "advert higher, interval 2 s" => receive(higher, two_secs, smaller),
        "advert 255" => receive(255, Interval::SECOND, smaller),
        "adopt" => vr.adopt(turn),
        _ => unreachable!("an event of EVENTS"),
    }
    turn.actions.clone()
}

/// A deadline by its name where it has one, else relative to the event.
fn deadline(at: Instant, before: Option<Instant>, rules: &Rules<'_>) -> String {
    let now = at_ms(NOW_MS);
    let two_secs = Interval::from_secs(2).unwrap();
    let names = [
        ("INTERVAL", Interval::SECOND.span()),
        ("SKEW", rules.skew(Interval::SECOND)),
        ("INTERVAL + SKEW", Interval::SECOND.span() + rules.skew(Interval::SECOND)),
        ("DOWN", rules.down_interval(Interval::SECOND)),
        ("DOWN of 2 s", rules.down_interval(two_secs)),
    ];
    if before == Some(at) {
        return String::from("as before");
    }
    if let Some((name, _)) = names.iter().find(|(_, span)| now + *span == at) {
        return format!("in {name}");
    }
    let offset = at.since_origin().as_micros() as i128 - i128::from(NOW_MS) * 1000;
    format!("in {} ms", offset / 1000)
}

/// The deadline that a state waits for.
fn waits_until(vr: &VirtualRouter) -> Option<Instant> {
    match vr.state() {
        State::Initialize { .. } => None,
        State::Backup { down_at, .. } => Some(*down_at),
        State::Master { advert_at, .. } => Some(*advert_at),
    }
}

fn outcome(before: &VirtualRouter, vr: &VirtualRouter, rules: &Rules<'_>, actions: &Actions) -> String {
    let waited_until = waits_until(before).filter(|_| before.phase() == vr.phase());
    let mut text = match vr.state() {
        State::Initialize { fault } => format!("initialize ({})", fault.name()),
        State::Backup { down_at, silent, unreachable, preempt_at } => {
            let mut text = format!("backup, down {}", deadline(*down_at, waited_until, rules));
            if *unreachable {
                text.push_str(", unreachable");
            }
            if *silent {
                text.push_str(", silent");
            }
            if let Some(at) = preempt_at {
                write!(text, ", preempt {}", deadline(*at, None, rules)).unwrap();
            }
            text
        }
        State::Master {
            advert_at, leaving, unclaimed, tie_until, renew_at, put_back_at, timetable, ..
        } => {
            let what = if *leaving { "leaving" } else { "advert" };
            let mut text = format!("master, {what} {}", deadline(*advert_at, waited_until, rules));
            if let Some(at) = tie_until {
                write!(text, ", tie {}", if *at > at_ms(NOW_MS) { "left" } else { "over" }).unwrap();
            }
            let (announce_before, renew_before) = match before.state() {
                State::Master { timetable, renew_at, .. } => (timetable.poll_at(), *renew_at),
                State::Initialize { .. } | State::Backup { .. } => (None, None),
            };
            if let Some(at) = renew_at.filter(|_| *renew_at != renew_before) {
                write!(text, ", renew {}", deadline(at, None, rules)).unwrap();
            }
            if let Some(at) = put_back_at {
                let what = if *unclaimed { "claim" } else { "put back" };
                write!(text, ", {what} {}", deadline(*at, None, rules)).unwrap();
            }
            if let Some(at) = timetable.poll_at() {
                write!(text, ", announce {}", deadline(at, announce_before, rules)).unwrap();
            }
            text
        }
    };
    for action in actions {
        match action {
            Action::Advertise(0) => text.push_str("; advertise 0"),
            Action::Advertise(priority) if *priority == rules.priority => text.push_str("; advertise"),
            Action::Advertise(priority) => write!(text, "; advertise {priority}?").unwrap(),
            Action::Prepare => text.push_str("; prepare"),
            Action::Claim => text.push_str("; claim"),
            Action::Renew => text.push_str("; renew"),
            Action::Release => text.push_str("; release"),
            Action::Announce(repeat) => write!(text, "; announce {repeat}").unwrap(),
        }
    }
    text
}

fn table() -> String {
    let mut text = String::from(
        "# Every state x event x flags of one virtual router: what it becomes, and what it does, in order.\n\
         #\n\
         # Own address 10.0.0.5, priority 100 (owner: 255), interval 1 s, address lifetime 2 s. SKEW and DOWN are\n\
         # Skew_Time and Active_Down_Interval with the own interval. `tie` counts for a follower: a virtual router\n\
         # that leaves ties to the first of those that move together. Flags that behave alike share a line.\n",
    );
    for state in STATES {
        for event in EVENTS {
            let mut outcomes: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for flags in Flags::all() {
                if state.contains("delay") && flags.preempt != "delay" {
                    continue;
                }
                let rules = flags.rules();
                let before = in_state(state, &rules);
                let mut vr = before;
                let actions = happen(event, &mut vr, &rules);
                outcomes.entry(outcome(&before, &vr, &rules, &actions)).or_default().push(flags.name());
            }
            writeln!(text, "\n{state} | {event}").unwrap();
            let single = outcomes.len() == 1;
            for (outcome, flags) in outcomes {
                writeln!(text, "    {outcome}").unwrap();
                let flags = if single { String::from("always") } else { flags.join(", ") };
                writeln!(text, "        {flags}").unwrap();
            }
        }
    }
    text
}

/// DESIGN: every pair, in one reviewed file. RFC 9568 §6.4.
#[test]
fn every_state_and_event_and_flag_does_what_the_reviewed_file_says() {
    compare("transitions.txt", &table());
}

/// Against the file that somebody has looked at.
fn compare(file: &str, table: &str) {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("VIPD_BLESS").is_some() {
        std::fs::write(&path, table).unwrap();
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (is, was)) in table.lines().zip(reviewed.lines()).enumerate() {
        assert_eq!(is, was, "{file}:{}: differs; look at it, then bless it", number + 1);
    }
    assert_eq!(table.lines().count(), reviewed.lines().count());
}

/// Law 3. A timer before its time changes nothing, in any state, with any flags.
#[test]
fn law_03_spurious_is_harmless() {
    for state in STATES {
        for flags in Flags::all() {
            let rules = flags.rules();
            let vr = in_state(state, &rules);
            let Some(at) = vr.poll_at() else { continue };
            for before in [Duration::from_nanos(1), Duration::from_millis(3), Duration::from_secs(50)] {
                let mut early = vr;
                let mut turn = Turn::new(Instant::from_origin(at.since_origin() - before), rules);
                early.timer(&mut turn);
                assert!(turn.actions.is_empty(), "{state} {}", flags.name());
                assert_eq!(early, vr, "{state} {}", flags.name());
            }
        }
    }
}
