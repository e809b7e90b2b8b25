# SPDX-License-Identifier: Apache-2.0
# Many runs at once into a folder where empty files have the names of what they publish, as
# a crash or an earlier version leaves them: one configuration wins, one unit is whole. On
# file systems with and without hard links.
. tests/cli/expect.sh

[ -z "${SANITIZE-}" ] || skip "LD_PRELOAD does not go with sanitizers"
EPERM=1 EINVAL=22 RUNS=4

# at_once N COMMAND...: with a number behind it, N times; the exit statuses in $ended.
at_once()
{
    local i n=$1 pids=()
    shift
    rm -f "$T"/*.stderr
    for i in $(seq $n); do
        "$@" $i 2>"$T/$i.stderr" &
        pids+=($!)
    done
    ended=
    for i in "${pids[@]}"; do
        wait $i
        ended="$ended$? "
    done
}

n_of() # how many of $ended are $1
{
    tr ' ' '\n' <<<"$ended" | grep -c "^$1\$"
}

prepare()
{
    env "${setting[@]}" LD_PRELOAD="$BUILD/tests/programs/interpose.so" \
        "$BUILD/latentmill" prepare --quiet --tokenizer none --out "$T/o" "$@"
}

with_seed()
{
    prepare --seed "$1" "$T/in/$1.jsonl"
}

one_name()
{
    prepare "$T/in/$1/n.jsonl"
}

for i in $(seq $RUNS); do
    mkdir -p "$T/in/$i"
    echo "{\"text\": \"text $i\"}" | tee "$T/in/$i.jsonl" >"$T/in/$i/n.jsonl"
done

for round in $(seq 20); do
    setting=(A=B)
    [ $((round % 2)) = 0 ] || setting=("NO_LINKS=$EPERM" "NO_NOREPLACE=$EINVAL")

    # Configurations.
    rm -rf "$T/o"
    mkdir "$T/o"
    : >"$T/o/dataset.json"
    at_once $RUNS with_seed
    expect "one is well, the others are refused ($ended)" test "$(n_of 0) $(n_of 2)" = "1 $((RUNS - 1))"
    seed=$(jq .text.seed "$T/o/dataset.json")
    expect "only its files are there" test "$(ls "$T/o" | tr '\n' ' ')" = \
        "$seed.lms $seed.manifest.json dataset.json "

    # Inputs of one NAME. Who renamed files over the winner's says so (prepare_races.sh); who
    # comes late is refused.
    n=$((round % 3 ? 2 : RUNS))
    rm -rf "$T/o"
    mkdir "$T/o"
    : >"$T/o/n.manifest.json"
    at_once $n one_name
    expect "none ends otherwise ($ended)" test $(($(n_of 0) + $(n_of 1) + $(n_of 2))) = $n
    expect "of two at most one is well ($ended)" test $n != 2 -o $(n_of 0) -le 1
    if [ -s "$T/o/n.manifest.json" ]; then
        expect "whose manifest it is, is well ($ended)" test $(n_of 0) -ge 1
        expect "its shard is there" test "$(sha256sum <"$T/o/n.lms" | cut -d ' ' -f 1)" = \
            "$(jq -r '.result.shards[0].sha256' "$T/o/n.manifest.json")"
    else
        expect "who took it away says so" grep -q 'unfinished now\|has replaced files' \
            "$T"/*.stderr
        run prepare "$T/in/1/n.jsonl"
        expect_status 0
    fi
done

# Many empty manifests cost no time.
rm -rf "$T/o"
mkdir "$T/o"
for i in $(seq 16); do
    cp "$T/in/1.jsonl" "$T/in/u$i.jsonl"
    : >"$T/o/u$i.manifest.json"
done
for setting in A=B "NO_LINKS=$EPERM"; do
    start=$SECONDS
    prepare "$T/in/u{1..16}.jsonl"
    expect "all are whole" test "$(find "$T/o" -name '*.manifest.json' -size +0 | wc -l)" = 16
    expect "at once" test $((SECONDS - start)) -lt 10
done

# Somebody has put something else into a claim's folder: it is named, and ends that unit alone.
rm -rf "$T/o"
mkdir -p "$T/o/u1.manifest.json.tmp.claim.0.00000000"
: >"$T/o/u1.manifest.json.tmp.claim.0.00000000/mine"
: >"$T/o/u1.manifest.json"
run latentmill prepare --quiet --tokenizer none --out "$T/o" "$T/in/u1.jsonl" "$T/in/u2.jsonl"
expect_status 1
expect_match stderr '^error: u1: .*/u1.manifest.json.tmp.claim.0.00000000 has something else in it; remove that folder; nothing of it was published, run again$'
expect "the other is whole" test -s "$T/o/u2.manifest.json"
rm -r "$T/o/u1.manifest.json.tmp.claim.0.00000000"
run latentmill prepare --quiet --tokenizer none --out "$T/o" "$T/in/u1.jsonl" "$T/in/u2.jsonl"
expect_status 0
