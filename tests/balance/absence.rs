//! A kernel without IPVS, for a while or for good.

use crate::journal;
use crate::site::{Service, Site};
use crate::world::{Health, World};

fn site() -> Site {
    Site { timeouts: [100, 20, 30], ..Site::of([Service::web(3), Service::at(443, 2)]) }
}

#[test]
fn a_module_that_is_loaded_later_is_found() {
    let mut world = World::idle(site());
    world.kernel.unload();
    world.start();
    world.run_for(35);
    assert!(world.router.lacks_ipvs());
    assert_eq!(journal::count("kmod-nf-ipvs"), 1, "said once: {}", journal::whole());
    world.set_health("10.1.0.2", 80, Health::Ill);
    world.kernel.load();
    world.run_for(11);
    world.check();
    assert!(!world.router.lacks_ipvs());
    assert_eq!(journal::count("the kernel has it now"), 1);
    assert_eq!(world.kernel.timeouts, [100, 20, 30], "what was to be set at start is set now");
}

#[test]
fn a_module_that_is_taken_out_and_put_in_again_is_filled_again() {
    let mut world = World::new(site());
    world.run_for(12);
    world.kernel.unload();
    world.run_for(30);
    world.kernel.load();
    world.run_for(16);
    world.check();
    assert_eq!(world.kernel.timeouts, [100, 20, 30]);
}

#[test]
fn a_kernel_without_it_is_asked_now_and_then_and_no_more() {
    let mut world = World::idle(site());
    world.kernel.unload();
    world.start();
    world.run_for(5);
    let mut asked = 0;
    for _ in 0..1000 {
        world.now = world.now.max(world.next_at().unwrap());
        world.step();
        asked += world.kernel.failures.len();
        world.settle();
    }
    assert!(asked > 0 && asked < 200, "{asked}");
}

#[test]
fn a_daemon_ends_without_it() {
    let mut world = World::idle(site());
    world.kernel.unload();
    world.start();
    world.run_for(12);
    world.stop();
    world.kernel.load();
    world.start();
    world.run_for(3);
    world.check();
}

/// Nothing is balanced, and the kernel's timeouts and its exchange of connections are wanted all the same.
#[test]
fn timeouts_and_the_exchange_need_no_virtual_server() {
    let mut world = World::idle(Site {
        priority: Some(100),
        sync_daemon: true,
        timeouts: [100, 20, 30],
        ..Site::default()
    });
    world.kernel.unload();
    world.start();
    world.run_for(15);
    world.kernel.load();
    world.run_for(16);
    assert_eq!(world.kernel.timeouts, [100, 20, 30]);
    assert_eq!(world.kernel.daemons, [Some(("eth1".into(), 7)), None]);
}
