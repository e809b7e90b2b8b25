# SPDX-License-Identifier: Apache-2.0
"""`latentmill export --view` writes what a Dataset over the view would give: its records, its
captions with their draw of epoch 0, its weights; and refuses views that are none, or of others."""
import gzip
import hashlib
import json
import pathlib
import random
import re
import shutil
import tempfile

import dataset_shards
import numpy
from test_export import PROGRAM, check_tree, dump, export, latent_of, mds_samples, run, tree, wds_samples
from test_tokenizer import ours  # both skip where a package is not installed

from latentmill import Dataset, ShardReader, Source, View, build_view
from latentmill.sources import view_file
from latentmill.views import _replaced

CAPTIONS = {"000000001": ["One.", "Two of them.", "Three."], "000000002": "Zero \x1f byte 🦙", "000010003": "3",
            ("scenes-001", "000010004"): [f"No. {i}" for i in range(9)]}


def records(shards):
    return [record for path in sorted(shards.glob("*.lms")) for record in ShardReader(path)]


def check_pairs(folder, shards):
    """Against the package's own reading of the view and of the draws."""
    view = build_view(shards, folder / "some.lmv", where=lambda r: int(r.key) % 4 > 0, captions_map=CAPTIONS,
                      weight=lambda r: 0.0 if r.key == "000010005" else 0.1 if r.index % 2 else 2.5)
    used = {(r.name, r.key): (r, w) for r, w in zip(records(shards), view.arrays["weight"].tolist()) if w}
    assert 20 < len(used) < 30
    text = run("export", "--format", "mds", "--out", folder / "mds", "--view", folder / "some.lmv", shards)
    assert f"{40 - len(used)} left out by the view" in text, text
    samples = list(mds_samples(folder / "mds"))
    assert [(s["name"], s["key"]) for s in samples] == list(used)
    latents = {(d["name"], d["key"]): latent_of(d).astype(numpy.float16) for d in dump(shards)}
    for s in samples:
        record, weight = used[s["name"], s["key"]]
        captions = view.captions(record)
        assert s["weight"] == weight and s["captions"] == [
            {"name": c.name, "text": c.text, "tokens": c.ids.tolist()} for c in captions]
        drawn = [c.text for c in captions].index(s["text"])
        assert s["tokens"].tolist() == captions[drawn].ids.tolist() == ours("builtin", [s["text"].encode()])[0]
        assert (s["latent"] == latents[s["name"], s["key"]]).all() and s["metadata"] == (record.metadata or b"")
        if s["key"] not in CAPTIONS and (s["name"], s["key"]) not in CAPTIONS:
            assert s["text"] == record.caption
    assert len({s["text"] for s in samples if "of" in s["text"]}) > 3
    check_draws(shards, view, samples)
    check_webdataset(folder, shards, samples)
    about = json.loads((folder / "mds/export.json").read_text())
    assert about["view"] == {"name": "some.lmv", "fingerprint": view.fingerprint}
    assert set(about["columns"]["pairs"]) == set(samples[0])
    unit = json.loads((folder / "mds/scenes-000.export.json").read_text())["result"]
    assert unit["left_out"] + unit["samples"] == 20 and unit["lost"] == []
    one = folder / "one"
    for shard in sorted(shards.glob("*.lms")):  # machine by machine, into one folder
        export(one, "--view", folder / "some.lmv", shard)
    assert tree(one)["index.json"] == tree(folder / "mds")["index.json"]


def check_draws(shards, view, samples):
    """Order and caption are those of a Dataset with stored draws."""
    data = Dataset(Source(shards, view=view), batch_size=2, pack=700, patch=4, order="stored", captions="stored")
    boi = data.markers.boi
    got = dict(dataset_shards.documents(data))
    for s in samples:
        tokens = [token for token in got.get((s["name"], s["key"]), [])]
        if not tokens:  # a weight below 1: left out by chance
            assert s["weight"] < 1
            continue
        image, text = [boi, boi + 1], s["tokens"].tolist()
        assert tokens[1:-1] == (text + image if s["order"] == 0 else image + text), s["key"]


def check_webdataset(folder, shards, samples):
    export(folder / "wds", "--view", folder / "some.lmv", shards, form="webdataset")
    found = [group for unit in ("scenes-000", "scenes-001") for group in wds_samples(folder / "wds", unit)]
    for (key, fields), s in zip(found, samples, strict=True):
        about = json.loads(fields["json"])
        assert key == s["key"] and fields["txt"].decode() == s["text"] and about["weight"] == s["weight"]
        assert about["captions"] == s["captions"] and about["captions"][about["caption"]]["text"] == s["text"]
    assert "weight" in json.loads((folder / "wds/export.json").read_text())["columns"]["pairs"]["json"]


def check_documents(folder):
    texts = dataset_shards.make_texts(folder / "text", n=20)
    build_view(texts, folder / "text.lmv", where=lambda r: r.key != "doc-0007", captions_map={"doc-0003": "Another"})
    export(folder / "text-mds", "--view", folder / "text.lmv", texts)
    got = {s["key"]: s["text"] for s in mds_samples(folder / "text-mds")}
    want = {r.key: r.caption for r in records(texts) if r.key != "doc-0007"}
    assert got == {**want, "doc-0003": "Another"}
    build_view(texts, folder / "none.lmv", where=lambda r: r.name == "text-1")  # shards without any
    for form in ("mds", "webdataset"):
        export(folder / f"none-{form}", "--view", folder / "none.lmv", texts, form=form)
    assert {s["name"] for s in mds_samples(folder / "none-mds")} == {"text-1"}


def check_damage(folder, shards):
    """What is left out cannot be lost."""
    bad, path = folder / "bad", folder / "bad/scenes-000.lms"
    shutil.copytree(shards, bad)
    frames = ShardReader(path).frames
    data, block = bytearray(path.read_bytes()), int(frames.block[-1])
    data[int(frames.offset[-1]) + 100] ^= 0x55
    path.write_bytes(data)
    gone = {ShardReader(path)[i].key for i in numpy.flatnonzero(ShardReader(path).columns().block == block)}
    keep = sorted(gone)[0]
    build_view(bad, folder / "bad.lmv", where=lambda r: r.key not in gone or r.key == keep)
    assert f"{keep}, index" in export(folder / "bad-mds", "--view", folder / "bad.lmv", bad, status=42)
    unit = json.loads((folder / "bad-mds/scenes-000.export.json").read_text())["result"]
    assert [lost["key"] for lost in unit["lost"]] == [keep] and unit["left_out"] == len(gone) - 1 > 0


def check_refused(folder, shards):
    out, view = folder / "mds", folder / "some.lmv"
    want = tree(out)
    inode = (out / "index.json").stat().st_ino
    export(out, "--view", view, shards)  # nothing to do, so nothing is written: the folder may be read-only
    assert (out / "index.json").stat().st_ino == inode
    other = build_view(shards, folder / "other.lmv", where=lambda r: r.key != "000000001")
    for arguments in ((), ("--view", folder / "other.lmv"), ("--redo", "--view", folder / "other.lmv")):
        text = export(out, *arguments, shards, status=2)
        assert "another configuration" in text and View.open(view).fingerprint in text, text
    assert other.fingerprint in text and "other.lmv" in text
    check_tree(out, want)
    export(folder / "whole", shards)
    assert "view" in export(folder / "whole", "--view", view, shards, status=2)
    build_view(shards / "scenes-000.lms", folder / "first.lmv")
    text = export(folder / "refused", "--view", folder / "first.lmv", shards, status=2)
    assert f"first.lmv: was made without {shards}/scenes-001.lms" in text, text
    build_view(shards, folder / "tokens.lmv", tokenizer=lambda text: [3], markers=dict(bos=1, eos=2, boi=3, eoi=4))
    assert "tokens.lmv: was built with a tokenizer" in export(
        folder / "refused", "--view", folder / "tokens.lmv", shards, status=2)
    assert "nowhere.lmv: No such file" in export(
        folder / "refused", "--view", folder / "nowhere.lmv", shards, status=2)
    assert "not a regular file" in export(folder / "refused", "--view", folder, shards, status=2)
    assert not (folder / "refused").exists()


def check_nonsense(folder, shards):
    """Whatever the file holds, it is named, and nothing is written."""
    data, bad, dice = (folder / "some.lmv").read_bytes(), folder / "nonsense.lmv", random.Random(3)
    files = [b"", data[:-1], data[:60], data + b"more"]
    for _ in range(60):
        flipped = bytearray(data)
        flipped[dice.randrange(10, len(data))] ^= 1 << dice.randrange(8)
        files.append(bytes(flipped))
    n = 0
    for content in files:
        bad.write_bytes(content)
        try:
            View.open(bad)
        except ValueError:
            if content != files[3]:  # what follows a gzip stream is Python's alone to mind
                n += 1
                refuse_nonsense(folder, bad, shards)
    assert n > 50
    view = View.open(folder / "some.lmv")
    arrays, n = view.arrays, len(view.arrays["weight"])
    owns = _replaced(arrays["replaced"] > 0, arrays["texts"], arrays["count"])
    changes = [({}, {name: array[:-1]}) for name, array in arrays.items()]
    changes += [({}, {name: array[:0]}) for name, array in arrays.items()]
    changes += [({}, {"weight": numpy.full(n, weight)}) for weight in (numpy.nan, numpy.inf, 1e6, -1.0)]
    changes += [({}, {name: arrays[name] + 1}) for name in ("records", "count", "replaced", "text_bytes")]
    changes += [({}, {name: arrays[name] - 1}) for name in ("records", "count")]
    changes += [({}, {"n_ids": arrays["n_ids"] + numpy.uint32(2**31)}), ({}, {"name": arrays["name"] + 99}),
                ({}, {"replaced": arrays["replaced"] * 0}), ({}, {"count": arrays["count"] * 0}),
                ({}, {"records": arrays["records"][::-1] + [1, -1]}),
                ({"names": [5] * 99}, {}), ({"names": None}, {}), ({"shards": None}, {}), ({"shards": ["a"]}, {}),
                ({"tokenizer": 5}, {}), ({"names": ["a\0b"] * 9}, {}), ({"names": ["\ud800"] * 9}, {}),
                ({"n_pieces": -1}, {}), ({"n_pieces": 2.0}, {}), ({"n_pieces": 2**31 + 1}, {}),
                ({"n_pieces": int(arrays["ids"].max())}, {}), ({}, {"ids": arrays["ids"] | numpy.uint32(2**31)}),
                ({}, {"n_ids": arrays["n_ids"] | ((owns == 0) * numpy.uint32(2**31)).astype("<u4")}),
                ({}, {"text": arrays["text"] | numpy.uint8(128)}),
                ({}, {"text_bytes": shifted(arrays, "🦙")})]
    changes += [({"markers": markers}, {}) for markers in (0, False, [], [1], "abcd", [None] * 4, [1, 2, 3, 4])]
    for markers in (None, [1], [None, None, None, 3], [1, 2, 3, 2**31], [True, 2, 3, 4], [1, 2, 3, -1], [1.0, 2, 3, 4]):
        changes.append(({"tokenizer": "t", "markers": markers}, {}))
    for meta, change in changes:
        made = View({**view.meta, **meta}, {**arrays, **change})
        made.meta["fingerprint"] = view_file.digest(made.meta, made.arrays)
        made.save(bad)
        refuse_nonsense(folder, bad, shards)
    _, _, rest = gzip.decompress(data).partition(b"\n")
    line, _, tail = rest.partition(b"\n")
    for begin, content in (
            (b"latentmill view 3 ", b" " + rest), (b"latentmill view 2 ", rest), (b"latentmill view 3 ", rest + b"x"),
            *((b"latentmill view 3 ", padded(change(line)) + tail) for change in (
                lambda line: line.replace(b'"text": ', b'"text": -'), lambda line: b'{"names": [], ' + line[1:],
                lambda line: re.sub(b'"text_bytes": [0-9]+', b'"text_bytes": true', line),
                lambda line: b"[" + line.rstrip() + b"]", lambda line: line.rstrip().decode().encode("utf-16le")))):
        seal(bad, begin, b"\n", content)
        refuse_nonsense(folder, bad, shards)
    seal(bad, b"latentmill view 3 ", b" ", rest)
    refuse_nonsense(folder, bad, shards)
    seal(bad, b"latentmill view 3 ", b"\n", padded(line) + tail)  # or all of these prove nothing
    assert View.open(bad).fingerprint == view.fingerprint


def seal(path, begin, feed, content):
    digits = hashlib.sha256(content).hexdigest()[:32].encode()
    path.write_bytes(gzip.compress(begin + digits + feed + content))


def shifted(arrays, character):
    """text_bytes, so that a caption begins within a character of the one before it."""
    at, lengths = arrays["text"].tobytes().index(character.encode()), arrays["text_bytes"].copy()
    number = int(numpy.searchsorted(numpy.cumsum(lengths), at, side="right"))
    end = int(lengths[:number + 1].sum())
    lengths[number] -= end - at - 1
    lengths[number + 1] += end - at - 1
    return lengths


def padded(line):
    line = line.rstrip()
    return line + b" " * (-(18 + 32 + 1 + len(line) + 1) % 8) + b"\n"


def refuse_nonsense(folder, bad, shards):
    """By the program and by the package."""
    try:
        Dataset(Source(shards, view=bad), batch_size=2)
    except ValueError as error:
        assert "no view of latentmill, or damaged" in str(error) or "records of" in str(error), error
    else:
        raise AssertionError(f"the package takes {gzip.decompress(bad.read_bytes())[51:800]}")
    text = export(folder / "refused", "--view", bad, shards, status=2)
    assert text.startswith(f"error: --view {bad}: ") and not (folder / "refused").exists(), text


def main():
    assert PROGRAM.exists()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        shards = dataset_shards.make_pairs(folder / "pairs")
        check_pairs(folder, shards)
        check_documents(folder)
        check_damage(folder, shards)
        check_refused(folder, shards)
        check_nonsense(folder, shards)


if __name__ == "__main__":
    main()
