//! What a user types: words in, one [`Command`] out; and the exit codes.

use core::ffi::CStr;
use core::fmt;

use heapless::Vec;

use crate::config::schema::Alias;

pub mod ask;
pub mod show;

/// Aliases that one command line can hold.
const ALIASES_MAX: usize = crate::limits::INTERFACES_MAX;

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
            Self::UnknownVerb(word) => write!(f, "'{word}' is no command: write run, check, status or reload"),
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
        let aliases = parse_words(&[c"check", c"--alias", c"lan=br-lan", c"--alias", c"wan=eth1"]).unwrap().aliases;
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
