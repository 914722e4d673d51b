//! What routers track beside links: a probe, a file and a default route, one of each for every node, and how they are.

use vipd::config::{BfdId, FileId, ProbeId, RouteId};
use vipd::config::{Config, DefaultRoute, File, Probe, Text, Track, TrackHook, Tracked};
use vipd::probe::Start;

use crate::clock::{MS, Nanos, SEC};
use crate::kernel::{Kernel, Refused};
use crate::plan::{Plan, upstream};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    Probe,
    File,
    Route,
    /// A BFD session to the upstream router of the segment.
    Session,
}

impl Thing {
    /// Those that every node can track, whatever is on the segments.
    pub const ALL: [Self; 3] = [Self::Probe, Self::File, Self::Route];
}

/// How a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Good,
    Bad,
    /// Of a probe: its tries do not end. Of anything else: bad.
    Hangs,
}

/// Tries of the probe: each second, for at most one; two failures in a row, or two successes.
const PROBE: Probe = Probe {
    name: Text::EMPTY,
    script: Text::EMPTY,
    interval_secs: 1,
    timeout_secs: 1,
    rise: 2,
    fall: 2,
    retry_secs: 0,
    spread_secs: 0,
    start: Start::Unknown,
    is_weighing: false,
    service: None,
};

/// Until a router knows how a thing is: the last try before it changed may have just begun, and two more take a second
/// each; a look at the routes comes a second after the one before; a session that is down speaks once a second. By clocks
/// that go wrong by a twentieth.
pub const KNOWN_AFTER: Nanos = 4300 * MS;

/// What the number in the file is when it is not 0.
const NUMBER: i32 = 10;

/// A node's things.
#[derive(Debug, Clone, Copy)]
pub struct Things {
    pub probe: Mood,
    pub file: Mood,
    /// Whether the upstream router answers.
    pub session: Mood,
    /// When its router must know, if nothing else happens.
    pub known_at: Nanos,
}

impl Things {
    pub const GOOD: Self = Self { probe: Mood::Good, file: Mood::Good, session: Mood::Good, known_at: 0 };

    /// What is in the file, for these plans.
    pub fn number(&self, plans: &[Plan]) -> i32 {
        let weights = plans.iter().flat_map(|plan| &plan.things);
        let weight = weights.filter(|(thing, _)| *thing == Thing::File).map(|(_, weight)| *weight).next();
        match (self.file, weight.unwrap_or(0)) {
            (Mood::Good, 1..) | (Mood::Bad | Mood::Hangs, ..=0) => NUMBER,
            (Mood::Good, ..=0) | (Mood::Bad | Mood::Hangs, 1..) => 0,
        }
    }

    /// Whether packets can pass to the upstream router of a whole segment, and back.
    pub fn has_session(&self, kernel: &Kernel, link: usize) -> bool {
        self.session == Mood::Good
            && kernel.refused != Refused::Datagrams
            && kernel.links[link].running()
            && kernel.source_towards(link, upstream(link)).is_some()
    }

    /// The priority that a plan has with things and links as they are; `None`: it must not take part.
    pub fn priority(&self, kernel: &Kernel, plans: &[Plan], plan: &Plan) -> Option<u8> {
        let mut priority = i32::from(plan.priority);
        for &(link, weight) in &plan.tracks {
            priority += pull(kernel.links[link].running(), weight)?;
        }
        for &(thing, weight) in &plan.things {
            priority += match thing {
                Thing::Probe => pull(self.probe == Mood::Good, weight)?,
                Thing::Route => pull(kernel.has_default_route, weight)?,
                Thing::Session => pull(self.has_session(kernel, plan.link), weight)?,
                Thing::File if weight == 0 => pull(self.number(plans) == 0, 0)?,
                Thing::File => self.number(plans) * i32::from(weight),
            };
        }
        Some(if plan.priority == 255 { 255 } else { priority.clamp(1, 254) as u8 })
    }
}

fn pull(is_up: bool, weight: i16) -> Option<i32> {
    match (is_up, weight) {
        (false, 0) => None,
        (true, 1..) | (false, ..=-1) => Some(weight.into()),
        (true, ..=0) | (false, 1..) => Some(0),
    }
}

/// The least and the most that a thing adds to a priority.
pub fn range(thing: Thing, weight: i16) -> (i32, i32) {
    let most = match thing {
        Thing::Probe | Thing::Route | Thing::Session => i32::from(weight),
        Thing::File => NUMBER * i32::from(weight),
    };
    (most.min(0), most.max(0))
}

/// Enters a thing into a configuration, if it is not there.
pub fn track(config: &mut Config, thing: Thing, weight: i16) -> Track {
    let what = match thing {
        Thing::Probe => {
            if config.probes.is_empty() {
                let name = config.keep_text("isp").unwrap();
                config.probes.push(Probe { name, script: name, ..PROBE }).unwrap();
            }
            Tracked::Probe(ProbeId(0))
        }
        Thing::File => {
            if config.files.is_empty() {
                let name = config.keep_text("load").unwrap();
                config.files.push(File { name, path: name }).unwrap();
            }
            Tracked::File(FileId(0))
        }
        Thing::Route => {
            if config.default_routes.is_empty() {
                let name = config.keep_text("uplink").unwrap();
                config.default_routes.push(DefaultRoute { name, interface: None, family: None }).unwrap();
            }
            Tracked::Route(RouteId(0))
        }
        Thing::Session => panic!("there is no session"),
    };
    hook(config, what);
    Track { what, weight, is_reversed: false }
}

/// Enters a session that is there.
pub fn track_session(config: &mut Config, session: BfdId, weight: i16) -> Track {
    let what = Tracked::Bfd(session);
    hook(config, what);
    Track { what, weight, is_reversed: false }
}

/// Lets a script be told of something tracked, once, and by its own name.
pub fn hook(config: &mut Config, what: Tracked) {
    if config.track_hooks.iter().any(|hook| hook.what == what) {
        return;
    }
    let name = match what {
        Tracked::Link(device) => config.interfaces[usize::from(device.0)],
        Tracked::Probe(probe) => config.probes[usize::from(probe.0)].name,
        Tracked::Route(route) => config.default_routes[usize::from(route.0)].name,
        Tracked::Bfd(session) => config.bfd[usize::from(session.0)].name,
        Tracked::File(file) => config.files[usize::from(file.0)].name,
        Tracked::Server(_) | Tracked::Service(_) => panic!("no plan has any"),
    };
    let notify = config.keep_text("/etc/vipd.hook").unwrap();
    config.track_hooks.push(TrackHook { name, notify, what, is_script: false, only: None }).unwrap();
}

/// When a try that begins now ends, and how. One that hangs is ended by its timeout, by another clock than the router's.
pub fn try_ends(mood: Mood, now: Nanos, rng: &mut fastrand::Rng) -> (Nanos, bool) {
    match mood {
        Mood::Good | Mood::Bad => (now + rng.u64(0..300 * MS), mood == Mood::Good),
        Mood::Hangs => (now + SEC + rng.u64(0..20 * MS), false),
    }
}
