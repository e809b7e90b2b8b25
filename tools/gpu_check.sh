#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tools/gpu_check.sh - what a device does with a model of diffusers, in three minutes.
#
# usage: tools/gpu_check.sh MODEL [DEVICE [OPTION...]]      (DEVICE: cuda:0; OPTIONs of latentmill.encoders.diffusers)
#     SIZE=256 SECONDS_EACH=20 PROGRAM=build/latentmill LATENTMILL_PYTHON=python3
#
# Run it from the project's root, where LATENTMILL_PYTHON finds the package with its extra `encoders`.
# Prints: how far the device's latents are from the CPU's in float32; the rate of the encode loop in one Python
# process and the memory it took; then prepare's rate over as many JPEGs as that takes SECONDS_EACH for, and its share
# of the loop's. The exit status is 1 if the latents are too far apart, or prepare failed.
set -eu

[ $# -ge 1 ] || { sed -n 's/^# usage: /usage: /p' "$0"; exit 2; }
model=$1 device=${2:-cuda:0}
shift $(($# < 2 ? 1 : 2))
: "${SIZE:=256}" "${SECONDS_EACH:=20}" "${PROGRAM:=build/latentmill}" "${LATENTMILL_PYTHON:=python3}"
export LATENTMILL_PYTHON
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/loop.py" <<'PYTHON'
import io, sys, tarfile, time
from pathlib import Path
try:
    import numpy as np
    import torch
    from latentmill.encoders.diffusers import DiffusersEncoder
    from latentmill.encoders.protocol import Opening, Refused
    from latentmill.encoders.torch_encoder import parser
except ImportError as error:
    sys.exit(f"error: {error} (in {sys.executable}; LATENTMILL_PYTHON names another): pip install './shard/python[encoders]'")

size, seconds, tar = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]

def opened(words):
    try:
        encoder = DiffusersEncoder(parser("latentmill.encoders.diffusers", 16, 200).parse_args(words))
        hello = encoder.describe(Opening("check", 0, 1, ((size, size),), "fp32", "mean"))
    except Refused as error:
        sys.exit(f"error: {error}")
    print(hello["encoder"]["family"], hello["encoder"]["numerics"], "on", hello["device"], flush=True)
    return encoder

def pixels(n):
    rng = np.random.default_rng(n)
    coarse = rng.integers(0, 192, (n, size // 16, size // 16, 3), np.uint8)
    return coarse.repeat(16, 1).repeat(16, 2) + rng.integers(0, 64, (n, size, size, 3), np.uint8)

def encode(encoder, rgb):
    return encoder.encode(encoder.receive(rgb))[0]

encoder = opened(sys.argv[4:])
options = encoder.options
few = pixels(4)[:, :size // 16 * 16, :size // 16 * 16]
expected = encode(opened(["--model", str(options.model)]), few)
error = np.abs(encode(encoder, few) - expected)
bound = {"float32": 1e-3, "tf32": 1e-2, "float16": 5e-2, "bfloat16": 2e-1}[options.dtype]
spread = float(expected.std())
print(f"latents: {error.max() / spread:.2g} of their standard deviation from the CPU's at most, "
      f"{error.mean() / spread:.2g} in the mean (bound {bound:g})")
batch = pixels(options.batch)
encode(encoder, batch)
n, begin = 0, time.perf_counter()
while (took := time.perf_counter() - begin) < seconds:
    encode(encoder, batch)
    n += len(batch)
print(f"loop: {n / took:.1f} images/s in batches of {len(batch)}")
if encoder.device.type == "cuda":
    print(f"memory: {torch.cuda.max_memory_reserved(encoder.device) / 2**30:.2f} GiB on the device")
else:
    import resource
    print(f"memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")

pictures = {}
for path in sorted(Path("tests/data").glob("scenes-*.tar")):
    with tarfile.open(path) as scenes:
        for member in scenes:
            if member.name.endswith(".jpg") and member.size > 8000:
                pictures[path.name, member.name] = scenes.extractfile(member).read()
with tarfile.open(tar, "w") as out:
    wanted = max(4, round(n / took * seconds / len(batch))) * len(batch)  # whole batches, as the loop's
    for i in range(wanted):
        data = list(pictures.values())[i % len(pictures)]
        for name, content in ((f"{i:08d}.jpg", data), (f"{i:08d}.txt", b"a scene")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
Path(tar + ".rate").write_text(f"{n / took} {wanted}\n")
sys.exit(int(not error.max() <= bound * spread))
PYTHON

status=0
"$LATENTMILL_PYTHON" "$work/loop.py" "$SIZE" "$SECONDS_EACH" "$work/check.tar" --model "$model" --device "$device" "$@" || status=$?
[ -e "$work/check.tar.rate" ] || exit 1
read -r rate wanted <"$work/check.tar.rate"
[ $# = 0 ] || set -- --encoder-args "$*"
"$PROGRAM" prepare --out "$work/out" --size "$SIZE" --encoder "check=diffusers:$model" --devices "${device#cuda:}" \
    "$@" --tokenizer none "$work/check.tar" 2>"$work/log" || { cat "$work/log"; exit 1; }
tail -n 12 "$work/log"
# The child's start, seconds of a run that is short, is not counted: prepare's own figure begins at its hello, before
# which it has encoded a batch, as the loop has.
sed -nE 's/.* process(es)?, ([0-9.]+) images\/s.*/\2/p' "$work/log" |
    awk -v rate="$rate" '{ printf "prepare: %.1f images/s, %.0f %% of the loop\n", $1, 100 * $1 / rate }'
exit $status
