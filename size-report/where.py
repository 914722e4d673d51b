#!/usr/bin/env python3
"""Where the bytes of a program are: by crate and part, by the usual suspects, and by function.

    VIPD_CROSS_STRIP=false cross/build.sh tiny      makes one with its symbols, and prints its path
    size-report/where.py [OPTION]... PROGRAM

    --functions N    the N largest functions (40)
    --of REGEX       only functions whose name matches, all of them
    --against OLD    what has changed since another program, function by function
    --markdown       tables for where.md

A function holds what was inlined into it, so its crate is where the code ended up, not where it was written.
Constants without a name (texts, tables) stand in one line. The sum is what is loaded from the file.
"""

import argparse
import re
import signal
import subprocess
from collections import Counter, defaultdict

# A part is the first pattern that a name matches, from its beginning; else the crate that it begins with.
PARTS = [
    ("vipd: router, vrrp", r"vipd::(router|vrrp)\b"),
    ("vipd: config", r"vipd::config\b"),
    ("vipd: wire", r"vipd::wire\b"),
    ("vipd: perform, status", r"vipd::(perform|status)\b"),
    ("vipd: cli", r"vipd::cli\b"),
    ("vipd: daemon", r"vipd::daemon\b"),
    ("vipd: linux", r"vipd::linux\b|^main$"),
    ("vipd: the rest", r"vipd::"),
    ("core: formatting", r"core::(fmt|num::fmt)"),
    ("core: the rest", r"core::|alloc::"),
    ("std", r"std::"),
    ("compiler's runtime: memcpy and the like",
     r"compiler_builtins|compiler_rt|^__(u|)(div|mod|mul|ashl|lshr|ashr)[a-z]*[0-9]$|^mem(cpy|move|set|cmp)$"),
]

# What swells a program unseen, and how to tell it by a function's name.
SUSPECTS = [
    ("64-bit division", r"^__u?(div|mod|divmod)(di|ti)|specialized_div_rem"),
    ("floating point", r"^__(add|sub|mul|div|fix|float)[a-z]*[sdt]f|core::num::(imp::)?(flt2dec|dec2flt)|f64|f32"),
    ("Debug", r" as core::fmt::Debug>"),
    ("formatting: Display and core::fmt", r" as core::fmt::(Display|Write|LowerHex|UpperHex)>|^<?core::fmt"),
    ("panics", r"core::panicking|slice_index_fail|unwrap_failed|expect_failed|panic_bounds"),
]


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def symbols(program):
    """Every address once: size, kind, name. Aliases share an address; the first is as good as the others."""
    seen = set()
    for line in run("nm", "-S", "-C", program).splitlines():
        match = re.match(r"([0-9a-f]+) ([0-9a-f]+) (\w) (.*)", line)
        if match and match[1] not in seen:
            seen.add(match[1])
            yield int(match[2], 16), match[3].lower(), re.sub(r"::h[0-9a-f]{16}$", "", match[4])


def functions(program):
    """Bytes by name; functions of one name are added up."""
    sizes = Counter()
    for size, kind, name in symbols(program):
        if kind in "tw":
            sizes[name] += size
    return sizes


def sections(program):
    """Loaded bytes: of code, and of constants and data."""
    code = other = 0
    for line in run("readelf", "-SW", program).splitlines():
        match = re.match(r" *\[ *\d+\] (\S+) +(\S+) +[0-9a-f]+ [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+ +([A-Za-z]*)", line)
        if match and "A" in match[4] and match[2] != "NOBITS":
            if "X" in match[4]:
                code += int(match[3], 16)
            else:
                other += int(match[3], 16)
    return code, other


def part_of(name):
    # `<&vipd::x as Y>::z` begins with vipd.
    name = re.sub(r"^(<|&|mut |\[|\*const |\*mut |dyn )+", "", name)
    # What begins with no crate, such as `u32 as core::fmt::Display`, belongs to the first that it mentions.
    name = re.sub(r"^[^:]*? as <?", "", name)
    for part, pattern in PARTS:
        if re.match(pattern, name):
            return part
    if "::" not in name:
        return "musl, the C library"
    # A method of a primitive, such as `str>::starts_with`, is core's.
    crate = re.match(r"(\w+)::", name)
    return crate[1] if crate else "core: the rest"


def by_part(program):
    parts, code = Counter(), functions(program)
    for name, size in code.items():
        parts[part_of(name)] += size
    named = sum(size for size, kind, _ in symbols(program) if kind in "rd")
    all_code, all_other = sections(program)
    parts["code without a name, gaps"] = all_code - sum(code.values())
    parts["constants and data with a name"] = named
    parts["constants without a name: texts, tables"] = all_other - named
    rows = [(size, part) for part, size in parts.most_common()]
    return rows + [(all_code + all_other, "loaded from the file")]


def without_types(name):
    """A generic's name without what it was made for, from the innermost brackets outwards."""
    previous = None
    while previous != name:
        previous, name = name, re.sub(r"::<[^<>]*>", "", name)
    return name


def by_suspect(program):
    sizes = functions(program)
    rows = []
    for suspect, pattern in SUSPECTS:
        found = [size for name, size in sizes.items() if re.search(pattern, name)]
        rows.append((sum(found), f"{suspect} ({len(found)} functions)"))
    families = defaultdict(list)
    for name, size in sizes.items():
        if without_types(name) != name:
            families[without_types(name)].append(size)
    again = [found for found in families.values() if len(found) > 1]
    rows.append((sum(sum(found) - max(found) for found in again),
                 f"generics beyond their largest instance ({len(again)} functions)"))
    return rows


def difference(program, old):
    now, before = functions(program), functions(old)
    rows = [(now[name] - before[name], name) for name in {*now, *before} if now[name] != before[name]]
    rows.sort(key=lambda row: (-abs(row[0]), row[1]))
    return rows + [(sum(sections(program)) - sum(sections(old)), "in all")]


def show(title, rows, markdown, sign=""):
    """Prints a table; names that a compiler made are set as code in Markdown."""
    if not markdown:
        print(title)
        for size, name in rows:
            print(f"{size:{sign}9,} {name[:150]}")
        print()
        return
    print(f"## {title}\n\n| bytes | |\n| ---: | --- |")
    for size, name in rows:
        if "::" in name and ": " not in name or re.fullmatch(r"\w*_\w*", name):
            name = "`" + name[:130].replace("|", "\\|") + "`"
        print(f"| {size:{sign},} | {name} |")
    print()


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--functions", type=int, default=40)
    parser.add_argument("--of")
    parser.add_argument("--against")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("program")
    asked = parser.parse_args()
    largest = sorted(((size, name) for name, size in functions(asked.program).items()),
                     key=lambda row: (-row[0], row[1]))
    if not largest:
        parser.exit(1, f"{asked.program} has no symbols: build it with VIPD_CROSS_STRIP=false\n")
    if asked.against:
        show("Changes", difference(asked.program, asked.against), asked.markdown, "+")
    elif asked.of:
        found = [row for row in largest if re.search(asked.of, row[1])]
        found.append((sum(size for size, _ in found), "in all"))
        show(f"Functions like {asked.of}", found, asked.markdown)
    else:
        if asked.markdown:
            print("# Where the bytes are\n\nMade by `where.py --markdown`; README.md says how to read it. The program: "
                  + " for ".join(asked.program.split("/")[-3:-1]) + ".\n")
        show("By crate and part", by_part(asked.program), asked.markdown)
        show("The usual suspects", by_suspect(asked.program), asked.markdown)
        show("The largest functions", largest[:asked.functions], asked.markdown)


main()
