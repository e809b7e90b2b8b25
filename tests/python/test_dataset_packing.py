# SPDX-License-Identifier: Apache-2.0
"""Packing of lengths alone: everything once, in order, nothing cut but texts, and well filled."""
import hashlib
import sys

import dataset_shards  # noqa: F401, the package's path
import numpy as np

from latentmill.planning.hashing import key_of, permutation
from latentmill.planning.packing import pack

import packing_reference

SHORTEST_PIECE = packing_reference.SHORTEST_PIECE


def check(lengths, is_text, capacity):
    packing = pack(lengths, is_text, capacity)
    shortest = max(1, min(SHORTEST_PIECE, capacity // 2))
    until = np.zeros(len(lengths), np.int64)
    for s in range(len(packing)):
        pieces = range(packing.first[s], packing.first[s + 1])
        assert len(pieces) and packing.length[pieces.start:pieces.stop].sum() <= capacity
        for p in pieces:
            item, start, length = packing.item[p], packing.start[p], packing.length[p]
            assert start == until[item] and length > 0, "a piece is missing, twice or out of order"
            until[item] = start + length
            if length < lengths[item]:
                assert is_text[item], "a pair was cut"
                assert min(length, lengths[item] - until[item] or length) >= min(
                    shortest, lengths[item])
            assert start == 0 or p == pieces.start, "a text goes on elsewhere than at the begin"
            assert until[item] == lengths[item] or p == pieces[-1], "a text is cut before the end"
    assert (until == lengths).all(), "a document is not whole"
    again = packing_reference.pack(lengths, is_text, capacity)
    assert all(a.tolist() == b.tolist() for a, b in zip(vars(packing).values(), vars(again).values()))
    return packing


def random_cases():
    dice = np.random.default_rng(1)
    for i in range(800):  # half of them shorter than two pieces
        n, capacity = int(dice.integers(0, 60)), int(dice.integers(*((1, 40), (40, 300))[i % 2]))
        is_text = dice.random(n) < dice.random()
        lengths = np.where(is_text, dice.integers(1, 1000, n), dice.integers(1, capacity + 1, n))
        check(lengths, is_text, capacity)
    try:
        pack(np.array([11]), np.array([False]), 10)
    except ValueError:
        return
    raise AssertionError("a pair longer than the sequence was taken")


def fill():
    dice = np.random.default_rng(2)
    pairs = 260 + dice.poisson(20, 3000)
    texts = np.minimum(dice.lognormal(6, 1, 400).astype(int) + 3, 20000)
    lengths = np.concatenate([pairs, texts])
    is_text = np.arange(len(lengths)) >= len(pairs)
    order = dice.permutation(len(lengths))
    mixed = check(lengths[order], is_text[order], 4096).fill(4096)
    alone = check(pairs, np.zeros(len(pairs), bool), 4096).fill(4096)
    print(f"fill: pairs and texts {mixed:.4f}, pairs alone {alone:.4f}")
    assert mixed >= 0.99 and alone >= 0.95


def same_in_every_version():
    """What fills sequences best, and the choice between equals: a state is loaded by later
    versions, which must pack alike."""
    lengths, is_text = np.array([4, 10, 7, 10, 3, 6, 2, 10]), np.array([0, 0, 0, 0, 1, 0, 0, 0], bool)
    packing = pack(lengths, is_text, 10)
    assert [packing.item[a:b].tolist() for a, b in zip(packing.first, packing.first[1:])] == \
        [[0, 5], [1], [2, 4], [3], [6], [7]]
    n = 2000
    is_text = permutation(n, 1) < n // 10
    lengths = np.where(is_text, 1 + permutation(n, 2), 50 + permutation(n, 3) % 40)
    packing = check(lengths, is_text, 512)
    digest = hashlib.sha256(b"".join(column.tobytes() for column in vars(packing).values()))
    assert digest.hexdigest()[:16] == "5afbba93d0f69791", digest.hexdigest()[:16]


def permutations():
    """Another key, another order; and the orders that every version must give."""
    for n in (0, 1, 2, 7, 1000):
        assert sorted(permutation(n, 5)) == list(range(n))
    assert permutation(8, key_of(0, 1, 2)).tolist() == [6, 2, 5, 1, 4, 7, 3, 0], \
        permutation(8, key_of(0, 1, 2)).tolist()
    keys = {key_of(*words) for words in [(0,), (1,), (0, 0), (0, 1), (1, 0), (1 << 64,), ("0",)]}
    assert len(keys) == 7
    first = np.array([permutation(16, key_of(seed))[0] for seed in range(3200)])
    assert np.bincount(first, minlength=16).min() > 130  # 200 are expected


for test in (random_cases, fill, same_in_every_version, permutations):
    test()
sys.exit(0)
