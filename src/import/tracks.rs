//! `track_interface`, `track_script`, `track_file` and `track_bfd` blocks.

use super::draft::Need;
use super::statements::Statement;
use super::translate::Translation;
use super::words::{self, Fate};

/// Words of a tracked thing: its name, and `weight N reverse` at the most.
const WORDS_MAX: usize = 4;

impl Translation<'_, '_, '_> {
    /// Writes what a block lists. keepalived lets no weight count in a sync group, unless the group says so: links
    /// lose it, and other things are not tracked at all.
    pub(super) fn track(&mut self, kind: &'static str, block: &Statement<'_>, ignores_weights: bool) {
        let option = block.word(0);
        if let Fate::Lost(reason) = words::standing(kind, option) {
            self.lose(block, reason);
            return;
        }
        for tracked in self.block(block) {
            let at = (tracked.place, Need::Wish);
            let name = tracked.word(0);
            let weight = self.weight_of(option, &tracked);
            if ignores_weights && weight != b"0" {
                if option == b"track_interface" {
                    self.remark(
                        tracked.place,
                        &[option, name],
                        "keepalived ignores a weight in a sync group",
                    );
                    self.draft.list(at, option, [name]);
                } else {
                    self.remark(
                        tracked.place,
                        &[option, name],
                        "keepalived ignores what has a weight in a sync group: it is left out",
                    );
                }
                continue;
            }
            if option == b"track_bfd" && self.is_for_checkers(name) {
                self.remark(
                    tracked.place,
                    &[option, name],
                    "keepalived knows no session here that is for checkers alone: it is left out",
                );
                continue;
            }
            let words = tracked.words().map(|word| if word == b"no_reverse" { b"noreverse" } else { word });
            self.draft.list(at, option, words.take(WORDS_MAX));
        }
    }

    /// The weight that counts: that of the tracker, else that of what is tracked.
    fn weight_of<'a>(&'a self, option: &[u8], tracked: &Statement<'a>) -> &'a [u8] {
        if tracked.word(1) == b"weight" {
            return tracked.word(2);
        }
        let (kinds, default): (&[&[u8]], &[u8]) = match option {
            b"track_script" => (&[b"vrrp_script"], b"0"),
            b"track_file" => (&[b"track_file", b"vrrp_track_file"], b"1"),
            b"track_bfd" => (&[b"bfd_instance"], b"0"),
            _ => (&[], b"0"),
        };
        let is_it =
            |block: &Statement<'_>| kinds.contains(&block.word(0)) && block.word(1) == tracked.word(0);
        let definition = self.outermost().find(is_it);
        let weight = definition.and_then(|block| self.block(&block).last(b"weight"));
        weight.map_or(default, |statement| statement.word(1))
    }
}
