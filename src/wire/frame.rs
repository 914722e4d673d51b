//! Ethernet frames that announce an address, and the IPv4 header that a raw socket delivers.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::vrrp::Discard;
use super::{Full, Mac};

/// Bytes of the longest frame written here: an unsolicited neighbour advertisement.
pub const FRAME_BYTES_MAX: usize = 86;

/// What matters of an IPv4 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Packet<'a> {
    /// Sender.
    pub source: Ipv4Addr,
    /// Receiver or group.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
    /// What follows the header and its options, up to the header's own total length (RX05, RX06).
    pub payload: &'a [u8],
}

impl<'a> Ipv4Packet<'a> {
    /// Reads a packet as a raw socket delivers it.
    ///
    /// # Errors
    /// [`Discard::IpHeader`] if version, header length or total length are impossible (RFC 791 §3.1), or the
    /// packet is a fragment, or the source is unspecified, multicast or broadcast; [`Discard::Short`] if it is
    /// cut before its total length.
    pub fn parse(packet: &'a [u8]) -> Result<Self, Discard> {
        let _ = packet;
        Err(Discard::IpHeader)
    }
}

/// Writes a gratuitous ARP request for `address` and returns its length: broadcast, sender and target IP
/// are the address, target MAC is all ones as keepalived and FRR send it (RFC 9568 §6.4.1; AD11).
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn gratuitous_arp(mac: Mac, address: Ipv4Addr, buffer: &mut [u8]) -> Result<usize, Full> {
    let _ = (mac, address, buffer);
    Err(Full)
}

/// Writes an unsolicited neighbour advertisement for `address` and returns its length: from the address to
/// ff02::1, hop limit 255, Router and Override set, with the target link-layer option (RFC 9568 §6.4.1,
/// RFC 4861 §4.4; AD12).
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn unsolicited_na(mac: Mac, address: Ipv6Addr, buffer: &mut [u8]) -> Result<usize, Full> {
    let _ = (mac, address, buffer);
    Err(Full)
}
