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
with "FAULT=access $T/done $EACCES" --out "$T/done" "$T/x.jsonl"
expect_status 1
expect_match stderr '^error: --out .T/done: Permission denied$'
mkdir "$T/in"
cp "$T/x.jsonl" "$T/in"
with "FAULT=mkdir $T/deep/in $ENOSPC" --out "$T/deep" --name-depth 2 "$T/in/x.jsonl"
expect_status 1
expect_match stderr '^error: .T/deep/in: cannot make the folder: No space left on device$'

# Whether a unit is finished cannot be found out: it is not done again.
with "FAULT=access $T/done/x.manifest.json $EIO" --out "$T/done" "$T/x.jsonl"
expect_status 1
expect_match stderr '^error: .T/done/x.manifest.json: cannot look for it: Input/output error$'
with "FAULT=fopen $T/done/x.manifest.json $EIO" --out "$T/done" "$T/x.jsonl"
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

# No room for one shard is seen before an input is opened.
with ROOM=1000000 --out "$T/room" --name x --input-format jsonl "pipe:touch $T/opened; cat $T/x.jsonl"
expect_status 1
expect_stderr <<'END'
error: --out $T/room: 1000000 bytes are free there, and the first shard may need 1048576; make room, then run the same command again
END
expect "no input is opened" test ! -e "$T/opened"
truncate -s 40M "$T/large.jsonl"
with ROOM=10000000 --out "$T/room" "$T/large.jsonl"
expect_status 1
expect_match stderr ' 10000000 bytes are free there, and the first shard may need 10485760;'
truncate -s 1G "$T/large.tar"
with ROOM=60000000 --out "$T/room2" "$T/large.tar"
expect_status 1
expect_match stderr ' may need 67108864;'
with ROOM=60000000 --limit 1000 --out "$T/room3" "$T/large.tar"
expect "fewer samples need less" test -z "$(grep 'bytes are free' "$T/.stderr")"
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
