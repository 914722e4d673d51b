//! The states, each with its own deadlines, and the words for why one was entered.

use core::fmt;
use core::net::IpAddr;

use super::announce::Timetable;
use crate::time::Instant;
use crate::wire::ip;

/// Where a virtual router stands. A deadline lives in the state that waits for it, so no timer outlives
/// its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)] // Numbered as `Phase` is, so that going from the one to the other is no code. The flags lie beside the number.
pub enum State {
    /// Not taking part (RFC 9568 §6.4.1).
    Initialize {
        /// Why not.
        fault: Fault,
    },
    /// Watching a master (RFC 9568 §6.4.2).
    Backup {
        /// When the master counts as gone (Active_Down_Timer).
        down_at: Instant,
        /// `down_at` has passed, and the others that move together with us are still being waited for.
        silent: bool,
        /// It counts as gone because the BFD session to it has fallen silent.
        unreachable: bool,
        /// Until when a lower-priority master is suffered (`preempt_delay`), once one was heard.
        preempt_at: Option<Instant>,
    },
    /// Holding the addresses (RFC 9568 §6.4.3).
    Master {
        /// Asked to go: has resigned, and holds the addresses until a successor is heard, so that hosts are never
        /// without.
        leaving: bool,
        /// Something is done before the addresses are claimed; `put_back_at` is when they are at the latest.
        unclaimed: bool,
        /// When the next advertisement is due (Adver_Timer); if we are leaving, when we go at the latest.
        advert_at: Instant,
        /// Before this, no further answer is given to others' advertisements (law 11).
        answer_after: Instant,
        /// How far putting addresses back has run ahead of its mean rate.
        put_back_until: Instant,
        /// When the addresses are to be given their lifetime anew; `None`: they have none.
        renew_at: Option<Instant>,
        /// When an address that is gone is to be put back, after the packets that were waiting.
        put_back_at: Option<Instant>,
        /// Until when a tie that we lose is left to the companion that decides for us; see
        /// [`Rules::decides_ties`](super::Rules::decides_ties).
        tie_until: Option<Instant>,
        /// Gratuitous ARP still to come.
        timetable: Timetable,
    },
}

impl State {
    /// The state without its deadlines.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match self {
            Self::Initialize { .. } => Phase::Initialize,
            Self::Backup { .. } => Phase::Backup,
            Self::Master { .. } => Phase::Master,
        }
    }
}

/// A state's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Not taking part.
    Initialize,
    /// Watching a master.
    Backup,
    /// Holding the addresses.
    Master,
}

impl Phase {
    /// Every state, in the order of its number in a status record.
    pub(crate) const ALL: [Self; 3] = [Self::Initialize, Self::Backup, Self::Master];

    /// The word for it in logs, hooks and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Master => "master",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a virtual router does not take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Links and addresses are not known yet.
    Starting,
    /// `vrrp_startup_delay` has not passed.
    StartupDelay,
    /// There is no device of the configured name.
    NoInterface,
    /// The device is switched off or has no carrier.
    LinkDown,
    /// The device has no address that adverts can come from, or not the configured one.
    NoSource,
    /// A tracked link without weight is down.
    Tracked,
    /// A tracked probe without weight is down, or up where the track is reversed.
    Probe,
    /// A tracked probe without weight has not had a result yet.
    Untried,
    /// A tracked default route without weight is not there.
    Route,
    /// A tracked BFD session without weight is down, or up where the track is reversed.
    Bfd,
    /// The number in a tracked file is a fault.
    File,
    /// The device of its virtual MAC is not there yet, or the kernel does not make one.
    NoVmac,
    /// There is another device of the name of that of its virtual MAC.
    VmacTaken,
    /// Another virtual router of the same instance or sync group does not take part.
    Companion,
    /// Somebody at the console wants another router to be master.
    Released,
    /// The daemon is ending, or the instance was taken out of the configuration.
    Stopped,
}

impl Fault {
    /// The sentence for it in logs, hooks and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::StartupDelay => "startup delay",
            Self::NoInterface => "no such interface",
            Self::LinkDown => "link down",
            Self::NoSource => "no source address",
            Self::Tracked => "tracked link down",
            Self::Probe => "tracked probe failed",
            Self::Route => "tracked route missing",
            Self::Bfd => "tracked BFD session down",
            Self::File => "tracked file forbids it",
            Self::Untried => "waits for its probes",
            Self::NoVmac if cfg!(feature = "vmac") => "no device for the virtual MAC",
            Self::VmacTaken if cfg!(feature = "vmac") => "the virtual MAC's name belongs to another device",
            Self::NoVmac | Self::VmacTaken => "",
            Self::Companion => "companion down",
            Self::Released => "released by hand",
            Self::Stopped => "stopped",
        }
    }
}

/// Why a state was entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Everything that is needed is there.
    Ready,
    /// The address owner starts as master (RFC 9568 §6.4.1).
    Owner,
    /// No advertisement came for a whole down interval; from whom they last came.
    Silence(Option<IpAddr>),
    /// The BFD session to the master went down.
    Unreachable(IpAddr),
    /// The master gave up with priority 0.
    Resigned(IpAddr),
    /// The master, still there, has a lower priority than we.
    Preempts(IpAddr, u8),
    /// Somebody with a better claim advertises.
    Better(IpAddr, u8),
    /// We were not running for so long that another had to take over.
    Asleep(IpAddr),
    /// The other virtual routers of the instance or sync group moved.
    Companion,
    /// Something that is needed is not there.
    Fault(Fault),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, address, after, priority) = match self {
            Self::Ready => ("ready", None, "", None),
            Self::Owner => ("address owner", None, "", None),
            Self::Silence(None) => ("no master heard", None, "", None),
            Self::Silence(Some(from)) => ("silence from ", Some(from), "", None),
            Self::Unreachable(from) => ("BFD session down to ", Some(from), "", None),
            Self::Resigned(from) => ("", Some(from), " resigned", None),
            Self::Preempts(from, priority) => ("pre-empts ", Some(from), ", priority ", Some(priority)),
            Self::Better(from, priority) => ("", Some(from), " has priority ", Some(priority)),
            Self::Asleep(from) => ("", Some(from), " took over while we were not running", None),
            Self::Companion => ("moves with its companions", None, "", None),
            Self::Fault(fault) => (fault.name(), None, "", None),
        };
        f.write_str(before)?;
        if let Some(address) = address {
            f.write_str(&ip::text(*address))?;
        }
        f.write_str(after)?;
        match priority {
            Some(priority) => fmt::Display::fmt(priority, f),
            None => Ok(()),
        }
    }
}
