# SPDX-License-Identifier: Apache-2.0
"""Permutations and keys that are the same on every machine and with every numpy.

numpy's random generators may change between versions, so orders come from splitmix64's
finaliser in plain 64-bit arithmetic. The draws of captions and orders are another hash, the
one of shard/FORMAT.md (`latentmill.sources.draws`)."""
from __future__ import annotations

import hashlib
import json

import numpy as np

from ..columns import I64, U64

_GOLDEN = 0x9E3779B97F4A7C15


def mix(x: U64) -> U64:
    """splitmix64's finaliser (Steele, Lea and Flood, 2014), a bijection. [n] -> [n]"""
    x = x ^ (x >> np.uint64(30))
    x = x * np.uint64(0xBF58476D1CE4E5B9)
    x = x ^ (x >> np.uint64(27))
    x = x * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def key_of(*words: int | str) -> int:
    """One 64-bit key from integers and texts; another order of them gives another key."""
    return int.from_bytes(hashlib.sha256(json.dumps(words).encode()).digest()[:8], "little")


def permutation(n: int, key: int) -> I64:
    """A permutation of 0..n-1 that depends on n and key alone. int64 [n]."""
    sort_by = mix(np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_GOLDEN) + np.uint64(key))
    return np.argsort(sort_by, kind="stable")
