//! Both answers side by side, and where they may differ.

use vipd::config::uci::ErrorKind;

use crate::answer::{Answer, Section};
use crate::libuci;
use crate::ours::{Ours, Reader};

/// Where we differ from the oracle, and why.
///
/// | licence | the oracle | we |
/// | --- | --- | --- |
/// | [`ZeroByte`](Self::ZeroByte) | a zero byte cuts its line short: what follows is lost, or the next line is joined | refuse the file, since nothing may be dropped in silence |
/// | [`Capacity`](Self::Capacity) | grows | refuse what does not fit the build's tables |
/// | [`LastLine`](Self::LastLine) | does not count a last line without a newline: a mistake there is said to be in the line above | count it, as editors do |
/// | [`ThirdOpening`](Self::ThirdOpening) | (the version of 2021) loses a section that is opened for a third time, and says that there is none | go on with the section, as libuci does now |
/// | [`Order`](Self::Order) | (the version of 2021) moves an option that is set again to the end | leave it in its place, as libuci does now |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Licence {
    ZeroByte,
    Capacity,
    LastLine,
    ThirdOpening,
    Order,
}

/// What a comparison found.
pub type Verdict = Result<(Answer, Option<Licence>), String>;

/// Compares the answers to one document, and returns ours.
///
/// # Errors
/// Both answers, if they differ without a licence.
pub fn compare(reader: &mut Reader, text: &[u8]) -> Verdict {
    let ours = reader.ask(text);
    match ours.error.map(|error| error.kind) {
        Some(ErrorKind::ZeroByte) => return above_the_zero(reader, text, ours),
        Some(ErrorKind::TooLong | ErrorKind::TooManySections | ErrorKind::TooManyOptions) => {
            return Ok((ours.answer, Some(Licence::Capacity)));
        }
        Some(_) | None => {}
    }
    let theirs = libuci::ask(text);
    let licence = match (&ours.answer, &theirs) {
        (Answer::Accepted(us), Answer::Accepted(them)) => {
            if us == them {
                return Ok((ours.answer, None));
            }
            (sorted(us) == sorted(them) && reader.sets_again(text)).then_some(Licence::Order)
        }
        (Answer::Refused { line, reason }, Answer::Refused { line: their_line, reason: words })
            if reason_of(words) == reason =>
        {
            if line == their_line {
                return Ok((ours.answer, None));
            }
            let is_in_the_last = *line == 1 + newlines(text) && !text.ends_with(b"\n");
            (is_in_the_last && *line == their_line + 1).then_some(Licence::LastLine)
        }
        (ours, Answer::Refused { line, reason }) if reason.starts_with("option/list") => {
            // Up to there we have found nothing wrong either.
            let goes_on = match ours {
                Answer::Accepted(_) => true,
                Answer::Refused { line: our_line, .. } => our_line >= line,
            };
            (goes_on && has_section(reader, text, *line)).then_some(Licence::ThirdOpening)
        }
        (_, _) => None,
    };
    match licence {
        Some(licence) => Ok((ours.answer, Some(licence))),
        None => Err(format!("libuci: {}\n  ours: {}", show(&theirs), show(&ours.answer))),
    }
}

/// In the lines above the first zero byte there is nothing to differ about.
fn above_the_zero(reader: &mut Reader, text: &[u8], ours: Ours) -> Verdict {
    let zero = text.iter().position(|byte| *byte == 0).unwrap_or(0);
    let line = 1 + newlines(&text[..zero]);
    if ours.error.is_none_or(|error| error.line != line) {
        return Err(format!("a zero byte in line {line}, and ours: {}", show(&ours.answer)));
    }
    compare(reader, above(text, line))?;
    Ok((ours.answer, Some(Licence::ZeroByte)))
}

/// Whether a section is open somewhere above that line.
fn has_section(reader: &mut Reader, text: &[u8], line: u32) -> bool {
    (1..=line).any(|line| match reader.ask(above(text, line)).answer {
        Answer::Accepted(sections) => !sections.is_empty(),
        Answer::Refused { .. } => false,
    })
}

/// libuci has other words for what is missing where the file ends behind the keyword.
fn reason_of(words: &str) -> &str {
    match words {
        "package without name" | "config without name" | "option without name" => "insufficient arguments",
        other => other,
    }
}

/// The lines above a line, which is counted from 1.
fn above(text: &[u8], line: u32) -> &[u8] {
    let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let end = [0].into_iter().chain(ends).nth(line.saturating_sub(1) as usize);
    &text[..end.unwrap_or(text.len())]
}

fn newlines(text: &[u8]) -> u32 {
    text.iter().filter(|byte| **byte == b'\n').count() as u32
}

fn sorted(sections: &[Section]) -> Vec<Section> {
    let mut sections = sections.to_vec();
    for section in &mut sections {
        section.options.sort();
    }
    sections
}

fn show(answer: &Answer) -> String {
    use crate::answer::Value;
    match answer {
        Answer::Refused { line, reason } => format!("refused, line {line}: {reason}"),
        Answer::Accepted(sections) => {
            let mut text = String::from("accepted");
            for section in sections {
                let name = section.name.escape_ascii();
                text += &format!("\n    {} {name}", section.kind.escape_ascii());
                for option in &section.options {
                    let value = match &option.value {
                        Value::One(value) => format!("= '{}'", value.escape_ascii()),
                        Value::List(items) => {
                            let items: Vec<_> =
                                items.iter().map(|item| format!("'{}'", item.escape_ascii())).collect();
                            format!("= [{}]", items.join(", "))
                        }
                    };
                    text += &format!("\n        {} {value}", option.name.escape_ascii());
                }
            }
            text
        }
    }
}
