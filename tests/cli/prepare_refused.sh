# SPDX-License-Identifier: Apache-2.0
# What `prepare` refuses before any work: one line that says why, exit status 2, no output.
. tests/cli/expect.sh

scenes=tests/data/scenes-000.tar

refused()
{
    run latentmill prepare "$@"
    expect_status 2
    expect_stdout </dev/null
    expect "no shard is written" test ! -e "$T/o/scenes-000.lms"
}

refused $scenes
expect_stderr <<'END'
error: --out DIR is needed (see --help)
END
refused --out "$T/o"
expect_stderr <<'END'
error: no input given (see --help)
END
refused --out "$T/o" --sise 256 $scenes
expect_stderr <<'END'
error: unknown option --sise (see --help)
END
refused --out "$T/o" --size 250 $scenes
expect_stderr <<'END'
error: --size 250: must be a multiple of 8 for the encoder vae
END
refused --out "$T/o" --size many $scenes
expect_stderr <<'END'
error: --size many: a whole number from 8 to 4096
END
refused --out "$T/o" --patch 3 $scenes
expect_stderr <<'END'
error: --patch 3: must be 1, 2, 4 or 8
END
refused --out "$T/o" --size 264 --patch 2 $scenes
expect_stderr <<'END'
error: --patch 2: does not divide the latent grid of 33 x 33
END
refused --out "$T/o" --caption-first 1.5 $scenes
expect_stderr <<'END'
error: --caption-first 1.5: a number from 0 to 1
END
refused --out "$T/o" --latent fp8 $scenes
expect_stderr <<'END'
error: --latent fp8: must be one of fp16|bf16|fp32
END
refused --out "$T/o" --image-field .jpg $scenes
expect_stderr <<'END'
error: --image-field .jpg: what follows a name's first dot is meant, as in 'jpg'
END
refused --out "$T/o" --boi '<no such piece>' $scenes
expect_stderr <<'END'
error: --boi <no such piece>: the tokenizer has no such piece
END
refused --out "$T/o" --eoi '</s>' $scenes
expect_stderr <<'END'
error: --eoi </s>: is the BOS or EOS
END
refused --out "$T/o" --tokenizer none --boi x $scenes
expect_stderr <<'END'
error: --boi, --eoi, --bos and --eos need a tokenizer
END
refused --out "$T/o" "$T/missing.tar"
expect_stderr <<'END'
error: $T/missing.tar: No such file or directory
END
touch "$T/file"
refused --out "$T/file" $scenes
expect_stderr <<'END'
error: --out $T/file: is not a folder
END
refused --out "$T/file/o" $scenes
expect_stderr <<'END'
error: --out $T/file/o: Not a directory
END
for url in s3://b/o gs://b/o hf://datasets/a/b https://h/o az-x://b/o file:///o; do
    refused --out "$url" --log "$T/log" $scenes
    expect_match stderr "^error: --out $url: no URL is written to; name a local folder, and copy"
    run latentmill export --format webdataset --out "$url" "$T/o"
    expect_status 2
    expect "no folder is made" test ! -e "${url%%/*}" -a ! -e "$T/log"
done
refused --out "$T/o" -
expect_stderr <<'END'
error: -: this input needs a name for its outputs: --name NAME
END
mkdir "$T/a" "$T/b"
cp $scenes "$T/a/x.tar"
cp $scenes "$T/b/x.tar"
refused --out "$T/o" "$T/a/x.tar" "$T/b/x.tar"
expect_stderr <<'END'
error: $T/a/x.tar and $T/b/x.tar would both be named 'x': --name-depth 2 tells them apart
END
refused --out "$T/o" --tokenizer $scenes $scenes
expect_match stderr '^error: --tokenizer .*scenes-000.tar'
refused --out "$T/o" --vae $scenes $scenes
expect_match stderr '^error: .*scenes-000.tar'
refused --out "$T/o" --vae "$T/missing" $scenes
expect_stderr <<'END'
error: --vae $T/missing: No such file or directory
END
refused --out "$T/o" --vae /dev/null $scenes
expect_stderr <<'END'
error: --vae /dev/null: is neither a file nor a folder
END

# Models of other kinds: what to do instead.
refused --out "$T/o" --vae stabilityai/sdxl-vae $scenes
expect_stderr <<'END'
error: --vae stabilityai/sdxl-vae: No such file or directory; if it is a model of the Hugging Face hub, download it first: pip install huggingface_hub && hf download stabilityai/sdxl-vae --local-dir sdxl-vae, then --vae sdxl-vae
END
refused --out "$T/o" --vae tests/missing $scenes
expect_stderr <<'END'
error: --vae tests/missing: No such file or directory
END
refused --out "$T/o" --vae https://huggingface.co/a/b $scenes
expect_match stderr '^error: --vae https://huggingface.co/a/b: URLs are not opened; download'
for pickle in x.ckpt x.pt x.PTH x.bin; do
    : >"$T/$pickle"
    refused --out "$T/o" --vae "$T/$pickle" $scenes
    expect_match stderr "^error: --vae .T/$pickle: is not safetensors; convert it once: python3"
done
mkdir -p "$T/pipe/unet" "$T/pipe/vae" "$T/many"
touch "$T/pipe/vae/config.json" "$T/pipe/vae/diffusion_pytorch_model.bin" "$T/many/"{10..25}
refused --out "$T/o" --vae "$T/pipe" $scenes
expect_stderr <<'END'
error: --vae $T/pipe: there is a config.json in its vae/, but no diffusion_pytorch_model.safetensors; in it: config.json, diffusion_pytorch_model.bin (given as --vae, the .bin says how to convert it)
END
refused --out "$T/o" --vae "$T/many" $scenes
expect_match stderr ' in it nor in a vae/ of it, but: 10, 11, .*, 21 and 4 more$'
mkdir "$T/half" "$T/half2" "$T/nothing"
touch "$T/half/config.json" "$T/half/tokenizer.json" "$T/half2/diffusion_pytorch_model.safetensors"
refused --out "$T/o" --vae "$T/half" $scenes
expect_stderr <<'END'
error: --vae $T/half: there is a config.json in it, but no diffusion_pytorch_model.safetensors; in it: config.json, tokenizer.json
END
refused --out "$T/o" --vae "$T/half2" $scenes
expect_match stderr 'is a diffusion_pytorch_model.safetensors in it, but no config.json; in it: diff'
refused --out "$T/o" --vae "$T/nothing" $scenes
expect_stderr <<'END'
error: --vae $T/nothing: there is nothing in it
END
refused --out "$T/o" --vae "a b/c d" $scenes
expect_stderr <<'END'
error: --vae a b/c d: No such file or directory
END
refused --out "$T/o" --tokenizer mistralai/Mistral-7B $scenes
expect_match stderr 'hf download mistralai/Mistral-7B tokenizer.json .* then --tokenizer Mistral-7B$'
for kind in tokenizer.json x.tiktoken; do
    : >"$T/$kind"
    refused --out "$T/o" --tokenizer "$T/$kind" $scenes
    expect_match stderr "^error: --tokenizer .T/$kind: empty"
done
refused --out "$T/o" --tokenizer "$T/many" $scenes
expect_match stderr 'is a folder without tokenizer.json, tokenizer.model or a .tiktoken file\. In it: 10, '
touch "$T/many/a.tiktoken" "$T/many/b.tiktoken"
refused --out "$T/o" --tokenizer "$T/many" $scenes
expect_match stderr '/many: has 2 .tiktoken files; name one of them$'
for file in tokenizer.model tokenizer.json; do # the last is looked for first
    touch "$T/many/$file"
    refused --out "$T/o" --tokenizer "$T/many" $scenes
    expect_match stderr "^error: --tokenizer .T/many/$file: empty"
done
for token in '=5' 'a' 'a=' 'a=x' 'a=-1' 'a=2147483648' 'a=1x'; do
    refused --out "$T/o" --special-token "$token" $scenes
    expect_match stderr '^error: --special-token .*: must be PIECE=ID'
done
refused --out "$T/o" --special-token a=1 --special-token a=2 $scenes
expect_match stderr '^error: --special-token a: is given twice$'
refused --out "$T/o" --tokenizer none --special-tokens reject $scenes
expect_match stderr '^error: --special-tokens, --special-token and --pattern need a tokenizer$'
for mode in parse reject; do
    refused --out "$T/o" --special-tokens $mode $scenes
    expect_match stderr '^error: --tokenizer builtin: is a SentencePiece model: .*; special tokens must be plain$'
done
truncate -s 268435457 "$T/large.model"
refused --out "$T/o" --tokenizer "$T/large.model" $scenes
expect_match stderr '^error: --tokenizer .T/large.model: is larger than 256 MiB$'
refused --out "$T/o" --special-tokens perhaps $scenes
expect_match stderr 'must be one of plain|parse|reject'

LATENTMILL_ISA=abacus refused --out "$T/o" $scenes
expect_match stderr '^error: LATENTMILL_ISA=abacus: is none of portable, avx2, avx512'
echo '{"text": "a"}' >"$T/text.jsonl"
LATENTMILL_ISA=abacus refused --out "$T/o" "$T/text.jsonl"
expect_match stderr '^error: LATENTMILL_ISA=abacus: '

# More than a demonstration: the embedded VAE must be asked for.
for i in $(seq 101); do
    ln -s "$PWD/$scenes" "$T/many-$i.tar"
done
refused --out "$T/o" "$T/many-{1..101}.tar"
expect_match stderr '^error: 101 inputs with .* are more than a demonstration'

# The folders above --out are made too.
run latentmill prepare --quiet --out "$T/new/and/deep/" --limit 1 $scenes
expect_status 0
expect "its folders are made" test -e "$T/new/and/deep/scenes-000.manifest.json"

# A folder keeps its configuration; every difference is named.
run latentmill prepare --quiet --out "$T/kept" --limit 1 $scenes
expect_status 0
run latentmill prepare --quiet --out "$T/kept" --limit 1 --seed 7 --latent bf16 $scenes
expect_status 2
expect_stderr <<'END'
error: $T/kept/dataset.json was made with another configuration; use another --out folder, or these values:
  encode.encoders.vae.latent (--latent): "fp16" there, "bf16" here
  text.seed (--seed): 0 there, 7 here
END
# What was not asked for is not there: older folders keep their configuration.
run latentmill prepare --quiet --out "$T/kept" --limit 1 --jpeg-scale 2 $scenes
expect_status 2
expect_match stderr '^  encode.jpeg_scale \(--jpeg-scale\): absent there, 2 here'

# A finished input that has changed is not silently skipped.
cp $scenes "$T/grown.tar"
run latentmill prepare --quiet --out "$T/kept" --limit 1 "$T/grown.tar"
expect_status 0
cp "$T/kept/grown.lms" "$T/before.lms"
printf x >>"$T/grown.tar"
run latentmill prepare --quiet --out "$T/kept" --limit 1 "$T/grown.tar"
expect_status 2
expect_match stderr "^error: grown is complete, made from .T/grown.tar with [0-9]+ bytes, but"
run latentmill prepare --quiet --out "$T/kept" --limit 1 --redo "$T/grown.tar"
expect_status 0
expect "the first pair is the same" cmp "$T/before.lms" "$T/kept/grown.lms"

# A shard that is gone is missed.
rm "$T/kept/grown.lms"
run latentmill prepare --quiet --out "$T/kept" --limit 1 "$T/grown.tar"
expect_status 2
expect_match stderr '^error: grown: its manifest names grown.lms .* redo it with --redo$'

# A scale other than the model's own is taken, but not silently.
run latentmill prepare --quiet --out "$T/scaled" --limit 1 --vae vae_encode/default --scale 2 $scenes
expect_status 0
expect_match stderr '^warning: --scale 2 is recorded, though config.json says 0.76072'
run latentmill prepare --quiet --out "$T/same" --limit 1 --vae vae_encode/default \
    --scale 0.76072 --tokenizer none $scenes
expect_status 0
expect_stderr </dev/null

# A field is the same in either case.
run latentmill prepare --quiet --out "$T/field" --limit 1 --image-field JPG $scenes
expect_status 0
run latentmill prepare --quiet --out "$T/field" --limit 1 --image-field jpg $scenes
expect_status 0

# A folder of a development version, even where all options are the same: its shards are of no use.
mkdir "$T/old"
cp "$T"/field/* "$T/old"
sed 's/"version":2}/"version":1}/' "$T/field/dataset.json" >"$T/old/dataset.json"
run latentmill prepare --quiet --out "$T/old" --limit 1 --image-field jpg $scenes
expect_status 2
expect_stderr <<'END'
error: $T/old/dataset.json was made by an earlier development version of latentmill, whose shards this one does not read; use another --out folder and prepare everything again
END

# A damaged one is none of an earlier version: what was prepared stays good.
for damaged in '[]' '{}' '{"version":1}' '{"format":"latentmill-dataset","version":"1"}' '{"format":"x","version":1}'; do
    echo "$damaged" >"$T/old/dataset.json"
    run latentmill prepare --quiet --out "$T/old" --limit 1 --image-field jpg $scenes
    expect_status 2
    expect_stderr <<'END'
error: $T/old/dataset.json: is damaged: it is no configuration of latentmill; bring it back from a copy, or use another --out folder
END
done

# A rerun that forgot --vae or --tokenizer did not ask for the embedded one.
run latentmill prepare --quiet --out "$T/scaled" --limit 1 $scenes
expect_status 2
expect_stderr <<'END'
error: $T/scaled/dataset.json was made with another configuration; use another --out folder, or these values:
  no --vae was given, so the builtin was assumed
  encode.encoders.vae.scale (--vae, --scale): [2.0] there, [0.76072] here
END
# A value that is a whole document is cut.
mkdir "$T/long"
jq -c 'del(.encode.encoders.vae.config)' "$T/kept/dataset.json" >"$T/long/dataset.json"
run latentmill prepare --quiet --out "$T/long" --limit 1 --vae vae_encode/default $scenes
expect_status 2
expect_match stderr '^  encode.encoders.vae.config \(--vae\): absent there, .{200}\.\.\. here$'

run latentmill prepare --quiet --out "$T/same" --limit 1 --vae vae_encode/default $scenes
expect_status 2
expect_match stderr '^  no --tokenizer was given, so the builtin was assumed$'
run latentmill prepare --quiet --out "$T/same" --limit 1 --tokenizer builtin $scenes
expect_status 2
expect "nothing is assumed there" [ -z "$(grep assumed "$T/.stderr")" ]

# The placed tokenizer is held against the one in use.
model=$(echo "$T"/field/tokenizer-*.model)
cp "$model" "$T/model"
run latentmill prepare --quiet --out "$T/field" --limit 1 --image-field jpg $scenes
expect_status 0
damaged()
{
    run latentmill prepare --quiet --out "$T/field" --limit 1 --image-field jpg "$T/s.tar"
    expect_status 2
    expect_match stderr '^error: .T/field/tokenizer-[0-9a-f]{12}.model: is damaged: .* remove it and run'
    expect "nothing is made beside it" test ! -e "$T/field/s.lms"
}
cp $scenes "$T/s.tar"
head -c 100 "$T/model" >"$model"
damaged
{ cat "$T/model"; echo; } >"$model"
damaged
tr a b <"$T/model" >"$model"
damaged
rm "$model"
run latentmill prepare --quiet --out "$T/field" --limit 1 --image-field jpg "$T/s.tar"
expect_status 0
expect "it is placed anew" cmp "$T/model" "$model"
: >"$model" # claimed by a run that was killed
run latentmill prepare --quiet --out "$T/field" --limit 1 --image-field jpg "$T/s.tar"
expect_status 0
expect "it is placed after all" cmp "$T/model" "$model"

# Of another VAE that was forgotten its hash says enough.
jq -c '.encode.encoders.vae.sha256 = "0123abcd" | .encode.encoders.vae.config.layers = 5 | .encode.encoders.vae.family = "kl"' \
    "$T/scaled/dataset.json" >"$T/dataset.json"
mkdir "$T/forgot"
mv "$T/dataset.json" "$T/forgot"
run latentmill prepare --quiet --out "$T/forgot" --limit 1 --tokenizer builtin --size 128 $scenes
expect_status 2
expect_stderr <<'END'
error: $T/forgot/dataset.json was made with another configuration; use another --out folder, or these values:
  no --vae was given, so the builtin was assumed; name the one of there, whose weights have the SHA-256 0123abcd
  encode.encoders.vae.geometry.size (--size): [256,256] there, [128,128] here
END

# What an encoder's bits depend on is one hash, the same in the configuration and in shards.
hash_of()
{
    rm -rf "$T/hash"
    run latentmill prepare --quiet --out "$T/hash" --limit 1 --size 32 "$@"
    expect_status 0
    set -- "$T"/hash/*.lms
    hash=$(jq -r .encode.encoders.vae.encode "$T/hash/dataset.json")
    expect "a hash" [ ${#hash} = 64 ]
    run latentmill dump --json --header "$1"
    expect "the shard's is the same" [ "$(jq -r '.encoders[0].encode' "$T/.stdout")" = "$hash" ]
}
hash_of $scenes
usual=$hash
hash_of --tokenizer none --workers 1 --batch 1 --seed 5 --name other --vae vae_encode/default $scenes
expect "it does not depend on text, names and workers" [ "$hash" = "$usual" ]
hash_of --vae vae_encode/default --scale 2 $scenes
expect "nor on the scale" [ "$hash" = "$usual" ]
for option in '--latent bf16' '--moments mean+logvar' '--resize area' '--icc ignore' \
    '--truncated keep' '--jpeg-scale 2' '--size 64'; do
    hash_of $option $scenes
    expect "it depends on $option" [ "$hash" != "$usual" ]
done

# Another version of a library changes the hash; the folder is used all the same.
hash_of $scenes
sed -i -E 's/"libwebp":"[^"]*"/"libwebp":"0.0.1"/; s/"encode":"[0-9a-f]{64}"/"encode":"0123"/' \
    "$T/hash/dataset.json"
expect "it says so" grep -q '"encode":"0123".*"libwebp":"0.0.1"' "$T/hash/dataset.json"
run latentmill prepare --quiet --tokenizer builtin --out "$T/hash" --limit 1 --size 32 "$T/s.tar"
expect_status 0
expect_match stderr '^warning: .*/hash/dataset.json was begun with libwebp 0.0.1, and this is [0-9.]+: pixels'
expect "the unit is made" test -e "$T/hash/s.manifest.json"
run latentmill prepare --quiet --out "$T/hash" --limit 1 --size 32 --latent bf16 "$T/s.tar"
expect_status 2
expect_stderr <<'END'
error: $T/hash/dataset.json was made with another configuration; use another --out folder, or these values:
  encode.encoders.vae.latent (--latent): "fp16" there, "bf16" here
END
# Of the same libraries and options another hash is of another version.
hash_of $scenes
sed -i -E 's/"encode":"[0-9a-f]{64}"/"encode":"0123"/' "$T/hash/dataset.json"
run latentmill prepare --quiet --out "$T/hash" --limit 1 --size 32 "$T/s.tar"
expect_status 2
expect_match stderr '^error: .*/hash/dataset.json was made by another version, .* other pixels'
expect_match stderr '^  vae: "0123" there, "[0-9a-f]{64}" here$'
