//! Links that count as up or down only after they have been so for a while.

use std::time::Duration;

use vipd::config::Delays;
use vipd::router::{Event, Slot};
use vipd::vrrp::{Fault, Phase, State};
use vipd::wire::rtnl::Message;

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, Spec, config, sent};

const SECOND: Duration = Duration::from_secs(1);
const DELAYS: Delays = Delays { up_ms: 5000, down_ms: 2000 };

/// A master on eth0 that tracks eth1, each with delays of 5 s for up and 2 s for down.
fn master(weight: i16) -> Bench {
    let spec = Spec { tracks: vec![("eth1", weight)], ..Spec::default() };
    let mut bench = Bench::unanswered(core::slice::from_ref(&spec));
    let mut new = config(&[spec]);
    new.delays[0] = DELAYS;
    new.delays[1] = DELAYS;
    let links: [(_, _, _, &[&str]); 2] = [(ETH0, "eth0", true, &[OUR_V4]), (ETH1, "eth1", true, &[])];
    bench.answer_dumps(&links);
    bench.handle(Event::Adopt(&mut new));
    bench.answer_dumps(&links);
    bench.run_for(SECOND * 20);
    assert_eq!(bench.phase(0), Phase::Master, "what was up at the start counts at once");
    bench
}

fn priority(bench: &Bench) -> u8 {
    bench.router.view(Slot(0)).unwrap().rules.priority
}

#[test]
fn a_flapping_link_moves_nothing() {
    for (device, index) in [("eth0", ETH0), ("eth1", ETH1)] {
        let mut bench = master(0);
        for _ in 0..10 {
            bench.link(index, device, false);
            let effects = bench.run_for(SECOND * 3 / 2);
            assert!(!sent(&effects.iter().map(|(_, effect)| *effect).collect::<Vec<_>>()).contains(&0));
            bench.link(index, device, true);
            bench.run_for(SECOND / 2);
            assert_eq!(bench.phase(0), Phase::Master, "{device}");
        }
    }
}

/// And then it must be up for its whole delay: each time that it goes down begins anew.
#[test]
fn a_link_that_stays_down_counts_after_its_delay_and_so_does_one_that_stays_up() {
    for (device, index, fault) in [("eth0", ETH0, Fault::LinkDown), ("eth1", ETH1, Fault::Tracked)] {
        let mut bench = master(0);
        bench.link(index, device, false);
        bench.run_for(Duration::from_millis(1999));
        assert_eq!(bench.phase(0), Phase::Master);
        bench.run_for(Duration::from_millis(1));
        assert_eq!(bench.state(0), State::Initialize { fault });
        bench.link(index, device, true);
        bench.run_for(SECOND * 4);
        bench.link(index, device, false);
        bench.link(index, device, true);
        bench.run_for(Duration::from_millis(4999));
        assert_eq!(bench.state(0), State::Initialize { fault });
        bench.run_for(Duration::from_millis(1));
        assert_eq!(bench.phase(0), Phase::Backup);
    }
}

#[test]
fn a_weight_counts_after_the_delay() {
    let mut bench = master(-30);
    bench.link(ETH1, "eth1", false);
    assert_eq!(priority(&bench), 100);
    bench.run_for(SECOND * 2);
    assert_eq!(priority(&bench), 70);
}

/// A device that is gone cannot be waited for; when it is back, it has to prove itself.
#[test]
fn a_device_that_is_gone_counts_as_down_at_once() {
    let mut bench = master(-30);
    bench.handle(Event::Kernel(Message::LinkGone(ETH1)));
    assert_eq!(priority(&bench), 70);
    bench.link(ETH1, "eth1", true);
    assert_eq!(priority(&bench), 70);
    bench.run_for(SECOND * 5);
    assert_eq!(priority(&bench), 100);
}

#[test]
fn law_03_a_timer_before_the_delay_changes_nothing() {
    let mut bench = master(-30);
    bench.link(ETH1, "eth1", false);
    let due = bench.router.poll_at();
    bench.handle(Event::Timer);
    assert_eq!((priority(&bench), bench.router.poll_at()), (100, due));
}
