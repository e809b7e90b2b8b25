# SPDX-License-Identifier: Apache-2.0
# A file system without hard links, and one that knows no rename() that replaces nothing
# either: of two runs one publishes, and whenever a run is killed the next one completes it.
. tests/cli/expect.sh

[ -z "${SANITIZE-}" ] || skip "LD_PRELOAD does not go with sanitizers"
EPERM=1 EINVAL=22 EMLINK=31 ENOSYS=38 EOPNOTSUPP=95

# prepare VARIABLE=VALUE...: a run with the interposer.
prepare()
{
    run bash -c '"$@"; exit $?' - env "$@" LD_PRELOAD="$BUILD/tests/programs/interpose.so" \
        "$BUILD/latentmill" prepare --quiet --tokenizer none --out "$T/o" "$T/n.jsonl"
}

# Those of temporaries a kill may leave.
final_names()
{
    ls "$T/o" | grep -v '\.tmp\.' | tr '\n' ' '
}

expect_whole()
{
    expect "all files are there ($1)" test "$(final_names)" = "$files"
    expect "with their bytes ($1)" test "$(cat "$T/o/dataset.json" "$T/o"/n.[lr]* | sha256sum)" = \
        "$bytes"
    expect "the manifest is whole ($1)" jq -e '.result.shards | length == 1' \
        "$T/o/n.manifest.json" >/dev/null
}

printf '{"text": "one"}\n{"text": "two"}\n{bad\n' >"$T/n.jsonl"
prepare
expect_status 0
files=$(final_names)
bytes=$(cat "$T/o/dataset.json" "$T/o"/n.[lr]* | sha256sum)
expect "there are all files" grep -q "dataset.json n.lms n.manifest.json n.rejects.jsonl" <<<"$files"

for setting in "NO_LINKS=$EPERM" "NO_LINKS=$EOPNOTSUPP NO_NOREPLACE=$EINVAL" \
    "NO_LINKS=$ENOSYS NO_NOREPLACE=$ENOSYS" "NO_LINKS=$EMLINK NO_NOREPLACE=$EOPNOTSUPP"; do
    rm -r "$T/o"
    prepare $setting
    expect_status 0
    expect_whole "$setting"
done

# Whatever else goes wrong is said.
rm -r "$T/o"
prepare NO_LINKS=5
expect_status 1
expect_match stderr '^error: .T/o/dataset.json: cannot write it: Input/output error$'

# Killed before each change of the folder. What a kill leaves of the unit is no unit.
for setting in "" "NO_LINKS=$EPERM NO_NOREPLACE=$EINVAL"; do
    kill=0 _status=137
    while [ $_status = 137 ]; do
        kill=$((kill + 1))
        rm -rf "$T/o"
        prepare $setting KILL=$kill
        [ $_status = 137 ] || break
        [ -s "$T/o/n.manifest.json" ] && expect_whole "$setting, killed at $kill" # at its end
        prepare $setting
        expect_status 0
        expect_whole "$setting, again after a kill at $kill"
        expect "no temporary is left ($setting, $kill)" test -z "$(ls "$T/o" | grep '\.tmp\.')"
        _status=137
    done
    expect_status 0
    expect "it was killed at each step ($kill)" test $kill -gt 8
done

# Races of two processes.
run env NO_LINKS=$EPERM NO_NOREPLACE=$EINVAL bash tests/cli/prepare_races.sh
expect_status 0
expect "the races went well" test -z "$(grep -A 1 '^tests/cli' "$T/.stdout" | tee /dev/stderr)"
