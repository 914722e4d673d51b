//! As many as there is room for.

use vipd::limits::{
    CONFIG_BYTES_MAX, EFFECTS_MAX, OPTIONS_MAX, REAL_SERVERS_MAX, SECTIONS_MAX, TEXT_BYTES_MAX,
    VIRTUAL_SERVERS_MAX,
};

use crate::site::{Service, Site};
use crate::world::{Health, World};

/// A hundred services with ten servers each, or what this build has room for.
fn crowd() -> Site {
    let services = VIRTUAL_SERVERS_MAX.min(100);
    let mut each = (REAL_SERVERS_MAX / services).min(10);
    loop {
        let mut site = Site::of((0..services).map(|place| Service::at(1000 + place as u16, each as u8)));
        site.services.iter_mut().for_each(|service| service.sorry = Some(("10.9.9.9".into(), 80)));
        let text = site.text();
        let lines = |word: &str| text.lines().filter(|line| line.trim_start().starts_with(word)).count();
        let names: usize = site
            .services
            .iter()
            .map(|service| service.name.len() + each * service.server_name(0).len())
            .sum();
        if text.len() <= CONFIG_BYTES_MAX
            && lines("config") <= SECTIONS_MAX
            && lines("option") + lines("list") <= OPTIONS_MAX
            && names + 64 <= TEXT_BYTES_MAX
        {
            println!("{services} services with {each} servers each");
            return site;
        }
        each -= 1;
    }
}

#[test]
fn everything_arrives_however_much_it_is_and_no_event_has_too_many_effects() {
    let mut world = World::idle(crowd());
    world.kernel.lines_per_datagram = 20;
    world.start();
    world.run_for(1);
    world.check();
    world.run_for(30);
    let everybody = |world: &mut World, health| {
        let servers: Vec<_> =
            world.site.services.iter().flat_map(|service| service.servers.clone()).collect();
        servers.iter().for_each(|server| world.set_health(&server.address, server.port, health));
        world.run_for(15);
    };
    everybody(&mut world, Health::Mute);
    world.check();
    let services = world.site.services.len();
    assert_eq!(world.kernel.table.destinations(), services, "everybody says sorry");
    everybody(&mut world, Health::Well);
    world.check();
    world.kernel.clear();
    world.run_for(11);
    world.check();
    let site = world.site.clone();
    world.kernel.changes.clear();
    world.reload(site);
    world.run_for(6);
    world.check();
    assert_eq!(world.kernel.changes, []);
    world.reload(Site::default());
    assert!(world.kernel.table.0.is_empty());
    println!("{} effects of {EFFECTS_MAX}", world.effects_most);
}

#[test]
fn a_crowd_is_taken_out_at_once() {
    let mut world = World::new(crowd());
    world.run_for(3);
    world.check();
    world.stop();
    assert!(world.kernel.table.0.is_empty());
}
