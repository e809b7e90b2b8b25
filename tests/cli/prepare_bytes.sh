# SPDX-License-Identifier: Apache-2.0
# The same input and configuration give the same bytes: whatever the number of workers, the
# batch, the instruction set, the way the bytes arrive, a kill in the middle.
. tests/cli/expect.sh

scenes=tests/data/scenes-000.tar
options="--quiet --limit 8"

same()
{
    expect "$2 gives the same shard" cmp "$T/one/scenes-000.lms" "$1/scenes-000.lms"
    expect "$2 gives the same rejects" \
        cmp "$T/one/scenes-000.rejects.jsonl" "$1/scenes-000.rejects.jsonl"
    expect "$2 gives the same result" test "$(result "$T/one")" = "$(result "$1")"
    rm -rf "$1"
}

result()
{
    jq -eS .result "$1/scenes-000.manifest.json"
}

run latentmill prepare $options --workers 1 --out "$T/one" $scenes
expect_status 0
expect_stdout </dev/null
expect "there is a result to compare with" test -n "$(result "$T/one")"

run latentmill prepare $options --workers 2 --batch 1 --out "$T/two" $scenes
expect_status 0
same "$T/two" "two workers, batch 1"

run latentmill prepare $options --workers 5 --batch 3 --out "$T/five" $scenes
expect_status 0
same "$T/five" "five workers, batch 3"

run latentmill prepare $options --out "$T/both" --name scenes-000 "pipe:cat $scenes"
expect_status 0
same "$T/both" "a pipe"

gzip -c $scenes >"$T/scenes-000.tar.gz"
run latentmill prepare --quiet --out "$T/gz" --workers 2 "$T/scenes-000.tar.gz"
expect_status 0
run latentmill prepare --quiet --out "$T/plain" --workers 2 --name scenes-000 - <$scenes
expect_status 0
expect "gzip gives the same shard" cmp "$T/gz/scenes-000.lms" "$T/plain/scenes-000.lms"

for isa in avx2 avx512 portable; do
    [ $isa = portable ] || grep -qw "${isa/avx512/avx512f}" /proc/cpuinfo || continue
    few=8
    [ $isa = portable ] && few=2
    LATENTMILL_ISA=$isa run latentmill prepare --quiet --limit $few --out "$T/isa" $scenes
    expect_status 0
    expect "$isa is what ran" \
        test "$(jq -r .run.isa "$T/isa/scenes-000.manifest.json")" = $isa
    run latentmill prepare --quiet --limit $few --out "$T/best" $scenes
    expect_status 0
    expect "$isa gives the same shard" cmp "$T/isa/scenes-000.lms" "$T/best/scenes-000.lms"
    rm -rf "$T/isa" "$T/best"
done

# Killed at any instant, the same command goes on.
for delay in 0.05 0.4 1.0 1.6; do
    timeout -s KILL $delay "$BUILD/latentmill" prepare $options --workers 2 \
        --out "$T/killed" $scenes 2>/dev/null
    for file in "$T"/killed/*.lms "$T"/killed/*.jsonl; do
        [ ! -e "$file" ] || expect "what has a final name is complete" \
            cmp "$file" "$T/one/$(basename "$file")"
    done
done
touch "$T/killed/scenes-000.lms.tmp.host.1.0123abcd"
run latentmill prepare $options --out "$T/killed" $scenes
expect_status 0
expect "no temporaries are left" test -z "$(ls "$T/killed" | grep '\.tmp\.')"
run latentmill prepare $options --redo --out "$T/killed" $scenes
expect_status 0
expect "nor the old manifest" test -z "$(ls "$T/killed" | grep '\.tmp\.')"
same "$T/killed" "a killed run"

# Several processes on one folder: one result.
for i in 1 2 3; do
    "$BUILD/latentmill" prepare $options --workers 1 --out "$T/raced" $scenes 2>>"$T/talk" &
    pids="${pids-} $!"
done
for pid in $pids; do
    expect "each of several processes ends well" wait "$pid"
done
cat "$T/talk"
expect "no temporaries are left" test -z "$(ls "$T/raced" | grep '\.tmp\.')"
same "$T/raced" "three processes at once"
