//! The samples that keepalived is shipped with, as Debian installs them: each is imported, and whatever has no
//! counterpart is named by its line. `shipped.txt` says what of which; `BLESS=1` writes it anew.

use core::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Files, import_files};

/// Where they are, unless the environment knows better.
const FOLDER: &str = "/usr/share/doc/keepalived/samples";

#[test]
fn every_sample_of_keepalived_imports_or_says_exactly_why_not() {
    let folder = std::env::var_os("VIPD_KEEPALIVED_SAMPLES").map_or(PathBuf::from(FOLDER), PathBuf::from);
    let Ok(entries) = fs::read_dir(&folder) else {
        skip(&format!(
            "{} is not there: keepalived, or its documentation, is not installed",
            folder.display()
        ));
        return;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut all = String::new();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("keepalived.conf.") {
            let _ = writeln!(all, "{}", outcome(&name, &fs::read(&path).unwrap()));
        }
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/shipped.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&golden, &all).unwrap();
    }
    let golden = fs::read_to_string(golden).unwrap();
    let (is, should): (Vec<_>, Vec<_>) = (split(&all), split(&golden));
    let mut compared = 0;
    for (head, lines) in &is {
        // Another release's sample of the name: that `check` accepts what it becomes was seen.
        let Some((_, expected)) = should.iter().find(|(other, _)| other == head) else { continue };
        assert_eq!(lines, expected, "{head}");
        compared += 1;
    }
    assert!(!is.is_empty());
    if compared < should.len() {
        skip(&format!("{compared} of {} samples are those of keepalived 2.2.7", should.len()));
    }
}

/// A head with what identifies the file and what became of it; a line for each thing that is named.
fn outcome(name: &str, bytes: &[u8]) -> String {
    let imported = import_files(&Files::from([("k.conf", bytes)]), "high");
    let config = &imported.config;
    let mut text = format!(
        "== {name} ({:08x}): {} instances, {} addresses, {} groups, {} tracks, {} virtual servers, {} real ones\n",
        fingerprint(bytes),
        config.instances.len(),
        config.addresses.len(),
        config.groups.len(),
        config.tracks.len(),
        config.virtual_servers.len(),
        config.real_servers.len(),
    );
    for line in imported.said.lines() {
        text.push_str(line.strip_prefix("k.conf:").unwrap());
        text.push('\n');
    }
    assert_eq!(
        imported.left,
        Some(imported.said.lines().filter(|line| !line.contains(": note: ")).count() as u32)
    );
    text
}

fn split(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::<(&str, Vec<&str>)>::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("== ") {
            Some(head) => blocks.push((head.split_once(": ").unwrap().0, vec![line])),
            None => blocks.last_mut().unwrap().1.push(line),
        }
    }
    blocks
}

/// FNV-1a.
fn fingerprint(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Says that a test does not run; where skips are forbidden, fails.
fn skip(why: &str) {
    let forbidden = std::env::var_os("VIPD_NO_SKIPS").is_some_and(|value| value == "1");
    assert!(!forbidden, "SKIPPED: {why} (and VIPD_NO_SKIPS=1)");
    let _ = writeln!(std::io::stderr(), "SKIPPED: the samples of keepalived: {why}");
}
