# SPDX-License-Identifier: Apache-2.0
"""What windows take of each source, and the shuffled order of its records, by numbers alone."""
import hashlib

import dataset_shards  # noqa: F401, the package's path
import numpy as np

from latentmill.planning.mixture import UNIT, Mixture, Share
from latentmill.planning.shuffle import ShuffledSource
from latentmill.sources.weight import schedule

# By size the first is larger, by records the second. Of 20 documents one comes of 2 records of
# the first (a view leaves half out), 19 of the second.
LARGE = Share("large", ((0, 1.0),), 100, 10.0, 0.5)
SMALL = Share("small", ((0, 1.9), (7, 3.8)), 400, 2.0, 1.0)


def windows():
    mixture = Mixture([LARGE, SMALL], 20)
    assert mixture.takes([0, 0], 0) == [2 * UNIT, 19 * UNIT]
    assert mixture.takes([99 * UNIT, 5], 0) == [UNIT, 19 * UNIT // 2], "beyond the epoch's end"
    assert mixture.ends_epoch([99 * UNIT, 5], [UNIT, 0])
    assert not mixture.ends_epoch([99 * UNIT, 5], [UNIT - 1, 0])
    assert mixture.takes([100 * UNIT, 0], 0) == [2 * UNIT, 19 * UNIT]
    third = Mixture([Share("a", ((0, 1.0),), 10, 1.0, 1.0), Share("b", ((0, 2.0),), 9, 1.0, 1.0)], 4)
    assert third.takes([0, 0], 0) == [round(4 * UNIT / 3), round(8 * UNIT / 3)]
    cursors = [0, 0]
    for epoch in range(1, 4):
        ends = False
        while not ends:
            takes = third.takes(cursors, 0)
            ends = third.ends_epoch(cursors, takes)
            cursors = [c + t for c, t in zip(cursors, takes)]
        assert cursors[0] == 10 * epoch * UNIT and cursors == third.epoch_start(epoch, 0)
    whole = Mixture([LARGE, SMALL], 10)  # windows that divide the epoch
    assert whole.epoch_start(2, 0) == [200 * UNIT, 1900 * UNIT]


def schedules():
    """A weight holds from its step on."""
    assert [SMALL.weight_at(step) for step in (0, 6, 7, 8)] == [1.9, 1.9, 3.8, 3.8]
    mixture = Mixture([LARGE, SMALL], 39)
    assert mixture.takes([0, 0], 7) == [2 * UNIT, 38 * UNIT]
    assert schedule([(9, 2), (0, 1)]) == ((0, 1.0), (9, 2.0)) and schedule(3) == ((0, 3.0),)
    off = Mixture([Share("large", ((0, 1.0), (3, 0.0)), 100, 10.0, 0.5), SMALL], 20)
    assert off.takes([5, 399 * UNIT], 2) == [2 * UNIT, 19 * UNIT]
    assert off.takes([5, 399 * UNIT], 3) == [0, UNIT], "beyond the epoch's end"
    assert off.ends_epoch([5, 399 * UNIT], [0, UNIT])
    assert not off.ends_epoch([5, 399 * UNIT], [1, UNIT])
    assert off.epoch_start(2, 3) == [0, 800 * UNIT]
    assert schedule(np.float32(2)) == ((0, 2.0),)
    for wrong in (0, -1.0, [], [(1, 1.0)], [(0, 1.0), (5, -1.0)], [(0, 1.0), (0, 2.0)], "1", None,
                  float("nan"), float("inf"), [(0, 1.0), (0.5, 1.0)]):
        try:
            schedule(wrong)
            raise AssertionError(f"accepted: {wrong}")
        except ValueError:
            pass


def shuffled(blocks, seed, group):
    starts = [np.concatenate(([0], np.cumsum(shard, dtype=np.int64))) for shard in blocks]
    counts = np.array([int(start[-1]) for start in starts], np.int64)
    return ShuffledSource(counts, lambda shard: starts[shard], seed, group)


def orders():
    """Each pass is a permutation of its own, group by group; and it is the one that every
    version must give, or a state would go on with other records."""
    blocks = [[1 + (s + b) % 3 for b in range(5 + s % 2)] for s in range(9)]
    everything = {(s, i) for s, shard in enumerate(blocks) for i in range(sum(shard))}
    n = len(everything)

    def of(seed, pass_number):
        runs = shuffled(blocks, seed, 3).runs(pass_number * n, n)
        assert {run.pass_number for run in runs} == {pass_number}
        return [(r.shard, i) for r in runs for i in range(r.first, r.first + r.n_records)]

    passes = [of(seed, pass_number) for seed in range(2) for pass_number in range(2)]
    for one in passes:
        assert set(one) == everything and len(one) == n
        shards = list(dict.fromkeys(shard for shard, _ in one))
        groups = [set(shards[i:i + 3]) for i in (0, 3, 6)]
        before = 0
        for group in groups:
            until = before + sum(sum(blocks[shard]) for shard in group)
            assert {shard for shard, _ in one[before:until]} == group, "more than a group open"
            before = until
        assert len([0 for a, b in zip(one, one[1:]) if a[0] != b[0]]) > 20, "shard by shard"
    assert len({tuple(dict.fromkeys(shard for shard, _ in one)) for one in passes}) == 4
    one_shard = [tuple(shuffled([[1] * 9], seed, 1).runs(9 * pass_number, 9))
                 for seed in range(2) for pass_number in range(2)]
    assert len({tuple(run.first for run in runs) for runs in one_shard}) == 4
    source = shuffled(blocks, 0, 3)  # one object, both passes
    assert source.runs(0, 2 * n) == [*shuffled(blocks, 0, 3).runs(0, n), *source.runs(n, n)]
    digest = hashlib.sha256(repr(passes).encode()).hexdigest()[:16]
    assert digest == "fc5675b12416567a", digest


for test in (windows, schedules, orders):
    test()
