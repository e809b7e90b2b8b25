# SPDX-License-Identifier: Apache-2.0
# An encoder whose tensors are never the same twice: each try of a unit has files of its own names,
# the manifest names those that count, and neither a kill at any instant nor a second process leaves
# it beside another's.
. tests/cli/expect.sh

[ -z "${SANITIZE-}" ] || skip "LD_PRELOAD does not go with sanitizers"

mkdir "$T/in"
(cd "$T/in" && tar xf "$OLDPWD/tests/data/scenes-000.tar" 000000000.jpg 000000000.txt 000000001.jpg 000000001.txt)
echo 'no picture' >"$T/in/bad.jpg"
echo 'a text' >"$T/in/bad.txt"
tar cf "$T/n.tar" -C "$T/in" --sort=name .
echo '{"text": "x"}' >"$T/other.jsonl"

prepare="--quiet --out $T/o --size 64 --workers 1 --max-reject-rate 1 --encoder"
encoder="e=cmd:$BUILD/tests/programs/null_encoder 4 1 random"

# What the manifest names is there with the bytes it says, and is called as a try's.
expect_whole()
{
    local manifest=$T/o/n.manifest.json name sha
    [ -e "$manifest" ] || return
    jq -r '.result | .shards[], .rejects | .name + " " + .sha256' "$manifest" >"$T/named"
    expect "$1: two files are named" test "$(grep -cE '^n~[0-9a-f]{8}\.(lms|rejects\.jsonl) ' "$T/named")" = 2
    while read -r name sha; do
        expect "$1: $name is the manifest's" test \
            "$(sha256sum "$T/o/$name" | cut -d ' ' -f 1)" = "$sha"
    done <"$T/named"
}

# And nothing else is there.
expect_clean()
{
    expect_whole "$1"
    expect "$1: nothing else is there: $(ls "$T/o")" test "$(ls "$T/o" | grep -c '^n[.~]')" = 3
}

run latentmill prepare $prepare "$encoder" "$T/n.tar" "$T/other.jsonl"
expect_status 0
expect_clean first
expect "a unit without images has a plain name" test -e "$T/o/other.lms"

# All that reads shards takes them, with other tries' beside them or without any manifest.
run latentmill dump --json "$T/o"
cp "$T/.stdout" "$T/dumped"
expect "both units" test "$(wc -l <"$T/dumped")" = 3
cp -r "$T/o" "$T/copy"
cp "$T/copy"/n~*.lms "$T/copy/n~00000000.lms"
run latentmill dump --json "$T/copy"
expect_status 0
expect_stdout "$T/dumped"
rm "$T/copy"/*.json
run latentmill dump --json "$T/copy"
expect_status 42
expect_match stderr 'n~[0-9a-f]{8}\.lms: shards of two tries of its unit are here, and no manifest'
run latentmill index "$T/copy"
expect_status 42
rm "$T/copy/n~00000000.lms"
run latentmill dump --json "$T/copy"
expect_status 0
expect_stdout "$T/dumped"
run latentmill index "$T/copy"
expect_status 0
run latentmill export --quiet --format webdataset --out "$T/exported" "$T/copy"
expect_status 0
expect "it is called by the header's name" test -e "$T/exported/n.tar"

# Again, and the older files go; a try that no manifest names goes when one sees the manifest.
# Not only at the run's end: a redo of a whole data set has no room for two.
before=$(ls "$T/o"/n~*.lms)
cat >"$T/meanwhile.sh" <<END
for i in \$(seq 500); do
    [ -e $T/o/n.manifest.json ] && [ \$(ls $T/o/n~*.lms | wc -l) = 1 ] && break
    sleep 0.01
done
ls $T/o/n~*.lms >$T/meanwhile
cat $T/n.tar
END
run latentmill prepare $prepare "$encoder" --redo --name '{n,more}' \
    "$T/n.tar" "pipe:sh $T/meanwhile.sh"
expect_status 0
expect "the older one goes at once" test "$(wc -l <"$T/meanwhile")" = 1
expect_clean redo
expect "it is another try's" test ! -e "$before"
cp "$T/o"/n~*.lms "$T/o/n~00000000.lms"
run latentmill prepare $prepare "$encoder" "$T/n.tar"
expect_status 0
expect_clean "the next start"

# Killed before each change of a folder: a new unit, and one that is done again.
for how in new redo; do
    for at in $(seq 100); do
        option=
        [ $how = new ] && rm -f "$T/o"/n[.~]*
        [ $how = redo ] && option=--redo
        run env KILL=$at LD_PRELOAD="$BUILD/tests/programs/interpose.so" \
            "$BUILD/latentmill" prepare $prepare "$encoder" $option "$T/n.tar"
        ended=$_status
        [ -e "$T/o/n.manifest.json" ] && [ $how = new ] && published=${published:-$at}
        expect_whole "$how, killed at $at"
        run latentmill dump --json "$T/o"
        expect "$how, killed at $at: no half of a unit is read" test \
            "$(grep -c '"name":"n"' "$T/.stdout")" = $([ -e "$T/o/n.manifest.json" ] && echo 2 || echo 0)
        [ $ended = 137 ] || break
        run latentmill prepare $prepare "$encoder" "$T/n.tar"
        expect_status 0
        expect_clean "$how, killed at $at, then finished"
    done
    expect "$how: it comes to an end ($at)" test $ended = 0 -a $at -gt 5
    expect_clean "$how, not killed"
done

# Two at once: both are well, whoever is first.
wait_for()
{
    local i
    for i in $(seq 1000); do
        test -e "$1" && return
        sleep 0.01
    done
    expect "$1 is reached" false
}

start()
{
    GATE=$T/$1 LD_PRELOAD=$BUILD/tests/programs/interpose.so \
        "$BUILD/latentmill" prepare $prepare "$encoder" "$T/n.tar" 2>"$T/$1.stderr" &
    eval "$1=\$!"
}

for order in "a.rename a.link b.rename b.link" "a.rename b.rename b.link a.link" \
    "a.rename b.rename a.link b.link"; do
    rm -f "$T/o"/n[.~]* "$T"/*.go "$T"/*.ready
    start a
    start b
    for gate in $order; do
        wait_for "$T/$gate.ready"
        touch "$T/$gate.go"
        # Before the next one may go: it stands at its link, or is at its end.
        case $gate in
        *.rename) wait_for "$T/${gate%.rename}.link.ready" ;;
        a.link) wait $a ;;
        b.link) wait $b ;;
        esac
        case "$gate $order" in "a.link a.rename a.link"*) touch "$T/b.link.ready" ;; esac
    done
    wait $a
    a_ended=$?
    wait $b
    expect "both are well ($order)" test "$a_ended $?" = "0 0"
    expect_clean "$order"
done

# One comes late, and is killed before each change that it makes of the other's finished unit. That
# one is killed too, before it has removed the first one's temporaries.
for at in $(seq 100); do
    rm -f "$T/o"/n[.~]* "$T"/*.go "$T"/*.ready
    KILL=$at start a
    for i in $(seq 1000); do
        test -e "$T/a.rename.ready" || ! kill -0 $a 2>/dev/null && break
        sleep 0.01
    done
    run env KILL=$published LD_PRELOAD="$BUILD/tests/programs/interpose.so" \
        "$BUILD/latentmill" prepare $prepare "$encoder" "$T/n.tar"
    expect_status 137
    touch "$T/a.rename.go" "$T/a.link.go"
    wait $a
    ended=$?
    expect_whole "late, killed at $at"
    [ $ended = 137 ] || break
    run latentmill prepare $prepare "$encoder" "$T/n.tar"
    expect_status 0
    expect_clean "late, killed at $at, and started again"
done
expect "it comes to an end ($at)" test $ended = 0 -a $at -gt 5
expect_clean "late, not killed"
