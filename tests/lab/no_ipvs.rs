//! A kernel that has no IPVS: whoever asks for virtual servers is told, and VRRP goes on. (One that has it is in
//! [`ipvs`](super::ipvs).)

use vipd::linux::ipvs::IpvsSocket;

use crate::bench::{Bench, Load};
use crate::harness::eventually;
use crate::lone::{Lone, SECOND, config};

#[test]
fn a_kernel_without_ipvs_is_told_of_once_and_vrrp_goes_on() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let has_ipvs = IpvsSocket::open().and_then(|socket| socket.find_family()).is_ok();
    let servers = "config virtual_server 'web'\n\toption ipaddr '10.0.0.100'\n\toption port '80'\n\
                   \tlist real_server 'one'\nconfig real_server 'one'\n\toption ipaddr '10.0.0.9'\n";
    let lone = Lone::start(&(config(200, &["10.0.0.100/24"]) + servers));
    eventually("it is master", SECOND * 10, || {
        (lone.vipd.try_status()?["instances"][0]["state"] == "master").then_some(())
    });
    let status = eventually("the daemon has looked", SECOND * 10, || {
        let status = lone.vipd.try_status()?;
        let has_looked =
            lone.vipd.log().contains("IPVS") || status["virtual_servers"][0]["in_kernel"] == true;
        has_looked.then_some(status)
    });
    assert_eq!(status["virtual_servers"][0]["in_kernel"], has_ipvs);
    let log = lone.vipd.log();
    let sentence = "IPVS: this kernel has none: load its module ip_vs";
    assert_eq!(log.matches(sentence).count(), usize::from(!has_ipvs), "{log}");
}
