# SPDX-License-Identifier: Apache-2.0
"""A folder that grew between a state and its load: the pass in hand is the old one to its end, the
next ones are those of a Dataset of all shards. Killed in between, grown again, mixed, on ranks."""
import json
import pathlib
import shutil
import tempfile
import warnings

import dataset_shards

from latentmill import Dataset, StateError
from latentmill.planning.growth import pack_names

warnings.simplefilter("ignore")
OPTIONS = {"batch_size": 2, "pack": 36, "window": 9, "group": 2, "last": "pad"}
CARRY = {"batch_size": 5, "last": "carry"}


def shards(out, names, n=12):
    """One shard of n documents each, on its own; to be copied into a folder."""
    out.mkdir()
    for name in names:
        text = [{"id": f"{name}-{i}", "text": "the red tree " * (1 + (i * 7) % 11)} for i in range(n)]
        (out / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in text))
    dataset_shards.prepare(out / "shards", *sorted(out.glob("*.jsonl")))
    return out / "shards"


def add(folder, names):
    """In any order of names: some stand before, some between those that are there."""
    folder.mkdir(exist_ok=True)
    for name in names:
        for file in STORE.glob(f"{name}*"):
            shutil.copy(file, folder / file.name)


def rows(batch):
    return batch["tokens"].tolist(), batch["keys"]


def epoch(dataset):
    return [rows(batch) for batch in dataset]


def keys(steps):
    return sorted({key for _, keys in steps for sequence in keys for _, key in sequence})


def part(dataset, n):
    """n steps, and the state behind them."""
    steps, iterator = [], iter(dataset)
    for _ in range(n):
        steps.append(rows(next(iterator)))
    return steps, json.loads(json.dumps(dataset.state_dict()))


def refused(what, call):
    try:
        call()
    except StateError as error:
        assert what in str(error), error
        return
    raise AssertionError(f"accepted: {what}")


def one_source(where):
    """After every number of steps; growing twice, killed after each step of the way."""
    folder = where / "one"
    add(folder, "bdf")
    whole = epoch(Dataset(folder, **OPTIONS))
    states = [part(Dataset(folder, **OPTIONS), n)[1] for n in range(len(whole))]
    add(folder, "ae")
    after = Dataset(folder, **OPTIONS)
    after.set_epoch(1)
    later = epoch(after)
    assert len(keys(later)) == 5 * 12 and len(keys(whole)) == 3 * 12
    for n, state in enumerate(states):
        refused("source 'data' has 2 more shards", lambda: Dataset(folder, **OPTIONS).load_state_dict(state))
        on = Dataset(folder, **OPTIONS)
        on.load_state_dict(state, strict=False)
        if n == 0:  # nothing of the old pass was seen
            on.set_epoch(0)
            assert keys(epoch(on)) == keys(later)
            continue
        seen = []
        while on.epoch == 0:  # killed after each step
            seen += part(on, 1)[0]
            state = json.loads(json.dumps(on.state_dict()))
            on = Dataset(folder, **OPTIONS)
            on.load_state_dict(state, strict=False)
        assert seen == whole[n:], (n, len(seen), len(whole[n:]))
        assert epoch(on) == later
        assert on.epoch == 2
        Dataset(folder, **OPTIONS).load_state_dict(on.state_dict())
    _, middle = part(_loaded(folder, states[3]), 2)
    add(folder, "cg")
    after = Dataset(folder, **OPTIONS)
    after.set_epoch(1)
    on = _loaded(folder, middle)
    assert epoch(on) == whole[5:] and epoch(on) == epoch(after), "another growth within the pass"


def _loaded(folder, state, **more):
    dataset = Dataset(folder, **{**OPTIONS, **more})
    dataset.load_state_dict(state, strict=False)
    return dataset


def on_ranks(where):
    """And in workers' copies, for other numbers of ranks."""
    folder = where / "ranks"
    add(folder, "bdf")
    whole = epoch(Dataset(folder, **OPTIONS))
    _, state = part(Dataset(folder, **OPTIONS), 4)
    add(folder, "ac")
    ranks = [iter(_loaded(folder, state, rank=rank, world_size=2)) for rank in range(2)]
    for tokens, names in whole[4:]:
        both = [rows(next(one)) for one in ranks]
        assert [tokens, names] == [both[0][0] + both[1][0], both[0][1] + both[1][1]]
    assert all(next(one, None) is None for one in ranks)


def carried(where):
    """With sequences of the old shards in the first step of the grown folder's first epoch."""
    folder = where / "carried"
    add(folder, "bdf")
    state = part(Dataset(folder, **{**OPTIONS, **CARRY}), 1)[1]
    add(folder, "ae")
    unbroken = _loaded(folder, state, **CARRY)
    steps = [step for _ in range(3) for step in epoch(unbroken)]
    seen, most = [], 0
    while len(seen) < len(steps):
        one, state = part(_loaded(folder, state, **CARRY), 1)
        seen += one
        most = max(most, state["carried"])
    assert seen == steps
    documents = [key for _, keys in steps for sequence in keys for _, key in sequence]
    assert {key[0] for key in documents} == set("bdfae")
    assert most > 0, "a step of both epochs"


def mixture(where):
    """The smaller source grows, within a pass of its own, and the larger one too."""
    large, small = where / "large", where / "small"
    for grows in ("small", "large"):
        shutil.rmtree(large, ignore_errors=True)
        shutil.rmtree(small, ignore_errors=True)
        add(large, "bdfhi")
        add(small, "ac")
        sources = {"large": large, "small": small}
        before = Dataset(sources, **OPTIONS)
        old, state = part(before, 7)
        rest = [rows(batch) for batch in before]
        add({"small": small, "large": large}[grows], "eg")
        on = _loaded(sources, state)
        again = _loaded(sources, state)
        steps = epoch(on)
        assert on.epoch == 1 and steps == epoch(again)
        letters = [{key[0] for key in keys([step])} for step in steps]
        if grows == "large":
            assert not any({"e", "g"} & one for one in letters), "before the epoch's end"
            assert keys(old + steps) >= keys(old + rest)
            following = keys(epoch(on))
            assert {"e", "g"} <= {key[0] for key in following}
            for name in "bdfhieg":
                assert sum(key[0] == name for key in following) == 12, "a record is missing"
        else:
            assert sum(key[0] in "bdfhi" for key in keys(old + steps)) == 60
            seen = steps + epoch(on) + epoch(on)
            assert sum(key[0] in "aceg" for key in keys(old + seen)) == 48
        state = json.loads(json.dumps(on.state_dict()))
        assert state["sources"]["small"] == on._sources[1].fingerprint
        Dataset(sources, **OPTIONS).load_state_dict(state)


def gone_and_replaced(where):
    folder = where / "gone"
    add(folder, "abcd")
    _, state = part(Dataset(folder, **OPTIONS), 3)
    for file in folder.glob("b*"):
        file.unlink()
    for strict in (True, False):
        refused("source 'data' lacks shards that it had (1): b.lms",
                lambda: Dataset(folder, **OPTIONS).load_state_dict(state, strict=strict))
    add(folder, "be")
    other = {**state, "sources": {"data": "0" * 32}}  # as if one of them had other bytes
    refused("source 'data' has other data", lambda: _loaded(folder, other))
    damaged = {**state, "shards": {"data": "no base64!"}}
    refused("the state is damaged: shards", lambda: _loaded(folder, damaged))


def state_stays_small():
    names = [f"train/cc12m-{i // 7:05}+{i % 7:05}.lms" for i in range(100_000)]
    print(f"{len(pack_names(names))} bytes for 100,000 shards")
    assert len(pack_names(names)) < 600_000


with tempfile.TemporaryDirectory() as temporary:
    here = pathlib.Path(temporary)
    STORE = shards(here / "store", "abcdefghi")
    state_stays_small()
    for test in (one_source, carried, on_ranks, mixture, gone_and_replaced):
        test(here)
