//! The way to the packet filter: a batch out, and its answer in the same breath.

use super::netlink::{NetlinkSocket, Received};
use super::{Errno, Error};
use crate::wire::nft;

/// Answers of one batch that are looked at: one for each of its messages, of which there are eleven at most.
const ANSWERS_MAX: usize = 16;

/// A socket for the packet filter, opened when it is needed for the first time: most boards never need it, and then the
/// kernel does not load what it belongs to. In a build without the feature `no-accept` it takes no room.
#[derive(Default)]
pub(super) struct Netfilter([Option<NetlinkSocket>; cfg!(feature = "no-accept") as usize]);

impl Netfilter {
    /// Sends a batch, which the kernel carries out, or refuses, before this returns.
    ///
    /// # Errors
    /// The kernel's refusal, then nothing of it was done; or that of the socket.
    pub(super) fn send(&mut self, batch: &[u8]) -> Result<(), Error> {
        let fail = |errno| Error { call: "packet filter", errno };
        let Some(socket) = self.0.first_mut() else { return Err(fail(Errno::EOPNOTSUPP)) };
        let socket = match socket {
            Some(socket) => socket,
            None => socket.insert(NetlinkSocket::open_netfilter()?),
        };
        socket.send(batch)?;
        let mut result = Ok(());
        for _ in 0..ANSWERS_MAX {
            let mut answer = [0; 20];
            match socket.receive(&mut answer)? {
                Received::Datagram(answer) => {
                    if let Some(errno) = nft::refusal(answer) {
                        result = result.and(Err(fail(Errno(errno))));
                    }
                }
                Received::Overrun => result = result.and(Err(fail(Errno::ENOBUFS))),
                Received::Nothing => break,
            }
        }
        result
    }
}
