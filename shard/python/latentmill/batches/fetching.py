# SPDX-License-Identifier: Apache-2.0
"""Reads the blocks of a window's documents: each once, decompressed ahead in C threads.

A block stays as it is, in memory, until the last of its documents was given: a process keeps
those of up to two windows."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .._shard import Block, Prefetcher
from ..columns import I32, I64, U32
from ..planning.windows import Window
from ..reader import Frame, name_damage
from ..record import Record
from ..sources.documents import PLAN, Documents
from ..sources.source import OpenShard, OpenSource

OwnIds = tuple[I32 | U32 | None, ...]  # of each text of a record, None: the stored ones


class Fetched(NamedTuple):
    """A block, and what its records are seen by."""
    source: OpenSource
    shard: OpenShard
    block: Block


class Reading:
    """The documents of one window that somebody wants, block by block."""

    def __init__(self, documents: Documents, pieces: I64):
        """pieces: the document of each piece that will be asked for."""
        self.documents = documents
        self.block = np.full(len(documents), -1)  # number of each document's; -1: none, or lost
        self.row = np.zeros(len(documents), np.int64)  # of the block
        self.pending: list[tuple[OpenSource, OpenShard]] = []
        self._pieces = pieces
        self._fetched: dict[int, Fetched] = {}  # by number
        self._n_left = np.zeros(0, np.int64)  # of each block, pieces that were not given
        self._own: dict[int, dict[int, OwnIds | None]] = {}  # of each block's documents

    def blocks(self, sources: Sequence[OpenSource]) -> Iterator[tuple[OpenShard, int, bool]]:
        """Each block with a wanted document, in the order of the files, and whether any of these
        has an image."""
        d, wanted = self.documents, np.unique(self._pieces)
        order = wanted[np.lexsort((d.position[wanted], d.shard[wanted], d.source[wanted]))]
        for part in _split(order, d.source[order], d.shard[order]):
            source = sources[int(d.source[part[0]])]
            shard = source.shard(int(d.shard[part[0]]))
            columns = shard.reader.columns()
            blocks = columns.block[d.position[part]]
            self.row[part] = d.position[part] - columns.block_start[blocks]
            for same in _split(part, blocks):
                self.block[same] = len(self.pending)
                self.pending.append((source, shard))
                block = int(columns.block[d.position[same[0]]])
                yield shard, block, bool((~d.is_text[same]).any())
        self._n_left = np.bincount(self.block[self._pieces], minlength=len(self.pending))
        self.pending.reverse()

    def take(self, block: Block) -> None:
        """The next one."""
        number = len(self._n_left) - len(self.pending)
        self._fetched[number] = Fetched(*self.pending.pop(), block)

    def lose(self) -> None:
        """The next one cannot be read: nor can its documents."""
        self.block[self.block == len(self._n_left) - len(self.pending)] = -1
        self.pending.pop()

    def fetched(self, number: int) -> Fetched:
        """A block that was taken, some of whose pieces were not given."""
        return self._fetched[number]

    def give(self, pieces: I64) -> None:
        """Of these documents a piece each is not asked for again: lets go what no other needs."""
        numbers = self.block[pieces]
        numbers, counts = np.unique(numbers[numbers >= 0], return_counts=True)
        self._n_left[numbers] -= counts
        for number in numbers[self._n_left[numbers] == 0].tolist():
            del self._fetched[number]
            self._own.pop(number, None)

    def own_ids(self, document: int) -> OwnIds | None:
        """By a view, of one that is not lost; None: all its texts have the stored ones."""
        number = int(self.block[document])
        known = self._own.setdefault(number, {})
        if document not in known:
            known[document] = _own_ids(self._fetched[number], self.documents, document,
                                       int(self.row[document]))
        return known[document]


def _own_ids(at: Fetched, documents: Documents, document: int, row: int) -> OwnIds | None:
    texts, view = at.shard.texts, at.source.view
    one = documents.take(np.array([document]))
    position, caption = int(one.position[0]), int(one.caption[0])
    is_own = texts.own is not None and bool(texts.own.replaced[position])
    start = int(texts.captions(one.position)[0][0])
    ids: list[I32 | U32] = []
    if view is not None and view.tokenizer is not None:
        stored = -1 if is_own else caption
        n_stored = int(texts.n_ids[start + stored]) if stored >= 0 else 0
        choices = at.shard.measure.other_choices(at.shard.reader.shard, texts, one) \
            if texts.first[position + 1] - texts.first[position] > 1 else {}
        ids += view.tokens(Record(at.shard.reader, position, at.block, row), stored, n_stored,
                           choices.get(0), int(one.n_others[0]))
    if is_own and texts.own is not None:
        ids[:1] = [texts.own.of(start + max(caption, 0))]
    return tuple(np.require(one, requirements=["C", "A"]) for one in ids) or None


def _split(values: I64, *keys: npt.NDArray[np.generic]) -> list[I64]:
    """Runs of values in which all keys stay the same."""
    changes = np.zeros(max(0, len(values) - 1), bool)
    for key in keys:
        changes |= key[1:] != key[:-1]
    return np.split(values, np.flatnonzero(changes) + 1) if len(values) else []


class Fetcher:
    """Asks for windows in their order, and takes their blocks in that order."""

    def __init__(self, sources: Sequence[OpenSource], threads: int, max_bytes: int,
                 on_error: str, named: set[Frame], all_tensors: bool = False):
        """named: the damaged frames that were named; kept, and added to. all_tensors: those
        besides what sequences show, too."""
        self._sources = sources
        self._prefetcher = Prefetcher(threads, max_bytes)
        self._skip = on_error == "skip"
        self._named = named
        self._all_tensors = all_tensors

    def close(self) -> None:
        """Drops what was asked for, and ends the threads."""
        self._prefetcher.close()

    def request(self, window: Window, pieces: I64) -> Reading:
        """pieces: the document of each piece that will be asked for. Never waits."""
        reading = Reading(window.documents, pieces)
        for shard, block, tensors in reading.blocks(self._sources):
            if self._all_tensors:
                self._prefetcher.submit(shard.reader.shard, block, tensors)
            else:
                self._prefetcher.submit(shard.reader.shard, block, tensors, PLAN)
        return reading

    def take(self, reading: Reading, up_to: int) -> None:
        """Takes blocks until at most `up_to` are left. DamagedError unless skipped."""
        while len(reading.pending) > up_to:
            block = self._prefetcher.take()
            lost = block.text_error()
            if lost is None:
                reading.take(block)
            else:
                self.refuse(lost)
                reading.lose()

    def refuse(self, error: Exception) -> None:
        """Raises it, or names it once where damage is skipped."""
        name_damage(error, self._skip, self._named)
