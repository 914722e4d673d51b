//! `notify` of what is tracked.

use super::reader::{Reader, Value};
use super::uci::Section;
use super::{TrackHook, Tracked};
use crate::limits;

impl<'d> Reader<'d, '_> {
    /// The script of a section, without keeping it.
    pub(super) fn defined_hook(&mut self, section: Section<'d>) -> Option<Value<'d>> {
        self.script_path(section, "notify")
    }

    /// The hook of a section that something tracks, entered into the configuration if it is new there. Two sections can
    /// be one link, and have a hook each.
    pub(super) fn enter_hook(&mut self, section: Section<'d>, what: Tracked) {
        if cfg!(feature = "track-hooks") {
            self.enter_new_hook(section, what);
        }
    }

    #[inline(never)]
    fn enter_new_hook(&mut self, section: Section<'d>, what: Tracked) {
        if self.hook_sections.contains(&section.index()) {
            return;
        }
        let Some(path) = self.silently(|reader| reader.defined_hook(section)) else { return };
        let name = self.section_name(section);
        let notify = self.keep(path.line, path.text);
        let hook = TrackHook { name, notify, what, is_script: section.is("vrrp_script"), only: None };
        if self.config.track_hooks.push(hook).is_err() || self.hook_sections.push(section.index()).is_err() {
            self.full(path.line, "VIPD_TRACK_HOOKS", limits::TRACK_HOOKS_MAX);
        }
    }
}
