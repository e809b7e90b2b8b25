# SPDX-License-Identifier: Apache-2.0
# A unit is its NAME and its input: a later run with another input under the NAME of a
# finished unit is refused, and what is known to be the same input is not.
. tests/cli/expect.sh

# documents FILE N SEED: so many lines, of a size that depends on N alone.
documents()
{
    awk -v n="$2" -v seed="$3" 'BEGIN {
        for (i = 0; i < n; i++)
            printf "{\"text\": \"%06d %032d\"}\n", (i * 7919 + seed * 104729) % 1000000, i
    }' >"$1"
}

prepare()
{
    run latentmill prepare --quiet --input-format jsonl --tokenizer none --out "$T/o" "$@"
}

expect_refused()
{
    expect_status 2
    expect_match stderr "$1"
    expect "nothing has changed" cmp "$T/o/x.lms" "$T/before.lms"
}

begin()
{
    rm -rf "$T/o"
    prepare "$@"
    expect_status 0
    cp "$T/o/x.lms" "$T/before.lms"
}

mkdir "$T/a" "$T/b" "$T/c"
a=$T/a/x.jsonl b=$T/b/x.jsonl
documents "$a" 8000 1
documents "$b" 8000 2
cp "$a" "$T/c/x.jsonl"
cut='^error: x is complete, made from'

# By path: the size, then the probe decides, whatever the path.
begin "$a"
prepare "$T/c/x.jsonl"
expect_status 0
prepare "$b"
expect_refused "$cut .T/a/x.jsonl, but .T/b/x.jsonl has other bytes, though as many; .*--name, .*--redo$"
prepare --same-input "$b"
expect_refused "has other bytes, though as many"
head -n 7999 "$a" >"$T/c/x.jsonl"
prepare "$T/c/x.jsonl"
expect_refused "$cut .T/a/x.jsonl with [0-9]+ bytes, but .T/c/x.jsonl has [0-9]+ bytes now; .*--redo$"

# One byte outside the probe's pieces: only --check-inputs sees it.
for at in 100000 $(($(stat -c %s "$a") / 2)); do
    cp "$a" "$T/c/x.jsonl"
    printf '#' | dd of="$T/c/x.jsonl" bs=1 seek=$at conv=notrunc status=none
    prepare "$T/c/x.jsonl"
    expect_status 0
    prepare --check-inputs "$T/c/x.jsonl"
    expect_refused "has other bytes, though as many"
done
cp "$a" "$T/c/x.jsonl"
prepare --check-inputs "$T/c/x.jsonl"
expect_status 0

# A stream gives the same result as a file, so that a file can be compared with it.
expect "the probe is the file's" test \
    "$(jq -r '.result.inputs[0].probe | length' "$T/o/x.manifest.json")" = 32
jq -S .result "$T/o/x.manifest.json" >"$T/by_path"
begin --name x "pipe:cat $a"
jq -S .result "$T/o/x.manifest.json" >"$T/by_pipe"
expect "the result is the same" cmp "$T/by_path" "$T/by_pipe"
prepare --name x "pipe:cat $a"
expect_status 0
prepare "$a"
expect_status 0
prepare "$b"
expect_refused "$cut pipe:cat .T/a/x.jsonl, but .T/b/x.jsonl has other bytes"
prepare --name x "pipe:cat $b"
expect_refused "$cut pipe:cat .T/a/x.jsonl, and whether pipe:cat .T/b/x.jsonl is the same input cannot be told; .*--name, .*--same-input .*--redo$"
prepare --name x --same-input "pipe:cat  $a"
expect_status 0
prepare --name x - <"$a"
expect_refused "$cut pipe:.*, and whether - is the same input cannot be told"
prepare --name x --same-input - <"$a"
expect_status 0
cat "$a" "$b" >"$T/c/x.jsonl"
prepare "$T/c/x.jsonl"
expect_refused "$cut pipe:.* with [0-9]+ bytes, but"

# A path before, a command now; standard input before and now.
begin "$a"
prepare --name x "pipe:cat $a"
expect_refused "$cut .T/a/x.jsonl, and whether pipe:"
begin --name x - <"$a"
prepare --name x - <"$a"
expect_refused "$cut -, and whether - is the same"

# With --limit a prefix is read, and the whole size compared.
begin --limit 100 "$a"
prepare --limit 100 "$a"
expect_status 0
head -n 7999 "$a" >"$T/c/x.jsonl"
prepare --limit 100 "$T/c/x.jsonl"
expect_refused "bytes now"
begin --limit 100 --name x "pipe:cat $a"
prepare --limit 100 "$a"
expect_status 0
prepare --limit 100 "$b"
expect_refused "other bytes"

# An input that changes while it is read, or before it is: said, and not published.
documents "$T/grows.jsonl" 8000 3
"$BUILD/latentmill" prepare --quiet --input-format jsonl --out "$T/g" \
    --name '{wait,grows,a}' "pipe:touch $T/began; sleep 1; cat $a" "pipe:sleep 1; cat $a" \
    "$T/grows.jsonl" 2>"$T/grown" &
while [ ! -e "$T/began" ]; do
    sleep 0.01
done
echo '{"text": "more"}' >>"$T/grows.jsonl"
wait $!
expect "that unit fails" test $? = 1
expect "it is said" grep -qE "^error: a: .*grows.jsonl: it has changed since this run began \(from [0-9]+ bytes to [0-9]+\); .*run again" \
    "$T/grown"
expect "the others are there" test -e "$T/g/grows.manifest.json"
expect "it is not" test ! -e "$T/g/a.manifest.json"

# Rejects that are gone or emptied are missed like a shard.
printf '{"text": "one"}\n{bad\n' >"$T/r.jsonl"
rm -rf "$T/o"
prepare "$T/r.jsonl"
expect_status 0
expect "the manifest ends with a newline" test "$(tail -c 1 "$T/o/r.manifest.json")" = ""
expect "so does the configuration" test "$(tail -c 1 "$T/o/dataset.json")" = ""
for harm in "truncate -s 0" rm; do
    $harm "$T/o/r.rejects.jsonl"
    prepare "$T/r.jsonl"
    expect_status 2
    expect_match stderr '^error: r: its manifest names r.rejects.jsonl with [0-9]+ bytes, .* redo it with --redo$'
done
prepare --redo "$T/r.jsonl"
expect_status 0

# A unit that an earlier run rejected: one thing is said of it.
for i in $(seq 150); do
    echo '{bad'
done >"$T/bad.jsonl"
run latentmill prepare --tokenizer none --out "$T/o" "$T/bad.jsonl"
expect_status 42
run latentmill prepare --tokenizer none --out "$T/o" "$T/r.jsonl" "$T/bad.jsonl"
expect_status 42
expect_stderr <<'END'
warning: bad: an earlier run rejected more of it than --max-reject-rate, see bad.rejects.jsonl; mend it, and do it again with --retry-failed
nothing to do: 1 of 2 inputs complete, 1 damaged or rejected by an earlier run
END

# What the manifest says is judged as strictly as where a folder of shards is read.
rm -rf "$T/o"
echo '{"text": "one"}' >"$T/odd.jsonl"
run latentmill prepare --quiet --tokenizer none --out "$T/o" "$T/odd.jsonl"
expect_status 0
for change in '.result.inputs[0].status = "odd"' '.result.shards[0].bytes = 0' \
    '.result.shards[0].name = "n/odd.lms"'; do
    cp "$T/o/odd.manifest.json" "$T/kept.json"
    jq "$change" "$T/kept.json" >"$T/o/odd.manifest.json"
    run latentmill prepare --quiet --tokenizer none --out "$T/o" "$T/odd.jsonl"
    expect_status 2
    expect_match stderr 'odd.manifest.json: its members are not those of a manifest; redo it with --redo$'
    cp "$T/kept.json" "$T/o/odd.manifest.json"
done
rm "$T/o/odd.manifest.json"
mkdir "$T/o/odd.manifest.json"
run latentmill prepare --quiet --tokenizer none --out "$T/o" "$T/odd.jsonl"
expect_status 1
expect_match stderr 'odd.manifest.json: is a folder, not a manifest$'
