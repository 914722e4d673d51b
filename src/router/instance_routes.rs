//! Routes and rules that move with a virtual router.
//!
//! They are added right after its addresses, which they may need, and removed right before. Of those that stand in the
//! kernel no book is kept: an effect that puts every one where it belongs is harmless where it is there already, and so
//! it is repeated whenever one could be missing. Linux drops routes with the device that they lead through, and of
//! IPv4's it tells nobody.

use super::{Effect, Router, Slot, Turn};
use crate::config::{Config, Family, Instance, InterfaceId, VirtualRoute, VirtualRule};
use crate::limits;
use crate::say::warn;
use crate::time::{Instant, Span};
use crate::vrrp::VirtualRouter;
use crate::wire::ip;

/// From one time that every one is put where it belongs to the next, at least: somebody may remove one without end, or
/// the kernel refuse it.
const PAUSE: Span = Span::from_secs(1);

/// errno of what is no failure: it is there already; it is not there, or was not (two, for rules of old and of new
/// kernels); its device went first.
const EEXIST: i32 = 17;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const ENODEV: i32 = 19;

/// What is to be done with routes and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// Those of masters are added, all others removed.
    Settle,
    /// What a crash has left is removed, whatever its gateway was then: nobody is master yet.
    Forget,
    /// One that the next configuration does not have is removed.
    Withdraw(RouteOrRule),
}

/// An index into [`Config::virtual_routes`] or [`Config::virtual_rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteOrRule {
    /// A route.
    Route(u8),
    /// A rule.
    Rule(u8),
}

impl RouteOrRule {
    /// Every one of a configuration, rules behind the routes.
    pub fn all(config: &Config) -> impl DoubleEndedIterator<Item = Self> + use<> {
        let routes = (0..config.virtual_routes.len() as u8).map(Self::Route);
        routes.chain((0..config.virtual_rules.len() as u8).map(Self::Rule))
    }

    /// The sequence number of a request about it. The lists' own numbers do not come so far.
    #[must_use]
    pub const fn sequence(self, is_removal: bool) -> u32 {
        let number = match self {
            Self::Route(position) => position as u32,
            Self::Rule(position) => 0x100 | position as u32,
        };
        SEQUENCES | number | if is_removal { 0x200 } else { 0 }
    }

    /// What a request was about, and whether it was to be removed.
    const fn of(sequence: u32) -> Option<(Self, bool)> {
        if sequence & SEQUENCES != SEQUENCES {
            return None;
        }
        let position = sequence as u8;
        let it = if sequence & 0x100 == 0 { Self::Route(position) } else { Self::Rule(position) };
        Some((it, sequence & 0x200 != 0))
    }
}

const SEQUENCES: u32 = 0xffff_0000;

/// What is known of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Routes {
    settle_at: Option<Instant>,
    settled_at: Option<Instant>,
    /// One was refused since then.
    is_refused: bool,
    /// Of which it was said that they are refused: routes, then rules.
    said: [[bool; limits::INSTANCE_ROUTES_MAX]; 2],
}

impl Routes {
    pub(super) const fn new() -> Self {
        let said = [[false; limits::INSTANCE_ROUTES_MAX]; 2];
        Self { settle_at: None, settled_at: None, is_refused: false, said }
    }
}

impl Router {
    /// Whether the virtual router that this one moves with holds its addresses.
    #[must_use]
    pub fn holds(&self, it: RouteOrRule) -> bool {
        let home = self.home(it).and_then(|slot| self.virtual_router(slot));
        home.is_some_and(VirtualRouter::has_claimed)
    }

    /// The virtual router that this one moves with: that of its family, or the instance's other one.
    #[must_use]
    pub fn home(&self, it: RouteOrRule) -> Option<Slot> {
        let (index, family) = match it {
            RouteOrRule::Route(position) => {
                let VirtualRoute { instance, route, .. } =
                    self.config.virtual_routes.get(usize::from(position))?;
                (*instance, Family::of(route.destination.address))
            }
            RouteOrRule::Rule(position) => {
                let VirtualRule { instance, rule, .. } =
                    self.config.virtual_rules.get(usize::from(position))?;
                (*instance, if rule.is_v6 { Family::V6 } else { Family::V4 })
            }
        };
        let mut any = None;
        for slot in self.slots() {
            let Some(member) = self.member(slot).filter(|member| member.instance == index) else { continue };
            if member.family == family {
                return Some(slot);
            }
            any = Some(slot);
        }
        any
    }

    /// One of them may be missing, or be where it does not belong.
    pub(super) fn settle_routes_soon(&mut self, now: Instant) {
        if limits::INSTANCE_ROUTES_MAX == 0 || !self.has_routes() {
            return;
        }
        let Routes { settle_at, settled_at, .. } = &mut self.routes;
        settle_at.get_or_insert(settled_at.map_or(now, |at| now.max(at + PAUSE)));
    }

    /// When [`Self::settle_routes`] has something to do.
    pub(super) const fn instance_routes_poll_at(&self) -> Option<Instant> {
        if limits::INSTANCE_ROUTES_MAX == 0 { None } else { self.routes.settle_at }
    }

    pub(super) fn settle_routes(&mut self, turn: &mut Turn<'_>) {
        if self.instance_routes_poll_at().is_none_or(|at| at > turn.now) {
            return;
        }
        self.routes.settle_at = None;
        self.routes.settled_at = Some(turn.now);
        if !core::mem::take(&mut self.routes.is_refused) {
            self.routes.said = Routes::new().said;
        }
        turn.push(Effect::Routes(Routing::Settle));
    }

    /// The daemon has just started.
    pub(super) fn forget_routes(&self, turn: &mut Turn<'_>) {
        if limits::INSTANCE_ROUTES_MAX != 0 && self.has_routes() {
            turn.push(Effect::Routes(Routing::Forget));
        }
    }

    /// The kernel has refused a request with this number; `false`: it was not about a route or a rule.
    pub(super) fn route_refused(&mut self, now: Instant, sequence: u32, errno: i32) -> bool {
        if limits::INSTANCE_ROUTES_MAX == 0 {
            return false;
        }
        let Some((it, is_removal)) = RouteOrRule::of(sequence) else { return false };
        let is_harmless = if is_removal { matches!(errno, ENOENT | ESRCH | ENODEV) } else { errno == EEXIST };
        if is_harmless {
            return true;
        }
        self.routes.is_refused = true;
        self.settle_routes_soon(now);
        let [routes, rules] = &mut self.routes.said;
        let said = match it {
            RouteOrRule::Route(position) => routes.get_mut(usize::from(position)),
            RouteOrRule::Rule(position) => rules.get_mut(usize::from(position)),
        };
        if said.is_some_and(|said| !core::mem::replace(said, true)) {
            self.say_refused(it, if is_removal { "cannot be removed" } else { "is refused" }, errno);
        }
        true
    }

    fn say_refused(&self, it: RouteOrRule, what: &str, errno: i32) {
        match it {
            RouteOrRule::Route(position) => {
                let Some(route) = self.config.virtual_routes.get(usize::from(position)) else { return };
                let to = route.route.destination;
                let (address, len) = (ip::text(to.address), to.prefix_len);
                warn!("the route to {address}/{len} {what}: errno {errno}; trying again each second");
            }
            RouteOrRule::Rule(position) => {
                let Some(rule) = self.config.virtual_rules.get(usize::from(position)) else { return };
                let (priority, table) = (rule.rule.priority, rule.rule.table);
                warn!(
                    "the rule of priority {priority} for table {table} {what}: errno {errno}; trying again each \
                     second"
                );
            }
        }
    }

    /// A master that stays gives up those that the new configuration does not have, or has otherwise.
    pub(super) fn withdraw_old_routes(
        &self,
        turn: &mut Turn<'_>,
        new: &Config,
        same: &dyn Fn(&Instance) -> Option<u16>,
    ) {
        if limits::INSTANCE_ROUTES_MAX == 0 {
            return;
        }
        for it in RouteOrRule::all(&self.config) {
            if self.holds(it) && !self.stays(it, new, same) {
                turn.push(Effect::Routes(Routing::Withdraw(it)));
            }
        }
    }

    /// Whether the new configuration has this one, with the same instance.
    fn stays(&self, it: RouteOrRule, new: &Config, same: &dyn Fn(&Instance) -> Option<u16>) -> bool {
        let old = &self.config;
        let instance = |index: u16| old.instances.get(usize::from(index)).and_then(same);
        let name = |config: &'_ Config, device: Option<InterfaceId>| {
            // As long as any name of a device.
            let mut name = heapless::String::<{ limits::INTERFACE_NAME_BYTES_MAX }>::new();
            let _ = device.map(|device| name.push_str(config.interface_name(device)));
            name
        };
        match it {
            RouteOrRule::Route(position) => {
                let Some(ours) = old.virtual_routes.get(usize::from(position)) else { return false };
                new.virtual_routes.iter().any(|other| {
                    other.route == ours.route
                        && Some(other.instance) == instance(ours.instance)
                        && name(old, ours.interface) == name(new, other.interface)
                })
            }
            RouteOrRule::Rule(position) => {
                let Some(ours) = old.virtual_rules.get(usize::from(position)) else { return false };
                new.virtual_rules.iter().any(|other| {
                    other.rule == ours.rule
                        && Some(other.instance) == instance(ours.instance)
                        && name(old, ours.interface) == name(new, other.interface)
                })
            }
        }
    }

    fn has_routes(&self) -> bool {
        !self.config.virtual_routes.is_empty() || !self.config.virtual_rules.is_empty()
    }
}
