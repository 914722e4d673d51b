//! How a run begins and ends: what is there and right stays, what is ours goes.

use crate::kernel::Kernel;
use crate::request::Request;
use crate::site::{Service, Site, place};
use crate::table::{Destination, Table};
use crate::world::World;

fn two() -> Site {
    let https = Service { persistence_secs: 300, ..Service::at(443, 2) };
    Site::of([Service::web(4), https])
}

#[test]
fn a_start_makes_what_is_not_there() {
    let world = World::new(two());
    world.check();
    assert_eq!((world.kernel.table.0.len(), world.kernel.table.destinations()), (2, 6));
    assert_eq!(world.kernel.changes.len(), 8, "one request each");
}

#[test]
fn a_start_touches_nothing_that_is_right() {
    let mut world = World::idle(two());
    world.kernel.table = world.expected();
    world.start();
    world.run_for(30);
    world.check();
    assert_eq!(world.kernel.changes, []);
}

#[test]
fn a_server_that_is_this_host_is_right_as_the_kernel_calls_it() {
    let mut world = World::idle(two());
    world.kernel.table = world.expected();
    world.kernel.local.insert(place("10.1.0.2", 80).address);
    world.start();
    world.run_for(30);
    world.check();
    assert_eq!(world.kernel.changes, []);
}

#[test]
fn a_crash_and_a_new_start_lose_no_connection() {
    let mut world = World::new(two());
    world.run_for(20);
    world.kernel.changes.clear();
    world.start();
    world.run_for(20);
    world.check();
    assert_eq!(world.kernel.changes, []);
}

#[test]
fn a_start_mends_only_what_is_wrong() {
    let mut world = World::idle(two());
    world.kernel.table = world.expected();
    let web = world.site.services[0].key();
    world.kernel.edit(&web, |service| {
        service.traits.scheduler = "rr".into();
        service.destinations.get_mut(&place("10.1.0.2", 80)).unwrap().weight = 7;
        service.destinations.remove(&place("10.1.0.3", 80));
    });
    world.kernel.settle();
    world.start();
    world.check();
    assert_eq!(world.kernel.changes.len(), 3);
}

#[test]
fn a_stranger_in_one_of_our_services_goes() {
    let mut world = World::idle(two());
    world.kernel.table = world.expected();
    let web = world.site.services[0].key();
    for last in 50..60 {
        let destination = world.site.services[0].destination(0, 0);
        world.kernel.edit(&web, |service| {
            service.destinations.insert(place(&format!("10.1.0.{last}"), 80), destination);
        });
    }
    world.start();
    world.run_for(12);
    world.check();
    assert!(world.kernel.changes.iter().all(|change| matches!(change, Request::DeleteDestination { .. })));
}

/// A service of somebody else's.
fn foreign(kernel: &mut Kernel) -> Table {
    let service = Service::at(8080, 2);
    let its = Site::of([service.clone()]).table(&|_, _| true, &|_| None);
    kernel.make(service.key(), its.0[&service.key()].clone());
    its
}

#[test]
fn what_is_not_ours_is_left_alone_at_start_and_stop() {
    let mut world = World::idle(two());
    world.strangers = foreign(&mut world.kernel);
    world.start();
    world.run_for(20);
    world.check();
    world.stop();
    assert_eq!(world.kernel.table, world.strangers);
}

#[test]
fn a_stop_takes_out_what_is_ours_but_what_it_is_to_keep() {
    let mut site = two();
    site.services[1].options.push("keep 1".into());
    let kept = site.services[1].key();
    let mut world = World::new(site);
    world.run_for(3);
    world.stop();
    let left: Vec<_> = world.kernel.table.0.keys().copied().collect();
    assert_eq!(left, [kept]);
}

/// Whether it is there nobody has asked yet; it is ours all the same.
#[test]
fn a_stop_before_the_first_look_takes_out_what_is_ours() {
    let mut world = World::idle(two());
    world.kernel.table = world.expected();
    world.begin();
    world.stop();
    assert_eq!(world.kernel.table, Table::default());
}

/// Bounds, weights, the other ways of forwarding, marks, and the other family.
#[test]
fn everything_that_a_service_can_be_arrives() {
    let mut mark = Service { mark: 9, scheduler: "sh".into(), kind: "DR", ..Service::at(0, 2) };
    mark.name = "mark".into();
    mark.options.push("sh_port 1".into());
    let mut dns = Service { protocol: "udp", kind: "TUN", ..Service::at(53, 3) };
    dns.options.push("ops 1".into());
    dns.servers[0].weight = 300;
    (dns.servers[1].upper, dns.servers[1].lower) = (100, 80);
    let mut six = Service { name: "six".into(), address: "2001:db8::64".into(), ..Service::web(2) };
    for (place, server) in (1..).zip(&mut six.servers) {
        server.address = format!("2001:db8:1::{place}");
    }
    let mut sctp = Service { protocol: "sctp", ..Service::at(9899, 1) };
    sctp.servers[0].is_checked = false;
    for server in &mut mark.servers {
        server.is_checked = false;
    }
    let gue = Service { kind: "GUE", ..Service::at(8080, 1) };
    let gre = Service { kind: "GRE", ..Service::at(8081, 1) };
    let mut world = World::new(Site::of([mark, dns, six, sctp, gue, gre]));
    world.run_for(20);
    world.check();
    let its: Vec<&Destination> =
        world.kernel.table.0.values().flat_map(|service| service.destinations.values()).collect();
    assert_eq!(its.len(), 10);
    world.kernel.changes.clear();
    world.start();
    world.run_for(20);
    world.check();
    assert_eq!(world.kernel.changes, [], "and is recognised");
}
