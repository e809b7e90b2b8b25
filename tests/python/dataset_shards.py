# SPDX-License-Identifier: Apache-2.0
"""Shards for the tests of the Python package's Dataset: the sample set's pairs and, of generated
JSON Lines, text documents, made by the program with its embedded models."""
import json
import pathlib
import random
import subprocess

import numpy as np
import package

BUILD = pathlib.Path(package.BUILD).resolve()
SAMPLE_SET = [f"tests/data/scenes-00{i}.tar" for i in range(2)]


def prepare(out, *arguments):
    command = [str(BUILD / "latentmill"), "prepare", "--out", str(out), *map(str, arguments)]
    subprocess.run(command, check=True, stderr=subprocess.PIPE)
    return pathlib.Path(out)


def make_pairs(out, *options):
    """Two shards of 20 pairs, 8x32x32 latents: 256 patches of window 2."""
    return prepare(out, *options, *SAMPLE_SET)


def make_texts(out, n=60, shards=3, words=(1, 400), seed=0):
    """`n` documents of `words` words in all, in `shards` shards text-0, text-1, ..."""
    dice = random.Random(seed)
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    inputs = []
    for shard in range(shards):
        inputs.append(out / f"text-{shard}.jsonl")
        with inputs[-1].open("w") as file:
            for i in range(shard, n, shards):
                text = " ".join(dice.choice(("tree", "house", "balloon", "the", "red"))
                                for _ in range(dice.randint(*words)))
                file.write(json.dumps({"id": f"doc-{i:04}", "text": text}) + "\n")
    return prepare(out / "shards", *inputs)


def make_numbered(out, name, numbers, key="key-{}"):
    """A short document for each number, in one shard called `name`."""
    out.mkdir()
    file = out / f"{name}.jsonl"
    file.write_text("".join(json.dumps({"id": key.format(i), "text": f"the red tree {i}"}) + "\n" for i in numbers))
    return prepare(out / "shards", file)


def index(folder):
    """Makes index.lmi, also where shards were replaced or are gone."""
    subprocess.run([BUILD / "latentmill", "index", "--incomplete", folder], check=True,
                   capture_output=True)


def documents(dataset):
    """((NAME, key), tokens besides patches) of each document of an epoch, a cut text's parts
    apart."""
    out = []
    for batch in dataset:
        patches = np.zeros(batch["tokens"].shape, bool)
        for sequence, offset, length in batch["spans"][:, :3].tolist():
            patches[sequence, offset:offset + length] = True
        for s, keys in enumerate(batch["keys"]):
            for d, identity in enumerate(keys):
                mine = (batch["doc_ids"][s] == d) & ~patches[s]
                out.append((identity, batch["tokens"][s][mine].tolist()))
    return out
