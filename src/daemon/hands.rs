//! Where the router's effects are carried out: bytes through the kernel, hooks as processes.

use core::ffi::CStr;

use heapless::Vec;

use crate::limits::{FAILURES_MAX, GROUPS_MAX, INSTANCES_MAX, PATH_BYTES_MAX};
use crate::linux::batch::Packets;
use crate::linux::hook::Environment;
use crate::linux::launcher::Launcher;
use crate::linux::outlet::Kernel;
use crate::linux::poll::Waiting;
use crate::linux::{self, clock};
use crate::perform::perform;
use crate::router::{Effect, Effects, Event, Failure, Hook, HookOwner, Parcel, Router, Ticket};
use crate::say::{error, warn};
use crate::wire::{Full, IfIndex};

/// Hook scripts that could not even be asked for.
pub(super) type Unstarted = Vec<Ticket, { INSTANCES_MAX + GROUPS_MAX }>;

/// OpenWrt's way to all scripts of a subsystem takes the subsystem as its argument.
const HOTPLUG_CALL: &CStr = c"/sbin/hotplug-call";

pub(super) struct Hands<'a> {
    pub(super) router: &'a mut Router,
    pub(super) effects: &'a mut Effects,
    pub(super) kernel: Kernel<'a>,
    pub(super) launcher: Launcher,
    /// The launcher is still there.
    pub(super) can_launch: bool,
    pub(super) unstarted: &'a mut Unstarted,
    /// Effects that could not even be handed to the kernel, and are to be told.
    pub(super) is_behind: bool,
    /// Errors of receiving, which end nothing.
    pub(super) troubles: u32,
}

impl Hands<'_> {
    /// Hands an event to the router and performs what it asks for, in order, before anything else happens.
    pub(super) fn act(&mut self, event: Event<'_>) {
        // The next event may release an address, and it must not be announced after that.
        self.kernel.flush_announcements();
        self.router.handle(clock::now(), event, self.effects);
        for effect in self.effects.iter() {
            if let Effect::Notify(owner, ticket) = *effect {
                if !launch(&self.launcher, self.router, owner, ticket) {
                    // There is room: an owner has one at a time.
                    let _ = self.unstarted.push(ticket);
                }
            } else {
                // A failure comes back as an event on the next turn (law 7), as what fails later in the kernel does.
                self.is_behind |= perform(self.router, *effect, &mut self.kernel).is_err();
            }
        }
        self.effects.clear();
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
            let Some(ticket) = self.unstarted.pop() else { break };
            self.act(Event::HookEnded(ticket));
        }
    }

    /// Hands in a batch of packets; `true`: it was full, so there may be more.
    pub(super) fn take(&mut self, packets: Result<Packets<'_>, linux::Error>) -> bool {
        match packets {
            Ok(packets) => {
                let is_full = packets.are_all_that_fit();
                packets.for_each(|packet| self.act(Event::Packet(packet)));
                is_full
            }
            Err(error) => {
                self.note(error);
                false
            }
        }
    }

    /// Receiving failed. Whoever holds an address goes on holding it: two masters are worse than a deaf one.
    pub(super) fn note(&mut self, error: linux::Error) {
        self.troubles = self.troubles.wrapping_add(1);
        if self.troubles.is_power_of_two() {
            error!("{error} ({} times so far)", self.troubles);
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
                    let ticket = Ticket(ended.job);
                    if let Some(trouble) = ended.trouble {
                        match self.router.owner_of(ticket).and_then(|owner| self.router.hook(owner)) {
                            Some(hook) => warn!("hook {hook}: {}: {trouble}", hook.script),
                            None => warn!("the hook of an instance that was taken out: {trouble}"),
                        }
                    }
                    self.act(Event::HookEnded(ticket));
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

/// Asks for the script of an owner; `false` if that is not possible, which is said in the log.
#[inline(never)]
fn launch(launcher: &Launcher, router: &Router, owner: HookOwner, ticket: Ticket) -> bool {
    let Some(hook) = router.hook(owner) else { return false };
    let mut path = Vec::<u8, { PATH_BYTES_MAX + 1 }>::new();
    if path.extend_from_slice(hook.script.as_bytes()).is_err() || path.push(0).is_err() {
        return false;
    }
    let Ok(path) = CStr::from_bytes_with_nul(&path) else { return false };
    let Ok(environment) = environment(&hook) else {
        warn!("hook {hook}: its environment is too long");
        return false;
    };
    let arguments: &[&CStr] = if path == HOTPLUG_CALL { &[path, c"vipd"] } else { &[path] };
    let result = launcher.launch(ticket.0, arguments, &environment);
    if let Err(error) = &result {
        warn!("hook {hook}: {}: {error}", hook.script);
    }
    result.is_ok()
}

/// What a script is told: ACTION, TYPE and NAME as OpenWrt's keepalived tells it, and more.
fn environment(hook: &Hook<'_>) -> Result<Environment, Full> {
    let state = hook.standing.name();
    let mut environment = Environment::new();
    environment.set("ACTION", format_args!("NOTIFY_{state}"))?;
    environment.set("PRIORITY", format_args!("{}", hook.priority))?;
    environment.set("REASON", format_args!("{}", hook.cause))?;
    for (name, value) in [
        ("TYPE", hook.kind),
        ("NAME", hook.name),
        ("STATE", state),
        ("PREVIOUS", hook.previous.name()),
        ("INTERFACE", hook.interface),
    ] {
        environment.set(name, format_args!("{value}"))?;
    }
    Ok(environment)
}
