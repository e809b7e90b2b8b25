# SPDX-License-Identifier: Apache-2.0
# The test runner itself: what fails, hangs, dies or is skipped must be counted as such.
. tests/cli/expect.sh

mkdir "$T/tests"
script()
{
    cat >"$T/tests/$1"
    chmod +x "$T/tests/$1"
}
runner()
{
    BUILD=$T PYTHON=$PYTHON TEST_TIMEOUT=1 JOBS=1 tests/run.sh "$@" | sed 's/[0-9.]* s)/TIME)/'
    return "${PIPESTATUS[0]}"
}
: "${PYTHON:=python3}"

echo 'exit 0' | script good.sh
echo 'echo the reason; exit 77' | script skipped.sh
echo 'echo what went wrong; exit 3' | script bad.sh
echo 'sleep 20' | script slow.sh
script tap <<'END'
#!/bin/sh
echo "1..4"; echo "ok 1 - one"; echo "not ok 2 # SKIP two"; echo "ok 3 - three"
echo "material is not there"; echo "ok 4 # SKIP four"
END
script tap_bad <<'END'
#!/bin/sh
echo "ok 1 - one"; echo "not ok 2 - two"; exit 1
END
script crash <<'END'
#!/bin/sh
echo "ok 1 - one"; kill -SEGV $$
END
script no_check.sh <<'END'
. tests/cli/expect.sh
END
script wrong.sh <<'END'
. tests/cli/expect.sh
run echo is
expect_stdout <<<must
END

run runner "$T/tests/good.sh"
expect_status 0
expect_stdout <<'END'
PASS  good (TIME)
1 passed, 0 failed, 0 skipped
END

run runner "$T/tests/tap" "$T/tests/skipped.sh"
expect_status 0
expect_stdout <<'END'
PASS  tap (2 of 4, TIME)
SKIP  tap: two
SKIP  tap: four: material is not there
SKIP  skipped: the reason
2 passed, 0 failed, 3 skipped
END

echo 'echo "$LATENTMILL_SHARED/x is missing"; exit 77' | script wanting.sh
LATENTMILL_SHARED=/nowhere run runner "$T/tests/wanting.sh"
expect_status 0
expect_stdout <<'END'
SKIP  wanting: /nowhere/x is missing
/nowhere is missing: test material that is not in this repository (LATENTMILL_SHARED says where it is)
0 passed, 0 failed, 1 skipped
END
PYTHON=/nowhere/bin/python run runner tests/python/test_pairs.py
expect_match stdout 'no complete virtual environment: tests/venv.sh makes it'

run runner "$T/tests/bad.sh" "$T/tests/slow.sh" "$T/tests/tap_bad" "$T/tests/good.sh"
expect_status 1
expect_stdout <<'END'
FAIL  bad: 1 of 1 (exit 3, TIME)
      | what went wrong
FAIL  slow: 1 of 1 (took more than 1 s, TIME)
FAIL  tap_bad: 1 of 2 (exit 1, TIME)
      | ok 1 - one
      | not ok 2 - two
PASS  good (TIME)
2 passed, 3 failed, 0 skipped
END

run runner "$T/tests/crash"
expect_status 1
expect_match stdout '^1 passed, 1 failed, 0 skipped'

run runner "$T/tests/no_check.sh" "$T/tests/wrong.sh"
expect_status 1
expect_match stdout 'no check was made'
expect_match stdout '^      \| -must'
expect_match stdout '^0 passed, 2 failed, 0 skipped'

run runner
expect_status 1
expect_stdout <<'END'
0 passed, 0 failed, 0 skipped
END
