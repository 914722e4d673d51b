//! What has been found so far, and what could not be.

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;

use crate::daemon::{KINDS, Kind};
use crate::harness::{Noise, Vipd, now};
use crate::intent::Intent;
use crate::plan::Plan;
use crate::table::{Row, markdown};

/// What has failed. A run of many that fails leaves figures of the others, and is a failure all the same.
static FAILED: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn fail(what: &str) {
    FAILED.lock().expect("nobody panics with it").push(what.to_owned());
}

/// Rows, pictures, and how many figures there are.
pub(crate) struct Report {
    rows: Vec<Row>,
    notes: Vec<String>,
    plots: Vec<(&'static str, String)>,
    found: u32,
    began: std::time::Duration,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new(), notes: Vec::new(), plots: Vec::new(), found: 0, began: now() }
    }

    /// Adds a row. A figure that is not there is a failure, but where the daemon is not able to.
    pub(crate) fn row(&mut self, intent: &Intent, row: Row) {
        for (kind, cell) in KINDS.into_iter().zip(&row.cells) {
            let what = format!("{}, {}", row.what, kind.name());
            let verdict = match cell {
                Some(_) => "ok",
                None if kind.is_able(intent) => "FAILED",
                None => continue,
            };
            println!("test bench {what} ... {verdict}");
            if cell.is_some() {
                self.found += 1;
            } else {
                fail(&format!("no figure: {what}"));
            }
        }
        self.rows.push(row);
    }

    /// Adds a sentence below the table.
    pub(crate) fn note(&mut self, sentence: String) {
        self.notes.push(sentence);
    }

    pub(crate) fn plot(&mut self, name: &'static str, svg: String) {
        self.plots.push((name, svg));
    }

    /// Prints the table and writes the pictures.
    pub(crate) fn finish(self, plan: &Plan) -> ExitCode {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut text = format!("{}\n{}", self.heading(), markdown(&self.rows));
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        println!("\n{text}");
        for (name, _) in &self.plots {
            let _ = write!(text, "\n![{name}]({name}.svg)\n");
        }
        self.write(&root.join("target/bench"), &text);
        if plan.publish {
            self.write(&root.join("tests/bench"), &text);
        }
        let failed = FAILED.lock().expect("nobody panics with it");
        let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
        for what in failed.iter() {
            println!("not measured: {what}");
        }
        println!("test result: {verdict}. {} passed; {} failed", self.found, failed.len());
        if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn write(&self, folder: &Path, text: &str) {
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(folder.join("results.md"), text).expect("the folder can be written");
        for (name, svg) in &self.plots {
            fs::write(folder.join(format!("{name}.svg")), svg).expect("the folder can be written");
        }
    }

    /// On what machine, with what programs, and how quiet it was.
    fn heading(&self) -> String {
        let mut text = String::from("# Side by side\n\n");
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kernel = kernel.split('-').next().unwrap_or_default().trim();
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let cpu = cpu.trim_start_matches([' ', '\t', ':']);
        let size = fs::metadata(Vipd::binary()).map_or(0, |file| file.len() / 1000);
        let stalls = Noise::observer().total(self.began, now());
        let _ = writeln!(
            text,
            "Linux {kernel}, {processors} processors ({cpu}). vipd: the static, stripped program of the board `large`, \
             {size} kB. keepalived: {}, `-n -l -G -P`, its log in a file. FRR: {}; zebra's part counts.\n\n\
             Every figure is from one run, the daemons in turn, but for system calls, memory, disk and invalid packets, \
             which are counted; `tests/bench/run` takes them again, and [limits.md](limits.md) says what the misses are made \
             of. Milliseconds where nothing else stands. The ratio is vipd's to keepalived's. Of 30 and fewer the p99 is the \
             greatest. FRR's start is that of vrrpd beside a zebra that runs. Meanwhile processors stood still for {:.2} s \
             altogether.",
            version("keepalived", "--version"),
            version("/usr/lib/frr/vrrpd", "--version"),
            stalls.as_secs_f64(),
        );
        text
    }
}

/// The first line of what a program says of itself, without what stands in brackets.
fn version(program: &str, option: &str) -> String {
    let Ok(output) = Command::new(program).arg(option).output() else { return "none".to_owned() };
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or_default();
    line.split('(').next().unwrap_or_default().trim().to_owned()
}

/// Does what may fail. What fails has said why, and has no figure.
pub(crate) fn attempt<T>(what: &str, work: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    if result.is_none() {
        eprintln!("{what}: could not be measured");
        fail(what);
    }
    result
}

/// Does it for one daemon after the other, for those that can.
pub(crate) fn for_each<T>(what: &str, intent: &Intent, mut work: impl FnMut(Kind) -> T) -> [Option<T>; 3] {
    KINDS.map(|kind| {
        let is_able = kind.is_able(intent);
        is_able.then(|| attempt(&format!("{what}, {}", kind.name()), || work(kind))).flatten()
    })
}
