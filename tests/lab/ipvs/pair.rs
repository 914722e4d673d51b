//! Two directors: address, gateway, table and connections move together.

use crate::harness::{Vipd, eventually};
use crate::lone::SECOND;

use super::bench;
use super::config::{Service, director};
use super::farm::{Farm, VIP};
use super::health::wait_rules;
use super::rig::each;
use super::table::ipvsadm;
use super::web::Download;

const TABLE: [&str; 3] = [
    "-A -t 10.0.0.100:80 -s rr",
    "-a -t 10.0.0.100:80 -r 10.1.0.11:80 -m -w 1",
    "-a -t 10.0.0.100:80 -r 10.1.0.12:80 -m -w 1",
];

/// The kernel's daemon tells connections while the instance is master, and listens while it is not.
#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn a_download_outlives_its_director() {
    let Some(_bench) = bench() else { return };
    let farm = Farm::new(2, 2);
    let config = |priority| {
        let instance = director(priority) + "\toption lvs_sync_daemon_interface 'eth1'\n";
        instance + &Service::new("web", VIP, "NAT").text(&farm)
    };
    let state = |vipd: &Vipd, state: &str| {
        eventually(state, SECOND * 10, || {
            (vipd.try_status()?["instances"][0]["state"] == state).then_some(())
        });
    };
    let [one, two] = [&farm.directors[0], &farm.directors[1]];
    let first = Vipd::start(one, &config(200));
    state(&first, "master");
    let second = Vipd::start(two, &config(100));
    state(&second, "backup");
    for director in [one, two] {
        wait_rules(director, &TABLE);
    }
    let role = |director, role: &str| {
        eventually(role, SECOND * 10, || ipvsadm(director, "-L --daemon").contains(role).then_some(()));
    };
    role(one, "master sync daemon");
    role(two, "backup sync daemon");
    let download = Download::start(&farm.client, VIP).unwrap();
    download.must_go_on();
    eventually("the other kernel knows the connection", SECOND * 10, || {
        ipvsadm(two, "-Lnc").contains("ESTABLISHED").then_some(())
    });
    // The machine is gone from both networks at once.
    one.ip_batch(&["link set eth0 down".into(), "link set eth1 down".into()]);
    state(&second, "master");
    download.must_go_on();
    role(two, "master sync daemon");
    assert!(!ipvsadm(two, "-L --daemon").contains("backup sync daemon"));
    assert_eq!(farm.fetch(VIP, 4), each(2, ["server-1", "server-2"]));
    // Who comes back takes the address again, and the download with it.
    one.ip_batch(&["link set eth0 up".into(), "link set eth1 up".into()]);
    state(&second, "backup");
    role(one, "master sync daemon");
    role(two, "backup sync daemon");
    assert_eq!(farm.fetch(VIP, 4), each(2, ["server-1", "server-2"]));
}

/// `ha_suspend`: whose address is with another director does not ask its servers.
#[test]
#[ignore = "needs a kernel with IPVS: tests/run balance"]
fn a_backup_with_ha_suspend_asks_no_server() {
    let Some(_bench) = bench() else { return };
    let farm = Farm::new(2, 2);
    let service = Service { more: "\toption ha_suspend '1'\n", ..Service::new("web", VIP, "NAT") };
    let config = |priority| director(priority) + &service.text(&farm);
    let first = Vipd::start(&farm.directors[0], &config(200));
    eventually("the first is master", SECOND * 10, || {
        (first.try_status()?["instances"][0]["state"] == "master").then_some(())
    });
    let requests = || farm.servers[0].web().requests();
    let rate = |secs: u32| {
        let before = requests();
        std::thread::sleep(SECOND * secs);
        requests() - before
    };
    let alone = rate(4);
    assert!(alone >= 2, "{alone} requests of one director in four seconds");
    let mut second = Vipd::start(&farm.directors[1], &config(100));
    eventually("the second is backup", SECOND * 10, || {
        (second.try_status()?["instances"][0]["state"] == "backup").then_some(())
    });
    std::thread::sleep(SECOND);
    let together = rate(4);
    assert!(together <= alone + 2, "{together} requests of both, {alone} of one alone");
    assert!(second.process().runs());
    assert_eq!(second.status()["virtual_servers"][0]["state"], "up", "what was known stays");
}
