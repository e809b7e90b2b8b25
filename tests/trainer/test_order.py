# SPDX-License-Identifier: Apache-2.0
"""Properties of order, mixture and packing, for any sizes (hypothesis; the same on each run)."""
import sys

try:
    from hypothesis import given, settings
    from hypothesis import strategies as st
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

import documents  # noqa: F401, the package's path
import numpy as np

from latentmill.planning.mixture import UNIT, Mixture, Share
from latentmill.planning.packing import pack
from latentmill.planning.shuffle import ShuffledSource


def source(blocks, seed, group):
    """blocks: of each shard the records of each block."""
    starts = [np.concatenate(([0], np.cumsum(shard, dtype=np.int64))) for shard in blocks]
    counts = np.array([int(start[-1]) for start in starts], np.int64)
    return ShuffledSource(counts, lambda shard: starts[shard], seed, group)


settings.register_profile("same", deadline=None, derandomize=True, max_examples=300)
settings.load_profile("same")

shards = st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=9).filter(
    lambda blocks: any(blocks))


@given(shards, st.integers(0, 2**63 - 1), st.integers(1, 5), st.data())
def each_pass_is_a_permutation(blocks, seed, group, data):
    """However it is cut into windows; and a window opens no more shards than two groups."""
    shuffled = source(blocks, seed, group)
    expected = {(s, i) for s, shard in enumerate(blocks) for i in range(sum(shard))}
    at = 0
    seen = {0: set(), 1: set()}
    while at < 2 * shuffled.n:
        count = data.draw(st.integers(1, shuffled.n))
        runs = shuffled.runs(at, min(count, 2 * shuffled.n - at))
        for run in runs:
            for i in range(run.first, run.first + run.n_records):
                assert (run.shard, i) not in seen[run.pass_number]
                seen[run.pass_number].add((run.shard, i))
        at += count
    assert seen[0] == seen[1] == expected


def a_window_opens_few_shards():
    shuffled = source([[8] * 16] * 40, seed=3, group=4)
    for at in range(0, 2 * shuffled.n, 100):
        assert len({run.shard for run in shuffled.runs(at, 100)}) <= 8


def quality():
    """1: how far a record moves, in passes; uniform order has a mean of 1/3. 2: neighbours in a
    shard that are neighbours again. 3: windows hold records of all shards of their group."""
    blocks = [[32] * 64] * 24
    shuffled = source(blocks, seed=1, group=8)
    order = np.array([run.shard * 2048 + run.first for run in shuffled.runs(0, shuffled.n)])
    moved = np.abs(order / shuffled.n - np.arange(len(order)) / len(order)).mean()
    together = (np.diff(order) == 32).mean()
    window = [len({run.shard for run in shuffled.runs(at, 4096)}) for at in
              range(0, shuffled.n - 4096, 4096)]
    print(f"moved {moved:.3f} of a pass, {together:.4f} of blocks stay neighbours, "
          f"{min(window)} shards or more in a window")
    assert moved > 0.2 and together < 0.01 and min(window) == 8


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0.1, 9), st.floats(1, 4000)),
                min_size=1, max_size=4), st.integers(1, 300))
def epochs_are_products(described, n_windows):
    """Cursors that windows add up to are those of epoch_start(); the largest ends exactly."""
    shares = [Share(str(i), ((0, weight),), n, size, 1.0)
              for i, (n, weight, size) in enumerate(described)]
    largest = max(range(len(shares)), key=lambda i: (
        shares[i].n_records * shares[i].mean_size, -i))
    share = described[largest][1] / described[largest][2] / sum(w / s for _, w, s in described)
    window = max(1, round(shares[largest].n_records / share / n_windows))
    mixture = Mixture(shares, window)
    cursors = mixture.epoch_start(0, 0)
    for epoch in range(1, 4):
        for _ in range(2 * n_windows + 9000):
            takes = mixture.takes(cursors, 0)
            ends = mixture.ends_epoch(cursors, takes)
            cursors = [c + t for c, t in zip(cursors, takes)]
            if ends:
                break
        assert ends, "an endless epoch"
        assert cursors == mixture.epoch_start(epoch, 0)
        assert cursors[largest] == epoch * shares[largest].n_records * UNIT


@given(st.lists(st.tuples(st.integers(1, 700), st.booleans()), max_size=80), st.integers(1, 300))
def packing_never_cuts_a_pair(documents, capacity):
    lengths = np.array([n if text else min(n, capacity) for n, text in documents], np.int64)
    is_text = np.array([text for _, text in documents], bool)
    packing = pack(lengths, is_text, capacity)
    assert np.bincount(packing.item, packing.length, len(lengths)).tolist() == lengths.tolist()
    assert (packing.length == lengths[packing.item])[~is_text[packing.item]].all()
    assert (np.add.reduceat(packing.length, packing.first[:-1]) <= capacity).all() \
        if len(packing) else not documents


for test in (each_pass_is_a_permutation, a_window_opens_few_shards, quality, epochs_are_products,
             packing_never_cuts_a_pair):
    test()
