//! The poll loop: wait, turn what has happened into events, perform what they ask for.
//!
//! ```text
//!   +-> 1 let go what was gathered, then what was logged; wait until the next deadline
//!   |   2 signals     stop, reload
//!   |   3 scripts     those that have ended
//!   |   4 the kernel  links and addresses
//!   |   5 packets     all that were waiting, those of BFD among them, before any timer: a starved backup must not steal
//!   |   6 failures    of effects of the last turn, behind what the virtual servers' kernel has said
//!   |   7 tries       the answers that probes have had
//!   |   8 files       those that are tracked; routes that are gone; then timers, after another look for packets, if one of them could make a master or end a session, unless the wait was that look
//!   +-- 9 control     status, reload
//! ```
//!
//! Both sides meet here and nowhere else: [`linux`] knows descriptors and bytes, [`crate::router`] knows VRRP.
//! Every buffer is in [`Memory`], whose size is the daemon's RAM budget.

use core::time::Duration;

use heapless::Vec;

use crate::cli::{Command, Exit};
use crate::config::Family;
use crate::config::problem::Problem;
use crate::limits::{
    CONTROL_CLIENTS_MAX, PACKETS_PER_BATCH_MAX, PACKETS_PER_TURN_MAX, RAM_BYTES_MAX, TARGETS_MAX,
};
use crate::linux::batch::Inbox;
use crate::linux::bfd::LINES_MAX;
use crate::linux::control::Listener;
use crate::linux::launcher::Launcher;
use crate::linux::losses::Losses;
use crate::linux::memory::{self, Once, Scratch};
use crate::linux::netlink::Received;
use crate::linux::outlet::{Arena, Kernel};
use crate::linux::poll::{self, Waiting};
use crate::linux::signals::{Signal, Signals};
use crate::linux::watch::Watch;
use crate::linux::{self, clock, entropy, privilege};
use crate::router::{Effects, Event, Router};
use crate::say::{error, info, warn};
use crate::time::{Instant, earlier};
use crate::wire::rtnl;

mod bfd;
mod files;
mod hands;
mod ipvs;
mod load;
mod serve;
mod tries;

use files::Files;
use hands::{Hands, Unstarted};
pub use load::{Report, Trouble, load};
use serve::Clients;
use tries::Tries;

/// Datagrams of kernel messages that one turn takes.
const DATAGRAMS_PER_TURN_MAX: usize = 64;

/// How long the last hooks may take when the daemon ends.
const LAST_WORDS_MAX: Duration = Duration::from_secs(5);

/// Descriptors beside those of tries: a client of each place, what is always open, and a file now and then.
const OTHER_DESCRIPTORS_MAX: usize = CONTROL_CLIENTS_MAX + LINES_MAX + 32;

static_assertions::const_assert!(Memory::BYTES <= RAM_BYTES_MAX);

/// Everything that the daemon ever uses: there is no heap.
///
/// In this order: first what may not be in use at all; then what always is; what only a crowd of packets fills; and last the
/// scratch, whose own pages are hardly ever there: the first one is the inbox's too, and the last one, with the flag of
/// [`Once`], that of the log, which follows.
#[repr(C)]
pub struct Memory {
    unstarted: Unstarted,
    tries: Tries,
    clients: Clients,
    arena: Arena,
    effects: Effects,
    router: Router,
    inbox: Inbox,
    /// For the configuration that is being read.
    scratch: Scratch,
}

impl Memory {
    /// Bytes of all state and all buffers together.
    pub const BYTES: usize = size_of::<Self>();

    /// Everything empty.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            unstarted: Unstarted::new(),
            tries: Tries::new(),
            clients: Clients::new(),
            arena: Arena::new(),
            effects: Effects::new(),
            router: Router::new(),
            inbox: Inbox::new(),
            scratch: Scratch::new(),
        }
    }

    /// What reading a configuration needs.
    pub const fn for_check(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs until SIGTERM or SIGINT, and answers with the exit code. The memory is to be free.
pub fn run(memory: &'static Once<Memory>, command: &Command<'_>) -> Exit {
    // Split off first: it keeps what there is in memory at this moment.
    let launcher = match Launcher::start() {
        Ok(launcher) => launcher,
        Err(error) => return refused(&error),
    };
    let Some(memory) = memory.take() else { return Exit::Refused };
    let Memory { router, scratch, effects, arena, inbox, unstarted, tries, clients } = memory;
    // What is wrong with the configuration is said before anything is touched.
    if let Err(trouble) = load(scratch, command, &mut load::to_log(command)) {
        trouble.log(command);
        return Exit::Wrong;
    }
    let is_realtime = scratch.config.globals.realtime;
    if cfg!(feature = "ipvs") {
        match privilege::allow_descriptors(TARGETS_MAX + OTHER_DESCRIPTORS_MAX) {
            Ok(allowed) => tries.limit(allowed.saturating_sub(OTHER_DESCRIPTORS_MAX)),
            Err(error) => warn!("{error}"),
        }
    }
    let Opened { kernel, listener, signals, watch, losses, seed } = match open(arena, command, is_realtime) {
        Ok(opened) => opened,
        Err(error) => return refused(&error),
    };
    let hands = Hands {
        router,
        effects,
        latest: clock::now(),
        kernel,
        launcher,
        can_launch: true,
        unstarted,
        tries,
        is_behind: false,
        troubles: 0,
        lacks_port: false,
    };
    let mut daemon = Daemon {
        command,
        hands,
        listener,
        signals,
        files: Files { watch, is_watching: false, again_at: None },
        losses,
        scratch,
        inbox,
        clients,
        is_torn: false,
        hears_of_routes: false,
        ends_at: None,
        deaf_until: None,
        is_realtime,
    };
    let result = daemon.run(seed);
    daemon.listener.remove();
    match result {
        Ok(()) => Exit::Done,
        Err(error) => refused(&error),
    }
}

fn refused(error: &linux::Error) -> Exit {
    error!("{error}");
    Exit::Refused
}

/// What is open before the loop begins.
struct Opened<'a> {
    kernel: Kernel<'a>,
    listener: Listener,
    signals: Signals,
    /// `None`: this kernel has none, or this build.
    watch: Option<Watch>,
    /// The same.
    losses: Option<Losses>,
    seed: u32,
}

/// Opens everything that needs privilege, and gives up all of it that the loop does not.
fn open<'a>(
    arena: &'a mut Arena,
    command: &Command<'_>,
    is_realtime: bool,
) -> Result<Opened<'a>, linux::Error> {
    let kernel = Kernel::open(arena)?;
    let listener = Listener::bind(command.socket)?;
    let signals = Signals::install()?;
    let watch = if cfg!(feature = "files") { Watch::open().ok() } else { None };
    let losses = if cfg!(feature = "routes") { Losses::open().ok() } else { None };
    let seed = if cfg!(feature = "bfd") { entropy::seed() } else { 0 };
    if cfg!(feature = "bfd") {
        poll::be_punctual();
    }
    if is_realtime {
        privilege::become_realtime()?;
    }
    if let Err(error) = privilege::drop_all_others() {
        warn!("goes on with more privileges than needed: {error}");
    }
    Ok(Opened { kernel, listener, signals, watch, losses, seed })
}

struct Daemon<'a> {
    command: &'a Command<'a>,
    hands: Hands<'a>,
    listener: Listener,
    signals: Signals,
    files: Files,
    losses: Option<Losses>,
    scratch: &'a mut Scratch,
    inbox: &'a mut Inbox,
    clients: &'a mut Clients,
    /// The list that the kernel is telling was changed in the middle.
    is_torn: bool,
    /// The kernel has been asked for news of routes.
    hears_of_routes: bool,
    /// When to end although a hook still runs.
    ends_at: Option<Instant>,
    /// Until when no client is let in.
    deaf_until: Option<Instant>,
    is_realtime: bool,
}

/// Which descriptors have something.
struct Ready {
    /// When nothing was there, if that is known: then it is as late as the wait was for.
    quiet_at: Option<Instant>,
    signals: bool,
    scripts: bool,
    kernel: bool,
    v4: bool,
    v6: bool,
    datagrams: bool,
    solicitations: bool,
    tries: bool,
    files: bool,
    losses: bool,
    ipvs: bool,
    control: bool,
}

impl Daemon<'_> {
    fn run(&mut self, seed: u32) -> Result<(), linux::Error> {
        let system = linux::file::System::ask();
        let config = &self.scratch.config;
        let own_name = config.text(config.globals.router_id);
        let name = if own_name.is_empty() { system.host_name() } else { own_name };
        let count = config.instances.len();
        info!("vipd {} starts as {name}, with {count} instance(s)", env!("CARGO_PKG_VERSION"));
        self.adopt();
        self.hands.act(Event::Start { keeps_marks: system.keeps_address_marks(), seed });
        while !self.has_ended() {
            let ready = match self.wait() {
                Ok(ready) => ready, // 1
                Err(error) => {
                    self.hands.act(Event::Stop);
                    self.hands.kernel.flush();
                    return Err(error);
                }
            };
            if ready.signals {
                self.take_signals(); // 2
            }
            if ready.scripts {
                self.hands.take_ended(); // 3
            }
            if ready.kernel {
                self.take_kernel_messages(); // 4
            }
            if ready.v4 {
                self.take_packets(Family::V4); // 5
            }
            if ready.v6 {
                self.take_packets(Family::V6);
            }
            if ready.datagrams {
                self.hands.take_datagrams(self.inbox);
            }
            if ready.solicitations {
                self.hands.take_solicitations(self.inbox);
            }
            if ready.ipvs {
                self.hands.take_ipvs(self.inbox);
            }
            self.hands.take_failures(); // 6
            if ready.tries {
                self.hands.take_tries(self.inbox); // 7
            }
            self.files.take(&mut self.hands, ready.files); // 8
            if ready.losses && self.losses.as_ref().is_some_and(Losses::drain) {
                self.hands.act(Event::RouteGone);
            }
            self.hands.ask_for_port_again();
            self.take_timers(ready.quiet_at);
            if ready.control || self.clients.are_watching() {
                self.serve(); // 9
            }
        }
        self.hands.kernel.flush();
        info!("vipd ends");
        Ok(())
    }

    /// Lets deadlines fire that are due at this moment. Between the wait and it we may have been stopped, and the master's
    /// adverts, or the packets of a BFD session, may have come: whoever takes over, or ends a session, looks once more.
    /// Where the wait has seen that nothing was there when it ended, that was the look. What is due a little later has its
    /// own turn, and its own look.
    fn take_timers(&mut self, quiet_at: Option<Instant>) {
        let now = quiet_at.unwrap_or_else(clock::now);
        if quiet_at.is_none() {
            if self.hands.router.may_take_over(now) {
                self.take_kernel_messages();
                self.take_packets(Family::V4);
                self.take_packets(Family::V6);
            }
            if cfg!(feature = "bfd") && self.hands.router.may_lose_session(now) {
                self.hands.take_datagrams(self.inbox);
            }
        }
        if self.hands.router.poll_at().is_some_and(|at| at <= now) {
            self.hands.act_at(now, Event::Timer);
        }
    }

    /// Lets go what was gathered, then what was logged, and waits for what is worth it.
    fn wait(&mut self) -> Result<Ready, linux::Error> {
        self.hands.kernel.flush();
        // The kernel stamps every packet of the machine for one who asks: a router that forwards is spared that.
        self.hands.kernel.stamp(self.hands.router.is_watching());
        self.hands.kernel.mute(self.hands.router.muted());
        log::logger().flush();
        self.deaf_until = self.deaf_until.filter(|until| *until > clock::now());
        let mut deadline = self.hands.router.poll_at();
        let tries_end_at = self.hands.tries.ends_at();
        for other in [self.ends_at, self.deaf_until, self.files.again_at, tries_end_at] {
            deadline = earlier(deadline, other);
        }
        if self.hands.have_failures() {
            deadline = Some(clock::now());
        }

        let kernel = &self.hands.kernel;
        let v4 = Waiting::to_read(&kernel.v4);
        let v6 = kernel.v6.as_ref().map_or(v4, Waiting::to_read);
        let mut all: Vec<Waiting, { 10 + LINES_MAX + TARGETS_MAX + CONTROL_CLIENTS_MAX }> = Vec::new();
        let (signals, netlink) = (Waiting::to_read(&self.signals), Waiting::to_read(&kernel.netlink));
        let scripts = self.hands.scripts();
        let is_deaf = self.deaf_until.is_some();
        let listener = if is_deaf { Waiting::NEVER } else { Waiting::to_read(&self.listener) };
        let files = self.files.interest();
        let losses = self.losses.as_ref().filter(|_| self.has_routes());
        let losses = losses.map_or(Waiting::NEVER, Waiting::to_read);
        let ipvs = self.hands.answers_of_ipvs();
        all.extend([signals, scripts, netlink, v4, v6, self.hands.solicitations(), files, losses, ipvs]);
        all.extend(kernel.bfd.interests());
        all.extend(self.hands.tries.interests());
        all.extend([listener]);
        all.extend(self.clients.interests());
        let quiet_at = match deadline {
            // Who is about to take over is awake when the moment comes.
            Some(at) if self.hands.router.may_take_over(at) => poll::wait_punctually(&mut all, at)?,
            _ => {
                let left = deadline.map(|at| at.since(clock::now()));
                let left = if self.is_realtime { left } else { left.map(poll::without_slack) };
                poll::wait(&mut all, left)?;
                None
            }
        };
        let mut over = all.iter().map(|waiting| waiting.is_over());
        Ok(Ready {
            quiet_at,
            signals: over.next() == Some(true),
            scripts: over.next() == Some(true),
            kernel: over.next() == Some(true),
            v4: over.next() == Some(true),
            v6: over.next() == Some(true),
            solicitations: over.next() == Some(true),
            files: over.next() == Some(true),
            losses: over.next() == Some(true),
            ipvs: over.next() == Some(true),
            datagrams: over.by_ref().take(LINES_MAX).fold(false, |any, is_over| any | is_over),
            tries: self.hands.tries.note_ready(&mut over) | self.hands.tries.are_late(),
            control: over.any(|is_over| is_over),
        })
    }

    fn take_signals(&mut self) {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::Stop => {
                    self.ends_at.get_or_insert(clock::now() + LAST_WORDS_MAX);
                    self.hands.act(Event::Stop);
                }
                Signal::Reload => {
                    // It is in the log, and nobody waits for an answer.
                    let _ = self.reload(&mut load::to_log(self.command));
                }
                // The launcher's end: its socket tells.
                Signal::Child => {}
            }
        }
    }

    /// Reads the configuration again: a bad one changes nothing.
    fn reload(&mut self, report: &mut Report<'_>) -> Result<(), Trouble> {
        let mut result = load(self.scratch, self.command, report);
        let old = self.hands.router.config();
        let was_empty = old.instances.is_empty() && old.virtual_servers.is_empty();
        if result.is_ok() && self.scratch.document.is_empty() && !was_empty {
            report(Problem::EMPTY_FILE);
            result = Err(Trouble::Wrong);
        }
        match &result {
            Ok(()) => {
                self.hands.act(Event::Prepare(&self.scratch.config));
                self.adopt();
                info!("configuration taken: {} instance(s)", self.hands.router.config().instances.len());
            }
            Err(trouble) => {
                trouble.log(self.command);
                error!("the configuration is not taken; the old one goes on");
            }
        }
        self.scratch.give_back();
        result
    }

    /// Takes the configuration that was read. The two have changed places whole, with all that is empty in them.
    fn adopt(&mut self) {
        self.hands.act(Event::Adopt(&mut self.scratch.config));
        self.scratch.give_back();
        self.hands.listen_for_solicitations();
        self.hands.ask_for_port(true);
        self.hear_of_routes();
        self.files.watch_all(&mut self.hands);
        if let Some(losses) = &self.losses {
            losses.listen(self.has_routes());
        }
        memory::give_blank_pages_back(self.hands.router);
    }

    fn has_routes(&self) -> bool {
        let config = self.hands.router.config();
        !config.virtual_routes.is_empty() || !config.virtual_rules.is_empty()
    }

    /// Asks for news of routes as long as one is tracked. The list that is asked for afterwards has what is there already.
    fn hear_of_routes(&mut self) {
        if !cfg!(feature = "track-route") {
            return;
        }
        let is_wanted = !self.hands.router.config().default_routes.is_empty();
        if is_wanted != self.hears_of_routes {
            match self.hands.kernel.netlink.hear_of_routes(is_wanted) {
                Ok(()) => self.hears_of_routes = is_wanted,
                Err(error) => self.hands.note(error),
            }
        }
    }

    fn take_kernel_messages(&mut self) {
        for _ in 0..DATAGRAMS_PER_TURN_MAX {
            let received = self.hands.kernel.netlink.receive(self.inbox.datagram());
            let received = received.unwrap_or_else(|error| {
                self.hands.note(error);
                Received::Nothing
            });
            match received {
                Received::Nothing => break,
                Received::Overrun => self.hands.act(Event::Overrun),
                Received::Datagram(bytes) => {
                    let mut messages = rtnl::messages_after(bytes, self.is_torn);
                    for message in &mut messages {
                        self.hands.act(Event::Kernel(message));
                    }
                    self.is_torn = messages.torn();
                }
            }
        }
    }

    /// Takes every packet of a family that was waiting, up to what the kernel can have kept for us.
    fn take_packets(&mut self, family: Family) {
        for _ in 0..PACKETS_PER_TURN_MAX / PACKETS_PER_BATCH_MAX {
            let kernel = &self.hands.kernel;
            let packets = match (family, &kernel.v6) {
                (Family::V4, _) => kernel.v4.receive(self.inbox),
                (Family::V6, Some(v6)) => v6.receive(self.inbox),
                (Family::V6, None) => break,
            };
            if !self.hands.take(packets, false) {
                break;
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.hands.router.is_finished() || self.ends_at.is_some_and(|at| at <= clock::now())
    }
}
