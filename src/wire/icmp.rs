//! Echo requests and their replies (RFC 792; RFC 4443 §4).
//!
//! Over IPv6 the kernel fills in and checks the checksum, as it does for every ICMPv6 socket; over IPv4 it is ours.

use super::sum::{complement, sum_of};

/// Bytes of an echo request: the header and eight bytes of data.
pub const ECHO_BYTES: usize = 16;

const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
/// ICMPv6's echo reply.
pub const REPLY_V6: u8 = 129;

/// One echo request. What comes back must have all of it, so no late reply to an earlier one, and no reply to somebody
/// else's, is taken for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// ICMPv6, not ICMP.
    pub is_v6: bool,
    /// Whose it is.
    pub identifier: u16,
    /// Which of its.
    pub sequence: u16,
    /// Something that a forger would have to guess.
    pub cookie: [u8; 8],
}

impl Echo {
    /// The request.
    #[must_use]
    pub fn request(&self) -> [u8; ECHO_BYTES] {
        if self.is_v6 {
            return self.message(REQUEST_V6, 0);
        }
        let message = self.message(REQUEST_V4, 0);
        self.message(REQUEST_V4, complement(sum_of(&message)))
    }

    /// Whether an ICMP message, without any IP header, is the reply to this one.
    #[must_use]
    pub fn is_answered_by(&self, message: &[u8]) -> bool {
        let Some(&[_, _, c0, c1, ..]) = message.first_chunk::<ECHO_BYTES>() else { return false };
        let kind = if self.is_v6 { REPLY_V6 } else { REPLY_V4 };
        let is_intact = self.is_v6 || complement(sum_of(message)) == 0;
        is_intact && message == self.message(kind, u16::from_be_bytes([c0, c1]))
    }

    const fn message(&self, kind: u8, checksum: u16) -> [u8; ECHO_BYTES] {
        let [c0, c1] = checksum.to_be_bytes();
        let [i0, i1] = self.identifier.to_be_bytes();
        let [s0, s1] = self.sequence.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = self.cookie;
        [kind, 0, c0, c1, i0, i1, s0, s1, a, b, c, d, e, f, g, h]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr};
    use std::vec::Vec;

    const COOKIE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 255];

    const fn echo(is_v6: bool) -> Echo {
        Echo { is_v6, identifier: 0xabcd, sequence: 0x1234, cookie: COOKIE }
    }

    /// RFC 792: another reader finds the request right, and the reply that it makes is the answer.
    #[test]
    fn an_icmp_reply_answers_its_request() {
        let request = echo(false).request();
        let caps = ChecksumCapabilities::default();
        let read = Icmpv4Repr::parse(&Icmpv4Packet::new_checked(&request).unwrap(), &caps).unwrap();
        let Icmpv4Repr::EchoRequest { ident: 0xabcd, seq_no: 0x1234, data } = read else {
            panic!("{read:?}")
        };
        assert_eq!(data, COOKIE);
        let reply = Icmpv4Repr::EchoReply { ident: 0xabcd, seq_no: 0x1234, data };
        let mut bytes: Vec<u8> = std::vec![0xa5; reply.buffer_len()];
        reply.emit(&mut Icmpv4Packet::new_unchecked(&mut bytes), &caps);
        assert!(echo(false).is_answered_by(&bytes));
        assert!(!echo(true).is_answered_by(&bytes));
        only_this_one_answers(echo(false), &bytes);
    }

    /// RFC 4443 §4.1 and §4.2.
    #[test]
    fn an_icmpv6_reply_answers_its_request() {
        let request = echo(true).request();
        let caps = ChecksumCapabilities::ignored();
        let (from, to) = ("fe80::1".parse().unwrap(), "fe80::2".parse().unwrap());
        let packet = Icmpv6Packet::new_checked(&request).unwrap();
        let read = Icmpv6Repr::parse(&from, &to, &packet, &caps).unwrap();
        assert_eq!(read, Icmpv6Repr::EchoRequest { ident: 0xabcd, seq_no: 0x1234, data: &COOKIE });
        let mut reply = request;
        reply[0] = 129;
        reply[2..4].copy_from_slice(&[0x55, 0xaa]);
        assert!(echo(true).is_answered_by(&reply));
        let mut other = reply;
        other[15] ^= 1;
        assert!(!echo(true).is_answered_by(&other));
        assert!(!echo(true).is_answered_by(&request));
    }

    /// Whatever is changed, cut or added.
    fn only_this_one_answers(echo: Echo, reply: &[u8]) {
        for at in 0..reply.len() {
            let mut other = reply.to_vec();
            other[at] ^= 0x10;
            assert!(!echo.is_answered_by(&other), "{at}");
            assert!(!echo.is_answered_by(&reply[..at]), "{at}");
        }
        let longer = [reply, &[0, 0][..]].concat();
        assert!(!echo.is_answered_by(&longer));
    }
}
