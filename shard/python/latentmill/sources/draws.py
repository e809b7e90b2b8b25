# SPDX-License-Identifier: Apache-2.0
"""Random choices that are functions of a record's identity: shard/FORMAT.md, section 7.

    u = XXH3_64bits_withSeed(purpose NUL NAME NUL key NUL epoch, seed)"""
from __future__ import annotations

import numpy as np

from .. import _shard

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def draw(shard: _shard.Shard, purpose: str, positions: np.ndarray, epoch: int, seed: int
         ) -> np.ndarray:
    """u of each record at `positions` (int64) of an open shard. uint64, of the same length."""
    u = np.empty(len(positions), np.uint64)
    _shard.draw(shard, purpose, np.ascontiguousarray(positions, np.int64), epoch, seed, u)
    return u


def pick(u: np.ndarray, n: np.ndarray) -> np.ndarray:
    """High 64 bits of u * n: one of 0..n-1. n: uint64, below 2^32."""
    return ((u >> _32) * n + ((u & _LOW) * n >> _32)) >> _32


def share(u: np.ndarray, p: float | np.ndarray) -> np.ndarray:
    """u < p * 2^64, exactly; with p = 1 always. bool."""
    limit = np.asarray(p, np.float64) * 2.0**64
    inside = np.clip(limit, 0, 2.0**64 - 2048)
    whole = inside.astype(np.uint64)
    below = (u < whole) | ((u == whole) & (whole.astype(np.float64) < inside))
    return np.where(limit >= 2.0**64, True, below & (limit > 0))
