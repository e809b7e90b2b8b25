# SPDX-License-Identifier: Apache-2.0
"""Dataset: each sample once an epoch, the same batches for any world size, and resume at every
position of an epoch over world sizes 1 -> 3 -> 2."""
import collections
import hashlib
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


def same_in_every_version(folder):
    """Which sequences two epochs have: another version that loads a state must go on alike. (A
    change of the embedded tokenizer or of the sample set changes it too.)"""
    dataset = Dataset(sources(folder), seed=3, **SMALL)
    seen = [(row[0], row[1], row[2], row[3], row[5]) for _ in range(2) for step in steps([dataset])
            for row in step]
    digest = hashlib.sha256(repr(seen).encode()).hexdigest()[:16]
    assert digest == "2fabd53113e02f68", digest


def named_otherwise(folder):
    """A mapping's order means nothing; names do, and so they are in the fingerprint."""
    plain = Dataset(sources(folder), **SMALL)
    turned = Dataset(dict(reversed(sources(folder).items())), **SMALL)
    assert turned.fingerprint == plain.fingerprint
    assert list(steps([turned])) == list(steps([plain]))
    other = Dataset({"a": folder / "pairs", "b": folder / "text/shards"}, **SMALL)
    assert other.fingerprint != plain.fingerprint
    text_first = Dataset({"a": folder / "text/shards", "b": folder / "pairs"}, **SMALL)
    assert sum(len(batch["spans"]) for batch in text_first) > 0


def weighed_by_samples(folder):
    def takes(**more):
        return Dataset(sources(folder), **SMALL, **more).state_dict()["takes"]

    assert takes(weights_by="samples")["pairs"] == takes(weights_by="samples")["text"]
    assert takes()["pairs"] != takes()["text"]


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
    first = collections.Counter(key for step in steps([dataset]) for row in step
                                for key in set(row[5]))
    n_texts = sum(name.startswith("text") for name, _ in first)
    assert n_texts == 60, "text, the larger by tokens, is not whole"
    assert sum(n for (name, _), n in first.items() if name.startswith("scenes")) > 40
    dataset.set_epoch(0)
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
    assert dataset.step == 3 * len(expected), "steps are counted over all epochs"
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

    def refused(what, strict=True, state=state, **changed):
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
    refused("group: 2, now 3", strict=False, group=3)
    refused("patch: 2, now 4", patch=4)
    refused("'more' was added", sources={**sources(folder), "more": folder / "pairs"})
    refused("no source has the name", strict=False, sources={"other": folder / "pairs"})
    refused("version 3", state={**state, "version": 3})
    refused("the state is damaged", state={**state, "cursors": None})

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


def changed_in_a_window(folder):
    """Another packing leaves the window in hand behind; a change that packs alike does not."""
    alone = {"pairs": folder / "pairs"}
    dataset = Dataset(alone, **SMALL)
    seen = [key for step in steps([dataset], 1) for row in step for key in row[5]]
    state = dataset.state_dict()
    assert 0 < state["offset"] and len(seen) < 17

    def rest(**changed):
        other = Dataset(alone, **{**SMALL, **changed})
        other.load_state_dict(state, strict=False)
        return [key for step in steps([other]) for row in step for key in row[5]]

    whole = {key for step in steps([Dataset(alone, **SMALL)]) for row in step for key in row[5]}
    same = rest(window=9, weights_by="samples")
    assert len(same) + len(seen) == len(whole) and {*same, *seen} == whole
    repacked = rest(pack=330)  # one pair in each sequence
    assert len(repacked) == 40 - 17 and not {*repacked} & {*seen}
    mixed = Dataset(sources(folder), **SMALL)
    list(steps([mixed], 2))
    state = mixed.state_dict()
    fewer = Dataset(alone, **SMALL)
    fewer.load_state_dict(state, strict=False)
    assert state["offset"] > 0 and fewer.state_dict()["offset"] == 0, state
    assert fewer.state_dict()["cursors"]["pairs"] == \
        state["cursors"]["pairs"] + state["takes"]["pairs"], "a removed source's window goes on"
    begin = Dataset(sources(folder), **SMALL)
    heavier = Dataset(sources(folder, 3.0), **SMALL)
    takes = heavier.state_dict()["takes"]
    heavier.load_state_dict(begin.state_dict(), strict=False)
    assert heavier.state_dict()["takes"] == takes != begin.state_dict()["takes"]


def schedule(folder):
    weights = {"pairs": Source(folder / "pairs", [(0, 1.0), (5, 0.0)]), "text": folder / "text/shards"}
    dataset = Dataset(weights, **{**SMALL, "window": 6})
    late = [len(batch["spans"]) for batch in dataset if batch["state"]["step"] > 6]
    assert late and not any(late), "a weight of 0 still gives pairs"
    dataset = Dataset(weights, **{**SMALL, "window": 6})
    for batch in dataset:  # windows that begin from step 5 on, and only these, take no pairs
        state, size = batch["state"], SMALL["batch_size"]
        begin = (state["step"] * size - state["offset"]) // size
        assert (state["takes"]["pairs"] > 0) == (begin < 5), state
    weights["pairs"] = Source(folder / "pairs", [(0, 1.0), (5, 3.0)])
    later, always = Dataset(weights, **SMALL), Dataset(sources(folder, 3.0), **SMALL)
    list(later)
    assert later.step > 5
    later.set_epoch(2)
    always.set_epoch(2)
    assert later.state_dict()["cursors"] == always.state_dict()["cursors"]


def with_folder(folder):
    dataset_shards.make_pairs(folder / "pairs")
    dataset_shards.make_texts(folder / "text")
    for test in (same_in_every_version, named_otherwise, weighed_by_samples, once_an_epoch,
                 same_for_any_world_size, resume_everywhere, received_not_prefetched,
                 other_states, changed_in_a_window, schedule):
        test(folder)


with tempfile.TemporaryDirectory() as temporary:
    with_folder(pathlib.Path(temporary))
