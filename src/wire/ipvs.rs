//! The kernel's load balancer, IPVS, by generic netlink (linux/ip_vs.h, linux/genetlink.h).
//!
//! A *service* is what clients ask for: an address, a port and a protocol, or a mark that the packet filter has put on
//! their packets. Its *destinations* are the servers that it is passed on to. There is a table of them for each network
//! namespace.
//!
//! The kernel numbers the family anew at every boot. Requests are written here with the number 0 (`nlmsg_type`, bytes 4
//! and 5), and whoever sends them puts in the one that [`find_family`] asks for.
//!
//! A request names a service by all its attributes, those that do not matter being empty, as `ipvsadm` does it. A request
//! is answered: [`Message::Accepted`] or [`Message::Refused`], and [`Message::Done`] at the end of a list (but see
//! [`stop_daemon`]). What a list tells is not taken in one moment: while others change the table, entries may be missing
//! or come twice.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::{self, Attribute, Request};
use super::{Full, ip};

/// Bytes of the longest request written here: one that adds a destination.
pub const REQUEST_BYTES_MAX: usize = 200;

/// Flag of a service: a client stays with its server for [`Service::timeout_secs`].
pub const PERSISTENT: u32 = 0x01;
/// Flag of a service: the kernel has it. Not to be set, and not told.
const HASHED: u32 = 0x02;
/// Flag of a service: every packet is balanced by itself (`ops`; of UDP alone).
pub const ONE_PACKET: u32 = 0x04;
/// Flag of a service: what its scheduler makes of it; `sh-fallback`, `mh-fallback`.
pub const SCHED_1: u32 = 0x08;
/// Flag of a service: what its scheduler makes of it; `sh-port`, `mh-port`.
pub const SCHED_2: u32 = 0x10;
/// Flag of a service: what its scheduler makes of it.
pub const SCHED_3: u32 = 0x20;

/// Flag of a tunnel of type [`Tunnel::Gue`] or [`Tunnel::Gre`]: with a checksum.
pub const TUNNEL_CHECKSUM: u16 = 1;
/// Flag of a tunnel of type [`Tunnel::Gue`]: with remote checksum offload.
pub const TUNNEL_REMOTE_CHECKSUM: u16 = 2;

const NEW_SERVICE: u8 = 1;
const SET_SERVICE: u8 = 2;
const DELETE_SERVICE: u8 = 3;
const GET_SERVICE: u8 = 4;
const NEW_DESTINATION: u8 = 5;
const SET_DESTINATION: u8 = 6;
const DELETE_DESTINATION: u8 = 7;
const GET_DESTINATION: u8 = 8;
const NEW_DAEMON: u8 = 9;
const DELETE_DAEMON: u8 = 10;
const GET_DAEMON: u8 = 11;
const SET_CONFIG: u8 = 12;

/// Attributes of a message.
const SERVICE: u16 = 1;
const DESTINATION: u16 = 2;
const DAEMON: u16 = 3;
const TIMEOUT_TCP: u16 = 4;
const TIMEOUT_TCP_FIN: u16 = 5;
const TIMEOUT_UDP: u16 = 6;

const SERVICE_FAMILY: u16 = 1;
const SERVICE_PROTOCOL: u16 = 2;
const SERVICE_ADDRESS: u16 = 3;
const SERVICE_PORT: u16 = 4;
const SERVICE_MARK: u16 = 5;
const SERVICE_SCHEDULER: u16 = 6;
const SERVICE_FLAGS: u16 = 7;
const SERVICE_TIMEOUT: u16 = 8;
const SERVICE_NETMASK: u16 = 9;
const SERVICE_PERSISTENCE_ENGINE: u16 = 11;

const DESTINATION_ADDRESS: u16 = 1;
const DESTINATION_PORT: u16 = 2;
const DESTINATION_FORWARD: u16 = 3;
const DESTINATION_WEIGHT: u16 = 4;
const DESTINATION_UPPER: u16 = 5;
const DESTINATION_LOWER: u16 = 6;
const DESTINATION_ACTIVE: u16 = 7;
const DESTINATION_INACTIVE: u16 = 8;
const DESTINATION_FAMILY: u16 = 11;
const DESTINATION_TUNNEL: u16 = 13;
const DESTINATION_TUNNEL_PORT: u16 = 14;
const DESTINATION_TUNNEL_FLAGS: u16 = 15;

/// Of services and destinations: counters of 32 bits, and of 64 since Linux 4.1.
const COUNTERS: u16 = 10;
const COUNTERS_64: u16 = 12;

const COUNTER_CONNECTIONS: u16 = 1;
const COUNTER_PACKETS_IN: u16 = 2;
const COUNTER_PACKETS_OUT: u16 = 3;
const COUNTER_BYTES_IN: u16 = 4;
const COUNTER_BYTES_OUT: u16 = 5;

const DAEMON_STATE: u16 = 1;
const DAEMON_INTERFACE: u16 = 2;
const DAEMON_ID: u16 = 3;
const STATE_MASTER: u32 = 1;
const STATE_BACKUP: u32 = 2;

/// `GENL_ID_CTRL`, the family that knows the others; numbers above it are theirs.
const CONTROL: u16 = 0x10;
const CONTROL_NEW_FAMILY: u8 = 1;
const CONTROL_GET_FAMILY: u8 = 3;
const CONTROL_FAMILY_ID: u16 = 1;
const CONTROL_FAMILY_NAME: u16 = 2;

const VERSION: u8 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SIP: &str = "sip";

/// What a service balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// TCP. The first, so that a table of these is all zeros.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// Its number in IP headers.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    const fn of(number: u16) -> Option<Self> {
        match number {
            6 => Some(Self::Tcp),
            17 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }
}

/// What makes a service another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// Packets to an address.
    Address {
        /// Of this protocol.
        protocol: Protocol,
        /// The address.
        address: IpAddr,
        /// To this port; 0: to every port that no other service has, if it is [`PERSISTENT`].
        port: u16,
    },
    /// Packets with a mark.
    Mark {
        /// The mark; not 0.
        mark: u32,
        /// Those of IPv6.
        is_v6: bool,
    },
}

impl Identity {
    /// Whether it is of IPv6.
    #[must_use]
    pub const fn is_v6(&self) -> bool {
        match self {
            Self::Address { address, .. } => address.is_ipv6(),
            Self::Mark { is_v6, .. } => *is_v6,
        }
    }
}

/// A name of the kernel's: of a scheduler, or of a device. At most 15 bytes, and zeros after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Name([u8; 16]);

impl Name {
    /// The name of these characters; `None` if they are too many, or no text.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes.get_mut(..15)?.get_mut(..text.len())?.copy_from_slice(text);
        let is_text = !text.contains(&0) && core::str::from_utf8(text).is_ok();
        is_text.then_some(Self(bytes))
    }

    /// Its characters.
    #[must_use]
    pub fn text(&self) -> &str {
        core::str::from_utf8(before_zero(&self.0)).unwrap_or("")
    }
}

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Which.
    pub identity: Identity,
    /// Who chooses a server: `rr`, `wlc` and so on.
    pub scheduler: Name,
    /// [`PERSISTENT`] and so on.
    pub flags: u32,
    /// How long a client stays with its server, if it is [`PERSISTENT`].
    pub timeout_secs: u32,
    /// Clients of the same prefix of so many bits stay together; 32, or 128 for IPv6: each by itself.
    pub prefix_len: u8,
    /// Clients are told apart by the Call-ID of SIP (the persistence engine `sip`).
    pub is_sip: bool,
}

/// How packets are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tunnel {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// To this port.
        port: u16,
        /// [`TUNNEL_CHECKSUM`] or [`TUNNEL_REMOTE_CHECKSUM`].
        flags: u16,
    },
    /// GRE.
    Gre {
        /// [`TUNNEL_CHECKSUM`].
        flags: u16,
    },
}

/// How packets reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// With its address in place of the service's (NAT).
    Masquerade,
    /// The server is this host. Linux finds that out by itself, whatever else it was told, and tells what it was told.
    Local,
    /// Wrapped.
    Tunnel(Tunnel),
    /// In a frame to it (DR).
    Direct,
}

/// A server of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// How packets reach it.
    pub forward: Forward,
    /// Its share; 0: nothing new, and what it has stays.
    pub weight: u32,
    /// From so many connections on it is given no more; 0: there is no such bound.
    pub upper: u32,
    /// Until there are less than so many again.
    pub lower: u32,
}

/// What has gone through a service, or to a destination. The kernel brings them up to date every two seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Connections.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients, as far as they come by here.
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients, as far as they come by here.
    pub bytes_out: u64,
}

/// Whether something is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is: EEXIST if it is not.
    Add,
    /// It is not: ESRCH if there is no such service, ENOENT if it has no such destination.
    Set,
}

/// How long idle connections are remembered; 0: as long as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeouts {
    /// TCP.
    pub tcp_secs: u32,
    /// TCP after a FIN.
    pub tcp_fin_secs: u32,
    /// UDP.
    pub udp_secs: u32,
}

impl Timeouts {
    /// All as long as before.
    pub const KEEP: Self = Self { tcp_secs: 0, tcp_fin_secs: 0, udp_secs: 0 };
}

/// One end of the exchange of connections between hosts that balance: the kernel has one that tells and one that
/// listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncDaemon<'a> {
    /// The one that tells.
    pub is_master: bool,
    /// The device that it does so on.
    pub interface: &'a str,
    /// Both ends have the same; 0 hears all.
    pub id: u8,
}

/// What the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// A service.
    Service(Service, Counters),
    /// A server of the service whose destinations were asked for.
    Destination {
        /// The server.
        destination: Destination,
        /// Its connections that are established.
        active: u32,
        /// Its other connections.
        inactive: u32,
        /// What has gone to it.
        counters: Counters,
    },
    /// One end of the exchange of connections.
    Daemon {
        /// The one that tells.
        is_master: bool,
        /// Its device.
        interface: Name,
        /// Its number.
        id: u32,
    },
    /// The end of a list.
    Done {
        /// Sequence number of the request.
        sequence: u32,
        /// The kernel says that something has changed meanwhile, or that it could not tell all.
        is_torn: bool,
    },
    /// A request was refused.
    Refused {
        /// Its sequence number.
        sequence: u32,
        /// Positive.
        errno: i32,
    },
    /// A request was carried out.
    Accepted {
        /// Its sequence number.
        sequence: u32,
    },
}

/// Writes a request for all services, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn dump_services(sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    request(GET_SERVICE, netlink::DUMP, sequence, buffer)?.finish()
}

/// Writes a request for all destinations of a service, and returns its length in bytes. If there is no such service, the
/// list is empty.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn dump_destinations(of: &Identity, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = request(GET_DESTINATION, netlink::DUMP, sequence, buffer)?;
    let nest = request.begin(SERVICE)?;
    put_identity(&mut request, of)?;
    request.end(nest)?;
    request.finish()
}

/// Writes a request that adds or changes a service, and returns its length in bytes. ENOENT: the kernel has no such
/// scheduler.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn put_service(verb: Verb, service: &Service, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let command = match verb {
        Verb::Add => NEW_SERVICE,
        Verb::Set => SET_SERVICE,
    };
    let mut request = request(command, 0, sequence, buffer)?;
    put_service_into(&mut request, service)?;
    request.finish()
}

/// Writes a request that deletes a service and its destinations, and returns its length in bytes. ESRCH: there is none.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn delete_service(identity: &Identity, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = request(DELETE_SERVICE, 0, sequence, buffer)?;
    put_service_into(&mut request, &nothing_but(identity))?;
    request.finish()
}

/// Writes a request that adds or changes a destination, and returns its length in bytes. ESRCH: there is no such
/// service.
///
/// # Errors
/// [`Full`] if `buffer` is shorter than [`REQUEST_BYTES_MAX`].
pub fn put_destination(
    verb: Verb,
    of: &Identity,
    destination: &Destination,
    sequence: u32,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let command = match verb {
        Verb::Add => NEW_DESTINATION,
        Verb::Set => SET_DESTINATION,
    };
    put_destination_by(command, of, destination, sequence, buffer)
}

/// Writes a request that deletes a destination, and returns its length in bytes: connections to it are forgotten or
/// stay, as `/proc/sys/net/ipv4/vs/expire_nodest_conn` has it. ESRCH: there is no such service. ENOENT: it has no such
/// destination.
///
/// # Errors
/// [`Full`] if `buffer` is shorter than [`REQUEST_BYTES_MAX`].
pub fn delete_destination(
    of: &Identity,
    address: IpAddr,
    port: u16,
    sequence: u32,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let forward = Forward::Direct;
    let destination = Destination { address, port, forward, weight: 1, upper: 0, lower: 0 };
    put_destination_by(DELETE_DESTINATION, of, &destination, sequence, buffer)
}

/// Writes a request that sets how long idle connections are remembered, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn set_timeouts(timeouts: &Timeouts, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = request(SET_CONFIG, 0, sequence, buffer)?;
    put_u32(&mut request, TIMEOUT_TCP, timeouts.tcp_secs)?;
    put_u32(&mut request, TIMEOUT_TCP_FIN, timeouts.tcp_fin_secs)?;
    put_u32(&mut request, TIMEOUT_UDP, timeouts.udp_secs)?;
    request.finish()
}

/// Writes a request that starts one end of the exchange of connections, and returns its length in bytes. EEXIST: it
/// runs.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn start_daemon(daemon: &SyncDaemon<'_>, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    put_daemon(NEW_DAEMON, daemon, sequence, buffer)
}

/// Writes a request that stops one end of the exchange of connections, and returns its length in bytes. ESRCH: it does
/// not run.
///
/// No answer comes if it was started so shortly before that it has not run yet: the thread's end is EINTR then, which
/// netlink takes for something else. It is stopped all the same.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn stop_daemon(daemon: &SyncDaemon<'_>, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let daemon = SyncDaemon { interface: "", id: 0, ..*daemon };
    put_daemon(DELETE_DAEMON, &daemon, sequence, buffer)
}

/// Writes a request for the ends of the exchange of connections that run, and returns its length in bytes.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn dump_daemons(sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    request(GET_DAEMON, netlink::DUMP, sequence, buffer)?.finish()
}

/// Writes a request for the number of the family, and returns its length in bytes. Its number is known: it can be sent
/// as it is.
///
/// # Errors
/// [`Full`] if `buffer` is too short.
pub fn find_family(sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = Request::new(buffer, CONTROL, 0, sequence)?;
    request.put(&[CONTROL_GET_FAMILY, VERSION, 0, 0])?;
    request.string(CONTROL_FAMILY_NAME, "IPVS")?;
    request.finish()
}

/// The number of the family, out of the answer to [`find_family`], or the error that it was refused with; `None` if
/// there is neither.
#[must_use]
pub fn family(datagram: &[u8]) -> Option<Result<u16, i32>> {
    netlink::messages(datagram).find_map(|message| match message.kind {
        CONTROL => {
            let (command, attributes) = split(message.payload)?;
            let mut attributes = netlink::attributes(attributes);
            let id = attributes.find(|attribute| attribute.kind == CONTROL_FAMILY_ID)?;
            let id = as_u16(&id).filter(|_| command == CONTROL_NEW_FAMILY)?;
            Some(Ok(id))
        }
        netlink::ERROR => error_number(message.payload).filter(|errno| *errno != 0).map(Err),
        _ => None,
    })
}

/// Whether the kernel says that the number of a family is nobody's: it refuses a list with ENOENT, which no family does by
/// itself.
#[must_use]
pub fn is_unknown(datagram: &[u8]) -> bool {
    let Some(message) = netlink::messages(datagram).next().filter(|message| message.kind == netlink::ERROR)
    else {
        return false;
    };
    // Behind the error stands the header of what was refused.
    let flags = message.payload.get(REFUSED_FLAGS).and_then(|flags| flags.first_chunk());
    error_number(message.payload) == Some(ENOENT)
        && flags.is_some_and(|flags| u16::from_ne_bytes(*flags) & netlink::DUMP == netlink::DUMP)
}

const ENOENT: i32 = 2;

/// Where the flags of what was refused stand in an error.
const REFUSED_FLAGS: core::ops::Range<usize> = 10..12;

/// The messages of one datagram from the kernel; what we do not know is skipped, what is broken ends it.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    inner: netlink::Messages<'a>,
    is_torn: bool,
}

/// The messages of one datagram from the kernel.
#[must_use]
pub const fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages { inner: netlink::messages(datagram), is_torn: false }
}

impl Iterator for Messages<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        loop {
            let message = self.inner.next()?;
            self.is_torn |= message.flags & netlink::DUMP_INTERRUPTED != 0;
            let sequence = message.sequence;
            let parsed = match message.kind {
                netlink::DONE => {
                    // A list that ends with an error is not whole.
                    let failed = error_number(message.payload).is_some_and(|errno| errno != 0);
                    Some(Message::Done { sequence, is_torn: core::mem::take(&mut self.is_torn) || failed })
                }
                netlink::ERROR => error_number(message.payload).map(|errno| match errno {
                    0 => Message::Accepted { sequence },
                    errno => Message::Refused { sequence, errno },
                }),
                kind if kind > CONTROL => parse(message.payload),
                _ => None,
            };
            if parsed.is_some() {
                return parsed;
            }
        }
    }
}

/// A request to IPVS without attributes.
fn request(command: u8, flags: u16, sequence: u32, buffer: &mut [u8]) -> Result<Request<'_>, Full> {
    let mut request = Request::new(buffer, 0, flags | netlink::ACK, sequence)?;
    request.put(&[command, VERSION, 0, 0])?;
    Ok(request)
}

fn put_u16(request: &mut Request<'_>, kind: u16, value: u16) -> Result<(), Full> {
    request.attribute(kind, &value.to_ne_bytes())
}

fn put_u32(request: &mut Request<'_>, kind: u16, value: u32) -> Result<(), Full> {
    request.attribute(kind, &value.to_ne_bytes())
}

/// An address and a port, both of which are in network byte order; one of IPv4 has twelve zeros behind it.
fn put_address(
    request: &mut Request<'_>,
    [address_kind, port_kind]: [u16; 2],
    address: &IpAddr,
    port: u16,
) -> Result<(), Full> {
    let mut buffer = [0; 16];
    let _ = ip::octets(address, &mut buffer);
    request.attribute(address_kind, &buffer)?;
    request.attribute(port_kind, &port.to_be_bytes())
}

/// A service of which only its identity matters.
const fn nothing_but(identity: &Identity) -> Service {
    Service {
        identity: *identity,
        scheduler: Name([0; 16]),
        flags: 0,
        timeout_secs: 0,
        prefix_len: if identity.is_v6() { 128 } else { 32 },
        is_sip: false,
    }
}

fn put_identity(request: &mut Request<'_>, identity: &Identity) -> Result<(), Full> {
    put_u16(request, SERVICE_FAMILY, family_number(identity.is_v6()))?;
    match identity {
        Identity::Address { protocol, address, port } => {
            put_u16(request, SERVICE_PROTOCOL, u16::from(protocol.number()))?;
            put_address(request, [SERVICE_ADDRESS, SERVICE_PORT], address, *port)
        }
        Identity::Mark { mark, .. } => put_u32(request, SERVICE_MARK, *mark),
    }
}

fn put_service_into(request: &mut Request<'_>, service: &Service) -> Result<(), Full> {
    let nest = request.begin(SERVICE)?;
    put_identity(request, &service.identity)?;
    request.string(SERVICE_SCHEDULER, service.scheduler.text())?;
    if service.is_sip {
        request.string(SERVICE_PERSISTENCE_ENGINE, SIP)?;
    }
    // struct ip_vs_flags: the flags, and which of them are meant.
    let [f0, f1, f2, f3] = service.flags.to_ne_bytes();
    request.attribute(SERVICE_FLAGS, &[f0, f1, f2, f3, 0xff, 0xff, 0xff, 0xff])?;
    put_u32(request, SERVICE_TIMEOUT, service.timeout_secs)?;
    request.attribute(SERVICE_NETMASK, &netmask(service.prefix_len, service.identity.is_v6()))?;
    request.end(nest)
}

fn put_destination_by(
    command: u8,
    of: &Identity,
    destination: &Destination,
    sequence: u32,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    let mut request = request(command, 0, sequence, buffer)?;
    put_service_into(&mut request, &nothing_but(of))?;
    let (forward, tunnel, tunnel_port, tunnel_flags) = match destination.forward {
        Forward::Masquerade => (0, 0, 0, 0),
        Forward::Local => (1, 0, 0, 0),
        Forward::Tunnel(Tunnel::Ipip) => (2, 0, 0, 0),
        Forward::Tunnel(Tunnel::Gue { port, flags }) => (2, 1, port, flags),
        Forward::Tunnel(Tunnel::Gre { flags }) => (2, 2, 0, flags),
        Forward::Direct => (3, 0, 0, 0),
    };
    let address = &destination.address;
    let nest = request.begin(DESTINATION)?;
    put_u16(&mut request, DESTINATION_FAMILY, family_number(address.is_ipv6()))?;
    put_address(&mut request, [DESTINATION_ADDRESS, DESTINATION_PORT], address, destination.port)?;
    put_u32(&mut request, DESTINATION_FORWARD, forward)?;
    put_u32(&mut request, DESTINATION_WEIGHT, destination.weight)?;
    request.attribute(DESTINATION_TUNNEL, &[tunnel])?;
    request.attribute(DESTINATION_TUNNEL_PORT, &u16::to_be_bytes(tunnel_port))?;
    put_u16(&mut request, DESTINATION_TUNNEL_FLAGS, tunnel_flags)?;
    put_u32(&mut request, DESTINATION_UPPER, destination.upper)?;
    put_u32(&mut request, DESTINATION_LOWER, destination.lower)?;
    request.end(nest)?;
    request.finish()
}

fn put_daemon(command: u8, daemon: &SyncDaemon<'_>, sequence: u32, buffer: &mut [u8]) -> Result<usize, Full> {
    let mut request = request(command, 0, sequence, buffer)?;
    let nest = request.begin(DAEMON)?;
    put_u32(&mut request, DAEMON_STATE, if daemon.is_master { STATE_MASTER } else { STATE_BACKUP })?;
    request.string(DAEMON_INTERFACE, daemon.interface)?;
    put_u32(&mut request, DAEMON_ID, u32::from(daemon.id))?;
    request.end(nest)?;
    request.finish()
}

const fn family_number(is_v6: bool) -> u16 {
    if is_v6 { AF_INET6 } else { AF_INET }
}

/// For IPv4 the mask in network byte order, for IPv6 the number of bits in the host's.
fn netmask(prefix_len: u8, is_v6: bool) -> [u8; 4] {
    if is_v6 {
        return u32::from(prefix_len).to_ne_bytes();
    }
    let others = 32_u32.saturating_sub(u32::from(prefix_len));
    u32::MAX.checked_shl(others).unwrap_or(0).to_be_bytes()
}

fn prefix_len(netmask: [u8; 4], is_v6: bool) -> u8 {
    if is_v6 {
        return u8::try_from(u32::from_ne_bytes(netmask)).unwrap_or(u8::MAX);
    }
    u32::from_be_bytes(netmask).leading_ones() as u8
}

/// The bytes before the first zero.
fn before_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(&[])
}

/// The command of generic netlink's header, and what follows that.
const fn split(payload: &[u8]) -> Option<(u8, &[u8])> {
    match payload.split_first_chunk::<4>() {
        Some((&[command, ..], rest)) => Some((command, rest)),
        None => None,
    }
}

/// The error at the front of an answer, made positive.
fn error_number(payload: &[u8]) -> Option<i32> {
    let (error, _) = payload.split_first_chunk::<4>()?;
    Some(i32::try_from(i32::from_ne_bytes(*error).unsigned_abs()).unwrap_or(i32::MAX))
}

fn as_u16(attribute: &Attribute<'_>) -> Option<u16> {
    attribute.value.first_chunk().copied().map(u16::from_ne_bytes)
}

/// A port, or what else is of two bytes in network byte order.
fn as_port(attribute: &Attribute<'_>) -> Option<u16> {
    attribute.value.first_chunk().copied().map(u16::from_be_bytes)
}

/// A counter of 32 or of 64 bits.
fn as_counter(attribute: &Attribute<'_>) -> Option<u64> {
    match attribute.value.first_chunk() {
        Some(bytes) => Some(u64::from_ne_bytes(*bytes)),
        None => attribute.as_u32().map(u64::from),
    }
}

/// What the kernel tells in terms of IPVS. Lists have the commands that make what they tell of.
fn parse(payload: &[u8]) -> Option<Message> {
    let (command, attributes) = split(payload)?;
    let nest = |kind| netlink::attributes(attributes).find(|nest| nest.kind == kind).map(|nest| nest.value);
    match command {
        NEW_SERVICE => parse_service(nest(SERVICE)?),
        NEW_DESTINATION => parse_destination(nest(DESTINATION)?),
        NEW_DAEMON => parse_daemon(nest(DAEMON)?),
        _ => None,
    }
}

fn parse_service(nest: &[u8]) -> Option<Message> {
    let (mut family, mut protocol, mut octets, mut port, mut mark) = (None, None, None, None, None);
    let (mut scheduler, mut flags, mut timeout_secs, mut mask) = (None, 0, 0, [0; 4]);
    let mut is_sip = false;
    for attribute in netlink::attributes(nest) {
        match attribute.kind {
            SERVICE_FAMILY => family = as_u16(&attribute),
            SERVICE_PROTOCOL => protocol = as_u16(&attribute).and_then(Protocol::of),
            SERVICE_ADDRESS => octets = Some(attribute.value),
            SERVICE_PORT => port = as_port(&attribute),
            SERVICE_MARK => mark = attribute.as_u32(),
            SERVICE_SCHEDULER => scheduler = Name::new(before_zero(attribute.value)),
            SERVICE_FLAGS => flags = attribute.as_u32()? & !HASHED,
            SERVICE_TIMEOUT => timeout_secs = attribute.as_u32()?,
            SERVICE_NETMASK => mask = *attribute.value.first_chunk()?,
            SERVICE_PERSISTENCE_ENGINE => is_sip = before_zero(attribute.value) == SIP.as_bytes(),
            _ => {}
        }
    }
    let is_v6 = is_v6(family?)?;
    let identity = match mark {
        Some(mark) => Identity::Mark { mark, is_v6 },
        None => Identity::Address { protocol: protocol?, address: address(octets?, is_v6)?, port: port? },
    };
    let prefix_len = prefix_len(mask, is_v6);
    let service = Service { identity, scheduler: scheduler?, flags, timeout_secs, prefix_len, is_sip };
    Some(Message::Service(service, counters(nest)))
}

fn parse_destination(nest: &[u8]) -> Option<Message> {
    let (mut family, mut octets, mut port, mut forward, mut weight) = (None, None, None, None, None);
    let (mut tunnel, mut tunnel_port, mut tunnel_flags) = (0, 0, 0);
    let (mut upper, mut lower, mut active, mut inactive) = (0, 0, 0, 0);
    for attribute in netlink::attributes(nest) {
        match attribute.kind {
            DESTINATION_FAMILY => family = as_u16(&attribute),
            DESTINATION_ADDRESS => octets = Some(attribute.value),
            DESTINATION_PORT => port = as_port(&attribute),
            DESTINATION_FORWARD => forward = attribute.as_u32(),
            DESTINATION_WEIGHT => weight = attribute.as_u32(),
            DESTINATION_UPPER => upper = attribute.as_u32()?,
            DESTINATION_LOWER => lower = attribute.as_u32()?,
            DESTINATION_ACTIVE => active = attribute.as_u32()?,
            DESTINATION_INACTIVE => inactive = attribute.as_u32()?,
            DESTINATION_TUNNEL => tunnel = *attribute.value.first()?,
            DESTINATION_TUNNEL_PORT => tunnel_port = as_port(&attribute)?,
            DESTINATION_TUNNEL_FLAGS => tunnel_flags = as_u16(&attribute)?,
            _ => {}
        }
    }
    let forward = match (forward?, tunnel) {
        (0, _) => Forward::Masquerade,
        (1, _) => Forward::Local,
        (2, 0) => Forward::Tunnel(Tunnel::Ipip),
        (2, 1) => Forward::Tunnel(Tunnel::Gue { port: tunnel_port, flags: tunnel_flags }),
        (2, 2) => Forward::Tunnel(Tunnel::Gre { flags: tunnel_flags }),
        (3, _) => Forward::Direct,
        _ => return None,
    };
    let address = address(octets?, is_v6(family?)?)?;
    let destination = Destination { address, port: port?, forward, weight: weight?, upper, lower };
    Some(Message::Destination { destination, active, inactive, counters: counters(nest) })
}

fn parse_daemon(nest: &[u8]) -> Option<Message> {
    let (mut state, mut interface, mut id) = (None, None, None);
    for attribute in netlink::attributes(nest) {
        match attribute.kind {
            DAEMON_STATE => state = attribute.as_u32(),
            DAEMON_INTERFACE => interface = Name::new(before_zero(attribute.value)),
            DAEMON_ID => id = attribute.as_u32(),
            _ => {}
        }
    }
    Some(Message::Daemon { is_master: state? == STATE_MASTER, interface: interface?, id: id? })
}

/// Of a service or a destination. Those of 64 bits come after those of 32.
fn counters(nest: &[u8]) -> Counters {
    let mut counters = Counters::default();
    let nests = netlink::attributes(nest).filter(|nest| matches!(nest.kind, COUNTERS | COUNTERS_64));
    for attribute in nests.flat_map(|nest| netlink::attributes(nest.value)) {
        let counter = match attribute.kind {
            COUNTER_CONNECTIONS => &mut counters.connections,
            COUNTER_PACKETS_IN => &mut counters.packets_in,
            COUNTER_PACKETS_OUT => &mut counters.packets_out,
            COUNTER_BYTES_IN => &mut counters.bytes_in,
            COUNTER_BYTES_OUT => &mut counters.bytes_out,
            _ => continue,
        };
        *counter = as_counter(&attribute).unwrap_or(*counter);
    }
    counters
}

const fn is_v6(family: u16) -> Option<bool> {
    match family {
        AF_INET => Some(false),
        AF_INET6 => Some(true),
        _ => None,
    }
}

/// An address of 16 bytes, of which IPv4 has the first four; then there may be no others.
fn address(octets: &[u8], is_v6: bool) -> Option<IpAddr> {
    if is_v6 {
        octets.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets).into())
    } else {
        octets.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x64));
    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 1));
    const WEB: Identity = Identity::Address { protocol: Protocol::Tcp, address: V4, port: 80 };
    const NAMES: Identity = Identity::Address { protocol: Protocol::Udp, address: V6, port: 53 };
    const MARKED: Identity = Identity::Mark { mark: 0x0102_0304, is_v6: true };

    /// The kernel's number for the family, which those who send put in.
    const FAMILY: u16 = 0x1c;

    /// An answer to a request of this kind, flags and error, as netlink(7) has it.
    fn refused(flags: u16, errno: i32) -> Vec<u8> {
        let mut bytes = Vec::from(36u32.to_ne_bytes());
        for half in [netlink::ERROR, 0, 5, 0, 0, 0] {
            bytes.extend(half.to_ne_bytes());
        }
        bytes.extend((-errno).to_ne_bytes());
        bytes.extend(16u32.to_ne_bytes());
        for half in [FAMILY, flags, 5, 0, 0, 0] {
            bytes.extend(half.to_ne_bytes());
        }
        bytes
    }

    #[test]
    fn a_list_that_is_refused_with_enoent_is_of_a_family_that_is_not_there() {
        assert!(is_unknown(&refused(netlink::REQUEST | netlink::DUMP, 2)));
        assert!(!is_unknown(&refused(netlink::REQUEST | netlink::ACK, 2)), "a scheduler, or a destination");
        assert!(!is_unknown(&refused(netlink::REQUEST | netlink::DUMP, 16)), "one at a time");
        let all = refused(netlink::DUMP, 2);
        assert!((0..all.len()).all(|len| !is_unknown(&all[..len])));
    }

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes()).unwrap()
    }

    fn services() -> Vec<Service> {
        let plain = Service {
            identity: WEB,
            scheduler: name("rr"),
            flags: 0,
            timeout_secs: 0,
            prefix_len: 32,
            is_sip: false,
        };
        let mut all = Vec::from([
            plain,
            Service { identity: NAMES, flags: ONE_PACKET, prefix_len: 128, ..plain },
            Service { identity: MARKED, scheduler: name("fifteen-letters"), prefix_len: 64, ..plain },
            Service { identity: Identity::Mark { mark: 7, is_v6: false }, ..plain },
            Service { flags: PERSISTENT, timeout_secs: 300, is_sip: true, ..plain },
            Service { flags: SCHED_1 | SCHED_2 | SCHED_3, scheduler: name("sh"), ..plain },
        ]);
        let sctp = Identity::Address { protocol: Protocol::Sctp, address: V4, port: 0 };
        all.extend((0..=32).map(|prefix_len| Service { identity: sctp, prefix_len, ..plain }));
        all.extend((0..=128).map(|prefix_len| Service { identity: NAMES, prefix_len, ..plain }));
        all
    }

    fn destinations() -> Vec<Destination> {
        let plain = Destination {
            address: SERVER,
            port: 8080,
            forward: Forward::Masquerade,
            weight: 3,
            upper: 0,
            lower: 0,
        };
        Vec::from([
            plain,
            Destination { address: V6, forward: Forward::Direct, weight: 0, ..plain },
            Destination { forward: Forward::Local, weight: u32::MAX, ..plain },
            Destination { forward: Forward::Tunnel(Tunnel::Ipip), upper: 100, lower: 80, ..plain },
            Destination {
                forward: Forward::Tunnel(Tunnel::Gue { port: 5555, flags: TUNNEL_REMOTE_CHECKSUM }),
                ..plain
            },
            Destination { forward: Forward::Tunnel(Tunnel::Gre { flags: TUNNEL_CHECKSUM }), ..plain },
        ])
    }

    type Write<'a> = &'a dyn Fn(&mut [u8]) -> Result<usize, Full>;

    fn written(write: Write<'_>) -> Vec<u8> {
        let mut buffer = std::vec![0xa5; 2 * REQUEST_BYTES_MAX];
        let len = write(&mut buffer).unwrap();
        assert!(buffer[len..].iter().all(|byte| *byte == 0xa5));
        buffer.truncate(len);
        buffer
    }

    /// Hands a request of one of every kind to `see`.
    fn each_request(see: &mut dyn FnMut(Write<'_>)) {
        for service in services() {
            let of = &service.identity;
            for verb in [Verb::Add, Verb::Set] {
                see(&|buffer| put_service(verb, &service, 9, buffer));
            }
            see(&|buffer| delete_service(of, 9, buffer));
            see(&|buffer| dump_destinations(of, 9, buffer));
            for destination in destinations() {
                for verb in [Verb::Add, Verb::Set] {
                    see(&|buffer| put_destination(verb, of, &destination, 9, buffer));
                }
                let Destination { address, port, .. } = destination;
                see(&|buffer| delete_destination(of, address, port, 9, buffer));
            }
        }
        see(&|buffer| dump_services(9, buffer));
        see(&|buffer| dump_daemons(9, buffer));
        see(&|buffer| find_family(9, buffer));
        let timeouts = Timeouts { tcp_secs: 1, tcp_fin_secs: 2, udp_secs: 3 };
        see(&|buffer| set_timeouts(&timeouts, 9, buffer));
        for is_master in [false, true] {
            let daemon = SyncDaemon { is_master, interface: "fifteen-letters", id: 255 };
            see(&|buffer| start_daemon(&daemon, 9, buffer));
            see(&|buffer| stop_daemon(&daemon, 9, buffer));
        }
    }

    #[test]
    fn every_buffer_that_is_too_short_is_full() {
        let mut longest = 0;
        each_request(&mut |write| {
            let len = written(write).len();
            longest = longest.max(len);
            let mut buffer = [0; REQUEST_BYTES_MAX];
            for room in 0..len {
                assert_eq!(write(&mut buffer[..room]), Err(Full), "{room} of {len}");
            }
            assert_eq!(write(&mut buffer[..len]), Ok(len));
        });
        assert_eq!(longest, REQUEST_BYTES_MAX);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn adding_a_service_is_these_bytes() {
        let service = Service { flags: PERSISTENT, timeout_secs: 300, prefix_len: 24, ..services()[0] };
        #[rustfmt::skip]
        let expected = [
            104, 0, 0, 0, 0, 0, 5, 0, 4, 3, 2, 1, 0, 0, 0, 0, // no type yet; REQUEST | ACK
            1, 1, 0, 0, // NEW_SERVICE, version 1
            84, 0, 1, 0x80,
            6, 0, 1, 0, 2, 0, 0, 0, // AF_INET
            6, 0, 2, 0, 6, 0, 0, 0, // TCP
            20, 0, 3, 0, 10, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            6, 0, 4, 0, 0, 80, 0, 0, // port
            7, 0, 6, 0, b'r', b'r', 0, 0,
            12, 0, 7, 0, 1, 0, 0, 0, 255, 255, 255, 255, // flags, and which of them
            8, 0, 8, 0, 0x2c, 1, 0, 0, // timeout
            8, 0, 9, 0, 255, 255, 255, 0, // netmask
        ];
        let written = written(&|buffer| put_service(Verb::Add, &service, 0x0102_0304, buffer));
        assert_eq!(written, expected);
    }

    /// A message of the kernel's: its type is put in, and its command is the one that lists have.
    fn from_kernel(mut message: Vec<u8>, command: u8) -> Vec<u8> {
        message[4..6].copy_from_slice(&FAMILY.to_ne_bytes());
        message[16] = command;
        message
    }

    fn only(datagram: &[u8]) -> Option<Message> {
        let mut messages = messages(datagram);
        let first = messages.next();
        assert_eq!(messages.next(), None);
        first
    }

    #[test]
    fn a_service_that_is_written_is_read_back() {
        for service in services() {
            for verb in [Verb::Add, Verb::Set] {
                let request = written(&|buffer| put_service(verb, &service, 9, buffer));
                let expected = Message::Service(service, Counters::default());
                assert_eq!(only(&from_kernel(request, NEW_SERVICE)), Some(expected));
            }
            let request = written(&|buffer| delete_service(&service.identity, 9, buffer));
            let Some(Message::Service(told, _)) = only(&from_kernel(request, NEW_SERVICE)) else { panic!() };
            assert_eq!((told.identity, told.scheduler.text()), (service.identity, ""));
        }
    }

    #[test]
    fn a_destination_that_is_written_is_read_back() {
        let told = |destination| Message::Destination {
            destination,
            active: 0,
            inactive: 0,
            counters: Counters::default(),
        };
        for destination in destinations() {
            for of in [WEB, NAMES, MARKED] {
                for verb in [Verb::Add, Verb::Set] {
                    let request = written(&|buffer| put_destination(verb, &of, &destination, 9, buffer));
                    assert_eq!(only(&from_kernel(request, NEW_DESTINATION)), Some(told(destination)));
                }
            }
        }
    }

    #[test]
    fn an_end_of_the_exchange_that_is_written_is_read_back() {
        for is_master in [false, true] {
            let daemon = SyncDaemon { is_master, interface: "br-lan", id: 7 };
            let request = written(&|buffer| start_daemon(&daemon, 9, buffer));
            let expected = Message::Daemon { is_master, interface: name("br-lan"), id: 7 };
            assert_eq!(only(&from_kernel(request, NEW_DAEMON)), Some(expected));
        }
    }

    /// Writes a message of the kernel's: its nests have no flag.
    fn told(command: u8, flags: u16, nest: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        written(&|buffer| {
            let mut request = Request::new(buffer, FAMILY, flags, 9)?;
            request.put(&[command, 1, 0, 0])?;
            let mut value = std::vec![0; 1024];
            let mut inner = Request::new(&mut value, 0, 0, 0)?;
            for (kind, value) in attributes {
                inner.attribute(*kind, value)?;
            }
            let len = inner.finish()?;
            request.attribute(nest, &value[16..len])?;
            request.finish()
        })
    }

    const OCTETS: [u8; 16] = [10, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn counters_of(first: u16, with: fn(u64) -> Vec<u8>) -> Vec<u8> {
        let mut buffer = [0; 128];
        let mut nest = Request::new(&mut buffer, 0, 0, 0).unwrap();
        for kind in 1..=5 {
            nest.attribute(kind, &with(u64::from(first + kind))).unwrap();
        }
        let len = nest.finish().unwrap();
        buffer[16..len].to_vec()
    }

    #[test]
    fn counters_of_64_bits_go_before_those_of_32_which_serve_where_there_are_no_others() {
        let narrow = counters_of(10, |counter| (counter as u32).to_ne_bytes().to_vec());
        let wide = counters_of(20, |counter| (counter + (1 << 40)).to_ne_bytes().to_vec());
        let family = AF_INET.to_ne_bytes();
        let zero = 0_u32.to_ne_bytes();
        let with = |nests: &[(u16, &[u8])]| {
            let mut attributes: Vec<(u16, &[u8])> = Vec::from([
                (SERVICE_FAMILY, &family[..]),
                (SERVICE_MARK, &[1, 0, 0, 0]),
                (SERVICE_SCHEDULER, b"rr\0"),
                (SERVICE_TIMEOUT, &zero),
            ]);
            attributes.extend(nests);
            match only(&told(NEW_SERVICE, 2, SERVICE, &attributes)) {
                Some(Message::Service(_, counters)) => counters,
                other => panic!("{other:?}"),
            }
        };
        let counters = |first: u64| Counters {
            connections: first,
            packets_in: first + 1,
            packets_out: first + 2,
            bytes_in: first + 3,
            bytes_out: first + 4,
        };
        assert_eq!(with(&[]), Counters::default());
        assert_eq!(with(&[(COUNTERS, &narrow)]), counters(11));
        assert_eq!(with(&[(COUNTERS, &narrow), (COUNTERS_64, &wide)]), counters(21 + (1 << 40)));
        assert_eq!(with(&[(COUNTERS, &narrow), (COUNTERS_64, &[])]), counters(11));
    }

    #[test]
    fn what_the_kernel_adds_to_the_flags_is_not_told() {
        let family = AF_INET.to_ne_bytes();
        let flags = (HASHED | PERSISTENT | ONE_PACKET).to_ne_bytes();
        let message = told(
            NEW_SERVICE,
            2,
            SERVICE,
            &[
                (SERVICE_FAMILY, &family[..]),
                (SERVICE_PROTOCOL, &6_u16.to_ne_bytes()),
                (SERVICE_ADDRESS, &OCTETS),
                (SERVICE_PORT, &80_u16.to_be_bytes()),
                (SERVICE_SCHEDULER, b"wlc\0"),
                (SERVICE_FLAGS, &flags),
                (SERVICE_NETMASK, &[255, 255, 0, 0]),
            ],
        );
        let Some(Message::Service(service, _)) = only(&message) else { panic!() };
        assert_eq!((service.identity, service.flags, service.prefix_len), (WEB, PERSISTENT | ONE_PACKET, 16));
        assert_eq!(service.scheduler.text(), "wlc");
    }

    /// Another family, another protocol, another way to forward: there may be more of them one day.
    #[test]
    fn what_is_not_known_is_skipped() {
        let one = |command, nest, attributes: &[(u16, &[u8])]| only(&told(command, 2, nest, attributes));
        let destination = |forward: u32, tunnel: u8, family: u16| {
            one(
                NEW_DESTINATION,
                DESTINATION,
                &[
                    (DESTINATION_ADDRESS, &OCTETS),
                    (DESTINATION_PORT, &80_u16.to_be_bytes()),
                    (DESTINATION_FORWARD, &forward.to_ne_bytes()),
                    (DESTINATION_WEIGHT, &1_u32.to_ne_bytes()),
                    (DESTINATION_FAMILY, &family.to_ne_bytes()),
                    (DESTINATION_TUNNEL, &[tunnel]),
                ],
            )
        };
        assert!(destination(0, 0, AF_INET).is_some());
        assert!(destination(0, 0, AF_INET6).is_some());
        assert!(destination(3, 9, AF_INET).is_some(), "it is no tunnel");
        for (forward, tunnel, family) in [(4, 0, AF_INET), (2, 3, AF_INET), (0, 0, 3)] {
            assert_eq!(destination(forward, tunnel, family), None);
        }
        let service = |protocol: u16, scheduler: &[u8]| {
            one(
                NEW_SERVICE,
                SERVICE,
                &[
                    (SERVICE_FAMILY, &AF_INET.to_ne_bytes()),
                    (SERVICE_PROTOCOL, &protocol.to_ne_bytes()),
                    (SERVICE_ADDRESS, &OCTETS),
                    (SERVICE_PORT, &80_u16.to_be_bytes()),
                    (SERVICE_SCHEDULER, scheduler),
                    (999, &[]),
                ],
            )
        };
        assert!(service(132, b"rr").is_some());
        assert_eq!(service(1, b"rr\0"), None);
        assert_eq!(service(6, b"sixteen-letters.\0"), None);
        assert_eq!(one(NEW_SERVICE, DESTINATION, &[]), None);
        assert_eq!(one(99, SERVICE, &[]), None);
        // Another family's message would have to be for another socket, and the controller has nothing to tell here.
        let mut foreign = told(NEW_SERVICE, 2, SERVICE, &[]);
        foreign[4..6].copy_from_slice(&CONTROL.to_ne_bytes());
        assert_eq!(only(&foreign), None);
    }

    /// An answer: the error, and the head of the request.
    fn answer(kind: u16, flags: u16, error: i32) -> Vec<u8> {
        written(&|buffer| {
            let mut request = Request::new(buffer, kind, flags, 77)?;
            request.put(&error.to_ne_bytes())?;
            request.put(&[0; 16])?;
            request.finish()
        })
    }

    #[test]
    fn answers_name_their_request() {
        assert_eq!(only(&answer(netlink::ERROR, 0x100, 0)), Some(Message::Accepted { sequence: 77 }));
        for errno in [1, 3, 17, i32::MAX] {
            let refused = Message::Refused { sequence: 77, errno };
            assert_eq!(only(&answer(netlink::ERROR, 0, -errno)), Some(refused));
        }
        assert_eq!(
            only(&answer(netlink::ERROR, 0, i32::MIN)),
            Some(Message::Refused { sequence: 77, errno: i32::MAX })
        );
        let done = |flags, error| only(&answer(netlink::DONE, flags, error));
        assert_eq!(done(2, 0), Some(Message::Done { sequence: 77, is_torn: false }));
        assert_eq!(done(2, -12), Some(Message::Done { sequence: 77, is_torn: true }));
        assert_eq!(done(netlink::DUMP_INTERRUPTED, 0), Some(Message::Done { sequence: 77, is_torn: true }));
        // Any part of the list may be marked, and the mark is of that list alone.
        let mut list = told(99, 2 | netlink::DUMP_INTERRUPTED, SERVICE, &[]);
        for _ in 0..2 {
            list.extend(answer(netlink::DONE, 2, 0));
        }
        let torn: Vec<_> = messages(&list).collect();
        assert_eq!(torn, [true, false].map(|is_torn| Message::Done { sequence: 77, is_torn }));
    }

    #[test]
    fn the_family_is_found_by_its_name() {
        let request = written(&|buffer| find_family(9, buffer));
        let message = netlink::messages(&request).next().unwrap();
        assert_eq!((message.kind, message.flags), (CONTROL, netlink::REQUEST));
        assert_eq!(message.payload[..4], [3, 1, 0, 0]);
        let name = netlink::attributes(&message.payload[4..]).next().unwrap();
        assert_eq!((name.kind, name.value), (2, &b"IPVS\0"[..]));

        let told = |command, attributes: &[(u16, &[u8])]| {
            written(&|buffer| {
                let mut request = Request::new(buffer, CONTROL, 0, 9)?;
                request.put(&[command, 2, 0, 0])?;
                for (kind, value) in attributes {
                    request.attribute(*kind, value)?;
                }
                request.finish()
            })
        };
        let id = 0x001c_u16.to_ne_bytes();
        let mut good = told(1, &[(2, b"IPVS\0"), (1, &id), (3, &[1, 0, 0, 0])]);
        assert_eq!(family(&good), Some(Ok(0x1c)));
        good.extend(answer(netlink::ERROR, 0, 0));
        assert_eq!(family(&good), Some(Ok(0x1c)));
        assert_eq!(family(&told(1, &[(2, b"IPVS\0")])), None);
        assert_eq!(family(&told(2, &[(1, &id)])), None);
        assert_eq!(family(&told(1, &[(1, &[0x1c])])), None);
        assert_eq!(family(&answer(netlink::ERROR, 0, -2)), Some(Err(2)));
        assert_eq!(family(&answer(netlink::ERROR, 0, 0)), None);
        for len in 0..good.len() {
            let found = family(&good[..len]);
            assert!(found.is_none_or(|found| found == Ok(0x1c)), "{len}");
        }
    }

    #[test]
    fn a_name_has_at_most_fifteen_bytes_and_no_zero() {
        assert_eq!(name("fifteen-letters").text(), "fifteen-letters");
        assert_eq!((name(""), name("").text()), (Name::default(), ""));
        for wrong in [&b"sixteen-letters."[..], b"r\0r", b"\xff", &[b'a'; 400]] {
            assert_eq!(Name::new(wrong), None);
        }
    }

    /// A list as the kernel tells it: two services, an end.
    fn list() -> Vec<u8> {
        let wide = counters_of(20, |counter| counter.to_ne_bytes().to_vec());
        let mut list = Vec::new();
        for service in &services()[..2] {
            list.extend(from_kernel(written(&|buffer| put_service(Verb::Add, service, 9, buffer)), 1));
        }
        let destination = &destinations()[4];
        let request = written(&|buffer| put_destination(Verb::Add, &WEB, destination, 9, buffer));
        list.extend(from_kernel(request, 5));
        list.extend(told(NEW_DESTINATION, 2, DESTINATION, &[(COUNTERS_64, &wide)]));
        list.extend(from_kernel(
            written(&|buffer| {
                start_daemon(&SyncDaemon { is_master: true, interface: "lan", id: 7 }, 9, buffer)
            }),
            9,
        ));
        list.extend(answer(netlink::DONE, 2, 0));
        list
    }

    #[test]
    fn a_list_cut_anywhere_tells_what_is_whole_and_nothing_else() {
        let list = list();
        let all: Vec<_> = messages(&list).collect();
        assert_eq!(all.len(), 5);
        for len in 0..list.len() {
            let told: Vec<_> = messages(&list[..len]).collect();
            assert!(told.len() < 5 && all.starts_with(&told), "{len}");
        }
    }

    /// A byte changed anywhere, a value cut anywhere, and bytes of no meaning at all: there is an answer to each.
    #[test]
    fn no_bytes_make_it_panic() {
        let mut random = fastrand::Rng::with_seed(1);
        let list = list();
        for position in 0..list.len() {
            for value in [0, 1, 2, 3, 4, 5, 16, 127, 128, 255] {
                let mut changed = list.clone();
                changed[position] = value;
                assert!(messages(&changed).count() <= 7);
                let _ = family(&changed);
            }
        }
        for _ in 0..20_000 {
            let mut bytes: Vec<u8> = (0..random.usize(..300)).map(|_| random.u8(..)).collect();
            let _ = (messages(&bytes).count(), family(&bytes));
            // The same as attributes of a service, a destination, and so on.
            for (command, nest) in [(1, 1), (5, 2), (9, 3)] {
                let message = {
                    bytes.truncate(280);
                    let mut attributes: Vec<(u16, &[u8])> = Vec::new();
                    let mut rest = &bytes[..];
                    while let Some((kind, following)) = rest.split_first() {
                        let (value, following) = following.split_at(following.len().min(random.usize(..9)));
                        attributes.push((u16::from(kind % 16), value));
                        rest = following;
                    }
                    told_at_length(command, nest, &attributes)
                };
                assert!(messages(&message).count() <= 1);
            }
        }
    }

    fn told_at_length(command: u8, nest: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut buffer = std::vec![0; 8192];
        let mut request = Request::new(&mut buffer, FAMILY, 2, 9).unwrap();
        request.put(&[command, 1, 0, 0]).unwrap();
        let outer = request.begin(nest).unwrap();
        for (kind, value) in attributes {
            request.attribute(*kind, value).unwrap();
        }
        request.end(outer).unwrap();
        let len = request.finish().unwrap();
        buffer.truncate(len);
        buffer
    }
}
