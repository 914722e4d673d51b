#!/usr/bin/env python3
"""Where the bytes of an unstripped binary are: by part, and the largest functions and constants.

    VIPD_CROSS_STRIP=false cross/build.sh tiny
    size-report/where.py [--functions N] BINARY
"""

import re
import subprocess
import sys
from collections import Counter

PARTS = [
    ("router, vrrp", r"vipd::(router|vrrp)"),
    ("config", r"vipd::config"),
    ("wire", r"vipd::wire"),
    ("perform, status", r"vipd::(perform|status)"),
    ("cli", r"vipd::cli|^main$"),
    ("daemon", r"vipd::daemon"),
    ("linux", r"vipd::linux"),
    ("postcard, serde", r"postcard|serde"),
    ("smoltcp", r"smoltcp|byteorder"),
    ("formatting", r"core::fmt|core::num::(imp|fmt)"),
    ("numbers, text", r"compiler_builtins|core::|^__(u|)(div|mod|mul|ashl|lshr|ashr)[a-z]*3"),
    ("nix, socket2, std", r"nix::|socket2::|std::"),
]


def part_of(name):
    for part, pattern in PARTS:
        if re.search(pattern, name):
            return part
    return "C library" if "::" not in name else "other crates"


def symbols(binary):
    seen = set()
    listing = subprocess.run(["nm", "-S", "-C", binary], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines():
        match = re.match(r"([0-9a-f]+) ([0-9a-f]+) (\w) (.*)", line)
        if match and match[1] not in seen:
            seen.add(match[1])
            yield int(match[2], 16), match[3].lower(), match[4]


def main():
    arguments = sys.argv[1:]
    count = 40
    if arguments[:1] == ["--functions"]:
        count = int(arguments[1])
        arguments = arguments[2:]
    if len(arguments) != 1:
        sys.exit(__doc__.strip())
    parts, functions = Counter(), []
    for size, kind, name in symbols(arguments[0]):
        if kind in "tw":
            parts[part_of(name)] += size
            functions.append((size, name))
        elif kind in "rd":
            parts["constants with a name"] += size
    for part, size in parts.most_common():
        print(f"{size:8} {part}")
    print()
    for size, name in sorted(functions, reverse=True)[:count]:
        print(f"{size:8} {name[:150]}")


main()
