//! Files, and what the system says about itself.

use core::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{Errno, Error};

/// Reads a whole file into `buffer` and returns its length in bytes.
///
/// # Errors
/// That of the call; EFBIG if it is longer than `buffer`.
pub fn read(path: &CStr, buffer: &mut [u8]) -> Result<usize, Error> {
    const CALL: &str = "reading the file";
    // SAFETY: the path ends with a zero byte; the kernel only reads it.
    let descriptor = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if descriptor < 0 {
        return Err(Error::last(CALL));
    }
    // SAFETY: the kernel has just given out this descriptor, and nobody else has it.
    let file = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let mut len = 0;
    loop {
        // A full buffer is read into once more: only the end of the file tells that it fitted.
        let mut beyond = [0; 1];
        let full = len >= buffer.len();
        let room = if full { &mut beyond } else { buffer.get_mut(len..).unwrap_or(&mut []) };
        match read_some(&file, room).map_err(Error::of(CALL))? {
            0 => return Ok(len),
            _ if full => return Err(Error::of(CALL)(Errno::EFBIG)),
            count => len += count,
        }
    }
}

/// Bytes of the longest host name, with its final zero (utsname).
pub const HOST_NAME_BYTES: usize = 65;

/// The host's name, in `buffer`; empty if it is none that can be read.
pub fn hostname(buffer: &mut [u8; HOST_NAME_BYTES]) -> &str {
    // SAFETY: the pointer and the length are those of a live buffer.
    let result = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len()) };
    if result < 0 {
        return "";
    }
    let name = CStr::from_bytes_until_nul(buffer);
    name.ok().and_then(|name| name.to_str().ok()).unwrap_or("")
}

/// Whether there is a network device of this number.
#[must_use]
pub fn has_interface(interface: crate::wire::IfIndex) -> bool {
    let mut name = [0; libc::IF_NAMESIZE];
    // SAFETY: the buffer has the size that the call asks for.
    !unsafe { libc::if_indextoname(interface.0, name.as_mut_ptr()) }.is_null()
}

/// Whether the kernel keeps the mark on addresses (`IFA_PROTO`): Linux 5.18 and later.
#[must_use]
pub fn keeps_address_marks() -> bool {
    // SAFETY: all zeros is a valid utsname, an aggregate of byte arrays.
    let mut names: libc::utsname = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel writes one utsname to the live one given.
    if unsafe { libc::uname(&raw mut names) } < 0 {
        return false;
    }
    release(names.release.iter().map(|character| u8::from_ne_bytes(character.to_ne_bytes()))) >= (5, 18)
}

/// The first two numbers of `5.18.0-rc1`; what is missing is zero.
fn release(characters: impl Iterator<Item = u8>) -> (u32, u32) {
    let mut numbers = [0u32; 2];
    let mut characters = characters.peekable();
    for number in &mut numbers {
        while let Some(digit) = characters.next_if(u8::is_ascii_digit) {
            *number = number.wrapping_mul(10).wrapping_add(u32::from(digit.wrapping_sub(b'0')));
        }
        if characters.next() != Some(b'.') {
            break;
        }
    }
    let [major, minor] = numbers;
    (major, minor)
}

/// Up to `buffer.len()` bytes; 0 at the end.
fn read_some(file: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        // SAFETY: the pointer and the length are those of a live buffer.
        let count = unsafe { libc::read(file.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        match usize::try_from(count) {
            Ok(count) => return Ok(count),
            Err(_) if Errno::last() == Errno::EINTR => {}
            Err(_) => return Err(Errno::last()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let path = std::env::temp_dir().join(std::format!("vipd-file-{}", std::process::id()));
        std::fs::write(&path, b"12345678").unwrap();
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(read(&name, &mut buffer), Ok(8));
        assert_eq!(&buffer[..8], b"12345678");
        assert_eq!(read(&name, &mut buffer[..8]), Ok(8));
        let too_long = read(&name, &mut buffer[..7]).unwrap_err();
        assert_eq!(too_long.errno, Errno::EFBIG);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&name, &mut buffer).unwrap_err().errno, Errno::ENOENT);
    }

    #[test]
    fn a_directory_is_no_file() {
        let error = read(c"/", &mut [0; 4]).unwrap_err();
        assert_eq!(error.errno, Errno::EISDIR);
    }

    #[test]
    fn releases_are_compared_by_number() {
        let of = |text: &str| release(text.bytes());
        assert_eq!(of("5.18.0"), (5, 18));
        assert_eq!(of("6.6.73-openwrt"), (6, 6));
        assert_eq!(of("5.4"), (5, 4));
        assert_eq!(of("6-rc1"), (6, 0));
        assert_eq!(of(""), (0, 0));
        assert!(of("5.4.1") < (5, 18) && of("5.18-rc1") >= (5, 18));
    }

    #[test]
    fn the_host_has_a_name() {
        let mut buffer = [0; HOST_NAME_BYTES];
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(hostname(&mut buffer), name.trim_end());
    }
}
