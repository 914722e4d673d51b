//! Whether a packet is for a virtual router at all. Everything is checked here before anything moves
//! (law 10): what fails is counted under its reason and forgotten.

use core::net::IpAddr;

use super::Rules;
use crate::config::Peer;
use crate::wire::ip;
use crate::wire::vrrp::{Advert, Authentication, Discard, TTL, Version};

/// The outside of a received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Sender.
    pub source: IpAddr,
    /// Receiver or group.
    pub destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
}

/// Reads a message and checks it against the rules of RFC 9568 §7.1 (version 2: RFC 3768 §7.1).
///
/// `group` is the multicast group that is listened to; `None` with unicast `peers`.
///
/// # Errors
/// The first rule that is broken.
pub fn admit<'a>(
    rules: &Rules<'_>,
    group: Option<IpAddr>,
    peers: &[Peer],
    envelope: &Envelope,
    message: &'a [u8],
) -> Result<Advert<'a>, Discard> {
    check_envelope(rules, group, peers, envelope)?;
    let advert = Advert::parse(message, envelope.source, envelope.destination)?;
    if advert.version != rules.version {
        return Err(Discard::Version);
    }
    match rules.version {
        Version::V2 => check_v2(rules, &advert)?,
        // The interval is learned, not compared (RFC 9568 §7.1; RX18).
        Version::V3 => {}
    }
    Ok(advert)
}

/// Multicast needs our group and TTL 255 (RX01): the kernel delivers other groups that somebody on the host has
/// joined. Unicast needs a configured sender (RX23), whose TTL is checked as configured, since keepalived sends IPv6
/// unicast with hop limit 64.
fn check_envelope(
    rules: &Rules<'_>,
    group: Option<IpAddr>,
    peers: &[Peer],
    envelope: &Envelope,
) -> Result<(), Discard> {
    let (ttl_min, ttl_max) = match group {
        Some(group) if ip::same(&envelope.destination, &group) => (TTL, TTL),
        Some(_) => return Err(Discard::Cast),
        None if envelope.destination.is_multicast() => return Err(Discard::Cast),
        None => {
            let mut peers = peers.iter();
            let peer = peers.find(|peer| ip::same(&peer.address, &envelope.source)).ok_or(Discard::Peer)?;
            (peer.min_ttl, peer.max_ttl)
        }
    };
    if !(ttl_min..=ttl_max).contains(&envelope.ttl) {
        return Err(Discard::Ttl);
    }
    if rules.source.is_some_and(|source| ip::same(source, &envelope.source)) {
        return Err(Discard::Own);
    }
    Ok(())
}

/// RFC 3768 §7.1 with RFC 2338 §5.3.6: authentication (RX14, RX15), then the interval (RX17).
fn check_v2(rules: &Rules<'_>, advert: &Advert<'_>) -> Result<(), Discard> {
    match (rules.password, advert.authentication) {
        (None, Authentication::None) => {}
        (Some(ours), Authentication::Pass(theirs)) if ours == theirs => {}
        (Some(_), Authentication::Pass(_)) => return Err(Discard::Password),
        (None, Authentication::Pass(_)) | (Some(_), Authentication::None) => {
            return Err(Discard::AuthType);
        }
    }
    if advert.interval != rules.interval {
        return Err(Discard::IntervalDiffers);
    }
    Ok(())
}
