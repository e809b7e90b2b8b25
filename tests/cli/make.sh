# SPDX-License-Identifier: Apache-2.0
# The Makefile: what is installed can be removed, and only tests need the test library.
. tests/cli/expect.sh

# Nothing is built here: -o takes the program as it is.
quiet_make()
{
    env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -s BUILD="$BUILD" "$@"
}

run quiet_make -o all install DESTDIR="$T/root" PREFIX=/usr
expect_status 0
expect "it is installed" cmp "$BUILD/latentmill" "$T/root/usr/bin/latentmill"
touch "$T/root/usr/bin/other"
run quiet_make uninstall DESTDIR="$T/root" PREFIX=/usr
expect_status 0
expect "it is gone" test ! -e "$T/root/usr/bin/latentmill"
expect "others are not" test -e "$T/root/usr/bin/other"
run quiet_make uninstall DESTDIR="$T/root" PREFIX=/usr
expect_status 0

# links PROGRAM: the commands that make it, from nothing.
links()
{
    quiet_make BUILD="$T/build" -n "$T/build/tests/$1" | grep -- " -o $T/build/tests/$1 "
}
run links unit/test_key
expect_match stdout ' -lcmocka'
for program in tests/programs/*.c; do
    run links "programs/$(basename "$program" .c)"
    expect_status 0
    expect "$program links without cmocka" [ -z "$(grep cmocka "$T/.stdout")" ]
done

# What following README.md leaves behind is no change; nothing of the project is passed over.
if git rev-parse --git-dir >"$T/git" 2>&1; then
    run git check-ignore -v --no-index build/demo/x.lms venv/bin/python shards/dataset.json \
        text/a.lms pairs/index.lmi mds/index.json wds/part-000.tar sdxl-vae/config.json \
        tokenizer.model my.tar part-00000.tar part-000.jsonl.zst corpus.jsonl state.pt tiny.pt \
        tiny.log wide.lmv latentmill-0.1.0-cp311-abi3-linux_x86_64.whl shard/python/dist/x.tar.gz \
        shard/python/build/x shard/python/latentmill.egg-info/x
    expect_status 0
    expect "all are ignored" [ "$(wc -l <"$T/.stdout")" = 21 ]
    run git ls-files --cached --ignored --exclude-standard
    expect_status 0
    expect_stdout </dev/null
fi
