# SPDX-License-Identifier: Apache-2.0
"""Several sources of a Dataset: records of one NAME and key in two folders are told of, and one view
may be of all of them. A view with the tokenizer of a data set."""
import pathlib
import shutil
import tempfile
import warnings

import dataset_shards

from latentmill import Dataset, Source, Tokenizer, View, build_view

OPTIONS = {"batch_size": 2, "pack": None}
KEY = "key-{:03}"


def keys(dataset):
    return {key for batch in dataset for sequence in batch["keys"] for key in sequence}


def told(sources):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Dataset(sources, **OPTIONS)
    return [str(w.message) for w in caught]


def twins(where, one, other, same):
    """The same NAME with other keys is no matter; a folder twice is, by views it is not."""
    for sources, who in (([one, same], "source 'data' has shards"),
                         ({"a": one, "b": same}, "sources 'a' and 'b' have shards")):
        message, = told(sources)
        assert who in message and "as one key-005" in message and "(5 in one.lms)" in message, message
    assert not told([one, other]) and not told({"a": one, "b": other}) and not told(one)
    moved = shutil.copytree(one, where / "moved")
    assert len(told([one, moved])) == 1
    view = build_view(one, where / "all.lmv")
    assert not told({"a": Source(one, view=view), "b": Source(moved, view=view)})


def one_view(where, one, other):
    """With an index and without; a source alone must have all of its shards, and no other one."""
    build_view([one, other], where / "both.lmv", where=lambda record: int(record.key[4:]) % 2 == 0)
    build_view(one, where / "one.lmv", where=lambda record: int(record.key[4:]) % 2 == 0)
    for indexed in (False, True):
        if indexed:
            dataset_shards.index(one)
        for view in (where / "both.lmv", View.open(where / "both.lmv")):
            sources = {"b": Source(one, view=view), "a": Source(other, view=view)}
            seen = keys(Dataset(sources, weights_by="samples", **OPTIONS))
            assert seen == {("one", f"key-{i:03}") for i in (*range(0, 10, 2), *range(100, 110, 2))}, seen
        on = Dataset(sources, **OPTIONS)
        on.load_state_dict(Dataset(sources, **OPTIONS).state_dict())
        for sources, what in (({"a": Source(one, view=view)}, "the view of source 'a' "),
                              ({"a": Source(one, view=where / "one.lmv"), "b": Source(other, view=where / "one.lmv")},
                               "the view of source 'b' lacks one.lms")):
            try:
                Dataset(sources, **OPTIONS)
                raise AssertionError(f"accepted: {what}")
            except ValueError as error:
                assert what in str(error), error
    (one / "index.lmi").unlink()
    third = dataset_shards.make_numbered(where / "third", "third", range(3), KEY)
    view = build_view([one, other, third], where / "three.lmv")
    try:
        Dataset({"a": Source(one, view=view), "b": Source(other, view=view)}, **OPTIONS)
        raise AssertionError("accepted a view of more shards")
    except ValueError as error:
        assert "of sources a, b is of 1 shards that none of them has" in str(error), error


def own_tokenizer(where, one):
    """Its markers are its own, and its ids those of the shards."""
    tokenizer = Tokenizer(one)
    build_view(one, where / "own.lmv", tokenizer=tokenizer)
    view = View.open(where / "own.lmv", tokenizer)
    assert view.markers == Dataset(one, **OPTIONS).markers
    pair = [sorted((str(b["keys"]), b["tokens"].tolist()) for b in Dataset(source, batch_size=1, pack=None))
            for source in (one, Source(one, view=view))]
    assert pair[0] == pair[1] and len(pair[0]) == 10


with tempfile.TemporaryDirectory() as temporary:
    here = pathlib.Path(temporary)
    first = dataset_shards.make_numbered(here / "one", "one", range(10), KEY)
    second = dataset_shards.make_numbered(here / "other", "one", range(100, 110), KEY)
    third = dataset_shards.make_numbered(here / "same", "one", range(5, 15), KEY)
    twins(here, first, second, third)
    one_view(here, first, second)
    own_tokenizer(here, first)
