# shellcheck shell=bash
# MIPS16e: instructions of two bytes, which the cores of routers have (24K, 74K, 1004K) and OpenWrt's own packages are made
# of. LLVM writes them as text only, which GNU's assembler reads and GNU's linker links. Sourced by cross/build.sh.

# Makes the program $3 for target $1 from $2, the module of LLVM that rustc has made of the whole program.
link_mips16() {
    local target=$1 module=$2 program=$3 tools gnu parts
    gnu=${target%%-*}-linux-gnu
    tools=/usr/lib/llvm-$("$RUSTC" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    install_packages "$tools/bin/llc" "${tools##*/}" "$gnu-ld" "binutils-$gnu"
    # rustc's own options, for the same reasons.
    local options=() word
    for word in $(size_flags "$target"); do
        case $word in
        -Cllvm-args=*) options+=("${word#-Cllvm-args=}") ;;
        *) ;;
        esac
    done
    "$tools/bin/llvm-dis" -o - "$module" | mark_mips16 |
        "$tools/bin/llc" -O2 -mcpu=mips32r2 -mattr=+soft-float,+noabicalls -relocation-model=static \
            --function-sections --data-sections "${options[@]}" -o "$program.s"
    "$gnu-as" -mips32r2 -msoft-float -mno-shared -o "$program.o" "$program.s"
    mapfile -t parts < <(musl_parts "$target")
    # With the small page that is common, the data begins in the file where the code ends.
    "$gnu-ld" -static --gc-sections --build-id=none --no-warn-mismatch -z noexecstack \
        -z max-page-size=4096 -z common-page-size=16 -T cross/size.ld -o "$program" "${parts[0]}" "$program.o" --start-group "${parts[@]:1}" --end-group
}

# Functions become MIPS16, except where it lacks the instructions: atomics, assembly, and counting zeros.
mark_mips16() {
    awk '
        /^define / { lines = 0; plain = 1; inside = 1 }
        !inside { print; next }
        { line[lines++] = $0 }
        / (atomic|cmpxchg|atomicrmw|fence|asm) |@llvm\.ct[lt]z\./ { plain = 0 }
        $0 == "}" {
            inside = 0
            if (plain) sub(/ #[0-9]+/, "& \"mips16\"", line[0])
            for (i = 0; i < lines; i++) print line[i]
        }'
}

# What zig links besides: its start code first, then the archives of musl and of the compiler.
musl_parts() {
    local source
    source=$(mktemp --suffix=.c)
    echo 'int main(void) { return 0; }' >"$source"
    ZIG_VERBOSE_LINK=1 "$CROSS_HOME/bin/cc-$1" -static -o "$source.out" "$source" 2>&1 | tail -n 1 | tr ' ' '\n' |
        grep -E '/crt1\.o$|\.a$' | sed "s|^[^/]|$CROSS_HOME/&|"
    rm -f "$source" "$source.out"
}
