# SPDX-License-Identifier: Apache-2.0
"""Random choices that are functions of a record's identity: shard/FORMAT.md, section 7.

    u = XXH3_64bits_withSeed(purpose NUL NAME NUL key NUL epoch, seed)

What becomes of u stands here a second time, beside shard/draw.c, because numpy does it for
millions of records at once; test_dataset_draws compares the two."""
from __future__ import annotations

import numpy as np

from .. import _shard
from ..columns import F64, I64, U64, Bools

ORDER = "order"  # the purpose of a pair's order
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def draw(shard: _shard.Shard, purpose: str, positions: I64, epoch: int, seed: int
         ) -> U64:
    """u of each record at `positions` of an open shard, of the same length."""
    u = np.empty(len(positions), np.uint64)
    _shard.draw(shard, purpose, np.ascontiguousarray(positions, np.int64), epoch, seed, u)
    return u


def copied(purpose: str, copy: int) -> str:
    """The purpose for repetition `copy` of a record, 1 being the second time."""
    return f"{purpose}+{copy}"


def mirrors(u: U64) -> Bools:
    """Whether the mirrored rendition is seen: half of them."""
    return u < np.uint64(1 << 63)


def pick(u: U64, n: U64) -> U64:
    """High 64 bits of u * n: one of 0..n-1. n: below 2^32."""
    picked: U64 = ((u >> _32) * n + ((u & _LOW) * n >> _32)) >> _32
    return picked


def held_out(shard: _shard.Shard, part: float) -> Bools:
    """Which records of a shard a split holds out: by their keys alone. [n]"""
    u = np.empty(shard.n_records, np.uint64)
    _shard.draw_keys(shard, "split", u)
    return share(u, part)


def share(u: U64, p: float | F64) -> Bools:
    """u < p * 2^64, exactly; with p = 1 always."""
    limit = np.asarray(p, np.float64) * 2.0**64
    inside = np.clip(limit, 0, 2.0**64 - 2048)
    whole = inside.astype(np.uint64)
    below = (u < whole) | ((u == whole) & (whole.astype(np.float64) < inside))
    return np.where(limit >= 2.0**64, True, below & (limit > 0))
