//! What the process may do once everything is open: two capabilities, and the system calls that the loop makes.
//!
//! Whoever finds a hole in a parser then holds a process that can speak on the network devices and set addresses,
//! as a master does anyhow, and that can neither start a program nor write a file nor open a port. Scripts are
//! started by another process ([`launcher`](super::launcher)), from before.

use core::ffi::{c_int, c_long};
use core::mem::offset_of;

use super::Error;

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

/// Keeps CAP_NET_ADMIN and CAP_NET_RAW and no other capability, gives up gaining any by starting programs, makes
/// the memory unreadable for other processes of the same user, and lets the kernel refuse (EPERM) every system
/// call but those of the poll loop.
///
/// # Errors
/// EINVAL for "system call filter" where the kernel was built without it: all the rest is done by then.
pub fn drop_all_others() -> Result<(), Error> {
    keep_capabilities()?;
    control(libc::PR_SET_DUMPABLE, 0, "dumpable off")?;
    control(libc::PR_SET_NO_NEW_PRIVS, 1, "no new privileges")?;
    filter()
}

/// Runs ahead of all other processes (SCHED_FIFO, priority 1 of 99), and no page that was once in memory leaves it.
/// What is started from here on does not inherit it.
///
/// # Errors
/// EPERM without CAP_SYS_NICE or CAP_IPC_LOCK, EINVAL where the kernel has no such policy.
pub fn become_realtime() -> Result<(), Error> {
    // The C library's wrapper is not to be had in musl, which refuses what it cannot do for threads.
    let priority: c_int = 1;
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the kernel reads one number, as `sched_param` is one on every Linux.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
    if result < 0 {
        return Err(Error::last("realtime priority"));
    }
    // What was never touched costs nothing: locked is what is used. Kernels before 4.4 lock all of it.
    // SAFETY: it changes no memory.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | MCL_ONFAULT) };
    if result < 0 { Err(Error::last("locking the memory")) } else { Ok(()) }
}

const MCL_ONFAULT: c_int = 4;

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

/// `struct __user_cap_data_struct`: 32 of the 64 capabilities.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityWord {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Those of the two that we have; a jail may have left us less.
fn keep_capabilities() -> Result<(), Error> {
    const CALL: &str = "capabilities";
    const VERSION_3: u32 = 0x2008_0522;
    let header = CapabilityHeader { version: VERSION_3, pid: 0 };
    let mut words = [CapabilityWord::default(); 2];
    // SAFETY: the kernel reads one header and writes two words, as this version says.
    if unsafe { libc::syscall(libc::SYS_capget, &raw const header, words.as_mut_ptr()) } < 0 {
        return Err(Error::last(CALL));
    }
    let [low, high] = &mut words;
    let kept = low.permitted & (1 << CAP_NET_ADMIN | 1 << CAP_NET_RAW);
    *low = CapabilityWord { effective: kept, permitted: kept, inheritable: 0 };
    *high = CapabilityWord::default();
    // SAFETY: the kernel reads one header and two words.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const header, words.as_ptr()) } < 0 {
        return Err(Error::last(CALL));
    }
    Ok(())
}

fn control(option: c_int, value: libc::c_ulong, call: &'static str) -> Result<(), Error> {
    let none: libc::c_ulong = 0;
    // SAFETY: these options take numbers.
    if unsafe { libc::prctl(option, value, none, none, none) } < 0 { Err(Error::last(call)) } else { Ok(()) }
}

/// What the loop calls, and what the C libraries call on its behalf. 32-bit machines have two generations of every
/// call that takes a time: musl tries the newer and falls back.
const ALLOWED: &[c_long] = &[
    libc::SYS_ppoll,
    libc::SYS_clock_gettime,
    libc::SYS_recvmmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_bind,
    libc::SYS_madvise,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_geteuid,
    libc::SYS_uname,
    libc::SYS_ioctl,
    libc::SYS_fcntl,
    libc::SYS_lseek,
    libc::SYS_unlinkat,
    libc::SYS_statx,
    libc::SYS_fstat,
];

/// What this machine has besides.
#[cfg(target_arch = "x86_64")]
const OF_THE_MACHINE: &[c_long] = &[libc::SYS_unlink, libc::SYS_poll, libc::SYS_newfstatat, libc::SYS_lstat];
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const OF_THE_MACHINE: &[c_long] = &[libc::SYS_newfstatat];
#[cfg(any(target_arch = "mips", target_arch = "arm"))]
const OF_THE_MACHINE: &[c_long] = &[
    libc::SYS_unlink,
    libc::SYS_poll,
    libc::SYS__llseek,
    libc::SYS_fcntl64,
    libc::SYS_fstat64,
    libc::SYS_lstat64,
    libc::SYS_fstatat64,
    NEWER + 403, // clock_gettime64
    NEWER + 414, // ppoll_time64
    NEWER + 417, // recvmmsg_time64
];

/// The newer generation has one number on all machines, counted from where each begins.
#[cfg(target_arch = "mips")]
const NEWER: c_long = 4000;
#[cfg(target_arch = "arm")]
const NEWER: c_long = 0;

/// `AUDIT_ARCH_*`: the ELF machine, and whether it is little endian and 64 bits wide.
const ARCHITECTURE: u32 = {
    let machine = if cfg!(target_arch = "x86_64") {
        62
    } else if cfg!(target_arch = "aarch64") {
        183
    } else if cfg!(target_arch = "riscv64") {
        243
    } else if cfg!(target_arch = "arm") {
        40
    } else if cfg!(target_arch = "mips") {
        8
    } else {
        0
    };
    let width = if cfg!(target_pointer_width = "64") { 0x8000_0000 } else { 0 };
    let order = if cfg!(target_endian = "little") { 0x4000_0000 } else { 0 };
    machine | width | order
};

const REFUSED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const GRANTED: u32 = libc::SECCOMP_RET_ALLOW;

/// Where the low half of a call's argument is.
const fn argument(index: usize) -> u32 {
    let low_half = if cfg!(target_endian = "big") { 4 } else { 0 };
    (offset_of!(libc::seccomp_data, args) + index * 8 + low_half) as u32
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const IF_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const fn step(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

/// Files are opened for reading only.
const WRITING: u32 = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) as u32;

/// The old way of opening, which newer machines do not have.
#[cfg(not(any(target_arch = "aarch64", target_arch = "riscv64")))]
const OPEN: c_long = libc::SYS_open;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
const OPEN: c_long = -1;

/// A foreign instruction set is refused; of a call that opens something, the arguments decide.
const HEAD: [libc::sock_filter; 19] = [
    step(LOAD, offset_of!(libc::seccomp_data, arch) as u32, 0, 0),
    step(IF_EQUAL, ARCHITECTURE, 1, 0),
    step(RETURN, REFUSED, 0, 0),
    step(LOAD, offset_of!(libc::seccomp_data, nr) as u32, 0, 0),
    // Sockets: those of the log and of the control socket's end.
    step(IF_EQUAL, libc::SYS_socket as u32, 0, 4),
    step(LOAD, argument(0), 0, 0),
    step(IF_EQUAL, libc::AF_UNIX as u32, 0, 1),
    step(RETURN, GRANTED, 0, 0),
    step(RETURN, REFUSED, 0, 0),
    step(IF_EQUAL, libc::SYS_openat as u32, 0, 4),
    step(LOAD, argument(2), 0, 0),
    step(IF_ANY_BIT, WRITING, 1, 0),
    step(RETURN, GRANTED, 0, 0),
    step(RETURN, REFUSED, 0, 0),
    step(IF_EQUAL, OPEN as u32, 0, 4),
    step(LOAD, argument(1), 0, 0),
    step(IF_ANY_BIT, WRITING, 1, 0),
    step(RETURN, GRANTED, 0, 0),
    step(RETURN, REFUSED, 0, 0),
];

const STEPS: usize = HEAD.len() + ALLOWED.len() + OF_THE_MACHINE.len() + 2;

/// The head, one comparison for each call, and what becomes of a call that is none of them or one.
static PROGRAM: [libc::sock_filter; STEPS] = {
    let mut program = [step(RETURN, REFUSED, 0, 0); STEPS];
    let mut index = 0;
    while index < STEPS - 2 {
        let behind_head = index.wrapping_sub(HEAD.len());
        let to_granted = (STEPS - 2 - index) as u8;
        program[index] = if index < HEAD.len() {
            HEAD[index]
        } else if behind_head < ALLOWED.len() {
            step(IF_EQUAL, ALLOWED[behind_head] as u32, to_granted, 0)
        } else {
            step(IF_EQUAL, OF_THE_MACHINE[behind_head - ALLOWED.len()] as u32, to_granted, 0)
        };
        index += 1;
    }
    program[STEPS - 1] = step(RETURN, GRANTED, 0, 0);
    program
};

fn filter() -> Result<(), Error> {
    let program = libc::sock_fprog { len: STEPS as u16, filter: PROGRAM.as_ptr().cast_mut() };
    let none: libc::c_ulong = 0;
    // SAFETY: the kernel reads and checks as many steps as there are; nothing is written.
    let result = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, none, none)
    };
    if result < 0 { Err(Error::last("system call filter")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::{Errno, namespace};
    use super::*;
    use std::fs;
    use std::io::{Read, Write};
    use std::process::Command;
    use std::string::String;

    fn refused<T>(result: std::io::Result<T>) -> bool {
        result.is_err_and(|error| error.raw_os_error() == Some(libc::EPERM))
    }

    /// The filter holds for the thread that asks for it, which cannot even wake another one: it reports by a pipe.
    #[test]
    fn what_the_loop_does_not_need_is_refused() {
        namespace::networked(|| {
            let (mut reader, mut writer) = std::io::pipe().unwrap();
            std::thread::spawn(move || {
                try_everything();
                writer.write_all(b"all refused").unwrap();
            });
            let mut report = String::new();
            reader.read_to_string(&mut report).unwrap();
            assert_eq!(report, "all refused");
        });
    }

    fn try_everything() {
        let path = std::env::temp_dir().join(std::format!("vipd-privilege-{}", std::process::id()));
        fs::write(&path, "old").unwrap();
        drop_all_others().unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), "old", "reading goes on");
        assert!(refused(fs::write(&path, "new")));
        assert!(refused(fs::File::create(path.with_extension("other"))));
        assert!(refused(Command::new("/bin/true").spawn()));
        assert!(refused(std::net::UdpSocket::bind("127.0.0.1:0")));
        assert!(refused(fs::rename(&path, path.with_extension("moved"))));
        // SAFETY: none of these touches memory, and all are to be refused.
        let forbidden = unsafe {
            [
                libc::syscall(libc::SYS_setuid, 1),
                libc::syscall(libc::SYS_kill, libc::getppid(), 0),
                libc::syscall(libc::SYS_ptrace, 0, 0, 0, 0),
                libc::syscall(libc::SYS_unshare, libc::CLONE_NEWNET),
                libc::syscall(libc::SYS_reboot, 0, 0, 0, 0),
                libc::syscall(libc::SYS_init_module, 0, 0, 0),
                libc::syscall(libc::SYS_prctl, libc::PR_SET_DUMPABLE, 1),
            ]
        };
        assert_eq!(forbidden, [-1; 7]);
        assert_eq!(Errno::last(), Errno::EPERM);
        // What the loop does is granted.
        assert!(super::super::clock::now().since(crate::time::Instant::ZERO) > core::time::Duration::ZERO);
        assert!(std::os::unix::net::UnixDatagram::unbound().is_ok());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn two_capabilities_remain() {
        namespace::networked(|| {
            keep_capabilities().unwrap();
            control(libc::PR_SET_NO_NEW_PRIVS, 1, "").unwrap();
            let status = |status: &str, name: &str| -> String {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                line.split_whitespace().nth(1).unwrap().into()
            };
            let own = fs::read_to_string("/proc/thread-self/status").unwrap();
            for set in ["CapPrm:", "CapEff:"] {
                assert_eq!(status(&own, set), "0000000000003000", "{set}");
            }
            // A program that is started gains none, although it is root's.
            let output = Command::new("cat").arg("/proc/self/status").output().unwrap();
            let started = String::from_utf8(output.stdout).unwrap();
            let effective = u64::from_str_radix(&status(&started, "CapEff:"), 16).unwrap();
            assert_eq!(effective & !0x3000, 0);
        });
    }
}
