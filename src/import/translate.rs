//! Statements to sections: first what others refer to, then the instances, then what refers to them.

use super::block::Block;
use super::draft::{Draft, Judge, Need, file_name};
use super::notice::{Place, Reporter};
use super::source::Name;
use super::statements::{Act, Statement, Statements};
use super::words::{self, Fate};
use crate::config::Config;
use crate::config::uci::Document;
use crate::config::value;

/// Words that stand for themselves: whatever is behind one, it is on.
const FLAGS: &str = "nopreempt accept no_accept native_ipv6 dont_track_primary vmac_xmit_base passive";

/// Words that begin a block outside all others and are translated.
const TRANSLATED: &str = "global_defs vrrp_script track_file vrrp_track_file vrrp_instance vrrp_sync_group \
                          interface_up_down_delays bfd_instance virtual_server virtual_server_group";

/// What a translation works with.
pub(super) struct Translation<'t, 'r, 'f> {
    pub(super) all: &'t Statements,
    pub(super) draft: &'t mut Draft,
    pub(super) reporter: &'t mut Reporter<'r, 'f>,
    pub(super) names: &'t [Name],
    pub(super) document: &'t mut Document,
    pub(super) config: &'t mut Config,
    /// Sections of peers that have been written.
    pub(super) peers: u32,
    /// Sections of URLs that have been written.
    pub(super) urls: u32,
    /// What is being written was written before, and all was said of it.
    pub(super) is_silent: bool,
}

impl<'t> Translation<'t, '_, '_> {
    pub(super) fn run(&mut self) {
        self.globals();
        for statement in self.outermost() {
            match statement.word(0) {
                b"vrrp_script" => self.script(&statement),
                b"track_file" | b"vrrp_track_file" => self.file(&statement),
                b"bfd_instance" => self.bfd(&statement),
                _ => {}
            }
        }
        for statement in self.outermost() {
            if statement.word(0) == b"vrrp_instance" {
                self.instance(&statement);
            }
        }
        for statement in self.outermost() {
            match statement.word(0) {
                b"vrrp_sync_group" => self.group(&statement),
                b"interface_up_down_delays" => self.delays(&statement),
                _ => {}
            }
        }
        self.virtual_servers();
        for statement in self.outermost() {
            let word = statement.word(0);
            if words::has(TRANSLATED, word) {
                continue;
            }
            match words::outermost(word) {
                Fate::Carried | Fate::Needless => {}
                Fate::Lost(reason) => self.lose(&statement, reason),
            }
        }
    }

    pub(super) const fn outermost(&self) -> Block<'t> {
        Block::outermost(self.all)
    }

    pub(super) fn block(&self, statement: &Statement<'_>) -> Block<'t> {
        Block::of(self.all, statement)
    }

    /// Writes a statement as an option, if there is one of the same name and meaning; says it if not.
    pub(super) fn carry(
        &mut self,
        kind: &'static str,
        carried: &'static str,
        need: Need,
        statement: &Statement<'_>,
    ) {
        let word = statement.word(0);
        match words::fate(kind, carried, word) {
            Fate::Carried => {
                let at = (statement.place, need);
                if words::has(FLAGS, word) || statement.len() == 1 {
                    self.draft.option(at, word, [&b"1"[..]]);
                } else {
                    self.draft.option(at, word, statement.words().skip(1));
                }
            }
            Fate::Needless => {}
            Fate::Lost(reason) => {
                if statement.act == Act::Open || value::flag(statement.word(1)) != Some(false) {
                    self.lose(statement, reason);
                }
            }
        }
    }

    /// A statement has no counterpart.
    pub(super) fn lose(&mut self, statement: &Statement<'_>, reason: &str) {
        self.lose_words(statement.place, &[statement.word(0)], reason);
    }

    /// Something of a statement has no counterpart.
    pub(super) fn lose_words(&mut self, place: Place, words: &[&[u8]], reason: &str) {
        if !self.is_silent {
            self.reporter.loss(file_name(self.names, place), place.line, words, reason);
        }
    }

    /// A statement is taken in another way than it is written, as keepalived takes it.
    pub(super) fn remark(&mut self, place: Place, words: &[&[u8]], reason: &str) {
        if !self.is_silent {
            self.reporter.remark(file_name(self.names, place), place.line, words, reason);
        }
    }

    /// Puts the section that was written to the test.
    pub(super) fn finish(&mut self, statement: &Statement<'_>) {
        self.finish_as(statement, &[statement.word(0), statement.word(1)]);
    }

    /// The same for one that is called by other words.
    pub(super) fn finish_as(&mut self, statement: &Statement<'_>, words: &[&[u8]]) {
        self.finish_at(statement.place, words);
    }

    /// The same for one that stands there.
    pub(super) fn finish_at(&mut self, place: Place, words: &[&[u8]]) {
        let mut judge = Judge {
            document: &mut *self.document,
            config: &mut *self.config,
            names: self.names,
            reporter: &mut *self.reporter,
        };
        self.draft.finish(place, words, &mut judge);
    }
}
