//! An Ethernet switch: learns where the addresses are, floods what it does not know, and is as bad a
//! network as a scenario wants.

use std::rc::Rc;

use fastrand::Rng;
use vipd::wire::Mac;

use crate::clock::{Nanos, US};

/// Bytes of a frame; several ports share them.
pub type Frame = Rc<[u8]>;

/// Which port of a switch.
pub type Port = usize;

/// How well one direction of one port carries frames. All chances are per thousand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Path {
    /// Frames that are lost.
    pub loss: u32,
    /// Frames that arrive twice; counts on the way towards the switch.
    pub duplicate: u32,
    /// Time under way.
    pub delay: Nanos,
    /// Up to this much more, each frame for itself: frames overtake each other.
    pub jitter: Nanos,
}

impl Path {
    /// A quiet office network.
    pub const GOOD: Self = Self { loss: 0, duplicate: 0, delay: 20 * US, jitter: 0 };
}

#[derive(Debug, Clone, Copy)]
struct Socket {
    up: bool,
    /// Frames pass between ports of the same side only.
    side: u8,
    inward: Path,
    outward: Path,
}

/// A switch, or a network of them that acts as one.
#[derive(Debug, Default)]
pub struct Switch {
    sockets: Vec<Socket>,
    learned: Vec<(Mac, Port)>,
    cuts: Vec<(Port, Port)>,
}

impl Switch {
    /// One more port, good in both directions.
    pub fn plug_in(&mut self) -> Port {
        self.sockets.push(Socket { up: true, side: 0, inward: Path::GOOD, outward: Path::GOOD });
        self.sockets.len() - 1
    }

    /// Pulls the cable, or puts it back. What was learned behind it is forgotten.
    pub fn set_up(&mut self, port: Port, up: bool) {
        self.sockets[port].up = up;
        if !up {
            self.learned.retain(|&(_, at)| at != port);
        }
    }

    /// Makes the way to every port like this; each receiver loses frames of its own.
    pub fn set_paths(&mut self, path: Path) {
        for socket in &mut self.sockets {
            socket.inward = Path { duplicate: path.duplicate, ..Path::GOOD };
            socket.outward = path;
        }
    }

    /// Puts a port on one side of a partition. All begin on side 0.
    pub fn set_side(&mut self, port: Port, side: u8) {
        self.sockets[port].side = side;
    }

    /// Nothing passes from one port to the other any more; the way back stays.
    pub fn cut(&mut self, from: Port, to: Port) {
        self.cuts.push((from, to));
    }

    /// Ends every partition, cut and weakness. Cables stay as they are.
    pub fn heal(&mut self) {
        self.cuts.clear();
        for socket in &mut self.sockets {
            *socket = Socket { up: socket.up, side: 0, inward: Path::GOOD, outward: Path::GOOD };
        }
    }

    /// Whether every frame between ports that are up arrives, once and in time.
    pub fn is_healthy(&self) -> bool {
        let good = |path: &Path| path.loss == 0 && path.jitter == 0 && path.duplicate == 0;
        self.cuts.is_empty()
            && self
                .sockets
                .iter()
                .all(|socket| socket.side == 0 && good(&socket.inward) && good(&socket.outward))
    }

    /// Takes a frame in at `from`, and says for each frame that leaves by which port, and after what time.
    pub fn forward(&mut self, rng: &mut Rng, from: Port, frame: &[u8], mut leave: impl FnMut(Port, Nanos)) {
        let (Some(&to), Some(&source)) =
            (frame.first_chunk::<6>(), frame.get(6..).and_then(|rest| rest.first_chunk::<6>()))
        else {
            panic!("a frame of {} bytes is none", frame.len());
        };
        let socket = self.sockets[from];
        if !socket.up || chance(rng, socket.inward.loss) {
            return;
        }
        self.learn(Mac(source), from);
        let known = self.port_of(Mac(to), socket.side);
        let group = to[0] & 1 == 1;
        let copies = 1 + u32::from(chance(rng, socket.inward.duplicate));
        for _ in 0..copies {
            let entered = time_under_way(rng, socket.inward);
            for port in 0..self.sockets.len() {
                if port == from || (!group && known.is_some_and(|known| known != port)) {
                    continue;
                }
                if let Some(left) = self.cross(rng, from, port) {
                    leave(port, entered + left);
                }
            }
        }
    }

    fn cross(&self, rng: &mut Rng, from: Port, to: Port) -> Option<Nanos> {
        let (source, target) = (self.sockets[from], self.sockets[to]);
        let severed = source.side != target.side || self.cuts.contains(&(from, to));
        if !target.up || severed || chance(rng, target.outward.loss) {
            return None;
        }
        Some(time_under_way(rng, target.outward))
    }

    /// Each side of a partition learns for itself: both may have a master, and so the same virtual MAC.
    fn learn(&mut self, mac: Mac, port: Port) {
        let side = self.sockets[port].side;
        self.learned.retain(|&(known, at)| known != mac || self.sockets[at].side != side);
        self.learned.push((mac, port));
    }

    /// What was learned last, where several sides have become one.
    fn port_of(&self, mac: Mac, side: u8) -> Option<Port> {
        let mut latest = self.learned.iter().rev();
        latest.find(|&&(known, at)| known == mac && self.sockets[at].side == side).map(|&(_, port)| port)
    }
}

fn chance(rng: &mut Rng, per_thousand: u32) -> bool {
    per_thousand > 0 && rng.u32(0..1000) < per_thousand
}

fn time_under_way(rng: &mut Rng, path: Path) -> Nanos {
    let jitter = if path.jitter == 0 { 0 } else { rng.u64(0..path.jitter) };
    path.delay + jitter
}

#[cfg(test)]
mod tests {

    use super::*;

    const ALL: [u8; 6] = [0xff; 6];

    fn ports(switch: &mut Switch, from: Port, source: u8, to: [u8; 6]) -> Vec<Port> {
        let mut frame = [0; 60];
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, source]);
        let mut left = Vec::new();
        switch.forward(&mut Rng::with_seed(1), from, &frame, |port, _| left.push(port));
        left
    }

    fn of_three() -> Switch {
        let mut switch = Switch::default();
        for _ in 0..3 {
            switch.plug_in();
        }
        switch
    }

    #[test]
    fn it_floods_what_it_does_not_know_and_learns_who_sent() {
        let mut switch = of_three();
        assert_eq!(ports(&mut switch, 0, 1, [2, 0, 0, 0, 0, 9]), vec![1, 2]);
        assert_eq!(ports(&mut switch, 1, 2, [2, 0, 0, 0, 0, 1]), vec![0]);
        assert_eq!(ports(&mut switch, 0, 1, ALL), vec![1, 2]);
        assert_eq!(ports(&mut switch, 2, 1, ALL), vec![0, 1], "the address moved");
        assert_eq!(ports(&mut switch, 1, 2, [2, 0, 0, 0, 0, 1]), vec![2]);
    }

    #[test]
    fn nothing_crosses_a_partition_or_a_cut_or_reaches_a_pulled_cable() {
        let mut switch = of_three();
        switch.set_side(2, 1);
        assert_eq!(ports(&mut switch, 0, 1, ALL), vec![1]);
        switch.heal();
        switch.cut(0, 1);
        assert_eq!(ports(&mut switch, 0, 1, ALL), vec![2]);
        assert_eq!(ports(&mut switch, 1, 2, ALL), vec![0, 2], "the way back stays");
        assert!(!switch.is_healthy());
        switch.heal();
        switch.set_up(2, false);
        assert_eq!(ports(&mut switch, 0, 1, ALL), vec![1]);
        assert_eq!(ports(&mut switch, 2, 3, ALL), vec![]);
        assert!(switch.is_healthy());
    }

    #[test]
    fn it_loses_and_doubles_what_it_is_told_to() {
        let mut switch = of_three();
        switch.set_paths(Path { loss: 1000, ..Path::GOOD });
        assert_eq!(ports(&mut switch, 0, 1, ALL), vec![]);
        switch.set_paths(Path { duplicate: 1000, ..Path::GOOD });
        assert_eq!(ports(&mut switch, 0, 1, ALL), vec![1, 2, 1, 2]);
    }
}
