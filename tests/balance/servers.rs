//! Servers that die, and come back.

use crate::request::Request;
use crate::site::{Service, Site};
use crate::world::{Health, World};

#[test]
fn a_server_that_dies_leaves_after_its_retries_and_returns() {
    for illness in [Health::Ill, Health::Mute] {
        let mut web = Service::web(3);
        web.retries = 2;
        let mut world = World::new(Site::of([web]));
        let key = world.site.services[0].key();
        world.run_for(12);
        world.tried.clear();
        world.kernel.changes.clear();
        world.set_health("10.1.0.2", 80, illness);
        let mut tries = 0;
        while world.kernel.table.weights(&key).len() == 3 {
            world.run_for_ms(100);
            tries = world.tried.iter().filter(|(address, _)| address.to_string() == "10.1.0.2").count();
            assert!(tries < 4, "{illness:?}");
        }
        assert_eq!(tries, 3, "{illness:?}: a failure, and two retries");
        world.check();
        world.run_for(30);
        assert_eq!(world.kernel.changes.len(), 1, "nothing but this one");
        world.set_health("10.1.0.2", 80, Health::Well);
        world.run_for(8);
        world.check();
        assert_eq!(world.kernel.changes.len(), 2);
    }
}

#[test]
fn one_failure_is_none() {
    let mut world = World::new(Site::of([Service::web(2)]));
    world.run_for(11);
    world.kernel.changes.clear();
    world.set_health("10.1.0.1", 80, Health::Ill);
    while world.tried.iter().rev().take(2).all(|(address, _)| address.to_string() != "10.1.0.1") {
        world.run_for_ms(10);
    }
    world.set_health("10.1.0.1", 80, Health::Well);
    world.run_for(30);
    world.check();
    assert_eq!(world.kernel.changes, []);
}

#[test]
fn inhibit_on_failure_gives_weight_0_and_loses_no_connection() {
    let mut web = Service::web(3);
    web.servers[1].weight = 5;
    web.servers[1].options.push("inhibit_on_failure 1".into());
    let mut world = World::new(Site::of([web]));
    let key = world.site.services[0].key();
    world.run_for(10);
    world.kernel.changes.clear();
    world.set_health("10.1.0.2", 80, Health::Ill);
    world.set_health("10.1.0.3", 80, Health::Ill);
    world.run_for(10);
    world.check();
    assert_eq!(world.kernel.table.weights(&key), [(1, 1), (2, 0)]);
    world.set_health("10.1.0.2", 80, Health::Well);
    world.run_for(10);
    world.check();
    assert_eq!(world.kernel.table.weights(&key), [(1, 1), (2, 5)]);
    let is_of_2 = |change: &&Request| match change {
        Request::PutDestination { is_new, place, .. } => !is_new && place.address[3] == 2,
        _ => false,
    };
    assert_eq!(world.kernel.changes.iter().filter(is_of_2).count(), 2);
    assert_eq!(world.kernel.changes.len(), 3);
}

#[test]
fn alpha_lets_nobody_in_who_has_not_answered() {
    let mut world = World::new(Site::of([Service::web(3).with("alpha 1")]));
    let key = world.site.services[0].key();
    assert!(world.kernel.table.0.contains_key(&key));
    assert_eq!(world.kernel.table.weights(&key), []);
    world.set_health("10.1.0.2", 80, Health::Ill);
    world.run_for(10);
    world.check();
    assert_eq!(world.kernel.table.weights(&key), [(1, 1), (3, 1)]);
}

/// What the kernel has from before is no answer either.
#[test]
fn alpha_takes_out_who_was_in_before_until_he_answers() {
    let mut world = World::idle(Site::of([Service::web(2).with("alpha 1")]));
    let key = world.site.services[0].key();
    world.kernel.table = world.expected();
    world.start();
    assert_eq!(world.kernel.table.weights(&key), []);
    world.run_for(10);
    world.check();
}

#[test]
fn a_server_of_two_services_is_tried_for_each() {
    let mut world = World::new(Site::of([Service::web(2), Service::at(443, 2)]));
    world.run_for(10);
    world.set_health("10.1.0.1", 443, Health::Ill);
    world.run_for(10);
    world.check();
    assert_eq!(world.kernel.table.destinations(), 3);
}
