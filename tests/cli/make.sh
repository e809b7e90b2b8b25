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

# The commands that would make these from nothing; those that link programs count (two of the
# sources are libraries to be loaded before a program).
programs=$(ls tests/programs/*.c | grep -v -e interpose -e fail_allocation | sed 's/\.c$//')
links()
{
    quiet_make BUILD="$T/build" -n "${@/#/$T/build/}" | grep -E -- " -o $T/build/tests/[a-z_/]+ "
}
run links tests/unit/test_key $programs
expect_status 0
expect_match stdout ' -o .T/build/tests/unit/test_key .* -lcmocka'
expect "all are linked" [ "$(wc -l <"$T/.stdout")" = $(($(wc -w <<<"$programs") + 1)) ]
expect "one with cmocka" [ "$(grep -c cmocka "$T/.stdout")" = 1 ]

# What following the pages leaves behind is no change; nothing of the project is passed over.
if git rev-parse --git-dir >"$T/git" 2>&1; then
    run git check-ignore -v --no-index build/demo/x.lms venv/bin/python shards/dataset.json \
        text/a.lms pairs/index.lmi mds/index.json wds/part-000.tar sdxl-vae/config.json \
        tokenizer.model my.tar part-00000.tar part-000.jsonl.zst corpus.jsonl state.pt tiny.pt \
        tiny.log wide.lmv latentmill-0.1.0-cp311-abi3-linux_x86_64.whl shard/python/dist/x.tar.gz \
        shard/python/build/x shard/python/latentmill.egg-info/x corpus/dataset.json \
        new-mds/index.json list.txt takedown.txt wheelhouse/latentmill.whl readme.jsonl
    expect_status 0
    expect "all are ignored" [ "$(wc -l <"$T/.stdout")" = 27 ]
    # Whatever its commands write to.
    outs=$(grep -h "^    build/latentmill" README.md tools/README.md shard/python/README.md | grep -oE -- "--out [^ ]+" | cut -d " " -f 2)
    expect "the pages have commands that write" [ "$(wc -l <<<"$outs")" -ge 6 ]
    run git check-ignore --no-index ${outs//$'\n'// }/
    expect "all of it is ignored" [ "$(wc -l <"$T/.stdout")" = "$(wc -l <<<"$outs")" ]
    run git ls-files --cached --ignored --exclude-standard
    expect_status 0
    expect_stdout </dev/null
fi
