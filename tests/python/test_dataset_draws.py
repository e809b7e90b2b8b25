# SPDX-License-Identifier: Apache-2.0
"""Draws of the Python package: FORMAT.md's vectors, and what the program stored."""
import pathlib
import re
import tempfile

import dataset_shards
import numpy as np

from latentmill import ShardReader, _shard
from latentmill.documents import Texts, _Drawing
from latentmill.draws import draw, pick, share
from latentmill.options import Options


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
        try:
            draw(reader.shard, "order", np.array([len(reader)]), 0, 0)
            raise AssertionError("a record that is not there was drawn for")
        except IndexError:
            pass


def other_captions(reader, passes=60):
    """What stands in for captions that are too long: a draw of its own, by their shares."""
    n, names = len(reader), ["long", "x", "y", "z[0]"]
    everyone = np.arange(n), np.zeros(n, np.int64)

    def drawn(*lengths, captions="redraw"):
        """Shares of the captions, and whether all passes give the same."""
        options = Options(captions=captions, max_caption_tokens=10, long_captions="other_caption")
        texts = Texts(4 * np.arange(n), np.full(n, 4), np.array(lengths * n, np.uint32),
                      np.array([0, 1, 2, 3] * n, np.uint32), names, np.zeros(n, np.int64))
        out = [_Drawing(options, reader.header, reader.shard, number).captions(
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


vectors()
shares()
with tempfile.TemporaryDirectory() as temporary:
    pairs = dataset_shards.make_pairs(pathlib.Path(temporary) / "pairs", "--seed", "7")
    stored(pairs)
    other_captions(ShardReader(sorted(pairs.glob("*.lms"))[0]))
