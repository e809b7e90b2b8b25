# SPDX-License-Identifier: Apache-2.0
"""How much of each source a window takes.

Each source has a cursor: how many of its records were taken, pass after pass, in units of
2^-32 record, so that shares add up exactly however many windows there are. A window takes
from each in proportion to weight / mean size; it ends early where the largest source ends its
pass: that is the epoch. With constant weights the cursors of an epoch's start are a product,
not a sum, so any epoch can be begun without the ones before it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

UNIT = 1 << 32

Weight = float | Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Share:
    """A source as the mixture sees it."""
    name: str
    weight: tuple[tuple[int, float], ...]  # (from step, weight), by step
    n_records: int
    mean_size: float       # of a record, in what weights count
    mean_documents: float  # that a record gives; below 1 where a view leaves some out

    def weight_at(self, step: int) -> float:
        current = 0.0
        for begin, weight in self.weight:
            if begin <= step:
                current = weight
        return current


def schedule(weight: Weight) -> tuple[tuple[int, float], ...]:
    """A weight, or pairs (step, weight): each holds from its step on. Checked, by step."""
    pairs = ((0, weight),) if isinstance(weight, (int, float)) else \
        tuple(sorted((int(step), float(w)) for step, w in weight))
    if not pairs or pairs[0][0] != 0 or any(w < 0 for _, w in pairs) or \
            all(w == 0 for _, w in pairs) or len({step for step, _ in pairs}) < len(pairs):
        raise ValueError(f"a weight is a number above 0 or a list of (step, weight) that begins "
                         f"with step 0, not {weight!r}")
    return tuple((step, float(w)) for step, w in pairs)


class Mixture:
    """Cursors -> what the next window takes."""

    def __init__(self, shares: Sequence[Share], window: int):
        self.shares = list(shares)
        self._window = window
        self._largest = max(range(len(self.shares)), key=lambda i: (
            self.shares[i].n_records * self.shares[i].mean_size, -i))

    @property
    def largest(self) -> str:
        """The source whose pass is an epoch."""
        return self.shares[self._largest].name

    def _rates(self, step: int) -> list[int]:
        """Units that a whole window takes."""
        records = [share.weight_at(step) / share.mean_size for share in self.shares]
        total = sum(r * share.mean_documents for r, share in zip(records, self.shares))
        if total <= 0:
            raise ValueError(f"all weights are 0 at step {step}")
        return [round(self._window * UNIT * r / total) for r in records]

    def left(self, cursors: Sequence[int]) -> int:
        """Units of the largest source up to the end of its pass."""
        whole = self.shares[self._largest].n_records * UNIT
        return whole - cursors[self._largest] % whole

    def takes(self, cursors: Sequence[int], step: int) -> list[int]:
        """Units that the window at `cursors` takes; it does not reach beyond an epoch's end."""
        rates = self._rates(step)
        left, rate = self.left(cursors), rates[self._largest]
        if rate > left:
            rates = [r * left // rate for r in rates]
        return rates

    def ends_epoch(self, cursors: Sequence[int], takes: Sequence[int]) -> bool:
        return takes[self._largest] >= self.left(cursors)

    def epoch_start(self, epoch: int, step: int) -> list[int]:
        """The cursors of an epoch's begin, by the weights at `step`."""
        rates = self._rates(step)
        whole, rate = self.shares[self._largest].n_records * UNIT, rates[self._largest]
        if rate == 0:
            return [0] * len(rates)
        windows, rest = divmod(whole, rate)
        return [epoch * (whole if i == self._largest else windows * r + r * rest // rate)
                for i, r in enumerate(rates)]
