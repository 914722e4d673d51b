//! What may be seen of the virtual servers and their real ones.

use heapless::String;

use super::{Fields, cut};
use crate::config::{RealServerId, Span, VirtualServerId};
use crate::limits::{INTERFACE_NAME_BYTES_MAX, NAME_BYTES_MAX};
use crate::probe::Standing;
use crate::router::Router;
use crate::wire::ip;
use crate::wire::ipvs::{Counters, Forward, Identity};

/// A virtual server, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String<NAME_BYTES_MAX>,
    /// A place in [`Service::PROTOCOLS`].
    pub protocol: u8,
    /// Its address; empty: it has a mark.
    pub address: ip::Text,
    /// Its port, or its mark.
    pub number: u32,
    /// Its scheduler.
    pub scheduler: String<INTERFACE_NAME_BYTES_MAX>,
    /// It has its quorum.
    pub is_up: bool,
    /// The kernel has it.
    pub is_in_kernel: bool,
    /// How many of its servers live.
    pub living: u16,
    /// Its servers: places among the replies about them.
    pub servers: Span,
    /// What has passed through it, up to five seconds ago.
    pub counters: Counters,
}

/// A real server, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String<NAME_BYTES_MAX>,
    /// Its address.
    pub address: ip::Text,
    /// Its port.
    pub port: u16,
    /// A place in [`Server::FORWARDS`].
    pub forward: u8,
    /// Whether it lives: a place in [`Server::STATES`].
    pub state: u8,
    /// Its weight while it lives.
    pub weight: u16,
    /// Its weight in the kernel; `None`: the kernel does not have it.
    pub kernel_weight: Option<u32>,
    /// Its connections that are established, and the others, up to five seconds ago.
    pub active: u32,
    /// The others.
    pub inactive: u32,
    /// What has gone to it, up to five seconds ago.
    pub counters: Counters,
}

impl Router {
    /// What may be seen of a virtual server, by its place in
    /// [`Config::virtual_servers`](crate::config::Config::virtual_servers).
    #[must_use]
    pub fn status_of_service(&self, place: u16) -> Option<Service> {
        if !cfg!(feature = "ipvs") {
            return None;
        }
        let id = VirtualServerId(place);
        let config = self.config();
        let service = config.virtual_server(id)?;
        let (protocol, address, number) = match service.service.identity {
            Identity::Address { protocol, address, port } => (protocol as u8, ip::text(address), port.into()),
            Identity::Mark { mark, .. } => (Service::MARK, ip::Text::new(), mark),
        };
        let lives = |place: &usize| self.server_standing(RealServerId(*place as u16)) == Standing::Up;
        Some(Service {
            name: cut(config.text(service.name)),
            protocol,
            address,
            number,
            scheduler: cut(service.service.scheduler.text()),
            is_up: self.service_standing(id) == Standing::Up,
            is_in_kernel: self.is_in_kernel(id),
            living: service.servers.range().filter(lives).count() as u16,
            servers: service.servers,
            counters: self.service_counters(id)?,
        })
    }

    /// What may be seen of a real server, by its place in [`Config::real_servers`](crate::config::Config::real_servers).
    #[must_use]
    pub fn status_of_server(&self, place: u16) -> Option<Server> {
        if !cfg!(feature = "ipvs") {
            return None;
        }
        let id = RealServerId(place);
        let server = self.config().real_server(id)?;
        let (traffic, kernel_weight) = self.server_traffic(id)?;
        Some(Server {
            name: cut(self.config().text(server.name)),
            address: ip::text(server.destination.address),
            port: server.destination.port,
            forward: match server.destination.forward {
                Forward::Masquerade => 0,
                Forward::Local => 1,
                Forward::Tunnel(_) => 2,
                Forward::Direct => 3,
            },
            state: self.server_standing(id) as u8,
            weight: self.server_weight(id),
            kernel_weight: kernel_weight.map(u32::from),
            active: traffic.active,
            inactive: traffic.inactive,
            counters: traffic.counters,
        })
    }
}

impl Service {
    /// The words for [`Service::protocol`].
    pub const PROTOCOLS: [&'static str; 4] = ["tcp", "udp", "sctp", "fwmark"];

    /// The place of a service that is known by its mark.
    pub const MARK: u8 = 3;

    /// To be filled by [`Reply::parse`](super::Reply::parse).
    pub(super) const EMPTY: Self = Self {
        name: String::new(),
        protocol: 0,
        address: ip::Text::new(),
        number: 0,
        scheduler: String::new(),
        is_up: false,
        is_in_kernel: false,
        living: 0,
        servers: Span { start: 0, len: 0 },
        counters: NO_COUNTERS,
    };

    pub(super) fn exchange(&mut self, fields: &mut Fields<'_>) {
        fields.text(&mut self.name);
        fields.text(&mut self.address);
        fields.text(&mut self.scheduler);
        fields.u8(&mut self.protocol);
        fields.flag(&mut self.is_up);
        fields.flag(&mut self.is_in_kernel);
        fields.u32(&mut self.number);
        for number in [&mut self.living, &mut self.servers.start, &mut self.servers.len] {
            fields.u16(number);
        }
        exchange_counters(&mut self.counters, fields);
    }
}

impl Server {
    /// The words for [`Server::forward`].
    pub const FORWARDS: [&'static str; 4] = ["nat", "local", "tun", "dr"];

    /// The words for [`Server::state`].
    pub const STATES: [&'static str; 3] =
        [Standing::Unknown.name(), Standing::Up.name(), Standing::Down.name()];

    /// To be filled by [`Reply::parse`](super::Reply::parse).
    pub(super) const EMPTY: Self = Self {
        name: String::new(),
        address: ip::Text::new(),
        port: 0,
        forward: 0,
        state: 0,
        weight: 0,
        kernel_weight: None,
        active: 0,
        inactive: 0,
        counters: NO_COUNTERS,
    };

    pub(super) fn exchange(&mut self, fields: &mut Fields<'_>) {
        fields.text(&mut self.name);
        fields.text(&mut self.address);
        fields.u16(&mut self.port);
        fields.u16(&mut self.weight);
        fields.u8(&mut self.forward);
        fields.u8(&mut self.state);
        fields.optional(&mut self.kernel_weight);
        fields.u32(&mut self.active);
        fields.u32(&mut self.inactive);
        exchange_counters(&mut self.counters, fields);
    }
}

const NO_COUNTERS: Counters =
    Counters { connections: 0, packets_in: 0, packets_out: 0, bytes_in: 0, bytes_out: 0 };

fn exchange_counters(counters: &mut Counters, fields: &mut Fields<'_>) {
    let Counters { connections, packets_in, packets_out, bytes_in, bytes_out } = counters;
    for count in [connections, packets_in, packets_out, bytes_in, bytes_out] {
        let mut bytes = count.to_le_bytes();
        fields.bytes(&mut bytes);
        *count = u64::from_le_bytes(bytes);
    }
}
