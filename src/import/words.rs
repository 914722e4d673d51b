//! keepalived's words: which have a counterpart, which need none, and why the others have none.

use crate::config::words::{self, Standing};

/// What becomes of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is written as it is.
    Carried,
    /// The same happens without it.
    Needless,
    /// There is no counterpart, for this reason.
    Lost(&'static str),
}

const MAIL: &str = "no mail is sent, a notify script can do it";
const LINKS: &str = "the kernel reports every change of a link";
const LATER: &str = "not in this release of vipd";
const FIFO: &str = "there are no FIFOs: a notify script is told everything, one thing after another";
const PROCESS: &str = "there is one process, which needs no such setting";
const REALTIME: &str = "write option realtime '1' in the globals, to run ahead of everything else";
const BUFFERS: &str = "buffers are of fixed size";
const FLUSH: &str = "vipd flushes nothing: what others have put into the kernel's table stays, and what vipd has put there \
                     is taken out piece by piece";
const SOURCE: &str = "a check leaves from the address and port that the kernel chooses";
const SNMP: &str = "vipd status --json and --prometheus tell what there is to know";
const FIREWALL: &str =
    "no_accept alone writes rules of a firewall, in nftables' tables of its own, with nothing to set";
const LOWER: &str = "a lower advert is answered at once, and once more when it is over";
const STRICT: &str = "there is no strict mode";
const LOGGED: &str = "the log has each change of a server, and with vipd run -v each try";
const FILES: &str = "vipd writes no such files";
const UNKNOWN: &str = "keepalived 2.2 does not know this word here, and so it does nothing";

/// The words that have no counterpart, and those that need none, which have no reason.
type Reasons = &'static [(&'static str, &'static str)];

const GLOBALS: Reasons = &[
    (
        "dynamic_interfaces vrrp_check_unicast_src vrrp_skip_check_adv_addr vrrp_higher_prio_send_advert \
         reload_check_config process_names use_pid_dir no_email_faults no_checker_emails \
         fifo_write_vrrp_states_on_reload",
        "",
    ),
    ("notification_email notification_email_from smtp_server smtp_connect_timeout smtp_helo_name", MAIL),
    ("smtp_alert smtp_alert_vrrp smtp_alert_checker", MAIL),
    ("linkbeat_use_polling", LINKS),
    ("vrrp_rt_priority vrrp_no_swap vrrp_priority max_auto_priority min_auto_priority_delay", REALTIME),
    ("vrrp_rlimit_rttime vrrp_cpu_affinity", PROCESS),
    (
        "process_name vrrp_process_name checker_process_name bfd_process_name checker_priority bfd_priority \
         checker_no_swap bfd_no_swap checker_cpu_affinity bfd_cpu_affinity checker_rt_priority bfd_rt_priority \
         checker_rlimit_rttime bfd_rlimit_rttime child_wait_time umask random_seed instance",
        PROCESS,
    ),
    (
        "vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs \
         vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force \
         lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs \
         process_monitor_rcv_bufs_force vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier",
        BUFFERS,
    ),
    (
        "nftables_ipvs nftables_ipvs_priority nftables_ipvs_start_fwmark",
        "each address is a virtual server of its own, and no rules of a firewall are needed",
    ),
    ("lvs_flush lvs_flush_on_stop", FLUSH),
    ("rs_init_notifies", "scripts are told of the first state of a server in any case"),
    ("checker_log_all_failures", LOGGED),
    ("net_namespace_ipvs", "start vipd in the namespace, as with ip netns exec"),
    (
        "snmp_socket enable_snmp_vrrp enable_snmp_checker enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3 \
         enable_traps enable_dbus dbus_service_name",
        SNMP,
    ),
    ("nftables nftables_priority nftables_counters nftables_ifindex vrrp_iptables vrrp_ipsets", FIREWALL),
    ("namespace_with_ipsets", FIREWALL),
    ("disable_local_igmp", "set net.ipv4.igmp_link_local_mcast_reports to 0 with sysctl"),
    ("vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat vrrp_lower_prio_no_advert", LOWER),
    ("vrrp_down_timer_adverts", "a backup waits for three intervals and the skew, as the RFCs say"),
    ("vrrp_garp_extra_if", "write option garp_master_refresh in the instances"),
    ("vrrp_gna_interval", "garp_interval counts for both families"),
    ("vrrp_strict", STRICT),
    ("vrrp_notify_priority_changes", "a change of priority alone runs no script"),
    (
        "notify_fifo notify_fifo_script vrrp_notify_fifo vrrp_notify_fifo_script lvs_notify_fifo \
         lvs_notify_fifo_script",
        FIFO,
    ),
    ("startup_script startup_script_timeout", "run it before vipd run"),
    ("shutdown_script shutdown_script_timeout", "run it after vipd run"),
    ("script_user", "scripts run as the user who starts vipd"),
    ("enable_script_security", "vipd does not look who may write a script: see to it that only its user can"),
    ("net_namespace", "start vipd in the namespace, as with ip netns exec"),
    ("default_interface", "only static addresses ask for it"),
    ("log_unknown_vrids", "vipd status names whoever speaks VRRP here and is refused"),
    ("vmac_prefix vmac_addr_prefix", LATER),
    ("include_check", "a file that cannot be included is always named"),
    (
        "tmp_config_directory config_save_dir reload_time_file reload_repeat reload_file data_use_instance",
        FILES,
    ),
];

const INSTANCE: Reasons = &[
    (
        "preempt check_unicast_src skip_check_adv_addr higher_prio_send_advert track_src_ip \
         unicast_fault_no_peer promote_secondaries",
        "",
    ),
    ("lower_prio_no_advert garp_lower_prio_delay garp_lower_prio_repeat", LOWER),
    ("garp_extra_if", "write option garp_master_refresh"),
    ("linkbeat_use_polling", LINKS),
    ("kernel_rx_buf_size", BUFFERS),
    ("strict_mode", STRICT),
    ("use_vmac_addr use_ipvlan", LATER),
    ("down_timer_adverts", "a backup waits for three intervals and the skew, as the RFCs say"),
    ("unicast_ttl", "adverts have TTL 255"),
    ("old_unicast_checksum", "both checksums of version 3 are accepted"),
    ("track_process", "a vrrp_script with pidof can do it"),
    ("notify_priority_changes", "a change of priority alone runs no script"),
    ("notify_master_rx_lower_pri notify_deleted", "vipd runs a script for MASTER, BACKUP, FAULT and STOP"),
    ("timer_expired_backup", "a master that slept steps back when it hears of another one"),
    ("owner_ignore_adverts", "two owners are elected by their addresses"),
];

const GROUP: Reasons = &[
    ("global_tracking sync_group_tracking_weight", ""),
    ("track_process", "a vrrp_script with pidof can do it"),
    ("notify_priority_changes", "a change of priority alone runs no script"),
    ("notify_deleted", "vipd runs a script for MASTER, BACKUP, FAULT and STOP"),
];

const BFD: Reasons =
    &[("vrrp", ""), ("checker", "no check of a real server asks for a session: there is no BFD_CHECK")];

const VIRTUAL_SERVER: Reasons = &[
    ("snmp_name", SNMP),
    ("hashed", ""),
    ("sorry_server_inhibit", "a sorry server that is not needed is taken out of the kernel's table"),
];

const REAL_SERVER: Reasons = &[("snmp_name", SNMP)];

/// Words that are read where the check is chosen have none.
const CHECK: Reasons = &[
    ("bindto bind_port", SOURCE),
    ("fwmark", "packets of a check have no mark"),
    ("log_all_failures", LOGGED),
    ("user", "scripts run as the user who starts vipd"),
    ("helo_name", "a server that greets is a good one, and is told no name"),
    ("min_reply_length max_reply_length", "a reply may have any length"),
    ("http_protocol fast_recovery", LATER),
    ("enable_sni", "vipd has no TLS"),
];

const URL: Reasons = &[(
    "regex_no_match regex_options regex_stack regex_min_offset regex_max_offset",
    "what is looked for in a page, option text, is no pattern",
)];

const FILE: Reasons = &[("init_file", "vipd writes no such files: a file that is not there counts as 0")];

const BLOCKS: Reasons = &[
    ("SSL", "vipd has no TLS"),
    (
        "static_routes static_ipaddress static_rules track_group",
        "the network's own configuration can have them",
    ),
    ("linkbeat_interfaces", LINKS),
    ("garp_group", "write option garp_interval in the instances"),
    ("vrrp_track_process track_process", "a vrrp_script with pidof can do it"),
];

/// What becomes of a word in a block that is a section of this kind; `carried` are the words that mean the same in
/// both, if they are in this release.
pub(super) fn fate(kind: &str, carried: &'static str, word: &[u8]) -> Fate {
    let reasons = match kind {
        "globals" => GLOBALS,
        "vrrp_instance" => INSTANCE,
        "vrrp_sync_group" => GROUP,
        "track_file" => FILE,
        "bfd_instance" => BFD,
        "virtual_server" => VIRTUAL_SERVER,
        "real_server" => REAL_SERVER,
        "url" => URL,
        check if check.ends_with("_CHECK") || check == "HTTP_GET" => CHECK,
        _ => &[],
    };
    if has(carried, word) {
        return standing(kind, word);
    }
    reason(reasons, word)
}

/// What becomes of a word outside all blocks, which is none of those that are translated.
pub(super) fn outermost(word: &[u8]) -> Fate {
    match reason(BLOCKS, word) {
        Fate::Lost(UNKNOWN) => reason(GLOBALS, word),
        fate @ (Fate::Carried | Fate::Needless | Fate::Lost(_)) => fate,
    }
}

/// Whether this release has such sections.
pub(super) fn is_built(kind: &str) -> bool {
    words::section(kind.as_bytes()).is_some_and(|section| section.standing == Standing::Built)
}

/// What this release makes of an option of the same name.
pub(super) fn standing(kind: &str, word: &[u8]) -> Fate {
    match words::section(kind.as_bytes()).and_then(|section| section.option(word)) {
        Some(Standing::Built) => Fate::Carried,
        Some(Standing::Idle(reason)) => Fate::Lost(reason),
        Some(Standing::Later) | None => Fate::Lost(LATER),
    }
}

/// Whether a word is among these, which blanks separate.
pub(super) fn has(words: &'static str, word: &[u8]) -> bool {
    crate::config::value::choice(word, words).is_some()
}

fn reason(reasons: Reasons, word: &[u8]) -> Fate {
    match reasons.iter().find(|(words, _)| has(words, word)) {
        Some((_, "")) => Fate::Needless,
        Some((_, reason)) => Fate::Lost(reason),
        None => Fate::Lost(UNKNOWN),
    }
}
