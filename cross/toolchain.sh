# shellcheck shell=bash
# What cross/build.sh and the tests of foreign machines share: the targets, the tools, and the flags.
# Sourced, with the repository's root as the current directory.
#
# VIPD_CROSS_HOME   where the tools and caches live; default .cross at the root
# VIPD_CROSS_RUSTC  a rustc whose sysroot has rust-src; default: rustup's nightly if it has, else Debian's rustc-web

# All that boards have, the commonest first.
# shellcheck disable=SC2034
CROSS_TARGETS=(
    mipsel-unknown-linux-musl      # ramips: MT7620, MT7621, MT76x8
    mips-unknown-linux-musl        # ath79: big endian
    armv7-unknown-linux-musleabihf # ipq40xx, mvebu, sunxi
    arm-unknown-linux-musleabi     # bcm2708, kirkwood: soft float
    aarch64-unknown-linux-musl     # mediatek filogic, ipq807x, Raspberry Pi
    x86_64-unknown-linux-musl      # x86 boxes
    riscv64gc-unknown-linux-musl   # d1, StarFive
)

CROSS_HOME=$(realpath -m "${VIPD_CROSS_HOME:-.cross}")
ZIGLANG=0.17.1

# The linker's word for a target: soft-float MIPS and ARM as rustc has them.
zig_target() {
    case $1 in
    mipsel-unknown-linux-musl) echo mipsel-linux-musleabi ;;
    mips-unknown-linux-musl) echo mips-linux-musleabi ;;
    armv7-unknown-linux-musleabihf) echo arm-linux-musleabihf ;;
    arm-unknown-linux-musleabi) echo arm-linux-musleabi ;;
    aarch64-unknown-linux-musl) echo aarch64-linux-musl ;;
    x86_64-unknown-linux-musl) echo x86_64-linux-musl ;;
    riscv64gc-unknown-linux-musl) echo riscv64-linux-musl ;;
    *)
        echo "unknown target $1; known: ${CROSS_TARGETS[*]}" >&2
        return 1
        ;;
    esac
}

# The CPU that musl is compiled for: no newer than rustc's target.
zig_cpu() {
    case $1 in
    armv7-*) echo generic+v7a ;;
    arm-*) echo generic+v6 ;;
    *) ;;
    esac
}

# What runs a target's programs here; nothing for the machine's own kind.
emulator() {
    case $1 in
    "$(uname -m)"-*) ;;
    armv7-* | arm-*) echo qemu-arm-static ;;
    riscv64gc-*) echo qemu-riscv64-static ;;
    *) echo "qemu-${1%%-*}-static" ;;
    esac
}

# What makes a target's code smaller; size-report/flags.sh measures each.
size_flags() {
    # Nothing prints a place in the source or a Debug form.
    echo -Zlocation-detail=none -Zfmt-debug=none
    case $1 in
    mips*)
        # No global pointer is needed in a static program: a function is called by its address.
        echo -Crelocation-model=static
        # Delay slots are filled from behind the branch as well, values are not kept in registers across loops and
        # blocks for speed's sake, and what ends alike is merged: all of it off by default for MIPS.
        local option
        for option in disable-mips-df-succbb-search=false disable-mips-df-forward-search=false \
            disable-machine-licm disable-machine-sink disable-lsr enable-pre=false \
            two-entry-phi-node-folding-threshold=1 enable-tail-merge=1 tail-merge-size=2 mips-tail-calls; do
            echo "-Cllvm-args=-$option"
        done
        ;;
    armv7-*) echo -Ctarget-feature=+thumb-mode ;;
    # Else the standard library asks at start for newer atomic instructions, and may read a file onto the heap for it.
    aarch64-*) echo -Ctarget-feature=-outline-atomics ;;
    *) ;;
    esac
}

# Installs Debian packages whose commands are missing: pairs of a command and its package.
install_packages() {
    local missing=()
    while [ "$#" -gt 1 ]; do
        [ -e "$1" ] || command -v "$1" >/dev/null || missing+=("$2")
        shift 2
    done
    [ "${#missing[@]}" -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing: ${missing[*]} (install them, or run as root on Debian)" >&2
        return 1
    fi
    echo "installing ${missing[*]}" >&2
    mkdir -p "$CROSS_HOME"
    (
        # Two builds at once do not install at once.
        flock 9
        DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 update -q &&
            DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
                install -qy --no-install-recommends "${missing[@]}"
    ) 9>"$CROSS_HOME/apt.lock" >&2
}

# Whether the compiler's sysroot has the source of its standard library.
has_source() {
    local sysroot
    sysroot=$("$1" --print sysroot 2>/dev/null) && [ -f "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ]
}

# Sets RUSTC and RUSTDOC to a compiler that can build the standard library.
find_rustc() {
    local candidate
    if [ -n "${VIPD_CROSS_RUSTC-}" ]; then
        RUSTC=$VIPD_CROSS_RUSTC
    else
        RUSTC=
        if candidate=$(rustup which --toolchain nightly rustc 2>/dev/null) && has_source "$candidate"; then
            RUSTC=$candidate
        else
            install_packages "$(debian_rustc)" rustc-web /usr/share/doc/rust-web-src rust-web-src
            RUSTC=$(debian_rustc)
        fi
    fi
    if ! has_source "$RUSTC"; then
        echo "$RUSTC has no source of the standard library: install rust-src, or Debian's rust-web-src" >&2
        return 1
    fi
    RUSTDOC=${RUSTC%rustc}rustdoc
    export RUSTC RUSTDOC RUSTC_BOOTSTRAP=1
}

# Debian's backport of a current compiler; it lies where its version says.
debian_rustc() {
    dpkg -L rustc-web 2>/dev/null | grep -m1 '/bin/rustc$' || echo /nonexistent
}

# Fetches zig, which links for every target and brings musl, and writes a linker for each. Two builds at once do so once.
find_zig() {
    local stamp=$CROSS_HOME/ready-$ZIGLANG
    [ "$stamp" -nt cross/toolchain.sh ] && return 0
    mkdir -p "$CROSS_HOME/bin"
    (
        flock 9
        [ "$stamp" -nt cross/toolchain.sh ] && exit 0
        [ -e "$stamp" ] || fetch_zig || exit 1
        write_linkers && touch "$stamp"
    ) 9>"$CROSS_HOME/zig.lock"
}

fetch_zig() {
    install_packages python3 python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages /nonexistent python3-venv
    python3 -m venv "$CROSS_HOME/venv" >&2 && "$CROSS_HOME/venv/bin/pip" install -q "ziglang==$ZIGLANG" >&2
}

write_linkers() {
    local zig target cpu linker
    zig=$("$CROSS_HOME/venv/bin/python" -c \
        'import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), "zig"))') || return 1
    for target in "${CROSS_TARGETS[@]}"; do
        cpu=$(zig_cpu "$target")
        linker=$CROSS_HOME/bin/cc-$target
        cat >"$linker.new" <<LINKER
#!/bin/bash
export ZIG_GLOBAL_CACHE_DIR='$CROSS_HOME/zig-cache'
words=()
for word in "\$@"; do
    # The standard library asks for it always; a program that cannot unwind has no use for it.
    [ "\$word" = -lunwind ] && [ -n "\${VIPD_NO_UNWIND-}" ] || words+=("\$word")
done
# zig compiles a musl for each way to optimise and to strip, and for each current directory, where debugging information
# is said to come from: one, a small one, is to do for every program.
cd '$CROSS_HOME' || exit
exec '$zig' cc -target $(zig_target "$target") ${cpu:+-mcpu=$cpu} -Os -g "\${words[@]}"
LINKER
        # All at once: another build may be using it.
        chmod +x "$linker.new" && mv "$linker.new" "$linker" || return 1
    done
}

# Copies a program without its symbols. rustup's tool knows every machine; else Debian has one that does.
strip_program() {
    local sysroot tool
    sysroot=$(rustc --print sysroot 2>/dev/null) || sysroot=/nonexistent
    for tool in "$sysroot"/lib/rustlib/*/bin/rust-objcopy; do
        [ -x "$tool" ] && LD_LIBRARY_PATH=$sysroot/lib "$tool" --strip-all "$1" "$2" && return 0
    done
    install_packages /usr/share/doc/binutils-multiarch binutils-multiarch
    objcopy --strip-all "$1" "$2"
}

# Sets cargo's environment for one target and one purpose, and BUILD_STD, the words that cargo needs besides:
#   ship    what goes to a board: a panic is a trap, the heap is a link error
#   test    what libtest needs: unwinding, and a heap
cross_environment() {
    local target=$1 purpose=$2 name=${1//-/_} flags
    name=${name^^}
    zig_target "$target" >/dev/null
    find_rustc
    find_zig
    export "CARGO_TARGET_${name}_LINKER=$CROSS_HOME/bin/cc-$target"
    export "CARGO_TARGET_${name}_RUNNER=$(emulator "$target")"
    [ -n "$(emulator "$target")" ] || unset "CARGO_TARGET_${name}_RUNNER"
    flags="-Ctarget-feature=+crt-static -Clink-self-contained=no"
    case $purpose in
    ship)
        flags+=" --cfg vipd_heap_is_a_link_error -Zunstable-options -Cpanic=immediate-abort"
        # What relocation leaves read-only would be a page of its own, written at the start of the program; and there
        # is no relocation.
        flags+=" -Crelro-level=off"
        flags+=" -Cforce-unwind-tables=no -Clink-arg=-Wl,-z,max-page-size=4096 -Clink-arg=-Wl,-T,$PWD/cross/size.ld"
        flags+=" $(size_flags "$target" | tr '\n' ' ')"
        BUILD_STD=('-Zbuild-std=std,panic_abort' -Zbuild-std-features=optimize_for_size)
        export VIPD_NO_UNWIND=1
        ;;
    test)
        BUILD_STD=('-Zbuild-std=std,panic_unwind,test')
        unset VIPD_NO_UNWIND
        ;;
    esac
    # Cargo hands a configuration file's flags over only where the environment has none.
    export RUSTFLAGS=$flags
    # One set of folders for every board: the standard library is built once for a target.
    CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}/cross-$purpose")
    export CARGO_TARGET_DIR
    export BUILD_STD
}
