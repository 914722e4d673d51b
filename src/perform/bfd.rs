//! BFD control packets.

use super::{Outlet, Unsent};
use crate::config::BfdId;
use crate::router::Router;

pub(super) fn send(
    router: &Router,
    session: BfdId,
    is_final: bool,
    outlet: &mut impl Outlet,
) -> Result<(), Unsent> {
    let _ = (router, session, is_final, outlet);
    Ok(())
}
