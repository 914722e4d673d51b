//! What the daemons take of the disk: their programs, and the libraries that these load.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::daemon::Kind;
use crate::harness::{Vipd, program};
use crate::intent::Intent;
use crate::plan::Plan;
use crate::report::{Report, for_each};
use crate::table::{Cell, Row};

/// kB.
struct Disk {
    programs: f64,
    closure: f64,
    libraries: usize,
}

pub(crate) fn measure(_: &Plan, report: &mut Report) {
    let any = Intent::one(std::time::Duration::from_secs(1));
    let disks = for_each("disk", &any, weigh);
    let mut row = |what: &str, cell: fn(&Disk) -> Cell| {
        let cells = disks.each_ref().map(|disk| disk.as_ref().map(cell));
        report.row(&any, Row { what: what.to_owned(), cells, target: None });
    };
    row("on disk, kB: the programs that run", |disk| Cell::new(disk.programs));
    row("on disk, kB: with the libraries that they load", |disk| {
        Cell::noted(disk.closure, format!("{} libraries", disk.libraries))
    });
}

fn weigh(kind: Kind) -> Disk {
    let programs = match kind {
        Kind::Vipd => vec![Vipd::binary()],
        Kind::Keepalived => vec![program("keepalived").expect("it is installed")],
        Kind::Frr => ["zebra", "vrrpd"].map(|name| program(name).expect("it is installed")).to_vec(),
    };
    let libraries: BTreeSet<_> = programs.iter().flat_map(|program| libraries(program)).collect();
    let size = |path: &PathBuf| fs::metadata(path).expect("it is there").len() as f64 / 1000.0;
    let own: f64 = programs.iter().map(size).sum();
    Disk { programs: own, closure: own + libraries.iter().map(size).sum::<f64>(), libraries: libraries.len() }
}

/// `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f…)`, and the loader without an arrow. What the kernel maps has no
/// path.
fn libraries(program: &Path) -> BTreeSet<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd is installed");
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if text.contains("not a dynamic executable") || text.contains("statically linked") {
        return BTreeSet::new();
    }
    assert!(output.status.success() && !text.contains("not found"), "{}: {text}", program.display());
    let words = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    // Two names of one file are one.
    words.map(|path| fs::canonicalize(path).expect("the loader has found it")).collect()
}
