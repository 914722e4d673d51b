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

    /// What the globals say with this word.
    pub(super) fn global(&self, word: &[u8]) -> Option<Statement<'t>> {
        let blocks = self.outermost().filter(|statement| statement.word(0) == b"global_defs");
        blocks.filter_map(|block| self.block(&block).last(word)).last()
    }
}
