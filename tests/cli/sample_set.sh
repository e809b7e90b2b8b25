# SPDX-License-Identifier: Apache-2.0
# The sample set through the program: what is kept, what is rejected and why, and a second run.
. tests/cli/expect.sh

run latentmill prepare --out "$T/out" --size 64 tests/data/scenes-000.tar tests/data/scenes-001.tar
expect_status 0
expect_stdout </dev/null
expect_match stderr 'embedded'

rejected()
{
    sed -E 's/.*"index":([0-9]+),"key":"([^"]*)".*"reason":"([^"]*)".*/\1 \2 \3/' "$1"
}
run rejected "$T/out/scenes-000.rejects.jsonl"
expect_stdout <<'END'
4 000000900 truncated_image
9 000000901 corrupt_image
13 000000902 no_caption
17 000000903 empty_caption
21 000000904 no_caption
25 000000905 no_image
END
run rejected "$T/out/scenes-001.rejects.jsonl"
expect_stdout <<'END'
3 000000906 caption_not_utf8
7 000000907 unsupported_format
11 000000908 bad_metadata
15 000000909 truncated_image
20 000010002 duplicate_key
END

count_samples()
{
    latentmill dump --json --latents none "$1" | wc -l
}
run count_samples "$T/out/scenes-000.lms"
expect_stdout <<<20
run count_samples "$T/out/scenes-001.lms"
expect_stdout <<<20

# A finished folder: nothing is done again.
(cd "$T/out" && sha256sum -- * >"$T/before")
run latentmill prepare --out "$T/out" --size 64 tests/data/scenes-000.tar tests/data/scenes-001.tar
expect_status 0
(cd "$T/out" && sha256sum -- * >"$T/after")
expect "no file changed" cmp "$T/before" "$T/after"
