//! Netlink framing: message headers and attributes (netlink(7), linux/netlink.h), shared by every netlink
//! family that vipd speaks.
//!
//! Numbers are in host byte order, and everything begins at a multiple of four bytes. Reading stops at the
//! first length that cannot be; writing fills the gaps with zeros.

use super::{Full, Writer};

/// `NLMSG_ERROR`: an answer to one request, good or bad.
pub const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
pub const DONE: u16 = 3;

/// `NLM_F_REQUEST`: set in everything that goes to the kernel.
pub const REQUEST: u16 = 0x001;
/// `NLM_F_ACK`: answer even if nothing went wrong.
pub const ACK: u16 = 0x004;
/// `NLM_F_DUMP_INTR`, in an answer: what is dumped changed meanwhile.
pub const DUMP_INTERRUPTED: u16 = 0x010;
/// `NLM_F_DUMP`, in a request that asks for all.
pub const DUMP: u16 = 0x300;
/// `NLM_F_REPLACE`, in a request that makes something: change it if it is there.
pub const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`, in a request that makes something: do not if it is there.
pub const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`, in a request that makes something: make it if it is not there.
pub const CREATE: u16 = 0x400;

const HEADER_BYTES: usize = 16;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// `NLA_F_NESTED`, set in the type of an attribute that holds attributes.
const NESTED: u16 = 0x8000;
/// `NLA_TYPE_MASK`: the type without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const KIND_MASK: u16 = 0x3fff;

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`: what it is, in terms of its family.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`: that of the request which it answers, or 0.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// The messages of a datagram, up to the first one whose length cannot be.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

/// The messages of `datagram`.
#[must_use]
pub const fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages { rest: datagram }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let (header, _) = self.rest.split_first_chunk::<HEADER_BYTES>()?;
        let &[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = header;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let payload = take(&mut self.rest, HEADER_BYTES, len)?;
        Some(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        })
    }
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// `nla_type`, without its flag bits.
    pub kind: u16,
    /// Its value; of a nested one, more [`attributes`].
    pub value: &'a [u8],
}

impl Attribute<'_> {
    /// The value, if it has four bytes (or more: the kernel may append).
    #[must_use]
    pub fn as_u32(&self) -> Option<u32> {
        self.value.first_chunk().copied().map(u32::from_ne_bytes)
    }
}

/// Attributes one after another, up to the first one whose length cannot be.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

/// The attributes in `bytes`: what follows a family's fixed header, or the value of a nested attribute.
#[must_use]
pub const fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let (header, _) = self.rest.split_first_chunk::<ATTRIBUTE_HEADER_BYTES>()?;
        let &[l0, l1, k0, k1] = header;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = take(&mut self.rest, ATTRIBUTE_HEADER_BYTES, len)?;
        Some(Attribute { kind: u16::from_ne_bytes([k0, k1]) & KIND_MASK, value })
    }
}

/// Takes `len` bytes, header included, and the padding behind them from the front of `rest`; what follows
/// the header is the result. The last one needs no padding.
fn take<'a>(rest: &mut &'a [u8], header_len: usize, len: usize) -> Option<&'a [u8]> {
    let payload = rest.get(header_len..len)?;
    *rest = rest.get(len + padding(len)..).unwrap_or(&[]);
    Some(payload)
}

/// Bytes from `len` to the next multiple of four.
const fn padding(len: usize) -> usize {
    len.wrapping_neg() % 4
}

/// A request being written. Lengths are filled in when they are known.
#[derive(Debug)]
pub struct Request<'a> {
    writer: Writer<'a>,
}

/// A nested attribute that has been begun: where its header stands.
#[derive(Debug)]
#[must_use]
pub struct Nest(usize);

impl<'a> Request<'a> {
    /// Begins a request of this kind in `buffer`; [`REQUEST`] is added to `flags`.
    ///
    /// # Errors
    /// [`Full`] if `buffer` is too short.
    pub fn new(buffer: &'a mut [u8], kind: u16, flags: u16, sequence: u32) -> Result<Self, Full> {
        let mut writer = Writer::new(buffer);
        writer.put(&[0; 4])?;
        writer.put(&kind.to_ne_bytes())?;
        writer.put(&(flags | REQUEST).to_ne_bytes())?;
        writer.put(&sequence.to_ne_bytes())?;
        // The kernel knows the sender's port from its socket.
        writer.put(&[0; 4])?;
        Ok(Self { writer })
    }

    /// Appends a family's fixed header, and its padding.
    ///
    /// # Errors
    /// [`Full`] if there is no room.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.writer.put(bytes)?;
        let zeros = [0; 4];
        let zeros = zeros.get(..padding(self.writer.len())).unwrap_or(&[]);
        self.writer.put(zeros)
    }

    /// Appends an attribute.
    ///
    /// # Errors
    /// [`Full`] if there is no room, or the value is longer than an attribute can be.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> Result<(), Full> {
        self.attribute_of(kind, value, &[])
    }

    /// Appends an attribute that is a string: its characters and a zero byte.
    ///
    /// # Errors
    /// As [`Self::attribute`].
    pub fn string(&mut self, kind: u16, text: &str) -> Result<(), Full> {
        self.attribute_of(kind, text.as_bytes(), &[0])
    }

    /// Begins an attribute that holds attributes.
    ///
    /// # Errors
    /// [`Full`] if there is no room.
    pub fn begin(&mut self, kind: u16) -> Result<Nest, Full> {
        let at = self.writer.len();
        self.attribute(kind | NESTED, &[])?;
        Ok(Nest(at))
    }

    /// Ends an attribute that holds attributes.
    ///
    /// # Errors
    /// [`Full`] if it has become longer than an attribute can be.
    pub fn end(&mut self, nest: Nest) -> Result<(), Full> {
        let len = self.writer.len().checked_sub(nest.0).ok_or(Full)?;
        let len = u16::try_from(len).map_err(|_| Full)?;
        self.writer.set(nest.0, &len.to_ne_bytes())
    }

    /// Completes the request and returns its length in bytes, a multiple of four.
    ///
    /// # Errors
    /// [`Full`] if it is longer than a message can be.
    pub fn finish(mut self) -> Result<usize, Full> {
        let len = u32::try_from(self.writer.len()).map_err(|_| Full)?;
        self.writer.set(0, &len.to_ne_bytes())?;
        Ok(self.writer.len())
    }

    fn attribute_of(&mut self, kind: u16, value: &[u8], tail: &[u8]) -> Result<(), Full> {
        let len = ATTRIBUTE_HEADER_BYTES + value.len() + tail.len();
        let len = u16::try_from(len).map_err(|_| Full)?;
        self.writer.put(&len.to_ne_bytes())?;
        self.writer.put(&kind.to_ne_bytes())?;
        self.writer.put(value)?;
        self.put(tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn example(buffer: &mut [u8]) -> Result<usize, Full> {
        let mut request = Request::new(buffer, 20, CREATE | REPLACE, 0x0102_0304)?;
        request.put(&[1, 2, 3, 4, 5])?;
        request.attribute(7, &[0xaa])?;
        let outer = request.begin(8)?;
        request.string(9, "lan")?;
        let inner = request.begin(10)?;
        request.attribute(11, &[1, 2, 3, 4, 5, 6])?;
        request.end(inner)?;
        request.end(outer)?;
        request.finish()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_request_is_these_bytes_whatever_the_buffer_held() {
        let mut buffer = [0xa5; 128];
        let len = example(&mut buffer).unwrap();
        let expected = [
            60, 0, 0, 0, 20, 0, 1, 5, 4, 3, 2, 1, 0, 0, 0, 0, // header
            1, 2, 3, 4, 5, 0, 0, 0, // family header, padded
            5, 0, 7, 0, 0xaa, 0, 0, 0, // attribute 7, padded
            28, 0, 8, 0x80, // nest 8: its header, the string, the inner nest
            8, 0, 9, 0, b'l', b'a', b'n', 0, // string 9
            16, 0, 10, 0x80, 10, 0, 11, 0, 1, 2, 3, 4, 5, 6, 0, 0, // nest 10
        ];
        assert_eq!(buffer[..len], expected);
        assert_eq!(len, 60);
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut buffer = [0xa5; 128];
        let len = example(&mut buffer).unwrap();
        let read: Vec<_> = messages(&buffer[..len]).collect();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].kind, 20);
        assert_eq!(read[0].flags, REQUEST | CREATE | REPLACE);
        assert_eq!(read[0].sequence, 0x0102_0304);
        let outer: Vec<_> = attributes(&read[0].payload[8..]).collect();
        assert_eq!(outer.len(), 2);
        assert_eq!((outer[0].kind, outer[0].value), (7, &[0xaa][..]));
        let inner: Vec<_> = attributes(outer[1].value).collect();
        assert_eq!((inner[0].kind, inner[0].value), (9, &b"lan\0"[..]));
        let innermost: Vec<_> = attributes(inner[1].value).collect();
        assert_eq!(innermost[0].kind, 11);
        assert_eq!(innermost[0].as_u32(), Some(u32::from_ne_bytes([1, 2, 3, 4])));
    }

    #[test]
    fn two_messages_in_a_datagram_are_two() {
        let mut buffer = [0; 256];
        let first = example(&mut buffer).unwrap();
        let second = example(&mut buffer[first..]).unwrap();
        assert_eq!(messages(&buffer[..first + second]).count(), 2);
        assert_eq!(messages(&buffer[..first + second - 1]).count(), 1);
    }

    #[test]
    fn every_buffer_that_is_too_short_is_full() {
        for room in 0..60 {
            assert_eq!(example(&mut [0; 128][..room]), Err(Full), "{room}");
        }
        assert!(example(&mut [0; 60]).is_ok());
    }

    #[test]
    fn a_length_shorter_than_its_own_header_ends_the_walk() {
        let mut message = [0; 32];
        message[..4].copy_from_slice(&15u32.to_ne_bytes());
        assert_eq!(messages(&message).count(), 0);
        assert_eq!(attributes(&[0, 0, 0, 0, 0, 0, 0, 0]).count(), 0);
        message[..4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(messages(&message).count(), 0);
    }

    #[test]
    fn an_attribute_longer_than_16_bits_is_full() {
        let value = [0; 65_532];
        let mut buffer = std::vec![0; 70_000];
        let mut request = Request::new(&mut buffer, 1, 0, 0).unwrap();
        assert_eq!(request.attribute(1, &value), Err(Full));
        assert_eq!(request.attribute(1, &value[..65_531]), Ok(()));
    }
}
