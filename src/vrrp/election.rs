//! Who wins: the comparison, apart from what follows from it.

use core::cmp::Ordering;
use core::net::IpAddr;

/// What a router puts into an election between masters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its priority, 1..=255.
    pub priority: u8,
    /// The source address of its advertisements.
    pub address: &'a IpAddr,
}

/// Whether a master with the left hand's claim must give way to the right hand's: higher priority, or equal
/// priority and greater address, compared as unsigned numbers in network order (RFC 9568 §6.4.3; ST13, ST14).
///
/// `Less` gives way, `Greater` stays, `Equal` is only possible against oneself.
#[must_use]
pub fn compare(ours: Candidate<'_>, theirs: Candidate<'_>) -> Ordering {
    ours.priority.cmp(&theirs.priority).then_with(|| match (ours.address, theirs.address) {
        (IpAddr::V4(ours), IpAddr::V4(theirs)) => ours.octets().cmp(&theirs.octets()),
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => ours.octets().cmp(&theirs.octets()),
        // The two families never meet in one virtual router (RFC 9568 §5.2.9).
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Ordering::Equal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(priority: u8, address: &str) -> Candidate<'static> {
        Candidate { priority, address: std::boxed::Box::leak(std::boxed::Box::new(address.parse().unwrap())) }
    }

    /// RFC 9568 §6.4.3.
    #[test]
    fn st13_higher_priority_wins_whatever_the_addresses() {
        let ours = candidate(100, "10.0.0.9");
        assert_eq!(compare(ours, candidate(101, "10.0.0.1")), Ordering::Less);
        assert_eq!(compare(ours, candidate(99, "10.0.0.200")), Ordering::Greater);
    }

    /// RFC 9568 §6.4.3: unsigned, so 192 is greater than 10 and 0x80 greater than 0x7f.
    #[test]
    fn st14_equal_priority_is_decided_by_the_greater_address_unsigned() {
        assert_eq!(compare(candidate(100, "10.0.0.1"), candidate(100, "192.0.2.1")), Ordering::Less);
        assert_eq!(compare(candidate(100, "127.0.0.1"), candidate(100, "128.0.0.1")), Ordering::Less);
        assert_eq!(compare(candidate(100, "fe80::2"), candidate(100, "fe80::1")), Ordering::Greater);
        assert_eq!(compare(candidate(100, "fe80::7fff"), candidate(100, "fe80::8000")), Ordering::Less);
    }

    #[test]
    fn only_oneself_is_equal() {
        let ours = candidate(100, "fe80::1");
        assert_eq!(compare(ours, ours), Ordering::Equal);
    }
}
