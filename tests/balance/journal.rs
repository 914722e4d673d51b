//! What the program has said, for each test by itself.

use core::cell::RefCell;

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(vec![]) };
}

struct Journal;

impl log::Log for Journal {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push(format!("{}: {}", record.level(), record.args())));
    }

    fn flush(&self) {}
}

/// Begins anew.
pub fn open() {
    static JOURNAL: Journal = Journal;
    // A second test of the same process finds it set.
    let _ = log::set_logger(&JOURNAL);
    log::set_max_level(log::LevelFilter::Trace);
    LINES.with_borrow_mut(Vec::clear);
}

/// How many lines contain this.
pub fn count(part: &str) -> usize {
    LINES.with_borrow(|lines| lines.iter().filter(|line| line.contains(part)).count())
}

/// The last lines.
pub fn whole() -> String {
    LINES.with_borrow(|lines| lines[lines.len().saturating_sub(40)..].join("\n"))
}
