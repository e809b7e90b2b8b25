# SPDX-License-Identifier: Apache-2.0
"""What prepare leaves of decoding where an encoder in a process of its own costs nothing: its rate with
tests/programs/null_encoder over TARs, beside what `bench images` decodes of them on as many threads, alternately.

usage: [ALTERNATIONS=3] [SECONDS_EACH=20] [WORKERS=N] python3 tests/bench/child_encoders.py [TAR...] [OPTION...]

Needs `make everything`. WORKERS is by default what `bench` uses, the cores that it may; `taskset -c 0-3` gives it others.
TARs: those of LATENTMILL_SHARED/data/pairs. OPTIONs of images (--size, --resize, --jpeg-scale) hold for both. `bench
images` runs once for each worker, all at the same time, and their rates are added. The TARs stand in prepare's run so
often, under other names, that it takes SECONDS_EACH at that rate; its captions are tokenized, and its clock begins at
the encoder's hello. Printed: the medians, and prepare's share.
"""
import itertools
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ.get("BUILD", "build")).resolve()
PAIRS = pathlib.Path(os.environ.get("LATENTMILL_SHARED", "../shared"), "data", "pairs")
ALTERNATIONS = int(os.environ.get("ALTERNATIONS", "3"))
SECONDS_EACH = float(os.environ.get("SECONDS_EACH", "20"))
WORKERS = int(os.environ.get("WORKERS", "0")) or len(os.sched_getaffinity(0))


def decoding(tars, options):
    """Images a second of all processes, and images of a pass."""
    argv = [BUILD / "latentmill", "bench", "--json", "--repeats", "3", *options, "images", *tars]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(WORKERS)]
    rate = 0.0
    for process in running:
        out, _ = process.communicate()
        if process.returncode != 0:
            sys.exit("bench images failed")
        rows = json.loads(out)["images"]["inputs"]
        images = sum(row["images"] for row in rows)
        rate += images / sum(row["images"] / row["images_per_second"] for row in rows)
    return rate, images


def prepared(tars, n, options, folder):
    """Images a second of a run over n links to the TARs."""
    links = []
    for i, tar in zip(range(n), itertools.cycle(tars)):
        links.append(folder / f"{i:05d}-{tar.name}")
        if not links[-1].exists():
            links[-1].symlink_to(tar.resolve())
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    argv = [BUILD / "latentmill", "prepare", "--out", out, "--workers", str(WORKERS), *options,
            "--encoder", f"null=cmd:'{BUILD}/tests/programs/null_encoder'", *links]
    done = subprocess.run(argv, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    print(re.search(r"^  encode .*\n  null .*", done.stderr, re.MULTILINE)[0], flush=True)
    return float(re.search(r"^  null .* process, ([0-9.]+) images/s", done.stderr, re.MULTILINE)[1])


def main():
    tars = list(itertools.takewhile(lambda word: word[:2] != "--", sys.argv[1:]))
    options = sys.argv[1 + len(tars):]
    tars = [pathlib.Path(tar) for tar in tars] or sorted(PAIRS.glob("*.tar"))
    if not tars:
        sys.exit(__doc__)
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ALTERNATIONS):
            rate, images = decoding(tars, options)
            passes = max(1, round(SECONDS_EACH * rate / images))
            rates.append((rate, prepared(tars, passes * len(tars), options, pathlib.Path(folder))))
            print(f"bench images {rates[-1][0]:.1f}/s, prepare {rates[-1][1]:.1f}/s", flush=True)
    decoded, made = (statistics.median(column) for column in zip(*rates))
    print(f"{WORKERS} workers: bench images {decoded:.1f} images/s, prepare {made:.1f}, {100 * made / decoded:.0f} %")


main()
