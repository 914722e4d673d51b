//! Whether a packet is for a virtual router at all. Everything is checked here before anything moves
//! (law 10): what fails is counted under its reason and forgotten.

use core::net::IpAddr;

use super::Rules;
use crate::config::Peer;
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
/// `peers` are the configured unicast peers; none means multicast.
///
/// # Errors
/// The first rule that is broken.
pub fn admit<'a>(
    rules: &Rules<'_>,
    peers: &[Peer],
    envelope: &Envelope,
    message: &'a [u8],
) -> Result<Advert<'a>, Discard> {
    check_envelope(rules, peers, envelope)?;
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

/// Multicast needs TTL 255 (RX01). Unicast needs a configured sender (RX23), whose TTL is checked as
/// configured, since keepalived sends IPv6 unicast with hop limit 64.
fn check_envelope(rules: &Rules<'_>, peers: &[Peer], envelope: &Envelope) -> Result<(), Discard> {
    let to_group = match envelope.destination {
        IpAddr::V4(address) => address.is_multicast(),
        IpAddr::V6(address) => address.is_multicast(),
    };
    if to_group != peers.is_empty() {
        return Err(Discard::Cast);
    }
    let (ttl_min, ttl_max) = if peers.is_empty() {
        (TTL, TTL)
    } else {
        let peer = peers.iter().find(|peer| peer.address == envelope.source).ok_or(Discard::Peer)?;
        (peer.min_ttl, peer.max_ttl)
    };
    if !(ttl_min..=ttl_max).contains(&envelope.ttl) {
        return Err(Discard::Ttl);
    }
    if rules.source == Some(envelope.source) {
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
