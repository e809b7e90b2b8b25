# SPDX-License-Identifier: Apache-2.0
"""Dataset: each sample once an epoch, the same batches for any world size, and resume at every
position of an epoch over world sizes 1 -> 3 -> 2."""
import collections
import json
import pathlib
import tempfile

import dataset_shards
import numpy as np

from latentmill import Dataset, Source, StateError

SMALL = {"batch_size": 6, "pack": 600, "window": 17, "group": 2}


def sources(folder, pairs_weight=1.0):
    return {"pairs": Source(folder / "pairs", pairs_weight), "text": folder / "text/shards"}


def ranks(world_size, make):
    return [make(rank=rank, world_size=world_size) for rank in range(world_size)]


def steps(datasets, count=None):
    """The next steps of all ranks in lockstep, each as one batch's sequences."""
    iterators = [iter(dataset) for dataset in datasets]
    for _ in range(count if count is not None else 1 << 30):
        batches = [next(iterator, None) for iterator in iterators]
        if batches[0] is None:
            assert all(batch is None for batch in batches), "ranks end at different steps"
            return
        assert all(batch["state"] == batches[0]["state"] for batch in batches)
        yield [row for batch in batches for row in rows(batch)]


def rows(batch):
    """What each sequence of a batch holds, to be compared."""
    out = []
    for s in range(len(batch["tokens"])):
        spans = batch["spans"][batch["spans"][:, 0] == s]
        patches = [batch["patches"][first:first + n].tobytes() for n, first in spans[:, [2, 5]]]
        out.append((batch["tokens"][s].tobytes(), batch["labels"][s].tobytes(),
                    batch["doc_ids"][s].tobytes(), spans[:, 1:5].tobytes(), tuple(patches),
                    tuple(batch["keys"][s])))
    return out


def once_an_epoch(folder):
    """Alone a source comes once; in a mixture the largest does, and others go round evenly."""
    for only in ("pairs", "text"):
        dataset = Dataset({only: sources(folder)[only]}, **SMALL)
        for epoch in range(2):
            assert dataset.epoch == epoch
            seen = collections.Counter(key for step in steps([dataset]) for row in step
                                       for key in set(row[5]))
            expected = 40 if only == "pairs" else 60
            if only == "pairs":  # a text may be in two sequences
                assert set(seen.values()) == {1}
            assert len(seen) == expected, (only, len(seen))
    dataset = Dataset(sources(folder), **SMALL)
    assert dataset._mixture.largest == "text" or dataset._mixture.largest == "pairs"
    seen, tokens = collections.Counter(), collections.Counter()
    for _ in range(6):
        for batch in dataset:
            for s, keys in enumerate(batch["keys"]):
                for d, (name, key) in enumerate(keys):
                    source = "text" if name.startswith("text") else "pairs"
                    n = int((batch["doc_ids"][s] == d).sum())
                    tokens[source] += n
                    seen[source, name, key] += 1
    ratio = tokens["pairs"] / tokens["text"]
    print(f"tokens of pairs to those of text, 6 epochs: {ratio:.3f}")
    assert 0.97 < ratio < 1.03
    pairs = [n for (source, *_), n in seen.items() if source == "pairs"]
    assert len(pairs) == 40 and max(pairs) - min(pairs) <= 1, "the smaller source goes unevenly"


def same_for_any_world_size(folder):
    expected = list(steps(ranks(1, lambda **r: Dataset(sources(folder), **SMALL, **r))))
    assert len(expected) > 6
    for world_size in (2, 3, 6):
        datasets = ranks(world_size, lambda **r: Dataset(sources(folder), **SMALL, **r))
        assert list(steps(datasets)) == expected, world_size
    other = list(steps([Dataset(sources(folder), seed=1, **SMALL)]))
    assert other != expected
    dataset = Dataset(sources(folder), **SMALL)
    list(dataset)
    second = list(steps([dataset]))
    assert second != expected
    dataset.set_epoch(1)
    assert list(steps([dataset])) == second, "an epoch depends on how it was come to"
    dataset.set_epoch(0)
    assert list(steps([dataset])) == expected


def resume_everywhere(folder):
    """1 rank for i steps, then 3 for j, then 2 to the end of the next epoch: one sequence of
    steps, whatever i and j are."""
    def make(**r):
        return Dataset(sources(folder), **SMALL, **r)

    whole = make()
    expected = list(steps([whole])) + list(steps([whole]))
    n = len(list(steps([make()])))
    for i in range(n + 1):
        first = make()
        got = list(steps([first], i))
        state = json.loads(json.dumps(first.state_dict()))
        for j in sorted({0, 1, (n - i) // 2, n - i}):
            middle = ranks(3, make)
            for dataset in middle:
                dataset.load_state_dict(state)
            then = list(steps(middle, j))
            last = ranks(2, make)
            for dataset in last:
                dataset.load_state_dict(json.loads(json.dumps(middle[2].state_dict())))
            rest = list(steps(last))
            if len(got) + len(then) + len(rest) == n:
                rest += list(steps(last))
            assert got + then + rest == expected, (i, j)


def received_not_prefetched(folder):
    """The state is that of the last batch that came out, also of a batch from elsewhere."""
    dataset = Dataset(sources(folder), **SMALL)
    iterator = iter(dataset)
    next(iterator)
    second = next(iterator)
    assert dataset.step == 2 and dataset.state_dict()["step"] == 2
    fresh = Dataset(sources(folder), **SMALL)
    assert fresh.state_dict(second) == dataset.state_dict()
    assert dataset.state_dict()["fingerprint"] == fresh.fingerprint


def other_states(folder):
    dataset = Dataset(sources(folder), **SMALL)
    seen = [key for step in steps([dataset], 4) for row in step for key in row[5]]
    state = dataset.state_dict()

    def refused(what, strict=True, **changed):
        arguments = {**SMALL, **{k: v for k, v in changed.items() if k != "sources"}}
        other = Dataset(changed.get("sources", sources(folder)), **arguments)
        try:
            other.load_state_dict(state, strict)
        except StateError as error:
            assert what in str(error), error
            return
        raise AssertionError(f"accepted: {what}")

    refused("weight of pairs", sources=sources(folder, 2.0))
    refused("'text' was removed", sources={"pairs": folder / "pairs"})
    refused("pack: 600, now 700", pack=700)
    refused("seed: 0, now 1", strict=False, seed=1)
    moved = {"pairs": folder / "text/shards", "text": folder / "pairs"}
    refused("'pairs' has other data", strict=False, sources=moved)

    changed = Dataset({**sources(folder, 3.0), "more": folder / "text/shards/text-0.lms"}, **SMALL)
    changed.load_state_dict(state, strict=False)
    rest = [key for step in steps([changed]) for row in step for key in row[5]]
    texts = collections.Counter(key for key in seen + rest if key[0] != "text-0"
                                and key[0].startswith("text"))
    pairs = collections.Counter(key for key in seen + rest if key[0].startswith("scenes"))
    assert len(pairs) == 40 and max(pairs.values()) - min(pairs.values()) <= 1
    assert len(texts) == 40, "some text was lost by the change of weights"
    fewer = Dataset({"text": folder / "text/shards"}, **SMALL)
    fewer.load_state_dict(state, strict=False)
    assert fewer.step == 4 and list(fewer)


def schedule(folder):
    weights = {"pairs": Source(folder / "pairs", [(0, 1.0), (5, 0.0)]), "text": folder / "text/shards"}
    dataset = Dataset(weights, **{**SMALL, "window": 6})
    late = [len(batch["spans"]) for batch in dataset if batch["state"]["step"] > 6]
    assert late and not any(late), "a weight of 0 still gives pairs"


def with_folder(folder):
    dataset_shards.make_pairs(folder / "pairs")
    dataset_shards.make_texts(folder / "text")
    for test in (once_an_epoch, same_for_any_world_size, resume_everywhere,
                 received_not_prefetched, other_states, schedule):
        test(folder)


with tempfile.TemporaryDirectory() as temporary:
    with_folder(pathlib.Path(temporary))
