//! Nothing that a file can hold makes the parser panic.

use vipd::config::Config;
use vipd::config::schema::{self, Alias};
use vipd::config::uci::Document;

/// xorshift32: enough to stir bytes.
struct Noise(u32);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % below
    }
}

const PIECES: &[&str] = &[
    "config ",
    "option ",
    "list ",
    "vrrp_instance",
    "globals",
    "ipaddress",
    "peer",
    "track_interface",
    "vrrp_sync_group",
    " 'a'\n",
    " 'b'\n",
    "\n",
    "\n\t",
    " ",
    "'",
    "\"",
    "\\",
    "\\\n",
    "#",
    ";",
    "\0",
    "é",
    "\u{ff}",
    "name ",
    "interface ",
    "virtual_router_id ",
    "priority ",
    "advert_int ",
    "virtual_ipaddress ",
    "unicast_peer ",
    "track_interface ",
    "group ",
    "enabled ",
    "address ",
    "version ",
    "auth_pass ",
    "auth_type ",
    "PASS\n",
    "eth0\n",
    "255\n",
    "0\n",
    "-1\n",
    "0.01\n",
    "99999999999999999999\n",
    "fe80::1/64\n",
    "10.0.0.1/8\n",
    "'10.0.0.1 dev eth0 label x fe80::1 scope link weight'\n",
    "'eth0 weight -253'\n",
];

fn feed(document: &mut Document, config: &mut Config, text: &[u8]) {
    let buffer = document.buffer();
    let len = text.len().min(buffer.len());
    buffer[..len].copy_from_slice(&text[..len]);
    if let Err(error) = document.parse(len) {
        assert!(error.line <= text.iter().filter(|byte| **byte == b'\n').count() as u32 + 1);
        assert!(!error.problem().to_string().contains('%'));
        return;
    }
    let aliases = [Alias { name: "a", device: "eth1" }];
    schema::read(document, &aliases, config, &mut |problem| {
        let sentence = problem.to_string();
        assert!(!sentence.contains(['\n', '\0', '\u{1b}']), "{sentence}");
        assert!(problem.line > 0, "{sentence}");
    });
}

#[test]
fn no_bytes_make_the_parser_panic() {
    let mut noise = Noise(0x2545_f491);
    let mut document = Box::new(Document::new());
    let mut config = Box::new(Config::new());
    for _ in 0..5_000 {
        let len = noise.next(200);
        let text: Vec<u8> = (0..len).map(|_| noise.next(256) as u8).collect();
        feed(&mut document, &mut config, &text);
    }
}

#[test]
fn no_words_make_the_schema_panic() {
    let mut noise = Noise(0x9e37_79b9);
    let mut document = Box::new(Document::new());
    let mut config = Box::new(Config::new());
    for _ in 0..10_000 {
        let mut text = Vec::from(&b"config vrrp_instance 'a'\n"[..]);
        for _ in 0..noise.next(40) {
            text.extend_from_slice(PIECES[noise.next(PIECES.len())].as_bytes());
        }
        feed(&mut document, &mut config, &text);
    }
}

#[test]
fn a_changed_or_cut_file_makes_nothing_panic() {
    let good = include_str!("openwrt-keepalived.config").as_bytes();
    let mut noise = Noise(0x1234_5678);
    let mut document = Box::new(Document::new());
    let mut config = Box::new(Config::new());
    for len in (0..good.len()).step_by(3) {
        feed(&mut document, &mut config, &good[..len]);
    }
    for _ in 0..2_000 {
        let mut text = good.to_vec();
        for _ in 0..=noise.next(3) {
            let at = noise.next(text.len());
            text[at] = noise.next(256) as u8;
        }
        feed(&mut document, &mut config, &text);
    }
}
