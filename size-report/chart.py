#!/usr/bin/env python3
"""Draws chart.svg from history.csv and peers.csv: vipd against its peers, and by board.

    size-report/chart.py [FOLDER]            write chart.svg
    size-report/chart.py --check [FOLDER]    write nothing; exit 1 unless chart.svg is what would be written

The files are in FOLDER, or else beside this script.
"""

import csv
import sys
from pathlib import Path


WIDTH = 760
MARGIN = 28
BARS = 190  # Where bars begin, from the left.
LONGEST = 470  # The longest bar.
LENS = WIDTH - MARGIN - BARS  # The lens takes the longest bar's number in.
ROW = 26
BAR = 16

PARTS = {"programs": "programs", "libraries": "libraries", "libc": "C library"}
STYLE = """
svg { color-scheme: light dark }
text { font: 13px system-ui, "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.small { font-size: 12px; fill: #57606a }
.strong { font-weight: 600 }
.end { text-anchor: end }
.card { fill: #ffffff; stroke: #d0d7de }
.grid { stroke: #d8dee4 }
.lens { fill: #d4572a; fill-opacity: .09 }
.vipd { fill: #d4572a }
.constants { fill: #eeb091 }
.programs { fill: #2c66b0 }
.libraries { fill: #86a9d4 }
.libc { fill: #c3ccd6 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.small { fill: #9198a1 }
.card { fill: #151b23; stroke: #3d444d }
.grid { stroke: #2f3742 }
.lens { fill: #f0834f; fill-opacity: .13 }
.vipd { fill: #f0834f }
.constants { fill: #96512f }
.programs { fill: #5c9df0 }
.libraries { fill: #3a649a }
.libc { fill: #4a5563 }
}
""".strip()


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def latest_weights(folder):
    """The weight of every board and target at the last recorded commit: {(board, short target): row}."""
    rows = read(folder / "history.csv")
    commit = rows[-1]["commit"]
    return {(row["board"], row["target"].split("-")[0]): row for row in rows if row["commit"] == commit}


def quantity(count):
    """Bytes as a person says them; a kilobyte is 1000 bytes."""
    if count >= 10_000_000:
        return f"{count / 1_000_000:.0f} MB"
    if count >= 1_000_000:
        return f"{count / 1_000_000:.1f} MB"
    return f"{count / 1000:.0f} kB"


class Drawing:
    def __init__(self):
        self.lines = []
        self.y = MARGIN

    def text(self, x, y, words, kind=""):
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        kind = f' class="{kind}"' if kind else ""
        self.lines.append(f'<text x="{x:g}" y="{y:g}"{kind}>{words}</text>')

    def box(self, x, y, width, height, kind):
        self.lines.append(f'<rect x="{x:.2f}" y="{y:g}" width="{width:.2f}" height="{height}" class="{kind}"/>')

    def row(self, label, pieces, scale, strong=False):
        """One bar of stacked (kind, bytes), its label before it and its sum behind it."""
        middle = self.y + ROW / 2 + 4.5
        self.text(BARS - 10, middle, label, "end strong" if strong else "end")
        x = BARS
        for kind, count in pieces:
            self.box(x, self.y + (ROW - BAR) / 2, count * scale, BAR, kind)
            x += count * scale
        self.text(x + 7, middle, quantity(sum(count for _, count in pieces)), "strong" if strong else "")
        self.y += ROW

    def legend(self, entries):
        x = BARS
        for kind, words in entries:
            self.box(x, self.y + 2, 11, 11, kind)
            self.text(x + 16, self.y + 12, words, "small")
            x += 38 + 6 * len(words)
        self.y += 26

    def svg(self, description):
        height = self.y + MARGIN - 6
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}"'
            f' height="{height:g}" role="img" aria-label="{description}">',
            f"<style>\n{STYLE}\n</style>",
            f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:g}" rx="8" class="card"/>',
            *self.lines,
            "</svg>",
        ]) + "\n"


def draw_peers(drawing, peers, weights):
    """The upper half, on one scale for all; returns pixels per byte."""
    totals = {name: sum(parts.values()) for name, parts in peers.items()}
    scale = LONGEST / max(totals.values())
    drawing.text(BARS, drawing.y + 6, "Installed on x86-64, the peers as Debian ships them", "title")
    drawing.y += 20
    drawing.legend([*PARTS.items(), ("vipd", "vipd, its C library within")])
    for name in sorted(peers, key=totals.get, reverse=True):
        drawing.row(name, peers[name].items(), scale)
    for board in ("large", "tiny"):
        if row := weights.get((board, "x86_64")):
            drawing.row(f"vipd, {board}", [("vipd", int(row["file"]))], scale, strong=True)
    return scale


def draw_boards(drawing, weights, outer_scale):
    """The lower half: the first pixels of the upper one's scale, under a lens."""
    order = sorted(weights.items(), key=lambda item: (item[0][1] != "mipsel", -int(item[1]["file"])))
    widest = max(int(row["file"]) for row in weights.values())
    scale = LONGEST / widest
    top, drawing.y = drawing.y + 2, drawing.y + 50
    seen = LENS / scale * outer_scale  # What the lens shows, as wide as it is above.
    drawing.lines.append(f'<path class="lens" d="M{BARS} {top:g}h{seen:.2f}L{BARS + LENS} {drawing.y:g}H{BARS}z"/>')
    drawing.box(BARS, drawing.y, LENS, ROW * len(order) + 6, "lens")
    drawing.text(BARS + 8, drawing.y - 6, f"vipd by board, {scale / outer_scale:.0f} times closer", "title")
    drawing.y += 3
    for (board, target), row in order:
        code, whole = int(row["text"]), int(row["file"])
        drawing.row(f"{board}, {target}", [("vipd", code), ("constants", whole - code)], scale)
    drawing.y += 9
    drawing.legend([("vipd", "code"), ("constants", "constants and the rest of the file")])
    drawing.y -= 8


def chart(folder):
    weights = latest_weights(folder)
    peers = {}
    for row in read(folder / "peers.csv"):
        if row["part"] in PARTS:
            peers.setdefault(row["peer"], {})[row["part"]] = int(row["bytes"])
    drawing = Drawing()
    draw_boards(drawing, weights, draw_peers(drawing, peers, weights))
    sums = ", ".join(f"{name} {quantity(sum(parts.values()))}" for name, parts in peers.items())
    ours = ", ".join(f"vipd {board} for {target} {quantity(int(row['file']))}"
                     for (board, target), row in weights.items())
    return drawing.svg(f"Installed bytes: {sums}, {ours}")


def main():
    words = sys.argv[1:]
    check = words[:1] == ["--check"]
    words = words[check:]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        sys.exit(__doc__.strip())
    folder = Path(words[0]) if words else Path(__file__).resolve().parent
    file = folder / "chart.svg"
    if not check:
        file.write_text(chart(folder))
    elif not file.is_file() or file.read_text() != chart(folder):
        sys.exit(f"{file} is not that of history.csv and peers.csv: run size-report/chart.py")


main()
