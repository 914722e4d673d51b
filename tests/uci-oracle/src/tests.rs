use std::collections::BTreeMap;
use std::path::Path;

use crate::answer::Answer;
use crate::compare::{Licence, compare};
use crate::generator::document;
use crate::libuci;
use crate::minimise::minimise;
use crate::ours::Reader;

/// Documents of one range of seeds, if `VIPD_ORACLE_RUNS` does not say.
const RUNS: u64 = 100_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// How often each answer was given, and each licence taken.
#[derive(Default, Debug)]
struct Tally {
    answers: BTreeMap<String, u32>,
    licences: BTreeMap<Licence, u32>,
}

fn check(reader: &mut Reader, text: &[u8], from: &str, tally: &mut Tally) {
    match compare(reader, text) {
        Ok((answer, licence)) => {
            let answer = match answer {
                Answer::Accepted(_) => "accepted".into(),
                Answer::Refused { reason, .. } => reason,
            };
            *tally.answers.entry(answer).or_default() += 1;
            if let Some(licence) = licence {
                *tally.licences.entry(licence).or_default() += 1;
            }
        }
        Err(_) => {
            let smallest = minimise(text, &mut |text| compare(reader, text).is_err());
            let what = compare(reader, &smallest).err().unwrap_or_default();
            panic!("{from}, made small: \"{}\"\n{what}", smallest.escape_ascii());
        }
    }
}

#[test]
fn libuci_and_we_read_every_document_alike() {
    let runs = number("VIPD_ORACLE_RUNS").unwrap_or(RUNS);
    let mut reader = Reader::default();
    let mut tally = Tally::default();
    for first in [0].into_iter().chain(number("VIPD_ORACLE_SEED")) {
        for seed in first..first + runs {
            let from = format!("VIPD_ORACLE_RUNS=1 VIPD_ORACLE_SEED={seed}");
            check(&mut reader, &document(seed), &from, &mut tally);
        }
    }
    println!("{tally:#?}");
    // Both kinds of documents, and every mistake that there is.
    if runs >= RUNS {
        let total: u32 = tally.answers.values().sum();
        let accepted = tally.answers["accepted"];
        assert!((total / 4..total / 4 * 3).contains(&accepted), "{accepted} of {total} are accepted");
        assert_eq!(tally.answers.len(), 11, "{:?}", tally.answers);
        assert!(tally.answers.values().all(|count| *count >= total / 1000), "{:?}", tally.answers);
        // A licence is for what is rare, or it would hide what is not.
        assert!(tally.licences.values().all(|count| *count <= total / 20), "{:?}", tally.licences);
    }
}

/// What coverage has led the fuzzer to, and the files of the other tests.
#[test]
fn libuci_and_we_read_every_file_of_the_repository_alike() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut tally = Tally::default();
    let mut reader = Reader::default();
    for folder in ["fuzz/corpus/uci", "fuzz/corpus/config", "tests/config", "tests/config/problems"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"))
        {
            let path = entry.unwrap().path();
            if path.is_file() {
                let text = std::fs::read(&path).unwrap();
                check(&mut reader, &text, &path.display().to_string(), &mut tally);
            }
        }
    }
    assert!(tally.answers.values().sum::<u32>() > 30, "{tally:?}");
}

#[test]
fn a_document_that_differs_is_made_small() {
    let text = b"config foo bar\noption a 'b'\noption c d;option e f\nlist g h\n";
    let smallest = minimise(text, &mut |text| text.windows(3).any(|three| three == b"d;o"));
    assert_eq!(smallest, b"d;o");
    let plain = minimise(text, &mut |text| text.len() > 3);
    assert_eq!(plain, b"aaaa");
}

/// The oracle is the real thing: what is known of libuci, it says.
#[test]
fn the_oracle_answers_as_the_uci_program_does() {
    let refused = |text: &str, line: u32, reason: &str| {
        assert_eq!(libuci::ask(text.as_bytes()), Answer::Refused { line, reason: reason.into() }, "{text}");
    };
    refused("config foo\nnonsense\n", 2, "invalid command");
    refused("config foo\noption a 'x", 1, "EOF with unterminated '");
    refused("c a b\nc a b\nc a b\no c d\n", 4, "option/list command found before the first section");
    let Answer::Accepted(sections) = libuci::ask(b"config foo\n\toption a \"b\"\n") else {
        panic!("it is refused")
    };
    assert_eq!(sections[0].name, b"cfg017389");
    assert!(sections[0].is_anonymous);
}
