# shellcheck shell=bash
# How the tests that are scripts tell what they found: as libtest does, for tests/run to count. Sourced.

tally_passed=0
tally_failed=0

# The test of this name ended with this status.
tally() {
    if [ "$2" -eq 0 ]; then
        tally_passed=$((tally_passed + 1))
        echo "test $1 ... ok"
    else
        tally_failed=$((tally_failed + 1))
        echo "test $1 ... FAILED"
    fi
}

# The last line; its status is that of the whole.
tally_end() {
    local verdict=ok
    [ "$tally_failed" -eq 0 ] && [ "$tally_passed" -gt 0 ] || verdict=FAILED
    echo "test result: $verdict. $tally_passed passed; $tally_failed failed"
    [ "$verdict" = ok ]
}
