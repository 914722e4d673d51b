//! The tracked files: read when the kernel says that something in their folder has changed.

use core::ffi::CStr;
use core::time::Duration;

use heapless::Vec;

use super::hands::Hands;
use crate::config::{FileId, number_in};
use crate::limits::PATH_BYTES_MAX;
use crate::linux::poll::Waiting;
use crate::linux::watch::Watch;
use crate::linux::{clock, file};
use crate::router::Event;
use crate::time::Instant;

/// How long until a folder that cannot be watched is tried again, and its file read again.
const AGAIN: Duration = Duration::from_secs(1);

/// Bytes of a file that matter: a number.
const NUMBER_BYTES_MAX: usize = 24;

pub(super) struct Files {
    pub(super) watch: Option<Watch>,
    /// There is or was a folder to watch: a descriptor that nothing comes to costs every wait as much as any other.
    pub(super) is_watching: bool,
    /// When to look again at what cannot be watched.
    pub(super) again_at: Option<Instant>,
}

impl Files {
    /// Where news of folders come.
    pub(super) fn interest(&self) -> Waiting {
        self.watch.as_ref().filter(|_| self.is_watching).map_or(Waiting::NEVER, Waiting::to_read)
    }

    /// There may be news, or it may be time to look again.
    pub(super) fn take(&mut self, hands: &mut Hands<'_>, has_news: bool) {
        let is_news = has_news && self.watch.as_ref().is_some_and(Watch::drain);
        if is_news || self.again_at.is_some_and(|at| at <= clock::now()) {
            self.watch_all(hands);
        }
    }

    /// Watches every folder, those that are watched already among them since one may have been made anew, and reads
    /// every file. First the folder, or what is written in between would be missed.
    pub(super) fn watch_all(&mut self, hands: &mut Hands<'_>) {
        self.again_at = None;
        if !cfg!(feature = "files") {
            return;
        }
        for position in 0..hands.router.config().files.len() {
            let config = hands.router.config();
            let Some(file) = config.files.get(position) else { break };
            let path = config.text(file.path);
            let folder = path.rfind('/').and_then(|slash| path.get(..slash.max(1))).unwrap_or("/");
            self.is_watching = true;
            let is_watched = match (&self.watch, c_string(folder)) {
                (Some(watch), Some(folder)) => with(&folder, |folder| watch.folder(folder).is_ok()),
                (None, _) | (_, None) => false,
            };
            if !is_watched {
                self.again_at = Some(clock::now() + AGAIN);
            }
            let mut text = [0; NUMBER_BYTES_MAX];
            let read = |path: &CStr| file::peek(path, &mut text).unwrap_or(0);
            let len = c_string(path).map_or(0, |path| with(&path, read));
            let number = number_in(text.get(..len).unwrap_or(&[]));
            hands.act(Event::File(FileId(position as u8), number));
        }
    }
}

type CText = Vec<u8, { PATH_BYTES_MAX + 1 }>;

/// The text with a zero behind it.
fn c_string(text: &str) -> Option<CText> {
    let mut bytes = CText::new();
    bytes.extend_from_slice(text.as_bytes()).ok()?;
    bytes.push(0).ok()?;
    Some(bytes)
}

fn with<T: Default>(text: &CText, act: impl FnOnce(&CStr) -> T) -> T {
    CStr::from_bytes_with_nul(text).map_or_else(|_| T::default(), act)
}
