# SPDX-License-Identifier: Apache-2.0
"""What becomes of the sequences that do not fill an epoch's last step: last="carry", "pad" and
"drop", over any number of ranks and workers, and whatever is killed in between."""
import collections
import json
import math
import pathlib
import pickle
import tempfile

import dataset_shards

from latentmill import Dataset, Source, StateError

LAST = ("carry", "pad", "drop")
# Leftovers of several windows, of a part of one; and epochs of less than a step.
SMALL = ({"batch_size": 6, "pack": 600, "window": 17, "group": 2},
         {"batch_size": 24, "pack": 320, "window": 5, "group": 2},
         {"batch_size": 30, "pack": 4096, "window": 9, "group": 2})


def sources(folder):
    return {"pairs": folder / "pairs", "text": folder / "text/shards"}


def rows(batch):
    return [(tokens.tobytes(), tuple(keys)) for tokens, keys in zip(batch["tokens"], batch["keys"])]


class Ranks:
    """The ranks of a training, which go on in step, each with workers as a DataLoader has them."""

    def __init__(self, folder, world_size, workers, options, state=None):
        self.datasets = [Dataset(sources(folder), **options, rank=rank, world_size=world_size)
                         for rank in range(world_size)]
        self.workers = workers
        if state is not None:
            for dataset in self.datasets:
                dataset.load_state_dict(json.loads(json.dumps(state)))

    def iteration(self, n=math.inf):
        """Each step of one, at most n, as the rows of its ranks."""
        out, batches = [], [self._in_turn(dataset) for dataset in self.datasets]
        while len(out) < n:
            step = [next(one, None) for one in batches]
            if step[0] is None:
                assert step == [None] * len(step), "ranks end at different steps"
                break
            for dataset, batch in zip(self.datasets, step):
                dataset.receive(dataset._iteration, dataset.position_behind(batch))
                assert batch["state"] == step[0]["state"]
            out.append([rows(batch) for batch in step])
            self.losses(step)
        return out

    def _in_turn(self, dataset):
        if self.workers == 0:
            yield from dataset
            return
        copies = [pickle.loads(pickle.dumps(dataset)) for _ in range(self.workers)]
        each = [copy._batches(worker, self.workers) for worker, copy in enumerate(copies)]
        mine = [(batch for batch, _ in one if batch is not None) for one in each]
        while (batch := next(mine[0], None)) is not None:
            mine.append(mine.pop(0))
            yield batch

    def losses(self, step):
        if self.datasets[0].options.last != "pad":
            for rank, batch in enumerate(step):
                assert (batch["labels"] >= 0).any(), f"rank {rank} has a mean of nothing"
                assert (batch["doc_ids"] >= 0).any(axis=1).all(), "padding alone"

    def steps(self, n):
        out = []
        while len(out) < n:
            out += self.iteration(n - len(out))
        return out

    def state(self):
        states = [dataset.state_dict() for dataset in self.datasets]
        assert all(state == states[0] for state in states)
        return states[0]


def joined(steps, last):
    """The rows of all ranks; where the rest is dealt in turn, in any order."""
    all_rows = [[row for rank in step for row in rank] for step in steps]
    return list(map(sorted, all_rows)) if last == "pad" else all_rows


def chain(folder):
    """2 ranks are killed, then 3, and 1 goes on to the end of a third epoch."""
    for options in SMALL:
        for last in LAST if options["batch_size"] == 6 else LAST[:1]:
            options = {**options, "last": last}
            whole = Ranks(folder, 1, 0, options)
            ends, expected, epochs = [], [], [0]
            for _ in range(3):
                expected += whole.iteration()
                ends.append(len(expected))
                epochs.append(whole.datasets[0].epoch)
            expected = joined(expected, last)
            n = len(expected)
            assert epochs == sorted(set(epochs)) and (options["batch_size"] == 30 or epochs == [0, 1, 2, 3])
            stops = {1, ends[0] - 1, ends[0], ends[0] + 1}
            for number, i in enumerate(sorted(stop for stop in stops if 0 <= stop <= n)):
                j = min(n - i, (number * 5) % (ends[1] + 2))
                first = Ranks(folder, 2, number % 3, options)
                got = first.steps(i)
                second = Ranks(folder, 3, (number + 1) % 3, options, first.state())
                got += second.steps(j)
                third = Ranks(folder, 1, (number + 2) % 3, options, second.state())
                assert third.datasets[0].epoch == epochs[sum(end <= i + j for end in ends)]
                while i + j < n and len(got) < n:
                    got += third.iteration()
                assert joined(got, last) == expected, (options, i, j)


def counts(steps):
    return collections.Counter(row for step in steps for rank in step for row in rank if row[1])


def what_becomes_of_the_rest(folder):
    """The same sequences, whole epochs of which carry and pad give."""
    options = SMALL[0]
    padded = Ranks(folder, 1, 0, {**options, "last": "pad"})
    epochs = [counts(padded.iteration()) for _ in range(3)]
    sizes = [sum(epoch.values()) for epoch in epochs]
    assert all(size % 6 for size in sizes), "no rest to test with"
    carried = Ranks(folder, 1, 0, {**options, "last": "carry"})
    steps = [carried.iteration() for _ in range(3)]
    assert [len(one) for one in steps] == \
        [sum(sizes[:i + 1]) // 6 - sum(sizes[:i]) // 6 for i in range(3)]
    left = sum(epochs, collections.Counter()) - counts(sum(steps, []))
    assert sum(left.values()) == sum(sizes) % 6 and left <= epochs[2], "some are lost"
    dropped = Ranks(folder, 1, 0, {**options, "last": "drop"})
    for epoch, size in zip(epochs, sizes):
        got = dropped.iteration()
        assert len(got) == size // 6 and counts(got) <= epoch
    for last, steps in (("carry", steps), ("pad", [range(math.ceil(size / 6)) for size in sizes])):
        about = Ranks(folder, 1, 0, {**options, "last": last}).datasets[0].approximate_steps_per_epoch
        assert abs(about - len(steps[0])) <= 1, (last, about)


def dealt_in_turn(folder):
    """Each rank gets its share of an epoch's rest before another one gets two more."""
    for world_size in (2, 3, 6):
        ranks = Ranks(folder, world_size, 0, {**SMALL[0], "last": "pad"})
        *_, step = ranks.iteration()
        n = [sum(bool(keys) for _, keys in rank) for rank in step]
        assert 0 < sum(n) < 6 and max(n) - min(n) <= 1 and n == sorted(n, reverse=True), n


def loaded_otherwise(folder):
    """A state that carries over goes on with another last= (strict=False) and another batch_size;
    set_epoch() leaves what it carries."""
    carried = Ranks(folder, 1, 0, {**SMALL[1], "last": "carry"})
    carried.iteration()
    dataset = carried.datasets[0]
    state, expected = dataset.state_dict(), counts(carried.iteration())
    assert state["carried"] == 1 and state["epoch"] == dataset.epoch - 1 == 1
    for last in ("pad", "drop"):
        other = Dataset(sources(folder), **SMALL[1], last=last)
        try:
            other.load_state_dict(state)
            raise AssertionError("another last= was accepted")
        except StateError as error:
            assert f"last: 'carry', now '{last}'" in str(error)
        other.load_state_dict(state, strict=False)
        assert other.epoch == 1
        got = collections.Counter(row for batch in other for row in rows(batch) if row[1])
        assert expected <= got if last == "pad" else got == expected
        assert other.epoch == 2
    smaller = Dataset(sources(folder), **{**SMALL[1], "batch_size": 1})
    smaller.load_state_dict(state)
    assert smaller.epoch == 1
    got = collections.Counter(row for batch in smaller for row in rows(batch))
    assert expected <= got and smaller.epoch == 2 and smaller.state_dict()["carried"] == 0
    fresh, again = Dataset(sources(folder), **SMALL[1]), Dataset(sources(folder), **SMALL[1])
    again.load_state_dict(state)
    again.set_epoch(0)
    assert [rows(batch) for batch in again] == [rows(batch) for batch in fresh]
    try:
        fresh.load_state_dict({**state, "carried": 2})
        raise AssertionError("a damaged state was accepted")
    except StateError as error:
        assert "damaged: it carries over 2 epochs in epoch 1" in str(error)


def less_than_a_step(folder):
    """carry goes on until there is a step, pad gives one with padding, and drop refuses."""
    options = {"batch_size": 100, "pack": None, "patch": 4}
    carried, dataset = collections.Counter(), Dataset(folder / "pairs", **options)
    for epoch in (3, 5, 8):  # of 40 pairs each
        batch, = dataset
        carried.update(key for keys in batch["keys"] for key in keys)
        assert dataset.epoch == epoch and dataset.step == (epoch + 1) // 3
    assert sum(carried.values()) == 300 and set(carried.values()) == {7, 8} and len(carried) == 40
    padded = Dataset(folder / "pairs", **options, last="pad")
    assert [sum(map(len, batch["keys"])) for batch in padded] == [40] and padded.epoch == 1
    try:
        list(Dataset(folder / "pairs", **options, last="drop"))
        raise AssertionError("epochs without end")
    except ValueError as error:
        assert 'have less than a step of 100 sequences, which last="drop"' in str(error), error
    try:
        Dataset(Source(folder / "pairs"), **options, last="keep")
        raise AssertionError("accepted")
    except ValueError as error:
        assert "last is one of 'carry', 'pad', 'drop', not 'keep'" in str(error)


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    dataset_shards.make_pairs(where / "pairs")
    dataset_shards.make_texts(where / "text")
    for test in (what_becomes_of_the_rest, dealt_in_turn, less_than_a_step, loaded_otherwise, chain):
        test(where)
