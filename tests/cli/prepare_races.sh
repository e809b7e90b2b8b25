# SPDX-License-Identifier: Apache-2.0
# Two runs at once into one folder, of one NAME: the same input counts for both; of two
# inputs one fails, and what stands under a final name is one unit's, whole.
. tests/cli/expect.sh

[ -z "${SANITIZE-}" ] || skip "LD_PRELOAD does not go with sanitizers"

# wait_for PATH [-s]: until it is there, or has bytes.
wait_for()
{
    local i
    for i in $(seq 1000); do
        test "${2--e}" "$1" && return
        sleep 0.01
    done
    expect "$1 is reached" false
}

# start RUN OPTION...: in the background, stopped at its first rename and link (GATE_AT: from there).
start()
{
    local run=$1
    shift
    GATE=$T/$run LD_PRELOAD=$BUILD/tests/programs/interpose.so \
        "$BUILD/latentmill" prepare --quiet --out "$T/o" "$@" 2>"$T/$run.stderr" &
    eval "$run=\$!"
}

# ends RUN: its exit status in $ended, its words shown.
ends()
{
    wait "${!1}"
    ended=$?
    cat "$T/$1.stderr"
}

# One folder with its configuration, so that no gate stops at that.
begin()
{
    rm -rf "$T/o" "$T"/*.go "$T"/*.ready
    echo '{"text": "x"}' >"$T/other.jsonl"
    run latentmill prepare --quiet --out "$T/o" "$T/other.jsonl"
    expect_status 0
}

# b renames, a renames over it, b links, a links.
a_replaces_b()
{
    start a "$T/a/n.jsonl"
    wait_for "$T/a.rename.ready"
    touch "$T/b.rename.go"
    start b "$T/b/n.jsonl"
    wait_for "$T/b.link.ready"
    touch "$T/a.rename.go"
    wait_for "$T/a.link.ready"
    touch "$T/b.link.go"
    ends b
    b_ended=$ended
    touch "$T/a.link.go"
    ends a
    a_ended=$ended
}

# a has looked for a manifest; b publishes, says so, and is still at work on another input, so that it
# has not yet removed a's temporaries; a renames over b's files and finds the manifest.
a_comes_late()
{
    rm -f "$T/b.end" "$T/b.log"
    start a "$T/a/n.jsonl"
    wait_for "$T/a.rename.ready"
    touch "$T/b.rename.go" "$T/b.link.go"
    start b --log "$T/b.log" --input-format jsonl --name '{n,last}' "$T/b/n.jsonl" \
        "pipe:while [ ! -e $T/b.end ]; do sleep 0.01; done; cat $T/other.jsonl"
    wait_for "$T/b.log" -s
    touch "$T/a.rename.go" "$T/a.link.go"
    ends a
    a_ended=$ended
    touch "$T/b.end"
    ends b
    b_ended=$ended
}

# What the manifest names, if there is one, is there, and no more.
expect_whole()
{
    local manifest=$T/o/n.manifest.json name sha
    [ -e "$manifest" ] || return
    jq -r '.result | .shards[], (.rejects // empty) | .name + " " + .sha256' "$manifest" \
        >"$T/named"
    while read -r name sha; do
        expect "$name is the manifest's" test \
            "$(sha256sum "$T/o/$name" | cut -d ' ' -f 1)" = "$sha"
    done <"$T/named"
    expect "nothing else is there" test "$(ls "$T/o" | grep -c '^n[.+]')" = \
        $(($(wc -l <"$T/named") + 1))
}

mkdir "$T/a" "$T/b"

# The same input twice: both are well.
echo '{"text": "one"}' >"$T/a/n.jsonl"
cp "$T/a/n.jsonl" "$T/b/n.jsonl"
for order in a_replaces_b a_comes_late; do
    begin
    $order
    expect "both are well ($order)" test "$a_ended $b_ended" = "0 0"
    expect_whole
done

# Inputs that differ in the rejects alone, in the texts, and in which files there are.
good='{"text": "one"}\n'
for inputs in "$good{bad\n|$good$good{bad2\n{bad3\n" "$good|$good{bad\n" "$good{bad\n|$good" \
    "$good|{\"text\": \"two\"}\n"; do
    printf "${inputs%|*}" >"$T/a/n.jsonl"
    printf "${inputs#*|}" >"$T/b/n.jsonl"
    for order in a_replaces_b a_comes_late; do
        begin
        $order
        expect "one of the two fails ($order)" test "$a_ended $b_ended" = "0 1" -o \
            "$a_ended $b_ended" = "1 0"
        expect "and names the unit" grep -qh '^error: n: another process' "$T/a.stderr" \
            "$T/b.stderr"
        expect_whole
    done
    expect "it names both inputs" grep -q "/b/n.jsonl (.*/a/n.jsonl (.*--name" "$T/a.stderr"
    [ -e "$T/o/n.manifest.json" ] && continue
    run latentmill prepare --quiet --out "$T/o" "$T/b/n.jsonl"
    expect_status 0
    expect_whole
done

# Published by another before this run comes to it: not even read where it is the same.
for command in "cat $T/a/n.jsonl" "cat $T/b/n.jsonl"; do
    rm -rf "$T/o"
    "$BUILD/latentmill" prepare --quiet --input-format jsonl --out "$T/o" \
        --name '{first,second,n}' "pipe:touch $T/began; sleep 1; cat $T/other.jsonl" \
        "pipe:sleep 1; cat $T/other.jsonl" "pipe:cat $T/a/n.jsonl" 2>"$T/late.stderr" &
    late=$!
    wait_for "$T/began"
    run latentmill prepare --quiet --input-format jsonl --out "$T/o" --name n "pipe:$command"
    expect_status 0
    wait $late
    status=$?
    rm "$T/began"
    if [ "$command" = "cat $T/a/n.jsonl" ]; then
        expect "the same command counts" test $status = 0
    else
        expect "another command fails" test $status = 1
        expect "both are named" grep -q "n: another process .*pipe:cat .*/b/n.jsonl,.*pipe:cat .*/a/n.jsonl.*--name" \
            "$T/late.stderr"
        expect "the others go on" test -e "$T/o/second.manifest.json"
    fi
done

# The other's manifest has gone again when it is read, or has been seen by whoever removed this run's
# temporaries and has gone since: that ends the one unit.
printf "$good" >"$T/a/n.jsonl"
printf "$good$good" >"$T/b/n.jsonl"
cp "$T/a/n.jsonl" "$T/more.jsonl"
cp "$T/a/n.jsonl" "$T/later.jsonl"
expect_one_failed()
{
    touch "$T/a.rename.go" "$T/a.link.go"
    ends a
    expect "it fails ($1)" test $ended = 1
    expect "for that unit" grep -q '^error: n: another process has taken it over' "$T/a.stderr"
    expect "the others go on" test -s "$T/o/more.manifest.json"
}
begin
GATE_AT=$T/o/n. FAULT="open $T/o/n.manifest.json 2" start a "$T/a/n.jsonl" "$T/more.jsonl"
wait_for "$T/a.rename.ready"
run latentmill prepare --quiet --out "$T/o" "$T/b/n.jsonl"
expect_status 0
expect_one_failed manifest
begin
GATE_AT=$T/o/n. start a "$T/a/n.jsonl" "$T/more.jsonl"
wait_for "$T/a.rename.ready"
rm "$T"/o/n.lms.tmp.*
expect_one_failed temporaries
run latentmill prepare --quiet --out "$T/o" "$T/a/n.jsonl" "$T/more.jsonl"
expect_status 0
# So does one that goes when a run begins.
run env FAULT="open $T/o/n.manifest.json 2" LD_PRELOAD="$BUILD/tests/programs/interpose.so" \
    "$BUILD/latentmill" prepare --quiet --out "$T/o" "$T/a/n.jsonl" "$T/later.jsonl"
expect_status 1
expect_match stderr '^error: n: another process has taken it over'
expect "the new one is made" test -s "$T/o/later.manifest.json"
