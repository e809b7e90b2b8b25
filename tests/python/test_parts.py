# SPDX-License-Identifier: Apache-2.0
"""A Dataset over records of any parts: each document is what FORMAT.md makes of its record, a
shape each costs nothing, and what has no place in a sequence is refused by its name."""
import pathlib
import pickle
import resource
import subprocess
import sys
import tempfile
import time

import dataset_shards
import numpy as np
from package import PRELOADED

try:
    import shard_format
    import shard_sequence
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from latentmill.interop import _parts as parts_for_transfusion  # noqa: E402
from latentmill import Dataset, ShardReader, Source, View, build_view  # noqa: E402

N, SHAPES = 700, 20_000
MARKERS = {"bos": None, "eos": 3, "boi": 300, "eoi": 301}
PROGRAMS = dataset_shards.BUILD / "tests/programs"


def write(program, prefix, *arguments):
    subprocess.run([PROGRAMS / program, prefix, *map(str, arguments)], check=True)
    return pathlib.Path(f"{prefix}-00000.lms")


def refused(what, make, *arguments, **options):
    try:
        make(*arguments, **options)
    except ValueError as error:
        assert what in str(error), error
        return
    raise AssertionError(f"accepted: {what}")


# ---- each document ----

def patches_of(record, spans):
    """Window 1: a row of C values a cell, scaled by 1."""
    out = [np.zeros((0, 2), np.float16)]
    for span in spans:
        tensor = record["tensors"][span.tensor]
        out.append(np.frombuffer(bytes.fromhex(tensor["data"]), np.float16).reshape(tensor["dims"][0], -1).T)
    return np.concatenate(out).astype(np.float32)


def check_document(batch, row, record, header, draws):
    """A sequence of one document against the twin."""
    first, drawn = draws
    tokens, loss, spans = shard_sequence.sequence(record, header, shard_sequence.DEFAULT, first, drawn, 1)
    n = int((batch["doc_ids"][row] == 0).sum())
    assert batch["tokens"][row, :n].tolist() == tokens, record["key"]
    assert batch["labels"][row, :n].tolist() == [
        tokens[i + 1] if one else -100 for i, one in enumerate(loss)], record["key"]
    images = [span for span in spans if span.kind == shard_sequence.LATENT]
    mine = batch["spans"][:, 0] == row
    assert batch["spans"][mine, 1:5].tolist() == [[s.offset, s.length, s.rows, s.columns] for s in images]
    assert batch["span_markers"][mine].all()
    texts = [span.offset for span in spans if span.kind == 0 and span.loss and span.length]
    assert batch["text_follows"][mine].tolist() == [span.offset < max(texts, default=0) for span in images]
    if images:
        at = int(batch["spans"][mine, 5][0])
        patches = batch["patches"][at:at + sum(span.length for span in images)]
        assert np.array_equal(patches, patches_of(record, images))


def check_all(source, records, header, draws_of, **options):
    dataset = Dataset(source, batch_size=16, last="pad", pack=None, patch=1, window=200, **options)
    seen = []
    for batch in dataset:
        for row, keys in enumerate(batch["keys"]):
            if keys:
                (_, key), = keys
                check_document(batch, row, records[key], header, draws_of(records[key]))
                seen.append(key)
    assert sorted(seen) == sorted(records), (len(seen), len(records))


def documents(path, folder):
    """Drawn anew and as stored, packed, and by views with ids and captions of their own. The index
    says every length: what is read must be as long."""
    shard, reader = shard_format.Shard(path), ShardReader(path)
    header = reader.header
    records = {r["key"]: r for b in range(shard.n_blocks) for r in shard.block(b)}
    kinds = [[part["kind"] for part in r["parts"]] for r in records.values()]
    assert sum(one.count(shard_format.TEXT) > 1 for one in kinds) > 50
    assert sum(one.count(shard_format.IMAGE) > 1 for one in kinds) > 50
    check_all(path, records, header, lambda r: shard_sequence.draws(r, 0, 9, 0.8), seed=9)
    check_all(path, records, header, lambda r: shard_sequence.draws(r, 0, 7, 0.8), seed=9, order="stored",
              captions="stored")
    dataset = Dataset(path, batch_size=4, pack=1000, last="pad", patch=1, seed=9)
    packed = {key for (_, key), _ in dataset_shards.documents(dataset)}
    assert packed == set(records)
    views(path, records, header, folder)


def tokenize(text):
    return list(text.encode())


def views(path, records, header, folder):
    """All texts tokenized anew; two captions instead of the first text's of every second record."""
    def own(record):
        return [record.key, record.key * 2] if record.position % 2 else None

    def changed(record, captions):
        parts, texts = [], 0
        for part in record["parts"]:
            if part["kind"] == shard_format.TEXT:
                given = [a.get("text", "") for a in part["alternatives"]]
                given, texts = captions if captions and not texts else given, texts + 1
                part = {**part, "alternatives": [{"ids": tokenize(text)} for text in given]}
            parts.append(part)
        return {**record, "parts": parts}

    captions = {r.key: own(r) for r in ShardReader(path) if r.captions}
    given = {key: texts for key, texts in captions.items() if texts}
    other = {**header, "tokenizer": MARKERS}
    for captions_map in (None, given):
        build_view(path, folder / "parts.lmv", captions_map=captions_map, tokenizer=tokenize, markers=MARKERS)
        wanted = {key: changed(r, (captions_map or {}).get(key)) for key, r in records.items()}
        view = View.open(folder / "parts.lmv", tokenize)
        check_all(Source(path, view=view), wanted, other, lambda r: shard_sequence.draws(r, 0, 2, 0.8), seed=2)


# ---- many shapes ----

def shapes(path):
    """No two images have the same size: planned and packed in little time, and in memory that does not
    grow with them."""
    columns = ShardReader(path).columns()
    assert len(columns.shapes) == SHAPES and len(columns.types) == 2
    start = time.process_time()
    seen, peaks, tokens = set(), [], 0
    for batch in Dataset(path, batch_size=4, pack=4096, last="pad", patch=1, window=1000):
        keys = [key for one in batch["keys"] for _, key in one]
        assert seen.isdisjoint(keys)
        seen.update(keys)
        tokens += int((batch["doc_ids"] >= 0).sum())
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
    took = time.process_time() - start
    cells = columns.shapes[:, 2].astype(int) * columns.shapes[:, 3]
    assert len(seen) == SHAPES and tokens == int(cells.sum()) + 6 * SHAPES
    assert peaks[-1] - peaks[len(peaks) // 4] < 32 or PRELOADED, peaks[::len(peaks) // 8]
    assert took < 30 or PRELOADED, took
    print(f"{SHAPES} shapes in {took:.1f} s, {peaks[-1]} MiB at most")


# ---- values ----

def windows(path):
    """A scale and a shift for each cell of 2 x 2, of latents of zeros."""
    cell = np.array([[0, -2], [-8, -24]], np.float32)
    records = {record.key: record for record in ShardReader(path)}
    for record in records.values():
        _, height, width = record.latent.shape
        want = np.tile(cell, (height, width))[:height, :width]
        assert (record.latent_float32() == want).all() and not record.latent_float32(scaled=False).any()
    for batch in Dataset(path, batch_size=2, pack=300, last="pad", patch=1):
        spans = iter(batch["spans"].tolist())
        for _, key in sum(batch["keys"], []):
            *_, rows, columns, first = next(spans)
            got = batch["patches"][first:first + rows * columns].reshape(rows, columns)
            assert (got == records[key].latent_float32()[0]).all()


def moments(folder):
    """The log-variance stands beside its mean, which alone is seen."""
    prepared = dataset_shards.prepare(folder / "moments", "--moments", "mean+logvar", "--limit", "3",
                                      "--latent", "bf16", dataset_shards.SAMPLE_SET[0])
    records = list(ShardReader(prepared / "scenes-000.lms"))
    for record in records:
        mean, logvar = record.images[0].tensors
        assert (mean.logvar, logvar.logvar, record.latent_dtype) == (False, True, "bf16")
        assert record.latent.tobytes() == mean.array.tobytes() != logvar.array.tobytes()
        assert record.logvar.tobytes() == logvar.array.tobytes() and record.logvar.shape == mean.shape
    batch, = Dataset(prepared, batch_size=3, pack=None, patch=None)
    assert len(batch["latents"]) == 3 == len(records)


# ---- equality ----

def equality(path):
    """Parts and alternatives are equal where all that they say is, pickled or not."""
    first, second = list(ShardReader(path)), list(ShardReader(path))
    texts = [part for record in first for part in record.texts]
    assert any(len(text.alternatives) > 1 and text.alternatives[0].ids is not None for text in texts)
    for record, same in zip(first[:200], second):
        assert record.parts == same.parts == pickle.loads(pickle.dumps(record.parts)), record
        found = {}  # of the parts in their order
        for one in (one for part in record.parts for one in part.tensors):
            found.setdefault((one.encoder, one.output, one.mirrored, one.logvar), one)
        assert all(record.tensor(*which) == one for which, one in found.items())
        assert record.tensor("nobody") is None
        for text, other in zip(record.texts, same.texts):
            assert not text != other
            assert list(map(hash, text.alternatives)) == list(map(hash, other.alternatives))
            assert pickle.loads(pickle.dumps(text.alternatives)) == other.alternatives
    one = next(a for text in texts for a in text.alternatives if a.ids is not None and len(a.ids))
    for other in (one._replace(ids=one.ids[1:]), one._replace(ids=one.ids + 1), one._replace(ids=None),
                  one._replace(name="another"), tuple(one)):
        assert one != other and not one == other


# ---- misuse ----

def misuse(folder, trainable):
    codes = write("write_shapes", folder / "codes", 5, "codes")
    assert ShardReader(codes)[3].latent is None
    sequence = ShardReader(codes)[3].sequence()
    assert sequence.tokens.tolist() == [1, 5, 6, 10, *[0] * 3, 11, 2]
    refused("a patch window of 8 does not divide a latent of", Dataset, trainable, batch_size=1, patch=8)
    anything = write("write_random_shards", folder / "anything", 60, 1, 1 << 30, 8000)
    refused("has latents of more than one dtype", Dataset, anything, batch_size=1, patch=1)
    refused(f"{anything}: record ", build_view, anything, folder / "no.lmv")
    refused(": the plan has no rule for part ", build_view, anything, folder / "no.lmv")
    reader = ShardReader(anything)
    for record in reader:
        kinds = sorted(str(part.kind) for part in record.parts if part.kind != "data")
        assert record.arrangement == {"image text": "pair", "text": "text"}.get(" ".join(kinds), "other")
    unknown = next(r for r in reader if any(isinstance(part.kind, int) for part in r.parts))
    number, kind = next((i, part.kind) for i, part in enumerate(unknown.parts) if isinstance(part.kind, int))
    refused(f"the plan has no rule for part {number}, of kind {kind}", unknown.sequence)
    bare = next(r for r in reader if r.captions and r.ids is None and r.parts[0].kind == "text")
    refused("part 0, a text, has no token ids", bare.sequence)
    for patch in (0, 3, True, -1, 2**32 + 2):
        refused(f"patch is one of None, 1, 2, 4, 8, not {patch}", reader[0].sequence, patch=patch)
    refused("drawn has one number a part", reader[0].sequence, drawn=[0] * 99)
    refused("order is one of None, 'caption_first', 'image_first', not 'shuffled'", reader[0].sequence, order="shuffled")


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    some = write("write_random_shards", where / "some", N, 50, 1 << 30, 8000, "trainable")
    documents(some, where)
    windows(write("write_shapes", where / "windows", 40, "windows"))
    moments(where)
    equality(some)
    misuse(where, some)
    shapes(write("write_shapes", where / "shapes", SHAPES))
