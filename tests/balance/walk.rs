//! Whatever happens, in whatever order: afterwards the table is right, and nothing that was right has been touched.
//!
//! `VIPD_BALANCE_SEEDS` says how many walks there are; `VIPD_BALANCE_SEED` asks for one, which tells its steps.

use fastrand::Rng;

use crate::journal;
use crate::kernel::{ENOMEM, EPERM, ESRCH};
use crate::request::Request;
use crate::site::{Server, Service, Site, place};
use crate::world::{Health, World};

const WALKS: u64 = 300;
const STEPS_MAX: usize = 40;

/// After what goes wrong last, everything is in order again: a kernel without IPVS is asked every ten seconds, a server
/// that says nothing every five.
const QUIET_SECS: u64 = 40;

#[test]
fn whatever_happens_the_table_is_right_and_nothing_that_was_right_is_touched() {
    match number("VIPD_BALANCE_SEED") {
        Some(seed) => walk(seed, true),
        None => (0..number("VIPD_BALANCE_SEEDS").unwrap_or(WALKS)).for_each(|seed| walk(seed, false)),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// Says how to see a failure again, if it is dropped by one.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", journal::whole());
            eprintln!("replay: VIPD_BALANCE_SEED={} cargo test --test balance walk -- --nocapture", self.0);
        }
    }
}

fn walk(seed: u64, tells: bool) {
    let _replay = Replay(seed);
    let mut walker = Walker {
        rng: Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6970_7673),
        world: World::idle(Site::default()),
        tells,
        haste: 0,
    };
    walker.haste = walker.rng.u8(2..8);
    walker.world.site = walker.site();
    walker.world.kernel.lines_per_datagram = walker.rng.usize(1..6);
    if walker.rng.bool() {
        walker.world.kernel.local.insert(place("10.1.0.3", 0).address);
    }
    if walker.rng.bool() {
        // A run before has left what was right then.
        walker.world.kernel.table = walker.world.expected();
    }
    walker.find_strangers();
    walker.world.begin();
    for _ in 0..walker.rng.usize(5..STEPS_MAX) {
        walker.step();
        walker.pass();
        walker.world.check_care();
    }
    walker.calm();
}

struct Walker {
    rng: Rng,
    world: World,
    tells: bool,
    /// Of eight things that could be done, so many are to read what waits.
    haste: u8,
}

impl Walker {
    fn tell(&self, what: &str) {
        if self.tells {
            println!("{:?} {what}", self.world.now);
        }
    }

    // What there is.

    fn site(&mut self) -> Site {
        let mut site = Site::default();
        for place in 0..self.rng.u16(1..6) {
            let service = self.service(place);
            site.services.push(service);
        }
        if self.rng.bool() {
            site.priority = Some(100);
            site.sync_daemon = self.rng.bool();
        }
        for timeout in &mut site.timeouts {
            *timeout = if self.rng.bool() { self.rng.u32(1..100) } else { 0 };
        }
        site
    }

    fn service(&mut self, number: u16) -> Service {
        let rng = &mut self.rng;
        let mut service = Service::at(1000 + number, 0);
        service.scheduler = rng.choice(["rr", "wlc", "sh"]).unwrap().into();
        service.kind = rng.choice(["NAT", "DR", "TUN", "GUE", "GRE"]).unwrap();
        service.protocol = rng.choice(["tcp", "tcp", "udp", "sctp"]).unwrap();
        service.persistence_secs = rng.choice([0, 0, 60]).unwrap();
        service.quorum = rng.choice([1, 1, 2, 3, 6]).unwrap();
        service.retries = rng.u32(0..3);
        let is_v6 = rng.u8(..4) == 0;
        if is_v6 {
            service.address = "2001:db8::64".into();
        }
        if rng.u8(..5) == 0 {
            service.mark = 50 + u32::from(number);
        }
        for option in
            ["alpha 1", "omega 1", "inhibit_on_failure 1", "ha_suspend 1", "keep 1", "notify /etc/x"]
        {
            if rng.u8(..4) == 0 {
                service.options.push(option.into());
            }
        }
        if rng.bool() {
            let address = if is_v6 { "2001:db8:1::" } else { "10.1.0." };
            let (last, port) = if rng.u8(..5) == 0 { (1, service.port) } else { (99, 80) };
            service.sorry = Some((format!("{address}{last}"), port));
        }
        for last in 1..=rng.u8(1..6) {
            let server = self.server(is_v6, last, service.port);
            service.servers.push(server);
        }
        service
    }

    fn server(&mut self, is_v6: bool, last: u8, port: u16) -> Server {
        let rng = &mut self.rng;
        let address = if is_v6 { format!("2001:db8:1::{last:x}") } else { format!("10.1.0.{last}") };
        let mut server = Server::new(&address, port);
        server.weight = rng.choice([0, 1, 1, 1, 2, 5]).unwrap();
        server.is_checked = rng.u8(..6) > 0;
        if rng.u8(..6) == 0 {
            (server.upper, server.lower) = (100, 80);
        }
        for option in ["inhibit_on_failure 1", "alpha 1"] {
            if rng.u8(..8) == 0 {
                server.options.push(option.into());
            }
        }
        server
    }

    /// Somebody else has a service.
    fn find_strangers(&mut self) {
        let service = Service { address: "10.0.0.7".into(), ..Service::at(self.rng.u16(5000..5003), 2) };
        let its = Site::of([service.clone()]).table(&|_, _| true, &|_| None).0[&service.key()].clone();
        self.world.kernel.make(service.key(), its.clone());
        self.world.strangers.0.insert(service.key(), its);
    }

    // What happens.

    fn step(&mut self) {
        match self.rng.u8(..20) {
            0..6 => self.flip(),
            6..10 => self.meddle(),
            10 | 11 => {
                let errno = self.rng.choice([EPERM, ENOMEM, ESRCH]).unwrap();
                let count = self.rng.usize(1..20);
                self.tell(&format!("the next {count} are refused with {errno}"));
                self.world.kernel.refuse(count, errno);
            }
            12 => {
                let count = self.rng.usize(1..20);
                self.tell(&format!("the next {count} answers are lost"));
                self.world.kernel.lose(count);
            }
            13 => {
                let count = self.rng.usize(1..5);
                self.tell(&format!("the next {count} lists are torn"));
                self.world.kernel.tear(count);
            }
            14 => self.toggle_module(),
            15 | 16 => self.reload(),
            17 => self.restart(),
            18 => self.toggle_rival(),
            _ => {}
        }
    }

    fn flip(&mut self) {
        let service = self.rng.choice(&self.world.site.services).cloned();
        let Some(service) = service.filter(|service| !service.servers.is_empty()) else { return };
        let server = self.rng.choice(&service.servers).unwrap();
        let health = self.rng.choice([Health::Well, Health::Ill, Health::Mute]).unwrap();
        self.tell(&format!("{} {} is {health:?}", server.address, server.port));
        self.world.set_health(&server.address, server.port, health);
    }

    /// Somebody else changes the table.
    fn meddle(&mut self) {
        let keys: Vec<_> = self.world.site.keys().into_iter().collect();
        let Some(key) = self.rng.choice(&keys).copied() else { return };
        let kind = self.rng.u8(..9);
        self.tell(&format!("somebody does {kind} to {key:?}"));
        let pick = self.rng.usize(..10);
        let its = Service::web(0).destination(0, 0);
        let stranger = place(if key.family == 2 { "10.1.0.66" } else { "2001:db8:1::66" }, 8);
        let kernel = &mut self.world.kernel;
        match kind {
            0 => kernel.remove(&key),
            1 => {
                kernel.clear();
                self.world.strangers.0.clear();
            }
            2 => kernel.edit(&key, |service| service.traits.scheduler = "lc".into()),
            3 => kernel.edit(&key, |service| service.traits.timeout_secs += 1),
            4 | 5 => kernel.edit(&key, |service| _ = service.destinations.insert(stranger, its)),
            _ => kernel.edit(&key, |service| {
                let place =
                    service.destinations.keys().nth(pick % service.destinations.len().max(1)).copied();
                let Some(place) = place else { return };
                match kind {
                    6 => _ = service.destinations.remove(&place),
                    7 => service.destinations.get_mut(&place).unwrap().weight += 1,
                    _ => service.destinations.get_mut(&place).unwrap().upper += 200,
                }
            }),
        }
    }

    fn toggle_module(&mut self) {
        if self.world.kernel.is_missing {
            self.tell("the module is loaded");
            return self.world.kernel.load();
        }
        self.tell("the module is unloaded");
        self.world.kernel.unload();
        self.world.strangers.0.clear();
    }

    fn reload(&mut self) {
        let mut site = self.world.site.clone();
        match self.rng.u8(..6) {
            0 => site = self.site(),
            1 if site.services.len() > 1 => _ = site.services.remove(0),
            2 if site.services.len() > 1 => site.services.swap(0, 1),
            3 => {
                let place = self.rng.usize(..site.services.len());
                let service = &mut site.services[place];
                service.scheduler = "wrr".into();
                if let Some(server) = service.servers.last_mut() {
                    server.weight = 3;
                }
            }
            4 => {
                let place = self.rng.usize(..site.services.len());
                if site.services[place].servers.len() > 1 {
                    site.services[place].servers.remove(0);
                }
            }
            _ => {}
        }
        self.tell(&format!("a reload of {} services", site.services.len()));
        self.world.prepare(site);
    }

    fn restart(&mut self) {
        if self.rng.bool() {
            self.tell("the daemon ends");
            self.world.stop();
            self.world.run_for(self.rng.u64(..3));
        } else {
            self.tell("the daemon crashes");
        }
        self.world.begin();
    }

    fn toggle_rival(&mut self) {
        if self.world.rival.take().is_none() {
            self.tell("another router comes");
            self.world.meet_rival(200);
        } else {
            self.tell("the other router goes");
        }
    }

    /// Some time, in which what waits is read now or later.
    fn pass(&mut self) {
        for _ in 0..self.rng.usize(..60) {
            if self.rng.u8(..8) < self.haste {
                self.world.listen();
                continue;
            }
            let Some(at) = self.world.next_at() else { continue };
            // What waits is read within the second.
            if at > self.world.now + core::time::Duration::from_millis(900) {
                self.world.settle();
            }
            self.world.now = self.world.now.max(at);
            self.world.step();
        }
        if self.rng.bool() {
            self.world.run_for_ms(self.rng.u64(..8000));
        }
    }

    // The end.

    fn calm(&mut self) {
        self.tell("calm");
        self.world.rival = None;
        self.world.kernel.load();
        self.world.kernel.refuse(0, 0);
        self.world.kernel.lose(0);
        self.world.kernel.tear(0);
        self.world.run_for(QUIET_SECS);
        self.world.check();
        let (wanted, is) = (self.world.site.timeouts, self.world.kernel.timeouts);
        assert!(wanted.iter().zip(is).all(|(wanted, is)| *wanted == 0 || *wanted == is), "{wanted:?} {is:?}");
        if self.world.site.sync_daemon {
            assert_eq!(self.world.kernel.daemons, [Some(("eth1".into(), 7)), None], "who tells connections");
        }
        self.world.kernel.settle();
        self.world.kernel.changes.clear();
        self.world.run_for(QUIET_SECS);
        self.world.check();
        let is_of_daemon =
            |it: &Request| matches!(it, Request::StopDaemon { .. } | Request::StartDaemon { .. });
        let changes: Vec<_> = self.world.kernel.changes.iter().filter(|it| !is_of_daemon(it)).collect();
        assert!(changes.is_empty(), "there is nothing to be done: {changes:#?}");
    }
}
