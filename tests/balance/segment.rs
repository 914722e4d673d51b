//! With VRRP: who tries servers, and which way connections are told.

use crate::kernel::ENOMEM;
use crate::request::Request;
use crate::site::{Service, Site};
use crate::world::{Health, World};

fn site() -> Site {
    Site { priority: Some(100), sync_daemon: true, ..Site::of([Service::web(2).with("ha_suspend 1")]) }
}

#[test]
fn servers_are_not_tried_while_another_router_is_master() {
    let mut world = World::idle(site());
    world.meet_rival(200);
    world.start();
    world.run_for(20);
    assert!(!world.is_master());
    assert_eq!(world.tried, []);
    world.rival = None;
    world.run_for(10);
    assert!(world.is_master() && world.tried.len() >= 2, "{:?}", world.tried);
    world.set_health("10.1.0.2", 80, Health::Ill);
    world.run_for(10);
    world.check();
    world.meet_rival(200);
    world.run_for(2);
    world.tried.clear();
    world.run_for(30);
    assert!(!world.is_master());
    assert_eq!(world.tried, []);
    world.check();
}

/// At once, and not when the kernel is looked at the next time.
#[test]
fn servers_are_tried_as_soon_as_the_address_is_ours() {
    let mut world = World::idle(site());
    world.meet_rival(200);
    world.start();
    world.run_for(20);
    world.rival = None;
    while !world.is_master() {
        world.run_for_ms(10);
    }
    world.run_for_ms(100);
    assert_eq!(world.tried.len(), 2);
}

#[test]
fn a_service_whose_address_is_no_virtual_one_is_always_tried() {
    let mut site = site();
    site.services[0].address = "10.0.0.200".into();
    let mut world = World::idle(site);
    world.meet_rival(200);
    world.start();
    world.run_for(20);
    assert!(world.tried.len() >= 6);
}

#[test]
fn servers_are_tried_again_when_ha_suspend_is_taken_out() {
    let mut world = World::idle(site());
    world.meet_rival(200);
    world.start();
    world.run_for(20);
    let mut new = site();
    new.services[0].options.clear();
    world.reload(new);
    world.run_for(10);
    assert!(!world.tried.is_empty());
}

fn daemons(world: &World) -> [bool; 2] {
    [0, 1].map(|place| world.kernel.daemons[place].is_some())
}

#[test]
fn connections_are_told_by_the_master_and_heard_by_the_others() {
    let mut world = World::new(site());
    assert_eq!(daemons(&world), [false, true]);
    world.run_for(10);
    assert_eq!(daemons(&world), [true, false]);
    assert_eq!(world.kernel.daemons[0], Some(("eth1".into(), 7)));
    world.kernel.changes.clear();
    world.meet_rival(200);
    world.run_for_ms(1500);
    assert_eq!(daemons(&world), [false, true]);
    let seen: Vec<_> = world.kernel.changes.iter().filter(|change| is_of_daemon(change)).take(2).collect();
    assert!(
        matches!(
            seen[..],
            [Request::StopDaemon { is_master: true }, Request::StartDaemon { is_master: false, .. }]
        ),
        "{seen:?}"
    );
    world.stop();
    assert_eq!(daemons(&world), [false, false]);
}

fn is_of_daemon(change: &Request) -> bool {
    matches!(change, Request::StopDaemon { .. } | Request::StartDaemon { .. })
}

#[test]
fn an_exchange_that_was_stopped_or_refused_begins_again() {
    let mut world = World::new(site());
    world.run_for(10);
    world.kernel.daemons = [None, None];
    world.run_for(11);
    assert_eq!(daemons(&world), [true, false]);
    world.kernel.devices.remove("eth1");
    world.kernel.daemons = [None, None];
    world.run_for(11);
    assert_eq!(daemons(&world), [false, false]);
    world.kernel.devices.insert("eth1".into());
    world.run_for(11);
    assert_eq!(daemons(&world), [true, false]);
    world.meet_rival(200);
    world.kernel.refuse(4, ENOMEM);
    world.run_for(11);
    assert_eq!(daemons(&world), [false, true]);
    world.check();
}

/// Whoever was killed may have left one on another device, with another number.
#[test]
fn an_exchange_that_is_not_ours_any_more_begins_anew_at_start() {
    let mut world = World::idle(site());
    world.kernel.devices.insert("eth9".into());
    world.kernel.daemons = [Some(("eth9".into(), 3)), Some(("eth9".into(), 3))];
    // Who stays what it is at first tells the kernel once alone.
    world.meet_rival(200);
    world.start();
    world.run_for(10);
    assert!(!world.is_master());
    assert_eq!(world.kernel.daemons, [None, Some(("eth1".into(), 7))]);
}

#[test]
fn an_exchange_that_the_configuration_does_not_have_any_more_ends() {
    let mut world = World::new(site());
    world.run_for(10);
    world.reload(Site { sync_daemon: false, ..site() });
    assert_eq!(daemons(&world), [false, false]);
    world.reload(site());
    world.run_for(2);
    assert_eq!(daemons(&world), [true, false]);
    world.kernel.changes.clear();
    world.reload(site());
    world.run_for(1);
    assert_eq!(daemons(&world), [true, false]);
    world.check();
}
