//! Where the router's effects are carried out: bytes through the kernel, hooks as processes.

use core::ffi::CStr;
use core::fmt;

use heapless::Vec;

use super::tries::{Reason, Tries};
use crate::config::ProbeId;
use crate::limits::{
    FAILURES_MAX, GROUPS_MAX, INSTANCES_MAX, PATH_BYTES_MAX, PROBES_MAX, SCRIPT_WORDS_MAX, TRACK_HOOKS_MAX,
};
use crate::linux::batch::{Inbox, Packets};
use crate::linux::hook::Environment;
use crate::linux::launcher::Launcher;
use crate::linux::outlet::Kernel;
use crate::linux::poll::Waiting;
use crate::linux::{self, clock, memory};
use crate::perform::perform;
use crate::probe::Standing;
use crate::router::{Effect, Effects, Event, Failure, Hook, Parcel, Router, Ticket, TryTicket};
use crate::say::{error, warn};
use crate::time::Instant;
use crate::wire::{Full, IfIndex};

/// Scripts and tries that could not even be asked for; `true`: for want of room.
pub(super) type Unstarted = Vec<(Job, bool), { INSTANCES_MAX + GROUPS_MAX + TRACK_HOOKS_MAX + PROBES_MAX }>;

/// How many seconds a hook may run.
const HOOK_SECS_MAX: u16 = 60;

/// What a script is run for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Job {
    Hook(Ticket),
    Try(TryTicket),
}

impl Job {
    /// One number for the launcher, which knows of neither.
    const fn number(self) -> u32 {
        match self {
            Self::Hook(Ticket(ticket)) => ticket as u32,
            Self::Try(TryTicket(ticket)) => 1 << 16 | ticket as u32,
        }
    }

    const fn of(number: u32) -> Self {
        let ticket = number as u16;
        if number >> 16 == 0 { Self::Hook(Ticket(ticket)) } else { Self::Try(TryTicket(ticket)) }
    }

    /// There was no room for it.
    const fn unmade(self) -> Event<'static> {
        match self {
            Self::Hook(ticket) => Event::HookEnded(ticket),
            Self::Try(ticket) => Event::Untried(ticket),
        }
    }

    /// It has ended by no will of its own, or could not be started.
    const fn ended(self) -> Event<'static> {
        match self {
            Self::Hook(ticket) => Event::HookEnded(ticket),
            Self::Try(ticket) => Event::Tried(ticket, false),
        }
    }
}

/// What is not begun.
pub(super) enum Lack {
    /// It cannot be; why is in the log.
    Fault,
    /// There is no room for it at this moment.
    Room(linux::Errno),
}

/// OpenWrt's way to all scripts of a subsystem takes the subsystem as its argument.
const HOTPLUG_CALL: &CStr = c"/sbin/hotplug-call";

pub(super) struct Hands<'a> {
    pub(super) router: &'a mut Router,
    pub(super) effects: &'a mut Effects,
    /// When the last event was.
    pub(super) latest: Instant,
    pub(super) kernel: Kernel<'a>,
    pub(super) launcher: Launcher,
    /// The launcher is still there.
    pub(super) can_launch: bool,
    pub(super) unstarted: &'a mut Unstarted,
    /// Tries that need no script.
    pub(super) tries: &'a mut Tries,
    /// Effects that could not even be handed to the kernel, and are to be told.
    pub(super) is_behind: bool,
    /// Errors of receiving, which end nothing.
    pub(super) troubles: u32,
    /// Somebody else has BFD's port.
    pub(super) lacks_port: bool,
}

impl Hands<'_> {
    /// Hands an event to the router and performs what it asks for, in order, before anything else happens.
    pub(super) fn act(&mut self, event: Event<'_>) {
        self.act_at(clock::now(), event);
    }

    /// The same for an event of this moment. A timer's may be that of the look, before that of the packets which it found:
    /// what has become due since has its own look.
    pub(super) fn act_at(&mut self, now: Instant, event: Event<'_>) {
        self.latest = self.latest.max(now);
        // The next event may release an address, and it must not be announced after that.
        self.kernel.flush_announcements();
        self.router.handle(now, event, self.effects);
        let mut want = None;
        for effect in self.effects.iter() {
            // A failure comes back as an event on the next turn (law 7), as what fails later in the kernel does.
            let (job, result) = if let Effect::Notify(owner, ticket) = *effect {
                (Job::Hook(ticket), launch(&self.launcher, self.router.hook(owner), ticket))
            } else if let Effect::Prepare(instance, ticket) = *effect {
                (Job::Hook(ticket), launch(&self.launcher, self.router.claim_hook(instance), ticket))
            } else if let Effect::Try(probe, ticket) = *effect {
                let result = if !cfg!(feature = "probe") {
                    Err(Lack::Fault)
                } else if cfg!(feature = "probe-network") && self.router.config().target(probe).is_some() {
                    ask(self.tries, self.router, probe, ticket)
                } else if self.can_launch {
                    launch_try(&self.launcher, self.router, probe, ticket)
                } else {
                    Err(Lack::Fault)
                };
                (Job::Try(ticket), result)
            } else {
                self.is_behind |= perform(self.router, *effect, &mut self.kernel).is_err();
                continue;
            };
            if let Err(lack) = result {
                let errno = if let Lack::Room(errno) = lack { Some(errno) } else { None };
                want = want.or(errno);
                // There is room: an owner has one at a time, and so has a probe.
                let _ = self.unstarted.push((job, errno.is_some()));
            }
        }
        memory::clear(self.effects);
        if let Some(errno) = want {
            self.note(linux::Error { call: "a try", errno });
        }
    }

    /// Whether there is something to tell that no descriptor will wake us for.
    pub(super) fn have_failures(&self) -> bool {
        self.is_behind || self.kernel.has_failures() || !self.unstarted.is_empty()
    }

    /// Tells the router what could not be done. New failures wait for the next turn.
    pub(super) fn take_failures(&mut self) {
        if core::mem::take(&mut self.is_behind) {
            let errno = linux::Errno::ENOBUFS.0;
            self.act(Event::Failed(Failure { interface: IfIndex(0), what: Parcel::Netlink, errno }));
        }
        for _ in 0..FAILURES_MAX {
            let Some(failure) = self.kernel.take_failure() else { break };
            self.act(Event::Failed(failure));
        }
        for _ in 0..self.unstarted.len() {
            let Some((job, is_for_want)) = self.unstarted.pop() else { break };
            self.act(if is_for_want { job.unmade() } else { job.ended() });
        }
    }

    /// Hands in a batch of packets, or of datagrams; `true`: it was full, so there may be more.
    pub(super) fn take(&mut self, packets: Result<Packets<'_>, linux::Error>, are_datagrams: bool) -> bool {
        match packets {
            Ok(mut packets) => {
                let is_full = packets.are_all_that_fit();
                loop {
                    let came_at = packets.came_at();
                    let event = if cfg!(feature = "bfd") && are_datagrams {
                        packets.next_datagram().map(Event::Bfd)
                    } else {
                        packets.next().map(Event::Packet)
                    };
                    let Some(event) = event else { break };
                    // It may have come before what was handed in last.
                    self.act_at(self.latest.max(came_at), event);
                }
                is_full
            }
            Err(error) => {
                self.note(error);
                false
            }
        }
    }

    /// Where hosts ask for a router.
    pub(super) fn solicitations(&self) -> Waiting {
        if !cfg!(feature = "ra") {
            return Waiting::NEVER;
        }
        self.kernel.solicitations.as_ref().map_or(Waiting::NEVER, Waiting::to_read)
    }

    /// They are heard while the configuration has a router for them.
    pub(super) fn listen_for_solicitations(&mut self) {
        let is_wanted = !self.router.config().router_adverts.is_empty();
        if let Some(solicitations) = &self.kernel.solicitations
            && cfg!(feature = "ra")
            && let Err(error) = solicitations.listen(is_wanted)
        {
            self.note(error);
        }
    }

    /// Hands in what hosts have asked, a batch in a turn: the rest waits behind what is more urgent.
    pub(super) fn take_solicitations(&mut self, inbox: &mut Inbox) {
        let Some(solicitations) = self.kernel.solicitations.as_ref().filter(|_| cfg!(feature = "ra")) else {
            return;
        };
        match solicitations.receive(inbox) {
            Ok(packets) => packets.for_each(|packet| self.act(Event::Solicitation(packet))),
            Err(error) => self.note(error),
        }
    }

    /// Receiving failed. Whoever holds an address goes on holding it: two masters are worse than a deaf one.
    pub(super) fn note(&mut self, error: linux::Error) {
        self.troubles = self.troubles.wrapping_add(1);
        if self.troubles.is_power_of_two() {
            error!("{error} ({} times so far)", self.troubles);
        }
    }

    /// A script could not be started, or was killed.
    fn say_trouble(&self, job: Job, trouble: linux::Errno) {
        match job {
            Job::Hook(ticket) => match self.router.owner_of(ticket).and_then(|owner| self.router.hook(owner))
            {
                Some(hook) => warn!("hook {hook}: {}: {trouble}", hook.script),
                None => warn!("the hook of something that was taken out: {trouble}"),
            },
            Job::Try(ticket) => say_trouble_of_try(self.router, ticket, &trouble),
        }
    }

    /// Where the end of a script is told.
    pub(super) fn scripts(&self) -> Waiting {
        if self.can_launch { Waiting::to_read(&self.launcher) } else { Waiting::NEVER }
    }

    /// Tells the router which scripts have ended.
    pub(super) fn take_ended(&mut self) {
        while self.can_launch {
            match self.launcher.take() {
                Ok(Some(ended)) => {
                    let job = Job::of(ended.job);
                    if let (Some(errno), Job::Try(_)) = (ended.trouble.filter(|it| it.is_want_of_room()), job)
                    {
                        self.note(linux::Error { call: "a try", errno });
                        self.act(job.unmade());
                        continue;
                    }
                    if let Some(trouble) = ended.trouble {
                        self.say_trouble(job, trouble);
                    }
                    self.act(match (job, ended.code) {
                        (Job::Try(ticket), Some(code)) => Event::Exited(ticket, code),
                        (Job::Hook(_) | Job::Try(_), _) => job.ended(),
                    });
                }
                Ok(None) => break,
                Err(error) => {
                    error!("{error}: no script is started until vipd is");
                    self.can_launch = false;
                }
            }
        }
    }
}

/// A probe is tried again and again: its trouble is said while that is news.
#[inline(never)]
pub(super) fn say_trouble_of_try(router: &Router, ticket: TryTicket, trouble: &dyn fmt::Display) {
    if !cfg!(feature = "probe") {
        return;
    }
    let Some(id) = router.probe_of(ticket) else { return };
    let config = router.config();
    if let Some(probe) = config.probes.get(usize::from(id.0))
        && router.probe_standing(id) != Standing::Down
    {
        let (name, script) = (config.text(probe.name), config.text(probe.script));
        let colon = if script.is_empty() { "" } else { ": " };
        let (kind, owner, slash) = config.kind_of(probe);
        warn!("{kind}{owner}{slash}{name}: {script}{colon}{trouble}");
    }
}

/// Begins a try that needs no script.
fn ask(tries: &mut Tries, router: &Router, probe: ProbeId, ticket: TryTicket) -> Result<(), Lack> {
    tries.start(router, probe, ticket).map_err(|reason| {
        if let Reason::System(errno) = reason
            && errno.is_want_of_room()
        {
            return Lack::Room(errno);
        }
        say_trouble_of_try(router, ticket, &reason);
        Lack::Fault
    })
}

/// Asks for a try of a probe.
#[inline(never)]
fn launch_try(launcher: &Launcher, router: &Router, probe: ProbeId, ticket: TryTicket) -> Result<(), Lack> {
    let config = router.config();
    let Some(probe) = config.probes.get(usize::from(probe.0)) else { return Err(Lack::Fault) };
    // Each word with a zero behind it.
    let mut text = Vec::<u8, { PATH_BYTES_MAX + 2 }>::new();
    for word in config.text(probe.script).split_ascii_whitespace() {
        if text.extend_from_slice(word.as_bytes()).is_err() || text.push(0).is_err() {
            return Err(Lack::Fault);
        }
    }
    let mut words = Vec::<&CStr, SCRIPT_WORDS_MAX>::new();
    let mut rest = text.as_slice();
    while let Ok(word) = CStr::from_bytes_until_nul(rest) {
        if words.push(word).is_err() {
            return Err(Lack::Fault);
        }
        rest = rest.get(word.to_bytes_with_nul().len()..).unwrap_or(&[]);
    }
    let job = Job::Try(ticket).number();
    launcher.launch(job, probe.timeout_secs, &words, &Environment::new()).map_err(|error| {
        if error.errno.is_want_of_room() {
            return Lack::Room(error.errno);
        }
        say_trouble_of_try(router, ticket, &error);
        Lack::Fault
    })
}

/// Asks for the script of a hook.
#[inline(never)]
fn launch(launcher: &Launcher, hook: Option<Hook<'_>>, ticket: Ticket) -> Result<(), Lack> {
    let Some(hook) = hook else { return Err(Lack::Fault) };
    let mut path = Vec::<u8, { PATH_BYTES_MAX + 1 }>::new();
    if path.extend_from_slice(hook.script.as_bytes()).is_err() || path.push(0).is_err() {
        return Err(Lack::Fault);
    }
    let Ok(path) = CStr::from_bytes_with_nul(&path) else { return Err(Lack::Fault) };
    let Ok(environment) = environment(&hook) else {
        warn!("hook {hook}: its environment is too long");
        return Err(Lack::Fault);
    };
    let arguments: &[&CStr] = if path == HOTPLUG_CALL { &[path, c"vipd"] } else { &[path] };
    launcher.launch(Job::Hook(ticket).number(), HOOK_SECS_MAX, arguments, &environment).map_err(|error| {
        warn!("hook {hook}: {}: {error}", hook.script);
        Lack::Fault
    })
}

/// What a script is told: ACTION, TYPE and NAME as OpenWrt's keepalived tells it, and more.
fn environment(hook: &Hook<'_>) -> Result<Environment, Full> {
    let state = hook.standing.name();
    let mut environment = Environment::new();
    if cfg!(feature = "track-hooks")
        && let Some(number) = hook.number
    {
        environment.set("ACTION", format_args!("NOTIFY"))?;
        environment.set("STATE", format_args!("{number}"))?;
    } else {
        environment.set("ACTION", format_args!("NOTIFY_{state}"))?;
        environment.set("STATE", format_args!("{state}"))?;
    }
    if let Some(cause) = hook.cause {
        environment.set("PRIORITY", format_args!("{}", hook.priority))?;
        environment.set("REASON", format_args!("{cause}"))?;
    }
    for (name, value) in [
        ("TYPE", hook.kind),
        ("NAME", hook.name),
        ("PREVIOUS", hook.previous.name()),
        ("INTERFACE", hook.interface),
    ] {
        environment.set(name, format_args!("{value}"))?;
    }
    Ok(environment)
}
