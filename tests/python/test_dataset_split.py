# SPDX-License-Identifier: Apache-2.0
"""Dataset(split=...): both sides are all records, none is on both, and a key's side is its own."""
import json
import pathlib
import tempfile
import time

import dataset_shards
import numpy as np

from latentmill import Dataset, Source, StateError, build_view
from latentmill._shard import draw_one
from latentmill.sources.draws import held_out

SMALL = {"last": "pad", "batch_size": 2, "pack": None}


def keys(dataset):
    return [key for batch in dataset for sequence in batch["keys"] for _, key in sequence]


def refused(kind, what, call):
    try:
        call()
    except kind as error:
        assert what in str(error), error
        return
    raise AssertionError(f"accepted: {what}")


def two_sides(one, other):
    """Of any seed and epoch; the same key in another NAME is on the same side."""
    sides = {}
    for side in ("train", "val"):
        dataset = Dataset([one], split=(side, 0.1), **SMALL)
        sides[side] = keys(dataset)
        assert sorted(keys(dataset)) == sorted(sides[side]), "another epoch has others"
        assert sorted(keys(Dataset([one], split=(side, 0.1), seed=5, **SMALL))) == sorted(sides[side])
        elsewhere = keys(Dataset([other], split=(side, 0.1), **SMALL))
        assert set(elsewhere) == set(sides[side]) & {f"key-{i}" for i in range(0, 2000, 3)}
    train, val = map(set, sides.values())
    assert not train & val and train | val == {f"key-{i}" for i in range(2000)}
    assert len(sides["train"]) + len(sides["val"]) == 2000 and 150 < len(val) < 250, len(val)
    less = set(keys(Dataset([one], split=("val", 0.02), **SMALL)))
    assert less < val, "a smaller share is part of a larger one"
    limit = 0.1 * 2**64
    assert val == {key for key in train | val if draw_one("split", "", key, 0, 0) < limit}


def in_the_state(one):
    """It is another order, and the length of an epoch is that of the side."""
    dataset = Dataset(one, split=("train", 0.1), **SMALL)
    n = sum(1 for _ in dataset)
    assert abs(dataset.approximate_steps_per_epoch - n) <= 1
    state = json.loads(json.dumps(dataset.state_dict()))
    assert state["options"]["split"] == ["train", 0.1]
    Dataset(one, split=["train", 0.1], **SMALL).load_state_dict(state)
    for other in (None, ("val", 0.1), ("train", 0.2)):
        refused(StateError, "split: ['train', 0.1]",
                lambda: Dataset(one, split=other, **SMALL).load_state_dict(state))


def of_views(one, folder):
    view = build_view(one, folder / "even.lmv", where=lambda record: int(record.key[4:]) % 2 == 0)
    sides = [set(keys(Dataset(Source(one, view=view), split=(side, 0.1), **SMALL)))
             for side in ("train", "val")]
    assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 1000
    assert sides[1] == {key for key in keys(Dataset(one, split=("val", 0.1), **SMALL))
                        if int(key[4:]) % 2 == 0}


def wrong(one, folder):
    few = dataset_shards.make_numbered(folder / "few", "few", range(3))
    refused(ValueError, "has no record in split=('val', 1e-06): all of its 3 records",
            lambda: Dataset(few, split=("val", 1e-6), **SMALL))
    for split, what in ((0.1, "split is (\"train\", SHARE)"), (("test", 0.1), "'train', 'val'"),
                        (("val", 0.0), "above 0 and below 1"), (("val", 1), "above 0 and below 1"),
                        (("val",), "split is"), ("val", "split is")):
        refused(ValueError, what, lambda: Dataset(one, split=split, **SMALL))
    refused(TypeError, "the share of split is a number", lambda: Dataset(one, split=("val", "x"), **SMALL))


def is_fast(one):
    """A million records take a fraction of a second."""
    shard = Dataset(one, **SMALL)._sources[0].shard(0).reader.shard
    held_out(shard, 0.5)
    begin = time.process_time()
    for _ in range(50):
        out = held_out(shard, 0.5)
    took = (time.process_time() - begin) / 50 / shard.n_records * 1e6
    print(f"{took:.2f} s for 10^6 keys")
    assert took < 3 and 800 < np.count_nonzero(out) < 1200


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    first = dataset_shards.make_numbered(where / "one", "one", range(2000))
    second = dataset_shards.make_numbered(where / "other", "other", range(0, 2000, 3))
    two_sides(first, second)
    in_the_state(first)
    of_views(first, where)
    wrong(first, where)
    is_fast(first)
