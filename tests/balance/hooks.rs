//! What scripts are told.

use std::time::Duration;

use crate::site::{Service, Site};
use crate::world::{Health, World};

fn web() -> Service {
    let mut web = Service { quorum: 2, ..Service::web(2) }
        .with("quorum_up /etc/up")
        .with("quorum_down /etc/down")
        .with("notify /etc/service");
    web.servers[0].options.push("notify /etc/server".into());
    web
}

const SERVER: &str = "web_10_1_0_1_80";

fn flip(world: &mut World, health: Health) {
    world.set_health("10.1.0.1", 80, health);
    world.run_for(9);
}

#[test]
fn each_script_is_told_what_concerns_it() {
    let mut world = World::new(Site::of([web()]));
    world.run_for(6);
    assert_eq!(world.told("web"), ["/etc/service UP", "/etc/up UP"]);
    assert_eq!(world.told(SERVER), ["/etc/server UP"]);
    let kinds: Vec<_> = world.runs.iter().map(|run| (run.kind, run.name.as_str())).collect();
    assert!(kinds.contains(&("VIRTUAL_SERVER", "web")) && kinds.contains(&("REAL_SERVER", SERVER)));
    world.runs.clear();
    flip(&mut world, Health::Ill);
    assert_eq!(world.told("web"), ["/etc/service DOWN", "/etc/down DOWN"]);
    assert_eq!(world.told(SERVER), ["/etc/server DOWN"]);
    world.runs.clear();
    flip(&mut world, Health::Well);
    assert_eq!(world.told("web"), ["/etc/service UP", "/etc/up UP"]);
    assert_eq!(world.told(SERVER), ["/etc/server UP"]);
    world.runs.clear();
    world.run_for(60);
    assert!(world.runs.is_empty(), "nothing new");
}

#[test]
fn with_alpha_nothing_is_up_before_it_has_answered() {
    let world = World::new(Site::of([web().with("alpha 1")]));
    assert_eq!(world.told("web"), ["/etc/service DOWN", "/etc/down DOWN"]);
    assert_eq!(world.told(SERVER), ["/etc/server DOWN"]);
}

#[test]
fn with_alpha_all_are_told_when_it_has() {
    let mut world = World::new(Site::of([web().with("alpha 1")]));
    world.run_for(10);
    let mut told = world.told("web");
    told.sort_unstable();
    assert_eq!(told, ["/etc/down DOWN", "/etc/service DOWN", "/etc/service UP", "/etc/up UP"]);
}

#[test]
fn omega_tells_at_the_end_and_nothing_else_does() {
    for is_omega in [false, true] {
        let web = if is_omega { web().with("omega 1") } else { web() };
        let mut world = World::new(Site::of([web]));
        world.run_for(6);
        world.runs.clear();
        world.stop();
        let (service, server) = (world.told("web"), world.told(SERVER));
        if is_omega {
            assert_eq!(service, ["/etc/service DOWN", "/etc/down DOWN"]);
            assert_eq!(server, ["/etc/server DOWN"]);
        } else {
            assert!(service.is_empty() && server.is_empty());
        }
    }
}

/// The script for UP takes its time; that is no reason to run it for DOWN.
#[test]
fn a_script_for_up_that_still_runs_is_not_told_of_down() {
    let mut world = World::idle(Site::of([web()]));
    world.hook_takes = Duration::from_secs(40);
    world.start();
    world.run_for(6);
    flip(&mut world, Health::Ill);
    world.run_for(120);
    assert_eq!(world.told("web"), ["/etc/service UP", "/etc/up UP", "/etc/down DOWN", "/etc/service DOWN"]);
}

/// Only the newest is told, one after another.
#[test]
fn while_a_script_runs_the_news_waits() {
    let mut world = World::idle(Site::of([web()]));
    world.hook_takes = Duration::from_secs(40);
    world.start();
    world.run_for(6);
    for health in [Health::Ill, Health::Well, Health::Ill, Health::Well] {
        flip(&mut world, health);
    }
    world.run_for(120);
    assert_eq!(world.told(SERVER), ["/etc/server UP", "/etc/server UP"]);
    assert_eq!(world.told("web").iter().filter(|told| told.starts_with("/etc/down")).count(), 1);
}

/// A server of two services has two standings, and a reload mixes them up no more than anything else does.
#[test]
fn a_reload_tells_nothing_that_was_told() {
    let mut all =
        [Service::web(2), Service { name: "other".into(), port: 8080, retries: 9, ..Service::web(2) }];
    for service in &mut all {
        let server = &mut service.servers[0];
        server.options = vec!["notify_up /etc/server_up".into(), "notify_down /etc/server_down".into()];
    }
    let mut world = World::new(Site::of(all));
    world.run_for(6);
    world.set_health("10.1.0.1", 80, Health::Ill);
    world.run_for(8);
    assert_eq!(world.told(SERVER), ["/etc/server_up UP", "/etc/server_up UP", "/etc/server_down DOWN"]);
    world.runs.clear();
    let site = world.site.clone();
    world.reload(site);
    world.run_for_ms(500);
    assert_eq!(world.runs, []);
    world.check_care();
}

/// Without a kernel that balances, who lives is still worth knowing.
#[test]
fn scripts_are_told_even_where_the_kernel_has_no_ipvs() {
    let mut world = World::idle(Site::of([web()]));
    world.kernel.unload();
    world.start();
    flip(&mut world, Health::Ill);
    assert_eq!(world.told(SERVER), ["/etc/server UP", "/etc/server DOWN"]);
    assert!(world.told("web").contains(&"/etc/down DOWN".into()));
}
