//! rtnetlink: links and addresses (rtnetlink(7), linux/rtnetlink.h, linux/if_addr.h).

use core::net::IpAddr;

use super::{Full, IfIndex, Mac};

/// The mark (`IFA_PROTO`) on every address that we install, so that a restart knows its own: 112, as VRRP.
pub const ADDRESS_MARK: u8 = 112;

/// One message from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// A link exists, or has changed.
    Link(Link<'a>),
    /// A link is gone.
    LinkGone(IfIndex),
    /// An address exists, or has changed.
    Address(Address),
    /// An address is gone.
    AddressGone(Address),
    /// The answer to the dump request with this sequence number is complete.
    Done {
        /// Sequence number of the request.
        sequence: u32,
        /// Something changed in the middle (`NLM_F_DUMP_INTR`): the answer may be torn.
        torn: bool,
    },
    /// A request was refused.
    Refused {
        /// Sequence number of the request.
        sequence: u32,
        /// Positive errno.
        errno: i32,
        /// The address that it was about, if it was about one.
        address: Option<Address>,
    },
}

/// What we want to know of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<'a> {
    /// The kernel's number.
    pub index: IfIndex,
    /// Its name.
    pub name: &'a str,
    /// Its Ethernet address, if it has one.
    pub mac: Option<Mac>,
    /// `IFF_UP` and `IFF_RUNNING`: switched on, and with carrier.
    pub running: bool,
}

/// What we want to know of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The link that it is on.
    pub interface: IfIndex,
    /// The address (`IFA_LOCAL`, else `IFA_ADDRESS`).
    pub address: IpAddr,
    /// Prefix length.
    pub prefix_len: u8,
    /// Usable as a source: neither tentative nor failed in duplicate address detection.
    pub usable: bool,
    /// Carries [`ADDRESS_MARK`].
    pub marked: bool,
}

/// An address to install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAddress<'a> {
    /// The link.
    pub interface: IfIndex,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix_len: u8,
    /// `rt_scope`; ignored for IPv6.
    pub scope: u8,
    /// IPv4 label; empty: none.
    pub label: &'a str,
    /// Seconds that it stays valid unless renewed; `None`: for ever.
    pub lifetime_secs: Option<u32>,
}

/// The messages in one datagram from the kernel; what we do not know is skipped, what is broken ends it.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let _ = datagram;
    core::iter::empty()
}

/// Writes a request that installs or renews an address, and returns its length in bytes. IPv6 addresses
/// skip duplicate address detection (`IFA_F_NODAD`; RFC 9568 §8.2.2, AD17).
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn add_address(new: &NewAddress<'_>, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let _ = (new, sequence, buffer);
    Err(Full)
}

/// Writes a request that removes an address, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn delete_address(
    interface: IfIndex,
    address: IpAddr,
    prefix_len: u8,
    sequence: u32,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let _ = (interface, address, prefix_len, sequence, buffer);
    Err(Full)
}

/// Writes a request for all links, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn dump_links(sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let _ = (sequence, buffer);
    Err(Full)
}

/// Writes a request for all addresses of both families, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn dump_addresses(sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let _ = (sequence, buffer);
    Err(Full)
}
