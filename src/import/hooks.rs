//! `notify_master` and its sisters: several scripts there, one script here, which is told what has happened.

use super::notice::Place;
use super::statements::Statement;
use super::translate::Translation;

/// keepalived's words, and what our script finds in ACTION.
const SCRIPTS: [(&[u8], &[u8]); 4] = [
    (b"notify_master", b"NOTIFY_MASTER"),
    (b"notify_backup", b"NOTIFY_BACKUP"),
    (b"notify_fault", b"NOTIFY_FAULT"),
    (b"notify_stop", b"NOTIFY_STOP"),
];

impl Translation<'_, '_, '_> {
    /// Writes a script that does the same into a comment, and says what is to be done with it.
    pub(super) fn hooks(&mut self, block: &Statement<'_>) {
        let all = self.block(block).last(b"notify");
        let has_any = SCRIPTS.iter().any(|(word, _)| self.block(block).has(word));
        if all.is_none() && !has_any {
            return;
        }
        self.say(
            block.place,
            &[b"keepalived ran other scripts. Make this one executable, and name it with option notify:"],
        );
        self.say(block.place, &[b"  #!/bin/sh"]);
        if has_any {
            self.say(block.place, &[b"  case \"$ACTION\" in"]);
            for (word, action) in SCRIPTS {
                if let Some(statement) = self.block(block).last(word) {
                    self.say(statement.place, &[b"  ", action, b") ", statement.word(1), b" ;;"]);
                    self.advise(&statement);
                }
            }
            self.say(block.place, &[b"  esac"]);
        }
        if let Some(statement) = all {
            let arguments = b" \"$TYPE\" \"$NAME\" \"$STATE\" \"$PRIORITY\"";
            self.say(statement.place, &[b"  ", statement.word(1), arguments]);
            self.advise(&statement);
        }
    }

    fn say(&mut self, place: Place, parts: &[&[u8]]) {
        self.draft.comment(place, parts);
    }

    fn advise(&mut self, statement: &Statement<'_>) {
        self.lose(
            statement,
            "vipd runs one script, option notify, with ACTION, TYPE, NAME, STATE and PRIORITY in its environment: \
             the comment in the section has one that calls yours",
        );
        if statement.len() > 2 && statement.word(2) != b"root" {
            self.lose_words(
                statement.place,
                &[statement.word(0), statement.word(2)],
                "scripts run as the user who starts vipd",
            );
        }
    }
}
