#!/bin/bash
# Tests what judges the counts, on counts made up here: nothing is built.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
. tests/tally.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export VIPD_INSTRUCTION_CEILINGS=$work/ceilings.csv

# Counts at their ceilings.
fresh() {
    cat >"$work/counts.csv" <<'COUNTS'
# rustc 1.0, valgrind-3.0
what,family,virtual_routers,pace,instructions
sent,ipv4,1,apart,1000
sent,ipv4,100,apart,2000
COUNTS
    cp "$work/counts.csv" "$VIPD_INSTRUCTION_CEILINGS"
}

run() {
    tests/instructions/run --from "$work/counts.csv" "$@" >"$work/log" 2>&1
}

says() {
    grep -qF -- "$1" "$work/log"
}

sent_by_one_is() {
    sed -i "s/^sent,ipv4,1,apart,.*/sent,ipv4,1,apart,$1/" "$work/counts.csv"
}

ceiling_of_one_is() {
    grep -qx "sent,ipv4,1,apart,$1" "$VIPD_INSTRUCTION_CEILINGS"
}

test_counts_at_their_ceilings_pass() {
    run && says "2 passed; 0 failed" && says "| sent | IPv4 | each by itself | 1,000 | 2,000 |  |"
}

test_three_percent_more_pass() {
    sent_by_one_is 1030
    run
}

test_more_than_three_percent_more_fail_and_are_named() {
    sent_by_one_is 1031
    ! run && says "FAILED: sent ipv4 1 apart has 1031 instructions, more than 3 % above its ceiling of 1000" &&
        says "1 passed; 1 failed"
}

test_another_compiler_has_ten_percent() {
    sed -i 's/rustc 1.0/rustc 1.1/' "$work/counts.csv"
    sent_by_one_is 1100
    run && says "so 10 % are allowed" && sent_by_one_is 1101 && ! run
}

test_a_scenario_without_a_ceiling_fails() {
    sed -i '/,100,/d' "$VIPD_INSTRUCTION_CEILINGS"
    ! run && says "sent ipv4 100 apart has no ceiling"
}

test_a_ceiling_without_a_scenario_fails() {
    sed -i '/,100,/d' "$work/counts.csv"
    ! run && says "sent ipv4 100 apart has a ceiling in $VIPD_INSTRUCTION_CEILINGS and is not counted"
}

test_a_ceiling_falls() {
    sent_by_one_is 969
    run && says "1 are more than 3 % below" && run --set && ceiling_of_one_is 969
}

test_a_ceiling_does_not_rise_by_itself() {
    sent_by_one_is 1020
    run --set && ceiling_of_one_is 1000
}

test_a_ceiling_rises_on_demand_and_says_so() {
    sent_by_one_is 1020
    run --raise && ceiling_of_one_is 1020 && says "RAISED, which the commit has to justify: sent ipv4 1 apart"
}

test_another_compiler_sets_ceilings_on_demand_alone() {
    sed -i 's/rustc 1.0/rustc 1.1/' "$work/counts.csv"
    sent_by_one_is 1020
    ! run --set && ceiling_of_one_is 1000 && run --raise && ceiling_of_one_is 1020 &&
        grep -qF 'rustc 1.1' "$VIPD_INSTRUCTION_CEILINGS"
}

while read -r name; do
    fresh
    "$name"
    status=$?
    tally "instructions::$name" "$status"
    [ "$status" -eq 0 ] || sed 's/^/    /' "$work/log"
done < <(sed -n 's/^\(test_[a-z_]*\)() {$/\1/p' "$0")
tally_end
