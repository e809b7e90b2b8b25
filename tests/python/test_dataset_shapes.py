# SPDX-License-Identifier: Apache-2.0
"""Fixed shapes (pad_to=), the types of latents, and samples of posteriors."""
import math
import pathlib
import tempfile

import dataset_shards
import numpy as np

from latentmill import Dataset, ShardReader, Source, build_view


def refused(message, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except ValueError as error:
        assert message in str(error), error
        return
    raise AssertionError(f"no ValueError: {message}")


def shapes(batch):
    return {name: value.shape for name, value in batch.items() if isinstance(value, np.ndarray)}


def one_shape(pairs, texts):
    """Of every step of an epoch, and what it holds is as without."""
    sources, plain = {"pairs": pairs, "texts": texts}, {"batch_size": 3, "pack": 600, "seed": 3}
    seen = [shapes(batch) for batch in Dataset(sources, **plain)]
    assert len({one["patches"] for one in seen}) > 2 and len({one["cu_seqlens"] for one in seen}) > 2
    most = {"patches": 1536, "spans": 6, "cu_seqlens": 90}
    for pad_to, spans in (("max", 3 * (600 // 260)), (most, 6), ({}, 3 * (600 // 260))):
        steps = list(Dataset(sources, **plain, pad_to=pad_to))
        assert len({str(shapes(batch)) for batch in steps}) == 1, pad_to
        assert steps[0]["spans"].shape == (spans, 6)
        for batch, want in zip(steps, Dataset(sources, **plain)):
            n, images = len(want["patches"]), len(want["spans"])
            assert (batch["patches"][:n] == want["patches"]).all() and (batch["patches"][n:] == 0).all()
            assert (batch["spans"][:images] == want["spans"]).all()
            assert batch["spans"][images:].tolist() == [[0, 0, 0, 0, 0, n]] * (spans - images)
            assert not batch["span_markers"][images:].any() and not batch["text_follows"][images:].any()
            begins = len(want["cu_seqlens"])
            assert (batch["cu_seqlens"][:begins] == want["cu_seqlens"]).all()
            assert (batch["cu_seqlens"][begins:] == 1800).all()
            for name in ("tokens", "labels", "doc_ids", "position_ids", "source_ids", "image_ids"):
                assert (batch[name] == want[name]).all()
    seen = []
    list(Dataset(sources, **plain, pad_to="max", transform=lambda sample: seen.append(
        len(sample["spans"]) == sample["text_follows"].size == len(sample["patches"]) / 256) or sample))
    assert all(seen), "a transform saw padding"
    refused("spans, more than pad_to gives room for (1): give pad_to={'spans': ", list,
            Dataset(pairs, **plain, pad_to={"spans": 1}))
    view = build_view(pairs, pathlib.Path(temporary) / "v.view", weight=lambda record: 2.0)
    assert next(iter(Dataset(Source(pairs, view=view), **plain, pad_to="max")))["spans"].shape == (6, 6)
    assert next(iter(Dataset(texts, **plain, pad_to="max")))["patches"].shape[0] == 0
    for wrong in ("largest", {"tokens": 3}, {"spans": -1}):
        refused("pad_to", Dataset, pairs, **plain, pad_to=wrong)
    for other in ({"pack": None}, {"patch": None}):
        refused("pad_to= needs", Dataset, pairs, **{**plain, **other}, pad_to="max")


def latents(pairs, texts):
    """A list, whatever a batch has."""
    for sources in (pairs, texts):
        for batch in Dataset(sources, batch_size=2, pack=600, patch=None):
            assert isinstance(batch["latents"], list) and len(batch["latents"]) == len(batch["spans"])


def samples(folder):
    """mean + exp(logvar / 2) eps: a function of seed and pass, and normal."""
    path = dataset_shards.make_pairs(folder, "--moments", "mean+logvar")
    records = {(r.name, r.key): r for one in sorted(path.glob("*.lms")) for r in ShardReader(one)}
    header = ShardReader(sorted(path.glob("*.lms"))[0]).header["encoders"][0]
    scale, shift = (np.array(header[name], np.float64).reshape(-1, 1, 1) for name in ("scale", "shift"))

    def epochs(n=1, **options):
        dataset = Dataset(path, **{"batch_size": 4, "pack": None, "patch": None, "grid": 2, "posterior": "sample",
                                   **options})
        out = []
        for _ in range(n):
            found = {}
            for batch in dataset:
                for (identity,), latent in zip([keys for keys in batch["keys"] if keys], batch["latents"]):
                    found[identity] = latent
            out.append(found)
        return out
    first, second = epochs(2)
    again, = epochs(batch_size=2)
    other, = epochs(seed=1)
    mean, = epochs(posterior="mean")
    eps = []
    for identity, record in records.items():
        assert first[identity].tobytes() == again[identity].tobytes()
        assert (first[identity] != second[identity]).any() and (first[identity] != other[identity]).any()
        deviation = np.exp(record.logvar.astype(np.float64) / 2) * scale
        noise = (first[identity] - mean[identity]) / deviation
        wide = deviation > 1e-4 * np.abs(mean[identity]).max()  # where float32 tells
        eps.append(noise[wide])
        raw = (first[identity] / scale + shift - record.latent.astype(np.float64)) / (deviation / scale)
        assert np.abs(raw - noise)[wide].max() < 0.05, "scale and shift come behind sampling"
    eps = np.concatenate(eps)
    assert len(eps) > 10_000, len(eps)
    assert abs(eps.mean()) < 6 / math.sqrt(len(eps)) and abs(eps.std() - 1) < 0.02, (eps.mean(), eps.std())
    assert abs((np.abs(eps) < 1).mean() - 0.6827) < 0.02 and abs((eps**4).mean() - 3) < 0.2
    flat = first[next(iter(records))].ravel()
    assert len(np.unique(flat)) > 0.9 * flat.size
    whole = next(iter(Dataset(path, batch_size=2, pack=600, patch=4, posterior="sample")))
    assert (whole["patches"] != next(iter(Dataset(path, batch_size=2, pack=600, patch=4)))["patches"]).any()


with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    pairs = dataset_shards.make_pairs(folder / "pairs")
    texts = dataset_shards.make_texts(folder / "texts")
    one_shape(pairs, texts)
    latents(pairs, texts)
    refused("--moments mean+logvar", Dataset, pairs, batch_size=1, posterior="sample")
    refused("posterior is one of", Dataset, pairs, batch_size=1, posterior="mode")
    samples(folder / "moments")
