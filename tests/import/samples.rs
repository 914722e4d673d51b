//! The golden files: `samples/NAME.conf` becomes `NAME.uci`, and `NAME.said` is what is said. To write them anew, run
//! the test with `BLESS=1` and read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Files, import_files};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/samples")
}

#[test]
fn every_sample_becomes_what_stands_beside_it() {
    let part = fs::read(folder().join("parts/10-first.conf")).unwrap();
    let second = fs::read(folder().join("parts/20-second.conf")).unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "conf") {
            continue;
        }
        let text = fs::read(&path).unwrap();
        let mut files = Files::from([("k.conf", text.as_slice())]);
        files.extend([("parts/20-second.conf", second.as_slice()), ("parts/10-first.conf", part.as_slice())]);
        let imported = import_files(&files, "main");
        compare(&path.with_extension("uci"), &imported.text);
        compare(&path.with_extension("said"), &imported.said);
        seen += 1;
    }
    assert_eq!(seen, 10, "a sample was added or lost");
}

fn compare(path: &Path, text: &str) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(path, text).unwrap();
    }
    let golden = fs::read_to_string(path).unwrap_or_default();
    for (number, (is, should)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(is, should, "{}:{}", path.display(), number + 1);
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "{}", path.display());
}
