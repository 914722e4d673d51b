//! The devices that virtual MACs live on, as Linux makes them: macvlans in bridge mode.

use fastrand::Rng;
use vipd::config::Family;
use vipd::wire::Mac;

use crate::kernel::{EEXIST, ENODEV, Kernel, Link};
use crate::netlink::{Arp, Datagram};
use crate::plan::Plan;

const EBUSY: i32 = 16;

impl Kernel {
    /// The device that frames of this one go through.
    pub fn base(&self, at: usize) -> usize {
        self.links[at].below.unwrap_or(at)
    }

    /// The devices that are on this one and switched on.
    pub fn above(&self, at: usize) -> Vec<usize> {
        let is_above = |it: &Link| it.present && it.up && it.below == Some(at);
        (0..self.links.len()).filter(|&other| is_above(&self.links[other])).collect()
    }

    pub fn by_name(&self, name: &str) -> Option<usize> {
        self.links.iter().position(|link| link.present && link.name == name)
    }

    /// Where the addresses of a plan belong; `None`: the device is not there.
    pub fn home(&self, plan: &Plan, family: Family) -> Option<usize> {
        match plan.vmac_of(family) {
            None => Some(plan.link).filter(|at| self.links[*at].present),
            Some((_, name)) => self.by_name(&name),
        }
    }

    /// `ip link add NAME link BELOW address MAC type macvlan mode bridge`.
    pub fn add_macvlan(&mut self, name: &str, below: u32, mac: Mac, rng: &mut Rng) -> i32 {
        let Some(base) = self.by_index(below) else { return ENODEV };
        if self.by_name(name).is_some() {
            return EEXIST;
        }
        let index = self.take_index();
        let known = self.links.iter().position(|link| link.name == name);
        let name = known.map_or_else(|| &*name.to_string().leak(), |at| self.links[at].name);
        let link = Link {
            index,
            name,
            mac,
            present: true,
            up: false,
            carrier: self.links[base].running(),
            addresses: Vec::new(),
            own: Vec::new(),
            joined: Vec::new(),
            below: Some(base),
            arp: Arp::default(),
            is_silent: false,
            ..self.links[base].clone()
        };
        let at = known.unwrap_or(self.links.len());
        match known {
            Some(at) => self.links[at] = link,
            None => self.links.push(link),
        }
        self.tell_link(at, rng);
        0
    }

    /// `ip link set up` or `down` of a device that may be one of these. One that is switched on must know how to be
    /// quiet (AD04, AD22), and no other has its Ethernet address.
    pub fn switch(&mut self, index: u32, on: bool, rng: &mut Rng) -> i32 {
        let Some(at) = self.by_index(index) else { return ENODEV };
        if self.links[at].up == on {
            return 0;
        }
        if let (Some(base), true) = (self.links[at].below, on) {
            let link = &self.links[at];
            // Either may have been refused.
            let excused = self.is_troubled(self.now);
            let is_tight = link.arp == Arp { ignore: 1, announce: 2 };
            assert!(is_tight || excused, "AD04: {} speaks ARP for others", link.name);
            assert!(link.is_silent || excused, "AD22: {} would give itself an address", link.name);
            if self.above(base).iter().any(|other| self.links[*other].mac == link.mac) {
                return EBUSY;
            }
        }
        self.set_up(at, on, rng);
        0
    }

    pub fn set_arp(&mut self, index: u32, arp: Arp) -> i32 {
        let Some(at) = self.by_index(index) else { return ENODEV };
        self.links[at].arp = arp;
        0
    }

    /// `ip link set addrgenmode none`.
    pub fn silence(&mut self, index: u32) -> i32 {
        let Some(at) = self.by_index(index) else { return ENODEV };
        self.links[at].is_silent = true;
        0
    }

    pub fn remove_link(&mut self, index: u32, rng: &mut Rng) -> i32 {
        let Some(at) = self.by_index(index) else { return ENODEV };
        self.delete_link(at, rng);
        0
    }

    /// A device is switched, loses its carrier or goes: those on it follow.
    pub fn follow(&mut self, base: usize, rng: &mut Rng) {
        for at in 0..self.links.len() {
            if self.links[at].below != Some(base) || !self.links[at].present {
                continue;
            }
            if self.links[base].present {
                self.links[at].carrier = self.links[base].running();
                self.tell(Datagram::default().link(&self.view(at), 0, false), rng);
            } else {
                self.delete_link(at, rng);
            }
        }
    }
}
