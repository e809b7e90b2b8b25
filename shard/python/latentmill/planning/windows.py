# SPDX-License-Identifier: Apache-2.0
"""Windows: which documents come next, and how they are packed.

A window is a function of the data, the configuration, the seed and its cursors; ranks and
workers do not enter. It is made from lengths alone."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..options import Options
from ..sources.documents import Documents
from ..sources.source import OpenSource
from .hashing import key_of, permutation
from .mixture import UNIT
from .packing import Packing, pack
from .shuffle import Run, ShuffledSource

_DOCUMENTS = 3


@dataclass(frozen=True)
class Window:
    """Documents and their packing into sequences; unpacked, a sequence has one document."""
    documents: Documents
    packing: Packing
    too_long: Documents  # what no sequence can hold, and may not be cut

    def __len__(self) -> int:
        return len(self.packing)


class Planner:
    """Makes windows."""

    def __init__(self, sources: Sequence[OpenSource], options: Options):
        self._sources = sources
        self._options = options
        self._shuffled = [ShuffledSource(source.counts, source.block_starts, options.seed,
                                         options.group) for source in sources]

    def window(self, cursors: Mapping[str, int], takes: Mapping[str, int]) -> Window:
        """What the sources give from `cursors` on, `takes` units each. A source that gives
        nothing might as well not exist."""
        parts: list[Documents] = []
        words: list[int | str] = [self._options.seed, _DOCUMENTS]  # of the order's key
        for number, source in enumerate(self._sources):
            source.begin_window()
            cursor, take = cursors[source.name], takes[source.name]
            first, end = cursor // UNIT, (cursor + take) // UNIT
            if end > first:
                parts += self._documents(number, self._shuffled[number].runs(first, end - first))
                words += [source.name, first]
        documents = Documents.join(parts)
        documents = documents.take(permutation(len(documents), key_of(*words)))
        return self._packed(documents)

    def _documents(self, number: int, runs: list[Run]) -> list[Documents]:
        """One Documents for each shard and pass, records in the order of the runs."""
        source = self._sources[number]
        by_shard: dict[tuple[int, int], list[np.ndarray]] = {}
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
        capacity = self._options.pack
        if capacity is None:
            n = np.arange(len(documents) + 1)
            packing = Packing(n, n[:-1], np.zeros(len(documents), np.int64), documents.length)
            return Window(documents, packing, documents.take(n[:0]))
        too_long = ~documents.is_text & (documents.length > capacity)
        left_out = documents.take(np.flatnonzero(too_long))
        documents = documents.take(np.flatnonzero(~too_long))
        packing = pack(documents.length, documents.is_text, capacity)
        return Window(documents, packing, left_out)
