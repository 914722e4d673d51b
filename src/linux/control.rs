//! The control socket, both ends: SOCK_SEQPACKET at a path, one request or answer a packet.

use core::ffi::CStr;
use core::time::Duration;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::sys::socket::{self, AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, sockopt};
use nix::sys::stat::{self, Mode, SFlag};
use nix::unistd;
use socket2::SockRef;

use super::{Errno, Error};

const CALL: &str = "control socket";

/// The daemon's end.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: UnixAddr,
}

impl Listener {
    /// Listens at `path`, which only the owner may use (mode 0600). A socket that a dead daemon has left there
    /// is replaced; anything else is left alone.
    ///
    /// # Errors
    /// EADDRINUSE if a daemon listens there, or there is something that is no socket; ENAMETOOLONG beyond 107
    /// bytes; else that of the calls.
    pub fn bind(path: &CStr) -> Result<Self, Error> {
        let fail = Error::of(CALL);
        let address = UnixAddr::new(path).map_err(&fail)?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = new_socket(flags).map_err(&fail)?;
        match bind_private(&socket, &address) {
            Err(Errno::EADDRINUSE) if is_abandoned(path, &address) => {
                unistd::unlink(path).map_err(&fail)?;
                bind_private(&socket, &address)
            }
            result => result,
        }
        .map_err(&fail)?;
        let backlog = Backlog::new(8).map_err(&fail)?;
        socket::listen(&socket, backlog).map_err(&fail)?;
        Ok(Self { socket, address })
    }

    /// The next client, if one waits; those who are neither root nor of our own user are turned away.
    ///
    /// # Errors
    /// That of the call, EMFILE for one: the client goes on waiting.
    pub fn accept(&self) -> Result<Option<Connection>, Error> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        loop {
            let descriptor = match socket::accept4(self.socket.as_raw_fd(), flags) {
                Ok(descriptor) => descriptor,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR | Errno::ECONNABORTED) => continue,
                Err(errno) => return Err(Error::of("control client")(errno)),
            };
            // SAFETY: the kernel has just given out this descriptor, and nobody else has it.
            let socket = unsafe { OwnedFd::from_raw_fd(descriptor) };
            let peer = socket::getsockopt(&socket, sockopt::PeerCredentials);
            let own = unistd::geteuid().as_raw();
            if peer.is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own) {
                return Ok(Some(Connection { socket }));
            }
        }
    }

    /// Stops listening and removes the path, if it has not been taken over meanwhile.
    pub fn remove(self) {
        let Some(path) = self.address.path() else { return };
        drop(self.socket);
        if is_abandoned(path, &self.address) {
            // There is nobody to tell.
            let _ = unistd::unlink(path);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What was waiting at a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<'a> {
    /// One packet; cut if it was longer than the buffer.
    Packet(&'a [u8]),
    /// The other end has gone.
    Closed,
    /// Nothing, or, at the client's end, nothing within the time given.
    Nothing,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
}

impl Connection {
    /// The client's end: connects to the daemon at `path`. Each step from here on takes at most `timeout`.
    ///
    /// # Errors
    /// ENOENT and ECONNREFUSED if no daemon listens there, EACCES or EPERM if it is not ours, EAGAIN if it
    /// does not answer in time.
    pub fn connect(path: &CStr, timeout: Duration) -> Result<Self, Error> {
        let fail = Error::of(CALL);
        let address = UnixAddr::new(path).map_err(&fail)?;
        let socket = new_socket(SockFlag::SOCK_CLOEXEC).map_err(&fail)?;
        let limited = SockRef::from(&socket);
        let limit = Some(timeout);
        limited.set_read_timeout(limit).map_err(Error::io(CALL))?;
        limited.set_write_timeout(limit).map_err(Error::io(CALL))?;
        socket::connect(socket.as_raw_fd(), &address).map_err(&fail)?;
        Ok(Self { socket })
    }

    /// Receives one packet into `buffer`.
    ///
    /// # Errors
    /// None that is known to happen; a connection that is reset counts as closed.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Received<'a>, Error> {
        loop {
            return match socket::recv(self.socket.as_raw_fd(), buffer, MsgFlags::empty()) {
                Ok(0) | Err(Errno::ECONNRESET) => Ok(Received::Closed),
                Ok(len) => Ok(Received::Packet(buffer.get(..len).unwrap_or(&[]))),
                Err(Errno::EAGAIN) => Ok(Received::Nothing),
                Err(Errno::EINTR) => continue,
                Err(errno) => Err(Error::of("control socket, receiving")(errno)),
            };
        }
    }

    /// Sends one packet.
    ///
    /// # Errors
    /// EAGAIN if the other end does not read (it has not been sent: try again when it can be written), EPIPE
    /// if it has gone.
    pub fn send(&self, packet: &[u8]) -> Result<(), Error> {
        loop {
            match socket::send(self.socket.as_raw_fd(), packet, MsgFlags::MSG_NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::of("control socket, sending")(errno)),
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn new_socket(flags: SockFlag) -> Result<OwnedFd, Errno> {
    socket::socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)
}

/// Binds with mode 0600: Linux makes the file with the mode of the socket, so there is no moment in which
/// others may connect.
fn bind_private(socket: &OwnedFd, address: &UnixAddr) -> Result<(), Errno> {
    stat::fchmod(socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    socket::bind(socket.as_raw_fd(), address)
}

/// Whether at `path` there is a socket that nobody listens to.
fn is_abandoned<P: nix::NixPath + ?Sized>(path: &P, address: &UnixAddr) -> bool {
    let Ok(status) = stat::lstat(path) else { return false };
    let kind = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT;
    let Ok(probe) = new_socket(SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC) else { return false };
    kind == SFlag::S_IFSOCK && socket::connect(probe.as_raw_fd(), address) == Err(Errno::ECONNREFUSED)
}

#[cfg(test)]
mod tests {
    use super::super::namespace;
    use super::*;
    use std::ffi::CString;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    const SOON: Duration = Duration::from_millis(50);

    fn path(name: &str) -> (PathBuf, CString) {
        let path = std::env::temp_dir().join(std::format!("vipd-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let name = CString::new(path.to_str().unwrap()).unwrap();
        (path, name)
    }

    #[test]
    fn a_request_and_its_answer_pass_whole() {
        namespace::alone(|| {
            let (path, name) = path("request");
            let listener = Listener::bind(&name).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "whatever the umask");
            assert!(listener.accept().unwrap().is_none());

            let client = Connection::connect(&name, SOON).unwrap();
            let server = listener.accept().unwrap().unwrap();
            let mut buffer = [0; 16];
            assert_eq!(server.receive(&mut buffer), Ok(Received::Nothing));
            client.send(b"status").unwrap();
            client.send(b"again").unwrap();
            assert_eq!(server.receive(&mut buffer), Ok(Received::Packet(b"status")));
            assert_eq!(server.receive(&mut buffer[..2]), Ok(Received::Packet(b"ag")));
            server.send(b"fine").unwrap();
            assert_eq!(client.receive(&mut buffer), Ok(Received::Packet(b"fine")));
            assert_eq!(client.receive(&mut buffer), Ok(Received::Nothing));
            drop(client);
            assert_eq!(server.receive(&mut buffer), Ok(Received::Closed));
            assert_eq!(server.send(b"late").unwrap_err().errno, Errno::EPIPE);
            listener.remove();
            assert!(!path.exists());
        });
    }

    #[test]
    fn a_client_that_does_not_read_cannot_block_the_daemon() {
        let (_, name) = path("slow");
        let listener = Listener::bind(&name).unwrap();
        let _client = Connection::connect(&name, SOON).unwrap();
        let server = listener.accept().unwrap().unwrap();
        let packet = [0; 4096];
        let refused = (0..10_000).find_map(|_| server.send(&packet).err());
        assert_eq!(refused.map(|error| error.errno), Some(Errno::EAGAIN));
        listener.remove();
    }

    #[test]
    fn a_socket_that_is_left_behind_is_replaced_and_one_in_use_is_not() {
        namespace::alone(|| {
            let (path, name) = path("stale");
            let first = Listener::bind(&name).unwrap();
            let in_use = Listener::bind(&name).unwrap_err();
            assert_eq!(in_use.errno, Errno::EADDRINUSE);
            drop(first); // as a crash does: the path stays
            assert!(path.exists());
            let refused = Connection::connect(&name, SOON).unwrap_err();
            assert_eq!(refused.errno, Errno::ECONNREFUSED);
            Listener::bind(&name).unwrap().remove();
            assert!(!path.exists());
            let absent = Connection::connect(&name, SOON).unwrap_err();
            assert_eq!(absent.errno, Errno::ENOENT);
        });
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_removed() {
        let (path, name) = path("file");
        std::fs::write(&path, "precious").unwrap();
        assert_eq!(Listener::bind(&name).unwrap_err().errno, Errno::EADDRINUSE);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_path_that_is_too_long_is_refused() {
        let long = CString::new("/tmp/".repeat(30)).unwrap();
        assert_eq!(Listener::bind(&long).unwrap_err().errno, Errno::ENAMETOOLONG);
    }

    #[test]
    fn a_daemon_that_hangs_does_not_hang_the_client() {
        let (_, name) = path("hang");
        let listener = Listener::bind(&name).unwrap();
        let client = Connection::connect(&name, SOON).unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(client.receive(&mut [0; 8]), Ok(Received::Nothing));
        assert!(begun.elapsed() < Duration::from_secs(10));
        listener.remove();
    }
}
