#!/bin/bash
# Weighs the program: every board for mipsel and for the board's own target, the smallest board for every target,
# and each feature by itself. Prints a table; exits 1 when a file is above its ceiling or a price in Cargo.toml is
# wrong.
#
#   size-report/measure.sh [OPTION]... [TARGET]...     only these targets; none: all
#
#   --from FILE      build nothing; judge the weights in FILE, which an earlier run left in target/weights.csv
#   --record         append the boards' weights to history.csv as the checked-out commit's, and draw the chart
#   --set-ceilings   lower the ceilings to 2 % above the weights; a ceiling never rises ...
#   --raise          ... except with this, where a weight is above it
#   --prices         weigh the features alone, and print their lines of Cargo.toml with what they weigh
set -euo pipefail
cd "$(dirname "$0")/.."
. cross/toolchain.sh

# Where prices are measured: the commonest board, on the target whose code is the largest.
readonly PRICE_BOARD=generic PRICE_TARGET=mipsel-unknown-linux-musl
readonly SMALLEST_BOARD=tiny
# Another folder and another manifest are for test.sh.
readonly REPORT=${VIPD_SIZE_REPORT:-size-report} MANIFEST=${VIPD_SIZE_MANIFEST:-Cargo.toml}
readonly CEILINGS=$REPORT/ceilings.csv HISTORY=$REPORT/history.csv

usage() {
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# What each board shall weigh on mipsel one day, in bytes; nothing for a board without a goal.
goal() {
    case $1 in
    tiny) echo 65536 ;;
    generic) echo 98304 ;;
    large) echo 147456 ;;
    esac
}

# What a board's profile says of a key, or the default.
profile() {
    local value
    value=$(sed -n "s/^$2=//p" "board/$1.env" | tail -n 1)
    echo "${value:-$3}"
}

# The manifest's features by themselves: what the program needs comes first, `default` is left out.
features() {
    cargo metadata --no-deps --format-version 1 --manifest-path "$MANIFEST" | python3 -c '
import json, sys
package = json.load(sys.stdin)["packages"][0]
needed = [name for target in package["targets"] if "bin" in target["kind"]
          for name in target.get("required-features", [])]
print(*needed, *sorted(name for name in package["features"] if name not in needed + ["default"]))'
}

# All that is weighed: kind, board, target, features. The feature sets come first, so that the files which are left
# in the boards' folders are the boards'.
plan() {
    local board target all needed feature
    read -ra all <<<"$(features)"
    needed=${all[0]}
    echo "set $PRICE_BOARD $PRICE_TARGET $needed"
    for feature in "${all[@]:1}"; do
        echo "set $PRICE_BOARD $PRICE_TARGET $needed,$feature"
    done
    # All together weigh less than the sum of what each adds.
    [ "${#all[@]}" -le 2 ] || (IFS=, && echo "set $PRICE_BOARD $PRICE_TARGET ${all[*]}")
    for board in board/*.env; do
        board=$(basename "$board" .env)
        {
            echo mipsel-unknown-linux-musl
            profile "$board" TARGET mipsel-unknown-linux-musl
            [ "$board" != "$SMALLEST_BOARD" ] || printf '%s\n' "${CROSS_TARGETS[@]}"
        } | awk '!seen[$0]++' | while read -r target; do
            echo "board $board $target $(profile "$board" FEATURES linux)"
        done
    done
}

# Bytes of a stripped program: the file, and of it code, constants, and data; and of memory beyond it, bss.
weigh() {
    local text=0 rodata=0 data=0 bss=0 kind size flags
    while read -r _ kind _ _ size _ flags _; do
        case $flags in
        *A*) size=$((16#$size)) ;;
        *) continue ;;
        esac
        case $kind,$flags in
        NOBITS,*) bss=$((bss + size)) ;;
        *,*X*) text=$((text + size)) ;;
        *,*W*) data=$((data + size)) ;;
        *) rodata=$((rodata + size)) ;;
        esac
    done < <(readelf -SW "$1" | sed -n 's/^ *\[ *[0-9]*\] //p')
    echo "$(stat -c %s "$1"),$text,$rodata,$data,$bss"
}

# Builds and weighs everything of these kinds and targets (none: every target) into a file.
measure() {
    local into=$1 kinds=$2 kind board target features file
    shift 2
    install_packages readelf binutils python3 python3
    mkdir -p "$(dirname "$into")"
    echo kind,board,target,features,file,text,rodata,data,bss >"$into.new"
    while read -r kind board target features; do
        case " $kinds " in *" $kind "*) ;; *) continue ;; esac
        case " ${*:-$target} " in *" $target "*) ;; *) continue ;; esac
        file=$(VIPD_CROSS_FEATURES=$features VIPD_CROSS_STRIP=true cross/build.sh "$board" "$target" | tail -n 1)
        echo "$kind,$board,$target,${features//,/+},$(weigh "$file")" >>"$into.new"
    done < <(plan)
    mv "$into.new" "$into"
}

# In brackets: what is weighed for a feature's price alone.
print_table() {
    { sed 1q "$1" && grep ^board, "$1" && grep ^set, "$1"; } | awk -F, '
        { sub(/-unknown-linux/, "", $3)
          if ($1 == "set") $2 = "(" $2 ")"
          printf "%-10s %-20s %7s %7s %7s %7s %7s  %s\n", $2, $3, $5, $6, $7, $8, $9, $4 }' || true
}

# What the peers have installed, as peers.sh last recorded it.
print_peers() {
    awk -F, 'NR > 1 && $3 != "package" { all[$1] += $5; libc[$1] += $5 * ($3 == "libc") }
        END { for (peer in all) printf "%-31s %7d  without libc %d\n", peer " (Debian, x86-64)", all[peer], all[peer] - libc[peer] }' \
        "$REPORT/peers.csv" | sort
}

# The lines of one kind, as words: board, target, features, file, text, rodata, data, bss.
weights() {
    awk -F, -v kind="$2" '$1 == kind { print $2, $3, $4, $5, $6, $7, $8, $9 }' "$1"
}

# A board's ceiling for a target, in bytes; nothing where it has none.
ceiling() {
    [ ! -f "$CEILINGS" ] || awk -F, -v board="$1" -v target="$2" '$1 == board && $2 == target { print $3 }' "$CEILINGS"
}

judge_ceilings() {
    local board target bytes limit status=0
    while read -r board target _ bytes _; do
        limit=$(ceiling "$board" "$target")
        if [ -z "$limit" ]; then
            echo "FAILED: $board for $target has no ceiling in $CEILINGS (--set-ceilings)"
            status=1
        elif [ "$bytes" -gt "$limit" ]; then
            echo "FAILED: $board for $target has $bytes bytes, $((bytes - limit)) above its ceiling of $limit"
            status=1
        fi
    done < <(weights "$1" board)
    [ "$status" -eq 0 ] || echo "size-report/where.py shows where the bytes are; size-report/README.md says how to cut them"
    return "$status"
}

# How far the boards are from their goals: said, not judged.
compare_with_goals() {
    local board target bytes limit
    while read -r board target _ bytes _; do
        [ "$target" = "$PRICE_TARGET" ] || continue
        limit=$(goal "$board")
        [ -z "$limit" ] || [ "$bytes" -le "$limit" ] ||
            echo "$board for $target is $((bytes - limit)) bytes above its goal of $limit"
    done < <(weights "$1" board)
}

set_ceilings() {
    local raise=$2 board target bytes old new
    [ -f "$CEILINGS" ] || echo board,target,bytes >"$CEILINGS"
    while read -r board target _ bytes _; do
        old=$(ceiling "$board" "$target")
        new=$((bytes + (bytes + 49) / 50))
        if [ -z "$old" ]; then
            echo "$board,$target,$new" >>"$CEILINGS"
            echo "$board for $target: a ceiling of $new bytes"
        elif [ "$new" -lt "$old" ] || { "$raise" && [ "$bytes" -gt "$old" ]; }; then
            sed -i "s/^$board,$target,.*/$board,$target,$new/" "$CEILINGS"
            [ "$new" -lt "$old" ] || echo "RAISED, which the commit has to justify:"
            echo "$board for $target: from $old to $new bytes"
        fi
    done < <(weights "$1" board)
}

# What a feature adds to the program that has only what it needs, in bytes; for that one, the whole program.
price() {
    weights "$1" set | awk -v feature="$2" '
        NR == 1 { base = $4; if ($3 == feature) { print base; exit } }
        $3 ~ "^[^+]*[+]" feature "$" { print $4 - base; exit }'
}

# A feature's line in the manifest.
feature_line() {
    sed -n '/^\[features\]/,/^\[[^f]/p' "$MANIFEST" | grep -m 1 "^$1 *="
}

print_prices() {
    local feature
    for feature in $(features); do
        printf '%s # %s bytes\n' "$(feature_line "$feature" | sed 's/ *# *[0-9,]* bytes.*//')" \
            "$(price "$1" "$feature" | sed ':a; s/\([0-9]\)\([0-9]\{3\}\)\($\|,\)/\1,\2\3/; ta')"
    done
}

# The price beside every feature is the measured one, give or take a tenth or 256 bytes.
judge_prices() {
    local feature said is slack off status=0
    [ -n "$(weights "$1" set)" ] || return 0
    for feature in $(features); do
        is=$(price "$1" "$feature")
        said=$(feature_line "$feature" | sed -n 's/.*# *\([0-9,]*\) bytes.*/\1/p' | tr -d ,)
        if [ -z "$said" ]; then
            echo "FAILED: $MANIFEST has no price beside the feature $feature, which adds $is bytes (--prices)"
            status=1
            continue
        fi
        slack=$((is / 10))
        [ "$slack" -gt 256 ] || slack=256
        off=$((said - is))
        [ "${off#-}" -le "$slack" ] || {
            echo "FAILED: $MANIFEST says $said bytes beside the feature $feature, which adds $is (--prices)"
            status=1
        }
    done
    return "$status"
}

# Appends the boards' weights as the commit's, or replaces them where it has some.
record() {
    local commit date
    if [ -n "$(git status --porcelain -- src board cross Cargo.toml Cargo.lock)" ]; then
        echo "what was built is no commit: commit first" >&2
        return 1
    fi
    commit=$(git rev-parse --short=10 HEAD)
    date=$(git show -s --format=%cs HEAD)
    [ -f "$HISTORY" ] || echo commit,date,board,target,file,text,rodata,data,bss >"$HISTORY"
    sed -i "/^$commit,/d" "$HISTORY"
    awk -F, -v OFS=, -v commit="$commit" -v date="$date" \
        '$1 == "board" { print commit, date, $2, $3, $5, $6, $7, $8, $9 }' "$1" >>"$HISTORY"
    size-report/chart.py "$REPORT"
}

main() {
    local from='' record=false set=false raise=false prices=false status=0 targets=()
    while [ "$#" -gt 0 ]; do
        case $1 in
        --from)
            from=${2-}
            if [ ! -f "$from" ]; then
                echo "--from: no file $from" >&2
                return 2
            fi
            shift
            ;;
        --record) record=true ;;
        --set-ceilings) set=true ;;
        --raise) raise=true ;;
        --prices) prices=true ;;
        -*) usage ;;
        *) targets+=("$1") ;;
        esac
        shift
    done
    if $prices; then
        if [ -z "$from" ]; then
            from=target/prices.csv
            measure "$from" set
        fi
        print_prices "$from"
        return
    fi
    if $record && [ "${#targets[@]}" -gt 0 ]; then
        echo "--record is for all targets together: the chart shows those of one commit" >&2
        return 2
    fi
    if [ -z "$from" ]; then
        from=target/weights.csv
        measure "$from" "set board" "${targets[@]}"
    fi
    print_table "$from"
    print_peers
    ! $set || set_ceilings "$from" "$raise"
    ! $record || record "$from"
    compare_with_goals "$from"
    judge_ceilings "$from" || status=1
    judge_prices "$from" || status=1
    return "$status"
}

main "$@"
