# SPDX-License-Identifier: Apache-2.0
# tests/cli/expect.sh - say what a command must print. Source it first:
#
#     . tests/cli/expect.sh
#     run latentmill dump --limit 1 $T/out
#     expect_status 0
#     expect_stdout tests/cli/dump/one.txt
#     expect_stderr </dev/null
#
# Tests run from the project's root. `latentmill` is the program under test, $T an empty
# folder that is removed at the end; its name reads "$T" in what is compared. Each check that
# does not hold is shown and the test goes on; it fails if any check failed or none was made.
# UPDATE=1 rewrites the files instead (read the diff before you commit it).

: "${BUILD:=build}" "${UPDATE:=}"
T=$(mktemp -d)
_status= _checks=0 _failures=0

latentmill()
{
    "$BUILD/latentmill" "$@"
}

# Runs a command and keeps its output and its exit status.
run()
{
    _command="$*"
    "$@" >"$T/.raw_stdout" 2>"$T/.raw_stderr"
    _status=$?
    local stream
    for stream in stdout stderr; do
        sed "s|$T|\$T|g" "$T/.raw_$stream" >"$T/.$stream"
    done
}

_fail()
{
    _failures=$((_failures + 1))
    local frame=0
    while [ "${BASH_SOURCE[frame]}" = "${BASH_SOURCE[0]}" ]; do
        frame=$((frame + 1))
    done
    echo "$0:${BASH_LINENO[frame - 1]}: $1"
    echo "    after: $_command"
}

expect_status()
{
    _checks=$((_checks + 1))
    [ "$_status" = "$1" ] && return
    _fail "exit status $_status, not $1"
    tail -n 20 "$T/.stderr"
}

# Compare with a file, or with standard input where none is named.
expect_stdout()
{
    _expect_same stdout "$@"
}

expect_stderr()
{
    _expect_same stderr "$@"
}

_expect_same()
{
    local stream=$1 wanted=${2-}
    _checks=$((_checks + 1))
    if [ -z "$wanted" ]; then
        wanted=$T/.wanted
        cat >"$wanted"
    elif [ -n "$UPDATE" ]; then
        mkdir -p "$(dirname "$wanted")"
        cp "$T/.$stream" "$wanted"
    fi
    if ! diff -u --label expected --label "$stream" "$wanted" "$T/.$stream" >"$T/.diff"; then
        _fail "$stream differs"
        cat "$T/.diff"
    fi
}

# For text that is not the same on every machine: an extended regular expression that one
# line must match.
expect_match()
{
    local stream=$1 pattern=$2
    _checks=$((_checks + 1))
    if ! grep -qE -- "$pattern" "$T/.$stream"; then
        _fail "$stream has no line like $pattern"
        head -n 20 "$T/.$stream"
    fi
}

# Any other condition: expect "what must hold" COMMAND...
expect()
{
    local what=$1
    shift
    _checks=$((_checks + 1))
    "$@" || _fail "not so: $what"
}

# skip REASON: this test cannot run here.
skip()
{
    echo "$1"
    _checks=skip
    exit 77
}

_finish()
{
    local status=$?
    rm -rf "$T"
    [ "$_checks" = skip ] && exit 77
    [ "$_checks" = 0 ] && echo "$0: no check was made" && exit 1
    echo "$_checks checks, $_failures failed"
    [ "$_failures" = 0 ] && [ $status = 0 ]
    exit $?
}
trap _finish EXIT
