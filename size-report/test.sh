#!/bin/bash
# Tests what judges the weights, on weights made up here: nothing is built.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

passed=0
failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VIPD_SIZE_REPORT=$work/report VIPD_SIZE_MANIFEST=$work/program/Cargo.toml

# A report and a program whose weights are within their ceilings and whose prices are right.
fresh() {
    rm -rf "$work/report" "$work/program"
    mkdir -p "$work/report" "$work/program/src"
    cp size-report/peers.csv "$work/report"
    echo 'fn main() {}' >"$work/program/src/main.rs"
    cat >"$work/program/Cargo.toml" <<'MANIFEST'
[package]
name = "program"
edition = "2024"
[[bin]]
name = "program"
path = "src/main.rs"
required-features = ["linux"]
[features]
default = ["linux"]
linux = [] # 60,000 bytes
probes = [] # 5,000 bytes
bfd = [] # 400 bytes
MANIFEST
    cat >"$work/weights.csv" <<'WEIGHTS'
kind,board,target,features,file,text,rodata,data,bss
set,generic,mipsel-unknown-linux-musl,linux,60000,50000,9000,20,100000
set,generic,mipsel-unknown-linux-musl,linux+bfd,60400,50400,9000,20,100000
set,generic,mipsel-unknown-linux-musl,linux+probes,65000,55000,9000,20,100000
set,generic,mipsel-unknown-linux-musl,linux+bfd+probes,65390,55390,9000,20,100000
board,tiny,mipsel-unknown-linux-musl,linux,59000,49000,9000,20,70000
board,tiny,x86_64-unknown-linux-musl,linux,50000,40000,9000,20,70000
WEIGHTS
    cat >"$work/report/ceilings.csv" <<'CEILINGS'
board,target,bytes
tiny,mipsel-unknown-linux-musl,59000
tiny,x86_64-unknown-linux-musl,60000
CEILINGS
}

measure() {
    size-report/measure.sh --from "$work/weights.csv" "$@" >"$work/log" 2>&1
}

says() {
    grep -qF -- "$1" "$work/log"
}

ceiling_is() {
    grep -qx "$1,$2" "$work/report/ceilings.csv"
}

a_file_at_its_ceiling_passes() {
    measure
}

a_file_above_its_ceiling_fails_and_is_named() {
    sed -i 's/mipsel-unknown-linux-musl,59000/mipsel-unknown-linux-musl,58999/' "$work/report/ceilings.csv"
    ! measure && says "FAILED: tiny for mipsel-unknown-linux-musl has 59000 bytes, 1 above its ceiling of 58999" &&
        ! says "FAILED: tiny for x86_64"
}

a_board_without_a_ceiling_fails() {
    sed -i '/x86_64/d' "$work/report/ceilings.csv"
    ! measure && says "tiny for x86_64-unknown-linux-musl has no ceiling"
}

a_ceiling_falls_to_two_percent_above_the_weight() {
    measure --set-ceilings && ceiling_is tiny,x86_64-unknown-linux-musl 51000
}

a_ceiling_does_not_rise_by_itself() {
    sed -i 's/musl,59000/musl,58000/' "$work/report/ceilings.csv"
    ! measure --set-ceilings && ceiling_is tiny,mipsel-unknown-linux-musl 58000 && says "1000 above"
}

a_ceiling_rises_on_demand_and_says_so() {
    sed -i 's/musl,59000/musl,58000/' "$work/report/ceilings.csv"
    measure --set-ceilings --raise && ceiling_is tiny,mipsel-unknown-linux-musl 60180 && says RAISED
}

a_ceiling_that_holds_does_not_rise_on_demand() {
    measure --set-ceilings --raise && ceiling_is tiny,mipsel-unknown-linux-musl 59000 && ! says RAISED
}

a_price_within_a_tenth_passes() {
    sed -i 's/5,000 bytes/4,500 bytes/' "$work/program/Cargo.toml"
    measure
}

a_price_off_by_more_than_a_tenth_fails() {
    sed -i 's/5,000 bytes/4,499 bytes/' "$work/program/Cargo.toml"
    ! measure && says "says 4499 bytes beside the feature probes, which adds 5000"
}

a_small_price_may_be_off_by_256_bytes() {
    sed -i 's/400 bytes/656 bytes/' "$work/program/Cargo.toml"
    measure && sed -i 's/656 bytes/657 bytes/' "$work/program/Cargo.toml" && ! measure
}

a_feature_without_a_price_fails() {
    sed -i 's/bfd = .*/bfd = []/' "$work/program/Cargo.toml"
    ! measure && says "no price beside the feature bfd"
}

the_printed_prices_are_those_that_pass() {
    local line
    sed -i 's/ # .* bytes//' "$work/program/Cargo.toml"
    measure --prices && says 'linux = [] # 60,000 bytes' || return 1
    while read -r line; do
        sed -i "s/^${line%% *} = .*/$line/" "$work/program/Cargo.toml"
    done <"$work/log"
    measure
}

a_commit_has_one_record() {
    if [ -n "$(git status --porcelain -- src board cross Cargo.toml Cargo.lock)" ]; then
        ! measure --record && says "commit first"
        return
    fi
    measure --record && measure --record && [ "$(wc -l <"$work/report/history.csv")" -eq 3 ] &&
        size-report/chart.py --check "$work/report"
}

the_chart_is_that_of_the_recorded_weights() {
    size-report/chart.py --check >"$work/log" 2>&1
}

a_chart_of_other_weights_is_noticed() {
    cp size-report/history.csv size-report/chart.svg "$work/report"
    size-report/chart.py --check "$work/report" && sed -i '$s/,[0-9]*,/,1234567,/' "$work/report/history.csv" &&
        ! size-report/chart.py --check "$work/report" 2>/dev/null
}

run() {
    fresh
    if "$1"; then
        passed=$((passed + 1))
        echo "test $1 ... ok"
    else
        failed=$((failed + 1))
        echo "test $1 ... FAILED"
        sed 's/^/    /' "$work/log"
    fi
}

while read -r name; do
    run "$name"
done < <(sed -n 's/^\([a-z0-9_]*_[a-z0-9_]*\)() {$/\1/p' "$0" | grep -vx ceiling_is)
verdict=ok
[ "$failed" -eq 0 ] || verdict=FAILED
echo "test result: $verdict. $passed passed; $failed failed"
[ "$failed" -eq 0 ]
