//! Every BFD session of every node, beside a second opinion of RFC 5880: what it says, how often it says it, and when it
//! gives the other end up, by the node's own clock and to the nanosecond.

use core::net::IpAddr;

use vipd::probe::Standing;
use vipd::router::Datagram;
use vipd::time::Instant;

use super::timers::local;
use crate::clock::{MS, NEVER, Nanos, US};
use crate::kernel::Kernel;
use crate::neighbour::{ADMIN_DOWN, DOWN, INIT, PORT, Said, UP};
use crate::node::Node;
use crate::plan::{Plan, Timing, sessions, timing_of};
use crate::seed::trace;

/// RFC 5880 §6.8.3: what a session that is not up says of its pace, at least.
const IDLE_US: u32 = 1_000_000;

/// Polls that follow each other more closely are not all answered.
const ANSWER_PAUSE: Nanos = 5 * MS;

/// One session of one life of a daemon.
#[derive(Debug, Clone)]
struct Watch {
    node: usize,
    link: usize,
    neighbor: IpAddr,
    timing: Timing,
    /// Where RFC 5880 §6.8.6 says that it stands.
    state: u8,
    /// Its kernel may have kept something from it: what it says next is believed.
    is_vague: bool,
    /// It has been ended by hand.
    is_over: bool,
    port: u16,
    /// What it said last, and when; 0 before it has.
    said: Option<Said>,
    sent_at: Nanos,
    /// When it last had no way to say anything.
    excused_at: Nanos,
    answered_at: Option<Nanos>,
    /// It has been asked in this turn, or may have been, and has not answered.
    is_asked: bool,
    /// And it must have heard that.
    owes_final: bool,
    /// The pace that holds at least, until a poll sequence has told of another one, in microseconds.
    tx_us: u32,
    /// What it can take, as far as it can be said for the same reason.
    rx_us: (u32, u32),
    /// What it heard last; several, where nobody can say which of them; nothing within the detection time.
    heard: Vec<Said>,
    /// From, to.
    heard_at: (Nanos, Nanos),
    /// The least that the other end has asked for since we sent.
    heard_rx_us: u32,
    was_up: bool,
    has_fallen_silent: bool,
}

/// A session that was up is not any more, because nothing was heard.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    pub link: usize,
    pub neighbor: IpAddr,
    /// Or for another reason; nobody can say.
    pub is_vague: bool,
}

/// The sessions of all nodes.
#[derive(Debug, Default, Clone)]
pub struct Sessions {
    watches: Vec<Watch>,
    /// Daemons that have been asked to end: their sessions are over.
    stopped: Vec<usize>,
    /// The discriminators of former lives.
    past: Vec<(usize, IpAddr, u32)>,
    /// Packets that were sent.
    pub packets: u64,
    /// Sessions that were up and fell silent.
    pub silences: u64,
}

impl Sessions {
    /// The daemon is gone, and all that it knew.
    pub fn forget(&mut self, node: usize) {
        self.bury(|watch| watch.node == node);
        self.stopped.retain(|it| *it != node);
    }

    /// The daemon is asked to end.
    pub fn stop(&mut self, node: usize) {
        self.stopped.push(node);
    }

    /// The daemon has taken these plans.
    pub fn adopt(&mut self, node: usize, plans: &[Plan]) {
        self.bury(|it| it.node == node && timing_of(plans, it.link, it.neighbor).is_none());
        for watch in self.watches.iter_mut().filter(|it| it.node == node) {
            let timing = timing_of(plans, watch.link, watch.neighbor).unwrap_or(watch.timing);
            if timing != watch.timing {
                watch.timing = timing;
                let (tx_us, rx_us) = (1000 * timing.tx_ms, 1000 * timing.rx_ms);
                watch.tx_us = watch.tx_us.min(tx_us);
                watch.rx_us = (watch.rx_us.0.min(rx_us), watch.rx_us.1.max(rx_us));
            }
        }
    }

    fn bury(&mut self, is_dead: impl Fn(&Watch) -> bool) {
        let dead = self.watches.iter().filter(|watch| is_dead(watch));
        self.past.extend(dead.filter_map(|it| it.said.map(|said| (it.node, it.neighbor, said.mine))));
        self.watches.retain(|watch| !is_dead(watch));
    }

    /// Whether a node's session stands.
    pub fn is_up(&self, node: usize, link: usize, neighbor: IpAddr) -> bool {
        let mine = |it: &&Watch| (it.node, it.link, it.neighbor) == (node, link, neighbor);
        self.watches.iter().find(mine).is_some_and(|watch| watch.was_up)
    }

    /// What a node said last in a session that goes on, and from which port.
    pub fn said(&self, node: usize, link: usize, neighbor: IpAddr) -> Option<(u16, Said)> {
        let mine = |it: &&Watch| (it.node, it.link, it.neighbor) == (node, link, neighbor) && !it.is_over;
        let watch = self.watches.iter().find(mine)?;
        Some((watch.port, watch.said?))
    }

    /// How long the other end's silence is suffered at present.
    pub fn detection(&self, node: usize, link: usize, neighbor: IpAddr) -> Option<Nanos> {
        let mine = |it: &&Watch| (it.node, it.link, it.neighbor) == (node, link, neighbor);
        self.watches.iter().find(mine)?.detection().map(|(_, most)| most)
    }

    fn find(&mut self, node: usize, link: usize, neighbor: IpAddr, timing: Timing) -> &mut Watch {
        let mine = |it: &Watch| (it.node, it.link, it.neighbor) == (node, link, neighbor) && !it.is_over;
        let at = self.watches.iter().position(mine).unwrap_or_else(|| {
            self.watches.push(Watch::new(node, link, neighbor, timing));
            self.watches.len() - 1
        });
        &mut self.watches[at]
    }

    /// A daemon reads a datagram. One whose kernel does not tell it all `may_be_deaf`.
    #[allow(clippy::too_many_arguments, reason = "this is all that a packet has")]
    pub fn heard(
        &mut self,
        node: usize,
        plans: &[Plan],
        link: usize,
        instant: Instant,
        from: IpAddr,
        ttl: u8,
        payload: &[u8],
        may_be_deaf: bool,
    ) {
        let is_over = ttl != 255 || self.stopped.contains(&node);
        let Some(timing) = timing_of(plans, link, from).filter(|_| !is_over) else { return };
        let Ok(said) = Said::read(payload) else { return };
        let watch = self.find(node, link, from, timing);
        if said.yours != 0 && watch.said.is_none_or(|ours| ours.mine != said.yours) {
            return;
        }
        watch.hear(local(instant), said, may_be_deaf);
        trace!("    node {node} hears {said:?}");
    }

    /// A datagram is about to leave.
    pub fn sent(
        &mut self,
        node: usize,
        plans: &[Plan],
        kernel: &Kernel,
        instant: Instant,
        datagram: &Datagram<'_>,
    ) {
        let Some(link) = kernel.by_index(datagram.interface.0) else { return };
        let neighbor = datagram.destination;
        let bytes = datagram.payload;
        let (port, said) = timing_of(plans, link, neighbor)
            .ok_or("session")
            .and_then(|timing| read(datagram, kernel, link, timing))
            .unwrap_or_else(|what| {
                panic!("node {node} sends a BFD packet with a wrong {what}: {bytes:02x?}")
            });
        self.packets += 1;
        let is_last = self.stopped.contains(&node);
        assert!(!is_last || said.state == ADMIN_DOWN, "node {node} ends, and says {said:?}");
        // It is said once more than it may be lost.
        let was_said = |it: &Watch| it.node == node && it.is_over && it.said == Some(said);
        if said.state == ADMIN_DOWN && self.watches.iter().any(was_said) {
            return;
        }
        let is_other = |it: &Watch| (it.link, it.neighbor) != (link, neighbor) || it.is_over;
        let mut others = self.watches.iter().filter(|it| it.node == node && is_other(it));
        let is_taken = others.any(|it| it.said.is_some_and(|its| its.mine == said.mine || it.port == port));
        let was_ours = self.past.contains(&(node, neighbor, said.mine));
        let Some(timing) = timing_of(plans, link, neighbor) else { return };
        let watch = self.find(node, link, neighbor, timing);
        // A life that begins has a discriminator of its own (BF09).
        let is_new = watch.said.is_none() && said.state != ADMIN_DOWN;
        watch
            .say(local(instant), port, said)
            .and(if is_taken && is_new { Err("discriminator or port: another session's") } else { Ok(()) })
            .and(if was_ours && is_new { Err("discriminator: that of a former life") } else { Ok(()) })
            .unwrap_or_else(|what| {
                panic!("node {node} says something with a wrong {what}: {said:?}, {watch:?}")
            });
        if said.state == ADMIN_DOWN {
            watch.is_over = true;
        }
    }

    /// A node's turn has ended: who has fallen silent in it.
    pub fn turn_ended(&mut self, now: Nanos, node: &Node, instant: Instant) -> Vec<Silence> {
        let mut silences = Vec::new();
        let Some(router) = node.router().filter(|router| !router.config().bfd.is_empty()) else {
            return silences;
        };
        if self.stopped.contains(&node.number) {
            return silences;
        }
        let is_whole = node.takes_part() && !node.kernel.is_troubled(now);
        for (position, session) in sessions(&node.plans).into_iter().enumerate() {
            let is_up = router.bfd_standing(vipd::config::BfdId(position as u8)) == Standing::Up;
            let link = session.link;
            let watch = self.find(node.number, link, session.neighbor, session.timing);
            if let Some(is_vague) = watch.turn_ended(local(instant), is_up) {
                silences.push(Silence { link, neighbor: session.neighbor, is_vague });
            }
            if is_whole && node.kernel.links[link].present {
                watch.owes_nothing(local(instant));
            } else {
                watch.excused_at = local(instant);
            }
            (watch.is_asked, watch.owes_final) = (false, false);
        }
        self.silences += silences.len() as u64;
        silences
    }
}

impl Watch {
    fn new(node: usize, link: usize, neighbor: IpAddr, timing: Timing) -> Self {
        Self {
            node,
            link,
            neighbor,
            timing,
            state: DOWN,
            is_vague: false,
            is_over: false,
            port: 0,
            said: None,
            sent_at: 0,
            excused_at: 0,
            answered_at: None,
            is_asked: false,
            owes_final: false,
            tx_us: u32::MAX,
            rx_us: (1000 * timing.rx_ms, 1000 * timing.rx_ms),
            heard: Vec::new(),
            heard_at: (0, 0),
            heard_rx_us: 1,
            was_up: false,
            has_fallen_silent: false,
        }
    }

    /// How long silence is suffered: at least, at most (RFC 5880 §6.8.4).
    fn detection(&self) -> Option<(Nanos, Nanos)> {
        let span = |heard: &Said, rx_us: u32| {
            // Some say a faster pace than they have while they are not up.
            let floor = if heard.state == UP { 0 } else { IDLE_US };
            Nanos::from(rx_us.max(heard.min_tx_us).max(floor)) * Nanos::from(heard.multiplier) * US
        };
        let least = self.heard.iter().map(|heard| span(heard, self.rx_us.0)).min()?;
        let most = self.heard.iter().map(|heard| span(heard, self.rx_us.1)).max()?;
        Some((least, most))
    }

    /// When silence has been too long: not before, not after.
    fn due(&self) -> (Nanos, Nanos) {
        let span = self.detection();
        span.map_or((NEVER, NEVER), |(least, most)| (self.heard_at.0 + least, self.heard_at.1 + most))
    }

    fn hear(&mut self, now: Nanos, said: Said, may_be_deaf: bool) {
        self.is_asked |= said.polls;
        self.owes_final |= said.polls && !may_be_deaf;
        if may_be_deaf {
            self.is_vague = true;
            self.heard_at.1 = now;
            self.heard.push(said);
            self.heard_rx_us = self.heard_rx_us.min(said.min_rx_us);
            return;
        }
        self.heard = vec![said];
        self.heard_at = (now, now);
        self.heard_rx_us = self.heard_rx_us.min(said.min_rx_us);
        self.state = match (self.state, said.state) {
            (DOWN, DOWN) => INIT,
            (DOWN, INIT) | (INIT, INIT | UP) => UP,
            (INIT | UP, ADMIN_DOWN) | (UP, DOWN) => DOWN,
            (stays, _) => stays,
        };
    }

    fn fall_silent(&mut self) {
        self.has_fallen_silent |= self.state == UP;
        self.state = DOWN;
        // RFC 5880 §6.8.1
        self.heard.clear();
        self.heard_rx_us = 1;
    }

    /// Holds what it says against what it must say, and when.
    fn say(&mut self, now: Nanos, port: u16, said: Said) -> Result<(), &'static str> {
        let due = self.due();
        if self.is_vague {
            self.is_vague = false;
            self.state = said.state;
            if said.yours == 0 {
                self.fall_silent();
            }
        }
        // The timer may have run in this turn.
        let has_ended = said.yours == 0 && !self.heard.is_empty();
        if has_ended && said.state != ADMIN_DOWN {
            check(due.0 <= now, "moment: the other end is given up too early")?;
            self.fall_silent();
        }
        check(said.state == self.state || said.state == ADMIN_DOWN, "state")?;
        let knows = self.heard.iter().any(|heard| heard.mine == said.yours);
        let is_its = knows || (self.heard.is_empty() && said.yours == 0);
        check(is_its || said.state == ADMIN_DOWN, "discriminator of the other's")?;
        check(
            said.min_tx_us >= IDLE_US || said.state == UP || said.state == ADMIN_DOWN,
            "pace: too fast for one that is not up",
        )?;
        check(said.min_tx_us == 1000 * self.timing.tx_ms || said.state != UP, "pace")?;
        if let Some(before) = self.said {
            check(port == self.port, "port: it was another one")?;
            check(said.mine == before.mine, "discriminator: it was another one")?;
        }
        self.port = port;
        if said.answers {
            check(self.is_asked, "final bit: nobody asked")?;
            (self.is_asked, self.owes_final) = (false, false);
            self.answered_at = Some(now);
            self.said = self.said.or(Some(said));
            return Ok(());
        }
        if said.state != ADMIN_DOWN {
            self.in_time(now, said)?;
        }
        let before = self.said.replace(said);
        self.sent_at = now;
        self.heard_rx_us = self.heard.iter().map(|heard| heard.min_rx_us).min().unwrap_or(1);
        // A poll sequence has ended, or the state is another one: everybody knows what holds.
        let is_known = before.is_none_or(|it| it.state != said.state || (it.polls && !said.polls));
        self.tx_us = if is_known { said.min_tx_us } else { self.tx_us.min(said.min_tx_us) };
        if is_known {
            self.rx_us = (said.min_rx_us, said.min_rx_us);
        }
        Ok(())
    }

    /// RFC 5880 §6.8.7: never more often than both ends agree on, less a quarter; whatever comes in.
    fn in_time(&self, now: Nanos, said: Said) -> Result<(), &'static str> {
        let Some(before) = self.said else { return Ok(()) };
        let ours = self.tx_us.min(said.min_tx_us).min(before.min_tx_us);
        let agreed = Nanos::from(ours.max(self.heard_rx_us)) * US;
        check(now >= self.sent_at + agreed * 3 / 4, "moment: too soon")
    }

    /// `Some`: it has fallen silent; `true`: perhaps.
    fn turn_ended(&mut self, now: Nanos, is_up: bool) -> Option<bool> {
        let (node, neighbor) = (self.node, self.neighbor);
        let was_up = core::mem::replace(&mut self.was_up, is_up);
        if self.is_vague {
            self.has_fallen_silent = false;
            return (was_up && !is_up).then_some(true);
        }
        let (earliest, latest) = self.due();
        if latest <= now || (earliest <= now && self.state == UP && !is_up) {
            assert!(!is_up, "node {node} does not notice that {neighbor} is silent: {self:?}");
            self.fall_silent();
        }
        let early = earliest.saturating_sub(now);
        assert!(is_up || self.state != UP, "node {node} gives {neighbor} up {early} ns too early: {self:?}");
        assert!(!is_up || self.state == UP, "node {node} takes {neighbor} for up: {self:?}");
        core::mem::take(&mut self.has_fallen_silent).then_some(false)
    }

    /// Polls are answered, and what is due has been sent.
    fn owes_nothing(&self, now: Nanos) {
        let (node, neighbor) = (self.node, self.neighbor);
        let has_answered = self.answered_at.is_some_and(|at| now < at + ANSWER_PAUSE);
        assert!(!self.owes_final || has_answered, "node {node} does not answer a poll of {neighbor}");
        let Some(said) = self.said.filter(|_| !self.is_over && !self.is_vague) else { return };
        let theirs = self.heard.iter().map(|heard| heard.min_rx_us).max().unwrap_or(1);
        let is_mute = theirs == 0 || (self.timing.is_passive && self.heard.is_empty());
        let ours = said.min_tx_us.max(if self.state == UP { 1000 * self.timing.tx_ms } else { IDLE_US });
        let most = Nanos::from(ours.max(theirs)) * US;
        let since = self.sent_at.max(self.excused_at);
        assert!(is_mute || now <= since + most, "node {node} is silent towards {neighbor}: {self:?}");
    }
}

/// Reads what is to leave: RFC 5881 §4 and §5, RFC 5880 §4.1.
fn read(
    datagram: &Datagram<'_>,
    kernel: &Kernel,
    link: usize,
    timing: Timing,
) -> Result<(u16, Said), &'static str> {
    let &[s0, s1, p0, p1, l0, l1, _, _, ref payload @ ..] = datagram.payload else { return Err("length") };
    let source_port = u16::from_be_bytes([s0, s1]);
    check(source_port >= 49152, "source port")?;
    check(u16::from_be_bytes([p0, p1]) == PORT, "port")?;
    check(u16::from_be_bytes([l0, l1]) == 32 && payload.len() == 24, "length")?;
    check(datagram.hop_limit == 255, "TTL")?;
    let from = datagram.source;
    let own = kernel.links[link].own.iter().any(|&(own, _)| own == from);
    check(own || from.is_unspecified() || kernel.links[link].has(from), "source")?;
    let said = Said::read(payload)?;
    check(payload[1] & 0x0f == 0 && payload[3] == 24, "flag")?;
    check(!(said.polls && said.answers), "poll bit beside the final bit")?;
    check(said.multiplier == timing.multiplier, "multiplier")?;
    check(said.min_rx_us == 1000 * timing.rx_ms, "Required Min RX Interval")?;
    check(said.min_echo_us == 0, "Required Min Echo RX Interval")?;
    Ok((source_port, said))
}

fn check(right: bool, what: &'static str) -> Result<(), &'static str> {
    if right { Ok(()) } else { Err(what) }
}
