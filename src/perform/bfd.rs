//! BFD control packets.

use super::{Outlet, Unsent};
use crate::config::BfdId;
use crate::router::{Datagram, Router};
use crate::wire::bfd::{self, DATAGRAM_BYTES};

pub(super) fn send(
    router: &Router,
    session: BfdId,
    is_final: bool,
    outlet: &mut impl Outlet,
) -> Result<(), Unsent> {
    // A device that is not there carries nothing.
    let Some(outgoing) = router.bfd_control(session, is_final) else { return Ok(()) };
    let mut buffer = [0; DATAGRAM_BYTES];
    let (source, destination) = (outgoing.source, outgoing.destination);
    let len = bfd::datagram(&outgoing.control, outgoing.port, source, destination, &mut buffer)?;
    outlet.datagram(&Datagram {
        interface: outgoing.interface,
        source,
        destination,
        hop_limit: outgoing.hop_limit,
        payload: buffer.get(..len).ok_or(Unsent)?,
    })
}
