//! Enough servers, or too few of them: the quorum, its hysteresis, and who says sorry.

use crate::request::Request;
use crate::site::{Service, Site};
use crate::table::Key;
use crate::world::{Health, World};

fn set(world: &mut World, lasts: &[u8], health: Health) {
    for last in lasts {
        world.set_health(&format!("10.1.0.{last}"), 80, health);
    }
    world.run_for(12);
    world.check_care();
}

fn lasts(world: &World, key: &Key) -> Vec<u8> {
    world.kernel.table.weights(key).iter().map(|(last, _)| *last).collect()
}

#[test]
fn a_quorum_is_lost_below_its_band_and_regained_above_it() {
    let mut web = Service { quorum: 3, hysteresis: 1, ..Service::web(5) }.sorry("10.1.0.99");
    web.options.push("alpha 1".into());
    let mut world = World::new(Site::of([web]));
    let key = world.site.services[0].key();
    assert_eq!(lasts(&world, &key), [99], "nobody has answered");
    set(&mut world, &[5], Health::Well);
    assert_eq!(lasts(&world, &key), [1, 2, 3, 4, 5]);
    for (ill, serve) in [
        (vec![1, 2, 3], vec![4, 5]),
        (vec![1, 2, 3, 4], vec![99]),
        (vec![1, 2, 3], vec![99]),
        (vec![1, 2], vec![99]),
        (vec![1], vec![2, 3, 4, 5]),
        (vec![1, 2], vec![3, 4, 5]),
    ] {
        for last in 1..=5 {
            let health = if ill.contains(&last) { Health::Ill } else { Health::Well };
            world.set_health(&format!("10.1.0.{last}"), 80, health);
        }
        world.run_for(15);
        world.check_care();
        assert_eq!(lasts(&world, &key), serve, "{ill:?}");
    }
}

#[test]
fn weights_are_what_a_quorum_counts() {
    let mut web = Service { quorum: 10, ..Service::web(3) }.sorry("10.1.0.99");
    web.servers[0].weight = 10;
    web.servers[1].weight = 9;
    let mut world = World::new(Site::of([web]));
    let key = world.site.services[0].key();
    set(&mut world, &[2, 3], Health::Ill);
    assert_eq!(lasts(&world, &key), [1]);
    set(&mut world, &[1], Health::Ill);
    set(&mut world, &[2], Health::Well);
    assert_eq!(lasts(&world, &key), [99], "9 of 10");
    set(&mut world, &[3], Health::Well);
    assert_eq!(lasts(&world, &key), [2, 3]);
    world.check();
}

/// Which servers the requests are about, in their order; those that take one out, or give it weight 0, are negative.
fn order(changes: &[Request]) -> Vec<i32> {
    let one = |change: &Request| match change {
        Request::PutDestination { place, destination, .. } if destination.weight > 0 => {
            i32::from(place.address[3])
        }
        Request::PutDestination { place, .. } | Request::DeleteDestination { place, .. } => {
            -i32::from(place.address[3])
        }
        other => panic!("{other:?}"),
    };
    changes.iter().map(one).collect()
}

#[test]
fn who_says_sorry_comes_before_the_others_go_and_goes_after_they_have_come() {
    for inhibits in [false, true] {
        let mut web = Service { quorum: 2, ..Service::web(2) }.sorry("10.1.0.99");
        if inhibits {
            web = web.with("inhibit_on_failure 1");
        }
        let mut world = World::new(Site::of([web]));
        world.run_for(6);
        world.kernel.changes.clear();
        set(&mut world, &[2], Health::Ill);
        assert_eq!(order(&world.kernel.changes), [99, -1, -2], "{inhibits}");
        world.check();
        world.kernel.changes.clear();
        set(&mut world, &[2], Health::Well);
        assert_eq!(order(&world.kernel.changes), [1, 2, -99], "{inhibits}");
        world.check();
    }
}

#[test]
fn without_anybody_who_says_sorry_those_who_live_go_on() {
    let mut world = World::new(Site::of([Service { quorum: 3, ..Service::web(3) }]));
    let key = world.site.services[0].key();
    set(&mut world, &[1, 2], Health::Ill);
    assert_eq!(lasts(&world, &key), [3]);
    set(&mut world, &[3], Health::Ill);
    assert_eq!(lasts(&world, &key), []);
    world.check();
}

#[test]
fn a_quorum_within_its_band_survives_a_reload() {
    let web = Service { quorum: 2, hysteresis: 1, ..Service::web(3) }.sorry("10.1.0.99");
    let mut world = World::new(Site::of([web, Service::at(443, 1)]));
    let key = world.site.services[0].key();
    set(&mut world, &[1, 2, 3], Health::Ill);
    set(&mut world, &[1, 2], Health::Well);
    assert_eq!(lasts(&world, &key), [99]);
    let mut site = world.site.clone();
    site.services.swap(0, 1);
    world.reload(site);
    world.run_for(12);
    assert_eq!(lasts(&world, &key), [99], "it was lost before the reload");
    world.check_care();
}

/// Whoever has said sorry before a restart stays until the servers have answered.
#[test]
fn who_says_sorry_is_adopted() {
    let mut world = World::new(Site::of([Service::web(2).sorry("10.1.0.99").with("alpha 1")]));
    set(&mut world, &[1, 2], Health::Ill);
    world.check();
    world.kernel.changes.clear();
    world.start();
    world.run_for(20);
    world.check();
    assert_eq!(world.kernel.changes, []);
}

/// `sorry_server_ip` may be that of a server, which then stays alone.
#[test]
fn one_of_the_servers_may_say_sorry() {
    let mut web = Service { quorum: 6, ..Service::web(3) }.sorry("10.1.0.1");
    web.servers[0].weight = 4;
    let mut world = World::new(Site::of([web]));
    let key = world.site.services[0].key();
    set(&mut world, &[2], Health::Ill);
    assert_eq!(world.kernel.table.weights(&key), [(1, 1)]);
    world.check();
    world.kernel.changes.clear();
    world.run_for(30);
    assert_eq!(world.kernel.changes, []);
    set(&mut world, &[1], Health::Ill);
    assert_eq!(world.kernel.table.weights(&key), [(1, 1)], "whether it lives or not");
    set(&mut world, &[1, 2], Health::Well);
    assert_eq!(world.kernel.table.weights(&key), [(1, 4), (2, 1), (3, 1)]);
    world.check();
}
