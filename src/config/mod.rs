//! What the user asked for: UCI text in, a [`Config`] out, with line numbers for whatever is wrong.
//!
//! [`uci`] is libuci's grammar, strict. [`schema`] gives the words their meaning, with one file for each kind
//! of section that has much of it; `words` is the table of all that are known, and `value` reads numbers,
//! addresses and flags. [`problem`] says in a sentence what to write instead. None of them does I/O: text
//! enters as bytes in the caller's buffer.
//!
//! A [`Config`] is flat: instances refer to addresses, peers and tracks by [`Span`]s of shared tables,
//! and every name lies in one table of text, so its size is one constant whatever the file says.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heapless::Vec;

use crate::ipvs::QuorumRules;
use crate::limits;
use crate::probe::{Standing, Start};
use crate::time::{self, Interval};
use crate::wire::ipvs;
use crate::wire::ra::Prefix;
use crate::wire::route;
use crate::wire::vrrp::{ChecksumForm, Version, Vrid};

pub mod problem;
pub mod schema;
pub mod uci;

mod address;
mod bfd;
mod check;
mod group;
mod instance;
mod no_accept;
mod peer;
mod probe;
mod reader;
mod real_server;
#[cfg(feature = "ra")]
mod router_advert;
mod routes;
mod track;
mod track_hook;
pub(crate) mod value;
mod virtual_server;
mod vmac;
pub(crate) mod words;

/// A name, path or run of bytes that the configuration keeps; read it with [`Config::text`] or [`Config::bytes`].
/// Empty by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Text {
    start: u16,
    len: u8,
}

/// A name in the bytes that are kept of it: whether they are characters is asked where it is said, and not each time that
/// it is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a>(&'a [u8]);

impl<'a> From<&'a str> for Name<'a> {
    fn from(name: &'a str) -> Self {
        Self(name.as_bytes())
    }
}

/// What is kept is text, or it would not be kept.
fn characters(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or("")
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(characters(self.0))
    }
}

impl Text {
    /// Nothing.
    pub const EMPTY: Self = Self { start: 0, len: 0 };

    /// Whether there is nothing in it, which stands for "not configured".
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A run of entries in one of the configuration's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Index of the first entry.
    pub start: u16,
    /// Number of entries.
    pub len: u16,
}

impl Span {
    /// The indices of the run.
    #[must_use]
    pub fn range(self) -> core::ops::Range<usize> {
        usize::from(self.start)..usize::from(self.start) + usize::from(self.len)
    }

    /// The entries of the run, or none if the run does not lie in `table`.
    #[must_use]
    pub fn of<T>(self, table: &[T]) -> &[T] {
        table.get(self.range()).unwrap_or(&[])
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// Which of the configuration's network devices: an index into [`Config::interfaces`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct InterfaceId(pub u8);

/// Which probe: an index into [`Config::probes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProbeId(pub u16);

/// Which tracked default route: an index into [`Config::default_routes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteId(pub u8);

/// Which BFD session: an index into [`Config::bfd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BfdId(pub u8);

/// Which virtual server: an index into [`Config::virtual_servers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualServerId(pub u16);

/// Which real server: an index into [`Config::real_servers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RealServerId(pub u16);

/// Which tracked file: an index into [`Config::files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(pub u8);

/// Which sync group: an index into [`Config::groups`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupId(pub u8);

/// Address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// What one `vrrp_instance` means for one of its families.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FamilyConfig {
    /// Its virtual addresses: a span of [`Config::addresses`]. First those that are advertised, in configured order;
    /// without any, it is empty, and there is no virtual router of this family. Then those that are excluded, among
    /// which those of the other family are where that has no virtual router.
    pub addresses: Span,
    /// Its unicast peers: a span of [`Config::peers`]. Empty: multicast.
    pub peers: Span,
    /// Its virtual MAC.
    pub vmac: Vmac,
}

/// `use_vmac`: the device of a virtual router's own Ethernet address; `vmac_xmit_base`. In a build without the feature
/// `vmac` it takes no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vmac([Option<(InterfaceId, bool)>; limits::VMACS_MAX]);

impl Vmac {
    /// On this device; `sends_from_base`: adverts carry the Ethernet address of the instance's device all the same.
    #[must_use]
    pub const fn on(device: InterfaceId, sends_from_base: bool) -> Self {
        Self([Some((device, sends_from_base)); limits::VMACS_MAX])
    }

    /// The device; `None`: the Ethernet address is that of the instance's device.
    #[must_use]
    pub fn device(self) -> Option<InterfaceId> {
        self.0.first().copied().flatten().map(|(device, _)| device)
    }

    /// `vmac_xmit_base`.
    #[must_use]
    pub fn sends_from_base(self) -> bool {
        self.0.first().copied().flatten().is_some_and(|(_, sends_from_base)| sends_from_base)
    }
}

/// `no_accept`: packets to the virtual addresses are dropped, unless they are the router's own (RFC 9568 §6.1,
/// Accept_Mode; AD08, AD09). In a build without the feature `no-accept` it takes no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Acceptance([bool; cfg!(feature = "no-accept") as usize]);

impl Acceptance {
    /// They are dropped; not in a build without the feature.
    #[must_use]
    pub const fn refused() -> Self {
        Self([true; cfg!(feature = "no-accept") as usize])
    }

    /// Whether they are dropped.
    #[must_use]
    pub const fn is_refused(self) -> bool {
        matches!(self.0.first(), Some(true))
    }
}

/// One `config vrrp_instance` section that is enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// `option name`, else the section's name, else the section's UCI name (`cfg…`).
    pub name: Text,
    /// Where it speaks.
    pub interface: InterfaceId,
    /// `virtual_router_id`, 1..=255.
    pub vrid: Vrid,
    /// Version of the IPv4 virtual router; IPv6 is always version 3.
    pub version: Version,
    /// 1..=255; 255 is the address owner.
    pub priority: u8,
    /// `advert_int`.
    pub interval: Interval,
    /// Whether a lower-priority master is pre-empted: not `nopreempt`.
    pub preempt: bool,
    /// `preempt_delay`: how long a lower-priority master is suffered before it is pre-empted.
    pub preempt_delay: time::Span,
    /// `state MASTER` was written. Only the owner starts as master; kept so that `check` can say so.
    pub wants_master: bool,
    /// `auth_pass` with `auth_type PASS` (RFC 2338 §5.3.6.2), version 2 only.
    pub password: Text,
    /// Which checksum version 3 sends over IPv4 (`option checksum`).
    pub checksum: ChecksumForm,
    /// `unicast_src_ip` or `mcast_src_ip` of the IPv4 virtual router; otherwise the device's first address.
    pub source_v4: Option<Ipv4Addr>,
    /// The same for IPv6; otherwise the device's link-local address. Read it with [`Config::source_v6`].
    pub source_v6: Text,
    /// The IPv4 half.
    pub v4: FamilyConfig,
    /// The IPv6 half.
    pub v6: FamilyConfig,
    /// The `garp_*` options.
    pub announcements: Announcements,
    /// `address_lifetime`: seconds after which the kernel drops an address that is not renewed; 0 (default): never.
    pub lifetime_secs: u16,
    /// `promote_secondaries`, default 1: an IPv4 address of ours that is removed leaves its place to the next one of its
    /// subnet, where Linux by itself would remove that as well.
    pub promotes_secondaries: bool,
    /// `claim_script`: what has to end before the addresses are claimed; empty: nothing.
    pub claim_script: Text,
    /// `claim_wait`: the seconds that it may take, 1 to 10; 0 without a script.
    pub claim_wait_secs: u8,
    /// What it tracks: a span of [`Config::tracks`].
    pub tracks: Span,
    /// `dont_track_primary`: the link state of its own interface does not matter.
    pub ignores_link: bool,
    /// `no_accept`, except with priority 255: the owner of the addresses accepts.
    pub acceptance: Acceptance,
    /// The sync group that it belongs to.
    pub group: Option<GroupId>,
    /// `option notify`; empty: that of `globals`.
    pub notify: Text,
}

impl Instance {
    /// The half of one family.
    #[must_use]
    pub const fn family(&self, family: Family) -> &FamilyConfig {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// When gratuitous ARP and unsolicited neighbour advertisements are sent; keepalived's words and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcements {
    /// `garp_master_repeat`: how many in the burst on mastership, and in the second one. Default 5, at least 1.
    pub repeat: u8,
    /// `garp_master_delay`: seconds until the second burst; 0 = none. Default 5.
    pub delay_secs: u16,
    /// `garp_master_refresh`: seconds between refreshes while master; 0 = none. Default 0.
    pub refresh_secs: u16,
    /// `garp_master_refresh_repeat`: how many in a refresh. Default 1.
    pub refresh_repeat: u8,
    /// `garp_interval`: pause between the announcements of a burst, in milliseconds; 0 = back to back.
    pub interval_ms: u16,
}

impl Announcements {
    const DEFAULT: Self =
        Self { repeat: 5, delay_secs: 5, refresh_secs: 0, refresh_repeat: 1, interval_ms: 0 };
}

impl Default for Announcements {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A virtual address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; a bare address is /32 or /128, as with keepalived.
    pub prefix_len: u8,
    /// Where it is installed: the instance's device unless `dev` or `option device` says otherwise.
    pub interface: InterfaceId,
    /// `rt_scope` of rtnetlink: 0 global (default), 200 site, 253 link, 254 host, 255 nowhere. Always 0 for IPv6.
    pub scope: u8,
    /// IPv4 label (`ifconfig`'s alias name); empty: none.
    pub label: Text,
    /// `virtual_ipaddress_excluded`: it comes and goes with the others, and no advertisement lists it.
    pub is_excluded: bool,
}

/// A route that moves with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualRoute {
    /// Whose: an index into [`Config::instances`]. It moves with the virtual router of its family, or with the other one
    /// where there is none.
    pub instance: u16,
    /// The device, if one is said.
    pub interface: Option<InterfaceId>,
    /// All else; its own `interface` is not used.
    pub route: route::Route,
}

/// A rule that moves with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualRule {
    /// Whose, as that of a [`VirtualRoute`].
    pub instance: u16,
    /// Through which device what fits it has come, if one is said.
    pub interface: Option<InterfaceId>,
    /// All else; its own `interface` is not used.
    pub rule: route::Rule<'static>,
}

/// A unicast peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Where adverts go, and the only source they are taken from.
    pub address: IpAddr,
    /// Least TTL of what is accepted; 0: not checked.
    pub min_ttl: u8,
    /// Greatest TTL of what is accepted; 255: not checked.
    pub max_ttl: u8,
    /// `option bfd` of the instance: the session to this peer, whose end is the end of the peer's mastership.
    pub bfd: PeerBfd,
}

/// The BFD session to a unicast peer, if there is one. In a build without the feature `bfd` it takes no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerBfd([Option<BfdId>; cfg!(feature = "bfd") as usize]);

impl PeerBfd {
    /// This session; none in a build without the feature.
    #[must_use]
    pub const fn of(session: BfdId) -> Self {
        Self([Some(session); cfg!(feature = "bfd") as usize])
    }

    /// The session.
    #[must_use]
    pub fn session(self) -> Option<BfdId> {
        self.0.first().copied().flatten()
    }
}

/// A BFD session: a `bfd_instance` section, or one that `option bfd` of an instance begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bfd {
    /// Its name; that of a session without a section is the neighbour's address, as the file writes it.
    pub name: Text,
    /// `neighbor_ip`.
    pub neighbor: IpAddr,
    /// `source_ip`, of the neighbour's family; `None`: that of the virtual router whose peer the neighbour is, or what the
    /// kernel chooses.
    pub source: Option<IpAddr>,
    /// `interface`: the device that it goes through. `None`: that of the instance whose peer it is, or what the routes say.
    pub interface: Option<InterfaceId>,
    /// The timers.
    pub rules: crate::bfd::Rules,
    /// `hoplimit`, or `ttl`: TTL or hop limit that is sent, 1..=255. Default 255 for both families (RFC 5881 §5), where
    /// keepalived has 64 for IPv6.
    pub hop_limit: u8,
    /// The least TTL or hop limit that is accepted: 255 less `max_hops`.
    pub least_hop_limit: u8,
}

/// A `config virtual_server` section that is enabled: a service of the kernel's IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualServer {
    /// Its name.
    pub name: Text,
    /// What the kernel is told of it.
    pub service: ipvs::Service,
    /// Who serves: a span of [`Config::real_servers`].
    pub servers: Span,
    /// `sorry_server_ip`: who serves while too few of them live.
    pub sorry: Option<ipvs::Destination>,
    /// How much weight must live.
    pub quorum: QuorumRules,
    /// `omega`: its hooks are told when the daemon ends.
    pub is_omega: bool,
    /// `ha_suspend`: its servers are not tried while its address, which is a virtual one, is not here.
    pub suspends: bool,
    /// `keep`: it stays in the kernel when the daemon ends.
    pub keeps: bool,
}

/// A `config real_server` section, as one virtual server has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealServer {
    /// Its name.
    pub name: Text,
    /// Whose it is.
    pub service: VirtualServerId,
    /// What the kernel is told of it, while it lives.
    pub destination: ipvs::Destination,
    /// What finds out whether it lives; `None`: it does.
    pub probe: Option<ProbeId>,
    /// `inhibit_on_failure`: while it does not live it stays with weight 0, so that its connections may end.
    pub inhibits: bool,
}

/// `lvs_sync_daemon_interface` of an instance: the kernel tells its connections to the kernels of other routers while the
/// instance is master, and listens to theirs while it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncDaemon {
    /// The instance: an index into [`Config::instances`]. Its VRID is the group's number.
    pub instance: u16,
    /// The device that they are told by.
    pub interface: InterfaceId,
}

/// Something that an instance listens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track {
    /// The thing whose state counts.
    pub what: Tracked,
    /// −253..=253, added to the priority while it is up if positive, while it is down if negative; 0: down is a
    /// fault.
    pub weight: i16,
    /// `reverse`, as keepalived's: the weight is taken from the priority where it would be added; of weight 0, up is
    /// the fault.
    pub is_reversed: bool,
}

/// What can be tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracked {
    /// A network device: up while it has carrier.
    Link(InterfaceId),
    /// Something that is tried again and again: up while the tries succeed.
    Probe(ProbeId),
    /// A default route: up while the kernel has one.
    Route(RouteId),
    /// A BFD session: up while the neighbour answers.
    Bfd(BfdId),
    /// A real server: up while it lives.
    Server(RealServerId),
    /// A virtual server: up while it has its quorum.
    Service(VirtualServerId),
    /// A file with a number in it, which is multiplied by the weight, −254..=254: a product below −253 is a fault, and
    /// so, where the weight is 0, is any number but 0.
    File(FileId),
}

/// A `config track_file` section that something tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: Text,
    /// Its absolute path.
    pub path: Text,
}

/// `notify` of a section that something tracks, and that is a `probe`, `vrrp_script`, `track_file` or `track_interface`; or
/// of a `bfd_instance`, which has a session in any case; or `notify`, `quorum_up` and `quorum_down` of a server of IPVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackHook {
    /// The section's name.
    pub name: Text,
    /// The script.
    pub notify: Text,
    /// What it tells of.
    pub what: Tracked,
    /// The section is a `vrrp_script`.
    pub is_script: bool,
    /// It is told of this standing alone: `quorum_up`, `quorum_down`.
    pub only: Option<Standing>,
}

impl TrackHook {
    /// TYPE of its script: the kind of section.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.what {
            Tracked::Link(_) => "INTERFACE",
            Tracked::Route(_) => "ROUTE",
            Tracked::Probe(_) if self.is_script => "SCRIPT",
            Tracked::Probe(_) => "PROBE",
            Tracked::Bfd(_) => "BFD",
            Tracked::Server(_) => "REAL_SERVER",
            Tracked::Service(_) => "VIRTUAL_SERVER",
            Tracked::File(_) => "FILE",
        }
    }
}

/// The number that a file begins with; 0 where there is none.
#[must_use]
pub fn number_in(file: &[u8]) -> i32 {
    let word = value::Words::new(file).next().unwrap_or(&[]);
    value::integer(word).unwrap_or(0)
}

/// For how long a device must be up or down before it counts as such, in milliseconds, 0..=255000; `up_delay` and
/// `down_delay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// Until it counts as up.
    pub up_ms: u32,
    /// Until it counts as down.
    pub down_ms: u32,
}

impl Delays {
    /// It counts at once.
    pub const NONE: Self = Self { up_ms: 0, down_ms: 0 };
}

/// A `config vrrp_script` or `config probe` section that something tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Its name.
    pub name: Text,
    /// An absolute path, and arguments, with blanks between them: at most [`limits::SCRIPT_WORDS_MAX`] words. Empty
    /// where there is a [`Target`].
    pub script: Text,
    /// `interval`: seconds from one try to the next, 1..=65535. Default 1.
    pub interval_secs: u16,
    /// `timeout`: seconds after which a try has failed and is killed, 1..=65535. Default: the interval.
    pub timeout_secs: u16,
    /// `rise`: successes in a row that make it up, 1..=255. Default 1.
    pub rise: u8,
    /// `fall`: failures in a row that make it down, 1..=255. Default 1.
    pub fall: u8,
    /// Seconds from a failure that does not make it down to the next try; 0: the interval.
    pub retry_secs: u16,
    /// Seconds over which the first tries of all that have such a number are spread; 0: it is tried at once.
    pub spread_secs: u16,
    /// How it stands before its first result: unknown, or, with `init_fail`, down.
    pub start: Start,
    /// What its script exits with says more than whether it has succeeded: 1 is a failure, and any other number but 0 is
    /// kept. See [`Router::probe_said`](crate::router::Router::probe_said).
    pub is_weighing: bool,
    /// The virtual server whose server it tries; `None`: it has a section of its own, and is tracked.
    pub service: Option<VirtualServerId>,
}

/// How a probe finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Method {
    /// By running a script. The first, so that a table of these is all zeros.
    Script,
    /// By an ICMP echo.
    Ping,
    /// By ARP, or neighbour discovery.
    Arp,
    /// By connecting to a TCP port.
    Tcp,
    /// By asking an HTTP server.
    Http,
    /// By a UDP datagram that is answered, or that nobody refuses.
    Udp,
    /// By asking a name server.
    Dns,
    /// By the greeting of a mail server.
    Smtp,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Script, Self::Ping, Self::Arp, Self::Tcp, Self::Http, Self::Udp, Self::Dns, Self::Smtp];

    /// Whether it is in this build.
    #[must_use]
    pub const fn is_built(self) -> bool {
        match self {
            Self::Script => true,
            Self::Ping | Self::Arp | Self::Tcp | Self::Http => cfg!(feature = "probe-network"),
            Self::Udp | Self::Dns | Self::Smtp => cfg!(feature = "ipvs"),
        }
    }
}

/// Where a probe without a script goes, and what it wants there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// How it finds out.
    pub method: Method,
    /// `address`: whom it asks.
    pub address: IpAddr,
    /// `port`: TCP's or UDP's, 1..=65535; 0 where there is none.
    pub port: u16,
    /// `interface`: the device that everything goes through; otherwise the routes decide. ARP has one.
    pub interface: Option<InterfaceId>,
    /// What an HTTP server is asked for, one after another: a span of [`Config::urls`].
    pub urls: Span,
    /// `payload` of a UDP datagram, its bytes; empty: four zeros. `dns_name` of a question; empty: the root.
    pub question: Text,
    /// `dns_type` of a question.
    pub dns_type: u16,
    /// `require_reply`: a UDP datagram must be answered. Otherwise silence until the timeout will do.
    pub requires_reply: bool,
}

impl Target {
    /// That of a probe which is a script: all bits zero.
    pub const SCRIPT: Self = Self {
        method: Method::Script,
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 0,
        interface: None,
        urls: Span { start: 0, len: 0 },
        question: Text::EMPTY,
        dns_type: 0,
        requires_reply: false,
    };

    /// Whether a try that has had no answer by its timeout has succeeded.
    #[must_use]
    pub const fn is_content_with_silence(&self) -> bool {
        cfg!(feature = "ipvs") && matches!(self.method, Method::Udp) && !self.requires_reply
    }
}

/// What an HTTP server is asked for, and what it must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Url {
    /// `path`; empty: `/`.
    pub path: Text,
    /// `virtualhost`, the request's Host; empty: the address.
    pub host: Text,
    /// `text` that must stand in the reply's body; empty: none.
    pub text: Text,
    /// `digest`: the 16 bytes of the MD5 of the reply's body; empty: any will do.
    pub digest: Text,
    /// `status_code`: the least and the greatest status that will do, 0..=999.
    pub status: [u16; 2],
}

/// A `config track_interface` section of type `route` that something tracks: up while the main table has a default
/// route that leads somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Its name.
    pub name: Text,
    /// `value`: the device that it must lead over; `None`: any.
    pub interface: Option<InterfaceId>,
    /// `family`; `None`: either will do.
    pub family: Option<Family>,
}

/// What a master tells hosts of itself as a router: `router_advert` and what stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterAdvert {
    /// The instance: an index into [`Config::instances`]. Its first IPv6 address is link-local.
    pub instance: u16,
    /// `ra_lifetime`: seconds for which hosts keep it as a default router, 0..=9000; 0: they do not take it as one.
    /// Default 1800.
    pub lifetime_secs: u16,
    /// `ra_mininterval`: seconds from one advertisement to the next at the least, 3..=1350. Default: a third of
    /// `ra_maxinterval`.
    pub min_interval_secs: u16,
    /// `ra_maxinterval`: and at the most, 4..=1800. Default 600.
    pub max_interval_secs: u16,
    /// `ra_mtu`: what hosts' packets must fit, in bytes, 1280..=65535; 0 (default): nothing is said.
    pub mtu: u16,
    /// `ra_flags` and `ra_preference`, as in [`wire::ra::RouterAdvert`](crate::wire::ra::RouterAdvert).
    pub flags: u8,
    /// `ra_prefix`: a span of [`Config::prefixes`].
    pub prefixes: Span,
    /// `dns`: a span of [`Config::name_servers`].
    pub name_servers: Span,
}

/// One `config vrrp_sync_group` section: its instances move together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Text,
    /// `option notify`; empty: that of `globals`.
    pub notify: Text,
    /// What each of its instances tracks beside its own: a span of [`Config::tracks`].
    pub tracks: Span,
}

/// `config globals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Globals {
    /// `option enabled`, default 1. The init script does not start vipd where it is 0.
    pub enabled: bool,
    /// `option realtime`, default 0: run ahead of all other processes (SCHED_FIFO) with memory that is not paged out.
    /// Read at start only.
    pub realtime: bool,
    /// `router_id`; empty: the host's name.
    pub router_id: Text,
    /// `vrrp_startup_delay`: how long to wait before taking part.
    pub startup_delay: time::Span,
    /// `vrrp_mcast_group4`, default 224.0.0.18 (RFC 9568 §5.1.1.2).
    pub multicast_v4: Ipv4Addr,
    /// `vrrp_mcast_group6`, default ff02::12 (RFC 9568 §5.1.2.2).
    pub multicast_v6: Ipv6Addr,
    /// `option notify`: the script for every instance and group that names none; empty: none.
    pub notify: Text,
}

impl Globals {
    const DEFAULT: Self = Self {
        enabled: true,
        realtime: false,
        router_id: Text::EMPTY,
        startup_delay: time::Span::ZERO,
        multicast_v4: Ipv4Addr::new(224, 0, 0, 18),
        multicast_v6: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12),
        notify: Text::EMPTY,
    };

    /// All bits zero; see [`Config::new`].
    const ZERO: Self = Self {
        enabled: false,
        realtime: false,
        router_id: Text::EMPTY,
        startup_delay: time::Span::ZERO,
        multicast_v4: Ipv4Addr::UNSPECIFIED,
        multicast_v6: Ipv6Addr::UNSPECIFIED,
        notify: Text::EMPTY,
    };
}

/// A whole configuration, checked: everything in it can be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[repr(C)] // The longest tables, of which most may be empty, come last.
pub struct Config {
    /// `config globals`.
    pub globals: Globals,
    /// Device names; [`InterfaceId`]s point here.
    pub interfaces: Vec<Text, { limits::INTERFACES_MAX }>,
    /// How slowly each of them counts as up or down.
    pub delays: [Delays; limits::INTERFACES_MAX],
    /// The sync groups that have at least one enabled instance.
    pub groups: Vec<Group, { limits::GROUPS_MAX }>,
    /// The enabled instances, in the file's order.
    pub instances: Vec<Instance, { limits::INSTANCES_MAX }>,
    /// Virtual addresses, instance by instance, IPv4 before IPv6.
    pub addresses: Vec<VirtualAddress, { limits::ADDRESSES_MAX }>,
    /// Unicast peers, instance by instance, IPv4 before IPv6.
    pub peers: Vec<Peer, { limits::PEERS_MAX }>,
    /// What is tracked, instance by instance, then group by group.
    pub tracks: Vec<Track, { limits::TRACKS_MAX }>,
    /// The probes that are tracked.
    pub probes: Vec<Probe, { limits::PROBES_MAX }>,
    /// What each of them tries, script or not; empty in a build in which all are scripts.
    pub targets: Vec<Target, { limits::TARGETS_MAX }>,
    /// What the HTTP servers among them are asked for.
    pub urls: Vec<Url, { limits::URLS_MAX }>,
    /// The default routes that are tracked.
    pub default_routes: Vec<DefaultRoute, { limits::TRACKED_ROUTES_MAX }>,
    /// The BFD sessions.
    pub bfd: Vec<Bfd, { limits::BFD_SESSIONS_MAX }>,
    /// `lvs_timeout_tcp`, `lvs_timeout_tcpfin` and `lvs_timeout_udp`.
    pub ipvs_timeouts: ipvs::Timeouts,
    /// Which instance's connections are told to others.
    pub sync_daemon: Option<SyncDaemon>,
    /// The virtual servers.
    pub virtual_servers: Vec<VirtualServer, { limits::VIRTUAL_SERVERS_MAX }>,
    /// Their real servers, one virtual server's after the other's.
    pub real_servers: Vec<RealServer, { limits::REAL_SERVERS_MAX }>,
    /// The files that are tracked.
    pub files: Vec<File, { limits::FILES_MAX }>,
    /// The hooks of what is tracked.
    pub track_hooks: Vec<TrackHook, { limits::TRACK_HOOKS_MAX }>,
    /// What hosts are told of their router, in the order of the instances.
    pub router_adverts: Vec<RouterAdvert, { limits::RA_MAX }>,
    /// The networks that they are told of.
    pub prefixes: Vec<Prefix, { limits::RA_PREFIXES_MAX }>,
    /// And the name servers.
    pub name_servers: Vec<Ipv6Addr, { limits::RA_PREFIXES_MAX }>,
    /// Routes that move with an instance, instance by instance.
    pub virtual_routes: Vec<VirtualRoute, { limits::INSTANCE_ROUTES_MAX }>,
    /// Rules that move with an instance, instance by instance.
    pub virtual_rules: Vec<VirtualRule, { limits::INSTANCE_ROUTES_MAX }>,
    text: Vec<u8, { limits::TEXT_BYTES_MAX }>,
}

impl Config {
    /// A configuration in which nothing is configured, and all bits are zero: in a static it costs no byte of the
    /// program's file. [`Config::clear`] gives the globals their defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            globals: Globals::ZERO,
            interfaces: Vec::new(),
            delays: [Delays::NONE; limits::INTERFACES_MAX],
            groups: Vec::new(),
            instances: Vec::new(),
            addresses: Vec::new(),
            peers: Vec::new(),
            tracks: Vec::new(),
            probes: Vec::new(),
            targets: Vec::new(),
            urls: Vec::new(),
            default_routes: Vec::new(),
            bfd: Vec::new(),
            ipvs_timeouts: ipvs::Timeouts::KEEP,
            sync_daemon: None,
            virtual_servers: Vec::new(),
            real_servers: Vec::new(),
            files: Vec::new(),
            track_hooks: Vec::new(),
            router_adverts: Vec::new(),
            prefixes: Vec::new(),
            name_servers: Vec::new(),
            virtual_routes: Vec::new(),
            virtual_rules: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Forgets everything and takes the defaults, in place: a `Config` is too large to be moved about.
    pub fn clear(&mut self) {
        self.globals = Globals::DEFAULT;
        self.interfaces.clear();
        self.delays = [Delays::NONE; limits::INTERFACES_MAX];
        self.instances.clear();
        self.groups.clear();
        self.addresses.clear();
        self.peers.clear();
        self.tracks.clear();
        self.probes.clear();
        self.targets.clear();
        self.urls.clear();
        self.default_routes.clear();
        if cfg!(feature = "bfd") {
            self.bfd.clear();
        }
        if cfg!(feature = "ipvs") {
            self.ipvs_timeouts = ipvs::Timeouts::KEEP;
            self.sync_daemon = None;
            self.virtual_servers.clear();
            self.real_servers.clear();
        }
        self.files.clear();
        if cfg!(feature = "track-hooks") {
            self.track_hooks.clear();
        }
        if cfg!(feature = "ra") {
            self.router_adverts.clear();
            self.prefixes.clear();
            self.name_servers.clear();
        }
        self.virtual_routes.clear();
        self.virtual_rules.clear();
        self.text.clear();
    }

    /// The characters of a name or path.
    #[must_use]
    pub fn text(&self, text: Text) -> &str {
        characters(self.bytes(text))
    }

    /// The same, to be handed on.
    #[must_use]
    pub fn name(&self, text: Text) -> Name<'_> {
        Name(self.bytes(text))
    }

    /// The bytes of what is kept.
    #[must_use]
    pub fn bytes(&self, text: Text) -> &[u8] {
        let start = usize::from(text.start);
        self.text.get(start..start + usize::from(text.len)).unwrap_or(&[])
    }

    /// Keeps a name or path; `None` when the table of text is full or the piece is longer than 255 bytes.
    pub fn keep_text(&mut self, piece: &str) -> Option<Text> {
        self.keep_bytes(piece.as_bytes())
    }

    /// Keeps bytes; `None` when the table of text is full or there are more than 255.
    pub fn keep_bytes(&mut self, piece: &[u8]) -> Option<Text> {
        let text = Text { start: u16::try_from(self.text.len()).ok()?, len: u8::try_from(piece.len()).ok()? };
        self.text.extend_from_slice(piece).ok()?;
        Some(text)
    }

    /// The configured source address of an instance's IPv6 virtual router.
    #[must_use]
    pub fn source_v6(&self, instance: &Instance) -> Option<Ipv6Addr> {
        <[u8; 16]>::try_from(self.bytes(instance.source_v6)).ok().map(Ipv6Addr::from)
    }

    /// Where a probe goes; `None` if it is a script.
    #[must_use]
    pub fn target(&self, probe: ProbeId) -> Option<&Target> {
        self.targets.get(usize::from(probe.0)).filter(|target| target.method != Method::Script)
    }

    /// A virtual server.
    #[must_use]
    pub fn virtual_server(&self, id: VirtualServerId) -> Option<&VirtualServer> {
        self.virtual_servers.get(usize::from(id.0))
    }

    /// A real server.
    #[must_use]
    pub fn real_server(&self, id: RealServerId) -> Option<&RealServer> {
        self.real_servers.get(usize::from(id.0))
    }

    /// The name of the virtual server whose server a probe tries; empty: it is tracked.
    #[must_use]
    pub fn owner_of(&self, probe: &Probe) -> &str {
        let service = probe.service.and_then(|service| self.virtual_server(service));
        service.map_or("", |service| self.text(service.name))
    }

    /// What stands before a probe's name in the log.
    pub(crate) fn kind_of(&self, probe: &Probe) -> (&'static str, &str, &'static str) {
        match self.owner_of(probe) {
            "" => ("probe ", "", ""),
            owner => ("real server ", owner, "/"),
        }
    }

    /// The name of the virtual server that has a real server.
    #[must_use]
    pub fn service_name(&self, server: RealServerId) -> &str {
        let service = self.real_server(server).and_then(|server| self.virtual_server(server.service));
        service.map_or("", |service| self.text(service.name))
    }

    /// The name of a device.
    #[must_use]
    pub fn interface_name(&self, interface: InterfaceId) -> &str {
        self.interfaces.get(usize::from(interface.0)).map_or("", |text| self.text(*text))
    }

    /// The device of this name, entered into the table if it is new; `None` when a table is full.
    pub fn interface(&mut self, name: &str) -> Option<InterfaceId> {
        let known = self.interfaces.iter().position(|text| self.text(*text) == name);
        let index = match known {
            Some(index) => index,
            None => {
                let text = self.keep_text(name)?;
                self.interfaces.push(text).ok()?;
                self.interfaces.len() - 1
            }
        };
        u8::try_from(index).ok().map(InterfaceId)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
