# SPDX-License-Identifier: Apache-2.0
"""Memory, descriptors, threads, processes and /dev/shm do not grow over 3,000 steps: of a plain
iteration, of a loader without and with workers, and of iterations that are left midway."""
import gc
import os
import pathlib
import sys
import tempfile
import time
import warnings

try:
    import torch
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from documents import make_pairs
from dataset_shards import make_texts

from latentmill import Dataset

OPTIONS = {"batch_size": 2, "pack": 700, "patch": 4, "window": 64, "group": 2}
STEPS = 3000


def processes():
    """This one and its workers."""
    children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [pathlib.Path("/proc/self"), *(pathlib.Path(f"/proc/{pid}") for pid in children)]


def used():
    """Unshared KiB of all processes (pages that a fork shares become unshared when they are
    touched), descriptors, threads, processes and files in /dev/shm."""
    gc.collect()
    memory = descriptors = threads = 0
    for process in processes():
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        memory += int(status["RssAnon"].split()[0])
        descriptors += len(os.listdir(process / "fd"))
        threads += int(status["Threads"])
    shm = sum(name.startswith("torch_") for name in os.listdir("/dev/shm"))
    return memory, descriptors, threads, len(processes()), shm


def flat(what, before, after):
    print(what, before, after)
    assert after[0] - before[0] < 6 << 10, f"{what}: {after[0] - before[0]} KiB more"
    assert all(b <= a for a, b in zip(before[1:], after[1:])), (what, before, after)


def steps_of(batches, n, first=600):
    """Goes through n steps, looking on behind `first` and at the end."""
    number = 0
    while number < n:
        for batch in batches:
            assert len(batch["tokens"])
            number += 1
            if number == first:
                before = used()
            if number == n:
                return before, used()


def forms(folder):
    def data():
        return Dataset({"pairs": folder / "pairs", "text": folder / "text/shards"}, **OPTIONS)

    flat("plain", *steps_of(data(), STEPS))
    flat("loader(0)", *steps_of(data().loader(), STEPS))


def workers(folder):
    """In one iteration: an epoch of 3,000 steps."""
    dataset = Dataset(folder / "long/shards", batch_size=1, pack=128, window=512)
    assert dataset.approximate_steps_per_epoch > STEPS
    flat("loader(2)", *steps_of(dataset.loader(2), STEPS))


def left_midway(folder):
    """Its blocks ahead, its threads and workers are given back."""
    dataset = Dataset({"pairs": folder / "pairs", "text": folder / "text/shards"}, **OPTIONS)

    def leave(n, begin):
        for _ in range(n):
            for number, batch in enumerate(begin()):
                assert len(batch["tokens"])
                if number == 3:
                    break
        gc.collect()
        time.sleep(0.2)
        return used()

    for what, n, begin in (("plain", 150, lambda: dataset), ("loader(0)", 150, dataset.loader),
                           ("loader(2)", 9, lambda: dataset.loader(2))):
        flat(f"{what}, left", leave(max(2, n // 3), begin), leave(n, begin))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        where = pathlib.Path(temporary)
        make_pairs(where / "pairs")
        make_texts(where / "text", n=200)
        make_texts(where / "long", n=3600, words=(100, 128), seed=1)
        for test in (forms, workers, left_midway):
            test(where)
