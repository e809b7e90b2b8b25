# SPDX-License-Identifier: Apache-2.0
"""Captions are replaced by one call: build_view(captions_map=...) tokenizes them as prepare does,
with the model that stands beside the shards, and the file of it is all that a Source needs."""
import json
import pathlib
import shutil
import sys
import tarfile
import tempfile
import warnings
from unittest import mock

import dataset_shards
import numpy as np
from dataset_shards import prepare
from test_tokenizer import ODD_LINES, SPM, ours  # skips where sentencepiece is not installed

from latentmill import Dataset, ShardReader, Source, View, build_view
from latentmill.sources.catalogue import find_shards

SMALL = {"batch_size": 2, "pack": 700, "patch": 4, "window": 17, "group": 2, "last": "pad"}
MODEL = "tokenizer-4055bcd200cf.model"


def records(*folders):
    return [record for path in find_shards(folders) for record in ShardReader(path)]


def refused(kind, make, *what):
    try:
        make()
    except kind as error:
        assert all(part in str(error) for part in what), error
        return
    raise AssertionError(f"accepted: {what}")


def check_one_call(folder, pairs):
    """New captions are trained on, by the file alone, others as they are."""
    captions = {"000000000": "A white house \x1f and a tree. 🦙", "000000001": ["One.", "Two of them.", "3"],
                ("scenes-001", "000010001"): "Of this NAME"}
    build_view(pairs, folder / "new.lmv", captions_map=captions)
    marks = ShardReader(pairs / "scenes-000.lms").header["tokenizer"]
    marks = [marks[name] for name in ("bos", "eos", "boi", "eoi")]
    view, stored = View.open(folder / "new.lmv"), {(r.name, r.key): r for r in records(pairs)}
    want = {}
    for identity, record in stored.items():
        given = captions.get(identity, captions.get(record.key))
        texts = [given] if isinstance(given, str) else given or [c.text for c in record.captions]
        assert [c.text for c in view.captions(record)] == texts
        if given:
            assert {c.name for c in view.captions(record)} == {"captions_map"}
            encoded = ours("builtin", [text.encode() for text in texts])
            assert [c.ids.tolist() for c in view.captions(record)] == encoded
        want[identity] = [c.ids.tolist() for c in view.captions(record)]
    drawn = set()
    for seed in range(8):
        data = Dataset(Source(pairs, view=folder / "new.lmv"), seed=seed, **SMALL)
        seen = [(identity, [t for t in tokens if t not in marks])
                for identity, tokens in dataset_shards.documents(data)]
        assert sorted(identity for identity, _ in seen) == sorted(stored)
        assert all(tokens in want[identity] for identity, tokens in seen)
        drawn |= {tuple(tokens) for identity, tokens in seen if identity[1] == "000000001"}
    assert len(drawn) == 3, drawn
    again = build_view(pairs, folder / "again.lmv", captions_map=captions)
    assert (folder / "again.lmv").read_bytes() == (folder / "new.lmv").read_bytes()
    other = build_view(pairs, folder / "other.lmv", captions_map={**captions, "000000000": "A red house"})
    assert other.fingerprint != again.fingerprint == view.fingerprint
    assert Dataset(Source(pairs, view=other), **SMALL).fingerprint != \
        Dataset(Source(pairs, view=view), **SMALL).fingerprint


def check_same_ids(folder, shards):
    """Its ids are those that prepare gave the same texts."""
    view = build_view(shards, folder / "same.lmv", captions_map=lambda r: [c.text for c in r.captions])
    n = 0
    for record in records(shards):
        for new, old in zip(view.captions(record), record.captions, strict=True):
            assert new.text == old.text and new.ids.tolist() == old.ids.tolist(), (record, old.text[:80])
            n += 1
    return n


def check_odd_texts(folder):
    texts = [line.decode() for line in ODD_LINES if b"\xff" not in line and line.strip(b"\0 \t\r\n")]
    texts += ["two\nlines\r\n of text\n", "<0x0A> <unk> <s>\n</s>", "\ufeffbyte order mark", "\u3000wide\u3000"]
    assert len(texts) >= 12
    lines = folder / "odd.jsonl"
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    assert check_same_ids(folder, prepare(folder / "odd", lines)) == len(texts)
    if not SPM.is_dir():
        print(f"{SPM} is not there: only the embedded model was tested")
        return
    real = prepare(folder / "real", "--tokenizer", SPM / "mistral-v1.model", lines)
    assert check_same_ids(folder, real) == len(texts)


def check_rules(folder, pairs):
    """What is no part of a text goes and what is none is refused, as prepare does with the same bytes."""
    odd = ["\ufeffmarked", "\ufeff\ufeffmarked twice\r\n", "a line\n", "lines\r\n\r\n", " spaces \n", "in\ufeffside",
           "\x1c", "\u200b", "one\ntwo\n"]
    members = folder / "odd"
    members.mkdir(exist_ok=True)
    with tarfile.open(dataset_shards.SAMPLE_SET[0]) as tar:
        image = tar.extractfile("000000000.jpg").read()
    for i, text in enumerate(odd):
        (members / f"{i}.jpg").write_bytes(image)
        (members / f"{i}.txt").write_bytes(text.encode())
    with tarfile.open(folder / "odd.tar", "w") as tar:
        for path in sorted(members.glob("?.*")):
            tar.add(path, path.name)
    made = prepare(folder / "odd-pairs", folder / "odd.tar")
    view = build_view(made, folder / "odd.lmv", captions_map={str(i): text for i, text in enumerate(odd)})
    for record in records(made):
        (new,), (old,) = view.captions(record), record.captions
        assert new.text == old.text and new.ids.tolist() == old.ids.tolist(), (new, old)
    assert len(records(made)) == len(odd)
    out = folder / "none.lmv"
    for text, why in (("", "is empty"), ("\ufeff", "white space"), (" \t\r\n\u3000\x85", "white space"), ("\n", "white space"),
                      ("a\0b", "has a NUL"), ("\0", "has a NUL")):
        for given in (text, ["good", text]):
            refused(ValueError, lambda given=given: build_view(pairs, out, captions_map={"000000001": given}),
                    "captions_map: a text of <Record scenes-000 000000001, index 1>", why)
            refused(ValueError, lambda given=given: build_view(pairs, out, captions_map=lambda r: given), why)
    assert not out.exists()
    lines = folder / "doc.jsonl"
    lines.write_text('{"id": "d", "text": "a document"}\n')
    texts = prepare(folder / "doc", lines)
    view = build_view(texts, folder / "doc.lmv", captions_map={"d": "\ufeffkept\n"})
    assert [c.text for c in view.captions(records(texts)[0])] == ["kept\n"]
    refused(ValueError, lambda: build_view(texts, out, captions_map={"d": " \n"}), "<Record doc d", "white space")


def check_folders(folder, pairs):
    """Of several folders, also with one NAME, and a NAME with folders of its own."""
    more = prepare(folder / "more", "--name", "sub/deeper", dataset_shards.SAMPLE_SET[0])
    assert not (more / "sub" / MODEL).exists()
    view = build_view([pairs, more], folder / "both.lmv", captions_map={
        "000000000": "of both", ("sub/deeper", "000000000"): "of the second"})
    texts = {r.name: view.captions(r)[0].text for r in records(pairs, more) if r.key == "000000000"}
    assert texts["sub/deeper"] == "of the second" and texts["scenes-000"] == "of both"
    assert len(dataset_shards.documents(Dataset(Source([pairs, more], view=view), **SMALL))) == 60
    copy = folder / "copy"
    shutil.copytree(pairs, copy)
    view = build_view([pairs, copy], folder / "twice.lmv", captions_map={("scenes-000", "000000000"): "of both"})
    assert view.arrays["replaced"].sum() == 2
    linked = folder / "linked"
    linked.mkdir()
    (linked / "a.lms").symlink_to(pairs / "scenes-000.lms")
    assert build_view(linked, folder / "linked.lmv", captions_map={"000000000": "linked"}).arrays["replaced"].sum() == 1
    stranger = records(more)[0]
    refused(ValueError, lambda: build_view(pairs, folder / "pairs.lmv").captions(stranger),
            "is in none of the view's shards")


def check_errors(folder, pairs):
    out = folder / "no.lmv"

    def build(shards, **captions):
        return lambda: build_view(shards, out, captions_map=captions)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build_view(pairs, folder / "some.lmv", where=lambda r: r.key != "000000001",
                   captions_map={"000000000": "a", "000000001": "left out", **{f"x{i}": "b" for i in range(7)}})
    assert [str(w.message) for w in caught] == [
        "7 of 9 keys of captions_map are no record's: 'x0', 'x1', 'x2', 'x3', 'x4' and 2 more"]
    assert caught[0].filename == __file__
    try:
        build_view(pairs, out, where=lambda record: {"000000000": True}[record.key])
    except KeyError as error:
        assert str(error) == "'000000001'"
        assert error.__notes__ == ["build_view() was at <Record scenes-000 000000001, index 1>"]
    else:
        raise AssertionError("an error of where() is lost")
    refused(ValueError, build(pairs, x="a", y="b"), "has the key of no record; its first are ['x', 'y']")
    refused(ValueError, lambda: build_view(pairs, out, captions_map=lambda r: []), "has no caption left")
    refused(ValueError, lambda: build_view(pairs, out, captions_map={"000000000": "half \ud800"}),
            "a text of <Record scenes-000 000000000, index 0> is no Unicode")
    with mock.patch.dict(sys.modules, {"latentmill._tokenizer": None}):
        sys.modules.pop("latentmill.tokenizer", None)
        refused(ImportError, build(pairs, a="b"), str(pairs / MODEL), "SentencePiece, PCRE2 and utf8proc", "tokenizer=")
        assert len(View.open(folder / "new.lmv").meta["shards"]) == 2  # what is built needs it no more
    bare = prepare(folder / "bare", "--tokenizer", "none", "--limit", "2", dataset_shards.SAMPLE_SET[0])
    refused(ValueError, build(bare, a="b"), "bare/scenes-000.lms", "--tokenizer none", "tokenizer= and markers=")
    lost = folder / "lost"
    shutil.copytree(pairs, lost)
    (lost / MODEL).unlink()
    refused(FileNotFoundError, build(lost, a="b"), MODEL, "lost/scenes-000.lms", "copy it there")
    (lost / MODEL).write_bytes(b"other")
    refused(ValueError, build(lost, a="b"), str(lost / MODEL), "not the tokenizer of")
    assert not out.exists()


def check_old_file(folder):
    """A file of an earlier version is refused, not misread."""
    np.savez_compressed(folder / "old.npz", meta=np.array('{"magic": "latentmill view 1"}'))
    refused(ValueError, lambda: View.open(folder / "old.npz"), "old.npz is no view of latentmill")


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        pairs = dataset_shards.make_pairs(folder / "pairs")
        check_one_call(folder, pairs)
        check_rules(folder, pairs)
        assert check_same_ids(folder, pairs) > 100
        check_odd_texts(folder)
        check_folders(folder, pairs)
        check_errors(folder, pairs)
        check_old_file(folder)


if __name__ == "__main__":
    main()
