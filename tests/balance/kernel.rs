//! The kernel's IPVS, as far as one program sees it: real bytes in, real bytes out.
//!
//! A request is carried out while it is sent, and its answer waits in the socket. A list is not taken in one moment: the
//! first part of it is, and each further one when the one before has been read, so it shows what has changed meanwhile,
//! and leaves out what has moved up. While a list is told another one is refused.
//!
//! What was right and is changed or deleted all the same loses connections: [`Kernel::touched`] says so.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use vipd::perform::{Outlet, Unsent};
use vipd::router::Datagram;
use vipd::wire::IfIndex;

use crate::answer;
use crate::request::{self, Request};
use crate::table::{Destination, Key, Place, Service, Table};

pub const EPERM: i32 = 1;
pub const ENOENT: i32 = 2;
pub const ESRCH: i32 = 3;
pub const ENOMEM: i32 = 12;
const EBUSY: i32 = 16;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ERANGE: i32 = 34;

/// Failures that the outlet remembers.
const FAILURES_MAX: usize = 16;

/// What comes out of the socket.
#[derive(Debug)]
pub enum Heard {
    /// A datagram.
    Datagram(Vec<u8>),
    /// Some have been lost.
    Overrun,
}

/// A list that is being told.
#[derive(Debug)]
struct Dump {
    sequence: u32,
    /// `None`: of services.
    of: Option<Key>,
    /// So many lines have been told.
    told: usize,
}

/// The kernel.
#[derive(Debug)]
pub struct Kernel {
    pub table: Table,
    /// TCP, TCP after a FIN, UDP.
    pub timeouts: [u32; 3],
    /// The end that tells, and the one that listens: its device and its number.
    pub daemons: [Option<(String, u32)>; 2],
    /// Its schedulers.
    pub schedulers: BTreeSet<String>,
    /// Its devices.
    pub devices: BTreeSet<String>,
    /// Servers with these addresses are this host.
    pub local: BTreeSet<[u8; 16]>,
    /// Lines in one datagram.
    pub lines_per_datagram: usize,
    /// It has room for destinations.
    pub takes_destinations: bool,
    /// There is none.
    pub is_missing: bool,
    /// Its number, another one whenever its module is put in; and the one that the program has been told.
    family: u16,
    known_family: Option<u16>,
    /// So many requests are refused with this error.
    refusals: (usize, i32),
    /// So many datagrams are lost.
    losses: usize,
    /// So many lists are told as torn.
    tears: usize,
    /// What it is to be in the end, as far as the program can know.
    pub right: Table,
    /// Somebody else has changed them, or a request about them was refused: what the program knows of them is old.
    stale: BTreeSet<(Key, Option<Place>)>,
    /// Services that were to be deleted when that was refused: nobody knows of them any more.
    pub leftovers: BTreeSet<Key>,
    /// What was right, and was changed.
    pub touched: Vec<String>,
    /// Everything that was asked but lists.
    pub changes: Vec<Request>,
    /// Every refusal: what was asked, and the error.
    pub refused: Vec<(Option<Request>, i32)>,
    dump: Option<Dump>,
    socket: VecDeque<Heard>,
    /// Of requests that did not even leave.
    pub failures: VecDeque<i32>,
}

impl Kernel {
    pub fn new() -> Self {
        let schedulers = ["rr", "wrr", "lc", "wlc", "sh", "mh"].map(String::from).into();
        Self {
            table: Table::default(),
            timeouts: [900, 120, 300],
            daemons: [None, None],
            takes_destinations: true,
            schedulers,
            devices: ["eth0", "eth1"].map(String::from).into(),
            local: BTreeSet::new(),
            lines_per_datagram: 3,
            is_missing: false,
            family: 0x1c,
            known_family: None,
            refusals: (0, 0),
            losses: 0,
            tears: 0,
            right: Table::default(),
            stale: BTreeSet::new(),
            leftovers: BTreeSet::new(),
            touched: vec![],
            changes: vec![],
            refused: vec![],
            dump: None,
            socket: VecDeque::new(),
            failures: VecDeque::new(),
        }
    }

    /// Refuses the next requests.
    pub fn refuse(&mut self, count: usize, errno: i32) {
        self.refusals = (count, errno);
    }

    /// Loses the next answers.
    pub fn lose(&mut self, count: usize) {
        self.losses = count;
    }

    /// Says of the next lists that something has changed meanwhile.
    pub fn tear(&mut self, count: usize) {
        self.tears = count;
    }

    /// Its module is taken out, with everything in it.
    pub fn unload(&mut self) {
        self.is_missing = true;
        self.table = Table::default();
        self.daemons = [None, None];
        self.timeouts = [900, 120, 300];
        (self.dump, self.refusals) = (None, (0, 0));
        self.leftovers.clear();
    }

    /// Its module is put in.
    pub fn load(&mut self) {
        if core::mem::take(&mut self.is_missing) {
            self.family += 1;
        }
    }

    /// The program has ended, and another one has a socket of its own.
    pub fn close(&mut self) {
        self.dump = None;
        self.known_family = None;
        self.socket.clear();
        self.failures.clear();
    }

    /// The next datagram; a list goes on with each.
    pub fn read(&mut self) -> Option<Heard> {
        let heard = self.socket.pop_front();
        if let Some(Heard::Datagram(bytes)) = &heard
            && matches!(vipd::wire::ipvs::family(bytes), Some(Err(ENOENT)))
        {
            // Perhaps it has another number by now.
            self.known_family = None;
        }
        if heard.is_some() && self.socket.is_empty() {
            self.tell();
        }
        heard
    }

    /// What the program knows of everything is of today.
    pub fn settle(&mut self) {
        self.stale.clear();
    }

    /// A destination as it is told: how packets get to this host itself is not kept.
    pub fn told(&self, place: &Place, its: &Destination) -> Destination {
        let forward = if self.local.contains(&place.address) { 1 } else { its.forward };
        Destination { forward, ..*its }
    }

    // What others do (ipvsadm).

    /// `-A`.
    pub fn make(&mut self, key: Key, service: Service) {
        self.stale.insert((key, None));
        self.table.0.insert(key, service);
    }

    /// `-E`, `-e`, `-a`, `-d`: whatever somebody does to a service.
    pub fn edit(&mut self, key: &Key, change: impl FnOnce(&mut Service)) {
        let Some(service) = self.table.0.get_mut(key) else { return };
        let before = service.clone();
        change(service);
        let places: Vec<Place> =
            before.destinations.keys().chain(service.destinations.keys()).copied().collect();
        for place in places {
            if before.destinations.get(&place) != service.destinations.get(&place) {
                self.stale.insert((*key, Some(place)));
            }
        }
        if before.traits != service.traits {
            self.stale.insert((*key, None));
        }
    }

    /// `-D`.
    pub fn remove(&mut self, key: &Key) {
        self.table.0.remove(key);
    }

    /// `-C`.
    pub fn clear(&mut self) {
        self.table = Table::default();
    }

    // What the program asks.

    fn ask(&mut self, bytes: &[u8]) {
        let (sequence, request) = request::read(bytes);
        let result = match &request {
            Ok(_) if self.refusals.0 > 0 => {
                self.refusals.0 -= 1;
                Err(self.refusals.1)
            }
            Ok(request) => self.carry_out(sequence, request),
            Err(errno) => Err(*errno),
        };
        let request = request.ok();
        let is_list = matches!(request, Some(Request::ListServices | Request::ListDestinations(_)));
        if let Err(errno) = result {
            self.note_refusal(request.as_ref());
            self.refused.push((request.clone(), errno));
        }
        if let Some(request) = request.filter(|_| !is_list) {
            self.changes.push(request);
        }
        match result {
            // The first part is taken at once.
            Ok(()) if is_list => self.tell(),
            Ok(()) => self.say(answer::error(sequence, 0)),
            Err(errno) => self.say(answer::error(sequence, errno)),
        }
    }

    fn carry_out(&mut self, sequence: u32, request: &Request) -> Result<(), i32> {
        match request {
            Request::ListServices => self.list(sequence, None),
            Request::ListDestinations(of) => self.list(sequence, Some(*of)),
            Request::PutService { is_new, key, traits } => {
                match (is_new, self.table.0.contains_key(key)) {
                    (true, true) => return Err(EEXIST),
                    (false, false) => return Err(ESRCH),
                    _ if !self.schedulers.contains(&traits.scheduler) => return Err(ENOENT),
                    _ if !["", "sip"].contains(&traits.engine.as_str()) => return Err(ENOENT),
                    _ => {}
                }
                self.judge(key, None, &format!("{request:?}"));
                let destinations = self.table.0.get(key).map(|service| service.destinations.clone());
                let destinations = destinations.unwrap_or_default();
                self.stale.remove(&(*key, None));
                self.table.0.insert(*key, Service { traits: traits.clone(), destinations });
                Ok(())
            }
            Request::DeleteService(key) => {
                if !self.table.0.contains_key(key) {
                    return Err(ESRCH);
                }
                self.judge(key, None, "a service is deleted");
                self.table.0.remove(key);
                Ok(())
            }
            Request::PutDestination { .. } if !self.takes_destinations => Err(ENOMEM),
            Request::PutDestination { is_new, of, place, destination } => {
                self.put(*is_new, of, place, destination)
            }
            Request::DeleteDestination { of, place } => {
                let service = self.table.0.get(of).ok_or(ESRCH)?;
                if !service.destinations.contains_key(place) {
                    return Err(ENOENT);
                }
                self.judge(of, Some(place), "a destination is deleted");
                self.edit_ours(of, |service| service.destinations.remove(place));
                self.stale.remove(&(*of, Some(*place)));
                Ok(())
            }
            Request::SetTimeouts(timeouts) => {
                for (is, wanted) in self.timeouts.iter_mut().zip(timeouts) {
                    // Linux leaves alone what is to be 0.
                    *is = wanted.filter(|wanted| *wanted != 0).unwrap_or(*is);
                }
                Ok(())
            }
            Request::StartDaemon { is_master, interface, id } => {
                let place = usize::from(!is_master);
                if !self.devices.contains(interface) {
                    return Err(ENODEV);
                }
                if self.daemons[place].is_some() {
                    return Err(EEXIST);
                }
                self.daemons[place] = Some((interface.clone(), *id));
                Ok(())
            }
            Request::StopDaemon { is_master } => {
                self.daemons[usize::from(!is_master)].take().map(|_| ()).ok_or(ESRCH)
            }
        }
    }

    fn put(&mut self, is_new: bool, of: &Key, place: &Place, its: &Destination) -> Result<(), i32> {
        let service = self.table.0.get(of).ok_or(ESRCH)?;
        match (is_new, service.destinations.contains_key(place)) {
            (true, true) => return Err(EEXIST),
            (false, false) => return Err(ENOENT),
            _ if its.lower > its.upper || its.weight > i32::MAX as u32 => return Err(ERANGE),
            // Only a tunnel leads into the other family.
            _ if place.family != of.family && its.forward != 2 => return Err(EINVAL),
            _ if its.forward > 3 || its.tunnel > 2 => return Err(EINVAL),
            _ => {}
        }
        self.judge(of, Some(place), &format!("it is to be {its:?}"));
        self.edit_ours(of, |service| service.destinations.insert(*place, *its));
        self.stale.remove(&(*of, Some(*place)));
        Ok(())
    }

    fn edit_ours<T>(&mut self, key: &Key, change: impl FnOnce(&mut Service) -> T) {
        if let Some(service) = self.table.0.get_mut(key) {
            change(service);
        }
    }

    /// What is right is to be left alone, unless the program cannot know that it is.
    fn judge(&mut self, key: &Key, place: Option<&Place>, what: &str) {
        if self.stale.contains(&(*key, place.copied())) || self.stale.contains(&(*key, None)) {
            return;
        }
        let (is, right) = (self.table.0.get(key), self.right.0.get(key));
        let (Some(is), Some(right)) = (is, right) else { return };
        let is_right = match place {
            None => is.traits == right.traits,
            Some(place) => {
                let told = |its| self.told(place, its);
                let (is, right) = (is.destinations.get(place), right.destinations.get(place));
                is.is_some() && is.map(told) == right.map(told)
            }
        };
        if is_right {
            self.touched.push(format!("{key:?} {place:?}: {what}"));
        }
    }

    fn note_refusal(&mut self, request: Option<&Request>) {
        match request {
            Some(Request::PutService { key, .. }) => _ = self.stale.insert((*key, None)),
            Some(Request::DeleteService(key)) => _ = self.leftovers.insert(*key),
            Some(Request::PutDestination { of, place, .. } | Request::DeleteDestination { of, place }) => {
                self.stale.insert((*of, Some(*place)));
            }
            Some(
                Request::ListServices
                | Request::ListDestinations(_)
                | Request::SetTimeouts(_)
                | Request::StartDaemon { .. }
                | Request::StopDaemon { .. },
            )
            | None => {}
        }
    }

    // What it tells.

    fn list(&mut self, sequence: u32, of: Option<Key>) -> Result<(), i32> {
        if self.dump.is_some() {
            return Err(EBUSY);
        }
        self.dump = Some(Dump { sequence, of, told: 0 });
        Ok(())
    }

    /// Tells a further part of the list.
    fn tell(&mut self) {
        let Some(Dump { sequence, of, told }) = self.dump else { return };
        let lines: Vec<Vec<u8>> = match of {
            None => {
                self.table.0.iter().map(|(key, its)| answer::service(sequence, key, &its.traits)).collect()
            }
            Some(key) => {
                let destinations = self.table.0.get(&key).map(|service| &service.destinations);
                let shown = |place: &Place, its: &Destination| {
                    answer::destination(sequence, place, &self.told(place, its))
                };
                destinations.into_iter().flatten().map(|(place, its)| shown(place, its)).collect()
            }
        };
        let part: Vec<u8> =
            lines.iter().skip(told).take(self.lines_per_datagram).flatten().copied().collect();
        if part.is_empty() {
            let is_torn = self.tears > 0;
            self.tears = self.tears.saturating_sub(1);
            self.dump = None;
            self.say(answer::done(sequence, is_torn));
        } else {
            self.dump = Some(Dump { sequence, of, told: told + self.lines_per_datagram });
            self.say(part);
        }
    }

    fn say(&mut self, datagram: Vec<u8>) {
        if self.losses == 0 {
            return self.socket.push_back(Heard::Datagram(datagram));
        }
        self.losses -= 1;
        if !matches!(self.socket.back(), Some(Heard::Overrun)) {
            self.socket.push_back(Heard::Overrun);
        }
    }
}

impl Outlet for Kernel {
    fn ipvs(&mut self, request: &mut [u8]) -> Result<(), Unsent> {
        match self.known_family {
            None if self.is_missing => {
                if self.failures.len() < FAILURES_MAX {
                    self.failures.push_back(ENOENT);
                }
            }
            Some(number) if self.is_missing || number != self.family => {
                let (sequence, _) = request::read(request);
                self.say(answer::error(sequence, ENOENT));
            }
            Some(_) | None => {
                self.known_family = Some(self.family);
                self.ask(request);
            }
        }
        Ok(())
    }

    // The rest is not what this is about.
    fn join(&mut self, _: IfIndex, _: IpAddr) -> Result<(), Unsent> {
        Ok(())
    }
    fn message(&mut self, _: IfIndex, _: IpAddr, _: IpAddr, _: &[u8]) -> Result<(), Unsent> {
        Ok(())
    }
    fn datagram(&mut self, _: &Datagram<'_>) -> Result<(), Unsent> {
        Ok(())
    }
    fn frame(&mut self, _: IfIndex, _: &[u8]) -> Result<(), Unsent> {
        Ok(())
    }
    fn advert(&mut self, _: IfIndex, _: &[u8]) -> Result<(), Unsent> {
        Ok(())
    }
    fn netlink(&mut self, _: &[u8]) -> Result<(), Unsent> {
        Ok(())
    }
    fn netfilter(&mut self, _: &[u8]) -> Result<(), Unsent> {
        Ok(())
    }
}
