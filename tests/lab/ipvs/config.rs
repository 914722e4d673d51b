//! What a director is told.

use std::fmt::Write as _;

use super::farm::{Farm, GATEWAY, GATEWAY6, VIP, VIP6};

/// A director's virtual router: the clients' address and the servers' gateway move together. Slow enough for an emulated
/// machine.
pub(super) fn director(priority: u8) -> String {
    format!(
        "config vrrp_instance 'front'\n\toption interface 'eth0'\n\toption version '3'\n\
         \toption virtual_router_id '7'\n\toption priority '{priority}'\n\toption advert_int '0.3'\n\
         \tlist virtual_ipaddress '{VIP}/32'\n\tlist virtual_ipaddress '{GATEWAY}/24 dev eth1'\n\
         \tlist virtual_ipaddress_excluded '{VIP6}/128'\n\
         \tlist virtual_ipaddress_excluded '{GATEWAY6}/64 dev eth1'\n"
    )
}

/// A virtual server whose real ones are those of the farm, tried each second by HTTP, and out at once.
#[derive(Clone, Copy)]
pub(super) struct Service<'a> {
    pub(super) name: &'a str,
    pub(super) address: &'a str,
    pub(super) port: u16,
    pub(super) is_v6: bool,
    pub(super) kind: &'a str,
    pub(super) scheduler: &'a str,
    /// How many of the farm's servers it has.
    pub(super) servers: usize,
    /// More lines of its section.
    pub(super) more: &'a str,
}

impl<'a> Service<'a> {
    pub(super) const fn new(name: &'a str, address: &'a str, kind: &'a str) -> Self {
        Self { name, address, port: 80, is_v6: false, kind, scheduler: "rr", servers: 2, more: "" }
    }

    pub(super) fn text(&self, farm: &Farm) -> String {
        let Self { name, address, port, kind, scheduler, more, .. } = self;
        let mut text = format!(
            "config virtual_server '{name}'\n\toption ipaddr '{address}'\n\toption port '{port}'\n\
             \toption lb_algo '{scheduler}'\n\toption lb_kind '{kind}'\n\toption delay_loop '1'\n\toption warmup '0'\n\
             \toption connect_timeout '1'\n\toption retry '0'\n{more}"
        );
        let mut sections = String::new();
        for server in farm.servers.iter().take(self.servers) {
            let own = format!("{name}_{}", server.host.name().replace("-", "_"));
            let address = if self.is_v6 { &server.address6 } else { &server.address };
            let _ = writeln!(text, "\tlist real_server '{own}'");
            let _ = write!(
                sections,
                "config real_server '{own}'\n\toption ipaddr '{address}'\n\toption port '80'\n\
                 \toption check 'HTTP_GET'\n"
            );
        }
        text + &sections
    }
}
