//! Who becomes master has waited for as long as the RFCs say, by its own clock: not a nanosecond less, and not
//! noticeably more (RFC 9568 §6.1, §6.4.2; RFC 3768 §6.1).

use core::net::IpAddr;

use vipd::config::Family;
use vipd::time::Instant;
use vipd::vrrp::Phase;
use vipd::wire::vrrp::Version;

use super::frames;
use super::sessions::Silence;
use crate::clock::{MS, NEVER, Nanos, SEC};
use crate::node::Node;
use crate::plan::Plan;
use crate::seed::trace;

/// A process that is to wake up does so within this.
const LATE: Nanos = 5 * MS;

/// A quotient may be rounded once more than ours.
const ROUNDING: Nanos = 2;

/// What a virtual router waits for.
#[derive(Debug, Clone)]
struct Timer {
    node: usize,
    link: usize,
    vrid: u8,
    family: Family,
    phase: Option<Phase>,
    /// The master's interval, as far as it can be said: from, to.
    interval: (Nanos, Nanos),
    /// When the down timer runs out, by the node's clock: not before, not after.
    due: (Nanos, Nanos),
    /// When a resignation last shortened the wait.
    shortened_at: Nanos,
    /// When an interval was last learned.
    learned_at: Nanos,
    /// Who may be the master that was heard last.
    masters: Vec<IpAddr>,
    /// When it last entered its state.
    entered_at: Nanos,
}

/// The down timers of all nodes.
#[derive(Debug, Default, Clone)]
pub struct Timers {
    timers: Vec<Timer>,
}

/// Skew_Time.
fn skew(plan: &Plan, family: Family, interval: Nanos, priority: u8) -> Nanos {
    let distance = 256 - Nanos::from(priority);
    match plan.version_of(family) {
        Version::V2 => SEC * distance / 256,
        Version::V3 => interval * distance / 256,
    }
}

/// Earliest and latest end of a wait that begins now: so many intervals and the skew.
fn wait(plan: &Plan, family: Family, now: Nanos, intervals: u64, interval: (Nanos, Nanos)) -> (Nanos, Nanos) {
    let (low, high) = plan.priorities().into_inner();
    let end =
        |interval: Nanos, priority: u8| now + intervals * interval + skew(plan, family, interval, priority);
    (end(interval.0, high), end(interval.1, low))
}

/// By the node's own clock.
pub fn local(instant: Instant) -> Nanos {
    instant.since_origin().as_nanos() as Nanos
}

impl Timers {
    /// A daemon reads a message of IP protocol 112. One whose kernel does not tell it all `may_be_deaf`: it does
    /// not know for which device the message is.
    #[allow(clippy::too_many_arguments, reason = "this is all that a packet has")]
    pub fn heard(
        &mut self,
        node: usize,
        plans: &[Plan],
        link: usize,
        instant: Instant,
        from: IpAddr,
        to: IpAddr,
        ttl: u8,
        message: &[u8],
        may_be_deaf: bool,
    ) {
        let now = local(instant);
        let family = Family::of(from);
        let Some((plan, interval)) = frames::admissible(plans, link, from, to, ttl, message) else { return };
        let Some(timer) = self.find(node, plan, family) else { return };
        let priority = message[2];
        if !may_be_deaf {
            timer.masters.clear();
        }
        trace!("    node {node} {} {family:?} hears {priority} from {from}, every {interval} ns", plan.name);
        if priority == 0 {
            let (low, high) = wait(plan, family, now, 0, timer.interval);
            let high = if may_be_deaf { NEVER } else { timer.due.1.min(high) };
            timer.due = (timer.due.0.min(low), high);
            timer.shortened_at = now;
            for other in plans.iter().filter(|it| moves_with(it, plan)) {
                for family in other.families() {
                    self.doubt(node, other, family, now);
                }
            }
            return;
        }
        timer.masters.push(from);
        timer.learned_at = now;
        let is_rightful = !plan.preempt || priority >= *plan.priorities().end();
        if is_rightful && !may_be_deaf {
            timer.interval = (interval, interval);
            timer.due = wait(plan, family, now, 3, timer.interval);
        } else if is_rightful || priority >= *plan.priorities().start() || !plan.preempt_delay.is_zero() {
            // It may have been heard or not, be rightful or not, and its interval learned if it is suffered.
            timer.interval = (timer.interval.0.min(interval), timer.interval.1.max(interval));
            let (low, _) = wait(plan, family, now, 3, timer.interval);
            let is_suffered = !is_rightful && priority < *plan.priorities().start();
            let low = if is_suffered { timer.due.0 } else { timer.due.0.min(low) };
            timer.due = (low, NEVER);
        }
    }

    /// A BFD session has fallen silent. Whose master is at its other end waits for the skew only, and for nothing if
    /// nobody else can follow.
    pub fn lose(&mut self, node: &Node, instant: Instant, silence: Silence) {
        let now = local(instant);
        let Silence { link, neighbor, is_vague } = silence;
        let family = Family::of(neighbor);
        let leads_there =
            |plan: &&Plan| plan.link == link && plan.bfd.is_some() && plan.peers.contains(&neighbor);
        for plan in node.plans.iter().filter(leads_there) {
            let Some(timer) = self.find(node.number, plan, family) else { continue };
            if !timer.masters.contains(&neighbor) {
                continue;
            }
            let is_alone = plan.peers.iter().filter(|peer| Family::of(**peer) == family).count() == 1;
            let (low, high) = if is_alone { (now, now) } else { wait(plan, family, now, 0, timer.interval) };
            // Who has begun anew meanwhile knows nobody.
            let is_known = timer.masters.len() == 1
                && timer.phase == Some(Phase::Backup)
                && timer.learned_at != NEVER
                && timer.learned_at > timer.entered_at;
            timer.due.0 = timer.due.0.min(low);
            if is_known && !is_vague {
                timer.due.1 = timer.due.1.min(high);
            }
            timer.shortened_at = now;
            trace!("    node {} {} {family:?} has lost {neighbor}", node.number, plan.name);
            for other in node.plans.iter().filter(|it| moves_with(it, plan)) {
                for family in other.families() {
                    self.doubt(node.number, other, family, now);
                }
            }
        }
    }

    /// The master of something that moves together with it has resigned.
    fn doubt(&mut self, node: usize, plan: &Plan, family: Family, now: Nanos) {
        if let Some(timer) = self.find(node, plan, family) {
            let (low, _) = wait(plan, family, now, 1, timer.interval);
            timer.due.0 = timer.due.0.min(low);
            timer.shortened_at = now;
        }
    }

    /// Something is done to a node that may make it begin anew.
    pub fn blur(&mut self, node: &Node, instant: Instant) {
        let now = local(instant);
        for plan in node.plans.iter().chain(&node.first_plans) {
            for family in plan.families() {
                let Some(timer) = self.find(node.number, plan, family) else { continue };
                let own = plan.interval();
                timer.interval = (timer.interval.0.min(own), timer.interval.1.max(own));
                let (low, _) = wait(plan, family, now, 3, timer.interval);
                timer.due = (timer.due.0.min(low), NEVER);
            }
        }
    }

    /// A node's turn has ended.
    pub fn turn_ended(&mut self, node: &Node, instant: Instant) {
        let now = local(instant);
        for plan in &node.plans {
            for family in plan.families() {
                self.follow(node, plan, family, now);
            }
        }
    }

    fn follow(&mut self, node: &Node, plan: &Plan, family: Family, now: Nanos) {
        let phase = node.phase(plan, family);
        let own = (plan.interval(), plan.interval());
        let Some(timer) = self.find(node.number, plan, family) else {
            self.timers.push(Timer {
                node: node.number,
                link: plan.link,
                vrid: plan.vrid,
                family,
                phase,
                interval: own,
                due: wait(plan, family, now, 3, own),
                shortened_at: NEVER,
                learned_at: NEVER,
                masters: Vec::new(),
                entered_at: now,
            });
            return;
        };
        let before = core::mem::replace(&mut timer.phase, phase);
        if before != phase {
            timer.entered_at = now;
        }
        match (before, phase) {
            (Some(Phase::Backup), Some(Phase::Master)) => timer.in_time(plan, now),
            (None | Some(Phase::Initialize), Some(Phase::Master)) => {
                assert_eq!(plan.priority, 255, "node {} is master without having waited", node.number);
            }
            (None | Some(Phase::Initialize | Phase::Master), Some(Phase::Backup)) => {
                // Which interval it last learned, and whether it uses it again, depends on why it yields; and who has
                // just begun may have heard somebody in the same turn.
                let is_vague = before == Some(Phase::Master) || timer.learned_at == now;
                let both = (timer.interval.0.min(own.0), timer.interval.1.max(own.1));
                timer.interval = if is_vague { both } else { own };
                timer.due = wait(plan, family, now, 3, timer.interval);
                if timer.shortened_at == now {
                    timer.due.0 = wait(plan, family, now, 0, timer.interval).0;
                }
            }
            (_, None | Some(Phase::Initialize)) => timer.shortened_at = NEVER,
            (Some(Phase::Backup), Some(Phase::Backup)) | (Some(Phase::Master), Some(Phase::Master)) => {}
        }
    }

    fn find(&mut self, node: usize, plan: &Plan, family: Family) -> Option<&mut Timer> {
        let key = (node, plan.link, plan.vrid, family);
        self.timers.iter_mut().find(|it| (it.node, it.link, it.vrid, it.family) == key)
    }
}

fn moves_with(plan: &Plan, other: &Plan) -> bool {
    plan.group.is_some() && plan.group == other.group || plan.name == other.name
}

impl Timer {
    fn in_time(&self, plan: &Plan, now: Nanos) {
        let early = self.due.0.saturating_sub(now);
        let node = self.node;
        assert!(early <= ROUNDING, "timers: node {node} takes {} over {early} ns too early", plan.name);
        let alone = plan.group.is_none() && plan.families().count() == 1;
        let late = now.saturating_sub(self.due.1);
        assert!(
            !alone || late <= LATE,
            "timers: node {node} takes {} over {} ms too late",
            plan.name,
            late / MS
        );
    }
}
