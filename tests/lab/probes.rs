//! Probes that need no script, and default routes, move the mastership between two routers.

use std::io::{ErrorKind, Read, Write};
#[cfg(feature = "ipvs")]
use std::net::UdpSocket;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Host, Port, eventually, now};
use crate::lone::{SECOND, VRID};
use crate::tracking::Pair;

/// What is probed: a machine on the segment of the two routers.
struct Far {
    host: Host,
    port: Port,
}

impl Far {
    fn attach(pair: &Pair) -> Self {
        let host = Host::new("far");
        let port = pair.lan.attach_with(&host, "eth0", &["10.0.0.9/24", "fd00::9/64", "fe80::99/64"]);
        Self { host, port }
    }

    /// A server there that does this with everybody who connects.
    fn serve(&self, address: &str, work: impl Fn(TcpStream) + Send + Sync + 'static) -> Server {
        let address: SocketAddr = address.parse().unwrap();
        // An address of IPv6 may still be tentative.
        let listener = eventually("it is bound", SECOND * 8, || {
            self.host.namespace().inside(|| TcpListener::bind(address).ok())
        });
        listener.set_nonblocking(true).unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let (is_over, work) = (Arc::clone(&ends), Arc::new(work));
        let thread = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let work = Arc::clone(&work);
                        stream.set_nonblocking(false).unwrap();
                        thread::spawn(move || work(stream));
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            }
        });
        Server { ends, thread: Some(thread) }
    }
}

#[cfg(feature = "ipvs")]
impl Far {
    /// A server there that answers each datagram with these, or with none.
    fn answer(&self, address: &str, work: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Server {
        let address: SocketAddr = address.parse().unwrap();
        let socket = eventually("it is bound", SECOND * 8, || {
            self.host.namespace().inside(|| UdpSocket::bind(address).ok())
        });
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !is_over.load(Ordering::Relaxed) {
                if let Ok((len, from)) = socket.recv_from(&mut buffer) {
                    for answer in work(&buffer[..len]) {
                        let _ = socket.send_to(&answer, from);
                    }
                }
            }
        });
        Server { ends, thread: Some(thread) }
    }
}

#[cfg(feature = "ipvs")]
fn becomes(pair: &Pair, name: &str, state: &str) {
    eventually(&format!("{name} is {state}"), SECOND * 8, || (state_of(pair, name).1 == state).then_some(()));
}

/// A server, for as long as this value lives.
struct Server {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads the request to its end, and returns it.
fn request(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|len| len > 0) {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

fn probe(name: &str, options: &[(&str, &str)]) -> String {
    let lines: String = options.iter().map(|(name, value)| format!("\toption {name} '{value}'\n")).collect();
    format!("\nconfig probe '{name}'\n{lines}")
}

fn state_of(pair: &Pair, name: &str) -> (String, String) {
    let status = pair.first.status();
    let tracks = status["instances"][0]["tracks"].as_array().unwrap().clone();
    let track = tracks.iter().find(|track| track["name"] == name).unwrap();
    (track["kind"].as_str().unwrap().to_owned(), track["state"].as_str().unwrap().to_owned())
}

/// A machine that is there, is gone, and is there again.
fn moves_with_the_machine(options: &[(&str, &str)]) {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let tracking = "\tlist track_probe 'far weight -60'\n".to_owned() + &probe("far", options);
    let pair = Pair::start(&tracking);
    pair.wait_master(1, 150);
    let far = Far::attach(&pair);
    pair.wait_master(0, 200);
    far.port.unplug();
    pair.wait_master(1, 150);
    assert_eq!(state_of(&pair, "far"), (options[0].1.to_owned(), "down".to_owned()));
    far.port.plug();
    pair.wait_master(0, 200);
    assert_eq!(state_of(&pair, "far").1, "up");
    let log = pair.first.log();
    assert!(!log.contains("more privileges"), "{log}");
    assert!(log.lines().count() < 40, "a line for each try: {log}");
}

#[test]
fn a_ping_moves_the_mastership() {
    moves_with_the_machine(&[("type", "ping"), ("address", "10.0.0.9")]);
}

#[test]
fn a_ping_over_ipv6_moves_the_mastership() {
    moves_with_the_machine(&[("type", "ping"), ("address", "fd00::9")]);
}

#[test]
fn a_ping_of_a_link_local_address_moves_the_mastership() {
    moves_with_the_machine(&[("type", "ping"), ("address", "fe80::99"), ("interface", "eth0")]);
}

#[test]
fn an_arp_question_moves_the_mastership() {
    moves_with_the_machine(&[("type", "arp"), ("address", "10.0.0.9"), ("interface", "eth0")]);
}

#[test]
fn a_neighbour_solicitation_moves_the_mastership() {
    moves_with_the_machine(&[("type", "arp"), ("address", "fd00::9"), ("interface", "eth0")]);
}

#[test]
fn a_tcp_port_moves_the_mastership() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let tracking = "\tlist track_probe 'far'\n".to_owned()
        + &probe("far", &[("type", "tcp"), ("address", "fd00::9"), ("port", "22"), ("interface", "eth0")]);
    let pair = Pair::start(&tracking);
    pair.wait_master(1, 150);
    let far = Far::attach(&pair);
    let server = far.serve("[fd00::9]:22", drop);
    pair.wait_master(0, 200);
    drop(server);
    pair.wait_master(1, 150);
    assert_eq!(state_of(&pair, "far"), ("tcp".to_owned(), "down".to_owned()));
    let log = pair.first.log();
    assert!(log.contains("probe far: refused"), "{log}");
    assert_eq!(pair.first.status()["instances"][0]["reason"], "tracked probe failed");
    let _server = far.serve("[fd00::9]:22", drop);
    pair.wait_master(0, 200);
}

#[test]
fn an_http_server_moves_the_mastership_by_its_status_and_its_text() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let options = [
        ("type", "http"),
        ("address", "10.0.0.9"),
        ("port", "8080"),
        ("path", "/health?full=1"),
        ("virtualhost", "www.example.org"),
        ("status_code", "200-202"),
        ("text", "all is well"),
    ];
    let pair = Pair::start(&("\tlist track_probe 'web weight -60'\n".to_owned() + &probe("web", &options)));
    let far = Far::attach(&pair);
    let mood = Arc::new(AtomicU8::new(0));
    let now = Arc::clone(&mood);
    let _server = far.serve("10.0.0.9:8080", move |mut stream| {
        let asked = request(&mut stream);
        let is_right = asked.starts_with("GET /health?full=1 HTTP/1.0\r\nHost: www.example.org\r\n");
        let (status, text) = match now.load(Ordering::Relaxed) {
            _ if !is_right => (400, "what?"),
            0 => (202, "here all is well, thanks"),
            1 => (503, "all is well"),
            _ => (200, "all is wel"),
        };
        let _ = write!(stream, "HTTP/1.1 {status} X\r\nServer: all is well\r\n\r\n{text}");
    });
    for (bad, said) in [(1, "probe web: status 503"), (2, "probe web: the reply ends too early")] {
        eventually("the server is found", SECOND * 8, || (state_of(&pair, "web").1 == "up").then_some(()));
        pair.wait_master(0, 200);
        mood.store(bad, Ordering::Relaxed);
        pair.wait_master(1, 150);
        let log = pair.first.log();
        assert!(log.contains(said), "{log}");
        mood.store(0, Ordering::Relaxed);
    }
    pair.wait_master(0, 200);
}

/// Servers that never answer, answer a byte a second, megabytes or garbage, close, refuse, or are not there; all at once,
/// beside one that is well. Each counts as what it is, and the master advertises as if nothing were.
#[test]
fn hostile_servers_hold_nobody_up() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let servers: [(&str, &str, &str); 8] = [
        ("well", "10.0.0.9:80", "up"),
        ("silent", "10.0.0.9:81", "down"),
        ("dripping", "10.0.0.9:82", "down"),
        ("endless", "10.0.0.9:83", "down"),
        ("garbage", "10.0.0.9:84", "down"),
        ("closing", "10.0.0.9:85", "down"),
        ("refusing", "10.0.0.9:86", "down"),
        ("absent", "10.0.0.77:80", "down"),
    ];
    let mut tracking = String::from("\tlist track_probe '");
    servers.iter().for_each(|(name, _, _)| tracking += &format!("{name} weight -5 "));
    tracking += "'\n";
    for (name, address, _) in servers {
        let (address, port) = address.split_once(':').unwrap();
        let options =
            [("type", "http"), ("address", address), ("port", port), ("text", "well"), ("timeout", "2")];
        tracking += &probe(name, &options);
    }
    let pair = Pair::start(&tracking);
    let far = Far::attach(&pair);
    let reply: &[u8; 23] = b"HTTP/1.0 200 OK\r\n\r\nwell";
    let _servers = [
        far.serve(servers[0].1, |mut stream| {
            request(&mut stream);
            let _ = stream.write_all(reply);
        }),
        far.serve(servers[1].1, |mut stream| {
            request(&mut stream);
            thread::sleep(SECOND * 5);
        }),
        far.serve(servers[2].1, move |mut stream| {
            for byte in reply {
                thread::sleep(SECOND);
                if stream.write_all(&[*byte]).is_err() {
                    break;
                }
            }
        }),
        far.serve(servers[3].1, |mut stream| {
            let _ = stream.write_all(&reply[..19]);
            while stream.write_all(&[b'w'; 4096]).is_ok() {}
        }),
        far.serve(servers[4].1, |mut stream| {
            let noise: Vec<u8> =
                (0..100_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
            let _ = stream.write_all(&noise);
        }),
        far.serve(servers[5].1, drop),
    ];
    for (name, _, state) in servers {
        eventually(&format!("{name} is {state}"), SECOND * 8, || {
            (state_of(&pair, name).1 == state).then_some(())
        });
    }
    pair.wait_master(0, 165);
    let from = now();
    thread::sleep(SECOND * 6);
    let adverts = pair.capture.adverts(&pair.ports[0], VRID, from);
    // One each tenth of a second.
    assert!(adverts.len() >= 50, "{}", adverts.len());
    for pair in adverts.windows(2) {
        let gap = pair[1].0 - pair[0].0;
        assert!(gap < SECOND / 4, "{gap:?}");
    }
    assert!(pair.capture.adverts(&pair.ports[1], VRID, from).is_empty());
    assert!(pair.first.log().lines().count() < 60, "{}", pair.first.log());
}

/// Where nothing must be answered, a port that somebody has is one that nobody refuses.
#[cfg(feature = "ipvs")]
#[test]
fn a_udp_port_moves_the_mastership_by_silence_and_another_by_its_answer() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let options = [("type", "udp"), ("address", "10.0.0.9"), ("port", "514")];
    let echo = [
        ("type", "udp"),
        ("address", "fd00::9"),
        ("port", "7"),
        ("payload", "c0 ffee"),
        ("require_reply", "1"),
        ("interface", "eth0"),
    ];
    let tracking = "\tlist track_probe 'far weight -60 echo weight 1'\n".to_owned()
        + &probe("far", &options)
        + &probe("echo", &echo);
    let pair = Pair::start(&tracking);
    let far = Far::attach(&pair);
    becomes(&pair, "far", "down");
    let silent = far.answer("10.0.0.9:514", |_| vec![]);
    becomes(&pair, "far", "up");
    pair.wait_master(0, 200);
    assert_eq!(state_of(&pair, "far").0, "udp");
    let log = pair.first.log();
    assert!(log.contains("probe far: refused"), "{log}");
    assert!(!log.contains("more privileges"), "{log}");
    drop(silent);
    pair.wait_master(1, 150);

    let mute = far.answer("[fd00::9]:7", |_| vec![]);
    becomes(&pair, "echo", "down");
    drop(mute);
    let _echo = far.answer("[fd00::9]:7", |datagram| match datagram {
        [0xc0, 0xff, 0xee] => vec![datagram.to_vec()],
        _ => vec![],
    });
    becomes(&pair, "echo", "up");
}

/// The answer of a name server that has no error; answers to other questions are none.
#[cfg(feature = "ipvs")]
#[test]
fn a_name_server_moves_the_mastership_by_what_it_says() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let options =
        [("type", "dns"), ("address", "10.0.0.9"), ("dns_type", "A"), ("dns_name", "www.example.org")];
    let pair = Pair::start(&("\tlist track_probe 'far weight -60'\n".to_owned() + &probe("far", &options)));
    pair.wait_master(1, 150);
    let far = Far::attach(&pair);
    let mood = Arc::new(AtomicU8::new(0));
    let now = Arc::clone(&mood);
    let _server = far.answer("10.0.0.9:53", move |question| {
        assert!(question[12..].starts_with(b"\x03www\x07example\x03org\0\0\x01\0\x01"));
        let mut answer = question.to_vec();
        answer[2] |= 0x80;
        answer[3] = 0x80 | now.load(Ordering::Relaxed);
        let mut other = answer.clone();
        other[0] ^= 0x55;
        other[3] = 5;
        vec![question.to_vec(), other, vec![], answer]
    });
    pair.wait_master(0, 200);
    assert_eq!(state_of(&pair, "far"), ("dns".to_owned(), "up".to_owned()));
    mood.store(2, Ordering::Relaxed);
    pair.wait_master(1, 150);
    let log = pair.first.log();
    assert!(log.contains("probe far: the name server says error 2"), "{log}");
}

/// A mail server is ready when it says so in the last line of its greeting, and is told that it may go on.
#[cfg(feature = "ipvs")]
#[test]
fn a_mail_server_moves_the_mastership_by_its_greeting() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let options = [("type", "smtp"), ("address", "10.0.0.9")];
    let pair = Pair::start(&("\tlist track_probe 'far weight -60'\n".to_owned() + &probe("far", &options)));
    pair.wait_master(1, 150);
    let far = Far::attach(&pair);
    let (mood, quits) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicU8::new(0)));
    let (now, count) = (Arc::clone(&mood), Arc::clone(&quits));
    let _server = far.serve("10.0.0.9:25", move |mut stream| {
        let greeting = match now.load(Ordering::Relaxed) {
            0 => "220-mail.example.org\r\n220 ready\r\n",
            1 => "220-mail.example.org\r\n421 busy\r\n",
            _ => "SSH-2.0-dropbear\r\n",
        };
        let _ = stream.write_all(greeting.as_bytes());
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        if said == "QUIT\r\n" {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    for (bad, said) in [(1, "probe far: status 421"), (2, "probe far: the greeting is no SMTP")] {
        pair.wait_master(0, 200);
        mood.store(bad, Ordering::Relaxed);
        pair.wait_master(1, 150);
        let log = pair.first.log();
        assert!(log.contains(said), "{log}");
        mood.store(0, Ordering::Relaxed);
    }
    pair.wait_master(0, 200);
    assert_eq!(state_of(&pair, "far").0, "smtp");
    assert!(quits.load(Ordering::Relaxed) > 0);
}

/// As `genhash` and `md5sum` print it; what the page says beside it counts too.
#[cfg(feature = "ipvs")]
#[test]
fn a_page_moves_the_mastership_by_its_digest() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let options = [
        ("type", "http"),
        ("address", "10.0.0.9"),
        ("digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("text", "age"),
    ];
    let pair = Pair::start(&("\tlist track_probe 'web weight -60'\n".to_owned() + &probe("web", &options)));
    pair.wait_master(1, 150);
    let far = Far::attach(&pair);
    let mood = Arc::new(AtomicU8::new(0));
    let now = Arc::clone(&mood);
    let _server = far.serve("10.0.0.9:80", move |mut stream| {
        request(&mut stream);
        let page = if now.load(Ordering::Relaxed) == 0 { "message digest" } else { "message digests" };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n{page}");
    });
    pair.wait_master(0, 200);
    mood.store(1, Ordering::Relaxed);
    pair.wait_master(1, 150);
    let log = pair.first.log();
    assert!(log.contains("probe web: the page has another digest"), "{log}");
    mood.store(0, Ordering::Relaxed);
    pair.wait_master(0, 200);
}
