//! The client's side of the control socket.

use core::ffi::CStr;
use core::time::Duration;

use heapless::Vec;

use crate::limits::{
    BFD_SESSIONS_MAX, REAL_SERVERS_MAX, STRANGERS_MAX, TRACKS_MAX, VIRTUAL_ROUTERS_MAX, VIRTUAL_SERVERS_MAX,
};
use crate::linux::control::{Connection, Received};
use crate::linux::{Errno, Error};
use crate::status::{PACKET_BYTES_MAX, Record, Reply, Request, Server, Service, Session, Stranger, Track};
use crate::wire::vrrp::Discard;

/// How long the daemon may take for each packet.
const PATIENCE: Duration = Duration::from_secs(5);

/// A whole answer.
pub struct Answer {
    /// The virtual routers.
    pub records: Vec<Record, VIRTUAL_ROUTERS_MAX>,
    /// Counts of packets that belong to none, in the order of [`Discard::ALL`].
    pub stray: [u32; Discard::ALL.len()],
    /// What is tracked, in the order of the configuration's table: so it has room for all.
    pub tracks: Vec<Track, TRACKS_MAX>,
    /// The BFD sessions.
    pub sessions: Vec<Session, BFD_SESSIONS_MAX>,
    /// The virtual servers.
    pub services: Vec<Service, VIRTUAL_SERVERS_MAX>,
    /// The real servers, in the order of the configuration's table.
    pub servers: Vec<Server, REAL_SERVERS_MAX>,
    /// Who is refused.
    pub strangers: Vec<Stranger, STRANGERS_MAX>,
}

impl Answer {
    /// Nothing was answered yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            records: Vec::new(),
            tracks: Vec::new(),
            stray: [0; Discard::ALL.len()],
            sessions: Vec::new(),
            services: Vec::new(),
            servers: Vec::new(),
            strangers: Vec::new(),
        }
    }

    /// Shows everything that a virtual router's instance tracks, then what its group does.
    #[inline(never)]
    pub fn each_track(&self, record: &Record, show: &mut dyn FnMut(&Track)) {
        for span in &record.tracks {
            for track in span.of(&self.tracks) {
                show(track);
            }
        }
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self::new()
    }
}

/// Asks for the status of every virtual router, or of those of one instance.
///
/// # Errors
/// The daemon cannot be reached, or does not answer.
pub fn status(socket: &CStr, instance: Option<&str>, answer: &mut Answer) -> Result<(), Error> {
    conversation(socket, Request::Status, &mut |reply| match reply {
        Reply::Record(record) => {
            if instance.is_none_or(|name| name == record.name) {
                // The daemon is the same program, with the same limits.
                let _ = answer.records.push(record);
            }
        }
        Reply::Track(track) => drop(answer.tracks.push(track)),
        Reply::Stray(counts) => answer.stray = counts,
        Reply::Session(session) => drop(answer.sessions.push(session)),
        Reply::Service(service) => drop(answer.services.push(service)),
        Reply::Server(server) => drop(answer.servers.push(server)),
        Reply::Stranger(stranger) => drop(answer.strangers.push(stranger)),
        Reply::File(_) | Reply::Problem { .. } | Reply::Reloaded(_) | Reply::Known(_) | Reply::End => {}
    })
}

/// Has the configuration read again; every reply goes to `heard`.
///
/// # Errors
/// The daemon cannot be reached, or does not answer.
pub fn reload(socket: &CStr, heard: &mut dyn FnMut(Reply)) -> Result<(), Error> {
    conversation(socket, Request::Reload, heard)
}

/// Has an instance released or reclaimed; `false`: there is none of that name.
///
/// # Errors
/// The daemon cannot be reached, or does not answer.
pub fn tell(socket: &CStr, request: Request<'_>) -> Result<bool, Error> {
    let mut is_known = false;
    conversation(socket, request, &mut |reply| {
        if let Reply::Known(known) = reply {
            is_known = known;
        }
    })?;
    Ok(is_known)
}

fn conversation(socket: &CStr, request: Request<'_>, heard: &mut dyn FnMut(Reply)) -> Result<(), Error> {
    let broken = |errno| Error { call: "asking the daemon", errno };
    let connection = Connection::connect(socket, PATIENCE)?;
    let mut buffer = [0; PACKET_BYTES_MAX];
    let len = request.emit(&mut buffer).map_err(|_| broken(Errno::EMSGSIZE))?;
    connection.send(buffer.get(..len).unwrap_or(&[]))?;
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
