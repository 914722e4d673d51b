//! `config vrrp_sync_group`.

use static_assertions::const_assert;

use super::instance::has_peer;
use super::reader::{Reader, Value, words_of};
use super::uci::Section;
use super::{Group, GroupId};
use crate::limits;

const_assert!(limits::GROUPS_MAX <= u8::MAX as usize); // A `GroupId` is 8-bit.

impl<'d> Reader<'d, '_> {
    pub(super) fn read_groups(&mut self) {
        for section in self.document.sections() {
            if section.is("vrrp_sync_group") {
                self.read_group(section);
            }
        }
    }

    /// A group of which no instance is enabled is checked, and left out.
    fn read_group(&mut self, section: Section<'d>) {
        let id = GroupId(self.config.groups.len() as u8);
        let mut priority = None;
        let mut has_words = false;
        let notify = self.path(section, "notify");
        let tracks = self.tracks(section);
        for word in words_of(section, "group") {
            has_words = true;
            let Some(index) = self.member(word) else { continue };
            let Some(instance) = self.config.instances.get_mut(index) else { continue };
            let prior = instance.group.replace(id);
            let differs = *priority.get_or_insert(instance.priority) != instance.priority;
            if let Some(prior) = prior {
                self.second_group(section, word, prior);
            }
            if differs {
                self.idle(
                    &word,
                    &"instance %A has another priority than the first of its group: they could have different \
                     winners, so write the same",
                );
            }
        }
        if !has_words {
            self.missing(section, "group");
        }
        if priority.is_none() {
            return;
        }
        self.warn_of_mutual_fault(section, tracks, &|config, address| {
            let mut members = config.instances.iter().filter(|instance| instance.group == Some(id));
            members.any(|member| has_peer(config, [&member.v4, &member.v6], address))
        });
        let name = self.section_name(section);
        let is_entered = self.config.groups.push(Group { name, notify, tracks }).is_ok()
            && self.group_lines.push(section.line()).is_ok();
        if !is_entered {
            self.full(section.line(), "VIPD_GROUPS", limits::GROUPS_MAX);
        }
    }

    /// The index of the enabled instance that is called so.
    fn member(&mut self, word: Value<'d>) -> Option<usize> {
        let Some(section) = self.resolve("vrrp_instance", word.text) else {
            self.wrong(&word, &"group member %A is no vrrp_instance: write the name of one");
            return None;
        };
        self.instance_sections.iter().position(|index| *index == section.index())
    }

    fn second_group(&mut self, section: Section<'d>, word: Value<'d>, prior: GroupId) {
        let line = self.group_lines.get(usize::from(prior.0)).copied();
        self.error_with(
            word.line,
            "instance %A is in the group of line %m already: remove it from one of them",
            &[word.text],
            [line.unwrap_or(section.line()) as i32, 0],
        );
    }
}
