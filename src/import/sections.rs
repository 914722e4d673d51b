//! Scripts, files, groups and delays: the blocks that are sections by themselves.

use super::draft::Need;
use super::statements::Statement;
use super::translate::Translation;

const SCRIPT: &str = "interval timeout rise fall init_fail";

impl Translation<'_, '_, '_> {
    pub(super) fn script(&mut self, block: &Statement<'_>) {
        self.draft.section(block.place, "vrrp_script");
        self.name(block);
        for statement in self.block(block) {
            match statement.word(0) {
                b"script" => self.command("script", Need::Must, &statement),
                b"weight" => self.weight(&statement),
                b"user" if statement.word(1) == b"root" => {}
                b"user" => self.lose(&statement, "scripts run as the user who starts vipd"),
                _ => self.carry("vrrp_script", SCRIPT, Need::Wish, &statement),
            }
        }
        self.finish(block);
    }

    /// keepalived looks in PATH for what is no path; so does env.
    pub(super) fn command(&mut self, option: &str, need: Need, statement: &Statement<'_>) {
        let at = (statement.place, need);
        let word = statement.word(0);
        let command = statement.word(1);
        // What a shell would have to understand, keepalived does not run either.
        if command.first().is_some_and(u8::is_ascii_alphanumeric) {
            self.draft.option(at, option.as_bytes(), [&b"/usr/bin/env"[..], command]);
            self.remark(statement.place, &[word], "/usr/bin/env finds it in PATH, as keepalived does");
        } else {
            self.draft.option(at, option.as_bytes(), [command]);
        }
        if statement.len() > 2 {
            self.remark(statement.place, &[word], "only the first word counts: put arguments in the quotes");
        }
    }

    pub(super) fn file(&mut self, block: &Statement<'_>) {
        self.draft.section(block.place, "track_file");
        self.name(block);
        for statement in self.block(block) {
            match statement.word(0) {
                b"file" => self.draft.option((statement.place, Need::Must), b"file", [statement.word(1)]),
                b"weight" => self.weight(&statement),
                _ => self.carry("track_file", "", Need::Wish, &statement),
            }
        }
        self.finish(block);
    }

    /// Instances that move together.
    pub(super) fn group(&mut self, block: &Statement<'_>) {
        self.draft.section(block.place, "vrrp_sync_group");
        self.name(block);
        for statement in self.block(block) {
            match statement.word(0) {
                b"group" => {
                    for members in self.block(&statement) {
                        for member in members.words() {
                            self.draft.list((members.place, Need::Wish), b"group", [member]);
                        }
                    }
                }
                b"track_interface" | b"track_script" | b"track_file" | b"track_bfd" => {
                    self.track("vrrp_sync_group", &statement, false);
                }
                b"notify" | b"notify_master" | b"notify_backup" | b"notify_fault" | b"notify_stop" => {}
                _ => self.carry("vrrp_sync_group", "smtp_alert", Need::Wish, &statement),
            }
        }
        self.hooks(block);
        self.finish(block);
    }

    /// Each line of the block is a device with its delays; the one for up is the one for down if it is not said.
    pub(super) fn delays(&mut self, block: &Statement<'_>) {
        for statement in self.block(block) {
            let at = (statement.place, Need::Must);
            self.draft.section(statement.place, "interface_up_down_delays");
            self.draft.option(at, b"device", [statement.word(0)]);
            let up = if statement.len() > 2 { statement.word(2) } else { statement.word(1) };
            self.draft.option(at, b"down_delay", [statement.word(1)]);
            self.draft.option(at, b"up_delay", [up]);
            self.finish_as(&statement, &[block.word(0), statement.word(0)]);
        }
    }

    pub(super) fn name(&mut self, block: &Statement<'_>) {
        self.draft.option((block.place, Need::Must), b"name", [block.word(1)]);
    }

    /// `weight N [reverse]`.
    pub(super) fn weight(&mut self, statement: &Statement<'_>) {
        let at = (statement.place, Need::Must);
        self.draft.option(at, b"weight", [statement.word(1)]);
        if statement.word(2) == b"reverse" {
            self.draft.option(at, b"direction", [&b"reverse"[..]]);
        }
    }
}
