# SPDX-License-Identifier: Apache-2.0
"""How well an epoch is shuffled: measured on windows that are planned for it, or predicted."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..columns import F64, I64
from ..sources.documents import Documents
from ..warned import warn
from .mixture import UNIT
from .shuffle import most_records
from .windows import Planner, Window

GOOD = 1.2  # how much more often two documents of a step may share a shard


def quality_of(planner: Planner, begin: Sequence[int], step: int, batch_size: int, windows: int
               ) -> dict[str, float]:
    """What Dataset.shuffle_quality() says, of the epoch that begins with cursors `begin`."""
    rates = planner.mixture.takes(begin, step)
    n = planner.mixture.windows_left(begin, step)
    sums = _Sums()
    for number in sorted({i * (n - 1) // max(1, windows - 1) for i in range(windows)}):
        cursors = [a + number * rate for a, rate in zip(begin, rates)]
        takes = planner.mixture.takes(cursors, step)
        names = [source.name for source in planner.sources]
        window = planner.window(dict(zip(names, cursors)), dict(zip(names, takes)))
        sums.add(planner, window, batch_size)
    return {"window": planner.mixture.window, **sums.result()}


def _order_of(window: Window) -> tuple[I64, I64]:
    """Documents in the order of training, each where it begins, and the sequence it is in."""
    packing = window.packing
    sequence = np.repeat(np.arange(len(packing)), np.diff(packing.first))
    begins = packing.start == 0
    return packing.item[begins], sequence[begins]


class _Sums:
    """Over steps."""

    def __init__(self) -> None:
        self._n = np.zeros(3, np.int64)       # windows, steps, documents
        self._pairs = np.zeros(3)             # of documents of a step: all, of one shard, expected
        self._distinct = np.zeros(2, np.int64)  # shards, blocks
        self._products = np.zeros(4)          # of neighbours: how many, x y; of all: how many, x x

    def add(self, planner: Planner, window: Window, batch_size: int) -> None:
        """All steps of a window; what is left of it at its end only where it has no whole one."""
        item, sequence = _order_of(window)
        steps = max(1, len(window) // batch_size)
        step = sequence // batch_size
        item, step = item[step < steps], step[step < steps]
        documents = window.documents.take(item)
        if not len(documents):
            return
        groups = _Groups(planner, documents)
        shard = _number(documents.source, documents.shard)
        self._n += (1, steps, len(documents))
        self._pairs += (_pairs(step), _pairs(_number(step, shard)),
                        groups.expected_pairs(step))
        self._distinct += (len(np.unique(_number(step, shard))),
                           len(np.unique(_number(step, shard, groups.block))))
        self._add_neighbours(groups)

    def _add_neighbours(self, groups: _Groups) -> None:
        order = np.argsort(groups.number, kind="stable")
        x, number = groups.place[order], groups.number[order]
        follows = number[1:] == number[:-1]
        self._products += (follows.sum(), (x[1:] * x[:-1])[follows].sum(), len(x), (x * x).sum())

    def result(self) -> dict[str, float]:
        windows, steps, documents = self._n.tolist()
        every, same, expected = self._pairs.tolist()
        n_follow, product, n, square = self._products.tolist()
        shards, blocks = self._distinct.tolist()
        return {
            "windows": windows, "steps": steps, "documents": documents,
            "same_shard": same / max(every, 1), "perfect": expected / max(every, 1),
            "ratio": same / expected if expected else 1.0 if not same else float("inf"),
            "correlation": product / n_follow / (square / n) if n_follow and square else 0.0,
            "shards_per_step": shards / max(steps, 1), "blocks_per_step": blocks / max(steps, 1)}


def _number(*columns: I64) -> I64:
    """Equal rows of these get equal numbers, from 0 on."""
    number = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, inverse = np.unique(column, return_inverse=True)
        number = np.unique(number * len(values) + inverse, return_inverse=True)[1]
    return number


def _pairs(number: I64) -> int:
    """Pairs, ordered, of equal ones."""
    n = np.bincount(number)
    return int((n * (n - 1)).sum())


class _Groups:
    """Of each document the group and pass that it is of, and its place in it."""

    def __init__(self, planner: Planner, documents: Documents):
        n = len(documents)
        self.number = np.zeros(n, np.int64)
        self.block = np.zeros(n, np.int64)
        self.place = np.zeros(n)          # from -1/2 to 1/2
        self._same_shard: list[float] = []  # probability, by number
        self._shares: list[dict[tuple[int, int], float]] = []  # of (source, shard), by number
        key = _number(documents.source, documents.pass_number)
        for one in range(int(key.max(initial=-1)) + 1):
            self._add_pass(planner, documents, np.flatnonzero(key == one))

    def _add_pass(self, planner: Planner, documents: Documents, which: I64) -> None:
        source = int(documents.source[which[0]])
        pass_number = int(documents.pass_number[which[0]])
        shuffled = planner.shuffled(source)
        group = shuffled.group_of(pass_number)[documents.shard[which]]
        for number in np.unique(group).tolist():
            mine = which[group == number]
            self.number[mine] = len(self._same_shard)
            shards = np.sort(shuffled.shards_of(pass_number, number))
            self._same_shard.append(self._add_group(planner, source, documents, mine, shards))

    def _add_group(self, planner: Planner, source: int, documents: Documents, mine: I64,
                   shards: I64) -> float:
        """The probability that two documents of it are of one shard."""
        weights = [planner.sources[source].shard(shard).weights for shard in shards.tolist()]
        sums = np.array([one.sum() for one in weights])
        before, total = np.append(0, np.cumsum(sums)), sums.sum()
        for begin, shard, weight in zip(before, shards.tolist(), weights):
            here = mine[documents.shard[mine] == shard]
            position = documents.position[here]
            place = begin + (np.cumsum(weight) - weight / 2)[position]
            self.place[here] = place / max(total, 1e-9) - 0.5
            starts = planner.sources[source].block_starts(shard)
            self.block[here] = np.searchsorted(starts, position, side="right")
        self._shares.append({(source, shard): one / max(total, 1e-9)
                             for shard, one in zip(shards.tolist(), sums.tolist())})
        return same_shard(sums)

    def expected_pairs(self, step: I64) -> float:
        """Pairs of documents of one shard if each group were shuffled perfectly: of one group, and
        of groups that have the shard in different passes."""
        n = np.zeros((int(step.max()) + 1, len(self._shares)))
        np.add.at(n, (step, self.number), 1)
        column = {shard: i for i, shard in enumerate({s: 0 for one in self._shares for s in one})}
        shares = np.zeros((len(self._shares), len(column)))
        for number, one in enumerate(self._shares):
            shares[number, [column[shard] for shard in one]] = list(one.values())
        within = (n * (n - 1) * np.array(self._same_shard)).sum()
        across = ((n @ shares)**2).sum() - (n**2 * (shares**2).sum(1)).sum()
        return float(within + max(across, 0.0))


def same_shard(records: F64) -> float:
    """The probability for two of all records of some shards, which have so many each."""
    n = records.sum()
    if n <= 1:
        return 1.0
    return float((records * np.maximum(records - 1, 0)).sum() / (n * (n - 1)))


def warn_of_window(planner: Planner) -> None:
    """Where two documents of a step will be of one shard more often than is good."""
    expected = found = 0.0
    for source, rate in zip(planner.sources, planner.mixture.takes(
            planner.mixture.epoch_start(0, 0), 0)):
        records, blocks = source.mean_block()
        in_group = most_records(source.counts, planner.options.group)
        n = max(1.0, in_group / records)             # blocks of a group
        shards = max(1.0, n / blocks)
        taken = min(n, max(1.0, rate / UNIT / records))  # blocks of a window
        perfect = 1 / shards
        of_others = (perfect - 1 / n) / (1 - 1 / n) if n > 1 else 0.0
        expected += rate**2 * perfect
        found += rate**2 * (1 / taken + (1 - 1 / taken) * of_others)
    if found > GOOD * expected:
        warn(f"window={planner.options.window} shuffles badly: two documents of a step will be of one "
             f"shard about {found / expected:.1f} times as often as if a group of shards was shuffled "
             "perfectly. The default, window=None, takes as many as shuffle_bytes allow; "
             "Dataset.shuffle_quality() measures it")
