//! A neighbour that asks whoever announces an address whether it answers there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::capture::{self, Frame, Packet};
use super::client::echo_request;
use super::flood::Flooder;
use super::forge::checksum;
use super::host::Host;

const ICMP: u8 = 1;
/// An address that is announced several times in a row is asked once.
const AGAIN: Duration = Duration::from_millis(20);

/// Pings an address as soon as it is announced, and exactly who has announced it. The capture has the answers.
pub(crate) struct Asker {
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

impl Asker {
    /// Asks through this device, which has this Ethernet address, as `source`.
    pub(crate) fn start(host: &Host, device: &str, mac: [u8; 6], source: Ipv4Addr) -> Self {
        let ears = host.namespace().inside(capture::open).expect("a packet socket can be opened");
        let mouth = Flooder::new(host, device);
        let stop = Arc::new(AtomicBool::new(false));
        let sharer = Arc::clone(&stop);
        let worker = thread::spawn(move || {
            let mut asked: BTreeMap<Ipv4Addr, Instant> = BTreeMap::new();
            let mut buffer = [0; capture::FRAME_BYTES_MAX];
            while !sharer.load(Ordering::Relaxed) {
                let Some(frame) = capture::receive(&ears, &mut buffer) else { continue };
                let Some(address) = frame.gratuitous_arp() else { continue };
                if asked.get(&address).is_some_and(|at| at.elapsed() < AGAIN) {
                    continue;
                }
                asked.insert(address, Instant::now());
                mouth.send(&question(&frame.bytes[6..12], &mac, source, address));
            }
        });
        Self { stop, worker: Some(worker) }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

impl Frame {
    /// Who answers a ping with it.
    pub(crate) fn echo_answer(&self) -> Option<IpAddr> {
        let Packet { source, payload, .. } = self.packet(ICMP)?;
        (*payload.first()? == 0).then_some(source)
    }
}

/// An echo request in its frame.
fn question(to: &[u8], from: &[u8], source: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let echo = echo_request(target.into(), 1);
    let len = 20 + echo.len() as u8;
    let mut ip = vec![0x45, 0, 0, len, 0, 1, 0, 0, 64, ICMP, 0, 0];
    ip.extend(source.octets());
    ip.extend(target.octets());
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    [to, from, &[0x08, 0x00], &ip, &echo].concat()
}
