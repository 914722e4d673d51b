//! Writes `doc/vipd.8` and the completions beside it; with `--check`, says whether they are as it would write them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};
use clap_complete::{Shell, generate};
use vipd::cli::words::{EXITS, OPTIONS, SUMMARY, VERBS, VerbWord};

/// What stands behind the description of every command in the manual page, which the table does not have.
const SECTIONS: &str = r#".SH FILES
.TP
\fI/etc/config/vipd\fR
The configuration: sections and options in UCI's grammar, with the words of keepalived. README.md describes them.
.TP
\fI/var/run/vipd.sock\fR
Where the daemon is asked, by root and by its own user.
.SH SIGNALS
.TP
SIGHUP
The configuration is read again; a bad one is refused, and the old one goes on.
.TP
SIGTERM, SIGINT
The router resigns, gives its addresses up and ends.
.SH STANDARDS
RFC 9568 and RFC 5798 (VRRP version 3), RFC 3768 (version 2), RFC 2338 section 5.3.6.2 (simple text passwords).
.SH SEE ALSO
.BR ip (8),
.BR keepalived (8)
"#;

fn main() -> ExitCode {
    let doc = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let is_check = std::env::args().any(|word| word == "--check");
    let mut code = ExitCode::SUCCESS;
    for (name, text) in files() {
        let path: PathBuf = doc.join(name);
        if !is_check {
            fs::write(&path, text).expect("doc/ can be written");
        } else if fs::read_to_string(&path).ok() != Some(text) {
            eprintln!(
                "doc/{name} is not what doc/generate writes: cargo run --manifest-path doc/generate/Cargo.toml"
            );
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn files() -> [(&'static str, String); 4] {
    let completion = |shell: Shell| {
        let mut text = Vec::new();
        generate(shell, &mut program(), "vipd", &mut text);
        String::from_utf8(text).expect("shells read text")
    };
    [
        ("vipd.8", manual()),
        ("vipd.bash", completion(Shell::Bash)),
        ("_vipd", completion(Shell::Zsh)),
        ("vipd.fish", completion(Shell::Fish)),
    ]
}

/// The verbs that are no options in disguise.
fn verbs() -> impl Iterator<Item = &'static VerbWord> {
    VERBS.iter().filter(|verb| !verb.word.starts_with('-'))
}

fn program() -> Command {
    let mut program = Command::new("vipd").about(SUMMARY).version(env!("CARGO_PKG_VERSION"));
    program = program.disable_help_subcommand(true);
    for verb in verbs() {
        let mut command = Command::new(verb.word).about(verb.does).disable_help_flag(true);
        for option in OPTIONS.iter().filter(|option| option.belongs_to(verb.verb)) {
            let long = [option.word, option.also].into_iter().find_map(|word| word.strip_prefix("--"));
            let short = [option.word, option.also].into_iter().find(|word| word.len() == 2);
            let mut arg = Arg::new(option.word).help(option.does).action(match option.value {
                "" => ActionOf::Flag.action(),
                _ if option.is_list() => ActionOf::Append.action(),
                _ => ActionOf::Set.action(),
            });
            if let Some(long) = long {
                arg = arg.long(long);
            }
            if let Some(short) = short.and_then(|word| word.chars().nth(1)) {
                arg = arg.short(short);
            }
            if !option.value.is_empty() {
                arg = arg.value_name(option.value).value_hint(match option.value {
                    "FILE" | "PATH" => clap::ValueHint::FilePath,
                    _ => clap::ValueHint::Other,
                });
            }
            if option.value.contains('|') {
                arg = arg.value_parser(option.value.split('|').collect::<Vec<_>>());
            }
            command = command.arg(arg);
        }
        if !verb.operand.is_empty() {
            let name = verb.operand.trim_matches(['[', ']']);
            let mut arg = Arg::new(name).required(!verb.operand.starts_with('['));
            if name == "FILE" {
                arg = arg.value_hint(clap::ValueHint::FilePath);
            }
            command = command.arg(arg);
        }
        program = program.subcommand(command);
    }
    program
}

enum ActionOf {
    Flag,
    Set,
    Append,
}

impl ActionOf {
    const fn action(&self) -> ArgAction {
        match self {
            Self::Flag => ArgAction::SetTrue,
            Self::Set => ArgAction::Set,
            Self::Append => ArgAction::Append,
        }
    }
}

fn manual() -> String {
    let man = clap_mangen::Man::new(program()).section("8").manual("vipd").date("").source("vipd");
    let mut text = Vec::new();
    let done = man.render_title(&mut text).and_then(|()| man.render_name_section(&mut text));
    done.expect("a vector takes everything");
    let mut text = String::from_utf8(text).expect("roff is text");
    text.push_str(".SH SYNOPSIS\n");
    for verb in VERBS {
        let _ = write!(text, ".B vipd {}\n", escaped(verb.word));
        for option in OPTIONS.iter().filter(|option| option.belongs_to(verb.verb)) {
            let more = if option.is_list() { "..." } else { "" };
            let _ = match option.value {
                "" => writeln!(text, "[\\fB{}\\fR]{more}", escaped(option.word)),
                value => writeln!(text, "[\\fB{}\\fR \\fI{value}\\fR]{more}", escaped(option.word)),
            };
        }
        if !verb.operand.is_empty() {
            let _ = writeln!(text, "\\fI{}\\fR", verb.operand);
        }
        text.push_str(".br\n");
    }
    text.push_str(".SH COMMANDS\n");
    for verb in VERBS {
        let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{}.", escaped(verb.word), escaped(&sentence(verb.does)));
    }
    text.push_str(".SH OPTIONS\n");
    for option in OPTIONS {
        let also = if option.also.is_empty() { String::new() } else { format!(", {}", option.also) };
        let word = escaped(&format!("{}{also}", option.word));
        let does = escaped(&sentence(option.does));
        let _ = writeln!(text, ".TP\n\\fB{word}\\fR \\fI{}\\fR\n{does}.", option.value);
    }
    text.push_str(".SH EXIT STATUS\n");
    for (number, meaning) in EXITS.iter().enumerate() {
        let _ = writeln!(text, ".TP\n{number}\n{}.", escaped(&sentence(meaning)));
    }
    text + SECTIONS
}

/// A text as a sentence begins.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// roff takes a bare minus for a hyphen.
fn escaped(text: &str) -> String {
    text.replace('-', "\\-")
}
