//! Which row of the conformance checklist has a test that names it.
#![allow(clippy::unwrap_used, clippy::std_instead_of_core, reason = "a test has std, and fails loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Rows of rank A that have no test yet.
const NOT_YET: [&str; 0] = [];

/// Rows of VRRP and of BFD.
const ROWS: usize = 120 + 12;

/// Rank of every row, by id.
fn rows() -> BTreeMap<String, char> {
    let text = std::fs::read_to_string(format!("{ROOT}/tests/checklist/rows.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (Some(id), Some(rank)) = (cells.next(), cells.next()) else { continue };
        if is_id(id) {
            rows.insert(id.to_string(), rank.chars().next().unwrap());
        }
    }
    rows
}

fn is_id(word: &str) -> bool {
    let (family, number) = word.split_at_checked(2).unwrap_or(("", ""));
    ["TX", "RX", "TM", "ST", "AD", "MV", "BF"].contains(&family)
        && number.len() == 2
        && number.chars().all(|digit| digit.is_ascii_digit())
}

/// The ids in the names of all test functions below `folder`.
fn tested(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tested(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if let Some(name) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")) {
                    let name = name.split('(').next().unwrap();
                    if is_test {
                        found.extend(
                            name.to_uppercase().split('_').filter(|word| is_id(word)).map(String::from),
                        );
                    }
                    is_test = false;
                } else if line.starts_with("#[test]") {
                    is_test = true;
                }
            }
        }
    }
}

#[test]
fn every_row_of_rank_a_has_a_test_that_names_it() {
    let rows = rows();
    assert_eq!(rows.len(), ROWS, "the table is whole");
    let mut found = BTreeSet::new();
    tested(&Path::new(ROOT).join("src"), &mut found);
    tested(&Path::new(ROOT).join("tests"), &mut found);
    for id in &found {
        assert!(rows.contains_key(id), "{id} is no row of the checklist");
    }
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let mut missing = vec![];
    for (id, rank) in &rows {
        let excused = match rank {
            'A' => NOT_YET.contains(&id.as_str()),
            'B' => readme.contains(id.as_str()),
            _ => true,
        };
        if !found.contains(id) && !excused {
            missing.push(format!("{id} ({rank})"));
        }
    }
    println!("{} of {ROWS} rows are named by a test", found.len());
    assert!(missing.is_empty(), "rows without a test: {}", missing.join(", "));
}

/// An excuse that is no longer needed is taken away.
#[test]
fn no_row_is_excused_that_has_a_test() {
    let mut found = BTreeSet::new();
    tested(&Path::new(ROOT).join("src"), &mut found);
    tested(&Path::new(ROOT).join("tests"), &mut found);
    for id in NOT_YET {
        assert!(!found.contains(id), "{id} has a test: take it off the list");
    }
}
