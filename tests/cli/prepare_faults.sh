# SPDX-License-Identifier: Apache-2.0
# Bad input, signals and full disks: nothing is lost silently, nothing half-done is published.
. tests/cli/expect.sh

scenes=tests/data/scenes-000.tar
few="--quiet --limit 3"

field()
{
    jq -c "$1" "$2"
}

# Damage in the middle: what is before it counts, the manifest says where, the others go on.
head -c 300000 $scenes >"$T/cut.tar"
run latentmill prepare --out "$T/o" "$T/cut.tar" tests/data/scenes-001.tar
expect_status 42
expect_match stderr '^warning: cut: input damaged at byte 300000: '
expect "the damage is recorded" test "$(field '.result.inputs[0].status' \
    "$T/o/cut.manifest.json")" = '"damaged"'
expect "the cut key is named" test \
    "$(field '.result.inputs[0].damage.partial_key' "$T/o/cut.manifest.json")" != null
expect "every group is somewhere" test "$(field \
    '.result.inputs[0] | .groups - .samples - ([.rejects[]] | add // 0)' \
    "$T/o/cut.manifest.json")" = 0
expect "the other input is complete" test "$(field '.result.inputs[0].status' \
    "$T/o/scenes-001.manifest.json")" = '"complete"'
run latentmill dump --json --latents none "$T/o/cut.lms"
expect_status 0
expect "dump has the samples of the manifest" test "$(wc -l <"$T/.stdout")" = \
    "$(field '.result.inputs[0].samples' "$T/o/cut.manifest.json")"

# Run again: skipped, and said so; --damaged keep takes it; --retry-failed does it again.
run latentmill prepare --quiet --out "$T/o" "$T/cut.tar"
expect_status 42
expect_match stderr '^warning: cut: an earlier run found its input damaged; .*--retry-failed'
run latentmill prepare --out "$T/o" --damaged keep "$T/cut.tar"
expect_status 0
expect_match stderr '^nothing to do: 0 of 1 input complete, 1 damaged and kept$'
run latentmill prepare --out "$T/o" --damaged keep "$T/cut.tar" tests/data/scenes-001.tar
expect_match stderr '^nothing to do: 1 of 2 inputs complete, 1 damaged and kept$'
run latentmill prepare --out "$T/o" tests/data/scenes-001.tar
expect_match stderr '^nothing to do: the input is complete$'
run latentmill prepare --quiet --out "$T/o" --retry-failed "$T/cut.tar"
expect_status 42
run latentmill prepare --quiet --out "$T/o" --redo --damaged keep "$T/cut.tar"
expect_status 0

# An input that was fetched again: said, and then done, also where damage is no failure.
head -c 400000 $scenes >"$T/cut.tar"
run latentmill prepare --quiet --out "$T/o" --damaged keep "$T/cut.tar"
expect_status 2
expect_match stderr '^error: cut is damaged, made from .* with 300000 bytes, .*--retry-failed$'
run latentmill prepare --quiet --out "$T/o" --retry-failed --damaged keep "$T/cut.tar"
expect_status 0
expect "the input was read again" test "$(field '.result.inputs[0].bytes' \
    "$T/o/cut.manifest.json")" = 400000

# Too many rejects: no shard, the rejects say why.
mkdir "$T/w"
for i in $(seq 100 219); do
    printf 'not an image' >"$T/w/$i.jpg"
    printf 'a caption' >"$T/w/$i.txt"
done
tar -C "$T/w" --sort=name -cf "$T/bad.tar" .
run latentmill prepare --quiet --out "$T/o" "$T/bad.tar"
expect_status 42
expect_match stderr '^warning: bad: too many rejects; no shard was published'
expect "no shard is there" test ! -e "$T/o/bad.lms"
expect "all rejects are" test "$(grep -c '"unsupported_format"' \
    "$T/o/bad.rejects.jsonl")" = 120
expect "the manifest says so" test "$(field '.result.inputs[0].status' \
    "$T/o/bad.manifest.json")" = '"rejected"'

# A command that fails gives no result, and the others go on.
run latentmill prepare $few --out "$T/p" --name '{one,two}' "pipe:cat $scenes; exit 3" \
    "pipe:cat $scenes"
expect_status 0
run latentmill prepare --quiet --out "$T/q" --name '{one,two}' "pipe:cat $scenes; exit 3" \
    "pipe:cat $scenes"
expect_status 1
expect_match stderr '^error: one: .*: the command failed with exit status 3; nothing of it'
expect "nothing of it is there" test -z "$(ls "$T/q" | grep '^one')"
expect "the other is complete" test -e "$T/q/two.manifest.json"

# Not a tar, and nothing at all.
run latentmill prepare --quiet --out "$T/o" --name letter - <README.md
expect_status 42
expect_match stderr '^warning: letter: input damaged at byte 0'
run latentmill prepare --quiet --out "$T/o" --name nothing - </dev/null
expect_status 42

# An empty archive is nothing but zeros, as is a file that was never filled.
tar -cf "$T/empty.tar" -T /dev/null
run latentmill prepare --quiet --out "$T/o" "$T/empty.tar"
expect_status 42
expect_match stderr '^warning: empty: input damaged at byte 0: nothing but zeros;'
expect "its manifest has no shard" test "$(field '.result.shards' \
    "$T/o/empty.manifest.json")" = '[]'

# SIGTERM, while a command is silent or has closed its output and goes on: the wait ends,
# nothing is published, status 75.
for signal_and_silence in "TERM :" "INT :" "TERM exec >&-"; do
    signal=${signal_and_silence%% *}
    "$BUILD/latentmill" prepare --quiet --out "$T/s" --name slow \
        "pipe:cat $scenes; ${signal_and_silence#* }; sleep 60" 2>"$T/stop" &
    sleep 1.5
    kill -$signal $!
    killed_at=$SECONDS
    wait $!
    expect "status 75 after SIG$signal" test $? = 75
    expect "the wait ends at once" test $((SECONDS - killed_at)) -le 10
    expect "it says what to do" grep -q 'run the same command again' "$T/stop"
    expect "nothing is published" test -z "$(ls "$T/s" | grep '^slow')"
done

# Whatever it waits for: SIGTERM ends it soon. A FIFO that nobody writes, as input,
# list or tokenizer.
stopped()
{
    run timeout --preserve-status --kill-after=5 1.5 \
        "$BUILD/latentmill" prepare --quiet --out "$T/s" "$@"
    expect_status 75
    expect_match stderr 'run the same command again'
}
mkfifo "$T/fifo"
stopped "$T/fifo"
stopped "@$T/fifo"
stopped --tokenizer "$T/fifo" $scenes
expect "nothing is published" test -z "$(ls "$T/s" | grep '^fifo')"
cat $scenes >"$T/fifo" &
run latentmill prepare $few --out "$T/t" "$T/fifo"
expect_status 0
expect "a FIFO is read once somebody writes" test -e "$T/t/fifo.manifest.json"

# Closed standard streams: no file takes their place.
run latentmill prepare $few --out "$T/t" --log "$T/t/log" $scenes <&- >&- 2>&-
expect_status 0
expect "the shard is whole" \
    "$BUILD/latentmill" dump --latents none --json "$T/t/scenes-000.lms" >/dev/null
expect "the log has only its own lines" test "$(jq -r .event "$T/t/log" | tr '\n' ' ')" = \
    "unit end "
run latentmill prepare $few --out "$T/t" --name closed - <&-
expect_status 1
expect_match stderr '^error: closed: -: Bad file descriptor'

# The output folder is removed meanwhile: no units in a folder without dataset.json.
"$BUILD/latentmill" prepare $few --out "$T/g" --name gone \
    "pipe:touch $T/started; sleep 1.5; cat $scenes" 2>"$T/gone" &
for i in $(seq 100); do
    [ -e "$T/started" ] && break
    sleep 0.1
done
rm -r "$T/g"
wait $!
expect "that is status 1" test $? = 1
expect "the folder is not made anew" test ! -e "$T/g"

# Another process is first: its result counts for both.
"$BUILD/latentmill" prepare --quiet --out "$T/first" --name cut \
    "pipe:sleep 4; cat $T/cut.tar" 2>"$T/talk" &
slow=$!
sleep 1
run latentmill prepare --quiet --out "$T/first" --name cut - <"$T/cut.tar"
expect_status 42
wait $slow
expect "the slower one ends as the first did" test $? = 42
cat "$T/talk"

# Work in hand does not hold a signal up: large images, and few bytes that become many.
python3 - "$T/bomb.tar.bz2" <<'END'
import bz2, sys, tarfile
member = tarfile.TarInfo("a.npy")
member.size = 400 << 27
piece = bz2.compress(bytes(1 << 27))
with open(sys.argv[1], "wb") as f:
    f.write(bz2.compress(member.tobuf()) + piece * 400)
END
stopped_within()
{
    local seconds=$1 start
    shift
    "$BUILD/latentmill" prepare --quiet --out "$T/b" "$@" 2>/dev/null &
    sleep 1
    start=$SECONDS
    kill -TERM $!
    wait $!
    expect "status 75 ($*)" test $? = 75
    expect "it stops at once ($*)" test $((SECONDS - start)) -le "$seconds"
}
stopped_within 5 --size 1024 --batch 16 --workers 1 $scenes
rm -r "$T/b"
stopped_within 5 "$T/bomb.tar.bz2"
rm -r "$T/b"

# A hole to the end of a file reads as the end of an archive.
head -c 400000 $scenes >"$T/hole.tar"
truncate -r $scenes "$T/hole.tar"
run latentmill prepare --quiet --out "$T/b" "$T/hole.tar"
expect_status 42
expect_match stderr '^warning: hole: input damaged at byte [1-9][0-9]*: zeros where data should be'

# A window that a pipe's frame names and does not need; one that does not fit.
python3 -c 'import sys; sys.stdout.buffer.write(b"{}\n" * (1 << 20))' |
    zstd -q -1 --long=31 >"$T/wide.jsonl.zst"
run latentmill prepare --quiet --max-reject-rate 1 --out "$T/w" "$T/wide.jsonl.zst"
expect_status 0
run latentmill prepare --quiet --decode-mem 1M --max-reject-rate 1 --out "$T/w1" "$T/wide.jsonl.zst"
expect_status 42
expect_match stderr "a zstd window of 2048 MiB, more than --decode-mem \(1 MiB\): raise that, or read 'pipe:zstd -dc --long=31 FILE'"

# A full disk ends the run with its name, also the wait for another input, and
# leaves nothing under a final name.
started_at=$SECONDS
(
    ulimit -f 100
    "$BUILD/latentmill" prepare --quiet --out "$T/f" --workers 1 \
        --name '{scenes-000,silent}' $scenes "pipe:sleep 60"
) >"$T/full" 2>&1
expect "a full disk is status 1" test $? = 1
expect "no wait goes on" test $((SECONDS - started_at)) -le 30
expect "it is named" grep -q '^error: .*File too large' "$T/full"
expect "what is lost is said" grep -qE \
    '^stopping: dropped [1-9][0-9]* encoded images of 2 unfinished inputs; the same' "$T/full"
expect "no final name" test ! -e "$T/f/scenes-000.lms"
expect "no manifest" test ! -e "$T/f/scenes-000.manifest.json"
run latentmill prepare --quiet --out "$T/f" $scenes
expect_status 0

# A log that cannot be written is told of once; the run goes on.
run latentmill prepare $few --log /dev/full --out "$T/log" $scenes tests/data/scenes-001.tar
expect_status 0
expect "it warns once" test "$(grep -c '^warning: --log /dev/full: No space left on device;' \
    "$T/.stderr")" = 1
expect "both inputs are done" test -e "$T/log/scenes-001.manifest.json"
