# SPDX-License-Identifier: Apache-2.0
# `latentmill index`: a complete set is indexed; of any other it says what is missing.
. tests/cli/expect.sh

set=$T/set
run latentmill prepare --out "$set" --limit 4 tests/data/scenes-{000..001}.tar
expect_status 0

run latentmill index "$set"
expect_status 0
expect_stdout </dev/null
expect_match stderr '^\$T/set/index.lmi: 2 shards, [0-9]+ bytes$'
expect "no temporary is left" test -z "$(ls "$set" | grep tmp)"
cp "$set/index.lmi" "$T/first"

# Again: the same bytes, in the place of the old ones. prepare does not mind it.
run latentmill index "$set/"
expect_status 0
expect "the same bytes" cmp "$T/first" "$set/index.lmi"
run latentmill prepare --out "$set" --limit 4 tests/data/scenes-{000..001}.tar
expect_status 0
expect "the index stays" cmp "$T/first" "$set/index.lmi"

# Killed before its end, it leaves a temporary, which the next run removes.
touch "$set/index.lmi.tmp.host.1.0123abcd"
run latentmill index "$set"
expect_status 0
expect "no temporary is left" test -z "$(ls "$set" | grep tmp)"
run env --block-signal=TERM sh -c 'kill -TERM $$; exec "$0" index "$1"' \
    "$BUILD/latentmill" "$set"
expect_status 75
expect "the old index stays" cmp "$T/first" "$set/index.lmi"

# Below a folder, and at another place: paths are those from the folder on.
mkdir "$T/moved"
cp -r "$set" "$T/moved/set"
run latentmill index "$T/moved/set"
expect_status 0
expect "the same bytes" cmp "$T/first" "$T/moved/set/index.lmi"

# A shard is gone.
mv "$set/scenes-001.lms" "$T/kept.lms"
run latentmill index "$set"
expect_status 42
expect_stderr <<'END'
warning: $T/set/scenes-001.lms is missing; $T/set/scenes-001.manifest.json names it
error: $T/set is incomplete; --incomplete indexes what is there
END
expect "the old index stays" cmp "$T/first" "$set/index.lmi"
run latentmill index --incomplete "$set"
expect_status 0
expect_match stderr '1 shard of an incomplete set'

# A shard is shorter than its manifest says: it is not the finished one.
head -c 5000 "$T/kept.lms" >"$set/scenes-001.lms"
run latentmill index "$set"
expect_status 42
expect_match stderr '^warning: \$T/set/scenes-001.lms has 5000 bytes; \$T/set/scenes-001.manifest.json says [0-9]+$'
run latentmill index --incomplete "$set"
expect_status 0
expect_match stderr '1 shard of an incomplete set'

# It has its length, but is damaged.
cp "$T/kept.lms" "$set/scenes-001.lms"
printf 'xxxx' | dd of="$set/scenes-001.lms" bs=1 seek=40 conv=notrunc 2>/dev/null
run latentmill index "$set"
expect_status 42
expect_stderr <<'END'
error: $T/set/scenes-001.lms: byte 8: the header does not match its checksum
END
run latentmill index --incomplete "$set"
expect_status 0
expect_match stderr '^warning: \$T/set/scenes-001.lms: .*: left out$'
expect_match stderr '1 shard of an incomplete set'
cp "$T/kept.lms" "$set/scenes-001.lms"

# No manifest names a shard; a unit is being written.
mv "$set/scenes-001.manifest.json" "$T/kept.json"
touch "$set/scenes-002.lms.tmp.host.1.00000000" "$set/scenes-000+00001.lms.tmp.host.1.00000000"
run latentmill index "$set"
expect_status 42
expect_match stderr '^warning: \$T/set/scenes-002.lms.tmp.host.1.00000000: its unit is unfinished$'
expect_match stderr '^warning: \$T/set/scenes-001.lms: no manifest names it, its unit is unfinished$'
expect "left-overs of a finished unit mean nothing" \
    test "$(grep -c '^warning' "$T/.stderr")" = 2
run latentmill index --incomplete "$set"
expect_status 0
expect_match stderr '1 shard of an incomplete set'
mv "$T/kept.json" "$set/scenes-001.manifest.json"
rm "$set"/*.tmp.*
run latentmill index "$set"
expect_status 0
expect "as at first" cmp "$T/first" "$set/index.lmi"

# Shards alone, which somebody has put there, are all finished: what they lack is not known.
mkdir -p "$T/alone/b"
cp "$set"/*.lms "$T/alone/b"
run latentmill index "$T/alone"
expect_status 0
expect_match stderr '^\$T/alone/index.lmi: 2 shards, [0-9]+ bytes$'
cp "$set/dataset.json" "$T/alone" # now it is a run's that has finished none
run latentmill index --incomplete "$T/alone"
expect_status 42
expect_match stderr '^error: \$T/alone: no finished shards below it$'

# What is no data set.
mkdir "$T/empty"
run latentmill index "$T/empty"
expect_status 2
expect_stderr <<'END'
error: $T/empty: no shards below it
END
run latentmill index
expect_status 2
run latentmill index "$set" "$set"
expect_status 2
run latentmill index "$T/first"
expect_status 2
expect_stderr <<'END'
error: $T/first is not a folder
END
