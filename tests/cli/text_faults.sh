# SPDX-License-Identifier: Apache-2.0
# Text corpora: kills, damage, limits, too many rejects; the same bytes in the end.
. tests/cli/expect.sh

field()
{
    jq -c "$1" "$2"
}

# 3,000 documents of many lengths, every 50th of them bad.
python3 - "$T/c.jsonl" <<'END'
import json, sys
with open(sys.argv[1], "w") as f:
    for i in range(3000):
        text = f"Document {i}. " + "The quick brown fox jumps over the lazy dog. " * (i * 7 % 47)
        f.write("{bad\n" if i % 50 == 7 else json.dumps({"id": i % 2990, "text": text}) + "\n")
END
run latentmill prepare --quiet --workers 1 --out "$T/one" "$T/c.jsonl"
expect_status 0
expect "all documents are somewhere" test "$(field '.result.inputs[0] |
    [.groups, .samples, .rejects]' "$T/one/c.manifest.json")" = \
    '[3000,2931,{"bad_json":60,"duplicate_key":9}]'

same()
{
    local file
    for file in c.lms c.rejects.jsonl; do
        expect "$2: the same $file" cmp "$T/one/$file" "$1/$file"
    done
    expect "$2: the same result" test "$(field .result "$1/c.manifest.json")" = \
        "$(field .result "$T/one/c.manifest.json")"
    rm -rf "$1"
}
run latentmill prepare --quiet --workers 4 --batch 7 --out "$T/four" "$T/c.jsonl"
expect_status 0
same "$T/four" "four workers"

# Killed at any instant, the same command goes on. The line at the end comes late.
slow="pipe:head -n 1500 $T/c.jsonl; sleep 0.3; tail -n +1501 $T/c.jsonl"
for delay in 0.05 0.15 0.25 0.4; do
    timeout -s KILL $delay "$BUILD/latentmill" prepare --quiet --workers 2 \
        --out "$T/killed" --name c --input-format jsonl "$slow" 2>/dev/null
    for file in "$T"/killed/*.lms "$T"/killed/*.jsonl; do
        [ ! -e "$file" ] || expect "what has a final name is complete" \
            cmp "$file" "$T/one/$(basename "$file")"
    done
done
run latentmill prepare --quiet --out "$T/killed" --name c --input-format jsonl "$slow"
expect_status 0
expect "no temporaries are left" test -z "$(ls "$T/killed" | grep '\.tmp\.')"
run latentmill prepare --quiet --redo --out "$T/killed" "$T/c.jsonl"
expect_status 0
same "$T/killed" "a killed run"

# SIGTERM ends a wait.
"$BUILD/latentmill" prepare --quiet --out "$T/s" --name c --input-format jsonl \
    "pipe:cat $T/c.jsonl; sleep 60" 2>"$T/stop" &
sleep 1
kill -TERM $!
wait $!
expect "status 75 after SIGTERM" test $? = 75
expect "nothing is published" test -z "$(ls "$T/s" | grep '^c\.')"

# Damage in a compressed stream: what is before it counts.
zstd -q "$T/c.jsonl" -o "$T/whole.jsonl.zst"
size=$(stat -c %s "$T/whole.jsonl.zst")
head -c $((size * 3 / 4)) "$T/whole.jsonl.zst" >"$T/cut.jsonl.zst"
run latentmill prepare --quiet --out "$T/d" "$T/cut.jsonl.zst"
expect_status 42
expect_match stderr '^warning: cut: input damaged at byte [1-9][0-9]*: the compressed stream.*; what was read before it was published but for 43 of [0-9]* groups, which are rejects$'
damage=$(field '.result.inputs[0] | [.damage.offset, .groups, .damage.partial_key]' \
    "$T/d/cut.manifest.json")
expect "the line that was cut is named" python3 - "$T/c.jsonl" "$damage" <<'END'
import json, sys
text = open(sys.argv[1], "rb").read()
offset, groups, key = json.loads(sys.argv[2])
whole = text[:offset].count(b"\n")
cut = whole + 1 if not text[:offset].endswith(b"\n") else None
sys.exit([groups, key] != [whole, cut and str(cut)] or groups < 100)
END
run latentmill prepare --quiet --out "$T/d" "$T/cut.jsonl.zst"
expect_status 42
expect_match stderr '^warning: cut: an earlier run found its input damaged'
cp "$T/whole.jsonl.zst" "$T/cut.jsonl.zst"
run latentmill prepare --quiet --out "$T/d" --retry-failed "$T/cut.jsonl.zst"
expect_status 0
expect "then it is whole" test "$(field '.result.inputs[0].groups' \
    "$T/d/cut.manifest.json")" = 3000

# Of a compressed file whose beginning is not right, nothing is taken for text.
printf '{"text":"a"}\n' | gzip >"$T/e.jsonl.gz"
{ printf X; tail -c +2 "$T/e.jsonl.gz"; } >"$T/m.jsonl.gz"
head -c 9 "$T/e.jsonl.gz" >"$T/h.jsonl.gz"
: >"$T/z.jsonl.gz"
: >"$T/p.jsonl"
run latentmill prepare --quiet --out "$T/b" "$T"/[emhzp].jsonl*
expect_status 42
for why in "m.*named .gz, but its beginning is not gzip's" "h.*cut off or corrupt" \
    "z.*the input is empty"; do
    expect_match stderr "^warning: $why; nothing could be read before it\$"
done
expect "three of them are damaged" test "$(jq -r .result.inputs[0].status \
    "$T"/b/[emhzp].manifest.json | tr '\n' ' ')" = \
    "complete damaged damaged complete damaged "
run latentmill prepare --quiet --out "$T/b" --name s --input-format jsonl - <"$T/h.jsonl.gz"
expect_status 42

# What is no JSON Lines at all says what it is; zeros are no text.
printf '[\n{"text":"a"}\n]\n' >"$T/array.jsonl"
printf '{"text":"a"}\n' | iconv -f UTF-8 -t UTF-16 >"$T/wide.jsonl"
{ printf '{"text":"a"}\n'; head -c 4096 /dev/zero; } >"$T/hole.jsonl"
printf '\xEF\xBB\xBF{"text":"a"}\n' >"$T/mark.jsonl"
read='read --retry-failed --name NAME --input-format jsonl '
run latentmill prepare --quiet --out "$T/k" "$T"/{array,wide,hole,mark}.jsonl
expect_status 42
expect_match stderr "^warning: array: .*a JSON array, not JSON Lines: $read'pipe:jq -c \.\[\] FILE'"
expect_match stderr "^warning: wide: .*UTF-16, not UTF-8: $read'pipe:iconv -f UTF-16 -t UTF-8 FILE'"
expect_match stderr '^warning: hole: input damaged at byte 13: zeros where text should be'
expect "the others are read" test "$(jq -c '.result.inputs[0] | [.groups, .samples]' \
    "$T"/k/{array,wide,hole,mark}.manifest.json | tr -d '\n')" = '[0,0][0,0][1,1][1,1]'
for name in array wide; do
    eval "told=($(sed -n "s/^warning: $name: .*: read \(--.* FILE'\).*/\1/p" "$T/.raw_stderr" |
        sed "s|NAME|$name|; s|FILE|$T/$name.jsonl|"))"
    expect "as told $name is read into the same folder" \
        latentmill prepare --quiet --out "$T/k" "${told[@]}"
done

# A hole within the text, and a last line that is cut, plain and compressed: what is
# before is published.
{ yes '{"text":"a"}' | head -n 200; head -c 5000 /dev/zero; echo '{"text":"b"}'; } >"$T/inner.jsonl"
{ yes '{"text":"a"}' | head -n 200; printf '{"text":"cut'; } >"$T/torn.jsonl"
for name in inner torn; do
    gzip -c "$T/$name.jsonl" >"$T/$name-gz.jsonl.gz"
done
run latentmill prepare --quiet --out "$T/k" "$T"/{inner,torn}{.jsonl,-gz.jsonl.gz}
expect_status 42
for name in inner inner-gz; do
    expect_match stderr "^warning: $name: input damaged at byte 2600: zeros where text should be; what"
done
for name in torn torn-gz; do
    expect_match stderr "^warning: $name: input damaged at byte 2612: the last line ends in its middle; what"
done
expect "what is before is published" test "$(jq -c '.result.inputs[0] | [.status, .samples]' \
    "$T"/k/{inner,torn}{,-gz}.manifest.json | sort -u)" = '["damaged",200]'

# Numbers that no double holds are kept, and shown as they are.
printf '{"text":"a","x":[1e999,%0400d]}\n' 0 | sed 's/,0/,7/' >"$T/n.jsonl"
run latentmill prepare --quiet --out "$T/n" "$T/n.jsonl"
expect_status 0
run latentmill dump --json "$T/n"
expect_match stdout '\{"x":\[1e999,70+\]\}'

# A limit counts documents, not lines.
printf '\n{"text":"a"}\n\n[]\n{"text":"b"}\n' >"$T/l.jsonl"
run latentmill prepare --quiet --limit 2 --out "$T/l" "$T/l.jsonl"
expect_status 0
expect "two documents are read" test "$(field '.result.inputs[0] | [.groups, .samples]' \
    "$T/l/l.manifest.json")" = '[2,1]'

# Too many rejects: no shard.
yes '{"text": ""}' | head -n 150 >"$T/bad.jsonl"
run latentmill prepare --quiet --out "$T/d" "$T/bad.jsonl"
expect_status 42
expect "no shard is there" test ! -e "$T/d/bad.lms"
expect "the rejects are" test "$(grep -c '"empty_text"' "$T/d/bad.rejects.jsonl")" = 150

# What a decoder gives behind a flipped bit makes rejects; the damage is what counts.
run python3 - "$T/flip.jsonl.gz" <<'END'
import gzip, random, sys
random.seed(5)
text = "".join('{"text":"%x"}\n' % random.getrandbits(64) for _ in range(400)) + "no JSON\n" * 2000
packed = bytearray(gzip.compress(text.encode(), mtime=0))
packed[-5] ^= 1 # of the checksum
open(sys.argv[1], "wb").write(packed)
END
run latentmill prepare --quiet --out "$T/d" "$T/flip.jsonl.gz"
expect_status 42
expect_match stderr '^warning: flip: input damaged at byte [0-9]+: .*; what was read before it was published but for 2000 of 2400 groups, which are rejects$'
expect "the samples are published" test "$(field '.result.inputs[0] | [.status, .samples, .withheld]' \
    "$T/d/flip.manifest.json")" = '["damaged",400,0]'

# A tar taken for text, or the other way round: rejects and damage, no crash.
run latentmill prepare --quiet --out "$T/x" --input-format jsonl tests/data/scenes-000.tar
expect_match stderr '^warning: scenes-000: input damaged at byte [0-9]+: zeros where text should be; what .* are rejects$'
expect_status 42
run latentmill prepare --quiet --out "$T/y" --input-format tar "$T/c.jsonl"
expect_match stderr '^warning: c: input damaged at byte 0: not a tar archive'
expect_status 42
