//! The names in a folder.

use core::ffi::CStr;

use super::call::{self, call3, pointer_mut};
use super::{Errno, Error};

/// Bytes that one system call can bring.
const BUFFER_BYTES: usize = 2048;

/// What stands before a name (`linux_dirent64`): the inode, a cookie, the length of all of it, and a kind.
const HEAD_BYTES: usize = 8 + 8 + 2 + 1;

/// Where the length stands.
const LENGTH_AT: usize = 16;

/// Tells every name in a folder, in no order.
///
/// # Errors
/// That of the call.
pub fn names(folder: &CStr, each: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    let fail = |errno| Error { call: "reading the folder", errno };
    let folder = call::open(folder, libc::O_DIRECTORY).map_err(fail)?;
    let mut buffer = [0u8; BUFFER_BYTES];
    loop {
        // SAFETY: the kernel writes to the live buffer of this length.
        let given =
            unsafe { call3(libc::SYS_getdents64, folder.number(), pointer_mut(&mut buffer), BUFFER_BYTES) };
        let len = given.map_err(fail)?;
        if len == 0 {
            return Ok(());
        }
        let mut rest = buffer.get(..len).unwrap_or(&[]);
        while !rest.is_empty() {
            let (name, behind) = entry(rest).ok_or(fail(Errno::EPROTO))?;
            each(name);
            rest = behind;
        }
    }
}

/// The name of the first entry, and what stands behind it.
fn entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = bytes.get(LENGTH_AT..)?.first_chunk().map(|len| u16::from_ne_bytes(*len))?;
    let (entry, rest) = bytes.split_at_checked(usize::from(len))?;
    let name = CStr::from_bytes_until_nul(entry.get(HEAD_BYTES..)?).ok()?;
    Some((name.to_bytes(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_name_is_told() {
        let folder = std::env::temp_dir().join(std::format!("vipd-folder-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let mut expected: Vec<_> =
            (0..200).map(|number| std::format!("{number}-a-name-of-some-length").into_bytes()).collect();
        for name in &expected {
            std::fs::write(folder.join(core::str::from_utf8(name).unwrap()), b"").unwrap();
        }
        expected.extend([b".".to_vec(), b"..".to_vec()]);
        let path = std::ffi::CString::new(folder.to_str().unwrap()).unwrap();
        let mut told = Vec::new();
        names(&path, &mut |name| told.push(name.to_vec())).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        told.sort();
        expected.sort();
        assert_eq!(told, expected);
        assert_eq!(names(&path, &mut |_| {}).unwrap_err().errno, Errno::ENOENT);
    }
}
