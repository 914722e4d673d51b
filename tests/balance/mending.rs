//! Others change the kernel's table, requests are refused, answers are lost: whatever goes wrong is mended.

use std::time::Duration;

use vipd::config::RealServerId;
use vipd::probe::Standing;

use crate::journal;
use crate::kernel::{ENOMEM, EPERM, Kernel};
use crate::request::Request;
use crate::site::{Service, Site, place};
use crate::world::{Health, World};

/// Two rounds.
const ROUNDS_SECS: u64 = 11;

fn site() -> Site {
    let https = Service { persistence_secs: 60, ..Service::at(443, 3) };
    Site::of([Service::web(3).sorry("10.1.0.99"), https])
}

#[test]
fn whatever_others_do_is_mended_within_two_rounds() {
    type Act = fn(&mut Kernel);
    let acts: [(&str, Act); 9] = [
        ("-C", Kernel::clear),
        ("-D", |kernel| kernel.remove(&Service::web(0).key())),
        ("-d", |kernel| {
            kernel.edit(&Service::web(0).key(), |service| _ = service.destinations.pop_first());
        }),
        ("-e -w", |kernel| {
            kernel.edit(&Service::web(0).key(), |service| {
                service.destinations.get_mut(&place("10.1.0.2", 80)).unwrap().weight = 0;
            });
        }),
        ("-e -w 65537", |kernel| {
            kernel.edit(&Service::web(0).key(), |service| {
                service.destinations.get_mut(&place("10.1.0.2", 80)).unwrap().weight = 65_537;
            });
        }),
        ("-e -g", |kernel| {
            kernel.edit(&Service::at(443, 0).key(), |service| {
                service.destinations.get_mut(&place("10.1.0.2", 443)).unwrap().forward = 3;
            });
        }),
        ("-a", |kernel| {
            let its = Service::web(0).destination(0, 0);
            kernel.edit(&Service::web(0).key(), |service| {
                service.destinations.insert(place("10.1.0.77", 80), its);
                service.destinations.insert(place("10.1.0.99", 80), its);
            });
        }),
        ("-E", |kernel| {
            kernel.edit(&Service::web(0).key(), |service| service.traits.scheduler = "sh".into());
        }),
        ("-E -p", |kernel| kernel.edit(&Service::at(443, 0).key(), |service| service.traits.flags = 0)),
    ];
    for (what, act) in acts {
        let mut world = World::new(site());
        world.run_for(12);
        world.check();
        act(&mut world.kernel);
        assert_ne!(world.kernel.table, world.expected(), "{what}");
        world.run_for(ROUNDS_SECS);
        println!("{what}");
        world.check();
    }
}

/// Somebody takes out a server just before we do.
#[test]
fn what_has_gone_by_itself_is_worth_no_word() {
    let mut world = World::new(site());
    world.run_for(12);
    world.set_health("10.1.0.2", 80, Health::Ill);
    let web = world.site.services[0].key();
    while world.router.poll_at().is_some() && world.kernel.table.weights(&web).len() == 3 {
        world.kernel.edit(&web, |service| _ = service.destinations.remove(&place("10.1.0.2", 80)));
    }
    world.run_for(ROUNDS_SECS);
    world.check();
    assert_eq!(journal::count("WARN: IPVS"), 0, "{}", journal::whole());
}

#[test]
fn what_is_refused_for_a_while_is_asked_again() {
    for errno in [EPERM, ENOMEM] {
        for count in [1, 2, 3, 5, 8, 40] {
            let mut world = World::idle(site());
            world.kernel.refuse(count, errno);
            world.start();
            world.run_for(5 * count as u64 + ROUNDS_SECS);
            world.check();
            world.kernel.refuse(count, errno);
            world.set_health("10.1.0.2", 80, Health::Ill);
            world.run_for(5 * count as u64 + ROUNDS_SECS);
            world.check();
        }
    }
}

#[test]
fn a_refusal_says_what_to_do_about_it() {
    let mut world = World::idle(site());
    world.kernel.refuse(30, EPERM);
    world.start();
    world.run_for(10);
    assert!(journal::count("CAP_NET_ADMIN") > 0, "{}", journal::whole());
    assert!(journal::count("WARN") < 12, "{}", journal::whole());
}

/// The others have their servers, and each unknown one is named once, whatever else was refused before.
#[test]
fn an_unknown_scheduler_is_named_and_the_rest_goes_on() {
    for others in 0..4 {
        let mut all = vec![];
        for port in 1..=2 {
            all.push(Service { scheduler: "nosuch".into(), ..Service::at(port, 2) });
        }
        all.insert(others % 3, Service::web(3));
        all.insert(others, Service::at(443, 3));
        let mut world = World::idle(Site::of(all));
        let known = |service: &&Service| service.scheduler != "nosuch";
        let rest = Site::of(world.site.services.iter().filter(known).cloned());
        // From a run before, in part: what has to be looked at before it can be mended.
        world.kernel.table = rest.table(&|_, server| server > 0, &|_| None);
        world.kernel.lines_per_datagram = 1;
        world.start();
        world.run_for(20);
        let expected = rest.table(&|_, _| true, &|_| None);
        assert_eq!(world.kernel.table, expected, "{}", journal::whole());
        world.check_care();
        for port in 1..=2 {
            let said = journal::count(&format!("virtual server web{port}: the kernel has no such scheduler"));
            assert_eq!(said, 1, "{}", journal::whole());
        }
        world.kernel.schedulers.insert("nosuch".into());
        world.run_for(ROUNDS_SECS);
        world.check();
    }
}

/// As an option that is newer than the kernel: it is asked for once in a round, and said once.
#[test]
fn what_is_refused_for_ever_is_neither_asked_nor_said_every_second() {
    let mut site = site();
    site.services[1].scheduler = "nosuch".into();
    let mut world = World::new(site);
    world.run_for(10);
    world.kernel.refused.clear();
    world.run_for(100);
    let asked = |(request, _): &&(Option<Request>, i32)| matches!(request, Some(Request::PutService { .. }));
    let asked = world.kernel.refused.iter().filter(asked).count();
    assert!((19..=21).contains(&asked), "{asked}");
    assert_eq!(journal::count("WARN"), 1, "{}", journal::whole());
}

/// The status says what the kernel has, and not what it was asked for.
#[test]
fn a_server_that_is_refused_is_not_said_to_be_in_the_kernel() {
    let mut world = World::new(site());
    world.run_for(10);
    let weight = |world: &World| world.router.server_traffic(RealServerId(0)).unwrap().1;
    assert!(weight(&world).is_some());
    world.kernel.takes_destinations = false;
    world.kernel.edit(&Service::web(0).key(), |service| service.destinations.clear());
    world.run_for(ROUNDS_SECS);
    assert_eq!(weight(&world), None);
    assert_eq!(journal::count("WARN"), 3, "one for each: {}", journal::whole());
    world.kernel.takes_destinations = true;
    world.run_for(ROUNDS_SECS);
    assert!(weight(&world).is_some());
    world.check();
}

#[test]
fn answers_that_are_lost_are_asked_for_again() {
    for lost in 1..20 {
        for before in 0..10 {
            let mut world = World::idle(site());
            world.kernel.lines_per_datagram = 1;
            world.begin();
            for _ in 0..before {
                world.listen();
            }
            world.kernel.lose(lost);
            world.run_for(20);
            world.check();
        }
    }
}

#[test]
fn a_list_that_is_torn_is_believed_in_what_it_says_and_not_in_what_it_does_not() {
    for torn in 1..5 {
        let mut world = World::idle(site());
        world.kernel.table = world.expected();
        let web = world.site.services[0].key();
        world.kernel.edit(&web, |service| _ = service.destinations.remove(&place("10.1.0.2", 80)));
        world.kernel.remove(&world.site.services[1].key());
        world.kernel.tear(torn);
        world.start();
        world.run_for(3 + torn as u64);
        world.check();
    }
}

/// What somebody has added shifts the list that we delete from meanwhile.
#[test]
fn many_strangers_go_and_what_a_list_leaves_out_is_not_made_twice() {
    let mut world = World::new(site());
    world.run_for(12);
    let web = world.site.services[0].key();
    let its = world.site.services[0].destination(0, 0);
    for last in 0..20 {
        world.kernel.edit(&web, |service| {
            service.destinations.insert(place(&format!("10.0.9.{last}"), 80), its);
        });
    }
    world.run_for(20);
    world.check();
    assert!(world.kernel.changes.iter().all(|change| !matches!(change, Request::DeleteService(_))));
}

/// Between the question and the answer a server dies: the answer is of before.
#[test]
fn a_list_that_is_older_than_a_change_undoes_nothing() {
    for (inhibits, read) in (0..12).flat_map(|read| [(false, read), (true, read)]) {
        let mut site = site();
        site.services[0].retries = 0;
        if inhibits {
            site.services[0].options.push("inhibit_on_failure 1".into());
        }
        let mut world = World::idle(site);
        world.kernel.lines_per_datagram = 1;
        world.start();
        // Servers are tried, and the kernel is asked, every five seconds.
        world.run_for_ms(4900);
        world.kernel.changes.clear();
        world.set_health("10.1.0.2", 80, Health::Ill);
        let (id, mut left) = (RealServerId(1), read);
        while world.router.server_standing(id) == Standing::Up {
            world.now = world.now.max(world.next_at().unwrap());
            world.step();
            if world.now.since(world.began_at) == Duration::from_millis(5020) {
                (0..core::mem::take(&mut left)).for_each(|_| _ = world.listen());
            }
        }
        world.run_for(ROUNDS_SECS);
        world.check();
        assert_eq!(world.kernel.changes.len(), 1, "it is changed again: {inhibits} {read}");
    }
}
