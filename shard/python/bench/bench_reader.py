# SPDX-License-Identifier: Apache-2.0
"""Samples/s that one training process gets from shards, beside StreamingDataset, WebDataset
and plain zstd decompression.

usage: bench_reader.py DIR [N] [--peers PEERS.py]

DIR gets N samples (default 20000) of an 8 x 32 x 32 fp16 latent, 16 token ids, a caption and
an order, once, by $BUILD/tests/programs/write_noise_shards (BUILD: build). A sample counts
when all four were taken. PEERS.py is run as `PEERS.py DIR N` between two runs of ours; it
prints the same figures of the peers (bench/reader_peers.py of the shared material). Each
figure is the best of three. Needs numpy and latentmill; zstandard for the last comparison.
"""

import argparse
import glob
import os
import random
import resource
import subprocess
import sys
import time

import latentmill
import numpy as np

WINDOW = 32  # blocks whose records are shuffled among each other


def timed(name, function, n):
    best, cpu = 1e9, 0.0
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF)
        start = time.perf_counter()
        count = function()
        took = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
        assert count == n, (count, n)
        if took < best:
            best = took
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{name:44s} {n / best:10.0f} samples/s {cpu / best:6.2f} CPUs", flush=True)
    return n / best


def take(record):
    return record.latent, record.ids, record.caption, record.order


def sequential(paths):
    def run():
        n = 0
        for path in paths:
            for record in latentmill.ShardReader(path):
                take(record)
                n += 1
        return n

    return run


def shuffled(paths, threads):
    """Blocks of all shards in random order; of each window the records too."""

    def run():
        draw = random.Random(0)
        readers = [latentmill.ShardReader(path) for path in paths]
        blocks = [(r, b) for r in readers for b in range(r.shard.n_blocks)]
        draw.shuffle(blocks)
        n = 0
        with latentmill.Prefetcher(threads, 64 << 20) as prefetcher:
            for reader, number in blocks:
                prefetcher.submit(reader.shard, number)
            for start in range(0, len(blocks), WINDOW):
                records = []
                for reader, _ in blocks[start : start + WINDOW]:
                    records += reader.records(prefetcher.take())
                draw.shuffle(records)
                for record in records:
                    take(record)
                    n += 1
        return n

    return run


def packed(paths):
    """Batches for training by Dataset: 4096 positions a sequence, patches of 2 x 2 latents."""

    def run():
        dataset = latentmill.Dataset(paths, batch_size=8, pack=4096, patch=2)
        return sum(len(keys) for batch in dataset for keys in batch["keys"])

    return run


def plain_zstd(paths):
    """Every frame, by one decompressor, to nowhere."""
    import zstandard

    frames = []
    for path in paths:
        with open(path, "rb") as file:
            data = file.read()
        f = latentmill.ShardReader(path).frames
        frames += [
            data[at : at + size] for at, size in zip(f.offset.tolist(), f.n_bytes.tolist())
        ]
    n = sum(len(latentmill.ShardReader(path)) for path in paths)

    def run():
        decompressor = zstandard.ZstdDecompressor()
        for frame in frames:
            decompressor.decompress(frame)
        return n

    return run


def random_access(paths):
    readers = [latentmill.ShardReader(path) for path in paths]
    draw = random.Random(1)
    for reader in readers:
        take(reader[0])
    took = []
    for _ in range(3000):
        reader = draw.choice(readers)
        position = draw.randrange(len(reader))
        start = time.perf_counter()
        take(reader[position])
        took.append(time.perf_counter() - start)
    p50, p99 = np.percentile(took, [50, 99]) * 1e3
    print(f"{'one record at random':44s} {p50:10.3f} ms median, {p99:.3f} ms p99", flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir")
    parser.add_argument("n", type=int, nargs="?", default=20000)
    parser.add_argument("--peers", help="a script to be run as PEERS.py DIR N")
    options = parser.parse_args()
    folder = f"{options.dir}/lms"
    if not os.path.isdir(folder):
        program = f"{os.environ.get('BUILD', 'build')}/tests/programs/write_noise_shards"
        if not os.path.exists(program):
            sys.exit(f"{program} is not there: make {program}")
        os.makedirs(folder)
        subprocess.run([program, f"{folder}/noise", str(options.n)], check=True)
    paths = sorted(glob.glob(f"{folder}/*.lms"))
    n = sum(len(latentmill.ShardReader(path)) for path in paths)

    timed("latentmill sequential", sequential(paths), n)
    one = timed("latentmill shuffled, 1 prefetch thread", shuffled(paths, 1), n)
    if options.peers:
        subprocess.run([sys.executable, options.peers, options.dir, str(n)], check=True)
    one = max(one, timed("latentmill shuffled, 1 prefetch thread", shuffled(paths, 1), n))
    timed("latentmill shuffled, 2 prefetch threads", shuffled(paths, 2), n)
    batches = timed("latentmill Dataset, packed batches", packed(paths), n)
    plain = timed("plain zstd decompression", plain_zstd(paths), n)
    print(f"shuffled with 1 thread reaches {100 * one / plain:.0f} % of plain decompression, "
          f"packed batches {100 * batches / plain:.0f} %")
    random_access(paths)


if __name__ == "__main__":
    main()
