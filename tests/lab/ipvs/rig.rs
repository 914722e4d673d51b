//! The rig itself, without vipd: what a test builds on works as it says.

use std::collections::BTreeMap;

use crate::harness::eventually;
use crate::lone::SECOND;

use super::bench;
use super::farm::{Farm, VIP, VIP6};
use super::table::{ipvsadm, lines, rules};
use super::web::{Download, fetch};

/// So many answers from each of these.
pub(super) fn each<const N: usize>(times: usize, servers: [&str; N]) -> BTreeMap<String, usize> {
    servers.into_iter().map(|name| (name.to_owned(), times)).collect()
}

/// An address with a port, as ipvsadm has it.
fn socket(address: &str) -> String {
    if address.contains(':') { format!("[{address}]:80") } else { format!("{address}:80") }
}

/// By translation, through a tunnel, and in frames. The service stays, and its servers are exchanged.
#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn clients_are_balanced_in_every_way_and_in_both_families() {
    let Some(_bench) = bench() else { return };
    let farm = Farm::new(1, 2);
    let director = farm.appoint();
    for server in &farm.servers {
        server.unwrap_packets();
    }
    for (vip, ways) in [(VIP, &["-m", "-i", "-g"][..]), (VIP6, &["-m", "-g"])] {
        ipvsadm(director, &format!("-A -t {} -s rr", socket(vip)));
        for (turn, how) in ways.iter().enumerate() {
            let verb = if turn == 0 { "-a" } else { "-e" };
            for server in &farm.servers {
                let address = if vip == VIP { &server.address } else { &server.address6 };
                ipvsadm(director, &format!("{verb} -t {} -r {} {how} -w 1", socket(vip), socket(address)));
            }
            assert_eq!(farm.fetch(vip, 6), each(3, ["server-1", "server-2"]), "{vip} {how}");
            let is_wrapped = farm.servers.iter().all(|server| server.unwrapped() > 0);
            assert_eq!(is_wrapped, vip == VIP6 || *how != "-m", "{vip} {how}");
        }
    }
    assert_eq!(
        rules(director),
        [
            "-A -t 10.0.0.100:80 -s rr",
            "-A -t [fd00::100]:80 -s rr",
            "-a -t 10.0.0.100:80 -r 10.1.0.11:80 -g -w 1",
            "-a -t 10.0.0.100:80 -r 10.1.0.12:80 -g -w 1",
            "-a -t [fd00::100]:80 -r [fd00:1::11]:80 -g -w 1",
            "-a -t [fd00::100]:80 -r [fd00:1::12]:80 -g -w 1",
        ]
    );
}

#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn a_server_is_stopped_and_started_and_a_download_outlives_a_weight_of_zero() {
    let Some(_bench) = bench() else { return };
    let mut farm = Farm::new(1, 2);
    let director = farm.appoint().clone();
    let service = format!("-t {VIP}:80");
    ipvsadm(&director, &format!("-A {service} -s rr"));
    for server in &farm.servers {
        ipvsadm(&director, &format!("-a {service} -r {}:80 -m -w 1", server.address));
    }
    let download = Download::start(&farm.client, VIP).unwrap();
    let position = usize::from(download.server == "server-2");
    let [name, other] = if position == 0 { ["server-1", "server-2"] } else { ["server-2", "server-1"] };
    assert_eq!(download.server, name);
    let address = farm.servers[position].address.clone();
    let line = |weight, active| format!("-> {address}:80 Masq {weight} {active} 0");
    eventually("the download is counted", SECOND * 5, || {
        lines(&director).contains(&line(1, 1)).then_some(())
    });
    ipvsadm(&director, &format!("-e {service} -r {address}:80 -m -w 0"));
    assert!(lines(&director).contains(&line(0, 1)), "{:?}", lines(&director));
    assert_eq!(farm.fetch(VIP, 4), each(4, [other]));
    download.must_go_on();

    // Who is weighed anew is asked anew; who is stopped refuses, and the download is over.
    ipvsadm(&director, &format!("-e {service} -r {address}:80 -m -w 1"));
    farm.servers[position].stop();
    download.must_end();
    let tally = farm.fetch(VIP, 4);
    assert_eq!(tally.get(other), Some(&2), "{tally:?}");
    assert_eq!(tally.get("connection refused"), Some(&2), "{tally:?}");
    farm.servers[position].start();
    assert_eq!(farm.fetch(VIP, 4), each(2, [name, other]));

    // What looks after a server sees its status, and is counted.
    let server = &farm.servers[position];
    let before = server.web().requests();
    server.web().answer_with(503);
    let status = fetch(&director, &server.address, "/health").unwrap();
    assert_eq!((status.as_str(), server.web().requests()), (name, before + 1));
}
