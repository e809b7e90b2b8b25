# SPDX-License-Identifier: Apache-2.0
"""Which shards a Dataset opens and how often, what it says of those that changed, and how it
weighs their records."""
import collections
import json
import pathlib
import pickle
import shutil
import subprocess
import tempfile
import warnings
from unittest import mock

import dataset_shards
import numpy as np

from latentmill import Dataset, DatasetIndex, ShardError, ShardReader, Source, build_view
from latentmill.options import Options
from latentmill.sources import catalogue
from latentmill.sources.catalogue import find_shards
from latentmill.sources.source import OpenSource
from latentmill.views import UNIT_WEIGHT

SMALL = {"batch_size": 2, "pack": 700, "patch": 4}


def refused(kind, call, *what):
    try:
        call()
    except kind as error:
        for one in what:
            assert one in str(error), error
        return
    raise AssertionError(f"accepted: {what}")


def keys(dataset):
    return sorted(key for batch in dataset for row in batch["keys"] for _, key in row)


def small_texts(folder, shards, records):
    """`records` records in each of `shards` shards."""
    folder.mkdir()
    inputs = [folder / f"s{number:02}.jsonl" for number in range(shards)]
    for path in inputs:
        path.write_text("".join(json.dumps({"id": f"{path.stem}-{i}", "text": "tree house"}) + "\n"
                                for i in range(records)))
    return dataset_shards.prepare(folder / "shards", *inputs)


def replaced(folder, texts, others):
    """An index that is older than a shard: refused where the shard is opened, also with fewer
    records; so is a shard that is replaced under a Dataset."""
    here = pathlib.Path(shutil.copytree(texts, folder / "here"))
    plain = Dataset(here, **SMALL, group=1)
    dataset_shards.index(here)
    indexed = Dataset(here, **SMALL, group=1)
    saved = pickle.dumps(plain), pickle.dumps(indexed)
    first = find_shards(here)[0]
    shutil.copy(find_shards(others)[0], first)
    refused(ShardError, lambda: Dataset(here, **SMALL), str(first), "index.lmi", "which is older",
            f"`latentmill index {here}`")
    refused(ShardError, lambda: keys(indexed), str(first), "which is older")
    refused(ShardError, lambda: keys(plain), str(first), "was replaced", "make it anew")
    refused(ShardError, lambda: keys(pickle.loads(saved[0])), str(first), "was replaced")
    dataset_shards.index(here)
    refused(ShardError, lambda: pickle.loads(saved[1]), "not the index that was pickled")
    assert len(keys(Dataset(here, **SMALL))) > 0


def missing_and_added(folder, texts):
    here = pathlib.Path(shutil.copytree(texts, folder / "changing"))
    dataset_shards.index(here)
    (here / "below").mkdir()
    shutil.copy(find_shards(texts)[0], here / "below/text-0.lms")
    shutil.copy(texts / "text-0.manifest.json", here / "below")
    shutil.copy(find_shards(texts)[0], here / "below/new.lms")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(Dataset(here, **SMALL)._sources[0].counts) == 3
    assert [str(warning.message) for warning in caught] == [
        f"{here}/index.lmi lacks shards of its folder (1), which are not used: below/text-0.lms;"
        f" run `latentmill index {here}` again",
        f"{here}/below/new.lms: no manifest names it, its unit is unfinished: left out. Let latentmill prepare "
        "finish it, or name the files"]
    assert {warning.filename for warning in caught} == {__file__}
    view = build_view(here, folder / "more.lmv")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused(ValueError, lambda: Dataset(Source(here, view=view), **SMALL), "has shards that",
                f"index.lmi lacks; run `latentmill index {here}` again")
    (here / "text-1.lms").rename(folder / "away.lms")
    refused(FileNotFoundError, lambda: Dataset(here, **SMALL), "index.lmi names are missing: ",
            "text-1.lms")


def twins(folder, texts):
    """What macOS puts beside files is no shard and no manifest, with an index and without."""
    here = pathlib.Path(shutil.copytree(texts, folder / "twins"))
    for path in list(here.iterdir()):
        (here / f"._{path.name}").write_bytes(b"\0\5\26\7")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert keys(Dataset(here, **SMALL)) == keys(Dataset(texts, **SMALL))
        dataset_shards.index(here)
        assert keys(Dataset(here, **SMALL)) == keys(Dataset(texts, **SMALL))
    for path in texts.glob("*.manifest.json"):  # shards of any origin
        (here / path.name).unlink()
    (here / "dataset.json").unlink()
    assert [path.name for path in find_shards([here])] == [f"text-{i}.lms" for i in range(3)]


class Counting(ShardReader):
    opened: collections.Counter = collections.Counter()

    def __init__(self, path, *arguments):
        Counting.opened[str(path)] += 1
        super().__init__(path, *arguments)


def opened_once(folder):
    """40 shards in each window of an epoch, in groups of 4."""
    texts = small_texts(folder / "small", shards=40, records=5)
    with mock.patch.object(catalogue, "ShardReader", Counting):
        dataset = Dataset(texts, batch_size=4, pack=64, last="pad", group=4)
        assert set(Counting.opened.values()) == {1} and len(Counting.opened) == 40
        assert len(keys(dataset)) >= 200
        keys(dataset)  # its window follows one with the same shards
        assert set(Counting.opened.values()) == {2}, Counting.opened
        assert len(dataset._sources[0]._open) == 40
        few = Dataset(texts, batch_size=4, pack=64, last="pad", group=4, window=10)
        keys(few)
        assert len(few._sources[0]._open) <= 10 + 4


def sampled(folder):
    """Of many shards 64 are looked at, the first and the last among them."""
    texts = small_texts(folder / "many", shards=65, records=1)
    dataset_shards.index(texts)
    looked = []
    with mock.patch.object(OpenSource, "_add_sums", lambda self, shard, number, n: looked.append(
            shard.reader.path)), mock.patch.object(OpenSource, "means", lambda self: (1.0, 1.0)):
        Dataset(texts, **SMALL)
    names = [DatasetIndex(texts).path(i) for i in range(65)]
    assert looked == [names[i * 64 // 63] for i in range(64)]


def ratio(pairs, texts, epochs=40, **options):
    """Positions of pairs to those of texts."""
    dataset = Dataset({"pairs": pairs, "text": texts}, **{**SMALL, **options})
    sums = collections.Counter()
    for _ in range(epochs):
        for batch in dataset:
            for s, row in enumerate(batch["keys"]):
                for d, (name, _) in enumerate(row):
                    sums["text" in name] += int((batch["doc_ids"][s] == d).sum())
    return sums[False] / sums[True]


def weighed_as_drawn(folder, pairs, texts):
    """One to one by tokens, whatever the draws make of the captions."""
    long = build_view(pairs, folder / "long.lmv", weight=lambda r: 2.5 if len(r.caption) > 90 else 0.5)
    for options in ({"max_caption_tokens": 20, "long_captions": "drop", "patch": 8},
                    {"max_caption_tokens": 20, "long_captions": "other_caption", "patch": 8},
                    {"captions": {"json.captions": 1.0}, "patch": 8},
                    {"captions": "stored", "patch": 8}, {"patch": 4, "pack": 101, "on_error": "skip"}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one = ratio(pairs, texts, **options)
        assert 0.94 < one < 1.06, (options, one)
    assert 0.94 < ratio(Source(pairs, view=long), texts, patch=8) < 1.06


def two_texts(folder):
    """Records with more than one text, beside pairs whose captions are shortened."""
    subprocess.run([dataset_shards.BUILD / "tests/programs/write_edits", folder / "edits", "40"],
                   check=True)
    path = folder / "edits-00000.lms"
    records = {record.key: record for record in ShardReader(path)}
    assert sum(len(record.texts) == 2 for record in records.values()) == 20
    dataset = Dataset(path, batch_size=1, pack=None, patch=4, max_caption_tokens=6)
    got = dict((identity[1], tokens) for identity, tokens in dataset_shards.documents(dataset))
    assert set(got) == set(records)
    for key, tokens in got.items():
        texts = records[key].texts
        captions = [one.ids.tolist() for one in texts[0].alternatives]
        if len(texts) == 2:
            other = texts[1].alternatives[0].ids.tolist()
            assert tokens in [[1, *one, 4096, 4097, *other] for one in captions], (key, tokens)
        else:
            assert [t for t in tokens[1:] if t < 4096] in [one[:6] for one in captions]
    mean = dataset._sources[0].means()[0]
    assert abs(mean / np.mean([batch["doc_ids"].size for batch in dataset]) - 1) < 0.1


def options_of_a_source(pairs):
    """A source's means are whole sums over whole numbers: the same on every machine."""
    source = OpenSource("a", Source(pairs), catalogue.Catalogue(pairs), Options(patch=4))
    assert source._sums.dtype == np.int64 and source._sums[2] == 40 * 64 * UNIT_WEIGHT


def few_of_many(where):
    """A view's means are of all its records, not of those in the sample of a source's shards."""
    folder = dataset_shards.make_texts(where / "views", n=300, shards=100, words=(5, 9))
    for chosen in ((2,), (2, 3, 62), range(2, 100, 7)):
        view = build_view(folder, where / "few.lmv", weight=lambda record: 1.5 * (
            int(record.name.split("-")[1]) in chosen))
        source = OpenSource("a", Source(folder, view=view), catalogue.Catalogue(folder), Options())
        positions, documents = source.means()
        assert abs(documents / (1.5 * len(chosen) / 100) - 1) < 0.1, documents
        assert 7 < positions / documents < 20
    mixed = Dataset({"few": Source(folder, view=view), "all": folder}, weights_by="samples",
                    batch_size=1, pack=128, window=50)
    window = mixed._planner.window(mixed._position.cursors, mixed._position.takes).documents
    assert 35 <= len(window) <= 65 and 15 <= (window.source == 0).sum() <= 35


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    pairs_folder = dataset_shards.make_pairs(where / "pairs")
    text_folder = dataset_shards.make_texts(where / "text", n=30, words=(1, 100))
    other_folder = dataset_shards.make_texts(where / "other", n=3, seed=1)
    replaced(where, text_folder, other_folder)
    missing_and_added(where, text_folder)
    twins(where, text_folder)
    opened_once(where)
    few_of_many(where)
    sampled(where)
    two_texts(where)
    options_of_a_source(pairs_folder)
    weighed_as_drawn(where, pairs_folder, text_folder)
