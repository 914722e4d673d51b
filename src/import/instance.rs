//! `vrrp_instance`.

use super::draft::{Decimal, Need};
use super::globals::{FEW_ANNOUNCEMENTS, FOR_INSTANCES};
use super::notice::Place;
use super::statements::Statement;
use super::translate::Translation;
use super::words::{self, Fate};
use crate::config::Family;
use crate::config::value::{self, PrefixFault};

/// Words that mean the same in both. Those of the second line would make another instance if they were left out.
const CARRIED: &str = "state nopreempt preempt_delay accept no_accept native_ipv6 garp_master_delay \
    garp_master_repeat garp_master_refresh garp_master_refresh_repeat dont_track_primary use_vmac vmac_xmit_base \
    smtp_alert debug lvs_sync_daemon_interface \
    interface virtual_router_id priority mcast_src_ip unicast_src_ip version";

/// Words without which the instance would be another one.
const IDENTITY: &str = "interface virtual_router_id priority mcast_src_ip unicast_src_ip version advert_int";

/// Words that are read before the others, or together with them.
const TOGETHER: &str =
    "notify notify_master notify_backup notify_fault notify_stop authentication advert_int";

/// Without these, adverts would go elsewhere or be refused by the other routers.
const FATAL: &str = "mcast_dst_ip auth_hmac vrf";

/// Words behind an address that say nothing that a router would miss, or that this release cannot do.
const ATTRIBUTES_LOST: &str = "home -nodad nodad mngtmpaddr noprefixroute autojoin no_track use_vmac";
const ATTRIBUTES_LOST_WITH_WORD: &str = "peer preferred_lft track_group brd broadcast";
const ATTRIBUTES_CARRIED: &str = "dev label scope";

/// Bytes that keepalived takes of a password.
const PASSWORD_BYTES_MAX: usize = 8;

/// What has to be known of an instance before it is written.
struct Traits {
    family: Option<Family>,
    is_v3: bool,
    /// `state MASTER`.
    is_master: bool,
    is_owner: bool,
    ignores_weights: bool,
}

impl Translation<'_, '_, '_> {
    pub(super) fn instance(&mut self, block: &Statement<'_>) {
        if let Some(fatal) = self.block(block).find(|statement| words::has(FATAL, statement.word(0))) {
            self.lose_words(
                fatal.place,
                &[block.word(0), block.word(1), fatal.word(0)],
                "not in this release of vipd, and the instance would not be understood without: left out as a whole",
            );
            return;
        }
        let traits = self.traits(block);
        self.peer_sections(block);
        self.draft.section(block.place, "vrrp_instance");
        self.name(block);
        for statement in self.block(block) {
            self.instance_statement(&statement, &traits);
        }
        self.implied(block, &traits);
        self.interval(block, &traits);
        self.authentication(block, &traits);
        self.sync_daemon(block);
        self.hooks(block);
        self.finish(block);
    }

    fn traits(&self, block: &Statement<'_>) -> Traits {
        let inner = self.block(block);
        let addresses = inner.filter(|statement| statement.word(0) == b"virtual_ipaddress");
        let mut all = addresses.flat_map(|addresses| self.block(&addresses));
        let family =
            all.find_map(|address| Some(Family::of(value::address_with_prefix(address.word(0)).ok()?.0)));
        let version = inner.last(b"version").or_else(|| self.global(b"vrrp_version"));
        let state = inner.last(b"state");
        let priority = inner.last(b"priority");
        let is_master = state.is_some_and(|state| state.word(1) == b"MASTER");
        Traits {
            family,
            is_v3: family == Some(Family::V6) || version.is_some_and(|version| version.word(1) == b"3"),
            is_master,
            is_owner: priority.map_or(is_master, |priority| priority.word(1) == b"255"),
            ignores_weights: self.ignores_weights(block.word(1)),
        }
    }

    /// Whether the instance is in a sync group that does not ask for weights.
    fn ignores_weights(&self, instance: &[u8]) -> bool {
        let mut groups = self.outermost().filter(|statement| statement.word(0) == b"vrrp_sync_group");
        let group = groups.find(|group| {
            let lists = self.block(group).filter(|statement| statement.word(0) == b"group");
            let mut members = lists.flat_map(|list| self.block(&list)).flat_map(|members| members.words());
            members.any(|member| member == instance)
        });
        group.is_some_and(|group| {
            let words = self.block(&group);
            !words.has(b"sync_group_tracking_weight") && !words.has(b"global_tracking")
        })
    }

    fn instance_statement(&mut self, statement: &Statement<'_>, traits: &Traits) {
        let word = statement.word(0);
        match word {
            b"virtual_ipaddress" => self.addresses(statement, Need::Must, traits.family),
            b"virtual_ipaddress_excluded" => match words::standing("vrrp_instance", word) {
                Fate::Carried => self.addresses(statement, Need::Wish, None),
                Fate::Needless => {}
                Fate::Lost(reason) => self.lose(statement, reason),
            },
            b"virtual_routes" | b"virtual_rules" => self.routes(statement),
            b"unicast_peer" => self.peers(statement),
            b"track_interface" | b"track_script" | b"track_file" | b"track_bfd" => {
                self.track("vrrp_instance", statement, traits.ignores_weights);
            }
            b"nopreempt" | b"preempt_delay" if traits.is_master || traits.is_owner => {
                let reason = "keepalived ignores it with state MASTER, and with priority 255: it is left out";
                self.remark(statement.place, &[word], reason);
            }
            b"state" if !matches!(statement.word(1), b"MASTER" | b"BACKUP") => {
                self.remark(statement.place, &[word, statement.word(1)], "keepalived takes it for BACKUP");
            }
            b"version" if statement.word(1) == b"2" && traits.family == Some(Family::V6) => {
                self.lose_words(
                    statement.place,
                    &[b"version 2"],
                    "IPv6 is always version 3, as the RFCs say",
                );
            }
            b"v3_checksum_as_v2" => {
                let has_choice = traits.is_v3 && traits.family == Some(Family::V4);
                if has_choice && value::flag(statement.word(1)) != Some(false) {
                    self.draft.option((statement.place, Need::Must), b"checksum", [&b"rfc9568"[..]]);
                }
            }
            _ if words::has(TOGETHER, word) => {}
            _ => {
                let need = if words::has(IDENTITY, word) { Need::Must } else { Need::Wish };
                self.carry("vrrp_instance", CARRIED, need, statement);
            }
        }
    }

    /// What keepalived does without being told: the globals speak for all instances, and a master without a priority
    /// is the owner.
    fn implied(&mut self, block: &Statement<'_>, traits: &Traits) {
        let inner = self.block(block);
        if traits.is_master && !inner.has(b"priority") {
            self.draft.option((block.place, Need::Must), b"priority", [&b"255"[..]]);
            self.remark(
                block.place,
                &[block.word(0), block.word(1)],
                "keepalived gives priority 255 to state MASTER where none is written",
            );
        }
        let few = self.global(FEW_ANNOUNCEMENTS).filter(|few| value::flag(few.word(1)) != Some(false));
        for (word, global) in FOR_INSTANCES {
            if inner.has(word) {
                continue;
            }
            let at = |place: Place| (place, Need::Wish);
            if let Some(statement) = self.global(global) {
                self.draft.option(at(statement.place), word, [statement.word(1)]);
            } else if let Some(few) = few {
                let number: &[u8] = match word {
                    b"garp_master_delay" => b"0",
                    b"garp_master_repeat" => b"1",
                    _ => continue,
                };
                self.draft.option(at(few.place), word, [number]);
            }
        }
    }

    /// Version 2 has whole seconds, to which keepalived rounds.
    fn interval(&mut self, block: &Statement<'_>, traits: &Traits) {
        let Some(statement) = self.block(block).last(b"advert_int") else { return };
        let at = (statement.place, Need::Must);
        let centis = value::decimal(statement.word(1), 2).filter(|centis| centis % 100 != 0);
        let Some(centis) = centis.filter(|_| !traits.is_v3) else {
            self.draft.option(at, b"advert_int", [statement.word(1)]);
            return;
        };
        let secs = Decimal::new((centis.saturating_add(50) / 100).clamp(1, 999) as u16);
        self.draft.option(at, b"advert_int", [secs.text()]);
        let reason = "keepalived rounds it to whole seconds, which is what version 2 has";
        self.remark(statement.place, &[b"advert_int", statement.word(1)], reason);
    }

    /// keepalived ignores it in version 3, and cuts a password.
    fn authentication(&mut self, block: &Statement<'_>, traits: &Traits) {
        for statement in self.block(block).filter(|statement| statement.word(0) == b"authentication") {
            if traits.is_v3 {
                self.remark(
                    statement.place,
                    &[b"authentication"],
                    "keepalived ignores it in version 3, which has none",
                );
                continue;
            }
            for inner in self.block(&statement) {
                let at = (inner.place, Need::Must);
                let text = inner.word(1);
                match inner.word(0) {
                    b"auth_type" => self.draft.option(at, b"auth_type", [text]),
                    b"auth_pass" => {
                        let text = text.get(..PASSWORD_BYTES_MAX).unwrap_or(text);
                        self.draft.option(at, b"auth_pass", [text]);
                    }
                    _ => self.carry("vrrp_instance", "", Need::Wish, &inner),
                }
            }
        }
    }

    // Addresses and peers.

    /// Each line of the block is an address. With a family, those of the other one are left out, as keepalived does.
    fn addresses(&mut self, block: &Statement<'_>, need: Need, family: Option<Family>) {
        for line in self.block(block) {
            let (option, text) = (block.word(0), line.word(0));
            let address = value::address_with_prefix(text);
            let is_other = address
                .as_ref()
                .is_ok_and(|(address, _)| family.is_some_and(|it| it != Family::of(*address)));
            let is_none = matches!(address, Err(PrefixFault::Address));
            if is_none || is_other {
                let reason = if is_none {
                    "this is no address, and keepalived skips it too"
                } else {
                    "an instance of keepalived has addresses of one family, that of the first: it is left out"
                };
                self.remark(line.place, &[option, text], reason);
            } else if self.stands_before(block, &line) {
                let reason = "it is written twice, and once is enough: other routers should have it once too";
                self.lose_words(line.place, &[option, text], reason);
            } else {
                self.address(option, need, &line);
            }
        }
    }

    /// Whether the address of a line is that of one before it.
    fn stands_before(&self, block: &Statement<'_>, line: &Statement<'_>) -> bool {
        let bare =
            |line: &Statement<'_>| value::address_with_prefix(line.word(0)).ok().map(|(address, _)| address);
        let mut before = self.block(block).take_while(|other| other.end != line.end);
        before.any(|other| bare(&other).is_some() && bare(&other) == bare(line))
    }

    /// An address and the words behind it, as far as they have counterparts.
    fn address(&mut self, option: &[u8], need: Need, line: &Statement<'_>) {
        let mut written = heapless::Vec::<&[u8], 8>::new();
        let mut words = line.words();
        let Some(address) = words.next() else { return };
        let _ = written.push(address);
        while let Some(word) = words.next() {
            if words::has(ATTRIBUTES_CARRIED, word) {
                let _ = written.push(word);
                let _ = written.push(words.next().unwrap_or(&[]));
            } else if words::has(ATTRIBUTES_LOST_WITH_WORD, word) {
                let is_broadcast = matches!(word, b"brd" | b"broadcast");
                let behind = words.next().unwrap_or(&[]);
                let reason = if is_broadcast {
                    "a virtual address has no broadcast address"
                } else {
                    "not in this release of vipd"
                };
                self.lose_words(line.place, &[address, word, behind], reason);
            } else if words::has(ATTRIBUTES_LOST, word) {
                self.lose_words(line.place, &[address, word], "not in this release of vipd");
            } else {
                self.remark(
                    line.place,
                    &[address, word],
                    "keepalived does not know this word, and ignores it",
                );
            }
        }
        self.draft.list((line.place, need), option, written.iter().copied());
    }

    /// Peers with limits of their TTL are sections.
    fn peer_sections(&mut self, block: &Statement<'_>) {
        let mut number = self.peers;
        for list in self.block(block).filter(|statement| statement.word(0) == b"unicast_peer") {
            for line in self.block(&list).filter(|line| line.len() > 1) {
                number += 1;
                self.peer_section(&line, number);
            }
        }
    }

    fn peer_section(&mut self, line: &Statement<'_>, number: u32) {
        let at = (line.place, Need::Must);
        self.draft.section(line.place, "peer");
        self.draft.option(at, b"name", [PeerName::new(number).text()]);
        self.draft.option(at, b"address", [line.word(0)]);
        let mut words = line.words().skip(1);
        while let Some(word) = words.next() {
            match word {
                b"min_ttl" | b"max_ttl" => self.draft.option(at, word, [words.next().unwrap_or(&[])]),
                _ => self.remark(line.place, &[word], "keepalived does not know this word, and ignores it"),
            }
        }
        self.finish_as(line, &[b"unicast_peer", line.word(0)]);
    }

    fn peers(&mut self, block: &Statement<'_>) {
        for line in self.block(block) {
            let at = (line.place, Need::Must);
            if line.len() == 1 {
                self.draft.list(at, b"unicast_peer", [line.word(0)]);
            } else {
                self.peers += 1;
                self.draft.list(at, b"unicast_peer", [PeerName::new(self.peers).text()]);
            }
        }
    }
}

/// What a section of a peer is called.
struct PeerName {
    text: [u8; 9],
}

impl PeerName {
    fn new(number: u32) -> Self {
        let mut text = *b"peer00000";
        let mut rest = number;
        for digit in text.iter_mut().skip(4).rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Self { text }
    }

    const fn text(&self) -> &[u8] {
        &self.text
    }
}
