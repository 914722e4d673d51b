//! Servers that say who they are, and clients that ask.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use crate::harness::{Host, eventually};
use crate::lone::SECOND;

const PORT: u16 = 80;
/// Between two bytes of a slow answer.
const BEAT: Duration = Duration::from_millis(50);

/// A server of HTTP on port 80 of every address of a host, for as long as this value lives. It answers with the host's
/// name; to `/slow` with the name, a line's end, and then a dot every 50 ms without end.
pub(super) struct Web {
    shared: Arc<Shared>,
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    name: String,
    status: AtomicU16,
    requests: AtomicUsize,
    is_over: AtomicBool,
    streams: Mutex<Vec<(SocketAddr, TcpStream)>>,
}

impl Web {
    pub(super) fn start(host: &Host) -> Self {
        let listener = host
            .namespace()
            .inside(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)))
            .expect("the port is free");
        let shared = Arc::new(Shared {
            name: host.name().to_owned(),
            status: AtomicU16::new(200),
            requests: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            streams: Mutex::new(Vec::new()),
        });
        let (ours, theirs) = (listener.try_clone().expect("descriptors are left"), Arc::clone(&shared));
        let thread = thread::spawn(move || {
            while let Ok((stream, peer)) = ours.accept() {
                if theirs.is_over.load(Ordering::SeqCst) {
                    return;
                }
                let copy = stream.try_clone().expect("descriptors are left");
                theirs.streams.lock().expect("nobody panics").push((peer, copy));
                let shared = Arc::clone(&theirs);
                thread::spawn(move || shared.serve(stream, peer));
            }
        });
        Self { shared, listener, thread: Some(thread) }
    }

    /// Answers with this status from now on.
    pub(super) fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// How often it was asked, by clients and by whoever looks after it.
    pub(super) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// A connection, to its end; a client that goes away is none of our business.
    fn serve(&self, mut stream: TcpStream, peer: SocketAddr) {
        if let Ok(path) = path_of(&mut stream) {
            self.requests.fetch_add(1, Ordering::SeqCst);
            let _ = self.answer(&mut stream, &path);
        }
        let _ = stream.shutdown(Shutdown::Both);
        // A client that only looks whether the port is open comes again and again.
        self.streams.lock().expect("nobody panics").retain(|(other, _)| *other != peer);
    }

    fn answer(&self, stream: &mut TcpStream, path: &str) -> io::Result<()> {
        let status = self.status.load(Ordering::SeqCst);
        write!(stream, "HTTP/1.0 {status} Status\r\nConnection: close\r\n\r\n{}", self.name)?;
        if path == "/slow" {
            stream.write_all(b"\n")?;
            while !self.is_over.load(Ordering::SeqCst) {
                stream.write_all(b".")?;
                thread::sleep(BEAT);
            }
        }
        Ok(())
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // This wakes who waits in it.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for (_, stream) in self.shared.streams.lock().expect("nobody panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Reads a request to its end, and returns its path.
fn path_of(stream: &mut TcpStream) -> io::Result<String> {
    stream.set_read_timeout(Some(SECOND * 10))?;
    let mut text = Vec::new();
    let mut buffer = [0; 512];
    while !text.ends_with(b"\r\n\r\n") {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        text.extend_from_slice(&buffer[..len]);
    }
    let text = String::from_utf8_lossy(&text);
    Ok(text.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// Connects to port 80, and asks for this path.
fn ask(host: &Host, address: &str, path: &str) -> io::Result<TcpStream> {
    let address: IpAddr = address.parse().expect("an address");
    let socket = SocketAddr::new(address, PORT);
    let mut stream = host.namespace().inside(|| TcpStream::connect_timeout(&socket, SECOND * 2))?;
    stream.set_read_timeout(Some(SECOND * 2))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    Ok(stream)
}

/// Fetches from port 80 of an address, and returns the body: the name of the server that answered.
pub(super) fn fetch(host: &Host, address: &str, path: &str) -> io::Result<String> {
    let mut text = String::new();
    ask(host, address, path)?.read_to_string(&mut text)?;
    let (_, body) = text.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    Ok(body.to_owned())
}

/// A download that goes on and on.
pub(super) struct Download {
    /// Who serves it.
    pub(super) server: String,
    bytes: Arc<AtomicUsize>,
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl Download {
    pub(super) fn start(host: &Host, address: &str) -> io::Result<Self> {
        let mut stream = ask(host, address, "/slow")?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\n") || head.ends_with(b"\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let server = String::from_utf8_lossy(&head).lines().next_back().unwrap_or_default().to_owned();
        let bytes = Arc::new(AtomicUsize::new(0));
        let (count, mut ours) = (Arc::clone(&bytes), stream.try_clone()?);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok(len) = ours.read(&mut buffer) {
                if len == 0 {
                    return;
                }
                count.fetch_add(len, Ordering::SeqCst);
            }
        });
        Ok(Self { server, bytes, stream, thread: Some(thread) })
    }

    /// Waits until ten bytes more have come: it goes on.
    pub(super) fn must_go_on(&self) {
        let before = self.bytes.load(Ordering::SeqCst);
        eventually("the download goes on", SECOND * 5, || {
            (self.bytes.load(Ordering::SeqCst) >= before + 10).then_some(())
        });
    }

    /// Waits until it has ended.
    pub(super) fn must_end(&self) {
        let thread = self.thread.as_ref();
        eventually("the download ends", SECOND * 5, || {
            thread.is_none_or(JoinHandle::is_finished).then_some(())
        });
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
