//! Routes and rules as netlink requests.

use super::{Outlet, REQUEST_BYTES_MAX, Unsent};
use crate::config::{Config, InterfaceId};
use crate::limits;
use crate::router::{RouteOrRule, Router, Routing, Slot};
use crate::wire::route::{self, ANY_SCOPE, Route, Rule};

/// What is to be done with one.
#[derive(Clone, Copy, PartialEq)]
enum Task {
    Add,
    Remove,
    /// As it was before the configuration was changed.
    Forget,
}

/// Adds those of a virtual router: rules last, since they lead to the routes.
pub(super) fn add(router: &Router, slot: Slot, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    if limits::INSTANCE_ROUTES_MAX == 0 {
        return Ok(());
    }
    let mut result = Ok(());
    for it in RouteOrRule::all(router.config()) {
        if router.home(it) == Some(slot) {
            result = result.and(one(router, it, Task::Add, outlet));
        }
    }
    result
}

/// Removes those of a virtual router, in the opposite order.
pub(super) fn remove(router: &Router, slot: Slot, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    if limits::INSTANCE_ROUTES_MAX == 0 {
        return Ok(());
    }
    let mut result = Ok(());
    for it in RouteOrRule::all(router.config()).rev() {
        if router.home(it) == Some(slot) {
            result = result.and(one(router, it, Task::Remove, outlet));
        }
    }
    result
}

pub(super) fn perform(router: &Router, routing: Routing, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    if limits::INSTANCE_ROUTES_MAX == 0 {
        return Ok(());
    }
    if let Routing::Withdraw(it) = routing {
        return one(router, it, Task::Remove, outlet);
    }
    let mut result = Ok(());
    // What is removed makes way for what is added.
    for it in RouteOrRule::all(router.config()).rev() {
        if routing == Routing::Forget {
            result = result.and(one(router, it, Task::Forget, outlet));
        } else if !router.holds(it) {
            result = result.and(one(router, it, Task::Remove, outlet));
        }
    }
    for it in RouteOrRule::all(router.config()) {
        if routing == Routing::Settle && router.holds(it) {
            result = result.and(one(router, it, Task::Add, outlet));
        }
    }
    result
}

fn one(router: &Router, it: RouteOrRule, task: Task, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let config = router.config();
    let mut buffer = [0; REQUEST_BYTES_MAX];
    let sequence = it.sequence(task != Task::Add);
    let len = match it {
        RouteOrRule::Route(position) => {
            let known = config.virtual_routes.get(usize::from(position)).ok_or(Unsent)?;
            let interface = known.interface.and_then(|interface| router.interface(interface));
            let interface = interface.map(|(index, _)| index);
            let route = Route { interface, ..known.route };
            match task {
                // Without its device, which is not there, it would lead elsewhere.
                Task::Add if known.interface.is_some() && interface.is_none() => return Ok(()),
                Task::Add => route::add_route(&route, sequence, &mut buffer)?,
                Task::Remove => route::delete_route(&route, sequence, &mut buffer)?,
                Task::Forget => {
                    let any =
                        Route { gateway: None, source: None, interface: None, scope: ANY_SCOPE, ..route };
                    route::delete_route(&any, sequence, &mut buffer)?
                }
            }
        }
        RouteOrRule::Rule(position) => {
            let known = config.virtual_rules.get(usize::from(position)).ok_or(Unsent)?;
            let rule = Rule { interface: name(config, known.interface), ..known.rule };
            match task {
                Task::Add => route::add_rule(&rule, sequence, &mut buffer)?,
                Task::Remove | Task::Forget => route::delete_rule(&rule, sequence, &mut buffer)?,
            }
        }
    };
    outlet.netlink(buffer.get(..len).ok_or(Unsent)?)
}

fn name(config: &Config, interface: Option<InterfaceId>) -> &str {
    interface.map_or("", |interface| config.interface_name(interface))
}
