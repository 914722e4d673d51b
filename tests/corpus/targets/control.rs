//! Packets of the control socket: requests as the daemon hears them, replies as a client does.

use vipd::status::{PACKET_BYTES_MAX, Reply, Request};

/// A packet, in either direction.
pub fn control(bytes: &[u8]) {
    if let Some(request) = Request::parse(bytes) {
        let mut buffer = std::vec![0xa5; bytes.len()];
        assert_eq!(request.emit(&mut buffer), Ok(bytes.len()));
        assert_eq!(buffer, bytes);
    }
    let Some(mut reply) = Reply::parse(bytes) else { return };
    assert!(bytes.len() <= PACKET_BYTES_MAX);
    let mut buffer = [0xa5; PACKET_BYTES_MAX];
    let len = reply.emit(&mut buffer).expect("every reply fits a packet");
    assert_eq!(Reply::parse(&buffer[..len]).as_ref(), Some(&reply));
    let written = buffer;
    // Nothing that is cut or longer is taken for it.
    assert!(Reply::parse(&buffer[..len - 1]).is_none());
    assert!(Reply::parse(&[&buffer[..len], &[0][..]].concat()).is_none());
    assert!(reply.emit(&mut buffer[..len - 1]).is_err());
    assert_eq!(len, bytes.len());
    match reply {
        // A number that is not there, and the byte of a priority, stand in more bytes than they need.
        Reply::Record(_) | Reply::Problem { .. } | Reply::Server(_) => {}
        Reply::Stray(_)
        | Reply::Track(_)
        | Reply::Session(_)
        | Reply::Service(_)
        | Reply::Stranger(_)
        | Reply::File(_)
        | Reply::Reloaded(_)
        | Reply::Known(_)
        | Reply::End => {
            assert_eq!(written[..len], *bytes);
        }
    }
}
