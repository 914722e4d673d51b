//! Pictures, drawn as text: SVG that follows the reader's light or dark.

use std::fmt::Write as _;

use crate::daemon::{KINDS, Kind};
use crate::figures::Figures;
use crate::table::number;

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 28.0;
/// Where bars and strips begin, and how long the longest is.
const LEFT: f64 = 190.0;
const LONGEST: f64 = 440.0;
const ROW: f64 = 22.0;
/// How high lines climb.
const TALLEST: f64 = 240.0;

const STYLE: &str = r#"
svg { color-scheme: light dark }
text { font: 13px system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.small { font-size: 12px; fill: #57606a }
.strong { font-weight: 600 }
.end { text-anchor: end }
.middle { text-anchor: middle }
.card { fill: #ffffff; stroke: #d0d7de }
.grid { stroke: #d8dee4 }
.dot { fill-opacity: .45 }
.vipd { color: #d4572a; fill: currentColor }
.keepalived { color: #2c66b0; fill: currentColor }
.FRR { color: #86a9d4; fill: currentColor }
.line { fill: none; stroke: currentColor; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.small { fill: #9198a1 }
.card { fill: #151b23; stroke: #3d444d }
.grid { stroke: #2f3742 }
.vipd { color: #f0834f }
.keepalived { color: #5c9df0 }
.FRR { color: #3a649a }
}
"#;

/// What is drawn so far, and how far down.
struct Drawing {
    body: String,
    y: f64,
}

impl Drawing {
    fn new(title: &str) -> Self {
        let mut drawing = Self { body: String::new(), y: MARGIN };
        drawing.text(LEFT, MARGIN + 6.0, "title", title);
        drawing.y += 26.0;
        drawing
    }

    fn text(&mut self, x: f64, y: f64, class: &str, words: &str) {
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(self.body, r#"<text x="{x:.1}" y="{y:.1}" class="{class}">{words}</text>"#);
    }

    /// The names before a row: that of its group at the first row of it, and its daemon's.
    fn name(&mut self, kind: Kind) {
        let class = if kind == Kind::Vipd { "end strong" } else { "end" };
        self.text(LEFT - 10.0, self.y + ROW / 2.0 + 4.5, class, kind.name());
    }

    fn group(&mut self, name: &str) {
        self.text(MARGIN, self.y + ROW / 2.0 + 4.5, "small", name);
    }

    fn finish(self, description: &str) -> String {
        let height = self.y + MARGIN - 6.0;
        let description = description.replace('&', "&amp;").replace('"', "'");
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
             height=\"{height:.0}\" role=\"img\" aria-label=\"{description}\">\n<style>{STYLE}</style>\n\
             <rect x=\".5\" y=\".5\" width=\"{}\" height=\"{:.0}\" rx=\"8\" class=\"card\"/>\n{}</svg>\n",
            WIDTH - 1.0,
            height - 1.0,
            self.body
        )
    }
}

/// A bar for every daemon, in groups, each group on a scale of its own.
pub(crate) struct Bars {
    title: String,
    drawing: Drawing,
}

impl Bars {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), drawing: Drawing::new(title) }
    }

    pub(crate) fn group(&mut self, name: &str, values: [Option<f64>; 3]) {
        let most = values.iter().flatten().fold(f64::MIN_POSITIVE, |most, value| most.max(*value));
        self.drawing.group(name);
        for (kind, value) in KINDS.into_iter().zip(values) {
            let Some(value) = value else { continue };
            self.drawing.name(kind);
            let (y, width) = (self.drawing.y + 4.0, (value / most * LONGEST).max(1.0));
            let class = kind.name();
            let _ = writeln!(
                self.drawing.body,
                r#"<rect x="{LEFT}" y="{y:.1}" width="{width:.1}" height="14" class="{class}"/>"#
            );
            let words = number(value);
            self.drawing.text(LEFT + width + 7.0, self.drawing.y + ROW / 2.0 + 4.5, "", &words);
            self.drawing.y += ROW;
        }
        self.drawing.y += 10.0;
    }

    pub(crate) fn svg(self) -> String {
        self.drawing.finish(&self.title)
    }
}

/// A row of dots for every daemon, one for each run, on one scale of powers of ten.
pub(crate) struct Strips {
    title: String,
    groups: Vec<(String, [Figures; 3])>,
}

impl Strips {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), groups: Vec::new() }
    }

    pub(crate) fn group(&mut self, name: &str, figures: &[Figures; 3]) {
        self.groups.push((name.to_owned(), figures.clone()));
    }

    pub(crate) fn svg(self) -> String {
        let mut drawing = Drawing::new(&self.title);
        let all = self.groups.iter().flat_map(|(_, kinds)| kinds).flat_map(Figures::all);
        // One is always on it.
        let powers = Powers::of(all.copied().chain([1.0]));
        let place = |value: f64| LEFT + powers.part(value) * LONGEST;
        let top = drawing.y;
        for (name, kinds) in &self.groups {
            drawing.group(name);
            for (kind, figures) in KINDS.into_iter().zip(kinds) {
                let Some(median) = figures.median() else { continue };
                drawing.name(kind);
                let (class, y) = (kind.name(), drawing.y + ROW / 2.0);
                for value in figures.all() {
                    let x = place(*value);
                    let _ = writeln!(
                        drawing.body,
                        r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" class="dot {class}"/>"#
                    );
                }
                let _ = writeln!(
                    drawing.body,
                    r#"<rect x="{:.1}" y="{:.1}" width="2" height="16" class="{class}"/>"#,
                    place(median) - 1.0,
                    y - 8.0
                );
                let words = number(median);
                drawing.text(LEFT + LONGEST + 30.0, y + 4.5, "", &words);
                drawing.y += ROW;
            }
            drawing.y += 10.0;
        }
        let bottom = drawing.y;
        let mut grid = String::new();
        for power in powers.marks() {
            let x = place(power);
            let _ = writeln!(grid, r#"<path class="grid" d="M{x:.1} {top:.1}V{bottom:.1}"/>"#);
            drawing.text(x, bottom + 14.0, "small middle", &number(power));
        }
        // Behind the dots.
        drawing.body.insert_str(0, &grid);
        drawing.y += 20.0;
        drawing.finish(&self.title)
    }
}

/// A line for every daemon, both scales of powers of ten: what grows as fast as its cause climbs from corner to corner.
pub(crate) struct Lines {
    title: String,
    points: Vec<(f64, [Option<f64>; 3])>,
}

impl Lines {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), points: Vec::new() }
    }

    pub(crate) fn point(&mut self, x: f64, values: [Option<f64>; 3]) {
        self.points.push((x, values));
    }

    pub(crate) fn svg(self) -> String {
        let mut drawing = Drawing::new(&self.title);
        let (top, bottom) = (drawing.y, drawing.y + TALLEST);
        let across = Powers::of(self.points.iter().map(|(x, _)| *x));
        let up = Powers::of(self.points.iter().flat_map(|(_, values)| values).flatten().copied());
        let place_x = |value: f64| LEFT + across.part(value) * LONGEST;
        let place_y = |value: f64| bottom - up.part(value) * TALLEST;
        for power in across.marks() {
            let x = place_x(power);
            let _ = writeln!(drawing.body, r#"<path class="grid" d="M{x:.1} {top:.1}V{bottom:.1}"/>"#);
            drawing.text(x, bottom + 16.0, "small middle", &number(power));
        }
        for power in up.marks() {
            let (y, right) = (place_y(power), LEFT + LONGEST);
            let _ = writeln!(drawing.body, r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/>"#);
            drawing.text(LEFT - 10.0, y + 4.5, "small end", &number(power));
        }
        let mut labels = Vec::new();
        for kind in KINDS {
            let class = kind.name();
            let value = |(x, values): &(f64, [Option<f64>; 3])| Some((*x, values[kind as usize]?));
            let known: Vec<_> = self.points.iter().filter_map(value).collect();
            let Some((last_x, last)) = known.last().copied() else { continue };
            let path: Vec<_> =
                known.iter().map(|(x, value)| format!("{:.1} {:.1}", place_x(*x), place_y(*value))).collect();
            let _ = writeln!(drawing.body, r#"<path class="line {class}" d="M{}"/>"#, path.join("L"));
            for (x, value) in known {
                let (x, y) = (place_x(x), place_y(value));
                let _ =
                    writeln!(drawing.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" class="{class}"/>"#);
            }
            labels.push((place_y(last) + 4.5, place_x(last_x) + 9.0, kind, last));
        }
        // From above, and none over the one before.
        labels.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut before = (f64::MIN, 0.0);
        for (y, x, kind, last) in labels {
            let is_beside = (x - before.1).abs() > 1.0;
            before = (if is_beside { y } else { y.max(before.0 + 15.0) }, x);
            let style = if kind == Kind::Vipd { "strong" } else { "" };
            drawing.text(x, before.0, style, &format!("{} {}", kind.name(), number(last)));
        }
        drawing.y = bottom + 20.0;
        drawing.finish(&self.title)
    }
}

/// A scale of powers of ten.
struct Powers {
    low: i32,
    high: i32,
}

impl Powers {
    /// Between the powers that all these lie between, from a thousandth up. What is nothing, or less, counts as the lowest.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let powers = values.filter(|value| *value > 0.0).map(f64::log10);
        let ends = powers.fold(None, |ends: Option<(f64, f64)>, power| {
            let (low, high) = ends.unwrap_or((power, power));
            Some((low.min(power), high.max(power)))
        });
        let (low, high) = ends.unwrap_or_default();
        let low = low.floor().max(-3.0) as i32;
        Self { low, high: (high.ceil() as i32).max(low + 1) }
    }

    /// Where it lies: 0 is the low end, 1 the high one.
    fn part(&self, value: f64) -> f64 {
        let power = value.max(f64::MIN_POSITIVE).log10().max(f64::from(self.low));
        (power - f64::from(self.low)) / f64::from(self.high - self.low)
    }

    fn marks(&self) -> impl Iterator<Item = f64> + use<> {
        (self.low..=self.high).map(|power| 10f64.powi(power))
    }
}
