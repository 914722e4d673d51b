//! The client's side of the control socket.

use core::ffi::CStr;
use core::time::Duration;

use heapless::Vec;

use crate::limits::VIRTUAL_ROUTERS_MAX;
use crate::linux::control::{Connection, Received};
use crate::linux::{Errno, Error};
use crate::status::{PACKET_BYTES_MAX, Record, Reply, Request};

use super::show::Stray;

/// How long the daemon may take for each packet.
const PATIENCE: Duration = Duration::from_secs(5);

/// The records of a whole answer.
pub type Records = Vec<Record, VIRTUAL_ROUTERS_MAX>;

/// Asks for the status of every virtual router, or of those of one instance.
///
/// # Errors
/// The daemon cannot be reached, or does not answer.
pub fn status(
    socket: &CStr,
    instance: Option<&str>,
    records: &mut Records,
    stray: &mut Stray,
) -> Result<(), Error> {
    conversation(socket, Request::Status, &mut |reply| match reply {
        Reply::Record(record) => {
            if instance.is_none_or(|name| name == record.name) {
                // The daemon is the same program, with the same limits.
                let _ = records.push(record);
            }
        }
        Reply::Stray(counts) => *stray = counts,
        Reply::File(_) | Reply::Problem { .. } | Reply::Reloaded(_) | Reply::End => {}
    })
}

/// Has the configuration read again; every reply goes to `heard`.
///
/// # Errors
/// The daemon cannot be reached, or does not answer.
pub fn reload(socket: &CStr, heard: &mut dyn FnMut(Reply)) -> Result<(), Error> {
    conversation(socket, Request::Reload, heard)
}

fn conversation(socket: &CStr, request: Request, heard: &mut dyn FnMut(Reply)) -> Result<(), Error> {
    let broken = |errno| Error { call: "asking the daemon", errno };
    let connection = Connection::connect(socket, PATIENCE)?;
    let mut buffer = [0; PACKET_BYTES_MAX];
    connection.send(&request.packet())?;
    loop {
        match connection.receive(&mut buffer)? {
            Received::Nothing => return Err(broken(Errno::ETIMEDOUT)),
            Received::Closed => return Err(broken(Errno::ECONNRESET)),
            Received::Packet(bytes) => match Reply::parse(bytes) {
                Some(Reply::End) => return Ok(()),
                Some(reply) => heard(reply),
                None => return Err(broken(Errno::EPROTO)),
            },
        }
    }
}
