# SPDX-License-Identifier: Apache-2.0
# Several encoders: what of their options is refused before any work, and what a later run is
# told that has others. tests/python/test_encoders.py looks at what they make.
. tests/cli/expect.sh

scenes=tests/data/scenes-000.tar

refused()
{
    local words=$1
    shift
    run latentmill prepare --quiet --out "$T/o" "$@" $scenes
    expect_status 2
    expect "$* is refused" grep -qxF "error: $words" "$T/.stderr"
    expect "nothing is made" test ! -e "$T/o"
}

refused '--encoder a=nothing:x: there is no such scheme; there are vae, pixels, cmd, diffusers, clip, siglip, dinov2, chameleon' \
    --encoder a=nothing:x --encoder-processes a=2
refused '--encoder a:b=c: there is no such scheme; there are vae, pixels, cmd, diffusers, clip, siglip, dinov2, chameleon' --encoder a:b=c
refused '--encoder vae: must be [LABEL=]SCHEME:REST, as vae:PATH is' --encoder vae
refused '--encoder mirrored=: shards use that name for something else; take another label' \
    --encoder mirrored=vae:builtin
refused '--encoder: two encoders are labelled vae; give each its own, as in --encoder LABEL=vae:builtin' \
    --vae builtin --encoder vae:builtin
refused '--size b=64: no encoder has that label; there are a, pixels' \
    --encoder a=vae:builtin --encoder pixels:png --size b=64
refused '--size 68: must be a multiple of 8 for the encoder a' \
    --encoder pixels:png --encoder a=vae:builtin --size 68
refused '--patch 2: does not divide the latent grid of 9 x 9 that is made by b' \
    --encoder a=vae:builtin --encoder b=vae:builtin --size 64 --size b=72
refused '--moments p=...: PNG makes no latents' --encoder p=pixels:png --vae builtin --moments p=mean
refused '--latent p=...: PNG makes no floats' --encoder p=pixels:png --vae builtin --latent p=fp16
refused '--moments: no encoder of this run makes latents' --encoder pixels:png --moments mean+logvar
refused '--latent: no encoder of this run makes floats' --encoder pixels:png --latent fp32
refused '--id-offset: no encoder of this run makes codes' --vae builtin --id-offset 7
# Of those that ship: a Python without the package, one that fails otherwise, and what is no model's folder.
mkdir "$T/model" "$T/empty"
echo '{}' >"$T/model/config.json"
mkdir "$T/pipeline" && mv "$T/model" "$T/pipeline/vae"
ln -s pipeline/vae "$T/model"
printf '#!/bin/sh\necho "$0: No module named latentmill" >&2\nexit 1\n' >"$T/bare"
chmod +x "$T/bare"
for model in model pipeline; do
    LATENTMILL_PYTHON=$T/bare run latentmill prepare --out "$T/o" --encoder "diffusers:$T/$model" --devices cpu $scenes
    expect_status 2
    expect_stderr <<'END'
encoder diffusers 0: $T/bare: No module named latentmill
error: encoder diffusers 0: it has ended with exit status 1 (has the Python that is started, python3 or LATENTMILL_PYTHON, the package? pip install './shard/python[encoders]')
END
done
printf '#!/bin/sh\necho "$*" >&2\nexit 1\n' >"$T/echoes"
chmod +x "$T/echoes"
for scheme in clip siglip dinov2 chameleon; do # a model of another kind is refused there
    LATENTMILL_PYTHON=$T/echoes run latentmill prepare --out "$T/o" --encoder "$scheme:$T/model" \
        --encoder-args '--dtype fp16' --devices cpu $scenes
    expect_match stderr "^encoder $scheme 0: -m latentmill.encoders.transformers --model .*/model --device cpu --family $scheme --dtype fp16$"
done
LATENTMILL_PYTHON=false refused 'encoder clip 0: it has ended with exit status 1' --encoder "clip:$T/model" --devices cpu
refused "--encoder diffusers:stabilityai/sdxl-vae: No such file or directory; if it is a model of the Hugging Face hub, \
download it first: pip install huggingface_hub && hf download stabilityai/sdxl-vae --local-dir sdxl-vae, then \
--encoder diffusers:sdxl-vae" --encoder diffusers:stabilityai/sdxl-vae
refused '--encoder dinov2:/nowhere: No such file or directory' --encoder d=dinov2:/nowhere
refused '--encoder diffusers:README.md: is not a model'"'"'s folder, with a config.json' --encoder diffusers:README.md
touch "$T/empty/weights"
for scheme in siglip diffusers; do
    run latentmill prepare --out "$T/o" --encoder "$scheme:$T/empty" $scenes
    expect_status 2
    [ $scheme = siglip ] && nor='' || nor=', nor in a vae/ of it'
    expect_stderr <<<"error: --encoder $scheme:\$T/empty: there is no config.json in it$nor, but: weights"
done
refused 'pixels:jpeg: must be jpeg:QUALITY, png, webp:QUALITY or webp:lossless, with QUALITY from 1 to 100' \
    --encoder pixels:jpeg
refused '--devices: the encoder vae (vae) has no processes of its own' --vae builtin --devices cpu
refused '--encoder-processes: the encoder p (pixels) has no processes of its own' \
    --encoder p=pixels:png --encoder c=cmd:true --encoder-processes p=2
refused '--encoder-args: the encoder vae (vae) has no processes of its own' --vae builtin --encoder-args '--dtype tf32'
refused '--encoder-args: the encoder c (cmd) has all its words in COMMAND' \
    --encoder c=cmd:true --encoder-args '--dtype=tf32'
refused '--encoder-args: the encoder c (cmd) has all its words in COMMAND' \
    --encoder c=cmd:true --encoder s=siglip:/nowhere --encoder-args c=--fast

# One for all concerns those that it can concern.
set -- --quiet --limit 1 --size 64
run latentmill prepare "$@" --out "$T/both" --encoder p=pixels:jpeg:90 --vae builtin --latent bf16 \
    --moments mean+logvar $scenes
expect_status 0
run latentmill dump --json --header "$T/both/scenes-000.lms"
expect "labels and order" [ "$(jq -c '[.encoders[].name]' "$T/.stdout")" = '["p","vae"]' ]
expect "codec and quality" [ "$(jq -c '.encoders[0] | [.kind, .codec, .quality, .config.sampling]' \
    "$T/.stdout")" = '["pixels","jpeg",90,"4:4:4"]' ]

expect "the order is of the configuration" \
    [ "$(jq -c .encode.encoder_order "$T/both/dataset.json")" = '["p","vae"]' ]

# Each figure of the report has its encoder's label.
run latentmill prepare --limit 1 --size 64 --out "$T/report" --encoder p=pixels:png --vae builtin $scenes
expect_status 0
expect_match stderr 'decode [0-9.]+ images/s, p [0-9.]+ images/s, vae [0-9.]+ images/s, tokenize'

# Another run is told what differs.
run latentmill prepare "$@" --out "$T/both" --encoder p=pixels:jpeg:91 --vae builtin --latent bf16 \
    --moments mean+logvar --size vae=128 $scenes
expect_status 2
expect_stderr <<'END'
error: $T/both/dataset.json was made with another configuration; use another --out folder, or these values:
  encode.encoders.p.config.quality (--encoder): 90 there, 91 here
  encode.encoders.vae.geometry.size (--size): [64,64] there, [128,128] here
END
run latentmill prepare "$@" --out "$T/both" --vae builtin --latent bf16 --moments mean+logvar $scenes
expect_status 2
expect_match stderr '^  encode.encoders.p \(--encoder\): \{.*\} there, absent here$'
run latentmill prepare "$@" --out "$T/both" $scenes
expect_status 2
expect_match stderr '^  no --encoder was given, so the builtin VAE was assumed; these are there:$'
expect_match stderr '^    p \(JPEG\)$'
run latentmill prepare "$@" --out "$T/both" --encoder p=pixels:jpeg:90 --vae builtin --latent bf16 \
    --moments mean+logvar $scenes
expect_status 0
# The first encoder is what images are seen by: another order is another data set.
run latentmill prepare "$@" --out "$T/both" --vae builtin --encoder p=pixels:jpeg:90 --latent bf16 \
    --moments mean+logvar $scenes
expect_status 2
expect_stderr <<'END'
error: $T/both/dataset.json was made with another configuration; use another --out folder, or these values:
  encode.encoder_order (--encoder): ["p","vae"] there, ["vae","p"] here
END
