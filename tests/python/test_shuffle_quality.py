# SPDX-License-Identifier: Apache-2.0
"""Dataset.shuffle_quality(), and that the default window shuffles well whatever the records are:
pairs, short and long documents, mixtures, views, many shards and few."""
import json
import pathlib
import subprocess
import tempfile
import warnings

import dataset_shards
import numpy as np

from latentmill import Dataset, Source, build_view
from latentmill.planning.shuffle import group_ends, most_records

WORDS = ("tree", "house", "balloon", "the", "red")
MEMBERS = {"window", "windows", "steps", "documents", "same_shard", "perfect", "ratio", "correlation",
           "shards_per_step", "blocks_per_step"}


def texts(out, shards, n, words):
    """n documents of so many words in each shard."""
    out.mkdir()
    text = " ".join(WORDS[i % 5] for i in range(words))
    for shard in range(shards):
        with (out / f"{out.name}-{shard:03}.jsonl").open("w") as file:
            for i in range(n):
                file.write(json.dumps({"id": f"{shard:03}-{i:05}", "text": text}) + "\n")
    return dataset_shards.prepare(out / "shards", *sorted(out.glob("*.jsonl")))


def pairs(out, shards, n):
    """Records with latents, made without a model: kind 0 of the sample records."""
    out.mkdir()
    program = dataset_shards.BUILD / "tests/programs/write_shards"
    for shard in range(shards):
        subprocess.run([program, out / f"pairs-{shard}", str(n), str(1 << 30), "20000", "0"],
                       check=True, stdout=subprocess.DEVNULL)
    return out


def good(dataset, least=5000, **more):
    quality = dataset.shuffle_quality(**more)
    assert quality.keys() == MEMBERS and quality["window"] == dataset.options.window
    assert quality["ratio"] <= 1.2, quality
    assert abs(quality["correlation"]) < 0.02 + 3 * quality["documents"] ** -0.5, quality
    assert quality["documents"] >= least
    json.dumps(quality)
    return quality


def measured(dataset, n_shards):
    """The probability by what a training sees."""
    same = every = 0
    for batch in dataset:
        names = [name for keys in batch["keys"] for name, _ in keys]
        n = np.unique(names, return_counts=True)[1]
        same, every = same + (n * (n - 1)).sum(), every + len(names) * (len(names) - 1)
    return same / every


def short_documents(short):
    """The default, a number that is bad, and that the figure is what a training sees."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = Dataset(short, batch_size=2, pack=1024)
    quality = good(dataset, 20000)
    assert quality["shards_per_step"] > 11 and quality["blocks_per_step"] > 11
    assert abs(measured(dataset, 12) - 1 / 12) < 0.01
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bad = Dataset(short, batch_size=2, pack=1024, window=500)
    assert "window=500 shuffles badly" in str(caught[0].message) and len(caught) == 1
    quality = bad.shuffle_quality(windows=50)
    assert quality["same_shard"] > 0.4 and quality["ratio"] > 5 and quality["correlation"] > 0.2, quality
    assert abs(measured(bad, 12) - quality["same_shard"]) < 0.05
    before = bad.state_dict()
    bad.shuffle_quality()
    assert bad.state_dict() == before and bad.shuffle_quality() == bad.shuffle_quality()


def two_blocks(folder):
    """A window of 4,096 of 12 x 8,000 documents, and the default."""
    data = texts(folder / "shorter", 12, 8000, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bad = Dataset(data, batch_size=8, window=4096).shuffle_quality()
    assert bad["same_shard"] > 0.3 and bad["ratio"] > 3 and bad["correlation"] > 0.2, bad
    quality = good(Dataset(data, batch_size=8), 90_000)
    assert quality["same_shard"] < 1.2 / 12


def bounded_by_bytes(short):
    """Windows that hold less than a group, and that straddle groups."""
    for group in (1, 2, 5):
        dataset = Dataset(short, batch_size=2, pack=1024, group=group, shuffle_bytes=1 << 21)
        assert dataset.options.window * 100 < 1 << 22
        quality = dataset.shuffle_quality()
        assert group > 1 or quality["perfect"] > 0.4, quality
    good(Dataset(short, batch_size=2, pack=1024, group=5), 20000)
    small = Dataset(short, batch_size=2, pack=1024, shuffle_bytes=1)
    assert small.options.window == 1


def other_kinds(folder, short):
    """Long documents alone; of a mixture each source by itself gives no worse a figure."""
    long = texts(folder / "long", 4, 6, 190_000)
    dataset = Dataset(long, batch_size=512, pack=4096)
    quality = good(dataset, 20)
    assert quality["window"] <= 64 and dataset.options.window == quality["window"]
    paired = pairs(folder / "pairs", 10, 400)
    good(Dataset(paired, batch_size=64, pack=None), 3000)
    tokens = {"short": short, "pairs": Source(paired)}
    try:
        dataset = Dataset(tokens, batch_size=64, pack=None, weights_by="samples")
    except ValueError:  # another tokenizer
        middle = texts(folder / "middle", 3, 200, 300)
        dataset = Dataset({"short": short, "middle": middle}, batch_size=64, pack=None,
                          weights_by="samples")
    good(dataset, 3000)
    many = texts(folder / "many", 70, 30, 10)
    good(Dataset(many, batch_size=64, pack=None), 2000)
    few = texts(folder / "few", 1, 3, 10)
    quality = Dataset(few, batch_size=3, pack=None).shuffle_quality()
    assert quality["ratio"] == 1.0 and quality["documents"] == 3


def views(folder, short):
    """Of a half that is all in one place of each shard; and weighed."""
    for name, more in (("half", {"where": lambda record: int(record.key[4:]) < 900}),
                       ("heavy", {"weight": lambda record: 2.5 if record.key < "003" else 0.3})):
        view = build_view(short, folder / f"{name}.lmv", **more)
        good(Dataset(Source(short, view=view), batch_size=64, pack=None), 5000)


def even_groups():
    for n in range(1, 60):
        for group in range(1, 20):
            sizes = np.diff(group_ends(n, group), prepend=0)
            assert sizes.sum() == n and sizes.max() - sizes.min() <= 1
            assert sizes.max() < 2 * group and (n < group or sizes.min() >= group)
    assert most_records(np.array([5, 1, 9, 2]), 2) == 14
    assert most_records(np.array([5, 1, 9, 2]), 3) == 17


even_groups()
with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    shards = texts(where / "short", 12, 2000, 20)
    short_documents(shards)
    two_blocks(where)
    bounded_by_bytes(shards)
    other_kinds(where, shards)
    views(where, shards)
