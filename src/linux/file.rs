//! Files, and what the system says about itself.

use core::ffi::{CStr, c_char};

use super::call::{self, Descriptor, call3, pointer_mut};
use super::{Errno, Error};
use crate::wire::IfIndex;

/// Reads a whole file into `buffer` and returns its length in bytes.
///
/// # Errors
/// That of the call; EFBIG if it is longer than `buffer`.
pub fn read(path: &CStr, buffer: &mut [u8]) -> Result<usize, Error> {
    let fail = |errno| Error { call: "reading the file", errno };
    let file = call::open(path, 0).map_err(fail)?;
    let mut len = 0;
    loop {
        // A full buffer is read into once more: only the end of the file tells that it fitted.
        let mut beyond = [0; 1];
        let full = len >= buffer.len();
        let room = if full { &mut beyond } else { buffer.get_mut(len..).unwrap_or(&mut []) };
        match call::read(&file, room).map_err(fail)? {
            0 => return Ok(len),
            _ if full => return Err(fail(Errno::EFBIG)),
            count => len += count,
        }
    }
}

/// Reads the beginning of a file into `buffer`, as much as there is at once, and returns its length in bytes. Whatever
/// the path leads to, it does not wait.
///
/// # Errors
/// That of the call.
pub fn peek(path: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    call::read(&call::open(path, libc::O_NONBLOCK)?, buffer)
}

/// Whether there is a network device of this number; any socket can ask.
pub(super) fn has_interface(socket: &Descriptor, interface: IfIndex) -> bool {
    // Whatever else goes wrong, it may be there.
    ask_name(socket, interface).err() != Some(Errno::ENODEV)
}

/// The name of the network device of this number; empty: there is none.
#[cfg(feature = "watch")]
pub(super) fn interface_name(
    socket: &Descriptor,
    interface: IfIndex,
) -> heapless::String<{ crate::limits::INTERFACE_NAME_BYTES_MAX }> {
    let request = ask_name(socket, interface);
    request.map(|request| crate::status::cut(text(&request.ifr_name))).unwrap_or_default()
}

fn ask_name(socket: &Descriptor, interface: IfIndex) -> Result<libc::ifreq, Errno> {
    // SAFETY: ifreq is an aggregate of integers and a union of such, so all zeros is one.
    let mut request: libc::ifreq = unsafe { core::mem::zeroed() };
    request.ifr_ifru.ifru_ifindex = interface.0 as _;
    // SAFETY: the kernel writes a name to the live request given.
    unsafe {
        call3(libc::SYS_ioctl, socket.number(), libc::SIOCGIFNAME as usize, pointer_mut(&mut request))
    }?;
    Ok(request)
}

/// What the kernel says of itself and of the host.
pub struct System(libc::utsname);

impl System {
    /// Asks the kernel.
    #[must_use]
    pub fn ask() -> Self {
        // SAFETY: all zeros is a valid utsname, an aggregate of byte arrays.
        let mut names: libc::utsname = unsafe { core::mem::zeroed() };
        // SAFETY: the kernel writes one utsname to the live one given, which is all that could go wrong.
        let _ = unsafe { call3(libc::SYS_uname, pointer_mut(&mut names), 0, 0) };
        Self(names)
    }

    /// The host's name; empty if it is none that can be read.
    #[must_use]
    pub fn host_name(&self) -> &str {
        text(&self.0.nodename)
    }

    /// Whether the kernel keeps the mark on addresses (`IFA_PROTO`): Linux 5.18 and later.
    #[must_use]
    pub fn keeps_address_marks(&self) -> bool {
        release(text(&self.0.release)) >= (5, 18)
    }
}

/// What stands in a field that ends with a zero.
fn text<const N: usize>(field: &[c_char; N]) -> &str {
    // SAFETY: a byte is a byte, signed or not.
    let bytes: &[u8; N] = unsafe { &*core::ptr::from_ref(field).cast() };
    CStr::from_bytes_until_nul(bytes).ok().and_then(|text| text.to_str().ok()).unwrap_or("")
}

/// The first two numbers of `5.18.0-rc1`; what is missing is zero.
fn release(text: &str) -> (u32, u32) {
    let (mut major, mut number) = (None, 0u32);
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => number = number.wrapping_mul(10).wrapping_add(u32::from(byte - b'0')),
            b'.' if major.is_none() => major = Some(core::mem::take(&mut number)),
            _ => break,
        }
    }
    major.map_or((number, 0), |major| (major, number))
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
        let of = |text: &str| release(text);
        assert_eq!(of("5.18.0"), (5, 18));
        assert_eq!(of("6.6.73-openwrt"), (6, 6));
        assert_eq!(of("5.4"), (5, 4));
        assert_eq!(of("6-rc1"), (6, 0));
        assert_eq!(of(""), (0, 0));
        assert!(of("5.4.1") < (5, 18) && of("5.18-rc1") >= (5, 18));
    }

    /// A seccomp filter once refused the question, and every group was left.
    #[test]
    fn a_device_is_gone_only_if_the_kernel_says_so() {
        let socket = super::super::socket::open(libc::AF_INET, libc::SOCK_DGRAM, 0).unwrap();
        let (loopback, nowhere) = (IfIndex(1), IfIndex(0x7fff_fff0));
        assert!(has_interface(&socket, loopback));
        assert!(!has_interface(&socket, nowhere));
        let deaf = call::open(c"/dev/null", 0).unwrap();
        assert!(has_interface(&deaf, nowhere), "ENOTTY says nothing about it");
    }

    #[test]
    fn the_host_has_a_name() {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(System::ask().host_name(), name.trim_end());
    }
}
