//! What a user types: words in, one [`Command`] out; and the exit codes. [`words`] has the words themselves.

use core::ffi::CStr;
use core::fmt::Write;

use heapless::Vec;

use crate::config::problem::Severity;
use crate::config::schema::Alias;
use crate::daemon::{self, Memory, load};
use crate::limits;
use crate::linux::entry::Args;
use crate::linux::memory::Once;
use crate::linux::output::Output;
use crate::linux::{self, log, signals};
use crate::status::{Reply, Request};

pub mod ask;
mod balance;
#[cfg(feature = "import")]
mod import;
pub mod show;
#[cfg(feature = "watch")]
mod watch;
pub mod words;

use words::{ALSO, OPTIONS, OptionWord, Setting, VERBS};

/// Aliases that one command line can hold.
const ALIASES_MAX: usize = limits::INTERFACES_MAX;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The configuration or the request is wrong.
    Wrong = 1,
    /// The command line is wrong.
    Usage = 2,
    /// The daemon cannot be reached.
    Unreachable = 3,
    /// The system refused: no privilege, no interface feature.
    Refused = 4,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command<'a> {
    /// The verb.
    pub verb: Verb,
    /// `-c`.
    pub config: &'a CStr,
    /// `--socket`.
    pub socket: &'a CStr,
    /// `--log syslog`.
    pub to_syslog: bool,
    /// `-v`, `--verbose`.
    pub verbose: bool,
    /// `--json`, `--prometheus`.
    pub format: Format,
    /// `--alias`.
    pub aliases: Vec<Alias<'a>, ALIASES_MAX>,
    /// Only this instance; of an import, what keepalived calls this host.
    pub instance: Option<&'a str>,
}

/// The verbs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `vipd run`
    Run,
    /// `vipd check`
    Check,
    /// `vipd status`
    Status,
    /// `vipd watch`
    #[cfg(feature = "watch")]
    Watch,
    /// `vipd reload`
    Reload,
    /// `vipd release`
    Release,
    /// `vipd reclaim`
    Reclaim,
    /// `vipd --help`
    Help,
    /// `vipd --version`
    Version,
    /// `vipd import`
    #[cfg(feature = "import")]
    Import,
}

impl Verb {
    /// Its place in a set of verbs.
    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Verbs about one instance, which have to name it.
    const fn needs_instance(self) -> bool {
        matches!(self, Self::Release | Self::Reclaim)
    }

    /// Verbs about one file, which have to name it.
    const fn needs_file(self) -> bool {
        #[cfg(feature = "import")]
        if matches!(self, Self::Import) {
            return true;
        }
        false
    }
}

/// How `status` and `watch` print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object.
    Json,
    /// Prometheus' text format.
    #[cfg(feature = "prometheus")]
    Prometheus,
}

impl Command<'_> {
    /// The configuration's path, for messages.
    #[must_use]
    pub fn config_name(&self) -> &str {
        self.config.to_str().unwrap_or("configuration")
    }
}

/// Why a command line is not understood, and what to write: a sentence with a place for the word, `%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage<'a> {
    sentence: &'static str,
    word: &'a str,
}

/// These two sentences end with a list of all commands.
const NOTHING_TO_DO: &str = "say what to do: ";
const NO_COMMAND: &str = "'%' is no command: write ";

/// More aliases than there is room for.
const TOO_MANY_ALIASES: &str = "there is no room for '%': too many --alias options";

impl Usage<'_> {
    /// Hands the parts of the sentence to `put`.
    fn say(&self, put: &mut dyn FnMut(&str)) {
        match self.sentence.split_once('%') {
            Some((before, behind)) => [before, self.word, behind].into_iter().for_each(&mut *put),
            None => put(self.sentence),
        }
        if self.sentence != NOTHING_TO_DO && self.sentence != NO_COMMAND {
            return;
        }
        let mut between = "";
        for verb in VERBS.iter().filter(|verb| !verb.word.starts_with('-')) {
            put(between);
            put(verb.word);
            between = if verb.verb == Verb::Release { " or " } else { ", " };
        }
    }
}

/// Understands the words after the program's name.
///
/// # Errors
/// [`Usage`] for the first word that is not understood.
#[inline(never)] // What it fills is large, and is to be there once.
pub fn parse<'a>(words: &mut dyn Iterator<Item = &'a CStr>) -> Result<Command<'a>, Usage<'a>> {
    let word = text(words.next().ok_or(Usage { sentence: NOTHING_TO_DO, word: "" })?)?;
    let mut verbs = VERBS.iter().map(|verb| (verb.word, verb.verb)).chain(ALSO.iter().copied());
    let Some((_, verb)) = verbs.find(|(name, _)| *name == word) else {
        return Err(Usage { sentence: NO_COMMAND, word });
    };
    let mut command = Command {
        verb,
        config: if verb.needs_file() { c"" } else { c"/etc/config/vipd" },
        socket: c"/var/run/vipd.sock",
        to_syslog: false,
        verbose: false,
        format: Format::Table,
        aliases: Vec::new(),
        instance: None,
    };
    let takes_instance = verb.needs_instance() || verb == Verb::Status;
    while let Some(given) = words.next() {
        let word = text(given)?;
        let is_it = |name: &&OptionWord| [name.word, name.also].contains(&word) && name.belongs_to(verb);
        if let Some(option) = OPTIONS.iter().find(is_it) {
            command.set(option.setting, word, words)?;
        } else if takes_instance && command.instance.is_none() && !word.starts_with('-') {
            command.instance = Some(word);
        } else if verb.needs_file() && command.config.is_empty() && !word.starts_with('-') {
            command.config = given;
        } else if command.verb != Verb::Help {
            let is_option = word.starts_with('-');
            let sentence =
                if is_option { "'%' is no option here: see vipd --help" } else { "'%' is a word too many" };
            return Err(Usage { sentence, word });
        }
    }
    if verb.needs_instance() && command.instance.is_none() {
        return Err(Usage { sentence: "% which instance? see vipd status", word });
    }
    if verb.needs_file() && command.config.is_empty() {
        return Err(Usage { sentence: "% which file? mostly /etc/keepalived/keepalived.conf", word });
    }
    Ok(command)
}

impl<'a> Command<'a> {
    /// Takes an option, and the word behind it if it needs one.
    fn set(
        &mut self,
        setting: Setting,
        option: &'a str,
        words: &mut dyn Iterator<Item = &'a CStr>,
    ) -> Result<(), Usage<'a>> {
        match setting {
            Setting::Verbose => self.verbose = true,
            Setting::Format(format) => self.format = format,
            Setting::Config | Setting::Socket | Setting::Alias | Setting::Log => {
                let missing = Usage { sentence: "% needs a word after it", word: option };
                return self.set_value(setting, words.next().ok_or(missing)?);
            }
            #[cfg(feature = "import")]
            Setting::Id => {
                let missing = Usage { sentence: "% needs a word after it", word: option };
                self.instance = Some(text(words.next().ok_or(missing)?)?);
            }
        }
        Ok(())
    }

    fn set_value(&mut self, setting: Setting, value: &'a CStr) -> Result<(), Usage<'a>> {
        let word = text(value)?;
        match setting {
            Setting::Config => self.config = value,
            Setting::Socket => self.socket = value,
            Setting::Alias => {
                let alias = alias(word)?;
                self.aliases.push(alias).map_err(|_| Usage { sentence: TOO_MANY_ALIASES, word })?;
            }
            Setting::Log => {
                self.to_syslog = word == "syslog";
                if !self.to_syslog && word != "stderr" {
                    return Err(Usage { sentence: "--log '%': write stderr or syslog", word });
                }
            }
            #[cfg(feature = "import")]
            Setting::Id => {}
            Setting::Verbose | Setting::Format(_) => {}
        }
        Ok(())
    }
}

static MEMORY: Once<Memory> = Once::new(Memory::new());
static ANSWER: Once<ask::Answer> = Once::new(ask::Answer::new());

/// The program: does what the words say, and answers with the exit code.
#[must_use]
pub fn main(mut args: Args) -> i32 {
    signals::block_pipe();
    let _ = args.next();
    // By reference: it is large, and stays in the stack as long as the daemon runs.
    let exit = match &parse(&mut args) {
        Ok(command) => carry_out(command),
        Err(usage) => {
            complain_as(&|out| usage.say(&mut |part| out.text(part)));
            Exit::Usage
        }
    };
    exit as i32
}

fn carry_out(command: &Command<'_>) -> Exit {
    match command.verb {
        Verb::Run => run(command),
        Verb::Check => check(command),
        Verb::Status => status(command),
        #[cfg(feature = "watch")]
        Verb::Watch => watch::watch(command),
        Verb::Reload => reload(command),
        Verb::Release => tell(command, Request::Release),
        Verb::Reclaim => tell(command, Request::Reclaim),
        Verb::Help => print(words::help),
        Verb::Version => version(command),
        #[cfg(feature = "import")]
        Verb::Import => import::import(command),
    }
}

fn run(command: &Command<'_>) -> Exit {
    let target = if command.to_syslog { log::Target::Syslog } else { log::Target::Stderr };
    let level = if command.verbose { ::log::LevelFilter::Debug } else { ::log::LevelFilter::Info };
    log::start(target, level);
    let exit = daemon::run(&MEMORY, command);
    ::log::logger().flush();
    exit
}

/// Every problem on standard output as `FILE:LINE: sentence`, since that is what was asked for.
#[inline(never)]
fn check(command: &Command<'_>) -> Exit {
    let Some(memory) = MEMORY.take() else { return Exit::Refused };
    let scratch = memory.for_check();
    let mut out = Output::stdout();
    let name = command.config_name();
    let result = load(scratch, command, &mut |problem| {
        place(&mut out, name, problem.line, problem.severity == Severity::Warning);
        // What cannot be written is known in the end.
        let _ = writeln!(out, "{problem}");
    });
    let exit = match result {
        Ok(()) => Exit::Done,
        Err(daemon::Trouble::Wrong) => Exit::Wrong,
        Err(daemon::Trouble::Unreadable(error)) => {
            complain_of(name, &error);
            Exit::Wrong
        }
    };
    if out.finish().is_ok() { exit } else { Exit::Refused }
}

/// What stands before a problem's sentence: where it is, and that it does not matter so much.
fn place(out: &mut Output, file: &str, line: u32, is_warning: bool) {
    out.text(file);
    if line > 0 {
        out.text(":");
        out.number(line);
    }
    out.text(if is_warning { ": warning: " } else { ": " });
}

#[inline(never)]
fn status(command: &Command<'_>) -> Exit {
    let Some(answer) = ANSWER.take() else { return Exit::Refused };
    if let Err(error) = ask::status(command.socket, command.instance, answer) {
        return unreachable_daemon(command, &error);
    }
    if let Some(name) = command.instance.filter(|_| answer.records.is_empty()) {
        return unknown("", name);
    }
    print(|out| match command.format {
        Format::Table => show::table(answer, out),
        Format::Json => show::json(answer, linux::clock::time_of_day().0, out),
        #[cfg(feature = "prometheus")]
        Format::Prometheus => show::prometheus(answer, out),
    })
}

#[inline(never)]
fn reload(command: &Command<'_>) -> Exit {
    let mut is_taken = false;
    let mut file = heapless::String::new();
    let mut out = Output::stdout();
    let answer = ask::reload(command.socket, &mut |reply| match reply {
        Reply::File(name) => file = name,
        Reply::Problem { line, is_warning, text } => {
            place(&mut out, &file, line.unwrap_or(0), is_warning);
            out.text(&text);
            out.text("\n");
        }
        Reply::Reloaded(taken) => is_taken = taken,
        Reply::Record(_)
        | Reply::Track(_)
        | Reply::Stray(_)
        | Reply::Session(_)
        | Reply::Service(_)
        | Reply::Server(_)
        | Reply::Stranger(_)
        | Reply::Known(_)
        | Reply::End => {}
    });
    let _ = out.finish();
    match answer {
        Ok(()) if is_taken => Exit::Done,
        Ok(()) => {
            complain(&["the configuration is not taken; the old one goes on"]);
            Exit::Wrong
        }
        Err(error) => unreachable_daemon(command, &error),
    }
}

#[inline(never)]
fn tell<'a>(command: &Command<'a>, request: fn(&'a str) -> Request<'a>) -> Exit {
    let name = command.instance.unwrap_or("");
    match ask::tell(command.socket, request(name)) {
        Ok(true) => Exit::Done,
        Ok(false) => unknown("or group ", name),
        Err(error) => unreachable_daemon(command, &error),
    }
}

fn unknown(or_what: &str, name: &str) -> Exit {
    complain(&["there is no instance ", or_what, "'", name, "'"]);
    Exit::Wrong
}

#[inline(never)]
fn version(command: &Command<'_>) -> Exit {
    print(|out| {
        out.text(concat!("vipd ", env!("CARGO_PKG_VERSION")));
        if command.verbose {
            out.text("\nbuilt in:");
            for (feature, is_built) in FEATURES {
                if *is_built {
                    out.text(feature);
                }
            }
            for (what, size) in SIZES {
                out.text(what);
                out.number(*size as u32);
            }
        }
        out.text("\n");
    })
}

/// What `--version --verbose` tells of the build.
const FEATURES: &[(&str, bool)] = &[
    (" bfd", cfg!(feature = "bfd")),
    (" claim-hook", cfg!(feature = "claim-hook")),
    (" files", cfg!(feature = "files")),
    (" import", cfg!(feature = "import")),
    (" ipvs", cfg!(feature = "ipvs")),
    (" no-accept", cfg!(feature = "no-accept")),
    (" probe", cfg!(feature = "probe")),
    (" probe-network", cfg!(feature = "probe-network")),
    (" prometheus", cfg!(feature = "prometheus")),
    (" ra", cfg!(feature = "ra")),
    (" routes", cfg!(feature = "routes")),
    (" track-hooks", cfg!(feature = "track-hooks")),
    (" track-route", cfg!(feature = "track-route")),
    (" vmac", cfg!(feature = "vmac")),
    (" watch", cfg!(feature = "watch")),
];

const SIZES: &[(&str, usize)] = &[
    ("\nvirtual routers ", limits::VIRTUAL_ROUTERS_MAX),
    (", groups ", limits::GROUPS_MAX),
    (", interfaces ", limits::INTERFACES_MAX),
    (", addresses ", limits::ADDRESSES_MAX),
    (", peers ", limits::PEERS_MAX),
    (", tracked ", limits::TRACKS_MAX),
    (", virtual servers ", limits::VIRTUAL_SERVERS_MAX),
    (", real servers ", limits::REAL_SERVERS_MAX),
    ("\nbytes of configuration ", limits::CONFIG_BYTES_MAX),
    (", sections ", limits::SECTIONS_MAX),
    (", options ", limits::OPTIONS_MAX),
    ("\nbytes of state and buffers ", Memory::BYTES),
    (", at most ", limits::RAM_BYTES_MAX),
];

fn unreachable_daemon(command: &Command<'_>, error: &linux::Error) -> Exit {
    let socket = command.socket.to_str().unwrap_or("socket");
    complain_of(socket, error);
    if error.is_privilege() { Exit::Refused } else { Exit::Unreachable }
}

fn complain(parts: &[&str]) {
    complain_with(parts, 0);
}

fn complain_of(subject: &str, error: &linux::Error) {
    match error.errno.words() {
        Some(words) => complain(&[subject, ": ", error.call, ": ", words]),
        None => complain_with(&[subject, ": ", error.call, ": error "], error.errno.0 as u32),
    }
}

/// A number that is not 0 stands at the end.
fn complain_with(parts: &[&str], number: u32) {
    complain_as(&|out| {
        for part in parts {
            out.text(part);
        }
        if number > 0 {
            out.number(number);
        }
    });
}

fn complain_as(what: &dyn Fn(&mut Output)) {
    let mut out = Output::stderr();
    out.text("vipd: ");
    what(&mut out);
    out.text("\n");
    // There is nowhere else to say it.
    let _ = out.finish();
}

fn print(what: impl FnOnce(&mut Output)) -> Exit {
    let mut out = Output::stdout();
    what(&mut out);
    if out.finish().is_ok() { Exit::Done } else { Exit::Refused }
}

fn text(word: &CStr) -> Result<&str, Usage<'_>> {
    word.to_str().map_err(|_| Usage { sentence: "a word is not UTF-8", word: "" })
}

fn alias(word: &str) -> Result<Alias<'_>, Usage<'_>> {
    match word.split_once('=') {
        Some((name, device)) if !name.is_empty() && !device.is_empty() => Ok(Alias { name, device }),
        Some(_) | None => Err(Usage { sentence: "--alias '%': write NAME=DEVICE, as in lan=br-lan", word }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words<'a>(words: &[&'a CStr]) -> Result<Command<'a>, Usage<'a>> {
        parse(&mut words.iter().copied())
    }

    #[test]
    fn everything_has_a_default() {
        let command = parse_words(&[c"run"]).unwrap();
        assert_eq!(command.config, c"/etc/config/vipd");
        assert_eq!(command.socket, c"/var/run/vipd.sock");
        assert!(!command.to_syslog && !command.verbose);
    }

    #[test]
    fn every_option_is_understood_where_it_belongs() {
        let run = [c"run", c"-c", c"/tmp/c", c"--socket", c"/tmp/s", c"--log", c"syslog", c"-v"];
        let command = parse_words(&run).unwrap();
        assert_eq!((command.config, command.socket), (c"/tmp/c", c"/tmp/s"));
        assert!(command.to_syslog && command.verbose);
        let aliases =
            parse_words(&[c"check", c"--alias", c"lan=br-lan", c"--alias", c"wan=eth1"]).unwrap().aliases;
        assert_eq!(aliases[1], Alias { name: "wan", device: "eth1" });
        let status = parse_words(&[c"status", c"--json", c"lan"]).unwrap();
        assert_eq!((status.format, status.instance), (Format::Json, Some("lan")));
        let release = parse_words(&[c"release", c"lan", c"--socket", c"/tmp/s"]).unwrap();
        assert_eq!((release.verb, release.instance, release.socket), (Verb::Release, Some("lan"), c"/tmp/s"));
        #[cfg(feature = "import")]
        {
            let import = parse_words(&[c"import", c"-i", c"main", c"/tmp/k"]).unwrap();
            assert_eq!(
                (import.verb, import.instance, import.config),
                (Verb::Import, Some("main"), c"/tmp/k")
            );
        }
        assert_eq!(parse_words(&[c"--version", c"--verbose"]).unwrap().verb, Verb::Version);
    }

    #[test]
    fn what_is_not_understood_says_what_to_write() {
        let says = |words: &[&'static CStr]| {
            let mut all = std::string::String::new();
            parse_words(words).unwrap_err().say(&mut |part| all.push_str(part));
            all
        };
        let import = if cfg!(feature = "import") { "import, " } else { "" };
        let watch = if cfg!(feature = "watch") { "watch, " } else { "" };
        let commands = std::format!("run, check, {import}status, {watch}reload, release or reclaim");
        assert_eq!(says(&[]), std::format!("say what to do: {commands}"));
        assert_eq!(says(&[c"start"]), std::format!("'start' is no command: write {commands}"));
        assert_eq!(says(&[c"check", c"--json"]), "'--json' is no option here: see vipd --help");
        assert_eq!(says(&[c"run", c"-c"]), "-c needs a word after it");
        assert_eq!(says(&[c"run", c"--log", c"file"]), "--log 'file': write stderr or syslog");
        assert_eq!(says(&[c"run", c"--alias", c"lan"]), "--alias 'lan': write NAME=DEVICE, as in lan=br-lan");
        assert_eq!(says(&[c"status", c"a", c"b"]), "'b' is a word too many");
        #[cfg(feature = "import")]
        assert_eq!(says(&[c"import"]), "import which file? mostly /etc/keepalived/keepalived.conf");
        assert_eq!(says(&[c"release"]), "release which instance? see vipd status");
        assert_eq!(says(&[c"run", c"\xff"]), "a word is not UTF-8");
    }
}
