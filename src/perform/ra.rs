//! A router advertisement, from the configuration to its frame.

use core::net::IpAddr;

use super::{Outlet, Unsent};
use crate::limits::{RA_PREFIXES_MAX, SEND_BYTES_MAX};
use crate::router::Router;
use crate::wire::ra::{ALL_ROUTERS, RouterAdvert, frame_bytes};

const FRAME_BYTES_MAX: usize = frame_bytes(RA_PREFIXES_MAX, RA_PREFIXES_MAX);

/// An Ethernet frame has 1500 bytes behind its header.
const ETHERNET_BYTES_MAX: usize = 1514;

static_assertions::const_assert!(FRAME_BYTES_MAX <= ETHERNET_BYTES_MAX && FRAME_BYTES_MAX <= SEND_BYTES_MAX);

/// Sends it from where its address stands. Who is told of a router may ask for one, so the questions are to be heard
/// from now on, if they were not before.
#[inline(never)] // Its buffer is not to lie below everything else.
pub(super) fn send(
    router: &Router,
    position: u8,
    is_last: bool,
    outlet: &mut impl Outlet,
) -> Result<(), Unsent> {
    let config = router.config();
    let advert = config.router_adverts.get(usize::from(position)).ok_or(Unsent)?;
    let instance = config.instances.get(usize::from(advert.instance)).ok_or(Unsent)?;
    let first = instance.v6.addresses.of(&config.addresses).first().ok_or(Unsent)?;
    let IpAddr::V6(source) = first.address else { return Err(Unsent) };
    // A device that is not Ethernet, or not there, has nobody to tell.
    let Some((interface, Some(mac))) = router.interface(first.interface) else { return Ok(()) };
    let frame = RouterAdvert {
        mac,
        source,
        lifetime_secs: if is_last { 0 } else { advert.lifetime_secs },
        flags: advert.flags,
        mtu: advert.mtu,
        prefixes: advert.prefixes.of(&config.prefixes),
        name_servers: advert.name_servers.of(&config.name_servers),
        // RFC 8106 §5.1: at least three times the interval.
        name_servers_secs: 3 * u32::from(advert.max_interval_secs),
    };
    let mut buffer = [0; FRAME_BYTES_MAX];
    let len = frame.emit(&mut buffer)?;
    let joined = if is_last { Ok(()) } else { outlet.join(interface, IpAddr::V6(ALL_ROUTERS)) };
    joined.and(outlet.frame(interface, buffer.get(..len).ok_or(Unsent)?))
}
