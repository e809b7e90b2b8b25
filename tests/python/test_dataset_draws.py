# SPDX-License-Identifier: Apache-2.0
"""Draws of the Python package: FORMAT.md's vectors, what the program stored, and what a Dataset
gives each pair."""
import itertools
import pathlib
import re
import tempfile

import dataset_shards
import numpy as np
from dataset_shards import documents

from latentmill import Dataset, ShardReader, Source, _shard, build_view
from latentmill.sources.documents import Drawing, Texts
from latentmill.sources.catalogue import Catalogue
from latentmill.sources.draws import draw, pick, share
from latentmill.options import Options, templates
from latentmill.sources.source import OpenSource

SINGLE = {"batch_size": 2, "pack": None, "patch": 8, "last": "pad"}  # a document each


def vectors():
    """The table at the end of FORMAT.md, section 7."""
    rows = 0
    for line in pathlib.Path("shard/FORMAT.md").read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if len(cells) != 9 or not re.fullmatch("[0-9a-f]{16}", cells[4]):
            continue
        name, key, epoch, seed, order, which, caption, five, many = cells
        key = "" if key == "(empty)" else key
        u = {purpose: _shard.draw_one(purpose, name, key, int(epoch), int(seed))
             for purpose in ("order", "caption")}
        assert (f"{u['order']:016x}", f"{u['caption']:016x}") == (order, caption), line
        assert share(np.array([u["order"]], np.uint64), 0.8)[0] == (which == "caption first"), line
        for n, expected in ((5, five), (1_000_000_007, many)):
            got = pick(np.array([u["caption"]], np.uint64), np.array([n], np.uint64))[0]
            assert got == int(expected), line
        rows += 1
    assert rows == 6, rows


def shares():
    u = np.array([0, 1, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    assert share(u, 0.5).tolist() == [True, True, True, False, False]
    assert share(u, 1.0).all() and not share(u, 0.0).any()
    assert share(u, 2.0**-64).tolist() == [True, False, False, False, False]
    for one in (2**33 - 1, 2**64 - 1, 3 << 40):
        n = np.array([2**32 - 1], np.uint64)
        assert pick(np.array([one], np.uint64), n)[0] == one * (2**32 - 1) >> 64


def stored(folder):
    """Epoch 0 of a shard with the header's seed is what its records hold."""
    for path in sorted(folder.glob("*.lms")):
        reader = ShardReader(path)
        seed, positions = reader.header["seed"], np.arange(len(reader))
        first = share(draw(reader.shard, "order", positions, 0, seed),
                      reader.header["caption_first"])
        n = np.array([len(record.captions) for record in reader], np.uint64)
        caption = pick(draw(reader.shard, "caption", positions, 0, seed), n)
        assert [record.order == "caption_first" for record in reader] == first.tolist()
        assert [record.caption_drawn for record in reader] == caption.tolist()
        assert first.any() and not first.all()
        for wrong in (len(reader), -1, 1 << 40):
            try:
                draw(reader.shard, "order", np.array([wrong]), 0, 0)
                raise AssertionError("a record that is not there was drawn for")
            except IndexError:
                pass
        try:
            _shard.draw(reader.shard, "order", positions, 0, 0, np.empty(1, np.uint64))
            raise AssertionError("more was drawn than there is room for")
        except ValueError:
            pass


def other_captions(reader, passes=60):
    """What stands in for captions that are too long: a draw of its own, by their shares."""
    n, names = len(reader), ["long", "x", "y", "z[0]"]
    everyone = np.arange(n), np.zeros(n, np.int64)

    def drawn(*lengths, captions="redraw"):
        """Shares of the captions, and whether all passes give the same."""
        options = Options(captions=captions, max_caption_tokens=10, long_captions="other_caption")
        texts = Texts(np.arange(n + 1), 4 * np.arange(n + 1), np.array(lengths * n, np.uint32),
                      np.array([0, 1, 2, 3] * n, np.uint32), names)
        out = [Drawing(options, reader.header, reader.shard, number).captions(
            *everyone, texts, np.ones(n, bool)) for number in range(passes)]
        chosen = np.array([caption for caption, _, _ in out])
        assert all(keep.all() and n_ids.max() <= 10 for _, n_ids, keep in out)
        shares = np.bincount(chosen.reshape(-1), minlength=4) / chosen.size
        return shares, (chosen == chosen[0]).all()

    even = drawn(50, 5, 6, 7)[0]
    assert even[0] == 0 and np.abs(even[1:] - 1 / 3).max() < 0.05, even
    stored, same = drawn(50, 5, 6, 7, captions="stored")
    assert same and stored[0] == 0 and (stored[1:] > 0).all()
    named = drawn(50, 5, 6, 7, captions={"long": 2, "x": 3, "y": 1})[0]
    assert named[[0, 3]].tolist() == [0, 0] and abs(named[1] - 0.75) < 0.05, named
    assert drawn(50, 20, 6, 7, captions={"long": 1, "x": 1})[0].tolist() == [0, 1, 0, 0]
    assert drawn(50, 5, 6, 7, captions={"long": 1})[0].tolist() == [1, 0, 0, 0]
    other = drawn(50, 5, 6, 7, captions={"none": 1})[0]
    assert other[0] == 0 and np.abs(other[1:] - 1 / 3).max() < 0.05, other


def shares_of(captions, shares):
    """A list's captions divide the share of its name; equal ones where none is named."""
    names = [c.name if c.name in shares else c.name.split("[")[0] for c in captions]
    weights = [shares.get(name, 0) / names.count(name) for name in names]
    return weights if any(weights) else [1] * len(names)


def chosen(u, weights):
    sums = list(itertools.accumulate(weights))
    return next(i for i, until in enumerate(sums) if u / 2**64 * sums[-1] < until)


def drawn(record, epoch, seed, copy=0, *, caption_first=0.8, captions=None, caption_dropout=0.0,
          max_caption_tokens=1 << 30, long_captions="truncate"):
    """(caption first, ids) of a pair in a pass over its source, None: dropped; one by one."""
    def u(purpose):
        purpose = f"{purpose}+{copy}" if copy else purpose
        return _shard.draw_one(purpose, record.name, record.key, epoch, seed)

    every = [c.ids.tolist() for c in record.captions]
    shares = shares_of(record.captions, captions or {})
    number = chosen(u("caption"), shares) if captions else u("caption") * len(every) >> 64
    if len(every[number]) > max_caption_tokens:
        if long_captions == "drop":
            return None
        if long_captions == "other_caption":
            short = [w * (len(ids) <= max_caption_tokens) for w, ids in zip(shares, every)]
            number = chosen(u("caption+other"), short) if any(short) else min(
                (i for i, w in enumerate(shares) if w), key=lambda i: len(every[i]))
    dropped = u("dropout") < caption_dropout * 2**64
    return u("order") < caption_first * 2**64, \
        [] if dropped else every[number][:max_caption_tokens]


def sequence(reader, caption_first, ids):
    t = reader.header["tokenizer"]
    image = [t["boi"], t["eoi"]]
    return [t["bos"], *(ids + image if caption_first else image + ids), t["eos"]]


def pairs_of(folder):
    readers = [ShardReader(path) for path in sorted(folder.glob("*.lms"))]
    return [(reader, record) for reader in readers for record in reader]


def as_defined(folder):
    """What each pair of two epochs is, against the rules written out for one record."""
    lengths = sorted(len(c.ids) for _, record in pairs_of(folder) for c in record.captions)
    middle, shortest = lengths[len(lengths) // 2], lengths[0]
    for options in ({}, {"caption_first": 0.3}, {"captions": {"txt": 3.0, "json.captions": 1.0}},
                    {"captions": {"json.captions[2]": 1.0}},
                    {"caption_dropout": 0.4}, {"max_caption_tokens": middle},
                    {"max_caption_tokens": middle, "long_captions": "drop"},
                    {"max_caption_tokens": middle, "long_captions": "other_caption"},
                    {"max_caption_tokens": shortest + 1, "long_captions": "other_caption"}):
        dataset = Dataset(folder, seed=5, **SINGLE, **options)
        for epoch in range(2):
            expected = {}
            for reader, record in pairs_of(folder):
                one = drawn(record, epoch, 5, **options)
                if one is not None:
                    expected[record.name, record.key] = sequence(reader, *one)
            assert dict(documents(dataset)) == expected, (options, epoch)


def stored_for_all_epochs(folder):
    dataset = Dataset(folder, seed=5, order="stored", captions="stored", **SINGLE)
    expected = {(r.name, r.key): sequence(reader, r.order == "caption_first", r.ids.tolist())
                for reader, r in pairs_of(folder)}
    for _ in range(2):
        assert dict(documents(dataset)) == expected


def weighted(folder):
    """A weight of 2.5: twice, or three times as often; each repetition has its own draws."""
    view = build_view(folder, folder / "view.lmv", weight=lambda record: 2.5)
    expected = []
    for reader, record in pairs_of(folder):
        third = _shard.draw_one("weight", record.name, record.key, 0, 5) < 2**63
        expected += [((record.name, record.key), sequence(reader, *drawn(record, 0, 5, copy)))
                     for copy in range(2 + third)]
    assert 80 < len(expected) < 120
    assert sorted(documents(Dataset(Source(folder, view=view), seed=5, **SINGLE))) == \
        sorted(expected)


def of_pairs_alone(folder):
    """What shortens or drops captions leaves documents as they are."""
    expected = [((r.name, r.key), [1, *r.ids.tolist(), 2]) for _, r in pairs_of(folder)]
    for options in ({"max_caption_tokens": 5}, {"max_caption_tokens": 5, "long_captions": "drop"},
                    {"caption_dropout": 1.0}):
        assert sorted(documents(Dataset(folder, **SINGLE, **options))) == expected


def means(folder):
    """What a mixture counts with is what the draws give on average."""
    ends = {"caption_first": ("bos", "text", "boi", "image", "eoi", *[9] * 40, "eos")}
    options = Options(patch=8, seed=5, caption_first=0.7, caption_dropout=0.25,
                      max_caption_tokens=30, sequence=templates(ends))
    view = build_view(folder, folder / "view.lmv",
                      weight=lambda r: 2.5 if len(r.caption) > 90 else 0.25)
    source = OpenSource("pairs", Source(folder, view=view), Catalogue(folder), options)
    positions = n = 0
    for number in range(len(source.counts)):
        s = source.shard(number)
        everything = np.arange(len(s.reader))
        for pass_number in range(150):
            made = s.documents(everything, pass_number)
            positions, n = positions + int(made.length.sum()), n + len(made)
    records = 150 * int(source.counts.sum())
    got = source.means()
    assert abs(got[0] / (positions / records) - 1) < 0.02, (got, positions / records)
    assert abs(got[1] / (n / records) - 1) < 0.02, (got, n / records)


vectors()
shares()
with tempfile.TemporaryDirectory() as temporary:
    pairs = dataset_shards.make_pairs(pathlib.Path(temporary) / "pairs", "--seed", "7")
    for test in (stored, as_defined, stored_for_all_epochs, weighted, means):
        test(pairs)
    other_captions(ShardReader(sorted(pairs.glob("*.lms"))[0]))
    of_pairs_alone(dataset_shards.make_texts(pathlib.Path(temporary) / "text", n=9))
