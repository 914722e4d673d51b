//! Values: bytes of the file to flags, numbers, addresses and names. Pure; `None` is "not one".

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::limits::{INTERFACE_NAME_BYTES_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, SCRIPT_WORDS_MAX};

/// The words of a value, which white space separates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    pub(super) const fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    /// The next word, which stays there.
    pub(super) fn peek(self) -> Option<&'a [u8]> {
        let mut ahead = self;
        ahead.next()
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest.trim_ascii_start();
        let len = text.iter().position(u8::is_ascii_whitespace);
        let (word, rest) = text.split_at_checked(len.unwrap_or(text.len()))?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// Which of the known words, which blanks separate, the text is: its place, from 0.
#[inline(never)]
pub(crate) fn choice(text: &[u8], known: &'static str) -> Option<usize> {
    Words::new(known.as_bytes()).position(|word| word == text)
}

/// A boolean as OpenWrt's shell functions read it (`get_bool`), in lower case.
pub(crate) fn flag(text: &[u8]) -> Option<bool> {
    // The true ones stand first.
    choice(text, "1 on true yes enabled 0 off false no disabled").map(|place| place < 5)
}

/// Whether a value asks for something: it is neither an "off" nor a zero nor empty.
pub(super) fn is_asking(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let is_zero = text.iter().all(|byte| matches!(byte, b'0' | b'.'));
    !is_zero && flag(text) != Some(false)
}

/// A decimal number with an optional sign, −999999999..=999999999.
pub(crate) fn integer(text: &[u8]) -> Option<i32> {
    if let Some(digits) = text.strip_prefix(b"-") {
        return decimal(digits, 0).map(|number| -number);
    }
    decimal(text.strip_prefix(b"+").unwrap_or(text), 0)
}

/// A mark of the packet filter, which is not 0: in decimal, or with `0x` before it in hexadecimal.
pub(super) fn mark(text: &[u8]) -> Option<u32> {
    let mark = match text.strip_prefix(b"0x") {
        Some(digits) => u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?,
        None => integer(text)?.try_into().ok()?,
    };
    (mark != 0).then_some(mark)
}

/// A decimal fraction in units of its last place: with two `places`, `1.5` is 150. Further places must be
/// zeros. 0..=999999999.
pub(crate) fn decimal(text: &[u8], places: u32) -> Option<i32> {
    let mut number: i32 = 0;
    let mut digits = 0u32;
    let mut places_left = None;
    for byte in text {
        match (byte, places_left) {
            (b'.', None) => {
                places_left = Some(places);
                continue;
            }
            (b'0', Some(0)) => continue,
            (b'0'..=b'9', Some(1..)) | (b'0'..=b'9', None) => {}
            _ => return None,
        }
        number = append_digit(number, i32::from(byte - b'0'))?;
        digits += 1;
        places_left = places_left.map(|left| left - 1);
    }
    if digits == 0 {
        return None;
    }
    for _ in 0..places_left.unwrap_or(places) {
        number = append_digit(number, 0)?;
    }
    Some(number)
}

fn append_digit(number: i32, digit: i32) -> Option<i32> {
    if number > 99_999_999 {
        return None;
    }
    Some(number * 10 + digit)
}

/// Two numbers with a hyphen between them, or one that is both.
pub(super) fn range(text: &[u8]) -> Option<[i32; 2]> {
    let hyphen = text.iter().position(|byte| *byte == b'-');
    let (first, rest) = text.split_at_checked(hyphen.unwrap_or(text.len()))?;
    let first = decimal(first, 0)?;
    let last = match rest.strip_prefix(b"-") {
        Some(last) => decimal(last, 0)?,
        None => first,
    };
    Some([first, last])
}

/// An IP address without a prefix length. Not core's parser: the compiler cannot see that it never panics.
pub(crate) fn address(text: &[u8]) -> Option<IpAddr> {
    if text.contains(&b':') { ipv6(text).map(IpAddr::V6) } else { ipv4(text).map(IpAddr::V4) }
}

fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut parts = text.split(|byte| *byte == b'.');
    let mut octets = [0; 4];
    for octet in &mut octets {
        let part = parts.next()?;
        let is_octal = part.len() > 1 && part.starts_with(b"0");
        *octet = u8::try_from(decimal(part, 0).filter(|_| !is_octal)?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

/// Groups of 16 bits with colons between them (RFC 4291 §2.2); `::` stands for one zero or more.
fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let mut groups = Groups { octets: [0; 16], len: 0 };
    let mut gap = None;
    let mut rest = text;
    if let Some(behind) = text.strip_prefix(b"::") {
        gap = Some(0);
        rest = behind;
    }
    while !rest.is_empty() {
        let len = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
        let (part, behind) = rest.split_at_checked(len)?;
        if behind.is_empty() && part.contains(&b'.') {
            let [a, b, c, d] = ipv4(part)?.octets();
            groups.push([a, b])?;
            groups.push([c, d])?;
            break;
        }
        groups.push(group(part)?)?;
        rest = match behind {
            [b':', b':', behind @ ..] if gap.is_none() => {
                gap = Some(groups.len);
                behind
            }
            // What stands behind a colon is a group.
            [b':', behind @ ..] if behind.first().is_some_and(|byte| *byte != b':') => behind,
            [] => break,
            _ => return None,
        };
    }
    groups.address(gap)
}

/// Up to four hexadecimal digits.
fn group(text: &[u8]) -> Option<[u8; 2]> {
    if text.is_empty() || text.len() > 4 {
        return None;
    }
    let mut number = 0u16;
    for byte in text {
        number = number << 4 | char::from(*byte).to_digit(16)? as u16;
    }
    Some(number.to_be_bytes())
}

struct Groups {
    octets: [u8; 16],
    /// Octets that are written.
    len: usize,
}

impl Groups {
    fn push(&mut self, group: [u8; 2]) -> Option<()> {
        let (slot, _) = self.octets.get_mut(self.len..)?.split_first_chunk_mut()?;
        *slot = group;
        self.len += 2;
        Some(())
    }

    /// What stands behind the gap goes to the end.
    fn address(self, gap: Option<usize>) -> Option<Ipv6Addr> {
        let Self { octets, len } = self;
        let Some(gap) = gap else {
            return (len == 16).then(|| Ipv6Addr::from(octets));
        };
        let mut spread = [0; 16];
        let (head, tail) = octets.get(..len)?.split_at_checked(gap)?;
        spread.get_mut(..gap)?.copy_from_slice(head);
        spread.get_mut(16 - tail.len()..)?.copy_from_slice(tail);
        (len < 16).then(|| Ipv6Addr::from(spread))
    }
}

/// What is wrong with an address that has a prefix length.
pub(crate) enum PrefixFault {
    /// It is no address.
    Address,
    /// The prefix length is not from 1 to this.
    Length(u8),
}

/// An address with or without a prefix length; without, it is the whole address, as with keepalived.
pub(crate) fn address_with_prefix(text: &[u8]) -> Result<(IpAddr, u8), PrefixFault> {
    let slash = text.iter().position(|byte| *byte == b'/');
    let (before, after) = text.split_at_checked(slash.unwrap_or(text.len())).unwrap_or((text, &[]));
    let address = address(before).ok_or(PrefixFault::Address)?;
    let whole = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let Some(length) = after.strip_prefix(b"/") else {
        return Ok((address, whole));
    };
    match decimal(length, 0).and_then(|length| u8::try_from(length).ok()) {
        Some(length) if (1..=whole).contains(&length) => Ok((address, length)),
        Some(_) | None => Err(PrefixFault::Length(whole)),
    }
}

/// An address with or without a prefix length, which may be 0 here.
pub(super) fn network(text: &[u8]) -> Option<(IpAddr, u8)> {
    match text.strip_suffix(b"/0") {
        Some(before) => address(before).map(|address| (address, 0)),
        None => address_with_prefix(text).ok(),
    }
}

/// No address, of either family.
pub(super) const NO_IPV4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// See [`NO_IPV4`].
pub(super) const NO_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Whether a single host can have the address: it is not unspecified, loopback, multicast or a broadcast.
pub(super) fn is_host(address: IpAddr) -> bool {
    let is_broadcast = match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(_) => false,
    };
    !(is_broadcast || address.is_unspecified() || address.is_loopback() || address.is_multicast())
}

/// Whether packets can be sent to it: as [`is_host`], or our own.
pub(super) fn is_destination(address: IpAddr) -> bool {
    is_host(address) || address.is_loopback()
}

/// Whether an address stands for its whole network: all host bits zero, or all one. IPv4 only, and not in
/// a /31 or /32 (RFC 3021).
pub(super) fn is_network_or_broadcast(address: IpAddr, prefix_len: u8) -> bool {
    match address {
        IpAddr::V4(address) if prefix_len < 31 => {
            let mask = u32::MAX >> prefix_len;
            let host = u32::from(address) & mask;
            host == 0 || host == mask
        }
        IpAddr::V4(_) | IpAddr::V6(_) => false,
    }
}

/// `rt_scope` of rtnetlink: a name that iproute2 knows, or a number.
pub(super) fn scope(text: &[u8]) -> Option<u8> {
    match choice(text, "global site link host nowhere") {
        Some(place) => [0, 200, 253, 254, 255].get(place).copied(),
        None => decimal(text, 0).and_then(|number| u8::try_from(number).ok()),
    }
}

/// Whether the kernel would take it as a device's name, or as an IPv4 label.
pub(super) fn is_device(text: &[u8]) -> bool {
    text.len() <= INTERFACE_NAME_BYTES_MAX
        && is_word(text)
        && !text.contains(&b'/')
        && text != b"."
        && text != b".."
}

/// Whether it can be a section's name: hooks get it in their environment, lists are split at blanks.
pub(super) fn is_name(text: &[u8]) -> bool {
    text.len() <= NAME_BYTES_MAX && is_word(text)
}

/// Whether it is an absolute path without blanks.
pub(super) fn is_path(text: &[u8]) -> bool {
    text.len() <= PATH_BYTES_MAX && is_word(text) && text.starts_with(b"/")
}

/// Whether it is a path with arguments that no shell is needed for.
pub(super) fn is_command(text: &[u8]) -> bool {
    text.starts_with(b"/")
        && text.len() <= PATH_BYTES_MAX
        && Words::new(text).count() <= SCRIPT_WORDS_MAX
        && !text.iter().any(|byte| matches!(byte, ..b' ' | 0x7f | b'"' | b'\'' | b'\\'))
        && core::str::from_utf8(text).is_ok()
}

/// Whether it can be the Host of an HTTP request.
pub(super) fn is_host_name(text: &[u8]) -> bool {
    text.len() <= PATH_BYTES_MAX && is_word(text)
}

/// Whether it can be looked for in a reply.
pub(super) fn is_text(text: &[u8]) -> bool {
    text.len() <= PATH_BYTES_MAX && !text.is_empty() && core::str::from_utf8(text).is_ok()
}

/// Whether it is bytes, two hexadecimal digits each, with or without blanks between them.
pub(super) fn is_payload(text: &[u8]) -> bool {
    payload(text, &mut [0; PATH_BYTES_MAX]).is_some_and(|len| len > 0)
}

/// The bytes of a payload, and how many there are.
pub(super) fn payload(text: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let mut len = 0;
    for word in Words::new(text) {
        let (pairs, []) = word.as_chunks() else { return None };
        for [high, low] in pairs {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *bytes.get_mut(len)? = (digit(*high)? << 4 | digit(*low)?) as u8;
            len += 1;
        }
    }
    Some(len)
}

/// Whether it is UTF-8 with neither blanks nor control characters, and not empty.
fn is_word(text: &[u8]) -> bool {
    let is_control = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
    !text.is_empty() && !text.iter().any(is_control) && core::str::from_utf8(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_any_white_space() {
        let mut words = Words::new(b" a\tb\n c ");
        assert_eq!(words.peek(), Some(&b"a"[..]));
        assert_eq!(words.next(), Some(&b"a"[..]));
        assert_eq!(words.next(), Some(&b"b"[..]));
        assert_eq!(words.next(), Some(&b"c"[..]));
        assert_eq!(words.next(), None);
        assert_eq!(words.peek(), None);
    }

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(decimal(b"1", 2), Some(100));
        assert_eq!(decimal(b"0.01", 2), Some(1));
        assert_eq!(decimal(b".5", 2), Some(50));
        assert_eq!(decimal(b"5.", 2), Some(500));
        assert_eq!(decimal(b"40.950", 2), Some(4095));
        assert_eq!(decimal(b"9999999.99", 2), Some(999_999_999));
        for bad in ["", ".", "1.005", "-1", "+1", "1e3", "1,5", "1.2.3", " 1", "10000000"] {
            assert_eq!(decimal(bad.as_bytes(), 2), None, "{bad}");
        }
        assert_eq!(decimal(b"1.0", 0), Some(1));
        assert_eq!(decimal(b"1.5", 0), None);
    }

    #[test]
    fn integers_have_a_sign_and_never_overflow() {
        assert_eq!(integer(b"-253"), Some(-253));
        assert_eq!(integer(b"+10"), Some(10));
        assert_eq!(integer(b"999999999"), Some(999_999_999));
        for bad in ["", "-", "--1", "+-1", "1000000000", "0x10", "ten"] {
            assert_eq!(integer(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_payload_is_two_digits_for_each_byte() {
        let mut bytes = [0; 3];
        assert_eq!(payload(b" 0aFf 10 ", &mut bytes), Some(3));
        assert_eq!(bytes, [0x0a, 0xff, 0x10]);
        for bad in ["0", "0a f", "0g", "01020304"] {
            assert_eq!(payload(bad.as_bytes(), &mut bytes), None, "{bad}");
        }
        assert!(!is_payload(b"") && is_payload(b"00"));
    }

    #[test]
    fn a_range_is_one_number_or_two() {
        assert_eq!(range(b"200"), Some([200, 200]));
        assert_eq!(range(b"200-399"), Some([200, 399]));
        for bad in ["", "-", "200-", "-200", "200-300-400", "a-b", "200 - 300"] {
            assert_eq!(range(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn zeros_and_offs_ask_for_nothing() {
        for off in ["0", "0.0", "off", "no", "false", "disabled", "", " "] {
            assert!(!is_asking(off.as_bytes()), "{off}");
        }
        for on in ["1", "0.5", "on", "vrrp.10", "maybe"] {
            assert!(is_asking(on.as_bytes()), "{on}");
        }
    }

    /// Against core's parser: each of these, and each with one byte changed, added or removed.
    #[test]
    fn addresses_are_those_that_core_knows() {
        let written = [
            "192.168.1.1",
            "0.0.0.0",
            "255.255.255.255",
            "1.2.3.04",
            "::",
            "::1",
            "1::",
            "fe80::1",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "::2:3:4:5:6:7:8",
            "1:2::7:8",
            "::ffff:1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1.2.3.4::",
            "2001:DB8::aBcD",
            "::1::2",
        ];
        let check = |text: &[u8]| {
            let expected = core::str::from_utf8(text).unwrap().parse().ok();
            assert_eq!(address(text), expected, "{}", core::str::from_utf8(text).unwrap());
        };
        let mut accepted = 0;
        for text in written.map(str::as_bytes) {
            check(text);
            accepted += u32::from(address(text).is_some());
            for at in 0..=text.len() {
                let (before, after) = text.split_at(at);
                for byte in *b":.0123456789abfgG/ %+-" {
                    check(&[before, &[byte], after].concat());
                    if let Some((_, after)) = after.split_first() {
                        check(&[before, &[byte], after].concat());
                        check(&[before, after].concat());
                    }
                }
            }
        }
        assert_eq!(accepted, 14);
    }

    #[test]
    fn networks_and_broadcasts_are_seen_up_to_slash_30() {
        let is = |text: &[u8]| match address_with_prefix(text) {
            Ok((address, prefix_len)) => is_network_or_broadcast(address, prefix_len),
            Err(PrefixFault::Address | PrefixFault::Length(_)) => panic!(),
        };
        assert!(is(b"192.168.1.0/24") && is(b"192.168.1.255/24") && is(b"10.0.0.3/30"));
        assert!(!is(b"192.168.1.0/23") && !is(b"10.0.0.2/31") && !is(b"10.0.0.0") && !is(b"fe80::/64"));
    }
}
