//! What the kernel says, as bytes.

use crate::table::{Destination, Key, Place, Traits};

/// What this kernel calls the family.
const FAMILY: u16 = 0x1c;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const MULTI: u16 = 0x002;
/// `NLM_F_DUMP_INTR`.
const TORN: u16 = 0x010;

/// `IP_VS_SVC_F_HASHED`, which the kernel sets itself.
const HASHED: u32 = 0x02;

/// A request was refused with this error, or carried out: 0.
pub fn error(sequence: u32, errno: i32) -> Vec<u8> {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    // The header of the request that is meant, as far as anybody looks at it.
    payload.extend([20, 0, 0, 0, 0, 0, 5, 0]);
    payload.extend(sequence.to_ne_bytes());
    payload.extend([0; 4]);
    message(NLMSG_ERROR, 0x100, sequence, &payload)
}

/// The end of a list.
pub fn done(sequence: u32, is_torn: bool) -> Vec<u8> {
    message(NLMSG_DONE, if is_torn { MULTI | TORN } else { MULTI }, sequence, &[0; 4])
}

/// One line of the list of services.
pub fn service(sequence: u32, key: &Key, traits: &Traits) -> Vec<u8> {
    let mut nest = attribute(1, &key.family.to_ne_bytes());
    if key.mark == 0 {
        nest.extend(attribute(2, &key.protocol.to_ne_bytes()));
        nest.extend(attribute(3, &key.address));
        nest.extend(attribute(4, &key.port.to_be_bytes()));
    } else {
        nest.extend(attribute(5, &key.mark.to_ne_bytes()));
    }
    nest.extend(attribute(6, &text(&traits.scheduler)));
    if !traits.engine.is_empty() {
        nest.extend(attribute(11, &text(&traits.engine)));
    }
    let mut flags = (traits.flags | HASHED).to_ne_bytes().to_vec();
    flags.extend([0xff; 4]);
    nest.extend(attribute(7, &flags));
    nest.extend(attribute(8, &traits.timeout_secs.to_ne_bytes()));
    nest.extend(attribute(9, &traits.netmask));
    nest.extend(counters());
    line(sequence, 1, &attribute(1, &nest))
}

/// One line of the list of a service's destinations.
pub fn destination(sequence: u32, place: &Place, its: &Destination) -> Vec<u8> {
    let mut nest = attribute(11, &place.family.to_ne_bytes());
    nest.extend(attribute(1, &place.address));
    nest.extend(attribute(2, &place.port.to_be_bytes()));
    for (kind, number) in [(3, its.forward), (4, its.weight), (5, its.upper), (6, its.lower)] {
        nest.extend(attribute(kind, &number.to_ne_bytes()));
    }
    nest.extend(attribute(13, &[its.tunnel]));
    nest.extend(attribute(14, &its.tunnel_port.to_be_bytes()));
    nest.extend(attribute(15, &its.tunnel_flags.to_ne_bytes()));
    for (kind, number) in [(7, 3_u32), (8, 4), (9, 0)] {
        nest.extend(attribute(kind, &number.to_ne_bytes()));
    }
    nest.extend(counters());
    line(sequence, 5, &attribute(2, &nest))
}

fn line(sequence: u32, command: u8, attributes: &[u8]) -> Vec<u8> {
    let mut payload = vec![command, 1, 0, 0];
    payload.extend(attributes);
    message(FAMILY, MULTI, sequence, &payload)
}

/// Those of 64 bits, which a kernel of today has beside the others.
fn counters() -> Vec<u8> {
    let nest: Vec<u8> = (1..=5).flat_map(|kind| attribute(kind, &u64::from(kind).to_ne_bytes())).collect();
    attribute(12, &nest)
}

fn text(characters: &str) -> Vec<u8> {
    [characters.as_bytes(), &[0]].concat()
}

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ((16 + payload.len()) as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(4711_u32.to_ne_bytes());
    bytes.extend(payload);
    padded(bytes)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = ((4 + value.len()) as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    padded(bytes)
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
