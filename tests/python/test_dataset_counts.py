# SPDX-License-Identifier: Apache-2.0
"""What a step has over all ranks is known to each: loss tokens, images, tokens and patches by source;
and the dense attention mask is what its definition says."""
import pathlib
import subprocess
import tempfile
import time

import dataset_shards
import numpy as np

from latentmill import Dataset, Source, build_view
from latentmill.attention import attention_mask_array, image_ids


def steps(sources, world_size, **options):
    """The batches of all ranks of each step."""
    ranks = [Dataset(sources, **{"batch_size": 6, "pack": 600, "world_size": world_size, "rank": rank, **options})
             for rank in range(world_size)]
    return ranks[0], list(zip(*ranks))


def same_sums(sources, world_size, **options):
    dataset, all_steps = steps(sources, world_size, **options)
    names = sorted(sources) if isinstance(sources, dict) else ["data"]
    assert dataset.source_names == names and all_steps
    for step in all_steps:
        for batch in step[1:]:
            for name, values in step[0]["counts"].items():
                assert values.dtype == np.int64 and (values == batch["counts"][name]).all()
        counts = step[0]["counts"]
        sources_of = np.concatenate([batch["source_ids"].ravel() for batch in step])
        patches = np.concatenate([batch["image_ids"].ravel() for batch in step]) >= 0
        assert counts["loss_tokens"] == sum((batch["labels"] != -100).sum() for batch in step)
        assert counts["images"] == sum(len(batch["spans"]) for batch in step)
        for number in range(len(names)):
            assert counts["tokens"][number] == ((sources_of == number) & ~patches).sum()
            assert counts["patches"][number] == ((sources_of == number) & patches).sum()
        for batch in step:
            assert ((batch["source_ids"] < 0) == (batch["doc_ids"] < 0)).all()
    return all_steps


def by_name(pairs, texts):
    """A document's source is the one whose record it is."""
    _, all_steps = steps({"b": pairs, "a": texts}, 1)
    for (batch,) in all_steps:
        for s, keys in enumerate(batch["keys"]):
            for d, (name, _) in enumerate(keys):
                assert (batch["source_ids"][s][batch["doc_ids"][s] == d] == (not name.startswith("text"))).all()


def old_mask(batch, full_span):
    """With temporaries of [b, L, L]."""
    image = image_ids(batch, full_span)
    document = np.asarray(batch["doc_ids"])
    n = document.shape[1]
    same_image = (image[:, :, None] == image[:, None, :]) & (image[:, :, None] >= 0)
    causal = np.tril(np.ones((n, n), bool))
    inside = (document[:, :, None] == document[:, None, :]) & (document[:, :, None] >= 0)
    return np.expand_dims(inside & (causal | same_image) | np.eye(n, dtype=bool), 1)


def masks(pairs, texts):
    for batch in Dataset([pairs, texts], batch_size=3, pack=500, patch=4):
        for full_span in ("patches", "with_markers"):
            mask = attention_mask_array(batch, full_span)
            assert mask.dtype == bool and (mask == old_mask(batch, full_span)).all(), full_span
        marked = image_ids(batch, "with_markers")
        for image, (s, offset, length) in enumerate(batch["spans"][:, :3].tolist()):
            assert (marked[s, offset - 1:offset + length + 1] == image).all()
        assert (marked >= 0).sum() == (batch["image_ids"] >= 0).sum() + 2 * len(batch["spans"])
    dice = np.random.default_rng(0)
    batch = {"tokens": np.zeros((2, 40)), "doc_ids": dice.integers(-1, 3, (2, 40)),  # of no order
             "image_ids": dice.integers(-1, 3, (2, 40)), "spans": np.zeros((0, 6), np.int32),
             "span_markers": np.zeros((0, 2), bool)}
    assert (attention_mask_array(batch) == old_mask(batch, "patches")).all()
    batch = next(iter(Dataset(pairs, batch_size=2, pack=2048)))
    took = []
    for mask_of in (lambda: old_mask(batch, "patches"), lambda: attention_mask_array(batch)):
        start = time.perf_counter()
        mask_of()
        took.append(time.perf_counter() - start)
    print(f"mask of 2 x 2048: {took[0] * 1e3:.0f} ms as it was, {took[1] * 1e3:.0f} ms")
    assert took[0] > 4 * took[1], took


with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary)
    pairs = dataset_shards.make_pairs(folder / "pairs")
    texts = dataset_shards.make_texts(folder / "texts", n=90, words=(1, 900))
    for world_size in (1, 2, 3):
        same_sums({"pairs": pairs, "texts": texts}, world_size)
    same_sums({"pairs": pairs, "texts": texts}, 2, sequence={
        "caption_first": ("text", "image"), "image_first": ("image", "text"), "text": ("text",)},
        caption_dropout=0.4, max_caption_tokens=3)
    same_sums(pairs, 2, pack=None, captions="stored", position_ids="collapsed")
    view = build_view(pairs, folder / "own.view", weight=lambda record: 2.5, captions_map=lambda record: [
        "tree " * (int(record.key) % 5 + 1), "house"] if int(record.key) % 2 else record.captions[0].text)
    same_sums({"pairs": Source(pairs, view=view), "texts": texts}, 2)
    other = build_view(pairs, folder / "other.view", tokenizer=lambda text: [ord(c) for c in text],
                       markers={"bos": None, "eos": 3, "boi": 4, "eoi": 5})
    same_sums(Source(pairs, view=other), 2)
    programs = dataset_shards.BUILD / "tests/programs"
    subprocess.run([programs / "write_edits", folder / "edits", "40"], check=True)
    same_sums(folder / "edits-00000.lms", 2, patch=1)
    subprocess.run([programs / "write_shapes", folder / "codes", "60"], check=True)
    same_sums(folder / "codes-00000.lms", 2, pack=256)
    by_name(pairs, texts)
    masks(pairs, texts)
