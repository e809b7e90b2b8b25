# SPDX-License-Identifier: Apache-2.0
# What a run says while it works, and what becomes of the inputs in hand when it is stopped.
. tests/cli/expect.sh
export LATENTMILL_PROGRESS_SECONDS=1

# Twelve inputs of the first four groups, and a long one.
mkdir "$T/in"
tar -C "$T/in" -xf tests/data/scenes-000.tar
tar -C "$T/in" --sort=name -cf "$T/small.tar" $(ls "$T/in" | head -n 12)
for i in $(seq -w 12); do
    cp "$T/small.tar" "$T/s$i.tar"
done
cp tests/data/scenes-000.tar "$T/long.tar"

# wait_for COMMAND...: until it succeeds.
wait_for()
{
    for _ in $(seq 600); do
        "$@" && return
        sleep 0.05
    done
    expect "waited for: $*" false
}

# start NAME OPTION... INPUT...: in the background, into $T/NAME with a log beside it.
start()
{
    name=$1
    shift
    "$BUILD/latentmill" prepare --workers 1 --batch 1 --out "$T/$name" --log "$T/$name.log" \
        "$@" 2>"$T/$name.err" &
}

some_done()
{
    grep -s '"event":"progress"' "$T/$name.log" | jq -c 'select(.done > 0)' >"$T/.progress"
    [ -s "$T/.progress" ]
}

# ended SIGNAL: sends it to what was started, and waits for status 75.
ended()
{
    killed_at=$SECONDS
    kill -$1 $!
    wait $!
    expect "status 75 after SIG$1" test $? = 75
    expect "nothing is half-done" test -z "$(ls "$T/$name" | grep '\.tmp\.')"
}

said()
{
    expect "it says: $1" grep -qE -- "$1" "$T/$name.err"
}

not_said()
{
    expect "it does not say: $1" test -z "$(grep -E -- "$1" "$T/$name.err")"
}

manifests()
{
    ls "$T/$name" | grep -c 'manifest\.json$'
}

# The inputs in hand are finished, and no other is begun.
first_is_there()
{
    [ -e "$T/$name/s01.manifest.json" ]
}
start finish --grace 120 "$T"/s??.tar
wait_for first_is_there
ended INT
said '^stopping: signal 2$'
said '^stopped: run the same command again to go on$'
said '^stopping: finishing [1-9] of [1-9] inputs? in hand: about [0-9]+ s, at most 120 \(--grace\)'
not_said dropped
n=$(manifests)
expect "those in hand are complete, $n of 12" test "$n" -ge 2 -a "$n" -lt 12
run latentmill prepare --quiet --out "$T/finish" "$T"/s??.tar
expect_status 0
expect "then the others are" test "$(manifests)" = 12

# Not where --grace is 0: it says what is dropped.
start drop --size 512 --grace 0 "$T/long.tar"
wait_for some_done
ended HUP
said '^stopping: dropped [1-9][0-9]* encoded images of 1 unfinished input; the same command'
not_said finishing
expect "nothing is published" test "$(manifests)" = 0
expect "the log has it" jq -es 'last | .event == "end" and .exit_status == 75' \
    "$T/drop.log" >/dev/null

# Nor where it would take longer than that, or nobody knows how long.
start huge --size 512 --grace 2 "$T/long.tar"
wait_for some_done
ended TERM
said '^stopping: dropped [1-9][0-9]* encoded images of 1 unfinished input'
not_said finishing
start pipe --grace 120 --name pipe "pipe:cat $T/long.tar; sleep 120"
wait_for some_done
ended USR1
said '^stopping: dropped [1-9][0-9]* encoded images of 1 unfinished input'
not_said finishing
expect "it does not wait" test $((SECONDS - killed_at)) -le 20
not_said ' s to go'
expect "nobody knows when a pipe ends" test \
    "$(jq -cs 'map(.seconds_left) | unique' "$T/.progress")" = '[null]'

# A second signal ends the grace.
start twice --size 512 --grace 100000 "$T/long.tar"
wait_for some_done
kill -TERM $!
wait_for grep -q finishing "$T/twice.err"
ended TERM
said '^stopping: dropped'
expect "it does not wait" test $((SECONDS - killed_at)) -le 20

# Nor does a SIGINT, which is counted as well; one that comes twice at once is one.
start thrice --size 512 --grace 100000 "$T/long.tar"
wait_for some_done
kill -INT $! $!
wait_for grep -q finishing "$T/thrice.err"
ended INT
said '^stopping: dropped [1-9][0-9]* encoded images'
expect "the log has its end" jq -es 'last | .exit_status == 75' "$T/thrice.log" >/dev/null

# What fits is finished though another input was opened behind it.
start fits --grace 60 --name '{s01,pipe}' "$T/s01.tar" "pipe:cat $T/small.tar; touch $T/open; sleep 120"
wait_for test -e "$T/open"
wait_for some_done
ended INT
expect "it does not wait for the other" test $((SECONDS - killed_at)) -le 20
expect "the first is there" test "$(manifests)" = 1
said '^stopping: dropped [0-9]+ encoded images of 1 unfinished'

# Where nothing is left to do, the signal has stopped nothing.
start all --grace 100000 --size 384 "$T/long.tar"
wait_for some_done
kill -INT $!
wait $!
expect "status 0" test $? = 0
said '^stopping: finishing 1 of 1'
not_said 'run the same command again'

# SIGHUP ends a wait before the run; under nohup it does nothing.
mkfifo "$T/fifo"
run timeout -s HUP --preserve-status --kill-after=5 1 \
    "$BUILD/latentmill" prepare --out "$T/h" "@$T/fifo"
expect_status 75
(
    trap '' HUP
    name=nohup
    start nohup --size 512 "$T/long.tar"
    wait_for some_done
    kill -HUP $!
    wait $!
)
expect "status 0 after a SIGHUP under nohup" test $? = 0
name=nohup
expect "the unit is complete" test "$(manifests)" = 1
not_said stopping

# Lines where stderr is no terminal, and the log's fields.
said '^0 of 1 input, [0-9]+ images, [0-9.]+ images/s, [0-9]+ rejects?, [0-9]+ s to go, bottleneck encode$'
expect "no bottleneck is named before the first image" test -z \
    "$(jq -c 'select(.event == "progress" and .done == 0 and .bottleneck != null)' \
        "$T"/*.log)"
expect "fields of progress" test "$(jq -c 'select(.event == "progress") | keys' \
    "$T"/*.log | sort -u)" = \
    '["bottleneck","done","event","inputs","of","per_second","rejects","seconds","seconds_left","what"]'
start quiet --quiet --size 512 "$T/s02.tar"
wait $!
expect "status 0" test $? = 0
not_said 'of 1 input'
