# SPDX-License-Identifier: Apache-2.0
# What goes wrong before any work starts: status 1 where it may pass, 2 where the command is
# wrong, and the path in either case. And a start that stays quick with many inputs.
. tests/cli/expect.sh

[ -z "${SANITIZE-}" ] || skip "LD_PRELOAD does not go with sanitizers"
export LC_ALL=C
EIO=5 EACCES=13 ENOSPC=28 EROFS=30

echo '{"text": "one"}' >"$T/x.jsonl"
run latentmill prepare --quiet --tokenizer none --out "$T/done" "$T/x.jsonl"
expect_status 0

# with VARIABLE=VALUE OPERAND...: a run with the interposer.
with()
{
    local setting=$1
    shift
    run env "$setting" LD_PRELOAD="$BUILD/tests/programs/interpose.so" \
        "$BUILD/latentmill" prepare --quiet --tokenizer none "$@"
}

with "FAULT=stat $T/x.jsonl $EIO" --out "$T/o" "$T/x.jsonl"
expect_status 1
expect_stderr <<'END'
error: $T/x.jsonl: Input/output error
END
with "FAULT=mkdir $T/o $ENOSPC" --out "$T/o" "$T/x.jsonl"
expect_status 1
expect_match stderr '^error: --out .T/o: No space left on device$'
with "FAULT=mkdir $T/o $EROFS" --out "$T/o/p/q" "$T/x.jsonl"
expect_status 1
expect_match stderr '^error: --out .T/o/p/q: .T/o: Read-only file system$'
# A folder that cannot be written to is no fault where nothing is to be done.
with "FAULT=access $T/done $EROFS" --out "$T/done" "$T/x.jsonl"
expect_status 0
echo '{"text": "two"}' >"$T/y.jsonl"
with "FAULT=access $T/done $EROFS" --out "$T/done" "$T/x.jsonl" "$T/y.jsonl"
expect_status 1
expect_match stderr '^error: --out .T/done: Read-only file system$'
mkdir "$T/in"
cp "$T/x.jsonl" "$T/in"
with "FAULT=mkdir $T/deep/in $ENOSPC" --out "$T/deep" --name-depth 2 "$T/in/x.jsonl"
expect_status 1
expect_match stderr '^error: .T/deep/in: cannot make the folder: No space left on device$'

# Whether a unit is finished cannot be found out: it is not done again.
with "FAULT=stat $T/done/x.manifest.json $EIO" --out "$T/done" "$T/x.jsonl"
expect_status 1
expect_match stderr '^error: .T/done/x.manifest.json: cannot look for it: Input/output error$'
with "FAULT=open $T/done/x.manifest.json $EIO" --out "$T/done" "$T/x.jsonl"
expect_status 1
expect_match stderr '^error: .T/done/x.manifest.json: Input/output error$'
with "FAULT=stat $T/done/x.lms $EIO" --out "$T/done" "$T/x.jsonl"
expect_status 1
expect_match stderr '^error: .T/done/x.lms: Input/output error$'

# The command is wrong.
run latentmill prepare --quiet --tokenizer none --out "$T/x.jsonl/o" "$T/x.jsonl"
expect_status 2
run latentmill prepare --quiet --tokenizer none --out "$T/o" "$T/x.jsonl/x.tar"
expect_status 2
expect_match stderr '^error: .T/x.jsonl/x.tar: Not a directory$'
run latentmill prepare --quiet --tokenizer none --out "$T/o" "@$T"
expect_status 2
expect_match stderr '^error: @.T: Is a directory$'

# No room for one shard is seen before any work, by what the input holds.
truncate -s 4M "$T/zeros"
python3 -c 'for i in range(100000): print("{\"text\": \"a text of one line\", \"id\": %d}" % i)' \
    >"$T/lines.jsonl"
with ROOM=1000 --out "$T/room" "$T/lines.jsonl"
expect_status 1
expect_match stderr '^error: --out .T/room: 1000 bytes are free there, and the first shard may need 9[0-9]{5}; make room, then run the same command again$'
with ROOM=2000000 --out "$T/room" "$T/lines.jsonl"
expect_status 0
# Images that are larger as latents of 1024 x 1024; packed, and by --limit.
scenes=tests/data/scenes-000.tar
gzip <$scenes >"$T/s.tar.gz"
for input in $scenes "$T/s.tar.gz"; do
    with ROOM=3000000 --size 1024 --out "$T/room1" $input
    expect_status 1
    expect_match stderr ' 3000000 bytes are free there, and the first shard may need [34][0-9]{6};'
done
with ROOM=50000 --limit 5 --size 64 --out "$T/room2" $scenes
expect_status 0
# Large images, as many as the first megabytes let hope; a broken archive.
mkdir "$T/big"
tar -C "$T/big" -xf $scenes
for i in $(seq 10 49); do
    head -c 300000 /dev/zero | cat "$T/big/000000000.jpg" - >"$T/big/$i.jpg"
    cp "$T/big/000000000.txt" "$T/big/$i.txt"
done
rm "$T"/big/0*
tar -C "$T/big" --sort=name -cf "$T/big.tar" .
with ROOM=1200000 --size 512 --out "$T/room3" "$T/big.tar"
expect_status 1
expect_match stderr ' may need 1[67][0-9]{5};'
with ROOM=12000 --limit 1 --input-format tar --out "$T/room4" "$T/zeros"
expect_status 42
# A stream is not read twice: it must have room for one sample.
with ROOM=1000 --out "$T/room5" --name x "pipe:touch $T/opened; cat $scenes"
expect_status 1
expect "no command is started" test ! -e "$T/opened"
with ROOM=0 --out "$T/done" "$T/x.jsonl"
expect_status 0

# Each folder is read once a sweep (before and after the work), whatever the order.
for i in $(seq 50); do
    mkdir -p "$T/in/a" "$T/in/b"
    cp "$T/x.jsonl" "$T/in/a/$i.jsonl"
    cp "$T/x.jsonl" "$T/in/b/$i.jsonl"
done
with "OPENDIR_LOG=$T/swept" --out "$T/many" --name-depth 2 "$T/in/{a,b}/{1..50}.jsonl"
expect_status 0
for i in $(seq 50); do
    echo "$T/in/a/$i.jsonl"
    echo "$T/in/b/$i.jsonl"
done >"$T/list"
: >"$T/swept"
touch "$T/many/a/7.lms.tmp.host.1.0123abcd" "$T/many/b/9.lms.tmp.host.1.0123abcd"
with "OPENDIR_LOG=$T/swept" --out "$T/many" --name-depth 2 "@$T/list"
expect_status 0
expect "each folder is read once" test "$(sort "$T/swept" | uniq -c | awk '{print $1}' | sort -u)" = 1
expect "both are" test "$(wc -l <"$T/swept")" = 2
expect "old temporaries are gone" test -z "$(find "$T/many" -name '*.tmp.*')"
rm "$T"/many/?/1*.json
: >"$T/swept"
with "OPENDIR_LOG=$T/swept" --out "$T/many" --name-depth 2 "@$T/list"
expect_status 0
expect "and once more behind the work" test "$(wc -l <"$T/swept")" = 4
