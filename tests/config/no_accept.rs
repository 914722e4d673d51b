//! `no_accept` and `accept`.

use super::{accept, read};

fn refuses(options: &str) -> bool {
    let config = accept(&format!(
        "config vrrp_instance 'x'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
         \tlist virtual_ipaddress '192.0.2.1'\n{options}\n"
    ));
    config.instances[0].acceptance.is_refused()
}

/// RFC 9568 §6.1: Accept_Mode, whose default is keepalived's here.
#[test]
fn ad09_packets_to_the_addresses_are_accepted_unless_the_file_says_otherwise() {
    for options in ["", "option accept 1", "option no_accept 0", "option accept yes\noption no_accept off"] {
        assert!(!refuses(options), "{options}");
    }
    for options in ["option accept 0", "option no_accept 1", "option accept false\noption no_accept on"] {
        assert!(refuses(options), "{options}");
        // RFC 3768 §6.4.3: version 2 knows nothing else, and is given the same choice (AD08).
        assert!(refuses(&format!("{options}\noption version 2")), "{options}");
    }
}

/// RFC 9568 §6.4.3: whose address it is accepts.
#[test]
fn ad08_ad09_the_owner_of_the_addresses_accepts_whatever_the_file_says() {
    let text = "config vrrp_instance 'x'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
                \toption priority '255'\n\tlist virtual_ipaddress '192.0.2.1'\n\toption no_accept '1'\n";
    let (config, is_usable, reported) = read(text, &[]);
    assert!(is_usable && reported.len() == 1, "{reported:?}");
    assert!(!config.instances[0].acceptance.is_refused());
}
