//! Every message and frame that leaves, read by somebody else and held against the plan.
//!
//! TTL and IP source are the simulated kernel's work, as they are the real one's: that our sockets ask for 255 is
//! `linux::raw`'s to show, and that it comes out so on the wire the laboratory's (`lab/wire.rs`).

use core::net::{IpAddr, Ipv6Addr};

use smoltcp::wire::NdiscNeighborFlags;
use vipd::config::Family;
use vipd::wire::vrrp::Version;

use super::Advert;
use crate::clock::{MS, Nanos, SEC};
use crate::frame::{self, BROADCAST, Content};
use crate::kernel::Kernel;
use crate::neighbour;
use crate::node::Node;
use crate::plan::Plan;

const GROUP_V4: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(224, 0, 0, 18));
const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));

/// Holds an advertisement against the plan that it must come from (TX04 to TX25). The error names the
/// field that is wrong.
pub fn advert(
    plans: &[Plan],
    kernel: &Kernel,
    link: usize,
    from: IpAddr,
    to: IpAddr,
    message: &[u8],
) -> Result<Advert, &'static str> {
    let family = Family::of(from);
    let &[version_type, vrid, priority, count, byte4, byte5, _, _, ref rest @ ..] = message else {
        return Err("length");
    };
    let fits =
        |plan: &&Plan| plan.link == link && plan.vrid == vrid && plan.families().any(|it| it == family);
    let plan = plans.iter().find(fits).ok_or("virtual router")?;
    let version = plan.version_of(family);
    check(version_type == (version.number() << 4) | 1, "version or type")?;
    check(priority == 0 || plan.priorities().contains(&priority), "priority")?;
    source(plan, kernel, from)?;
    match plan.peers.iter().any(|peer| Family::of(*peer) == family) {
        true => check(plan.peers.contains(&to), "peer")?,
        false => check(to == GROUP_V4 || to == GROUP_V6, "group")?,
    }
    check(Family::of(to) == family, "destination's family")?;

    let expected = plan.addresses(family);
    check(usize::from(count) == expected.len(), "count")?;
    let mut listed = rest;
    for address in expected {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        listed = listed.strip_prefix(&octets[..]).ok_or("list of addresses")?;
    }
    match version {
        Version::V2 => {
            let mut trailer = [0; 8];
            let password = plan.password.unwrap_or(&[]);
            trailer[..password.len()].copy_from_slice(password);
            check(listed == trailer, "trailer")?;
            check(byte4 == u8::from(plan.password.is_some()), "authentication type")?;
            check(u16::from(byte5) * 100 == plan.centis, "interval")?;
        }
        Version::V3 => {
            check(listed.is_empty(), "length")?;
            check(u16::from_be_bytes([byte4, byte5]) == plan.centis, "interval")?;
        }
    }
    check(frame::vrrp_checksum_is_right(from, to, message), "checksum")?;
    Ok(Advert { at: 0, node: 0, link, vrid, to, priority })
}

/// The plan that a received message is for, and the master's interval that it tells, if a receiver must accept it
/// (RFC 9568 §7.1, RFC 3768 §7.1; RX01 to RX18, RX23).
pub fn admissible<'a>(
    plans: &'a [Plan],
    link: usize,
    from: IpAddr,
    to: IpAddr,
    ttl: u8,
    message: &[u8],
) -> Option<(&'a Plan, Nanos)> {
    let family = Family::of(from);
    let &[version_type, vrid, _, count, byte4, byte5, _, _, ref rest @ ..] = message else { return None };
    let fits =
        |plan: &&Plan| plan.link == link && plan.vrid == vrid && plan.families().any(|it| it == family);
    let plan = plans.iter().find(fits)?;
    let is_unicast = plan.peers.iter().any(|peer| Family::of(*peer) == family);
    let addressed = match is_unicast {
        true => plan.peers.contains(&from) && to != GROUP_V4 && to != GROUP_V6,
        false => ttl == 255 && (to == GROUP_V4 || to == GROUP_V6),
    };
    let version = plan.version_of(family);
    let listed = usize::from(count) * if family == Family::V4 { 4 } else { 16 };
    let (trailer, interval) = match version {
        Version::V2 => (8, Nanos::from(byte5) * SEC),
        Version::V3 => (0, Nanos::from(u16::from_be_bytes([byte4 & 0x0f, byte5])) * 10 * MS),
    };
    let right = version_type == (version.number() << 4) | 1
        && count > 0
        && rest.len() == listed + trailer
        && interval > 0
        && frame::vrrp_checksum_is_right(from, to, message);
    let agreed = match version {
        Version::V3 => true,
        Version::V2 => {
            let mut expected = [0; 8];
            let password = plan.password.unwrap_or(&[]);
            expected[..password.len()].copy_from_slice(password);
            let known = plan.password.is_none() || rest.ends_with(&expected);
            byte4 == u8::from(plan.password.is_some()) && known && interval == plan.interval()
        }
    };
    (addressed && right && agreed).then_some((plan, interval))
}

/// What a node's kernel lets out, read from the wire: TTL, checksums and source (TX04, TX06, TX07, TX09).
pub fn on_the_wire(node: &Node, link: usize, frame: &[u8]) -> Result<(), &'static str> {
    let it = &node.kernel.links[link];
    let is_ours = frame.get(6..12) == Some(&it.mac.0[..]);
    // IPv4's protocol and IPv6's next header: what is neither VRRP nor UDP is the kernel's own.
    let is_either = |protocol: u8| frame.get(23) == Some(&protocol) || frame.get(20) == Some(&protocol);
    if !is_either(112) && !is_either(17) {
        return check(is_ours, "source MAC");
    }
    let opened = frame::open(frame)?;
    // RFC 5881 §4, §5; of what is in it the sessions' checker knows.
    if let Content::Udp { from, ttl, port, .. } = opened.content {
        check(is_ours, "source MAC")?;
        check(ttl == 255 && port == neighbour::PORT, "TTL or port")?;
        // What waited for its receiver's MAC may outlive its address.
        check(it.has(from) || it.own.iter().any(|&(own, _)| own == from), "source")?;
    }
    if let Content::Vrrp { from, to, ttl, message, .. } = opened.content {
        let family = Family::of(from);
        // Those of the first plans too: what a reload takes out resigns.
        let mut plans = node.plans.iter().chain(&node.first_plans).filter(|plan| plan.peers.is_empty());
        let is_its = |plan: &Plan| plan.vmac_of(family).is_some_and(|(mac, _)| mac == opened.from);
        let is_vmac = plans.any(|plan| (plan.link, plan.vrid) == (link, message[1]) && is_its(plan));
        check(is_ours || is_vmac, "source MAC")?;
        check(ttl == 255, "TTL")?;
        check(it.own.iter().any(|&(own, _)| own == from), "source")?;
        check(frame::vrrp_checksum_is_right(from, to, message), "checksum")?;
        if let Some(group) = frame::group_mac(to) {
            check(opened.to == group, "destination MAC")?;
        }
    }
    Ok(())
}

/// TX06, TX07: an address of the sending device that is nobody's virtual one, link-local over IPv6.
fn source(plan: &Plan, kernel: &Kernel, from: IpAddr) -> Result<(), &'static str> {
    let own = kernel.links[plan.link].own.iter().any(|&(own, _)| own == from);
    let added = kernel.links[plan.link].has(from) && !plan.addresses(Family::of(from)).contains(&from);
    check(own || added, "source")?;
    match from {
        IpAddr::V4(_) => Ok(()),
        IpAddr::V6(from) => {
            check(!plan.peers.is_empty() || from.is_unicast_link_local(), "source that is not link-local")
        }
    }
}

/// Holds a gratuitous ARP or an unsolicited neighbour advertisement against the plan (AD11, AD12, AD15),
/// and says of which address it is.
pub fn announcement(
    now: Nanos,
    plans: &[Plan],
    kernel: &Kernel,
    link: usize,
    frame: &[u8],
) -> Result<IpAddr, &'static str> {
    let mac = kernel.links[link].mac;
    let opened = frame::open(frame)?;
    check(opened.from == mac, "source MAC")?;
    let address = match opened.content {
        Content::Arp { reply, sender_mac, sender, target_mac, target } => {
            check(!reply, "ARP operation")?;
            check(opened.to == BROADCAST, "destination MAC")?;
            check(sender == target, "ARP addresses")?;
            check(sender_mac == mac && target_mac == BROADCAST, "ARP MAC")?;
            IpAddr::V4(sender)
        }
        Content::Advertisement(it) => {
            let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            check(opened.to == frame::group_mac(IpAddr::V6(all_nodes)).unwrap(), "destination MAC")?;
            check(it.to == all_nodes && it.hop_limit == 255, "destination or hop limit")?;
            check(it.from == it.target && it.mac == Some(mac), "target")?;
            let flags = NdiscNeighborFlags::ROUTER | NdiscNeighborFlags::OVERRIDE;
            check(it.flags == flags, "flags")?;
            IpAddr::V6(it.target)
        }
        Content::Solicitation { .. } | Content::Echo { .. } | Content::Vrrp { .. } | Content::Udp { .. } => {
            return Err("kind");
        }
    };
    let base = kernel.base(link);
    let plan =
        plans.iter().find(|plan| plan.link == base && plan.addresses(Family::of(address)).contains(&address));
    let plan = plan.ok_or("address")?;
    let own = plan.vmac_of(Family::of(address)).map_or(kernel.links[base].mac, |(mac, _)| mac);
    check(mac == own, "virtual MAC")?;
    let failing = kernel.is_troubled(now);
    check(failing || kernel.links[link].has(address), "moment: the address is not there")?;
    Ok(address)
}

fn check(right: bool, what: &'static str) -> Result<(), &'static str> {
    if right { Ok(()) } else { Err(what) }
}
