//! The table: a row for every figure, a column for every daemon, and what was to be reached.

use std::fmt::Write as _;

use crate::daemon::KINDS;
use crate::figures::Figures;

/// A figure, and what else is to be known about it.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) value: f64,
    pub(crate) note: String,
}

/// What a row is to reach.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// vipd's figure is at the most this part of keepalived's.
    Ratio(f64),
    /// vipd's figure is at the most this.
    AtMost(f64),
}

/// One figure of every daemon, in the order of [`KINDS`].
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) cells: [Option<Cell>; 3],
    pub(crate) target: Option<Target>,
}

impl Cell {
    pub(crate) fn new(value: f64) -> Self {
        Self { value, note: String::new() }
    }

    /// The median, and what else is to be known of many runs; `None` without figures.
    pub(crate) fn spread(figures: &Figures) -> Option<Self> {
        let ((least, most), p99) = (figures.ends()?, figures.p99()?);
        let note = format!("{} to {}, p99 {}", number(least), number(most), number(p99));
        Some(Self::noted(figures.median()?, note))
    }

    pub(crate) fn noted(value: f64, note: String) -> Self {
        Self { value, note }
    }
}

impl Row {
    /// vipd's figure as a part of keepalived's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let [Some(ours), Some(theirs), _] = &self.cells else { return None };
        (theirs.value > f64::EPSILON).then(|| ours.value / theirs.value)
    }

    /// Whether the target is met; `None` where there is none, or no figure.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let ours = self.cells[0].as_ref()?.value;
        match self.target? {
            Target::AtMost(most) => Some(ours <= most),
            Target::Ratio(most) => match self.ratio() {
                Some(ratio) => Some(ratio <= most),
                // keepalived's is nothing, or less.
                None => self.cells[1].as_ref().map(|theirs| ours <= theirs.value),
            },
        }
    }
}

/// Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| measure |");
    for kind in KINDS {
        let _ = write!(text, " {} |", kind.name());
    }
    text.push_str(" ratio | target | |\n| --- | ---: | ---: | ---: | ---: | ---: | --- |\n");
    for row in rows {
        let _ = write!(text, "| {} |", row.what);
        for cell in &row.cells {
            match cell {
                Some(Cell { value, note }) if note.is_empty() => {
                    let _ = write!(text, " {} |", number(*value));
                }
                Some(Cell { value, note }) => {
                    let _ = write!(text, " {} ({note}) |", number(*value));
                }
                None => text.push_str(" – |"),
            }
        }
        let ratio = row.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{} ×", number(ratio)));
        let target = match row.target {
            Some(Target::Ratio(most)) => format!("≤ {} ×", number(most)),
            Some(Target::AtMost(most)) => format!("≤ {}", number(most)),
            None => String::new(),
        };
        let verdict = match row.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let _ = writeln!(text, " {ratio} | {target} | {verdict} |");
    }
    text
}

/// Three digits that count, and no more behind the point than that takes.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    let digits = match size {
        _ if size < 1e-9 => 0,
        _ if size < 0.01 => 4,
        _ if size < 0.1 => 3,
        _ if size < 10.0 => 2,
        _ if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
