//! A VRRP message: what the RFCs say of it, written down a second time, and said again by our own pen.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smoltcp::wire::{IpProtocol, checksum};
use vipd::limits::MESSAGE_BYTES_MAX;
use vipd::wire::vrrp::{Advert, Authentication, ChecksumForm, Discard, Outgoing, Version, vrid_of};

use super::choices::Choices;
use crate::frame::vrrp_checksum_is_right;

/// The first byte chooses the family and whether the checksum is made right; the rest is the message.
pub fn advert(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let how = choices.byte();
    let mut message = choices.rest().to_vec();
    let (source, destination): (IpAddr, IpAddr) = if how & 1 == 0 {
        (Ipv4Addr::new(10, 9, 0, 10).into(), Ipv4Addr::new(224, 0, 0, 18).into())
    } else {
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10).into(), group.into())
    };
    if how & 2 != 0 {
        mend_checksum(&mut message, source, destination, how & 4 != 0);
    }
    let parsed = Advert::parse(&message, source, destination);
    assert_eq!(parsed.err(), verdict(&message, source, destination).err(), "{message:02x?}");
    assert_eq!(vrid_of(&message).map(|vrid| vrid.get()), message.get(1).copied().filter(|vrid| *vrid > 0));
    if let Ok(advert) = parsed {
        say_again(&advert, &message, source, destination);
    }
}

/// The first rule that a message breaks: RFC 9568 §7.1 and §5.2, RFC 3768 §7.1, RFC 2338 §5.3.6.
pub fn verdict(message: &[u8], source: IpAddr, destination: IpAddr) -> Result<(), Discard> {
    let require = |right: bool, otherwise: Discard| if right { Ok(()) } else { Err(otherwise) };
    require(message.len() >= 8, Discard::Short)?;
    let is_v2 = message[0] >> 4 == 2;
    require((is_v2 && source.is_ipv4()) || message[0] >> 4 == 3, Discard::Version)?;
    require(message[0] & 15 == 1, Discard::Type)?;
    require(message[1] != 0, Discard::Vrid)?;
    require(message[3] != 0, Discard::Count)?;
    let address_bytes = if source.is_ipv4() { 4 } else { 16 };
    let len = 8 + usize::from(message[3]) * address_bytes + if is_v2 { 8 } else { 0 };
    require(message.len() >= len, Discard::Short)?;
    require(message.len() <= len, Discard::Long)?;
    require(vrrp_checksum_is_right(source, destination, message), Discard::Checksum)?;
    if is_v2 {
        require(message[4] <= 1, Discard::AuthType)?;
        require(message[5] != 0, Discard::IntervalZero)
    } else {
        require(message[4] & 15 != 0 || message[5] != 0, Discard::IntervalZero)
    }
}

/// Makes the checksum right, of the message alone or with the pseudo-header.
fn mend_checksum(message: &mut [u8], source: IpAddr, destination: IpAddr, is_alone: bool) {
    if message.len() < 8 {
        return;
    }
    message[6..8].fill(0);
    let alone = checksum::data(message);
    let len = message.len() as u32;
    let header = checksum::pseudo_header(&source.into(), &destination.into(), IpProtocol::Unknown(112), len);
    let is_v2 = message[0] >> 4 == 2;
    let sum = if is_alone || is_v2 { alone } else { checksum::combine(&[alone, header]) };
    message[6..8].copy_from_slice(&(!sum).to_be_bytes());
}

/// Our own advertisement with the same content has the same bytes, where the content is all that there is.
fn say_again(advert: &Advert<'_>, message: &[u8], source: IpAddr, destination: IpAddr) {
    let octets = if source.is_ipv4() { 4 } else { 16 };
    let addresses = advert.addresses.chunks_exact(octets).map(|address| match source {
        IpAddr::V4(_) => IpAddr::from(<[u8; 4]>::try_from(address).unwrap()),
        IpAddr::V6(_) => IpAddr::from(<[u8; 16]>::try_from(address).unwrap()),
    });
    assert_eq!(addresses.clone().count(), usize::from(message[3]));
    assert_eq!((advert.vrid.get(), advert.priority), (message[1], message[2]));
    let trailer = message.last_chunk::<8>().unwrap();
    let password = match advert.authentication {
        Authentication::None => None,
        Authentication::Pass(password) => Some(password),
    };
    let outgoing = Outgoing {
        version: advert.version,
        vrid: advert.vrid,
        priority: advert.priority,
        interval: advert.interval,
        password,
        checksum: advert.checksum,
        source,
        destination,
    };
    let mut buffer = [0xa5; 8 + 255 * 16];
    let len = outgoing.emit(addresses.clone(), &mut buffer).unwrap();
    let says_no_more = match advert.version {
        Version::V2 => password.is_some() || *trailer == [0; 8],
        Version::V3 => message[4] >> 4 == 0,
    };
    // Zero has two checksums.
    let has_common_checksum = message[6..8] != [0xff; 2] && message[6..8] != [0; 2];
    if says_no_more && has_common_checksum {
        assert_eq!(buffer[..len], *message);
    }
    assert_eq!(len, message.len());
    assert!(vrrp_checksum_is_right(source, destination, &buffer[..len]));
    assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
    let is_shorter = outgoing.emit(addresses, &mut buffer[..len - 1]);
    assert!(is_shorter.is_err());
    if advert.version == Version::V2 {
        assert_eq!(advert.checksum, ChecksumForm::MessageOnly);
    }
    const { assert!(MESSAGE_BYTES_MAX >= 8 + 255 * 4 + 8) };
}
