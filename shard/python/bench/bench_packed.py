# SPDX-License-Identifier: Apache-2.0
"""Samples/s of packed batches beside StreamingDataset's single samples, in turn.

usage: bench_packed.py DIR [N] [--rounds R]

DIR gets N samples (default 20000) of an 8 x 32 x 32 fp16 latent, 16 token ids, a caption and an
order, once: as shards, by $BUILD/tests/programs/write_noise_shards (BUILD: build), and the same
as MDS, uncompressed. Then, R times (default 5) one after the other: an epoch of Dataset with
4096 positions a sequence and patches of 2 x 2, shuffled and packed; and an epoch of
StreamingDataset, shuffled, which neither packs nor cuts. Prints both, and the ratio of each
round and of the medians. Needs numpy, latentmill and mosaicml-streaming.
"""

import argparse
import glob
import os
import statistics
import subprocess
import sys
import time

import latentmill
import numpy as np
import streaming


def make(folder, n):
    """The shards' paths; the folder of MDS."""
    shards, mds = f"{folder}/lms", f"{folder}/mds-of-lms"
    if not os.path.isdir(shards):
        program = f"{os.environ.get('BUILD', 'build')}/tests/programs/write_noise_shards"
        if not os.path.exists(program):
            sys.exit(f"{program} is not there: make {program}")
        os.makedirs(shards)
        subprocess.run([program, f"{shards}/noise", str(n)], check=True)
    paths = sorted(glob.glob(f"{shards}/*.lms"))
    if not os.path.exists(f"{mds}/index.json"):
        columns = {"latent": "ndarray:float16", "tokens": "ndarray:int32", "caption": "str", "order": "int"}
        with streaming.MDSWriter(out=mds, columns=columns) as writer:
            for path in paths:
                for record in latentmill.ShardReader(path):
                    writer.write({"latent": np.array(record.latent), "tokens": record.ids.astype(np.int32),
                                  "caption": record.caption, "order": int(record.order == "image_first")})
    return paths, mds


def packed(paths):
    dataset = latentmill.Dataset(paths, batch_size=8, pack=4096, patch=2, rank=0, world_size=1)
    return sum(len(keys) for batch in dataset for keys in batch["keys"])


def streamed(mds):
    streaming.base.util.clean_stale_shared_memory()
    dataset = streaming.StreamingDataset(local=mds, shuffle=True, batch_size=32)
    return sum(1 for sample in dataset if sample["latent"].size)


def rate(function, argument):
    start = time.perf_counter()
    return function(argument) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir")
    parser.add_argument("n", type=int, nargs="?", default=20000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    paths, mds = make(options.dir, options.n)
    packed(paths), streamed(mds)  # once for the page cache
    rates = []
    for _ in range(options.rounds):
        rates.append((rate(packed, paths), rate(streamed, mds)))
        print("packed {:8.0f} samples/s   StreamingDataset {:8.0f}   {:.1f}x".format(
            *rates[-1], rates[-1][0] / rates[-1][1]), flush=True)
    ours, theirs = (statistics.median(column) for column in zip(*rates))
    print(f"medians: {ours:.0f} and {theirs:.0f} samples/s, {ours / theirs:.1f}x")


if __name__ == "__main__":
    main()
