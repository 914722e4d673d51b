//! The golden files: `problems/*.uci` are configurations with mistakes, and behind each line stands, as a
//! comment, what must be said of it: `#! ` before an error, `#? ` before a warning. To write them anew
//! after a change of wording, run the test with `BLESS=1` and read the difference.

use std::fs;
use std::path::Path;

use vipd::config::problem::Severity;

use super::{Reported, read};

#[test]
fn every_mistake_is_reported_on_its_line_with_what_to_write_instead() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/problems");
    let bless = std::env::var_os("BLESS").is_some();
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let golden = fs::read_to_string(&path).unwrap();
        let bare = strip(&golden);
        let (_, _, reported) = read(&bare, &[]);
        let annotated = annotate(&bare, &reported);
        if bless {
            fs::write(&path, &annotated).unwrap();
        }
        let expected = if bless { &annotated } else { &golden };
        for (number, (is, should)) in annotated.lines().zip(expected.lines()).enumerate() {
            assert_eq!(is, should, "{}:{}", path.display(), number + 1);
        }
        seen += 1;
    }
    assert_eq!(seen, 26, "a golden file was added or lost");
}

fn strip(golden: &str) -> String {
    let mut bare = String::new();
    for line in golden.lines() {
        let end = line.find(" #! ").or(line.find(" #? ")).unwrap_or(line.len());
        let end = end.min(line.find(" #? ").unwrap_or(end));
        bare.push_str(&line[..end]);
        bare.push('\n');
    }
    bare
}

fn annotate(bare: &str, reported: &[Reported]) -> String {
    let mut annotated = String::new();
    for (number, line) in (1..).zip(bare.lines()) {
        annotated.push_str(line);
        for problem in reported.iter().filter(|problem| problem.line == number) {
            annotated.push_str(match problem.severity {
                Severity::Error => " #! ",
                Severity::Warning => " #? ",
            });
            annotated.push_str(&problem.sentence);
        }
        annotated.push('\n');
    }
    let lines = bare.lines().count() as u32;
    for problem in reported {
        assert!((1..=lines).contains(&problem.line), "{problem:?}");
    }
    annotated
}
