//! Bugs, planted in a copy of the program, and the checker that finds each: `table.txt` names them.
//!
//! All of them are built into one copy at once, each behind a question that is answered by `VIPD_MUTANT` when a
//! simulator runs, that of routers or that of virtual servers; so one build serves all, and one bug at a time is awake. First none is, and everything must
//! pass. Then each must make its test fail, in its checker's words. A text that is not found exactly once in its
//! file fails at once, so the table cannot rot.
//!
//! ```text
//! cargo test --test mutants             all of them
//! cargo test --test mutants -- skew     those whose name contains `skew`
//! ```
#![allow(missing_docs, reason = "nobody outside sees it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is a test")]
#![allow(clippy::std_instead_of_core, clippy::alloc_instead_of_core, reason = "a test has std")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

mod table;

use table::Mutant;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What there is to be tracked.
const FEATURES: &str = "probe-network,files,track-route,track-hooks,claim-hook,vmac,bfd,ipvs";

/// The simulators. A test of another one than the first begins with its name.
const SIMULATORS: [&str; 2] = ["sim", "balance"];

/// Walks of a mutant that only a walk can find, at the most.
const WALKS: &str = "400";

/// Walks that the program as it is must survive here; `cargo test --test sim` has more.
const WALKS_OF_THE_SOUND: &str = "60";

/// The question that stands before every mutant.
const QUESTION: &str = r#"
#[doc(hidden)]
#[must_use]
pub fn mutant(number: usize) -> bool {
    extern crate std;
    static AWAKE: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    let awake = || std::env::var("VIPD_MUTANT").ok().and_then(|text| text.parse().ok());
    *AWAKE.get_or_init(awake) == Some(number)
}
"#;

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let mutants = match table::read(&fs::read_to_string(format!("{ROOT}/tests/mutants/table.txt")).unwrap()) {
        Ok(mutants) => mutants,
        Err(problem) => return give_up(&problem),
    };
    let chosen: Vec<usize> = (0..mutants.len())
        .filter(|number| filter.as_ref().is_none_or(|part| mutants[*number].name.contains(part.as_str())))
        .collect();
    println!("\nrunning {} tests", chosen.len() + 1);
    let programs = match prepare(&mutants).and_then(|tree| build(&tree)) {
        Ok(programs) => programs,
        Err(problem) => return give_up(&problem),
    };
    let mut failed = usize::from(!the_sound_one_passes(&programs, &mutants));
    if failed == 0 {
        failed = kill_all(&programs, &mutants, &chosen);
    }
    let passed = (chosen.len() + 1).saturating_sub(failed);
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn give_up(problem: &str) -> ExitCode {
    println!("{problem}\n\ntest result: FAILED. 0 passed; 1 failed");
    ExitCode::FAILURE
}

// The copy.

/// Copies what the simulators need, with every mutant in it.
fn prepare(mutants: &[Mutant]) -> Result<PathBuf, String> {
    let tree = Path::new(ROOT).join("target/mutants/tree");
    let mut files = BTreeMap::new();
    for name in ["Cargo.toml", "Cargo.lock"] {
        files.insert(PathBuf::from(name), fs::read_to_string(Path::new(ROOT).join(name)).unwrap());
    }
    for folder in ["src", "examples", "tests/sim", "tests/balance"] {
        gather(Path::new(folder), &mut files);
    }
    for (number, mutant) in mutants.iter().enumerate() {
        let text = files.get_mut(Path::new(&mutant.file)).ok_or(format!("{}: no such file", mutant.file))?;
        *text = plant(mutant, number, text)?;
    }
    for (path, text) in &mut files {
        // While the program is being built nobody can answer. Statics are made then.
        if ["src/vrrp", "src/router", "src/ipvs"].iter().any(|folder| path.starts_with(folder))
            || path.ends_with("router.rs")
        {
            let lines = text.split_inclusive('\n');
            let is_maker = |line: &str| line.contains("const fn new(");
            *text =
                lines.map(|it| if is_maker(it) { it.into() } else { it.replace("const fn", "fn") }).collect();
        }
        if path.ends_with("lib.rs") {
            text.push_str(QUESTION);
        }
    }
    for (path, text) in &files {
        let path = tree.join(path);
        // What has not changed keeps its time, and is not built again.
        if fs::read_to_string(&path).ok().as_ref() != Some(text) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
    }
    Ok(tree)
}

fn gather(folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = folder.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            gather(&path, files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.insert(path, text);
        }
    }
}

/// Puts a mutant beside the text that it replaces, behind the question whether it is awake.
fn plant(mutant: &Mutant, number: usize, text: &str) -> Result<String, String> {
    let Mutant { name, file, original, replacement, .. } = mutant;
    let found = text.matches(original.as_str()).count();
    if found != 1 {
        return Err(format!(
            "mutant {name}: its text is {found} times in {file}; look at the table\n{original}"
        ));
    }
    let krate = if file.starts_with("src/") { "crate" } else { "vipd" };
    let question = format!("{krate}::mutant({number})");
    let both = match replacement.contains("MUTANT") {
        true => replacement.replace("MUTANT", &question),
        false => format!("if {question} {{ {replacement} }} else {{ {original} }}"),
    };
    Ok(text.replacen(original.as_str(), &both, 1))
}

/// Builds the simulators of the copy and says where they are.
fn build(tree: &Path) -> Result<[PathBuf; SIMULATORS.len()], String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--no-run", "--no-default-features", "--features", FEATURES, "--color", "never"])
        .args(SIMULATORS.iter().flat_map(|simulator| ["--test", simulator]))
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", Path::new(ROOT).join("target/mutants/build"))
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let place_of = |simulator: &str| {
        let line = format!("Executable tests/{simulator}/main.rs (");
        let place = said.lines().find_map(|it| it.trim().strip_prefix(&line))?.trim_end_matches(')');
        Some(Path::new(ROOT).join("target/mutants/build").join(place.trim_start_matches("target/")))
    };
    let programs = SIMULATORS.map(place_of);
    match programs {
        [Some(routers), Some(balance)] if output.status.success() => Ok([routers, balance]),
        _ => Err(format!("the copy does not build:\n{said}")),
    }
}

// The hunt.

/// Runs one test of the copy; `awake` is the mutant, if one is to be. Whether it passed, and what it said.
fn run(programs: &[PathBuf], test: &str, awake: Option<usize>, walks: &str) -> (bool, String) {
    let its = |simulator: &&str| test.strip_prefix(simulator).is_some_and(|rest| rest.starts_with("::"));
    let place = SIMULATORS.iter().skip(1).position(|simulator| its(&simulator)).map_or(0, |place| place + 1);
    let test = if place == 0 { test } else { test.split_once("::").map_or(test, |(_, rest)| rest) };
    let mut command = Command::new(&programs[place]);
    command.args([test, "--exact", "--test-threads=1"]).current_dir(ROOT);
    command.env("VIPD_SIM_RUNS", walks).env("VIPD_SIM_HASTE", "1").env("RUST_BACKTRACE", "0");
    command.env("VIPD_BALANCE_SEEDS", walks).env_remove("VIPD_BALANCE_SEED");
    command.env_remove("VIPD_SIM_SEED").env_remove("VIPD_SIM_KEEP").env_remove("VIPD_MUTANT");
    if let Some(number) = awake {
        command.env("VIPD_MUTANT", number.to_string());
    }
    let output = command.output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned()).concat();
    let is_run = said.contains("running 1 test");
    (output.status.success() && is_run, said)
}

/// With no mutant awake, every test of the table passes.
fn the_sound_one_passes(programs: &[PathBuf], mutants: &[Mutant]) -> bool {
    let mut tests: Vec<&str> = mutants.iter().map(|mutant| &*mutant.test).collect();
    tests.sort_unstable();
    tests.dedup();
    let began = Instant::now();
    for test in tests {
        let (passed, said) = run(programs, test, None, WALKS_OF_THE_SOUND);
        if !passed {
            println!("test the_program_as_it_is_passes ... FAILED\n{test}:\n{said}");
            return false;
        }
    }
    println!("test the_program_as_it_is_passes ... ok ({:.1} s)", began.elapsed().as_secs_f64());
    true
}

/// Wakes one after another, on every processor; how many survived.
fn kill_all(programs: &[PathBuf], mutants: &[Mutant], chosen: &[usize]) -> usize {
    let (next, survivors, screen) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&number) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mutant = &mutants[number];
                    let began = Instant::now();
                    let (passed, said) = run(programs, &mutant.test, Some(number), WALKS);
                    let is_killed = !passed && mutant.words.split(" | ").any(|words| said.contains(words));
                    let verdict = if is_killed { "ok" } else { "FAILED" };
                    let seconds = began.elapsed().as_secs_f64();
                    let _screen = screen.lock().unwrap();
                    println!(
                        "test {}_is_killed_by_{} ... {verdict} ({seconds:.1} s)",
                        mutant.name,
                        mutant.killer()
                    );
                    if !is_killed {
                        survivors.fetch_add(1, Ordering::Relaxed);
                        println!("    wanted: {} in {}\n{said}", mutant.words, mutant.test);
                    }
                }
            });
        }
    });
    survivors.into_inner()
}
