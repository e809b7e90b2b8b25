# SPDX-License-Identifier: Apache-2.0
# `latentmill bench`: each figure is there, is a number and can be true; names in JSON are a
# promise.
. tests/cli/expect.sh

scenes=tests/data/scenes-000.tar
small="--size 32 --repeats 2 --limit 6"
mkdir "$T/tmp"
export TMPDIR=$T/tmp

# json WHAT EXPRESSION: of the last run's output.
json()
{
    expect "$1" jq -e "$2" "$T/.raw_stdout" >"$T/.jq"
}

run latentmill bench $small --workers 2 --json $scenes
expect_status 0
json "one object" 'type == "object"'
json "all sections, in order" \
    'keys_unsorted == ["run", "libraries", "encoder", "decoder", "images", "tokenizer", "shard",
    "prepare"]'
json "what ran" '.run | .workers == 2 and .repeats == 2 and (.cpu | length > 0)'
json "libraries" '.libraries.zstd | test("^[0-9.]+$")'
json "no number is negative" '[.. | numbers] | all(. >= 0)'
json "how" '.encoder | .vae == "builtin" and (.isa | IN("portable", "avx2", "avx512"))'
json "the encoder" '.encoder | [.parameters, .packed_mib, .gflop_per_image, .gflops,
    .seconds_per_image, .images_per_second] | all(. > 0)'
json "seconds and rate agree" \
    '.encoder | .seconds_per_image * .images_per_second | . > 0.99 and . < 1.01'
json "the best is no worse than the median" \
    '.encoder | .images_per_second_best >= .images_per_second'
for half in encoder decoder; do
    json "layers" ".$half"'.layers | length > 10 and all(.[]; .milliseconds > 0 and .gflops > 0
        and .c_in > 0 and .c_out > 0 and .width > 0 and .height > 0 and (.algorithm | length > 0))'
    json "the layers' shares add up" \
        "[.$half"'.layers[].share_of_time] | add | . > 0.999 and . < 1.001'
    json "a small error, but not none" ".$half"'.relative_rms_error | . > 0 and . < 2e-5'
done
json "each half is its own" '.encoder.layers[0].name == "encoder.conv_in" and
    .decoder.layers[-1].name == "decoder.conv_out"'
json "images" '.images.inputs | length == 1 and .[0].input == "scenes-000"
    and all(.[]; .images > 0 and .images_per_second > 0 and .megabytes_per_second > 0)'
json "the tokenizer" '.tokenizer | .text == "captions of the inputs" and
    ([.captions, .tokens_per_caption, .captions_per_second, .megabytes_per_second,
      .tokens_per_second] | all(. > 0))'
json "shards" '.shard | [.stored_share, .write_samples_per_second,
    .write_megabytes_per_second, .read_samples_per_second, .read_megabytes_per_second]
    | all(. > 0)'
json "prepare" '.prepare | .samples > 0 and ([.seconds, .images_per_second, .cpu_seconds,
    .peak_memory_mib, .share_of_encoder] | all(. > 0))'
json "prepare, less its start" '.prepare | .seconds > .seconds_to_start'
expect "nothing is left in TMPDIR" test -z "$(ls "$T/tmp")"

# As text, one section; without inputs the text is made up.
run latentmill bench --repeats 1 tokenizer
expect_status 0
expect_match stdout '^  text +made up$'
expect_match stdout '^  captions_per_second +[0-9]'
expect "no other section" test "$(grep -c '^[a-z]' "$T/.stdout")" = 3

# Files of text: documents of 10,000 bytes, which end where a character does.
printf 'caf\303\251 %.0s' $(seq 5000) >"$T/text.txt" # 30,000 bytes
run latentmill bench --repeats 1 --json tokenizer "$T/text.txt" "$T/text.txt"
expect_status 0
json "documents" '.tokenizer | .text == "documents of 10 kB" and .captions == 8 and .megabytes == 0.06 and
    .megabytes_per_second > 0'
printf '\377' >"$T/latin.txt"
run latentmill bench tokenizer "$T/latin.txt"
expect_status 1
expect_match stderr '^error: .*latin.txt: is not UTF-8$'
run latentmill bench tokenizer "$T/none.txt"
expect_status 1
: >"$T/empty.txt"
run latentmill bench tokenizer "$T/empty.txt"
expect_match stderr 'there is no text to measure with'

for form in "" --json; do
    run eval "latentmill bench --repeats 1 $form tokenizer >/dev/full"
    expect_status 1
    expect_stderr <<<"error: standard output: No space left on device"
done
# A reader that goes away ends it quietly.
first()
{
    latentmill bench --repeats 1 tokenizer | true
    return "${PIPESTATUS[0]}"
}
run first
expect_status 0
expect_stderr </dev/null

# The network that everybody has: Stable Diffusion's encoder with eight latent channels.
if [ -z "${SANITIZE-}" ]; then
    run latentmill bench --vae random-sd --size 8 --repeats 1 --batch 1 --json encoder
    expect_status 0
    json "its size" '.encoder.parameters == 34200736 and .encoder.vae == "random-sd"'
    json "its error" '.encoder.relative_rms_error | . > 0 and . < 2e-5'
fi

# A VAE in two files: what has no decoder is measured without.
cp vae_encode/default/diffusion_pytorch_model.safetensors "$T/vae.safetensors"
sed -i 's/"decoder\./"recoder./g' "$T/vae.safetensors"
run latentmill bench $small --repeats 1 --vae "$T/vae.safetensors" --json
expect_status 2
expect_match stderr 'scaling factor'
cp vae_encode/default/config.json "$T/config.json"
run latentmill bench $small --repeats 1 --vae "$T/vae.safetensors" --json
expect_status 0
json "no decoder" '(.encoder.images_per_second > 0) and (has("decoder") | not)'
expect_match stderr '^the decoder is left out: '
run latentmill bench $small --vae "$T/vae.safetensors" decoder
expect_status 2
expect_stdout </dev/null
for half in encoder decoder; do
    run latentmill bench --vae "$T/none" $half
    expect_status 2
    expect_stdout </dev/null
    expect_stderr <<<'error: --vae $T/none: No such file or directory'
    run latentmill bench --size 36 $half
    expect_status 2
    expect_stdout </dev/null
done

# A signal ends every section, and nothing stays.
for section in shard encoder "images $scenes" tokenizer "prepare $scenes"; do
    run timeout --foreground --preserve-status --kill-after=30 1 \
        "$BUILD/latentmill" bench --size 1024 --repeats 1000 $section
    expect_status 75
    expect_match stderr '^stopping: signal; nothing is left behind$'
    expect "nothing to go on with" test -z "$(grep 'the same command' "$T/.stderr")"
    expect "nothing is left in TMPDIR" test -z "$(ls "$T/tmp")"
done

# LATENTMILL_ISA is heeded and checked, whatever is measured.
LATENTMILL_ISA=portable run latentmill bench $small --json images $scenes
expect_status 0
json "the resizer obeys" '.images.isa == "portable"'
for isa in portable avx2; do
    [ $isa = portable ] || grep -qw $isa /proc/cpuinfo || continue
    LATENTMILL_ISA=$isa run latentmill bench $small --repeats 1 --json encoder
    json "$isa and its error" \
        ".encoder.isa == \"$isa\" and (.encoder.relative_rms_error | . > 0 and . < 2e-5)"
done
for section in encoder decoder tokenizer shard "images $scenes" "prepare $scenes"; do
    LATENTMILL_ISA=abacus run latentmill bench $section
    expect_status 2
    expect_stdout </dev/null
    expect_stderr <<<"error: LATENTMILL_ISA=abacus: is none of portable, avx2, avx512"
done
if ! grep -qw avx512f /proc/cpuinfo; then
    LATENTMILL_ISA=avx512 run latentmill bench shard
    expect_status 2
    expect_stderr <<<"error: LATENTMILL_ISA=avx512: this machine has no avx512"
fi

run latentmill bench images
expect_status 2
expect_stderr <<<"error: bench images needs TARs"
run latentmill bench encodr
expect_status 2
expect_stderr <<'END'
error: encodr: is neither a file nor a section (encoder, decoder, images, tokenizer, shard, prepare, all)
END
run latentmill bench "$T/none.tar"
expect_status 2
expect_stderr <<<'error: $T/none.tar: No such file or directory'
run latentmill bench --name-depth 2
expect_status 2
run latentmill bench images --repeats 1 "pipe:cat $scenes"
expect_status 2
echo '{"text": "a"}' >"$T/documents.jsonl"
run latentmill bench tokenizer "$T/documents.jsonl"
expect_status 2

# No descriptor for the weights in memory.
run bash -c 'ulimit -n 4; exec "$0" bench --vae random-sd encoder' "$BUILD/latentmill"
if [ -z "${SANITIZE-}" ]; then
    expect_status 1
    expect_stderr <<<'error: random-sd could not be made: Too many open files'
fi

# A row's name that is none.
mkdir -p "$T/shared/bench"
LATENTMILL_SHARED=$T/shared PEERS_PYTHON=false run python3 tests/bench/peers.py --rows taesd,typo
expect_status 1
expect_stdout </dev/null
expect_match stderr "^--rows typo: no row's name begins so; the rows are sd-256, sd-512, taesd, "
