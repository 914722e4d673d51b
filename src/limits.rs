//! Every capacity of the program, with its unit, its default and what happens when it is reached.
//!
//! A capacity is a compile-time constant: the environment variable named beside it sets it for a build,
//! and a board's profile (`board/*.env`) is a list of such settings. What a configuration asks beyond a
//! capacity is an error of `vipd check` that names the variable; what the network sends beyond one is
//! dropped, counted and logged.

use static_assertions::const_assert;

/// Virtual routers, that is, pairs of an instance and an address family. `VIPD_VIRTUAL_ROUTERS`.
pub const VIRTUAL_ROUTERS_MAX: usize = setting(option_env!("VIPD_VIRTUAL_ROUTERS"), 32);

/// `vrrp_instance` sections that are enabled: as many as virtual routers, since each makes at least one.
pub const INSTANCES_MAX: usize = VIRTUAL_ROUTERS_MAX;

/// `vrrp_sync_group` sections. `VIPD_GROUPS`.
pub const GROUPS_MAX: usize = setting(option_env!("VIPD_GROUPS"), 8);

/// Network devices that the configuration names: those of instances, addresses and tracking.
/// `VIPD_INTERFACES`.
pub const INTERFACES_MAX: usize = setting(option_env!("VIPD_INTERFACES"), 16);

/// Virtual addresses of all virtual routers together. `VIPD_ADDRESSES`.
pub const ADDRESSES_MAX: usize = setting(option_env!("VIPD_ADDRESSES"), 128);

/// Unicast peers of all virtual routers together. `VIPD_PEERS`.
pub const PEERS_MAX: usize = setting(option_env!("VIPD_PEERS"), 32);

/// Pairs of an instance and something that it tracks. `VIPD_TRACKS`.
pub const TRACKS_MAX: usize = setting(option_env!("VIPD_TRACKS"), 32);

/// `vrrp_script` and `probe` sections that something tracks; none in a build without the feature `probe`. `VIPD_PROBES`.
pub const TRACKED_PROBES_MAX: usize =
    if cfg!(feature = "probe") { setting(option_env!("VIPD_PROBES"), 8) } else { 0 };

/// Probes: those that something tracks, and one for each real server.
pub const PROBES_MAX: usize = TRACKED_PROBES_MAX + REAL_SERVERS_MAX;

/// Probes that need no script: as many as probes; none in a build without the feature `probe-network`.
pub const TARGETS_MAX: usize = if cfg!(feature = "probe-network") { PROBES_MAX } else { 0 };

/// What HTTP servers are asked for, all probes together: one thing for each, or two of a real server; those that are asked
/// for the same share it.
pub const URLS_MAX: usize = TARGETS_MAX + REAL_SERVERS_MAX;

/// `track_interface` sections of type `route` that something tracks; none in a build without the feature `route`.
/// `VIPD_TRACKED_ROUTES`.
pub const TRACKED_ROUTES_MAX: usize =
    if cfg!(feature = "track-route") { setting(option_env!("VIPD_TRACKED_ROUTES"), 4) } else { 0 };

/// `track_file` sections that something tracks; none in a build without the feature `files`. `VIPD_FILES`.
pub const FILES_MAX: usize = if cfg!(feature = "files") { setting(option_env!("VIPD_FILES"), 8) } else { 0 };

/// BFD sessions: `bfd_instance` sections, and those that `bfd` of an instance begins; none in a build without the feature `bfd`.
/// `VIPD_BFD_SESSIONS`.
pub const BFD_SESSIONS_MAX: usize =
    if cfg!(feature = "bfd") { setting(option_env!("VIPD_BFD_SESSIONS"), 8) } else { 0 };

/// `virtual_server` sections that are enabled; none in a build without the feature `ipvs`. `VIPD_VIRTUAL_SERVERS`.
pub const VIRTUAL_SERVERS_MAX: usize =
    if cfg!(feature = "ipvs") { setting(option_env!("VIPD_VIRTUAL_SERVERS"), 8) } else { 0 };

/// Real servers of all virtual servers together; none in a build without the feature `ipvs`. `VIPD_REAL_SERVERS`.
pub const REAL_SERVERS_MAX: usize =
    if cfg!(feature = "ipvs") { setting(option_env!("VIPD_REAL_SERVERS"), 32) } else { 0 };

/// Pages that one check of a real server asks for.
pub const URLS_PER_CHECK_MAX: usize = 4;

/// Changes of the kernel's table of virtual servers that one event can ask for, beside lists and the end of every service.
/// The rest follows at once.
pub const IPVS_CHANGES_MAX: usize = if cfg!(feature = "ipvs") { 32 } else { 0 };

/// Sections of tracked things with a `notify`; none in a build without the feature `track-hooks`. `VIPD_TRACK_HOOKS`.
pub const TRACK_HOOKS_MAX: usize =
    if cfg!(feature = "track-hooks") { setting(option_env!("VIPD_TRACK_HOOKS"), 8) } else { 0 };

/// Virtual MACs of one virtual router: none in a build without the feature `vmac`.
pub const VMACS_MAX: usize = if cfg!(feature = "vmac") { 1 } else { 0 };

/// Virtual addresses of one virtual router with `no_accept`: packets to all of them are dropped by one request.
/// `VIPD_FILTERED_ADDRESSES`.
pub const FILTERED_ADDRESSES_MAX: usize =
    setting(option_env!("VIPD_FILTERED_ADDRESSES"), if ADDRESSES_MAX < 256 { ADDRESSES_MAX } else { 256 });

/// Instances with `router_advert`; none in a build without the feature `ra`. `VIPD_RA`.
pub const RA_MAX: usize = if cfg!(feature = "ra") { setting(option_env!("VIPD_RA"), 4) } else { 0 };

/// `ra_prefix` entries of all instances together, and so many `dns` entries: two for each, and no more than fit one
/// frame.
pub const RA_PREFIXES_MAX: usize = at_most(16, 2 * RA_MAX);

/// Routes, and as many rules, that move with an instance; none in a build without the feature `routes`.
/// `VIPD_INSTANCE_ROUTES`.
pub const INSTANCE_ROUTES_MAX: usize =
    if cfg!(feature = "routes") { setting(option_env!("VIPD_INSTANCE_ROUTES"), 8) } else { 0 };

/// Words of a probe's script: its path and its arguments.
pub const SCRIPT_WORDS_MAX: usize = 8;

/// Speakers of VRRP that are refused and remembered; a further one takes the place of the one that has been silent for
/// the longest time. `VIPD_STRANGERS`.
pub const STRANGERS_MAX: usize = setting(option_env!("VIPD_STRANGERS"), 8);

/// Bytes of a configuration file. `VIPD_CONFIG_BYTES`.
pub const CONFIG_BYTES_MAX: usize = setting(option_env!("VIPD_CONFIG_BYTES"), 16_384);

/// Bytes of a keepalived.conf with all that it includes, and of what it becomes; in a build with the feature `import`.
/// `VIPD_IMPORT_BYTES`.
#[cfg(feature = "import")]
pub const IMPORT_BYTES_MAX: usize = setting(option_env!("VIPD_IMPORT_BYTES"), 4 * CONFIG_BYTES_MAX);

/// Sections of a configuration file. `VIPD_SECTIONS`.
pub const SECTIONS_MAX: usize = setting(option_env!("VIPD_SECTIONS"), 128);

/// `option` and `list` lines of a configuration file. `VIPD_OPTIONS`.
pub const OPTIONS_MAX: usize = setting(option_env!("VIPD_OPTIONS"), 512);

/// Bytes of all names and paths that a configuration keeps. `VIPD_TEXT_BYTES`.
pub const TEXT_BYTES_MAX: usize = setting(option_env!("VIPD_TEXT_BYTES"), 4096);

/// Bytes of a section's name, as other sections, hooks and status use it.
pub const NAME_BYTES_MAX: usize = 32;

/// Bytes of a network device's name: IFNAMSIZ without its final zero.
pub const INTERFACE_NAME_BYTES_MAX: usize = 15;

/// Bytes of a path (hook scripts).
pub const PATH_BYTES_MAX: usize = 127;

/// Addresses that one advertisement can list: its count field has 8 bits (RFC 9568 §5.2.5).
pub const IPV4_ADDRESSES_PER_ADVERT_MAX: usize = 255;

/// IPv6 addresses that fit an Ethernet frame: (1500 − 40 − 8) / 16 (RFC 9568 §5.1; checklist TX25).
pub const IPV6_ADDRESSES_PER_ADVERT_MAX: usize = 90;

/// Bytes of the longest VRRP message: 90 IPv6 addresses.
pub const MESSAGE_BYTES_MAX: usize = 8 + 16 * IPV6_ADDRESSES_PER_ADVERT_MAX;

/// Bytes of the longest IPv4 header.
pub const IPV4_HEADER_BYTES_MAX: usize = 60;

/// Bytes of one received packet that are kept; a longer one cannot be valid and is counted as such.
pub const PACKET_BYTES_MAX: usize = IPV4_HEADER_BYTES_MAX + MESSAGE_BYTES_MAX;

/// Packets that one system call can bring in: a crowd of them takes this often a kilobyte and a half of memory.
pub const PACKETS_PER_BATCH_MAX: usize = if VIRTUAL_ROUTERS_MAX > 64 { 6 } else { 3 };

/// Messages or frames that one system call can let go. More of them take another call.
pub const SENDS_PER_BATCH_MAX: usize = 16;

/// Bytes of the messages or frames that wait to be let go together. When they are used up, what waits goes.
pub const SEND_BYTES_MAX: usize = 1536;

/// Bytes of the netlink requests that wait to be sent together. When they are used up, what waits goes.
pub const REQUEST_BYTES_MAX: usize = 1024;

/// Bytes of the log lines that wait while something more urgent is done: there is room for half a line of each
/// virtual router. A further one is dropped, and counted.
pub const LOG_BYTES_MAX: usize = 1024 + 32 * VIRTUAL_ROUTERS_MAX;

/// Failures of effects that wait to be told to the router; a further one is counted and forgotten.
pub const FAILURES_MAX: usize = 16;

/// Packets that one turn of the loop takes from one socket before it looks at anything else.
///
/// More than the socket's receive buffer can hold ([`SOCKET_BUFFER_BYTES`]), so a turn that begins
/// after a stall sees every advertisement that was waiting before it lets a deadline fire.
pub const PACKETS_PER_TURN_MAX: usize = 516;

/// Bytes of a raw socket's receive buffer. The kernel charges at least 512 bytes for any packet and
/// doubles what it is asked for, so at most 2 × this / 512 packets can wait.
pub const SOCKET_BUFFER_BYTES: usize = 131_072;

/// Effects of one event for one virtual router; see `vipd::router`.
pub const EFFECTS_PER_VIRTUAL_ROUTER_MAX: usize = 8;

/// Effects of one event: every virtual router moves, every address, route and rule is withdrawn, every probe is tried,
/// every hook of a tracked thing is run, every router advertisement is sent, twice if it is the last one, every BFD
/// session speaks, twice if it answers, and every virtual server is taken out.
pub const EFFECTS_MAX: usize = VIRTUAL_ROUTERS_MAX * EFFECTS_PER_VIRTUAL_ROUTER_MAX
    + ADDRESSES_MAX
    + PROBES_MAX
    + TRACK_HOOKS_MAX
    + 2 * INSTANCE_ROUTES_MAX
    + 2 * RA_MAX
    + 2 * BFD_SESSIONS_MAX
    + VIRTUAL_SERVERS_MAX
    + 2 * IPVS_CHANGES_MAX
    + 8;

/// Bytes of the daemon's whole state and all its buffers, at the most. `VIPD_RAM_BYTES`.
pub const RAM_BYTES_MAX: usize =
    setting(option_env!("VIPD_RAM_BYTES"), if cfg!(feature = "ipvs") { 131_072 } else { 106_496 });

/// Control connections (`vipd status`) that are served at the same time; a further one takes the place of
/// the oldest.
pub const CONTROL_CLIENTS_MAX: usize = 4;

const_assert!(VIRTUAL_ROUTERS_MAX >= 2); // The smallest useful instance has two families.
const_assert!(VIRTUAL_ROUTERS_MAX <= 1024); // Slots are 16-bit, and some scans linear.
const_assert!(ADDRESSES_MAX >= VIRTUAL_ROUTERS_MAX); // Every virtual router has an address.
const_assert!(ADDRESSES_MAX <= u16::MAX as usize); // Spans count in 16 bits.
const_assert!(INTERFACES_MAX <= u8::MAX as usize); // An `InterfaceId` is 8-bit.
const_assert!(PEERS_MAX <= u16::MAX as usize);
const_assert!(TRACKS_MAX <= u16::MAX as usize);
const_assert!(FILTERED_ADDRESSES_MAX <= 2048); // An attribute of netlink lists them, 28 bytes each.
const_assert!(PROBES_MAX < u16::MAX as usize); // A `ProbeId` is 16-bit, and each may have a try, whose ticket is too.
const_assert!(TRACKED_ROUTES_MAX <= u8::MAX as usize); // A `RouteId` is 8-bit.
const_assert!(FILES_MAX <= u8::MAX as usize); // A `FileId` is 8-bit.
const_assert!(TRACK_HOOKS_MAX <= u8::MAX as usize); // They are numbered in 8 bits.
const_assert!(BFD_SESSIONS_MAX <= u8::MAX as usize); // A `BfdId` is 8-bit.
const_assert!(VIRTUAL_SERVERS_MAX < 1025 && REAL_SERVERS_MAX < 8193); // They are numbered in 16 bits.
const_assert!(RA_MAX <= u8::MAX as usize); // They are numbered in 8 bits.
const_assert!(INSTANCE_ROUTES_MAX <= u8::MAX as usize); // Requests are numbered by it in 8 bits.
const_assert!(STRANGERS_MAX >= 2 && STRANGERS_MAX <= 255); // Two foreign pairs; they are searched one by one.
const_assert!(TEXT_BYTES_MAX <= u16::MAX as usize); // A `Text` counts in 16 bits.
const_assert!(CONFIG_BYTES_MAX <= 1 << 24); // Offsets into the file are 32-bit, lines 24-bit.
const_assert!(OPTIONS_MAX >= SECTIONS_MAX);
const_assert!(PATH_BYTES_MAX <= u8::MAX as usize); // A `Text` has an 8-bit length.
const_assert!(MESSAGE_BYTES_MAX >= 8 + 4 * IPV4_ADDRESSES_PER_ADVERT_MAX + 8);
const_assert!(SEND_BYTES_MAX >= MESSAGE_BYTES_MAX); // One always fits, so waiting for room ends.
const_assert!(!cfg!(feature = "vmac") || SEND_BYTES_MAX >= MESSAGE_BYTES_MAX + 54); // With its header, as a whole frame.
const_assert!(SEND_BYTES_MAX <= u16::MAX as usize); // Offsets into them are 16-bit.
// Whatever can wait in the kernel is read within one turn.
const_assert!(PACKETS_PER_TURN_MAX * 512 >= 2 * SOCKET_BUFFER_BYTES);
const_assert!(PACKETS_PER_TURN_MAX.is_multiple_of(PACKETS_PER_BATCH_MAX));

/// A capacity from the build's environment: decimal digits, or the default where it is not set.
const fn setting(text: Option<&str>, default: usize) -> usize {
    let Some(text) = text else { return default };
    let digits = text.as_bytes();
    assert!(!digits.is_empty(), "a VIPD_ capacity is set but empty");
    let mut value = 0;
    let mut index = 0;
    while index < digits.len() {
        assert!(digits[index].is_ascii_digit(), "a VIPD_ capacity is not a decimal number");
        value = value * 10 + (digits[index] - b'0') as usize;
        index += 1;
    }
    value
}

const fn at_most(bound: usize, value: usize) -> usize {
    if value > bound { bound } else { value }
}

#[cfg(test)]
mod tests {
    use super::setting;

    #[test]
    fn a_capacity_comes_from_the_environment_or_its_default() {
        assert_eq!(setting(None, 7), 7);
        assert_eq!(setting(Some("255"), 7), 255);
    }

    #[test]
    #[should_panic(expected = "not a decimal number")]
    fn a_capacity_that_is_no_number_stops_the_build() {
        setting(Some("12k"), 7);
    }
}
