//! `vipd import`: the files of another daemon's configuration, and what is said about them.

use core::ffi::CStr;
use core::fmt::Write as _;

use heapless::Vec;

use super::{Command, Exit, MEMORY, complain_with};
use crate::import::source::{self, NAME_BYTES_MAX};
use crate::import::{Importer, Library, Missing, Name, pattern};
use crate::linux::memory::Once;
use crate::linux::output::Output;
use crate::linux::{Errno, Error, file, folder};

static IMPORTER: Once<Importer> = Once::new(Importer::new());

/// UCI on standard output; on standard error, whatever has no counterpart.
#[inline(never)]
pub(super) fn import(command: &Command<'_>) -> Exit {
    let (Some(importer), Some(memory)) = (IMPORTER.take(), MEMORY.take()) else { return Exit::Refused };
    let scratch = memory.for_check();
    let system = file::System::ask();
    let host = system.host_name();
    let id = command.instance.unwrap_or_else(|| host.split_once('.').map_or(host, |(name, _)| name));
    let mut err = Output::stderr();
    let left = importer.import(
        command.config.to_bytes(),
        id.as_bytes(),
        &mut Disk,
        (&mut scratch.document, &mut scratch.config),
        &mut |notice| {
            err.put(notice.file);
            if notice.line > 0 {
                err.text(":");
                err.number(notice.line);
            }
            err.text(if notice.is_loss { ": " } else { ": note: " });
            // There is nowhere else to say it.
            let _ = writeln!(err, "{notice}");
        },
    );
    let _ = err.finish();
    let Some(left) = left else { return Exit::Wrong };
    let mut out = Output::stdout();
    out.put(importer.text());
    if out.finish().is_err() {
        return Exit::Refused;
    }
    if left == 0 {
        return Exit::Done;
    }
    complain_with(&["what has no counterpart, or was left out: "], left);
    Exit::Wrong
}

/// The files of this machine.
struct Disk;

/// A path, with the zero byte that the system wants.
type Path = Vec<u8, { NAME_BYTES_MAX + 1 }>;

const TOO_LONG: Missing = Missing::Unreadable("its path is too long");

impl Library for Disk {
    fn open(
        &mut self,
        base: &[u8],
        pattern: &[u8],
        after: &[u8],
        name: &mut Name,
        buffer: &mut [u8],
    ) -> Result<usize, Missing> {
        let mut path = Path::new();
        if !base.is_empty() && !pattern.starts_with(b"/") {
            path.extend_from_slice(source::folder(base)).map_err(|_| TOO_LONG)?;
            path.push(b'/').map_err(|_| TOO_LONG)?;
        }
        path.extend_from_slice(pattern).map_err(|_| TOO_LONG)?;
        if !base.is_empty() && pattern::has_wildcard(pattern) {
            choose(&mut path, after)?;
        } else if !after.is_empty() {
            return Err(Missing::End);
        }
        name.clear();
        name.extend_from_slice(&path).map_err(|_| TOO_LONG)?;
        file::read(terminated(&mut path)?, buffer).map_err(|error| why(&error))
    }
}

/// Puts the first name in the place of a pattern that is behind another one in order.
fn choose(path: &mut Path, after: &[u8]) -> Result<(), Missing> {
    let pattern = Path::from_slice(last_part(path)).map_err(|_| TOO_LONG)?;
    let mut place = Path::from_slice(source::folder(path)).map_err(|_| TOO_LONG)?;
    if pattern::has_wildcard(&place) {
        return Err(Missing::Unreadable("a wildcard can stand in the last part of a path only"));
    }
    let after = last_part(after);
    let mut least = Path::new();
    let folder = terminated(&mut place)?;
    let read = folder::names(folder, &mut |name| {
        let is_next = name > after && (least.is_empty() || name < least.as_slice());
        if is_next && pattern::matches(&pattern, name) {
            least.clear();
            // A name in a folder has 255 bytes at the most.
            let _ = least.extend_from_slice(name);
        }
    });
    read.map_err(|error| why(&error))?;
    if least.is_empty() {
        return Err(Missing::End);
    }
    path.truncate(path.len() - pattern.len());
    path.extend_from_slice(&least).map_err(|_| TOO_LONG)
}

/// What stands behind the last slash.
fn last_part(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

fn terminated(path: &mut Path) -> Result<&CStr, Missing> {
    path.push(0).map_err(|_| TOO_LONG)?;
    CStr::from_bytes_until_nul(path).map_err(|_| TOO_LONG)
}

fn why(error: &Error) -> Missing {
    match error.errno {
        Errno::ENOENT => Missing::End,
        Errno::EFBIG => Missing::TooLong,
        errno => Missing::Unreadable(errno.words().unwrap_or("it cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn files_are_found_by_name_and_by_pattern_beside_the_one_that_includes_them() {
        let folder = std::env::temp_dir().join(std::format!("vipd-import-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("d")).unwrap();
        for name in ["k.conf", "d/b.conf", "d/a.conf", "d/.c.conf", "d/d.txt"] {
            std::fs::write(folder.join(name), name).unwrap();
        }
        let main = String::from(folder.join("k.conf").to_str().unwrap());
        let open = |base: &str, pattern: &str, after: &str| {
            let (mut name, mut buffer) = (Name::new(), [0; 16]);
            let len =
                Disk.open(base.as_bytes(), pattern.as_bytes(), after.as_bytes(), &mut name, &mut buffer)?;
            assert!(
                core::str::from_utf8(&name).unwrap().ends_with(core::str::from_utf8(&buffer[..len]).unwrap())
            );
            Ok(String::from(core::str::from_utf8(&name).unwrap()))
        };
        let path = |name: &str| Ok(String::from(folder.join(name).to_str().unwrap()));
        assert_eq!(open("", &main, ""), path("k.conf"));
        assert_eq!(open(&main, "k.conf", ""), path("k.conf"));
        assert_eq!(open(&main, "k.conf", &main), Err(Missing::End), "a name is one file");
        assert_eq!(open(&main, "d/*.conf", ""), path("d/a.conf"));
        assert_eq!(open(&main, "d/*.conf", &path("d/a.conf").unwrap()), path("d/b.conf"));
        assert_eq!(open(&main, "d/*.conf", &path("d/b.conf").unwrap()), Err(Missing::End));
        assert_eq!(open(&main, "x/*", ""), Err(Missing::End));
        assert_eq!(open("", "/dev/zero", ""), Err(Missing::TooLong));
        assert!(matches!(open(&main, "?/a.conf", ""), Err(Missing::Unreadable(_))));
        assert!(matches!(open(&main, "d", ""), Err(Missing::Unreadable(_))));
        assert!(matches!(open(&main, &"x".repeat(300), ""), Err(Missing::Unreadable(_))));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
