# SPDX-License-Identifier: Apache-2.0
"""Windows: which documents come next, and how they are packed.

A window is a function of the data, the configuration, the seed and its cursors; ranks and
workers do not enter. It is made from lengths alone."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..columns import I64
from ..options import Options
from ..sources.documents import Documents
from ..sources.source import OpenSource
from .hashing import key_of, permutation
from .mixture import UNIT, Mixture
from .packing import Packing, pack
from .shuffle import Run, ShuffledSource, largest_group
from .state import Position

if TYPE_CHECKING:
    from .growth import Older

_DOCUMENTS = 3


@dataclass(frozen=True)
class Window:
    """Documents and their packing into sequences; unpacked, a sequence has one document."""
    documents: Documents
    packing: Packing
    too_long: Documents  # what no sequence can hold, and may not be cut

    def __len__(self) -> int:
        return len(self.packing)


def _block_starts(source: OpenSource, shards: I64, number: int) -> I64:
    return source.block_starts(int(shards[number]))


class Planner:
    """Makes windows, and says where each begins."""

    def __init__(self, sources: Sequence[OpenSource], mixture: Mixture, options: Options):
        self.sources = sources
        self.mixture = mixture
        self.options = options
        self._shuffled = [ShuffledSource(source.counts, source.block_starts, options.seed,
                                         options.group) for source in sources]
        # Shards of each source: what two groups need, and a little more.
        self._most_open = [2 * largest_group(len(source.counts), options.group) + 2
                           for source in sources]
        self.set_older({})

    def shuffled(self, source: int) -> ShuffledSource:
        """The order of a source's records."""
        return self._shuffled[source]

    def set_older(self, older: Mapping[int, Older]) -> None:
        """Sources, by number, that have not all of their shards yet."""
        self.mixture.older = dict(older)
        self._older = {number: ShuffledSource(
            self.sources[number].counts[one.shards],
            partial(_block_starts, self.sources[number], one.shards), self.options.seed,
            self.options.group) for number, one in older.items()}

    def _runs(self, number: int, cursor: int, take: int) -> list[Run]:
        first, end = cursor // UNIT, (cursor + take) // UNIT
        older = self.mixture.older_at(number, cursor)
        if older is None:
            return self._shuffled[number].runs(first, end - first)
        return [run._replace(shard=int(older.shards[run.shard]))
                for run in self._older[number].runs(first, end - first)]

    def begun(self, position: Position) -> Position:
        """It with what its window takes."""
        if position.takes:
            return position
        takes = self.mixture.takes(list(position.cursors.values()), position.step)
        return replace(position, takes=dict(zip(position.cursors, takes)))

    def behind(self, position: Position, step: int) -> tuple[Position, bool]:
        """Where the next window begins, at `step`, and whether the one in hand ends its epoch."""
        ends = self.mixture.ends_epoch(list(position.cursors.values()),
                                       list(position.takes.values()))
        of_window = position.epoch - position.carried + ends
        epoch = max(position.epoch, of_window)
        behind = replace(position.behind(), step=step, epoch=epoch, carried=epoch - of_window)
        behind = replace(behind, cursors={
            name: self.mixture.moved(number, position.cursors[name], cursor)
            for number, (name, cursor) in enumerate(behind.cursors.items())})
        return self.begun(behind), ends

    def window(self, cursors: Mapping[str, int], takes: Mapping[str, int]) -> Window:
        """What the sources give from `cursors` on, `takes` units each. A source that gives
        nothing might as well not exist."""
        parts: list[Documents] = []
        words: list[int | str] = [self.options.seed, _DOCUMENTS]  # of the order's key
        for number, source in enumerate(self.sources):
            source.begin_window(self._most_open[number])
            cursor, take = cursors[source.name], takes[source.name]
            first, end = cursor // UNIT, (cursor + take) // UNIT
            if end > first:
                parts += self._documents(number, self._runs(number, cursor, take))
                words += [source.name, first]
        documents = Documents.join(parts)
        documents = documents.take(permutation(len(documents), key_of(*words)))
        return self._packed(documents)

    def _documents(self, number: int, runs: list[Run]) -> list[Documents]:
        """One Documents for each shard and pass, records in the order of the runs."""
        source = self.sources[number]
        by_shard: dict[tuple[int, int], list[I64]] = {}
        for run in runs:
            by_shard.setdefault((run.shard, run.pass_number), []).append(
                np.arange(run.first, run.first + run.n_records))
        out = []
        for (shard, pass_number), positions in by_shard.items():
            documents = source.shard(shard).documents(np.concatenate(positions), pass_number)
            documents.source[:] = number
            documents.shard[:] = shard
            out.append(documents)
        return out

    def _packed(self, documents: Documents) -> Window:
        capacity = self.options.pack
        if capacity is None:
            n = np.arange(len(documents) + 1)
            packing = Packing(n, n[:-1], np.zeros(len(documents), np.int64), documents.length)
            return Window(documents, packing, documents.take(n[:0]))
        too_long = ~documents.is_text & (documents.length > capacity)
        left_out = documents.take(np.flatnonzero(too_long))
        documents = documents.take(np.flatnonzero(~too_long))
        packing = pack(documents.length, documents.is_text, capacity)
        return Window(documents, packing, left_out)
