//! Packets of the control socket: requests as the daemon hears them, replies as a client does.

use vipd::cli::show;
use vipd::status::{PACKET_BYTES_MAX, Reply, Request};
use vipd::wire::vrrp::Discard;

/// A packet, in either direction.
pub fn control(bytes: &[u8]) {
    if let Some(request) = Request::parse(bytes) {
        assert_eq!(request.packet(), bytes);
    }
    let Some(mut reply) = Reply::parse(bytes) else { return };
    assert!(bytes.len() <= PACKET_BYTES_MAX);
    let mut buffer = [0xa5; PACKET_BYTES_MAX];
    let len = reply.emit(&mut buffer).expect("every reply fits a packet");
    assert_eq!(Reply::parse(&buffer[..len]).as_ref(), Some(&reply));
    // Nothing that is cut or longer is taken for it.
    assert!(Reply::parse(&buffer[..len - 1]).is_none());
    assert!(Reply::parse(&[&buffer[..len], &[0][..]].concat()).is_none());
    assert!(reply.emit(&mut buffer[..len - 1]).is_err());
    match reply {
        Reply::Record(record) => {
            let records = [record.clone(), record];
            let stray = [7; Discard::ALL.len()];
            let mut text = String::new();
            show::table(&records, &stray, &mut text).unwrap();
            text.clear();
            show::prometheus(&records, &stray, &mut text).unwrap();
            text.clear();
            show::json(&records, &stray, &mut text).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["instances"][1]["name"], *records[1].name);
        }
        Reply::Stray(_) | Reply::File(_) | Reply::Problem { .. } | Reply::Reloaded(_) | Reply::End => {}
    }
}
