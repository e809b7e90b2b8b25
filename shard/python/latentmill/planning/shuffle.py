# SPDX-License-Identifier: Apache-2.0
"""The order in which a source's records come: a function of (seed, pass) that is never listed.

A pass goes over the shards in a shuffled order, in even groups of at least G, and less than 2 G:
so none of few shards is left over, whose documents would share steps with each other alone. The
blocks of a group are shuffled; their records follow each other. What a window takes from this
order is shuffled once more, record by record (latentmill.planning.windows), so two records of a
block are apart, but in one window; two of a shard are in one group's windows. A window opens the
indexes of the shards of one group, or of all groups that end in it and the next: less than 4 G
shards where a group holds more records than a window."""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..columns import I64
from .hashing import key_of, permutation

_SHARDS, _BLOCKS = 1, 2


def group_ends(n_shards: int, group: int) -> I64:
    """How many shards of a pass's order stand before the end of each group."""
    n_groups = max(1, n_shards // group)
    return np.arange(1, n_groups + 1) * n_shards // n_groups


def largest_group(n_shards: int, group: int) -> int:
    """Shards of a pass's largest group."""
    return int(np.diff(group_ends(n_shards, group), prepend=0).max())


def most_records(counts: I64, group: int) -> int:
    """Of a group, whichever shards it has."""
    return int(np.sort(counts)[-largest_group(len(counts), group):].sum())


class Run(NamedTuple):
    """Consecutive records of one block."""
    shard: int
    first: int
    n_records: int
    pass_number: int


class ShuffledSource:
    """Positions 0, 1, 2, ... without end, pass after pass -> records."""

    def __init__(self, counts: I64, block_starts: Callable[[int], I64],
                 seed: int, group: int):
        """counts: int64 [shards], records of each. block_starts(shard): int64 [blocks + 1]."""
        self.n = int(counts.sum())
        self._counts = counts
        self._block_starts = block_starts
        self._seed = seed
        self._group_ends = group_ends(len(counts), group)
        self._pass: tuple[int, I64, I64] | None = None
        self._blocks: tuple[tuple[int, int], I64, I64] | None = None

    def runs(self, start: int, count: int) -> list[Run]:
        """The records of positions start .. start + count - 1."""
        out: list[Run] = []
        while count > 0:
            pass_number, offset = divmod(start, self.n)
            ends = self._groups(pass_number)[1]
            group = int(np.searchsorted(ends, offset, side="right"))
            begin = int(ends[group - 1]) if group else 0
            taken = min(count, int(ends[group]) - offset)
            out += self._in_group(pass_number, group, offset - begin, taken)
            start, count = start + taken, count - taken
        return out

    def _groups(self, pass_number: int) -> tuple[I64, I64]:
        """The shards in their order, and at which position of the pass each group ends."""
        if self._pass is None or self._pass[0] != pass_number:
            order = permutation(len(self._counts), key_of(self._seed, _SHARDS, pass_number))
            ends = np.cumsum(self._counts[order])
            self._pass = pass_number, order, ends[self._group_ends - 1]
        return self._pass[1:]

    def shards_of(self, pass_number: int, group: int) -> I64:
        """The shards of a group, in the order of the pass."""
        begin = int(self._group_ends[group - 1]) if group else 0
        return self._groups(pass_number)[0][begin:int(self._group_ends[group])]

    def group_of(self, pass_number: int) -> I64:
        """Of each shard the number of its group in a pass. [shards]"""
        order = self._groups(pass_number)[0]
        group = np.empty(len(order), np.int64)
        group[order] = np.searchsorted(self._group_ends, np.arange(len(order)), side="right")
        return group

    def _in_group(self, pass_number: int, group: int, start: int, count: int) -> list[Run]:
        blocks, ends = self._shuffled_blocks(pass_number, group)
        out = []
        number = int(np.searchsorted(ends, start, side="right"))
        while count > 0:
            shard, first, n = blocks[number].tolist()
            skipped = start - (int(ends[number]) - n)
            taken = min(count, n - skipped)
            out.append(Run(shard, first + skipped, taken, pass_number))
            start, count, number = start + taken, count - taken, number + 1
        return out

    def _shuffled_blocks(self, pass_number: int, group: int) -> tuple[I64, I64]:
        """(shard, first record, records) of each, and at which position of the group it ends."""
        if self._blocks is None or self._blocks[0] != (pass_number, group):
            rows = []
            for shard in self.shards_of(pass_number, group):
                starts = self._block_starts(int(shard))
                rows.append(np.stack([np.full(len(starts) - 1, shard, np.int64), starts[:-1],
                                      np.diff(starts)], axis=1))
            blocks = np.concatenate(rows)
            key = key_of(self._seed, _BLOCKS, pass_number, group)
            blocks = blocks[permutation(len(blocks), key)]
            self._blocks = (pass_number, group), blocks, np.cumsum(blocks[:, 2])
        return self._blocks[1:]
