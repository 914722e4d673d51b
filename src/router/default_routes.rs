//! The default routes that are tracked: whether the kernel has one.
//!
//! A route that comes is believed at once. That one has gone is not: there may be another, and the kernel takes routes
//! away without a word when it loses a device. So whatever may have taken one away has us look at all of them, a moment
//! later and at most once a second. Without a tracked route nothing of this happens, and nothing is asked or heard.

use super::{Effect, Router, Turn};
use crate::config::{Config, DefaultRoute, Family, RouteId};
use crate::limits::TRACKED_ROUTES_MAX;
use crate::probe::Standing;
use crate::say::info;
use crate::time::{Instant, Span, earlier};
use crate::wire::rtnl;

/// How long until we look: the kernel tells of a device before it takes the routes away.
const MOMENT: Span = Span::from_millis(50);

/// From one look to the next, and after one during which routes were changing: a table can be long.
const PAUSE: Span = Span::from_secs(1);
const LONG_PAUSE: Span = Span::from_secs(10);

/// One entry for each of [`Config::routes`].
#[derive(Debug, Clone)]
pub(super) struct DefaultRoutes {
    all: [Entry; TRACKED_ROUTES_MAX],
    /// One, or none where there are no routes.
    times: [Times; if cfg!(feature = "track-route") { 1 } else { 0 }],
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    standing: Standing,
    /// Mentioned since the present look began.
    seen: bool,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    /// When to look.
    look_at: Option<Instant>,
    /// When the next look may begin.
    not_before: Option<Instant>,
    /// Until when the end of the list is waited for.
    until: Option<Instant>,
}

impl Entry {
    const NEW: Self = Self { standing: Standing::Unknown, seen: false };
}

impl DefaultRoutes {
    pub(super) const fn new() -> Self {
        Self {
            all: [Entry::NEW; TRACKED_ROUTES_MAX],
            times: [Times { look_at: None, not_before: None, until: None };
                if cfg!(feature = "track-route") { 1 } else { 0 }],
        }
    }

    pub(super) fn standing(&self, route: RouteId) -> Standing {
        self.all.get(usize::from(route.0)).map_or(Standing::Unknown, |entry| entry.standing)
    }

    /// A look is wanted from this moment on.
    fn want(&mut self, from: Instant) {
        if let Some(times) = self.times.first_mut() {
            let at = times.not_before.map_or(from, |earliest| earliest.max(from));
            times.look_at = earlier(times.look_at, Some(at));
        }
    }

    /// Puts the table into the order of another configuration: a route stays the same by its name.
    #[inline(never)] // A copy of the table lies in the stack.
    pub(super) fn rename(&mut self, old: &Config, new: &Config) {
        let before = self.all;
        self.all = [Entry::NEW; TRACKED_ROUTES_MAX];
        for (entry, route) in self.all.iter_mut().zip(&new.default_routes) {
            let name = new.text(route.name);
            let known = old.default_routes.iter().position(|other| old.text(other.name) == name);
            *entry = known.and_then(|position| before.get(position)).copied().unwrap_or(Entry::NEW);
        }
    }
}

impl Router {
    fn tracks_routes(&self) -> bool {
        cfg!(feature = "track-route") && !self.config.default_routes.is_empty()
    }

    /// When to look, unless something else is being listed, or when to give up a look.
    pub(super) fn default_routes_poll_at(&self) -> Option<Instant> {
        let times = self.default_routes.times.first().filter(|_| !self.stopping)?;
        if self.sync.lists_routes() { times.until } else { times.look_at.filter(|_| self.sync.is_idle()) }
    }

    /// Something has happened that may have taken a route away.
    pub(super) fn doubt_routes(&mut self, now: Instant) {
        if self.tracks_routes() && !self.sync.is_running() {
            self.default_routes.want(now + MOMENT);
        }
    }

    /// All links are known by now: it is time to look.
    pub(super) fn want_routes(&mut self, now: Instant) {
        if self.tracks_routes() {
            self.default_routes.want(now);
        }
    }

    /// Asks the kernel for all routes if it is time.
    pub(super) fn look_at_routes(&mut self, turn: &mut Turn<'_>) {
        if self.default_routes_poll_at().is_none_or(|at| at > turn.now) {
            return;
        }
        self.sync.give_up_routes();
        if let Some(times) = self.default_routes.times.first_mut() {
            let (not_before, until) = (Some(turn.now + PAUSE), Some(turn.now + LONG_PAUSE));
            *times = Times { look_at: None, not_before, until };
        }
        // One that a reload has taken out is not looked for any more.
        if self.tracks_routes() {
            self.default_routes.all.iter_mut().for_each(|entry| entry.seen = false);
            let sequence = self.sync.begin_routes();
            turn.push(Effect::DumpRoutes(sequence));
        }
    }

    /// A default route is there, or has gone.
    pub(super) fn route(&mut self, turn: &mut Turn<'_>, news: &rtnl::DefaultRoute<'_>) {
        if !cfg!(feature = "track-route") {
            return;
        }
        if !news.is_there || news.replaces {
            self.doubt_routes(turn.now);
        }
        let mut turned = false;
        let Self { config, links, default_routes, .. } = self;
        for (entry, route) in default_routes.all.iter_mut().zip(&config.default_routes) {
            let family = if news.is_v6 { Family::V6 } else { Family::V4 };
            let is_meant = news.is_there
                && route.family.is_none_or(|wanted| wanted == family)
                && match route.interface {
                    None => news.leads_over(None),
                    // A device that is not there leads nowhere.
                    Some(device) => links.index(device).is_some_and(|device| news.leads_over(Some(device))),
                };
            if is_meant {
                entry.seen = true;
                turned |= turn_to(entry, Standing::Up, config, route);
            }
        }
        if turned {
            self.settle(turn);
        }
    }

    /// All routes have been listed: what was not mentioned is not there.
    pub(super) fn routes_done(&mut self, turn: &mut Turn<'_>, torn: bool) {
        let mut turned = false;
        let Self { config, default_routes, .. } = self;
        for (entry, route) in default_routes.all.iter_mut().zip(&config.default_routes) {
            let is = if entry.seen { Standing::Up } else { Standing::Down };
            turned |= turn_to(entry, is, config, route);
        }
        if torn {
            self.default_routes.want(turn.now + LONG_PAUSE);
        }
        if turned {
            self.settle(turn);
        }
    }
}

/// `true`: it stood otherwise before.
fn turn_to(entry: &mut Entry, standing: Standing, config: &Config, route: &DefaultRoute) -> bool {
    let turned = entry.standing != standing;
    if turned {
        entry.standing = standing;
        info!("route {} is {}", config.text(route.name), standing.name());
    }
    turned
}
