//! The control socket, both ends: SOCK_SEQPACKET at a path, one request or answer a packet.

use core::ffi::{CStr, c_char, c_int};
use core::time::Duration;
use std::os::fd::{AsRawFd, RawFd};

use super::call::{self, Descriptor, call, call3, pointer, pointer_mut};
use super::poll::{self, Waiting};
use super::{Errno, Error, socket};

/// Clients that may wait to be let in.
const BACKLOG: usize = 8;

/// The daemon's end.
#[derive(Debug)]
pub struct Listener {
    socket: Descriptor,
    address: Address,
}

impl Listener {
    /// Listens at `path`, which only the owner may use (mode 0600). A socket that a dead daemon has left there
    /// is replaced; anything else is left alone.
    ///
    /// # Errors
    /// EADDRINUSE if a daemon listens there, or there is something that is no socket; ENAMETOOLONG beyond 107
    /// bytes; else that of the calls.
    pub fn bind(path: &CStr) -> Result<Self, Error> {
        Self::try_bind(path).map_err(fail)
    }

    fn try_bind(path: &CStr) -> Result<Self, Errno> {
        let address = Address::new(path)?;
        let socket = open()?;
        match address.bind_private(&socket) {
            Err(Errno::EADDRINUSE) if address.is_abandoned() => {
                address.unlink();
                address.bind_private(&socket)
            }
            result => result,
        }?;
        // SAFETY: there is no pointer.
        unsafe { call3(libc::SYS_listen, socket.number(), BACKLOG, 0) }?;
        Ok(Self { socket, address })
    }

    /// The next client, if one waits; those who are neither root nor of our own user are turned away.
    ///
    /// # Errors
    /// That of the call, EMFILE for one: the client goes on waiting.
    pub fn accept(&self) -> Result<Option<Connection>, Error> {
        let flags = (libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) as usize;
        loop {
            // SAFETY: the kernel is not asked for an address.
            let given = unsafe { call(libc::SYS_accept4, &[self.socket.number(), 0, 0, flags, 0, 0]) };
            let socket = match given {
                Ok(given) => Descriptor::new(given),
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::ECONNABORTED) => continue,
                Err(errno) => return Err(Error { call: "control client", errno }),
            };
            if is_ours(&socket) {
                return Ok(Some(Connection { socket, patience: Duration::ZERO }));
            }
        }
    }

    /// Stops listening and removes the path, if it has not been taken over meanwhile.
    pub fn remove(self) {
        let Self { socket, address } = self;
        drop(socket);
        if address.is_abandoned() {
            address.unlink();
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
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
    socket: Descriptor,
    /// How long to wait for a packet.
    patience: Duration,
}

impl Connection {
    /// The client's end: connects to the daemon at `path`. Every packet may take as long as `patience`.
    ///
    /// # Errors
    /// ENOENT and ECONNREFUSED if no daemon listens there, EACCES or EPERM if it is not ours, EAGAIN if too many
    /// others wait for it.
    pub fn connect(path: &CStr, patience: Duration) -> Result<Self, Error> {
        let address = Address::new(path).map_err(fail)?;
        let socket = open().map_err(fail)?;
        address.connect(&socket).map_err(fail)?;
        Ok(Self { socket, patience })
    }

    /// Receives one packet into `buffer`.
    ///
    /// # Errors
    /// None that is known to happen; a connection that is reset counts as closed.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<Received<'a>, Error> {
        if !self.patience.is_zero() {
            poll::wait(&mut [Waiting::to_read(self)], Some(self.patience))?;
        }
        match call::read(&self.socket, buffer) {
            Ok(0) | Err(Errno::ECONNRESET) => Ok(Received::Closed),
            Ok(len) => Ok(Received::Packet(buffer.get(..len).unwrap_or(&[]))),
            Err(Errno::EAGAIN) => Ok(Received::Nothing),
            Err(errno) => Err(fail(errno)),
        }
    }

    /// Sends one packet.
    ///
    /// # Errors
    /// EAGAIN if the other end does not read (it has not been sent: try again when it can be written), EPIPE
    /// if it has gone.
    pub fn send(&self, packet: &[u8]) -> Result<(), Error> {
        socket::send(&self.socket, packet).map(drop).map_err(fail)
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Where a socket of files is.
#[derive(Debug)]
struct Address {
    name: libc::sockaddr_un,
    len: usize,
}

impl Address {
    fn new(path: &CStr) -> Result<Self, Errno> {
        // SAFETY: sockaddr_un is an aggregate of integers, so all zeros is one.
        let mut name: libc::sockaddr_un = unsafe { core::mem::zeroed() };
        name.sun_family = libc::AF_UNIX as libc::sa_family_t;
        let path = path.to_bytes();
        // The zero at the end stays.
        if path.len() >= name.sun_path.len() {
            return Err(Errno::ENAMETOOLONG);
        }
        for (slot, byte) in name.sun_path.iter_mut().zip(path) {
            *slot = c_char::from_ne_bytes([*byte]);
        }
        Ok(Self { name, len: core::mem::offset_of!(libc::sockaddr_un, sun_path) + path.len() + 1 })
    }

    fn connect(&self, socket: &Descriptor) -> Result<(), Errno> {
        socket::connect(socket, &self.name, self.len)
    }

    /// Binds with mode 0600: Linux makes the file with the mode of the socket, so there is no moment in which
    /// others may connect.
    fn bind_private(&self, socket: &Descriptor) -> Result<(), Errno> {
        // SAFETY: there is no pointer.
        unsafe { call3(libc::SYS_fchmod, socket.number(), 0o600, 0) }?;
        socket::bind(socket, &self.name, self.len)
    }

    /// Whether there is a socket that nobody listens to. To connect to anything else is refused as well, but only a
    /// socket cannot be opened at all (open(2)).
    fn is_abandoned(&self) -> bool {
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
        let is_socket = self.path().is_some_and(|path| call::open(path, flags).err() == Some(Errno::ENXIO));
        is_socket && open().is_ok_and(|probe| self.connect(&probe) == Err(Errno::ECONNREFUSED))
    }

    /// Whatever goes wrong shows when the path is used again.
    fn unlink(&self) {
        let Some(path) = self.path() else { return };
        // SAFETY: the path ends with a zero byte; the kernel only reads it.
        let _ = unsafe { call3(libc::SYS_unlinkat, libc::AT_FDCWD as usize, pointer(path), 0) };
    }

    fn path(&self) -> Option<&CStr> {
        // SAFETY: a byte is a byte, signed or not.
        let bytes: &[u8; 108] = unsafe { &*(&raw const self.name.sun_path).cast() };
        CStr::from_bytes_until_nul(bytes).ok()
    }
}

fn open() -> Result<Descriptor, Errno> {
    socket::open(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0)
}

/// Whether the client is root or our own user.
fn is_ours(socket: &Descriptor) -> bool {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    let (level, name): (c_int, c_int) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
    let (peer_at, len_at) = (pointer_mut(&mut peer), pointer_mut(&mut len));
    // SAFETY: the kernel writes to the live values given, no more than the length says.
    let asked = unsafe {
        call(libc::SYS_getsockopt, &[socket.number(), level as usize, name as usize, peer_at, len_at, 0])
    };
    // SAFETY: it has no conditions.
    asked.is_ok() && (peer.uid == 0 || peer.uid == unsafe { libc::geteuid() })
}

/// A socket that sends datagrams to `path`; to be closed by the caller.
pub(super) fn datagrams_to(path: &CStr) -> Result<RawFd, Errno> {
    let socket = socket::open(libc::AF_UNIX, libc::SOCK_DGRAM, 0)?;
    Address::new(path)?.connect(&socket)?;
    let number = socket.as_raw_fd();
    core::mem::forget(socket);
    Ok(number)
}

const fn fail(errno: Errno) -> Error {
    Error { call: "control socket", errno }
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
