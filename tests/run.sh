#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/run.sh - run tests, one line for each, and count them.
#
# usage: BUILD=DIR PYTHON=FILE tests/run.sh TEST...
#
# Run it from the project's root. A TEST is a program or a script:
#     FILE.py       run by $PYTHON; skipped where that does not exist
#     FILE.sh       run by bash
#     DIR           of files: replayed by $BUILD/tests/fuzz/<name of DIR>
#     other         a program, run as it is; cmocka's programs count each of their tests, and
#                   one that is skipped says why in the line before
# A test succeeds with 0, is skipped with 77 (its last line of output says why), else fails;
# also after $TEST_TIMEOUT seconds (default 300). It finds BUILD, LATENTMILL_SHARED (default
# ../shared) and an empty TMPDIR of its own in its environment. $JOBS of them (default: one a
# core) run at once. The output of a test that failed is shown, and all is kept below
# $BUILD/tests/log. The last line is "N passed, N failed, N skipped"; the exit status is 1 if
# anything failed, or if nothing ran.
set -u

: "${BUILD:=build}" "${PYTHON:=build/venv/bin/python}" "${TEST_TIMEOUT:=300}"
: "${JOBS:=$(nproc)}" "${LATENTMILL_SHARED:=../shared}"
export BUILD LATENTMILL_SHARED CMOCKA_MESSAGE_OUTPUT=TAP
logs=$BUILD/tests/log
rm -rf "$logs"
mkdir -p "$logs"

# build/asan/tests/unit/test_reader_tar -> unit/test_reader_tar
short_name()
{
    local name=${1%/}
    name=${name#"$BUILD"/}
    name=${name#tests/}
    name=${name%.*}
    echo "${name/#fuzz\/corpus/fuzz}"
}

# Runs one test; its output goes to stdout.
execute()
{
    local within="timeout --kill-after=5 $TEST_TIMEOUT"
    case $1 in
    *.py)
        if [ ! -x "$PYTHON" ] || [ ! -e "$(dirname "$PYTHON")/../complete" ]; then
            echo "no complete virtual environment: tests/venv.sh makes it of packages from PyPI"
            return 77
        fi
        $within "$PYTHON" "$1"
        ;;
    *.sh) $within bash "$1" ;;
    *)
        if [ -d "$1" ]; then
            $within "$BUILD/tests/fuzz/$(basename "$1")" "$1"/*
        else
            $within "$1"
        fi
        ;;
    esac
}

# Runs one test, writes its line, and leaves "passed failed skipped" in its result file.
run_one()
{
    local test=$1 name log start status took passed=0 failed=0 skipped=0
    name=$(short_name "$test")
    log=$logs/${name//\//-}
    start=$(date +%s%N)
    export TMPDIR=$PWD/$log.tmp
    [ "${logs#/}" = "$logs" ] || TMPDIR=$log.tmp
    mkdir -p "$TMPDIR"
    execute "$test" >"$log.txt" 2>&1 </dev/null
    status=$?
    took=$((($(date +%s%N) - start) / 100000000))
    took="$((took / 10)).$((took % 10)) s"
    if [ $status != 77 ]; then
        # A skipped test is "not ok" to older cmockas and "ok" to newer ones.
        skipped=$(grep -cE '^(not )?ok [0-9]+ # SKIP' "$log.txt")
        passed=$(grep -E '^ok [0-9]' "$log.txt" | grep -cvE '^ok [0-9]+ # SKIP')
        failed=$(grep -E '^not ok [0-9]' "$log.txt" | grep -cvE '^not ok [0-9]+ # SKIP')
        if [ $status != 0 ] && [ $failed = 0 ]; then
            failed=1
        elif [ $((passed + failed + skipped)) = 0 ]; then
            passed=1
        fi
    else
        skipped=1
    fi
    report >"$log.line"
    cat "$log.line"
    echo "$passed $failed $skipped" >"$log.result"
    rm -rf "$TMPDIR"
}

# The lines of one test; the variables are run_one's.
report()
{
    local tests=$((passed + failed + skipped)) why
    if [ $failed != 0 ]; then
        case $status in
        124 | 137) why="took more than $TEST_TIMEOUT s" ;;
        *) why="exit $status" ;;
        esac
        echo "FAIL  $name: $failed of $tests ($why, $took)"
        tail -n 40 "$log.txt" | sed 's/^/      | /'
    elif [ $status = 77 ]; then
        echo "SKIP  $name: $(tail -n 1 "$log.txt")"
    elif [ $tests = 1 ]; then
        echo "PASS  $name ($took)"
    else
        echo "PASS  $name ($passed of $tests, $took)"
    fi
    if [ $status != 77 ]; then
        awk -v name="$name" '
            /^(not )?ok [0-9]+ # SKIP/ {
                why = before ~ /^((not )?ok [0-9]|[0-9]+\.\.)/ || before == "" ? "" : ": " before
                match($0, /# SKIP/)
                print "SKIP  " name ":" substr($0, RSTART + RLENGTH) why
            }
            { before = $0 }' "$log.txt"
    fi
}

running=0
for test; do
    if [ $running -ge "$JOBS" ]; then
        wait -n
        running=$((running - 1))
    fi
    run_one "$test" &
    running=$((running + 1))
done
wait

if [ ! -d "$LATENTMILL_SHARED" ] && grep -qsF -- "$LATENTMILL_SHARED" "$logs"/*.line; then
    echo "$LATENTMILL_SHARED is missing: test material that is not in this repository" \
        "(LATENTMILL_SHARED says where it is)"
fi
cat "$logs"/*.result 2>/dev/null | awk -v tests=$# '
    { passed += $1; failed += $2; skipped += $3 }
    END {
        failed += tests - NR # a test without a result is no success
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
        exit failed > 0 || passed + skipped == 0
    }'
