# SPDX-License-Identifier: Apache-2.0
# Text corpora: documents of JSON Lines into shards without images, alone and beside tars.
. tests/cli/expect.sh

scenes=tests/data/scenes-000.tar
field()
{
    jq -c "$1" "$2"
}

# A corpus with one of each kind of bad line, and its documents as dump shows them.
corpus()
{
    cat <<'END'
{"id": 17, "text": "A red balloon.\nIt flies.", "url": "http://a/1", "score": 0.25000000000000000001}
{"text": "No id, so the line's number."}

{"id": "k", "text": "NUL \u0000 and NaN", "quality": NaN}
{"id": "k", "text": "the same key"}
{"id": [1], "text": "no key"}
{"id": "e", "text": " \t "}
{"id": "n", "body": "no text"}
{"text": "cut off
{"text": "lone \ud800 surrogate"}
END
}
corpus >"$T/a.jsonl"
run latentmill prepare --out "$T/o" "$T/a.jsonl"
expect_status 42 # most of it are rejects
expect_match stderr '^warning: the embedded demonstration tokenizer is in use'
expect_match stderr '^3 samples, 6 rejects, .* documents/s, '
run latentmill dump "$T/o"
expect_status 0
expect_stdout tests/cli/dump/documents.txt
run latentmill dump --json "$T/o"
expect_status 0
expect_stdout tests/cli/dump/documents.jsonl
run cat "$T/o/a.rejects.jsonl"
expect_stdout tests/cli/dump/documents.rejects.jsonl
expect "the counts add up" test "$(field '.result.inputs[0] |
    [.format, .groups, .samples, ([.rejects[]] | add), .blank_lines]' \
    "$T/o/a.manifest.json")" = '["jsonl",9,3,6,1]'
expect "a shard of text has no encoder" test "$(latentmill dump --header "$T/o/a.lms" |
    jq -c '[.encoders, .config.encode]')" = '[[],null]'

# The same bytes, however they come, are cut up and shared out.
same()
{
    run latentmill prepare --quiet --out "$T/s" "$@"
    expect_status 42
    expect "the same shard: $*" cmp "$T/o/a.lms" "$T/s/a.lms"
    expect "the same rejects: $*" cmp "$T/o/a.rejects.jsonl" "$T/s/a.rejects.jsonl"
    rm -r "$T/s"
}
same --workers 5 --batch 1 "$T/a.jsonl"
gzip -k "$T/a.jsonl"
same "$T/a.jsonl.gz"
zstd -q "$T/a.jsonl"
same "$T/a.jsonl.zst"
same --name a --input-format jsonl "pipe:cat $T/a.jsonl"
same --name a --input-format jsonl - <"$T/a.jsonl"
same $scenes "$T/a.jsonl"
mv "$T/a.jsonl" "$T/a.txt"
same --input-format jsonl --name a "$T/a.txt"

# Text goes into a folder of images, whatever its VAE; images not into one of text alone.
run latentmill prepare --quiet --out "$T/o" --limit 1 "$T/a.jsonl.gz"
expect_status 2
expect_match stderr '^  select.limit \(--limit\): 0 there, 1 here$'
run latentmill prepare --quiet --out "$T/o" $scenes
expect_status 2
expect_match stderr '^error: .*/dataset.json was made for text alone; '
run latentmill prepare --quiet --out "$T/i" --latent bf16 --limit 1 $scenes
expect_status 0
run latentmill prepare --quiet --out "$T/i" --limit 1 "$T/a.jsonl.gz"
expect_status 0
run latentmill prepare --quiet --out "$T/i" --limit 1 --latent fp32 $scenes
expect_status 2
run latentmill prepare --quiet --out "$T/v" --vae builtin --limit 1 "$T/a.jsonl.gz"
expect_status 0
run latentmill prepare --quiet --out "$T/v" --vae builtin --limit 1 $scenes
expect_status 0

# The other options.
printf '{"key": "x", "body": "a", "id": 5}\n{"key": "x"}\n' >"$T/b.jsonl"
run latentmill prepare --quiet --out "$T/b" --text-field body --id-field key \
    --tokenizer none --metadata none "$T/b.jsonl"
expect_status 0
run latentmill dump --json "$T/b"
expect "they are followed" test "$(field '[.key, .caption, .tokens, .metadata]' \
    "$T/.raw_stdout")" = '["x","a",null,null]'
expect "the second is a duplicate" grep -q '"duplicate_key"' "$T/b/b.rejects.jsonl"
run latentmill prepare --out "$T/b" --text-field id "$T/b.jsonl"
expect_status 2
expect_stderr <<'END'
error: --text-field and --id-field are the same
END
run latentmill prepare --out "$T/b" --text-field '' "$T/b.jsonl"
expect_status 2
expect_stderr <<'END'
error: --text-field '': must not be empty
END
for i in $(seq 101); do
    echo "$T/many$i.jsonl"
    : >"$T/many$i.jsonl"
done >"$T/list"
run latentmill prepare --out "$T/m" "@$T/list"
expect_status 2
expect_match stderr 'name the tokenizer with --tokenizer'
run latentmill prepare --quiet --out "$T/m" --tokenizer builtin "@$T/list"
expect_status 0
expect "an empty file has no documents" test "$(field '.result.inputs[0] |
    [.status, .groups]' "$T/m/many1.manifest.json")" = '["complete",0]'

# A file that names neither BOS nor EOS, as most tokenizer.json: said, with what may be meant.
mkdir "$T/qwen"
cat >"$T/qwen/tokenizer.json" <<'JSON'
{"added_tokens": [{"id": 2, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true}],
 "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
 "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
           "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": {"a": 0, "b": 1}, "merges": []}}
JSON
echo '{"text": "abba"}' >"$T/ab.jsonl"
none='warning: the tokenizer'"'"'s file names no BOS and no EOS, so that nothing will part one text from the next'
marked()
{
    rm -rf "$T/m"
    run latentmill prepare --quiet --out "$T/m" --tokenizer "$@" "$T/ab.jsonl"
    expect_status 0
}
marked "$T/qwen"
expect_stderr <<<"$none (see --eos)"
for eos in '"<|end|>"' '{"__type": "AddedToken", "content": "<|end|>"}'; do
    echo "{\"eos_token\": $eos}" >"$T/qwen/tokenizer_config.json"
    for path in "$T/qwen" "$T/qwen/tokenizer.json"; do
        marked "$path"
        expect_stderr <<<"$none: --eos '<|end|>' is what tokenizer_config.json, which is not read for it, ends texts with"
    done
done
echo '{"eos_token": "<|other|>"}' >"$T/qwen/tokenizer_config.json"
marked "$T/qwen"
expect_stderr <<<"$none (see --eos)"
marked "$T/qwen" --eos '<|end|>'
expect_stderr </dev/null

# Options that are of the other kind of file say which they are.
refused()
{
    run latentmill prepare --quiet --out "$T/other" "${@:2}" "$T/ab.jsonl"
    expect_status 2
    expect_stderr <<<"error: --tokenizer $1"
}
own='$T/qwen/tokenizer.json: is a tokenizer.json, which has its own pattern and special tokens: leave'
refused "$own the pattern (--pattern) away" --tokenizer "$T/qwen" --pattern gpt2
refused "$own those named (--special-token) away" --tokenizer "$T/qwen" --special-token 'x=1'
for ((i = 0; i < 256; i++)); do
    printf "\\x$(printf %02x $i)" | base64 | sed "s/$/ $i/"
done >"$T/bytes.tiktoken"
run latentmill prepare --quiet --out "$T/other" --tokenizer "$T/bytes.tiktoken" --pattern gpt2 --bos '<|b|>' "$T/ab.jsonl"
expect_status 2
expect_stderr <<<"error: --bos <|b|>: the tokenizer has no such piece; special tokens of a tiktoken file are named with \
--special-token PIECE=ID"
rm "$T"/m/tokenizer-*.json
mkdir "$T/m/tokenizer-$(sha256sum "$T/qwen/tokenizer.json" | cut -c-12).json"
run latentmill prepare --quiet --out "$T/m" --tokenizer "$T/qwen" --eos '<|end|>' "$T/ab.jsonl"
expect_status 2
expect_match stderr 'is damaged: it is not the tokenizer that its name says; remove it'
