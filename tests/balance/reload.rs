//! From one configuration to the next.

use crate::request::Request;
use crate::site::{Server, Service, Site};
use crate::world::{Health, World};

fn site() -> Site {
    Site::of([Service::web(3), Service::at(443, 3), Service::at(8443, 2)])
}

#[test]
fn a_reload_of_the_same_changes_nothing() {
    let mut world = World::new(site());
    world.run_for(10);
    world.set_health("10.1.0.2", 443, Health::Ill);
    world.run_for(10);
    world.kernel.changes.clear();
    world.reload(site());
    world.run_for(30);
    world.check();
    assert_eq!(world.kernel.changes, []);
}

#[test]
fn a_reload_changes_only_what_has_changed() {
    let mut world = World::new(site());
    world.run_for(10);
    world.kernel.changes.clear();
    let mut new = site();
    new.services[0].scheduler = "rr".into();
    new.services[1].servers[0].weight = 9;
    new.services[1].servers.remove(2);
    new.services[2].servers.push(Server::new("10.1.0.7", 8443));
    world.reload(new);
    world.check();
    assert_eq!(world.kernel.changes.len(), 4, "{:#?}", world.kernel.changes);
}

#[test]
fn services_that_went_are_taken_out_and_no_others() {
    let mut world = World::new(site());
    world.run_for(10);
    world.kernel.changes.clear();
    let mut new = site();
    let gone = new.services.remove(1);
    world.reload(new);
    world.check();
    assert_eq!(world.kernel.changes, [Request::DeleteService(gone.key())]);
    world.reload(site());
    world.check();
    let mut none = site();
    none.services.clear();
    world.reload(none);
    assert!(world.kernel.table.0.is_empty());
    world.run_for(20);
    assert!(world.kernel.table.0.is_empty());
}

/// `keep` is for the end of the daemon.
#[test]
fn a_service_that_went_goes_even_if_it_was_to_be_kept() {
    let mut old = site();
    old.services[1].options.push("keep 1".into());
    let mut world = World::new(old);
    world.run_for(10);
    let mut new = site();
    new.services.remove(1);
    world.reload(new);
    world.check();
}

/// Whether it is there nobody has asked yet; it was ours all the same.
#[test]
fn a_service_that_went_before_the_first_look_is_taken_out() {
    let mut world = World::idle(site());
    world.kernel.table = world.expected();
    world.begin();
    let mut new = site();
    new.services.remove(1);
    world.reload(new);
    world.check();
}

/// A list that is being told is about the table of before.
#[test]
fn a_reload_in_the_middle_of_a_list_ends_well() {
    for read in 0..12 {
        let mut world = World::idle(site());
        world.kernel.table = world.expected();
        world.kernel.lines_per_datagram = 1;
        world.begin();
        for _ in 0..read {
            world.listen();
        }
        let mut new = site();
        new.services.remove(0);
        new.services[0].servers[0].weight = 5;
        world.reload(new);
        world.run_for(12);
        world.check();
    }
}

#[test]
fn how_servers_stand_survives_a_reload() {
    let mut world = World::new(site());
    world.run_for(10);
    world.set_health("10.1.0.2", 80, Health::Ill);
    world.run_for(10);
    world.check();
    let mut new = site();
    new.services.swap(0, 2);
    new.services[2].servers.reverse();
    world.kernel.changes.clear();
    world.reload(new);
    world.check();
    assert_eq!(world.kernel.changes, []);
}

#[test]
fn timeouts_are_set_at_start_and_reload() {
    let mut world = World::new(Site { timeouts: [100, 0, 30], ..site() });
    assert_eq!(world.kernel.timeouts, [100, 120, 30], "0: as before");
    world.reload(Site { timeouts: [0, 20, 0], ..site() });
    assert_eq!(world.kernel.timeouts, [100, 20, 30]);
    let is_it = |change: &&Request| matches!(change, Request::SetTimeouts(_));
    world.run_for(30);
    assert_eq!(world.kernel.changes.iter().filter(is_it).count(), 2, "once each");
}
