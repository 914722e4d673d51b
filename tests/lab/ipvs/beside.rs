//! vipd and keepalived with one and the same configuration, each on a director of its own, over the same servers.

use std::fs;
use std::time::{Duration, Instant};

use vipd::wire::ipvs::Identity;

use crate::harness::{Footprint, Host, Keepalived, Vipd, eventually};
use crate::lone::SECOND;

use super::bench;
use super::farm::{Farm, VIP, VIP6};
use super::table::{Kernel, rules};

const ROUNDS: usize = 4;

/// Every kind of service that both have, with what can be said of it.
fn config(farm: &Farm) -> String {
    let [one, two] = [&farm.servers[0], &farm.servers[1]];
    let (a, b, a6, b6) = (&one.address, &two.address, &one.address6, &two.address6);
    let http = "HTTP_GET {\n url {\n path /\n status_code 200\n }\n connect_timeout 1\n retry 0\n delay_before_retry 1\n \
                warmup 0\n }";
    let tcp = "TCP_CHECK {\n connect_port 80\n connect_timeout 1\n retry 0\n warmup 0\n }";
    format!(
        "virtual_server {VIP} 80 {{\n delay_loop 1\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n \
         real_server {a} 80 {{\n weight 1\n {http}\n }}\n real_server {b} 80 {{\n weight 2\n {http}\n }}\n}}\n\
         virtual_server {VIP} 81 {{\n delay_loop 1\n lvs_sched wrr\n lvs_method DR\n protocol TCP\n persistence_timeout 50\n \
         persistence_granularity 255.255.255.0\n quorum 2\n hysteresis 1\n inhibit_on_failure\n \
         real_server {a} 81 {{\n weight 3\n uthreshold 9\n lthreshold 5\n {tcp}\n }}\n real_server {b} 81 {{\n {tcp}\n }}\n}}\n\
         virtual_server {VIP} 53 {{\n delay_loop 1\n lvs_sched sh\n sh-port\n ops\n lvs_method TUN\n protocol UDP\n \
         real_server {a} 53 {{\n weight 1\n }}\n}}\n\
         virtual_server fwmark 7 {{\n delay_loop 1\n lvs_sched wlc\n lvs_method DR\n protocol TCP\n real_server {a} 0 {{\n weight 5\n }}\n}}\n\
         virtual_server {VIP6} 80 {{\n delay_loop 1\n lvs_sched lc\n lvs_method NAT\n protocol TCP\n \
         real_server {a6} 80 {{\n weight 1\n }}\n real_server {b6} 80 {{\n weight 1\n }}\n}}\n"
    )
}

/// User and system time of a process and its children, in ticks of 10 ms; and private memory, in kB.
fn costs(process: u32) -> (u64, u32) {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("it runs");
    let all =
        [process].into_iter().chain(children.split_whitespace().map(|word| word.parse().expect("a number")));
    let mut sum = (0, 0);
    for process in all {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
        let (_, fields) = stat.rsplit_once(')').expect("the name ends");
        let ticks =
            fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
        sum.0 += ticks.sum::<u64>();
        sum.1 += Footprint::of(process).anonymous_kb;
    }
    sum
}

fn imported(host: &Host, conf: &str) -> String {
    let path = std::env::temp_dir().join(format!("vipd-beside-{}.conf", std::process::id()));
    fs::write(&path, conf).expect("there is room");
    let output =
        host.command(&Vipd::binary().to_string_lossy()).arg("import").arg(&path).output().expect("it runs");
    fs::remove_file(&path).expect("it is ours");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn the_table_is_keepalived_own_and_a_dead_server_leaves_it_in_time() {
    let Some(_bench) = bench() else { return };
    if let Some(missing) = Keepalived::missing() {
        return crate::bench::skip(&missing);
    }
    let mut farm = Farm::new(2, 2);
    let [ours, theirs] = [farm.directors[0].clone(), farm.directors[1].clone()];
    let conf = config(&farm);
    let mut keepalived = Keepalived::start_checkers(&theirs, &conf);
    let vipd = Vipd::start(&ours, &imported(&ours, &conf));
    let wait_equal = || {
        let mut seen = Default::default();
        eventually("both tables are the same", SECOND * 20, || {
            seen = (rules(&ours), rules(&theirs));
            (seen.0 == seen.1 && seen.0.len() == 5 + 8).then_some(())
        });
    };
    wait_equal();
    eprintln!("{}", rules(&ours).join("\n"));
    let address = VIP.parse().expect("an address");
    let web = Identity::Address { protocol: vipd::wire::ipvs::Protocol::Tcp, address, port: 80 };
    let kernels = [&ours, &theirs].map(Kernel::of);
    let before = [vipd.id(), keepalived.process().id()].map(costs);
    let mut took = [[Duration::ZERO; ROUNDS]; 2];
    for round in 0..ROUNDS {
        farm.servers[0].stop();
        let began = Instant::now();
        let mut is_out = [false; 2];
        eventually("both have taken it out", SECOND * 20, || {
            for ((kernel, is_out), took) in kernels.iter().zip(&mut is_out).zip(&mut took) {
                if !*is_out && kernel.destinations(&web).len() == 1 {
                    *is_out = true;
                    took[round] = began.elapsed();
                }
            }
            (is_out == [true; 2]).then_some(())
        });
        wait_equal_without(&ours, &theirs);
        farm.servers[0].start();
        wait_equal();
    }
    let after = [vipd.id(), keepalived.process().id()].map(costs);
    for (name, place) in [("vipd", 0), ("keepalived", 1)] {
        let mut sorted = took[place];
        sorted.sort_unstable();
        eprintln!(
            "{name}: a dead server leaves after {:?} to {:?}; {} ms of processor time meanwhile; {} kB of its own",
            sorted[0],
            sorted[ROUNDS - 1],
            10 * (after[place].0 - before[place].0),
            after[place].1
        );
    }
    let latest = took.map(|took| took.into_iter().max().expect("there are rounds"));
    // Each looks once a second, at moments of its own.
    assert!(latest[0] <= latest[1] + SECOND, "{took:?}");
    // `delay_loop` and `connect_timeout`, and room for a machine that has other things to do.
    assert!(took[0].iter().all(|took| *took < SECOND * 5), "{took:?}");
}

/// The tables are the same without the server, too.
fn wait_equal_without(ours: &Host, theirs: &Host) {
    let mut seen = Default::default();
    eventually("both tables are the same without it", SECOND * 20, || {
        seen = (rules(ours), rules(theirs));
        (seen.0 == seen.1 && seen.0.len() < 5 + 8).then_some(())
    });
}
