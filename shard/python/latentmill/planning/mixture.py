# SPDX-License-Identifier: Apache-2.0
"""How much of each source a window takes.

Each source has a cursor: how many of its records were taken, pass after pass, in units of
2^-32 record, so that shares add up exactly however many windows there are. A window takes
from each in proportion to weight / mean size; it ends early where the largest source that it
takes from ends a pass: that is the epoch. Where a schedule turns that source off, the largest
of the others says when the epoch in hand ends. With constant weights the cursors of an epoch's
start are a product, not a sum, so any epoch can be begun without the ones before it."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .growth import Older

UNIT = 1 << 32
_ENOUGH = 4096  # documents of a window: fewer pack badly, as its last sequence is hardly filled


@dataclass(frozen=True)
class Share:
    """A source as the mixture sees it."""
    name: str
    weight: tuple[tuple[int, float], ...]  # (from step, weight), by step
    n_records: int
    mean_size: float       # of a record, in what weights count
    mean_documents: float  # that a record gives; below 1 where a view leaves some out

    def weight_at(self, step: int) -> float:
        """That of the last begin up to the step."""
        current = 0.0
        for begin, weight in self.weight:
            if begin <= step:
                current = weight
        return current


class Mixture:
    """Cursors -> what the next window takes."""

    def __init__(self, shares: Sequence[Share], window: int):
        self.shares = list(shares)
        self.window = window
        self.older: dict[int, Older] = {}  # by number of a source that grew
        for step in sorted({step for share in self.shares for step, _ in share.weight}):
            if not any(share.weight_at(step) for share in self.shares):
                raise ValueError(f"all sources have weight 0 at step {step}")

    @property
    def documents(self) -> float:
        """Of one pass over every source, on average."""
        return sum(share.n_records * share.mean_documents for share in self.shares)

    def older_at(self, source: int, cursor: int) -> Older | None:
        """What it has at a cursor, where that is not all of its shards."""
        older = self.older.get(source)
        return older if older is not None and cursor < older.end else None

    def _n_records(self, source: int, cursor: int | None) -> int:
        older = None if cursor is None else self.older_at(source, cursor)
        return self.shares[source].n_records if older is None else older.n_records

    def _largest(self, takes: Sequence[int], cursors: Sequence[int] | None = None) -> int:
        """Of the sources that are taken from, at these cursors or with all of their shards."""
        return max((i for i, units in enumerate(takes) if units), default=0, key=lambda i: (
            self._n_records(i, None if cursors is None else cursors[i]) * self.shares[i].mean_size, -i))

    def _rates(self, step: int) -> list[int]:
        """Units that a whole window takes."""
        records = [share.weight_at(step) / share.mean_size for share in self.shares]
        total = sum(r * share.mean_documents for r, share in zip(records, self.shares))
        return [round(self.window * UNIT * r / total) for r in records]

    def _left(self, source: int, cursors: Sequence[int]) -> int:
        """Units up to the end of its pass."""
        whole = self._n_records(source, cursors[source]) * UNIT
        return whole - cursors[source] % whole

    def window_within(self, raw_bytes: Sequence[float], group_records: Sequence[int],
                      most_bytes: int) -> int:
        """Documents of a window whose records are about most_bytes at most, or a whole group of
        every source (4,096 documents, if it has fewer) if that is less; at least 1. An epoch has even windows of it, for a short one
        at its end would hold a few blocks only. By source: raw_bytes of a record, group_records."""
        windows = []
        for step in {begin for share in self.shares for begin, _ in share.weight}:
            records = [r / (self.window * UNIT) for r in self._rates(step)]  # of a document
            fits = most_bytes / sum(r * size for r, size in zip(records, raw_bytes))
            needed = max(n / r for r, n in zip(records, group_records) if r)
            windows.append(min(fits, max(_ENOUGH, math.ceil(needed - 1e-6))))
        window = max(1, int(min(windows)))
        largest = self._largest(rates := self._rates(0))
        whole = self.shares[largest].n_records / (rates[largest] / (self.window * UNIT))
        return min(window, math.ceil(whole / math.ceil(whole / window - 1e-6) - 1e-6))

    def most_takes(self, window: int) -> list[int]:
        """More units than a window of so many documents takes, whatever the weights: twice as
        many, as another version's means may differ a little."""
        return [math.ceil(2 * window / share.mean_documents) * UNIT for share in self.shares]

    def takes(self, cursors: Sequence[int], step: int) -> list[int]:
        """Units that the window at `cursors` takes; it does not reach beyond an epoch's end, nor
        beyond the place from which a source has more shards."""
        rates = self._rates(step)
        largest = self._largest(rates, cursors)
        ends = [(self._left(largest, cursors), rates[largest])]
        ends += [(older.end - cursors[i], rates[i]) for i, older in self.older.items()
                 if cursors[i] < older.end and rates[i]]
        left, rate = min(ends, key=lambda end: Fraction(*end))
        if rate > left:
            rates = [r * left // rate for r in rates]
        return rates

    def windows_left(self, cursors: Sequence[int], step: int) -> int:
        """Up to the end of the epoch that begins at `cursors`, by the weights at `step`."""
        rates = self._rates(step)
        largest = self._largest(rates)
        return -(-self._left(largest, cursors) // rates[largest])

    def moved(self, source: int, before: int, cursor: int) -> int:
        """A cursor behind a window that began at `before`, counted with the shards it has there."""
        older = self.older_at(source, before)
        return cursor if older is None or cursor < older.end else older.begin

    def ends_epoch(self, cursors: Sequence[int], takes: Sequence[int]) -> bool:
        """Whether the window at `cursors` is an epoch's last."""
        largest = self._largest(takes, cursors)
        return takes[largest] >= self._left(largest, cursors)

    def epoch_start(self, epoch: int, step: int) -> list[int]:
        """The cursors of an epoch's begin, by the weights at `step`."""
        rates = self._rates(step)
        largest = self._largest(rates)
        whole, rate = self.shares[largest].n_records * UNIT, rates[largest]
        windows, rest = divmod(whole, rate)
        return [epoch * (whole if i == largest else windows * r + r * rest // rate)
                for i, r in enumerate(rates)]
