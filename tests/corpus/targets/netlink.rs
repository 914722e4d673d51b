//! Datagrams of rtnetlink: walked as linux/netlink.h lays them out, and what we would ask for in return.

use vipd::wire::netlink::{attributes, messages};
use vipd::wire::rtnl::{self, Message, NewAddress};

use crate::netlink::{Wish, requests};

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;

/// A datagram.
pub fn netlink(bytes: &[u8]) {
    let walked = walk(bytes, 16, 4);
    let read: Vec<_> = messages(bytes).collect();
    assert_eq!(walked.len(), read.len());
    for (walked, read) in walked.iter().zip(&read) {
        let [_, _, _, _, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *walked else { panic!("a short header") };
        let kind = u16::from_ne_bytes([*k0, *k1]);
        assert_eq!((read.kind, read.flags), (kind, u16::from_ne_bytes([*f0, *f1])));
        assert_eq!(read.sequence, u32::from_ne_bytes([*s0, *s1, *s2, *s3]));
        assert_eq!(read.payload, &walked[16..]);
        for family_bytes in [8, 16] {
            nested(read.payload.get(family_bytes..).unwrap_or(&[]), 0);
        }
    }
    let mut told = rtnl::messages(bytes);
    let told: Vec<_> = told.by_ref().collect();
    assert!(told.len() <= walked.len());
    for message in told {
        answer(&message);
    }
    let known = |kind| matches!(kind, NEW_LINK | DELETE_LINK | NEW_ADDRESS | DELETE_ADDRESS | 2 | 3);
    if !read.iter().any(|message| known(message.kind)) {
        assert_eq!(rtnl::messages(bytes).count(), 0);
    }
}

fn nested(bytes: &[u8], depth: u32) {
    let walked = walk(bytes, 4, 2);
    let read: Vec<_> = attributes(bytes).collect();
    assert_eq!(walked.len(), read.len());
    for (walked, read) in walked.iter().zip(&read) {
        assert_eq!(read.kind, u16::from_ne_bytes([walked[2], walked[3]]) & 0x3fff);
        assert_eq!(read.value, &walked[4..]);
        if depth < 4 {
            nested(read.value, depth + 1);
        }
    }
}

/// Pieces that begin with their own length, of so many bytes, each at a multiple of four.
fn walk(bytes: &[u8], header_bytes: usize, length_bytes: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at + header_bytes <= bytes.len() {
        let mut len = [0; 8];
        len[..length_bytes].copy_from_slice(&bytes[at..at + length_bytes]);
        let len = if cfg!(target_endian = "little") {
            u64::from_le_bytes(len)
        } else {
            u64::from_be_bytes(len) >> (64 - 8 * length_bytes)
        };
        let len = usize::try_from(len).unwrap();
        if len < header_bytes || len > bytes.len() - at {
            break;
        }
        pieces.push(&bytes[at..at + len]);
        at += len.next_multiple_of(4);
    }
    pieces
}

/// The address that is told of can be asked for and given up, and the kernel understands both.
fn answer(message: &Message<'_>) {
    let told = match message {
        Message::Address(address) | Message::AddressGone(address) => *address,
        Message::Refused { errno, address: Some(address), .. } => {
            assert!(*errno > 0);
            *address
        }
        Message::Refused { address: None, .. }
        | Message::Link(_)
        | Message::LinkGone(_)
        | Message::Route(_)
        | Message::Done { .. } => {
            return;
        }
    };
    let new = NewAddress {
        interface: told.interface,
        address: told.address,
        prefix_len: told.prefix_len,
        scope: 253,
        label: "lan:vip",
        lifetime_secs: told.usable.then_some(30),
        without_route: told.marked,
    };
    let mut buffer = [0xa5; 256];
    let len = rtnl::add_address(&new, 7, &mut buffer).unwrap();
    assert!(len <= rtnl::REQUEST_BYTES_MAX && buffer[len..].iter().all(|byte| *byte == 0xa5));
    let read = requests(&buffer[..len]);
    let Wish::AddAddress { index, new, .. } = &read[0].wish else { panic!("{:?}", read[0].wish) };
    assert_eq!((read.len(), read[0].sequence, *index), (1, 7, told.interface.0));
    assert_eq!((new.address, new.prefix_len, new.mark), (told.address, told.prefix_len, rtnl::ADDRESS_MARK));

    let len = rtnl::delete_address(told.interface, told.address, told.prefix_len, 8, &mut buffer).unwrap();
    let read = requests(&buffer[..len]);
    let expected =
        Wish::DeleteAddress { index: told.interface.0, address: told.address, prefix_len: told.prefix_len };
    assert_eq!((read.len(), &read[0].wish), (1, &expected));
}
