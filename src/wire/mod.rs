//! Bytes to values and back; pure and total.
//!
//! **Parsing** takes bytes from outside and never panics, whatever they are: it reads with
//! `split_first_chunk`, `get` and `chunks_exact`, never by index, and returns a small error or skips
//! what it does not know. **Emitting** writes into the caller's fixed buffer, sets every byte of what
//! it returns, and fails only for want of room.

use core::fmt;

pub mod bfd;
pub mod filter;
pub mod frame;
pub mod icmp;
pub mod ip;
pub mod ipvs;
pub mod link;
pub mod neighbour;
pub mod netlink;
pub mod nft;
pub mod ra;
pub mod route;
pub mod rtnl;
mod sum;
pub mod vrrp;

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The kernel's number for a network device (1 and up). A device that is deleted and made anew under
/// the same name has another number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct IfIndex(pub u32);

/// A buffer was too small for what was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message does not fit its buffer")
    }
}

/// Writes bytes one after another into a fixed buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// A writer at the start of `buffer`.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Number of bytes written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// [`Full`] if they do not fit; then nothing of them is written.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.set(self.len, bytes)?;
        self.len += bytes.len();
        Ok(())
    }

    /// Writes `bytes` over what stands at `at`, for lengths and checksums that are known late.
    ///
    /// # Errors
    /// [`Full`] if they do not fit the buffer.
    pub fn set(&mut self, at: usize, bytes: &[u8]) -> Result<(), Full> {
        let room = self.buffer.get_mut(at..).ok_or(Full)?;
        room.get_mut(..bytes.len()).ok_or(Full)?.copy_from_slice(bytes);
        Ok(())
    }

    /// What has been written.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or(&[])
    }
}
