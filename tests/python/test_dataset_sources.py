# SPDX-License-Identifier: Apache-2.0
"""Sources of a Dataset: views, draws' options, damage, and what is refused before training."""
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from unittest import mock

import dataset_shards
import numpy as np

from latentmill import (DamagedError, DamageWarning, Dataset, IncompatibleError, ShardError,
                        ShardReader, Source, View, attention_mask, build_view,
                        flex_attention_mask, patchify, to_transfusion_pytorch)
from latentmill.columns import Column
from latentmill.sources import view_file
from latentmill.sources.catalogue import find_shards
from latentmill.sources.source import Contract

SMALL = {"batch_size": 2, "pack": 700, "patch": 4, "window": 17, "group": 2, "last": "pad"}
MARKERS = {"bos": 1, "eos": None, "boi": 300, "eoi": 301}


def documents(dataset):
    return [(key, tokens) for (_name, key), tokens in dataset_shards.documents(dataset)]


def refused(kind, what, make):
    try:
        made = make()
        if isinstance(made, Dataset):
            list(made)
    except kind as error:
        assert what in str(error), error
        return
    raise AssertionError(f"accepted: {what}")


def tokenize(text):
    return list(text.encode())[:50]


def views(folder, pairs):
    keys = [record.key for path in sorted(pairs.glob("*.lms")) for record in ShardReader(path)]
    view = build_view(pairs, folder / "half.lmv", where=lambda r: int(r.key) % 2 == 0,
                      weight=lambda r: 2.0 if r.metadata_json else 1.0)
    seen = [key for key, _ in documents(Dataset(Source(pairs, view=view), **SMALL))]
    even = sorted(key for key in keys if int(key) % 2 == 0)
    assert set(seen) == set(even) and max(map(seen.count, seen)) <= 2 * max(map(keys.count, keys))
    assert len(seen) > len(even)
    opened = Source(pairs, view=folder / "half.lmv")
    assert Dataset(opened, **SMALL).fingerprint == Dataset(Source(pairs, view=view), **SMALL).fingerprint
    assert Dataset(opened, **SMALL).fingerprint != Dataset(pairs, **SMALL).fingerprint

    again = build_view(pairs, folder / "bytes.lmv", tokenizer=tokenize, markers=MARKERS,
                       captions_map={keys[0]: "only this", keys[1]: ["one", "two"]})
    got = documents(Dataset(Source(pairs, view=again), **SMALL))
    assert len(got) == len(keys)
    for key, tokens in got:
        middle = [t for t in tokens if t not in (1, 300, 301)]
        assert tokens[0] == 1 and tokens.count(300) == tokens.count(301) == 1
        if key == keys[0]:
            assert bytes(middle) == b"only this"
        if key == keys[1]:
            assert bytes(middle) in (b"one", b"two")
    refused(ValueError, "was built with a tokenizer",
            lambda: Dataset(Source(pairs, view=folder / "bytes.lmv"), **SMALL))
    refused(ValueError, "was built without a tokenizer",
            lambda: View.open(folder / "half.lmv", tokenize))
    reopened = View.open(folder / "bytes.lmv", tokenize)
    assert documents(Dataset(Source(pairs, view=reopened), **SMALL)) == got
    refused(ValueError, "other shards",
            lambda: Dataset(Source(sorted(pairs.glob("*.lms"))[0], view=view), **SMALL))
    assert len(documents(Dataset(Source(pairs, view=build_view(
        pairs, folder / "called.lmv", tokenizer=tokenize, markers=MARKERS,
        captions_map=lambda r: [r.key, r.key])), **SMALL))) == 40
    got = documents(Dataset(Source(pairs, view=View.open(
        folder / "called.lmv", tokenize)), **SMALL))
    assert all(bytes(t for t in tokens if t not in (1, 300, 301)).decode() == key
               for key, tokens in got)
    for wrong, arguments in {
            "comes with markers": {"markers": MARKERS},
            "has no caption left": {"captions_map": lambda r: [], "tokenizer": tokenize,
                                    "markers": MARKERS},
            "is -1, not a number from 0 to a million": {"weight": lambda r: -1}}.items():
        refused(ValueError, wrong, lambda: build_view(pairs, folder / "no.lmv", **arguments))
    assert not (folder / "no.lmv").exists()
    (folder / "bad.lmv").write_bytes((folder / "half.lmv").read_bytes()[:-100])
    refused(ValueError, "bad.lmv", lambda: View.open(folder / "bad.lmv"))
    view.arrays["weight"] = view.arrays["weight"] + 1
    view.save(folder / "bad.lmv")
    refused(ValueError, "bad.lmv", lambda: View.open(folder / "bad.lmv"))
    again.meta["markers"] = [1, 2, 300, 301]
    again.save(folder / "bad.lmv")
    refused(ValueError, "bad.lmv", lambda: View.open(folder / "bad.lmv", tokenize))


def views_of_nonsense(folder, pairs):
    """Whatever a file holds, View.open() names it in a ValueError."""
    good = build_view(pairs, folder / "good.lmv", captions_map=lambda r: [r.key] * 2,
                      tokenizer=tokenize, markers=MARKERS)
    data, bad = (folder / "good.lmv").read_bytes(), folder / "bad.lmv"
    dice = random.Random(5)
    for trial in range(400):
        flipped = bytearray(data)
        for _ in range(dice.randint(1, 3)):
            flipped[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        bad.write_bytes(flipped if trial else b"")
        try:
            View.open(bad, tokenize)
        except ValueError as error:
            assert str(bad) in str(error)
    bad.unlink()
    os.mkfifo(bad)
    refused(ValueError, "bad.lmv is no view of latentmill, or damaged: it is not a regular file",
            lambda: View.open(bad))
    bad.unlink()
    arrays, n = good.arrays, len(good.arrays["weight"])
    changes = [{name: array[:-1]} for name, array in arrays.items()]
    changes += [{"weight": np.full(n, weight)} for weight in (np.nan, np.inf, 1e6, -1.0)]
    changes += [{name: arrays[name] - 1} for name in ("count", "texts")]
    changes += [{"n_ids": arrays["n_ids"] + np.uint32(2**31)}, {"name": arrays["name"] + 99},
                {"records": np.array([-1, n + 1])}, {"texts": arrays["texts"] + 2**31},
                {"ids": arrays["ids"] + np.uint32(2**31)}, {"text_bytes": arrays["text_bytes"] + 1},
                {"replaced": arrays["replaced"] + 1}, {"replaced": arrays["replaced"] * 0},
                {"count": arrays["count"] * 0}]
    metas = [{"markers": markers} for markers in ([1], [1, 2, 3, None], [1, 2, 3, 2**31], "abcd")]
    metas += [{"names": None}, {"names": [5] * 99}, {"shards": None}, {"tokenizer": 5}]
    for meta, change in [({}, c) for c in changes] + [(m, {}) for m in metas]:
        view = View({**good.meta, **meta}, {**arrays, **change})
        view.meta["fingerprint"] = view_file.digest(view.meta, view.arrays)
        view.save(bad)
        refused(ValueError, "bad.lmv", lambda: View.open(bad, tokenize))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        refused(OSError, "too large", lambda: good.save(folder / "full.lmv"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(folder.glob("full.lmv*"))


def draws(pairs):
    records = {r.key + r.name: r for path in pairs.glob("*.lms") for r in ShardReader(path)}
    lengths = {len(c.ids) for r in records.values() for c in r.captions}
    limit = sorted(lengths)[len(lengths) // 2]

    def captions(**options):
        """Tokens of each caption, markers left out."""
        header = ShardReader(sorted(pairs.glob("*.lms"))[0]).header["tokenizer"]
        marks = {header[name] for name in ("bos", "eos", "boi", "eoi")}
        return [[t for t in tokens if t not in marks]
                for _, tokens in documents(Dataset(pairs, **SMALL, **options))]

    assert len(captions()) == 40 and max(map(len, captions())) > limit
    short = captions(max_caption_tokens=limit)
    assert len(short) == 40 and max(map(len, short)) == limit
    dropped = captions(max_caption_tokens=limit, long_captions="drop")
    assert 0 < len(dropped) < 40 and max(map(len, dropped)) <= limit
    other = captions(max_caption_tokens=limit, long_captions="other_caption")
    whole = {tuple(c.ids.tolist()) for r in records.values() for c in r.captions}
    assert len(other) == 40 and max(map(len, other)) <= limit
    assert sum(tuple(c) in whole for c in other) > sum(tuple(c) in whole for c in short)
    assert not any(captions(caption_dropout=1.0))
    half = sum(not caption for caption in captions(caption_dropout=0.5))
    assert 8 < half < 32
    named = captions(captions={"txt": 1.0})
    texts = {tuple(c.ids.tolist()) for r in records.values() for c in r.captions if c.name == "txt"}
    assert all(tuple(caption) in texts for caption in named)
    lists = captions(captions={"json.captions": 1.0})
    assert not any(tuple(caption) in texts for caption in lists)
    stored = captions(captions="stored", order="stored")
    assert sorted(stored) == sorted(r.ids.tolist() for r in records.values())
    assert captions(seed=5) != captions(seed=6)


def damage(folder, pairs):
    """A byte of a tensor frame: the samples of its block become padding, in their places."""
    broken = folder / "broken"
    shutil.copytree(pairs, broken)
    path = sorted(broken.glob("*.lms"))[0]
    frames = ShardReader(path).frames
    which = int(np.flatnonzero(frames.column != 0xFFFFFFFF)[0])
    data = bytearray(path.read_bytes())
    data[int(frames.offset[which]) + 100] ^= 0xFF
    path.write_bytes(data)
    refused(DamagedError, path.name, lambda: Dataset(broken, **SMALL))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        left = list(Dataset(broken, on_error="skip", **SMALL))
    caught = [w for w in caught if w.category is DamageWarning]
    assert len(caught) == 1 and path.name in str(caught[0].message)
    whole = list(Dataset(pairs, **SMALL))
    assert len(left) == len(whole)
    missing = 0
    for a, b in zip(whole, left):
        gone = (a["doc_ids"] >= 0) & (b["doc_ids"] < 0)
        missing += sum(map(len, a["keys"])) - sum(map(len, b["keys"]))
        assert (a["tokens"][~gone] == b["tokens"][~gone]).all(), "damage shifted the order"
        assert (b["labels"][gone] == -100).all()
    assert missing == int((ShardReader(path).columns().block == frames.block[which]).sum())


def write_kinds(prefix, n, kinds):
    """A shard of blocks of 8 KiB, by write_shards."""
    program = dataset_shards.BUILD / "tests/programs/write_shards"
    subprocess.run([program, prefix, str(n), str(1 << 30), str(8 << 10), kinds], check=True,
                   capture_output=True)
    return pathlib.Path(f"{prefix}-00000.lms")


def tensors(record):
    """Every image's latent, scaled: (C, H, W)."""
    out = []
    for image in record.images:
        latent, = image.tensors
        scale, shift = record._reader.scale_and_shift(0)
        out.append((latent.array.astype(np.float32) - shift) * scale)
    return out


def kinds(folder):
    """Pairs, documents and edits of two sizes in one shard of many blocks, against the records
    themselves; a damaged column costs only what has it."""
    template = ("bos", "boi", "image", "eoi", "text")
    options = {"batch_size": 3, "pack": None, "patch": 2, "window": 17, "sequence": template,
               "captions": {"txt": 1.0}}
    t = {}

    def expected(record):
        middle = [t["boi"], t["eoi"]]
        ids = [text.alternatives[0].ids.tolist() for text in record.texts]
        kind = [part.kind for part in record.parts]
        if kind == ["text"]:
            return [t["bos"], *ids[0]], []
        edit = kind == ["image", "text", "image"]
        return [t["bos"], *middle, *ids[0], *(middle if edit else [])], tensors(record)

    def compare(path, **more):
        reader = ShardReader(path)
        t.update(reader.header["tokenizer"])
        records = {record.key: expected(record) for record in reader}
        dataset = Dataset(path, **options, **more)
        got = dict(documents(dataset))
        assert got == {key: records[key][0] for key in got}
        for batch in dataset:
            spans = batch["spans"].tolist()
            wanted = [one for keys in batch["keys"] for _, key in keys for one in records[key][1]]
            assert len(wanted) == len(spans)
            for (*_, rows, columns, first), one in zip(spans, wanted):
                assert (rows, columns) == (one.shape[1] // 2, one.shape[2] // 2)
                cut = patchify(one[None], 2)[0]
                assert (batch["patches"][first:first + len(cut)] == cut).all()
        return reader, got

    reader, got = compare(write_kinds(folder / "kinds", 60, "023"))
    assert len(got) == 60 and reader.shard.n_blocks > 5
    assert len({rows * columns for batch in Dataset(reader.path, **options)
                for rows, columns in batch["spans"][:, 3:5].tolist()}) == 2
    frames = reader.frames
    which = int(np.flatnonzero(frames.column != 0xFFFFFFFF)[2])
    damaged = pathlib.Path(reader.path)
    data = bytearray(damaged.read_bytes())
    data[int(frames.offset[which]) + 20] ^= 0xFF
    damaged.write_bytes(data)
    reader = ShardReader(damaged)
    block = reader.columns().block == frames.block[which]
    c = reader.columns()
    lost = {reader.keys[i] for i in np.flatnonzero(block)
            if any(c.types[k].tensors for k in c.type[slice(*c.part_start[i:i + 2])])}
    assert 0 < len(lost) < block.sum()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        left = dict(documents(Dataset(damaged, on_error="skip", **options)))
    assert set(got) - set(left) == lost and all(key in str(caught[0].message) for key in lost)


def too_long(pairs):
    """Pairs that no sequence can hold are refused, or named and left out where damage is."""
    lengths = {key: 64 + len(tokens) for key, tokens in documents(Dataset(pairs, **SMALL))}
    middle = {**SMALL, "pack": sorted(lengths.values())[20]}
    refused(ValueError, f"need more than pack={middle['pack']} positions", lambda: Dataset(pairs, **middle))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        got = documents(Dataset(pairs, on_error="skip", **middle))
    said = " ".join(str(w.message) for w in caught if w.category is DamageWarning)
    for key, length in lengths.items():
        assert (f" {key} ({length})" in said) == (length > middle["pack"])
    assert sorted(key for key, _ in got) == sorted(
        key for key, length in lengths.items() if length <= middle["pack"])


def contracts(pairs):
    """Whatever makes tokens or latents mean something else is told."""
    header = ShardReader(min(pairs.glob("*.lms"))).header
    encoder = {"weights_sha256": "f" * 64, "scale": [7.0], "shift": [7.0], "moments": "mean+logvar"}
    tokenizer = {"sha256": "f" * 64, "bos": 7, "eos": 7, "boi": 4098, "eoi": 4098}
    column = Column("latent", 0, "fp16", 0, False, False)

    def of(encoder={}, tokenizer={}):
        changed = {"encoders": [{**header["encoders"][0], **encoder}],
                   "tokenizer": {**header["tokenizer"], **tokenizer}}
        return Contract.of("x.lms", {**header, **changed}, [column], None)

    assert of() == of() and of().differences(of()) == []
    for what, changes in ("encoder", encoder), ("tokenizer", tokenizer):
        for name, value in changes.items():
            told = of().differences(of(**{what: {name: value}}))
            assert len(told) == 1 and f" {name}: " in f" {told[0]}", (name, told)
    unhashed = {"weights_sha256": None}
    for name, value in ("name", "x"), ("family", "x"), ("numerics", "x"), ("config", {"x": 1}):
        assert of().differences(of({name: value})) == []
        told = of(unhashed).differences(of({**unhashed, name: value}))
        assert len(told) == 1 and f" {name}: " in told[0], (name, told)


def default_patch(folder, pairs, texts):
    """That of the first shard with latents."""
    other = dataset_shards.make_pairs(folder / "patch4", "--patch", "4", "--limit", "2")
    assert Dataset({"a": texts, "b": other}, batch_size=1).options.patch == 4
    assert Dataset(texts, batch_size=1).options.patch == 2
    assert Dataset({"a": other, "b": pairs}, batch_size=1).options.patch == 4


def what_transforms_see(pairs):
    """Each sequence is shown alone, with what belongs to it; what it changes is in the batch."""
    shown = []

    def look(sample):
        shown.append({name: np.copy(value) for name, value in sample.items()})
        return {**sample, "labels": sample["labels"] + 1}

    n = 0
    for plain, batch in zip(Dataset(pairs, **SMALL), Dataset(pairs, transform=look, **SMALL)):
        assert (batch["labels"] == plain["labels"] + 1).all()
        for s, sample in enumerate(shown[n:]):
            mine = plain["spans"][:, 0] == s
            first = plain["spans"][mine][:, 5].min(initial=len(plain["patches"]))
            patches = plain["patches"][first:first + plain["spans"][mine][:, 2].sum()]
            assert np.array_equal(sample["patches"], patches)
            assert np.array_equal(sample["tokens"], plain["tokens"][s])
            for name in ("spans", "text_follows"):
                assert np.array_equal(sample[name], plain[name][mine]), name
        n = len(shown)


def refusals(folder, pairs, texts):
    half = dataset_shards.make_pairs(folder / "bf16", "--latent", "bf16", "--limit", "2")
    refused(IncompatibleError, "dtype of latents: bf16 and fp16",
            lambda: Dataset({"a": half, "b": pairs}, **SMALL))
    bare = dataset_shards.make_pairs(folder / "bare", "--tokenizer", "none", "--limit", "2")
    refused((ShardError, ValueError), "tokenizer", lambda: Dataset(bare, **SMALL))
    refused(ValueError, "the view needs a tokenizer", lambda: build_view(bare, folder / "no.lmv"))
    view = build_view(bare, folder / "bare.lmv", tokenizer=tokenize, markers=MARKERS)
    assert len(documents(Dataset(Source(bare, view=view), **SMALL))) == 4
    refused(IncompatibleError, "tokenizer", lambda: Dataset({"a": Source(bare, view=view),
                                                             "b": texts}, **SMALL))
    lacking = folder / "lacking"
    shutil.copytree(pairs, lacking)
    sorted(lacking.glob("*.lms"))[1].unlink()
    refused(FileNotFoundError, "scenes-001.lms", lambda: Dataset(lacking, **SMALL))
    lacking.rename(folder / "outer")
    shutil.copytree(folder / "outer", folder / "outer/inner")
    sorted(folder.glob("outer/*.manifest.json"))[1].unlink()
    refused(FileNotFoundError, "inner/scenes-001.lms", lambda: Dataset(folder / "outer", **SMALL))
    refused(FileNotFoundError, "nowhere", lambda: Dataset(folder / "nowhere", **SMALL))
    refused(ValueError, "pack=50", lambda: Dataset(pairs, **{**SMALL, "pack": 50}))
    refused(ValueError, "multiple of world_size", lambda: Dataset(pairs, batch_size=4, world_size=3, rank=0))
    for half in ({"world_size": 2}, {"rank": 0}, {"rank": 1}):
        refused(ValueError, "given together", lambda: Dataset(pairs, batch_size=4, **half))
    refused(ValueError, "rank is in 0 .. 1, not 2",
            lambda: Dataset(pairs, batch_size=4, world_size=2, rank=2))
    refused(ValueError, "caption_dropout is a share", lambda: Dataset(pairs, caption_dropout=2, **SMALL))
    refused(ValueError, "a share above 0", lambda: Dataset(pairs, captions={"txt": 0}, **SMALL))
    refused(ValueError, "window is at least 1", lambda: Dataset(pairs, **{**SMALL, "window": 0}))
    odd = dataset_shards.make_pairs(folder / "odd", "--size", "96", "--limit", "2")
    refused(ValueError, "does not divide a latent of 12 x 12",
            lambda: Dataset(odd, batch_size=2, pack=None, patch=8))
    refused(ValueError, "long_captions", lambda: Dataset(pairs, long_captions="cut", **SMALL))


def transformed(pairs, large):
    """May change values, of latents of several sizes too; nothing else."""
    for what, transform in (
            ("changed tokens from (700,) to (699,)", lambda s: {**s, "tokens": s["tokens"][:-1]}),
            ("changed the length of keys", lambda s: (s["keys"].append(("n", "k")), s)[1]),
            ("transform returned NoneType", lambda s: None),
            ("transform changed labels from int64 to float64", lambda s: {**s, "labels": s["labels"] * 0.5}),
            ("transform left out doc_ids, keys", lambda s: {"tokens": s["tokens"]})):
        refused(ValueError, what, lambda: Dataset(pairs, transform=transform, **SMALL))
    doubled = Dataset(pairs, transform=lambda s: {**s, "patches": 2 * s["patches"]}, **SMALL)
    for a, b in zip(Dataset(pairs, **SMALL), doubled):
        assert (2 * a["patches"] == b["patches"]).all()

    sizes = {**SMALL, "patch": None, "grid": 4, "batch_size": 8}
    doubled = Dataset([pairs, large], transform=lambda s: {
        **s, "latents": [2 * latent for latent in s["latents"]]}, **sizes)
    several = 0
    for a, b in zip(Dataset([pairs, large], **sizes), doubled):
        assert len(a["latents"]) == len(b["latents"]) == len(a["spans"])
        assert all((2 * x == y).all() for x, y in zip(a["latents"], b["latents"]))
        several += isinstance(a["latents"], list)
    assert several
    refused(ValueError, "transform changed latents", lambda: Dataset(
        [pairs, large], transform=lambda s: {**s, "latents": [x[:, :4] for x in s["latents"]]},
        **sizes))


def manifests(folder, pairs):
    """They say which shards are finished; a damaged one is named."""
    prepared = folder / "prepared"
    shutil.copytree(pairs, prepared)
    first, second = sorted(prepared.glob("*.lms"))
    manifest = second.with_name("scenes-001.manifest.json")
    whole = manifest.read_bytes()
    for damaged in (whole[:100], b"[]", b'{"result": null}', b'{"result": {"shards": [5]}}',
                    b'{"result": {"shards": [{"name": 5}]}}', b"\xff\xfe{", b"[" * 100_000):
        manifest.write_bytes(damaged)
        refused(ShardError, f"{manifest} is damaged", lambda: Dataset(prepared, **SMALL))
    manifest.unlink()
    os.mkfifo(manifest)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        refused(UserWarning, f"{manifest}: its unit is unfinished; ", lambda: find_shards(prepared))
    manifest.unlink()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert find_shards(prepared) == [first]
    assert f"{second}: no manifest names it, its unit is unfinished: left out." in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_shards([first, second]) == [first, second]
        first.with_name("scenes-000.manifest.json").unlink()
        (prepared / "dataset.json").rename(prepared / "elsewhere")
        assert find_shards(prepared) == [first, second]
        (prepared / "elsewhere").rename(prepared / "dataset.json")
        refused(UserWarning, f"{first}: no manifest names it, its unit is unfinished; {second}: no", lambda: find_shards(prepared))


def short_pack(folder, pairs, large, texts):
    """Refused before training, from what the index says of the images; "skip" only refuses
    where no pair fits. 64 patches and 4 markers, or 256 of them in the larger images."""
    sizes = {"a": texts, "b": [pairs, large]}
    message = "pack=67 is too short for source 'b': its longest pairs need 260 positions"
    for on_error in ("raise", "skip"):
        refused(ValueError, message, lambda: Dataset(sizes, **{**SMALL, "pack": 67},
                                                     on_error=on_error).state_dict())
    refused(ValueError, "pack=259 is", lambda: Dataset(sizes, **{**SMALL, "pack": 259}).state_dict())
    Dataset(sizes, **{**SMALL, "pack": 260})
    with warnings.catch_warnings(record=True) as caught:
        left = documents(Dataset([pairs, large], **{**SMALL, "pack": 259, "window": None}, on_error="skip"))
    assert len(left) == 40 and "of the same NAME and key in them" in str(caught[0].message)
    assert "need more than pack=259" in str(caught[1].message)
    view = build_view([pairs, large], folder / "small.lmv",
                      where=lambda record: record.images[0].target_size == (256, 256))
    small = Source([pairs, large], view=view)
    assert len(documents(Dataset(small, **{**SMALL, "pack": 259}))) == 40


def without_torch(pairs):
    """What needs torch says so, and how to get it."""
    record = ShardReader(sorted(pairs.glob("*.lms"))[0])[0]
    with mock.patch.dict(sys.modules, torch=None):
        for what, call in (("Dataset.loader()", Dataset(pairs, **SMALL).loader),
                           ("attention_mask()", lambda: attention_mask({})),
                           ("flex_attention_mask()", lambda: flex_attention_mask({})),
                           ("to_transfusion_pytorch()", lambda: to_transfusion_pytorch(record))):
            refused(ImportError, f"{what} needs torch (", call)
            refused(ImportError, "): pip install torch", call)


def indexed_below(folder, pairs, texts):
    """Shards of several sizes and configurations, in the order of find_shards()."""
    out = folder / "nested"
    (out / "x").mkdir(parents=True)
    shutil.copy(sorted(texts.glob("*.lms"))[0], out / "w.lms")
    shutil.copy(sorted(texts.glob("*.lms"))[1], out / "x+00001.lms")
    shutil.copy(sorted(pairs.glob("*.lms"))[0], out / "x/y.lms")
    plain = Dataset(out, **SMALL)
    subprocess.run([dataset_shards.BUILD / "latentmill", "index", "--incomplete", out], check=True,
                   capture_output=True)
    dataset = Dataset(out, **SMALL)
    assert dataset._sources[0]._catalogue.index is not None
    assert plain._sources[0]._catalogue.index is None
    assert dataset.fingerprint == plain.fingerprint
    assert documents(dataset) == documents(plain)


def indexed(pairs):
    """With index.lmi no shard is opened before it is needed; nothing else changes."""
    plain = Dataset(pairs, **SMALL)
    assert repr(plain) == "<Dataset of data (40 records); epoch 0, step 0>"
    expected = documents(plain)
    subprocess.run([dataset_shards.BUILD / "latentmill", "index", pairs], check=True,
                   capture_output=True)
    dataset = Dataset(pairs, **SMALL)
    assert dataset._sources[0]._catalogue.index is not None
    refused(ValueError, "pack=67 is too short for source 'data': its longest pairs need 68",
            lambda: Dataset(pairs, **{**SMALL, "pack": 67}).state_dict())
    assert dataset.fingerprint == plain.fingerprint
    assert documents(dataset) == expected


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    pairs_folder = dataset_shards.make_pairs(where / "pairs")
    text_folder = dataset_shards.make_texts(where / "text", n=9)
    views(where, pairs_folder)
    views_of_nonsense(where, pairs_folder)
    draws(pairs_folder)
    damage(where, pairs_folder)
    kinds(where)
    too_long(pairs_folder)
    contracts(pairs_folder)
    default_patch(where, pairs_folder, text_folder)
    what_transforms_see(pairs_folder)
    refusals(where, pairs_folder, text_folder)
    large_folder = dataset_shards.make_pairs(where / "large", "--size", "512", "--limit", "1")
    manifests(where, pairs_folder)
    transformed(pairs_folder, large_folder)
    short_pack(where, pairs_folder, large_folder, text_folder)
    without_torch(pairs_folder)
    indexed_below(where, pairs_folder, text_folder)
    indexed(pairs_folder)
