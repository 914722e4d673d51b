//! What may be seen from outside: fixed-size records that travel over the control socket as postcard bytes.
//!
//! A client sends one [`Request`]; the daemon answers with [`Reply`]s, one packet each, the last of them
//! [`Reply::End`]. Both ends are the same program, so the format carries no version beyond [`Request`]'s.

use core::fmt::Write;
use core::net::IpAddr;

use heapless::String;
use serde::{Deserialize, Serialize};

use crate::limits::{INTERFACE_NAME_BYTES_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX};
use crate::router::{Router, Slot};
use crate::time::Instant;
use crate::vrrp::{Counters, Fault, Phase, State};
use crate::wire::vrrp::{ChecksumForm, Discard, Version};

/// Bytes of the longest packet on the control socket.
pub const PACKET_BYTES_MAX: usize = 512;

/// What a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// A [`Reply::Record`] for every virtual router, then [`Reply::Stray`].
    Status,
    /// Read the configuration again. [`Reply::File`], [`Reply::Problem`]s, then [`Reply::Reloaded`].
    Reload,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// One virtual router.
    Record(Record),
    /// Packets that belong to none, by reason, in the order of [`Discard::ALL`].
    Stray([u32; Discard::ALL.len()]),
    /// Which file is read; every [`Reply::Problem`] that follows is about it.
    File(String<PATH_BYTES_MAX>),
    /// Something is wrong with the configuration file.
    Problem {
        /// Its line, from 1; `None`: the file cannot be read at all.
        line: Option<u32>,
        /// The rest of the configuration can be used in spite of it.
        is_warning: bool,
        /// The sentence.
        text: String<240>,
    },
    /// The configuration was read again; `false`: it is refused, and the old one goes on.
    Reloaded(bool),
    /// The answer is complete.
    End,
}

/// One virtual router, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The instance's name.
    pub name: String<NAME_BYTES_MAX>,
    /// Its device.
    pub interface: String<INTERFACE_NAME_BYTES_MAX>,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Whether this is its IPv6 half.
    pub is_ipv6: bool,
    /// Protocol version, 2 or 3.
    pub version: u8,
    /// State.
    pub phase: Phase,
    /// In initialize: why.
    pub fault: Option<Fault>,
    /// Why the state was entered, as a sentence.
    pub cause: String<96>,
    /// Seconds since it was entered.
    pub since_secs: u32,
    /// Priority at the moment, with tracked weights.
    pub priority: u8,
    /// Configured priority.
    pub base_priority: u8,
    /// Own advertisement interval, centiseconds.
    pub interval_centis: u16,
    /// Where our advertisements come from.
    pub source: Option<IpAddr>,
    /// The first virtual address.
    pub address: Option<IpAddr>,
    /// Number of virtual addresses.
    pub addresses: u16,
    /// The master: ourselves, or the router that was heard last.
    pub master: Option<IpAddr>,
    /// The master's priority.
    pub master_priority: Option<u8>,
    /// Version 3: the router that was heard last, whatever its claim, sends its checksum without the
    /// pseudo-header.
    pub peer_checksum_is_rfc9568: bool,
    /// Milliseconds since a router was heard last.
    pub heard_ms: Option<u32>,
    /// Milliseconds until the next deadline: the next advert of a master, the takeover of a backup.
    pub deadline_ms: Option<u32>,
    /// Counts since the daemon started.
    pub counters: Counters,
}

impl Router {
    /// What may be seen of one virtual router.
    #[must_use]
    pub fn status(&self, now: Instant, slot: Slot) -> Option<Record> {
        let view = self.view(slot)?;
        let virtual_router = view.virtual_router();
        let (fault, deadline) = match virtual_router.state() {
            State::Initialize { fault } => (Some(*fault), None),
            State::Backup { down_at, .. } => (None, Some(*down_at)),
            State::Master { advert_at, .. } => (None, Some(*advert_at)),
        };
        let heard = virtual_router.heard();
        let (master, master_priority) = match virtual_router.phase() {
            Phase::Master => (view.rules.source, Some(view.rules.priority)),
            Phase::Backup => (heard.map(|heard| heard.address), heard.map(|heard| heard.priority)),
            Phase::Initialize => (None, None),
        };
        let mut cause = String::new();
        // A sentence that does not fit is cut at its end, which `write!` reports and nobody minds.
        let _ = write!(cause, "{}", virtual_router.cause());
        Some(Record {
            name: cut(view.rules.name),
            interface: cut(self.config().interface_name(view.instance.interface)),
            vrid: view.rules.vrid.get(),
            is_ipv6: view.rules.family == crate::config::Family::V6,
            version: view.rules.version.number(),
            phase: virtual_router.phase(),
            fault,
            cause,
            since_secs: now.since(virtual_router.since()).as_secs() as u32,
            priority: view.rules.priority,
            base_priority: view.instance.priority,
            interval_centis: view.rules.interval.centis(),
            source: view.rules.source,
            address: view.addresses().next().map(|(_, address)| address.address),
            addresses: view.addresses().count() as u16,
            master,
            master_priority,
            peer_checksum_is_rfc9568: view.rules.version == Version::V3
                && heard.is_some_and(|heard| heard.checksum == ChecksumForm::MessageOnly),
            heard_ms: heard.map(|heard| millis(now.since(heard.at))),
            deadline_ms: deadline.map(|at| millis(at.since(now))),
            counters: virtual_router.counters,
        })
    }
}

/// Milliseconds in 32 bits: 49 days, and no 64-bit division.
fn millis(span: core::time::Duration) -> u32 {
    u32::try_from(span.as_secs())
        .unwrap_or(u32::MAX)
        .saturating_mul(1000)
        .saturating_add(span.subsec_millis())
}

/// As much of `text` as there is room for.
pub(crate) fn cut<const N: usize>(text: &str) -> String<N> {
    let mut kept = String::new();
    for character in text.chars() {
        if kept.push(character).is_err() {
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest_record() -> Record {
        let address = Some("fe80:1111:2222:3333:4444:5555:6666:7777".parse().unwrap());
        let mut counters = Counters::new();
        counters.sent = u32::MAX;
        counters.received = u32::MAX;
        for reason in Discard::ALL {
            counters.discard(reason);
        }
        Record {
            name: cut("an instance with a very long name"),
            interface: cut("interface-names"),
            vrid: 255,
            is_ipv6: true,
            version: 3,
            phase: Phase::Initialize,
            fault: Some(Fault::Companion),
            cause: cut(&"x".repeat(96)),
            since_secs: u32::MAX,
            priority: 255,
            base_priority: 255,
            interval_centis: 4095,
            source: address,
            address,
            addresses: u16::MAX,
            master: address,
            master_priority: Some(255),
            peer_checksum_is_rfc9568: true,
            heard_ms: Some(u32::MAX),
            deadline_ms: Some(u32::MAX),
            counters,
        }
    }

    #[test]
    fn the_longest_record_fits_a_packet_and_survives_the_journey() {
        let reply = Reply::Record(longest_record());
        let mut buffer = [0xa5; PACKET_BYTES_MAX];
        let bytes = postcard::to_slice(&reply, &mut buffer).unwrap();
        // Every counter at its longest takes five bytes.
        assert!(bytes.len() + 28 * 5 <= PACKET_BYTES_MAX, "{}", bytes.len());
        assert_eq!(postcard::from_bytes::<Reply>(bytes).unwrap(), reply);
    }

    #[test]
    fn the_longest_problem_and_the_longest_file_name_fit_a_packet() {
        let text = cut(&"x".repeat(1000));
        let problem = Reply::Problem { line: Some(u32::MAX), is_warning: true, text };
        for reply in [problem, Reply::File(cut(&"x".repeat(1000)))] {
            let mut buffer = [0xa5; PACKET_BYTES_MAX];
            let bytes = postcard::to_slice(&reply, &mut buffer).unwrap();
            assert_eq!(postcard::from_bytes::<Reply>(bytes).unwrap(), reply);
        }
    }

    #[test]
    fn no_bytes_make_a_client_or_the_daemon_panic() {
        for seed in 0..2000u32 {
            let bytes: std::vec::Vec<u8> =
                (0..64).map(|i| (seed.wrapping_mul(2_654_435_761).rotate_left(i) >> 3) as u8).collect();
            let _ = postcard::from_bytes::<Request>(&bytes);
            let _ = postcard::from_bytes::<Reply>(&bytes);
        }
    }
}
