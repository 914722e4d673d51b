//! What the process may do once everything is open: two capabilities, and the system calls that the loop makes.
//!
//! Whoever finds a hole in a parser then holds a process that can speak on the network devices and set addresses,
//! as a master does anyhow, and that can neither start a program nor write a file nor open a port. In a build with BFD,
//! whose port is taken when a configuration first asks for it, it may give names to the sockets that it has: it can open a
//! port of UDP, but not listen on one of TCP, and leave a socket at a path where its user may write. Scripts are started
//! by another process ([`launcher`](super::launcher)), from before.

use core::ffi::{c_int, c_long};
use core::mem::offset_of;

use super::Error;
use super::call::{call, call3, pointer, pointer_mut};

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

/// Keeps CAP_NET_ADMIN and CAP_NET_RAW and no other capability, gives up gaining any by starting programs, makes
/// the memory unreadable for other processes of the same user, and lets the kernel refuse (EPERM) every system
/// call but those of the poll loop.
///
/// # Errors
/// EINVAL for "system call filter" where the kernel was built without it. One that fails keeps none of the others from
/// being done; the first failure is told.
pub fn drop_all_others() -> Result<(), Error> {
    let capabilities = keep_capabilities();
    let dumpable = control(libc::PR_SET_DUMPABLE, 0, "dumpable off");
    let privileges = control(libc::PR_SET_NO_NEW_PRIVS, 1, "no new privileges");
    capabilities.and(dumpable).and(privileges).and(filter())
}

/// Runs ahead of all other processes (SCHED_FIFO, priority 1 of 99), and no page that was once in memory leaves it.
/// What is started from here on does not inherit it.
///
/// # Errors
/// EPERM without CAP_SYS_NICE or CAP_IPC_LOCK, EINVAL where the kernel has no such policy.
pub fn become_realtime() -> Result<(), Error> {
    let priority: c_int = 1;
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the kernel reads one number, as `sched_param` is one on every Linux.
    unsafe { call3(libc::SYS_sched_setscheduler, 0, policy as usize, pointer(&priority)) }
        .map_err(|errno| Error { call: "realtime priority", errno })?;
    // What was never touched costs nothing: locked is what is used.
    let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | MCL_ONFAULT;
    // SAFETY: it changes no memory.
    unsafe { call3(libc::SYS_mlockall, flags as usize, 0, 0) }
        .map(drop)
        .map_err(|errno| Error { call: "locking the memory", errno })
}

/// Lets this process have so many descriptors, if it may, and returns how many it may have; what was started before keeps
/// its own limit.
///
/// # Errors
/// That of the call.
pub fn allow_descriptors(count: usize) -> Result<usize, Error> {
    let fail = |errno| Error { call: "limit of descriptors", errno };
    let ask = |new: usize, old: usize| {
        // SAFETY: the kernel reads one limit, or writes one, where a pointer is not null.
        unsafe { call(libc::SYS_prlimit64, &[0, libc::RLIMIT_NOFILE as usize, new, old, 0, 0]) }.map_err(fail)
    };
    // `struct rlimit64`: the limit, and how far it may be raised.
    let mut limit = [0u64; 2];
    ask(0, pointer_mut(&mut limit))?;
    let [now, most] = limit;
    let wanted = most.min(count as u64);
    if now < wanted {
        ask(pointer(&[wanted, most]), 0)?;
    }
    Ok(now.max(wanted) as usize)
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
    const VERSION_3: u32 = 0x2008_0522;
    let fail = |errno| Error { call: "capabilities", errno };
    let header = CapabilityHeader { version: VERSION_3, pid: 0 };
    let mut words = [CapabilityWord::default(); 2];
    // SAFETY: the kernel reads one header and writes two words, as this version says.
    unsafe { call3(libc::SYS_capget, pointer(&header), pointer_mut(&mut words), 0) }.map_err(fail)?;
    let [low, high] = &mut words;
    let kept = low.permitted & (1 << CAP_NET_ADMIN | 1 << CAP_NET_RAW);
    *low = CapabilityWord { effective: kept, permitted: kept, inheritable: 0 };
    *high = CapabilityWord::default();
    // SAFETY: the kernel reads one header and two words.
    unsafe { call3(libc::SYS_capset, pointer(&header), pointer(&words), 0) }.map(drop).map_err(fail)
}

/// One option of prctl(2).
fn control(option: c_int, value: usize, call: &'static str) -> Result<(), Error> {
    // SAFETY: these options take a number.
    let result = unsafe { self::call(libc::SYS_prctl, &[option as usize, value, 0, 0, 0, 0]) };
    result.map(drop).map_err(|errno| Error { call, errno })
}

/// What the loop calls. Of the calls that take a time, 32-bit machines have two generations; the older is enough for
/// a time since boot.
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
    libc::SYS_madvise,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_geteuid,
    libc::SYS_uname,
    libc::SYS_unlinkat,
    libc::SYS_statx,
    #[cfg(feature = "bfd")]
    libc::SYS_bind,
    #[cfg(feature = "files")]
    libc::SYS_inotify_add_watch,
    #[cfg(target_arch = "arm")]
    libc::SYS_geteuid32,
];

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

/// The types of the sockets that probes open, as [`socket::open`](super::socket::open) asks for them.
const STREAM: u32 = (libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) as u32;
const RAW: u32 = (libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) as u32;

const DATAGRAMS: u32 = (libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) as u32;

/// More sockets: those of probes, where there are any without a script.
const PROBES: &[libc::sock_filter] = if cfg!(feature = "ipvs") {
    &[
        step(IF_EQUAL, libc::AF_INET as u32, 2, 0),
        step(IF_EQUAL, libc::AF_INET6 as u32, 1, 0),
        step(IF_EQUAL, libc::AF_PACKET as u32, 0, 5),
        step(LOAD, argument(1), 0, 0),
        step(IF_EQUAL, STREAM, 2, 0),
        step(IF_EQUAL, DATAGRAMS, 1, 0),
        step(IF_EQUAL, RAW, 0, 1),
        step(RETURN, GRANTED, 0, 0),
    ]
} else if cfg!(feature = "probe-network") {
    &[
        step(IF_EQUAL, libc::AF_INET as u32, 2, 0),
        step(IF_EQUAL, libc::AF_INET6 as u32, 1, 0),
        step(IF_EQUAL, libc::AF_PACKET as u32, 0, 4),
        step(LOAD, argument(1), 0, 0),
        step(IF_EQUAL, STREAM, 1, 0),
        step(IF_EQUAL, RAW, 0, 1),
        step(RETURN, GRANTED, 0, 0),
    ]
} else {
    &[]
};

/// And that of the packet filter, which a reload may be the first to need.
const NETFILTER: &[libc::sock_filter] = if cfg!(feature = "no-accept") {
    &[
        step(IF_EQUAL, libc::AF_NETLINK as u32, 0, 4),
        step(LOAD, argument(2), 0, 0),
        step(IF_EQUAL, libc::NETLINK_NETFILTER as u32, 0, 1),
        step(RETURN, GRANTED, 0, 0),
        step(RETURN, REFUSED, 0, 0),
    ]
} else {
    &[]
};

/// A foreign instruction set is refused; of a call that opens something, the arguments decide. What [`NETFILTER`] and
/// [`PROBES`] do stands behind the first part.
#[allow(trivial_numeric_casts, reason = "the C libraries differ in the types")]
const HEAD: &[libc::sock_filter] = &[
    step(LOAD, offset_of!(libc::seccomp_data, arch) as u32, 0, 0),
    step(IF_EQUAL, ARCHITECTURE, 1, 0),
    step(RETURN, REFUSED, 0, 0),
    step(LOAD, offset_of!(libc::seccomp_data, nr) as u32, 0, 0),
    // Sockets: those of the log and of the control socket's end.
    step(IF_EQUAL, libc::SYS_socket as u32, 0, 4 + MORE as u8),
    step(LOAD, argument(0), 0, 0),
    step(IF_EQUAL, libc::AF_UNIX as u32, 0, 1),
    step(RETURN, GRANTED, 0, 0),
    step(RETURN, REFUSED, 0, 0),
    // Whether a device is still there.
    step(IF_EQUAL, libc::SYS_ioctl as u32, 0, 4),
    step(LOAD, argument(1), 0, 0),
    step(IF_EQUAL, libc::SIOCGIFNAME as u32, 0, 1),
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

/// Where in the head more sockets are granted, and by how many steps.
const MORE_AT: usize = 8;
const MORE: usize = NETFILTER.len() + PROBES.len();

const STEPS: usize = HEAD.len() + MORE + ALLOWED.len() + 2;

/// The head, one comparison for each call, and what becomes of a call that is none of them or one.
static PROGRAM: [libc::sock_filter; STEPS] = {
    let mut program = [step(RETURN, REFUSED, 0, 0); STEPS];
    let mut index = 0;
    while index < STEPS - 2 {
        program[index] = if index < MORE_AT {
            HEAD[index]
        } else if index < MORE_AT + NETFILTER.len() {
            NETFILTER[index - MORE_AT]
        } else if index < MORE_AT + MORE {
            PROBES[index - MORE_AT - NETFILTER.len()]
        } else if index < HEAD.len() + MORE {
            HEAD[index - MORE]
        } else {
            let to_granted = (STEPS - 2 - index) as u8;
            step(IF_EQUAL, ALLOWED[index - HEAD.len() - MORE] as u32, to_granted, 0)
        };
        index += 1;
    }
    program[STEPS - 1] = step(RETURN, GRANTED, 0, 0);
    program
};

fn filter() -> Result<(), Error> {
    let program = libc::sock_fprog { len: STEPS as u16, filter: PROGRAM.as_ptr().cast_mut() };
    let arguments =
        [libc::PR_SET_SECCOMP as usize, libc::SECCOMP_MODE_FILTER as usize, pointer(&program), 0, 0, 0];
    // SAFETY: the kernel reads as many steps as there are, and checks them.
    let result = unsafe { call(libc::SYS_prctl, &arguments) };
    result.map(drop).map_err(|errno| Error { call: "system call filter", errno })
}

#[cfg(test)]
mod tests {
    use super::super::bfd::Lines;
    use super::super::{Errno, namespace};
    use super::*;
    use crate::config::Family;
    use std::fs;
    use std::process::Command;
    use std::string::String;

    #[test]
    fn descriptors_are_allowed_as_far_as_may_be() {
        namespace::alone(|| {
            let limit = || {
                let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                // SAFETY: the pointer is to a live value.
                unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
                [limit.rlim_cur, limit.rlim_max]
            };
            let most = limit()[1].min(400);
            let small = libc::rlimit { rlim_cur: 50, rlim_max: most };
            // SAFETY: the pointer is to a live value.
            unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const small) };
            assert_eq!(allow_descriptors(100), Ok(100));
            assert_eq!(limit(), [100, most]);
            assert_eq!(allow_descriptors(60), Ok(100));
            assert_eq!(limit(), [100, most], "it is never lowered");
            assert_eq!(allow_descriptors(1_000_000), Ok(most as usize));
            assert_eq!(limit(), [most, most]);
        });
    }

    /// The child makes system calls and nothing else: the libraries do not expect to be refused.
    #[test]
    fn what_the_loop_does_not_need_is_refused() {
        namespace::networked(|| {
            let mut lines = Lines::open();
            // SAFETY: a fork(2); the child makes system calls and ends.
            let child = unsafe { call3(libc::SYS_clone, libc::SIGCHLD as usize, 0, 0) }.unwrap();
            if child == 0 {
                let verdict = if drop_all_others().is_err() { 99 } else { first_surprise(&mut lines) };
                // SAFETY: it ends the child.
                unsafe { libc::_exit(verdict) };
            }
            let mut status = 0;
            // SAFETY: the kernel writes one number to the live one given.
            unsafe { libc::waitpid(child as i32, &raw mut status, 0) };
            assert_eq!(status, 0, "the call of this number, times 256, went otherwise");
        });
    }

    /// The number, counted from 1, of the first call that goes otherwise than it should; 0 if there is none.
    fn first_surprise(lines: &mut Lines) -> c_int {
        let here = libc::AT_FDCWD as usize;
        let (file, writing) = (pointer(c"/tmp"), (libc::O_WRONLY | libc::O_CREAT) as usize);
        let forbidden = [
            (libc::SYS_openat, [here, file, writing]),
            (libc::SYS_openat, [here, file, libc::O_RDWR as usize]),
            (libc::SYS_execve, [pointer(c"/bin/true"), 0, 0]),
            (libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0]),
            (libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_DGRAM as usize, 0]),
            (libc::SYS_socket, [libc::AF_NETLINK as usize, RAW as usize, 0]),
            (libc::SYS_socket, [libc::AF_INET6 as usize, libc::SOCK_DGRAM as usize, 0]),
            (libc::SYS_listen, [0, 1, 0]),
            #[cfg(not(feature = "bfd"))]
            (libc::SYS_bind, [0, 0, 0]),
            (libc::SYS_setuid, [1, 0, 0]),
            (libc::SYS_kill, [1, 0, 0]),
            (libc::SYS_ioctl, [2, libc::SIOCSIFFLAGS as usize, 0]),
            (libc::SYS_ptrace, [0, 0, 0]),
            (libc::SYS_unshare, [libc::CLONE_NEWNET as usize, 0, 0]),
            (libc::SYS_mount, [0, 0, 0]),
            (libc::SYS_reboot, [0, 0, 0]),
            (libc::SYS_init_module, [0, 0, 0]),
            (libc::SYS_mprotect, [0, 0, 0]),
            (libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 1, 0]),
        ];
        let mut number = 0;
        for (call, [a, b, c]) in forbidden {
            number += 1;
            // SAFETY: none of them is carried out; if one is, the test says so and the process ends.
            if unsafe { call3(call, a, b, c) } != Err(Errno::EPERM) {
                return number;
            }
        }
        let granted = [
            (libc::SYS_openat, [here, pointer(c"/proc/self/status"), 0]),
            (libc::SYS_socket, [libc::AF_UNIX as usize, libc::SOCK_DGRAM as usize, 0]),
            #[cfg(feature = "no-accept")]
            (
                libc::SYS_socket,
                [libc::AF_NETLINK as usize, libc::SOCK_RAW as usize, libc::NETLINK_NETFILTER as usize],
            ),
            (libc::SYS_write, [2, pointer(c"."), 0]),
            (libc::SYS_geteuid, [0, 0, 0]),
        ];
        let mut probes = [
            (libc::SYS_socket, [libc::AF_INET as usize, STREAM as usize, 0]),
            (libc::SYS_socket, [libc::AF_INET6 as usize, RAW as usize, libc::IPPROTO_ICMPV6 as usize]),
            (libc::SYS_socket, [libc::AF_PACKET as usize, RAW as usize, 0]),
            (libc::SYS_socket, [libc::AF_INET6 as usize, DATAGRAMS as usize, 0]),
        ];
        if !cfg!(feature = "ipvs") {
            probes[3] = granted[0];
        }
        if !cfg!(feature = "probe-network") {
            probes = [granted[0]; 4];
        }
        for (call, [a, b, c]) in granted.into_iter().chain(probes) {
            number += 1;
            // SAFETY: the pointers are those of strings, which the kernel reads.
            if unsafe { call3(call, a, b, c) }.is_err() {
                return number;
            }
        }
        for family in [Family::V4, Family::V6] {
            number += 1;
            if cfg!(feature = "bfd") && lines.bind(family).is_err() {
                return number;
            }
        }
        0
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
