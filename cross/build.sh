#!/bin/bash
# Makes the static, stripped binary for a board and prints its path as the last line.
#
#   cross/build.sh BOARD [TARGET]     BOARD is a profile, board/BOARD.env; TARGET overrides the profile's
#   cross/build.sh --targets          names the targets
#
# It installs what it needs: a compiler with its standard library's source and zig, the linker (see
# cross/toolchain.sh). The first build of a target takes minutes, the next ones seconds.
# Beside it lies the same with its symbols, vipd.symbols, whose path VIPD_CROSS_STRIP=false prints.
# VIPD_CROSS_MIPS16=true makes MIPS binaries of the short instructions, a fifth smaller (see cross/mips16.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/toolchain.sh
. cross/mips16.sh

usage() {
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# Reads the profile: TARGET and FEATURES are for here, every VIPD_ capacity for the compiler.
read_profile() {
    local profile=$1 line key
    # A capacity that the profile does not name has its default, whatever the caller's environment says.
    for key in $(compgen -e VIPD_); do
        case $key in
        VIPD_CROSS_*) ;;
        *) unset "$key" ;;
        esac
    done
    while read -r line; do
        case $line in
        '' | '#'*) ;;
        TARGET=*) TARGET=${line#*=} ;;
        FEATURES=*) FEATURES=${line#*=} ;;
        VIPD_*=*) export "${line?}" ;;
        *)
            echo "$profile: $line: neither TARGET=, FEATURES= nor VIPD_...=" >&2
            exit 1
            ;;
        esac
    done <"$profile"
}

main() {
    case ${1-} in
    --targets)
        printf '%s\n' "${CROSS_TARGETS[@]}"
        exit
        ;;
    '' | -*) usage ;;
    esac
    local board=$1 TARGET=mipsel-unknown-linux-musl FEATURES=linux
    local profile=board/$board.env
    if [ ! -f "$profile" ]; then
        echo "no board $board: there is no $profile" >&2
        exit 1
    fi
    read_profile "$profile"
    TARGET=${2-$TARGET}
    FEATURES=${VIPD_CROSS_FEATURES-$FEATURES}
    cross_environment "$TARGET" ship
    echo "board $board for $TARGET, features $FEATURES, $("$RUSTC" --version)" >&2
    local folder=$CARGO_TARGET_DIR/boards/$board/$TARGET
    case $TARGET,${VIPD_CROSS_MIPS16:-false} in
    mips*,true)
        folder+=-mips16
        mkdir -p "$folder"
        build --emit="llvm-bc=$folder/vipd.bc,link"
        link_mips16 "$TARGET" "$folder/vipd.bc" "$folder/vipd.symbols"
        ;;
    *)
        mkdir -p "$folder"
        build
        cp "$CARGO_TARGET_DIR/$TARGET/ship/vipd" "$folder/vipd.symbols"
        ;;
    esac
    strip_program "$folder/vipd.symbols" "$folder/vipd"
    if [ "${VIPD_CROSS_STRIP:-true}" = true ]; then echo "$folder/vipd"; else echo "$folder/vipd.symbols"; fi
}

# Compiles and links with more words for rustc.
build() {
    cargo rustc --locked --quiet --profile ship --target "$TARGET" "${BUILD_STD[@]}" \
        --no-default-features --features "$FEATURES" --bin vipd -- "$@" >&2
}

main "$@"
