//! The words that a user types, described once: the parser, `--help`, the manual page and the shells' completions are
//! made of these tables.

use super::{Format, Verb};
use crate::linux::output::Output;

/// What the program is.
pub const SUMMARY: &str = "keeps a router's address alive (VRRP)";

/// A command.
#[derive(Debug)]
pub struct VerbWord {
    /// As it is typed.
    pub word: &'static str,
    /// What it is.
    pub verb: Verb,
    /// What stands behind it: `INSTANCE`, in brackets if it may be left out; empty: nothing.
    pub operand: &'static str,
    /// What it does.
    pub does: &'static str,
}

const fn verb(word: &'static str, verb: Verb, operand: &'static str, does: &'static str) -> VerbWord {
    VerbWord { word, verb, operand, does }
}

/// The commands.
pub static VERBS: &[VerbWord] = &[
    verb("run", Verb::Run, "", "take part; in the foreground, until SIGTERM"),
    verb("check", Verb::Check, "", "name everything that is wrong with the configuration, by line"),
    #[cfg(feature = "import")]
    verb(
        "import",
        Verb::Import,
        "FILE",
        "a keepalived.conf as UCI, on standard output; on standard error, by line, what has no counterpart",
    ),
    verb(
        "status",
        Verb::Status,
        "[INSTANCE]",
        "show every virtual router: state, since when and why, master, counters, and what is tracked",
    ),
    #[cfg(feature = "watch")]
    verb(
        "watch",
        Verb::Watch,
        "",
        "show transitions and the adverts of everybody on every device, as they happen",
    ),
    verb(
        "reload",
        Verb::Reload,
        "",
        "read the configuration again, as SIGHUP does; a bad one is refused and the old one goes on",
    ),
    verb(
        "release",
        Verb::Release,
        "INSTANCE|GROUP",
        "let another router be master, without a gap, or nobody after four intervals; until reclaim or a restart",
    ),
    verb("reclaim", Verb::Reclaim, "INSTANCE|GROUP", "take part again"),
    verb("--help", Verb::Help, "", "show this text"),
    verb(
        "--version",
        Verb::Version,
        "",
        "show the release; with -v what is built in, and how much room it has",
    ),
];

/// Other words for some of them.
pub(super) static ALSO: &[(&str, Verb)] = &[("-h", Verb::Help), ("help", Verb::Help), ("-V", Verb::Version)];

/// Where an option belongs, a bit for each [`Verb`].
const RUN: u16 = Verb::Run.bit();
const CHECK: u16 = Verb::Check.bit();
const STATUS: u16 = Verb::Status.bit();
const VERSION: u16 = Verb::Version.bit();
/// Verbs that talk to the daemon.
const ASKING: u16 = STATUS | WATCH | Verb::Reload.bit() | Verb::Release.bit() | Verb::Reclaim.bit();
#[cfg(feature = "watch")]
const WATCH: u16 = Verb::Watch.bit();
#[cfg(not(feature = "watch"))]
const WATCH: u16 = 0;

/// What an option sets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Setting {
    Config,
    Socket,
    Alias,
    Log,
    Verbose,
    Format(Format),
    #[cfg(feature = "import")]
    Id,
}

/// An option.
#[derive(Debug)]
pub struct OptionWord {
    /// As it is typed.
    pub word: &'static str,
    /// Another word for it; empty: none.
    pub also: &'static str,
    /// What stands behind it; empty: nothing.
    pub value: &'static str,
    /// What it does.
    pub does: &'static str,
    verbs: u16,
    pub(super) setting: Setting,
}

impl OptionWord {
    /// Whether it may stand behind `verb`.
    #[must_use]
    pub const fn belongs_to(&self, verb: Verb) -> bool {
        self.verbs & verb.bit() != 0
    }

    /// Whether it may be there more than once.
    #[must_use]
    pub const fn is_list(&self) -> bool {
        matches!(self.setting, Setting::Alias)
    }
}

/// The options.
pub static OPTIONS: &[OptionWord] = &[
    OptionWord {
        word: "-c",
        also: "",
        value: "FILE",
        does: "the configuration; /etc/config/vipd if it is not said",
        verbs: RUN | CHECK,
        setting: Setting::Config,
    },
    OptionWord {
        word: "--socket",
        also: "",
        value: "PATH",
        does: "where the daemon is to be asked; /var/run/vipd.sock if it is not said",
        verbs: RUN | ASKING,
        setting: Setting::Socket,
    },
    OptionWord {
        word: "--alias",
        also: "",
        value: "NAME=DEVICE",
        does: "what the configuration calls NAME is the device DEVICE; may be there often",
        verbs: RUN | CHECK,
        setting: Setting::Alias,
    },
    OptionWord {
        word: "--log",
        also: "",
        value: "stderr|syslog",
        does: "where the log goes; stderr if it is not said",
        verbs: RUN,
        setting: Setting::Log,
    },
    OptionWord {
        word: "-v",
        also: "--verbose",
        value: "",
        does: "say more",
        verbs: RUN | VERSION,
        setting: Setting::Verbose,
    },
    #[cfg(feature = "import")]
    OptionWord {
        word: "--id",
        also: "-i",
        value: "ID",
        does: "what keepalived calls this host, as with its own -i; the host's name if it is not said",
        verbs: Verb::Import.bit(),
        setting: Setting::Id,
    },
    OptionWord {
        word: "--json",
        also: "",
        value: "",
        does: "as JSON",
        verbs: STATUS | WATCH,
        setting: Setting::Format(Format::Json),
    },
    #[cfg(feature = "prometheus")]
    OptionWord {
        word: "--prometheus",
        also: "",
        value: "",
        does: "as Prometheus' text format, for node-exporter's textfile collector",
        verbs: STATUS,
        setting: Setting::Format(Format::Prometheus),
    },
];

/// Exit codes, and what each means.
pub const EXITS: [&str; 5] = [
    "done",
    "the configuration or the request is wrong",
    "the command line is wrong",
    "no daemon can be reached",
    "refused by the system: no privilege, or something that the kernel does not have",
];

/// The whole description, for `--help`.
pub(super) fn help(out: &mut Output) {
    for text in ["vipd ", SUMMARY, ".\n"] {
        out.text(text);
    }
    for verb in VERBS {
        out.text("\n  vipd ");
        out.text(verb.word);
        for option in OPTIONS.iter().filter(|option| option.belongs_to(verb.verb)) {
            out.text(" [");
            named(option.word, option.value, out);
            out.text(if option.is_list() { "]..." } else { "]" });
        }
        named("", verb.operand, out);
        out.text("\n      ");
        out.text(verb.does);
    }
    out.text("\n\n");
    for option in OPTIONS {
        out.text("  ");
        named(option.word, option.value, out);
        out.text("  ");
        out.text(option.does);
        out.text("\n");
    }
    out.text("\nExit codes");
    for (number, meaning) in EXITS.iter().enumerate() {
        out.text(if number == 0 { ": " } else { ", " });
        out.number(number as u32);
        out.text(" ");
        out.text(meaning);
    }
    out.text(".\n");
}

fn named(word: &str, value: &str, out: &mut Output) {
    out.text(word);
    if !value.is_empty() {
        out.text(" ");
        out.text(value);
    }
}
