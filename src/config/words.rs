//! The words of the schema: every section type and option that is known, and what becomes of it.
//!
//! This is the one place that says what this release can do: a word that gets built moves from `later`
//! to `built`.

/// Options of an instance in a build that has router advertisements; in another one they are unknown.
const ROUTER_ADVERT: &str =
    "router_advert ra_prefix ra_lifetime ra_maxinterval ra_mininterval ra_flags ra_preference ra_mtu dns";

/// Sections with `notify` in a build that has hooks for what is tracked.
const HOOKED: &str = "probe vrrp_script track_file track_interface bfd_instance";

/// Options of a probe in a build with real servers, whose checks it has.
const PROBE: &str = "notify digest payload require_reply dns_type dns_name";

/// Some options are known in some builds only.
const BY_FEATURE: bool = cfg!(feature = "ra") || cfg!(feature = "track-hooks");

/// What is known of a section type.
pub(crate) struct SectionWords {
    /// The type.
    pub(super) kind: &'static str,
    /// What it means that such a section exists.
    pub(crate) standing: Standing,
    /// Options that are read, separated by blanks.
    pub(super) built: &'static str,
    /// Options that are not in this release: asking for one is an error.
    pub(super) later: &'static str,
    /// Options without a counterpart here, with the reason: asking for one is a warning.
    pub(super) idle: &'static [(&'static str, &'static str)],
}

/// What becomes of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is read.
    Built,
    /// It is not in this release; asking for it is an error.
    Later,
    /// It does nothing by itself, for the reason; a warning says so.
    Idle(&'static str),
}

const NOT_BUILT: Standing = Standing::Idle("it is not in this build");
const ROUTES: Standing = if cfg!(feature = "routes") { Standing::Built } else { NOT_BUILT };
const IPVS: Standing = if cfg!(feature = "ipvs") { Standing::Built } else { NOT_BUILT };
const BFD: Standing = if cfg!(feature = "bfd") { Standing::Built } else { NOT_BUILT };
const MAIL: &str = "no mail is sent, a notify script can do it";
const SAME_USER: &str = "scripts run as the user who starts vipd";
const SYNC: &str = "files are not copied between routers";

/// Every section type, by name.
pub(super) const SECTIONS: &[SectionWords] = &[
    SectionWords {
        kind: "globals",
        standing: Standing::Built,
        built: "enabled realtime router_id vrrp_version vrrp_startup_delay vrrp_mcast_group4 vrrp_mcast_group6 \
                alt_config_file notify lvs_timeout_tcp lvs_timeout_tcpfin lvs_timeout_udp",
        later: "",
        idle: &[
            ("notification_email notification_email_from smtp_server smtp_connect_timeout", MAIL),
            ("linkbeat_use_polling", "the kernel reports every change of a link"),
        ],
    },
    SectionWords {
        kind: "ipaddress",
        standing: Standing::Built,
        built: "name address device scope label_suffix",
        later: "",
        idle: &[],
    },
    SectionWords {
        kind: "vrrp_instance",
        standing: Standing::Built,
        built: "name enabled interface state virtual_router_id version priority advert_int nopreempt \
                preempt_delay accept no_accept auth_type auth_pass mcast_src_ip unicast_src_ip unicast_peer \
                virtual_ipaddress virtual_ipaddress_excluded virtual_routes virtual_rules native_ipv6 garp_master_delay \
                garp_master_repeat garp_master_refresh garp_master_refresh_repeat garp_interval dont_track_primary \
                track_interface track_script track_probe track_file checksum address_lifetime promote_secondaries \
                up_delay down_delay use_vmac vmac_xmit_base claim_script claim_wait track_bfd bfd notify \
                lvs_sync_daemon_interface",
        later: "",
        idle: &[("smtp_alert", MAIL), ("debug", "run vipd with -v for more to read")],
    },
    SectionWords {
        kind: "vrrp_sync_group",
        standing: Standing::Built,
        built: "name group track_interface track_script track_probe track_file track_bfd notify",
        later: "",
        idle: &[("smtp_alert", MAIL), ("global_tracking", "a group goes to fault with any of its instances")],
    },
    SectionWords {
        kind: "peer",
        standing: Standing::Built,
        built: "name address min_ttl max_ttl",
        later: "",
        idle: &[(
            "sync sync_mode sync_dir ssh_port ssh_key ssh_pubkey sync_list last_sync_time \
             last_sync_status",
            SYNC,
        )],
    },
    SectionWords {
        kind: "track_interface",
        standing: Standing::Built,
        built: "name type value family weight up_delay down_delay",
        later: "",
        idle: &[],
    },
    SectionWords {
        kind: "interface_up_down_delays",
        standing: Standing::Built,
        built: "device up_delay down_delay",
        later: "",
        idle: &[],
    },
    SectionWords {
        kind: "static_ipaddress",
        standing: Standing::Later,
        built: "address",
        later: "",
        idle: &[],
    },
    SectionWords { kind: "static_routes", standing: Standing::Later, built: "route", later: "", idle: &[] },
    SectionWords {
        kind: "route",
        standing: ROUTES,
        built: "name address gateway src_addr device table scope metric blackhole unreachable prohibit",
        later: "",
        idle: &[],
    },
    SectionWords {
        kind: "rule",
        standing: ROUTES,
        built: "name address to device table priority fwmark",
        later: "",
        idle: &[],
    },
    SectionWords {
        kind: "vrrp_script",
        standing: Standing::Built,
        built: "name script interval timeout rise fall fail init_fail weight direction",
        later: "",
        idle: &[("user", SAME_USER)],
    },
    SectionWords {
        kind: "track_script",
        standing: Standing::Built,
        built: "name value weight direction",
        later: "",
        idle: &[],
    },
    SectionWords {
        kind: "track_file",
        standing: Standing::Built,
        built: "name file weight direction",
        later: "",
        idle: &[],
    },
    SectionWords {
        kind: "probe",
        standing: Standing::Built,
        built: "name type address port interface interval timeout rise fall fail init_fail weight direction \
                script path \
                status_code text virtualhost",
        later: "",
        idle: &[("user", SAME_USER)],
    },
    SectionWords {
        kind: "bfd_instance",
        standing: BFD,
        built: "name enabled neighbor_ip source_ip interface min_rx min_tx idle_tx multiplier passive hoplimit ttl \
                max_hops weight direction",
        later: "multihop",
        idle: &[("vrrp checker", "one process hears of every session")],
    },
    SectionWords {
        kind: "virtual_server",
        standing: IPVS,
        built: if cfg!(feature = "ipvs") {
            "name enabled ipaddr port fwmark family protocol delay_loop lb_algo lb_kind tun_type tun_port tun_checksum \
                persistence_timeout persistence_granularity persistence_engine virtualhost sorry_server_ip \
                sorry_server_port sorry_server_lb_kind real_server quorum hysteresis quorum_up quorum_down notify alpha \
                omega inhibit_on_failure ha_suspend ops keep connect_timeout retry delay_before_retry warmup weight \
                sh_port sh_fallback mh_port mh_fallback"
        } else {
            ""
        },
        later: "",
        idle: &[("smtp_alert", MAIL)],
    },
    SectionWords {
        kind: "real_server",
        standing: IPVS,
        built: if cfg!(feature = "ipvs") {
            "name enabled ipaddr port weight check connect_ip connect_port connect_timeout interface nb_get_retry \
                retry delay_before_retry delay_loop warmup misc_path misc_timeout misc_dynamic url virtualhost payload \
                require_reply dns_type dns_name uthreshold lthreshold lb_kind tun_type tun_port tun_checksum \
                inhibit_on_failure alpha notify notify_up notify_down"
        } else {
            ""
        },
        later: "",
        idle: &[("smtp_alert", MAIL)],
    },
    SectionWords {
        kind: "url",
        standing: IPVS,
        built: if cfg!(feature = "ipvs") { "name path digest status_code text virtualhost" } else { "" },
        later: "",
        idle: &[],
    },
];

/// The section type of this name.
pub(crate) fn section(kind: &[u8]) -> Option<&'static SectionWords> {
    SECTIONS.iter().find(|section| section.kind.as_bytes() == kind)
}

/// The section type that is spelled most like this one.
pub(super) fn nearest_section(kind: &[u8]) -> Option<&'static [u8]> {
    nearest(kind, SECTIONS.iter().map(|section| section.kind.as_bytes()))
}

impl SectionWords {
    /// What becomes of an option of this section; `None` if it is unknown.
    pub(crate) fn option(&self, name: &[u8]) -> Option<Standing> {
        let has = |words: &'static str| split(words).any(|word| word == name);
        if has(self.built) || (BY_FEATURE && has(self.built_by_feature())) {
            return Some(Standing::Built);
        }
        if has(self.later) {
            return Some(Standing::Later);
        }
        let idle = self.idle.iter().find(|(words, _)| has(words));
        idle.map(|(_, reason)| Standing::Idle(reason))
    }

    fn built_by_feature(&self) -> &'static str {
        if cfg!(feature = "ra") && self.kind == "vrrp_instance" {
            ROUTER_ADVERT
        } else if cfg!(feature = "ipvs") && self.kind == "probe" {
            PROBE
        } else if cfg!(feature = "track-hooks")
            && super::value::choice(self.kind.as_bytes(), HOOKED).is_some()
        {
            "notify"
        } else {
            ""
        }
    }

    /// The option that is spelled most like this one.
    pub(super) fn nearest_option(&self, name: &[u8]) -> Option<&'static [u8]> {
        let idle = self.idle.iter().flat_map(|(words, _)| split(words));
        let found = nearest(name, split(self.built).chain(split(self.later)).chain(idle));
        if BY_FEATURE && found.is_none() {
            return nearest(name, split(self.built_by_feature()));
        }
        found
    }
}

fn split(words: &'static str) -> impl Iterator<Item = &'static [u8]> {
    super::value::Words::new(words.as_bytes())
}

/// Bytes of the longest word that is compared.
const COMPARED_BYTES_MAX: usize = 31;

/// The candidate with the smallest distance, if that is at most a third of the word and at most three.
fn nearest(word: &[u8], candidates: impl Iterator<Item = &'static [u8]>) -> Option<&'static [u8]> {
    let mut least = (word.len() / 3).min(3) as u8 + 1;
    let mut found = None;
    for candidate in candidates {
        let distance = distance(word, candidate);
        if distance < least {
            least = distance;
            found = Some(candidate);
        }
    }
    found
}

/// How many bytes must be added, removed or replaced to make one word of the other (Levenshtein), row by
/// row: `row[n]` is the distance from the bytes of `from` seen so far to the first `n` bytes of `to`. Words
/// that are too long for a row are far from everything.
fn distance(from: &[u8], to: &[u8]) -> u8 {
    let mut row = [0u8; COMPARED_BYTES_MAX + 1];
    if to.len() > COMPARED_BYTES_MAX || from.len() > COMPARED_BYTES_MAX {
        return u8::MAX;
    }
    for (steps, cell) in (0..).zip(row.iter_mut()) {
        *cell = steps;
    }
    let mut last = to.len() as u8;
    for (steps, byte) in (0u8..).zip(from) {
        let mut diagonal = steps;
        let mut left = steps + 1;
        for (other, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + u8::from(byte != other);
            diagonal = *cell;
            left = replaced.min(diagonal.min(left) + 1);
            *cell = left;
        }
        last = left;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_added_removed_and_replaced_bytes() {
        let cases: [(&str, &str, u8); 7] = [
            ("", "", 0),
            ("priority", "priority", 0),
            ("priorty", "priority", 1),
            ("prioritty", "priority", 1),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
            ("abc", "", 3),
        ];
        for (from, to, expected) in cases {
            assert_eq!(distance(from.as_bytes(), to.as_bytes()), expected, "{from} {to}");
        }
    }

    #[test]
    fn only_a_close_word_is_offered() {
        let instance = section(b"vrrp_instance").unwrap();
        assert_eq!(instance.nearest_option(b"priorty"), Some(&b"priority"[..]));
        assert_eq!(instance.nearest_option(b"prorit"), Some(&b"priority"[..]));
        assert_eq!(instance.nearest_option(b"prort"), None);
        assert_eq!(instance.nearest_option(b"vrid"), None);
        assert_eq!(instance.nearest_option(&[b'x'; 300]), None);
        assert_eq!(nearest_section(b"vrrp_instnace"), Some(&b"vrrp_instance"[..]));
        assert_eq!(nearest_section(b"x"), None);
    }

    #[test]
    fn no_word_stands_twice_in_a_section_and_every_word_can_be_compared() {
        for section in SECTIONS {
            let all = || {
                let idle = section.idle.iter().flat_map(|(words, _)| split(words));
                let built = split(section.built).chain(split(section.built_by_feature()));
                built.chain(split(section.later)).chain(idle)
            };
            for word in all() {
                assert_eq!(all().filter(|other| *other == word).count(), 1, "{}", section.kind);
                assert!(word.len() <= COMPARED_BYTES_MAX);
            }
        }
    }
}
