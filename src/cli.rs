//! What a user types: words in, one [`Command`] out; and the exit codes.

use core::ffi::CStr;
use core::fmt::{self, Write};

use heapless::Vec;

use crate::config::schema::Alias;
use crate::daemon::{self, Memory, load};
use crate::limits;
use crate::linux::entry::Args;
use crate::linux::memory::Once;
use crate::linux::output::Output;
use crate::linux::{self, log, signals};
use crate::status::Reply;

pub mod ask;
pub mod show;

/// Aliases that one command line can hold.
const ALIASES_MAX: usize = limits::INTERFACES_MAX;

/// What `vipd --help` prints.
pub const HELP: &str = "\
vipd keeps a router's address alive (VRRP).

  vipd run    [-c FILE] [--socket PATH] [--log stderr|syslog] [--alias NAME=DEVICE]... [-v]
  vipd check  [-c FILE] [--alias NAME=DEVICE]...
  vipd status [--json|--prometheus] [--socket PATH] [INSTANCE]
  vipd reload [--socket PATH]
  vipd --help | --version [--verbose]

run     take part; in the foreground, until SIGTERM
check   name everything that is wrong with the configuration, by line
status  show every virtual router: state, since when and why, master, counters
reload  read the configuration again, as SIGHUP does; a bad one is refused and the old one goes on

-c FILE defaults to /etc/config/vipd, --socket PATH to /var/run/vipd.sock.
--alias lan=br-lan lets the configuration say `lan` where it means the device br-lan.
Exit codes: 0 done, 1 wrong configuration or request, 2 usage, 3 no daemon, 4 refused by the system.
";

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
    /// Only this instance.
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
    /// `vipd reload`
    Reload,
    /// `vipd --help`
    Help,
    /// `vipd --version`
    Version,
}

/// How `status` is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object.
    Json,
    /// Prometheus' text format.
    Prometheus,
}

impl Command<'_> {
    /// The configuration's path, for messages.
    #[must_use]
    pub fn config_name(&self) -> &str {
        self.config.to_str().unwrap_or("configuration")
    }
}

/// Why a command line is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage<'a> {
    /// Nothing was typed.
    NoVerb,
    /// There is no such verb.
    UnknownVerb(&'a str),
    /// There is no such option, or not for this verb.
    UnknownOption(&'a str),
    /// The option needs a word after it.
    NoValue(&'a str),
    /// `--log` takes `stderr` or `syslog`.
    Log(&'a str),
    /// `--alias` takes NAME=DEVICE.
    Alias(&'a str),
    /// More aliases than there is room for.
    TooManyAliases,
    /// A word too many.
    Extra(&'a str),
    /// A word that is not UTF-8.
    NotText,
}

impl fmt::Display for Usage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVerb => f.write_str("say what to do: run, check, status or reload"),
            Self::UnknownVerb(word) => {
                write!(f, "'{word}' is no command: write run, check, status or reload")
            }
            Self::UnknownOption(word) => write!(f, "'{word}' is no option here: see vipd --help"),
            Self::NoValue(word) => write!(f, "{word} needs a word after it"),
            Self::Log(word) => write!(f, "--log '{word}': write stderr or syslog"),
            Self::Alias(word) => write!(f, "--alias '{word}': write NAME=DEVICE, as in lan=br-lan"),
            Self::TooManyAliases => write!(f, "more than {ALIASES_MAX} --alias options"),
            Self::Extra(word) => write!(f, "'{word}' is a word too many"),
            Self::NotText => f.write_str("a word is not UTF-8"),
        }
    }
}

/// Understands the words after the program's name.
///
/// # Errors
/// [`Usage`] for the first word that is not understood.
pub fn parse<'a>(mut words: impl Iterator<Item = &'a CStr>) -> Result<Command<'a>, Usage<'a>> {
    let verb = text(words.next().ok_or(Usage::NoVerb)?)?;
    let mut command = Command {
        verb: match verb {
            "run" => Verb::Run,
            "check" => Verb::Check,
            "status" => Verb::Status,
            "reload" => Verb::Reload,
            "--help" | "-h" | "help" => Verb::Help,
            "--version" | "-V" => Verb::Version,
            _ => return Err(Usage::UnknownVerb(verb)),
        },
        config: c"/etc/config/vipd",
        socket: c"/var/run/vipd.sock",
        to_syslog: false,
        verbose: false,
        format: Format::Table,
        aliases: Vec::new(),
        instance: None,
    };
    while let Some(word) = words.next() {
        let option = text(word)?;
        let mut value = || words.next().ok_or(Usage::NoValue(option));
        match (option, command.verb) {
            ("-c", Verb::Run | Verb::Check) => command.config = value()?,
            ("--socket", Verb::Run | Verb::Status | Verb::Reload) => command.socket = value()?,
            ("--alias", Verb::Run | Verb::Check) => {
                let alias = parse_alias(text(value()?)?)?;
                command.aliases.push(alias).map_err(|_| Usage::TooManyAliases)?;
            }
            ("--log", Verb::Run) => {
                command.to_syslog = match text(value()?)? {
                    "syslog" => true,
                    "stderr" => false,
                    other => return Err(Usage::Log(other)),
                }
            }
            ("-v" | "--verbose", Verb::Run | Verb::Version) => command.verbose = true,
            ("--json", Verb::Status) => command.format = Format::Json,
            ("--prometheus", Verb::Status) => command.format = Format::Prometheus,
            (_, Verb::Help) => {}
            (_, Verb::Status) if command.instance.is_none() && !option.starts_with('-') => {
                command.instance = Some(option);
            }
            _ if option.starts_with('-') => return Err(Usage::UnknownOption(option)),
            _ => return Err(Usage::Extra(option)),
        }
    }
    Ok(command)
}

static MEMORY: Once<Memory> = Once::new(Memory::new());
static RECORDS: Once<ask::Records> = Once::new(ask::Records::new());

/// The program: does what the words say, and answers with the exit code.
#[must_use]
pub fn main(args: Args) -> i32 {
    signals::ignore_pipe();
    let exit = match parse(args.skip(1)) {
        Ok(command) => carry_out(&command),
        Err(usage) => {
            complain(format_args!("{usage}"));
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
        Verb::Reload => reload(command),
        Verb::Help => print(|out| out.write_str(HELP)),
        Verb::Version => version(command),
    }
}

fn run(command: &Command<'_>) -> Exit {
    let target = if command.to_syslog { log::Target::Syslog } else { log::Target::Stderr };
    let level = if command.verbose { ::log::LevelFilter::Debug } else { ::log::LevelFilter::Info };
    log::start(target, level);
    let exit = MEMORY.take().map_or(Exit::Refused, |memory| daemon::run(memory, command));
    ::log::logger().flush();
    exit
}

/// Every problem on standard output as `FILE:LINE: sentence`, since that is what was asked for.
fn check(command: &Command<'_>) -> Exit {
    let Some(memory) = MEMORY.take() else { return Exit::Refused };
    let scratch = memory.for_check();
    let mut out = Output::stdout();
    let name = command.config_name();
    let result = load(scratch, command, &mut |problem| {
        // What cannot be written is known in the end.
        let _ = writeln!(out, "{name}:{}: {}{problem}", problem.line, problem.severity.prefix());
    });
    let exit = match result {
        Ok(()) => Exit::Done,
        Err(daemon::Trouble::Wrong) => Exit::Wrong,
        Err(daemon::Trouble::Unreadable(error)) => {
            complain(format_args!("{name}: {error}"));
            Exit::Wrong
        }
    };
    if out.finish().is_ok() { exit } else { Exit::Refused }
}

fn status(command: &Command<'_>) -> Exit {
    let Some(records) = RECORDS.take() else { return Exit::Refused };
    let mut stray = show::Stray::default();
    if let Err(error) = ask::status(command.socket, command.instance, records, &mut stray) {
        return unreachable_daemon(command, &error);
    }
    if let Some(name) = command.instance.filter(|_| records.is_empty()) {
        complain(format_args!("there is no instance '{name}'"));
        return Exit::Wrong;
    }
    print(|out| match command.format {
        Format::Table => show::table(records, &stray, out),
        Format::Json => show::json(records, &stray, out),
        Format::Prometheus => show::prometheus(records, &stray, out),
    })
}

fn reload(command: &Command<'_>) -> Exit {
    let mut is_taken = false;
    let mut file = heapless::String::new();
    let mut out = Output::stdout();
    let answer = ask::reload(command.socket, &mut |reply| match reply {
        Reply::File(name) => file = name,
        Reply::Problem { line: Some(line), is_warning, text } => {
            let prefix = if is_warning { "warning: " } else { "" };
            let _ = writeln!(out, "{file}:{line}: {prefix}{text}");
        }
        Reply::Problem { line: None, text, .. } => {
            let _ = writeln!(out, "{file}: {text}");
        }
        Reply::Reloaded(taken) => is_taken = taken,
        Reply::Record(_) | Reply::Stray(_) | Reply::End => {}
    });
    let _ = out.finish();
    match answer {
        Ok(()) if is_taken => Exit::Done,
        Ok(()) => {
            complain(format_args!("the configuration is not taken; the old one goes on"));
            Exit::Wrong
        }
        Err(error) => unreachable_daemon(command, &error),
    }
}

fn version(command: &Command<'_>) -> Exit {
    print(|out| {
        writeln!(out, "vipd {}", env!("CARGO_PKG_VERSION"))?;
        if command.verbose {
            writeln!(
                out,
                "virtual routers {}, groups {}, interfaces {}, addresses {}, peers {}, tracked {}\n\
                 configuration {} bytes, {} sections, {} options\n\
                 state and buffers {} bytes, of at most {}",
                limits::VIRTUAL_ROUTERS_MAX,
                limits::GROUPS_MAX,
                limits::INTERFACES_MAX,
                limits::ADDRESSES_MAX,
                limits::PEERS_MAX,
                limits::TRACKS_MAX,
                limits::CONFIG_BYTES_MAX,
                limits::SECTIONS_MAX,
                limits::OPTIONS_MAX,
                Memory::BYTES,
                limits::RAM_BYTES_MAX,
            )?;
        }
        Ok(())
    })
}

fn unreachable_daemon(command: &Command<'_>, error: &linux::Error) -> Exit {
    complain(format_args!("{}: {error}", command.socket.to_str().unwrap_or("socket")));
    if error.is_privilege() { Exit::Refused } else { Exit::Unreachable }
}

fn complain(what: fmt::Arguments<'_>) {
    let mut out = Output::stderr();
    // There is nowhere else to say it.
    let _ = writeln!(out, "vipd: {what}");
    let _ = out.finish();
}

fn print(what: impl FnOnce(&mut Output) -> fmt::Result) -> Exit {
    let mut out = Output::stdout();
    // The first error is kept, and known in the end.
    let _ = what(&mut out);
    if out.finish().is_ok() { Exit::Done } else { Exit::Refused }
}

fn text(word: &CStr) -> Result<&str, Usage<'_>> {
    word.to_str().map_err(|_| Usage::NotText)
}

fn parse_alias(word: &str) -> Result<Alias<'_>, Usage<'_>> {
    match word.split_once('=') {
        Some((name, device)) if !name.is_empty() && !device.is_empty() => Ok(Alias { name, device }),
        Some(_) | None => Err(Usage::Alias(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words<'a>(words: &[&'a CStr]) -> Result<Command<'a>, Usage<'a>> {
        parse(words.iter().copied())
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
        assert_eq!(parse_words(&[c"--version", c"--verbose"]).unwrap().verb, Verb::Version);
    }

    #[test]
    fn what_is_not_understood_says_what_to_write() {
        let says = |words: &[&'static CStr]| std::format!("{}", parse_words(words).unwrap_err());
        assert_eq!(says(&[]), "say what to do: run, check, status or reload");
        assert_eq!(says(&[c"start"]), "'start' is no command: write run, check, status or reload");
        assert_eq!(says(&[c"check", c"--json"]), "'--json' is no option here: see vipd --help");
        assert_eq!(says(&[c"run", c"-c"]), "-c needs a word after it");
        assert_eq!(says(&[c"run", c"--log", c"file"]), "--log 'file': write stderr or syslog");
        assert_eq!(says(&[c"run", c"--alias", c"lan"]), "--alias 'lan': write NAME=DEVICE, as in lan=br-lan");
        assert_eq!(says(&[c"status", c"a", c"b"]), "'b' is a word too many");
        assert_eq!(says(&[c"run", c"\xff"]), "a word is not UTF-8");
    }
}
