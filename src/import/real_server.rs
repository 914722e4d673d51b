//! `real_server`, and which of its checks it keeps.

use super::checker::{self, Check};
use super::draft::{LEFT_OUT, Need, Part};
use super::statements::Statement;
use super::translate::Translation;
use super::virtual_server::{SECONDS, SectionName, Traits, bare, opens};
use super::words;
use crate::config::value;

/// Words that mean the same in both.
const CARRIED: &str = "weight uthreshold lthreshold smtp_alert";

/// Words of a check that count before those of the server.
const ALSO_OF_CHECKS: &str = "retry delay_loop delay_before_retry warmup connect_timeout virtualhost alpha";

impl<'t> Translation<'t, '_, '_> {
    /// Writes the section of a server into the trial. Says its name, and what it is of the trial.
    pub(super) fn real_server(&mut self, block: &Statement<'t>, traits: &Traits<'t>) -> (SectionName, Part) {
        let part = self.draft.part(block.place, "real_server", LEFT_OUT, Part::WHOLE);
        let kind = self.kind(block);
        let its_kind = kind.map_or(traits.kind, |kind| kind.word(1));
        let (port, checked_port) = self.port(traits, its_kind, block);
        let check = self.choose_check(block);
        let check_part = check.map(|check| {
            let part = self.draft.part(check.statement.place, check.kind, checker::LEFT_OUT, part);
            (check, part)
        });
        let urls = check_part.map(|(check, part)| self.urls(&check.statement, part));
        self.draft.go_on(part);
        self.draft.head(block.place, "real_server");
        let at = (block.place, Need::Must);
        let name = self.unique_name(b"rs", &[bare(block.word(1)), block.word(2)], b"real_server");
        self.draft.option(at, b"name", [name.as_slice()]);
        self.draft.option(at, b"ipaddr", [bare(block.word(1))]);
        if !port.is_empty() {
            self.draft.option(at, b"port", [port]);
        }
        if let Some(kind) = kind {
            self.forwarding(&kind);
        }
        for statement in self.block(block) {
            self.server_statement(&statement, check.as_ref(), traits);
        }
        if let Some((check, part)) = check_part {
            self.draft.go_on(part);
            self.check(&check, checked_port, traits, urls.as_deref().unwrap_or(&[]));
        }
        (name, part)
    }

    fn server_statement(
        &mut self,
        statement: &Statement<'t>,
        check: Option<&Check<'t>>,
        traits: &Traits<'t>,
    ) {
        if self.is_cut(statement) {
            return;
        }
        let (word, text) = (statement.word(0), statement.word(1));
        let at = (statement.place, Need::Wish);
        let is_in_check = |word: &[u8]| {
            check.is_some_and(|check| {
                let inner = self.block(&check.statement);
                inner.has(word) || word == b"retry" && inner.has(b"nb_get_retry")
            })
        };
        if words::has(ALSO_OF_CHECKS, word) && is_in_check(word) {
            return;
        }
        match word {
            b"lvs_method" if !matches!(text, b"NAT" | b"DR" | b"TUN") => {
                let reason = "keepalived does not know it: the virtual server's counts";
                self.remark(statement.place, &[word, text], reason);
            }
            b"lvs_method" => {}
            b"notify_up" | b"notify_down" => self.hook(statement),
            b"alpha" => self.switch(statement, traits.is_alpha),
            b"inhibit_on_failure" => self.switch(statement, traits.inhibits),
            b"retry" => self.retry(statement),
            b"virtualhost" => self.draft.option(at, b"virtualhost", [text]),
            _ if words::has(SECONDS, word) => self.seconds(word, statement),
            // Said when the one that stays was chosen.
            _ if words::has(checker::KINDS, word) && opens(statement) => {}
            _ => self.carry("real_server", CARRIED, Need::Wish, statement),
        }
    }

    /// A flag that is on unless it says otherwise, and which the virtual server may have turned on for all.
    pub(super) fn switch(&mut self, statement: &Statement<'_>, is_on_for_all: bool) {
        let is_on = statement.len() == 1 || value::flag(statement.word(1)) != Some(false);
        if is_on && !is_on_for_all {
            self.draft.option((statement.place, Need::Wish), statement.word(0), [&b"1"[..]]);
        } else if is_on_for_all && !is_on {
            let words = [statement.word(0), statement.word(1)];
            self.lose_words(statement.place, &words, "the virtual server turns it on for all of its servers");
        }
    }
}
