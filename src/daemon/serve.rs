//! The control socket's side of the daemon: a few clients at a time, one packet after another, never waiting.

use core::fmt::{Display, Write};

use heapless::{String, Vec};

use super::{Daemon, Trouble, load};
use crate::config::problem::{Problem, Severity};
use crate::limits::CONTROL_CLIENTS_MAX;
use crate::linux::Errno;
use crate::linux::clock;
use crate::linux::control::{Connection, Received};
use crate::linux::poll::Waiting;
use crate::router::{Event, Router, Slot};
use crate::status::{PACKET_BYTES_MAX, Reply, Request, cut};

/// How long no client is let in when there is no descriptor for one.
const DEAF_TIME: core::time::Duration = core::time::Duration::from_secs(1);

/// The connected clients.
pub(super) struct Clients(Vec<Client, CONTROL_CLIENTS_MAX>);

struct Client {
    connection: Connection,
    /// What is to be sent next; `None`: it has not asked yet.
    next: Option<Next>,
}

/// Where an answer stands.
#[derive(Clone, Copy)]
enum Next {
    Record(Slot),
    /// What is tracked, by place.
    Track(u16),
    /// A BFD session, by place.
    Session(u8),
    /// A virtual server, by place.
    Service(u16),
    /// A real server, by place.
    Server(u16),
    Stranger(u8),
    Reloaded(bool),
    Known(bool),
    /// Whatever moves.
    #[cfg(feature = "watch")]
    Moved(watch::Round),
    End,
}

impl Clients {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// What to wait for on each client's behalf.
    pub(super) fn interests(&self) -> impl Iterator<Item = Waiting> {
        self.0.iter().map(|Client { connection, next }| match next {
            #[cfg(feature = "watch")]
            Some(Next::Moved(round)) if round.is_over() => Waiting::to_read(connection),
            Some(_) => Waiting::to_write(connection),
            None => Waiting::to_read(connection),
        })
    }

    /// Whether somebody is to be told what moves.
    pub(super) fn are_watching(&self) -> bool {
        #[cfg(feature = "watch")]
        return self.0.iter().any(|client| matches!(client.next, Some(Next::Moved(_))));
        #[cfg(not(feature = "watch"))]
        false
    }
}

impl Daemon<'_> {
    /// Lets clients in, hears what they ask, and goes on with what they are being told.
    #[inline(never)] // Its buffers are not to lie below everything else.
    pub(super) fn serve(&mut self) {
        for _ in 0..CONTROL_CLIENTS_MAX {
            let connection = match self.listener.accept() {
                Ok(Some(connection)) => connection,
                Ok(None) => break,
                // Out of descriptors: the client goes on waiting, and we do not ask again at once.
                Err(_) => {
                    self.deaf_until = Some(clock::now() + DEAF_TIME);
                    break;
                }
            };
            if self.clients.0.is_full() {
                // Who connects and says nothing keeps nobody out: the oldest of those goes, or else the oldest.
                let silent = self.clients.0.iter().position(|client| client.next.is_none());
                drop(self.clients.0.remove(silent.unwrap_or(0)));
            }
            // There is room.
            let _ = self.clients.0.push(Client { connection, next: None });
        }
        // While one is served it is out of the table, and it goes back to the end if it is not done: after the
        // round they stand as before, the oldest first.
        for _ in 0..self.clients.0.len() {
            let mut client = self.clients.0.remove(0);
            if self.serve_client(&mut client) {
                // Its own place is free.
                let _ = self.clients.0.push(client);
            }
        }
    }

    /// Goes on with one client; `false`: it is done with.
    fn serve_client(&mut self, client: &mut Client) -> bool {
        if client.next.is_none() {
            let mut buffer = [0; PACKET_BYTES_MAX];
            let request = match client.connection.receive(&mut buffer) {
                Ok(Received::Nothing) => return true,
                Ok(Received::Closed) | Err(_) => return false,
                Ok(Received::Packet(bytes)) => Request::parse(bytes),
            };
            client.next = Some(match request {
                Some(Request::Status) => Next::Record(Slot(0)),
                Some(Request::Reload) => Next::Reloaded(self.reload_for(client)),
                Some(Request::Release(name)) => Next::Known(self.act_on(name, Event::Release)),
                Some(Request::Reclaim(name)) => Next::Known(self.act_on(name, Event::Reclaim)),
                #[cfg(feature = "watch")]
                Some(Request::Watch) => Next::Moved(watch::Round::FIRST),
                None => return false,
            });
        }
        #[cfg(feature = "watch")]
        if let Some(Next::Moved(_)) = client.next {
            // Who watches has nothing more to say.
            match client.connection.receive(&mut [0; 1]) {
                Ok(Received::Nothing) => {}
                Ok(Received::Packet(_) | Received::Closed) | Err(_) => return false,
            }
        }
        answer(self.hands.router, client)
    }

    /// Hands in what concerns the instance of this name, or the group, since what concerns one of its instances concerns
    /// all; `false`: there is none.
    fn act_on(&mut self, name: &str, event: fn(u16) -> Event<'static>) -> bool {
        let config = self.hands.router.config();
        let is_it = |text| config.text(text) == name;
        let mut found = None;
        for (index, instance) in config.instances.iter().enumerate() {
            if is_it(instance.name) {
                found = Some(index);
                break;
            }
            let group = instance.group.and_then(|group| config.groups.get(usize::from(group.0)));
            if found.is_none() && group.is_some_and(|group| is_it(group.name)) {
                found = Some(index);
            }
        }
        let Some(index) = found else { return false };
        self.hands.act(event(index as u16));
        true
    }

    /// Reloads, and sends every problem to the client beside the log; one that does not read them misses some.
    fn reload_for(&mut self, client: &Client) -> bool {
        let tell = |mut reply| {
            let _ = send(&client.connection, &mut reply);
        };
        tell(Reply::File(cut(self.command.config_name())));
        let mut to_log = load::to_log(self.command);
        let result = self.reload(&mut |problem: Problem<'_>| {
            let is_warning = problem.severity == Severity::Warning;
            tell(Reply::Problem { line: Some(problem.line), is_warning, text: sentence(&problem) });
            to_log(problem);
        });
        if let Err(Trouble::Unreadable(reason)) = &result {
            tell(Reply::Problem { line: None, is_warning: false, text: sentence(reason) });
        }
        result.is_ok()
    }
}

/// A sentence that does not fit is cut.
fn sentence<const N: usize>(what: &dyn Display) -> String<N> {
    let mut text = String::new();
    let _ = write!(text, "{what}");
    text
}

/// Sends as much of the answer as the client takes; `false`: all of it is sent, or the client has gone.
fn answer(router: &Router, client: &mut Client) -> bool {
    while let Some(next) = client.next {
        let mut following = Some(Next::End);
        let mut reply = match next {
            Next::Record(slot) => match router.status(clock::now(), slot) {
                Some(record) => {
                    following = Some(Next::Record(Slot(slot.0.saturating_add(1))));
                    Reply::Record(record)
                }
                None => {
                    following = Some(Next::Track(0));
                    Reply::Stray(*router.stray().discards())
                }
            },
            Next::Track(place) => match router.status_of_track(place) {
                Some(track) => {
                    following = Some(Next::Track(place.saturating_add(1)));
                    Reply::Track(track)
                }
                None => {
                    client.next = Some(Next::Session(0));
                    continue;
                }
            },
            Next::Session(place) => match router.status_of_session(clock::now(), place) {
                Some(session) => {
                    following = Some(Next::Session(place.saturating_add(1)));
                    Reply::Session(session)
                }
                None => {
                    client.next = Some(Next::Service(0));
                    continue;
                }
            },
            Next::Service(place) => match router.status_of_service(place) {
                Some(service) => {
                    following = Some(Next::Service(place.saturating_add(1)));
                    Reply::Service(service)
                }
                None => {
                    client.next = Some(Next::Server(0));
                    continue;
                }
            },
            Next::Server(place) => match router.status_of_server(place) {
                Some(server) => {
                    following = Some(Next::Server(place.saturating_add(1)));
                    Reply::Server(server)
                }
                None => {
                    client.next = Some(Next::Stranger(0));
                    continue;
                }
            },
            Next::Stranger(place) => match router.status_of_stranger(clock::now(), place) {
                Some(stranger) => {
                    following = Some(Next::Stranger(place.saturating_add(1)));
                    Reply::Stranger(stranger)
                }
                None => {
                    following = None;
                    Reply::End
                }
            },
            Next::Reloaded(taken) => Reply::Reloaded(taken),
            Next::Known(known) => Reply::Known(known),
            #[cfg(feature = "watch")]
            Next::Moved(mut round) => {
                let moved = round.next(router, clock::now());
                client.next = Some(Next::Moved(round));
                let Some(record) = moved.and_then(|slot| router.status(clock::now(), slot)) else {
                    return true;
                };
                following = client.next;
                client.next = Some(next);
                Reply::Record(record)
            }
            Next::End => {
                following = None;
                Reply::End
            }
        };
        match send(&client.connection, &mut reply) {
            Ok(()) => client.next = following,
            Err(Errno::EAGAIN) => return true,
            Err(_) => return false,
        }
    }
    false
}

fn send(connection: &Connection, reply: &mut Reply) -> Result<(), Errno> {
    let mut buffer = [0; PACKET_BYTES_MAX];
    let len = reply.emit(&mut buffer).map_err(|_| Errno::EMSGSIZE)?;
    let packet = buffer.get(..len).unwrap_or(&[]);
    connection.send(packet).map_err(|error| error.errno)
}

/// Who is told whatever moves, in rounds over all virtual routers.
#[cfg(feature = "watch")]
mod watch {
    use crate::router::{Router, Slot};
    use crate::time::Instant;

    /// A round, and which virtual routers it is about.
    #[derive(Debug, Clone, Copy)]
    pub(super) struct Round {
        /// Those that moved after this; `None`: all.
        after: Option<Instant>,
        /// Those that moved until this, when the round began; `None`: it is over.
        until: Option<Instant>,
        /// Where it stands.
        slot: u16,
    }

    impl Round {
        pub(super) const FIRST: Self = Self { after: None, until: None, slot: 0 };

        /// Whether everything has been told.
        pub(super) const fn is_over(&self) -> bool {
            self.until.is_none()
        }

        /// The next one that has moved; `None`: that was all, for this time.
        pub(super) fn next(&mut self, router: &Router, now: Instant) -> Option<Slot> {
            let until = *self.until.get_or_insert(now);
            while let Some(virtual_router) = router.virtual_router(Slot(self.slot)) {
                let slot = Slot(self.slot);
                self.slot = self.slot.saturating_add(1);
                let since = virtual_router.since();
                if self.after.is_none_or(|after| since > after) && since <= until {
                    return Some(slot);
                }
            }
            *self = Self { after: Some(until), until: None, slot: 0 };
            None
        }
    }
}
