//! `global_defs`, and what it says for all instances.

use super::draft::Need;
use super::statements::Statement;
use super::translate::Translation;
use super::words;

/// Words that mean the same in both.
const CARRIED: &str = "router_id vrrp_version vrrp_startup_delay vrrp_mcast_group4 vrrp_mcast_group6";

/// Words for all instances that do not say it themselves, each behind what an instance calls it.
pub(super) const FOR_INSTANCES: [(&[u8], &[u8]); 5] = [
    (b"garp_master_delay", b"vrrp_garp_master_delay"),
    (b"garp_master_repeat", b"vrrp_garp_master_repeat"),
    (b"garp_master_refresh", b"vrrp_garp_master_refresh"),
    (b"garp_master_refresh_repeat", b"vrrp_garp_master_refresh_repeat"),
    (b"garp_interval", b"vrrp_garp_interval"),
];

/// One announcement instead of two bursts.
pub(super) const FEW_ANNOUNCEMENTS: &[u8] = b"vrrp_min_garp";

impl<'t> Translation<'t, '_, '_> {
    /// All blocks of globals make one section.
    pub(super) fn globals(&mut self) {
        let Some(first) = self.outermost().find(|statement| statement.word(0) == b"global_defs") else {
            return;
        };
        self.draft.section(first.place, "globals");
        let mut is_empty = true;
        for block in self.outermost().filter(|statement| statement.word(0) == b"global_defs") {
            for statement in self.block(&block) {
                let word = statement.word(0);
                let is_for_instances = FOR_INSTANCES.iter().any(|(_, global)| *global == word);
                if word == b"lvs_timeouts" {
                    is_empty &= !self.ipvs_timeouts(&statement);
                    continue;
                }
                if word == b"lvs_sync_daemon" {
                    self.orphaned_daemon(&statement);
                    continue;
                }
                let is_root = word == b"script_user" && statement.word(1) == b"root";
                if is_for_instances || is_root || word == FEW_ANNOUNCEMENTS {
                    continue;
                }
                is_empty &= !words::has(CARRIED, word);
                // Where adverts go must not change in passing.
                let need = if word.starts_with(b"vrrp_mcast") { Need::Must } else { Need::Wish };
                self.carry("globals", CARRIED, need, &statement);
            }
        }
        if is_empty {
            self.draft.forget();
        } else {
            self.finish(&first);
        }
    }

    /// `lvs_timeouts tcp N tcpfin N udp N`: whether any is carried over.
    fn ipvs_timeouts(&mut self, statement: &Statement<'_>) -> bool {
        if !words::is_built("virtual_server") {
            self.lose(statement, "not in this build of vipd");
            return false;
        }
        let mut is_carried = false;
        let mut rest = statement.words().skip(1);
        while let Some(word) = rest.next() {
            let option: &[u8] = match word {
                b"tcp" => b"lvs_timeout_tcp",
                b"tcpfin" => b"lvs_timeout_tcpfin",
                b"udp" => b"lvs_timeout_udp",
                _ => {
                    let words = [statement.word(0), word];
                    self.remark(
                        statement.place,
                        &words,
                        "keepalived does not know this word, and ignores it",
                    );
                    continue;
                }
            };
            self.draft.option((statement.place, Need::Wish), option, [rest.next().unwrap_or(&[])]);
            is_carried = true;
        }
        is_carried
    }

    /// Says it if a daemon that synchronises connections goes with no instance.
    fn orphaned_daemon(&mut self, statement: &Statement<'_>) {
        let name = instance_of_daemon(statement);
        let mut instances = self.outermost().filter(|block| block.word(0) == b"vrrp_instance");
        if !instances.any(|instance| instance.word(1) == name) {
            let reason = "it goes with an instance in vipd: write option lvs_sync_daemon_interface there";
            self.lose(statement, reason);
        }
    }

    /// `lvs_sync_daemon INTERFACE [inst] NAME ...` in the section of the instance.
    pub(super) fn sync_daemon(&mut self, block: &Statement<'_>) {
        const OPTION: &[u8] = b"lvs_sync_daemon_interface";
        let Some(statement) = self.global(b"lvs_sync_daemon") else { return };
        if instance_of_daemon(&statement) != block.word(1) || self.block(block).has(OPTION) {
            return;
        }
        self.draft.option((statement.place, Need::Wish), OPTION, [statement.word(1)]);
        let number = self.block(block).last(b"virtual_router_id").map_or(&[][..], |number| number.word(1));
        let mut rest = statement.words().skip(2);
        while let Some(word) = rest.next() {
            let reason = match word {
                b"id" => "the daemon has the number of the virtual router",
                b"maxlen" | b"port" | b"ttl" | b"group" => "the daemon has what the kernel has for it",
                b"inst" => {
                    rest.next();
                    continue;
                }
                _ => continue,
            };
            let text = rest.next().unwrap_or(&[]);
            if word != b"id" || text != number {
                self.lose_words(statement.place, &[statement.word(0), word, text], reason);
            }
        }
    }

    /// What the globals say with this word.
    pub(super) fn global(&self, word: &[u8]) -> Option<Statement<'t>> {
        let blocks = self.outermost().filter(|statement| statement.word(0) == b"global_defs");
        blocks.filter_map(|block| self.block(&block).last(word)).last()
    }
}

/// The instance that a daemon goes with; empty: none.
fn instance_of_daemon<'s>(statement: &Statement<'s>) -> &'s [u8] {
    match statement.word(2) {
        b"inst" => statement.word(3),
        b"id" | b"maxlen" | b"port" | b"ttl" | b"group" => &[],
        name => name,
    }
}
