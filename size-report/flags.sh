#!/bin/bash
# What each flag of cross/toolchain.sh's size_flags saves: a target's smallest board without it, one at a time.
# A few minutes; the first time, and for the flags that the standard library must be compiled with, more.
#
#   size-report/flags.sh [TARGET]     default mipsel-unknown-linux-musl
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/toolchain.sh

readonly BOARD=tiny TARGET=${1-mipsel-unknown-linux-musl}

# Bytes of the program without one of the flags; without none where the flag is none of them.
bytes_without() {
    local flag early=() late=()
    for flag in $(size_flags "$TARGET"); do
        case $flag in
        "$1") ;;
        # What only steers the code generator, which runs in the last link, spares the library a compilation.
        -Cllvm-args=* | -Crelocation-model=*) late+=("$flag") ;;
        *) early+=("$flag") ;;
        esac
    done
    RUSTFLAGS="$plain ${early[*]}" cargo rustc --locked --quiet --profile ship --target "$TARGET" "${BUILD_STD[@]}" \
        --no-default-features --features linux --bin vipd -- -Clink-arg=-Wl,--strip-all "${late[@]}" >&2 || return
    stat -c %s "$CARGO_TARGET_DIR/$TARGET/ship/vipd"
}

cross_environment "$TARGET" ship
export CARGO_TARGET_DIR=$CARGO_TARGET_DIR-flags
plain=$RUSTFLAGS
for flag in $(size_flags "$TARGET"); do
    plain=${plain/ $flag/}
done
while read -r line; do
    export "${line?}"
done < <(grep '^VIPD_' "board/$BOARD.env")
whole=$(bytes_without none)
printf '%8d %s\n' "$whole" "bytes with all"
for flag in $(size_flags "$TARGET"); do
    # Some flags are there for more than size: without them an allocation can be reached.
    if bytes=$(bytes_without "$flag"); then
        printf '%8d %s\n' "$((bytes - whole))" "$flag"
    else
        printf '%8s %s\n' 'no link' "$flag"
    fi
done
