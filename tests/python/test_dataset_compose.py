# SPDX-License-Identifier: Apache-2.0
"""Every array of a step, composed in C, is what Python makes of shard/FORMAT.md, bit for bit: over
pairs, documents, codes, records of several texts and images, mirrored renditions, views, templates,
cut texts, damage; and threads that compose at once give what one gives."""
import pathlib
import subprocess
import tempfile
import threading
import warnings


import dataset_shards
import batch_reference  # behind the package's path
import numpy as np

from latentmill import DamagedError, Dataset, ShardReader, Source, build_view
from latentmill.batches import composing
from latentmill.columns import NONE

FLOATS = ("patches", "latents")


def same(name, got, want):
    if name == "latents":
        assert isinstance(got, list) and len(got) == len(want)
        for one, other in zip(got, want):
            same("latent", one, other)
    elif isinstance(want, list):
        assert got == want, name
    else:
        assert got.dtype == want.dtype and got.shape == want.shape, (name, got.shape, want.shape)
        assert got.tobytes() == want.tobytes(), (name, np.argwhere(got != want)[:5].tolist())


def compare(sources, n_batches=6, seen=None, **options):
    """Some batches of a Dataset, with the same by the referee."""
    dataset = Dataset(sources, **{"batch_size": 3, "pack": 600, "seed": 5, **options})
    channels = max(source.channels for source in dataset._sources)
    plain = composing.Composer.compose
    wanted = []

    def both(self, rows):
        sequences = []
        for row in rows:
            sequences.append([])
            which = row.pieces if row else slice(0, 0)
            for item, start, length in zip(*(getattr(row.packing, name)[which].tolist() if row else []
                                             for name in ("item", "start", "length"))):
                one = batch_reference.document(row.reading, item, dataset.options)
                sequences[-1].append(batch_reference.Piece(one, start, length))
        wanted.append(batch_reference.build(
            sequences, dataset.options, channels, dataset.options.patch_order,
            dataset.options.position_ids == "collapsed"))
        return plain(self, rows)
    composing.Composer.compose = both
    try:
        for number, batch in zip(range(n_batches), dataset):
            for name, want in wanted[number].items():
                same(name, batch[name], want)
            if seen is not None:
                seen(batch)
    finally:
        composing.Composer.compose = plain
    assert wanted


def pairs_and_texts(folder):
    pairs = dataset_shards.make_pairs(folder / "pairs")
    texts = dataset_shards.make_texts(folder / "texts", words=(1, 900))
    sources = {"pairs": pairs, "texts": Source(texts, 2.0)}
    cut = []

    def seen(batch):
        cut.append(any(keys and keys[0] in other for keys, other in zip(batch["keys"][1:], batch["keys"])))
    compare(sources, seen=seen)
    assert any(cut), "no text was cut"
    compare(sources, position_ids="collapsed", patch_order="cpq", patch=4, window=16)
    compare(sources, pack=None, patch=None, grid=4)
    compare(pairs, captions="stored", order="stored", patch=1, pack=1200, batch_size=2)
    compare(pairs, caption_dropout=0.5, max_caption_tokens=4, n_batches=9)
    compare(pairs, sequence={"caption_first": ("bos", "text", 7, "boi", "image", "eoi"),
                             "image_first": ("image", "text", "eos")}, position_ids="collapsed")
    return pairs, texts


def views(folder, pairs, texts):
    def captions(record):
        number = int(record.key)
        return record.captions[0].text if number % 3 == 0 else [f"tree {record.key}", "a red house"][:number % 3]
    view = build_view(pairs, folder / "own.view", captions_map=captions,
                      weight=lambda record: 1 + len(record.key) % 3 / 2)
    compare({"pairs": Source(pairs, view=view), "texts": texts}, n_batches=12)
    markers = {"bos": None, "eos": 3, "boi": 4, "eoi": 5}
    other = build_view(pairs, folder / "other.view", tokenizer=lambda text: [ord(c) for c in text],
                       markers=markers, captions_map=captions)
    compare(Source(pairs, view=other), pack=1000, position_ids="collapsed", n_batches=12)


def records(folder):
    """Of several texts and images, with mirrored renditions; codes; edits."""
    programs = dataset_shards.BUILD / "tests/programs"
    subprocess.run([programs / "write_shapes", folder / "codes", "60"], check=True)
    compare(folder / "codes-00000.lms", pack=256, position_ids="collapsed")
    subprocess.run([programs / "write_edits", folder / "edits", "40"], check=True)
    for captions in ("redraw", "stored"):
        compare(folder / "edits-00000.lms", patch=1, captions=captions, weights_by="samples", n_batches=20)
    subprocess.run([programs / "write_random_shards", folder / "random", "80", "4", str(1 << 30), str(1 << 16),
                    "trainable"], check=True)
    path = folder / "random-00000.lms"
    compare(path, patch=1, pack=1500, n_batches=8, on_error="skip")
    view = build_view(path, folder / "twice.view", weight=lambda record: 2.5)  # repetitions draw anew
    for captions in ("redraw", "stored"):
        compare(Source(path, view=view), patch=1, pack=1500, n_batches=12, captions=captions, on_error="skip")


def damage(folder):
    """Documents with a damaged frame become padding, or raise."""
    subprocess.run([dataset_shards.BUILD / "tests/programs/write_noise_shards", folder / "noise", "120"], check=True)
    path = folder / "noise-00000.lms"
    data, frames = bytearray(path.read_bytes()), ShardReader(path).frames
    text = np.flatnonzero(frames.column == NONE)
    tensors = np.flatnonzero(frames.column != NONE)
    assert len(text) > 2, "there is one block"
    for frame in (text[0], tensors[-1]):
        data[int(frames.offset[frame]) + int(frames.n_bytes[frame]) // 2] ^= 0xFF
    broken = folder / "broken.lms"
    broken.write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lost = []
        compare(broken, on_error="skip", n_batches=20,
                seen=lambda batch: lost.append((batch["doc_ids"] < 0).mean()))
    assert len({str(one.message) for one in caught}) == len(caught) == 2, [str(w.message) for w in caught]
    assert max(lost) > 0.3
    try:
        list(Dataset(broken, batch_size=1))
    except DamagedError:
        return
    raise AssertionError("damage was passed over")


def at_once(pairs, texts):
    """Threads that each go through a Dataset of their own."""
    def run(out):
        dataset = Dataset({"pairs": pairs, "texts": texts}, batch_size=2, pack=700, world_size=1, rank=0)
        out.extend(b"".join(batch[name].tobytes() for name in ("tokens", "labels", "patches", "position_ids"))
                   for batch in dataset)
    alone = []
    run(alone)
    outs = [[] for _ in range(4)]
    threads = [threading.Thread(target=run, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(out == alone for out in outs)


def blocks_go(pairs, texts):
    """A block is let go with the last of its documents."""
    left, give = [], composing.Reading.give

    def counted(self, pieces):
        give(self, pieces)
        left.append(len(self._fetched))
    composing.Reading.give = counted
    try:
        n = sum(1 for _ in Dataset([pairs, texts], batch_size=2, pack=600))
    finally:
        composing.Reading.give = give
    assert n > 3 and left[-1] == 0 and max(left) > 0


with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    pairs, texts = pairs_and_texts(folder)
    views(folder, pairs, texts)
    records(folder)
    damage(folder)
    at_once(pairs, texts)
    blocks_go(pairs, texts)
