# SPDX-License-Identifier: Apache-2.0
"""Arguments of Dataset, Source, build_view() and others: wrong ones are refused at once, in words
that name them and say what is taken; numpy's numbers are numbers. What a model's sizes are."""
import json
import pathlib
import tempfile

import dataset_shards
import numpy as np

from latentmill import Dataset, DatasetIndex, ShardError, ShardReader, Source, View, build_view
from latentmill.attention import image_ids
from latentmill.options import Options, templates

SMALL = {"batch_size": 2, "pack": 700, "patch": 4}
MARKERS = {"bos": 1, "eos": None, "boi": 300, "eoi": 301}


def refused(kind, call, *what):
    try:
        call()
    except kind as error:
        assert type(error) is kind, repr(error)
        for one in what:
            assert one in str(error), (one, error)
        return
    raise AssertionError(f"accepted: {what}")


def sources(folder, pairs, texts):
    text = sorted(texts.glob("*.lms"))[0]
    other = folder / "documents.jsonl"
    other.write_text("{}\n")
    (folder / "empty").mkdir()
    (pairs / "index.lmi").touch()
    for kind, given, what in (
            (FileNotFoundError, [], "no shards in an empty list"),
            (FileNotFoundError, folder / "empty", f"no shards in {folder}/empty"),
            (FileNotFoundError, folder / "nowhere", f"no such shard or folder: {folder}/nowhere"),
            (FileNotFoundError, f"{texts}/*.lms", f"no such shard or folder: {texts}/*.lms; patterns "
             "are not expanded: give the folder, or a list such as glob.glob(...)"),
            (ValueError, {}, "no sources"),
            (ValueError, "", "'' is no path"),
            (TypeError, None, "not None"),
            (TypeError, 3, "not 3"),
            (TypeError, {1: pairs}, "name is a string, not 1"),
            (TypeError, [Source(pairs)], "is no path"),
            (TypeError, {"a": (texts, 2.0)}, "2.0 is no path"),
            (TypeError, {"a": (texts, 2.0)}, "Source('pairs', weight=2.0)"),
            (ValueError, str(pairs / "index.lmi"), f"give the folder {pairs}"),
            (ValueError, other, "documents.jsonl is no shard"),
            (ValueError, other, "`latentmill prepare --out DIR INPUT...`"),
            (ValueError, [texts, text], f"{text} is named twice"),
            (ValueError, [texts, texts], f"{text} is named twice")):
        refused(kind, lambda: Dataset(given, **SMALL), what)
    (pairs / "index.lmi").unlink()
    (folder / "link").symlink_to(texts)
    refused(ValueError, lambda: Dataset([folder / "link", texts], **SMALL), "is named twice")
    for weight in ("2", [1, 2], float("nan"), None, [(0, -1.0)]):
        refused(ValueError, lambda: Source(pairs, weight=weight), "weight", repr(weight))
    refused(ValueError, lambda: Source(pairs, weight=0.0), "not 0.0; a source that is not to be used "
            "is left out")
    refused(TypeError, lambda: Source(pairs, view=3), "view is a file of build_view(), or a View")
    mixed = Dataset({"a": Source(pairs, np.float32(2)), "b": Source(texts, np.int64(1))}, **SMALL)
    assert mixed.state_dict()["weights"] == {"a": [[0, 2.0]], "b": [[0, 1.0]]}


def options(pairs):
    for kind, name, given, what in (
            (TypeError, "pack", "4096", "pack is an integer"),
            (TypeError, "pack", 1024.0, "pack is an integer"),
            (ValueError, "pack", 0, "pack is at least 1"),
            (TypeError, "patch", 2.0, "patch is an integer"),
            (ValueError, "patch", True, "patch is one of 'default', None, 1, 2, 4, 8, not True"),
            (ValueError, "patch", 3, "patch is one of 'default', None, 1, 2, 4, 8, not 3"),
            (ValueError, "grid", 3, "grid is one of None, 1"),
            (TypeError, "window", 2.5, "window is an integer"),
            (TypeError, "group", True, "group is an integer"),
            (TypeError, "max_caption_tokens", "7", "max_caption_tokens is an integer"),
            (TypeError, "seed", None, "seed is an integer"),
            (TypeError, "batch_size", True, "batch_size is an integer"),
            (ValueError, "seed", -1, "seed is in 0 .. 18446744073709551615, not -1"),
            (ValueError, "seed", 1 << 64, "not 18446744073709551616"),
            (TypeError, "caption_dropout", "0.5", "caption_dropout is a number"),
            (ValueError, "caption_dropout", float("nan"), "caption_dropout is a share from 0 to 1"),
            (ValueError, "caption_first", 2, "caption_first is a share from 0 to 1"),
            (ValueError, "captions", {}, "or a mapping of names to shares, not {}"),
            (ValueError, "captions", None, "or a mapping of names to shares, not None"),
            (ValueError, "captions", {"txt": 0}, "captions['txt'] is a share above 0"),
            (TypeError, "captions", {"txt": "1"}, "captions['txt'] is a number"),
            (ValueError, "captions", {"nope": 1}, "no record has one of the name 'nope'"),
            (ValueError, "captions", {"nope": 1, "txt": 1}, "there are 'json.captions[1]', "),
            (TypeError, "sequence", ("bos", "image", 2.5, "text"), "is an integer, not 2.5")):
        refused(kind, lambda: Dataset(pairs, **{**SMALL, name: given}), what)
    refused(ValueError, lambda: Dataset(pairs, order="stored", caption_first=0.5, **SMALL),
            "caption_first", "order='stored'")
    taken = Dataset(pairs, **{**SMALL, "seed": np.uint64(3), "pack": np.int32(700)}).state_dict()
    assert json.loads(json.dumps(taken)) == taken and taken["options"]["seed"] == 3
    assert Options(seed=(1 << 64) - 1, patch=np.int64(8)).patch == 8


def view_arguments(folder, pairs):
    first = "<Record scenes-000 000000000, index 0>"
    for given in ([1.5], [-1], [1 << 31], [1 << 70], ["a"], [[1], [2, 3]], {"input_ids": [1]}, 7, None):
        refused(ValueError, lambda: build_view(pairs, folder / "no.lmv", markers=MARKERS,
                                               tokenizer=lambda text: given),
                f"tokenizer: of a text of {first} it gives {given!r}, not a list of integers")

    def tokenize(text):
        return np.frombuffer(text.encode(), np.uint8)

    for kind, arguments, what in (
            (ValueError, {"markers": {"bos": 1}}, "markers has each of bos, eos, boi, eoi"),
            (ValueError, {"markers": {**MARKERS, "boi": None}}, "markers: boi is an integer"),
            (ValueError, {"markers": {**MARKERS, "eos": "</s>"}}, "markers: eos is an integer"),
            (ValueError, {"weight": lambda r: None}, f"weight of {first} is None"),
            (ValueError, {"weight": lambda r: float("nan")}, f"weight of {first} is nan"),
            (TypeError, {"captions_map": 7}, "captions_map is a mapping of keys, or a callable"),
            (ValueError, {"captions_map": {"zz": "a"}}, "has the key of no record; its first are "
             "['zz']"),
            (TypeError, {"captions_map": {"000000000": 5}}, f"captions_map: {first} is given 5"),
            (TypeError, {"captions_map": lambda r: [None]}, f"{first} is given [None]")):
        refused(kind, lambda: build_view(pairs, folder / "no.lmv",
                                         **{"tokenizer": tokenize, "markers": MARKERS, **arguments}),
                what)
    assert not (folder / "no.lmv").exists()


def views(folder, pairs):
    """By NAME and key; and a tokenizer that gives something else later is noticed."""
    captions = {"000000001": "both", ("scenes-000", "000000001"): "first"}

    def tokenize(text):
        return list(text.encode())

    view = build_view(pairs, folder / "bytes.lmv", tokenizer=tokenize, markers=MARKERS,
                      captions_map=captions, weight=lambda r: float(r.index % 4 > 0))
    used = sum(r.index % 4 > 0 for path in pairs.glob("*.lms") for r in ShardReader(path))
    assert repr(view) == f"View: {used} of 40 records in 2 shards, tokens of 'custom'"
    dataset = Dataset(Source(pairs, view=view), **SMALL)
    got = {name: bytes(t for t in tokens if 1 < t < 300)
           for (name, key), tokens in dataset_shards.documents(dataset) if key == "000000001"}
    assert got["scenes-000"] == b"first" and set(got.values()) <= {b"first", b"both"}
    for tokenizer in (lambda text: tokenize(text) + [5], lambda text: tokenize(text)[1:]):
        opened = View.open(folder / "bytes.lmv", tokenizer)
        refused(ValueError, lambda: list(Dataset(Source(pairs, view=opened), **SMALL)),
                "the tokenizer gives other tokens", "build it again", "<Record scenes-0")
    refused(ValueError, lambda: Dataset(Source(sorted(pairs.glob("*.lms")), view=view), **SMALL)
            and Dataset(Source(sorted(pairs.glob("*.lms"))[:1], view=view), **SMALL),
            "was made of other shards", "build_view()")
    (folder / "empty.lmv").touch()
    np.save(folder / "array.npy", np.zeros(3))
    np.savez(folder / "other.npz", meta=np.array("[]"))
    for name in ("empty.lmv", "array.npy", "other.npz"):
        refused(ValueError, lambda: View.open(folder / name), f"{name} is no view of latentmill")
    refused(FileNotFoundError, lambda: View.open(folder / "nowhere.lmv"), "nowhere.lmv")


def indexes(folder, pairs):
    refused(FileNotFoundError, lambda: DatasetIndex(folder / "nowhere"), "no such file or folder")
    refused(FileNotFoundError, lambda: DatasetIndex(pairs), f"make it with: latentmill index {pairs}")
    dataset_shards.index(pairs)
    index = DatasetIndex(pairs)
    for number in (2, -1):
        refused(IndexError, lambda: index.open(number), f"has 2 shards, not a shard {number}")


def others(folder):
    refused(ShardError, lambda: ShardReader(folder), f"{folder} is a folder: ShardReader reads "
            "one .lms file; Dataset and DatasetIndex take a folder")
    refused(TypeError, lambda: image_ids(3), "a batch of a Dataset has doc_ids, ", "not <class 'int'>")
    refused(TypeError, lambda: image_ids({"tokens": []}), "not ['tokens']")


def sizes(folder, pairs, texts):
    """What the first lines of a model need."""
    dataset = Dataset({"a": texts, "b": pairs}, **SMALL)
    header = ShardReader(sorted(pairs.glob("*.lms"))[0]).header
    assert dataset.markers._asdict() == {name: header["tokenizer"][name] for name in MARKERS}
    assert dataset.vocabulary == 1 + max(header["tokenizer"]["n_pieces"] - 1, header["tokenizer"]["eoi"])
    assert dataset.patch_values == 4 * 4 * 8
    assert Dataset(texts, **SMALL).patch_values == 0
    assert Dataset(pairs, **{**SMALL, "patch": None}).patch_values is None
    longer = ("bos", "text", 7000, "boi", "image", "eoi", "eos")
    assert Dataset(pairs, sequence=longer, **SMALL).vocabulary == 7001
    assert templates((np.int64(9), "text", "image"))["caption_first"] == (9, "text", "image")
    view = build_view(pairs, folder / "high.lmv", tokenizer=lambda text: [5, 4321], markers=MARKERS)
    assert Dataset(Source(pairs, view=view), **SMALL).vocabulary == 4322
    assert Dataset(Source(pairs, view=view), **SMALL).markers == (1, None, 300, 301)
    for options in ({}, {"pack": None}, {"weights_by": "samples"}, {"batch_size": 4}):
        dataset = Dataset({"a": texts, "b": Source(pairs, 0.5)}, **{**SMALL, **options})
        about, steps = dataset.approximate_steps_per_epoch, sum(1 for _ in dataset)
        assert abs(about - steps) <= max(1, 0.1 * steps), (options, about, steps)


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    pairs_folder = dataset_shards.make_pairs(where / "pairs")
    text_folder = dataset_shards.make_texts(where / "text", n=40)
    sources(where, pairs_folder, text_folder)
    options(pairs_folder)
    view_arguments(where, pairs_folder)
    views(where, pairs_folder)
    sizes(where, pairs_folder, text_folder)
    indexes(where, pairs_folder)
    others(pairs_folder)
