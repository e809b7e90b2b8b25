# SPDX-License-Identifier: Apache-2.0
"""Packing as Python does it: what packing in C is compared with."""
from bisect import bisect_right, insort

import numpy as np

from latentmill.planning.packing import Packing

LOOKAHEAD = 256
SHORTEST_PIECE = 16  # of a text that is cut, where text and sequence are longer


class _Waiting:
    """The next documents, by order and by length."""

    def __init__(self, lengths: list[int], texts: list[bool]):
        self._lengths = lengths
        self._texts = texts
        self._n_texts = 0     # that wait within the lookahead
        self._taken = bytearray(len(lengths))
        self._head = 0        # everything before it is taken
        self._entered = 0     # everything from it on is beyond the lookahead
        self._by_length: list[tuple[int, int]] = []
        self._refill()

    def _refill(self) -> None:
        while self._entered < len(self._lengths) and len(self._by_length) < LOOKAHEAD:
            insort(self._by_length, (self._lengths[self._entered], self._entered))
            self._n_texts += self._texts[self._entered]
            self._entered += 1

    def head(self) -> int:
        """The first in order that is not taken; -1: none."""
        while self._head < self._entered and self._taken[self._head]:
            self._head += 1
        return self._head if self._head < self._entered else -1

    def shortest(self) -> int:
        """Positions of the shortest document within the lookahead."""
        return self._by_length[0][0]

    def take(self, item: int) -> None:
        """It waits no more; another comes within the lookahead."""
        del self._by_length[bisect_right(self._by_length, (self._lengths[item], item)) - 1]
        self._taken[item] = 1
        self._n_texts -= self._texts[item]
        self._refill()

    def first_text(self) -> int:
        """The first text in order; -1: none."""
        for item in range(self._head, self._entered if self._n_texts else 0):
            if not self._taken[item] and self._texts[item]:
                return item
        return -1

    def best_fit(self, room: int) -> list[int]:
        """The one or two that leave the least room; [] if none fits."""
        by_length = self._by_length
        high = bisect_right(by_length, (room, len(self._lengths))) - 1
        if high < 0:
            return []
        best = by_length[high][0]
        chosen: tuple[int, ...] = (high,)
        low = 0
        while low < high and best < room:
            both = by_length[low][0] + by_length[high][0]
            if both > room:
                high -= 1
                continue
            if both > best:
                best, chosen = both, (low, high)
            low += 1
        return [by_length[i][1] for i in chosen]


class _Filling:
    """The sequences so far; the last one is open."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        # A text that is longer than a sequence always gives two pieces of this length.
        self.shortest_piece = max(1, min(SHORTEST_PIECE, capacity // 2))
        self.room = capacity
        self.first = [0]
        self.pieces: list[tuple[int, int, int]] = []

    def put(self, item: int, start: int, length: int) -> None:
        """A piece of a document goes into the open sequence."""
        self.pieces.append((item, start, length))
        self.room -= length

    def close(self) -> None:
        """The next piece begins another sequence, unless this one is empty."""
        if self.room < self.capacity:
            self.first.append(len(self.pieces))
            self.room = self.capacity


def pack(lengths, is_text, capacity: int) -> Packing:
    """Packs documents of `lengths` positions, in this order, into sequences of `capacity`.

    lengths: [n], at least 1; documents that are no text must be no longer than capacity.
    is_text: [n], those that may be cut."""
    sizes, texts = lengths.tolist(), is_text.tolist()
    if any(size > capacity and not text for size, text in zip(sizes, texts)):
        raise ValueError("a document that may not be cut is longer than the sequence")
    waiting, out = _Waiting(sizes, texts), _Filling(capacity)
    item = waiting.head()
    while item >= 0:
        _fill_in_order(waiting, out, sizes, texts)
        _finish(waiting, out, sizes)
        item = waiting.first_text() if out.room >= out.shortest_piece else -1
        if item >= 0:
            waiting.take(item)
            _cut(out, item, 0, sizes[item])
        else:
            out.close()
        item = waiting.head()
    out.close()
    columns = np.array(out.pieces, np.int64).reshape(-1, 3).T
    return Packing(np.array(out.first, np.int64), *np.ascontiguousarray(columns))


def _fill_in_order(waiting: _Waiting, out: _Filling, sizes: list[int], texts: list[bool]) -> None:
    item = waiting.head()
    while item >= 0:
        size = sizes[item]
        if size > out.capacity and texts[item] and out.room >= out.shortest_piece:
            waiting.take(item)
            _cut(out, item, 0, size)
        elif size <= out.room and (out.room == out.capacity or
                                   out.room - size >= 2 * waiting.shortest()):
            waiting.take(item)
            out.put(item, 0, size)
        else:
            return
        item = waiting.head()


def _finish(waiting: _Waiting, out: _Filling, sizes: list[int]) -> None:
    while waiting.head() >= 0:
        chosen = waiting.best_fit(out.room)
        if not chosen:
            return
        for item in sorted(chosen):
            waiting.take(item)
            out.put(item, 0, sizes[item])


def _cut(out: _Filling, item: int, start: int, size: int) -> None:
    """Puts a text from position `start` on, over as many sequences as it needs."""
    while size - start > out.room:
        length = min(out.room, size - start - out.shortest_piece)
        if length >= out.shortest_piece:
            out.put(item, start, length)
            start += length
        out.close()
    out.put(item, start, size - start)
