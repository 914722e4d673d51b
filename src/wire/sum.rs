//! The Internet checksum (RFC 1071).

use core::net::IpAddr;

use super::ip;

/// Sum of the big-endian 16-bit words of `bytes`, the last one filled with zero. A message is shorter than 64 KiB,
/// so 32 bits hold the sum, and sums can be added.
#[must_use]
pub(super) fn sum_of(bytes: &[u8]) -> u32 {
    let mut sum = 0u32;
    let mut shift = 8;
    for byte in bytes {
        sum = sum.wrapping_add(u32::from(*byte) << shift);
        shift ^= 8;
    }
    sum
}

/// What stands in a message as its checksum: the ones' complement of the sum with its carries folded in. Zero for a
/// sum that includes a checksum that is right.
#[must_use]
pub(super) const fn complement(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    !((once & 0xffff) + (once >> 16)) as u16
}

/// Sum of the pseudo-header: source, destination, length, protocol (RFC 793 §3.1, RFC 8200 §8.1).
#[must_use]
pub(super) fn pseudo_header(protocol: u8, source: &IpAddr, destination: &IpAddr, message_len: usize) -> u32 {
    u32::from(protocol) + message_len as u32 + address_sum(source) + address_sum(destination)
}

fn address_sum(address: &IpAddr) -> u32 {
    sum_of(ip::octets(address, &mut [0; 16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 §3: its own example.
    #[test]
    fn the_sum_is_that_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum_of(&bytes), 0x2ddf0);
        assert_eq!(complement(sum_of(&bytes)), !0xddf2);
    }

    #[test]
    fn an_odd_byte_is_the_high_half_of_a_word() {
        assert_eq!(sum_of(&[0x01]), 0x0100);
        assert_eq!(sum_of(&[0x01, 0x02, 0x03]), 0x0102 + 0x0300);
        assert_eq!(sum_of(&[]), 0);
    }

    #[test]
    fn a_right_checksum_leaves_zero() {
        let mut bytes = [0x12, 0x34, 0xff, 0xff, 0xfe, 0xdc, 0, 0];
        let checksum = complement(sum_of(&bytes));
        bytes[6..].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(complement(sum_of(&bytes)), 0);
    }
}
