//! What an advert costs in system calls, counted by strace. keepalived makes several for each.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load, skip};
use crate::harness::{Calls, Host, Segment, Vipd, eventually};
use crate::lone::{INTERVAL, SECOND};
use crate::many::{config, large_binary};

/// How long is counted.
const SPAN: Duration = Duration::from_secs(3);

/// A wait and a send, and now and then something else.
#[test]
fn an_advert_of_one_virtual_router_costs_two_system_calls() {
    let missing = [Calls::missing()];
    let Some(_bench) = Bench::take(Load::Whole, &missing) else { return };
    let Some(cost) = cost(&Vipd::binary(), 1) else { return };
    assert!(cost <= 2.2, "{cost} system calls for each advert");
}

/// What is due together leaves together.
#[test]
fn an_advert_of_a_hundred_virtual_routers_costs_a_fifth_of_a_system_call() {
    let missing = [Calls::missing()];
    let Some(_bench) = Bench::take(Load::Whole, &missing) else { return };
    let Some(cost) = cost(large_binary(), 100) else { return };
    assert!(cost <= 0.2, "{cost} system calls for each advert");
}

/// System calls for each advert of a master that is left alone. `None`: skipped, since strace may not look.
fn cost(binary: &Path, routers: u8) -> Option<f64> {
    let lan = Segment::new();
    let capture = lan.capture();
    let host = Host::new("router");
    let port = lan.attach_with(&host, "eth0", &["10.0.0.1/16"]);
    // Announcements are not adverts.
    let config = config(routers, 200, INTERVAL)
        .replace("\toption interface", "\toption garp_master_delay '0'\n\toption interface");
    let mut vipd = Vipd::start_binary(binary.to_owned(), &host, &config, &[]);
    eventually("all are master", SECOND * 10, || {
        (host.addresses("eth0").len() > usize::from(routers)).then_some(())
    });
    // What mastership brings about is over.
    thread::sleep(SECOND * 3 / 2);

    let Calls { count, from, to, summary } = match Calls::count(&[vipd.process().id()], SPAN) {
        Ok(calls) => calls,
        Err(why) => {
            skip(&format!("strace may not look at a process here: {why}"));
            return None;
        }
    };
    let frames = capture.between(from, to);
    let ours = frames.iter().filter(|frame| frame.port == port.index());
    let adverts = ours.filter(|frame| frame.vrrp().is_some()).count();
    let expected = usize::from(routers) * (SPAN.as_millis() / INTERVAL.as_millis()) as usize;
    assert!(adverts * 10 >= expected * 9, "{adverts} of {expected} adverts");
    assert!(count > 10, "it was counted:\n{summary}");
    let cost = count as f64 / adverts as f64;
    eprintln!(
        "{routers} virtual routers: {count} system calls for {adverts} adverts, {cost:.3} each\n{summary}"
    );
    Some(cost)
}
