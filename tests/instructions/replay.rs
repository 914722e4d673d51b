//! What the core costs, in instructions: a router without I/O, replayed under callgrind by `tests/instructions/run`.
//!
//! ```text
//! instructions WHAT FAMILY VIRTUAL_ROUTERS PACE
//! ```
//!
//! prepares a router, replays about a thousand events in [`replayed`], which is all that callgrind counts, sees that they
//! have done what they were to do, and prints how many they were.
//!
//! A turn here is what a turn of `src/daemon.rs` asks of the core: the packets, whether anything that is due could make a
//! master, the timer if it is due, and when the next one will be. Nothing is logged.
#![allow(
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_core,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)] // What is not counted may allocate, and what goes wrong is to be seen.

use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use vipd::config::uci::Document;
use vipd::config::{Config, Family, schema};
use vipd::limits::PACKETS_PER_TURN_MAX;
use vipd::perform::{Outlet, Unsent, perform};
use vipd::router::{Datagram, Effect, Effects, Event, Packet, Router};
use vipd::time::{Instant, Interval};
use vipd::vrrp::{Counters, Phase};
use vipd::wire::link::Details;
use vipd::wire::rtnl::{self, Message};
use vipd::wire::vrrp::{ChecksumForm, Discard, Outgoing, Version, Vrid};
use vipd::wire::{IfIndex, Mac};

mod memory;

const LAN: IfIndex = IfIndex(2);
const WAN: IfIndex = IfIndex(3);

/// The VRID that no virtual router on the LAN has, however many there are.
const FREE_VRID: u8 = 255;

/// About so many events are counted.
const EVENTS: usize = 1000;

/// From one unwanted packet to the next: 3000 a second.
const UNWANTED_PERIOD: Duration = Duration::from_micros(333);

const SECOND: Duration = Duration::from_secs(1);

/// What is replayed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// As master: an advert from every virtual router each second.
    Sent,
    /// As backup: the master's adverts.
    Received,
    /// As backup: the master has fallen silent, and every virtual router becomes master.
    Takeover,
    /// Adverts of one router with a VRID that is not ours.
    Foreign,
    /// The same of a thousand routers.
    Crowd,
    /// Adverts to ours with a TTL that is not 255.
    Ttl,
    /// Adverts to ours with a wrong checksum.
    Checksum,
}

impl FromStr for What {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(match word {
            "sent" => Self::Sent,
            "received" => Self::Received,
            "takeover" => Self::Takeover,
            "foreign" => Self::Foreign,
            "crowd" => Self::Crowd,
            "ttl" => Self::Ttl,
            "checksum" => Self::Checksum,
            _ => return Err(format!("not known: {word}")),
        })
    }
}

/// An interface, and who speaks there to whom with which bytes, as a socket tells.
struct Arrival {
    interface: IfIndex,
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    /// With its header, if it is IPv4.
    bytes: Vec<u8>,
}

impl Arrival {
    fn packet(&self) -> Packet<'_> {
        match (self.source, self.destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => Packet::V6 {
                interface: self.interface,
                source,
                destination,
                hop_limit: self.ttl,
                message: &self.bytes,
            },
            _ => Packet::V4 { interface: self.interface, packet: &self.bytes },
        }
    }
}

/// The scenario's dimensions.
struct Scenario {
    what: What,
    family: Family,
    virtual_routers: u16,
    /// All at once, and not each by itself.
    is_together: bool,
}

impl Scenario {
    fn of(words: &[String]) -> Result<Self, String> {
        let [what, family, virtual_routers, pace] = words else {
            return Err("WHAT FAMILY VIRTUAL_ROUTERS PACE".to_owned());
        };
        Ok(Self {
            what: what.parse()?,
            family: match family.as_str() {
                "ipv4" => Family::V4,
                "ipv6" => Family::V6,
                _ => return Err(format!("not known: {family}")),
            },
            virtual_routers: virtual_routers
                .parse()
                .ok()
                .filter(|count| (1..=255).contains(count))
                .ok_or("VIRTUAL_ROUTERS is 1 to 255")?,
            is_together: match pace.as_str() {
                "together" => true,
                "apart" => false,
                _ => return Err(format!("not known: {pace}")),
            },
        })
    }

    /// Where the virtual router in this position is, and its VRID: all but the last of 255 on the LAN.
    fn place(&self, position: u16) -> (IfIndex, u8) {
        if position < 254 { (LAN, position as u8 + 1) } else { (WAN, 1) }
    }

    fn virtual_address(&self, position: u16) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::new(10, 0, 1, position as u8 + 1).into(),
            Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, position + 1).into(),
        }
    }

    /// The address of the other router in this position; 0 is the master.
    fn speaker(&self, position: u16) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::new(10, 0, 8 + (position >> 8) as u8, position as u8).into(),
            Family::V6 => Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 8, position).into(),
        }
    }

    /// Masters with another priority each have become it at another time, and so speak at another time.
    fn priority(&self, position: u16) -> u8 {
        if self.what == What::Sent && !self.is_together { 254 - (position % 254) as u8 } else { 100 }
    }

    fn configuration(&self) -> Box<Config> {
        let mut text = String::new();
        for position in 0..self.virtual_routers {
            let (interface, vrid) = self.place(position);
            let prefix_len = if self.family == Family::V4 { 16 } else { 64 };
            write!(
                text,
                "config vrrp_instance 'vr{position}'\n option interface '{}'\n option virtual_router_id '{vrid}'\n \
                 option version '3'\n option priority '{}'\n list virtual_ipaddress '{}/{prefix_len}'\n",
                device_name(interface),
                self.priority(position),
                self.virtual_address(position),
            )
            .unwrap();
        }
        let mut document = Box::new(Document::new());
        let room = document.buffer().get_mut(..text.len()).expect("VIPD_CONFIG_BYTES");
        room.copy_from_slice(text.as_bytes());
        document.parse(text.len()).unwrap_or_else(|error| panic!("line {}: {}", error.line, error.problem()));
        let mut config = Box::new(Config::new());
        let is_usable = schema::read(&document, &[], &mut config, &mut |problem| {
            eprintln!("line {}: {problem}", problem.line);
        });
        assert!(is_usable, "built for fewer? env $(grep ^VIPD_ board/large.env) cargo build ...");
        config
    }

    /// An advert of another router's virtual router.
    fn arrival(&self, (interface, vrid): (IfIndex, u8), source: IpAddr, address: IpAddr) -> Arrival {
        let destination = match self.family {
            Family::V4 => Ipv4Addr::new(224, 0, 0, 18).into(),
            Family::V6 => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
        };
        let outgoing = Outgoing {
            version: Version::V3,
            vrid: Vrid::new(vrid).unwrap(),
            priority: 200,
            interval: Interval::SECOND,
            password: None,
            checksum: ChecksumForm::PseudoHeader,
            source,
            destination,
        };
        let mut message = [0; 64];
        let len = outgoing.emit([address].into_iter(), &mut message).unwrap();
        if self.what == What::Checksum {
            message[len - 1] ^= 1;
        }
        let ttl = if self.what == What::Ttl { 254 } else { 255 };
        let mut bytes = Vec::new();
        if let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) {
            // The kernel has looked at the header's checksum.
            bytes.extend([0x45, 0xc0, 0, 20 + len as u8, 0, 0, 0, 0, ttl, 112, 0, 0]);
            bytes.extend(source.octets());
            bytes.extend(destination.octets());
        }
        bytes.extend(&message[..len]);
        Arrival { interface, source, destination, ttl, bytes }
    }

    /// To each virtual router one, from the master.
    fn adverts(&self) -> Vec<Arrival> {
        let advert =
            |position| self.arrival(self.place(position), self.speaker(0), self.virtual_address(position));
        (0..self.virtual_routers).map(advert).collect()
    }

    /// What is counted.
    fn schedule(&self) -> Schedule {
        let adverts = self.adverts();
        let (count, many) = (adverts.len(), EVENTS.div_ceil(adverts.len()));
        let strangers = |speakers: u16| {
            let speaker = |event: usize| self.speaker(1 + event as u16 % speakers);
            let place = (LAN, FREE_VRID);
            (0..EVENTS).map(|event| self.arrival(place, speaker(event), self.virtual_address(0))).collect()
        };
        // One virtual router after the other, and the first again.
        let to_ours = || (0..many).flat_map(|_| self.adverts()).take(EVENTS).collect();
        let (arrivals, rounds) = match self.what {
            What::Sent => (vec![], many),
            What::Received => (adverts, many),
            // The last one is silent for longer than its down interval.
            What::Takeover => (vec![], 4),
            What::Foreign => (strangers(1), 1),
            What::Crowd => (strangers(1000), 1),
            What::Ttl | What::Checksum => (to_ours(), 1),
        };
        let at_once = match self.what {
            _ if !self.is_together => 1,
            What::Received => count,
            What::Sent | What::Takeover | What::Foreign | What::Crowd | What::Ttl | What::Checksum => {
                PACKETS_PER_TURN_MAX
            }
        };
        let is_wanted = matches!(self.what, What::Sent | What::Received);
        let period = if is_wanted { SECOND / count as u32 } else { UNWANTED_PERIOD };
        Schedule { arrivals, at_once, period, rounds }
    }
}

/// Rounds of packets, or of a second's silence if there are none.
struct Schedule {
    arrivals: Vec<Arrival>,
    /// Packets that one turn takes.
    at_once: usize,
    /// From one packet to the next.
    period: Duration,
    rounds: usize,
}

/// Counts what leaves.
#[derive(Default)]
struct Counting {
    messages: usize,
    others: usize,
}

impl Counting {
    fn other(&mut self) -> Result<(), Unsent> {
        self.others += 1;
        Ok(())
    }
}

impl Outlet for Counting {
    fn join(&mut self, _: IfIndex, _: IpAddr) -> Result<(), Unsent> {
        self.other()
    }

    fn message(&mut self, _: IfIndex, _: IpAddr, _: IpAddr, payload: &[u8]) -> Result<(), Unsent> {
        black_box(payload);
        self.messages += 1;
        Ok(())
    }

    fn datagram(&mut self, _: &Datagram<'_>) -> Result<(), Unsent> {
        self.other()
    }

    fn frame(&mut self, _: IfIndex, _: &[u8]) -> Result<(), Unsent> {
        self.other()
    }

    fn advert(&mut self, _: IfIndex, _: &[u8]) -> Result<(), Unsent> {
        self.other()
    }

    fn netlink(&mut self, _: &[u8]) -> Result<(), Unsent> {
        self.other()
    }

    fn netfilter(&mut self, _: &[u8]) -> Result<(), Unsent> {
        self.other()
    }

    fn ipvs(&mut self, _: &mut [u8]) -> Result<(), Unsent> {
        self.other()
    }
}

/// A router, its clock and its kernel.
struct Replay {
    router: Box<Router>,
    effects: Effects,
    outlet: Counting,
    now: Instant,
    /// When the daemon would wake up.
    wakes_at: Option<Instant>,
}

impl Replay {
    /// A router that has found its devices.
    fn new(scenario: &Scenario) -> Self {
        let mut replay = Self {
            router: Box::new(Router::new()),
            effects: Effects::new(),
            outlet: Counting::default(),
            now: Instant::from_origin(Duration::from_secs(1000)),
            wakes_at: None,
        };
        replay.act(Event::Adopt(&mut scenario.configuration()));
        replay.router.handle(replay.now, Event::Start { keeps_marks: true, seed: 1 }, &mut replay.effects);
        replay.answer_lists();
        replay
    }

    fn act(&mut self, event: Event<'_>) {
        self.router.handle(self.now, event, &mut self.effects);
        for effect in &self.effects {
            perform(&self.router, *effect, &mut self.outlet).expect("the outlet takes everything");
        }
        self.effects.clear();
    }

    /// What a turn of the daemon asks behind the packets.
    fn turn(&mut self) {
        black_box(self.router.may_take_over(self.now));
        black_box(self.router.may_lose_session(self.now));
        if self.router.poll_at().is_some_and(|at| at <= self.now) {
            self.act(Event::Timer);
        }
        self.wakes_at = self.router.poll_at();
    }

    /// Lets the time pass in which no packet comes.
    fn wait_until(&mut self, end: Instant) {
        while let Some(at) = self.wakes_at.filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.turn();
        }
        self.now = end;
    }

    fn play(&mut self, schedule: &Schedule) {
        for _ in 0..schedule.rounds {
            if schedule.arrivals.is_empty() {
                self.wait_until(self.now + SECOND);
            }
            for at_once in schedule.arrivals.chunks(schedule.at_once) {
                for arrival in at_once {
                    self.act(Event::Packet(arrival.packet()));
                }
                self.turn();
                self.wait_until(self.now + schedule.period * at_once.len() as u32);
            }
        }
    }

    /// Tells of the devices and their addresses as long as the router asks.
    fn answer_lists(&mut self) {
        let devices = [(LAN, "10.0.0.5", "fe80::5"), (WAN, "10.1.0.5", "fe80::1:5")];
        loop {
            let list = self.effects.iter().find_map(|effect| match effect {
                Effect::DumpLinks(sequence) => Some((true, *sequence)),
                Effect::DumpAddresses(sequence) => Some((false, *sequence)),
                _ => None,
            });
            self.effects.clear();
            let Some((is_of_links, sequence)) = list else { break };
            for (interface, v4, v6) in devices {
                if is_of_links {
                    self.act(Event::Kernel(Message::Link(rtnl::Link {
                        index: interface,
                        name: device_name(interface),
                        mac: Some(Mac([2, 0, 0, 0, 0, interface.0 as u8])),
                        running: true,
                        details: Details::NONE,
                    })));
                } else {
                    self.tell_of(interface, v4.parse().unwrap(), false);
                    self.tell_of(interface, v6.parse().unwrap(), false);
                }
            }
            let done = Event::Kernel(Message::Done { sequence, torn: false });
            self.router.handle(self.now, done, &mut self.effects);
        }
        self.turn();
    }

    /// The kernel has this address, by our hand or another's.
    fn tell_of(&mut self, interface: IfIndex, address: IpAddr, is_ours: bool) {
        let prefix_len = if address.is_ipv4() { 16 } else { 64 };
        let told = rtnl::Address { interface, address, prefix_len, usable: true, marked: is_ours };
        self.act(Event::Kernel(Message::Address(told)));
    }

    /// Brings every virtual router to where it stays, and all that follows on it behind it.
    fn settle(&mut self, scenario: &Scenario) {
        if scenario.what == What::Sent {
            self.wait_until(self.now + 5 * SECOND);
            for position in 0..scenario.virtual_routers {
                self.tell_of(scenario.place(position).0, scenario.virtual_address(position), true);
            }
            self.wait_until(self.now + 7 * SECOND);
        } else {
            let what = What::Received;
            let scenario = Scenario { what, ..*scenario };
            self.play(&Schedule { rounds: 2, ..scenario.schedule() });
        }
    }

    /// How many events of this kind there have been.
    fn count(&self, what: What) -> usize {
        let of_all = |count: fn(&Counters) -> u32| {
            let counts = self.router.slots().map(|slot| {
                count(&self.router.view(slot).expect("it is there").virtual_router().counters) as usize
            });
            counts.sum()
        };
        match what {
            What::Sent => self.outlet.messages,
            What::Received => of_all(|counters| counters.received),
            What::Takeover => of_all(|counters| counters.became_master),
            What::Foreign | What::Crowd => self.router.stray().discarded(Discard::Vrid) as usize,
            What::Ttl => of_all(|counters| counters.discarded(Discard::Ttl)),
            What::Checksum => of_all(|counters| counters.discarded(Discard::Checksum)),
        }
    }

    fn are_all(&self, phase: Phase) -> bool {
        let mut slots = self.router.slots();
        slots.all(|slot| self.router.view(slot).expect("it is there").virtual_router().phase() == phase)
    }
}

const fn device_name(interface: IfIndex) -> &'static str {
    if interface.0 == LAN.0 { "eth0" } else { "eth1" }
}

/// What is counted: callgrind knows it by its name.
// SAFETY: no other function of this program and its libraries has the name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn replayed(replay: &mut Replay, schedule: &Schedule) {
    replay.play(schedule);
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let scenario = Scenario::of(&words).unwrap_or_else(|why| {
        eprintln!("{why}");
        std::process::exit(2);
    });
    let mut replay = Replay::new(&scenario);
    replay.settle(&scenario);
    let schedule = scenario.schedule();
    let (before_it, after_it) = match scenario.what {
        What::Sent => (Phase::Master, Phase::Master),
        What::Takeover => (Phase::Backup, Phase::Master),
        _ => (Phase::Backup, Phase::Backup),
    };
    assert!(replay.are_all(before_it), "not all are {before_it}");
    let (before, others_before) = (replay.count(scenario.what), replay.outlet.others);

    replayed(&mut replay, &schedule);

    let events = replay.count(scenario.what) - before;
    let expected = match scenario.what {
        What::Sent => schedule.rounds * usize::from(scenario.virtual_routers),
        What::Takeover => usize::from(scenario.virtual_routers),
        _ => schedule.rounds * schedule.arrivals.len(),
    };
    assert_eq!(events, expected, "not every event was one");
    let is_quiet = replay.outlet.others == others_before;
    assert_eq!(is_quiet, scenario.what != What::Takeover, "whether anything but adverts has left");
    assert!(replay.are_all(after_it), "not all are {after_it} now");
    println!("{events}");
}
