//! IP addresses as text (RFC 5952).
//!
//! Not core's `Display`: that contains panics that cannot happen but that no optimiser sees through, and twice
//! the code.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heapless::String;

/// Bytes of the longest address as text.
const TEXT_BYTES_MAX: usize = 39;

/// An address as text.
pub type Text = String<TEXT_BYTES_MAX>;

/// An address in the usual notation: `192.0.2.1`, `2001:db8::1`, `::ffff:192.0.2.1`.
#[must_use]
pub fn text(address: IpAddr) -> Text {
    let mut text = Text::new();
    match address {
        IpAddr::V4(address) => put_v4(&mut text, address.octets()),
        IpAddr::V6(address) => put_v6(&mut text, address),
    }
    text
}

/// Whether two addresses are the same. One function, because the comparison in place is long.
#[must_use]
#[inline(never)]
pub fn same(one: &IpAddr, other: &IpAddr) -> bool {
    one == other
}

/// The bytes of an address, 4 or 16, which are put into `buffer`.
#[must_use]
#[inline(never)]
pub fn octets<'a>(address: &IpAddr, buffer: &'a mut [u8; 16]) -> &'a [u8] {
    match address {
        IpAddr::V4(address) => {
            let (octets, _) = buffer.split_at_mut(4);
            octets.copy_from_slice(&address.octets());
            octets
        }
        IpAddr::V6(address) => {
            *buffer = address.octets();
            buffer
        }
    }
}

/// The address of these bytes; `None` if they are neither 4 nor 16.
#[must_use]
#[inline(never)]
pub fn from_octets(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => octets.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        16 => octets.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    }
}

/// The unspecified address of the same family.
#[must_use]
pub const fn unspecified(address: &IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// `Option::copied`, in one place for the same reason.
#[must_use]
#[inline(never)]
pub const fn copied(address: Option<&IpAddr>) -> Option<IpAddr> {
    address.copied()
}

fn put_v4(text: &mut Text, octets: [u8; 4]) {
    let mut is_first = true;
    for octet in octets {
        if !is_first {
            put(text, b'.');
        }
        is_first = false;
        if octet >= 100 {
            put(text, b'0' + octet / 100);
        }
        if octet >= 10 {
            put(text, b'0' + octet / 10 % 10);
        }
        put(text, b'0' + octet % 10);
    }
}

fn put_v6(text: &mut Text, address: Ipv6Addr) {
    let octets = address.octets();
    let mut segments = [0; 8];
    for (segment, pair) in segments.iter_mut().zip(octets.chunks_exact(2)) {
        *segment = pair.iter().fold(0, |number, octet| number << 8 | u16::from(*octet));
    }
    let (start, len) = longest_gap(&segments);
    let is_mapped = octets.starts_with(&MAPPED);
    for (position, segment) in segments.into_iter().enumerate() {
        if (start..start + len).contains(&position) {
            if position == start {
                put(text, b':');
            }
            continue;
        }
        if position > 0 {
            put(text, b':');
        }
        if let (6, true, [.., a, b, c, d]) = (position, is_mapped, octets) {
            return put_v4(text, [a, b, c, d]);
        }
        put_hex(text, segment);
    }
    if len > 0 && start + len == 8 {
        put(text, b':');
    }
}

/// How an IPv4 address in IPv6's clothes begins (RFC 4291 §2.5.5.2).
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The longest run of zeros, the first of equals; a single zero is not worth it (RFC 5952 §4.2).
fn longest_gap(segments: &[u16; 8]) -> (usize, usize) {
    let (mut best, mut run) = ((0, 1), 0);
    for (position, segment) in segments.iter().enumerate() {
        run = if *segment == 0 { run + 1 } else { 0 };
        if run > best.1 {
            best = (position + 1 - run, run);
        }
    }
    if best.1 > 1 { best } else { (0, 0) }
}

/// Without leading zeros (RFC 5952 §4.1), in small letters (§4.3).
fn put_hex(text: &mut Text, segment: u16) {
    for shift in [12, 8, 4, 0] {
        let digits = segment >> shift;
        if digits > 0 || shift == 0 {
            let digit = (digits & 15) as u8;
            put(text, if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
    }
}

#[inline(never)]
fn put(text: &mut Text, character: u8) {
    // There is room for the longest address.
    let _ = text.push(char::from(character));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5952 §4 and §5: the examples there, and what is known to be hard.
    #[test]
    fn addresses_are_written_as_rfc_5952_recommends() {
        for address in [
            "0.0.0.0",
            "192.0.2.1",
            "255.255.255.255",
            "10.9.100.99",
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "2001:db8:0:1:1:1:1:1",
            "2001:db8::1:0:0:1",
            "2001:0:0:1::1",
            "fe80:1111:2222:3333:4444:5555:6666:7777",
            "1:0:0:0:5:6:7::",
            "0:1::",
            "::ffff:192.0.2.1",
            "::c000:201",
            "ff02::12",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(text(address), *std::format!("{address}"));
        }
    }

    /// The oracle is core's own formatting.
    #[test]
    fn any_pattern_of_zeros_is_written_as_core_writes_it() {
        for pattern in 0..=255u16 {
            for value in [1u16, 0x20, 0xabc, 0xffff] {
                let segments =
                    core::array::from_fn(|position| if pattern >> position & 1 == 1 { value } else { 0 });
                let address = IpAddr::V6(Ipv6Addr::from(segments));
                assert_eq!(text(address), *std::format!("{address}"));
            }
        }
    }

    #[test]
    fn the_bytes_of_an_address_make_it_again() {
        for address in ["192.0.2.1", "0.0.0.0", "::", "fe80:1111:2222:3333:4444:5555:6666:7777"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(from_octets(octets(&address, &mut [0xa5; 16])), Some(address));
        }
        assert_eq!(octets(&"192.0.2.1".parse().unwrap(), &mut [0xa5; 16]), [192, 0, 2, 1]);
        for len in (0..17).filter(|len| ![4, 16].contains(len)) {
            assert_eq!(from_octets(&[1; 17][..len]), None);
        }
    }

    #[test]
    fn every_octet_is_written_as_core_writes_it() {
        for octet in 0..=255 {
            let address = IpAddr::from([octet, 0, octet, 255 - octet]);
            assert_eq!(text(address), *std::format!("{address}"));
        }
    }
}
