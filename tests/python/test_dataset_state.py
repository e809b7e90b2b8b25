# SPDX-License-Identifier: Apache-2.0
"""Dataset: epochs that go on where windows are empty or weights become 0, states that are refused
or taken with strict=False, and arguments that are no good."""
import json
import os
import pathlib
import tempfile
import warnings
from unittest import mock

import dataset_shards
import numpy as np

from latentmill import DamageWarning, Dataset, Plan, ShardReader, Source, StateError, build_view
from latentmill.planning.hashing import key_of, permutation
from latentmill.planning.mixture import UNIT

SMALL = {"batch_size": 2, "pack": 600, "window": 17, "group": 2}


def keys(batches):
    return [key for batch in batches for sequence in batch["keys"] for key in sequence]


def refused(kind, what, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind as error:
        assert type(error) is kind and what in str(error), repr(error)
        return
    raise AssertionError(f"accepted: {what}")


def empty_windows(folder):
    """A view takes a tenth, so that windows of ten records are often empty, also an epoch's first
    and last: each epoch has all documents, and its last batch leads into the next one."""
    view = build_view(folder / "text/shards", folder / "few.lmv", where=lambda r: r.key[4:] in
                      ("0000", "0003", "0029", "0032", "0055", "0058"))  # begin, middle, end
    source, first, last = Source(folder / "text/shards", view=view), 0, 0
    for options in ({"batch_size": 1, "pack": None}, {"batch_size": 7, "pack": None},
                    {"batch_size": 2, "pack": 600}):
        for seed in range(4):
            options = {**SMALL, **options, "window": 1, "seed": seed}
            dataset = Dataset(source, **options)
            for epoch in range(3):
                assert dataset.epoch == epoch
                plan = dataset._planner.window
                with mock.patch.object(dataset._planner, "window", side_effect=plan) as spy:
                    batches = list(dataset)
                assert len(set(keys(batches))) == 6, (options, epoch)
                windows = [len(plan(*call.args)) for call in spy.call_args_list]
                first, last = first + (windows[0] == 0), last + (windows[-1] == 0)
                on = Dataset(source, **options)
                on.load_state_dict(on.state_dict(batches[-1]))
                assert on.epoch == epoch + 1, "the epoch's last batch is not behind it"
    assert first > 5 and last > 5, (first, last)
    none = dataset._planner.window({"data": 0}, {"data": 0})
    with mock.patch.object(dataset._planner, "window", return_value=none):
        refused(ValueError, "12 epochs up to epoch 14 have no documents", list, dataset)


def small_weights(folder):
    """Chance leaves most epochs of a few light records empty: that is no error."""
    view = build_view(folder / "pairs", folder / "light.lmv", weight=lambda record: 0.02)
    for seed in range(8):
        dataset = Dataset(Source(folder / "pairs", view=view), **{**SMALL, "seed": seed})
        assert all(len(keys(list(dataset))) > 0 for _ in range(3))


def weight_becomes_0(folder):
    """The largest source is turned off: the other one ends epochs from then on."""
    weights = {"pairs": Source(folder / "pairs", [(0, 1.0), (4, 0.0), (60, 1.0)]),
               "text": folder / "text/shards"}
    options = {**SMALL, "window": 6}
    dataset = Dataset(weights, **options)
    batches, ends = [], []
    while len(batches) < 100:
        got = list(dataset)
        assert 0 < len(got) < 100, "an endless epoch"
        batches += got
        ends.append(dataset.step)
        assert dataset.epoch == len(ends)
    off = [len(batch["spans"]) for batch in batches[10:60]]
    assert not any(off) and any(len(batch["spans"]) for batch in batches[65:])
    for at in range(len(batches) - 1):
        on = Dataset(weights, **options)
        on.load_state_dict(json.loads(json.dumps(on.state_dict(batches[at]))))
        assert on.epoch == sum(end <= at + 1 for end in ends)
        if at % 9 == 0 or at + 1 in ends:
            assert keys([next(iter(on))]) == keys([batches[at + 1]]), at
    dataset.set_epoch(3)
    assert dataset.epoch == 3 and all(dataset.state_dict()["cursors"].values())


def weights_refused(folder):
    never = {"pairs": Source(folder / "pairs", [(0, 1.0), (9, 0.0)]),
             "text": Source(folder / "text/shards", [(0, 1.0), (5, 0.0)])}
    refused(ValueError, "all sources have weight 0 at step 9", Dataset, never, **SMALL)


def order_of_keys():
    """Values that must be the same on every machine, and with every Python."""
    assert key_of(0, 1, 2) == 0x555de1b38d6b221d
    assert key_of("\u1c89", "\udc80\"") == 0x42635539bcae9a11
    assert permutation(5, 2**64 - 1).tolist() == [2, 3, 4, 0, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sorted(permutation(1000, 2**63).tolist()) == list(range(1000))


def fractions_do_not_order(folder):
    """Shares come from sums of floats: their last bit moves no document."""
    dataset = Dataset(folder / "text/shards", **SMALL)
    cursors, takes = {"data": 17 * UNIT + 1000}, {"data": 17 * UNIT}
    window = dataset._planner.window(cursors, takes)
    other = dataset._planner.window({"data": 17 * UNIT + 1001}, takes)
    assert window.documents.position.tolist() == other.documents.position.tolist()


def other_packing(folder):
    """strict=False with another pack leaves out at most the rest of a window; where that was the
    epoch's last one, the epoch is over."""
    def make(**more):
        return Dataset(folder / "text/shards", **{**SMALL, **more})

    whole = list(make())
    expected, n_lost, n_ended = set(keys(whole)), [], 0
    for stop in range(1, len(whole)):
        on = make(pack=700)
        on.load_state_dict(on.state_dict(whole[stop - 1]) | {"options": make().options.as_state()},
                           strict=False)
        state = whole[stop - 1]["state"]
        ends = state["offset"] > 0 and state["cursors"]["data"] + state["takes"]["data"] == 60 * UNIT
        assert on.step == stop and on.epoch == ends, "the epoch's end was not counted"
        n_ended += ends
        seen = keys(whole[:stop]) + (keys(on) if on.epoch == 0 else [])
        n_lost.append(len(expected - set(seen)))
        assert on.epoch == 1 and set(keys(on)) == expected
    assert n_ended and 3 < max(n_lost) <= SMALL["window"], n_lost


def arrays_of_another_form(folder):
    """What a model was trained on besides the order is in the state, too. With strict=False the
    window in hand goes on, for its sequences are the same."""
    def make(**more):
        return Dataset(folder / "pairs", **SMALL, **more)

    first, second = list(make())[:2]
    state = make().state_dict(first)
    for name, other in (("patch_order", "cpq"), ("position_ids", "collapsed")):
        on = make(**{name: other})
        refused(StateError, f"{name}: ", on.load_state_dict, state)
        on.load_state_dict(state, strict=False)
        assert keys([next(iter(on))]) == keys([second])


def no_states(folder):
    dataset = Dataset(folder / "text/shards", **SMALL)
    batch = next(iter(dataset))
    state = dataset.state_dict()
    position = dataset._position
    for given, what in (
            (None, "not NoneType"), ("state.pt", "not str: read the file first"),
            (folder / "state.pt", "read the file first"), ([state], "not list"),
            ({"model": {}, "data": state}, "pass its item 'data'"), (batch, "pass its item 'state'"),
            (batch["state"], "state_dict(batch) makes a state of it"), ({}, "version None"),
            ({**state, "version": 3}, "version 3; this is version 2"),
            ({**state, "version": 1}, "of version 1, made by an older latentmill"),
            ({"version": 2}, "damaged: sources is None"), ({**state, "options": 3}, "options is 3"),
            ({**state, "weights": None}, "weights is None"),
            ({k: v for k, v in state.items() if k != "epoch"}, "damaged: KeyError('epoch')"),
            ({**state, "offset": -3}, "-3 is below 0"), ({**state, "step": 1.5}, "damaged: TypeError"),
            ({**state, "epoch": None}, "damaged: TypeError"), ({**state, "cursors": 5}, "damaged"),
            ({**state, "cursors": {"data": -5}}, "-5 is below 0"),
            ({**state, "takes": {"data": -5}}, "-5 is below 0"),
            ({**state, "takes": {}}, "cursors and takes are of different sources"),
            ({**state, "cursors": {"a": 1}, "takes": {"a": 1}}, "cursors of other sources"),
            ({**state, "options": {}}, "seed: None, now 0"), ({**state, "version": True}, "version True"),
            ({**state, "takes": {"data": 2**62}}, "damaged: it takes 1073741824 records of source 'data'"),
            ({**state, "takes": {"data": 1000 * UNIT}}, "damaged: it takes 1000 records")):
        refused(StateError, what, dataset.load_state_dict, given)
        assert dataset._position == position, "a refused state changed something"
    dataset.load_state_dict({**state, "offset": 10**6})
    refused(StateError, "damaged: 1000000 sequences of a window that has", list, dataset)
    refused(StateError, 'this batch has no "state"', dataset.state_dict, {"tokens": 1})
    refused(StateError, 'this batch has no "state"', dataset.state_dict, 5)
    other = Dataset({"other": folder / "text/shards"}, **SMALL)
    refused(StateError, "of a Dataset with other sources", other.state_dict, batch)


def other_plan(folder):
    """Its bytes are part of the state."""
    dataset = Dataset(folder / "text/shards", **SMALL)
    batch = next(batch for batch in dataset if batch["state"]["offset"])
    state = json.loads(json.dumps(dataset.state_dict(batch)))
    assert state["plan"] == dataset.plan == Plan().json
    default = json.loads(Plan().json)
    texts, images, data = default["rules"]
    for plan, what in (
            ({**default, "ends": "text"}, "the plan is another one: ends: 'text', now 'sequence'"),
            ({**default, "rules": [texts, {**images, "see": []}, data]}, 'rule 1: {"flag": null, "last": false'),
            ({**default, "rules": [texts, images]}, "another one: 2 rules, now 3")):
        other = {**state, "plan": Plan(json.dumps(plan)).json}
        refused(StateError, what, dataset.load_state_dict, other)
        refused(StateError, "strict=False takes it", dataset.load_state_dict, other)
        on = Dataset(folder / "text/shards", **SMALL)
        on.load_state_dict(other, strict=False)
        assert on.state_dict()["offset"] == 0 and on.step == state["step"], "a window of another plan went on"
    refused(StateError, "damaged: plan is '[]'", dataset.load_state_dict, {**state, "plan": "[]"})
    damaged = {**default, "more": 1}, {**default, "rules": default["rules"] * 2000}
    for plan in ("", "\0\xff", '"\ud800"', "[" * 300000, *map(json.dumps, damaged)):
        for strict in (True, False):
            try:
                dataset.load_state_dict({**state, "plan": plan}, strict=strict)
            except StateError as error:
                assert "the state is damaged: plan is " in str(error) and len(str(error)) < 600, error
            else:
                raise AssertionError(plan[:100])
    for plan in (json.dumps(default, indent=1), json.dumps({name: default[name] for name in ("rules", "ends")})):
        on = Dataset(folder / "text/shards", **SMALL)
        on.load_state_dict({**state, "plan": plan})
        assert on.state_dict() == state, "the same plan in other words is another one"
    before = {name: value for name, value in state.items() if name != "plan"}
    refused(StateError, "of a version before plans", dataset.load_state_dict, before)
    on = Dataset(folder / "text/shards", **SMALL)
    on.load_state_dict({**before, "plan": on.plan})
    assert on.state_dict() == state


def arguments(folder):
    def make(**more):
        return Dataset(folder / "pairs", **{**SMALL, **more})

    for name, value, kind, what in (
            ("batch_size", 0, ValueError, "batch_size is at least 1, not 0"),
            ("batch_size", 2.0, TypeError, "batch_size is an integer, not 2.0"),
            ("batch_size", "4", TypeError, "batch_size is an integer, not '4'"),
            ("world_size", 2, ValueError, "rank and world_size are given together"),
            ("rank", 1, ValueError, "rank and world_size are given together"),
            ("transform", 5, TypeError, "transform is a function")):
        refused(kind, what, make, **{name: value})
    one = np.int64(1)
    dataset = make(batch_size=one, rank=0 * one, world_size=one)
    dataset.set_epoch(one)
    batch = next(iter(dataset))
    json.dumps([dataset.state_dict(), batch["state"]])
    assert keys([batch]) == keys([next(iter(_at_1(make(batch_size=1))))])
    for value, kind, what in (("a", TypeError, "epoch is an integer, not 'a'"),
                              (-1, ValueError, "epoch is in 0"), (1.5, TypeError, "not 1.5")):
        refused(kind, what, dataset.set_epoch, value)


def _at_1(dataset):
    dataset.set_epoch(1)
    return dataset


def ranks_not_given(folder):
    """In one of several processes it says so, for each would get all of a step."""
    def warned(processes, **more):
        with mock.patch.dict(os.environ, {"WORLD_SIZE": processes}), \
                warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Dataset(folder / "pairs", **SMALL, **more)
        return [str(w.message) for w in caught]

    assert "one of 2 processes" in warned("2")[0] and "rank=torch.distributed" in warned("2")[0]
    assert not warned("2", rank=1, world_size=2) and not warned("2", world_size=1)
    assert not warned("1") and not warned("") and not warned("many")


def named_once(folder):
    """A damaged frame, over all epochs of a Dataset."""
    path = sorted((folder / "pairs").glob("*.lms"))[0]
    frames = ShardReader(path).frames
    data = bytearray(path.read_bytes())
    data[int(frames.offset[np.flatnonzero(frames.column != 0xFFFFFFFF)[0]]) + 100] ^= 0xFF
    path.write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dataset = Dataset(folder / "pairs", **SMALL, on_error="skip")
        for _ in range(3):
            assert list(dataset)
    assert [w.category for w in caught] == [DamageWarning], len(caught)


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    dataset_shards.make_pairs(where / "pairs")
    dataset_shards.make_texts(where / "text")
    order_of_keys()
    for test in (empty_windows, small_weights, weight_becomes_0, weights_refused, fractions_do_not_order,
                 other_packing, arrays_of_another_form, no_states, other_plan, arguments, ranks_not_given, named_once):
        test(where)
