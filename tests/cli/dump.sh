# SPDX-License-Identifier: Apache-2.0
# latentmill dump, on the shards that tests/programs/write_dump_shards.c writes.
. tests/cli/expect.sh

mkdir "$T/w"
"$BUILD/tests/programs/write_dump_shards" "$T/w" || exit 1
model=$(basename "$T"/w/tokenizer-*.model)

# NAME SHARD...: a finished unit in the folder of NAME.
manifest()
{
    local name=$1 shards= bytes
    shift
    for shard; do
        bytes=$(stat -c %s "$(dirname "$name")/$shard" 2>/dev/null)
        shards="$shards, {\"name\": \"$shard\", \"bytes\": ${bytes:-1}}"
    done
    cat >"$name.manifest.json" <<END
{"result": {"inputs": [{"status": "complete"}], "shards": [${shards#, }]},
 "run": {"input": {"path": "x.tar", "size": null}}}
END
}

# What a person reads: every kind of sample, every odd character.
for shard in pairs others raw; do
    run latentmill dump "$T/w/$shard.lms"
    expect_status 0
    expect_stdout tests/cli/dump/$shard.txt
    expect_stderr </dev/null
done

# What a program reads.
run latentmill dump --json "$T/w/pairs.lms" "$T/w/others.lms" "$T/w/raw.lms"
expect_status 0
expect_stdout tests/cli/dump/all.jsonl
expect_stderr </dev/null

run latentmill dump --latents none --limit 1 "$T/w/pairs.lms"
expect_status 0
expect_stdout tests/cli/dump/none.txt
run latentmill dump --latents none --json --key logvar "$T/w/others.lms"
expect_status 0
expect_stdout tests/cli/dump/none.jsonl
run latentmill dump --latents full --key logvar "$T/w/others.lms"
expect_status 0
expect_stdout tests/cli/dump/full.txt
run latentmill dump --latents=full --json --key logvar "$T/w/others.lms"
expect_status 0
expect_stdout tests/cli/dump/full.jsonl

# All values of all tensors, codes and features too.
run latentmill dump --latents full --key rest "$T/w/others.lms"
expect_status 0
expect_stdout tests/cli/dump/rest.txt
run latentmill dump --latents full --json --key rest "$T/w/others.lms"
expect_status 0
expect_stdout tests/cli/dump/rest.jsonl

# Pairs that have more than a caption, an image and its latent.
"$BUILD/tests/programs/write_parts" "$T/w/parts.lms" parts "IVMCFPw T" "Im T" "T:user Iv"
run latentmill dump "$T/w/parts.lms"
expect_status 0
expect_stdout tests/cli/dump/parts.txt
rm "$T/w/parts.lms"

# A label as wide as its column has a blank behind it.
"$BUILD/tests/programs/write_shapes" "$T/w/many" 1 encoders
run latentmill dump "$T/w/many-00000.lms"
expect_status 0
expect_match stdout '^  encoder 9 vae9: latent'
expect_match stdout '^  encoder 10 vae10: latent'
rm "$T/w/many-00000.lms"

run latentmill dump --header "$T/w/pairs.lms" "$T/w/raw.lms"
expect_status 0
expect_stdout tests/cli/dump/header.jsonl

# The samples of a block that is damaged are one line, or with --verbose one each.
cp "$T/w/pairs.lms" "$T/damaged.lms"
frame=$(LC_ALL=C grep -abo '\x28\xb5\x2f\xfd' -P "$T/damaged.lms" | head -n 1 | cut -d : -f 1)
printf xxxx | dd of="$T/damaged.lms" bs=1 seek=$((frame + 40)) conv=notrunc status=none
run latentmill dump --latents none "$T/damaged.lms"
expect_status 1
expect_stdout tests/cli/dump/lost.txt
expect_stderr <<END
error: \$T/damaged.lms: text frame of block 0 at byte $frame does not match its checksum: lost: 2 samples, from pairs 000000000, index 0 to pairs 000000001, index 1 (--verbose names all)
END
run latentmill dump --latents none --verbose --json "$T/damaged.lms"
expect_status 1
expect_stderr <<END
error: \$T/damaged.lms: text frame of block 0 at byte $frame does not match its checksum: lost: pairs 000000000, index 0
error: \$T/damaged.lms: text frame of block 0 at byte $frame does not match its checksum: lost: pairs 000000001, index 1
END

# --key and --name find a sample without reading the blocks of others: this one is damaged.
run latentmill dump --latents none --key empty "$T/damaged.lms"
expect_status 0
expect_match stdout '^pairs empty, index 4$'
run latentmill dump --latents none --key 000000001 --name pairs "$T/damaged.lms"
expect_status 1
expect_match stderr 'text frame of block 0 .*: lost: pairs 000000001, index 1$'

# What is printed, in one line each.
names()
{
    latentmill dump --json --latents none "$@" | sed 's/^{"name":"\([^"]*\)","key":"\([^"]*\)".*/\1 \2/'
    return "${PIPESTATUS[0]}"
}

# --limit counts over all files, and what stands behind it is not opened.
echo "this is no shard" >"$T/text.lms"
run names --limit 5 "$T/w/pairs.lms" "$T/w/raw.lms" "$T/text.lms"
expect_status 0
expect_stdout <<'END'
pairs 000000000
pairs 000000001
pairs odd
pairs empty
raw 000000000
END
expect_stderr </dev/null

run names --key 000000001 "$T"/w/*.lms
expect_status 0
expect_stdout <<'END'
pairs 000000001
raw 000000001
END
run names --key 000000001 --name raw "$T"/w/*.lms
expect_status 0
expect_stdout <<'END'
raw 000000001
END
run names --name pairs --limit 1 "$T"/w/*.lms
expect_status 0
expect_stdout <<'END'
pairs 000000000
END
run names --key edit --name raw "$T"/w/*.lms
expect_status 1
expect_stdout </dev/null
expect_stderr <<'END'
error: no such sample
END

# A folder: finished shards alone, by NAME and part.
mkdir -p "$T/d/b/c"
cp "$T/w/raw.lms" "$T/d/b.lms"
cp "$T/w/pairs.lms" "$T/d/b+00001.lms"
cp "$T/w/others.lms" "$T/d/b/c/deep.lms"
cp "$T/w/raw.lms" "$T/d/unfinished.lms"
cp "$T/w/raw.lms" "$T/d/a.lms.tmp.host.1.0123abcd"
manifest "$T/d/b" b.lms b+00001.lms
manifest "$T/d/b/c/deep" deep.lms
manifest "$T/d/none"
run names "$T/d/"
expect_status 42
expect_stdout <<'END'
raw 000000000
raw 000000001
raw odd
raw empty
pairs 000000000
pairs 000000001
pairs odd
pairs empty
deep/others document
deep/others edit
deep/others logvar
deep/others unknown
deep/others rest
END
expect_stderr <<'END'
warning: $T/d/a.lms.tmp.host.1.0123abcd: its unit is unfinished
warning: $T/d/unfinished.lms: no manifest names it, its unit is unfinished
END
run names --incomplete "$T/d"
expect_status 0
expect "all others are printed" [ "$(wc -l <"$T/.stdout")" = 13 ]
# Where `prepare` is at work, that is no fault.
echo '{}' >"$T/d/dataset.json"
run names "$T/d"
expect_status 0
expect "all others are printed" [ "$(wc -l <"$T/.stdout")" = 13 ]
expect_match stderr 'unfinished\.lms: no manifest names it'
rm "$T/d/dataset.json"

manifest "$T/d/lost" lost.lms
echo '{"result": 1}' >"$T/d/odd.manifest.json"
echo '{' >"$T/d/torn.manifest.json"
run names --name deep/others --limit 1 "$T/d"
expect_status 42
expect_stdout <<'END'
deep/others document
END
expect_match stderr '^warning: \$T/d/odd\.manifest\.json is damaged or no manifest: '
expect_match stderr '^warning: \$T/d/torn\.manifest\.json is damaged or no manifest: .*line 2'
run names "$T/d"
expect_status 42
expect_match stderr '^warning: \$T/d/lost\.lms is missing; \$T/d/lost\.manifest\.json names it$'
expect "all others are printed" [ "$(wc -l <"$T/.stdout")" = 13 ]

mkdir "$T/empty"
run latentmill dump "$T/empty" "$T/missing.lms"
expect_status 2
expect_stdout </dev/null
expect_stderr <<'END'
error: $T/empty: no shards below it
error: $T/missing.lms: No such file or directory
END
run names "$T/missing.lms" "$T/w/raw.lms"
expect_status 2
expect_match stdout '^raw odd$'

# The tokenizer: beside the shard, as many folders up as NAME has, or told to be missing.
tokens()
{
    latentmill dump --latents none --key document "$@" | grep "^  tokens"
}
run tokens "$T/w/others.lms"
expect_match stdout '3417:▁Once'
run tokens "$T/d/b/c/deep.lms"
expect_stdout <<'END'
  tokens    3417 1346 259 905 3874
END
expect_stderr <<END
note: \$T/d/b/c/deep.lms: no $model with the SHA-256 that the shard gives is beside it: ids are printed without their pieces
END
cp "$T/w/$model" "$T/d/b"
run tokens "$T/d/b/c/deep.lms"
expect_match stdout '3417:▁Once'
expect_stderr </dev/null
printf x >>"$T/d/b/$model"
run tokens "$T/d/b/c/deep.lms"
expect_match stdout '  tokens    3417 1346'
expect_stderr <<END
error: \$T/d/b/c/../$model: is damaged: its SHA-256 is not the one that the shard gives; remove it, and the prepare command that made the shard places it anew
END
run latentmill dump --latents none "$T/d/b/c/deep.lms"
expect_status 1
# The note comes once, and a shard that has its model still gets its pieces.
run tokens "$T/d/b/c/deep.lms" "$T/d/b/c/deep.lms" "$T/w/others.lms"
expect "one note" [ "$(wc -l <"$T/.stderr")" = 1 ]
expect_match stdout '3417:▁Once'

# Damage is named, costs its own samples, and the other files go on.
cp "$T/w/pairs.lms" "$T/damaged.lms"
size=$(wc -c <"$T/damaged.lms")
head -c $((size / 2)) "$T/w/pairs.lms" >"$T/cut.lms"
: >"$T/nothing.lms"
run names "$T/cut.lms" "$T/text.lms" "$T/nothing.lms" "$T/not_there.lms" "$T/w/raw.lms"
expect_status 1
expect_stdout <<'END'
raw 000000000
raw 000000001
raw odd
raw empty
END
for file in cut text nothing not_there; do
    expect_match stderr "^error: \\\$T/$file\.lms: "
done
expect "one line each" [ "$(wc -l <"$T/.stderr")" = 4 ]

# flip FILE BYTE: another value for one byte.
flip()
{
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "\\x$(printf %02x $((byte ^ 0x55)))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# A flipped byte anywhere costs at most what it hits: what is printed is as it was written,
# and where something is not, that is said.
latentmill dump --json "$T/w/pairs.lms" >"$T/whole"
wrong= some=0
for at in $(seq 20 97 "$size"); do
    cp "$T/w/pairs.lms" "$T/damaged.lms"
    flip "$T/damaged.lms" "$at"
    latentmill dump --json "$T/damaged.lms" >"$T/part" 2>"$T/why"
    case $? in
    0) cmp -s "$T/whole" "$T/part" || wrong="$wrong $at" ;;
    1) [ -s "$T/why" ] || wrong="$wrong $at" ;;
    *) wrong="$wrong $at" ;;
    esac
    grep -qvxFf "$T/whole" "$T/part" && wrong="$wrong $at"
    if [ -s "$T/part" ] && grep -q ': lost: 2 samples, from pairs 000000000, index 0 to pairs 000000001, index 1 ' "$T/why"; then
        some=$((some + 1))
    fi
done
expect "no flipped byte goes wrong (here:$wrong)" [ -z "$wrong" ]
expect "some cost only the samples of their block" [ $some -gt 0 ]

# A pipe that closes ends it quietly.
first()
{
    latentmill dump --json --latents full "$T"/w/*.lms "$T"/w/*.lms "$T"/w/*.lms | head -n 1 >/dev/null
    return "${PIPESTATUS[0]}"
}
run first
expect_status 0
expect_stderr </dev/null
full()
{
    latentmill dump "$T/w/pairs.lms" >/dev/full
}
run full
expect_status 1
expect_stderr <<'END'
error: standard output: No space left on device
END

# Wrong usage is explained before any work.
run latentmill dump
expect_status 2
expect_stderr <<'END'
error: dump needs a FILE or a DIR (see latentmill dump --help)
END
run latentmill dump --limit 0 "$T/w/pairs.lms"
expect_status 2
expect_match stderr '^error: --limit 0: a whole number from 1'
run latentmill dump --latents all "$T/w/pairs.lms"
expect_status 2
expect_match stderr 'must be one of stats\|none\|full'
run latentmill dump --help
expect_status 0
expect_match stdout '^usage: latentmill dump '
